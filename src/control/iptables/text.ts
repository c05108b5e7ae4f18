/*
 * Text that iptables-save writes of what a user named.
 */

/** As xtables_save_string: bare where it is made of letters, digits, "_" and "-" alone, else quoted. */
export function quoted(text: string): string {
  if (/^[0-9A-Za-z_-]+$/.test(text)) return text;
  return `"${text.replace(/["\\']/g, '\\$&')}"`;
}

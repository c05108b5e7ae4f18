/*
 * Numbers on iptables' command line: as strtoul(…, 0) reads a whole string (octal and 0x count), no sign.
 */

/** undefined: no number, or one above `high`, which is at most 2^32-1. */
export function readUnsigned(text: string, high = 0xffffffff): number | undefined {
  const parts = /^\s*\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  if (parts === null) return undefined;
  const value = /^0[0-7]/.test(parts[1]) ? Number.parseInt(parts[1], 8) : Number(parts[1]);
  return value <= high ? value : undefined;
}

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

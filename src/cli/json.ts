/*
 * JSON as iproute2 writes it: no space at all, or with -p its own idea of pretty, in which an array
 * stays on its line ("[ 1,2 ]"), every field of an object has one, and closing braces of siblings
 * touch ("},{"). Timers keep two decimals (0.00), which JSON.stringify would drop.
 */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** A number's text; timers are hundredths of a second. */
function number(key: string, value: number): string {
  return key.endsWith('_timer') ? value.toFixed(2) : String(value);
}

const ESCAPES: Record<string, string> = {
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
  '\f': '\\f',
  '\b': '\\b',
  '\\': '\\\\',
  '"': '\\"',
};

function quote(text: string): string {
  return `"${text.replace(/[\t\n\r\f\b\\"]/g, (char) => ESCAPES[char])}"`;
}

class Writer {
  constructor(private readonly pretty: boolean) {}

  value(key: string, value: Json, depth: number): string {
    if (typeof value === 'string') return quote(value);
    if (typeof value === 'number') return number(key, value);
    if (typeof value !== 'object' || value === null) return String(value);
    return Array.isArray(value) ? this.#array(value, depth) : this.#object(value as Record<string, Json>, depth);
  }

  #array(items: readonly Json[], depth: number): string {
    const text = items.map((item) => this.value('', item, depth + 1)).join(',');
    if (!this.pretty) return `[${text}]`;
    return text === '' ? '[ ]' : `[ ${text} ]`;
  }

  #object(object: Record<string, Json | undefined>, depth: number): string {
    const colon = this.pretty ? ': ' : ':';
    const line = this.pretty ? `\n${'    '.repeat(depth + 1)}` : '';
    const fields: string[] = [];
    for (const [key, value] of Object.entries(object)) {
      if (value !== undefined) fields.push(`${line}${quote(key)}${colon}${this.value(key, value, depth + 1)}`);
    }
    if (fields.length === 0) return '{}';
    return `{${fields.join(',')}${this.pretty ? `\n${'    '.repeat(depth)}` : ''}}`;
  }
}

/** A whole document, with the newline at its end. */
export function json(value: Json, pretty: boolean): string {
  return `${new Writer(pretty).value('', value, 0)}\n`;
}

/*
 * A cursor over a command's words, wording its complaints as iproute2 does.
 *
 * iproute2 compares keywords in two ways, and scripts rely on both: exactly, or by `matches`, where
 * any beginning of the keyword will do, the empty string included, and the first keyword of the
 * list wins. The lists here keep iproute2's order for that reason.
 */
import { cannot, Refusal } from './refusal.js';

/** Is `word` a beginning of `keyword`? */
export function matches(word: string, keyword: string): boolean {
  return keyword.startsWith(word);
}

/** A keyword and what it does. */
export interface Keyword<T> {
  word: string;
  /** Takes no abbreviation. */
  exact: boolean;
  /** The real tool has it and Sluice lacks it: it is refused, and completion does not offer it. */
  absent: boolean;
  take(into: T, words: Words): void;
}

export function exactly<T>(word: string, take: Keyword<T>['take'], absent = false): Keyword<T> {
  return { word, exact: true, absent, take };
}

export function abbreviated<T>(word: string, take: Keyword<T>['take'], absent = false): Keyword<T> {
  return { word, exact: false, absent, take };
}

/** The words of a list that Sluice has. */
export function offered<T>(list: readonly Keyword<T>[]): string[] {
  return [...new Set(list.filter(({ absent }) => !absent).map(({ word }) => word))];
}

export function find<T>(list: readonly Keyword<T>[], word: string): Keyword<T> | undefined {
  return list.find((keyword) => (keyword.exact ? keyword.word === word : matches(word, keyword.word)));
}

/** What strtol(…, 0) makes of a whole string; undefined if it is no number. Sign, 0x and octal count. */
export function parseInteger(text: string): number | undefined {
  const parts = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  if (parts === null) return undefined;
  const digits = parts[2];
  const octal = digits.length > 1 && digits.startsWith('0') && !/x/i.test(digits);
  const size = octal ? Number.parseInt(digits, 8) : Number(digits);
  return parts[1] === '-' ? -size : size;
}

/** What atoi() makes of a string: the leading decimal digits, else 0. */
export function atoi(text: string): number {
  return Number.parseInt(/^\s*[+-]?[0-9]+/.exec(text)?.[0] ?? '0', 10);
}

export class Words {
  #at = 0;
  /** What the sentence calls the thing that the command is about: set as soon as it is known. */
  object = '';

  /** @param verb the command so far, as the sentence names it: "ip link add" */
  constructor(
    readonly list: readonly string[],
    readonly verb: string,
    private readonly help = verb,
  ) {}

  get done(): boolean {
    return this.#at >= this.list.length;
  }

  get rest(): readonly string[] {
    return this.list.slice(this.#at);
  }

  peek(): string | undefined {
    return this.list[this.#at];
  }

  /** The next word, which must be there. */
  next(): string {
    if (this.done) throw this.incomplete();
    return this.list[this.#at++];
  }

  /** The word after a keyword; complains as iproute2's NEXT_ARG. */
  value(): string {
    if (!this.done) return this.list[this.#at++];
    throw this.incomplete(`"${this.list[this.#at - 1]}" needs a value`);
  }

  integer(message: string, low = -2147483648, high = 2147483647): number {
    const text = this.value();
    const number = parseInteger(text);
    if (number === undefined || number < low || number > high) throw this.invalid(text, message);
    return number;
  }

  /** `parse_on_off`: "o" is off, the first of the two. */
  onOff(keyword: string, status = 1, ends = false): boolean {
    const text = this.value();
    if (matches(text, 'off')) return false;
    if (matches(text, 'on')) return true;
    const line = `Error: argument of "${keyword}" must be one of "off", "on", not "${text}"`;
    throw this.refuse(line, status, `"${keyword}" is on or off, not "${text}"`, undefined, ends);
  }

  refuse(tool: string, status: number, cause: string, hint?: string, ends = true): Refusal {
    return new Refusal(tool, status, cannot(this.verb, this.object, cause, hint ?? this.see), ends);
  }

  get see(): string {
    return `see "sluice ${this.help} --help"`;
  }

  incomplete(cause = 'the command is not complete'): Refusal {
    return this.refuse('Command line is not complete. Try option "help"', 255, cause);
  }

  invalid(text: string, message: string, cause?: string, hint?: string): Refusal {
    return this.refuse(`Error: argument "${text}" is wrong: ${message}`, 255, cause ?? `"${text}": ${message}`, hint);
  }

  /** `help`: what iproute2 calls the object. */
  unknownCommand(word: string, help = this.help): Refusal {
    const line = `Command "${word}" is unknown, try "${help} help".`;
    return this.refuse(line, 255, `there is no command "${word}"`);
  }

  /** `duparg`: the keyword was there before. */
  duplicate(keyword: string, text: string): Refusal {
    const line = `Error: duplicate "${keyword}": "${text}" is the second value.`;
    return this.refuse(line, 255, `"${keyword}" is given twice`, 'say it once');
  }

  /** `duparg2`: a second name, or a word that iproute2 does not know either. */
  garbage(keyword: string, text: string): Refusal {
    const line = `Error: either "${keyword}" is duplicate, or "${text}" is a garbage.`;
    return this.refuse(line, 255, `"${text}" is no word of it`);
  }

  /** iproute2 knows the word; Sluice cannot do it, and ignores nothing. */
  unsupported(word: string, hint = 'leave it out', cause?: string): Refusal {
    const line = 'RTNETLINK answers: Operation not supported';
    return this.refuse(
      line,
      this.verb.startsWith('bridge') ? 255 : 2,
      cause ?? `"${word}" is not there yet`,
      hint,
      false,
    );
  }
}

/** Six hexadecimal bytes, as `ll_addr_a2n` reads them: any number of bytes, one or two digits each. */
export function parseAddress(words: Words, text: string): number[] {
  const bad = (part: string) =>
    words.refuse(
      `"${part}" is invalid lladdr.`,
      1,
      `"${text}" is no MAC address`,
      'write it as 02:00:00:00:00:01',
      false,
    );
  if (text.includes('.')) {
    const bytes = text.split('.').map(Number);
    if (bytes.length !== 4 || bytes.some((byte) => !(byte >= 0 && byte <= 255))) throw bad(text);
    return bytes;
  }
  return text.split(':').map((part) => {
    const byte = /^(0x)?[0-9a-f]+/i.test(part) ? Number.parseInt(part, 16) : -1;
    if (byte < 0 || byte > 255) throw bad(part);
    return byte;
  });
}

export function formatAddress(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** `check_altifname`: no slash, no white space, not empty; `check_ifname` also limits it to 15 bytes. */
export function isName(name: string, limit = Number.POSITIVE_INFINITY): boolean {
  return name !== '' && !/[/\s]/.test(name) && Buffer.byteLength(name) <= limit;
}

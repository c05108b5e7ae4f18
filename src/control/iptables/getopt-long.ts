/*
 * getopt_long(3) as iptables calls it ("-" in front: operands come in their place): long names may be shortened as long as one option
 * alone begins so, values are joined (--name=VALUE, -xVALUE) or apart, "--" ends options.
 *
 * There are several tables of long options: the tool's own, then one for each extension that has been loaded, the newest first. A
 * whole name is looked for in all of them before a beginning is.
 */

export const enum Takes {
  NOTHING = 0,
  VALUE = 1,
  /** Joined only: -LCHAIN, --list=CHAIN. */
  MAYBE = 2,
}

export interface LongOption {
  readonly name: string;
  readonly takes: Takes;
  /** The tool's own: its short form, by which it is known. */
  readonly letter: string;
}

export type LongOptions = ReadonlyMap<string, LongOption>;

export const enum Result {
  OPTION = 0,
  OPERAND = 1,
  UNKNOWN = 2,
  /** Its value is missing. */
  LACKING = 3,
  END = 4,
}

const NO_OPTION: LongOption = { name: '', takes: Takes.NOTHING, letter: '' };

export class Getopt {
  /** The next word. */
  at = 0;
  /** Of the last result: the option, the table it is from, and its value; undefined: none was given. */
  option = NO_OPTION;
  table = 0;
  value: string | undefined;
  /** The letter that was read last, known or not. */
  letter = '';
  #words: readonly string[] = [];
  /** Letters of a word of short options that are still to be read. */
  #letters = '';

  constructor(private readonly short: LongOptions) {}

  start(words: readonly string[]): this {
    this.#words = words;
    this.#letters = '';
    this.at = 0;
    return this;
  }

  /** The word that was read last. */
  get last(): string {
    return this.#words[this.at - 1];
  }

  /** The word that has been read to its end last; undefined: none has. */
  get finished(): string | undefined {
    return this.#words[this.#letters === '' ? this.at - 1 : this.at - 2];
  }

  get isDone(): boolean {
    return this.at >= this.#words.length;
  }

  /** The next word, if it is a value that a command may take: no option, no "!". */
  takeArgument(): string | undefined {
    const word = this.#words[this.at];
    if (word === undefined || word[0] === '-' || word[0] === '!') return undefined;
    this.at++;
    return word;
  }

  next(tables: readonly LongOptions[]): Result {
    if (this.#letters !== '') return this.#letter();
    const word = this.#words[this.at];
    if (word === undefined) return Result.END;
    this.at++;
    if (word.charCodeAt(0) !== 45 || word.length === 1) {
      this.value = word;
      return Result.OPERAND;
    }
    if (word.charCodeAt(1) !== 45) {
      this.#letters = word.slice(1);
      return this.#letter();
    }
    return word.length === 2 ? Result.END : this.#long(word, tables);
  }

  #letter(): Result {
    this.letter = this.#letters[0];
    const option = this.short.get(this.letter);
    this.#letters = this.#letters.slice(1);
    if (option === undefined) return Result.UNKNOWN;
    this.option = option;
    this.table = 0;
    this.value = undefined;
    if (option.takes === Takes.NOTHING) return Result.OPTION;
    if (this.#letters === '') return option.takes === Takes.MAYBE ? Result.OPTION : this.#apart();
    this.value = this.#letters;
    this.#letters = '';
    return Result.OPTION;
  }

  #long(word: string, tables: readonly LongOptions[]): Result {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    if (!this.#find(name, tables)) return Result.UNKNOWN;
    this.value = equals < 0 ? undefined : word.slice(equals + 1);
    const { takes } = this.option;
    if (takes === Takes.VALUE && equals < 0) return this.#apart();
    return takes === Takes.NOTHING && equals >= 0 ? Result.UNKNOWN : Result.OPTION;
  }

  #apart(): Result {
    const value = this.#words[this.at];
    if (value === undefined) return Result.LACKING;
    this.at++;
    this.value = value;
    return Result.OPTION;
  }

  #find(name: string, tables: readonly LongOptions[]): boolean {
    for (let i = 0; i < tables.length; i++) {
      const option = tables[i].get(name);
      if (option === undefined) continue;
      this.option = option;
      this.table = i;
      return true;
    }
    return this.#findBeginning(name, tables);
  }

  /** It may be a beginning of one option only, or of several names of one of the tool's. */
  #findBeginning(name: string, tables: readonly LongOptions[]): boolean {
    let found = NO_OPTION;
    for (const [i, table] of tables.entries()) {
      for (const [full, option] of table) {
        if (!full.startsWith(name) || option === found) continue;
        if (found !== NO_OPTION && (option.letter === '' || option.letter !== found.letter)) return false;
        if (found === NO_OPTION) this.table = i;
        found = option;
      }
    }
    this.option = found;
    return found !== NO_OPTION;
  }
}

/** Options by long and by short name, from "append A:" ("::" as in getopt). */
export function optionTables(lines: readonly string[]): { long: LongOptions; short: LongOptions } {
  const long = new Map<string, LongOption>();
  const short = new Map<string, LongOption>();
  for (const line of lines) {
    const [, name, letter, colons] = /^(\S*) (.)(:*)$/.exec(line) as RegExpExecArray;
    const takes = [Takes.NOTHING, Takes.VALUE, Takes.MAYBE][colons.length];
    const option = { name, takes, letter };
    if (name !== '') long.set(name, option);
    if (!short.has(letter)) short.set(letter, option);
  }
  return { long, short };
}

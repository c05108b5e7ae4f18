/*
 * Keywords and values of Sluice's own verbs for a link's services: `dhcp`, `radv`.
 */
import { misuse } from './refusal.js';

/** A cursor over the words of a verb that has no counterpart. */
export class ServiceWords {
  private at = 0;

  constructor(
    private readonly verb: string,
    private readonly list: readonly string[],
  ) {}

  get done(): boolean {
    return this.at >= this.list.length;
  }

  /** The next word, or a complaint that `what` is missing. */
  take(what: string): string {
    if (this.done) throw misuse(this.verb, '', `it names no ${what}`);
    return this.list[this.at++];
  }

  /** Takes the next word if it is that one. */
  has(word: string): boolean {
    if (this.list[this.at] !== word) return false;
    this.at++;
    return true;
  }

  /** Nothing may follow. */
  end(): void {
    if (!this.done) throw misuse(this.verb, `"${this.list[this.at]}"`, 'it is one word too many');
  }

  value(keyword: string): string {
    if (this.done) throw misuse(this.verb, keyword, 'it needs a value');
    return this.list[this.at++];
  }

  number(keyword: string, most = 0xffffffff): number {
    const text = this.value(keyword);
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (number <= most) return number;
    throw misuse(this.verb, keyword, `"${text}" is no number up to ${most}`);
  }

  /** Seconds, "forever", or with a unit: 12h, 30m, 7d. */
  seconds(keyword: string): number {
    const text = this.value(keyword);
    if (text === 'forever' || text === 'infinite') return 0xffffffff;
    const parts = /^(\d+)([smhd]?)$/.exec(text);
    if (parts === null)
      throw misuse(this.verb, keyword, `"${text}" is no time; write seconds, 30m, 12h, 7d or forever`);
    const unit = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[parts[2] as '' | 's' | 'm' | 'h' | 'd'];
    return Math.min(Number(parts[1]) * unit, 0xfffffffe);
  }

  isOn(keyword: string): boolean {
    const text = this.value(keyword);
    if (text === 'on' || text === 'off') return text === 'on';
    throw misuse(this.verb, keyword, `"${text}" is neither on nor off`);
  }

  unknown(word: string): Error {
    return misuse(this.verb, `"${word}"`, 'there is no such word');
  }
}

/** Takes -j and -p off the words. */
export function jsonFlags(words: readonly string[]): { json: boolean; pretty: boolean; rest: string[] } {
  const isFlag = (word: string): boolean => word === '-j' || word === '-json' || word === '--json' || word === '-p';
  return {
    json: words.some((word) => isFlag(word) && word !== '-p'),
    pretty: words.includes('-p'),
    rest: words.filter((word) => !isFlag(word)),
  };
}

/** Columns of text, each as wide as it must be. */
export function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** Time left, as days, hours, minutes and seconds: 1d02h, 59m03s. */
export function timeLeft(seconds: number): string {
  const units: Array<[number, string]> = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'm'],
    [1, 's'],
  ];
  const first = units.findIndex(([size]) => seconds >= size);
  if (first < 0) return '0s';
  const [size, name] = units[first];
  const next = units[first + 1];
  const rest = next === undefined ? '' : `${String(Math.floor((seconds % size) / next[0])).padStart(2, '0')}${next[1]}`;
  return `${Math.floor(seconds / size)}${name}${rest}`;
}

/*
 * -m string: bytes somewhere in the packet.
 */
import { Op, OpWord, StringOp } from '../../../netfilter/ops.js';
import type { Extension } from '../extension.js';
import { Problem } from '../problem.js';
import { text } from './values.js';
import { bang, packBytes } from './wording.js';

const LONGEST = 128;
const END = 0xffff;
const BAR = 0x7c;
const BACKSLASH = 0x5c;
const BLANK = 0x20;

interface Search {
  pattern?: Uint8Array;
  isInverted: boolean;
  algorithm: string;
  from: number;
  to: number;
  ignoresCase: boolean;
}

/** Reads "text|0a 0b|\|": bytes between bars in hex, others as they are, a backslash takes the next as it is. */
class HexReader {
  readonly #source: Buffer;
  readonly #bytes: number[] = [];
  #at = 0;
  #isHex = false;

  constructor(readonly text: string) {
    this.#source = Buffer.from(text);
    if (this.#source.length === 0) throw new Problem('STRING must contain at least one char');
  }

  read(): Uint8Array {
    while (this.#at < this.#source.length) {
      if (this.#source[this.#at] === BAR && !this.#bar()) break;
      if (this.#isHex) this.#hex();
      else if (this.#source[this.#at] === BACKSLASH) this.#literal();
      else this.#push(this.#source[this.#at++]);
    }
    return Uint8Array.from(this.#bytes);
  }

  #push(byte: number): void {
    if (this.#bytes.length >= LONGEST) throw new Problem(`STRING too long "${this.text}"`);
    this.#bytes.push(byte);
  }

  /** False: it was the last character. */
  #bar(): boolean {
    this.#isHex = !this.#isHex;
    while (this.#isHex && this.#source[this.#at + 1] === BLANK) this.#at++;
    return ++this.#at < this.#source.length;
  }

  #literal(): void {
    if (this.#at + 1 >= this.#source.length) throw new Problem('Bad literal placement at end of string');
    this.#push(this.#source[this.#at + 1]);
    this.#at += 2;
  }

  #hex(): void {
    const left = this.#source.length - this.#at;
    if (left < 2) throw new Problem('Odd number of hex digits');
    if (left < 3) throw new Problem('Invalid hex block');
    const digits = this.#source.toString('latin1', this.#at, this.#at + 2);
    const bad = [...digits].find((digit) => !/[0-9a-f]/i.test(digit));
    if (bad !== undefined) throw new Problem(`Invalid hex char '${bad}'`);
    this.#push(Number.parseInt(digits, 16));
    this.#at += this.#source[this.#at + 2] === BLANK ? 3 : 2;
  }
}

function isPrintable(pattern: Uint8Array): boolean {
  return pattern.every((byte) => byte >= 0x20 && byte < 0x7f) && pattern[pattern.length - 1] !== BACKSLASH;
}

/** In quotes: hex where it cannot be printed. */
function quoted(pattern: Uint8Array): string {
  const text = Buffer.from(pattern);
  return isPrintable(pattern) ? `"${text.toString().replace(/["\\]/g, '\\$&')}"` : `"|${text.toString('hex')}|"`;
}

/** As the kernel's text search finds its algorithms. */
function check({ pattern, algorithm, from, to }: Search): string | undefined {
  if (algorithm === 'fsm' || from > to || pattern?.length === 0) return 'EINVAL';
  return algorithm === 'bm' || algorithm === 'kmp' ? undefined : 'ENOENT';
}

export const string: Extension<Search> = {
  name: 'string',
  isTarget: false,
  options: [
    {
      name: 'from',
      argument: 'required',
      take(data, given) {
        data.from = given.u16();
      },
    },
    {
      name: 'to',
      argument: 'required',
      take(data, given) {
        data.to = given.u16();
      },
    },
    {
      name: 'algo',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        data.algorithm = text(given, 16);
      },
    },
    {
      name: 'string',
      argument: 'required',
      canInvert: true,
      excludes: ['hex-string'],
      take(data, given) {
        data.pattern = Buffer.from(given.text);
        data.isInverted = given.isInverted;
        if (data.pattern.length > LONGEST) throw new Problem(`STRING too long "${given.text}"`);
      },
    },
    {
      name: 'hex-string',
      argument: 'required',
      canInvert: true,
      excludes: ['string'],
      take(data, given) {
        data.pattern = new HexReader(given.text).read();
        data.isInverted = given.isInverted;
      },
    },
    {
      name: 'icase',
      take(data) {
        data.ignoresCase = true;
      },
    },
  ],
  create: () => ({ isInverted: false, algorithm: '', from: 0, to: END, ignoresCase: false }),
  finalCheck(data) {
    if (data.pattern === undefined) throw new Problem("STRING match: You must specify `--string' or `--hex-string'");
  },
  check,
  save({ pattern = new Uint8Array(), isInverted, algorithm, from, to, ignoresCase }) {
    return (
      `${bang(isInverted)} --${isPrintable(pattern) ? '' : 'hex-'}string ${quoted(pattern)} --algo ${algorithm}` +
      (from === 0 ? '' : ` --from ${from}`) +
      (to === END ? '' : ` --to ${to}`) +
      (ignoresCase ? ' --icase' : '')
    );
  },
  list({ pattern = new Uint8Array(), isInverted, algorithm, from, to, ignoresCase }) {
    return (
      ` STRING match ${isInverted ? '!' : ''} ${quoted(pattern)} ALGO name ${algorithm}` +
      (from === 0 ? '' : ` FROM ${from}`) +
      (to === END ? '' : ` TO ${to}`) +
      (ignoresCase ? ' ICASE' : '')
    );
  },
  encode({ pattern = new Uint8Array(), isInverted, from, to, ignoresCase }, into) {
    const flags = (isInverted ? OpWord.INVERTED : 0) | (ignoresCase ? StringOp.IGNORE_CASE : 0);
    into.add(Op.STRING, [from, to, pattern.length, ...packBytes(pattern)], flags);
  },
};

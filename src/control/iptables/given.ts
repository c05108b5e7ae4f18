/*
 * An option as it was given, and the readers of numbers in it (extensions/values.ts has the others): they word what is wrong as libxtables does for guided options.
 */

import type { Use } from './extension.js';
import { readUnsigned } from './numbers.js';
import { Problem } from './problem.js';

/** A range; both ends counted. */
export interface Range {
  low: number;
  high: number;
}

/** A value and which of its bits count. */
export interface Masked {
  value: number;
  mask: number;
}

export class Given {
  constructor(
    /** As complaints name it: the extension's name. */
    readonly extension: string,
    /** The option's name, without dashes. */
    readonly option: string,
    /** '' where it takes none, or an optional one is left out. */
    readonly text: string,
    readonly isInverted: boolean,
    readonly use: Use,
    /** Takes further words for a free option that has more than one value; undefined: none is left, or an option follows. */
    readonly next: () => string | undefined = () => undefined,
  ) {}

  /** In the extension's words: "NAME: MESSAGE". */
  problem(message: string): Problem {
    return new Problem(`${this.extension}: ${message}`);
  }

  badValue(): Problem {
    return this.problem(`Bad value for "--${this.option}" option: "${this.text}"`);
  }

  unsigned(low: number, high: number, text = this.text): number {
    const value = readUnsigned(text, high);
    if (value === undefined || value < low) throw this.outOfRange(low, high);
    return value;
  }

  u8(low = 0, high = 255): number {
    return this.unsigned(low, high);
  }

  u16(low = 0, high = 0xffff): number {
    return this.unsigned(low, high);
  }

  u32(low = 0, high = 0xffffffff): number {
    return this.unsigned(low, high);
  }

  /** 64 bits. */
  u64(low = 0n, high = 0xffffffffffffffffn): bigint {
    const parts = /^\s*\+?(0[xX][0-9a-fA-F]+|[0-9]+)$/.exec(this.text);
    const isOctal = parts !== null && /^0[0-7]+$/.test(parts[1]);
    const value = parts === null ? -1n : BigInt(isOctal ? `0o${parts[1].slice(1)}` : parts[1]);
    if (value < low || value > high) throw this.outOfRange(low, high);
    return value;
  }

  private outOfRange(low: number | bigint, high: number | bigint): Problem {
    return this.problem(`bad value for option "--${this.option}", or out of range (${low}-${high}).\n`);
  }
}

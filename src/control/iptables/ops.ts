/*
 * A list of ops for the dataplane's rules (netfilter/rules.ts), growing; cut into pieces that each take little time.
 */

import { Rule } from '../../netfilter/rule.js';
import { InsertRule, RulesOp } from '../../netfilter/rules.js';
import type { EncodedRule } from './encode.js';

/** Of a piece, at most: what the dataplane does in about 100 µs, whatever the ops. */
const PIECE_OPS = 32;

const TWO_32 = 2 ** 32;

export class Ops {
  #words = new Int32Array(256);
  #length = 0;
  /** Where pieces end. */
  readonly #ends: number[] = [];
  /** Ops since the last. */
  #count = 0;
  /** Words of the pool that they take. */
  poolWords = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  add(...words: number[]): void {
    this.#reserve(words.length);
    for (const word of words) this.#words[this.#length++] = word;
    this.#end();
  }

  /** INSERT_RULE or REPLACE_RULE. */
  addRule(
    op: RulesOp,
    chain: number,
    after: number,
    number: number,
    encoded: EncodedRule,
    packets: number,
    bytes: number,
  ): void {
    const { program, args } = encoded;
    this.#reserve(InsertRule.PROGRAM + program.length + args.length);
    const words = this.#words;
    let at = this.#length;
    words[at] = op;
    words[at + InsertRule.CHAIN] = chain;
    words[at + InsertRule.AFTER] = after;
    words[at + InsertRule.RULE] = number;
    words[at + InsertRule.PROGRAM_WORDS] = program.length;
    words[at + InsertRule.ARGUMENT_WORDS] = args.length;
    writeDouble(words, at + InsertRule.PACKETS, packets);
    writeDouble(words, at + InsertRule.BYTES, bytes);
    words.set(encoded.row, at + InsertRule.ROW);
    at += InsertRule.ROW + Rule.WORDS;
    for (let i = 0; i < program.length; i++) words[at++] = program[i];
    for (let i = 0; i < args.length; i++) words[at++] = args[i];
    this.#length = at;
    this.poolWords += program.length + args.length + 1;
    this.#end();
  }

  setChainCounters(chain: number, packets: number, bytes: number): void {
    this.#reserve(6);
    const at = this.#length;
    this.#words[at] = RulesOp.SET_CHAIN_COUNTERS;
    this.#words[at + 1] = chain;
    writeDouble(this.#words, at + 2, packets);
    writeDouble(this.#words, at + 4, bytes);
    this.#length += 6;
    this.#end();
  }

  /** All of them, in order. */
  all(): Int32Array {
    return this.#words.slice(0, this.#length);
  }

  pieces(): Int32Array[] {
    const pieces: Int32Array[] = [];
    let from = 0;
    for (const end of [...this.#ends, this.#length]) {
      if (end > from) pieces.push(this.#words.slice(from, end));
      from = end;
    }
    return pieces;
  }

  #end(): void {
    if (++this.#count < PIECE_OPS) return;
    this.#ends.push(this.#length);
    this.#count = 0;
  }

  #reserve(words: number): void {
    const needed = this.#length + words;
    if (needed <= this.#words.length) return;
    const grown = new Int32Array(Math.max(needed, this.#words.length * 2));
    grown.set(this.#words);
    this.#words = grown;
  }
}

/** A whole number up to 2^53, low word first. */
function writeDouble(words: Int32Array, at: number, value: number): void {
  words[at] = value | 0;
  words[at + 1] = value / TWO_32;
}

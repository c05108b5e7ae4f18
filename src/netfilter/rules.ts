/*
 * The rules of all namespaces: rows, counters, programs, and the chains they are in.
 *
 *   control ── ops, between bursts ─► Rules ─┬─ rows        32 words a rule (rule.ts), read by the walk (traverse.ts)
 *                                            ├─ counters    packets and bytes a rule; anybody may read them
 *                                            ├─ pool        programs and arguments of targets, as ops.ts has them
 *                                            ├─ chains      chains.ts
 *                                            └─ classifier  classifier.ts, of the long chains
 *
 * - Numbers of rules and chains are chosen by the caller, from 1. Names, texts and comments are not known here.
 * - Each op takes some microseconds and no more, however many rules there are; the caller cuts long lists of them into
 *   pieces. To put in a whole table at once it fills chains that nobody calls yet, and then swaps them for those in
 *   use (SWAP_CHAINS), which takes no time.
 * - A rule takes 128 bytes, 16 of counters, and what its program takes, 4 a word; in a long chain also its entry of the
 *   index. Memory that has never been used is not touched.
 * - When the pool is full `apply` answers false and stops there; `hasRoom` tells before.
 *
 * Single writer: the engine's worker.
 */
import { sharedDoubles, sharedInts } from '../core/memory.js';
import { WordPool } from '../tables/word-pool.js';
import { type ChainNumber, Chains, placeOf } from './chains.js';
import { Classifier, type LinkNames } from './classifier.js';
import { Place } from './place.js';
import { type Family, type Hook, Rule, type TableId } from './rule.js';

/** A rule's number; 0 is none. */
export type RuleNumber = number;

/** Ops of `apply`: their words, the op's own first. */
export const enum RulesOp {
  /** chain, namespace, family, table, hook (-1: none, only rules call it), flags (ChainFlag). */
  ADD_CHAIN = 1,
  /** chain; it has no rules. */
  REMOVE_CHAIN = 2,
  /** chain, flags (ChainFlag): the policy. */
  SET_FLAGS = 3,
  /** chain, other chain: exchanges their rules. */
  SWAP_CHAINS = 4,
  /**
   * chain, the rule before it or 0, rule, words of its program, words of its target's arguments, packets (low, high), bytes (low,
   * high), then the row (Rule.WORDS), the program and the arguments.
   * The store fills in PROGRAM, ORDER and CHAIN, and ARGUMENT where there are arguments.
   */
  INSERT_RULE = 5,
  /** rule. */
  REMOVE_RULE = 6,
  /** Words as of INSERT_RULE; chain and the rule before it mean nothing: the rule keeps its place. */
  REPLACE_RULE = 7,
  /** rule: its counters start anew. */
  ZERO_RULE = 8,
  /** chain: its policy's counters start anew. */
  ZERO_CHAIN = 9,
  /** chain, packets (low, high), bytes (low, high): its policy's counters. */
  SET_CHAIN_COUNTERS = 10,
}

/** Words of INSERT_RULE from the op on. */
export const enum InsertRule {
  CHAIN = 1,
  AFTER = 2,
  RULE = 3,
  PROGRAM_WORDS = 4,
  ARGUMENT_WORDS = 5,
  PACKETS = 6,
  BYTES = 8,
  ROW = 10,
  /** ROW + Rule.WORDS. */
  PROGRAM = 42,
}

export interface RulesOptions {
  /** Rules. Default 2^20. */
  capacity?: number;
  /** Chains. Default 2^18. */
  chains?: number;
  /** Words of programs and arguments. Default 2^25. */
  poolWords?: number;
  /** Words of indexes of long chains. Default 2^24. */
  indexWords?: number;
}

/** Words of a row that say where a rule is in its chain. */
const KEPT = [Rule.ORDER, Rule.CHAIN, Place.NEXT, Place.PREVIOUS];

const TWO_32 = 2 ** 32;
/** Words of the pool's smallest block. */
const LEAST_BLOCK = 4;

export class Rules {
  readonly rows: Int32Array<SharedArrayBuffer>;
  /** Packets and bytes, by rule × 2. */
  readonly counters: Float64Array<SharedArrayBuffer>;
  readonly pool: WordPool;
  readonly classifier: Classifier;
  readonly chains: Chains;
  readonly capacity: number;
  /** The pool's block of a rule's program and arguments, or 0. Their words start behind its first. */
  private readonly blocks: Int32Array<SharedArrayBuffer>;
  /** Goes up with every change of what a packet meets. */
  generation = 0;

  constructor(names: LinkNames = {}, options: RulesOptions = {}) {
    this.capacity = options.capacity ?? 1 << 20;
    const poolWords = options.poolWords ?? 1 << 25;
    this.rows = sharedInts((this.capacity + 1) << Rule.SHIFT);
    this.counters = sharedDoubles((this.capacity + 1) << 1);
    this.blocks = sharedInts(this.capacity + 1);
    this.pool = new WordPool(poolWords, poolWords);
    this.classifier = new Classifier(this.rows, names, options.indexWords);
    this.chains = new Chains(this.rows, this.classifier, options.chains ?? 1 << 18);
  }

  /** The base chain of a namespace's table at a hook, or 0. */
  baseOf(namespace: number, family: Family, table: TableId, hook: Hook): ChainNumber {
    return this.chains.base[placeOf(namespace, family, table, hook)];
  }

  /** Whether programs of so many words are sure to fit, whatever holes the pool has. */
  hasRoom(words: number): boolean {
    return this.pool.extent + words <= this.pool.limit;
  }

  apply(ops: Int32Array): boolean {
    for (let at = 0; at < ops.length; ) {
      const next = this.applyOne(ops, at);
      if (next < 0) return false;
      at = next;
    }
    return true;
  }

  /** Answers where the next op starts, or -1 where the pool is full. */
  private applyOne(ops: Int32Array, at: number): number {
    const op = ops[at];
    const number = ops[at + 1];
    if (op !== RulesOp.ZERO_RULE && op !== RulesOp.ZERO_CHAIN) this.generation = (this.generation + 1) | 0;
    switch (op) {
      case RulesOp.INSERT_RULE:
        return this.insert(ops, at) ? endOfRule(ops, at) : -1;
      case RulesOp.REPLACE_RULE:
        return this.replace(ops, at) ? endOfRule(ops, at) : -1;
      case RulesOp.REMOVE_RULE:
        this.remove(number);
        return at + 2;
      case RulesOp.ZERO_RULE:
        this.counters.fill(0, number << 1, (number << 1) + 2);
        return at + 2;
      default:
        return this.applyToChain(ops, at);
    }
  }

  private applyToChain(ops: Int32Array, at: number): number {
    const { chains } = this;
    const chain = ops[at + 1];
    switch (ops[at]) {
      case RulesOp.ADD_CHAIN:
        chains.add(
          chain,
          ops[at + 5] < 0 ? -1 : placeOf(ops[at + 2], ops[at + 3], ops[at + 4], ops[at + 5]),
          ops[at + 6],
        );
        return at + 7;
      case RulesOp.REMOVE_CHAIN:
        chains.remove(chain);
        return at + 2;
      case RulesOp.SET_FLAGS:
        chains.setFlags(chain, ops[at + 2]);
        return at + 3;
      case RulesOp.SWAP_CHAINS:
        chains.swap(chain, ops[at + 2]);
        return at + 3;
      case RulesOp.ZERO_CHAIN:
        chains.counters.fill(0, chain << 1, (chain << 1) + 2);
        return at + 2;
      default:
        chains.counters[chain << 1] = double(ops, at + 2);
        chains.counters[(chain << 1) + 1] = double(ops, at + 4);
        return at + 6;
    }
  }

  private insert(ops: Int32Array, at: number): boolean {
    const rule = ops[at + InsertRule.RULE];
    if (!this.write(ops, at, rule)) return false;
    this.chains.insert(ops[at + InsertRule.CHAIN], ops[at + InsertRule.AFTER], rule);
    return true;
  }

  private replace(ops: Int32Array, at: number): boolean {
    const rule = ops[at + InsertRule.RULE];
    const row = rule << Rule.SHIFT;
    const { rows } = this;
    const kept = rows.slice(row, row + Rule.WORDS);
    this.chains.forget(rule);
    const block = this.blocks[rule];
    const isWritten = this.write(ops, at, rule);
    for (const word of KEPT) rows[row + word] = kept[word];
    if (isWritten && block !== 0) this.pool.release(block, this.pool.tag(block));
    this.chains.learn(rule);
    return isWritten;
  }

  private remove(rule: RuleNumber): void {
    const block = this.blocks[rule];
    this.chains.unlink(rule);
    if (block !== 0) this.pool.release(block, this.pool.tag(block));
    this.blocks[rule] = 0;
  }

  /** Row, program, arguments and counters; false, and nothing has changed, where the pool is full. */
  private write(ops: Int32Array, at: number, rule: RuleNumber): boolean {
    const { rows, pool } = this;
    const programWords = ops[at + InsertRule.PROGRAM_WORDS];
    const words = programWords + ops[at + InsertRule.ARGUMENT_WORDS];
    const size = Math.max(LEAST_BLOCK, words + 1);
    const block = words === 0 ? 0 : pool.allocate(size, size, false);
    if (words !== 0 && block === 0) return false;
    const start = at + InsertRule.PROGRAM;
    const row = rule << Rule.SHIFT;
    // Loops: calls of `set` and `subarray` would take longer than all the rest.
    for (let i = 0; i < Rule.WORDS; i++) rows[row + i] = isKeptHere(i) ? 0 : ops[at + InsertRule.ROW + i];
    for (let i = 0; i < words; i++) pool.words[block + 1 + i] = ops[start + i];
    rows[row + Rule.PROGRAM] = programWords === 0 ? 0 : block + 1;
    if (words !== programWords) rows[row + Rule.ARGUMENT] = block + 1 + programWords;
    this.blocks[rule] = block;
    this.counters[rule << 1] = double(ops, at + InsertRule.PACKETS);
    this.counters[(rule << 1) + 1] = double(ops, at + InsertRule.BYTES);
    return true;
  }
}

/** Whether a word of a row is not the caller's: see Place. */
function isKeptHere(word: number): boolean {
  return (word >= Rule.ORDER && word < Rule.SOURCE_REST) || word >= Place.PREVIOUS;
}

function endOfRule(ops: Int32Array, at: number): number {
  return at + InsertRule.PROGRAM + ops[at + InsertRule.PROGRAM_WORDS] + ops[at + InsertRule.ARGUMENT_WORDS];
}

/** A whole number up to 2^53, low word first. */
function double(ops: Int32Array, at: number): number {
  return (ops[at + 1] >>> 0) * TWO_32 + (ops[at] >>> 0);
}

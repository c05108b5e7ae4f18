/*
 * Chains: lists of rules, and which of them are called from the hooks.
 *
 *   base[namespace, family, table, hook] ─► chain ─► first rule ⇄ rule ⇄ … ⇄ last rule
 *
 * - The rules of a chain are linked through two words of their rows, so that one is put in or taken out in no time
 *   wherever it is. Each also has a label (Rule.ORDER), a signed number that grows along the list: what the classifier
 *   compares. New rules get a label half-way between their neighbours'; where there is none the labels around are
 *   spread anew, of so many rules that there is room again. With 100,000 rules put in at one place in the middle of
 *   100,000 that is 16 labels a rule, 8,193 at most at once (0.1 ms).
 * - A chain's contents have a number of their own, the body (Rule.CHAIN is one), so that `swap` exchanges the contents
 *   of two chains in no time: a chain that nobody calls is filled in pieces, then swapped in. A packet sees the old
 *   chain or the new one.
 * - A chain of more than INDEX_FROM rules has an index (classifier.ts), one that shrinks below INDEX_UNTIL has none.
 *
 * Numbers of chains are chosen by the caller, from 1. Words of a chain that does not exist are 0.
 */
import { MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { sharedDoubles, sharedInts } from '../core/memory.js';
import type { Classifier } from './classifier.js';
import { Place } from './place.js';
import { type Family, type Hook, Rule, RuleFlag, type TableId } from './rule.js';

/** A chain's number; 0 is none. */
export type ChainNumber = number;

/** Words of a chain. */
export const enum Chain {
  SHIFT = 3,
  /** Rules, or 0. */
  FIRST = 0,
  LAST = 1,
  COUNT = 2,
  /** The classifier's index of it; 0: it is walked; NO_ROOM: walked, too, as the classifier is full. */
  INDEX = 3,
  BODY = 4,
  /** ChainFlag. */
  FLAGS = 5,
  /** Its place in `base`, or -1. */
  PLACE = 6,
}

export const enum ChainFlag {
  EXISTS = 1,
  /** Its policy is DROP. */
  DROP = 2,
  /** Packets that get to its policy are counted: the kernel does so once the policy has been set by a command. */
  COUNTED = 4,
}

/** A chain of more rules than INDEX_FROM gets an index; below INDEX_UNTIL it loses it. */
export const enum Limit {
  INDEX_FROM = 16,
  INDEX_UNTIL = 8,
}

/** Between the labels of rules that are appended. */
const GAP = 4096;
/** What a rule between two others gets at least when labels are spread anew. */
const SPREAD_GAP = 8;
/** So many rules to each side are spread at first; twice as many as long as that does not suffice. */
const SPREAD = 16;
/** Chain.INDEX of a long chain that has none; until it is short again. */
const NO_ROOM = -1;
const FIRST_LABEL = -(1 << 30);
const LOWEST = -0x7fff_0000;
const HIGHEST = 0x7fff_0000;

export class Chains {
  /** Chain's words, by its number. */
  readonly words: Int32Array<SharedArrayBuffer>;
  /** Packets and bytes that got to the policy, by chain × 2. */
  readonly counters: Float64Array<SharedArrayBuffer>;
  /** Namespaces that got or lost a base chain; whoever wants to know takes them out. */
  readonly touched: Namespace[] = [];
  /** The base chain of a namespace, family, table and hook, or 0; see `placeOf`. */
  readonly base = sharedInts(MAX_NAMESPACES << 6);
  /** The chain that has a body. */
  private readonly owners: Int32Array;
  private readonly freeBodies: Int32Array;
  private freeCount = 0;
  private bodies = 0;

  constructor(
    private readonly rows: Int32Array,
    private readonly classifier: Classifier,
    readonly capacity: number,
  ) {
    this.words = sharedInts(capacity << Chain.SHIFT);
    this.counters = sharedDoubles(capacity << 1);
    this.owners = new Int32Array(capacity + 1);
    this.freeBodies = new Int32Array(capacity + 1);
  }

  /** `place` is a place of `base`, or -1 for a chain that only rules call. */
  add(chain: ChainNumber, place: number, flags: number): void {
    const at = chain << Chain.SHIFT;
    this.words.fill(0, at, at + (1 << Chain.SHIFT));
    const body = this.freeCount > 0 ? this.freeBodies[--this.freeCount] : ++this.bodies;
    this.words[at + Chain.BODY] = body;
    this.words[at + Chain.FLAGS] = flags | ChainFlag.EXISTS;
    this.words[at + Chain.PLACE] = place;
    this.owners[body] = chain;
    this.counters.fill(0, chain << 1, (chain << 1) + 2);
    if (place >= 0) this.setBase(place, chain);
  }

  private setBase(place: number, chain: ChainNumber): void {
    this.base[place] = chain;
    this.touched.push(place >>> 6);
  }

  /** Only for a chain that has no rules. */
  remove(chain: ChainNumber): void {
    const at = chain << Chain.SHIFT;
    const place = this.words[at + Chain.PLACE];
    if (place >= 0 && this.base[place] === chain) this.setBase(place, 0);
    this.freeBodies[this.freeCount++] = this.words[at + Chain.BODY];
    this.words.fill(0, at, at + (1 << Chain.SHIFT));
  }

  setFlags(chain: ChainNumber, flags: number): void {
    this.words[(chain << Chain.SHIFT) + Chain.FLAGS] = flags | ChainFlag.EXISTS;
  }

  /** Exchanges the rules of two chains; names, policies and counters stay. */
  swap(chain: ChainNumber, other: ChainNumber): void {
    const { words } = this;
    const a = chain << Chain.SHIFT;
    const b = other << Chain.SHIFT;
    for (let i = Chain.FIRST; i <= Chain.BODY; i++) {
      const word = words[a + i];
      words[a + i] = words[b + i];
      words[b + i] = word;
    }
    this.owners[words[a + Chain.BODY]] = chain;
    this.owners[words[b + Chain.BODY]] = other;
  }

  /** The chain that a rule is in. */
  of(rule: number): ChainNumber {
    return this.owners[this.rows[(rule << Rule.SHIFT) + Rule.CHAIN]];
  }

  /** Links a rule whose row is complete behind another one of the chain; 0: as its first. */
  insert(chain: ChainNumber, after: number, rule: number): void {
    const { rows, words } = this;
    const at = chain << Chain.SHIFT;
    const row = rule << Rule.SHIFT;
    const next = after === 0 ? words[at + Chain.FIRST] : rows[(after << Rule.SHIFT) + Place.NEXT];
    rows[row + Rule.CHAIN] = words[at + Chain.BODY];
    rows[row + Place.PREVIOUS] = after;
    rows[row + Place.NEXT] = next;
    if (after === 0) words[at + Chain.FIRST] = rule;
    else rows[(after << Rule.SHIFT) + Place.NEXT] = rule;
    if (next === 0) words[at + Chain.LAST] = rule;
    else rows[(next << Rule.SHIFT) + Place.PREVIOUS] = rule;
    this.label(row, after, next);
    words[at + Chain.COUNT]++;
    if (words[at + Chain.INDEX] > 0) this.enter(at, rule);
    else if (words[at + Chain.INDEX] === 0 && words[at + Chain.COUNT] > Limit.INDEX_FROM) this.buildIndex(at);
  }

  unlink(rule: number): void {
    const { rows, words } = this;
    const row = rule << Rule.SHIFT;
    const at = this.of(rule) << Chain.SHIFT;
    const next = rows[row + Place.NEXT];
    const previous = rows[row + Place.PREVIOUS];
    if (words[at + Chain.INDEX] > 0) this.classifier.remove(words[at + Chain.INDEX], rule);
    if (previous === 0) words[at + Chain.FIRST] = next;
    else rows[(previous << Rule.SHIFT) + Place.NEXT] = next;
    if (next === 0) words[at + Chain.LAST] = previous;
    else rows[(next << Rule.SHIFT) + Place.PREVIOUS] = previous;
    words[at + Chain.COUNT]--;
    if (words[at + Chain.INDEX] === 0 || words[at + Chain.COUNT] >= Limit.INDEX_UNTIL) return;
    this.removeIndex(at, 0);
  }

  /** What the classifier knows of a rule's box goes before its row changes, and comes back afterwards. */
  forget(rule: number): void {
    const index = this.words[(this.of(rule) << Chain.SHIFT) + Chain.INDEX];
    if (index > 0) this.classifier.remove(index, rule);
  }

  learn(rule: number): void {
    const at = this.of(rule) << Chain.SHIFT;
    if (this.words[at + Chain.INDEX] > 0) this.enter(at, rule);
  }

  /** Tells the classifier of a rule; where that is full the chain is walked from now on. */
  private enter(at: number, rule: number): void {
    if (!this.classifier.insert(this.words[at + Chain.INDEX], rule)) this.removeIndex(at, NO_ROOM);
  }

  private buildIndex(at: number): void {
    const first = this.words[at + Chain.FIRST];
    const isIpv6 = (this.rows[(first << Rule.SHIFT) + Rule.FLAGS] & RuleFlag.IPV6) !== 0;
    const index = this.classifier.addIndex(isIpv6);
    this.words[at + Chain.INDEX] = index !== 0 ? index : NO_ROOM;
    let rule = first;
    for (; rule !== 0 && this.words[at + Chain.INDEX] > 0; rule = this.rows[(rule << Rule.SHIFT) + Place.NEXT])
      this.enter(at, rule);
  }

  private removeIndex(at: number, instead: number): void {
    if (this.words[at + Chain.INDEX] > 0) this.classifier.removeIndex(this.words[at + Chain.INDEX]);
    this.words[at + Chain.INDEX] = instead;
  }

  private label(row: number, after: number, next: number): void {
    const low = after === 0 ? LOWEST : this.rows[(after << Rule.SHIFT) + Rule.ORDER];
    const high = next === 0 ? HIGHEST : this.rows[(next << Rule.SHIFT) + Rule.ORDER];
    if (after === 0 && next === 0) this.rows[row + Rule.ORDER] = FIRST_LABEL;
    else if (next === 0 && high - low > GAP) this.rows[row + Rule.ORDER] = low + GAP;
    else if (after === 0 && high - low > GAP) this.rows[row + Rule.ORDER] = high - GAP;
    else if (high - low > 1) this.rows[row + Rule.ORDER] = Math.floor((low + high) / 2);
    else this.spread(row >> Rule.SHIFT);
  }

  /** Spreads the labels around a rule that has none yet. */
  private spread(rule: number): void {
    const { rows } = this;
    for (let reach = SPREAD, gap = SPREAD_GAP; ; reach *= 2, gap = Math.max(2, gap - 1)) {
      const first = this.neighbour(rule, Place.PREVIOUS, reach);
      const last = this.neighbour(rule, Place.NEXT, reach);
      const before = rows[(first << Rule.SHIFT) + Place.PREVIOUS];
      const behind = rows[(last << Rule.SHIFT) + Place.NEXT];
      const low = before === 0 ? LOWEST : rows[(before << Rule.SHIFT) + Rule.ORDER];
      const high = behind === 0 ? HIGHEST : rows[(behind << Rule.SHIFT) + Rule.ORDER];
      const step = Math.floor((high - low) / (2 * reach + 2));
      if (step < gap) continue;
      const width = Math.min(step, GAP);
      this.assign(first, behind, before === 0 ? high - width * (2 * reach + 2) : low, width);
      return;
    }
  }

  /** The rule so many steps from this one, or the last one on the way. */
  private neighbour(rule: number, word: Place, steps: number): number {
    let at = rule;
    for (let i = 0; i < steps; i++) {
      const further = this.rows[(at << Rule.SHIFT) + word];
      if (further === 0) return at;
      at = further;
    }
    return at;
  }

  private assign(first: number, until: number, low: number, step: number): void {
    let label = low;
    for (let rule = first; rule !== until; rule = this.rows[(rule << Rule.SHIFT) + Place.NEXT]) {
      label += step;
      this.rows[(rule << Rule.SHIFT) + Rule.ORDER] = label;
    }
    const index = this.words[(this.of(first) << Chain.SHIFT) + Chain.INDEX];
    if (index > 0) this.classifier.relabelled(index, first, until);
  }
}

/** Where `base` has the chain of a namespace's table at a hook. */
export function placeOf(namespace: Namespace, family: Family, table: TableId, hook: Hook): number {
  return (namespace << 6) | (family << 5) | (table << 3) | hook;
}

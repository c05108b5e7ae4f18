/*
 * IP sets: all that a dataplane has, by number. Names, comments and the text of members are the control plane's.
 *
 *   number ─► HashSet │ BitmapSet │ ListSet      what each can: ipset-hash.ts, ipset-bitmap.ts, ipset-list.ts
 *
 * - Rules (-m set, -j SET) ask with a MemberQuestion, the control plane with rows of members (ipset-member.ts).
 * - `swap` exchanges what two numbers stand for: rules that name one of them see the other set from then on.
 * - `generation` counts whatever may change an answer but time: what was derived from answers before is to be asked again. Sets
 *   whose answers depend on time or that count packets are `isVolatile`.
 * - Time: `now` is the engine's int32 of ms, which wraps; sets count their own ms that do not.
 */

import { MAX_LINKS } from '../core/links.js';
import { sharedInts } from '../core/memory.js';
import { type BitmapOptions, BitmapSet } from './ipset-bitmap.js';
import type { HashOptions } from './ipset-hash.js';
import { HashSet } from './ipset-hash.js';
import { type ListOptions, ListSet, type SetMembers } from './ipset-list.js';
import { Member, MemberQuestion, SetAnswer, SetType } from './ipset-member.js';

export {
  DEFAULT_TIMEOUT,
  Member,
  MemberFlag,
  MemberPlace,
  MemberQuestion,
  SetAnswer,
  SetType,
} from './ipset-member.js';

/** What `create` is told; which of it counts depends on the type. */
export interface SetOptions {
  type: SetType;
  /** 4 or 6; of bitmap:port and list:set it is not looked at. */
  family: number;
  timeout?: number | undefined;
  counters?: boolean | undefined;
  skbinfo?: boolean | undefined;
  comments?: boolean | undefined;
  maxElements?: number | undefined;
  netmask?: number | undefined;
  bitmask?: readonly number[] | undefined;
  markmask?: number | undefined;
  forceAdd?: boolean | undefined;
  first?: number | undefined;
  last?: number | undefined;
  size?: number | undefined;
}

type AnySet = HashSet | BitmapSet | ListSet;

/** A list that contains itself by way of others is not asked deeper than this; control refuses such lists. */
const MAX_DEPTH = 4;

/** Between two sweeps of a set with timeouts. */
const SWEEP_MS = 1000;

export class IpSets implements SetMembers {
  /** Of each link: the number that control has given its name, for hash:net,iface; 0: none. */
  readonly linkNames = sharedInts(MAX_LINKS);
  readonly question = new MemberQuestion();
  generation = 0;
  /** ms, not wrapping. */
  clock = 1;
  private readonly sets: Array<AnySet | undefined> = [undefined];
  private readonly options: Array<SetOptions | undefined> = [undefined];
  private last = 0;
  private depth = 0;
  private sweepDue = 0;
  private timed = 0;

  private tick(now: number): number {
    this.clock += (now - this.last) >>> 0;
    this.last = now;
    return this.clock;
  }

  // --- for control ------------------------------------------------------------------------------

  /** Makes an empty set; the number is free. False: options that make no set. */
  create(number: number, options: SetOptions): boolean {
    const set = this.make(options);
    if (set === undefined) return false;
    this.sets[number] = set;
    this.options[number] = options;
    if (options.timeout !== undefined) this.timed++;
    this.generation++;
    return true;
  }

  private make(options: SetOptions): AnySet | undefined {
    if (options.type === SetType.LIST_SET) return new ListSet(options as ListOptions, this);
    if (options.type > SetType.BITMAP_PORT) return new HashSet(options as HashOptions);
    const { first, last } = options;
    if (first === undefined || last === undefined || last >>> 0 < first >>> 0) return undefined;
    return new BitmapSet(options as BitmapOptions);
  }

  destroy(number: number): void {
    if (this.options[number]?.timeout !== undefined) this.timed--;
    this.sets[number] = undefined;
    this.options[number] = undefined;
    this.generation++;
  }

  swap(a: number, b: number): void {
    [this.sets[a], this.sets[b]] = [this.sets[b], this.sets[a]];
    [this.options[a], this.options[b]] = [this.options[b], this.options[a]];
    this.generation++;
  }

  flush(number: number): void {
    this.sets[number]?.flush();
    this.generation++;
  }

  /** A member's row at words[at]; `renews`: what is there already is written anew (-exist). */
  add(number: number, row: Int32Array, at: number, renews: boolean, now: number): SetAnswer {
    const clock = this.tick(now);
    this.generation++;
    return this.sets[number]?.add(row, at, renews, clock) ?? SetAnswer.INVALID;
  }

  delete(number: number, row: Int32Array, at: number, now: number): SetAnswer {
    const clock = this.tick(now);
    this.generation++;
    return this.sets[number]?.delete(row, at, clock) ?? SetAnswer.INVALID;
  }

  /** Many at once, rows one behind the other: stops at the first that fails; answers how many were done. `answer` says why it stopped. */
  addAll(number: number, rows: Int32Array, renews: boolean, now: number): number {
    for (let at = 0; at < rows.length; at += Member.WORDS) {
      this.answer = this.add(number, rows, at, renews, now);
      if (this.answer !== SetAnswer.DONE) return at >> Member.SHIFT;
    }
    return rows.length >> Member.SHIFT;
  }

  /** As addAll. */
  deleteAll(number: number, rows: Int32Array, ignoresAbsent: boolean, now: number): number {
    for (let at = 0; at < rows.length; at += Member.WORDS) {
      this.answer = this.delete(number, rows, at, now);
      if (this.answer === SetAnswer.ABSENT && ignoresAbsent) continue;
      if (this.answer !== SetAnswer.DONE) return at >> Member.SHIFT;
    }
    this.answer = SetAnswer.DONE;
    return rows.length >> Member.SHIFT;
  }

  answer: SetAnswer = SetAnswer.DONE;

  has(number: number, row: Int32Array, at: number, now: number): boolean {
    return this.sets[number]?.test(row, at, this.tick(now)) ?? false;
  }

  /** Members of a set, some of which may have expired. */
  size(number: number): number {
    return this.sets[number]?.size ?? 0;
  }

  /** Of memory. */
  bytes(number: number): number {
    return this.sets[number]?.bytes ?? 0;
  }

  /**
   * Writes rows of members into `into`, looking at `budget` places at most; answers the cursor of the next page, 0 = that was the last. The
   * first page has cursor 0. `written`: rows written. A member added or deleted meanwhile may be missed, no other.
   */
  page(number: number, cursor: number, budget: number, into: Int32Array, now: number): number {
    const set = this.sets[number];
    this.written = 0;
    if (set === undefined) return 0;
    const next = set.page(cursor, budget, into, this.tick(now));
    this.written = set.written;
    return next;
  }

  written = 0;

  // --- for packets ------------------------------------------------------------------------------

  /** Whether answers of a set differ with time, or asking has an effect. */
  isVolatile(number: number): boolean {
    const set = this.sets[number];
    if (set === undefined) return false;
    return set instanceof ListSet || set.extensions.hasTimeout || set.extensions.hasCounters;
  }

  private isAsked(number: number, question: MemberQuestion): boolean {
    const set = this.sets[number];
    if (set === undefined || question.dimensions < set.dimensions) return false;
    if (set instanceof ListSet || set instanceof BitmapSet) return set instanceof ListSet || this.isFamily(number);
    return this.options[number]?.type === SetType.HASH_MAC || this.options[number]?.family === question.family;
  }

  /** bitmap:port is of both families. */
  private isFamily(number: number): boolean {
    return this.options[number]?.type === SetType.BITMAP_PORT || this.question.family === 4;
  }

  /** Whether the packet of `question` is in a set. */
  test(number: number, now: number): boolean {
    this.tick(now);
    this.question.hasFound = false;
    const { packetsCompare, bytesCompare, skipsCounters } = this.question;
    return this.ask(number, this.question, skipsCounters, packetsCompare !== 0 || bytesCompare !== 0);
  }

  private ask(number: number, question: MemberQuestion, skips: boolean, compares: boolean): boolean {
    if (!this.isAsked(number, question) || this.depth >= MAX_DEPTH) return false;
    this.depth++;
    const found = this.sets[number]?.testPacket(question, skips, compares, this.clock) ?? 0;
    this.depth--;
    return found > 0 ? !(question.returnsNomatch && this.hasNomatch(number)) : found < 0 && question.returnsNomatch;
  }

  /** --return-nomatch turns the answer round for sets of nets only. */
  private hasNomatch(number: number): boolean {
    const type = this.options[number]?.type ?? 0;
    return (
      type === SetType.HASH_NET ||
      type === SetType.HASH_NET_PORT ||
      type === SetType.HASH_IP_PORT_NET ||
      type === SetType.HASH_NET_IFACE ||
      type === SetType.HASH_NET_NET ||
      type === SetType.HASH_NET_PORT_NET
    );
  }

  testMember(set: number, question: MemberQuestion, skips: boolean): boolean {
    return this.ask(set, question, skips, false);
  }

  addToMember(set: number, question: MemberQuestion): SetAnswer {
    if (!this.isAsked(set, question)) return SetAnswer.INVALID;
    return this.sets[set]?.addPacket(question, this.clock) ?? SetAnswer.INVALID;
  }

  deleteFromMember(set: number, question: MemberQuestion): SetAnswer {
    if (!this.isAsked(set, question)) return SetAnswer.INVALID;
    return this.sets[set]?.deletePacket(question, this.clock) ?? SetAnswer.INVALID;
  }

  /** -j SET --add-set of the packet of `question`. */
  addPacket(number: number, now: number): void {
    this.tick(now);
    if (this.addToMember(number, this.question) === SetAnswer.DONE) this.generation++;
  }

  deletePacket(number: number, now: number): void {
    this.tick(now);
    if (this.deleteFromMember(number, this.question) === SetAnswer.DONE) this.generation++;
  }

  /** Bounded work: takes away expired members. Returns ms until more is due, -1 = never. */
  timers(now: number): number {
    if (this.timed === 0) return -1;
    const clock = this.tick(now);
    if (clock < this.sweepDue) return this.sweepDue - clock;
    let hasMore = false;
    for (const set of this.sets) if (set?.sweep(clock) === true) hasMore = true;
    this.sweepDue = clock + (hasMore ? 0 : SWEEP_MS);
    return this.sweepDue - clock;
  }
}

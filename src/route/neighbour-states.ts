/*
 * The neighbours' state machine, as net/core/neighbour.c has it (RFC 4861 §7.3, for IPv4 as well):
 *
 *              a frame                      answer                     reachable time is over
 *    NONE ──────────────► INCOMPLETE ─────────────────► REACHABLE ─────────────────────────────┐
 *    FAILED ──────────────►   │ ▲ solicit (broadcast,      ▲ ▲                                 ▼
 *       ▲   max probes        │ │ multicast)               │ └──── answer ────┐    a frame    STALE ◄── heard of
 *       └─────────────────────┘ └─ retrans                 │                  DELAY ◄────────── │
 *       ▲                                             answer                    │ delay_first_probe is over
 *       └──────── max probes ─────────────────────────── PROBE ◄────────────────┘ solicit (unicast)
 *
 * Deadlines: INCOMPLETE and PROBE the next solicitation, REACHABLE and DELAY their end. NOARP and PERMANENT, from commands, have none.
 * There are no confirmations from upper layers here, as for what the kernel forwards: a neighbour in use is probed.
 *
 * Garbage. An entry goes, of those that may (Neighbours.setExempt), when
 * - every gc_interval, if the namespace has gc_thresh1 entries or more: it FAILED, or was not used for gc_stale_time;
 * - gc_thresh2 is passed and five seconds have gone, or gc_thresh3 is reached: it is not being resolved and has not changed for five seconds,
 *   oldest first, down to gc_thresh2. If none can go at gc_thresh3, the new one is refused.
 * The kernel sweeps every base_reachable_time / 2 and leaves gc_interval unused; here it means what its documentation says. Its thresholds are
 * the whole machine's, here each namespace's own, so that none can take another's room.
 */
import { type Frame, NONE } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, MAX_LINKS, MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { Deadlines } from '../tables/deadlines.js';
import { Neighbour, NeighbourFamily, NeighbourFlag, type Neighbours, Nud } from '../tables/neighbours.js';
import { Conf4, Conf6, Net4, Net6 } from './conf.js';
import type { Inet } from './inet.js';
import { NeighbourQueue } from './neighbour-queue.js';

/** NEIGH_UPDATE_F_*: how far what is heard of a neighbour outweighs what is known. */
export const enum Update {
  /** A different link-layer address replaces the known one. */
  OVERRIDE = 1,
  /** A different one makes a connected neighbour STALE and keeps the known one. */
  WEAK_OVERRIDE = 2,
  OVERRIDE_ISROUTER = 4,
  ISROUTER = 8,
  /** By command. */
  ADMIN = 16,
  USE = 32,
  EXT_LEARNED = 64,
}

/** Settings of a link's neighbours, by distance from NEIGH_MCAST_SOLICIT of Conf4 and Conf6. */
export const enum Setting {
  MCAST_SOLICIT = 0,
  UCAST_SOLICIT,
  APP_SOLICIT,
  MCAST_RESOLICIT,
  RETRANS_MS,
  BASE_REACHABLE_MS,
  DELAY_PROBE_MS,
  GC_STALE_MS,
  QUEUE_BYTES,
  PROXY_QUEUE,
  ANYCAST_DELAY_MS,
  PROXY_DELAY_MS,
  LOCKTIME_MS,
}

/** Of a namespace and family, by distance from NEIGH_GC_THRESH1 of Net4 and Net6. */
const enum Limit {
  THRESH1 = 0,
  THRESH2,
  THRESH3,
  INTERVAL_MS,
}

/** Answers of `update`. */
const enum Errno {
  OK = 0,
  EPERM = -1,
  EINVAL = -22,
}

/** No solicitation follows another sooner, ms. */
const MIN_RETRANS_MS = 10;
/** A link's reachable time is chosen anew so often, ms. */
const RANDOM_MS = 300_000;
/** Entries that have just changed are not given up for new ones, ms; nor are entries looked through for it more often. */
const FRESH_MS = 5000;
/** After a search for garbage found none, none is made for so long, ms. */
const FUTILE_MS = 10;
/** Entries that one search looks at. */
const SEARCH_BUDGET = 4096;
/** Deadlines that one call deals with, and entries of one step of the periodic collection. */
const TIMER_BUDGET = 256;
const COLLECT_BUDGET = 1024;
/** Periodic collections of all namespaces fall on the same ms, one in so many: the engine then wakes once for all. */
const COALESCE_MS = 1024;
/** Times are kept at most this far in the past, ms, so that the clock's wrapping does not make them look recent. */
const LONG_AGO_MS = 1 << 30;

/** Sees every change that rtnetlink would tell: after it, or with `isGone` before the entry is forgotten. */
export type NeighbourWatch = (slot: number, isGone: boolean) => void;

export class NeighbourStates {
  onChange: NeighbourWatch | undefined;
  /** When `timers` was last called: for those who watch. */
  now = 0;
  readonly queue: NeighbourQueue;
  private readonly neighbours: Neighbours;
  /** Of slots; and from `tables` on, one for each namespace and family, when it is to be searched for garbage. */
  private readonly deadlines: Deadlines;
  private readonly tables: number;
  /** By link × 2 + family − 1: the random reachable time, the base it was made of, and when. */
  private readonly reachable = new Int32Array(MAX_LINKS * 2);
  private readonly reachableBase = new Int32Array(MAX_LINKS * 2);
  private readonly reachableSince = new Int32Array(MAX_LINKS * 2);
  /** By namespace × 2 + family − 1: when garbage was last searched for, and whether that was in vain. */
  private readonly searched = new Int32Array(MAX_NAMESPACES * 2);
  private readonly wasFutile = new Uint8Array(MAX_NAMESPACES * 2);
  private readonly wasSearched = new Uint8Array(MAX_NAMESPACES * 2);
  /** Where the periodic collection of a namespace and family goes on: slot + 1, 0 = at the start; and that entry's serial. */
  private readonly collectAt = new Int32Array(MAX_NAMESPACES * 2);
  private readonly collectSerial = new Int32Array(MAX_NAMESPACES * 2);

  constructor(private readonly inet: Inet) {
    this.neighbours = inet.neighbours;
    this.tables = this.neighbours.mask + 1;
    this.deadlines = new Deadlines(this.tables + MAX_NAMESPACES * 2);
    this.queue = new NeighbourQueue(inet.arena, this.neighbours, (frame) =>
      inet.drop(frame, DropReason.NEIGHBOUR_QUEUE),
    );
  }

  setting(link: Link, family: NeighbourFamily, key: Setting): number {
    const { conf } = this.inet;
    if (family === NeighbourFamily.IPV4) return conf.link4[link * Conf4.COUNT + Conf4.NEIGH_MCAST_SOLICIT + key];
    return conf.link6[link * Conf6.COUNT + Conf6.NEIGH_MCAST_SOLICIT + key];
  }

  private settingOf(slot: number, key: Setting): number {
    return this.setting(this.neighbours.link(slot), this.neighbours.family(slot), key);
  }

  private limit(namespace: Namespace, family: NeighbourFamily, key: Limit): number {
    const { conf } = this.inet;
    if (family === NeighbourFamily.IPV4) return conf.net4[namespace * Net4.COUNT + Net4.NEIGH_GC_THRESH1 + key];
    return conf.net6[namespace * Net6.COUNT + Net6.NEIGH_GC_THRESH1 + key];
  }

  /** ReachableTime of RFC 4861 §6.3.2: 0.5 to 1.5 times the base. */
  private reachableTime(link: Link, family: NeighbourFamily, now: number): number {
    const i = link * 2 + family - 1;
    const base = this.setting(link, family, Setting.BASE_REACHABLE_MS);
    if (this.reachableBase[i] !== base || (now - this.reachableSince[i]) >>> 0 > RANDOM_MS) {
      this.reachableBase[i] = base;
      this.reachableSince[i] = now;
      this.reachable[i] = base === 0 ? 0 : (this.inet.random() % base) + (base >> 1);
    }
    return this.reachable[i];
  }

  // --- making and forgetting entries ------------------------------------------------------------

  /** The entry, made if it is not there; NONE: the table is full. `isExempt`: garbage collection leaves it alone. */
  create4(link: Link, address: number, isExempt: boolean, now: number): number {
    const known = this.neighbours.lookup4(link, address);
    if (known !== NONE) return known;
    const namespace = this.inet.namespaceOf(link);
    if (!isExempt && !this.hasRoom(namespace, NeighbourFamily.IPV4, now)) return NONE;
    return this.start(this.neighbours.insert4(namespace, link, address, isExempt), now);
  }

  create6(link: Link, a: number, b: number, c: number, d: number, isExempt: boolean, now: number): number {
    const known = this.neighbours.lookup6(link, a, b, c, d);
    if (known !== NONE) return known;
    const namespace = this.inet.namespaceOf(link);
    if (!isExempt && !this.hasRoom(namespace, NeighbourFamily.IPV6, now)) return NONE;
    return this.start(this.neighbours.insert6(namespace, link, a, b, c, d, isExempt), now);
  }

  private start(slot: number, now: number): number {
    if (slot === NONE) return NONE;
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    rows[at + Neighbour.USED] = now;
    rows[at + Neighbour.UPDATED] = now;
    rows[at + Neighbour.CONFIRMED] = (now - 2 * this.settingOf(slot, Setting.BASE_REACHABLE_MS)) | 0;
    const namespace = this.neighbours.namespace(slot);
    const family = this.neighbours.family(slot);
    const table = this.tables + namespace * 2 + family - 1;
    if (!this.deadlines.isSet(table)) this.deadlines.set(table, this.nextCollection(namespace, family, now));
    return slot;
  }

  private nextCollection(namespace: Namespace, family: NeighbourFamily, now: number): number {
    return (now + this.limit(namespace, family, Limit.INTERVAL_MS)) | (COALESCE_MS - 1);
  }

  /** Forgets an entry; frames that wait for it are dropped. */
  remove(slot: number, reason: DropReason = DropReason.NEIGHBOUR_FAILED): void {
    this.deadlines.clear(slot);
    this.discardWaiting(slot, reason);
    this.onChange?.(slot, true);
    this.neighbours.remove(slot);
  }

  discardWaiting(slot: number, reason: DropReason): void {
    for (let frame = this.queue.detach(slot), next: Frame = NONE; frame !== NONE; frame = next) {
      next = this.queue.after(frame);
      this.inet.drop(frame, reason);
    }
  }

  /** Drops what waits and came in by a link that goes. Only neighbours that are being asked have frames wait, and a deadline. */
  forgetIngress(link: Link): void {
    for (let i = 0; i < this.deadlines.size; i++) {
      const slot = this.deadlines.at(i);
      if (slot < this.tables && this.queue.newest(slot) !== NONE) this.dropIngress(slot, link);
    }
  }

  private dropIngress(slot: number, link: Link): void {
    for (let frame = this.queue.detach(slot), next: Frame = NONE; frame !== NONE; frame = next) {
      next = this.queue.after(frame);
      if (this.inet.arena.ingress[frame] === link) this.inet.drop(frame, DropReason.NAMESPACE_GONE);
      else this.queue.add(slot, frame, 0x7fffffff);
    }
  }

  // --- a frame wants to go ----------------------------------------------------------------------

  /**
   * Notes that a frame goes to a neighbour (neigh_event_send). True: it may go at once to the link-layer address known. False: that is
   * not known, and `wait` has to be called.
   */
  use(slot: number, now: number): boolean {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    rows[at + Neighbour.USED] = now;
    const state = rows[at + Neighbour.STATE];
    if ((state & (Nud.CONNECTED | Nud.DELAY | Nud.PROBE)) !== 0) return true;
    if (state !== Nud.STALE) return false;
    rows[at + Neighbour.STATE] = Nud.DELAY;
    rows[at + Neighbour.UPDATED] = now;
    this.deadlines.set(slot, (now + this.settingOf(slot, Setting.DELAY_PROBE_MS)) | 0);
    return true;
  }

  /** Takes a frame, or NONE, until its neighbour's address is known; asks for that if nobody did yet. */
  wait(slot: number, frame: Frame, now: number): void {
    const isNew = this.neighbours.state(slot) !== Nud.INCOMPLETE;
    if (isNew && !this.startResolution(slot, now)) {
      if (frame !== NONE) this.inet.drop(frame, DropReason.NEIGHBOUR_FAILED);
      return;
    }
    if (frame !== NONE) this.queue.add(slot, frame, this.settingOf(slot, Setting.QUEUE_BYTES));
    if (isNew) this.probe(slot, now);
  }

  /** False: the settings allow no solicitation, so it has failed at once. */
  private startResolution(slot: number, now: number): boolean {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    rows[at + Neighbour.UPDATED] = now;
    const tries = this.settingOf(slot, Setting.MCAST_SOLICIT) + this.settingOf(slot, Setting.APP_SOLICIT);
    rows[at + Neighbour.STATE] = tries === 0 ? Nud.FAILED : Nud.INCOMPLETE;
    if (tries === 0) return false;
    rows[at + Neighbour.PROBES] = this.settingOf(slot, Setting.UCAST_SOLICIT);
    this.deadlines.set(slot, (now + this.retransMs(slot)) | 0);
    return true;
  }

  private retransMs(slot: number): number {
    const ms = this.settingOf(slot, Setting.RETRANS_MS);
    return Math.max(ms, MIN_RETRANS_MS);
  }

  /** Asks once more; on behalf of the newest frame that waits, whose source address it prefers. */
  private probe(slot: number, now: number): void {
    this.inet.neighbour.solicit(slot, this.queue.newest(slot), now);
    this.neighbours.rows[(slot << Neighbour.SHIFT) + Neighbour.PROBES]++;
  }

  // --- time ---------------------------------------------------------------------------------------

  /** Deals with what is due, a bounded piece of it. Returns ms until more is due, 0 = at once, -1 = never. */
  timers(now: number): number {
    this.now = now;
    for (let i = 0; i < TIMER_BUDGET; i++) {
      const number = this.deadlines.take(now);
      if (number < 0) break;
      if (number < this.tables) this.expire(number, now);
      else this.collect(number - this.tables, now);
    }
    return this.deadlines.delay(now);
  }

  private expire(slot: number, now: number): void {
    switch (this.neighbours.state(slot)) {
      case Nud.REACHABLE:
        return this.endReachable(slot, now);
      case Nud.DELAY:
        return this.endDelay(slot, now);
      case Nud.INCOMPLETE:
      case Nud.PROBE:
        return this.probeAgain(slot, now);
    }
  }

  /** Whether a time lies at most `ms` back. */
  private isWithin(time: number, ms: number, now: number): boolean {
    const age = (now - time) | 0;
    return age >= 0 && age < ms;
  }

  private endReachable(slot: number, now: number): void {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    const confirmed = rows[at + Neighbour.CONFIRMED];
    const reachableMs = this.reachableTime(this.neighbours.link(slot), this.neighbours.family(slot), now);
    if (this.isWithin(confirmed, reachableMs, now)) {
      this.deadlines.set(slot, (confirmed + reachableMs) | 0);
      return;
    }
    rows[at + Neighbour.UPDATED] = now;
    const delayMs = this.settingOf(slot, Setting.DELAY_PROBE_MS);
    if (this.isWithin(rows[at + Neighbour.USED], delayMs, now)) {
      rows[at + Neighbour.STATE] = Nud.DELAY;
      this.deadlines.set(slot, (now + delayMs) | 0);
      return;
    }
    rows[at + Neighbour.STATE] = Nud.STALE;
    this.onChange?.(slot, false);
  }

  private endDelay(slot: number, now: number): void {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    rows[at + Neighbour.UPDATED] = now;
    const confirmed = rows[at + Neighbour.CONFIRMED];
    if (this.isWithin(confirmed, this.settingOf(slot, Setting.DELAY_PROBE_MS), now)) {
      rows[at + Neighbour.STATE] = Nud.REACHABLE;
      const reachableMs = this.reachableTime(this.neighbours.link(slot), this.neighbours.family(slot), now);
      this.deadlines.set(slot, (confirmed + reachableMs) | 0);
      this.onChange?.(slot, false);
      return;
    }
    rows[at + Neighbour.STATE] = Nud.PROBE;
    rows[at + Neighbour.PROBES] = 0;
    this.probeAgain(slot, now);
    if (this.neighbours.state(slot) === Nud.PROBE) this.onChange?.(slot, false);
  }

  private probeAgain(slot: number, now: number): void {
    if (this.neighbours.rows[(slot << Neighbour.SHIFT) + Neighbour.PROBES] >= this.maxProbes(slot)) {
      this.neighbours.rows[(slot << Neighbour.SHIFT) + Neighbour.STATE] = Nud.FAILED;
      return this.fail(slot, now);
    }
    this.deadlines.set(slot, (now + this.retransMs(slot)) | 0);
    this.probe(slot, now);
  }

  private maxProbes(slot: number): number {
    const isKnown = this.neighbours.state(slot) === Nud.PROBE;
    return (
      this.settingOf(slot, Setting.UCAST_SOLICIT) +
      this.settingOf(slot, Setting.APP_SOLICIT) +
      this.settingOf(slot, isKnown ? Setting.MCAST_RESOLICIT : Setting.MCAST_SOLICIT)
    );
  }

  /** It did not answer: those who sent to it are told. The errors sent may use, or make room by, this very entry. */
  private fail(slot: number, now: number): void {
    this.neighbours.rows[(slot << Neighbour.SHIFT) + Neighbour.UPDATED] = now;
    this.onChange?.(slot, false);
    for (let frame = this.queue.detach(slot), next: Frame = NONE; frame !== NONE; frame = next) {
      next = this.queue.after(frame);
      this.inet.neighbour.unreachable(frame, now);
    }
  }

  // --- something is heard of a neighbour ------------------------------------------------------------

  /**
   * Takes in what was heard, or commanded (__neigh_update). `hasMac`: a link-layer address came with it. Answers 0, EPERM (a
   * permanent entry changes by command only) or EINVAL (there is no address), negative.
   */
  update(slot: number, hasMac: boolean, high: number, low: number, state: Nud, flags: number, now: number): number {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    const old = rows[at + Neighbour.STATE];
    if ((flags & Update.ADMIN) === 0 && (old & (Nud.NOARP | Nud.PERMANENT)) !== 0) return Errno.EPERM;
    const hasNewFlags = (flags & Update.ADMIN) !== 0 && this.setExtLearned(slot, (flags & Update.EXT_LEARNED) !== 0);
    if ((flags & Update.USE) !== 0) {
      rows[at + Neighbour.STATE] = old & ~Nud.PERMANENT;
      return this.finish(slot, hasNewFlags);
    }
    if ((state & Nud.VALID) === 0) {
      this.invalidate(slot, old, state, hasNewFlags, now);
      return Errno.OK;
    }
    if (!hasMac && (old & Nud.VALID) === 0) return Errno.EINVAL;
    return this.learn(slot, hasMac, high, low, state, flags, hasNewFlags, now);
  }

  /** True: it was otherwise before. */
  private setExtLearned(slot: number, isOn: boolean): boolean {
    if (((this.neighbours.flags(slot) & NeighbourFlag.EXT_LEARNED) !== 0) === isOn) return false;
    this.neighbours.setFlag(slot, NeighbourFlag.EXT_LEARNED, isOn);
    return true;
  }

  private exempt(slot: number): void {
    const isPermanent = this.neighbours.state(slot) === Nud.PERMANENT;
    this.neighbours.setExempt(slot, isPermanent || (this.neighbours.flags(slot) & NeighbourFlag.EXT_LEARNED) !== 0);
  }

  /** To a state without a link-layer address. */
  private invalidate(slot: number, old: Nud, state: Nud, hasNewFlags: boolean, now: number): void {
    this.deadlines.clear(slot);
    this.neighbours.rows[(slot << Neighbour.SHIFT) + Neighbour.STATE] = state;
    this.exempt(slot);
    if ((old & (Nud.INCOMPLETE | Nud.PROBE)) !== 0 && state === Nud.FAILED) this.fail(slot, now);
    else if (hasNewFlags || (old & Nud.VALID) !== 0) this.onChange?.(slot, false);
  }

  /** To a state with one. */
  private learn(
    slot: number,
    hasMac: boolean,
    macHigh: number,
    macLow: number,
    state: Nud,
    flags: number,
    hasNewFlags: boolean,
    now: number,
  ): number {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    const old = rows[at + Neighbour.STATE];
    const wasValid = (old & Nud.VALID) !== 0;
    let isOther =
      hasMac && !(wasValid && rows[at + Neighbour.MAC_HIGH] === macHigh && rows[at + Neighbour.MAC_LOW] === macLow);
    let to = state;
    let setsRouter = (flags & Update.OVERRIDE_ISROUTER) !== 0;
    if ((state & Nud.CONNECTED) !== 0) rows[at + Neighbour.CONFIRMED] = now;
    if (wasValid && isOther && (flags & Update.OVERRIDE) === 0) {
      setsRouter = false;
      const isWeak = (flags & Update.WEAK_OVERRIDE) !== 0 && (old & Nud.CONNECTED) !== 0;
      if (!isWeak) return this.finish(slot, hasNewFlags);
      isOther = false;
      to = Nud.STALE;
    } else if (wasValid && !isOther && state === Nud.STALE && (flags & Update.ADMIN) === 0) to = old;
    if (to !== old || isOther) rows[at + Neighbour.UPDATED] = now;
    if (isOther) this.setMac(slot, macHigh, macLow, to, now);
    if (to !== old) this.enter(slot, to, now);
    const isRouterNew = setsRouter && this.setRouter(slot, (flags & Update.ISROUTER) !== 0);
    const answer = this.finish(slot, hasNewFlags || isRouterNew || isOther || to !== old);
    if (!wasValid) this.release(slot, now);
    return answer;
  }

  private finish(slot: number, isChanged: boolean): number {
    this.exempt(slot);
    if (isChanged) this.onChange?.(slot, false);
    return Errno.OK;
  }

  private setMac(slot: number, high: number, low: number, state: Nud, now: number): void {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    rows[at + Neighbour.MAC_HIGH] = high;
    rows[at + Neighbour.MAC_LOW] = low;
    if ((state & Nud.CONNECTED) !== 0) return;
    rows[at + Neighbour.CONFIRMED] = (now - 2 * this.settingOf(slot, Setting.BASE_REACHABLE_MS)) | 0;
  }

  private enter(slot: number, state: Nud, now: number): void {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    rows[at + Neighbour.STATE] = state;
    if (state === Nud.PROBE) rows[at + Neighbour.PROBES] = 0;
    if ((state & Nud.IN_TIMER) === 0) return this.deadlines.clear(slot);
    const isReachable = state === Nud.REACHABLE;
    const ms = isReachable ? this.reachableTime(this.neighbours.link(slot), this.neighbours.family(slot), now) : 0;
    this.deadlines.set(slot, (now + ms) | 0);
  }

  /** True: it was otherwise before. */
  private setRouter(slot: number, isRouter: boolean): boolean {
    if (((this.neighbours.flags(slot) & NeighbourFlag.ROUTER) !== 0) === isRouter) return false;
    this.neighbours.setFlag(slot, NeighbourFlag.ROUTER, isRouter);
    return true;
  }

  /** Sends the frames that waited, in order. */
  private release(slot: number, now: number): void {
    for (let frame = this.queue.detach(slot), next: Frame = NONE; frame !== NONE; frame = next) {
      next = this.queue.after(frame);
      this.inet.neighbour.outputTo(frame, slot, now);
    }
  }

  // --- garbage --------------------------------------------------------------------------------------

  /** Whether one more may be made; makes room where there is little. */
  private hasRoom(namespace: Namespace, family: NeighbourFamily, now: number): boolean {
    const { neighbours } = this;
    const entries = neighbours.collectableCount(namespace, family);
    const isFull = entries >= this.limit(namespace, family, Limit.THRESH3) || neighbours.size >= neighbours.capacity;
    if (!isFull && entries < this.limit(namespace, family, Limit.THRESH2)) return true;
    const list = namespace * 2 + family - 1;
    const pause = isFull ? (this.wasFutile[list] !== 0 ? FUTILE_MS : 0) : FRESH_MS;
    const isTooSoon = this.wasSearched[list] !== 0 && this.isWithin(this.searched[list], pause, now);
    return (!isTooSoon && this.search(namespace, family, now)) || !isFull;
  }

  /** Gives up entries that can be spared, oldest first, down to gc_thresh2 (neigh_forced_gc). False: there are none. */
  private search(namespace: Namespace, family: NeighbourFamily, now: number): boolean {
    const { neighbours } = this;
    let surplus = neighbours.collectableCount(namespace, family) - this.limit(namespace, family, Limit.THRESH2);
    if (surplus < 1) surplus = 1;
    let removed = 0;
    let slot = neighbours.first(namespace, family);
    for (let i = 0; i < SEARCH_BUDGET && slot !== NONE && removed < surplus; i++) {
      const next = neighbours.next(slot);
      if (this.isSpare(slot, now)) {
        this.remove(slot);
        removed++;
      }
      slot = next;
    }
    const list = namespace * 2 + family - 1;
    this.searched[list] = now;
    this.wasSearched[list] = 1;
    this.wasFutile[list] = removed === 0 ? 1 : 0;
    return removed > 0;
  }

  private isSpare(slot: number, now: number): boolean {
    if (this.neighbours.isExempt(slot)) return false;
    const state = this.neighbours.state(slot);
    if ((state & Nud.IN_TIMER) !== 0) return false;
    if ((state & (Nud.FAILED | Nud.NOARP)) !== 0) return true;
    return !this.isWithin(this.neighbours.rows[(slot << Neighbour.SHIFT) + Neighbour.UPDATED], FRESH_MS, now);
  }

  /** A step of the periodic collection (neigh_periodic_work). */
  private collect(list: number, now: number): void {
    const { neighbours } = this;
    const namespace = list >> 1;
    const family: NeighbourFamily = (list & 1) + 1;
    let slot = this.resume(list, namespace, family);
    for (let i = 0; i < COLLECT_BUDGET && slot !== NONE; i++) {
      const next = neighbours.next(slot);
      this.clampTimes(slot, now);
      if (this.isGarbage(slot, namespace, family, now)) this.remove(slot);
      slot = next;
    }
    this.collectAt[list] = slot + 1;
    if (slot !== NONE) {
      this.collectSerial[list] = neighbours.serialOf(slot);
      this.deadlines.set(this.tables + list, now);
    } else if (neighbours.count(namespace, family) > 0) {
      this.deadlines.set(this.tables + list, this.nextCollection(namespace, family, now));
    }
  }

  /** Where the last step ended; from the start, if that entry has gone. */
  private resume(list: number, namespace: Namespace, family: NeighbourFamily): number {
    const { neighbours } = this;
    const slot = this.collectAt[list] - 1;
    const isThere =
      slot !== NONE &&
      neighbours.serialOf(slot) === this.collectSerial[list] &&
      neighbours.namespace(slot) === namespace &&
      neighbours.family(slot) === family;
    return isThere ? slot : neighbours.first(namespace, family);
  }

  private isGarbage(slot: number, namespace: Namespace, family: NeighbourFamily, now: number): boolean {
    const { neighbours } = this;
    if (neighbours.count(namespace, family) < this.limit(namespace, family, Limit.THRESH1)) return false;
    const state = neighbours.state(slot);
    if (neighbours.isExempt(slot) || (state & Nud.IN_TIMER) !== 0) return false;
    if (state === Nud.FAILED) return true;
    const at = slot << Neighbour.SHIFT;
    const { rows } = neighbours;
    if (((rows[at + Neighbour.CONFIRMED] - rows[at + Neighbour.USED]) | 0) > 0) {
      rows[at + Neighbour.USED] = rows[at + Neighbour.CONFIRMED];
    }
    return !this.isWithin(rows[at + Neighbour.USED], this.settingOf(slot, Setting.GC_STALE_MS), now);
  }

  private clampTimes(slot: number, now: number): void {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    for (let i: number = Neighbour.CONFIRMED; i <= Neighbour.UPDATED; i++) {
      if (((now - rows[at + i]) | 0) > LONG_AGO_MS) rows[at + i] = (now - LONG_AGO_MS) | 0;
    }
  }
}

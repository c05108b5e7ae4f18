/*
 * The sweep: gives back rows of flows that have expired, a bounded number of rows a call, a round through all of them a second at most
 * (gc_worker of nf_conntrack_core.c). While conntrack is pressed it takes flows of nearly full namespaces, too.
 */
import type { Conntrack } from './conntrack.js';
import { Flow, type Flows, KindFlag, Status } from './flows.js';
import { CtSetting } from './settings.js';

/** Rows that a call looks at, and how long a round through all takes at least, ms. */
const ROWS = 2048;
const ROUND_MS = 1000;
const SHORTEST_PAUSE_MS = 10;

export class Sweep {
  /** A namespace was full, and nothing could make room: the sweep takes more, to the end of the round. */
  isPressed = false;
  /** The next row, by family. */
  private readonly next = [1, 1];
  private sweptAt = 0;

  constructor(private readonly conntrack: Conntrack) {}

  /** Sweeps if it is time to. Answers after how many ms it wants to be called; -1: no need. */
  timers(now: number): number {
    const { flows, expectations } = this.conntrack;
    const rows = flows[0].end + flows[1].end - 2;
    if (flows[0].size + flows[1].size + expectations.size === 0) return -1;
    const pause = Math.max(SHORTEST_PAUSE_MS, Math.min(ROUND_MS, Math.floor((ROUND_MS * ROWS) / (rows + 1))));
    const left = (this.sweptAt + pause - now) | 0;
    if (left > 0 && left <= pause) return left;
    this.sweptAt = now;
    if (expectations.size !== 0) expectations.sweep(now);
    const budget = this.sweep(0, ROWS, now);
    if (budget > 0) this.sweep(1, budget, now);
    // A round is over.
    if (this.next[0] === 1 && this.next[1] === 1) this.isPressed = false;
    return pause;
  }

  /** Looks at the next rows of a family, to the end of them at most; answers how many of `budget` are left. */
  private sweep(family: number, budget: number, now: number): number {
    const store = this.conntrack.flows[family];
    const from = this.next[family] < store.end ? this.next[family] : 1;
    const to = Math.min(store.end, from + budget);
    for (let index = from; index < to; index++) {
      const at = index * store.width;
      const isHashed = (store.words[at + Flow.KIND] & KindFlag.HASHED) !== 0;
      if (isHashed && this.isOver(store, at, now)) this.conntrack.end(index | store.bit);
    }
    this.next[family] = to >= store.end ? 1 : to;
    return budget - (to - from);
  }

  private isOver(store: Flows, at: number, now: number): boolean {
    if (((store.words[at + Flow.EXPIRES] - now) | 0) <= 0) return true;
    return this.isPressed && this.givesWay(store, at);
  }

  /** Where a namespace is nearly full: what is not assured, or closing. */
  private givesWay(store: Flows, at: number): boolean {
    const { settings, count, trackers } = this.conntrack;
    const kind = store.words[at + Flow.KIND];
    const namespace = (kind >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK;
    const max = settings[(namespace << CtSetting.SHIFT) + CtSetting.MAX];
    if (max === 0 || count[namespace] < Math.floor(max / 100) * 95) return false;
    const isAssured = (store.words[at + Flow.STATUS] & Status.ASSURED) !== 0;
    return !isAssured || (trackers[kind & 0xff].canDropEarly?.(store.words, at) ?? false);
  }
}

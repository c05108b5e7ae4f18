/*
 * Storm control: how many broadcast, multicast and unknown-unicast frames a second a port may bring in.
 *
 * A token bucket a port and class. A limit of r packets/s lets r/10 (at least 1) through at once, so that
 * an ordinary burst of ARP passes, and r a second in the long run.
 */
import { type Link, MAX_LINKS } from '../core/links.js';

export const enum StormClass {
  BROADCAST = 0,
  MULTICAST = 1,
  UNKNOWN = 2,
  COUNT = 3,
}

const BURST_MS = 100;

export class Storm {
  /** Packets per second, 0 = no limit: rate[link × COUNT + class]. */
  readonly rate = new Int32Array(MAX_LINKS * StormClass.COUNT);
  private readonly tokens = new Float64Array(MAX_LINKS * StormClass.COUNT);
  /** Tokens that a full bucket holds. A table and not a method: a method's result would be a heap number. */
  private readonly depth = new Float64Array(MAX_LINKS * StormClass.COUNT);
  private readonly refilled = new Int32Array(MAX_LINKS * StormClass.COUNT);

  setRate(link: Link, storm: StormClass, packetsPerSecond: number, now: number): void {
    const at = link * StormClass.COUNT + storm;
    this.rate[at] = packetsPerSecond;
    this.depth[at] = Math.max(1, (packetsPerSecond * BURST_MS) / 1000);
    this.tokens[at] = this.depth[at];
    this.refilled[at] = now;
  }

  /** Takes a token; false if there is none left. */
  allows(link: Link, storm: StormClass, now: number): boolean {
    const at = link * StormClass.COUNT + storm;
    if (this.rate[at] === 0) return true;
    const idleMs = (now - this.refilled[at]) | 0;
    if (idleMs !== 0) {
      this.refilled[at] = now;
      this.tokens[at] += (idleMs * this.rate[at]) / 1000;
      // Negative: so long idle that the clock has wrapped.
      if (idleMs < 0 || this.tokens[at] > this.depth[at]) this.tokens[at] = this.depth[at];
    }
    if (this.tokens[at] < 1) return false;
    this.tokens[at]--;
    return true;
  }
}

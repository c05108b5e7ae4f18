/*
 * The engine: one thread that runs every burst to completion.
 *
 *    for each wake-up:  rx burst (≤ 64 frames a port) → datapath → tx queues → tx bursts → timers → control
 *
 * A port that brought frames is *active* and read again in the next round; one that came back short rests until
 * the shim's `poll` says that it has more. With nothing active the engine spins for a short adaptive time and then
 * sleeps until a port, a timer or the control plane wakes it.
 */

import { BURST } from './core/arena.js';
import { sooner } from './core/delay.js';
import { DropReason } from './core/drop.js';
import { Counter, type Link, MAX_LINKS } from './core/links.js';
import type { Dataplane } from './datapath.js';

/** Table slots looked at in one round of the ageing sweep. */
const SWEEP_BUDGET = 512;
/** Pause between two passes of the sweep over the whole table, ms. Expired entries count as absent anyway: it only gives back room. */
const SWEEP_PAUSE_MS = 10_000;

export class Engine {
  private readonly active = new Int32Array(MAX_LINKS);
  private readonly isActive = new Uint8Array(MAX_LINKS);
  private activeCount = 0;
  private isFlushing = false;
  private isSweeping = false;
  private nextSweep = 0;

  constructor(readonly dataplane: Dataplane) {}

  /** The port may have frames: read it in the next round. */
  activate(link: Link): void {
    if (this.isActive[link] !== 0) return;
    this.isActive[link] = 1;
    this.active[this.activeCount++] = link;
  }

  get isIdle(): boolean {
    return this.activeCount === 0 && !this.isFlushing;
  }

  /** What the control plane had the stack send, and what links inside still pass on to each other. */
  flush(now: number): void {
    this.isFlushing = !this.dataplane.flush(now);
  }

  /** One burst of every active port. Returns the number of frames received. */
  round(now: number): number {
    if (this.isFlushing) this.flush(now);
    let frames = 0;
    for (let i = 0; i < this.activeCount; ) {
      const link = this.active[i];
      const n = this.receive(link, now);
      frames += n;
      if (this.dataplane.egress.ports[link]?.isDrained !== false) this.rest(i);
      else i++;
    }
    return frames;
  }

  private receive(link: Link, now: number): number {
    const { dataplane } = this;
    const port = dataplane.egress.ports[link];
    if (port === undefined) return 0;
    const n = port.rx(BURST);
    if (port.hasFailed === true) this.countFailed(link);
    if (port.invalid + port.starved !== 0) this.countRefused(link, port.invalid, port.starved);
    if (n > 0) {
      dataplane.receive(link, n, now);
      this.flush(now);
    }
    return n;
  }

  private countFailed(link: Link): void {
    this.dataplane.links.counters[(link << Counter.SHIFT) + Counter.RX_ERRORS]++;
    this.dataplane.egress.noteDown(link);
  }

  /** Frames that the port itself dropped on reception were received, too. */
  private countRefused(link: Link, invalid: number, starved: number): void {
    const { counters, drops } = this.dataplane.links;
    counters[(link << Counter.SHIFT) + Counter.RX_PACKETS] += invalid + starved;
    drops[link * DropReason.COUNT + DropReason.BAD_VNET_HEADER] += invalid;
    drops[link * DropReason.COUNT + DropReason.ARENA_FULL] += starved;
  }

  private rest(i: number): void {
    this.isActive[this.active[i]] = 0;
    this.active[i] = this.active[--this.activeCount];
  }

  /** Work that time asks for, a bounded piece of it. Returns ms until more is due, 0 = at once, -1 = never. */
  timers(now: number): number {
    const { inet, netfilter } = this.dataplane;
    const due = sooner(this.sweep(now), sooner(inet.timers(now), netfilter.timers(now)));
    this.flush(now);
    return this.isFlushing ? 0 : due;
  }

  /** Ages the FDB, a piece at a time. */
  private sweep(now: number): number {
    const { fdb } = this.dataplane;
    if (fdb.learnedCount === 0) return -1;
    if (!this.isSweeping) {
      const dueMs = (this.nextSweep - now) | 0;
      // More than a pause ahead: set so long ago, the table being empty since, that the clock has wrapped.
      if (dueMs > 0 && dueMs <= SWEEP_PAUSE_MS) return dueMs;
      this.isSweeping = true;
    }
    if (!fdb.sweep(now, SWEEP_BUDGET)) return 0;
    this.isSweeping = false;
    this.nextSweep = (now + SWEEP_PAUSE_MS) | 0;
    return SWEEP_PAUSE_MS;
  }
}

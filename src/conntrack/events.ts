/*
 * What happens to flows, for those who listen (conntrack -E): a ring of rows as in flow-row.ts. Nothing is written while nobody does.
 *
 * What one packet does to its flow is one event: bits are gathered and written when the packet leaves conntrack, or with the next event of
 * another flow. A flow with a mask (CT --ctevents) has an event told whole as soon as it has one bit of the mask. When the ring is full the newest are lost and counted, as netlink's listeners lose them.
 */
import { CtEvent } from './tracker.js';

/** Events that wait to be read. */
const CAPACITY = 4096;

/** Bits of CtEvent that are told of a flow. */
export type MaskOf = (flow: number) => number;

/** Writes the row of a flow, when it can still be read. */
export type WriteRow = (flow: number, events: number, rows: Int32Array, at: number) => void;

export class Events {
  isWatched = false;
  /** Events that found no room, ever. */
  lost = 0;
  private rows = new Int32Array(0);
  private head = 0;
  private count = 0;
  private flow = 0;
  private bits = 0;

  constructor(
    private readonly width: number,
    private readonly maskOf: MaskOf,
    private readonly write: WriteRow,
  ) {}

  watch(isWatched: boolean): void {
    this.isWatched = isWatched;
    this.rows = new Int32Array(isWatched ? CAPACITY * this.width : 0);
    this.head = 0;
    this.count = 0;
    this.flow = 0;
    this.bits = 0;
  }

  /** Notes bits of CtEvent. */
  note(flow: number, bits: number): void {
    if (!this.isWatched) return;
    if (flow !== this.flow) this.deliver();
    this.flow = flow;
    this.bits |= bits;
    if ((bits & CtEvent.DESTROY) !== 0) this.deliver();
  }

  /** What was noted of this flow has not happened: it was never confirmed. */
  forget(flow: number): void {
    if (flow === this.flow) this.bits = 0;
  }

  /** The packet at hand is done with. */
  deliver(): void {
    if (this.bits === 0) return;
    const { bits } = this;
    this.bits = 0;
    // Who hears of its end need not hear what else the last packet did.
    const what = (bits & CtEvent.DESTROY) !== 0 ? CtEvent.DESTROY : bits;
    if ((what & this.maskOf(this.flow)) === 0) return;
    if (this.count === CAPACITY) {
      this.lost++;
      return;
    }
    const slot = (this.head + this.count) % CAPACITY;
    this.write(this.flow, what, this.rows, slot * this.width);
    this.count++;
  }

  /** Takes the oldest `max` events that wait, or fewer, into `out`. Answers how many. */
  take(out: Int32Array, max: number): number {
    const { width } = this;
    const n = Math.min(max, this.count);
    for (let i = 0; i < n; i++) {
      const from = this.head * width;
      out.set(this.rows.subarray(from, from + width), i * width);
      this.head = (this.head + 1) % CAPACITY;
    }
    this.count -= n;
    return n;
  }
}

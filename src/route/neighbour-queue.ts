/*
 * The frames that wait for their next hop's link-layer address: a chain for each neighbour, oldest first.
 *
 * Each neighbour has room for `unres_qlen_bytes` of its link. A frame counts as its buffer does in Linux (skb->truesize: the
 * next larger size class and struct sk_buff), so that as many frames wait as there: 256 small ones by default, or 92 full ones.
 * What has no room pushes out the oldest of the same neighbour, so order is kept and the newest goes out.
 *
 * All together they may hold a quarter of the arena: hosts that do not exist must not take the room of those that do.
 */
import { type Arena, type Frame, NONE } from '../core/arena.js';
import { sharedInts } from '../core/memory.js';
import { Neighbour, type Neighbours } from '../tables/neighbours.js';

/** Longest frame of each size class, after headroom and struct skb_shared_info, and what a buffer of it counts as. */
const enum Buffer {
  SMALL = 240,
  SMALL_BYTES = 832,
  MIDDLE = 688,
  MIDDLE_BYTES = 1280,
  FULL = 1712,
  FULL_BYTES = 2304,
  /** Of longer ones, beside their length. */
  OVERHEAD = 576,
}

export class NeighbourQueue {
  /** Frames that wait. */
  size = 0;
  private readonly limit: number;
  /** By frame: the one behind it in its chain + 1; 0 = it is the last. */
  private readonly behind: Int32Array;

  /** `discard` ends a frame that found no room. */
  constructor(
    private readonly arena: Arena,
    private readonly neighbours: Neighbours,
    private readonly discard: (frame: Frame) => void,
  ) {
    this.limit = arena.heads >> 2;
    this.behind = sharedInts(arena.heads);
  }

  /** Takes a frame; those that it leaves no room for, perhaps itself, are discarded. */
  add(slot: number, frame: Frame, limitBytes: number): void {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    const bytes = this.bytesOf(frame);
    while (
      rows[at + Neighbour.WAITING_FIRST] !== 0 &&
      this.isTooMuch(rows[at + Neighbour.WAITING_BYTES] + bytes, limitBytes)
    ) {
      this.discard(this.take(slot));
    }
    if (this.size >= this.limit) return this.discard(frame);
    this.behind[frame] = 0;
    const last = rows[at + Neighbour.WAITING_LAST];
    if (last === 0) rows[at + Neighbour.WAITING_FIRST] = frame + 1;
    else this.behind[last - 1] = frame + 1;
    rows[at + Neighbour.WAITING_LAST] = frame + 1;
    rows[at + Neighbour.WAITING_BYTES] += bytes;
    this.size++;
  }

  private isTooMuch(bytes: number, limitBytes: number): boolean {
    return bytes > limitBytes || this.size >= this.limit;
  }

  /** The oldest, or NONE. */
  take(slot: number): Frame {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    const first = rows[at + Neighbour.WAITING_FIRST];
    if (first === 0) return NONE;
    rows[at + Neighbour.WAITING_FIRST] = this.behind[first - 1];
    if (this.behind[first - 1] === 0) rows[at + Neighbour.WAITING_LAST] = 0;
    rows[at + Neighbour.WAITING_BYTES] -= this.bytesOf(first - 1);
    this.size--;
    return first - 1;
  }

  /** The newest, or NONE. It stays. */
  newest(slot: number): Frame {
    return this.neighbours.rows[(slot << Neighbour.SHIFT) + Neighbour.WAITING_LAST] - 1;
  }

  /** Takes all at once: the oldest, or NONE; `after` leads on to the others. The neighbour may be anything from now on. */
  detach(slot: number): Frame {
    const { rows } = this.neighbours;
    const at = slot << Neighbour.SHIFT;
    const first = rows[at + Neighbour.WAITING_FIRST];
    for (let frame = first; frame !== 0; frame = this.behind[frame - 1]) this.size--;
    rows[at + Neighbour.WAITING_FIRST] = 0;
    rows[at + Neighbour.WAITING_LAST] = 0;
    rows[at + Neighbour.WAITING_BYTES] = 0;
    return first - 1;
  }

  /** The next of a detached chain; to be asked before the frame is given away. */
  after(frame: Frame): Frame {
    return this.behind[frame] - 1;
  }

  private bytesOf(frame: Frame): number {
    const length = this.arena.length[frame];
    if (length <= Buffer.SMALL) return Buffer.SMALL_BYTES;
    if (length <= Buffer.MIDDLE) return Buffer.MIDDLE_BYTES;
    return length <= Buffer.FULL ? Buffer.FULL_BYTES : length + Buffer.OVERHEAD;
  }
}

/*
 * The backlog: frames on their way from one link inside to another. What a veth, lo or br0 passes on is not received
 * at once (the burst that it is part of is still being worked on) but waits here, in order, until the engine takes it up between
 * two bursts of the ports.
 *
 * A ring of (frame, link). Frames of a flood may be in it several times, so it has twice as many places as the arena has
 * frames; when it is full, `push` says so and the caller drops.
 */
import { type Arena, BURST, type Frame } from './arena.js';
import type { Link } from './links.js';
import { sharedInts } from './memory.js';

export class Backlog {
  private readonly frames: Int32Array;
  private readonly links: Int32Array;
  private readonly mask: number;
  /** Places taken and given since the start; they wrap together. */
  private head = 0;
  private tail = 0;

  constructor(private readonly arena: Arena) {
    let size = 1;
    while (size < arena.heads * 2) size *= 2;
    this.frames = sharedInts(size);
    this.links = sharedInts(size);
    this.mask = size - 1;
  }

  get isEmpty(): boolean {
    return this.head === this.tail;
  }

  /** The frame, with the caller's reference, is to be received by `link`. False: there is no room. */
  push(frame: Frame, link: Link): boolean {
    if (((this.head - this.tail) | 0) > this.mask) return false;
    const at = this.head & this.mask;
    this.frames[at] = frame;
    this.links[at] = link;
    this.head = (this.head + 1) | 0;
    return true;
  }

  /** The link of the oldest frame; only where there is one. */
  get link(): Link {
    return this.links[this.tail & this.mask];
  }

  /** Moves the oldest frames, as many as are for one link, into arena.burst. Returns how many. */
  take(): number {
    const { burst } = this.arena;
    const link = this.link;
    let n = 0;
    while (n < BURST && this.tail !== this.head && this.links[this.tail & this.mask] === link) {
      burst[n++] = this.frames[this.tail & this.mask];
      this.tail = (this.tail + 1) | 0;
    }
    return n;
  }
}

/*
 * A port in memory: what tests and benchmarks put frames into and take them out of.
 *
 * MemoryPort: `feed` queues frames to be received, `sent` keeps copies of what was transmitted. A frame that is too long
 * for a frame is invalid; one that needs a tail slot when there is none is starved; without a head slot it waits.
 * LoopPort: frames prepared once are received over and over and transmitted ones are only counted: a source and sink that
 * cost next to nothing.
 */
import { type Arena, BURST, freshOffset, QUEUE, Slot, Vnet } from '../core/arena.js';
import type { Link } from '../core/links.js';
import type { Port } from '../core/port.js';
import { place } from './place.js';

/** A superframe with two VLAN tags, in bytes. */
const LONGEST_FRAME = 14 + 8 + 65_535;

export class MemoryPort implements Port {
  invalid = 0;
  starved = 0;
  readonly segments = 0;
  isDrained = true;
  /** Copies of transmitted frames, oldest first. */
  readonly sent: Uint8Array[] = [];
  private readonly waiting: Array<{ bytes: Uint8Array; vnet: readonly number[] }> = [];

  constructor(
    private readonly arena: Arena,
    private readonly link: Link,
  ) {}

  /** Queues a frame to be received; `vnet`: the words of its virtio header (core/arena.ts, Vnet), which is believed. */
  feed(bytes: Uint8Array, vnet: readonly number[] = []): void {
    this.waiting.push({ bytes, vnet });
  }

  rx(max: number): number {
    this.invalid = 0;
    this.starved = 0;
    let n = 0;
    while (n < max && this.arena.freeHeadCount > 0) {
      const next = this.waiting.shift();
      if (next === undefined) break;
      if (next.bytes.length > LONGEST_FRAME) this.invalid++;
      else if (next.bytes.length > Slot.HEAD_CAPACITY && this.arena.freeTailCount === 0) this.starved++;
      else this.arena.burst[n++] = this.take(next.bytes, next.vnet);
    }
    this.isDrained = this.waiting.length === 0;
    return n;
  }

  private take(bytes: Uint8Array, vnet: readonly number[]): number {
    const frame = place(this.arena, bytes, 0, bytes.length);
    for (let i = 0; i < vnet.length; i++) this.arena.vnet[(frame << Vnet.SHIFT) + i] = vnet[i];
    return frame;
  }

  tx(n: number): number {
    for (let i = 0; i < n; i++) this.sent.push(this.arena.contents(this.arena.queues[this.link * QUEUE + i]));
    return 0;
  }

  close(): void {}
}

/**
 * Receives prepared 64-byte frames round and round, and counts what it transmits. They differ in their first bytes, which
 * are written anew each time; the others are what the slot holds.
 */
export class LoopPort implements Port {
  readonly invalid = 0;
  readonly starved = 0;
  readonly segments = 0;
  readonly isDrained = false;
  transmitted = 0;
  private next = 0;
  private readonly mask: number;

  /**
   * `prepared`: `stride` words a frame, a power of two, of which `words` are written: its bytes 0..1, 2..5, 6..9 …; a power of two of frames, at
   * least BURST.
   */
  constructor(
    private readonly arena: Arena,
    private readonly prepared: Int32Array,
    private readonly stride = 4,
    private readonly words = 4,
  ) {
    this.mask = prepared.length - 1;
  }

  rx(max: number): number {
    const { arena, prepared, mask, stride, words } = this;
    const { burst, offset, length, freeHeads, vnet, words16, words32 } = arena;
    const n = Math.min(max, BURST, arena.freeHeadCount);
    const top = arena.freeHeadCount - 1;
    const from = this.next;
    for (let i = 0; i < n; i++) {
      const frame = freeHeads[top - i];
      const at = freshOffset(frame);
      burst[i] = frame;
      offset[frame] = at;
      length[frame] = 64;
      vnet[frame << Vnet.SHIFT] = 0;
      const source = (from + i * stride) & mask;
      const target = ((at + 2) >> 2) - 1;
      words16[at >> 1] = prepared[source];
      let k = 1;
      // What it costs is none of what is measured: as little as can be.
      for (; k + 3 < words; k += 4) {
        words32[target + k] = prepared[source + k];
        words32[target + k + 1] = prepared[source + k + 1];
        words32[target + k + 2] = prepared[source + k + 2];
        words32[target + k + 3] = prepared[source + k + 3];
      }
      for (; k < words; k++) words32[target + k] = prepared[source + k];
    }
    this.next = (from + n * stride) & mask;
    arena.freeHeadCount = top + 1 - n;
    return n;
  }

  tx(n: number): number {
    this.transmitted += n;
    return 0;
  }

  close(): void {}
}

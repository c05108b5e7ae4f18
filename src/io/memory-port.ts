/*
 * A port in memory: what tests and benchmarks put frames into and take them out of.
 *
 * `feed` queues frames to be received, `sent` keeps copies of what was transmitted. With `loop`, frames prepared once
 * are received over and over and transmitted ones are only counted: a source and sink that cost next to nothing.
 */
import { type Arena, BURST, freshOffset, QUEUE } from '../core/arena.js';
import type { Link } from '../core/links.js';
import type { Port } from '../core/port.js';
import { place } from './place.js';

export class MemoryPort implements Port {
  readonly invalid = 0;
  readonly starved = 0;
  readonly segments = 0;
  /** Copies of transmitted frames, oldest first. */
  readonly sent: Uint8Array[] = [];
  private readonly waiting: Uint8Array[] = [];

  constructor(
    private readonly arena: Arena,
    private readonly link: Link,
  ) {}

  /** Queues a frame to be received. */
  feed(frame: Uint8Array): void {
    this.waiting.push(frame);
  }

  rx(max: number): number {
    const { arena } = this;
    let n = 0;
    for (; n < max && this.waiting.length > 0 && arena.freeHeadCount > 0 && arena.freeTailCount > 0; n++) {
      const bytes = this.waiting.shift() as Uint8Array;
      arena.burst[n] = place(arena, bytes, 0, bytes.length);
    }
    return n;
  }

  tx(n: number): number {
    for (let i = 0; i < n; i++) this.sent.push(this.arena.contents(this.arena.queues[this.link * QUEUE + i]));
    return 0;
  }

  close(): void {}
}

/** Receives `prepared` 64-byte frames round and round, and counts what it transmits. */
export class LoopPort implements Port {
  readonly invalid = 0;
  readonly starved = 0;
  readonly segments = 0;
  transmitted = 0;
  private next = 0;

  /** `prepared`: frames of 64 bytes, one behind the other; a power of two of them, at least BURST. */
  constructor(
    private readonly arena: Arena,
    private readonly prepared: Int32Array,
  ) {}

  rx(max: number): number {
    const { arena, prepared } = this;
    const { burst, offset, length, words16, words32, freeHeads, vnet } = arena;
    const n = Math.min(max, BURST, arena.freeHeadCount);
    let from = this.next;
    let top = arena.freeHeadCount;
    for (let i = 0; i < n; i++) {
      const frame = freeHeads[--top];
      const at = freshOffset(frame);
      burst[i] = frame;
      offset[frame] = at;
      length[frame] = 64;
      vnet[frame << 3] = 0;
      // An Ethernet header lies at 2 modulo 4: half a word, fifteen words, half a word.
      words16[at >> 1] = prepared[from];
      let to = (at + 2) >> 2;
      for (let k = 1; k < 16; k++) words32[to++] = prepared[from + k];
      words16[(at + 62) >> 1] = prepared[from] >>> 16;
      from = (from + 16) & (prepared.length - 1);
    }
    this.next = from;
    arena.freeHeadCount = top;
    return n;
  }

  tx(n: number): number {
    this.transmitted += n;
    return 0;
  }

  close(): void {}
}

/*
 * What few flows have, beside the rows and under the same numbers. Nothing is reserved before the first write, and memory is used only
 * where something was written. Whoever reads asks a flow's KindFlag first; a released flow's words are zeroed by extensions.ts.
 */
import { sharedDoubles, sharedInts } from '../core/memory.js';
import type { Flows } from './flows.js';

export class Aside {
  private words: Int32Array | null = null;

  constructor(
    private readonly flows: Flows,
    readonly width: number,
  ) {}

  get(index: number, word = 0): number {
    return this.words === null ? 0 : this.words[index * this.width + word];
  }

  set(index: number, word: number, value: number): void {
    this.words ??= sharedInts((this.flows.capacity + 1) * this.width);
    this.words[index * this.width + word] = value;
  }

  clear(index: number): void {
    if (this.words === null) return;
    const at = index * this.width;
    for (let i = at; i < at + this.width; i++) this.words[i] = 0;
  }
}

/** Packets and bytes of each direction. */
export class Account {
  private counters: Float64Array | null = null;

  constructor(private readonly flows: Flows) {}

  add(index: number, direction: number, packets: number, bytes: number): void {
    this.counters ??= sharedDoubles((this.flows.capacity + 1) * 4);
    const at = index * 4 + direction * 2;
    this.counters[at] += packets;
    this.counters[at + 1] += bytes;
  }

  packets(index: number, direction: number): number {
    return this.counters === null ? 0 : this.counters[index * 4 + direction * 2];
  }

  bytes(index: number, direction: number): number {
    return this.counters === null ? 0 : this.counters[index * 4 + direction * 2 + 1];
  }

  clear(index: number): void {
    this.counters?.fill(0, index * 4, index * 4 + 4);
  }
}

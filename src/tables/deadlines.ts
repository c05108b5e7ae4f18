/*
 * Deadlines: which of many numbered things falls due first. A binary heap of their numbers in typed arrays.
 *
 *   heap[0 … size)     numbers, the soonest first
 *   place[number]      where in the heap it is, + 1; 0 = it has no deadline
 *   due[number]        ms; may wrap, so two are compared by the sign of their difference
 *
 * A thing has one deadline or none: `set` again moves it. Each call costs log2(size) steps, a look at the next one costs nothing; so
 * nobody has to walk through those that are not due. It cannot be full: there is room for every number.
 * A fresh one is untouched zero pages.
 */
import { sharedInts } from '../core/memory.js';

export class Deadlines {
  size = 0;
  private readonly heap: Int32Array;
  private readonly place: Int32Array;
  private readonly due: Int32Array;

  /** `numbers`: how many things there may be. */
  constructor(numbers: number) {
    this.heap = sharedInts(numbers);
    this.place = sharedInts(numbers);
    this.due = sharedInts(numbers);
  }

  set(number: number, due: number): void {
    this.due[number] = due;
    let at = this.place[number] - 1;
    if (at < 0) {
      at = this.size++;
      this.put(at, number);
    }
    this.sink(this.rise(at));
  }

  clear(number: number): void {
    const at = this.place[number] - 1;
    if (at < 0) return;
    this.place[number] = 0;
    const last = this.heap[--this.size];
    if (last === number) return;
    this.put(at, last);
    this.sink(this.rise(at));
  }

  isSet(number: number): boolean {
    return this.place[number] !== 0;
  }

  /** The first that is due, and it has no deadline any more; -1 = none is. */
  take(now: number): number {
    if (this.size === 0) return -1;
    const first = this.heap[0];
    if (((this.due[first] - now) | 0) > 0) return -1;
    this.clear(first);
    return first;
  }

  /** Ms until the next one is due, 0 = at once, -1 = never. */
  delay(now: number): number {
    if (this.size === 0) return -1;
    const left = (this.due[this.heap[0]] - now) | 0;
    return Math.max(left, 0);
  }

  /** The i-th of all `size`, in no order. */
  at(i: number): number {
    return this.heap[i];
  }

  private put(at: number, number: number): void {
    this.heap[at] = number;
    this.place[number] = at + 1;
  }

  private isSooner(a: number, b: number): boolean {
    return ((this.due[a] - this.due[b]) | 0) < 0;
  }

  private rise(from: number): number {
    const number = this.heap[from];
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.isSooner(number, this.heap[above])) break;
      this.put(at, this.heap[above]);
      at = above;
    }
    this.put(at, number);
    return at;
  }

  private sink(from: number): void {
    const number = this.heap[from];
    let at = from;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= this.size) break;
      if (below + 1 < this.size && this.isSooner(this.heap[below + 1], this.heap[below])) below++;
      if (!this.isSooner(this.heap[below], number)) break;
      this.put(at, this.heap[below]);
      at = below;
    }
    this.put(at, number);
  }
}

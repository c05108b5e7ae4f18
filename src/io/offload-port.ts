/*
 * Software offload: a port around one that can send neither superframes nor partial checksums.
 *
 * What needs no work goes through in one call. The rest is cut or completed at the last moment, on copies
 * where the frame is shared.
 */
import { type Arena, type Frame, NONE, QUEUE } from '../core/arena.js';
import type { Link } from '../core/links.js';
import { type Port, TxError } from '../core/port.js';
import { completePartial } from '../wire/span.js';
import { needsOffload, Segmented, segment } from './offload.js';

export class OffloadPort implements Port {
  segments = 0;
  /** Frames of the queue as handed in, and what became of each. */
  private readonly $frames = new Int32Array(QUEUE);
  private readonly $errors = new Int32Array(QUEUE);
  /** For each place in the inner queue: the frame it belongs to, and whether it is ours to release. */
  private readonly $owner = new Int32Array(QUEUE);
  private readonly $isOurs = new Uint8Array(QUEUE);
  private readonly $cut = new Int32Array(QUEUE);
  private waiting = 0;

  constructor(
    private readonly inner: Port,
    private readonly arena: Arena,
    private readonly link: Link,
    private readonly txErrno: Int32Array,
  ) {}

  get invalid(): number {
    return this.inner.invalid;
  }

  get starved(): number {
    return this.inner.starved;
  }

  get isDrained(): boolean {
    return this.inner.isDrained;
  }

  get hasFailed(): boolean {
    return this.inner.hasFailed === true;
  }

  rx(max: number): number {
    return this.inner.rx(max);
  }

  tx(n: number): number {
    const { arena } = this;
    const from = this.link * QUEUE;
    this.segments = 0;
    let first = 0;
    while (first < n && !needsOffload(arena, arena.queues[from + first])) first++;
    if (first === n) return this.inner.tx(n);
    for (let i = 0; i < n; i++) this.$frames[i] = arena.queues[from + i];
    this.$errors.fill(0, 0, n);
    for (let i = 0; i < n; i++) this.send(i);
    this.flush();
    return this.report(n);
  }

  close(): void {
    this.inner.close();
  }

  setUp(isUp: boolean): void {
    this.inner.setUp?.(isUp);
  }

  private send(i: number): void {
    const frame = this.$frames[i];
    if (!needsOffload(this.arena, frame)) this.push(frame, i, false);
    else if (this.arena.isSuperframe(frame)) this.sendSegments(frame, i);
    else this.sendCompleted(frame, i);
  }

  private sendSegments(frame: Frame, i: number): void {
    let count = segment(this.arena, frame, this.$cut, QUEUE);
    if (count === Segmented.NO_FRAMES && this.waiting > 0) {
      // What waits holds slots: let it go first.
      this.flush();
      count = segment(this.arena, frame, this.$cut, QUEUE);
    }
    if (count < 0) {
      this.$errors[i] = count === Segmented.NO_FRAMES ? TxError.ARENA_FULL : TxError.UNSEGMENTABLE;
      return;
    }
    this.segments += count;
    for (let k = 0; k < count; k++) this.push(this.$cut[k], i, true);
  }

  private sendCompleted(frame: Frame, i: number): void {
    const copy = this.arena.copy(frame);
    if (copy === NONE) this.$errors[i] = TxError.ARENA_FULL;
    else if (completePartial(this.arena, copy)) this.push(copy, i, true);
    else {
      this.arena.release(copy);
      this.$errors[i] = TxError.UNSEGMENTABLE;
    }
  }

  private push(frame: Frame, owner: number, isOurs: boolean): void {
    if (this.waiting === QUEUE) this.flush();
    this.arena.queues[this.link * QUEUE + this.waiting] = frame;
    this.$owner[this.waiting] = owner;
    this.$isOurs[this.waiting] = isOurs ? 1 : 0;
    this.waiting++;
  }

  private flush(): void {
    const n = this.waiting;
    if (n === 0) return;
    this.waiting = 0;
    const failed = this.inner.tx(n);
    for (let i = 0; i < n; i++) {
      if (failed !== 0 && this.txErrno[i] !== 0) this.$errors[this.$owner[i]] = this.txErrno[i];
      if (this.$isOurs[i] !== 0) this.arena.release(this.arena.queues[this.link * QUEUE + i]);
    }
  }

  /** Puts the queue back as the caller knows it, and the errors where it looks for them. */
  private report(n: number): number {
    let failed = 0;
    for (let i = 0; i < n; i++) {
      this.arena.queues[this.link * QUEUE + i] = this.$frames[i];
      this.txErrno[i] = this.$errors[i];
      if (this.$errors[i] !== 0) failed++;
    }
    return failed;
  }
}

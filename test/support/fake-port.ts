/* A port whose device does as it is told: receives bad frames, refuses what it should send. */
import { type Arena, freshOffset, QUEUE } from '../../src/core/arena.js';
import type { Link } from '../../src/core/links.js';
import type { Port } from '../../src/core/port.js';

export class FakePort implements Port {
  invalid = 0;
  starved = 0;
  segments = 0;
  isClosed = false;
  isDrained = true;
  /** What the next tx call answers for each frame, errno or 0; frames beyond it are sent. */
  answers: number[] = [];
  /** Lengths of the frames that were sent, and how many each call took. */
  readonly sent: number[] = [];
  readonly calls: number[] = [];
  private frames: Uint8Array[] = [];

  constructor(
    private readonly arena: Arena,
    private readonly link: Link,
    private readonly txErrno: Int32Array,
  ) {}

  /** What the next rx call receives, and how many frames it drops itself. */
  feed(frames: Uint8Array[], invalid = 0, starved = 0): void {
    this.frames = frames;
    this.invalid = invalid;
    this.starved = starved;
  }

  rx(max: number): number {
    const taken = this.frames.splice(0, max);
    if (taken.length === 0 && this.sawAll) [this.invalid, this.starved] = [0, 0];
    this.sawAll = taken.length < max;
    this.isDrained = this.sawAll && this.invalid + this.starved === 0;
    taken.forEach((bytes, i) => {
      const frame = this.arena.freeHeads[--this.arena.freeHeadCount];
      this.arena.offset[frame] = freshOffset(frame);
      this.arena.length[frame] = bytes.length;
      this.arena.clearVnet(frame);
      this.arena.bytes.set(bytes, this.arena.offset[frame]);
      this.arena.burst[i] = frame;
    });
    return taken.length;
  }

  private sawAll = false;

  tx(n: number): number {
    this.calls.push(n);
    let failed = 0;
    for (let i = 0; i < n; i++) {
      this.txErrno[i] = this.answers[i] ?? 0;
      if (this.txErrno[i] !== 0) failed++;
      else this.sent.push(this.arena.length[this.arena.queues[this.link * QUEUE + i]]);
    }
    this.answers = [];
    return failed;
  }

  close(): void {
    this.isClosed = true;
  }
}

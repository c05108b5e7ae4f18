/*
 * A port that receives the frames of a capture file, once, as fast as they are taken, and writes what it sends to
 * another. It starts when its link is set up.
 */
import { type Arena, QUEUE } from '../core/arena.js';
import { SluiceError } from '../core/errors.js';
import type { Link } from '../core/links.js';
import type { Port } from '../core/port.js';
import { CaptureReader, CaptureWriter } from './pcap-file.js';
import { Direction, ETHERNET, newRecord, stamp } from './pcap-format.js';
import { place } from './place.js';

/** Longest frame an arena slot pair takes. */
const LONGEST = 65_557;

/** What a failed write counts as. */
const enum Errno {
  ENOSPC = 28,
}

export class PcapPort implements Port {
  invalid = 0;
  readonly starved = 0;
  readonly segments = 0;
  private readonly reader: CaptureReader | undefined;
  private readonly writer: CaptureWriter | undefined;
  private readonly $record = newRecord();
  isDrained = true;
  private isStarted = false;
  /** The reader holds a frame that has not been received yet. */
  private hasNext = false;
  private isBroken = false;

  constructor(
    private readonly arena: Arena,
    private readonly link: Link,
    name: string,
    read: string | undefined,
    write: string | undefined,
    private readonly txErrno: Int32Array,
    private readonly onProblem: (problem: string) => void,
  ) {
    try {
      this.reader = read === undefined ? undefined : new CaptureReader(read, { linkType: ETHERNET });
      // Read ahead: a file that is no capture is refused before anything is written.
      this.hasNext = this.reader?.next() === true;
      if (!this.hasNext && this.reader !== undefined && this.reader.problem !== '') {
        throw new SluiceError('EINVAL', `${this.reader.problem}; give a pcap or pcapng file of Ethernet frames`);
      }
      this.writer = write === undefined ? undefined : new CaptureWriter(write, { links: [name] });
    } catch (error) {
      this.reader?.close();
      throw error;
    }
  }

  setUp(isUp: boolean): void {
    this.isStarted = isUp;
  }

  rx(max: number): number {
    this.invalid = 0;
    this.isDrained = !this.isStarted || !this.hasNext;
    if (this.isDrained || this.reader === undefined) return 0;
    const { arena, reader } = this;
    let n = 0;
    while (n < max && this.hasNext && arena.freeHeadCount > 0 && arena.freeTailCount > 0) {
      const { bytes, at, captured } = reader.frame;
      if (captured > LONGEST) this.invalid++;
      else arena.burst[n++] = place(arena, bytes, at, captured);
      this.hasNext = reader.next();
    }
    this.isDrained = !this.hasNext;
    if (this.isDrained) this.tell(reader.problem);
    return n;
  }

  tx(n: number): number {
    const { arena, writer } = this;
    if (writer === undefined) return 0;
    stamp(this.$record, (performance.timeOrigin + performance.now()) * 1000);
    this.$record.direction = Direction.OUT;
    for (let i = 0; i < n; i++) {
      const frame = arena.queues[this.link * QUEUE + i];
      const head = arena.headLength(frame);
      const rest = arena.length[frame] - head;
      this.$record.length = arena.length[frame];
      writer.write(
        this.$record,
        arena.bytes,
        arena.offset[frame],
        head,
        rest === 0 ? 0 : arena.tailOffset(frame),
        rest,
      );
    }
    if (writer.flush()) return 0;
    this.tell(writer.problem);
    this.txErrno.fill(Errno.ENOSPC, 0, n);
    return n;
  }

  /** Once. */
  private tell(problem: string): void {
    if (this.isBroken || problem === '') return;
    this.isBroken = true;
    this.onProblem(problem);
  }

  close(): void {
    this.reader?.close();
    this.writer?.close();
  }
}

/*
 * Captures, in the engine's thread: copies of a link's frames that pass a filter, sent to the control plane in batches.
 *
 * A capture may have at most WINDOW frames under way; what passes the filter while the window is full is counted as missed, so a slow reader
 * costs the engine nothing.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Frame } from '../core/arena.js';
import type { Link } from '../core/links.js';
import type { Dataplane } from '../datapath.js';
import { type Filter, matches, parse } from '../wire/filter.js';

const WINDOW = 4096;

export interface CapturedFrame {
  isOut: boolean;
  /** µs since the epoch. */
  timeUs: number;
  /** Bytes of the whole frame. */
  length: number;
  bytes: Uint8Array;
}

export interface CapturedFrames {
  event: 'frames';
  id: number;
  frames: CapturedFrame[];
}

interface Capture {
  id: number;
  link: Link;
  filter: Filter;
  snapLength: number;
  batch: CapturedFrame[];
  underWay: number;
  missed: number;
}

export class Captures {
  private readonly captures = new Map<number, Capture>();

  constructor(
    private readonly dataplane: Dataplane,
    private readonly messages: MessagePort,
  ) {}

  start(id: number, link: Link, filter: string, snapLength: number): void {
    this.captures.set(id, { id, link, filter: parse(filter), snapLength, batch: [], underWay: 0, missed: 0 });
    this.dataplane.setCapture(link, true);
    this.dataplane.egress.tap = (at, frame, isOut) => this.see(at, frame, isOut);
  }

  ack(id: number, frames: number): void {
    const capture = this.captures.get(id);
    if (capture !== undefined) capture.underWay -= frames;
  }

  stop(id: number): number {
    const capture = this.captures.get(id);
    if (capture === undefined) return 0;
    this.captures.delete(id);
    const isWatched = [...this.captures.values()].some(({ link }) => link === capture.link);
    if (!isWatched) this.dataplane.setCapture(capture.link, false);
    if (this.captures.size === 0) this.dataplane.egress.tap = undefined;
    return capture.missed;
  }

  /** Sends what was captured since the last call. */
  flush(): void {
    for (const capture of this.captures.values()) {
      if (capture.batch.length === 0) continue;
      this.messages.postMessage({ event: 'frames', id: capture.id, frames: capture.batch } satisfies CapturedFrames);
      capture.batch = [];
    }
  }

  get isEmpty(): boolean {
    return this.captures.size === 0;
  }

  private see(link: Link, frame: Frame, isOut: boolean): void {
    for (const capture of this.captures.values()) if (capture.link === link) this.take(capture, frame, isOut);
  }

  private take(capture: Capture, frame: Frame, isOut: boolean): void {
    const { arena } = this.dataplane;
    const head = arena.headLength(frame);
    if (!matches(capture.filter, arena.bytes, arena.offset[frame], head, arena.length[frame])) return;
    if (capture.underWay >= WINDOW) {
      capture.missed++;
      return;
    }
    capture.underWay++;
    capture.batch.push({
      isOut,
      timeUs: (performance.timeOrigin + performance.now()) * 1000,
      length: arena.length[frame],
      bytes: arena.contents(frame).subarray(0, capture.snapLength),
    });
  }
}

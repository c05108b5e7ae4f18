/*
 * Egress: the way out of every step. A frame is queued for a link or dropped for a reason; queues go out
 * one native call each when `flush` is called, at the end of a burst; the queue of a link that ends inside Sluice goes to `forward`.
 *
 * Queue of link l: arena.queues[l × QUEUE …], filled to fill[l]. A queue that fills up within a burst (a flood to one
 * port from many) is flushed at once, so nothing is ever lost to the queue itself.
 */
import { type Arena, type Frame, QUEUE } from './arena.js';
import { DropReason } from './drop.js';
import { Counter, type Link, LinkFlag, LinkKind, type Links, MAX_LINKS } from './links.js';
import { sharedInts } from './memory.js';
import { type Port, TxError } from './port.js';

const enum Errno {
  EIO = 5,
  EAGAIN = 11,
  ENOMEM = 12,
  ENETDOWN = 100,
  ENOBUFS = 105,
}

function reasonOf(errno: number): DropReason {
  switch (errno) {
    case Errno.EIO:
    case Errno.ENETDOWN:
      return DropReason.TX_LINK_DOWN;
    case Errno.EAGAIN:
    case Errno.ENOMEM:
    case Errno.ENOBUFS:
      return DropReason.TX_BUSY;
    case TxError.ARENA_FULL:
      return DropReason.TX_ARENA_FULL;
    case TxError.UNSEGMENTABLE:
      return DropReason.TX_UNSEGMENTABLE;
    default:
      return DropReason.TX_REFUSED;
  }
}

/** Takes over the references of the first `n` frames of a link's queue. */
export type Forward = (link: Link, n: number, now: number) => void;

/** Sees the frames of links that are captured, before anything is done with them. Borrowed: valid during the call. */
export type Tap = (link: Link, frame: Frame, isOut: boolean) => void;

export class Egress {
  tap: Tap | undefined;
  /** What becomes of the frames of links that are no ports. */
  forward: Forward = (link, n) => this.discard(link, n);
  readonly ports: Array<Port | undefined> = [];
  /** Why each frame of the last tx call failed; 0 = it did not. */
  readonly txErrno = sharedInts(QUEUE);
  /** Links whose devices said that they are down, since the engine last looked. */
  readonly wentDown = new Int32Array(MAX_LINKS);
  wentDownCount = 0;

  private readonly fill = new Int32Array(MAX_LINKS);
  /** Links whose queues wait, each once: a ring. */
  private readonly dirty = new Int32Array(MAX_LINKS);
  private readonly isDirty = new Uint8Array(MAX_LINKS);
  private dirtyHead = 0;
  private dirtyTail = 0;

  constructor(
    private readonly arena: Arena,
    private readonly links: Links,
  ) {}

  /** Queues a frame for a port; takes the caller's reference. */
  enqueue(frame: Frame, link: Link): void {
    const n = this.fill[link];
    if (n === 0) this.mark(link);
    this.arena.queues[link * QUEUE + n] = frame;
    this.fill[link] = n + 1;
    if (n === QUEUE - 1) this.overflow(link);
  }

  private mark(link: Link): void {
    if (this.isDirty[link] !== 0) return;
    this.isDirty[link] = 1;
    this.dirty[this.dirtyHead] = link;
    this.dirtyHead = (this.dirtyHead + 1) & (MAX_LINKS - 1);
  }

  /** The queue has just become full. */
  private overflow(link: Link): void {
    if (this.links.kind[link] === LinkKind.PORT) return this.flushPort(link);
    this.fill[link] = QUEUE - 1;
    this.drop(this.arena.queues[link * QUEUE + QUEUE - 1], link, DropReason.TX_BUSY);
  }

  /** Counts a drop and takes the caller's reference. */
  drop(frame: Frame, link: Link, reason: DropReason): void {
    this.links.drops[link * DropReason.COUNT + reason]++;
    this.arena.release(frame);
  }

  /** Sends all queues. Where links lie on links, those that this fills are sent too. */
  flush(now: number): void {
    while (this.dirtyTail !== this.dirtyHead) {
      const link = this.dirty[this.dirtyTail];
      this.dirtyTail = (this.dirtyTail + 1) & (MAX_LINKS - 1);
      this.isDirty[link] = 0;
      if (this.links.kind[link] === LinkKind.PORT) this.flushPort(link);
      else this.flushInside(link, now);
    }
  }

  private flushInside(link: Link, now: number): void {
    const n = this.fill[link];
    if (n === 0) return;
    this.fill[link] = 0;
    if ((this.links.flags[link] & LinkFlag.CAPTURE) !== 0) this.show(link, n);
    this.count(link, n);
    this.forward(link, n, now);
  }

  /** Counts the first `n` frames of a queue as sent. */
  private count(link: Link, n: number): void {
    const { queues, length } = this.arena;
    let bytes = 0;
    for (let i = link * QUEUE; i < link * QUEUE + n; i++) bytes += length[queues[i]];
    this.links.counters[(link << Counter.SHIFT) + Counter.TX_PACKETS] += n;
    this.links.counters[(link << Counter.SHIFT) + Counter.TX_BYTES] += bytes;
  }

  private flushPort(link: Link): void {
    const n = this.fill[link];
    if (n === 0) return;
    this.fill[link] = 0;
    const port = this.ports[link];
    if (port === undefined) return this.discard(link, n);
    if ((this.links.flags[link] & LinkFlag.CAPTURE) !== 0) this.show(link, n);
    if (port.tx(n) !== 0) return this.settle(link, n);
    this.count(link, n);
    const { queues } = this.arena;
    const from = link * QUEUE;
    for (let i = from; i < from + n; i++) this.arena.release(queues[i]);
    this.links.counters[(link << Counter.SHIFT) + Counter.TX_SEGMENTS] += port.segments;
  }

  private show(link: Link, n: number): void {
    for (let i = 0; i < n; i++) this.tap?.(link, this.arena.queues[link * QUEUE + i], true);
  }

  /** As the end of flushPort, frame by frame, for a call in which some failed. */
  private settle(link: Link, n: number): void {
    const { queues, length } = this.arena;
    const counters = this.links.counters;
    let isDown = false;
    for (let i = 0; i < n; i++) {
      const frame = queues[link * QUEUE + i];
      if (this.txErrno[i] === 0) {
        counters[(link << Counter.SHIFT) + Counter.TX_PACKETS]++;
        counters[(link << Counter.SHIFT) + Counter.TX_BYTES] += length[frame];
        this.arena.release(frame);
        continue;
      }
      const reason = reasonOf(this.txErrno[i]);
      isDown ||= reason === DropReason.TX_LINK_DOWN;
      this.drop(frame, link, reason);
    }
    counters[(link << Counter.SHIFT) + Counter.TX_SEGMENTS] += this.ports[link]?.segments ?? 0;
    if (isDown) this.noteDown(link);
  }

  /** The link's other end is down: the engine will look. */
  noteDown(link: Link): void {
    if (this.wentDownCount < MAX_LINKS) this.wentDown[this.wentDownCount++] = link;
  }

  /** The port went while frames waited for it. */
  private discard(link: Link, n: number): void {
    for (let i = 0; i < n; i++) this.drop(this.arena.queues[link * QUEUE + i], link, DropReason.TX_LINK_DOWN);
  }
}

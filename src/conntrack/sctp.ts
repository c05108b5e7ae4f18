/*
 * SCTP (RFC 9260) as somebody in the middle sees it, chunk by chunk; a packet is in the state that its last chunk makes (Linux 6.18).
 *
 *   NONE ─INIT─► CLOSED ─INIT ACK─► COOKIE_WAIT ─COOKIE ECHO─► COOKIE_ECHOED ─COOKIE ACK─► ESTABLISHED
 *   ESTABLISHED ─SHUTDOWN─► SHUTDOWN_SENT | _RECD ─SHUTDOWN ACK─► SHUTDOWN_ACK_SENT ─SHUTDOWN COMPLETE─► CLOSED
 *   NONE ─HEARTBEAT─► HEARTBEAT_SENT ─HEARTBEAT ACK─► ESTABLISHED        a further path of a multi-homed association
 *
 * Each side's verification tag must be right (§8.5), as far as it is known.
 */
import { type Arena, Gso, NONE, Vnet } from '../core/arena.js';
import { Hook } from '../core/hook.js';
import type { Packet } from '../core/packet.js';
import { crc32c } from '../wire/crc32c.js';
import { read16, read32 } from '../wire/field.js';
import { Flow, type FlowNumber, Status } from './flows.js';
import { CtSetting } from './settings.js';
import { CtEvent, CtVerdict, refresh, type Tracker, type Tracking } from './tracker.js';

/** Numbers as in the kernel (SCTP_CONNTRACK_*). */
export const enum SctpState {
  NONE = 0,
  CLOSED = 1,
  COOKIE_WAIT = 2,
  COOKIE_ECHOED = 3,
  ESTABLISHED = 4,
  SHUTDOWN_SENT = 5,
  SHUTDOWN_RECD = 6,
  SHUTDOWN_ACK_SENT = 7,
  HEARTBEAT_SENT = 8,
  COUNT = 9,
  INVALID = 9,
}

const enum Chunk {
  DATA = 0,
  INIT = 1,
  INIT_ACK = 2,
  HEARTBEAT = 4,
  HEARTBEAT_ACK = 5,
  ABORT = 6,
  SHUTDOWN = 7,
  SHUTDOWN_ACK = 8,
  COOKIE_ECHO = 10,
  COOKIE_ACK = 11,
  SHUTDOWN_COMPLETE = 14,
  COUNT = 15,

  FLAGS = 1,
  LENGTH = 2,
  /** Of INIT and INIT ACK: the tag that the other side is to use. */
  INITIATE_TAG = 4,
  HEADER_BYTES = 4,
  INIT_BYTES = 20,
  /** The tag is the receiver's own, reflected. */
  REFLECTED = 1,
}

const enum Sctp {
  TAG = 4,
  CHECKSUM = 8,
  BYTES = 12,
}

/** Words of a row: the state with Bit, and the tag that packets of each direction have. */
const enum Word {
  STATE = 0,
  TAG = 1,
}

/** Above the state in its word. */
const enum Bit {
  /** INIT has been seen in the original direction; << 1: in the other. */
  INIT = 1 << 8,
  /** A heartbeat had a wrong tag, and it was of the reply direction. */
  WRONG_HEARTBEAT = 1 << 10,
  WRONG_IN_REPLY = 1 << 11,
}

/** By type of chunk, for each state from NONE on the next one; 9 = invalid. Chunks that are not here change nothing. */
const ORIGINAL: Record<number, string> = {
  1: '112341172',
  2: '112345671',
  4: '812345678',
  5: '112345678',
  6: '111111111',
  7: '112355671',
  8: '712347777',
  9: '112345671',
  10: '113345671',
  11: '112445671',
  14: '112345611',
};
const REPLY: Record<number, string> = {
  1: '912345679',
  2: '922345679',
  4: '912345678',
  5: '912345674',
  6: '911111119',
  7: '912365679',
  8: '912347779',
  9: '912145679',
  10: '913345679',
  11: '912445679',
  14: '912345619',
};

const STAY = '012345678';
const NEXT = new Uint8Array(
  [ORIGINAL, REPLY].flatMap((table) =>
    Array.from({ length: Chunk.COUNT }, (_, type) => [...(table[type] ?? STAY)].map(Number)).flat(),
  ),
);

function nextState(direction: number, state: number, type: number): number {
  if (type >= Chunk.COUNT) return state;
  return NEXT[(direction * Chunk.COUNT + type) * SctpState.COUNT + state];
}

function isHeartbeat(type: number): boolean {
  return type === Chunk.HEARTBEAT || type === Chunk.HEARTBEAT_ACK;
}

/** Chunks whose packets have tags of their own rules. */
const SPECIAL_TAG =
  (1 << Chunk.INIT) |
  (1 << Chunk.SHUTDOWN_COMPLETE) |
  (1 << Chunk.COOKIE_ECHO) |
  (1 << Chunk.ABORT) |
  (1 << Chunk.SHUTDOWN_ACK) |
  (1 << Chunk.HEARTBEAT) |
  (1 << Chunk.HEARTBEAT_ACK);

/** Chunks with which no flow begins (§8.4). */
const NEVER_FIRST = (1 << Chunk.ABORT) | (1 << Chunk.SHUTDOWN_COMPLETE) | (1 << Chunk.COOKIE_ACK);

/** What `step` answers besides a state: the heartbeat may be of somebody else, so it passes and changes nothing. */
const FOREIGN_HEARTBEAT = -1;

export class SctpTracker implements Tracker {
  private $types = 0;
  private $tag = 0;
  private $end = 0;
  /** The packet passes, but does not keep the flow alive. */
  private $isIgnored = false;

  constructor(private readonly tracking: Tracking) {}

  track(flow: FlowNumber, words: Int32Array, at: number, direction: number, packet: Packet): CtVerdict {
    const { transport } = packet;
    this.$end = Math.min(this.tracking.reach(packet), packet.network + packet.length);
    if (transport + Sctp.BYTES > this.$end || !this.isChecksumRight(packet)) return CtVerdict.INVALID;
    if (!this.readTypes(transport)) return CtVerdict.INVALID;
    this.$tag = read32(this.tracking.arena.bytes, transport + Sctp.TAG);
    const isNew = (words[at + Flow.STATUS] & Status.CONFIRMED) === 0;
    if (isNew && ((this.$types & NEVER_FIRST) !== 0 || !this.begin(words, at, transport))) return CtVerdict.INVALID;
    if ((this.$types & SPECIAL_TAG) === 0 && this.$tag !== words[at + Word.TAG + direction]) return CtVerdict.INVALID;
    return this.walk(flow, words, at, direction, packet);
  }

  canDropEarly(words: Int32Array, at: number): boolean {
    const state = words[at] & Flow.STATE_MASK;
    return state >= SctpState.SHUTDOWN_SENT && state <= SctpState.SHUTDOWN_ACK_SENT;
  }

  adopt(words: Int32Array, at: number, state: number): void {
    words[at] = state;
  }

  private typeAt(at: number): number {
    return this.tracking.arena.bytes[at];
  }

  /** Where the next chunk begins. */
  private next(at: number): number {
    return at + ((read16(this.tracking.arena.bytes, at + Chunk.LENGTH) + 3) & ~3);
  }

  /** Which chunks there are, as bits; false: chunks that must be alone or the first ones are not, or there is none. */
  private readTypes(transport: number): boolean {
    let count = 0;
    let isAlone = false;
    this.$types = 0;
    for (let at = transport + Sctp.BYTES; at + Chunk.HEADER_BYTES <= this.$end; at = this.next(at)) {
      const type = this.typeAt(at);
      isAlone ||= type === Chunk.INIT || type === Chunk.INIT_ACK || type === Chunk.SHUTDOWN_COMPLETE;
      const isFirst = isAlone || type === Chunk.COOKIE_ACK || type === Chunk.COOKIE_ECHO;
      if (isFirst && count !== 0) return false;
      if (read16(this.tracking.arena.bytes, at + Chunk.LENGTH) === 0) return false;
      if (type < Chunk.COUNT) this.$types |= 1 << type;
      count++;
    }
    return count !== 0;
  }

  /** The tags that are known from the first packet. */
  private begin(words: Int32Array, at: number, transport: number): boolean {
    for (let chunk = transport + Sctp.BYTES; chunk + Chunk.HEADER_BYTES <= this.$end; chunk = this.next(chunk)) {
      const type = this.typeAt(chunk);
      if (nextState(0, SctpState.NONE, type) === SctpState.NONE) return false;
      if (type === Chunk.INIT) {
        if (this.$tag !== 0 || chunk + Chunk.INIT_BYTES > this.$end) return false;
        words[at + Word.TAG + 1] = read32(this.tracking.arena.bytes, chunk + Chunk.INITIATE_TAG);
      } else words[at + Word.TAG + (isHeartbeat(type) ? 0 : 1)] = this.$tag;
    }
    return true;
  }

  private walk(flow: FlowNumber, words: Int32Array, at: number, direction: number, packet: Packet): CtVerdict {
    let last: number = SctpState.NONE;
    this.$isIgnored = false;
    const first = packet.transport + Sctp.BYTES;
    for (let chunk = first; chunk + Chunk.HEADER_BYTES <= this.$end; chunk = this.next(chunk)) {
      const next = this.step(words, at, direction, chunk);
      if (next === SctpState.INVALID) return CtVerdict.INVALID;
      if (next === FOREIGN_HEARTBEAT) continue;
      last = next;
      this.enter(flow, words, at, next);
    }
    if (this.$isIgnored) return CtVerdict.PASS;
    const row = packet.namespace << CtSetting.SHIFT;
    const timeout = CtSetting.SCTP + (last === SctpState.NONE ? SctpState.CLOSED : last);
    refresh(words, at, packet.now, this.tracking.settings[row + timeout]);
    return CtVerdict.ACCEPT;
  }

  private enter(flow: FlowNumber, words: Int32Array, at: number, next: number): void {
    const before = words[at + Word.STATE] & Flow.STATE_MASK;
    if (next === before) return;
    words[at + Word.STATE] = (words[at + Word.STATE] & ~Flow.STATE_MASK) | next;
    this.tracking.event(flow, CtEvent.PROTOINFO);
    if (next !== SctpState.ESTABLISHED || (words[at + Flow.STATUS] & Status.ASSURED) !== 0) return;
    words[at + Flow.STATUS] |= Status.ASSURED;
    this.tracking.event(flow, CtEvent.ASSURED);
  }

  /** What one chunk makes of the flow: the next state, INVALID or FOREIGN_HEARTBEAT. */
  private step(words: Int32Array, at: number, direction: number, chunk: number): number {
    const type = this.typeAt(chunk);
    if (isHeartbeat(type)) {
      const heartbeat = this.checkHeartbeat(words, at, direction, type);
      if (heartbeat !== SctpState.NONE) return heartbeat;
    } else if (!this.isTagRight(words, at, direction, chunk)) return SctpState.INVALID;
    if (type === Chunk.COOKIE_ACK) words[at + Word.STATE] &= ~(Bit.INIT | (Bit.INIT << 1));
    const before = words[at + Word.STATE] & Flow.STATE_MASK;
    const next = nextState(direction, before, type);
    if (next === SctpState.INVALID) return next;
    if (type === Chunk.INIT && !this.noteInit(words, at, direction, chunk, next)) return SctpState.INVALID;
    if (type === Chunk.INIT_ACK && !this.noteInitAck(words, at, direction, chunk)) return SctpState.INVALID;
    return next;
  }

  /** §8.5.1. */
  private isTagRight(words: Int32Array, at: number, direction: number, chunk: number): boolean {
    const tags = at + Word.TAG;
    switch (this.typeAt(chunk)) {
      case Chunk.INIT:
        return this.$tag === 0;
      case Chunk.ABORT:
      case Chunk.SHUTDOWN_COMPLETE: {
        const isReflected = (this.typeAt(chunk + Chunk.FLAGS) & Chunk.REFLECTED) !== 0;
        return this.$tag === words[tags + (isReflected ? 1 - direction : direction)];
      }
      case Chunk.COOKIE_ECHO:
        return this.$tag === words[tags + direction];
      default:
        return true;
    }
  }

  /** A heartbeat tells the tag of a path on which there was no INIT. NONE: go on. */
  private checkHeartbeat(words: Int32Array, at: number, direction: number, type: number): number {
    const tags = at + Word.TAG;
    if (words[tags + direction] === 0) words[tags + direction] = this.$tag;
    else if (words[tags + direction] !== this.$tag) return this.wrongHeartbeat(words, at, direction, type);
    else words[at + Word.STATE] &= ~Bit.WRONG_HEARTBEAT;
    return SctpState.NONE;
  }

  /** A wrong tag is a new association's if the other side answers with one. */
  private wrongHeartbeat(words: Int32Array, at: number, direction: number, type: number): number {
    if ((this.$types & (1 << Chunk.DATA)) !== 0 || this.$isIgnored) return SctpState.INVALID;
    const bits = words[at + Word.STATE];
    if (type === Chunk.HEARTBEAT) {
      const where = direction === 0 ? 0 : Bit.WRONG_IN_REPLY;
      words[at + Word.STATE] = (bits & ~Bit.WRONG_IN_REPLY) | Bit.WRONG_HEARTBEAT | where;
      this.$isIgnored = true;
      return FOREIGN_HEARTBEAT;
    }
    const lastDirection = (bits & Bit.WRONG_IN_REPLY) === 0 ? 0 : 1;
    if ((bits & Bit.WRONG_HEARTBEAT) === 0 || lastDirection === direction) return SctpState.INVALID;
    words[at + Word.STATE] = bits & ~Bit.WRONG_HEARTBEAT;
    words[at + Word.TAG + direction] = this.$tag;
    words[at + Word.TAG + 1 - direction] = 0;
    return SctpState.NONE;
  }

  private noteInit(words: Int32Array, at: number, direction: number, chunk: number, next: number): boolean {
    if (chunk + Chunk.INIT_BYTES > this.$end) return false;
    const own = Bit.INIT << direction;
    const other = Bit.INIT << (1 - direction);
    const bits = words[at + Word.STATE];
    const isBoth = (bits & own) !== 0 && (bits & other) !== 0;
    words[at + Word.STATE] = (isBoth ? bits & ~other : bits) | own;
    words[at + Word.TAG + 1 - direction] = read32(this.tracking.arena.bytes, chunk + Chunk.INITIATE_TAG);
    // Else who repeats INIT from a port that is used again would keep an old flow, and its NAT, alive.
    const isClosed = next === SctpState.CLOSED && (bits & Flow.STATE_MASK) === SctpState.CLOSED;
    if (isClosed && (words[at + Flow.STATUS] & Status.CONFIRMED) !== 0) this.$isIgnored = true;
    return true;
  }

  private noteInitAck(words: Int32Array, at: number, direction: number, chunk: number): boolean {
    if (chunk + Chunk.INIT_BYTES > this.$end) return false;
    const bits = words[at + Word.STATE];
    const isOther = (bits & (Bit.INIT << (1 - direction))) !== 0;
    const isOwn = (bits & (Bit.INIT << direction)) !== 0;
    const known = words[at + Word.TAG + 1 - direction];
    const tag = read32(this.tracking.arena.bytes, chunk + Chunk.INITIATE_TAG);
    if (known !== tag && ((!isOther && known !== 0) || (isOther && isOwn))) return false;
    words[at + Word.TAG + 1 - direction] = tag;
    return true;
  }

  private isChecksumRight(packet: Packet): boolean {
    if (packet.hook !== Hook.PREROUTING) return true;
    const { arena, settings } = this.tracking;
    if (settings[(packet.namespace << CtSetting.SHIFT) + CtSetting.CHECKSUM] === 0) return true;
    const word = arena.vnet[packet.frame << Vnet.SHIFT];
    if ((word & (Vnet.NEEDS_CSUM | Vnet.DATA_VALID)) !== 0 || word >>> 8 !== Gso.NONE) return true;
    return checksum(arena, packet) === read32(arena.bytes, packet.transport + Sctp.CHECKSUM);
  }
}

const ZEROS = new Uint8Array(4);

/** CRC-32C of the packet, its own field taken as zeros, as its four bytes on the wire are read. */
function checksum(arena: Arena, packet: Packet): number {
  const { frame, transport } = packet;
  const { bytes } = arena;
  const end = packet.network + packet.length;
  const headEnd = Math.min(end, arena.offset[frame] + arena.headLength(frame));
  let crc = crc32c(bytes, transport, Sctp.CHECKSUM, -1);
  crc = crc32c(ZEROS, 0, ZEROS.length, crc);
  crc = crc32c(bytes, transport + Sctp.BYTES, headEnd - transport - Sctp.BYTES, crc);
  if (end > headEnd && arena.tail[frame] !== NONE) crc = crc32c(bytes, arena.tailOffset(frame), end - headEnd, crc);
  const right = ~crc;
  return (right << 24) | ((right & 0xff00) << 8) | ((right >>> 8) & 0xff00) | (right >>> 24);
}

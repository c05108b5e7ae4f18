/*
 * The arena: where every frame of a dataplane lies.
 *
 * A frame is a number, the index of its *head slot*. What is known about it lies in parallel arrays
 * under that index, so moving a frame from link to link moves one integer and copies nothing.
 *
 *   memory ─┬─ head slot 0 ┬─ head slot 1 ┬ … ┬─ tail slot 0 ──────────┬ …
 *           │  2,048 bytes │  2,048 bytes │   │  66 KiB                │
 *           └ page-aligned
 *
 *   head slot:  | headroom (130 + colour × 64) | frame's first bytes …        |
 *   tail slot:  | the rest of a frame that is longer than its head slot holds |
 *
 * - Headers are always in the head. The headroom takes a VLAN tag or a VXLAN encapsulation; it is
 *   2 modulo 4, so that the IP header behind the 14 bytes of Ethernet is aligned to 4.
 * - The colour (slot & 3) spreads the headers of successive slots over four times as many cache
 *   sets: with a stride of 2,048 bytes alone they all fall into two.
 * - `vnet` holds each frame's virtio_net_hdr as the kernel writes it (host-endian, 10 bytes of 16),
 *   all zero for an ordinary frame. See Vnet below.
 * - `references` counts the references beyond the first: 0 = one owner. A frame with more is
 *   read-only, bytes and metadata; who must change it takes a copy.
 * - `held` is not stored: it is what the free lists lack.
 *
 * When it is full, `allocate` answers NONE: the caller drops and counts, nothing stops. The last BURST heads
 * are kept for receiving, so that copies and segments cannot starve the ports.
 *
 * Single writer: the worker that runs the engine. Everything lies in shared memory, so that the
 * shim can be told its address once (Shim.attach) and other threads may look.
 */

import { allocate, sharedInts } from './memory.js';

/** A head slot's index. */
export type Frame = number;

/** No frame, no slot. */
export const NONE = -1;

export const enum Slot {
  HEAD_SHIFT = 11,
  HEAD_BYTES = 2048,
  /** A superframe is at most 14 + 8 + 65,535 bytes. */
  TAIL_BYTES = 67584,
  /** Offset of a fresh frame in its head slot, before its colour: room for VXLAN over IPv6 and two tags. */
  HEADROOM = 130,
  COLOUR_MASK = 3,
  COLOUR_SHIFT = 6,
  /** Longest frame that any fresh head slot holds alone: 2,048 − 130 − 3 × 64. */
  HEAD_CAPACITY = 1726,
}

/**
 * Fields of `arena.vnet`, in 16-bit words from `frame << VNET_SHIFT` (struct virtio_net_hdr,
 * VIRTIO 1.2 §5.1.6). `csum_start` counts from the frame's first byte.
 */
export const enum Vnet {
  SHIFT = 3,
  /** Low byte: flags (Vnet.NEEDS_CSUM, Vnet.DATA_VALID). High byte: gso_type (Gso). */
  FLAGS_TYPE = 0,
  HEADER_LENGTH = 1,
  GSO_SIZE = 2,
  CSUM_START = 3,
  CSUM_OFFSET = 4,

  NEEDS_CSUM = 1,
  DATA_VALID = 2,
}

/** gso_type, the high byte of Vnet.FLAGS_TYPE. */
export const enum Gso {
  NONE = 0,
  TCPV4 = 1,
  UDP = 3,
  TCPV6 = 4,
  UDP_L4 = 5,
  /** Or-ed in: the first segment alone carries CWR. */
  ECN = 0x80,
}

/** Whom the frame's Ethernet destination address means (PACKET_* of if_packet.h). */
export const enum Received {
  HOST = 0,
  BROADCAST = 1,
  MULTICAST = 2,
  OTHER_HOST = 3,
}

/** arena.flow of a frame that is not to be tracked. */
export const UNTRACKED = -1;

/** What a frame is to its flow (IP_CT_*). */
export const enum CtInfo {
  ESTABLISHED = 0,
  RELATED = 1,
  NEW = 2,
  ESTABLISHED_REPLY = 3,
  RELATED_REPLY = 4,
}

/** Frames one rx call moves at most. */
export const BURST = 64;

/** Frames that wait for one port's next tx call at most. */
export const QUEUE = 256;

export interface ArenaOptions {
  /** Head slots; a power of two is not needed. Default 8,192 (16 MiB). */
  heads?: number;
  /** Tail slots. Default 256 (16.5 MiB). */
  tails?: number;
  /** Links that can have a tx queue. Default MAX_LINKS. */
  ports?: number;
}

export class Arena {
  readonly heads: number;
  readonly tails: number;
  readonly ports: number;

  /** All slots, three views of the same memory; offsets below are in bytes from its start. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly words16: Uint16Array<SharedArrayBuffer>;
  readonly words32: Int32Array<SharedArrayBuffer>;
  /** Byte offset of tail slot 0. */
  readonly tailBase: number;

  /** Byte offset of the frame's first byte. */
  readonly offset: Int32Array<SharedArrayBuffer>;
  /** Bytes of the whole frame, tail included. */
  readonly length: Int32Array<SharedArrayBuffer>;
  /** Tail slot or NONE. The head then holds the bytes up to the end of its slot. */
  readonly tail: Int32Array<SharedArrayBuffer>;
  /** References beyond the first. */
  readonly references: Int32Array<SharedArrayBuffer>;
  readonly vnet: Uint16Array<SharedArrayBuffer>;
  /** For the IP stack, which sets them when it takes a frame in: the link it came by (0: made here), Received, and its mark. */
  readonly ingress: Int32Array<SharedArrayBuffer>;
  readonly received: Int32Array<SharedArrayBuffer>;
  readonly mark: Int32Array<SharedArrayBuffer>;
  /** Of conntrack: the number of the frame's flow, 0 = none or invalid, UNTRACKED; and what the frame is to it (CtInfo). */
  readonly flow: Int32Array<SharedArrayBuffer>;
  readonly flowInfo: Int32Array<SharedArrayBuffer>;
  /** The bridge's port that a frame came in by, if it has passed PREROUTING there already; 0 = not. */
  readonly bridgePort: Int32Array<SharedArrayBuffer>;
  /** Bytes of the longest fragment that a packet came in before it was put together, 0 = it came whole. */
  readonly maxFragment: Int32Array<SharedArrayBuffer>;

  /** Stacks of free slots; the tops are below. Free frames have no tail and no reference. */
  readonly freeHeads: Int32Array<SharedArrayBuffer>;
  readonly freeTails: Int32Array<SharedArrayBuffer>;
  freeHeadCount: number;
  freeTailCount: number;

  /** tx queues: port p's frames are queues[p × QUEUE …]. */
  readonly queues: Int32Array<SharedArrayBuffer>;
  /** Frames of the rx call just made. */
  readonly burst: Int32Array<SharedArrayBuffer>;

  constructor(options: ArenaOptions = {}) {
    this.heads = options.heads ?? 8192;
    this.tails = options.tails ?? 256;
    this.ports = options.ports ?? 4096;
    this.tailBase = this.heads * Slot.HEAD_BYTES;
    const size = this.tailBase + this.tails * Slot.TAIL_BYTES;
    const { buffer, start } = allocate(size);
    this.bytes = new Uint8Array(buffer, start, size);
    this.words16 = new Uint16Array(buffer, start, size >> 1);
    this.words32 = new Int32Array(buffer, start, size >> 2);
    this.offset = sharedInts(this.heads);
    this.length = sharedInts(this.heads);
    this.tail = sharedInts(this.heads).fill(NONE);
    this.references = sharedInts(this.heads);
    const headers = allocate((this.heads << Vnet.SHIFT) * 2);
    this.vnet = new Uint16Array(headers.buffer, headers.start, this.heads << Vnet.SHIFT);
    this.ingress = sharedInts(this.heads);
    this.received = sharedInts(this.heads);
    this.mark = sharedInts(this.heads);
    this.flow = sharedInts(this.heads);
    this.flowInfo = sharedInts(this.heads);
    this.bridgePort = sharedInts(this.heads);
    this.maxFragment = sharedInts(this.heads);
    this.freeHeads = sharedInts(this.heads);
    this.freeTails = sharedInts(this.tails);
    for (let i = 0; i < this.heads; i++) this.freeHeads[i] = this.heads - 1 - i;
    for (let i = 0; i < this.tails; i++) this.freeTails[i] = this.tails - 1 - i;
    this.freeHeadCount = this.heads;
    this.freeTailCount = this.tails;
    this.queues = sharedInts(this.ports * QUEUE);
    this.burst = sharedInts(BURST);
  }

  /** A fresh frame of `length` bytes in its head slot, zero vnet header, contents undefined; or NONE. */
  allocate(length: number): Frame {
    if (this.freeHeadCount <= BURST) return NONE;
    const frame = this.freeHeads[--this.freeHeadCount];
    this.offset[frame] = freshOffset(frame);
    this.length[frame] = length;
    this.clearVnet(frame);
    return frame;
  }

  clearVnet(frame: Frame): void {
    const at = frame << Vnet.SHIFT;
    this.vnet[at] = 0;
    this.vnet[at + 1] = 0;
    this.vnet[at + 2] = 0;
    this.vnet[at + 3] = 0;
    this.vnet[at + 4] = 0;
  }

  /** Cuts a frame off after `length` bytes, no more than it has. */
  truncate(frame: Frame, length: number): void {
    this.length[frame] = length;
    if (this.tail[frame] === NONE || this.headLength(frame) < length) return;
    this.freeTails[this.freeTailCount++] = this.tail[frame];
    this.tail[frame] = NONE;
  }

  /** The frame's start moved by `bytes` towards its front: what counts from there follows. */
  moveChecksum(frame: Frame, bytes: number): void {
    const at = frame << Vnet.SHIFT;
    if ((this.vnet[at] & Vnet.NEEDS_CSUM) !== 0) this.vnet[at + Vnet.CSUM_START] += bytes;
    if (this.vnet[at + Vnet.HEADER_LENGTH] !== 0) this.vnet[at + Vnet.HEADER_LENGTH] += bytes;
  }

  isSuperframe(frame: Frame): boolean {
    return this.vnet[frame << Vnet.SHIFT] >>> 8 !== Gso.NONE;
  }

  /** Gives up one reference; the last one frees the slots. */
  release(frame: Frame): void {
    if (this.references[frame] !== 0) {
      this.references[frame]--;
      return;
    }
    if (this.tail[frame] !== NONE) {
      this.freeTails[this.freeTailCount++] = this.tail[frame];
      this.tail[frame] = NONE;
    }
    this.freeHeads[this.freeHeadCount++] = frame;
  }

  /** Bytes of a frame that lie in its head slot. */
  headLength(frame: Frame): number {
    const room = ((frame + 1) << Slot.HEAD_SHIFT) - this.offset[frame];
    return Math.min(this.length[frame], room);
  }

  /** Byte offset of a frame's tail slot; only for a frame that has one. */
  tailOffset(frame: Frame): number {
    return this.tailBase + this.tail[frame] * Slot.TAIL_BYTES;
  }

  /** An answer belongs to the flow of what it answers, if that has one, and is RELATED to it (nf_conntrack_attach). */
  attach(answer: Frame, about: Frame): void {
    if (this.flow[about] <= 0) return;
    const isReply = this.flowInfo[about] >= CtInfo.ESTABLISHED_REPLY;
    this.flow[answer] = this.flow[about];
    this.flowInfo[answer] = isReply ? CtInfo.RELATED : CtInfo.RELATED_REPLY;
  }

  /** The frame's bytes, copied out of the arena. */
  contents(frame: Frame): Uint8Array {
    const out = new Uint8Array(this.length[frame]);
    const head = this.headLength(frame);
    out.set(this.bytes.subarray(this.offset[frame], this.offset[frame] + head));
    if (this.tail[frame] !== NONE) {
      const at = this.tailOffset(frame);
      out.set(this.bytes.subarray(at, at + out.length - head), head);
    }
    return out;
  }

  /** A copy of the frame with one owner, or NONE when the arena is full. The original keeps its references. */
  copy(frame: Frame): Frame {
    const hasTail = this.tail[frame] !== NONE;
    if (hasTail && this.freeTailCount === 0) return NONE;
    const copy = this.allocate(this.length[frame]);
    if (copy === NONE) return NONE;
    // Same place in its slot, so that head and tail split at the same byte.
    const from = this.offset[frame];
    const to = (copy << Slot.HEAD_SHIFT) + (from & (Slot.HEAD_BYTES - 1));
    const head = this.headLength(frame);
    this.offset[copy] = to;
    this.bytes.copyWithin(to, from, from + head);
    if (hasTail) {
      this.tail[copy] = this.freeTails[--this.freeTailCount];
      const source = this.tailOffset(frame);
      this.bytes.copyWithin(this.tailOffset(copy), source, source + this.length[frame] - head);
    }
    for (let i = 0; i < 5; i++) this.vnet[(copy << Vnet.SHIFT) + i] = this.vnet[(frame << Vnet.SHIFT) + i];
    this.ingress[copy] = this.ingress[frame];
    this.received[copy] = this.received[frame];
    this.mark[copy] = this.mark[frame];
    this.flow[copy] = this.flow[frame];
    this.flowInfo[copy] = this.flowInfo[frame];
    this.bridgePort[copy] = this.bridgePort[frame];
    this.maxFragment[copy] = this.maxFragment[frame];
    return copy;
  }
}

/** Where a fresh frame starts in the arena, in bytes. */
export function freshOffset(frame: Frame): number {
  return (frame << Slot.HEAD_SHIFT) + Slot.HEADROOM + ((frame & Slot.COLOUR_MASK) << Slot.COLOUR_SHIFT);
}

/*
 * The bytes of the packet at hand by their place in it, counted from the IP header, wherever they lie: in the frame's head slot or
 * in its tail slot.
 */
import { type Arena, NONE } from '../core/arena.js';
import type { Packet } from '../core/packet.js';

export class Payload {
  private network = 0;
  /** Bytes of the packet that lie in the head slot; and where the others would start if they began at byte 0 of the packet. */
  private inHead = 0;
  private tail = 0;
  /** Bytes of the packet that there are. */
  length = 0;

  constructor(private readonly arena: Arena) {}

  open(packet: Packet): this {
    const { arena } = this;
    const { frame, network } = packet;
    const before = network - arena.offset[frame];
    this.network = network;
    this.inHead = arena.headLength(frame) - before;
    this.tail = arena.tail[frame] === NONE ? 0 : arena.tailOffset(frame) - this.inHead;
    this.length = Math.min(packet.length, arena.length[frame] - before);
    return this;
  }

  byte(position: number): number {
    return this.arena.bytes[position < this.inHead ? this.network + position : this.tail + position];
  }

  /** Whether `length` bytes from `position` on are there. */
  has(position: number, length: number): boolean {
    return position >= 0 && position + length <= this.length;
  }

  read16(position: number): number {
    return (this.byte(position) << 8) | this.byte(position + 1);
  }

  /** An int32. */
  read32(position: number): number {
    return (this.read16(position) << 16) | this.read16(position + 2);
  }
}

/*
 * Bytes of a frame by their position in it, wherever they lie: sums and copies across the split between a frame's head
 * slot and its tail slot. Positions count from the frame's first byte.
 */
import { type Arena, type Frame, NONE, Vnet } from '../core/arena.js';
import { copySum, finish, sum, swap } from './checksum.js';

/** The nearest place of a transport header: behind Ethernet's 14 and IPv4's 20 bytes. */
const FIRST_CSUM_START = 34;

/** Where in the arena a byte of the frame lies. */
export function addressOf(arena: Arena, frame: Frame, position: number): number {
  const head = arena.headLength(frame);
  return position < head ? arena.offset[frame] + position : arena.tailOffset(frame) + position - head;
}

/** Bytes of the frame that lie in one piece from `position` on. */
function contiguous(arena: Arena, frame: Frame, position: number): number {
  const head = arena.headLength(frame);
  return (position < head ? head : arena.length[frame]) - position;
}

/** Sum (wire/checksum.ts) of bytes of a frame. */
export function rangeSum(arena: Arena, frame: Frame, position: number, length: number): number {
  if (length === 0) return 0;
  const here = Math.min(length, contiguous(arena, frame, position));
  const first = sum(arena, addressOf(arena, frame, position), here);
  if (here === length) return first;
  const rest = sum(arena, addressOf(arena, frame, position + here), length - here);
  return first + ((here & 1) === 0 ? rest : swap(rest));
}

/** Copies bytes from one frame into another; answers their sum. */
export function rangeCopy(arena: Arena, to: Frame, toAt: number, from: Frame, fromAt: number, length: number): number {
  let total = 0;
  let done = 0;
  while (done < length) {
    const source = fromAt + done;
    const target = toAt + done;
    const room = Math.min(contiguous(arena, from, source), contiguous(arena, to, target));
    const here = Math.min(length - done, room);
    const part = copySum(arena, addressOf(arena, to, target), addressOf(arena, from, source), here);
    total += (done & 1) === 0 ? part : swap(part);
    done += here;
  }
  return total;
}

/** Gives a fresh frame of arena.allocate a tail slot where its head slot does not hold it. False: there is none. */
export function takeTail(arena: Arena, frame: Frame): boolean {
  if (arena.tail[frame] !== NONE || arena.headLength(frame) === arena.length[frame]) return true;
  if (arena.freeTailCount === 0) return false;
  arena.tail[frame] = arena.freeTails[--arena.freeTailCount];
  return true;
}

export function isPartial(arena: Arena, frame: Frame): boolean {
  return (arena.vnet[(frame << Vnet.SHIFT) + Vnet.FLAGS_TYPE] & Vnet.NEEDS_CSUM) !== 0;
}

/**
 * Finishes a partial checksum in place and clears the virtio header; the frame must be exclusively owned. False, and
 * nothing changed, where the place of the checksum is not in the frame or the frame is a superframe.
 */
export function completePartial(arena: Arena, frame: Frame): boolean {
  if (arena.isSuperframe(frame)) return false;
  if (isPartial(arena, frame)) {
    const at = frame << Vnet.SHIFT;
    const start = arena.vnet[at + Vnet.CSUM_START];
    const field = start + arena.vnet[at + Vnet.CSUM_OFFSET];
    const length = arena.length[frame];
    if (start < FIRST_CSUM_START || field + 2 > length) return false;
    // 0 would mean "no checksum" in UDP; for all others 0xffff is the same number.
    const checksum = finish(rangeSum(arena, frame, start, length - start)) || 0xffff;
    arena.bytes[addressOf(arena, frame, field)] = checksum >>> 8;
    arena.bytes[addressOf(arena, frame, field + 1)] = checksum;
  }
  arena.clearVnet(frame);
  return true;
}

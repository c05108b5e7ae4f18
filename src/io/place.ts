import { type Arena, type Frame, freshOffset } from '../core/arena.js';

/** Copies a frame from elsewhere into free slots, of which there must be one of each kind. */
export function place(arena: Arena, bytes: Uint8Array, at: number, length: number): Frame {
  const frame = arena.freeHeads[--arena.freeHeadCount];
  arena.offset[frame] = freshOffset(frame);
  arena.length[frame] = length;
  arena.clearVnet(frame);
  const head = arena.headLength(frame);
  arena.bytes.set(bytes.subarray(at, at + head), arena.offset[frame]);
  if (head < length) {
    arena.tail[frame] = arena.freeTails[--arena.freeTailCount];
    arena.bytes.set(bytes.subarray(at + head, at + length), arena.tailOffset(frame));
  }
  return frame;
}

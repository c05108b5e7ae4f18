/*
 * -m string: bytes somewhere in the IP packet, all of them between FROM and TO. What the kernel's two algorithms find is the same, so one is
 * enough: the pattern's last byte decides how far to move on (Horspool 1980).
 */
import { type Answer, answer } from './answer.js';
import { StringOp } from './ops.js';
import type { Payload } from './payload.js';

/** Bytes to move on after a byte; of the pattern at hand. Patterns have at most 128 bytes. */
const $skip = new Uint8Array(256);

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** Byte i of the pattern. */
function patternByte(pool: Int32Array, at: number, i: number): number {
  return (pool[at + StringOp.PATTERN + (i >> 2)] >>> ((i & 3) << 3)) & 0xff;
}

function prepare(pool: Int32Array, at: number, length: number, ignoresCase: boolean): void {
  $skip.fill(length);
  for (let i = 0; i < length - 1; i++) {
    const byte = patternByte(pool, at, i);
    if (!ignoresCase) {
      $skip[byte] = length - 1 - i;
      continue;
    }
    const small = lower(byte);
    $skip[small] = length - 1 - i;
    if (small >= 0x61 && small <= 0x7a) $skip[small & ~0x20] = length - 1 - i;
  }
}

function isAt(pool: Int32Array, at: number, length: number, payload: Payload, from: number, ignoresCase: boolean) {
  for (let i = length - 1; i >= 0; i--) {
    const byte = payload.byte(from + i);
    const wanted = patternByte(pool, at, i);
    if (byte !== wanted && !(ignoresCase && lower(byte) === lower(wanted))) return false;
  }
  return true;
}

export function string(pool: Int32Array, at: number, payload: Payload): Answer {
  const length = pool[at + StringOp.LENGTH];
  const ignoresCase = (pool[at] & StringOp.IGNORE_CASE) !== 0;
  const end = Math.min(payload.length, pool[at + StringOp.TO] >>> 0);
  prepare(pool, at, length, ignoresCase);
  let place = pool[at + StringOp.FROM] >>> 0;
  while (place + length <= end) {
    if (isAt(pool, at, length, payload, place, ignoresCase)) return answer(true);
    place += $skip[payload.byte(place + length - 1)];
  }
  return answer(false);
}

/* Bytes of frames that lie in two pieces: whatever the split and the parity, the same as in one. */
import { describe, expect, it } from 'vitest';
import { Arena, NONE, Slot, Vnet } from '../../src/core/arena.js';
import { place } from '../../src/io/place.js';
import { fold, sumBytes } from '../../src/wire/checksum.js';
import { addressOf, completePartial, rangeCopy, rangeSum, takeTail } from '../../src/wire/span.js';
import { random } from '../tables/lpm-model.js';

const SEED = Number(process.env.SLUICE_SEED ?? 20_261_122);

function bytesOf(length: number, next: (below: number) => number): Uint8Array {
  return Uint8Array.from({ length }, () => next(256));
}

describe('span', () => {
  it('sums and copies any range', () => {
    const next = random(SEED);
    const arena = new Arena({ heads: 128, tails: 4, ports: 1 });
    for (let i = 0; i < 400; i++) {
      const from = bytesOf(1600 + next(400), next);
      const to = bytesOf(1600 + next(400), next);
      const [a, b] = [place(arena, from, 0, from.length), place(arena, to, 0, to.length)];
      const length = next(1500);
      const [fromAt, toAt] = [next(from.length - length), next(to.length - length)];
      const part = from.subarray(fromAt, fromAt + length);
      expect(fold(rangeSum(arena, a, fromAt, length)), `seed ${SEED}`).toBe(fold(sumBytes(part, 0, length)));
      expect(fold(rangeCopy(arena, b, toAt, a, fromAt, length))).toBe(fold(sumBytes(part, 0, length)));
      to.set(part, toAt);
      expect(Buffer.compare(arena.contents(b), to)).toBe(0);
      expect(arena.bytes[addressOf(arena, b, toAt)]).toBe(to[toAt]);
      arena.release(a);
      arena.release(b);
    }
    expect(arena.freeTailCount).toBe(4);
  });

  it('takes a tail slot only where one is needed, while there is one', () => {
    const arena = new Arena({ heads: 128, tails: 1, ports: 1 });
    const [short, long, longer] = [arena.allocate(1000), arena.allocate(5000), arena.allocate(5000)];
    expect([short, long, longer].map((frame) => takeTail(arena, frame))).toEqual([true, true, false]);
    expect([arena.tail[short], arena.tail[long], arena.tail[longer]]).toEqual([NONE, 0, NONE]);
    expect(takeTail(arena, long)).toBe(true);
    expect(arena.freeTailCount).toBe(0);
  });

  it('finishes a partial checksum wherever its field lies', () => {
    const next = random(SEED + 1);
    const arena = new Arena({ heads: 128, tails: 4, ports: 1 });
    for (let start = Slot.HEAD_CAPACITY - 40; start < Slot.HEAD_CAPACITY + 250; start++) {
      const bytes = bytesOf(2500 + next(2), next);
      const frame = place(arena, bytes, 0, bytes.length);
      const at = frame << Vnet.SHIFT;
      arena.vnet[at] = Vnet.NEEDS_CSUM;
      arena.vnet[at + Vnet.CSUM_START] = start;
      arena.vnet[at + Vnet.CSUM_OFFSET] = 6;
      const field = (bytes[start + 6] << 8) | bytes[start + 7];
      expect(completePartial(arena, frame)).toBe(true);
      const done = arena.contents(frame);
      // What was in the field was the pseudo-header's sum.
      const sum = fold(field + fold(sumBytes(done, start, done.length - start)));
      expect(sum, `seed ${SEED + 1}, start ${start}`).toBe(0xffff);
      expect(arena.vnet[at]).toBe(0);
      arena.release(frame);
    }
  });

  it('refuses a checksum that lies outside, and a superframe', () => {
    const arena = new Arena({ heads: 128, tails: 1, ports: 1 });
    const bytes = new Uint8Array(100);
    for (const [flags, start, offset] of [
      [Vnet.NEEDS_CSUM, 33, 6],
      [Vnet.NEEDS_CSUM, 90, 9],
      [Vnet.NEEDS_CSUM, 34, 65_535],
      [0x0100 | Vnet.NEEDS_CSUM, 34, 16],
    ]) {
      const frame = place(arena, bytes, 0, bytes.length);
      const at = frame << Vnet.SHIFT;
      arena.vnet[at] = flags;
      arena.vnet[at + Vnet.CSUM_START] = start;
      arena.vnet[at + Vnet.CSUM_OFFSET] = offset;
      expect(completePartial(arena, frame)).toBe(false);
      expect(arena.vnet[at]).toBe(flags);
    }
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  copySum,
  finish,
  fold,
  isRight,
  type Memory,
  negative,
  pseudo4,
  pseudo6,
  sum,
  sumBytes,
  swap,
  update16,
  update32,
} from '../../src/wire/checksum.js';
import { parseIpv4, parseIpv6 } from '../../src/wire/format.js';

/** RFC 1071, one byte at a time, carries added at once. */
function naive(bytes: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i++) {
    total += i % 2 === 0 ? bytes[i] * 256 : bytes[i];
    if (total > 0xffff) total -= 0xffff;
  }
  return total;
}

function memory(size: number, background = 0xa5): Memory {
  const buffer = new SharedArrayBuffer(size);
  const bytes = new Uint8Array(buffer).fill(background);
  return { bytes, words32: new Int32Array(buffer) };
}

const message = fc.uint8Array({ minLength: 0, maxLength: 300 });

describe('sum', () => {
  it('is that of RFC 1071 §3', () => {
    const example = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(fold(sumBytes(example, 0, 8))).toBe(0xddf2);
    expect(finish(sumBytes(example, 0, 8))).toBe(0x220d);
  });

  it('equals the naive sum at any start and length', () => {
    fc.assert(
      fc.property(message, fc.nat(9), (data, at) => {
        const space = memory(400);
        space.bytes.set(data, at);
        expect(sum(space, at, data.length)).toBe(naive(data));
        expect(fold(sumBytes(space.bytes, at, data.length))).toBe(naive(data));
      }),
    );
  });

  it('does not overflow over the longest ranges it promises', () => {
    const space = memory(128 * 1024, 0xff);
    expect(sum(space, 0, 128 * 1024)).toBe(0xffff);
    expect(sum(space, 1, 128 * 1024 - 1)).toBe(naive(space.bytes.subarray(1)));
    expect(fold(sumBytes(space.bytes, 0, 65536))).toBe(0xffff);
  });

  it('is swapped for bytes at an odd place', () => {
    fc.assert(
      fc.property(message, message, (first, second) => {
        const rest = naive(second);
        const whole = naive([...first, ...second]);
        expect(fold(naive(first) + (first.length % 2 === 0 ? rest : swap(rest)))).toBe(whole);
      }),
    );
  });
});

describe('copySum', () => {
  it('copies those bytes only and answers their sum, whatever the alignment', () => {
    fc.assert(
      fc.property(message, fc.nat(9), fc.nat(9), (data, from, to) => {
        const space = memory(1024);
        space.bytes.set(data, from);
        const expected = space.bytes.slice();
        expected.set(data, 512 + to);
        expect(copySum(space, 512 + to, from, data.length)).toBe(naive(data));
        expect(space.bytes.every((byte, i) => byte === expected[i])).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('does not overflow over 128 KiB', () => {
    for (const background of [0xff, 0xa5]) {
      const space = memory(256 * 1024, background);
      expect(copySum(space, 128 * 1024, 0, 128 * 1024)).toBe(naive(space.bytes.subarray(0, 128 * 1024)));
    }
  });
});

describe('incremental update', () => {
  it('is that of RFC 1624 §4', () => {
    expect(update16(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
  });

  it('equals a new checksum', () => {
    const words = fc.uint8Array({ minLength: 8, maxLength: 60 });
    fc.assert(
      fc.property(words, fc.nat(0xffff), fc.integer(), (data, half, whole) => {
        // One non-zero byte that stays: the all-zero message alone has two representations.
        const bytes = Uint8Array.from([...data, ...(data.length % 2 === 0 ? [] : [0]), 0x45, 0]);
        const view = new DataView(bytes.buffer);
        let checksum = finish(naive(bytes));
        checksum = update16(checksum, view.getUint16(0), half);
        view.setUint16(0, half);
        expect(checksum).toBe(finish(naive(bytes)));
        checksum = update32(checksum, view.getInt32(4), whole);
        view.setInt32(4, whole);
        expect(checksum).toBe(finish(naive(bytes)));
      }),
    );
  });

  it('takes a value out of a sum again', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0x1ffff), (sum, value) => {
        expect(fold(fold(sum + value) + negative(value)) % 0xffff).toBe(sum % 0xffff);
      }),
    );
  });
});

describe('pseudo-header', () => {
  it('sums addresses, protocol and length of IPv4', () => {
    const [source, destination] = [parseIpv4('192.0.2.200') ?? 0, parseIpv4('255.255.255.255') ?? 0];
    expect(fold(pseudo4(source, destination, 17, 65535))).toBe(
      naive([192, 0, 2, 200, 255, 255, 255, 255, 0, 17, 255, 255]),
    );
  });

  it('sums addresses, protocol and length of IPv6', () => {
    const addresses = [...(parseIpv6('2001:db8::1') ?? []), ...(parseIpv6('ff02::1:ff00:8') ?? [])];
    const sum = pseudo6(Uint8Array.from([9, ...addresses]), 1, 58, 70000);
    expect(fold(sum)).toBe(naive([...addresses, 0, 1, 0x11, 0x70, 0, 0, 0, 58]));
  });
});

it('recognises a right checksum', () => {
  const header = Uint8Array.of(
    0x45,
    0,
    0,
    0x73,
    0,
    0,
    0x40,
    0,
    0x40,
    0x11,
    0xb8,
    0x61,
    192,
    168,
    0,
    1,
    192,
    168,
    0,
    199,
  );
  expect(isRight(header, 0, 20, 0)).toBe(true);
  header[8]--;
  expect(isRight(header, 0, 20, 0)).toBe(false);
});

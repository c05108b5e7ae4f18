/* The parts of wire/ that only neighbours use: MACs as little-endian words, options of neighbour discovery, ARP's hardware spaces. */
import { describe, expect, it } from 'vitest';
import * as arp from '../../src/wire/arp.js';
import * as icmp from '../../src/wire/icmp.js';
import { NoOption } from '../../src/wire/icmp.js';
import * as mac from '../../src/wire/mac.js';

describe('a MAC as little-endian words', () => {
  it('is read and written at any place', () => {
    const bytes = Uint8Array.of(0, 0x02, 0xfe, 0x80, 0x01, 0xff, 0x90, 0);
    expect([mac.high(bytes, 1), mac.low(bytes, 1)]).toEqual([0xfe02, 0x90ff0180 | 0]);
    const out = new Uint8Array(8);
    mac.write(out, 1, 0xfe02, 0x90ff0180 | 0);
    expect(out).toEqual(bytes);
  });
});

describe('an option of neighbour discovery', () => {
  const options = Uint8Array.of(
    5,
    1,
    0,
    0,
    0,
    0,
    5,
    0xdc,
    1,
    2,
    ...new Array<number>(14).fill(7),
    1,
    1,
    2,
    0,
    0,
    0,
    0,
    9,
  );

  it('is the first of its kind', () => {
    expect(icmp.findOption(options, 0, options.length, 5)).toBe(0);
    expect(icmp.findOption(options, 0, options.length, 1)).toBe(8);
    expect(icmp.findOption(options, 8, options.length, 5)).toBe(NoOption.ABSENT);
    expect(icmp.findOption(options, options.length, options.length, 1)).toBe(NoOption.ABSENT);
  });

  it('is not looked for among malformed ones', () => {
    for (const end of [1, 2, 7, 9, 10, 23, 25]) {
      expect(icmp.findOption(options, 0, end, 5)).toBe(NoOption.MALFORMED);
    }
    expect(icmp.findOption(Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0), 0, 8, 5)).toBe(NoOption.MALFORMED);
  });
});

describe('ARP', () => {
  const start = (hardware: number) => Uint8Array.of(0, hardware, 8, 0, 6, 4, 0, 1, ...new Array<number>(20).fill(0));

  it.each([
    [1, true],
    [6, true],
    [2, false],
  ])('over hardware space %i is ours: %s', (hardware, isOurs) => {
    const bytes = start(hardware);
    expect(arp.check(bytes, 0, bytes.length)).toBe(isOurs);
    expect(arp.check(bytes, 0, bytes.length - 1)).toBe(false);
  });
});

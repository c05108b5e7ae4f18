/* Which port a flow gets, where chance has a say: the kernel's order of trials, with numbers that the test gives for random. */
import { describe, expect, it } from 'vitest';
import type { Tuple } from '../../src/conntrack/tuple.js';
import { TupleChoice, type TupleUse } from '../../src/netfilter/nat-range.js';
import { NatFlag, NatRange } from '../../src/netfilter/ops.js';
import { Manip } from '../../src/netfilter/parts.js';

const CLIENT = 0x0a000009;
const OUTSIDE = 0x0a000101;

class Asked implements TupleUse {
  /** Source ports that were asked for, and of which of them it was said that they are the last. */
  readonly tried: number[] = [];
  readonly last: number[] = [];
  readonly choice = new TupleChoice(this);

  constructor(
    private readonly isFree: (port: number) => boolean,
    private readonly random: number[] = [],
  ) {}

  isTaken(tuple: Tuple, isLast: boolean): boolean {
    const port = tuple.ports >>> 16;
    this.tried.push(port);
    if (isLast) this.last.push(port);
    return !this.isFree(port);
  }

  findSource(): boolean {
    return false;
  }

  random16(): number {
    return this.random.shift() ?? 0;
  }

  /** SNAT to OUTSIDE of a flow from a port; answers the port, or undefined where none is free. */
  bind(
    port: number,
    options: { protocol?: number; flags?: number; low?: number; high?: number } = {},
  ): number | undefined {
    const { protocol = 17, flags = 0, low = 0, high = 0 } = options;
    const { tuple } = this.choice;
    tuple.protocol = protocol;
    tuple.isIpv6 = false;
    tuple.words.set([CLIENT, 0x0a000109, (port << 16) | 53]);
    const range = new Int32Array(NatRange.WORDS);
    range[NatRange.FLAGS] = NatFlag.ADDRESSES | flags | (high === 0 ? 0 : NatFlag.PORTS);
    range[NatRange.FIRST] = OUTSIDE;
    range[NatRange.LAST] = OUTSIDE;
    range[NatRange.LOW_PORT] = low;
    range[NatRange.HIGH_PORT] = high;
    const isFree = this.choice.choose(range, 0, Manip.SOURCE);
    expect(tuple.words[0]).toBe(OUTSIDE);
    return isFree ? tuple.ports >>> 16 : undefined;
  }
}

describe('TupleChoice', () => {
  it('keeps the port where it is free', () => {
    const asked = new Asked(() => true);
    expect(asked.bind(5000)).toBe(5000);
    expect(asked.tried).toEqual([5000]);
  });

  it.each([
    [5000, 1024, 64512],
    [1000, 600, 424],
    [512, 600, 424],
    [300, 1, 511],
  ])('stays in the class of port %i: from %i on, %i ports', (port, first, size) => {
    expect(new Asked((tried) => tried !== port, [0]).bind(port)).toBe(first);
    expect(new Asked((tried) => tried !== port, [size - 1]).bind(port)).toBe(first + size - 1);
    expect(new Asked((tried) => tried !== port, [size + 7]).bind(port)).toBe(first + 7);
  });

  it('tries 128 in a row, then 64 from another place, down to 8, and gives up', () => {
    const starts = [10, 2000, 3000, 4000, 5000];
    const asked = new Asked(() => false, [...starts]);
    expect(asked.bind(5000)).toBeUndefined();
    const expected = [5000];
    starts.forEach((start, round) => {
      for (let i = 0; i < 128 >> round; i++) expected.push(1024 + start + i);
    });
    expect(asked.tried).toEqual(expected);
  });

  it('asks for flows that are over to make room with the last 32 tries of a round', () => {
    const asked = new Asked((port) => port === 1024 + 127, [0]);
    expect(asked.bind(5000)).toBe(1151);
    expect(asked.last).toEqual(Array.from({ length: 32 }, (_, i) => 1024 + 96 + i));
  });

  it('tries all of a small range once', () => {
    const asked = new Asked(() => false, [2]);
    expect(asked.bind(5000, { low: 6000, high: 6003 })).toBeUndefined();
    expect(asked.tried).toEqual([6002, 6003, 6000, 6001]);
  });

  it('takes a range the wrong way round', () => {
    expect(new Asked(() => true, [1]).bind(5000, { low: 6003, high: 6000 })).toBe(6001);
  });

  it('asks again about one port that is to be used whatever happens', () => {
    expect(new Asked(() => false).bind(6000, { low: 6000, high: 6000 })).toBeUndefined();
  });

  it.each([NatFlag.RANDOM, NatFlag.RANDOM_FULLY])('begins at random with flag %i, though the port is free', (flags) => {
    const asked = new Asked(() => true, [77]);
    expect(asked.bind(5000, { flags })).toBe(1024 + 77);
    expect(asked.tried).toEqual([1101]);
  });

  it('wraps at 65,536 as a 16-bit number does', () => {
    const asked = new Asked((port) => port === 1024 + 2, [0xffff]);
    expect(asked.bind(5000)).toBe(1026);
    expect(asked.tried.slice(1)).toEqual([1024 + (0xffff % 64512), 1024, 1025, 1026]);
  });

  it('takes any id of ICMP', () => {
    expect(new Asked((id) => id !== 7, [0]).bind(7, { protocol: 1 })).toBe(0);
    expect(new Asked((id) => id !== 7, [0xfffe]).bind(7, { protocol: 1 })).toBe(0xfffe);
  });

  it('has nothing to choose for a protocol without ports', () => {
    const asked = new Asked(() => false);
    expect(asked.bind(0, { protocol: 253 })).toBeUndefined();
    expect(asked.tried).toEqual([0]);
  });
});

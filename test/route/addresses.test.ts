/* The table of a namespace's own IPv4 addresses. */
import { describe, expect, it } from 'vitest';
import { Addresses, MAX_OWN_ADDRESSES, Address4 as Word } from '../../src/route/addresses.js';

function list(...addresses: number[]): Int32Array {
  const words = new Int32Array(addresses.length * Word.WORDS);
  for (const [i, address] of addresses.entries()) words[i * Word.WORDS] = address;
  return words;
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

describe('own addresses', () => {
  it('are known in their namespace while a link has them', () => {
    const table = new Addresses();
    expect([table.set4(1, list(5, 6), 7), table.set4(2, list(5), 7)]).toEqual([true, true]);
    expect([table.isOwn4(7, 5), table.isOwn4(7, 6), table.isOwn4(8, 5)]).toEqual([true, true, false]);
    table.set4(1, list(), 7);
    expect([table.isOwn4(7, 5), table.isOwn4(7, 6)]).toEqual([true, false]);
    table.clear(2);
    expect(table.isOwn4(7, 5)).toBe(false);
  });

  it('that find no room are not taken, and the link keeps those it has', () => {
    const table = new Addresses();
    expect(table.set4(1, list(...range(1000, MAX_OWN_ADDRESSES - 1)), 0)).toBe(true);
    expect(table.set4(2, list(1), 0)).toBe(true);
    expect(table.set4(2, list(1000, 2, 3), 0)).toBe(false);
    expect([1, 2, 3].map((address) => table.isOwn4(0, address))).toEqual([true, false, false]);
    expect([...table.of4[2]]).toEqual([...list(1)]);
    // What the table has already needs none.
    expect(table.set4(2, list(1000, 1001, 2), 0)).toBe(true);
    expect([1, 2, 1000].map((address) => table.isOwn4(0, address))).toEqual([false, true, true]);
    table.clear(1);
    expect([1000, 1001, 1002].map((address) => table.isOwn4(0, address))).toEqual([true, true, false]);
    expect(table.set4(1, list(...range(5000, MAX_OWN_ADDRESSES - 3)), 0)).toBe(true);
    expect([table.set4(3, list(4), 0), table.set4(3, list(4, 5), 0)]).toEqual([false, false]);
  });

  it('are right after any changes', () => {
    const table = new Addresses();
    const wanted = new Map<number, number[]>();
    let seed = 4711;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return (seed >>> 8) % below;
    };
    for (let i = 0; i < 2000; i++) {
      const [link, namespace] = [random(20), 0];
      const own = Array.from({ length: random(40) }, () => random(300));
      wanted.set(link, own);
      expect(table.set4(link, list(...own), namespace)).toBe(true);
    }
    const all = new Set([...wanted.values()].flat());
    for (const address of range(0, 300))
      expect([address, table.isOwn4(0, address)]).toEqual([address, all.has(address)]);
  });
});

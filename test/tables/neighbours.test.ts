/* The table of neighbours: against a Map, its lists and counts, and what happens when it is full. */
import { describe, expect, it } from 'vitest';
import { Neighbour, NeighbourFamily, NeighbourFlag, Neighbours, Nud } from '../../src/tables/neighbours.js';

const KEYS = Int32Array.of(1234567, -7654321, 1357911, 24681012);
const [IPV4, IPV6] = [NeighbourFamily.IPV4, NeighbourFamily.IPV6];

function listOf(table: Neighbours, namespace: number, family: NeighbourFamily): number[] {
  const slots: number[] = [];
  for (let slot = table.first(namespace, family); slot >= 0; slot = table.next(slot)) slots.push(slot);
  return slots;
}

function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    return (state >>> 8) % n;
  };
}

describe('the table of neighbours', () => {
  it('finds by link, family and address, and nothing else', () => {
    const table = new Neighbours(KEYS, 64);
    const four = table.insert4(1, 7, 0x0a000001, false);
    const six = table.insert6(1, 7, 0x0a000001, 0, 0, 0, false);
    expect(table.lookup4(7, 0x0a000001)).toBe(four);
    expect(table.lookup6(7, 0x0a000001, 0, 0, 0)).toBe(six);
    expect(four).not.toBe(six);
    expect(table.lookup4(8, 0x0a000001)).toBe(-1);
    expect(table.lookup4(7, 0x0a000002)).toBe(-1);
    expect(table.lookup6(7, 0x0a000001, 0, 0, 1)).toBe(-1);
    expect([table.link(six), table.family(six), table.namespace(six)]).toEqual([7, IPV6, 1]);
    expect(table.isAt4(four, 7, 0x0a000001)).toBe(true);
    expect(table.isAt4(-1, 7, 0x0a000001)).toBe(false);
    expect(table.isAt4(six, 7, 0x0a000001)).toBe(false);
    expect(table.isAt6(six, 7, 0x0a000001, 0, 0, 0)).toBe(true);
    table.remove(four);
    expect(table.lookup4(7, 0x0a000001)).toBe(-1);
    expect(table.isAt4(four, 7, 0x0a000001)).toBe(false);
  });

  it.each([
    [Nud.NONE, false],
    [Nud.INCOMPLETE, false],
    [Nud.REACHABLE, true],
    [Nud.STALE, false],
    [Nud.DELAY, false],
    [Nud.PROBE, false],
    [Nud.FAILED, false],
    [Nud.NOARP, true],
    [Nud.PERMANENT, true],
  ])('state %i is usable without a thought: %s', (state, isUsable) => {
    const table = new Neighbours(KEYS, 64);
    const slot = table.insert4(0, 1, 1, false);
    table.rows[(slot << Neighbour.SHIFT) + Neighbour.STATE] = state;
    expect(table.isUsable(slot)).toBe(isUsable);
  });

  it('agrees with a Map in 50,000 random changes, and no slot moves', () => {
    const table = new Neighbours(KEYS, 4096);
    const model = new Map<string, number>();
    const random = generator(7);
    for (let step = 0; step < 50_000; step++) {
      const link = random(8);
      const address = random(1000);
      const isIpv4 = random(2) === 0;
      const key = `${link} ${address} ${isIpv4}`;
      const found = isIpv4 ? table.lookup4(link, address) : table.lookup6(link, 1, 2, address, 3);
      expect(found).toBe(model.get(key) ?? -1);
      if (random(2) === 0 && model.size < 4096) {
        if (found >= 0) continue;
        const slot = isIpv4
          ? table.insert4(link >> 1, link, address, false)
          : table.insert6(link >> 1, link, 1, 2, address, 3, false);
        expect(slot).toBeGreaterThanOrEqual(0);
        model.set(key, slot);
      } else if (found >= 0) {
        table.remove(found);
        model.delete(key);
      }
    }
    expect(table.size).toBe(model.size);
    expect(new Set(model.values()).size).toBe(model.size);
    for (const [key, slot] of model) {
      const [link, address, isIpv4] = key.split(' ');
      const found =
        isIpv4 === 'true'
          ? table.lookup4(Number(link), Number(address))
          : table.lookup6(Number(link), 1, 2, Number(address), 3);
      expect(found).toBe(slot);
    }
  });

  it('takes as many as it has room for, then refuses, and takes again when one has gone', () => {
    const table = new Neighbours(KEYS);
    const slots: number[] = [];
    for (let i = 0; i < table.capacity; i++) slots.push(table.insert4(3, 9, i, false));
    expect(Math.min(...slots)).toBeGreaterThanOrEqual(0);
    expect(new Set(slots).size).toBe(65_536);
    expect(table.insert4(3, 9, table.capacity, false)).toBe(-1);
    table.remove(slots[77]);
    expect(table.lookup4(9, 77)).toBe(-1);
    expect(table.insert4(3, 9, table.capacity, false)).toBeGreaterThanOrEqual(0);
    for (let i = 0; i < table.capacity; i++) if (i !== 77) expect(table.lookup4(9, i)).toBe(slots[i]);
  });

  it('keeps for each namespace and family a list in order of making, and counts what may be collected', () => {
    const table = new Neighbours(KEYS, 64);
    const a = table.insert4(1, 1, 1, false);
    const b = table.insert4(1, 2, 1, true);
    const c = table.insert4(1, 1, 2, false);
    const d = table.insert4(2, 3, 1, false);
    const e = table.insert6(1, 1, 1, 1, 1, 1, false);
    expect(listOf(table, 1, IPV4)).toEqual([a, b, c]);
    expect(listOf(table, 2, IPV4)).toEqual([d]);
    expect(listOf(table, 1, IPV6)).toEqual([e]);
    expect(listOf(table, 2, IPV6)).toEqual([]);
    expect([table.count(1, IPV4), table.collectableCount(1, IPV4)]).toEqual([3, 2]);
    table.setExempt(a, true);
    table.setExempt(a, true);
    expect(table.collectableCount(1, IPV4)).toBe(1);
    table.setExempt(b, false);
    expect(table.collectableCount(1, IPV4)).toBe(2);
    table.remove(b);
    expect(listOf(table, 1, IPV4)).toEqual([a, c]);
    table.remove(a);
    table.remove(c);
    expect(listOf(table, 1, IPV4)).toEqual([]);
    expect([table.count(1, IPV4), table.collectableCount(1, IPV4)]).toEqual([0, 0]);
    expect(table.serialOf(e)).toBeGreaterThan(table.serialOf(d));
  });

  it('keeps flags apart from what it notes itself', () => {
    const table = new Neighbours(KEYS, 64);
    const slot = table.insert4(0, 1, 1, true);
    expect(table.flags(slot)).toBe(0);
    table.setFlag(slot, NeighbourFlag.ROUTER, true);
    table.setFlag(slot, NeighbourFlag.EXT_LEARNED, true);
    table.setFlag(slot, NeighbourFlag.ROUTER, false);
    expect(table.flags(slot)).toBe(NeighbourFlag.EXT_LEARNED);
    expect(table.isExempt(slot)).toBe(true);
    table.setProtocol(slot, 4);
    expect(table.protocol(slot)).toBe(4);
  });
});

/* The hash table of flows against a Map, through growth, deletion and being rewritten. */
import { describe, expect, it } from 'vitest';
import type { FlowTable } from '../../src/conntrack/flow-table.js';
import { FlowTable4 } from '../../src/conntrack/flow-table4.js';
import { FlowTable6 } from '../../src/conntrack/flow-table6.js';
import { Flow, Flows, KindFlag } from '../../src/conntrack/flows.js';
import { BURST } from '../../src/core/arena.js';
import { random } from '../tables/lpm-model.js';
import { KEYS } from './tracked.js';

const SEED = Number(process.env.SLUICE_SEED ?? 20_261_122);
const CAPACITY = 20_000;

interface Store {
  flows: Flows;
  table: FlowTable;
}

function store(isIpv6: boolean): Store {
  const flows = new Flows(isIpv6, CAPACITY);
  return { flows, table: isIpv6 ? new FlowTable6(flows, KEYS) : new FlowTable4(flows, KEYS) };
}

/** Adds a flow whose tuples have `id` in them. */
function add({ flows, table }: Store, id: number, kind = 17): number {
  const index = flows.allocate();
  const at = index * flows.width;
  flows.words[at + Flow.KIND] = kind | Flow.KEY_FLAG;
  for (const direction of [0, 1]) {
    const tuple = flows.tuple(at, direction);
    for (let i = 0; i < flows.tupleWords; i++) flows.words[tuple + i] = Math.imul(id, 0x9e37 + direction) ^ i;
    table.insert(index, direction);
  }
  return index;
}

function tupleOf({ flows }: Store, id: number, direction: number): Int32Array {
  return Int32Array.from({ length: flows.tupleWords }, (_, i) => Math.imul(id, 0x9e37 + direction) ^ i);
}

function find(made: Store, id: number, direction: number, key = 17): number {
  return made.table.find(tupleOf(made, id, direction), 0, key | Flow.KEY_FLAG, 0);
}

describe.each([false, true])('a table of IPv6 %s', (isIpv6) => {
  it('finds what is in it and nothing else, whatever comes and goes', () => {
    const made = store(isIpv6);
    const next = random(SEED);
    const model = new Map<number, number>();
    for (let step = 0; step < 60_000; step++) {
      const id = 1 + next(30_000);
      const index = model.get(id);
      if (index === undefined && made.flows.size < CAPACITY) model.set(id, add(made, id));
      else if (index !== undefined && next(3) !== 0) {
        made.table.remove(index, 0);
        made.table.remove(index, 1);
        made.flows.release(index);
        model.delete(id);
      }
    }
    expect(made.table.size).toBe(2 * model.size);
    for (let id = 1; id <= 30_000; id++) {
      const index = model.get(id);
      for (const direction of [0, 1]) {
        expect(find(made, id, direction)).toBe(index === undefined ? 0 : (index << 1) | direction);
      }
    }
  });

  it('tells protocols, namespaces and zones apart', () => {
    const made = store(isIpv6);
    const { flows, table } = made;
    const plain = add(made, 5);
    const other = add(made, 5, 6 | (3 << Flow.NAMESPACE_SHIFT));
    expect(find(made, 5, 0)).toBe(plain << 1);
    expect(find(made, 5, 0, 6)).toBe(0);
    expect(find(made, 5, 0, 6 | (3 << Flow.NAMESPACE_SHIFT))).toBe(other << 1);
    const zoned = flows.allocate();
    const at = zoned * flows.width;
    flows.words[at + Flow.KIND] = 17 | Flow.KEY_FLAG | KindFlag.ZONE_ORIGINAL;
    flows.words[at + Flow.STATUS] = 9 << Flow.ZONE_SHIFT;
    flows.words.set(tupleOf(made, 5, 0), flows.tuple(at, 0));
    flows.words.set(tupleOf(made, 77, 1), flows.tuple(at, 1));
    table.insert(zoned, 0);
    table.insert(zoned, 1);
    expect(find(made, 5, 0)).toBe(plain << 1);
    expect(table.find(tupleOf(made, 5, 0), 0, 17 | Flow.KEY_FLAG, 9)).toBe(zoned << 1);
    // Its zone does not count for replies.
    expect(find(made, 77, 1)).toBe((zoned << 1) | 1);
  });

  it('gives rows out again, the last one first, and knows when it is full', () => {
    const flows = new Flows(isIpv6, 3);
    const rows = [flows.allocate(), flows.allocate(), flows.allocate()];
    expect(new Set(rows).size).toBe(3);
    expect(flows.allocate()).toBe(0);
    flows.words[rows[1] * flows.width + Flow.CACHE] = 5;
    flows.release(rows[1]);
    expect(flows.allocate()).toBe(rows[1]);
    expect(flows.words[rows[1] * flows.width + Flow.CACHE]).toBe(0);
  });
});

it('keeps its memory: no more than 16 bytes of slots a flow, and rows of 96 and 144 bytes', () => {
  for (const isIpv6 of [false, true]) {
    const made = store(isIpv6);
    for (let id = 1; id <= 16_384; id++) add(made, id);
    expect(made.flows.width * 4).toBe(isIpv6 ? 144 : 96);
    made.table.step(1 << 20);
    expect(made.table.slots.byteLength).toBeLessThanOrEqual(16_384 * 16 + 4096);
  }
});

describe('a burst', () => {
  function write({ flows, table }: Store & { table: FlowTable4 }, i: number, id: number, direction: number): void {
    const [source, destination, ports] = tupleOf({ flows, table }, id, direction);
    table.source[i] = source;
    table.destination[i] = destination;
    table.ports[i] = ports;
    table.key[i] = 17 | Flow.KEY_FLAG;
  }

  it('is answered as one by one, while the table grows, too', () => {
    const flows = new Flows(false, CAPACITY);
    const made = { flows, table: new FlowTable4(flows, KEYS) };
    const added: number[] = [];
    const seen = new Set<boolean>();
    for (let id = 1; id <= 5000; id++) {
      added[id] = add(made, id);
      if (id % 7 !== 0) continue;
      seen.add(made.table.isMoving);
      for (let i = 0; i < BURST; i++) write(made, i, 1 + ((id * 31 + i * 97) % 6000), i & 1);
      made.table.lookupBurst(BURST);
      for (let i = 0; i < BURST; i++) {
        const index = added[1 + ((id * 31 + i * 97) % 6000)];
        expect(made.table.found[i]).toBe(index === undefined ? 0 : (index << 1) | (i & 1));
      }
    }
    expect([...seen].sort()).toEqual([false, true]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fdb, FdbFlag, Learned, type Station } from '../../src/tables/fdb.js';
import { type Address, type Entry, FdbModel, keyOf } from './fdb-model.js';

const NONE = -1;
const PORTS = 6;
/** 10 s before the clock wraps. */
const BEFORE_WRAP = 0x7fffffff - 10_000;
const DOMAIN_BITS = 12;

function domainOf(address: Address): number {
  return (address.bridge << DOMAIN_BITS) | address.vlan;
}

/** Random keys from a seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) | 0;
  };
}

function keys(seed: number): Int32Array {
  const next = random(seed);
  return Int32Array.from([next(), next(), next(), next()]);
}

function homeOf(fdb: Fdb, address: Address): number {
  return fdb.home(address.low, address.high, domainOf(address));
}

function findOf(fdb: Fdb, address: Address): number {
  return fdb.find(homeOf(fdb, address), address.low, address.high, domainOf(address));
}

function learnOf(fdb: Fdb, address: Address, port: number, now: number): Learned {
  const { low, high } = address;
  return fdb.learn(findOf(fdb, address), homeOf(fdb, address), low, high, domainOf(address), port, now);
}

function insertOf(fdb: Fdb, address: Address, port: number, flags: number, now: number): Learned {
  return fdb.insert(homeOf(fdb, address), address.low, address.high, domainOf(address), port, flags, now);
}

function emptyStation(): Station {
  return { low: 0, high: 0, bridge: 0, vlan: 0, port: 0, flags: 0, updated: 0, used: 0 };
}

function contents(fdb: Fdb): Map<string, Entry> {
  const all = new Map<string, Entry>();
  for (let slot = 0; slot <= fdb.mask; slot++) {
    const station = emptyStation();
    if (fdb.read(slot, station)) all.set(keyOf(station), station);
  }
  return all;
}

/** MAC 02:00:…:n on bridge 1, VLAN 0. */
function station(n: number, bridge = 1, vlan = 0): Address {
  const low = ((n & 0xff) << 24) | (((n >>> 8) & 0xff) << 16) | (((n >>> 16) & 0xff) << 8) | (n >>> 24);
  return { low, high: 0x0002, bridge, vlan };
}

/** Throws unless two values are the same; expect() is too slow for millions of them. */
function same<T>(actual: T, wanted: T, what: string): void {
  if (actual !== wanted) throw new Error(`${what}: ${actual} instead of ${wanted}`);
}

/** How many entries a list has, after checking that both directions agree. */
function walk(fdb: Fdb, list: number): number {
  const SHIFT = 2;
  const [OLDER, NEWER] = [1, 2];
  const aside = fdb['aside'];
  let count = 0;
  let previous = 0;
  for (let at = fdb['oldest'][list]; at !== 0; at = aside[((at - 1) << SHIFT) + NEWER]) {
    same(aside[((at - 1) << SHIFT) + OLDER], previous, `the older one of slot ${at - 1}`);
    if (++count > fdb.size) throw new Error(`list ${list} goes round in a circle`);
    previous = at;
  }
  same(fdb['newest'][list], previous, `the newest of list ${list}`);
  return count;
}

/** Everything that must always hold between the table and the model. */
function compare(fdb: Fdb, model: FdbModel, universe: Address[]): void {
  same(fdb.size, model.stations.size, 'size');
  if (fdb.size > fdb.capacity) throw new Error(`${fdb.size} entries in a table for ${fdb.capacity}`);
  const found = emptyStation();
  for (const address of universe) {
    const slot = findOf(fdb, address);
    const entry = model.stations.get(keyOf(address));
    same(slot !== NONE, entry !== undefined, `presence of ${keyOf(address)}`);
    if (entry === undefined) continue;
    same(fdb.read(slot, found), true, `read of slot ${slot}`);
    for (const field of FIELDS) same(found[field], entry[field], `${field} of ${keyOf(address)}`);
  }
  let allStatic = 0;
  for (let port = 0; port < PORTS; port++) {
    const learned = model.learned(port).length;
    same(fdb.learned[port], learned, `stations learned of port ${port}`);
    same(walk(fdb, port * 2), learned, `length of port ${port}'s learned list`);
    same(walk(fdb, port * 2 + 1), model.statics(port).length, `length of port ${port}'s static list`);
    allStatic += model.statics(port).length;
  }
  same(fdb.learnedCount, model.stations.size - allStatic, 'stations learned of all ports');
  for (const bridge of [1, 2])
    same(fdb.learnedOfBridge[bridge], model.learnedOfBridge(bridge), `learned of bridge ${bridge}`);
}

const FIELDS = ['low', 'high', 'bridge', 'vlan', 'port', 'flags', 'updated', 'used'] as const;

type Operation =
  | { op: 'learn'; who: number; port: number }
  | { op: 'set'; who: number; port: number; flags: number }
  | { op: 'remove'; who: number }
  | { op: 'touch'; who: number }
  | { op: 'flush'; port: number; statics: boolean }
  | { op: 'sweep'; budget: number }
  | { op: 'wait'; ms: number }
  | Configuration;

type Configuration =
  | { op: 'limit'; port: number; limit: number }
  | { op: 'limitOfBridge'; bridge: number; limit: number }
  | { op: 'ageing'; bridge: number; ms: number };

const UNIVERSE = 40;
const who = fc.nat(UNIVERSE - 1);
const port = fc.nat(PORTS - 1);
const flags = fc.constantFrom(
  0,
  FdbFlag.ADDED_BY_USER,
  FdbFlag.STATIC | FdbFlag.ADDED_BY_USER,
  FdbFlag.STATIC | FdbFlag.LOCAL,
  FdbFlag.STICKY | FdbFlag.ADDED_BY_USER,
  FdbFlag.STATIC | FdbFlag.STICKY,
);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 60, arbitrary: fc.record({ op: fc.constant('learn' as const), who, port }) },
  { weight: 10, arbitrary: fc.record({ op: fc.constant('set' as const), who, port, flags }) },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('remove' as const), who }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('touch' as const), who }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('flush' as const), port, statics: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('sweep' as const), budget: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 10, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 3000 }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 400_000 }) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('limit' as const), port, limit: fc.nat(6) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('limitOfBridge' as const),
      bridge: fc.constantFrom(1, 2),
      limit: fc.nat(12),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('ageing' as const),
      bridge: fc.constantFrom(1, 2),
      ms: fc.constantFrom(0, 200, 1000, 300_000),
    }),
  },
);

/** The table and the model side by side. */
class Bench {
  readonly fdb: Fdb;
  readonly model: FdbModel;
  now = BEFORE_WRAP;

  constructor(
    capacity: number,
    seed: number,
    readonly universe: Address[],
  ) {
    this.fdb = new Fdb(capacity, PORTS, keys(seed));
    this.model = new FdbModel(capacity);
  }

  run(step: Operation): void {
    switch (step.op) {
      case 'learn':
        this.learn(this.universe[step.who], step.port);
        break;
      case 'set':
        this.set(this.universe[step.who], step.port, step.flags);
        break;
      case 'remove':
        this.remove(this.universe[step.who]);
        break;
      case 'touch':
        this.touch(this.universe[step.who]);
        break;
      case 'flush':
        same(this.fdb.flushPort(step.port, step.statics), this.model.flushPort(step.port, step.statics), 'flushed');
        break;
      case 'sweep':
        this.sweep(() => this.fdb.sweep(this.now, step.budget), false);
        break;
      case 'wait':
        this.now = (this.now + step.ms) | 0;
        break;
      default:
        this.configure(step);
    }
  }

  private learn(address: Address, port: number): void {
    const before = contents(this.fdb);
    const answer = learnOf(this.fdb, address, port, this.now);
    this.model.learn(address, port, this.now, answer, this.vanished(before));
  }

  private set(address: Address, port: number, flags: number): void {
    this.remove(address);
    const before = contents(this.fdb);
    const answer = insertOf(this.fdb, address, port, flags, this.now);
    this.model.insert(address, port, flags, this.now, answer, this.vanished(before));
  }

  private remove(address: Address): void {
    const slot = findOf(this.fdb, address);
    if (slot !== NONE) this.fdb.remove(slot);
    this.model.remove(address);
  }

  private touch(address: Address): void {
    const slot = findOf(this.fdb, address);
    if (slot !== NONE) this.fdb.touch(slot, this.now);
    this.model.touch(address, this.now);
  }

  private sweep(sweep: () => void, isWhole: boolean): void {
    const before = contents(this.fdb);
    sweep();
    this.model.sweep(this.now, isWhole, this.vanished(before));
  }

  private configure(step: Configuration): void {
    const { fdb, model } = this;
    if (step.op === 'limit') {
      fdb.limit[step.port] = step.limit;
      model.limit.set(step.port, step.limit);
    } else if (step.op === 'limitOfBridge') {
      fdb.limitOfBridge[step.bridge] = step.limit;
      model.limitOfBridge.set(step.bridge, step.limit);
    } else {
      fdb.ageing[step.bridge] = step.ms;
      model.ageing.set(step.bridge, step.ms);
    }
  }

  /** What the table held before and does not any more. */
  private vanished(before: Map<string, Entry>): Entry[] {
    const after = contents(this.fdb);
    return [...before].filter(([key]) => !after.has(key)).map(([, entry]) => entry);
  }

  check(): void {
    compare(this.fdb, this.model, this.universe);
  }

  /** Two passes: the first may have begun in the middle. */
  sweepWhole(): void {
    this.sweep(() => {
      for (let passes = 0; passes < 2; ) if (this.fdb.sweep(this.now, 7)) passes++;
    }, true);
  }
}

const spread: Address[] = Array.from({ length: UNIVERSE }, (_, i) => station(i * 2654435761, (i & 1) + 1, i % 3));

/** Addresses whose home slots lie close together around the end of a table with these keys. */
function crowd(capacity: number, seed: number): Address[] {
  const fdb = new Fdb(capacity, PORTS, keys(seed));
  const found: Address[] = [];
  for (let n = 0; found.length < UNIVERSE; n++) {
    const address = station(n, (n & 1) + 1);
    const distance = (homeOf(fdb, address) + 3) & fdb.mask;
    if (distance < 5) found.push(address);
  }
  return found;
}

describe('the forwarding database', () => {
  it('agrees with a naive model over any sequence of operations', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 24 }),
        fc.array(operation, { minLength: 20, maxLength: 160 }),
        (seed, capacity, steps) => {
          const bench = new Bench(capacity, seed, spread);
          for (const step of steps) {
            bench.run(step);
            bench.check();
          }
          bench.sweepWhole();
          bench.check();
        },
      ),
      { numRuns: 500 },
    );
  }, 30_000);

  it('agrees with the model when all addresses crowd around the end of the table', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(operation, { minLength: 20, maxLength: 160 }), (seed, steps) => {
        const bench = new Bench(20, seed, crowd(20, seed));
        for (const step of steps) {
          bench.run(step);
          bench.check();
        }
        bench.sweepWhole();
        bench.check();
      }),
      { numRuns: 500 },
    );
  }, 30_000);

  it('keeps every other entry findable when one out of a cluster is removed', () => {
    const universe = crowd(20, 1).slice(0, 20);
    for (const gone of universe) {
      const fdb = new Fdb(20, PORTS, keys(1));
      for (const address of universe) expect(learnOf(fdb, address, 1, 0)).toBe(Learned.NEW);
      fdb.remove(findOf(fdb, gone));
      for (const address of universe) expect(findOf(fdb, address) === NONE).toBe(address === gone);
      expect(walk(fdb, 2)).toBe(19);
    }
  });

  it('holds its capacity and not one more', () => {
    const fdb = new Fdb(100, PORTS, keys(2));
    for (let n = 0; n < 1000; n++) {
      expect(learnOf(fdb, station(n), n % 3, 0)).toBe(Learned.NEW);
      expect(fdb.size).toBe(Math.min(n + 1, 100));
    }
    expect(fdb.evicted).toBe(900);
  });

  it('refuses a station when all entries are static', () => {
    const fdb = new Fdb(10, PORTS, keys(3));
    for (let n = 0; n < 10; n++) insertOf(fdb, station(n), 1, FdbFlag.STATIC, 0);
    expect(learnOf(fdb, station(10), 2, 0)).toBe(Learned.REFUSED);
    expect(insertOf(fdb, station(11), 2, FdbFlag.STATIC, 0)).toBe(Learned.REFUSED);
    expect(fdb.size).toBe(10);
    expect(fdb.evicted).toBe(0);
  });

  it('lets a static entry push out a learned one, never the other way round', () => {
    const fdb = new Fdb(10, PORTS, keys(4));
    for (let n = 0; n < 10; n++) learnOf(fdb, station(n), 1, 0);
    for (let n = 10; n < 20; n++) expect(insertOf(fdb, station(n), 2, FdbFlag.STATIC, 0)).toBe(Learned.NEW);
    expect(fdb.learned[1]).toBe(0);
    for (let n = 20; n < 40; n++) expect(learnOf(fdb, station(n), 3, 0)).toBe(Learned.REFUSED);
    for (let n = 10; n < 20; n++) expect(findOf(fdb, station(n))).not.toBe(NONE);
  });

  it.each([
    ['sticky', FdbFlag.STICKY],
    ['static sticky', FdbFlag.STATIC | FdbFlag.STICKY],
    ['local', FdbFlag.STATIC | FdbFlag.LOCAL],
  ])('does not move a %s entry', (_, flag) => {
    const fdb = new Fdb(10, PORTS, keys(5));
    insertOf(fdb, station(1), 1, flag, 0);
    expect(learnOf(fdb, station(1), 2, 1000)).toBe(Learned.KEPT);
    expect(fdb.port(findOf(fdb, station(1)))).toBe(1);
  });

  it('moves a static entry, which stays static', () => {
    const fdb = new Fdb(10, PORTS, keys(5));
    insertOf(fdb, station(1), 1, FdbFlag.STATIC, 0);
    expect(learnOf(fdb, station(1), 2, 1000)).toBe(Learned.MOVED);
    expect(fdb.port(findOf(fdb, station(1)))).toBe(2);
    expect(fdb.flags(findOf(fdb, station(1)))).toBe(FdbFlag.STATIC);
  });

  it('makes an ordinary station of a sticky one that moves after it expired', () => {
    const fdb = new Fdb(10, PORTS, keys(5));
    insertOf(fdb, station(1), 1, FdbFlag.STICKY | FdbFlag.ADDED_BY_USER, 0);
    expect(learnOf(fdb, station(1), 2, 300_001)).toBe(Learned.MOVED);
    expect(fdb.flags(findOf(fdb, station(1)))).toBe(0);
    expect(learnOf(fdb, station(1), 3, 300_002)).toBe(Learned.MOVED);
  });

  it('expires a station when its ageing time is over, across the wrap of the clock', () => {
    const fdb = new Fdb(10, PORTS, keys(6));
    fdb.ageing[1] = 20_000;
    learnOf(fdb, station(1), 1, BEFORE_WRAP);
    expect(fdb.isExpired(findOf(fdb, station(1)), (BEFORE_WRAP + 20_000) | 0)).toBe(false);
    expect(fdb.isExpired(findOf(fdb, station(1)), (BEFORE_WRAP + 20_001) | 0)).toBe(true);
  });

  it('moves a station to a port at its limit in place of an expired one, and that one only', () => {
    for (let seed = 0; seed < 200; seed++) {
      const universe = crowd(20, seed);
      const fdb = new Fdb(20, PORTS, keys(seed));
      fdb.limit[2] = 3;
      for (let n = 0; n < 3; n++) learnOf(fdb, universe[n], 2, 0);
      for (let n = 3; n < 12; n++) learnOf(fdb, universe[n], 1, 400_000);
      expect(learnOf(fdb, universe[11], 2, 400_000)).toBe(Learned.MOVED);
      expect(findOf(fdb, universe[0])).toBe(NONE);
      for (let n = 1; n < 12; n++) {
        const slot = findOf(fdb, universe[n]);
        expect(slot).not.toBe(NONE);
        expect(fdb.port(slot)).toBe(n < 3 || n === 11 ? 2 : 1);
      }
      expect([fdb.learned[1], fdb.learned[2]]).toEqual([8, 3]);
    }
  });
});

/** Floods from `ports`, taking turns, with addresses that were never seen. */
function flood(fdb: Fdb, ports: number[], count: number, now: number): void {
  const next = random(99);
  for (let i = 0; i < count; i++) {
    learnOf(
      fdb,
      { low: next(), high: (i & 0xff00) | 0x06, bridge: 1, vlan: 0 },
      ports[i % ports.length],
      now + (i >> 10),
    );
  }
}

describe('a flood of MAC addresses', () => {
  const CAPACITY = 65_536;

  it('from one port cannot push out the stations of ports that have their fair share or less', () => {
    const ports = 8;
    const share = CAPACITY / ports;
    const fdb = new Fdb(CAPACITY, 16, keys(7));
    for (let n = 0; n < share * (ports - 1); n++) learnOf(fdb, station(n), 1 + (n % (ports - 1)), 0);
    flood(fdb, [ports], 1_000_000, 1000);
    for (let n = 0; n < share * (ports - 1); n++) {
      const slot = findOf(fdb, station(n));
      if (slot === NONE || fdb.port(slot) !== 1 + (n % (ports - 1))) expect.fail(`station ${n} was lost`);
    }
    expect(fdb.size).toBe(CAPACITY);
    expect(fdb.learned[ports]).toBe(share);
  }, 20_000);

  it('from several ports leaves them with equal shares and the quiet port with all it had', () => {
    const fdb = new Fdb(CAPACITY, 16, keys(8));
    for (let n = 0; n < 5000; n++) learnOf(fdb, station(n), 1, 0);
    flood(fdb, [2], 100_000, 1000);
    flood(fdb, [2, 3, 4], 600_000, 2000);
    expect(fdb.learned[1]).toBe(5000);
    const counts = [2, 3, 4].map((port) => fdb.learned[port]);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    for (let n = 0; n < 5000; n++) if (findOf(fdb, station(n)) === NONE) expect.fail(`station ${n} was lost`);
  }, 20_000);

  it('takes from the port with most stations also after another lost its own', () => {
    const fdb = new Fdb(64, 16, keys(9));
    for (let n = 0; n < 34; n++) learnOf(fdb, station(n), 1, 0);
    for (let n = 34; n < 64; n++) learnOf(fdb, station(n), 2, 0);
    fdb.flushPort(1, false);
    for (let n = 100; n < 110; n++) learnOf(fdb, station(n), 3, 0);
    for (let n = 200; n < 224; n++) insertOf(fdb, station(n), 4, FdbFlag.STATIC, 0);
    expect(fdb.size).toBe(64);
    learnOf(fdb, station(300), 3, 0);
    expect([fdb.learned[2], fdb.learned[3]]).toEqual([29, 11]);
  });

  it('spares the stations that were heard of late', () => {
    const fdb = new Fdb(64, PORTS, keys(10));
    for (let n = 0; n < 64; n++) learnOf(fdb, station(n), 1, 0);
    // One of them speaks all the time.
    for (let n = 100; n < 1000; n++) {
      learnOf(fdb, station(0), 1, n * 200);
      learnOf(fdb, station(n), 1, n * 200);
    }
    expect(findOf(fdb, station(0))).not.toBe(NONE);
  });

  it('takes the longest silent of the eight that were learned first', () => {
    const fdb = new Fdb(64, PORTS, keys(10));
    for (let n = 0; n < 64; n++) learnOf(fdb, station(n), 1, n * 1000);
    for (const n of [0, 1, 2, 3, 4, 5, 7]) learnOf(fdb, station(n), 1, 100_000);
    learnOf(fdb, station(100), 1, 100_001);
    for (let n = 0; n < 64; n++) expect(findOf(fdb, station(n)) === NONE).toBe(n === 6);
  });
});

/** Longest distance of an entry from its home slot. */
function longestProbe(fdb: Fdb): number {
  let longest = 0;
  const entry = emptyStation();
  for (let slot = 0; slot <= fdb.mask; slot++) {
    if (!fdb.read(slot, entry)) continue;
    longest = Math.max(longest, (slot - homeOf(fdb, entry)) & fdb.mask);
  }
  return longest;
}

const OUIS = [0x000c29, 0x00155d, 0x001a11, 0x005056, 0x080027, 0x0242ac, 0x525400, 0x5254ab, 0xb827eb, 0xdca632];

/** `n`th address of a pattern, six bytes. */
const PATTERNS: Record<string, (n: number) => number[]> = {
  'that count up': (n) => [2, 0, n >>> 24, n >>> 16, n >>> 8, n],
  'that count in the high bytes': (n) => [((n >>> 16) & 0x3f) << 2, n >>> 8, n, 0, 0, 1],
  'that count in the middle bytes': (n) => [2, n >>> 16, n >>> 8, n, 0, 0],
  'that count by 256': (n) => [2, 0, n >>> 16, n >>> 8, n, 0],
  'of real makers, in batches': (n) => {
    const oui = OUIS[n % OUIS.length];
    const serial = Math.floor(n / OUIS.length) * 3;
    return [oui >>> 16, oui >>> 8, oui, serial >>> 16, serial >>> 8, serial];
  },
  'of containers (02:42 and an IPv4 address)': (n) => [2, 0x42, 172, 17 + (n >>> 16), n >>> 8, n],
  'that count in the high and the low bytes at once': (n) => [(n & 0x3f) << 2, n >>> 8, 0, 0, n >>> 8, n],
};

function addressOf(bytes: number[]): Address {
  const [a, b, c, d, e, f] = bytes.map((byte) => byte & 0xff);
  return { high: a | (b << 8), low: c | (d << 8) | (e << 16) | (f << 24), bridge: 1, vlan: 0 };
}

describe('the hash', () => {
  const MAX_PROBE = 128;

  it.each(Object.keys(PATTERNS))('spreads addresses %s at full capacity, whatever its keys', (pattern) => {
    const capacity = 16_384;
    for (let seed = 0; seed < 12; seed++) {
      const fdb = new Fdb(capacity, PORTS, keys(seed));
      for (let n = 0; n < capacity; n++) {
        if (learnOf(fdb, addressOf(PATTERNS[pattern](n)), 1, 0) !== Learned.NEW)
          expect.fail(`address ${n} refused with keys ${seed}`);
      }
      expect(longestProbe(fdb)).toBeLessThan(MAX_PROBE);
    }
  });

  it('spreads a whole default table of addresses that count up', () => {
    const capacity = 65_536;
    const fdb = new Fdb(capacity, PORTS, keys(11));
    for (let n = 0; n < capacity; n++) learnOf(fdb, station(n), 1, 0);
    expect(fdb.size).toBe(capacity);
    expect(fdb.evicted).toBe(0);
    expect(longestProbe(fdb)).toBeLessThan(MAX_PROBE);
  });

  it('has nothing in common between two sets of keys, so that addresses chosen for one do not collide in another', () => {
    const victim = new Fdb(1024, PORTS, keys(12));
    const other = new Fdb(1024, PORTS, keys(13));
    const chosen: Address[] = [];
    for (let n = 0; chosen.length < 200; n++)
      if (homeOf(victim, station(n)) === homeOf(victim, station(0))) chosen.push(station(n));
    expect(new Set(chosen.map((address) => homeOf(other, address))).size).toBeGreaterThan(150);
  });

  it('refuses, and keeps all others, where more addresses share a slot than the longest probe', () => {
    const fdb = new Fdb(1024, PORTS, keys(14));
    const chosen: Address[] = [];
    for (let n = 0; chosen.length < MAX_PROBE + 5; n++)
      if (homeOf(fdb, station(n)) === homeOf(fdb, station(0))) chosen.push(station(n));
    const answers = chosen.map((address) => learnOf(fdb, address, 1, 0));
    expect(answers.filter((answer) => answer === Learned.REFUSED).length).toBeGreaterThan(0);
    for (const [i, address] of chosen.entries())
      expect(findOf(fdb, address) === NONE).toBe(answers[i] === Learned.REFUSED);
    expect(fdb.size).toBe(answers.filter((answer) => answer === Learned.NEW).length);
  });
});

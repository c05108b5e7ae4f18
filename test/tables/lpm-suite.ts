/*
 * What both families' tables must do, as tests: the same for either, against the naive one of lpm-model.ts and the
 * public answer keys. A failure says the seed.
 */
import { describe, expect, it } from 'vitest';
import {
  halfTable,
  hasRoutes,
  LpmModel,
  lines,
  NO_ROUTES,
  type Prefix,
  parseAddress,
  parsePrefix,
  type Route,
  random,
  randomBits,
  words,
} from './lpm-model.js';

const NONE = -1;
const KIB = 1024;

/** Lpm4 and Lpm6 behind one face. */
export interface Lpm {
  createTable(): number;
  removeTable(table: number): void;
  insert(table: number, address: number[], length: number, value: number): boolean;
  remove(table: number, address: number[], length: number, coverValue: number, coverLength: number): void;
  lookup(table: number, address: number[]): number;
  /** At most BURST addresses; the answers are there until the next call. */
  lookupBurst(table: number, addresses: number[][]): Int32Array;
  readonly usedBytes: number;
}

export interface Shape {
  name: string;
  /** Bits that differ between prefixes; the others are those of `base`. */
  mask: bigint;
  lengths: [number, number];
  /** Values are below. */
  values: number;
  steps: number;
  /** Prefixes that are there from the first, for a large table. */
  crowd?: number;
}

export interface Suite {
  name: string;
  bits: 32 | 128;
  /** An address that random ones are like where a shape's mask is 0. */
  base: bigint;
  /** With a pool of so many bytes. */
  make(capacity?: number): Lpm;
  shapes: Shape[];
  /** A namespace's first prefixes. */
  fresh: string[];
  keyFile: string;
  /** How many prefixes must fit, and what lengths they have. */
  many: { count: number; lengths: [number, number] };
}

/** As many as a burst may have. */
const BURST = 64;

/** A table and what it must answer. */
class Pair {
  readonly model: LpmModel;
  readonly table: number;

  constructor(
    readonly lpm: Lpm,
    readonly bits: number,
  ) {
    this.model = new LpmModel(bits);
    this.table = lpm.createTable();
  }

  insert(route: Route): boolean {
    const isDone = this.lpm.insert(this.table, words(route.address, this.bits), route.length, route.value);
    if (isDone) this.model.insert(route);
    return isDone;
  }

  remove(prefix: Prefix): void {
    const cover = this.model.cover(prefix);
    this.lpm.remove(this.table, words(prefix.address, this.bits), prefix.length, cover.value, cover.length);
    this.model.remove(prefix);
  }

  clear(): void {
    for (const route of this.model.routes) this.remove(route);
  }

  /** Compares the answers for these addresses, one by one and in bursts. */
  check(addresses: bigint[], where: string): void {
    for (let at = 0; at < addresses.length; at += BURST) this.checkBurst(addresses.slice(at, at + BURST), where);
  }

  private checkBurst(addresses: bigint[], where: string): void {
    const keys = addresses.map((address) => words(address, this.bits));
    const out = this.lpm.lookupBurst(this.table, keys);
    for (const [i, address] of addresses.entries()) {
      const { value } = this.model.longest(address);
      const single = this.lpm.lookup(this.table, keys[i]);
      if (single === value && out[i] === value) continue;
      expect.fail(`${where}: ${address.toString(16)} has ${single}, in a burst ${out[i]}, instead of ${value}`);
    }
  }

  /** Addresses at and around the ends of prefixes. */
  edges(prefixes: Prefix[]): bigint[] {
    return prefixes.flatMap(({ address, length }) => {
      const last = address | ((1n << BigInt(this.bits - length)) - 1n);
      return [address, last, address - 1n, last + 1n].map((edge) => BigInt.asUintN(this.bits, edge));
    });
  }
}

function randomRoute(next: (below: number) => number, shape: Shape, { bits, base }: Suite, model: LpmModel): Route {
  const { mask, lengths, values } = shape;
  const length = lengths[0] + next(lengths[1] - lengths[0] + 1);
  const address = model.mask((base & ~mask) | (randomBits(next, bits) & mask), length);
  return { address, length, value: 1 + next(values - 1) };
}

/** Random insertions and removals; the table grows for two thirds of the steps, then it shrinks. */
function churn(pair: Pair, shape: Shape, suite: Suite, seed: number): void {
  const next = random(seed);
  const known: Route[] = [];
  for (let i = 0; i < (shape.crowd ?? 0); i++) known.push(randomRoute(next, shape, suite, pair.model));
  for (const route of known) expect(pair.insert(route)).toBe(true);
  for (let step = 0; step < shape.steps; step++) {
    const isGrowing = step < (shape.steps * 2) / 3;
    let changed: Route;
    if (known.length > 0 && next(10) < (isGrowing ? 3 : 8)) {
      [changed] = known.splice(next(known.length), 1);
      pair.remove(changed);
    } else {
      changed = randomRoute(next, shape, suite, pair.model);
      expect(pair.insert(changed), `seed ${seed} step ${step}`).toBe(true);
      known.push(changed);
    }
    const probes = [changed, ...Array.from({ length: 4 }, () => known[next(known.length)] ?? changed)];
    pair.check([...pair.edges(probes), randomBits(next, suite.bits)], `${shape.name}, seed ${seed} step ${step}`);
  }
  pair.clear();
  pair.check(pair.edges(known), `${shape.name}, seed ${seed}, empty`);
}

function testShapes(suite: Suite): void {
  for (const shape of suite.shapes) {
    it(`answers as the naive one: ${shape.name}`, { timeout: 120_000 }, () => {
      const seeds = shape.crowd === undefined ? 3 : 1;
      for (let seed = 1; seed <= seeds; seed++) {
        const lpm = suite.make(16 << 20);
        const pair = new Pair(lpm, suite.bits);
        const before = lpm.usedBytes;
        churn(pair, shape, suite, seed);
        expect(lpm.usedBytes, `seed ${seed}`).toBe(before);
        lpm.removeTable(pair.table);
        expect(lpm.usedBytes).toBe(0);
      }
    });
  }
}

function testTables(suite: Suite): void {
  const { bits, make } = suite;

  it('has tables that do not disturb each other', () => {
    const lpm = make(16 << 20);
    const next = random(7);
    const pairs = Array.from({ length: 5 }, () => new Pair(lpm, bits));
    const shape = suite.shapes[0];
    for (let step = 0; step < 4000; step++) {
      const pair = pairs[next(pairs.length)];
      pair.insert(randomRoute(next, shape, suite, pair.model));
    }
    lpm.removeTable(pairs[0].table);
    pairs[0] = new Pair(lpm, bits);
    for (const [i, pair] of pairs.entries()) {
      const others = pairs.flatMap(({ model }) => model.routes).slice(0, 2000);
      pair.check(pair.edges(others), `table ${i}`);
    }
    for (const { table } of pairs) lpm.removeTable(table);
    expect(lpm.usedBytes).toBe(0);
  });

  it('holds thousands of small tables, each in little memory', () => {
    const lpm = make();
    const tables = Array.from({ length: 4000 }, () => {
      const table = lpm.createTable();
      for (const [i, prefix] of suite.fresh.map(parsePrefix).entries()) {
        expect(lpm.insert(table, words(prefix.address, bits), prefix.length, i + 1)).toBe(true);
      }
      return table;
    });
    expect(new Set(tables).size).toBe(4000);
    expect(lpm.usedBytes / tables.length).toBeLessThanOrEqual(1.5 * KIB);
    for (const table of tables) lpm.removeTable(table);
    expect(lpm.usedBytes).toBe(0);
  });

  it('refuses what does not fit and changes nothing', { timeout: 60_000 }, () => {
    const lpm = make(64 * KIB);
    const pair = new Pair(lpm, bits);
    const next = random(11);
    let refused = 0;
    for (let i = 0; i < 20_000; i++) {
      if (!pair.insert(randomRoute(next, suite.shapes[0], suite, pair.model))) refused++;
    }
    expect(refused).toBeGreaterThan(0);
    expect(lpm.usedBytes).toBeLessThanOrEqual(64 * KIB);
    const { routes } = pair.model;
    pair.check(pair.edges(routes), 'full');
    while (lpm.createTable() !== NONE) expect(lpm.usedBytes).toBeLessThanOrEqual(64 * KIB);
    // Removals work however full it is.
    for (const [i, route] of routes.entries()) {
      pair.remove(route);
      if (i % 16 === 0) pair.check(pair.edges(routes.slice(i, i + 4)), `full, ${i} removed`);
    }
    expect(pair.insert(routes[0])).toBe(true);
  });

  it('holds a full table with room to spare', { timeout: 60_000 }, () => {
    const lpm = make();
    const table = lpm.createTable();
    const next = random(13);
    const { count, lengths } = suite.many;
    for (let i = 0; i < count; i++) {
      const length = lengths[0] + next(lengths[1] - lengths[0] + 1);
      const first = bits === 32 ? next(2 ** 32) : 0x2000_0000 + next(2 ** 29);
      const address = bits === 32 ? [first | 0] : [first, next(2 ** 32) | 0, next(2 ** 32) | 0, next(2 ** 32) | 0];
      if (!lpm.insert(table, address, length, i + 1)) expect.fail(`full after ${i}`);
      if (i % 1000 === 0 && lpm.lookup(table, address) === 0) expect.fail(`${i} is not found`);
    }
    lpm.removeTable(table);
    expect(lpm.usedBytes).toBe(0);
  });
}

/** The answer key against a table whose values are numbers of routes. */
function checkKey(pair: Pair, routes: Route[], keyFile: string, where: string): void {
  const key = lines(keyFile).map((line) => line.split('\t'));
  expect(key.length).toBe(20_000);
  const name = (value: number): string => (value === 0 ? '-' : named(routes[value - 1]));
  for (let at = 0; at < key.length; at += BURST) {
    const burst = key.slice(at, at + BURST);
    const addresses = burst.map(([text]) => words(parseAddress(text), pair.bits));
    const out = pair.lpm.lookupBurst(pair.table, addresses);
    for (const [i, [text, prefix]] of burst.entries()) {
      const expected = prefix === '-' ? '-' : named(parsePrefix(prefix));
      const single = pair.lpm.lookup(pair.table, addresses[i]);
      if (name(out[i]) !== expected || single !== out[i])
        expect.fail(`${where}: ${text} has ${name(out[i])}, not ${prefix}`);
    }
  }
}

function named({ address, length }: Prefix): string {
  return `${address.toString(16)}/${length}`;
}

function testKeys(suite: Suite): void {
  it('answers as the public key, also after 10,000 removals and insertions', { timeout: 120_000 }, ({ skip }) => {
    if (!hasRoutes) skip(NO_ROUTES);
    const lpm = suite.make();
    const pair = new Pair(lpm, suite.bits);
    const empty = lpm.usedBytes;
    const routes = halfTable(suite.bits === 128);
    for (const route of routes) if (!pair.insert(route)) expect.fail('full');
    checkKey(pair, routes, suite.keyFile, 'loaded');
    const before = lpm.usedBytes;
    const next = random(17);
    const chosen = Array.from({ length: 10_000 }, () => routes[next(routes.length)]);
    for (const route of chosen) pair.remove(route);
    pair.check(pair.edges(chosen.slice(0, 2000)), '10,000 removed');
    for (const route of chosen) if (!pair.insert(route)) expect.fail('full');
    checkKey(pair, routes, suite.keyFile, 'put back');
    expect(lpm.usedBytes / before).toBeLessThan(1.02);
    for (const route of routes) pair.remove(route);
    expect(lpm.usedBytes).toBe(empty);
  });
}

export function testLpm(suite: Suite): void {
  describe(`a table of ${suite.name} prefixes`, () => {
    it('is empty at first', () => {
      const lpm = suite.make(1 << 20);
      const table = lpm.createTable();
      const addresses = [0n, (1n << BigInt(suite.bits)) - 1n].map((address) => words(address, suite.bits));
      expect(table).toBeGreaterThanOrEqual(0);
      for (const address of addresses) expect(lpm.lookup(table, address)).toBe(0);
    });
    testShapes(suite);
    testTables(suite);
    testKeys(suite);
  });
}

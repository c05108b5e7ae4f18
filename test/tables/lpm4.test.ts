import { expect, it } from 'vitest';
import { Lpm4 } from '../../src/tables/lpm4.js';
import { hasRoutes, LpmModel, lines, NO_ROUTES, parsePrefix, random, randomBits, words } from './lpm-model.js';
import { type Lpm, type Shape, testLpm } from './lpm-suite.js';

const BITS = 32;
const ALL = 0xffff_ffffn;

function make(capacity?: number): Lpm {
  const lpm = new Lpm4(capacity);
  return {
    createTable: () => lpm.createTable(),
    removeTable: (table) => lpm.removeTable(table),
    insert: (table, [address], length, value) => lpm.insert(table, address, length, value),
    remove: (table, [address], length, value, cover) => lpm.remove(table, address, length, value, cover),
    lookup: (table, [address]) => lpm.lookup(table, address),
    lookupBurst: (table, addresses) => {
      lpm.address.set(addresses.flat());
      lpm.lookupBurst(table, addresses.length);
      return lpm.value;
    },
    get usedBytes() {
      return lpm.usedBytes;
    },
  };
}

const SHAPES: Shape[] = [
  { name: 'all lengths anywhere', mask: ALL, lengths: [0, 32], values: 2 ** 24, steps: 3000 },
  { name: 'a few next hops', mask: ALL, lengths: [0, 32], values: 5, steps: 3000 },
  { name: 'nested in one /8', mask: 0x00ff_ffffn, lengths: [8, 32], values: 8170, steps: 3000 },
  { name: 'crowded in one /20', mask: 0x0000_0fffn, lengths: [16, 32], values: 9000, steps: 4000 },
  { name: 'crowded in one /24', mask: 0x0000_00ffn, lengths: [20, 32], values: 20_000, steps: 4000 },
  { name: 'few bits, all lengths', mask: 0x8180_8181n, lengths: [0, 32], values: 10_000, steps: 4000 },
  { name: 'short prefixes', mask: 0xffff_0000n, lengths: [0, 17], values: 2 ** 24, steps: 1500 },
  { name: 'a large table', mask: ALL, lengths: [0, 32], values: 9000, steps: 1500, crowd: 20_000 },
  {
    name: 'a large table in a few places',
    mask: 0x830f_ff01n,
    lengths: [1, 32],
    values: 9000,
    steps: 1500,
    crowd: 20_000,
  },
  // From here on there are DIRECT nodes: with values that fit them, with some that do not, and with children.
  {
    name: 'a very large table',
    mask: 0x07ff_ff00n,
    lengths: [6, 24],
    values: 8000,
    steps: 1500,
    crowd: 90_000,
  },
  {
    name: 'a very large table with children and high values',
    mask: 0x07ff_ffffn,
    lengths: [1, 32],
    values: 8200,
    steps: 1500,
    crowd: 90_000,
  },
];

testLpm({
  name: 'IPv4',
  bits: BITS,
  base: 0x0a14_1e28n,
  make,
  shapes: SHAPES,
  fresh: [
    '127.0.0.0/8',
    '127.0.0.1/32',
    '127.255.255.255/32',
    '0.0.0.0/0',
    '10.1.2.0/24',
    '10.1.2.0/32',
    '10.1.2.3/32',
    '10.1.2.255/32',
  ],
  keyFile: 'lpm-key-half-v4.tsv.gz',
  many: { count: 1_300_000, lengths: [16, 24] },
});

it('answers as the naive one with a table of countries', { timeout: 60_000 }, ({ skip }) => {
  if (!hasRoutes) skip(NO_ROUTES);
  const lpm = make();
  const table = lpm.createTable();
  const model = new LpmModel(BITS);
  const countries = new Map<string, number>();
  for (const line of lines('country-ipv4.txt.gz')) {
    const [text, country] = line.split(' ');
    if (!countries.has(country)) countries.set(country, countries.size + 1);
    const route = { ...parsePrefix(text), value: countries.get(country) ?? 0 };
    model.insert(route);
    if (!lpm.insert(table, words(route.address, BITS), route.length, route.value)) expect.fail('full');
  }
  const next = random(19);
  for (let i = 0; i < 100_000; i++) {
    const address = randomBits(next, BITS);
    const value = lpm.lookup(table, words(address, BITS));
    if (value !== model.longest(address).value) expect.fail(`${address.toString(16)} has ${value}`);
  }
});

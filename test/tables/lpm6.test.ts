import { Lpm6 } from '../../src/tables/lpm6.js';
import { type Lpm, type Shape, testLpm } from './lpm-suite.js';

const ALL = (1n << 128n) - 1n;

function make(capacity?: number): Lpm {
  const lpm = new Lpm6(capacity);
  return {
    createTable: () => lpm.createTable(),
    removeTable: (table) => lpm.removeTable(table),
    insert: (table, [a, b, c, d], length, value) => lpm.insert(table, a, b, c, d, length, value),
    remove: (table, [a, b, c, d], length, value, cover) => lpm.remove(table, a, b, c, d, length, value, cover),
    lookup: (table, [a, b, c, d]) => lpm.lookup(table, a, b, c, d),
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

const FORKS = 0x8001_0000_8000_0181_0000_8000_0001_0081n;
const HOSTS = 0x0003_0000_0000_0003_0000_0000_0300_0003n;
const GLOBAL = 0x1fff_ffff_ffff_ffffn << 64n;

const SHAPES: Shape[] = [
  { name: 'all lengths anywhere', mask: ALL, lengths: [0, 128], values: 2 ** 24, steps: 2000 },
  { name: 'a few next hops', mask: ALL, lengths: [0, 128], values: 5, steps: 2000 },
  { name: 'nested in one /8', mask: 0xff_ffffn << 96n, lengths: [8, 48], values: 8170, steps: 2000 },
  { name: 'crowded in one /120', mask: 0xffn, lengths: [110, 128], values: 20_000, steps: 2000 },
  { name: 'few bits, all lengths', mask: FORKS, lengths: [0, 128], values: 10_000, steps: 4000 },
  { name: 'hosts', mask: HOSTS, lengths: [128, 128], values: 100, steps: 3000 },
  { name: 'a way with few forks', mask: (1n << 88n) | 1n, lengths: [0, 128], values: 9000, steps: 2000 },
  { name: 'a large table', mask: ALL, lengths: [0, 64], values: 9000, steps: 1500, crowd: 10_000 },
  {
    name: 'a large table of global addresses',
    mask: GLOBAL,
    lengths: [0, 64],
    values: 9000,
    steps: 1500,
    crowd: 10_000,
  },
  {
    name: 'a large table of hosts in one /64',
    mask: 0xffff_ffffn,
    lengths: [0, 128],
    values: 9000,
    steps: 1500,
    crowd: 10_000,
  },
  {
    name: 'a large table with few forks above',
    mask: (0x8003n << 96n) | 0xf_ffffn,
    lengths: [1, 128],
    values: 9000,
    steps: 1500,
    crowd: 10_000,
  },
  {
    name: 'a large table with DIRECT nodes on two levels',
    mask: (0x1fn << 92n) | (0x00ff_ffffn << 68n),
    lengths: [28, 62],
    values: 8200,
    steps: 1500,
    crowd: 20_000,
  },
];

testLpm({
  name: 'IPv6',
  bits: 128,
  base: 0x2001_0db8_0000_0042_0000_0000_0000_0001n,
  make,
  shapes: SHAPES,
  fresh: [
    '::1/128',
    '::/0',
    'fe80::/64',
    'fe80::/128',
    'fe80::5054:ff:fe12:3456/128',
    'ff00::/8',
    '2001:db8:1:2::/64',
    '2001:db8:1:2::1/128',
  ],
  keyFile: 'lpm-key-half-v6.tsv.gz',
  many: { count: 300_000, lengths: [20, 64] },
});

/*
 * Longest-prefix match alone: look-ups per second and bytes a prefix with half an Internet table (450,948 IPv4 and
 * 80,075 IPv6 prefixes), beside DPDK's librte_fib with the same prefixes and keys.
 *
 * - Keys are random addresses in random prefixes of the table, so that all of it is used alike; evenly random ones,
 *   most of which have no route, or for IPv6 nothing near, are told beside it. A million of each, in bursts of 64.
 * - A value is the number of a route, as the router uses it: one for each pair of next hop and prefix length, with 64
 *   next hops. What it is with a value of its own for every prefix is told beside it.
 * - Memory is what the table's blocks take after 10,000 prefixes were taken out at random and put back.
 *
 * Each run is a process of its own, on core 1, and a second is one of its CPU time. The sums of all answers, ours and
 * DPDK's, must be equal.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { BURST } from '../src/core/arena.js';
import '../src/io/shim.js';
import '../src/io/v8-flags.js';
import { Lpm4 } from '../src/tables/lpm4.js';
import { Lpm6 } from '../src/tables/lpm6.js';
import { parseIpv4, parseIpv6 } from '../src/wire/format.js';
import { type Measure, median, type Options, type Row, round } from './measure.js';
import { missing, run } from './program.js';
import { program, root } from './twin/programs.js';
import { xorshift } from './xorshift.js';

type Family = 4 | 6;

const FILE = join(
  process.env.SLUICE_FIXTURES ?? join(root, '../shared/fixtures'),
  'routes/bart-half-table-prefixes.txt.gz',
);
const KEYS = 1 << 20;
const NEXT_HOPS = 64;
const CHURN = 10_000;
/** Seconds before anything counts, for V8 to compile. */
const WARM_UP = 1.5;

/** How the values of prefixes are given. */
type Values = 'shared' | 'own';
/** Where keys lie. */
type Spread = 'routed' | 'even';

interface Prefix {
  /** One word or four. */
  address: number[];
  length: number;
  value: number;
}

/** The words of an address from text. */
function wordsOf(text: string, family: Family): number[] {
  if (family === 4) return [parseIpv4(text) ?? 0];
  const view = new DataView((parseIpv6(text) ?? new Uint8Array(16)).buffer);
  return [0, 4, 8, 12].map((at) => view.getInt32(at));
}

function prefixes(family: Family, values: Values): Prefix[] {
  const random = xorshift(2463534242);
  const lines = gunzipSync(readFileSync(FILE)).toString().trim().split('\n');
  return lines
    .filter((line) => line.includes(':') === (family === 6))
    .map((line, i) => {
      const [address, length] = line.split('/');
      const pair = Number(length) * NEXT_HOPS + (random() % NEXT_HOPS) + 1;
      return { address: wordsOf(address, family), length: Number(length), value: values === 'own' ? i + 1 : pair };
    });
}

/** A random address in a prefix. */
function inside({ address, length }: Prefix, random: () => number): number[] {
  return address.map((word, i) => {
    const bits = Math.min(32, Math.max(0, length - 32 * i));
    const noise = random() | 0;
    return bits === 32 ? word : word | (noise >>> bits);
  });
}

/** As bench/twin/lpm.cc reads it. */
function file(family: Family, values: Values, spread: Spread): Int32Array {
  const table = prefixes(family, values);
  const random = xorshift(88675123);
  const keys: number[][] = [];
  const everywhere: Prefix = {
    address: family === 4 ? [0] : [0x2000_0000, 0, 0, 0],
    length: family === 4 ? 0 : 3,
    value: 0,
  };
  for (let i = 0; i < KEYS; i++) {
    keys.push(inside(spread === 'even' ? everywhere : table[random() % table.length], random));
  }
  return Int32Array.from([
    table.length,
    KEYS,
    ...table.flatMap(({ address, length, value }) => [...address, length, value]),
    ...keys.flat(),
  ]);
}

/** One table of either family behind the same three methods. */
interface Table {
  insert(address: Int32Array, length: number, value: number): boolean;
  remove(address: Int32Array, length: number, coverValue: number, coverLength: number): void;
  /** What `lookupBurst` looks up, and what it answers. */
  readonly address: Int32Array;
  readonly value: Int32Array;
  lookupBurst(n: number): void;
  usedBytes(): number;
  extentBytes(): number;
}

function tableOf(family: Family): Table {
  const lpm = family === 4 ? new Lpm4() : new Lpm6();
  const table = lpm.createTable();
  return {
    insert: (at, length, value) =>
      lpm instanceof Lpm4
        ? lpm.insert(table, at[0], length, value)
        : lpm.insert(table, at[0], at[1], at[2], at[3], length, value),
    remove: (at, length, value, cover) =>
      lpm instanceof Lpm4
        ? lpm.remove(table, at[0], length, value, cover)
        : lpm.remove(table, at[0], at[1], at[2], at[3], length, value, cover),
    address: lpm.address,
    value: lpm.value,
    lookupBurst: (n) => lpm.lookupBurst(table, n),
    usedBytes: () => lpm.usedBytes,
    extentBytes: () => lpm.extentBytes,
  };
}

interface Loaded {
  table: Table;
  words: Int32Array;
  count: number;
  /** Words of an address. */
  size: number;
  /** Seconds to enter all prefixes. */
  seconds: number;
}

function load(family: Family, path: string): Loaded {
  const bytes = readFileSync(path);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const table = tableOf(family);
  const size = family === 4 ? 1 : 4;
  const start = performance.now();
  for (let i = 0, at = 2; i < words[0]; i++, at += size + 2) {
    const address = words.subarray(at, at + size);
    if (!table.insert(address, words[at + size], words[at + size + 1])) throw new Error('the table is full');
  }
  return { table, words, count: words[0], size, seconds: (performance.now() - start) / 1000 };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** In a process of its own: V8 treats the arrays of a process's only tables as constants, as it does in the daemon. */
function lookUpHere(family: Family, path: string, seconds: number): void {
  const { table, words, count, size } = load(family, path);
  const keys = words.slice(2 + count * (size + 2));
  const { address, value } = table;
  const step = BURST * size;
  let sum = 0;
  const lookUpAll = (): void => {
    for (let at = 0; at < keys.length; at += step) {
      for (let i = 0; i < step; i++) address[i] = keys[at + i];
      table.lookupBurst(BURST);
    }
  };
  for (let at = 0; at < keys.length; at += step) {
    address.set(keys.subarray(at, at + step));
    table.lookupBurst(BURST);
    for (const one of value) sum += one;
  }
  const during = (time: number): number => {
    const start = cpuSeconds();
    let done = 0;
    for (; cpuSeconds() < start + time; done += KEYS) lookUpAll();
    return done / (cpuSeconds() - start) / 1e6;
  };
  during(WARM_UP);
  process.stdout.write(JSON.stringify({ value: during(seconds), sum }));
}

/** The control plane's part: which prefixes there are, by length and address. */
class Prefixes {
  private readonly values: Map<string, number>[] = Array.from({ length: 129 }, () => new Map<string, number>());

  private key(address: Int32Array, length: number): string {
    return Array.from(address, (word, i) => {
      const bits = Math.min(32, Math.max(0, length - 32 * i));
      return bits === 0 ? 0 : word & (-1 << (32 - bits));
    }).join();
  }

  add(address: Int32Array, length: number, value: number): void {
    this.values[length].set(this.key(address, length), value);
  }

  remove(address: Int32Array, length: number): void {
    this.values[length].delete(this.key(address, length));
  }

  /** The next shorter prefix that covers this one: its value and length. */
  cover(address: Int32Array, length: number): [value: number, length: number] {
    for (let shorter = length - 1; shorter >= 0; shorter--) {
      const value = this.values[shorter].get(this.key(address, shorter));
      if (value !== undefined) return [value, shorter];
    }
    return [0, 0];
  }
}

function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = 0; i < CHURN; i++) {
    const other = i + (random() % (count - i));
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order.slice(0, CHURN);
}

interface Memory {
  /** Bytes a prefix, and from the pool's start to its last block in use. */
  value: number;
  extent: number;
  loadMs: number;
  /** Microseconds of a change: the median, the 99th percentile and the longest. */
  p50: number;
  p99: number;
  max: number;
}

/** Takes prefixes out at random and puts them back; times each change. */
function churn({ table, words, size, count }: Loaded): number[] {
  const random = xorshift(521288629);
  const known = new Prefixes();
  const prefix = (i: number): [Int32Array, number, number] => {
    const at = 2 + i * (size + 2);
    return [words.subarray(at, at + size), words[at + size], words[at + size + 1]];
  };
  for (let i = 0; i < count; i++) known.add(...prefix(i));
  const times: number[] = [];
  const timed = (work: () => void): void => {
    const start = performance.now();
    work();
    times.push((performance.now() - start) * 1000);
  };
  const chosen = shuffled(count, random);
  for (const i of chosen) {
    const [address, length] = prefix(i);
    const [value, cover] = known.cover(address, length);
    timed(() => table.remove(address, length, value, cover));
    known.remove(address, length);
  }
  for (const i of chosen) timed(() => table.insert(...prefix(i)));
  return times.sort((x, y) => x - y);
}

function weighHere(family: Family, path: string): void {
  const loaded = load(family, path);
  const times = churn(loaded);
  const { table, count, seconds } = loaded;
  const memory: Memory = {
    value: table.usedBytes() / count,
    extent: table.extentBytes() / count,
    loadMs: seconds * 1000,
    p50: times[times.length >> 1],
    p99: times[Math.floor(times.length * 0.99)],
    max: times[times.length - 1],
  };
  process.stdout.write(JSON.stringify(memory));
}

interface Run {
  /** Look-ups per microsecond. */
  value: number;
  /** Of all answers. */
  sum: number;
}

/** A folder with the files that runs need, each made when first asked for. */
class Files {
  private readonly folder = mkdtempSync(join(tmpdir(), 'sluice-lpm-'));

  path(family: Family, values: Values, spread: Spread): string {
    const path = join(this.folder, `${family}-${values}-${spread}`);
    if (!existsSync(path)) writeFileSync(path, file(family, values, spread));
    return path;
  }

  /** Runs this file in a process of its own. */
  apart(verb: string, family: Family, path: string, seconds: number): string {
    const here = fileURLToPath(import.meta.url);
    return run(['taskset', '-c', '1', process.execPath, here, verb, String(family), path, String(seconds)]);
  }

  dpdk(family: Family, path: string, seconds: number, bits: number): Run {
    const env = { ...process.env, RUNTIME_DIRECTORY: this.folder };
    return JSON.parse(run([program('lpm'), String(family), path, String(seconds), String(bits)], { env })) as Run;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** DPDK's look-up in its older library and in its newer one, as it comes and with the widest vectors. */
const PEERS: { name: string; bits: number }[] = [
  { name: 'DPDK rte_lpm', bits: 0 },
  { name: 'DPDK rte_fib', bits: 256 },
  { name: 'DPDK rte_fib AVX-512', bits: 512 },
];

function dpdkAbsent(): string | undefined {
  const command = missing('g++', 'pkg-config');
  if (command !== undefined) return command;
  try {
    run(['pkg-config', '--exists', 'libdpdk']);
    return undefined;
  } catch {
    return "DPDK's development files are not installed";
  }
}

const blank = { runs: [], peer: null, peer_value: null, ratio: null, cpu_s_per_mpkt: null };

const LOOKUP_TARGETS = { 4: { least: 20, goal: 80 }, 6: { least: 6, goal: 20 } };
const RATIO_TARGET = { least: 0.5, goal: 1 };
const MEMORY_TARGETS = { 4: { least: 24, goal: 6 }, 6: { least: 48, goal: 12 } };

function tellBeside(name: string, family: Family, files: Files, options: Options): void {
  for (const [values, spread] of [
    ['shared', 'even'],
    ['own', 'routed'],
  ] as const) {
    const path = files.path(family, values, spread);
    const { value } = JSON.parse(files.apart('look', family, path, options.seconds)) as Run;
    const what =
      spread === 'even' ? `keys even over ${family === 4 ? 'all addresses' : '2000::/3'}` : 'a value for each prefix';
    options.say(`${name}: ${what}: ${value.toFixed(2)} M/s`);
  }
}

function lookUpRows(name: string, family: Family, files: Files, options: Options): Row[] {
  const path = files.path(family, 'shared', 'routed');
  const absent = dpdkAbsent();
  const own: Run[] = [];
  const others: Run[][] = PEERS.map(() => []);
  for (let i = 0; i < options.rounds; i++) {
    own.push(JSON.parse(files.apart('look', family, path, options.seconds)) as Run);
    if (absent === undefined) {
      for (const [k, { bits }] of PEERS.entries()) others[k].push(files.dpdk(family, path, options.seconds, bits));
    }
    const values = [own[i], ...others.flatMap((runs) => runs[i] ?? [])].map((one) => one.value.toFixed(2));
    options.say(`${name}: ${values.join(', ')} M/s`);
    if (others.flat().some(({ sum }) => sum !== own[0].sum)) throw new Error(`${name}: DPDK has other answers`);
  }
  tellBeside(name, family, files, options);
  return rowsOf(name, family, own, others, absent);
}

function rowsOf(name: string, family: Family, own: Run[], others: Run[][], absent: string | undefined): Row[] {
  const values = (runs: Run[]): number[] => runs.map(({ value }) => round(value));
  const value = round(median(values(own)));
  const base: Row = { ...blank, name, unit: 'M/s', value, runs: values(own), ...LOOKUP_TARGETS[family] };
  if (absent !== undefined) return [{ ...base, skipped: `${PEERS[0].name}: ${absent}` }];
  const compared = PEERS.map(({ name: peer }, i) => {
    const peerValue = round(median(values(others[i])));
    const { least: _least, goal: _goal, ...rest } = base;
    const figures = { peer, peer_value: peerValue, peer_runs: values(others[i]), ratio: round(value / peerValue) };
    return { ...rest, ...figures, ...(i === 0 ? RATIO_TARGET : {}) };
  });
  return [base, ...compared];
}

function memoryRow(name: string, family: Family, values: Values, files: Files, options: Options): Row {
  const memory = JSON.parse(files.apart('weigh', family, files.path(family, values, 'routed'), 0)) as Memory;
  const { p50, p99, max, extent, loadMs } = memory;
  options.say(
    `${name}: ${memory.value.toFixed(2)} B (${extent.toFixed(2)} with holes), loaded in ${loadMs.toFixed(0)} ms, ` +
      `a change takes ${p50.toFixed(1)} µs, p99 ${p99.toFixed(1)}, at most ${max.toFixed(0)}`,
  );
  const value = round(memory.value);
  return { ...blank, name, unit: 'B/prefix', value, runs: [value], ...MEMORY_TARGETS[family], below: true };
}

const ROWS: Record<string, (name: string, files: Files, options: Options) => Row[]> = {
  'lpm-ipv4': (name, files, options) => lookUpRows(name, 4, files, options),
  'lpm-ipv6': (name, files, options) => lookUpRows(name, 6, files, options),
  'lpm-memory-ipv4': (name, files, options) => [memoryRow(name, 4, 'shared', files, options)],
  'lpm-memory-ipv6': (name, files, options) => [memoryRow(name, 6, 'shared', files, options)],
  'lpm-memory-own-ipv4': (name, files, options) => [memoryRow(name, 4, 'own', files, options)],
  'lpm-memory-own-ipv6': (name, files, options) => [memoryRow(name, 6, 'own', files, options)],
};

export const lpm: Measure = {
  names: Object.keys(ROWS),
  about: 'longest-prefix match alone, with half an Internet table: look-ups with random keys, and memory',
  run: async (names, options) => {
    if (!existsSync(FILE)) {
      const skipped = 'the fixture routes are absent: set SLUICE_FIXTURES';
      return names.map((name) => ({ ...blank, name, unit: '', value: null, skipped }));
    }
    const files = new Files();
    try {
      return names.flatMap((name) => ROWS[name](name, files, options));
    } finally {
      files.remove();
    }
  },
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [verb, family, path, seconds] = process.argv.slice(2);
  if (verb === 'look') lookUpHere(Number(family) as Family, path, Number(seconds));
  else weighHere(Number(family) as Family, path);
}

/*
 * A chain of rules alone: what a packet's walk through ten rules takes, and through all of a set. 8,192 headers out of the rules'
 * boxes (one in eight out of nowhere), so that each meets another rule. Every rule accepts. Each measurement has a process of its own.
 *
 *   acl, fw      ClassBench's acl2_10k and fw2_10k      services   100,000 as kube-proxy has them, an address and a port each
 *   ipc          ClassBench's ipc1_1k                   copies     100,000 rules: acl2_10k ten times, addresses moved elsewhere
 *   change       one rule put in at a random place of `copies` and taken out again
 *   stage        10,000 rules put into a chain that nobody calls, which is then swapped in
 */
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import '../src/io/shim.js';
import '../src/io/v8-flags.js';
import { Key, Packet } from '../src/core/packet.js';
import { ChainFlag } from '../src/netfilter/chains.js';
import { Family, Hook, TableId, Verdict } from '../src/netfilter/rule.js';
import { Rules, RulesOp } from '../src/netfilter/rules.js';
import { Traverse } from '../src/netfilter/traverse.js';
import {
  hasClassbench,
  insertOp,
  multiply,
  NO_CLASSBENCH,
  packetsFor,
  type Row as RuleRow,
  readSet,
  services,
} from './classbench.js';
import { type Measure, median, type Options, type Row, round } from './measure.js';
import { run } from './program.js';
import { xorshift } from './xorshift.js';

const CHAIN = 1;
const HEADERS = 8192;
/** Packets between two looks at the clock. */
const SLICE = 1024;
const TEN = 10;
const MANY = 100_000;
const CHANGES = 20_000;
const STAGES = 9;
const random = xorshift(20_260);

const sets: Record<string, () => RuleRow[]> = {
  acl: () => readSet('acl2_10k'),
  fw: () => readSet('fw2_10k'),
  ipc: () => readSet('ipc1_1k'),
  services: () => services(MANY, random),
  copies: () => multiply(readSet('acl2_10k'), MANY, random),
};

/** Words of a prepared header, as in the key. */
const FIELDS = [Key.SOURCE, Key.DESTINATION, Key.PROTOCOL, Key.SOURCE_PORT, Key.DESTINATION_PORT];

function fill(rules: Rules, chain: number, set: readonly RuleRow[], first: number): void {
  set.forEach((row, i) => {
    rules.apply(insertOp(chain, i === 0 ? 0 : first + i - 1, first + i, row));
  });
}

function withChain(set: readonly RuleRow[]): Rules {
  const rules = new Rules();
  const flags = ChainFlag.COUNTED;
  rules.apply(Int32Array.of(RulesOp.ADD_CHAIN, CHAIN, 0, Family.IPV4, TableId.FILTER, Hook.FORWARD, flags));
  fill(rules, CHAIN, set, 1);
  return rules;
}

/** Only the fields that differ, so that the headers take little room. */
function prepare(set: readonly RuleRow[]): Int32Array {
  const keys = packetsFor(set, HEADERS, random);
  const headers = new Int32Array(HEADERS * FIELDS.length);
  for (let i = 0; i < HEADERS; i++)
    FIELDS.forEach((field, k) => {
      headers[i * FIELDS.length + k] = keys[i * Key.WORDS + field];
    });
  return headers;
}

/** Nanoseconds a packet: the median of slices. */
function timeWalks(rules: Rules, headers: Int32Array, seconds: number): number {
  const packet = new Packet();
  packet.length = 1500;
  const { key } = packet;
  const traverse = new Traverse(rules, packet, {
    matches: { run: () => true },
    targets: { run: () => Verdict.CONTINUE },
    patterns: { has: () => true },
    drop: () => undefined,
  });
  const slice = (from: number): void => {
    for (let at = from * 5, end = at + SLICE * 5; at < end; at += 5) {
      key[Key.SOURCE] = headers[at];
      key[Key.DESTINATION] = headers[at + 1];
      key[Key.PROTOCOL] = headers[at + 2];
      key[Key.SOURCE_PORT] = headers[at + 3];
      key[Key.DESTINATION_PORT] = headers[at + 4];
      traverse.hitCount = 0;
      traverse.run(CHAIN);
    }
  };
  const times: number[] = [];
  const until = performance.now() + seconds * 1000;
  for (let from = 0, began = performance.now(); began < until; from = (from + SLICE) % HEADERS) {
    slice(from);
    const now = performance.now();
    times.push((now - began) / SLICE);
    began = now;
  }
  // The first quarter warms up.
  return median(times.slice(times.length >> 2)) * 1e6;
}

function measureWalk(name: string, count: number, seconds: number): void {
  const set = sets[name]();
  const step = count === 0 ? 1 : Math.floor(set.length / count);
  const rules = withChain(set.filter((_row, i) => i % step === 0).slice(0, count === 0 ? set.length : count));
  print(timeWalks(rules, prepare(set), seconds));
}

/** Microseconds a change, all but the slowest one in a hundred: that one met another process. */
function measureChange(): void {
  const set = sets.copies();
  const rules = withChain(set);
  const times: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const op = insertOp(CHAIN, random() % set.length, set.length + 1, set[random() % set.length]);
    const began = performance.now();
    rules.apply(op);
    rules.apply(Int32Array.of(RulesOp.REMOVE_RULE, set.length + 1));
    times.push(performance.now() - began);
  }
  print(times.sort((a, b) => a - b)[Math.floor(CHANGES * 0.99)] * 1000);
}

/** Milliseconds that 10,000 rules take, of several times the median: a daemon has done it before. */
function measureStage(): void {
  const set = sets.acl();
  const rules = withChain(set.slice(0, TEN));
  const times: number[] = [];
  for (let time = 0; time < STAGES; time++) {
    const first = MANY + time * set.length;
    rules.apply(Int32Array.of(RulesOp.ADD_CHAIN, 2 + time, 0, Family.IPV4, TableId.FILTER, -1, 0));
    const ops = set.map((row, i) => insertOp(2 + time, i === 0 ? 0 : first + i - 1, first + i, row));
    const began = performance.now();
    for (const op of ops) rules.apply(op);
    rules.apply(Int32Array.of(RulesOp.SWAP_CHAINS, CHAIN, 2 + time));
    times.push(((performance.now() - began) * 10_000) / set.length);
  }
  print(median(times));
}

function print(value: number): void {
  process.stdout.write(JSON.stringify(value));
}

const FILE = fileURLToPath(import.meta.url);

function measureApart(words: (string | number)[], options: Options): number[] {
  return Array.from({ length: options.rounds }, () => {
    const value = Number(run(['taskset', '-c', '1', process.execPath, FILE, ...words.map(String)]));
    options.say(`core-rules ${words.join(' ')}: ${value.toFixed(1)}`);
    return value;
  });
}

const WITHOUT_PEER = { peer: null, peer_value: null, ratio: null, cpu_s_per_mpkt: null } as const;

/** Packets a second through all rules beside ten, and what all take longer. */
function rowsOfWalk(name: string, least: number, goal: number, options: Options): Row[] {
  const ten = measureApart(['walk', name, TEN, options.seconds], options);
  const all = measureApart(['walk', name, 0, options.seconds], options);
  const mpps = (times: number[]): number[] => times.map((ns) => round(1000 / ns));
  const more = all.map((ns, i) => round(ns - ten[i]));
  return [
    {
      name: `core-rules-${name}`,
      unit: 'Mpps',
      value: round(median(mpps(all))),
      runs: mpps(all),
      peer: 'ten rules',
      peer_value: round(median(mpps(ten))),
      ratio: round(median(ten) / median(all)),
      cpu_s_per_mpkt: null,
    },
    {
      ...WITHOUT_PEER,
      name: `core-rules-${name}`,
      unit: 'ns more than ten rules',
      value: round(median(more)),
      runs: more,
      least,
      goal,
      below: true,
    },
  ];
}

function rowOfChange(name: string, unit: string, least: number, goal: number, options: Options): Row {
  const runs = measureApart([name], options);
  const value = round(median(runs));
  return { ...WITHOUT_PEER, name: `core-rules-${name}`, unit, value, runs: runs.map(round), least, goal, below: true };
}

const measures: Record<string, (options: Options) => Row[]> = {
  'core-rules-acl': (options) => rowsOfWalk('acl', 80, 40, options),
  'core-rules-fw': (options) => rowsOfWalk('fw', 80, 40, options),
  'core-rules-ipc': (options) => rowsOfWalk('ipc', 80, 40, options),
  'core-rules-services': (options) => rowsOfWalk('services', 100, 50, options),
  'core-rules-copies': (options) => rowsOfWalk('copies', 400, 200, options),
  'core-rules-change': (options) => [rowOfChange('change', 'µs', 100, 10, options)],
  'core-rules-stage': (options) => [rowOfChange('stage', 'ms', 15, 10, options)],
};

function skippedRow(name: string): Row {
  return { ...WITHOUT_PEER, name, unit: 'Mpps', value: null, runs: [], skipped: NO_CLASSBENCH };
}

export const coreRules: Measure = {
  names: Object.keys(measures),
  about: 'one chain of rules alone: ClassBench’s sets, 100,000 services, changes',
  run: async (names, options) =>
    names.flatMap((name) => (hasClassbench() ? measures[name](options) : [skippedRow(name)])),
};

if (process.argv[1] === FILE) {
  const [kind, name, count, seconds] = process.argv.slice(2);
  if (kind === 'walk') measureWalk(name, Number(count), Number(seconds));
  else if (kind === 'change') measureChange();
  else measureStage();
}

/*
 * The router with many rules: datagrams from one memory port to another through ten rules of FORWARD and through all of a ClassBench set,
 * headers out of the set's rules: 8,192 of them, which the walk cache holds, or for `cold` so many that it never holds the next one. Every rule accepts, so the same packets come out. A figure is the share of the rate with ten rules that is left. Each measurement
 * has a process of its own.
 */
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { BURST } from '../src/core/arena.js';
import { Key } from '../src/core/packet.js';
import { LoopPort } from '../src/io/memory-port.js';
import { ChainFlag } from '../src/netfilter/chains.js';
import { Family, Hook, TableId } from '../src/netfilter/rule.js';
import { RulesOp } from '../src/netfilter/rules.js';
import { measureAlone } from './alone.js';
import {
  hasClassbench,
  insertOp,
  multiply,
  NO_CLASSBENCH,
  packetsFor,
  type Row as RuleRow,
  readSet,
} from './classbench.js';
import { type Bed, bed, datagram, IN, OUT, Sink, STRIDE, WORDS } from './core-bed.js';
import { type Measure, median, type Options, type Row, round } from './measure.js';
import { run } from './program.js';
import { xorshift } from './xorshift.js';

const CHAIN = 1;
const FRAMES = 8192;
const COLD_FRAMES = 1 << 18;
const TEN = 10;
const ROUNDS_OF_WORK = 100;
const random = xorshift(20_261);

/** 10,000 rules of each kind; of ipc there are 1,000, taken ten times with their addresses moved elsewhere. */
const sets: Record<string, () => RuleRow[]> = {
  acl: () => readSet('acl2_10k'),
  fw: () => readSet('fw2_10k'),
  ipc: () => multiply(readSet('ipc1_1k'), 10_000, random),
};

/** Addresses that a router forwards. */
function isOrdinary(address: number): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

function prepare(set: readonly RuleRow[], frames: number): Int32Array {
  const keys = packetsFor(set, frames * 2, random);
  const words = new Int32Array(frames * STRIDE);
  let n = 0;
  for (let at = 0; n < frames; at = (at + Key.WORDS) % keys.length) {
    const [source, destination] = [keys[at + Key.SOURCE], keys[at + Key.DESTINATION]];
    if (!isOrdinary(source) || !isOrdinary(destination)) continue;
    const ports = [keys[at + Key.SOURCE_PORT], keys[at + Key.DESTINATION_PORT]];
    datagram(words, n++, IN, [source, ports[0]], [destination, ports[1]], keys[at + Key.PROTOCOL]);
  }
  return words;
}

function addRules({ dataplane }: Bed, rules: readonly RuleRow[]): void {
  const { netfilter } = dataplane;
  const flags = ChainFlag.COUNTED;
  netfilter.apply(Int32Array.of(RulesOp.ADD_CHAIN, CHAIN, 0, Family.IPV4, TableId.FILTER, Hook.FORWARD, flags));
  rules.forEach((row, i) => {
    netfilter.apply(insertOp(CHAIN, i, i + 1, row));
  });
}

function measureHere(name: string, count: number, isCold: boolean, seconds: number): void {
  const set = sets[name]();
  const step = count === 0 ? 1 : Math.floor(set.length / count);
  const made = bed();
  addRules(made, set.filter((_row, i) => i % step === 0).slice(0, count === 0 ? set.length : count));
  const { dataplane, engine } = made;
  const sink = new Sink();
  dataplane.egress.ports[OUT] = sink;
  dataplane.egress.ports[IN] = new LoopPort(
    dataplane.arena,
    prepare(set, isCold ? COLD_FRAMES : FRAMES),
    STRIDE,
    WORDS,
  );
  engine.activate(IN);
  const work = (): void => {
    for (let i = 0; i < ROUNDS_OF_WORK; i++) {
      const now = performance.now() | 0;
      engine.round(now);
      engine.timers(now);
    }
  };
  measureAlone(work, ROUNDS_OF_WORK * BURST, seconds, () => sink.transmitted);
}

const FILE = fileURLToPath(import.meta.url);

function rate(name: string, count: number, isCold: boolean, options: Options): number {
  const words = [name, count, Number(isCold), options.seconds].map(String);
  const line = run(['taskset', '-c', '1', process.execPath, FILE, ...words]);
  const { value } = JSON.parse(line) as { value: number };
  options.say(
    `forward-${isCold ? 'cold-' : ''}${name}: ${count === 0 ? 'all' : count} rules: ${value.toFixed(2)} Mpps`,
  );
  return value;
}

function rowOf(name: string, isCold: boolean, options: Options): Row {
  const [all, ten]: [number[], number[]] = [[], []];
  for (let i = 0; i < options.rounds; i++) {
    all.push(rate(name, 0, isCold, options));
    ten.push(rate(name, TEN, isCold, options));
  }
  return {
    name: `forward-${isCold ? 'cold-' : ''}${name}`,
    unit: 'Mpps',
    value: round(median(all)),
    runs: all.map(round),
    peer: 'Sluice with 10 rules',
    peer_value: round(median(ten)),
    peer_runs: ten.map(round),
    ratio: round(median(all) / median(ten)),
    cpu_s_per_mpkt: null,
    least: 0.8,
    goal: 0.97,
  };
}

/** Name of the figure: set, and whether headers come again. */
const figures = new Map<string, [string, boolean]>(
  [false, true].flatMap((isCold) =>
    Object.keys(sets).map((name): [string, [string, boolean]] => [
      `forward-${isCold ? 'cold-' : ''}${name}`,
      [name, isCold],
    ]),
  ),
);

export const coreForward: Measure = {
  names: [...figures.keys()],
  about: 'forwarding alone through 10,000 ClassBench rules, beside 10 of them; cold: no header comes again soon',
  run: async (names, options) =>
    [...figures]
      .filter(([name]) => names.includes(name))
      .map(([name, [set, isCold]]) => (hasClassbench() ? rowOf(set, isCold, options) : skipped(name))),
};

function skipped(name: string): Row {
  const nothing = { peer: null, peer_value: null, ratio: null, cpu_s_per_mpkt: null };
  return { ...nothing, name, unit: 'Mpps', value: null, runs: [], skipped: NO_CLASSBENCH };
}

if (process.argv[1] === FILE) {
  const [name, count, isCold, seconds] = process.argv.slice(2);
  measureHere(name, Number(count), isCold === '1', Number(seconds));
}

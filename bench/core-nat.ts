/*
 * NAT alone: UDP from one memory port to another through SNAT and a rule of FORWARD, as many flows as wanted in random order. Each measurement has a
 * process of its own.
 *
 *   100k, 1m     packets of so many established flows in random order: look-up, tracker, both checksums, route, MACs
 *   new          first packets, each of another flow, where as many flows have been before and are forgotten: rows and tables are as large
 *                as they must be and their memory has been touched, as in a router that has run for a while
 *   flood        the same in a router that has just started: the tables begin empty and grow, and the kernel clears each page of memory when it
 *                is touched first
 *   memory       resident memory that a flow takes: what the process has grown by after such a flood
 *
 * A flow is established once its first packet has been sent, and its answer.
 */
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Direction, Flow, Status } from '../src/conntrack/flows.js';
import { CtSetting } from '../src/conntrack/settings.js';
import { BURST } from '../src/core/arena.js';
import type { Dataplane } from '../src/datapath.js';
import { LoopPort } from '../src/io/memory-port.js';
import { CtStateBit, Extension, NatFlag, NatRange, Op, OpWord } from '../src/netfilter/ops.js';
import { Family, Hook, Rule, TableId, Target } from '../src/netfilter/rule.js';
import { InsertRule, RulesOp } from '../src/netfilter/rules.js';
import { measureAlone, type Run, rowAlone } from './alone.js';
import {
  type Bed,
  bed,
  datagram,
  datagram6,
  IN,
  OUT,
  Sink,
  type Socket,
  type Socket6,
  STRIDE,
  send,
  WORDS,
} from './core-bed.js';
import type { Measure, Options, Row } from './measure.js';
import { xorshift } from './xorshift.js';

const ROUNDS_OF_WORK = 100;
/** Addresses that flows are translated to: 203.0.113.0 … 63, 2001:db8:3:: … ::3f. */
const POOL = [(203 << 24) | (113 << 8)];
const POOL6 = [0x20010db8, 0x00030000, 0, 0];
const POOL_SIZE = 64;
/** Before anything is counted, so that all is compiled: flows that are forgotten again. */
const WARM_UP = 1 << 16;

/** The sockets of flow `n`: 64 clients, a port of theirs for each flow, 16 servers. */
function flowOf(n: number): [Socket, Socket] {
  const client = (192 << 24) | (168 << 16) | (n & 63) | 0x100;
  const server = (198 << 24) | (18 << 16) | (Math.imul(n, 0x9e3779b1) >>> 28) | 0x100;
  return [
    [client, 1024 + (n >> 6)],
    [server, 53],
  ];
}

/** The same of IPv6: clients in 2001:db8:1::/64, servers in 2001:db8:2::/64. */
function flow6Of(n: number): [Socket6, Socket6] {
  const [[client, source], [server, destination]] = flowOf(n);
  return [
    [[0x20010db8, 0x00010000, 0, client & 0xffff], source],
    [[0x20010db8, 0x00020000, 0, server & 0xffff], destination],
  ];
}

/** A rule at the head of a chain. */
function insert(chain: number, rule: number, row: Int32Array, program: number[], words: number[]): number[] {
  const head = new Array<number>(InsertRule.ROW).fill(0);
  head[0] = RulesOp.INSERT_RULE;
  head[InsertRule.CHAIN] = chain;
  head[InsertRule.RULE] = rule;
  head[InsertRule.PROGRAM_WORDS] = program.length;
  head[InsertRule.ARGUMENT_WORDS] = words.length;
  return [...head, ...row, ...program, ...words];
}

/** -t nat -A POSTROUTING -o OUT -j SNAT --to-source POOL; -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT. */
function addRules({ netfilter }: Dataplane, family: Family): void {
  const pool = family === Family.IPV6 ? POOL6 : POOL;
  const range = new Array<number>(NatRange.WORDS).fill(0);
  range[NatRange.FLAGS] = NatFlag.ADDRESSES;
  pool.forEach((word, i) => {
    range[NatRange.FIRST + i] = word;
    range[NatRange.LAST + i] = word;
  });
  range[NatRange.LAST + pool.length - 1] += POOL_SIZE - 1;
  const snat = new Int32Array(Rule.WORDS);
  snat[Rule.TARGET] = Extension.SNAT;
  snat[Rule.LINKS] = 1 << 16;
  const accept = new Int32Array(Rule.WORDS);
  accept[Rule.TARGET] = Target.ACCEPT;
  const established = [Op.CT_STATE | (2 << OpWord.LENGTH_SHIFT), CtStateBit.ESTABLISHED | CtStateBit.RELATED, Op.END];
  netfilter.patterns.define(1, true);
  netfilter.patterns.add(1, OUT);
  const chains = [
    [RulesOp.ADD_CHAIN, 1, 0, family, TableId.NAT, Hook.POSTROUTING, 0],
    [RulesOp.ADD_CHAIN, 2, 0, family, TableId.FILTER, Hook.FORWARD, 0],
  ];
  const rules = [...insert(1, 1, snat, [], range), ...insert(2, 2, accept, established, [])];
  if (!netfilter.apply(Int32Array.from([...chains.flat(), ...rules]))) throw new Error('the rules do not fit');
  netfilter.setTracking(0, family, true);
}

// --- traffic ---------------------------------------------------------------------------------------

/** The first packets of flows from `first` on, in an order of no order. */
function firstPackets({ family }: Bed, first: number, count: number): Int32Array {
  const random = xorshift(815);
  const order = Uint32Array.from({ length: count }, (_, n) => n);
  for (let i = count - 1; i > 0; i--) {
    const k = random() % (i + 1);
    [order[i], order[k]] = [order[k], order[i]];
  }
  const words = new Int32Array(count * STRIDE);
  order.forEach((n, i) => {
    if (family === Family.IPV6) datagram6(words, i, IN, ...flow6Of(first + n));
    else datagram(words, i, IN, ...flowOf(first + n));
  });
  return words;
}

/** Tells of each flow there is whose source has been changed; answers how many there are. */
function eachTranslated(made: Bed, tell: (at: number, n: number) => void = () => {}): number {
  const { words, width, end } = made.dataplane.netfilter.conntrack.flows[made.family];
  let n = 0;
  for (let at = width; at < end * width; at += width) {
    if (words[at + Flow.KIND] !== 0 && (words[at + Flow.STATUS] & Status.SRC_NAT) !== 0) tell(at, n++);
  }
  return n;
}

/** The answers to the flows there are, `count` of them. */
function answers(made: Bed, count: number): Int32Array {
  const store = made.dataplane.netfilter.conntrack.flows[made.family];
  const { words, addressWords } = store;
  const frames = new Int32Array(count * STRIDE);
  const there = eachTranslated(made, (row, n) => {
    if (n >= count) return;
    const at = store.tuple(row, Direction.REPLY);
    const [source, destination] = [at, at + addressWords].map((from) => [...words.subarray(from, from + addressWords)]);
    const ports = words[at + 2 * addressWords];
    if (made.family === Family.IPV4)
      datagram(frames, n, OUT, [source[0], ports >>> 16], [destination[0], ports & 0xffff]);
    else datagram6(frames, n, OUT, [source, ports >>> 16], [destination, ports & 0xffff]);
  });
  if (there !== count) throw new Error(`there are ${there} flows in place of ${count}`);
  return frames;
}

function sent({ dataplane }: Bed): number {
  return (dataplane.egress.ports[OUT] as Sink).transmitted;
}

/** Ends all flows; rows and tables stay as large as they are. */
function forget({ dataplane }: Bed): void {
  const { conntrack } = dataplane.netfilter;
  conntrack.forgetNamespace(0, performance.now() | 0);
  conntrack.settings[CtSetting.MAX] = 1 << 22;
  // However slow the machine is, no flow expires meanwhile.
  conntrack.settings[CtSetting.UDP] = 1e9;
  conntrack.settings[CtSetting.UDP_STREAM] = 1e9;
}

/** A bed on which everything has run often enough to be compiled, with no flows. */
function warmBed(family: Bed['family'] = Family.IPV4): Bed {
  const made = bed(family);
  addRules(made.dataplane, family);
  for (const link of [IN, OUT]) made.dataplane.egress.ports[link] = new Sink();
  send(made, IN, firstPackets(made, 0, WARM_UP));
  send(made, OUT, answers(made, WARM_UP));
  forget(made);
  return made;
}

function measureEstablished(flows: number, seconds: number): void {
  const made = warmBed();
  const frames = firstPackets(made, 0, flows);
  send(made, IN, frames);
  send(made, OUT, answers(made, flows));
  const { dataplane, engine } = made;
  const sink = new Sink();
  dataplane.egress.ports[OUT] = sink;
  dataplane.egress.ports[IN] = new LoopPort(dataplane.arena, frames, STRIDE, WORDS);
  engine.activate(IN);
  const before = dataplane.links.counters[IN << 4];
  const work = (): void => {
    for (let i = 0; i < ROUNDS_OF_WORK; i++) {
      const now = performance.now() | 0;
      engine.round(now);
      engine.timers(now);
    }
  };
  measureAlone(work, ROUNDS_OF_WORK * BURST, seconds, () => {
    const received = dataplane.links.counters[IN << 4] - before;
    if (sink.transmitted !== received) throw new Error(`forwarded ${sink.transmitted} of ${received} frames`);
    return received;
  });
}

/** Begins flows with frames that are the first of each, and makes sure that all have left, translated. */
function begin(made: Bed, frames: Int32Array): Run {
  const already = sent(made);
  const flows = frames.length / STRIDE;
  const cpu = process.cpuUsage();
  const seconds = send(made, IN, frames);
  const { user, system } = process.cpuUsage(cpu);
  const [left, changed] = [sent(made) - already, eachTranslated(made)];
  if (left !== flows || changed !== flows) throw new Error(`sent ${left}, translated ${changed} of ${flows} flows`);
  return { value: flows / seconds / 1e6, cpu: (user + system) / flows };
}

/** Frees what nobody has any more; what the first call finds is given back before the second ends. */
function collect(): void {
  globalThis.gc?.();
  globalThis.gc?.();
}

function measureNew(flows: number): void {
  const made = warmBed();
  begin(made, firstPackets(made, 0, flows));
  forget(made);
  const frames = firstPackets(made, flows, flows);
  collect();
  process.stdout.write(JSON.stringify(begin(made, frames)));
}

function measureFlood(flows: number): void {
  const made = warmBed();
  const frames = firstPackets(made, 0, flows);
  collect();
  process.stdout.write(JSON.stringify(begin(made, frames)));
}

/** Resident bytes, without what is free of the JavaScript heap: how much of that is given back, and when, has nothing to do with flows. */
function residentBytes(): number {
  collect();
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return rss - (heapTotal - heapUsed);
}

function measureMemory(family: Bed['family'], flows: number): void {
  const made = warmBed(family);
  const frames = firstPackets(made, 0, flows);
  const before = residentBytes();
  begin(made, frames);
  const grown = residentBytes() - before;
  // The rows of the warm-up were there already. Frames have to be until here, lest their end be taken for growth less.
  const own: Run = { value: grown / (frames.length / STRIDE - WARM_UP) };
  process.stdout.write(JSON.stringify(own));
}

// --- rows ------------------------------------------------------------------------------------------

const FILE = fileURLToPath(import.meta.url);
const MILLION = 1 << 20;

/** What a process of its own can measure, by the number it is told. */
const kinds: ReadonlyArray<(flows: number, seconds: number) => void> = [
  measureEstablished,
  measureNew,
  measureFlood,
  (flows) => measureMemory(Family.IPV4, flows),
  (flows) => measureMemory(Family.IPV6, flows),
];

const bytes = { unit: 'B/flow', below: true } as const;

const measures: Record<string, (name: string, options: Options) => Row> = {
  'core-nat-100k': (name, options) => rowAlone({ name, least: 5, goal: 12 }, FILE, [0, 1 << 17], options),
  'core-nat-1m': (name, options) => rowAlone({ name, least: 2.5, goal: 8 }, FILE, [0, MILLION], options),
  'core-nat-new': (name, options) => rowAlone({ name, least: 0.5, goal: 2 }, FILE, [1, MILLION], options),
  'core-nat-flood': (name, options) => rowAlone({ name }, FILE, [2, MILLION], options),
  'core-nat-memory-ipv4': (name, options) =>
    rowAlone({ name, ...bytes, least: 128, goal: 96 }, FILE, [3, MILLION], options),
  'core-nat-memory-ipv6': (name, options) =>
    rowAlone({ name, ...bytes, least: 192, goal: 160 }, FILE, [4, MILLION], options),
};

export const coreNat: Measure = {
  names: Object.keys(measures),
  about:
    'SNAT alone between two memory ports: established flows in random order; new ones, in tables that have been as full before and in such that begin empty (in Mpps, which are millions of flows a second); and memory of a flow',
  run: async (names, options) => names.map((name) => measures[name](name, options)),
};

if (process.argv[1] === FILE) {
  const [kind, flows, seconds] = process.argv.slice(2).map(Number);
  kinds[kind](flows, seconds);
}

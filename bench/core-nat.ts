/*
 * NAT alone: UDP from one memory port to another through SNAT and a rule of FORWARD, as many flows as wanted in random order. Each measurement has a
 * process of its own.
 *
 *   flows        the first packet of each flow, and its answer: from then on all are established
 *   established  packets of the flows in random order: look-up, tracker, both checksums, route, MACs
 *   new          first packets, each of another flow
 *   memory       what the process has grown by, a flow
 */
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Flow } from '../src/conntrack/flows.js';
import { CtSetting } from '../src/conntrack/settings.js';
import { BURST } from '../src/core/arena.js';
import type { Dataplane } from '../src/datapath.js';
import { LoopPort } from '../src/io/memory-port.js';
import { CtStateBit, Extension, NatFlag, NatRange, Op, OpWord } from '../src/netfilter/ops.js';
import { Family, Hook, Rule, TableId, Target } from '../src/netfilter/rule.js';
import { InsertRule, RulesOp } from '../src/netfilter/rules.js';
import { measureAlone, rowAlone } from './alone.js';
import { type Bed, bed, datagram, IN, OUT, Sink, type Socket, STRIDE, send, WORDS } from './core-bed.js';
import type { Measure, Options, Row } from './measure.js';
import { xorshift } from './xorshift.js';

const ROUNDS_OF_WORK = 100;
/** Addresses that flows are translated to: 203.0.113.0 … 63. */
const POOL = (203 << 24) | (113 << 8);
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
function addRules({ netfilter }: Dataplane): void {
  const range = new Array<number>(NatRange.WORDS).fill(0);
  range[NatRange.FLAGS] = NatFlag.ADDRESSES;
  range[NatRange.FIRST] = POOL;
  range[NatRange.LAST] = POOL + POOL_SIZE - 1;
  const snat = new Int32Array(Rule.WORDS);
  snat[Rule.TARGET] = Extension.SNAT;
  snat[Rule.LINKS] = 1 << 16;
  const accept = new Int32Array(Rule.WORDS);
  accept[Rule.TARGET] = Target.ACCEPT;
  const established = [Op.CT_STATE | (2 << OpWord.LENGTH_SHIFT), CtStateBit.ESTABLISHED | CtStateBit.RELATED, Op.END];
  netfilter.patterns.define(1, true);
  netfilter.patterns.add(1, OUT);
  const chains = [
    [RulesOp.ADD_CHAIN, 1, 0, Family.IPV4, TableId.NAT, Hook.POSTROUTING, 0],
    [RulesOp.ADD_CHAIN, 2, 0, Family.IPV4, TableId.FILTER, Hook.FORWARD, 0],
  ];
  const rules = [...insert(1, 1, snat, [], range), ...insert(2, 2, accept, established, [])];
  if (!netfilter.apply(Int32Array.from([...chains.flat(), ...rules]))) throw new Error('the rules do not fit');
  netfilter.setTracking(0, Family.IPV4, true);
}

// --- traffic ---------------------------------------------------------------------------------------

/** The first packets of flows from `first` on, in an order of no order. */
function firstPackets(first: number, count: number): Int32Array {
  const random = xorshift(815);
  const order = Uint32Array.from({ length: count }, (_, n) => n);
  for (let i = count - 1; i > 0; i--) {
    const k = random() % (i + 1);
    [order[i], order[k]] = [order[k], order[i]];
  }
  const words = new Int32Array(count * STRIDE);
  order.forEach((n, i) => {
    datagram(words, i, IN, ...flowOf(first + n));
  });
  return words;
}

/** The answers to the flows there are, `count` of them. */
function answers({ dataplane }: Bed, count: number): Int32Array {
  const { words, end } = dataplane.netfilter.conntrack.flows[Family.IPV4];
  const frames = new Int32Array(count * STRIDE);
  let n = 0;
  for (let flow = 1; flow < end && n < count; flow++) {
    const at = flow * Flow.WORDS4;
    if (words[at + Flow.KIND] === 0) continue;
    const reply = at + Flow.REPLY4;
    const ports = words[reply + 2];
    datagram(frames, n++, OUT, [words[reply], ports >>> 16], [words[reply + 1], ports & 0xffff]);
  }
  if (n !== count) throw new Error(`there are ${n} flows in place of ${count}`);
  return frames;
}

function sent({ dataplane }: Bed): number {
  return (dataplane.egress.ports[OUT] as Sink).transmitted;
}

/** A bed on which everything has run often enough to be compiled, with no flows. */
function warmBed(): Bed {
  const made = bed();
  addRules(made.dataplane);
  for (const link of [IN, OUT]) made.dataplane.egress.ports[link] = new Sink();
  send(made, IN, firstPackets(0, WARM_UP));
  send(made, OUT, answers(made, WARM_UP));
  const { conntrack } = made.dataplane.netfilter;
  conntrack.forgetNamespace(0, performance.now() | 0);
  conntrack.settings[CtSetting.MAX] = 1 << 22;
  // However slow the machine is, no flow expires meanwhile.
  conntrack.settings[CtSetting.UDP] = 1e9;
  conntrack.settings[CtSetting.UDP_STREAM] = 1e9;
  return made;
}

function measureEstablished(flows: number, seconds: number): void {
  const made = warmBed();
  const frames = firstPackets(0, flows);
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

function measureNew(flows: number): void {
  const made = warmBed();
  const frames = firstPackets(0, flows);
  const already = sent(made);
  const rss = process.memoryUsage().rss;
  const cpu = process.cpuUsage();
  const seconds = send(made, IN, frames);
  const { user, system } = process.cpuUsage(cpu);
  // What tables have outgrown is nobody's any more.
  globalThis.gc?.();
  const bytes = (process.memoryUsage().rss - rss) / flows;
  if (sent(made) - already !== flows) throw new Error(`translated ${sent(made) - already} of ${flows} flows`);
  process.stdout.write(JSON.stringify({ value: flows / seconds / 1e6, cpu: (user + system) / flows, bytes }));
}

const FILE = fileURLToPath(import.meta.url);

const measures: Record<string, (options: Options) => Row> = {
  'core-nat-100k': (options) => rowAlone({ name: 'core-nat-100k', least: 5, goal: 12 }, FILE, [0, 1 << 17], options),
  'core-nat-1m': (options) => rowAlone({ name: 'core-nat-1m', least: 2.5, goal: 8 }, FILE, [0, 1 << 20], options),
  'core-nat-new': (options) => rowAlone({ name: 'core-nat-new', least: 0.5, goal: 2 }, FILE, [1, 1 << 20], options),
};

export const coreNat: Measure = {
  names: Object.keys(measures),
  about:
    'SNAT alone between two memory ports: established flows in random order, and new ones (in Mpps, which are millions of flows a second)',
  run: async (names, options) => names.map((name) => measures[name](options)),
};

if (process.argv[1] === FILE) {
  const [kind, flows, seconds] = process.argv.slice(2).map(Number);
  if (kind === 0) measureEstablished(flows, seconds);
  else measureNew(flows);
}

/*
 * The router alone: IPv4 frames from one memory port to another over the half table of the fixtures (450,948 prefixes; where it is
 * absent 450,000 made-up ones), random destinations, so that every frame looks up another prefix. Each measurement has a process of its own.
 */
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { BURST } from '../src/core/arena.js';
import { Dataplane } from '../src/datapath.js';
import { Engine } from '../src/engine.js';
import { LoopPort } from '../src/io/memory-port.js';
import { Conf4 } from '../src/route/conf.js';
import { FibOp, NextHop, Route, RouteType } from '../src/route/fib.js';
import { Neighbour, Nud } from '../src/tables/neighbours.js';
import * as ipv4 from '../src/wire/ipv4.js';
import { measureAlone, rowAlone } from './alone.js';
import { halfTable, type Prefix } from './half-table.js';
import type { Measure } from './measure.js';
import { xorshift } from './xorshift.js';

const [IN, OUT] = [1, 2];
const TABLE = 1;
const FRAMES = 1 << 16;
/** Words of a prepared frame: the first two bytes, then eight times four. */
const STRIDE = 16;
const WORDS = 9;
const ROUNDS_OF_WORK = 100;
const NEXT_HOPS = 64;

/** Routes in one table, spread over a few next hops on OUT whose neighbours are known. */
function load(dataplane: Dataplane, table: readonly Prefix[]): void {
  const { fib, neighbours, conf } = dataplane.inet;
  conf.set('link4', IN, Conf4.FORWARDING, 1);
  fib.apply(Int32Array.of(FibOp.ADD_TABLE, TABLE, 4, FibOp.MERGED, 0, 4, TABLE));
  for (let hop = 1; hop <= NEXT_HOPS; hop++) {
    const row = new Int32Array(NextHop.WORDS);
    row[NextHop.LINK] = OUT;
    row[NextHop.FAMILY] = 4;
    row[NextHop.GATEWAY] = (10 << 24) | hop;
    fib.apply(Int32Array.of(FibOp.SET_NEXTHOP, hop, ...row));
    const slot = neighbours.insert4(0, OUT, (10 << 24) | hop, true) << Neighbour.SHIFT;
    neighbours.rows[slot + Neighbour.MAC_HIGH] = 0x0002;
    neighbours.rows[slot + Neighbour.MAC_LOW] = hop;
    neighbours.rows[slot + Neighbour.STATE] = Nud.PERMANENT;
    for (let length = 0; length <= 32; length++) {
      const route = new Int32Array(Route.WORDS);
      route[Route.TYPE] = RouteType.UNICAST;
      route[Route.LENGTH] = length;
      route[Route.NEXTHOP] = hop;
      route[Route.COUNT] = 1;
      fib.apply(Int32Array.of(FibOp.SET_ROUTE, hop * 33 + length, ...route));
    }
  }
  const ops = new Int32Array(table.length * 5);
  table.forEach(([address, length], i) => {
    ops.set([FibOp.INSERT4, TABLE, address, length, (1 + (i % NEXT_HOPS)) * 33 + length], i * 5);
  });
  if (!fib.apply(ops)) throw new Error('the table does not fit');
}

/** Frames to random addresses below random prefixes of the table. */
function prepare(table: readonly Prefix[], random: () => number): Int32Array {
  const words = new Int32Array(FRAMES * STRIDE);
  const bytes = new Uint8Array(words.buffer);
  const frame = new Uint8Array(34);
  frame.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0]);
  for (let i = 0; i < FRAMES; i++) {
    const [address, length] = table[random() % table.length];
    const host = length === 32 ? 0 : random() & (0xffffffff >>> length);
    ipv4.write(frame, 14, 17, (192 << 24) | (0x000200 + (i & 0xff)), address | host, 30);
    for (let k = 0; k < frame.length; k++) bytes[i * STRIDE * 4 + (k < 2 ? k : k + 2)] = frame[k];
  }
  return words;
}

function measureHere(seconds: number): void {
  const random = xorshift(4711);
  const table = halfTable(random);
  const dataplane = new Dataplane({ keys: Int32Array.from([1, 2, 3, 4], () => random()) });
  const engine = new Engine(dataplane);
  const ports = [IN, OUT].map((link) => {
    const port = new LoopPort(
      dataplane.arena,
      link === IN ? prepare(table, random) : new Int32Array(STRIDE),
      STRIDE,
      WORDS,
    );
    dataplane.addLink(link, 1500, port);
    dataplane.setMac(link, 0x0002, link << 24);
    dataplane.setUp(link, true);
    dataplane.setCarrier(link, true);
    return port;
  });
  load(dataplane, table);
  engine.activate(IN);
  const work = (): void => {
    for (let i = 0; i < ROUNDS_OF_WORK; i++) {
      const now = performance.now() | 0;
      engine.round(now);
      engine.timers(now);
    }
  };
  measureAlone(work, ROUNDS_OF_WORK * BURST, seconds, () => {
    const { transmitted } = ports[1];
    const received = dataplane.links.counters[IN << 4];
    if (transmitted !== received) throw new Error(`forwarded ${transmitted} of ${received} frames`);
    return transmitted;
  });
}

export const coreRoute: Measure = {
  names: ['core-route'],
  about: 'IPv4 forwarding alone between two memory ports, half an Internet table, random destinations',
  run: async ([name], options) => [rowAlone({ name, least: 8, goal: 25 }, fileURLToPath(import.meta.url), [], options)],
};

if (process.argv[1] === fileURLToPath(import.meta.url)) measureHere(Number(process.argv[2] ?? 2));

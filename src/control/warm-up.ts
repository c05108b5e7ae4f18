/*
 * Warm-up: has V8 compile the frames' way before the first frame comes. Without it the first thousands of frames, and
 * so every ping on a quiet network, run in the interpreter at twice the latency.
 *
 * It uses the engine and tables of the dataplane itself (V8 specialises the code for them), with links and a namespace that no
 * command can name, and leaves no trace in tables or counters.
 */

import { type Link, MAX_LINKS, MAX_NAMESPACES } from '../core/links.js';
import type { Dataplane } from '../datapath.js';
import type { Engine } from '../engine.js';
import { LoopPort } from '../io/memory-port.js';
import { Conf4 } from '../route/conf.js';
import { FibOp, MAX_NEXTHOPS, MAX_ROUTES, MAX_TABLES, NextHop, Route, RouteType } from '../route/fib.js';
import { Neighbour, Nud } from '../tables/neighbours.js';
import * as ipv4 from '../wire/ipv4.js';

const BRIDGE = MAX_LINKS - 1;
const PORTS = [MAX_LINKS - 2, MAX_LINKS - 3] as const;
const LOOPBACK = MAX_LINKS - 4;
const NAMESPACE = MAX_NAMESPACES - 1;
const TABLE = MAX_TABLES - 1;
const ROUTE = MAX_ROUTES - 1;
const HOP = MAX_NEXTHOPS - 2;
const FRAMES = 256;
/** Of some 64 frames a port: enough for V8's last tier, some 30 ms. */
const ROUNDS = 3000;

/** Words of a prepared frame of the router's: see LoopPort. */
const STRIDE = 16;
const WORDS = 9;

/** LoopPort's layout: bytes 0 and 1 have a word of their own. */
function put(bytes: Uint8Array, at: number, frame: ArrayLike<number>): void {
  for (let k = 0; k < frame.length; k++) bytes[at + (k < 2 ? k : k + 2)] = frame[k];
}

/** Frames of side `side` to the other side's stations, a few to all and to a station that nobody is. */
function stations(side: number): Int32Array {
  const words = new Int32Array(FRAMES * 4);
  for (let i = 0; i < FRAMES; i++) {
    const isBroadcast = i % 32 === 31;
    const other = i % 32 === 30 ? 3 : 1 - side;
    const to = isBroadcast ? [255, 255, 255, 255, 255, 255] : [2, 0, 0, 0, other, i & 31];
    put(new Uint8Array(words.buffer), i * 16, [...to, 2, 0, 0, 0, side, i & 31, 8, 0]);
  }
  return words;
}

/** Packets of side `side` to hosts of the other side's subnet. */
function packets(side: number): Int32Array {
  const words = new Int32Array(FRAMES * STRIDE);
  const frame = new Uint8Array(34);
  for (let i = 0; i < FRAMES; i++) {
    frame.set([2, 0, 0, 0, 0, side, 2, 0, 0, 0, side, i, 8, 0]);
    ipv4.write(frame, 14, 17, hostOf(side, i), hostOf(1 - side, i), 30);
    put(new Uint8Array(words.buffer), i * STRIDE * 4, frame);
  }
  return words;
}

/** Host n of a side's subnet. */
function hostOf(side: number, n: number): number {
  return (10 << 24) | (side << 16) | (1 + (n & 127));
}

function run(engine: Engine): void {
  for (let i = 0; i < ROUNDS; i++) {
    engine.round(i);
    engine.timers(i);
  }
}

function bringUp(dataplane: Dataplane, engine: Engine, link: Link): void {
  dataplane.setUp(link, true);
  dataplane.setCarrier(link, true);
  engine.activate(link);
}

function warmBridge(dataplane: Dataplane, engine: Engine): void {
  dataplane.addBridge(BRIDGE, 1500);
  dataplane.setUp(BRIDGE, true);
  PORTS.forEach((link, side) => {
    dataplane.addLink(link, 1500, new LoopPort(dataplane.arena, stations(side)));
    dataplane.setMaster(link, BRIDGE, 0);
    bringUp(dataplane, engine, link);
  });
  run(engine);
  for (const link of [...PORTS, BRIDGE]) dataplane.removeLink(link, 0);
  engine.round(0);
}

/** A subnet on each side, whose hosts are all behind one gateway that is known. */
function warmRouter(dataplane: Dataplane, engine: Engine): void {
  const { fib, conf, neighbours } = dataplane.inet;
  dataplane.addNamespace(NAMESPACE, LOOPBACK);
  fib.apply(Int32Array.of(FibOp.ADD_TABLE, TABLE, 4, FibOp.MERGED, NAMESPACE, 4, TABLE));
  PORTS.forEach((link, side) => {
    dataplane.addLink(link, 1500, new LoopPort(dataplane.arena, packets(side), STRIDE, WORDS));
    dataplane.links.namespace[link] = NAMESPACE;
    dataplane.setMac(link, 0x0002, side << 24);
    conf.set('link4', link, Conf4.FORWARDING, 1);
    const gateway = hostOf(side, 0);
    const row = neighbours.insert4(NAMESPACE, link, gateway, true) << Neighbour.SHIFT;
    neighbours.rows[row + Neighbour.STATE] = Nud.PERMANENT;
    fib.apply(routeTo(side, link, gateway));
    bringUp(dataplane, engine, link);
  });
  run(engine);
  for (const link of PORTS) {
    conf.set('link4', link, Conf4.FORWARDING, 0);
    dataplane.removeLink(link, 0);
  }
  engine.round(0);
  fib.apply(Int32Array.of(FibOp.MERGED, NAMESPACE, 4, -1, FibOp.REMOVE_TABLE, TABLE));
  dataplane.removeLink(LOOPBACK, 0);
  dataplane.removeNamespace(NAMESPACE, 0);
}

/** FibOps of the route to a side's subnet. */
function routeTo(side: number, link: Link, gateway: number): Int32Array {
  const hop = new Int32Array(NextHop.WORDS);
  hop.set([link, 4, gateway]);
  const route = new Int32Array(Route.WORDS);
  route[Route.TYPE] = RouteType.UNICAST;
  route[Route.LENGTH] = 24;
  route[Route.NEXTHOP] = HOP + side;
  route[Route.COUNT] = 1;
  const number = ROUTE - side;
  const insert = [FibOp.INSERT4, TABLE, gateway & ~0xff, 24, number];
  return Int32Array.of(FibOp.SET_NEXTHOP, HOP + side, ...hop, FibOp.SET_ROUTE, number, ...route, ...insert);
}

export function warmUp(dataplane: Dataplane, engine: Engine): void {
  warmBridge(dataplane, engine);
  warmRouter(dataplane, engine);
  dataplane.links.reset();
}

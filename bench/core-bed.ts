/*
 * What measurements of the engine alone send packets through: a router of two links whose ports are memory, with one neighbour on each.
 *
 *   192.168.0.0/16 ── IN, link 1 ── dataplane ── OUT, link 2 ── everything else
 */
import { performance } from 'node:perf_hooks';
import '../src/io/shim.js';
import '../src/io/v8-flags.js';
import { BURST } from '../src/core/arena.js';
import type { Port } from '../src/core/port.js';
import { Dataplane } from '../src/datapath.js';
import { Engine } from '../src/engine.js';
import { LoopPort } from '../src/io/memory-port.js';
import { Conf4 } from '../src/route/conf.js';
import { FibOp, NextHop, Route, RouteType } from '../src/route/fib.js';
import { Neighbour, Nud } from '../src/tables/neighbours.js';
import { fold, pseudo4, sumBytes } from '../src/wire/checksum.js';
import { write16 } from '../src/wire/field.js';
import * as ipv4 from '../src/wire/ipv4.js';
import { xorshift } from './xorshift.js';

export const [IN, OUT] = [1, 2];
const TABLE = 1;
/** Words of a prepared frame: the first two bytes, then thirteen times four: Ethernet, IPv4, UDP or TCP. */
export const STRIDE = 16;
export const WORDS = 14;
const UDP = 17;
const TCP = 6;

export type Socket = [address: number, port: number];

/** A prepared packet without data, in LoopPort's words; TCP is an acknowledgement, what is neither that nor UDP begins like UDP. */
export function datagram(
  words: Int32Array,
  index: number,
  link: number,
  source: Socket,
  destination: Socket,
  protocol = UDP,
): void {
  const frame = new Uint8Array(54);
  const room = protocol === TCP ? 20 : 8;
  frame.set([2, 0, 0, 0, 0, link, 2, 0, 0, 0, 0, 9, 8, 0]);
  ipv4.write(frame, 14, protocol, source[0], destination[0], room);
  write16(frame, 34, source[1]);
  write16(frame, 36, destination[1]);
  if (protocol === TCP) write16(frame, 46, 0x5010);
  else write16(frame, 38, room);
  const sum = fold(sumBytes(frame, 34, room) + pseudo4(source[0], destination[0], protocol, room));
  write16(frame, protocol === TCP ? 50 : 40, ~sum & 0xffff || 0xffff);
  const bytes = new Uint8Array(words.buffer, index * STRIDE * 4);
  for (let k = 0; k < frame.length; k++) bytes[k < 2 ? k : k + 2] = frame[k];
}

export interface Bed {
  dataplane: Dataplane;
  engine: Engine;
}

export function bed(): Bed {
  const random = xorshift(4711);
  const dataplane = new Dataplane({ keys: Int32Array.from([1, 2, 3, 4], () => random()) });
  for (const link of [IN, OUT]) {
    dataplane.addLink(link, 1500);
    dataplane.setMac(link, 0x0002, link << 24);
    dataplane.setUp(link, true);
    dataplane.setCarrier(link, true);
    dataplane.inet.conf.set('link4', link, Conf4.FORWARDING, 1);
  }
  addRoutes(dataplane);
  return { dataplane, engine: new Engine(dataplane) };
}

/** 192.168.0.0/16 by IN, everything else by OUT; one neighbour on each. */
function addRoutes({ inet }: Dataplane): void {
  const { fib, neighbours } = inet;
  fib.apply(Int32Array.of(FibOp.ADD_TABLE, TABLE, 4, FibOp.MERGED, 0, 4, TABLE));
  for (const link of [IN, OUT]) {
    const gateway = (10 << 24) | (link << 8) | 9;
    const hop = new Int32Array(NextHop.WORDS);
    hop[NextHop.LINK] = link;
    hop[NextHop.FAMILY] = 4;
    hop[NextHop.GATEWAY] = gateway;
    const route = new Int32Array(Route.WORDS);
    route[Route.TYPE] = RouteType.UNICAST;
    route[Route.LENGTH] = link === IN ? 16 : 0;
    route[Route.NEXTHOP] = link;
    route[Route.COUNT] = 1;
    fib.apply(Int32Array.of(FibOp.SET_NEXTHOP, link, ...hop, FibOp.SET_ROUTE, link, ...route));
    const slot = neighbours.insert4(0, link, gateway, true) << Neighbour.SHIFT;
    neighbours.rows[slot + Neighbour.MAC_HIGH] = 0x0002;
    neighbours.rows[slot + Neighbour.MAC_LOW] = link;
    neighbours.rows[slot + Neighbour.STATE] = Nud.PERMANENT;
  }
  const inside = (192 << 24) | (168 << 16);
  fib.apply(Int32Array.of(FibOp.INSERT4, TABLE, inside, 16, IN, FibOp.INSERT4, TABLE, 0, 0, OUT));
}

/** Takes what is sent; nothing comes from it. */
export class Sink implements Port {
  readonly invalid = 0;
  readonly starved = 0;
  readonly segments = 0;
  readonly isDrained = true;
  transmitted = 0;
  rx = (): number => 0;
  tx(n: number): number {
    this.transmitted += n;
    return 0;
  }
  close(): void {}
}

/** Each frame once. Answers the seconds that took. */
export function send({ dataplane, engine }: Bed, link: number, frames: Int32Array): number {
  dataplane.egress.ports[link] = new LoopPort(dataplane.arena, frames, STRIDE, WORDS);
  engine.activate(link);
  const start = performance.now();
  for (let left = frames.length / STRIDE; left > 0; left -= BURST) {
    const now = performance.now() | 0;
    engine.round(now);
    engine.timers(now);
  }
  dataplane.egress.ports[link] = new Sink();
  return (performance.now() - start) / 1000;
}

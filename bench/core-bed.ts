/*
 * What measurements of the engine alone send packets through: a router of two links whose ports are memory, with one neighbour on each.
 *
 *   192.168.0.0/16 or 2001:db8:1::/48 ── IN, link 1 ── dataplane ── OUT, link 2 ── everything else
 *
 * A bed has routes of one family, IPv4 unless said.
 */
import { performance } from 'node:perf_hooks';
import '../src/io/shim.js';
import '../src/io/v8-flags.js';
import { BURST } from '../src/core/arena.js';
import { Family } from '../src/core/hook.js';
import type { Port } from '../src/core/port.js';
import { Dataplane } from '../src/datapath.js';
import { Engine } from '../src/engine.js';
import { LoopPort } from '../src/io/memory-port.js';
import { Conf4, Conf6 } from '../src/route/conf.js';
import { FibOp, NextHop, Route, RouteType } from '../src/route/fib.js';
import type { Inet } from '../src/route/inet.js';
import { Neighbour, Nud } from '../src/tables/neighbours.js';
import { finish, fold, pseudo4, pseudo6, sumBytes } from '../src/wire/checksum.js';
import { write16, write32 } from '../src/wire/field.js';
import * as ipv4 from '../src/wire/ipv4.js';
import * as ipv6 from '../src/wire/ipv6.js';
import { xorshift } from './xorshift.js';

export const [IN, OUT] = [1, 2];
const TABLE = 1;
/** Words of a prepared frame: the first two bytes, then thirteen times four: Ethernet, IPv4, UDP or TCP. */
export const STRIDE = 16;
export const WORDS = 14;
/** Two more times four for IPv6. */
const WORDS6 = 16;
const UDP = 17;
const TCP = 6;

export type Socket = [address: number, port: number];
export type Socket6 = [address: readonly number[], port: number];

/** A frame in LoopPort's words. */
function prepare(words: Int32Array, index: number, frame: Uint8Array): void {
  const bytes = new Uint8Array(words.buffer, index * STRIDE * 4);
  for (let k = 0; k < frame.length; k++) bytes[k < 2 ? k : k + 2] = frame[k];
}

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
  prepare(words, index, frame);
}

/** The same of IPv6, always UDP. */
export function datagram6(words: Int32Array, index: number, link: number, source: Socket6, destination: Socket6): void {
  const frame = new Uint8Array(62);
  frame.set([2, 0, 0, 0, 0, link, 2, 0, 0, 0, 0, 9, 0x86, 0xdd]);
  ipv6.write(frame, 14, UDP, 64, 8);
  [...source[0], ...destination[0]].forEach((word, i) => {
    write32(frame, 22 + i * 4, word);
  });
  write16(frame, 54, source[1]);
  write16(frame, 56, destination[1]);
  write16(frame, 58, 8);
  write16(frame, 60, finish(sumBytes(frame, 54, 8) + pseudo6(frame, 22, UDP, 8)) || 0xffff);
  prepare(words, index, frame);
}

export interface Bed {
  family: Family.IPV4 | Family.IPV6;
  dataplane: Dataplane;
  engine: Engine;
}

export function bed(family: Bed['family'] = Family.IPV4): Bed {
  const random = xorshift(4711);
  const dataplane = new Dataplane({ keys: Int32Array.from([1, 2, 3, 4], () => random()) });
  const { conf, fib } = dataplane.inet;
  for (const link of [IN, OUT]) {
    dataplane.addLink(link, 1500);
    dataplane.setMac(link, 0x0002, link << 24);
    dataplane.setUp(link, true);
    dataplane.setCarrier(link, true);
    conf.set('link4', link, Conf4.FORWARDING, 1);
  }
  conf.set('all6', 0, Conf6.FORWARDING, 1);
  const version = family === Family.IPV6 ? 6 : 4;
  fib.apply(Int32Array.of(FibOp.ADD_TABLE, TABLE, version, FibOp.MERGED, 0, version, TABLE));
  if (family === Family.IPV6) addRoutes6(dataplane);
  else addRoutes4(dataplane);
  return { family, dataplane, engine: new Engine(dataplane) };
}

/** 192.168.0.0/16 by IN, everything else by OUT; one neighbour on each. */
function addRoutes4({ inet }: Dataplane): void {
  for (const link of [IN, OUT]) {
    const gateway = (10 << 24) | (link << 8) | 9;
    addHop(inet, link, 4, [gateway], link === IN ? 16 : 0);
    know(inet, link, inet.neighbours.insert4(0, link, gateway, true));
  }
  const inside = (192 << 24) | (168 << 16);
  inet.fib.apply(Int32Array.of(FibOp.INSERT4, TABLE, inside, 16, IN, FibOp.INSERT4, TABLE, 0, 0, OUT));
}

/** 2001:db8:1::/48 by IN, everything else by OUT; one neighbour on each. */
function addRoutes6({ inet }: Dataplane): void {
  for (const link of [IN, OUT]) {
    addHop(inet, link, 6, [0xfe800000, 0, 0, 9], link === IN ? 48 : 0);
    know(inet, link, inet.neighbours.insert6(0, link, 0xfe800000 | 0, 0, 0, 9, true));
  }
  const inside = [FibOp.INSERT6, TABLE, 0x20010db8, 0x00010000, 0, 0, 48, IN];
  inet.fib.apply(Int32Array.of(...inside, FibOp.INSERT6, TABLE, 0, 0, 0, 0, 0, OUT));
}

/** The route of a link, and its next hop: both have the link's number. */
function addHop({ fib }: Inet, link: number, version: number, gateway: number[], length: number): void {
  const hop = new Int32Array(NextHop.WORDS);
  hop[NextHop.LINK] = link;
  hop[NextHop.FAMILY] = version;
  hop.set(gateway, NextHop.GATEWAY);
  const route = new Int32Array(Route.WORDS);
  route[Route.TYPE] = RouteType.UNICAST;
  route[Route.LENGTH] = length;
  route[Route.NEXTHOP] = link;
  route[Route.COUNT] = 1;
  fib.apply(Int32Array.of(FibOp.SET_NEXTHOP, link, ...hop, FibOp.SET_ROUTE, link, ...route));
}

/** A neighbour whose MAC address is known for good. */
function know({ neighbours }: Inet, link: number, neighbour: number): void {
  const slot = neighbour << Neighbour.SHIFT;
  neighbours.rows[slot + Neighbour.MAC_HIGH] = 0x0002;
  neighbours.rows[slot + Neighbour.MAC_LOW] = link;
  neighbours.rows[slot + Neighbour.STATE] = Nud.PERMANENT;
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
export function send({ family, dataplane, engine }: Bed, link: number, frames: Int32Array): number {
  const words = family === Family.IPV6 ? WORDS6 : WORDS;
  dataplane.egress.ports[link] = new LoopPort(dataplane.arena, frames, STRIDE, words);
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

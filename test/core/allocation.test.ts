import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Conf4 } from '../../src/route/conf.js';
import { FibOp, NextHop, Route, RouteType } from '../../src/route/fib.js';
import { Update } from '../../src/route/neighbour-states.js';
import { Nud } from '../../src/tables/neighbours.js';
import { type Ip4Options, icmp, ip4, pattern, udp } from '../support/packets.js';
import { wordsOf } from '../support/router.js';

const DIST = join(import.meta.dirname, '../../dist');
const isBuilt = existsSync(join(DIST, 'src/engine.js'));
const unbuilt = isBuilt ? '' : ' (dist/ is not built: npm run build)';
const FRAMES = 1_000_000;

/** What the measurements themselves leave on the heap: an eighth of a byte a frame. */
const NOISE_BYTES = 128 * 1024;

interface Growth {
  heap: number;
  external: number;
  collections: { during: number; total: number };
}

function run<T>(child: string, input = ''): Growth & T {
  const file = join(import.meta.dirname, child);
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', file, DIST, String(FRAMES)], {
    encoding: 'utf8',
    input,
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

function expectNothing({ heap, external, collections }: Growth): void {
  // No garbage collection in between: what was allocated is still there to be counted.
  expect(collections.during).toBe(0);
  expect(collections.total).toBeGreaterThan(0);
  expect(heap).toBeLessThan(NOISE_BYTES);
  expect(external).toBeLessThan(NOISE_BYTES);
}

// --- the router ----------------------------------------------------------------------------------------

const [IN, OUT, LO] = [1, 2, 3];
const MACS = ['02:00:00:00:0b:01', '02:00:00:00:0b:02'];
const HOST = '02:00:00:00:10:09';
const TABLE = 1;
/** Words of a prepared frame: bytes 0..1, then four by four; all of what LoopPort's 64 bytes have, but what a header needs. */
const STRIDE = 16;
const WRITTEN = 16;
const PREPARED = 4096;
/** Of that many prepared frames one is not for the short path. */
const RARE = 64;

/** What route.mjs reads. */
interface RouterScene {
  lo: number;
  links: Array<{ link: number; high: number; low: number; addresses: number[] }>;
  conf: Array<[table: string, row: number, key: number, value: number]>;
  ops: number[];
  neighbours: number[][];
  words: number[];
  stride: number;
  written: number;
}

function halves(mac: string): [high: number, low: number] {
  const bytes = Buffer.from(mac.replaceAll(':', ''), 'hex');
  return [bytes.readUInt16LE(0), bytes.readInt32LE(2)];
}

/** A frame of 64 bytes; `data` counts from the IP header's end. */
function packet(options: Partial<Ip4Options>, data: Uint8Array): Uint8Array {
  return ip4({ to: MACS[0], from: HOST, source: '10.0.0.9', destination: '10.0.1.9', ...options, payload: data });
}

/** What takes the long path and ends in a drop, an answer, or at its destination after all. */
function rare(i: number): Uint8Array {
  const data = udp('10.0.0.9', '10.0.1.9', 1000, 9, pattern(22));
  switch (i % 6) {
    case 0:
      return packet({ protocol: 17, ttl: 1 }, data);
    case 1:
      return packet({ protocol: 17, destination: '192.0.2.1' }, data);
    case 2:
      return packet({ protocol: 1, destination: '10.0.0.1' }, icmp(8, 0, i, pattern(22)));
    case 3:
      return packet({ protocol: 17, options: Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0) }, data.subarray(0, 22));
    case 4:
      return packet({ protocol: 17, destination: '10.0.0.1' }, udp('10.0.0.9', '10.0.0.1', 1000, 9, pattern(22)));
    default:
      return packet({ protocol: 17, fragment: 0x2000 }, data.subarray(0, 24));
  }
}

function prepare(hasRare: boolean): number[] {
  const bytes = new Uint8Array(PREPARED * STRIDE * 4);
  for (let i = 0; i < PREPARED; i++) {
    const destination = `10.0.1.${2 + (i % 253)}`;
    const data = udp('10.0.0.9', destination, 1000, 9, pattern(22));
    const frame = hasRare && i % RARE === 1 ? rare(i >> 6) : packet({ protocol: 17, destination, id: i }, data);
    for (let k = 0; k < frame.length && k < 62; k++) bytes[i * STRIDE * 4 + (k < 2 ? k : k + 2)] = frame[k];
  }
  return [...new Int32Array(bytes.buffer)];
}

function routeRow(type: RouteType, length: number, hop: number): number[] {
  const row = new Array<number>(Route.WORDS).fill(0);
  row[Route.TYPE] = type;
  row[Route.LENGTH] = length;
  row[Route.NEXTHOP] = hop;
  row[Route.COUNT] = 1;
  return row;
}

/** Connected and local routes of 10.0.0.1/24 on IN and 10.0.1.1/24 on OUT. */
function routes(): number[] {
  const ops: number[] = [FibOp.ADD_TABLE, TABLE, 4, FibOp.MERGED, 0, 4, TABLE];
  for (const link of [IN, OUT]) {
    const hop = new Array<number>(NextHop.WORDS).fill(0);
    hop[NextHop.LINK] = link;
    const [network] = wordsOf(`10.0.${link - 1}.0`);
    ops.push(FibOp.SET_NEXTHOP, link, ...hop);
    ops.push(FibOp.SET_ROUTE, link * 2, ...routeRow(RouteType.UNICAST, 24, link));
    ops.push(FibOp.SET_ROUTE, link * 2 + 1, ...routeRow(RouteType.LOCAL, 32, link));
    ops.push(FibOp.INSERT4, TABLE, network, 24, link * 2, FibOp.INSERT4, TABLE, network | 1, 32, link * 2 + 1);
  }
  return ops;
}

function sceneOf(hasRare: boolean): RouterScene {
  const neighbours: number[][] = [];
  const [high, low] = halves(HOST);
  const flags = Update.ADMIN | Update.OVERRIDE;
  for (let host = 1; host < 255; host++)
    for (const link of [IN, OUT])
      neighbours.push([link, wordsOf(`10.0.${link - 1}.${host}`)[0], high, low, Nud.PERMANENT, flags]);
  return {
    lo: LO,
    links: [IN, OUT].map((link) => {
      const [address] = wordsOf(`10.0.${link - 1}.1`);
      const [macHigh, macLow] = halves(MACS[link - 1]);
      return { link, high: macHigh, low: macLow, addresses: [address, 24, address | 255, address, 0, 0] };
    }),
    conf: [IN, OUT].map((link) => ['link4', link, Conf4.FORWARDING, 1]),
    ops: routes(),
    neighbours,
    words: prepare(hasRare),
    stride: STRIDE,
    written: WRITTEN,
  };
}

describe('the engine', () => {
  it.skipIf(!isBuilt)(`allocates nothing for a million frames${unbuilt}`, () => {
    const result = run<{ stations: number; transmitted: number; drops: number }>('forward.mjs');
    expect(result.stations).toBe(3000);
    expect(result.transmitted).toBeGreaterThan(FRAMES);
    expect(result.drops).toBeGreaterThan(10_000);
    expectNothing(result);
  });

  it.skipIf(!isBuilt)(`allocates nothing for a million frames that it routes the short way${unbuilt}`, () => {
    const result = run<{ transmitted: number[]; drops: number }>('route.mjs', JSON.stringify(sceneOf(false)));
    expect(result.transmitted[1]).toBeGreaterThan(FRAMES);
    expect(result.drops).toBe(0);
    expectNothing(result);
  });

  it.skipIf(!isBuilt)(`nor where some are answered, refused or take the long way${unbuilt}`, () => {
    const result = run<{ transmitted: number[]; drops: number }>('route.mjs', JSON.stringify(sceneOf(true)));
    expect(result.transmitted[0]).toBeGreaterThan(5000);
    expect(result.transmitted[1]).toBeGreaterThan(FRAMES);
    expect(result.drops).toBeGreaterThan(10_000);
    expectNothing(result);
  });
});

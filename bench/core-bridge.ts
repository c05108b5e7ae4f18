/*
 * The core alone: the daemon's own engine loop, datapath and counters between two memory ports, with
 * storm control, per-port limits and drop accounting on.
 */
import { fileURLToPath } from 'node:url';
import { BURST } from '../src/core/arena.js';
import '../src/io/shim.js';
import '../src/io/v8-flags.js';
import { Dataplane, PORT_DEFAULTS, PortState } from '../src/datapath.js';
import { Engine } from '../src/engine.js';
import { LoopPort } from '../src/io/memory-port.js';
import { measureAlone, rowAlone } from './alone.js';
import type { Measure } from './measure.js';
import { xorshift } from './xorshift.js';

const SIDES = [1, 2] as const;
const BRIDGE = 3;
const ROUNDS_OF_WORK = 100;
/** Each round receives a burst from either port. */
const FRAMES_OF_WORK = ROUNDS_OF_WORK * 2 * BURST;

/** 64-byte frames between random stations: from side `from`'s to the other side's. */
function prepare(frames: number, stations: number, from: number, random: () => number): Int32Array {
  const words = new Int32Array(frames * 4);
  const bytes = new Uint8Array(words.buffer);
  const half = stations / 2;
  const mac = (side: number, n: number): number[] => [
    2,
    side,
    (n * 0x9d) & 0xff,
    (n >> 16) & 0xff,
    (n >> 8) & 0xff,
    n & 0xff,
  ];
  for (let i = 0; i < frames; i++) {
    const source = i < half ? i : random() % half;
    const frame = [...mac(3 - from, random() % half), ...mac(from, source), 0x08, 0x00];
    // LoopPort's layout: bytes 0 and 1 have a word of their own.
    for (let k = 0; k < 14; k++) bytes[i * 16 + (k < 2 ? k : k + 2)] = frame[k];
  }
  return words;
}

export interface CoreBridge {
  /** ROUNDS_OF_WORK rounds of the engine, as the daemon runs them. */
  work(): void;
  transmitted(): number;
  dataplane: Dataplane;
}

/** A bridge between two memory ports that has learned its stations. */
export function coreBridge(stations: number): CoreBridge {
  const random = xorshift(12345);
  const fdbCapacity = Math.max(65_536, 2 ** Math.ceil(Math.log2(stations)));
  const dataplane = new Dataplane({ fdbCapacity, keys: Int32Array.from([1, 2, 3, 4], () => random()) });
  const engine = new Engine(dataplane);
  const frames = Math.max(4096, 2 ** Math.ceil(Math.log2(stations / 2)));
  dataplane.addBridge(BRIDGE, 1500);
  dataplane.setUp(BRIDGE, true);
  const ports = SIDES.map((link) => {
    const port = new LoopPort(dataplane.arena, prepare(frames, stations, link, random));
    dataplane.addLink(link, 1500, port);
    dataplane.setMaster(link, BRIDGE, 0);
    dataplane.setPort(link, PORT_DEFAULTS, PortState.FORWARDING, stations * 2);
    for (let storm = 0; storm < 3; storm++) dataplane.setStorm(link, storm, 1_000_000_000, 0);
    dataplane.setUp(link, true);
    dataplane.setCarrier(link, true);
    engine.activate(link);
    return port;
  });
  const work = (): void => {
    for (let i = 0; i < ROUNDS_OF_WORK; i++) {
      const now = performance.now() | 0;
      engine.round(now);
      engine.timers(now);
    }
  };
  return { work, transmitted: () => ports[0].transmitted + ports[1].transmitted, dataplane };
}

/** In a process of its own: V8 treats the tables of a process's only dataplane as constants, as it does in the daemon. */
function measureHere(stations: number, seconds: number): void {
  const { work, transmitted, dataplane } = coreBridge(stations);
  measureAlone(work, FRAMES_OF_WORK, seconds, () => {
    if (dataplane.fdb.size !== stations) throw new Error(`learned ${dataplane.fdb.size} of ${stations} stations`);
    return transmitted();
  });
}

const SIZES: Record<string, number> = { 'core-bridge-1k': 1000, 'core-bridge-100k': 100_000 };

export const core: Measure = {
  names: Object.keys(SIZES),
  about: 'the engine alone between two memory ports, addresses changing with every frame',
  run: async (names, options) =>
    names.map((name) =>
      rowAlone({ name, least: 15, goal: 35 }, fileURLToPath(import.meta.url), [SIZES[name]], options),
    ),
};

if (process.argv[1] === fileURLToPath(import.meta.url))
  measureHere(Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 2));

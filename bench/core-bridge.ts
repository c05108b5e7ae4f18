/*
 * The core alone: the daemon's own engine loop, datapath and counters between two memory ports, with
 * storm control, per-port limits and drop accounting on.
 */
import '../src/io/shim.js';
import { Engine } from '../src/engine.js';
import { Dataplane, PORT_DEFAULTS, PortState } from '../src/datapath.js';
import { LoopPort } from '../src/io/memory-port.js';

const SIDES = [1, 2] as const;
const BRIDGE = 3;

/** A small generator of pseudo-random numbers (xorshift32), so that every run has the same addresses. */
function xorshift(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** 64-byte frames between random stations: from side `from`'s to the other side's. */
function prepare(frames: number, stations: number, from: number, random: () => number): Int32Array {
  const words = new Int32Array(frames * 16);
  const bytes = new Uint8Array(words.buffer);
  const half = stations / 2;
  const mac = (side: number, n: number): number[] => [2, side, (n * 0x9d) & 0xff, (n >> 16) & 0xff, (n >> 8) & 0xff, n & 0xff];
  for (let i = 0; i < frames; i++) {
    const source = i < half ? i : random() % half;
    const frame = [...mac(3 - from, random() % half), ...mac(from, source), 0x08, 0x00];
    // LoopPort's layout: bytes 0, 1 and 62, 63 share word 0.
    const at = i * 64;
    bytes[at] = frame[0];
    bytes[at + 1] = frame[1];
    for (let k = 2; k < 14; k++) bytes[at + 2 + k] = frame[k];
  }
  return words;
}

export interface CoreBridge {
  /** Frames a second over `ms` of wall clock. */
  run(ms: number): number;
  dataplane: Dataplane;
}

/** A bridge between two memory ports that has learned its stations. */
export function coreBridge(stations: number): CoreBridge {
  const random = xorshift(12345);
  const capacity = Math.max(65_536, stations * 2);
  const dataplane = new Dataplane({ fdbCapacity: capacity, keys: Int32Array.from([1, 2, 3, 4], () => random()) });
  const engine = new Engine(dataplane);
  const frames = Math.max(4096, 1 << Math.ceil(Math.log2(stations)));
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
  const sent = (): number => ports[0].transmitted + ports[1].transmitted;
  const run = (ms: number): number => {
    const start = performance.now();
    const before = sent();
    let elapsed = 0;
    while ((elapsed = performance.now() - start) < ms) {
      for (let i = 0; i < 100; i++) {
        const now = Math.floor(performance.now()) | 0;
        engine.round(now);
        engine.timers(now);
      }
    }
    return ((sent() - before) / elapsed) * 1000;
  };
  run(1500);
  if (dataplane.fdb.size !== stations) throw new Error(`learned ${dataplane.fdb.size} of ${stations} stations`);
  return { run, dataplane };
}

// One measurement a process: V8 treats the tables of a process's only dataplane as constants, as in the daemon.
if (process.argv[1]?.endsWith('core-bridge.js')) {
  const { run } = coreBridge(Number(process.argv[2] ?? 1000));
  const rates = Array.from({ length: 60 }, () => run(30)).sort((a, b) => b - a);
  const mpps = (rate: number): string => (rate / 1e6).toFixed(2);
  console.log(`best ${mpps(rates[0])} 80% ${mpps(rates[12])} median ${mpps(rates[30])} Mpps`);
}

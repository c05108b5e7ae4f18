/*
 * The child process of allocation.test.ts: forwards frames through the compiled engine between looping ports and prints
 * how the heap grew and how often the garbage collector ran.
 *
 *   node --expose-gc forward.mjs DIST FRAMES
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { growthOf } from './heap.mjs';

const [dist, frames] = process.argv.slice(2);
const load = (file) => import(pathToFileURL(join(dist, 'src', file)).href);
const { Dataplane, PORT_DEFAULTS } = await load('datapath.js');
const { Engine } = await load('engine.js');
const { LoopPort } = await load('io/memory-port.js');

const BRIDGE = 9;
const PORTS = [1, 2, 3];
const STATIONS = 1000;
const PREPARED = 4096;

/** Frames of all kinds: mostly between known stations; some to unknown ones, to all, to the same port, and bad ones. */
function frame(port, i) {
  const mac = (side, n) => [2, side, 0, 0, n >> 8, n & 0xff];
  const source = mac(port, i % STATIONS);
  const other = mac((port % 3) + 1, (i * 7) % STATIONS);
  if (i % 64 === 1) return [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...source];
  if (i % 64 === 2) return [2, 99, 0, 0, 0, i & 0xff, ...source];
  if (i % 64 === 3) return [...mac(port, (i * 3) % STATIONS), ...source];
  if (i % 64 === 4) return [...other, 3, 0, 0, 0, 0, 1];
  if (i % 64 === 5) return [1, 0x80, 0xc2, 0, 0, 14, ...source];
  return [...other, ...source];
}

/** LoopPort's layout: bytes 0..1, 2..5, 6..9 and 10..13 of each frame in a word of its own. */
function prepare(port) {
  const words = new Int32Array(PREPARED * 4);
  const bytes = new Uint8Array(words.buffer);
  for (let i = 0; i < PREPARED; i++) {
    const header = [...frame(port, i), 8, 0];
    for (let k = 0; k < 14; k++) bytes[i * 16 + (k < 2 ? k : k + 2)] = header[k];
  }
  return words;
}

const dataplane = new Dataplane({ keys: Int32Array.of(123, 456, 789, 1011) });
const engine = new Engine(dataplane);
dataplane.addBridge(BRIDGE, 1500);
dataplane.setUp(BRIDGE, true);
const ports = PORTS.map((link) => {
  const port = new LoopPort(dataplane.arena, prepare(link));
  dataplane.addLink(link, 1500, port);
  dataplane.setMaster(link, BRIDGE, 0);
  dataplane.setPort(link, PORT_DEFAULTS, 3, STATIONS * 2);
  for (let storm = 0; storm < 3; storm++) dataplane.setStorm(link, storm, 1000 + storm, 0);
  dataplane.setUp(link, true);
  dataplane.setCarrier(link, true);
  engine.activate(link);
  return port;
});

let now = 0;
function forward(count) {
  for (let done = 0; done < count; now++) {
    done += engine.round(now);
    engine.timers(now);
  }
}

const growth = await growthOf(forward, 3e6, Number(frames));
const transmitted = ports.reduce((sum, port) => sum + port.transmitted, 0);
const drops = dataplane.links.drops.reduce((a, b) => a + b, 0);
console.log(JSON.stringify({ ...growth, transmitted, drops, stations: dataplane.fdb.size }));

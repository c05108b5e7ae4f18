/*
 * Warm-up: has V8 compile the frames' way before the first frame comes. Without it the first thousands of frames, and
 * so every ping on a quiet network, run in the interpreter at twice the latency.
 *
 * It uses the engine and tables of the dataplane itself (V8 specialises the code for them), with three links that no
 * command can name, and leaves no trace in tables or counters.
 */

import { MAX_LINKS } from '../core/links.js';
import type { Dataplane } from '../datapath.js';
import type { Engine } from '../engine.js';
import { LoopPort } from '../io/memory-port.js';

const BRIDGE = MAX_LINKS - 1;
const PORTS = [MAX_LINKS - 2, MAX_LINKS - 3] as const;
const FRAMES = 256;
/** Of some 64 frames a port: enough for V8's last tier, some 30 ms. */
const ROUNDS = 3000;

/** Frames of side `side` to the other side's stations, a few to all and to a station that nobody is. */
function prepare(side: number): Int32Array {
  const words = new Int32Array(FRAMES * 4);
  const bytes = new Uint8Array(words.buffer);
  for (let i = 0; i < FRAMES; i++) {
    const isBroadcast = i % 32 === 31;
    const other = i % 32 === 30 ? 3 : 1 - side;
    const to = isBroadcast ? [255, 255, 255, 255, 255, 255] : [2, 0, 0, 0, other, i & 31];
    const frame = [...to, 2, 0, 0, 0, side, i & 31, 8, 0];
    // LoopPort's layout: bytes 0 and 1 have a word of their own.
    for (let k = 0; k < 14; k++) bytes[i * 16 + (k < 2 ? k : k + 2)] = frame[k];
  }
  return words;
}

export function warmUp(dataplane: Dataplane, engine: Engine): void {
  dataplane.addBridge(BRIDGE, 1500);
  dataplane.setUp(BRIDGE, true);
  PORTS.forEach((link, side) => {
    dataplane.addLink(link, 1500, new LoopPort(dataplane.arena, prepare(side)));
    dataplane.setMaster(link, BRIDGE, 0);
    dataplane.setUp(link, true);
    dataplane.setCarrier(link, true);
    engine.activate(link);
  });
  for (let i = 0; i < ROUNDS; i++) {
    engine.round(i);
    engine.timers(i);
  }
  for (const link of [...PORTS, BRIDGE]) dataplane.removeLink(link, 0);
  engine.round(0);
  dataplane.links.reset();
}

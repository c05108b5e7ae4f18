/*
 * The child process of allocation.test.ts that routes: frames through the compiled engine from one looping port to another, and how
 * the heap grew. What the router is to know, and the frames, come as JSON on standard input (RouterScene of allocation.test.ts).
 *
 *   node --expose-gc route.mjs DIST FRAMES
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { growthOf } from './heap.mjs';

const [dist, frames] = process.argv.slice(2);
const load = (file) => import(pathToFileURL(join(dist, 'src', file)).href);
const { Dataplane } = await load('datapath.js');
const { Engine } = await load('engine.js');
const { LoopPort } = await load('io/memory-port.js');

const scene = JSON.parse(readFileSync(0, 'utf8'));
const dataplane = new Dataplane({ keys: Int32Array.of(123, 456, 789, 1011) });
const engine = new Engine(dataplane);
const { inet } = dataplane;
dataplane.addNamespace(0, scene.lo);
const ports = scene.links.map(({ link, high, low, addresses }) => {
  const words = link === scene.links[0].link ? scene.words : new Array(scene.stride).fill(0);
  const port = new LoopPort(dataplane.arena, Int32Array.from(words), scene.stride, scene.written);
  dataplane.addLink(link, 1500, port);
  dataplane.setMac(link, high, low);
  dataplane.setUp(link, true);
  dataplane.setCarrier(link, true);
  inet.addresses.set4(link, Int32Array.from(addresses), 0);
  return port;
});
for (const [table, row, key, value] of scene.conf) inet.conf.set(table, row, key, value);
if (!inet.fib.apply(Int32Array.from(scene.ops))) throw new Error('the routes do not fit');
for (const [link, address, high, low, state, flags] of scene.neighbours) {
  const slot = inet.neighbour.states.create4(link, address, true, 0);
  inet.neighbour.states.update(slot, true, high, low, state, flags, 0);
}
engine.activate(scene.links[0].link);

let now = 0;
function forward(count) {
  for (let done = 0; done < count; now++) {
    done += engine.round(now);
    engine.timers(now);
  }
}

const growth = await growthOf(forward, 3e6, Number(frames));
const drops = dataplane.links.drops.reduce((a, b) => a + b, 0);
console.log(JSON.stringify({ ...growth, transmitted: ports.map((port) => port.transmitted), drops }));

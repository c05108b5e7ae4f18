/** The small-packet run: how many frames a second come out of b's eth0 while a sends all that it can. */
import { observe, type Sample } from './measure.js';
import { lastLine, sleep } from './program.js';
import { LOAD_CORE, type Scene } from './scene.js';
import { program } from './twin/programs.js';

/** Pairs of stations; every frame has another pair than the one before. */
const STATIONS = 1000;
const FRAME_BYTES = 64;
/** Before the counting starts, seconds. */
const LEAD = 0.4;

/** The generator's command, with more words. */
export const generatorArguments = (more: string[]): string[] => [
  program('generator'),
  'eth0',
  '--stations',
  String(STATIONS),
  '--bytes',
  String(FRAME_BYTES),
  ...more,
];

/** Value in millions of frames a second. */
export async function forwardingRate(scene: Scene, seconds: number): Promise<Sample> {
  // The far stations speak first, so that they are known and the run forwards instead of flooding.
  scene.run(scene.b, generatorArguments(['--reverse', '1', '--count', String(STATIONS), '--rate', '50000']));
  return rate(scene, seconds, []);
}

/** The same through a router at a's side whose MAC ends in `router`: 1,000 destinations in 198.19.0.0/16. */
export function routingRate(scene: Scene, seconds: number, router: number): Promise<Sample> {
  return rate(scene, seconds, ['--router', String(router)]);
}

async function rate(scene: Scene, seconds: number, words: string[]): Promise<Sample> {
  const load = scene.spawn(scene.a, LOAD_CORE, generatorArguments(['--seconds', String(seconds + 2 * LEAD), ...words]));
  await sleep(LEAD);
  const sample = await observe(
    () => scene.received(scene.b),
    () => sleep(seconds),
    (frames, time) => frames / time / 1e6,
  );
  if ((await load.ended) !== 0) throw new Error(`cannot send frames: ${lastLine(load.output)}`);
  if (sample.value === 0) throw new Error('cannot measure: no frame came out at the other end');
  return sample;
}

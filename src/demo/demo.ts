/*
 * `sluice demo`: one bridge between three hosts, shown on the real kernel where that is allowed.
 *
 *   privilege:        kernel namespaces and TAPs               scene.ts
 *   none, but user    the same, after running this program     inside.ts → scene.ts
 *   namespaces:       again as root of a user namespace
 *   neither:          says what is needed; memory ports        memory-scene.ts
 */
import { fileURLToPath } from 'node:url';
import type { Obstacle } from './obstacle.js';
import { Screen } from './screen.js';

export interface DemoOptions {
  /** It runs in a user namespace already: there is no second way around an obstacle. */
  isInside?: boolean;
}

const INSIDE = fileURLToPath(new URL('./inside.js', import.meta.url));

/** The shim may be missing: then nothing of the kernel can be had. */
async function findObstacle(): Promise<Obstacle | undefined> {
  try {
    const obstacles = await import('./obstacle.js');
    return obstacles.findObstacle();
  } catch (error) {
    return { cause: (error as Error).message, need: 'the native shim (npm run build)', isPrivilege: false };
  }
}

/** Its exit status, or undefined if there is no way. */
async function aroundIt(screen: Screen, obstacle: Obstacle): Promise<number | undefined> {
  const { runPrivileged } = await import('./obstacle.js');
  screen.line(`No privilege: ${obstacle.cause}. Trying again in a user namespace.`);
  const answer = runPrivileged(process.execPath, [INSIDE]);
  if (typeof answer === 'number') return answer;
  screen.line(`No user namespace: ${answer}.`);
  return undefined;
}

async function onMemory(screen: Screen, obstacle: Obstacle): Promise<number> {
  screen.line(`On the real kernel this demo needs ${obstacle.need}: ${obstacle.cause}.`);
  screen.line('Here is the same scene on memory ports, with simulated hosts.');
  screen.line();
  const { playOnMemory } = await import('./memory-scene.js');
  return playOnMemory(screen);
}

/** Answers the exit status: 0, or what failed is on stderr. */
export async function run(options: DemoOptions = {}): Promise<number> {
  const screen = new Screen(process.stdout);
  const obstacle = await findObstacle();
  if (obstacle === undefined) {
    const { playOnKernel } = await import('./scene.js');
    return playOnKernel(screen);
  }
  if (obstacle.isPrivilege && options.isInside !== true) {
    const status = await aroundIt(screen, obstacle);
    if (status !== undefined) return status;
  }
  return onMemory(screen, obstacle);
}

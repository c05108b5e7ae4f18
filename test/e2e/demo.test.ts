/*
 * `sluice demo` as a user runs it: as root, as nobody (user namespace), where neither is allowed (memory ports), interrupted
 * and killed. Each run has a folder of its own for temporary files, so that what it leaves behind can be seen.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { HOSTS } from '../../src/demo/hosts.js';
import { playOnMemory } from '../../src/demo/memory-scene.js';
import { findObstacle } from '../../src/demo/obstacle.js';
import { Screen } from '../../src/demo/screen.js';
import { Stage } from '../../src/demo/stage.js';

const SLUICE = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));
const DEMO = [process.execPath, SLUICE, 'demo'];
const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
/** A user namespace that allows no further ones, and no capabilities in it: then nothing is left but memory. */
const CONFINED = ['unshare', '-Urn', 'sh', '-c', 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', 'sh'];
const POWERLESS = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'];
const LIMIT_MS = 30_000;

interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
  ms: number;
}

let cleanups: Array<() => void> = [];
afterEach(() => {
  for (const cleanup of cleanups.reverse()) cleanup();
  cleanups = [];
});

/** Why the commands cannot be used here, or undefined. */
function refusal(argv: string[]): string | undefined {
  const { status, error, stderr } = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' });
  return status === 0 ? undefined : `"${argv.join(' ')}": ${error?.message ?? stderr.trim()}`;
}

const notCompiled = existsSync(fileURLToPath(new URL('../../dist/src/demo/demo.js', import.meta.url)))
  ? undefined
  : 'it is not compiled: npm run build';
const noKernel = notCompiled ?? findObstacle()?.cause;
const noNobody = notCompiled ?? refusal([...NOBODY, 'unshare', '-Urn', 'test', '-w', '/dev/net/tun']);
const noConfinement = notCompiled ?? refusal([...CONFINED, ...POWERLESS, 'true']);

/** A test that is skipped, with the reason in its name, if there is one. */
function unless(reason: string | undefined, name: string, body: () => Promise<void>): void {
  if (reason === undefined) test(name, { timeout: 2 * LIMIT_MS }, body);
  else test.skip(`${name} (skipped: ${reason})`, body);
}

class Run {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-test-demo-'));
  readonly ended: Promise<Ended>;
  out = '';
  private readonly child: ChildProcess;

  constructor(argv: string[]) {
    chmodSync(this.folder, 0o777);
    const startMs = performance.now();
    // A group of its own, so that it can be signalled as a terminal does it.
    this.child = spawn(argv[0], argv.slice(1), {
      detached: true,
      env: { ...process.env, TMPDIR: this.folder },
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
    });
    let err = '';
    this.child.stdout?.on('data', (text: Buffer) => {
      this.out += text.toString();
    });
    this.child.stderr?.on('data', (text: Buffer) => {
      err += text.toString();
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (status, signal) => {
        resolve({ status, signal, out: this.out, err, ms: performance.now() - startMs });
      });
    });
    cleanups.push(() => {
      if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  async shows(text: string): Promise<void> {
    await vi.waitFor(() => expect(this.out).toContain(text), { timeout: 15_000, interval: 20 });
  }

  /** To the demo and all that it started. */
  interrupt(): void {
    if (this.child.pid !== undefined) process.kill(-this.child.pid, 'SIGINT');
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** The processes that its output names: the daemon, and the hosts whose namespaces are named by their pids. */
  processes(): number[] {
    return [...this.out.matchAll(/(?:pid|netns) (\d+)/g)].map((match) => Number(match[1]));
  }

  /** Nothing of it is left: a namespace lives as long as its process, a TAP as long as the daemon. */
  async expectGone(): Promise<void> {
    const pids = this.processes();
    expect(pids).toHaveLength(1 + HOSTS.length);
    const isGone = () => pids.every((pid) => !existsSync(`/proc/${pid}`)) && readdirSync(this.folder).length === 0;
    await vi.waitFor(() => expect(isGone()).toBe(true), { timeout: 5000 });
  }
}

function expectScene(out: string): void {
  for (const pair of ['a ↔ b', 'a ↔ c', 'b ↔ c']) {
    expect(out).toMatch(new RegExp(`${pair} +✓ 5 of 5 +[\\d.]+ ms +✓ 5 of 5 +[\\d.]+ ms\n`));
  }
  for (const [i, { mac }] of HOSTS.entries())
    expect(out).toMatch(new RegExp(`  ${i + 1}\t${mac}\tno\t\t +\\d+\\.\\d\\d\n`));
  expect(out).toContain('port no\tmac addr\t\tis local?\tageing timer');
  expect(out).toMatch(/t1 +pause_frame +8 {2}it is a PAUSE frame, which no bridge forwards\n/);
  expect(out).toMatch(/t1 +source_invalid +8 /);
  expect(out).toMatch(/t1 +same_port +8 /);
  expect(out).toContain('✓ every frame is accounted for');
  expect(out).not.toContain('✗');
}

function expectComparison(out: string): void {
  expect(out).toMatch(/TCP a → b, one stream +[\d.]+ Gb\/s +[\d.]+ Gb\/s +\d+\.\d\d\n/);
  expect(out).toMatch(/64-byte frames a → b +[\d.]+ Mpps +[\d.]+ Mpps +\d+\.\d\d\n/);
}

describe('on the kernel', () => {
  unless(noKernel, 'with privilege it shows the whole scene in time and leaves nothing behind', async () => {
    const run = new Run(DEMO);
    const { status, out, err, ms } = await run.ended;
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(ms).toBeLessThan(LIMIT_MS);
    expectScene(out);
    expectComparison(out);
    // Into a pipe: neither colours nor a live line.
    expect(out).not.toMatch(/[\x1b\r]/);
    await run.expectGone();
  });

  unless(noNobody, 'without privilege it runs in a user namespace', async () => {
    const run = new Run([...NOBODY, ...DEMO]);
    const { status, out, err, ms } = await run.ended;
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(ms).toBeLessThan(LIMIT_MS);
    expect(out).toMatch(/^No privilege: .+ Trying again in a user namespace\.\n/);
    expectScene(out);
    expectComparison(out);
    await run.expectGone();
  });

  unless(noKernel, 'Ctrl-C cleans up', async () => {
    const run = new Run(DEMO);
    await run.shows('Ping of every pair');
    run.interrupt();
    const { status, err } = await run.ended;
    expect(err).toBe('cannot finish the demo: interrupted by SIGINT; all that it made is gone again\n');
    expect(status).toBe(130);
    await run.expectGone();
  });

  unless(noKernel, 'killed, it takes daemon, hosts and namespaces along', async () => {
    const run = new Run(DEMO);
    await run.shows('Throughput');
    run.kill();
    expect(await run.ended).toMatchObject({ signal: 'SIGKILL' });
    await run.expectGone();
  });
});

describe('on memory ports', () => {
  unless(noConfinement, 'where nothing is allowed it says what it needs and shows the scene', async () => {
    const { status, out, err } = await new Run([...CONFINED, ...POWERLESS, ...DEMO]).ended;
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(/^No privilege: .+\nNo user namespace: .+\n/);
    expect(out).toContain('On the real kernel this demo needs root');
    expectScene(out);
    expect(out).toContain('Everything worked.');
  });

  test('on a terminal it has colours and live progress', { timeout: LIMIT_MS }, async () => {
    let out = '';
    vi.stubEnv('NO_COLOR', '');
    cleanups.push(() => vi.unstubAllEnvs());
    const write = (text: string) => {
      out += text;
    };
    expect(await playOnMemory(new Screen({ write, isTTY: true }))).toBe(0);
    expect(out).toMatch(/\r\x1b\[2m {2}64-byte frames a ↔ b: [\d.]+ Mpps\x1b\[0m\x1b\[K/);
    expect(out).toContain('\x1b[32m✓\x1b[0m');
    // What remains when the terminal has carried that out is the plain scene.
    expectScene(out.replace(/\r[^\n\r]*\x1b\[K/g, '').replace(/\x1b\[\d*m/g, ''));
  });
});

describe('what fails', () => {
  async function play(
    scene: (stage: Stage) => Promise<void>,
  ): Promise<{ status: number; err: string; order: string[] }> {
    const order: string[] = [];
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    cleanups.push(() => written.mockRestore());
    const stage = new Stage(new Screen({ write: () => {} }));
    stage.defer(() => order.push('made first'));
    stage.defer(() => order.push('made last'));
    const status = await stage.play(scene, () => order.push('epilogue'));
    return { status, err: written.mock.calls.map(([text]) => String(text)).join(''), order };
  }

  test('an expectation that is not met: all is shown, then the reason, status 1', async () => {
    const { status, err, order } = await play(async (stage) => {
      expect(stage.expect(false, 'ping', '10.77.0.2 from a', '5 of 5 echoes had no answer', 'see the drops')).toBe('✗');
      expect(stage.expect(true, 'ping', '10.77.0.3 from a', '', '')).toBe('✓');
    });
    expect(status).toBe(1);
    expect(err).toBe('cannot ping 10.77.0.2 from a: 5 of 5 echoes had no answer; see the drops\n');
    expect(order).toEqual(['made last', 'made first']);
  });

  test('an error in the middle, and one while cleaning up', async () => {
    const { status, err, order } = await play(async (stage) => {
      stage.defer(() => Promise.reject(new Error('cannot remove x: it is gone; look elsewhere')));
      throw new Error('cannot create tap "t1": operation not permitted; run as root');
    });
    expect(status).toBe(1);
    expect(err).toBe(
      'cannot create tap "t1": operation not permitted; run as root\ncannot remove x: it is gone; look elsewhere\n',
    );
    expect(order).toEqual(['made last', 'made first']);
  });

  test('nothing failed: the epilogue, status 0', async () => {
    expect(await play(async () => {})).toEqual({ status: 0, err: '', order: ['made last', 'made first', 'epilogue'] });
  });
});

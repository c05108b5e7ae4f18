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
import type * as MemoryScene from '../../src/demo/memory-scene.js';
import type * as Obstacle from '../../src/demo/obstacle.js';
import type * as ScreenModule from '../../src/demo/screen.js';
import type * as StageModule from '../../src/demo/stage.js';
import { ENVIRONMENT } from '../support/program.js';
import { titled } from '../support/requirements.js';

const SLUICE = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));
const DEMO = [process.execPath, SLUICE, 'demo'];
const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
/** A user namespace that allows no further ones, and no capabilities in it: then nothing is left but memory. */
const CONFINED = ['unshare', '-Urn', 'sh', '-c', 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', 'sh'];
const POWERLESS = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'];
const LIMIT_MS = 30_000;

const ESCAPE = '\x1b';

/** What the program itself runs: a module of the demo as it is compiled. */
function compiled<T>(name: string): Promise<T> {
  return import(new URL(`../../dist/src/demo/${name}.js`, import.meta.url).href) as Promise<T>;
}

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

/** Why a program cannot be run here; '' if it can. */
function refusal(argv: string[]): string {
  const { status, error, stderr } = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8', env: ENVIRONMENT });
  return status === 0 ? '' : `"${argv.join(' ')}" fails: ${error?.message ?? stderr.trim()}`;
}

async function kernelObstacle(): Promise<string> {
  const { findObstacle } = await compiled<typeof Obstacle>('obstacle');
  return findObstacle()?.cause ?? '';
}

const isCompiled = existsSync(fileURLToPath(new URL('../../dist/src/demo/demo.js', import.meta.url)));
const noCode = isCompiled ? '' : 'needs the compiled program: npm run build';
const noKernel = noCode || (await kernelObstacle());
const noNobody = noCode || refusal([...NOBODY, 'unshare', '-Urn', 'test', '-w', '/dev/net/tun']);
const noConfinement = noCode || refusal([...CONFINED, ...POWERLESS, 'true']);

/** A test that is skipped where something is missing; its title says what. */
function unless(missing: string, title: string, body: () => Promise<void>): void {
  test.skipIf(missing)(titled(title, missing), { timeout: 2 * LIMIT_MS }, body);
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
      env: { ...ENVIRONMENT, TMPDIR: this.folder },
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

/** The scenes whose hosts are inside Sluice. */
function expectInside(out: string): void {
  expect(out).toContain('From 10.1.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1300)');
  expect(out).toMatch(/NAT +source 192\.168\.1\.2 → 203\.0\.113\.1\n/);
  expect(out).toMatch(/NAT +destination 203\.0\.113\.1:53 → 192\.168\.1\.2:5353\n/);
  expect(out).toMatch(/dport=53 \[UNREPLIED\] src=192\.168\.1\.2 dst=203\.0\.113\.9 sport=5353 /);
  expect(out).toMatch(/result +it is dropped\n/);
  expect(out).toMatch(/ 1 +60 DROP .*tcp dpt:22\n/);
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
    expectInside(out);
    // Into a pipe: neither colours nor a live line.
    expect(out).not.toContain(ESCAPE);
    expect(out).not.toContain('\r');
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
    expectInside(out);
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
    expectInside(out);
    expect(out).toContain('Everything worked.');
  });

  /** What remains on a terminal when all was written: live lines replaced, colours taken off. */
  function remains(out: string): string {
    const lines = out.split('\n').map((line) => line.split(`${ESCAPE}[K`).at(-1));
    return [0, 1, 2, 31, 32].reduce((text, style) => text.replaceAll(`${ESCAPE}[${style}m`, ''), lines.join('\n'));
  }

  unless(noCode, 'on a terminal it has colours and live progress', async () => {
    const { playOnMemory } = await compiled<typeof MemoryScene>('memory-scene');
    const { Screen } = await compiled<typeof ScreenModule>('screen');
    vi.stubEnv('NO_COLOR', '');
    cleanups.push(() => vi.unstubAllEnvs());
    const written: string[] = [];
    const screen = new Screen({ write: (text: string) => written.push(text), isTTY: true });
    expect(await playOnMemory(screen)).toBe(0);
    const out = written.join('');
    const live = written.filter(
      (text) => text.startsWith(`\r${ESCAPE}[2m`) && text.endsWith(`${ESCAPE}[0m${ESCAPE}[K`),
    );
    expect(live.filter((text) => /64-byte frames a ↔ b: [\d.]+ Mpps/.test(text)).length).toBeGreaterThan(5);
    expect(out).toContain(`${ESCAPE}[32m✓${ESCAPE}[0m`);
    expect(remains(out)).not.toContain(ESCAPE);
    expectScene(remains(out));
    expectInside(remains(out));
  });
});

describe('what fails', () => {
  type Scene = (stage: StageModule.Stage) => Promise<void>;

  async function play(scene: Scene): Promise<{ status: number; err: string; order: string[] }> {
    const { Stage } = await compiled<typeof StageModule>('stage');
    const { Screen } = await compiled<typeof ScreenModule>('screen');
    const order: string[] = [];
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    cleanups.push(() => written.mockRestore());
    const stage = new Stage(new Screen({ write: () => {} }));
    stage.defer(() => order.push('made first'));
    stage.defer(() => order.push('made last'));
    const status = await stage.play(scene, () => order.push('epilogue'));
    return { status, err: written.mock.calls.map(([text]) => String(text)).join(''), order };
  }

  unless(noCode, 'an expectation that is not met: all is shown, then the reason, status 1', async () => {
    const { status, err, order } = await play(async (stage) => {
      expect(stage.expect(false, 'ping', '10.77.0.2 from a', '5 of 5 echoes had no answer', 'see the drops')).toBe('✗');
      expect(stage.expect(true, 'ping', '10.77.0.3 from a', '', '')).toBe('✓');
    });
    expect(status).toBe(1);
    expect(err).toBe('cannot ping 10.77.0.2 from a: 5 of 5 echoes had no answer; see the drops\n');
    expect(order).toEqual(['made last', 'made first']);
  });

  unless(noCode, 'an error in the middle, and one while cleaning up', async () => {
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

  unless(noCode, 'nothing failed: the epilogue, status 0', async () => {
    expect(await play(async () => {})).toEqual({ status: 0, err: '', order: ['made last', 'made first', 'epilogue'] });
  });
});

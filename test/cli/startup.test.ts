/*
 * How fast a command starts. The contract: at most 60 ms above `node -e 0`. Measured as CPU time, the
 * least of several runs of each, taken in turns: starting is all computing, and other load on the
 * machine would stretch the wall clock. What would make it slow, loading the dataplane, is looked
 * for in the imports themselves.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VERBS } from '../../src/cli/verbs.js';
import { FakeDaemon } from './fake-daemon.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RUNS = 8;
const BUDGET_MS = 60;

/** Loaded before the program: says at its end what it cost. */
const METER = `process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  require('node:fs').writeSync(3, String(user + system));
});`;

/** CPU time of a run, ms. */
function cost(meter: string, args: readonly string[], socket: string): Promise<number> {
  const env = { ...process.env, SLUICE_SOCKET: socket, NODE_OPTIONS: '' };
  const child = spawn(process.execPath, ['-r', meter, ...args], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], env });
  let text = '';
  child.stdio[3]?.on('data', (chunk) => {
    text += String(chunk);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve(Number(text) / 1000));
  });
}

const built = existsSync(join(ROOT, 'dist/src/cli/main.js'));

describe.skipIf(!built)(`starting${built ? '' : ' (needs the compiled program: npm run build)'}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-startup-'));
  const meter = join(directory, 'meter.cjs');
  let daemon: FakeDaemon;

  beforeAll(async () => {
    writeFileSync(meter, METER);
    daemon = await FakeDaemon.start(() => []);
  });

  afterAll(() => {
    daemon?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each(['ip link', 'ip addr', 'ip neigh', 'bridge fdb', 'brctl show'])(
    'sluice %s is within the budget',
    async (line) => {
      let empty = Number.POSITIVE_INFINITY;
      let ours = Number.POSITIVE_INFINITY;
      for (let run = 0; run < RUNS; run++) {
        empty = Math.min(empty, await cost(meter, ['-e', '0'], daemon.socket));
        ours = Math.min(ours, await cost(meter, [join(ROOT, 'bin/sluice.js'), ...line.split(' ')], daemon.socket));
      }
      expect(empty).toBeGreaterThan(1);
      expect(ours - empty).toBeLessThan(BUDGET_MS);
      expect(daemon.received.length).toBeGreaterThanOrEqual(RUNS);
    },
    30000,
  );
});

/** Files that a file loads at once: not its types, not what it imports when needed. */
function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const found = [...text.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^;']*?from\s+)?'(\.[^']+)';/gm)];
  const values = found.filter(([statement]) => !/\{(\s*type\s+\w+\s*,?)+\s*\}/.test(statement));
  return values.map(([, path]) => join(dirname(file), path.replace(/\.js$/, '.ts')));
}

function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const other of imports(file)) loadedBy(other, seen);
  return seen;
}

describe('what a command loads', () => {
  const clients = Object.keys(VERBS).filter((verb) => verb !== 'bench');

  it.each(['main', ...clients])('%s: only the command line and the client', (verb) => {
    const files = [...loadedBy(join(ROOT, `src/cli/${verb}.ts`))].map((file) => relative(ROOT, file));
    expect(
      files.filter(
        (file) =>
          !/^src\/(cli\/|control\/(client|api\/[a-z]+|route-batch|iptables\/(getopt-long|tool-words)|ipset\/(failures|words))\.ts$|core\/errors\.ts$)/.test(
            file,
          ),
      ),
    ).toEqual([]);
    expect(files.length).toBeLessThan(30);
  });

  it('the front loads no verb', () => {
    const files = [...loadedBy(join(ROOT, 'src/cli/main.ts'))].map((file) => relative(ROOT, file)).sort();
    expect(files).toEqual(
      ['client', 'main', 'refusal', 'terminal', 'verbs']
        .map((name) => `src/${name === 'client' ? 'control' : 'cli'}/${name}.ts`)
        .sort(),
    );
  });
});

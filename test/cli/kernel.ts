/*
 * Kernel namespaces for differential tests, and the real tools in them. Without root or without a
 * tool, `unavailable` says why, and the tests that need it are skipped with that reason.
 */
import { spawnSync } from 'node:child_process';
import type { Outcome } from './run.js';

const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

function version(tool: string, ...args: string[]): string | undefined {
  const { stdout, error } = spawnSync(tool, args, { encoding: 'utf8', env: ENV });
  return error === undefined ? stdout : undefined;
}

/** Why the real tools cannot be compared with; '' if they can. */
export function unavailable(...tools: Array<'iproute2' | 'brctl' | 'ethtool'>): string {
  if (process.getuid?.() !== 0) return 'needs root';
  const ip = version('ip', '-V');
  if (ip === undefined) return 'needs iproute2';
  if (tools.includes('iproute2') && !ip.includes('iproute2-6.1'))
    return 'needs iproute2 6.1, whose output is the reference';
  if (tools.includes('brctl') && !version('brctl', '--version')?.includes('1.7')) return 'needs bridge-utils 1.7';
  if (tools.includes('ethtool') && version('ethtool', '--version') === undefined) return 'needs ethtool';
  const probe = new Namespace();
  try {
    return probe.made ? '' : 'needs kernel network namespaces';
  } finally {
    probe.remove();
  }
}

let count = 0;

export class Namespace {
  readonly name = `slcli-${process.pid}-${count++}`;
  readonly made: boolean;

  constructor() {
    this.made = spawnSync('ip', ['netns', 'add', this.name], { env: ENV }).status === 0;
  }

  /** Runs a line's words in the namespace. */
  run(line: string): Outcome {
    const argv = line.split(' ').filter((word) => word !== '');
    const { status, stdout, stderr } = spawnSync('ip', ['netns', 'exec', this.name, ...argv], {
      encoding: 'utf8',
      env: ENV,
      input: '',
    });
    return { status: status ?? -1, out: stdout, err: stderr };
  }

  /** Lines that must work. */
  set(...lines: string[]): void {
    for (const line of lines) {
      const { status, err } = this.run(line);
      if (status !== 0) throw new Error(`${line}: ${err}`);
    }
  }

  json<T>(line: string): T {
    return JSON.parse(this.run(line).out) as T;
  }

  remove(): void {
    if (this.made) spawnSync('ip', ['netns', 'delete', this.name], { env: ENV });
  }
}

/*
 * Where a wire measurement happens: three kernel namespaces of its own.
 *
 *      a                     m                     b
 *   ┌──────┐   TAP or   ┌─────────┐   TAP or   ┌──────┐
 *   │ eth0 ├────────────┤ bridge  ├────────────┤ eth0 │
 *   └──────┘    veth    └─────────┘    veth    └──────┘
 *   the load,           whoever is             the sink: eth0's
 *   core 0              measured, core 1       rx_packets, no socket
 *
 * The namespaces have no IPv6 and no address (unless a measurement gives one), so nothing answers what
 * arrives. Every scene has names of its own; closing it kills its programs by id, and its devices go with its
 * namespaces, also after a failure or a signal.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { received } from './counters.js';
import { Program, run, until } from './program.js';

/** The generator's core and that of whoever is measured. */
export const LOAD_CORE = 0;
export const BRIDGE_CORE = 1;

const open = new Set<Scene>();
let made = 0;

export class Scene {
  readonly a: string;
  readonly m: string;
  readonly b: string;
  /** For sockets and databases; removed with the scene. */
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  private readonly programs: Program[] = [];

  constructor() {
    const id = `slb${process.pid}-${made++}`;
    [this.a, this.m, this.b] = [`${id}a`, `${id}m`, `${id}b`];
    open.add(this);
    for (const namespace of [this.a, this.m, this.b]) {
      run(['ip', 'netns', 'add', namespace]);
      const off = ['all', 'default'].map((which) => `echo 1 > /proc/sys/net/ipv6/conf/${which}/disable_ipv6`);
      run(['ip', 'netns', 'exec', namespace, 'sh', '-c', `test ! -d /proc/sys/net/ipv6 || { ${off.join(' && ')}; }`]);
    }
  }

  /** veth pairs: eth0 in a and b, whose other ends are p1 and p2 in m. All up. */
  veths(): void {
    for (const [side, name] of [
      [this.a, 'p1'],
      [this.b, 'p2'],
    ] as const) {
      run(['ip', 'link', 'add', 'eth0', 'netns', side, 'type', 'veth', 'peer', 'name', name, 'netns', this.m]);
      run(['ip', '-n', side, 'link', 'set', 'eth0', 'up']);
      run(['ip', '-n', this.m, 'link', 'set', name, 'up']);
    }
  }

  /** The kernel end of a TAP that was made in m becomes eth0 of a side. */
  adopt(device: string, side: string): void {
    run(['ip', '-n', this.m, 'link', 'set', device, 'netns', side]);
    run(['ip', '-n', side, 'link', 'set', device, 'name', 'eth0']);
    run(['ip', '-n', side, 'link', 'set', 'eth0', 'up']);
  }

  /** Starts a program in a namespace on a core; it ends with the scene at the latest. */
  spawn(namespace: string, core: number, argv: string[], env: NodeJS.ProcessEnv = {}): Program {
    const program = new Program(['ip', 'netns', 'exec', namespace, 'taskset', '-c', String(core), ...argv], env);
    this.programs.push(program);
    return program;
  }

  /** Starts what is measured: in m, on its core. */
  bridge(argv: string[], env: NodeJS.ProcessEnv = {}): Program {
    return this.spawn(this.m, BRIDGE_CORE, argv, env);
  }

  /** Runs a command in a namespace to its end. */
  run(namespace: string, argv: string[]): string {
    return run(['ip', 'netns', 'exec', namespace, ...argv]);
  }

  /** The programs that were started, by id, in order. */
  pids(): number[] {
    return this.programs.flatMap((program) => program.child.pid ?? []);
  }

  /** While others are measured this one's programs stand still: those that poll all the time would take their core. */
  park(): void {
    for (const program of this.programs) program.signal('SIGSTOP');
  }

  resume(): void {
    for (const program of this.programs) program.signal('SIGCONT');
  }

  /** Frames that eth0 of a side has received. */
  received(side: string): number {
    return received('eth0', '-n', side);
  }

  /** Both ends get an address; waits until both are up. */
  async address(a: string, b: string): Promise<void> {
    run(['ip', '-n', this.a, 'addr', 'add', `${a}/24`, 'dev', 'eth0']);
    run(['ip', '-n', this.b, 'addr', 'add', `${b}/24`, 'dev', 'eth0']);
    await until(`answer from ${b}`, 10, () => this.reaches(b));
  }

  /** Both ends get an address in a subnet of their own, and a router to the other's. */
  async addressApart(a: string, b: string, routerOfA: string, routerOfB: string): Promise<void> {
    for (const [side, address, router] of [
      [this.a, a, routerOfA],
      [this.b, b, routerOfB],
    ]) {
      run(['ip', '-n', side, 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
      run(['ip', '-n', side, 'route', 'add', 'default', 'via', router]);
    }
    await until(`answer from ${b}`, 10, () => this.reaches(b));
  }

  private reaches(address: string): boolean {
    try {
      run(['ip', 'netns', 'exec', this.a, 'ping', '-c', '1', '-W', '1', address]);
      return true;
    } catch {
      return false;
    }
  }

  /** Kills, deletes, removes; whatever is gone already is no error. Not async: it must work while the process exits. */
  close(): void {
    open.delete(this);
    for (const program of this.programs) program.signal('SIGKILL');
    for (const namespace of [this.a, this.m, this.b]) {
      try {
        run(['ip', 'netns', 'del', namespace]);
      } catch {}
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Closes every scene that is still open. */
export function closeScenes(): void {
  for (const scene of open) scene.close();
}

/** From here on no scene outlives the process. */
export function guardScenes(): void {
  process.on('exit', closeScenes);
  for (const [name, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(name, () => process.exit(status));
  }
}

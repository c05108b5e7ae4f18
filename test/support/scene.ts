/*
 * The stage of an end-to-end test: hosts, daemons, raw sockets and files, all gone when it ends, whether it passed or not.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { balanceOf, Daemon, type DaemonOptions } from './daemon.js';
import { Host } from './host.js';
import { Program } from './program.js';
import { Wires } from './wires.js';

export class Scene {
  private ends: Array<() => unknown> = [];

  /** Called at the end, the last one first. */
  atEnd(end: () => unknown): void {
    this.ends.push(end);
  }

  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'));
    this.atEnd(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }

  async host(): Promise<Host> {
    const host = await Host.make();
    this.atEnd(() => host.remove());
    return host;
  }

  async hosts(count: number): Promise<Host[]> {
    const hosts: Host[] = [];
    while (hosts.length < count) hosts.push(await this.host());
    return hosts;
  }

  async daemon(options: DaemonOptions = {}): Promise<Daemon> {
    const daemon = Daemon.launch(this.folder(), options);
    this.atEnd(() => daemon.stop());
    await daemon.program.says(/^sluice: ready$/m);
    if (options.isSilent === true)
      await daemon.ask({ op: 'sysctl.set', key: 'net.ipv6.conf.all.disable_ipv6', value: '1' });
    return daemon;
  }

  wires(): Wires {
    const wires = new Wires();
    this.atEnd(() => wires.end());
    return wires;
  }

  /** A program that is stopped at the end if it still runs. */
  program(argv: readonly string[]): Program {
    const program = new Program(argv);
    this.atEnd(() => program.stop('SIGKILL'));
    return program;
  }

  /** Everything goes, whatever fails on the way. */
  async end(): Promise<void> {
    const errors: unknown[] = [];
    for (const end of this.ends.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/** A fresh scene for each test. */
export function sceneOfEach(): { current: Scene } {
  const holder = { current: new Scene() };
  beforeEach(() => {
    holder.current = new Scene();
  });
  afterEach(() => holder.current.end());
  return holder;
}

/** One scene for all tests of a suite, set up once. */
export function sceneOfAll(setUp: (scene: Scene) => Promise<void>): void {
  const scene = new Scene();
  beforeAll(async () => {
    try {
      await setUp(scene);
    } catch (error) {
      await scene.end();
      throw error;
    }
  });
  afterAll(() => scene.end());
}

/** At rest, every frame reference is accounted for, and none is held. */
export async function expectConserved(daemon: Daemon): Promise<void> {
  const status = await daemon.atRest();
  const { in: taken, out } = balanceOf(status);
  expect(out, JSON.stringify(status)).toBe(taken);
  expect(status.held).toBe(0);
}

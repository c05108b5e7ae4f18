/*
 * The daemon of the scene: `sluice up` as a child, as a user would start it, and commands given to it, by the command
 * line's own front in this process: what the demo prints as a command is what it has carried out.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../cli/main.js';
import { endChild } from './child.js';
import { DemoFailure } from './failure.js';

const SLUICE = fileURLToPath(new URL('../../../bin/sluice.js', import.meta.url));
const TETHER = new URL('./tether.js', import.meta.url).href;
const START_TIMEOUT_MS = 10_000;

export class DaemonProcess {
  private readonly folder = mkdtempSync(join(tmpdir(), 'sluice-demo-'));
  private readonly socket = join(this.folder, 'sluice.sock');
  private readonly child: ChildProcess;
  private output = '';
  /** It has said that it listens. */
  isReady = false;
  /** What it logged: shown only if something fails. */
  log = '';

  constructor() {
    this.child = fork(SLUICE, ['--socket', this.socket, 'up', '--log-level', 'warn'], {
      env: { ...process.env, SLUICE_DEMO_FOLDER: this.folder },
      execArgv: ['--import', TETHER],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.child.stderr?.on('data', (text: Buffer) => {
      this.log += text.toString();
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Resolves when it listens. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (cause: string) =>
        reject(new DemoFailure('start', 'sluice up', cause, 'what it logged stands above'));
      const timer = setTimeout(() => fail(`it is not ready after ${START_TIMEOUT_MS / 1000} s`), START_TIMEOUT_MS);
      this.child.stdout?.on('data', (text: Buffer) => {
        this.output += text.toString();
        if (!this.output.includes('sluice: ready')) return;
        clearTimeout(timer);
        this.isReady = true;
        resolve();
      });
      this.child.once('exit', (status, signal) => {
        clearTimeout(timer);
        fail(`it ended with ${signal ?? status}`);
      });
    });
  }

  /** Carries out `sluice WORDS`, which must work; answers what it prints. */
  async command(words: string): Promise<string> {
    const { status, out, err } = await this.run(words);
    // The real tool's line comes first, the house sentence last.
    if (status !== 0)
      throw new Error(err.trim().split('\n').at(-1) ?? `cannot ${words}: status ${status}; see "sluice --help"`);
    return out;
  }

  /** Carries out `sluice WORDS`, whatever comes of it; answers what it prints, complaints at the end. */
  async attempt(words: string): Promise<string> {
    const { out, err } = await this.run(words);
    return out + err;
  }

  private async run(words: string): Promise<{ status: number; out: string; err: string }> {
    let out = '';
    let err = '';
    const terminal = {
      out: (text: string) => {
        out += text;
      },
      err: (text: string) => {
        err += text;
      },
      socket: this.socket,
    };
    const status = await main(words.split(' '), terminal);
    return { status, out, err };
  }

  /** Ends it, removes what it leaves and answers its exit status. */
  async stop(): Promise<number | string> {
    this.child.kill('SIGTERM');
    const status = await endChild(this.child);
    rmSync(this.folder, { recursive: true, force: true });
    return status;
  }
}

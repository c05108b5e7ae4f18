/** A running program that the harness started: pinned, watched, and killed by its id. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Bytes of a program's output that are kept to say why it failed. */
const TAIL = 4096;

/** Where a command lies, or undefined; the sbin folders are looked through even if PATH lacks them. */
export function which(command: string): string | undefined {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    const path = join(folder, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {}
  }
  return undefined;
}

/** "X is not installed" for the first command that is not, else undefined. */
export function missing(...commands: string[]): string | undefined {
  const absent = commands.find((command) => which(command) === undefined);
  return absent === undefined ? undefined : `${absent} is not installed`;
}

/** Runs a command to its end; its words on stderr become the error. */
export function run(argv: string[], options: { input?: string; env?: NodeJS.ProcessEnv } = {}): string {
  try {
    return execFileSync(argv[0], argv.slice(1), { encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'], ...options });
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? '').trim();
    throw new Error(`cannot run ${argv.join(' ')}: ${said || (error as Error).message}`);
  }
}

export const sleep = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

/** Asks until the answer is yes; throws after `seconds`. */
export async function until(what: string, seconds: number, question: () => boolean): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !question(); await sleep(0.02)) {
    if (Date.now() > end) throw new Error(`cannot go on: no ${what} within ${seconds} s`);
  }
}

export class Program {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves with its exit status, 128 + n where a signal ended it. */
  readonly ended: Promise<number>;
  /** The last of what it said on stdout and stderr. */
  output = '';

  constructor(argv: string[], env: NodeJS.ProcessEnv = {}) {
    // Should the harness itself be killed, the kernel kills what it started.
    const guarded = which('setpriv') === undefined ? argv : ['setpriv', '--pdeathsig', 'KILL', ...argv];
    // stdin is a pipe that stays open: vde_switch and testpmd end when theirs does.
    this.child = spawn(guarded[0], guarded.slice(1), { env: { ...process.env, ...env } });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output = (this.output + text).slice(-TAIL);
      });
    }
    this.ended = new Promise((done) => {
      this.child.on('error', (error) => {
        this.output += error.message;
        done(127);
      });
      this.child.on('close', (status, signal) => done(status ?? (signal === null ? 1 : 128)));
    });
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null && this.child.pid !== undefined;
  }

  /** Waits for a word in its output. */
  async says(word: string, seconds = 10): Promise<void> {
    await until(`word "${word}" from it`, seconds, () => {
      if (!this.alive) throw new Error(`cannot start it: it ended and said: ${lastLine(this.output)}`);
      return this.output.includes(word);
    });
  }

  signal(name: NodeJS.Signals): void {
    if (this.alive) this.child.kill(name);
  }
}

export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

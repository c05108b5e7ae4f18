/* Programs that tests start: run to the end, or kept running and waited for by what they say. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { delimiter } from 'node:path';

/** Real tools before whatever else the user has; and no translations. */
export const ENVIRONMENT: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: ['/usr/sbin', '/usr/bin', '/sbin', '/bin', process.env.PATH ?? ''].join(delimiter),
  LC_ALL: 'C',
};

/** How long anything may take that happens at once when all is well, ms. Generous: the machine may be busy. */
export const PATIENCE_MS = 15_000;

const MAX_OUTPUT = 1 << 28;
/** A program that hangs is ended before its test is given up: nothing outlives the run. */
const LONGEST_RUN_MS = 50_000;

export interface Outcome {
  status: number;
  out: string;
  err: string;
}

/** Words of a line, as a shell without quotes splits them. */
export function wordsOf(line: string): string[] {
  return line.split(/\s+/).filter((word) => word !== '');
}

/** Runs a program to its end; a signal counts as status -1. */
export function run(argv: readonly string[], input = '', environment: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const [file, ...args] = argv;
  return new Promise((resolve, reject) => {
    const options = {
      env: { ...ENVIRONMENT, ...environment },
      encoding: 'utf8' as const,
      maxBuffer: MAX_OUTPUT,
      timeout: LONGEST_RUN_MS,
      killSignal: 'SIGKILL' as const,
    };
    const child = execFile(file, args, options, (error, out, err) => {
      if (error !== null && typeof error.code === 'string') return reject(error);
      resolve({ status: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, out, err });
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** The same, and it must work. Answers what it printed. */
export async function must(argv: readonly string[], input = ''): Promise<string> {
  const { status, out, err } = await run(argv, input);
  if (status !== 0) throw new Error(`${argv.join(' ')}: status ${status}\n${out}${err}`);
  return out;
}

/** Resolves when `isTrue` is; looks often at first. */
export async function until(
  what: string | (() => string),
  isTrue: () => boolean | Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const end = Date.now() + patienceMs;
  for (let pauseMs = 1; !(await isTrue()); pauseMs = Math.min(pauseMs * 2, 50)) {
    if (Date.now() > end)
      throw new Error(`waited ${patienceMs} ms in vain: ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** A program that runs beside the test. */
export class Program {
  out = '';
  err = '';
  /** Exit status; -1 if a signal ended it. Resolves when its output is complete. */
  readonly ended: Promise<number>;
  private isOver = false;
  private readonly child: ChildProcess;

  constructor(argv: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    const [file, ...args] = argv;
    this.child = spawn(file, args, { env: { ...ENVIRONMENT, ...environment }, stdio: 'pipe' });
    this.child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.out += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.err += text;
    });
    this.child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code) => {
        this.isOver = true;
        resolve(code ?? -1);
      });
    });
    this.ended.catch(() => {});
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get isRunning(): boolean {
    return !this.isOver;
  }

  write(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Resolves when its output (stdout, or stdout and stderr) matches; fails when it ends without. */
  async says(pattern: RegExp, where: 'out' | 'err' = 'out'): Promise<void> {
    const story = (): string => `${this.child.spawnargs.join(' ')} says ${pattern}; it said:\n${this.out}${this.err}`;
    await until(story, () => {
      if (pattern.test(this[where])) return true;
      if (this.isOver) throw new Error(`it ended before ${story()}`);
      return false;
    });
  }

  /** Takes the next line of stdout, without its end. */
  line(): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const end = this.out.indexOf('\n');
        if (end < 0) return;
        this.child.stdout?.off('data', look);
        const line = this.out.slice(0, end);
        this.out = this.out.slice(end + 1);
        resolve(line);
      };
      this.child.stdout?.on('data', look);
      void this.ended.then(
        (status) => reject(new Error(`${this.child.spawnargs.join(' ')} ended with ${status}:\n${this.err}`)),
        reject,
      );
      look();
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it, if need be by force. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    if (this.isOver) return this.ended;
    this.kill(signal);
    const force = setTimeout(() => this.kill('SIGKILL'), PATIENCE_MS);
    try {
      return await this.ended;
    } finally {
      clearTimeout(force);
    }
  }
}

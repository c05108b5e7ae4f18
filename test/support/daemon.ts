/* A Sluice daemon of its own for a test: started as users start it, driven by the command line or straight by its socket. */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { FdbInfo } from '../../src/control/api/fdb.js';
import type { LinkInfo } from '../../src/control/api/link.js';
import type { Request } from '../../src/control/api/request.js';
import type { StatusInfo } from '../../src/control/api/status.js';
import { Client } from '../../src/control/client.js';
import type { Host } from './host.js';
import { must, type Outcome, Program, run, until, wordsOf } from './program.js';

export const SLUICE = [process.execPath, resolve(import.meta.dirname, '../../bin/sluice.js')];

/** A lone fragment is held so long, and a little (ipfrag_time). */
const REASSEMBLY_MS = 35_000;

export interface DaemonOptions {
  /** Runs in the namespace of this host, not in the test's own. */
  host?: Host;
  /** Runs under these words: setpriv, unshare … */
  under?: string[];
  /** Without IPv6: its stack says nothing of its own accord on links and bridges. Of Scene.daemon. */
  isSilent?: boolean;
  /** More words of `sluice up`. */
  args?: string[];
}

/** Frame references that came to be, and those whose end is known: equal when nothing is on its way. */
export function balanceOf(status: StatusInfo): { in: number; out: number } {
  const dropped = Object.values(status.drops).reduce((sum, n) => sum + n, 0);
  return {
    in: status.received + status.generated + status.cloned,
    out: status.transmitted + status.delivered + status.merged + dropped + status.held,
  };
}

export class Daemon {
  private client: Client | undefined;

  private constructor(
    readonly socket: string,
    readonly program: Program,
  ) {}

  /** Starts one, which need not become ready. */
  static launch(folder: string, options: DaemonOptions = {}): Daemon {
    const { host, under = [], args = [] } = options;
    const socket = join(folder, 'sluice.sock');
    const inside = host === undefined ? [] : ['ip', 'netns', 'exec', host.name];
    return new Daemon(socket, new Program([...inside, ...under, ...SLUICE, '--socket', socket, 'up', ...args]));
  }

  static async start(folder: string, options: DaemonOptions = {}): Promise<Daemon> {
    const daemon = Daemon.launch(folder, options);
    await daemon.program.says(/^sluice: ready$/m);
    return daemon;
  }

  get pid(): number {
    return this.program.pid;
  }

  // --- the command line --------------------------------------------------------------------------

  /** `sluice …`, whatever comes of it. */
  sluice(line: string, input = ''): Promise<Outcome> {
    return run([...SLUICE, '--socket', this.socket, ...wordsOf(line)], input);
  }

  /** The same, and it must work. */
  must(line: string, input = ''): Promise<string> {
    return must([...SLUICE, '--socket', this.socket, ...wordsOf(line)], input);
  }

  /** `sluice ip -batch`, for what a test needs but is not about. */
  async ip(...lines: string[]): Promise<void> {
    await this.must('ip -batch -', lines.map((line) => `${line}\n`).join(''));
  }

  async json<T>(line: string): Promise<T> {
    return JSON.parse(await this.must(line)) as T;
  }

  // --- the socket --------------------------------------------------------------------------------

  async ask<T>(request: Request): Promise<T> {
    this.client ??= await Client.connect(this.socket);
    return this.client.request<T>(request);
  }

  status(): Promise<StatusInfo> {
    return this.ask<StatusInfo>({ op: 'status' });
  }

  links(): Promise<LinkInfo[]> {
    return this.ask<LinkInfo[]>({ op: 'link.list' });
  }

  async link(name: string): Promise<LinkInfo> {
    return (await this.ask<LinkInfo[]>({ op: 'link.list', name }))[0];
  }

  async hasFlag(name: string, flag: string): Promise<boolean> {
    return (await this.link(name)).flags.includes(flag);
  }

  /** Stations that were learned. */
  async learned(): Promise<FdbInfo[]> {
    return (await this.ask<FdbInfo[]>({ op: 'fdb.list' })).filter(({ state }) => state === '');
  }

  /** Waits until the links have received so many frames, and nothing is under way any more. */
  async hasReceived(links: string[], frames: number): Promise<StatusInfo> {
    let status = await this.status();
    const seen = () => links.reduce((sum, name) => sum + (status.links[name]?.received ?? 0), 0);
    await until(`${links} receive ${frames} frames`, async () => {
      status = await this.status();
      return seen() >= frames && status.held === 0;
    });
    return status;
  }

  /** Waits until nothing is under way, a fragment whose others never come included, and answers the counters of that moment. */
  async atRest(): Promise<StatusInfo> {
    let before = await this.status();
    await until(
      'the traffic stops',
      async () => {
        const status = await this.status();
        const isStill =
          status.held === 0 && status.received === before.received && status.transmitted === before.transmitted;
        before = status;
        return isStill;
      },
      REASSEMBLY_MS,
    );
    return before;
  }

  // --- what it holds -----------------------------------------------------------------------------

  /** How many descriptors it has open. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  get log(): string {
    return this.program.err;
  }

  logs(pattern: RegExp): Promise<void> {
    return this.program.says(pattern, 'err');
  }

  // --- the end -----------------------------------------------------------------------------------

  /** Its exit status. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.client?.close();
    this.client = undefined;
    return this.program.stop(signal);
  }
}

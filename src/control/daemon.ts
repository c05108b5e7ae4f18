/*
 * The daemon: `sluice up`. The main thread is the control plane; the engine's thread moves the frames.
 */
import { unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { SluiceError } from '../core/errors.js';
import { FDB_DEFAULT_CAPACITY } from '../tables/fdb.js';
import type { Request } from './api.js';
import { CaptureStreams } from './capture-streams.js';
import { EngineThread } from './engine-thread.js';
import { Handler } from './handler.js';
import type { Link } from './link.js';
import { Log, type LogLevel } from './log.js';
import { NamespaceWatch } from './namespace-watch.js';
import { Network } from './network.js';
import { type Connection, listen } from './server.js';

export interface DaemonOptions {
  socket: string;
  config?: string;
  poll: 'adaptive' | 'busy';
  group?: string;
  logLevel: LogLevel;
}

const DEFAULT_HEADS = 8192;
/** How often packet ports without carrier are looked at; only while there are any. */
const RECHECK_MS = 500;

class Daemon {
  private readonly namespaces = new NamespaceWatch((name) => void this.namespaceGone(name));
  private readonly captures: CaptureStreams;
  private recheck: NodeJS.Timeout | undefined;
  private server: Server | undefined;
  /** Resolves with the exit status. */
  readonly ended: Promise<number>;
  private end!: (status: number) => void;

  constructor(
    private readonly options: DaemonOptions,
    private readonly engine: EngineThread,
    private readonly network: Network,
    private readonly handler: Handler,
    private readonly log: Log,
  ) {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
    this.captures = new CaptureStreams(network, engine);
    network.onLinkEvent = (link, what) => void this.linkEvent(link, what);
    network.onProblem = (link, text) => log.write('warn', link.name, text);
    engine.onExit = (error) => {
      log.write('error', 'engine', `it ended: ${error?.stack ?? 'without an error'}`);
      this.end(1);
    };
  }

  async start(): Promise<void> {
    const { socket, group } = this.options;
    this.server = await listen(socket, group, (request, connection, send) => this.serve(request, connection, send));
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => this.end(0));
    process.stdout.write('sluice: ready\n');
  }

  private async serve(request: Request, connection: Connection, send: (result: unknown) => void): Promise<unknown> {
    if (request.op === 'capture') return this.captures.run(request, connection, send);
    if (request.op === 'down') {
      setImmediate(() => this.end(0));
      return {};
    }
    const result = await this.handler.handle(request);
    if (request.op === 'link.add' || request.op === 'link.del') this.watchNamespace(request.name);
    this.scheduleRecheck();
    return result;
  }

  private watchNamespace(name: string): void {
    const link = this.network.find(name);
    this.namespaces.remove(name);
    if (link?.kind === 'packet' && link.device?.netns !== undefined) this.namespaces.add(name, link.device.netns);
  }

  private async namespaceGone(name: string): Promise<void> {
    const link = this.network.find(name);
    if (link === undefined) return;
    await this.network.abandonDevice(link);
    this.log.write('warn', name, 'its namespace is gone; the link has no carrier any more');
  }

  private async linkEvent(link: Link, what: 'up' | 'down' | 'gone'): Promise<void> {
    if (what === 'gone') {
      await this.network.abandonDevice(link);
      this.log.write('warn', link.name, 'its kernel device is gone; the link has no carrier any more');
    } else this.log.write('info', link.name, what === 'up' ? 'carrier' : 'no carrier: its other end is down');
    this.scheduleRecheck();
  }

  private scheduleRecheck(): void {
    const isWaiting = this.network.all().some((link) => link.kind === 'packet' && link.isUp && !link.hasCarrier && link.device !== undefined);
    if (!isWaiting) {
      clearInterval(this.recheck);
      this.recheck = undefined;
    } else this.recheck ??= setInterval(() => void this.network.recheckPackets(), RECHECK_MS);
  }

  /** Everything that was made goes, except what is persistent. */
  async stop(): Promise<void> {
    clearInterval(this.recheck);
    this.namespaces.close();
    this.server?.close();
    await this.engine.stop();
    this.network.closeAll();
    try {
      if (this.server !== undefined) unlinkSync(this.options.socket);
    } catch {
      // The server has removed it, or somebody else.
    }
  }
}

/** Runs the daemon until it is told to end; answers the exit status. */
export async function run(options: DaemonOptions): Promise<number> {
  const log = new Log(options.logLevel);
  const engine = await EngineThread.start({
    isBusyPolling: options.poll === 'busy',
    fdbCapacity: FDB_DEFAULT_CAPACITY,
    heads: DEFAULT_HEADS,
  });
  const network = new Network(engine);
  const daemon = new Daemon(options, engine, network, new Handler(network, engine), log);
  let status = 1;
  try {
    await daemon.start();
    status = await daemon.ended;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    process.stderr.write(`${error.message}\n`);
  } finally {
    await daemon.stop();
  }
  process.exit(status);
}


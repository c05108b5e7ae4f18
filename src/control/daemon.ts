/*
 * The daemon: `sluice up`. The main thread is the control plane; the engine's thread moves the frames.
 */
import { SluiceError } from '../core/errors.js';
import type { Done, Request } from './api.js';
import { CaptureStreams } from './capture-streams.js';
import type { DataplaneConfig } from './config.js';
import { EngineThread } from './engine-thread.js';
import { Handler } from './handler.js';
import type { Link } from './link.js';
import { Log, type LogLevel } from './log.js';
import { NamespaceWatch } from './namespace-watch.js';
import { Network } from './network.js';
import { type Connection, type ControlServer, listen } from './server.js';

export interface DaemonOptions {
  socket: string;
  config?: string;
  /** Undefined: as the configuration says. */
  poll?: 'adaptive' | 'busy';
  group?: string;
  logLevel: LogLevel;
}

/** How often the devices of packet ports are looked at; only while there are any. */
const RECHECK_MS = 500;

class Daemon {
  private readonly namespaces = new NamespaceWatch((name) => void this.namespaceGone(name));
  private readonly captures: CaptureStreams;
  private recheck: NodeJS.Timeout | undefined;
  private server: ControlServer | undefined;
  /** Resolves with the exit status. */
  readonly ended: Promise<number>;
  private end!: (status: number) => void;
  private readonly stopped: Promise<void>;
  private hasStopped!: () => void;

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
    this.stopped = new Promise((resolve) => {
      this.hasStopped = resolve;
    });
    this.captures = new CaptureStreams(network, engine);
    network.onLinkEvent = (link, what) => void this.linkEvent(link, what);
    network.onProblem = (link, text) => log.write('warn', link.name, text);
    engine.onExit = (error) => {
      log.write('error', 'engine', `it ended: ${error?.stack ?? 'without an error'}`);
      this.end(1);
    };
  }

  /** Applies the file of `-c` before anybody is served. */
  async configure(text: string, file: string): Promise<void> {
    const request: Request = { op: 'config.apply', text, file };
    const done = (await this.handler.handle(request)) as Done;
    for (const warning of done.warnings ?? []) this.log.write('warn', file, warning);
    for (const { name } of this.network.all()) this.watchNamespace(name);
    this.scheduleRecheck();
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
      this.end(0);
      await this.stopped;
      return {};
    }
    const result = await this.handler.handle(request);
    if (request.op === 'config.apply') for (const { name } of this.network.all()) this.watchNamespace(name);
    else if (request.op === 'link.add' || request.op === 'link.del') this.watchNamespace(request.name);
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
    const isNeeded = this.network
      .all()
      .some((link) => link.kind === 'packet' && link.isUp && link.device !== undefined);
    if (!isNeeded) {
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
    this.hasStopped();
    // After the answer to `down`, which leaves in this turn of the event loop.
    setImmediate(() => this.server?.end());
  }
}

/** What `-c FILE` and the options say together. */
async function startUp(
  options: DaemonOptions,
): Promise<{ dataplane: Required<DataplaneConfig>; text: string | undefined }> {
  const { loadConfig, DATAPLANE_DEFAULTS } = await import('./config.js');
  if (options.config === undefined)
    return { dataplane: { ...DATAPLANE_DEFAULTS, poll: options.poll ?? DATAPLANE_DEFAULTS.poll }, text: undefined };
  const { dataplane, text } = loadConfig(options.config);
  return { dataplane: { ...dataplane, poll: options.poll ?? dataplane.poll }, text };
}

async function serve(options: DaemonOptions): Promise<number> {
  const { dataplane, text } = await startUp(options);
  const { poll, fdb_capacity: fdbCapacity, arena: heads } = dataplane;
  const engine = await EngineThread.start({ isBusyPolling: poll === 'busy', fdbCapacity, heads });
  const network = new Network(engine);
  const handler = new Handler(network, engine, dataplane);
  const log = new Log(options.logLevel);
  const daemon = new Daemon(options, engine, network, handler, log);
  try {
    if (text !== undefined) await daemon.configure(text, options.config ?? '');
    await daemon.start();
    return await daemon.ended;
  } finally {
    await daemon.stop();
  }
}

/** Runs the daemon until it is told to end; answers the exit status. */
export async function run(options: DaemonOptions): Promise<number> {
  try {
    process.exitCode = await serve(options);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
  return Number(process.exitCode);
}

/*
 * The daemon: `sluice up`. The main thread is the control plane; the engine's thread moves the frames.
 */
import { SluiceError } from '../core/errors.js';
import type { Done } from './api/answer.js';
import type { Request } from './api/request.js';
import { CaptureStreams } from './capture-streams.js';
import type { DataplaneConfig } from './config.js';
import { EngineThread } from './engine-thread.js';
import { type Addressed, Handler } from './handler.js';
import { warmUp } from './iptables/warm-up.js';
import type { Link } from './link.js';
import { Log, type LogLevel } from './log.js';
import { NamespaceWatch } from './namespace-watch.js';
import { Network } from './network.js';
import { linesOf } from './packet-log.js';
import { type Connection, type ControlServer, listen, type Serve } from './server.js';
import { isServiceStream } from './services.js';

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
/** Requests after which there may be other packet ports, or others up. */
const CHANGES_PORTS: ReadonlySet<string> = new Set(['config.apply', 'link.add', 'link.del', 'link.set', 'netns.del']);

class Daemon {
  private readonly namespaces = new NamespaceWatch((number) => void this.namespaceGone(number));
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
    engine.onFull = () => log.write('error', 'engine', 'its table of routes is full: some do not count; delete some');
    engine.onPacketLog = (told) => {
      engine.post([['ackLog', 1]]);
      for (const { level, namespace, text } of linesOf(told, handler.stack.netfilter.iptables)) {
        const { isHost, name } = network.namespaces.numbered(namespace) ?? { isHost: true, name: '' };
        log.packet(level, isHost ? 'netfilter' : `netfilter of ${name}`, text);
      }
    };
    engine.onFault = (error) => log.write('error', 'engine', `it met a bug: ${error.stack}`);
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
    this.watchNamespaces();
    this.scheduleRecheck();
  }

  async start(): Promise<void> {
    const { socket, group } = this.options;
    const serve: Serve = (request, connection, send) => this.serve(request, connection, send);
    this.server = await listen(socket, group, serve, () => this.network.settled());
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => this.end(0));
    process.stdout.write('sluice: ready\n');
    // Whatever goes wrong there, the first restore will say.
    warmUp(this.handler.stack.netfilter.iptables).catch(() => undefined);
  }

  private async serve(request: Addressed, connection: Connection, send: (result: unknown) => void): Promise<unknown> {
    if (request.op === 'capture') return this.captures.run(request, connection, send);
    const stream = this.stream(request, connection, send);
    if (stream !== undefined) return stream;
    if (request.op === 'down') {
      this.end(0);
      await this.stopped;
      return {};
    }
    const result = await this.handler.handle(request, send);
    if (CHANGES_PORTS.has(request.op)) {
      this.watchNamespaces();
      this.scheduleRecheck();
    }
    return result;
  }

  /** Requests that go on beside others until the client goes, or they end of themselves. */
  private stream(
    request: Addressed,
    connection: Connection,
    send: (result: unknown) => void,
  ): Promise<unknown> | undefined {
    const { monitor, host } = this.handler.stack;
    if (request.op !== 'monitor' && request.op !== 'conntrack.events' && !isServiceStream(request)) return undefined;
    const namespace = this.network.namespaces.get(request.ns);
    if (request.op === 'monitor') return monitor.run(namespace, connection, send);
    if (request.op === 'conntrack.events')
      return this.handler.conntrack.run(namespace, request.filter, connection, send);
    const gone = new Promise<void>((resolve) => connection.onClose.push(resolve));
    return host.services.stream(request, namespace, send, gone);
  }

  /** Kernel namespaces that packet ports lie in. */
  private watchNamespaces(): void {
    const lying = this.network
      .packetPorts()
      .flatMap(
        ({ number, device }): Array<[number, string]> => (device?.netns === undefined ? [] : [[number, device.netns]]),
      );
    this.namespaces.set(lying);
  }

  private async namespaceGone(number: number): Promise<void> {
    const link = this.network.byNumber(number);
    if (link === undefined) return;
    await this.network.abandonDevice(link);
    this.log.write('warn', link.name, 'its namespace is gone; the link has no carrier any more');
  }

  private async linkEvent(link: Link, what: 'up' | 'down' | 'gone'): Promise<void> {
    if (what === 'gone') {
      await this.network.abandonDevice(link);
      this.log.write('warn', link.name, 'its kernel device is gone; the link has no carrier any more');
    } else this.log.write('info', link.name, what === 'up' ? 'carrier' : 'no carrier: its other end is down');
    this.scheduleRecheck();
  }

  private scheduleRecheck(): void {
    if (!this.network.packetPorts().some(({ isUp, device }) => isUp && device !== undefined)) {
      clearInterval(this.recheck);
      this.recheck = undefined;
    } else this.recheck ??= setInterval(() => void this.network.recheckPackets(), RECHECK_MS);
  }

  /** Everything that was made goes, except what is persistent. */
  async stop(): Promise<void> {
    clearInterval(this.recheck);
    this.namespaces.close();
    this.server?.close();
    this.handler.stack.close();
    this.handler.conntrack.close();
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
  const log = new Log(options.logLevel);
  const handler = new Handler(network, engine, dataplane, (level, link, text) => log.write(level, link, text));
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

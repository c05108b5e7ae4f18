/*
 * The control plane's handle on the engine's thread: transactions out, results and events in, counters read straight
 * from shared memory.
 */
import { randomFillSync } from 'node:crypto';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { shim } from '../io/shim.js';
import '../io/v8-flags.js';
import type { EndpointPacket } from '../route/endpoints.js';
import type { PacketLog } from './engine-log.js';
import type { AddressConflict, EndpointPackets, EngineEvent, NeighbourChange, Operations } from './operations.js';
import type { WorkerOptions } from './worker.js';

/** The methods of Operations that a transaction may call. */
type Callable = {
  [K in keyof Operations]: Operations[K] extends (...args: infer A) => infer R ? (...args: A) => R : never;
};
/** One call of a transaction: method and arguments. */
export type Call = { [K in keyof Callable]: [K, ...Parameters<Callable[K]>] }[keyof Callable];

/** Shared memory of the dataplane's Links: see core/links.ts. */
export interface SharedCounters {
  counters: Float64Array;
  drops: Float64Array;
  totals: Float64Array;
}

/** Of the whole dataplane. */
export interface EngineCounters extends SharedCounters {
  /** Packets and bytes: of rules, by rule × 2, and of policies, by chain × 2 (netfilter/rules.ts, chains.ts). */
  rules: Float64Array;
  policies: Float64Array;
}

export interface EngineOptions {
  isBusyPolling: boolean;
  fdbCapacity: number;
  heads: number;
}

interface Pending {
  resolve: (results: unknown[]) => void;
  reject: (error: Error) => void;
}

export class EngineThread {
  counters!: EngineCounters;
  /** Called for what the engine tells without being asked. */
  onEvent: (event: EngineEvent) => void = () => {};
  /** Called with each change of a neighbour while they are watched: a row of route/neighbour-commands.ts. */
  onNeighbour: (row: Int32Array, isGone: boolean) => void = () => {};
  /** Called when another node has, or wants, an IPv6 address of a link that is still tentative. */
  onConflict: (link: number, address: [number, number, number, number]) => void = () => {};
  /** Called with what endpoints received. */
  onPackets: (packets: EndpointPacket[]) => void = () => {};
  /** Called with what rules have to say of packets. */
  onPacketLog: (told: PacketLog) => void = () => {};
  /** Called when posted routes found no room. */
  onFull: () => void = () => {};
  /** Called when posted calls met a bug. */
  onFault: (error: Error) => void = () => {};
  /** Called when the thread ends, with the error that ended it if there was one. */
  onExit: (error: Error | undefined) => void = () => {};

  private readonly pending = new Map<number, Pending>();
  private readonly signal = new Int32Array(new SharedArrayBuffer(8));
  private readonly eventfd = shim.eventfd();
  private readonly port: MessagePort;
  private readonly worker: Worker;
  private nextId = 1;
  /** What `post` was given in this turn of the event loop. */
  private outbox: Call[] = [];
  private last: Promise<unknown> = Promise.resolve();

  private constructor(options: EngineOptions) {
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    const keys = randomFillSync(new Int32Array(4));
    const workerData: WorkerOptions = { port: port2, signal: this.signal, eventfd: this.eventfd, keys, ...options };
    this.worker = new Worker(new URL('./worker.js', import.meta.url), { workerData, transferList: [port2] });
  }

  /** Starts the thread and waits until it runs. */
  static async start(options: EngineOptions): Promise<EngineThread> {
    const engine = new EngineThread(options);
    engine.counters = await new Promise<EngineCounters>((resolve, reject) => {
      engine.port.once('message', resolve);
      engine.worker.once('error', reject);
    });
    engine.worker.removeAllListeners('error');
    engine.worker.on('error', (error) => engine.onExit(error as Error));
    engine.worker.on('exit', () => engine.onExit(undefined));
    engine.port.on('message', (message) => engine.receive(message));
    return engine;
  }

  /** Carries out calls between two bursts, all or, if one is a bug that throws, up to that one. Returns their results. */
  transact(calls: Call[]): Promise<unknown[]> {
    this.flush();
    return this.send(calls);
  }

  /**
   * Calls whose results nobody needs: they leave together at the end of this turn of the event loop, before whatever
   * is transacted after them. `settled` tells when they are done.
   */
  post(calls: Call[]): void {
    if (calls.length === 0) return;
    if (this.outbox.length === 0) setImmediate(() => this.flush());
    for (const call of calls) this.outbox.push(call);
  }

  /** Resolves when all that was posted is carried out. */
  settled(): Promise<unknown> {
    this.flush();
    return this.last;
  }

  private flush(): void {
    if (this.outbox.length === 0) return;
    const calls = this.outbox;
    this.outbox = [];
    this.last = this.send(calls).then(
      (results) => {
        if (calls.some(([method], i) => method === 'fib' && results[i] === false)) this.onFull();
      },
      (error: Error) => this.onFault(error),
    );
  }

  private send(calls: Call[]): Promise<unknown[]> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.port.postMessage({ id, calls });
      Atomics.store(this.signal, 0, 1);
      if (Atomics.load(this.signal, 1) !== 0) shim.wake(this.eventfd);
    });
  }

  /** One call and its result. */
  async call<K extends keyof Callable>(
    ...call: [K, ...Parameters<Callable[K]>]
  ): Promise<Awaited<ReturnType<Callable[K]>>> {
    const [result] = await this.transact([call as unknown as Call]);
    return result as Awaited<ReturnType<Callable[K]>>;
  }

  async stop(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.worker.once('exit', () => resolve()));
    this.onExit = () => {};
    await Promise.race([this.call('stop'), ended]);
    await ended;
    this.port.close();
    shim.close(this.eventfd);
  }

  private receive(
    message:
      | EngineEvent
      | EndpointPackets
      | AddressConflict
      | NeighbourChange
      | PacketLog
      | { id: number; results?: unknown[]; failure?: string },
  ): void {
    if ('event' in message) return this.onEvent(message);
    if ('packets' in message) return this.onPackets(message.packets);
    if ('neighbour' in message) return this.onNeighbour(message.neighbour, message.isGone);
    if ('packetLog' in message) return this.onPacketLog(message);
    if ('conflict' in message) return this.onConflict(message.conflict, message.address);
    const pending = this.pending.get(message.id);
    this.pending.delete(message.id);
    if (message.results !== undefined) pending?.resolve(message.results);
    else pending?.reject(new Error(message.failure));
  }
}

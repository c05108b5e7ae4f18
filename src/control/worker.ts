/*
 * The engine's thread. It never returns to its event loop: it runs rounds of the engine, sleeps in the shim's `poll`,
 * and takes control messages between bursts, each a whole transaction.
 *
 * Messages arrive on `port`; the sender sets `signal[0]` and wakes the eventfd, so that a busy engine sees a flag
 * and a sleeping one an event.
 */
// Not the global: that is a getter, looked up with each call.
import { performance } from 'node:perf_hooks';
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Dataplane } from '../datapath.js';
import { Engine } from '../engine.js';
import { shim } from '../io/shim.js';
import { EngineLog } from './engine-log.js';
import { Operations } from './operations.js';
import { warmUp } from './warm-up.js';

export interface WorkerOptions {
  port: MessagePort;
  /** [0]: a message waits. [1]: the engine sleeps. */
  signal: Int32Array;
  eventfd: number;
  isBusyPolling: boolean;
  fdbCapacity: number;
  heads: number;
  keys: Int32Array;
}

/** A transaction: calls of Operations in order, all between two bursts. */
export interface Transaction {
  id: number;
  calls: Array<[string, ...unknown[]]>;
}

/** Looks at other ports every so many rounds while some are busy. */
const POLL_INTERVAL = 4;
/** Frames wait so long at most for one transaction after the other; a single one is as long as it is. */
const CONTROL_MS = 0.1;
/** Longest time without frames before the engine sleeps; spinning hides the ~50 µs that a wake-up costs. */
const SPIN_MS = 0.2;

const options = workerData as WorkerOptions;
const log = new EngineLog(options.port);
const dataplane = new Dataplane({
  keys: options.keys,
  fdbCapacity: options.fdbCapacity,
  heads: options.heads,
  netfilter: { log, clock: { seconds: () => Math.floor(Date.now() / 1000) } },
});
const engine = new Engine(dataplane);
const operations = new Operations(dataplane, engine, options.port, log);
const { signal } = options;
const startMs = performance.now();
dataplane.inet.options4.midnightMs = Date.now() % 86_400_000;

/** The dataplane's clock: ms since start, which wraps. */
function dataplaneTime(time: number): number {
  return (time - startMs) | 0;
}

function control(now: number): void {
  Atomics.store(signal, 0, 0);
  const start = performance.now();
  for (;;) {
    const received = receiveMessageOnPort(options.port);
    if (received === undefined) return;
    const { id, calls } = received.message as Transaction;
    options.port.postMessage({ id, ...operations.run(calls, now) });
    if (performance.now() - start < CONTROL_MS) continue;
    // What else waits is for after the next burst.
    Atomics.store(signal, 0, 1);
    return;
  }
}

/** Sleeps until a port, the control plane or, in `timeoutMs` (-1: never), a timer has work. */
function sleep(timeoutMs: number): void {
  Atomics.store(signal, 1, 1);
  const n = Atomics.load(signal, 0) !== 0 ? 0 : shim.poll(timeoutMs);
  Atomics.store(signal, 1, 0);
  operations.ready(n);
}

/** One burst of each active port, and what has become due beside. Returns the frames received. */
function work(now: number): number {
  const frames = engine.isIdle ? 0 : engine.round(now);
  if (dataplane.egress.wentDownCount !== 0) operations.portsWentDown();
  if (!operations.captures.isEmpty) operations.captures.flush();
  if (Atomics.load(signal, 0) !== 0) control(now);
  return frames;
}

function run(): void {
  let busyUntil = 0;
  for (let rounds = 0; ; rounds++) {
    const time = performance.now();
    const now = dataplaneTime(time);
    const frames = work(now);
    if (operations.isStopping) return;
    const dueMs = engine.timers(now);
    if (dataplane.inet.endpoints.hasPackets) operations.tellPackets();
    // While some ports are busy, the others are looked at only now and then.
    if (!engine.isIdle && rounds % POLL_INTERVAL !== 0) continue;
    if (frames > 0 || !engine.isIdle) busyUntil = time + SPIN_MS;
    if (options.isBusyPolling || time < busyUntil || dueMs === 0) operations.ready(shim.poll(0));
    else {
      sleep(dueMs);
      busyUntil = performance.now() + SPIN_MS;
    }
  }
}

shim.attach(dataplane.arena, operations.rxResult, dataplane.egress.txErrno, operations.readyPairs);
shim.watch(options.eventfd);
const { counters, drops, totals } = dataplane.links;
warmUp(dataplane, engine);
const { rules } = dataplane.netfilter;
options.port.postMessage({ counters, drops, totals, rules: rules.counters, policies: rules.chains.counters });
run();
operations.close();
options.port.close();

/*
 * Conntrack as commands see it (`conntrack`): lists, deletes, changes and makes flows of a namespace, and tells what happens to them.
 *
 * The table is the engine's and may have millions of flows, so everything goes page by page, and packets are forwarded in between; a
 * listing is no snapshot. Events are fetched from the engine's ring while somebody listens, every EVENT_MS.
 */
import { FlowRow } from '../conntrack/flow-row.js';
import { Flow, Status } from '../conntrack/flows.js';
import { SluiceError } from '../core/errors.js';
import type {
  ConntrackChange,
  ConntrackEvent,
  ConntrackFilter,
  ConntrackInfo,
  ConntrackRequest,
  ConntrackStats,
  ExpectationInfo,
} from './api/conntrack.js';
import { ExpectationRow, type FlowChange, type FlowEvents, type FlowFailure } from './conntrack-commands.js';
import { type FlowTest, flowTest } from './conntrack-filter.js';
import {
  eventInfo,
  eventName,
  expectationOf,
  infoOf,
  labelWords,
  millisecondsOf,
  rowOfFlow,
  rowOfTuple,
  stateNumber,
} from './conntrack-row.js';
import type { EngineThread } from './engine-thread.js';
import type { Namespace } from './namespaces.js';
import type { Connection } from './server.js';

/** Sends one of several results. */
type Send = (result: unknown) => void;

/** How often events are fetched. */
const EVENT_MS = 20;
/** A listener that has more than this unread misses events. */
const MAX_BACKLOG = 16 << 20;
/** Where a command gives no number of its own. */
const SOMEBODY = 1;

const STAT_NAMES: ReadonlyArray<keyof ConntrackStats> = [
  'found',
  'invalid',
  'insert',
  'insert_failed',
  'drop',
  'early_drop',
  'error',
  'search_restart',
  'clash_resolve',
  'chaintoolong',
  'expect_new',
];

export function isConntrackRequest(request: { op: string }): request is ConntrackRequest {
  return request.op.startsWith('conntrack.') && request.op !== 'conntrack.events';
}

interface Listener {
  namespace: number;
  test: FlowTest;
  tell(event: ConntrackEvent): void;
}

export class ConntrackTable {
  private readonly listeners = new Set<Listener>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly engine: EngineThread) {}

  execute(request: ConntrackRequest, namespace: Namespace, send: Send): Promise<unknown> {
    switch (request.op) {
      case 'conntrack.list':
        return this.list(namespace, request.filter, request.zero === true, send);
      case 'conntrack.get':
        return this.get(namespace, request);
      case 'conntrack.delete':
        return this.delete(namespace, request.filter, request.pid, send);
      case 'conntrack.flush':
        return this.flush(namespace, request.family ?? 0, request.pid);
      case 'conntrack.create':
        return this.create(namespace, request);
      case 'conntrack.update':
        return this.update(namespace, request, send);
      case 'conntrack.count':
        return this.engine.call('countFlows', namespace.number);
      case 'conntrack.stats':
        return this.stats(namespace);
      case 'conntrack.expectations':
        return this.listExpectations(namespace, request.family, send);
      case 'conntrack.forget_expectations':
        return this.forgetExpectations(namespace);
    }
  }

  /** Before sysctls are read: how many flows there are is the engine's to know. `key`: those that are read; absent: all. */
  async refresh({ number, sysctls }: Namespace, key = ''): Promise<void> {
    if (key !== '' && !/^net([./]netfilter|[./]?$)/.test(key)) return;
    const { flows, buckets } = await this.engine.call('countFlows', number);
    sysctls.noteFlows(flows, buckets);
  }

  // --- listing -----------------------------------------------------------------------------------

  /** The rows that a filter means, a page at a time. */
  private async eachPage(
    namespace: Namespace,
    filter: ConntrackFilter | undefined,
    take: (rows: Int32Array) => Promise<unknown> | unknown,
  ): Promise<void> {
    const test = flowTest(filter ?? {});
    for (let cursor = filter?.family === 6 ? Flow.IPV6_BIT : 0; ; ) {
      const { rows, next } = await this.engine.call('flows', namespace.number, cursor);
      const chosen = filter === undefined ? rows : choose(rows, test);
      if (chosen.length !== 0) await take(chosen);
      if (next === 0 || (filter?.family === 4 && (next & Flow.IPV6_BIT) !== 0)) return;
      cursor = next;
    }
  }

  private async list(
    namespace: Namespace,
    filter: ConntrackFilter | undefined,
    isZeroing: boolean,
    send: Send,
  ): Promise<null> {
    await this.eachPage(namespace, filter, async (rows) => {
      send(infosOf(rows));
      if (isZeroing) await this.engine.call('zeroFlows', rows);
    });
    return null;
  }

  private async get(
    namespace: Namespace,
    { family, protocol, tuple, zone }: Extract<ConntrackRequest, { op: 'conntrack.get' }>,
  ): Promise<ConntrackInfo> {
    const row = await this.engine.call('flow', rowOfTuple(namespace.number, family, protocol, tuple, zone));
    if (row !== undefined) return infosOf(row)[0];
    throw new SluiceError('ENOENT', 'cannot show the flow: there is none; "sluice conntrack -L" lists those there are');
  }

  private async stats(namespace: Namespace): Promise<ConntrackStats> {
    const values = await this.engine.call('flowStats', namespace.number);
    return Object.fromEntries(STAT_NAMES.map((name, i) => [name, values[i]])) as unknown as ConntrackStats;
  }

  private async listExpectations(namespace: Namespace, family: 4 | 6 | undefined, send: Send): Promise<null> {
    for (let from = 0; ; ) {
      const { rows, next } = await this.engine.call('expectations', namespace.number, from);
      const found: ExpectationInfo[] = [];
      for (let at = 0; at < rows.length; at += ExpectationRow.WORDS) found.push(expectationOf(rows, at));
      send(found.filter((one) => family === undefined || one.family === family));
      if (next === 0) return null;
      from = next;
    }
  }

  // --- changes -----------------------------------------------------------------------------------

  private async delete(
    namespace: Namespace,
    filter: ConntrackFilter | undefined,
    pid: number | undefined,
    send: Send,
  ): Promise<null> {
    await this.eachPage(namespace, filter ?? {}, async (rows) => {
      const gone = await this.engine.call('deleteFlows', rows, pid ?? SOMEBODY);
      send(infosOf(rows).filter((_, i) => gone[i]));
    });
    return null;
  }

  private async flush(namespace: Namespace, family: number, pid: number | undefined): Promise<object> {
    let cursor = 0;
    do cursor = await this.engine.call('flushFlows', namespace.number, family, cursor, pid ?? SOMEBODY);
    while (cursor !== 0);
    return {};
  }

  private async forgetExpectations(namespace: Namespace): Promise<object> {
    await this.engine.call('forgetExpectations', namespace.number);
    return {};
  }

  private async create(
    namespace: Namespace,
    { flow, pid }: Extract<ConntrackRequest, { op: 'conntrack.create' }>,
  ): Promise<object> {
    if (((flow.status ?? 0) & Status.EXPECTED) !== 0) throw refusal('EBUSY', 'create');
    const made = await this.engine.call('createFlow', rowOfFlow(namespace.number, flow), pid ?? SOMEBODY);
    if (made !== 'created') throw refusal(made, 'create');
    return {};
  }

  /** Those that were changed before one was refused are told of. */
  private async update(
    namespace: Namespace,
    { filter, change, pid }: Extract<ConntrackRequest, { op: 'conntrack.update' }>,
    send: Send,
  ): Promise<null> {
    const words = changeOf(change, filter?.protocol);
    await this.eachPage(namespace, filter ?? {}, async (rows) => {
      const results = await this.engine.call('updateFlows', rows, words, pid ?? SOMEBODY);
      const changed = results.filter((one) => one instanceof Int32Array);
      if (changed.length !== 0) send(changed.flatMap((row) => infosOf(row)));
      const failure = results.at(-1);
      if (typeof failure === 'string' && failure !== 'ENOENT') throw refusal(failure, 'change');
    });
    return null;
  }

  // --- events ------------------------------------------------------------------------------------

  /** Tells of events in a namespace until the client goes. */
  async run(
    namespace: Namespace,
    filter: ConntrackFilter | undefined,
    connection: Connection,
    send: (event: unknown) => void,
  ): Promise<void> {
    const listener: Listener = {
      namespace: namespace.number,
      test: flowTest(filter ?? {}),
      tell: (event) => {
        if (namespace.sysctls.number('net.netfilter.nf_conntrack_events') === 0) return;
        if (connection.backlog <= MAX_BACKLOG) send(event);
      },
    };
    await this.add(listener);
    await new Promise<void>((resolve) => connection.onClose.push(resolve));
    await this.remove(listener);
  }

  private async add(listener: Listener): Promise<void> {
    this.listeners.add(listener);
    if (this.listeners.size > 1) return;
    await this.engine.call('watchFlows', true);
    this.timer = setInterval(() => void this.fetch(), EVENT_MS);
  }

  private async remove(listener: Listener): Promise<void> {
    this.listeners.delete(listener);
    if (this.listeners.size > 0) return;
    clearInterval(this.timer);
    await this.engine.call('watchFlows', false);
  }

  private async fetch(): Promise<void> {
    const { batches, now } = (await this.engine.call('flowEvents')) as FlowEvents;
    const nowUs = Date.now() * 1000;
    for (const { origin, rows } of batches) {
      for (let at = 0; at < rows.length; at += FlowRow.WORDS) {
        const agoMs = (now - rows[at + FlowRow.AT]) | 0;
        this.tell(rows, at, origin, nowUs - agoMs * 1000);
      }
    }
  }

  private tell(rows: Int32Array, at: number, origin: number, seenUs: number): void {
    const namespace = (rows[at + FlowRow.KIND] >>> Flow.NAMESPACE_SHIFT) & Flow.NAMESPACE_MASK;
    const wanted = [...this.listeners].filter((one) => one.namespace === namespace && one.test(rows, at));
    if (wanted.length === 0) return;
    const event: ConntrackEvent = {
      ts_us: seenUs,
      event: eventName(rows[at + FlowRow.EVENTS]),
      flow: eventInfo(rows, at, seenUs, origin !== 0),
      ...(origin === 0 ? {} : { pid: origin }),
    };
    for (const listener of wanted) listener.tell(event);
  }

  close(): void {
    clearInterval(this.timer);
    this.listeners.clear();
  }
}

function infosOf(rows: Int32Array): ConntrackInfo[] {
  const nowUs = Date.now() * 1000;
  const infos: ConntrackInfo[] = [];
  for (let at = 0; at < rows.length; at += FlowRow.WORDS) infos.push(infoOf(rows, at, nowUs));
  return infos;
}

/** The rows that pass a test. */
function choose(rows: Int32Array, test: (rows: Int32Array, at: number) => boolean): Int32Array {
  const chosen = new Int32Array(rows.length);
  let to = 0;
  for (let at = 0; at < rows.length; at += FlowRow.WORDS) {
    if (!test(rows, at)) continue;
    chosen.set(rows.subarray(at, at + FlowRow.WORDS), to);
    to += FlowRow.WORDS;
  }
  return chosen.slice(0, to);
}

function changeOf(change: ConntrackChange, protocol = 0): FlowChange {
  const { mark, timeout, status, state, add_labels: add, remove_labels: remove } = change;
  return {
    ...(mark === undefined ? {} : { mark }),
    ...(timeout === undefined ? {} : { timeoutMs: millisecondsOf(timeout) }),
    ...(status === undefined ? {} : { status }),
    ...(state === undefined ? {} : { state: stateNumber(protocol, state) }),
    ...(add === undefined ? {} : { addLabels: labelWords(add) }),
    ...(remove === undefined ? {} : { removeLabels: remove === 'all' ? [-1, -1, -1, -1] : labelWords(remove) }),
  };
}

const CAUSES: Record<FlowFailure, string> = {
  EEXIST: 'another flow has such packets; change that one, or delete it',
  ENOMEM: 'the namespace has as many as it may; raise net.netfilter.nf_conntrack_max',
  EINVAL: 'it is none that there could be; check its tuple',
  EBUSY: 'these bits of its status are not set by hand; leave them out',
  EPERM: 'its timeout is fixed; leave out the timeout',
  ENOENT: 'it is over; "sluice conntrack -L" lists those there are',
};

function refusal(errno: FlowFailure, verb: string): SluiceError {
  return new SluiceError(errno, `cannot ${verb} the flow: ${CAUSES[errno]}`);
}

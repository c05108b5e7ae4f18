/*
 * Conntrack as commands meet it, without a daemon or a datapath: the engine's table and its commands in this thread, the control plane's
 * ConntrackTable over them, and on demand its requests over a socket. Time stands still until a test moves it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Conntrack } from '../../src/conntrack/conntrack.js';
import type { ConntrackRequest } from '../../src/control/api/conntrack.js';
import { ConntrackTable, isConntrackRequest } from '../../src/control/conntrack.js';
import { FlowCommands } from '../../src/control/conntrack-commands.js';
import type { EngineThread } from '../../src/control/engine-thread.js';
import type { Addressed } from '../../src/control/handler.js';
import type { Namespace } from '../../src/control/namespaces.js';
import type { Operations } from '../../src/control/operations.js';
import { type ControlServer, listen } from '../../src/control/server.js';
import { Arena } from '../../src/core/arena.js';

type Engine = {
  [K in keyof Operations]?: Operations[K] extends (...args: infer A) => infer R ? (...args: A) => R : never;
};

/** Its sysctls as far as conntrack reads them. */
function namespaceOf(number: number): Namespace {
  const sysctls = { number: () => 2, noteFlows: () => {} };
  return { number, sysctls } as unknown as Namespace;
}

export class FlowWorld {
  readonly conntrack: Conntrack;
  readonly commands: FlowCommands;
  readonly table: ConntrackTable;
  readonly host = namespaceOf(0);
  readonly other = namespaceOf(5);
  now = 1000;
  private readonly folder = mkdtempSync(join(tmpdir(), 'sluice-flows-'));
  private server: ControlServer | undefined;

  constructor(capacity = 1 << 14) {
    const arena = new Arena({ heads: 4, tails: 1 });
    this.conntrack = new Conntrack({ arena, drop: () => {} }, Int32Array.of(1, 2, 3, 4), { capacity });
    this.commands = new FlowCommands(this.conntrack);
    this.table = new ConntrackTable(this.engine());
  }

  private engine(): EngineThread {
    const { commands } = this;
    const methods: Engine = {
      flows: (namespace, cursor) => commands.page(namespace, cursor, this.now),
      flow: (row) => commands.get(row, this.now),
      zeroFlows: (rows) => commands.zero(rows),
      deleteFlows: (rows, origin) => commands.delete(rows, this.now, origin),
      flushFlows: (...args) => commands.flush(args[0], args[1], args[2], this.now, args[3]),
      createFlow: (row, origin) => commands.create(row, this.now, origin),
      updateFlows: (rows, change, origin) => commands.update(rows, change, this.now, origin),
      countFlows: (namespace) => commands.count(namespace),
      flowStats: (namespace) => commands.stats(namespace),
      expectations: (namespace, from) => commands.expectations(namespace, from, this.now),
      forgetExpectations: (namespace) => commands.forgetExpectations(namespace, this.now),
      watchFlows: (isOn) => commands.watch(isOn),
      flowEvents: () => commands.events(this.now),
    };
    const call = async (name: keyof Engine, ...args: unknown[]): Promise<unknown> =>
      (methods[name] as (...args: unknown[]) => unknown)(...args);
    return { call } as unknown as EngineThread;
  }

  /** One request; all of its results, pages put together. */
  async ask<T>(request: ConntrackRequest, namespace = this.host): Promise<T[]> {
    const results: T[] = [];
    const last = await this.table.execute(request, namespace, (page) => results.push(...(page as T[])));
    return last === null ? results : [last as T];
  }

  /** Answers requests at a socket, whose path it resolves to. */
  async listen(): Promise<string> {
    const path = join(this.folder, 'sluice.sock');
    this.server = await listen(
      path,
      undefined,
      async (request, connection, send) => {
        if (request.op === 'conntrack.events') return this.table.run(this.host, request.filter, connection, send);
        if (isConntrackRequest(request))
          return this.table.execute(request as Addressed & ConntrackRequest, this.host, send);
        throw new Error(`no ${request.op} here`);
      },
      () => Promise.resolve(),
    );
    return path;
  }

  close(): void {
    this.table.close();
    this.server?.close();
    this.server?.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

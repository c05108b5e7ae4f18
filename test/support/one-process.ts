/*
 * All of Sluice in one process: the real control plane over a real dataplane, with no thread between them, at a socket of its own. Links are
 * those that need no device: veth, bridge, vlan, dummy. What the engine's thread does between requests is done at once: frames are passed
 * on until none is under way.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import { DATAPLANE_DEFAULTS } from '../../src/control/config.js';
import { EngineLog, type PacketLog } from '../../src/control/engine-log.js';
import type { EngineThread } from '../../src/control/engine-thread.js';
import { Handler } from '../../src/control/handler.js';
import { Network } from '../../src/control/network.js';
import { Operations } from '../../src/control/operations.js';
import { type ControlServer, listen } from '../../src/control/server.js';
import { Dataplane } from '../../src/datapath.js';
import { Engine } from '../../src/engine.js';
import { sluice } from '../cli/run.js';

type Calls = Array<[string, ...unknown[]]>;

export class OneProcess {
  readonly dataplane: Dataplane;
  readonly handler: Handler;
  readonly packetLogs: PacketLog[] = [];
  now = 1000;
  private readonly operations: Operations;
  private readonly folder = mkdtempSync(join(tmpdir(), 'sluice-one-'));
  private server: ControlServer | undefined;

  private constructor() {
    const messages = {
      postMessage: (message: object) => {
        if ('packetLog' in message) this.packetLogs.push(message as PacketLog);
      },
    } as unknown as MessagePort;
    const log = new EngineLog(messages);
    const keys = Int32Array.of(1234567, -7654321, 1357911, 24681012);
    this.dataplane = new Dataplane({ keys, heads: 512, tails: 16, netfilter: { log } });
    this.operations = new Operations(this.dataplane, new Engine(this.dataplane), messages, log);
    const engine = this.engine();
    this.handler = new Handler(new Network(engine), engine, DATAPLANE_DEFAULTS);
  }

  private engine(): EngineThread {
    const { counters, drops, totals } = this.dataplane.links;
    const { rules } = this.dataplane.netfilter;
    const run = (calls: Calls): unknown[] => {
      const { results = [], failure } = this.operations.run(calls, this.now);
      if (failure !== undefined) throw new Error(failure);
      while (!this.dataplane.flush(this.now));
      return results;
    };
    const engine = {
      counters: { counters, drops, totals, rules: rules.counters, policies: rules.chains.counters },
      post: (calls: Calls) => void run(calls),
      transact: async (calls: Calls) => run(calls),
      call: async (...call: Calls[number]) => run([call])[0],
      settled: async () => undefined,
    };
    return engine as unknown as EngineThread;
  }

  static async start(): Promise<OneProcess> {
    const one = new OneProcess();
    one.server = await listen(
      one.socket,
      undefined,
      (request, _, send) => one.handler.handle(request, send),
      async () => {},
    );
    return one;
  }

  get socket(): string {
    return join(this.folder, 'sluice.sock');
  }

  /** Commands of Sluice, one a line; answers what the last one prints. */
  async run(lines: string): Promise<string> {
    let printed = '';
    for (const line of lines.split('\n').filter((one) => one.trim() !== '')) {
      const { status, out, err } = await sluice(line.trim().split(/\s+/), this.socket);
      if (status !== 0) throw new Error(`sluice ${line.trim()}: ${err}`);
      printed = out;
    }
    return printed;
  }

  close(): void {
    this.handler.stack.close();
    this.handler.conntrack.close();
    this.server?.close();
    this.server?.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

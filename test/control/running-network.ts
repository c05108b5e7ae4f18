/*
 * The real control plane over a thread that is not there: Network and Stations as they are, an engine that only keeps the FDB,
 * TAPs and packet sockets that open nothing (the test mocks io/tap, io/packet and io/shim).
 */
import type { ChangeFdb } from '../../src/control/api/fdb.js';
import type { AddLink } from '../../src/control/api/link.js';
import type { Request } from '../../src/control/api/request.js';
import type { Machine } from '../../src/control/config/preflight.js';
import type { BuiltLink } from '../../src/control/config/state.js';
import type { Running } from '../../src/control/config.js';
import { DATAPLANE_DEFAULTS } from '../../src/control/config.js';
import type { EngineThread } from '../../src/control/engine-thread.js';
import { Network } from '../../src/control/network.js';
import { STATION_WORDS } from '../../src/control/operations.js';
import { Stations } from '../../src/control/stations.js';

const NONE = -1;

/** What the engine's thread keeps that the control plane asks it about. */
class FdbOfEngine {
  readonly stations = new Map<string, number[]>();
  private readonly masters = new Map<number, number>();

  transact(calls: Array<[string, ...unknown[]]>): Promise<unknown[]> {
    return Promise.resolve(calls.map(([name, ...args]) => this.run(name, args as number[])));
  }

  post(calls: Array<[string, ...unknown[]]>): void {
    for (const [name, ...args] of calls) this.run(name, args as number[]);
  }

  async call(name: string, ...args: number[]): Promise<unknown> {
    return (await this.transact([[name, ...args]]))[0];
  }

  private flush(isGone: (bridge: number, port: number) => boolean): void {
    for (const [key, [bridge, , , , port]] of this.stations) if (isGone(bridge, port)) this.stations.delete(key);
  }

  private run(name: string, args: number[]): unknown {
    const [first, vlan, high, low, port, flags, isNew] = args;
    const key = `${first} ${vlan} ${high} ${low}`;
    switch (name) {
      case 'setStation':
        if (isNew && this.stations.has(key)) return 'exists';
        this.stations.set(key, [first, vlan, high, low, port, flags, 0, 0]);
        return 'stored';
      case 'removeStationOf':
        return this.stations.get(key)?.[4] === port && this.stations.delete(key);
      case 'removeStation':
        return this.stations.delete(key);
      case 'stations':
        return { words: Int32Array.from([...this.stations.values()].flat()), next: NONE };
      case 'setMaster':
        if ((this.masters.get(first) ?? NONE) !== NONE) this.flush((_, at) => at === first);
        this.masters.set(first, vlan);
        return undefined;
      case 'removeLink':
        this.flush((bridge, at) => bridge === first || at === first);
        return undefined;
      default:
        return undefined;
    }
  }
}

if (STATION_WORDS !== 8) throw new Error('a page of the FDB has another shape');

/** A machine on which everything is there and nothing is in the way. */
export const AMPLE: Machine = {
  hasNamespace: () => true,
  deviceKind: (dev) => (dev.startsWith('phys') ? '' : undefined),
  canRead: () => true,
  canWrite: () => true,
};

export class RunningNetwork implements Running {
  readonly requests: Request[] = [];
  /** Refuses the request of this number (from 0, counting those executed). */
  failAt = NONE;
  dataplane = { ...DATAPLANE_DEFAULTS };
  machine: Machine = AMPLE;
  private readonly network: Network;
  private readonly fdb: Stations;

  constructor(readonly refuse: (request: Request) => Error) {
    const engine = new FdbOfEngine() as unknown as EngineThread;
    this.network = new Network(engine);
    this.fdb = new Stations(this.network, engine);
  }

  links(): BuiltLink[] {
    return this.network.host.inOrder().filter(({ kind }) => kind !== 'lo');
  }

  stations(): ReturnType<Running['stations']> {
    return this.fdb.list({ op: 'fdb.list' });
  }

  /** Link keeps the words of `tap` and `packet`, or here it is done for it. */
  private async add(request: AddLink): Promise<{ warnings: string[] }> {
    const warnings = await this.network.add(request);
    const link = this.network.get(String(request.name), 'find') as BuiltLink;
    if (request.kind === 'tap' && link.tap === undefined) {
      const peer = request.tap?.peer ?? {};
      link.tap = { ...request.tap, peer: { ...peer, mtu: peer.mtu ?? request.mtu ?? 1500 } };
    }
    if (request.packet !== undefined) link.packet ??= request.packet;
    return { warnings };
  }

  async execute(request: Request): Promise<unknown> {
    const number = this.requests.push(request) - 1;
    if (number === this.failAt) throw this.refuse(request);
    switch (request.op) {
      case 'link.add':
        return this.add(request);
      case 'link.del':
        return this.network.remove(request);
      case 'link.set':
        return this.network.set(request);
      default:
        return this.fdb.change(request as ChangeFdb);
    }
  }
}

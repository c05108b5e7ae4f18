/*
 * A namespace with links and a FIB but no engine: InetControl's calls are carried out at once, on the same thread.
 */
import type { MonitorEvent } from '../../src/control/api/monitor.js';
import type { Call } from '../../src/control/engine-thread.js';
import type { InetHost, InetLink, InetNamespace } from '../../src/control/inet/host.js';
import { InetControl } from '../../src/control/inet/inet-control.js';
import { bytesOfKey } from '../../src/control/inet/keys.js';
import { Fib } from '../../src/route/fib.js';

/** A FIB has arrays for a million routes: tests share one, and give each world tables of its own. */
let shared: Fib | undefined;

export class WorldLink implements InetLink {
  isUp = false;
  hasCarrier: boolean;
  mtu: number;
  peer: WorldLink | undefined;

  constructor(
    readonly number: number,
    public name: string,
    readonly kind: string,
    readonly namespace: InetNamespace,
    readonly ifindex: number,
  ) {
    this.hasCarrier = kind !== 'veth';
    this.mtu = kind === 'lo' ? 65536 : 1500;
  }
}

export class World implements InetHost {
  readonly fib: Fib;
  readonly links = new Map<string, WorldLink>();
  readonly namespace: InetNamespace;
  readonly control: InetControl;
  readonly settings = new Map<string, number>();
  readonly events: MonitorEvent[] = [];
  readonly addresses4 = new Map<number, Int32Array>();
  readonly addresses6 = new Map<number, Int32Array>();
  /** Ops of each message, for measurements. */
  messages = 0;
  isWatched = false;
  time = 1000;

  constructor(number = 0, fib?: Fib) {
    shared ??= new Fib();
    this.fib = fib ?? shared;
    this.namespace = { name: `n${number}`, number, links: this.links };
    this.control = new InetControl(this);
    this.control.namespaceAdded(this.namespace, []);
    this.addLink('lo', 'lo');
  }

  async transact(calls: Call[]): Promise<unknown[]> {
    return calls.map((call) => this.carryOut(call));
  }

  private carryOut(call: Call): unknown {
    switch (call[0]) {
      case 'fib':
        this.messages++;
        return this.fib.apply(call[1]);
      case 'setRules':
        return this.fib.setRules(call[1], call[2], call[3]);
      case 'setAddresses4':
        return void this.addresses4.set(call[1], call[2]);
      case 'setAddresses6':
        return void this.addresses6.set(call[1], call[2]);
      case 'sourceAddress':
        return this.source(call[2], call[3]);
      default:
        throw new Error(`unexpected call ${call[0]}`);
    }
  }

  /** Enough for tests: the link's first address of the destination's scope. */
  private source(destination: Uint8Array, number: number): Uint8Array | number {
    const link = [...this.links.values()].find((each) => each.number === number);
    const all = link === undefined ? [] : this.control.stack(this.namespace).addresses6.of(link);
    const isNarrow = destination[0] === 0xfe || (destination[0] === 0xff && (destination[1] & 15) === 2);
    const isOwn = all.find(({ local }) => Buffer.from(bytesOfKey(local)).equals(destination));
    const found = isOwn ?? all.find(({ scope }) => (scope === 253) === isNarrow);
    return found === undefined ? -99 : bytesOfKey(found.local);
  }

  setting(_namespace: InetNamespace, key: string): number {
    return this.settings.get(key) ?? 0;
  }

  onEvent(_namespace: InetNamespace, event: MonitorEvent): void {
    this.events.push(event);
  }

  isMonitored(): boolean {
    return this.isWatched;
  }

  now(): number {
    return this.time;
  }

  private run(act: (calls: Call[]) => void): void {
    const calls: Call[] = [];
    act(calls);
    for (const call of calls) this.carryOut(call);
  }

  // --- links --------------------------------------------------------------------------------------

  addLink(name: string, kind = 'dummy'): WorldLink {
    const link = new WorldLink(this.links.size + 1, name, kind, this.namespace, this.links.size + 1);
    this.links.set(name, link);
    this.run((calls) => this.control.linkAdded(link, calls));
    return link;
  }

  /** As the kernel does, the peer first: it has the lower index. */
  addPair(name: string, peer: string): void {
    const b = this.addLink(peer, 'veth');
    const a = this.addLink(name, 'veth');
    a.peer = b;
    b.peer = a;
  }

  link(name: string): WorldLink {
    const link = this.links.get(name);
    if (link === undefined) throw new Error(`there is no link ${name}`);
    return link;
  }

  /** Both ends of a pair have carrier while both are up. */
  setUp(name: string, isUp: boolean): void {
    const link = this.link(name);
    if (link.isUp === isUp) return;
    link.isUp = isUp;
    const { peer } = link;
    if (peer !== undefined) link.hasCarrier = isUp && peer.isUp;
    const isPeerChanged = peer?.isUp === true;
    if (peer !== undefined) peer.hasCarrier = link.hasCarrier;
    this.run((calls) => this.control.linkChanged(link, { up: true, carrier: isPeerChanged }, calls));
    if (peer !== undefined && isPeerChanged)
      this.run((calls) => this.control.linkChanged(peer, { carrier: true }, calls));
  }

  setMtu(name: string, mtu: number): void {
    const link = this.link(name);
    link.mtu = mtu;
    // What has no IPv6 any more forgets its settings.
    if (mtu < 1280)
      for (const key of [...this.settings.keys()])
        if (key.startsWith(`net.ipv6.conf.${name}.`)) this.settings.delete(key);
    this.run((calls) => this.control.linkChanged(link, { mtu: true }, calls));
  }

  /** net.ipvFAMILY.conf.NAME.KEY = value. */
  set(family: 4 | 6, name: string, key: string, value: number): void {
    const path = `net.ipv${family}.conf.${name}.${key}`;
    const from = this.settings.get(path) ?? 0;
    this.settings.set(path, value);
    if (from === value) return;
    const change = { family, name: key, from, to: value };
    const link = this.links.get(name);
    this.run((calls) => {
      if (link === undefined) this.control.settingChanged(this.namespace, change, calls);
      else this.control.settingChanged(this.namespace, { ...change, link: link as never }, calls);
    });
  }

  remove(name: string): void {
    const link = this.link(name);
    const { peer } = link;
    this.links.delete(name);
    this.run((calls) => this.control.linkRemoved(link, calls));
    if (peer === undefined) return;
    this.links.delete(peer.name);
    this.run((calls) => this.control.linkRemoved(peer, calls));
  }

  end(): void {
    this.control.close();
    this.run((calls) => this.control.namespaceRemoved(this.namespace, calls));
  }
}

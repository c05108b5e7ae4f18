/*
 * The IP stack of all namespaces as the control plane has it: its parts, and how they hear of each other.
 *
 *   Network ── LinkObserver ──► IpStack ─┬─► InetControl     addresses, routes, rules
 *                                        ├─► HostStack       address configuration, DHCP, router advertisements
 *                                        └─► Monitor         `ip monitor`
 *   engine ── neighbours ────────────────┘
 */
import { Conf4 } from '../route/conf.js';
import { parseIpv4 } from '../wire/format.js';
import type { ChangeAddress, LinkAddresses } from './api/address.js';
import type { MonitorEvent } from './api/monitor.js';
import type { Call, EngineThread } from './engine-thread.js';
import { ExplainControl } from './explain.js';
import { HostStack, type HostStackOwner } from './host-stack.js';
import type { InetHost, InetNamespace } from './inet/host.js';
import { InetControl } from './inet/inet-control.js';
import type { Link } from './link.js';
import { linkInfo } from './link-info.js';
import type { LinkChange, LinkObserver, SettingChange } from './link-observer.js';
import { Monitor } from './monitor.js';
import type { Namespace } from './namespaces.js';
import { NeighbourControl } from './neighbours.js';
import { NetfilterControl } from './netfilter.js';
import type { Network } from './network.js';

export class IpStack implements LinkObserver, InetHost {
  readonly inet: InetControl;
  readonly host: HostStack;
  readonly neighbours: NeighbourControl;
  readonly monitor: Monitor;
  readonly netfilter: NetfilterControl;
  readonly explain: ExplainControl;
  private isPosting = false;

  constructor(
    private readonly network: Network,
    private readonly engine: EngineThread,
    owner: HostStackOwner,
  ) {
    this.inet = new InetControl(this);
    this.host = new HostStack(engine, this.inet, owner);
    this.neighbours = new NeighbourControl(network, engine);
    this.netfilter = new NetfilterControl(network, engine);
    const { inet, neighbours, netfilter } = this;
    this.explain = new ExplainControl({ network, engine, inet, neighbours, netfilter });
    // A call that fails means that the engine has ended, and the daemon with it.
    this.monitor = new Monitor((isWatched) => void this.neighbours.watch(isWatched).catch(() => {}));
    engine.onNeighbour = (row, isGone) => this.neighbourChanged(row, isGone);
    network.observe(this);
  }

  /** Ends what would keep the process going. */
  close(): void {
    this.inet.close();
  }

  /** A few routes at most follow from an address, as from a link that comes up: nobody waits for the engine. */
  changeAddress(namespace: Namespace, request: ChangeAddress): Promise<void> {
    this.isPosting = true;
    try {
      const isNew4 = request.op !== 'addr.del' && !request.local.includes(':');
      const link = isNew4 ? namespace.links.get(request.dev) : undefined;
      if (link !== undefined) namespace.sysctls.pin4(link);
      return this.inet.changeAddress(namespace, request);
    } finally {
      this.isPosting = false;
    }
  }

  /** `ip addr show`. */
  async linkAddresses(dev: string | undefined, namespace: Namespace): Promise<LinkAddresses[]> {
    const infos = await this.network.list(dev, namespace);
    return infos.flatMap((info) => {
      const link = namespace.linkOf(info.ifindex);
      return link === undefined ? [] : [{ link: info, addresses: this.inet.addressesOf(link) }];
    });
  }

  // --- LinkObserver -------------------------------------------------------------------------------

  namespaceAdded(namespace: Namespace, calls: Call[]): void {
    this.inet.namespaceAdded(namespace, calls);
    this.tellNamespace(namespace, false);
  }

  namespaceRemoved(namespace: Namespace, calls: Call[]): void {
    this.inet.namespaceRemoved(namespace, calls);
    this.netfilter.namespaceRemoved(namespace);
    this.tellNamespace(namespace, true);
  }

  linkAdded(link: Link, calls: Call[]): void {
    this.host.linkAdded(link);
    this.netfilter.linkNamed(link, calls);
    this.inet.linkAdded(link, calls);
    this.tellLink(link, false);
  }

  linkRemoved(link: Link, calls: Call[]): void {
    this.inet.linkRemoved(link, calls);
    this.host.linkRemoved(link);
    this.netfilter.linkRemoved(link, calls);
    this.tellLink(link, true);
  }

  linkMoved(link: Link, from: Namespace, calls: Call[]): void {
    this.inet.linkMoved(link, from, calls);
    this.host.linkMoved(link);
    this.tellLink(link, false);
  }

  linkChanged(link: Link, what: LinkChange, calls: Call[]): void {
    this.inet.linkChanged(link, what, calls);
    if (what.name === true) this.netfilter.linkNamed(link, calls);
    this.host.linkChanged(link, what);
    if (what.address === true) calls.push(['flushNeighbours', link.number]);
    if (link.isUp && (what.up === true || what.address === true)) this.announce(link, calls);
    this.tellLink(link, false);
  }

  /** arp_notify: an IPv4 address is told of when its link comes up or has another MAC. */
  private announce(link: Link, calls: Call[]): void {
    const isWanted =
      link.settings.words4[Conf4.ARP_NOTIFY] !== 0 || link.namespace.sysctls.all(4, Conf4.ARP_NOTIFY) !== 0;
    if (!isWanted || link.kind === 'lo' || link.kind === 'dummy') return;
    for (const { family, local } of this.inet.addressesOf(link)) {
      const address = family === 'inet' ? parseIpv4(local) : undefined;
      if (address !== undefined) calls.push(['announce4', link.number, address]);
    }
  }

  settingChanged(namespace: Namespace, change: SettingChange, calls: Call[]): void {
    this.inet.settingChanged(namespace, change, calls);
    this.host.settingChanged(namespace, change, calls);
  }

  // --- monitor ------------------------------------------------------------------------------------

  private tellLink(link: Link, deleted: boolean): void {
    if (!this.monitor.isWatched) return;
    const info = linkInfo(link, this.engine.counters);
    this.monitor.tell(link.namespace, { ts_us: Date.now() * 1000, deleted, object: 'link', link: info });
  }

  private tellNamespace({ name }: Namespace, deleted: boolean): void {
    this.monitor.tellAll({ ts_us: Date.now() * 1000, deleted, object: 'netns', netns: { name } });
  }

  private neighbourChanged(row: Int32Array, isGone: boolean): void {
    const event = this.neighbours.eventOf(row, isGone);
    if (event === undefined) return;
    const { namespace, neighbour, deleted } = event;
    this.monitor.tell(namespace, { ts_us: Date.now() * 1000, deleted, object: 'neigh', neighbour });
  }

  // --- InetHost -----------------------------------------------------------------------------------

  transact(calls: Call[]): Promise<unknown[]> {
    if (!this.isPosting) return this.engine.transact(calls);
    this.engine.post(calls);
    return Promise.resolve([]);
  }

  setting(namespace: InetNamespace, key: string): number {
    return (namespace as Namespace).sysctls.number(key);
  }

  onEvent(namespace: InetNamespace, event: MonitorEvent): void {
    this.monitor.tell(namespace, event);
  }

  isMonitored(): boolean {
    return this.monitor.isWatched;
  }

  now(): number {
    return performance.now();
  }
}

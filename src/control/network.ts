/*
 * The network as commands have built it: namespaces and their links, and the calls that carry a change to the engine. Every
 * command is checked whole before anything is changed.
 *
 * What a change makes of other links is in link-states.ts, bridges are in bridging.ts, what is outside in ports.ts, what is
 * inside in virtual-links.ts. Calls whose answers do not matter are posted, not awaited: a batch of thousands of commands
 * costs the engine a few messages; `settled` tells when it has done them all.
 */

import { packetWarnings } from '../io/packet.js';
import { shim } from '../io/shim.js';
import type { AddLink, DeleteLink, LinkInfo, SetLink } from './api/link.js';
import type { NetnsInfo } from './api/netns.js';
import type { SysctlInfo } from './api/sysctl.js';
import { Bridging } from './bridging.js';
import type { CapturedFrames } from './captures.js';
import type { Call, EngineThread } from './engine-thread.js';
import { BRIDGE_DEFAULTS, isPort, type Link } from './link.js';
import { LinkChanges, noteOthers } from './link-changes.js';
import { checkMtu, checkName, macOf, refuse } from './link-checks.js';
import { linkInfo } from './link-info.js';
import type { LinkObserver } from './link-observer.js';
import { LinkStates } from './link-states.js';
import { DEFAULT_MTU, LinkTable } from './link-table.js';
import { type Namespace, Namespaces } from './namespaces.js';
import { Ports } from './ports.js';
import { attachVlan, isVirtual, makePeer, peerRequest, virtualCalls, vlanOf } from './virtual-links.js';

export class Network {
  readonly namespaces = new Namespaces();
  private readonly table = new LinkTable();
  private readonly states = new LinkStates();
  private readonly bridging = new Bridging(this.states);
  private readonly changes = new LinkChanges(this.namespaces, this.states, this.bridging, (name, verb, namespace) =>
    this.get(name, verb, namespace),
  );
  private readonly ports: Ports;
  /** Packet ports: nobody tells of their devices' carrier. */
  private readonly packets = new Set<Link>();

  constructor(private readonly engine: EngineThread) {
    this.ports = new Ports(engine);
    engine.onEvent = (event) => {
      if (event.event === 'frames') return this.onFrames(event);
      const link = this.table.byNumber(event.link);
      if (link === undefined) return;
      if (event.event === 'problem') return this.onProblem(link, event.text);
      const isUp = event.event === 'carrier' && event.up;
      this.carrierChanged(link, isUp);
      this.onLinkEvent(link, event.event === 'gone' ? 'gone' : isUp ? 'up' : 'down');
    };
    const calls: Call[] = [];
    this.openNamespace(this.host, calls);
    this.engine.post(calls);
  }

  /** Told of every carrier change, and of devices that vanished. */
  onLinkEvent: (link: Link, what: 'up' | 'down' | 'gone') => void = () => {};
  /** Told of what goes wrong on a link, in a whole sentence. */
  onProblem: (link: Link, text: string) => void = () => {};
  /** Told of captured frames. */
  onFrames: (frames: CapturedFrames) => void = () => {};

  get host(): Namespace {
    return this.namespaces.host;
  }

  /** Who hears of links from now on; of those that are there at once. */
  observe(observer: LinkObserver): void {
    this.states.observer = observer;
    const calls: Call[] = [];
    for (const namespace of this.namespaces.all()) {
      observer.namespaceAdded(namespace, calls);
      for (const link of namespace.inOrder()) observer.linkAdded(link, calls);
    }
    this.engine.post(calls);
  }

  /** Resolves when the engine has done all that commands have asked of it. */
  settled(): Promise<unknown> {
    return this.engine.settled();
  }

  // --- looking ------------------------------------------------------------------------------------

  /** All links of all namespaces. */
  all(): Link[] {
    return this.table.all();
  }

  find(name: string, namespace = this.host): Link | undefined {
    return namespace.links.get(name);
  }

  /** The link of a number, if there is one. */
  byNumber(number: number): Link | undefined {
    return this.table.byNumber(number);
  }

  get(name: string, verb: string, namespace = this.host): Link {
    const link = namespace.links.get(name);
    if (link !== undefined) return link;
    return refuse('ENODEV', `cannot ${verb} "${name}": there is no such link; "sluice ip link" lists them`);
  }

  /** Links as iproute2 shows them, after a look at how the kernel's ends are. */
  async list(name?: string, namespace = this.host): Promise<LinkInfo[]> {
    const links = name === undefined ? namespace.inOrder() : [this.get(name, 'show', namespace)];
    const ports = links.filter((link) => link.device !== undefined);
    const looks = ports.map(
      ({ number, kind, device }): Call => ['deviceIsUp', number, device?.fds[0] ?? -1, kind === 'tap'],
    );
    if (looks.length > 0) {
      const results = await this.engine.transact(looks);
      ports.forEach((link, i) => {
        this.carrierChanged(link, results[i] === true);
      });
    }
    return links.map((link) => linkInfo(link, this.engine.counters));
  }

  private carrierChanged(link: Link, isUp: boolean): void {
    const calls: Call[] = [];
    this.states.setCarrier(link, isUp, calls);
    this.engine.post(calls);
  }

  /** Of packet ports: what else answers on their devices. */
  warnings(): string[] {
    return [...this.packets].flatMap(({ device }) =>
      device === undefined ? [] : packetWarnings(device.dev, device.netns),
    );
  }

  packetPorts(): Link[] {
    return [...this.packets];
  }

  /** A packet socket has no event for its device's carrier or end: looks at the devices of all that are up. */
  async recheckPackets(): Promise<void> {
    for (const link of this.packets) {
      if (!link.isUp || link.device === undefined) continue;
      const state = shim.packetIsUp(link.device.fds[0]);
      if (state < 0) this.onLinkEvent(link, 'gone');
      else if ((state === 1) !== link.hasCarrier)
        await this.engine.call('deviceIsUp', link.number, link.device.fds[0], false);
    }
  }

  // --- namespaces ---------------------------------------------------------------------------------

  addNamespace(name: string): void {
    const calls: Call[] = [];
    this.openNamespace(this.namespaces.add(name), calls);
    this.engine.post(calls);
  }

  private openNamespace(namespace: Namespace, calls: Call[]): void {
    const lo = this.table.make('lo', 'lo', namespace);
    namespace.loopback = lo;
    lo.settings = namespace.sysctls.forLink('lo', lo.mtu);
    this.table.add(lo);
    calls.push(...virtualCalls(lo), ...namespace.sysctls.rows(), ...namespace.sysctls.linkRows(lo));
    this.states.observer?.namespaceAdded(namespace, calls);
    this.states.observer?.linkAdded(lo, calls);
  }

  /** Links inside go with it, and the other ends of veths; ports go back to the host, by another name if theirs is taken. */
  removeNamespace(name: string): void {
    const namespace =
      this.namespaces.find(name) ??
      refuse('ENOENT', `cannot delete namespace "${name}": there is none; "sluice ip netns" lists them`);
    if (namespace.isHost) refuse('EBUSY', `cannot delete namespace "${name}": it is always there; name another`);
    const calls: Call[] = [];
    for (const link of namespace.inOrder()) {
      if (link.kind === 'lo' || link.namespace !== namespace) continue;
      if (isPort(link)) this.changes.move(link, this.host, this.nameInHost(link), calls);
      else if (this.table.byNumber(link.number) === link) this.destroy(link, calls);
    }
    this.destroy(namespace.loopback, calls);
    calls.push(['removeNamespace', namespace.number]);
    this.states.observer?.namespaceRemoved(namespace, calls);
    this.namespaces.remove(namespace);
    this.engine.post(calls);
  }

  private nameInHost({ name, ifindex }: Link): string {
    if (!this.host.links.has(name)) return name;
    return this.host.links.has(`dev${ifindex}`) ? this.host.freeName('dev') : `dev${ifindex}`;
  }

  listNamespaces(from = this.host): NetnsInfo[] {
    return this.namespaces.list(from);
  }

  // --- sysctls ------------------------------------------------------------------------------------

  setSysctl(key: string, value: string, namespace = this.host): SysctlInfo {
    const calls: Call[] = [];
    namespace.sysctls.set(key, value, calls, (of, change) => this.states.observer?.settingChanged(of, change, calls));
    this.engine.post(calls);
    return namespace.sysctls.get(key);
  }

  // --- add ----------------------------------------------------------------------------------------

  /** Returns warnings. */
  async add(request: AddLink, from = this.host): Promise<string[]> {
    const namespace = request.netns === undefined ? from : this.namespaces.get(request.netns);
    const peer = request.kind === 'veth' ? this.checkPeer(request, from) : undefined;
    const name = request.name ?? namespace.freeName(request.kind, peer?.space === namespace ? peer.name : undefined);
    this.checkNew(request, name, namespace);
    if (peer?.space === namespace && peer.name === name) this.refuseSecond(name, namespace);
    const master = request.master === undefined ? undefined : this.masterOf(request.master, namespace, name, request);
    const bridge =
      request.kind === 'bridge' ? this.bridging.settings(name, BRIDGE_DEFAULTS, request.bridge ?? {}) : undefined;
    const vlan = request.kind === 'vlan' ? vlanOf(request, name, from) : undefined;
    const address = request.address === undefined ? undefined : macOf(name, request.address);
    const other = peer === undefined ? undefined : makePeer(this.table, peer.request, peer.name, peer.space);
    const link = this.table.make(request.kind, name, namespace);
    link.address = address ?? link.address;
    link.isAddressSet = address !== undefined;
    link.mtu = request.mtu ?? link.mtu;
    link.isMtuSet = request.mtu !== undefined;
    if (bridge !== undefined) link.bridge = bridge;
    if (vlan !== undefined) attachVlan(link, vlan, request);
    const warnings = await this.open(link, request);
    const calls: Call[] = [];
    if (other !== undefined) this.addPeer(other, link, calls);
    this.insert(link, calls);
    if (other !== undefined) this.pair(link, other, calls);
    this.configure(link, request, master, calls);
    this.engine.post(calls);
    return warnings;
  }

  private checkNew(request: AddLink, name: string, namespace: Namespace): void {
    checkName(name);
    if (namespace.links.has(name)) this.refuseTaken(name);
    checkMtu(name, request.kind, request.mtu ?? DEFAULT_MTU);
  }

  /** Both ends of that name: the first was there already. */
  private refuseSecond(name: string, namespace: Namespace): never {
    namespace.freeIndex();
    return this.refuseTaken(name);
  }

  private refuseTaken(name: string): never {
    return refuse('EEXIST', `cannot add link "${name}": the name is taken; choose another or delete that link`);
  }

  private masterOf(name: string, namespace: Namespace, port: string, { kind }: AddLink): Link {
    return this.bridging.bridgeFor(this.get(name, `add "${port}" to`, namespace), kind, port);
  }

  private checkPeer(
    request: AddLink,
    from: Namespace,
  ): { request: ReturnType<typeof peerRequest>; name: string; space: Namespace } {
    const peer = peerRequest(request);
    const space = peer.netns === undefined ? from : this.namespaces.get(peer.netns);
    return { request: peer, name: peer.name ?? space.freeName('veth', request.name), space };
  }

  /** Opens what is behind a port; makes a bridge. What is inside needs no answer. */
  private async open(link: Link, request: AddLink): Promise<string[]> {
    if (!isPort(link)) return [];
    try {
      const warnings = await this.ports.open(link, request);
      if (link.kind === 'packet') this.packets.add(link);
      return warnings;
    } catch (error) {
      this.table.give(link);
      throw error;
    }
  }

  /** A pair's other end comes to be first, and so has the lower index. */
  private addPeer(other: Link, link: Link, calls: Call[]): void {
    other.peer = link;
    link.peer = other;
    this.insert(other, calls);
  }

  private pair(link: Link, other: Link, calls: Call[]): void {
    calls.push(['setPeer', link.number, other.number]);
    noteOthers(link);
  }

  /** A link that is ready in itself: into the table and into the engine. */
  private insert(link: Link, calls: Call[]): void {
    this.table.add(link);
    const { number, namespace, mtu } = link;
    if (link.kind === 'bridge') calls.push(['addBridge', number, mtu]);
    if (isVirtual(link.kind)) calls.push(...virtualCalls(link));
    else if (!namespace.isHost) calls.push(['setNamespace', number, namespace.number]);
    link.settings = namespace.sysctls.forLink(link.kind, mtu);
    calls.push(...namespace.sysctls.linkRows(link));
    this.states.setAddress(link, link.address, calls);
    if (link.vlan !== undefined) noteOthers(link);
    this.states.observer?.linkAdded(link, calls);
  }

  private configure(link: Link, request: AddLink, master: Link | undefined, calls: Call[]): void {
    if (link.bridge !== undefined) calls.push(...this.bridging.calls(link));
    if (request.addr_gen_mode !== undefined) this.changes.setAddrGenMode(link, request.addr_gen_mode, calls);
    if (master !== undefined) this.bridging.enslave(link, master, calls);
    if (request.up === true) this.states.setUp(link, true, calls);
    if (link.bridge !== undefined) this.bridging.refresh(link, calls);
  }

  // --- delete -------------------------------------------------------------------------------------

  async remove(request: DeleteLink, namespace = this.host): Promise<void> {
    const link = this.get(request.name, 'delete', namespace);
    if (link.kind === 'lo')
      refuse('EOPNOTSUPP', `cannot delete "${link.name}": every namespace has its loopback; delete the namespace`);
    if (request.kind !== undefined && request.kind !== link.kind) {
      refuse(
        'EOPNOTSUPP',
        `cannot delete "${link.name}": it is of type ${link.kind}, not ${request.kind}; leave out the type`,
      );
    }
    const calls: Call[] = [];
    this.destroy(link, calls);
    if (link.device === undefined) return this.engine.post(calls);
    await this.engine.transact(calls);
    this.ports.close(link);
  }

  /** Takes a link out, with the vlans on it and its other end. Its number may be used again at once: calls keep their order. */
  private destroy(link: Link, calls: Call[]): void {
    for (const upper of [...link.uppers]) this.destroy(upper, calls);
    for (const port of [...link.ports]) this.bridging.release(port, calls);
    if (link.master !== undefined) this.bridging.release(link, calls);
    this.states.observer?.linkRemoved(link, calls);
    calls.push(['removeLink', link.number]);
    this.table.remove(link);
    this.table.give(link);
    this.packets.delete(link);
    this.bridging.forget(link);
    const { peer, vlan } = link;
    if (vlan !== undefined) vlan.lower.uppers.splice(vlan.lower.uppers.indexOf(link), 1);
    if (peer === undefined) return;
    delete link.peer;
    delete peer.peer;
    this.destroy(peer, calls);
  }

  /** The kernel device of a port is gone, or its namespace: give back what pins it. The link stays, without carrier. */
  async abandonDevice(link: Link): Promise<void> {
    if (link.device === undefined) return;
    this.carrierChanged(link, false);
    await this.engine.call('dropPort', link.number);
    this.ports.close(link);
  }

  /** At the end of the daemon. The engine has stopped. */
  closeAll(): void {
    for (const link of this.all()) this.ports.close(link);
  }

  // --- set ----------------------------------------------------------------------------------------

  async set(request: SetLink, namespace = this.host): Promise<void> {
    const calls: Call[] = [];
    this.changes.set(this.get(request.name, 'change', namespace), request, calls);
    this.engine.post(calls);
  }
}

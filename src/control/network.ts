/*
 * The network as commands have built it: links by name, their settings, and the transactions that carry a
 * change to the engine. Every command is checked whole before anything is changed.
 */
import { randomBytes } from 'node:crypto';
import { SluiceError } from '../core/errors.js';
import { LinkFlag, MAX_LINKS } from '../core/links.js';
import { PORT_DEFAULTS, PortState } from '../datapath.js';
import { openPacket, type PacketDevice, packetWarnings, raiseDevice } from '../io/packet.js';
import { PortKind, shim } from '../io/shim.js';
import { openTap, type TapDevice, type TapSpec } from '../io/tap.js';
import { parseMac, parsePrefix } from '../wire/format.js';
import type { AddLink, BridgeOptions, BridgePortOptions, DeleteLink, SetLink, TapPeer } from './api.js';
import type { CapturedFrames } from './captures.js';
import type { Call, EngineThread } from './engine-thread.js';
import {
  BRIDGE_DEFAULTS,
  type BridgeSettings,
  type Link,
  linkInfo,
  MIN_MTU,
  maxMtu,
  type PortDevice,
  type PortSettings,
} from './link.js';
import { Locals } from './locals.js';

const MAX_PORTS = 1024;
const MAX_QUEUES = 256;
/** 2^30 ms in 1/100 s. */
const MAX_AGEING_CS = Math.floor(2 ** 30 / 10);
const DEFAULT_MTU = 1500;

function refuse(errno: string, message: string, extack?: string): never {
  throw new SluiceError(errno, message, extack);
}

function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes >= 1 && bytes <= 15 && !/[\s/:]/.test(name) && name !== '.' && name !== '..') return;
  refuse(
    'EINVAL',
    `cannot name a link "${name}": it is ${bytes} bytes long or has a space, slash or colon; use 1 to 15 bytes`,
  );
}

function checkMtu(name: string, kind: Link['kind'], mtu: number): void {
  const max = maxMtu(kind);
  if (mtu < MIN_MTU) {
    refuse(
      'EINVAL',
      `cannot set mtu of "${name}": ${mtu} is below ${MIN_MTU}; use ${MIN_MTU} to ${max}`,
      'mtu less than device minimum',
    );
  }
  if (mtu > max) {
    refuse(
      'EINVAL',
      `cannot set mtu of "${name}": ${mtu} is above ${max}; use ${MIN_MTU} to ${max}`,
      'mtu greater than device maximum',
    );
  }
}

function macOf(name: string, text: string): Uint8Array {
  const address = parseMac(text);
  if (address === undefined)
    return refuse('EINVAL', `cannot set address of "${name}": "${text}" is no MAC address; write six hex bytes`);
  if ((address[0] & 1) !== 0 || address.every((byte) => byte === 0)) {
    refuse('EADDRNOTAVAIL', `cannot set address of "${name}": ${text} is a group address or zero; use a unicast one`);
  }
  return address;
}

function randomMac(): Uint8Array {
  const address = new Uint8Array(randomBytes(6));
  address[0] = (address[0] & 0xfc) | 0x02;
  return address;
}

function optionFlags(current: number, options: BridgePortOptions): number {
  const bits: Array<[boolean | undefined, LinkFlag]> = [
    [options.learning, LinkFlag.LEARNING],
    [options.flood, LinkFlag.FLOOD],
    [options.bcast_flood, LinkFlag.BCAST_FLOOD],
    [options.mcast_flood, LinkFlag.MCAST_FLOOD],
    [options.isolated, LinkFlag.ISOLATED],
    [options.hairpin, LinkFlag.HAIRPIN],
    [options.locked, LinkFlag.LOCKED],
  ];
  return bits.reduce((flags, [on, bit]) => (on === undefined ? flags : on ? flags | bit : flags & ~bit), current);
}

/** While STP is off, a port that a command sets to blocking is designated, and so forwards (br_port_state_selection). */
function stateOf(state: PortState): PortState {
  return state === PortState.BLOCKING ? PortState.FORWARDING : state;
}

export class Network {
  private readonly links = new Map<string, Link>();
  private readonly numbers: Array<Link | undefined> = [];
  private readonly locals: Locals;
  private nextIndex = 2;

  constructor(private readonly engine: EngineThread) {
    this.locals = new Locals();
    engine.onEvent = (event) => {
      if (event.event === 'frames') return this.onFrames(event);
      const link = this.numbers[event.link];
      if (link === undefined) return;
      if (event.event === 'problem') return this.onProblem(link, event.text);
      link.hasCarrier = event.event === 'carrier' && event.up;
      if (!link.hasCarrier && link.port !== undefined) link.port.state = PortState.FORWARDING;
      this.onLinkEvent(link, event.event === 'gone' ? 'gone' : event.up ? 'up' : 'down');
    };
  }

  /** Told of every carrier change, and of devices that vanished. */
  onLinkEvent: (link: Link, what: 'up' | 'down' | 'gone') => void = () => {};
  /** Told of what goes wrong on a link, in a whole sentence. */
  onProblem: (link: Link, text: string) => void = () => {};
  /** Told of captured frames. */
  onFrames: (frames: CapturedFrames) => void = () => {};

  all(): Link[] {
    return [...this.links.values()];
  }

  find(name: string): Link | undefined {
    return this.links.get(name);
  }

  /** The link of a number, if there is one. */
  byNumber(number: number): Link | undefined {
    return this.numbers[number];
  }

  get(name: string, verb: string): Link {
    const link = this.links.get(name);
    if (link !== undefined) return link;
    return refuse('ENODEV', `cannot ${verb} "${name}": there is no such link; "sluice ip link" lists them`);
  }

  /** Links as iproute2 shows them, after a look at how the kernel's ends are. */
  async list(name?: string): Promise<ReturnType<typeof linkInfo>[]> {
    const links = name === undefined ? this.all() : [this.get(name, 'show')];
    const ports = links.filter((link) => link.device !== undefined);
    const calls = ports.map(
      ({ number, kind, device }): Call => ['deviceIsUp', number, device?.fds[0] ?? -1, kind === 'tap'],
    );
    if (calls.length > 0) {
      const results = await this.engine.transact(calls);
      ports.forEach((link, i) => {
        link.hasCarrier = results[i] === true;
      });
    }
    return links.map((link) => linkInfo(link, this.engine.counters));
  }

  /** Of packet ports: what else answers on their devices. */
  warnings(): string[] {
    return this.all().flatMap(({ kind, device }) =>
      kind === 'packet' && device !== undefined ? packetWarnings(device.dev, device.netns) : [],
    );
  }

  /** A packet socket has no event for its device's carrier or end: looks at the devices of all that are up. */
  async recheckPackets(): Promise<void> {
    for (const link of this.all()) {
      if (link.kind !== 'packet' || !link.isUp || link.device === undefined) continue;
      const state = shim.packetIsUp(link.device.fds[0]);
      if (state < 0) this.onLinkEvent(link, 'gone');
      else if ((state === 1) !== link.hasCarrier)
        await this.engine.call('deviceIsUp', link.number, link.device.fds[0], false);
    }
  }

  // --- add --------------------------------------------------------------------------------------

  /** Returns warnings. */
  async add(request: AddLink): Promise<string[]> {
    const { name, kind } = request;
    checkName(name);
    if (this.links.has(name))
      refuse('EEXIST', `cannot add link "${name}": the name is taken; choose another or delete that link`);
    const mtu = request.mtu ?? DEFAULT_MTU;
    checkMtu(name, kind, mtu);
    const master = request.master === undefined ? undefined : this.bridgeFor(request.master, kind, name);
    const bridge = kind === 'bridge' ? this.bridgeSettings(name, BRIDGE_DEFAULTS, request.bridge ?? {}) : undefined;
    const link: Link = {
      number: this.freeNumber(name),
      ifindex: this.nextIndex,
      name,
      kind,
      address: request.address === undefined ? randomMac() : macOf(name, request.address),
      isAddressSet: request.address !== undefined,
      mtu,
      isMtuSet: request.mtu !== undefined,
      isUp: false,
      hasBeenUp: false,
      hasCarrier: false,
      ports: [],
      ...(bridge === undefined ? {} : { bridge }),
    };
    const warnings = await this.open(link, request);
    this.nextIndex++;
    this.links.set(name, link);
    this.numbers[link.number] = link;
    const calls: Call[] = [];
    if (bridge !== undefined) calls.push(...this.bridgeCalls(link));
    if (master !== undefined) this.enslave(link, master, calls);
    if (request.up === true) this.setUp(link, true, calls);
    if (kind === 'bridge') this.refreshBridge(link, calls);
    await this.engine.transact(calls);
    return warnings;
  }

  private freeNumber(name: string): number {
    for (let number = 1; number < MAX_LINKS; number++) if (this.numbers[number] === undefined) return number;
    return refuse('ENOSPC', `cannot add link "${name}": there are ${MAX_LINKS - 1} links; delete one first`);
  }

  /** Opens what is behind the link and hands it to the engine. Leaves nothing behind when it fails. */
  private async open(link: Link, request: AddLink): Promise<string[]> {
    const { number, mtu } = link;
    switch (link.kind) {
      case 'bridge':
        await this.engine.call('addBridge', number, mtu);
        return [];
      case 'memory':
        await this.engine.call('addMemory', number, mtu);
        link.hasCarrier = true;
        return [];
      case 'pcap':
        return this.openPcap(link, request);
      case 'tap':
        return this.openTap(link, request);
      case 'packet':
        return this.openPacket(link, request);
    }
  }

  private async openPcap(link: Link, request: AddLink): Promise<string[]> {
    const { read, write } = request.pcap ?? {};
    const problem = await this.engine.call('addPcap', link.number, link.mtu, link.name, read, write);
    if (problem !== undefined) refuse(problem.errno, problem.message);
    link.pcap = { ...(read === undefined ? {} : { read }), ...(write === undefined ? {} : { write }) };
    link.hasCarrier = true;
    return [];
  }

  private async openTap(link: Link, request: AddLink): Promise<string[]> {
    const spec = this.tapSpec(link, request);
    const tap: TapDevice = openTap(spec);
    shim.tapCarrier(tap.fds[0], false);
    link.device = {
      fds: tap.fds,
      queues: tap.fds.length,
      hasOffload: spec.hasOffload,
      isPersistent: spec.isPersistent || tap.isAttached,
      isAttached: tap.isAttached,
      dev: spec.name,
      ...(spec.netns === undefined ? {} : { netns: spec.netns }),
    };
    const { queues, hasOffload, isPersistent, name, mtu } = spec;
    link.tap = { queues, gso: hasOffload, persist: isPersistent, peer: { ...this.peerOf(request), name, mtu } };
    await this.addNative(link, PortKind.TAP, true);
    return [];
  }

  /** The kernel's end: without words of its own it is as the link. */
  private peerOf(request: AddLink): TapPeer {
    return request.tap?.peer ?? { up: request.up ?? false };
  }

  private tapSpec(link: Link, request: AddLink): TapSpec {
    const { queues = 1, gso = true, persist = false } = request.tap ?? {};
    const at = this.peerOf(request);
    const name = at.name ?? link.name;
    checkName(name);
    if (queues < 1 || queues > MAX_QUEUES) {
      refuse('EINVAL', `cannot add link "${link.name}": ${queues} queues are not possible; use 1 to ${MAX_QUEUES}`);
    }
    if (persist && at.netns !== undefined) {
      refuse(
        'EINVAL',
        `cannot add link "${link.name}": a persistent device in another namespace could not be attached to again; leave out netns or persist`,
      );
    }
    const mtu = at.mtu ?? link.mtu;
    checkMtu(name, 'tap', mtu);
    return {
      name,
      queues,
      hasOffload: gso,
      isPersistent: persist,
      mtu,
      isUp: at.up ?? false,
      addresses: (at.addresses ?? []).map((text) => this.addressOf(name, text)),
      ...(at.netns === undefined ? {} : { netns: at.netns }),
      ...(at.address === undefined ? {} : { address: macOf(name, at.address) }),
    };
  }

  private addressOf(name: string, text: string): { address: Uint8Array; prefix: number } {
    const parsed = parsePrefix(text);
    if (parsed === undefined)
      return refuse(
        'EINVAL',
        `cannot give "${name}" the address "${text}": it is no address with prefix; write 192.0.2.1/24 or 2001:db8::1/64`,
      );
    return { address: parsed.address, prefix: parsed.length };
  }

  private async openPacket(link: Link, request: AddLink): Promise<string[]> {
    const { dev, netns } =
      request.packet ??
      refuse('EINVAL', `cannot add link "${link.name}": no device is named; write "type packet dev DEV"`);
    const opened: PacketDevice = openPacket(dev, netns);
    link.hasCarrier = opened.device.isUp && opened.device.hasCarrier;
    if (request.mtu === undefined) link.mtu = opened.device.mtu;
    link.device = {
      fds: Int32Array.of(opened.fd),
      queues: 1,
      hasOffload: opened.hasVnet,
      isPersistent: true,
      isAttached: true,
      dev,
      ...(netns === undefined ? {} : { netns }),
    };
    link.packet = { dev, ...(netns === undefined ? {} : { netns }) };
    await this.addNative(link, PortKind.PACKET, opened.hasVnet);
    return opened.warnings;
  }

  private async addNative(link: Link, kind: PortKind, hasVnet: boolean): Promise<void> {
    const device = link.device as PortDevice;
    try {
      await this.engine.transact([
        ['addNative', link.number, link.mtu, kind, [...device.fds], hasVnet, device.hasOffload],
        ['setCarrier', link.number, link.hasCarrier],
      ]);
    } catch (error) {
      for (const fd of device.fds) shim.close(fd);
      throw error;
    }
  }

  // --- delete -----------------------------------------------------------------------------------

  async remove(request: DeleteLink): Promise<void> {
    const link = this.get(request.name, 'delete');
    if (request.kind !== undefined && request.kind !== link.kind) {
      refuse(
        'EOPNOTSUPP',
        `cannot delete "${link.name}": it is of type ${link.kind}, not ${request.kind}; leave out the type`,
      );
    }
    const calls: Call[] = [];
    for (const port of [...link.ports]) this.release(port, calls);
    if (link.master !== undefined) this.release(link, calls);
    calls.push(['removeLink', link.number]);
    this.links.delete(link.name);
    this.locals.forget(link.number);
    await this.engine.transact(calls);
    this.numbers[link.number] = undefined;
    this.closeDevice(link);
  }

  /** A TAP that is not persistent goes with its last descriptor. */
  private closeDevice(link: Link): void {
    const { device } = link;
    if (device === undefined) return;
    if (link.kind === 'tap' && device.isPersistent) shim.tapCarrier(device.fds[0], false);
    for (const fd of device.fds) shim.close(fd);
    delete link.device;
  }

  /** The kernel device of a port is gone, or its namespace: give back what pins it. The link stays, without carrier. */
  async abandonDevice(link: Link): Promise<void> {
    if (link.device === undefined) return;
    link.hasCarrier = false;
    await this.engine.call('dropPort', link.number);
    this.closeDevice(link);
  }

  /** At the end of the daemon. The engine has stopped. */
  closeAll(): void {
    for (const link of this.links.values()) this.closeDevice(link);
  }

  // --- set --------------------------------------------------------------------------------------

  async set(request: SetLink): Promise<void> {
    const link = this.get(request.name, 'change');
    const change = this.checkSet(link, request);
    const calls: Call[] = [];
    if (change.address !== undefined) {
      link.address = change.address;
      link.isAddressSet = true;
    }
    if (request.rename !== undefined) this.rename(link, request.rename);
    if (request.mtu !== undefined) this.setMtu(link, request.mtu, calls);
    if (request.master === null) this.release(link, calls);
    else if (change.master !== undefined && change.master !== link.master) {
      this.release(link, calls);
      this.enslave(link, change.master, calls);
    }
    if (change.bridge !== undefined) {
      link.bridge = change.bridge;
      calls.push(...this.bridgeCalls(link));
    }
    if (change.port !== undefined) {
      link.port = change.port;
      calls.push(...this.portCalls(link));
    }
    if (request.up !== undefined) this.setUp(link, request.up, calls);
    if (link.master !== undefined) this.refreshBridge(link.master, calls);
    if (link.kind === 'bridge') this.refreshBridge(link, calls);
    await this.engine.transact(calls);
  }

  /** All that can be wrong with a change, before any of it is made. */
  private checkSet(
    link: Link,
    request: SetLink,
  ): { address?: Uint8Array; master?: Link; bridge?: BridgeSettings; port?: PortSettings } {
    const { name } = link;
    if (request.mtu !== undefined) checkMtu(name, link.kind, request.mtu);
    if (request.rename !== undefined) this.checkRename(link, request.rename);
    if (request.bridge !== undefined && link.kind !== 'bridge') {
      refuse(
        'EOPNOTSUPP',
        `cannot change "${name}": it is of type ${link.kind}, not a bridge; only bridges have these options`,
      );
    }
    const master = typeof request.master === 'string' ? this.bridgeFor(request.master, link.kind, name) : undefined;
    return {
      ...(request.address === undefined ? {} : { address: macOf(name, request.address) }),
      ...(master === undefined ? {} : { master }),
      ...(request.bridge === undefined || link.bridge === undefined
        ? {}
        : { bridge: this.bridgeSettings(name, link.bridge, request.bridge) }),
      ...(request.port === undefined ? {} : { port: this.portSettings(link, request.port) }),
    };
  }

  private checkRename(link: Link, name: string): void {
    checkName(name);
    if (name === link.name) return;
    if (this.links.has(name))
      refuse('EEXIST', `cannot rename "${link.name}" to "${name}": the name is taken; choose another`);
    if (link.isUp) refuse('EBUSY', `cannot rename "${link.name}": it is up; set it down first`);
  }

  private rename(link: Link, name: string): void {
    // Rebuilt, so that the order of links stays.
    const entries = [...this.links].map(([old, other]): [string, Link] => [other === link ? name : old, other]);
    link.name = name;
    this.links.clear();
    for (const [key, value] of entries) this.links.set(key, value);
  }

  private setMtu(link: Link, mtu: number, calls: Call[]): void {
    link.mtu = mtu;
    link.isMtuSet = true;
    calls.push(['setMtu', link.number, mtu]);
  }

  private setUp(link: Link, isUp: boolean, calls: Call[]): void {
    if (link.isUp === isUp) return;
    link.isUp = isUp;
    link.hasBeenUp ||= isUp;
    if (!isUp && link.port !== undefined) {
      link.port.state = PortState.FORWARDING;
      calls.push(...this.portCalls(link));
    }
    calls.push(['setUp', link.number, isUp]);
    if (link.device === undefined) return;
    if (link.kind === 'tap') shim.tapCarrier(link.device.fds[0], isUp);
    else if (link.kind === 'packet' && isUp) this.raisePacket(link, link.device, calls);
  }

  /** An AF_PACKET port works only while its device is up: bring it up, as a bridge does not, but its user expects. */
  private raisePacket(link: Link, device: PortDevice, calls: Call[]): void {
    link.hasCarrier = raiseDevice(device.dev, device.netns);
    calls.push(['setCarrier', link.number, link.hasCarrier]);
  }

  // --- bridges and their ports ------------------------------------------------------------------

  private bridgeFor(name: string, kind: Link['kind'], port: string): Link {
    const bridge = this.get(name, `add "${port}" to`);
    if (bridge.kind !== 'bridge')
      refuse(
        'EOPNOTSUPP',
        `cannot add "${port}" to "${name}": it is of type ${bridge.kind}, not a bridge; name a bridge`,
      );
    if (kind === 'bridge')
      refuse(
        'ELOOP',
        `cannot add "${port}" to "${name}": it is a bridge itself; make the other's ports its ports`,
        'Can not enslave a bridge to a bridge',
      );
    if (bridge.ports.length >= MAX_PORTS && !bridge.ports.some((other) => other.name === port)) {
      refuse(
        'EXFULL',
        `cannot add "${port}" to "${name}": it has ${MAX_PORTS} ports, the most a bridge can have; take another bridge`,
      );
    }
    return bridge;
  }

  private enslave(link: Link, bridge: Link, calls: Call[]): void {
    const used = new Set(bridge.ports.map((port) => port.port?.number));
    let number = 1;
    while (used.has(number)) number++;
    link.master = bridge;
    link.port = {
      options: PORT_DEFAULTS,
      state: PortState.FORWARDING,
      groupForwardMask: 0,
      fdbLimit: 0,
      storm: { broadcast: 0, multicast: 0, unknown: 0 },
      number,
    };
    bridge.ports.push(link);
    calls.push(['setMaster', link.number, bridge.number]);
    this.refreshBridge(bridge, calls);
  }

  private release(link: Link, calls: Call[]): void {
    const bridge = link.master;
    if (bridge === undefined) return;
    bridge.ports.splice(bridge.ports.indexOf(link), 1);
    delete link.master;
    delete link.port;
    calls.push(['setMaster', link.number, -1]);
    this.refreshBridge(bridge, calls);
  }

  /** The bridge's MAC is its ports' lowest, its MTU their least, until set by hand; its ports' MACs are its own. */
  private refreshBridge(bridge: Link, calls: Call[]): void {
    if (!bridge.isAddressSet) {
      const lowest = bridge.ports.map((port) => port.address).sort(Buffer.compare)[0];
      const hadPorts = bridge.bridge?.hadPorts === true;
      if (lowest !== undefined) bridge.address = lowest;
      else if (hadPorts) bridge.address = new Uint8Array(6);
      if (bridge.bridge !== undefined) bridge.bridge.hadPorts = hadPorts || lowest !== undefined;
    }
    if (!bridge.isMtuSet) {
      const mtu = Math.min(...bridge.ports.map((port) => port.mtu));
      bridge.mtu = Number.isFinite(mtu) ? mtu : DEFAULT_MTU;
      calls.push(['setMtu', bridge.number, bridge.mtu]);
    }
    this.locals.refresh(bridge, calls);
  }

  private bridgeSettings(name: string, current: BridgeSettings, options: BridgeOptions): BridgeSettings {
    const mask = options.group_fwd_mask ?? current.groupForwardMask;
    if ((mask & 7) !== 0 || mask < 0 || mask > 0xffff) {
      refuse(
        'EINVAL',
        `cannot set group_fwd_mask of "${name}": bits 0 to 2 (STP, PAUSE, LACP) cannot be forwarded; use "transparent on" to forward all`,
      );
    }
    const ageingCs = options.ageing_time ?? current.ageingCs;
    if (ageingCs < 0 || ageingCs > MAX_AGEING_CS)
      refuse('ERANGE', `cannot set ageing_time of "${name}": ${ageingCs} is out of range; use 0 to ${MAX_AGEING_CS}`);
    return {
      ...current,
      ageingCs,
      groupForwardMask: mask,
      isTransparent: options.transparent ?? current.isTransparent,
      learnLimit: options.fdb_max_learned ?? current.learnLimit,
    };
  }

  private bridgeCalls(link: Link): Call[] {
    const { ageingCs, groupForwardMask, isTransparent, learnLimit } = link.bridge ?? BRIDGE_DEFAULTS;
    return [['setBridge', link.number, ageingCs * 10, groupForwardMask, isTransparent, learnLimit]];
  }

  private portSettings(link: Link, options: BridgePortOptions): PortSettings {
    const current = link.port;
    if (current === undefined)
      return refuse('EOPNOTSUPP', `cannot change port "${link.name}": it is in no bridge; set its master first`);
    const mask = options.group_fwd_mask ?? current.groupForwardMask;
    if ((mask & 2) !== 0 || mask < 0 || mask > 0xffff)
      refuse(
        'EINVAL',
        `cannot set group_fwd_mask of "${link.name}": PAUSE frames (bit 1) cannot be forwarded; leave that bit out`,
      );
    if (options.state !== undefined) this.checkState(link, options.state);
    return {
      ...current,
      options: optionFlags(current.options, options),
      state: stateOf(options.state ?? current.state),
      groupForwardMask: mask,
      fdbLimit: options.fdb_limit ?? current.fdbLimit,
      storm: { ...current.storm, ...options.storm },
    };
  }

  private checkState(link: Link, state: number): void {
    if (state < PortState.DISABLED || state > PortState.BLOCKING)
      refuse('EINVAL', `cannot set state of "${link.name}": ${state} is none; use 0 to 4`);
    const isRunning = link.isUp && (link.hasCarrier || state === PortState.DISABLED);
    if (!isRunning)
      refuse('ENETDOWN', `cannot set state of "${link.name}": it is down or has no carrier; set it up first`);
  }

  private portCalls(link: Link): Call[] {
    const { number, port } = link;
    if (port === undefined) return [];
    return [
      ['setPort', number, port.options, port.state, port.fdbLimit, port.groupForwardMask],
      ['setStorm', number, 0, port.storm.broadcast],
      ['setStorm', number, 1, port.storm.multicast],
      ['setStorm', number, 2, port.storm.unknown],
    ];
  }
}

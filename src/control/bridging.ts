/*
 * Bridges and their ports: who may join, what follows from it, and their options.
 */
import { LinkFlag } from '../core/links.js';
import { PORT_DEFAULTS, PortState } from '../datapath.js';
import type { BridgeOptions, BridgePortOptions } from './api/bridge.js';
import type { Call } from './engine-thread.js';
import { BRIDGE_DEFAULTS, type BridgeSettings, type Link, type PortSettings } from './link.js';
import { refuse } from './link-checks.js';
import type { LinkStates } from './link-states.js';
import { Locals } from './locals.js';

const MAX_PORTS = 1024;
/** 2^30 ms in 1/100 s. */
const MAX_AGEING_CS = Math.floor(2 ** 30 / 10);
const DEFAULT_MTU = 1500;

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

/** Whether `link` is above `other`: a vlan on it, a bridge it is a port of, or above one of these. */
function isAbove(link: Link, other: Link): boolean {
  if (link === other) return true;
  if (link.vlan !== undefined) return isAbove(link.vlan.lower, other);
  return link.ports.some((port) => isAbove(port, other));
}

export class Bridging {
  private readonly locals = new Locals();

  constructor(private readonly states: LinkStates) {
    states.onPortChanged = (bridge, calls) => this.refresh(bridge, calls);
    states.portCalls = (port) => this.portCalls(port);
  }

  // --- joining and leaving ----------------------------------------------------------------------------

  /** The bridge of that name for a link that wants to be its port; `link` is absent while it is being made. */
  bridgeFor(bridge: Link, kind: Link['kind'], port: string, link?: Link): Link {
    const { name } = bridge;
    if (bridge.kind !== 'bridge')
      refuse(
        'EOPNOTSUPP',
        `cannot add "${port}" to "${name}": it is of type ${bridge.kind}, not a bridge; name a bridge`,
      );
    if (kind === 'lo') refuse('EINVAL', `cannot add "${port}" to "${name}": it is the loopback; take another link`);
    if (kind === 'bridge')
      refuse(
        'ELOOP',
        `cannot add "${port}" to "${name}": it is a bridge itself; make the other's ports its ports`,
        'Can not enslave a bridge to a bridge',
      );
    if (link !== undefined && isAbove(link, bridge))
      refuse('EBUSY', `cannot add "${port}" to "${name}": it lies on that bridge itself; take another link`);
    if (bridge.ports.length >= MAX_PORTS && (link === undefined || link.master !== bridge)) {
      refuse(
        'EXFULL',
        `cannot add "${port}" to "${name}": it has ${MAX_PORTS} ports, the most a bridge can have; take another bridge`,
      );
    }
    return bridge;
  }

  enslave(link: Link, bridge: Link, calls: Call[]): void {
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
    this.states.tell(link, { master: true }, calls);
    this.refresh(bridge, calls);
    this.states.refresh(bridge, calls);
  }

  release(link: Link, calls: Call[]): void {
    const bridge = link.master;
    if (bridge === undefined) return;
    bridge.ports.splice(bridge.ports.indexOf(link), 1);
    delete link.master;
    delete link.port;
    calls.push(['setMaster', link.number, -1]);
    this.states.tell(link, { master: true }, calls);
    this.refresh(bridge, calls);
    this.states.refresh(bridge, calls);
  }

  /** The bridge's MAC is its ports' lowest, its MTU their least, until set by hand; its ports' MACs are its own. */
  refresh(bridge: Link, calls: Call[]): void {
    const settings = bridge.bridge;
    if (settings === undefined) return;
    const hadPorts = settings.hadPorts;
    settings.hadPorts ||= bridge.ports.length > 0;
    if (!bridge.isAddressSet) {
      const lowest = bridge.ports.map((port) => port.address).sort(Buffer.compare)[0];
      const address = lowest ?? (hadPorts ? new Uint8Array(6) : bridge.address);
      if (Buffer.compare(address, bridge.address) !== 0) this.states.setAddress(bridge, address, calls);
    }
    if (!bridge.isMtuSet) {
      const least = Math.min(...bridge.ports.map((port) => port.mtu));
      const mtu = Number.isFinite(least) ? least : DEFAULT_MTU;
      if (mtu !== bridge.mtu) this.states.setMtu(bridge, mtu, calls);
    }
    this.locals.refresh(bridge, calls);
  }

  forget(bridge: Link): void {
    this.locals.forget(bridge.number);
  }

  // --- options ----------------------------------------------------------------------------------------

  settings(name: string, current: BridgeSettings, options: BridgeOptions): BridgeSettings {
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

  calls(link: Link): Call[] {
    const { ageingCs, groupForwardMask, isTransparent, learnLimit } = link.bridge ?? BRIDGE_DEFAULTS;
    return [['setBridge', link.number, ageingCs * 10, groupForwardMask, isTransparent, learnLimit]];
  }

  portSettings(link: Link, options: BridgePortOptions): PortSettings {
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

  portCalls(link: Link): Call[] {
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

/*
 * A link as the control plane knows it, and as iproute2 shows it.
 */

import { DROP_REASONS, DropReason } from '../core/drop.js';
import { Counter, LinkFlag } from '../core/links.js';
import { PortState } from '../datapath.js';
import { formatMacAt } from '../wire/format.js';
import type { AddLink, LinkData, LinkInfo, Stats64 } from './api.js';
import type { SharedCounters } from './engine-thread.js';

export type LinkKind = 'tap' | 'packet' | 'bridge' | 'pcap' | 'memory';

/** Attributes of a bridge (api.BridgeOptions), all of them. */
export interface BridgeSettings {
  ageingCs: number;
  groupForwardMask: number;
  isTransparent: boolean;
  learnLimit: number;
  /** It has had ports: without any left its MAC is then zero. */
  hadPorts: boolean;
}

/** Attributes of a bridge port (api.BridgePortOptions), all of them. */
export interface PortSettings {
  /** LinkFlag bits of the port options. */
  options: number;
  state: PortState;
  /** As the bridge's mask, for this port. */
  groupForwardMask: number;
  /** Stations it may have learned; 0 = no limit. */
  fdbLimit: number;
  storm: { broadcast: number; multicast: number; unknown: number };
  /** Number within the bridge, from 1. */
  number: number;
}

/** Descriptors and facts of a port's kernel device. */
export interface PortDevice {
  fds: Int32Array;
  queues: number;
  hasOffload: boolean;
  isPersistent: boolean;
  /** It was there before us and stays. */
  isAttached: boolean;
  /** Kernel device and namespace, as given. */
  dev: string;
  netns?: string;
}

export interface Link {
  /** Number in the dataplane. */
  number: number;
  ifindex: number;
  name: string;
  kind: LinkKind;
  /** Six bytes. */
  address: Uint8Array;
  isAddressSet: boolean;
  mtu: number;
  isMtuSet: boolean;
  isUp: boolean;
  hasBeenUp: boolean;
  hasCarrier: boolean;
  master?: Link;
  /** Of a bridge: its ports in order of joining. */
  ports: Link[];
  bridge?: BridgeSettings;
  port?: PortSettings;
  device?: PortDevice;
  /** What was asked for, as a configuration says it. */
  tap?: NonNullable<AddLink['tap']>;
  packet?: NonNullable<AddLink['packet']>;
  pcap?: { read?: string; write?: string };
}

export const BRIDGE_DEFAULTS: BridgeSettings = {
  ageingCs: 30_000,
  groupForwardMask: 0,
  isTransparent: false,
  learnLimit: 0,
  hadPorts: false,
};

const STATE_NAMES = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'];

export function macText(address: Uint8Array): string {
  return formatMacAt(address, 0);
}

/** The MAC of two words of the FDB. */
export function macOfWords(high: number, low: number): Uint8Array {
  return Uint8Array.of(high, high >>> 8, low, low >>> 8, low >>> 16, low >>> 24);
}

/** MAC bytes 0..1 and 2..5, little-endian, as the FDB has them. */
export function macHigh(address: Uint8Array): number {
  return address[0] | (address[1] << 8);
}

export function macLow(address: Uint8Array): number {
  return address[2] | (address[3] << 8) | (address[4] << 16) | (address[5] << 24);
}

/** Whether the bridge's interface has a port that forwards: then it has a carrier. */
function carrierOf(link: Link): boolean {
  if (link.kind !== 'bridge') return link.hasCarrier;
  return link.ports.some((port) => portState(port) === PortState.FORWARDING);
}

/** The state that the datapath has given a bridge port. */
function portState(link: Link): PortState {
  if (!link.isUp || !link.hasCarrier || link.master?.isUp !== true || link.port === undefined)
    return PortState.DISABLED;
  return link.port.state;
}

function flagsOf(link: Link, hasCarrier: boolean): string[] {
  const flags = link.isUp && !hasCarrier ? ['NO-CARRIER'] : [];
  flags.push('BROADCAST', 'MULTICAST');
  if (link.isUp) flags.push('UP');
  if (link.isUp && hasCarrier) flags.push('LOWER_UP');
  return flags;
}

function bridgeId(link: Link): string {
  const address = link.ports.length === 0 && !link.isAddressSet ? new Uint8Array(6) : link.address;
  return `8000.${shortMac(address)}`;
}

/** Bridge identifiers print their bytes without leading zeros. */
function shortMac(address: Uint8Array): string {
  return [...address].map((byte) => byte.toString(16)).join(':');
}

function bridgeData(link: Link): LinkData {
  const settings = link.bridge ?? BRIDGE_DEFAULTS;
  return {
    forward_delay: 1500,
    hello_time: 200,
    max_age: 2000,
    ageing_time: settings.ageingCs,
    stp_state: 0,
    priority: 32768,
    vlan_filtering: 0,
    bridge_id: bridgeId(link),
    root_id: bridgeId(link),
    root_port: 0,
    root_path_cost: 0,
    topology_change: 0,
    topology_change_detected: 0,
    hello_timer: 0,
    tcn_timer: 0,
    topology_change_timer: 0,
    gc_timer: 0,
    group_fwd_mask: settings.groupForwardMask.toString(16),
    group_addr: '01:80:c2:00:00:00',
    mcast_snooping: 0,
    no_linklocal_learn: 0,
    mcast_vlan_snooping: 0,
    mcast_router: 1,
    mcast_query_use_ifaddr: 0,
    mcast_querier: 0,
    mcast_hash_elasticity: 16,
    mcast_hash_max: 4096,
    mcast_last_member_cnt: 2,
    mcast_startup_query_cnt: 2,
    mcast_last_member_intvl: 100,
    mcast_membership_intvl: 26000,
    mcast_querier_intvl: 25500,
    mcast_query_intvl: 12500,
    mcast_query_response_intvl: 1000,
    mcast_startup_query_intvl: 3124,
    mcast_stats_enabled: 0,
    mcast_igmp_version: 2,
    mcast_mld_version: 1,
    nf_call_iptables: 0,
    nf_call_ip6tables: 0,
    nf_call_arptables: 0,
    ...(settings.isTransparent ? { transparent: true } : {}),
    ...(settings.learnLimit > 0 ? { fdb_max_learned: settings.learnLimit } : {}),
  };
}

function portData(link: Link, master: Link, port: PortSettings): LinkData {
  const has = (flag: LinkFlag): boolean => (port.options & flag) !== 0;
  const id = (32 << 10) | port.number;
  return {
    state: STATE_NAMES[portState(link)],
    priority: 32,
    cost: 2,
    hairpin: has(LinkFlag.HAIRPIN),
    guard: false,
    root_block: false,
    fastleave: false,
    learning: has(LinkFlag.LEARNING),
    flood: has(LinkFlag.FLOOD),
    id: `0x${id.toString(16)}`,
    no: `0x${port.number.toString(16)}`,
    designated_port: id,
    designated_cost: 0,
    bridge_id: bridgeId(master),
    root_id: bridgeId(master),
    hold_timer: 0,
    message_age_timer: 0,
    forward_delay_timer: 0,
    topology_change_ack: 0,
    config_pending: 0,
    proxy_arp: false,
    proxy_arp_wifi: false,
    multicast_router: 1,
    mcast_flood: has(LinkFlag.MCAST_FLOOD),
    bcast_flood: has(LinkFlag.BCAST_FLOOD),
    mcast_to_unicast: false,
    neigh_suppress: false,
    group_fwd_mask: port.groupForwardMask.toString(16),
    group_fwd_mask_str: `0x${port.groupForwardMask.toString(16)}`,
    vlan_tunnel: false,
    isolated: has(LinkFlag.ISOLATED),
    locked: has(LinkFlag.LOCKED),
    ...(port.fdbLimit > 0 ? { fdb_limit: port.fdbLimit } : {}),
    ...(port.storm.broadcast > 0 ? { storm_broadcast: port.storm.broadcast } : {}),
    ...(port.storm.multicast > 0 ? { storm_multicast: port.storm.multicast } : {}),
    ...(port.storm.unknown > 0 ? { storm_unknown: port.storm.unknown } : {}),
  };
}

function kindData(link: Link): { info_kind: string; info_data?: LinkData } {
  switch (link.kind) {
    case 'bridge':
      return { info_kind: 'bridge', info_data: bridgeData(link) };
    case 'tap':
      return {
        info_kind: 'tun',
        info_data: {
          type: 'tap',
          pi: false,
          vnet_hdr: true,
          multi_queue: (link.device?.queues ?? 1) > 1,
          ...((link.device?.queues ?? 1) > 1 ? { numqueues: link.device?.queues ?? 1, numdisabled: 0 } : {}),
          persist: link.device?.isPersistent ?? false,
        },
      };
    case 'packet':
      return { info_kind: 'packet', info_data: { dev: link.device?.dev ?? '', netns: link.device?.netns ?? '' } };
    case 'pcap':
      return { info_kind: 'pcap', info_data: { read: link.pcap?.read ?? '', write: link.pcap?.write ?? '' } };
    case 'memory':
      return { info_kind: 'memory' };
  }
}

/** Sum of a link's drops on the way in, or out. */
export function dropsOf(shared: SharedCounters, number: number, isOut: boolean): number {
  let sum = 0;
  for (const reason of DROP_REASONS) {
    if (reason >= DropReason.FIRST_TX === isOut) sum += shared.drops[number * DropReason.COUNT + reason];
  }
  return sum;
}

/**
 * A bridge's own counters are those of its local stack. A superframe is one packet, as on any offloading device.
 */
function statsOf(link: Link, shared: SharedCounters): Stats64 {
  const counter = (c: Counter): number => shared.counters[(link.number << Counter.SHIFT) + c];
  const isBridge = link.kind === 'bridge';
  return {
    rx: {
      bytes: counter(isBridge ? Counter.DELIVERED_BYTES : Counter.RX_BYTES),
      packets: counter(isBridge ? Counter.DELIVERED : Counter.RX_PACKETS),
      errors: counter(Counter.RX_ERRORS),
      dropped: dropsOf(shared, link.number, false),
      over_errors: 0,
      multicast: counter(Counter.RX_MULTICAST),
      length_errors: 0,
      crc_errors: 0,
      frame_errors: 0,
      fifo_errors: 0,
      missed_errors: 0,
    },
    tx: {
      bytes: counter(Counter.TX_BYTES),
      packets: counter(Counter.TX_PACKETS),
      errors: 0,
      dropped: dropsOf(shared, link.number, true),
      carrier_errors: 0,
      collisions: 0,
      aborted_errors: 0,
      fifo_errors: 0,
      window_errors: 0,
      heartbeat_errors: 0,
      carrier_changes: counter(Counter.CARRIER_CHANGES),
    },
  };
}

const MAX_MTU: Record<LinkKind, number> = { tap: 65521, packet: 65535, bridge: 65535, pcap: 65535, memory: 65535 };
export const MIN_MTU = 68;

export function maxMtu(kind: LinkKind): number {
  return MAX_MTU[kind];
}

/** The link as `ip -j -d -s -s link show` has it. */
export function linkInfo(link: Link, shared: SharedCounters): LinkInfo {
  const hasCarrier = carrierOf(link);
  const { master, port } = link;
  const queues = link.device?.queues ?? 1;
  return {
    ifindex: link.ifindex,
    ifname: link.name,
    flags: flagsOf(link, hasCarrier),
    mtu: link.mtu,
    qdisc: link.hasBeenUp ? 'noqueue' : 'noop',
    ...(master === undefined ? {} : { master: master.name }),
    operstate: link.isUp && hasCarrier ? 'UP' : 'DOWN',
    linkmode: 'DEFAULT',
    group: 'default',
    txqlen: 1000,
    link_type: 'ether',
    address: macText(link.address),
    broadcast: 'ff:ff:ff:ff:ff:ff',
    promiscuity: master === undefined ? 0 : 1,
    allmulti: master === undefined ? 0 : 1,
    min_mtu: MIN_MTU,
    max_mtu: maxMtu(link.kind),
    linkinfo: {
      ...kindData(link),
      ...(master === undefined || port === undefined
        ? {}
        : { info_slave_kind: 'bridge', info_slave_data: portData(link, master, port) }),
    },
    inet6_addr_gen_mode: 'eui64',
    num_tx_queues: queues,
    num_rx_queues: queues,
    gso_max_size: 65536,
    gso_max_segs: 65535,
    tso_max_size: 65536,
    tso_max_segs: 65535,
    gro_max_size: 65536,
    stats64: statsOf(link, shared),
  };
}

/*
 * A link as iproute2 shows it.
 */
import { cpus } from 'node:os';
import { DROP_REASONS, DropReason } from '../core/drop.js';
import { Counter, LinkFlag } from '../core/links.js';
import type { LinkData, LinkInfo, PortData, Stats64 } from './api/link.js';
import type { SharedCounters } from './engine-thread.js';
import { BRIDGE_DEFAULTS, type Link, macText, type PortSettings } from './link.js';
import { maxMtu, minMtu } from './link-checks.js';
import { portState } from './link-states.js';
import { ADDR_GEN_MODE } from './sysctl-tables.js';

/** Of links inside, as the kernel's (GSO_MAX_SIZE); of the others, TSO_LEGACY_MAX_SIZE. */
const TSO_MAX_INSIDE = 524_280;
const TSO_MAX = 65_536;
/** A veth of the kernel's has a queue for each processor; scripts that compare find the same here. */
const VETH_QUEUES = cpus().length;

/** What the kernel shows as its link: a veth's other end, what a vlan lies on. */
function lowerOf(link: Link): Link | undefined {
  return link.peer ?? link.vlan?.lower;
}

/** A vlan has the flags of what it lies on. */
function ownFlags(link: Link): string[] {
  if (link.kind === 'lo') return ['LOOPBACK'];
  if (link.kind === 'dummy') return ['BROADCAST', 'NOARP'];
  return link.vlan === undefined ? ['BROADCAST', 'MULTICAST'] : ownFlags(link.vlan.lower);
}

/** M-DOWN is iproute2's own: the other link is here, and not up. */
function flagsOf(link: Link): string[] {
  const flags = link.isUp && !link.hasCarrier ? ['NO-CARRIER'] : [];
  flags.push(...ownFlags(link));
  if (link.isUp) flags.push('UP');
  if (link.isUp && link.hasCarrier) flags.push('LOWER_UP');
  const lower = lowerOf(link);
  if (lower !== undefined && lower.namespace === link.namespace && !lower.isUp) flags.push('M-DOWN');
  return flags;
}

/**
 * Links whose carrier never changes have no known state. Without a carrier, what stands at the other link's index *in
 * this namespace* decides (default_operstate): for a link across namespaces that is another, or none.
 */
function operstateOf(link: Link): string {
  if (!link.isUp) return 'DOWN';
  if (link.hasCarrier) {
    const isUnknown =
      link.kind === 'lo' || link.kind === 'dummy' || (link.bridge !== undefined && !link.bridge.hadPorts);
    return isUnknown ? 'UNKNOWN' : 'UP';
  }
  const index = lowerOf(link)?.ifindex ?? link.ifindex;
  const other = index === link.ifindex ? undefined : link.namespace.linkOf(index);
  return other === undefined || other.hasCarrier ? 'DOWN' : 'LOWERLAYERDOWN';
}

/** The other link: by name where it is here, else by its index, its namespace's id and, for text, that one's name. */
function lowerInfo(link: Link): Pick<LinkInfo, 'link' | 'link_index' | 'link_netnsid' | 'link_netns'> {
  const lower = lowerOf(link);
  if (lower === undefined) return {};
  if (lower.namespace === link.namespace) return { link: lower.name };
  return {
    link_index: lower.ifindex,
    link_netnsid: link.namespace.idOf(lower.namespace),
    link_netns: lower.namespace.name,
  };
}

/** As a bridge port, and for vlans above that are ports and up. */
function promiscuityOf(link: Link): number {
  const above = link.uppers.filter((upper) => upper.isUp && promiscuityOf(upper) > 0);
  return (link.master === undefined ? 0 : 1) + above.length;
}

const STATE_NAMES = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'];

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

function portData(link: Link, master: Link, port: PortSettings): PortData {
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
    case 'vlan':
      return {
        info_kind: 'vlan',
        info_data: { protocol: link.vlan?.protocol ?? '', id: link.vlan?.id ?? 0, flags: ['REORDER_HDR'] },
      };
    default:
      return { info_kind: link.kind };
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

/** A superframe is one packet, as on any offloading device. */
function statsOf(link: Link, shared: SharedCounters): Stats64 {
  const counter = (c: Counter): number => shared.counters[(link.number << Counter.SHIFT) + c];
  return {
    rx: {
      bytes: counter(Counter.RX_BYTES),
      packets: counter(Counter.RX_PACKETS),
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

function linkinfoOf(link: Link): Pick<LinkInfo, 'linkinfo'> {
  const { master, port } = link;
  if (link.kind === 'lo') return {};
  return {
    linkinfo: {
      ...kindData(link),
      ...(master === undefined || port === undefined
        ? {}
        : { info_slave_kind: 'bridge', info_slave_data: portData(link, master, port) }),
    },
  };
}

function queuesOf(link: Link): number {
  return link.kind === 'veth' ? VETH_QUEUES : (link.device?.queues ?? 1);
}

function tsoMaxOf(link: Link): number {
  if (link.vlan !== undefined) return tsoMaxOf(link.vlan.lower);
  return link.kind === 'lo' || link.kind === 'veth' ? TSO_MAX_INSIDE : TSO_MAX;
}

/** The link as `ip -j -d -s -s link show` has it. */
export function linkInfo(link: Link, shared: SharedCounters): LinkInfo {
  const { master } = link;
  const { link: lower, link_index, ...across } = lowerInfo(link);
  const queues = queuesOf(link);
  const promiscuity = promiscuityOf(link);
  return {
    ifindex: link.ifindex,
    ...(lower === undefined ? {} : { link: lower }),
    ...(link_index === undefined ? {} : { link_index }),
    ifname: link.name,
    flags: flagsOf(link),
    mtu: link.mtu,
    qdisc: link.hasBeenUp ? 'noqueue' : 'noop',
    ...(master === undefined ? {} : { master: master.name }),
    operstate: operstateOf(link),
    linkmode: 'DEFAULT',
    group: 'default',
    txqlen: 1000,
    link_type: link.kind === 'lo' ? 'loopback' : 'ether',
    address: macText(link.address),
    broadcast: link.kind === 'lo' ? '00:00:00:00:00:00' : 'ff:ff:ff:ff:ff:ff',
    ...across,
    promiscuity,
    allmulti: promiscuity,
    min_mtu: minMtu(link.kind),
    max_mtu: maxMtu(link.kind),
    ...linkinfoOf(link),
    inet6_addr_gen_mode: link.settings.words6[ADDR_GEN_MODE] === 1 ? 'none' : 'eui64',
    num_tx_queues: queues,
    num_rx_queues: queues,
    gso_max_size: 65536,
    gso_max_segs: 65535,
    tso_max_size: tsoMaxOf(link),
    tso_max_segs: 65535,
    gro_max_size: 65536,
    stats64: statsOf(link, shared),
  };
}

/* Links, as ip-link and `bridge link` make, change and show them. */
import type { BridgeOptions, BridgePortOptions } from './bridge.js';

/** Counters, as `ip -j -s -s link` names them. */
export interface Stats64 {
  rx: {
    bytes: number;
    packets: number;
    errors: number;
    dropped: number;
    over_errors: number;
    multicast: number;
    length_errors: number;
    crc_errors: number;
    frame_errors: number;
    fifo_errors: number;
    missed_errors: number;
  };
  tx: {
    bytes: number;
    packets: number;
    errors: number;
    dropped: number;
    carrier_errors: number;
    collisions: number;
    aborted_errors: number;
    fifo_errors: number;
    window_errors: number;
    heartbeat_errors: number;
    carrier_changes: number;
  };
}

/** info_kind → info_data. Key order is the order in which iproute2 prints. */
export type LinkData = Record<string, number | string | boolean | string[]>;

/** The same of a bridge port: info_slave_data. */
export type PortData = Record<string, number | string | boolean>;

/** A link, in the key order of `ip -j -d -s -s link show`. */
export interface LinkInfo {
  ifindex: number;
  /** The other end or the lower link: `veth0@veth1`. */
  link?: string;
  /** Its index instead, where it is in another namespace: `veth0@if3`. */
  link_index?: number;
  ifname: string;
  flags: string[];
  mtu: number;
  qdisc: string;
  master?: string;
  operstate: string;
  linkmode: string;
  group: string;
  txqlen: number;
  link_type: string;
  address: string;
  broadcast: string;
  /** The namespace of the other link, as this one numbers it; for text also its name. */
  link_netnsid?: number;
  link_netns?: string;
  promiscuity: number;
  allmulti: number;
  min_mtu: number;
  max_mtu: number;
  linkinfo?: {
    info_kind: string;
    info_data?: LinkData;
    info_slave_kind?: string;
    info_slave_data?: PortData;
  };
  inet6_addr_gen_mode: string;
  num_tx_queues: number;
  num_rx_queues: number;
  gso_max_size: number;
  gso_max_segs: number;
  tso_max_size: number;
  tso_max_segs: number;
  gro_max_size: number;
  stats64: Stats64;
}

/** The kernel's end of a TAP: the words after `peer`. */
export interface TapPeer {
  name?: string;
  /** A path if it has a slash, else a name under /run/netns, else a pid. */
  netns?: string;
  address?: string;
  mtu?: number;
  /** CIDR, IPv4 or IPv6. */
  addresses?: string[];
  up?: boolean;
}

/** The other end of a veth pair: the words after `peer`. */
export interface VethPeer {
  name?: string;
  /** A namespace of Sluice. */
  netns?: string;
  address?: string;
  mtu?: number;
  up?: boolean;
}

export interface VlanOptions {
  id: number;
  protocol?: '802.1Q' | '802.1ad';
}

export interface AddLink {
  op: 'link.add';
  /** Without one the kind's first free one is taken, as the kernel does: veth0, dummy0 … */
  name?: string;
  kind: 'tap' | 'packet' | 'bridge' | 'pcap' | 'memory' | 'veth' | 'dummy' | 'vlan';
  /** The lower link of a `vlan`. */
  link?: string;
  /** The namespace of Sluice that it is made in, if not that of the request. */
  netns?: string;
  veth?: { peer?: VethPeer };
  vlan?: VlanOptions;
  addr_gen_mode?: AddrGenMode;
  address?: string;
  mtu?: number;
  up?: boolean;
  master?: string;
  tap?: { queues?: number; gso?: boolean; persist?: boolean; peer?: TapPeer };
  packet?: { dev: string; netns?: string };
  pcap?: { read?: string; write?: string };
  bridge?: BridgeOptions;
}

/** How IPv6 link-local addresses come to be, `ip link set … addrgenmode`. */
export type AddrGenMode = 'eui64' | 'none';

export interface SetLink {
  op: 'link.set';
  name: string;
  /** Moves the link to another namespace of Sluice. */
  netns?: string;
  addr_gen_mode?: AddrGenMode;
  up?: boolean;
  mtu?: number;
  address?: string;
  /** null: nomaster. */
  master?: string | null;
  rename?: string;
  bridge?: BridgeOptions;
  port?: BridgePortOptions;
}

export interface DeleteLink {
  op: 'link.del';
  name: string;
  /** Only if it is of this kind (`ip link del NAME type KIND`, `brctl delbr`). */
  kind?: string;
}

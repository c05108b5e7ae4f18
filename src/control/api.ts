/*
 * What a client and the daemon say to each other over the control socket.
 *
 * One JSON object a line, both ways. A request is { id, op, …arguments }; its answer carries the
 * same id and either `result` or `error`. Requests of one connection are carried out in order; a
 * client may send many before it reads (a batch). `capture` answers with many results, the last one
 * with `end: true`.
 *
 * What a link or a station looks like is iproute2's own JSON, complete (-d -s): the tools print it
 * as it is, or turn the same object into text. So there is one representation, and it is the one
 * that users' scripts know.
 */

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
export type LinkData = Record<string, number | string | boolean>;

/** A link, in the key order of `ip -j -d -s -s link show`. */
export interface LinkInfo {
  ifindex: number;
  /** The other end or the lower link: `veth0@veth1`. */
  link?: string;
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
  promiscuity: number;
  allmulti: number;
  min_mtu: number;
  max_mtu: number;
  linkinfo?: {
    info_kind: string;
    info_data?: LinkData;
    info_slave_kind?: string;
    info_slave_data?: LinkData;
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

/** A station, in the key order of `bridge -j -d -s fdb show`. `used` and `updated` are seconds. */
export interface FdbInfo {
  mac: string;
  ifname: string;
  vlan?: number;
  used?: number;
  updated?: number;
  flags: string[];
  master?: string;
  state: '' | 'permanent' | 'static';
  /** Since the station was last heard, 1/100 s: what brctl shows; absent (0) for entries that do not age. */
  age_cs?: number;
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

/** Storm control of a bridge port, packets per second; 0 = no limit. */
export interface StormLimits {
  broadcast?: number;
  multicast?: number;
  unknown?: number;
}

/** Attributes of a bridge, `ip link set br0 type bridge …`; times in iproute2's units (1/100 s). */
export interface BridgeOptions {
  ageing_time?: number;
  group_fwd_mask?: number;
  /** Ours: forward every 01:80:C2:00:00:0X, as a wire would. */
  transparent?: boolean;
  /** 0 = no limit; learned stations of this bridge (`fdb_max_learned`, newer iproute2). */
  fdb_max_learned?: number;
}

/** Attributes of a bridge port, `bridge link set dev t1 …` = `ip link set t1 type bridge_slave …`. */
export interface BridgePortOptions {
  learning?: boolean;
  flood?: boolean;
  bcast_flood?: boolean;
  mcast_flood?: boolean;
  isolated?: boolean;
  hairpin?: boolean;
  locked?: boolean;
  group_fwd_mask?: number;
  /** 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking (STP off: set by hand). */
  state?: number;
  /** Ours: stations that this port may have learned at a time; 0 = no limit. */
  fdb_limit?: number;
  /** Ours. */
  storm?: StormLimits;
}

export interface AddLink {
  op: 'link.add';
  name: string;
  kind: 'tap' | 'packet' | 'bridge' | 'pcap' | 'memory';
  address?: string;
  mtu?: number;
  up?: boolean;
  master?: string;
  tap?: { queues?: number; gso?: boolean; persist?: boolean; peer?: TapPeer };
  packet?: { dev: string; netns?: string };
  pcap?: { read?: string; write?: string };
  bridge?: BridgeOptions;
}

export interface SetLink {
  op: 'link.set';
  name: string;
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

export interface FdbEntry {
  mac: string;
  /** The port (with `master`), or the bridge itself (with `self`). */
  dev: string;
  vlan?: number;
  /** permanent: belongs to the host (default of `bridge fdb add`); static: never ages; dynamic: ages. */
  state?: 'permanent' | 'static' | 'dynamic';
  sticky?: boolean;
  self?: boolean;
  master?: boolean;
}

export interface ChangeFdb extends FdbEntry {
  op: 'fdb.add' | 'fdb.append' | 'fdb.replace' | 'fdb.del';
}

/** `bridge fdb flush dev DEV …`: which entries go. */
export interface FlushFdb {
  op: 'fdb.flush';
  dev: string;
  brport?: string;
  vlan?: number;
  /** true: only these; false: all but these (`nopermanent`). */
  permanent?: boolean;
  static?: boolean;
  dynamic?: boolean;
  /** `dev` is a port: its entries go. Without it `dev` must be a bridge (EOPNOTSUPP otherwise). */
  master?: boolean;
}

export interface ListFdb {
  op: 'fdb.list';
  bridge?: string;
  port?: string;
}

export interface StatusInfo {
  received: number;
  generated: number;
  cloned: number;
  transmitted: number;
  delivered: number;
  merged: number;
  held: number;
  drops: Record<string, number>;
  links: Record<string, { received: number; transmitted: number; drops: Record<string, number> }>;
  /** Whole sentences for `doctor`: packet ports whose device has an address or IPv6 enabled. */
  warnings?: string[];
}

/** `ethtool -i`, `-k` and `-S` of a link. */
export interface EthtoolInfo {
  driver: { driver: string; version: string; 'bus-info': string };
  /** Feature name → on, fixed; in ethtool's order. */
  features: Array<{ name: string; on: boolean; fixed: boolean }>;
  /** Counter name → value; drops as `rx_drop_<reason>` and `tx_drop_<reason>`. */
  statistics: Array<{ name: string; value: number }>;
}

/** What a change answers: it is done, and perhaps the user should know something (printed on stderr). */
export interface Done {
  warnings?: string[];
}

/** `config.show`: the configuration as YAML. */
export interface ConfigInfo {
  text: string;
}

/** A captured frame: one result of `capture`. */
export interface CaptureInfo {
  /** Since the epoch. */
  ts_us: number;
  direction: 'in' | 'out';
  /** Of the whole frame; `data` may hold fewer bytes (snaplen). */
  length: number;
  /** base64. */
  data: string;
}

/** What travels beside a request's own arguments. */
export interface Envelope {
  id: number;
  /**
   * One of a batch that ends with its first failure: once a chained request of this connection has
   * failed, later chained ones are not carried out and answer with errno ECANCELED.
   */
  chain?: boolean;
}

export type Request =
  | AddLink
  | SetLink
  | DeleteLink
  | { op: 'link.list'; name?: string }
  | ChangeFdb
  | FlushFdb
  | ListFdb
  | { op: 'ethtool'; name: string }
  | { op: 'status' }
  | { op: 'down' }
  | { op: 'config.show' }
  | { op: 'config.apply'; text: string; file: string; folder?: string; check?: boolean }
  | { op: 'capture'; name: string; filter: string; snaplen: number };

/** What a refused request answers. */
export interface ApiError {
  /** The kernel's name for it: EEXIST, ENODEV, EBUSY … ; clients of real tools print strerror of it. */
  errno: string;
  /** The kernel's extended ack, where the kernel would send one. */
  extack?: string;
  /** cannot VERB OBJECT: CAUSE; HINT */
  message: string;
}

export type Answer<T = unknown> = { id: number; result: T; end?: boolean } | { id: number; error: ApiError };

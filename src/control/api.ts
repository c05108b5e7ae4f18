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

/* --- namespaces -------------------------------------------------------------------------------- */

export interface NetnsInfo {
  name: string;
  /** Number that links of other namespaces show as link_netnsid; absent where none has been given. */
  id?: number;
}

/* --- addresses --------------------------------------------------------------------------------- */

/** Scope of an address or route (rtnetlink.h): 0 global, 200 site, 253 link, 254 host, 255 nowhere. */
export type Scope = number;

/** An address, in the key order of `ip -j -d addr show`, flags as iproute2 spells them. Lifetimes in s, 4294967295: for ever. */
export interface AddressInfo {
  family: 'inet' | 'inet6';
  local: string;
  /** The other end, where it differs from `local`. */
  address?: string;
  prefixlen: number;
  metric?: number;
  broadcast?: string;
  scope: Scope;
  dynamic?: boolean;
  secondary?: boolean;
  tentative?: boolean;
  deprecated?: boolean;
  dadfailed?: boolean;
  temporary?: boolean;
  nodad?: boolean;
  noprefixroute?: boolean;
  mngtmpaddr?: boolean;
  home?: boolean;
  label?: string;
  protocol?: number;
  valid_life_time: number;
  preferred_life_time: number;
}

/** `ip addr show`: a link and its addresses. */
export interface LinkAddresses {
  link: LinkInfo;
  addresses: AddressInfo[];
}

export interface ChangeAddress {
  op: 'addr.add' | 'addr.change' | 'addr.replace' | 'addr.del';
  dev: string;
  /** ADDRESS[/LENGTH]; without a length 32 or 128, but for `addr.del`: an IPv4 address of any length. */
  local: string;
  /** ADDRESS[/LENGTH] of the other end of a point-to-point link. */
  peer?: string;
  /** An address, or '+' and '-': all host bits set, or cleared. */
  broadcast?: string;
  label?: string;
  scope?: Scope;
  metric?: number;
  valid_lft?: number;
  preferred_lft?: number;
  nodad?: boolean;
  noprefixroute?: boolean;
  home?: boolean;
}

/* --- routes ------------------------------------------------------------------------------------ */

/** Address family as routes and rules need it. */
export type Family = 4 | 6;

/** RTN_*: what a route does. */
export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw';

/** RTAX_* that have an effect here. `lock` names those that learned values must not change. */
export interface RouteMetrics {
  mtu?: number;
  hoplimit?: number;
  lock?: Array<'mtu' | 'hoplimit'>;
}

/** Where a route leads; `weight` 1 … 256 counts in multipath routes only. */
export interface NextHop {
  /** Next router; of the route's family, or IPv6 for an IPv4 route (`via inet6`). Absent: on the link. */
  gateway?: string;
  dev?: string;
  weight?: number;
  onlink?: boolean;
}

/** A route as a command names it. What is absent is the kernel's default (add) or not compared (del). */
export interface RouteChange {
  family: Family;
  /** ADDRESS/LENGTH, in full. */
  dst: string;
  type?: RouteType;
  /** RT_TABLE: 255 local, 254 main, 253 default. */
  table?: number;
  /** RTPROT_*: 2 kernel, 3 boot, 4 static … */
  protocol?: number;
  scope?: Scope;
  metric?: number;
  prefsrc?: string;
  /** IPv6: source-specific routes are refused; kept so that they can be refused by name. */
  nexthops: NextHop[];
  metrics?: RouteMetrics;
  /** IPv6: RFC 4191. */
  pref?: 'low' | 'medium' | 'high';
  /** IPv6: seconds it lives. */
  expires?: number;
}

export type RouteVerb = 'add' | 'append' | 'prepend' | 'replace' | 'change' | 'del';

export interface ChangeRoute {
  op: 'route.change';
  verb: RouteVerb;
  route: RouteChange;
}

/** What routes of a bulk request have in common: everything but the destination. */
export interface RouteTemplate {
  verb: RouteVerb;
  route: Omit<RouteChange, 'family' | 'dst'>;
}

/**
 * Many changes in one request, for batches: consecutive lines of one family, whatever their verbs. Each route is a
 * destination and the number of its template; route-batch.ts packs and unpacks them.
 *
 * Without `stopAtFirst` each stands alone, all are tried, and the answer is RouteFailures. With it the first failure ends
 * the request: those before it are done, those after it are not, and the answer is the error, its `index` saying which
 * one failed (so that `chain` stops what follows).
 */
export interface ChangeRoutes {
  op: 'route.bulk';
  family: Family;
  templates: RouteTemplate[];
  /**
   * base64 of three columns, for n routes: n addresses of 4 or 16 bytes in network order, n prefix lengths of one byte,
   * n template numbers of two bytes, low byte first.
   */
  routes: string;
  stopAtFirst?: boolean;
}

/** What route.bulk without `stopAtFirst` answers. */
export interface RouteFailures {
  /** Index in the request, and why. In order; empty: all done. */
  failures: Array<[number, ApiError]>;
}

/** A route as rtnetlink tells it. */
export interface RouteInfo {
  family: Family;
  type: RouteType;
  /** ADDRESS/LENGTH, in full; of `route.get` an address without a length. */
  dst: string;
  /** Of `route.get … from`. */
  src?: string;
  table: number;
  protocol: number;
  scope: Scope;
  metric: number;
  prefsrc?: string;
  /** Of `route.get … iif`. */
  iif?: string;
  /** One, or several for multipath; flags: dead, linkdown, onlink, pervasive … */
  nexthops: Array<NextHop & { flags: string[] }>;
  /** Of the route itself: dead, linkdown … as iproute2 prints them for a route of one next hop. */
  flags: string[];
  /**
   * RTM_F_CLONED: the result of an IPv4 look-up (`route.get` without fibmatch), or an exception that was learned, of
   * either family; with the flags that the `cache` line of IPv4 shows: local, mc, brd, redirected …
   */
  cache?: string[];
  metrics?: RouteMetrics;
  pref?: 'low' | 'medium' | 'high';
  /** Seconds left. */
  expires?: number;
  mark?: number;
  uid?: number;
}

/** Answers many results, each up to some thousand routes, the last with `end: true`. Filters are the client's. */
export interface ListRoutes {
  op: 'route.list';
  family: Family;
  /** One table; absent: all. ENOENT with the kernel's extack if there is no such table ("ipv4: FIB table does not exist"); main is always there. */
  table?: number;
  /** Only what look-ups have learned (exceptions: PMTU, redirects): `ip route show cache`. */
  cached?: boolean;
}

/** The route that a packet would take: the datapath's own look-up. */
export interface GetRoute {
  op: 'route.get';
  family: Family;
  dst: string;
  from?: string;
  iif?: string;
  oif?: string;
  mark?: number;
  tos?: number;
  ipproto?: number;
  sport?: number;
  dport?: number;
  /** Answers the matching route itself, not the result of the look-up. */
  fibmatch?: boolean;
}

/* --- rules ------------------------------------------------------------------------------------- */

export interface RuleInfo {
  family: Family;
  priority: number;
  not?: boolean;
  /** ADDRESS/LENGTH; absent: all. */
  src?: string;
  dst?: string;
  iif?: string;
  oif?: string;
  iif_detached?: boolean;
  oif_detached?: boolean;
  fwmark?: number;
  fwmask?: number;
  tos?: number;
  ipproto?: number;
  sport?: [number, number];
  dport?: [number, number];
  action: 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit';
  table?: number;
  goto?: number;
  /** No rule of priority `goto` is there. */
  unresolved?: boolean;
  suppress_prefixlength?: number;
  suppress_ifgroup?: number;
  protocol: number;
}

/** `priority` absent: one below the lowest that is not 0. */
export interface ChangeRule {
  op: 'rule.add' | 'rule.del';
  family: Family;
  rule: Partial<Omit<RuleInfo, 'family'>>;
}

/* --- neighbours -------------------------------------------------------------------------------- */

export type NeighbourState =
  | 'none'
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent';

/** A neighbour, in the key order of `ip -j -s neigh`. Times in s. */
export interface NeighbourInfo {
  family: Family;
  dst: string;
  dev: string;
  lladdr?: string;
  router?: boolean;
  proxy?: boolean;
  extern_learn?: boolean;
  refcnt?: number;
  used: number;
  confirmed: number;
  updated: number;
  probes: number;
  state: NeighbourState;
  protocol?: number;
}

export interface ChangeNeighbour {
  op: 'neigh.add' | 'neigh.change' | 'neigh.replace' | 'neigh.del';
  family: Family;
  dst: string;
  dev: string;
  lladdr?: string;
  state?: NeighbourState;
  router?: boolean;
  proxy?: boolean;
  extern_learn?: boolean;
  use?: boolean;
}

/* --- monitor ----------------------------------------------------------------------------------- */

/** One result of `monitor`: what changed, `deleted` or as it is now. */
export type MonitorEvent = {
  ts_us: number;
  deleted: boolean;
} & (
  | { object: 'link'; link: LinkInfo }
  | { object: 'address'; index: number; dev: string; address: AddressInfo }
  | { object: 'route'; route: RouteInfo }
  | { object: 'rule'; rule: RuleInfo }
  | { object: 'neigh'; neighbour: NeighbourInfo }
  | { object: 'netns'; netns: NetnsInfo }
);

/* --- sysctl ------------------------------------------------------------------------------------ */

/** Keys as sysctl(8) prints them: net.ipv4.conf.eth0.rp_filter. */
export interface SysctlInfo {
  key: string;
  value: string;
}

/* --- endpoints: what a namespace's own stack says and hears ------------------------------------- */

/** Answers many results, PingEvents; ends after `count` answers or errors, at the deadline, or when the client goes. */
export interface PingRequest {
  op: 'ping';
  /** An address; of a link-local one ADDRESS%DEV. */
  destination: string;
  count?: number;
  interval_ms: number;
  /** Bytes of data. */
  size: number;
  /** How long the last answer is waited for while there was none at all. */
  wait_ms: number;
  deadline_ms?: number;
  ttl?: number;
  tos?: number;
  /** do: never fragment; want: as long as it fits; dont: let routers fragment. */
  pmtu: 'do' | 'want' | 'dont';
  /** A source address or a link. */
  from?: string;
  /** Broadcast addresses may be pinged, too; else EACCES. */
  broadcast?: boolean;
}

/** Times are those of the engine's clock, in µs. */
export type PingEvent =
  | { event: 'start'; source: string; broadcast: boolean; time_us: number }
  | { event: 'sent'; sequence: number; time_us: number }
  | {
      event: 'reply';
      from: string;
      sequence: number;
      ttl: number;
      /** ICMP header and data. */
      bytes: number;
      rtt_us: number;
      duplicate: boolean;
      time_us: number;
    }
  /** An ICMP error about a request; `info` is its second word. */
  | { event: 'error'; from: string; sequence: number; type: number; code: number; info: number; time_us: number }
  /** The request did not leave. */
  | { event: 'refused'; sequence: number; errno: string; mtu: number; time_us: number };

export type TracerouteMethod = 'default' | 'udp' | 'icmp' | 'tcp';

/** Answers many results, TracerouteProbes in order of hop and query. */
export interface TracerouteRequest {
  op: 'traceroute';
  destination: string;
  method: TracerouteMethod;
  first: number;
  max: number;
  queries: number;
  wait_ms: number;
  /** As many times as long as a probe of the same hop, or of one behind it, took, a probe is waited for; 0: as `wait_ms` says. */
  here: number;
  near: number;
  /** Destination port; of `default` the first one; of `icmp` the first sequence number. */
  port?: number;
  /** Bytes of a probe, IP header included. */
  length: number;
  from?: string;
  dont_fragment?: boolean;
}

export interface TracerouteProbe {
  ttl: number;
  /** Absent: no answer. */
  from?: string;
  rtt_us?: number;
  /** traceroute's annotation: !H, !N, !X … */
  note?: string;
}

/** A host that always gets the same address. */
export interface DhcpHost {
  mac?: string;
  /** Client identifier, hexadecimal. */
  id?: string;
  address: string;
  name?: string;
}

/** A DHCPv4 server on a link. What is absent comes from the link: its address's subnet, itself as router, and so on. */
export interface DhcpServerOptions {
  /** ADDRESS/LENGTH. */
  subnet?: string;
  /** First and last address that it gives. */
  pool?: [string, string];
  /** Empty: none is told. */
  router?: string[];
  dns?: string[];
  domain?: string;
  mtu?: number;
  lease_s?: number;
  hosts?: DhcpHost[];
}

export interface DhcpServerInfo extends DhcpServerOptions {
  dev: string;
  /** Why it does not answer now, if so. */
  problem?: string;
  leases: number;
}

export interface DhcpLeaseInfo {
  dev: string;
  address: string;
  mac: string;
  id: string;
  name: string;
  state: 'offered' | 'bound' | 'declined';
  /** s left. */
  expires: number;
}

export interface DhcpClientOptions {
  hostname?: string;
  /** Metric of the default route. */
  metric?: number;
}

export interface DhcpClientInfo extends DhcpClientOptions {
  dev: string;
  state: 'off' | 'selecting' | 'requesting' | 'bound' | 'renewing' | 'rebinding' | 'rebooting';
  /** ADDRESS/LENGTH. */
  address?: string;
  server?: string;
  routers?: string[];
  dns?: string[];
  domain?: string;
  mtu?: number;
  lease_s?: number;
  /** s left; absent: for ever. */
  expires?: number;
}

/** A prefix that is advertised; absent options as in radvd: on-link, autonomous, one day and four hours. */
export interface AdvertisedPrefix {
  prefix: string;
  /** s; 4294967295: for ever. */
  valid?: number;
  preferred?: number;
  on_link?: boolean;
  autonomous?: boolean;
}

/** Router advertisements on a link. Without prefixes: those of its own global addresses. */
export interface AdvertiserOptions {
  prefixes?: AdvertisedPrefix[];
  /** s. */
  min_interval?: number;
  max_interval?: number;
  /** s as a default router; 0: none. */
  lifetime?: number;
  preference?: 'low' | 'medium' | 'high';
  hop_limit?: number;
  managed?: boolean;
  other?: boolean;
  mtu?: number;
  reachable_ms?: number;
  retrans_ms?: number;
  dns?: string[];
  search?: string[];
}

export interface AdvertiserInfo extends AdvertiserOptions {
  dev: string;
  /** Why nothing is sent now, if so. */
  problem?: string;
  sent: number;
  solicited: number;
}

export type EndpointRequest =
  | PingRequest
  | TracerouteRequest
  | { op: 'dhcp.server.add'; dev: string; options: DhcpServerOptions }
  | { op: 'dhcp.server.del'; dev: string }
  | { op: 'dhcp.server.list'; dev?: string }
  | { op: 'dhcp.leases'; dev?: string }
  | { op: 'dhcp.lease.del'; dev: string; address: string }
  | { op: 'dhcp.client.add'; dev: string; options: DhcpClientOptions }
  | { op: 'dhcp.client.del'; dev: string }
  | { op: 'dhcp.client.list'; dev?: string }
  | { op: 'ra.add'; dev: string; options: AdvertiserOptions }
  | { op: 'ra.del'; dev: string }
  | { op: 'ra.list'; dev?: string };

/* --- conntrack --------------------------------------------------------------------------------- */

/** States of TCP flows, by Linux's numbers. */
export const TCP_STATES: readonly string[] = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];

/** And of SCTP. */
export const SCTP_STATES: readonly string[] = [
  'NONE',
  'CLOSED',
  'COOKIE_WAIT',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECD',
  'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT',
];

/** Bits of a flow's status (IPS_*) that mean something to users. */
export const enum FlowStatus {
  EXPECTED = 1 << 0,
  SEEN_REPLY = 1 << 1,
  ASSURED = 1 << 2,
  SRC_NAT = 1 << 4,
  DST_NAT = 1 << 5,
  SRC_NAT_DONE = 1 << 7,
  DST_NAT_DONE = 1 << 8,
  FIXED_TIMEOUT = 1 << 10,
  OFFLOAD = 1 << 14,
}

/** One of a flow's two tuples: what packets of that direction have. Which fields there are hangs on the protocol. */
export interface FlowEnd {
  src: string;
  dst: string;
  /** TCP, UDP, UDP-Lite, SCTP, DCCP. */
  sport?: number;
  dport?: number;
  /** ICMP, ICMPv6. */
  type?: number;
  code?: number;
  id?: number;
  /** GRE. */
  srckey?: number;
  dstkey?: number;
  /** Only with nf_conntrack_acct. */
  packets?: number;
  bytes?: number;
}

/** A flow, as `conntrack -L` tells it. */
export interface ConntrackInfo {
  id: number;
  family: Family;
  /** IP protocol. */
  protocol: number;
  /** Of TCP and SCTP. */
  state?: string;
  /** s left; absent in the event that it has expired. */
  timeout?: number;
  original: FlowEnd;
  reply: FlowEnd;
  /** FlowStatus and further bits of IPS_*. */
  status: number;
  /** Absent in events that are not about it. */
  mark?: number;
  zone?: number;
  /** The zone counts for tuples of this direction only. */
  zone_of?: 'original' | 'reply';
  helper?: string;
  /** Numbers of bits. */
  labels?: number[];
  /** SCTP's verification tags: of original packets, and of replies. */
  vtags?: [number, number];
  /** Only with nf_conntrack_timestamp; since the epoch. */
  start_us?: number;
  stop_us?: number;
}

/** A new flow (`conntrack -I`). Without a reply tuple it is the original one turned round. */
export interface NewFlow {
  family: Family;
  protocol: number;
  original: FlowEnd;
  reply?: FlowEnd;
  /** s. */
  timeout: number;
  state?: string;
  status?: number;
  mark?: number;
  zone?: number;
  zone_of?: 'original' | 'reply';
  labels?: number[];
  vtags?: [number, number];
}

/** Which end of a translation; without an address any. */
export interface NatFilter {
  address?: string;
  port?: number;
}

/** Flows of which all this is true. */
export interface ConntrackFilter {
  family?: Family;
  protocol?: number;
  /** Masks are addresses: 255.255.0.0. */
  src?: string;
  src_mask?: string;
  dst?: string;
  dst_mask?: string;
  reply_src?: string;
  reply_dst?: string;
  sport?: number;
  dport?: number;
  reply_sport?: number;
  reply_dport?: number;
  type?: number;
  code?: number;
  id?: number;
  state?: string;
  /** All these bits. */
  status?: number;
  mark?: { value: number; mask: number };
  zone?: number;
  orig_zone?: number;
  reply_zone?: number;
  src_nat?: NatFilter;
  dst_nat?: NatFilter;
  any_nat?: NatFilter;
  /** All these. */
  labels?: number[];
}

/** What a flow becomes (`conntrack -U`). */
export interface ConntrackChange {
  mark?: { value: number; mask: number };
  /** s. */
  timeout?: number;
  /** Bits to set. */
  status?: number;
  state?: string;
  add_labels?: number[];
  /** 'all': whatever it has. */
  remove_labels?: number[] | 'all';
}

export interface ConntrackStats {
  found: number;
  invalid: number;
  insert: number;
  insert_failed: number;
  drop: number;
  early_drop: number;
  error: number;
  search_restart: number;
  clash_resolve: number;
  chaintoolong: number;
  expect_new: number;
}

/** A flow that is expected. */
export interface ExpectationInfo {
  family: Family;
  protocol: number;
  /** s left. */
  timeout: number;
  tuple: FlowEnd;
  mask: FlowEnd;
  master: FlowEnd;
  class: number;
  helper?: string;
}

/** One result of `conntrack.events`: what happened to a flow, and how it is now. */
export interface ConntrackEvent {
  ts_us: number;
  event: 'new' | 'update' | 'destroy';
  flow: ConntrackInfo;
  /** Who did it by command: the number that the request gave. */
  pid?: number;
}

/** Who asks: `pid` is told to those who listen to events. */
interface ByProcess {
  pid?: number;
}

/** list, delete and update answer many results, pages of ConntrackInfo; the last one with `end: true`. */
export type ConntrackRequest =
  | { op: 'conntrack.list'; filter?: ConntrackFilter; zero?: boolean }
  | { op: 'conntrack.get'; family: Family; protocol: number; tuple: FlowEnd; zone?: number }
  | ({ op: 'conntrack.delete'; filter?: ConntrackFilter } & ByProcess)
  | ({ op: 'conntrack.flush'; family?: Family } & ByProcess)
  | ({ op: 'conntrack.create'; flow: NewFlow } & ByProcess)
  | ({ op: 'conntrack.update'; filter?: ConntrackFilter; change: ConntrackChange } & ByProcess)
  | { op: 'conntrack.count' }
  | { op: 'conntrack.stats' }
  | { op: 'conntrack.expectations'; family?: Family }
  | { op: 'conntrack.forget_expectations' };

/** iptables, ip6tables and their -save and -restore: words as the real tools take them, and of -restore what it reads. */
export interface RunIptables {
  op: 'iptables.run';
  tool: string;
  words: string[];
  text?: string;
}

/** ipset: words as the real tool takes them, and of restore what it reads. */
export interface RunIpset {
  op: 'ipset.run';
  words: string[];
  text?: string;
}

/** What a tool prints, and its exit status. */
export interface ToolOutcome {
  stdout: string;
  stderr: string;
  status: number;
  /** A file that the words name, to be written with stdout, or whose text is wanted. */
  file?: string;
}

/** What travels beside a request's own arguments. */
export interface Envelope {
  id: number;
  /** The namespace of Sluice that the command is for; absent: host. */
  ns?: string;
  /**
   * One of a batch that ends with its first failure: once a chained request of this connection has
   * failed, later chained ones are not carried out and answer with errno ECANCELED.
   */
  chain?: boolean;
}

/* --- explain ----------------------------------------------------------------------------------- */

/** What would become of a frame that comes in by `dev`, or of a packet between two addresses. Answers ExplainSteps in order. */
export interface ExplainRequest {
  op: 'explain';
  /** Absent: the link that packets of `from` come by, or none where that is an address of ours. */
  dev?: string;
  /** An Ethernet frame, in hexadecimal. */
  frame?: string;
  from?: string;
  to?: string;
  /** IP protocol. TCP packets are SYNs, ICMP ones echo requests. */
  proto?: number;
  sport?: number;
  dport?: number;
}

export interface PacketEnds {
  src: string;
  dst: string;
  sport?: number;
  dport?: number;
}

/** One step of a packet's way. `text` says it in words; which other fields there are hangs on the step. */
export interface ExplainStep {
  step:
    | 'packet'
    | 'link'
    | 'vlan'
    | 'bridge'
    | 'route'
    | 'hook'
    | 'table'
    | 'rule'
    | 'return'
    | 'policy'
    | 'conntrack'
    | 'nat'
    | 'log'
    | 'answer'
    | 'held'
    | 'drop'
    | 'neighbour'
    | 'end'
    | 'remedy';
  text: string;
  /** How far within the steps before it is. */
  depth: number;
  /** It is about the packet that was made on the way as the nth: an error, a reset, a copy. */
  answer?: number;
  dev?: string;
  in?: string;
  out?: string;
  hook?: string;
  table?: string;
  chain?: string;
  /** Of a rule, in its chain. */
  number?: number;
  rule?: string;
  /** ACCEPT, DROP, RETURN, CONTINUE … */
  verdict?: string;
  mark?: number;
  state?: string;
  flow?: ConntrackInfo;
  before?: PacketEnds;
  after?: PacketEnds;
  route?: RouteInfo;
  neighbour?: NeighbourInfo;
  /** As `sluice status -j` counts it. */
  reason?: string;
  /** Of the end: what became of it. */
  result?: 'delivered' | 'left' | 'dropped' | 'held' | 'other';
  /** The one change, as a command. */
  command?: string;
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
  | { op: 'netns.add' | 'netns.del'; name: string }
  | { op: 'netns.list' }
  | ChangeAddress
  | { op: 'addr.list'; dev?: string }
  | ChangeRoute
  | ChangeRoutes
  | ListRoutes
  | GetRoute
  | ChangeRule
  | { op: 'rule.list'; family: Family }
  | ChangeNeighbour
  | { op: 'neigh.list'; family?: Family; proxy?: boolean }
  | { op: 'monitor' }
  | { op: 'sysctl.list'; prefix?: string }
  | { op: 'sysctl.get'; key: string }
  | { op: 'sysctl.set'; key: string; value: string }
  | EndpointRequest
  | ExplainRequest
  | RunIptables
  | RunIpset
  | ConntrackRequest
  | { op: 'conntrack.events'; filter?: ConntrackFilter }
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
  /** Of route.bulk with `stopAtFirst`: which of its routes failed. */
  index?: number;
  /** cannot VERB OBJECT: CAUSE; HINT */
  message: string;
}

export type Answer<T = unknown> = { id: number; result: T; end?: boolean } | { id: number; error: ApiError };

/*
 * Settings of the IP stack that the datapath reads: the sysctls under net.ipv4 and net.ipv6, as numbers.
 *
 *   net.ipv4.conf.LINK.KEY    link4[link × Conf4.COUNT + key]
 *   net.ipv4.conf.all.KEY     all4[namespace × Conf4.COUNT + key]
 *   net.ipv4.KEY              net4[namespace × Net4.COUNT + key]
 *
 * and the same for IPv6. `default` is the control plane's: it is what a new link starts with. How `all` and a link's own
 * value combine differs from key to key, as in the kernel (include/linux/inetdevice.h): see the functions below.
 * Times are in ms.
 */
import { type Link, MAX_LINKS, MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { sharedInts } from '../core/memory.js';

/** net.ipv4.conf.*, and of net.ipv4.neigh.* what belongs to a link. */
export const enum Conf4 {
  FORWARDING,
  MC_FORWARDING,
  BC_FORWARDING,
  ACCEPT_REDIRECTS,
  SECURE_REDIRECTS,
  SHARED_MEDIA,
  RP_FILTER,
  SEND_REDIRECTS,
  ACCEPT_SOURCE_ROUTE,
  ACCEPT_LOCAL,
  SRC_VALID_MARK,
  PROXY_ARP,
  PROXY_ARP_PVLAN,
  MEDIUM_ID,
  LOG_MARTIANS,
  ARP_FILTER,
  ARP_ANNOUNCE,
  ARP_IGNORE,
  ARP_NOTIFY,
  ARP_ACCEPT,
  ARP_EVICT_NOCARRIER,
  DROP_GRATUITOUS_ARP,
  DROP_UNICAST_IN_L2_MULTICAST,
  ROUTE_LOCALNET,
  IGNORE_ROUTES_WITH_LINKDOWN,
  PROMOTE_SECONDARIES,

  NEIGH_MCAST_SOLICIT,
  NEIGH_UCAST_SOLICIT,
  NEIGH_APP_SOLICIT,
  NEIGH_MCAST_RESOLICIT,
  NEIGH_RETRANS_MS,
  NEIGH_BASE_REACHABLE_MS,
  NEIGH_DELAY_PROBE_MS,
  NEIGH_GC_STALE_MS,
  NEIGH_QUEUE_BYTES,
  NEIGH_PROXY_QUEUE,
  NEIGH_ANYCAST_DELAY_MS,
  NEIGH_PROXY_DELAY_MS,
  NEIGH_LOCKTIME_MS,
  COUNT,
}

/** net.ipv6.conf.*, and of net.ipv6.neigh.* what belongs to a link. */
export const enum Conf6 {
  FORWARDING,
  HOP_LIMIT,
  MTU,
  ACCEPT_RA,
  ACCEPT_REDIRECTS,
  AUTOCONF,
  DAD_TRANSMITS,
  ACCEPT_DAD,
  DISABLE_IPV6,
  PROXY_NDP,
  ACCEPT_SOURCE_ROUTE,
  NDISC_NOTIFY,
  FORCE_MLD_VERSION,
  SUPPRESS_FRAG_NDISC,
  DROP_UNICAST_IN_L2_MULTICAST,
  DROP_UNSOLICITED_NA,
  IGNORE_ROUTES_WITH_LINKDOWN,

  NEIGH_MCAST_SOLICIT,
  NEIGH_UCAST_SOLICIT,
  NEIGH_APP_SOLICIT,
  NEIGH_MCAST_RESOLICIT,
  NEIGH_RETRANS_MS,
  NEIGH_BASE_REACHABLE_MS,
  NEIGH_DELAY_PROBE_MS,
  NEIGH_GC_STALE_MS,
  NEIGH_QUEUE_BYTES,
  NEIGH_PROXY_QUEUE,
  NEIGH_ANYCAST_DELAY_MS,
  NEIGH_PROXY_DELAY_MS,
  NEIGH_LOCKTIME_MS,
  COUNT,
}

/** net.ipv4.* of a namespace. */
export const enum Net4 {
  DEFAULT_TTL,
  FORWARD_USE_PMTU,
  FORWARD_UPDATE_PRIORITY,
  ICMP_ECHO_IGNORE_ALL,
  ICMP_ECHO_IGNORE_BROADCASTS,
  ICMP_IGNORE_BOGUS_ERROR_RESPONSES,
  ICMP_ERRORS_USE_INBOUND_IFADDR,
  ICMP_RATELIMIT_MS,
  ICMP_RATEMASK,
  ICMP_MSGS_PER_SEC,
  ICMP_MSGS_BURST,
  FIB_MULTIPATH_HASH_POLICY,
  FIB_MULTIPATH_HASH_FIELDS,
  FIB_MULTIPATH_USE_NEIGH,
  IPFRAG_HIGH_THRESH,
  IPFRAG_LOW_THRESH,
  IPFRAG_TIME_MS,
  IPFRAG_MAX_DIST,
  ROUTE_MIN_PMTU,
  ROUTE_MTU_EXPIRES_MS,
  ROUTE_MIN_ADV_MSS,
  ROUTE_REDIRECT_LOAD_MS,
  ROUTE_REDIRECT_NUMBER,
  ROUTE_REDIRECT_SILENCE_MS,
  ROUTE_ERROR_COST_MS,
  ROUTE_ERROR_BURST_MS,
  NEIGH_GC_THRESH1,
  NEIGH_GC_THRESH2,
  NEIGH_GC_THRESH3,
  NEIGH_GC_INTERVAL_MS,
  /** net.bridge.bridge-nf-call-iptables. */
  BRIDGE_NF_CALL,
  COUNT,
}

/** net.ipv6.* of a namespace. */
export const enum Net6 {
  ICMP_ECHO_IGNORE_ALL,
  ICMP_ECHO_IGNORE_MULTICAST,
  ICMP_ECHO_IGNORE_ANYCAST,
  ICMP_RATELIMIT_MS,
  /** Bit n of word n >> 5: ICMPv6 type n is limited. Eight words. */
  ICMP_RATEMASK,
  ICMP_RATEMASK_END = ICMP_RATEMASK + 7,
  FIB_MULTIPATH_HASH_POLICY,
  FIB_MULTIPATH_HASH_FIELDS,
  IPFRAG_HIGH_THRESH,
  IPFRAG_LOW_THRESH,
  IPFRAG_TIME_MS,
  ROUTE_MTU_EXPIRES_MS,
  ROUTE_MIN_ADV_MSS,
  AUTO_FLOWLABELS,
  MAX_DST_OPTS,
  MAX_HBH_OPTS,
  MAX_DST_OPTS_LENGTH,
  MAX_HBH_LENGTH,
  NEIGH_GC_THRESH1,
  NEIGH_GC_THRESH2,
  NEIGH_GC_THRESH3,
  NEIGH_GC_INTERVAL_MS,
  /** net.bridge.bridge-nf-call-ip6tables. */
  BRIDGE_NF_CALL,
  COUNT,
}

/** The tables of Conf, by name. */
export type ConfTable = 'link4' | 'link6' | 'all4' | 'all6' | 'net4' | 'net6';

const COLUMNS: Record<ConfTable, number> = {
  link4: Conf4.COUNT,
  all4: Conf4.COUNT,
  link6: Conf6.COUNT,
  all6: Conf6.COUNT,
  net4: Net4.COUNT,
  net6: Net6.COUNT,
};

export class Conf {
  readonly link4 = sharedInts(MAX_LINKS * Conf4.COUNT);
  readonly link6 = sharedInts(MAX_LINKS * Conf6.COUNT);
  readonly all4 = sharedInts(MAX_NAMESPACES * Conf4.COUNT);
  readonly all6 = sharedInts(MAX_NAMESPACES * Conf6.COUNT);
  readonly net4 = sharedInts(MAX_NAMESPACES * Net4.COUNT);
  readonly net6 = sharedInts(MAX_NAMESPACES * Net6.COUNT);

  /** `row`: a link's or a namespace's number. */
  set(table: ConfTable, row: number, key: number, value: number): void {
    this[table][row * COLUMNS[table] + key] = value;
  }

  /** `net.ipv4.conf.{LINK,all}.KEY`: either is enough (IN_DEV_ORCONF). */
  or4(namespace: Namespace, link: Link, key: Conf4): boolean {
    return (this.link4[link * Conf4.COUNT + key] | this.all4[namespace * Conf4.COUNT + key]) !== 0;
  }

  /** Both are needed (IN_DEV_ANDCONF). */
  and4(namespace: Namespace, link: Link, key: Conf4): boolean {
    return this.link4[link * Conf4.COUNT + key] !== 0 && this.all4[namespace * Conf4.COUNT + key] !== 0;
  }

  /** The greater one counts (IN_DEV_MAXCONF). */
  max4(namespace: Namespace, link: Link, key: Conf4): number {
    return Math.max(this.link4[link * Conf4.COUNT + key], this.all4[namespace * Conf4.COUNT + key]);
  }

  of4(link: Link, key: Conf4): number {
    return this.link4[link * Conf4.COUNT + key];
  }

  of6(link: Link, key: Conf6): number {
    return this.link6[link * Conf6.COUNT + key];
  }

  net(namespace: Namespace, key: Net4): number {
    return this.net4[namespace * Net4.COUNT + key];
  }

  netOf6(namespace: Namespace, key: Net6): number {
    return this.net6[namespace * Net6.COUNT + key];
  }

  forwards4(link: Link): boolean {
    return this.link4[link * Conf4.COUNT + Conf4.FORWARDING] !== 0;
  }

  forwards6(link: Link): boolean {
    return this.link6[link * Conf6.COUNT + Conf6.FORWARDING] !== 0;
  }
}

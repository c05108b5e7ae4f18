/*
 * The sysctls there are: each key of route/conf.ts by its Linux name, with its unit, its range and its value in a fresh
 * namespace. Ranges and values are those of Linux 6.18.
 *
 *   CONF4, CONF6     net.ipv[46].conf.{all,default,LINK}.NAME
 *   NEIGH4, NEIGH6   net.ipv[46].neigh.{default,LINK}.NAME
 *   NET4, NET6       net.ipv[46].NAME
 *   NETFILTER        net.netfilter.NAME
 *   BRIDGE           net.bridge.NAME: of br_netfilter
 *
 * Several names may show one key in different units. Names under `neigh.default`, and those marked so, exist once: in the
 * host namespace, for all.
 */
import { CtSetting } from '../conntrack/settings.js';
import { CT_SYSCTLS, type CtSysctl } from '../conntrack/timeouts.js';
import { Conf4, Conf6, Net4, Net6 } from '../route/conf.js';
import {
  CENTISECONDS,
  FRAMES,
  INT_MAX,
  INT_MIN,
  JIFFIES,
  MAX_FRAMES,
  MAX_SECONDS,
  MILLISECONDS,
  NUMBER,
  SECONDS,
  type Unit,
} from './sysctl-units.js';

export interface Sysctl {
  /** Below its folder, segments separated by a slash. */
  name: string;
  key: number;
  unit: Unit;
  min: number;
  max: number;
  /** As the datapath counts. */
  initial: number;
  /** Left out of listings, as sysctl(8) does with its deprecated names. */
  isDeprecated?: boolean;
  isReadOnly?: boolean;
  /** It changes nothing here (yet): only the value that it has at first and 0, which is "off", are taken. */
  isInert?: boolean;
  /** Only the host namespace has it; it holds for all. */
  isGlobal?: boolean;
  /** A list of bits over eight words from `key` on. */
  isBitmap?: boolean;
  /** What it takes, where that is no number. */
  words?: readonly string[];
}

type Extra = Partial<Pick<Sysctl, 'isDeprecated' | 'isReadOnly' | 'isInert' | 'isGlobal' | 'isBitmap'>>;

function number(name: string, key: number, initial: number, min = INT_MIN, max = INT_MAX, extra: Extra = {}): Sysctl {
  return { name, key, unit: NUMBER, min, max, initial, ...extra };
}

function flag(name: string, key: number, initial = 0, extra: Extra = {}): Sysctl {
  return number(name, key, initial, 0, 1, extra);
}

/** See Sysctl.isInert. */
function inert(name: string, key: number, initial: number): Sysctl {
  return number(name, key, initial, INT_MIN, INT_MAX, { isInert: true });
}

function seconds(name: string, key: number, initial: number, extra: Extra = {}): Sysctl {
  return { name, key, unit: SECONDS, min: -MAX_SECONDS, max: MAX_SECONDS, initial: initial * 1000, ...extra };
}

function milliseconds(name: string, key: number, initial: number): Sysctl {
  return { name, key, unit: MILLISECONDS, min: 0, max: INT_MAX, initial };
}

/** A negative time of these means nothing; the kernel shows it as "-0". */
function centiseconds(name: string, key: number, initial: number, extra: Extra = {}): Sysctl {
  return { name, key, unit: CENTISECONDS, min: 0, max: INT_MAX, initial: initial * 10, ...extra };
}

function jiffies(name: string, key: number, initial: number, extra: Extra): Sysctl {
  return { name, key, unit: JIFFIES, min: INT_MIN, max: INT_MAX, initial: initial * 4, ...extra };
}

/** Of conf.*, words after those of the datapath are the control plane's own. */
export const ADDR_GEN_MODE: number = Conf6.COUNT;
export const WORDS6 = ADDR_GEN_MODE + 1;

export const CONF4: readonly Sysctl[] = [
  number('accept_local', Conf4.ACCEPT_LOCAL, 0),
  number('accept_redirects', Conf4.ACCEPT_REDIRECTS, 1),
  inert('accept_source_route', Conf4.ACCEPT_SOURCE_ROUTE, 1),
  number('arp_accept', Conf4.ARP_ACCEPT, 0),
  number('arp_announce', Conf4.ARP_ANNOUNCE, 0),
  number('arp_evict_nocarrier', Conf4.ARP_EVICT_NOCARRIER, 1),
  number('arp_filter', Conf4.ARP_FILTER, 0),
  number('arp_ignore', Conf4.ARP_IGNORE, 0),
  number('arp_notify', Conf4.ARP_NOTIFY, 0),
  number('bc_forwarding', Conf4.BC_FORWARDING, 0),
  number('drop_gratuitous_arp', Conf4.DROP_GRATUITOUS_ARP, 0),
  number('drop_unicast_in_l2_multicast', Conf4.DROP_UNICAST_IN_L2_MULTICAST, 0),
  number('forwarding', Conf4.FORWARDING, 0),
  number('ignore_routes_with_linkdown', Conf4.IGNORE_ROUTES_WITH_LINKDOWN, 0),
  inert('log_martians', Conf4.LOG_MARTIANS, 0),
  number('mc_forwarding', Conf4.MC_FORWARDING, 0, INT_MIN, INT_MAX, { isReadOnly: true }),
  number('medium_id', Conf4.MEDIUM_ID, 0),
  number('promote_secondaries', Conf4.PROMOTE_SECONDARIES, 0),
  number('proxy_arp', Conf4.PROXY_ARP, 0),
  number('proxy_arp_pvlan', Conf4.PROXY_ARP_PVLAN, 0),
  number('route_localnet', Conf4.ROUTE_LOCALNET, 0),
  number('rp_filter', Conf4.RP_FILTER, 0),
  number('secure_redirects', Conf4.SECURE_REDIRECTS, 1),
  number('send_redirects', Conf4.SEND_REDIRECTS, 1),
  number('shared_media', Conf4.SHARED_MEDIA, 1),
  inert('src_valid_mark', Conf4.SRC_VALID_MARK, 0),
];

export const CONF6: readonly Sysctl[] = [
  number('accept_dad', Conf6.ACCEPT_DAD, 1),
  number('accept_ra', Conf6.ACCEPT_RA, 1),
  number('accept_redirects', Conf6.ACCEPT_REDIRECTS, 1),
  inert('accept_source_route', Conf6.ACCEPT_SOURCE_ROUTE, 0),
  number('addr_gen_mode', ADDR_GEN_MODE, 0, 0, 1),
  number('autoconf', Conf6.AUTOCONF, 1),
  number('dad_transmits', Conf6.DAD_TRANSMITS, 1),
  number('disable_ipv6', Conf6.DISABLE_IPV6, 0),
  number('drop_unicast_in_l2_multicast', Conf6.DROP_UNICAST_IN_L2_MULTICAST, 0),
  number('drop_unsolicited_na', Conf6.DROP_UNSOLICITED_NA, 0),
  number('force_mld_version', Conf6.FORCE_MLD_VERSION, 0),
  number('forwarding', Conf6.FORWARDING, 0),
  number('hop_limit', Conf6.HOP_LIMIT, 64, 1, 255),
  number('ignore_routes_with_linkdown', Conf6.IGNORE_ROUTES_WITH_LINKDOWN, 0),
  number('mtu', Conf6.MTU, 1280, 1280),
  number('ndisc_notify', Conf6.NDISC_NOTIFY, 0),
  number('proxy_ndp', Conf6.PROXY_NDP, 0),
  number('suppress_frag_ndisc', Conf6.SUPPRESS_FRAG_NDISC, 1),
];

/** Keys of a neighbour table's settings for a link: those of IPv4 and of IPv6 are numbered apart. */
interface NeighKeys {
  anycast: number;
  app: number;
  reachable: number;
  delay: number;
  stale: number;
  lock: number;
  resolicit: number;
  mcast: number;
  proxyDelay: number;
  proxyQueue: number;
  retrans: number;
  ucast: number;
  queue: number;
}

const DEPRECATED: Extra = { isDeprecated: true };

function neigh(keys: NeighKeys, lockCs: number, retrans: Sysctl): readonly Sysctl[] {
  return [
    centiseconds('anycast_delay', keys.anycast, 100),
    number('app_solicit', keys.app, 0, 0),
    seconds('base_reachable_time', keys.reachable, 30, DEPRECATED),
    milliseconds('base_reachable_time_ms', keys.reachable, 30_000),
    seconds('delay_first_probe_time', keys.delay, 5),
    seconds('gc_stale_time', keys.stale, 60),
    centiseconds('locktime', keys.lock, lockCs),
    number('mcast_resolicit', keys.resolicit, 0, 0),
    number('mcast_solicit', keys.mcast, 3, 0),
    centiseconds('proxy_delay', keys.proxyDelay, 80),
    number('proxy_qlen', keys.proxyQueue, 64, 0),
    retrans,
    milliseconds('retrans_time_ms', keys.retrans, 1000),
    number('ucast_solicit', keys.ucast, 3, 0),
    { name: 'unres_qlen', key: keys.queue, unit: FRAMES, min: 0, max: MAX_FRAMES, initial: 212_992 },
    number('unres_qlen_bytes', keys.queue, 212_992, 0),
  ];
}

export const NEIGH4: readonly Sysctl[] = neigh(
  {
    anycast: Conf4.NEIGH_ANYCAST_DELAY_MS,
    app: Conf4.NEIGH_APP_SOLICIT,
    reachable: Conf4.NEIGH_BASE_REACHABLE_MS,
    delay: Conf4.NEIGH_DELAY_PROBE_MS,
    stale: Conf4.NEIGH_GC_STALE_MS,
    lock: Conf4.NEIGH_LOCKTIME_MS,
    resolicit: Conf4.NEIGH_MCAST_RESOLICIT,
    mcast: Conf4.NEIGH_MCAST_SOLICIT,
    proxyDelay: Conf4.NEIGH_PROXY_DELAY_MS,
    proxyQueue: Conf4.NEIGH_PROXY_QUEUE,
    retrans: Conf4.NEIGH_RETRANS_MS,
    ucast: Conf4.NEIGH_UCAST_SOLICIT,
    queue: Conf4.NEIGH_QUEUE_BYTES,
  },
  100,
  centiseconds('retrans_time', Conf4.NEIGH_RETRANS_MS, 100, DEPRECATED),
);

export const NEIGH6: readonly Sysctl[] = neigh(
  {
    anycast: Conf6.NEIGH_ANYCAST_DELAY_MS,
    app: Conf6.NEIGH_APP_SOLICIT,
    reachable: Conf6.NEIGH_BASE_REACHABLE_MS,
    delay: Conf6.NEIGH_DELAY_PROBE_MS,
    stale: Conf6.NEIGH_GC_STALE_MS,
    lock: Conf6.NEIGH_LOCKTIME_MS,
    resolicit: Conf6.NEIGH_MCAST_RESOLICIT,
    mcast: Conf6.NEIGH_MCAST_SOLICIT,
    proxyDelay: Conf6.NEIGH_PROXY_DELAY_MS,
    proxyQueue: Conf6.NEIGH_PROXY_QUEUE,
    retrans: Conf6.NEIGH_RETRANS_MS,
    ucast: Conf6.NEIGH_UCAST_SOLICIT,
    queue: Conf6.NEIGH_QUEUE_BYTES,
  },
  0,
  jiffies('retrans_time', Conf6.NEIGH_RETRANS_MS, 250, DEPRECATED),
);

const GLOBAL: Extra = { isGlobal: true };

function thresholds(keys: readonly [number, number, number], intervalMs: number): Sysctl[] {
  return [
    seconds('neigh/default/gc_interval', intervalMs, 30, GLOBAL),
    number('neigh/default/gc_thresh1', keys[0], 128, 0, INT_MAX, GLOBAL),
    number('neigh/default/gc_thresh2', keys[1], 512, 0, INT_MAX, GLOBAL),
    number('neigh/default/gc_thresh3', keys[2], 1024, 0, INT_MAX, GLOBAL),
  ];
}

const HIGH_THRESH = 4_194_304;
const LOW_THRESH = 3_145_728;
/** All bits of FIB_MULTIPATH_HASH_FIELD_*. */
const HASH_FIELDS = 0xfff;

export const NET4: readonly Sysctl[] = [
  number('fib_multipath_hash_fields', Net4.FIB_MULTIPATH_HASH_FIELDS, 7, 1, HASH_FIELDS),
  number('fib_multipath_hash_policy', Net4.FIB_MULTIPATH_HASH_POLICY, 0, 0, 3),
  flag('fib_multipath_use_neigh', Net4.FIB_MULTIPATH_USE_NEIGH, 0, { isInert: true }),
  flag('icmp_echo_ignore_all', Net4.ICMP_ECHO_IGNORE_ALL),
  flag('icmp_echo_ignore_broadcasts', Net4.ICMP_ECHO_IGNORE_BROADCASTS, 1),
  flag('icmp_errors_use_inbound_ifaddr', Net4.ICMP_ERRORS_USE_INBOUND_IFADDR),
  flag('icmp_ignore_bogus_error_responses', Net4.ICMP_IGNORE_BOGUS_ERROR_RESPONSES, 1),
  number('icmp_msgs_burst', Net4.ICMP_MSGS_BURST, 50, 0),
  number('icmp_msgs_per_sec', Net4.ICMP_MSGS_PER_SEC, 1000, 0),
  milliseconds('icmp_ratelimit', Net4.ICMP_RATELIMIT_MS, 1000),
  number('icmp_ratemask', Net4.ICMP_RATEMASK, 6168),
  number('ip_default_ttl', Net4.DEFAULT_TTL, 64, 1, 255),
  flag('ip_forward_update_priority', Net4.FORWARD_UPDATE_PRIORITY, 1),
  number('ip_forward_use_pmtu', Net4.FORWARD_USE_PMTU, 0, 0, 255),
  number('ipfrag_high_thresh', Net4.IPFRAG_HIGH_THRESH, HIGH_THRESH, 0, Number.MAX_SAFE_INTEGER),
  number('ipfrag_low_thresh', Net4.IPFRAG_LOW_THRESH, LOW_THRESH, 0, Number.MAX_SAFE_INTEGER),
  number('ipfrag_max_dist', Net4.IPFRAG_MAX_DIST, 64, 0),
  seconds('ipfrag_time', Net4.IPFRAG_TIME_MS, 30),
  ...thresholds([Net4.NEIGH_GC_THRESH1, Net4.NEIGH_GC_THRESH2, Net4.NEIGH_GC_THRESH3], Net4.NEIGH_GC_INTERVAL_MS),
  jiffies('route/error_burst', Net4.ROUTE_ERROR_BURST_MS, 1250, GLOBAL),
  jiffies('route/error_cost', Net4.ROUTE_ERROR_COST_MS, 250, GLOBAL),
  inert('route/min_adv_mss', Net4.ROUTE_MIN_ADV_MSS, 256),
  number('route/min_pmtu', Net4.ROUTE_MIN_PMTU, 552, 68),
  seconds('route/mtu_expires', Net4.ROUTE_MTU_EXPIRES_MS, 600),
  jiffies('route/redirect_load', Net4.ROUTE_REDIRECT_LOAD_MS, 5, GLOBAL),
  number('route/redirect_number', Net4.ROUTE_REDIRECT_NUMBER, 9, INT_MIN, INT_MAX, GLOBAL),
  jiffies('route/redirect_silence', Net4.ROUTE_REDIRECT_SILENCE_MS, 5120, GLOBAL),
];

export const NET6: readonly Sysctl[] = [
  number('auto_flowlabels', Net6.AUTO_FLOWLABELS, 1, 0, 3),
  number('fib_multipath_hash_fields', Net6.FIB_MULTIPATH_HASH_FIELDS, 7, 1, HASH_FIELDS),
  number('fib_multipath_hash_policy', Net6.FIB_MULTIPATH_HASH_POLICY, 0, 0, 3),
  number('icmp/echo_ignore_all', Net6.ICMP_ECHO_IGNORE_ALL, 0, 0, 255),
  number('icmp/echo_ignore_anycast', Net6.ICMP_ECHO_IGNORE_ANYCAST, 0, 0, 255),
  number('icmp/echo_ignore_multicast', Net6.ICMP_ECHO_IGNORE_MULTICAST, 0, 0, 255),
  milliseconds('icmp/ratelimit', Net6.ICMP_RATELIMIT_MS, 100),
  number('icmp/ratemask', Net6.ICMP_RATEMASK, 0, INT_MIN, INT_MAX, { isBitmap: true }),
  number('ip6frag_high_thresh', Net6.IPFRAG_HIGH_THRESH, HIGH_THRESH, 0, Number.MAX_SAFE_INTEGER),
  number('ip6frag_low_thresh', Net6.IPFRAG_LOW_THRESH, LOW_THRESH, 0, Number.MAX_SAFE_INTEGER),
  seconds('ip6frag_time', Net6.IPFRAG_TIME_MS, 60),
  number('max_dst_opts_length', Net6.MAX_DST_OPTS_LENGTH, INT_MAX),
  number('max_dst_opts_number', Net6.MAX_DST_OPTS, 8),
  number('max_hbh_length', Net6.MAX_HBH_LENGTH, INT_MAX),
  number('max_hbh_opts_number', Net6.MAX_HBH_OPTS, 8),
  ...thresholds([Net6.NEIGH_GC_THRESH1, Net6.NEIGH_GC_THRESH2, Net6.NEIGH_GC_THRESH3], Net6.NEIGH_GC_INTERVAL_MS),
  inert('route/min_adv_mss', Net6.ROUTE_MIN_ADV_MSS, 1220),
  seconds('route/mtu_expires', Net6.ROUTE_MTU_EXPIRES_MS, 600),
];

/** Of net.netfilter, words from CtSetting.COUNT on are the control plane's own. */
export const enum NetfilterWord {
  /** Slots of the flow table, and flows: as the engine told them last. */
  BUCKETS = 64,
  FLOWS = 65,
  TIMEOUT_PROFILE = 66,
  /** What of br_netfilter is not there: always 0. */
  BRIDGE_NF_OTHER = 67,
  COUNT = 68,
}

const PROFILES = ['linux', 'rfc'] as const;

/** A name of a list, kept as its index. */
function choice(name: string, key: number, words: readonly string[]): Sysctl {
  const parse = (text: string): number | undefined => {
    const index = words.indexOf(text.trim());
    return index < 0 ? undefined : index;
  };
  return {
    name,
    key,
    unit: { parse, format: (value) => words[value] },
    min: 0,
    max: words.length - 1,
    initial: 0,
    words,
  };
}

function conntrackSetting({ name, setting, isTime, linux, max }: CtSysctl): Sysctl {
  const full = `nf_conntrack_${name}`;
  if (isTime) return { name: full, key: setting, unit: SECONDS, min: 0, max, initial: linux * 1000 };
  // Nothing is logged yet.
  if (setting === CtSetting.LOG_INVALID) return inert(full, setting, linux);
  return number(full, setting, linux, setting === CtSetting.EXPECT_MAX ? 1 : 0, max);
}

export const NETFILTER: readonly Sysctl[] = [
  ...CT_SYSCTLS.map(conntrackSetting),
  number('nf_conntrack_buckets', NetfilterWord.BUCKETS, 0, 0, INT_MAX, { isReadOnly: true }),
  number('nf_conntrack_count', NetfilterWord.FLOWS, 0, 0, INT_MAX, { isReadOnly: true }),
  choice('sluice_timeout_profile', NetfilterWord.TIMEOUT_PROFILE, PROFILES),
];

/** Which of a namespace's rows a key of net.bridge is in. */
export type BridgeSysctl = Sysctl & { row: 'net4' | 'net6' | 'netfilter' };

/** Whether packets that are bridged pass iptables. Off at first, as no namespace has br_netfilter unless somebody asks for it. */
export const BRIDGE: readonly BridgeSysctl[] = [
  { ...inert('bridge-nf-call-arptables', NetfilterWord.BRIDGE_NF_OTHER, 0), row: 'netfilter' },
  { ...flag('bridge-nf-call-ip6tables', Net6.BRIDGE_NF_CALL), row: 'net6' },
  { ...flag('bridge-nf-call-iptables', Net4.BRIDGE_NF_CALL), row: 'net4' },
  { ...inert('bridge-nf-filter-pppoe-tagged', NetfilterWord.BRIDGE_NF_OTHER, 0), row: 'netfilter' },
  { ...inert('bridge-nf-filter-vlan-tagged', NetfilterWord.BRIDGE_NF_OTHER, 0), row: 'netfilter' },
  { ...inert('bridge-nf-pass-vlan-input-dev', NetfilterWord.BRIDGE_NF_OTHER, 0), row: 'netfilter' },
];

/** What net.netfilter.sluice_timeout_profile sets: key and ms of each timeout. */
export function timeoutsOf(profile: number): Array<[key: number, ms: number]> {
  const name = PROFILES[profile];
  return CT_SYSCTLS.filter(({ isTime }) => isTime).map((one) => [one.setting, one[name] * 1000]);
}

/** ICMPv6 types that are limited at first: 0-1,3-127. */
export const RATEMASK6 = [0xfffffffb | 0, -1, -1, -1, 0, 0, 0, 0];

/** A row of a table with every key at its first value. */
export function initialRow(words: number, ...tables: ReadonlyArray<readonly Sysctl[]>): number[] {
  const row = new Array<number>(words).fill(0);
  for (const { key, initial } of tables.flat()) row[key] = initial;
  return row;
}

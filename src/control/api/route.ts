/* Routes: ip-route. */
import type { Scope } from './address.js';
import type { ApiError } from './answer.js';
import type { Family } from './family.js';

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

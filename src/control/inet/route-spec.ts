/*
 * A route as a request names it, checked for form: names resolved to links, text to numbers, and defaults filled in as
 * iproute2 and the kernel do. Whether it makes sense in its table is for routes4.ts and routes6.ts.
 */
import { Scope } from '../../route/addresses.js';
import { MTU_LOCK, RouteType } from '../../route/fib.js';
import type { Family } from '../api/family.js';
import type { NextHop, RouteChange, RouteMetrics, RouteVerb } from '../api/route.js';
import type { InetLink, InetNamespace } from './host.js';
import { NO_GATEWAY } from './info.js';
import { bitsOf, parseKey, TableId, wordsOf } from './keys.js';
import { refuse } from './refused.js';

export const enum Protocol {
  UNSPEC = 0,
  REDIRECT = 1,
  KERNEL = 2,
  BOOT = 3,
  STATIC = 4,
  RA = 9,
}

export interface HopSpec {
  link: InetLink | undefined;
  family: 0 | 4 | 6;
  gateway: Int32Array;
  weight: number;
  isOnlink: boolean;
}

export interface RouteSpec {
  /** NONE: not compared (del). */
  type: RouteType;
  table: number;
  /** UNSPEC: not compared (del). */
  protocol: number;
  /** NOWHERE: not compared (del). */
  scope: number;
  /** 0: not compared (del); IPv6: the default. */
  metric: number;
  /** All 0: none. */
  prefsrc: Int32Array;
  mtu: number;
  hoplimit: number;
  /** RFC 4191, as on the wire: 0 medium, 1 high, 3 low. */
  pref: number;
  /** Seconds; 0 = for ever. */
  expires: number;
  hops: HopSpec[];
}

export interface VerbFlags {
  create: boolean;
  exclusive: boolean;
  replace: boolean;
  append: boolean;
}

export const VERBS: Record<Exclude<RouteVerb, 'del'>, VerbFlags> = {
  add: { create: true, exclusive: true, replace: false, append: false },
  append: { create: true, exclusive: false, replace: false, append: true },
  prepend: { create: true, exclusive: false, replace: false, append: false },
  replace: { create: true, exclusive: false, replace: true, append: false },
  change: { create: false, exclusive: false, replace: true, append: false },
};

const TYPES: Record<string, RouteType> = {
  unicast: RouteType.UNICAST,
  local: RouteType.LOCAL,
  broadcast: RouteType.BROADCAST,
  anycast: RouteType.ANYCAST,
  multicast: RouteType.MULTICAST,
  blackhole: RouteType.BLACKHOLE,
  unreachable: RouteType.UNREACHABLE,
  prohibit: RouteType.PROHIBIT,
  throw: RouteType.THROW,
};

export const TYPE_NAMES = Object.keys(TYPES) as Array<NonNullable<RouteChange['type']>>;

export const typeName = (type: RouteType): NonNullable<RouteChange['type']> => TYPE_NAMES[type - 1];

const PREFS: Record<string, number> = { low: 3, medium: 0, high: 1 };
export const PREF_NAMES = ['medium', 'high', 'medium', 'low'] as const;

export function isError(type: RouteType): boolean {
  return type >= RouteType.BLACKHOLE;
}

export function linkNamed(namespace: InetNamespace, name: string): InetLink {
  const link = namespace.links.get(name);
  if (link !== undefined) return link;
  return refuse('ENODEV', `there is no link "${name}"`, '"ip link" lists them', `Cannot find device "${name}"`);
}

function hopOf(namespace: InetNamespace, family: Family, hop: NextHop): HopSpec {
  const { gateway, dev, weight = 1, onlink = false } = hop;
  const link = dev === undefined ? undefined : linkNamed(namespace, dev);
  if (weight < 1 || weight > 256) refuse('EINVAL', `a weight of ${weight} is not possible`, 'use 1 to 256');
  const rest = { link, weight, isOnlink: onlink };
  if (gateway === undefined) return { ...rest, family: 0, gateway: NO_GATEWAY };
  const own = parseKey(gateway, family);
  if (own !== undefined) return { ...rest, family, gateway: own };
  const other = family === 4 ? parseKey(gateway, 6) : undefined;
  if (other !== undefined) return { ...rest, family: 6, gateway: other };
  const extack =
    family === 6 && parseKey(gateway, 4) !== undefined ? 'IPv6 does not support RTA_VIA attribute' : undefined;
  return refuse('EINVAL', `"${gateway}" is no gateway`, `write an IPv${family} address`, extack);
}

function lock(value: number | undefined, isLocked: boolean): number {
  return (value ?? 0) | (isLocked ? MTU_LOCK : 0);
}

function metricsOf(metrics: RouteMetrics): { mtu: number; hoplimit: number } {
  const { mtu, hoplimit } = metrics;
  if (hoplimit !== undefined && (hoplimit < 0 || hoplimit > 255))
    refuse('EINVAL', `a hop limit of ${hoplimit} is not possible`, 'use 0 to 255');
  const locked = metrics.lock ?? [];
  // The kernel takes no MTU above this (ip_metrics_convert).
  const most = 65535 - 15;
  return {
    mtu: lock(mtu === undefined ? undefined : Math.min(mtu, most), locked.includes('mtu')),
    hoplimit: lock(hoplimit, locked.includes('hoplimit')),
  };
}

/** As iproute2 fills in what no word said. */
function defaultScope(type: RouteType, isDeletion: boolean, hasGateway: boolean): number {
  switch (type) {
    case RouteType.LOCAL:
      return Scope.HOST;
    case RouteType.BROADCAST:
    case RouteType.MULTICAST:
    case RouteType.ANYCAST:
      return Scope.LINK;
    case RouteType.UNICAST:
    case RouteType.NONE:
      if (isDeletion) return Scope.NOWHERE;
      return hasGateway ? Scope.UNIVERSE : Scope.LINK;
    default:
      return Scope.UNIVERSE;
  }
}

function defaultTable(type: RouteType): number {
  const isLocal = type === RouteType.LOCAL || type === RouteType.BROADCAST || type === RouteType.ANYCAST;
  return isLocal ? TableId.LOCAL : TableId.MAIN;
}

function typeOf(name: string | undefined, isDeletion: boolean): RouteType {
  if (name === undefined) return isDeletion ? RouteType.NONE : RouteType.UNICAST;
  return TYPES[name] ?? refuse('EINVAL', `there is no type "${name}"`, `use ${TYPE_NAMES.join(', ')}`);
}

function prefsrcOf(text: string | undefined, family: Family): Int32Array {
  if (text === undefined) return new Int32Array(wordsOf(family));
  return parseKey(text, family) ?? refuse('EINVAL', `"${text}" is no IPv${family} address`, 'give one as src');
}

/** All of a route but its destination. */
export function parseRoute(
  namespace: InetNamespace,
  family: Family,
  verb: RouteVerb,
  route: Omit<RouteChange, 'family' | 'dst'>,
): RouteSpec {
  const isDeletion = verb === 'del';
  const type = typeOf(route.type, isDeletion);
  const hops = route.nexthops.map((hop) => hopOf(namespace, family, hop));
  const hasGateway = hops.length > 1 || hops.some((hop) => hop.family !== 0);
  return {
    type,
    table: route.table === undefined || route.table === 0 ? defaultTable(type) : route.table,
    protocol: route.protocol ?? (isDeletion ? Protocol.UNSPEC : Protocol.BOOT),
    scope: route.scope ?? defaultScope(type, isDeletion, hasGateway),
    metric: route.metric ?? 0,
    prefsrc: prefsrcOf(route.prefsrc, family),
    ...metricsOf(route.metrics ?? {}),
    pref: PREFS[route.pref ?? 'medium'] ?? 0,
    expires: route.expires ?? 0,
    hops,
  };
}

/** ADDRESS/LENGTH of a family; the length may be absent. */
export function parseDestination(text: string, family: Family): { key: Int32Array; length: number } {
  const [address, length, ...rest] = text.split('/');
  const key = new Int32Array(4);
  const words = parseKey(address, family);
  const most = bitsOf(wordsOf(family));
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : most + 1;
  if (words === undefined || rest.length > 0 || bits > most)
    return refuse('EINVAL', `"${text}" is no IPv${family} prefix`, 'write ADDRESS/LENGTH', 'Invalid prefix length');
  key.set(words);
  return { key, length: bits };
}

/*
 * The kernel's routes and rules as the API tells them: read from `ip -j -d -N`, where everything is
 * said and nothing by name. What JSON leaves out (a locked metric) the tests add.
 */
import type { Family } from '../../src/control/api/family.js';
import type { NextHop, RouteInfo, RouteType } from '../../src/control/api/route.js';
import type { RuleInfo } from '../../src/control/api/rule.js';
import type { Namespace } from './kernel.js';

const TYPES: Record<string, RouteType> = {
  1: 'unicast',
  2: 'local',
  3: 'broadcast',
  4: 'anycast',
  5: 'multicast',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
  9: 'throw',
};

type Fields = Record<string, unknown> & {
  type: string;
  dst: string;
  gateway?: string;
  via?: { host: string };
  dev?: string;
  table?: string;
  protocol?: string;
  scope?: string;
  metric?: number;
  flags: string[];
  metrics?: Array<RouteInfo['metrics']>;
  nexthops?: Fields[];
};

function withLength(dst: string, family: Family): string {
  if (dst === 'default') return family === 4 ? '0.0.0.0/0' : '::/0';
  return dst.includes('/') ? dst : `${dst}/${family === 4 ? 32 : 128}`;
}

function hopOf({ gateway, via, dev, weight, flags }: Fields): NextHop & { flags: string[] } {
  const way = gateway ?? via?.host;
  return {
    ...(way !== undefined && { gateway: way }),
    ...(dev !== undefined && { dev }),
    ...(weight !== undefined && { weight: weight as number }),
    flags,
  };
}

/** One object of `ip -j -d -N route`; `table` is what was asked for, where it is not said. */
export function routeOf(fields: Fields, family: Family, table = 254): RouteInfo {
  const { src: _src, from, prefsrc, metrics, expires, pref, cache, iif, mark, uid } = fields;
  const optional = { prefsrc, expires, pref, cache, iif, mark, uid, src: from, metrics: metrics?.[0] };
  const hops = fields.nexthops ?? (fields.dev === undefined ? [] : [fields]);
  return {
    family,
    type: TYPES[fields.type],
    dst: withLength(fields.dst, family),
    table: Number(fields.table ?? table),
    protocol: Number(fields.protocol ?? 0),
    scope: Number(fields.scope ?? 0),
    metric: fields.metric ?? 0,
    nexthops: hops.map(hopOf),
    flags: fields.flags,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  } as RouteInfo;
}

export function kernelRoutes(kernel: Namespace, family: Family): RouteInfo[] {
  return kernel.json<Fields[]>(`ip -j -d -N -${family} route show table all`).map((fields) => routeOf(fields, family));
}

/** What a look-up answers, with the address alone. */
export function kernelGet(kernel: Namespace, words: string, family: Family): RouteInfo {
  const [fields] = kernel.json<Fields[]>(`ip -j -d -N -${family} route get ${words.replace('connected', '')}`);
  // A look-up of a multicast address sets the bit by way of its cache flags: a matter of the printing.
  const flags = fields.flags.filter((flag) => flag !== 'rt_offload_failed');
  const route = routeOf({ ...fields, flags }, family);
  return words.includes('fibmatch') ? route : { ...route, dst: fields.dst };
}

type RuleFields = Record<string, unknown>;

const ACTIONS: Record<string, RuleInfo['action']> = { 6: 'blackhole', 7: 'unreachable', 8: 'prohibit' };

function prefixOf(fields: RuleFields, key: 'src' | 'dst'): string | undefined {
  const address = fields[key] as string | undefined;
  if (address === undefined || address === 'all') return undefined;
  return `${address}/${fields[`${key}len`] ?? (address.includes(':') ? 128 : 32)}`;
}

function portsOf(fields: RuleFields, key: 'sport' | 'dport'): [number, number] | undefined {
  const start = (fields[key] ?? fields[`${key}_start`]) as number | undefined;
  return start === undefined ? undefined : [start, (fields[`${key}_end`] as number | undefined) ?? start];
}

function actionOf(fields: RuleFields): RuleInfo['action'] {
  if ('goto' in fields) return 'goto';
  if ('nop' in fields) return 'nop';
  return fields.action === undefined ? 'lookup' : ACTIONS[fields.action as string];
}

function ruleOf(fields: RuleFields, family: Family): RuleInfo {
  const number = (key: string) => (fields[key] === undefined ? undefined : Number(fields[key]));
  const flag = (key: string) => (key in fields ? true : undefined);
  const all = {
    family,
    priority: number('priority'),
    not: flag('not'),
    src: prefixOf(fields, 'src'),
    dst: prefixOf(fields, 'dst'),
    iif: fields.iif,
    oif: fields.oif,
    iif_detached: flag('iif_detached'),
    oif_detached: flag('oif_detached'),
    fwmark: number('fwmark'),
    fwmask: number('fwmask'),
    tos: number('tos'),
    ipproto: fields.ipproto === undefined ? undefined : Number(String(fields.ipproto).slice('ipproto-'.length)),
    sport: portsOf(fields, 'sport'),
    dport: portsOf(fields, 'dport'),
    action: actionOf(fields),
    table: number('table'),
    goto: number('goto'),
    unresolved: flag('unresolved'),
    suppress_prefixlength: number('suppress_prefixlen'),
    suppress_ifgroup: number('suppress_ifgroup'),
    protocol: number('protocol') ?? 0,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as RuleInfo;
}

export function kernelRules(kernel: Namespace, family: Family): RuleInfo[] {
  return kernel.json<RuleFields[]>(`ip -j -d -N -${family} rule show`).map((fields) => ruleOf(fields, family));
}

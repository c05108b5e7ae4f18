/*
 * Routes as rtnetlink tells them: RouteInfo of api/route.ts, in the kernel's order.
 *
 * - IPv4: by address; of one address the longest prefix first (fib_trie's leaves), then by metric.
 * - IPv6: the tree's branches before its forks, so a prefix comes after all that it covers (fib6_walk).
 */
import { MTU_LOCK, NextHopFlag } from '../../route/fib.js';
import type { Family } from '../api/family.js';
import type { NextHop, RouteInfo, RouteMetrics } from '../api/route.js';
import { type Hop, type Info, isZero } from './info.js';
import { formatKey } from './keys.js';
import type { Table } from './rib.js';
import { PREF_NAMES, typeName } from './route-spec.js';
import type { Stack } from './stack.js';

/** In the order in which iproute2 prints them. */
const FLAG_NAMES: Array<[NextHopFlag, string]> = [
  [NextHopFlag.DEAD, 'dead'],
  [NextHopFlag.ONLINK, 'onlink'],
  [NextHopFlag.PERVASIVE, 'pervasive'],
  [NextHopFlag.LINKDOWN, 'linkdown'],
];

export function flagNames(flags: number): string[] {
  return FLAG_NAMES.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name);
}

/** A next hop's flags; one that is ignored for want of a carrier counts as dead. */
function flagsOf(stack: Stack, family: Family, { flags, link }: Hop): number {
  const isIgnored = (flags & NextHopFlag.LINKDOWN) !== 0 && ignoresLinkDown(stack, family, link);
  return isIgnored ? flags | NextHopFlag.DEAD : flags;
}

export function ignoresLinkDown(stack: Stack, family: Family, link: Hop['link']): boolean {
  const key = 'ignore_routes_with_linkdown';
  return stack.conf(family, link, key) !== 0 || (family === 4 && stack.conf(4, 'all', key) !== 0);
}

export function hopInfo(hop: Hop): NextHop {
  return {
    ...(hop.family !== 0 && { gateway: formatKey(hop.gateway) }),
    dev: hop.link.name,
    ...((hop.flags & NextHopFlag.ONLINK) !== 0 && { onlink: true }),
  };
}

export function metricsInfo({ mtu, hoplimit }: { mtu: number; hoplimit: number }): RouteMetrics | undefined {
  const lock: Array<'mtu' | 'hoplimit'> = [];
  if ((mtu & MTU_LOCK) !== 0) lock.push('mtu');
  if ((hoplimit & MTU_LOCK) !== 0) lock.push('hoplimit');
  const metrics = {
    ...((mtu & ~MTU_LOCK) !== 0 && { mtu: mtu & ~MTU_LOCK }),
    ...((hoplimit & ~MTU_LOCK) !== 0 && { hoplimit: hoplimit & ~MTU_LOCK }),
    ...(lock.length > 0 && { lock }),
  };
  return Object.keys(metrics).length === 0 ? undefined : metrics;
}

/** Flags of the route itself: IPv6 tells them for a single next hop only. */
function ownFlags(stack: Stack, family: Family, info: Info): number {
  const single = info.hops.length === 1 ? flagsOf(stack, family, info.hops[0]) : 0;
  return family === 4 ? info.flags | single : single;
}

export function routeInfo(
  stack: Stack,
  family: Family,
  table: Table,
  key: Int32Array,
  length: number,
  info: Info,
): RouteInfo {
  const isMultipath = info.hops.length > 1;
  const metrics = metricsInfo(info);
  return {
    family,
    type: typeName(info.type),
    dst: `${formatKey(key.slice(0, family === 4 ? 1 : 4))}/${length}`,
    table: table.id,
    protocol: info.protocol,
    scope: family === 4 ? info.scope : 0,
    metric: info.metric,
    ...(!isZero(info.prefsrc) && { prefsrc: formatKey(info.prefsrc) }),
    nexthops: info.hops.map((hop) => ({
      ...hopInfo(hop),
      ...(isMultipath && { weight: hop.weight }),
      flags: flagNames(flagsOf(stack, family, hop)),
    })),
    flags: flagNames(ownFlags(stack, family, info)),
    ...(metrics !== undefined && { metrics }),
    ...(family === 6 && { pref: PREF_NAMES[info.pref] }),
    ...(info.expires !== 0 && { expires: Math.max(0, Math.floor((info.expires - stack.host.now()) / 1000)) }),
  };
}

/** Tables as the kernel lists them: by the low byte of their number, and of one bucket the newest first. */
export function inDumpOrder(tables: Iterable<Table>): Table[] {
  return [...tables].reverse().sort((a, b) => (a.id & 0xff) - (b.id & 0xff));
}

/** The prefixes of a table in the order of a dump, as words: key, then length. */
export function sortedPrefixes({ prefixes }: Table): Int32Array {
  return prefixes.words === 1 ? sorted4(prefixes) : sorted6(prefixes);
}

function sorted4(prefixes: Table['prefixes']): Int32Array {
  const heads = prefixes.heads();
  const order = new Float64Array(heads.length);
  for (let i = 0; i < heads.length; i++) {
    prefixes.loadKey(heads[i], $key);
    order[i] = ($key[0] >>> 0) * 64 + (32 - prefixes.lengthOf(heads[i]));
  }
  order.sort();
  const words = new Int32Array(order.length * 2);
  for (let i = 0; i < order.length; i++) {
    words[i * 2] = Math.floor(order[i] / 64) | 0;
    words[i * 2 + 1] = 32 - (order[i] % 64);
  }
  return words;
}

/** By the last address of each prefix; of several that end alike the longest first. */
function sorted6(prefixes: Table['prefixes']): Int32Array {
  const ends = Array.from(prefixes.heads(), (head) => {
    const length = prefixes.lengthOf(head);
    const key = new Int32Array(4);
    prefixes.loadKey(head, key);
    return { key, length, end: lastAddress(key, length) };
  });
  ends.sort((a, b) => compareEnds(a.end, b.end) || b.length - a.length);
  const words = new Int32Array(ends.length * 5);
  for (const [i, { key, length }] of ends.entries()) {
    words.set(key, i * 5);
    words[i * 5 + 4] = length;
  }
  return words;
}

function lastAddress(key: Int32Array, length: number): Uint32Array {
  return Uint32Array.from(key, (word, i) => {
    const bits = length - i * 32;
    return bits <= 0 ? -1 >>> 0 : bits >= 32 ? word >>> 0 : (word | (-1 >>> bits)) >>> 0;
  });
}

function compareEnds(a: Uint32Array, b: Uint32Array): number {
  for (let i = 0; i < 4; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}

const $key = new Int32Array(4);

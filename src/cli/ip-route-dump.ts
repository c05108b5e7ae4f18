/* `ip route save`, `restore` and `showdump`: routes as RTM_NEWROUTE messages in a file. */
import type { Family } from '../control/api/family.js';
import type { LinkInfo } from '../control/api/link.js';
import type { NextHop, RouteInfo, RouteType } from '../control/api/route.js';
import { ApiFailure } from '../control/client.js';
import { formatAddress, parseAddressBytes } from '../control/route-batch.js';
import { parseSelector } from './ip-route-filter.js';
import { eachRoute, type ListOptions, templateOf } from './ip-route-show.js';
import {
  AF_INET,
  AF_INET6,
  type Attribute,
  attributes,
  attributesOf,
  type FileKind,
  LARGE_TABLE,
  type Message,
  message,
  output,
  ROUTING_FILE,
  readMessages,
  u32,
} from './netlink-file.js';
import { netlinkLine, Refusal } from './refusal.js';
import { ROUTE_TYPES, routeText } from './route-format.js';
import type { Session } from './session.js';
import type { Words } from './words.js';

export const FILE: FileKind = {
  ...ROUTING_FILE,
  command: 'ip route',
  noun: 'route',
  magic: 0x45311224,
  type: 24,
  status: 1,
};

const enum Rta {
  Dst = 1,
  Oif = 4,
  Gateway = 5,
  Priority = 6,
  PrefSrc = 7,
  Metrics = 8,
  Multipath = 9,
  CacheInfo = 12,
  Table = 15,
  Via = 18,
  Pref = 20,
}

const enum Rtax {
  Lock = 1,
  Mtu = 2,
  HopLimit = 10,
}

/** RTNH_F_*, in the order in which they are printed. */
const FLAG_BITS: ReadonlyArray<[string, number]> = [
  ['dead', 1],
  ['onlink', 4],
  ['pervasive', 2],
  ['offload', 8],
  ['trap', 0x40],
  ['linkdown', 16],
  ['unresolved', 32],
];

const PREFERENCES = ['medium', 'high', undefined, 'low'] as const;

/** USER_HZ, in which lifetimes are told. */
const HZ = 100;

function flagBits(flags: readonly string[]): number {
  return FLAG_BITS.reduce((bits, [name, bit]) => (flags.includes(name) ? bits | bit : bits), 0);
}

function flagsFrom(bits: number): string[] {
  return FLAG_BITS.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name);
}

const bytesOf = (address: string) => parseAddressBytes(address) ?? new Uint8Array();

type Indices = ReadonlyMap<string, number>;

function wayOf(hop: NextHop, family: Family): Attribute[] {
  if (hop.gateway === undefined) return [];
  const gateway = bytesOf(hop.gateway);
  if (family === 6 || gateway.length === 4) return [[Rta.Gateway, gateway]];
  return [[Rta.Via, Buffer.concat([Buffer.from([AF_INET6, 0]), gateway])]];
}

function metricsOf({ metrics }: RouteInfo): Attribute[] {
  if (metrics === undefined) return [];
  const { mtu, hoplimit, lock = [] } = metrics;
  const list: Attribute[] = [];
  const locked = (lock.includes('mtu') ? 1 << Rtax.Mtu : 0) | (lock.includes('hoplimit') ? 1 << Rtax.HopLimit : 0);
  if (locked !== 0) list.push([Rtax.Lock, u32(locked)]);
  if (mtu !== undefined) list.push([Rtax.Mtu, u32(mtu)]);
  if (hoplimit !== undefined) list.push([Rtax.HopLimit, u32(hoplimit)]);
  return [[Rta.Metrics, attributes(list)]];
}

function hopsOf({ nexthops, family }: RouteInfo, indices: Indices): Attribute[] {
  const index = ({ dev }: NextHop) => (dev === undefined ? 0 : (indices.get(dev) ?? 0));
  if (nexthops.length === 0) return [];
  if (nexthops.length === 1) return [...wayOf(nexthops[0], family), [Rta.Oif, u32(index(nexthops[0]))]];
  const parts = nexthops.map((hop) => {
    const way = attributes(wayOf(hop, family));
    const head = Buffer.alloc(8);
    head.writeUInt16LE(8 + way.length, 0);
    head.writeUInt8(flagBits(hop.flags), 2);
    head.writeUInt8((hop.weight ?? 1) - 1, 3);
    head.writeUInt32LE(index(hop), 4);
    return Buffer.concat([head, way]);
  });
  return [[Rta.Multipath, Buffer.concat(parts)]];
}

function headOf(route: RouteInfo, length: number): Buffer {
  const head = Buffer.alloc(12);
  const family = route.family === 4 ? AF_INET : AF_INET6;
  const table = route.table < 256 ? route.table : LARGE_TABLE;
  head.set([family, length, 0, 0, table, route.protocol, route.scope, ROUTE_TYPES[route.type]]);
  head.writeUInt32LE(flagBits(route.flags), 8);
  return head;
}

export function encode(route: RouteInfo, indices: Indices): Buffer {
  const [dst, length] = route.dst.split('/');
  const list: Attribute[] = [[Rta.Table, u32(route.table)]];
  if (length !== '0') list.push([Rta.Dst, bytesOf(dst)]);
  if (route.metric !== 0 || route.family === 6) list.push([Rta.Priority, u32(route.metric)]);
  list.push(...metricsOf(route));
  if (route.prefsrc !== undefined) list.push([Rta.PrefSrc, bytesOf(route.prefsrc)]);
  list.push(...hopsOf(route, indices));
  if (route.family === 6) list.push([Rta.CacheInfo, u32(0, 0, (route.expires ?? 0) * HZ, 0, 0, 0, 0, 0)]);
  if (route.pref !== undefined) list.push([Rta.Pref, Buffer.from([PREFERENCES.indexOf(route.pref)])]);
  return message(FILE, headOf(route, Number(length)), list);
}

type Names = ReadonlyMap<number, string>;

/** A number that no link has is written as iproute2 writes it. */
const nameOf = (index: number, names: Names) => names.get(index) ?? `if${index}`;

function gatewayFrom(found: ReadonlyMap<number, Buffer>): string | undefined {
  const gateway = found.get(Rta.Gateway) ?? found.get(Rta.Via)?.subarray(2);
  return gateway === undefined ? undefined : formatAddress(Uint8Array.from(gateway));
}

function hopsFrom(found: ReadonlyMap<number, Buffer>, flags: string[], names: Names): RouteInfo['nexthops'] {
  const many = found.get(Rta.Multipath);
  if (many === undefined) {
    const index = found.get(Rta.Oif)?.readUInt32LE(0);
    const gateway = gatewayFrom(found);
    if (index === undefined && gateway === undefined) return [];
    return [
      { ...(gateway !== undefined && { gateway }), ...(index !== undefined && { dev: nameOf(index, names) }), flags },
    ];
  }
  const hops: RouteInfo['nexthops'] = [];
  for (let at = 0; at + 8 <= many.length; ) {
    const length = many.readUInt16LE(at);
    if (length < 8 || at + length > many.length) break;
    const gateway = gatewayFrom(attributesOf(many.subarray(at + 8, at + length)));
    const hop = {
      dev: nameOf(many.readUInt32LE(at + 4), names),
      weight: many[at + 3] + 1,
      flags: flagsFrom(many[at + 2]),
    };
    hops.push({ ...(gateway !== undefined && { gateway }), ...hop });
    at += (length + 3) & ~3;
  }
  return hops;
}

function metricsFrom(bytes: Buffer | undefined): RouteInfo['metrics'] {
  if (bytes === undefined) return undefined;
  const found = attributesOf(bytes);
  const number = (type: Rtax) => found.get(type)?.readUInt32LE(0);
  const [mtu, hoplimit, locked = 0] = [number(Rtax.Mtu), number(Rtax.HopLimit), number(Rtax.Lock)];
  const lock = (
    [
      ['mtu', Rtax.Mtu],
      ['hoplimit', Rtax.HopLimit],
    ] as const
  ).filter(([, bit]) => locked & (1 << bit));
  return {
    ...(mtu !== undefined && { mtu }),
    ...(hoplimit !== undefined && hoplimit !== 0xffffffff && { hoplimit }),
    ...(lock.length > 0 && { lock: lock.map(([name]) => name) }),
  };
}

function typeFrom(number: number): RouteType {
  return (Object.entries(ROUTE_TYPES).find(([, id]) => id === number)?.[0] ?? 'unicast') as RouteType;
}

export function decode({ head, attributes: bytes }: Message, names: Names): RouteInfo {
  const found = attributesOf(bytes);
  const family: Family = head[0] === AF_INET ? 4 : 6;
  const flags = flagsFrom(head.readUInt32LE(8));
  const address = (type: Rta) => {
    const value = found.get(type);
    return value === undefined ? undefined : formatAddress(Uint8Array.from(value));
  };
  const prefsrc = address(Rta.PrefSrc);
  const metrics = metricsFrom(found.get(Rta.Metrics));
  const expires = found.get(Rta.CacheInfo)?.readInt32LE(8);
  const pref = PREFERENCES[found.get(Rta.Pref)?.[0] ?? 2];
  return {
    family,
    type: typeFrom(head[7]),
    dst: `${address(Rta.Dst) ?? (family === 4 ? '0.0.0.0' : '::')}/${head[1]}`,
    table: found.get(Rta.Table)?.readUInt32LE(0) ?? head[4],
    protocol: head[5],
    scope: head[6],
    metric: found.get(Rta.Priority)?.readUInt32LE(0) ?? 0,
    nexthops: hopsFrom(found, flags, names),
    flags,
    ...(prefsrc !== undefined && { prefsrc }),
    ...(metrics !== undefined && { metrics }),
    ...(expires && { expires: Math.trunc(expires / HZ) }),
    ...(pref !== undefined && { pref }),
  };
}

async function links(session: Session): Promise<LinkInfo[]> {
  return session.ask<LinkInfo[]>({ op: 'link.list' });
}

export async function save(session: Session, words: Words, options: ListOptions): Promise<number> {
  const selector = parseSelector(words, options);
  const write = output(FILE, session);
  const indices = new Map((await links(session)).map(({ ifname, ifindex }) => [ifname, ifindex]));
  write(u32(FILE.magic));
  if (options.family === 'link') return 0;
  await eachRoute(session, selector, (routes) => write(Buffer.concat(routes.map((route) => encode(route, indices)))));
  return 0;
}

async function read(session: Session, verb: string): Promise<RouteInfo[]> {
  const messages = await readMessages(FILE, verb);
  const names = new Map((await links(session)).map(({ ifname, ifindex }) => [ifindex, ifname]));
  return messages.map((one) => decode(one, names));
}

/** Always in text, whatever was asked for, as iproute2. */
export async function showdump(session: Session, _: Words, options: ListOptions): Promise<number> {
  for (const route of await read(session, 'showdump')) session.terminal.out(routeText(route, options));
  return 0;
}

/** What others need comes first: own addresses, then their networks, then what lies behind gateways. */
function orderOf({ nexthops, prefsrc, dst }: RouteInfo): number | undefined {
  const hasGateway = nexthops.length === 1 && nexthops[0].gateway !== undefined;
  if (hasGateway) return 2;
  return prefsrc === undefined || prefsrc === dst.split('/')[0] ? 0 : 1;
}

/** One that is there already is passed over. */
async function add(session: Session, route: RouteInfo): Promise<void> {
  const { verb, route: rest } = templateOf(route, 'prepend');
  const { pref, expires } = route;
  const more = { ...(pref !== undefined && { pref }), ...(expires !== undefined && { expires }) };
  try {
    await session.ask({ op: 'route.change', verb, route: { family: route.family, dst: route.dst, ...rest, ...more } });
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    if (error.error.errno !== 'EEXIST') throw new Refusal(netlinkLine(error.error), 2, error.error.message);
  }
}

export async function restore(session: Session): Promise<number> {
  const routes = await read(session, 'restore');
  for (const order of [0, 1, 2]) for (const route of routes) if (orderOf(route) === order) await add(session, route);
  return 0;
}

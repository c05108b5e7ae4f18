/*
 * From the text of a configuration file to a Config: syntax, then the schema, then what only makes sense together (checks.ts).
 * Everything that can be wrong with the file itself is found here, before anything is done.
 */
import { dirname, resolve } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import type { AddrGenMode, TapPeer } from '../api/link.js';
import type { NextHop } from '../api/route.js';
import { checkConfig, checkName, checkSpaceName } from './checks.js';
import { type AddressConfig, normalAddress, normalRoute, normalSysctl, type RouteConfig } from './inet.js';
import {
  type Config,
  type DataplaneConfig,
  type LinkConfig,
  normalLink,
  normalStation,
  type PortConfig,
  placeOf,
  present,
  type StationConfig,
} from './model.js';
import { neighbourOf, type RawNeighbour } from './neighbours.js';
import { netfilterOf, type RawNetfilter } from './netfilter.js';
import type { TextProblem } from './rule-text.js';
import { type RawRule, ruleOf } from './rules.js';
import { SCHEMA } from './schema.js';
import { type RawServices, servicesOf } from './services.js';
import { Source } from './source.js';
import { worded } from './wording.js';

/** A link of the file, after the schema has passed it. */
interface RawLink
  extends Omit<LinkConfig, 'name' | 'kind' | 'tap' | 'packet' | 'pcap' | 'bridge' | 'peer' | 'addresses' | 'vlan'> {
  type: LinkConfig['kind'];
  addr?: RawAddress | RawAddress[];
  addrgenmode?: AddrGenMode;
  id?: number;
  protocol?: NonNullable<LinkConfig['vlan']>['protocol'];
  ageing_time?: string | number;
  group_fwd_mask?: number;
  transparent?: boolean;
  fdb_max_learned?: number;
  queues?: number;
  gso?: boolean;
  persist?: boolean;
  peer?: string | RawPeer;
  dev?: string;
  netns?: string;
  read?: string;
  write?: string;
  port?: PortConfig;
}

type RawPeer = Omit<TapPeer, 'addresses'> & { addr?: string | string[] };

type RawAddress = string | (Omit<AddressConfig, 'local' | 'broadcast'> & { address: string; brd?: string });

interface RawHop extends Omit<NextHop, 'gateway'> {
  via?: string;
}

interface RawRoute
  extends Omit<RouteConfig, 'space' | 'family' | 'dst' | 'protocol' | 'prefsrc' | 'nexthops' | 'metrics'> {
  to: string;
  via?: string;
  dev?: string;
  onlink?: boolean;
  nexthops?: RawHop[] | null;
  src?: string;
  proto?: number;
  mtu?: number;
  hoplimit?: number;
}

interface RawSpace extends RawServices, RawNetfilter {
  links?: Record<string, RawLink> | null;
  fdb?: Array<Omit<StationConfig, 'state'> & Partial<StationConfig>> | null;
  routes?: RawRoute[] | null;
  rules?: RawRule[] | null;
  neighbours?: RawNeighbour[] | null;
  sysctl?: Record<string, string | number> | null;
}

interface RawFile extends RawSpace {
  dataplane?: DataplaneConfig | null;
  namespaces?: Record<string, RawSpace | null> | null;
}

const UNIT_CS: Record<string, number> = { ms: 0.1, s: 100, m: 6000, min: 6000, h: 360_000 };

let validator: ValidateFunction | undefined;

function validate(source: Source): void {
  validator ??= new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true }).compile(SCHEMA);
  validator(source.value);
  for (const error of validator.errors ?? []) {
    const finding = worded(error, source.value);
    if (finding !== undefined) source.problem(finding.path, finding.text);
  }
}

/** The keys of what should be a map; the schema says so if it is none. */
function keysIn(value: unknown, key: string): Array<[string, unknown]> {
  const map = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return typeof map !== 'object' || map === null || Array.isArray(map) ? [] : Object.entries(map);
}

function checkNames(source: Source): void {
  const spaces = keysIn(source.value, 'namespaces');
  for (const [name] of spaces) {
    const text = checkSpaceName(name);
    if (text !== undefined) source.problem(['namespaces', name], text);
  }
  for (const [place, value] of [[[], source.value], ...spaces.map(([name, value]) => [['namespaces', name], value])]) {
    for (const [name] of keysIn(value, 'links')) {
      const text = checkName(name);
      if (text !== undefined) source.problem([...(place as string[]), 'links', name], text);
    }
  }
}

/** In 1/100 s; not an integer if it is finer than that. */
function ageingOf(time: string | number | undefined): number | undefined {
  if (time === undefined || time === 0) return time;
  const [, number, unit] = /^([\d.]+)([a-z]+)$/.exec(String(time)) ?? [];
  const cs = Number(number) * UNIT_CS[unit];
  // Decimal fractions are not exact: 0.29 × 100 is 28.999…
  return Math.abs(cs - Math.round(cs)) < 1e-6 ? Math.round(cs) : cs;
}

function peerOf(peer: RawPeer): TapPeer {
  const { addr, ...rest } = peer;
  return addr === undefined ? rest : { ...rest, addresses: [addr].flat() };
}

/** Turns relative paths of a file into absolute ones. */
type Locate = (path: string | undefined) => string | undefined;

function tapOf(raw: RawLink, locate: Locate): NonNullable<LinkConfig['tap']> {
  const { queues, gso, persist } = raw;
  const peer = typeof raw.peer === 'string' ? undefined : raw.peer;
  if (peer?.netns?.includes('/') === true) peer.netns = locate(peer.netns) ?? peer.netns;
  return present<NonNullable<LinkConfig['tap']>>({
    queues,
    gso,
    persist,
    peer: peer === undefined ? undefined : peerOf(peer),
  });
}

function addressOf(raw: RawAddress): AddressConfig {
  if (typeof raw === 'string') return normalAddress({ local: raw });
  const { address: local, brd, ...rest } = raw;
  return normalAddress({ local, ...rest, ...(brd === undefined ? {} : { broadcast: brd }) });
}

/** `default` is of the family of its router, IPv4 without one. */
function routeOf(raw: RawRoute, space: string | undefined): RouteConfig {
  const { to, via, dev, onlink, nexthops, src, proto, mtu, hoplimit, ...rest } = raw;
  const isIpv6 = (text: string | undefined): boolean => text?.includes(':') === true;
  const hops = nexthops ?? (via === undefined && dev === undefined ? [] : [present<RawHop>({ via, dev, onlink })]);
  const family = to === 'default' ? (hops.some((hop) => isIpv6(hop.via)) ? 6 : 4) : isIpv6(to) ? 6 : 4;
  const dst =
    to === 'default'
      ? family === 6
        ? '::/0'
        : '0.0.0.0/0'
      : to.includes('/')
        ? to
        : `${to}/${family === 6 ? 128 : 32}`;
  const metrics = mtu === undefined && hoplimit === undefined ? undefined : present({ mtu, hoplimit });
  return normalRoute(
    present<RouteConfig>({
      space,
      family,
      dst,
      ...rest,
      protocol: proto,
      prefsrc: src,
      nexthops: hops.map(({ via: gateway, ...hop }) => present<NextHop>({ gateway, ...hop })),
      metrics,
    }),
  );
}

function linkOf(name: string, place: string | undefined, raw: RawLink, locate: Locate): LinkConfig {
  const { type: kind, address, mtu, up, master, port, group_fwd_mask, transparent, fdb_max_learned, dev, netns } = raw;
  const ageing_time = ageingOf(raw.ageing_time);
  const space = netns?.includes('/') === true ? locate(netns) : netns;
  return normalLink(
    present<LinkConfig>({
      name,
      kind,
      space: place,
      addresses: raw.addr === undefined ? undefined : [raw.addr].flat().map(addressOf),
      addr_gen_mode: raw.addrgenmode,
      peer: typeof raw.peer === 'string' ? raw.peer : undefined,
      link: raw.link,
      vlan:
        kind === 'vlan'
          ? { id: raw.id ?? 0, ...(raw.protocol === undefined ? {} : { protocol: raw.protocol }) }
          : undefined,
      address,
      mtu,
      up,
      master,
      port,
      bridge: kind === 'bridge' ? present({ ageing_time, group_fwd_mask, transparent, fdb_max_learned }) : undefined,
      tap: kind === 'tap' ? tapOf(raw, locate) : undefined,
      packet: kind === 'packet' ? present({ dev: dev ?? '', netns: space }) : undefined,
      pcap: kind === 'pcap' ? present({ read: locate(raw.read), write: locate(raw.write) }) : undefined,
    }),
  );
}

/** What a file says of one namespace; `keys`: of a section, in order. */
function spaceOf(
  raw: RawSpace,
  space: string | undefined,
  keys: (section: string) => string[],
  locate: Locate,
  report: (key: string, problem: TextProblem) => void,
): Required<Omit<Config, 'dataplane' | 'namespaces'>> {
  const links = keys('links').map((name) => linkOf(name, space, raw.links?.[name] as RawLink, locate));
  const bridges = new Set(links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name));
  const fdb = (raw.fdb ?? []).map((station) =>
    normalStation({
      state: bridges.has(station.dev) ? 'permanent' : 'static',
      ...station,
      ...(space === undefined ? {} : { space }),
    }),
  );
  const routes = (raw.routes ?? []).map((route) => routeOf(route, space));
  const rules = (raw.rules ?? []).map((rule) => ruleOf(rule, space));
  const neighbours = (raw.neighbours ?? []).map((neighbour) => neighbourOf(neighbour, space));
  const services = servicesOf(raw, space, keys);
  const sysctls = keys('sysctl').map((key) => normalSysctl(present({ space, key, value: String(raw.sysctl?.[key]) })));
  const netfilter = netfilterOf(raw, space, report);
  return { links, fdb, routes, rules, neighbours, services, sysctls, netfilter };
}

function configOfFile(file: RawFile, source: Source, locate: Locate): Config {
  const namespaces = source.keys('namespaces');
  const spaces = [undefined, ...namespaces].map((space) => {
    const place = placeOf(present({ space }));
    const raw = space === undefined ? file : (file.namespaces?.[space] ?? {});
    const report = (key: string, { line, text }: TextProblem): void => source.textProblem([...place, key], line, text);
    return spaceOf(raw, space, (section) => source.keys(...place, section), locate, report);
  });
  const sections = (['routes', 'rules', 'neighbours', 'services', 'sysctls', 'netfilter'] as const)
    .map((key) => [key, spaces.flatMap((space): unknown[] => space[key])] as const)
    .filter(([, list]) => list.length > 0);
  const dataplane = { ...file.dataplane };
  return {
    ...(Object.keys(dataplane).length === 0 ? {} : { dataplane }),
    links: spaces.flatMap(({ links }) => links),
    fdb: spaces.flatMap(({ fdb }) => fdb),
    ...(namespaces.length === 0 ? {} : { namespaces }),
    ...Object.fromEntries(sections),
  };
}

export interface ConfigFile {
  config: Config;
  source: Source;
}

/** `folder`: where a relative `file` starts, the reader's working directory. */
export function readConfig(text: string, file: string, folder = process.cwd()): ConfigFile {
  const source = new Source(text, file);
  source.throwFirst('read');
  checkNames(source);
  validate(source);
  source.throwFirst('read');
  const base = file === '-' ? folder : dirname(resolve(folder, file));
  const config = configOfFile((source.value ?? {}) as RawFile, source, (path) =>
    path === undefined ? undefined : resolve(base, path),
  );
  checkConfig(config, (path, problem) => source.problem(path, problem));
  source.throwFirst('read');
  return { config, source };
}

/** Throws a SluiceError that names file, line and key. */
export function parseConfig(text: string, file: string, folder?: string): Config {
  return readConfig(text, file, folder).config;
}

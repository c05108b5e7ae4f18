/*
 * From one configuration to another: the requests in between.
 *
 * - A link that is the same in both is in no request: a port keeps its stations, a container its device.
 * - What can be changed in place is: address, MTU, master, options, addresses, up or down.
 * - What cannot (type, the words of tap, peer, packet and pcap, what a vlan lies on, a veth's other end; a bridge's address or MTU back
 *   to "from its ports") is deleted and made anew, and what goes with it: vlans on it, the other end. The kernel's end of
 *   a TAP follows the link's MTU where it has none of its own, so it counts, too.
 * - What the target does not have is deleted. A port's address that the target does not say may be any: it stays.
 *
 * Order: services, rules, neighbours, routes and addresses that nobody wants; deletions, of links, then of namespaces; new
 * namespaces, their sysctls and netfilter, so that no link is up without its rules; links that are to be down; additions, which open devices and so are what can fail, bridges first;
 * changes and masters; sysctls of links; port options; stations; addresses; links up; routes; rules, which might hide a gateway
 * from a route; neighbours; services.
 */
import type { ChangeAddress } from '../api/address.js';
import type { ChangeFdb } from '../api/fdb.js';
import type { AddLink, SetLink, VethPeer } from '../api/link.js';
import type { Request } from '../api/request.js';
import { sysctlLink } from '../sysctl-keys.js';
import { kernelEnd } from './checks.js';
import { addressChanges, isOfLink, type RouteConfig, routeChanges, sysctlChanges } from './inet.js';
import {
  BRIDGE_OPTION_DEFAULTS,
  type Config,
  DEFAULT_MTU,
  differing,
  HOST,
  hasOwnMtu,
  isSame,
  keyFrom,
  keyOf,
  type LinkConfig,
  PORT_OPTION_DEFAULTS,
  type PortConfig,
  present,
  type StationConfig,
  splitKey,
  usualMtu,
} from './model.js';
import { neighbourChanges } from './neighbours.js';
import { netfilterChanges } from './netfilter.js';
import { ruleChanges } from './rules.js';
import { serviceChanges } from './services.js';

/** A request and the namespace that it is for; absent: host. */
export type Planned = Request & { ns?: string };

type Links = Map<string, LinkConfig>;

const EMPTY: Config = { links: [], fdb: [] };

function byKey(config: Config): Links {
  return new Map(config.links.map((link) => [keyOf(link), link]));
}

function inSpace(space: string | undefined, request: Request): Planned {
  return space === undefined ? request : { ...request, ns: space };
}

/** The MTU of a TAP's kernel end. */
function endMtu({ mtu, tap }: LinkConfig): number {
  return tap?.peer?.mtu ?? mtu ?? DEFAULT_MTU;
}

function withoutEndMtu({ tap = {} }: LinkConfig): object {
  const { peer = {}, ...rest } = tap;
  return { ...rest, peer: { ...peer, mtu: undefined } };
}

/** What a link is made of: the key that says it, where that differs. */
function otherKind(from: LinkConfig, to: LinkConfig): string | undefined {
  if (from.kind !== to.kind) return 'type';
  if (from.peer !== to.peer) return 'peer';
  if (from.link !== to.link) return 'link';
  return isSame(from.vlan, to.vlan) ? undefined : 'id or protocol';
}

/** Why a link cannot become another in place: the key that differs; undefined if it can. */
export function remakeKey(from: LinkConfig, to: LinkConfig): string | undefined {
  const key = otherKind(from, to);
  if (key !== undefined) return key;
  if (from.kind === 'bridge' && from.address !== undefined && to.address === undefined) return 'address';
  if (!hasOwnMtu(from) && from.mtu !== undefined && to.mtu === undefined) return 'mtu';
  if (!isSame(from.packet, to.packet)) return isSame(from.packet?.dev, to.packet?.dev) ? 'netns' : 'dev';
  if (!isSame(from.pcap, to.pcap)) return isSame(from.pcap?.read, to.pcap?.read) ? 'write' : 'read';
  if (from.kind !== 'tap') return undefined;
  if (endMtu(from) !== endMtu(to)) return 'peer.mtu';
  if (isSame(withoutEndMtu(from), withoutEndMtu(to))) return undefined;
  return isSame(from.tap?.peer, to.tap?.peer) ? 'queues, gso or persist' : 'peer';
}

/** Links that a change to `target` makes anew, and the key that is why. */
export function remade(target: Config, current: Config): Map<string, string> {
  const wanted = byKey(target);
  const out = new Map<string, string>();
  for (const link of current.links) {
    const to = wanted.get(keyOf(link));
    const key = to === undefined ? undefined : remakeKey(link, to);
    if (key !== undefined) out.set(keyOf(link), key);
  }
  const gone = new Set([...out.keys(), ...current.links.map(keyOf).filter((key) => !wanted.has(key))]);
  for (const key of goingWith(current, gone)) if (wanted.has(key) && !out.has(key)) out.set(key, 'link or peer');
  return out;
}

/** What a link cannot be without: what it lies on, its other end. */
function needs({ space, link, peer }: LinkConfig): string[] {
  return [link, peer].flatMap((reference) => (reference === undefined ? [] : [keyFrom(space, reference)]));
}

/** The links that go when others go, and those. */
function goingWith(config: Config, gone: ReadonlySet<string>): Set<string> {
  const all = new Set(gone);
  for (let before = -1; before !== all.size; ) {
    before = all.size;
    for (const link of config.links) if (needs(link).some((key) => all.has(key))) all.add(keyOf(link));
  }
  return all;
}

/** What is left when links are deleted: ports of a bridge that goes are in no bridge, and stations go with their port. */
function without(config: Config, gone: Set<string>): Config {
  const masterOf = ({ space, master }: LinkConfig): string => (master === undefined ? '' : keyFrom(space, master));
  const masters = new Map(config.links.map((link) => [keyOf(link), masterOf(link)]));
  const links = config.links
    .filter((link) => !gone.has(keyOf(link)))
    .map((link) => {
      if (!gone.has(masterOf(link))) return link;
      const { master: _, port: __, ...rest } = link;
      return rest;
    });
  const fdb = config.fdb.filter((station) => {
    const dev = devOf(station);
    return !gone.has(dev) && !gone.has(masters.get(dev) ?? '');
  });
  const sysctls = config.sysctls?.filter(({ space, key }) => {
    const name = sysctlLink(key);
    return name === undefined || !gone.has(keyFrom(space, name));
  });
  return { ...config, links, fdb, ...(sysctls === undefined ? {} : { sysctls }) };
}

function devOf({ space, dev }: StationConfig): string {
  return keyFrom(space, dev);
}

/** Bridges first; what lies on another behind it, and a packet port on the kernel's end of a TAP of the same file. */
function inOrder(links: LinkConfig[]): LinkConfig[] {
  const ends = new Set(links.filter(({ kind }) => kind === 'tap').map(kernelEnd));
  const lowers = new Map(links.map((link) => [keyOf(link), link]));
  const rank = (link: LinkConfig): number => {
    const { kind, packet } = link;
    if (kind === 'bridge') return 0;
    if (kind === 'vlan') return 3 + depthOf(link, lowers);
    return packet !== undefined &&
      ends.has(`${packet.netns?.replace(/^\/(var\/)?run\/netns\//, '') ?? ''}\n${packet.dev}`)
      ? 2
      : 1;
  };
  return [...links].sort((a, b) => rank(a) - rank(b));
}

/** How many vlans a vlan lies on. */
function depthOf({ space, link }: LinkConfig, links: Links, limit = links.size): number {
  const lower = link === undefined ? undefined : links.get(keyFrom(space, link));
  return lower?.kind !== 'vlan' || limit === 0 ? 0 : 1 + depthOf(lower, links, limit - 1);
}

/** A link that is added: its master, options and addresses come later. */
function bare({ up: _, master: __, port: ___, addresses: ____, ...link }: LinkConfig): LinkConfig {
  return link;
}

function addition(link: LinkConfig, links: Links): Planned {
  const { space, peer, kind, ...rest } = bare(link);
  const request = { op: 'link.add', kind: kind as AddLink['kind'], ...rest } as const;
  if (peer !== undefined) return inSpace(space, { ...request, veth: { peer: otherEnd(link, links) } });
  if (link.link === undefined) return inSpace(space, request);
  const lower = splitKey(keyFrom(space, link.link));
  const netns = lower.space === space ? {} : { netns: space ?? HOST };
  return inSpace(lower.space, { ...request, link: lower.name, ...netns });
}

/** A veth's other end, as its own description has it. */
function otherEnd({ space, peer = '' }: LinkConfig, links: Links): VethPeer {
  const key = keyFrom(space, peer);
  const other = splitKey(key);
  const { address, mtu } = links.get(key) ?? {};
  const netns = other.space === space ? undefined : (other.space ?? HOST);
  return present<VethPeer>({ name: other.name, netns, address, mtu });
}

/** Of a pair one end, which brings the other. */
function once(links: LinkConfig[]): LinkConfig[] {
  const made = new Set<string>();
  return links.filter((link) => {
    made.add(keyOf(link));
    return link.peer === undefined || !made.has(keyFrom(link.space, link.peer));
  });
}

/** Address, MTU, bridge options and master: what one request can carry, before port options. */
function change(from: LinkConfig, to: LinkConfig): Planned | undefined {
  const { name, space } = to;
  const usual = hasOwnMtu(to) ? usualMtu(to) : undefined;
  const mtu = to.mtu ?? usual;
  const bridge = differing({ ...BRIDGE_OPTION_DEFAULTS, ...to.bridge }, { ...BRIDGE_OPTION_DEFAULTS, ...from.bridge });
  const changes: Partial<SetLink> = {
    ...(to.address === undefined || to.address === from.address ? {} : { address: to.address }),
    ...(mtu === undefined || mtu === (from.mtu ?? usual) ? {} : { mtu }),
    ...(to.addr_gen_mode === from.addr_gen_mode ? {} : { addr_gen_mode: to.addr_gen_mode ?? 'eui64' }),
    ...(to.master === from.master ? {} : { master: to.master ?? null }),
    ...(bridge === undefined ? {} : { bridge }),
  };
  return Object.keys(changes).length === 0 ? undefined : inSpace(space, { op: 'link.set', name, ...changes });
}

function wholePort(port: PortConfig = {}): Required<PortConfig> {
  return { ...PORT_OPTION_DEFAULTS, ...port, storm: { ...PORT_OPTION_DEFAULTS.storm, ...port.storm } };
}

function portChange(from: LinkConfig | undefined, to: LinkConfig): Planned | undefined {
  if (to.master === undefined) return undefined;
  // Options start anew in another bridge.
  const old = wholePort(from?.master === to.master ? from.port : {});
  const port = differing<PortConfig>(wholePort(to.port), old);
  return port === undefined ? undefined : inSpace(to.space, { op: 'link.set', name: to.name, port });
}

function stationRequest(op: ChangeFdb['op'], station: StationConfig, isBridge: boolean): Planned {
  const { space, mac, dev, state, sticky } = station;
  const where = isBridge ? { self: true } : { master: true };
  const how = op === 'fdb.del' ? {} : { state, ...(sticky === true ? { sticky } : {}) };
  return inSpace(space, { op, mac, dev, ...where, ...how });
}

/** A station by bridge and address. */
function stationsOf(config: Config, links: Links): Map<string, StationConfig> {
  return new Map(
    config.fdb.map((station) => {
      const { space, dev, mac } = station;
      return [`${keyFrom(space, links.get(devOf(station))?.master ?? dev)}\n${mac}`, station];
    }),
  );
}

function stationChanges(target: Config, now: Config): Planned[] {
  const [wanted, links] = [byKey(target), byKey(now)];
  const isStill = (station: StationConfig): boolean =>
    links.get(devOf(station))?.master === wanted.get(devOf(station))?.master;
  const old = stationsOf({ links: now.links, fdb: now.fdb.filter(isStill) }, links);
  const next = stationsOf(target, wanted);
  const isBridge = (station: StationConfig): boolean => wanted.get(devOf(station))?.kind === 'bridge';
  const gone = [...old]
    .filter(([key]) => !next.has(key))
    .map(([, station]) => stationRequest('fdb.del', station, isBridge(station)));
  // `replace`, as the bridge may have learned the address in the meantime.
  const fresh = [...next].filter(([key, station]) => !isSame(old.get(key), station));
  return [...gone, ...fresh.map(([, station]) => stationRequest('fdb.replace', station, isBridge(station)))];
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** Ports before their bridges; of what goes with another, only that. `lo` stays. */
function deletions(current: Config, gone: Set<string>): Planned[] {
  const links = once(current.links.filter((link) => gone.has(keyOf(link)) && link.kind !== 'lo'));
  const alone = links.filter((link) => link.link === undefined || !gone.has(keyFrom(link.space, link.link)));
  const [bridges, ports] = [
    alone.filter(({ kind }) => kind === 'bridge'),
    alone.filter(({ kind }) => kind !== 'bridge'),
  ];
  return [...ports, ...bridges].map(({ space, name }) => inSpace(space, { op: 'link.del', name }));
}

function namespaceChanges(target: Config, current: Config): { gone: Planned[]; fresh: Planned[] } {
  const [wanted, there] = [target.namespaces ?? [], current.namespaces ?? []];
  return {
    gone: there.filter((name) => !wanted.includes(name)).map((name) => ({ op: 'netns.del', name })),
    fresh: wanted.filter((name) => !there.includes(name)).map((name) => ({ op: 'netns.add', name })),
  };
}

/** A `lo` that a configuration does not mention is as at first. */
function withLoopbacks(target: Config, current: Config): Config {
  const wanted = byKey(target);
  const spaces = new Set([undefined, ...(target.namespaces ?? [])]);
  const unsaid = current.links
    .filter((link) => link.kind === 'lo' && !wanted.has(keyOf(link)) && spaces.has(link.space))
    .map(({ name, kind, space }) => present<LinkConfig>({ name, kind, space }));
  return { ...target, links: [...target.links, ...unsaid] };
}

const isIpv6 = ({ local }: { local: string }): boolean => local.includes(':');

/** Addresses of links: what goes, before anything else, and what comes, before links are up. */
function addressPlan(target: Config, there: Links, downs: ReadonlySet<string>): { gone: Planned[]; fresh: Planned[] } {
  const plan: { gone: Planned[]; fresh: Planned[] } = { gone: [], fresh: [] };
  for (const link of target.links) {
    const { space, name, addresses = [] } = link;
    const changes = addressChanges(name, there.get(keyOf(link))?.addresses ?? [], addresses);
    // IPv6 addresses go when their link goes down.
    const lost = downs.has(keyOf(link)) ? addressChanges(name, [], addresses.filter(isIpv6)) : [];
    const added = (request: ChangeAddress): boolean => request.op !== 'addr.del';
    const kept = changes.filter(added).filter(({ local }) => !lost.some((other) => other.local === local));
    plan.gone.push(...changes.filter((request) => !added(request)).map((request) => inSpace(space, request)));
    plan.fresh.push(...[...kept, ...lost].map((request) => inSpace(space, request)));
  }
  return plan;
}

/** Routes that nobody wants, and those that are to come, or to come again as their link is touched. */
function routePlan(
  target: Config,
  current: Config,
  touched: ReadonlySet<string>,
): { gone: Planned[]; fresh: Planned[] } {
  const isTouched = ({ space, nexthops }: RouteConfig): boolean =>
    nexthops.some(({ dev }) => dev !== undefined && touched.has(keyFrom(space, dev)));
  const [wanted, there] = [target.routes ?? [], current.routes ?? []];
  const steps = routeChanges(there, wanted);
  const again = routeChanges(
    there.filter((route) => !isTouched(route)),
    wanted,
  ).filter(({ verb }) => verb === 'replace');
  const spaces = new Set([undefined, ...(target.namespaces ?? [])]);
  const request = ({ space, verb, route }: (typeof steps)[number]): Planned =>
    inSpace(space, { op: 'route.change', verb, route });
  return {
    gone: steps.filter(({ verb, space }) => verb === 'del' && spaces.has(space)).map(request),
    fresh: again.map(request),
  };
}

/** What lies on another is up only while that is: first those below, then those above; vlans that should be down again. */
function upPlan(links: LinkConfig[], isUp: (link: LinkConfig) => boolean): Planned[] {
  const all = new Map(links.map((link) => [keyOf(link), link]));
  const set = ({ space, name }: LinkConfig, up: boolean): Planned => inSpace(space, { op: 'link.set', name, up });
  const up = links
    .filter((link) => link.up === true && !isUp(link))
    .map((link) => ({ link, depth: link.kind === 'vlan' ? 1 + depthOf(link, all) : 0 }))
    .sort((a, b) => a.depth - b.depth)
    .map(({ link }) => link);
  const raised = new Set(up.map(keyOf));
  const pulled = links.filter(
    (link) => link.kind === 'vlan' && link.up !== true && needs(link).some((key) => raised.has(key)),
  );
  return [...up.map((link) => set(link, true)), ...pulled.map((link) => set(link, false))];
}

/** The requests that make `target` of `current`, both of which are valid. */
export function planOf(said: Config, current: Config): Planned[] {
  const target = withLoopbacks(said, current);
  const wanted = byKey(target);
  const anew = remade(target, current);
  const unwanted = current.links.map(keyOf).filter((key) => !wanted.has(key) || anew.has(key));
  const gone = goingWith(current, new Set(unwanted));
  const now = without(current, gone);
  const there = byKey(now);
  const isUp = (link: LinkConfig): boolean => there.get(keyOf(link))?.up === true;
  const downs = target.links.filter((link) => link.up !== true && isUp(link));
  const added = once(inOrder(target.links.filter((link) => !there.has(keyOf(link)) && link.kind !== 'lo')));
  const namespaces = namespaceChanges(target, current);
  const addresses = addressPlan(target, there, new Set(downs.map(keyOf)));
  const touched = new Set([...gone, ...downs.map(keyOf), ...addresses.gone.map(touchedBy)]);
  const routes = routePlan(target, current, touched);
  const sysctls = sysctlChanges(now.sysctls ?? [], target.sysctls ?? []).filter(
    ({ space }) => space === undefined || (target.namespaces ?? []).includes(space),
  );
  const sysctl = ({ space, key, value }: (typeof sysctls)[number]): Planned =>
    inSpace(space, { op: 'sysctl.set', key, value });
  const made = new Set(added.map(keyOf));
  const before = (link: LinkConfig): LinkConfig => there.get(keyOf(link)) ?? fresh(link, made.has(keyOf(link)));
  const changes = target.links.map((link) => change(before(link), link)).filter(isThere);
  const rest = restPlan(target, current, gone, new Set([...downs.map(keyOf), ...readdressed(changes)]));
  return [
    ...rest.gone,
    ...routes.gone,
    ...addresses.gone,
    ...deletions(current, gone),
    ...namespaces.gone,
    ...namespaces.fresh,
    ...sysctls.filter((one) => !isOfLink(one)).map(sysctl),
    ...netfilterPlan(target, current),
    ...downs.map(({ space, name }) => inSpace(space, { op: 'link.set', name, up: false })),
    ...added.map((link) => addition(link, wanted)),
    ...changes,
    ...sysctls.filter(isOfLink).map(sysctl),
    ...target.links.map((link) => portChange(there.get(keyOf(link)), link)).filter(isThere),
    ...stationChanges(target, now),
    ...addresses.fresh,
    ...upPlan(target.links, isUp),
    ...routes.fresh,
    ...rest.fresh,
  ];
}

/** Links that get another MAC address, and so lose their neighbours. */
function readdressed(changes: Planned[]): string[] {
  return changes.flatMap((request) =>
    request.op === 'link.set' && request.address !== undefined ? [keyFrom(request.ns, request.name)] : [],
  );
}

/** Rules, neighbours and services; `gone`: links that are deleted, `lost`: those that lose their neighbours only. */
function restPlan(
  target: Config,
  current: Config,
  gone: ReadonlySet<string>,
  lost: ReadonlySet<string>,
): { gone: Planned[]; fresh: Planned[] } {
  const spaces = new Set([undefined, ...(target.namespaces ?? [])]);
  const still = <T extends { space?: string }>(list: T[] = []): T[] => list.filter(({ space }) => spaces.has(space));
  const neighbours = target.neighbours ?? [];
  const plans = [
    ruleChanges(still(current.rules), target.rules ?? []),
    neighbourChanges(still(current.neighbours), neighbours, new Set([...gone, ...lost])),
    serviceChanges(still(current.services), target.services ?? [], gone),
  ];
  const requests = (steps: Array<{ space?: string; request: Request }>): Planned[] =>
    steps.map(({ space, request }) => inSpace(space, request));
  return {
    gone: plans.toReversed().flatMap((plan) => requests(plan.gone)),
    fresh: plans.flatMap((plan) => requests(plan.fresh)),
  };
}

function netfilterPlan(target: Config, current: Config): Planned[] {
  const spaces = new Set([undefined, ...(target.namespaces ?? [])]);
  const still = (current.netfilter ?? []).filter(({ space }) => spaces.has(space));
  return netfilterChanges(still, target.netfilter ?? []).map(({ space, request }) => inSpace(space, request));
}

function touchedBy(request: Planned): string {
  return 'dev' in request ? keyFrom(request.ns, String(request.dev)) : '';
}

/** A link as `addition` makes it: by itself, or as the other end of a pair. `lo` is there anyway. */
function fresh(link: LinkConfig, isOwn: boolean): LinkConfig {
  const { name, kind, space } = link;
  if (kind === 'lo') return present<LinkConfig>({ name, kind, space });
  const { addr_gen_mode: mode, ...rest } = bare(link);
  return isOwn && mode !== undefined ? { ...rest, addr_gen_mode: mode } : rest;
}

/** The requests that build a configuration from nothing. */
export function requestsOf(config: Config): Planned[] {
  return planOf(config, EMPTY);
}

/*
 * From one configuration to another: the requests in between.
 *
 * - A link that is the same in both is in no request: a port keeps its stations, a container its device.
 * - What can be changed in place is: address, MTU, master, options, up or down.
 * - What cannot (type, the words of tap, peer, packet and pcap; a bridge's address or MTU back to "from its ports") is deleted
 *   and made anew. The kernel's end of a TAP follows the link's MTU where it has none of its own, so it counts, too.
 * - What the target does not have is deleted. A port's address that the target does not say may be any: it stays.
 *
 * Order: deletions; links that are to be down; additions, which open devices and so are what can fail, bridges first; changes
 * and masters; port options; stations; links up.
 */
import type { AddLink, ChangeFdb, Request, SetLink } from '../api.js';
import { kernelEnd } from './checks.js';
import {
  BRIDGE_OPTION_DEFAULTS,
  type Config,
  DEFAULT_MTU,
  differing,
  hasOwnMtu,
  isSame,
  type LinkConfig,
  PORT_OPTION_DEFAULTS,
  type PortConfig,
  type StationConfig,
} from './model.js';

type Links = Map<string, LinkConfig>;

const EMPTY: Config = { links: [], fdb: [] };

function byName(config: Config): Links {
  return new Map(config.links.map((link) => [link.name, link]));
}

/** The MTU of a TAP's kernel end. */
function endMtu({ mtu, tap }: LinkConfig): number {
  return tap?.peer?.mtu ?? mtu ?? DEFAULT_MTU;
}

function withoutEndMtu({ tap = {} }: LinkConfig): object {
  const { peer = {}, ...rest } = tap;
  return { ...rest, peer: { ...peer, mtu: undefined } };
}

/** Why a link cannot become another in place: the key that differs; undefined if it can. */
export function remakeKey(from: LinkConfig, to: LinkConfig): string | undefined {
  if (from.kind !== to.kind) return 'type';
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
  const wanted = byName(target);
  const out = new Map<string, string>();
  for (const link of current.links) {
    const to = wanted.get(link.name);
    const key = to === undefined ? undefined : remakeKey(link, to);
    if (key !== undefined) out.set(link.name, key);
  }
  return out;
}

/** What is left when links are deleted: ports of a bridge that goes are in no bridge, and stations go with their port. */
function without(config: Config, gone: Set<string>): Config {
  const masters = new Map(config.links.map(({ name, master }) => [name, master]));
  const links = config.links
    .filter(({ name }) => !gone.has(name))
    .map((link) => {
      if (link.master === undefined || !gone.has(link.master)) return link;
      const { master: _, port: __, ...rest } = link;
      return rest;
    });
  const fdb = config.fdb.filter(({ dev }) => !gone.has(dev) && !gone.has(masters.get(dev) ?? ''));
  return { links, fdb };
}

/** Bridges first; a packet port on the kernel's end of a TAP of the same file behind that TAP. */
function inOrder(links: LinkConfig[]): LinkConfig[] {
  const ends = new Set(links.filter(({ kind }) => kind === 'tap').map(kernelEnd));
  const rank = ({ kind, packet }: LinkConfig): number => {
    if (kind === 'bridge') return 0;
    return packet !== undefined &&
      ends.has(`${packet.netns?.replace(/^\/(var\/)?run\/netns\//, '') ?? ''}\n${packet.dev}`)
      ? 2
      : 1;
  };
  return [...links].sort((a, b) => rank(a) - rank(b));
}

/** A link that is added: its master and options come later. */
function bare({ up: _, master: __, port: ___, ...link }: LinkConfig): LinkConfig {
  return link;
}

function addition(link: LinkConfig): AddLink {
  return { op: 'link.add', ...bare(link) };
}

/** Address, MTU, bridge options and master: what one request can carry, before port options. */
function change(from: LinkConfig, to: LinkConfig): SetLink | undefined {
  const { name } = to;
  const usual = hasOwnMtu(to) ? DEFAULT_MTU : undefined;
  const mtu = to.mtu ?? usual;
  const bridge = differing({ ...BRIDGE_OPTION_DEFAULTS, ...to.bridge }, { ...BRIDGE_OPTION_DEFAULTS, ...from.bridge });
  const changes: Partial<SetLink> = {
    ...(to.address === undefined || to.address === from.address ? {} : { address: to.address }),
    ...(mtu === undefined || mtu === (from.mtu ?? usual) ? {} : { mtu }),
    ...(to.master === from.master ? {} : { master: to.master ?? null }),
    ...(bridge === undefined ? {} : { bridge }),
  };
  return Object.keys(changes).length === 0 ? undefined : { op: 'link.set', name, ...changes };
}

function wholePort(port: PortConfig = {}): Required<PortConfig> {
  return { ...PORT_OPTION_DEFAULTS, ...port, storm: { ...PORT_OPTION_DEFAULTS.storm, ...port.storm } };
}

function portChange(from: LinkConfig | undefined, to: LinkConfig): SetLink | undefined {
  if (to.master === undefined) return undefined;
  // Options start anew in another bridge.
  const old = wholePort(from?.master === to.master ? from.port : {});
  const port = differing<PortConfig>(wholePort(to.port), old);
  return port === undefined ? undefined : { op: 'link.set', name: to.name, port };
}

function stationRequest(op: ChangeFdb['op'], { mac, dev, state, sticky }: StationConfig, isBridge: boolean): ChangeFdb {
  const where = isBridge ? { self: true } : { master: true };
  return { op, mac, dev, ...where, ...(op === 'fdb.del' ? {} : { state, ...(sticky === true ? { sticky } : {}) }) };
}

/** A station by bridge and address. */
function stationsOf(config: Config, links: Links): Map<string, StationConfig> {
  return new Map(
    config.fdb.map((station) => [`${links.get(station.dev)?.master ?? station.dev}\n${station.mac}`, station]),
  );
}

function stationChanges(target: Config, now: Config): ChangeFdb[] {
  const [wanted, links] = [byName(target), byName(now)];
  const isStill = ({ dev }: StationConfig): boolean => links.get(dev)?.master === wanted.get(dev)?.master;
  const old = stationsOf({ links: now.links, fdb: now.fdb.filter(isStill) }, links);
  const next = stationsOf(target, wanted);
  const isBridge = ({ dev }: StationConfig): boolean => wanted.get(dev)?.kind === 'bridge';
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

/** Ports before their bridges. */
function deletions(current: Config, gone: Set<string>): Request[] {
  const links = current.links.filter(({ name }) => gone.has(name));
  const [bridges, ports] = [
    links.filter(({ kind }) => kind === 'bridge'),
    links.filter(({ kind }) => kind !== 'bridge'),
  ];
  return [...ports, ...bridges].map(({ name }) => ({ op: 'link.del', name }));
}

/** The requests that make `target` of `current`, both of which are valid. */
export function planOf(target: Config, current: Config): Request[] {
  const wanted = byName(target);
  const anew = remade(target, current);
  const gone = new Set(current.links.map(({ name }) => name).filter((name) => !wanted.has(name) || anew.has(name)));
  const now = without(current, gone);
  const there = byName(now);
  const isUp = (name: string): boolean => there.get(name)?.up === true;
  const added = inOrder(target.links.filter(({ name }) => !there.has(name)));
  const up = (link: LinkConfig): SetLink => ({ op: 'link.set', name: link.name, up: link.up === true });
  return [
    ...deletions(current, gone),
    ...target.links.filter((link) => link.up !== true && isUp(link.name)).map(up),
    ...added.map(addition),
    ...target.links.map((link) => change(there.get(link.name) ?? bare(link), link)).filter(isThere),
    ...target.links.map((link) => portChange(there.get(link.name), link)).filter(isThere),
    ...stationChanges(target, now),
    ...target.links.filter((link) => link.up === true && !isUp(link.name)).map(up),
  ];
}

/** The requests that build a configuration from nothing. */
export function requestsOf(config: Config): Request[] {
  return planOf(config, EMPTY);
}

/*
 * What a schema cannot say: references between links, addresses that are none, masks, what two links cannot share.
 */
import { parseMac, parsePrefix } from '../../wire/format.js';
import { sysctlLink, sysctlProblem } from '../sysctl-keys.js';
import { routeProblem } from './inet.js';
import {
  type Config,
  DATAPLANE_DEFAULTS,
  HOST,
  keyFrom,
  keyOf,
  type LinkConfig,
  linkPath,
  placeOf,
  present,
  type StationConfig,
} from './model.js';
import { neighbourProblem } from './neighbours.js';
import { ruleProblem } from './rules.js';
import { MAX_LINKS_OF_FILE } from './schema.js';
import { serviceProblem } from './services.js';
import type { Path } from './source.js';
import { nearest } from './wording.js';

export type Report = (path: Path, text: string) => void;

const MAX_NAME_BYTES = 15;
const MAX_PORTS = 1024;
/** 2^30 ms in 1/100 s. */
const MAX_AGEING_CS = Math.floor(2 ** 30 / 10);

/** What is wrong with a name, if anything. */
export function checkName(name: string): string | undefined {
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_NAME_BYTES) return `the name has ${bytes} bytes; use ${MAX_NAME_BYTES} at most`;
  if (name === '' || name === '.' || name === '..') return `"${name}" is no name; use another`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would break every listing
  return /[\s/:\x00-\x1f\x7f]/.test(name)
    ? 'a name has no space, slash, colon or control character; use others'
    : undefined;
}

function checkMac(text: string | undefined, path: Path, report: Report): void {
  if (text === undefined) return;
  const bytes = parseMac(text);
  if (bytes === undefined) report(path, `must be a MAC address, not "${text}"; write for example 02:00:00:00:00:01`);
  else if ((bytes[0] & 1) !== 0) report(path, `${text} is a group address; use a unicast one (first byte even)`);
  else if (bytes.every((byte) => byte === 0)) report(path, 'the address is zero; use another');
}

function checkDeviceName(name: string | undefined, path: Path, report: Report): void {
  const text = name === undefined ? undefined : checkName(name);
  if (text !== undefined) report(path, text);
}

function checkBridge({ name, bridge = {} }: LinkConfig, report: Report): void {
  const { group_fwd_mask = 0, ageing_time = 0 } = bridge;
  if ((group_fwd_mask & 7) !== 0) {
    report(
      ['links', name, 'group_fwd_mask'],
      'bits 0 to 2 (STP, PAUSE, LACP) cannot be forwarded; clear them, or use "transparent: on"',
    );
  }
  const path = ['links', name, 'ageing_time'];
  if (!Number.isInteger(ageing_time)) report(path, 'its unit is 10 ms; round it');
  else if (ageing_time > MAX_AGEING_CS) report(path, `it is too long; use ${Math.floor(MAX_AGEING_CS / 100)}s at most`);
}

function checkTap({ name, tap = {} }: LinkConfig, report: Report): void {
  const { persist, peer = {} } = tap;
  const path = ['links', name, 'peer'];
  checkDeviceName(peer.name, [...path, 'name'], report);
  checkMac(peer.address, [...path, 'address'], report);
  if (persist === true && peer.netns !== undefined) {
    report(
      ['links', name, 'persist'],
      'a persistent device in another namespace could not be attached to again; leave out persist or peer.netns',
    );
  }
  const seen = new Set<string>();
  for (const text of peer.addresses ?? []) {
    if (!text.includes('/') || parsePrefix(text) === undefined) {
      report(
        [...path, 'addr'],
        `"${text}" is no address with a prefix length; write for example 10.0.0.1/24 or 2001:db8::1/64`,
      );
    } else if (seen.has(text)) report([...path, 'addr'], `${text} is there twice; leave one of them`);
    seen.add(text);
  }
}

function checkPcap({ name, pcap }: LinkConfig, report: Report): void {
  if (pcap?.read === undefined && pcap?.write === undefined)
    report(['links', name], '"read" or "write" is missing; name a file to read, to write, or both');
  else if (pcap.read === pcap.write) report(['links', name, 'write'], 'it is the file that is read; name another');
}

/** Of a link as a port of a bridge. */
function checkMaster(link: LinkConfig, links: Map<string, LinkConfig>, report: Report): void {
  const { name, master, port } = link;
  const { group_fwd_mask = 0 } = port ?? {};
  if ((group_fwd_mask & 2) !== 0)
    report(['links', name, 'port', 'group_fwd_mask'], 'bit 1 (PAUSE) cannot be forwarded; clear it');
  if (master === undefined) {
    if (port !== undefined) report(['links', name, 'port'], 'the link is in no bridge; name one with "master"');
    return;
  }
  const path = ['links', name, 'master'];
  const bridge = links.get(master);
  if (bridge === undefined) {
    const bridges = [...links.values()].filter(({ kind }) => kind === 'bridge').map((other) => other.name);
    const meant = nearest(master, bridges);
    report(
      path,
      `there is no link "${master}"; ${meant === undefined ? 'add it with "type: bridge"' : `did you mean "${meant}"?`}`,
    );
  } else if (bridge.kind !== 'bridge')
    report(path, `"${master}" is of type ${bridge.kind}, not a bridge; name a bridge`);
}

function checkLink(link: LinkConfig, links: Map<string, LinkConfig>, report: Report): void {
  const { name, kind, packet } = link;
  checkMac(link.address, ['links', name, 'address'], report);
  checkDeviceName(packet?.dev, ['links', name, 'dev'], report);
  if (kind === 'bridge') checkBridge(link, report);
  else checkMaster(link, links, report);
  if (kind === 'tap') checkTap(link, report);
  if (kind === 'pcap') checkPcap(link, report);
}

/** What stands for the kernel's end of a TAP: name and namespace. */
export function kernelEnd({ name, tap }: LinkConfig): string {
  return `${tap?.peer?.netns?.replace(/^\/(var\/)?run\/netns\//, '') ?? ''}\n${tap?.peer?.name ?? name}`;
}

function checkShared(config: Config, report: Report): void {
  const ends = new Map<string, string>();
  const files = new Map<string, string>();
  const claim = (owners: Map<string, string>, key: string, link: LinkConfig, path: Path, what: string): void => {
    const owner = owners.get(key);
    if (owner !== undefined) report(path, `link "${owner}" ${what}; choose another`);
    else owners.set(key, keyOf(link));
  };
  for (const link of config.links) {
    const path = linkPath(link);
    const isNamed = link.tap?.peer?.name !== undefined;
    if (link.kind === 'tap')
      claim(
        ends,
        kernelEnd(link),
        link,
        isNamed ? [...path, 'peer', 'name'] : path,
        "has a kernel's end of that name, too",
      );
    if (link.pcap?.write !== undefined)
      claim(files, link.pcap.write, link, [...path, 'write'], 'writes that file, too');
  }
}

function checkNumbers(config: Config, report: Report): void {
  if (config.links.length > MAX_LINKS_OF_FILE)
    report(['links'], `there are ${config.links.length}; ${MAX_LINKS_OF_FILE} are possible`);
  const ports = new Map<string, number>();
  for (const link of config.links) {
    const { space, master } = link;
    if (master === undefined) continue;
    const bridge = keyFrom(space, master);
    const count = (ports.get(bridge) ?? 0) + 1;
    ports.set(bridge, count);
    if (count === MAX_PORTS + 1)
      report(
        [...linkPath(link), 'master'],
        `"${master}" has ${MAX_PORTS} ports without it, the most that a bridge can have; use a second bridge`,
      );
  }
  const capacity = config.dataplane?.fdb_capacity ?? DATAPLANE_DEFAULTS.fdb_capacity;
  if (config.fdb.length > capacity)
    report(['fdb'], `it has ${config.fdb.length} stations; set dataplane.fdb_capacity (now ${capacity}) higher`);
}

/** The bridge that a station's device belongs to: its master, or itself. */
export function bridgeOf(link: LinkConfig): string | undefined {
  return link.kind === 'bridge' ? link.name : link.master;
}

/** The bridge of a station, if its device has one. */
function stationBridge(
  { dev }: StationConfig,
  i: number,
  links: Map<string, LinkConfig>,
  report: Report,
): string | undefined {
  const link = links.get(dev);
  const bridge = link === undefined ? undefined : bridgeOf(link);
  if (bridge !== undefined) return bridge;
  const meant = nearest(dev, [...links.keys()]);
  const isThere = link === undefined ? `there is no link "${dev}"` : `link "${dev}" is in no bridge`;
  const hint = meant === undefined ? 'add it to "links"' : `did you mean "${meant}"?`;
  report(['fdb', i, 'dev'], `${isThere}; ${link === undefined ? hint : 'give it a "master"'}`);
  return undefined;
}

function checkStations(config: Config, links: Map<string, LinkConfig>, report: Report): void {
  const owners = new Map<string, string>();
  for (const link of config.links) {
    const bridge = bridgeOf(link);
    if (link.address === undefined || bridge === undefined) continue;
    owners.set(`${bridge}\n${link.address}`, `as that of link "${link.name}"`);
  }
  config.fdb.forEach((station, i) => {
    checkMac(station.mac, ['fdb', i, 'mac'], report);
    const bridge = stationBridge(station, i, links, report);
    if (bridge === undefined) return;
    const key = `${bridge}\n${station.mac}`;
    const owner = owners.get(key);
    if (owner !== undefined)
      report(['fdb', i, 'mac'], `"${bridge}" has that address already, ${owner}; leave one of them`);
    owners.set(key, owner ?? `as fdb[${i}]`);
  });
}

/** What is wrong with the name of a namespace, if anything. */
export function checkSpaceName(name: string): string | undefined {
  if (name === HOST) return 'the namespace "host" is that of the top of the file; move it there';
  if (name === '' || name === '.' || name === '..' || name.includes('/') || Buffer.byteLength(name) > 255)
    return `"${name}" is no name of a namespace; use another`;
  return undefined;
}

function missing(key: string, links: Map<string, LinkConfig>): string {
  const meant = nearest(key, [...links.keys()]);
  return `there is no link "${key}"; ${meant === undefined ? 'add it to "links"' : `did you mean "${meant}"?`}`;
}

function checkVeth(link: LinkConfig, links: Map<string, LinkConfig>, report: Report): void {
  const path = [...linkPath(link), 'peer'];
  const key = keyFrom(link.space, link.peer ?? '');
  const other = links.get(key);
  if (key === keyOf(link)) report(path, 'it cannot be its own other end; name another link');
  else if (other === undefined) report(path, missing(key, links));
  else if (other.kind !== 'veth') report(path, `"${key}" is of type ${other.kind}, not a veth; name a veth`);
  else if (keyFrom(other.space, other.peer ?? '') !== keyOf(link))
    report(path, `the peer of "${key}" is "${other.peer}"; both ends must name each other`);
}

function checkVlan(link: LinkConfig, links: Map<string, LinkConfig>, report: Report): void {
  const path = [...linkPath(link), 'link'];
  const key = keyFrom(link.space, link.link ?? '');
  const lower = links.get(key);
  if (lower === undefined) return report(path, missing(key, links));
  if (lower.kind === 'lo') return report(path, 'the loopback carries no VLANs; name another link');
  if (lowersOf(link, links).includes(link)) return report(path, 'it lies on itself; name another link');
  if (link.up === true && lower.up !== true)
    report([...linkPath(link), 'up'], `"${key}" is down; set that up, or this down`);
  if (link.mtu !== undefined && lower.mtu !== undefined && link.mtu > lower.mtu)
    report([...linkPath(link), 'mtu'], `that of "${key}" is ${lower.mtu}; use that at most`);
}

/** What a vlan lies on, down to the bottom, or until it is met again. */
function lowersOf(link: LinkConfig, links: Map<string, LinkConfig>): LinkConfig[] {
  const found: LinkConfig[] = [];
  let at: LinkConfig | undefined = link;
  while (at?.link !== undefined) {
    at = links.get(keyFrom(at.space, at.link));
    if (at === undefined || found.includes(at)) break;
    found.push(at);
  }
  return found;
}

function checkTags(config: Config, report: Report): void {
  const tags = new Map<string, string>();
  for (const link of config.links) {
    if (link.vlan === undefined || link.link === undefined) continue;
    const tag = `${keyFrom(link.space, link.link)}\n${link.vlan.protocol ?? ''}\n${link.vlan.id}`;
    const owner = tags.get(tag);
    if (owner !== undefined) report([...linkPath(link), 'id'], `"${owner}" has that VLAN already; choose another`);
    tags.set(tag, owner ?? keyOf(link));
  }
}

function checkAddresses(link: LinkConfig, report: Report): void {
  const path = [...linkPath(link), 'addr'];
  const seen = new Set<string>();
  for (const { local } of link.addresses ?? []) {
    if (parsePrefix(local) === undefined)
      report(path, `"${local}" is no address with a prefix length; write for example 10.0.0.1/24`);
    else if (seen.has(local)) report(path, `${local} is there twice; leave one of them`);
    seen.add(local);
  }
}

/** Of links of all namespaces: what refers to others. */
function checkReferences(config: Config, report: Report): void {
  const links = new Map(config.links.map((link) => [keyOf(link), link]));
  for (const link of config.links) {
    const { kind, name } = link;
    if (kind === 'veth') checkVeth(link, links, report);
    if (kind === 'vlan') checkVlan(link, links, report);
    if ((kind === 'lo') !== (name === 'lo'))
      report(linkPath(link), 'the loopback is called "lo", and nothing else is; use another name or type');
    checkAddresses(link, report);
  }
  checkTags(config, report);
  checkRoutes(config, links, report);
  checkRules(config, report);
  checkNeighbours(config, links, report);
  checkServices(config, links, report);
  checkSysctls(config, links, report);
}

/** Items of all namespaces, each with its place in the file. */
function placed<T extends { space?: string }>(section: string, list: T[] = []): Array<{ item: T; path: Path }> {
  const counts = new Map<string | undefined, number>();
  return list.map((item) => {
    const i = counts.get(item.space) ?? 0;
    counts.set(item.space, i + 1);
    return { item, path: [...placeOf(item), section, i] };
  });
}

function checkRules({ rules }: Config, report: Report): void {
  const seen = new Set<string>();
  for (const { item, path } of placed('rules', rules)) {
    const problem = ruleProblem(item);
    const text = JSON.stringify(item);
    if (problem !== undefined) report(path, problem);
    else if (seen.has(text)) report(path, 'the rule is there twice; leave one of them');
    seen.add(text);
  }
}

function checkNeighbours({ neighbours }: Config, links: Map<string, LinkConfig>, report: Report): void {
  const seen = new Set<string>();
  for (const { item, path } of placed('neighbours', neighbours)) {
    const { space, dst, dev, lladdr, proxy } = item;
    const problem = neighbourProblem(item);
    const key = `${keyFrom(space, dev)} ${dst} ${proxy}`;
    if (problem !== undefined) report(path, problem);
    else if (!links.has(keyFrom(space, dev))) report([...path, 'dev'], missing(keyFrom(space, dev), links));
    else if (seen.has(key)) report(path, `${dst} is there twice; leave one of them`);
    checkMac(lladdr, [...path, 'lladdr'], report);
    seen.add(key);
  }
}

function checkServices({ services = [] }: Config, links: Map<string, LinkConfig>, report: Report): void {
  for (const service of services) {
    const key = keyFrom(service.space, service.dev);
    const path = [...placeOf(service), service.kind, service.dev];
    const problem = links.has(key) ? serviceProblem(service) : missing(key, links);
    if (problem !== undefined) report(path, problem);
  }
}

function checkRoutes({ routes }: Config, links: Map<string, LinkConfig>, report: Report): void {
  for (const { item: route, path } of placed('routes', routes)) {
    const problem = routeProblem(route);
    if (problem !== undefined) report(path, problem);
    for (const { dev } of route.nexthops) {
      if (dev === undefined || dev === 'lo' || links.has(keyFrom(route.space, dev))) continue;
      report(path, missing(keyFrom(route.space, dev), links));
    }
  }
}

function checkSysctls({ sysctls = [] }: Config, links: Map<string, LinkConfig>, report: Report): void {
  for (const { space, key, value } of sysctls) {
    const path = [...placeOf(present({ space })), 'sysctl', key];
    const name = sysctlLink(key);
    const problem = sysctlProblem(key, value, space === undefined);
    if (problem !== undefined) report(path, problem);
    else if (name !== undefined && name !== 'lo' && !links.has(keyFrom(space, name)))
      report(path, missing(keyFrom(space, name), links));
  }
}

/** Links and stations of one namespace, by their names there. */
function checkSpace(config: Config, space: string | undefined, report: Report): void {
  const within: Report = (path, text) => report([...placeOf(present({ space })), ...path], text);
  const own = config.links.filter((link) => link.space === space);
  const links = new Map(own.map((link) => [link.name, link]));
  for (const link of own) checkLink(link, links, within);
  checkStations({ links: own, fdb: config.fdb.filter((station) => station.space === space) }, links, within);
}

export function checkConfig(config: Config, report: Report): void {
  for (const space of [undefined, ...(config.namespaces ?? [])]) checkSpace(config, space, report);
  checkReferences(config, report);
  checkShared(config, report);
  checkNumbers(config, report);
}

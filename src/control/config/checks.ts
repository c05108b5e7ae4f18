/*
 * What a schema cannot say: references between links, addresses that are none, masks, what two links cannot share.
 */
import { parseMac, parsePrefix } from '../../wire/format.js';
import type { Config, LinkConfig, StationConfig } from './model.js';
import { DATAPLANE_DEFAULTS } from './model.js';
import { MAX_LINKS_OF_FILE } from './schema.js';
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
  const claim = (owners: Map<string, string>, key: string, { name }: LinkConfig, path: Path, what: string): void => {
    const owner = owners.get(key);
    if (owner !== undefined) report(path, `link "${owner}" ${what}; choose another`);
    else owners.set(key, name);
  };
  for (const link of config.links) {
    const path = ['links', link.name];
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
  for (const { name, master } of config.links) {
    if (master === undefined) continue;
    const count = (ports.get(master) ?? 0) + 1;
    ports.set(master, count);
    if (count === MAX_PORTS + 1)
      report(
        ['links', name, 'master'],
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

export function checkConfig(config: Config, report: Report): void {
  const links = new Map(config.links.map((link) => [link.name, link]));
  for (const link of config.links) checkLink(link, links, report);
  checkShared(config, report);
  checkNumbers(config, report);
  checkStations(config, links, report);
}

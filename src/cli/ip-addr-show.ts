/*
 * `ip addr show`.
 *
 * Three parties leave things out, and JSON shows who it was. The kernel: links by master and kind,
 * unless one link or a family is asked for. iproute2, before it prints: links without any address
 * that is wanted; they are not there at all. And iproute2 while it prints: links by state, group,
 * master and kind, and single addresses; these leave an empty object.
 *
 * Of -6 the kernel has a dump of its own, with few of a link's attributes; so `ip -6 addr` shows no
 * qdisc, and "master" finds nothing, but `ip -6 addr show dev X` shows all.
 */
import type { LinkAddresses } from '../control/api/address.js';
import type { LinkInfo } from '../control/api/link.js';
import { type AddressFlags, addressJson, addressText, type Place } from './addr-format.js';
import { type AddressFilter, parseFilter, wants } from './ip-addr-filter.js';
import { type Json, json } from './json.js';
import { isOfKind } from './link-filter.js';
import { type LinkView, linkJson, linkText, statsAfter, statsJson } from './link-format.js';
import type { Plan } from './plan.js';
import { cannot, netlinkLine, Refusal } from './refusal.js';
import type { ToolOptions } from './tool.js';
import { Words } from './words.js';

/** The command's options and filter, and what follows from them. */
interface Show {
  filter: AddressFilter;
  flags: AddressFlags;
  /** -o: addresses alone, each with its link. */
  noLink: boolean;
  view: LinkView;
}

/**
 * What the kernel tells of a link in a dump of the family inet6. Not that its other end is in another
 * namespace; so the real tool takes the number of that end for one of this namespace.
 */
function inet6Dump(link: LinkInfo, all: readonly LinkAddresses[]): LinkInfo {
  const { ifindex, link_index: index, ifname, mtu, operstate, txqlen, link_type, address, stats64 } = link;
  const end = all.find((other) => other.link.ifindex === index)?.link;
  const lower = link.link ?? (index === undefined ? undefined : (end?.ifname ?? `if${index}`));
  const flags = end === undefined || end.flags.includes('UP') ? link.flags : [...link.flags, 'M-DOWN'];
  const told = { ifindex, link: lower, ifname, flags, mtu, operstate, txqlen, link_type, address, stats64 };
  return told as unknown as LinkInfo;
}

function isKnown(kind: string, all: readonly LinkAddresses[]): boolean {
  return (
    ['bridge', 'tun', 'tap', 'veth', 'dummy', 'vlan'].includes(kind) || all.some(({ link }) => isOfKind(link, kind))
  );
}

/** The kernel's part. */
function dumped(all: readonly LinkAddresses[], filter: AddressFilter, family: ToolOptions['family']): LinkAddresses[] {
  if (filter.dev !== undefined) return all.filter(({ link }) => link.ifname === filter.dev);
  if (family === 'inet') return [...all];
  if (family === 'inet6') return all.map(({ link, addresses }) => ({ link: inet6Dump(link, all), addresses }));
  const { master, nomaster, kind } = filter;
  return all.filter(({ link }) => {
    if (master !== undefined && link.master !== master) return false;
    if (nomaster && link.master !== undefined) return false;
    return kind === undefined || !isKnown(kind, all) || isOfKind(link, kind);
  });
}

/** Has the link an address that is wanted? Without a family, one without addresses is wanted too. */
function isListed({ link, addresses }: LinkAddresses, filter: AddressFilter): boolean {
  if (filter.family === 'link') return true;
  const ofFamily = addresses.filter(({ family }) => filter.family === undefined || filter.family === family);
  if (ofFamily.length === 0) return filter.family === undefined;
  return ofFamily.some((address) => wants(filter, address, link.ifname));
}

/** Left out while printing. */
function isShown(link: LinkInfo, filter: AddressFilter): boolean {
  if (filter.up && !link.flags.includes('UP')) return false;
  if (filter.label !== undefined) return true;
  if (filter.group !== undefined && link.group !== undefined && link.group !== filter.group) return false;
  if (filter.master !== undefined && link.master !== filter.master) return false;
  if (filter.kind !== undefined && !isOfKind(link, filter.kind)) return false;
  return filter.slaveKind === undefined || link.linkinfo?.info_slave_kind === filter.slaveKind;
}

function placeOf(link: LinkInfo, show: Show): Place | undefined {
  return show.noLink && !show.flags.brief ? { index: link.ifindex, dev: link.ifname } : undefined;
}

/** The addresses that are listed under the link; undefined in the place of one that is filtered. */
function listed({ link, addresses }: LinkAddresses, { filter }: Show) {
  if (filter.up && !link.flags.includes('UP')) return [];
  const ofFamily = addresses.filter(({ family }) => filter.family === undefined || filter.family === family);
  return ofFamily.map((address) => (wants(filter, address, link.ifname) ? address : undefined));
}

function hasLink(show: Show): boolean {
  return (show.flags.brief || !show.noLink) && show.filter.label === undefined;
}

function entryText(entry: LinkAddresses, show: Show): string {
  const { filter, flags, view } = show;
  const { link } = entry;
  const asked = flags.brief || !show.noLink;
  if (asked && !isShown(link, filter)) return '';
  let text = hasLink(show) ? linkText(link, flags, view) : '';
  if (filter.family === 'link') return text + statsText(link, show);
  for (const address of listed(entry, show))
    if (address !== undefined) text += addressText(address, flags, placeOf(link, show));
  if (flags.brief) return `${text}\n`;
  return text + statsText(link, show);
}

function statsText(link: LinkInfo, show: Show): string {
  return show.flags.stats > 0 && !show.flags.brief && hasLink(show) ? statsAfter(link, show.flags) : '';
}

function entryJson(entry: LinkAddresses, show: Show): Json {
  const { filter, flags, view } = show;
  const { link } = entry;
  const asked = flags.brief || !show.noLink;
  if (asked && !isShown(link, filter)) return {};
  const object: Record<string, Json | undefined> = hasLink(show) ? linkJson(link, flags, view) : {};
  if (filter.family !== 'link') {
    object.addr_info = listed(entry, show).map((address) =>
      address === undefined ? {} : addressJson(address, flags, placeOf(link, show)),
    );
  }
  if (flags.stats > 0 && !flags.brief && hasLink(show)) object.stats64 = statsJson(link, flags);
  return object;
}

function format(all: readonly LinkAddresses[], show: Show, family: ToolOptions['family']): string {
  const entries = dumped(all, show.filter, family).filter((entry) => isListed(entry, show.filter));
  if (show.flags.json)
    return json(
      entries.map((entry) => entryJson(entry, show)),
      show.flags.pretty,
    );
  return entries.map((entry) => entryText(entry, show)).join('');
}

/** The refusal of a name that no link has. */
export function noDevice(verb: string, name: string, sentence?: string): Refusal {
  const ours = sentence ?? cannot(verb, name, 'there is no such link', 'see "sluice ip link"');
  return new Refusal(`Device "${name}" does not exist.`, 1, ours);
}

function checkNames(all: readonly LinkAddresses[], { master, dev }: AddressFilter, words: Words): void {
  const has = (name: string) => all.some(({ link }) => link.ifname === name);
  if (master !== undefined && !has(master)) {
    const cause = `there is no link "${master}"`;
    throw words.invalid(master, 'Device does not exist', cause, 'see "sluice ip link"');
  }
  if (dev !== undefined && !has(dev)) throw noDevice('ip addr show', dev);
}

export function parseShow(list: readonly string[], options: ToolOptions): Plan {
  const words = new Words(list, 'ip addr show', 'ip addr');
  const filter = parseFilter(words, options.family, false);
  const isLink = filter.family === 'link';
  const hardware = filter.family === undefined || isLink;
  const view = { whole: false, hardware, queue: true, briefHardware: isLink };
  const show: Show = { filter, flags: options, noLink: options.oneline && !isLink, view };
  const dev = filter.master === undefined ? filter.dev : undefined;
  return {
    requests: [dev === undefined ? { op: 'addr.list' } : { op: 'addr.list', dev }],
    print: ([answer]) => {
      const all = answer as LinkAddresses[];
      checkNames(all, filter, words);
      return format(all, show, options.family);
    },
    explain: (error) => {
      if (error.errno === 'ENODEV' && dev !== undefined) return noDevice('ip addr show', dev, error.message);
      return new Refusal(netlinkLine(error), 2, error.message);
    },
  };
}

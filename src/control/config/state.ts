/*
 * The running state as a configuration: what commands built, and so what `config save` keeps.
 */
import { LinkFlag } from '../../core/links.js';
import type { AddressInfo } from '../api/address.js';
import type { EndpointRequest } from '../api/endpoint.js';
import type { Family } from '../api/family.js';
import type { FdbInfo } from '../api/fdb.js';
import type { AddLink } from '../api/link.js';
import type { NeighbourInfo } from '../api/neighbour.js';
import type { RouteInfo } from '../api/route.js';
import type { RuleInfo } from '../api/rule.js';
import { type Link, macText } from '../link.js';
import { ADDR_GEN_MODE } from '../sysctl-tables.js';
import { addressesOf, routesOf, type SysctlConfig } from './inet.js';
import {
  type Config,
  DATAPLANE_DEFAULTS,
  type DataplaneConfig,
  differing,
  keyOf,
  type LinkConfig,
  normalLink,
  normalStation,
  type PortConfig,
  present,
  referenceFrom,
  type StationConfig,
} from './model.js';
import { neighboursOf } from './neighbours.js';
import type { NetfilterConfig } from './netfilter.js';
import { rulesOf } from './rules.js';
import { servicesFrom } from './services.js';

/** A link, and what its port was asked to be: `device` alone does not tell the words of `peer`, and goes with the device. */
export type BuiltLink = Link & { tap?: NonNullable<AddLink['tap']>; packet?: NonNullable<AddLink['packet']> };

function tapOf({ kind, device, tap }: BuiltLink): AddLink['tap'] {
  if (kind !== 'tap' || tap !== undefined || device === undefined) return tap;
  const { queues, hasOffload, isPersistent, dev, netns } = device;
  return { queues, gso: hasOffload, persist: isPersistent, peer: present({ name: dev, netns }) };
}

function packetOf({ kind, device, packet }: BuiltLink): AddLink['packet'] {
  if (kind !== 'packet' || packet !== undefined || device === undefined) return packet;
  return present({ dev: device.dev, netns: device.netns });
}

function portOf({ options, groupForwardMask, fdbLimit, storm }: NonNullable<Link['port']>): PortConfig {
  const has = (flag: LinkFlag): boolean => (options & flag) !== 0;
  return {
    learning: has(LinkFlag.LEARNING),
    flood: has(LinkFlag.FLOOD),
    bcast_flood: has(LinkFlag.BCAST_FLOOD),
    mcast_flood: has(LinkFlag.MCAST_FLOOD),
    isolated: has(LinkFlag.ISOLATED),
    hairpin: has(LinkFlag.HAIRPIN),
    locked: has(LinkFlag.LOCKED),
    group_fwd_mask: groupForwardMask,
    fdb_limit: fdbLimit,
    storm: { ...storm },
  };
}

function bridgeOf({
  ageingCs,
  groupForwardMask,
  isTransparent,
  learnLimit,
}: NonNullable<Link['bridge']>): LinkConfig['bridge'] {
  return {
    ageing_time: ageingCs,
    group_fwd_mask: groupForwardMask,
    transparent: isTransparent,
    fdb_max_learned: learnLimit,
  };
}

/** Kinds whose address, if nobody has set it, is another's or none. */
const BORROWERS: ReadonlySet<string> = new Set(['bridge', 'vlan', 'lo']);

function referTo(link: Link, other: Link | undefined): string | undefined {
  return other === undefined ? undefined : referenceFrom(spaceOf(link), keyOf(placed(other)));
}

function placed(link: Link): { name: string; space?: string } {
  return present({ name: link.name, space: spaceOf(link) });
}

function spaceOf({ namespace }: Link): string | undefined {
  return namespace.isHost ? undefined : namespace.name;
}

function linkOf(link: BuiltLink, hasAllAddresses: boolean, inet: BuiltInet): LinkConfig {
  const { name, kind, master, bridge, pcap, port, vlan } = link;
  const isKept = link.isAddressSet || (hasAllAddresses && !BORROWERS.has(kind));
  return normalLink(
    present<LinkConfig>({
      name,
      kind,
      space: spaceOf(link),
      address: isKept ? macText(link.address) : undefined,
      addr_gen_mode: link.settings.words6[ADDR_GEN_MODE] === 1 ? 'none' : undefined,
      addresses: addressesOf(inet.addresses(link), name),
      peer: referTo(link, link.peer),
      link: referTo(link, vlan?.lower),
      vlan: vlan === undefined ? undefined : { id: vlan.id, protocol: vlan.protocol },
      mtu: link.isMtuSet ? inet.mtu(link) : undefined,
      up: link.isUp,
      master: master?.name,
      bridge: bridge === undefined ? undefined : bridgeOf(bridge),
      tap: tapOf(link),
      packet: packetOf(link),
      pcap,
      port: port === undefined ? undefined : portOf(port),
    }),
  );
}

/** A bridge knows its own addresses by itself. */
function isOwnAddress({ mac, master, space }: StationInfo, links: Link[]): boolean {
  return links.some(
    (link) =>
      spaceOf(link) === space &&
      (link.master?.name === master || link.name === master) &&
      macText(link.address) === mac,
  );
}

/** Those that somebody has set for good: not learned, not dynamic. */
function isSet(station: StationInfo, links: Link[]): boolean {
  if (station.state === 'static') return true;
  return station.state === 'permanent' && !isOwnAddress(station, links);
}

function byDevice(a: StationConfig, b: StationConfig): number {
  if (a.space !== b.space) return (a.space ?? '') < (b.space ?? '') ? -1 : 1;
  if (a.dev !== b.dev) return a.dev < b.dev ? -1 : 1;
  return a.mac < b.mac ? -1 : 1;
}

function stationsOf(links: Link[], stations: StationInfo[]): StationConfig[] {
  return (
    stations
      .filter((station) => isSet(station, links))
      .map(({ space, mac, ifname, state, flags }) =>
        normalStation({
          ...(space === undefined ? {} : { space }),
          mac,
          dev: ifname,
          state: state === 'permanent' ? 'permanent' : 'static',
          sticky: flags.includes('sticky'),
        }),
      )
      // The table has no order; a saved file should not change by itself.
      .sort(byDevice)
  );
}

/** A station and the namespace that its bridge is in. */
export type StationInfo = FdbInfo & { space?: string };

/** What of a running network is no link and no station. */
export interface BuiltInet {
  namespaces: string[];
  addresses(link: BuiltLink): AddressInfo[];
  /** The MTU that a link has when it has none by a lease. */
  mtu(link: BuiltLink): number;
  /** Each with its namespace. */
  routes: Array<{ space?: string; routes: RouteInfo[] }>;
  rules: Array<{ space?: string; family: Family; rules: RuleInfo[] }>;
  neighbours: Array<{ space?: string; neighbours: NeighbourInfo[] }>;
  /** The requests that would make them anew. */
  services: Array<{ space?: string; services: EndpointRequest[] }>;
  sysctls: SysctlConfig[];
  /** What iptables, ip6tables and ipset would save. */
  netfilter?: NetfilterConfig[];
}

export const NO_INET: BuiltInet = {
  namespaces: [],
  addresses: () => [],
  mtu: (link) => link.mtu,
  routes: [],
  rules: [],
  neighbours: [],
  services: [],
  sysctls: [],
};

/** Every namespace has a `lo`: it is told of if somebody has changed it. */
function isSaid(link: LinkConfig): boolean {
  const { name: _, kind, space: __, ...rest } = link;
  return kind !== 'lo' || Object.keys(rest).length > 0;
}

function inetOf({
  namespaces,
  routes,
  rules,
  neighbours,
  services,
  sysctls,
  netfilter = [],
}: BuiltInet): Partial<Config> {
  const sections: Record<string, unknown[]> = {
    namespaces,
    routes: routes.flatMap((one) => routesOf(one.routes, one.space)),
    rules: rules.flatMap((one) => rulesOf(one.rules, one.family, one.space)),
    neighbours: neighbours.flatMap((one) => neighboursOf(one.neighbours, one.space)),
    services: services.flatMap((one) => servicesFrom(one.services, one.space)),
    sysctls,
    netfilter,
  };
  return Object.fromEntries(Object.entries(sections).filter(([, list]) => list.length > 0));
}

/** `stations`: the whole FDB, as `fdb.list` answers. */
export function configOf(
  links: BuiltLink[],
  stations: StationInfo[],
  dataplane: Required<DataplaneConfig> = DATAPLANE_DEFAULTS,
  inet = NO_INET,
): Config {
  const set = differing<DataplaneConfig>(dataplane, DATAPLANE_DEFAULTS);
  const built = links.map((link) => linkOf(link, false, inet)).filter(isSaid);
  const sysctls = inet.sysctls
    .filter(({ value, initial }) => value !== initial)
    .map(({ space, key, value }) => present<SysctlConfig>({ space, key, value }));
  return {
    ...(set === undefined ? {} : { dataplane: set }),
    links: built,
    fdb: stationsOf(links, stations),
    ...inetOf({ ...inet, sysctls }),
  };
}

/** The same with the MAC addresses that ports have by chance: what must be put back if a change fails. */
export function exactConfigOf(links: BuiltLink[], stations: StationInfo[], inet = NO_INET): Config {
  const built = links.map((link) => linkOf(link, true, inet)).filter(isSaid);
  return { links: built, fdb: stationsOf(links, stations), ...inetOf(inet) };
}

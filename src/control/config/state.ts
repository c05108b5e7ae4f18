/*
 * The running state as a configuration: what commands built, and so what `config save` keeps.
 */
import { LinkFlag } from '../../core/links.js';
import type { AddLink, FdbInfo } from '../api.js';
import { type Link, macText } from '../link.js';
import {
  type Config,
  DATAPLANE_DEFAULTS,
  type DataplaneConfig,
  differing,
  type LinkConfig,
  normalLink,
  normalStation,
  type PortConfig,
  present,
  type StationConfig,
} from './model.js';

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

function linkOf(link: BuiltLink, hasAllAddresses: boolean): LinkConfig {
  const { name, kind, master, bridge, pcap, port } = link;
  return normalLink(
    present<LinkConfig>({
      name,
      kind,
      address: link.isAddressSet || (hasAllAddresses && kind !== 'bridge') ? macText(link.address) : undefined,
      mtu: link.isMtuSet ? link.mtu : undefined,
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
function isOwnAddress({ mac, master }: FdbInfo, links: Link[]): boolean {
  return links.some((link) => (link.master?.name === master || link.name === master) && macText(link.address) === mac);
}

/** Those that somebody has set for good: not learned, not dynamic. */
function isSet(station: FdbInfo, links: Link[]): boolean {
  if (station.state === 'static') return true;
  return station.state === 'permanent' && !isOwnAddress(station, links);
}

function byDevice(a: StationConfig, b: StationConfig): number {
  if (a.dev !== b.dev) return a.dev < b.dev ? -1 : 1;
  return a.mac < b.mac ? -1 : 1;
}

function stationsOf(links: Link[], stations: FdbInfo[]): StationConfig[] {
  return (
    stations
      .filter((station) => isSet(station, links))
      .map(({ mac, ifname, state, flags }) =>
        normalStation({
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

/** `stations`: the whole FDB, as `fdb.list` answers. */
export function configOf(
  links: BuiltLink[],
  stations: FdbInfo[],
  dataplane: Required<DataplaneConfig> = DATAPLANE_DEFAULTS,
): Config {
  const set = differing<DataplaneConfig>(dataplane, DATAPLANE_DEFAULTS);
  const built = links.map((link) => linkOf(link, false));
  return { ...(set === undefined ? {} : { dataplane: set }), links: built, fdb: stationsOf(links, stations) };
}

/** The same with the MAC addresses that ports have by chance: what must be put back if a change fails. */
export function exactConfigOf(links: BuiltLink[], stations: FdbInfo[]): Config {
  return { links: links.map((link) => linkOf(link, true)), fdb: stationsOf(links, stations) };
}

/*
 * The running state as a configuration: what commands built, and so what `config save` keeps.
 */
import { LinkFlag } from '../../core/links.js';
import type { FdbInfo } from '../api.js';
import { type Link, macText } from '../link.js';
import { type Config, DATAPLANE_DEFAULTS, type DataplaneConfig, differing, type LinkConfig, normalLink, normalStation, type PortConfig, present } from './model.js';

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

function bridgeOf({ ageingCs, groupForwardMask, isTransparent, learnLimit }: NonNullable<Link['bridge']>): LinkConfig['bridge'] {
  return { ageing_time: ageingCs, group_fwd_mask: groupForwardMask, transparent: isTransparent, fdb_max_learned: learnLimit };
}

function linkOf(link: Link): LinkConfig {
  const { name, kind, master, bridge, tap, packet, pcap, port } = link;
  return normalLink(
    present<LinkConfig>({
      name,
      kind,
      address: link.isAddressSet ? macText(link.address) : undefined,
      mtu: link.isMtuSet ? link.mtu : undefined,
      up: link.isUp,
      master: master?.name,
      bridge: bridge === undefined ? undefined : bridgeOf(bridge),
      tap,
      packet,
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

/** `stations`: the whole FDB, as `fdb.list` answers. */
export function configOf(links: Link[], stations: FdbInfo[], dataplane: Required<DataplaneConfig> = DATAPLANE_DEFAULTS): Config {
  const fdb = stations
    .filter((station) => isSet(station, links))
    .map(({ mac, ifname, state, flags }) =>
      normalStation({ mac, dev: ifname, state: state === 'permanent' ? 'permanent' : 'static', sticky: flags.includes('sticky') }),
    )
    // The table has no order; a saved file should not change by itself.
    .sort((a, b) => (a.dev === b.dev ? (a.mac < b.mac ? -1 : 1) : a.dev < b.dev ? -1 : 1));
  const set = differing<DataplaneConfig>(dataplane, DATAPLANE_DEFAULTS);
  return { ...(set === undefined ? {} : { dataplane: set }), links: links.map(linkOf), fdb };
}

/* Stations as `bridge fdb show` prints them, and bridge ports as `bridge link show` does. */
import type { FdbInfo } from '../control/api/fdb.js';
import type { LinkInfo } from '../control/api/link.js';
import { type Json, json } from './json.js';

export interface BridgeFlags {
  stats: number;
  details: number;
  json: boolean;
  pretty: boolean;
  oneline: boolean;
}

/** `named`: the port is not said when the user asked for one port. */
function stationText(station: FdbInfo, flags: BridgeFlags, named: boolean): string {
  const port = named ? `dev ${station.ifname} ` : '';
  const vlan = station.vlan ? `vlan ${station.vlan} ` : '';
  const used = flags.stats > 0 && station.used !== undefined ? `used ${station.used}/${station.updated} ` : '';
  const marks = station.flags.map((flag) => `${flag} `).join('');
  const master = station.master === undefined ? '' : `master ${station.master} `;
  return `${station.mac} ${port}${vlan}${used}${marks}${master}${station.state}\n`;
}

function stationJson(station: FdbInfo, flags: BridgeFlags, named: boolean): Json {
  return {
    mac: station.mac,
    ifname: named ? station.ifname : undefined,
    vlan: station.vlan || undefined,
    used: flags.stats > 0 ? station.used : undefined,
    updated: flags.stats > 0 ? station.updated : undefined,
    flags: station.flags,
    master: station.master,
    state: station.state,
  };
}

export function formatStations(stations: readonly FdbInfo[], flags: BridgeFlags, named: boolean): string {
  if (flags.json)
    return json(
      stations.map((station) => stationJson(station, flags, named)),
      flags.pretty,
    );
  return stations.map((station) => stationText(station, flags, named)).join('');
}

/** The port flags that `bridge -d link` shows, in its order, by their names in info_slave_data. */
const PORT_FLAGS: ReadonlyArray<[string, string]> = [
  ['hairpin', 'hairpin'],
  ['guard', 'guard'],
  ['root_block', 'root_block'],
  ['fastleave', 'fastleave'],
  ['learning', 'learning'],
  ['flood', 'flood'],
  ['mcast_flood', 'mcast_flood'],
  ['bcast_flood', 'bcast_flood'],
  ['multicast_router', 'mcast_router'],
  ['mcast_to_unicast', 'mcast_to_unicast'],
  ['neigh_suppress', 'neigh_suppress'],
  ['vlan_tunnel', 'vlan_tunnel'],
  ['isolated', 'isolated'],
  ['locked', 'locked'],
  ['fdb_limit', 'fdb_limit'],
  ['storm_broadcast', 'storm_broadcast'],
  ['storm_multicast', 'storm_multicast'],
  ['storm_unknown', 'storm_unknown'],
];

type PortValues = Array<[string, string | number | boolean]>;

function portValues(link: LinkInfo, flags: BridgeFlags): PortValues {
  const data = link.linkinfo?.info_slave_data ?? {};
  if (flags.details === 0) return [];
  return PORT_FLAGS.filter(([key]) => data[key] !== undefined).map(([key, label]) => [label, data[key]]);
}

function portText(link: LinkInfo, flags: BridgeFlags): string {
  const data = link.linkinfo?.info_slave_data ?? {};
  const text =
    `${link.ifindex}: ${link.link === undefined ? link.ifname : `${link.ifname}@${link.link}`}: <${link.flags.join(',')}> mtu ${link.mtu} master ${link.master} ` +
    `state ${data.state} priority ${data.priority} cost ${data.cost} `;
  if (flags.details === 0) return `${text}\n`;
  const word = (value: string | number | boolean) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : value);
  const fields = portValues(link, flags).map(([label, value]) => `${label} ${word(value)} `);
  return `${text}${flags.oneline ? '\\' : '\n'}    ${fields.join('')}\n`;
}

function portJson(link: LinkInfo, flags: BridgeFlags): Json {
  const { ifindex, link: other, ifname, flags: state, mtu, master } = link;
  const data = link.linkinfo?.info_slave_data ?? {};
  const main = {
    ifindex,
    link: other,
    ifname,
    flags: state,
    mtu,
    master,
    state: data.state,
    priority: data.priority,
    cost: data.cost,
  };
  return { ...main, ...Object.fromEntries(portValues(link, flags)) };
}

/** Links that are no bridge's ports are not shown. */
export function formatPorts(links: readonly LinkInfo[], flags: BridgeFlags): string {
  const ports = links.filter((link) => link.linkinfo?.info_slave_kind === 'bridge');
  if (flags.json)
    return json(
      ports.map((link) => portJson(link, flags)),
      flags.pretty,
    );
  return ports.map((link) => portText(link, flags)).join('');
}

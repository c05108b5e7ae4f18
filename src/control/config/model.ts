/*
 * What a configuration says, apart from how it is written: the arguments of the requests that build it.
 *
 * A Config is in *normal form*: what equals its default is absent, addresses are spelled in one way only, files are absolute
 * paths. So two that mean the same are equal, and what is written out is what somebody decided.
 *
 * Not in it: what is learned or passes (dynamic stations and neighbours, leases, the STP state of a port, carrier).
 */
import { formatIpv4At, formatIpv6, formatMacAt, parseMac, parsePrefix } from '../../wire/format.js';
import type { BridgeOptions, BridgePortOptions, StormLimits } from '../api/bridge.js';
import type { FdbEntry } from '../api/fdb.js';
import type { AddLink, TapPeer } from '../api/link.js';
import type { LinkKind } from '../link.js';
import type { AddressConfig, RouteConfig, SysctlConfig } from './inet.js';
import type { NeighbourConfig } from './neighbours.js';
import type { NetfilterConfig } from './netfilter.js';
import type { RuleConfig } from './rules.js';
import type { ServiceConfig } from './services.js';

export type PortConfig = Omit<BridgePortOptions, 'state'>;

export interface LinkConfig extends Omit<AddLink, 'op' | 'name' | 'kind' | 'netns' | 'veth'> {
  name: string;
  kind: LinkKind;
  /** The namespace that it is in; absent: host. What a `link` or `peer` of another namespace is called is NAMESPACE/NAME. */
  space?: string;
  /** Of a veth: its other end. */
  peer?: string;
  addresses?: AddressConfig[];
  /** Options of the link as a port of its master. */
  port?: PortConfig;
}

/** A station of the FDB that does not age. */
export interface StationConfig extends Pick<FdbEntry, 'mac' | 'dev' | 'sticky'> {
  space?: string;
  state: 'permanent' | 'static';
}

/** What only `sluice up` can set. Each key that is there was said: unlike elsewhere, defaults stay. */
export interface DataplaneConfig {
  poll?: 'adaptive' | 'busy';
  /** Stations the FDB holds at most. */
  fdb_capacity?: number;
  /** Head slots of the arena: frames that can be under way. */
  arena?: number;
}

export interface Config {
  dataplane?: DataplaneConfig;
  /** In the order of the file. */
  links: LinkConfig[];
  fdb: StationConfig[];
  /** In the order in which they are made; without the host. Like the following: absent if there are none. */
  namespaces?: string[];
  routes?: RouteConfig[];
  rules?: RuleConfig[];
  neighbours?: NeighbourConfig[];
  services?: ServiceConfig[];
  netfilter?: NetfilterConfig[];
  sysctls?: SysctlConfig[];
}

export const DATAPLANE_DEFAULTS: Required<DataplaneConfig> = { poll: 'adaptive', fdb_capacity: 65_536, arena: 8192 };

export const BRIDGE_OPTION_DEFAULTS: Required<BridgeOptions> = {
  ageing_time: 30_000,
  group_fwd_mask: 0,
  transparent: false,
  fdb_max_learned: 0,
};

const STORM_DEFAULTS: Required<StormLimits> = { broadcast: 0, multicast: 0, unknown: 0 };

export const PORT_OPTION_DEFAULTS: Required<PortConfig> = {
  learning: true,
  flood: true,
  bcast_flood: true,
  mcast_flood: true,
  isolated: false,
  hairpin: false,
  locked: false,
  group_fwd_mask: 0,
  fdb_limit: 0,
  storm: STORM_DEFAULTS,
};

const TAP_DEFAULTS = { queues: 1, gso: true, persist: false };
export const DEFAULT_MTU = 1500;

export const HOST = 'host';

/** What stands for a link among those of all namespaces: its name, but NAMESPACE/NAME of one that is not the host's. */
export function keyOf({ name, space }: Pick<LinkConfig, 'name' | 'space'>): string {
  return space === undefined ? name : `${space}/${name}`;
}

/** The key of what is called NAME, or NAMESPACE/NAME, in a namespace. */
export function keyFrom(space: string | undefined, reference: string): string {
  if (!reference.includes('/')) return keyOf(present({ name: reference, space }));
  return reference.startsWith(`${HOST}/`) ? reference.slice(HOST.length + 1) : reference;
}

/** What a link is called in a namespace. */
export function referenceFrom(space: string | undefined, key: string): string {
  const { space: of, name } = splitKey(key);
  return of === space ? name : `${of ?? HOST}/${name}`;
}

export function splitKey(key: string): { space?: string; name: string } {
  const at = key.lastIndexOf('/');
  return at < 0 ? { name: key } : { space: key.slice(0, at), name: key.slice(at + 1) };
}

/** Where a link stands in the file. */
export function placeOf({ space }: { space?: string }): string[] {
  return space === undefined ? [] : ['namespaces', space];
}

export function linkPath(link: Pick<LinkConfig, 'name' | 'space'>): string[] {
  return [...placeOf(link), 'links', link.name];
}

export function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [left, right] = [Object.entries(a), Object.entries(b)];
  return (
    left.length === right.length && left.every(([key, value]) => isSame(value, (b as Record<string, unknown>)[key]))
  );
}

/** The keys of `value` that differ from `from`; undefined if none do. */
export function differing<T extends object>(value: T, from: Partial<T>): T | undefined {
  const entries = Object.entries(value).filter(
    ([key, item]) => item !== undefined && !isSame(item, from[key as keyof T]),
  );
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as T);
}

/** An object of those values that are there. */
export function present<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

/** The one spelling of a MAC address; what is none stays as it is. */
export function macSpelling(text: string): string {
  const bytes = parseMac(text);
  return bytes === undefined ? text : formatMacAt(bytes, 0);
}

/** The one spelling of an address with prefix length. */
export function cidrSpelling(text: string): string {
  const prefix = parsePrefix(text);
  if (prefix === undefined) return text;
  const { address, length } = prefix;
  return `${address.length === 4 ? formatIpv4At(address, 0) : formatIpv6(address)}/${length}`;
}

function normalPeer(link: LinkConfig, peer: TapPeer): TapPeer | undefined {
  const addresses = (peer.addresses ?? []).map(cidrSpelling);
  const spelled: TapPeer = {
    ...peer,
    ...(peer.address === undefined ? {} : { address: macSpelling(peer.address) }),
    ...(addresses.length === 0 ? {} : { addresses }),
  };
  return differing(spelled, { name: link.name, mtu: link.mtu ?? DEFAULT_MTU, up: false, addresses: [] });
}

function normalTap(link: LinkConfig): AddLink['tap'] {
  const { peer, ...tap } = link.tap ?? {};
  const end = peer === undefined ? undefined : normalPeer(link, peer);
  const rest = differing(tap, TAP_DEFAULTS);
  return end === undefined ? rest : { ...rest, peer: end };
}

export function normalPort(port: PortConfig): PortConfig | undefined {
  const { storm, ...options } = port;
  const limits = storm === undefined ? undefined : differing(storm, STORM_DEFAULTS);
  const rest = differing<PortConfig>(options, PORT_OPTION_DEFAULTS);
  return limits === undefined ? rest : { ...rest, storm: limits };
}

/** A bridge takes its MTU from its ports, a packet port from its device, a vlan from its link: there 1500 says something. */
export function hasOwnMtu({ kind }: LinkConfig): boolean {
  return kind !== 'bridge' && kind !== 'packet' && kind !== 'vlan';
}

export function usualMtu({ kind }: LinkConfig): number {
  return kind === 'lo' ? 65_536 : DEFAULT_MTU;
}

export function normalLink(link: LinkConfig): LinkConfig {
  const { name, kind, space, address, mtu, up, master, bridge, packet, pcap, port, peer, vlan, addresses } = link;
  return present<LinkConfig>({
    name,
    kind,
    space,
    address: address === undefined ? undefined : macSpelling(address),
    mtu: mtu === usualMtu(link) && hasOwnMtu(link) ? undefined : mtu,
    addr_gen_mode: link.addr_gen_mode === 'none' ? 'none' : undefined,
    addresses: addresses === undefined || addresses.length === 0 ? undefined : addresses,
    peer: peer === undefined ? undefined : referenceFrom(space, keyFrom(space, peer)),
    link: link.link === undefined ? undefined : referenceFrom(space, keyFrom(space, link.link)),
    vlan:
      vlan === undefined ? undefined : { id: vlan.id, ...(vlan.protocol === '802.1ad' ? { protocol: '802.1ad' } : {}) },
    up: up === true ? true : undefined,
    master,
    bridge: bridge === undefined ? undefined : differing(bridge, BRIDGE_OPTION_DEFAULTS),
    tap: kind === 'tap' ? normalTap(link) : undefined,
    packet,
    pcap,
    port: port === undefined ? undefined : normalPort(port),
  });
}

export function normalStation({ space, mac, dev, state, sticky }: StationConfig): StationConfig {
  return present<StationConfig>({
    space,
    mac: macSpelling(mac),
    dev,
    state,
    sticky: sticky === true ? true : undefined,
  });
}

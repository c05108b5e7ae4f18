/*
 * Addresses, routes and sysctls of a configuration: their normal form, what of the running state is one's own decision, and
 * the requests in between.
 *
 * Not one's own: what the kernel makes of others (connected and local routes, link-local addresses, 127.0.0.1 and ::1), what
 * a router or a DHCP server told, and what ends of itself.
 */
import { parseAddress, parsePrefix } from '../../wire/format.js';
import type { AddressInfo, ChangeAddress } from '../api/address.js';
import type { NextHop, RouteChange, RouteInfo, RouteType } from '../api/route.js';
import { normalValue, sysctlLink } from '../sysctl-keys.js';
import { cidrSpelling, differing, isSame, present } from './model.js';

/** An address of a link: the words of `ip addr add`. */
export type AddressConfig = Omit<ChangeAddress, 'op' | 'dev' | 'valid_lft' | 'preferred_lft' | 'home'>;

/** A route, with the namespace that it is in; absent: host. */
export interface RouteConfig extends Omit<RouteChange, 'expires'> {
  space?: string;
}

export interface SysctlConfig {
  space?: string;
  key: string;
  value: string;
  /** Of the running state: what it was before somebody set it. */
  initial?: string;
}

const MAIN = 254;
const LOCAL = 255;
const BOOT = 3;
const METRIC6 = 1024;
const FOREVER = 4_294_967_295;
/** RTPROT_REDIRECT, RTPROT_KERNEL, RTPROT_RA, RTPROT_DHCP. */
const FOREIGN_PROTOCOLS = new Set([1, 2, 9, 16]);
const LOCAL_TYPES: ReadonlySet<RouteType> = new Set(['local', 'broadcast', 'anycast']);
const [LINK_SCOPE, HOST_SCOPE] = [253, 254];

const isIpv6 = (text: string): boolean => text.includes(':');

// --- addresses --------------------------------------------------------------------------------------

function withLength(text: string): string {
  return text.includes('/') ? cidrSpelling(text) : cidrSpelling(`${text}/${isIpv6(text) ? 128 : 32}`);
}

export function normalAddress(address: AddressConfig): AddressConfig {
  const { local, peer, broadcast, label, scope, metric, nodad, noprefixroute } = address;
  return present<AddressConfig>({
    local: withLength(local),
    peer: peer === undefined ? undefined : withLength(peer),
    broadcast,
    label,
    scope: scope === 0 ? undefined : scope,
    metric,
    nodad: nodad === true ? true : undefined,
    noprefixroute: noprefixroute === true ? true : undefined,
  });
}

function isOwnAddress({ local, protocol, dynamic, valid_life_time }: AddressInfo): boolean {
  const isMade = (protocol ?? 0) !== 0 || dynamic === true || valid_life_time !== FOREVER;
  return !isMade && local !== '127.0.0.1' && local !== '::1';
}

/** The addresses of a link that somebody gave it. */
export function addressesOf(infos: readonly AddressInfo[], dev: string): AddressConfig[] {
  return infos.filter(isOwnAddress).map((info) => {
    const { local, address, prefixlen, broadcast, label, scope, metric, nodad, noprefixroute } = info;
    const own = address === undefined ? `${local}/${prefixlen}` : local;
    return normalAddress(
      present<AddressConfig>({
        local: own,
        peer: address === undefined ? undefined : `${address}/${prefixlen}`,
        broadcast,
        label: label === dev ? undefined : label,
        scope,
        metric,
        nodad,
        noprefixroute,
      }),
    );
  });
}

/**
 * What leads from one list of addresses to another. The first address of a subnet is the primary one, and the others go with it: so
 * if one goes, those of its family go and come again.
 */
export function addressChanges(
  dev: string,
  from: readonly AddressConfig[],
  to: readonly AddressConfig[],
): ChangeAddress[] {
  return [false, true].flatMap((family) => {
    const ofFamily = ({ local }: AddressConfig): boolean => isIpv6(local) === family;
    const [old, next] = [from.filter(ofFamily), to.filter(ofFamily)];
    const isKept = old.every((address, i) => isSame(address, next[i]));
    const gone = isKept ? [] : old;
    const fresh = isKept ? next.slice(old.length) : next;
    return [
      // Backwards: secondary addresses before the one that they hang on.
      ...gone.toReversed().map(({ local, peer }) => present<ChangeAddress>({ op: 'addr.del', dev, local, peer })),
      ...fresh.map((address): ChangeAddress => ({ op: 'addr.replace', dev, ...address })),
    ];
  });
}

// --- routes -----------------------------------------------------------------------------------------

/** The scope that `ip route` gives a route that says none. */
function usualScope({ family, type = 'unicast', nexthops }: RouteConfig): number {
  if (family === 6) return 0;
  if (type === 'local') return HOST_SCOPE;
  if (type === 'broadcast' || type === 'multicast' || type === 'anycast') return LINK_SCOPE;
  const isOnLink = nexthops.length > 0 && nexthops.every(({ gateway }) => gateway === undefined);
  return type === 'unicast' && isOnLink ? LINK_SCOPE : 0;
}

function usualTable({ type = 'unicast', family }: RouteConfig): number {
  return LOCAL_TYPES.has(type) && family === 4 ? LOCAL : MAIN;
}

function normalHop({ gateway, dev, weight, onlink }: NextHop): NextHop {
  return present<NextHop>({
    gateway,
    dev,
    weight: weight === 1 ? undefined : weight,
    onlink: onlink === true ? true : undefined,
  });
}

export function normalRoute(route: RouteConfig): RouteConfig {
  const { space, family, dst, type, table, protocol, scope, metric, prefsrc, nexthops, metrics, pref } = route;
  return present<RouteConfig>({
    space,
    family,
    dst: cidrSpelling(dst),
    type: type === 'unicast' ? undefined : type,
    table: table === usualTable(route) ? undefined : table,
    protocol: protocol === BOOT ? undefined : protocol,
    scope: scope === usualScope(route) ? undefined : scope,
    metric: metric === (family === 6 ? METRIC6 : 0) ? undefined : metric,
    prefsrc,
    nexthops: nexthops.map(normalHop),
    metrics: metrics === undefined ? undefined : differing(metrics, {}),
    pref: pref === 'medium' ? undefined : pref,
  });
}

/** Unreachable and the like lead to `lo` by themselves in IPv6. */
function hopsOf({ type, nexthops }: RouteInfo): NextHop[] {
  if (type === 'unreachable' || type === 'prohibit' || type === 'blackhole' || type === 'throw') return [];
  const isMany = nexthops.length > 1;
  return nexthops.map(({ gateway, dev, weight, onlink, flags }) =>
    present<NextHop>({
      gateway,
      dev,
      weight: isMany ? weight : undefined,
      onlink: onlink === true || flags.includes('onlink') ? true : undefined,
    }),
  );
}

/** The routes that somebody made. */
export function routesOf(infos: readonly RouteInfo[], space: string | undefined): RouteConfig[] {
  const own = infos.filter(
    ({ protocol, expires, cache }) => !FOREIGN_PROTOCOLS.has(protocol) && expires === undefined && cache === undefined,
  );
  return own.map((info) => {
    const { family, dst, type, table, protocol, scope, metric, prefsrc, metrics, pref } = info;
    const nexthops = hopsOf(info);
    const [first] = nexthops;
    if (first !== undefined && info.flags.includes('onlink')) first.onlink = true;
    return normalRoute(
      present<RouteConfig>({
        space,
        family,
        dst,
        type,
        table,
        protocol,
        scope,
        metric,
        prefsrc,
        nexthops,
        metrics,
        pref,
      }),
    );
  });
}

/** Whether a route that is there is the one that is wanted, which need not say by which link its gateways are reached. */
function isThat(wanted: RouteConfig, there: RouteConfig): boolean {
  const hops = there.nexthops.map((hop, i) => {
    const { dev: _, ...rest } = hop;
    return wanted.nexthops[i]?.dev === undefined && hop.gateway !== undefined ? rest : hop;
  });
  return isSame(normalRoute({ ...there, nexthops: hops }), wanted);
}

export interface RouteStep {
  space?: string;
  verb: 'replace' | 'del';
  route: RouteChange;
}

function step(verb: RouteStep['verb'], { space, ...route }: RouteConfig): RouteStep {
  return present<RouteStep>({ space, verb, route });
}

/** `there`: routes that are still there when the links and addresses of the target are. */
export function routeChanges(there: readonly RouteConfig[], target: readonly RouteConfig[]): RouteStep[] {
  const left = [...there];
  const fresh = target.filter((wanted) => {
    const at = left.findIndex((route) => isThat(wanted, route));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  return [...left.map((route) => step('del', route)), ...fresh.map((route) => step('replace', route))];
}

/** What is wrong with a route's addresses, if anything. */
export function routeProblem({ family, dst, nexthops, prefsrc }: RouteConfig): string | undefined {
  if (!dst.includes('/') || parsePrefix(dst) === undefined)
    return `"${dst}" is no prefix; write for example 10.1.0.0/16, 2001:db8::/32 or default`;
  const ofFamily = (text: string): boolean => parseAddress(text)?.length === (family === 4 ? 4 : 16);
  if (prefsrc !== undefined && !ofFamily(prefsrc)) return `src "${prefsrc}" is no IPv${family} address; write one`;
  for (const { gateway } of nexthops) {
    if (gateway === undefined) continue;
    if (parseAddress(gateway) === undefined) return `via "${gateway}" is no address; write one`;
    if (family === 6 && !ofFamily(gateway)) return `via "${gateway}" is no IPv6 address; write one`;
  }
  return undefined;
}

// --- sysctls ----------------------------------------------------------------------------------------

export function normalSysctl({ space, key, value }: SysctlConfig): SysctlConfig {
  return present<SysctlConfig>({ space, key, value: normalValue(key, value) ?? value });
}

/** What leads from the sysctls that are set to those that should be: what nobody wants set is as it was at first. */
export function sysctlChanges(there: readonly SysctlConfig[], target: readonly SysctlConfig[]): SysctlConfig[] {
  const isOf = (a: SysctlConfig, b: SysctlConfig): boolean => a.key === b.key && a.space === b.space;
  const back = there
    .filter((old) => !target.some((wanted) => isOf(old, wanted)))
    .filter(({ value, initial = value }) => value !== initial)
    .map(({ space, key, value, initial = value }) => present<SysctlConfig>({ space, key, value: initial }));
  const fresh = target.filter((wanted) => there.find((old) => isOf(old, wanted))?.value !== wanted.value);
  return [...back, ...fresh];
}

/** Whether it is one of a link. */
export function isOfLink({ key }: SysctlConfig): boolean {
  return sysctlLink(key) !== undefined;
}

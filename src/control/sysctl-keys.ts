/*
 * Names of sysctls: how they are written, which there are, and what values they take, whatever links and namespaces there
 * are.
 */
import {
  BRIDGE,
  type BridgeSysctl,
  CONF4,
  CONF6,
  NEIGH4,
  NEIGH6,
  NET4,
  NET6,
  NETFILTER,
  type Sysctl,
} from './sysctl-tables.js';
import { formatBitmap, parseBitmap } from './sysctl-units.js';

export const BITMAP_BITS = 256;

function byName(...tables: ReadonlyArray<readonly Sysctl[]>): ReadonlyMap<string, Sysctl> {
  return new Map(tables.flat().map((sysctl) => [sysctl.name, sysctl]));
}

export const FOLDERS = {
  4: { conf: CONF4, neigh: NEIGH4, net: NET4 },
  6: { conf: CONF6, neigh: NEIGH6, net: NET6 },
} as const;

export const INDEX = {
  4: { conf: byName(CONF4), neigh: byName(NEIGH4), net: byName(NET4) },
  6: { conf: byName(CONF6), neigh: byName(NEIGH6), net: byName(NET6) },
} as const;

/** net.netfilter.NAME. */
export const INDEX_OF_NETFILTER: ReadonlyMap<string, Sysctl> = byName(NETFILTER);

/** net.bridge.NAME. */
export const INDEX_OF_BRIDGE: ReadonlyMap<string, BridgeSysctl> = new Map(
  BRIDGE.map((sysctl) => [sysctl.name, sysctl]),
);

export const isNeigh: Record<4 | 6, ReadonlySet<number>> = {
  4: new Set(NEIGH4.map(({ key }) => key)),
  6: new Set(NEIGH6.map(({ key }) => key)),
};

const INDEX_OF_NEIGH: ReadonlySet<Sysctl> = new Set([...NEIGH4, ...NEIGH6]);

/** Segments of a key as sysctl(8) takes it: where its first separator is a dot, slashes stand for dots. */
export function segmentsOf(key: string): string[] {
  const isDotted = /[./]/.exec(key)?.[0] !== '/';
  if (!isDotted) return key.split('/');
  return key.split('.').map((segment) => segment.replaceAll('/', '.'));
}

export function keyOf(segments: readonly string[]): string {
  return segments.map((segment) => segment.replaceAll('.', '/')).join('.');
}

export function fileOf(segments: readonly string[]): string {
  return `/proc/sys/${segments.join('/')}`;
}

/** The sysctl of a key and the folder that it is in, whatever links there are. */
function shapeOf(key: string): { sysctl: Sysctl; name?: string } | undefined {
  const [net, protocol, folder, ...rest] = segmentsOf(key);
  if (net === 'net' && (protocol === 'netfilter' || protocol === 'bridge') && rest.length === 0) {
    const setting = (protocol === 'bridge' ? INDEX_OF_BRIDGE : INDEX_OF_NETFILTER).get(folder);
    return setting === undefined ? undefined : { sysctl: setting };
  }
  if (net !== 'net' || (protocol !== 'ipv4' && protocol !== 'ipv6') || folder === undefined) return undefined;
  const index = INDEX[protocol === 'ipv4' ? 4 : 6];
  if (protocol === 'ipv4' && folder === 'ip_forward' && rest.length === 0)
    return { sysctl: index.conf.get('forwarding') as Sysctl };
  const found = (folder === 'conf' || folder === 'neigh') && rest.length === 2 ? index[folder].get(rest[1]) : undefined;
  if (found !== undefined) return { sysctl: found, name: rest[0] };
  const sysctl = index.net.get([folder, ...rest].join('/'));
  return sysctl === undefined ? undefined : { sysctl };
}

/** A value as it reads when it has been written; undefined: there is no such key, or it does not take it. */
export function normalValue(key: string, value: string): string | undefined {
  const sysctl = shapeOf(key)?.sysctl;
  if (sysctl === undefined || sysctl.isReadOnly === true) return undefined;
  if (sysctl.isBitmap === true) {
    const words = parseBitmap(value, BITMAP_BITS);
    return words === undefined ? undefined : formatBitmap(words);
  }
  const number = sysctl.unit.parse(value, sysctl.min, sysctl.max);
  if (sysctl.isInert === true && number !== 0 && number !== sysctl.initial) return undefined;
  return number === undefined ? undefined : sysctl.unit.format(number);
}

/** What is wrong with a key and its value, if anything; `isHost`: in the host namespace. */
export function sysctlProblem(key: string, value: string, isHost: boolean): string | undefined {
  const found = shapeOf(key);
  if (found === undefined) return 'there is no such sysctl; "sluice sysctl -a" lists those there are';
  const { sysctl, name } = found;
  if (sysctl.isReadOnly === true) return 'it can only be read; leave it out';
  const isGlobal = sysctl.isGlobal === true || (name === 'default' && INDEX_OF_NEIGH.has(sysctl));
  if (isGlobal && !isHost) return 'it is one for all namespaces; move it to the top of the file';
  if (normalValue(key, value) !== undefined) return undefined;
  if (sysctl.isInert === true) return `it has no effect here yet; leave it at ${sysctl.initial}`;
  return sysctl.isBitmap === true
    ? `"${value}" is no list of 0 to 255; write for example 0-1,3-127`
    : `"${value}" is no value of it; use ${takenBy(sysctl)}`;
}

/** What a sysctl takes, in words. */
export function takenBy({ words, min, max }: Pick<Sysctl, 'words' | 'min' | 'max'>): string {
  return words === undefined ? `an integer from ${min} to ${max}` : words.join(' or ');
}

/** The link that a key is of; undefined: none. */
export function sysctlLink(key: string): string | undefined {
  const name = shapeOf(key)?.name;
  return name === 'all' || name === 'default' ? undefined : name;
}

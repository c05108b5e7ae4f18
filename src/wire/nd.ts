/*
 * Router discovery (RFC 4861 §4.1, §4.2 and §4.6; RFC 4191, RFC 8106): what follows the ICMPv6 header's first 4 bytes.
 *
 *   solicitation    | reserved, 4 | options …
 *
 *   advertisement   | hop limit, 1 | M O - P P - - - , 1 | router lifetime, 2 s | reachable, 4 ms | retransmission, 4 ms | options …
 *
 *   options         | type | length in 8 bytes | …
 *      1  source link-layer address    | 6 bytes
 *      3  prefix information           | length | L A, 1 | valid, 4 s | preferred, 4 s | 4 reserved | 16 bytes of prefix
 *      5  MTU                          | 2 reserved | 4
 *     24  route information            | length | - - - P P - - - | lifetime, 4 s | 0, 8 or 16 bytes of prefix
 *     25  recursive DNS servers        | 2 reserved | lifetime, 4 s | addresses
 *     31  DNS search list              | 2 reserved | lifetime, 4 s | names as in DNS, padded with zeros
 *
 * A few messages a second at most, so a message is an object, not a place in the arena.
 */
import { read16, read32, write16, write32 } from './field.js';

const enum Advertisement {
  HOP_LIMIT = 4,
  FLAGS = 5,
  LIFETIME = 6,
  REACHABLE = 8,
  RETRANS = 12,
  BYTES = 16,

  MANAGED = 0x80,
  OTHER = 0x40,
  PREFERENCE_SHIFT = 3,
}

const enum Solicitation {
  BYTES = 8,
}

export const enum NdOption {
  SOURCE_MAC = 1,
  TARGET_MAC = 2,
  PREFIX = 3,
  REDIRECTED = 4,
  MTU = 5,
  NONCE = 14,
  ROUTE = 24,
  RDNSS = 25,
  DNSSL = 31,
}

/** Preference of a router or route, 2 bits with sign (RFC 4191 §2.1). */
export const enum Preference {
  MEDIUM = 0,
  HIGH = 1,
  RESERVED = 2,
  LOW = 3,
}

/** Of lifetimes in s: without end. */
export const INFINITY = 0xffffffff;

export interface PrefixInformation {
  prefix: Uint8Array;
  length: number;
  onLink: boolean;
  autonomous: boolean;
  /** s; INFINITY. */
  validS: number;
  preferredS: number;
}

export interface RouteInformation {
  prefix: Uint8Array;
  length: number;
  preference: number;
  lifetimeS: number;
}

export interface DnsServers {
  lifetimeS: number;
  addresses: Uint8Array[];
}

export interface SearchList {
  lifetimeS: number;
  domains: string[];
}

export interface RouterAdvertisement {
  /** 0: not said; so reachableMs and retransMs. */
  hopLimit: number;
  managed: boolean;
  other: boolean;
  preference: number;
  /** As a default router; 0: it is none. */
  lifetimeS: number;
  reachableMs: number;
  retransMs: number;
  sourceMac?: Uint8Array;
  mtu?: number;
  prefixes: PrefixInformation[];
  routes: RouteInformation[];
  dns: DnsServers[];
  search: SearchList[];
}

// --- reading --------------------------------------------------------------------------------------

/** Calls `each` with every option's place; false where one is of length 0 or does not end before `end`. */
function eachOption(
  bytes: Uint8Array,
  start: number,
  end: number,
  each: (at: number, length: number) => void,
): boolean {
  let at = start;
  while (at < end) {
    const length = at + 2 <= end ? bytes[at + 1] << 3 : 0;
    if (length === 0 || at + length > end) return false;
    each(at, length);
    at += length;
  }
  return true;
}

/** The advertisement whose ICMPv6 header is at `at`; undefined: it is too short or an option is malformed. */
export function parseAdvertisement(bytes: Uint8Array, at: number, end: number): RouterAdvertisement | undefined {
  if (at + Advertisement.BYTES > end) return undefined;
  const flags = bytes[at + Advertisement.FLAGS];
  const found: RouterAdvertisement = {
    hopLimit: bytes[at + Advertisement.HOP_LIMIT],
    managed: (flags & Advertisement.MANAGED) !== 0,
    other: (flags & Advertisement.OTHER) !== 0,
    preference: preferenceOf(flags),
    lifetimeS: read16(bytes, at + Advertisement.LIFETIME),
    reachableMs: read32(bytes, at + Advertisement.REACHABLE) >>> 0,
    retransMs: read32(bytes, at + Advertisement.RETRANS) >>> 0,
    prefixes: [],
    routes: [],
    dns: [],
    search: [],
  };
  const isWhole = eachOption(bytes, at + Advertisement.BYTES, end, (option, length) =>
    readOption(bytes, option, length, found),
  );
  return isWhole ? found : undefined;
}

/** The reserved value counts as medium (RFC 4191 §2.2). */
function preferenceOf(flags: number): number {
  const preference = (flags >> Advertisement.PREFERENCE_SHIFT) & 3;
  return preference === Preference.RESERVED ? Preference.MEDIUM : preference;
}

/** Options of unknown types, and of a wrong length for theirs, are passed over. */
function readOption(bytes: Uint8Array, at: number, length: number, found: RouterAdvertisement): void {
  switch (bytes[at]) {
    case NdOption.SOURCE_MAC:
      if (length === 8) found.sourceMac = bytes.slice(at + 2, at + 8);
      break;
    case NdOption.MTU:
      if (length === 8) found.mtu = read32(bytes, at + 4) >>> 0;
      break;
    case NdOption.PREFIX:
      if (length === 32 && bytes[at + 2] <= 128) found.prefixes.push(readPrefix(bytes, at));
      break;
    case NdOption.ROUTE:
      readRoute(bytes, at, length, found);
      break;
    case NdOption.RDNSS:
      if (length >= 24 && length % 16 === 8) found.dns.push(readDns(bytes, at, length));
      break;
    case NdOption.DNSSL:
      if (length >= 16)
        found.search.push({ lifetimeS: read32(bytes, at + 4) >>> 0, domains: readNames(bytes, at + 8, at + length) });
      break;
  }
}

function readPrefix(bytes: Uint8Array, at: number): PrefixInformation {
  return {
    prefix: bytes.slice(at + 16, at + 32),
    length: bytes[at + 2],
    onLink: (bytes[at + 3] & 0x80) !== 0,
    autonomous: (bytes[at + 3] & 0x40) !== 0,
    validS: read32(bytes, at + 4) >>> 0,
    preferredS: read32(bytes, at + 8) >>> 0,
  };
}

/** A prefix longer than its option is passed over, and one of the reserved preference (RFC 4191 §2.3). */
function readRoute(bytes: Uint8Array, at: number, length: number, found: RouterAdvertisement): void {
  const bits = bytes[at + 2];
  const preference = (bytes[at + 3] >> 3) & 3;
  if (length > 24 || bits > 128 || bits > (length - 8) * 8 || preference === Preference.RESERVED) return;
  const prefix = new Uint8Array(16);
  prefix.set(bytes.subarray(at + 8, at + length));
  found.routes.push({ prefix, length: bits, preference, lifetimeS: read32(bytes, at + 4) >>> 0 });
}

function readDns(bytes: Uint8Array, at: number, length: number): DnsServers {
  const addresses: Uint8Array[] = [];
  for (let address = at + 8; address < at + length; address += 16) addresses.push(bytes.slice(address, address + 16));
  return { lifetimeS: read32(bytes, at + 4) >>> 0, addresses };
}

/** Names of labels, without compression; what is malformed ends the list. */
function readNames(bytes: Uint8Array, start: number, end: number): string[] {
  const names: string[] = [];
  const labels: string[] = [];
  for (let at = start; at < end; ) {
    const length = bytes[at];
    if (length > 63 || at + 1 + length > end) break;
    if (length > 0) labels.push(new TextDecoder('latin1').decode(bytes.slice(at + 1, at + 1 + length)));
    else if (labels.length > 0) names.push(labels.splice(0).join('.'));
    at += 1 + length;
  }
  return names;
}

/** Whether a solicitation is long enough and its options are well formed. */
export function checkSolicitation(bytes: Uint8Array, at: number, end: number): boolean {
  return at + Solicitation.BYTES <= end && eachOption(bytes, at + Solicitation.BYTES, end, () => {});
}

// --- writing --------------------------------------------------------------------------------------

/** An ICMPv6 message, its checksum 0. */
export function buildSolicitation(mac?: Uint8Array): Uint8Array {
  const option = mac === undefined ? [] : [NdOption.SOURCE_MAC, 1, ...mac];
  return Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0, ...option);
}

/** An ICMPv6 message, its checksum 0. */
export function buildAdvertisement(advertisement: RouterAdvertisement): Uint8Array {
  const bytes = new Uint8Array(Advertisement.BYTES);
  const { managed, other, preference, sourceMac, mtu } = advertisement;
  bytes[0] = 134;
  bytes[Advertisement.HOP_LIMIT] = advertisement.hopLimit;
  bytes[Advertisement.FLAGS] =
    (managed ? Advertisement.MANAGED : 0) | (other ? Advertisement.OTHER : 0) | (preference << 3);
  write16(bytes, Advertisement.LIFETIME, advertisement.lifetimeS);
  write32(bytes, Advertisement.REACHABLE, advertisement.reachableMs);
  write32(bytes, Advertisement.RETRANS, advertisement.retransMs);
  const options = [
    ...advertisement.prefixes.map(prefixOption),
    ...advertisement.routes.map(routeOption),
    ...advertisement.dns.map(dnsOption),
    ...advertisement.search.map(searchOption),
    ...(mtu === undefined ? [] : [[NdOption.MTU, 1, 0, 0, ...word(mtu)]]),
    ...(sourceMac === undefined ? [] : [[NdOption.SOURCE_MAC, 1, ...sourceMac]]),
  ];
  return Uint8Array.of(...bytes, ...options.flat());
}

function word(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function prefixOption({ prefix, length, onLink, autonomous, validS, preferredS }: PrefixInformation): number[] {
  const flags = (onLink ? 0x80 : 0) | (autonomous ? 0x40 : 0);
  return [NdOption.PREFIX, 4, length, flags, ...word(validS), ...word(preferredS), 0, 0, 0, 0, ...prefix];
}

function routeOption({ prefix, length, preference, lifetimeS }: RouteInformation): number[] {
  const words = length === 0 ? 0 : length <= 64 ? 1 : 2;
  return [NdOption.ROUTE, 1 + words, length, preference << 3, ...word(lifetimeS), ...prefix.subarray(0, words * 8)];
}

function dnsOption({ lifetimeS, addresses }: DnsServers): number[] {
  return [NdOption.RDNSS, 1 + 2 * addresses.length, 0, 0, ...word(lifetimeS), ...addresses.flatMap((a) => [...a])];
}

function searchOption({ lifetimeS, domains }: SearchList): number[] {
  const names = domains.flatMap((domain) => [
    ...domain.split('.').flatMap((label) => [label.length, ...new TextEncoder().encode(label)]),
    0,
  ]);
  while (names.length % 8 !== 0) names.push(0);
  return [NdOption.DNSSL, 1 + names.length / 8, 0, 0, ...word(lifetimeS), ...names];
}

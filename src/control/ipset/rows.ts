/*
 * Members in the dataplane's words: one command may name many, by ranges of addresses and ports, in the order the kernel takes them.
 *
 * The rows that `rowsOf` yields are one and the same array, filled anew.
 */
import { DEFAULT_TIMEOUT, Member, MemberFlag, MemberPlace, SetType } from '../../tables/ipset-member.js';
import type { Address } from '../iptables/addresses.js';
import { kernel, Useless } from './failures.js';
import { isBitmap, type Verb } from './kinds.js';
import type { NamedSet, SetBody } from './sets.js';
import type { Values } from './values.js';

/** What members name. */
export interface Names {
  set(name: string): NamedSet | undefined;
  link(name: string): number;
}

const ICMP = 1;
const ICMPV6 = 58;
const WITH_PORTS = [6, 17, 132, 136];
const LAST_ADDRESS = 0xffffffff;

const $row = new Int32Array(Member.WORDS);

/** Prefixes and addresses of IPv4 from `first` to `last`, unsigned; `length` of each is written to $row by the caller. */
interface Piece {
  address: number;
  length: number;
}

export function* rowsOf(body: SetBody, verb: Verb, values: Values, names: Names): Generator<Int32Array> {
  // The first port of a bitmap is looked at before anything else.
  const { port } = values;
  if (verb !== 'test' && body.kind.type === SetType.BITMAP_PORT && port !== undefined)
    checkPorts(body.created, port, port);
  checkExtensions(body, values);
  if (values.isWildcard === true) {
    throw new Useless(`cannot ${verb} "${values.iface}": wildcard has no effect; name each link`);
  }
  const isMany = verb !== 'test';
  for (const _ of firsts(body, isMany, values)) {
    for (const _ of seconds(body, isMany, values)) {
      putRest(body, values, names);
      for (const _ of ports(body, isMany, values)) {
        putExtensions(body, verb, values);
        yield $row;
      }
    }
  }
}

function checkExtensions({ created }: SetBody, values: Values): void {
  if (values.timeout !== undefined && created.timeout === undefined) throw kernel('noTimeout');
  const hasCounts = values.packets !== undefined || values.bytes !== undefined;
  if (hasCounts && created.hasCounters !== true) throw kernel('noCounters');
  if (values.comment !== undefined && created.hasComments !== true) throw kernel('noComment');
  const { skbmark, skbprio, skbqueue } = values;
  const hasSkb = skbmark !== undefined || skbprio !== undefined || skbqueue !== undefined;
  if (hasSkb && created.hasSkbinfo !== true) throw kernel('noSkbinfo');
}

// --- the first address ------------------------------------------------------------------------------

function* firsts(body: SetBody, isMany: boolean, values: Values): Generator<void> {
  $row.fill(0);
  const { ip } = values;
  if (ip === undefined) return yield;
  const isNet = body.kind.parts[0] === 'net';
  if (body.family === 6) {
    const length = prefixOf(body, values.cidr, isNet, 128);
    putAddress(Member.ADDRESS, isNet ? ip : firstOf(body, ip), Member.LENGTH, length);
    return yield;
  }
  for (const { address, length } of isNet ? netsOf(body, isMany, values) : hostsOf(body, isMany, values)) {
    putAddress(Member.ADDRESS, [address | 0], Member.LENGTH, length);
    yield;
  }
}

function putAddress(at: Member, address: Address, lengthAt: Member, length: number): void {
  for (const [i, word] of address.entries()) $row[at + i] = word;
  $row[lengthAt] = length;
}

/** A prefix of length 0 is for those types only that say so. */
function prefixOf({ kind }: SetBody, cidr: number | undefined, isNet: boolean, most: number): number {
  if (cidr === undefined) return most;
  if (!isNet && cidr !== most) throw kernel('badPrefix');
  const takesAll =
    kind.type === SetType.HASH_NET_IFACE ||
    kind.type === SetType.HASH_NET_NET ||
    kind.type === SetType.HASH_NET_PORT_NET;
  if (cidr === 0 && !takesAll) throw kernel('badPrefix');
  return cidr;
}

/** What counts of the first address; of a range, the others are not looked at. */
function firstOf({ kind, created }: SetBody, ip: Address): Address {
  const first = masked(ip, created);
  if (first.some((word) => word !== 0)) return first;
  if (kind.type === SetType.HASH_IP) throw kernel('isNull');
  if (kind.type === SetType.HASH_IP_PORT) throw kernel('invalid');
  return first;
}

function masked(ip: Address, { netmask, bitmask }: Values): Address {
  if (bitmask !== undefined) return ip.map((word, i) => word & bitmask[i]);
  if (netmask === undefined) return ip;
  return ip.map((word, i) => {
    const bits = Math.min(32, Math.max(0, netmask - 32 * i));
    return bits === 0 ? 0 : word & (-1 << (32 - bits));
  });
}

function* hostsOf(body: SetBody, isMany: boolean, values: Values): Generator<Piece> {
  const { created, kind } = body;
  const hasPlaces = isBitmap(kind);
  const step = hasPlaces || kind.type === SetType.HASH_IP ? 2 ** (32 - (created.netmask ?? 32)) : 1;
  const { ip: given = [0] } = values;
  const ip = hasPlaces ? given : firstOf(body, given);
  let [first, last] = isMany ? hostRange(kind.type, ip[0] >>> 0, values) : [ip[0] >>> 0, ip[0] >>> 0];
  if (hasPlaces) {
    if (isMany) checkPlaces(created, first, last);
    first = Math.floor(first / step) * step;
    last = Math.max(first, last);
  }
  for (let address = first; address <= last; address += step) yield { address, length: 32 };
}

function hostRange(type: SetType, ip: number, { to, cidr }: Values): [first: number, last: number] {
  if (to !== undefined) {
    const end = to[0] >>> 0;
    if (type === SetType.HASH_IP && end === 0 && ip > 0) throw kernel('isNull');
    return ip > end ? [end, ip] : [ip, end];
  }
  if (cidr === undefined) return [ip, ip];
  if (cidr === 0) throw kernel('badPrefix');
  const size = 2 ** (32 - cidr);
  const first = Math.floor(ip / size) * size;
  return [first, first + size - 1];
}

/** None of a range is added if one of it has no place. */
function checkPlaces({ ip = [0], to = [0] }: Values, first: number, last: number): void {
  if (first < ip[0] >>> 0 || last > to[0] >>> 0) throw kernel('outOfRange');
}

function* netsOf(body: SetBody, isMany: boolean, values: Values): Generator<Piece> {
  const { ip = [0], to } = values;
  const length = prefixOf(body, values.cidr, true, 32);
  if (isMany && to !== undefined) yield* prefixes(ip[0] >>> 0, to[0] >>> 0);
  else yield { address: ip[0], length };
}

/** The widest prefixes that a range is made of. */
function* prefixes(one: number, other: number): Generator<Piece> {
  let first = Math.min(one, other);
  const last = Math.max(one, other);
  if (first === 0 && last === LAST_ADDRESS) throw kernel('allAddresses');
  while (first <= last) {
    let size = 1;
    let length = 32;
    while (length > 0 && first % (size * 2) === 0 && first + size * 2 - 1 <= last) {
      size *= 2;
      length--;
    }
    yield { address: first, length };
    first += size;
  }
}

// --- the second address and what there is one of ----------------------------------------------------

function* seconds(body: SetBody, isMany: boolean, values: Values): Generator<void> {
  const { ip2, to2, cidr2 } = values;
  if (ip2 === undefined) return yield;
  const isNet = body.kind.parts.includes('net2');
  const length = body.family === 6 ? 128 : 32;
  if (!isMany || to2 === undefined || body.family === 6) {
    putAddress(Member.SECOND, ip2, Member.SECOND_LENGTH, isNet ? prefixOf(body, cidr2, true, length) : length);
    return yield;
  }
  for (const piece of prefixes(ip2[0] >>> 0, to2[0] >>> 0)) {
    putAddress(Member.SECOND, [piece.address | 0], Member.SECOND_LENGTH, piece.length);
    yield;
  }
}

function putRest(body: SetBody, values: Values, names: Names): void {
  const { mac, mark, iface } = values;
  if (mac !== undefined) {
    if (body.kind.type !== SetType.BITMAP_IP_MAC && mac[0] === 0 && mac[1] === 0) throw kernel('isNull');
    $row[Member.MAC_HIGH] = mac[0];
    $row[Member.MAC_LOW] = mac[1];
  }
  if (mark !== undefined) $row[Member.MARK] = mark;
  if (iface !== undefined) $row[Member.LINK_NAME] = names.link(iface);
  if (values.name !== undefined) putSet(values, names);
}

function putSet({ name = '', reference, isBefore }: Values, names: Names): void {
  const set = names.set(name);
  if (set === undefined) throw kernel('noMember');
  if (set.body.kind.type === SetType.LIST_SET) throw kernel('loop');
  $row[Member.SET] = set.number;
  if (reference === undefined) return;
  const beside = names.set(reference);
  if (beside === undefined) throw kernel('noReference');
  $row[Member.PLACE] = isBefore === true ? MemberPlace.BEFORE : MemberPlace.AFTER;
  $row[Member.REFERENCE] = beside.number;
}

// --- ports ------------------------------------------------------------------------------------------

function* ports(body: SetBody, isMany: boolean, values: Values): Generator<void> {
  const { protocol = 0, port, portTo } = values;
  if (port === undefined) return yield;
  const hasPlaces = isBitmap(body.kind);
  if (!hasPlaces && protocol === 0) throw kernel('badProtocol');
  const hasPorts = hasPlaces || WITH_PORTS.includes(protocol);
  const isIcmp = protocol === (body.family === 6 ? ICMPV6 : ICMP);
  $row[Member.PROTOCOL] = protocol;
  const other = isMany && hasPorts ? (portTo ?? port) : port;
  const first = Math.min(port, other);
  const last = Math.max(port, other);
  if (hasPlaces && isMany) checkPorts(body.created, first, last);
  for (let one = first; one <= last; one++) {
    $row[Member.PORT] = hasPorts || isIcmp ? one : 0;
    yield;
  }
}

function checkPorts({ port = 0, portTo = 0 }: Values, first: number, last: number): void {
  if (first < port || last > portTo) throw kernel('outOfRange');
}

// --- what a member has beside its key ---------------------------------------------------------------

function putExtensions(body: SetBody, verb: Verb, values: Values): void {
  const { packets, bytes, mac, skbmark, skbprio, skbqueue } = values;
  let flags = 0;
  if (values.isNomatch === true) flags |= MemberFlag.NOMATCH;
  if (values.isPhysdev === true) flags |= MemberFlag.PHYSDEV;
  if (mac !== undefined) flags |= MemberFlag.HAS_MAC;
  if (packets !== undefined) flags |= MemberFlag.HAS_PACKETS;
  if (bytes !== undefined) flags |= MemberFlag.HAS_BYTES;
  if ((skbmark ?? skbprio ?? skbqueue) !== undefined) flags |= MemberFlag.HAS_SKBINFO;
  $row[Member.FLAGS] = flags;
  if (verb !== 'add') return;
  $row[Member.TIMEOUT] = values.timeout ?? DEFAULT_TIMEOUT;
  put64(Member.PACKETS, packets);
  put64(Member.BYTES, bytes);
  $row[Member.SKB_MARK] = skbmark?.[0] ?? 0;
  $row[Member.SKB_MASK] = skbmark?.[1] ?? 0;
  $row[Member.SKB_PRIORITY] = skbprio ?? 0;
  $row[Member.SKB_QUEUE] = skbqueue ?? 0;
  $row[Member.COMMENT] = body.commentNumber(values.comment);
}

function put64(at: Member, value: bigint | undefined): void {
  if (value === undefined) return;
  $row[at] = Number(BigInt.asIntN(32, value));
  $row[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
}

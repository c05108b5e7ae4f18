/*
 * The hash tables of an index: each has the rules whose boxes fix certain bits, under those bits.
 *
 *   table: mask of source, destination, ports, protocol, links ─► hash ─► slot ─► rule ─► rule ─► … in the order of the chain
 *
 * - `relax` chooses the mask for a rule: at first a coarse one, so that few tables hold most rules; where a bucket has BUCKET rules
 *   already, a finer one, then the rule's own. What the last one does not separate stays one list.
 * - A slot's word is the first rule's number and, above it, eight bits: which of eight parts of the hash's range occur in the list.
 * - The number of slots grows by one at a time (linear hashing): a slot's rules are shared out between it and a new one. Only the
 *   array is copied when it doubles; nothing else ever depends on how many rules there are.
 * - A rule's place in a long list is found from both sides: along the list, and backwards along the chain to the next rule
 *   that is in the same list.
 */
import { Place } from './place.js';
import { Rule, RuleFlag } from './rule.js';

/** Words of a table. */
export const enum Table {
  SHIFT = 5,
  SOURCE_MASK = 0,
  DESTINATION_MASK = 1,
  /** Source port's mask << 16 | destination port's. */
  PORTS_MASK = 2,
  PROTOCOL_MASK = 3,
  /** As Rule.LINKS. */
  LINKS_MASK = 4,
  /** The word of slot 0; the slots that there are; room for so many, a power of two. */
  SLOTS = 5,
  USED = 6,
  CAPACITY = 7,
  /** No rule's ORDER is lower. */
  LOWEST = 8,
  /** No rule's ORDER is lower, in this table and all of a higher number. */
  FLOOR = 13,
  COUNT = 9,
  /** Rules that were put into short lists: what the number of slots goes by. */
  SPREAD = 10,
  /** Parts of the screen, and of the one being built, that have the table's bit everywhere (ScreenPart as bits). */
  FULL = 11,
  SHADOW_FULL = 12,
  SOURCE_MASK_REST = 16,
  DESTINATION_MASK_REST = 19,
}

/** A slot's word. */
export const enum SlotWord {
  RULE = 0x1f_ffff,
  FILTER_SHIFT = 21,
  /** Of the hash: its upper three bits choose the filter's bit. */
  HASH_SHIFT = 29,
}

export const enum Hash {
  SOURCE = 0x9e37_79b1,
  DESTINATION = 0x85eb_ca6b,
  PORTS = 0xc2b2_ae35,
  REST = 0x27d4_eb2f,
  FINAL = 0x1656_67b1,
}

/** A table's masks in a word. */
const enum Signature {
  DESTINATION_SHIFT = 8,
  LENGTH = 0xff,
  SOURCE_PORT_SHIFT = 16,
  DESTINATION_PORT_SHIFT = 21,
  PORT = 31,
  PROTOCOL = 1 << 26,
  IN = 1 << 27,
  OUT = 1 << 28,
  EXISTS = 1 << 29,
}

/** Masks are tried from COARSE on. */
export const enum Level {
  /** Where no more coarse ones may be made: there are 14 such masks, for which there is always a number. */
  LAST_RESORT = 0,
  COARSE = 1,
  FINE = 2,
  EXACT = 3,
}

/** Above every label. */
export const NOTHING = 0x7fff_ffff;
/** The most rules of a list before a finer mask is tried. */
export const BUCKET = 8;
/** Slots of a new table. */
export const FIRST_SLOTS = 8;

/** What a rule's box fixes: lengths of prefixes, of ports too; flags. Inverted fields fix nothing. */
export interface Fixed {
  source: number;
  destination: number;
  sourcePort: number;
  destinationPort: number;
  flags: number;
}

/** Leading ones. */
function ones(mask: number): number {
  return Math.clz32(~mask);
}

function prefixLength(rows: Int32Array, first: number, rest: number, isIpv6: boolean): number {
  let length = ones(rows[first]);
  for (let i = 0; isIpv6 && i < 3 && length === (i + 1) * 32; i++) length += ones(rows[rest + i]);
  return length;
}

/** Leading bits that all ports of a range have in common. */
function portBits(ports: number): number {
  return Math.clz32((ports >>> 16) ^ (ports & 0xffff)) - 16;
}

export function fixedOf(rows: Int32Array, row: number, isExact: (pattern: number) => boolean, into: Fixed): void {
  const flags = rows[row + Rule.FLAGS];
  const isIpv6 = (flags & RuleFlag.IPV6) !== 0;
  const has = (flag: RuleFlag): boolean => (flags & flag) === 0;
  const hasPorts = (flags & RuleFlag.HAS_PORTS) !== 0;
  const links = rows[row + Rule.LINKS];
  into.source = has(RuleFlag.NOT_SOURCE)
    ? prefixLength(rows, row + Rule.SOURCE_MASK, row + Rule.SOURCE_MASK_REST, isIpv6)
    : 0;
  into.destination = has(RuleFlag.NOT_DESTINATION)
    ? prefixLength(rows, row + Rule.DESTINATION_MASK, row + Rule.DESTINATION_MASK_REST, isIpv6)
    : 0;
  into.sourcePort = hasPorts && has(RuleFlag.NOT_SOURCE_PORTS) ? portBits(rows[row + Rule.SOURCE_PORTS]) : 0;
  into.destinationPort =
    hasPorts && has(RuleFlag.NOT_DESTINATION_PORTS) ? portBits(rows[row + Rule.DESTINATION_PORTS]) : 0;
  const isProtocol = has(RuleFlag.NOT_PROTOCOL) && rows[row + Rule.PROTOCOL] !== 0;
  const isIn = has(RuleFlag.NOT_IN) && isExact(links & 0xffff);
  const isOut = has(RuleFlag.NOT_OUT) && isExact(links >>> 16);
  into.flags = (isProtocol ? Signature.PROTOCOL : 0) | (isIn ? Signature.IN : 0) | (isOut ? Signature.OUT : 0);
}

/** The masks of the table for a rule that fixes so much. */
export function relax(
  { source, destination, sourcePort, destinationPort, flags }: Fixed,
  level: Level,
  isIpv6: boolean,
): number {
  if (level === Level.EXACT) return signature(source, destination, sourcePort, destinationPort, flags);
  if (level === Level.FINE) {
    const step = isIpv6 ? ~7 : ~3;
    return signature(source & step, destination & step, sourcePort & ~3, destinationPort & ~3, flags);
  }
  if (level === Level.LAST_RESORT) return lastResort(source, destination, flags, isIpv6 ? 32 : 16);
  const pair = isIpv6 ? 48 : 16;
  const step = isIpv6 ? ~15 : ~7;
  const port = destinationPort & 16;
  if (source >= pair && destination >= pair) return signature(pair, pair, 0, port, flags);
  // One address that says much is enough.
  const single = isIpv6 ? 64 : 24;
  if (source >= single) return signature(source & step, 0, 0, port, flags);
  if (destination >= single) return signature(0, destination & step, 0, port, flags);
  return signature(source & step, destination & step, sourcePort & 16, port, flags);
}

/** Half the addresses and the protocol, or where the rule fixes none of them links and protocol. */
function lastResort(source: number, destination: number, flags: number, half: number): number {
  const isOpen = source < half && destination < half;
  const kept = isOpen ? flags : flags & Signature.PROTOCOL;
  return signature(source < half ? 0 : half, destination < half ? 0 : half, 0, 0, kept);
}

function signature(
  source: number,
  destination: number,
  sourcePort: number,
  destinationPort: number,
  flags: number,
): number {
  return (
    source |
    (destination << Signature.DESTINATION_SHIFT) |
    (sourcePort << Signature.SOURCE_PORT_SHIFT) |
    (destinationPort << Signature.DESTINATION_PORT_SHIFT) |
    flags |
    Signature.EXISTS
  );
}

/** Writes a new table without slots. */
export function writeTable(words: Int32Array, table: number, of: number): void {
  const source = of & Signature.LENGTH;
  const destination = (of >>> Signature.DESTINATION_SHIFT) & Signature.LENGTH;
  const sourcePort = (of >>> Signature.SOURCE_PORT_SHIFT) & Signature.PORT;
  const destinationPort = (of >>> Signature.DESTINATION_PORT_SHIFT) & Signature.PORT;
  words.fill(0, table, table + (1 << Table.SHIFT));
  words[table + Table.SOURCE_MASK] = mask(source);
  words[table + Table.DESTINATION_MASK] = mask(destination);
  for (let i = 0; i < 3; i++) {
    words[table + Table.SOURCE_MASK_REST + i] = mask(source - (i + 1) * 32);
    words[table + Table.DESTINATION_MASK_REST + i] = mask(destination - (i + 1) * 32);
  }
  words[table + Table.PORTS_MASK] = (mask(sourcePort) & 0xffff_0000) | (mask(destinationPort) >>> 16);
  words[table + Table.PROTOCOL_MASK] = (of & Signature.PROTOCOL) !== 0 ? 0xff : 0;
  words[table + Table.LINKS_MASK] =
    ((of & Signature.IN) !== 0 ? 0xffff : 0) | ((of & Signature.OUT) !== 0 ? 0xffff_0000 : 0);
  words[table + Table.LOWEST] = NOTHING;
}

/** So many leading ones, none for less than 1, all for 32 and more. */
function mask(length: number): number {
  if (length <= 0) return 0;
  return length >= 32 ? -1 : -1 << (32 - length);
}

/** The hash of what a table's masks leave of a packet or a rule. For IPv6 the first argument has the other address words mixed in: see `rest6`. */
export function hashOf(
  words: Int32Array,
  table: number,
  rest: number,
  source: number,
  destination: number,
  ports: number,
  protocolAndLinks: number,
): number {
  let hash =
    (rest +
      Math.imul(source & words[table + Table.SOURCE_MASK], Hash.SOURCE) +
      Math.imul(destination & words[table + Table.DESTINATION_MASK], Hash.DESTINATION) +
      Math.imul(ports & words[table + Table.PORTS_MASK], Hash.PORTS) +
      Math.imul(protocolAndLinks, Hash.REST)) |
    0;
  hash = Math.imul(hash ^ (hash >>> 15), Hash.FINAL);
  return hash ^ (hash >>> 13);
}

/** Of an IPv6 address what its table's masks leave of the words behind the first. */
export function mixRest(words: Int32Array, masks: number, from: Int32Array, at: number, factor: number): number {
  let hash = Math.imul(from[at] & words[masks], factor ^ 0x2545_f491);
  hash = Math.imul((hash ^ (hash >>> 14)) + (from[at + 1] & words[masks + 1]), factor);
  return Math.imul((hash ^ (hash >>> 16)) + (from[at + 2] & words[masks + 2]), factor);
}

/** The slot of a hash. */
export function slotOf(words: Int32Array, table: number, hash: number): number {
  const slot = hash & (words[table + Table.CAPACITY] - 1);
  return slot < words[table + Table.USED] ? slot : slot - (words[table + Table.CAPACITY] >>> 1);
}

export function filterOf(hash: number): number {
  return 1 << (SlotWord.FILTER_SHIFT + (hash >>> SlotWord.HASH_SHIFT));
}

/** A rule's own hash in a table. */
export function hashRule(words: Int32Array, table: number, rows: Int32Array, row: number, isIpv6: boolean): number {
  const rest = isIpv6
    ? mixRest(words, table + Table.SOURCE_MASK_REST, rows, row + Rule.SOURCE_REST, Hash.SOURCE) +
      mixRest(words, table + Table.DESTINATION_MASK_REST, rows, row + Rule.DESTINATION_REST, Hash.DESTINATION)
    : 0;
  const ports = (rows[row + Rule.SOURCE_PORTS] & 0xffff_0000) | (rows[row + Rule.DESTINATION_PORTS] >>> 16);
  const protocolAndLinks =
    (rows[row + Rule.PROTOCOL] & words[table + Table.PROTOCOL_MASK]) +
    (rows[row + Rule.LINKS] & words[table + Table.LINKS_MASK]);
  return hashOf(words, table, rest, rows[row + Rule.SOURCE], rows[row + Rule.DESTINATION], ports, protocolAndLinks);
}

/** The last rule of the slot's list that is before this one in the chain, or 0. `rule` may be in the list. */
export function predecessor(
  words: Int32Array,
  table: number,
  rows: Int32Array,
  rule: number,
  tableNumber: number,
  slot: number,
): number {
  const order = rows[(rule << Rule.SHIFT) + Rule.ORDER];
  let before = 0;
  let next = words[words[table + Table.SLOTS] + slot] & SlotWord.RULE;
  let back = rows[(rule << Rule.SHIFT) + Place.PREVIOUS];
  for (;;) {
    if (next === 0 || rows[(next << Rule.SHIFT) + Rule.ORDER] >= order) return before;
    if (back === 0) return 0;
    const row = back << Rule.SHIFT;
    if (rows[row + Place.TABLE] === tableNumber + 1 && slotOf(words, table, rows[row + Place.HASH]) === slot)
      return back;
    back = rows[row + Place.PREVIOUS];
    before = next;
    next = rows[(next << Rule.SHIFT) + Place.BUCKET];
  }
}

/** Whether a list has fewer rules than that. */
export function isShort(rows: Int32Array, first: number, limit: number): boolean {
  let rule = first;
  for (let i = 0; i < limit; i++) {
    if (rule === 0) return true;
    rule = rows[(rule << Rule.SHIFT) + Place.BUCKET];
  }
  return false;
}

/** Gives the first half's next slot a second one and shares its rules out between them. There is room. */
export function split(words: Int32Array, table: number, rows: Int32Array): void {
  const slots = words[table + Table.SLOTS];
  const to = words[table + Table.USED];
  const from = to - (words[table + Table.CAPACITY] >>> 1);
  let rule = words[slots + from] & SlotWord.RULE;
  words[slots + from] = 0;
  words[slots + to] = 0;
  words[table + Table.USED] = to + 1;
  // The last rule of either list; 0: none yet.
  let lastFrom = 0;
  let lastTo = 0;
  while (rule !== 0) {
    const row = rule << Rule.SHIFT;
    const next = rows[row + Place.BUCKET];
    const hash = rows[row + Place.HASH];
    const slot = slotOf(words, table, hash);
    const last = slot === to ? lastTo : lastFrom;
    if (last === 0) words[slots + slot] |= rule;
    else rows[(last << Rule.SHIFT) + Place.BUCKET] = rule;
    words[slots + slot] |= filterOf(hash);
    rows[row + Place.BUCKET] = 0;
    if (slot === to) lastTo = rule;
    else lastFrom = rule;
    rule = next;
  }
}

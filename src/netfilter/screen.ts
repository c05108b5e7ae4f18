/*
 * The screen of an index: for a packet, which of its 64 tables can have a rule for it at all.
 *
 *   source's upper half ─► 64 bits ┐
 *   destination's ───────► 64 bits ├ and ─► the tables to look into, two of some fifty on ClassBench's sets
 *   protocol, ports, links ► 64 bits ┘
 *
 * - Each part is an array of pairs of words, indexed by some bits of one field or a hash of them. A rule sets its
 *   table's bit in the pairs that packets in its box can come to; a rule that leaves a field open sets it in all of them, which
 *   is remembered, so that the next such rule of the table costs nothing.
 * - Bits of removed rules stay. They cost time, never an answer; when as many rules have been removed as there are the
 *   screen is made anew beside the old one, some slots with each change.
 */
import { Rule, RuleFlag } from './rule.js';

/** Parts of a screen, in their order. */
export const enum ScreenPart {
  SOURCE = 0,
  DESTINATION = 1,
  PROTOCOL = 2,
  SOURCE_PORT = 3,
  DESTINATION_PORT = 4,
  IN = 5,
  OUT = 6,
  COUNT = 7,
}

/** Bits that index the addresses' parts of a screen. */
export const enum ScreenBits {
  SMALL = 6,
  MEDIUM = 12,
  LARGE = 13,
  HUGE = 14,
  /** The other parts', at most. */
  OTHERS = 8,
}

/** What a screen for so many rules has. */
export function bitsFor(rules: number): number {
  if (rules <= 256) return ScreenBits.SMALL;
  if (rules <= 4096) return ScreenBits.MEDIUM;
  return rules <= 32_768 ? ScreenBits.LARGE : ScreenBits.HUGE;
}

const SPREAD = 0x9e37_79b1;
const SPREAD_REST = 0x85eb_ca6b;

export function otherBits(bits: number): number {
  return Math.min(bits, ScreenBits.OTHERS);
}

export function screenWords(bits: number): number {
  return (4 << bits) + ((ScreenPart.COUNT - 2) << (otherBits(bits) + 1));
}

/** The word where a part starts in a screen. */
export function partAt(bits: number, part: ScreenPart): number {
  return part < 2 ? part << (bits + 1) : (4 << bits) + ((part - 2) << (otherBits(bits) + 1));
}

/** Where an address's upper 16 bits are in its part. */
export function place4(upper: number, shift: number): number {
  return Math.imul(upper, SPREAD) >>> shift;
}

/** Where an IPv6 address's upper 48 bits are. */
export function place6(first: number, second: number, shift: number): number {
  return (Math.imul(first, SPREAD) + Math.imul((second >>> 16) ^ (first >>> 15), SPREAD_REST)) >>> shift;
}

/** One screen while a rule is put into it. */
export class ScreenWriter {
  /** The screen's first word, its bits, the table's bit within a pair's word, and which word of the pair. */
  private start = 0;
  private bits = 0;
  private bit = 0;
  /** ScreenPart, as bits, where the table's bit is everywhere. */
  private full = 0;
  /** ScreenPart, as bits, that the rule has not left open. */
  parts = 0;

  constructor(
    private readonly words: Int32Array,
    private readonly rows: Int32Array,
  ) {}

  /** Puts a rule in, of the table of that number; `full` is Table.FULL, and so is the answer. */
  add(
    start: number,
    bits: number,
    table: number,
    full: number,
    row: number,
    isExact: (pattern: number) => boolean,
  ): number {
    this.start = start + (table >>> 5);
    this.bits = bits;
    this.bit = 1 << (table & 31);
    this.full = full;
    this.parts = 0;
    const { rows } = this;
    const flags = rows[row + Rule.FLAGS];
    const isOpen = (not: RuleFlag): boolean => (flags & not) !== 0;
    this.addAddress(ScreenPart.SOURCE, isOpen(RuleFlag.NOT_SOURCE), row + Rule.SOURCE, row + Rule.SOURCE_REST, flags);
    this.addAddress(
      ScreenPart.DESTINATION,
      isOpen(RuleFlag.NOT_DESTINATION),
      row + Rule.DESTINATION,
      row + Rule.DESTINATION_REST,
      flags,
    );
    const protocol = rows[row + Rule.PROTOCOL];
    this.addOne(ScreenPart.PROTOCOL, isOpen(RuleFlag.NOT_PROTOCOL) || protocol === 0, protocol);
    const hasPorts = (flags & RuleFlag.HAS_PORTS) !== 0;
    this.addPorts(
      ScreenPart.SOURCE_PORT,
      !hasPorts || isOpen(RuleFlag.NOT_SOURCE_PORTS),
      rows[row + Rule.SOURCE_PORTS],
    );
    this.addPorts(
      ScreenPart.DESTINATION_PORT,
      !hasPorts || isOpen(RuleFlag.NOT_DESTINATION_PORTS),
      rows[row + Rule.DESTINATION_PORTS],
    );
    const links = rows[row + Rule.LINKS];
    this.addOne(ScreenPart.IN, isOpen(RuleFlag.NOT_IN) || !isExact(links & 0xffff), links & 0xffff);
    this.addOne(ScreenPart.OUT, isOpen(RuleFlag.NOT_OUT) || !isExact(links >>> 16), links >>> 16);
    return this.full;
  }

  private set(part: ScreenPart, place: number): void {
    this.words[this.start + partAt(this.bits, part) + (place << 1)] |= this.bit;
  }

  private fill(part: ScreenPart): void {
    const { words, bit } = this;
    const start = this.start + partAt(this.bits, part);
    const end = start + (2 << (part < 2 ? this.bits : otherBits(this.bits)));
    for (let at = start; at < end; at += 2) words[at] |= bit;
    this.full |= 1 << part;
  }

  /** Notes whether the rule leaves a field open; answers whether the table's bit is everywhere, or is now. */
  private settle(part: ScreenPart, isOpen: boolean): boolean {
    if (!isOpen) this.parts |= 1 << part;
    if (this.isFull(part)) return true;
    if (isOpen) this.fill(part);
    return isOpen;
  }

  private isFull(part: ScreenPart): boolean {
    return ((this.full >>> part) & 1) !== 0;
  }

  private addOne(part: ScreenPart, isOpen: boolean, value: number): void {
    if (this.settle(part, isOpen)) return;
    this.set(part, value & ((1 << otherBits(this.bits)) - 1));
  }

  private addPorts(part: ScreenPart, isOpen: boolean, ports: number): void {
    const low = ports >>> 16;
    const places = 1 << otherBits(this.bits);
    const count = (ports & 0xffff) - low + 1;
    if (this.settle(part, isOpen || count >= places)) return;
    for (let i = 0; i < count; i++) this.set(part, (low + i) & (places - 1));
  }

  private addAddress(part: ScreenPart, isOpen: boolean, at: number, rest: number, flags: number): void {
    const { rows } = this;
    const shift = 32 - this.bits;
    const mask = rows[at + 1];
    if ((flags & RuleFlag.IPV6) !== 0) {
      const maskRest = rest - Rule.SOURCE_REST + Rule.SOURCE_MASK_REST;
      if (this.settle(part, isOpen || mask !== -1 || rows[maskRest] >>> 16 !== 0xffff)) return;
      this.set(part, place6(rows[at], rows[rest], shift));
      return;
    }
    const length = Math.min(16, Math.clz32(~mask));
    if (this.settle(part, isOpen || length < 8)) return;
    const first = (rows[at] >>> 16) & ((0xffff << (16 - length)) & 0xffff);
    for (let i = 0; i < 1 << (16 - length); i++) this.set(part, place4(first + i, shift));
  }
}

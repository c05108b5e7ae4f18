/*
 * The look-up in an index: the first rule behind a label whose box holds the packet. See classifier.ts.
 */

import { Key, type Packet } from '../core/packet.js';
import type { Box } from './box.js';
import { Hash, mixRest, NOTHING, SlotWord, Table } from './mask-tables.js';
import { Place } from './place.js';
import { Rule } from './rule.js';
import { Index } from './rule-index.js';
import { otherBits, partAt, place4, place6, ScreenPart } from './screen.js';

/** The first rule of the index behind that ORDER whose box holds the packet, or 0. */
export type Find = (index: number, after: number) => number;

const PORT = 1 << ScreenPart.SOURCE_PORT;
const LINKS = (1 << ScreenPart.IN) | (1 << ScreenPart.OUT);

/** As functions in a closure they have the arrays as constants. `exact`: LinkNames. */
export function compileFind(words: Int32Array, rows: Int32Array, packet: Packet, box: Box, exact: Int32Array): Find {
  const { key } = packet;
  // What tables may have a rule for the packet: the screen's answer.
  let $low = 0;
  let $high = 0;

  /** Only the tables that have their bit in one part's pair. */
  function narrow(pair: number): void {
    $low &= words[pair];
    $high &= words[pair + 1];
  }

  /** Parts that few chains need: a branch each costs less than the loads. */
  function lookFurther(screen: number, bits: number, parts: number): void {
    const mask = (1 << otherBits(bits)) - 1;
    if ((parts & PORT) !== 0)
      narrow(screen + partAt(bits, ScreenPart.SOURCE_PORT) + ((key[Key.SOURCE_PORT] & mask) << 1));
    if ((parts & LINKS) === 0) return;
    narrow(screen + partAt(bits, ScreenPart.IN) + ((exact[key[Key.IN]] & mask) << 1));
    narrow(screen + partAt(bits, ScreenPart.OUT) + ((exact[key[Key.OUT]] & mask) << 1));
  }

  /** `source` and `destination` are the places of the addresses in their parts. */
  function look(index: number, source: number, destination: number): void {
    const screen = words[index + Index.SCREEN];
    const bits = words[index + Index.BITS];
    const mask = (1 << otherBits(bits)) - 1;
    const a = screen + (source << 1);
    const b = screen + partAt(bits, ScreenPart.DESTINATION) + (destination << 1);
    const c = screen + partAt(bits, ScreenPart.PROTOCOL) + ((key[Key.PROTOCOL] & mask) << 1);
    const d = screen + partAt(bits, ScreenPart.DESTINATION_PORT) + ((key[Key.DESTINATION_PORT] & mask) << 1);
    $low = words[index + Index.LOW] & words[a] & words[b] & words[c] & words[d];
    $high = words[index + Index.HIGH] & words[a + 1] & words[b + 1] & words[c + 1] & words[d + 1];
    const parts = words[index + Index.PARTS];
    if ((parts & (PORT | LINKS)) !== 0) lookFurther(screen, bits, parts);
  }

  function linksOf(index: number): number {
    if ((words[index + Index.PARTS] & LINKS) === 0) return 0;
    return exact[key[Key.IN]] | (exact[key[Key.OUT]] << 16);
  }

  /** The first rule of the packet's slot, or 0 where no rule there has a hash like this. */
  function enter(table: number, rest: number, ports: number, protocol: number, links: number): number {
    const protocolAndLinks =
      (protocol & words[table + Table.PROTOCOL_MASK]) + (links & words[table + Table.LINKS_MASK]);
    let hash =
      (rest +
        Math.imul(key[Key.SOURCE] & words[table + Table.SOURCE_MASK], Hash.SOURCE) +
        Math.imul(key[Key.DESTINATION] & words[table + Table.DESTINATION_MASK], Hash.DESTINATION) +
        Math.imul(ports & words[table + Table.PORTS_MASK], Hash.PORTS) +
        Math.imul(protocolAndLinks, Hash.REST)) |
      0;
    hash = Math.imul(hash ^ (hash >>> 15), Hash.FINAL);
    hash ^= hash >>> 13;
    const capacity = words[table + Table.CAPACITY];
    let slot = hash & (capacity - 1);
    if (slot >= words[table + Table.USED]) slot -= capacity >>> 1;
    const word = words[words[table + Table.SLOTS] + slot];
    return ((word >>> (SlotWord.FILTER_SHIFT + (hash >>> SlotWord.HASH_SHIFT))) & 1) !== 0 ? word & SlotWord.RULE : 0;
  }

  function find4(index: number, after: number): number {
    const source = key[Key.SOURCE];
    const destination = key[Key.DESTINATION];
    const protocol = key[Key.PROTOCOL];
    const sourcePort = key[Key.SOURCE_PORT];
    const destinationPort = key[Key.DESTINATION_PORT];
    const shift = 32 - words[index + Index.BITS];
    look(index, place4(source >>> 16, shift), place4(destination >>> 16, shift));
    const ports = (sourcePort << 16) | (destinationPort & 0xffff);
    const links = linksOf(index);
    let tables = words[index + Index.TABLES];
    let bits = $low;
    let more = $high;
    let best = 0;
    let bestOrder = NOTHING;
    for (;;) {
      if (bits === 0) {
        if (more === 0) return best;
        bits = more;
        more = 0;
        tables += 32 << Table.SHIFT;
      }
      const table = tables + ((31 - Math.clz32(bits & -bits)) << Table.SHIFT);
      if (words[table + Table.FLOOR] >= bestOrder) return best;
      bits &= bits - 1;
      if (words[table + Table.LOWEST] >= bestOrder) continue;
      let rule = enter(table, 0, ports, protocol, links);
      while (rule !== 0) {
        const row = rule << Rule.SHIFT;
        const order = rows[row + Rule.ORDER];
        if (order >= bestOrder) break;
        if (order > after && box.holds4(row, source, destination, protocol, sourcePort, destinationPort)) {
          best = rule;
          bestOrder = order;
          break;
        }
        rule = rows[row + Place.BUCKET];
      }
    }
  }

  function find6(index: number, after: number): number {
    const source = key[Key.SOURCE];
    const destination = key[Key.DESTINATION];
    const protocol = key[Key.PROTOCOL];
    const sourcePort = key[Key.SOURCE_PORT];
    const destinationPort = key[Key.DESTINATION_PORT];
    const shift = 32 - words[index + Index.BITS];
    look(index, place6(source, key[Key.SOURCE + 1], shift), place6(destination, key[Key.DESTINATION + 1], shift));
    const ports = (sourcePort << 16) | (destinationPort & 0xffff);
    const links = linksOf(index);
    let tables = words[index + Index.TABLES];
    let bits = $low;
    let more = $high;
    let best = 0;
    let bestOrder = NOTHING;
    for (;;) {
      if (bits === 0) {
        if (more === 0) return best;
        bits = more;
        more = 0;
        tables += 32 << Table.SHIFT;
      }
      const table = tables + ((31 - Math.clz32(bits & -bits)) << Table.SHIFT);
      if (words[table + Table.FLOOR] >= bestOrder) return best;
      bits &= bits - 1;
      if (words[table + Table.LOWEST] >= bestOrder) continue;
      const rest =
        mixRest(words, table + Table.SOURCE_MASK_REST, key, Key.SOURCE + 1, Hash.SOURCE) +
        mixRest(words, table + Table.DESTINATION_MASK_REST, key, Key.DESTINATION + 1, Hash.DESTINATION);
      let rule = enter(table, rest, ports, protocol, links);
      while (rule !== 0) {
        const row = rule << Rule.SHIFT;
        const order = rows[row + Rule.ORDER];
        if (order >= bestOrder) break;
        if (order > after && box.holds6(row, source, destination, protocol, sourcePort, destinationPort)) {
          best = rule;
          bestOrder = order;
          break;
        }
        rule = rows[row + Place.BUCKET];
      }
    }
  }

  return (index, after) => (words[index + Index.FAMILY] === 0 ? find4(index, after) : find6(index, after));
}

/* -m set: what a packet is to IP sets. */

import { Key, type Packet } from '../core/packet.js';
import { Ethernet } from '../wire/ethernet.js';
import { read16, read32 } from '../wire/field.js';
import { type Answer, answer } from './answer.js';
import { read64 } from './flow-matches.js';
import { hasPorts } from './headers.js';
import { SetOp } from './ops.js';
import type { NetfilterParts } from './parts.js';
import { Family } from './rule.js';

const ICMP = 1;
const ICMPV6 = 58;

/** Ports of an ICMP message are its type and code; what has none has 0; -1: they are not to be seen. */
function portOf(bytes: Uint8Array, packet: Packet, word: Key): number {
  const { key } = packet;
  const protocol = key[Key.PROTOCOL];
  if (hasPorts(protocol)) return key[word];
  if (protocol !== (packet.family === Family.IPV4 ? ICMP : ICMPV6)) return 0;
  if (key[Key.FRAGMENT] !== 0 || packet.transport < 0) return -1;
  return read16(bytes, packet.transport);
}

/** Fills in what is known of the packet; the rule's part is the caller's. */
export function readQuestion(parts: NetfilterParts, packet: Packet): void {
  const { question, linkNames } = parts.sets;
  const { arena } = parts.inet;
  const { bytes } = arena;
  const { key } = packet;
  const mac = packet.network - Ethernet.BYTES;
  for (let i = 0; i < 4; i++) {
    question.source[i] = key[Key.SOURCE + i];
    question.destination[i] = key[Key.DESTINATION + i];
  }
  question.family = packet.family === Family.IPV4 ? 4 : 6;
  question.protocol = key[Key.PROTOCOL];
  question.sourcePort = portOf(bytes, packet, Key.SOURCE_PORT);
  question.destinationPort = portOf(bytes, packet, Key.DESTINATION_PORT);
  question.in = packet.in > 0 ? linkNames[packet.in] : 0;
  question.out = packet.out > 0 ? linkNames[packet.out] : 0;
  question.physicalIn = packet.physicalIn > 0 ? linkNames[packet.physicalIn] : 0;
  question.physicalOut = packet.physicalOut > 0 ? linkNames[packet.physicalOut] : 0;
  question.mark = arena.mark[packet.frame];
  question.length = packet.length;
  question.hasMac = packet.in > 0;
  if (!question.hasMac) return;
  question.destinationMacHigh = read16(bytes, mac);
  question.destinationMacLow = read32(bytes, mac + 2);
  question.sourceMacHigh = read16(bytes, mac + Ethernet.SOURCE);
  question.sourceMacLow = read32(bytes, mac + Ethernet.SOURCE + 2);
}

export function set(parts: NetfilterParts, at: number, packet: Packet): Answer {
  const { pool, sets } = parts;
  const { question } = sets;
  readQuestion(parts, packet);
  question.dimensions = pool[at + SetOp.DIMENSIONS];
  question.sources = pool[at + SetOp.SOURCES];
  question.returnsNomatch = (pool[at] & SetOp.RETURN_NOMATCH) !== 0;
  question.skipsCounters = (pool[at] & SetOp.SKIP_COUNTERS) !== 0;
  question.skipsSubcounters = (pool[at] & SetOp.SKIP_SUBCOUNTERS) !== 0;
  question.packetsCompare = pool[at + SetOp.PACKETS_COMPARE];
  question.bytesCompare = pool[at + SetOp.BYTES_COMPARE];
  question.packets = read64(pool, at + SetOp.PACKETS);
  question.bytes = read64(pool, at + SetOp.BYTES);
  return answer(sets.test(pool[at + SetOp.SET], packet.now));
}

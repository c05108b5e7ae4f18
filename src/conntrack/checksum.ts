/* Checksums of packets that come in, as trackers ask for them (nf_checksum of net/netfilter/utils.c). */
import type { Arena } from '../core/arena.js';
import { Family } from '../core/hook.js';
import { Key, type Packet } from '../core/packet.js';
import { pseudo4, pseudo6 } from '../wire/checksum.js';
import { Ipv6 } from '../wire/ipv6.js';
import { rangeSum } from '../wire/span.js';
import { Transport } from './tuple.js';

/** Sum over `length` bytes from `position` of a packet's frame on and their pseudo header, which ICMP of IPv4 has not. */
export function transportSum(arena: Arena, packet: Packet, protocol: number, position: number, length: number): number {
  return pseudo(packet, arena.bytes, protocol, length) + rangeSum(arena, packet.frame, position, length);
}

function pseudo(packet: Packet, bytes: Uint8Array, protocol: number, length: number): number {
  if (protocol === Transport.ICMP) return 0;
  if (packet.family === Family.IPV6) return pseudo6(bytes, packet.network + Ipv6.SOURCE, protocol, length);
  return pseudo4(packet.key[Key.SOURCE], packet.key[Key.DESTINATION], protocol, length);
}

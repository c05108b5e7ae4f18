/* Reads what rules and conntrack ask about a packet from its headers into the Packet. */
import type { Arena, Frame } from '../core/arena.js';
import { Key, type Packet } from '../core/packet.js';
import { Ethernet } from '../wire/ethernet.js';
import { read16, read32 } from '../wire/field.js';
import * as ipv4 from '../wire/ipv4.js';
import { Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Extension, FragmentHeader, Ipv6 } from '../wire/ipv6.js';
import { Family } from './rule.js';

const UDP_LITE = 136;
const DCCP = 33;
const SCTP = 132;
const NO_PORT = -1;

/** No more extension headers than this are walked: as many as local delivery walks. */
const MAX_EXTENSIONS = 8;

/** Bytes of an extension header are 8 × (its second byte + 1), of an authentication header 4 × (it + 2). */
const AUTHENTICATION = 51;

/** Reads the headers of `packet.frame`, of `packet.family`; the rest of the packet's fields stay. */
export function readHeaders(arena: Arena, packet: Packet): void {
  packet.network = arena.offset[packet.frame] + Ethernet.BYTES;
  if (packet.family === Family.IPV4) readIpv4(arena, packet);
  else readIpv6(arena, packet);
  readPorts(arena, packet);
}

function readIpv4({ bytes }: Arena, packet: Packet): void {
  const { key, network } = packet;
  key[Key.SOURCE] = ipv4.source(bytes, network);
  key[Key.DESTINATION] = ipv4.destination(bytes, network);
  key[Key.PROTOCOL] = ipv4.protocol(bytes, network);
  key[Key.FRAGMENT] = ipv4.fragmentOffset(bytes, network);
  packet.length = ipv4.totalLength(bytes, network);
  packet.transport = key[Key.FRAGMENT] === 0 ? network + ipv4.headerLength(bytes, network) : -1;
}

function readIpv6(arena: Arena, packet: Packet): void {
  const { bytes } = arena;
  const { key, network } = packet;
  for (let i = 0; i < 8; i++) key[Key.SOURCE + i] = read32(bytes, network + Ipv6.SOURCE + 4 * i) | 0;
  packet.length = Ipv6.BYTES + ipv6.payloadLength(bytes, network);
  walkExtensions(bytes, packet, arena.offset[packet.frame] + arena.headLength(packet.frame));
}

/** ipv6_find_hdr for the transport protocol: what follows a later fragment's header is taken for granted. */
function walkExtensions(bytes: Uint8Array, packet: Packet, end: number): void {
  const { key, network } = packet;
  let kind = bytes[network + Ipv6.NEXT_HEADER];
  let at = network + Ipv6.BYTES;
  key[Key.FRAGMENT] = 0;
  for (let seen = 0; seen < MAX_EXTENSIONS && isExtension(kind) && at + 8 <= end && key[Key.FRAGMENT] === 0; seen++) {
    const next = bytes[at];
    if (kind === Extension.FRAGMENT) {
      key[Key.FRAGMENT] = read16(bytes, at + FragmentHeader.OFFSET) & FragmentHeader.OFFSET_MASK;
      at += FragmentHeader.BYTES;
    } else at += kind === AUTHENTICATION ? (bytes[at + 1] + 2) << 2 : (bytes[at + 1] + 1) << 3;
    kind = next;
  }
  key[Key.PROTOCOL] = kind;
  packet.transport = key[Key.FRAGMENT] === 0 && at <= end ? at : -1;
}

function isExtension(kind: number): boolean {
  return (
    kind === Extension.HOP_BY_HOP ||
    kind === Extension.ROUTING ||
    kind === Extension.FRAGMENT ||
    kind === Extension.DESTINATION ||
    kind === AUTHENTICATION
  );
}

function readPorts(arena: Arena, packet: Packet): void {
  const { key, transport } = packet;
  const end = arena.offset[packet.frame] + arena.headLength(packet.frame);
  const isThere = transport >= 0 && hasPorts(key[Key.PROTOCOL]) && transport + 4 <= end;
  key[Key.SOURCE_PORT] = isThere ? read16(arena.bytes, transport) : NO_PORT;
  key[Key.DESTINATION_PORT] = isThere ? read16(arena.bytes, transport + 2) : NO_PORT;
}

/** Whether a transport protocol begins with two ports. */
export function hasPorts(protocol: number): boolean {
  return (
    protocol === Protocol.TCP ||
    protocol === Protocol.UDP ||
    protocol === UDP_LITE ||
    protocol === SCTP ||
    protocol === DCCP
  );
}

/** Where an IPv6 packet's fragment header lies, from the IP header on; 0: it has none. */
export function fragmentHeader(arena: Arena, frame: Frame): number {
  const { bytes } = arena;
  const network = arena.offset[frame] + Ethernet.BYTES;
  const end = arena.offset[frame] + arena.headLength(frame);
  let kind = bytes[network + Ipv6.NEXT_HEADER];
  let at = network + Ipv6.BYTES;
  for (let seen = 0; seen < MAX_EXTENSIONS && isExtension(kind) && at + 8 <= end; seen++) {
    if (kind === Extension.FRAGMENT) return at - network;
    const next = bytes[at];
    at += kind === AUTHENTICATION ? (bytes[at + 1] + 2) << 2 : (bytes[at + 1] + 1) << 3;
    kind = next;
  }
  return 0;
}

/* Packets to be tried out: made from two addresses, or read from hexadecimal digits. */
import { SluiceError } from '../core/errors.js';
import type { TupleText } from '../netfilter/explain-steps.js';
import { finish, pseudo4, pseudo6, sumBytes } from '../wire/checksum.js';
import { Ethernet, EtherType, writeType } from '../wire/ethernet.js';
import { read32, write16, write32 } from '../wire/field.js';
import { formatIpv4At, formatIpv6, formatMacAt, parseAddress, parseMac, parsePrefix } from '../wire/format.js';
import { Icmp6Type, IcmpType, writeChecksum4, writeChecksum6, writeEcho } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import { Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Tcp, TcpFlag } from '../wire/tcp.js';
import { Udp } from '../wire/udp.js';
import type { ExplainRequest } from './api/explain.js';

/** What a client would use. */
const CLIENT_PORT = 40_000;
const ECHO_ID = 1;
const TTL = 64;
const WINDOW = 64_240;
/** TCP, UDP, DCCP, SCTP, UDP-Lite. */
const WITH_PORTS: ReadonlySet<number> = new Set([Protocol.TCP, Protocol.UDP, 33, 132, 136]);
/** Who the sender is at the link layer does not matter. */
const SENDER = '02:00:00:00:00:01';

export function refuse(what: string, cause: string, hint: string): never {
  throw new SluiceError('EINVAL', `cannot explain ${what}: ${cause}; ${hint}`);
}

/** Digits, with or without 0x, spaces, colons, dashes and dots between them. */
export function readHex(text: string): Uint8Array {
  const digits = text.replace(/^0x/i, '').replace(/[\s:.-]/g, '');
  if (!/^([0-9a-f]{2})+$/i.test(digits))
    refuse('the frame', 'it is not written in pairs of hexadecimal digits', 'write bytes as "0200…"');
  const bytes = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  if (bytes.length < Ethernet.BYTES || bytes.length > 65_549)
    refuse('the frame', `it has ${bytes.length} bytes`, 'an Ethernet frame has 14 to 65549, its header included');
  return bytes;
}

function addressOf(text: string): Uint8Array {
  return parseAddress(text) ?? refuse(`packets of "${text}"`, 'that is no address', 'write one of IPv4 or IPv6');
}

/** Refuses what is no address. */
export function checkAddress(text: string): void {
  addressOf(text);
}

interface Transport {
  protocol: number;
  bytes: Uint8Array;
  /** Where its checksum is; undefined: it has none. */
  checksum?: number;
}

function portsOf({ sport = CLIENT_PORT, dport = 80 }: ExplainRequest, bytes: Uint8Array): void {
  write16(bytes, 0, sport);
  write16(bytes, 2, dport);
}

function transportOf(request: ExplainRequest, isIpv6: boolean): Transport {
  const echo = isIpv6 ? Protocol.ICMPV6 : Protocol.ICMP;
  const hasPort = request.sport !== undefined || request.dport !== undefined;
  const protocol = request.proto ?? (hasPort ? Protocol.TCP : echo);
  if (protocol === Protocol.TCP) {
    const bytes = new Uint8Array(Tcp.BYTES);
    portsOf(request, bytes);
    bytes[12] = (Tcp.BYTES / 4) << 4;
    bytes[13] = TcpFlag.SYN;
    write16(bytes, 14, WINDOW);
    return { protocol, bytes, checksum: 16 };
  }
  if (protocol === Protocol.UDP) {
    const bytes = new Uint8Array(Udp.BYTES);
    portsOf(request, bytes);
    write16(bytes, Udp.LENGTH, Udp.BYTES);
    return { protocol, bytes, checksum: Udp.CHECKSUM };
  }
  if (protocol === echo) {
    const bytes = new Uint8Array(8);
    writeEcho(bytes, 0, isIpv6 ? Icmp6Type.ECHO_REQUEST : IcmpType.ECHO_REQUEST, ECHO_ID, 1);
    return { protocol, bytes };
  }
  const bytes = new Uint8Array(8);
  if (hasPort) portsOf(request, bytes);
  return { protocol, bytes };
}

/** Refuses ports of a protocol that has none. */
function checkPorts({ proto, sport, dport }: ExplainRequest): void {
  if (proto === undefined || WITH_PORTS.has(proto)) return;
  const [name, port] = dport === undefined ? ['sport', sport] : ['dport', dport];
  if (port !== undefined)
    refuse(`a packet with ${name} ${port}`, `protocol ${proto} has no ports`, 'leave it out, or name TCP or UDP');
}

/** An IP packet. */
export function makePacket(request: ExplainRequest, from: string, to: string): Uint8Array {
  const [source, destination] = [addressOf(from), addressOf(to)];
  if (source.length !== destination.length)
    refuse(`a packet from ${from} to ${to}`, 'they are of two families', 'name two addresses of one');
  const isIpv6 = source.length === 16;
  checkPorts(request);
  const { protocol, bytes, checksum } = transportOf(request, isIpv6);
  const header = isIpv6 ? ipv6.Ipv6.BYTES : ipv4.Ipv4.BYTES;
  const packet = new Uint8Array(header + bytes.length);
  packet.set(bytes, header);
  if (isIpv6) {
    ipv6.write(packet, 0, protocol, TTL, bytes.length);
    packet.set(source, ipv6.Ipv6.SOURCE);
    packet.set(destination, ipv6.Ipv6.DESTINATION);
  } else ipv4.write(packet, 0, protocol, read32(source, 0), read32(destination, 0), bytes.length);
  if (checksum !== undefined) seal(packet, header, protocol, checksum, isIpv6);
  else if (protocol === Protocol.ICMPV6) writeChecksum6(packet, 0, header, bytes.length);
  else if (protocol === Protocol.ICMP) writeChecksum4(packet, header, bytes.length);
  return packet;
}

function seal(packet: Uint8Array, header: number, protocol: number, at: number, isIpv6: boolean): void {
  const length = packet.length - header;
  const pseudo = isIpv6
    ? pseudo6(packet, ipv6.Ipv6.SOURCE, protocol, length)
    : pseudo4(read32(packet, 12), read32(packet, 16), protocol, length);
  write16(packet, header + at, finish(pseudo + sumBytes(packet, header, length)));
}

/** The packet in a frame to a MAC address, or to that of its group. */
export function frame(packet: Uint8Array, to: string): Uint8Array {
  const bytes = new Uint8Array(Ethernet.BYTES + packet.length);
  const isIpv6 = packet[0] >>> 4 === 6;
  bytes.set(parseMac(to) ?? new Uint8Array(6));
  bytes.set(parseMac(SENDER) ?? new Uint8Array(6), Ethernet.SOURCE);
  writeType(bytes, 0, isIpv6 ? EtherType.IPV6 : EtherType.IPV4);
  bytes.set(packet, Ethernet.BYTES);
  if (!isIpv6 && packet[16] >>> 4 === 14) {
    write32(bytes, 0, 0x01005e00);
    bytes.set([packet[17] & 0x7f, packet[18], packet[19]], 3);
  } else if (!isIpv6 && read32(packet, 16) === -1) bytes.fill(0xff, 0, 6);
  else if (isIpv6 && packet[24] === 0xff) ipv6.writeGroupMac(bytes, 0, Ethernet.BYTES + 24);
  return bytes;
}

/** The MAC of a group; of a net's broadcast address that of all. */
export function macOf(group: string): string {
  const address = addressOf(group);
  const packet = new Uint8Array(ipv6.Ipv6.BYTES);
  packet[0] = address.length === 16 ? 0x60 : 0x45;
  packet.set(address, address.length === 16 ? ipv6.Ipv6.DESTINATION : 16);
  return formatMacAt(frame(packet, 'ff:ff:ff:ff:ff:ff'), 0);
}

/** What a packet that is made here is routed by. */
export function tupleOf(packet: Uint8Array): TupleText {
  const family = packet[0] >>> 4 === 6 ? 6 : 4;
  const [source, destination] =
    family === 6
      ? [formatIpv6(packet, ipv6.Ipv6.SOURCE), formatIpv6(packet, ipv6.Ipv6.DESTINATION)]
      : [formatIpv4At(packet, ipv4.Ipv4.SOURCE), formatIpv4At(packet, ipv4.Ipv4.DESTINATION)];
  const protocol = packet[family === 6 ? 6 : ipv4.Ipv4.PROTOCOL];
  return { family, source, destination, protocol, tos: 0, mark: 0 };
}

export function lengthOf(prefix: string): number {
  return parsePrefix(prefix)?.length ?? 0;
}

/** Whether an address is in a prefix. */
export function holds(prefix: string, address: string): boolean {
  const net = parsePrefix(prefix);
  const bytes = parseAddress(address);
  if (net === undefined || bytes === undefined || net.address.length !== bytes.length) return false;
  for (let bit = 0; bit < net.length; bit++) {
    if ((((net.address[bit >> 3] ^ bytes[bit >> 3]) << (bit & 7)) & 0x80) !== 0) return false;
  }
  return true;
}

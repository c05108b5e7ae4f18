/* IPv4 and IPv6 headers as tcpdump words them; see wire/describe.ts. */
import { icmp, icmp6, igmp } from './describe-icmp.js';
import type { Printer } from './describe-printer.js';
import { type Ends, tcp, udp } from './describe-transport.js';
import { Ipv4, Protocol } from './ipv4.js';
import { Extension, Ipv6 } from './ipv6.js';

const enum Rare {
  IPV4 = 4,
  IPV6 = 41,
  NONE = 59,
}

/** Packets in each other that are looked into. */
const MAX_TUNNELS = 16;

export function ipv4(printer: Printer, at: number, length: number, tunnels = 0): void {
  printer.protocol = 'ip';
  const version = printer.u8(at) >>> 4;
  if (version !== 4) {
    printer.print(`${version === 6 ? 'IP6, wrong link-layer encapsulation' : `IP${version}`} (invalid)`);
    return;
  }
  if (!printer.link) printer.print('IP ');
  printer.need(at, Ipv4.BYTES);
  if (length < Ipv4.BYTES) {
    printer.print(`truncated-ip ${length}`);
    return;
  }
  const header = (printer.u8(at) & 15) << 2;
  if (header < Ipv4.BYTES) {
    printer.print(`bad-hlen ${header}`);
    return;
  }
  const total = printer.u16(at + Ipv4.TOTAL_LENGTH);
  if (length < total) printer.print(`truncated-ip - ${total - length} bytes missing! `);
  if (total < header) {
    printer.print(`bad-len ${total}`);
    return;
  }
  printer.limit(at, total);
  ipv4Payload(printer, at, header, total - header, tunnels);
}

function ipv4Payload(printer: Printer, at: number, header: number, length: number, tunnels: number): void {
  const protocol = printer.u8(at + Ipv4.PROTOCOL);
  const source = printer.ipv4(at + Ipv4.SOURCE);
  const destination = printer.ipv4(at + Ipv4.DESTINATION);
  const fragment = printer.u16(at + Ipv4.FRAGMENT);
  if ((fragment & Ipv4.OFFSET_MASK) !== 0) {
    printer.print(`${source} > ${destination}: ip-proto-${protocol}`);
    return;
  }
  if (!printsEnds(protocol)) printer.print(`${source} > ${destination}: `);
  if (!printer.has(at, header)) {
    printer.print(` [remaining caplen(${printer.end - at}) < header length(${header})]`);
    printer.truncate();
  }
  const isFragment = (fragment & Ipv4.MORE_FRAGMENTS) !== 0;
  transport(printer, at + header, length, protocol, { source, destination, isFirst: true, isFragment }, 4, tunnels);
}

/** Protocols with ports say the addresses themselves. */
function printsEnds(protocol: number): boolean {
  return protocol === Protocol.TCP || protocol === Protocol.UDP;
}

export function ipv6(printer: Printer, at: number, length: number, tunnels = 0): void {
  printer.protocol = 'ip6';
  printer.need(at, Ipv6.BYTES);
  if (length < Ipv6.BYTES) {
    printer.print(`truncated-ip6 ${length}`);
    return;
  }
  if (!printer.link) printer.print('IP6 ');
  const version = printer.u8(at) >>> 4;
  if (version !== 6) {
    printer.print(`version error: ${version} != 6`);
    return;
  }
  // A length of 0 before hop-by-hop options: a jumbogram (RFC 2675), as long as the frame.
  const isJumbo =
    printer.u16(at + Ipv6.PAYLOAD_LENGTH) === 0 && printer.u8(at + Ipv6.NEXT_HEADER) === Extension.HOP_BY_HOP;
  const payload = isJumbo ? length - Ipv6.BYTES : printer.u16(at + Ipv6.PAYLOAD_LENGTH);
  const missing = payload + Ipv6.BYTES - length;
  if (missing > 0) printer.print(`truncated-ip6 - ${missing} bytes missing!`);
  printer.limit(at, Ipv6.BYTES + payload);
  ipv6Payload(printer, at, payload, tunnels);
}

function ipv6Payload(printer: Printer, at: number, payload: number, tunnels: number): void {
  const source = printer.ipv6(at + Ipv6.SOURCE);
  const destination = printer.ipv6(at + Ipv6.DESTINATION);
  let protocol = printer.u8(at + Ipv6.NEXT_HEADER);
  const isFirst = printsEnds(protocol);
  if (!isFirst) printer.print(`${source} > ${destination}: `);
  let offset: number = Ipv6.BYTES;
  let isFragment = false;
  while (isExtension(protocol)) {
    const size = extension(printer, at, at + offset, protocol, payload);
    if (size === -1) return;
    isFragment ||= protocol === Extension.FRAGMENT;
    protocol = printer.u8(at + offset);
    offset += size;
    printer.protocol = 'ip6';
  }
  const length = payload + Ipv6.BYTES - offset;
  if (length < 0) printer.truncate();
  transport(printer, at + offset, length, protocol, { source, destination, isFirst, isFragment }, 6, tunnels);
}

function isExtension(protocol: number): boolean {
  return protocol === Extension.HOP_BY_HOP || protocol === Extension.DESTINATION || protocol === Extension.FRAGMENT;
}

/** Says an extension header and returns its bytes, −1 if nothing can be said of what is behind. */
function extension(printer: Printer, ip: number, at: number, protocol: number, payload: number): number {
  if (protocol === Extension.FRAGMENT) return fragment(printer, ip, at, payload);
  const isHopByHop = protocol === Extension.HOP_BY_HOP;
  printer.protocol = isHopByHop ? 'hbhopt' : 'dstopt';
  const size = (printer.u8(at + 1) + 1) << 3;
  printer.need(at, size);
  printer.print(isHopByHop ? 'HBH ' : 'DSTOPT ');
  return size;
}

function fragment(printer: Printer, ip: number, at: number, payload: number): number {
  printer.protocol = 'frag6';
  const offset = printer.u16(at + 2) & 0xfff8;
  printer.print(`frag (${offset}|${payload + Ipv6.BYTES - (at - ip) - 8})`);
  if (offset !== 0) return -1;
  printer.print(' ');
  return printer.end <= at + 8 ? -1 : 8;
}

function transport(
  printer: Printer,
  at: number,
  length: number,
  protocol: number,
  ends: Ends,
  version: 4 | 6,
  tunnels: number,
): void {
  if (protocol === Protocol.TCP) tcp(printer, at, length, ends);
  else if (protocol === Protocol.UDP) udp(printer, at, length, ends);
  else if (protocol === Protocol.ICMP && version === 4) icmp(printer, at, length);
  else if (protocol === Protocol.IGMP && version === 4) igmp(printer, at, length);
  else if (protocol === Protocol.ICMPV6 && version === 6) icmp6(printer, at, length);
  else if (protocol === Rare.IPV4 && tunnels < MAX_TUNNELS) ipv4(printer, at, length, tunnels + 1);
  else if (protocol === Rare.IPV6 && tunnels < MAX_TUNNELS) ipv6(printer, at, length, tunnels + 1);
  else printer.print(protocol === Rare.NONE ? 'no next header' : ` ip-proto-${protocol} ${length}`);
}

/*
 * A simulated host, for where there is no kernel to play one: it answers ARP, neighbor discovery and echo requests to its own
 * addresses, and asks for its neighbors before it sends an echo. Frames in and out are whole, and their checksums are
 * written and checked.
 */
import * as arp from '../wire/arp.js';
import { Arp, ArpOperation } from '../wire/arp.js';
import { Ethernet, EtherType, type as etherType, isGroup, writeType } from '../wire/ethernet.js';
import { read16, read32 } from '../wire/field.js';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6, parseMac } from '../wire/format.js';
import * as icmp from '../wire/icmp.js';
import { Icmp, Icmp6Type, IcmpType, NeighborFlag } from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import { Ipv4, Protocol } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { Ipv6 } from '../wire/ipv6.js';
import type { Host } from './hosts.js';

const IP = Ethernet.BYTES;
const ICMP4 = IP + Ipv4.BYTES;
const ICMP6 = IP + Ipv6.BYTES;
const SHORTEST_FRAME = 60;
/** What ping(8) sends. */
const ECHO_BYTES = Icmp.BYTES + 56;
/** Neighbor discovery is from this link alone: no router has lowered it (RFC 4861 §7.1). */
const ND_HOP_LIMIT = 255;
const HOP_LIMIT = 64;

export class MemoryHost {
  /** Sequence numbers of the echoes that were answered. */
  readonly answered = new Set<number>();
  private readonly mac: Uint8Array;
  private readonly ipv4: number;
  private readonly ipv6: Uint8Array;
  /** MAC by address as text. */
  private readonly neighbors = new Map<string, Uint8Array>();
  /** Echoes that wait for their neighbor's MAC. */
  private waiting: Array<{ address: string; sequence: number }> = [];

  constructor(
    host: Host,
    private readonly send: (frame: Uint8Array) => void,
  ) {
    this.mac = parseMac(host.mac) ?? new Uint8Array(6);
    this.ipv4 = parseIpv4(host.ipv4) ?? 0;
    this.ipv6 = parseIpv6(host.ipv6) ?? new Uint8Array(16);
  }

  /** Sends an echo request, or first asks who has that address. */
  ping(address: string, sequence: number): void {
    const mac = this.neighbors.get(address);
    if (mac !== undefined) {
      this.send(this.echo(mac, address, sequence));
      return;
    }
    this.waiting.push({ address, sequence });
    this.send(
      address.includes(':')
        ? this.solicitation(address)
        : this.arp(ArpOperation.REQUEST, undefined, parseIpv4(address) ?? 0),
    );
  }

  /** A frame came in at its eth0. */
  receive(frame: Uint8Array): void {
    if (frame.length < SHORTEST_FRAME || !(isGroup(read16(frame, 0)) || this.isMine(frame, 0, this.mac))) return;
    const type = etherType(frame, 0);
    if (type === EtherType.ARP) this.receiveArp(frame);
    else if (type === EtherType.IPV4) this.receiveIpv4(frame);
    else if (type === EtherType.IPV6) this.receiveIpv6(frame);
  }

  private isMine(frame: Uint8Array, at: number, own: Uint8Array): boolean {
    return own.every((byte, i) => frame[at + i] === byte);
  }

  private learn(address: string, mac: Uint8Array): void {
    this.neighbors.set(address, mac);
    const ready = this.waiting.filter((echo) => echo.address === address);
    this.waiting = this.waiting.filter((echo) => echo.address !== address);
    for (const { sequence } of ready) this.send(this.echo(mac, address, sequence));
  }

  private frame(destination: Uint8Array, type: EtherType, length: number): Uint8Array {
    const frame = new Uint8Array(Math.max(SHORTEST_FRAME, Ethernet.BYTES + length));
    frame.set(destination, Ethernet.DESTINATION);
    frame.set(this.mac, Ethernet.SOURCE);
    writeType(frame, 0, type);
    return frame;
  }

  // --- IPv4 -------------------------------------------------------------------------------------

  private arp(operation: ArpOperation, target: Uint8Array | undefined, targetIp: number): Uint8Array {
    const frame = this.frame(target ?? new Uint8Array(6).fill(0xff), EtherType.ARP, Arp.BYTES);
    arp.write(frame, IP, operation, read16(this.mac, 0), read32(this.mac, 2), this.ipv4);
    const mac = target ?? new Uint8Array(6);
    arp.writeTarget(frame, IP, read16(mac, 0), read32(mac, 2), targetIp);
    return frame;
  }

  private receiveArp(frame: Uint8Array): void {
    if (!arp.check(frame, IP, frame.length) || arp.targetIp(frame, IP) !== this.ipv4) return;
    const mac = frame.slice(IP + Arp.SENDER_MAC, IP + Arp.SENDER_IP);
    const sender = arp.senderIp(frame, IP);
    if (arp.operation(frame, IP) === ArpOperation.REQUEST) this.send(this.arp(ArpOperation.REPLY, mac, sender));
    this.learn(formatIpv4(sender), mac);
  }

  private echo(mac: Uint8Array, address: string, sequence: number): Uint8Array {
    if (address.includes(':'))
      return this.icmp6(mac, parseIpv6(address) ?? this.ipv6, Icmp6Type.ECHO_REQUEST, sequence);
    return this.icmp4(mac, parseIpv4(address) ?? 0, IcmpType.ECHO_REQUEST, sequence);
  }

  private icmp4(mac: Uint8Array, to: number, type: IcmpType, sequence: number): Uint8Array {
    const frame = this.frame(mac, EtherType.IPV4, Ipv4.BYTES + ECHO_BYTES);
    ipv4.write(frame, IP, Protocol.ICMP, this.ipv4, to, ECHO_BYTES);
    icmp.writeEcho(frame, ICMP4, type, 0, sequence);
    icmp.writeChecksum4(frame, ICMP4, ECHO_BYTES);
    return frame;
  }

  private receiveIpv4(frame: Uint8Array): void {
    if (!ipv4.check(frame, IP, frame.length) || ipv4.destination(frame, IP) !== this.ipv4) return;
    if (ipv4.protocol(frame, IP) !== Protocol.ICMP || !icmp.isRight4(frame, ICMP4, ECHO_BYTES)) return;
    const sequence = icmp.echoSequence(frame, ICMP4);
    if (icmp.type(frame, ICMP4) === IcmpType.ECHO_REPLY) this.answered.add(sequence);
    else this.send(this.icmp4(frame.slice(6, 12), ipv4.source(frame, IP), IcmpType.ECHO_REPLY, sequence));
  }

  // --- IPv6 -------------------------------------------------------------------------------------

  /** An IPv6 header and room for a message of `length` bytes. */
  private packet6(mac: Uint8Array, to: Uint8Array, hopLimit: number, length: number): Uint8Array {
    const frame = this.frame(mac, EtherType.IPV6, Ipv6.BYTES + length);
    ipv6.write(frame, IP, Protocol.ICMPV6, hopLimit, length);
    frame.set(this.ipv6, IP + Ipv6.SOURCE);
    frame.set(to, IP + Ipv6.DESTINATION);
    return frame;
  }

  private neighbor(mac: Uint8Array, to: Uint8Array, type: Icmp6Type, flags: number, target: Uint8Array): Uint8Array {
    const frame = this.packet6(mac, to, ND_HOP_LIMIT, Icmp.NEIGHBOR_BYTES);
    icmp.writeNeighbor(frame, ICMP6, type, flags, target, 0);
    icmp.writeNeighborMac(frame, ICMP6, read16(this.mac, 0), read32(this.mac, 2));
    icmp.writeChecksum6(frame, IP, ICMP6, Icmp.NEIGHBOR_BYTES);
    return frame;
  }

  private solicitation(address: string): Uint8Array {
    const target = parseIpv6(address) ?? this.ipv6;
    const group = new Uint8Array(16);
    ipv6.writeSolicitedNode(group, 0, target, 0);
    const frame = this.neighbor(this.mac, group, Icmp6Type.NEIGHBOR_SOLICITATION, 0, target);
    ipv6.writeGroupMac(frame, Ethernet.DESTINATION, IP + Ipv6.DESTINATION);
    return frame;
  }

  private icmp6(mac: Uint8Array, to: Uint8Array, type: Icmp6Type, sequence: number): Uint8Array {
    const frame = this.packet6(mac, to, HOP_LIMIT, ECHO_BYTES);
    icmp.writeEcho(frame, ICMP6, type, 0, sequence);
    icmp.writeChecksum6(frame, IP, ICMP6, ECHO_BYTES);
    return frame;
  }

  private receiveIpv6(frame: Uint8Array): void {
    if (!ipv6.check(frame, IP, frame.length) || ipv6.nextHeader(frame, IP) !== Protocol.ICMPV6) return;
    const length = ipv6.payloadLength(frame, IP);
    if (ICMP6 + length > frame.length || !icmp.isRight6(frame, IP, ICMP6, length)) return;
    const source = frame.slice(IP + Ipv6.SOURCE, IP + Ipv6.DESTINATION);
    const mac = frame.slice(Ethernet.SOURCE, Ethernet.TYPE);
    const type = icmp.type(frame, ICMP6);
    const sequence = icmp.echoSequence(frame, ICMP6);
    if (type === Icmp6Type.NEIGHBOR_SOLICITATION) this.advertise(frame, mac, source);
    else if (type === Icmp6Type.NEIGHBOR_ADVERTISEMENT)
      this.learn(formatIpv6(frame, ICMP6 + Icmp.NEIGHBOR_TARGET), mac);
    else if (type === Icmp6Type.ECHO_REQUEST) this.send(this.icmp6(mac, source, Icmp6Type.ECHO_REPLY, sequence));
    else if (type === Icmp6Type.ECHO_REPLY) this.answered.add(sequence);
  }

  /** Answers a solicitation for its own address. */
  private advertise(frame: Uint8Array, mac: Uint8Array, source: Uint8Array): void {
    if (!this.isMine(frame, ICMP6 + Icmp.NEIGHBOR_TARGET, this.ipv6)) return;
    const flags = NeighborFlag.SOLICITED | NeighborFlag.OVERRIDE;
    this.send(this.neighbor(mac, source, Icmp6Type.NEIGHBOR_ADVERTISEMENT, flags, this.ipv6));
    this.learn(formatIpv6(source), mac);
  }
}

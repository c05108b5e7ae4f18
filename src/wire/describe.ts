/*
 * A frame as one line of text, for `sluice capture`: what `tcpdump -n -t -S` prints (4.99), so that eyes and scripts that
 * know it need not learn another.
 *
 *   ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28
 *   IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 64
 *   IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1, win 64240, options [mss 1460], length 0
 *   IP6 fe80::1 > ff02::1:ff00:2: ICMP6, neighbor solicitation, who has fe80::2, length 32
 *   vlan 10, p 0, IP 10.0.0.1.5353 > 224.0.0.251.5353: UDP, length 40
 *   02:00:00:00:00:01 > 01:80:c2:00:00:0e, ethertype LLDP (0x88cc), length 60
 *
 * With `link` it is `tcpdump -e -n -t -S`: the Ethernet header comes first in any case. It differs from tcpdump in this:
 * VLAN tags are shown without `link` too; what TCP and UDP carry is not looked into; protocols that are not known
 * here are a number and a length; there are no hexadecimal dumps, hence always one line.
 *
 * Any bytes are described, however damaged: " [|ip]" says in which header the frame ends.
 */
import { Arp } from './arp.js';
import { ipv4, ipv6 } from './describe-ip.js';
import { Printer } from './describe-printer.js';
import { Ethernet, EtherType } from './ethernet.js';
import { Vlan } from './vlan.js';

const TYPE_NAMES: Record<number, string> = {
  2048: 'IPv4',
  2054: 'ARP',
  2114: 'Unknown',
  25944: 'TEB',
  32821: 'Reverse ARP',
  33024: '802.1Q',
  34525: 'IPv6',
  34824: 'MPCP',
  34825: 'Slow Protocols',
  34887: 'MPLS unicast',
  34888: 'MPLS multicast',
  34915: 'PPPoE D',
  34916: 'PPPoE S',
  34958: 'EAPOL',
  34984: '802.1Q-QinQ',
  35020: 'LLDP',
  35045: '802.1AE MACsec',
  35063: 'PTP',
  35074: 'CFM',
  36864: 'Loopback',
  37120: '802.1Q-9100',
  37376: '802.1Q-9200',
};

const enum Rare {
  REVERSE_ARP = 0x8035,
  QINQ_OLD = 0x9100,
  QINQ_OTHER = 0x9200,
  /** 802.3: up to here it is a length. */
  MAX_LENGTH = 1500,
}

/**
 * The frame at bytes[at … at + captured). `length` is the whole frame's, where only its front is at hand. `link`: with
 * the Ethernet header.
 */
export function describe(bytes: Uint8Array, at: number, captured: number, length = captured, link = false): string {
  const printer = new Printer(bytes, at + captured, link);
  return printer.run(() => ethernet(printer, at, length));
}

function ethernet(printer: Printer, start: number, length: number): void {
  const { link } = printer;
  printer.protocol = 'ether';
  printer.need(start, Ethernet.BYTES);
  const addresses = `${printer.mac(start + Ethernet.SOURCE)} > ${printer.mac(start + Ethernet.DESTINATION)}, `;
  if (link) printer.print(addresses);
  let at = start + Ethernet.TYPE;
  let isLengthSaid = !link;
  printer.protocol = 'vlan';
  for (; isTag(printer.u16(at)); at += Vlan.BYTES) {
    printer.need(at + 2, 4);
    if (link) printer.print(`${typeName(printer.u16(at))}, ${isLengthSaid ? '' : `length ${length}: `}`);
    printer.print(`${tag(printer.u16(at + 2))}, `);
    isLengthSaid = true;
  }
  const type = printer.u16(at);
  const payload = at + 2;
  const rest = length - (payload - start);
  if (type <= Rare.MAX_LENGTH) {
    printer.print(`${link ? '' : addresses}802.3, length ${Math.min(type, rest)}`);
    return;
  }
  if (link) printer.print(`${typeName(type)}${isLengthSaid ? ', ' : `, length ${length}: `}`);
  if (network(printer, type, payload, rest)) return;
  if (link) printer.text = printer.text.replace(/(: |, )$/, '');
  else printer.print(`${addresses}${typeName(type)}, length ${length}`);
}

function isTag(type: number): boolean {
  switch (type) {
    case EtherType.VLAN:
    case EtherType.SERVICE_VLAN:
    case Rare.QINQ_OLD:
    case Rare.QINQ_OTHER:
      return true;
    default:
      return false;
  }
}

function tag(tci: number): string {
  return `vlan ${tci & Vlan.VID_MASK}, p ${tci >>> Vlan.PRIORITY_SHIFT}${tci & Vlan.DEI ? ', DEI' : ''}`;
}

function typeName(type: number): string {
  return `ethertype ${TYPE_NAMES[type] ?? 'Unknown'} (0x${type.toString(16).padStart(4, '0')})`;
}

function network(printer: Printer, type: number, at: number, length: number): boolean {
  switch (type) {
    case EtherType.IPV4:
      ipv4(printer, at, length);
      return true;
    case EtherType.IPV6:
      ipv6(printer, at, length);
      return true;
    case EtherType.ARP:
    case Rare.REVERSE_ARP:
      arp(printer, at, length);
      return true;
    default:
      return false;
  }
}

const HARDWARE_NAMES: Record<number, string> = {
  1: 'Ethernet',
  6: 'TokenRing',
  7: 'ArcNet',
  15: 'FrameRelay',
  24: 'IEEE 1394',
};

const OPERATION_NAMES: Record<number, string> = {
  1: 'Request',
  2: 'Reply',
  3: 'Reverse Request',
  4: 'Reverse Reply',
  8: 'Inverse Request',
  9: 'Inverse Reply',
};

function arp(printer: Printer, at: number, length: number): void {
  printer.protocol = 'arp';
  printer.need(at, 8);
  const hardwareLength = printer.u8(at + Arp.HARDWARE_LENGTH);
  const protocolLength = printer.u8(at + Arp.PROTOCOL_LENGTH);
  printer.need(at + 8, 2 * (hardwareLength + protocolLength));
  if (!printer.link) printer.print('ARP, ');
  const space = printer.u16(at + Arp.PROTOCOL_SPACE);
  if (space !== EtherType.IPV4 || protocolLength !== 4 || hardwareLength === 0) {
    const hardware = printer.u16(at);
    const name = HARDWARE_NAMES[hardware] ?? `Unknown Hardware (${hardware})`;
    const protocol = TYPE_NAMES[space] ?? `Unknown Protocol (0x${space.toString(16).padStart(4, '0')})`;
    printer.print(`${name} (len ${hardwareLength}), ${protocol} (len ${protocolLength})`);
  } else {
    const operation = printer.u16(at + Arp.OPERATION);
    printer.print(OPERATION_NAMES[operation] ?? `Unknown (${operation})`);
    printer.print(mapping(printer, at, operation, hardwareLength));
  }
  printer.print(`, length ${length}`);
}

/** What an ARP message says; addresses have the lengths that it gives. */
function mapping(printer: Printer, at: number, operation: number, hardwareLength: number): string {
  const senderMac = printer.hex(at + 8, hardwareLength, ':');
  const senderIp = printer.ipv4(at + 8 + hardwareLength);
  const targetMac = printer.hex(at + 12 + hardwareLength, hardwareLength, ':');
  const targetIp = printer.ipv4(at + 12 + 2 * hardwareLength);
  switch (operation) {
    case 1:
      return ` who-has ${targetIp}${/[1-9a-f]/.test(targetMac) ? ` (${targetMac})` : ''} tell ${senderIp}`;
    case 2:
      return ` ${senderIp} is-at ${senderMac}`;
    case 4:
      return ` ${targetMac} at ${targetIp}`;
    case 3:
    case 8:
      return ` who-is ${targetMac} tell ${senderMac}`;
    case 9:
      return ` ${senderMac} at ${senderIp}`;
    default:
      return '';
  }
}

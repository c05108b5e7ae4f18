import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as arp from '../../src/wire/arp.js';
import * as ethernet from '../../src/wire/ethernet.js';
import { formatIpv4, formatIpv6, formatMac, formatMacAt, parseIpv4, parseIpv6 } from '../../src/wire/format.js';
import * as icmp from '../../src/wire/icmp.js';
import * as ipv4 from '../../src/wire/ipv4.js';
import * as ipv6 from '../../src/wire/ipv6.js';
import * as tcp from '../../src/wire/tcp.js';
import * as udp from '../../src/wire/udp.js';
import * as vlan from '../../src/wire/vlan.js';

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

describe('ethernet', () => {
  const bytes = hex('ff 0180c200000e 52540012345a 88a8');

  it('reads addresses as numbers', () => {
    expect(ethernet.check(bytes, 1, bytes.length)).toBe(true);
    expect(ethernet.check(bytes, 2, bytes.length)).toBe(false);
    expect(formatMac(ethernet.destinationHigh(bytes, 1), ethernet.destinationLow(bytes, 1))).toBe('01:80:c2:00:00:0e');
    expect(formatMac(ethernet.sourceHigh(bytes, 1), ethernet.sourceLow(bytes, 1))).toBe('52:54:00:12:34:5a');
    expect(ethernet.type(bytes, 1)).toBe(ethernet.EtherType.SERVICE_VLAN);
  });

  it('tells groups, broadcast and reserved addresses', () => {
    expect(ethernet.isGroup(0x0180)).toBe(true);
    expect(ethernet.isGroup(0x5254)).toBe(false);
    expect(ethernet.isBroadcast(0xffff, -1)).toBe(true);
    expect(ethernet.isBroadcast(0xffff, 0x7fffffff)).toBe(false);
    expect(ethernet.reserved(0x0180, 0xc200000e | 0)).toBe(14);
    expect(ethernet.reserved(0x0180, 0xc2000000 | 0)).toBe(0);
    expect(ethernet.reserved(0x0180, 0xc2000010 | 0)).toBe(-1);
    expect(ethernet.reserved(0x0182, 0xc2000000 | 0)).toBe(-1);
  });

  it('writes what it reads', () => {
    const copy = new Uint8Array(15);
    ethernet.writeAddress(copy, 1 + ethernet.Ethernet.DESTINATION, 0x0180, 0xc200000e | 0);
    ethernet.writeAddress(copy, 1 + ethernet.Ethernet.SOURCE, 0x5254, 0x0012345a);
    ethernet.writeType(copy, 1, 0x88a8);
    expect(toHex(copy.subarray(1))).toBe(toHex(bytes.subarray(1)));
  });
});

describe('vlan', () => {
  const addresses = '020000000001 020000000002';

  it.each([
    ['0800 4500', 12],
    ['8100 3005 0800 45', 16],
    ['88a8 0064 8100 3005 86dd 60', 20],
    ['8100 0064 8100 3005 8100 0001 0800', 20],
    ['8100 0064 81', -1],
    ['8100', -1],
    ['08', -1],
  ])('finds the EtherType of … %s at %i', (rest, expected) => {
    const bytes = hex(addresses + rest);
    expect(vlan.typeOffset(bytes, 0, bytes.length)).toBe(expected);
  });

  it('reads a tag', () => {
    const bytes = hex(`${addresses} 8100 b005 0800`);
    expect(vlan.isTag(0x8100) && vlan.isTag(0x88a8) && !vlan.isTag(0x0800)).toBe(true);
    expect([vlan.id(bytes, 12), vlan.priority(bytes, 12), vlan.isDropEligible(bytes, 12)]).toEqual([5, 5, true]);
  });
});

describe('arp', () => {
  it('writes a request that check accepts', () => {
    const bytes = new Uint8Array(30);
    arp.write(bytes, 2, arp.ArpOperation.REQUEST, 0x0200, 1, parseIpv4('192.0.2.1') ?? 0);
    arp.writeTarget(bytes, 2, 0, 0, parseIpv4('192.0.2.9') ?? 0);
    expect(toHex(bytes)).toBe('00000001080006040001020000000001c0000201000000000000c0000209');
    expect(arp.check(bytes, 2, 30)).toBe(true);
    expect(arp.operation(bytes, 2)).toBe(1);
    expect(formatIpv4(arp.senderIp(bytes, 2))).toBe('192.0.2.1');
    expect(formatIpv4(arp.targetIp(bytes, 2))).toBe('192.0.2.9');
    expect(formatMacAt(bytes, 2 + arp.Arp.SENDER_MAC)).toBe('02:00:00:00:00:01');
    expect(arp.check(bytes, 2, 29)).toBe(false);
    bytes[2 + arp.Arp.PROTOCOL_LENGTH] = 16;
    expect(arp.check(bytes, 2, 30)).toBe(false);
  });
});

describe('ipv4', () => {
  // RFC-conformant example with a known checksum.
  const bytes = hex('4500 0073 1234 6000 4011 0000 c0a80001 c0a800c7');

  it('reads and checks a header', () => {
    ipv4.writeChecksum(bytes, 0);
    expect(ipv4.check(bytes, 0, 20)).toBe(true);
    expect(ipv4.headerLength(bytes, 0)).toBe(20);
    expect(ipv4.totalLength(bytes, 0)).toBe(0x73);
    expect(ipv4.identification(bytes, 0)).toBe(0x1234);
    expect(ipv4.isDontFragment(bytes, 0) && ipv4.hasMoreFragments(bytes, 0) && ipv4.isFragment(bytes, 0)).toBe(true);
    expect(ipv4.fragmentOffset(bytes, 0)).toBe(0);
    expect([ipv4.ttl(bytes, 0), ipv4.protocol(bytes, 0)]).toEqual([64, ipv4.Protocol.UDP]);
    expect(formatIpv4(ipv4.source(bytes, 0))).toBe('192.168.0.1');
    expect(formatIpv4(ipv4.destination(bytes, 0))).toBe('192.168.0.199');
  });

  it('refuses what is no whole IPv4 header', () => {
    expect(ipv4.check(bytes, 0, 19)).toBe(false);
    expect(ipv4.check(hex(`60${'00'.repeat(19)}`), 0, 20)).toBe(false);
    expect(ipv4.check(hex(`44${'00'.repeat(23)}`), 0, 24)).toBe(false);
    expect(ipv4.check(hex(`46${'00'.repeat(22)}`), 0, 23)).toBe(false);
    expect(ipv4.check(hex(`46${'00'.repeat(23)}`), 0, 24)).toBe(true);
  });

  it('writes a header with a right checksum', () => {
    const written = new Uint8Array(20);
    ipv4.write(written, 0, ipv4.Protocol.UDP, 0xc0a80001 | 0, 0xc0a800c7 | 0, 0x5f);
    expect(toHex(written)).toBe('45000073000040004011b861c0a80001c0a800c7');
  });
});

describe('ipv6', () => {
  const fixed = (next: string) => `60000000 0000 ${next} 40 ${'20'.repeat(32)}`;

  it('skips hop-by-hop, routing and destination options', () => {
    const bytes = hex(`${fixed('00')} 2b00000000000000 3c01${'00'.repeat(14)} 0600000000000000 abcd`);
    expect(ipv6.check(bytes, 0, bytes.length)).toBe(true);
    expect(ipv6.transport(bytes, 0, bytes.length)).toBe(((40 + 8 + 16 + 8) << 8) | 6);
  });

  it('stops at a fragment header and at what it does not know', () => {
    expect(ipv6.transport(hex(`${fixed('2c')} 0600000000000000`), 0, 48)).toBe((40 << 8) | 44);
    expect(ipv6.transport(hex(fixed('3b')), 0, 40)).toBe((40 << 8) | 59);
  });

  it('refuses an extension header that does not end, and a long chain', () => {
    expect(ipv6.transport(hex(`${fixed('00')} 06000000000000`), 0, 47)).toBe(-1);
    expect(ipv6.transport(hex(`${fixed('00')} 0601000000000000`), 0, 48)).toBe(-1);
    const chain = (n: number) => hex(fixed('3c') + '3c00000000000000'.repeat(n - 1) + '1100000000000000');
    expect(ipv6.transport(chain(8), 0, 40 + 64)).toBe((104 << 8) | 17);
    expect(ipv6.transport(chain(9), 0, 40 + 72)).toBe(-1);
  });

  it('never reads an answer from behind the end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 40, maxLength: 200 }), (bytes) => {
        bytes[6] = [0, 43, 60][bytes[0] % 3];
        const answer = ipv6.transport(bytes, 0, bytes.length);
        const padded = Uint8Array.from([...bytes, ...new Uint8Array(3000).fill(0x3c)]);
        expect(ipv6.transport(padded, 0, bytes.length)).toBe(answer);
        if (answer >= 0) expect(answer >>> 8).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  it('makes solicited-node groups and their MACs', () => {
    const bytes = new Uint8Array(24);
    ipv6.writeSolicitedNode(bytes, 8, parseIpv6('2001:db8::1:abcd:ef12') ?? bytes, 0);
    ipv6.writeGroupMac(bytes, 0, 8);
    expect(formatIpv6(bytes, 8)).toBe('ff02::1:ffcd:ef12');
    expect(formatMacAt(bytes, 0)).toBe('33:33:ff:cd:ef:12');
  });
});

describe('icmp', () => {
  it('writes an echo request as RFC 792 has it', () => {
    const bytes = new Uint8Array(13);
    bytes.set(hex('6162636465'), 8);
    icmp.writeEcho(bytes, 0, icmp.IcmpType.ECHO_REQUEST, 0x1234, 7);
    icmp.writeChecksum4(bytes, 0, 13);
    expect(icmp.check(bytes, 0, 13)).toBe(true);
    expect([icmp.type(bytes, 0), icmp.code(bytes, 0), icmp.echoId(bytes, 0), icmp.echoSequence(bytes, 0)]).toEqual([
      8, 0, 0x1234, 7,
    ]);
    expect(icmp.isRight4(bytes, 0, 13)).toBe(true);
    // ~(0800 + 1234 + 0007 + 6162 + 6364 + 6500)
    expect(toHex(bytes.subarray(2, 4))).toBe('bbfd');
  });

  it('writes neighbor solicitations and advertisements', () => {
    const packet = new Uint8Array(40 + icmp.Icmp.NEIGHBOR_BYTES);
    const target = parseIpv6('fe80::2') ?? packet;
    ipv6.write(packet, 0, ipv4.Protocol.ICMPV6, 255, icmp.Icmp.NEIGHBOR_BYTES);
    packet.set(parseIpv6('fe80::1') ?? [], ipv6.Ipv6.SOURCE);
    ipv6.writeSolicitedNode(packet, ipv6.Ipv6.DESTINATION, target, 0);
    icmp.writeNeighbor(packet, 40, icmp.Icmp6Type.NEIGHBOR_SOLICITATION, 0, target, 0);
    icmp.writeNeighborMac(packet, 40, 0x0200, 1);
    icmp.writeChecksum6(packet, 0, 40, 32);
    expect([ipv6.payloadLength(packet, 0), ipv6.nextHeader(packet, 0), ipv6.hopLimit(packet, 0)]).toEqual([
      32, 58, 255,
    ]);
    expect(toHex(packet.subarray(44))).toBe(`00000000fe80${'00'.repeat(13)}020101020000000001`);
    expect(icmp.isRight6(packet, 0, 40, 32)).toBe(true);
    expect(icmp.checkNeighbor(packet, 40, 64)).toBe(true);
    expect(icmp.checkNeighbor(packet, 40, 63)).toBe(false);

    const flags = icmp.NeighborFlag.SOLICITED | icmp.NeighborFlag.OVERRIDE;
    icmp.writeNeighbor(packet, 40, icmp.Icmp6Type.NEIGHBOR_ADVERTISEMENT, flags, target, 0);
    icmp.writeNeighborMac(packet, 40, 0x0200, 2);
    expect(packet[44]).toBe(0x60);
    expect(toHex(packet.subarray(64))).toBe('0201020000000002');
  });
});

describe('tcp and udp', () => {
  const segment = hex('01bb d431 fffffffe 00000002 8018 01f6 0000 0000 0101080a 00000001 00000002');

  it('reads a TCP header', () => {
    expect(tcp.check(segment, 0, 32)).toBe(true);
    expect(tcp.check(segment, 0, 31)).toBe(false);
    expect([tcp.sourcePort(segment, 0), tcp.destinationPort(segment, 0), tcp.window(segment, 0)]).toEqual([
      443, 54321, 502,
    ]);
    expect([tcp.sequence(segment, 0), tcp.acknowledgment(segment, 0)]).toEqual([-2, 2]);
    expect(tcp.flags(segment, 0)).toBe(tcp.TcpFlag.ACK | tcp.TcpFlag.PSH);
    expect(tcp.headerLength(segment, 0)).toBe(32);
    expect(tcp.check(hex(`${'00'.repeat(12)}40${'00'.repeat(7)}`), 0, 20)).toBe(false);
  });

  it('reads a UDP header', () => {
    const bytes = hex('0035 d431 000c 1234 01020304');
    expect(udp.check(bytes, 0, 12)).toBe(true);
    expect(udp.check(bytes, 5, 12)).toBe(false);
    expect([udp.sourcePort(bytes, 0), udp.destinationPort(bytes, 0), udp.length(bytes, 0)]).toEqual([53, 54321, 12]);
  });
});

it('no check throws or says yes beyond the end, whatever the bytes', () => {
  const checks = [
    ethernet.check,
    arp.check,
    ipv4.check,
    ipv6.check,
    icmp.check,
    icmp.checkNeighbor,
    tcp.check,
    udp.check,
  ];
  const shortest = [14, 28, 20, 40, 8, 24, 20, 8];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(20), (bytes, skip) => {
      const at = Math.min(skip, bytes.length);
      checks.forEach((check, i) => {
        if (check(bytes, at, bytes.length)) expect(bytes.length - at).toBeGreaterThanOrEqual(shortest[i]);
      });
    }),
  );
});

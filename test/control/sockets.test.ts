/* What endpoints received, taken apart: of hostile packets, too. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DhcpClient } from '../../src/control/dhcp/client.js';
import { DhcpServer } from '../../src/control/dhcp/server.js';
import { echoRequest, headerBytes, icmpPacket, tcpPacket, udpPacket } from '../../src/control/packets.js';
import { type Datagram, datagramOf, quotedBy, Told } from '../../src/control/sockets.js';
import { fold, pseudo4, pseudo6, sumBytes } from '../../src/wire/checksum.js';
import { build, DhcpOp, message, parse } from '../../src/wire/dhcp.js';
import { parseAddress } from '../../src/wire/format.js';

const bytes = (text: string): Uint8Array => parseAddress(text) as Uint8Array;
const WAY4 = { source: bytes('10.0.0.1'), destination: bytes('10.0.0.2') };
const WAY6 = { source: bytes('2001:db8::1'), destination: bytes('2001:db8::2') };
const DATA = Uint8Array.of(1, 2, 3, 4, 5);

function received(packet: Uint8Array): Datagram | undefined {
  return datagramOf({ id: 1, told: Told.PACKET, link: 2, received: 0, timeUs: 3, bytes: packet, segmentBytes: 0 });
}

/** The one's-complement sum of a transport header and data with its pseudo-header: all ones where the checksum is right. */
function sumOf(packet: Uint8Array, protocol: number): number {
  const isIpv4 = packet[0] >>> 4 === 4;
  const at = isIpv4 ? 20 : 40;
  const length = packet.length - at;
  const view = new DataView(packet.buffer);
  const pseudo = isIpv4
    ? pseudo4(view.getInt32(12), view.getInt32(16), protocol, length)
    : pseudo6(packet, 8, protocol, length);
  return fold(pseudo + fold(sumBytes(packet, at, length)));
}

describe('packets of our own', () => {
  it.each([
    ['IPv4', WAY4],
    ['IPv6', WAY6],
  ])('over %s have right checksums', (_, way) => {
    const ports = { sourcePort: 1000, destinationPort: 67 };
    expect(sumOf(udpPacket(way, ports, DATA), 17)).toBe(0xffff);
    const header = new Uint8Array(20);
    header[12] = 0x50;
    expect(sumOf(tcpPacket(way, header), 6)).toBe(0xffff);
    const echo = echoRequest(way, 7, 9, DATA, { ttl: 3, tos: 0x10 });
    if (way === WAY6) expect(sumOf(echo, 58)).toBe(0xffff);
    else expect(fold(sumBytes(echo, 20, echo.length - 20))).toBe(0xffff);
  });

  it('are taken apart as they were put together', () => {
    for (const way of [WAY4, WAY6]) {
      const packet = udpPacket(way, { sourcePort: 5, destinationPort: 6 }, DATA, { ttl: 3, tos: 0x10 });
      expect(received(packet)).toMatchObject({ ...way, ttl: 3, tos: 0x10, payload: DATA, transport: headerBytes(way) });
    }
  });

  it('are quoted by errors', () => {
    const sent = echoRequest(WAY4, 7, 9, DATA, {});
    const error = new Uint8Array(8 + sent.length);
    error.set([3, 4, 0, 0, 0, 0, 5, 120]);
    error.set(sent, 8);
    const quoted = quotedBy(
      received(icmpPacket({ source: bytes('10.0.0.9'), destination: WAY4.source }, error)) as Datagram,
    );
    expect(quoted).toMatchObject({ type: 3, code: 4, info: 1400, destination: WAY4.destination, protocol: 1 });
    expect(quoted?.transport.subarray(4, 8)).toEqual(Uint8Array.of(0, 7, 0, 9));
  });
});

describe('whatever comes', () => {
  it('is taken apart without an exception', () => {
    const start = fc.constantFrom([0x45], [0x60], [0x4f], [0x60, 0, 0, 0, 0, 0, 44], [0x60, 0, 0, 0, 0, 0, 0]);
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 120 }), (head, tail) => {
        const datagram = received(Uint8Array.of(...head, ...tail));
        if (datagram === undefined) return;
        expect(datagram.payload.length).toBeLessThan(121);
        quotedBy(datagram);
      }),
      { numRuns: 2000 },
    );
  });

  it('a DHCP server and a client bear it', () => {
    const pool = { first: 0x0a00000a, last: 0x0a00000f };
    const server = new DhcpServer({
      subnet: 0x0a000000,
      length: 24,
      pool,
      routers: [],
      dns: [],
      leaseS: 60,
      statics: [],
    });
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
    const nothing = (): void => {};
    const client = new DhcpClient({ mac, random: () => 0.5 }, { send: nothing, bind: nothing, unbind: nothing });
    client.start(0);
    const xid = 0x80000000 | 0;
    fc.assert(
      fc.property(fc.constantFrom(DhcpOp.REQUEST, DhcpOp.REPLY), fc.uint8Array({ maxLength: 200 }), (op, options) => {
        const payload = build(message(op, xid, mac), 300);
        payload.fill(0, 240);
        payload.set(options.subarray(0, 60), 240);
        const read = parse(payload);
        if (read === undefined) return;
        server.receive(read, 0x0a000001, 0);
        client.receive(read, 0);
      }),
      { numRuns: 2000 },
    );
    expect(server.list(0).length).toBeLessThan(7);
  });
});

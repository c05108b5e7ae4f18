/* What the control plane hears of a stack, and what it sends by it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { echoRequest, frameOf, icmpPacket, udpPacket } from '../../src/control/packets.js';
import { ANY_LINK, ND, Told } from '../../src/route/endpoints.js';
import { RouteType } from '../../src/route/fib.js';
import { parseAddress } from '../../src/wire/format.js';
import { icmp, pattern, udp } from '../support/packets.js';
import type { Router } from '../support/router.js';
import { from4, from6, H0, R0, talkative, typeOf } from './stack.js';

const A4 = '10.0.0.9';
const R4 = '10.0.0.1';
const A6 = '2001:db8::9';
const R6 = '2001:db8::1';
const DATA = pattern(20);

const bytes = (text: string): Uint8Array => parseAddress(text) as Uint8Array;
const mac = (text: string): Uint8Array => Uint8Array.from(text.split(':').map((byte) => Number.parseInt(byte, 16)));

function toPort(port: number): Uint8Array {
  return from4({ payload: udp(A4, R4, 1000, port, DATA) });
}

function toPort6(port: number): Uint8Array {
  return from6({ payload: udp(A6, R6, 1000, port, DATA) });
}

describe('an endpoint', () => {
  let made: Router;
  let endpoints: Router['dataplane']['inet']['endpoints'];

  beforeEach(() => {
    made = talkative();
    endpoints = made.dataplane.inet.endpoints;
    endpoints.clock = () => 42;
  });

  const ids = (): number[] => endpoints.packets().map(({ id }) => id);

  it('hears the datagrams of its port, whole and with where they came from', () => {
    endpoints.open(7, 0, 4, 17, 67, ANY_LINK);
    const frame = toPort(67);
    made.send('e0', frame);
    const [packet] = endpoints.packets();
    expect(packet).toMatchObject({ id: 7, told: Told.PACKET, link: made.link('e0'), timeUs: 42, segmentBytes: 0 });
    expect(packet.bytes).toEqual(frame.subarray(14));
    expect(made.take('e0')).toEqual([]);
    made.expectConserved();
  });

  it('does not hear those of another port, family, protocol or namespace', () => {
    made.namespace(1, 'lo1');
    endpoints.open(1, 0, 4, 17, 68, ANY_LINK);
    endpoints.open(2, 0, 6, 17, 67, ANY_LINK);
    endpoints.open(3, 0, 4, 6, 67, ANY_LINK);
    endpoints.open(4, 1, 4, 17, 67, ANY_LINK);
    made.send('e0', toPort(67));
    expect(ids()).toEqual([]);
    expect(made.take('e0').map(typeOf)).toEqual(['3/3']);
    made.send('e0', toPort6(67));
    expect(ids()).toEqual([2]);
  });

  it('that is bound to a link goes before one that is not, and hears only that link', () => {
    endpoints.open(1, 0, 4, 17, 67, ANY_LINK);
    endpoints.open(2, 0, 4, 17, 67, made.link('e0'));
    endpoints.open(3, 0, 4, 17, 69, made.link('e1'));
    made.send('e0', toPort(67), toPort(69));
    expect(ids()).toEqual([2]);
  });

  it('is the only one of its kind', () => {
    expect(endpoints.open(1, 0, 4, 17, 67, ANY_LINK)).toBe(true);
    expect(endpoints.open(2, 0, 4, 17, 67, ANY_LINK)).toBe(false);
    endpoints.close(1);
    expect(endpoints.open(2, 0, 4, 17, 67, ANY_LINK)).toBe(true);
  });

  it('hears no more when it is closed, or when its link has gone', () => {
    endpoints.open(1, 0, 4, 17, 67, ANY_LINK);
    endpoints.open(2, 0, 4, 17, 69, made.link('e0'));
    endpoints.close(1);
    endpoints.forgetLink(made.link('e0'));
    made.send('e0', toPort(67), toPort(69));
    expect(ids()).toEqual([]);
  });

  it('holds 128 packets until they are acknowledged, and what comes then is dropped', () => {
    endpoints.open(1, 0, 4, 17, 67, ANY_LINK);
    for (let i = 0; i < 200; i++) made.send('e0', toPort(67));
    const packets = endpoints.packets();
    expect(packets).toHaveLength(128);
    expect(made.drops('e0')).toEqual({ socket_full: 72 });
    endpoints.ack(1, 100, 100 * packets[0].bytes.length);
    for (let i = 0; i < 200; i++) made.send('e0', toPort(67));
    expect(endpoints.packets()).toHaveLength(100);
    made.expectConserved();
  });

  it('holds half a megabyte at most, too', () => {
    endpoints.open(1, 0, 4, 17, 67, ANY_LINK);
    const long = from4({ payload: udp(A4, R4, 1000, 67, new Uint8Array(1400)) });
    for (let i = 0; i < 128; i++) made.send('e0', long);
    endpoints.ack(1, 128, 0);
    let taken = endpoints.packets().length;
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 128; i++) made.send('e0', long);
      taken += endpoints.packets().length;
      endpoints.ack(1, 128, 0);
    }
    expect(taken).toBe(Math.ceil((512 * 1024) / 1428));
  });

  it('of ICMP hears replies to its identifier, and no requests', () => {
    endpoints.open(1, 0, 4, 1, 0x55, ANY_LINK);
    made.send('e0', from4({ protocol: 1, payload: icmp(0, 0, 0x00550001, DATA) }));
    made.send('e0', from4({ protocol: 1, payload: icmp(0, 0, 0x00560001, DATA) }));
    made.send('e0', from4({ protocol: 1, payload: icmp(8, 0, 0x00550001, DATA) }));
    expect(ids()).toEqual([1]);
    expect(made.take('e0').map(typeOf)).toEqual(['0/0']);
  });

  it('hears ICMP errors about what it sent', () => {
    endpoints.open(1, 0, 4, 17, 40_000, ANY_LINK);
    const ports = { sourcePort: 40_000, destinationPort: 33_434 };
    const sent = udpPacket({ source: bytes(R4), destination: bytes('10.0.0.11') }, ports, DATA);
    made.send('e0', from4({ protocol: 1, payload: icmp(3, 3, 0, sent.subarray(0, 28)) }));
    made.send('e0', from4({ protocol: 1, payload: icmp(3, 3, 0, sent.subarray(0, 27)) }));
    expect(endpoints.packets().map(({ id, told }) => [id, told])).toEqual([[1, Told.ERROR]]);
    made.expectConserved();
  });

  it('hears ICMPv6 errors, also about the first fragment of what it sent', () => {
    endpoints.open(1, 0, 6, 58, 0x77, ANY_LINK);
    const way = { source: bytes(R6), destination: bytes('2001:db8::11') };
    const whole = echoRequest(way, 0x77, 1, DATA, {});
    const error = (quoted: Uint8Array): Uint8Array =>
      from6({ nextHeader: 58, payload: icmp(1, 3, 0, quoted, [A6, R6]) });
    made.send('e0', error(whole));
    const fragment = (offset: number): Uint8Array => {
      const header = Uint8Array.of(58, 0, offset >>> 8, offset | 1, 0, 0, 0, 9);
      const quoted = Uint8Array.of(...whole.subarray(0, 40), ...header, ...whole.subarray(40));
      quoted[6] = 44;
      return quoted;
    };
    made.send('e0', error(fragment(0)), error(fragment(8 << 3)));
    expect(ids()).toEqual([1, 1]);
  });

  it('of neighbour discovery hears one type of message on its link', () => {
    const solicitation = (): Uint8Array =>
      from6({
        hopLimit: 255,
        nextHeader: 58,
        payload: icmp(133, 0, 0, new Uint8Array(0), [A6, R6]),
      });
    made.send('e0', solicitation());
    expect(made.drops('e0')).toEqual({ icmp_ignored: 1 });
    endpoints.open(1, 0, 6, ND, 133, made.link('e0'));
    endpoints.open(2, 0, 6, ND, 134, made.link('e0'));
    made.send('e0', solicitation());
    expect(ids()).toEqual([1]);
    made.expectConserved();
  });
});

describe('sending', () => {
  let made: Router;
  let endpoints: Router['dataplane']['inet']['endpoints'];

  beforeEach(() => {
    made = talkative();
    endpoints = made.dataplane.inet.endpoints;
  });

  const send = (packet: Uint8Array, link = ANY_LINK, isWhole = false): number => {
    const errno = endpoints.send(0, packet, link, isWhole, made.now);
    made.dataplane.flush(made.now);
    return errno;
  };
  const echo = (from: string, to: string, size = 20, dontFragment = false): Uint8Array =>
    echoRequest({ source: bytes(from), destination: bytes(to) }, 1, 1, new Uint8Array(size), { dontFragment });

  it('goes by the route to the neighbour', () => {
    const packet = echo(R4, A4);
    expect(send(packet)).toBe(0);
    expect(made.take('e0')).toEqual([frameOf(mac(H0), mac(R0), packet)]);
    const packet6 = echo(R6, A6);
    expect(send(packet6)).toBe(0);
    expect(made.take('e0')).toEqual([frameOf(mac(H0), mac(R0), packet6)]);
    made.expectConserved();
  });

  it.each([
    ['198.51.100.1', -101],
    ['172.16.0.1', -113],
    ['172.17.0.1', -13],
    ['172.18.0.1', -22],
    ['2001:db8:77::1', -101],
    ['2001:db8:16::1', -113],
    ['2001:db8:17::1', -13],
    ['2001:db8:18::1', -22],
    ['fe80::9', -101],
  ])('to %s fails with %i', (to, errno) => {
    expect(send(echo(to.includes(':') ? R6 : R4, to))).toBe(errno);
    made.expectConserved();
  });

  it('by a link reaches what is there without a route', () => {
    expect(send(echo(R4, '10.0.0.9'), made.link('e0'))).toBe(0);
    expect(made.take('e0')).toHaveLength(1);
    // Nobody there yet: it is asked for on that link.
    expect(send(echo(R4, '198.51.100.1'), made.link('e0'))).toBe(0);
    expect(made.take('e0').map((frame) => frame[13])).toEqual([6]);
    expect(send(echo('fe80::b:0', 'fe80::1:9'), made.link('e0'))).toBe(0);
    expect(made.take('e0')).toHaveLength(1);
  });

  it('fragments what is too long, unless it must not', () => {
    expect(send(echo('10.0.1.1', '10.0.1.9', 3000))).toBe(0);
    expect(made.take('e1')).toHaveLength(3);
    expect(send(echo('10.0.1.1', '10.0.1.9', 3000, true))).toBe(-90);
    expect(send(echo('2001:db8:1::1', '2001:db8:1::9', 3000))).toBe(0);
    expect(made.take('e1')).toHaveLength(3);
    expect(send(echo('2001:db8:1::1', '2001:db8:1::9', 3000), ANY_LINK, true)).toBe(-90);
    expect(endpoints.mtu(0, bytes('10.0.1.9'), ANY_LINK, made.now)).toBe(1280);
    expect(endpoints.mtu(0, bytes('198.51.100.1'), ANY_LINK, made.now)).toBe(0);
    made.expectConserved();
  });

  it('of 64 KiB is possible', () => {
    expect(send(echo(R4, A4, 65_000))).toBe(0);
    const frames = made.take('e0');
    expect(frames.reduce((sum, frame) => sum + frame.length - 34, 0)).toBe(65_008);
    made.expectConserved();
  });

  it('of what is no packet fails', () => {
    expect(send(new Uint8Array(10))).toBe(-22);
    expect(endpoints.send(5, echo(R4, A4), ANY_LINK, false, 0)).toBe(-19);
  });

  it('of a whole frame asks for no route', () => {
    const message = icmpPacket({ source: bytes('0.0.0.0'), destination: bytes('255.255.255.255') }, pattern(8));
    const frame = frameOf(mac('ff:ff:ff:ff:ff:ff'), mac(R0), message);
    expect(endpoints.sendFrame(made.link('e1'), frame)).toBe(0);
    made.dataplane.flush(made.now);
    expect(made.take('e1')).toEqual([frame]);
    made.down('e1');
    expect(endpoints.sendFrame(made.link('e1'), frame)).toBe(-100);
  });

  it('tells an endpoint that a neighbour does not answer', () => {
    made.route('10.0.0.0/24', { dev: 'e0', src: R4 });
    endpoints.open(1, 0, 4, 1, 1, ANY_LINK);
    send(echo(R4, '10.0.0.200'));
    made.wait(4000);
    const told = endpoints.packets();
    expect(told.map(({ id, told: kind, bytes: [, , , , , , , , , protocol] }) => [id, kind, protocol])).toEqual([
      [1, Told.ERROR, 1],
    ]);
    expect(told[0].bytes.subarray(12, 16)).toEqual(bytes(R4));
  });
});

describe('the source of a packet', () => {
  it.each([
    ['10.0.1.9', '10.0.1.1'],
    ['10.0.0.1', '10.0.0.1'],
    ['198.51.100.1', -101],
    ['172.16.0.1', -113],
    ['2001:db8:1::9', '2001:db8:1::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:db8:77::1', -101],
    ['fe80::1', -22],
  ])('to %s is %s', (to, expected) => {
    const { endpoints } = talkative().dataplane.inet;
    const found = endpoints.source(0, bytes(to), ANY_LINK, true);
    expect(found).toEqual(typeof expected === 'number' ? expected : bytes(expected));
  });

  it('by a link is one of that link', () => {
    const made = talkative();
    const { endpoints } = made.dataplane.inet;
    expect(endpoints.source(0, bytes('198.51.100.1'), made.link('e1'), true)).toEqual(bytes('10.0.1.1'));
    expect(endpoints.source(0, bytes('ff02::1'), made.link('e1'), true)).toEqual(bytes('fe80::b:1'));
  });

  it('to a broadcast address is there only if that is wanted', () => {
    const made = talkative();
    made.route('10.0.0.255', { type: RouteType.BROADCAST, dev: 'e0', src: R4 });
    const { endpoints } = made.dataplane.inet;
    expect(endpoints.source(0, bytes('10.0.0.255'), ANY_LINK, false)).toBe(-13);
    expect(endpoints.source(0, bytes('10.0.0.255'), ANY_LINK, true)).toEqual(bytes(R4));
  });
});

/* Packets for the router itself: who gets them, and what is answered where nobody does. */
import { describe, expect, it } from 'vitest';
import { Vnet } from '../../src/core/arena.js';
import { Net6 } from '../../src/route/conf.js';
import { ANY_LINK } from '../../src/route/endpoints.js';
import { read16, read32 } from '../../src/wire/field.js';
import { icmp, pattern, tcp, udp } from '../support/packets.js';
import type { Router } from '../support/router.js';
import { closed4, closed6, echo4, from4, from6, talkative, typeOf } from './stack.js';

const A4 = '10.0.0.9';
const R4 = '10.0.0.1';
const A6 = '2001:db8::9';
const R6 = '2001:db8::1';

/** The type of an ICMP error, or the flags of a TCP segment, of all that was answered. */
function answers(made: Router): string[] {
  return made.take('e0').map((frame) => {
    const isIpv6 = frame[12] === 0x86;
    const protocol = frame[isIpv6 ? 20 : 23];
    return protocol === 6 ? `flags ${frame[(isIpv6 ? 54 : 34) + 13]}` : typeOf(frame);
  });
}

function spoil(frame: Uint8Array, at: number): Uint8Array {
  const bytes = frame.slice();
  bytes[at] ^= 0xff;
  return bytes;
}

function syn(flags: number, data = 0): Uint8Array {
  return from4({
    protocol: 6,
    payload: tcp(A4, R4, 5000, 80, { flags, sequence: 100, acknowledgement: 7777, data: pattern(data) }),
  });
}

describe('where nobody listens', () => {
  it.each([
    ['UDP', closed4(), ['3/3'], 'no_socket'],
    ['UDP with a wrong checksum', spoil(closed4(), 50), [], 'transport_checksum'],
    ['TCP', syn(2), ['flags 20'], 'no_socket'],
    ['TCP with an acknowledgement', syn(16), ['flags 4'], 'no_socket'],
    ['a TCP reset', syn(4), [], 'no_socket'],
    ['TCP with a wrong checksum', spoil(syn(2), 40), [], 'transport_checksum'],
    ['another protocol', from4({ protocol: 99, payload: pattern(40) }), ['3/2'], 'no_protocol'],
    ['IGMP', from4({ protocol: 2, payload: pattern(40) }), [], 'no_protocol'],
    ['a UDP header cut short', from4({ payload: pattern(7) }), [], 'transport_checksum'],
    ['a TCP header cut short', from4({ protocol: 6, payload: pattern(19) }), [], 'transport_checksum'],
    ['an ICMP header cut short', from4({ protocol: 1, payload: pattern(7) }), [], 'icmp_invalid'],
    ['an echo reply', from4({ protocol: 1, payload: icmp(0, 0, 1, pattern(8)) }), [], 'icmp_ignored'],
    ['UDP, IPv6', closed6(), ['1/4'], 'no_socket'],
    ['UDP with a wrong checksum, IPv6', spoil(closed6(), 70), [], 'transport_checksum'],
    ['another protocol, IPv6', from6({ nextHeader: 99, payload: pattern(40) }), ['4/1'], 'no_protocol'],
    ['nothing at all, IPv6', from6({ nextHeader: 59, payload: pattern(40) }), [], 'no_protocol'],
  ] as Array<[string, Uint8Array, string[], string]>)('%s', (_, frame, expected, reason) => {
    const made = talkative();
    made.send('e0', frame);
    expect(answers(made)).toEqual(expected);
    expect(made.drops('e0')).toEqual({ [reason]: 1 });
    made.expectConserved();
  });

  it.each([
    [2, 0, 0, 101],
    [2, 10, 0, 111],
    [3, 10, 0, 112],
    [0, 0, 0, 100],
    [16, 10, 7777, 0],
    [18, 0, 7777, 0],
  ])('resets segments with flags %i and %i bytes', (flags, data, sequence, acknowledgement) => {
    const made = talkative();
    const [reset] = made.send('e0', syn(flags, data)).take('e0');
    expect([read16(reset, 34), read16(reset, 36), read32(reset, 38), read32(reset, 42)]).toEqual([
      80,
      5000,
      sequence,
      acknowledgement,
    ]);
  });

  it('resets a TCP superframe as the one segment that it is', () => {
    const made = talkative();
    const payload = tcp(A4, R4, 5000, 80, { flags: 2, sequence: 100, data: pattern(5000) });
    made.memory('e0').feed(from4({ protocol: 6, payload }), [0x0100 | Vnet.NEEDS_CSUM, 54, 1000, 34, 16]);
    const [reset] = made.run('e0').take('e0');
    expect(read32(reset, 42)).toBe(100 + 1 + 5000);
    made.expectConserved();
  });

  it('believes who vouches for a checksum', () => {
    for (const flags of [Vnet.NEEDS_CSUM, Vnet.DATA_VALID]) {
      const made = talkative();
      made.memory('e0').feed(spoil(closed4(), 50), [flags, 0, 0, 34, 6]);
      expect(answers(made.run('e0'))).toEqual(['3/3']);
    }
  });

  it('answers an echo whose checksum is partial with a whole one', () => {
    const made = talkative();
    const frame = echo4(100);
    frame.fill(0, 36, 38);
    made.memory('e0').feed(frame, [Vnet.NEEDS_CSUM, 0, 0, 34, 2]);
    const [answer] = made.run('e0').take('e0');
    expect(answer.subarray(34)).toEqual(icmp(0, 0, 0x00550003, pattern(100)));
  });
});

describe('endpoints', () => {
  function open(made: Router, family: number, protocol: number, port: number): void {
    made.dataplane.inet.endpoints.open(1, 0, family, protocol, port, ANY_LINK);
  }

  it.each([
    ['UDP', 4, 17, 7, closed4()],
    ['TCP', 4, 6, 80, syn(2)],
    ['an echo reply', 4, 1, 0x55, from4({ protocol: 1, payload: icmp(0, 0, 0x00550003, pattern(8)) })],
    ['UDP, IPv6', 6, 17, 7, closed6()],
    [
      'an echo reply, IPv6',
      6,
      58,
      0x55,
      from6({ nextHeader: 58, payload: icmp(129, 0, 0x00550003, pattern(8), [A6, R6]) }),
    ],
  ])('get %s', (_, family, protocol, port, frame) => {
    const made = talkative();
    open(made, family, protocol, port);
    made.send('e0', frame);
    expect(made.dataplane.inet.endpoints.packets().map(({ bytes }) => bytes)).toEqual([frame.subarray(14)]);
    expect(answers(made)).toEqual([]);
    made.expectConserved();
  });

  it('get no datagram with a wrong checksum', () => {
    const made = talkative();
    open(made, 4, 17, 7);
    made.send('e0', spoil(closed4(), 50));
    expect(made.dataplane.inet.endpoints.hasPackets).toBe(false);
    made.expectConserved();
  });

  it('get what lies behind extension headers', () => {
    const made = talkative();
    open(made, 6, 17, 7);
    const payload = Uint8Array.of(60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0, ...udp(A6, R6, 1, 7, pattern(9)));
    made.send('e0', from6({ nextHeader: 0, payload }));
    expect(made.dataplane.inet.endpoints.packets().length).toBe(1);
    made.expectConserved();
  });

  it('hear of errors about what they sent', () => {
    const made = talkative();
    open(made, 4, 17, 5353);
    const inner = from4({ source: R4, destination: '10.0.1.9', payload: udp(R4, '10.0.1.9', 5353, 9, pattern(4)) });
    const frame = from4({ protocol: 1, payload: icmp(3, 1, 0, inner.subarray(14)) });
    made.send('e0', frame);
    expect(made.dataplane.inet.endpoints.packets().map(({ bytes }) => bytes)).toEqual([frame.subarray(14)]);
    made.expectConserved();
  });
});

describe('IPv6 extension headers', () => {
  const header = (next: number): number[] => [next, 0, 1, 4, 0, 0, 0, 0];

  it('are walked, but not without end', () => {
    for (const count of [1, 8, 9, 20]) {
      const made = talkative();
      const chain = Array.from({ length: count }, (_, i) => header(i === count - 1 ? 17 : 60)).flat();
      made.send('e0', from6({ nextHeader: 60, payload: Uint8Array.of(...chain, ...udp(A6, R6, 1, 7, pattern(9))) }));
      expect(answers(made)).toEqual(count <= 8 ? ['1/4'] : []);
      expect(made.drops('e0')).toEqual(count <= 8 ? { no_socket: 1 } : { ipv6_extension: 1 });
    }
  });

  it('that go beyond the packet end it', () => {
    const made = talkative();
    made.send('e0', from6({ nextHeader: 60, payload: Uint8Array.of(17, 9, 1, 4, 0, 0, 0, 0) }));
    made.send('e0', from6({ nextHeader: 60, payload: Uint8Array.of(17, 0, 1) }));
    expect(made.drops('e0')).toEqual({ ipv6_extension: 2 });
    made.expectConserved();
  });

  it('may have as many options as max_dst_opts_number says', () => {
    for (const [limit, count, isFine] of [
      [8, 8, true],
      [8, 9, false],
      [-8, 0, true],
      [-8, 1, false],
    ] as const) {
      const made = talkative();
      made.dataplane.inet.conf.set('net6', 0, Net6.MAX_DST_OPTS, limit);
      const options = Array.from({ length: count }, () => [0x1e, 0]).flat();
      const padded = Array.from({ length: (8 - ((2 + options.length) % 8)) % 8 }, () => 0);
      const bytes = [17, (2 + options.length + padded.length) / 8 - 1, ...options, ...padded];
      made.send('e0', from6({ nextHeader: 60, payload: Uint8Array.of(...bytes, ...udp(A6, R6, 1, 7, pattern(9))) }));
      expect(answers(made), `${limit} ${count}`).toEqual(isFine ? ['1/4'] : []);
    }
  });
});

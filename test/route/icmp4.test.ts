/*
 * ICMP's rules and limits. What the messages look like is in kernel-answers.test.ts; numbers of answers per time were counted
 * on Linux 6.18.
 */
import { describe, expect, it } from 'vitest';
import { Conf4, Net4 } from '../../src/route/conf.js';
import { RouteType } from '../../src/route/fib.js';
import { read16, read32 } from '../../src/wire/field.js';
import { icmp, ip4, pattern, tcp, udp } from '../support/packets.js';
import { type Router, wordsOf } from '../support/router.js';
import { closed4, echo4, from4, H0, permanent, R0, router, talkative, typeOf } from './stack.js';

/** When the answers to packets came that were sent `everyMs`, in ms from the first. */
function times(made: Router, frame: Uint8Array, count: number, everyMs: number, type: string): number[] {
  const found: number[] = [];
  for (let i = 0; i < count; i++) {
    const answers = made
      .send('e0', frame)
      .take('e0')
      .filter((answer) => typeOf(answer) === type);
    for (const _ of answers) found.push(i * everyMs);
    made.wait(everyMs);
  }
  return found;
}

describe('limits', () => {
  it('lets six errors go to a peer at once, then one a second', () => {
    const made = router();
    expect(times(made, closed4(), 100, 50, '3/3')).toEqual([0, 50, 100, 150, 200, 250, 1000, 2000, 3000, 4000]);
    made.expectConserved();
  });

  it('gives peers of their own to others', () => {
    const made = router();
    times(made, closed4(), 20, 0, '3/3');
    expect(times(made, closed4('10.0.0.10'), 20, 0, '3/3').length).toBe(6);
  });

  it('takes both limits of a packet without a route from one bucket', () => {
    const frame = closed4('10.0.0.9', '198.51.100.1');
    expect(times(router(), frame, 80, 50, '3/0')).toEqual([0, 50]);
  });

  it('never limits what path MTU discovery needs', () => {
    const payload = udp('10.0.0.9', '10.0.1.9', 1, 2, pattern(1400));
    const frame = from4({ destination: '10.0.1.9', fragment: 0x4000, payload });
    expect(times(router(), frame, 300, 0, '3/4').length).toBe(300);
  });

  it('does not limit echo replies, but by a mask that says so', () => {
    expect(times(router(), echo4(8), 100, 0, '0/0').length).toBe(100);
    const made = router();
    made.dataplane.inet.conf.set('net4', 0, Net4.ICMP_RATEMASK, 1);
    expect(times(made, echo4(8), 100, 0, '0/0').length).toBe(6);
    made.expectConserved();
  });

  it('sends about icmp_msgs_burst messages at once to all, and then icmp_msgs_per_sec', () => {
    const made = router();
    const all = (): number => {
      for (let i = 2; i < 255; i++) made.send('e0', closed4(`10.0.0.${i}`));
      return made.take('e0').filter((frame) => frame[23] === 1).length;
    };
    for (let i = 2; i < 255; i++) permanent(made, 'e0', `10.0.0.${i}`, H0);
    const first = all();
    expect(first).toBeGreaterThan(34);
    expect(first).toBeLessThan(70);
    made.wait(19);
    expect(all()).toBe(0);
    made.wait(6);
    const second = all();
    expect(second).toBeGreaterThan(13);
    expect(second).toBeLessThan(40);
    made.expectConserved();
  });

  it('draws from the namespace’s bucket at random', () => {
    const counts = new Set<number>();
    const made = router();
    for (let i = 2; i < 255; i++) permanent(made, 'e0', `10.0.0.${i}`, H0);
    for (let round = 0; round < 8; round++) {
      made.wait(70_000);
      for (let i = 2; i < 255; i++) made.send('e0', closed4(`10.0.0.${i}`));
      counts.add(made.take('e0').length);
    }
    expect(counts.size).toBeGreaterThan(2);
  });

  it('keeps redirects to nine, further and further apart, until the sender is silent', () => {
    const made = router();
    const source = '10.0.0.12';
    const frame = from4({ source, destination: '10.0.0.77', payload: udp(source, '10.0.0.77', 1, 2, pattern(20)) });
    expect(times(made, frame, 3000, 10, '5/1')).toEqual([0, 50, 140, 310, 640, 1290, 2580, 5150, 10_280]);
    made.wait(20_490);
    expect(times(made, frame, 2, 10, '5/1')).toEqual([0]);
    made.expectConserved();
  });

  it('sends no redirects where it shall not', () => {
    const made = router();
    made.dataplane.inet.conf.set('link4', made.link('e0'), Conf4.SEND_REDIRECTS, 0);
    const frame = from4({ destination: '10.0.0.77' });
    expect(made.send('e0', frame).take('e0').map(typeOf)).not.toContain('5/1');
  });
});

describe('errors', () => {
  it('come from the inbound link’s address where icmp_errors_use_inbound_ifaddr says so', () => {
    const source = '10.0.1.77';
    const frame = (): Uint8Array => ip4({ to: R0, from: H0, source, destination: '10.0.0.77', ttl: 1, protocol: 17 });
    const made = talkative();
    expect(
      made
        .send('e0', frame())
        .take('e1')
        .map((answer) => read32(answer, 26)),
    ).toEqual(wordsOf('10.0.1.1'));
    made.dataplane.inet.conf.set('net4', 0, Net4.ICMP_ERRORS_USE_INBOUND_IFADDR, 1);
    expect(
      made
        .send('e0', frame())
        .take('e1')
        .map((answer) => read32(answer, 26)),
    ).toEqual(wordsOf('10.0.0.1'));
  });

  it('come from the address that the way back prefers', () => {
    const made = talkative().route('192.0.2.0/24', { via: '10.0.0.9', dev: 'e0', src: '10.0.1.1' });
    made.send('e0', from4({ source: '192.0.2.5', destination: '10.0.1.9', ttl: 1 }));
    expect(made.take('e0').map((answer) => read32(answer, 26))).toEqual(wordsOf('10.0.1.1'));
  });

  it('are not sent where no route leads back', () => {
    const made = talkative();
    made.send('e0', from4({ source: '192.0.2.5', destination: '10.0.1.9', ttl: 1 }));
    expect(made.outputs('e0', 'e1')).toEqual([]);
    made.expectConserved();
  });

  it('carry the MTU that fits', () => {
    const made = talkative();
    made.send('e0', from4({ destination: '10.0.1.9', fragment: 0x4000, payload: pattern(1300) }));
    const [answer] = made.take('e0');
    expect(read32(answer, 38)).toBe(1280);
    expect(read16(answer, 16)).toBe(576);
  });

  it('quote a superframe, and no more than 576 bytes of it', () => {
    const made = talkative();
    const payload = tcp('10.0.0.9', '10.0.1.9', 1, 2, { flags: 16, data: pattern(5000) });
    made
      .memory('e0')
      .feed(from4({ destination: '10.0.1.9', ttl: 1, protocol: 6, payload }), [0x0101, 54, 1000, 34, 16]);
    const [answer] = made.run('e0').take('e0');
    expect(typeOf(answer)).toBe('11/0');
    expect(answer.length).toBe(590);
    expect(answer.subarray(42 + 20)).toEqual(payload.subarray(0, 590 - 62));
    made.expectConserved();
  });
});

describe('requests', () => {
  it.each([
    [Net4.ICMP_ECHO_IGNORE_ALL, 1, echo4(8), 0],
    [Net4.ICMP_ECHO_IGNORE_BROADCASTS, 1, echo4(8, { to: 'ff:ff:ff:ff:ff:ff', destination: '10.0.0.255' }), 0],
    [Net4.ICMP_ECHO_IGNORE_BROADCASTS, 0, echo4(8, { to: 'ff:ff:ff:ff:ff:ff', destination: '10.0.0.255' }), 1],
  ])('setting %i = %i', (key, value, frame, answers) => {
    const made = router();
    made.dataplane.inet.conf.set('net4', 0, key, value);
    const got = made.send('e0', frame).take('e0');
    expect(got.map((answer) => read32(answer, 26))).toEqual(answers === 0 ? [] : wordsOf('10.0.0.1'));
    expect(made.drops('e0')).toEqual(answers === 0 ? { icmp_ignored: 1 } : {});
    made.expectConserved();
  });

  it.each([0, 1, 56, 1472, 1473, 1700, 9000, 65_507])('echoes %i bytes', (length) => {
    const made = router({ heads: 512 });
    made.dataplane.setMtu(made.link('e0'), 65_535);
    const frame = echo4(length);
    const [answer] = made.send('e0', frame).take('e0');
    expect(answer.subarray(38)).toEqual(frame.subarray(38));
    expect(read16(answer, 16)).toBe(28 + length);
    made.expectConserved();
  });

  it('tells the time of day', () => {
    const made = router();
    const ask = (): number[] => {
      made.send('e0', from4({ protocol: 1, payload: icmp(13, 0, 7, pattern(12)) }));
      const [answer] = made.take('e0');
      expect(answer.length).toBe(54);
      return [0, 2, 8, 12, 16].map((at) => (at < 4 ? read16(answer, 34 + at) : read32(answer, 34 + at)));
    };
    // Not of the day, while nobody has said what day it is: the highest bit.
    expect(ask()[3]).toBeLessThan(0);
    made.dataplane.inet.options4.midnightMs = 86_400_000 * 30_000 + 86_399_000 - made.now;
    made.wait(1500);
    expect(ask()).toEqual([0x0e00, expect.any(Number), 0x00010203, 500, 500]);
    made.expectConserved();
  });
});

describe('options', () => {
  /** Options of the echo reply to a request with these, at 1,000 ms of the day. */
  function replied(...options: number[]): number[] {
    const made = router();
    made.dataplane.inet.options4.midnightMs = 86_400_000 * 30_000 + 1000 - made.now;
    const [answer] = made.send('e0', echo4(8, { options: Uint8Array.from(options) })).take('e0');
    made.expectConserved();
    return [...answer.subarray(34, 14 + ((answer[14] & 15) << 2))];
  }

  const NOW = [0, 0, 3, 232];

  it('that ask for the time get it twice', () => {
    expect(replied(68, 12, 5, 0, 9, 9, 9, 9, 9, 9, 9, 9)).toEqual([68, 12, 13, 0, ...NOW, ...NOW]);
    expect(replied(68, 8, 5, 0, 9, 9, 9, 9)).toEqual([68, 8, 9, 0, ...NOW]);
  });

  it('that ask for address and time get both', () => {
    const empty = new Array<number>(16).fill(0);
    const entry = [10, 0, 0, 1, ...NOW];
    expect(replied(68, 20, 5, 1, ...empty)).toEqual([68, 20, 21, 1, ...entry, ...entry]);
  });

  it('that ask one address for its time get it from that one', () => {
    const [own, other] = [
      [10, 0, 1, 1],
      [10, 0, 0, 9],
    ];
    expect(replied(68, 20, 5, 3, ...own, 0, 0, 0, 0, ...other, 0, 0, 0, 0)).toEqual([
      68,
      20,
      13,
      3,
      ...own,
      ...NOW,
      ...other,
      0,
      0,
      0,
      0,
    ]);
    expect(replied(68, 20, 5, 3, ...own, 0, 0, 0, 0, ...own, 0, 0, 0, 0)).toEqual([
      68,
      20,
      21,
      3,
      ...own,
      ...NOW,
      ...own,
      ...NOW,
    ]);
  });
});

describe('errors that come', () => {
  /** An error of `type`, `code` and `info` that quotes a packet of ours to 198.51.100.7. */
  function about(type: number, code: number, info: number, inner: Uint8Array, source = '10.0.0.9'): Uint8Array {
    return from4({ source, protocol: 1, payload: icmp(type, code, info, inner.subarray(14)) });
  }

  const reply = ip4({
    to: R0,
    from: H0,
    source: '10.0.0.1',
    destination: '198.51.100.7',
    protocol: 1,
    payload: icmp(0, 0, 1, pattern(8)),
  });

  function mtuOf(made: Router): number {
    const { pmtu } = made.dataplane.inet;
    return pmtu.get4(0, wordsOf('198.51.100.7')[0], 1500, made.now);
  }

  function online(): Router {
    return router().route('default', { via: '10.0.0.9', dev: 'e0' });
  }

  it('teach the MTU of a path, for ten minutes', () => {
    const made = online();
    made.send('e0', about(3, 4, 1400, reply));
    expect(mtuOf(made)).toBe(1400);
    made.send('e0', about(3, 4, 1450, reply));
    expect(mtuOf(made)).toBe(1400);
    made.wait(599_999);
    expect(mtuOf(made)).toBe(1400);
    made.wait(1);
    expect(mtuOf(made)).toBe(1500);
    made.expectConserved();
  });

  it.each([0, 68, 551])('are not believed that the MTU is %i', (mtu) => {
    const made = online();
    made.send('e0', about(3, 4, mtu, reply));
    expect(mtuOf(made)).toBe(552);
    const { pmtu } = made.dataplane.inet;
    expect(pmtu.isLocked(pmtu.find4(0, wordsOf('198.51.100.7')[0], made.now))).toBe(true);
  });

  it('teach nothing about packets of others', () => {
    const made = online();
    const inner = reply.slice();
    inner.set([10, 0, 0, 9], 26);
    made.send('e0', about(3, 4, 1400, inner));
    expect(made.dataplane.inet.pmtu.isEmpty).toBe(true);
  });

  it('make our replies shorter', () => {
    const made = online();
    made.send('e0', about(3, 4, 1000, reply));
    made.send('e0', echo4(1200, { source: '198.51.100.7' }));
    expect(made.take('e0').map((frame) => frame.length)).toEqual([14 + 996, 14 + 252]);
    made.expectConserved();
  });

  it.each([
    ['a host that is no router', Conf4.FORWARDING, 0, '10.0.0.9', '10.0.0.77', true],
    ['a router that accepts them', Conf4.FORWARDING, 1, '10.0.0.9', '10.0.0.77', true],
    ['one that does not', Conf4.ACCEPT_REDIRECTS, 0, '10.0.0.9', '10.0.0.77', false],
    ['a redirect of another router', Conf4.FORWARDING, 0, '10.0.0.10', '10.0.0.77', false],
    ['a redirect to the router itself', Conf4.FORWARDING, 0, '10.0.0.9', '10.0.0.9', false],
    ['a redirect to a group', Conf4.FORWARDING, 0, '10.0.0.9', '224.0.0.1', false],
    ['a redirect to nobody’s neighbour', Conf4.FORWARDING, 0, '10.0.0.9', '10.0.0.33', false],
  ])('redirect %s', (_, key, value, sender, gateway, isFollowed) => {
    const made = online();
    const { conf, pmtu } = made.dataplane.inet;
    const link = made.link('e0');
    conf.set('link4', link, Conf4.ACCEPT_REDIRECTS, 1);
    conf.set('all4', 0, Conf4.ACCEPT_REDIRECTS, key === Conf4.ACCEPT_REDIRECTS ? value : 1);
    conf.set('link4', link, key, value);
    made.send('e0', about(5, 1, wordsOf(gateway)[0], reply, sender));
    const found = pmtu.gatewayOf(pmtu.find4(0, wordsOf('198.51.100.7')[0], made.now));
    expect(found).toBe(isFollowed ? wordsOf(gateway)[0] : 0);
    made.expectConserved();
  });

  it('of which too little is quoted are malformed or mean nothing', () => {
    const made = online();
    for (let length = 0; length < 28; length++) {
      made.send('e0', about(3, 4, 1000, reply.subarray(0, 14 + length)));
    }
    expect(made.dataplane.inet.pmtu.isEmpty).toBe(true);
    expect(made.drops('e0')).toEqual({ icmp_invalid: 20 });
    made.expectConserved();
  });
});

it('answers nothing about packets to a network’s broadcast address', () => {
  const made = talkative().route('172.20.0.255', { type: RouteType.BROADCAST, dev: 'e1' });
  made.send('e0', from4({ destination: '172.20.0.255', ttl: 1 }));
  expect(made.outputs('e0', 'e1')).toEqual([]);
});

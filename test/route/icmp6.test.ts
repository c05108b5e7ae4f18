/*
 * ICMPv6's rules and limits, and what a link's groups are reported by. What the messages look like is in
 * kernel-answers.test.ts; numbers of answers per time were counted on Linux 6.18.
 */
import { describe, expect, it } from 'vitest';
import { Conf6, Net6 } from '../../src/route/conf.js';
import { fold, pseudo6, sumBytes } from '../../src/wire/checksum.js';
import { formatIpv6 } from '../../src/wire/format.js';
import { icmp, pattern, udp } from '../support/packets.js';
import { type Router, wordsOf } from '../support/router.js';
import { closed6, from6, R0, router, talkative, typeOf } from './stack.js';

const A6 = '2001:db8::9';
const R6 = '2001:db8::1';

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

function echo6(length: number, options = {}): Uint8Array {
  return from6({ nextHeader: 58, payload: icmp(128, 0, 0x00550003, pattern(length), [A6, R6]), ...options });
}

describe('limits', () => {
  it('let six errors go to a peer at once, then ten a second', () => {
    const expected = [0, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900];
    expect(times(router(), closed6(), 100, 10, '1/4')).toEqual(expected);
  });

  it('are no wider for wider prefixes', () => {
    const made = router().route('::/0', { via: A6, dev: 'e0' });
    expect(times(made, closed6('2001:db8:99::1'), 100, 10, '1/4').length).toBe(15);
  });

  it('are not for packet too big, nor for echo replies, unless the mask says so', () => {
    const payload = udp(A6, '2001:db8:1::9', 1, 2, pattern(1400));
    const frame = from6({ destination: '2001:db8:1::9', payload });
    expect(times(router(), frame, 200, 0, '2/0').length).toBe(200);
    expect(times(router(), echo6(8), 200, 0, '129/0').length).toBe(200);
    const made = router();
    made.dataplane.inet.conf.set('net6', 0, Net6.ICMP_RATEMASK + 4, 2);
    expect(times(made, echo6(8), 200, 0, '129/0').length).toBe(6);
  });

  it('keep redirects to one a second to a sender', () => {
    const source = '2001:db8::b';
    const frame = from6({
      source,
      destination: '2001:db8::4d',
      payload: udp(source, '2001:db8::4d', 1, 2, pattern(9)),
    });
    expect(times(router(), frame, 100, 50, '137/0')).toEqual([0, 50, 100, 150, 200, 250, 1000, 2000, 3000, 4000]);
  });
});

describe('requests', () => {
  it.each([
    [Net6.ICMP_ECHO_IGNORE_ALL, echo6(8), 0],
    [Net6.ICMP_ECHO_IGNORE_MULTICAST, echo6(8), 1],
    [
      Net6.ICMP_ECHO_IGNORE_MULTICAST,
      echo6(8, {
        to: '33:33:00:00:00:01',
        destination: 'ff02::1',
        payload: icmp(128, 0, 1, pattern(8), [A6, 'ff02::1']),
      }),
      0,
    ],
  ])('setting %i', (key, frame, answers) => {
    const made = router();
    expect(made.send('e0', frame).take('e0').length).toBe(1);
    made.dataplane.inet.conf.set('net6', 0, key, 1);
    expect(made.send('e0', frame).take('e0').length).toBe(answers);
    made.expectConserved();
  });

  it.each([0, 1, 1452, 1453, 9000, 65_487])('echoes %i bytes', (length) => {
    const made = router({ heads: 512 });
    made.dataplane.setMtu(made.link('e0'), 65_535);
    const frame = echo6(length);
    const [answer] = made.send('e0', frame).take('e0');
    expect(answer.subarray(58)).toEqual(frame.subarray(58));
    const { payload } = { payload: answer.subarray(54) };
    expect(fold(pseudo6(answer, 22, 58, payload.length) + fold(sumBytes(payload, 0, payload.length)))).toBe(0xffff);
    made.expectConserved();
  });
});

describe('errors that come', () => {
  const reply = from6({
    source: R6,
    destination: '2001:db8:99::7',
    nextHeader: 58,
    payload: icmp(129, 0, 1, pattern(8), [R6, '2001:db8:99::7']),
  });

  function tooBig(mtu: number, inner = reply): Uint8Array {
    return from6({ nextHeader: 58, payload: icmp(2, 0, mtu, inner.subarray(14), [A6, R6]) });
  }

  it.each([
    [1400, 1400],
    [1280, 1280],
    [1279, 1500],
    [1500, 1500],
    [9000, 1500],
  ])('teach an MTU of %i as %i', (mtu, learned) => {
    const made = router().route('::/0', { via: A6, dev: 'e0' });
    made.send('e0', tooBig(mtu));
    const get = (): number => made.dataplane.inet.pmtu.get6(0, reply, 38, 1500, made.now);
    expect(get()).toBe(learned);
    made.wait(600_001);
    expect(get()).toBe(1500);
    made.expectConserved();
  });

  it('teach nothing about packets of others, and need a whole header', () => {
    const made = router();
    const inner = reply.slice();
    inner[30] = 1;
    made.send('e0', tooBig(1300, inner), tooBig(1300, reply.subarray(0, 53)));
    expect(made.dataplane.inet.pmtu.isEmpty).toBe(true);
    expect(made.drops('e0')).toEqual({ icmp_invalid: 1 });
  });

  it('make our replies shorter', () => {
    const made = router().route('::/0', { via: A6, dev: 'e0' });
    made.send('e0', tooBig(1300));
    const source = '2001:db8:99::7';
    made.send('e0', from6({ source, nextHeader: 58, payload: icmp(128, 0, 1, pattern(1352), [source, R6]) }));
    expect(made.take('e0').map((frame) => [frame.length, frame[20]])).toEqual([
      [14 + 1296, 44],
      [14 + 48 + 112, 44],
    ]);
    made.expectConserved();
  });
});

it('fragmented neighbour discovery is not listened to', () => {
  const made = router();
  const { conf } = made.dataplane.inet;
  conf.set('link6', made.link('e0'), Conf6.SUPPRESS_FRAG_NDISC, 1);
  const message = icmp(
    135,
    0,
    0,
    Uint8Array.from(wordsOf(R6).flatMap((word) => [word >>> 24, word >>> 16, word >>> 8, word])),
    [A6, R6],
  );
  const fragment = Uint8Array.of(58, 0, 0, 0, 0, 0, 0, 1, ...message);
  made.send('e0', from6({ nextHeader: 44, hopLimit: 255, payload: fragment }));
  expect(made.drops('e0')).toEqual({ nd_invalid: 1 });
});

describe('groups', () => {
  /** Lets time go by; "ms source > destination, type" of what came out of e0, and each record or group in it. */
  function watch(made: Router, ms: number): string[] {
    const found: string[] = [];
    const { icmp6 } = made.dataplane.inet;
    const start = made.now;
    for (let i = 0; i <= ms; i += 10) {
      icmp6.timers(made.now);
      made.dataplane.flush(made.now);
      for (const frame of made.take('e0')) found.push(`${(made.now - start) | 0} ${describeReport(frame)}`);
      made.wait(10);
    }
    return found;
  }

  function describeReport(frame: Uint8Array): string {
    expect([...frame.subarray(54, 62)]).toEqual([58, 0, 5, 2, 0, 0, 1, 0]);
    expect(frame[21]).toBe(1);
    const message = frame.subarray(62);
    expect(fold(pseudo6(frame, 22, 58, message.length) + fold(sumBytes(message, 0, message.length)))).toBe(0xffff);
    const to = `${formatIpv6(frame, 22)} > ${formatIpv6(frame, 38)}`;
    if (message[0] !== 143) return `${to} ${message[0]} ${formatIpv6(message, 8)}`;
    const records: string[] = [];
    for (let i = 0; i < message[7]; i++) records.push(`${message[8 + i * 20]}:${formatIpv6(message, 12 + i * 20)}`);
    expect(message.length).toBe(8 + records.length * 20);
    return `${to} 143 ${records.join(' ')}`;
  }

  function setGroups(made: Router, ...groups: string[]): void {
    const { addresses, icmp6 } = made.dataplane.inet;
    addresses.groups6[made.link('e0')] = Int32Array.from(['ff02::1', ...groups].flatMap(wordsOf));
    icmp6.joinGroups(made.link('e0'), made.now);
  }

  const withoutTime = (line: string): string => line.slice(line.indexOf(' ') + 1);

  /** A query of a router; version 1 where it is 24 bytes. */
  function query(delay: number, group = '::', version = 2): Uint8Array {
    const from = 'fe80::1:9';
    const to = group === '::' ? 'ff02::1' : group;
    const words = wordsOf(group).flatMap((word) => [word >>> 24, word >>> 16, word >>> 8, word]);
    const rest = Uint8Array.from(version === 2 ? [...words, 2, 125, 0, 0] : words);
    const message = icmp(130, 0, delay << 16, rest, [from, to]);
    const alert = [58, 0, 5, 2, 0, 0, 1, 0];
    const payload = Uint8Array.of(...alert, ...message);
    return from6({ to: '33:33:00:00:00:01', source: from, destination: to, nextHeader: 0, hopLimit: 1, payload });
  }

  it('are reported twice when they are joined, and twice when they are left', () => {
    const made = router();
    setGroups(made, 'ff02::2', 'ff05::5');
    const joined = watch(made, 3000);
    expect(joined.map(withoutTime)).toEqual(Array(2).fill('fe80::b:0 > ff02::16 143 4:ff05::5 4:ff02::2'));
    expect(joined[0].startsWith('0 ')).toBe(true);
    expect(Number(joined[1].split(' ')[0])).toBeLessThanOrEqual(1010);
    setGroups(made, 'ff02::2', 'ff02::3');
    expect(watch(made, 3000).map(withoutTime)).toEqual(Array(2).fill('fe80::b:0 > ff02::16 143 3:ff05::5 4:ff02::3'));
    setGroups(made);
    expect(watch(made, 3000).map(withoutTime)).toEqual(Array(2).fill('fe80::b:0 > ff02::16 143 3:ff02::3 3:ff02::2'));
    expect(watch(made, 3000)).toEqual([]);
    made.expectConserved();
  });

  it('are all reported to who asks, after a random time', () => {
    const whens = new Set<string>();
    const made = router();
    setGroups(made, 'ff02::2', 'ff05::5');
    watch(made, 3000);
    for (let i = 0; i < 5; i++) {
      made.send('e0', query(10_000));
      const answers = watch(made, 11_000);
      expect(answers.map(withoutTime)).toEqual(['fe80::b:0 > ff02::16 143 2:ff05::5 2:ff02::2']);
      whens.add(answers[0]);
    }
    expect(whens.size).toBeGreaterThan(2);
  });

  it('are reported alone to who asks for one', () => {
    const made = router();
    setGroups(made, 'ff02::2', 'ff05::5');
    watch(made, 3000);
    made.send('e0', query(1000, 'ff05::5'));
    expect(watch(made, 1500).map(withoutTime)).toEqual(['fe80::b:0 > ff02::16 143 2:ff05::5']);
    made.send('e0', query(1000, 'ff05::6'));
    expect(watch(made, 1500)).toEqual([]);
  });

  it.each([
    ['from afar', { hopLimit: 2 }],
    ['of no router', { source: A6 }],
    ['without a router alert', { nextHeader: 60 }],
  ])('are not reported to a query %s', (_, change) => {
    const made = router();
    setGroups(made, 'ff02::2');
    watch(made, 3000);
    const from = 'source' in change ? A6 : 'fe80::1:9';
    const message = icmp(130, 0, 1000 << 16, Uint8Array.of(...new Uint8Array(16), 2, 125, 0, 0), [from, 'ff02::1']);
    const payload = Uint8Array.of(58, 0, 'nextHeader' in change ? 1 : 5, 2, 0, 0, 1, 0, ...message);
    made.send(
      'e0',
      from6({
        to: '33:33:00:00:00:01',
        source: from,
        destination: 'ff02::1',
        nextHeader: 0,
        hopLimit: 1,
        payload,
        ...change,
      }),
    );
    expect(watch(made, 2000)).toEqual([]);
  });

  it('are reported one by one while a router of version 1 is there, unless another has', () => {
    const made = router();
    setGroups(made, 'ff02::2', 'ff05::5');
    watch(made, 3000);
    made.send('e0', query(1000, '::', 1));
    const both = ['fe80::b:0 > ff02::2 131 ff02::2', 'fe80::b:0 > ff05::5 131 ff05::5'];
    expect(watch(made, 1500).map(withoutTime).sort()).toEqual(both);
    made.send('e0', query(10_000, '::', 1));
    const words = wordsOf('ff02::2').flatMap((word) => [word >>> 24, word >>> 16, word >>> 8, word]);
    const report = icmp(131, 0, 0, Uint8Array.from(words), ['fe80::1:9', 'ff02::2']);
    const payload = Uint8Array.of(58, 0, 5, 2, 0, 0, 1, 0, ...report);
    made.send(
      'e0',
      from6({
        to: '33:33:00:00:00:02',
        source: 'fe80::1:9',
        destination: 'ff02::2',
        nextHeader: 0,
        hopLimit: 1,
        payload,
      }),
    );
    expect(watch(made, 11_000).map(withoutTime)).toEqual([both[1]]);
    // Left, by who reported it last: done.
    setGroups(made, 'ff02::2');
    expect(watch(made, 12_000).map(withoutTime)).toContain('fe80::b:0 > ff02::2 132 ff05::5');
    made.wait(260_000);
    setGroups(made, 'ff02::2', 'ff05::7');
    expect(watch(made, 2000).map(withoutTime)).toEqual(Array(2).fill('fe80::b:0 > ff02::16 143 4:ff05::7'));
  });

  it('come from :: while the link has no address of its own', () => {
    const made = router().interface('e2', R0);
    const { addresses, icmp6 } = made.dataplane.inet;
    addresses.groups6[made.link('e2')] = Int32Array.from(wordsOf('ff02::1:ff00:1'));
    icmp6.joinGroups(made.link('e2'), made.now);
    icmp6.timers(made.now);
    made.dataplane.flush(made.now);
    expect(made.take('e2').map(describeReport)).toEqual([':: > ff02::16 143 4:ff02::1:ff00:1']);
  });

  it('of a link that is down are reported when it is up', () => {
    const made = router();
    made.down('e0');
    setGroups(made, 'ff02::2');
    expect(watch(made, 3000)).toEqual([]);
    made.up('e0');
    made.dataplane.inet.icmp6.mld.repeat(made.link('e0'), made.now);
    expect(watch(made, 3000).length).toBe(2);
  });

  it('are as many as there are', () => {
    const made = talkative();
    setGroups(made, ...Array.from({ length: 130 }, (_, i) => `ff05::${(i + 16).toString(16)}`));
    const lines = watch(made, 0);
    expect(lines.map((line) => line.split(' ').length - 5)).toEqual([60, 60, 10]);
  });
});

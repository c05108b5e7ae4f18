/* Fragments that come: in any order they make the datagram they were cut from, and nothing else does. */
import { describe, expect, it } from 'vitest';
import { Net4, Net6 } from '../../src/route/conf.js';
import { ANY_LINK } from '../../src/route/endpoints.js';
import { icmp, pattern, udp } from '../support/packets.js';
import type { Router } from '../support/router.js';
import { random } from '../tables/lpm-model.js';
import { from4, from6, router, talkative, typeOf } from './stack.js';

const SEED = Number(process.env.SLUICE_SEED ?? 20_261_122);
const PORT = 7000;

interface Piece {
  from: number;
  end: number;
  more: boolean;
}

/** Cuts `length` bytes at random multiples of 8. */
function pieces(length: number, next: (below: number) => number, longest: number): Piece[] {
  const found: Piece[] = [];
  for (let from = 0; from < length; ) {
    const end = Math.min(length, from + 8 * (1 + next(longest >> 3)));
    found.push({ from, end, more: end < length });
    from = end;
  }
  return found;
}

function shuffle<T>(list: T[], next: (below: number) => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = next(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

function fragment4(whole: Uint8Array, { from, end, more }: Piece, id: number, options = {}): Uint8Array {
  return from4({ payload: whole.subarray(from, end), id, fragment: (more ? 0x2000 : 0) | (from >> 3), ...options });
}

function fragment6(whole: Uint8Array, { from, end, more }: Piece, id: number): Uint8Array {
  const header = Uint8Array.of(17, 0, from >> 8, from | (more ? 1 : 0), 0, 0, id >> 8, id);
  return from6({ nextHeader: 44, payload: Uint8Array.of(...header, ...whole.subarray(from, end)) });
}

function listening(options = {}): Router {
  const made = router({ heads: 4096, tails: 16, ...options });
  for (const family of [4, 6]) made.dataplane.inet.endpoints.open(family, 0, family, 17, PORT, ANY_LINK);
  made.dataplane.setMtu(made.link('e0'), 65_535);
  return made;
}

/** Payloads of the datagrams that were received, since last asked. */
function received(made: Router): Uint8Array[] {
  const { endpoints } = made.dataplane.inet;
  return endpoints.packets().map(({ id, bytes }) => {
    endpoints.ack(id, 1, bytes.length);
    return bytes.subarray(id === 4 ? (bytes[0] & 15) << 2 : 40);
  });
}

function datagram4(length: number): Uint8Array {
  return udp('10.0.0.9', '10.0.0.1', 1, PORT, pattern(length));
}

function datagram6(length: number): Uint8Array {
  return udp('2001:db8::9', '2001:db8::1', 1, PORT, pattern(length));
}

describe.each(['IPv4', 'IPv6'])('%s', (name) => {
  const isIpv4 = name === 'IPv4';
  const datagram = isIpv4 ? datagram4 : datagram6;
  const fragment = isIpv4 ? fragment4 : fragment6;

  it('makes any datagram of its fragments, in any order, some of them twice', () => {
    const next = random(SEED);
    const made = listening();
    for (let i = 0; i < 90; i++) {
      const whole = datagram(next([100, 3000, 65_507 - (isIpv4 ? 0 : 20)][i % 3]));
      const parts = pieces(whole.length, next, [64, 1400, 20_000][next(3)]);
      if (parts.length === 1) continue;
      const order = shuffle([...parts], next);
      // A duplicate of what came last of all would begin a datagram of its own.
      const twice = order.slice(0, -1).flatMap((part, j) => (next(4) === 0 ? [part, order[next(j + 1)]] : [part]));
      for (const part of [...twice, order[order.length - 1]]) made.send('e0', fragment(whole, part, i));
      const got = received(made);
      expect(got.length, `seed ${SEED}, datagram ${i}`).toBe(1);
      expect(Buffer.compare(got[0], whole), `seed ${SEED}, datagram ${i}`).toBe(0);
      expect(made.dataplane.inet.reassembly.queues).toBe(0);
    }
    made.expectConserved();
  });

  it('holds many datagrams at once', () => {
    const next = random(SEED + 1);
    const made = listening();
    const whole = datagram(2000);
    const all = Array.from({ length: 100 }, (_, id) =>
      pieces(whole.length, next, 1400).map((part) => fragment(whole, part, id)),
    ).flat();
    shuffle(all, next);
    // Fragments of a hundred datagrams between two of one are more than ipfrag_max_dist allows.
    made.dataplane.inet.conf.set('net4', 0, Net4.IPFRAG_MAX_DIST, 0);
    for (const frame of all) made.send('e0', frame);
    expect(received(made).filter((bytes) => Buffer.compare(bytes, whole) === 0).length).toBe(100);
    made.expectConserved();
  });

  it('drops a datagram of which parts overlap', () => {
    const next = random(SEED + 2);
    const made = listening();
    const whole = datagram(4000);
    for (let i = 0; i < 60; i++) {
      const parts = pieces(whole.length, next, 1000);
      const split = 1 + next(parts.length - 1);
      // Across the border between two parts, in a run of neither.
      const [left, right] = [parts[split - 1], parts[split]];
      const bad = { from: Math.max(left.from, left.end - 8), end: Math.min(right.end, right.from + 8), more: true };
      const order = shuffle([left, right], next);
      const before = shuffle(
        parts.filter((part) => part !== left && part !== right),
        next,
      );
      for (const part of [order[0], bad, order[1], ...before]) made.send('e0', fragment(whole, part, i));
      expect(received(made), `seed ${SEED}, datagram ${i}`).toEqual([]);
      made.wait(61_000);
    }
    expect(made.drops('e0').reassembly_overlap).toBeGreaterThan(60);
    made.take('e0');
    made.expectConserved();
  });

  it.each([
    [
      'an end before what has come',
      [
        [0, 64, 1],
        [64, 128, 1],
        [64, 96, 0],
      ],
      3,
    ],
    [
      'two ends',
      [
        [64, 128, 0],
        [64, 120, 0],
      ],
      2,
    ],
    [
      'more behind the end',
      [
        [8, 64, 0],
        [64, 128, 1],
      ],
      2,
    ],
    [
      'nothing in it',
      [
        [0, 64, 1],
        [64, 64, 1],
      ],
      2,
    ],
  ] as Array<[string, number[][], number]>)('gives up a datagram with %s', (_, parts, count) => {
    const made = listening();
    const whole = datagram(300);
    for (const [from, end, more] of parts) {
      made.send('e0', fragment(whole, { from, end, more: more === 1 }, 5));
    }
    const { reassembly } = made.dataplane.inet;
    expect(made.drops('e0')).toMatchObject({ reassembly_invalid: count });
    expect(reassembly.queues).toBe(0);
    made.wait(61_000);
    made.take('e0');
    made.expectConserved();
  });

  it('gives up after its time, and says so only if the first fragment came', () => {
    const whole = datagram(3000);
    const timeMs = isIpv4 ? 30_000 : 60_000;
    for (const part of [
      { from: 0, end: 1024, more: true },
      { from: 1024, end: 2048, more: true },
    ]) {
      const made = talkative();
      made.send('e0', fragment(whole, part, 5));
      made.wait(timeMs - 1);
      expect(made.dataplane.inet.reassembly.queues).toBe(1);
      made.wait(1);
      made.run('e0');
      const answers = made.take('e0').map(typeOf);
      expect(answers).toEqual(part.from === 0 ? [isIpv4 ? '11/1' : '3/1'] : []);
      expect(made.drops('e0')).toEqual({ reassembly_timeout: 1 });
      made.expectConserved();
    }
  });

  it('begins no datagram beyond ipfrag_high_thresh', () => {
    const made = listening();
    const { conf, reassembly } = made.dataplane.inet;
    if (isIpv4) conf.set('net4', 0, Net4.IPFRAG_HIGH_THRESH, 20_000);
    else conf.set('net6', 0, Net6.IPFRAG_HIGH_THRESH, 20_000);
    const whole = datagram(2000);
    for (let id = 0; id < 20; id++) made.send('e0', fragment(whole, { from: 0, end: 1000, more: true }, id));
    expect(reassembly.queues).toBe(8);
    expect(made.drops('e0')).toEqual({ reassembly_memory: 12 });
    // What has begun goes on.
    made.send('e0', fragment(whole, { from: 1000, end: whole.length, more: false }, 3));
    expect(received(made).length).toBe(1);
    made.wait(61_000);
    made.run('e0').take('e0');
    made.expectConserved();
  });

  it('lets the oldest go when the arena’s slots get few', () => {
    const made = listening({ heads: 512, tails: 16 });
    const whole = datagram(2000);
    for (let id = 0; id < 300; id++) made.send('e0', fragment(whole, { from: 0, end: 1000, more: true }, id));
    expect(made.dataplane.inet.reassembly.frames).toBe(128);
    expect(made.drops('e0')).toEqual({ reassembly_memory: 172 });
    made.send('e0', fragment(whole, { from: 1000, end: whole.length, more: false }, 299));
    expect(received(made).length).toBe(1);
    // The same with fragments that have a tail slot each.
    const long = datagram(20_000);
    for (let id = 300; id < 320; id++) made.send('e0', fragment(long, { from: 0, end: 4000, more: true }, id));
    expect(made.dataplane.arena.freeTailCount).toBe(12);
    made.wait(61_000);
    made.run('e0').take('e0');
    made.expectConserved();
  });

  it('drops a datagram that no tail slot is left for', () => {
    const made = listening({ heads: 512, tails: 2 });
    const { arena } = made.dataplane;
    const whole = datagram(4000);
    const parts = pieces(whole.length, () => 60, 800);
    for (const part of parts.slice(1)) made.send('e0', fragment(whole, part, 9));
    const tails = arena.freeTailCount;
    arena.freeTailCount = 0;
    made.send('e0', fragment(whole, parts[0], 9));
    arena.freeTailCount = tails;
    expect(made.drops('e0')).toEqual({ reassembly_memory: parts.length });
    expect(received(made)).toEqual([]);
    made.expectConserved();
  });

  it('forgets what came by a link that goes', () => {
    const made = listening();
    made.send('e0', fragment(datagram(2000), { from: 0, end: 1000, more: true }, 1));
    made.dataplane.inet.reassembly.forgetLink(made.link('e1'));
    expect(made.dataplane.inet.reassembly.queues).toBe(1);
    made.dataplane.inet.reassembly.forgetLink(made.link('e0'));
    expect(made.drops('e0')).toEqual({ namespace_gone: 1 });
    made.expectConserved();
  });

  it('drops fragments at random, and gives everything back', () => {
    const next = random(SEED + 3);
    const made = listening();
    for (let i = 0; i < 3000; i++) {
      const from = 8 * next(40);
      const part = { from, end: from + next(100), more: next(3) !== 0 };
      const whole = datagram(1000);
      made.send('e0', fragment(whole, part, next(4)));
      if (next(50) === 0) made.wait(next(40_000));
    }
    made.wait(61_000);
    made.run('e0').take('e0');
    received(made);
    expect(made.dataplane.inet.reassembly.frames).toBe(0);
    made.expectConserved();
  });
});

describe('IPv4 alone', () => {
  it('tells datagrams apart by all of source, destination, identification and protocol', () => {
    const made = listening();
    const whole = datagram4(1000);
    made.send('e0', fragment4(whole, { from: 0, end: 504, more: true }, 1));
    const rest = { from: 504, end: whole.length, more: false };
    made.send('e0', fragment4(whole, rest, 2));
    made.send('e0', fragment4(whole, rest, 1, { source: '10.0.0.10' }));
    made.send('e0', fragment4(whole, rest, 1, { destination: '10.0.1.1' }));
    made.send('e0', fragment4(whole, rest, 1, { protocol: 6 }));
    expect(received(made)).toEqual([]);
    made.send('e0', fragment4(whole, rest, 1));
    expect(received(made).length).toBe(1);
  });

  it('begins anew when too many fragments came between two', () => {
    const made = listening();
    const whole = datagram4(1000);
    const first = { from: 0, end: 504, more: true };
    const rest = { from: 504, end: whole.length, more: false };
    for (const others of [64, 63]) {
      made.send('e0', fragment4(whole, first, 7));
      for (let id = 0; id < others; id++) made.send('e0', fragment4(whole, first, 1000 + id));
      made.send('e0', fragment4(whole, rest, 7));
      expect(received(made).length).toBe(others === 64 ? 0 : 1);
      made.send('e0', fragment4(whole, first, 7));
      received(made);
      made.wait(31_000);
      made.run('e0').take('e0');
    }
    made.expectConserved();
  });

  it.each([
    [[0, 0], 0],
    [[2, 3], 3],
    [[1, 2], 1],
    [[3, 1], 3],
    [[0, 3], undefined],
    [[2, 0], undefined],
  ])('makes of the congestion bits %j %s', (bits, result) => {
    const made = talkative();
    const whole = icmp(8, 0, 1, pattern(1000));
    const [a, b] = bits;
    made.send('e0', fragment4(whole, { from: 0, end: 504, more: true }, 1, { protocol: 1, tos: 0x20 | a }));
    made.send('e0', fragment4(whole, { from: 504, end: whole.length, more: false }, 1, { protocol: 1, tos: 0x40 | b }));
    const answers = made.take('e0').map((frame) => frame[15]);
    expect(answers).toEqual(result === undefined ? [] : [0x20 | result]);
    made.expectConserved();
  });

  it('refuses what would be longer than 65,535 bytes', () => {
    const made = listening();
    const whole = new Uint8Array(65_536);
    made.send('e0', fragment4(whole, { from: 0, end: 65_000, more: true }, 1));
    made.send('e0', fragment4(whole, { from: 65_000, end: 65_528, more: false }, 1));
    expect(made.drops('e0')).toEqual({ reassembly_invalid: 2 });
    made.expectConserved();
  });

  it('cuts off what a fragment has beyond a multiple of 8 bytes', () => {
    const made = listening();
    const whole = datagram4(1000);
    made.send('e0', fragment4(whole, { from: 0, end: 507, more: true }, 1));
    made.send('e0', fragment4(whole, { from: 504, end: whole.length, more: false }, 1));
    expect(received(made).map((bytes) => Buffer.compare(bytes, whole))).toEqual([0]);
    made.expectConserved();
  });
});

describe('IPv6 alone', () => {
  it('keeps link-local datagrams of two links apart', () => {
    const made = listening();
    const whole = udp('fe80::1:9', 'ff02::1', 1, PORT, pattern(1000));
    const send = (link: string, from: number, end: number): void => {
      const header = Uint8Array.of(17, 0, from >> 8, from | (end < whole.length ? 1 : 0), 0, 0, 0, 1);
      const payload = Uint8Array.of(...header, ...whole.subarray(from, end));
      made.send(
        link,
        from6({ source: 'fe80::1:9', destination: 'ff02::1', nextHeader: 44, payload, to: '33:33:00:00:00:01' }),
      );
    };
    send('e0', 0, 504);
    send('e1', 504, whole.length);
    expect(received(made)).toEqual([]);
    send('e0', 504, whole.length);
    expect(received(made).length).toBe(1);
  });

  it('takes an atomic fragment as it is, whatever else has its identification', () => {
    const made = listening();
    const whole = datagram6(100);
    made.send('e0', fragment6(whole, { from: 0, end: 48, more: true }, 1));
    made.send('e0', fragment6(whole, { from: 0, end: whole.length, more: false }, 1));
    expect(
      made.dataplane.inet.endpoints.packets().map(({ bytes }) => Buffer.compare(bytes.subarray(48), whole)),
    ).toEqual([0]);
    expect(made.dataplane.inet.reassembly.queues).toBe(1);
  });
});

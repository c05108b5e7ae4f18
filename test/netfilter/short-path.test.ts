/*
 * The short path gives what the long one gives: the same frames, in an order of chance, through two routers with the same rules. One may take
 * it; the other's configuration seems to change before each frame, so it never does. Frames out, counters, flows and drops must be
 * the same, whatever happens to rules, routes and links meanwhile.
 */
import { describe, expect, it } from 'vitest';
import { Flow } from '../../src/conntrack/flows.js';
import { Conf4 } from '../../src/route/conf.js';
import { permanent } from '../route/stack.js';
import { FilteredRouter } from '../support/filtered-router.js';
import { type Ip4Options, icmp, ip4, pattern, tcp, udp } from '../support/packets.js';

const [R0, R1] = ['02:00:00:00:0b:00', '02:00:00:00:0b:01'];
const [H0, H1] = ['02:00:00:00:10:09', '02:00:00:00:11:09'];
const FRAMES = 1500;

const NAT = `*nat
-A PREROUTING -i e0 -p tcp --dport 8080 -j DNAT --to-destination 10.0.1.10:80
-A POSTROUTING -o e1 -j SNAT --to-source 10.0.1.1
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i e0 -s 10.0.0.9 -j ACCEPT
-A FORWARD -i e0 -p udp --dport 1002 -j ACCEPT
COMMIT
`;

const FILTER = `*mangle
-A FORWARD -p tcp
COMMIT
*filter
:one - [0:0]
:two - [0:0]
-A FORWARD -s 10.0.0.10 -p udp -j DROP
-A FORWARD -j one
-A FORWARD -p tcp --dport 1003 -j ACCEPT
-A one -p udp --sport 2001 -j two
-A one -d 10.0.1.10 -j RETURN
-A two -m length --length 0:60
-A two -p udp --dport 1001 -j ACCEPT
COMMIT
`;

const SHAPES = `*filter
:FORWARD DROP [0:0]
-A FORWARD -p tcp --tcp-flags SYN,ACK SYN,ACK
-A FORWARD -p tcp --syn -j ACCEPT
-A FORWARD -p tcp --tcp-flags FIN,RST NONE -d 10.0.1.9 -j ACCEPT
-A FORWARD -f -j ACCEPT
-A FORWARD -p icmp --icmp-type echo-request -j ACCEPT
-A FORWARD -p udp --dport 1001 -j ACCEPT
COMMIT
`;

const TRACKED_SHAPES = SHAPES.replace(
  '-A FORWARD -f',
  '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -f',
);

const OTHER = `*filter
-A FORWARD -p udp --dport 1001 -j DROP
-A FORWARD -m ttl --ttl-gt 10
COMMIT
`;

type Random = (n: number) => number;

function generator(seed: number): Random {
  let state = seed;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

function made(): FilteredRouter {
  const router = new FilteredRouter().interface('e0', R0).interface('e1', R1);
  router.address('e0', '10.0.0.1/24').address('e1', '10.0.1.1/24');
  for (const last of [9, 10]) {
    permanent(router, 'e0', `10.0.0.${last}`, H0);
    permanent(router, 'e1', `10.0.1.${last}`, H1);
  }
  router.route('10.8.0.0/16', { via: '10.0.1.9', dev: 'e1' });
  return router;
}

/** From a few hosts to a few others, on a few ports. */
function outgoing(random: Random): Uint8Array {
  const source = `10.0.0.${9 + random(2)}`;
  const destination = ['10.0.1.9', '10.0.1.10', '10.8.0.1'][random(3)];
  return packet(random, { to: R0, from: H0, source, destination }, 2000 + random(4), 1000 + random(4));
}

/** The answer to a frame that came out: addresses and ports turned round. */
function answer(frame: Uint8Array, to: string, from: string): Uint8Array {
  const out = Uint8Array.from(frame);
  out.set(Buffer.from(`${to}${from}`.replaceAll(':', ''), 'hex'), 0);
  out.set(frame.subarray(30, 34), 26);
  out.set(frame.subarray(26, 30), 30);
  if (frame[23] !== 1) {
    out.set(frame.subarray(36, 38), 34);
    out.set(frame.subarray(34, 36), 36);
  }
  return out;
}

const FLAGS = [0x02, 0x10, 0x10, 0x18, 0x10, 0x11, 0x04];

function packet(random: Random, ends: Ip4Options, from: number, to: number): Uint8Array {
  const { source, destination } = ends;
  const odd: Partial<Ip4Options> = [
    {},
    {},
    {},
    {},
    {},
    { ttl: 1 },
    { options: Uint8Array.of(1, 1, 1, 1) },
    { fragment: 0x2000 },
    { fragment: 5 },
  ][random(9)];
  const data = pattern([0, 8, 40, 200][random(4)]);
  const kind = random(8);
  if (kind === 0) return ip4({ ...ends, ...odd, protocol: 1, payload: icmp(8, 0, from, data) });
  if (kind < 5) return ip4({ ...ends, ...odd, protocol: 17, payload: udp(source, destination, from, to, data) });
  const options = { flags: FLAGS[random(FLAGS.length)], sequence: 1 + random(3), acknowledgement: random(3), data };
  return ip4({
    ...ends,
    ...odd,
    protocol: 6,
    payload: tcp(source, destination, from, random(3) === 0 ? 8080 : to, options),
  });
}

class Pair {
  constructor(
    private readonly fast: FilteredRouter,
    private readonly slow: FilteredRouter,
  ) {}

  /** The same on both. */
  async each(work: (router: FilteredRouter) => unknown): Promise<void> {
    for (const router of [this.fast, this.slow]) await work(router);
  }

  /** Into both; answers what came out by the other link. */
  send(link: string, frame: Uint8Array): Uint8Array[] {
    this.slow.dataplane.netfilter.changed();
    const [ours, theirs] = [this.fast, this.slow].map((router) => {
      router.send(link, frame);
      return ['e0', 'e1'].map((name) => router.take(name));
    });
    const text = (list: Uint8Array[][]): string[] => list.flat().map((bytes) => Buffer.from(bytes).toString('hex'));
    expect(text(ours)).toEqual(text(theirs));
    return ours[link === 'e0' ? 1 : 0];
  }

  async expectAlike(): Promise<void> {
    for (const table of ['mangle', 'nat', 'filter']) {
      expect(withoutDates(await this.fast.save(table))).toEqual(withoutDates(await this.slow.save(table)));
    }
    expect(this.fast.flows()).toEqual(this.slow.flows());
    expect(this.fast.drops()).toEqual(this.slow.drops());
    // Fragments whose others never came are given up.
    this.fast.wait(60_000).expectConserved();
  }
}

const withoutDates = (text: string): string => text.replace(/^# .*\n/gm, '');

/** What may happen between two packets. */
const CHANGES: Array<(router: FilteredRouter) => unknown> = [
  (router) => router.route('10.8.0.0/24', { via: '10.0.1.10', dev: 'e1' }),
  (router) => router.restore(OTHER),
  (router) => router.down('e1'),
  (router) => router.up('e1'),
  (router) => router.dataplane.inet.conf.set('link4', router.link('e0'), Conf4.FORWARDING, 0),
  (router) => router.dataplane.inet.conf.set('link4', router.link('e0'), Conf4.FORWARDING, 1),
  (router) => router.wait(40_000),
];

describe('the short path', () => {
  it.each([
    ['NAT and states', NAT, 1],
    ['NAT and states, otherwise', NAT, 77],
    ['filters without states', FILTER, 5],
    ['filters without states, otherwise', FILTER, 99],
    ['flags, types and fragments', SHAPES, 3],
    ['flags, types and fragments, with states', TRACKED_SHAPES, 4],
  ])(
    'does what the long one does: %s',
    async (_name, rules, seed) => {
      const random = generator(seed);
      const pair = new Pair(made(), made());
      await pair.each((router) => router.restore(rules));
      let answers: Uint8Array[] = [];
      for (let i = 0; i < FRAMES; i++) {
        const isAnswer = answers.length > 0 && random(3) === 0;
        const out = isAnswer
          ? pair.send('e1', answer(answers[random(answers.length)], R1, H1))
          : pair.send('e0', outgoing(random));
        if (!isAnswer) answers = [...answers, ...out].slice(-30);
        if (random(150) === 0) {
          const change = CHANGES[random(CHANGES.length)];
          await pair.each(async (router) => {
            await change(router);
            router.dataplane.netfilter.changed();
          });
        }
        if (random(300) === 0) await pair.each((router) => router.restore(rules));
      }
      await pair.expectAlike();
    },
    60_000,
  );

  it.each([
    ['', SHAPES],
    [', with states', TRACKED_SHAPES],
  ])('takes no packet the way of one with other flags, or of a fragment%s', async (_name, rules) => {
    const pair = new Pair(made(), made());
    await pair.each((router) => router.restore(rules));
    const ends = { to: R0, from: H0, source: '10.0.0.9', destination: '10.0.1.10' };
    const segment = (flags: number): Uint8Array =>
      ip4({ ...ends, protocol: 6, payload: tcp(ends.source, ends.destination, 7, 80, { flags }) });
    const echo = (type: number, fragment = 0): Uint8Array =>
      ip4({ ...ends, fragment, protocol: 1, payload: icmp(type, 0, 9, pattern(8)) });
    for (const frame of [segment(0x02), segment(0x10), echo(8, 5), echo(0), echo(8), echo(0), segment(0x11)]) {
      for (let i = 0; i < 5; i++) pair.send('e0', frame);
    }
    await pair.expectAlike();
  });

  it('is taken', async () => {
    const router = await made().restore(NAT);
    const frame = ip4({
      to: R0,
      from: H0,
      source: '10.0.0.9',
      destination: '10.0.1.9',
      protocol: 17,
      payload: udp('10.0.0.9', '10.0.1.9', 1, 2, pattern(8)),
    });
    for (let i = 0; i < 10; i++) router.send('e0', frame);
    const { paths } = router.dataplane.netfilter;
    expect([...paths.counters.subarray(2, 4)]).toEqual([8, 8 * 36]);
    expect(await router.save('filter')).toContain('[10:360] -A FORWARD -s 10.0.0.9/32 -i e0 -j ACCEPT');
    expect([...paths.counters.subarray(2, 4)]).toEqual([0, 0]);
  });
});

describe('a packet that has another sent', () => {
  it('keeps what CT has said of it', async () => {
    const router = await made().restore(`*raw
-A PREROUTING -p udp -j CT --zone 5
-A PREROUTING -p udp -j TEE --gateway 10.0.1.10
COMMIT
*filter
-A FORWARD -m conntrack --ctstate NEW
-A OUTPUT -m conntrack --ctstate NEW
COMMIT
`);
    const ends = { to: R0, from: H0, source: '10.0.0.9', destination: '10.0.1.9' };
    router.send('e0', ip4({ ...ends, protocol: 17, payload: udp('10.0.0.9', '10.0.1.9', 1, 2, pattern(8)) }));
    expect(router.take('e1')).toHaveLength(2);
    const { words, width, end } = router.dataplane.netfilter.conntrack.flows[0];
    const zones = Array.from({ length: end - 1 }, (_, i) => words[(i + 1) * width + Flow.STATUS] >>> Flow.ZONE_SHIFT);
    expect(zones).toContain(5);
  });
});

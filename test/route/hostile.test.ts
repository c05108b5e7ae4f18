/*
 * Whatever comes: real captures, most of them odd or malformed, and packets spoiled at random, through the whole IP stack. No
 * exception, and every frame reference is accounted for at the end.
 */
import { describe, expect, it } from 'vitest';
import { Vnet } from '../../src/core/arena.js';
import { LinkKind } from '../../src/core/links.js';
import { Conf4, Conf6 } from '../../src/route/conf.js';
import { captureFiles, framesOf, NO_FIXTURES } from '../support/capture-files.js';
import { icmp, ip4, ip6, pattern, tcp, udp } from '../support/packets.js';
import { Router } from '../support/router.js';

const R0 = '02:00:00:00:0b:00';
const SEED = Number(process.env.SLUICE_SEED ?? 20_261_122);
const PACKETS = 30_000;
const LENGTHS = [0, 1, 7, 8, 20, 56, 100, 512, 1400, 1480, 3000, 20_000];

/** Every kind of link and setting that a packet may meet. */
function network(): Router {
  const router = new Router({ heads: 2048, tails: 128 }).interface('e0', R0).interface('e1', '02:00:00:00:0b:01', 1280);
  router.namespace(1, 'lo1').veth('v0', '02:00:00:00:0c:00', 0, 'v1', '02:00:00:00:0c:01', 1);
  router
    .address('e0', '10.0.0.1/24')
    .address('e1', '10.0.1.1/24')
    .address('v0', '10.1.0.1/24')
    .address('v1', '10.1.0.2/24');
  router.address('e0', '2001:db8::1/64').address('e1', '2001:db8:1::1/64').address('v1', '2001:db8:2::2/64');
  router.route('default', { via: '10.0.1.9', dev: 'e1' }).route('::/0', { via: '2001:db8:1::9', dev: 'e1' });
  router.route('172.16.0.0/12', {
    hops: [
      ['10.1.0.2', 'v0', 1],
      ['10.0.1.9', 'e1', 2],
    ],
  });
  router.route('default', { via: '10.1.0.1', dev: 'v1', namespace: 1 });
  const vlan = router.newLink('e0.5');
  router.dataplane.addVirtual(vlan, LinkKind.VLAN, 1500, 0);
  router.dataplane.setVlan(vlan, router.link('e0'), (0x8100 << 16) | 5);
  router.equip('e0.5', R0, 0).address('e0.5', '10.5.0.1/24');
  const { conf } = router.dataplane.inet;
  conf.set('link4', router.link('e0'), Conf4.PROXY_ARP, 1);
  conf.set('link6', router.link('e0'), Conf6.PROXY_NDP, 1);
  return router;
}

function settle(router: Router): void {
  router.run('e0');
  for (const name of ['e0', 'e1']) router.take(name);
}

/** Timers run out, so that nothing waits for neighbours or fragments any more. */
function end(router: Router): void {
  for (let i = 0; i < 10; i++) {
    router.wait(20_000);
    settle(router);
  }
  router.expectConserved();
}

type Random = (n: number) => number;

function generator(seed: number): Random {
  let state = seed | 0 || 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

const SOURCES4 = ['10.0.0.9', '10.0.0.8', '10.0.1.9', '0.0.0.0', '10.0.0.1', '192.0.2.1', '224.0.0.1'];
const TO4 = [
  '10.0.0.1',
  '10.0.1.9',
  '10.1.0.2',
  '172.16.0.1',
  '10.0.0.255',
  '224.0.0.1',
  '255.255.255.255',
  '8.8.8.8',
  '10.5.0.9',
];
const SOURCES6 = ['2001:db8::9', 'fe80::9', '::', 'ff02::1', '2001:db8::1'];
const TO6 = [
  '2001:db8::1',
  '2001:db8:1::9',
  '2001:db8:ffff::1',
  'ff02::1',
  'ff02::1:ff00:1',
  'fe80::1',
  '2001:db8:2::2',
];

function base(random: Random): Uint8Array {
  const data = pattern(LENGTHS[random(LENGTHS.length)], random(256));
  const header = { to: random(8) === 0 ? 'ff:ff:ff:ff:ff:ff' : R0, from: '02:00:00:00:10:09' };
  const isIpv4 = random(2) === 0;
  const source = isIpv4 ? SOURCES4[random(SOURCES4.length)] : SOURCES6[random(SOURCES6.length)];
  const destination = isIpv4 ? TO4[random(TO4.length)] : TO6[random(TO6.length)];
  const transports: Array<[number, () => Uint8Array]> = [
    [17, () => udp(source, destination, 7, random(65536), data)],
    [6, () => tcp(source, destination, 7, 80, { flags: random(64), data })],
    [
      isIpv4 ? 1 : 58,
      () => icmp(random(256), random(4), random(0x7fffffff), data, isIpv4 ? undefined : [source, destination]),
    ],
    [
      isIpv4 ? 1 : 58,
      () =>
        icmp(isIpv4 ? 8 : 128 + random(12), 0, random(0x7fffffff), data, isIpv4 ? undefined : [source, destination]),
    ],
    [[0, 2, 41, 43, 44, 50, 51, 59, 60, 132][random(10)], () => data],
  ];
  const [protocol, make] = transports[random(transports.length)];
  const payload = make();
  if (!isIpv4)
    return ip6({ ...header, source, destination, nextHeader: protocol, payload, hopLimit: [255, 64, 1, 0][random(4)] });
  const fragment = [0, 0, 0x4000, 0x2000, random(65536)][random(5)];
  const options = random(6) === 0 ? pattern(4 * random(11), random(256)) : new Uint8Array(0);
  return ip4({
    ...header,
    source,
    destination,
    protocol,
    payload,
    options,
    fragment,
    id: random(8),
    ttl: [64, 2, 1, 0][random(4)],
  });
}

function spoil(random: Random, frame: Uint8Array): Uint8Array {
  switch (random(5)) {
    case 0:
      return frame;
    case 1:
      return frame.subarray(0, random(frame.length + 1));
    default:
      for (let i = random(4); i >= 0; i--) frame[random(Math.min(frame.length, 120))] = random(256);
      return frame;
  }
}

/** What a guest may write into a virtio header, after the shim's own checks: places inside the frame. */
function vnetOf(random: Random, frame: Uint8Array): number[] {
  if (random(4) !== 0 || frame.length < 60) return [];
  const type = [0, 1, 4, 5, 0x81][random(5)];
  return [(type << 8) | Vnet.NEEDS_CSUM, 54, 1 + random(1400), random(frame.length - 20), random(18)];
}

describe('hostile packets', () => {
  it(`of every kind do no harm (seed ${SEED})`, () => {
    const random = generator(SEED);
    const router = network();
    for (let i = 0; i < PACKETS; i++) {
      const frame = spoil(random, base(random));
      router.memory('e0').feed(frame, vnetOf(random, frame));
      if (i % 50 === 49) settle(router);
      if (i % 5000 === 4999) router.wait(700);
    }
    end(router);
    expect(Object.keys(router.drops()).length).toBeGreaterThan(20);
  }, 60_000);

  const files = captureFiles();

  it(`of real captures, sent to the router, do no harm (${files.length === 0 ? NO_FIXTURES : `${files.length} files`})`, ({
    skip,
  }) => {
    if (files.length === 0) skip(NO_FIXTURES);
    const router = network();
    let frames = 0;
    for (const file of files) {
      for (const bytes of framesOf(file)) {
        if (bytes.length > 14) bytes.set([2, 0, 0, 0, 0x0b, 0], 0);
        router.memory('e0').feed(bytes);
        if (++frames % 50 === 0) settle(router);
      }
      settle(router);
      router.wait(200);
    }
    end(router);
    expect(frames).toBeGreaterThan(10_000);
  }, 60_000);
});

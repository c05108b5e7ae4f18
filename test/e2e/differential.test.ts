/*
 * Bridging as the kernel does it: the same frames into the ports of a kernel bridge and of Sluice's, on the same kind of
 * devices (veth), and what comes out of each port compared, frame by frame and byte by byte.
 *
 * The frames come from a seeded generator. They go in one at a time, into both bridges, so that both see the same history; what
 * one bridge learns wrongly shows at a later frame.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { formatMacAt } from '../../src/wire/format.js';
import type { Daemon } from '../support/daemon.js';
import { BROADCAST } from '../support/frames.js';
import type { Host } from '../support/host.js';
import { until } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, sceneOfAll } from '../support/scene.js';
import type { Wires } from '../support/wires.js';

const missing = lackingNamespaces('python3');
const PORTS = [0, 1, 2, 3];
const FRAMES = 100;
const SEED = 20_261_122;

// --- the generator -------------------------------------------------------------------------------

/** Numbers from 0 to n − 1, the same for the same seed (xorshift32). */
function generator(seed: number): (n: number) => number {
  let state = seed | 0 || 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

interface Sent {
  port: number;
  bytes: Uint8Array;
}

/** Addresses of stations: two behind each port by habit, though any may speak anywhere. */
const station = (n: number): number[] => [2, 0, 0, 0, 0x0d, n];
/** The ports' own addresses, alike in both bridges. */
const own = (port: number): number[] => [2, 0, 0, 0, 0x0b, port];

function bytesOf(mac: string): number[] {
  return mac.split(':').map((part) => Number.parseInt(part, 16));
}

function destination(random: (n: number) => number): number[] {
  const kind = random(20);
  if (kind < 8) return station(random(8));
  if (kind < 10) return [2, 0, 0, 0, 0x0e, random(4)];
  if (kind < 12) return bytesOf(BROADCAST);
  if (kind < 14) return [0x01, 0x00, 0x5e, 0, 0, 1 + random(3)];
  if (kind < 15) return [0x33, 0x33, 0, 0, 0, 1 + random(3)];
  if (kind < 16) return own(random(4));
  if (kind < 17) return [0x01, 0x80, 0xc2, 0, 0, 0x10 + random(32)];
  return [0x01, 0x80, 0xc2, 0, 0, random(16)];
}

function source(random: (n: number) => number, port: number): number[] {
  const kind = random(40);
  if (kind < 28) return station(port * 2 + random(2));
  if (kind < 34) return station(random(8));
  if (kind < 36) return own(random(4));
  if (kind < 37) return [0, 0, 0, 0, 0, 0];
  if (kind < 38) return [3, 0, 0, 0, 0, random(4)];
  return [2, 0, 0, 0, 0x0f, random(4)];
}

/** Type and length of what follows the addresses, with VLAN tags on some. */
function rest(random: (n: number) => number): number[] {
  const kind = random(12);
  const tag = (type: number): number[] => [type >>> 8, type & 255, random(16) << 4, 1 + random(200)];
  if (kind === 0) return [...tag(0x8100), 0x88, 0xb5];
  if (kind === 1) return [...tag(0x88a8), ...tag(0x8100), 0x88, 0xb5];
  if (kind === 2) return [0x81, 0x00, 0xe0, 0x00, 0x88, 0xb5];
  // 802.3: a length and LLC, as BPDUs are.
  if (kind === 3) return [0, 38, 0x42, 0x42, 3];
  return [0x88, 0xb5];
}

const LENGTHS = [0, 0, 0, 0, 60, 60, 64, 200, 1000, 1514, 1514, 1518];

/** A frame whose payload tells it from all others; the shortest has none. */
function frameOf(random: (n: number) => number, n: number, port: number): Sent {
  const header = [...destination(random), ...source(random, port), ...rest(random)];
  const least = Math.max(18, header.length + 4);
  const wanted = LENGTHS[random(LENGTHS.length)];
  // A VLAN tag does not count, but only 802.1Q's, as raw sockets see it.
  const isTagged = header[12] === 0x81;
  const length = Math.max(least, Math.min(wanted, isTagged ? 1518 : 1514));
  const bytes = new Uint8Array(length).fill(n);
  bytes.set(header);
  new DataView(bytes.buffer).setUint32(header.length, n);
  return { port, bytes };
}

function framesOf(seed: number, count: number): Sent[] {
  const random = generator(seed);
  return Array.from({ length: count }, (_, n) => frameOf(random, n, random(PORTS.length)));
}

/** Every reserved address from every port, known stations behind them. */
function reserved(): Sent[] {
  const groups = Array.from({ length: 17 }, (_, last) => [0x01, 0x80, 0xc2, 0, 0, last]);
  return groups.flatMap((group, n) =>
    [0, 1].map((port) => {
      const bytes = new Uint8Array(60).fill(n);
      bytes.set([...group, ...station(port * 2), 0x88, 0xb5, 0, n]);
      return { port, bytes };
    }),
  );
}

function describeSent({ port, bytes }: Sent): string {
  const [to, from] = [formatMacAt(bytes, 0), formatMacAt(bytes, 6)];
  const type = Buffer.from(bytes.subarray(12, 14)).toString('hex');
  return `from p${port}: ${from} > ${to}, type ${type}, ${bytes.length} bytes`;
}

// --- the two bridges -----------------------------------------------------------------------------

/** What one of them is told, as words of iproute2: the port N is called pN in both. */
interface Case {
  title: string;
  /** Words of `ip`. */
  set: string[];
  /** Words of `bridge`: the kernel keeps a state set by `ip` only until that command's own notification. */
  state?: string;
  frames?: Sent[];
}

const slave = (port: number, words: string): string => `link set p${port} type bridge_slave ${words}`;
const bridge = (words: string): string => `link set br0 type bridge ${words}`;

const CASES: Case[] = [
  { title: 'defaults', set: [] },
  ...['learning', 'flood', 'mcast_flood', 'bcast_flood'].flatMap((flag): Case[] => [
    { title: `${flag} off on one port`, set: [slave(1, `${flag} off`)] },
    { title: `${flag} off on all ports`, set: PORTS.map((port) => slave(port, `${flag} off`)) },
  ]),
  { title: 'one isolated port', set: [slave(0, 'isolated on')] },
  { title: 'three isolated ports', set: [0, 1, 2].map((port) => slave(port, 'isolated on')) },
  { title: 'a hairpin port', set: [slave(2, 'hairpin on')] },
  {
    title: 'hairpin ports, one isolated',
    set: [slave(1, 'hairpin on isolated on'), slave(2, 'hairpin on isolated on')],
  },
  { title: 'hairpin without floods', set: [slave(1, 'hairpin on flood off mcast_flood off')] },
  { title: 'a locked port', set: [slave(0, 'locked on')] },
  { title: 'a locked port that does not learn', set: [slave(0, 'locked on learning off')] },
  { title: 'every reserved group, by default', set: [], frames: reserved() },
  { title: 'group_fwd_mask 0xfff8', set: [bridge('group_fwd_mask 0xfff8')], frames: reserved() },
  { title: 'group_fwd_mask 0x4008', set: [bridge('group_fwd_mask 0x4008')], frames: reserved() },
  { title: 'group_fwd_mask of a port', set: [slave(0, 'group_fwd_mask 0xfffd')], frames: reserved() },
  {
    title: 'group_fwd_mask of a port, and of the bridge',
    set: [bridge('group_fwd_mask 0x4000'), slave(1, 'group_fwd_mask 0x0004')],
    frames: reserved(),
  },
  {
    title: 'reserved groups with a locked and a non-learning port',
    set: [slave(0, 'locked on'), slave(1, 'learning off')],
    frames: reserved(),
  },
  ...['disabled', 'listening', 'learning', 'forwarding', 'blocking'].map(
    (name, state): Case => ({ title: `a port in state ${name}`, set: [], state: `link set dev p1 state ${state}` }),
  ),
  ...[0, 1, 2, 4].map(
    (state): Case => ({
      title: `reserved groups into a port in state ${state}`,
      set: [],
      state: `link set dev p1 state ${state}`,
      frames: reserved(),
    }),
  ),
  {
    title: 'everything at once',
    set: [
      slave(0, 'isolated on hairpin on'),
      slave(1, 'learning off flood off'),
      slave(2, 'isolated on bcast_flood off'),
      bridge('group_fwd_mask 0x4000'),
    ],
  },
  { title: 'ageing time 0', set: [bridge('ageing_time 0')] },
];

/** Fixed entries of the FDB, as words of `bridge fdb …`, alike for both. */
const STATIC = [
  `fdb add 02:00:00:00:0d:00 dev p3 master static`,
  `fdb add 02:00:00:00:0d:02 dev p0 master static sticky`,
  `fdb add 02:00:00:00:0e:01 dev p2 master static`,
  `fdb add 02:00:00:00:0e:02 dev p2 master`,
];

describe.skipIf(missing)(titled('beside the kernel’s bridge', missing), () => {
  let daemon: Daemon;
  let wires: Wires;
  let kernel: Host;
  let received = 0;

  /**
   *   test ── k0 … k3 ── p0 … p3 ── br0 of the kernel
   *   test ── s0 … s3 ── p0 … p3 ── packet ports ── br0 of Sluice
   */
  sceneOfAll(async (scene) => {
    const [kernelSide, sluiceSide, outside] = [await scene.host(), await scene.host(), await scene.host()];
    kernel = kernelSide;
    daemon = await scene.daemon({ isSilent: true });
    wires = scene.wires();
    for (const port of PORTS) {
      for (const [prefix, side] of [
        ['k', kernelSide],
        ['s', sluiceSide],
      ] as const) {
        await side.veth(`p${port}`, outside, `${prefix}${port}`);
        await side.ip(
          `link set p${port} address ${Buffer.from(own(port))
            .toString('hex')
            .replace(/..(?=.)/g, '$&:')}`,
        );
        await wires.open(`${prefix}${port}`, outside, `${prefix}${port}`);
      }
      await daemon.must(
        `ip link add p${port} address 02:00:00:00:0b:0${port} type packet dev p${port} netns ${sluiceSide.name}`,
      );
    }
  });

  beforeAll(rebuild);

  /** Both bridges anew, with options as by default and nothing learned. */
  async function rebuild(): Promise<void> {
    const lines = [
      'link add br0 type bridge',
      ...PORTS.map((port) => `link set p${port} master br0`),
      ...PORTS.map((port) => `link set p${port} up`),
      'link set br0 up',
    ];
    await kernel.run('ip link delete br0');
    await kernel.must('sysctl -qw net.ipv6.conf.default.disable_ipv6=1');
    await kernel.ip('link add br0 type bridge mcast_snooping 0', ...lines.slice(1));
    await daemon.sluice('ip link delete br0');
    await daemon.ip(...lines);
    for (const port of PORTS) await until(`p${port} has a carrier`, () => daemon.hasFlag(`p${port}`, 'LOWER_UP'));
    await until(
      'the kernel’s ports forward',
      async () => (await kernel.must('bridge link show')).split('state forwarding').length === PORTS.length + 1,
    );
  }

  /** Sends one frame into both bridges, and waits until Sluice has done with it; the kernel's has when the sender returns. */
  async function send({ port, bytes }: Sent): Promise<void> {
    await wires.send(`k${port}`, bytes);
    await wires.send(`s${port}`, bytes);
    received++;
    await daemon.hasReceived(
      PORTS.map((n) => `p${n}`),
      received,
    );
  }

  const wiresOf = (prefix: string): string[] => PORTS.map((port) => `${prefix}${port}`);

  /** What came out, one line a frame, in order. */
  async function outputs(prefix: string, frames: Sent[]): Promise<string[]> {
    const known = new Map(
      frames.map((sent, n) => [Buffer.from(sent.bytes).toString('hex'), `#${n} ${describeSent(sent)}`]),
    );
    const each = await wires.drainAll(wiresOf(prefix));
    return each.flatMap((list, port) =>
      list
        .map((bytes) => bytes.toString('hex'))
        .map((hex) => `p${port} sends ${known.get(hex) ?? `what was not sent: ${hex}`}`),
    );
  }

  /** Lines of `bridge fdb show` about the test's stations. */
  function stations(text: string): string[] {
    return text
      .split('\n')
      .filter((line) => /^02:00:00:00:0[def]/.test(line))
      .map((line) => line.replace(/ (extern_learn|offload)/g, '').trim())
      .sort();
  }

  async function expectAlike(frames: Sent[]): Promise<void> {
    const { links } = await daemon.atRest();
    received = PORTS.reduce((sum, port) => sum + links[`p${port}`].received, 0);
    await wires.drainAll([...wiresOf('k'), ...wiresOf('s')]);
    for (const sent of frames) await send(sent);
    const theirs = await outputs('k', frames);
    const ours = await outputs('s', frames);
    expect(theirs.length, 'something comes out').toBeGreaterThan(0);
    expect(ours).toEqual(theirs);
    expect(stations(await daemon.must('bridge fdb show br br0'))).toEqual(
      stations(await kernel.must('bridge fdb show br br0')),
    );
  }

  async function configure(lines: string[]): Promise<void> {
    if (lines.length === 0) return;
    await kernel.ip(...lines);
    await daemon.ip(...lines);
  }

  test.each(CASES.map((one, index): [string, Case, number] => [one.title, one, index]))(
    '%s',
    async (_, { set, state, frames }, index) => {
      await rebuild();
      await configure(set);
      if (state !== undefined) {
        await kernel.must(`bridge ${state}`);
        await daemon.must(`bridge ${state}`);
      }
      await expectAlike(frames ?? framesOf(SEED + index, FRAMES));
    },
  );

  test('fixed entries of the FDB', async () => {
    await rebuild();
    for (const line of STATIC) {
      await kernel.must(`bridge ${line}`);
      await daemon.must(`bridge ${line}`);
    }
    await expectAlike(framesOf(SEED - 1, FRAMES));
  });

  test('fixed entries and a locked port', async () => {
    await rebuild();
    await configure([slave(3, 'locked on'), slave(0, 'locked on')]);
    for (const line of STATIC) {
      await kernel.must(`bridge ${line}`);
      await daemon.must(`bridge ${line}`);
    }
    await expectAlike(framesOf(SEED - 2, FRAMES));
  });

  test('options that change while stations are known', async () => {
    await rebuild();
    await expectAlike(framesOf(SEED - 3, FRAMES));
    await configure([slave(0, 'isolated on'), slave(1, 'isolated on'), slave(2, 'learning off')]);
    await expectAlike(framesOf(SEED - 4, FRAMES));
    await configure([slave(0, 'isolated off'), slave(2, 'learning on'), 'link set p1 nomaster', 'link set p3 down']);
    await expectAlike(framesOf(SEED - 5, FRAMES).filter(({ port }) => port !== 1 && port !== 3));
    await configure(['link set p1 master br0', 'link set p3 up']);
    await until(
      'the kernel’s ports forward',
      async () => (await kernel.must('bridge link show')).split('state forwarding').length === PORTS.length + 1,
    );
    await until(
      'ours do',
      async () => (await daemon.must('bridge link show')).split('state forwarding').length === PORTS.length + 1,
    );
    await expectAlike(framesOf(SEED - 6, FRAMES));
  });

  test('at rest every frame is accounted for', () => expectConserved(daemon));
});

/* AF_PACKET ports: VLAN tags, promiscuity, own transmissions, and what is said of a device on which the kernel answers too. */
import { describe, expect, test } from 'vitest';
import type { Daemon } from '../support/daemon.js';
import { A, B, BROADCAST, C, frame, mac } from '../support/frames.js';
import type { Host } from '../support/host.js';
import { until } from '../support/program.js';
import { lacking, lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, sceneOfAll, sceneOfEach } from '../support/scene.js';
import type { Wires } from '../support/wires.js';

const missing = lackingNamespaces('python3');
const EXPERIMENT = 0x88b5;
const MARKER = '02:00:00:00:00:ee';

/** The frame with tags behind its addresses: type and control information of each, the outer one first. */
function tagged(bytes: Uint8Array, ...tags: Array<[number, number]>): Uint8Array {
  const words = tags.flatMap(([type, tci]) => [type >>> 8, type & 255, tci >>> 8, tci & 255]);
  return Uint8Array.from([...bytes.subarray(0, 12), ...words, ...bytes.subarray(12)]);
}

const hex = (frames: readonly Uint8Array[]): string[] => frames.map((bytes) => Buffer.from(bytes).toString('hex'));

describe.skipIf(missing)(titled('packet ports', missing), () => {
  let daemon: Daemon;
  let wires: Wires;
  let edge: Host;

  /** Three veth pairs: `dev` of each in one namespace is a packet port, the other end is on a wire of that name. */
  sceneOfAll(async (scene) => {
    daemon = await scene.daemon({ isSilent: true });
    wires = scene.wires();
    edge = await scene.host();
    const far = await scene.host();
    await daemon.ip('link add br0 type bridge', 'link set br0 up');
    for (const port of ['p1', 'p2', 'p3']) {
      await edge.veth(port, far, port);
      await daemon.ip(`link add ${port} type packet dev ${port} netns ${edge.name}`, `link set ${port} master br0 up`);
      await until(`${port} has a carrier`, () => daemon.hasFlag(port, 'LOWER_UP'));
      await wires.open(port, far, port);
    }
  });

  /** Sends frames into a wire and takes what comes out of another; a marker tells that all has come. */
  async function carry(from: string, to: string, frames: Uint8Array[]): Promise<Buffer[]> {
    await wires.take(to);
    await wires.send(from, ...frames, frame(MARKER, BROADCAST));
    const arrived: Buffer[] = [];
    const isMarker = (bytes: Buffer): boolean => bytes.subarray(6, 12).equals(Buffer.from('0200000000ee', 'hex'));
    await until('the marker comes out', async () => {
      arrived.push(...(await wires.take(to, 1, 1)));
      return arrived.some(isMarker);
    });
    return arrived.filter((bytes) => !isMarker(bytes));
  }

  const payload = frame(A, BROADCAST, { length: 100 });
  test.each<[string, Uint8Array]>([
    ['untagged', payload],
    ['802.1Q', tagged(payload, [0x8100, 5])],
    ['802.1Q with priority and DEI', tagged(payload, [0x8100, 0xf005])],
    ['a priority tag, VLAN 0', tagged(payload, [0x8100, 0xe000])],
    ['802.1ad', tagged(payload, [0x88a8, 7])],
    ['802.1ad around 802.1Q', tagged(payload, [0x88a8, 7], [0x8100, 5])],
    ['two 802.1Q tags', tagged(payload, [0x8100, 7], [0x8100, 5])],
    ['a tagged frame of full size', tagged(frame(A, BROADCAST, { length: 1514 }), [0x8100, 5])],
    [
      'a tagged frame with two bytes, the least the kernel passes',
      tagged(frame(A, BROADCAST, { length: 16 }), [0x8100, 5]),
    ],
  ])('%s: its tags are as they were', async (_, bytes) => {
    expect(hex(await carry('p1', 'p2', [bytes]))).toEqual(hex([bytes]));
  });

  test('stations are learned whatever the tag', async () => {
    await carry('p1', 'p2', [tagged(frame(C, BROADCAST), [0x8100, 9])]);
    expect((await daemon.learned()).find((station) => station.mac === C)?.ifname).toBe('p1');
    expect(hex(await carry('p2', 'p3', [tagged(frame(B, C), [0x8100, 10])]))).toEqual([]);
  });

  test('frames to stations that the kernel does not have are seen: the device is promiscuous', async () => {
    expect(await edge.must('ip -d link show p1')).toMatch(/promiscuity [1-9]/);
    const frames = Array.from({ length: 20 }, (_, n) => frame(A, mac(0x7000 + n)));
    expect(hex(await carry('p1', 'p2', frames))).toEqual(hex(frames));
  });

  test('what a port sends does not come back into it', async () => {
    const before = await daemon.atRest();
    await carry(
      'p1',
      'p2',
      Array.from({ length: 50 }, () => frame(A, BROADCAST)),
    );
    const after = await daemon.atRest();
    expect(after.received - before.received).toBe(51);
    expect(after.links.p2.transmitted - before.links.p2.transmitted).toBe(51);
    expect(after.links.p2.received).toBe(before.links.p2.received);
  });

  test('frames keep their order', async () => {
    const frames = Array.from({ length: 500 }, (_, n) =>
      frame(A, mac(0x9000), { length: 60 + ((n * 37) % 1400), fill: n & 255 }),
    );
    expect(hex(await carry('p1', 'p3', frames))).toEqual(hex(frames));
  });

  test('two ports of one device: each sees what comes in, neither what the other sends', async () => {
    const before = (await daemon.atRest()).received;
    await daemon.ip('link add br1 type bridge', 'link set br1 up');
    await daemon.ip(`link add again type packet dev p1 netns ${edge.name}`, 'link set again master br1 up');
    await carry('p1', 'p2', [frame(A, BROADCAST, { type: EXPERIMENT })]);
    const { links, received } = await daemon.atRest();
    expect(links.again.received).toBe(2);
    expect(received - before).toBe(4);
    await daemon.must('ip link delete again');
  });

  test('promiscuity ends with the port', async () => {
    await daemon.must('ip link delete p3');
    expect(await edge.must('ip -d link show p3')).toContain('promiscuity 0');
  });

  test('at rest every frame is accounted for', () => expectConserved(daemon));
});

describe.skipIf(missing)(titled('a device on which the kernel answers too', missing), () => {
  const scene = sceneOfEach();
  const WARNING =
    /^the kernel's own stack has an address on "uplink" and answers to the same frames; stop it with: .*\n$/;

  async function device(): Promise<{ daemon: Daemon; edge: Host }> {
    const daemon = await scene.current.daemon({ isSilent: true });
    const [edge, far] = await scene.current.hosts(2);
    await edge.veth('uplink', far, 'eth0');
    return { daemon, edge };
  }

  test('a silent device: not a word', async () => {
    const { daemon, edge } = await device();
    expect(await daemon.sluice(`ip link add p1 type packet dev uplink netns ${edge.name}`)).toEqual({
      status: 0,
      out: '',
      err: '',
    });
    expect(await daemon.status()).not.toHaveProperty('warnings');
    expect((await daemon.sluice('doctor')).out).not.toContain('uplink');
  });

  test('an IPv4 address: a warning on stderr, with what stops it; the port works', async () => {
    const { daemon, edge } = await device();
    await edge.ip('addr add 10.9.0.1/24 dev uplink');
    const { status, out, err } = await daemon.sluice(`ip link add p1 type packet dev uplink netns ${edge.name}`);
    expect({ status, out }).toEqual({ status: 0, out: '' });
    expect(err).toMatch(WARNING);
    expect((await daemon.link('p1')).ifname).toBe('p1');
  });

  test('IPv6 enabled: the same; doctor lists the port, and no more when it is silenced as the warning says', async () => {
    const { daemon, edge } = await device();
    await edge.must('sysctl -qw net.ipv6.conf.uplink.disable_ipv6=0');
    await until('the device has its address', async () =>
      (await edge.must('ip -6 addr show dev uplink')).includes('fe80'),
    );
    const { err } = await daemon.sluice(`ip link add p1 type packet dev uplink netns ${edge.name}`);
    expect(err).toMatch(WARNING);
    expect((await daemon.sluice('doctor')).out).toContain('"uplink"');
    const remedy = /stop it with: (.*)\n/.exec(err)?.[1] ?? '';
    for (const command of remedy.split('; ')) await edge.must(command.replace(`ip netns exec ${edge.name} `, ''));
    expect((await daemon.sluice('doctor')).out).not.toContain('"uplink"');
  });
});

const missingNft = missing || lacking('nft');

describe.skipIf(missingNft)(titled('behind a firewall', missingNft), () => {
  const scene = sceneOfEach();

  test('an ingress drop silences the kernel, and Sluice hears all the same', async () => {
    const daemon = await scene.current.daemon({ isSilent: true });
    const wires = scene.current.wires();
    const [edge, far] = await scene.current.hosts(2);
    await edge.veth('p1', far, 'p1');
    await edge.veth('p2', far, 'p2');
    await edge.ip('addr add 10.9.0.1/24 dev p1');
    await edge.must('nft add table netdev sluice');
    await edge.must('nft add chain netdev sluice p1 { type filter hook ingress device p1 priority 0 ; policy drop ; }');
    await daemon.ip('link add br0 type bridge', 'link set br0 up');
    for (const port of ['p1', 'p2']) {
      await daemon.sluice(`ip link add ${port} type packet dev ${port} netns ${edge.name}`);
      await daemon.must(`ip link set ${port} master br0 up`);
      await wires.open(port, far, port);
    }
    const request = Buffer.from(
      `ffffffffffff${'02000000000a'}08060001080006040001${'02000000000a'}0a090002${'000000000000'}0a090001`,
      'hex',
    );
    await wires.send('p1', request);
    expect(hex(await wires.take('p2', 1))).toEqual(hex([request]));
    expect(await wires.drain('p1')).toEqual([]);
  });
});

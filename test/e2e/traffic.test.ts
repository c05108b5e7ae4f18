/*
 * Bulk traffic, whole and right: with offloads (superframes, partial checksums) and without, and between ports of which
 * one has them and the other has not, where Sluice must segment and complete checksums itself.
 */
import { describe, expect, test } from 'vitest';
import type { Daemon } from '../support/daemon.js';
import type { Host } from '../support/host.js';
import { lacking, lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, type Scene, sceneOfAll } from '../support/scene.js';
import { iperf, sendStream, sendSuperframes, type Transfer } from '../support/transfer.js';

const missing = lackingNamespaces('python3', 'ethtool');
const missingIperf = missing || lacking('iperf3');
const MIB = 1 << 20;
/** Not a multiple of any MTU or segment. */
const BULK = 50 * MIB + 12_345;
const SUPERFRAMES = 4 * MIB + 777;
/** Segments of one UDP superframe: full frames at MTU 1500. */
const SEGMENT = 1400;

function expectWhole({ sent, received }: Transfer): void {
  expect(received).toEqual(sent);
}

/** A host behind a TAP port `name`, with address N. */
async function tapHost(daemon: Daemon, host: Host, name: string, n: number, words = ''): Promise<void> {
  await host.skipDuplicateDetection();
  await daemon.ip(
    `link add ${name} type tap ${words} peer name eth0 netns ${host.name} addr 10.9.0.${n}/24 addr 2001:db8::${n}/64 up`,
    `link set ${name} master br0 up`,
  );
}

/** A host behind a veth pair, the other end of which is a packet port `name` in a namespace of its own. */
async function vethHost(scene: Scene, daemon: Daemon, host: Host, name: string, n: number): Promise<void> {
  const edge = await scene.host();
  await host.skipDuplicateDetection();
  await edge.veth('uplink', host, 'eth0');
  await host.must('sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0');
  await host.ip(`addr add 10.9.0.${n}/24 dev eth0`, `addr add 2001:db8::${n}/64 dev eth0 nodad`);
  await daemon.ip(`link add ${name} type packet dev uplink netns ${edge.name}`, `link set ${name} master br0 up`);
}

async function offloads(host: Host, isOn: boolean): Promise<void> {
  const on = isOn ? 'on' : 'off';
  await host.must(`ethtool -K eth0 tx ${on} sg ${on} tso ${on} gso ${on} gro ${on}`);
}

/** How many of a link's frames were cut on the way out of it. */
async function segmentsOf(daemon: Daemon, link: string): Promise<number> {
  const text = await daemon.must(`ethtool -S ${link}`);
  return Number(/tx_segments: (\d+)/.exec(text)?.[1] ?? Number.NaN);
}

describe.skipIf(missingIperf)(titled('iperf3 between TAPs', missingIperf), () => {
  let hosts: Host[];
  let daemon: Daemon;

  sceneOfAll(async (scene) => {
    hosts = await scene.hosts(2);
    daemon = await scene.daemon({ isSilent: true });
    await daemon.ip('link add br0 type bridge', 'link set br0 up');
    for (const [i, host] of hosts.entries()) await tapHost(daemon, host, `t${i + 1}`, i + 1);
  });

  describe.each([true, false])('offloads on: %s', (isOn) => {
    test.each([
      ['one way', ''],
      ['the other way', '-R'],
      ['over IPv6', '-6'],
      ['four streams both ways', '--bidir -P 4'],
    ])('TCP %s', async (_, words) => {
      for (const host of hosts) await offloads(host, isOn);
      const address = words === '-6' ? '2001:db8::2' : '10.9.0.2';
      const { bytes } = await iperf(hosts[0], hosts[1], address, `-n 40M ${words}`);
      expect(bytes).toBeGreaterThan(5 * MIB);
    });

    test('UDP, single datagrams, at a rate that any machine can', async () => {
      for (const host of hosts) await offloads(host, isOn);
      const { bytes, lostPackets } = await iperf(hosts[0], hosts[1], '10.9.0.2', '-u -b 20M -l 1400 -n 1200K');
      expect(bytes).toBeGreaterThan(MIB);
      expect(lostPackets).toBe(0);
    });

    test('UDP datagrams that IP must fragment', async () => {
      for (const host of hosts) await offloads(host, isOn);
      const { bytes, lostPackets } = await iperf(hosts[0], hosts[1], '10.9.0.2', '-u -b 20M -l 8000 -n 1200K');
      expect(bytes).toBeGreaterThan(MIB);
      expect(lostPackets).toBe(0);
    });
  });

  test('with offloads TCP crosses as superframes: far fewer frames than an MTU each', async () => {
    for (const host of hosts) await offloads(host, true);
    const before = await daemon.atRest();
    const { bytes } = await iperf(hosts[0], hosts[1], '10.9.0.2', '-n 50M');
    const after = await daemon.atRest();
    const frames = after.links.t1.received - before.links.t1.received;
    expect(frames).toBeLessThan(bytes / 1448 / 4);
    expect(await segmentsOf(daemon, 't2')).toBe(0);
  });

  test('at rest every frame is accounted for', () => expectConserved(daemon));
});

describe.skipIf(missing)(titled('data arrives whole', missing), () => {
  let [plain, offloading, other]: Host[] = [];
  let [wired, wired2]: Host[] = [];
  let daemon: Daemon;

  sceneOfAll(async (scene) => {
    [plain, offloading, other, wired, wired2] = await scene.hosts(5);
    daemon = await scene.daemon({ isSilent: true });
    await daemon.ip('link add br0 type bridge', 'link set br0 up');
    await tapHost(daemon, plain, 't1', 1, 'gso off');
    await tapHost(daemon, offloading, 't2', 2, 'gso on');
    await tapHost(daemon, other, 't3', 3, 'gso on queues 2');
    await vethHost(scene, daemon, wired, 'p4', 4);
    await vethHost(scene, daemon, wired2, 'p5', 5);
  });

  const routes: Array<[string, () => Host, () => Host, number]> = [
    ['TAP with offloads → TAP without', () => offloading, () => plain, 1],
    ['TAP without offloads → TAP with', () => plain, () => offloading, 2],
    ['TAP → TAP with two queues', () => offloading, () => other, 3],
    ['TAP with two queues → TAP', () => other, () => offloading, 2],
    ['TAP → AF_PACKET', () => offloading, () => wired, 4],
    ['AF_PACKET → TAP', () => wired, () => offloading, 2],
    ['TAP without offloads → AF_PACKET', () => plain, () => wired, 4],
    ['AF_PACKET → TAP without offloads', () => wired, () => plain, 1],
    ['AF_PACKET → AF_PACKET', () => wired, () => wired2, 5],
  ];

  describe.each(routes)('%s', (_, from, to, n) => {
    test('TCP over IPv4, 50 MB', async () => {
      expectWhole(await sendStream(from(), to(), `10.9.0.${n}`, BULK));
    });

    test('TCP over IPv6', async () => {
      expectWhole(await sendStream(from(), to(), `2001:db8::${n}`, 8 * MIB + 1));
    });

    test('UDP superframes over IPv4', async () => {
      expectWhole(await sendSuperframes(from(), to(), `10.9.0.${n}`, SUPERFRAMES, SEGMENT));
    });

    test('UDP superframes over IPv6', async () => {
      expectWhole(await sendSuperframes(from(), to(), `2001:db8::${n}`, SUPERFRAMES, SEGMENT));
    });
  });

  test('the port without offloads has cut superframes, the others none', async () => {
    expect(await segmentsOf(daemon, 't1')).toBeGreaterThan(1000);
    for (const link of ['t2', 't3', 'p4', 'p5']) expect(await segmentsOf(daemon, link)).toBe(0);
  });

  test('nothing was dropped for its size, its header, or for want of room', async () => {
    const { drops } = await daemon.atRest();
    for (const reason of [
      'tx_mtu',
      'bad_vnet_header',
      'tx_unsegmentable',
      'tx_arena_full',
      'arena_full',
      'datapath_error',
    ]) {
      expect([reason, drops[reason] ?? 0]).toEqual([reason, 0]);
    }
  });

  test('at rest every frame is accounted for', () => expectConserved(daemon));
});

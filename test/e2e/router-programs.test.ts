/*
 * Ordinary programs on two kernel hosts with Sluice as the router between them:
 *
 *   a ── eth0 10.1.0.2 ── TAP ── t1 10.1.0.1   Sluice   10.2.0.1 t2 ── TAP ── 10.2.0.2 eth0 ── b
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Daemon } from '../support/daemon.js';
import type { Host } from '../support/host.js';
import { until } from '../support/program.js';
import { lacking, lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, type Scene, sceneOfAll } from '../support/scene.js';

const missing = lackingNamespaces('ping') || lacking('tun');

describe.skipIf(missing)(titled('programs across the router', missing), () => {
  let daemon: Daemon;
  let a: Host;
  let b: Host;
  let stage: Scene;

  sceneOfAll(async (scene) => {
    stage = scene;
    [a, b] = await scene.hosts(2);
    daemon = await scene.daemon();
    for (const host of [a, b]) await host.skipDuplicateDetection();
    await daemon.ip(
      `link add t1 type tap peer name eth0 netns ${a.name} addr 10.1.0.2/24 addr fd01::2/64 up`,
      `link add t2 type tap peer name eth0 netns ${b.name} addr 10.2.0.2/24 addr fd02::2/64 up`,
      'addr add 10.1.0.1/24 dev t1',
      'addr add 10.2.0.1/24 dev t2',
      'addr add fd01::1/64 dev t1 nodad',
      'addr add fd02::1/64 dev t2 nodad',
      'link set lo up',
      'link set t1 up',
      'link set t2 up',
    );
    await daemon.must(
      'sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0',
    );
    for (const [host, n] of [
      [a, 1],
      [b, 2],
    ] as const) {
      await host.ip(`route add default via 10.${n}.0.1`);
      await host.must(`ip -6 route add default via fd0${n}::1`);
    }
    await until('the path is there', async () => (await a.run('ping -c 1 -W 1 10.2.0.2')).status === 0);
    await until('the path is there in IPv6', async () => (await a.run('ping -c 1 -W 1 fd02::2')).status === 0);
  });

  test.each(['10.2.0.2', 'fd02::2'])('ping of all sizes to %s, cut where it must be', async (address) => {
    for (const size of [0, 1, 56, 1400, 1473, 3000, 20_000, 60_000]) {
      const { out, status } = await a.run(`ping -c 3 -i 0.05 -W 5 -s ${size} ${address}`);
      expect(status, out).toBe(0);
      expect(out).toContain(' 0% packet loss');
    }
  });

  test('ping -M do meets the MTU, and learns it', async () => {
    await daemon.ip('link set t2 mtu 1400');
    try {
      const first = await a.run('ping -c 1 -W 2 -M do -s 1400 10.2.0.2');
      expect(first.out).toMatch(/From 10\.1\.0\.1 icmp_seq=1 Frag needed and DF set \(mtu = 1400\)/);
      const second = await a.run('ping -c 1 -W 2 -M do -s 1372 10.2.0.2');
      expect(second.status, second.out).toBe(0);
      const six = await a.run('ping -c 1 -W 2 -M do -s 1400 fd02::2');
      expect(six.out).toMatch(/From fd01::1 icmp_seq=1 Packet too big: mtu=1400/);
    } finally {
      await daemon.ip('link set t2 mtu 1500');
      await a.run('ip route flush cache');
      await a.run('ip -6 route flush cache');
    }
  });

  test.skipIf(lacking('tracepath'))('tracepath finds the hops and the MTU', async () => {
    await daemon.ip('link set t2 mtu 1400');
    try {
      const { out } = await a.run('tracepath -n -m 4 10.2.0.2');
      expect(out).toMatch(/1: {2}10\.1\.0\.1/);
      expect(out).toMatch(/Resume: pmtu 1400 hops 2 back 2/);
    } finally {
      await daemon.ip('link set t2 mtu 1500');
      await a.run('ip route flush cache');
    }
  });

  test.skipIf(lacking('traceroute')).each(['-U', '-I', '-T'])('traceroute %s', async (how) => {
    for (const [address, router] of [
      ['10.2.0.2', '10.1.0.1'],
      ['fd02::2', 'fd01::1'],
    ]) {
      const { out } = await a.run(`traceroute -n ${how} -q 2 -w 2 -m 5 ${address}`);
      const hops = out
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/)[1]);
      expect(hops, out).toEqual([router, address, undefined]);
    }
  });

  test.skipIf(lacking('arping'))('arping -D finds the router’s address taken, and others free', async () => {
    expect((await a.run('arping -D -c 1 -w 2 -I eth0 10.1.0.1')).status).toBe(1);
    expect((await a.run('arping -D -c 1 -w 1 -I eth0 10.1.0.77')).status).toBe(0);
  });

  test('a host that is not there, a network without a route, a port that is closed', async () => {
    const host = await a.run('ping -c 1 -W 5 10.2.0.99');
    expect(host.out).toContain('From 10.1.0.1 icmp_seq=1 Destination Host Unreachable');
    const six = await a.run('ping -c 1 -W 5 fd02::99');
    expect(six.out).toContain('From fd01::1 icmp_seq=1 Destination unreachable: Address unreachable');
    const network = await a.run('ping -c 1 -W 2 192.0.2.1');
    expect(network.out).toContain('From 10.1.0.1 icmp_seq=1 Destination Net Unreachable');
    const network6 = await a.run('ping -c 1 -W 2 2001:db8:ffff::1');
    expect(network6.out).toContain('From fd01::1 icmp_seq=1 Destination unreachable: No route');
  });

  test('ping to and from the router itself', async () => {
    for (const address of ['10.1.0.1', '10.2.0.1', 'fd01::1', 'fd02::1'])
      expect((await a.run(`ping -c 2 -i 0.05 -s 3000 -W 2 ${address}`)).status, address).toBe(0);
    for (const address of ['10.2.0.2', 'fd02::2'])
      expect(await daemon.must(`ping -c 2 -i 0.1 -W 2 ${address}`)).toContain(' 0% packet loss');
    expect(await daemon.must('ping -c 1 127.0.0.1')).toContain(' 0% packet loss');
  });

  test.skipIf(lacking('iperf3'))('64 streams of TCP at a time, with and without offloads', async () => {
    for (const features of ['on', 'off']) {
      for (const host of [a, b]) await host.run(`ethtool -K eth0 tx ${features} gso ${features} tso ${features}`);
      for (const address of ['10.2.0.2', 'fd02::2']) {
        const server = b.start(['iperf3', '-s', '-1', '--forceflush']);
        await server.says(/listening/);
        const { out, status } = await a.run(`iperf3 -c ${address} -P 64 -t 1 -J`);
        expect(status, out).toBe(0);
        expect(JSON.parse(out).end.sum_received.bits_per_second).toBeGreaterThan(1e8);
        await server.ended;
      }
    }
    for (const host of [a, b]) await host.run('ethtool -K eth0 tx on gso on tso on');
  });

  test.skipIf(lacking('bird'))(
    'two BIRD routers exchange routes across it',
    async () => {
      const folder = stage.folder();
      const start = (host: Host, own: string, other: string, route: string): void => {
        const home = join(folder, host.name);
        mkdirSync(home);
        writeFileSync(
          join(home, 'bird.conf'),
          `router id ${own};
protocol device {}
protocol kernel { ipv4 { export all; }; }
protocol static { ipv4; route ${route} blackhole; }
protocol bgp { local ${own} as 65001; neighbor ${other} as 65001; multihop; ipv4 { import all; export where source = RTS_STATIC; next hop self; }; }
`,
        );
        const bird = host.start(['bird', '-f', '-c', join(home, 'bird.conf'), '-s', join(home, 'ctl')]);
        stage.atEnd(() => bird.stop('SIGKILL'));
      };
      start(a, '10.1.0.2', '10.2.0.2', '172.30.0.0/16');
      start(b, '10.2.0.2', '10.1.0.2', '172.31.0.0/16');
      await until(
        'the routes have come across',
        async () =>
          (await a.must('ip route show 172.31.0.0/16')).includes('proto bird') &&
          (await b.must('ip route show 172.30.0.0/16')).includes('proto bird'),
        30_000,
      );
    },
    60_000,
  );

  test('at rest every frame is accounted for', () => expectConserved(daemon));
});

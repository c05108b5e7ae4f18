/* Three hosts, a TAP in each, one bridge: the main job, by the real tools. */
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { balanceOf, type Daemon } from '../support/daemon.js';
import type { Host } from '../support/host.js';
import { PATIENCE_MS, until } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, sceneOfAll } from '../support/scene.js';

const missing = lackingNamespaces('ping');

describe.skipIf(missing)(titled('three hosts on TAPs', missing), () => {
  let hosts: Host[];
  let daemon: Daemon;

  sceneOfAll(async (scene) => {
    hosts = await scene.hosts(3);
    for (const host of hosts) await host.skipDuplicateDetection();
    daemon = await scene.daemon({ isSilent: true });
    await daemon.must('ip link add br0 type bridge');
    for (const [i, { name }] of hosts.entries()) {
      const n = i + 1;
      await daemon.must(
        `ip link add t${n} type tap peer name eth0 netns ${name} addr 10.9.0.${n}/24 addr 2001:db8::${n}/64 up`,
      );
      await daemon.must(`ip link set t${n} master br0 up`);
    }
    await daemon.must('ip link set br0 up');
  });

  beforeAll(async () => {
    await until('all kernel ends have a carrier', async () => {
      const links = await Promise.all(hosts.map((host) => host.link('eth0')));
      return links.every((link) => link?.operstate === 'UP');
    });
  });

  const pairs = [0, 1, 2].flatMap((from) =>
    [0, 1, 2].filter((to) => to !== from).map((to): [number, number] => [from, to]),
  );

  test.each(pairs)('host %i pings host %i over IPv4, after ARP', async (from, to) => {
    const out = await hosts[from].must(`ping -n -c 2 -i 0.01 -W 5 10.9.0.${to + 1}`);
    expect(out).toContain('2 received, 0% packet loss');
    const neighbours = await hosts[from].must('ip neigh show dev eth0');
    const { address } = (await hosts[to].link('eth0')) ?? { address: 'no eth0' };
    expect(neighbours).toContain(`10.9.0.${to + 1} lladdr ${address}`);
  });

  test.each(pairs)('host %i pings host %i over IPv6, after neighbour discovery', async (from, to) => {
    const out = await hosts[from].must(`ping -6 -n -c 2 -i 0.01 -W 5 2001:db8::${to + 1}`);
    expect(out).toContain('2 received, 0% packet loss');
  });

  test('all hosts hear a broadcast and answer it', async () => {
    for (const host of hosts) await host.must('sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0');
    const { out } = await hosts[0].run('ping -n -b -c 2 -i 0.3 -W 5 10.9.0.255');
    expect(out).toContain('from 10.9.0.2');
    expect(out).toContain('from 10.9.0.3');
  });

  test('a packet that fits the MTU to the byte goes through, unfragmented', async () => {
    const out = await hosts[0].must('ping -n -M do -s 1472 -c 2 -i 0.01 -W 5 10.9.0.2');
    expect(out).toContain('2 received, 0% packet loss');
  });

  test('a flood of pings loses nothing', async () => {
    const out = await hosts[0].must('ping -n -q -f -c 3000 10.9.0.2');
    expect(out).toContain('3000 packets transmitted, 3000 received, 0% packet loss');
  });

  test('the FDB has learned each host behind its port', async () => {
    const text = await daemon.must('bridge fdb show');
    const stations =
      await daemon.json<Array<{ mac: string; ifname: string; master: string; state: string }>>('bridge -j fdb show');
    for (const [i, host] of hosts.entries()) {
      const link = await host.link('eth0');
      expect(text).toContain(`${link?.address} dev t${i + 1} master br0`);
      expect(stations).toContainEqual(
        expect.objectContaining({ mac: link?.address, ifname: `t${i + 1}`, master: 'br0', state: '' }),
      );
    }
    const learned = stations.filter(({ state }) => state === '');
    expect(new Set(learned.map(({ mac }) => mac)).size).toBe(3);
  });

  test('brctl showmacs tells our own addresses from theirs', async () => {
    const lines = (await daemon.must('brctl showmacs br0')).trim().split('\n').slice(1);
    const isLocal = (line: string): boolean => / yes /.test(line.replace(/\s+/g, ' '));
    expect(lines.filter(isLocal)).toHaveLength(3);
    expect(lines.filter((line) => !isLocal(line))).toHaveLength(3);
  });

  test('the kernel end has the address and MTU that it was given, ours a MAC of its own', async () => {
    const ours = await daemon.links();
    const theirs = await Promise.all(hosts.map((host) => host.link('eth0')));
    const macs = [...ours.filter(({ ifname }) => ifname.startsWith('t')), ...theirs].map((link) => link?.address);
    expect(new Set(macs).size).toBe(6);
    expect(theirs.map((link) => link?.mtu)).toEqual([1500, 1500, 1500]);
  });

  test('at rest every frame is accounted for', async () => {
    await expectConserved(daemon);
    const status = await daemon.json<Awaited<ReturnType<Daemon['status']>>>('status -j');
    expect(status.received).toBeGreaterThan(6000);
    expect(balanceOf(status).out).toBe(balanceOf(status).in);
    const ports = Object.entries(status.links).filter(([name]) => name.startsWith('t'));
    const sum = ports.reduce((total, [, { received }]) => total + received, 0);
    expect(sum).toBe(status.received);
  });

  test('counters of ip -s link are those of status', async () => {
    interface Shown {
      ifname: string;
      stats64: { rx: { packets: number }; tx: { packets: number } };
    }
    // Again if a host says something in between.
    const look = async (): Promise<void> => {
      const { links } = await daemon.atRest();
      const shown = await daemon.json<Shown[]>('ip -j -s link show');
      for (const { ifname, stats64 } of shown.filter((link) => link.ifname !== 'br0')) {
        const counted = [ifname, links[ifname].received, links[ifname].transmitted];
        expect([ifname, stats64.rx.packets, stats64.tx.packets]).toEqual(counted);
      }
    };
    await vi.waitFor(look, PATIENCE_MS);
  });

  test('a port that leaves the bridge hears nothing more, and is heard again when it is back', async () => {
    await daemon.must('ip link set t2 nomaster');
    expect(await hosts[0].run('ping -n -c 1 -W 1 10.9.0.2')).toMatchObject({ status: 1 });
    await daemon.must('ip link set t2 master br0');
    expect(await hosts[0].must('ping -n -c 1 -W 5 10.9.0.2')).toContain('1 received');
  });

  test('an isolated pair cannot talk, but each can with the third', async () => {
    await daemon.must('bridge link set dev t1 isolated on');
    await daemon.must('bridge link set dev t2 isolated on');
    expect((await hosts[0].run('ping -n -c 1 -W 1 10.9.0.2')).status).toBe(1);
    await hosts[0].must('ping -n -c 1 -W 5 10.9.0.3');
    await hosts[1].must('ping -n -c 1 -W 5 10.9.0.3');
    expect((await daemon.status()).links.t1.drops.isolated).toBeGreaterThan(0);
    await daemon.must('bridge link set dev t1 isolated off');
    await hosts[0].must('ping -n -c 1 -W 5 10.9.0.2');
  });

  test('sluice ends cleanly and takes its devices with it', async () => {
    expect(await daemon.stop()).toBe(0);
    for (const host of hosts) expect((await host.links()).map(({ ifname }) => ifname)).toEqual(['lo']);
  });
});

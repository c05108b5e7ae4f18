/* A network from a file: what was built by commands is saved, and a new daemon has it again. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Daemon } from '../support/daemon.js';
import type { Host } from '../support/host.js';
import { until } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { sceneOfEach } from '../support/scene.js';

const missing = lackingNamespaces('ping');

describe.skipIf(missing)(titled('a configuration file', missing), () => {
  const scene = sceneOfEach();

  const yamlOf = (hosts: Host[]): string =>
    [
      'links:',
      '  br0: {type: bridge, ageing_time: 60s, up: on}',
      ...hosts.map(
        ({ name }, i) =>
          `  t${i + 1}: {type: tap, master: br0, up: on, peer: {name: eth0, netns: ${name}, addr: 10.9.0.${i + 1}/24, up: on}}`,
      ),
      'fdb:',
      '  - {mac: "02:00:00:00:00:0a", dev: t1, state: static}',
      '',
    ].join('\n');

  async function links(daemon: Daemon): Promise<unknown> {
    return (await daemon.links()).map(({ ifname, flags, mtu, master, linkinfo }) => ({
      ifname,
      flags,
      mtu,
      master,
      kind: linkinfo?.info_kind,
    }));
  }

  async function carriesTraffic(daemon: Daemon, hosts: Host[]): Promise<void> {
    for (const link of ['t1', 't2']) await until(`${link} has a carrier`, () => daemon.hasFlag(link, 'LOWER_UP'));
    expect(await hosts[0].must('ping -n -c 1 -W 5 10.9.0.2')).toContain('1 received');
    expect(await daemon.must('bridge fdb show')).toContain('02:00:00:00:00:0a dev t1 master br0 static');
  }

  test('sluice up -c FILE: ready means built', async () => {
    const hosts = await scene.current.hosts(2);
    const file = join(scene.current.folder(), 'sluice.yaml');
    writeFileSync(file, yamlOf(hosts));
    const daemon = await scene.current.daemon({ args: ['-c', file] });
    expect((await daemon.links()).map(({ ifname }) => ifname)).toEqual(['lo', 'br0', 't1', 't2']);
    await carriesTraffic(daemon, hosts);
  });

  test('what commands built survives a restart through config save', async () => {
    const hosts = await scene.current.hosts(2);
    const folder = scene.current.folder();
    const file = join(folder, 'saved.yaml');
    const daemon = await scene.current.daemon();
    await daemon.ip('link add br0 type bridge ageing_time 6000', 'link set br0 up');
    for (const [i, { name }] of hosts.entries()) {
      await daemon.ip(
        `link add t${i + 1} type tap peer name eth0 netns ${name} addr 10.9.0.${i + 1}/24 up`,
        `link set t${i + 1} master br0 up`,
      );
    }
    await daemon.must('bridge fdb add 02:00:00:00:00:0a dev t1 master static');
    await carriesTraffic(daemon, hosts);
    const before = await links(daemon);
    await daemon.must(`config save ${file}`);
    expect(readFileSync(file, 'utf8')).toBe(await daemon.must('config show'));
    expect(await daemon.stop()).toBe(0);

    const next = await scene.current.daemon({ args: ['-c', file] });
    await carriesTraffic(next, hosts);
    expect(await links(next)).toEqual(before);
    expect(await next.must('config show')).toBe(readFileSync(file, 'utf8'));
  });

  test('applying what is so changes nothing and disturbs nothing', async () => {
    const hosts = await scene.current.hosts(2);
    const file = join(scene.current.folder(), 'sluice.yaml');
    writeFileSync(file, yamlOf(hosts));
    const daemon = await scene.current.daemon({ args: ['-c', file] });
    await carriesTraffic(daemon, hosts);
    // Without operstate, which the kernel brings up to date some time after the carrier.
    const device = async () => ({ ...(await hosts[0].link('eth0')), operstate: '' });
    const before = await device();
    await daemon.must(`config apply ${file}`);
    expect(await device()).toEqual(before);
    await carriesTraffic(daemon, hosts);
  });

  test('applying another file makes the network that file’s', async () => {
    const hosts = await scene.current.hosts(3);
    const file = join(scene.current.folder(), 'sluice.yaml');
    writeFileSync(file, yamlOf(hosts));
    const daemon = await scene.current.daemon({ args: ['-c', file] });
    writeFileSync(file, yamlOf(hosts.slice(0, 2)));
    await daemon.must(`config apply ${file}`);
    expect((await daemon.links()).map(({ ifname }) => ifname)).toEqual(['lo', 'br0', 't1', 't2']);
    expect((await hosts[2].links()).map(({ ifname }) => ifname)).toEqual(['lo']);
    await carriesTraffic(daemon, hosts);
  });

  test('rules, sets and flows’ settings are saved, and left alone with their counters when applied again', async () => {
    const file = join(scene.current.folder(), 'gateway.yaml');
    const daemon = await scene.current.daemon();
    await daemon.ip(
      'netns add lan',
      'link add inside type veth peer name eth0 netns lan',
      'addr add 192.168.1.1/24 dev inside',
      'link set inside up',
    );
    await daemon.must('ip -n lan addr add 192.168.1.2/24 dev eth0');
    await daemon.must('ip -n lan link set eth0 up');
    await daemon.must('sysctl -w net.netfilter.nf_conntrack_max=1000');
    await daemon.must('ipset create banned hash:net timeout 60');
    await daemon.must('ipset add banned 192.168.1.128/25 timeout 0');
    await daemon.must('ipset add banned 192.168.1.64/26');
    await daemon.must('iptables -A INPUT -m set --match-set banned src -j DROP');
    await daemon.must('iptables -A INPUT -i inside -p icmp -m icmp --icmp-type echo-request -j ACCEPT');
    await daemon.must('-n lan ip6tables -P INPUT DROP');
    const ping = (next: Daemon): Promise<string> => next.must('-n lan ping -c 1 192.168.1.1');
    expect(await ping(daemon)).toContain('1 received');
    const saved = await daemon.must('config show');
    // What expires is not kept.
    expect(saved).toContain('  add banned 192.168.1.128/25 timeout 0\niptables: |');
    expect(saved).toContain('  net.netfilter.nf_conntrack_max: 1000\n');
    await daemon.must(`config save ${file}`);
    const counted = await daemon.must('iptables -nvL INPUT');
    expect(counted).toMatch(/^ +1 +84 ACCEPT +1 +-- +inside/m);
    await daemon.must(`config apply ${file}`);
    expect(await daemon.must('iptables -nvL INPUT')).toBe(counted);
    expect(await daemon.stop()).toBe(0);

    const next = await scene.current.daemon({ args: ['-c', file] });
    expect(await next.must('config show')).toBe(saved);
    expect(await ping(next)).toContain('1 received');
    expect(await next.must('-n lan ip6tables -S INPUT')).toBe('-P INPUT DROP\n');
    writeFileSync(file, saved.replace('--match-set banned src', '--match-set others src'));
    const { status, err } = await next.sluice(`config apply ${file}`);
    expect(status).not.toBe(0);
    expect(err).toMatch(
      /^cannot read configuration .*gateway\.yaml:\d+: iptables: there is no set "others"; say it under "ipset"\n$/,
    );
    expect(await next.must('config show')).toBe(saved);
  });
});

/*
 * What a namespace says and hears as a host, with the real programs at the other end: DHCP and router advertisements in both
 * directions, duplicate address detection, ping and traceroute beside the real ones.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AddressInfo } from '../../src/control/api/address.js';
import type { DhcpClientInfo, DhcpLeaseInfo } from '../../src/control/api/dhcp.js';
import type { Daemon } from '../support/daemon.js';
import type { Host } from '../support/host.js';
import { ENVIRONMENT, until } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, type Scene, sceneOfAll, sceneOfEach } from '../support/scene.js';

const SECONDS = 1000;
const TEST_MS = 60 * SECONDS;

function lackingTools(...tools: string[]): string {
  const missing = lackingNamespaces('ping');
  if (missing !== '') return missing;
  const absent = tools.find((tool) => spawnSync(tool, ['--version'], { env: ENVIRONMENT }).error !== undefined);
  return absent === undefined ? '' : `needs ${absent}`;
}

interface KernelAddress {
  addr_info: Array<{ family: string; local: string; prefixlen: number; scope: string; tentative?: boolean }>;
}

/** Addresses of a kernel device of one family, without link-local ones. */
async function kernelAddresses(host: Host, family: 'inet' | 'inet6'): Promise<string[]> {
  const [link] = JSON.parse(await host.must('ip -j addr show dev k0')) as KernelAddress[];
  const all = link.addr_info.filter((each) => each.family === family && each.scope === 'global' && !each.tentative);
  return all.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}

async function ownAddresses(daemon: Daemon): Promise<AddressInfo[]> {
  const found = await daemon.json<Array<{ addr_info: AddressInfo[] }>>('ip -n r -j addr show dev t1');
  return found[0].addr_info;
}

/** A namespace `r` with a TAP `t1`, whose other end is `k0` of a kernel host; nothing is up but lo. */
async function stage(scene: Scene): Promise<{ daemon: Daemon; host: Host }> {
  const host = await scene.host();
  await host.skipDuplicateDetection();
  const daemon = await scene.daemon();
  await daemon.must('ip netns add r');
  await daemon.must(`ip link add t1 address 02:00:00:00:00:01 type tap peer name k0 netns ${host.name}`);
  await daemon.must('ip link set t1 netns r');
  await daemon.must('ip -n r link set lo up');
  return { daemon, host };
}

async function bothUp(daemon: Daemon, host: Host): Promise<void> {
  await daemon.must('ip -n r link set t1 up');
  await host.ip('link set k0 up');
  await until('the link has a carrier', async () => (await host.link('k0'))?.operstate === 'UP');
}

const dhcpMissing = lackingTools('udhcpc', 'dhclient');

describe.skipIf(dhcpMissing)(titled('a DHCP server on a TAP', dhcpMissing), () => {
  let daemon: Daemon;
  let host: Host;
  let script: string;

  sceneOfAll(async (scene) => {
    ({ daemon, host } = await stage(scene));
    await bothUp(daemon, host);
    await daemon.must('ip -n r addr add 10.5.0.1/24 dev t1');
    await daemon.must(
      '-n r dhcp server add t1 pool 10.5.0.100-10.5.0.101 dns 9.9.9.9 domain example.org mtu 1400 lease 120 host 02:00:00:00:00:77 10.5.0.77 name vm77',
    );
    script = join(scene.folder(), 'udhcpc.sh');
    writeFileSync(
      script,
      [
        '#!/bin/sh',
        'echo "$1 ip=$ip/$mask router=$router dns=$dns domain=$domain mtu=$mtu lease=$lease broadcast=$broadcast"',
        '[ "$1" = bound ] && ip addr replace "$ip/$mask" dev "$interface"',
        'exit 0',
        '',
      ].join('\n'),
    );
    chmodSync(script, 0o755);
  });

  const udhcpc = (): Promise<string> => host.must(`udhcpc -i k0 -n -q -f -t 5 -T 2 -O mtu -s ${script}`);

  test('udhcpc gets an address and all that goes with it', { timeout: TEST_MS }, async () => {
    expect(await udhcpc()).toContain(
      'bound ip=10.5.0.100/24 router=10.5.0.1 dns=9.9.9.9 domain=example.org mtu=1400 lease=120 broadcast=10.5.0.255',
    );
    expect(await kernelAddresses(host, 'inet')).toEqual(['10.5.0.100/24']);
    expect(await host.must('ping -n -c 1 -W 5 10.5.0.1')).toContain('1 received');
    const { address } = (await host.link('k0')) ?? { address: '' };
    const leases = await daemon.json<DhcpLeaseInfo[]>('-n r dhcp -j leases');
    expect(leases).toMatchObject([{ dev: 't1', address: '10.5.0.100', mac: address, state: 'bound' }]);
  });

  test('it gets the same one again', { timeout: TEST_MS }, async () => {
    expect(await udhcpc()).toContain('bound ip=10.5.0.100/24');
  });

  test('dhclient, another client, gets the other one', { timeout: TEST_MS }, async () => {
    const program = host.start([
      'dhclient',
      '-1',
      '-v',
      '-d',
      '-lf',
      '/dev/null',
      '-pf',
      '/dev/null',
      '-sf',
      '/bin/true',
      'k0',
    ]);
    try {
      await program.says(/^bound to 10\.5\.0\.101 /m, 'err');
      expect(program.err).toContain('DHCPACK of 10.5.0.101 from 10.5.0.1');
    } finally {
      await program.stop('SIGTERM');
    }
  });

  test('a host that is known by its MAC gets its own', { timeout: TEST_MS }, async () => {
    await host.ip('link set k0 down', 'link set k0 address 02:00:00:00:00:77', 'link set k0 up');
    expect(await udhcpc()).toContain('bound ip=10.5.0.77/24');
  });

  test('and all frames are accounted for', { timeout: TEST_MS }, async () => {
    await daemon.must('-n r dhcp server del t1');
    expect(await daemon.must('-n r dhcp server')).toBe('');
    await daemon.must('ip -n r link set t1 down');
    await expectConserved(daemon);
  });
});

const missing = lackingTools();

describe.skipIf(missing)(titled('router advertisements on a TAP', missing), () => {
  const scene = sceneOfEach();

  test('let a kernel host configure itself, and are taken back', { timeout: TEST_MS }, async () => {
    const { daemon, host } = await stage(scene.current);
    await bothUp(daemon, host);
    await daemon.must('ip -n r addr add 2001:db8:5::1/64 dev t1');
    const { err } = await daemon.sluice('-n r radv add t1 interval 4 lifetime 30 mtu 1400 hoplimit 33');
    expect(err).toContain('while it does not forward IPv6');
    expect(await daemon.must('-n r radv')).toContain('not advertising: the link does not forward IPv6');
    await daemon.must('-n r sysctl -w net.ipv6.conf.all.forwarding=1');
    await until('the host has an address', async () => (await kernelAddresses(host, 'inet6')).length > 0);
    expect(await kernelAddresses(host, 'inet6')).toEqual([expect.stringMatching(/^2001:db8:5:0:/)]);
    const route = await host.must('ip -6 route show default');
    expect(route).toMatch(
      /^default via fe80::ff:fe00:1 dev k0 proto ra metric 1024 expires \d+sec mtu 1400 hoplimit 33/,
    );
    expect(await host.must('ping -n -c 1 -W 5 2001:db8:5::1')).toContain('1 received');
    await daemon.must('-n r radv del t1');
    await until('the default route goes', async () => (await host.must('ip -6 route show default')) === '');
  });
});

const uplinkMissing = lackingTools('dnsmasq', 'radvd');

describe.skipIf(uplinkMissing)(titled('an uplink', uplinkMissing), () => {
  const scene = sceneOfEach();

  test('is configured by dnsmasq, renews, and gives its address back', { timeout: TEST_MS }, async () => {
    const { daemon, host } = await stage(scene.current);
    await host.ip('addr add 10.6.0.1/24 dev k0');
    const words = ['-d', '-p', '0', '-i', 'k0', '--bind-interfaces', '--pid-file=', '-l', '/dev/null'];
    const range = ['--dhcp-range=10.6.0.50,10.6.0.60,120', '--dhcp-option=26,1450', '--dhcp-option=6,8.8.8.8'];
    await bothUp(daemon, host);
    const server = host.start(['dnsmasq', ...words, ...range, '--dhcp-authoritative']);
    scene.current.atEnd(() => server.stop('SIGTERM'));
    await server.says(/DHCP, IP range/, 'err');
    await daemon.must('-n r dhcp client add t1 hostname sluicebox');
    const client = async (): Promise<DhcpClientInfo> => (await daemon.json<DhcpClientInfo[]>('-n r dhcp -j client'))[0];
    await until('a lease is there', async () => (await client()).state === 'bound');
    expect(server.err).toMatch(/DHCPACK\(k0\) 10\.6\.0\.\d+ 02:00:00:00:00:01 sluicebox/);
    const { address } = await client();
    await until('the address is set', async () => (await ownAddresses(daemon)).some(({ family }) => family === 'inet'));
    expect((await ownAddresses(daemon))[0]).toMatchObject({
      family: 'inet',
      local: address?.split('/')[0],
      prefixlen: 24,
      broadcast: '10.6.0.255',
      dynamic: true,
    });
    await until('the route is set', async () =>
      (await daemon.must('ip -n r route')).startsWith('default via 10.6.0.1 dev t1 proto dhcp'),
    );
    expect(await daemon.must('ip -n r link show t1')).toContain('mtu 1450');
    expect(await daemon.must('-n r ping -c 1 -W 5 10.6.0.1')).toContain('1 received');
    await daemon.must('-n r dhcp client del t1');
    await server.says(/DHCPRELEASE\(k0\)/, 'err');
    expect((await ownAddresses(daemon)).filter(({ family }) => family === 'inet')).toEqual([]);
    expect(await daemon.must('ip -n r route')).toBe('');
    expect(await daemon.must('ip -n r link show t1')).toContain('mtu 1500');
  });

  test('listens to radvd, as a router too with accept_ra 2', { timeout: TEST_MS }, async () => {
    const { daemon, host } = await stage(scene.current);
    await host.must('sysctl -qw net.ipv6.conf.all.forwarding=1');
    const file = join(scene.current.folder(), 'radvd.conf');
    writeFileSync(
      file,
      `interface k0 { AdvSendAdvert on; MaxRtrAdvInterval 4; MinRtrAdvInterval 3; AdvDefaultLifetime 40; AdvLinkMTU 1420;
        AdvCurHopLimit 33; AdvRetransTimer 500; prefix 2001:db8:6::/64 { AdvValidLifetime 3600; AdvPreferredLifetime 1800; }; };`,
    );
    await host.ip('addr add 2001:db8:6::1/64 dev k0 nodad');
    await daemon.must('-n r sysctl -w net.ipv6.conf.all.forwarding=1 net.ipv6.conf.t1.accept_ra=2');
    await bothUp(daemon, host);
    const router = host.start(['radvd', '-n', '-C', file, '-p', join(scene.current.folder(), 'pid')]);
    scene.current.atEnd(() => router.stop('SIGTERM'));
    const slaac = async (): Promise<AddressInfo | undefined> =>
      (await ownAddresses(daemon)).find(({ local }) => local === '2001:db8:6::ff:fe00:1');
    await until(
      'there is an address that may be used',
      async () => (await slaac())?.tentative === undefined && (await slaac()) !== undefined,
    );
    expect(await slaac()).toMatchObject({ prefixlen: 64, dynamic: true, mngtmpaddr: true });
    const routes = await daemon.must('ip -n r -6 route');
    expect(routes).toMatch(/^2001:db8:6::\/64 dev t1 proto kernel metric 256 expires 3\d\d\dsec pref medium$/m);
    expect(routes).toMatch(
      /^default via fe80::\S+ dev t1 proto ra metric 1024 expires \d+sec mtu 1420 hoplimit 33 pref medium$/m,
    );
    expect(await daemon.must('-n r sysctl -n net.ipv6.conf.t1.mtu net.ipv6.conf.t1.hop_limit')).toBe('1420\n33\n');
    expect(await daemon.must('-n r sysctl -n net.ipv6.neigh.t1.retrans_time_ms')).toBe('500\n');
    expect(await daemon.must('-n r ping -c 1 -W 5 2001:db8:6::1')).toContain('1 received');
    await router.stop('SIGTERM');
    await until('the router is no default router any more', async () =>
      /^(?![\s\S]*default)/.test(await daemon.must('ip -n r -6 route')),
    );
  });
});

describe.skipIf(missing)(titled('duplicate address detection', missing), () => {
  const scene = sceneOfEach();

  test('finds the node that has the address already', { timeout: TEST_MS }, async () => {
    const { daemon, host } = await stage(scene.current);
    await host.ip('addr add fe80::ff:fe00:1/64 dev k0 nodad');
    await bothUp(daemon, host);
    await until('the address is known as a duplicate', async () =>
      (await ownAddresses(daemon)).some(({ dadfailed }) => dadfailed === true),
    );
    expect(await ownAddresses(daemon)).toMatchObject([{ local: 'fe80::ff:fe00:1', tentative: true, dadfailed: true }]);
    expect(daemon.program.err).toContain('another node has fe80::ff:fe00:1');
  });

  test('leaves alone what nobody else has', { timeout: TEST_MS }, async () => {
    const { daemon, host } = await stage(scene.current);
    await bothUp(daemon, host);
    await daemon.must('ip -n r addr add 2001:db8::1/64 dev t1');
    expect((await ownAddresses(daemon)).every(({ tentative }) => tentative === true)).toBe(true);
    await until('both addresses may be used', async () =>
      (await ownAddresses(daemon)).every(({ tentative }) => tentative !== true),
    );
    expect(await ownAddresses(daemon)).toHaveLength(2);
    expect(await host.must('ping -n -c 1 -W 5 fe80::ff:fe00:1%k0')).toContain('1 received');
  });
});

const probesMissing = lackingTools('traceroute');

/** Times, and what depends on them, are masked. */
function masked(text: string): string {
  return text
    .replace(/time=[\d.]+ ms/g, 'time=T')
    .replace(/, time \d+ms/g, ', time T')
    .replace(/= [\d./]+ ms(, pipe \d+)?/g, '= T')
    .replace(/ {2}\d+\.\d{3} ms/g, ' T')
    .replace(/^PING (\S+) \(\S+\)/gm, 'PING $1 ($1)');
}

describe.skipIf(probesMissing)(titled('ping and traceroute, beside the real ones', probesMissing), () => {
  let daemon: Daemon;
  let hosts: Host[];

  /** a ─ r ─ b, in the kernel and in Sluice; the second link has an MTU of 1,400. */
  sceneOfAll(async (scene) => {
    hosts = await scene.hosts(3);
    daemon = await scene.daemon();
    const names = ['a', 'r', 'b'];
    for (const name of names) await daemon.must(`ip netns add ${name}`);
    const kernel = (i: number, ...lines: string[]): Promise<void> => hosts[i].ip(...lines);
    const sluice = async (i: number, ...lines: string[]): Promise<void> => {
      for (const line of lines) await daemon.must(`ip -n ${names[i]} ${line}`);
    };
    for (const on of [kernel, sluice]) {
      const name = (i: number): string => (on === kernel ? hosts[i].name : names[i]);
      await on(
        1,
        `link add r0 type veth peer name e0 netns ${name(0)}`,
        `link add r1 type veth peer name e0 netns ${name(2)}`,
      );
      for (const i of [0, 1, 2]) await on(i, 'link set lo up');
      await on(0, 'addr add 10.1.0.2/24 dev e0', 'addr add 2001:db8:1::2/64 dev e0 nodad', 'link set e0 up');
      await on(2, 'addr add 10.2.0.2/24 dev e0', 'addr add 2001:db8:2::2/64 dev e0 nodad', 'link set e0 mtu 1400 up');
      for (const [link, net] of [
        ['r0', 1],
        ['r1', 2],
      ] as const)
        await on(
          1,
          `addr add 10.${net}.0.1/24 dev ${link}`,
          `addr add 2001:db8:${net}::1/64 dev ${link} nodad`,
          `link set ${link} up`,
        );
      await on(1, 'link set r1 mtu 1400');
      for (const [i, net] of [
        [0, 1],
        [2, 2],
      ] as const)
        await on(i, `route add default via 10.${net}.0.1`, `route add default via 2001:db8:${net}::1`);
    }
    await hosts[1].must('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
    await daemon.must('-n r sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
    // Errors of both are limited: here they would be told in another order.
    for (const [key, value] of [
      ['net.ipv4.icmp_ratelimit', 0],
      ['net.ipv6.icmp.ratelimit', 0],
    ] as const) {
      for (const i of [1, 2]) await hosts[i].must(`sysctl -qw ${key}=${value}`);
      for (const name of ['r', 'b']) await daemon.must(`-n ${name} sysctl -w ${key}=${value}`);
    }
    for (const address of ['10.2.0.2', '2001:db8:2::2']) {
      await hosts[0].must(`ping -n -c 1 -W 5 ${address}`);
      await daemon.must(`-n a ping -c 1 -W 5 ${address}`);
    }
  });

  test.each([
    // First, as the kernel limits these errors together with others, which it has not sent yet.
    'ping -n -c 1 -W 1 10.9.0.1',
    'ping -n -c 2 -i 0.2 10.2.0.2',
    'ping -n -q -c 2 -i 0.2 10.2.0.2',
    'ping -n -c 1 -t 1 10.2.0.2',
    'ping -n -c 1 10.1.0.99',
    'ping -n -c 1 -s 3000 10.1.0.1',
    'ping -n -c 2 -i 0.3 -M do -s 1472 10.2.0.2',
    'ping -n -c 1 -M do -s 1473 10.1.0.1',
    'ping -n -c 1 -s 8 10.1.0.1',
    'ping -n -c 1 -I e0 10.1.0.1',
    'ping -n -c 1 -I 10.1.0.2 10.1.0.1',
    'ping -n -c 1 -I 10.1.0.77 10.1.0.1',
    'ping -n -c 1 -I nodev 10.1.0.1',
    'ping -n -c 1 10.1.0.255',
    'ping -n -c 1 127.0.0.1',
    'ping -n -c 2 -i 0.2 2001:db8:2::2',
    'ping -n -c 1 -t 1 2001:db8:2::2',
    'ping -n -c 1 -W 1 2001:db8:9::1',
    'ping -n -c 1 2001:db8:1::99',
    'ping -n -c 1 -M do -s 1473 2001:db8:1::1',
    'ping -n -c 1 -I 2001:db8:1::2 2001:db8:1::1',
    'ping -n -w 1 -i 0.4 10.1.0.1',
    'traceroute -n -w 2 10.2.0.2',
    'traceroute -n -w 2 -I 10.2.0.2',
    'traceroute -n -w 2 -T 10.2.0.2',
    'traceroute -n -w 2 -U 10.2.0.2',
    'traceroute -n -w 2 -q 1 -f 2 10.2.0.2 100',
    'traceroute -n -w 2 2001:db8:2::2',
    'traceroute -n -w 2 -I 2001:db8:2::2',
    'traceroute -n -w 2 -T 2001:db8:2::2',
  ])('%s', { timeout: TEST_MS }, async (line) => {
    const real = await hosts[0].run(line);
    const ours = await daemon.sluice(`-n a ${line}`);
    expect(masked(ours.out)).toBe(masked(real.out));
    expect(ours.status).toBe(real.status);
    expect(ours.err.split('\n')[0]).toBe(real.err.split('\n')[0]);
  });

  test('leave nothing behind', { timeout: TEST_MS }, async () => {
    await expectConserved(daemon);
  });
});

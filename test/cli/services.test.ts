/* `sluice dhcp` and `sluice radv`: words into requests, answers into text. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDhcp } from '../../src/cli/dhcp.js';
import { parseRadv } from '../../src/cli/radv.js';
import { timeLeft } from '../../src/cli/service-words.js';
import type { DhcpClientInfo, DhcpLeaseInfo, DhcpServerInfo } from '../../src/control/api/dhcp.js';
import type { AdvertiserInfo } from '../../src/control/api/radv.js';
import { FakeDaemon } from './fake-daemon.js';
import { sluice, words } from './run.js';

const SERVER: DhcpServerInfo = {
  dev: 'br0',
  subnet: '10.0.0.0/24',
  pool: ['10.0.0.10', '10.0.0.20'],
  router: ['10.0.0.1'],
  dns: ['9.9.9.9'],
  domain: 'lan',
  mtu: 1400,
  lease_s: 600,
  hosts: [{ mac: '02:00:00:00:00:07', address: '10.0.0.7', name: 'seven' }],
  leases: 2,
};

const LEASE: DhcpLeaseInfo = {
  dev: 'br0',
  address: '10.0.0.10',
  mac: '02:00:00:00:00:01',
  id: '',
  name: 'vm',
  state: 'bound',
  expires: 3599,
};

const CLIENT: DhcpClientInfo = {
  dev: 'up0',
  state: 'bound',
  address: '10.6.0.55/24',
  server: '10.6.0.1',
  routers: ['10.6.0.1'],
  dns: ['8.8.8.8'],
  mtu: 1450,
  lease_s: 120,
  expires: 119,
};

const ADVERTISER: AdvertiserInfo = {
  dev: 'br0',
  max_interval: 30,
  prefixes: [{ prefix: '2001:db8::/64', valid: 600, on_link: true }],
  problem: 'the link is down or has no carrier',
  sent: 3,
  solicited: 1,
};

describe('dhcp', () => {
  let daemon: FakeDaemon;

  beforeAll(async () => {
    daemon = await FakeDaemon.start(({ op }) => {
      if (op === 'dhcp.server.list') return [SERVER];
      if (op === 'dhcp.leases') return [LEASE];
      if (op === 'dhcp.client.list') return [CLIENT, { dev: 'up1', state: 'selecting' }];
      if (op === 'ra.list') return [ADVERTISER];
      return op === 'ra.add' ? { warnings: ['sluice: nothing is advertised'] } : {};
    });
  });

  afterAll(() => daemon.stop());

  const run = (line: string) => sluice(words(line), daemon.socket);

  it('server add takes every option', () => {
    const line =
      'server add br0 subnet 10.0.0.0/24 pool 10.0.0.10-10.0.0.20 router 10.0.0.1 router 10.0.0.2 dns 9.9.9.9 ' +
      'domain lan mtu 1400 lease 12h host 02:00:00:00:00:07 10.0.0.7 name seven host id:0102 10.0.0.8';
    expect(parseDhcp(words(line)).requests).toEqual([
      {
        op: 'dhcp.server.add',
        dev: 'br0',
        options: {
          subnet: '10.0.0.0/24',
          pool: ['10.0.0.10', '10.0.0.20'],
          router: ['10.0.0.1', '10.0.0.2'],
          dns: ['9.9.9.9'],
          domain: 'lan',
          mtu: 1400,
          lease_s: 43_200,
          hosts: [
            { mac: '02:00:00:00:00:07', address: '10.0.0.7', name: 'seven' },
            { id: '0102', address: '10.0.0.8' },
          ],
        },
      },
    ]);
    expect(parseDhcp(words('server add br0 router none pool 10.0.0.1 10.0.0.2 lease forever')).requests).toMatchObject([
      { options: { router: [], pool: ['10.0.0.1', '10.0.0.2'], lease_s: 0xffffffff } },
    ]);
  });

  it('client add sets the MAC first, where one is given', () => {
    expect(parseDhcp(words('client add up0 hostname box metric 50 address 02:00:00:00:00:09')).requests).toEqual([
      { op: 'link.set', name: 'up0', address: '02:00:00:00:00:09' },
      { op: 'dhcp.client.add', dev: 'up0', options: { hostname: 'box', metric: 50 } },
    ]);
  });

  it.each([
    ['server del br0', { op: 'dhcp.server.del', dev: 'br0' }],
    ['server', { op: 'dhcp.server.list' }],
    ['server show br0', { op: 'dhcp.server.list', dev: 'br0' }],
    ['client del up0', { op: 'dhcp.client.del', dev: 'up0' }],
    ['leases', { op: 'dhcp.leases' }],
    ['leases br0', { op: 'dhcp.leases', dev: 'br0' }],
    ['lease del br0 10.0.0.10', { op: 'dhcp.lease.del', dev: 'br0', address: '10.0.0.10' }],
  ])('%s', (line, request) => {
    expect(parseDhcp(words(line)).requests).toEqual([request]);
  });

  it('shows servers, leases and clients', async () => {
    expect((await run('dhcp server')).out).toBe(
      [
        'br0: subnet 10.0.0.0/24 pool 10.0.0.10-10.0.0.20 router 10.0.0.1 dns 9.9.9.9 domain lan mtu 1400 lease 600s',
        '    host 02:00:00:00:00:07 10.0.0.7 name seven',
        '    leases 2',
        '',
      ].join('\n'),
    );
    expect((await run('dhcp leases')).out).toBe(
      [
        'address    mac                name  state  expires  link',
        '10.0.0.10  02:00:00:00:00:01  vm    bound  59m59s   br0',
        '',
      ].join('\n'),
    );
    expect((await run('dhcp client')).out).toBe(
      [
        'up0: bound address 10.6.0.55/24 server 10.6.0.1 router 10.6.0.1 dns 8.8.8.8 mtu 1450 expires 1m59s',
        'up1: selecting',
        '',
      ].join('\n'),
    );
    expect(JSON.parse((await run('dhcp -j leases')).out)).toEqual([LEASE]);
  });

  it.each([
    ['dhcp', 'cannot dhcp: it names no object: server, client or leases'],
    ['dhcp foo', 'cannot dhcp "foo": there is no such word'],
    ['dhcp server add', 'cannot dhcp: it names no link'],
    ['dhcp server add br0 foo', 'cannot dhcp "foo": there is no such word'],
    ['dhcp server add br0 mtu 70000', 'cannot dhcp mtu: "70000" is no number up to 65535'],
    ['dhcp server add br0 lease 1y', 'cannot dhcp lease: "1y" is no time'],
    ['dhcp server del br0 more', 'cannot dhcp "more": it is one word too many'],
    ['radv add br0 valid 5', 'cannot radv "valid": there is no such word'],
    ['radv add br0 managed maybe', 'cannot radv managed: "maybe" is neither on nor off'],
    ['radv add br0 interval x', 'cannot radv interval: "x" is no number of seconds, nor MIN-MAX'],
    ['radv foo', 'cannot radv "foo": there is no such word'],
  ])('%s is wrong usage', async (line, start) => {
    const { status, err } = await run(line);
    expect(status).toBe(2);
    expect(err.startsWith(start)).toBe(true);
  });

  it('radv add takes every option; those of a prefix follow it', () => {
    const line =
      'add br0 prefix 2001:db8::/64 valid forever preferred 1h autonomous off prefix 2001:db8:1::/64 interval 3-10 lifetime 30 ' +
      'preference high hoplimit 32 mtu 1400 reachable 20000 retrans 500 managed on other off dns 2001:db8::53 search lan';
    expect(parseRadv(words(line)).request).toEqual({
      op: 'ra.add',
      dev: 'br0',
      options: {
        prefixes: [
          { prefix: '2001:db8::/64', valid: 0xffffffff, preferred: 3600, autonomous: false },
          { prefix: '2001:db8:1::/64' },
        ],
        min_interval: 3,
        max_interval: 10,
        lifetime: 30,
        preference: 'high',
        hop_limit: 32,
        mtu: 1400,
        reachable_ms: 20_000,
        retrans_ms: 500,
        managed: true,
        other: false,
        dns: ['2001:db8::53'],
        search: ['lan'],
      },
    });
  });

  it('radv shows what is sent and why nothing is; warnings go to stderr', async () => {
    expect((await run('radv')).out).toBe(
      [
        'br0: interval 10-30',
        '    prefix 2001:db8::/64 valid 600 onlink on',
        '    sent 3 solicited 1',
        '    not advertising: the link is down or has no carrier',
        '',
      ].join('\n'),
    );
    expect(await run('radv add br0')).toEqual({ status: 0, out: '', err: 'sluice: nothing is advertised\n' });
  });

  it.each([
    [0, '0s'],
    [59, '59s'],
    [3600, '1h00m'],
    [90_061, '1d01h'],
  ])('%i s left is %s', (seconds, text) => {
    expect(timeLeft(seconds)).toBe(text);
  });
});

/*
 * Sysctls: names, values and ranges beside the kernel's, and what writing one does to others. The expectations of the second
 * part were read from Linux 6.18; test/e2e/namespaces.test.ts compares with the kernel that is there.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Call } from '../../src/control/engine-thread.js';
import type { Namespace } from '../../src/control/namespaces.js';
import { Network } from '../../src/control/network.js';
import { sysctlProblem } from '../../src/control/sysctl-keys.js';
import { BRIDGE, CONF4, CONF6, NEIGH4, NEIGH6, NET4, NET6 } from '../../src/control/sysctl-tables.js';
import { formatBitmap, parseBitmap } from '../../src/control/sysctl-units.js';
import { Conf4, Conf6, Net4, Net6 } from '../../src/route/conf.js';
import { type Recording, recordingEngine } from './recording-engine.js';

let engine: Recording;
let network: Network;
let red: Namespace;

const get = (key: string, of = red): string => of.sysctls.get(key).value;
const values = (...keys: string[]): string => keys.map((key) => get(key)).join(' ');

function set(key: string, value: string, of = red): Call[] {
  engine.take();
  network.setSysctl(key, value, of);
  return engine.take();
}

const refusal = (errno: string) => expect.objectContaining({ errno });

beforeEach(async () => {
  engine = recordingEngine();
  network = new Network(engine);
  network.addNamespace('red');
  red = network.namespaces.get('red');
  await network.add({ op: 'link.add', kind: 'dummy', name: 'd0' }, red);
  await network.add({ op: 'link.add', kind: 'dummy', name: 'd0.1' }, red);
});

describe('names', () => {
  it('are there for every setting that the datapath reads', () => {
    const keysOf = (...tables: ReadonlyArray<typeof CONF4>): Set<number> =>
      new Set(
        tables.flat().flatMap(({ key, isBitmap }) => Array.from({ length: isBitmap ? 8 : 1 }, (_, i) => key + i)),
      );
    const upTo = (count: number): number[] => Array.from({ length: count }, (_, key) => key);
    const lacking = (count: number, keys: Set<number>): number[] => upTo(count).filter((key) => !keys.has(key));
    const ofBridge = (row: string): typeof BRIDGE => BRIDGE.filter((sysctl) => sysctl.row === row);
    expect(lacking(Conf4.COUNT, keysOf(CONF4, NEIGH4))).toEqual([]);
    expect(lacking(Conf6.COUNT, keysOf(CONF6, NEIGH6))).toEqual([]);
    expect(lacking(Net4.COUNT, keysOf(NET4, ofBridge('net4')))).toEqual([]);
    expect(lacking(Net6.COUNT, keysOf(NET6, ofBridge('net6')))).toEqual([]);
  });

  it('are found with dots or slashes, a dot of a link as the other', () => {
    for (const key of ['net.ipv4.conf.d0/1.rp_filter', 'net/ipv4/conf/d0.1/rp_filter'])
      expect(red.sysctls.get(key)).toEqual({ key: 'net.ipv4.conf.d0/1.rp_filter', value: '0' });
    expect(() => get('net.ipv4.conf.d0.1.rp_filter')).toThrow(refusal('ENOENT'));
  });

  it.each([
    'net.ipv4.xyz',
    'net.ipv4.conf.nosuch.rp_filter',
    'net.ipv4.neigh.all.app_solicit',
    'net.ipv4',
    'kernel.hostname',
    '',
  ])('"%s" is none to read or write', (key) => {
    expect(() => get(key)).toThrow(refusal('ENOENT'));
    expect(() => set(key, '1')).toThrow(refusal(key === 'net.ipv4' ? 'EISDIR' : 'ENOENT'));
  });

  it("of all namespaces are the host's alone, and hold everywhere", () => {
    expect(() => get('net.ipv4.neigh.default.gc_thresh3')).toThrow(/it is one for all namespaces/);
    expect(() => get('net.ipv4.route.redirect_load')).toThrow(refusal('ENOENT'));
    expect(set('net.ipv4.neigh.default.gc_thresh3', '4096', network.host)).toEqual([
      ['setConf', 'net4', 0, Net4.NEIGH_GC_THRESH3, 4096],
      ['setConf', 'net4', 1, Net4.NEIGH_GC_THRESH3, 4096],
    ]);
    network.addNamespace('blue');
    const row = engine.calls.find(([name, table, number]) => name === 'setConfRow' && table === 'net4' && number === 2);
    const words = (row?.[3] ?? []) as Int32Array;
    expect(words[Net4.NEIGH_GC_THRESH3]).toBe(4096);
  });

  it('are listed in the order of their files, deprecated ones left out', () => {
    const keys = red.sysctls.list().map(({ key }) => key);
    expect(keys).toEqual([...keys].sort((a, b) => (a.replaceAll('.', '\0') < b.replaceAll('.', '\0') ? -1 : 1)));
    expect(keys).not.toContain('net.ipv4.neigh.d0.base_reachable_time');
    expect(get('net.ipv4.neigh.d0.base_reachable_time')).toBe('30');
    expect(red.sysctls.list('net.ipv4.conf.d0')).toHaveLength(CONF4.length);
  });
});

describe('values', () => {
  it.each([
    ['net.ipv4.conf.d0.rp_filter', '0x10', '16'],
    ['net.ipv4.conf.d0.rp_filter', '010', '8'],
    ['net.ipv4.conf.d0.rp_filter', '-1', '-1'],
    ['net.ipv4.conf.d0.rp_filter', ' 1 2', '1'],
    ['net.ipv4.neigh.d0.retrans_time_ms', '5', '8'],
    ['net.ipv4.neigh.d0.locktime', '67', '66'],
    ['net.ipv4.neigh.d0.gc_stale_time', '8589934', '8589934'],
    ['net.ipv4.ipfrag_time', '-1', '-1'],
    ['net.ipv4.ipfrag_high_thresh', '4294967296', '4294967296'],
    ['net.ipv6.icmp.ratemask', '3,1,2,200-203', '1-3,200-203'],
    ['net.ipv6.icmp.ratemask', '', ''],
  ])('%s=%s reads %s', (key, value, read) => {
    set(key, value);
    expect(get(key)).toBe(read);
  });

  it.each([
    ['net.ipv4.conf.d0.rp_filter', '2147483648'],
    ['net.ipv4.conf.d0.rp_filter', '08'],
    ['net.ipv4.conf.d0.rp_filter', ''],
    ['net.ipv4.conf.d0.rp_filter', '1x'],
    ['net.ipv4.ip_default_ttl', '0'],
    ['net.ipv4.ip_default_ttl', '256'],
    ['net.ipv4.neigh.d0.app_solicit', '-1'],
    ['net.ipv4.neigh.d0.gc_stale_time', '8589935'],
    ['net.ipv4.ipfrag_high_thresh', '3145727'],
    ['net.ipv4.ipfrag_low_thresh', '4194305'],
    ['net.ipv6.conf.d0.mtu', '1279'],
    ['net.ipv6.conf.d0.mtu', '1501'],
    ['net.ipv6.icmp.ratemask', '3-1'],
    ['net.ipv6.icmp.ratemask', '256'],
    ['net.ipv6.icmp.ratemask', '1,,2'],
  ])('%s=%s is refused', (key, value) => {
    const before = get(key);
    expect(() => set(key, value)).toThrow(refusal('EINVAL'));
    expect(get(key)).toBe(before);
  });

  it('go to the engine in ms and int32, and only when they change', () => {
    expect(set('net.ipv4.neigh.d0.gc_stale_time', '90')).toEqual([
      ['setConf', 'link4', network.get('d0', 'find', red).number, Conf4.NEIGH_GC_STALE_MS, 90_000],
    ]);
    expect(set('net.ipv4.neigh.d0.gc_stale_time', '90')).toEqual([]);
    expect(set('net.ipv4.ipfrag_high_thresh', '4294967296')).toEqual([
      ['setConf', 'net4', 1, Net4.IPFRAG_HIGH_THRESH, 2_147_483_647],
    ]);
    expect(set('net.ipv6.conf.d0.addr_gen_mode', '1')).toEqual([]);
    expect(() => set('net.ipv4.conf.d0.mc_forwarding', '1')).toThrow(refusal('EACCES'));
  });

  it('of bitmaps come back as they were', () => {
    for (const text of ['', '0', '255', '0-255', '0-1,3-127', '31-32,64'])
      expect(formatBitmap(parseBitmap(text, 256) ?? [])).toBe(text);
  });
});

describe('effects', () => {
  const forwarding = ['all', 'default', 'lo', 'd0'].map((name) => `net.ipv4.conf.${name}.forwarding`);
  const all = (key: string): string[] => ['all', 'default', 'lo', 'd0'].map((name) => `net.ipv6.conf.${name}.${key}`);

  it('ip_forward is that of all, and goes to default and every link', () => {
    set('net.ipv4.ip_forward', '1');
    expect(values(...forwarding, 'net.ipv4.conf.all.accept_redirects')).toBe('1 1 1 1 0');
    set('net.ipv4.conf.all.accept_redirects', '1');
    set('net.ipv4.conf.all.forwarding', '1');
    expect(get('net.ipv4.conf.all.accept_redirects')).toBe('1');
    set('net.ipv4.conf.d0.forwarding', '0');
    expect(values('net.ipv4.ip_forward', ...forwarding)).toBe('1 1 1 1 0');
    set('net.ipv4.conf.all.forwarding', '0');
    expect(values('net.ipv4.ip_forward', 'net.ipv4.conf.all.accept_redirects')).toBe('0 1');
  });

  it('default goes to links that nobody has set, until they have an address', async () => {
    const keys = ['lo', 'd0', 'd0/1'].map((name) => `net.ipv4.conf.${name}.rp_filter`);
    set('net.ipv4.conf.d0.rp_filter', '0');
    red.sysctls.pin4(network.get('d0.1', 'find', red));
    set('net.ipv4.conf.default.rp_filter', '2');
    expect(values(...keys)).toBe('2 0 0');
    await network.add({ op: 'link.add', kind: 'dummy', name: 'd1' }, red);
    expect(get('net.ipv4.conf.d1.rp_filter')).toBe('2');
    set('net.ipv4.conf.default.rp_filter', '1');
    expect(get('net.ipv4.conf.d1.rp_filter')).toBe('2');
  });

  it('of IPv6, default goes to new links only, and a few of all to everything', async () => {
    set('net.ipv6.conf.default.hop_limit', '9');
    expect(get('net.ipv6.conf.d0.hop_limit')).toBe('64');
    await network.add({ op: 'link.add', kind: 'dummy', name: 'd1' }, red);
    expect(values('net.ipv6.conf.d1.hop_limit', 'net.ipv6.conf.d1.accept_dad')).toBe('9 -1');
    for (const key of ['forwarding', 'disable_ipv6', 'ignore_routes_with_linkdown', 'addr_gen_mode']) {
      set(`net.ipv6.conf.all.${key}`, '1');
      expect(values(...all(key))).toBe('1 1 1 1');
    }
    set('net.ipv6.conf.all.proxy_ndp', '1');
    expect(values(...all('proxy_ndp'))).toBe('1 0 0 0');
  });

  it("the MTU of IPv6 follows the link's; a link below 1280 has none of its keys", async () => {
    set('net.ipv6.conf.d0.mtu', '1300');
    await network.set({ op: 'link.set', name: 'd0', mtu: 1400 }, red);
    expect(get('net.ipv6.conf.d0.mtu')).toBe('1400');
    await network.set({ op: 'link.set', name: 'd0', mtu: 1279 }, red);
    expect(() => get('net.ipv6.conf.d0.mtu')).toThrow(refusal('ENOENT'));
    expect(get('net.ipv4.conf.d0.rp_filter')).toBe('0');
  });

  it('addrgenmode is addr_gen_mode', async () => {
    await network.set({ op: 'link.set', name: 'd0', addr_gen_mode: 'none' }, red);
    expect(get('net.ipv6.conf.d0.addr_gen_mode')).toBe('1');
    set('net.ipv6.conf.d0.addr_gen_mode', '0');
    expect((await network.list('d0', red))[0].inet6_addr_gen_mode).toBe('eui64');
  });

  it("a new namespace has the host's net.ipv4.conf, and all else as it is at first", () => {
    set('net.ipv4.ip_forward', '1', network.host);
    set('net.ipv4.ip_default_ttl', '9', network.host);
    set('net.ipv6.conf.all.forwarding', '1', network.host);
    network.addNamespace('blue');
    const blue = network.namespaces.get('blue');
    const keys = ['net.ipv4.ip_forward', 'net.ipv4.conf.lo.forwarding', 'net.ipv4.ip_default_ttl'];
    expect([...keys, 'net.ipv6.conf.all.forwarding'].map((key) => get(key, blue))).toEqual(['1', '1', '64', '0']);
    expect(get('net.ipv4.ip_forward')).toBe('0');
  });

  it("neighbour settings of default are the host's, and those of every new link", async () => {
    set('net.ipv4.neigh.default.app_solicit', '7', network.host);
    expect(get('net.ipv4.neigh.lo.app_solicit', network.host)).toBe('7');
    expect(get('net.ipv4.neigh.d0.app_solicit')).toBe('0');
    await network.add({ op: 'link.add', kind: 'dummy', name: 'd1' }, red);
    expect(get('net.ipv4.neigh.d1.app_solicit')).toBe('7');
  });
});

describe('a setting that has no effect', () => {
  it.each(['net.ipv4.conf.all.log_martians', 'net.ipv4.conf.d0.src_valid_mark', 'net.ipv4.fib_multipath_use_neigh'])(
    '%s is refused by name, but for "off"',
    (key) => {
      expect(() => set(key, '1')).toThrow(refusal('EOPNOTSUPP'));
      expect(() => set(key, '0')).not.toThrow();
      expect(get(key)).toBe('0');
    },
  );
});

describe('net.bridge', () => {
  const name = (key: string): string => `net.bridge.bridge-nf-${key}`;

  it('says whether bridged packets pass iptables, in each namespace for itself', () => {
    expect(values(name('call-iptables'), name('call-ip6tables'))).toBe('0 0');
    expect(set(name('call-iptables'), '1')).toEqual([['setConf', 'net4', red.number, Net4.BRIDGE_NF_CALL, 1]]);
    expect(set(name('call-ip6tables'), '1')).toEqual([['setConf', 'net6', red.number, Net6.BRIDGE_NF_CALL, 1]]);
    expect(values(name('call-iptables'), name('call-ip6tables'))).toBe('1 1');
    expect(get(name('call-iptables'), network.namespaces.get('host'))).toBe('0');
    expect(() => set(name('call-iptables'), '2')).toThrow(refusal('EINVAL'));
    expect(red.sysctls.changed().map(({ key }) => key)).toEqual([name('call-iptables'), name('call-ip6tables')]);
  });

  it.each(['call-arptables', 'filter-pppoe-tagged', 'filter-vlan-tagged', 'pass-vlan-input-dev'])(
    'has %s, which cannot be set',
    (key) => {
      expect(get(name(key))).toBe('0');
      expect(set(name(key), '0')).toEqual([]);
      expect(() => set(name(key), '1')).toThrow(`cannot set ${name(key)}: it has no effect here yet; leave it at 0`);
    },
  );

  it('is listed, and known to the configuration', () => {
    expect(red.sysctls.list('net.bridge').map(({ key }) => key)).toEqual(BRIDGE.map((one) => `net.bridge.${one.name}`));
    expect(sysctlProblem(name('call-iptables'), '1', false)).toBeUndefined();
    expect(sysctlProblem(name('call-arptables'), '1', false)).toBe('it has no effect here yet; leave it at 0');
    expect(() => get('net.bridge.nosuch')).toThrow(refusal('ENOENT'));
    expect(() => set('net.bridge', '1')).toThrow(refusal('EISDIR'));
  });
});

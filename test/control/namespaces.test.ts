/*
 * Namespaces and the links inside them, over an engine that only writes down. What the kernel has (veth, bridges) is compared
 * with it in test/e2e/namespaces.test.ts; vlans and dummies, which not every kernel has, by the rules of net/8021q.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import type { AddLink, LinkInfo, SetLink } from '../../src/control/api/link.js';
import type { Call } from '../../src/control/engine-thread.js';
import type { Link } from '../../src/control/link.js';
import type { LinkChange, LinkObserver } from '../../src/control/link-observer.js';
import { Network } from '../../src/control/network.js';
import { LinkKind } from '../../src/core/links.js';
import { type Recording, recordingEngine } from './recording-engine.js';

let engine: Recording;
let network: Network;

function add(name: string | undefined, kind: AddLink['kind'], more: Partial<AddLink> = {}, ns?: string) {
  const named = name === undefined ? {} : { name };
  return network.add({ op: 'link.add', kind, ...named, ...more }, network.namespaces.get(ns));
}

function set(name: string, more: Partial<SetLink>, ns?: string) {
  return network.set({ op: 'link.set', name, ...more }, network.namespaces.get(ns));
}

function del(name: string, ns?: string) {
  return network.remove({ op: 'link.del', name }, network.namespaces.get(ns));
}

function link(name: string, ns?: string): Link {
  return network.get(name, 'find', network.namespaces.get(ns));
}

async function info(name: string, ns?: string): Promise<LinkInfo> {
  return (await network.list(name, network.namespaces.get(ns)))[0];
}

async function flags(name: string, ns?: string): Promise<string> {
  const { flags: list, operstate } = await info(name, ns);
  return `${list.join(',')} ${operstate}`;
}

function names(ns?: string): string[] {
  return network.namespaces
    .get(ns)
    .inOrder()
    .map(({ ifindex, name }) => `${ifindex} ${name}`);
}

const refusal = (errno: string, extack?: string) =>
  expect.objectContaining({ errno, ...(extack === undefined ? {} : { extack }) });

beforeEach(() => {
  engine = recordingEngine();
  network = new Network(engine);
  engine.take();
});

describe('namespaces', () => {
  it('starts with the loopback, down', async () => {
    network.addNamespace('red');
    expect(engine.take()).toEqual([['addNamespace', 1, 2]]);
    expect(names('red')).toEqual(['1 lo']);
    expect(await info('lo', 'red')).toMatchObject({
      flags: ['LOOPBACK'],
      mtu: 65536,
      qdisc: 'noop',
      operstate: 'DOWN',
      link_type: 'loopback',
      address: '00:00:00:00:00:00',
      broadcast: '00:00:00:00:00:00',
    });
    await set('lo', { up: true }, 'red');
    expect(await flags('lo', 'red')).toBe('LOOPBACK,UP,LOWER_UP UNKNOWN');
  });

  it('are listed newest first, without the host, with the ids that the asking one knows', async () => {
    for (const name of ['red', 'blue', 'green']) network.addNamespace(name);
    await add('v0', 'veth', { veth: { peer: { name: 'v1', netns: 'blue' } } });
    expect(network.listNamespaces()).toEqual([{ name: 'green' }, { name: 'blue', id: 0 }, { name: 'red' }]);
    expect(network.listNamespaces(network.namespaces.get('blue'))).toEqual([
      { name: 'green' },
      { name: 'blue' },
      { name: 'red' },
    ]);
  });

  it('gives ids of namespaces that are gone to others', async () => {
    for (const name of ['a', 'b', 'c']) network.addNamespace(name);
    for (const name of ['a', 'b']) await add(`v${name}`, 'veth', { veth: { peer: { netns: name } } });
    network.removeNamespace('a');
    await add('vc', 'veth', { veth: { peer: { netns: 'c' } } });
    expect(network.listNamespaces()).toEqual([
      { name: 'c', id: 0 },
      { name: 'b', id: 1 },
    ]);
  });

  it.each([
    ['red', 'EEXIST'],
    ['host', 'EEXIST'],
    ['a/b', 'EINVAL'],
    ['..', 'EINVAL'],
    ['', 'EINVAL'],
  ])('is not added as "%s": %s', (name, errno) => {
    network.addNamespace('red');
    expect(() => network.addNamespace(name)).toThrow(refusal(errno));
  });

  it('is not deleted if it is not there, or the host', () => {
    expect(() => network.removeNamespace('red')).toThrow(refusal('ENOENT'));
    expect(() => network.removeNamespace('host')).toThrow(refusal('EBUSY'));
    expect(() => network.namespaces.get('red')).toThrow(refusal('ENOENT'));
  });

  it('takes its links with it, and the other ends of veths; ports go back to the host', async () => {
    network.addNamespace('red');
    await add('v0', 'veth', { veth: { peer: { name: 'v1', netns: 'red' } } });
    await add('br0', 'bridge', {}, 'red');
    await add('m0', 'memory', { master: 'br0', up: true }, 'red');
    await add('m0', 'memory');
    engine.take();
    network.removeNamespace('red');
    expect(names()).toEqual(['1 lo', '3 m0', '4 dev4']);
    expect(link('dev4').isUp).toBe(false);
    expect(link('dev4').master).toBeUndefined();
    const calls = engine.take();
    expect(calls.at(-1)).toEqual(['removeNamespace', 1]);
    expect(calls.filter(([name]) => name === 'removeLink')).toHaveLength(4);
    expect(() => network.namespaces.get('red')).toThrow();
  });

  it('uses numbers of what is gone again, and names in each namespace for itself', async () => {
    network.addNamespace('red');
    await add('x', 'dummy');
    const { number } = link('x');
    await del('x');
    await add('x', 'dummy', {}, 'red');
    expect(link('x', 'red').number).toBe(number);
    await add('x', 'dummy');
    expect(link('x').ifindex).toBe(3);
    await expect(add('x', 'dummy')).rejects.toThrow(refusal('EEXIST'));
  });
});

describe('veth', () => {
  it('is a pair, the other end first', async () => {
    await add('v0', 'veth', { veth: { peer: { name: 'v1' } } });
    expect(names()).toEqual(['1 lo', '2 v1', '3 v0']);
    expect(engine.take()).toEqual([
      ['addVirtual', 2, LinkKind.VETH, 1500, 0],
      ['addVirtual', 3, LinkKind.VETH, 1500, 0],
      ['setPeer', 3, 2],
    ]);
    expect(await info('v0')).toMatchObject({ link: 'v1', linkinfo: { info_kind: 'veth' } });
  });

  it('has a carrier while both ends are up', async () => {
    await add('v0', 'veth', { veth: { peer: { name: 'v1' } } });
    expect(await flags('v0')).toBe('BROADCAST,MULTICAST,M-DOWN DOWN');
    await set('v0', { up: true });
    expect(await flags('v0')).toBe('NO-CARRIER,BROADCAST,MULTICAST,UP,M-DOWN LOWERLAYERDOWN');
    engine.take();
    await set('v1', { up: true });
    expect(engine.take()).toEqual([
      ['setUp', 2, true],
      ['setCarrier', 2, true],
      ['setCarrier', 3, true],
    ]);
    expect(await flags('v0')).toBe('BROADCAST,MULTICAST,UP,LOWER_UP UP');
    await set('v1', { up: false });
    expect(await flags('v0')).toBe('NO-CARRIER,BROADCAST,MULTICAST,UP,M-DOWN LOWERLAYERDOWN');
  });

  it('crosses namespaces by index and id', async () => {
    network.addNamespace('red');
    await add('v0', 'veth', {
      veth: { peer: { name: 'eth0', netns: 'red', mtu: 9000, address: '02:00:00:00:00:07' } },
    });
    expect(await info('v0')).toMatchObject({ link_index: 2, link_netnsid: 0, link_netns: 'red' });
    expect(await info('eth0', 'red')).toMatchObject({
      link_index: 2,
      link_netnsid: 0,
      link_netns: 'host',
      mtu: 9000,
      address: '02:00:00:00:00:07',
    });
  });

  it('takes the first free names, and the MTU for both ends where only one is described', async () => {
    await add(undefined, 'veth', { mtu: 1400 });
    expect(names()).toEqual(['1 lo', '2 veth0', '3 veth1']);
    expect(link('veth0').mtu).toBe(1400);
    await add('a', 'veth', { mtu: 1300, veth: { peer: {} } });
    expect(link('veth2').mtu).toBe(1500);
  });

  it('goes with its other end', async () => {
    network.addNamespace('red');
    await add('v0', 'veth', { veth: { peer: { name: 'v1', netns: 'red' } } });
    await del('v1', 'red');
    expect(names()).toEqual(['1 lo']);
    expect(names('red')).toEqual(['1 lo']);
  });

  it.each([
    ['both ends of one name', { peer: { name: 'v0' } }, 'EEXIST'],
    ['a name that is taken', { peer: { name: 'lo' } }, 'EEXIST'],
    ['an end that is up before there is another', { peer: { up: true } }, 'ENOTCONN'],
    ['a namespace that is not there', { peer: { netns: 'nosuch' } }, 'ENOENT'],
    ['an MTU that is too small', { peer: { mtu: 67 } }, 'EINVAL'],
  ])('is refused: %s', async (_, veth, errno) => {
    await expect(add('v0', 'veth', { veth })).rejects.toThrow(refusal(errno));
    expect(names()).toEqual(['1 lo']);
  });
});

describe('moving', () => {
  beforeEach(async () => {
    network.addNamespace('red');
    await add('br0', 'bridge');
    await add('v0', 'veth', { up: true, veth: { peer: { name: 'v1' } } });
    await set('v0', { master: 'br0' });
    engine.take();
  });

  it('sets it down, takes it out of its bridge, and gives it the settings of its new place', async () => {
    network.setSysctl('net.ipv4.conf.v0.rp_filter', '1');
    network.setSysctl('net.ipv4.conf.default.rp_filter', '2', network.namespaces.get('red'));
    engine.take();
    await set('v0', { netns: 'red' });
    expect(engine.take().map(([name]) => name)).toEqual([
      'setPort',
      'setStorm',
      'setStorm',
      'setStorm',
      'setUp',
      'setMaster',
      'removeStation',
      'setNamespace',
    ]);
    expect(await flags('v0', 'red')).toBe('BROADCAST,MULTICAST DOWN');
    expect(await info('v0', 'red')).toMatchObject({ ifindex: 4, qdisc: 'noop', link_index: 3 });
    expect(network.namespaces.get('red').sysctls.get('net.ipv4.conf.v0.rp_filter').value).toBe('2');
  });

  it('renames and sets up in the new place; an index that is taken there is another', async () => {
    for (const name of ['d2', 'd3', 'd4']) await add(name, 'dummy', {}, 'red');
    await set('v0', { netns: 'red', rename: 'eth0', up: true });
    expect(names('red')).toEqual(['1 lo', '2 d2', '3 d3', '4 d4', '5 eth0']);
    expect(link('eth0', 'red').isUp).toBe(true);
  });

  it('is refused for bridges and the loopback, and where the name is taken', async () => {
    const immutable = refusal('EINVAL', 'The interface netns is immutable');
    await expect(set('br0', { netns: 'red' })).rejects.toThrow(immutable);
    await expect(set('lo', { netns: 'red' })).rejects.toThrow(immutable);
    await add('v0', 'dummy', {}, 'red');
    await expect(set('v0', { netns: 'red' })).rejects.toThrow(
      refusal('EEXIST', 'An interface with the same name exists in the target netns'),
    );
    await expect(set('v0', { netns: 'nosuch' })).rejects.toThrow(refusal('ENOENT'));
    await set('br0', { netns: 'host' });
  });
});

describe('vlan', () => {
  const on = (lower: string, id: number, more: Partial<AddLink> = {}): Partial<AddLink> => ({
    link: lower,
    vlan: { id },
    ...more,
  });

  beforeEach(async () => {
    await add('eth0', 'dummy', { address: '02:00:00:00:00:01', mtu: 1400 });
    engine.take();
  });

  it('is as what it lies on', async () => {
    await add('eth0.10', 'vlan', on('eth0', 10, { vlan: { id: 10, protocol: '802.1ad' } }));
    expect(engine.take()).toEqual([
      ['addVirtual', 3, LinkKind.VLAN, 1400, 0],
      ['setVlan', 3, 2, (0x88a8 << 16) | 10],
    ]);
    expect(await info('eth0.10')).toMatchObject({
      link: 'eth0',
      flags: ['BROADCAST', 'NOARP', 'M-DOWN'],
      mtu: 1400,
      address: '02:00:00:00:00:01',
      min_mtu: 0,
      max_mtu: 65535,
      linkinfo: { info_kind: 'vlan', info_data: { protocol: '802.1ad', id: 10, flags: ['REORDER_HDR'] } },
    });
  });

  it('goes up and down with it, and has its carrier', async () => {
    await add('v0', 'veth', { veth: { peer: { name: 'v1' } } });
    await add('v0.5', 'vlan', on('v0', 5));
    await expect(set('v0.5', { up: true })).rejects.toThrow(refusal('ENETDOWN'));
    await set('v0', { up: true });
    expect(await flags('v0.5')).toBe('NO-CARRIER,BROADCAST,MULTICAST,UP LOWERLAYERDOWN');
    await set('v1', { up: true });
    expect(await flags('v0.5')).toBe('BROADCAST,MULTICAST,UP,LOWER_UP UP');
    await set('v0.5', { up: false });
    expect(await flags('v0.5')).toBe('BROADCAST,MULTICAST DOWN');
    await set('v0', { up: false });
    await set('v0', { up: true });
    expect(link('v0.5').isUp).toBe(true);
  });

  it('follows its MTU down but not up, and its address until it has one of its own', async () => {
    await set('eth0', { up: true });
    await add('a', 'vlan', on('eth0', 1, { up: true }));
    await add('b', 'vlan', on('eth0', 2, { up: true, mtu: 1000, address: '02:00:00:00:00:0b' }));
    await set('eth0', { mtu: 1200, address: '02:00:00:00:00:02' });
    expect([link('a').mtu, link('b').mtu]).toEqual([1200, 1000]);
    await set('eth0', { mtu: 1500 });
    expect(link('a').mtu).toBe(1200);
    expect((await info('a')).address).toBe('02:00:00:00:00:02');
    expect((await info('b')).address).toBe('02:00:00:00:00:0b');
    await expect(set('a', { mtu: 1501 })).rejects.toThrow(refusal('ERANGE'));
  });

  it('goes with it, and with what lies on itself; not when that moves', async () => {
    network.addNamespace('red');
    await set('eth0', { up: true });
    await add('a', 'vlan', on('eth0', 1, { up: true }));
    await add('a.2', 'vlan', on('a', 2, { up: true }));
    await set('eth0', { netns: 'red' });
    expect(await info('a')).toMatchObject({ link_index: 2, link_netnsid: 0, link_netns: 'red', operstate: 'DOWN' });
    expect([link('a').isUp, link('a.2').isUp]).toEqual([false, false]);
    await del('eth0', 'red');
    expect(names()).toEqual(['1 lo']);
  });

  it('is made in another namespace on a link of this one', async () => {
    network.addNamespace('red');
    await add('a', 'vlan', on('eth0', 1, { netns: 'red' }));
    expect(await info('a', 'red')).toMatchObject({ link_index: 2, link_netns: 'host', mtu: 1400 });
  });

  it('can be a port of a bridge, but not of one that it lies on', async () => {
    await add('br0', 'bridge');
    await add('br0.1', 'vlan', on('br0', 1));
    await expect(set('br0.1', { master: 'br0' })).rejects.toThrow(refusal('EBUSY'));
    await set('eth0', { up: true });
    await add('eth0.1', 'vlan', on('eth0', 1, { up: true, master: 'br0' }));
    await set('br0', { up: true });
    expect((await info('eth0.1')).promiscuity).toBe(1);
    expect((await info('eth0')).promiscuity).toBe(1);
    expect((await info('br0')).operstate).toBe('UP');
  });

  it.each<[string, Partial<AddLink>, string, string | undefined]>([
    ['without an id', { link: 'eth0' }, 'EINVAL', 'VLAN id not specified'],
    ['without a link', { vlan: { id: 1 } }, 'EINVAL', 'link not specified'],
    ['on a link that is not there', on('nosuch', 1), 'ENODEV', undefined],
    ['on the loopback', on('lo', 1), 'EOPNOTSUPP', 'VLANs not supported on device'],
    ['with an id that is none', on('eth0', 4095), 'ERANGE', 'Invalid VLAN id'],
    ['a second time', on('eth0', 7), 'EEXIST', 'VLAN device already exists'],
    ['with a greater MTU', on('eth0', 8, { mtu: 1401 }), 'EINVAL', undefined],
    ['up on a link that is down', on('eth0', 8, { up: true }), 'ENETDOWN', undefined],
  ])('is refused %s', async (_, request, errno, extack) => {
    await add('eth0.7', 'vlan', on('eth0', 7));
    await expect(add('x', 'vlan', request)).rejects.toThrow(refusal(errno, extack));
    expect(names()).toEqual(['1 lo', '2 eth0', '3 eth0.7']);
    await add('eth0.7ad', 'vlan', on('eth0', 7, { vlan: { id: 7, protocol: '802.1ad' } }));
  });
});

describe('dummy, loopback and bridge', () => {
  it('a dummy is there at once', async () => {
    await add(undefined, 'dummy');
    expect(await info('dummy0')).toMatchObject({ flags: ['BROADCAST', 'NOARP'], min_mtu: 0, max_mtu: 0 });
    await set('dummy0', { up: true, mtu: 100_000 });
    expect(await flags('dummy0')).toBe('BROADCAST,NOARP,UP,LOWER_UP UNKNOWN');
  });

  it('the loopback stays, and is no port', async () => {
    await add('br0', 'bridge');
    await expect(del('lo')).rejects.toThrow(refusal('EOPNOTSUPP'));
    await expect(set('lo', { master: 'br0' })).rejects.toThrow(refusal('EINVAL'));
    await set('lo', { mtu: 0, address: '02:00:00:00:00:09' });
    expect((await info('lo')).address).toBe('02:00:00:00:00:09');
  });

  it('a bridge has a carrier until it has had a port', async () => {
    await add('br0', 'bridge', { up: true });
    expect(await flags('br0')).toBe('BROADCAST,MULTICAST,UP,LOWER_UP UNKNOWN');
    await add('d0', 'dummy', { master: 'br0' });
    expect(await flags('br0')).toBe('NO-CARRIER,BROADCAST,MULTICAST,UP DOWN');
    await set('d0', { up: true });
    expect(await flags('br0')).toBe('BROADCAST,MULTICAST,UP,LOWER_UP UP');
    await del('d0');
    expect(await flags('br0')).toBe('NO-CARRIER,BROADCAST,MULTICAST,UP DOWN');
  });

  it('tells the engine of every address', async () => {
    await add('br0', 'bridge');
    await add('d0', 'dummy', { address: '02:00:00:00:00:05', master: 'br0' });
    await set('d0', { address: '02:00:00:00:00:06' });
    const macs = engine.calls.filter(([name]) => name === 'setMac').map(([, number, , low]) => [number, low]);
    expect(macs.slice(-2)).toEqual([
      [3, 0x06000000],
      [2, 0x06000000],
    ]);
  });
});

describe('the observer', () => {
  const heard: string[] = [];
  const say = (link: Link, what: LinkChange): string =>
    `${link.namespace.name}/${link.name} ${Object.keys(what).join('+')}`;
  const observer: LinkObserver = {
    namespaceAdded: ({ name }) => void heard.push(`+${name}`),
    namespaceRemoved: ({ name }) => void heard.push(`-${name}`),
    linkAdded: (link) => void heard.push(`${say(link, {})}added`),
    linkRemoved: (link, calls: Call[]) => {
      heard.push(`${say(link, {})}removed`);
      calls.push(['setRules', link.number, 4, new Int32Array(0)]);
    },
    linkChanged: (link, what) => void heard.push(say(link, what)),
    linkMoved: (link, from) => void heard.push(`${say(link, {})}moved from ${from.name}`),
    settingChanged: (namespace, { name, family, link, to }) =>
      void heard.push(`${namespace.name}/${link?.name ?? ''} ${family}.${name}=${to}`),
  };

  it('hears of everything once, in order', async () => {
    network.observe(observer);
    expect(heard.splice(0)).toEqual(['+host', 'host/lo added']);
    network.addNamespace('red');
    await add('v0', 'veth', { up: true, veth: { peer: { name: 'v1', netns: 'red' } } });
    await set('v1', { up: true, mtu: 1400 }, 'red');
    expect(heard.splice(0)).toEqual([
      '+red',
      'red/lo added',
      'red/v1 added',
      'host/v0 added',
      'host/v0 up',
      'red/v1 mtu',
      'red/v1 up+carrier',
      'host/v0 carrier',
    ]);
    await set('v0', { netns: 'red', rename: 'v9' });
    expect(heard.splice(0)).toEqual(['host/v0 up+carrier', 'red/v1 carrier', 'red/v9 moved from host']);
    network.setSysctl('net.ipv4.ip_forward', '1', network.namespaces.get('red'));
    expect(heard.splice(0)).toEqual([
      'red/ 4.forwarding=1',
      'red/ 4.accept_redirects=0',
      'red/lo 4.forwarding=1',
      'red/v1 4.forwarding=1',
      'red/v9 4.forwarding=1',
    ]);
    engine.take();
    network.removeNamespace('red');
    expect(heard.splice(0)).toEqual(['red/v1 removed', 'red/v9 removed', 'red/lo removed', '-red']);
    expect(engine.take().map(([name]) => name)).toEqual([
      ...['setRules', 'removeLink', 'setRules', 'removeLink', 'setRules', 'removeLink', 'removeNamespace'],
    ]);
  });
});

/* What `ip addr`, `ip neigh` and `ifconfig` ask of the daemon. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseInet4 } from '../../src/cli/ifconfig.js';
import type { AddressInfo, LinkAddresses } from '../../src/control/api/address.js';
import type { LinkInfo } from '../../src/control/api/link.js';
import { FakeDaemon, type Received, refusal } from './fake-daemon.js';
import { sluice, words } from './run.js';

const FOREVER = 4294967295;

type Row = [line: string, ...requests: object[]];

const add = (rest: object) => ({ op: 'addr.add', dev: 'v1', ...rest });

const ADDRESSES: Row[] = [
  ['add 10.0.0.1/24 dev v1', add({ local: '10.0.0.1/24' })],
  ['a dev v1 10.0.0.1/24', add({ local: '10.0.0.1/24' })],
  ['add local 10.0.0.1/255.255.0.0 dev v1', add({ local: '10.0.0.1/16' })],
  ['add 10.8/16 dev v1', add({ local: '10.8.0.0/16' })],
  ['add 10.0.0.1 dev v1', add({ local: '10.0.0.1/32' })],
  ['add 0x0a.010.0.1/24 dev v1', add({ local: '10.8.0.1/24' })],
  ['add 10.0.0.1/24 brd + dev v1', add({ local: '10.0.0.1/24', broadcast: '10.0.0.255' })],
  ['add 10.0.0.1/20 broadcast + dev v1', add({ local: '10.0.0.1/20', broadcast: '10.0.15.255' })],
  ['add 10.0.5.1/20 brd - dev v1', add({ local: '10.0.5.1/20', broadcast: '10.0.0.0' })],
  ['add 10.0.0.1/31 brd + dev v1', add({ local: '10.0.0.1/31' })],
  ['add 10.0.0.1/24 b 10.0.0.99 dev v1', add({ local: '10.0.0.1/24', broadcast: '10.0.0.99' })],
  ['add 127.0.0.5/8 dev v1', add({ local: '127.0.0.5/8', scope: 254 })],
  ['add 127.0.0.5/8 scope global dev v1', add({ local: '127.0.0.5/8', scope: 0 })],
  ['add 10.0.0.1/24 scope link dev v1', add({ local: '10.0.0.1/24', scope: 253 })],
  ['add 10.0.0.1/24 scope 77 label v1:x dev v1', add({ local: '10.0.0.1/24', label: 'v1:x', scope: 77 })],
  ['add 10.0.0.1 peer 10.0.0.2 dev v1', add({ local: '10.0.0.1/32', peer: '10.0.0.2/32' })],
  ['add 10.0.0.1/24 remote 10.0.0.2/30 dev v1', add({ local: '10.0.0.1/30', peer: '10.0.0.2/30' })],
  [
    'add 10.0.0.1/24 peer 10.0.1.2/16 brd + dev v1',
    add({ local: '10.0.0.1/16', peer: '10.0.1.2/16', broadcast: '10.0.255.255' }),
  ],
  ['add 10.0.0.1/24 metric 5 noprefixroute dev v1', add({ local: '10.0.0.1/24', metric: 5, noprefixroute: true })],
  ['add 10.0.0.1/24 pref 0x10 dev v1', add({ local: '10.0.0.1/24', metric: 16 })],
  ['add 2001:DB8:0:0::1/64 nodad home dev v1', add({ local: '2001:db8::1/64', nodad: true, home: true })],
  [
    'add 2001:db8::1/64 valid_lft 100 preferred_lft 0 dev v1',
    add({ local: '2001:db8::1/64', valid_lft: 100, preferred_lft: 0 }),
  ],
  [
    'add 2001:db8::1/64 valid forever dev v1',
    add({ local: '2001:db8::1/64', valid_lft: FOREVER, preferred_lft: FOREVER }),
  ],
  ['change 10.0.0.1/24 dev v1', { op: 'addr.change', dev: 'v1', local: '10.0.0.1/24' }],
  ['chg 10.0.0.1/24 dev v1', { op: 'addr.change', dev: 'v1', local: '10.0.0.1/24' }],
  ['replace 10.0.0.1/24 dev v1', { op: 'addr.replace', dev: 'v1', local: '10.0.0.1/24' }],
  ['del 10.0.0.1/24 brd + dev v1', { op: 'addr.del', dev: 'v1', local: '10.0.0.1/24' }],
  [
    'd 10.0.0.1 peer 10.0.0.2 label v1:x dev v1',
    { op: 'addr.del', dev: 'v1', local: '10.0.0.1/32', peer: '10.0.0.2/32', label: 'v1:x' },
  ],
  ['del 10.0.0.1 dev v1', { op: 'addr.del', dev: 'v1', local: '10.0.0.1' }],
  ['del fd00::1 dev v1', { op: 'addr.del', dev: 'v1', local: 'fd00::1/128' }],
];

const neigh = (op: string, rest: object) => ({ op: `neigh.${op}`, family: 4, dst: '10.0.0.1', dev: 'v1', ...rest });
const MAC = '02:00:00:00:00:01';

const NEIGHBOURS: Row[] = [
  ['add 10.0.0.1 lladdr 2:0:0:0:0:1 dev v1', neigh('add', { lladdr: MAC, state: 'permanent' })],
  ['add to 10.0.0.1 ll 2:0:0:0:0:1 nud reach dev v1', neigh('add', { lladdr: MAC, state: 'reachable' })],
  ['a 10.0.0.1 nud none dev v1', neigh('add', { state: 'none' })],
  ['add 10.0.0.1 nud 4 lladdr 2:0:0:0:0:1 dev v1', neigh('add', { lladdr: MAC, state: 'stale' })],
  ['add 10.0.0.1 lladdr null nud failed dev v1', neigh('add', { state: 'failed' })],
  ['change 10.0.0.1 lladdr 2:0:0:0:0:1 dev v1', neigh('change', { lladdr: MAC, state: 'permanent' })],
  [
    'replace 10.0.0.1 use router extern dev v1',
    neigh('replace', { router: true, use: true, extern_learn: true, state: 'permanent' }),
  ],
  ['del 10.0.0.1 lladdr 2:0:0:0:0:1 dev v1', neigh('del', {})],
  ['add proxy 10.0.0.1 dev v1', neigh('add', { proxy: true })],
  ['delete proxy 10.0.0.1 dev v1', neigh('del', { proxy: true })],
  [
    'add fd00::1 lladdr 2:0:0:0:0:1 dev v1',
    neigh('add', { family: 6, dst: 'fd00::1', lladdr: MAC, state: 'permanent' }),
  ],
  ['show', { op: 'neigh.list', proxy: false }],
  ['show proxy', { op: 'neigh.list', proxy: true }],
  ['show to fd00::/16', { op: 'neigh.list', family: 6, proxy: false }],
  ['show dev v1', { op: 'neigh.list', proxy: false }, { op: 'link.list' }],
];

const OLD: AddressInfo = {
  family: 'inet',
  local: '10.9.9.9',
  prefixlen: 24,
  broadcast: '10.9.9.255',
  scope: 0,
  label: 'v1',
  valid_life_time: FOREVER,
  preferred_life_time: FOREVER,
};

const LIST = { op: 'addr.list', dev: 'v1' };
const GONE = { op: 'addr.del', dev: 'v1', local: '10.9.9.9/24' };
const UP = { op: 'link.set', name: 'v1', up: true };

const INTERFACES: Row[] = [
  ['up', LIST, UP],
  ['down', LIST, { ...UP, up: false }],
  ['mtu 1400', { op: 'link.set', name: 'v1', mtu: 1400 }],
  ['hw ether 2:0:0:0:0:A', { op: 'link.set', name: 'v1', address: '02:00:00:00:00:0a' }],
  ['10.1.2.3', LIST, GONE, add({ local: '10.1.2.3/8', broadcast: '10.255.255.255' }), LIST, UP],
  [
    '172.16.0.1 down',
    LIST,
    GONE,
    add({ local: '172.16.0.1/16', broadcast: '172.16.255.255' }),
    LIST,
    { ...UP, up: false },
  ],
  ['10.1.2.3/20', LIST, GONE, add({ local: '10.1.2.3/20', broadcast: '10.1.15.255' }), LIST, UP],
  [
    'inet 10.1.2.3 netmask 255.255.255.0 broadcast 10.1.2.9',
    LIST,
    GONE,
    add({ local: '10.1.2.3/24', broadcast: '10.1.2.9' }),
    LIST,
    UP,
  ],
  ['netmask 255.255.0.0', LIST, GONE, add({ local: '10.9.9.9/16', broadcast: '10.9.255.255' })],
  ['broadcast 10.9.9.7', LIST, GONE, add({ local: '10.9.9.9/24', broadcast: '10.9.9.7' })],
  ['0.0.0.0', LIST, GONE, LIST, UP],
  ['add fd00::1/64', add({ local: 'fd00::1/64' })],
  ['inet6 fd00::1/64', add({ local: 'fd00::1/64' })],
  ['inet6 del fd00::1/64', { op: 'addr.del', dev: 'v1', local: 'fd00::1/64' }],
];

let daemon: FakeDaemon;

function answer(request: Received): unknown {
  const link = { ifname: 'v1', ifindex: 2, flags: ['BROADCAST', 'MULTICAST', 'UP'] } as LinkInfo;
  if ('dev' in request && request.dev === 'nosuch')
    return refusal('ENODEV', 'cannot set nosuch: it is not there; see it');
  if (request.op === 'addr.list') return [{ link, addresses: [OLD] } satisfies LinkAddresses];
  if (request.op === 'link.set' && request.mtu === 5)
    return refusal('EINVAL', 'cannot set v1: 5 is too little; see it');
  return request.op === 'link.list' ? [link] : request.op.endsWith('.list') ? [] : {};
}

beforeAll(async () => {
  daemon = await FakeDaemon.start(answer);
});

afterAll(() => daemon.stop());

beforeEach(() => {
  daemon.received.length = 0;
});

const asks = async (line: string, requests: object[]): Promise<void> => {
  const { status } = await sluice(words(line), daemon.socket);
  expect(status).toBe(0);
  expect(daemon.requests).toEqual(requests);
};

describe('ip addr', () => {
  it.each(ADDRESSES)('%s', (line, ...requests) => asks(`ip addr ${line}`, requests));

  it('tells of a deletion without a length', async () => {
    const { err } = await sluice(words('ip addr del 10.0.0.1 dev v1'), daemon.socket);
    expect(err).toMatch(
      /^Warning: Executing wildcard deletion .*\n.*\(10.0.0.1\/32\) to avoid this warning.\n.*\n.*\n$/,
    );
  });
});

describe('ip neigh', () => {
  it.each(NEIGHBOURS)('%s', (line, ...requests) => asks(`ip neigh ${line}`, requests));
});

describe('ifconfig', () => {
  it.each(INTERFACES)('v1 %s', (line, ...requests) => asks(`ifconfig v1 ${line}`, requests));

  it('an alias is a labelled address', async () => {
    await asks('ifconfig v1:1 10.5.5.5/24', [
      LIST,
      add({ local: '10.5.5.5/24', label: 'v1:1', broadcast: '10.5.5.255' }),
      LIST,
    ]);
  });

  it.each([
    ['ifconfig -z', "ifconfig: option `-z' not recognised.", 1],
    ['ifconfig -s', "ifconfig: option `-s' not recognised.", 1],
    ['ifconfig nosuch', 'nosuch: error fetching interface information: Device not found', 1],
    ['ifconfig nosuch 10.0.0.1', 'SIOCSIFADDR: No such device', 255],
    ['ifconfig nosuch up', 'nosuch: ERROR while getting interface flags: No such device', 255],
    ['ifconfig v1 mtu 5', 'SIOCSIFMTU: Invalid argument', 1],
    ['ifconfig v1 mtu', 'Usage:', 3],
    ['ifconfig v1 10.0.0.300', '10.0.0.300: Unknown host', 1],
    ['ifconfig v1 10.0.0.1/33', '10.0.0.1/33: Unknown host', 1],
    ['ifconfig v1 add x/64', 'x/64: Unknown host', 1],
    ['ifconfig v1 hw ether zz', 'zz: invalid ether address.', 1],
    ['ifconfig v1 netmask 255.0.255.0', 'SIOCSIFNETMASK: Invalid argument', 1],
    ['ifconfig v1 promisc', 'SIOCSIFFLAGS: Operation not supported', 1],
  ])('%s: %s', async (line, first, status) => {
    const outcome = await sluice(words(line), daemon.socket);
    expect([outcome.status, outcome.err.split('\n')[0]]).toEqual([status, first]);
    expect(outcome.err).toMatch(/^[^\n]+\ncannot [^\n]+: [^\n]+; [^\n]+\n$/);
    expect(daemon.received.filter(({ op }) => !op.endsWith('.list') && op !== 'link.set')).toEqual([]);
  });

  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['10.1', '10.0.0.1'],
    ['1.2.3', '1.2.0.3'],
    ['10.257', '10.0.1.1'],
    ['0x0a000001', '10.0.0.1'],
    ['256.1.1.1', undefined],
    ['1.2.3.4.5', undefined],
    ['', undefined],
  ])('reads %s as inet_aton does: %s', (text, address) => {
    expect(parseInet4(text)).toBe(address);
  });
});

/*
 * The formatters against the real tools: the kernel's own links and stations, read as JSON, must
 * come out as the real tools print them, byte for byte, under every combination of options.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FdbInfo } from '../../src/control/api/fdb.js';
import type { LinkInfo } from '../../src/control/api/link.js';
import { FakeDaemon, refusal } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { sluice, words } from './run.js';

const reason = unavailable('iproute2', 'brctl');

/** What moves between two readings: the garbage collector's timer, and ages. */
function still(text: string): string {
  return text
    .replace(/(gc|hello)_timer +\d+\.\d\d/g, (match) => 'T'.repeat(match.length))
    .replace(/"(gc|hello)_timer": ?\d+\.\d\d/g, '"$1_timer":T')
    .replace(/(gc timer\t|hello timer\t)\t +\d+\.\d\d/g, '$1 T')
    .replace(/(\d{2}\tno\t\t) +\d+\.\d\d/g, '$1AGE')
    .replace(/used \d+\/\d+/g, 'used N/N')
    .replace(/"(used|updated)": ?\d+/g, '"$1":N');
}

/** All subsets of a list. */
function subsets<T>(items: readonly T[]): T[][] {
  const numbers = Array.from({ length: 1 << items.length }, (_, number) => number);
  return numbers.map((number) => items.filter((_, bit) => (number >> bit) & 1));
}

const IP_OPTIONS = [...new Set(subsets(['-s', '-s', '-d', '-j', '-p', '-o', '-br']).map((set) => set.join(' ')))];
/** For shows that differ only in what they select. */
const FEW_OPTIONS = ['', '-j', '-br', '-br -j', '-o -d -s', '-j -p -d -s -s'];
const BRIDGE_OPTIONS = subsets(['-s', '-d', '-j', '-p', '-o']).map((set) => set.join(' '));

const IP_SHOWS = ['link', 'link show t1', 'link show up', 'link show t3 up'];

const IP_SELECTIONS = [
  'link show',
  'li sh',
  'l l',
  'link show dev br0',
  'link show master br0',
  'link show nomaster',
  'link show type bridge',
  'link show type tun',
  'link show type nosuch',
  'link show type bridge_slave',
  'link show master br0 up',
  'link show t1 up',
  'link show t1 master br0',
  'link show t1 master br1',
  'link show t1 type bridge',
  'link show group default',
  'link show group 7',
];

const BRIDGE_SHOWS = [
  'fdb',
  'fdb show',
  'f s',
  'fdb show br br0',
  'fdb show dev t1',
  'fdb show brport t2',
  'fdb show br br0 dev t1',
  'fdb show dynamic',
  'fdb show state static',
  'fdb show state permanent',
  'fdb show br br0 state perm',
  'fdb get 02:00:00:00:00:05 dev t1 master',
  'fdb get 02:00:00:00:00:06 br br0',
  'link',
  'link show',
  'li l',
  'link show dev t1',
];

const BRCTL_SHOWS = ['show', 'show br0', 'show br0 br1', 'showmacs br0', 'showmacs br1', 'showstp br0', 'showstp br1'];

describe.skipIf(reason !== '')(`output of the real tools${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let daemon: FakeDaemon;

  beforeAll(async () => {
    kernel = new Namespace();
    kernel.set(
      'sysctl -q -w net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1',
      'ip link set lo up',
      'ip link add br0 type bridge mcast_snooping 0 forward_delay 200',
      'ip link add br1 type bridge ageing_time 12300 group_fwd_mask 8',
      'ip tuntap add t1 mode tap',
      'ip tuntap add t2 mode tap vnet_hdr',
      'ip tuntap add t3 mode tap multi_queue',
      'ip tuntap add t10 mode tap user 0 group 0',
      'ip link add v0 type veth peer name v1',
      'ip link set t1 master br0',
      'ip link set t10 master br0',
      'ip link set t2 master br0',
      'ip link set v0 master br0 mtu 1400',
      'ip link set t1 up',
      'ip link set v0 up',
      'ip link set v1 up',
      'ip link set br0 up',
      'ip link set t2 type bridge_slave hairpin on fastleave on learning off isolated on group_fwd_mask 16385',
      'bridge fdb add 02:00:00:00:00:05 dev t1 master static',
      'bridge fdb add 02:00:00:00:00:06 dev t2 master',
      'bridge fdb add 02:00:00:00:00:07 dev v0 master static sticky',
      'bridge fdb add 02:00:00:00:00:08 dev br0 self',
      'ping -c 20 -i 0.002 -s 40000 127.0.0.1',
    );
    const links = JSON.parse(await settled(kernel)) as LinkInfo[];
    daemon = await FakeDaemon.start((request) => {
      if (request.op === 'link.list') return linkList(links, request.name);
      return request.op === 'fdb.list'
        ? stationList(kernel, request.bridge, request.port)
        : refusal('EOPNOTSUPP', 'cannot');
    });
  }, 20000);

  afterAll(() => {
    daemon?.stop();
    kernel?.remove();
  });

  async function same(tool: string, line: string): Promise<void> {
    const real = kernel.run(`${tool} ${line}`);
    const ours = await sluice([tool, ...words(line)], daemon.socket);
    expect(still(ours.out), `${tool} ${line}`).toBe(still(real.out));
    expect(ours.status, `status of ${tool} ${line}`).toBe(real.status);
  }

  it.each(IP_SHOWS)(
    'ip %s, with every option',
    async (show) => {
      for (const options of IP_OPTIONS) await same('ip', `${options} ${show}`);
    },
    60000,
  );

  it.each(IP_SELECTIONS)(
    'ip %s',
    async (show) => {
      for (const options of FEW_OPTIONS) await same('ip', `${options} ${show}`);
    },
    20000,
  );

  it.each(BRIDGE_SHOWS)(
    'bridge %s, with every option',
    async (show) => {
      for (const options of BRIDGE_OPTIONS) await same('bridge', `${options} ${show}`);
    },
    60000,
  );

  it.each(BRCTL_SHOWS)('brctl %s', (show) => same('brctl', show));

  it.each(['-h -s', '-h -s -s', '-h -iec -s', '-human -s -d', '--stats', '-stat -deta', '-0'])(
    'ip %s link',
    (options) => same('ip', `${options} link`),
  );
});

/** The links, once carriers are up and nobody sends: the same twice, more than a second apart. */
async function settled(kernel: Namespace): Promise<string> {
  const read = () => kernel.run('ip -j -d -s -s link show').out;
  for (let before = read(), attempt = 0; ; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const after = read();
    if (still(after) === still(before)) return after;
    if (attempt === 8) throw new Error('the links of the namespace do not come to rest');
    before = after;
  }
}

function linkList(links: readonly LinkInfo[], name?: string): unknown {
  const chosen = links.filter((link) => name === undefined || link.ifname === name);
  return chosen.length > 0
    ? chosen
    : refusal('ENODEV', `cannot show link ${name}: there is no such link; see "sluice ip link"`);
}

/** The kernel's stations, with the filters that it applies itself. */
function stationList(kernel: Namespace, bridge?: string, port?: string): FdbInfo[] {
  const where = bridge === undefined ? '' : ` br ${bridge}`;
  const stations = kernel.json<FdbInfo[]>(`bridge -j -s fdb show${where}`);
  return stations.filter((station) => port === undefined || station.ifname === port);
}

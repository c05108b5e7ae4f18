/* Good commands: what is asked of the daemon, and what comes out. No daemon decides anything here. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LinkInfo } from '../../src/control/api/link.js';
import type { Request } from '../../src/control/api/request.js';
import { FakeDaemon } from './fake-daemon.js';
import { sluice, words } from './run.js';

/** As much of a link as brctl looks at. */
function link(ifname: string, more: Partial<LinkInfo> = {}): LinkInfo {
  return { ifname, flags: [], ...more } as LinkInfo;
}

const LINKS = [
  link('br0', { linkinfo: { info_kind: 'bridge', info_data: {} } }),
  link('t1', {
    master: 'br0',
    linkinfo: { info_kind: 'tun', info_slave_kind: 'bridge', info_slave_data: { no: '0x1' } },
  }),
  link('t2', { linkinfo: { info_kind: 'tun' } }),
];

/** Command → the changes it asks for; look-ups of links are left out. */
const COMMANDS: Record<string, Request[]> = {
  'ip link add br0 type bridge': [{ op: 'link.add', name: 'br0', kind: 'bridge', bridge: {} }],
  'ip l a dev br0 ty bridge ageing 100 group_fwd 0x8 transparent on fdb_max_learned 9': [
    {
      op: 'link.add',
      name: 'br0',
      kind: 'bridge',
      bridge: { ageing_time: 100, group_fwd_mask: 8, transparent: true, fdb_max_learned: 9 },
    },
  ],
  'ip link add name br0 address 2:0:0:0:0:a mtu 1400 up type bridge stp_state 0 vlan_filtering 0 mcast_snooping 0': [
    { op: 'link.add', name: 'br0', kind: 'bridge', address: '02:00:00:00:00:0a', mtu: 1400, up: true, bridge: {} },
  ],
  'ip link add t1 type tap': [{ op: 'link.add', name: 't1', kind: 'tap', tap: {} }],
  'ip link add t1 type tap up': [{ op: 'link.add', name: 't1', kind: 'tap', tap: { peer: { up: true } } }],
  'ip link add t1 mtu 9000 master br0 up type tap queues 2 gso off persist on': [
    {
      op: 'link.add',
      name: 't1',
      kind: 'tap',
      mtu: 9000,
      up: true,
      master: 'br0',
      tap: { queues: 2, gso: false, persist: true },
    },
  ],
  'ip link add t1 type tap peer name eth0 netns /proc/1/ns/net address 02:00:00:00:00:01 mtu 1400 addr 10.0.0.1/24 addr fd00::1/64 up':
    [
      {
        op: 'link.add',
        name: 't1',
        kind: 'tap',
        tap: {
          peer: {
            name: 'eth0',
            netns: '/proc/1/ns/net',
            address: '02:00:00:00:00:01',
            mtu: 1400,
            addresses: ['10.0.0.1/24', 'fd00::1/64'],
            up: true,
          },
        },
      },
    ],
  'ip link add p1 type packet dev eth1 netns red': [
    { op: 'link.add', name: 'p1', kind: 'packet', packet: { dev: 'eth1', netns: 'red' } },
  ],
  'ip link add f1 type pcap read /tmp/in write /tmp/out': [
    { op: 'link.add', name: 'f1', kind: 'pcap', pcap: { read: '/tmp/in', write: '/tmp/out' } },
  ],
  'ip link add f2 type pcap write out.pcap': [
    { op: 'link.add', name: 'f2', kind: 'pcap', pcap: { write: `${process.cwd()}/out.pcap` } },
  ],
  'ip link add p2 type packet dev eth1 netns ./ns': [
    { op: 'link.add', name: 'p2', kind: 'packet', packet: { dev: 'eth1', netns: `${process.cwd()}/ns` } },
  ],
  'ip link add m1 type memory': [{ op: 'link.add', name: 'm1', kind: 'memory' }],
  'ip link set t1 up': [{ op: 'link.set', name: 't1', up: true }],
  'ip link set dev t1 down mtu 0x5dc': [{ op: 'link.set', name: 't1', up: false, mtu: 1500 }],
  'ip link set t1 master br0': [{ op: 'link.set', name: 't1', master: 'br0' }],
  'ip link set t1 nomaster': [{ op: 'link.set', name: 't1', master: null }],
  'ip link set t1 name t9': [{ op: 'link.set', name: 't1', rename: 't9' }],
  'ip link set name t9 dev t1': [{ op: 'link.set', name: 't1', rename: 't9' }],
  'ip link set name t1 up': [{ op: 'link.set', name: 't1', up: true }],
  'ip -n host link set t1 netns host up': [{ op: 'link.set', name: 't1', netns: 'host', up: true }],
  'ip link set t1 netns 1': [{ op: 'link.set', name: 't1', netns: '1' }],
  'ip link set t1 netns blue name eth0 addrgenmode none': [
    { op: 'link.set', name: 't1', netns: 'blue', addr_gen_mode: 'none', rename: 'eth0' },
  ],
  'ip link add type bridge': [{ op: 'link.add', kind: 'bridge', bridge: {} }],
  'ip link add type veth': [{ op: 'link.add', kind: 'veth' }],
  'ip link add v0 type veth peer name v1': [
    { op: 'link.add', name: 'v0', kind: 'veth', veth: { peer: { name: 'v1' } } },
  ],
  'ip link add v0 mtu 9000 netns red type veth peer v1 netns blue address 2:0:0:0:0:1 mtu 1400': [
    {
      op: 'link.add',
      name: 'v0',
      kind: 'veth',
      mtu: 9000,
      netns: 'red',
      veth: { peer: { name: 'v1', netns: 'blue', address: '02:00:00:00:00:01', mtu: 1400 } },
    },
  ],
  'ip link add d0 type dummy': [{ op: 'link.add', name: 'd0', kind: 'dummy' }],
  'ip link add link t1 name t1.10 up type vlan id 10 protocol 802.1ad reorder_hdr on gvrp off': [
    {
      op: 'link.add',
      name: 't1.10',
      kind: 'vlan',
      link: 't1',
      up: true,
      vlan: { id: 10, protocol: '802.1ad' },
    },
  ],
  'ip link change t1 type bridge_slave learning off flood on hairpin on isolated on locked on mcast_flood off bcast_flood off state 3 group_fwd_mask 8':
    [
      {
        op: 'link.set',
        name: 't1',
        port: {
          ...{ learning: false, flood: true, hairpin: true, isolated: true, locked: true },
          ...{ mcast_flood: false, bcast_flood: false, state: 3, group_fwd_mask: 8 },
        },
      },
    ],
  'ip link set t1 type bridge_slave fdb_limit 10 storm_broadcast 1 storm_multicast 2 storm_unknown 3 guard off': [
    { op: 'link.set', name: 't1', port: { fdb_limit: 10, storm: { broadcast: 1, multicast: 2, unknown: 3 } } },
  ],
  'ip link set t1 type bridge_slave fdb_flush': [
    { op: 'link.set', name: 't1', port: {} },
    { op: 'fdb.flush', dev: 't1', master: true },
  ],
  'ip link set br0 type bridge ageing_time 0 fdb_flush': [
    { op: 'link.set', name: 'br0', bridge: { ageing_time: 0 } },
    { op: 'fdb.flush', dev: 'br0' },
  ],
  'ip link del t1': [{ op: 'link.del', name: 't1' }],
  'ip link delete dev t1 type tap': [{ op: 'link.del', name: 't1', kind: 'tap' }],
  'bridge fdb add 2:0:0:0:0:1 dev t1 master': [
    { op: 'fdb.add', mac: '02:00:00:00:00:01', dev: 't1', state: 'permanent', master: true },
  ],
  'bridge fdb append to 02:00:00:00:00:01 dev t1 master static sticky vlan 7': [
    { op: 'fdb.append', mac: '02:00:00:00:00:01', dev: 't1', state: 'static', vlan: 7, sticky: true, master: true },
  ],
  'bridge f r 02:00:00:00:00:01 dev t1 ma dyn': [
    { op: 'fdb.replace', mac: '02:00:00:00:00:01', dev: 't1', state: 'dynamic', master: true },
  ],
  'bridge fdb del 02:00:00:00:00:01 dev br0': [
    { op: 'fdb.del', mac: '02:00:00:00:00:01', dev: 'br0', state: 'permanent', self: true },
  ],
  'bridge fdb flush dev br0 brport t1 vlan 5 nopermanent static': [
    { op: 'fdb.flush', dev: 'br0', brport: 't1', vlan: 5, permanent: false, static: true },
  ],
  'bridge fdb flush dev t1 master': [{ op: 'fdb.flush', dev: 't1', master: true }],
  'bridge link set dev t1 learning off flood on state blocking fdb_limit 5 storm_unknown 9 master': [
    {
      op: 'link.set',
      name: 't1',
      port: { learning: false, flood: true, state: 4, fdb_limit: 5, storm: { unknown: 9 } },
    },
  ],
  'bridge link set dev t1 state 2': [{ op: 'link.set', name: 't1', port: { state: 2 } }],
  'brctl addbr br1': [{ op: 'link.add', name: 'br1', kind: 'bridge' }],
  'brctl delbr br0': [{ op: 'link.del', name: 'br0', kind: 'bridge' }],
  'brctl addif br0 t2': [{ op: 'link.set', name: 't2', master: 'br0' }],
  'brctl delif br0 t1': [{ op: 'link.set', name: 't1', master: null }],
  'brctl hairpin br0 t1 yes': [{ op: 'link.set', name: 't1', port: { hairpin: true } }],
  'brctl setageing br0 12.34': [{ op: 'link.set', name: 'br0', bridge: { ageing_time: 1234 } }],
  'brctl stp br0 off': [],
  'ethtool -i t1': [{ op: 'ethtool', name: 't1' }],
  down: [{ op: 'down' }],
  status: [{ op: 'status' }],
  'config show': [{ op: 'config.show' }],
};

const STATUS = {
  received: 9,
  generated: 0,
  cloned: 1,
  transmitted: 8,
  delivered: 0,
  merged: 0,
  held: 0,
  drops: { unknown_unicast: 2, no_route: 0 },
};

describe('good commands', () => {
  let daemon: FakeDaemon;

  beforeAll(async () => {
    daemon = await FakeDaemon.start((request) => {
      if (request.op === 'link.list') return LINKS;
      if (request.op === 'ethtool')
        return { driver: { driver: 'tap', version: '1', 'bus-info': '' }, features: [], statistics: [] };
      if (request.op === 'config.show') return { text: 'links: {}\n' };
      return request.op === 'status' ? { ...STATUS, links: {}, warnings: ['beware'] } : {};
    });
  });

  afterAll(() => daemon.stop());

  it.each(Object.entries(COMMANDS))('%s', async (line, expected) => {
    daemon.received.length = 0;
    const { status, err } = await sluice(words(line), daemon.socket);
    expect(err).toBe('');
    expect(status).toBe(0);
    expect(daemon.requests.filter((request) => (request as Request).op !== 'link.list')).toEqual(expected);
  });

  it('says what a change warns of, and succeeds', async () => {
    daemon.answerWith(() => ({ warnings: ['eth1 has an address: the kernel answers too; see "sluice doctor"'] }));
    const { status, err } = await sluice(words('ip link add p1 type packet dev eth1'), daemon.socket);
    expect(err).toBe('eth1 has an address: the kernel answers too; see "sluice doctor"\n');
    expect(status).toBe(0);
  });

  it('prints the status as text, without what never happened', async () => {
    daemon.answerWith(() => ({
      ...STATUS,
      links: { t1: { received: 9, transmitted: 0, drops: { unknown_unicast: 2 } } },
    }));
    const { out } = await sluice(['status'], daemon.socket);
    expect(out).toContain('received     9\n');
    expect(out).toContain('dropped      2\n  unknown_unicast          2\n');
    expect(out).toContain('t1: received 9 transmitted 0\n');
    expect(out).not.toContain('no_route');
  });

  it('prints the status as JSON, with all reasons and nothing beside the contract', async () => {
    daemon.answerWith(() => ({ ...STATUS, links: {}, warnings: ['beware'] }));
    const { out } = await sluice(['status', '-j'], daemon.socket);
    expect(JSON.parse(out)).toEqual({ ...STATUS, links: {} });
  });
});

/** iproute2 would do these; Sluice cannot, and must not pretend. */
const REFUSED = [
  'ip link set t1 txqueuelen 100',
  'ip link set t1 promisc on',
  'ip link set t1 arp off',
  'ip link set t1 alias x',
  'ip link set t1 group 5',
  'ip link set t1 index 9',
  'ip link set t1 carrier off',
  'ip link set t1 vf 0',
  'ip link set t1 xdp off',
  'ip link set t1 addrgenmode stable_secret',
  'ip link set t1 link t2',
  'ip link set t1 broadcast ff:ff:ff:ff:ff:ff',
  'ip link set t1 type veth',
  'ip link set br0 type bridge stp_state 1',
  'ip link set br0 type bridge vlan_filtering 1',
  'ip link set br0 type bridge mcast_snooping 1',
  'ip link set br0 type bridge forward_delay 400',
  'ip link set br0 type bridge group_address 01:80:c2:00:00:03',
  'ip link set t1 type bridge_slave guard on',
  'ip link set t1 type bridge_slave cost 5',
  'ip link set t1 type bridge_slave backup_port t2',
  'ip link add v0 type veth peer name v1 master br0',
  'ip link add d0 link t1 type dummy',
  'ip link add d0 type dummy x',
  'ip link add link t1 name t1.1 type vlan id 1 egress-qos-map 0:1',
  'ip link add link t1 name t1.1 type vlan id 1 loose_binding on',
  'ip link add p1 type packet',
  'ip link add p1 type packet foo',
  'ip link add f1 type pcap',
  'ip link add m1 type memory foo',
  'ip link add t1 type tap foo',
  'ip link add t1 type tap queues 0',
  'ip link add t1 type tap peer name abcdefghijklmnopq',
  'ip link add t1 type tap peer addr 10.0.0.1',
  'ip link add t1 type tap peer address 02:00',
  'ip link del t1 up',
  'ip link del t1 type tap foo',
  'ip link replace br0 type bridge',
  'ip link xstats',
  'ip link afstats',
  'ip link property add dev t1',
  'ip link show label x',
  'ip link show permanent',
  'ip -c link',
  'ip -color=auto link',
  'ip -r link',
  'ip -t link',
  'ip -a link',
  'ip -f bridge link',
  'ip -rc 5 link',
  'ip -echo link',
  'ip maddr',
  'ip tunnel',
  'bridge -c link',
  'bridge -t fdb',
  'bridge -f inet fdb',
  'bridge vlan',
  'bridge mdb',
  'bridge monitor',
  'bridge fdb add 02:00:00:00:00:01 dev t1 master router',
  'bridge fdb add 02:00:00:00:00:01 dev t1 master extern_learn',
  'bridge fdb add 02:00:00:00:00:01 dev t1 master static dynamic',
  'bridge fdb add 02:00:00:00:00:01 dev t1 dst 10.0.0.1',
  'bridge fdb show foo',
  'bridge fdb flush dev br0 sticky',
  'bridge fdb flush dev br0 foo',
  'bridge link set dev t1 self',
  'bridge link set dev t1 cost 5',
  'bridge link set dev t1 hwmode vepa',
  'bridge link set dev t1 learning_sync on',
  'bridge link show foo',
  'brctl stp br0 on',
  'brctl setfd br0 5',
  'brctl setbridgeprio br0 5',
  'brctl setpathcost br0 t1 5',
  'brctl addbr abcdefghijklmnopq',
  'brctl addbr',
  'ethtool t1',
  'ethtool -K t1 tso on',
  'explain',
];

describe('what is not there yet', () => {
  let daemon: FakeDaemon;

  beforeAll(async () => {
    daemon = await FakeDaemon.start((request) => (request.op === 'link.list' ? LINKS : {}));
  });

  afterAll(() => daemon.stop());

  it.each(REFUSED)('%s', async (line) => {
    daemon.received.length = 0;
    const { status, out, err } = await sluice(words(line), daemon.socket);
    expect(status).not.toBe(0);
    expect(out).toBe('');
    expect(err.trimEnd().split('\n').at(-1)).toMatch(/^cannot .+: .+; .+$/);
    expect(daemon.requests.filter((request) => (request as Request).op !== 'link.list')).toEqual([]);
  });
});

describe('without a daemon', () => {
  it.each(['ip link', 'bridge fdb', 'brctl show', 'ethtool -i t1', 'status', 'down', 'config show'])(
    '%s says how to start one',
    async (line) => {
      expect(await sluice(words(line), '/nonexistent/sluice.sock')).toEqual({
        status: 1,
        out: '',
        err: 'cannot reach the daemon at /nonexistent/sluice.sock: there is no such socket; start it with "sluice up"\n',
      });
    },
  );

  it('a wrong command is wrong first', async () => {
    const { status, err } = await sluice(words('ip link set t1 mtu x'));
    expect(status).toBe(255);
    expect(err).not.toContain('daemon');
  });
});

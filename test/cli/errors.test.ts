/*
 * Wrong commands: the real tool's first line and exit status, then one line of ours. Every line is
 * run by the real tool in a kernel namespace and by ours against a daemon with the same links.
 * `=> ERRNO [extack]` is what the daemon answers where the kernel refuses: the dataplane's contract.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiError } from '../../src/control/api/answer.js';
import type { LinkInfo } from '../../src/control/api/link.js';
import { FakeDaemon, type Received, refusal } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { sluice, words } from './run.js';

const reason = unavailable('iproute2', 'brctl', 'ethtool');

const LINES = `
ip
ip foo
ip -z link
ip -h
ip -b
ip -n nosuch link
ip -n
ip -b /nonexistent
ip help
ip link foo
ip link help
ip link add help
ip link set help
ip link show help
ip link add
ip link add br9
ip link add br9 type
ip link add br9 type nosuch
ip link add br0 type bridge => EEXIST
ip link add abcdefghijklmnopq type bridge
ip link add name abcdefghijklmnopq type bridge
ip link add a/b type bridge
ip link add br9 mtu type bridge
ip link add br9 mtu abc type bridge
ip link add br9 mtu 1500 mtu 1500 type bridge
ip link add br9 mtu 1 type bridge => EINVAL mtu less than device minimum
ip link add br9 mtu 100000 type bridge => EINVAL mtu greater than device maximum
ip link add br9 mtu 99999999999 type bridge
ip link add br9 address zz type bridge
ip link add br9 address 02:00 type bridge
ip link add br9 address 01:00:00:00:00:00 type bridge => EADDRNOTAVAIL
ip link add br9 address 02:00:00:00:00:00:00 type bridge
ip link add br9 address 0:1:2:3:4:500 type bridge
ip link add br9 master nosuch type bridge
ip link add br9 foo type bridge
ip link add br9 type bridge foo
ip link add br9 type bridge ageing_time
ip link add br9 type bridge ageing_time x
ip link add br9 type bridge ageing_time 4294967296
ip link add br9 type bridge ageing_time -1
ip link add br9 type bridge group_fwd_mask 0x10000
ip link add br9 type bridge group_fwd_mask 7 => EINVAL
ip link add br9 type bridge stp_state x
ip link add br9 type bridge vlan_filtering 300
ip link add br9 name br8 type bridge
ip link add dev br9 name br8 type bridge
ip link set
ip link set nosuch up
ip link set dev
ip link set dev nosuch
ip link set t1 mtu
ip link set t1 mtu 10 => EINVAL mtu less than device minimum
ip link set t1 mtu 70000 => EINVAL mtu greater than device maximum
ip link set t1 mtu x
ip link set t1 master nosuch
ip link set nosuch master nosuch2
ip link set nosuch master br0
ip link set t1 master
ip link set t2 master t2 => EOPNOTSUPP
ip link set t2 master t1 => EOPNOTSUPP
ip link set br0 master brup => ELOOP Can not enslave a bridge to a bridge
ip link set t1 foo
ip link set t1 t2
ip link set t1 address 01:00:00:00:00:01 => EADDRNOTAVAIL
ip link set t1 address 00:00:00:00:00:00 => EADDRNOTAVAIL
ip link set t1 address 02:00
ip link set t1 address g
ip link set t1 address 1.2.3.4
ip link set t1 address
ip link set t1 name t2 => EEXIST
ip link set t1 name a/b
ip link set t1 name abcdefghijklmnopq
ip link set t1 name x name y
ip link set t1 type bridge_slave learning maybe
ip link set t1 type bridge_slave learning
ip link set t1 type bridge_slave foo on
ip link set t1 type bridge_slave state 9 => EINVAL
ip link set t2 type bridge_slave learning on => EOPNOTSUPP
ip link set t1 type bridge ageing_time 100 => EOPNOTSUPP
ip link set t1 type bridge_slave state x
ip link set t1 type bridge_slave group_fwd_mask 2 => EINVAL
ip link set t1 arp maybe
ip link set t1 multicast
ip link set t1 netns nosuch
ip link set abcdefghijklmnopq up
ip link del
ip link delete nosuch
ip link del dev
ip link del br0 br1
ip link del lo => EOPNOTSUPP
ip link show nosuch
ip link show t1 t2
ip link show dev
ip link show dev t1 t2
ip link show master nosuch
ip link show t1 master nosuch
ip link show type
ip link show group nosuch
ip link show vrf x
ip link show t1 foo
bridge
bridge foo
bridge -z
bridge -n
bridge -n nosuch link
bridge help
bridge -b
bridge -b /nonexistent
bridge fdb foo
bridge fdb help
bridge fdb add
bridge fdb add 02:00:00:00:00:01
bridge fdb add dev t1
bridge fdb add xx dev t1
bridge fdb add 02:00:00:00:00 dev t1
bridge fdb add 02:00:00:00:00:01 dev nosuch
bridge fdb add 02:00:00:00:00:11 dev t1 master static => EEXIST
bridge fdb add 00:00:00:00:00:00 dev t1 master => EINVAL
bridge fdb add 02:00:00:00:00:02 dev t2 master => EOPNOTSUPP
bridge fdb add 02:00:00:00:00:02 dev t1 master vlan 5000 => EINVAL invalid vlan id
bridge fdb add 02:00:00:00:00:02 dev t1 master vlan 5 vlan 6
bridge fdb add 02:00:00:00:00:02 dev t1 foo
bridge fdb add 02:00:00:00:00:02 foo dev t1
bridge fdb add 02:00:00:00:00:03 dev
bridge fdb add 02:00:00:00:00:04 dev br0 master => EOPNOTSUPP
bridge fdb add 02:00:00:00:00:04 dev t1 master vni x
bridge fdb del 02:00:00:00:00:99 dev t1 master => ENOENT
bridge fdb del 02:00:00:00:00:99 dev br0 self => ENOENT
bridge fdb del 02:00:00:00:00:99 dev t2 master => EOPNOTSUPP
bridge fdb show br nosuch
bridge fdb show dev nosuch
bridge fdb show br br0 dev nosuch
bridge fdb show brport
bridge fdb show state foo
bridge fdb show vlan 1 vlan 2
bridge fdb show help
bridge fdb get
bridge fdb get 02:00:00:00:00:99 br br0
bridge fdb get 02:00:00:00:00:99 br nosuch
bridge fdb get 02:00:00:00:00:99 dev nosuch
bridge fdb get 02:00:00:00:00:99
bridge fdb get xx br br0
bridge fdb flush
bridge fdb flush dev nosuch
bridge fdb flush dev br0 brport nosuch
bridge fdb flush dev br0 vlan 5000
bridge fdb flush dev t2 => EOPNOTSUPP
bridge link foo
bridge link help
bridge link set
bridge link set dev
bridge link set dev nosuch learning on
bridge link set dev t1 foo on
bridge link set dev t1 learning maybe
bridge link set dev t1 learning
bridge link set dev t1 state foo
bridge link set dev t1 state 9 => EINVAL
bridge link set dev t2 learning on => EOPNOTSUPP
bridge link set dev br0 learning on => EOPNOTSUPP
bridge link set t1 learning on
bridge link set dev t1 hwmode x
bridge link show dev nosuch
bridge link show dev t1 dev t2
brctl foo
brctl addbr br0 => EEXIST
brctl delbr nosuch
brctl delbr t1
brctl delbr brup
brctl addif br0 nosuch
brctl addif nosuch t1
brctl addif br0 t1
brctl addif t1 t2
brctl addif br0 brup
brctl delif br0 nosuch
brctl delif br0 t2
brctl delif nosuch t1
brctl delif t2 t1
brctl show nosuch
brctl show t1
brctl showmacs nosuch
brctl showmacs t1
brctl showstp nosuch
brctl showstp t1
brctl setageing br0 x
brctl setageing nosuch 5
brctl setageing t1 5
brctl stp br0 maybe
brctl stp nosuch on
brctl stp t1 off
brctl hairpin br0 t1 maybe
brctl hairpin br0 nosuch on
brctl hairpin nosuch t1 on
brctl hairpin br0 t2 on
brctl setfd br0 x
brctl setfd nosuch 5
brctl sethello br0 x
brctl setmaxage br0 x
brctl setbridgeprio br0 x
brctl setbridgeprio nosuch 1
brctl setpathcost br0 t1 x
brctl setportprio br0 t1 x
brctl -z
brctl --zz
ethtool
ethtool -i
ethtool -z
ethtool -z t1
ethtool -i nosuch => ENODEV
ethtool -k nosuch => ENODEV
ethtool -S nosuch => ENODEV
ethtool -k t1 x
ethtool -S t1
`;

interface Case {
  line: string;
  refused?: ApiError;
}

function parseCase(text: string): Case {
  const [line, answer] = text.split(' => ');
  if (answer === undefined) return { line };
  const [errno, ...extack] = answer.split(' ');
  return {
    line,
    refused: {
      errno,
      message: 'cannot VERB OBJECT: CAUSE; HINT',
      ...(extack.length > 0 ? { extack: extack.join(' ') } : {}),
    },
  };
}

const CASES = LINES.trim().split('\n').map(parseCase);

/** Names of links that a request is about, and that must be there. */
function namesOf(request: Received): string[] {
  const names = [
    'name' in request && request.op !== 'link.add' ? request.name : undefined,
    'dev' in request ? request.dev : undefined,
    'brport' in request ? request.brport : undefined,
    'bridge' in request && typeof request.bridge === 'string' ? request.bridge : undefined,
    'port' in request && typeof request.port === 'string' ? request.port : undefined,
    'master' in request && typeof request.master === 'string' ? request.master : undefined,
  ];
  return names.filter((name) => name !== undefined);
}

describe.skipIf(reason !== '')(`wrong commands, beside the real tools${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let daemon: FakeDaemon;
  let links: LinkInfo[];

  beforeAll(async () => {
    kernel = new Namespace();
    kernel.set(
      'ip link add br0 type bridge',
      'ip link add brup type bridge',
      'ip link set brup up',
      'ip tuntap add t1 mode tap',
      'ip tuntap add t2 mode tap',
      'ip link set t1 master br0',
      'bridge fdb add 02:00:00:00:00:11 dev t1 master static',
    );
    links = kernel.json<LinkInfo[]>('ip -j -d -s -s link show');
    daemon = await FakeDaemon.start(() => ({}));
  });

  afterAll(() => {
    daemon?.stop();
    kernel?.remove();
  });

  function answer(request: Received, refused: ApiError | undefined): unknown {
    if (request.op === 'netns.list') return [];
    if (request.ns !== undefined)
      return refusal('ENOENT', `cannot do it: there is no namespace "${request.ns}"; see "sluice ip netns"`);
    if (request.op === 'link.set' && request.netns !== undefined)
      return refusal(
        'ENOENT',
        `cannot open network namespace "${request.netns}": there is none; see "sluice ip netns"`,
      );
    const missing = namesOf(request).find((name) => !links.some((link) => link.ifname === name));
    if (missing !== undefined)
      return refusal('ENODEV', `cannot do it: there is no link "${missing}"; see "sluice ip link"`);
    if (request.op === 'link.list')
      return links.filter((link) => request.name === undefined || link.ifname === request.name);
    if (request.op === 'fdb.list') return [];
    if (refused !== undefined) return { error: refused };
    return request.op === 'ethtool' ? { driver: {}, features: [], statistics: [] } : {};
  }

  it.each(CASES)('$line', async ({ line, refused }) => {
    daemon.answerWith((request) => answer(request, refused));
    const real = kernel.run(line);
    const ours = await sluice(words(line), daemon.socket);
    const [tool, sentence, ...more] = ours.err.split('\n');
    const shown = real.err === '' ? real.out : real.err;
    expect(tool).toBe(shown.split('\n')[0]);
    expect(ours.status).toBe(real.status);
    expect(sentence).toMatch(/^cannot [^:]+(:[^ ][^:]*)*: .+; .+$/);
    expect(more).toEqual(['']);
  });
});

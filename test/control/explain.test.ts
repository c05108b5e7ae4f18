/* `sluice explain`, from the words of the command to what is printed: links, bridges, rules, flows, routes, neighbours by their names. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ExplainStep } from '../../src/control/api/explain.js';
import { linesOf } from '../../src/control/packet-log.js';
import { sluice } from '../cli/run.js';
import { OneProcess } from '../support/one-process.js';

let world: OneProcess;

beforeEach(async () => {
  world = await OneProcess.start();
  await world.run(`
    ip netns add r
    ip netns add h
    ip link add v0 address 02:00:00:00:00:a0 type veth peer name v0h address 02:00:00:00:00:b0
    ip link add v1 address 02:00:00:00:00:a1 type veth peer name v1h
    ip link set v0 netns r
    ip link set v1 netns r
    ip link set v1h netns h
    -n r ip link set v0 up
    -n r ip link set v1 up
    ip link set v0h up
    -n h ip link set v1h up
    -n r ip addr add 10.0.0.1/24 dev v0
    -n r ip addr add 10.0.1.1/24 dev v1
    -n r sysctl -q -w net.ipv4.ip_forward=1
    -n r ip neigh add 10.0.1.9 lladdr 02:00:00:00:11:09 dev v1`);
});

afterEach(() => world.close());

/** Without what is in front of the text. */
async function explain(words: string): Promise<string[]> {
  const printed = await world.run(`-n r explain ${words}`);
  return printed.trimEnd().split('\n');
}

async function steps(words: string): Promise<ExplainStep[]> {
  return JSON.parse(await world.run(`-n r explain -j ${words}`)) as ExplainStep[];
}

describe('what is printed', () => {
  it('is the whole walk', async () => {
    await world.run(`
      -n r iptables -t nat -A PREROUTING -i v0 -p tcp --dport 8080 -j DNAT --to-destination 10.0.1.9:80
      -n r iptables -t nat -A POSTROUTING -o v1 -j MASQUERADE
      -n r iptables -N web
      -n r iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      -n r iptables -A FORWARD -i v0 -p tcp -j web
      -n r iptables -A web -p tcp --dport 23 -j DROP
      -n r iptables -A web -p tcp --dport 80 -j MARK --set-mark 7
      -n r iptables -P FORWARD DROP
      -n r iptables -A FORWARD -m mark --mark 7 -j ACCEPT`);
    const printed = await explain('--from 10.0.0.9 --to 10.0.0.1 --dport 8080');
    expect(printed).toEqual([
      'packet       IP 10.0.0.9.40000 > 10.0.0.1.8080: Flags [S], seq 0, win 64240, length 0',
      'link         comes in by v0, veth, which is up',
      'PREROUTING   in v0',
      '  conntrack    NEW: it would begin a flow',
      '  nat          chain PREROUTING',
      '    rule 1       -A PREROUTING -i v0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.1.9:80',
      '  NAT          destination 10.0.0.1:8080 → 10.0.1.9:80',
      'route        10.0.1.9 dev v1 (10.0.1.0/24 of table main)',
      'FORWARD      in v0 out v1',
      '  filter       chain FORWARD',
      '    rule 2       -A FORWARD -i v0 -p tcp -j web',
      '      rule 2       -A web -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x7/0xffffffff → goes on, mark 0x7',
      '    rule 3       -A FORWARD -m mark --mark 0x7 -j ACCEPT',
      'POSTROUTING  out v1',
      '  nat          chain POSTROUTING',
      '    rule 1       -A POSTROUTING -o v1 -j MASQUERADE',
      '  NAT          source 10.0.0.9:40000 → 10.0.1.1:40000',
      'neighbour    10.0.1.9 on v1 is 02:00:00:00:11:09 (PERMANENT)',
      'link         the other end of v1 is v1h in namespace h',
      'result       it leaves by v1',
    ]);
    const saved = await world.run('-n r iptables-save -c');
    expect(saved.match(/^\[0:0\] -A/gm)).toHaveLength(7);
    expect(await world.run('-n r conntrack -C')).toBe('0\n');
  });

  it('names the rule, the policy or the setting', async () => {
    await world.run(`
      -n r iptables -A FORWARD -p udp -j DROP
      -n r iptables -A FORWARD -p tcp -j REJECT --reject-with tcp-reset
      -n r iptables -t mangle -P FORWARD DROP`);
    const last = async (words: string): Promise<string> => (await explain(words)).at(-1) ?? '';
    expect(await last('--from 10.0.0.9 --to 10.0.1.9')).toBe(
      'unless       it would pass if the policy of FORWARD were ACCEPT: sluice -n r iptables -t mangle -P FORWARD ACCEPT',
    );
    await world.run('-n r iptables -t mangle -P FORWARD ACCEPT');
    const rejected = await explain('--from 10.0.0.9 --to 10.0.1.9 --dport 22');
    expect(rejected.slice(-8)).toEqual([
      '    rule 2       -A FORWARD -p tcp -j REJECT --reject-with tcp-reset',
      '  answer       IP 10.0.1.9.22 > 10.0.0.9.40000: Flags [R.], seq 0, ack 1, win 0, length 0',
      '    OUTPUT       out v0',
      '    POSTROUTING  out v0',
      '      end          leaves by v0',
      'drop         a rule of netfilter says REJECT: its sender has been told',
      'result       it is dropped',
      'unless       it would pass without rule 2 of FORWARD: sluice -n r iptables -t filter -D FORWARD 2',
    ]);
    await world.run('-n r sysctl -q -w net.ipv4.ip_forward=0');
    expect(await last('--from 10.0.0.9 --to 10.0.1.9')).toBe(
      'unless       it would pass with net.ipv4.ip_forward = 1: sluice -n r sysctl -w net.ipv4.ip_forward=1',
    );
    await world.run('-n r iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.1.9');
    expect(await explain('-i v0 --from 10.0.0.9 --to 10.0.0.1 --dport 80')).toContain(
      'route        10.0.1.9: its route says that it cannot be reached, or this is no router',
    );
    await world.run('-n r ip link set v0 down');
    expect(await last('-i v0 --from 10.0.0.9 --to 10.0.0.1')).toBe(
      'unless       it would pass if v0 were up: sluice -n r ip link set v0 up',
    );
  });

  it('names routes that say no', async () => {
    await world.run('-n r ip route add blackhole 172.16.0.0/12\n-n r ip route add prohibit 172.18.0.0/16');
    expect(await explain('--from 10.0.0.9 --to 172.17.0.1')).toContain(
      'route        blackhole 172.16.0.0/12 (table main)',
    );
    const prohibited = await explain('--from 10.0.0.9 --to 172.18.0.1');
    expect(prohibited).toContain('route        prohibit 172.18.0.0/16 (table main)');
    expect(prohibited).toContain(
      '  answer       IP 10.0.0.1 > 10.0.0.9: ICMP host 172.18.0.1 unreachable - admin prohibited filter, length 36',
    );
    expect(await explain('--from 10.0.0.9 --to 9.9.9.9')).toContain('route        9.9.9.9: there is no route to it');
  });

  it('says that there is no route, of what is made here too', async () => {
    const told = await explain('--to 198.51.100.2 --dport 22');
    expect(told[0]).toMatch(/^packet {7}IP 10\.0\.[01]\.1\.40000 > 198\.51\.100\.2\.22: Flags \[S\]/);
    expect(told.slice(1)).toEqual([
      'route        198.51.100.2: there is no route to it',
      'drop         no route leads to its destination',
      'result       it is dropped',
    ]);
    await world.run('-n r ip addr add 2001:db8::1/64 dev v0 nodad');
    expect((await explain('--to 2001:db8:9::1')).slice(1)).toEqual([
      'route        2001:db8:9::1: there is no route to it',
      'drop         no route leads to its destination',
      'result       it is dropped',
    ]);
    await world.run('ip netns add void');
    const { status, err } = await sluice('-n void explain --to 198.51.100.2'.split(' '), world.socket);
    expect([status, err.split('; ')[0]]).toEqual([1, 'cannot get route to 198.51.100.2: there is no route to it']);
  });

  it('names the route that refuses, and what leads there without it', async () => {
    const last = async (words: string): Promise<string> => (await explain(words)).at(-1) ?? '';
    const command = 'sluice -n r ip route del';
    await world.run(`
      -n r ip route add blackhole 172.16.0.0/12
      -n r ip route add unreachable 172.17.0.0/16
      -n r ip route add prohibit 192.168.0.0/16 table 100
      -n r ip rule add table 100 priority 90`);
    expect(await last('--to 172.16.0.1')).toBe(
      `unless       another route led there, in place of the route that refuses it: ${command} blackhole 172.16.0.0/12`,
    );
    expect((await explain('--to 172.16.0.1'))[2]).toBe('drop         its route, of type blackhole, refuses it');
    await world.run('-n r ip route add default via 10.0.1.9');
    const by = 'unless       it would go on by 0.0.0.0/0 via 10.0.1.9 dev v1 without the route that refuses it';
    expect(await last('--from 10.0.0.9 --to 192.168.0.1')).toBe(`${by}: ${command} prohibit 192.168.0.0/16 table 100`);
    expect(await last('--from 10.0.0.9 --to 172.16.0.1')).toBe(`${by}: ${command} blackhole 172.16.0.0/12`);
    await world.run('-n r ip route del prohibit 192.168.0.0/16 table 100');
    await world.run('-n r ip route del blackhole 172.16.0.0/12\n-n r ip route add blackhole 172.0.0.0/8');
    expect(await last('--from 10.0.0.9 --to 172.17.0.1')).toContain('unless       another route led there');
    await world.run('-n r ip route del blackhole 172.0.0.0/8');
    expect((await explain('--from 10.0.0.9 --to 172.17.0.1')).slice(-2)).toEqual([
      'result       it is dropped',
      `${by}: ${command} unreachable 172.17.0.0/16`,
    ]);
    await world.run('-n r sysctl -q -w net.ipv4.ip_forward=0');
    expect(await last('--from 10.0.0.9 --to 172.17.0.1')).toBe('result       it is dropped');
    await world.run('-n r sysctl -q -w net.ipv4.ip_forward=1');
    await world.run('-n r ip route del unreachable 172.17.0.0/16');
    expect(await last('--from 10.0.0.9 --to 172.17.0.1')).toBe('result       it leaves by v1');
  });

  it("names the link's own forwarding where that of all is on", async () => {
    await world.run('-n r sysctl -q -w net.ipv4.conf.v0.forwarding=0');
    const last = async (words: string): Promise<string> => (await explain(words)).at(-1) ?? '';
    const key = 'net.ipv4.conf.v0.forwarding';
    expect(await last('--from 10.0.0.9 --to 10.0.1.9')).toBe(
      `unless       it would pass with ${key} = 1: sluice -n r sysctl -w ${key}=1`,
    );
    await world.run(`-n r sysctl -q -w ${key}=1`);
    expect(await last('--from 10.0.0.9 --to 10.0.1.9')).toBe('result       it leaves by v1');
  });

  it('asks of IPv6 for forwarding of all alone, as the kernel does', async () => {
    await world.run(`
      -n r ip addr add 2001:db8::1/64 dev v0 nodad
      -n r ip addr add 2001:db8:1::1/64 dev v1 nodad`);
    const words = '--from 2001:db8::9 --to 2001:db8:1::9';
    const key = 'net.ipv6.conf.all.forwarding';
    expect((await explain(words)).at(-1)).toBe(
      `unless       it would pass with ${key} = 1: sluice -n r sysctl -w ${key}=1`,
    );
    await world.run(`
      -n r sysctl -q -w ${key}=1
      -n r sysctl -q -w net.ipv6.conf.v0.forwarding=0`);
    expect((await explain(words)).at(-1)).toBe('result       it leaves by v1');
  });

  it.each([['255.255.255.255'], ['10.0.1.255'], ['224.0.0.251']])('asks for no neighbour of %s', async (to) => {
    await world.run('-n r ip route add default dev v1');
    const told = await explain(`--from 10.0.1.1 --to ${to}`);
    expect(told.filter((line) => line.startsWith('neighbour'))).toEqual([]);
    expect(told.slice(-2)).toEqual([
      'link         the other end of v1 is v1h in namespace h',
      'result       it leaves by v1',
    ]);
  });

  it('begins at OUTPUT for what is made here', async () => {
    expect(await explain('--to 10.0.1.9')).toEqual([
      'packet       IP 10.0.1.1 > 10.0.1.9: ICMP echo request, id 1, seq 1, length 8',
      'route        10.0.1.9 dev v1 (10.0.1.0/24 of table main)',
      'OUTPUT       out v1',
      'POSTROUTING  out v1',
      'neighbour    10.0.1.9 on v1 is 02:00:00:00:11:09 (PERMANENT)',
      'link         the other end of v1 is v1h in namespace h',
      'result       it leaves by v1',
    ]);
  });

  it('comes in again by lo where it is for this host', async () => {
    await world.run(`
      -n r iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT
      -n r iptables -P INPUT DROP
      -n r iptables -t nat -A OUTPUT -d 10.0.1.1 -j DNAT --to-destination 10.0.0.1`);
    expect(await explain('--from 10.0.0.1 --to 10.0.1.1')).toEqual([
      'packet       IP 10.0.0.1 > 10.0.1.1: ICMP echo request, id 1, seq 1, length 8',
      'route        local 10.0.1.1 dev lo (10.0.1.1/32 of table local)',
      'OUTPUT       out lo',
      '  conntrack    NEW: it would begin a flow',
      '  nat          chain OUTPUT',
      '    rule 1       -A OUTPUT -d 10.0.1.1/32 -j DNAT --to-destination 10.0.0.1',
      '  NAT          destination 10.0.1.1 → 10.0.0.1',
      'POSTROUTING  out lo',
      'link         it is for this host itself: it comes in again, by lo',
      'PREROUTING   in lo',
      '  conntrack    NEW: it would begin a flow',
      'INPUT        in lo',
      '  filter       chain INPUT',
      '    rule 1       -A INPUT -m conntrack --ctstate NEW -j ACCEPT',
      'result       it gets to this host',
    ]);
  });

  it('is JSON on demand', async () => {
    const told = await steps('--from 10.0.0.9 --to 10.0.1.9 --proto udp --dport 53');
    expect(told.map(({ step }) => step)).toEqual([
      ...['packet', 'link', 'hook', 'route', 'hook', 'hook', 'neighbour', 'link', 'end'],
    ]);
    expect(told.at(-1)).toMatchObject({ result: 'left', out: 'v1' });
    expect(told[6]).toMatchObject({ neighbour: { lladdr: '02:00:00:00:11:09', state: 'permanent' } });
  });
});

describe('bridges and vlans', () => {
  beforeEach(async () => {
    await world.run(`
      ip link add br0 address 02:00:00:00:00:0b type bridge
      ip link add b0 type veth peer name b0x
      ip link add b1 type veth peer name b1x
      ip link set br0 up
      ip link set b0 up
      ip link set b0x up
      ip link set b1 up
      ip link set b1x up
      ip link set b0 master br0
      ip link set b1 master br0
      ip link add link br0 name br0.5 type vlan id 5
      ip link set br0.5 up
      ip addr add 10.5.0.1/24 dev br0.5
      ip addr add 10.7.0.1/24 dev br0`);
  });

  const front = async (words: string): Promise<string[]> =>
    (await world.run(`explain ${words}`)).trimEnd().split('\n').slice(1);

  it('tells whom a frame is for, and learns nothing', async () => {
    const IP = '0800 4500001c000040004001 26ca 0a070009 0a070001 0800f7fd00010001';
    expect(await front(`-i b0 020000000042 020000000009 ${IP}`)).toEqual([
      'link         comes in by b0, veth, which is up',
      'bridge       b0 is a port of br0; nobody knows its destination: it is flooded to b1',
      'result       it is bridged',
    ]);
    expect(await front('-i b0 --from 10.7.0.9 --to 10.7.0.1')).toEqual([
      'link         comes in by b0, veth, which is up',
      'bridge       b0 is a port of br0; the frame is for br0 itself',
      'link         comes in by br0, bridge, which is up',
      'PREROUTING   in br0',
      'route        local 10.7.0.1 dev lo (10.7.0.1/32 of table local)',
      'INPUT        in br0',
      'result       it gets to this host',
    ]);
    await world.run('bridge fdb add 02:00:00:00:00:42 dev b1 master static');
    expect((await front(`-i b0 020000000042 020000000009 ${IP}`))[1]).toBe(
      'bridge       b0 is a port of br0; its destination is a station behind b1',
    );
    await world.run('bridge fdb del 02:00:00:00:00:42 dev b1 master');
    expect(await world.run('bridge fdb show br br0')).not.toContain('02:00:00:00:00:09');
  });

  it('is for the station that has the address', async () => {
    await world.run(`
      ip link set b1x address 02:00:00:00:0b:1a
      ip link set b1x netns h
      -n h ip link set b1x up
      -n h ip addr add 10.7.0.7/24 dev b1x
      bridge fdb add 02:00:00:00:0b:1a dev b1 master static
      ip neigh add 10.7.0.8 lladdr 02:00:00:00:00:0b dev br0
      ip link add v9 type dummy
      ip link set v9 up
      ip addr add 10.9.0.1/24 dev v9`);
    const bridged = async (words: string): Promise<string> => (await front(words))[1];
    const ours = 'bridge       b0 is a port of br0; the frame is for br0 itself';
    expect(await bridged('-i b0 --from 10.7.0.9 --to 10.7.0.7')).toBe(
      'bridge       b0 is a port of br0; its destination is a station behind b1',
    );
    // The neighbour has, for once, our own MAC.
    expect(await bridged('-i b0 --from 10.7.0.9 --to 10.7.0.8')).toBe(ours);
    expect(await bridged('-i b0 --from 10.7.0.9 --to 10.9.0.1')).toBe(ours);
    expect(await bridged('-i b0 --from 10.7.0.9 --to 192.0.2.1')).toBe(ours);
    const told = await world.run('explain -i b0 --from 10.7.0.9 --to 10.7.0.77');
    expect(told.split('\n')[0]).toMatch(/; for 02:00:00:00:00:02, which is assumed: nothing here says/);
    expect(told.split('\n')[2]).toBe(
      'bridge       b0 is a port of br0; nobody knows its destination: it is flooded to b1',
    );
    expect(await world.run('explain -i b0 --from 10.7.0.9 --to 10.7.0.7')).not.toContain('assumed');
    await world.run('ip addr del 10.7.0.1/24 dev br0');
    expect(await bridged('-i b0 --from 10.7.0.9 --to 10.7.0.7')).toBe(
      'bridge       b0 is a port of br0; its destination is a station behind b1',
    );
    expect(await world.run('explain -i b0 --from 10.7.0.9 --to 192.0.2.1')).toContain('which is assumed');
  });

  it('names the port that it leaves by, and says that it is down', async () => {
    const end = async (words: string): Promise<string[]> => (await front(words)).slice(-2);
    const left = 'result       it leaves by br0';
    expect(await end('--to 10.7.0.7')).toEqual(['link         br0 is a bridge: the question goes to b0, b1', left]);
    await world.run('ip neigh add 10.7.0.7 lladdr 02:00:00:00:0b:1a dev br0');
    expect(await end('--to 10.7.0.7')).toEqual([
      'link         br0 is a bridge: nobody knows where 02:00:00:00:0b:1a is, it is flooded to b0, b1',
      left,
    ]);
    await world.run('bridge fdb add 02:00:00:00:0b:1a dev b1 master static');
    expect(await end('--to 10.7.0.7')).toEqual([
      'link         br0 is a bridge: 02:00:00:00:0b:1a is behind its port b1',
      left,
    ]);
    await world.run('ip link set b1x down');
    expect((await end('--to 10.7.0.7'))[0]).toMatch(/ is behind its port b1, which has no carrier$/);
    await world.run('ip link set b1 down');
    expect(await end('--to 10.7.0.7')).toEqual([
      'link         br0 is a bridge: 02:00:00:00:0b:1a is behind its port b1, which is down',
      `${left}, and gets no further`,
    ]);
    expect(await end('--from 10.7.0.1 --to 10.7.0.255')).toEqual([
      'link         br0 is a bridge: a frame for a group goes to b0; b1 is down',
      left,
    ]);
    expect((await front('--to 10.5.0.5')).slice(-3)).toEqual([
      'link         br0.5 is vlan 5 on br0: it leaves there, tagged',
      'link         br0 is a bridge: the question goes to b0; b1 is down',
      'result       it leaves by br0.5',
    ]);
  });

  it('does not say that a bridged packet passes which iptables is asked about', async () => {
    await world.run('sysctl -q -w net.bridge.bridge-nf-call-iptables=1');
    await world.run('iptables -A FORWARD -j DROP');
    expect((await front('-i b0 --from 10.7.0.9 --to 10.7.0.77')).at(-1)).toBe(
      'result       it is bridged, unless iptables drops it (bridge-nf-call)',
    );
    const arp = '020000000042 020000000009 0806 0001080006040001 020000000009 0a070009 000000000000 0a070042';
    expect((await front(`-i b0 ${arp}`)).at(-1)).toBe('result       it is bridged');
  });

  it('takes tags off', async () => {
    const told = await front(
      '-i b0 02000000000b 020000000009 81000005 0800 4500001c000040004001 26ce 0a050009 0a050001 0800f7fd00010001',
    );
    expect(told.slice(2, 6)).toEqual([
      'link         comes in by br0, bridge, which is up',
      'vlan         its tag is that of br0.5 (id 5): it goes there, untagged',
      'link         comes in by br0.5, vlan, which is up',
      'PREROUTING   in br0.5',
    ]);
  });

  it('says that a port is down, and that it would pass', async () => {
    await world.run('ip link set b0 down');
    expect(await front('-i b0 --from 10.7.0.9 --to 10.7.0.1')).toEqual([
      'link         comes in by b0, veth, which is down',
      'drop         it arrived on a link that is down',
      'result       it is dropped',
      'unless       it would pass if b0 were up: sluice ip link set b0 up',
    ]);
  });
});

describe('what it refuses', () => {
  it.each([
    ['explain --to nobody', 'cannot explain packets of "nobody": that is no address; write one of IPv4 or IPv6'],
    ['explain -i nope --from 1.2.3.4 --to 1.1.1.1', 'cannot explain packets of "nope": there is no such link'],
    ['explain -i v0h 00', 'cannot explain the frame: it has 1 bytes; an Ethernet frame has 14 to 65549'],
    ['explain -i v0h 0g', 'cannot explain the frame: it is not written in pairs of hexadecimal digits'],
    ['explain --from 1.2.3.4 --to ::1', 'cannot explain a packet from 1.2.3.4 to ::1: they are of two families'],
    [
      'explain --from 1.2.3.4 --to 1.1.1.1 -i v0h --proto icmp --dport 22',
      'cannot explain a packet with dport 22: protocol 1 has no ports; leave it out',
    ],
    [
      'explain --to ::1 --from ::1 --proto gre --sport 9',
      'cannot explain a packet with sport 9: protocol 47 has no ports;',
    ],
    ['explain --from 8.8.8.8 --to 1.1.1.1', 'cannot explain packets from 8.8.8.8: no route says'],
  ])('%s', async (line, wanted) => {
    const { status, out, err } = await sluice(line.split(' '), world.socket);
    expect([status, out, err.slice(0, wanted.length)]).toEqual([1, '', wanted]);
  });
});

describe('lines of the log', () => {
  it('name links and chains as they are called', async () => {
    await world.run(`
      -n r iptables -t raw -A OUTPUT -p icmp -j TRACE
      -n r iptables -A OUTPUT -p icmp -j LOG --log-prefix seen:_
      -n r iptables -A OUTPUT -p icmp -j NFLOG --nflog-group 3 --nflog-prefix kept
      -n r explain --to 10.0.1.9`);
    // What is tried out is in no log.
    expect(world.packetLogs).toEqual([]);
    await world.run(`
      -n r ip link set v1 down
      -n r ip link set v1 name up1
      -n r ip link set up1 up`);
    const { endpoints } = world.dataplane.inet;
    const number = world.handler.network.namespaces.get('r').number;
    const request = new Uint8Array(28);
    request.set([0x45, 0, 0, 28, 0, 7, 0x40, 0, 64, 1, 0, 0, 10, 0, 1, 1, 10, 0, 1, 9, 8, 0, 0xf7, 0xfd, 0, 1, 0, 1]);
    endpoints.send(number, request, -1, false, world.now);
    world.dataplane.flush(world.now);
    const { iptables } = world.handler.stack.netfilter;
    const lines = world.packetLogs.flatMap((told) => linesOf(told, iptables));
    expect(lines.map(({ level, text }) => `${level} ${text.replace(/ SRC=.*/, '')}`)).toEqual([
      'warn TRACE: raw:OUTPUT:policy:2 IN= OUT=up1',
      'warn TRACE: filter:OUTPUT:rule:1 IN= OUT=up1',
      'warn seen:_IN= OUT=up1',
      'warn TRACE: filter:OUTPUT:rule:2 IN= OUT=up1',
      'info nflog group 3 prefix "kept" IN= OUT=up1 LEN=28',
      'warn TRACE: filter:OUTPUT:policy:3 IN= OUT=up1',
    ]);
    expect(lines.every(({ namespace }) => namespace === number)).toBe(true);
  });
});

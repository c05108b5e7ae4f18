/*
 * Sets in rules as the kernel has them: the same sets and rules in a kernel namespace and in one of Sluice, the same frames through both; what
 * comes out, the counters of rules and the sets as they are afterwards compared. And what rules hold cannot be destroyed.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { type Case, FilteredRouters, rulesOf } from '../support/filtered-routers.js';
import type { Outcome } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { expectConserved, sceneOfAll } from '../support/scene.js';
import { FORWARDING, INTERFACES, TwoRouters } from '../support/two-routers.js';
import { ROUTES, traffic4, traffic6 } from './netfilter-cases/common.js';

const missing = lackingNamespaces('python3', 'ethtool', 'nft', 'iptables', 'conntrack', 'ipset');

const SETS = `
create addresses hash:ip counters
add addresses 10.0.0.100-10.0.0.130
add addresses 10.0.1.9
create slash24 hash:ip netmask 24
add slash24 10.0.1.0
create bits hash:ip bitmask 255.0.0.255
add bits 10.0.0.9
create nets hash:net counters
add nets 10.0.0.0/16
add nets 10.0.1.0/24 nomatch
add nets 172.16.0.0/12
add nets 172.16.5.0/24 nomatch
create services hash:ip,port counters
add services 10.0.1.9,tcp:80
add services 10.0.1.9,tcp:22
add services 10.0.2.9,udp:50-60
add services 10.0.1.9,icmp:echo-request
add services 172.16.1.1,tcp:80
create netports hash:net,port
add netports 10.0.0.0/8,tcp:80
add netports 10.0.1.0/24,tcp:80 nomatch
add netports 0.0.0.0/1,udp:53
create pairs hash:ip,port,ip
add pairs 10.0.0.100-10.0.0.160,tcp:80,10.0.1.9
create pairnets hash:ip,port,net
add pairnets 10.0.0.100-10.0.0.160,udp:53,10.0.0.0/8
create links hash:net,iface
add links 10.0.0.0/24,p0
add links 10.0.1.0/24,p1
add links 0.0.0.0/0,p3
create ports bitmap:port range 0-1024
add ports 22-80
create range bitmap:ip range 10.0.0.0/24
add range 10.0.0.100-10.0.0.120
create seen hash:ip timeout 600 counters
create talks hash:ip,port,ip timeout 600
create gone hash:ip
add gone 10.0.0.100-10.0.0.160
create marks hash:ip skbinfo
add marks 10.0.1.9 skbmark 0x7/0xff
create all list:set
add all addresses
add all nets
`;

const SETS6 = `
create addresses6 hash:ip family inet6
add addresses6 2001:db8::9
add addresses6 2001:db8:1::9
create nets6 hash:net family inet6 counters
add nets6 2001:db8::/32
add nets6 2001:db8:1::/48 nomatch
create services6 hash:ip,port family inet6
add services6 2001:db8:1::9,tcp:80
add services6 2001:db8:1::9,icmpv6:echo-request
create seen6 hash:net family inet6 timeout 600
create ports bitmap:port range 0-1024
add ports 22-80
`;

const MATCHES = `
--match-set addresses src
--match-set addresses dst
! --match-set addresses src
--match-set slash24 dst
--match-set bits dst
--match-set nets src
--match-set nets dst
--match-set nets dst --return-nomatch
! --match-set nets dst --return-nomatch
--match-set nets src ! --update-counters
--match-set services dst,dst
--match-set services src,src
--match-set services dst
--match-set netports dst,dst
--match-set netports dst,dst --return-nomatch
--match-set pairs src,dst,dst
--match-set pairs dst,src,src
--match-set pairnets src,dst,dst
--match-set links src,src
--match-set links dst,dst
--match-set ports dst
--match-set ports src
--match-set range src
--match-set range dst
--match-set all src
--match-set all dst
--match-set addresses src --packets-gt 3
--match-set addresses src --packets-lt 2
--match-set addresses src ! --bytes-eq 60
`;

const TARGETS = [
  '-A PREROUTING -j SET --add-set seen src',
  '-A PREROUTING -p tcp -j SET --add-set seen dst --exist --timeout 300',
  '-A PREROUTING -p udp --dport 53 -j SET --del-set gone src',
  '-A FORWARD -j SET --add-set talks src,dst,dst --exist',
  '-A FORWARD -j SET --map-set marks dst --map-mark',
  '-A FORWARD -m mark --mark 0x7/0xff',
  '-A FORWARD -m set --match-set seen dst',
];

const VERDICTS = [
  '-A FORWARD -m set --match-set services dst,dst -j ACCEPT',
  '-A FORWARD -m set --match-set all dst -j REJECT',
  '-A FORWARD -m set ! --match-set nets src -j DROP',
  '-A FORWARD -m set --match-set ports src,dst -j DROP',
];

const of = (chain: string, matches: string): string =>
  matches
    .trim()
    .split('\n')
    .map((line) => `-A ${chain} -m set ${line}`)
    .join('\n');

const CASES: Array<Case & { sets: string }> = [
  {
    title: 'who is in which set',
    sets: SETS,
    rules: rulesOf({ mangle: of('PREROUTING', MATCHES), filter: of('FORWARD', MATCHES) }),
    steps: [traffic4(120, 71)],
  },
  {
    title: 'what becomes of packets, and of sets by packets',
    sets: SETS,
    rules: rulesOf({ mangle: TARGETS.join('\n'), filter: VERDICTS.join('\n') }),
    steps: [traffic4(60, 72), traffic4(60, 73)],
  },
  {
    title: 'the same of IPv6',
    sets: SETS6,
    rules6: rulesOf({
      mangle: '-A PREROUTING -j SET --add-set seen6 src\n-A FORWARD -m set --match-set seen6 dst',
      filter: of(
        'FORWARD',
        '--match-set addresses6 src\n--match-set addresses6 dst\n--match-set nets6 dst\n--match-set nets6 dst --return-nomatch\n--match-set services6 dst,dst\n--match-set ports dst',
      ),
    }),
    steps: [traffic6(120, 74)],
  },
];

/** Sets as both write them, but for the kernel's hash seeds and seconds that pass; of hashes in one order. */
function comparable(text: string): string[] {
  const lines = text.replace(/initval \S+/g, 'initval R').replace(/timeout (29|59)\d(?!\S)/g, 'timeout $19N');
  return lines
    .replace(/timeout (30|60)0/g, (_, n: string) => `timeout ${Number(n) - 1}9N`)
    .split('\n')
    .sort();
}

describe.skipIf(missing)(titled('sets beside the kernel’s', missing), () => {
  let filtered: FilteredRouters;

  sceneOfAll(async (scene) => {
    filtered = new FilteredRouters(await TwoRouters.build(scene));
  });

  beforeAll(async () => {
    const { routers } = filtered;
    await routers.sysctl(FORWARDING);
    await routers.configure([...INTERFACES, ...ROUTES]);
    await routers.haveCarriers();
  });

  async function both(line: string, input = ''): Promise<{ theirs: Outcome; ours: Outcome }> {
    const { routers } = filtered;
    return { theirs: await routers.runKernel(line, input), ours: await routers.daemon.sluice(line, input) };
  }

  async function mustBoth(line: string, input = ''): Promise<{ theirs: string; ours: string }> {
    const { theirs, ours } = await both(line, input);
    expect({ line, status: theirs.status, err: theirs.err }).toEqual({ line, status: 0, err: '' });
    expect({ line, status: ours.status, err: ours.err }).toEqual({ line, status: 0, err: '' });
    return { theirs: theirs.out, ours: ours.out };
  }

  test.each(CASES.map((one) => [one.title, one] as const))(
    '%s',
    async (_, one) => {
      await mustBoth('ipset restore', one.sets);
      const atTheEnd: Case = { ...one, hideRule: (line) => line };
      expect(await filtered.differencesIn(atTheEnd)).toEqual([]);
      const { theirs, ours } = await mustBoth('ipset save');
      expect(comparable(ours)).toEqual(comparable(theirs));
      await mustBoth('ipset flush');
      await mustBoth('ipset destroy');
    },
    120_000,
  );

  test('a set that rules or lists hold stays until they are gone', async () => {
    const { routers } = filtered;
    await mustBoth('ipset restore', 'create held hash:ip\ncreate list list:set\nadd list held\ncreate free hash:ip\n');
    await routers.both('iptables -A FORWARD -m set --match-set held src -j SET --add-set free dst');
    await routers.both('iptables -t mangle -A FORWARD -m set --match-set held src');
    const alike = async (line: string): Promise<string> => {
      const { theirs, ours } = await both(line);
      expect({ line, status: ours.status, err: ours.err }).toEqual({ line, status: theirs.status, err: theirs.err });
      return ours.err;
    };
    expect(await alike('ipset destroy held')).toMatch(/in use/);
    expect(await alike('ipset destroy free')).toMatch(/in use/);
    expect(await alike('ipset destroy')).toMatch(/in use/);
    expect(await alike('ipset rename held other')).toMatch(/in use/);
    const terse = await mustBoth('ipset list -t held');
    expect(terse.ours).toContain('References: 3');
    expect(terse.theirs).toContain('References: 3');
    await routers.both('iptables -R FORWARD 1 -m set --match-set held dst');
    expect(await alike('ipset destroy free')).toBe('');
    await routers.both('iptables -D FORWARD -m set --match-set held dst');
    await routers.both('iptables -t mangle -F');
    expect(await alike('ipset destroy held')).toMatch(/in use/);
    expect(await alike('ipset flush list')).toBe('');
    expect(await alike('ipset destroy')).toBe('');
    const refused = await routers.runSluice('iptables -A FORWARD -m set --match-set held src');
    const theirs = await routers.runKernel('iptables -A FORWARD -m set --match-set held src');
    expect([refused.status, refused.err]).toEqual([theirs.status, theirs.err]);
  }, 120_000);

  test('a restore that fails gives back what its rules held', async () => {
    const { routers } = filtered;
    await mustBoth('ipset create held hash:ip');
    const text = '*filter\n-A FORWARD -m set --match-set held src\n-A FORWARD -m set --match-set nosuch src\nCOMMIT\n';
    expect((await routers.runSluice('iptables-restore', text)).status).not.toBe(0);
    await mustBoth('ipset destroy held');
  });

  test('swapped under a rule, the other members count', async () => {
    const { routers } = filtered;
    await filtered.clear();
    await mustBoth('ipset restore', 'create one hash:ip\nadd one 10.0.0.100\ncreate two hash:ip\nadd two 10.0.0.101\n');
    await mustBoth('ipset swap one two');
    await routers.both('iptables -A FORWARD -m set --match-set one src -j DROP');
    await mustBoth('ipset swap one two');
    await mustBoth('ipset swap one two');
    const { theirs, ours } = await mustBoth('ipset list -o save one');
    expect(comparable(ours)).toEqual(comparable(theirs));
    expect(ours).toContain('add one 10.0.0.101');
    await filtered.clear();
    await mustBoth('ipset destroy');
  }, 120_000);

  test('a namespace takes its sets along', async () => {
    const { daemon } = filtered.routers;
    await daemon.must('ip netns add inside');
    await daemon.must('-n inside ipset create own hash:ip');
    await daemon.must('-n inside ipset add own 10.0.0.1');
    await daemon.must('-n inside iptables -A INPUT -m set --match-set own src');
    expect(await daemon.must('ipset list -n')).toBe('');
    expect(await daemon.must('-n inside ipset list -n')).toBe('own\n');
    await daemon.must('ip netns del inside');
    await daemon.must('ip netns add inside');
    expect(await daemon.must('-n inside ipset list -n')).toBe('');
    await daemon.must('ip netns del inside');
  });

  test('at rest every frame is accounted for', () => expectConserved(filtered.routers.daemon));
});

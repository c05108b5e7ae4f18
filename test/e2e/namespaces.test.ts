/*
 * Namespaces, veth pairs and sysctls beside the kernel's: the same words for `ip` and for `sluice ip`, and what both print, text and
 * JSON, and how they fail. Addresses of links are random in both and are not compared.
 *
 * Left out, as they differ for a reason: operstate and NO-CARRIER at once after a change (the kernel's come later), and
 * usage texts (Sluice's are its own).
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Daemon } from '../support/daemon.js';
import { must, type Outcome, run, until, wordsOf } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { sceneOfAll } from '../support/scene.js';

const missing = lackingNamespaces();
const [RED, BLUE] = ['red', 'blue'].map((name) => `sl${process.pid}${name}`);

/** Lines, with names of namespaces that other tests do not have. */
function script(text: string): string[] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim().replaceAll('RED', RED).replaceAll('BLUE', BLUE));
}

const LINKS = script(`
  ip -n RED link
  ip -n RED -d link
  ip -n RED -j -d -s -s link
  ip -n RED link add v0 type veth peer name v1 netns BLUE
  ip -n RED link show v0
  ip -n BLUE link show v1
  ip -n RED link set v0 up
  ip -n RED link show v0
  ip -n RED link add br0 type bridge
  ip -n RED link set br0 netns BLUE
  ip -n RED link set lo netns BLUE
  ip -n RED link set lo master br0
  ip -n RED link del lo
  ip -n RED link add v5 mtu 9000 type veth peer name v5p mtu 70
  ip -n RED link set v5 mtu 67
  ip -n RED link set v5 mtu 65536
  ip -n RED link add v6 type veth peer name v0
  ip -n RED link add v6 type veth peer name v6
  ip -n RED link add v6 netns BLUE type veth peer name v6p address 02:00:00:00:00:01
  ip -n RED link
  ip -n BLUE link
  ip -n BLUE link add v0 type bridge
  ip -n RED link set v0 netns BLUE
  ip -n RED link set v0 netns BLUE name v9
  ip -n BLUE link show v9
  ip -n RED link set v5 netns nosuch
  ip -n BLUE link set v9 netns RED up
  ip -n RED link show
  ip -n RED link add type bridge
  ip -n RED link set lo mtu 0
  ip -n RED link set lo mtu 99999999
  ip -n RED link set lo address 02:00:00:00:00:09
  ip -n RED -d link show lo
  ip -n RED link set v5 address 01:00:00:00:00:09
  ip -n RED link add vxx type veth peer name
  ip -n RED link add vxx type veth peer name abcdefghijklmnopqrst
  ip -n RED link add vxx type veth peer foo bar
  ip -n RED link add vxx type veth peer
  ip -n RED link show vxx
  ip -n RED link set v5 addrgenmode none
  ip -n RED -d link show v5
  ip -n RED link set v5 addrgenmode foo
  ip -n RED link add e1 type veth peer name ex
  ip -n RED link set e1 up
  ip -n RED link set e1 name e9
  ip -n RED link show e9
  ip -n RED link set e9 name lo
  ip -n RED link set lo up
  ip -n RED link show lo
  ip -n RED -br link
  ip -n RED -j -br link
  ip -n BLUE -j -br link
  ip -n BLUE -o -d link show v6
  ip -n BLUE -j -p -d link show v6
  ip -n RED link add x1 type veth peer type foo
  ip -n RED link add x8 mtu 1400 address 02:00:00:00:00:08 type veth
  ip -n RED link add x9 type veth peer up
  ip -n RED link add x10 type veth peer name lo
  ip -n RED link add y0 netns nosuch type veth
  ip -n RED link add y0 type veth peer netns nosuch
  ip -n RED link add lo type bridge
  ip -n RED link set x8 netns RED
  ip -n RED link set x8 master lo
  ip -n RED link set x8 master nosuch
  ip -n RED link add x6 type veth peer netns BLUE
  ip -n RED link add x7 netns BLUE type veth peer netns BLUE
  ip -n RED link
  ip -n BLUE link
  ip netns add RED
  ip netns del nosuch
  ip -n nosuch link
  ip -n RED link add link v5 name v5.1 type vlan id x
  ip -n RED link add link v5 name v5.1 type vlan id 1 protocol foo
  ip -n RED link add link nosuch name v5.1 type vlan id 1
  ip netns del BLUE
  ip -n RED link
`);

const SYSCTLS = script(`
  sysctl net.ipv4.ip_forward net.ipv4.xyz net.ipv4.ip_default_ttl
  sysctl -w net.ipv4.ip_forward=1
  sysctl net.ipv4.conf.v0.forwarding net.ipv4.conf.all.accept_redirects
  sysctl -w net.ipv4.ip_forward=abc
  sysctl -qw net.ipv4.ip_forward=0
  sysctl -n net.ipv4.conf.default.forwarding
  sysctl -e net.ipv4.xyz
  sysctl -w
  sysctl -w net.ipv4.ip_forward
  sysctl net/ipv4/conf/a.b/rp_filter
  sysctl net.ipv4.conf.a.b.rp_filter
  sysctl net.ipv4.ip_default_ttl=256
  sysctl net.ipv4.conf.v0.mc_forwarding=1
  sysctl net.ipv4.conf.v0=1
  sysctl -a -r rp_filter
  sysctl -an -r ip_forward$
  sysctl net.ipv4.neigh.v0.retrans_time_ms=7
  sysctl net.ipv4.neigh.v0.retrans_time net.ipv4.neigh.v0.retrans_time_ms net.ipv6.neigh.v0.retrans_time
  sysctl net.ipv4.neigh.v0.unres_qlen=3
  sysctl net.ipv4.neigh.v0.unres_qlen_bytes
  sysctl net.ipv4.conf.default.rp_filter=2
  sysctl net.ipv4.conf.v0.rp_filter=1
  sysctl net.ipv4.conf.default.rp_filter=0
  sysctl -a -r \\.rp_filter
  sysctl net.ipv6.conf.all.forwarding=1
  sysctl net.ipv6.conf.all.disable_ipv6=1
  sysctl net.ipv6.conf.all.hop_limit=9
  sysctl net.ipv6.conf.v0.mtu=1501
  sysctl net.ipv6.conf.v0.mtu=1300
  sysctl -a -r ipv6.conf.*\\.(forwarding|disable_ipv6|hop_limit|mtu)$
  sysctl net.ipv6.icmp.ratemask=1,2,3,200-203
  sysctl net.ipv6.icmp.ratemask
  sysctl net.ipv6.icmp.ratemask=3-1
  sysctl net.ipv4.ipfrag_high_thresh=100
  sysctl net.ipv4.ipfrag_high_thresh=8000000000
  sysctl net.ipv4.neigh.default.gc_thresh1
  sysctl net.ipv4.conf.v0.accept_redirects=2147483648
`);

/** A line's first words of complaint, and what it printed, without addresses that are random. */
function shown({ status, out, err }: Outcome): { status: number; out: string; first: string } {
  const still = (text: string): string =>
    text.replace(/(?<=[ "])(?!ff:ff|00:00:00:00:00:00|02:00)([0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC');
  return { status, out: still(out), first: err.trim().split('\n')[0] };
}

describe.skipIf(missing)(titled('namespaces beside the kernel', missing), () => {
  let daemon: Daemon;

  sceneOfAll(async (scene) => {
    daemon = await scene.daemon();
    for (const name of [RED, BLUE]) {
      await must(['ip', 'netns', 'add', name]);
      scene.atEnd(() => run(['ip', 'netns', 'del', name]));
      await daemon.must(`ip netns add ${name}`);
    }
  });

  it.each(LINKS)('%s', async (line) => {
    const real = shown(await run(wordsOf(line)));
    expect(shown(await daemon.sluice(line))).toEqual(real);
  });

  it("veth: carrier and state settle as the kernel's", async () => {
    const lines = script(`
      link add c0 type veth peer name c1
      link set c0 up
      link set c1 up
      link set c1 down
      link set c1 up
    `);
    const links = ['c0', 'c1'].map((name) => `-n ${RED} link show ${name}`);
    for (const line of lines) {
      await must(wordsOf(`ip -n ${RED} ${line}`));
      await daemon.must(`ip -n ${RED} ${line}`);
      for (const show of links) {
        const ours = shown(await daemon.sluice(`ip ${show}`)).out;
        await until(`${line}: ${show}`, async () => shown(await run(wordsOf(`ip ${show}`))).out === ours);
      }
    }
  });

  describe('sysctl', () => {
    beforeAll(async () => {
      const pair = `ip -n ${RED} link add w0 type veth peer name a.b`;
      await must(wordsOf(pair));
      await daemon.must(pair);
    });

    it('has the values of the kernel, in its order', async () => {
      // Of a module that this kernel may lack, of our own, and how large a table is at first.
      const own = /^net\.(bridge\.|netfilter\.(nf_conntrack_buckets|sluice_))/;
      const all = (await daemon.must(`-n ${RED} sysctl -a`)).trimEnd().split('\n');
      const ours = all.filter((line) => !own.test(line));
      const theirs = await must(wordsOf(`ip netns exec ${RED} sysctl -a`));
      const known = new Set(theirs.split('\n'));
      expect(ours.filter((line) => !known.has(line))).toEqual([]);
      expect(theirs.split('\n').filter((line) => ours.includes(line))).toEqual(ours);
      expect(ours.length).toBeGreaterThan(300);
    });

    it.each(SYSCTLS.map((line) => line.replaceAll('v0', 'w0')))('%s', async (line) => {
      const ours = shown(await daemon.sluice(`-n ${RED} ${line}`));
      const real = shown(await run(['ip', 'netns', 'exec', RED, ...wordsOf(line)]));
      const listed = new Set((await daemon.must(`-n ${RED} sysctl -aN`)).split('\n'));
      const isOurs = (text: string): boolean => !text.includes(' = ') || listed.has(text.split(' = ')[0]);
      const lines = real.out.split('\n');
      const out = line.includes(' -a ') ? lines.filter(isOurs).join('\n') : real.out;
      expect(ours).toEqual({ ...real, out });
    });
  });
});

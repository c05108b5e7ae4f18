/*
 * Wrong commands about routes and rules, beside the real tool: its first line on stderr, its exit status, then one
 * sentence of ours. After "=>" stands what the daemon answers where the kernel decides: an errno, and perhaps its words.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiError } from '../../src/control/api/answer.js';
import { FakeDaemon, type Received, refusal } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { sluice, words } from './run.js';

const reason = unavailable('iproute2');

const LINES = `
ip route foo
ip route help
ip route add
ip route add help
ip route add 10.0.0.0/33
ip route add 10.0.0.0/33.0
ip route add 10.0.0.0/255.0.255.0
ip route add 300.0.0.0/8
ip route add 10..1/8
ip route add 1.2.3.4.5
ip route add default/8
ip route add foo
ip -6 route add foo
ip -4 route add ::/0
ip -6 route add 10.0.0.0/8
ip route add 2001:db8::/129
ip route add 2001:db8:::/64
ip route add fe80::1%lo/64
ip route add 10.9.0.0/16 10.10.0.0/16
ip route add 10.9.0.0/16 via
ip route add 10.9.0.0/16 via x
ip route add 10.9.0.0/16 via fe80::1 dev v0
ip route add 10.9.0.0/16 via inet fe80::1
ip route add 10.9.0.0/16 via 10.0.0.2 via 10.0.0.3
ip route add 10.9.0.0/16 via any dev v0
ip route add 2001:db8:1::/48 via 10.0.0.1
ip -6 route add 2001:db8:1::/48 via inet 10.0.0.1
ip route add 10.9.0.0/16 dev
ip route add 10.9.0.0/16 dev nosuch
ip route del 10.9.0.0/16 dev nosuch
ip route replace 10.9.0.0/16 nexthop via 10.0.0.2 dev nosuch nexthop via 10.0.0.3
ip route add 10.9.0.0/16 nexthop
ip route add 10.9.0.0/16 nexthop via
ip route add 10.9.0.0/16 nexthop via x
ip route add 10.9.0.0/16 nexthop via 10.0.0.2 foo
ip route add 10.9.0.0/16 nexthop via 10.0.0.2 weight 0
ip route add 10.9.0.0/16 nexthop via 10.0.0.2 weight 257
ip route add 10.9.0.0/16 nexthop via 10.0.0.2 weight x
ip route add 10.9.0.0/16 nexthop via 10.0.0.2 realms 1/x
ip route add 10.9.0.0/16 table
ip route add 10.9.0.0/16 table nosuch
ip route add 10.9.0.0/16 table 4294967296
ip route add 10.9.0.0/16 table -1
ip route add 10.9.0.0/16 vrf red
ip route add 10.9.0.0/16 proto x
ip route add 10.9.0.0/16 proto 256
ip route add 10.9.0.0/16 scope x
ip route add 10.9.0.0/16 scope 256
ip route add 10.9.0.0/16 metric x
ip route add 10.9.0.0/16 metric -1
ip route add 10.9.0.0/16 preference 4294967296
ip route add 10.9.0.0/16 mtu x
ip route add 10.9.0.0/16 mtu lock
ip route add 10.9.0.0/16 hoplimit 256
ip route add 10.9.0.0/16 advmss x
ip route add 10.9.0.0/16 reordering x
ip route add 10.9.0.0/16 rtt x
ip route add 10.9.0.0/16 rtt 5x
ip route add 10.9.0.0/16 rto_min x
ip route add 10.9.0.0/16 rttvar x
ip route add 10.9.0.0/16 window x
ip route add 10.9.0.0/16 cwnd x
ip route add 10.9.0.0/16 initcwnd x
ip route add 10.9.0.0/16 initrwnd lock x
ip route add 10.9.0.0/16 ssthresh x
ip route add 10.9.0.0/16 features x
ip route add 10.9.0.0/16 quickack 2
ip route add 10.9.0.0/16 quickack x
ip route add 10.9.0.0/16 fastopen_no_cookie 2
ip route add 10.9.0.0/16 ttl-propagate x
ip route add 10.9.0.0/16 realms x
ip route add 10.9.0.0/16 congctl
ip route add 10.9.0.0/16 tos x
ip route add 10.9.0.0/16 tos 100
ip route add 10.9.0.0/16 dsfield zz
ip route add 10.9.0.0/16 expires x
ip route add 10.9.0.0/16 pref x
ip route add 10.9.0.0/16 nhid x
ip route add 10.9.0.0/16 src x
ip route add 10.9.0.0/16 src fe80::1
ip route add 10.9.0.0/16 from x
ip route add 10.9.0.0/16 as to x
ip route add blackhole
ip route add to
ip route add blackhole to 10.0.0.0/8
ip route add local help
ip route add 10.0.0.0/24 dev v0 proto kernel scope link src 10.0.0.1 => EEXIST
ip route add 10.9.0.0/16 via 99.9.9.9 => EINVAL Nexthop has invalid gateway
ip route add 10.9.0.0/16 dev v1 => ENETDOWN Device for nexthop is not up
ip route add 10.9.0.1/16 dev v0 => EINVAL Invalid prefix for given prefix length
ip route del 10.99.0.0/16 => ESRCH
ip route change 10.99.0.0/16 dev v0 => ENOENT
ip -6 route del 2001:db8:99::/48 => ESRCH
ip -0 route add 10.0.0.0/8 dev v0
ip route show foo
ip route show 10.0.0.0/33
ip -6 route show 10.0.0.0/8
ip route show table
ip route show table nosuch
ip route show table help
ip route show table 77 => ENOENT ipv4: FIB table does not exist
ip -6 route show table 77 => ENOENT ipv6: FIB table does not exist
ip route show vrf red
ip route show proto x
ip route show scope x
ip route show type y
ip route show dev nosuch
ip route show iif nosuch
ip route show mark x
ip route show metric x
ip route show tos x
ip route show realms x
ip route show via x
ip route show src x
ip route show from x
ip route show from root
ip route show root
ip route show match x
ip route show exact
ip route flush
ip route flush table nosuch
ip route flush table 77 => ENOENT ipv4: FIB table does not exist
ip route flush dev nosuch
ip route get
ip route get help
ip route get x
ip -6 route get 10.0.0.1
ip route get 10.0.0.1 from x
ip route get 10.0.0.1 from fe80::1
ip route get 10.0.0.1 iif nosuch
ip route get 10.0.0.1 oif nosuch
ip route get 10.0.0.1 iif
ip route get 10.0.0.1 mark x
ip route get 10.0.0.1 tos x
ip route get 10.0.0.1 uid x
ip route get 10.0.0.1 vrf red
ip route get 10.0.0.1 sport x
ip route get 10.0.0.1 sport 65536
ip route get 10.0.0.1 dport x
ip route get 10.0.0.1 ipproto x
ip route get from 10.0.0.1
ip route get 99.9.9.9 => ENETUNREACH
ip route get 10.0.0.9 iif v0 from 99.0.0.1 => EHOSTUNREACH
ip rule foo
ip rule help
ip rule add
ip rule del
ip rule add help
ip rule add foo
ip rule add from
ip rule add from x
ip rule add to 10.0.0.0/33
ip -6 rule add from 10.0.0.0/8
ip rule add from 2001:db8::/32 table 5
ip rule add to 2001:db8::/32 table 5
ip rule add pref x
ip rule add order x
ip rule add tos x
ip rule add fwmark x
ip rule add fwmark 1/x
ip rule add realms x
ip rule add protocol x
ip rule add tun_id x
ip rule add table nosuch
ip rule add lookup nosuch
ip rule add suppress_prefixlength x
ip rule add sup_pl -1
ip rule add suppress_ifgroup nosuch
ip rule add iif averyveryverylongname
ip rule add dev a/b
ip rule add oif averyveryverylongname
ip rule add uidrange x
ip rule add ipproto x
ip rule add ipproto 256
ip rule add sport x
ip rule add dport x
ip rule add goto x
ip rule add goto
ip rule add type
ip rule add type foo
ip rule add nat
ip rule add table 5 pref 5 => EEXIST
ip rule del pref 4444 => ENOENT
ip -0 rule
ip -0 rule add table 5
ip rule show foo
ip rule show pref x
ip rule show tos x
ip rule show fwmark x
ip rule show fwmark 1/x
ip rule show iif averyveryverylongname
ip rule show oif a/b
ip rule show uidrange x
ip rule show tun_id x
ip rule show table nosuch
ip rule show from x
ip rule show proto x
ip rule show ipproto x
ip rule show sport x
ip rule show dport x
ip rule show to
ip rule flush foo
`;

interface Case {
  line: string;
  refused?: ApiError;
}

function parseCase(text: string): Case {
  const [line, answer] = text.split(' => ');
  if (answer === undefined) return { line };
  const [errno, ...extack] = answer.split(' ');
  const message = 'cannot VERB OBJECT: CAUSE; HINT';
  return { line, refused: { errno, message, ...(extack.length > 0 && { extack: extack.join(' ') }) } };
}

const CASES = LINES.trim().split('\n').map(parseCase);

/** Those that the kernel does, and Sluice has no use for. */
const REFUSED = `
ip route add 10.9.0.0/16 dev v0 tos 0x10
ip route add 10.9.0.0/16 dev v0 realms 3
ip route add 10.9.0.0/16 dev v0 advmss 1400
ip route add 10.9.0.0/16 dev v0 window lock 1000
ip route add 10.9.0.0/16 dev v0 rtt 5s
ip route add 10.9.0.0/16 dev v0 ssthresh 7
ip route add 10.9.0.0/16 dev v0 features ecn
ip route add 10.9.0.0/16 dev v0 quickack 1
ip route add 10.9.0.0/16 dev v0 congctl lock reno
ip route add 10.9.0.0/16 dev v0 fastopen_no_cookie 1
ip route add 10.9.0.0/16 dev v0 ttl-propagate enabled
ip route add 10.9.0.0/16 nhid 5
ip route add 10.9.0.0/16 encap ip id 5 dst 10.0.0.2 dev v0
ip route add 10.9.0.0/16 nexthop via 10.0.0.2 realms 3
ip -6 route add 2001:db8::/32 from 2001:db8::/48 dev v0
ip route add nat 10.9.0.0/16 dev v0
ip route add 10.9.0.0/16 via link 5 dev v0
ip route test 10.9.0.0/16
ip route get 10.0.0.2 uid 0
ip route get 10.0.0.2 notify
ip rule add realms 3 table 5
ip rule add tun_id 5 table 5
ip rule add uidrange 1-2 table 5
ip rule add l3mdev
ip rule add nat 10.0.0.1
ip rule add throw
`
  .trim()
  .split('\n');

const SENTENCE = /^cannot [^:]+(:[^ ][^:]*)*: .+; .+$/;

describe.skipIf(reason !== '')(`wrong routes and rules, beside iproute2${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let daemon: FakeDaemon;

  beforeAll(async () => {
    kernel = new Namespace();
    kernel.set(
      'ip link set lo up',
      'ip link add v0 type veth peer name v1',
      'ip link set v0 up',
      'ip addr add 10.0.0.1/24 dev v0',
      'ip rule add table 5 pref 5',
    );
    daemon = await FakeDaemon.start(() => ({}));
  });

  afterAll(() => {
    daemon?.stop();
    kernel?.remove();
  });

  function answer(request: Received, refused: ApiError | undefined): unknown {
    const unknown = refusal('ENODEV', 'cannot VERB OBJECT: CAUSE; HINT');
    if (request.op === 'link.list') return ['v0', 'v1', 'lo'].includes(request.name ?? '') ? [{}] : unknown;
    if (JSON.stringify(request).includes('nosuch')) return unknown;
    return refused === undefined ? {} : { error: refused };
  }

  it.each(CASES)('$line', async ({ line, refused }) => {
    daemon.answerWith((request) => answer(request, refused));
    const real = kernel.run(line);
    const ours = await sluice(words(line), daemon.socket);
    const [tool, sentence, ...more] = ours.err.split('\n');
    expect(tool).toBe(real.err.split('\n')[0]);
    expect(ours.status).toBe(real.status);
    expect(real.status).not.toBe(0);
    expect(sentence).toMatch(SENTENCE);
    expect(more).toEqual(['']);
  });

  it.each(REFUSED)('%s is refused by name', async (line) => {
    daemon.answerWith(() => ({}));
    const { status, err } = await sluice(words(line), daemon.socket);
    const [tool, sentence, ...more] = err.split('\n');
    expect(tool).toBe('RTNETLINK answers: Operation not supported');
    expect(sentence).toMatch(SENTENCE);
    expect(more).toEqual(['']);
    expect(status).toBe(2);
    expect(daemon.requests).toEqual([]);
  });
});

/*
 * Matches: rules that only count, so that one run of traffic says of each of them whether it matches what the kernel's does.
 */
import { type Case, rulesOf } from '../../support/filtered-routers.js';
import { chance4, datagram, echo, packet, syn } from '../../support/netfilter-cases.js';
import { pattern } from '../../support/packets.js';
import { many } from '../../support/two-routers.js';
import { client, client6, SEED, traffic4, traffic6 } from './common.js';

const HEADERS = `
-m addrtype --dst-type LOCAL
-m addrtype --src-type LOCAL
-m addrtype ! --dst-type LOCAL
-m addrtype --dst-type UNICAST
-m addrtype --dst-type BROADCAST
-m addrtype --dst-type MULTICAST,LOCAL
-m addrtype --src-type UNICAST --dst-type UNICAST
-m addrtype --src-type UNREACHABLE
-m comment --comment "counts all"
-m cpu --cpu 100
-p dccp --dport 80
-m dscp --dscp 0x2e
-m dscp --dscp-class AF11
-m dscp ! --dscp 0
-m ecn --ecn-ip-ect 1
-p tcp -m ecn --ecn-tcp-ece
-p tcp -m ecn ! --ecn-tcp-cwr
-p esp -m esp --espspi 0:0xffffffff
-p ah -m ah --ahspi 0:0x7fffffff
-p icmp --icmp-type echo-request
-p icmp --icmp-type 3
-p icmp --icmp-type 3/3
-p icmp ! --icmp-type 8
-p icmp
-m iprange --src-range 10.0.0.100-10.0.0.120
-m iprange ! --dst-range 10.0.1.5-10.0.1.8
-m length --length 60
-m length --length 0:100
-m length ! --length 64:65535
-m mark --mark 0x1/0xff
-m mark ! --mark 0
-p tcp -m multiport --dports 22,80:100,443
-p udp -m multiport --sports 1000:1003
-p tcp -m multiport ! --ports 80,1005
-p sctp -m multiport --dports 80
-m pkttype --pkt-type unicast
-m pkttype --pkt-type broadcast
-p sctp --dport 80
-p sctp --sport 1000:1003
-p sctp -m sctp --chunk-types any INIT
-p sctp -m sctp --chunk-types only DATA
-m string --string AAAA --algo bm
-m string ! --string answer --algo bm
-m string --hex-string "|41 41|" --algo kmp --from 20 --to 60
-m string --string answer --algo bm --icase --to 1500
-p tcp --syn
-p tcp ! --syn
-p tcp --tcp-flags ALL FIN,PSH,URG
-p tcp --tcp-flags SYN,RST,ACK,FIN SYN,ACK
-p tcp --tcp-flags ALL NONE
-p tcp --sport 1000:1004
-p tcp ! --dport 80
-p tcp --tcp-option 2
-p tcp ! --tcp-option 3
-p tcp -m tcpmss --mss 1:1400
-p tcp -m tcpmss --mss 1460
-m time --timestart 00:00 --timestop 23:59:59
-m time --datestart 2020-01-01 --datestop 2021-01-01
-m tos --tos 0x10/0x3f
-m tos --tos 0xb8
-m tos ! --tos 0
-m ttl --ttl-eq 64
-m ttl --ttl-eq 63
-m ttl --ttl-lt 63
-m ttl --ttl-gt 64
-m u32 --u32 "6&0xFF=17 && 4&0x1FFF=0 && 0>>22&0x3C@0>>16=1000:1005"
-m u32 --u32 "0>>22&0x3C@8=0x41414141:0x41ffffff"
-p udp --dport 53
-p udp ! --sport 1000
-m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0"
-f
! -f
-s 10.0.0.0/24
! -s 10.0.0.0/25
-s 10.0.0.1/255.0.0.255
-d 10.0.1.9/32
! -d 10.0.1.0/24 -p tcp
-p 47
-p all
! -p tcp
-p tcp -s 10.0.0.0/16 -d 10.0.0.0/16 --dport 80 -m length --length 0:60
`;

/** The order of packets counts. */
const CONNLIMIT = `
-m connlimit --connlimit-above 2 --connlimit-mask 24
-m connlimit --connlimit-upto 3 --connlimit-mask 32 --connlimit-daddr
`;

const STATEFUL = `
-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name h1
-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 3 --hashlimit-mode dstip,dstport --hashlimit-name h2
-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-srcmask 24 --hashlimit-name h3
-m limit --limit 1/hour --limit-burst 4
-m limit --limit 1/day --limit-burst 20
-m quota --quota 500
-m quota ! --quota 2000
-m recent --name r1 --set
-m recent --name r1 --rcheck --hitcount 3
-m recent --name r1 --update --seconds 100 --hitcount 2
-m recent --name r2 --set --rdest
-m recent --name r2 --rcheck --rdest --hitcount 5
-m recent --name r2 --remove --rdest
-m recent --name r3 --set --mask 255.255.255.0
-m recent --name r3 ! --rcheck --mask 255.255.255.0
-m statistic --mode nth --every 3 --packet 0
-m statistic --mode nth --every 2 --packet 1
-m statistic --mode nth ! --every 5 --packet 2
-m statistic --mode random --probability 1
-m statistic --mode random --probability 0
`;

const FLOWS = `
-m connbytes --connbytes 3: --connbytes-dir both --connbytes-mode packets
-m connbytes --connbytes 100:400 --connbytes-dir original --connbytes-mode bytes
-m connbytes --connbytes 50: --connbytes-dir reply --connbytes-mode avgpkt
-m connmark --mark 0x5
-m connmark ! --mark 0
-m conntrack --ctstate NEW
-m conntrack --ctstate ESTABLISHED
-m conntrack --ctstate RELATED
-m conntrack --ctstate INVALID
-m conntrack --ctstate UNTRACKED
-m conntrack --ctstate SNAT
-m conntrack --ctstate DNAT
-m conntrack ! --ctstate NEW,RELATED
-m conntrack --ctstate RELATED,ESTABLISHED,UNTRACKED
-m conntrack --ctdir ORIGINAL
-m conntrack --ctdir REPLY
-m conntrack --ctproto tcp
-m conntrack --ctproto 17
-m conntrack ! --ctproto icmp
-m conntrack --ctorigsrc 10.0.0.0/24
-m conntrack --ctorigdst 10.0.1.9
-m conntrack --ctreplsrc 10.0.1.0/24
-m conntrack ! --ctrepldst 10.0.0.0/25
-m conntrack --ctorigsrcport 1000:1010
-m conntrack --ctorigdstport 80
-m conntrack --ctreplsrcport 53
-m conntrack --ctrepldstport 1001
-m conntrack --ctstatus SEEN_REPLY
-m conntrack --ctstatus ASSURED
-m conntrack --ctstatus CONFIRMED
-m conntrack --ctstatus NONE
-m conntrack --ctstatus EXPECTED
-m conntrack --ctexpire 1:60
-m conntrack --ctexpire 100:200
-m conntrack --ctstate NEW --ctorigdstport 80 --ctdir ORIGINAL
-m helper --helper ftp
-m state --state NEW
-m state --state ESTABLISHED,RELATED
-m state ! --state NEW
`;

const IPV6 = `
-m addrtype --dst-type LOCAL
-m addrtype --src-type UNICAST
-m dscp --dscp 0x2e
-p icmpv6 --icmpv6-type echo-request
-p icmpv6 --icmpv6-type 1
-p icmpv6 --icmpv6-type 1/4
-p icmpv6 ! --icmpv6-type 128
-m iprange --src-range 2001:db8:0::1-2001:db8:1::ff
-m length --length 0:60
-m length --length 61:1500
-m hl --hl-eq 63
-m hl --hl-lt 60
-m hl --hl-gt 64
-m tos --tos 0xb8
-m mark --mark 1
-p tcp -m multiport --dports 22,80:100,443
-p udp -m multiport --ports 1000:1003,33434
-m pkttype --pkt-type unicast
-p sctp --dport 80
-m string --string AAAA --algo bm
-p tcp --syn
-p tcp --tcp-flags ALL NONE
-p tcp --tcp-option 2
-p tcp -m tcpmss --mss 1460
-m u32 --u32 "4&0xFF00=0x1100 && 40>>16=1000:1005"
-p udp --dport 53
-s 2001:db8:0::/64
! -d 2001:db8:1::/48
-s ::9/::ffff
-p tcp -m conntrack --ctstate NEW --ctorigdst 2001:db8:1::9
-m conntrack --ctstate ESTABLISHED
-m conntrack --ctstate RELATED
-m conntrack --ctstate INVALID
-m conntrack --ctstate UNTRACKED
-m conntrack --ctdir REPLY
-m conntrack --ctreplsrc 2001:db8:1::/64
-m conntrack --ctstatus ASSURED
-m state --state NEW
-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name h6
-m recent --name r6 --set
-m recent --name r6 --rcheck --hitcount 3
-m frag --fragfirst
-m rt --rt-type 0
-m eui64
-m ipv6header --header hop-by-hop
-m ipv6header --header frag --soft
-p 58
! -p udp
`;

const of = (chain: string, lines: string): string =>
  lines
    .trim()
    .split('\n')
    .map((line) => `-A ${chain} ${line}`)
    .join('\n');

/** Some of the traffic is marked, some not tracked, some translated, so that there is something to see. */
const VARIETY = {
  raw: '-A PREROUTING -p udp --dport 443 -j NOTRACK\n-A OUTPUT -p udp --sport 443 -j CT --notrack',
  nat: `-A PREROUTING -d 198.51.100.7 -p tcp --dport 80 -j DNAT --to-destination 10.0.2.130
-A POSTROUTING -d 172.16.0.0/16 -s 10.0.0.0/24 -j SNAT --to-source 10.0.1.1`,
};

const MARKS = `-A PREROUTING -p tcp --dport 80 -j MARK --set-mark 0x1
-A PREROUTING -p udp --dport 53 -j CONNMARK --set-mark 5
-A PREROUTING -p udp --dport 80 -j CONNMARK --set-mark 6`;

const FRAGMENTS = [0x2000, 0x0001, 0x2002, 0x0004].map((fragment, n) =>
  packet({ ...client(n, '10.0.1.9'), protocol: 17, payload: pattern(16), fragment, id: 9 }, 'a fragment'),
);

export const MATCHES: Case[] = [
  {
    title: 'matches of headers',
    rules: rulesOf({
      filter: of('FORWARD', HEADERS),
      mangle: '-A PREROUTING -p tcp --dport 80 -j MARK --set-mark 0x1',
    }),
    steps: [traffic4(120, 1)],
  },
  {
    /*
     * Only what does not look at ports: iptables 1.8.9 has those looked at by nftables, which takes for ports what stands where they would be
     * in a later fragment. Here, as of old, no later fragment matches.
     */
    title: 'matches of fragments',
    rules: rulesOf({
      filter: of(
        'FORWARD',
        '-f\n! -f\n-p udp\n-p udp -f\n! -p udp -f\n-m length --length 36\n-s 10.0.0.100 -f\n-m u32 --u32 "4&0x1FFF=1"',
      ),
    }),
    steps: [[...traffic4(20, 14), ...FRAGMENTS]],
  },
  {
    title: 'matches of headers, at INPUT and OUTPUT',
    rules: rulesOf({
      filter: `${of('INPUT', HEADERS)}\n${of('OUTPUT', HEADERS.replace(/^-m pkttype.*$/gm, '-p tcp'))}`,
      mangle: `${of('POSTROUTING', HEADERS.replace(/^-m pkttype.*$/gm, '-p tcp'))}`,
    }),
    steps: [traffic4(160, 2).filter(({ what }) => / > 10\.0\.\d\.1 /.test(what))],
  },
  {
    title: 'matches that remember',
    rules: rulesOf({ filter: of('FORWARD', STATEFUL) }),
    steps: [many(40, SEED + 3, (random) => chance4(random, 0)), many(40, SEED + 4, (random) => chance4(random, 0))],
  },
  {
    /*
     * One at a time, and none that ends: the kernel tidies up once a jiffy, and where a reset ends the only connection that a rule counts it finds
     * none left, takes that for a failure to count, and drops the reset. Here that passes.
     */
    title: 'how many connections there are',
    rules: rulesOf({ filter: of('FORWARD', CONNLIMIT) }),
    rules6: rulesOf({ filter: '-A FORWARD -m connlimit --connlimit-above 2 --connlimit-mask 64' }),
    steps: [0, 1, 2, 0, 1, 2, 3].flatMap((n) => [
      [datagram(client(n, '10.0.1.9'), 1000 + n, 53, 'A')],
      [syn(client(n % 2, '10.0.1.8'), 1003 + 4 * n, 80)],
      [datagram(client6('2001:db8:1::9'), 1000 + n, 53, 'A')],
    ]),
  },
  {
    title: 'matches of flows',
    sysctls: ['net.netfilter.nf_conntrack_acct=1'],
    reset: ['net.netfilter.nf_conntrack_acct=0'],
    rules: rulesOf({ ...VARIETY, mangle: `${MARKS}\n${of('POSTROUTING', FLOWS)}`, filter: of('FORWARD', FLOWS) }),
    steps: [traffic4(120, 5), traffic4(40, 6)],
  },
  {
    title: 'matches of flows, those of the router itself',
    sysctls: ['net.netfilter.nf_conntrack_acct=1'],
    reset: ['net.netfilter.nf_conntrack_acct=0'],
    rules: rulesOf({ ...VARIETY, mangle: of('OUTPUT', FLOWS), filter: of('INPUT', FLOWS) }),
    steps: [traffic4(160, 7).filter(({ what }) => / > 10\.0\.\d\.1 /.test(what))],
  },
  {
    title: 'matches of IPv6',
    rules6: rulesOf({
      raw: '-A PREROUTING -p udp --dport 443 -j CT --notrack',
      mangle: '-A PREROUTING -p tcp --dport 80 -j MARK --set-mark 0x1',
      filter: of('FORWARD', IPV6),
    }),
    steps: [traffic6(120, 8)],
  },
  {
    title: 'where a packet comes from: rpfilter',
    rules: rulesOf({
      raw: '-A PREROUTING -m rpfilter\n-A PREROUTING -m rpfilter --invert\n-A PREROUTING -m rpfilter --loose\n-A PREROUTING -m rpfilter --validmark --accept-local\n-A PREROUTING -m rpfilter --loose --invert -j DROP',
    }),
    rules6: rulesOf({ raw: '-A PREROUTING -m rpfilter\n-A PREROUTING -m rpfilter --invert -j DROP' }),
    steps: [
      [
        ...traffic4(40, 9),
        ...['10.0.1.9', '172.16.1.1', '192.0.2.1', '10.0.0.1', '172.17.0.3'].map((source, n) =>
          datagram({ port: 0, source, destination: '10.0.2.9' }, 1000 + n, 53, 'Q'),
        ),
        ...['2001:db8:1::9', '2001:db8:ffff::1', '2001:db8:0::8'].map((source) =>
          echo({ port: 0, source, destination: '2001:db8:2::9' }, 1),
        ),
      ],
    ],
  },
  {
    title: 'links in and out, exact and by their beginning',
    rules: rulesOf({
      filter: of(
        'FORWARD',
        '-i p0\n-i p+\n-i +\n! -i p0\n-o p1\n-o p+ -i p2\n! -o p3\n-i p0 -o p1\n-i q+\n-i p00\n-o p0 ! -i p+\n-m devgroup --src-group 0\n-m physdev --physdev-is-bridged',
      ),
      mangle: `${of('PREROUTING', '-i p0\n! -i p1\n-i p+')}\n${of('POSTROUTING', '-o p0\n! -o p1\n-o p+')}`,
    }),
    steps: [traffic4(80, 10)],
  },
  {
    title: 'MAC addresses, packet types',
    rules: rulesOf({
      filter: of(
        'FORWARD',
        '-m mac --mac-source 02:00:00:00:10:09\n-m mac ! --mac-source 02:00:00:00:10:09\n-m mac --mac-source 02:00:00:00:10:08\n-m pkttype --pkt-type unicast\n-m pkttype ! --pkt-type multicast',
      ),
    }),
    steps: [[...traffic4(40, 11), syn({ ...client(1, '10.0.1.9') }, 1000, 80, { from: 8 })]],
  },
  {
    title: 'sequences of matches and a cluster',
    rules: rulesOf({
      filter: of(
        'FORWARD',
        '-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 7\n-m cluster --cluster-total-nodes 2 --cluster-local-node 2 --cluster-hash-seed 7\n-p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -m length --length 0:100 -m ttl --ttl-gt 10 -m comment --comment "five of them"\n-m connlabel --label 1',
      ),
    }),
    steps: [traffic4(60, 12)],
  },
  {
    title: 'IPv6: links, lists of everything',
    rules6: rulesOf({
      filter: of(
        'FORWARD',
        '-i p0\n! -i p0 -o p+\n-p tcp --dport 80\n-p udp\n-p icmpv6\n-s 2001:db8::/32 -d 2001:db8::/32',
      ),
      mangle: `${of('PREROUTING', '-i p0 -s 2001:db8::9')}\n${of('POSTROUTING', '-o p1')}`,
    }),
    steps: [[...traffic6(80, 13), echo(client6('2001:db8:1::9'), 5)]],
  },
];

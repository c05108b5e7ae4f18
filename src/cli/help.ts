/*
 * What `--help` prints, by verb and object. Each text names what is there, and only that.
 */
import { VERBS } from './verbs.js';

const FRONT = `Usage: sluice [--socket PATH] [-n NAMESPACE] VERB …

${Object.entries(VERBS)
  .map(([name, { summary }]) => `  ${name.padEnd(18)}${summary}`)
  .join('\n')}

"sluice VERB --help" tells more. Words and output of ip, bridge, brctl, conntrack, ethtool, ifconfig, ipset, iptables
and netstat are those of the real tools. -n runs a verb in a namespace of Sluice ("sluice ip netns"); without, in
"host". The daemon's socket is --socket, else SLUICE_SOCKET, else /run/sluice/sluice.sock, or without root
$XDG_RUNTIME_DIR/sluice.sock.
`;

const PORT_OPTIONS = `PORT OPTIONS: learning, flood, bcast_flood, mcast_flood, isolated, hairpin, locked {on|off}; state STATE;
      fdb_limit N (stations learned on the port at a time, 0: no limit);
      storm_broadcast N, storm_multicast N, storm_unknown N (packets a second, 0: no limit)
`;

function saveText(tool: string): string {
  return `Usage: sluice ${tool}-save [-c] [-t TABLE] [-f FILE]

All rules as text that ${tool}-restore takes, Sluice's and the real one. -c: counters too.
`;
}

function restoreText(tool: string): string {
  return `Usage: sluice ${tool}-restore [-c] [-n] [-t] [-v] [-T TABLE] [--lax] [FILE]

Rules from text, from FILE or stdin: each table as a whole or not at all, in one moment for packets. -c: counters
too; -n: the rules that are there stay; -t: only reads it. What Sluice cannot do is refused, by --lax loaded as rules
that never match.
`;
}

const TEXTS: Record<string, string> = {
  ipset: `Usage: sluice ipset [OPTIONS] COMMAND

Sets of addresses, nets, ports, links and marks, which rules ask with "-m set" and change with "-j SET"; with the words,
the output and the exit status of ipset 7.17. "sluice ipset help" tells the commands, "sluice ipset help TYPE" what
a type takes. There is no interactive mode; wildcards of hash:net,iface are refused.
`,
  iptables: `Usage: sluice iptables [-t TABLE] COMMAND [OPTION]…

Rules of IPv4, with the words, the output and the exit status of iptables 1.8.9 (nf_tables).
"sluice iptables -h" tells the commands and options, with "-m NAME" or "-j NAME" in front also those of a match or
target. What the kernel knows and Sluice cannot do is refused, with the reason.
`,
  ip6tables: `Usage: sluice ip6tables [-t TABLE] COMMAND [OPTION]…

Rules of IPv6, with the words, the output and the exit status of ip6tables 1.8.9 (nf_tables).
"sluice ip6tables -h" tells the commands and options, with "-m NAME" or "-j NAME" in front also those of a match or
target. What the kernel knows and Sluice cannot do is refused, with the reason.
`,
  'iptables-save': saveText('iptables'),
  'iptables-restore': restoreText('iptables'),
  'ip6tables-save': saveText('ip6tables'),
  'ip6tables-restore': restoreText('ip6tables'),
  up: `Usage: sluice up [-c FILE.yaml] [--poll adaptive|busy] [--socket PATH] [--group GROUP]
                 [--log-level error|warn|info|debug]

Runs the dataplane in the foreground and prints "sluice: ready" on stdout. SIGTERM and "sluice down" end it
with status 0; its kernel devices go with it, but for TAPs made with "persist on". Logs go to stderr.
--group makes the control socket accessible to a group (mode 0660; otherwise 0600).
`,
  down: `Usage: sluice down

Stops the daemon and waits until it has stopped.
`,
  status: `Usage: sluice status [-j] [-p]

Frames received, generated, cloned, transmitted, delivered, merged and held, and drops by reason; then each link.
-j prints JSON, -p indents it.
`,
  ip: `Usage: sluice ip [OPTIONS] OBJECT [COMMAND …]
       sluice ip [-force] -batch FILE     (- is stdin)

OBJECT:  address, link, monitor, neighbour, netns, route, rule
OPTIONS: -n[etns] NAMESPACE, -4, -6, -0, -f[amily] inet|inet6|link, -s[tatistics] (twice: more), -d[etails],
         -j[son], -p[retty], -o[neline], -br[ief], -N[umeric], -h[uman-readable], -iec,
         -l[oops] N (rounds of a flush), -t[imestamp] and -ts[hort] (monitor), -a[ll] (netns)
See "sluice ip OBJECT --help".
`,
  'ip address': `Usage: sluice ip address {add|change|replace} ADDRESS[/LENGTH] dev LINK [peer ADDRESS[/LENGTH]]
                         [broadcast ADDRESS | + | -] [label NAME] [scope SCOPE] [metric N]
                         [valid_lft LIFE] [preferred_lft LIFE] [nodad] [home] [noprefixroute]
       sluice ip address delete ADDRESS[/LENGTH] dev LINK [peer ADDRESS[/LENGTH]] [label NAME]
       sluice ip address [show [dev LINK] [scope SCOPE] [to PREFIX] [FLAG…] [label PATTERN]
                         [up] [master LINK | nomaster] [type TYPE] [group GROUP]]
       sluice ip address flush [dev LINK] [scope SCOPE] [to PREFIX] [FLAG…] [label PATTERN]
       sluice ip address save [LINK] > FILE;  restore < FILE;  showdump < FILE

SCOPE is global, site, link, host or a number; LIFE is forever or seconds.
FLAG is permanent, dynamic, primary, secondary, temporary, [-]tentative, [-]deprecated, [-]dadfailed, nodad, home …
`,
  'ip neighbour': `Usage: sluice ip neighbour {add|change|replace} ADDRESS dev LINK [lladdr MAC] [nud STATE] [router] [use] [extern_learn]
       sluice ip neighbour add proxy ADDRESS dev LINK
       sluice ip neighbour delete [proxy] ADDRESS dev LINK
       sluice ip neighbour [show|flush] [proxy] [to PREFIX] [dev LINK] [nud STATE…] [master LINK | nomaster] [unused]
       sluice ip neighbour get [proxy] ADDRESS dev LINK

STATE is permanent, noarp, reachable, stale, none, incomplete, delay, probe or failed; "all" for show and flush.
`,
  'ip netns': `Usage: sluice ip netns [list]
       sluice ip netns add NAME
       sluice ip [-all] netns delete [NAME]
       sluice ip [-all] netns exec [NAME] VERB …     any verb of Sluice: as "sluice -n NAME VERB …"
       sluice ip netns list-id [nsid N]
       sluice ip netns monitor

Namespaces of Sluice live in its daemon. No program of the machine can run in one.
`,
  'ip monitor': `Usage: sluice ip [-t | -ts] [-4 | -6] monitor [all | OBJECT…] [label] [dev LINK]

OBJECT: address, link, neigh, nsid, route, rule. Prints what changes until it is stopped; "all" prints labels too.
`,
  'ip route': `Usage: sluice ip route {add|append|prepend|replace|change|delete} [TYPE] PREFIX
                       [via [inet6] ADDRESS] [dev LINK] [onlink] [table TABLE] [metric N] [proto PROTOCOL]
                       [scope SCOPE] [src ADDRESS] [mtu [lock] N] [hoplimit [lock] N]
                       [expires SECONDS] [pref low|medium|high] (IPv6)
                       [nexthop [via ADDRESS] [dev LINK] [weight N] [onlink]]…
       sluice ip route [show] [[to] [root | match | exact] PREFIX] [table TABLE | all | cache] [dev LINK]
                       [via PREFIX] [src PREFIX] [proto PROTOCOL] [type TYPE] [scope SCOPE] [metric N]
       sluice ip route flush SELECTOR        the same words as of show
       sluice ip route get ADDRESS [from ADDRESS] [iif LINK] [oif LINK] [mark N] [tos TOS]
                       [ipproto PROTOCOL] [sport N] [dport N] [fibmatch] [connected]
       sluice ip route save SELECTOR > FILE;  restore < FILE;  showdump < FILE

TYPE is unicast, local, broadcast, multicast, anycast, blackhole, unreachable, prohibit or throw.
TABLE is a number or a name: local, main, default, or one of /etc/iproute2/rt_tables.
Many routes are loaded fastest by "sluice ip -batch FILE".
`,
  'ip rule': `Usage: sluice ip [-6] rule {add|delete} [not] [from PREFIX] [to PREFIX] [pref N] [iif LINK] [oif LINK]
                      [fwmark MARK[/MASK]] [tos TOS] [ipproto PROTOCOL] [sport N[-N]] [dport N[-N]]
                      [table TABLE [suppress_prefixlength N] [suppress_ifgroup GROUP]
                      | goto N | nop | blackhole | unreachable | prohibit] [protocol PROTOCOL]
       sluice ip [-6] rule [show [SELECTOR]]
       sluice ip [-6] rule flush [SELECTOR]
       sluice ip [-6] rule save > FILE;  restore < FILE
`,
  conntrack: `Usage: sluice conntrack -L [TABLE] [FILTER…] [-z] [-o FORMAT]      list flows
       sluice conntrack -G -p PROTOCOL TUPLE                    show one
       sluice conntrack -D [FILTER…]                            delete flows
       sluice conntrack -F [expect] [-f FAMILY]                 delete all
       sluice conntrack -U FILTER… [CHANGE…]                    change flows
       sluice conntrack {-I | -A} -p PROTOCOL TUPLE -t SECONDS [CHANGE…]
       sluice conntrack -E [FILTER…] [-e EVENT,…] [-o FORMAT]   events, until it is stopped
       sluice conntrack -C [expect] | -S [expect]               number of flows, counters
       sluice conntrack -R FILE                                 commands from a file; - is stdin

TABLE:   conntrack, expect, dying, unconfirmed (the last two are always empty)
FILTER:  -s, -d ADDRESS[/BITS], -r, -q ADDRESS (of answers), -f ipv4|ipv6, -p PROTOCOL, -m MARK[/MASK], -u STATUS,…,
         -w ZONE, --orig-zone, --reply-zone ZONE, -n, -g, -j [ADDRESS[:PORT]] (source, destination, any NAT), -l LABEL,…
         behind -p: --sport, --dport, --reply-port-src, --reply-port-dst PORT, --state STATE,
         --icmp-type, --icmp-code, --icmp-id, --icmpv6-… N, --srckey, --dstkey KEY
TUPLE:   -s ADDRESS -d ADDRESS and what is behind -p
CHANGE:  -t SECONDS, -m MARK[/MASK], -u STATUS,…, --state STATE, --label-add LABEL,…, --label-del [LABEL,…]
FORMAT:  xml, extended, id, timestamp, ktimestamp, labels, userspace, or save
EVENT:   NEW, UPDATES, DESTROY, ALL
`,
  sysctl: `Usage: sluice sysctl [-n | -N | -b] [-e] [-r PATTERN] KEY...
       sluice sysctl [-w] [-q] KEY=VALUE...
       sluice sysctl -a [-r PATTERN]

Keys of the IP stack under their Linux names: net.ipv4.ip_forward, net.ipv6.conf.eth0.accept_ra. A dot in a link's name is
written as a slash: net.ipv4.conf.eth0/10.rp_filter. -n runs it in a namespace: sluice -n NS sysctl KEY.
`,
  netstat: `Usage: sluice netstat -rn [-4] [-6] [-e [-e]]     routes
       sluice netstat -i [-a]                 links that are up, or all, and their counters

-e adds columns. Names are not looked up, so -r needs -n.
`,
  ifconfig: `Usage: sluice ifconfig [-a] [LINK]
       sluice ifconfig LINK[:ALIAS] [ADDRESS[/LENGTH]] [netmask MASK] [broadcast ADDRESS] [mtu N] [hw ether MAC] [up|down]
       sluice ifconfig LINK {add|del} INET6-ADDRESS/LENGTH

Without -a, links that are up. An address takes the place of the one that the link has, and brings the link up.
`,
  'ip link': `Usage: sluice ip link add NAME [link LOWER] [address MAC] [mtu N] [master BRIDGE] [netns NS]
                               [addrgenmode eui64|none] [up] type TYPE [ARGS]
       sluice ip link set NAME [up|down] [name NEW] [address MAC] [mtu N] [master BRIDGE | nomaster] [netns NS]
                               [addrgenmode eui64|none] [type bridge OPTIONS | type bridge_slave PORT OPTIONS]
       sluice ip link delete NAME
       sluice ip link [show [NAME] [up] [master BRIDGE | nomaster] [type TYPE] [group GROUP]]

type bridge [ageing_time CENTISECONDS] [group_fwd_mask MASK] [transparent on|off] [fdb_max_learned N]
type veth [peer [name NAME] [netns NS] [address MAC] [mtu N]]
type vlan id N [protocol 802.1Q|802.1ad]
type dummy
type tap [queues N] [gso on|off] [persist on|off] [up]
         [peer [name NAME] [netns KNS] [address MAC] [mtu N] [addr CIDR]… [up]]
type packet dev DEVICE [netns KNS]
type pcap [read FILE] [write FILE]
type memory

The words after "peer" describe the kernel's end of a TAP; without "peer" it has the link's name, and "up" brings it up.
KNS is a kernel namespace: a path if it has a slash, else a name under /run/netns, else a pid.
${PORT_OPTIONS}`,
  bridge: `Usage: sluice bridge [OPTIONS] fdb|link [COMMAND …]
       sluice bridge [-force] -batch FILE     (- is stdin)

OPTIONS: -s[tatistics], -d[etails], -j[son], -p[retty], -o[neline], -n[etns] NAMESPACE
See "sluice bridge fdb --help" and "sluice bridge link --help".
`,
  'bridge fdb': `Usage: sluice bridge fdb {add|append|replace|delete} MAC dev DEV [master | self]
                                 [permanent | static | dynamic] [sticky] [vlan VID]
       sluice bridge fdb [show [br BRIDGE] [brport PORT] [vlan VID] [state STATE] [dynamic]]
       sluice bridge fdb get MAC [br BRIDGE] [dev PORT] [vlan VID] [dynamic]
       sluice bridge fdb flush dev BRIDGE [brport PORT] [vlan VID] [[no]permanent] [[no]static] [[no]dynamic]
       sluice bridge fdb flush dev PORT master …

A station of a port needs "master"; it is permanent unless it says otherwise.
`,
  'bridge link': `Usage: sluice bridge link set dev PORT PORT OPTIONS
       sluice bridge link [show [dev PORT]]

${PORT_OPTIONS}`,
  brctl: `Usage: sluice brctl addbr|delbr BRIDGE
       sluice brctl addif|delif BRIDGE PORT…
       sluice brctl hairpin BRIDGE PORT on|off
       sluice brctl setageing BRIDGE SECONDS
       sluice brctl show [BRIDGE…]
       sluice brctl showmacs|showstp BRIDGE
       sluice brctl stp BRIDGE off
`,
  ethtool: `Usage: sluice ethtool -i DEV     driver
       sluice ethtool -k DEV     features
       sluice ethtool -S DEV     counters, with drops by reason
`,
  capture: `Usage: sluice capture LINK [-w FILE] [-c COUNT] [-s BYTES] [FILTER]

Prints the link's frames as text, or writes them to FILE (*.pcap: classic pcap, otherwise pcapng; - is stdout).
-c ends after COUNT frames, -s keeps that many bytes of each. FILTER is a subset of pcap-filter(7): "tcp port 80".
`,
  config: `Usage: sluice config show          the running configuration, as YAML
       sluice config check FILE    is it good? nothing is changed
       sluice config apply FILE    make it so, wholly or not at all
       sluice config save FILE     what "show" prints, into a file for "sluice up -c"

FILE may be -.
`,
  doctor: `Usage: sluice doctor

What this machine has and lacks for Sluice, and what disturbs a running one. Status 1 if something needed is missing.
`,
  demo: `Usage: sluice demo

Three kernel namespaces, a TAP in each, one bridge in Sluice: pings, a TCP transfer, small packets, and the kernel's
own bridge beside it. Then, inside Sluice, two subnets and a router, and a private network behind a gateway with NAT.
Under half a minute; cleans up after itself; status 0 if all went well.
`,
  bench: `Usage: sluice bench [NAME…] [-j] [--seconds N] [--rounds N]
       sluice bench generator DEVICE [--seconds N] [--count N] [--rate PPS] [--stations N] [--bytes N]
                                     [--seed N] [--reverse 1] [--router LAST]
       sluice bench sink DEVICE [--seconds N]

Measures Sluice beside its peers, on cores 0 (the load) and 1 (whoever is measured), in kernel namespaces
of its own. A NAME, or the beginning of one, chooses; without, all are measured:

  core-bridge-1k, core-bridge-100k  the engine alone between two memory ports, addresses changing with every frame
  core-route                        IPv4 forwarding alone between two memory ports, half an Internet table, random destinations
  lpm-ipv4, lpm-ipv6, lpm-memory-ipv4, lpm-memory-ipv6, lpm-memory-own-ipv4, lpm-memory-own-ipv6  longest-prefix match alone, with half an Internet table: look-ups with random keys, and memory
  core-nat-100k, core-nat-1m, core-nat-new, core-nat-flood, core-nat-memory-ipv4, core-nat-memory-ipv6  SNAT alone between two memory ports: established flows in random order; new ones, in tables that have been as full before and in such that begin empty (in Mpps, which are millions of flows a second); and memory of a flow
  core-rules-acl, core-rules-fw, core-rules-ipc, core-rules-services, core-rules-copies, core-rules-change, core-rules-stage  one chain of rules alone: ClassBench’s sets, 100,000 services, changes
  forward-acl, forward-fw, forward-ipc, forward-cold-acl, forward-cold-fw, forward-cold-ipc  forwarding alone through 10,000 ClassBench rules, beside 10 of them; cold: no header comes again soon
  tap-bridge                        TAP to TAP, 64-byte frames
  tap-router, tap-router-tcp        TAP to TAP through a router
  tap-nat-1k, tap-nat-10k, tap-nat-tcp  TAP to TAP through MASQUERADE and many rules
  packet-bridge                     AF_PACKET to AF_PACKET on veth, 64-byte frames
  tap-tcp, packet-tcp               bulk TCP with offloads
  latency-hot, latency-cold         ping round trip, p50
  route-load, namespaces-time, namespaces-memory, route-churn-lost  commands in bulk
  iptables-restore, rule-change, rule-change-lost  changing rules
  idle-cpu, idle-wakeups            a daemon with 8 TAPs and no traffic

-j (--json) prints one JSON array instead of the table. --seconds is the length of one run, where it is time
that ends it (2), --rounds the number of runs of each, interleaved, whose median counts (5). Needs root,
iproute2, taskset and g++; a peer that is not installed is skipped, with the reason.

"generator" and "sink" are the two ends of a measurement alone, on a device of the kernel namespace that they run in.
With --router all goes to the station 02:00:00:00:00:LAST, for it to route.
`,
  ping: `Usage: sluice ping [-4|-6] [-bnq] [-c N] [-i S] [-s BYTES] [-t TTL] [-Q TOS] [-M do|dont|want]
                   [-w S] [-W S] [-I SOURCE|LINK] ADDRESS[%LINK]

Echo requests from a namespace's own stack ("sluice -n NAMESPACE ping"), printed as iputils does. -c ends it after N answers, -w after S
seconds; -W is how long the last answer is waited for. -i, the interval, is 1 ms at least. -M do never fragments,
want (the default) only where the packet is too long, dont lets routers fragment. -b allows broadcast addresses.
Addresses only: names are not resolved, and -n changes nothing.
`,
  traceroute: `Usage: sluice traceroute [-4|-6] [-U|-I|-T] [-nF] [-f FIRST] [-m MAX] [-q QUERIES]
                   [-w MAX[,HERE,NEAR]] [-p PORT] [-s SOURCE] [-i LINK] ADDRESS [BYTES]

The routers on the way to an address from a namespace ("sluice -n NAMESPACE traceroute"), printed as traceroute 2.1 does. Probes are UDP to rising ports from 33434 on,
with -U to one port (53), with -I echo requests, with -T TCP SYNs (to port 80). -F forbids fragmenting.
`,
  dhcp: `Usage: sluice dhcp server add LINK [subnet PREFIX] [pool FIRST-LAST] [router ADDRESS | router none]… [dns ADDRESS]…
                   [domain NAME] [mtu N] [lease TIME] [host MAC|id:HEX ADDRESS [name NAME]]…
       sluice dhcp server del LINK;  sluice dhcp server [show [LINK]]
       sluice dhcp leases [LINK];    sluice dhcp lease del LINK ADDRESS
       sluice dhcp client add LINK [hostname NAME] [metric N] [address MAC]
       sluice dhcp client del LINK;  sluice dhcp client [show [LINK]]

A server gives addresses of the subnet of its link's first IPv4 address, and that address as router, unless told otherwise; a
host always gets its own. TIME is seconds, 30m, 12h, 7d or forever; one hour unless said. Leases are kept in memory: after
a restart clients keep what they have. A client gives its link an address, routes and the MTU; \`address\` sets the
link's MAC first, for networks that allow only the device's own. -j prints JSON, -p indents it.
`,
  radv: `Usage: sluice radv add LINK [prefix PREFIX [valid TIME] [preferred TIME] [onlink on|off] [autonomous on|off]]…
                   [interval [MIN-]MAX] [lifetime TIME] [preference low|medium|high] [hoplimit N] [mtu N]
                   [reachable MS] [retrans MS] [managed on|off] [other on|off] [dns ADDRESS]… [search DOMAIN]…
       sluice radv del LINK;  sluice radv [show [LINK]]

Advertises the namespace as an IPv6 router, and prefixes of which hosts make their addresses: those given, else those of the
link's own addresses. Works while the link forwards (net.ipv6.conf.all.forwarding). Intervals are seconds; 200-600
unless said. -j prints JSON, -p indents it.
`,
  explain: `Usage: sluice explain [-j [-p]] -i LINK HEX
       sluice explain [-j [-p]] [-i LINK] [--from ADDRESS] --to ADDRESS [--proto PROTOCOL] [--sport N] [--dport N]

What would become of a packet: the link, VLAN and bridge it comes in by, each hook with the tables, chains and rules that hold it,
what conntrack and NAT make of it, its route, its neighbour, and the link it leaves by; or why it is dropped, and the one rule,
policy or setting that would have had to be otherwise. Nothing is sent, and nothing counts it. HEX is an Ethernet frame
that comes in by LINK. Without one a packet is made: a TCP SYN where a port is given, else an echo request, unless PROTOCOL says
otherwise. Without -i it comes by the link that leads to its source; from one of our own addresses it is made here.
-j prints JSON, an array of steps; -p indents it. The exit status is 0 whatever becomes of the packet: see "result".
`,
  completion: `Usage: source <(sluice completion bash)     (or zsh)
       sluice completion fish | source
`,
};

/** Names that `ip` takes for its objects, short ones and the other spelling. */
const OBJECTS: Record<string, string> = {
  addr: 'address',
  a: 'address',
  r: 'route',
  ro: 'route',
  ru: 'rule',
  neigh: 'neighbour',
  neighbor: 'neighbour',
  n: 'neighbour',
};

/** Text for the longest known beginning of the words: "ip link add" has that of "ip link". */
export function helpText(words: readonly string[]): string {
  const path = words.filter((word) => !word.startsWith('-'));
  if (path[0] === 'ip' && Object.hasOwn(OBJECTS, path[1] ?? '')) path[1] = OBJECTS[path[1]];
  for (let length = path.length; length > 0; length--) {
    const key = path.slice(0, length).join(' ');
    if (Object.hasOwn(TEXTS, key)) return TEXTS[key];
  }
  return FRONT;
}

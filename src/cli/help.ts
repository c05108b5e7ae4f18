/*
 * What `--help` prints, by verb and object. Each text names what is there, and only that.
 */
import { VERBS } from './verbs.js';

const FRONT = `Usage: sluice [--socket PATH] VERB …

${Object.entries(VERBS)
  .map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`)
  .join('\n')}

"sluice VERB --help" tells more. Words and output of ip, bridge, brctl and ethtool are those of the real tools.
The daemon's socket is --socket, else SLUICE_SOCKET, else /run/sluice/sluice.sock, or without root
$XDG_RUNTIME_DIR/sluice.sock.
`;

const PORT_OPTIONS = `PORT OPTIONS: learning, flood, bcast_flood, mcast_flood, isolated, hairpin, locked {on|off}; state STATE;
      fdb_limit N (stations learned on the port at a time, 0: no limit);
      storm_broadcast N, storm_multicast N, storm_unknown N (packets a second, 0: no limit)
`;

const TEXTS: Record<string, string> = {
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
  ip: `Usage: sluice ip [OPTIONS] link [COMMAND …]
       sluice ip [-force] -batch FILE     (- is stdin)

OPTIONS: -s[tatistics] (twice: errors too), -d[etails], -j[son], -p[retty], -o[neline], -br[ief],
         -h[uman-readable], -iec, -n[etns] host
See "sluice ip link --help".
`,
  'ip link': `Usage: sluice ip link add NAME [address MAC] [mtu N] [master BRIDGE] [up] type TYPE [ARGS]
       sluice ip link set NAME [up|down] [name NEW] [address MAC] [mtu N] [master BRIDGE | nomaster]
                               [type bridge OPTIONS | type bridge_slave PORT OPTIONS]
       sluice ip link delete NAME
       sluice ip link [show [NAME] [up] [master BRIDGE | nomaster] [type TYPE] [group GROUP]]

type bridge [ageing_time CENTISECONDS] [group_fwd_mask MASK] [transparent on|off] [fdb_max_learned N]
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

OPTIONS: -s[tatistics], -d[etails], -j[son], -p[retty], -o[neline], -n[etns] host
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
own bridge beside it. Under half a minute; cleans up after itself; status 0 if all went well.
`,
  bench: `Usage: sluice bench [NAME…] [-j] [--seconds N] [--rounds N]
       sluice bench generator DEVICE [--seconds N] [--count N] [--rate PPS] [--stations N] [--bytes N]
                                     [--seed N] [--reverse 1]
       sluice bench sink DEVICE [--seconds N]

Measures Sluice beside its peers, on cores 0 (the load) and 1 (whoever is measured), in kernel namespaces
of its own. A NAME, or the beginning of one, chooses; without, all are measured:

  core-bridge-1k, core-bridge-100k  the engine alone between two memory ports, addresses changing with every frame
  tap-bridge                        TAP to TAP, 64-byte frames
  packet-bridge                     AF_PACKET to AF_PACKET on veth, 64-byte frames
  tap-tcp, packet-tcp               bulk TCP with offloads
  latency-hot, latency-cold         ping round trip, p50
  idle-cpu, idle-wakeups            a daemon with 8 TAPs and no traffic

-j (--json) prints one JSON array instead of the table. --seconds is the length of one run, where it is time
that ends it (2), --rounds the number of runs of each, interleaved, whose median counts (5). Needs root,
iproute2, taskset and g++; a peer that is not installed is skipped, with the reason.

"generator" and "sink" are the two ends of a measurement alone, on a device of the kernel namespace that they run in.
`,
  completion: `Usage: source <(sluice completion bash)     (or zsh)
       sluice completion fish | source
`,
};

/** Text for the longest known beginning of the words: "ip link add" has that of "ip link". */
export function helpText(words: readonly string[]): string {
  const path = words.filter((word) => !word.startsWith('-'));
  for (let length = path.length; length > 0; length--) {
    const key = path.slice(0, length).join(' ');
    if (Object.hasOwn(TEXTS, key)) return TEXTS[key];
  }
  return FRONT;
}

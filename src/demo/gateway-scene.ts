/*
 * The third scene: a private network behind a gateway with rules of iptables, three namespaces inside Sluice. Each time first what
 * `sluice explain` foretells, then what happens. It needs no privilege: nothing of it exists in the kernel.
 */
import type { DaemonProcess } from './daemon-process.js';
import { ask, build, type Question } from './question.js';
import type { Stage } from './stage.js';

const BUILD = [
  'ip netns add lan',
  'ip netns add gw',
  'ip netns add world',
  'ip -n gw link add inside type veth peer name eth0 netns lan',
  'ip -n gw link add outside type veth peer name eth0 netns world',
  'ip -n lan addr add 192.168.1.2/24 dev eth0',
  'ip -n gw addr add 192.168.1.1/24 dev inside',
  'ip -n gw addr add 203.0.113.1/24 dev outside',
  'ip -n world addr add 203.0.113.9/24 dev eth0',
  'ip -n lan link set eth0 up',
  'ip -n gw link set inside up',
  'ip -n gw link set outside up',
  'ip -n world link set eth0 up',
  'ip -n lan route add default via 192.168.1.1',
  '-n gw sysctl -w net.ipv4.ip_forward=1',
];

const RULES = [
  '-n gw iptables -t nat -A POSTROUTING -s 192.168.1.0/24 -o outside -j MASQUERADE',
  '-n gw iptables -t nat -A PREROUTING -i outside -p udp --dport 53 -j DNAT --to-destination 192.168.1.2:5353',
  '-n gw iptables -P FORWARD DROP',
  '-n gw iptables -A FORWARD -i inside -o outside -j ACCEPT',
  '-n gw iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT',
  '-n gw iptables -A INPUT -i outside -p tcp --dport 22 -j DROP',
];

const QUESTIONS: Question[] = [
  {
    what: 'Out of the private network: what would become of an echo request?',
    command: '-n gw explain -i inside --from 192.168.1.2 --to 203.0.113.9',
    answers: [/^ +NAT +source 192\.168\.1\.2 → 203\.0\.113\.1$/m, /^result +it leaves by outside$/m],
  },
  {
    what: 'And so it is: the answer comes back, and the gateway remembers the flow, with the addresses of both sides',
    command: '-n lan ping -c 1 203.0.113.9',
    answers: [/64 bytes from 203\.0\.113\.9: icmp_seq=1 ttl=63/],
  },
  {
    command: '-n gw conntrack -L -p icmp',
    answers: [
      /icmp +1 \d+ src=192\.168\.1\.2 dst=203\.0\.113\.9 type=8 .* src=203\.0\.113\.9 dst=203\.0\.113\.1 type=0/,
    ],
  },
  {
    what: 'In by the published port 53, which leads to port 5353 inside',
    command: '-n gw explain -i outside --from 203.0.113.9 --to 203.0.113.1 --proto udp --dport 53',
    answers: [/NAT +destination 203\.0\.113\.1:53 → 192\.168\.1\.2:5353$/m, /^result +it leaves by inside$/m],
  },
  {
    what: 'The same address answers twice: first the gateway itself, then the host behind it, in the gateway’s name',
    command: '-n world traceroute -n -U -p 53 -q 1 203.0.113.1',
    answers: [/^ 1 {2}203\.0\.113\.1 .*\n 2 {2}203\.0\.113\.1 /m],
  },
  {
    command: '-n gw conntrack -L -p udp',
    answers: [/dport=53 \[UNREPLIED\] src=192\.168\.1\.2 dst=203\.0\.113\.9 sport=5353/],
  },
  {
    what: 'A filtered port: which rule it is, and how it would pass',
    command: '-n gw explain -i outside --from 203.0.113.9 --to 203.0.113.1 --dport 22',
    answers: [
      /rule 1 +-A INPUT -i outside -p tcp -m tcp --dport 22 -j DROP$/m,
      /^result +it is dropped$/m,
      /^unless /m,
    ],
  },
  {
    what: 'Nobody answers there, and the rule has counted it',
    command: '-n world traceroute -n -T -p 22 -q 1 -m 1 -w 1 203.0.113.1',
    answers: [/^ 1 {2}\*$/m],
  },
  {
    command: '-n gw iptables -nvL INPUT',
    answers: [/^ +1 +60 DROP .*tcp dpt:22/m],
  },
];

export async function showGateway(stage: Stage, daemon: DaemonProcess): Promise<void> {
  stage.screen.heading('A private network behind a gateway: MASQUERADE, a published port, a filtered one');
  stage.screen.line();
  stage.screen.line(
    '  lan  eth0 192.168.1.2 ── inside 192.168.1.1  gw  203.0.113.1 outside ── 203.0.113.9 eth0  world',
  );
  stage.screen.line();
  await build(stage, daemon, BUILD);
  stage.screen.line();
  await build(stage, daemon, RULES);
  for (const question of QUESTIONS) await ask(stage, daemon, question);
}

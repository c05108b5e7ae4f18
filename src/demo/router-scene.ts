/*
 * The second scene: two subnets and a router between them, three namespaces inside Sluice joined by veth pairs. Every answer
 * is shown with who gave it. It needs no privilege: nothing of it exists in the kernel.
 */
import type { DaemonProcess } from './daemon-process.js';
import { ask, build, type Question } from './question.js';
import type { Stage } from './stage.js';

/** MTU of the far link: what is longer must be cut, or refused. */
const MTU = 1300;

const BUILD = [
  'ip netns add a',
  'ip netns add r',
  'ip netns add b',
  'ip -n r link add to-a type veth peer name eth0 netns a',
  'ip -n r link add to-b type veth peer name eth0 netns b',
  'ip -n a addr add 10.1.0.2/24 dev eth0',
  'ip -n r addr add 10.1.0.1/24 dev to-a',
  'ip -n r addr add 10.2.0.1/24 dev to-b',
  'ip -n b addr add 10.2.0.2/24 dev eth0',
  'ip -n a addr add fd01::2/64 dev eth0 nodad',
  'ip -n r addr add fd01::1/64 dev to-a nodad',
  'ip -n r addr add fd02::1/64 dev to-b nodad',
  'ip -n b addr add fd02::2/64 dev eth0 nodad',
  'ip -n a link set eth0 up',
  'ip -n r link set to-a up',
  `ip -n r link set to-b mtu ${MTU} up`,
  `ip -n b link set eth0 mtu ${MTU} up`,
  'ip -n a route add default via 10.1.0.1',
  'ip -n b route add default via 10.2.0.1',
  'ip -n a -6 route add default via fd01::1',
  'ip -n b -6 route add default via fd02::1',
  '-n r sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1',
];

const QUESTIONS: Question[] = [
  {
    what: 'The router’s table',
    command: 'ip -n r route',
    answers: [/^10\.1\.0\.0\/24 dev to-a proto kernel scope link src 10\.1\.0\.1/m],
  },
  {
    what: 'From a to b, by the router',
    command: '-n a ping -c 2 -i 0.1 10.2.0.2',
    answers: [/ttl=63/, / 0% packet loss/],
  },
  {
    what: 'Who is on the way: each hop’s own answer',
    command: '-n a traceroute -n -q 1 10.2.0.2',
    answers: [/^ 1 {2}10\.1\.0\.1/m, /^ 2 {2}10\.2\.0\.2/m],
  },
  {
    what: 'The same in IPv6',
    command: '-n a traceroute -6 -n -q 1 fd02::2',
    answers: [/^ 1 {2}fd01::1/m, /^ 2 {2}fd02::2/m],
  },
  {
    what: 'A network that no route leads to: the router says so',
    command: '-n a ping -c 1 -W 2 192.0.2.1',
    answers: [/From 10\.1\.0\.1 icmp_seq=1 Destination Net Unreachable/],
  },
  {
    what: 'A host that is not there: the router asked for it three times, a second apart',
    command: '-n a ping -c 1 -W 5 10.2.0.99',
    answers: [/From 10\.1\.0\.1 icmp_seq=1 Destination Host Unreachable/],
  },
  {
    what: `A packet that is too big for the far link and must not be cut: its MTU comes back`,
    command: '-n a ping -c 1 -M do -s 1400 10.2.0.2',
    answers: [new RegExp(`From 10\\.1\\.0\\.1 icmp_seq=1 Frag needed and DF set \\(mtu = ${MTU}\\)`)],
  },
  {
    what: 'The same length, which may be cut: it arrives in two fragments, and so does its answer',
    command: '-n a ping -c 1 -M dont -s 1400 10.2.0.2',
    answers: [/1408 bytes from 10\.2\.0\.2/],
  },
  {
    what: 'IPv6 is never cut on the way',
    command: '-n a ping -6 -c 1 -M do -s 1400 fd02::2',
    answers: [new RegExp(`From fd01::1 icmp_seq=1 Packet too big: mtu=${MTU}`)],
  },
];

export async function showRouter(stage: Stage, daemon: DaemonProcess): Promise<void> {
  stage.screen.heading('Two subnets and a router: three namespaces inside Sluice, joined by veth pairs');
  stage.screen.line();
  stage.screen.line(
    '  a  eth0 10.1.0.2 fd01::2 ── to-a 10.1.0.1 fd01::1  r  10.2.0.1 fd02::1 to-b ── 10.2.0.2 fd02::2 eth0  b',
  );
  stage.screen.line();
  await build(stage, daemon, BUILD);
  for (const question of QUESTIONS) await ask(stage, daemon, question);
}

/*
 * What neighbours may say to a router, and what it must say and learn then. The same cases are run on Sluice in memory
 * (test/route/neighbour-cases.test.ts) and on the kernel (test/e2e/neighbour-kernel.test.ts), so that the kernel decides what is expected here.
 *
 * The router is that of lan.ts: e0 10.0.0.1/24, fd00::1/64, fe80::1; e1 10.0.1.1/24, fd01::1/64, fe80::2; it forwards.
 */
import { A, type ArpOptions, arp, B, macOption, type NdOptions, nd, R, S, solicitedNode, X } from './lan.js';
import { ip4, ip6, pattern, udp } from './packets.js';

export type Step =
  | { link: 'e0' | 'e1'; frame: Uint8Array }
  /** Settings of e0 under their Linux names: `conf/arp_ignore`, `neigh/proxy_delay` (ms), `neigh6/…`, `conf6/…`. */
  | { set: Record<string, number> }
  /** ms. */
  | { wait: number }
  /** A neighbour of e0 by command. */
  | { neighbour: string; mac: string; state: 'reachable' | 'stale' | 'permanent' | 'noarp' }
  | { proxy: string }
  /** A route by e0. */
  | { route: string; via: string };

export interface Case {
  title: string;
  steps: Step[];
  /** What comes out of e0, in the sentences of lan.ts. */
  out: string[];
  /** Neighbours of e0 afterwards, as Lan.neighbour says it. */
  known?: Record<string, string>;
}

const US4 = '10.0.0.1';
const HOST4 = '10.0.0.9';
const HOST6 = 'fd00::9';

const say = (options: Omit<ArpOptions, 'mac'> & { mac?: string }): Step => ({
  link: 'e0',
  frame: arp({ mac: A, ...options }),
});
const ask = (target = US4, ip = HOST4, more: Partial<ArpOptions> = {}): Step => say({ ip, target, ...more });
const reply = (options: Partial<ArpOptions> = {}): Step =>
  say({ operation: 2, to: R, ip: HOST4, targetMac: R, target: US4, ...options });
const set = (settings: Record<string, number>): Step => ({ set: settings });
const tells = (ip = US4, to = HOST4, mac = A): string => `${mac} ${ip}/${R} is-at, to ${to}/${mac}`;
const asks = (target = HOST4, to = 'ff:ff:ff:ff:ff:ff', ip = US4): string => `${to} who-has ${target} tell ${ip}/${R}`;

/** A numbered packet from the host on e1 to one on e0. */
function packet(id: number, destination = HOST4): Step {
  if (destination.includes(':')) {
    const source = 'fd01::9';
    const payload = udp(source, destination, 1000, 9, pattern(8));
    return { link: 'e1', frame: ip6({ to: S, from: X, source, destination, nextHeader: 17, payload }) };
  }
  const payload = udp('10.0.1.9', destination, 1000, 9, pattern(8));
  return { link: 'e1', frame: ip4({ to: S, from: X, source: '10.0.1.9', destination, protocol: 17, id, payload }) };
}

const passed = (id: number, mac = A, destination = HOST4): string => `${mac} 10.0.1.9 > ${destination} id ${id}`;
const passed6 = (mac = A, destination = HOST6): string => `${mac} fd01::9 > ${destination} protocol 17`;

export const ARP_CASES: Case[] = [
  {
    title: 'a request for our address is answered, who asks is learned',
    steps: [ask()],
    out: [tells()],
    known: { [HOST4]: `STALE ${A}` },
  },
  {
    title: 'a request for an address of another link is answered, too',
    steps: [ask('10.0.1.1')],
    out: [tells('10.0.1.1')],
    known: { [HOST4]: `STALE ${A}` },
  },
  {
    title: 'a request for another host is neither answered nor learned from',
    steps: [ask('10.0.0.77')],
    out: [],
    known: { [HOST4]: 'absent' },
  },
  {
    title: 'arp_ignore 1: only addresses of the link itself',
    steps: [set({ 'conf/arp_ignore': 1 }), ask('10.0.1.1'), ask()],
    out: [tells()],
  },
  {
    title: 'arp_ignore 1: what is not answered is not learned from',
    steps: [set({ 'conf/arp_ignore': 1 }), ask('10.0.1.1')],
    out: [],
    known: { [HOST4]: 'absent' },
  },
  {
    title: 'arp_ignore 2: only for those of the same subnet',
    steps: [set({ 'conf/arp_ignore': 2 }), ask(US4, '192.168.7.7'), ask()],
    out: [tells()],
  },
  {
    title: 'arp_ignore 3: addresses of global scope on any link',
    steps: [set({ 'conf/arp_ignore': 3 }), ask('10.0.1.1')],
    out: [tells('10.0.1.1')],
  },
  { title: 'arp_ignore 4 is as 0', steps: [set({ 'conf/arp_ignore': 4 }), ask('10.0.1.1')], out: [tells('10.0.1.1')] },
  {
    title: 'arp_ignore 8: nothing',
    steps: [set({ 'conf/arp_ignore': 8 }), ask()],
    out: [],
    known: { [HOST4]: 'absent' },
  },
  {
    title: 'arp_filter: nothing to one whose way back is another link',
    steps: [set({ 'conf/arp_filter': 1 }), ask(US4, '10.0.1.7'), ask()],
    out: [tells()],
    known: { '10.0.1.7': 'absent' },
  },
  {
    title: 'without arp_filter it is answered',
    steps: [ask(US4, '10.0.1.7')],
    out: [tells(US4, '10.0.1.7')],
    known: { '10.0.1.7': `STALE ${A}` },
  },
  {
    title: 'a probe for our address is answered and not learned from',
    steps: [ask(US4, '0.0.0.0')],
    out: [tells(US4, '0.0.0.0')],
    known: { '0.0.0.0': 'absent' },
  },
  { title: 'a probe for another address is not answered', steps: [ask('10.0.0.77', '0.0.0.0')], out: [] },
  {
    title: 'arp_ignore counts for probes, too',
    steps: [set({ 'conf/arp_ignore': 1 }), ask('10.0.1.1', '0.0.0.0')],
    out: [],
  },
  {
    title: 'a request with our own address as its sender is ignored',
    steps: [ask(US4, US4)],
    out: [],
    known: { [US4]: 'absent' },
  },
  {
    title: 'a sender that is a group is no sender',
    steps: [ask(US4, '224.0.0.9'), ask(US4, '255.255.255.255')],
    out: [],
  },
  {
    title: 'a group’s hardware address is learned as it stands',
    steps: [ask(US4, HOST4, { mac: '01:00:5e:00:00:05', from: A })],
    out: [tells(US4, HOST4, '01:00:5e:00:00:05')],
    known: { [HOST4]: 'STALE 01:00:5e:00:00:05' },
  },
  {
    title: 'groups, loopback and broadcast are no targets',
    steps: [ask('224.0.0.1'), ask('127.0.0.1'), ask('10.0.0.255'), ask('255.255.255.255')],
    out: [],
  },
  {
    title: 'loopback is a target with route_localnet',
    steps: [set({ 'conf/route_localnet': 1 }), ask('127.0.0.1')],
    out: [tells('127.0.0.1')],
  },
  { title: 'operations other than request and reply are ignored', steps: [ask(US4, HOST4, { operation: 3 })], out: [] },
  { title: 'the hardware space of IEEE 802 means Ethernet', steps: [ask(US4, HOST4, { hardware: 6 })], out: [tells()] },
  {
    title: 'other hardware spaces do not',
    steps: [ask(US4, HOST4, { hardware: 2 })],
    out: [],
    known: { [HOST4]: 'absent' },
  },
  {
    title: 'rp_filter counts for who asks',
    steps: [set({ 'conf/rp_filter': 1 }), ask(US4, '10.0.1.7'), ask()],
    out: [tells()],
  },
  {
    title: 'a request that is not for us updates a neighbour that is known',
    steps: [ask(), { wait: 1100 }, ask('10.0.0.77', HOST4, { mac: B })],
    out: [tells()],
    known: { [HOST4]: `STALE ${B}` },
  },
  {
    title: 'but not within locktime of the last update',
    steps: [ask(), ask('10.0.0.77', HOST4, { mac: B })],
    out: [tells()],
    known: { [HOST4]: `STALE ${A}` },
  },
  {
    title: 'a gratuitous request updates a neighbour at once',
    steps: [ask(), ask(HOST4, HOST4, { mac: B })],
    out: [tells()],
    known: { [HOST4]: `STALE ${B}` },
  },
  { title: 'a gratuitous request makes no entry', steps: [ask(HOST4, HOST4)], out: [], known: { [HOST4]: 'absent' } },
  {
    title: 'arp_accept 1: it does',
    steps: [set({ 'conf/arp_accept': 1 }), ask(HOST4, HOST4), ask('10.99.0.1', '10.99.0.1')],
    out: [],
    known: { [HOST4]: `STALE ${A}`, '10.99.0.1': `STALE ${A}` },
  },
  {
    title: 'arp_accept 1: a request for another host does not',
    steps: [set({ 'conf/arp_accept': 1 }), ask('10.0.0.77')],
    out: [],
    known: { [HOST4]: 'absent' },
  },
  {
    title: 'arp_accept 2: only in the link’s subnets',
    steps: [set({ 'conf/arp_accept': 2 }), ask(HOST4, HOST4), ask('10.99.0.1', '10.99.0.1')],
    out: [],
    known: { [HOST4]: `STALE ${A}`, '10.99.0.1': 'absent' },
  },
  {
    title: 'a gratuitous reply counts as one if both hardware addresses are the same',
    steps: [ask(), say({ operation: 2, ip: HOST4, target: HOST4, mac: B, targetMac: B })],
    out: [tells()],
    known: { [HOST4]: `STALE ${B}` },
  },
  {
    title: 'else it has to wait for locktime',
    steps: [ask(), say({ operation: 2, ip: HOST4, target: HOST4, mac: B })],
    out: [tells()],
    known: { [HOST4]: `STALE ${A}` },
  },
  {
    title: 'drop_gratuitous_arp',
    steps: [set({ 'conf/drop_gratuitous_arp': 1 }), ask(), ask(HOST4, HOST4, { mac: B })],
    out: [tells()],
    known: { [HOST4]: `STALE ${A}` },
  },
  { title: 'a reply nobody asked for makes no entry', steps: [reply()], out: [], known: { [HOST4]: 'absent' } },
  {
    title: 'arp_accept 1: it does',
    steps: [set({ 'conf/arp_accept': 1 }), reply()],
    out: [],
    known: { [HOST4]: `REACHABLE ${A}` },
  },
  {
    title: 'a reply makes a known neighbour reachable',
    steps: [ask(), reply()],
    out: [tells()],
    known: { [HOST4]: `REACHABLE ${A}` },
  },
  {
    title: 'a broadcast reply does not',
    steps: [ask(), reply({ to: 'ff:ff:ff:ff:ff:ff' })],
    out: [tells()],
    known: { [HOST4]: `STALE ${A}` },
  },
  {
    title: 'the first of several replies counts',
    steps: [ask(), { wait: 1100 }, reply(), reply({ mac: B })],
    out: [tells()],
    known: { [HOST4]: `REACHABLE ${A}` },
  },
  {
    title: 'a permanent neighbour stays as it is',
    steps: [{ neighbour: HOST4, mac: B, state: 'permanent' }, { wait: 1100 }, ask(), reply()],
    out: [tells()],
    known: { [HOST4]: `PERMANENT ${B}` },
  },
  {
    title: 'packets wait for the answer and go in order',
    steps: [packet(1), packet(2), packet(3), reply(), packet(4)],
    out: [asks(), passed(1), passed(2), passed(3), passed(4)],
    known: { [HOST4]: `REACHABLE ${A}` },
  },
  {
    title: 'what is heard otherwise lets them go, too, and is delayed then',
    steps: [packet(1), ask('10.0.0.77')],
    out: [asks(), passed(1)],
    known: { [HOST4]: `DELAY ${A}` },
  },
  {
    title: 'a packet to a stale neighbour goes at once',
    steps: [ask(), packet(1)],
    out: [tells(), passed(1)],
    known: { [HOST4]: `DELAY ${A}` },
  },
  {
    title: 'a delayed neighbour is asked at the address known, after delay_first_probe',
    steps: [set({ 'neigh/delay_first_probe_time': 1 }), ask(), packet(1), { wait: 1500 }],
    out: [tells(), passed(1), asks(HOST4, A)],
    known: { [HOST4]: `PROBE ${A}` },
  },
  {
    title: 'one that does not answer is asked for three times',
    steps: [packet(1), { wait: 2500 }],
    out: [asks(), asks(), asks()],
    known: { [HOST4]: 'INCOMPLETE' },
  },
  {
    title: 'and has failed after three seconds',
    steps: [packet(1), { wait: 3300 }],
    out: [asks(), asks(), asks()],
    known: { [HOST4]: 'FAILED' },
  },
  {
    title: 'retrans_time and mcast_solicit',
    steps: [set({ 'neigh/retrans_time_ms': 200, 'neigh/mcast_solicit': 2 }), packet(1), { wait: 700 }],
    out: [asks(), asks()],
    known: { [HOST4]: 'FAILED' },
  },
  {
    title: 'a failed one is asked for again with the next packet',
    steps: [
      set({ 'neigh/retrans_time_ms': 200, 'neigh/mcast_solicit': 1 }),
      packet(1),
      { wait: 500 },
      packet(2),
      reply(),
    ],
    out: [asks(), asks(), passed(2)],
    known: { [HOST4]: `REACHABLE ${A}` },
  },
  {
    title: 'with no solicitations allowed it has failed at once',
    steps: [set({ 'neigh/mcast_solicit': 0, 'neigh/app_solicit': 0 }), packet(1)],
    out: [],
    known: { [HOST4]: 'FAILED' },
  },
  {
    title: 'proxy_arp: for hosts behind other links, who asks is learned',
    steps: [set({ 'conf/proxy_arp': 1, 'neigh/proxy_delay': 0 }), ask('10.0.1.9'), ask('10.0.0.77', '10.0.0.8')],
    out: [tells('10.0.1.9')],
    known: { [HOST4]: `STALE ${A}`, '10.0.0.8': 'absent' },
  },
  {
    title: 'proxy_arp answers a request to us alone without delay',
    steps: [set({ 'conf/proxy_arp': 1, 'neigh/proxy_delay': 60_000 }), ask('10.0.1.9', HOST4, { to: R })],
    out: [tells('10.0.1.9')],
  },
  {
    title: 'proxy_arp answers one to all within proxy_delay',
    steps: [set({ 'conf/proxy_arp': 1, 'neigh/proxy_delay': 300 }), ask('10.0.1.9'), { wait: 400 }],
    out: [tells('10.0.1.9')],
  },
  {
    title: 'proxy_arp_pvlan: for hosts on the same link, but not about the asker itself',
    steps: [set({ 'conf/proxy_arp_pvlan': 1, 'neigh/proxy_delay': 0 }), ask('10.0.0.77'), ask('10.0.0.8', '10.0.0.8')],
    out: [tells('10.0.0.77')],
  },
  {
    title: 'medium_id: none between links of one medium',
    steps: [set({ 'conf/proxy_arp': 1, 'neigh/proxy_delay': 0, 'conf/medium_id': -1 }), ask('10.0.1.9')],
    out: [],
  },
  {
    title: 'a proxy by command, for a host behind another link only',
    steps: [
      { proxy: '10.0.1.9' },
      { proxy: '10.0.0.77' },
      set({ 'neigh/proxy_delay': 0 }),
      ask('10.0.1.9'),
      ask('10.0.0.77'),
      ask('10.0.1.8'),
    ],
    out: [tells('10.0.1.9')],
  },
];

const US6 = 'fd00::1';
const [GROUP, GROUP_MAC] = solicitedNode(US6);
const ROUTER6 = 'fe80::1';

const hear = (options: Partial<NdOptions> & { type: number }): Step => ({
  link: 'e0',
  frame: nd({ from: A, to: R, source: HOST6, destination: US6, ...options }),
});

/** A solicitation for our address, multicast, with the sender's link-layer address. */
const solicit = (options: Partial<NdOptions> = {}): Step =>
  hear({ type: 135, to: GROUP_MAC, destination: GROUP, target: US6, options: macOption(1, A), ...options });

const advertise = (flags: number, mac: string | null = A, options: Partial<NdOptions> = {}): Step =>
  hear({ type: 136, target: HOST6, flags, options: mac === null ? [] : macOption(2, mac), ...options });

const advertised = (flags: string, to = HOST6, mac = A, target = US6, hasMac = true, source = target): string =>
  `${mac} ${source} > ${to} advertises ${target}${flags === '' ? '' : ` ${flags}`}${hasMac ? ` target ${R}` : ''}`;

function solicits(target = HOST6, source = ROUTER6): string {
  const [group, mac] = solicitedNode(target);
  return `${mac} ${source} > ${group} solicits ${target} source ${R}`;
}

/** From fe80::9: fd07::5 is better reached by fe80::8. */
const redirect = (options: Partial<NdOptions> = {}): Step =>
  hear({ type: 137, source: 'fe80::9', target: 'fe80::8', more: 'fd07::5', options: macOption(2, B), ...options });

const SOLICITED = 0x40;
const OVERRIDE = 0x20;
const ROUTER = 0x80;

/** A neighbour that has just answered. */
const REACHED: Step[] = [packet(1, HOST6), advertise(SOLICITED | OVERRIDE)];
const REACHED_OUT = [solicits(), passed6()];

export const ND_CASES: Case[] = [
  {
    title: 'a solicitation for our address is answered, who asks is learned: the answer has used the entry',
    steps: [solicit()],
    out: [advertised('RSO')],
    known: { [HOST6]: `DELAY ${A}` },
  },
  {
    title: 'one to our address alone does not override',
    steps: [solicit({ to: R, destination: US6 })],
    out: [advertised('RS', HOST6, A, US6, false)],
    known: { [HOST6]: `DELAY ${A}` },
  },
  {
    title: 'one to us alone without an address has us ask for the asker first',
    steps: [solicit({ to: R, destination: US6, options: [] }), advertise(SOLICITED | OVERRIDE)],
    out: [solicits(HOST6, US6), advertised('RS', HOST6, A, US6, false)],
    known: { [HOST6]: `REACHABLE ${A}` },
  },
  {
    title: 'a multicast one without an address, from one unknown, is ignored',
    steps: [solicit({ options: [] })],
    out: [],
    known: { [HOST6]: 'absent' },
  },
  {
    title: 'one that came by a router is ignored',
    steps: [solicit({ hopLimit: 254 })],
    out: [],
    known: { [HOST6]: 'absent' },
  },
  { title: 'one with a code is ignored', steps: [solicit({ code: 1 })], out: [] },
  { title: 'one for a group is ignored', steps: [solicit({ target: 'ff02::1' })], out: [] },
  {
    title: 'one for another link’s address is ignored',
    steps: [solicit({ target: 'fd01::1' })],
    out: [],
    known: { [HOST6]: 'absent' },
  },
  {
    title: 'one with an option of length 0 is ignored',
    steps: [solicit({ options: [1, 0, 2, 0, 0, 0, 0, 10] })],
    out: [],
  },
  {
    title: 'one whose option is longer than the message is ignored',
    steps: [solicit({ options: [1, 2, 2, 0, 0, 0, 0, 10] })],
    out: [],
  },
  {
    title: 'one with an address of another length is ignored',
    steps: [solicit({ options: [1, 2, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0] })],
    out: [],
  },
  {
    title: 'other options do not matter',
    steps: [solicit({ options: [99, 1, 0, 0, 0, 0, 0, 0, ...macOption(1, A)] })],
    out: [advertised('RSO')],
  },
  {
    title: 'the link-local address is ours, too',
    steps: [solicit({ target: ROUTER6, destination: solicitedNode(ROUTER6)[0], to: solicitedNode(ROUTER6)[1] })],
    out: [advertised('RSO', HOST6, A, ROUTER6)],
  },
  {
    title: 'who wants our address is told, with all nodes',
    steps: [solicit({ source: '::', options: [] })],
    out: [advertised('RO', 'ff02::1', '33:33:00:00:00:01')],
  },
  { title: 'such a one with an address is ignored', steps: [solicit({ source: '::' })], out: [] },
  {
    title: 'such a one to us alone is ignored',
    steps: [solicit({ source: '::', options: [], to: R, destination: US6 })],
    out: [],
  },
  {
    title: 'without forwarding we are no router',
    steps: [set({ 'conf6/forwarding': 0 }), solicit()],
    out: [advertised('SO')],
  },
  {
    title: 'an advertisement nobody asked for makes no entry',
    steps: [advertise(OVERRIDE)],
    out: [],
    known: { [HOST6]: 'absent' },
  },
  {
    title: 'packets wait for an advertisement',
    steps: [...REACHED, packet(2, HOST6)],
    out: [...REACHED_OUT, passed6()],
    known: { [HOST6]: `REACHABLE ${A}` },
  },
  {
    title: 'one not solicited lets them go, and the neighbour is delayed',
    steps: [packet(1, HOST6), advertise(OVERRIDE)],
    out: [solicits(), passed6()],
    known: { [HOST6]: `DELAY ${A}` },
  },
  {
    title: 'one without an address lets nothing go',
    steps: [packet(1, HOST6), advertise(SOLICITED | OVERRIDE, null)],
    out: [solicits()],
    known: { [HOST6]: 'INCOMPLETE' },
  },
  {
    title: 'one that is solicited and multicast is ignored',
    steps: [packet(1, HOST6), advertise(SOLICITED | OVERRIDE, A, { to: '33:33:00:00:00:01', destination: 'ff02::1' })],
    out: [solicits()],
    known: { [HOST6]: 'INCOMPLETE' },
  },
  {
    title: 'one that came by a router is ignored',
    steps: [packet(1, HOST6), advertise(SOLICITED | OVERRIDE, A, { hopLimit: 64 })],
    out: [solicits()],
    known: { [HOST6]: 'INCOMPLETE' },
  },
  {
    title: 'another address without override makes a reachable neighbour stale',
    steps: [...REACHED, advertise(0, B)],
    out: REACHED_OUT,
    known: { [HOST6]: `STALE ${A}` },
  },
  {
    title: 'and so does a solicited one',
    steps: [...REACHED, advertise(SOLICITED, B)],
    out: REACHED_OUT,
    known: { [HOST6]: `STALE ${A}` },
  },
  {
    title: 'another address with override is taken',
    steps: [...REACHED, advertise(OVERRIDE, B)],
    out: REACHED_OUT,
    known: { [HOST6]: `STALE ${B}` },
  },
  {
    title: 'and the neighbour stays reachable if it was solicited',
    steps: [...REACHED, advertise(SOLICITED | OVERRIDE, B)],
    out: REACHED_OUT,
    known: { [HOST6]: `REACHABLE ${B}` },
  },
  {
    title: 'another address without override says nothing to one not reachable',
    steps: [solicit(), advertise(SOLICITED, B)],
    out: [advertised('RSO')],
    known: { [HOST6]: `DELAY ${A}` },
  },
  {
    title: 'the same address, solicited, confirms a stale one',
    steps: [solicit(), advertise(SOLICITED)],
    out: [advertised('RSO')],
    known: { [HOST6]: `REACHABLE ${A}` },
  },
  {
    title: 'none, solicited, confirms it as well',
    steps: [solicit(), advertise(SOLICITED, null)],
    out: [advertised('RSO')],
    known: { [HOST6]: `REACHABLE ${A}` },
  },
  {
    title: 'a router says that it is one',
    steps: [...REACHED, advertise(SOLICITED | ROUTER)],
    out: REACHED_OUT,
    known: { [HOST6]: `REACHABLE ${A} router` },
  },
  {
    title: 'and when it is one no more',
    steps: [...REACHED, advertise(SOLICITED | ROUTER), advertise(SOLICITED)],
    out: REACHED_OUT,
    known: { [HOST6]: `REACHABLE ${A}` },
  },
  {
    title: 'drop_unsolicited_na',
    steps: [set({ 'conf6/drop_unsolicited_na': 1 }), solicit(), advertise(OVERRIDE, B)],
    out: [advertised('RSO')],
    known: { [HOST6]: `DELAY ${A}` },
  },
  {
    title: 'a solicitation from another address overrides',
    steps: [...REACHED, solicit({ options: macOption(1, B) })],
    out: [...REACHED_OUT, advertised('RSO', HOST6, B)],
    known: { [HOST6]: `DELAY ${B}` },
  },
  {
    title: 'the subnet’s router address is an anycast address: no override',
    steps: [
      set({ 'neigh6/proxy_delay': 0 }),
      solicit({ target: 'fd00::', destination: 'ff02::1:ff00:0', to: '33:33:ff:00:00:00' }),
    ],
    out: [advertised('RS', HOST6, A, 'fd00::', true, US6)],
  },
  {
    title: 'a proxy by command needs proxy_ndp',
    steps: [
      { proxy: 'fd00::77' },
      set({ 'neigh6/proxy_delay': 0 }),
      solicit({ target: 'fd00::77', destination: 'ff02::1:ff00:77', to: '33:33:ff:00:00:77' }),
    ],
    out: [],
  },
  {
    title: 'and then answers without override',
    steps: [
      { proxy: 'fd00::77' },
      set({ 'neigh6/proxy_delay': 0, 'conf6/proxy_ndp': 1 }),
      solicit({ target: 'fd00::77', destination: 'ff02::1:ff00:77', to: '33:33:ff:00:00:77' }),
    ],
    out: [advertised('S', HOST6, A, 'fd00::77', true, US6)],
  },
  {
    title: 'within proxy_delay',
    steps: [
      { proxy: 'fd00::77' },
      set({ 'neigh6/proxy_delay': 300, 'conf6/proxy_ndp': 1 }),
      solicit({ target: 'fd00::77', destination: 'ff02::1:ff00:77', to: '33:33:ff:00:00:77' }),
      { wait: 400 },
    ],
    out: [advertised('S', HOST6, A, 'fd00::77', true, US6)],
  },
  {
    title: 'a router solicitation tells who sent it',
    steps: [
      hear({ type: 133, source: 'fe80::9', destination: 'ff02::2', to: '33:33:00:00:00:02', options: macOption(1, A) }),
    ],
    out: [],
    known: { 'fe80::9': `STALE ${A}` },
  },
  {
    title: 'but not without forwarding',
    steps: [
      set({ 'conf6/forwarding': 0 }),
      hear({ type: 133, source: 'fe80::9', destination: ROUTER6, options: macOption(1, A) }),
    ],
    out: [],
    known: { 'fe80::9': 'absent' },
  },
  {
    title: 'a router advertisement tells of a router',
    steps: [
      hear({
        type: 134,
        source: 'fe80::9',
        destination: 'ff02::1',
        to: '33:33:00:00:00:01',
        more: '0.0.0.0',
        target: '0.0.0.0',
        options: macOption(1, A),
      }),
    ],
    out: [],
    known: { 'fe80::9': `STALE ${A} router` },
  },
  {
    title: 'not one from elsewhere',
    steps: [
      hear({
        type: 134,
        destination: 'ff02::1',
        to: '33:33:00:00:00:01',
        more: '0.0.0.0',
        target: '0.0.0.0',
        options: macOption(1, A),
      }),
    ],
    out: [],
    known: { [HOST6]: 'absent' },
  },
  {
    title: 'one that does not answer is asked for three times, then has failed',
    steps: [set({ 'neigh6/retrans_time_ms': 200 }), packet(1, HOST6), { wait: 900 }],
    out: [solicits(), solicits(), solicits()],
    known: { [HOST6]: 'FAILED' },
  },
  {
    title: 'a failed one is not revived by an advertisement',
    steps: [
      set({ 'neigh6/retrans_time_ms': 100, 'neigh6/mcast_solicit': 1 }),
      packet(1, HOST6),
      { wait: 400 },
      advertise(SOLICITED | OVERRIDE),
    ],
    out: [solicits()],
    known: { [HOST6]: 'FAILED' },
  },
  {
    title: 'a delayed one is asked at the address known',
    steps: [set({ 'neigh6/delay_first_probe_time': 1 }), solicit(), packet(1, HOST6), { wait: 1500 }],
    out: [advertised('RSO'), passed6(), `${A} ${ROUTER6} > ${HOST6} solicits ${HOST6} source ${R}`],
    known: { [HOST6]: `PROBE ${A}` },
  },
  {
    title: 'a redirect tells of a nearer router',
    steps: [set({ 'conf6/forwarding': 0 }), { route: 'fd07::/64', via: 'fe80::9' }, redirect()],
    out: [],
    known: { 'fe80::8': `STALE ${B} router` },
  },
  {
    title: 'or that the destination itself is on the link',
    steps: [set({ 'conf6/forwarding': 0 }), { route: 'fd07::/64', via: 'fe80::9' }, redirect({ target: 'fd07::5' })],
    out: [],
    known: { 'fd07::5': `STALE ${B}` },
  },
  {
    title: 'one from a router that we do not use is ignored',
    steps: [set({ 'conf6/forwarding': 0 }), { route: 'fd07::/64', via: 'fe80::9' }, redirect({ source: 'fe80::7' })],
    out: [],
    known: { 'fe80::8': 'absent' },
  },
  {
    title: 'one from no link-local address is ignored',
    steps: [set({ 'conf6/forwarding': 0 }), { route: 'fd07::/64', via: HOST6 }, redirect({ source: HOST6 })],
    out: [],
    known: { 'fe80::8': 'absent' },
  },
  {
    title: 'routers do not follow redirects',
    steps: [{ route: 'fd07::/64', via: 'fe80::9' }, redirect()],
    out: [],
    known: { 'fe80::8': 'absent' },
  },
];

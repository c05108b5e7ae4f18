/*
 * The table of verbs: what each is for, and how to load it. `--help` and shell completion are made
 * from it. A verb's file exports `run(words, terminal)`, which answers with the exit status.
 */
import type { Terminal } from './terminal.js';

export interface VerbFile {
  run(words: readonly string[], terminal: Terminal): Promise<number>;
}

export interface Verb {
  summary: string;
  load(): Promise<VerbFile>;
}

export const VERBS: Record<string, Verb> = {
  up: { summary: 'run the dataplane in the foreground', load: () => import('./up.js') },
  down: { summary: 'stop it', load: () => import('./down.js') },
  status: { summary: 'counters, and drops by reason', load: () => import('./status.js') },
  ip: {
    summary: 'links, addresses, routes, rules, neighbours, namespaces, as iproute2 does',
    load: () => import('./ip.js'),
  },
  bridge: { summary: 'stations and bridge ports, as iproute2 does', load: () => import('./bridge.js') },
  brctl: { summary: 'bridges, as bridge-utils does', load: () => import('./brctl.js') },
  ethtool: { summary: 'driver, features and counters of a link', load: () => import('./ethtool.js') },
  ifconfig: { summary: 'links and their addresses, as net-tools does', load: () => import('./ifconfig.js') },
  netstat: { summary: 'routes and links, as net-tools does', load: () => import('./netstat.js') },
  conntrack: {
    summary: 'flows: list, delete, change, watch, as conntrack-tools do',
    load: () => import('./conntrack.js'),
  },
  sysctl: { summary: "settings of the IP stack, as procps' sysctl does", load: () => import('./sysctl.js') },
  iptables: {
    summary: 'rules of IPv4: filter, NAT, mangle, raw, as iptables does',
    load: () => import('./iptables.js'),
  },
  ip6tables: { summary: 'rules of IPv6', load: () => import('./ip6tables.js') },
  'iptables-save': {
    summary: 'all rules as text',
    load: () => import('./iptables-save.js'),
  },
  'ip6tables-save': {
    summary: 'all rules of IPv6 as text',
    load: () => import('./ip6tables-save.js'),
  },
  'iptables-restore': {
    summary: 'rules from text, all or nothing',
    load: () => import('./iptables-restore.js'),
  },
  'ip6tables-restore': {
    summary: 'rules of IPv6 from text, all or nothing',
    load: () => import('./ip6tables-restore.js'),
  },
  ipset: { summary: 'sets of addresses and ports for rules, as ipset does', load: () => import('./ipset.js') },
  ping: { summary: 'echo requests from a namespace, as iputils does', load: () => import('./ping.js') },
  traceroute: { summary: 'the routers on the way, as traceroute does', load: () => import('./traceroute.js') },
  dhcp: { summary: 'DHCP servers and clients of links, and leases', load: () => import('./dhcp.js') },
  radv: { summary: 'router advertisements on links', load: () => import('./radv.js') },
  explain: { summary: 'what would become of a packet, step by step', load: () => import('./explain.js') },
  capture: { summary: 'see or store the frames of a link', load: () => import('./capture.js') },
  config: { summary: 'show, check, apply or save the configuration', load: () => import('./config.js') },
  doctor: { summary: 'what this machine lacks, and what disturbs a port', load: () => import('./doctor.js') },
  demo: { summary: 'a bridge, a router and a gateway with rules, in half a minute', load: () => import('./demo.js') },
  bench: { summary: 'measure it here, beside its peers', load: () => import('./bench.js') },
  completion: { summary: 'completion for bash, zsh or fish', load: () => import('./completion.js') },
};

/** Verbs that the command line promises for later, and what to use meanwhile. */
export const LATER: Record<string, string> = {
  docker: 'it comes with the container networks',
};

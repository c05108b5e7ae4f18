/* Rule sets as programs write them: Docker's of the fixtures, kube-proxy's, flannel's. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Case, rulesOf } from '../../support/filtered-routers.js';
import { type Cluster, kubeRules } from '../../support/kube-rules.js';
import { datagram, echo, syn } from '../../support/netfilter-cases.js';
import type { Sent } from '../../support/two-routers.js';
import { client, traffic4 } from './common.js';
import { hidePorts, ports } from './nat.js';

const FIXTURES = process.env.SLUICE_FIXTURES ?? resolve(import.meta.dirname, '../../../../shared/fixtures');
const DOCKER = join(FIXTURES, 'iptables-dumps/docker');

/** Docker's rule sets differ by its options; so many of them, evenly over all. */
const DOCKER_CASES = 12;

/** The container is 10.0.2.130 behind p2, its published port 8080 of 10.0.1.1. */
function ofOurs(text: string): string {
  return text
    .replaceAll('br-dummy', 'p2')
    .replaceAll('192.168.0.0/24', '10.0.2.0/24')
    .replaceAll('192.168.0.2', '10.0.2.130')
    .replaceAll('192.168.123.0', '10.0.1.1')
    .replaceAll(/^(-A DOCKER -d) 127\.0\.0\.1/gm, '$1 10.0.1.1');
}

/** Outside, the container, others on its bridge: to the published port, to the container, out. */
function dockerTraffic(): Sent[] {
  const container = { port: 2, source: '10.0.2.130' };
  return [
    syn(client(0, '10.0.1.1', 1), 5000, 8080),
    syn(client(1, '10.0.1.1', 0), 5001, 8080),
    syn(client(2, '10.0.1.1', 1), 5002, 8081),
    syn(client(3, '10.0.2.130', 1), 5004, 80),
    syn(client(4, '10.0.2.130', 0), 5005, 81),
    datagram(client(5, '10.0.2.130', 0), 5006, 53, 'A'),
    echo(client(6, '10.0.2.130', 1), 7),
    syn({ ...container, destination: '10.0.1.9' }, 5008, 443),
    datagram({ ...container, destination: '172.16.1.1' }, 5009, 53, 'A'),
    datagram({ ...container, destination: '10.0.0.9' }, 5010, 53, 'U'),
    echo({ ...container, destination: '10.0.0.9' }, 8),
    syn({ ...container, destination: '10.0.1.1' }, 5012, 8080),
    syn({ ...container, destination: '10.0.2.131' }, 5013, 80),
    syn({ port: 2, source: '10.0.2.131', destination: '10.0.1.1' }, 5014, 8080),
    echo({ ...container, destination: '10.0.2.1' }, 9),
  ];
}

const SILENT = ['all', 'p0', 'p1', 'p2', 'p3'].map((link) => `net.ipv4.conf.${link}.send_redirects`);

function dockerCases(): Case[] {
  if (!existsSync(DOCKER)) return [];
  const all = readdirSync(DOCKER).filter((name) => name.endsWith('__iptables.iptables-save'));
  const step = all.length / DOCKER_CASES;
  return Array.from({ length: DOCKER_CASES }, (_, n) => all[Math.floor(n * step)]).map((name) => ({
    title: `Docker: ${name.replace('__iptables.iptables-save', '').replaceAll('_', ' ')}`,
    rules: ofOurs(readFileSync(join(DOCKER, name), 'utf8')),
    sysctls: SILENT.map((key) => `${key}=0`),
    reset: SILENT.map((key) => `${key}=1`),
    steps: [dockerTraffic()],
  }));
}

const endpoint = (name: string, address: string, port: number) => ({
  metadata: { namespace: 'ns', labels: { 'kubernetes.io/service-name': name } },
  endpoints: [{ addresses: [address] }],
  ports: [
    { name: 'web', port, protocol: 'TCP' },
    { name: 'dns', port: 5353, protocol: 'UDP' },
  ],
});

/** One endpoint each: which of several is left to chance. */
const CLUSTER: Cluster = {
  services: [
    {
      metadata: { name: 'one', namespace: 'ns' },
      spec: {
        clusterIP: '198.51.100.41',
        externalIPs: ['10.0.3.1'],
        ports: [
          { name: 'web', port: 80, protocol: 'TCP', nodePort: 30080 },
          { name: 'dns', port: 53, protocol: 'UDP' },
        ],
      },
    },
    {
      metadata: { name: 'none', namespace: 'ns' },
      spec: {
        clusterIP: '198.51.100.42',
        externalIPs: ['198.51.100.43'],
        ports: [{ name: 'web', port: 80, protocol: 'TCP', nodePort: 30081 }],
      },
    },
  ],
  endpointSlices: [endpoint('one', '10.0.2.130', 8080)],
};

const KUBE: Case = {
  title: 'kube-proxy: services with and without endpoints, node ports, hairpin',
  rules: kubeRules(CLUSTER),
  sysctls: SILENT.map((key) => `${key}=0`),
  reset: SILENT.map((key) => `${key}=1`),
  hide: ports(1024, 65535),
  hideFlow: hidePorts(1024, 65535),
  steps: [
    [
      syn(client(0, '198.51.100.41'), 5000, 80),
      datagram(client(1, '198.51.100.41'), 5001, 53, 'A'),
      syn(client(2, '198.51.100.42'), 5002, 80),
      syn(client(3, '198.51.100.43'), 5002, 80),
      syn(client(4, '10.0.0.1'), 5004, 30080),
      syn(client(5, '10.0.0.1'), 5005, 30081),
      syn({ port: 0, source: '172.17.0.5', destination: '198.51.100.41' }, 5006, 80),
      syn({ port: 0, source: '172.17.0.5', destination: '10.0.3.1' }, 5008, 80),
      syn({ port: 0, source: '172.17.0.5', destination: '10.0.0.1' }, 5009, 30080),
      syn({ port: 2, source: '10.0.2.130', destination: '198.51.100.41' }, 5010, 80),
      syn({ port: 2, source: '10.0.2.131', destination: '198.51.100.41' }, 5012, 80),
      datagram({ port: 0, source: '172.17.0.5', destination: '198.51.100.41' }, 5013, 53, 'A'),
      syn(client(6, '198.51.100.41'), 5014, 81),
    ],
    [syn(client(0, '198.51.100.41'), 5001, 80), datagram(client(1, '198.51.100.41'), 5001, 53, 'A')],
  ],
};

const FLANNEL: Case = {
  title: 'flannel: pods out by MASQUERADE, between nodes as they are',
  rules: rulesOf({
    nat: `:FLANNEL-POSTRTG - [0:0]
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.0.2.0/24 -d 10.0.0.0/16 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.0.0.0/16 -d 10.0.2.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG ! -s 10.0.0.0/16 -d 10.0.2.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.0.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE
-A FLANNEL-POSTRTG ! -s 10.0.0.0/16 -d 10.0.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE`,
    filter: `:FORWARD DROP [0:0]
:FLANNEL-FWD - [0:0]
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FLANNEL-FWD -s 10.0.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-FWD -d 10.0.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT`,
  }),
  hide: ports(600, 65535),
  hideFlow: hidePorts(600, 65535),
  steps: [dockerTraffic().filter(({ what }) => !/^p2: .* > 10\.0\.2\.131/.test(what)), traffic4(40, 71)],
};

/** A firewall of a host that forwards for others, as people write them. */
const FIREWALL: Case = {
  title: 'a firewall with states, lists and limits',
  rules: rulesOf({
    filter: `:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:log - [0:0]
:lan - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -p icmp -m icmp --icmp-type 8 -m limit --limit 5/hour --limit-burst 5 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m recent --name ssh --set
-A INPUT -p tcp -m tcp --dport 22 -m recent --name ssh --update --seconds 600 --hitcount 3 -j DROP
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -j log
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i p0 -j lan
-A FORWARD -j log
-A lan -m iprange --src-range 10.0.0.100-10.0.0.130 -j ACCEPT
-A lan -p tcp -m multiport --dports 80,443 -m comment --comment "web for all" -j ACCEPT
-A lan -p udp -m udp --dport 53 -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-mode dstip --hashlimit-name dns -j ACCEPT
-A log -m limit --limit 1/hour --limit-burst 3 -j LOG --log-prefix "dropped: "
-A log -p tcp -j REJECT --reject-with tcp-reset
-A log -j REJECT --reject-with icmp-admin-prohibited`,
    nat: '-A POSTROUTING -s 10.0.0.0/24 -o p1 -j MASQUERADE',
  }),
  hide: ports(600, 1023),
  hideFlow: hidePorts(600, 1023),
  steps: [traffic4(120, 72)],
};

export const PROGRAMS: Case[] = [...dockerCases(), KUBE, FLANNEL, FIREWALL];

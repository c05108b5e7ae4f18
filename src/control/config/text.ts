/*
 * A Config as YAML: what differs from the defaults, and nothing else. Reading it again gives the same Config.
 */
import { Document, isMap, isScalar, isSeq, type Pair, type Scalar, visit } from 'yaml';
import type { NextHop } from '../api/route.js';
import type { AddressConfig, RouteConfig } from './inet.js';
import { type Config, type LinkConfig, present, type StationConfig } from './model.js';
import { neighbourText } from './neighbours.js';
import { NETFILTER_KEYS, netfilterText } from './netfilter.js';
import { ruleText } from './rules.js';
import { servicesText } from './services.js';

/** Whole seconds as such, else milliseconds. */
function timeText(cs: number): string {
  return cs % 100 === 0 ? `${cs / 100}s` : `${cs * 10}ms`;
}

function peerText({ peer }: NonNullable<LinkConfig['tap']>): object | undefined {
  if (peer === undefined) return undefined;
  const { name, netns, address, mtu, addresses, up } = peer;
  return present({ name, netns, address, mtu, addr: addresses, up });
}

function addressText({ local, broadcast, ...rest }: AddressConfig): string | object {
  const more = present({ brd: broadcast, ...rest });
  return Object.keys(more).length === 0 ? local : { address: local, ...more };
}

/** The link's keys in the order in which a reader wants them. */
function linkText(link: LinkConfig): object {
  const { kind, address, mtu, up, master, bridge, tap, packet, pcap, port, vlan, addresses } = link;
  const ageing = bridge?.ageing_time;
  return present({
    type: kind,
    link: link.link,
    id: vlan?.id,
    protocol: vlan?.protocol,
    ...packet,
    ...pcap,
    master,
    address,
    mtu,
    ...bridge,
    ...(ageing === undefined ? {} : { ageing_time: timeText(ageing) }),
    queues: tap?.queues,
    gso: tap?.gso,
    persist: tap?.persist,
    peer: tap === undefined ? link.peer : peerText(tap),
    port,
    addrgenmode: link.addr_gen_mode,
    addr: addresses?.map(addressText),
    up,
  });
}

function hopText({ gateway, ...hop }: NextHop): object {
  return present({ via: gateway, ...hop });
}

function routeText({
  family,
  dst,
  type,
  table,
  protocol,
  scope,
  metric,
  prefsrc,
  nexthops,
  metrics,
  pref,
}: RouteConfig): object {
  const to = family === 4 && dst === '0.0.0.0/0' ? 'default' : dst;
  const hops = nexthops.length > 1 ? { nexthops: nexthops.map(hopText) } : nexthops.map(hopText)[0];
  const { mtu, hoplimit } = metrics ?? {};
  return present({ to, type, ...hops, table, metric, src: prefsrc, proto: protocol, scope, mtu, hoplimit, pref });
}

/** A sysctl's value: a number where it is one. */
function valueText(value: string): string | number {
  return /^-?(0|[1-9][0-9]{0,14})$/.test(value) ? Number(value) : value;
}

function stationText({ mac, dev, state, sticky }: StationConfig): object {
  return present({ mac, dev, state, sticky });
}

const SHORT = new Set(['addr', 'storm', 'nexthops', 'pool', 'router', 'dns', 'search']);
const LISTS = new Set(['fdb', 'routes', 'rules', 'neighbours', 'hosts', 'prefixes']);

const TEXTS = new Set<string>(NETFILTER_KEYS);

function keyText({ key }: Pair): string {
  return isScalar(key) ? String(key.value) : '';
}

/** Masks in hexadecimal; rules line by line; short lists, limits, stations and routes on one line. */
function style(document: Document): void {
  visit(document, {
    Pair: (_, pair) => {
      const key = keyText(pair);
      if (SHORT.has(key) && (isSeq(pair.value) || isMap(pair.value))) pair.value.flow = true;
      if (LISTS.has(key) && isSeq(pair.value)) for (const item of pair.value.items) if (isMap(item)) item.flow = true;
      if (TEXTS.has(key) && isScalar(pair.value)) (pair.value as Scalar).type = 'BLOCK_LITERAL';
      if (key === 'group_fwd_mask' && isScalar(pair.value)) (pair.value as Scalar).format = 'HEX';
    },
  });
}

/** What is in one namespace. */
function spaceText(config: Config, space: string | undefined): object {
  const own = <T extends { space?: string }>(list: T[] = []): T[] => list.filter((one) => one.space === space);
  const [ownLinks, ownRoutes, ownSysctls] = [own(config.links), own(config.routes), own(config.sysctls)];
  const [rules, neighbours, stations] = [own(config.rules), own(config.neighbours), own(config.fdb)];
  return {
    ...(ownSysctls.length === 0
      ? {}
      : { sysctl: new Map(ownSysctls.map(({ key, value }) => [key, valueText(value)])) }),
    ...(ownLinks.length === 0 ? {} : { links: new Map(ownLinks.map((link) => [link.name, linkText(link)])) }),
    ...(ownRoutes.length === 0 ? {} : { routes: ownRoutes.map(routeText) }),
    ...(rules.length === 0 ? {} : { rules: rules.map(ruleText) }),
    ...(neighbours.length === 0 ? {} : { neighbours: neighbours.map(neighbourText) }),
    ...(stations.length === 0 ? {} : { fdb: stations.map(stationText) }),
    ...servicesText(own(config.services)),
    ...netfilterText(own(config.netfilter)),
  };
}

/** `compat`: text that YAML 1.1 takes for something else (12:34:56:01:02:03, on) is quoted. */
export function renderConfig(config: Config): string {
  const { dataplane, namespaces = [] } = config;
  const tree = {
    ...(dataplane === undefined ? {} : { dataplane }),
    ...spaceText(config, undefined),
    ...(namespaces.length === 0
      ? {}
      : { namespaces: new Map(namespaces.map((space) => [space, spaceText(config, space)])) }),
  };
  if (Object.keys(tree).length === 0) return '# nothing is configured\n';
  const document = new Document(tree, { compat: 'yaml-1.1', aliasDuplicateObjects: false });
  style(document);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

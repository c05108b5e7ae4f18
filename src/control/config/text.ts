/*
 * A Config as YAML: what differs from the defaults, and nothing else. Reading it again gives the same Config.
 */
import { Document, isMap, isScalar, isSeq, type Pair, type Scalar, visit } from 'yaml';
import { type Config, type LinkConfig, present, type StationConfig } from './model.js';

/** Whole seconds as such, else milliseconds. */
function timeText(cs: number): string {
  return cs % 100 === 0 ? `${cs / 100}s` : `${cs * 10}ms`;
}

function peerText({ peer }: NonNullable<LinkConfig['tap']>): object | undefined {
  if (peer === undefined) return undefined;
  const { name, netns, address, mtu, addresses, up } = peer;
  return present({ name, netns, address, mtu, addr: addresses, up });
}

/** The link's keys in the order in which a reader wants them. */
function linkText({ kind, address, mtu, up, master, bridge, tap, packet, pcap, port }: LinkConfig): object {
  const ageing = bridge?.ageing_time;
  return present({
    type: kind,
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
    peer: tap === undefined ? undefined : peerText(tap),
    port,
    up,
  });
}

function stationText({ mac, dev, state, sticky }: StationConfig): object {
  return present({ mac, dev, state, sticky });
}

function isShort(pair: Pair): boolean {
  return isScalar(pair.key) && (pair.key.value === 'addr' || pair.key.value === 'storm');
}

/** Masks in hexadecimal; short lists, limits and stations on one line. */
function style(document: Document): void {
  visit(document, {
    Pair: (_, pair) => {
      if (isShort(pair) && (isSeq(pair.value) || isMap(pair.value))) pair.value.flow = true;
      const isMask = isScalar(pair.key) && pair.key.value === 'group_fwd_mask';
      if (isMask && isScalar(pair.value)) (pair.value as Scalar).format = 'HEX';
    },
  });
  const stations = document.get('fdb');
  if (isSeq(stations)) for (const station of stations.items) if (isMap(station)) station.flow = true;
}

/** `compat`: text that YAML 1.1 takes for something else (12:34:56:01:02:03, on) is quoted. */
export function renderConfig({ dataplane, links, fdb }: Config): string {
  const tree = {
    ...(dataplane === undefined ? {} : { dataplane }),
    ...(links.length === 0 ? {} : { links: new Map(links.map((link) => [link.name, linkText(link)])) }),
    ...(fdb.length === 0 ? {} : { fdb: fdb.map(stationText) }),
  };
  if (Object.keys(tree).length === 0) return '# nothing is configured\n';
  const document = new Document(tree, { compat: 'yaml-1.1', aliasDuplicateObjects: false });
  style(document);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

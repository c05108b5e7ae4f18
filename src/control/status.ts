/*
 * `sluice status` and `ethtool -i|-k|-S`: the dataplane's counters by name.
 */
import { readFileSync } from 'node:fs';
import { DROP_NAME, DROP_REASONS, DropReason } from '../core/drop.js';
import { Counter, GONE_LINKS, Total } from '../core/links.js';
import type { EthtoolInfo, StatusInfo } from './api/status.js';
import type { SharedCounters } from './engine-thread.js';
import { isPort, type Link } from './link.js';

function counter(shared: SharedCounters, number: number, c: Counter): number {
  return shared.counters[(number << Counter.SHIFT) + c];
}

/** Reasons with a count, by name. */
function dropsOf(shared: SharedCounters, number: number): Record<string, number> {
  const out: Record<string, number> = {};
  for (const reason of DROP_REASONS) {
    const n = shared.drops[number * DropReason.COUNT + reason];
    if (n !== 0) out[DROP_NAME[reason]] = n;
  }
  return out;
}

/** What counters of links and of the whole dataplane were at one moment, between two bursts. */
export function statusOf(links: Link[], shared: SharedCounters): StatusInfo {
  const total = (t: Total): number => shared.totals[t];
  const status: StatusInfo = {
    received: 0,
    generated: total(Total.GENERATED),
    cloned: total(Total.CLONED),
    transmitted: 0,
    delivered: total(Total.DELIVERED),
    merged: total(Total.MERGED),
    held: total(Total.HELD),
    drops: {},
    links: {},
  };
  for (const link of links) status.links[nameOf(link)] = add(status, link.number, isOutside(link), shared);
  add(status, GONE_LINKS, true, shared);
  return status;
}

/** Links of the host go by their names, those of other namespaces by both. */
function nameOf({ name, namespace }: Link): string {
  return namespace.isHost ? name : `${namespace.name}/${name}`;
}

/** Whether what it received came from outside, and what it sent has left. What links inside pass on stays the same frames. */
function isOutside(link: Link): boolean {
  return isPort(link) || link.kind === 'dummy';
}

/** Adds a link's counters to the sums. */
function add(
  status: StatusInfo,
  number: number,
  isCounted: boolean,
  shared: SharedCounters,
): StatusInfo['links'][string] {
  const received = counter(shared, number, Counter.RX_PACKETS);
  const transmitted = counter(shared, number, Counter.TX_PACKETS);
  const drops = dropsOf(shared, number);
  if (isCounted) {
    status.received += received;
    status.transmitted += transmitted;
  }
  for (const [name, n] of Object.entries(drops)) status.drops[name] = (status.drops[name] ?? 0) + n;
  return { received, transmitted, drops };
}

/** From where it is compiled to. */
function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** Whether superframes pass: inside they all do, a vlan's as its lower link lets them. */
function canOffload(link: Link): boolean {
  if (link.vlan !== undefined) return canOffload(link.vlan.lower);
  return link.kind === 'memory' || !isPort(link) || (link.device?.hasOffload ?? false);
}

export function ethtoolOf(link: Link, shared: SharedCounters): EthtoolInfo {
  const hasOffload = canOffload(link);
  const feature = (name: string, on = hasOffload): { name: string; on: boolean; fixed: boolean } => ({
    name,
    on,
    fixed: true,
  });
  const names: Array<[string, Counter]> = [
    ['rx_packets', Counter.RX_PACKETS],
    ['rx_bytes', Counter.RX_BYTES],
    ['rx_multicast', Counter.RX_MULTICAST],
    ['tx_packets', Counter.TX_PACKETS],
    ['tx_bytes', Counter.TX_BYTES],
    ['tx_segments', Counter.TX_SEGMENTS],
    ['delivered', Counter.DELIVERED],
    ['learn_refused', Counter.LEARN_REFUSED],
    ['station_moves', Counter.STATION_MOVES],
  ];
  const statistics = names.map(([name, c]) => ({ name, value: counter(shared, link.number, c) }));
  for (const reason of DROP_REASONS) {
    const isOut = reason >= DropReason.FIRST_TX;
    const name = isOut ? DROP_NAME[reason].replace(/^tx_/, 'tx_drop_') : `rx_drop_${DROP_NAME[reason]}`;
    statistics.push({ name, value: shared.drops[link.number * DropReason.COUNT + reason] });
  }
  return {
    driver: {
      driver: link.kind === 'tap' ? 'sluice-tap' : `sluice-${link.kind}`,
      version: version(),
      'bus-info': link.device?.dev ?? '',
    },
    features: [
      feature('rx-checksumming'),
      feature('tx-checksumming'),
      feature('scatter-gather', true),
      feature('tcp-segmentation-offload'),
      feature('tx-udp-segmentation'),
      feature('generic-segmentation-offload', true),
      feature('generic-receive-offload', false),
      feature('large-receive-offload', false),
      feature('rx-vlan-offload', false),
      feature('tx-vlan-offload', false),
    ],
    statistics,
  };
}

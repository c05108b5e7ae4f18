/*
 * `sluice status` and `ethtool -i|-k|-S`: the dataplane's counters by name.
 */
import { readFileSync } from 'node:fs';
import { DROP_NAME, DROP_REASONS, DropReason } from '../core/drop.js';
import { Counter, Total } from '../core/links.js';
import type { EthtoolInfo, StatusInfo } from './api.js';
import type { SharedCounters } from './engine-thread.js';
import type { Link } from './link.js';

function counter(shared: SharedCounters, link: Link, c: Counter): number {
  return shared.counters[(link.number << Counter.SHIFT) + c];
}

/** Reasons with a count, by name. */
function dropsOf(shared: SharedCounters, link: Link): Record<string, number> {
  const out: Record<string, number> = {};
  for (const reason of DROP_REASONS) {
    const n = shared.drops[link.number * DropReason.COUNT + reason];
    if (n !== 0) out[DROP_NAME[reason]] = n;
  }
  return out;
}

/** `gone`: what links that were deleted had counted, so that the sums stay true. */
export function statusOf(links: Link[], shared: SharedCounters, gone: StatusInfo): StatusInfo {
  const total = (t: Total): number => shared.totals[t];
  const status: StatusInfo = {
    received: gone.received,
    generated: total(Total.GENERATED),
    cloned: total(Total.CLONED),
    transmitted: gone.transmitted,
    delivered: total(Total.DELIVERED),
    merged: total(Total.MERGED),
    held: total(Total.HELD),
    drops: { ...gone.drops },
    links: {},
  };
  for (const link of links) addLink(status, link, shared);
  return status;
}

/** Adds a link's counters to the sums. */
export function addLink(status: StatusInfo, link: Link, shared: SharedCounters): void {
  const received = counter(shared, link, Counter.RX_PACKETS);
  const transmitted = counter(shared, link, Counter.TX_PACKETS);
  const drops = dropsOf(shared, link);
  status.received += received;
  status.transmitted += transmitted;
  for (const [name, n] of Object.entries(drops)) status.drops[name] = (status.drops[name] ?? 0) + n;
  status.links[link.name] = { received, transmitted, drops };
}

export function emptyStatus(): StatusInfo {
  return { received: 0, generated: 0, cloned: 0, transmitted: 0, delivered: 0, merged: 0, held: 0, drops: {}, links: {} };
}

const VERSION = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')).version as string;

export function ethtoolOf(link: Link, shared: SharedCounters): EthtoolInfo {
  const hasOffload = link.kind === 'bridge' || link.kind === 'memory' || (link.device?.hasOffload ?? false);
  const feature = (name: string, on = hasOffload): { name: string; on: boolean; fixed: boolean } => ({ name, on, fixed: true });
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
  const statistics = names.map(([name, c]) => ({ name, value: counter(shared, link, c) }));
  for (const reason of DROP_REASONS) {
    const isOut = reason >= DropReason.FIRST_TX;
    const name = isOut ? DROP_NAME[reason].replace(/^tx_/, 'tx_drop_') : `rx_drop_${DROP_NAME[reason]}`;
    statistics.push({ name, value: shared.drops[link.number * DropReason.COUNT + reason] });
  }
  return {
    driver: { driver: link.kind === 'tap' ? 'sluice-tap' : `sluice-${link.kind}`, version: VERSION, 'bus-info': link.device?.dev ?? '' },
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

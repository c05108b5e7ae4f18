/* What changes, as ip-monitor tells it. */
import type { AddressInfo } from './address.js';
import type { LinkInfo } from './link.js';
import type { NeighbourInfo } from './neighbour.js';
import type { NetnsInfo } from './netns.js';
import type { RouteInfo } from './route.js';
import type { RuleInfo } from './rule.js';

/** One result of `monitor`: what changed, `deleted` or as it is now. */
export type MonitorEvent = {
  ts_us: number;
  deleted: boolean;
} & (
  | { object: 'link'; link: LinkInfo }
  | { object: 'address'; index: number; dev: string; address: AddressInfo }
  | { object: 'route'; route: RouteInfo }
  | { object: 'rule'; rule: RuleInfo }
  | { object: 'neigh'; neighbour: NeighbourInfo }
  | { object: 'netns'; netns: NetnsInfo }
);

/* Counters and features: `sluice status`, `doctor` and ethtool. */

export interface StatusInfo {
  received: number;
  generated: number;
  cloned: number;
  transmitted: number;
  delivered: number;
  merged: number;
  held: number;
  drops: Record<string, number>;
  links: Record<string, { received: number; transmitted: number; drops: Record<string, number> }>;
  /** Whole sentences for `doctor`: packet ports whose device has an address or IPv6 enabled. */
  warnings?: string[];
}

/** `ethtool -i`, `-k` and `-S` of a link. */
export interface EthtoolInfo {
  driver: { driver: string; version: string; 'bus-info': string };
  /** Feature name → on, fixed; in ethtool's order. */
  features: Array<{ name: string; on: boolean; fixed: boolean }>;
  /** Counter name → value; drops as `rx_drop_<reason>` and `tx_drop_<reason>`. */
  statistics: Array<{ name: string; value: number }>;
}

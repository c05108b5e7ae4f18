/* Router advertisements on links. */

/** A prefix that is advertised; absent options as in radvd: on-link, autonomous, one day and four hours. */
export interface AdvertisedPrefix {
  prefix: string;
  /** s; 4294967295: for ever. */
  valid?: number;
  preferred?: number;
  on_link?: boolean;
  autonomous?: boolean;
}

/** Router advertisements on a link. Without prefixes: those of its own global addresses. */
export interface AdvertiserOptions {
  prefixes?: AdvertisedPrefix[];
  /** s. */
  min_interval?: number;
  max_interval?: number;
  /** s as a default router; 0: none. */
  lifetime?: number;
  preference?: 'low' | 'medium' | 'high';
  hop_limit?: number;
  managed?: boolean;
  other?: boolean;
  mtu?: number;
  reachable_ms?: number;
  retrans_ms?: number;
  dns?: string[];
  search?: string[];
}

export interface AdvertiserInfo extends AdvertiserOptions {
  dev: string;
  /** Why nothing is sent now, if so. */
  problem?: string;
  sent: number;
  solicited: number;
}

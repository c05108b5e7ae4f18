/* What all cases have: routes beside those of the interfaces, seeds, a client and a server. */
import { chance4, chance6, type Ends } from '../../support/netfilter-cases.js';
import { many, type Sent } from '../../support/two-routers.js';

export const SEED = 20_261_122;

export const ROUTES = [
  'route add 172.16.0.0/16 via 10.0.1.9',
  'route add 172.16.5.0/24 via 10.0.2.9',
  'route add 172.17.0.0/16 via 10.0.0.9',
  'route add 198.51.100.0/24 via 10.0.3.9',
  'route add 2001:db8:100::/48 via 2001:db8:1::9',
  'route add 2001:db8:100:5::/64 via 2001:db8:2::9',
  'route add 2001:db8:101::/48 via fe80::9 dev p3',
];

/** A client at port 0, by number. */
export const client = (n: number, destination: string, port = 0): Ends => ({
  port,
  source: `10.0.${port}.${100 + n}`,
  destination,
});

export const client6 = (destination: string, port = 0): Ends => ({
  port,
  source: `2001:db8:${port}::9`,
  destination,
});

export const traffic4 = (count: number, n: number): Sent[] => many(count, SEED + n, chance4);
export const traffic6 = (count: number, n: number): Sent[] => many(count, SEED + n, chance6);

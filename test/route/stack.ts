/*
 * The router that tests of this folder send packets to, the same as that of kernel-answers.py: e0 to a host A, e1 with an MTU of
 * 1,280 to a host B, both known neighbours under several addresses.
 */
import { Net4, Net6 } from '../../src/route/conf.js';
import { RouteType } from '../../src/route/fib.js';
import { Neighbour, Nud } from '../../src/tables/neighbours.js';
import { type NetworkOptions, numbersOf } from '../support/network.js';
import { type Ip4Options, type Ip6Options, icmp, ip4, ip6, pattern, udp } from '../support/packets.js';
import { Router, wordsOf } from '../support/router.js';

export const [R0, R1, H0, H1] = ['02:00:00:00:0b:00', '02:00:00:00:0b:01', '02:00:00:00:10:09', '02:00:00:00:11:09'];

export function permanent(router: Router, link: string, address: string, mac: string): void {
  const { neighbours } = router.dataplane.inet;
  const number = router.link(link);
  const [a, b, c, d] = wordsOf(address);
  const isIpv4 = b === undefined;
  const slot = isIpv4 ? neighbours.insert4(0, number, a, true) : neighbours.insert6(0, number, a, b, c, d, true);
  const { high, low } = numbersOf(mac);
  const row = slot << Neighbour.SHIFT;
  neighbours.rows[row + Neighbour.MAC_HIGH] = high;
  neighbours.rows[row + Neighbour.MAC_LOW] = low;
  neighbours.rows[row + Neighbour.STATE] = Nud.PERMANENT;
}

/** With Linux's rate limits. */
export function router(options: NetworkOptions = {}): Router {
  const made = new Router(options).interface('e0', R0).interface('e1', R1, 1280);
  for (const [i, link, host] of [
    [0, 'e0', H0],
    [1, 'e1', H1],
  ] as const) {
    made.address(link, `10.0.${i}.1/24`).address(link, `2001:db8:${i}::1/64`).address(link, `fe80::b:${i}/64`);
    made.route(`10.0.${i}.255`, { type: RouteType.BROADCAST, dev: link, src: `10.0.${i}.1` });
    for (const last of [9, 10, 11, 12, 77]) {
      permanent(made, link, `10.0.${i}.${last}`, host);
      permanent(made, link, `2001:db8:${i}::${last.toString(16)}`, host);
    }
    permanent(made, link, `fe80::${i + 1}:9`, host);
    const groups = ['ff02::1', 'ff02::2', 'ff02::1:ff00:1', `ff02::1:ff0b:${i}`].flatMap(wordsOf);
    made.dataplane.inet.addresses.groups6[made.link(link)] = Int32Array.from(groups);
  }
  for (const [type, net] of [
    [RouteType.UNREACHABLE, 16],
    [RouteType.PROHIBIT, 17],
    [RouteType.BLACKHOLE, 18],
  ] as const) {
    made.route(`172.${net}.0.0/16`, { type }).route(`2001:db8:${net}::/48`, { type });
  }
  const { conf } = made.dataplane.inet;
  conf.set('net6', 0, Net6.ICMP_RATELIMIT_MS, 100);
  for (let word = 0; word < 4; word++) conf.set('net6', 0, Net6.ICMP_RATEMASK + word, word === 0 ? ~4 : -1);
  conf.set('net6', 0, Net6.AUTO_FLOWLABELS, 1);
  conf.set('net6', 0, Net6.ROUTE_MTU_EXPIRES_MS, 600_000);
  return made;
}

/** As router, with no rate limits but those of routes. */
export function talkative(options: NetworkOptions = {}): Router {
  const made = router(options);
  const { conf } = made.dataplane.inet;
  conf.set('net4', 0, Net4.ICMP_RATELIMIT_MS, 0);
  conf.set('net4', 0, Net4.ICMP_RATEMASK, 0);
  for (let word = 0; word < 8; word++) conf.set('net6', 0, Net6.ICMP_RATEMASK + word, 0);
  return made;
}

/** An IPv4 packet of host A to the router. */
export function from4(options: Partial<Ip4Options> = {}): Uint8Array {
  return ip4({ to: R0, from: H0, source: '10.0.0.9', destination: '10.0.0.1', protocol: 17, ...options });
}

export function from6(options: Partial<Ip6Options> = {}): Uint8Array {
  return ip6({ to: R0, from: H0, source: '2001:db8::9', destination: '2001:db8::1', nextHeader: 17, ...options });
}

/** A UDP datagram to a port where nobody listens. */
export function closed4(source = '10.0.0.9', destination = '10.0.0.1'): Uint8Array {
  return from4({ source, destination, payload: udp(source, destination, 1000, 7, pattern(20)) });
}

export function closed6(source = '2001:db8::9', destination = '2001:db8::1'): Uint8Array {
  return from6({ source, destination, payload: udp(source, destination, 1000, 7, pattern(20)) });
}

export function echo4(length: number, options: Partial<Ip4Options> = {}): Uint8Array {
  return from4({ protocol: 1, payload: icmp(8, 0, 0x00550003, pattern(length)), ...options });
}

/** "11/0" of an ICMP or ICMPv6 message. */
export function typeOf(frame: Uint8Array): string {
  const at = frame[12] === 0x86 ? 54 : 34;
  return `${frame[at]}/${frame[at + 1]}`;
}

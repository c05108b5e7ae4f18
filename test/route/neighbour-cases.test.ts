/* What neighbours say, and what the router says and learns: in memory. test/e2e/neighbour-kernel.test.ts asks the kernel the same. */
import { describe, expect, it } from 'vitest';
import { Conf4, Conf6 } from '../../src/route/conf.js';
import { RouteType } from '../../src/route/fib.js';
import { Lan } from '../support/lan.js';
import { ARP_CASES, type Case, ND_CASES, type Step } from '../support/neighbour-cases.js';

type Setting = (lan: Lan, value: number) => void;

const four =
  (key: Conf4, unit = 1): Setting =>
  (lan, value) =>
    lan.set4(key, value * unit);
const six =
  (key: Conf6, unit = 1): Setting =>
  (lan, value) =>
    lan.set6(key, value * unit);

const SETTINGS: Record<string, Setting> = {
  'conf/arp_ignore': four(Conf4.ARP_IGNORE),
  'conf/arp_filter': four(Conf4.ARP_FILTER),
  'conf/arp_accept': four(Conf4.ARP_ACCEPT),
  'conf/drop_gratuitous_arp': four(Conf4.DROP_GRATUITOUS_ARP),
  'conf/route_localnet': four(Conf4.ROUTE_LOCALNET),
  'conf/rp_filter': four(Conf4.RP_FILTER),
  'conf/proxy_arp': four(Conf4.PROXY_ARP),
  'conf/proxy_arp_pvlan': four(Conf4.PROXY_ARP_PVLAN),
  'conf/medium_id': four(Conf4.MEDIUM_ID),
  'neigh/proxy_delay': four(Conf4.NEIGH_PROXY_DELAY_MS),
  'neigh/delay_first_probe_time': four(Conf4.NEIGH_DELAY_PROBE_MS, 1000),
  'neigh/retrans_time_ms': four(Conf4.NEIGH_RETRANS_MS),
  'neigh/mcast_solicit': four(Conf4.NEIGH_MCAST_SOLICIT),
  'neigh/app_solicit': four(Conf4.NEIGH_APP_SOLICIT),
  'conf6/forwarding': six(Conf6.FORWARDING),
  'conf6/drop_unsolicited_na': six(Conf6.DROP_UNSOLICITED_NA),
  'conf6/proxy_ndp': six(Conf6.PROXY_NDP),
  'neigh6/proxy_delay': six(Conf6.NEIGH_PROXY_DELAY_MS),
  'neigh6/delay_first_probe_time': six(Conf6.NEIGH_DELAY_PROBE_MS, 1000),
  'neigh6/retrans_time_ms': six(Conf6.NEIGH_RETRANS_MS),
  'neigh6/mcast_solicit': six(Conf6.NEIGH_MCAST_SOLICIT),
};

function take(lan: Lan, step: Step): void {
  if ('frame' in step) lan.send(step.link, step.frame);
  else if ('wait' in step) lan.wait(step.wait);
  else if ('route' in step) lan.route(step.route, { via: step.via, dev: 'e0' });
  else if ('proxy' in step) lan.proxy(step.proxy);
  else if ('neighbour' in step) lan.known('e0', step.neighbour, step.mac);
  else for (const [key, value] of Object.entries(step.set)) SETTINGS[key](lan, value);
}

function router(): Lan {
  const lan = new Lan();
  lan.set6(Conf6.ACCEPT_REDIRECTS, 1);
  lan.set4(Conf4.NEIGH_PROXY_DELAY_MS, 800).set6(Conf6.NEIGH_PROXY_DELAY_MS, 800);
  lan.set4(Conf4.NEIGH_PROXY_QUEUE, 64).set6(Conf6.NEIGH_PROXY_QUEUE, 64);
  lan.route('127.0.0.1', { type: RouteType.LOCAL, dev: 'lo' });
  lan.route('10.0.0.255', { type: RouteType.BROADCAST, dev: 'e0' });
  lan.route('fd00::', { type: RouteType.ANYCAST, dev: 'e0' });
  lan.join6('e0', 'fd00::', 'fd00::77');
  lan.group6('e0', 'ff02::2');
  return lan;
}

function check(cases: Case[]): void {
  it.each(cases.map((one) => [one.title, one] as const))('%s', (_, { steps, out, known = {} }) => {
    const lan = router();
    for (const step of steps) take(lan, step);
    expect(lan.out()).toEqual(out);
    for (const [address, state] of Object.entries(known))
      expect(`${address} ${lan.neighbour(address)}`).toBe(`${address} ${state}`);
    lan.remove('e0').expectConserved();
  });
}

describe('ARP', () => check(ARP_CASES));

describe('neighbour discovery', () => check(ND_CASES));

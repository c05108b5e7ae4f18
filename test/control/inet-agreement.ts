/*
 * Whether the FIB that was written leads where the tables say: the control plane's look-up, which walks them as the kernel
 * does, against the datapath's.
 */
import { expect } from 'vitest';
import { usesGateway } from '../../src/control/inet/info.js';
import { bytesOfKey, formatKey, parseKey } from '../../src/control/inet/keys.js';
import { isFound, type Outcome } from '../../src/control/inet/lookup.js';
import type { RuleFlow } from '../../src/control/inet/rules.js';
import { NextHop, Route, RouteType } from '../../src/route/fib.js';
import type { World } from './inet-world.js';

export interface Probe {
  destination: string;
  source?: string;
  mark?: number;
  iif?: string;
}

const ERRNOS: Record<number, string> = {
  [RouteType.BLACKHOLE]: 'EINVAL',
  [RouteType.UNREACHABLE]: 'EHOSTUNREACH',
  [RouteType.PROHIBIT]: 'EACCES',
};
/** NoRoute. */
const RULE_ERRNOS: Record<number, string> = { [-6]: 'EINVAL', [-7]: 'ENETUNREACH', [-8]: 'EACCES' };

/** What the FIB answers, in words. */
function fibAnswer(world: World, { destination, source, mark = 0, iif = 'lo' }: Probe): string {
  const { fib, namespace } = world;
  const family = destination.includes(':') ? 6 : 4;
  const to = parseKey(destination, family) as Int32Array;
  const from = source === undefined ? new Int32Array(to.length) : (parseKey(source, family) as Int32Array);
  Object.assign(fib.flow, { iif: world.link(iif).number, oif: 0, mark, tos: 0, protocol: 0, sport: 0, dport: 0 });
  if (family === 4) return answerOf(world, fib.lookup4(namespace.number, to[0], from[0]), 1);
  const bytes = Buffer.concat([bytesOfKey(to), bytesOfKey(from)]);
  return answerOf(world, fib.lookup6(namespace.number, bytes, 0, 16), 4);
}

function answerOf({ fib }: World, route: number, words: number): string {
  if (route < 0) return RULE_ERRNOS[route] ?? `route ${route}`;
  const row = fib.routes.subarray(route << Route.SHIFT, (route + 1) << Route.SHIFT);
  const type = row[Route.TYPE];
  if (route === 0 || type === RouteType.THROW) return 'none';
  if (ERRNOS[type] !== undefined) return ERRNOS[type];
  const first = row[Route.NEXTHOP];
  const hops: string[] = [];
  for (let i = first; i < first + row[Route.COUNT]; i++) hops.push(hopText(fib.nexthops, i << NextHop.SHIFT));
  const prefsrc = formatKey(row.slice(Route.PREFSRC, Route.PREFSRC + words));
  return `${type} scope ${row[Route.SCOPE]} /${row[Route.LENGTH]} table ${row[Route.TABLE]} src ${prefsrc} mtu ${row[Route.MTU]} ${hops.join(' ')}`;
}

function hopText(rows: Int32Array, at: number): string {
  const family = rows[at + NextHop.FAMILY];
  const words = family === 0 ? 0 : family === 4 ? 1 : 4;
  const gateway = rows.slice(at + NextHop.GATEWAY, at + NextHop.GATEWAY + words);
  const isAlive = rows[at + NextHop.UPPER_BOUND] >= 0;
  return `[${family === 0 ? '-' : formatKey(gateway)} by ${rows[at + NextHop.LINK]} × ${rows[at + NextHop.WEIGHT]}${isAlive ? '' : ' dead'}]`;
}

/** What the tables answer, in the same words. */
function tableAnswer(world: World, probe: Probe): string {
  const { destination, source, mark = 0, iif = 'lo' } = probe;
  const family = destination.includes(':') ? 6 : 4;
  const stack = world.control.stack(world.namespace);
  const to = parseKey(destination, family) as Int32Array;
  const from = source === undefined ? new Int32Array(to.length) : (parseKey(source, family) as Int32Array);
  const flow: RuleFlow = { iif, oif: '', mark, tos: 0, protocol: 0, sport: 0, dport: 0, source: from, destination: to };
  const wanted = { address: to, scope: 0, oif: undefined, ignoresCarrier: false };
  const routes = family === 4 ? stack.routes4 : stack.routes6;
  return outcomeText(routes.lookup(wanted, flow), (hop) => routes.isAlive(hop));
}

type Hops = Extract<Outcome, object>['info']['hops'];

function outcomeText(outcome: Outcome, isAlive: (hop: Hops[number]) => boolean): string {
  if (!isFound(outcome)) return outcome ?? 'none';
  const { info, length, table } = outcome;
  if (info.isReject) return 'EHOSTUNREACH';
  const hops = info.hops.map((hop) => {
    const gateway = usesGateway(hop) ? formatKey(hop.gateway) : '-';
    return `[${gateway} by ${hop.link.number} × ${hop.weight}${isAlive(hop) ? '' : ' dead'}]`;
  });
  return `${info.type} scope ${info.scope} /${length} table ${table.id} src ${formatKey(info.prefsrc)} mtu ${info.mtu} ${hops.join(' ')}`;
}

export function expectAgreement(world: World, probes: readonly Probe[], history = ''): void {
  for (const probe of probes)
    expect(fibAnswer(world, probe), `${JSON.stringify(probe)}\n${history}`).toBe(tableAnswer(world, probe));
}

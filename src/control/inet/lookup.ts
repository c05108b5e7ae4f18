/*
 * The longest-prefix match on the RIB, with what the datapath does not need to know: only next hops by a link, only routes
 * that lead no further than a scope (the check of a new route's gateway), which alias and table it was. Slow beside the
 * FIB, exact, and independent of it: a test holds the two against each other.
 */
import { NextHopFlag } from '../../route/fib.js';
import type { InetLink } from './host.js';
import { errorOf, type Info } from './info.js';
import { maskKey, TableId } from './keys.js';
import type { Rib, Table } from './rib.js';
import type { RuleFlow, Rules } from './rules.js';

export interface Wanted {
  address: Int32Array;
  /** Routes of a lower scope are passed over. */
  scope: number;
  /** Next hops by another link are passed over. */
  oif: InetLink | undefined;
  /** Next hops without a carrier count, whatever the link's setting. */
  ignoresCarrier: boolean;
}

export interface Found {
  info: Info;
  /** The first next hop that will do; −1 of a route without any. */
  hop: number;
  length: number;
  table: Table;
}

/** A route, or the errno of one that rejects; undefined: nothing matches, or a `throw`. */
export type Outcome = Found | string | undefined;

/** Which next hops of links without carrier are ignored. */
export type IgnoresLinkDown = (link: InetLink) => boolean;

export function isFound(outcome: Outcome): outcome is Found {
  return typeof outcome === 'object';
}

/** Looks in several tables as if they were one: of the same prefix, the first table's routes come first. */
export function lookupIn(rib: Rib, tables: readonly Table[], wanted: Wanted, ignores: IgnoresLinkDown): Outcome {
  for (let length = rib.words * 32; length >= 0; length--) {
    for (const table of tables) {
      if (table.prefixes.counts[length] === 0) continue;
      $key.set(wanted.address);
      maskKey($key, rib.words, length);
      for (let alias = table.prefixes.find($key, length); alias !== 0; alias = table.prefixes.next(alias)) {
        const outcome = take(rib.infoOf(table, alias), wanted, ignores);
        if (outcome === -1) continue;
        if (typeof outcome === 'string') return outcome === 'EAGAIN' ? undefined : outcome;
        return { info: rib.infoOf(table, alias), hop: outcome - 1, length, table };
      }
    }
  }
  return undefined;
}

/** An errno; −1: not this one; else the next hop's index plus 1, 0 where the route has none. */
function take(info: Info, { scope, oif, ignoresCarrier }: Wanted, ignores: IgnoresLinkDown): string | number {
  if (info.scope < scope) return -1;
  const error = errorOf(info.type);
  // In IPv6 a route that rejects leads to lo.
  if (error !== undefined) return oif !== undefined && info.hops.length > 0 && info.hops[0].link !== oif ? -1 : error;
  if ((info.flags & NextHopFlag.DEAD) !== 0) return -1;
  const hop = info.hops.findIndex(({ link, flags }) => {
    if ((flags & NextHopFlag.DEAD) !== 0) return false;
    if ((flags & NextHopFlag.LINKDOWN) !== 0 && !ignoresCarrier && ignores(link)) return false;
    return oif === undefined || link === oif;
  });
  return hop < 0 ? -1 : hop + 1;
}

/** The whole look-up of a namespace: rules, or without own ones local, main and default. */
export function lookup(rib: Rib, rules: Rules, wanted: Wanted, flow: RuleFlow, ignores: IgnoresLinkDown): Outcome {
  if (!rules.isCustom) return lookupDefault(rib, wanted, ignores);
  return rules.walk<Found | string>(flow, (id, suppressLength) => {
    const table = rib.find(id);
    const outcome = table === undefined ? undefined : lookupIn(rib, [table], wanted, ignores);
    return isFound(outcome) && outcome.length <= suppressLength ? undefined : outcome;
  });
}

function lookupDefault(rib: Rib, wanted: Wanted, ignores: IgnoresLinkDown): Outcome {
  const [local, main, last] = [TableId.LOCAL, TableId.MAIN, TableId.DEFAULT].map((id) => rib.find(id));
  const tables = [local, main].filter((table) => table !== undefined);
  if (rib.family === 4) {
    const outcome = lookupIn(rib, tables, wanted, ignores);
    // The kernel goes on to `default` behind a route of main that rejects, too, but only as long as nobody added a rule.
    return outcome !== undefined || last === undefined ? outcome : lookupIn(rib, [last], wanted, ignores);
  }
  for (const table of tables) {
    const outcome = lookupIn(rib, [table], wanted, ignores);
    if (outcome !== undefined) return outcome;
  }
  return undefined;
}

const $key = new Int32Array(4);

/*
 * Writes the datapath's FIB (route/fib.ts): gives numbers to its rows and tables, and collects FibOps.
 *
 * A route's row is shared by all prefixes of one length that lead to one Info; its next hops are shared by all rows of the
 * Info. Rows are counted by the prefixes that are written with them, and a number is given again once nothing is: the ops are
 * carried out in order, so a prefix never leads to a row that has become another's.
 *
 * Ops go out in messages of at most MAX_OPS, as the engine carries out a message between two bursts.
 */
import {
  FibOp,
  MAX_NEXTHOPS,
  MAX_ROUTES,
  MAX_TABLES,
  NextHop,
  NextHopFlag,
  Route,
  RouteType,
} from '../../route/fib.js';
import { type Hop, type Info, usesGateway } from './info.js';
import { refuse } from './refused.js';

/** What the engine does at once: about 1 ms. */
export const MAX_OPS = 2048;
/** Lengths of both families: a row's key is its Info's number times this, plus the length. */
const LENGTHS = 256;

function full(what: string): never {
  return refuse('ENOSPC', `the datapath has no room for more ${what}`, 'delete some routes');
}

/** A row's owner: whose next hops it leads to. Infos of different namespaces have the same numbers. */
interface Row {
  info: Info;
  length: number;
  prefixes: number;
}

/** Next hops of an Info as the FIB has them: shares of the 31-bit hash (fib_rebalance). */
export function upperBounds(hops: readonly Hop[], isAlive: (hop: Hop) => boolean): number[] {
  if (hops.length < 2) return hops.map((hop) => (isAlive(hop) ? 0x7fffffff : -1));
  const total = hops.reduce((sum, hop) => sum + (isAlive(hop) ? hop.weight : 0), 0);
  let weight = 0;
  return hops.map((hop) => {
    if (!isAlive(hop)) return -1;
    weight += hop.weight;
    return Math.floor((weight * 2 ** 31 + Math.floor(total / 2)) / total) - 1;
  });
}

export class FibWriter {
  private ops = new Int32Array(1024);
  private used = 0;
  /** Where each message ends. */
  private ends: number[] = [];
  private opsOfMessage = 0;

  private readonly rows: Array<Row | undefined> = [undefined];
  private readonly freeRows: number[] = [];
  private readonly rowsOf = new Map<Info, Map<number, number> | number>();
  private nextNexthop = 0;
  /** By length of the run. */
  private readonly freeNexthops = new Map<number, number[]>();
  private readonly freeTables: number[] = [];
  private nextTable = 0;

  /** Whether a look-up may take a next hop that lost its carrier is its link's setting. */
  constructor(private readonly isAlive: (info: Info, hop: Hop) => boolean) {}

  /** Rows that prefixes lead to, for measurements. */
  get routes(): number {
    return this.rows.length - 1 - this.freeRows.length;
  }

  /** The messages of what was written since the last call, in order. */
  take(): Int32Array[] {
    if (this.used === 0) return [];
    this.ends.push(this.used);
    let start = 0;
    const messages = this.ends.map((end) => {
      const message = this.ops.slice(start, end);
      start = end;
      return message;
    });
    this.used = 0;
    this.ends = [];
    this.opsOfMessage = 0;
    return messages;
  }

  /** Room for an op of so many words; answers where it starts. */
  private reserve(words: number): number {
    if (this.opsOfMessage === MAX_OPS) {
      this.ends.push(this.used);
      this.opsOfMessage = 0;
    }
    this.opsOfMessage++;
    const at = this.used;
    this.used += words;
    if (this.used > this.ops.length) {
      const ops = new Int32Array(this.ops.length * 2);
      ops.set(this.ops);
      this.ops = ops;
    }
    return at;
  }

  // --- tables -------------------------------------------------------------------------------------

  addTable(family: number): number {
    const slot = this.freeTables.pop() ?? this.nextTable++;
    if (slot >= MAX_TABLES) {
      this.nextTable--;
      full('tables');
    }
    const at = this.reserve(3);
    this.ops[at] = FibOp.ADD_TABLE;
    this.ops[at + 1] = slot;
    this.ops[at + 2] = family;
    return slot;
  }

  /** All at once, whatever prefixes it still has; their rows are to be released by the caller. */
  removeTable(slot: number): void {
    const at = this.reserve(2);
    this.ops[at] = FibOp.REMOVE_TABLE;
    this.ops[at + 1] = slot;
    this.freeTables.push(slot);
  }

  /** −1: the namespace's rules are walked. */
  setMerged(namespace: number, family: number, slot: number): void {
    const at = this.reserve(4);
    this.ops[at] = FibOp.MERGED;
    this.ops[at + 1] = namespace;
    this.ops[at + 2] = family;
    this.ops[at + 3] = slot;
  }

  // --- prefixes -----------------------------------------------------------------------------------

  insert(slot: number, key: Int32Array, words: number, length: number, row: number): void {
    const at = this.reserve(4 + words);
    const { ops } = this;
    ops[at] = words === 1 ? FibOp.INSERT4 : FibOp.INSERT6;
    ops[at + 1] = slot;
    for (let i = 0; i < words; i++) ops[at + 2 + i] = key[i];
    ops[at + 2 + words] = length;
    ops[at + 3 + words] = row;
  }

  /** `cover`: the row of the next shorter prefix of the slot that covers it, or 0; `coverLength`: that one's length. */
  remove(slot: number, key: Int32Array, words: number, length: number, cover: number, coverLength: number): void {
    const at = this.reserve(5 + words);
    const { ops } = this;
    ops[at] = words === 1 ? FibOp.REMOVE4 : FibOp.REMOVE6;
    ops[at + 1] = slot;
    for (let i = 0; i < words; i++) ops[at + 2 + i] = key[i];
    ops[at + 2 + words] = length;
    ops[at + 3 + words] = cover;
    ops[at + 4 + words] = coverLength;
  }

  // --- rows ---------------------------------------------------------------------------------------

  infoOfRow(row: number): Info {
    return (this.rows[row] as Row).info;
  }

  /** The row for one more prefix of a length that leads to an Info. */
  acquire(info: Info, length: number): number {
    const known = this.findRow(info, length);
    if (known !== 0) {
      (this.rows[known] as Row).prefixes++;
      return known;
    }
    const row = this.freeRows.pop() ?? this.rows.length;
    if (row >= MAX_ROUTES) full('routes that differ');
    if (info.nexthop < 0) this.addNexthops(info);
    this.rows[row] = { info, length, prefixes: 1 };
    this.noteRow(info, length, row);
    info.rows++;
    this.writeRoute(row, info, length);
    return row;
  }

  release(row: number): void {
    const { info, length, prefixes } = this.rows[row] as Row;
    if (prefixes > 1) {
      (this.rows[row] as Row).prefixes--;
      return;
    }
    this.rows[row] = undefined;
    this.freeRows.push(row);
    this.forgetRow(info, length);
    if (--info.rows > 0 || info.nexthop < 0) return;
    const free = this.freeNexthops.get(info.hops.length);
    if (free === undefined) this.freeNexthops.set(info.hops.length, [info.nexthop]);
    else free.push(info.nexthop);
    info.nexthop = -1;
  }

  /** Most Infos have one row, so a map is only made for the second. */
  private findRow(info: Info, length: number): number {
    const rows = this.rowsOf.get(info);
    if (rows === undefined) return 0;
    if (typeof rows !== 'number') return rows.get(length) ?? 0;
    return rows % LENGTHS === length ? Math.floor(rows / LENGTHS) : 0;
  }

  private noteRow(info: Info, length: number, row: number): void {
    const rows = this.rowsOf.get(info);
    if (rows === undefined) this.rowsOf.set(info, row * LENGTHS + length);
    else if (typeof rows !== 'number') rows.set(length, row);
    else
      this.rowsOf.set(
        info,
        new Map([
          [rows % LENGTHS, Math.floor(rows / LENGTHS)],
          [length, row],
        ]),
      );
  }

  private forgetRow(info: Info, length: number): void {
    const rows = this.rowsOf.get(info);
    if (typeof rows === 'object' && rows.size > 1) rows.delete(length);
    else this.rowsOf.delete(info);
  }

  private addNexthops(info: Info): void {
    const count = info.hops.length;
    if (count === 0) return;
    const free = this.freeNexthops.get(count)?.pop();
    if (free === undefined && this.nextNexthop + count > MAX_NEXTHOPS) full('next hops that differ');
    info.nexthop = free ?? this.nextNexthop;
    if (free === undefined) this.nextNexthop += count;
    this.writeNexthops(info);
  }

  /** Writes the state of an Info's next hops again, if they are in the FIB. */
  rewrite(info: Info): void {
    if (info.nexthop >= 0) this.writeNexthops(info);
  }

  private writeNexthops(info: Info): void {
    const bounds = upperBounds(info.hops, (hop) => this.isAlive(info, hop));
    for (const [i, hop] of info.hops.entries()) this.writeNexthop(info.nexthop + i, hop, bounds[i]);
  }

  private writeNexthop(number: number, hop: Hop, upperBound: number): void {
    const at = this.reserve(2 + NextHop.WORDS);
    this.ops[at] = FibOp.SET_NEXTHOP;
    this.ops[at + 1] = number;
    const row = this.ops.fill(0, at + 2, at + 2 + NextHop.WORDS).subarray(at + 2, at + 2 + NextHop.WORDS);
    row[NextHop.LINK] = hop.link.number;
    if (usesGateway(hop)) {
      row[NextHop.FAMILY] = hop.family;
      row.set(hop.gateway, NextHop.GATEWAY);
    }
    row[NextHop.WEIGHT] = hop.weight;
    row[NextHop.UPPER_BOUND] = upperBound;
    row[NextHop.FLAGS] = hop.flags & (NextHopFlag.DEAD | NextHopFlag.ONLINK | NextHopFlag.LINKDOWN);
  }

  private writeRoute(number: number, info: Info, length: number): void {
    const at = this.reserve(2 + Route.WORDS);
    this.ops[at] = FibOp.SET_ROUTE;
    this.ops[at + 1] = number;
    const row = this.ops.fill(0, at + 2, at + 2 + Route.WORDS).subarray(at + 2, at + 2 + Route.WORDS);
    row[Route.TYPE] = info.isReject && info.type === RouteType.UNICAST ? RouteType.UNREACHABLE : info.type;
    row[Route.SCOPE] = info.scope;
    row[Route.LENGTH] = length;
    row[Route.TABLE] = info.table;
    row[Route.MTU] = info.mtu;
    row[Route.HOPLIMIT] = info.hoplimit & 0xff;
    row[Route.NEXTHOP] = Math.max(info.nexthop, 0);
    row[Route.COUNT] = info.hops.length;
    row.set(info.prefsrc, Route.PREFSRC);
  }
}

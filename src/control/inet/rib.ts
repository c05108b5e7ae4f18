/*
 * The routes of a namespace in one family, as commands name them, and what of them the datapath is given.
 *
 *   tables ─ prefix ─ aliases in order of metric ─► Info          everything that was said
 *      │
 *      └─ settle ─► one row for each prefix ─► FibWriter          what a packet meets
 *
 * Of a prefix the first alias that is usable wins: its next hops are not all dead, and not ignored for want of a carrier.
 * Where none is usable, the prefix is not in the FIB, so that a look-up goes on to a shorter one, as the kernel's does.
 *
 * While a namespace has no rules of its own, `local` and `main` lie in one LPM table, the *merged* one:
 *
 * - IPv4, as in the kernel's shared trie: the longest prefix of either wins; of the same prefix, local's.
 * - IPv6: the kernel asks local first, and main only if local has nothing. So a prefix of main is left out where one of
 *   local covers it.
 *
 * The first rule that is added splits them for good (fib_unmerge): main keeps the LPM table, local gets another.
 */
import type { Family } from '../api/family.js';
import type { FibWriter } from './fib-writer.js';
import type { InetNamespace } from './host.js';
import { type Info, Infos } from './info.js';
import { covers, maskKey, TableId, type Words, wordsOf } from './keys.js';
import { PrefixTable } from './prefix-table.js';

/** A row is not known. */
const NONE = 0;

export class Table {
  readonly prefixes: PrefixTable;
  /** Of the datapath; −1 while it has never had a prefix, or is merged. */
  slot = -1;
  /** IPv6: prefixes under ff00::/8, which local's multicast routes hide. */
  multicasts = 0;

  constructor(
    readonly id: number,
    words: Words,
  ) {
    this.prefixes = new PrefixTable(words);
  }
}

export class Rib {
  readonly tables = new Map<number, Table>();
  readonly infos = new Infos();
  readonly words: Words;
  /** local and main are apart, and rules are walked. */
  isSplit = false;
  /** A table got its slot: the rules that name it are to be written again. */
  hasNewSlot = false;
  /** The datapath's slot of local and main while they are merged, −1 before the first prefix. */
  merged = -1;
  /** Routes that were added since a request began, if it may have to take them back. */
  added: Array<{ table: Table; key: Int32Array; length: number; info: Info }> | undefined;
  private readonly key = new Int32Array(4);
  private readonly under = new Int32Array(4);

  constructor(
    readonly namespace: InetNamespace,
    readonly family: Family,
    readonly writer: FibWriter,
  ) {
    this.words = wordsOf(family);
    if (family === 6) for (const id of [TableId.MAIN, TableId.LOCAL]) this.table(id);
  }

  get size(): number {
    let size = 0;
    for (const { prefixes } of this.tables.values()) size += prefixes.size;
    return size;
  }

  /** Bytes of the prefixes; the Infos come on top. */
  get bytes(): number {
    let bytes = 0;
    for (const { prefixes } of this.tables.values()) bytes += prefixes.bytes;
    return bytes;
  }

  find(id: number): Table | undefined {
    return this.tables.get(id);
  }

  /** The table, made if there is none. */
  table(id: number): Table {
    const known = this.tables.get(id);
    if (known !== undefined) return known;
    const table = new Table(id, this.words);
    this.tables.set(id, table);
    // They share a trie of the kernel's, which is main's.
    if (id === TableId.LOCAL && !this.isSplit) this.table(TableId.MAIN);
    return table;
  }

  infoOf(table: Table, alias: number): Info {
    return this.infos.get(table.prefixes.infoOf(alias));
  }

  // --- aliases --------------------------------------------------------------------------------------

  /** Adds an alias behind `previous` of the same prefix, or before all others (0). Without room in the FIB it throws. */
  insert(table: Table, key: Int32Array, length: number, info: Info, previous: number): void {
    const alias = table.prefixes.insert(key, length, info.number, previous);
    if (this.words === 4 && key[0] >>> 24 === 0xff) table.multicasts++;
    info.references++;
    try {
      this.settle(table, key, length, NONE);
    } catch (error) {
      this.remove(table, alias);
      throw error;
    }
    this.added?.push({ table, key: key.slice(), length, info });
  }

  /** Takes back what was added, and writes all of the FIB anew: the datapath had no room, and it is not known for what. */
  revert(): void {
    for (const { table, key, length, info } of this.added ?? []) {
      let alias = table.prefixes.find(key, length);
      while (alias !== 0 && table.prefixes.infoOf(alias) !== info.number) alias = table.prefixes.next(alias);
      if (alias !== 0) this.remove(table, alias);
    }
    this.added = undefined;
    this.dropSlots();
    for (const table of this.tables.values())
      for (const head of table.prefixes.heads()) {
        table.prefixes.loadKey(head, this.key);
        this.settle(table, this.key, table.prefixes.lengthOf(head), NONE);
      }
  }

  /** The alias leads to another Info from now on. */
  replace(table: Table, alias: number, info: Info): void {
    const { prefixes } = table;
    const old = this.infoOf(table, alias);
    if (old === info) return;
    info.references++;
    prefixes.setInfo(alias, info.number);
    prefixes.loadKey(alias, this.key);
    this.settle(table, this.key, prefixes.lengthOf(alias), NONE);
    this.unreference(old);
  }

  remove(table: Table, alias: number): void {
    const { prefixes } = table;
    const info = this.infoOf(table, alias);
    const length = prefixes.lengthOf(alias);
    const row = prefixes.routeOf(alias);
    const { key } = this;
    prefixes.loadKey(alias, key);
    prefixes.remove(alias);
    if (this.words === 4 && key[0] >>> 24 === 0xff) table.multicasts--;
    if (row !== NONE) this.settle(table, key, length, row);
    this.unreference(info);
  }

  private unreference(info: Info): void {
    if (--info.references === 0) this.infos.forget(info);
  }

  /** Aliases of all tables for which this holds. */
  select(holds: (info: Info, table: Table) => boolean): Array<[Table, number]> {
    const found: Array<[Table, number]> = [];
    for (const table of this.tables.values()) {
      const { prefixes } = table;
      prefixes.each((alias) => {
        if (holds(this.infos.get(prefixes.infoOf(alias)), table)) found.push([table, alias]);
      });
    }
    return found;
  }

  /**
   * The state of these Infos' next hops changed: writes it. Where `judge` finds that a look-up may take one that it might
   * not, or the other way round, settles what its prefixes win or lose.
   */
  refresh(infos: Iterable<Info>, judge: (info: Info) => void): void {
    const flipped = new Set<Info>();
    for (const info of infos) {
      const was = info.isUsable;
      judge(info);
      if (info.isUsable !== was) flipped.add(info);
      this.writer.rewrite(info);
    }
    if (flipped.size === 0) return;
    for (const [table, alias] of this.select((info) => flipped.has(info))) {
      table.prefixes.loadKey(alias, this.key);
      this.settle(table, this.key, table.prefixes.lengthOf(alias), NONE);
    }
  }

  /** All of it goes. */
  destroy(): void {
    this.dropSlots();
    this.tables.clear();
  }

  /** Nothing is in the FIB any more. */
  private dropSlots(): void {
    const slots = new Set<number>(this.merged >= 0 ? [this.merged] : []);
    for (const table of this.tables.values()) {
      const { prefixes } = table;
      for (const alias of this.writtenOf(table)) {
        this.writer.release(prefixes.routeOf(alias));
        prefixes.setRoute(alias, NONE);
      }
      if (table.slot >= 0) slots.add(table.slot);
      table.slot = -1;
    }
    this.merged = -1;
    for (const slot of slots) this.writer.removeTable(slot);
  }

  // --- the FIB --------------------------------------------------------------------------------------

  private isMerged(table: Table): boolean {
    return !this.isSplit && (table.id === TableId.LOCAL || table.id === TableId.MAIN);
  }

  private slotOf(table: Table): number {
    const isMerged = this.isMerged(table);
    const known = isMerged ? this.merged : table.slot;
    if (known >= 0) return known;
    const slot = this.writer.addTable(this.family);
    this.hasNewSlot = true;
    if (isMerged) this.merged = slot;
    else table.slot = slot;
    return slot;
  }

  /** Brings the FIB in line with a prefix. `orphan`: the row that a removed alias of it was written with. */
  private settle(table: Table, key: Int32Array, length: number, orphan: number): void {
    if (!this.isMerged(table)) return this.write(table, undefined, true, key, length, orphan);
    const local = this.tables.get(TableId.LOCAL);
    const main = this.tables.get(TableId.MAIN);
    if (this.words === 1) return this.write(local ?? table, main, true, key, length, orphan);
    const isHidden = local !== undefined && this.isCovered(local, key, length);
    if (table === main) return this.write(local ?? table, main, !isHidden, key, length, orphan);
    const before = orphan !== NONE || this.written(table, key, length) !== 0;
    this.write(table, main, !isHidden, key, length, orphan);
    if (before !== (this.written(table, key, length) !== 0)) this.settleUnder(main, key, length);
  }

  /** A prefix of local came or went: main's that are longer are hidden, or seen again. */
  private settleUnder(main: Table | undefined, key: Int32Array, length: number): void {
    if (main === undefined || length === 128 || main.prefixes.prefixes === 0) return;
    if (key[0] >>> 24 === 0xff && main.multicasts === 0) return;
    const local = key.slice();
    for (const head of main.prefixes.heads()) {
      const own = main.prefixes.lengthOf(head);
      main.prefixes.loadKey(head, this.under);
      if (own > length && covers(local, length, this.under, this.words)) this.settle(main, this.under, own, NONE);
    }
  }

  /** Whether a shorter prefix of a table, written, covers this one. */
  private isCovered(table: Table, key: Int32Array, length: number): boolean {
    const { counts } = table.prefixes;
    for (let shorter = length - 1; shorter >= 0; shorter--) {
      if (counts[shorter] === 0) continue;
      $cover.set(key);
      maskKey($cover, this.words, shorter);
      if (this.written(table, $cover, shorter) !== 0) return true;
    }
    return false;
  }

  /** The alias of a prefix that is in the FIB, or 0. */
  private written(table: Table, key: Int32Array, length: number): number {
    const { prefixes } = table;
    let alias = prefixes.find(key, length);
    while (alias !== 0 && prefixes.routeOf(alias) === NONE) alias = prefixes.next(alias);
    return alias;
  }

  /** The first alias of a prefix that a look-up may take, or 0. */
  private winner(table: Table, key: Int32Array, length: number): number {
    const { prefixes } = table;
    let alias = prefixes.find(key, length);
    while (alias !== 0 && !this.infos.get(prefixes.infoOf(alias)).isUsable) alias = prefixes.next(alias);
    return alias;
  }

  /** `second`: the table that is merged with the first, and comes after it; `isSeen`: it may win. */
  private write(
    first: Table,
    second: Table | undefined,
    isSeen: boolean,
    key: Int32Array,
    length: number,
    orphan: number,
  ): void {
    let row = orphan;
    let holder = first;
    let old = orphan === NONE ? this.written(first, key, length) : 0;
    if (old === 0 && orphan === NONE && second !== undefined) {
      old = this.written(second, key, length);
      holder = second;
    }
    if (old !== 0) row = holder.prefixes.routeOf(old);
    let next = this.winner(first, key, length);
    let owner = first;
    if (next === 0 && second !== undefined && isSeen) {
      next = this.winner(second, key, length);
      owner = second;
    }
    const isSame = old === next && holder === owner;
    if (isSame && (row === NONE || this.writer.infoOfRow(row) === this.infoOf(owner, next))) return;
    const taken = next === 0 ? NONE : this.writer.acquire(this.infoOf(owner, next), length);
    if (old !== 0) holder.prefixes.setRoute(old, NONE);
    if (next !== 0) {
      owner.prefixes.setRoute(next, taken);
      if (taken !== row) this.writer.insert(this.slotOf(owner), key, this.words, length, taken);
    } else if (row !== NONE) this.unwrite(first, second, key, length);
    if (row !== NONE) this.writer.release(row);
  }

  private unwrite(first: Table, second: Table | undefined, key: Int32Array, length: number): void {
    let cover = NONE;
    let coverLength = 0;
    for (let shorter = length - 1; shorter >= 0 && cover === NONE; shorter--) {
      cover = this.rowAt(first, key, shorter);
      if (cover === NONE && second !== undefined) cover = this.rowAt(second, key, shorter);
      coverLength = shorter;
    }
    this.writer.remove(this.slotOf(first), key, this.words, length, cover, cover === NONE ? 0 : coverLength);
  }

  private rowAt(table: Table, key: Int32Array, length: number): number {
    if (table.prefixes.counts[length] === 0) return NONE;
    $cover.set(key);
    maskKey($cover, this.words, length);
    const alias = this.written(table, $cover, length);
    return alias === 0 ? NONE : table.prefixes.routeOf(alias);
  }

  /** A rule was added: local gets an LPM table of its own, what it hid of main is seen again. */
  split(): void {
    if (this.isSplit) return;
    const local = this.tables.get(TableId.LOCAL);
    const main = this.tables.get(TableId.MAIN);
    this.isSplit = true;
    this.hasNewSlot = true;
    if (main !== undefined) main.slot = this.merged;
    else if (local !== undefined) local.slot = this.merged;
    this.merged = -1;
    if (main === undefined || local === undefined) return;
    for (const alias of this.writtenOf(local)) this.moveOut(alias, local, main);
    if (this.words === 4) this.seeAll(main);
  }

  private writtenOf({ prefixes }: Table): number[] {
    const written: number[] = [];
    prefixes.each((alias) => {
      if (prefixes.routeOf(alias) !== NONE) written.push(alias);
    });
    return written;
  }

  /** A prefix of local leaves main's LPM table for its own. */
  private moveOut(alias: number, local: Table, main: Table): void {
    const { prefixes } = local;
    const row = prefixes.routeOf(alias);
    const length = prefixes.lengthOf(alias);
    prefixes.setRoute(alias, NONE);
    prefixes.loadKey(alias, this.key);
    this.write(main, undefined, true, this.key, length, row);
    this.settle(local, this.key, length, NONE);
  }

  /** IPv6: what of main was hidden. */
  private seeAll(main: Table): void {
    for (const head of main.prefixes.heads()) {
      main.prefixes.loadKey(head, this.key);
      this.settle(main, this.key, main.prefixes.lengthOf(head), NONE);
    }
  }
}

const $cover = new Int32Array(4);

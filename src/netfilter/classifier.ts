/*
 * The first rule of a long chain whose box holds a packet, at about the price of walking ten rules, however many there are.
 *
 *   packet ─► screen ─► the tables that can have a rule for it ─► hash ─► slot's rules, in order ─► box ─► the first one
 *             screen.ts  two of some forty                        mask-tables.ts                  box.ts
 *
 * - An index has up to 64 tables. A rule is in the one whose masks suit it: its prefixes and ports cut down to a coarse grid, so
 *   that few tables are needed; a rule whose list is long already goes into a table with finer masks. What is inverted, is a
 *   wildcard, or is asked by a program fixes nothing; the box and the walk (traverse.ts) decide about that.
 * - Each table knows the lowest label that it and the tables behind it have, so the search ends at the first table that cannot
 *   have an earlier rule than the one found. Tables are numbered as they come, and long chains are mostly written front to back.
 * - Nothing is ever built as a whole. Putting in or taking out one rule takes 1 µs in a chain of 100,000, 0.1 ms at most: slots
 *   come one by one (the array is copied when it doubles), a screen that has become too small or stale is made anew some rules
 *   with each change, and lists are searched from the side where the place is nearer.
 * - Rules that no index tells apart (10,000 of any packet, with a program each) are one list. They are walked, as in the kernel.
 * - Memory: 8 to 22 bytes a rule in chains of 10,000 rules and more, 90 in one of 1,000, 300 in one of 17; the row has its own
 *   128. When the pool is full the chain loses its index and is walked from then on; nothing else happens.
 *
 * Measured before this was chosen: ns for the search alone, 8,192 headers out of the rules' boxes and around, on one core (EPYC,
 * Zen 4, 1 MiB L2, busy with other work), huge pages; and bytes a rule.
 *
 *   design                              acl2_10k    fw2_10k     ipc1_1k    services    copies
 *   rules                                  9,476      9,655         974     100,000    100,000
 *   this                                 92 (22)    51 (21)     82 (93)      60 (8)    366 (8)
 *   the same tables without a screen         381        225         237          54      1,613
 *   cut tree, built as a whole           90 (25)    50 (23)     70 (33)     51 (25)    633 (26)
 *   every rule in turn                    18,800     18,200       1,500     229,000
 *
 * `services` are kube-proxy's, an address and a port each; `copies` is acl2_10k eleven times with its addresses moved, so that a
 * packet is in several rules' boxes and in some nine tables. Tables of the rules' own masks would be 644 for acl2_10k, of which a
 * packet looks into 304. The tree cuts a node by some bits of one field, chosen by trying all, and keeps what does not fix these bits
 * in a subtree beside; it is as fast, but has to be built as a whole (0.1 to 8 s) to be so, and one rule changes much of it.
 * Screens by 20 bits of the addresses instead of 16, and lists of 4 or 16 instead of 8, gain nothing.
 *
 * Who may call: one thread, which also looks up.
 */
import { MAX_LINKS } from '../core/links.js';
import type { Packet } from '../core/packet.js';
import { WordPool } from '../tables/word-pool.js';
import type { Box } from './box.js';
import { compileFind, type Find } from './find.js';
import {
  BUCKET,
  FIRST_SLOTS,
  type Fixed,
  filterOf,
  fixedOf,
  hashRule,
  isShort,
  Level,
  NOTHING,
  predecessor,
  relax,
  SlotWord,
  slotOf,
  split,
  Table,
  writeTable,
} from './mask-tables.js';
import { Place } from './place.js';
import { Rule } from './rule.js';
import { Index } from './rule-index.js';
import { bitsFor, ScreenBits, ScreenWriter, screenWords } from './screen.js';

const MAX_TABLES = 64;
/** By Level, up to which number a table may be made: finer ones leave room for coarser ones, which are needed more. */
const TABLES_UNTIL = [MAX_TABLES, 50, 36, 32];
const FIRST_TABLES = 4;
/** Rules and slots that are looked at with each change while a screen is made anew. */
const SWEEP_STEPS = 32;
/** 2^24 words, of memory that is not touched before it is used. */
const DEFAULT_WORDS = 1 << 24;

/** Patterns of link names, as far as the classifier can tell packets apart by them. */
export interface LinkNames {
  /** Whether a pattern is a whole name. */
  isExact?(pattern: number): boolean;
  /** The pattern that is a link's whole name, by link; 0: there is none. */
  readonly exact?: Int32Array;
}

export class Classifier {
  private readonly pool: WordPool;
  private readonly words: Int32Array;
  private readonly screens: ScreenWriter;
  private readonly isExact: (pattern: number) => boolean;
  private readonly fixed: Fixed = { source: 0, destination: 0, sourcePort: 0, destinationPort: 0, flags: 0 };

  constructor(
    private readonly rows: Int32Array,
    private readonly names: LinkNames,
    words = DEFAULT_WORDS,
  ) {
    this.pool = new WordPool(words, words);
    this.words = this.pool.words;
    this.screens = new ScreenWriter(this.words, rows);
    this.isExact = (pattern) => pattern !== 0 && names.isExact?.(pattern) === true;
  }

  /** Bytes that all indexes take. */
  get bytes(): number {
    return this.pool.used * 4;
  }

  /** A new index, or 0: there is no room. */
  addIndex(isIpv6: boolean): number {
    const { pool, words } = this;
    const index = pool.allocate(Index.WORDS, Index.WORDS, false);
    if (index === 0) return 0;
    words.fill(0, index + 1, index + Index.WORDS);
    words[index + Index.FAMILY] = isIpv6 ? 1 : 0;
    words[index + Index.BITS] = ScreenBits.SMALL;
    words[index + Index.SCREEN] = this.newScreen(ScreenBits.SMALL);
    words[index + Index.CAPACITY] = FIRST_TABLES;
    words[index + Index.TABLES] = this.newBlock(FIRST_TABLES << Table.SHIFT);
    if (words[index + Index.SCREEN] !== 0 && words[index + Index.TABLES] !== 0) {
      this.clearTables(index, 0);
      return index;
    }
    this.removeIndex(index);
    return 0;
  }

  removeIndex(index: number): void {
    const { words } = this;
    for (let table = 0; table < words[index + Index.CAPACITY]; table++)
      if (words[index + Index.SIGNATURES + table] !== 0) this.removeTable(index, table);
    this.freeScreen(words[index + Index.SCREEN], words[index + Index.BITS]);
    this.freeScreen(words[index + Index.SHADOW], words[index + Index.SHADOW_BITS]);
    this.free(words[index + Index.TABLES], words[index + Index.CAPACITY] << Table.SHIFT);
    this.pool.release(index, Index.WORDS);
  }

  /** Puts in a rule that is linked into its chain; false: there is no room, and the index is of no use any more. */
  insert(index: number, rule: number): boolean {
    const { words, rows } = this;
    const row = rule << Rule.SHIFT;
    const number = this.chooseTable(index, row);
    if (number < 0) return false;
    const table = this.tableAt(index, number);
    if (words[table + Table.SPREAD] * 2 >= words[table + Table.USED] && !this.addSlot(index, table)) return false;
    this.link(table, number, rule);
    words[table + Table.COUNT]++;
    this.lower(index, number, rows[row + Rule.ORDER]);
    words[index + Index.COUNT]++;
    this.addToScreens(index, number, row);
    this.startSweep(index);
    this.sweep(index);
    return true;
  }

  /** Only for a rule that is in the index, and still linked into its chain. */
  remove(index: number, rule: number): void {
    const { words, rows } = this;
    const row = rule << Rule.SHIFT;
    const number = rows[row + Place.TABLE] - 1;
    if (words[index + Index.SWEEP_RULE] === rule) this.passSwept(index, rule);
    this.unlink(this.tableAt(index, number), number, rule);
    rows[row + Place.TABLE] = 0;
    words[index + Index.COUNT]--;
    words[index + Index.REMOVED]++;
    if (--words[this.tableAt(index, number) + Table.COUNT] === 0) this.removeTable(index, number);
    this.startSweep(index);
    this.sweep(index);
  }

  /** The labels of these rules, linked one after another, have changed; `until` is not one of them. */
  relabelled(index: number, first: number, until: number): void {
    const { rows } = this;
    for (let rule = first; rule !== until; rule = rows[(rule << Rule.SHIFT) + Place.NEXT]) {
      const row = rule << Rule.SHIFT;
      if (rows[row + Place.TABLE] === 0) continue;
      this.lower(index, rows[row + Place.TABLE] - 1, rows[row + Rule.ORDER]);
    }
  }

  /** The look-up for one packet's key, with the arrays as constants. */
  compile(packet: Packet, box: Box): Find {
    return compileFind(this.words, this.rows, packet, box, this.names.exact ?? new Int32Array(MAX_LINKS));
  }

  private tableAt(index: number, number: number): number {
    return this.words[index + Index.TABLES] + (number << Table.SHIFT);
  }

  /** A table has a rule of that label now. */
  private lower(index: number, number: number, order: number): void {
    const { words } = this;
    const own = this.tableAt(index, number);
    if (order < words[own + Table.LOWEST]) words[own + Table.LOWEST] = order;
    for (
      let table = own;
      table >= words[index + Index.TABLES] && order < words[table + Table.FLOOR];
      table -= 1 << Table.SHIFT
    )
      words[table + Table.FLOOR] = order;
  }

  /** Where a block's words start that is `words` long besides its tag; 0: there is no room. */
  private newBlock(words: number): number {
    const block = this.pool.allocate(words + 1, 0, false);
    return block === 0 ? 0 : block + 1;
  }

  private free(start: number, words: number): void {
    if (start !== 0) this.pool.release(start - 1, words + 1);
  }

  private newScreen(bits: number): number {
    const screen = this.newBlock(screenWords(bits));
    if (screen !== 0) this.words.fill(0, screen, screen + screenWords(bits));
    return screen;
  }

  private freeScreen(screen: number, bits: number): void {
    this.free(screen, screenWords(bits));
  }

  /** The table that a rule goes into, with the rule's hash there; -1: there is no room. */
  private chooseTable(index: number, row: number): number {
    const { words, fixed } = this;
    const isIpv6 = words[index + Index.FAMILY] !== 0;
    fixedOf(this.rows, row, this.isExact, fixed);
    let best = this.tableOf(index, relax(fixed, Level.COARSE, isIpv6), Level.COARSE);
    if (best < 0) best = this.tableOf(index, relax(fixed, Level.LAST_RESORT, isIpv6), Level.LAST_RESORT);
    for (let level = Level.FINE; best >= 0 && !this.hasShortList(index, best, row) && level <= Level.EXACT; level++) {
      const number = this.tableOf(index, relax(fixed, level, isIpv6), level);
      if (number < 0) break;
      best = number;
    }
    if (best >= 0) this.hash(index, best, row);
    return best;
  }

  private hash(index: number, number: number, row: number): number {
    const { words, rows } = this;
    const hash = hashRule(words, this.tableAt(index, number), rows, row, words[index + Index.FAMILY] !== 0);
    rows[row + Place.HASH] = hash;
    return hash;
  }

  /** Whether the list that the rule would be put in has room. */
  private hasShortList(index: number, number: number, row: number): boolean {
    const { words } = this;
    const table = this.tableAt(index, number);
    const slot = words[table + Table.SLOTS] + slotOf(words, table, this.hash(index, number, row));
    return isShort(this.rows, words[slot] & SlotWord.RULE, BUCKET);
  }

  /** The table of these masks, made where it is missing and the level may have another one; -1: it may not, or there is no room. */
  private tableOf(index: number, signature: number, level: Level): number {
    const { words } = this;
    const found = this.findTable(index, signature);
    if (found >= 0) return found;
    const number = this.findTable(index, 0);
    if (number < 0 && words[index + Index.CAPACITY] < MAX_TABLES)
      return this.growTables(index) ? this.tableOf(index, signature, level) : -1;
    if (number < 0 || number >= TABLES_UNTIL[level]) return -1;
    return this.writeTable(index, number, signature) ? number : -1;
  }

  private findTable(index: number, signature: number): number {
    const { words } = this;
    const capacity = words[index + Index.CAPACITY];
    for (let i = 0; i < capacity; i++) if (words[index + Index.SIGNATURES + i] === signature) return i;
    return -1;
  }

  private writeTable(index: number, number: number, signature: number): boolean {
    const { words } = this;
    const slots = this.newBlock(FIRST_SLOTS);
    if (slots === 0) return false;
    const table = this.tableAt(index, number);
    words.fill(0, slots, slots + FIRST_SLOTS);
    const floor = words[table + Table.FLOOR];
    writeTable(words, table, signature);
    words[table + Table.FLOOR] = floor;
    words[table + Table.SLOTS] = slots;
    words[table + Table.USED] = FIRST_SLOTS;
    words[table + Table.CAPACITY] = FIRST_SLOTS;
    words[index + Index.SIGNATURES + number] = signature;
    words[index + Index.LOW + (number >>> 5)] |= 1 << (number & 31);
    return true;
  }

  private growTables(index: number): boolean {
    const { words } = this;
    const capacity = words[index + Index.CAPACITY];
    const from = words[index + Index.TABLES];
    const to = this.newBlock((capacity * 2) << Table.SHIFT);
    if (to === 0) return false;
    words.copyWithin(to, from, from + (capacity << Table.SHIFT));
    this.free(from, capacity << Table.SHIFT);
    words[index + Index.TABLES] = to;
    words[index + Index.CAPACITY] = capacity * 2;
    this.clearTables(index, capacity);
    return true;
  }

  /** From this number on, tables that do not exist. */
  private clearTables(index: number, from: number): void {
    const { words } = this;
    for (let i = from; i < words[index + Index.CAPACITY]; i++) {
      words[this.tableAt(index, i) + Table.FLOOR] = NOTHING;
      words[this.tableAt(index, i) + Table.LOWEST] = NOTHING;
    }
  }

  private removeTable(index: number, number: number): void {
    const { words } = this;
    const table = this.tableAt(index, number);
    this.free(words[table + Table.SLOTS], words[table + Table.CAPACITY]);
    words[table + Table.LOWEST] = NOTHING;
    words[index + Index.SIGNATURES + number] = 0;
    words[index + Index.LOW + (number >>> 5)] &= ~(1 << (number & 31));
  }

  /** One slot more, and the array doubled where it is full. */
  private addSlot(index: number, table: number): boolean {
    const { words } = this;
    const capacity = words[table + Table.CAPACITY];
    if (words[table + Table.USED] === capacity) {
      const to = this.newBlock(capacity * 2);
      if (to === 0) return false;
      const from = words[table + Table.SLOTS];
      words.copyWithin(to, from, from + capacity);
      this.free(from, capacity);
      words[table + Table.SLOTS] = to;
      words[table + Table.CAPACITY] = capacity * 2;
    }
    split(words, table, this.rows);
    // It may have been the list that the sweep is in.
    words[index + Index.SWEEP_RULE] = 0;
    return true;
  }

  private link(table: number, number: number, rule: number): void {
    const { words, rows } = this;
    const row = rule << Rule.SHIFT;
    const hash = rows[row + Place.HASH];
    const slot = slotOf(words, table, hash);
    const head = words[table + Table.SLOTS] + slot;
    rows[row + Place.TABLE] = 0;
    const before = predecessor(words, table, rows, rule, number, slot);
    if (isShort(rows, words[head] & SlotWord.RULE, BUCKET)) words[table + Table.SPREAD]++;
    if (before === 0) {
      rows[row + Place.BUCKET] = words[head] & SlotWord.RULE;
      words[head] = (words[head] & ~SlotWord.RULE) | rule;
    } else {
      rows[row + Place.BUCKET] = rows[(before << Rule.SHIFT) + Place.BUCKET];
      rows[(before << Rule.SHIFT) + Place.BUCKET] = rule;
    }
    words[head] |= filterOf(hash);
    rows[row + Place.TABLE] = number + 1;
  }

  private unlink(table: number, number: number, rule: number): void {
    const { words, rows } = this;
    const row = rule << Rule.SHIFT;
    const slot = slotOf(words, table, rows[row + Place.HASH]);
    const head = words[table + Table.SLOTS] + slot;
    const before = predecessor(words, table, rows, rule, number, slot);
    const next = rows[row + Place.BUCKET];
    if (before !== 0) rows[(before << Rule.SHIFT) + Place.BUCKET] = next;
    else words[head] = next === 0 ? 0 : (words[head] & ~SlotWord.RULE) | next;
    if (isShort(rows, words[head] & SlotWord.RULE, BUCKET)) words[table + Table.SPREAD]--;
  }

  private addToScreens(index: number, number: number, row: number): void {
    const { words, screens, isExact } = this;
    const table = this.tableAt(index, number);
    const bits = words[index + Index.BITS];
    const full = table + Table.FULL;
    words[full] = screens.add(words[index + Index.SCREEN], bits, number, words[full], row, isExact);
    words[index + Index.PARTS] |= screens.parts;
    if (words[index + Index.SHADOW] !== 0) this.addToShadow(index, number, row);
  }

  private addToShadow(index: number, number: number, row: number): void {
    const { words, screens, isExact } = this;
    const full = this.tableAt(index, number) + Table.SHADOW_FULL;
    words[full] = screens.add(
      words[index + Index.SHADOW],
      words[index + Index.SHADOW_BITS],
      number,
      words[full],
      row,
      isExact,
    );
  }

  /** Begins to make the screen anew where most of what it has may be of rules that are gone, or where it is too small. */
  private startSweep(index: number): void {
    const { words } = this;
    if (words[index + Index.SHADOW] !== 0) return;
    const bits = Math.max(words[index + Index.BITS], bitsFor(words[index + Index.COUNT]));
    const isStale = words[index + Index.REMOVED] > words[index + Index.COUNT] + SWEEP_STEPS;
    if (!isStale && bits === words[index + Index.BITS]) return;
    // Without room for another one the old one serves on.
    const shadow = this.newScreen(bits);
    if (shadow !== 0) this.beginShadow(index, shadow, bits);
  }

  private beginShadow(index: number, shadow: number, bits: number): void {
    const { words } = this;
    words[index + Index.SHADOW] = shadow;
    words[index + Index.SHADOW_BITS] = bits;
    words[index + Index.SWEEP_TABLE] = 0;
    words[index + Index.SWEEP_SLOT] = 0;
    words[index + Index.SWEEP_RULE] = 0;
    words[index + Index.REMOVED] = 0;
    for (let i = 0; i < words[index + Index.CAPACITY]; i++) words[this.tableAt(index, i) + Table.SHADOW_FULL] = 0;
  }

  /** Puts some more rules into the screen being made. */
  private sweep(index: number): void {
    const { words } = this;
    for (let left = SWEEP_STEPS; left > 0 && words[index + Index.SHADOW] !== 0; left--) {
      const number = words[index + Index.SWEEP_TABLE];
      const rule = words[index + Index.SWEEP_RULE];
      if (rule !== 0) {
        this.addToShadow(index, number, rule << Rule.SHIFT);
        this.passSwept(index, rule);
      } else if (number === words[index + Index.CAPACITY]) {
        this.endSweep(index);
      } else {
        this.sweepSlot(index, number);
      }
    }
  }

  /** The sweep goes on behind a rule. */
  private passSwept(index: number, rule: number): void {
    const { words } = this;
    const next = this.rows[(rule << Rule.SHIFT) + Place.BUCKET];
    words[index + Index.SWEEP_RULE] = next;
    if (next === 0) words[index + Index.SWEEP_SLOT]++;
  }

  /** The sweep comes to a slot, or to a table's end. */
  private sweepSlot(index: number, number: number): void {
    const { words } = this;
    const table = this.tableAt(index, number);
    const slot = words[index + Index.SWEEP_SLOT];
    if (words[index + Index.SIGNATURES + number] === 0 || slot >= words[table + Table.USED]) {
      words[index + Index.SWEEP_TABLE]++;
      words[index + Index.SWEEP_SLOT] = 0;
      return;
    }
    const first = words[words[table + Table.SLOTS] + slot] & SlotWord.RULE;
    words[index + Index.SWEEP_RULE] = first;
    if (first === 0) words[index + Index.SWEEP_SLOT]++;
  }

  private endSweep(index: number): void {
    const { words } = this;
    this.freeScreen(words[index + Index.SCREEN], words[index + Index.BITS]);
    words[index + Index.SCREEN] = words[index + Index.SHADOW];
    words[index + Index.BITS] = words[index + Index.SHADOW_BITS];
    words[index + Index.SHADOW] = 0;
    for (let i = 0; i < words[index + Index.CAPACITY]; i++) {
      const table = this.tableAt(index, i);
      words[table + Table.FULL] = words[table + Table.SHADOW_FULL];
    }
  }
}

/*
 * IPv6 tuples in the hash table; see flow-table4.ts.
 */
import { BURST } from '../core/arena.js';
import { FlowTable, TableSlot } from './flow-table.js';
import { Flow, type Flows, type Found, zoneOf } from './flows.js';

export class FlowTable6 extends FlowTable {
  /** Burst look-ups: TUPLE_WORDS6 words a tuple; `key` is protocol | namespace << 8 | Flow.KEY_FLAG. */
  readonly tuples = new Int32Array(BURST * Flow.TUPLE_WORDS6);
  readonly key = new Int32Array(BURST);
  private readonly key0: number;
  private readonly multiplier0: number;
  private readonly multiplier1: number;

  /** `keys`: four random 32-bit numbers. */
  constructor(flows: Flows, keys: Int32Array) {
    super(flows);
    this.key0 = keys[0] ^ 0x36f15eed;
    this.multiplier0 = Math.imul(keys[2], 0x2545f491) | 1;
    this.multiplier1 = Math.imul(keys[1] ^ keys[3], 0x2545f491) | 1;
    this.lookupBurst = this.compile();
  }

  override readonly lookupBurst: (n: number) => void;

  override hash(words: Int32Array, at: number, key: number, zone: number): number {
    let h = this.key0 ^ key ^ (zone << 12);
    for (let i = at; i < at + Flow.TUPLE_WORDS6; i++) {
      h = Math.imul(h ^ words[i], this.multiplier0);
      h ^= h >>> 15;
    }
    h = Math.imul(h, this.multiplier1);
    return h ^ (h >>> 16);
  }

  protected override isSame(found: Found, words: Int32Array, at: number, key: number, zone: number): boolean {
    const rows = this.flows.words;
    const direction = found & 1;
    const row = Math.imul(found >>> 1, Flow.WORDS6);
    const tuple = row + Flow.ORIGINAL + Math.imul(direction, Flow.TUPLE_WORDS6);
    const kind = rows[row + Flow.KIND];
    let differs = (kind ^ key) & Flow.KEY_MASK;
    for (let i = 0; i < Flow.TUPLE_WORDS6; i++) differs |= rows[tuple + i] ^ words[at + i];
    return differs === 0 && zoneOf(rows[row + Flow.STATUS], kind, direction) === zone;
  }

  private compile(): (n: number) => void {
    const table = this;
    const { tuples, key, found, cache, $hash, $slot } = this;
    const { key0, multiplier0, multiplier1 } = this;
    const { words } = this.flows;
    const $wrong = new Int32Array(BURST);

    /** Hashes the tuples and reads their first slots. */
    function readSlots(n: number): void {
      const { slots, shift, old, oldShift, oldAt } = table;
      for (let i = 0; i < n; i++) {
        let h = key0 ^ key[i];
        const end = Math.imul(i + 1, Flow.TUPLE_WORDS6);
        for (let at = end - Flow.TUPLE_WORDS6; at < end; at++) {
          h = Math.imul(h ^ tuples[at], multiplier0);
          h ^= h >>> 15;
        }
        h = Math.imul(h, multiplier1);
        h ^= h >>> 16;
        $hash[i] = h;
        $slot[i] = h >>> oldShift < oldAt ? slots[h >>> shift] : old[h >>> oldShift];
      }
    }

    function differs(tuple: number, at: number): number {
      let bits = 0;
      for (let i = 0; i < Flow.TUPLE_WORDS6; i++) bits |= words[tuple + i] ^ tuples[at + i];
      return bits;
    }

    /** Of each tuple the first slot with its tag, in $slot; and whether its row is another's, in $wrong. */
    function readRows(n: number): void {
      for (let i = 0; i < n; i++) {
        const hash = $hash[i];
        let slot = $slot[i];
        if (((slot ^ (hash << TableSlot.TAG_SHIFT)) & TableSlot.TAG_MASK) !== 0) slot = table.nextSlot(hash, slot);
        const row = Math.imul((slot & TableSlot.FOUND_MASK) >>> 1, Flow.WORDS6);
        const tuple = row + Flow.ORIGINAL + Math.imul(slot & 1, Flow.TUPLE_WORDS6);
        $slot[i] = slot & TableSlot.FOUND_MASK;
        cache[i] = words[row + Flow.CACHE + ((slot & 1) << 1)];
        $wrong[i] =
          differs(tuple, Math.imul(i, Flow.TUPLE_WORDS6)) |
          ((words[row + Flow.KIND] ^ key[i]) & Flow.KEY_MASK) |
          (words[row + Flow.STATUS] >>> Flow.ZONE_SHIFT);
      }
    }

    return function lookupBurst(n: number): void {
      readSlots(n);
      readRows(n);
      for (let i = 0; i < n; i++) found[i] = $wrong[i] === 0 ? $slot[i] : table.lookup(i);
    };
  }

  /** Of the burst's tuple `i`, whose first slot was another's. */
  private lookup(i: number): Found {
    return this.refind(i, this.tuples, Math.imul(i, Flow.TUPLE_WORDS6), this.key[i]);
  }
}

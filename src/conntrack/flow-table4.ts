/*
 * IPv4 tuples in the hash table. The burst look-up reads the slots of all tuples first and then all rows, so that their cache misses overlap.
 */
import { BURST } from '../core/arena.js';
import { FlowTable, TableSlot } from './flow-table.js';
import { Flow, type Flows, type Found, zoneOf } from './flows.js';

export class FlowTable4 extends FlowTable {
  /** Burst look-ups: the tuples; `key` is protocol | namespace << 8 | Flow.KEY_FLAG. */
  readonly source = new Int32Array(BURST);
  readonly destination = new Int32Array(BURST);
  readonly ports = new Int32Array(BURST);
  readonly key = new Int32Array(BURST);
  /** What was found. */
  readonly found = new Int32Array(BURST);
  private readonly $hash = new Int32Array(BURST);
  private readonly $slot = new Int32Array(BURST);
  private readonly $tuple = new Int32Array(Flow.TUPLE_WORDS4);
  private readonly key0: number;
  private readonly multiplier0: number;
  private readonly multiplier1: number;
  private readonly multiplier2: number;

  /** `keys`: four random 32-bit numbers. */
  constructor(flows: Flows, keys: Int32Array) {
    super(flows);
    this.key0 = keys[0] ^ 0x51f15eed;
    this.multiplier0 = Math.imul(keys[1], 0x2545f491) | 1;
    this.multiplier1 = Math.imul(keys[2], 0x2545f491) | 1;
    this.multiplier2 = Math.imul(keys[3], 0x2545f491) | 1;
    this.lookupBurst = this.compile();
  }

  /** Looks `n` tuples up, those of zone 0. Fills `found`, and brings the rows into the cache. */
  readonly lookupBurst: (n: number) => void;

  /** The hash of a tuple; `key` with its zone: key ^ zone << 12. */
  hash4(source: number, destination: number, ports: number, key: number): number {
    let h = Math.imul(source ^ this.key0, this.multiplier0);
    h = Math.imul(h ^ (h >>> 15) ^ destination, this.multiplier1);
    h = Math.imul(h ^ (h >>> 14) ^ ports, this.multiplier2);
    h = Math.imul(h ^ (h >>> 16) ^ key, this.multiplier0);
    return h ^ (h >>> 15);
  }

  override hash(words: Int32Array, at: number, key: number, zone: number): number {
    return this.hash4(words[at], words[at + 1], words[at + 2], key ^ (zone << 12));
  }

  protected override isSame(found: Found, words: Int32Array, at: number, key: number, zone: number): boolean {
    return this.is(found, words[at], words[at + 1], words[at + 2], key, zone);
  }

  private is(found: Found, source: number, destination: number, ports: number, key: number, zone: number): boolean {
    const { words } = this.flows;
    const direction = found & 1;
    const row = Math.imul(found >>> 1, Flow.WORDS4);
    const tuple = row + Flow.ORIGINAL + Math.imul(direction, Flow.TUPLE_WORDS4);
    const kind = words[row + Flow.KIND];
    const differs =
      (words[tuple] ^ source) |
      (words[tuple + 1] ^ destination) |
      (words[tuple + 2] ^ ports) |
      ((kind ^ key) & Flow.KEY_MASK);
    return differs === 0 && zoneOf(words[row + Flow.STATUS], kind, direction) === zone;
  }

  private compile(): (n: number) => void {
    const table = this;
    const { source, destination, ports, key, found, $hash, $slot } = this;
    const { key0, multiplier0, multiplier1, multiplier2 } = this;
    const { words } = this.flows;
    const $wrong = new Int32Array(BURST);
    const $state = new Int32Array(BURST);

    function hashAll(n: number): void {
      for (let i = 0; i < n; i++) {
        let h = Math.imul(source[i] ^ key0, multiplier0);
        h = Math.imul(h ^ (h >>> 15) ^ destination[i], multiplier1);
        h = Math.imul(h ^ (h >>> 14) ^ ports[i], multiplier2);
        h = Math.imul(h ^ (h >>> 16) ^ key[i], multiplier0);
        $hash[i] = h ^ (h >>> 15);
      }
    }

    /** Reads the first slots, in a loop as short as it can be: the fewer instructions, the more misses overlap. */
    function readSlots(n: number): void {
      const { slots, shift, old, oldShift, oldAt } = table;
      if (!table.isMoving) {
        for (let i = 0; i < n; i++) $slot[i] = slots[$hash[i] >>> shift];
        return;
      }
      for (let i = 0; i < n; i++) {
        const h = $hash[i];
        $slot[i] = h >>> oldShift < oldAt ? slots[h >>> shift] : old[h >>> oldShift];
      }
    }

    /** Of each tuple the first slot with its tag, in $slot; and whether its row is another's, in $wrong. */
    function readRows(n: number): void {
      for (let i = 0; i < n; i++) {
        const hash = $hash[i];
        let slot = $slot[i];
        if (((slot ^ (hash << TableSlot.TAG_SHIFT)) & TableSlot.TAG_MASK) !== 0) slot = table.nextSlot(hash, slot);
        const row = Math.imul((slot & TableSlot.FOUND_MASK) >>> 1, Flow.WORDS4);
        const tuple = row + Flow.ORIGINAL + Math.imul(slot & 1, Flow.TUPLE_WORDS4);
        $slot[i] = slot & TableSlot.FOUND_MASK;
        // The tuple is in the row's other cache line.
        $state[i] = words[row + Flow.STATE];
        $wrong[i] =
          (words[tuple] ^ source[i]) |
          (words[tuple + 1] ^ destination[i]) |
          (words[tuple + 2] ^ ports[i]) |
          ((words[row + Flow.KIND] ^ key[i]) & Flow.KEY_MASK) |
          (words[row + Flow.STATUS] >>> Flow.ZONE_SHIFT);
      }
    }

    return function lookupBurst(n: number): void {
      hashAll(n);
      readSlots(n);
      readRows(n);
      for (let i = 0; i < n; i++) found[i] = $wrong[i] === 0 ? $slot[i] : table.lookup(i);
    };
  }

  /** Of the burst's tuple `i`, whose first slot was another's. */
  private lookup(i: number): Found {
    const tuple = this.$tuple;
    tuple[0] = this.source[i];
    tuple[1] = this.destination[i];
    tuple[2] = this.ports[i];
    return this.findHashed(this.$hash[i], tuple, 0, this.key[i], 0);
  }
}

/* IPv6 tuples in the hash table. */
import { FlowTable } from './flow-table.js';
import { Flow, type Flows, type Found, zoneOf } from './flows.js';

export class FlowTable6 extends FlowTable {
  private readonly key0: number;
  private readonly multiplier0: number;
  private readonly multiplier1: number;

  /** `keys`: four random 32-bit numbers. */
  constructor(flows: Flows, keys: Int32Array) {
    super(flows);
    this.key0 = keys[0] ^ 0x36f15eed;
    this.multiplier0 = Math.imul(keys[2], 0x2545f491) | 1;
    this.multiplier1 = Math.imul(keys[1] ^ keys[3], 0x2545f491) | 1;
  }

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
}

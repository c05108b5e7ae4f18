/*
 * A trie of prefix nodes: how a prefix gets in and out. Below a place (a word that holds a pointer to a node, a leaf
 * or 0) lies what the place's level and all deeper ones know. A prefix of `length` bits belongs to level (length - 1)
 * / 8.
 *
 * A large table of IPv4 has a wide root: an array with an entry for each value of the first 16 bits, in place of the
 * nodes of the first two levels. Its leaves are coded like those of nodes, with depths up to 16.
 *
 *   wide root   | tag | entries that are not 0 | entry to refresh next | entries ... |
 */
import { leaf, type PrefixNodes } from './prefix-nodes.js';

const NONE = -1;
const LEVELS = 16;
const ADDRESS_WORDS = 4;

export const enum Wide {
  FILLED = 1,
  NEXT = 2,
  ENTRIES = 3,
  /** The first bits that it looks at, and the level of the nodes below. */
  BITS = 16,
  COUNT = 1 << BITS,
  LEVEL = 2,
}

/** The slot of the address at `keys[from]` in a node of this level. */
export function slotOf(keys: Int32Array, from: number, level: number): number {
  return (keys[from + (level >> 2)] >>> (24 - ((level & 3) << 3))) & 0xff;
}

/** The level that a prefix belongs to. */
function levelOf(length: number): number {
  return (length - 1) >> 3;
}

/** The number of slots of a prefix that is `depth` bits deep in its level. */
function spanOf(depth: number): number {
  return 1 << (8 - depth);
}

export class PrefixTrie {
  /** The prefix that `insert` and `remove` are about. */
  readonly $key = new Int32Array(ADDRESS_WORDS);
  private readonly $skipped = new Int32Array(ADDRESS_WORDS);
  /** Where the pointers to the nodes on the way to a prefix lie, and of which level these are. */
  private readonly $place = new Int32Array(2 * LEVELS);
  private readonly $level = new Int32Array(2 * LEVELS);
  private readonly words: Int32Array;

  /**
   * `hasSkips`: a lone deep prefix gets a SKIP instead of a node for each level. `widen` then has no place.
   */
  constructor(
    private readonly nodes: PrefixNodes,
    private readonly hasSkips: boolean,
  ) {
    this.words = nodes.words;
  }

  /**
   * Enters the prefix of $key below the entry at `start`, of level `top`. False: there is no room, nothing has
   * changed.
   */
  insert(start: number, top: number, length: number, value: number): boolean {
    const { words, nodes, $key } = this;
    const last = levelOf(length);
    let place = start;
    let level = top;
    while (words[place] < 0) {
      const node = words[place];
      if (nodes.isSkip(node)) {
        const common = Math.min(nodes.matching(node, level, $key, 0), last - level);
        if (common < nodes.levelsOf(node)) {
          if (!this.split(place, level, common)) return false;
        } else {
          level += common;
          place = nodes.placeAfter(node);
        }
        continue;
      }
      if (level === last) return this.addAt(place, length, value);
      const slot = slotOf($key, 0, level++);
      const below = nodes.find(node, slot);
      if (below >= 0) {
        const chain = this.chain(level, below, length, value);
        return chain !== 0 && (nodes.adopt(place, slot, chain) || this.discard(chain));
      }
      place = nodes.place(node, slot);
    }
    const chain = this.chain(level, words[place], length, value);
    if (chain !== 0) words[place] = chain;
    return chain !== 0;
  }

  /**
   * Takes the prefix of $key out; the next shorter one that covers it is `coverLength` bits long, 0 if there is none.
   */
  remove(start: number, top: number, length: number, coverValue: number, coverLength: number): void {
    const last = levelOf(length);
    const step = this.descend(start, top, last);
    if (step === NONE) return;
    const depth = length - 8 * last;
    const slot = slotOf(this.$key, 0, last) & -spanOf(depth);
    const cover = coverLength > 8 * last ? leaf(coverValue, coverLength - 8 * last) : 0;
    if (!this.nodes.take(this.$place[step], slot, slot + spanOf(depth), depth, cover)) this.dissolve(step);
  }

  private addAt(place: number, length: number, value: number): boolean {
    const level = levelOf(length);
    const depth = length - 8 * level;
    const slot = slotOf(this.$key, 0, level) & -spanOf(depth);
    return this.nodes.add(place, slot, slot + spanOf(depth), leaf(value, depth));
  }

  /** What leads from this level to the prefix of $key and nothing else; 0 if there is no room. */
  private chain(level: number, cover: number, length: number, value: number): number {
    const { nodes, $key } = this;
    const last = levelOf(length);
    const depth = length - 8 * last;
    const slot = slotOf($key, 0, last) & -spanOf(depth);
    let node = nodes.create(last === level ? cover : 0, slot, slot + spanOf(depth), leaf(value, depth));
    for (let end = last; end > level && node !== 0; ) {
      const start = this.hasSkips ? level : end - 1;
      const above = this.lead(start === level ? cover : 0, start, end, node);
      if (above === 0) this.discard(node);
      node = above;
      end = start;
    }
    return node;
  }

  /** What leads from level `start` to a node of level `end`; 0 if there is no room. */
  private lead(cover: number, start: number, end: number, node: number): number {
    // Over one level a node is no longer, and look-ups in bursts like it better.
    if (end - start > 1) return this.nodes.createSkip(cover, start, end - start, this.$key, node);
    const slot = slotOf(this.$key, 0, start);
    return this.nodes.create(cover, slot, slot + 1, node);
  }

  /** Puts a node into a SKIP, after its first `common` levels. False: there is no room. */
  private split(place: number, level: number, common: number): boolean {
    const { words, nodes, $skipped } = this;
    const old = words[place];
    const at = level + common;
    const rest = nodes.levelsOf(old) - common - 1;
    const child = words[nodes.placeAfter(old)];
    nodes.readKey(old, level, $skipped);
    const below = rest === 0 ? child : nodes.createSkip(0, at + 1, rest, $skipped, child);
    if (below === 0) return false;
    const slot = slotOf($skipped, 0, at);
    const node = nodes.create(common === 0 ? nodes.cover(old) : 0, slot, slot + 1, below);
    const top = node === 0 || common === 0 ? node : nodes.createSkip(nodes.cover(old), level, common, $skipped, node);
    if (top === 0) {
      if (node !== 0) nodes.release(node);
      if (rest !== 0) nodes.release(below);
      return false;
    }
    words[place] = top;
    nodes.release(old);
    return true;
  }

  /** Gives nodes back that found no place. */
  private discard(node: number): false {
    this.nodes.releaseAll(node);
    return false;
  }

  /** Goes to the node of level `last` on the way of $key and notes the way in $place; returns its last step, or -1. */
  private descend(start: number, top: number, last: number): number {
    const { words, nodes, $key, $place, $level } = this;
    let place = start;
    let level = top;
    for (let step = 0; words[place] < 0 && level <= last; step++) {
      const node = words[place];
      $place[step] = place;
      $level[step] = level;
      if (nodes.isSkip(node)) {
        const levels = nodes.levelsOf(node);
        if (nodes.matching(node, level, $key, 0) < levels) return NONE;
        level += levels;
        place = nodes.placeAfter(node);
        continue;
      }
      if (level === last) return step;
      const slot = slotOf($key, 0, level++);
      if (nodes.find(node, slot) >= 0) return NONE;
      place = nodes.place(node, slot);
    }
    return NONE;
  }

  /** Gives back a node that has become empty, and those above it that become so by this. */
  private dissolve(last: number): void {
    const { words, nodes, $key, $place, $level } = this;
    for (let step = last; ; step--) {
      const node = words[$place[step]];
      const cover = nodes.cover(node);
      nodes.release(node);
      if (step === 0) {
        words[$place[0]] = cover;
        return;
      }
      const above = $place[step - 1];
      if (nodes.isSkip(words[above])) continue;
      if (nodes.orphan(above, slotOf($key, 0, $level[step - 1]), cover)) return;
    }
  }

  /** The longest prefix of $key below the entry at `start` of level 0: a leaf whose depth counts from there, or 0. */
  longest(start: number): number {
    const { words, nodes, $key } = this;
    let best = 0;
    let entry = words[start];
    for (let level = 0; entry < 0; ) {
      const cover = nodes.cover(entry);
      if (cover !== 0) best = cover + 8 * (level - 1);
      if (nodes.isSkip(entry)) {
        const levels = nodes.levelsOf(entry);
        if (nodes.matching(entry, level, $key, 0) < levels) return best;
        level += levels;
        entry = words[nodes.placeAfter(entry)];
        continue;
      }
      const below = nodes.find(entry, slotOf($key, 0, level));
      if (below > 0) return below + 8 * level;
      entry = below;
      level++;
    }
    return best;
  }

  /**
   * A wide root with all that lies below the place of a table's first level, which is empty then. 0: there is no
   * room, nothing has changed.
   */
  widen(place: number): number {
    const { words, nodes } = this;
    const root = nodes.pool.allocate(Wide.ENTRIES + Wide.COUNT, 0, false);
    if (root === 0) return 0;
    words.fill(0, root + Wide.FILLED, root + Wide.ENTRIES + Wide.COUNT);
    for (let slot = 0; slot < 256; slot++) {
      this.spread(nodes.find(words[place], slot), root + Wide.ENTRIES + (slot << 8));
    }
    nodes.release(words[place]);
    words[place] = 0;
    for (let i = 0; i < Wide.COUNT; i++) if (words[root + Wide.ENTRIES + i] !== 0) words[root + Wide.FILLED]++;
    return root;
  }

  /** An entry of the first 8 bits as 256 of the first 16, where depths count from the very start. */
  private spread(entry: number, to: number): void {
    const { words, nodes } = this;
    if (entry >= 0) {
      words.fill(entry, to, to + 256);
      return;
    }
    const cover = nodes.cover(entry);
    for (let slot = 0; slot < 256; slot++) {
      const below = nodes.find(entry, slot);
      words[to + slot] = below > 0 ? below + 8 : below === 0 ? cover : below;
      if (below >= 0) continue;
      const own = nodes.cover(below);
      nodes.setCover(below, own === 0 ? cover : own + 8);
    }
    nodes.release(entry);
  }

  /** `insert` for a wide root. */
  insertWide(root: number, length: number, value: number): boolean {
    if (length <= Wide.BITS) {
      this.change(root, length, true, leaf(value, length));
      return true;
    }
    const { words } = this;
    const place = this.widePlace(root);
    const isNew = words[place] === 0;
    const isDone = this.insert(place, Wide.LEVEL, length, value);
    if (isDone && isNew) words[root + Wide.FILLED]++;
    return isDone;
  }

  /** `remove` for a wide root. False: it is empty now. */
  removeWide(root: number, length: number, coverValue: number, coverLength: number): boolean {
    const { words } = this;
    const place = this.widePlace(root);
    if (length <= Wide.BITS) {
      this.change(root, length, false, coverLength > 0 ? leaf(coverValue, coverLength) : 0);
    } else if (words[place] < 0) {
      this.remove(place, Wide.LEVEL, length, coverValue, coverLength);
      if (words[place] === 0) words[root + Wide.FILLED]--;
    }
    return words[root + Wide.FILLED] !== 0;
  }

  /**
   * Gives the next node of a wide root the form that is best by now, so that all have it some time after the table
   * has become large, or small, and no change takes long for it.
   */
  refreshNext(root: number): void {
    const { words } = this;
    const place = root + Wide.ENTRIES + words[root + Wide.NEXT];
    words[root + Wide.NEXT] = (words[root + Wide.NEXT] + 1) & (Wide.COUNT - 1);
    if (words[place] < 0) this.nodes.refresh(place, 1);
  }

  releaseWide(root: number): void {
    for (let i = root + Wide.ENTRIES; i < root + Wide.ENTRIES + Wide.COUNT; i++) {
      if (this.words[i] < 0) this.nodes.releaseAll(this.words[i]);
    }
    this.nodes.pool.release(root, Wide.ENTRIES + Wide.COUNT);
  }

  private widePlace(root: number): number {
    return root + Wide.ENTRIES + (this.$key[0] >>> (32 - Wide.BITS));
  }

  /** A prefix of at most 16 bits comes or goes. */
  private change(root: number, length: number, isComing: boolean, entry: number): void {
    const { words, nodes } = this;
    const span = 1 << (Wide.BITS - length);
    const start = root + Wide.ENTRIES + ((this.$key[0] >>> (32 - Wide.BITS)) & -span);
    let gained = 0;
    for (let place = start; place < start + span; place++) {
      const old = words[place];
      const fresh = nodes.changed(old, isComing, entry, length);
      words[place] = fresh;
      gained += (fresh === 0 ? 0 : 1) - (old === 0 ? 0 : 1);
    }
    words[root + Wide.FILLED] += gained;
  }
}

/*
 * IP sets of the hash types: members of a few words under a hash of all of them.
 *
 *   buckets ─► row ─► row …      row: | next | flags | key … |
 *   key:  address, prefix length, protocol << 16 | port, second address, its length, link's name, mark, MAC (only what the type has)
 *
 * - Of nets, `lengths` counts the members of each prefix length. A packet is looked up once for each length that occurs, the
 *   longest first, as in the kernel; what it finds first decides, also where that says `nomatch`.
 * - Rows are numbered from 1; free ones hang in a list. The arrays begin small and double up to `maxelem`. A full set first takes away what has
 *   expired (a part at a time); with `forceadd` a new member then takes the place of an old one, else it is refused.
 */
import { type ExtensionOptions, MemberExtensions } from './ipset-extensions.js';
import { Member, MemberFlag, type MemberQuestion, SetAnswer, SetType } from './ipset-member.js';

/** What a type's key has. */
const enum Part {
  ADDRESS = 1,
  NET = 2,
  PORT = 4,
  SECOND = 8,
  SECOND_NET = 16,
  LINK = 32,
  MARK = 64,
  MAC = 128,
}

const PARTS: Partial<Record<SetType, number>> = {
  [SetType.HASH_IP]: Part.ADDRESS,
  [SetType.HASH_NET]: Part.ADDRESS | Part.NET,
  [SetType.HASH_IP_PORT]: Part.ADDRESS | Part.PORT,
  [SetType.HASH_NET_PORT]: Part.ADDRESS | Part.NET | Part.PORT,
  [SetType.HASH_IP_PORT_IP]: Part.ADDRESS | Part.PORT | Part.SECOND,
  [SetType.HASH_IP_PORT_NET]: Part.ADDRESS | Part.PORT | Part.SECOND | Part.SECOND_NET,
  [SetType.HASH_NET_IFACE]: Part.ADDRESS | Part.NET | Part.LINK,
  [SetType.HASH_MAC]: Part.MAC,
  [SetType.HASH_IP_MARK]: Part.ADDRESS | Part.MARK,
  [SetType.HASH_IP_MAC]: Part.ADDRESS | Part.MAC,
  [SetType.HASH_NET_NET]: Part.ADDRESS | Part.NET | Part.SECOND | Part.SECOND_NET,
  [SetType.HASH_NET_PORT_NET]: Part.ADDRESS | Part.NET | Part.PORT | Part.SECOND | Part.SECOND_NET,
};

const enum Row {
  NEXT = 0,
  FLAGS = 1,
  KEY = 2,
}

/** In FLAGS: the row is in use. */
const USED = 1 << 8;

const FIRST_CAPACITY = 1024;

/** Rows looked at for expired ones at a time. */
const SWEEP = 128;

export interface HashOptions extends ExtensionOptions {
  type: SetType;
  /** 4 or 6. */
  family: number;
  maxElements?: number | undefined;
  /** Of hosts: the packets' addresses count up to this length; rows are taken as they are. */
  netmask?: number | undefined;
  /** Likewise, these bits. */
  bitmask?: readonly number[] | undefined;
  /** Of hash:ip,mark. */
  markmask?: number | undefined;
  forceAdd?: boolean | undefined;
}

const $key = new Int32Array(16);
/** The member being looked for, in the words of Member. */
const $member = new Int32Array(Member.WORDS);

function maskOf(length: number): number {
  return length <= 0 ? 0 : length >= 32 ? -1 : -1 << (32 - length);
}

export class HashSet {
  readonly dimensions: number;
  extensions: MemberExtensions;
  size = 0;
  private readonly parts: number;
  private readonly words: number;
  private readonly width: number;
  private readonly keyWords: number;
  private readonly hostLength: number;
  private readonly maxElements: number;
  /** What counts of packets' first addresses. */
  private readonly mask: Int32Array;
  private capacity: number;
  private buckets: Int32Array;
  private rows: Int32Array;
  private end = 1;
  private free = 0;
  private hand = 1;
  /** Members by prefix length, and the lengths that occur, the longest first; of the second net too. */
  private readonly counts = new Int32Array(129);
  private readonly lengths = new Int32Array(129);
  private lengthCount = 0;
  private readonly secondCounts = new Int32Array(129);
  private readonly secondLengths = new Int32Array(129);
  private secondCount = 0;

  constructor(private readonly options: HashOptions) {
    this.parts = PARTS[options.type] ?? 0;
    this.words = options.family === 4 ? 1 : 4;
    this.hostLength = options.family === 4 ? 32 : 128;
    this.keyWords = this.countKeyWords();
    this.width = Row.KEY + this.keyWords;
    this.dimensions = dimensionsOf(this.parts);
    this.maxElements = options.maxElements ?? 65_536;
    this.mask = maskOfOptions(options);
    this.capacity = Math.min(this.maxElements, FIRST_CAPACITY);
    this.buckets = new Int32Array(bucketsFor(this.capacity));
    this.rows = new Int32Array((this.capacity + 1) * this.width);
    this.extensions = new MemberExtensions(options, this.capacity + 1);
  }

  private countKeyWords(): number {
    const { parts, words } = this;
    let n = 0;
    if ((parts & Part.ADDRESS) !== 0) n += words;
    if ((parts & Part.NET) !== 0) n++;
    if ((parts & Part.PORT) !== 0) n++;
    if ((parts & Part.SECOND) !== 0) n += words;
    if ((parts & Part.SECOND_NET) !== 0) n++;
    if ((parts & Part.LINK) !== 0) n++;
    if ((parts & Part.MARK) !== 0) n++;
    return (parts & Part.MAC) !== 0 ? n + 2 : n;
  }

  // --- keys -------------------------------------------------------------------------------------

  /** $key of a member's row; its nets cut to the given lengths. */
  private setKey(row: Int32Array, at: number, length: number, secondLength: number): void {
    const { parts } = this;
    let n = 0;
    if ((parts & Part.ADDRESS) !== 0) n = this.putAddress(n, row, at + Member.ADDRESS, length);
    if ((parts & Part.NET) !== 0) $key[n++] = length;
    if ((parts & Part.PORT) !== 0) $key[n++] = (row[at + Member.PROTOCOL] << 16) | row[at + Member.PORT];
    if ((parts & Part.SECOND) !== 0) n = this.putAddress(n, row, at + Member.SECOND, secondLength);
    if ((parts & Part.SECOND_NET) !== 0) $key[n++] = secondLength;
    if ((parts & Part.LINK) !== 0) {
      const physical = (row[at + Member.FLAGS] & MemberFlag.PHYSDEV) !== 0 ? 1 << 31 : 0;
      $key[n++] = row[at + Member.LINK_NAME] | physical;
    }
    if ((parts & Part.MARK) !== 0) $key[n++] = row[at + Member.MARK] & (this.options.markmask ?? -1);
    if ((parts & Part.MAC) !== 0) {
      $key[n++] = row[at + Member.MAC_HIGH];
      $key[n++] = row[at + Member.MAC_LOW];
    }
  }

  private putAddress(n: number, row: Int32Array, at: number, length: number): number {
    for (let i = 0; i < this.words; i++) $key[n + i] = row[at + i] & maskOf(length - 32 * i);
    return n + this.words;
  }

  private lengthOf(row: Int32Array, at: number): number {
    return (this.parts & Part.NET) !== 0 ? row[at + Member.LENGTH] : this.hostLength;
  }

  private secondLengthOf(row: Int32Array, at: number): number {
    return (this.parts & Part.SECOND_NET) !== 0 ? row[at + Member.SECOND_LENGTH] : this.hostLength;
  }

  private bucket(): number {
    let hash = 0x9e3779b1;
    for (let i = 0; i < this.keyWords; i++) {
      hash = Math.imul(hash ^ $key[i], 0x85ebca6b);
      hash ^= hash >>> 13;
    }
    return hash & (this.buckets.length - 1);
  }

  /** The row of $key, or 0. */
  private find(): number {
    const { rows, width, keyWords } = this;
    for (let index = this.buckets[this.bucket()]; index !== 0; index = rows[index * width]) {
      const key = index * width + Row.KEY;
      let i = 0;
      while (i < keyWords && rows[key + i] === $key[i]) i++;
      if (i === keyWords) return index;
    }
    return 0;
  }

  // --- members ----------------------------------------------------------------------------------

  add(row: Int32Array, at: number, renews: boolean, clock: number): SetAnswer {
    const index = this.place(row, at, renews, clock);
    if (index <= 0) return -index;
    this.extensions.setByRow(index, row, at, clock);
    return SetAnswer.DONE;
  }

  /** The row that a member goes into, its key written; or minus a SetAnswer. */
  private place(row: Int32Array, at: number, renews: boolean, clock: number): number {
    const length = this.lengthOf(row, at);
    const secondLength = this.secondLengthOf(row, at);
    this.setKey(row, at, length, secondLength);
    const known = this.find();
    const flags = (row[at + Member.FLAGS] & MemberFlag.NOMATCH) | USED;
    if (known !== 0) {
      if (!renews && !this.extensions.isExpired(known, clock)) return -SetAnswer.EXISTS;
      this.rows[known * this.width + Row.FLAGS] = flags;
      return known;
    }
    if (!this.makeRoom(clock)) return -SetAnswer.FULL;
    // Making room may have used $key.
    this.setKey(row, at, length, secondLength);
    return this.insert(flags, length, secondLength);
  }

  private insert(flags: number, length: number, secondLength: number): number {
    const { rows, width } = this;
    const index = this.free !== 0 ? this.free : this.end++;
    const start = index * width;
    if (this.free !== 0) this.free = rows[start];
    const bucket = this.bucket();
    rows[start] = this.buckets[bucket];
    rows[start + Row.FLAGS] = flags;
    for (let i = 0; i < this.keyWords; i++) rows[start + Row.KEY + i] = $key[i];
    this.buckets[bucket] = index;
    this.size++;
    this.extensions.clear(index);
    if ((this.parts & Part.NET) !== 0) this.countLength(length);
    if ((this.parts & Part.SECOND_NET) !== 0) this.countSecondLength(secondLength);
    return index;
  }

  private makeRoom(clock: number): boolean {
    if (this.size >= this.maxElements) {
      this.sweep(clock);
      if (this.size >= this.maxElements && !(this.options.forceAdd === true && this.evict())) return false;
    }
    if (this.free === 0 && this.end > this.capacity) this.grow();
    return true;
  }

  private grow(): void {
    this.capacity = Math.min(this.capacity * 2, this.maxElements);
    const rows = new Int32Array((this.capacity + 1) * this.width);
    rows.set(this.rows);
    this.rows = rows;
    this.extensions.grow(this.capacity + 1);
    this.buckets = new Int32Array(bucketsFor(this.capacity));
    for (let index = 1; index < this.end; index++) this.rehash(index);
  }

  private rehash(index: number): void {
    const { rows, width } = this;
    if ((rows[index * width + Row.FLAGS] & USED) === 0) return;
    this.loadKey(index);
    const bucket = this.bucket();
    rows[index * width] = this.buckets[bucket];
    this.buckets[bucket] = index;
  }

  private loadKey(index: number): void {
    const key = index * this.width + Row.KEY;
    for (let i = 0; i < this.keyWords; i++) $key[i] = this.rows[key + i];
  }

  /** Takes away expired members of the next rows; true: there was one. */
  sweep(clock: number): boolean {
    if (!this.extensions.hasTimeout) return false;
    const before = this.size;
    for (let n = 0; n < SWEEP && this.end > 1; n++) {
      const index = this.step();
      const isUsed = (this.rows[index * this.width + Row.FLAGS] & USED) !== 0;
      if (isUsed && this.extensions.isExpired(index, clock)) this.remove(index);
    }
    return this.size < before;
  }

  private step(): number {
    this.hand = this.hand + 1 >= this.end ? 1 : this.hand + 1;
    return this.hand;
  }

  private evict(): boolean {
    for (let n = 1; n < this.end; n++) {
      const index = this.step();
      if ((this.rows[index * this.width + Row.FLAGS] & USED) === 0) continue;
      this.remove(index);
      return true;
    }
    return false;
  }

  private remove(index: number): void {
    const { rows, width } = this;
    this.loadKey(index);
    const bucket = this.bucket();
    if (this.buckets[bucket] === index) this.buckets[bucket] = rows[index * width];
    else {
      let before = this.buckets[bucket];
      while (rows[before * width] !== index) before = rows[before * width];
      rows[before * width] = rows[index * width];
    }
    this.discountLengths(index);
    rows[index * width + Row.FLAGS] = 0;
    rows[index * width] = this.free;
    this.free = index;
    this.size--;
  }

  delete(row: Int32Array, at: number, clock: number): SetAnswer {
    this.setKey(row, at, this.lengthOf(row, at), this.secondLengthOf(row, at));
    const index = this.find();
    if (index === 0) return SetAnswer.ABSENT;
    const isExpired = this.extensions.isExpired(index, clock);
    this.remove(index);
    return isExpired ? SetAnswer.ABSENT : SetAnswer.DONE;
  }

  /** As `ipset test`: a whole address is looked for in all nets, a net only as such; with NOMATCH what says so is looked for. */
  test(row: Int32Array, at: number, clock: number): boolean {
    const isHost = row[at + Member.LENGTH] === this.hostLength;
    const isSecondHost = (this.parts & Part.SECOND_NET) === 0 || row[at + Member.SECOND_LENGTH] === this.hostLength;
    const hasNets = (this.parts & (Part.NET | Part.SECOND_NET)) !== 0;
    const index = hasNets && isHost && isSecondHost ? this.findNet(row, at, clock) : this.findExactly(row, at, clock);
    if (index === 0) return false;
    const asked = row[at + Member.FLAGS] & MemberFlag.NOMATCH;
    return (this.rows[index * this.width + Row.FLAGS] & MemberFlag.NOMATCH) === asked;
  }

  private findExactly(row: Int32Array, at: number, clock: number): number {
    this.setKey(row, at, this.lengthOf(row, at), this.secondLengthOf(row, at));
    const index = this.find();
    return index !== 0 && !this.extensions.isExpired(index, clock) ? index : 0;
  }

  /** The member with the longest prefix that holds an address. */
  private findNet(row: Int32Array, at: number, clock: number): number {
    const hasFirst = (this.parts & Part.NET) !== 0;
    const hasSecond = (this.parts & Part.SECOND_NET) !== 0;
    const firsts = hasFirst ? this.lengthCount : 1;
    const seconds = hasSecond ? this.secondCount : 1;
    for (let i = 0; i < firsts; i++) {
      for (let j = 0; j < seconds; j++) {
        const length = hasFirst ? this.lengths[i] : this.lengthOf(row, at);
        this.setKey(row, at, length, hasSecond ? this.secondLengths[j] : this.hostLength);
        const index = this.find();
        if (index !== 0 && !this.extensions.isExpired(index, clock)) return index;
      }
    }
    return 0;
  }

  // --- packets ----------------------------------------------------------------------------------

  /** 1: it is in the set; -1: a member says nomatch; 0: it is not. */
  testPacket(question: MemberQuestion, skips: boolean, compares: boolean, clock: number): number {
    if (!this.readQuestion(question)) return 0;
    const hasNets = (this.parts & (Part.NET | Part.SECOND_NET)) !== 0;
    const index = hasNets ? this.findNet($member, 0, clock) : this.findExactly($member, 0, clock);
    if (index === 0) return 0;
    if (!this.extensions.matches(index, question, skips, compares)) return 0;
    return (this.rows[index * this.width + Row.FLAGS] & MemberFlag.NOMATCH) !== 0 ? -1 : 1;
  }

  addPacket(question: MemberQuestion, clock: number): SetAnswer {
    if (!this.readQuestion(question)) return SetAnswer.INVALID;
    this.cutToKnownLengths();
    const index = this.place($member, 0, question.renews, clock);
    if (index <= 0) return -index;
    this.extensions.setByPacket(index, question, clock);
    return SetAnswer.DONE;
  }

  deletePacket(question: MemberQuestion, clock: number): SetAnswer {
    if (!this.readQuestion(question)) return SetAnswer.INVALID;
    this.cutToKnownLengths();
    return this.delete($member, 0, clock);
  }

  /** What a packet adds to a set of nets is as long as the longest that it has. */
  private cutToKnownLengths(): void {
    if (this.lengthCount > 0) $member[Member.LENGTH] = this.lengths[0];
    if (this.secondCount > 0) $member[Member.SECOND_LENGTH] = this.secondLengths[0];
  }

  /** Fills $member with what the set asks of a packet; false: the packet does not have it. */
  private readQuestion(question: MemberQuestion): boolean {
    const { parts } = this;
    let word = 0;
    $member.fill(0);
    $member[Member.LENGTH] = this.hostLength;
    $member[Member.SECOND_LENGTH] = this.hostLength;
    if ((parts & Part.ADDRESS) !== 0) copyAddress(Member.ADDRESS, question, word++);
    for (let i = 0; i < this.words; i++) $member[Member.ADDRESS + i] &= this.mask[i];
    if ((parts & Part.PORT) !== 0 && !copyPort(question, word++)) return false;
    if ((parts & Part.SECOND) !== 0) copyAddress(Member.SECOND, question, word++);
    if ((parts & Part.LINK) !== 0 && !copyLink(question, word++)) return false;
    if ((parts & Part.MARK) !== 0) $member[Member.MARK] = question.mark;
    return (parts & Part.MAC) === 0 || copyMac(question, word);
  }

  // --- lengths ----------------------------------------------------------------------------------

  private countLength(length: number): void {
    if (this.counts[length]++ === 0) this.lengthCount = list(this.counts, this.lengths);
  }

  private countSecondLength(length: number): void {
    if (this.secondCounts[length]++ === 0) this.secondCount = list(this.secondCounts, this.secondLengths);
  }

  private discountLengths(index: number): void {
    const { parts, words } = this;
    const key = index * this.width + Row.KEY;
    if ((parts & Part.NET) !== 0 && --this.counts[this.rows[key + words]] === 0) {
      this.lengthCount = list(this.counts, this.lengths);
    }
    if ((parts & Part.SECOND_NET) === 0) return;
    const before = words + ((parts & Part.NET) !== 0 ? 1 : 0) + ((parts & Part.PORT) !== 0 ? 1 : 0);
    if (--this.secondCounts[this.rows[key + before + words]] === 0) {
      this.secondCount = list(this.secondCounts, this.secondLengths);
    }
  }

  // --- the whole --------------------------------------------------------------------------------

  /** However many there were: the arrays begin anew. */
  flush(): void {
    this.capacity = Math.min(this.maxElements, FIRST_CAPACITY);
    this.buckets = new Int32Array(bucketsFor(this.capacity));
    this.rows = new Int32Array((this.capacity + 1) * this.width);
    this.extensions = new MemberExtensions(this.options, this.capacity + 1);
    this.end = 1;
    this.free = 0;
    this.hand = 1;
    this.size = 0;
    this.counts.fill(0);
    this.secondCounts.fill(0);
    this.lengthCount = 0;
    this.secondCount = 0;
  }

  /** Writes members from row `cursor` on, `budget` rows looked at at most; answers where to go on, 0 = at the end. `written`: how many. */
  page(cursor: number, budget: number, into: Int32Array, clock: number): number {
    let index = Math.max(cursor, 1);
    const last = Math.min(index + budget, this.end);
    let written = 0;
    for (; index < last && (written + 1) << Member.SHIFT <= into.length; index++) {
      if ((this.rows[index * this.width + Row.FLAGS] & USED) === 0) continue;
      if (this.extensions.isExpired(index, clock)) continue;
      this.readRow(index, into, written << Member.SHIFT, clock);
      written++;
    }
    this.written = written;
    return index < this.end ? index : 0;
  }

  get bytes(): number {
    return this.rows.byteLength + this.buckets.byteLength + this.extensions.bytes;
  }

  /** Members that `page` wrote last. */
  written = 0;

  private readRow(index: number, into: Int32Array, at: number, clock: number): void {
    const { parts, rows, words } = this;
    let key = index * this.width + Row.KEY;
    into.fill(0, at, at + Member.WORDS);
    into[at + Member.FLAGS] = rows[index * this.width + Row.FLAGS] & MemberFlag.NOMATCH;
    into[at + Member.LENGTH] = this.hostLength;
    into[at + Member.SECOND_LENGTH] = this.hostLength;
    if ((parts & Part.ADDRESS) !== 0) {
      for (let i = 0; i < words; i++) into[at + Member.ADDRESS + i] = rows[key++];
    }
    if ((parts & Part.NET) !== 0) into[at + Member.LENGTH] = rows[key++];
    if ((parts & Part.PORT) !== 0) {
      into[at + Member.PROTOCOL] = rows[key] >>> 16;
      into[at + Member.PORT] = rows[key++] & 0xffff;
    }
    if ((parts & Part.SECOND) !== 0) {
      for (let i = 0; i < words; i++) into[at + Member.SECOND + i] = rows[key++];
    }
    if ((parts & Part.SECOND_NET) !== 0) into[at + Member.SECOND_LENGTH] = rows[key++];
    if ((parts & Part.LINK) !== 0) {
      if (rows[key] < 0) into[at + Member.FLAGS] |= MemberFlag.PHYSDEV;
      into[at + Member.LINK_NAME] = rows[key++] & 0x7fffffff;
    }
    if ((parts & Part.MARK) !== 0) into[at + Member.MARK] = rows[key++];
    if ((parts & Part.MAC) !== 0) {
      into[at + Member.MAC_HIGH] = rows[key++];
      into[at + Member.MAC_LOW] = rows[key++];
    }
    this.extensions.read(index, into, at, clock);
  }
}

function maskOfOptions({ netmask = 128, bitmask }: HashOptions): Int32Array {
  return Int32Array.from([0, 1, 2, 3], (i) => bitmask?.[i] ?? maskOf(netmask - 32 * i));
}

function dimensionsOf(parts: number): number {
  let n = 0;
  for (const part of [Part.ADDRESS, Part.PORT, Part.SECOND, Part.LINK, Part.MARK, Part.MAC]) {
    if ((parts & part) !== 0) n++;
  }
  return n;
}

function bucketsFor(capacity: number): number {
  let buckets = 16;
  while (buckets < capacity) buckets <<= 1;
  return buckets;
}

/** The lengths that occur, the longest first; answers how many. */
function list(counts: Int32Array, lengths: Int32Array): number {
  let n = 0;
  for (let length = 128; length >= 0; length--) if (counts[length] > 0) lengths[n++] = length;
  return n;
}

function isSource(question: MemberQuestion, word: number): boolean {
  return ((question.sources >>> word) & 1) !== 0;
}

function copyAddress(to: Member, question: MemberQuestion, word: number): void {
  const from = isSource(question, word) ? question.source : question.destination;
  for (let i = 0; i < 4; i++) $member[to + i] = from[i];
}

function copyPort(question: MemberQuestion, word: number): boolean {
  const port = isSource(question, word) ? question.sourcePort : question.destinationPort;
  $member[Member.PROTOCOL] = question.protocol;
  $member[Member.PORT] = port;
  return port >= 0;
}

function copyLink(question: MemberQuestion, word: number): boolean {
  $member[Member.LINK_NAME] = isSource(question, word) ? question.in : question.out;
  return $member[Member.LINK_NAME] !== 0;
}

function copyMac(question: MemberQuestion, word: number): boolean {
  const isFrom = isSource(question, word);
  $member[Member.MAC_HIGH] = isFrom ? question.sourceMacHigh : question.destinationMacHigh;
  $member[Member.MAC_LOW] = isFrom ? question.sourceMacLow : question.destinationMacLow;
  return question.hasMac;
}

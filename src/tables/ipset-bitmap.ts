/*
 * IP sets of the bitmap types: a place for each address (or net of them) or port of a range of at most 65,536.
 *
 *   used[place]   0 free, 1 in the set, 2 in the set with a MAC address (bitmap:ip,mac)
 */
import { type ExtensionOptions, MemberExtensions } from './ipset-extensions.js';
import { Member, MemberFlag, type MemberQuestion, SetAnswer, SetType } from './ipset-member.js';

export const MAX_BITMAP = 65_536;

const TCP = 6;
const UDP = 17;

const enum Place {
  FREE = 0,
  USED = 1,
  WITH_MAC = 2,
}

export interface BitmapOptions extends ExtensionOptions {
  type: SetType;
  family: number;
  /** First and last address or port. */
  first: number;
  last: number;
  /** Of bitmap:ip: prefix length of the nets that are members. */
  netmask?: number | undefined;
}

/** Places looked at for expired ones at a time. */
const SWEEP = 512;

export class BitmapSet {
  readonly dimensions: number;
  readonly extensions: MemberExtensions;
  size = 0;
  written = 0;
  private readonly used: Uint8Array;
  /** Two words a place, of bitmap:ip,mac. */
  private readonly macs: Int32Array;
  private readonly first: number;
  private readonly hostBits: number;
  private hand = 0;

  constructor(private readonly options: BitmapOptions) {
    const isPort = options.type === SetType.BITMAP_PORT;
    const isMac = options.type === SetType.BITMAP_IP_MAC;
    this.hostBits = isPort ? 0 : 32 - (options.netmask ?? 32);
    this.first = options.first >>> 0;
    const places = Math.floor(((options.last >>> 0) - this.first) / 2 ** this.hostBits) + 1;
    this.used = new Uint8Array(places);
    this.macs = new Int32Array(isMac ? places * 2 : 0);
    this.dimensions = isMac ? 2 : 1;
    this.extensions = new MemberExtensions(options, places);
  }

  /** Of an address or a port, -1: out of range. */
  private placeOf(value: number): number {
    const place = Math.floor(((value >>> 0) - this.first) / 2 ** this.hostBits);
    return place >= 0 && place < this.used.length ? place : -1;
  }

  private placeOfRow(row: Int32Array, at: number): number {
    const isPort = this.options.type === SetType.BITMAP_PORT;
    return this.placeOf(isPort ? row[at + Member.PORT] : row[at + Member.ADDRESS]);
  }

  /** Of a packet, -1: it has none. */
  private placeOfPacket(question: MemberQuestion): number {
    const isSource = (question.sources & 1) !== 0;
    if (this.options.type !== SetType.BITMAP_PORT) {
      return this.placeOf(isSource ? question.source[0] : question.destination[0]);
    }
    if (question.protocol !== TCP && question.protocol !== UDP) return -1;
    const port = isSource ? question.sourcePort : question.destinationPort;
    return port < 0 ? -1 : this.placeOf(port);
  }

  private isIn(place: number, clock: number): boolean {
    return this.used[place] !== Place.FREE && !this.extensions.isExpired(place, clock);
  }

  /** Whether a place's MAC address, if it has one, is this. */
  private hasMac(place: number, high: number, low: number): boolean {
    if (this.used[place] !== Place.WITH_MAC) return true;
    return this.macs[place * 2] === high && this.macs[place * 2 + 1] === low;
  }

  private take(place: number, state: Place, high: number, low: number): void {
    if (this.used[place] === Place.FREE) {
      this.size++;
      this.extensions.clear(place);
    }
    this.used[place] = state;
    if (state !== Place.WITH_MAC) return;
    this.macs[place * 2] = high;
    this.macs[place * 2 + 1] = low;
  }

  private release(place: number): void {
    this.used[place] = Place.FREE;
    this.size--;
  }

  add(row: Int32Array, at: number, renews: boolean, clock: number): SetAnswer {
    const place = this.placeOfRow(row, at);
    if (place < 0) return SetAnswer.OUT_OF_RANGE;
    const isWithMac = (row[at + Member.FLAGS] & MemberFlag.HAS_MAC) !== 0;
    // A member without a MAC address yet may be given one.
    const isCompleted = isWithMac && this.used[place] === Place.USED;
    if (this.isIn(place, clock) && !renews && !isCompleted) return SetAnswer.EXISTS;
    this.take(place, isWithMac ? Place.WITH_MAC : Place.USED, row[at + Member.MAC_HIGH], row[at + Member.MAC_LOW]);
    this.extensions.setByRow(place, row, at, clock);
    return SetAnswer.DONE;
  }

  delete(row: Int32Array, at: number, clock: number): SetAnswer {
    const place = this.placeOfRow(row, at);
    if (place < 0) return SetAnswer.OUT_OF_RANGE;
    if (this.used[place] === Place.FREE) return SetAnswer.ABSENT;
    const isThere = this.isIn(place, clock);
    this.release(place);
    return isThere ? SetAnswer.DONE : SetAnswer.ABSENT;
  }

  test(row: Int32Array, at: number, clock: number): boolean {
    const place = this.placeOfRow(row, at);
    if (place < 0 || !this.isIn(place, clock)) return false;
    const asksMac = (row[at + Member.FLAGS] & MemberFlag.HAS_MAC) !== 0;
    return !asksMac || this.hasMac(place, row[at + Member.MAC_HIGH], row[at + Member.MAC_LOW]);
  }

  testPacket(question: MemberQuestion, skips: boolean, compares: boolean, clock: number): number {
    const place = this.placeOfPacket(question);
    if (place < 0 || !this.isIn(place, clock)) return 0;
    if (this.macs.length > 0 && this.used[place] === Place.WITH_MAC) {
      if (!question.hasMac || !this.hasMac(place, question.sourceMacHigh, question.sourceMacLow)) return 0;
    }
    return this.extensions.matches(place, question, skips, compares) ? 1 : 0;
  }

  addPacket(question: MemberQuestion, clock: number): SetAnswer {
    const place = this.placeOfPacket(question);
    if (place < 0) return SetAnswer.OUT_OF_RANGE;
    if (this.isIn(place, clock) && !question.renews) return SetAnswer.EXISTS;
    const isWithMac = this.macs.length > 0 && question.hasMac;
    this.take(place, isWithMac ? Place.WITH_MAC : Place.USED, question.sourceMacHigh, question.sourceMacLow);
    this.extensions.setByPacket(place, question, clock);
    return SetAnswer.DONE;
  }

  deletePacket(question: MemberQuestion, clock: number): SetAnswer {
    const place = this.placeOfPacket(question);
    if (place < 0 || this.used[place] === Place.FREE) return SetAnswer.ABSENT;
    const isThere = this.isIn(place, clock);
    this.release(place);
    return isThere ? SetAnswer.DONE : SetAnswer.ABSENT;
  }

  flush(): void {
    this.used.fill(Place.FREE);
    this.size = 0;
  }

  get bytes(): number {
    return this.used.byteLength + this.macs.byteLength + this.extensions.bytes;
  }

  /** Takes away expired members of the next places; true: there was one. */
  sweep(clock: number): boolean {
    if (!this.extensions.hasTimeout) return false;
    const before = this.size;
    for (let n = 0; n < SWEEP; n++) {
      this.hand = this.hand + 1 >= this.used.length ? 0 : this.hand + 1;
      if (this.used[this.hand] !== Place.FREE && this.extensions.isExpired(this.hand, clock)) this.release(this.hand);
    }
    return this.size < before;
  }

  /** As HashSet.page. */
  page(cursor: number, budget: number, into: Int32Array, clock: number): number {
    let place = cursor;
    const last = Math.min(place + budget, this.used.length);
    let written = 0;
    for (; place < last && (written + 1) << Member.SHIFT <= into.length; place++) {
      if (!this.isIn(place, clock)) continue;
      this.readPlace(place, into, written << Member.SHIFT, clock);
      written++;
    }
    this.written = written;
    return place < this.used.length ? place : 0;
  }

  private readPlace(place: number, into: Int32Array, at: number, clock: number): void {
    into.fill(0, at, at + Member.WORDS);
    const value = this.first + place * 2 ** this.hostBits;
    if (this.options.type === SetType.BITMAP_PORT) into[at + Member.PORT] = value;
    else {
      into[at + Member.ADDRESS] = value | 0;
      into[at + Member.LENGTH] = 32 - this.hostBits;
    }
    if (this.used[place] === Place.WITH_MAC) {
      into[at + Member.FLAGS] = MemberFlag.HAS_MAC;
      into[at + Member.MAC_HIGH] = this.macs[place * 2];
      into[at + Member.MAC_LOW] = this.macs[place * 2 + 1];
    }
    this.extensions.read(place, into, at, clock);
  }
}

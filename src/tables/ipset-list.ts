/*
 * IP sets of type list:set: other sets, in an order. A packet is in the list if it is in one of them; what it is to add goes
 * into the first that takes it. Few members, so that everything is a loop.
 */
import { type ExtensionOptions, MemberExtensions } from './ipset-extensions.js';
import { Member, MemberPlace, type MemberQuestion, SetAnswer } from './ipset-member.js';

export interface ListOptions extends ExtensionOptions {
  /** Members that there is room for at first. As in the kernel it is no limit. */
  size?: number | undefined;
}

/** The other sets, by number. */
export interface SetMembers {
  testMember(set: number, question: MemberQuestion, skips: boolean): boolean;
  addToMember(set: number, question: MemberQuestion): SetAnswer;
  deleteFromMember(set: number, question: MemberQuestion): SetAnswer;
}

export class ListSet {
  readonly dimensions = 1;
  readonly extensions: MemberExtensions;
  size = 0;
  written = 0;
  private sets: Int32Array;

  constructor(
    options: ListOptions,
    private readonly members: SetMembers,
  ) {
    const capacity = Math.max(options.size ?? 8, 4);
    this.sets = new Int32Array(capacity);
    this.extensions = new MemberExtensions(options, capacity);
  }

  private indexOf(set: number): number {
    for (let i = 0; i < this.size; i++) if (this.sets[i] === set) return i;
    return -1;
  }

  has(set: number): boolean {
    return this.indexOf(set) >= 0;
  }

  /** Of a member's row: the set, at its end or beside another. */
  add(row: Int32Array, at: number, renews: boolean, clock: number): SetAnswer {
    this.sweep(clock);
    const place = row[at + Member.PLACE];
    const reference = this.indexOf(row[at + Member.REFERENCE]);
    if (place !== MemberPlace.LAST && reference < 0) return SetAnswer.ABSENT;
    const known = this.indexOf(row[at + Member.SET]);
    if (known >= 0) {
      if (!renews) return SetAnswer.EXISTS;
      this.extensions.setByRow(known, row, at, clock);
      return SetAnswer.DONE;
    }
    if (this.size === this.sets.length) this.grow();
    const index = place === MemberPlace.LAST ? this.size : place === MemberPlace.BEFORE ? reference : reference + 1;
    for (let i = this.size; i > index; i--) this.move(i, i - 1);
    this.sets[index] = row[at + Member.SET];
    this.extensions.clear(index);
    this.extensions.setByRow(index, row, at, clock);
    this.size++;
    return SetAnswer.DONE;
  }

  private grow(): void {
    const sets = new Int32Array(this.sets.length * 2);
    sets.set(this.sets);
    this.sets = sets;
    this.extensions.grow(sets.length);
  }

  get bytes(): number {
    return this.sets.byteLength + this.extensions.bytes;
  }

  private move(to: number, from: number): void {
    this.sets[to] = this.sets[from];
    this.extensions.move(to, from);
  }

  private removeAt(index: number): void {
    this.size--;
    for (let i = index; i < this.size; i++) this.move(i, i + 1);
  }

  delete(row: Int32Array, at: number, clock: number): SetAnswer {
    this.sweep(clock);
    const index = this.indexOf(row[at + Member.SET]);
    if (index < 0 || !this.isBeside(row, at, index)) return SetAnswer.ABSENT;
    this.removeAt(index);
    return SetAnswer.DONE;
  }

  /** Whether a member is before or after the one that the row says. */
  private isBeside(row: Int32Array, at: number, index: number): boolean {
    const place = row[at + Member.PLACE];
    if (place === MemberPlace.LAST) return true;
    const other = this.indexOf(row[at + Member.REFERENCE]);
    return other >= 0 && index === (place === MemberPlace.BEFORE ? other - 1 : other + 1);
  }

  test(row: Int32Array, at: number, clock: number): boolean {
    const index = this.indexOf(row[at + Member.SET]);
    return index >= 0 && !this.extensions.isExpired(index, clock) && this.isBeside(row, at, index);
  }

  testPacket(question: MemberQuestion, skips: boolean, compares: boolean, clock: number): number {
    for (let i = 0; i < this.size; i++) {
      if (this.extensions.isExpired(i, clock)) continue;
      if (!this.members.testMember(this.sets[i], question, skips || question.skipsSubcounters)) continue;
      if (this.extensions.matches(i, question, skips, compares)) return 1;
    }
    return 0;
  }

  addPacket(question: MemberQuestion, clock: number): SetAnswer {
    for (let i = 0; i < this.size; i++) {
      if (this.extensions.isExpired(i, clock)) continue;
      if (this.members.addToMember(this.sets[i], question) === SetAnswer.DONE) return SetAnswer.DONE;
    }
    return SetAnswer.ABSENT;
  }

  deletePacket(question: MemberQuestion, clock: number): SetAnswer {
    for (let i = 0; i < this.size; i++) {
      if (this.extensions.isExpired(i, clock)) continue;
      if (this.members.deleteFromMember(this.sets[i], question) === SetAnswer.DONE) return SetAnswer.DONE;
    }
    return SetAnswer.ABSENT;
  }

  flush(): void {
    this.size = 0;
  }

  sweep(clock: number): boolean {
    const before = this.size;
    for (let i = this.size - 1; i >= 0; i--) if (this.extensions.isExpired(i, clock)) this.removeAt(i);
    return this.size < before;
  }

  /** As HashSet.page. */
  page(cursor: number, budget: number, into: Int32Array, clock: number): number {
    let index = cursor;
    const last = Math.min(index + budget, this.size);
    let written = 0;
    for (; index < last && (written + 1) << Member.SHIFT <= into.length; index++) {
      if (this.extensions.isExpired(index, clock)) continue;
      const at = written++ << Member.SHIFT;
      into.fill(0, at, at + Member.WORDS);
      into[at + Member.SET] = this.sets[index];
      this.extensions.read(index, into, at, clock);
    }
    this.written = written;
    return index < this.size ? index : 0;
  }
}

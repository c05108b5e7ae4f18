/*
 * What the addresses of both families have in common: a list for each link, lifetimes that end, and who is told of changes.
 */
import { AddressFlag } from '../../route/addresses.js';
import type { AddressInfo } from '../api/address.js';
import type { Call } from '../engine-thread.js';
import type { InetLink } from './host.js';
import { FOREVER, isDeprecated, isOver, type Lifetimes, lifetimeFlags, nextEnd } from './lifetime.js';
import type { Stack } from './stack.js';

export interface Address extends Lifetimes {
  /** AddressFlag, and what else the family has. */
  flags: number;
}

export abstract class Addresses<A extends Address> {
  protected readonly lists = new Map<InetLink, A[]>();
  /** Links whose list the engine has not been told. */
  protected readonly unwritten = new Set<InetLink>();
  /** Links with addresses that do not last for ever. */
  private readonly aging = new Set<InetLink>();
  /** Tells the engine a link's list. */
  protected abstract readonly method: 'setAddresses4' | 'setAddresses6';

  constructor(protected readonly stack: Stack) {}

  abstract remove(link: InetLink, address: A): void;

  abstract info(address: A): AddressInfo;

  /** The list as route/addresses.ts has it. */
  protected abstract wordsOf(link: InetLink): Int32Array;

  of(link: InetLink): readonly A[] {
    return this.lists.get(link) ?? [];
  }

  list(link: InetLink): AddressInfo[] {
    return this.of(link).map((address) => this.info(address));
  }

  /** A link is no more. */
  forget(link: InetLink): void {
    this.unwritten.delete(link);
    this.aging.delete(link);
  }

  /** A link's list gets an address at some place. */
  protected enlist(link: InetLink, address: A, at: number): void {
    const list = this.lists.get(link) ?? [];
    list.splice(at, 0, address);
    this.lists.set(link, list);
    if (address.valid !== FOREVER || address.preferred !== FOREVER) this.aging.add(link);
    this.unwritten.add(link);
  }

  // --- time -------------------------------------------------------------------------------------------

  /** An address lasts for longer, or less long, than before. */
  protected renew(link: InetLink, address: A, { valid, preferred, since }: Lifetimes): void {
    const kept = address.flags & ~(AddressFlag.PERMANENT | AddressFlag.DEPRECATED);
    Object.assign(address, { valid, preferred, since });
    address.flags = kept | lifetimeFlags(valid, preferred);
    this.aging.add(link);
    this.unwritten.add(link);
  }

  /** ms until an address is deprecated, or ends; Infinity: none is. */
  nextEnd(now: number): number {
    return Math.min(...[...this.aging].map((link) => this.nextEndOf(link, now)));
  }

  private nextEndOf(link: InetLink, now: number): number {
    return this.of(link).reduce((next, address) => Math.min(next, nextEnd(address, address.flags, now)), Infinity);
  }

  /** Deprecates and removes what is due. */
  expire(now: number): void {
    for (const link of [...this.aging]) {
      for (const address of [...this.of(link)]) this.age(link, address, now);
      if (!Number.isFinite(this.nextEndOf(link, now))) this.aging.delete(link);
    }
  }

  private age(link: InetLink, address: A, now: number): void {
    if (!this.of(link).includes(address)) return;
    if (isOver(address, now)) return this.remove(link, address);
    if ((address.flags & AddressFlag.DEPRECATED) !== 0 || !isDeprecated(address, now)) return;
    address.flags |= AddressFlag.DEPRECATED;
    this.unwritten.add(link);
    this.tell(link, address, false);
  }

  // --- what others are told ---------------------------------------------------------------------------

  write(calls: Call[]): void {
    for (const link of this.unwritten) calls.push([this.method, link.number, this.wordsOf(link)]);
    this.unwritten.clear();
  }

  protected tell(link: InetLink, address: A, deleted: boolean): void {
    this.stack.tell(deleted, () => ({
      object: 'address',
      index: link.ifindex,
      dev: link.name,
      address: this.info(address),
    }));
  }
}

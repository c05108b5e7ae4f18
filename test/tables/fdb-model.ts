/*
 * What the forwarding database must do, written down naively: a Map of stations, nothing else.
 *
 * Where the table may choose (which station makes room), the model does not say which: it is told what vanished
 * and says whether that was allowed. So it shares no idea with the table but the contract.
 */
import { FdbFlag, Learned, type Station } from '../../src/tables/fdb.js';

export type Entry = Station;

/** One address of the test's universe. */
export interface Address {
  low: number;
  high: number;
  bridge: number;
  vlan: number;
}

export function keyOf(address: Address): string {
  return `${address.bridge}/${address.vlan}/${address.high}/${address.low}`;
}

/** `updated` and `used` may lag behind by this much. */
const REFRESH_MS = 100;

export class FdbModel {
  readonly stations = new Map<string, Entry>();
  readonly limit = new Map<number, number>();
  readonly limitOfBridge = new Map<number, number>();
  readonly ageing = new Map<number, number>();

  constructor(readonly capacity: number) {}

  learned(port: number): Entry[] {
    return [...this.stations.values()].filter((entry) => entry.port === port && !isStatic(entry));
  }

  statics(port: number): Entry[] {
    return [...this.stations.values()].filter((entry) => entry.port === port && isStatic(entry));
  }

  learnedOfBridge(bridge: number): number {
    return [...this.stations.values()].filter((entry) => entry.bridge === bridge && !isStatic(entry)).length;
  }

  isExpired(entry: Entry, now: number): boolean {
    const ageing = this.ageing.get(entry.bridge) ?? 300_000;
    return !isStatic(entry) && ((now - entry.updated) | 0) > ageing;
  }

  /**
   * A frame from `address` came in by `port`; the table answered `answer` and lost `vanished`. Throws what is
   * wrong with that, else does the same.
   */
  learn(address: Address, port: number, now: number, answer: Learned, vanished: Entry[]): void {
    const known = this.stations.get(keyOf(address));
    if (known === undefined) return this.insert(address, port, 0, now, answer, vanished);
    if (known.port === port) {
      demand(answer === Learned.KNOWN, `answer ${answer} for a known station`);
      if (((now - known.updated) | 0) > REFRESH_MS) known.updated = now;
      return this.nothing(vanished);
    }
    const keeps = (known.flags & (FdbFlag.LOCAL | FdbFlag.STICKY)) !== 0 && !this.isExpired(known, now);
    if (keeps) {
      demand(answer === Learned.KEPT, `answer ${answer} for a station that must not move`);
      return this.nothing(vanished);
    }
    if (!isStatic(known) && !this.portTakes(port, now, answer, vanished)) return;
    demand(answer === Learned.MOVED, `answer ${answer} for a station that moves`);
    const flags = this.isExpired(known, now) ? 0 : known.flags;
    this.stations.set(keyOf(address), { ...known, port, flags, updated: now });
  }

  insert(address: Address, port: number, flags: number, now: number, answer: Learned, vanished: Entry[]): void {
    const isLearned = (flags & (FdbFlag.STATIC | FdbFlag.ADDED_BY_USER)) === 0;
    const bridgeLimit = this.limitOfBridge.get(address.bridge) ?? 0;
    if (isLearned && bridgeLimit !== 0 && this.learnedOfBridge(address.bridge) >= bridgeLimit) {
      demand(answer === Learned.REFUSED, `answer ${answer} beyond the bridge's limit`);
      return this.nothing(vanished);
    }
    const before = this.stations.size;
    if (isLearned && !this.portTakes(port, now, answer, vanished)) return;
    const replaced = before - this.stations.size;
    if (this.stations.size >= this.capacity && !this.makeRoom(port, answer, vanished.slice(replaced))) return;
    demand(answer === Learned.NEW, `answer ${answer} for a new station`);
    demand(vanished.length === before - this.stations.size, `${vanished.length} stations vanished`);
    this.stations.set(keyOf(address), { ...address, port, flags, updated: now, used: now });
  }

  remove(address: Address): void {
    this.stations.delete(keyOf(address));
  }

  touch(address: Address, now: number): void {
    const entry = this.stations.get(keyOf(address));
    if (entry !== undefined && ((now - entry.used) | 0) > REFRESH_MS) entry.used = now;
  }

  flushPort(port: number, statics: boolean): number {
    const gone = [...this.stations].filter(([, entry]) => entry.port === port && isStatic(entry) === statics);
    for (const [key] of gone) this.stations.delete(key);
    return gone.length;
  }

  /** The table swept and lost `vanished`. */
  sweep(now: number, isWhole: boolean, vanished: Entry[]): void {
    for (const entry of vanished) {
      demand(this.isExpired(entry, now), 'the sweep took a station that has not expired');
      this.remove(entry);
    }
    const left = [...this.stations.values()].filter((entry) => this.isExpired(entry, now));
    demand(!isWhole || left.length === 0, `a sweep of the whole table left ${left.length} expired stations`);
  }

  /** Whether the port's limit allows one more. At the limit an expired station may give way, at most one. */
  private portTakes(port: number, now: number, answer: Learned, vanished: Entry[]): boolean {
    const limit = this.limit.get(port) ?? 0;
    if (limit === 0 || this.learned(port).length < limit) return true;
    if (answer === Learned.REFUSED) {
      const isFull = this.learned(port).some((entry) => !this.isExpired(entry, now));
      demand(isFull, 'refused although all stations of the port have expired');
      this.nothing(vanished);
      return false;
    }
    const given = vanished[0];
    demand(given !== undefined, 'a station was added beyond the limit of its port');
    demand(given.port === port && this.isExpired(given, now), 'a station gave way that had not expired');
    this.remove(given);
    return true;
  }

  /** The table is full: a port that has the most learned stations loses one. False if there are none. */
  private makeRoom(port: number, answer: Learned, vanished: Entry[]): boolean {
    const counts = new Map<number, number>();
    for (const entry of this.stations.values()) {
      if (!isStatic(entry)) counts.set(entry.port, (counts.get(entry.port) ?? 0) + 1);
    }
    if (counts.size === 0) {
      demand(answer === Learned.REFUSED, `answer ${answer} when all entries are static`);
      this.nothing(vanished);
      return false;
    }
    demand(vanished.length === 1, `${vanished.length} stations vanished to make room`);
    const [victim] = vanished;
    const most = Math.max(...counts.values());
    demand(!isStatic(victim), 'a static entry was evicted');
    demand(
      counts.get(victim.port) === most,
      `port ${victim.port} lost one of ${counts.get(victim.port)}, another has ${most}`,
    );
    demand(
      victim.port === port || counts.get(port) !== most,
      "another port's station went although this one has as many",
    );
    this.remove(victim);
    return true;
  }

  private nothing(vanished: Entry[]): void {
    demand(vanished.length === 0, `${vanished.length} stations vanished for nothing`);
  }
}

function isStatic(entry: Entry): boolean {
  return (entry.flags & FdbFlag.STATIC) !== 0;
}

function demand(isSo: boolean, otherwise: string): void {
  if (!isSo) throw new Error(otherwise);
}

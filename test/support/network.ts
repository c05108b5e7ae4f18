/*
 * A dataplane whose ports are in memory, for tests: links have names, time stands still unless told, and frames that
 * go in come out within the same call.
 */
import { expect } from 'vitest';
import type { ArenaOptions } from '../../src/core/arena.js';
import { DROP_NAME, DROP_REASONS, DropReason } from '../../src/core/drop.js';
import {
  Counter,
  GONE_LINKS,
  isOutside,
  type Link,
  type LinkFlag,
  LinkKind,
  MAX_LINKS,
  Total,
} from '../../src/core/links.js';
import type { Port } from '../../src/core/port.js';
import { Dataplane, PORT_DEFAULTS, PortState } from '../../src/datapath.js';
import { Engine } from '../../src/engine.js';
import { MemoryPort } from '../../src/io/memory-port.js';
import { FdbFlag, type Station } from '../../src/tables/fdb.js';
import { formatMac, parseMac } from '../../src/wire/format.js';

/** 10 s before the clock wraps: every test with time in it crosses that. */
export const BEFORE_WRAP = 0x7fffffff - 10_000;

export interface NetworkOptions extends ArenaOptions {
  fdbCapacity?: number;
  now?: number;
}

/** An address as the FDB has it: bytes 0..1 and 2..5, little-endian. */
export function numbersOf(mac: string): { high: number; low: number } {
  const bytes = parseMac(mac);
  if (bytes === undefined) throw new Error(`"${mac}" is no MAC address`);
  const [a, b, c, d, e, f] = bytes;
  return { high: a | (b << 8), low: c | (d << 8) | (e << 16) | (f << 24) };
}

function textOf(high: number, low: number): string {
  const swapped = ((low & 0xff) << 24) | ((low & 0xff00) << 8) | ((low >>> 8) & 0xff00) | (low >>> 24);
  return formatMac(((high & 0xff) << 8) | (high >>> 8), swapped);
}

export class Network {
  readonly dataplane: Dataplane;
  readonly engine: Engine;
  now: number;
  private readonly numbers = new Map<string, Link>();
  private nextNumber = 1;
  /** What bridges that are gone have dropped because nobody listened. */
  private unheard = 0;

  constructor(options: NetworkOptions = {}) {
    const { now = BEFORE_WRAP, ...rest } = options;
    this.now = now;
    this.dataplane = new Dataplane({
      heads: 512,
      tails: 16,
      fdbCapacity: 1024,
      keys: Int32Array.of(1234567, -7654321, 1357911, 24681012),
      ...rest,
    });
    this.engine = new Engine(this.dataplane);
  }

  // --- configuration ----------------------------------------------------------------------------

  link(name: string): Link {
    const number = this.numbers.get(name);
    if (number === undefined) throw new Error(`there is no link "${name}"`);
    return number;
  }

  nameOf(link: Link): string {
    return [...this.numbers].find(([, number]) => number === link)?.[0] ?? `link ${link}`;
  }

  has(name: string): boolean {
    return this.numbers.has(name);
  }

  /** A number for a link of that name, which is still to be made. */
  newLink(name: string): Link {
    this.numbers.set(name, this.nextNumber);
    return this.nextNumber++;
  }

  bridge(name = 'br0'): this {
    const link = this.newLink(name);
    this.dataplane.addBridge(link, 1500);
    this.dataplane.setUp(link, true);
    return this;
  }

  /** A memory port, or another given one, with carrier but down and in no bridge. */
  port(name: string, mtu = 1500, port?: (link: Link) => Port): this {
    const link = this.newLink(name);
    this.dataplane.addLink(link, mtu, port?.(link) ?? new MemoryPort(this.dataplane.arena, link));
    this.dataplane.setCarrier(link, true);
    return this;
  }

  /** Ports that are up, in a bridge. */
  ports(names: string[], bridge = 'br0', mtu = 1500): this {
    for (const name of names) {
      this.port(name, mtu);
      this.join(name, bridge);
    }
    return this;
  }

  join(name: string, bridge: string): this {
    this.dataplane.setMaster(this.link(name), this.link(bridge), this.now);
    return this.up(name);
  }

  leave(name: string): this {
    this.dataplane.setMaster(this.link(name), -1, this.now);
    return this;
  }

  remove(name: string): this {
    const { kind, drops } = this.dataplane.links;
    const link = this.link(name);
    if (kind[link] === LinkKind.BRIDGE) this.unheard += drops[link * DropReason.COUNT + DropReason.NO_LISTENER];
    this.dataplane.removeLink(link, this.now);
    this.numbers.delete(name);
    return this;
  }

  up(name: string): this {
    this.dataplane.setUp(this.link(name), true);
    return this;
  }

  down(name: string): this {
    this.dataplane.setUp(this.link(name), false);
    return this;
  }

  /** A bridge port's options; what is not given is as by default. */
  options(
    name: string,
    set: LinkFlag | 0,
    clear: LinkFlag | 0 = 0,
    state = PortState.FORWARDING,
    learnLimit = 0,
  ): this {
    this.dataplane.setPort(this.link(name), (PORT_DEFAULTS | set) & ~clear, state, learnLimit);
    return this;
  }

  bridgeOptions(
    options: { ageingMs?: number; mask?: number; isTransparent?: boolean; learnLimit?: number },
    name = 'br0',
  ): this {
    const { ageingMs = 300_000, mask = 0, isTransparent = false, learnLimit = 0 } = options;
    this.dataplane.setBridge(this.link(name), ageingMs, mask, isTransparent, learnLimit);
    return this;
  }

  /** An FDB entry by command. False if it was refused. */
  station(mac: string, port: string, flags: FdbFlag | 0 = FdbFlag.STATIC, bridge = 'br0'): boolean {
    const { high, low } = numbersOf(mac);
    return this.dataplane.setStation(
      this.link(bridge),
      0,
      high,
      low,
      this.link(port),
      flags | FdbFlag.ADDED_BY_USER,
      this.now,
    );
  }

  // --- traffic ----------------------------------------------------------------------------------

  /** Lets time go by, with all the timer work that falls due. */
  wait(ms: number): this {
    const end = (this.now + ms) | 0;
    for (;;) {
      const dueMs = this.engine.timers(this.now);
      if (dueMs === 0) continue;
      const left = (end - this.now) | 0;
      if (left === 0) return this;
      this.now = (this.now + (dueMs < 0 ? left : Math.min(dueMs, left))) | 0;
    }
  }

  /** Lets much time go by as if the engine had slept most of it: the timer work that falls due is done once in ten days. */
  sleep(ms: number): this {
    const TEN_DAYS = 864_000_000;
    for (let left = ms; left > 0; left -= TEN_DAYS) {
      this.now = (this.now + Math.min(left, TEN_DAYS)) | 0;
      this.wait(0);
    }
    return this;
  }

  memory(name: string): MemoryPort {
    return this.dataplane.egress.ports[this.link(name)] as MemoryPort;
  }

  /** A frame comes in, and everything that follows from it happens. */
  send(name: string, ...frames: Uint8Array[]): this {
    for (const frame of frames) this.memory(name).feed(frame);
    return this.run(name);
  }

  run(...names: string[]): this {
    for (const name of names) this.engine.activate(this.link(name));
    while (!this.engine.isIdle) this.engine.round(this.now);
    return this;
  }

  /** What came out of a port since it was last asked. */
  take(name: string): Uint8Array[] {
    return this.memory(name).sent.splice(0);
  }

  /** The ports, of those named, that something came out of, with its frames taken. */
  outputs(...names: string[]): string[] {
    return names.filter((name) => this.take(name).length > 0);
  }

  // --- what is to be seen -----------------------------------------------------------------------

  /** The port that a station is behind, by its name; undefined if it is not known (any more). */
  where(mac: string, bridge = 'br0'): string | undefined {
    const { fdb } = this.dataplane;
    const { high, low } = numbersOf(mac);
    const domain = this.link(bridge) << 12;
    const slot = fdb.find(fdb.home(low, high, domain), low, high, domain);
    return slot < 0 || fdb.isExpired(slot, this.now) ? undefined : this.nameOf(fdb.port(slot));
  }

  /** All stations, as "MAC port", sorted. */
  stations(): string[] {
    const { fdb } = this.dataplane;
    const station: Station = { low: 0, high: 0, bridge: 0, vlan: 0, port: 0, flags: 0, updated: 0, used: 0 };
    const found: string[] = [];
    for (let slot = 0; slot <= fdb.mask; slot++) {
      if (!fdb.read(slot, station) || fdb.isExpired(slot, this.now)) continue;
      found.push(`${textOf(station.high, station.low)} ${this.nameOf(station.port)}`);
    }
    return found.sort();
  }

  counter(name: string, counter: Counter): number {
    return this.dataplane.links.counters[(this.link(name) << Counter.SHIFT) + counter];
  }

  /**
   * Drops by the reason's name, those that are not 0; of one link, or of all that are or ever were. Of all, those are left out that a
   * bridge's own stack drops as nothing to it: the frames of tests are of a type that nobody listens to, and it gets all that are flooded.
   */
  drops(name?: string): Record<string, number> {
    const { drops, kind } = this.dataplane.links;
    const found: Record<string, number> = {};
    for (const reason of DROP_REASONS) {
      let sum = name === undefined && reason === DropReason.NO_LISTENER ? -this.unheard : 0;
      if (name !== undefined) sum = drops[this.link(name) * DropReason.COUNT + reason];
      else
        for (let link = 0; link <= GONE_LINKS; link++)
          if (reason !== DropReason.NO_LISTENER || kind[link] !== LinkKind.BRIDGE)
            sum += drops[link * DropReason.COUNT + reason];
      if (sum !== 0) found[DROP_NAME[reason]] = sum;
    }
    return found;
  }

  /** The two sides of the conservation of frames. */
  balance(): { in: number; out: number; held: number } {
    const { dataplane } = this;
    const { counters, drops, totals } = dataplane.links;
    let [received, transmitted, dropped] = [0, 0, 0];
    for (let link = 0; link <= GONE_LINKS; link++) {
      if (link < MAX_LINKS && !isOutside(dataplane.links.kind[link])) continue;
      received += counters[(link << Counter.SHIFT) + Counter.RX_PACKETS];
      transmitted += counters[(link << Counter.SHIFT) + Counter.TX_PACKETS];
    }
    for (let i = 0; i < drops.length; i++) dropped += drops[i];
    dataplane.updateHeld();
    const held = totals[Total.HELD];
    return {
      in: received + totals[Total.GENERATED] + totals[Total.CLONED],
      out: transmitted + totals[Total.DELIVERED] + totals[Total.MERGED] + dropped + held,
      held,
    };
  }

  /** Holds the dataplane to its invariant, and to giving all frames back. */
  expectConserved(): void {
    const { in: taken, out, held } = this.balance();
    expect(out).toBe(taken);
    expect(held).toBe(0);
    const { arena } = this.dataplane;
    expect(arena.freeTailCount).toBe(arena.tails);
    expect(new Set(arena.freeHeads).size).toBe(arena.heads);
    expect(new Set(arena.freeTails).size).toBe(arena.tails);
  }
}

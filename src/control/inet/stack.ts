/*
 * All that the control plane knows of IP in one namespace: both families' routes, rules and addresses, and how they reach
 * the engine. Its parts know each other through it.
 */
import type { Family } from '../api/family.js';
import type { MonitorEvent } from '../api/monitor.js';
import type { RouteInfo } from '../api/route.js';
import type { Call } from '../engine-thread.js';
import type { AddressRoom } from './address-room.js';
import { Addresses4 } from './addresses4.js';
import { Addresses6 } from './addresses6.js';
import type { FibWriter } from './fib-writer.js';
import type { Addrconf, InetHost, InetLink, InetNamespace } from './host.js';
import type { Info } from './info.js';
import { Rib, type Table } from './rib.js';
import { routeInfo } from './route-info.js';
import { Routes4 } from './routes4.js';
import { Routes6 } from './routes6.js';
import { Rules } from './rules.js';

/** What of an event makes sense without its time. */
type Happening = MonitorEvent extends infer E ? (E extends MonitorEvent ? Omit<E, 'ts_us' | 'deleted'> : never) : never;

export class Stack {
  readonly rib4: Rib;
  readonly rib6: Rib;
  readonly rules4: Rules;
  readonly rules6: Rules;
  readonly routes4: Routes4;
  readonly routes6: Routes6;
  readonly addresses4: Addresses4;
  readonly addresses6: Addresses6;
  /** Of the operation under way: where the parts put engine calls that are neither FibOps nor lists. */
  calls: Call[] = [];
  private areRulesOld4 = false;
  private areRulesOld6 = false;

  constructor(
    readonly namespace: InetNamespace,
    readonly host: InetHost,
    readonly writer: FibWriter,
    readonly addressRoom: AddressRoom,
    readonly addrconf: () => Addrconf | undefined,
  ) {
    this.rib4 = new Rib(namespace, 4, writer);
    this.rib6 = new Rib(namespace, 6, writer);
    this.rules4 = new Rules(namespace, 4, this.rib4);
    this.rules6 = new Rules(namespace, 6, this.rib6);
    this.routes4 = new Routes4(this);
    this.routes6 = new Routes6(this);
    this.addresses4 = new Addresses4(this);
    this.addresses6 = new Addresses6(this);
  }

  rib(family: Family): Rib {
    return family === 4 ? this.rib4 : this.rib6;
  }

  rules(family: Family): Rules {
    return family === 4 ? this.rules4 : this.rules6;
  }

  /** net.ipv4.conf.LINK.KEY and the like; `link` may be "all". */
  conf(family: Family, link: InetLink | 'all', key: string): number {
    const name = link === 'all' ? link : link.name;
    return this.host.setting(this.namespace, `net.ipv${family}.conf.${name}.${key}`);
  }

  link(name: string): InetLink | undefined {
    return this.namespace.links.get(name);
  }

  // --- to the engine ----------------------------------------------------------------------------------

  /** Rules were changed, or what they refer to. */
  rulesChanged(family: Family): void {
    if (family === 4) this.areRulesOld4 = true;
    else this.areRulesOld6 = true;
  }

  /** Appends what is not written by FibOps: rules and addresses; and the choice between rules and the merged table. */
  finish(calls: Call[]): void {
    if (this.rib4.hasNewSlot || this.areRulesOld4) this.writeRules(4, calls);
    if (this.rib6.hasNewSlot || this.areRulesOld6) this.writeRules(6, calls);
    this.areRulesOld4 = false;
    this.areRulesOld6 = false;
    this.addresses4.write(calls);
    this.addresses6.write(calls);
  }

  private writeRules(family: Family, calls: Call[]): void {
    const rib = this.rib(family);
    rib.hasNewSlot = false;
    const rules = this.rules(family);
    const words = rules.words32();
    const isWalked = rules.isCustom || words.length > 0;
    this.writer.setMerged(this.namespace.number, family, isWalked ? -1 : rib.merged);
    calls.push(['setRules', this.namespace.number, family, words]);
  }

  /** Links came, went or are called otherwise: rules that name them match, or do not any more. */
  linksChanged(): void {
    if (this.rules4.isCustom) this.areRulesOld4 = true;
    if (this.rules6.isCustom) this.areRulesOld6 = true;
  }

  /** At the namespace's end. */
  rulesGone(calls: Call[]): void {
    for (const family of [4, 6] as const) {
      this.writer.setMerged(this.namespace.number, family, -1);
      if (this.rules(family).isCustom) calls.push(['setRules', this.namespace.number, family, new Int32Array(0)]);
    }
    this.areRulesOld4 = false;
    this.areRulesOld6 = false;
  }

  // --- time ---------------------------------------------------------------------------------------------

  /** ms until something ends; Infinity: nothing does. */
  nextEnd(now: number): number {
    return Math.min(this.addresses4.nextEnd(now), this.addresses6.nextEnd(now), this.routes6.nextEnd(now));
  }

  expire(now: number): void {
    this.addresses4.expire(now);
    this.addresses6.expire(now);
    this.routes6.expire(now);
  }

  // --- to those who watch -----------------------------------------------------------------------------

  tell(deleted: boolean, happening: () => Happening): void {
    if (!this.host.isMonitored()) return;
    this.host.onEvent(this.namespace, { ts_us: Date.now() * 1000, deleted, ...happening() } as MonitorEvent);
  }

  tellRoute(deleted: boolean, family: Family, table: Table, key: Int32Array, length: number, info: Info): void {
    if (!this.host.isMonitored()) return;
    const route: RouteInfo = routeInfo(this, family, table, key, length, info);
    this.tell(deleted, () => ({ object: 'route', route }));
  }

  destroy(): void {
    this.rib4.destroy();
    this.rib6.destroy();
  }
}

/*
 * IP in the control plane: addresses, routes and rules of all namespaces, with the kernel's semantics. Tables are kept here as
 * commands made them; what a packet needs of them is written to the engine (fib-writer.ts).
 *
 *   request ─► InetControl ─► Stack of the namespace ─► addresses4 · addresses6 · routes4 · routes6 · rules
 *   link events ──┘                                                │
 *                                          Rib ─► FibWriter ─► calls to the engine
 *
 * All of an operation happens at once, on the main thread; its calls leave in one transaction, the network's own if it comes from
 * a change of a link. Large ones leave in several, in order: the engine never works long between two bursts.
 */
import { SluiceError } from '../../core/errors.js';
import type { AddressInfo, ChangeAddress } from '../api/address.js';
import type { Family } from '../api/family.js';
import type { ChangeRoute, ChangeRoutes, GetRoute, ListRoutes, RouteFailures, RouteInfo } from '../api/route.js';
import type { ChangeRule, RuleInfo } from '../api/rule.js';
import type { Call } from '../engine-thread.js';
import type { LinkChange, SettingChange } from '../link-observer.js';
import { AddressRoom } from './address-room.js';
import { FibWriter } from './fib-writer.js';
import { type Addrconf, type InetHost, type InetLink, type InetNamespace, isRunning } from './host.js';
import type { Hop, Info } from './info.js';
import { formatKey } from './keys.js';
import { Refused, worded, wording } from './refused.js';
import type { Table } from './rib.js';
import { changeRoute, RouteBatchRun } from './route-changes.js';
import { getRoute } from './route-get.js';
import { inDumpOrder, routeInfo, sortedPrefixes } from './route-info.js';
import { linkNamed } from './route-spec.js';
import { Stack } from './stack.js';
import { InetTables6 } from './tables6.js';

/** Routes of one result of route.list. */
const PAGE = 2048;
/** Timers longer than this are looked at again. */
const MAX_DELAY_MS = 2 ** 30;

export class InetControl {
  /** What address configuration changes addresses and routes with. */
  readonly tables6: InetTables6;
  private readonly stacks = new Map<InetNamespace, Stack>();
  private readonly writer: FibWriter;
  private readonly addressRoom = new AddressRoom();
  private addrconf: Addrconf | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** host.now() at which the timer looks for what has ended. */
  private wakesAt = 0;
  /** Operations within operations leave their calls to the outermost. */
  private depth = 0;

  constructor(private readonly host: InetHost) {
    this.writer = new FibWriter((info, hop) => this.isAlive(info, hop));
    this.tables6 = new InetTables6(
      (link) => this.stackOf(link.namespace),
      (link, calls, act) => this.within(link.namespace, calls, act),
    );
  }

  /** Without one, IPv6 has no link-local addresses, and addresses are taken to be unique. */
  setAddrconf(addrconf: Addrconf): void {
    this.addrconf = addrconf;
  }

  /** Whether a next hop counts; it is the route's family whose setting decides. */
  private isAlive({ prefsrc }: Info, hop: Hop): boolean {
    const { routes4, routes6 } = this.stackOf(hop.link.namespace);
    return prefsrc.length === 1 ? routes4.isAlive(hop) : routes6.isAlive(hop);
  }

  private stackOf(namespace: InetNamespace): Stack {
    const known = this.stacks.get(namespace);
    if (known !== undefined) return known;
    const stack = new Stack(namespace, this.host, this.writer, this.addressRoom, () => this.addrconf);
    this.stacks.set(namespace, stack);
    return stack;
  }

  // --- operations ---------------------------------------------------------------------------------------

  /** Does something; what comes of it for the engine is appended to `calls`, whatever happens. */
  private within<T>(namespace: InetNamespace, calls: Call[], act: (stack: Stack) => T): T {
    const stack = this.stackOf(namespace);
    const outer = stack.calls;
    stack.calls = calls;
    this.depth++;
    try {
      return act(stack);
    } finally {
      stack.calls = outer;
      this.depth--;
      this.finish(stack, calls);
    }
  }

  private finish(stack: Stack, calls: Call[]): void {
    stack.finish(calls);
    const messages = this.writer.take();
    const last = messages.pop();
    for (const ops of messages) void this.host.transact([['fib', ops]]);
    if (last !== undefined) calls.push(['fib', last]);
    if (this.depth === 0) this.schedule(stack.nextEnd(this.host.now()));
  }

  /** A request: what it changed is with the engine when it is answered. */
  private async request<T>(namespace: InetNamespace, act: (stack: Stack) => T): Promise<T> {
    const calls: Call[] = [];
    const { rib4, rib6 } = this.stackOf(namespace);
    rib4.added = [];
    rib6.added = [];
    try {
      return this.within(namespace, calls, act);
    } finally {
      if (calls.length > 0) await this.transact(namespace, calls);
      rib4.added = undefined;
      rib6.added = undefined;
    }
  }

  private async transact(namespace: InetNamespace, calls: Call[]): Promise<void> {
    const results = await this.host.transact(calls);
    if (!calls.some(([method], i) => method === 'fib' && results[i] === false)) return;
    const again: Call[] = [];
    this.within(namespace, again, ({ rib4, rib6 }) => {
      rib4.revert();
      rib6.revert();
    });
    await this.host.transact(again);
    throw new SluiceError('ENOSPC', "cannot add routes: the datapath's table is full; delete some");
  }

  // --- addresses ----------------------------------------------------------------------------------------

  changeAddress(namespace: InetNamespace, request: ChangeAddress): Promise<void> {
    const verb = { 'addr.add': 'add', 'addr.change': 'change', 'addr.replace': 'replace', 'addr.del': 'delete' };
    const what = (): string => `${verb[request.op]} address ${request.local} of "${request.dev}"`;
    return this.request(namespace, (stack) =>
      wording(what, () => {
        const link = linkNamed(namespace, request.dev);
        if (request.local.includes(':')) stack.addresses6.change(link, request);
        else stack.addresses4.change(link, request);
      }),
    );
  }

  /** IPv4's, then IPv6's, in the order of `ip addr`. */
  addressesOf(link: InetLink): AddressInfo[] {
    const { addresses4, addresses6 } = this.stackOf(link.namespace);
    return [...addresses4.list(link), ...addresses6.list(link)];
  }

  /** The namespace's own parts, for those that configure it from inside: DHCP, neighbours. */
  stack(namespace: InetNamespace): Stack {
    return this.stackOf(namespace);
  }

  /** Changes something of a namespace's stack; the calls leave in a transaction of their own. */
  apply(namespace: InetNamespace, act: (stack: Stack) => void): Promise<void> {
    return this.request(namespace, act);
  }

  // --- routes -------------------------------------------------------------------------------------------

  changeRoute(namespace: InetNamespace, request: ChangeRoute): Promise<void> {
    return this.request(namespace, (stack) => changeRoute(stack, request));
  }

  changeRoutes(namespace: InetNamespace, request: ChangeRoutes): Promise<RouteFailures> {
    return this.request(namespace, (stack) => new RouteBatchRun(stack, request).run(request.stopAtFirst === true));
  }

  /** Sends pages of routes; the last is empty. What changes meanwhile is told as it is when its page is made. */
  async listRoutes(namespace: InetNamespace, request: ListRoutes, send: (page: RouteInfo[]) => void): Promise<void> {
    const stack = this.stackOf(namespace);
    if (request.cached === true) return;
    for (const table of this.tablesOf(stack, request)) {
      const words = table.prefixes.words + 1;
      const prefixes = sortedPrefixes(table);
      for (let at = 0; at < prefixes.length; at += PAGE * words) {
        send(pageOf(stack, request.family, table, prefixes.subarray(at, at + PAGE * words)));
        await new Promise(setImmediate);
      }
    }
  }

  private tablesOf(stack: Stack, { family, table: id }: ListRoutes): Table[] {
    const rib = stack.rib(family);
    if (id === undefined) return inDumpOrder(rib.tables.values());
    const table = rib.find(id);
    if (table !== undefined) return [table];
    if (id === 254) return [];
    throw new SluiceError(
      'ENOENT',
      `cannot show table ${id}: there is no such table; add a route to it first`,
      `ipv${family}: FIB table does not exist`,
    );
  }

  /** The route that a packet would take. */
  async getRoute(namespace: InetNamespace, request: GetRoute): Promise<RouteInfo> {
    try {
      return await getRoute(this.stackOf(namespace), request);
    } catch (error) {
      throw error instanceof Refused ? worded(error.refusal, `get route to ${request.dst}`) : error;
    }
  }

  // --- rules --------------------------------------------------------------------------------------------

  changeRule(namespace: InetNamespace, { op, family, rule }: ChangeRule): Promise<void> {
    const what = `${op === 'rule.add' ? 'add' : 'delete'} rule${rule.priority === undefined ? '' : ` ${rule.priority}`}`;
    return this.request(namespace, (stack) =>
      wording(
        () => what,
        () => {
          const rules = stack.rules(family);
          const changed = op === 'rule.add' ? rules.add(rule) : rules.remove(rule);
          if ('errno' in changed) throw worded(changed, what);
          stack.rulesChanged(family);
          stack.tell(op === 'rule.del', () => ({ object: 'rule', rule: rules.info(changed) }));
        },
      ),
    );
  }

  listRules(namespace: InetNamespace, family: Family): RuleInfo[] {
    const rules = this.stackOf(namespace).rules(family);
    return rules.all().map((rule) => rules.info(rule));
  }

  // --- what Network tells (LinkObserver) ----------------------------------------------------------------

  namespaceAdded(namespace: InetNamespace, calls: Call[]): void {
    this.within(namespace, calls, () => {});
  }

  namespaceRemoved(namespace: InetNamespace, calls: Call[]): void {
    const stack = this.stacks.get(namespace);
    if (stack === undefined) return;
    this.within(namespace, calls, () => {
      stack.destroy();
      stack.rulesGone(calls);
    });
    this.stacks.delete(namespace);
  }

  linkAdded(link: InetLink, calls: Call[]): void {
    this.within(link.namespace, calls, (stack) => {
      stack.linksChanged();
      if (link.isUp) this.up(stack, link);
    });
  }

  linkRemoved(link: InetLink, calls: Call[]): void {
    this.leave(link, link.namespace, calls);
  }

  linkMoved(link: InetLink, from: InetNamespace, calls: Call[]): void {
    this.leave(link, from, calls);
    this.linkAdded(link, calls);
  }

  private leave(link: InetLink, namespace: InetNamespace, calls: Call[]): void {
    this.within(namespace, calls, (stack) => {
      stack.routes4.linkDown(link, false);
      stack.addresses4.clear(link);
      stack.routes4.linkDown(link, true, true);
      stack.addresses6.linkDown(link, true);
      stack.linksChanged();
      stack.addresses4.forget(link);
      stack.addresses6.forget(link);
    });
  }

  linkChanged(link: InetLink, what: LinkChange, calls: Call[]): void {
    this.within(link.namespace, calls, (stack) => {
      if (what.name === true) this.renamed(stack, link);
      if (what.mtu === true) {
        stack.addresses4.mtuChanged(link);
        stack.addresses6.mtuChanged(link);
      }
      if (what.up === true) this.upChanged(stack, link);
      else if (what.carrier === true) this.carrierChanged(stack, link);
    });
  }

  private renamed(stack: Stack, link: InetLink): void {
    stack.addresses4.renamed(link);
    stack.linksChanged();
  }

  private upChanged(stack: Stack, link: InetLink): void {
    if (link.isUp) return this.up(stack, link);
    stack.routes4.linkDown(link, false);
    stack.addresses6.linkDown(link, false);
  }

  private up(stack: Stack, link: InetLink): void {
    stack.addresses4.linkUp(link);
    stack.routes4.linkUp(link, 'link');
    stack.addresses6.linkUp(link);
  }

  private carrierChanged(stack: Stack, link: InetLink): void {
    if (!link.isUp) return;
    if (isRunning(link)) {
      stack.routes4.linkUp(link, 'carrier');
      stack.addresses6.carrierBack(link);
    } else {
      stack.routes4.carrierLost(link);
      stack.addresses6.carrierLost(link);
    }
  }

  settingChanged(namespace: InetNamespace, { family, name, link, to }: SettingChange, calls: Call[]): void {
    this.within(namespace, calls, (stack) => {
      const links = link === undefined ? [...namespace.links.values()] : [link];
      if (family === 6) {
        if (link !== undefined) stack.addresses6.settingChanged(link, name, to);
      } else if (name === 'ignore_routes_with_linkdown') for (const each of links) stack.routes4.settingChanged(each);
    });
  }

  // --- time ---------------------------------------------------------------------------------------------

  /** Sets the timer, if something ends sooner than what it is set for: lifetimes of addresses and routes. */
  private schedule(ms: number): void {
    if (!Number.isFinite(ms)) return;
    const at = this.host.now() + ms;
    if (this.timer !== undefined && at >= this.wakesAt) return;
    clearTimeout(this.timer);
    this.wakesAt = at;
    this.timer = setTimeout(() => void this.expire(), Math.min(Math.max(ms, 1), MAX_DELAY_MS));
    this.timer.unref();
  }

  /** Ends what is over now. */
  async expire(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const stack of [...this.stacks.values()]) {
      const now = this.host.now();
      if (stack.nextEnd(now) <= 0) await this.request(stack.namespace, () => stack.expire(now));
      this.schedule(stack.nextEnd(now));
    }
  }

  /** Ends the timer. */
  close(): void {
    clearTimeout(this.timer);
  }

  /** Bytes and routes of the tables here, for measurements. */
  measure(): { routes: number; bytes: number; infos: number } {
    let [routes, bytes, infos] = [0, 0, 0];
    for (const { rib4, rib6 } of this.stacks.values()) {
      routes += rib4.size + rib6.size;
      bytes += rib4.bytes + rib6.bytes;
      infos += rib4.infos.count + rib6.infos.count;
    }
    return { routes, bytes, infos };
  }
}

/** What leads to one Info differs in the destination only. */
function pageOf(stack: Stack, family: Family, table: Table, prefixes: Int32Array): RouteInfo[] {
  const { words } = table.prefixes;
  const page: RouteInfo[] = [];
  const key = new Int32Array(words);
  const rib = stack.rib(family);
  const known = new Map<Info, RouteInfo>();
  for (let at = 0; at < prefixes.length; at += words + 1) {
    for (let i = 0; i < words; i++) key[i] = prefixes[at + i];
    const length = prefixes[at + words];
    for (let alias = table.prefixes.find(key, length); alias !== 0; alias = table.prefixes.next(alias)) {
      const info = rib.infoOf(table, alias);
      const like = known.get(info);
      const route = like === undefined ? routeInfo(stack, family, table, key, length, info) : { ...like };
      if (like === undefined) known.set(info, route);
      else route.dst = `${formatKey(key)}/${length}`;
      page.push(route);
    }
  }
  return page;
}

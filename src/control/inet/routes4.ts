/*
 * IPv4 routes, with the kernel's rules (fib_semantics.c, fib_trie.c, fib_frontend.c): what a route may say, which of several
 * routes to a prefix a command means, and what becomes of routes when links and addresses change.
 *
 *   link goes down     next hops by it are dead, but for local ones; a route whose next hops are all dead goes
 *   carrier is lost    next hops by it are marked linkdown, and nothing goes
 *   link comes up      dead next hops of multipath routes live again; connected routes come back with the addresses
 *   last address goes  all routes by the link go
 *   an address goes    routes of main that prefer it as source go
 */
import { Scope } from '../../route/addresses.js';
import { NextHopFlag, RouteType } from '../../route/fib.js';
import { type InetLink, isRunning } from './host.js';
import { errorOf, type Hop, type Info, type InfoTemplate, isZero, NO_GATEWAY, sameWords } from './info.js';
import { hasHostBits, TableId } from './keys.js';
import { isFound, lookup, lookupIn, type Outcome, type Wanted } from './lookup.js';
import { EXISTS, NOT_FOUND, NOTHING_TO_CHANGE, type Refusal, refuse, unlessRefused } from './refused.js';
import type { Rib, Table } from './rib.js';
import { ignoresLinkDown } from './route-info.js';
import { type HopSpec, isError, Protocol, type RouteSpec, VERBS, type VerbFlags } from './route-spec.js';
import type { RuleFlow } from './rules.js';
import type { Stack } from './stack.js';

const GATEWAY = 'Nexthop has invalid gateway';

/** fib_props: no route of a type may be said to lead further than this. */
const TYPE_SCOPE: Record<number, number> = {
  [RouteType.LOCAL]: Scope.HOST,
  [RouteType.BROADCAST]: Scope.LINK,
  [RouteType.ANYCAST]: Scope.LINK,
};

/** Why a link lost its next hops: DOWN also counts for its end (UNREGISTER). */
export type LossOf = 'link' | 'carrier';

export function ownFlow(destination: Int32Array): RuleFlow {
  const source = new Int32Array(4);
  return { iif: 'lo', oif: '', mark: 0, tos: 0, protocol: 0, sport: 0, dport: 0, source, destination };
}

function isBroadcastOrZero(address: number): boolean {
  return address === -1 || address === 0;
}

const isMulticast = (address: number): boolean => address >>> 28 === 14;

export class Routes4 {
  private readonly rib: Rib;
  private readonly ignores = (link: InetLink): boolean => ignoresLinkDown(this.stack, 4, link);

  constructor(private readonly stack: Stack) {
    this.rib = stack.rib4;
  }

  // --- commands ---------------------------------------------------------------------------------------

  /** Adds or changes a route. `create` makes or finds its Info. */
  put(flags: VerbFlags, tableId: number, key: Int32Array, length: number, create: () => Info): Refusal | undefined {
    checkBits(key, length);
    const table = this.rib.table(tableId);
    const info = create();
    const refusal = this.place(flags, table, key, length, info);
    if (info.references === 0) this.rib.infos.forget(info);
    return refusal;
  }

  /** An Info as a command says it, checked against the routes there are. */
  create(spec: RouteSpec, key: Int32Array): Info {
    const template = this.templateOf(spec);
    this.checkShape(spec);
    if (isError(spec.type)) return this.intern(template);
    if (spec.scope > Scope.HOST)
      refuse('EINVAL', `its scope is ${spec.scope}`, 'use host, link or global', 'Invalid scope');
    this.resolve(template, spec);
    if (!isZero(spec.prefsrc) && !this.isPrefsrcValid(spec, key))
      refuse('EINVAL', 'its src is no address of this host', 'add the address first', 'Invalid prefsrc address');
    return this.intern(template);
  }

  private intern(template: InfoTemplate): Info {
    const info = this.rib.infos.intern(template);
    if (info.references > 0) return info;
    const { hops } = info;
    const isDown = hops.length > 0 && hops.every(({ flags }) => (flags & NextHopFlag.LINKDOWN) !== 0);
    info.flags = isDown ? NextHopFlag.LINKDOWN : 0;
    this.judge(info);
    return info;
  }

  private place(flags: VerbFlags, table: Table, key: Int32Array, length: number, info: Info): Refusal | undefined {
    const { prefixes } = table;
    let previous = 0;
    let first = prefixes.find(key, length);
    while (first !== 0 && this.rib.infoOf(table, first).metric < info.metric) {
      previous = first;
      first = prefixes.next(first);
    }
    if (first !== 0 && this.rib.infoOf(table, first).metric === info.metric) {
      if (flags.exclusive) return EXISTS;
      const { match, last } = this.matchFrom(table, first, info);
      if (flags.replace) {
        if (match !== 0) return match === first ? undefined : EXISTS;
        this.rib.replace(table, first, info);
        this.stack.tellRoute(false, 4, table, key, length, info);
        return undefined;
      }
      if (match !== 0) return EXISTS;
      if (flags.append) previous = last;
    }
    if (!flags.create) return NOTHING_TO_CHANGE;
    this.rib.insert(table, key, length, info, previous);
    this.stack.tellRoute(false, 4, table, key, length, info);
    return undefined;
  }

  /** Of the aliases of one metric: the one of this Info, and the last. */
  private matchFrom(table: Table, first: number, info: Info): { match: number; last: number } {
    let match = 0;
    let last = first;
    for (let alias = first; alias !== 0; alias = table.prefixes.next(alias)) {
      const other = this.rib.infoOf(table, alias);
      if (other.metric !== info.metric) break;
      if (other === info && match === 0) match = alias;
      last = alias;
    }
    return { match, last };
  }

  remove(spec: RouteSpec, key: Int32Array, length: number): Refusal | undefined {
    checkBits(key, length);
    const table = this.rib.find(spec.table);
    if (table === undefined) return { ...NOT_FOUND, extack: 'FIB table does not exist' };
    let alias = table.prefixes.find(key, length);
    while (alias !== 0 && !this.isMeant(this.rib.infoOf(table, alias), spec)) alias = table.prefixes.next(alias);
    if (alias === 0) return NOT_FOUND;
    this.drop(table, alias, true);
    return undefined;
  }

  private drop(table: Table, alias: number, isTold: boolean): void {
    if (isTold) {
      const key = new Int32Array(4);
      table.prefixes.loadKey(alias, key);
      const info = this.rib.infoOf(table, alias);
      this.stack.tellRoute(true, 4, table, key, table.prefixes.lengthOf(alias), info);
    }
    this.rib.remove(table, alias);
  }

  /** Whether a deletion means this route: only what it says is compared. */
  private isMeant(info: Info, spec: RouteSpec): boolean {
    if (spec.type !== RouteType.NONE && info.type !== spec.type) return false;
    if (spec.scope !== Scope.NOWHERE && info.scope !== spec.scope) return false;
    if (!isZero(spec.prefsrc) && !sameWords(info.prefsrc, spec.prefsrc)) return false;
    if (spec.protocol !== Protocol.UNSPEC && info.protocol !== spec.protocol) return false;
    if (spec.metric !== 0 && info.metric !== spec.metric) return false;
    if (spec.mtu !== 0 && spec.mtu !== info.mtu) return false;
    if (spec.hoplimit !== 0 && spec.hoplimit !== info.hoplimit) return false;
    if (spec.hops.length === 0) return true;
    const [only] = spec.hops;
    // A route that rejects has a next hop without link and gateway, for the kernel.
    if (info.hops.length === 0) return spec.hops.length > 1 && only.link === undefined && only.family !== 4;
    if (spec.hops.length === 1) return isHopMeant(info.hops[0], only);
    return info.hops.every((hop, i) => spec.hops[i] !== undefined && isOneMeant(hop, spec.hops[i]));
  }

  // --- what a route may say -------------------------------------------------------------------------------

  private templateOf(spec: RouteSpec): InfoTemplate {
    const { type, table, protocol, scope, metric, prefsrc, mtu, hoplimit } = spec;
    const own = { type, table, protocol, scope, metric, prefsrc, mtu, hoplimit };
    return { ...own, pref: 0, expires: 0, isLearned: false, isReject: false, hops: [] };
  }

  private checkShape({ type, scope, hops }: RouteSpec): void {
    if ((TYPE_SCOPE[type] ?? Scope.UNIVERSE) > scope)
      refuse('EINVAL', 'its type does not reach as far as its scope', 'leave out the scope', 'Invalid scope');
    if (isError(type) && hops.length > 0)
      refuse(
        'EINVAL',
        'a route of its type leads nowhere',
        'leave out via and dev',
        'Gateway, device and multipath can not be specified for this route type',
      );
  }

  /** Fills in the next hops: their links, how far they are, and their state. */
  private resolve(template: InfoTemplate, spec: RouteSpec): void {
    const hops = spec.hops.length === 0 ? [NOWHERE] : spec.hops;
    if (spec.scope === Scope.HOST) template.hops = [this.hostHop(hops)];
    else template.hops = hops.map((hop) => this.hopOf(hop, spec));
  }

  private hostHop(hops: readonly HopSpec[]): Hop {
    if (hops.length > 1)
      refuse(
        'EINVAL',
        'a route to this host has one next hop',
        'name one',
        'Route with host scope can not have multiple nexthops',
      );
    const [{ link, family }] = hops;
    if (family !== 0)
      refuse(
        'EINVAL',
        'a route to this host has no gateway',
        'leave it out',
        'Route with host scope can not have a gateway',
      );
    if (link === undefined) return noDevice();
    return { link, family: 0, gateway: NO_GATEWAY, weight: 1, flags: 0, scope: Scope.NOWHERE };
  }

  private hopOf(hop: HopSpec, spec: RouteSpec): Hop {
    if (hop.family === 4) return hop.isOnlink ? this.onlinkHop(hop, spec) : this.gatewayHop(hop, spec);
    if (hop.family === 6) return this.stack.routes6.hopFor4(hop, spec.table);
    if (hop.isOnlink)
      refuse(
        'EINVAL',
        'onlink says something of a gateway, and it has none',
        'leave it out',
        'Invalid flags for nexthop - PERVASIVE and ONLINK can not be set',
      );
    if (hop.link === undefined) return noDevice();
    if (!hop.link.isUp)
      refuse('ENETDOWN', `"${hop.link.name}" is down`, 'set it up first', 'Device for nexthop is not up');
    return hopBy(hop, hop.link, Scope.HOST);
  }

  private onlinkHop(hop: HopSpec, { scope }: RouteSpec): Hop {
    const { link } = hop;
    if (scope >= Scope.LINK)
      refuse(
        'EINVAL',
        'a route through a gateway leads further than its link',
        'leave out the scope',
        'Nexthop has invalid scope',
      );
    if (link === undefined)
      return refuse('ENODEV', 'onlink needs a link', 'name it with dev', 'Nexthop device required for onlink');
    if (!link.isUp) refuse('ENETDOWN', `"${link.name}" is down`, 'set it up first', 'Nexthop device is not up');
    if (this.addressType(hop.gateway[0]) !== RouteType.UNICAST)
      refuse('EINVAL', 'its gateway is this host, or many', 'name another router', GATEWAY);
    return {
      ...hopBy(hop, link, Scope.LINK),
      flags: NextHopFlag.ONLINK | (link.hasCarrier ? 0 : NextHopFlag.LINKDOWN),
    };
  }

  private gatewayHop(hop: HopSpec, spec: RouteSpec): Hop {
    const hint = 'add a route to the gateway first, or say onlink';
    const outcome = this.gatewayRoute(hop, spec);
    if (!isFound(outcome))
      return refuse(outcome ?? 'ENETUNREACH', 'its gateway is not on a link of ours', hint, GATEWAY);
    const { info, hop: index } = outcome;
    if (info.type !== RouteType.UNICAST && info.type !== RouteType.LOCAL)
      refuse('EINVAL', 'its gateway is no unicast address', hint, GATEWAY);
    const link = info.hops[index]?.link;
    if (link === undefined)
      return refuse('EINVAL', 'the route to its gateway has no link', hint, 'No egress device for nexthop gateway');
    if (!link.isUp) refuse('ENETDOWN', `"${link.name}" is down`, 'set it up first');
    return hopBy(hop, link, info.scope);
  }

  private gatewayRoute(hop: HopSpec, spec: RouteSpec): Outcome {
    const scope = Math.max(spec.scope + 1, Scope.LINK);
    const wanted: Wanted = { address: hop.gateway, scope, oif: hop.link, ignoresCarrier: true };
    const own = spec.table === TableId.MAIN ? undefined : this.rib.find(spec.table);
    const found = own === undefined ? undefined : lookupIn(this.rib, this.tableGroup(own), wanted, this.ignores);
    return isFound(found) ? found : this.lookup(wanted, { ...ownFlow(hop.gateway), oif: hop.link?.name ?? '' });
  }

  private isPrefsrcValid({ type, table, prefsrc }: RouteSpec, key: Int32Array): boolean {
    if (type === RouteType.LOCAL && key[0] !== 0 && prefsrc[0] === key[0]) return true;
    const id = table === TableId.MAIN ? TableId.LOCAL : table;
    if (this.addressType(prefsrc[0], id) === RouteType.LOCAL) return true;
    return id !== TableId.LOCAL && this.addressType(prefsrc[0], TableId.LOCAL) === RouteType.LOCAL;
  }

  // --- look-up --------------------------------------------------------------------------------------------

  lookup(wanted: Wanted, flow: RuleFlow): Outcome {
    return lookup(this.rib, this.stack.rules4, wanted, flow, this.ignores);
  }

  /** A table, with the one it is merged with. */
  private tableGroup(table: Table): Table[] {
    if (this.rib.isSplit || (table.id !== TableId.LOCAL && table.id !== TableId.MAIN)) return [table];
    return [TableId.LOCAL, TableId.MAIN].map((id) => this.rib.find(id)).filter((other) => other !== undefined);
  }

  /** The link of an address that is local by a route alone: 127.0.0.2, or one that `ip route add local` made so. */
  linkOfLocal(address: number): InetLink | undefined {
    const table = this.rib.find(TableId.LOCAL);
    if (table === undefined) return undefined;
    const wanted = { address: Int32Array.of(address), scope: 0, oif: undefined, ignoresCarrier: false };
    const outcome = lookupIn(this.rib, this.tableGroup(table), wanted, this.ignores);
    return isFound(outcome) && outcome.info.type === RouteType.LOCAL ? outcome.info.hops[outcome.hop].link : undefined;
  }

  /** What an address is to this host (inet_addr_type): LOCAL, BROADCAST, MULTICAST, or UNICAST. */
  addressType(address: number, tableId: number = TableId.LOCAL): RouteType {
    if (isBroadcastOrZero(address)) return RouteType.BROADCAST;
    if (isMulticast(address)) return RouteType.MULTICAST;
    const table = this.rib.find(tableId);
    // As long as there is no table, nothing is known to be a host.
    if (table === undefined) return RouteType.BROADCAST;
    const wanted = { address: Int32Array.of(address), scope: 0, oif: undefined, ignoresCarrier: false };
    const outcome = lookupIn(this.rib, this.tableGroup(table), wanted, this.ignores);
    return isFound(outcome) ? outcome.info.type : RouteType.UNICAST;
  }

  // --- routes of addresses ----------------------------------------------------------------------------------

  /** A route that the kernel makes for an address (fib_magic). */
  addMagic(type: RouteType, address: number, length: number, link: InetLink, prefsrc: number, metric: number): void {
    const spec = this.magicSpec(type, link, prefsrc, metric);
    const table = this.rib.table(spec.table);
    $key[0] = address;
    const template = this.templateOf(spec);
    // As in the kernel nobody is told of a refusal: most often the route comes when the link is up.
    unlessRefused(() => {
      this.resolve(template, spec);
      if (!this.isPrefsrcValid(spec, $key)) return;
      const info = this.intern(template);
      this.place(VERBS.append, table, $key, length, info);
      if (info.references === 0) this.rib.infos.forget(info);
    });
  }

  removeMagic(type: RouteType, address: number, length: number, link: InetLink, prefsrc: number, metric: number): void {
    $key[0] = address;
    const spec = this.magicSpec(type, link, prefsrc, metric);
    this.rib.table(spec.table);
    this.remove(spec, $key, length);
  }

  private magicSpec(type: RouteType, link: InetLink, prefsrc: number, metric: number): RouteSpec {
    return {
      type,
      table: type === RouteType.UNICAST ? TableId.MAIN : TableId.LOCAL,
      protocol: Protocol.KERNEL,
      scope: type === RouteType.LOCAL ? Scope.HOST : Scope.LINK,
      metric,
      prefsrc: Int32Array.of(prefsrc),
      mtu: 0,
      hoplimit: 0,
      pref: 0,
      expires: 0,
      hops: [{ link, family: 0, gateway: NO_GATEWAY, weight: 1, isOnlink: false }],
    };
  }

  // --- links and addresses change -----------------------------------------------------------------------------

  /** Works out what the state of an Info's next hops means for it. */
  private judge(info: Info): void {
    info.isUsable =
      errorOf(info.type) !== undefined ||
      ((info.flags & NextHopFlag.DEAD) === 0 && info.hops.some((hop) => this.isAlive(hop)));
  }

  isAlive({ flags, link }: Hop): boolean {
    if ((flags & NextHopFlag.DEAD) !== 0) return false;
    return (flags & NextHopFlag.LINKDOWN) === 0 || !this.ignores(link);
  }

  private infosBy(link: InetLink): Info[] {
    return this.rib.infos.all().filter(({ hops }) => hops.some((hop) => hop.link === link));
  }

  /** fib_sync_down_dev; `all`: local routes, too. Routes that are dead go. */
  linkDown(link: InetLink, all: boolean, isGone = false): void {
    const changed = new Set<Info>();
    for (const info of this.infosBy(link)) {
      if (this.markDown(info, link, 'link', all)) changed.add(info);
      if (isGone) info.flags |= NextHopFlag.DEAD | NextHopFlag.LINKDOWN;
    }
    this.flush();
    this.settle(changed);
  }

  carrierLost(link: InetLink): void {
    this.settle(new Set(this.infosBy(link).filter((info) => this.markDown(info, link, 'carrier', false))));
  }

  private markDown(info: Info, link: InetLink, loss: LossOf, all: boolean): boolean {
    const flags = loss === 'link' ? NextHopFlag.DEAD | NextHopFlag.LINKDOWN : NextHopFlag.LINKDOWN;
    let dead = 0;
    let isChanged = false;
    for (const hop of info.hops) {
      if ((hop.flags & NextHopFlag.DEAD) !== 0) dead++;
      else if (hop.link === link && (all || hop.scope !== Scope.NOWHERE)) {
        isChanged ||= (hop.flags & flags) !== flags;
        hop.flags |= flags;
        dead++;
      }
    }
    if (dead === info.hops.length) info.flags |= flags;
    if ((info.flags & NextHopFlag.DEAD) !== 0) info.isUsable = false;
    return isChanged;
  }

  /** fib_sync_up: the link is up again, or its carrier is back. */
  linkUp(link: InetLink, after: LossOf): void {
    if (!link.isUp) return;
    let flags = after === 'link' ? NextHopFlag.DEAD : NextHopFlag.LINKDOWN;
    if (after === 'link' && isRunning(link)) flags |= NextHopFlag.LINKDOWN;
    const changed = new Set<Info>();
    for (const info of this.infosBy(link)) if (this.markUp(info, link, flags)) changed.add(info);
    this.settle(changed);
  }

  private markUp(info: Info, link: InetLink, flags: number): boolean {
    let alive = 0;
    let isChanged = false;
    for (const hop of info.hops) {
      if ((hop.flags & flags) === 0) alive++;
      else if (hop.link === link) {
        hop.flags &= ~flags;
        isChanged = true;
        alive++;
      }
    }
    if (alive > 0) info.flags &= ~flags;
    return isChanged;
  }

  /** Whether next hops without carrier are ignored was changed. */
  settingChanged(link: InetLink): void {
    this.settle(new Set(this.infosBy(link)));
  }

  private settle(changed: Set<Info>): void {
    const left = [...changed].filter(({ references }) => references > 0);
    this.rib.refresh(left, (info) => this.judge(info));
  }

  /** An address is gone for good: routes of main that prefer it as source go (fib_sync_down_addr). */
  addressGone(address: number): void {
    const flushed = this.rib.infos
      .all()
      .filter(({ prefsrc, table }) => table === TableId.MAIN && prefsrc[0] === address);
    for (const info of flushed) info.flags |= NextHopFlag.DEAD;
    if (flushed.length > 0) this.flush(true);
  }

  /** Takes out dead routes (fib_flush). Monitors are told only of those that lose their source. */
  private flush(isTold = false): void {
    const dead = this.rib.select((info) => (info.flags & NextHopFlag.DEAD) !== 0);
    for (const [table, alias] of dead) this.drop(table, alias, isTold);
  }
}

const NOWHERE: HopSpec = { link: undefined, family: 0, gateway: NO_GATEWAY, weight: 1, isOnlink: false };

function checkBits(key: Int32Array, length: number): void {
  if (!hasHostBits(key, 1, length)) return;
  refuse('EINVAL', 'it has bits behind its length', 'clear them', 'Invalid prefix for given prefix length');
}

function noDevice(): never {
  return refuse('ENODEV', 'it does not say where it leads', 'name a gateway with via, or a link with dev');
}

function hopBy({ family, gateway, weight }: HopSpec, link: InetLink, scope: number): Hop {
  return { link, family, gateway, weight, flags: link.hasCarrier ? 0 : NextHopFlag.LINKDOWN, scope };
}

/** Of several: there, one without a gateway is meant by any IPv6 one, too (fib_nh_match). */
function isOneMeant(hop: Hop, wanted: HopSpec): boolean {
  const isAny = wanted.family === 6 && hop.family === 0;
  return isHopMeant(hop, isAny ? { ...wanted, family: 0 } : wanted);
}

function isHopMeant(hop: Hop, wanted: HopSpec): boolean {
  if (wanted.link !== undefined && wanted.link !== hop.link) return false;
  return wanted.family === 0 || (wanted.family === hop.family && sameWords(wanted.gateway, hop.gateway));
}

const $key = new Int32Array(4);

/*
 * IPv6 routes, with the kernel's rules (route.c, ip6_fib.c). Unlike IPv4:
 *
 * - The metric is 1024 where none is given. Routes through gateways with one prefix and metric are one multipath route:
 *   adding another one makes it a next hop more, and deleting with a gateway takes that next hop out. An alias here is the whole
 *   multipath route.
 * - Bits behind the length are cleared, not refused. Scopes mean nothing. Of what a deletion names, the type is not compared.
 * - Routes that reject lead to lo, and so does a route that a command leads to lo itself.
 * - When a link goes down all its routes go, whoever made them; of multipath routes that lead elsewhere, too, its next hops are
 *   dead.
 */
import { Scope } from '../../route/addresses.js';
import { NextHopFlag, RouteType } from '../../route/fib.js';
import { type InetLink, isLoopback, isRunning } from './host.js';
import { type Hop, type Info, type InfoTemplate, isZero, NO_GATEWAY, sameWords } from './info.js';
import { maskKey, TableId } from './keys.js';
import { isFound, lookup, lookupIn, type Outcome, type Wanted } from './lookup.js';
import { EXISTS, NOT_FOUND, NOTHING_TO_CHANGE, type Refusal, refuse, unlessRefused } from './refused.js';
import type { Rib, Table } from './rib.js';
import { ignoresLinkDown } from './route-info.js';
import { type HopSpec, isError, Protocol, type RouteSpec, VERBS, type VerbFlags } from './route-spec.js';
import { ownFlow } from './routes4.js';
import type { RuleFlow } from './rules.js';
import type { Stack } from './stack.js';

/** IP6_RT_PRIO_USER and IP6_RT_PRIO_ADDRCONF. */
const USER_METRIC = 1024;
export const ADDRCONF_METRIC = 256;

/** A route that addrconf makes, in the words it has. */
export interface LearnedRoute {
  key: Int32Array;
  length: number;
  link: InetLink;
  metric: number;
  protocol: number;
  type?: RouteType;
  table?: number;
  gateway?: Int32Array;
  /** Seconds; 0 = for ever. */
  expires?: number;
  pref?: number;
  mtu?: number;
  hoplimit?: number;
  /** Of a router advertisement (RTF_ADDRCONF). */
  isLearned?: boolean;
}

export const isLinkLocal = (key: Int32Array): boolean => key[0] >>> 22 === 0x3fa;
export const isMulticast6 = (key: Int32Array): boolean => key[0] >>> 24 === 0xff;
const startsWithZeros = (key: Int32Array): boolean => key[0] === 0 && key[1] === 0;
export const isLoopback6 = (key: Int32Array): boolean => startsWithZeros(key) && key[2] === 0 && key[3] === 1;

/** Of the kernel's own making, for packets to this host: no matter whether the link has a carrier, and delivered by lo. */
export const isOwn = ({ type, protocol }: InfoTemplate): boolean =>
  type === RouteType.LOCAL || (type === RouteType.ANYCAST && protocol === Protocol.KERNEL);

/** Whether it may be a next hop of a multipath route. */
const isJoinable = ({ isLearned, hops }: InfoTemplate): boolean => !isLearned && (hops[0]?.family ?? 0) !== 0;

const isSameHop = (a: Hop, b: Hop): boolean => a.link === b.link && sameWords(a.gateway, b.gateway);

export class Routes6 {
  private readonly rib: Rib;
  /** Infos of templates that batches use again and again. */
  private readonly interned = new WeakMap<InfoTemplate, Info>();
  /** Some routes end. */
  private isAging = false;
  private readonly ignores = (link: InetLink): boolean => ignoresLinkDown(this.stack, 6, link);

  constructor(private readonly stack: Stack) {
    this.rib = stack.rib6;
  }

  // --- commands ---------------------------------------------------------------------------------------

  /** Adds or changes a route. `templates`: one for each next hop, checked. */
  put(
    flags: VerbFlags,
    tableId: number,
    key: Int32Array,
    length: number,
    templates: readonly InfoTemplate[],
  ): Refusal | undefined {
    const table = this.rib.table(tableId);
    let now = flags;
    for (const [i, template] of templates.entries()) {
      const told = i < templates.length - 1 ? 'nothing' : i === 0 ? 'newest first' : 'in order';
      const refusal = this.place(now, table, key, length, template, told);
      if (refusal !== undefined) {
        for (const added of templates.slice(0, i)) this.removeHop(table, key, length, added);
        return refusal;
      }
      now = { create: true, exclusive: false, replace: false, append: true };
    }
    return undefined;
  }

  /** Checks a route for a destination; what it may lead to does not depend on other routes to it. */
  create(spec: RouteSpec, key: Int32Array): InfoTemplate[] {
    const hops = spec.hops.length === 0 ? [NOWHERE] : spec.hops;
    if (hops.length > 1 && hops.some(({ family }) => family === 0))
      refuse(
        'EINVAL',
        'a multipath route needs gateways',
        'give each next hop a via',
        'Device only routes can not be added for IPv6 using the multipath API.',
      );
    this.rib.table(spec.table);
    const templates = hops.map((hop) => this.templateOf(spec, hop, key));
    this.checkTwice(templates);
    return templates;
  }

  private checkTwice(templates: readonly InfoTemplate[]): void {
    for (const [i, { hops }] of templates.entries())
      if (templates.slice(0, i).some((other) => isSameHop(other.hops[0], hops[0])))
        refuse('EEXIST', 'it names a next hop twice', 'name each once');
  }

  private templateOf(spec: RouteSpec, hop: HopSpec, key: Int32Array): InfoTemplate {
    const { type, table, mtu, hoplimit, prefsrc, pref } = spec;
    const isReject = this.isReject(type, hop.link, key);
    const only = isError(type) ? this.rejectHop(hop) : this.hopOf(hop, spec);
    if (!isZero(prefsrc) && !this.stack.addresses6.isSource(prefsrc, only.link))
      refuse('EINVAL', 'its src is no address of this host', 'add the address first', 'Invalid source address');
    return {
      type,
      table,
      protocol: spec.protocol === Protocol.UNSPEC ? Protocol.BOOT : spec.protocol,
      scope: 0,
      metric: spec.metric === 0 ? USER_METRIC : spec.metric,
      prefsrc,
      mtu,
      hoplimit,
      pref,
      expires: isReject ? 0 : this.endOf(spec.expires),
      isLearned: false,
      isReject,
      hops: [only],
    };
  }

  /** When a route of so many seconds ends; 0 of both: never. */
  private endOf(seconds: number): number {
    return seconds === 0 ? 0 : this.stack.host.now() + seconds * 1000;
  }

  private place(
    flags: VerbFlags,
    table: Table,
    key: Int32Array,
    length: number,
    template: InfoTemplate,
    told: 'nothing' | 'newest first' | 'in order' = 'newest first',
  ): Refusal | undefined {
    const { prefixes } = table;
    const joins = isJoinable(template);
    let previous = 0;
    let replaced = 0;
    let fallback = 0;
    let sibling = 0;
    for (let alias = prefixes.find(key, length); alias !== 0; alias = prefixes.next(alias)) {
      const other = this.rib.infoOf(table, alias);
      if (other.metric > template.metric) break;
      if (other.metric === template.metric) {
        if (flags.exclusive) return EXISTS;
        if (flags.replace) {
          if (joins === isJoinable(other)) {
            replaced = alias;
            break;
          }
          fallback ||= alias;
        } else if (this.isDuplicate(table, alias, other, template)) return EXISTS;
        else if (joins && isJoinable(other)) sibling ||= alias;
      }
      previous = alias;
    }
    if (flags.replace) replaced ||= fallback;
    const info = this.infoFor(template, sibling === 0 ? undefined : this.rib.infoOf(table, sibling));
    const existing = replaced === 0 ? sibling : replaced;
    if (existing !== 0) this.rib.replace(table, existing, info);
    else if (flags.replace && !flags.create) return this.nothingToChange(info, table, key, length);
    else this.rib.insert(table, key, length, info, previous);
    if (told === 'nothing') return undefined;
    const isJoined = sibling !== 0 && told === 'newest first';
    if (!isJoined) this.stack.tellRoute(false, 6, table, key, length, info);
    else {
      const hops = [...info.hops.slice(-1), ...info.hops.slice(0, -1)];
      this.stack.tellRoute(false, 6, table, key, length, { ...info, hops });
    }
    return undefined;
  }

  private nothingToChange(info: Info, table: Table, key: Int32Array, length: number): Refusal {
    if (info.references === 0) this.rib.infos.forget(info);
    if (length === 0 || table.prefixes.find(key, length) !== 0) return NOTHING_TO_CHANGE;
    return { ...NOTHING_TO_CHANGE, extack: 'Can not replace route - no match found' };
  }

  /** The Info of a route, or of a multipath route with one next hop more. */
  private infoFor(template: InfoTemplate, joined: Info | undefined): Info {
    if (joined !== undefined) return this.internWith({ ...joined, hops: [...joined.hops, ...template.hops] });
    const known = this.interned.get(template);
    if (known !== undefined && this.rib.infos.get(known.number) === known) return known;
    const info = this.internWith(template);
    this.interned.set(template, info);
    return info;
  }

  private internWith(from: InfoTemplate): Info {
    const { type, table, protocol, scope, metric, prefsrc, mtu, hoplimit, pref, expires, isLearned, isReject } = from;
    const hops = from.hops.map((hop) => ({ ...hop }));
    const own = { type, table, protocol, scope, metric, prefsrc, mtu, hoplimit, pref, expires };
    const info = this.rib.infos.intern({ ...own, isLearned, isReject, hops });
    if (expires !== 0) this.isAging = true;
    if (info.references === 0) this.judge(info);
    return info;
  }

  /** It is there already; one that would expire gets the new one's time. */
  private isDuplicate(table: Table, alias: number, other: Info, template: InfoTemplate): boolean {
    if (!other.hops.some((hop) => isSameHop(hop, template.hops[0]))) return false;
    if (other.expires !== 0 && other.expires !== template.expires)
      this.rib.replace(table, alias, this.internWith({ ...other, expires: template.expires }));
    return true;
  }

  remove(spec: RouteSpec, key: Int32Array, length: number): Refusal | undefined {
    const table = this.rib.find(spec.table);
    if (table === undefined) return { ...NOT_FOUND, extack: 'FIB table does not exist' };
    if (spec.hops.length < 2) return this.removeBy(spec, spec.hops[0] ?? NOWHERE, table, key, length);
    let refusal: Refusal | undefined;
    for (const hop of spec.hops) refusal = this.removeBy(spec, hop, table, key, length) ?? refusal;
    return refusal;
  }

  private removeBy(spec: RouteSpec, hop: HopSpec, table: Table, key: Int32Array, length: number): Refusal | undefined {
    for (let alias = table.prefixes.find(key, length); alias !== 0; alias = table.prefixes.next(alias)) {
      const info = this.rib.infoOf(table, alias);
      if (spec.metric !== 0 && spec.metric !== info.metric) continue;
      if (spec.protocol !== Protocol.UNSPEC && spec.protocol !== info.protocol) continue;
      const found = info.hops.find(
        ({ link, gateway }) =>
          (hop.link === undefined || link === hop.link) && (hop.family === 0 || sameWords(gateway, hop.gateway)),
      );
      if (found === undefined) continue;
      this.takeOut(table, alias, hop.family === 0 ? [] : info.hops.filter((other) => other !== found));
      return undefined;
    }
    return isAnyDefault(spec, hop, length) && table.prefixes.find(key, length) === 0 ? NO_DEFAULT : NOT_FOUND;
  }

  private removeHop(table: Table, key: Int32Array, length: number, { metric, hops }: InfoTemplate): void {
    for (let alias = table.prefixes.find(key, length); alias !== 0; alias = table.prefixes.next(alias)) {
      const info = this.rib.infoOf(table, alias);
      if (info.metric !== metric || !info.hops.some((hop) => isSameHop(hop, hops[0]))) continue;
      this.takeOut(
        table,
        alias,
        info.hops.filter((hop) => !isSameHop(hop, hops[0])),
      );
      return;
    }
  }

  /** Leaves a route with these next hops; without any it goes. */
  private takeOut(table: Table, alias: number, left: readonly Hop[]): void {
    const info = this.rib.infoOf(table, alias);
    const key = new Int32Array(4);
    table.prefixes.loadKey(alias, key);
    const length = table.prefixes.lengthOf(alias);
    if (left.length === 0) this.rib.remove(table, alias);
    else this.rib.replace(table, alias, this.internWith({ ...info, hops: [...left] }));
    const gone = left.length === 0 ? info.hops : info.hops.filter((hop) => !left.includes(hop));
    this.stack.tellRoute(true, 6, table, key, length, { ...info, hops: gone });
  }

  // --- what a route may lead to ------------------------------------------------------------------------------

  /** Whether nothing but errors comes of it (fib6_is_reject). */
  private isReject(type: RouteType, link: InetLink | undefined, key: Int32Array): boolean {
    if (isError(type)) return true;
    return link !== undefined && isLoopback(link) && !isLoopback6(key) && type !== RouteType.LOCAL;
  }

  private rejectHop(hop: HopSpec): Hop {
    const lo = [...this.stack.namespace.links.values()].find(isLoopback);
    if (lo === undefined || !this.hasIpv6(lo)) return noDevice();
    if (hop.isOnlink) this.checkOnlink(hop);
    return {
      link: lo,
      family: 0,
      gateway: NO_GATEWAY,
      weight: 1,
      flags: hop.isOnlink ? NextHopFlag.ONLINK : 0,
      scope: 0,
    };
  }

  private hasIpv6(link: InetLink): boolean {
    return this.stack.addresses6.hasIpv6(link);
  }

  private checkOnlink({ link }: HopSpec): void {
    if (link === undefined)
      return refuse('ENODEV', 'onlink needs a link', 'name it with dev', 'Nexthop device required for onlink');
    if (!link.isUp) refuse('ENETDOWN', `"${link.name}" is down`, 'set it up first', 'Nexthop device is not up');
  }

  /** fib6_nh_init. */
  private hopOf(hop: HopSpec, { table, type }: Pick<RouteSpec, 'table' | 'type'>): Hop {
    if (hop.link !== undefined && !this.hasIpv6(hop.link)) return noDevice();
    if (hop.isOnlink) this.checkOnlink(hop);
    const link = hop.family === 0 ? hop.link : this.checkGateway(hop, table);
    if (link === undefined) return noDevice();
    if (this.stack.conf(6, link, 'disable_ipv6') !== 0)
      refuse(
        'EACCES',
        `IPv6 is disabled on "${link.name}"`,
        'clear its disable_ipv6',
        'IPv6 is disabled on nexthop device',
      );
    if (!link.isUp) refuse('ENETDOWN', `"${link.name}" is down`, 'set it up first', 'Nexthop device is not up');
    const isDown = !link.hasCarrier && type !== RouteType.LOCAL;
    const flags = (hop.isOnlink ? NextHopFlag.ONLINK : 0) | (isDown ? NextHopFlag.LINKDOWN : 0);
    return { link, family: hop.family, gateway: hop.gateway, weight: hop.weight, flags, scope: 0 };
  }

  /** The next hop of an IPv4 route through an IPv6 gateway. */
  hopFor4(hop: HopSpec, table: number): Hop {
    const made = this.hopOf(hop, { table, type: RouteType.UNICAST });
    // Whether the link has a carrier the kernel does not look at here.
    return { ...made, scope: Scope.LINK, flags: made.flags & ~NextHopFlag.LINKDOWN };
  }

  /** ip6_validate_gw; answers the link that it is on. */
  private checkGateway(hop: HopSpec, table: number): InetLink {
    const { gateway } = hop;
    if (hop.link !== undefined) this.refuseOwn(gateway, hop.link);
    let { link } = hop;
    if (!isLinkLocal(gateway)) {
      const isUnicast = !isMulticast6(gateway) && !isZero(gateway);
      if (!isUnicast) refuse('EINVAL', 'its gateway is no unicast address', 'name a router', 'Invalid gateway address');
      link = hop.isOnlink ? this.checkOnlinkGateway(hop) : this.linkOfGateway(hop, table);
    }
    if (link === undefined)
      return refuse('EINVAL', 'a link-local gateway needs a link', 'name it with dev', 'Egress device not specified');
    if (isLoopback(link))
      refuse(
        'EINVAL',
        'there is no router behind lo',
        'name another link',
        'Egress device can not be loopback device for this route',
      );
    if (hop.link === undefined) this.refuseOwn(gateway, link);
    return link;
  }

  private refuseOwn(gateway: Int32Array, link: InetLink): void {
    if (!this.stack.addresses6.has(gateway, isLinkLocal(gateway) ? link : undefined)) return;
    refuse('EINVAL', 'its gateway is this host', 'name another router', 'Gateway can not be a local address');
  }

  private linkOfGateway(hop: HopSpec, tableId: number): InetLink {
    const table = this.rib.find(tableId);
    const wanted: Wanted = { address: hop.gateway, scope: 0, oif: hop.link, ignoresCarrier: true };
    const own = table === undefined ? undefined : this.linkIn(lookupIn(this.rib, [table], wanted, this.ignores));
    const flow = { ...ownFlow(hop.gateway), oif: hop.link?.name ?? '' };
    const link = own ?? this.linkIn(this.lookup({ ...wanted, ignoresCarrier: false }, flow));
    if (link === undefined || (hop.link !== undefined && link !== hop.link))
      return refuse('EHOSTUNREACH', 'its gateway is not on a link of ours', 'add a route to it first, or say onlink');
    return link;
  }

  /** The link of a route that leads to it without another gateway. */
  private linkIn(outcome: Outcome): InetLink | undefined {
    if (!isFound(outcome) || outcome.info.isReject) return undefined;
    const hop = outcome.info.hops[outcome.hop];
    return hop === undefined || hop.family !== 0 ? undefined : hop.link;
  }

  /** A gateway that is said to be on a link must not be known to be elsewhere (ip6_route_check_nh_onlink). */
  private checkOnlinkGateway(hop: HopSpec): InetLink | undefined {
    const main = this.rib.table(TableId.MAIN);
    const wanted: Wanted = { address: hop.gateway, scope: 0, oif: undefined, ignoresCarrier: true };
    const best = lookupIn(this.rib, [main], wanted, this.ignores);
    const by = lookupIn(this.rib, [main], { ...wanted, oif: hop.link }, this.ignores);
    const isAsGood =
      isFound(by) && (!isFound(best) || (by.length === best.length && by.info.metric === best.info.metric));
    const outcome = isAsGood ? by : best;
    if (!isFound(outcome) || outcome.length === 0) return hop.link;
    const { info, hop: index } = outcome;
    if (!info.isReject && (info.hops[index]?.link !== hop.link || info.type !== RouteType.UNICAST))
      refuse(
        'EINVAL',
        'its gateway is on another link',
        'leave out onlink',
        'Nexthop has invalid gateway or device mismatch',
      );
    return hop.link;
  }

  lookup(wanted: Wanted, flow: RuleFlow): Outcome {
    return lookup(this.rib, this.stack.rules6, wanted, flow, this.ignores);
  }

  // --- routes of addrconf -------------------------------------------------------------------------------------

  /** Adds a route that addrconf makes, unless it is there; on a link that is down it is left out, but for local ones. */
  addLearned(route: LearnedRoute): void {
    const { link, metric, protocol, gateway, type = RouteType.UNICAST } = route;
    const isLocal = type === RouteType.LOCAL || type === RouteType.ANYCAST;
    if (!isLocal && (!link.isUp || this.stack.conf(6, link, 'disable_ipv6') !== 0)) return;
    const key = new Int32Array(4);
    key.set(route.key);
    maskKey(key, 4, route.length);
    const isReject = this.isReject(type, link, key) && type !== RouteType.ANYCAST;
    const template: InfoTemplate = {
      type,
      table: route.table ?? TableId.MAIN,
      protocol,
      scope: 0,
      metric,
      prefsrc: new Int32Array(4),
      mtu: route.mtu ?? 0,
      hoplimit: route.hoplimit ?? 0,
      pref: route.pref ?? 0,
      expires: isReject ? 0 : this.endOf(route.expires ?? 0),
      isLearned: route.isLearned ?? false,
      isReject,
      hops: [
        {
          link,
          family: gateway === undefined ? 0 : 6,
          gateway: gateway ?? NO_GATEWAY,
          weight: 1,
          flags: isLocal || link.hasCarrier ? 0 : NextHopFlag.LINKDOWN,
          scope: 0,
        },
      ],
    };
    unlessRefused(() => this.place(VERBS.append, this.rib.table(template.table), key, route.length, template));
  }

  /** Takes a route of addrconf back; `matches` tells it from others of the same prefix. */
  removeLearned(tableId: number, key: Int32Array, length: number, matches: (info: Info) => boolean): boolean {
    const table = this.rib.find(tableId);
    if (table === undefined) return false;
    $key.fill(0);
    $key.set(key);
    maskKey($key, 4, length);
    let alias = table.prefixes.find($key, length);
    while (alias !== 0 && !matches(this.rib.infoOf(table, alias))) alias = table.prefixes.next(alias);
    if (alias === 0) return false;
    this.takeOut(table, alias, []);
    return true;
  }

  /** The Infos of a prefix in a table, in order of metric. */
  at(tableId: number, key: Int32Array, length: number): Info[] {
    const table = this.rib.find(tableId);
    const infos: Info[] = [];
    if (table === undefined) return infos;
    $key.fill(0);
    $key.set(key);
    maskKey($key, 4, length);
    for (let alias = table.prefixes.find($key, length); alias !== 0; alias = table.prefixes.next(alias))
      infos.push(this.rib.infoOf(table, alias));
    return infos;
  }

  /** Gives a route of addrconf another end, in seconds; 0: none. */
  setExpires(
    tableId: number,
    key: Int32Array,
    length: number,
    matches: (info: Info) => boolean,
    seconds: number,
  ): void {
    const table = this.rib.find(tableId);
    if (table === undefined) return;
    $key.fill(0);
    $key.set(key);
    maskKey($key, 4, length);
    for (let alias = table.prefixes.find($key, length); alias !== 0; alias = table.prefixes.next(alias)) {
      const info = this.rib.infoOf(table, alias);
      if (!matches(info)) continue;
      this.rib.replace(table, alias, this.internWith({ ...info, expires: this.endOf(seconds) }));
      return;
    }
  }

  // --- links and addresses change -----------------------------------------------------------------------------

  private judge(info: Info): void {
    info.isUsable = info.hops.some((hop) => this.isAlive(hop));
  }

  isAlive({ flags, link }: Hop): boolean {
    if ((flags & NextHopFlag.DEAD) !== 0) return false;
    return (flags & NextHopFlag.LINKDOWN) === 0 || !this.ignores(link);
  }

  private infosBy(link: InetLink): Info[] {
    return this.rib.infos.all().filter(({ hops }) => hops.some((hop) => hop.link === link));
  }

  private settle(changed: readonly Info[]): void {
    this.rib.refresh(changed, (info) => this.judge(info));
  }

  /** fib6_ifdown: NETDEV_DOWN. */
  linkDown(link: InetLink): void {
    const kept: Info[] = [];
    const gone = new Set<Info>();
    for (const info of this.infosBy(link)) {
      const isAllDead = info.hops.every((hop) => hop.link === link || (hop.flags & NextHopFlag.DEAD) !== 0);
      if (isAllDead) {
        gone.add(info);
        continue;
      }
      for (const hop of info.hops) if (hop.link === link) hop.flags |= NextHopFlag.DEAD | NextHopFlag.LINKDOWN;
      kept.push(info);
    }
    if (gone.size > 0)
      for (const [table, alias] of this.rib.select((info) => gone.has(info))) this.takeOut(table, alias, []);
    this.settle(kept);
  }

  /** The link is no more: its next hops go, and routes without any left. */
  forgetLink(link: InetLink): void {
    const infos = new Set(this.infosBy(link));
    if (infos.size === 0) return;
    for (const [table, alias] of this.rib.select((info) => infos.has(info)))
      this.takeOut(
        table,
        alias,
        this.rib.infoOf(table, alias).hops.filter((hop) => hop.link !== link),
      );
  }

  carrierLost(link: InetLink): void {
    const changed = this.infosBy(link).filter((info) => !isOwn(info));
    for (const { hops } of changed) for (const hop of hops) if (hop.link === link) hop.flags |= NextHopFlag.LINKDOWN;
    this.settle(changed);
  }

  /** fib6_ifup. */
  linkUp(link: InetLink, after: 'link' | 'carrier'): void {
    let flags = after === 'link' ? NextHopFlag.DEAD : NextHopFlag.LINKDOWN;
    if (after === 'link' && isRunning(link)) flags |= NextHopFlag.LINKDOWN;
    const changed = this.infosBy(link);
    for (const { hops } of changed) for (const hop of hops) if (hop.link === link) hop.flags &= ~flags;
    this.settle(changed);
  }

  settingChanged(link: InetLink): void {
    this.settle(this.infosBy(link));
  }

  /** Routes that prefer an address that is gone lose their preference, not more (rt6_remove_prefsrc). */
  addressGone(address: Int32Array): void {
    const infos = this.rib.infos.all().filter(({ prefsrc }) => sameWords(prefsrc, address));
    const lost = new Set(infos.filter(({ hops }) => !this.stack.addresses6.isSource(address, hops[0].link)));
    if (lost.size === 0) return;
    for (const [table, alias] of this.rib.select((info) => lost.has(info))) {
      const info = this.rib.infoOf(table, alias);
      this.rib.replace(table, alias, this.internWith({ ...info, prefsrc: new Int32Array(4) }));
    }
  }

  /** ms until a route ends; Infinity: none does. */
  nextEnd(now: number): number {
    if (!this.isAging) return Number.POSITIVE_INFINITY;
    const ends = this.rib.infos.all().map(({ expires }) => (expires === 0 ? Number.POSITIVE_INFINITY : expires));
    const next = ends.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY) - now;
    this.isAging = Number.isFinite(next);
    return next;
  }

  /** Takes out what has ended. */
  expire(now: number): void {
    if (!this.isAging) return;
    const over = new Set(this.rib.infos.all().filter(({ expires }) => expires !== 0 && expires <= now));
    if (over.size === 0) return;
    for (const [table, alias] of this.rib.select((info) => over.has(info))) this.takeOut(table, alias, []);
  }
}

const NOWHERE: HopSpec = { link: undefined, family: 0, gateway: NO_GATEWAY, weight: 1, isOnlink: false };

/** A table without default route has an entry that says so, which a deletion may mean (fib6_null_entry). */
function isAnyDefault({ metric, protocol }: RouteSpec, { link, family }: HopSpec, length: number): boolean {
  const isAnyProtocol = protocol === Protocol.UNSPEC || protocol === Protocol.KERNEL;
  return length === 0 && metric === 0 && isAnyProtocol && family === 0 && (link === undefined || isLoopback(link));
}

const NO_DEFAULT: Refusal = { ...NOT_FOUND, errno: 'ENOENT' };

function noDevice(): never {
  return refuse('ENODEV', 'it does not say where it leads', 'name a gateway with via, or a link with dev');
}

const $key = new Int32Array(4);

/*
 * IPv6 addresses of a namespace's links, and the routes that come and go with them (addrconf.c).
 *
 *   for an address          its prefix: unicast, metric 256                     unless noprefixroute, while the link is up
 *   that is not tentative   local ADDRESS/128
 *                           anycast PREFIX::/128, of a router
 *   for a link that is up   multicast ff00::/8, metric 256, in local
 *
 * A new address is *tentative* until duplicate address detection has found nobody else that has it: for that the link must be
 * ready (up, with carrier); nodad, and links that have no neighbours, need none. When a link goes down its addresses go,
 * but for those that keep_addr_on_down keeps: these are tried again when it comes up.
 */
import { AddressFlag, Scope, Address6 as Word } from '../../route/addresses.js';
import { RouteType } from '../../route/fib.js';
import type { AddressInfo, ChangeAddress } from '../api/address.js';
import { type Address, Addresses } from './addresses.js';
import { type InetLink, isLoopback, isRunning } from './host.js';
import { type Info, isZero, sameWords } from './info.js';
import { bytesOfKey, covers, formatKey, maskKey, parseKey, TableId } from './keys.js';
import { checkLifetimes, FOREVER, type Lifetimes, lifetimeFlags, lifetimesLeft } from './lifetime.js';
import { refuse } from './refused.js';
import { Protocol } from './route-spec.js';
import { ADDRCONF_METRIC, isLinkLocal, isLoopback6, isMulticast6 } from './routes6.js';

const MIN_MTU = 1280;
const LOOPBACK = Int32Array.of(0, 0, 0, 1);
const MULTICAST = Int32Array.of(0xff000000 | 0, 0, 0, 0);

/** IFAPROT_KERNEL_LO. */
const PROTOCOL_LOOPBACK = 1;

/** IFA_F_* that only the control plane needs. */
export const enum Flag6 {
  NODAD = 0x02,
  HOMEADDRESS = 0x10,
  MANAGETEMPADDR = 0x100,
  NOPREFIXROUTE = 0x200,
}

export interface Address6 extends Address {
  local: Int32Array;
  length: number;
  /** The other end; without one undefined. */
  peer: Int32Array | undefined;
  scope: number;
  metric: number;
  protocol: number;
  /** Its local route is there: it may be used. */
  hasRoute: boolean;
}

export type NewAddress6 = Pick<Address6, 'local' | 'length'> & Partial<Address6>;

const USER_FLAGS = Flag6.NODAD | Flag6.HOMEADDRESS | Flag6.MANAGETEMPADDR | Flag6.NOPREFIXROUTE;
const DAD = AddressFlag.TENTATIVE | AddressFlag.DADFAILED;

function scopeOf(key: Int32Array): number {
  if (isLoopback6(key)) return Scope.HOST;
  if (isLinkLocal(key)) return Scope.LINK;
  return key[0] >>> 22 === 0x3fb ? Scope.SITE : Scope.UNIVERSE;
}

function parse(what: string): { address: Int32Array; length: number } {
  const [before, length] = what.split('/');
  const address = parseKey(before, 6);
  const bits = length === undefined ? 128 : Number(length);
  if (address === undefined || !Number.isInteger(bits) || bits < 0 || bits > 128)
    return refuse('EINVAL', `"${what}" is no IPv6 address`, 'write ADDRESS/LENGTH', 'ipv6: Invalid prefix length');
  return { address, length: bits };
}

function prefixOf(key: Int32Array, length: number): Int32Array {
  const prefix = key.slice();
  maskKey(prefix, 4, length);
  return prefix;
}

/** Of its prefix route. */
const metricOf = ({ metric }: Address6): number => (metric === 0 ? ADDRCONF_METRIC : metric);

const has = ({ flags }: Address6, flag: number): boolean => (flags & flag) !== 0;

const isKernelRoute = (link: InetLink, type: RouteType): ((info: Info) => boolean) => {
  return (info) => info.type === type && info.hops[0]?.link === link;
};

/** A route to a prefix on a link itself (addrconf_get_prefix_route). */
const isPrefixRoute = (link: InetLink): ((info: Info) => boolean) => {
  return ({ hops }) => hops.length === 1 && hops[0].link === link && hops[0].family === 0;
};

export class Addresses6 extends Addresses<Address6> {
  protected readonly method = 'setAddresses6';
  /** Links that are ready (IF_READY). */
  private readonly ready = new Set<InetLink>();

  find(link: InetLink, key: Int32Array): Address6 | undefined {
    return this.of(link).find(({ local }) => sameWords(local, key));
  }

  /** Whether an address is one of this host's, tentative or not; `link`: only that one's. */
  has(key: Int32Array, link?: InetLink): boolean {
    if (link !== undefined) return this.find(link, key) !== undefined;
    for (const other of this.lists.keys()) if (this.find(other, key) !== undefined) return true;
    return false;
  }

  /** Whether packets that leave by a link may have an address as source (ipv6_chk_addr). */
  isSource(key: Int32Array, link: InetLink): boolean {
    for (const [other, list] of this.lists) {
      if (other !== link && isLinkLocal(key)) continue;
      if (list.some((own) => !has(own, AddressFlag.TENTATIVE) && sameWords(own.local, key))) return true;
    }
    return false;
  }

  hasIpv6(link: InetLink): boolean {
    return link.mtu >= MIN_MTU;
  }

  private isDisabled(link: InetLink): boolean {
    return this.stack.conf(6, link, 'disable_ipv6') !== 0;
  }

  // --- commands ---------------------------------------------------------------------------------------

  change(link: InetLink, request: ChangeAddress): void {
    if (request.op === 'addr.del') return this.removeNamed(link, request);
    if (!this.hasIpv6(link))
      refuse('EINVAL', `"${link.name}" has an MTU below ${MIN_MTU}, and so no IPv6`, 'set a greater mtu');
    const address = this.parse(request);
    const existing = this.find(link, address.local);
    if (existing !== undefined && request.op === 'addr.add')
      refuse('EEXIST', 'the link has it already', 'use "change" for its lifetimes', 'ipv6: address already assigned');
    checkLifetimes(address.valid, address.preferred, 'ipv6: address lifetime invalid');
    if (has(address, Flag6.MANAGETEMPADDR) && address.length !== 64)
      refuse(
        'EINVAL',
        'temporary addresses need 64 bits',
        'use /64',
        'ipv6: address with "mngtmpaddr" flag must have a prefix length of 64',
      );
    if (existing === undefined) this.add(link, address);
    else this.modify(link, existing, address);
  }

  private parse(request: ChangeAddress): Address6 {
    const own = parse(request.local);
    const other = request.peer === undefined ? undefined : parse(request.peer);
    if (request.broadcast !== undefined)
      refuse('EINVAL', 'IPv6 has no broadcast', 'leave it out', 'ipv6: Invalid broadcast');
    return this.complete({
      local: own.address,
      peer: other === undefined || sameWords(other.address, own.address) ? undefined : other.address,
      length: other?.length ?? own.length,
      flags:
        (request.nodad === true ? Flag6.NODAD : 0) |
        (request.home === true ? Flag6.HOMEADDRESS : 0) |
        (request.noprefixroute === true ? Flag6.NOPREFIXROUTE : 0),
      metric: request.metric ?? 0,
      valid: request.valid_lft ?? FOREVER,
      preferred: request.preferred_lft ?? FOREVER,
    });
  }

  private complete(address: NewAddress6): Address6 {
    const { valid = FOREVER, preferred = FOREVER, flags = 0 } = address;
    return {
      peer: undefined,
      metric: 0,
      protocol: 0,
      ...address,
      scope: scopeOf(address.local),
      flags: (flags & USER_FLAGS) | lifetimeFlags(valid, preferred),
      valid,
      preferred,
      since: this.stack.host.now(),
      hasRoute: false,
    };
  }

  private checkNew(link: InetLink, { local }: Address6): void {
    if (this.isDisabled(link))
      refuse(
        'EACCES',
        'IPv6 is disabled on the link',
        'clear its disable_ipv6',
        'ipv6: IPv6 is disabled on this device',
      );
    const hint = 'give it a unicast address';
    if (isZero(local)) refuse('EADDRNOTAVAIL', 'it is no address', hint, 'ipv6: Invalid address');
    if (isMulticast6(local))
      refuse(
        'EADDRNOTAVAIL',
        'it is a group',
        hint,
        'ipv6: Cannot assign multicast address without "IFA_F_MCAUTOJOIN" flag',
      );
    if (isLoopback6(local) && !isLoopback(link))
      refuse('EADDRNOTAVAIL', "it is lo's", hint, 'ipv6: Cannot assign loopback address on this device');
  }

  /**
   * Gives a link an address; refused where it has it. What is absent of it has the kernel's defaults. `bringsPrefix`: its prefix's
   * route comes with it; that of an autoconfigured address has come by itself, as the router said.
   */
  add(link: InetLink, wanted: NewAddress6, bringsPrefix = true): Address6 {
    const address = this.complete(wanted);
    this.addMulticastRoute(link);
    this.checkNew(link, address);
    if (!has(address, Flag6.NODAD)) address.flags |= AddressFlag.TENTATIVE;
    this.place(link, address);
    if (bringsPrefix && !has(address, Flag6.NOPREFIXROUTE)) this.addPrefixRoute(link, address);
    if (!has(address, Flag6.NODAD)) this.tell(link, address, false);
    this.startDad(link, address);
    return address;
  }

  /** Before the first of no greater scope: so the newest global address comes first. */
  private place(link: InetLink, address: Address6): void {
    const list = this.of(link);
    const at = list.findIndex(({ local }) => reachOf(address.local) >= reachOf(local));
    this.enlist(link, address, at < 0 ? list.length : at);
  }

  /** inet6_addr_modify. */
  modify(link: InetLink, address: Address6, wanted: Address6): void {
    const hadPrefixRoute = has(address, AddressFlag.PERMANENT) && !has(address, Flag6.NOPREFIXROUTE);
    const { peer: oldPeer } = address;
    const isNewPeer = wanted.peer !== undefined && (oldPeer === undefined || !sameWords(oldPeer, wanted.peer));
    if (isNewPeer && oldPeer !== undefined) this.removePrefixRoute(link, oldPeer, address.length);
    this.renew(link, address, wanted);
    address.flags = (address.flags & ~USER_FLAGS) | (wanted.flags & ~AddressFlag.TENTATIVE);
    address.protocol = wanted.protocol;
    if (wanted.metric !== 0) address.metric = wanted.metric;
    if (isNewPeer) address.peer = wanted.peer;
    if (!has(address, AddressFlag.TENTATIVE)) this.tell(link, address, false);
    if (!has(address, Flag6.NOPREFIXROUTE)) this.renewPrefixRoutes(link, address, hadPrefixRoute);
    else if (hadPrefixRoute) this.cleanPrefixRoute(link, address);
  }

  private renewPrefixRoutes(link: InetLink, address: Address6, hadPrefixRoute: boolean): void {
    const isThere = hadPrefixRoute && this.renewPrefixRoute(link, address, address.local);
    if (!isThere) this.addPrefixRoute(link, address);
    const { peer } = address;
    if (peer === undefined) return;
    // Without a prefix route before, the kernel adds the peer's whether or not it is there.
    if (!(hadPrefixRoute && this.renewPrefixRoute(link, address, peer))) this.addPrefixRoute(link, address, peer);
  }

  /** Gives an existing prefix route the address's metric and end; false: there is none (modify_prefix_route). */
  private renewPrefixRoute(link: InetLink, address: Address6, key: Int32Array): boolean {
    const { routes6 } = this.stack;
    const matches = isPrefixRoute(link);
    const existing = routes6.at(TableId.MAIN, key, address.length).find((info) => matches(info));
    if (existing === undefined) return false;
    if (existing.metric !== metricOf(address)) {
      routes6.removeLearned(TableId.MAIN, key, address.length, (info) => info === existing);
      this.addPrefixRoute(link, address, key);
    } else {
      const seconds = address.valid === FOREVER ? 0 : address.valid;
      routes6.setExpires(TableId.MAIN, key, address.length, (info) => info === existing, seconds);
    }
    return true;
  }

  private removePrefixRoute(link: InetLink, key: Int32Array, length: number): void {
    this.stack.routes6.removeLearned(TableId.MAIN, key, length, isPrefixRoute(link));
  }

  /** A router told of it again. */
  setLifetimes(link: InetLink, address: Address6, lifetimes: Lifetimes): void {
    this.renew(link, address, lifetimes);
    if ((address.flags & AddressFlag.TENTATIVE) === 0) this.tell(link, address, false);
  }

  private removeNamed(link: InetLink, request: ChangeAddress): void {
    if (!this.hasIpv6(link))
      refuse('ENXIO', `"${link.name}" has no IPv6`, 'set a greater mtu', 'ipv6: IPv6 is disabled on this device');
    const { address } = parse(request.local);
    const { length } = parse(request.peer ?? request.local);
    const found = this.of(link).find((own) => own.length === length && sameWords(own.local, address));
    if (found === undefined)
      return refuse('EADDRNOTAVAIL', 'it has no such address', '"ip addr" lists them', 'ipv6: address not found');
    this.remove(link, found);
  }

  /** ipv6_del_addr. */
  remove(link: InetLink, address: Address6): void {
    const list = this.lists.get(link) ?? [];
    const cleans = has(address, AddressFlag.PERMANENT) && !has(address, Flag6.NOPREFIXROUTE);
    list.splice(list.indexOf(address), 1);
    this.unwritten.add(link);
    this.tell(link, address, true);
    this.removeRoutes(link, address);
    this.stack.addrconf()?.addressRemoved(link, bytesOfKey(address.local), this.stack.calls);
    if (cleans) this.cleanPrefixRoute(link, address);
    this.stack.routes6.addressGone(address.local);
  }

  // --- detection ----------------------------------------------------------------------------------------

  /** Begins detection of an address, or does without (addrconf_dad_begin). */
  private startDad(link: InetLink, address: Address6): void {
    const acceptsDad = this.stack.conf(6, 'all', 'accept_dad') >= 1 || this.stack.conf(6, link, 'accept_dad') >= 1;
    const isDue = has(address, AddressFlag.TENTATIVE) && !has(address, Flag6.NODAD) && !isLoopback(link) && acceptsDad;
    const addrconf = this.stack.addrconf();
    if (!isDue) this.dadCompleted(link, address);
    else if (!this.ready.has(link)) {
      if (!has(address, AddressFlag.PERMANENT)) this.remove(link, address);
    } else if (addrconf === undefined) this.dadCompleted(link, address);
    else addrconf.startDad(link, bytesOfKey(address.local), this.stack.calls);
  }

  /** Nobody else has it. */
  dadCompleted(link: InetLink, address: Address6): void {
    if (!this.of(link).includes(address)) return;
    address.flags &= ~DAD;
    this.unwritten.add(link);
    this.tell(link, address, false);
    this.addRoutes(link, address);
    this.stack.addrconf()?.joinGroups(link, this.stack.calls);
  }

  /** Somebody else has it: a permanent one stays, unused; any other goes. */
  dadFailed(link: InetLink, address: Address6): void {
    if (!this.of(link).includes(address)) return;
    if (!has(address, AddressFlag.PERMANENT)) return this.remove(link, address);
    address.flags |= DAD;
    this.unwritten.add(link);
    this.tell(link, address, false);
  }

  // --- routes -------------------------------------------------------------------------------------------

  private addPrefixRoute(link: InetLink, address: Address6, key = address.local): void {
    this.stack.routes6.addLearned({
      key,
      length: address.length,
      link,
      metric: metricOf(address),
      protocol: Protocol.KERNEL,
      expires: address.valid === FOREVER ? 0 : address.valid,
    });
  }

  /** The prefix's route goes, or gets an end, unless another address of the link keeps it (check_cleanup_prefix_route). */
  private cleanPrefixRoute(link: InetLink, address: Address6): void {
    const { routes6 } = this.stack;
    const { local, length } = address;
    const others = this.of(link).filter(
      (own) => own !== address && own.length === length && covers(prefixOf(local, length), length, own.local, 4),
    );
    if (others.some(({ flags }) => (flags & (AddressFlag.PERMANENT | Flag6.NOPREFIXROUTE)) !== 0)) return;
    const now = this.stack.host.now();
    const left = Math.max(0, ...others.map((other) => lifetimesLeft(other, now).valid));
    if (others.length === 0) routes6.removeLearned(TableId.MAIN, local, length, isPrefixRoute(link));
    else routes6.setExpires(TableId.MAIN, local, length, isPrefixRoute(link), left);
  }

  private addRoutes(link: InetLink, address: Address6): void {
    if (!address.hasRoute)
      this.stack.routes6.addLearned({
        key: address.local,
        length: 128,
        link,
        metric: 0,
        protocol: Protocol.KERNEL,
        type: RouteType.LOCAL,
        table: TableId.LOCAL,
      });
    address.hasRoute = true;
    if (this.stack.conf(6, link, 'forwarding') !== 0) this.joinAnycast(link, address);
    if (address.peer !== undefined) this.addPeerRoute(link, address, address.peer);
  }

  private addPeerRoute(link: InetLink, address: Address6, peer: Int32Array): void {
    const metric = metricOf(address);
    this.stack.routes6.addLearned({ key: peer, length: 128, link, metric, protocol: Protocol.KERNEL });
  }

  private removeRoutes(link: InetLink, address: Address6): void {
    const { routes6 } = this.stack;
    if (this.stack.conf(6, link, 'forwarding') !== 0) this.leaveAnycast(link, address);
    if (address.peer !== undefined) routes6.removeLearned(TableId.MAIN, address.peer, 128, isPrefixRoute(link));
    if (!address.hasRoute) return;
    address.hasRoute = false;
    routes6.removeLearned(TableId.LOCAL, address.local, 128, isKernelRoute(link, RouteType.LOCAL));
  }

  /** The subnet-router anycast address (RFC 4291 §2.6.1); subnets of /127 and /128 have none. */
  private joinAnycast(link: InetLink, { local, length }: Address6): void {
    const key = prefixOf(local, length);
    if (length >= 127 || isZero(key)) return;
    const isThere = this.stack.routes6.at(TableId.LOCAL, key, 128).some(isKernelRoute(link, RouteType.ANYCAST));
    if (isThere) return;
    this.stack.routes6.addLearned({
      key,
      length: 128,
      link,
      metric: 0,
      protocol: Protocol.KERNEL,
      type: RouteType.ANYCAST,
      table: TableId.LOCAL,
    });
  }

  /** Unless another address of the subnet is there. */
  private leaveAnycast(link: InetLink, address: Address6): void {
    const key = prefixOf(address.local, address.length);
    if (address.length >= 127 || !this.isAnycast(link, key)) return;
    const others = this.of(link).filter((own) => own !== address && own.hasRoute && own.length < 127);
    if (others.some((own) => sameWords(prefixOf(own.local, own.length), key))) return;
    this.stack.routes6.removeLearned(TableId.LOCAL, key, 128, isKernelRoute(link, RouteType.ANYCAST));
  }

  private isAnycast(link: InetLink, key: Int32Array): boolean {
    return this.stack.routes6.at(TableId.LOCAL, key, 128).some(isKernelRoute(link, RouteType.ANYCAST));
  }

  private addMulticastRoute(link: InetLink): void {
    if (isLoopback(link)) return;
    const { routes6 } = this.stack;
    routes6.addLearned({
      key: MULTICAST,
      length: 8,
      link,
      metric: ADDRCONF_METRIC,
      protocol: Protocol.KERNEL,
      type: RouteType.MULTICAST,
      table: TableId.LOCAL,
    });
  }

  // --- links ----------------------------------------------------------------------------------------------

  /** NETDEV_UP: what was kept is restored; if the link is ready, the rest follows. */
  linkUp(link: InetLink): void {
    if (!this.hasIpv6(link) || this.isDisabled(link)) return;
    for (const address of [...this.of(link)]) if (has(address, AddressFlag.PERMANENT)) this.restore(link, address);
    if (!isRunning(link)) return;
    this.becomeReady(link);
    this.stack.routes6.linkUp(link, 'link');
  }

  private restore(link: InetLink, address: Address6): void {
    if (!has(address, Flag6.NOPREFIXROUTE)) this.addPrefixRoute(link, address);
    if (!has(address, AddressFlag.TENTATIVE) && !address.hasRoute) this.addRoutes(link, address);
  }

  /** NETDEV_CHANGE with carrier. */
  carrierBack(link: InetLink): void {
    if (!this.hasIpv6(link) || this.isDisabled(link) || !isRunning(link)) return;
    if (this.ready.has(link)) return this.stack.routes6.linkUp(link, 'carrier');
    this.becomeReady(link);
    this.stack.routes6.linkUp(link, 'link');
  }

  private becomeReady(link: InetLink): void {
    this.ready.add(link);
    this.addMulticastRoute(link);
    if (isLoopback(link)) this.addLoopback(link);
    this.stack.addrconf()?.linkReady(link, this.stack.calls);
    for (const address of [...this.of(link)]) if (this.awaitsDad(address)) this.startDad(link, address);
  }

  /** Of the kernel's own making: no prefix route, no detection, and nothing that says so. */
  private addLoopback(link: InetLink): void {
    if (this.find(link, LOOPBACK) !== undefined) return;
    const loopback = { local: LOOPBACK.slice(), length: 128, flags: Flag6.NODAD, protocol: PROTOCOL_LOOPBACK };
    this.add(link, loopback, false).flags &= ~Flag6.NODAD;
  }

  /** Those that linkReady made are under way already; to begin once more does no harm. */
  private awaitsDad(address: Address6): boolean {
    return has(address, AddressFlag.TENTATIVE) && !has(address, AddressFlag.DADFAILED);
  }

  carrierLost(link: InetLink): void {
    this.stack.routes6.carrierLost(link);
  }

  /** addrconf_ifdown. `isGone`: nothing is kept. */
  linkDown(link: InetLink, isGone: boolean): void {
    if (isGone) this.stack.routes6.forgetLink(link);
    else this.stack.routes6.linkDown(link);
    const keeps = !isGone && !this.isDisabled(link) && this.keepsAddresses(link);
    this.ready.delete(link);
    for (const address of [...this.of(link)]) {
      const isKept = keeps && has(address, AddressFlag.PERMANENT) && address.scope === Scope.UNIVERSE;
      if (isKept) this.keep(link, address);
      else this.drop(link, address);
    }
    if (isGone) this.lists.delete(link);
    this.stack.addrconf()?.linkDown(link);
  }

  private keepsAddresses(link: InetLink): boolean {
    const all = this.stack.conf(6, 'all', 'keep_addr_on_down');
    return (all !== 0 ? all : this.stack.conf(6, link, 'keep_addr_on_down')) > 0;
  }

  private keep(link: InetLink, address: Address6): void {
    this.removeRoutes(link, address);
    if (!has(address, Flag6.NODAD)) address.flags |= AddressFlag.TENTATIVE;
    this.unwritten.add(link);
  }

  private drop(link: InetLink, address: Address6): void {
    const list = this.lists.get(link) ?? [];
    list.splice(list.indexOf(address), 1);
    this.unwritten.add(link);
    this.tell(link, address, true);
    this.removeRoutes(link, address);
    this.stack.addrconf()?.addressRemoved(link, bytesOfKey(address.local), this.stack.calls);
  }

  override forget(link: InetLink): void {
    super.forget(link);
    this.ready.delete(link);
  }

  mtuChanged(link: InetLink): void {
    const isKnown = this.ready.has(link);
    if (!this.hasIpv6(link)) {
      if (isKnown || this.of(link).length > 0 || link.isUp) this.linkDown(link, !isLoopback(link));
    } else if (!isKnown && isRunning(link) && !this.isDisabled(link)) this.linkUp(link);
  }

  /** disable_ipv6, forwarding and ignore_routes_with_linkdown of a link. */
  settingChanged(link: InetLink, name: string, to: number): void {
    if (name === 'forwarding') this.forwardingChanged(link, to !== 0);
    else if (name === 'disable_ipv6') this.disabledChanged(link, to !== 0);
    else if (name === 'ignore_routes_with_linkdown') this.stack.routes6.settingChanged(link);
  }

  private forwardingChanged(link: InetLink, isRouter: boolean): void {
    for (const address of this.of(link)) {
      if (has(address, AddressFlag.TENTATIVE)) continue;
      if (isRouter) this.joinAnycast(link, address);
      else this.dropAnycast(link, address);
    }
  }

  private dropAnycast(link: InetLink, { local, length }: Address6): void {
    const key = prefixOf(local, length);
    this.stack.routes6.removeLearned(TableId.LOCAL, key, 128, isKernelRoute(link, RouteType.ANYCAST));
  }

  private disabledChanged(link: InetLink, isDisabled: boolean): void {
    if (isDisabled) this.linkDown(link, false);
    else if (link.isUp) this.linkUp(link);
  }

  // --- as others have them ------------------------------------------------------------------------------

  protected wordsOf(link: InetLink): Int32Array {
    const list = this.of(link);
    const words = new Int32Array(list.length * Word.WORDS);
    for (const [i, { local, length, scope, flags }] of list.entries())
      words.set([...local, length, scope, flags], i * Word.WORDS);
    return words;
  }

  info(address: Address6): AddressInfo {
    const { valid, preferred } = lifetimesLeft(address, this.stack.host.now());
    const mark = (name: keyof AddressInfo, flag: number): Partial<AddressInfo> =>
      has(address, flag) ? { [name]: true } : {};
    return {
      family: 'inet6',
      local: formatKey(address.local),
      ...(address.peer !== undefined && { address: formatKey(address.peer) }),
      prefixlen: address.length,
      ...(address.metric !== 0 && { metric: address.metric }),
      scope: address.scope,
      ...(!has(address, AddressFlag.PERMANENT) && { dynamic: true }),
      ...mark('tentative', AddressFlag.TENTATIVE),
      ...mark('deprecated', AddressFlag.DEPRECATED),
      ...mark('dadfailed', AddressFlag.DADFAILED),
      ...mark('nodad', Flag6.NODAD),
      ...mark('noprefixroute', Flag6.NOPREFIXROUTE),
      ...mark('mngtmpaddr', Flag6.MANAGETEMPADDR),
      ...mark('home', Flag6.HOMEADDRESS),
      ...(address.protocol !== 0 && { protocol: address.protocol }),
      valid_life_time: valid,
      preferred_life_time: preferred,
    };
  }
}

/** Greater for what reaches further: the order of a link's addresses. */
function reachOf(key: Int32Array): number {
  switch (scopeOf(key)) {
    case Scope.HOST:
    case Scope.LINK:
      return 2;
    case Scope.SITE:
      return 5;
    default:
      return 14;
  }
}

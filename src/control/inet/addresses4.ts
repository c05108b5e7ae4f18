/*
 * IPv4 addresses of a namespace's links, and the routes that come and go with them (devinet.c, fib_frontend.c).
 *
 * A link's list has its primary addresses first. An address is secondary if the list has one of the same subnet already: it
 * has a local route, whose source is the primary, but no route to the subnet. When a primary goes, its secondaries go with
 * it, or, with promote_secondaries, the first of them takes its place.
 *
 *   for an address         local ADDRESS                          always
 *   a primary, link up     its subnet, type unicast               unless noprefixroute, or a /32 without a peer
 *                          broadcast, all ones of the subnet      up to /30
 *   any, link up           broadcast, as given                    if one was given
 */
import { AddressFlag, Scope, Address4 as Word } from '../../route/addresses.js';
import { RouteType } from '../../route/fib.js';
import type { AddressInfo, ChangeAddress } from '../api/address.js';
import { type Address, Addresses } from './addresses.js';
import { type InetLink, isLoopback } from './host.js';
import { formatKey, parseKey } from './keys.js';
import { checkLifetimes, FOREVER, lifetimeFlags, lifetimesLeft } from './lifetime.js';
import { refuse } from './refused.js';

const MIN_MTU = 68;
const LOOPBACK = 0x7f000001;
const LABEL_BYTES = 16;

export interface Address4 extends Address {
  local: number;
  /** The other end; without one the address itself. */
  peer: number;
  length: number;
  broadcast: number;
  scope: number;
  label: string;
  metric: number;
  hasPrefixRoute: boolean;
  protocol: number;
}

/** An address as a caller wants it; the rest is worked out. */
export type NewAddress4 = Pick<Address4, 'local' | 'length'> & Partial<Address4>;

const maskOf = (length: number): number => (length === 0 ? 0 : -1 << (32 - length));

const isZeronet = (address: number): boolean => address === 0;

const isSecondary = ({ flags }: Address4): boolean => (flags & AddressFlag.SECONDARY) !== 0;

/** `lo` always has room for its own. */
const takesRoom = (link: InetLink, { local }: Address4): boolean => !(isLoopback(link) && local === LOOPBACK);

const text = (address: number): string => formatKey(Int32Array.of(address));

/** Whether an address lies in the subnet of another (inet_ifa_match). */
function isIn(address: number, of: Address4): boolean {
  return ((address ^ of.peer) & maskOf(of.length)) === 0;
}

const isSameSubnet = (a: Address4, b: Address4): boolean => a.length === b.length && isIn(a.peer, b);

/** "+" and "-": all host bits set, or cleared, where there are some to speak of. */
function broadcastOf(broadcast: string, peer: number, length: number): number {
  if (broadcast === '+' || broadcast === '-') {
    if (length > 30) return 0;
    return broadcast === '+' ? peer | ~maskOf(length) : peer & maskOf(length);
  }
  const given = parseKey(broadcast, 4);
  return given === undefined ? refuse('EINVAL', `"${broadcast}" is no IPv4 address`, 'write one, or +') : given[0];
}

function parse(what: string): { address: number; length: number; hasLength: boolean } {
  const [before, length] = what.split('/');
  const key = parseKey(before, 4);
  const bits = length === undefined ? 32 : Number(length);
  if (key === undefined || !Number.isInteger(bits) || bits < 0 || bits > 32)
    return refuse('EINVAL', `"${what}" is no IPv4 address`, 'write ADDRESS/LENGTH', 'ipv4: Invalid prefix length');
  return { address: key[0], length: bits, hasLength: length !== undefined };
}

export class Addresses4 extends Addresses<Address4> {
  protected readonly method = 'setAddresses4';

  // --- commands ---------------------------------------------------------------------------------------

  change(link: InetLink, request: ChangeAddress): void {
    if (request.op === 'addr.del') return this.removeNamed(link, request);
    const address = this.parse(link, request);
    checkLifetimes(address.valid, address.preferred, 'ipv4: address lifetime invalid');
    const existing = this.find(link, address);
    if (existing === undefined) this.insert(link, address);
    else if (request.op === 'addr.add') alreadyAssigned();
    else this.modify(link, existing, address);
  }

  private parse(link: InetLink, request: ChangeAddress): Address4 {
    if (link.mtu < MIN_MTU)
      refuse('ENOBUFS', `"${link.name}" has an MTU below ${MIN_MTU}, and so no IPv4`, 'set a greater mtu');
    const { address: local, length } = parse(request.local);
    const other = request.peer === undefined ? { address: local, length } : parse(request.peer);
    const { label = link.name, broadcast } = request;
    if (Buffer.byteLength(label) >= LABEL_BYTES)
      refuse('ERANGE', `the label "${label}" is too long`, `use at most ${LABEL_BYTES - 1} bytes`);
    return this.complete(link, {
      local,
      peer: other.address,
      length: other.length,
      broadcast: broadcast === undefined ? 0 : broadcastOf(broadcast, other.address, other.length),
      ...(request.scope !== undefined && { scope: request.scope }),
      label,
      metric: request.metric ?? 0,
      hasPrefixRoute: request.noprefixroute !== true,
      valid: request.valid_lft ?? FOREVER,
      preferred: request.preferred_lft ?? FOREVER,
    });
  }

  private complete(link: InetLink, address: NewAddress4): Address4 {
    const { valid = FOREVER, preferred = FOREVER } = address;
    return {
      peer: address.local,
      broadcast: 0,
      scope: address.local >>> 24 === 127 ? Scope.HOST : Scope.UNIVERSE,
      label: link.name,
      metric: 0,
      hasPrefixRoute: true,
      protocol: 0,
      ...address,
      flags: lifetimeFlags(valid, preferred),
      valid,
      preferred,
      since: this.stack.host.now(),
    };
  }

  /** The same address of the same subnet (find_matching_ifa). */
  private find(link: InetLink, address: Address4): Address4 | undefined {
    return this.of(link).find((other) => other.local === address.local && isSameSubnet(other, address));
  }

  private modify(link: InetLink, address: Address4, wanted: Address4): void {
    if (address.metric !== wanted.metric) {
      this.changeMetric(link, address, wanted.metric);
      address.metric = wanted.metric;
    }
    address.protocol = wanted.protocol;
    this.renew(link, address, wanted);
    this.tell(link, address, false);
  }

  private changeMetric(link: InetLink, address: Address4, metric: number): void {
    const prefix = address.peer & maskOf(address.length);
    const hasRoute = link.isUp && address.hasPrefixRoute && !isSecondary(address) && !isZeronet(prefix);
    if (!hasRoute || (prefix === address.local && address.length === 32)) return;
    const { routes4 } = this.stack;
    const type = isLoopback(link) ? RouteType.LOCAL : RouteType.UNICAST;
    routes4.addMagic(type, prefix, address.length, link, address.local, metric);
    routes4.removeMagic(type, prefix, address.length, link, address.local, address.metric);
  }

  private removeNamed(link: InetLink, request: ChangeAddress): void {
    const local = parse(request.local);
    const other = request.peer === undefined ? local : parse(request.peer);
    const found = this.of(link).find(
      (address) =>
        address.local === local.address &&
        (request.label === undefined || address.label === request.label) &&
        ((!other.hasLength && request.peer === undefined) ||
          (address.length === other.length && isIn(other.address, address))),
    );
    if (found === undefined)
      return refuse('EADDRNOTAVAIL', 'it has no such address', '"ip addr" lists them', 'ipv4: Address not found');
    this.remove(link, found);
  }

  // --- the list ---------------------------------------------------------------------------------------------

  /** Gives a link an address, as DHCP clients and configurations do. Refused where the link has it already. */
  add(link: InetLink, address: NewAddress4): void {
    this.insert(link, this.complete(link, address));
  }

  private insert(link: InetLink, address: Address4): void {
    if (address.local === 0) return;
    const list = this.of(link);
    let afterPrimaries = 0;
    for (const [i, other] of list.entries()) {
      if (!isSecondary(other) && address.scope <= other.scope) afterPrimaries = i + 1;
      if (!isSameSubnet(other, address)) continue;
      if (other.local === address.local) alreadyAssigned();
      if (other.scope !== address.scope)
        refuse('EINVAL', 'its subnet has another scope', 'leave out the scope', 'ipv4: Invalid scope value');
      address.flags |= AddressFlag.SECONDARY;
    }
    if (takesRoom(link, address)) this.stack.addressRoom.take();
    this.enlist(link, address, isSecondary(address) ? list.length : afterPrimaries);
    this.tell(link, address, false);
    this.addRoutes(link, address);
    this.stack.routes4.linkUp(link, 'link');
  }

  /** inet_del_ifa. */
  remove(link: InetLink, address: Address4): void {
    const list = this.lists.get(link) ?? [];
    const promoted = isSecondary(address) ? undefined : this.removeSecondaries(link, list, address);
    const subnet = list.filter((other) => other !== address && isSameSubnet(other, address));
    const followers = promoted === undefined ? [] : subnet.slice(subnet.indexOf(promoted));
    for (const other of followers) this.removeRoutes(link, other, address);
    const leader = promoted === undefined ? undefined : this.leaderOf(list, promoted, address);
    list.splice(list.indexOf(address), 1);
    this.drop(link, address);
    if (promoted === undefined) return;
    this.promote(list, promoted, leader);
    this.tell(link, promoted, false);
    this.addRoutes(link, promoted);
    this.stack.routes4.linkUp(link, 'link');
    for (const other of followers.slice(1)) this.addRoutes(link, other);
  }

  /** Answers the secondary that takes the primary's place, if they do not go with it. */
  private removeSecondaries(link: InetLink, list: Address4[], primary: Address4): Address4 | undefined {
    const isPromoting =
      this.stack.conf(4, link, 'promote_secondaries') !== 0 || this.stack.conf(4, 'all', 'promote_secondaries') !== 0;
    const behind = list.slice(list.indexOf(primary) + 1);
    const secondaries = behind.filter((other) => isSecondary(other) && isSameSubnet(other, primary));
    if (isPromoting) return secondaries[0];
    for (const other of secondaries) {
      list.splice(list.indexOf(other), 1);
      this.drop(link, other);
    }
    return undefined;
  }

  /** Where a promoted address goes to: behind this one, unless it came right behind the primary that is gone. */
  private leaderOf(list: Address4[], promoted: Address4, gone: Address4): Address4 | undefined {
    const between = list.slice(list.indexOf(gone) + 1, list.indexOf(promoted));
    if (between.length === 0) return undefined;
    const primaries = between.filter((other) => !isSecondary(other) && gone.scope <= other.scope);
    return primaries.at(-1) ?? list[0];
  }

  private promote(list: Address4[], promoted: Address4, leader: Address4 | undefined): void {
    promoted.flags &= ~AddressFlag.SECONDARY;
    if (leader === undefined) return;
    list.splice(list.indexOf(promoted), 1);
    list.splice(list.indexOf(leader) + 1, 0, promoted);
  }

  /** An address is out of the list: its routes go, and with the last one all routes of the link. */
  private drop(link: InetLink, address: Address4): void {
    if (takesRoom(link, address)) this.stack.addressRoom.giveBack();
    this.unwritten.add(link);
    this.tell(link, address, true);
    this.removeRoutes(link, address, undefined);
    if (this.of(link).length === 0) this.stack.routes4.linkDown(link, true);
  }

  // --- routes -----------------------------------------------------------------------------------------------

  private primaryOf(link: InetLink, prefix: number, length: number): Address4 | undefined {
    return this.of(link).find((other) => !isSecondary(other) && other.length === length && isIn(prefix, other));
  }

  /** fib_add_ifaddr. */
  private addRoutes(link: InetLink, address: Address4): void {
    const { routes4 } = this.stack;
    const mask = maskOf(address.length);
    const prefix = address.peer & mask;
    const primary = isSecondary(address) ? this.primaryOf(link, prefix, address.length) : address;
    if (primary === undefined) return;
    const source = primary.local;
    routes4.addMagic(RouteType.LOCAL, address.local, 32, link, source, 0);
    if (!link.isUp) return;
    if (address.broadcast !== 0 && address.broadcast !== -1)
      routes4.addMagic(RouteType.BROADCAST, address.broadcast, 32, link, source, 0);
    if (isZeronet(prefix) || isSecondary(address) || (prefix === address.local && address.length === 32)) return;
    const type = isLoopback(link) ? RouteType.LOCAL : RouteType.UNICAST;
    if (address.hasPrefixRoute) routes4.addMagic(type, prefix, address.length, link, source, address.metric);
    if (address.length < 31) routes4.addMagic(RouteType.BROADCAST, prefix | ~mask, 32, link, source, 0);
  }

  /**
   * fib_del_ifaddr: takes back what no other address of the link needs. `replaced`: the primary whose secondaries are about to get
   * another one.
   */
  private removeRoutes(link: InetLink, address: Address4, replaced: Address4 | undefined): void {
    const { routes4 } = this.stack;
    const mask = maskOf(address.length);
    const zeros = address.peer & mask;
    const ones = address.peer | ~mask;
    let primary = address;
    let hasSubnet = false;
    if (isSecondary(address)) {
      const found = this.primaryOf(link, zeros, address.length);
      if (found === undefined || (replaced !== undefined && replaced !== found)) return;
      primary = found;
    } else if (!isZeronet(zeros) && (zeros !== address.local || address.length < 32)) {
      const type = isLoopback(link) ? RouteType.LOCAL : RouteType.UNICAST;
      if (address.hasPrefixRoute) routes4.removeMagic(type, zeros, address.length, link, primary.local, address.metric);
      hasSubnet = true;
    }
    const kept = this.keptBy(link, address, primary, replaced);
    const broadcast = (to: number): void => routes4.removeMagic(RouteType.BROADCAST, to, 32, link, primary.local, 0);
    if (!kept.broadcast) broadcast(address.broadcast);
    if (hasSubnet && address.length < 31) {
      if (!kept.ones) broadcast(ones);
      if (!kept.zeros) broadcast(zeros);
    }
    if (kept.local) return;
    routes4.removeMagic(RouteType.LOCAL, address.local, 32, link, primary.local, 0);
    if (!this.of(link).includes(address) && routes4.addressType(address.local) !== RouteType.LOCAL)
      routes4.addressGone(address.local);
  }

  /** What of an address's routes other addresses of the link have, too. */
  private keptBy(
    link: InetLink,
    address: Address4,
    primary: Address4,
    replaced: Address4 | undefined,
  ): { local: boolean; broadcast: boolean; ones: boolean; zeros: boolean } {
    const mask = maskOf(address.length);
    const zeros = address.peer & mask;
    const ones = address.peer | ~mask;
    const kept = { local: false, broadcast: false, ones: false, zeros: false };
    for (const other of this.sharing(link, address, primary, replaced)) {
      const own = [other.broadcast];
      kept.local ||= address.local === other.local;
      const otherMask = maskOf(other.length);
      const isNet = !isSecondary(other) && other.length < 31 && !isZeronet(other.peer & otherMask);
      if (isNet) own.push(other.peer | ~otherMask, other.peer & otherMask);
      kept.broadcast ||= own.includes(address.broadcast);
      kept.ones ||= own.includes(ones);
      kept.zeros ||= own.includes(zeros);
    }
    return kept;
  }

  /** The addresses of a link whose routes have the same source as those of an address. */
  private *sharing(
    link: InetLink,
    address: Address4,
    primary: Address4,
    replaced: Address4 | undefined,
  ): Generator<Address4> {
    let hasSameSource = false;
    for (const other of this.of(link)) {
      if (other === address || (replaced !== undefined && isSameSubnet(other, replaced))) continue;
      if (!isSecondary(other)) {
        if (other.local !== primary.local) continue;
        hasSameSource ||= other !== primary;
      } else if (!isSameSubnet(other, primary)) {
        const own = hasSameSource ? this.primaryOf(link, other.peer, other.length) : undefined;
        if (own === undefined || own.local !== primary.local) continue;
      }
      yield other;
    }
  }

  // --- links --------------------------------------------------------------------------------------------------

  linkUp(link: InetLink): void {
    if (isLoopback(link) && !this.of(link).some(({ local }) => local === LOOPBACK))
      this.add(link, { local: LOOPBACK, length: 8, scope: Scope.HOST });
    for (const address of this.of(link)) this.addRoutes(link, address);
  }

  /** The link is no more, or is not to have IPv4 any more. */
  clear(link: InetLink): void {
    for (let first = this.of(link)[0]; first !== undefined; first = this.of(link)[0]) this.remove(link, first);
    this.lists.delete(link);
  }

  mtuChanged(link: InetLink): void {
    if (link.mtu < MIN_MTU) this.clear(link);
  }

  /** Labels begin with the link's name; all but the first keep what follows the colon, or get a number. */
  renamed(link: InetLink): void {
    for (const [i, address] of this.of(link).entries()) {
      const colon = address.label.indexOf(':');
      const tail = colon >= 0 ? address.label.slice(colon) : `:${i + 1}`;
      const room = LABEL_BYTES - 1 - tail.length;
      address.label = i === 0 ? link.name : `${link.name.slice(0, room)}${tail}`;
      this.tell(link, address, false);
    }
  }

  // --- as others have them -----------------------------------------------------------------------------------

  protected wordsOf(link: InetLink): Int32Array {
    const list = this.of(link);
    const words = new Int32Array(list.length * Word.WORDS);
    for (const [i, { local, length, broadcast, peer, scope, flags }] of list.entries())
      words.set([local, length, broadcast, peer, scope, flags], i * Word.WORDS);
    return words;
  }

  info(address: Address4): AddressInfo {
    const { valid, preferred } = lifetimesLeft(address, this.stack.host.now());
    const { flags } = address;
    return {
      family: 'inet',
      local: text(address.local),
      ...(address.peer !== address.local && { address: text(address.peer) }),
      prefixlen: address.length,
      ...(address.metric !== 0 && { metric: address.metric }),
      ...(address.broadcast !== 0 && { broadcast: text(address.broadcast) }),
      scope: address.scope,
      ...((flags & AddressFlag.PERMANENT) === 0 && { dynamic: true }),
      ...(isSecondary(address) && { secondary: true }),
      ...((flags & AddressFlag.DEPRECATED) !== 0 && { deprecated: true }),
      ...(!address.hasPrefixRoute && { noprefixroute: true }),
      label: address.label,
      ...(address.protocol !== 0 && { protocol: address.protocol }),
      valid_life_time: valid,
      preferred_life_time: preferred,
    };
  }
}

function alreadyAssigned(): never {
  return refuse(
    'EEXIST',
    'the link has it already',
    'use "change" for its lifetimes',
    'ipv4: Address already assigned',
  );
}

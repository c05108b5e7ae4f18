/*
 * Addresses of IPv6 that nobody gives by hand, and the trial of those that somebody did (RFC 4862; net/ipv6/addrconf.c).
 *
 *   link ready ─► link-local address ─► detection ─► router solicitations … ─ advertisement ─► default route, prefixes, SLAAC
 *   tentative address ─► up to 1 s ─► solicitation × dad_transmits, 1 s apart ─► permanent
 *                                           └─ somebody has it ─► dadfailed
 *
 * Per link there is an Interface while it is ready; what was under way ends with it. Groups of a link: all nodes, the
 * solicited-node group of each address, and of a router all routers and the subnets' anycast addresses.
 */
import { Conf6 } from '../../route/conf.js';
import { formatIpv6 } from '../../wire/format.js';
import type { RouterAdvertisement } from '../../wire/nd.js';
import type { Call } from '../engine-thread.js';
import { applyAdvertisement } from './advertisement.js';
import type { Host6, Link6, Tables6 } from './host6.js';
import { eui64, isLinkLocal, isSame, linkLocal, prefixOf, solicitedNodeEnd, words } from './interface-id.js';
import { Solicitation } from './solicitation.js';

/** rtr_solicit_delay: the first probe waits up to this, so that hosts that start together do not all send at once. */
const FIRST_DELAY_MS = 1000;
const FOREVER_S = 0xffffffff;

const NODE_GROUP = 0xff010000 | 0;
const LINK_GROUP = 0xff020000 | 0;
const SITE_GROUP = 0xff050000 | 0;
/** Four words each. ff01::1, ff02::1: all nodes. */
const NODE_GROUPS = [NODE_GROUP, 0, 0, 1, LINK_GROUP, 0, 0, 1];
/** ff01::2, ff02::2, ff05::2: all routers. */
const ROUTER_GROUPS = [NODE_GROUP, 0, 0, 2, LINK_GROUP, 0, 0, 2, SITE_GROUP, 0, 0, 2];

function keyOf(address: Uint8Array): string {
  return Buffer.from(address).toString('hex');
}

/** A link that is ready. */
class Interface<L extends Link6> {
  /** Detections under way, by address: each stops its timer. */
  readonly detections = new Map<string, () => void>();
  stopSoliciting: (() => void) | undefined;
  isListening = false;
  /** Four words each; as the engine knows them. */
  groups: number[] = [];
  /** Default routers that it has heard of, by address. */
  readonly routers = new Map<string, Uint8Array>();

  constructor(readonly link: L) {}
}

export class AddressConfiguration<L extends Link6> {
  private readonly interfaces = new Map<number, Interface<L>>();

  constructor(
    private readonly tables: Tables6<L>,
    private readonly host: Host6<L>,
  ) {}

  // --- links --------------------------------------------------------------------------------------

  /** Up, with carrier, IPv6 not disabled. Also told again when addr_gen_mode has changed. */
  linkReady(link: L, calls: Call[]): void {
    if (!this.interfaces.has(link.number)) this.interfaces.set(link.number, new Interface(link));
    this.updateListening(link);
    this.joinGroups(link, calls);
    if (link.kind === 'lo' || !this.host.generates(link)) return;
    const address = linkLocal(eui64(link.address));
    const has = this.tables.addresses(link).some((own) => isLinkLocal(own.address));
    if (!has)
      this.tables.addAddress(
        link,
        { address, length: 64, validS: FOREVER_S, preferredS: FOREVER_S, isAutoconfigured: false },
        calls,
      );
  }

  /** Down, or IPv6 disabled, or gone. */
  linkDown(link: L): void {
    const found = this.interfaces.get(link.number);
    if (found === undefined) return;
    for (const stop of found.detections.values()) stop();
    found.stopSoliciting?.();
    if (found.isListening) this.host.listen(link, false);
    this.interfaces.delete(link.number);
  }

  /** forwarding, accept_ra or addr_gen_mode has changed. */
  settingChanged(link: L, name: string, calls: Call[]): void {
    if (!this.interfaces.has(link.number)) return;
    if (name === 'addr_gen_mode') return this.linkReady(link, calls);
    this.updateListening(link);
    this.joinGroups(link, calls);
    if (!this.acceptsRouters(link)) this.forgetRouters(link, calls);
  }

  /** A router has no default routers that advertise themselves (rt6_purge_dflt_routers). */
  private forgetRouters(link: L, calls: Call[]): void {
    this.stopSoliciting(link);
    const routers = this.interfaces.get(link.number)?.routers ?? new Map<string, Uint8Array>();
    for (const gateway of routers.values())
      this.tables.learnRoute(
        link,
        { prefix: new Uint8Array(16), length: 0, gateway, lifetimeS: 0, preference: 0 },
        calls,
      );
    routers.clear();
  }

  private stopSoliciting(link: L): void {
    const found = this.interfaces.get(link.number);
    found?.stopSoliciting?.();
    if (found !== undefined) found.stopSoliciting = undefined;
  }

  /** ipv6_accept_ra: 1 as a host only, 2 as a router, too. */
  private acceptsRouters(link: L): boolean {
    const accept = this.host.conf(link, Conf6.ACCEPT_RA);
    return link.kind !== 'lo' && (accept === 2 || (accept !== 0 && this.host.conf(link, Conf6.FORWARDING) === 0));
  }

  private updateListening(link: L): void {
    const found = this.interfaces.get(link.number);
    const isOn = this.acceptsRouters(link);
    if (found === undefined || found.isListening === isOn) return;
    found.isListening = isOn;
    this.host.listen(link, isOn);
  }

  /** All groups of a link anew, as its addresses are now; nothing where they are as before. */
  joinGroups(link: L, calls: Call[]): void {
    this.host.addressesChanged(link);
    const isRouter = this.host.conf(link, Conf6.FORWARDING) !== 0 && link.kind !== 'lo';
    const groups = [...NODE_GROUPS, ...(isRouter ? ROUTER_GROUPS : [])];
    if (link.kind !== 'lo') groups.push(...this.solicitedGroups(link, isRouter));
    const found = this.interfaces.get(link.number);
    if (found !== undefined) {
      if (groups.length === found.groups.length && groups.every((word, i) => word === found.groups[i])) return;
      found.groups = groups;
    }
    calls.push(['setGroups6', link.number, Int32Array.from(groups)]);
  }

  /** Of its addresses, and of a router the anycast addresses of its subnets; several may have the same. */
  private solicitedGroups(link: L, isRouter: boolean): number[] {
    const ends = new Set<number>();
    for (const { address, length } of this.tables.addresses(link)) {
      ends.add(solicitedNodeEnd(address));
      if (isRouter && length < 127) ends.add(solicitedNodeEnd(prefixOf(address, length)));
    }
    return [...ends].flatMap((end) => [LINK_GROUP, 0, 1, end]);
  }

  // --- detection of duplicates ----------------------------------------------------------------------

  /** A tentative address is there. */
  startDad(link: L, address: Uint8Array, calls: Call[]): void {
    this.joinGroups(link, calls);
    const probes = this.host.conf(link, Conf6.DAD_TRANSMITS);
    const isOff = this.host.maxConf(link, Conf6.ACCEPT_DAD) < 1 || link.kind === 'lo';
    if (isOff || probes < 1) return this.complete(link, address, calls);
    this.wait(link, address, this.host.random() * FIRST_DELAY_MS, () => this.probe(link, address, probes));
  }

  private wait(link: L, address: Uint8Array, ms: number, action: () => void): void {
    const detections = this.interfaces.get(link.number)?.detections;
    const key = keyOf(address);
    detections?.get(key)?.();
    const stop = this.host.after(ms, () => {
      detections?.delete(key);
      action();
    });
    if (detections === undefined) stop();
    else detections.set(key, stop);
  }

  private probe(link: L, address: Uint8Array, left: number): void {
    const calls: Call[] = [];
    if (left === 0) this.complete(link, address, calls);
    else {
      calls.push(['detectDuplicate', link.number, ...words(address)]);
      const retransMs = Math.max(this.host.conf(link, Conf6.NEIGH_RETRANS_MS), 10);
      this.wait(link, address, retransMs, () => this.probe(link, address, left - 1));
    }
    this.host.post(calls);
  }

  private complete(link: L, address: Uint8Array, calls: Call[]): void {
    this.tables.dadCompleted(link, address, calls);
    if (this.host.conf(link, Conf6.NDISC_NOTIFY) !== 0)
      calls.push(['advertiseAddress', link.number, ...words(address)]);
    if (isLinkLocal(address) && this.acceptsRouters(link)) this.solicit(link, address);
  }

  /** Another node has, or wants, an address that is tentative here. */
  conflict(number: number, address: Uint8Array): void {
    const found = this.interfaces.get(number);
    const stop = found?.detections.get(keyOf(address));
    if (found === undefined || stop === undefined) return;
    stop();
    found.detections.delete(keyOf(address));
    const calls: Call[] = [];
    this.tables.dadFailed(found.link, address, calls);
    this.host.post(calls);
    this.host.log(found.link, `IPv6: another node has ${formatIpv6(address)}; it is not used`);
    const isOwn = isSame(address, linkLocal(eui64(found.link.address)));
    if (isOwn && this.host.maxConf(found.link, Conf6.ACCEPT_DAD) > 1) this.host.disable(found.link);
  }

  /** The address is gone. */
  addressRemoved(link: L, address: Uint8Array, calls: Call[]): void {
    const detections = this.interfaces.get(link.number)?.detections;
    detections?.get(keyOf(address))?.();
    detections?.delete(keyOf(address));
    if (this.interfaces.has(link.number)) this.joinGroups(link, calls);
  }

  // --- routers --------------------------------------------------------------------------------------

  private solicit(link: L, source: Uint8Array): void {
    const found = this.interfaces.get(link.number);
    if (found === undefined) return;
    const solicitation = new Solicitation(() => this.host.random());
    const send = (): void => {
      this.host.solicitRouters(link, source);
      found.stopSoliciting = this.host.after(solicitation.next(), send);
    };
    found.stopSoliciting?.();
    send();
  }

  /** A valid advertisement from a router's link-local address came by a link. */
  advertised(link: L, router: Uint8Array, advertisement: RouterAdvertisement): void {
    if (!this.interfaces.has(link.number) || !this.acceptsRouters(link) || !isLinkLocal(router)) return;
    // Our own, by a link that loops (accept_ra_from_local).
    if (this.tables.addresses(link).some(({ address }) => isSame(address, router))) return;
    this.stopSoliciting(link);
    this.interfaces.get(link.number)?.routers.set(keyOf(router), router);
    const calls: Call[] = [];
    applyAdvertisement(link, router, advertisement, this.tables, this.host, calls);
    this.host.post(calls);
  }
}

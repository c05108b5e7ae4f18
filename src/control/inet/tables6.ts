/*
 * Addresses and routes of IPv6 as address configuration uses them (addrconf/host6.ts): in bytes, and by link alone.
 */
import { AddressFlag } from '../../route/addresses.js';
import type { LearnedRoute, NewAddress, OwnAddress, Tables6 } from '../addrconf/host6.js';
import type { Call } from '../engine-thread.js';
import { type Address6, Flag6 } from './addresses6.js';
import type { InetLink } from './host.js';
import type { Info } from './info.js';
import { bytesOfKey, keyOfBytes, TableId } from './keys.js';
import { FOREVER, lifetimesLeft } from './lifetime.js';
import { Refused } from './refused.js';
import { Protocol } from './route-spec.js';
import { ADDRCONF_METRIC } from './routes6.js';
import type { Stack } from './stack.js';

/** IFAPROT_*: who made an address. */
const enum AddressProtocol {
  ROUTER = 2,
  LINK_LOCAL = 3,
}

const USER_METRIC = 1024;

/** Does something with the stack of a link's namespace, and appends what the engine is to do. */
export type Within = (link: InetLink, calls: Call[], act: (stack: Stack) => void) => void;

const isFailed = ({ flags }: Address6): boolean => (flags & AddressFlag.DADFAILED) !== 0;

export class InetTables6 implements Tables6<InetLink & { address: Uint8Array }> {
  constructor(
    private readonly stackOf: (link: InetLink) => Stack,
    private readonly within: Within,
  ) {}

  addresses(link: InetLink): OwnAddress[] {
    const { addresses6, host } = this.stackOf(link);
    const now = host.now();
    return addresses6.of(link).map((address) => ({
      address: bytesOfKey(address.local),
      length: address.length,
      isTentative: (address.flags & AddressFlag.TENTATIVE) !== 0,
      hasFailed: isFailed(address),
      isAutoconfigured: address.protocol === AddressProtocol.ROUTER,
      validS: lifetimesLeft(address, now).valid,
    }));
  }

  addAddress(
    link: InetLink,
    { address, length, validS, preferredS, isAutoconfigured }: NewAddress,
    calls: Call[],
  ): void {
    this.within(link, calls, ({ addresses6, host }) => {
      const local = keyOfBytes(address);
      const lifetimes = { valid: validS, preferred: Math.min(preferredS, validS), since: host.now() };
      const known = addresses6.find(link, local);
      if (known !== undefined) return addresses6.setLifetimes(link, known, lifetimes);
      const flags = isAutoconfigured ? Flag6.MANAGETEMPADDR : 0;
      const protocol = isAutoconfigured ? AddressProtocol.ROUTER : AddressProtocol.LINK_LOCAL;
      try {
        addresses6.add(link, { local, length, flags, protocol, ...lifetimes }, !isAutoconfigured);
      } catch (error) {
        // IPv6 was disabled meanwhile: nobody waits for an answer.
        if (!(error instanceof Refused)) throw error;
      }
    });
  }

  dadCompleted(link: InetLink, address: Uint8Array, calls: Call[]): void {
    this.within(link, calls, ({ addresses6 }) => {
      const found = addresses6.find(link, keyOfBytes(address));
      if (found !== undefined) addresses6.dadCompleted(link, found);
    });
  }

  dadFailed(link: InetLink, address: Uint8Array, calls: Call[]): void {
    this.within(link, calls, ({ addresses6 }) => {
      const found = addresses6.find(link, keyOfBytes(address));
      if (found !== undefined) addresses6.dadFailed(link, found);
    });
  }

  learnRoute(link: InetLink, route: LearnedRoute, calls: Call[]): void {
    this.within(link, calls, ({ routes6 }) => {
      const key = keyOfBytes(route.prefix);
      const gateway = route.gateway === undefined ? undefined : keyOfBytes(route.gateway);
      const { length, lifetimeS } = route;
      const isSame = (info: Info): boolean => isLearnedBy(info, link, gateway);
      const known = routes6.at(TableId.MAIN, key, length).find(isSame);
      // A prefix whose route somebody gave by hand keeps it as it is.
      if (known !== undefined && gateway === undefined && known.expires === 0 && lifetimeS !== 0) return;
      if (known !== undefined) routes6.removeLearned(TableId.MAIN, key, length, isSame);
      if (lifetimeS === 0) return;
      routes6.addLearned({
        key,
        length,
        link,
        metric: gateway === undefined ? ADDRCONF_METRIC : USER_METRIC,
        protocol: gateway === undefined ? Protocol.KERNEL : Protocol.RA,
        ...(gateway !== undefined && { gateway }),
        expires: lifetimeS === FOREVER ? 0 : lifetimeS,
        pref: route.preference,
        mtu: route.mtu ?? 0,
        hoplimit: route.hopLimit ?? 0,
        isLearned: true,
      });
    });
  }
}

function isLearnedBy({ hops, protocol }: Info, link: InetLink, gateway: Int32Array | undefined): boolean {
  const [hop] = hops;
  if (hops.length !== 1 || hop.link !== link) return false;
  if (gateway === undefined) return hop.family === 0 && protocol === Protocol.KERNEL;
  return protocol === Protocol.RA && hop.gateway.every((word, i) => word === gateway[i]);
}

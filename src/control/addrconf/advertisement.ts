/*
 * What a host does with a router advertisement (RFC 4861 §6.3.4, RFC 4862 §5.5.3; ndisc_router_discovery and
 * addrconf_prefix_rcv of the kernel): a default route, prefixes on the link, addresses, and settings of the link.
 */
import { Conf6 } from '../../route/conf.js';
import type { PrefixInformation, RouterAdvertisement } from '../../wire/nd.js';
import type { Call } from '../engine-thread.js';
import type { Host6, Link6, Tables6 } from './host6.js';
import { addressIn, eui64, isLinkLocal, isMulticast, isSame, prefixOf } from './interface-id.js';

const FOREVER_S = 0xffffffff;
/** Two hours: an advertisement, which nobody signs, cannot make an address end sooner (RFC 4862 §5.5.3 e). */
const MIN_VALID_S = 7200;
/** max_addresses: what a link has at most, so that advertisements cannot fill the table. */
const MAX_ADDRESSES = 16;
const MIN_MTU = 1280;
const MAX_REACHABLE_MS = 3_600_000;
const MIN_RETRANS_MS = 10;

export function applyAdvertisement<L extends Link6>(
  link: L,
  router: Uint8Array,
  advertisement: RouterAdvertisement,
  tables: Tables6<L>,
  host: Host6<L>,
  calls: Call[],
): void {
  const { hopLimit, mtu, lifetimeS, preference } = advertisement;
  applySettings(link, advertisement, host, calls);
  const isMtu = mtu !== undefined && mtu >= MIN_MTU && mtu <= link.mtu;
  tables.learnRoute(
    link,
    {
      prefix: new Uint8Array(16),
      length: 0,
      gateway: router,
      lifetimeS,
      preference,
      ...(hopLimit === 0 ? {} : { hopLimit }),
      ...(isMtu && mtu !== link.mtu ? { mtu } : {}),
    },
    calls,
  );
  for (const prefix of advertisement.prefixes) applyPrefix(link, prefix, tables, host, calls);
}

function applySettings<L extends Link6>(link: L, from: RouterAdvertisement, host: Host6<L>, calls: Call[]): void {
  const set = (key: Conf6, value: number): void => {
    if (host.conf(link, key) !== value) host.setConf(link, key, value, calls);
  };
  if (from.hopLimit !== 0) set(Conf6.HOP_LIMIT, from.hopLimit);
  if (from.retransMs >= MIN_RETRANS_MS && from.retransMs < 2 ** 31) set(Conf6.NEIGH_RETRANS_MS, from.retransMs);
  if (from.reachableMs > 0 && from.reachableMs <= MAX_REACHABLE_MS)
    set(Conf6.NEIGH_BASE_REACHABLE_MS, from.reachableMs);
  if (from.mtu !== undefined && from.mtu >= MIN_MTU && from.mtu <= link.mtu) set(Conf6.MTU, from.mtu);
}

function applyPrefix<L extends Link6>(
  link: L,
  information: PrefixInformation,
  tables: Tables6<L>,
  host: Host6<L>,
  calls: Call[],
): void {
  const { length, validS, preferredS, onLink, autonomous } = information;
  const prefix = prefixOf(information.prefix, length);
  if (isMulticast(prefix) || isLinkLocal(prefix) || preferredS > validS) return;
  if (onLink) tables.learnRoute(link, { prefix, length, lifetimeS: validS, preference: 0 }, calls);
  if (!autonomous || length !== 64 || host.conf(link, Conf6.AUTOCONF) === 0) return;
  const address = addressIn(prefix, eui64(link.address));
  const all = tables.addresses(link);
  const own = all.find((other) => isSame(other.address, address));
  if (own === undefined && (validS === 0 || all.length >= MAX_ADDRESSES)) return;
  // What was given by hand stays as it was given.
  if (own !== undefined && !own.isAutoconfigured) return;
  const lasts = own === undefined ? validS : atLeast(validS, own.validS);
  const isForever = validS === FOREVER_S;
  tables.addAddress(
    link,
    {
      address,
      length,
      validS: isForever ? validS : lasts,
      preferredS: Math.min(preferredS, lasts),
      isAutoconfigured: true,
    },
    calls,
  );
}

/** The new lifetime, but not below two hours, nor below what is left if that is less. */
function atLeast(validS: number, leftS: number): number {
  return Math.max(validS, Math.min(leftS, MIN_VALID_S));
}

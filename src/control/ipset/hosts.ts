/*
 * Host names in members: a name that is not a number is thrown as Unresolved; whoever runs the command resolves it and reads again
 * (reading has no effects). The first address counts.
 */
import { lookup, lookupService } from 'node:dns/promises';
import { Family } from '../../netfilter/rule.js';
import { type Address, formatAddress, readAddress } from '../iptables/addresses.js';
import { syntax } from './failures.js';
import type { IpFamily } from './values.js';

export class Unresolved extends Error {
  constructor(
    readonly host: string,
    readonly family: IpFamily,
  ) {
    super(`${host} has to be looked up`);
  }
}

/** What the resolver has answered: of the command being read. */
export class Hosts {
  readonly #known = new Map<string, readonly Address[]>();
  /** Names that have more than one address, for a warning. */
  readonly ambiguous: string[] = [];

  address(text: string, family: IpFamily): Address {
    const own = family === 6 ? Family.IPV6 : Family.IPV4;
    const numeric = family === 6 ? readAddress(text, own) : readIpv4(text);
    if (numeric !== undefined) return numeric;
    const known = this.#known.get(`${family} ${text}`);
    if (known === undefined) throw new Unresolved(text, family);
    if (known.length > 0) return known[0];
    throw syntax(`cannot parse ${text}: resolving to IPv${family} address failed`);
  }

  async learn({ host, family }: Unresolved): Promise<void> {
    const found = isName(host) ? await addressesOf(host, family) : [];
    this.#known.set(`${family} ${host}`, found);
    if (found.length > 1) this.ambiguous.push(host);
  }
}

/** Addresses of the other family, broken numbers and the like are not worth asking anybody. */
function isName(host: string): boolean {
  if (host.split('.').every((part) => /^(0x[0-9a-f]*|\d*)$/i.test(part))) return false;
  return /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(host) && /[A-Za-z_-]/.test(host) && host.length < 254;
}

async function addressesOf(host: string, family: IpFamily): Promise<Address[]> {
  try {
    const found = await lookup(host, { all: true, family });
    const own = family === 6 ? Family.IPV6 : Family.IPV4;
    return found.map(({ address }) => readAddress(address, own)).filter((address) => address !== undefined);
  } catch {
    return [];
  }
}

/** One to four parts, the last one as wide as what is left: "10.1" is 10.0.0.1. */
function readIpv4(text: string): Address | undefined {
  const parts = text.split('.');
  if (parts.length > 4) return undefined;
  let address = 0;
  for (const [i, part] of parts.entries()) {
    if (!/^(0[0-7]*|[1-9][0-9]*)$/.test(part)) return undefined;
    const value = /^0[0-7]/.test(part) ? Number.parseInt(part, 8) : Number(part);
    const isLast = i === parts.length - 1;
    const width = isLast ? 8 * (4 - i) : 8;
    if (value >= 2 ** width) return undefined;
    address = isLast ? address * 2 ** width + value : address * 256 + value;
  }
  return [address | 0];
}

/** Asked of the resolver at a time. */
const AT_ONCE = 16;

/** How addresses are written with -resolve: a name that has a "-" in brackets. */
export async function hostTexts(addresses: Iterable<Address>): Promise<(address: Address) => string> {
  const names = new Map<string, string>();
  const texts = [...new Set([...addresses].map(formatAddress))];
  for (let i = 0; i < texts.length; i += AT_ONCE) {
    await Promise.all(texts.slice(i, i + AT_ONCE).map(async (text) => names.set(text, await hostText(text))));
  }
  return (address) => names.get(formatAddress(address)) ?? formatAddress(address);
}

async function hostText(address: string): Promise<string> {
  try {
    const { hostname } = await lookupService(address, 0);
    return hostname.includes('-') ? `[${hostname}]` : hostname;
  } catch {
    return address;
  }
}

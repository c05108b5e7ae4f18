/*
 * Names of addresses, for -L without -n: /etc/hosts and DNS are asked before a listing is made (`learnHostNames`), as the listing
 * itself cannot wait. An address whose name is not known is written as a number.
 */
import { lookupService } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { Family } from '../../netfilter/rule.js';
import { type Address, formatAddress, readAddress } from './addresses.js';

/** Looked up at a time. */
const AT_ONCE = 16;

const names = new Map<string, string | undefined>();

let networks: Map<string, string> | undefined;

/** Names of networks: /etc/networks. */
function networkName(address: string): string | undefined {
  networks ??= readNetworks();
  return networks.get(address);
}

function readNetworks(): Map<string, string> {
  const found = new Map<string, string>();
  let text = '';
  try {
    text = readFileSync('/etc/networks', 'utf8');
  } catch {}
  for (const line of text.split('\n')) {
    const [name, address] = line.replace(/#.*/, '').split(/\s+/);
    const parsed = address === undefined ? undefined : readAddress(address, Family.IPV4);
    if (parsed !== undefined) found.set(formatAddress(parsed), name);
  }
  return found;
}

export async function learnHostNames(addresses: Iterable<Address>): Promise<void> {
  const unknown = [...new Set([...addresses].map(formatAddress))].filter((text) => !names.has(text));
  for (let i = 0; i < unknown.length; i += AT_ONCE) {
    await Promise.all(unknown.slice(i, i + AT_ONCE).map(learn));
  }
}

async function learn(address: string): Promise<void> {
  try {
    const { hostname } = await lookupService(address, 0);
    names.set(address, hostname === address ? undefined : hostname);
  } catch {
    names.set(address, undefined);
  }
}

/** What was learnt holds for one listing. */
export function forgetHostNames(): void {
  names.clear();
}

export function hostName(address: Address): string | undefined {
  const text = formatAddress(address);
  return names.get(text) ?? networkName(text);
}

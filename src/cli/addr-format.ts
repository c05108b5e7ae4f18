/*
 * Addresses as `ip addr show` and `ip monitor` print them: AddressInfo and flags in, text or JSON out.
 * The daemon says only the flags that are set; `permanent` is what is not `dynamic`.
 */
import type { AddressInfo } from '../control/api/address.js';
import type { Json } from './json.js';
import type { ShowFlags } from './link-format.js';
import { SCOPES } from './rt-names.js';

export interface AddressFlags extends ShowFlags {
  /** -N: scopes by number. */
  numeric: boolean;
}

/** Where an address is, in output that does not stand under its link. */
export interface Place {
  index: number;
  dev: string;
}

export const FOREVER = 0xffffffff;

/** In iproute2's order. */
const FLAGS = [
  'secondary',
  'temporary',
  'nodad',
  'dadfailed',
  'home',
  'deprecated',
  'tentative',
  'dynamic',
  'mngtmpaddr',
  'noprefixroute',
] as const;

function flagsOf(address: AddressInfo): string[] {
  return FLAGS.filter((flag) => address[flag] === true);
}

function ends(address: AddressInfo): string {
  const peer = address.address === undefined ? '' : ` peer ${address.address}`;
  const metric = address.metric === undefined ? '' : `metric ${address.metric} `;
  return `${address.local}${peer}/${address.prefixlen} ${metric}`;
}

const lifetime = (seconds: number): string => (seconds === FOREVER ? 'forever' : `${seconds}sec`);

export function addressText(address: AddressInfo, flags: AddressFlags, place?: Place): string {
  if (flags.brief) return ends(address);
  const where = place === undefined ? '' : `${place.index}: ${place.dev}`;
  const broadcast = address.broadcast === undefined ? '' : `brd ${address.broadcast} `;
  const words = flagsOf(address).map((flag) => `${flag} `);
  const scope = `scope ${SCOPES.name(address.scope, flags.numeric)} `;
  const first = `${where}    ${address.family} ${ends(address)}${broadcast}${scope}${words.join('')}${address.label ?? ''}`;
  const times = `valid_lft ${lifetime(address.valid_life_time)} preferred_lft ${lifetime(address.preferred_life_time)}`;
  return `${first}${flags.oneline ? '\\' : '\n'}       ${times}\n`;
}

export function addressJson(
  address: AddressInfo,
  flags: AddressFlags,
  place?: Place,
): Record<string, Json | undefined> {
  const { local, address: peer, prefixlen, metric } = address;
  const ends = { local, address: peer, prefixlen, metric };
  if (flags.brief) return ends;
  return {
    index: place?.index,
    dev: place?.dev,
    family: address.family,
    ...ends,
    broadcast: address.broadcast,
    scope: SCOPES.name(address.scope, flags.numeric),
    ...Object.fromEntries(flagsOf(address).map((flag) => [flag, true])),
    label: address.label,
    valid_life_time: address.valid_life_time,
    preferred_life_time: address.preferred_life_time,
  };
}

/*
 * What a command of ipset says of a set or a member, as it was read. A value that was not given is absent.
 */
import type { Address } from '../iptables/addresses.js';
import type { Many } from './kinds.js';

export type IpFamily = 4 | 6;

export interface Values {
  /** Of the set; while one is created IPv4 until told otherwise. */
  family?: IpFamily | undefined;
  /** What the member is, or the range of a set: an address, the last one, or its prefix; the second address likewise. */
  ip?: Address;
  to?: Address;
  cidr?: number;
  ip2?: Address;
  to2?: Address;
  cidr2?: number;
  protocol?: number;
  port?: number;
  portTo?: number;
  mark?: number;
  /** First two bytes, last four. */
  mac?: readonly [high: number, low: number];
  iface?: string;
  isPhysdev?: boolean;
  /** The set that is a member, and the one that it is put beside. */
  name?: string;
  reference?: string;
  isBefore?: boolean;

  timeout?: number;
  packets?: bigint;
  bytes?: bigint;
  comment?: string;
  skbmark?: readonly [mark: number, mask: number];
  skbprio?: number;
  skbqueue?: number;
  isNomatch?: boolean;
  isWildcard?: boolean;

  hashsize?: number;
  maxelem?: number;
  netmask?: number;
  bitmask?: Address;
  markmask?: number;
  size?: number;
  bucketsize?: number;
  initval?: number;
  hasCounters?: boolean;
  hasComments?: boolean;
  hasSkbinfo?: boolean;
  isForced?: boolean;
}

/** Which way a command names many with: first that the kind does not take. */
export const MANY: readonly Many[] = ['to', 'cidr', 'portTo', 'cidr2', 'to2'];

export function familyOf(values: Values): IpFamily {
  values.family ??= 4;
  return values.family;
}

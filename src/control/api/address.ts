/* Addresses of links: ip-address. */
import type { LinkInfo } from './link.js';

/** Scope of an address or route (rtnetlink.h): 0 global, 200 site, 253 link, 254 host, 255 nowhere. */
export type Scope = number;

/** An address, in the key order of `ip -j -d addr show`, flags as iproute2 spells them. Lifetimes in s, 4294967295: for ever. */
export interface AddressInfo {
  family: 'inet' | 'inet6';
  local: string;
  /** The other end, where it differs from `local`. */
  address?: string;
  prefixlen: number;
  metric?: number;
  broadcast?: string;
  scope: Scope;
  dynamic?: boolean;
  secondary?: boolean;
  tentative?: boolean;
  deprecated?: boolean;
  dadfailed?: boolean;
  temporary?: boolean;
  nodad?: boolean;
  noprefixroute?: boolean;
  mngtmpaddr?: boolean;
  home?: boolean;
  label?: string;
  protocol?: number;
  valid_life_time: number;
  preferred_life_time: number;
}

/** `ip addr show`: a link and its addresses. */
export interface LinkAddresses {
  link: LinkInfo;
  addresses: AddressInfo[];
}

export interface ChangeAddress {
  op: 'addr.add' | 'addr.change' | 'addr.replace' | 'addr.del';
  dev: string;
  /** ADDRESS[/LENGTH]; without a length 32 or 128, but for `addr.del`: an IPv4 address of any length. */
  local: string;
  /** ADDRESS[/LENGTH] of the other end of a point-to-point link. */
  peer?: string;
  /** An address, or '+' and '-': all host bits set, or cleared. */
  broadcast?: string;
  label?: string;
  scope?: Scope;
  metric?: number;
  valid_lft?: number;
  preferred_lft?: number;
  nodad?: boolean;
  noprefixroute?: boolean;
  home?: boolean;
}

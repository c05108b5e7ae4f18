/*
 * What address configuration asks of its surroundings: of the tables of addresses and routes (control/inet), of the
 * engine, and of time. A test gives its own.
 */
import type { Conf6 } from '../../route/conf.js';
import type { Call } from '../engine-thread.js';

/** A link as IPv6 sees it. */
export interface Link6 {
  /** In the dataplane. */
  readonly number: number;
  readonly name: string;
  readonly kind: string;
  readonly mtu: number;
  /** Its MAC address. */
  readonly address: Uint8Array;
  readonly isUp: boolean;
  readonly hasCarrier: boolean;
}

/** An address of a link, as far as its configuration is concerned. */
export interface OwnAddress {
  readonly address: Uint8Array;
  readonly length: number;
  readonly isTentative: boolean;
  readonly hasFailed: boolean;
  /** It was made from a router's prefix. */
  readonly isAutoconfigured: boolean;
  /** s left; 4294967295: for ever. */
  readonly validS: number;
}

export interface NewAddress {
  address: Uint8Array;
  length: number;
  /** s; 4294967295: for ever. */
  validS: number;
  preferredS: number;
  /** From a router's prefix: `dynamic mngtmpaddr`, without a prefix route of its own. */
  isAutoconfigured: boolean;
}

/** A route that a router told of. */
export interface LearnedRoute {
  prefix: Uint8Array;
  length: number;
  /** Absent: the prefix is on the link (`proto kernel metric 256`); else `proto ra metric 1024`. */
  gateway?: Uint8Array;
  /** s; 4294967295: for ever; 0: it goes. */
  lifetimeS: number;
  /** RFC 4191, as on the wire. */
  preference: number;
  hopLimit?: number;
  mtu?: number;
}

export interface Tables6<L extends Link6> {
  addresses(link: L): OwnAddress[];
  /** A new one is tentative where detection is due: startDad follows. One that is there gets the lifetimes. */
  addAddress(link: L, address: NewAddress, calls: Call[]): void;
  /** Nobody else has it: it may be used. */
  dadCompleted(link: L, address: Uint8Array, calls: Call[]): void;
  /** Somebody else has it. */
  dadFailed(link: L, address: Uint8Array, calls: Call[]): void;
  /** Adds a route, changes the one of the same prefix and gateway, or (lifetime 0) takes it away. */
  learnRoute(link: L, route: LearnedRoute, calls: Call[]): void;
}

export interface Host6<L extends Link6> {
  conf(link: L, key: Conf6): number;
  /** The greater one of the link's and `all`'s. */
  maxConf(link: L, key: Conf6): number;
  /** What a router advertised for a setting of the link. */
  setConf(link: L, key: Conf6, value: number, calls: Call[]): void;
  /** addr_gen_mode: whether it makes a link-local address of its own. */
  generates(link: L): boolean;
  /** Sets the link's disable_ipv6: its own address is somebody else's. */
  disable(link: L): void;
  /** Calls of an operation that nobody waits for. */
  post(calls: Call[]): void;
  /** Sends a router solicitation from a link-local address. */
  solicitRouters(link: L, source: Uint8Array): void;
  /** From now on router advertisements of the link are told, or no more. */
  listen(link: L, isOn: boolean): void;
  /** The link has other addresses than before, or other ones that may be used. */
  addressesChanged(link: L): void;
  log(link: L, text: string): void;
  /** Carries out an action later; the answer stops it. */
  after(ms: number, action: () => void): () => void;
  /** From 0 to below 1. */
  random(): number;
}

/*
 * What the control plane of IP needs to know of those around it, and what it tells them. Network and its links satisfy
 * these shapes; a test gives its own.
 *
 *   Network ── linkAdded, linkChanged … ──► InetControl ── Call[] ──────► the engine
 *                                               │  ▲
 *                                      Addrconf ▼  │ Tables6: addAddress, dadCompleted …
 *                                     DAD, SLAAC, router solicitation
 */
import type { MonitorEvent } from '../api/monitor.js';
import type { Call } from '../engine-thread.js';

/** A namespace of Sluice. Its tables and rules are kept under this object's identity. */
export interface InetNamespace {
  readonly name: string;
  /** In the dataplane. */
  readonly number: number;
  /** By name, lo included. */
  readonly links: ReadonlyMap<string, InetLink>;
}

/** A link as IP sees it. Fields are those of now: they change before linkChanged is called. */
export interface InetLink {
  /** In the dataplane. */
  readonly number: number;
  readonly ifindex: number;
  readonly name: string;
  /** `lo` is the loopback. */
  readonly kind: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly hasCarrier: boolean;
  readonly namespace: InetNamespace;
}

export interface InetHost {
  /** Carries out calls between two bursts, in the order of the calls of transact. */
  transact(calls: Call[]): Promise<unknown[]>;
  /** The value of a sysctl by its Linux name as a number; 0 where there is none. */
  setting(namespace: InetNamespace, key: string): number;
  /** What `ip monitor` shows. Only called while `isMonitored`. */
  onEvent(namespace: InetNamespace, event: MonitorEvent): void;
  /** Whether anybody watches at all: events of a million routes are not made for nobody. */
  isMonitored(): boolean;
  /** ms that never go back. */
  now(): number;
}

/** The side of IPv6 addresses that sends packets: addrconf/addrconf.ts. Addresses are 16 bytes. */
export interface Addrconf {
  /** Up, with carrier, IPv6 not disabled: a link-local address and router solicitations are due. */
  linkReady(link: InetLink, calls: Call[]): void;
  /** Down, gone, or IPv6 disabled: all that was under way ends. Its addresses are gone already. */
  linkDown(link: InetLink): void;
  /** Its addresses are others than before: so are its groups. */
  joinGroups(link: InetLink, calls: Call[]): void;
  /** Detection of a tentative address is due; ends with tables6's dadCompleted or dadFailed. */
  startDad(link: InetLink, address: Uint8Array, calls: Call[]): void;
  /** The address is gone: detection of it ends, its solicited-node group is left. */
  addressRemoved(link: InetLink, address: Uint8Array, calls: Call[]): void;
}

export const isLoopback = (link: InetLink): boolean => link.kind === 'lo';

/** netif_carrier_ok and IFF_UP together: IFF_LOWER_UP. */
export const isRunning = (link: InetLink): boolean => link.isUp && link.hasCarrier;

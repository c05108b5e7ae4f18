/*
 * Where the IP stack asks about a packet on its way: netfilter's five hooks. The stack knows no more of netfilter than this; who
 * builds the dataplane puts it in.
 *
 *   in ─► PREROUTING ─ route ─┬─► INPUT ─► local                     local ─ route ─► OUTPUT ─┬─► POSTROUTING ─► out
 *                             └─► FORWARD ────────────────────────────────────────────────────┘
 *
 * A hook may change the packet's bytes and its mark. What it does not let go on is gone when it answers: dropped, or
 * taken elsewhere. It is asked only in namespaces where somebody wants to be (`isOn`).
 */
import type { Frame } from '../core/arena.js';
import { type Link, MAX_NAMESPACES, type Namespace } from '../core/links.js';

/** Bits of Hooks.isOn. */
export const enum HookFamily {
  IPV4 = 1,
  IPV6 = 2,
}

/** What OUTPUT answers. */
export const enum Output {
  GONE = 0,
  ON = 1,
  /** The packet's addresses, TOS or mark are others now, so its way may be (ip_route_me_harder). */
  REROUTE = 2,
}

export interface Hooks {
  /** The first `n` frames of arena.burst came in by `link`, of whatever protocol, in a namespace whose IPv4 packets are asked about. */
  receive4(link: Link, n: number, now: number): void;
  /** A forwarded packet has passed all hooks, and leaves by `out`: row `hop` of fib.nexthops, of a route with that MTU (0: the link's). */
  forwarded4(frame: Frame, link: Link, out: Link, hop: number, mtu: number): void;
  /** By namespace: bits of HookFamily. */
  readonly isOn: Uint8Array;
  /** Answers the packet that goes on, put together if it came in fragments; NONE: it does not. */
  prerouting4(frame: Frame, link: Link, now: number): Frame;
  prerouting6(frame: Frame, link: Link, now: number): Frame;
  /** The others: false = it is gone. */
  input4(frame: Frame, link: Link, now: number): boolean;
  input6(frame: Frame, link: Link, now: number): boolean;
  forward4(frame: Frame, link: Link, out: Link, now: number): boolean;
  forward6(frame: Frame, link: Link, out: Link, now: number): boolean;
  output4(frame: Frame, namespace: Namespace, out: Link, now: number): Output;
  output6(frame: Frame, namespace: Namespace, out: Link, now: number): Output;
  postrouting4(frame: Frame, out: Link, now: number): boolean;
  postrouting6(frame: Frame, out: Link, now: number): boolean;
}

/** Of a stack beside which there is no netfilter. */
export class NoHooks implements Hooks {
  readonly isOn = new Uint8Array(MAX_NAMESPACES);
  receive4 = (): void => {};
  forwarded4 = (): void => {};
  prerouting4 = (frame: Frame): Frame => frame;
  prerouting6 = (frame: Frame): Frame => frame;
  input4 = (): boolean => true;
  input6 = (): boolean => true;
  forward4 = (): boolean => true;
  forward6 = (): boolean => true;
  output4 = (): Output => Output.ON;
  output6 = (): Output => Output.ON;
  postrouting4 = (): boolean => true;
  postrouting6 = (): boolean => true;
}

/*
 * What the services of a link (DHCP, router advertisements) need of those around them. A test gives its own.
 */
import type { Request } from './api/request.js';
import type { Sockets } from './sockets.js';

/** A link as its services see it. */
export interface ServiceLink {
  /** In the dataplane. */
  readonly number: number;
  readonly name: string;
  readonly mtu: number;
  /** Its MAC address. */
  readonly address: Uint8Array;
  readonly isUp: boolean;
  readonly hasCarrier: boolean;
  readonly namespace: { readonly name: string; readonly number: number };
}

export interface LinkAddress {
  /** 4 or 16 bytes. */
  address: Uint8Array;
  length: number;
  /** Detection of duplicates is not over, or has found one. */
  isTentative: boolean;
}

export interface ServiceHost {
  readonly sockets: Sockets;
  addresses(link: ServiceLink): LinkAddress[];
  forwards6(link: ServiceLink): boolean;
  /** Carries out a request as if a client had made it; `isNested`: as part of the one that is being carried out. */
  execute(namespace: string, request: Request, isNested: boolean): Promise<unknown>;
  log(level: 'info' | 'warn', link: ServiceLink, text: string): void;
  /** ms that never go back. */
  nowMs(): number;
}

export function isReady(link: ServiceLink): boolean {
  return link.isUp && link.hasCarrier;
}

/** A timer that is set anew whenever what it waits for changes. */
export class Alarm {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly nowMs: () => number,
    private readonly action: () => void,
  ) {}

  /** `Infinity`: never. Node's timers hold 24 days at most; a later one asks again then. */
  set(atMs: number): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const ms = Math.min(Math.max(atMs - this.nowMs(), 0), 2 ** 31 - 1);
    this.timer = setTimeout(() => this.action(), ms);
    this.timer.unref();
  }
}

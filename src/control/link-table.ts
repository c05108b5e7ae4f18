/*
 * All links by their numbers in the dataplane, and how a new one starts.
 */
import { MAX_LINKS } from '../core/links.js';
import type { Link, LinkKind } from './link.js';
import { randomMac, refuse } from './link-checks.js';
import type { Namespace } from './namespaces.js';
import type { LinkSettings } from './sysctls.js';

export const DEFAULT_MTU = 1500;
export const LOOPBACK_MTU = 65536;

/** Until it is in its namespace. */
const NO_SETTINGS: LinkSettings = {
  words4: [],
  words6: [],
  isPinned4: false,
  pinned4: new Set(),
  pinned6: new Set(),
  written: new Map(),
};

export class LinkTable {
  private readonly links: Array<Link | undefined> = [];
  private readonly freed: number[] = [];
  private next = 1;

  byNumber(number: number): Link | undefined {
    return this.links[number];
  }

  all(): Link[] {
    return this.links.filter((link) => link !== undefined);
  }

  /** A link that is down and nowhere yet, and has a number: `give` it back if it does not come to be. */
  make(kind: LinkKind, name: string, namespace: Namespace): Link {
    const mtu = kind === 'lo' ? LOOPBACK_MTU : DEFAULT_MTU;
    return {
      number: this.take(name),
      ifindex: 0,
      name,
      kind,
      namespace,
      address: kind === 'lo' ? new Uint8Array(6) : randomMac(),
      isAddressSet: false,
      mtu,
      isMtuSet: false,
      isUp: false,
      hasBeenUp: false,
      hasCarrier: kind === 'lo' || kind === 'dummy' || kind === 'bridge',
      settings: NO_SETTINGS,
      ports: [],
      uppers: [],
    };
  }

  /** From 1: in the datapath 0 is no link. */
  private take(name: string): number {
    const number = this.freed.pop() ?? this.next++;
    if (number < MAX_LINKS) return number;
    this.next--;
    return refuse(
      'ENOSPC',
      `cannot add link "${name}": there are ${MAX_LINKS - 1}, the most there can be; delete one first`,
    );
  }

  give(link: Link): void {
    this.freed.push(link.number);
  }

  add(link: Link): void {
    this.links[link.number] = link;
    link.namespace.add(link);
  }

  remove(link: Link): void {
    this.links[link.number] = undefined;
    link.namespace.remove(link);
  }
}

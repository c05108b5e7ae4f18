/*
 * What a route leads to, shared by all prefixes that lead to the same (the kernel's fib_info): type, metric, next hops and
 * what else a command said. Two routes of equal attributes share one Info; the state of its next hops (DEAD, LINKDOWN) is
 * not part of what makes them equal, as it follows from the links.
 */
import { Scope } from '../../route/addresses.js';
import { NextHopFlag, RouteType } from '../../route/fib.js';
import type { InetLink } from './host.js';

export interface Hop {
  /** Absent only in a lookup's template. */
  link: InetLink;
  /** Of the gateway, 0 without one. */
  family: 0 | 4 | 6;
  /** Network order; 1 or 4 words, none without a gateway. */
  gateway: Int32Array;
  weight: number;
  /** NextHopFlag. */
  flags: number;
  /** IPv4: how far the gateway is (fib_nh_scope). */
  scope: number;
}

/** What is asked of a new Info. */
export interface InfoTemplate {
  type: RouteType;
  table: number;
  protocol: number;
  scope: number;
  metric: number;
  /** One or four words; all 0: none. */
  prefsrc: Int32Array;
  /** 0, or bytes, perhaps with MTU_LOCK. */
  mtu: number;
  /** 0, or a hop limit, perhaps with MTU_LOCK as its lock. */
  hoplimit: number;
  /** IPv6: RFC 4191, as on the wire: 0 medium, 1 high, 3 low. */
  pref: number;
  /** IPv6: host.now() at which it ends; 0 = never. */
  expires: number;
  /** IPv6: made by addrconf, never part of a multipath route. */
  isLearned: boolean;
  /** IPv6: it leads to lo, where nothing but errors comes of it. */
  isReject: boolean;
  hops: Hop[];
}

export interface Info extends InfoTemplate {
  readonly number: number;
  /** NextHopFlag.DEAD and LINKDOWN: all of its next hops are. */
  flags: number;
  /** Aliases that lead here. */
  references: number;
  /** A look-up may take it: not dead, and a next hop is alive. */
  isUsable: boolean;
  /** First row of its next hops in the FIB, −1 while no prefix that leads here is written. */
  nexthop: number;
  /** Rows of the FIB's routes made of it: one for each length. */
  rows: number;
}

export const NO_GATEWAY = new Int32Array(0);

/** The errors that a route of a type answers with; undefined: it leads somewhere. */
export function errorOf(type: RouteType): 'EINVAL' | 'EHOSTUNREACH' | 'EACCES' | 'EAGAIN' | undefined {
  switch (type) {
    case RouteType.BLACKHOLE:
      return 'EINVAL';
    case RouteType.UNREACHABLE:
      return 'EHOSTUNREACH';
    case RouteType.PROHIBIT:
      return 'EACCES';
    case RouteType.THROW:
      return 'EAGAIN';
    default:
      return undefined;
  }
}

export function sameWords(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

export function isZero(words: Int32Array): boolean {
  return words.every((word) => word === 0);
}

/**
 * Whether packets go to the gateway. A gateway that is this host's own address names a link and no more: then, as if there
 * were none, they go to their destination on it. (IPv6 has no scopes, and takes no such gateway.)
 */
export function usesGateway({ family, scope }: Hop): boolean {
  return family !== 0 && (scope === Scope.UNIVERSE || scope === Scope.LINK);
}

/** Equal for hops that make routes equal. */
function hopKey({ link, family, gateway, weight, flags, scope }: Hop): string {
  return `${link.number},${family},${gateway.join('.')},${weight},${flags & NextHopFlag.ONLINK},${scope}`;
}

function keyOf(t: InfoTemplate): string {
  const own = `${t.type},${t.table},${t.protocol},${t.scope},${t.metric},${t.prefsrc.join('.')},${t.mtu},${t.hoplimit}`;
  return `${own},${t.pref},${t.expires},${t.isLearned}|${t.hops.map(hopKey).join('|')}`;
}

/** All Infos of a namespace and family. */
export class Infos {
  private readonly byNumber: Array<Info | undefined> = [undefined];
  private readonly byKey = new Map<string, Info>();
  private readonly free: number[] = [];

  get(number: number): Info {
    return this.byNumber[number] as Info;
  }

  all(): Info[] {
    return this.byNumber.filter((info) => info !== undefined);
  }

  get count(): number {
    return this.byKey.size;
  }

  /** The Info that is as the template says; a new one has no references yet. */
  intern(template: InfoTemplate): Info {
    const key = keyOf(template);
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    const number = this.free.pop() ?? this.byNumber.length;
    const info: Info = { ...template, number, flags: 0, references: 0, isUsable: true, nexthop: -1, rows: 0 };
    this.byNumber[number] = info;
    this.byKey.set(key, info);
    return info;
  }

  /** Forgets an Info that nothing refers to. */
  forget(info: Info): void {
    if (this.byNumber[info.number] !== info) return;
    this.byNumber[info.number] = undefined;
    this.byKey.delete(keyOf(info));
    this.free.push(info.number);
  }
}

/*
 * Neighbours of a configuration: those that somebody has made permanent, and those that a link answers for (proxy). What a link
 * has found out by itself passes.
 */
import { formatIpv4At, formatIpv6, parseAddress } from '../../wire/format.js';
import type { ChangeNeighbour, NeighbourInfo } from '../api/neighbour.js';
import { isSame, keyFrom, macSpelling, present } from './model.js';

export interface NeighbourConfig extends Pick<ChangeNeighbour, 'dst' | 'dev' | 'lladdr' | 'router' | 'proxy'> {
  space?: string;
  extern_learn?: boolean;
}

/** A neighbour of the file. */
export interface RawNeighbour extends Omit<NeighbourConfig, 'space' | 'dst'> {
  to: string;
}

function addressSpelling(text: string): string {
  const address = parseAddress(text);
  if (address === undefined) return text;
  return address.length === 4 ? formatIpv4At(address, 0) : formatIpv6(address);
}

export function normalNeighbour(neighbour: NeighbourConfig): NeighbourConfig {
  const { space, dst, dev, lladdr, router, proxy, extern_learn } = neighbour;
  return present<NeighbourConfig>({
    space,
    dst: addressSpelling(dst),
    dev,
    lladdr: lladdr === undefined ? undefined : macSpelling(lladdr),
    router: router === true ? true : undefined,
    proxy: proxy === true ? true : undefined,
    extern_learn: extern_learn === true ? true : undefined,
  });
}

export function neighbourOf({ to, ...rest }: RawNeighbour, space: string | undefined): NeighbourConfig {
  return normalNeighbour(present<NeighbourConfig>({ space, dst: to, ...rest }));
}

export function neighbourText({ dst, dev, lladdr, router, proxy, extern_learn }: NeighbourConfig): object {
  return present({ to: dst, dev, lladdr, router, proxy, extern_learn });
}

/** What is wrong with a neighbour, if anything. */
export function neighbourProblem({ dst, lladdr, proxy }: NeighbourConfig): string | undefined {
  if (parseAddress(dst) === undefined) return `"${dst}" is no address; write for example 10.0.0.9 or 2001:db8::9`;
  if (proxy === true && lladdr !== undefined) return "a proxy answers with the link's own address; leave out lladdr";
  if (proxy !== true && lladdr === undefined) return 'it has no lladdr; say which, or proxy: on';
  return undefined;
}

/** Those of a namespace that somebody has set for good. */
export function neighboursOf(infos: readonly NeighbourInfo[], space: string | undefined): NeighbourConfig[] {
  return infos
    .filter(({ state, proxy }) => state === 'permanent' || proxy === true)
    .map(({ dst, dev, lladdr, router, proxy, extern_learn }) =>
      normalNeighbour(present<NeighbourConfig>({ space, dst, dev, lladdr, router, proxy, extern_learn })),
    );
}

export interface NeighbourStep {
  space?: string;
  request: ChangeNeighbour;
}

function step(op: ChangeNeighbour['op'], { space, ...neighbour }: NeighbourConfig): NeighbourStep {
  const state = op === 'neigh.del' || neighbour.proxy === true ? {} : { state: 'permanent' as const };
  const family = neighbour.dst.includes(':') ? 6 : 4;
  return present<NeighbourStep>({ space, request: { op, family, ...neighbour, ...state } });
}

/** `lost`: links whose neighbours go by themselves, as they are deleted, set down, or get another address. */
export function neighbourChanges(
  there: readonly NeighbourConfig[],
  target: readonly NeighbourConfig[],
  lost: ReadonlySet<string>,
): { gone: NeighbourStep[]; fresh: NeighbourStep[] } {
  const left = there.filter(({ space, dev }) => !lost.has(keyFrom(space, dev)));
  const isOf = (a: NeighbourConfig, b: NeighbourConfig): boolean =>
    a.dst === b.dst && a.dev === b.dev && a.space === b.space && a.proxy === b.proxy;
  return {
    gone: left
      .filter((old) => !target.some((wanted) => isOf(old, wanted)))
      .map(({ lladdr: _, ...old }) => step('neigh.del', old)),
    fresh: target
      .filter((wanted) => !left.some((old) => isSame(old, wanted)))
      .map((wanted) => step('neigh.replace', wanted)),
  };
}

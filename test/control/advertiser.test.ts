import { describe, expect, it } from 'vitest';
import { Advertiser } from '../../src/control/advertiser.js';

const ADVERTISEMENT = {
  hopLimit: 64,
  managed: false,
  other: false,
  preference: 0,
  lifetimeS: 1800,
  reachableMs: 0,
  retransMs: 0,
  prefixes: [],
  routes: [],
  dns: [],
  search: [],
};

function advertiser(random = 0.5): Advertiser {
  return new Advertiser({
    minIntervalMs: 200_000,
    maxIntervalMs: 600_000,
    advertisement: ADVERTISEMENT,
    random: () => random,
  });
}

/** When it sends until then, in s; solicitations come at the times given. */
function times(of: Advertiser, untilMs: number, solicitations: number[] = []): number[] {
  const sent: number[] = [];
  const left = [...solicitations];
  for (;;) {
    const next = Math.min(of.dueMs, left[0] ?? Number.POSITIVE_INFINITY);
    if (next > untilMs) return sent;
    if (next === left[0]) of.solicited(left.shift() ?? 0);
    if (of.timer(next) !== undefined) sent.push(next / 1000);
  }
}

describe('an advertiser', () => {
  it('sends three advertisements soon and then one every interval', () => {
    const router = advertiser();
    router.start(0);
    expect(times(router, 1_300_000)).toEqual([0, 16, 32, 432, 832, 1232]);
  });

  it('chooses intervals between the shortest and the longest', () => {
    const [short, long] = [advertiser(0), advertiser(0.999)];
    short.start(0);
    long.start(0);
    expect(times(short, 500_000)).toEqual([0, 16, 32, 232, 432]);
    expect(times(long, 1_300_000).at(3)).toBeCloseTo(631.6);
  });

  it('answers a solicitation within half a second', () => {
    const router = advertiser();
    router.start(0);
    expect(times(router, 300_000, [100_000])).toEqual([0, 16, 32, 100.25]);
  });

  it('answers any number of solicitations with one advertisement in 3 s', () => {
    const router = advertiser();
    router.start(0);
    times(router, 40_000);
    const many = Array.from({ length: 1000 }, (_, i) => 100_000 + i * 6);
    expect(times(router, 110_000, many)).toEqual([100.25, 103.25, 106.25]);
  });

  it('is silent before it starts and after it was suspended', () => {
    const router = advertiser();
    router.solicited(0);
    expect(times(router, 1_000_000)).toEqual([]);
    router.start(0);
    router.suspend();
    expect(times(router, 1_000_000, [10])).toEqual([]);
  });

  it('says at the end that it is no default router, if it has said anything', () => {
    const router = advertiser();
    expect(router.final()).toBeUndefined();
    router.start(0);
    router.timer(0);
    expect(router.final()).toEqual({ ...ADVERTISEMENT, lifetimeS: 0 });
    expect(router.dueMs).toBe(Number.POSITIVE_INFINITY);
  });
});

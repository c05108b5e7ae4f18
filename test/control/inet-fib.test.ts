/*
 * What the FIB is given: held against the tables it comes from, and counted.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RouteChange, RouteVerb } from '../../src/control/api/route.js';
import { FibWriter, MAX_OPS, upperBounds } from '../../src/control/inet/fib-writer.js';
import type { Info } from '../../src/control/inet/info.js';
import { Infos } from '../../src/control/inet/info.js';
import { SluiceError } from '../../src/core/errors.js';
import { RouteType } from '../../src/route/fib.js';
import { command, generator, type Mix, PROBES } from '../e2e/route-commands.js';
import { expectAgreement } from './inet-agreement.js';
import { World } from './inet-world.js';

const EVERYTHING: Mix = { links: 3, addresses4: 4, addresses6: 4, routes: 14, rules: 0 };
const WITH_RULES: Mix = { ...EVERYTHING, rules: 3 };

async function tolerate(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
  }
}

describe('the FIB leads where the tables say', () => {
  it.each([
    [1, EVERYTHING],
    [2, EVERYTHING],
    [3, EVERYTHING],
    [4, WITH_RULES],
    [5, WITH_RULES],
    [6, WITH_RULES],
  ])('after each of 400 random commands, seed %i', async (seed, mix) => {
    const random = generator(seed * 7919);
    const world = new World(seed);
    world.addPair('v0', 'v1');
    world.addPair('v2', 'v3');
    const history: string[] = [];
    for (let step = 0; step < 400; step++) {
      const next = command(random, mix);
      history.push(next.words);
      await tolerate(() => next.act(world));
      expectAgreement(world, PROBES, history.slice(-5).join('\n'));
    }
    world.end();
  });

  it('holds nothing any more once a namespace has gone', async () => {
    const world = new World(20);
    world.addPair('v0', 'v1');
    world.setUp('v0', true);
    await world.control.changeAddress(world.namespace, { op: 'addr.add', dev: 'v0', local: '10.0.0.1/24' });
    expect(world.fib.lookup4(20, 0x0a000009, 0)).not.toBe(0);
    world.end();
    expect(world.fib.lookup4(20, 0x0a000009, 0)).toBe(0);
  });
});

describe('rows of the FIB', () => {
  let world: World;

  beforeEach(async () => {
    world = new World(21);
    world.addPair('v0', 'v1');
    world.setUp('v0', true);
    world.setUp('v1', true);
    await world.control.changeAddress(world.namespace, { op: 'addr.add', dev: 'v0', local: '10.0.0.1/24' });
  });

  afterEach(() => world.end());

  function change(verb: RouteVerb, dst: string, gateway: string, more: Partial<RouteChange> = {}): Promise<void> {
    const route: RouteChange = { family: 4, dst, nexthops: [{ gateway }], ...more };
    return world.control.changeRoute(world.namespace, { op: 'route.change', verb, route });
  }

  const rowOf = (address: number): number => world.fib.lookup4(21, address, 0);

  it('are shared by prefixes of one length that lead to the same', async () => {
    await change('add', '10.1.0.0/24', '10.0.0.9');
    await change('add', '10.1.1.0/24', '10.0.0.9');
    await change('add', '10.2.0.0/16', '10.0.0.9');
    expect(rowOf(0x0a010001)).toBe(rowOf(0x0a010101));
    expect(rowOf(0x0a020001)).not.toBe(rowOf(0x0a010001));
  });

  it('are used again when nothing leads there any more', async () => {
    await change('add', '10.1.0.0/24', '10.0.0.9');
    const row = rowOf(0x0a010001);
    await change('del', '10.1.0.0/24', '10.0.0.9');
    await change('add', '10.3.0.0/24', '10.0.0.10');
    expect(rowOf(0x0a030001)).toBe(row);
  });

  it('do not multiply while routes flap', async () => {
    for (let i = 0; i < 2000; i++) {
      await change('replace', '10.1.0.0/24', `10.0.0.${2 + (i % 200)}`);
      expect(rowOf(0x0a010001)).toBeLessThan(32);
    }
  });

  it('of a route that lost its next hop leave the look-up to a shorter prefix', async () => {
    await change('add', '10.1.0.0/16', '10.0.0.9');
    await change('add', '10.1.1.0/24', '10.0.0.10', { metric: 5 });
    const longer = rowOf(0x0a010101);
    await change('del', '10.1.1.0/24', '10.0.0.10');
    expect(rowOf(0x0a010101)).toBe(rowOf(0x0a010201));
    expect(rowOf(0x0a010101)).not.toBe(longer);
  });
});

function infoOf(infos: Infos, metric: number): Info {
  const own = { table: 254, protocol: 3, scope: 0, metric, prefsrc: Int32Array.of(0), mtu: 0, hoplimit: 0, pref: 0 };
  return infos.intern({ type: RouteType.BLACKHOLE, ...own, expires: 0, isLearned: false, isReject: false, hops: [] });
}

describe('the writer', () => {
  it('sends no more than the engine does at once', () => {
    const writer = new FibWriter(() => true);
    const info = infoOf(new Infos(), 0);
    const slot = writer.addTable(4);
    const row = writer.acquire(info, 24);
    for (let i = 0; i < 3 * MAX_OPS; i++) writer.insert(slot, Int32Array.of(i << 8), 1, 24, row);
    const messages = writer.take();
    expect(messages.length).toBe(4);
    expect(messages.slice(1, 3).map((message) => message.length)).toEqual([MAX_OPS * 5, MAX_OPS * 5]);
    expect(writer.take()).toEqual([]);
  });

  it('gives a row back with the last prefix', () => {
    const writer = new FibWriter(() => true);
    const infos = new Infos();
    const first = writer.acquire(infoOf(infos, 1), 24);
    expect(writer.acquire(infoOf(infos, 1), 24)).toBe(first);
    writer.release(first);
    expect(writer.acquire(infoOf(infos, 1), 16)).not.toBe(first);
    writer.release(first);
    expect(writer.acquire(infoOf(infos, 2), 24)).toBe(first);
  });
});

describe('shares of a multipath route', () => {
  const hop = (weight: number, flags = 0): never => ({ weight, flags }) as never;
  const isAlive = ({ flags }: { flags: number }): boolean => flags === 0;

  it('are bounds of the hash in proportion to the weights, as fib_rebalance computes them', () => {
    expect(upperBounds([hop(1), hop(1)], isAlive)).toEqual([0x3fffffff, 0x7fffffff]);
    expect(upperBounds([hop(1), hop(2), hop(5)], isAlive)).toEqual([0x0fffffff, 0x2fffffff, 0x7fffffff]);
    expect(upperBounds([hop(1), hop(1), hop(1)], isAlive)).toEqual([715827882, 1431655764, 0x7fffffff]);
  });

  it('leave out what is dead', () => {
    expect(upperBounds([hop(1), hop(1, 1), hop(1)], isAlive)).toEqual([0x3fffffff, -1, 0x7fffffff]);
    expect(upperBounds([hop(1)], isAlive)).toEqual([0x7fffffff]);
  });
});

/* Neighbours by command, from request to table and back; what is expected is what `ip neigh` in a kernel namespace does. */
import type { MessagePort } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { ChangeNeighbour, NeighbourInfo } from '../../src/control/api/neighbour.js';
import type { EngineThread } from '../../src/control/engine-thread.js';
import type { Namespace } from '../../src/control/namespaces.js';
import { NeighbourControl } from '../../src/control/neighbours.js';
import type { Network } from '../../src/control/network.js';
import { type NeighbourChange, Operations } from '../../src/control/operations.js';
import { A, B, Lan } from '../support/lan.js';

const HOST = { number: 0 } as Namespace;

/** The control plane's view of a Lan, with the engine's calls carried out at once. */
class Control {
  readonly lan = new Lan();
  readonly messages: NeighbourChange[] = [];
  readonly neighbours: NeighbourControl;

  constructor() {
    const port = { postMessage: (message: NeighbourChange) => this.messages.push(message) } as unknown as MessagePort;
    const operations = new Operations(this.lan.dataplane, this.lan.engine, port);
    const engine = {
      call: async (name: string, ...args: unknown[]) => {
        const { results, failure } = operations.run([[name, ...args]], this.lan.now);
        if (failure !== undefined) throw new Error(failure);
        return results?.[0];
      },
    } as unknown as EngineThread;
    const linkOf = (number: number) => ({ number, name: this.lan.nameOf(number), namespace: HOST });
    const network = {
      get: (name: string) => linkOf(this.lan.link(name)),
      byNumber: linkOf,
    } as unknown as Network;
    this.neighbours = new NeighbourControl(network, engine);
  }

  change(op: 'add' | 'change' | 'replace' | 'del', dst: string, more: Partial<ChangeNeighbour> = {}): Promise<void> {
    const family = dst.includes(':') ? 6 : 4;
    return this.neighbours.change({ op: `neigh.${op}`, family, dst, dev: 'e0', ...more }, HOST);
  }

  /** e0's, as `ip neigh` would print them. */
  async list(filter = {}): Promise<string[]> {
    const found = await this.neighbours.list(filter, HOST);
    return found.filter(({ dev }) => dev === 'e0').map(line);
  }
}

function line({ dst, lladdr, router, proxy, extern_learn, state }: NeighbourInfo): string {
  const marks = [lladdr, router && 'router', proxy && 'proxy', extern_learn && 'extern_learn'].filter(Boolean);
  return [dst, ...marks, proxy === true ? '' : state].join(' ').trim();
}

describe('neighbours by command', () => {
  it('are added, permanent unless told, and listed in the order they were made, IPv4 first', async () => {
    const control = new Control();
    await control.change('add', 'fd00::9', { lladdr: A, state: 'permanent', router: true });
    await control.change('add', '10.0.0.5', { lladdr: A });
    await control.change('add', '10.0.0.4', { lladdr: B, state: 'stale' });
    await control.change('add', '10.0.0.6', { lladdr: B, state: 'noarp' });
    await control.change('add', '10.0.0.7', { state: 'incomplete' });
    await control.change('add', '10.0.0.8', { lladdr: B, extern_learn: true });
    expect(await control.list()).toEqual([
      `10.0.0.5 ${A} permanent`,
      `10.0.0.4 ${B} stale`,
      `10.0.0.6 ${B} noarp`,
      '10.0.0.7 incomplete',
      `10.0.0.8 ${B} extern_learn permanent`,
      `fd00::9 ${A} router permanent`,
    ]);
    expect(await control.list({ family: 6 })).toEqual([`fd00::9 ${A} router permanent`]);
  });

  it.each([
    ['add', '10.0.0.5', { lladdr: B }, 'EEXIST', undefined],
    ['change', '10.0.0.9', { lladdr: B }, 'ENOENT', undefined],
    ['del', '10.0.0.9', {}, 'ENOENT', undefined],
    ['del', '10.0.0.9', { proxy: true }, 'ENOENT', undefined],
    ['add', '10.0.0.9', { state: 'reachable' }, 'EINVAL', 'No link layer address given'],
    ['add', '10.0.0.9', { lladdr: '02:00:00' }, 'EINVAL', 'Invalid link address'],
    ['add', 'ten', {}, 'EINVAL', 'Invalid network address'],
  ] as const)('%s %s %o: %s', async (op, dst, more, errno, extack) => {
    const control = new Control();
    await control.change('add', '10.0.0.5', { lladdr: A });
    await expect(control.change(op, dst, more)).rejects.toMatchObject({ errno, extack });
  });

  it('leave an entry without a state behind when they lack the link-layer address, as in Linux', async () => {
    const control = new Control();
    await expect(control.change('add', '10.0.0.9')).rejects.toMatchObject({ errno: 'EINVAL' });
    expect(await control.list()).toEqual(['10.0.0.9 none']);
    await expect(control.change('add', '10.0.0.9')).rejects.toMatchObject({ errno: 'EEXIST' });
  });

  it('are changed and replaced', async () => {
    const control = new Control();
    await control.change('replace', '10.0.0.5', { lladdr: A, state: 'reachable' });
    await control.change('change', '10.0.0.5', { lladdr: B, state: 'stale', router: true });
    expect(await control.list()).toEqual([`10.0.0.5 ${B} router stale`]);
    await control.change('replace', '10.0.0.5', { lladdr: A, state: 'permanent' });
    expect(await control.list()).toEqual([`10.0.0.5 ${A} permanent`]);
    await control.change('change', '10.0.0.5', { state: 'permanent' });
    expect(await control.list()).toEqual([`10.0.0.5 ${A} permanent`]);
    await control.change('change', '10.0.0.5', { state: 'failed' });
    expect(await control.list()).toEqual(['10.0.0.5 failed']);
  });

  it('are asked for at once with `use`', async () => {
    const control = new Control();
    await control.change('add', '10.0.0.5', { lladdr: A, state: 'stale', use: true });
    expect(await control.list()).toEqual(['10.0.0.5 incomplete']);
    control.lan.dataplane.flush(control.lan.now);
    expect(control.lan.out()).toHaveLength(1);
  });

  it('reach `probe` and `delay` as in Linux, which asks at once', async () => {
    const control = new Control();
    await control.change('add', '10.0.0.5', { lladdr: A, state: 'probe' });
    await control.change('add', '10.0.0.6', { lladdr: A, state: 'delay' });
    control.lan.wait(1);
    expect(await control.list()).toEqual([`10.0.0.5 ${A} probe`, `10.0.0.6 ${A} probe`]);
    expect(control.lan.out()).toHaveLength(2);
  });

  it('are deleted, and who waited is told', async () => {
    const control = new Control();
    control.lan.toHost(1, '10.0.0.5');
    await control.change('del', '10.0.0.5');
    expect(await control.list()).toEqual([]);
    control.lan.dataplane.flush(control.lan.now);
    expect(control.lan.out('e1')).toEqual([expect.stringContaining('icmp 3/1')]);
  });

  it('have times in seconds, and a reference while they have a deadline', async () => {
    const control = new Control();
    await control.change('add', '10.0.0.5', { lladdr: A, state: 'stale' });
    await control.change('add', '10.0.0.6', { lladdr: A, state: 'reachable' });
    control.lan.wait(2500);
    const [stale, reachable] = (await control.neighbours.list({ family: 4 }, HOST)).filter(({ dev }) => dev === 'e0');
    expect(stale).toEqual({
      family: 4,
      dst: '10.0.0.5',
      dev: 'e0',
      lladdr: A,
      used: 2,
      confirmed: 62,
      updated: 2,
      probes: 0,
      state: 'stale',
    });
    expect(reachable).toMatchObject({ refcnt: 1, confirmed: 2, state: 'reachable' });
  });

  it('are listed in full, however many', async () => {
    const control = new Control();
    const { states } = control.lan.dataplane.inet.neighbour;
    for (let i = 0; i < 10_000; i++) states.create4(control.lan.link('e0'), 0x0a000100 + i, true, control.lan.now);
    const all = await control.list({ family: 4 });
    expect(all).toHaveLength(10_000);
    expect(new Set(all).size).toBe(10_000);
  });

  it('as proxies are a list of their own', async () => {
    const control = new Control();
    await control.change('add', 'fd00::77', { proxy: true, router: true });
    await control.change('add', '10.0.0.20', { proxy: true });
    await control.change('add', '10.0.0.20', { proxy: true });
    expect(await control.list({ proxy: true })).toEqual(['10.0.0.20 proxy', 'fd00::77 router proxy']);
    expect(await control.list({ proxy: true, family: 4 })).toEqual(['10.0.0.20 proxy']);
    expect(await control.list()).toEqual([]);
    await control.change('del', '10.0.0.20', { proxy: true });
    expect(await control.list({ proxy: true, family: 4 })).toEqual([]);
  });

  it('are told of while they are watched', async () => {
    const control = new Control();
    await control.neighbours.watch(true);
    control.lan.toHost(1, '10.0.0.9').answers('10.0.0.9', A);
    await control.change('del', '10.0.0.9');
    const events = control.messages.map(({ neighbour, isGone }) => control.neighbours.eventOf(neighbour, isGone));
    expect(events.map((event) => event && `${event.deleted ? 'deleted ' : ''}${line(event.neighbour)}`)).toEqual([
      `10.0.0.9 ${A} reachable`,
      '10.0.0.9 failed',
      'deleted 10.0.0.9 failed',
    ]);
    await control.neighbours.watch(false);
    control.lan.toHost(1, '10.0.0.9').answers('10.0.0.9', A);
    expect(control.messages).toHaveLength(3);
  });
});

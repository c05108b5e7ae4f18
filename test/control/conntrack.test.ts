/* Flows by request: what lists, filters, changes and deletes them, page by page, over the real table. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Expect } from '../../src/conntrack/expectations.js';
import { Helper } from '../../src/conntrack/flow-row.js';
import { Flow, KindFlag, Status } from '../../src/conntrack/flows.js';
import { CtSetting } from '../../src/conntrack/settings.js';
import type { ConntrackFilter, ConntrackInfo, ExpectationInfo, NewFlow } from '../../src/control/api/conntrack.js';
import type { Connection } from '../../src/control/server.js';
import { FlowWorld } from '../support/flow-world.js';

let world: FlowWorld;

beforeEach(() => {
  world = new FlowWorld();
});
afterEach(() => world.close());

function udp(sport: number, more: Partial<NewFlow> = {}): NewFlow {
  const original = { src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 };
  return { family: 4, protocol: 17, original, timeout: 100, ...more };
}

const TCP6: NewFlow = {
  family: 6,
  protocol: 6,
  original: { src: 'fd00::1', dst: 'fd00::2', sport: 1000, dport: 80 },
  timeout: 60,
  state: 'ESTABLISHED',
  status: Status.ASSURED | Status.SEEN_REPLY,
};

async function make(...flows: NewFlow[]): Promise<void> {
  for (const flow of flows) await world.ask({ op: 'conntrack.create', flow });
}

async function list(filter?: ConntrackFilter, namespace = world.host): Promise<ConntrackInfo[]> {
  return world.ask({ op: 'conntrack.list', ...(filter === undefined ? {} : { filter }) }, namespace);
}

const ports = (flows: readonly ConntrackInfo[]): number[] => flows.map(({ original }) => original.sport ?? -1);

describe('a flow by request', () => {
  it('is made, listed and found with all that it was given', async () => {
    await make(udp(7, { mark: 5, zone: 3, zone_of: 'reply', labels: [0, 127], status: Status.SEEN_REPLY }), TCP6);
    const [one, other] = await list();
    expect(one).toEqual({
      id: 1,
      family: 4,
      protocol: 17,
      original: { src: '10.0.0.1', dst: '10.0.0.2', sport: 7, dport: 53 },
      reply: { src: '10.0.0.2', dst: '10.0.0.1', sport: 53, dport: 7 },
      status: Status.SEEN_REPLY | Status.CONFIRMED,
      mark: 5,
      timeout: 100,
      zone: 3,
      zone_of: 'reply',
      labels: [0, 127],
    });
    expect(other).toMatchObject({
      family: 6,
      state: 'ESTABLISHED',
      reply: { src: 'fd00::2', dport: 1000 },
      timeout: 60,
    });
    const found = await world.ask({ op: 'conntrack.get', family: 6, protocol: 6, tuple: TCP6.original });
    expect(found).toEqual([other]);
  });

  it('is made once, and only where there is room', async () => {
    await make(udp(7));
    await expect(make(udp(7))).rejects.toMatchObject({ errno: 'EEXIST' });
    world.conntrack.settings[CtSetting.MAX] = 1;
    world.conntrack.addStatus(1, Status.ASSURED);
    await expect(make(udp(8))).rejects.toMatchObject({ errno: 'ENOMEM' });
    await expect(make(udp(8, { status: Status.EXPECTED }))).rejects.toMatchObject({ errno: 'EBUSY' });
    expect(await list()).toHaveLength(1);
  });

  it.each<[string, NewFlow]>([
    ['ICMP in IPv6', { ...TCP6, protocol: 1, original: { src: 'fd00::1', dst: 'fd00::2', type: 8, code: 0, id: 1 } }],
    [
      'ICMP that nothing answers',
      udp(0, { protocol: 1, original: { src: '10.0.0.1', dst: '10.0.0.2', type: 3, code: 0, id: 1 } }),
    ],
    ['an address of the other family', udp(0, { original: { ...udp(1).original, dst: 'fd00::1' } })],
    ['no address', udp(0, { original: { ...udp(1).original, dst: 'here' } })],
  ])('is refused where it is %s', async (_, flow) => {
    await expect(make(flow)).rejects.toMatchObject({ errno: 'EINVAL' });
    expect(await list()).toEqual([]);
  });

  it('is absent as soon as it has expired', async () => {
    await make(udp(7));
    world.now += 100_000;
    expect(await list()).toEqual([]);
    await expect(
      world.ask({ op: 'conntrack.get', family: 4, protocol: 17, tuple: udp(7).original }),
    ).rejects.toMatchObject({
      errno: 'ENOENT',
    });
  });

  it('is of its namespace alone', async () => {
    await make(udp(7));
    expect(await list(undefined, world.other)).toEqual([]);
    await world.ask({ op: 'conntrack.flush' }, world.other);
    expect(await world.ask({ op: 'conntrack.count' })).toMatchObject([{ flows: 1, expectations: 0 }]);
    expect(await world.ask({ op: 'conntrack.count' }, world.other)).toMatchObject([{ flows: 0 }]);
    expect(await world.ask({ op: 'conntrack.stats' })).toMatchObject([{ insert: 1, insert_failed: 0 }]);
  });
});

describe('many flows', () => {
  const COUNT = 5000;

  beforeEach(() => make(...Array.from({ length: COUNT }, (_, i) => udp(i + 1, { mark: i % 10 })), TCP6));

  it('come in pages, each once', async () => {
    const seen = ports(await list({ family: 4 })).sort((a, b) => a - b);
    expect(seen).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1));
    expect(await list()).toHaveLength(COUNT + 1);
  });

  it('are deleted by what they are', async () => {
    const gone = await world.ask<ConntrackInfo>({ op: 'conntrack.delete', filter: { mark: { value: 3, mask: -1 } } });
    expect(gone).toHaveLength(COUNT / 10);
    expect(gone.every(({ mark }) => mark === 3)).toBe(true);
    expect(await list({ mark: { value: 3, mask: -1 } })).toEqual([]);
    expect(await world.ask({ op: 'conntrack.count' })).toMatchObject([{ flows: COUNT - COUNT / 10 + 1 }]);
  });

  it('go all, or those of a family', async () => {
    await world.ask({ op: 'conntrack.flush', family: 6 });
    expect(await world.ask({ op: 'conntrack.count' })).toMatchObject([{ flows: COUNT }]);
    await world.ask({ op: 'conntrack.flush', family: 4 });
    expect(await world.ask({ op: 'conntrack.count' })).toMatchObject([{ flows: 0 }]);
  });

  it('are not taken for those that have their numbers now', async () => {
    const { rows } = world.commands.page(0, 0, world.now);
    await world.ask({ op: 'conntrack.flush' });
    await make(...Array.from({ length: 600 }, (_, i) => udp(40_000 + i)));
    expect(world.commands.delete(rows, world.now, 1)).toEqual(new Array(512).fill(false));
    expect(await list()).toHaveLength(600);
  });
});

describe('filters', () => {
  beforeEach(() =>
    make(
      udp(1, { mark: 0x14 }),
      udp(2, { zone: 4 }),
      udp(3, { zone: 4, zone_of: 'original' }),
      udp(4, {
        reply: { src: '10.9.0.1', dst: '10.9.0.2', sport: 5353, dport: 77 },
        status: Status.NAT_MASK | Status.NAT_DONE_MASK | Status.SEEN_REPLY,
      }),
      udp(5, { original: { src: '192.168.3.4', dst: '8.8.8.8', sport: 5, dport: 99 }, labels: [1, 64] }),
      TCP6,
    ),
  );

  it.each<[ConntrackFilter, number[]]>([
    [{}, [1, 2, 3, 4, 5, 1000]],
    [{ family: 4 }, [1, 2, 3, 4, 5]],
    [{ family: 6 }, [1000]],
    [{ protocol: 6 }, [1000]],
    [{ protocol: 6, state: 'ESTABLISHED' }, [1000]],
    [{ protocol: 6, state: 'CLOSE' }, []],
    [{ src: '192.168.0.0', src_mask: '255.255.0.0' }, [5]],
    [{ src: '192.168.0.0' }, []],
    [{ dst: 'fd00::', dst_mask: 'ffff::' }, [1000]],
    [{ src: '10.0.0.1', dst: '10.0.0.2' }, [1, 2, 3, 4]],
    [{ reply_src: '10.9.0.1' }, [4]],
    [{ reply_dst: '10.0.0.1' }, [1, 2, 3]],
    [{ sport: 3 }, [3]],
    [{ dport: 99 }, [5]],
    [{ reply_sport: 5353 }, [4]],
    [{ reply_dport: 77 }, [4]],
    [{ status: Status.ASSURED | Status.SEEN_REPLY }, [1000]],
    [{ status: Status.SEEN_REPLY }, [4, 1000]],
    [{ mark: { value: 4, mask: 4 } }, [1]],
    [{ mark: { value: 0x14, mask: -1 } }, [1]],
    [{ mark: { value: 5, mask: 4 } }, []],
    [{ zone: 4 }, [2]],
    [{ zone: 0 }, [1, 3, 4, 5, 1000]],
    [{ orig_zone: 4 }, [3]],
    [{ reply_zone: 4 }, []],
    [{ src_nat: {} }, [4]],
    [{ src_nat: { address: '10.9.0.2' } }, [4]],
    [{ src_nat: { address: '10.9.0.2', port: 77 } }, [4]],
    [{ src_nat: { address: '10.9.0.2', port: 78 } }, []],
    [{ dst_nat: { address: '10.9.0.1', port: 5353 } }, [4]],
    [{ dst_nat: { address: '10.9.0.2' } }, []],
    [{ any_nat: { address: '10.9.0.2' } }, [4]],
    [{ any_nat: { address: '10.9.0.1' } }, [4]],
    [{ any_nat: { address: '10.0.0.1' } }, []],
    [{ labels: [64] }, [5]],
    [{ labels: [1, 64] }, [5]],
    [{ labels: [1, 65] }, []],
  ])('%j means %j', async (filter, expected) => {
    expect(ports(await list(filter))).toEqual(expected);
  });
});

describe('changes', () => {
  beforeEach(() => make(udp(1, { mark: 5 }), udp(2), TCP6));

  const update = (change: object, filter: ConntrackFilter = {}) =>
    world.ask<ConntrackInfo>({ op: 'conntrack.update', filter, change });

  it('of the mark leave bits outside the mask', async () => {
    expect((await update({ mark: { value: 0x10, mask: 1 } }, { sport: 1 }))[0].mark).toBe(0x14);
  });

  it('tell only of flows that are different then', async () => {
    expect(ports(await update({ mark: { value: 5, mask: -1 } }))).toEqual([2, 1000]);
    expect(await update({ timeout: 100 }, { sport: 2 })).toEqual([]);
    expect(await update({ timeout: 50 }, { sport: 2 })).toMatchObject([{ timeout: 50 }]);
    expect(await update({ status: 0 })).toEqual([]);
    expect(await update({ status: Status.ASSURED }, { family: 6 })).toEqual([]);
  });

  it('of the state are of those that have one', async () => {
    expect(await update({ state: 'CLOSE' }, { protocol: 6 })).toMatchObject([{ state: 'CLOSE' }]);
  });

  it('of labels add and take', async () => {
    expect(await update({ add_labels: [3, 100] }, { sport: 1 })).toMatchObject([{ labels: [3, 100] }]);
    expect(await update({ remove_labels: [3] }, { sport: 1 })).toMatchObject([{ labels: [100] }]);
    expect((await update({ remove_labels: 'all' }, { sport: 1 }))[0].labels).toBeUndefined();
  });

  it('that nobody may make are refused', async () => {
    await expect(update({ status: Status.EXPECTED })).rejects.toMatchObject({ errno: 'EBUSY' });
    await update({ status: Status.FIXED_TIMEOUT }, { sport: 1 });
    await expect(update({ timeout: 5 }, { sport: 1 })).rejects.toMatchObject({ errno: 'EPERM' });
  });
});

describe('accounting and times', () => {
  it('are told where they are kept, and counters go back to 0', async () => {
    world.conntrack.settings[CtSetting.ACCT] = 1;
    world.conntrack.settings[CtSetting.TIMESTAMP] = 1;
    await make(udp(1));
    world.conntrack.extensions.addAccount(1, 0, 3, 300);
    world.now += 5000;
    const [flow] = await world.ask<ConntrackInfo>({ op: 'conntrack.list', zero: true });
    expect(flow.original).toMatchObject({ packets: 3, bytes: 300 });
    expect(flow.reply).toMatchObject({ packets: 0, bytes: 0 });
    expect(Math.abs(Date.now() * 1000 - (flow.start_us ?? 0) - 5e6)).toBeLessThan(1e6);
    expect((await list())[0].original).toMatchObject({ packets: 0, bytes: 0 });
  });
});

describe('a flow of more than 24.8 days', () => {
  it('began in the past', async () => {
    world.conntrack.settings[CtSetting.TIMESTAMP] = 1;
    await make(udp(1, { timeout: 1_000_000 }));
    for (let i = 0; i < 3; i++) {
      world.now = (world.now + 900_000_000) | 0;
      await world.ask({ op: 'conntrack.update', filter: {}, change: { timeout: 1_000_000 } });
    }
    const [flow] = await list();
    expect(Math.abs(Date.now() * 1000 - (flow.start_us ?? 0) - 2.7e12)).toBeLessThan(1e6);
  });
});

describe('expectations', () => {
  it('are listed with their master, and go', async () => {
    await make({ ...TCP6, family: 4, original: { src: '10.0.0.1', dst: '10.0.0.2', sport: 40_000, dport: 21 } });
    const { expectations } = world.conntrack;
    expectations.draft[Expect.KEY] = 6 | Flow.KEY_FLAG;
    expectations.draft.set([0x0a000002 | 0, 0x0a000001 | 0, 5000], Expect.TUPLE);
    expectations.draft.fill(-1, Expect.SOURCE_MASK, Expect.SOURCE_MASK + 4);
    expectations.draft[Expect.MASTER] = 1;
    expectations.draft[Expect.HELPER] = Helper.FTP;
    expectations.add(world.now, 300_000, 1);
    expect(await world.ask<ExpectationInfo>({ op: 'conntrack.expectations' })).toEqual([
      {
        family: 4,
        protocol: 6,
        timeout: 300,
        tuple: { src: '10.0.0.2', dst: '10.0.0.1', sport: 0, dport: 5000 },
        mask: { src: '255.255.255.255', dst: '255.255.255.255', sport: 0, dport: 65_535 },
        master: { src: '10.0.0.1', dst: '10.0.0.2', sport: 40_000, dport: 21 },
        class: 0,
        helper: 'ftp',
      },
    ]);
    expect(await world.ask({ op: 'conntrack.expectations', family: 6 })).toEqual([]);
    await world.ask({ op: 'conntrack.forget_expectations' });
    expect(await world.ask({ op: 'conntrack.count' })).toMatchObject([{ flows: 1, expectations: 0 }]);
  });
});

describe('events', () => {
  function listen(filter?: ConntrackFilter): { events: unknown[]; close(): void } {
    const onClose: Array<() => void> = [];
    const events: unknown[] = [];
    void world.table.run(world.host, filter, { onClose, backlog: 0 } as unknown as Connection, (one) =>
      events.push(one),
    );
    return { events, close: () => void onClose.map((run) => run()) };
  }

  const until = async (events: readonly unknown[], count: number): Promise<void> => {
    for (let i = 0; i < 100 && events.length < count; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  };

  it('tell what was done, by whom, and to those it concerns', async () => {
    const [all, tcp] = [listen(), listen({ protocol: 6 })];
    await new Promise((resolve) => setImmediate(resolve));
    await world.ask({ op: 'conntrack.create', flow: udp(1), pid: 77 });
    await make(TCP6);
    await world.ask({
      op: 'conntrack.update',
      filter: { sport: 1 },
      change: { mark: { value: 9, mask: -1 } },
      pid: 78,
    });
    await world.ask({ op: 'conntrack.delete', filter: { protocol: 6 } });
    await until(all.events, 4);
    expect(all.events).toMatchObject([
      { event: 'new', pid: 77, flow: { protocol: 17, timeout: 100, mark: 0 } },
      { event: 'new', flow: { protocol: 6, state: 'ESTABLISHED' } },
      { event: 'update', pid: 78, flow: { mark: 9 } },
      { event: 'destroy', flow: { protocol: 6 } },
    ]);
    expect(tcp.events).toMatchObject([{ event: 'new' }, { event: 'destroy' }]);
    all.close();
    tcp.close();
  });

  it('of time have nobody who did them', async () => {
    const { events, close } = listen();
    await new Promise((resolve) => setImmediate(resolve));
    await make(udp(1, { timeout: 1 }));
    world.now += 2000;
    world.conntrack.timers(world.now);
    await until(events, 2);
    expect(events[1]).toMatchObject({ event: 'destroy' });
    expect(events[1]).not.toHaveProperty('pid');
    expect(events[1]).not.toHaveProperty('flow.timeout');
    close();
  });

  it('are kept for nobody', async () => {
    await make(udp(1));
    expect(world.commands.events(world.now)).toEqual({ batches: [], lost: 0, now: world.now });
    expect(world.conntrack.word(1, Flow.KIND) & KindFlag.HASHED).not.toBe(0);
  });
});

import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Request } from '../../src/control/api/request.js';
import { remade } from '../../src/control/config/plan.js';
import { exactConfigOf } from '../../src/control/config/state.js';
import {
  applyConfig,
  type Config,
  configOf,
  parseConfig,
  planOf,
  renderConfig,
  requestsOf,
  showConfig,
} from '../../src/control/config.js';
import { SluiceError } from '../../src/core/errors.js';
import { anyConfig, configPair } from './config-arbitrary.js';
import { AMPLE, RunningNetwork } from './running-network.js';

vi.mock('../../src/io/tap.js', () => ({
  openTap: ({ queues }: { queues: number }) => ({ fds: new Int32Array(queues), isAttached: false }),
}));
vi.mock('../../src/io/packet.js', () => ({
  openPacket: () => ({ fd: 0, device: { isUp: true, hasCarrier: true, mtu: 1500 }, hasVnet: true, warnings: [] }),
  packetWarnings: () => [],
  raiseDevice: () => true,
}));
vi.mock('../../src/io/shim.js', () => ({
  PortKind: { TAP: 0, PACKET: 1 },
  Ready: {},
  RxResult: { WORDS: 8 },
  shim: { close: () => 0, tapCarrier: () => 0, packetIsUp: () => 1 },
}));

const refusal = (request: Request): Error =>
  new SluiceError('EBUSY', `cannot carry out ${request.op}: it is busy; wait`);

function network(): RunningNetwork {
  return new RunningNetwork(refusal);
}

async function run(running: RunningNetwork, plan: Request[]): Promise<RunningNetwork> {
  for (const request of plan) await running.execute(request);
  return running;
}

async function built(config: Config): Promise<RunningNetwork> {
  return run(network(), requestsOf(config));
}

/** Links by name, stations by device: what does not depend on the order in which things came to be. */
function sorted({ links, fdb }: Config): Config {
  const order = (a: string, b: string): number => (a < b ? -1 : 1);
  return {
    links: [...links].sort((a, b) => order(a.name, b.name)),
    fdb: [...fdb].sort((a, b) => order(`${a.dev} ${a.mac}`, `${b.dev} ${b.mac}`)),
  };
}

async function stateOf(running: RunningNetwork): Promise<Config> {
  return sorted(configOf(running.links(), await running.stations()));
}

async function exactStateOf(running: RunningNetwork): Promise<Config> {
  return sorted(exactConfigOf(running.links(), await running.stations()));
}

/** `to`, with the addresses that ports keep where it says none. */
function withKept(to: Config, from: Config): Config {
  const anew = remade(to, from);
  const links = to.links.map((link) => {
    const { address } = from.links.find(({ name }) => name === link.name) ?? {};
    const isKept = link.address === undefined && !anew.has(link.name);
    return isKept && address !== undefined ? { ...link, address } : link;
  });
  return sorted({ links, fdb: to.fdb });
}

function namesOf(plan: Request[]): Set<string | undefined> {
  return new Set(plan.map((request) => ('name' in request ? request.name : undefined)));
}

describe('a plan', () => {
  it('builds any configuration from nothing', async () => {
    await fc.assert(
      fc.asyncProperty(anyConfig, async (config) => {
        expect(await stateOf(await built(config))).toEqual(sorted(config));
      }),
      { numRuns: 200 },
    );
  });

  it('leads from any configuration to any other, and then nothing is left to do', async () => {
    await fc.assert(
      fc.asyncProperty(configPair, async ([from, to]) => {
        const running = await run(await built(from), planOf(to, from));
        expect(await stateOf(running)).toEqual(withKept(to, from));
        expect(planOf(to, await exactStateOf(running))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('does not touch a link that is the same in both', () => {
    fc.assert(
      fc.property(configPair, ([from, to]) => {
        const anew = remade(to, from);
        const names = namesOf(planOf(to, from));
        for (const link of from.links) {
          const other = to.links.find(({ name }) => name === link.name);
          if (JSON.stringify(other) === JSON.stringify(link) && !anew.has(link.master ?? ''))
            expect(names).not.toContain(link.name);
        }
      }),
    );
  });

  it('is empty for the same configuration', () => {
    fc.assert(
      fc.property(anyConfig, (config) => {
        expect(planOf(config, config)).toEqual([]);
      }),
    );
  });

  it('makes bridges first and sets links up last', () => {
    const config = parseConfig(
      'links: {t1: {type: tap, master: br0, port: {isolated: on}, up: on}, br0: {type: bridge, up: on}}',
      'a.yaml',
    );
    expect(requestsOf(config)).toEqual([
      { op: 'link.add', name: 'br0', kind: 'bridge' },
      { op: 'link.add', name: 't1', kind: 'tap' },
      { op: 'link.set', name: 't1', master: 'br0' },
      { op: 'link.set', name: 't1', port: { isolated: true } },
      { op: 'link.set', name: 't1', up: true },
      { op: 'link.set', name: 'br0', up: true },
    ]);
  });

  it('makes a packet port behind the TAP whose kernel end it attaches to', () => {
    const config = parseConfig(
      'links: {p: {type: packet, dev: e, netns: a}, t: {type: tap, peer: {name: e, netns: a}}}',
      'a.yaml',
    );
    expect(requestsOf(config).map((request) => 'name' in request && request.name)).toEqual(['t', 'p']);
  });

  it('changes a link in place where it can', () => {
    const from = parseConfig(
      'links: {br0: {type: bridge, ageing_time: 10s}, m: {type: memory, master: br0, mtu: 9000, up: on}}',
      'a.yaml',
    );
    const to = parseConfig(
      'links: {br0: {type: bridge, transparent: on}, m: {type: memory, master: br0, port: {learning: off}}}',
      'a.yaml',
    );
    expect(planOf(to, from)).toEqual([
      { op: 'link.set', name: 'm', up: false },
      { op: 'link.set', name: 'br0', bridge: { ageing_time: 30_000, transparent: true } },
      { op: 'link.set', name: 'm', mtu: 1500 },
      { op: 'link.set', name: 'm', port: { learning: false } },
    ]);
  });

  it('makes anew what cannot be changed in place', () => {
    const from = parseConfig(
      'links: {t: {type: tap, peer: {name: eth0}}, u: {type: tap}, v: {type: tap, mtu: 9000, peer: {mtu: 1500}}}',
      'a.yaml',
    );
    const to = parseConfig(
      'links: {t: {type: tap, peer: {name: eth1}}, u: {type: tap, mtu: 9000}, v: {type: tap}}',
      'a.yaml',
    );
    expect([...remade(to, from)]).toEqual([
      ['t', 'peer'],
      ['u', 'peer.mtu'],
    ]);
  });
});

const TWO_TAPS =
  'links: {br0: {type: bridge, up: on}, t1: {type: tap, master: br0, up: on}, t2: {type: tap, master: br0}}';

describe('apply', () => {
  it('makes the running state what the file says', async () => {
    const running = network();
    expect(await applyConfig({ text: TWO_TAPS, file: 'a.yaml' }, running)).toEqual({});
    expect((await stateOf(running)).links.map(({ name }) => name)).toEqual(['br0', 't1', 't2']);
    const { text } = await showConfig(running);
    expect(parseConfig(text, 'saved.yaml')).toEqual(parseConfig(TWO_TAPS, 'a.yaml'));
  });

  it('changes nothing when the same file is applied again', async () => {
    const running = network();
    await applyConfig({ text: TWO_TAPS, file: 'a.yaml' }, running);
    const count = running.requests.length;
    await applyConfig({ text: TWO_TAPS, file: 'a.yaml' }, running);
    expect(running.requests).toHaveLength(count);
  });

  it('deletes what the file does not have', async () => {
    const running = network();
    await applyConfig({ text: TWO_TAPS, file: 'a.yaml' }, running);
    await applyConfig({ text: '', file: 'empty.yaml' }, running);
    expect(running.links()).toEqual([]);
    expect((await showConfig(running)).text).toBe('# nothing is configured\n');
  });

  it('warns of links that are made anew', async () => {
    const running = network();
    await applyConfig({ text: 'links: {t1: {type: tap}}', file: 'a.yaml' }, running);
    const done = await applyConfig({ text: 'links: {t1: {type: tap, queues: 2}}', file: 'a.yaml' }, running);
    expect(done.warnings).toEqual(['link "t1" was made anew: its queues, gso or persist cannot be changed in place']);
  });

  it('does nothing for a check', async () => {
    const running = network();
    expect(await applyConfig({ text: TWO_TAPS, file: 'a.yaml', check: true }, running)).toEqual({});
    expect(running.requests).toEqual([]);
  });

  it('keeps the stations of a port when another is added', async () => {
    const running = network();
    await applyConfig({ text: TWO_TAPS, file: 'a.yaml' }, running);
    await running.execute({ op: 'fdb.add', mac: '02:00:00:00:00:01', dev: 't1', master: true, state: 'dynamic' });
    await applyConfig({ text: `${TWO_TAPS.slice(0, -1)}, t3: {type: tap, master: br0}}`, file: 'a.yaml' }, running);
    expect((await running.stations()).map(({ mac }) => mac)).toContain('02:00:00:00:00:01');
  });

  it('makes a learned station static', async () => {
    const running = network();
    await applyConfig({ text: TWO_TAPS, file: 'a.yaml' }, running);
    await running.execute({ op: 'fdb.add', mac: '02:00:00:00:00:01', dev: 't2', master: true, state: 'dynamic' });
    await applyConfig({ text: `${TWO_TAPS}\nfdb: [{mac: 02:00:00:00:00:01, dev: t1}]`, file: 'a.yaml' }, running);
    expect((await running.stations()).find(({ mac }) => mac === '02:00:00:00:00:01')).toMatchObject({
      ifname: 't1',
      state: 'static',
    });
  });

  it('puts everything back when any request is refused', async () => {
    await fc.assert(
      fc.asyncProperty(configPair, fc.nat(), async ([from, to], n) => {
        const running = await built(from);
        const before = await exactStateOf(running);
        const plan = planOf(to, before);
        if (plan.length === 0) return;
        running.failAt = running.requests.length + (n % plan.length);
        const text = renderConfig(to);
        await expect(applyConfig({ text, file: 'a.yaml' }, running)).rejects.toThrow(
          /^cannot apply configuration a\.yaml:\d+: .*what there was is put back$/,
        );
        expect(await exactStateOf(running)).toEqual(before);
      }),
      { numRuns: 300 },
    );
  });

  it('names file, line and key of a refused request, and keeps its errno', async () => {
    const running = network();
    running.failAt = 1;
    const text = 'links:\n  br0: {type: bridge}\n\n  t1:\n    type: tap\n';
    const error = await applyConfig({ text, file: 'net.yaml' }, running).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      errno: 'EBUSY',
      message:
        'cannot apply configuration net.yaml:4: links.t1: cannot carry out link.add: it is busy; wait; what there was is put back',
    });
    expect(running.links()).toEqual([]);
  });

  it('says so when not all could be put back', async () => {
    const running = network();
    const refused = running.execute.bind(running);
    running.execute = (request) =>
      request.op === 'link.del' || running.requests.length > 0 ? Promise.reject(refusal(request)) : refused(request);
    await expect(applyConfig({ text: TWO_TAPS, file: 'a.yaml' }, running)).rejects.toThrow(
      'cannot apply configuration a.yaml:1: links.t1: cannot carry out link.add: it is busy; wait; not all could be put back: ' +
        'cannot carry out link.del: it is busy; wait; "sluice config show" tells what is there',
    );
  });

  it('refuses what only "sluice up" can set, by name', async () => {
    const running = network();
    const text = 'links: {br0: {type: bridge}}\ndataplane:\n  fdb_capacity: 65536\n  poll: busy\n';
    await expect(applyConfig({ text, file: 'a.yaml' }, running)).rejects.toThrow(
      'cannot apply configuration a.yaml:4: dataplane.poll: it is adaptive in the running daemon, not busy; restart it with "sluice up -c FILE"',
    );
    running.dataplane = { ...running.dataplane, poll: 'busy' };
    await applyConfig({ text, file: 'a.yaml' }, running);
    expect((await showConfig(running)).text).toBe('dataplane:\n  poll: busy\nlinks:\n  br0:\n    type: bridge\n');
  });
});

describe('what the machine lacks is found before anything is changed', () => {
  const cases: Array<[string, object, string]> = [
    [
      'links:\n  t1:\n    type: tap\n    peer:\n      netns: gone',
      { hasNamespace: () => false },
      'a.yaml:5: links.t1.peer.netns: there is no namespace "gone"; "ip netns list" shows the names, "ip netns add gone" makes one',
    ],
    [
      'links:\n  p1: {type: packet, dev: eth9}',
      {},
      'a.yaml:2: links.p1.dev: there is no device "eth9"; "ip link" shows the names',
    ],
    [
      'links:\n  p1: {type: packet, dev: eth9, netns: blue}',
      {},
      'a.yaml:2: links.p1.dev: there is no device "eth9" in namespace "blue"; "ip link" shows the names',
    ],
    [
      'links:\n  t1: {type: tap, peer: {name: eth0, netns: blue}}',
      { deviceKind: () => 'veth' },
      'a.yaml:2: links.t1: there is a kernel device "eth0" in namespace "blue" already; choose another name for the kernel\'s end',
    ],
    [
      'links:\n  f1: {type: pcap, read: /x/in}',
      { canRead: () => false },
      'a.yaml:2: links.f1.read: /x/in cannot be read; check the path',
    ],
    [
      'links:\n  f1: {type: pcap, write: /x/out}',
      { canWrite: () => false },
      'a.yaml:2: links.f1.write: /x/out cannot be written; check the path',
    ],
  ];

  it.each(cases)('%s', async (text, lacks, message) => {
    const running = network();
    running.machine = { ...AMPLE, ...lacks };
    await expect(applyConfig({ text, file: 'a.yaml' }, running)).rejects.toThrow(
      `cannot apply configuration ${message}`,
    );
    await expect(applyConfig({ text, file: 'a.yaml', check: true }, running)).rejects.toThrow(
      `cannot check configuration ${message}`,
    );
    expect(running.requests).toEqual([]);
  });

  it('but not a device that the file itself makes, nor one that is attached to or made anew', async () => {
    const running = network();
    const text = 'links: {t1: {type: tap, peer: {name: e, netns: blue}}, p1: {type: packet, dev: e, netns: blue}}';
    await applyConfig({ text, file: 'a.yaml' }, running);
    running.machine = { ...AMPLE, deviceKind: () => 'tun' };
    await applyConfig({ text: text.replace('name: e,', 'name: e, up: on,'), file: 'a.yaml' }, running);
    await applyConfig({ text: 'links: {vm: {type: tap}}', file: 'a.yaml' }, running);
    expect(running.links().map(({ name }) => name)).toEqual(['vm']);
  });
});

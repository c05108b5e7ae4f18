/*
 * `ip monitor` beside the real tool: what happens in a kernel namespace, told by the real monitor,
 * and the same as events of the API, through ours.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { timestamp } from '../../src/cli/ip-monitor.js';
import type { AddressInfo } from '../../src/control/api/address.js';
import type { LinkInfo } from '../../src/control/api/link.js';
import type { MonitorEvent } from '../../src/control/api/monitor.js';
import type { NeighbourInfo } from '../../src/control/api/neighbour.js';
import type { RouteInfo } from '../../src/control/api/route.js';
import type { RuleInfo } from '../../src/control/api/rule.js';
import { FakeDaemon, Many, refusal } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { sluice, words } from './run.js';

const reason = unavailable('iproute2');
const ts_us = 0;
const FOREVER = 4294967295;

const ADDRESS: AddressInfo = {
  family: 'inet',
  local: '10.0.0.1',
  prefixlen: 24,
  broadcast: '10.0.0.255',
  scope: 0,
  label: 'v1',
  valid_life_time: FOREVER,
  preferred_life_time: FOREVER,
};

const NEIGHBOUR: NeighbourInfo = {
  family: 4,
  dst: '10.0.0.2',
  dev: 'v0',
  lladdr: '02:00:00:00:00:02',
  used: 0,
  confirmed: 0,
  updated: 0,
  probes: 0,
  state: 'permanent',
};

const RULE: RuleInfo = { family: 4, priority: 77, src: '10.1.2.3/32', action: 'lookup', table: 99, protocol: 0 };

const COMMANDS = ['', 'label', 'all'].flatMap((last) =>
  ['', '-o', '-br', '-4', '-6', '-d', '-j', '-N'].map((options) =>
    `${options} monitor address link rule neigh ${last}`.trim(),
  ),
);
COMMANDS.push('monitor link', 'monitor addr label', 'monitor neigh ru label', 'monitor link address neigh rule dev v1');
COMMANDS.push('monitor link address neigh rule label dev v1', '-4 -o monitor label a n');

describe.skipIf(reason !== '')(`ip monitor, beside the real tool${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let daemon: FakeDaemon;
  const told = new Map<string, string>();
  const running: ChildProcess[] = [];
  let events: MonitorEvent[] = [];

  function start(command: string): Promise<void> {
    const child = spawn('ip', ['netns', 'exec', kernel.name, 'ip', ...words(command)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    running.push(child);
    told.set(command, '');
    child.stdout.setEncoding('utf8').on('data', (text: string) => told.set(command, `${told.get(command)}${text}`));
    return new Promise((resolve) => child.on('close', () => resolve()));
  }

  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  beforeAll(async () => {
    kernel = new Namespace();
    kernel.set('sysctl -q -w net.ipv6.conf.default.disable_ipv6=1', 'ip link add v0 type veth peer name v1');
    const ended = COMMANDS.map(start);
    await pause(700);
    kernel.set(
      'ip link set v1 mtu 1400',
      'ip addr add 10.0.0.1/24 brd + dev v1',
      'ip rule add from 10.1.2.3 table 99 pref 77',
    );
    const [link] = kernel.json<LinkInfo[]>('ip -j -d -s -s link show v1');
    kernel.set('ip neigh add 10.0.0.2 dev v0 lladdr 02:00:00:00:00:02', 'ip addr del 10.0.0.1/24 dev v1');
    kernel.set('ip rule del from 10.1.2.3 table 99 pref 77');
    await pause(300);
    for (const child of running) child.kill();
    await Promise.all(ended);
    const place = { index: link.ifindex, dev: 'v1', address: ADDRESS };
    events = [
      { ts_us, deleted: false, object: 'link', link },
      { ts_us, deleted: false, object: 'address', ...place },
      { ts_us, deleted: false, object: 'rule', rule: RULE },
      { ts_us, deleted: false, object: 'neigh', neighbour: NEIGHBOUR },
      { ts_us, deleted: true, object: 'address', ...place },
      { ts_us, deleted: true, object: 'rule', rule: RULE },
    ];
    daemon = await FakeDaemon.start((request) => {
      if (request.op === 'link.list') return [link];
      return request.op === 'monitor' ? new Many(events) : refusal('EINVAL', 'cannot');
    });
  }, 20000);

  afterAll(() => {
    for (const child of running) child.kill();
    daemon?.stop();
    kernel?.remove();
  });

  it('the real one has told all six events', () => {
    expect(told.get('monitor address link rule neigh label')?.match(/^\[[A-Z]+\]/gm)).toHaveLength(6);
  });

  it.each(COMMANDS)('ip %s', async (command) => {
    const { out, status } = await sluice(['ip', ...words(command)], daemon.socket);
    expect(status).toBe(0);
    expect(out).toBe(told.get(command));
  });
});

describe('ip monitor', () => {
  const route: RouteInfo = {
    family: 4,
    type: 'unicast',
    dst: '10.5.0.0/16',
    table: 254,
    protocol: 3,
    scope: 0,
    metric: 0,
    nexthops: [{ gateway: '10.0.0.2', dev: 'v1', flags: [] }],
    flags: [],
  };
  const events: MonitorEvent[] = [
    { ts_us, deleted: false, object: 'route', route },
    { ts_us, deleted: true, object: 'route', route },
    { ts_us, deleted: false, object: 'netns', netns: { name: 'red' } },
    { ts_us, deleted: false, object: 'netns', netns: { name: 'red', id: 3 } },
  ];

  it.each([
    [
      'monitor',
      '10.5.0.0/16 via 10.0.0.2 dev v1 \nDeleted 10.5.0.0/16 via 10.0.0.2 dev v1 \nnsid 3 (iproute2 netns name: red)\n',
    ],
    ['monitor route dev v1', '10.5.0.0/16 via 10.0.0.2 \nDeleted 10.5.0.0/16 via 10.0.0.2 \n'],
    ['monitor route dev v2', ''],
    ['monitor nsid label', '[NSID]nsid 3 (iproute2 netns name: red)\n'],
    ['-6 monitor route', ''],
  ])('%s: routes and namespaces', async (command, expected) => {
    const daemon = await FakeDaemon.start(({ op }) =>
      op === 'monitor' ? new Many(events) : [{ ifname: 'v1' }, { ifname: 'v2' }],
    );
    expect((await sluice(['ip', ...words(command)], daemon.socket)).out).toBe(expected);
    daemon.stop();
  });

  it('tells the time as the real tool does', () => {
    const at = Date.UTC(2026, 10, 2, 4, 5, 6) * 1000 + 789;
    const local = new Date(at / 1000);
    const clock = `${String(local.getHours()).padStart(2, '0')}:${String(local.getMinutes()).padStart(2, '0')}:06`;
    expect(timestamp(at, 'short')).toBe(`[2026-11-0${local.getDate()}T${clock}.000789] `);
    expect(timestamp(at, 'long')).toMatch(
      new RegExp(`^Timestamp: (Sun|Mon|Tue) Nov  ${local.getDate()} ${clock} 2026 789 usec\n$`),
    );
  });

  it('ends when the daemon goes', async () => {
    const daemon: FakeDaemon = await FakeDaemon.start(() => {
      daemon.stop();
      return {};
    });
    const { status, err } = await sluice(words('ip monitor'), daemon.socket);
    expect(status).toBe(1);
    expect(err).toMatch(/^cannot reach the daemon at /);
  });
});

/* Routes in a batch: how lines become bulk requests, and what a failure among them leaves behind. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChangeRoutes, RouteChange, RouteVerb } from '../../src/control/api/route.js';
import {
  BATCH_ROUTES,
  formatAddress,
  parseAddressBytes,
  routeOf,
  unpackRoutes,
} from '../../src/control/route-batch.js';
import { FakeDaemon, Many, type Received, refusal } from './fake-daemon.js';
import { sluice, words } from './run.js';

const directory = mkdtempSync(join(tmpdir(), 'sluice-routes-'));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(lines: readonly string[]): string {
  const path = join(directory, 'routes');
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  return path;
}

interface Change {
  verb: RouteVerb;
  route: RouteChange;
}

function changesOf(request: ChangeRoutes): Change[] {
  const batch = unpackRoutes(request);
  return Array.from({ length: batch.count }, (_, index) => routeOf(batch, index));
}

/** All that the daemon was told to do, one by one. */
function told(daemon: FakeDaemon): unknown[] {
  return daemon.received.flatMap(({ id: _, chain: __, ...request }): unknown[] => {
    if (request.op === 'route.bulk') return changesOf(request);
    return request.op === 'route.change' ? [{ verb: request.verb, route: request.route }] : [request];
  });
}

/** Does them until `fails` says no. */
function carryOut(done: string[], fails: (change: Change) => boolean): (request: Received) => unknown {
  const { error } = refusal('EEXIST', 'cannot add the route: it exists; delete it');
  return (request) => {
    if (request.op !== 'route.bulk') return [{}];
    const failures: unknown[] = [];
    for (const [index, change] of changesOf(request).entries()) {
      if (!fails(change)) done.push(change.route.dst);
      else if (request.stopAtFirst) return { error: { ...error, index } };
      else failures.push([index, error]);
    }
    return { failures };
  };
}

describe('packing addresses', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['fe80::', 'fe80::'],
    ['1:0:3:4:5:6:7:8', '1:0:3:4:5:6:7:8'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
    ['::1.2.3.4', '::1.2.3.4'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
  ])('%s is %s', (text, formatted) => {
    expect(formatAddress(parseAddressBytes(text) ?? new Uint8Array())).toBe(formatted);
  });

  it.each(['', '10.0.0', '256.0.0.1', ':::', '1:2:3:4:5:6:7:8:9', 'fe80::1%eth0', '::1::'])(
    '"%s" is no address',
    (text) => {
      expect(parseAddressBytes(text)).toBeUndefined();
    },
  );

  it('refuses a request that is not well formed', () => {
    const request: ChangeRoutes = { op: 'route.bulk', family: 4, templates: [], routes: '' };
    expect(unpackRoutes(request).count).toBe(0);
    expect(() => unpackRoutes({ ...request, routes: 'AAAA' })).toThrow('no whole number of routes');
    expect(() => unpackRoutes({ ...request, routes: Buffer.alloc(7).toString('base64') })).toThrow('no template 0');
  });
});

describe('a batch of routes', () => {
  let daemon: FakeDaemon;

  beforeEach(async () => {
    daemon = await FakeDaemon.start(() => ({ failures: [] }));
  });

  afterEach(() => daemon.stop());

  const run = (lines: readonly string[], ...options: string[]) =>
    sluice(['ip', ...options, '-b', file(lines)], daemon.socket);

  /** Lines that look alike, and some that nearly do. */
  const MIXED = [
    'route add 10.0.0.0/24 via 10.9.0.1 dev v0',
    'route add 10.0.1.0/24 via 10.9.0.1 dev v0',
    'route add 10.0.2.0/24 via 10.9.0.2 dev v0',
    'route add 10.0.3.1 via 10.9.0.1 dev v0',
    'route add 010.0.4.0/24 via 10.9.0.1 dev v0',
    'route add 10.5/16 via 10.9.0.1 dev v0',
    'route add default via 10.9.0.1 dev v0',
    '  route   add 10.0.6.0/24 via 10.9.0.1 dev v0  ',
    'route add 10.0.7.0/24 via 10.9.0.1 dev v0 # a comment',
    'route del 10.0.0.0/24 via 10.9.0.1 dev v0',
    'route add 10.0.0.0/24 via 10.9.0.1 dev v0',
    'route del 10.0.1.0/24 via 10.9.0.1 dev v0',
    'route replace 10.0.2.0/24 via 10.9.0.1 \\',
    '   dev v0',
    'route add blackhole 10.0.8.0/24',
    'route add blackhole 10.0.9.0/24',
    'route add 2001:db8::/32 via fe80::1 dev v0',
    'route add 2001:db8:1::/48 via fe80::1 dev v0',
    'route add 2001:db8:2:: via fe80::1 dev v0',
    'route add ::/0 via fe80::1 dev v0',
    'route add 1:2:3:4:5:6:7:8/128 via fe80::1 dev v0',
    'route add ::ffff:1.2.3.0/120 via fe80::1 dev v0',
    'r a 10.0.10.0/24 nexthop via 10.9.0.1 weight 2 nexthop via 10.9.0.2',
    'r a 10.0.11.0/24 nexthop via 10.9.0.1 weight 2 nexthop via 10.9.0.2',
    'link set v0 up',
    'route add 0.0.0.0/0 via 10.9.0.1 dev v0 metric 7',
    'route add 255.255.255.255/32 via 10.9.0.1 dev v0 metric 7',
  ];

  it('asks for what its lines would have asked for one by one', async () => {
    daemon.answerWith((request) => (request.op === 'route.bulk' ? { failures: [] } : {}));
    expect(await run(MIXED)).toEqual({ status: 0, out: '', err: '' });
    const together = told(daemon);
    const bulks = daemon.received.filter(({ op }) => op === 'route.bulk');
    // One family after the other, and the link between.
    expect(bulks).toHaveLength(4);
    daemon.received.length = 0;
    for (const line of MIXED.join('\n').replace('\\\n', '').split('\n'))
      await sluice(['ip', ...words(line.split('#')[0])], daemon.socket);
    expect(together).toEqual(told(daemon));
  });

  it('sends each kind of line once, and fills its requests', async () => {
    const count = BATCH_ROUTES * 3 + 5;
    const lines = Array.from(
      { length: count },
      (_, n) => `route add 10.${n >> 8}.${n & 255}.0/24 via 10.9.0.${n % 3} dev v0`,
    );
    expect((await run(lines)).status).toBe(0);
    const bulks = daemon.received as ChangeRoutes[];
    expect(bulks.map((bulk) => unpackRoutes(bulk).count)).toEqual([BATCH_ROUTES, BATCH_ROUTES, BATCH_ROUTES, 5]);
    expect(bulks.every(({ templates }) => templates.length === 3)).toBe(true);
    expect(told(daemon)).toHaveLength(count);
    expect((told(daemon)[1029] as Change).route.dst).toBe('10.4.5.0/24');
  });

  it('ends with the first failure, says at which line, and does nothing after it', async () => {
    const lines = Array.from({ length: 2000 }, (_, n) => `route add 10.${n >> 8}.${n & 255}.0/24 via 10.9.0.1 dev v0`);
    const done: string[] = [];
    daemon.answerWith(carryOut(done, ({ route }) => route.dst === '10.3.0.0/24'));
    const { status, err } = await run(lines);
    const path = join(directory, 'routes');
    const sentence = 'cannot add the route: it exists; delete it';
    expect(err).toBe(`RTNETLINK answers: File exists\n${sentence}\nCommand failed ${path}:769\n`);
    expect(status).toBe(1);
    expect(done).toHaveLength(768);
    expect(daemon.received.every(({ chain }) => chain === true)).toBe(true);
  });

  it('goes on with -force, and says of each line that it failed', async () => {
    const lines = ['# routes', ...Array.from({ length: 600 }, (_, n) => `route add 10.0.${n & 255}.${n >> 8} dev v0`)];
    const done: string[] = [];
    daemon.answerWith(carryOut(done, ({ route }) => /^10\.0\.[17]\.2/.test(route.dst)));
    const { status, err } = await run(lines, '-force');
    expect(err.match(/:\d+$/gm)).toEqual([':515', ':521']);
    expect(status).toBe(1);
    expect(done).toHaveLength(598);
    expect(daemon.received.some(({ chain }) => chain)).toBe(false);
    expect(daemon.received.some((request) => 'stopAtFirst' in request)).toBe(false);
  });

  it('says that a device is not there as one command would', async () => {
    const { error } = refusal('ENODEV', 'cannot add the route: there is no link "nosuch"; see "sluice ip link"');
    daemon.answerWith((request) =>
      request.op === 'route.bulk' ? { error: { ...error, index: 1 } } : refusal('ENODEV', 'cannot'),
    );
    const { err } = await run(['route add 10.0.0.0/24 dev v0', 'route add 10.0.1.0/24 dev nosuch']);
    expect(err).toBe(`Cannot find device "nosuch"\n${error.message}\nCommand failed ${join(directory, 'routes')}:2\n`);
  });

  it('sends what stands before a line that is wrong, and nothing after it', async () => {
    const { status, err } = await run([
      'route add 10.0.0.0/24 dev v0',
      'route add foo',
      'route add 10.0.1.0/24 dev v0',
    ]);
    expect(err).toContain('Error: any valid prefix is expected rather than "foo".\n');
    expect(status).toBe(1);
    expect((told(daemon) as Change[]).map(({ route }) => route.dst)).toEqual(['10.0.0.0/24']);
  });

  it('sends nothing ahead of a flush', async () => {
    const order: string[] = [];
    daemon.answerWith((request) => {
      order.push(request.op === 'route.bulk' ? changesOf(request)[0].verb : request.op);
      return request.op === 'route.list' ? new Many([[]]) : { failures: [] };
    });
    await run(['route add 10.0.0.0/24 dev v0', 'route flush table 100', 'route del 10.0.0.0/24 dev v0']);
    expect(order).toEqual(['add', 'route.list', 'del']);
  });

  it('does well with lines that have nothing in common', async () => {
    const lines = Array.from({ length: 5000 }, (_, n) => `route add 10.0.0.0/24 dev v0 metric ${n}`);
    expect((await run(lines)).status).toBe(0);
    expect((told(daemon) as Change[]).map(({ route }) => route.metric)).toEqual(lines.map((_, n) => n));
  });
});

/* Namespaces: where `ns` travels, what `ip netns` asks and prints, and verbs that run in one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NetnsInfo } from '../../src/control/api/netns.js';
import { FakeDaemon, Many, type Received, refusal } from './fake-daemon.js';
import { sluice, words } from './run.js';

const NAMESPACES: NetnsInfo[] = [{ name: 'red', id: 0 }, { name: 'blue' }];

function answer(request: Received): unknown {
  if (request.ns !== undefined && !NAMESPACES.some(({ name }) => name === request.ns))
    return refusal('ENOENT', `cannot do it: there is no namespace "${request.ns}"; see "sluice ip netns"`);
  if (request.op === 'netns.list') return NAMESPACES;
  if (request.op === 'netns.add' && request.name === 'red')
    return refusal('EEXIST', 'cannot add red: it is there; see it');
  if (request.op === 'monitor') {
    const change = (name: string, deleted: boolean) => ({ ts_us: 0, deleted, object: 'netns', netns: { name } });
    return new Many([change('green', false), change('green', true)]);
  }
  if (request.op === 'status') return { drops: {}, links: {} };
  return request.op.endsWith('.list') ? [] : {};
}

let daemon: FakeDaemon;

beforeAll(async () => {
  daemon = await FakeDaemon.start(answer);
});

afterAll(() => daemon.stop());

beforeEach(() => daemon.answerWith(answer));

const run = (line: string) => sluice(words(line), daemon.socket);
const places = () => daemon.received.map(({ op, ns }) => [op, ns]);

describe('the namespace', () => {
  it.each([
    ['ip link', undefined],
    ['-n host ip link', undefined],
    ['ip -n host link', undefined],
    ['-n red ip link', 'red'],
    ['ip -n red link', 'red'],
    ['ip -netns red link', 'red'],
    ['bridge -n red link', 'red'],
    ['-n red bridge link', 'red'],
    ['-n blue ip -n red link', 'red'],
    ['-n blue ip -n host link', undefined],
    ['ip netns exec red ip link', 'red'],
    ['ip netns exec red ip -n blue link', 'blue'],
    ['ip netns exec red bridge link', 'red'],
    ['-n blue ip netns exec red ip link', 'red'],
  ])('%s: the request is for %s', async (line, ns) => {
    expect((await run(line)).status).toBe(0);
    expect(places().filter(([op]) => op !== 'netns.list')).toEqual([['link.list', ns]]);
  });

  it('goes with every verb, and with every round of a command', async () => {
    await run('-n red status');
    await run('-n red ifconfig');
    await run('ip netns exec red ip addr flush dev lo');
    await run('ip netns exec red ip neigh flush all');
    expect(places()).toEqual(['status', 'addr.list', 'addr.list', 'neigh.list'].map((op) => [op, 'red']));
  });

  it('goes with every line of a batch', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-netns-'));
    const file = join(directory, 'batch');
    writeFileSync(file, 'link set lo up\nnetns exec blue ip link set lo up\naddr flush dev lo\nlink set lo down\n');
    expect(await run(`ip -n red -b ${file}`)).toEqual({ status: 0, out: '', err: '' });
    expect(places()).toEqual([
      ['netns.list', undefined],
      ['link.set', 'red'],
      ['link.set', 'blue'],
      ['addr.list', 'red'],
      ['link.set', 'red'],
    ]);
    rmSync(directory, { recursive: true });
  });

  it('that is missing is the first thing said', async () => {
    const line = 'Cannot open network namespace "nosuch": No such file or directory\n';
    for (const command of [
      'ip -n nosuch link',
      '-n nosuch ip link',
      'ip netns exec nosuch ip link set',
      '-n nosuch status',
    ]) {
      const { status, out, err } = await run(command);
      expect([command, status, out]).toEqual([command, 255, '']);
      expect(err).toBe(
        `${line}cannot open network namespace "nosuch": there is no such namespace; see "sluice ip netns"\n`,
      );
    }
  });
});

describe('ip netns', () => {
  it.each(['ip netns', 'ip netns list', 'ip netns show', 'ip netns ls'])('%s', async (line) => {
    const { out, status } = await run(line.replace(' ls', ' lst'));
    expect([out, status]).toEqual(['red (id: 0)\nblue\n', 0]);
  });

  it('in JSON, and by number', async () => {
    expect((await run('ip -j netns')).out).toBe('[{"name":"red","id":0},{"name":"blue"}]\n');
    expect((await run('ip netns list-id')).out).toBe('nsid 0 (iproute2 netns name: red)\n');
    expect((await run('ip -j netns list-id nsid 0')).out).toBe('[{"nsid":0,"name":"red"}]\n');
  });

  it('adds and deletes', async () => {
    await run('ip netns add green');
    await run('ip netns del red');
    await run('ip -all netns delete');
    expect(daemon.requests).toEqual([
      { op: 'netns.add', name: 'green' },
      { op: 'netns.del', name: 'red' },
      { op: 'netns.list' },
      { op: 'netns.del', name: 'red' },
      { op: 'netns.del', name: 'blue' },
    ]);
    expect(await run('ip netns add red')).toEqual({
      status: 1,
      out: '',
      err: 'Cannot create namespace file "/run/netns/red": File exists\ncannot add red: it is there; see it\n',
    });
  });

  it('runs a verb in one, or in all', async () => {
    expect((await run('ip netns exec red ip link foo')).err).toMatch(
      /^Command "foo" is unknown, try "ip link help".\ncannot ip link: /,
    );
    const { out } = await run('ip -all netns exec ip link set lo up');
    expect(out).toBe('\nnetns: red\n\nnetns: blue\n');
    expect(places().filter(([op]) => op === 'link.set')).toEqual([
      ['link.set', 'red'],
      ['link.set', 'blue'],
    ]);
  });

  it('says why a program cannot run in one', async () => {
    const { status, err } = await run('ip netns exec red bash');
    expect(status).toBe(1);
    expect(err).toMatch(
      /^exec of "bash" failed: No such file or directory\ncannot ip netns exec bash: .*kernel.*; name a verb/,
    );
  });

  it('tells of new ones and of those that go', async () => {
    expect((await run('ip netns monitor')).out).toBe('add green\ndelete green\n');
  });
});

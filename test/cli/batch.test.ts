/* `ip -batch` and `bridge -batch`: how files are read, what a failure leaves behind, and how fast it is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BatchLine, LineReader, splitWords } from '../../src/cli/batch.js';
import { FakeDaemon, refusal } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { sluice } from './run.js';

const directory = mkdtempSync(join(tmpdir(), 'sluice-batch-'));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(text: string): string {
  const path = join(directory, 'commands');
  writeFileSync(path, text);
  return path;
}

/** What a reader makes of a file that comes in these chunks: words and number of each command. */
function readAll(...chunks: string[]): Array<Omit<BatchLine, 'text'>> {
  const reader = new LineReader();
  const commands: Array<Omit<BatchLine, 'text'>> = [];
  for (const [index, chunk] of [...chunks, ''].entries()) {
    reader.push(Buffer.from(chunk), index === chunks.length);
    for (let command = reader.next(); command !== undefined; command = reader.next())
      commands.push({ words: command.words, line: command.line });
  }
  return commands;
}

describe('splitting lines', () => {
  it('separates by blanks, and keeps a quoted word whole', () => {
    expect(splitWords(' link  add "a b"\t\'c d\' e"f \r\n')).toEqual(['link', 'add', 'a b', 'c d', 'e"f']);
    expect(splitWords('')).toEqual([]);
    expect(splitWords('link "open')).toBeUndefined();
  });

  it('drops comments and empty lines, joins continued lines, and counts as iproute2 does', () => {
    expect(readAll('link # a comment\n\n# all comment\nlink \\\n  show \\\n up\nlink')).toEqual([
      { words: ['link'], line: 1 },
      { words: ['link', 'show', 'up'], line: 6 },
      { words: ['link'], line: 7 },
    ]);
  });

  it('reads the same whatever the chunks are', () => {
    const text = 'link add br0 type bridge\nlink set \\\nbr0 up # now\n\nlink';
    const whole = readAll(text);
    for (let size = 1; size < text.length; size++) {
      const parts: string[] = [];
      for (let at = 0; at < text.length; at += size) parts.push(text.slice(at, at + size));
      expect(readAll(...parts)).toEqual(whole);
    }
  });
});

describe('a batch', () => {
  let daemon: FakeDaemon;

  beforeEach(async () => {
    daemon = await FakeDaemon.start(() => ({}));
  });

  afterEach(() => daemon.stop());

  it('sends all lines in order, chained, and prints nothing', async () => {
    const path = file('link add br0 type bridge\nlink add m1 type memory\nlink set m1 master br0 up\n');
    expect(await sluice(['ip', '-batch', path], daemon.socket)).toEqual({ status: 0, out: '', err: '' });
    expect(daemon.requests).toEqual([
      { op: 'link.add', name: 'br0', kind: 'bridge', bridge: {} },
      { op: 'link.add', name: 'm1', kind: 'memory' },
      { op: 'link.set', name: 'm1', up: true, master: 'br0' },
    ]);
    expect(daemon.received.every(({ chain }) => chain === true)).toBe(true);
  });

  it('ends with the first failure, and says at which line', async () => {
    daemon.answerWith((request) =>
      'name' in request && request.name === 'bad' ? refusal('EEXIST', 'cannot add bad: it exists; rename it') : {},
    );
    const path = file('link add ok type bridge\nlink add bad type bridge\nlink add later type bridge\n');
    const { status, err } = await sluice(['ip', '-b', path], daemon.socket);
    expect(err).toBe(
      `RTNETLINK answers: File exists\ncannot add bad: it exists; rename it\nCommand failed ${path}:2\n`,
    );
    expect(status).toBe(1);
  });

  it('carries nothing out after a line that is wrong', async () => {
    const path = file('link add ok type bridge\nlink add\nlink add later type bridge\n');
    const { status, err } = await sluice(['ip', '-b', path], daemon.socket);
    expect(err).toContain(`Command failed ${path}:2\n`);
    expect(status).toBe(1);
    expect(daemon.requests).toHaveLength(1);
  });

  it('goes on with -force, and fails at the end', async () => {
    daemon.answerWith((request) =>
      'name' in request && request.name === 'bad' ? refusal('EEXIST', 'cannot add bad: it exists; rename it') : {},
    );
    const path = file('link add bad type bridge\nlink add\nlink add later type bridge\n');
    const { status, err } = await sluice(['ip', '-force', '-b', path], daemon.socket);
    expect(err.match(/Command failed .*:\d+/g)).toEqual([`Command failed ${path}:1`, `Command failed ${path}:2`]);
    expect(status).toBe(1);
    expect(daemon.requests).toContainEqual({ op: 'link.add', name: 'later', kind: 'bridge', bridge: {} });
    expect(daemon.received.some(({ chain }) => chain)).toBe(false);
  });

  it('stops on the spot where iproute2 exits, even with -force', async () => {
    const path = file('link set mtu\nlink add later type bridge\n');
    const { status, err } = await sluice(['ip', '-force', '-b', path], daemon.socket);
    expect(status).toBe(255);
    expect(err).not.toContain('Command failed');
    expect(daemon.requests).toEqual([]);
  });

  it('prints what its shows print, in order', async () => {
    daemon.answerWith((request) =>
      request.op === 'fdb.list'
        ? [{ mac: '02:00:00:00:00:01', ifname: 'm1', flags: [], master: 'br0', state: '' }]
        : {},
    );
    const path = file('fdb\nfdb add 02:00:00:00:00:02 dev m1 master\nfdb show dev m1\n');
    const { status, out } = await sluice(['bridge', '-b', path], daemon.socket);
    expect(status).toBe(0);
    expect(out).toBe('02:00:00:00:00:01 dev m1 master br0 \n02:00:00:00:00:01 master br0 \n');
  });

  it('is one write for 10,000 lines, and takes well under a second', async () => {
    const path = file(
      Array.from(
        { length: 10000 },
        (_, n) => `fdb add 02:00:00:00:${(n >> 8).toString(16)}:${(n & 255).toString(16)} dev m1 master static\n`,
      ).join(''),
    );
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 3; run++) {
      daemon.received.length = 0;
      daemon.chunks = 0;
      const start = performance.now();
      expect((await sluice(['bridge', '-b', path], daemon.socket)).status).toBe(0);
      best = Math.min(best, performance.now() - start);
      expect(daemon.received).toHaveLength(10000);
      expect(daemon.chunks).toBeLessThan(200);
    }
    // With both ends in this process, and whatever else the machine is doing.
    expect(best).toBeLessThan(1000);
  });
});

const reason = unavailable('iproute2');

const FILES: Record<string, string> = {
  'a good one': 'link add b1 type bridge\nlink set b1 up # comment\n\n  link   set b1 \\\n down\n',
  'a failure in the middle': 'link add b1 type bridge\nlink add br0 type bridge\nlink add b2 type bridge\n',
  'an unknown object': 'link\nfoo\nlink\n',
  'an incomplete line': 'link set br0 mtu\nlink add b3 type bridge\n',
  'a quote that is not closed': 'link set "br0 up\n',
  'quoted words': 'link set "br0" \'up\'\n',
  nothing: '',
};

describe.skipIf(reason !== '')(`a batch, beside iproute2${reason === '' ? '' : ` (${reason})`}`, () => {
  for (const [name, text] of Object.entries(FILES)) {
    for (const force of ['', '-force']) {
      it(`${name} ${force}`, () => beside(text, force));
    }
  }
});

/** Both run the file on a bridge br0 alone; stderr must agree but for our sentences. */
async function beside(text: string, force: string): Promise<void> {
  const kernel = new Namespace();
  const links = new Set(['br0']);
  const daemon = await FakeDaemon.start((request) => {
    if (request.op === 'link.list') return [];
    if (request.op !== 'link.add') return {};
    const { name = '' } = request;
    if (links.has(name)) return refusal('EEXIST', `cannot add ${name}: it exists; rename it`);
    links.add(name);
    return {};
  });
  try {
    kernel.set('ip link add br0 type bridge');
    const path = file(text);
    const real = kernel.run(`ip ${force} -b ${path}`);
    const ours = await sluice(['ip', ...(force === '' ? [] : [force]), '-b', path], daemon.socket);
    const tool = ours.err.split('\n').filter((line) => !line.startsWith('cannot '));
    expect(tool.join('\n')).toBe(real.err);
    expect(ours.status).toBe(real.status);
    const left = kernel.json<Array<{ ifname: string }>>('ip -j link show').map(({ ifname }) => ifname);
    expect([...links].sort()).toEqual(left.filter((name) => name !== 'lo').sort());
  } finally {
    daemon.stop();
    kernel.remove();
  }
}

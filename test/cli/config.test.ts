/* `sluice config`: files in, files out, and what is wrong with them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeDaemon, refusal } from './fake-daemon.js';
import { sluice, words } from './run.js';

const WRONG = 'cannot apply config bad.yaml: line 3: "links[0].kind" is "tup"; say bridge, tap, packet, pcap or memory';

describe('config', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  const good = join(directory, 'good.yaml');
  const bad = join(directory, 'bad.yaml');
  let daemon: FakeDaemon;

  beforeAll(async () => {
    writeFileSync(good, 'links: {}\n');
    writeFileSync(bad, 'bad\n');
    daemon = await FakeDaemon.start((request) => {
      if (request.op === 'config.show') return { text: 'links: {}\n' };
      return request.op === 'config.apply' && request.text === 'bad\n' ? refusal('EINVAL', WRONG) : {};
    });
  });

  afterAll(() => {
    daemon.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('shows', async () => {
    expect(await sluice(words('config show'), daemon.socket)).toEqual({ status: 0, out: 'links: {}\n', err: '' });
  });

  it('applies and checks a file: the daemon gets its text and its name', async () => {
    expect(await sluice(['config', 'apply', good], daemon.socket)).toEqual({ status: 0, out: '', err: '' });
    expect(daemon.requests.at(-1)).toEqual({
      op: 'config.apply',
      text: 'links: {}\n',
      file: good,
      folder: process.cwd(),
    });
    expect(await sluice(['config', 'check', good], daemon.socket)).toEqual({
      status: 0,
      out: `${good}: good\n`,
      err: '',
    });
    expect(daemon.requests.at(-1)).toEqual({
      op: 'config.apply',
      text: 'links: {}\n',
      file: good,
      folder: process.cwd(),
      check: true,
    });
  });

  it.each(['apply', 'check'])('%s tells what the daemon finds wrong', async (command) => {
    expect(await sluice(['config', command, bad], daemon.socket)).toEqual({ status: 1, out: '', err: `${WRONG}\n` });
  });

  it('checks the file in itself where no daemon runs', async () => {
    expect(await sluice(['config', 'check', good])).toEqual({
      status: 0,
      out: `${good}: good in itself; no daemon runs to check it against\n`,
      err: '',
    });
    const { status, err } = await sluice(['config', 'check', bad]);
    expect(status).toBe(1);
    expect(err).toMatch(/^cannot .*bad\.yaml.*: .+; .+\n$/);
    expect((await sluice(['config', 'apply', good])).err).toContain('cannot reach the daemon');
  });

  it('saves whole, leaving nothing else behind', async () => {
    const path = join(directory, 'saved.yaml');
    expect((await sluice(['config', 'save', path], daemon.socket)).status).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe('links: {}\n');
    expect(readdirSync(directory).sort()).toEqual(['bad.yaml', 'good.yaml', 'saved.yaml']);
    expect((await sluice(['config', 'save', '-'], daemon.socket)).out).toBe('links: {}\n');
  });

  it.each([
    ['config', 2],
    ['config foo', 2],
    ['config show more', 2],
    ['config apply', 2],
    ['config apply a b', 2],
    ['config apply /nonexistent', 1],
    ['config check /', 1],
    ['config save /nonexistent/file', 1],
  ])('%s is refused in one line, with status %i', async (line, status) => {
    const outcome = await sluice(words(line), daemon.socket);
    expect(outcome.status).toBe(status);
    expect(outcome.out).toBe('');
    expect(outcome.err).toMatch(/^cannot config.*: .+; .+\n$/);
  });
});

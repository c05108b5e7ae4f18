import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ToolOutcome } from '../../src/control/api/tool.js';
import { FakeDaemon } from './fake-daemon.js';
import { sluice, words } from './run.js';

describe('sluice ipset', () => {
  let daemon: FakeDaemon;
  let folder: string;

  const answer: ToolOutcome = { stdout: 'some text\n', stderr: '', status: 0 };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-ipset-'));
    daemon = await FakeDaemon.start(() => answer);
  });
  afterAll(() => {
    daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => daemon.answerWith(() => answer));

  const ipset = (line: string) => sluice(['ipset', ...words(line)], daemon.socket);

  it('sends its words as they are, and prints what comes back', async () => {
    expect(await ipset('list -t foo')).toEqual({ status: 0, out: 'some text\n', err: '' });
    expect(daemon.requests).toEqual([{ op: 'ipset.run', words: ['list', '-t', 'foo'] }]);
  });

  it('has the exit status and the complaint of the daemon', async () => {
    daemon.answerWith(() => ({ stdout: '', stderr: 'ipset v7.17: no\n', status: 2 }));
    expect(await ipset('foo')).toEqual({ status: 2, out: '', err: 'ipset v7.17: no\n' });
  });

  it('is for a namespace', async () => {
    await sluice(['-n', 'inside', 'ipset', 'list'], daemon.socket);
    expect(daemon.requests).toEqual([{ op: 'ipset.run', words: ['list'], ns: 'inside' }]);
  });

  it('sends the text that restore reads from a file', async () => {
    const file = join(folder, 'sets');
    writeFileSync(file, 'create a hash:ip\n');
    expect((await ipset(`-! restore -f ${file}`)).status).toBe(0);
    expect(daemon.requests).toEqual([
      { op: 'ipset.run', words: ['-!', 'restore', '-f', file], text: 'create a hash:ip\n' },
    ]);
  });

  it('ends as the real one when it cannot read the file', async () => {
    expect(await ipset('restore -f /nonexistent/file')).toEqual({ status: 255, out: '', err: '' });
    expect(daemon.requests).toEqual([]);
  });

  it('writes a listing to the file that is named', async () => {
    const file = join(folder, 'listing');
    daemon.answerWith(() => ({ ...answer, file }));
    expect(await ipset(`list -f ${file}`)).toEqual({ status: 0, out: '', err: '' });
    expect(readFileSync(file, 'utf8')).toBe('some text\n');
    daemon.answerWith(() => ({ ...answer, file: '/nonexistent/file' }));
    expect(await ipset('list -f /nonexistent/file')).toEqual({
      status: 1,
      out: '',
      err: 'ipset v7.17: Cannot open /nonexistent/file for writing: No such file or directory\n',
    });
  });

  it('asks the daemon what is wrong with the options', async () => {
    await ipset('list -o');
    expect(daemon.requests).toEqual([{ op: 'ipset.run', words: ['list', '-o'] }]);
  });

  it('refuses the interactive mode by name', async () => {
    const { status, err } = await ipset('-');
    expect(status).toBe(2);
    expect(err).toContain('there is no interactive mode');
    expect(daemon.requests).toEqual([]);
  });
});

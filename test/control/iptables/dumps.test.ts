/*
 * Dumps of other people's firewalls: what we save of them the real iptables loads and saves as the same text, and the other way round.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { registry as EXTENSIONS } from '../../../src/control/iptables/extensions/registry.js';
import { hasRealTool } from './real-tool.js';
import { askOurs, askReal, type Line, World } from './session.js';

const FOLDER = join(
  process.env.SLUICE_FIXTURES ?? resolve(import.meta.dirname, '../../../../shared/fixtures'),
  'iptables-dumps',
);

interface Dump {
  file: string;
  tool: string;
  /** What the real one makes of it. */
  answer: string;
}

function dumps(): Dump[] {
  const key = join(FOLDER, 'real-iptables-1.8.9.tsv');
  if (!existsSync(key)) return [];
  const lines = readFileSync(key, 'utf8').split('\n');
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t'))
    .map(([file, tool, , answer]) => ({ file, tool, answer }));
}

function textOf(file: string): string {
  const bytes = readFileSync(join(FOLDER, file));
  return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
}

function line(words: string[], input?: string): Line {
  return { text: words.join(' '), words, input };
}

/** Ours says which rules never match, loaded with --lax. */
function withoutReasons(text: string): string {
  return text.replace(/ \[never matches: .*\]$/gm, '');
}

const ALL = dumps();
const reason = ALL.length === 0 ? 'the fixture dumps are absent: set SLUICE_FIXTURES' : '';
const missing = reason === '' && !hasRealTool() ? 'needs root and iptables 1.8.9 (nf_tables)' : reason;

describe.skipIf(missing !== '')(`public dumps${missing === '' ? '' : `: skipped, ${missing}`}`, () => {
  it.each(ALL)('$file', async ({ file, tool, answer }) => {
    const restore = `${tool}-restore`;
    const save = `${tool}-save`;
    const text = textOf(file);
    // What has no meaning here (-m policy) is to be printed back too.
    const lax = [restore, '-c', '--lax'];
    const lists = ['filter', 'nat', 'mangle', 'raw'].map((table) => line([tool, '-t', table, '-nvL']));
    const [loaded, ours, ...listed] = await askOurs(
      [line(lax, text), line([save, '-c']), ...lists],
      new World(EXTENSIONS),
    );
    const [realLoaded, real, ...realListed] = askReal([line([restore, '-c'], text), line([save, '-c']), ...lists]);
    expect(loaded).toEqual(realLoaded);
    expect(loaded.status === 0).toBe(answer === 'ok');
    expect(ours.stdout).toBe(real.stdout);
    for (const [i, list] of listed.entries()) expect(withoutReasons(list.stdout)).toBe(realListed[i].stdout);
    const [again, fixed] = askReal([line([restore, '-c'], ours.stdout), line([save, '-c'])]);
    expect([again.status, fixed.stdout]).toEqual([0, ours.stdout]);
    const back = await askOurs([line(lax, real.stdout), line([save, '-c'])], new World(EXTENSIONS));
    expect([back[0].status, back[1].stdout]).toEqual([0, real.stdout]);
  });
});

/* `sluice bench`: its help names every number that there is, and what it refuses. Nothing is measured here. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bench, measures } from '../../bench/run.js';
import { sluice, words } from './run.js';

describe('sluice bench', () => {
  it('has one help, whoever is asked', async () => {
    const { out } = await sluice(words('bench --help'));
    const said: string[] = [];
    const status = await bench(['-h'], { out: (text) => void said.push(text), err: () => {} });
    expect(status).toBe(0);
    expect(said.join('')).toBe(out);
    expect((await sluice(words('bench generator --help'))).out).toBe(out);
  });

  it('tells of every number, in the order of the report', async () => {
    const { out } = await sluice(words('bench --help'));
    const lines = [...out.matchAll(/^ {2}([a-z0-9, -]*[a-z0-9]) {2,}(\S.*)$/gm)];
    expect(lines.map((line) => line.slice(1))).toEqual(measures.map(({ names, about }) => [names.join(', '), about]));
  });

  it('tells of every option of the generator', async () => {
    const { out } = await sluice(words('bench --help'));
    const source = readFileSync(join(import.meta.dirname, '../../bench/twin/generator.cc'), 'utf8');
    const options = /kUsage\[?\]? =\s*"([^"]+)"/.exec(source)?.[1].match(/--\w+/g) ?? [];
    expect(options).toContain('--stations');
    const told = /generator DEVICE[^\n]+\n[^\n]+/.exec(out)?.[0];
    for (const option of options) expect(told).toContain(`[${option} `);
  });

  it.each([
    'bench nonsense',
    'bench --foo',
    'bench --seconds',
    'bench --rounds 0',
    'bench tap-bridge --seconds x',
    'bench sink',
  ])('"%s" is refused in one line, with status 2', async (line) => {
    const { status, out, err } = await sluice(words(line));
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(/^cannot [^\n]+: [^\n]+; [^\n]+\n$/);
  });
});

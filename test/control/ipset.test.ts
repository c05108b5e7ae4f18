import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ToolOutcome } from '../../src/control/api.js';
import { lacking, titled } from '../support/requirements.js';
import { generator } from '../support/two-routers.js';
import { IpsetBench, wordsOf } from './ipset-bench.js';
import { RandomCommands } from './ipset-random.js';

interface Call {
  line: string;
  text: string;
  answer: string;
}

function callsOf(file: string): Call[] {
  const calls: Call[] = [];
  for (const line of readFileSync(new URL(file, import.meta.url), 'utf8').split('\n')) {
    if (line.startsWith('$ ')) calls.push({ line: line.slice(2), text: '', answer: '' });
    const call = calls.at(-1);
    if (call === undefined) continue;
    if (line.startsWith('< ')) call.text += `${line.slice(2)}\n`;
    else if (!line.startsWith('$ ') && line !== '') call.answer += `${line}\n`;
  }
  return calls;
}

function marked(text: string, mark: string): string {
  return text === '' ? '' : `${text.replace(/\n$/, '').replace(/^/gm, `${mark} `)}\n`;
}

/** Sizes, random numbers, seconds that pass and the order of hashes are the machine's. */
function comparable(text: string, isSorted: boolean): string {
  const lines = text
    .replace(/(Size in memory: |<memsize>)\d+/g, '$1N')
    .replace(/(initval[ >])0x[0-9a-f]{8}/g, '$1R')
    .replace(/(timeout[ >])(\d\d+)/g, (_, word: string, seconds: string) => word + Math.ceil(Number(seconds) / 100))
    .replace(/(Protocol ICMP.* only)\n! .*/, '$1')
    .split('\n');
  const isMember = (line: string) => line.startsWith('> add ') || /^> [0-9a-f:.]+$/.test(line);
  for (let i = 0; !isSorted && i < lines.length; i++) {
    let end = i;
    while (end < lines.length && isMember(lines[end])) end++;
    if (end > i) lines.splice(i, end - i, ...lines.slice(i, end).sort());
    i = end;
  }
  return lines.join('\n');
}

function answerOf({ stdout, stderr, status }: ToolOutcome): string {
  return `${marked(stdout, '>')}${marked(stderr, '!')}= ${status}\n`;
}

describe('ipset', () => {
  it('answers as the real one', async () => {
    const bench = new IpsetBench();
    const calls = callsOf('./ipset-answers.txt');
    expect(calls.length).toBeGreaterThan(200);
    const different: string[] = [];
    for (const { line, text, answer } of calls) {
      const outcome = await bench.run(wordsOf(line), text === '' ? undefined : text);
      const isSorted = /(^| )-s( |$)/.test(line);
      const own = comparable(answerOf(outcome), isSorted).split('\n');
      const real = comparable(answer, isSorted).split('\n');
      const at = real.findIndex((one, i) => one !== own[i]);
      if (at >= 0 || own.length !== real.length) different.push(`$ ${line}\n${own[at]}\ninstead of\n${real[at]}`);
    }
    expect(different.join('\n')).toBe('');
  });
});

const missing = lacking('root', 'iproute2', 'ipset');

describe.skipIf(missing)(titled('beside the real ipset', missing), () => {
  const name = `ipset-test-${process.pid}`;
  const ip = (...words: string[]) => spawnSync('ip', words, { encoding: 'utf8' });

  beforeAll(() => {
    expect(ip('netns', 'add', name).status).toBe(0);
  });
  afterAll(() => {
    ip('netns', 'del', name);
  });

  const real = (words: readonly string[]): ToolOutcome => {
    const { status, stdout, stderr } = ip('netns', 'exec', name, 'ipset', ...words);
    return { status: status ?? -1, stdout, stderr };
  };

  it.each(Array.from({ length: Number(process.env.SLUICE_TEST_SEEDS ?? 3) }, (_, i) => i + 1))(
    'commands by chance, seed %i',
    async (seed) => {
      real(['flush']);
      real(['destroy']);
      const bench = new IpsetBench();
      const commands = new RandomCommands(generator(seed * 7919));
      const before: string[] = [];
      for (let i = 0; i < 250; i++) {
        const line = commands.next();
        const own = comparable(answerOf(await bench.line(line)), true);
        const theirs = comparable(answerOf(real(wordsOf(line))), true);
        before.push(line);
        expect(own, before.slice(-12).join('\n')).toBe(theirs);
      }
    },
    60_000,
  );
});

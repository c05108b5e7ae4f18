import { spawnSync } from 'node:child_process';
import { lookupService } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ToolOutcome } from '../../src/control/api/tool.js';
import { Family } from '../../src/netfilter/rule.js';
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

describe('recorded answers', () => {
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

describe('ipset', () => {
  const outOf = async (bench: IpsetBench, line: string, text?: string): Promise<string> => {
    const { stdout, stderr, status } = await bench.line(line, text);
    expect({ line, stderr, status }).toEqual({ line, stderr: '', status: 0 });
    return stdout;
  };

  it('has the types that the kernel here has not', async () => {
    const bench = new IpsetBench();
    const text = [
      'create mac hash:mac',
      'add mac 00:11:22:33:44:55',
      'create pair hash:ip,mac',
      'add pair 10.0.0.1,00:11:22:33:44:55',
      'create mark hash:ip,mark markmask 0xff',
      'add mark 10.0.0.1-10.0.0.2,0x5',
      'create nets hash:net,net',
      'add nets 10.0.0.0/8,172.16.0.0/12 nomatch',
      'create three hash:net,port,net',
      'add three 10.0.0.0/8,tcp:80,172.16.0.0/12',
    ].join('\n');
    await outOf(bench, 'restore', `${text}\n`);
    const saved = (await outOf(bench, 'save -s')).split('\n');
    expect(saved.filter((line) => line.startsWith('add '))).toEqual([
      'add mac 00:11:22:33:44:55',
      'add pair 10.0.0.1,00:11:22:33:44:55',
      'add mark 10.0.0.1,0x00000005',
      'add mark 10.0.0.2,0x00000005',
      'add nets 10.0.0.0/8,172.16.0.0/12 nomatch',
      'add three 10.0.0.0/8,tcp:80,172.16.0.0/12',
    ]);
    expect(saved.find((line) => line.startsWith('create mark'))).toContain('markmask 0x000000ff');
    expect((await bench.line('test nets 10.1.1.1,172.16.5.5 nomatch')).status).toBe(0);
    expect((await bench.line('test three 10.1.1.1,81,172.16.5.5')).status).toBe(1);
  });

  it('refuses by name what would have no effect', async () => {
    const bench = new IpsetBench();
    await outOf(bench, 'create links hash:net,iface');
    expect((await bench.line('add links 10.0.0.0/8,eth+ wildcard')).stderr).toBe(
      'ipset v7.17: cannot add "eth+": wildcard has no effect; name each link\n',
    );
    expect((await bench.line('create nets hash:net,net netmask 24')).stderr).toBe(
      'ipset v7.17: cannot create a set of type hash:net,net with "netmask": it has no effect; leave it out\n',
    );
  });

  it('keeps what rules hold until they release it', async () => {
    const bench = new IpsetBench();
    await outOf(bench, 'create held hash:ip');
    const number = bench.control.number(1, 'held', Family.IPV4);
    bench.control.hold(number);
    bench.control.hold(number);
    expect(await outOf(bench, 'list -t held')).toContain('References: 2');
    bench.control.release(number);
    expect((await bench.line('destroy held')).stderr).toContain('in use by a kernel component');
    expect((await bench.line('rename held other')).stderr).toContain('in use by another system');
    bench.control.release(number);
    await outOf(bench, 'destroy held');
    expect(() => bench.control.number(1, 'held', Family.IPV4)).toThrow("Set held doesn't exist.");
  });

  it('has sets of its own in each namespace, which go with it after its rules', async () => {
    const bench = new IpsetBench();
    for (const namespace of [1, 2]) await bench.line('create same hash:ip', undefined, namespace);
    await bench.line('add same 10.0.0.1', undefined, 2);
    expect(bench.control.number(1, 'same', Family.IPV4)).not.toBe(bench.control.number(2, 'same', Family.IPV4));
    expect((await bench.line('test same 10.0.0.1')).status).toBe(1);
    let areRulesGone = () => {};
    const gone = bench.control.forgetNamespace(2, new Promise<void>((resolve) => (areRulesGone = resolve)));
    const listed = bench.line('list -n', undefined, 2);
    areRulesGone();
    await gone;
    expect((await listed).stdout).toBe('');
    expect((await bench.line('list -n')).stdout).toBe('same\n');
  });

  it('lets a set go that was in a list until its time there came', async () => {
    const bench = new IpsetBench();
    await outOf(bench, 'restore', 'create one hash:ip\ncreate list list:set timeout 5\nadd list one\n');
    expect((await bench.line('destroy one')).status).toBe(1);
    bench.now += 6000;
    expect(await outOf(bench, 'list -t one')).toContain('References: 0');
    await outOf(bench, 'destroy one');
  });

  it('forgets comments of members that are gone', async () => {
    const bench = new IpsetBench();
    await outOf(bench, 'create one hash:ip comment timeout 1');
    for (let round = 0; round < 4; round++) {
      const lines = Array.from(
        { length: 900 },
        (_, i) => `add one 10.${round}.${i >> 8}.${i & 255} comment c${round}-${i}\n`,
      );
      await outOf(bench, 'restore', lines.join(''));
      bench.now += 2000;
    }
    await outOf(bench, 'add one 1.2.3.4 comment last');
    const saved = await outOf(bench, 'save one');
    expect(saved).toContain('add one 1.2.3.4 timeout 1 comment "last"');
    expect(saved.split('\n').length).toBe(3);
  });

  it('gives numbers to the names of links that members name', async () => {
    const bench = new IpsetBench();
    await outOf(bench, 'create links hash:net,iface');
    await outOf(bench, 'add links 10.0.0.0/8,eth1');
    expect([bench.sets.linkNames[2], bench.sets.linkNames[3]]).toEqual([0, 1]);
    const calls: unknown[] = [];
    bench.control.linkNamed({ number: 7, name: 'eth1' }, calls as never);
    bench.control.linkNamed({ number: 3, name: 'other' }, calls as never);
    bench.control.linkRemoved({ number: 7 }, calls as never);
    expect(calls).toEqual([
      ['setSetLink', 7, 1],
      ['setSetLink', 3, 0],
      ['setSetLink', 7, 0],
    ]);
  });

  it('says in which line of a text a member cannot be, when many go together', async () => {
    const bench = new IpsetBench();
    const lines = Array.from({ length: 3000 }, (_, i) => `add many 10.0.${i >> 8}.${i & 255}\n`);
    lines[2500] = lines[17];
    const { stderr, status } = await bench.line('restore', `create many hash:ip\n${lines.join('')}`);
    expect([stderr, status]).toEqual([
      "ipset v7.17: Error in line 2502: Element cannot be added to the set: it's already added\n",
      1,
    ]);
    expect((await outOf(bench, 'list -t many')).match(/entries: (\d+)/)?.[1]).toBe('2500');
  });

  it('writes names of hosts with -resolve', async () => {
    const bench = new IpsetBench();
    const name = await lookupService('127.0.0.1', 0).then(
      ({ hostname }) => hostname,
      () => '127.0.0.1',
    );
    await outOf(bench, 'create hosts hash:ip');
    await outOf(bench, 'add hosts 127.0.0.1');
    expect(await outOf(bench, '-r save hosts')).toContain(`add hosts ${name}\n`);
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

/* `sluice explain`: what its words ask for, and how steps are laid out. What they say: test/control/explain.test.ts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseExplain, stepText } from '../../src/cli/explain.js';
import type { ExplainStep } from '../../src/control/api/explain.js';
import { FakeDaemon } from './fake-daemon.js';
import { sluice, words } from './run.js';

const STEPS: ExplainStep[] = [
  { step: 'packet', depth: 0, text: 'ARP, Request who-has 10.0.0.1' },
  { step: 'hook', depth: 0, hook: 'PREROUTING', in: 'e0', text: 'in e0' },
  { step: 'rule', depth: 2, number: 12, rule: '-A x -j ACCEPT', text: '-A x -j ACCEPT' },
  { step: 'answer', depth: 1, answer: 2, text: 'IP 10.0.0.1 > 10.0.0.9: ICMP' },
  { step: 'end', depth: 3, answer: 2, result: 'left', text: 'leaves by e0' },
  { step: 'end', depth: 0, result: 'dropped', text: 'it is dropped' },
];

describe('words', () => {
  it.each([
    ['-i e0 0200 00aa', { dev: 'e0', frame: '020000aa' }],
    ['--from 10.0.0.1 --to 10.0.0.2', { from: '10.0.0.1', to: '10.0.0.2' }],
    ['--to=10.0.0.2 --proto=udp --sport 0x10 --dport=53', { to: '10.0.0.2', proto: 17, sport: 16, dport: 53 }],
    ['-i e0 --to 10.0.0.2 --proto 132', { dev: 'e0', to: '10.0.0.2', proto: 132 }],
  ])('%s', (line, request) => {
    expect(parseExplain(words(line))).toEqual({
      request: { op: 'explain', ...request },
      isJson: false,
      isPretty: false,
    });
  });

  it.each([
    ['', 'it names no packet'],
    ['-j', 'it names no packet'],
    ['--from 10.0.0.1', 'the packet goes nowhere without --to'],
    ['0200', 'a frame comes in by a link, which -i names'],
    ['-i e0 0200 --dport 1', 'a frame has addresses and ports of its own'],
    ['--to', 'it needs a value'],
    ['--to=', 'it needs a value'],
    ['--to 1.1.1.1 --dport 65536', '"65536" is no port from 0 to 65535'],
    ['--to 1.1.1.1 --proto none', '"none" is no IP protocol'],
    ['--to 1.1.1.1 -x', 'there is no such option'],
    ['--to 1.1.1.1 --dport 80 -p tcp', 'it is no frame; a protocol is --proto'],
  ])('refuses %s', async (line, cause) => {
    const { status, out, err } = await sluice(words(`explain ${line}`));
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(/^cannot explain.*: .+; see "sluice explain --help"\n$/);
    expect(err).toContain(`: ${cause};`);
  });
});

describe('output', () => {
  let daemon: FakeDaemon;

  beforeAll(async () => {
    daemon = await FakeDaemon.start(() => STEPS);
  });

  afterAll(() => daemon.stop());

  it('is a line a step, what is within further to the right', async () => {
    const { status, out, err } = await sluice(words('explain --to 10.0.0.1'), daemon.socket);
    expect([status, err]).toEqual([0, '']);
    expect(out.split('\n')).toEqual([
      'packet       ARP, Request who-has 10.0.0.1',
      'PREROUTING   in e0',
      '    rule 12      -A x -j ACCEPT',
      '  answer 2     IP 10.0.0.1 > 10.0.0.9: ICMP',
      '      end          leaves by e0',
      'result       it is dropped',
      '',
    ]);
    expect(daemon.requests.at(-1)).toEqual({ op: 'explain', to: '10.0.0.1' });
  });

  it('is an array in JSON', async () => {
    const { out } = await sluice(words('explain -j --to 10.0.0.1'), daemon.socket);
    expect(out.split('\n')).toHaveLength(2);
    expect(JSON.parse(out)).toEqual(STEPS);
    const pretty = await sluice(words('explain -j -p --to 10.0.0.1'), daemon.socket);
    expect(JSON.parse(pretty.out)).toEqual(STEPS);
    expect(pretty.out.split('\n').length).toBeGreaterThan(20);
  });

  it('has no spaces at the ends of lines', () => {
    expect(stepText({ step: 'hook', depth: 0, hook: 'OUTPUT', text: '' })).toBe('OUTPUT');
  });
});

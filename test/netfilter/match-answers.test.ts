/*
 * What the kernel answered (match-answers.py) is what our matches answer: the same rules, the same frames.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Stand } from './stand.js';

interface Answers {
  rules: string[];
  frames: Array<{ bytes: Uint8Array; held: number[] }>;
}

function read(family: string): Answers {
  const text = readFileSync(new URL('match-answers.txt', import.meta.url), 'utf8');
  const answers: Answers = { rules: [], frames: [] };
  for (const line of text.split('\n')) {
    const [kind, of, ...rest] = line.split(' ');
    if (of !== family) continue;
    if (kind === 'rule') answers.rules.push(rest.join(' '));
    else {
      const [hex, ...held] = rest.join(' ').split(/: ?| /);
      answers.frames.push({ bytes: Buffer.from(hex, 'hex'), held: held.filter((word) => word !== '').map(Number) });
    }
  }
  return answers;
}

async function compare(family: string, tool: string): Promise<string[]> {
  const { rules, frames } = read(family);
  const stand = new Stand();
  stand.seconds = 1_700_000_000;
  const wrong: string[] = [];
  const numbers = new Map<number, number>();
  for (const [i, rule] of rules.entries()) {
    const problem = await stand.add(`-t mangle -A PREROUTING ${rule}`, tool);
    if (problem === '') numbers.set(i, numbers.size + 1);
    else wrong.push(`${rule}: ${problem}`);
  }
  for (const [i, { bytes, held }] of frames.entries()) {
    const before = [...numbers.values()].map((number) => stand.counted(number));
    stand.pass(bytes);
    for (const [rule, number] of numbers) {
      const isHeld = stand.counted(number) !== before[number - 1];
      if (isHeld !== held.includes(rule)) wrong.push(`frame ${i}: ${rules[rule]}: ${isHeld ? 'held' : 'not held'}`);
    }
  }
  return wrong;
}

describe('matches', () => {
  it("hold the IPv4 packets that the kernel's hold", async () => {
    expect((await compare('4', 'iptables')).join('\n')).toBe('');
  });

  it("count packets as the kernel's do", async () => {
    expect((await compare('counted', 'iptables')).join('\n')).toBe('');
  });

  it("hold the IPv6 packets that the kernel's hold", async () => {
    expect((await compare('6', 'ip6tables')).join('\n')).toBe('');
  });
});

/*
 * The packets that nat-answers.py has sent through a Linux kernel: what comes out, byte for byte, and the flows that there are then,
 * must be the kernel's. Only a case whose outcome does not depend on chance is there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NatWalk } from './nat-walk.js';

interface Case {
  name: string;
  rules: string[];
  lines: string[];
}

function readAnswers(): Case[] {
  const [, ...lines] = readFileSync(join(import.meta.dirname, 'nat-answers.txt'), 'utf8').split('\n');
  const cases: Case[] = [];
  for (const line of lines) {
    if (line.startsWith('  : ')) cases[cases.length - 1].rules.push(line.slice(4));
    else if (line.startsWith('  ')) cases[cases.length - 1].lines.push(line.trim());
    else if (line !== '') cases.push({ name: line, rules: [], lines: [] });
  }
  return cases;
}

const SIDES: Record<string, string> = { e0: 'A', e1: 'B' };

describe('NAT as the kernel does it', () => {
  it.each(readAnswers().map((one): [string, Case] => [one.name, one]))('%s', (_name, { rules, lines }) => {
    const walk = new NatWalk();
    for (const rule of rules) walk.rule(rule);
    const got: string[] = [];
    for (const line of lines.filter((one) => one.startsWith('>') || one.startsWith('<'))) {
      got.push(line);
      const out = walk.send(line.startsWith('>') ? 'e0' : 'e1', Uint8Array.from(Buffer.from(line.slice(2), 'hex')));
      if (out !== undefined) got.push(`${SIDES[out.link]} ${Buffer.from(out.bytes).toString('hex')}`);
    }
    got.push(...walk.flows().map((flow) => `= ${flow}`));
    expect(got).toEqual(lines);
  });
});

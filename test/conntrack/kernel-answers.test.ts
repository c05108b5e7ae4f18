/*
 * The packets that kernel-answers.py has sent through a Linux kernel: of each, what it is to its flow and all flows after it must be the kernel's.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CtSetting } from '../../src/conntrack/settings.js';
import { CT_SYSCTLS, writeSetting } from '../../src/conntrack/timeouts.js';
import { flowText } from './flow-text.js';
import { Tracked } from './tracked.js';

interface Case {
  name: string;
  lines: string[];
}

const [, second, ...rest] = readFileSync(join(import.meta.dirname, 'kernel-answers.txt'), 'utf8').split('\n');

function readCases(): Case[] {
  const cases: Case[] = [];
  for (const line of rest) {
    if (line.startsWith('  ')) cases[cases.length - 1].lines.push(line.trim());
    else if (line !== '') cases.push({ name: line, lines: [] });
  }
  return cases;
}

function router(name: string): Tracked {
  const made = new Tracked();
  const { settings } = made.conntrack;
  for (const word of second.split(' ').slice(1)) {
    const [key, value] = word.split('=');
    const sysctl = CT_SYSCTLS.find((each) => each.name === key);
    if (sysctl !== undefined) writeSetting(settings, 0, sysctl, Number(value));
  }
  settings[CtSetting.ACCT] = 1;
  // The kernel gets UDP-Lite's checksum wrong, so it was told not to look.
  if (name.startsWith('udplite')) settings[CtSetting.CHECKSUM] = 0;
  return made;
}

/** What the kernel was asked, and what it said; and the same of us. */
function replay({ name, lines }: Case): { kernel: string[]; ours: string[] } {
  const made = router(name);
  const kernel: string[] = [];
  const ours: string[] = [];
  for (const line of lines) {
    if (line.startsWith('~')) made.now = (made.now + Number(line.slice(2)) * 1000) | 0;
    const asked = /^([<>]) (\w+) = (\w+) (.*)$/.exec(line);
    if (asked === null) continue;
    const [, side, hex, what, flows] = asked;
    const sent = made.send(Uint8Array.from(Buffer.from(hex, 'hex')));
    // A packet that did not arrive may have been dropped by others than conntrack.
    kernel.push(`${side} ${what} ${flows}`);
    const seen = what === 'DROPPED' ? what : sent.what;
    ours.push(`${side} ${seen} ${made.flows().map(flowText).sort().join(' | ') || '-'}`);
  }
  return { kernel, ours };
}

describe('what a kernel says of', () => {
  it.each(readCases())('$name', (each) => {
    const { kernel, ours } = replay(each);
    expect(kernel.length).toBeGreaterThan(0);
    expect(ours).toEqual(kernel);
  });
});

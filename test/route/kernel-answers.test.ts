/*
 * The same packets that kernel-answers.py has asked a Linux kernel about: every answer must be the kernel's, byte for byte.
 * Only what a kernel chooses at random is masked: the IPv4 identification of its own packets, IPv6 flow labels, and the
 * identification of IPv6 fragments.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Net4, Net6 } from '../../src/route/conf.js';
import { seal4 } from '../support/packets.js';
import type { Router } from '../support/router.js';
import { talkative } from './stack.js';

interface Case {
  name: string;
  sent: string[];
  A: string[];
  B: string[];
}

/** What kernel-answers.py has written: the kernel's name, and cases under their section's. */
function readAnswers(): { kernel: string; sections: Map<string, Case[]> } {
  const [kernel, ...lines] = readFileSync(join(import.meta.dirname, 'kernel-answers.txt'), 'utf8').split('\n');
  const sections = new Map<string, Case[]>();
  let cases: Case[] = [];
  for (const line of lines) {
    const frame = /^ {2}([>AB]) ([0-9a-f]+)$/.exec(line);
    const section = /^\[(.+)\]$/.exec(line)?.[1];
    if (section !== undefined) {
      cases = [];
      sections.set(section, cases);
    } else if (frame !== null) {
      const [, mark, hex] = frame;
      cases[cases.length - 1][mark === '>' ? 'sent' : (mark as 'A' | 'B')].push(hex);
    } else if (line !== '') cases.push({ name: line, sent: [], A: [], B: [] });
  }
  return { kernel, sections };
}

const { kernel, sections } = readAnswers();

function casesOf(section: string): Array<[string, Case]> {
  return (sections.get(section) ?? []).map((one) => [one.name, one]);
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** Without what is chosen at random. */
function masked(frame: Uint8Array): string {
  const bytes = frame.slice();
  const isIpv6 = bytes[12] === 0x86;
  if (isIpv6) {
    bytes.fill(0, 16, 18);
    bytes[15] &= 0xf0;
    if (bytes[20] === 44) bytes.fill(0, 58, 62);
  } else if (bytes[23] === 1) {
    bytes.fill(0, 18, 20);
    seal4(bytes);
  }
  return Buffer.from(bytes).toString('hex');
}

function play(made: Router, { sent, A, B }: Case, waitMs = 0): void {
  for (const frame of sent) made.send('e0', bytesOf(frame));
  made.wait(waitMs);
  made.run('e0', 'e1');
  expect(made.take('e0').map(masked)).toEqual(A.map(bytesOf).map(masked));
  expect(made.take('e1').map(masked)).toEqual(B.map(bytesOf).map(masked));
}

describe.each(['ipv4', 'ipv6'])(`what ${kernel} answers: %s`, (family) => {
  it.each(casesOf(family))('%s', (_, one) => {
    const made = talkative();
    play(made, one);
    // Fragments that still wait are given up.
    made.wait(61_000);
    made.expectConserved();
  });
});

describe(`what ${kernel} answers when fragments stay alone`, () => {
  it.each(casesOf('expiry'))('%s', (_, one) => {
    const made = talkative();
    const { conf } = made.dataplane.inet;
    conf.set('net4', 0, Net4.IPFRAG_TIME_MS, 1000);
    conf.set('net6', 0, Net6.IPFRAG_TIME_MS, 1000);
    play(made, one, 2500);
    expect(made.drops('e0')).toEqual({ reassembly_timeout: 1 });
    made.expectConserved();
  });
});

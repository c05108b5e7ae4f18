/* What the kernel made of packets (target-answers.py) is what our targets make of them. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Hook, TableId } from '../../src/netfilter/rule.js';
import * as ipv4 from '../../src/wire/ipv4.js';
import { Stand } from './stand.js';

interface Case {
  rule: string;
  tool: string;
  sent: Buffer;
  answer: string;
}

function read(kind: string): Case[] {
  const text = readFileSync(new URL('target-answers.txt', import.meta.url), 'utf8');
  const cases: Case[] = [];
  for (const line of text.split('\n')) {
    const found = /^(\S+) (\d) (.*): ([0-9a-f]+) > (\S+)$/.exec(line);
    if (found === null || found[1] !== kind) continue;
    const [, , family, rule, sent, answer] = found;
    cases.push({ rule, tool: family === '4' ? 'iptables' : 'ip6tables', sent: Buffer.from(sent, 'hex'), answer });
  }
  return cases;
}

/** Bytes of the IP packet in a frame. */
function lengthOf(frame: Buffer): number {
  return frame[12] === 0x08 ? frame.readUInt16BE(16) : 40 + frame.readUInt16BE(18);
}

/** The packet as a router has it when it leaves: one hop further, without what filled the frame up. */
function forwarded(frame: Buffer): Buffer {
  const out = Buffer.from(frame.subarray(0, 14 + lengthOf(frame)));
  if (out[12] === 0x08) ipv4.decreaseTtl(out, 14);
  else out[21]--;
  return out;
}

/** Whether an answer is TCP over IPv4 or IPv6: where its header starts, else 0. */
function tcpAt(frame: Buffer): number {
  if (frame[12] === 0x08) return frame[23] === 6 ? 34 : 0;
  return frame[20] === 6 ? 54 : 0;
}

/**
 * An answer without what is ours to choose: identification, ICMPv6's flow label, and what follows from them; and without TCP's checksum, which
 * the kernel leaves to a veth's other end.
 */
function comparable(frame: Buffer): string {
  const out = Buffer.from(frame);
  if (out[12] === 0x08) {
    out.fill(0, 18, 20);
    out.fill(0, 24, 26);
  } else if (tcpAt(out) === 0) {
    out[15] &= 0xf0;
    out.fill(0, 16, 18);
  }
  if (tcpAt(out) !== 0) out.fill(0, tcpAt(out) + 16, tcpAt(out) + 18);
  return out.toString('hex');
}

describe('targets', () => {
  it.each(read('change'))('change headers as the kernel does: $tool $rule', async ({ rule, tool, sent, answer }) => {
    const stand = new Stand();
    expect(await stand.add(`-t mangle -A POSTROUTING -o e1 ${rule}`, tool)).toBe('');
    const frame = stand.frame(forwarded(sent));
    stand.at(frame, { hook: Hook.POSTROUTING, out: 'e1' });
    stand.walk(TableId.MANGLE);
    const changed = Buffer.from(stand.router.dataplane.arena.contents(frame));
    expect(changed.subarray(14).toString('hex')).toBe(answer.slice(28));
  });

  it.each(read('reject'))('answer as the kernel does: $tool $rule', async ({ rule, tool, sent, answer }) => {
    const stand = new Stand();
    expect(await stand.add(`-t filter -A INPUT -i e0 ${rule}`, tool)).toBe('');
    const frame = stand.frame(sent.subarray(0, 14 + lengthOf(sent)));
    stand.at(frame, { hook: Hook.INPUT });
    stand.walk(TableId.FILTER);
    stand.router.dataplane.egress.flush(stand.router.now);
    const [reply] = stand.router.take('e0').map((bytes) => Buffer.from(bytes));
    if (answer === '-') expect(reply).toBeUndefined();
    else expect(comparable(reply)).toBe(comparable(Buffer.from(answer, 'hex')));
    expect(stand.router.drops()).toEqual({ rejected: 1 });
  });
});

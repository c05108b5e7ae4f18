/*
 * The segments that tcp-answers.py has sent through a Linux kernel: of each, what it is to its flow, and the flow's state, timeout
 * and status after it, must be the kernel's.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Flow, Status } from '../../src/conntrack/flows.js';
import { Sequences } from '../../src/conntrack/sequences.js';
import { CtSetting } from '../../src/conntrack/settings.js';
import { TcpTracker } from '../../src/conntrack/tcp.js';
import { TcpState } from '../../src/conntrack/tcp-states.js';
import { CtEvent, CtVerdict, type Tracking } from '../../src/conntrack/tracker.js';
import { TCP_STATES } from '../../src/control/api/conntrack.js';
import { Arena } from '../../src/core/arena.js';
import { Packet } from '../../src/core/packet.js';
import { write16, write32 } from '../../src/wire/field.js';
import { Tcp } from '../../src/wire/tcp.js';

interface Case {
  name: string;
  lines: string[];
}

const FLAGS = 'FSRPAUEC';
const IP_BYTES = 20;
const FLOW = 7;
/** A second of a kernel's answers takes less than this here. */
const STEP = 10;

/** Sections, each with its cases; and the timeouts, ms. */
function readAnswers(): { sections: Map<string, Case[]>; timeouts: Map<string, number> } {
  const [, second, ...lines] = readFileSync(join(import.meta.dirname, 'tcp-answers.txt'), 'utf8').split('\n');
  const timeouts = new Map<string, number>();
  for (const word of second.split(' ').slice(1)) timeouts.set(word.split('=')[0], Number(word.split('=')[1]) * 1000);
  const sections = new Map<string, Case[]>();
  let cases: Case[] = [];
  for (const line of lines) {
    const section = /^\[(.+)\]$/.exec(line)?.[1];
    if (section !== undefined) {
      cases = [];
      sections.set(section, cases);
    } else if (line.startsWith('  ')) cases[cases.length - 1].lines.push(line.trim());
    else if (line !== '') cases.push({ name: line, lines: [] });
  }
  return { sections, timeouts };
}

const { sections, timeouts } = readAnswers();
const NAMES = ['', 'syn_sent', 'syn_recv', 'established', 'fin_wait', 'close_wait', 'last_ack', 'time_wait', 'close'];

/** Conntrack of one flow. */
class Router implements Tracking {
  readonly settings = new Int32Array(CtSetting.COUNT);
  readonly words = new Int32Array(64);
  readonly events: number[] = [];
  readonly arena = new Arena({ heads: 128, tails: 1, ports: 1 });
  private readonly frame = this.arena.allocate(1500);
  private readonly packet = new Packet();
  private readonly tracker = new TcpTracker(this, this.arena, new Sequences());
  private isThere = false;
  private initiator = 0;

  constructor(setting: string) {
    const { settings } = this;
    NAMES.forEach((name, state) => {
      settings[CtSetting.TCP + state] = timeouts.get(name) ?? 0;
    });
    // No sysctl sets it.
    settings[CtSetting.TCP + TcpState.SYN_SENT2] = 120_000;
    settings[CtSetting.TCP_RETRANS] = timeouts.get('max_retrans') ?? 0;
    settings[CtSetting.TCP_UNACKNOWLEDGED] = timeouts.get('unacknowledged') ?? 0;
    settings[CtSetting.TCP_MAX_RETRANS] = 3;
    settings[CtSetting.TCP_LOOSE] = setting === 'loose=0' ? 0 : 1;
    settings[CtSetting.TCP_BE_LIBERAL] = setting === 'be_liberal' ? 1 : 0;
    settings[CtSetting.TCP_IGNORE_INVALID_RST] = setting === 'ignore_invalid_rst' ? 1 : 0;
    this.packet.now = 0x7fffffff - 5000;
  }

  kill(): void {
    this.isThere = false;
  }

  reach(packet: Packet): number {
    return packet.network + packet.length;
  }

  event(_flow: number, events: number): void {
    this.events.push(events);
  }

  isChecksumRight(): boolean {
    return true;
  }

  /** One line of a case up to its `=`; answers what comes after. */
  send(line: string): string {
    const [arrow, flags, sequence, ack, window, length, options] = line.split(' ');
    this.write(flags, Number(sequence), Number(ack), Number(window), Number(length), options === '-' ? '' : options);
    this.packet.now = (this.packet.now + STEP) | 0;
    return `${this.what(arrow === '>' ? 0 : 1)} ${this.entry()}`;
  }

  private write(flags: string, sequence: number, ack: number, window: number, length: number, options: string): void {
    const { bytes } = this.arena;
    const { packet, frame } = this;
    packet.frame = frame;
    packet.network = this.arena.offset[frame] + 14;
    packet.transport = packet.network + IP_BYTES;
    const header = Tcp.BYTES + options.length / 2;
    packet.length = IP_BYTES + header + length;
    const at = packet.transport;
    write32(bytes, at + Tcp.SEQUENCE, sequence);
    write32(bytes, at + Tcp.ACKNOWLEDGMENT, ack);
    bytes[at + Tcp.DATA_OFFSET] = header << 2;
    bytes[at + Tcp.FLAGS] = [...flags].reduce((bits, flag) => bits | (1 << FLAGS.indexOf(flag)), 0);
    if (flags === '.') bytes[at + Tcp.FLAGS] = 0;
    write16(bytes, at + Tcp.WINDOW, window);
    bytes.set(Buffer.from(options, 'hex'), at + Tcp.BYTES);
  }

  private what(from: number): string {
    if (!this.isThere) {
      this.words.fill(0);
      this.isThere = true;
      this.initiator = from;
    }
    const direction = from ^ this.initiator;
    const wasNew = (this.words[Flow.STATUS] & Status.CONFIRMED) === 0;
    const verdict = this.tracker.track(FLOW, this.words, 0, direction, this.packet);
    if (verdict === CtVerdict.REPEAT) return this.what(from);
    if (verdict === CtVerdict.INVALID) {
      if (wasNew) this.isThere = false;
      return 'INVALID';
    }
    this.words[Flow.STATUS] |= Status.CONFIRMED | (direction === 1 ? Status.SEEN_REPLY : 0);
    return (this.words[Flow.STATUS] & Status.SEEN_REPLY) !== 0 ? 'ESTABLISHED' : 'NEW';
  }

  private entry(): string {
    if (!this.isThere || this.initiator !== 0) return '-';
    const { words } = this;
    const status = words[Flow.STATUS];
    const left = (words[Flow.EXPIRES] - this.packet.now) | 0;
    const word =
      (status & Status.ASSURED) !== 0 ? 'ASSURED' : (status & Status.SEEN_REPLY) !== 0 ? 'REPLIED' : 'UNREPLIED';
    return `${TCP_STATES[words[0] & Flow.STATE_MASK]} ${Math.ceil(left / 1000)} ${word}`;
  }
}

describe.each([...sections])('TCP as the kernel tracks it, %s', (setting, cases) => {
  it.each(cases.map((one): [string, Case] => [one.name, one]))('%s', (_name, { lines }) => {
    const router = new Router(setting);
    const got = lines.map((line) => {
      const sent = line.split(' = ')[0];
      return `${sent} = ${router.send(sent)}`;
    });
    expect(got).toEqual(lines);
  });
});

describe('TcpTracker', () => {
  it('tells of states and of ASSURED as they change', () => {
    const router = new Router('');
    for (const line of ['> S 1000 0 64240 0 -', '< SA 5000 1001 64240 0 -', '> A 1001 5001 502 0 -']) router.send(line);
    expect(router.events).toEqual([CtEvent.PROTOINFO, CtEvent.PROTOINFO, CtEvent.PROTOINFO, CtEvent.ASSURED]);
  });

  it('has read all that the kernel was asked', () => {
    expect([...sections.keys()]).toEqual(['as it is', 'be_liberal', 'loose=0', 'ignore_invalid_rst']);
  });
});

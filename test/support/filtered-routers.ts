/*
 * Two routers with the same rules (two-routers.ts): flows through both, with the hosts' answers to what comes out of each, then counters of rules and
 * what conntrack knows compared.
 *
 *   frames ──► both ──► frames out, compared ──► answer() of each ──► both ──► …   until nobody has anything to say
 *   iptables-save -c of both, compared
 *   conntrack -L of both, compared; seconds left loosely
 */

import { isRight } from '../../src/wire/checksum.js';
import { describe as describeFrame } from '../../src/wire/describe.js';
import { must } from './program.js';
import { answer } from './responders.js';
import { type Hide, type Output, type Sent, TwoRouters } from './two-routers.js';

/** Nobody talks longer. */
const MOST_ROUNDS = 12;
/** Frames of one round: so many answers fit into the receivers' buffers. */
const MOST_AT_ONCE = 40;
/** What may lie between looking at the one and at the other, s. */
const SECONDS = 10;

export const TABLES = ['raw', 'mangle', 'nat', 'filter'] as const;
const CHAINS: Record<string, string[]> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
};

const EMPTY = TABLES.map(
  (table) => `*${table}\n${CHAINS[table].map((chain) => `:${chain} ACCEPT [0:0]\n`).join('')}COMMIT\n`,
).join('');

/** A text for iptables-restore: what of a table is not said is as at first. */
export function rulesOf(tables: Partial<Record<(typeof TABLES)[number], string>>): string {
  return TABLES.filter((table) => tables[table] !== undefined)
    .map((table) => {
      const lines = (tables[table] ?? '').split('\n').map((line) => line.trim());
      const said = lines.filter((line) => line !== '' && !line.startsWith('#'));
      const named = new Set(said.filter((line) => line.startsWith(':')).map((line) => line.slice(1).split(' ')[0]));
      const chains = CHAINS[table].filter((chain) => !named.has(chain)).map((chain) => `:${chain} ACCEPT [0:0]`);
      return [`*${table}`, ...chains, ...said, 'COMMIT', ''].join('\n');
    })
    .join('');
}

export interface Case {
  title: string;
  rules?: string;
  rules6?: string;
  /** Words of `ip`. */
  lines?: string[];
  undo?: string[];
  sysctls?: string[];
  reset?: string[];
  /** Frames at a time; before the next ones everyone has said what they have to say. */
  steps: Sent[][];
  /** What of frames that come out is left to chance. */
  hide?: Hide;
  /** The same of a line of conntrack -L. */
  hideFlow?: (line: string) => string;
  /** The same of a line of iptables-save -c. */
  hideRule?: (line: string) => string;
}

interface FlowLine {
  text: string;
  seconds: number;
}

/** Lines of conntrack -L without the seconds left, which stand before the state or the first tuple, and without the use count. */
function flowLines(text: string, hide: (line: string) => string): FlowLine[] {
  return text
    .split('\n')
    .filter((line) => /src=/.test(line))
    .map((line) => {
      const seconds = Number(/^\S+\s+\d+\s+(\d+)/.exec(line)?.[1] ?? -1);
      return { seconds, text: hide(line.replace(/^(\S+\s+\d+)\s+\d+/, '$1').replace(/ use=\d+/, '')).trim() };
    })
    .sort((a, b) => (a.text === b.text ? a.seconds - b.seconds : a.text < b.text ? -1 : 1));
}

function differences(what: string, theirs: readonly string[], ours: readonly string[]): string[] {
  const rest = [...ours];
  const missing = theirs.filter((line) => {
    const at = rest.indexOf(line);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  return [...missing.map((line) => `${what}: kernel ${line}`), ...rest.map((line) => `${what}: sluice ${line}`)];
}

/** Identifications of what tests send. */
const KNOWN_IDS = new Set([0x1234, 7]);

/**
 * NAT makes what a router says itself look as if others said it: of all ICMP packets whose identification is not one of the hosts' it is left out, and
 * of IPv6 packets, which the hosts send without one, the flow label.
 */
function hideOwn(bytes: Uint8Array): void {
  const type = (bytes[12] << 8) | bytes[13];
  if (type === 0x86dd) bytes.fill(0, 16, 18);
  if (type === 0x86dd) bytes[15] &= 0xf0;
  if (type !== 0x0800 || bytes[23] !== 1 || KNOWN_IDS.has((bytes[18] << 8) | bytes[19])) return;
  const checksumIsRight = isRight(bytes, 14, (bytes[14] & 15) << 2, 0);
  bytes.fill(0, 18, 20);
  bytes.fill(checksumIsRight ? 0 : 0xee, 24, 26);
}

function told(line: string): string {
  const [port, hex] = line.split(' ');
  const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
  return `${port} ${describeFrame(bytes, 0, bytes.length)} ${hex}`;
}

export class FilteredRouters {
  constructor(readonly routers: TwoRouters) {}

  /** Rules, flows and configuration of a case, its frames, and all that is not alike. */
  async differencesIn(one: Case): Promise<string[]> {
    const { routers } = this;
    await this.clear();
    await routers.configure(one.lines ?? []);
    await routers.sysctl(one.sysctls ?? []);
    try {
      await routers.rest();
      await this.load('iptables', one.rules);
      await this.load('ip6tables', one.rules6);
      const found: string[] = [];
      for (const [n, step] of one.steps.entries()) {
        for (let from = 0; from < step.length; from += MOST_AT_ONCE)
          found.push(
            ...(await this.converse(step.slice(from, from + MOST_AT_ONCE), one.hide)).map(
              (text) => `step ${n} ${text}`,
            ),
          );
      }
      if (one.rules !== undefined) found.push(...(await this.flowDifferences('ipv4', one.hideFlow)));
      if (one.rules6 !== undefined) found.push(...(await this.flowDifferences('ipv6', one.hideFlow)));
      found.push(...(await this.counterDifferences('iptables', one.rules, one.hideRule)));
      found.push(...(await this.counterDifferences('ip6tables', one.rules6, one.hideRule)));
      return found;
    } finally {
      await this.clear();
      await routers.sysctl(one.reset ?? []);
      await routers.configure(one.undo ?? []);
    }
  }

  /** Neither rules nor flows. */
  async clear(): Promise<void> {
    const { routers } = this;
    await routers.runKernel('nft flush ruleset');
    for (const tool of ['iptables', 'ip6tables']) {
      const { status, err } = await routers.runSluice(`${tool}-restore`, EMPTY);
      if (status !== 0) throw new Error(`empty tables, ${tool}: ${err}`);
    }
    await routers.runKernel('conntrack -F');
    await routers.daemon.ask({ op: 'conntrack.flush' });
  }

  private async load(tool: string, text?: string): Promise<void> {
    if (text !== undefined) await this.routers.both(`${tool}-restore`, text);
  }

  /** Frames, answers, answers to those. */
  async converse(frames: readonly Sent[], hide: Hide = () => {}): Promise<string[]> {
    let [theirs, ours] = [[...frames], [...frames]];
    const found: string[] = [];
    for (let round = 0; round < MOST_ROUNDS && theirs.length + ours.length > 0; round++) {
      const output = await this.routers.exchange(theirs, ours);
      const hideAll: Hide = (frame) => {
        hideOwn(frame);
        hide(frame);
      };
      const [lines, own] = [TwoRouters.lines(output.theirs, hideAll), TwoRouters.lines(output.ours, hideAll)];
      found.push(...differences(`round ${round}`, lines, own).map((text) => text.replace(/p\d [0-9a-f]+$/, told)));
      if (process.env.SLUICE_TEST_TALK !== undefined) console.log(lines.map(told).join('\n'));
      [theirs, ours] = [this.answers(output.theirs), this.answers(output.ours)];
    }
    return found;
  }

  private answers(output: Output): Sent[] {
    return output.flatMap((list, port) => list.flatMap((frame) => answer(port, frame)));
  }

  private async flowDifferences(family: 'ipv4' | 'ipv6', hide = (line: string) => line): Promise<string[]> {
    const { kernel, daemon } = this.routers;
    const kernelText = await must(['ip', 'netns', 'exec', kernel.name, 'conntrack', '-L', '-f', family]);
    const [theirs, ours] = [
      flowLines(kernelText, hide),
      flowLines(await daemon.must(`conntrack -L -f ${family}`), hide),
    ];
    const text = (lines: FlowLine[]): string[] => lines.map((line) => line.text);
    const found = differences('conntrack', text(theirs), text(ours));
    if (found.length > 0) return found;
    return theirs
      .filter(({ seconds }, n) => Math.abs(seconds - ours[n].seconds) > SECONDS)
      .map((line) => `conntrack: kernel has ${line.seconds} s left: ${line.text}`);
  }

  private async counterDifferences(tool: string, text?: string, hide = (line: string) => line): Promise<string[]> {
    const found: string[] = [];
    for (const table of TABLES.filter((name) => text?.includes(`*${name}\n`))) {
      const { theirs, ours } = await this.routers.both(`${tool}-save -c -t ${table}`);
      const lines = (saved: string): string[] =>
        saved
          .split('\n')
          .filter((line) => !line.startsWith('#'))
          .map(hide);
      found.push(...differences(`${tool} ${table}`, lines(theirs), lines(ours)));
    }
    return found;
  }
}

/*
 * Commands at random, good ones and bad ones, from few names so that they meet; the same for the same seed.
 */
import type { Line } from './session.js';

/** mulberry32. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const USER = ['a', 'b', 'c', 'd', 'e'];
const TABLES: Record<string, string[]> = {
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  raw: ['PREROUTING', 'OUTPUT'],
};
const ADDRESSES = [
  '1.2.3.4',
  '10.0.0.0/8',
  '10.1.2.3/255.0.255.0',
  '0/0',
  '1.1.1.1,2.2.2.2',
  '7.7.7.7/33',
  '1.2.3.4/31',
];
const LINKS = ['eth0', 'eth+', '+', 'lo'];
const MATCHES = [
  ['-p', 'tcp', '--dport', '80'],
  ['-p', 'tcp', '-m', 'tcp', '--sport', '1024:65535', '--syn'],
  ['-p', 'udp', '--dport', 'domain'],
  ['-p', 'icmp', '--icmp-type', 'echo-request'],
  ['-m', 'conntrack', '--ctstate', 'NEW,ESTABLISHED'],
  ['-m', 'comment', '--comment', 'a "quoted" comment'],
  ['-m', 'limit', '--limit', '5/min'],
  ['-p', 'tcp', '-m', 'multiport', '--dports', '80,443'],
  ['-m', 'mark', '--mark', '0x10/0xf0'],
  ['--dport', '80'],
  ['-m', 'nosuch'],
];
const TARGETS = [
  ['ACCEPT'],
  ['DROP'],
  ['RETURN'],
  ['REJECT', '--reject-with', 'tcp-reset'],
  ['LOG', '--log-prefix', 'x y '],
  ['MARK', '--set-mark', '7'],
  ['MASQUERADE'],
  ['DNAT', '--to-destination', '10.0.0.1:80'],
  ['nochain'],
];

export class CommandSource {
  private readonly random: (below: number) => number;
  private readonly table: string;

  constructor(seed: number) {
    this.random = randomFrom(seed);
    this.table = this.pick(Object.keys(TABLES));
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random(list.length)];
  }

  private maybe(oneOf: number, words: () => string[]): string[] {
    return this.random(oneOf) === 0 ? words() : [];
  }

  private chain(): string {
    return this.random(12) === 0 ? 'nochain' : this.pick([...USER, ...TABLES[this.table]]);
  }

  private not(): string[] {
    return this.maybe(6, () => ['!']);
  }

  private target(): string[] {
    if (this.random(3) === 0) return [this.random(4) === 0 ? '-g' : '-j', this.pick(USER)];
    return ['-j', ...this.pick(TARGETS)];
  }

  private rule(): string[] {
    return [
      ...this.maybe(3, () => [...this.not(), '-s', this.pick(ADDRESSES)]),
      ...this.maybe(4, () => [...this.not(), '-d', this.pick(ADDRESSES)]),
      ...this.maybe(4, () => [...this.not(), '-i', this.pick(LINKS)]),
      ...this.maybe(6, () => [...this.not(), '-o', this.pick(LINKS)]),
      ...this.maybe(2, () => this.pick(MATCHES)),
      ...this.maybe(12, () => [...this.not(), '-f']),
      ...this.maybe(10, () => ['-c', '5', '6']),
      ...this.maybe(8, () => ['-v']),
      ...this.target(),
    ];
  }

  private number(): string {
    return String(this.random(5));
  }

  /** Without the tool and the table. */
  private command(): string[] {
    const chain = this.chain();
    switch (this.random(20)) {
      case 0:
        return ['-D', chain, this.number()];
      case 1:
        return ['-R', chain, this.number(), ...this.rule()];
      case 2:
      case 3:
        return ['-D', chain, ...this.rule()];
      case 4:
        return ['-C', chain, ...this.rule()];
      case 5:
      case 6:
        return ['-I', chain, ...this.maybe(2, () => [this.number()]), ...this.rule()];
      case 7:
      case 8:
      case 9:
        return ['-N', this.pick(USER)];
      case 10:
        return ['-X', ...this.maybe(2, () => [chain])];
      case 11:
        return ['-F', ...this.maybe(3, () => [chain])];
      case 12:
        return ['-P', this.pick(TABLES[this.table]), this.table === 'nat' ? 'ACCEPT' : this.pick(['ACCEPT', 'DROP'])];
      case 13:
        return ['-Z', ...this.maybe(2, () => [chain]), ...this.maybe(8, () => ['-v'])];
      case 14:
        return this.pick([['-S'], ['-nL'], ['-nvL'], ['-S', '-v'], ['-nvxL', '--line-numbers'], ['-nL', chain]]);
      case 15:
        return ['-E', this.pick(USER), this.pick(USER)];
      default:
        return ['-A', chain, ...this.rule()];
    }
  }

  next(): Line {
    if (this.random(12) === 0) return this.restore();
    const words = ['iptables', '-t', this.table, ...this.command()];
    return { text: words.join(' '), words, input: undefined };
  }

  private restore(): Line {
    const lines = Array.from({ length: 1 + this.random(6) }, () => this.restoreLine());
    const input = `*${this.table}\n${lines.map((line) => `${line}\n`).join('')}COMMIT\n`;
    const words = ['iptables-restore', ...this.maybe(2, () => ['-n']), ...this.maybe(3, () => ['-c'])];
    return { text: `${words.join(' ')} << ${input}`, words, input };
  }

  private restoreLine(): string {
    if (this.random(3) === 0) return `:${this.pick(USER)} - [0:0]`;
    if (this.random(6) === 0) return `:${this.pick(TABLES[this.table])} ACCEPT [1:2]`;
    let words = this.random(3) === 0 ? this.command() : ['-A', this.chain(), ...this.rule()];
    // A listing in the middle keeps the real one from making base chains.
    if (words[0].startsWith('-S') || words[0].startsWith('-n')) words = ['-A', this.chain(), ...this.rule()];
    return words.map((word) => (/[ "]/.test(word) ? `"${word.replace(/"/g, '\\"')}"` : word)).join(' ');
  }
}

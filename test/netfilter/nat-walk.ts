/*
 * A router with conntrack and NAT and nothing else: packets walk through the hooks in which NAT has a say. Its rules are those
 * of iptables commands, of which it knows as much as nat-answers.py uses.
 */
import { Conntrack } from '../../src/conntrack/conntrack.js';
import { FlowRow, type FlowTuple, Helper, readRow } from '../../src/conntrack/flow-row.js';
import { Template } from '../../src/conntrack/template.js';
import type { Frame } from '../../src/core/arena.js';
import type { DropReason } from '../../src/core/drop.js';
import { Key, Packet } from '../../src/core/packet.js';
import { readHeaders } from '../../src/netfilter/headers.js';
import { Helpers } from '../../src/netfilter/helpers.js';
import { Nat } from '../../src/netfilter/nat.js';
import { NatFlag, NatRange } from '../../src/netfilter/ops.js';
import { Manip } from '../../src/netfilter/parts.js';
import { Family, Hook, Verdict } from '../../src/netfilter/rule.js';
import * as ipv4 from '../../src/wire/ipv4.js';
import { Ipv6 } from '../../src/wire/ipv6.js';
import { permanent, talkative } from '../route/stack.js';
import { type Router, wordsOf } from '../support/router.js';

const PROTOCOLS: Record<string, number> = { icmp: 1, tcp: 6, udp: 17 };
const NAMES: Record<number, string> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 47: 'gre', 58: 'icmpv6', 132: 'sctp' };
const HOOKS: Record<string, Hook> = { PREROUTING: Hook.PREROUTING, POSTROUTING: Hook.POSTROUTING };

interface Rule {
  family: Family;
  hook: Hook;
  link: string;
  protocol: number;
  destination: string;
  target: string;
  range: Int32Array;
}

export class NatWalk {
  readonly router: Router = talkative();
  readonly conntrack: Conntrack;
  readonly nat: Nat;
  readonly helpers: Helpers;
  readonly packet = new Packet();
  readonly drops: DropReason[] = [];
  now = 0x7fffffff - 5000;
  private readonly rules: Rule[] = [];
  /** By destination port. */
  private readonly helped = new Map<number, Helper>();

  /** `random16`: what NAT gets for random; counts up where nobody says. */
  constructor(random16: () => number = counter(), flows = 4096) {
    this.router.address('e1', '10.0.1.2/24').address('e1', '172.16.9.1/24');
    permanent(this.router, 'e1', '172.16.9.9', '02:00:00:00:11:09');
    this.router.route('172.20.0.0/16', { via: '172.16.9.9', dev: 'e1' });
    const { inet } = this.router.dataplane;
    const { arena } = inet;
    const drop = (frame: Frame, reason: DropReason): void => {
      this.drops.push(reason);
      arena.release(frame);
    };
    this.conntrack = new Conntrack({ arena, drop }, inet.keys, { capacity: flows });
    const stack = Object.assign(Object.create(inet), { drop });
    this.nat = new Nat(stack, this.conntrack, random16);
    this.helpers = new Helpers(stack, this.conntrack, random16);
  }

  get arena() {
    return this.router.dataplane.arena;
  }

  rule(command: string): this {
    const words = command.split(' ');
    const option = (name: string): string => (words.includes(name) ? words[words.indexOf(name) + 1] : '');
    if (option('-t') === 'raw')
      this.helped.set(Number(option('--dport')), option('--helper') === 'ftp' ? Helper.FTP : Helper.TFTP);
    if (option('-t') !== 'nat') return this;
    const family = words[0] === 'ip6tables' ? Family.IPV6 : Family.IPV4;
    const target = option('-j');
    const to = option('--to-source') || option('--to-destination') || option('--to');
    const range = target === 'NETMAP' ? netOf(to) : rangeOf(to, option('--to-ports'));
    if (words.includes('--persistent')) range[NatRange.FLAGS] |= NatFlag.PERSISTENT;
    if (words.includes('--random')) range[NatRange.FLAGS] |= NatFlag.RANDOM;
    if (words.includes('--random-fully')) range[NatRange.FLAGS] |= NatFlag.RANDOM_FULLY;
    this.rules.push({
      family,
      hook: HOOKS[option('-A')],
      link: option('-i') || option('-o'),
      protocol: PROTOCOLS[option('-p')] ?? 0,
      destination: option('-d'),
      target,
      range,
    });
    return this;
  }

  /** An IP packet comes in; answers where it came out and what it is there, or undefined. */
  send(link: string, bytes: Uint8Array): { link: string; bytes: Uint8Array } | undefined {
    const { packet, arena } = this;
    const frame = this.frameOf(bytes);
    const from = this.router.link(link);
    this.at(frame, Hook.PREROUTING, from, 0);
    if (this.conntrack.in(packet, this.template()) !== Verdict.ACCEPT || !this.translate(link)) return undefined;
    const destination = this.textOf(Key.DESTINATION);
    const out = destination.startsWith('10.0.0.') || destination.startsWith('2001:db8:0:') ? 'e0' : 'e1';
    if (this.isOwn(destination)) {
      this.at(frame, Hook.INPUT, from, 0);
      if (this.translate(link) && this.confirm()) arena.release(frame);
      return undefined;
    }
    if (packet.family === Family.IPV4) ipv4.decreaseTtl(arena.bytes, packet.network);
    else arena.bytes[packet.network + Ipv6.HOP_LIMIT]--;
    this.at(frame, Hook.POSTROUTING, 0, this.router.link(out));
    if (!this.translate(out) || !this.confirm()) return undefined;
    const result = { link: out, bytes: arena.contents(frame).slice(14) };
    arena.release(frame);
    return result;
  }

  private template(): number {
    return (this.helped.get(this.packet.key[Key.DESTINATION_PORT]) ?? Helper.NONE) << Template.HELPER_SHIFT;
  }

  private confirm(): boolean {
    const { packet, helpers, conntrack } = this;
    return helpers.run(packet) === Verdict.ACCEPT && conntrack.confirm(packet) === Verdict.ACCEPT;
  }

  frameOf(bytes: Uint8Array): Frame {
    const { arena } = this;
    const frame = arena.allocate(bytes.length + 14);
    arena.flow[frame] = 0;
    arena.flowInfo[frame] = 0;
    arena.bytes.set(bytes, arena.offset[frame] + 14);
    return frame;
  }

  at(frame: Frame, hook: Hook, from: number, out: number): void {
    const { packet } = this;
    packet.frame = frame;
    packet.hook = hook;
    packet.now = this.now;
    packet.in = from;
    packet.out = out;
    packet.family = this.arena.bytes[this.arena.offset[frame] + 14] >>> 4 === 6 ? Family.IPV6 : Family.IPV4;
    readHeaders(this.arena, packet);
  }

  private isOwn(text: string): boolean {
    return ['10.0.0.1', '10.0.1.1', '10.0.1.2', '172.16.9.1', '2001:db8:0:0:0:0:0:1', '2001:db8:1:0:0:0:0:1'].includes(
      text,
    );
  }

  private textOf(key: Key): string {
    const words = this.packet.key.subarray(key, key + 4);
    return addressText([...words], this.packet.family === Family.IPV6);
  }

  private translate(link: string): boolean {
    const { packet, nat } = this;
    if (nat.asks(packet)) {
      const rule = this.rules.find((one) => this.matches(one, link));
      if (rule !== undefined && !this.apply(rule)) return false;
    }
    return nat.finish(packet) === Verdict.ACCEPT;
  }

  private matches(rule: Rule, link: string): boolean {
    const { packet } = this;
    if (rule.family !== packet.family || rule.hook !== packet.hook) return false;
    if (rule.link !== '' && rule.link !== link) return false;
    if (rule.protocol !== 0 && rule.protocol !== packet.key[Key.PROTOCOL]) return false;
    if (rule.destination === '') return true;
    const [net, length = '32'] = rule.destination.split('/');
    return (wordsOf(net)[0] ^ packet.key[Key.DESTINATION]) >>> (32 - Number(length)) === 0;
  }

  private apply({ target, range, hook }: Rule): boolean {
    const { packet, nat } = this;
    const flow = this.arena.flow[packet.frame];
    const manip = hook === Hook.PREROUTING ? Manip.DESTINATION : Manip.SOURCE;
    if (target === 'MASQUERADE') return nat.masquerade(packet, flow, range, 0) === Verdict.ACCEPT;
    if (target === 'REDIRECT') return nat.redirect(packet, flow, range, 0) === Verdict.ACCEPT;
    return nat.setup(packet, flow, range, 0, manip) === Verdict.ACCEPT;
  }

  /** The flows as nat-answers.py writes them. */
  flows(): string[] {
    const rows = new Int32Array(FlowRow.WORDS * 4096);
    const lines: string[] = [];
    for (let cursor = 0, done = false; !done; ) {
      cursor = this.conntrack.ctnetlink.page(0, cursor, 1 << 20, this.now, rows);
      for (let i = 0; i < this.conntrack.ctnetlink.pageRows; i++) lines.push(lineOf(rows, i * FlowRow.WORDS));
      done = cursor === 0;
    }
    return lines.sort();
  }
}

function counter(): () => number {
  let next = 0;
  return () => next++ & 0xffff;
}

/** `address[-address][:port[-port][/base]]`, `[address]:port` of IPv6. */
function rangeOf(text: string, ports: string): Int32Array {
  const range = new Int32Array(NatRange.WORDS);
  const isIpv6 = text.includes('::');
  const match = isIpv6
    ? /^\[?([^\]]+?)\]?(?:\]:(.*))?$/.exec(text.replace(/\]:/, ']]:'))
    : /^([^:]*)(?::(.*))?$/.exec(text);
  const [first, last = first] = (match?.[1] ?? '').split('-');
  if (first !== '') {
    range.set(wordsOf(first), NatRange.FIRST);
    range.set(wordsOf(last), NatRange.LAST);
    range[NatRange.FLAGS] |= NatFlag.ADDRESSES;
  }
  const port = match?.[2] ?? ports;
  if (port === '' || port === undefined) return range;
  const [span, base] = port.split('/');
  const [low, high = low] = span.split('-');
  range[NatRange.LOW_PORT] = Number(low);
  range[NatRange.HIGH_PORT] = Number(high);
  range[NatRange.FLAGS] |= NatFlag.PORTS;
  if (base !== undefined) {
    range[NatRange.BASE_PORT] = Number(base);
    range[NatRange.FLAGS] |= NatFlag.OFFSET;
  }
  return range;
}

function netOf(text: string): Int32Array {
  const [net, length] = text.split('/');
  const range = new Int32Array(NatRange.WORDS);
  range[NatRange.FLAGS] = NatFlag.ADDRESSES | NatFlag.NETMAP;
  wordsOf(net).forEach((word, i) => {
    const bits = Math.max(0, Math.min(32, Number(length) - 32 * i));
    range[NatRange.FIRST + i] = word;
    range[NatRange.LAST + i] = word | (bits === 32 ? 0 : -1 >>> bits);
  });
  return range;
}

function addressText(words: number[], isIpv6: boolean): string {
  if (!isIpv6) return [24, 16, 8, 0].map((shift) => (words[0] >>> shift) & 255).join('.');
  return words
    .flatMap((word) => [word >>> 16, word & 0xffff])
    .map((part) => part.toString(16))
    .join(':');
}

/** `::` for the longest run of zeros, as the kernel prints it. */
function shorten(text: string): string {
  if (!text.includes(':')) return text;
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
  if (runs.length === 0) return text;
  const { index, 0: run } = runs[0];
  const [head, tail] = [text.slice(0, index), text.slice(index + run.length)];
  return `${head}::${tail.replace(/^:/, '')}`;
}

function tupleText(tuple: FlowTuple, protocol: number, isIpv6: boolean): string {
  const addresses = [tuple.source, tuple.destination].map((words) => shorten(addressText(words, isIpv6)));
  if (protocol === 1 || protocol === 58) return [...addresses, tuple.type, tuple.code, tuple.id].join();
  if (protocol === 47) return [...addresses, '0x0', '0x0'].join();
  if (NAMES[protocol] === undefined) return addresses.join();
  return [...addresses, tuple.sourcePort, tuple.destinationPort].join();
}

function lineOf(rows: Int32Array, at: number): string {
  const info = readRow(rows, at);
  const { protocol, isIpv6 } = info;
  const tuples = [info.original, info.reply].map((tuple) => tupleText(tuple, protocol, isIpv6));
  return [NAMES[protocol] ?? 'unknown', ...tuples].join(' ');
}

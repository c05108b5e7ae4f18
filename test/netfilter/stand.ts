/*
 * Rules in iptables' words over a packet at a hook: the router of test/route/stack.ts, iptables' own reader, and the dataplane's rules,
 * matches and targets, with nothing between them.
 */

import { registry } from '../../src/control/iptables/extensions/registry.js';
import { Iptables } from '../../src/control/iptables/iptables.js';
import { type Frame, Received } from '../../src/core/arena.js';
import { DropReason } from '../../src/core/drop.js';
import { Key, Packet } from '../../src/core/packet.js';
import { readHeaders } from '../../src/netfilter/headers.js';
import { LinkPatterns } from '../../src/netfilter/link-patterns.js';
import { Matches } from '../../src/netfilter/matches.js';
import type { ConntrackParts, NatParts, NetfilterParts } from '../../src/netfilter/parts.js';
import { Family, Hook, TableId, Verdict } from '../../src/netfilter/rule.js';
import { Rules } from '../../src/netfilter/rules.js';
import { Targets } from '../../src/netfilter/targets.js';
import { Traverse } from '../../src/netfilter/traverse.js';
import { RouteType } from '../../src/route/fib.js';
import { IpSets } from '../../src/tables/ipset.js';
import { wordsOf } from '../control/iptables/real-tool.js';
import { talkative } from '../route/stack.js';
import type { Router } from '../support/router.js';

export interface At {
  hook?: Hook;
  table?: TableId;
  /** Names of links. */
  in?: string;
  out?: string;
  now?: number;
  mark?: number;
  flow?: number;
  info?: number;
}

export class Stand {
  readonly router: Router = talkative();
  readonly rules: Rules;
  readonly packet = new Packet();
  readonly patterns = new LinkPatterns();
  readonly sets = new IpSets();
  readonly matches: Matches;
  readonly targets: Targets;
  readonly traverse: Traverse;
  readonly iptables: Iptables;
  readonly parts: NetfilterParts & { conntrack: ConntrackParts | null; nat: NatParts | null };
  readonly logged: string[] = [];
  readonly nflogged: Array<{ group: number; prefix: string; bytes: Uint8Array }> = [];
  traced = 0;
  seconds = 0;
  private readonly numbers = new Map<string, number>();

  constructor() {
    const { inet } = this.router.dataplane;
    this.router.route('127.0.0.0/8', { type: RouteType.LOCAL, dev: 'lo' });
    this.router.route('2001:db8::/128', { type: RouteType.ANYCAST, dev: 'e0' });
    this.rules = new Rules(this.patterns, { capacity: 1 << 12, chains: 256, poolWords: 1 << 18, indexWords: 1 << 18 });
    this.parts = {
      inet,
      pool: this.rules.pool.words,
      packet: this.packet,
      template: { isSet: false, zoneFlags: 0, zone: 0, helper: 0, events: 0 },
      patterns: this.patterns,
      sets: this.sets,
      clock: { seconds: () => this.seconds },
      log: {
        linkName: (link) => this.router.nameOf(link),
        log: (_namespace, level, line) => this.logged.push(`<${level}>${line}`),
        nflog: (_namespace, group, prefix, _packet, bytes) => this.nflogged.push({ group, prefix, bytes }),
      },
      conntrack: null,
      nat: null,
      memento: undefined,
      trace: () => {
        this.traced++;
      },
      refresh: () => readHeaders(inet.arena, this.packet),
    };
    this.matches = new Matches(this.parts);
    this.targets = new Targets(this.parts);
    this.traverse = new Traverse(this.rules, this.packet, {
      matches: this.matches,
      targets: this.targets,
      patterns: this.patterns,
      drop: (packet) => inet.drop(packet.frame, DropReason.RULE),
    });
    this.iptables = this.makeIptables();
  }

  private makeIptables(): Iptables {
    const { rules } = this;
    return new Iptables({
      registry,
      maxRules: (1 << 12) - 1,
      maxChains: 255,
      engine: {
        hasRoom: (words) => rules.hasRoom(words),
        apply: (ops) => {
          if (!rules.apply(ops)) throw new Error('the pool is full');
        },
        setTracking: () => undefined,
      },
      counters: { packets: (rule) => this.counted(rule), bytes: () => 0, policyPackets: () => 0, policyBytes: () => 0 },
      numbers: () => ({
        links: (pattern) => this.patternOf(pattern),
        set: (name) => this.numberOf(`set ${name}`),
        text: (kind, text) => this.numberOf(`${kind} ${text}`),
      }),
    });
  }

  private numberOf(name: string): number {
    const number = this.numbers.get(name) ?? this.numbers.size + 1;
    this.numbers.set(name, number);
    return number;
  }

  private patternOf(pattern: string): number {
    const isKnown = this.numbers.has(`link ${pattern}`);
    const number = this.numberOf(`link ${pattern}`);
    if (isKnown) return number;
    const isExact = !pattern.endsWith('+');
    this.patterns.define(number, isExact);
    for (const name of ['lo', 'e0', 'e1']) {
      if (isExact ? name === pattern : name.startsWith(pattern.slice(0, -1))) {
        this.patterns.add(number, this.router.link(name));
      }
    }
    return number;
  }

  /** Number of a set that rules name. */
  setNumber(name: string): number {
    return this.numberOf(`set ${name}`);
  }

  /** Packets that a rule has counted; rules are numbered from 1 as they were loaded first. */
  counted(rule: number): number {
    return this.rules.counters[rule << 1];
  }

  async load(text: string, tool = 'iptables'): Promise<void> {
    const { status, stderr } = await this.iptables.restore(0, `${tool}-restore`, [], text);
    if (status !== 0) throw new Error(`${text}\n${stderr}`);
  }

  /** One rule, as on a command line; answers what was wrong. */
  async add(line: string, tool = 'iptables'): Promise<string> {
    const { stderr } = await this.iptables.run(0, tool, wordsOf(line));
    return stderr.trim();
  }

  /** A frame of the arena with these bytes, as it comes in by a link. */
  frame(bytes: Uint8Array, link = 'e0'): Frame {
    const { arena } = this.router.dataplane;
    const frame = this.router.dataplane.inet.create(bytes.length);
    arena.bytes.set(bytes, arena.offset[frame]);
    arena.ingress[frame] = this.router.link(link);
    const own = this.router
      .macOf(link)
      .split(':')
      .map((byte) => Number.parseInt(byte, 16));
    const isOwn = own.every((byte, i) => bytes[i] === byte);
    const isBroadcast = bytes.subarray(0, 6).every((byte) => byte === 0xff);
    const isGroup = (bytes[0] & 1) !== 0;
    arena.received[frame] = isBroadcast ? Received.BROADCAST : isGroup ? Received.MULTICAST : isOwn ? Received.HOST : 3;
    return frame;
  }

  /** Puts a frame to a hook. */
  at(frame: Frame, options: At = {}): Packet {
    const { packet } = this;
    const { arena } = this.router.dataplane;
    const { hook = Hook.PREROUTING } = options;
    const network = arena.offset[frame] + 14;
    packet.frame = frame;
    packet.family = arena.bytes[network] >>> 4 === 4 ? Family.IPV4 : Family.IPV6;
    packet.hook = hook;
    packet.namespace = 0;
    packet.now = options.now ?? 0;
    packet.in = this.linkOf(options.in ?? (hook <= Hook.FORWARD ? 'e0' : undefined));
    packet.out = this.linkOf(options.out);
    packet.key[Key.IN] = packet.in;
    packet.key[Key.OUT] = packet.out;
    packet.isVolatile = false;
    arena.mark[frame] = options.mark ?? 0;
    arena.flow[frame] = options.flow ?? 0;
    arena.flowInfo[frame] = options.info ?? 0;
    readHeaders(arena, packet);
    return packet;
  }

  private linkOf(name: string | undefined): number {
    return name === undefined ? 0 : this.router.link(name);
  }

  /** The walk through a table at the packet's hook. */
  walk(table: TableId): Verdict {
    const { packet } = this;
    this.matches.isHotDrop = false;
    const chain = this.rules.baseOf(0, packet.family, table, packet.hook);
    return chain === 0 ? Verdict.ACCEPT : this.traverse.run(chain);
  }

  /** A frame's walk; it is released unless it is gone. */
  pass(bytes: Uint8Array, options: At = {}): Verdict {
    const frame = this.frame(bytes);
    this.at(frame, options);
    const verdict = this.walk(options.table ?? TableId.MANGLE);
    if (verdict === Verdict.ACCEPT) this.router.dataplane.arena.release(frame);
    return verdict;
  }
}

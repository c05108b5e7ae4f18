/*
 * Conntrack with nothing around it: packets go through `in` and `confirm` as through a router's hooks.
 */
import { Conntrack, type ConntrackOptions } from '../../src/conntrack/conntrack.js';
import { type FlowInfo, FlowRow, readRow } from '../../src/conntrack/flow-row.js';
import { Arena, CtInfo, type Frame, UNTRACKED } from '../../src/core/arena.js';
import { DROP_NAME, type DropReason } from '../../src/core/drop.js';
import { Packet } from '../../src/core/packet.js';
import { readHeaders } from '../../src/netfilter/headers.js';
import { Family, Hook, Verdict } from '../../src/netfilter/rule.js';

export const KEYS = Int32Array.of(0x1234567, 0x2345678f, 0x3456789b, 0x456789ab);

export interface Sent {
  /** As rules see it; or DROPPED. */
  what: string;
  flow: number;
}

const WHAT: Record<number, string> = {
  [CtInfo.ESTABLISHED]: 'ESTABLISHED',
  [CtInfo.RELATED]: 'RELATED',
  [CtInfo.NEW]: 'NEW',
  [CtInfo.ESTABLISHED_REPLY]: 'ESTABLISHED',
  [CtInfo.RELATED_REPLY]: 'RELATED',
};

export class Tracked {
  readonly arena = new Arena({ heads: 256, tails: 4, ports: 1 });
  readonly packet = new Packet();
  readonly dropped: string[] = [];
  readonly conntrack: Conntrack;
  now: number;

  constructor(options: ConntrackOptions = {}, now = 0x7fffffff - 5000) {
    this.conntrack = new Conntrack(this, KEYS, { capacity: 1 << 16, ...options });
    this.now = now;
  }

  drop(frame: Frame, reason: DropReason): void {
    this.dropped.push(DROP_NAME[reason as keyof typeof DROP_NAME]);
    this.arena.release(frame);
  }

  /** Puts an IP packet into the arena and reads its headers. */
  load(ip: Uint8Array, namespace = 0, hook = Hook.PREROUTING): Packet {
    const { arena, packet } = this;
    const frame = arena.allocate(14 + ip.length);
    arena.bytes.set(ip, arena.offset[frame] + 14);
    arena.flow[frame] = 0;
    arena.flowInfo[frame] = 0;
    packet.frame = frame;
    packet.family = ip[0] >> 4 === 4 ? Family.IPV4 : Family.IPV6;
    packet.hook = hook;
    packet.namespace = namespace;
    packet.now = this.now;
    readHeaders(arena, packet);
    return packet;
  }

  /** What `in` makes of a packet; `confirm` has not been called. */
  begin(ip: Uint8Array, { namespace = 0, template = 0, hook = Hook.PREROUTING } = {}): Sent {
    const packet = this.load(ip, namespace, hook);
    const { frame } = packet;
    if (this.conntrack.in(packet, template) === Verdict.DROP) return { what: 'DROPPED', flow: 0 };
    const flow = this.arena.flow[frame];
    if (flow === UNTRACKED) return { what: 'UNTRACKED', flow };
    return { what: flow === 0 ? 'INVALID' : WHAT[this.arena.flowInfo[frame]], flow };
  }

  send(ip: Uint8Array, options: { namespace?: number; template?: number; hook?: Hook } = {}): Sent {
    const sent = this.begin(ip, options);
    if (sent.what === 'DROPPED') return sent;
    this.packet.hook = Hook.POSTROUTING;
    if (this.conntrack.confirm(this.packet) === Verdict.DROP) return { what: 'DROPPED', flow: 0 };
    this.arena.release(this.packet.frame);
    return sent;
  }

  flows(namespace = 0, budget = 1000): FlowInfo[] {
    const rows = new Int32Array(FlowRow.WORDS * 16);
    const found: FlowInfo[] = [];
    let cursor = 0;
    do {
      cursor = this.conntrack.ctnetlink.page(namespace, cursor, budget, this.now, rows);
      for (let i = 0; i < this.conntrack.ctnetlink.pageRows; i++) found.push(readRow(rows, i * FlowRow.WORDS));
    } while (cursor !== 0);
    return found;
  }
}

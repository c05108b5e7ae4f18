/*
 * Runs the programs of rules: what of a rule is not in its box.
 *
 *   op ─► op ─► … ─► END: it holds          the first that does not hold ends it
 *
 * - A malformed packet that a match stumbles on is to be dropped, whatever the rule is (hotdrop): `run` answers false and `isHotDrop`
 *   is set; who walks the rules drops the packet and clears it.
 * - Every match whose answer may be another for the next packet of the same flow and direction sets packet.isVolatile. Of TCP that is
 *   said on the assumption that segments with SYN, FIN or RST, or without ACK, are always asked anew.
 */
import type { Arena, Received } from '../core/arena.js';
import { sooner } from '../core/delay.js';
import { LinkKind } from '../core/links.js';
import type { Packet } from '../core/packet.js';
import { addressType, iprange, rpfilter } from './address-matches.js';
import { Answer, answer } from './answer.js';
import { Bpf } from './bpf.js';
import { Connlimit } from './connlimit.js';
import { cluster, connbytes, connlabel, connmark, conntrackMatch, helper, isInState } from './flow-matches.js';
import { Hashlimit } from './hashlimit.js';
import * as header from './header-matches.js';
import * as v6 from './ipv6-matches.js';
import { limit } from './limit.js';
import type { Memento } from './memento.js';
import {
  ConntrackOp,
  CpuOp,
  CtMatch,
  CtStateOp,
  DccpOptionOp,
  DccpTypesOp,
  DeviceGroupOp,
  HelperOp,
  MarkOp,
  Op,
  OpWord,
  PacketTypeOp,
  PhysdevBit,
  PhysdevOp,
  RandomOp,
  RpfilterOp,
  SetOp,
  SpiOp,
  TcpFlagsOp,
} from './ops.js';
import type { NetfilterParts } from './parts.js';
import { Payload } from './payload.js';
import { Recent, type RecentOptions } from './recent.js';
import { Family } from './rule.js';
import { set } from './set-matches.js';
import { nth, quota } from './statistic.js';
import { string } from './string-search.js';
import { u32 } from './u32.js';
import { time } from './wall-time.js';

const AH = 51;

/** FIN, SYN, RST and ACK: the flags that the assumption above is about. */
const HANDSHAKE = 0x17;
const ENDS = 0x07;
const ACK = 0x10;

export class Matches {
  isHotDrop = false;
  readonly hashlimit = new Hashlimit();
  readonly connlimit = new Connlimit();
  readonly recent: Recent;
  private readonly arena: Arena;
  private readonly pool: Int32Array;
  private readonly payload: Payload;
  private readonly bpf: Bpf;
  /** Of BPF programs, for the packet at hand. */
  private readonly facts = { mark: 0, packetType: 0, random: () => this.parts.inet.random() };

  constructor(
    private readonly parts: NetfilterParts,
    recent: RecentOptions = {},
  ) {
    this.arena = parts.inet.arena;
    this.pool = parts.pool;
    this.payload = new Payload(this.arena);
    this.bpf = new Bpf(this.facts);
    this.recent = new Recent(recent);
  }

  /** Whether all matches of the program that starts at this word of the pool hold. */
  run(program: number, packet: Packet): boolean {
    const { pool, arena } = this;
    for (let at = program; ; ) {
      const word = pool[at];
      const op = word & 0xff;
      if (op === Op.END) return true;
      let holds: Answer;
      if (op === Op.CT_STATE) {
        const { frame } = packet;
        holds = answer(
          isInState(this.parts.conntrack, pool[at + CtStateOp.STATES], arena.flow[frame], arena.flowInfo[frame]),
        );
      } else if (op === Op.MARK) {
        holds = answer((arena.mark[packet.frame] & pool[at + MarkOp.MASK]) === pool[at + MarkOp.VALUE]);
      } else holds = this.ask(op, at, packet);
      if (holds > Answer.YES) {
        if (holds === Answer.DROP) this.isHotDrop = true;
        return false;
      }
      if (holds === ((word >>> OpWord.FLAGS_SHIFT) & 1)) return false;
      at += word >>> OpWord.LENGTH_SHIFT;
    }
  }

  private ask(op: Op, at: number, packet: Packet): Answer {
    if (this.parts.memento !== undefined) this.keep(this.parts.memento, op, at);
    if (isStable(op)) return this.askStable(op, at, packet);
    packet.isVolatile = true;
    return op < Op.LENGTH || op === Op.CONNLIMIT ? this.askCounted(op, at, packet) : this.askOther(op, at, packet);
  }

  /** What counts packets is to count none from here on. */
  private keep(memento: Memento, op: Op, at: number): void {
    memento.keepWords(this.pool, at, this.pool[at] >>> OpWord.LENGTH_SHIFT);
    if (op === Op.HASHLIMIT) memento.keep(this.hashlimit);
    else if (op === Op.RECENT) memento.keep(this.recent);
    else if (op === Op.CONNLIMIT) memento.keep(this.connlimit);
    else if (op === Op.SET) memento.keep(this.parts.sets);
  }

  /** What is the same for all packets of a flow and direction. */
  private askStable(op: Op, at: number, packet: Packet): Answer {
    const { pool, parts } = this;
    const { bytes } = this.arena;
    switch (op) {
      case Op.TCP_FLAGS:
        if (!areFlagsStable(pool, at)) packet.isVolatile = true;
        return header.tcpFlags(bytes, pool, at, packet);
      case Op.PORTS:
        return header.ports(pool, at, packet);
      case Op.MULTIPORT:
        return header.multiport(pool, at, packet);
      case Op.ICMP:
        return header.icmp(bytes, pool, at, packet);
      case Op.ADDRESS_TYPE:
        return addressType(parts.inet, pool, at, packet);
      case Op.IPRANGE:
        return iprange(pool, at, packet);
      case Op.CONNTRACK:
        return this.conntrack(at, packet);
      case Op.RPFILTER:
        if ((pool[at] & RpfilterOp.VALID_MARK) !== 0) packet.isVolatile = true;
        return rpfilter(parts.inet, pool, at, packet);
      case Op.SET:
        if (parts.sets.isVolatile(pool[at + SetOp.SET])) packet.isVolatile = true;
        return set(parts, at, packet);
      case Op.DEVICE_GROUP:
        return deviceGroup(pool, at);
      case Op.CPU:
        return answer(pool[at + CpuOp.CPU] === 0);
      case Op.CLUSTER:
        return cluster(parts.conntrack, pool, at, this.flowOf(packet), packet.family === Family.IPV6);
      default:
        return Answer.NEVER;
    }
  }

  private flowOf(packet: Packet): number {
    return this.arena.flow[packet.frame];
  }

  /** Of connlimit: a packet that is no part of its flow counts as that flow all the same. */
  private connectionOf(packet: Packet): number {
    const flow = this.flowOf(packet);
    return flow > 0 ? flow : (this.parts.conntrack?.flowLike(packet) ?? 0);
  }

  /** The inversions of CONNTRACK are within. */
  private conntrack(at: number, packet: Packet): Answer {
    const { flow, flowInfo } = this.arena;
    const { frame } = packet;
    const { pool } = this;
    const asked = pool[at + ConntrackOp.MATCH];
    if ((asked & (CtMatch.STATUS | CtMatch.EXPIRES)) !== 0) packet.isVolatile = true;
    return conntrackMatch(this.parts.conntrack, pool, at, flow[frame], flowInfo[frame], packet.now);
  }

  /** What counts packets, or draws lots. */
  private askCounted(op: Op, at: number, packet: Packet): Answer {
    const { pool, parts } = this;
    switch (op) {
      case Op.TCP_OPTION:
        return header.tcpOption(this.arena.bytes, pool, at, packet);
      case Op.CONNMARK:
        return connmark(parts.conntrack, pool, at, this.flowOf(packet));
      case Op.RANDOM:
        return answer(parts.inet.random() < pool[at + RandomOp.PROBABILITY] >>> 0);
      case Op.NTH:
        return nth(pool, at);
      case Op.LIMIT:
        return limit(pool, at, packet.now);
      case Op.HASHLIMIT:
        return this.hashlimit.match(pool, at, packet);
      case Op.RECENT:
        return this.askRecent(at, packet);
      case Op.CONNLIMIT:
        return this.connlimit.match(pool, at, packet, this.connectionOf(packet), parts.conntrack);
      case Op.MAC:
        return header.mac(this.arena, pool, at, packet);
      case Op.PACKET_TYPE:
        return answer(this.packetType(packet) === pool[at + PacketTypeOp.TYPE]);
      default:
        return Answer.NEVER;
    }
  }

  /** The TTL that the packet came with: on its way out of a router it is one less. Answers with the inversion, so that goes back in. */
  private askRecent(at: number, packet: Packet): Answer {
    const { arena } = this;
    const isForwarded = packet.out > 0 && this.parts.inet.links.kind[arena.ingress[packet.frame]] !== LinkKind.LOOPBACK;
    const ttl = packet.family === Family.IPV4 ? header.ttlOf(arena.bytes, packet) + (isForwarded ? 1 : 0) : 0;
    const holds = this.recent.match(this.pool, at, packet, ttl & 0xff);
    return holds ^ ((this.pool[at] >>> OpWord.FLAGS_SHIFT) & 1);
  }

  /** What comes by lo is a broadcast or group's packet or nobody's else, as the kernel guesses it. */
  private packetType(packet: Packet): Received {
    return this.arena.received[packet.frame];
  }

  private askOther(op: Op, at: number, packet: Packet): Answer {
    const { pool, parts } = this;
    const { bytes } = this.arena;
    switch (op) {
      case Op.LENGTH:
        return header.length(pool, at, packet);
      case Op.TTL:
        return header.ttl(bytes, pool, at, packet);
      case Op.TOS:
        return header.tos(bytes, pool, at, packet);
      case Op.ECN:
        return header.ecn(bytes, pool, at, packet);
      case Op.TCPMSS:
        return header.tcpmss(bytes, pool, at, packet);
      case Op.PHYSDEV:
        return this.physdev(at, packet);
      case Op.TIME:
        return time(pool, at, parts.clock.seconds(packet.now));
      case Op.STRING:
        return string(pool, at, this.payload.open(packet));
      case Op.U32:
        return u32(pool, at, this.payload.open(packet));
      case Op.BPF:
        return this.askBpf(at, packet);
      case Op.CONNBYTES:
        return connbytes(parts.conntrack, pool, at, this.flowOf(packet));
      case Op.QUOTA:
        return quota(pool, at, packet.length);
      case Op.CONNLABEL:
        return connlabel(parts.conntrack, pool, at, this.flowOf(packet));
      case Op.HELPER:
        return helper(parts.conntrack, pool[at + HelperOp.HELPER], this.flowOf(packet));
      default:
        return this.askRare(op, at, packet);
    }
  }

  private askBpf(at: number, packet: Packet): Answer {
    this.facts.mark = this.arena.mark[packet.frame];
    this.facts.packetType = this.arena.received[packet.frame];
    return this.bpf.run(this.pool, at, packet, this.payload.open(packet));
  }

  private askRare(op: Op, at: number, packet: Packet): Answer {
    const { pool, arena } = this;
    const { bytes } = arena;
    switch (op) {
      case Op.SPI:
        if (pool[at + SpiOp.PROTOCOL] === AH && packet.family === Family.IPV6) return v6.ah6(arena, pool, at, packet);
        return header.spi(bytes, pool, at, packet);
      case Op.SCTP_CHUNKS:
        return header.sctpChunks(arena, pool, at, packet);
      case Op.DCCP_TYPES:
        return header.dccpTypes(bytes, pool[at + DccpTypesOp.TYPES], packet);
      case Op.DCCP_OPTION:
        return header.dccpOption(bytes, pool[at + DccpOptionOp.NUMBER], packet);
      case Op.IPV6_FRAGMENT:
        return v6.fragment6(arena, pool, at, packet);
      case Op.IPV6_HEADERS:
        return this.headers6(at, packet);
      case Op.IPV6_ROUTING:
        return v6.routing6(arena, pool, at, packet);
      case Op.IPV6_OPTIONS:
        return v6.options6(arena, pool, at, packet);
      case Op.EUI64:
        return v6.eui64(arena, packet);
      case Op.MOBILITY:
        return v6.mobility(bytes, pool, at, packet);
      default:
        return Answer.NEVER;
    }
  }

  /** As askRecent: the answer comes with the inversion. */
  private headers6(at: number, packet: Packet): Answer {
    const inverted = (this.pool[at] >>> OpWord.FLAGS_SHIFT) & 1;
    return v6.headers6(this.arena, this.pool, at, packet, inverted !== 0) ^ inverted;
  }

  private physdev(at: number, packet: Packet): Answer {
    const { pool } = this;
    const { patterns } = this.parts;
    const asked = pool[at + PhysdevOp.ASKED];
    const inverted = pool[at + PhysdevOp.INVERT];
    const { physicalIn, physicalOut } = packet;
    if (physicalIn <= 0 && physicalOut <= 0) return answer((asked & ~inverted) === 0);
    // A question that is inverted needs the port to be known, too.
    const bridged = holdsPort(asked, inverted, PhysdevBit.IS_BRIDGED, physicalOut > 0);
    const isIn = holdsPort(asked, inverted, PhysdevBit.IS_IN, physicalIn > 0);
    const isOut = holdsPort(asked, inverted, PhysdevBit.IS_OUT, physicalOut > 0);
    if (!bridged || !isIn || !isOut) return Answer.NO;
    if ((asked & PhysdevBit.IN) !== 0 && physicalIn > 0) {
      if (!holdsPort(asked, inverted, PhysdevBit.IN, patterns.has(pool[at + PhysdevOp.IN], physicalIn))) {
        return Answer.NO;
      }
    }
    if ((asked & PhysdevBit.OUT) === 0) return Answer.YES;
    if (physicalOut <= 0) return Answer.NO;
    return answer(holdsPort(asked, inverted, PhysdevBit.OUT, patterns.has(pool[at + PhysdevOp.OUT], physicalOut)));
  }

  /** Work that time asks for. Returns ms until more is due, -1 = never. */
  timers(now: number): number {
    const limits = sooner(this.hashlimit.timers(now), this.connlimit.timers(this.pool, this.parts.conntrack, now));
    return sooner(limits, this.recent.timers(now));
  }
}

function holdsPort(asked: number, inverted: number, bit: PhysdevBit, holds: boolean): boolean {
  return (asked & bit) === 0 || holds !== ((inverted & bit) !== 0);
}

/** Links are in no groups here: all are in group 0, as in the kernel until somebody says otherwise. */
function deviceGroup(pool: Int32Array, at: number): Answer {
  const flags = pool[at];
  const isSource = pool[at + DeviceGroupOp.SOURCE_VALUE] === 0;
  const isDestination = pool[at + DeviceGroupOp.DESTINATION_VALUE] === 0;
  if ((flags & DeviceGroupOp.SOURCE) !== 0 && isSource === ((flags & DeviceGroupOp.NOT_SOURCE) !== 0)) {
    return Answer.NO;
  }
  if ((flags & DeviceGroupOp.DESTINATION) === 0) return Answer.YES;
  return answer(isDestination !== ((flags & DeviceGroupOp.NOT_DESTINATION) !== 0));
}

/** Whether flags are the same for all segments with ACK and without SYN, FIN and RST. */
function areFlagsStable(pool: Int32Array, at: number): boolean {
  const mask = pool[at + TcpFlagsOp.MASK];
  const compare = pool[at + TcpFlagsOp.COMPARE];
  const isNeverSo = (compare & ENDS) !== 0 || (mask & ACK & ~compare) !== 0 || (compare & ~mask) !== 0;
  return isNeverSo || (mask & ~HANDSHAKE) === 0;
}

/** Ops by number: the answer may be kept for the flow, unless askStable says otherwise. */
const STABLE = stableOps();

function stableOps(): Uint8Array {
  const table = new Uint8Array(256);
  const ops = [Op.TCP_FLAGS, Op.PORTS, Op.MULTIPORT, Op.ICMP, Op.ADDRESS_TYPE, Op.IPRANGE, Op.CONNTRACK, Op.RPFILTER];
  for (const op of [...ops, Op.SET, Op.DEVICE_GROUP, Op.CPU, Op.CLUSTER, Op.NEVER]) table[op] = 1;
  return table;
}

function isStable(op: Op): boolean {
  return STABLE[op] === 1;
}

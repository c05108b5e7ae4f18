/*
 * Flows between the dataplane's rows (conntrack/flow-row.ts) and the words of api/conntrack.ts.
 */

import { Expect } from '../conntrack/expectations.js';
import { FlowRow, readDouble } from '../conntrack/flow-row.js';
import { Flow, KindFlag, Status } from '../conntrack/flows.js';
import { CtEvent } from '../conntrack/tracker.js';
import { invertPorts, NOT_INVERTIBLE, Transport } from '../conntrack/tuple.js';
import { SluiceError } from '../core/errors.js';
import { read32 } from '../wire/field.js';
import { formatIpv4, formatIpv6, parseAddress } from '../wire/format.js';
import type { ConntrackInfo, ExpectationInfo, FlowEnd, NewFlow } from './api/conntrack.js';
import type { Family } from './api/family.js';
import { ExpectationRow } from './conntrack-commands.js';
import { HELPER_NAMES, statesOf } from './conntrack-names.js';

/** Protocols whose tuple has ports. */
const HAS_PORTS: ReadonlySet<number> = new Set([Transport.TCP, Transport.UDP, Transport.UDPLITE, Transport.SCTP, 33]);

const $bytes = new Uint8Array(16);
const $view = new DataView($bytes.buffer);

function addressText(rows: Int32Array, at: number, isIpv6: boolean): string {
  if (!isIpv6) return formatIpv4(rows[at]);
  for (let i = 0; i < 4; i++) $view.setInt32(4 * i, rows[at + i]);
  return formatIpv6($bytes);
}

/** An address as four words, IPv4 in the first. */
export function wordsOfAddress(text: string): { words: [number, number, number, number]; family: Family } {
  const bytes = parseAddress(text);
  if (bytes === undefined)
    throw new SluiceError('EINVAL', `cannot find flows of "${text}": it is no address; write one of IPv4 or IPv6`);
  if (bytes.length === 4) return { words: [read32(bytes, 0), 0, 0, 0], family: 4 };
  const words = [0, 4, 8, 12].map((at) => read32(bytes, at)) as [number, number, number, number];
  return { words, family: 6 };
}

function endOf(rows: Int32Array, at: number, isIpv6: boolean, protocol: number): FlowEnd {
  const src = addressText(rows, at, isIpv6);
  const dst = addressText(rows, at + 4, isIpv6);
  const high = rows[at + 8] >>> 16;
  const low = rows[at + 8] & 0xffff;
  if (HAS_PORTS.has(protocol)) return { src, dst, sport: high, dport: low };
  if (protocol === Transport.ICMP || protocol === Transport.ICMPV6)
    return { src, dst, type: low >>> 8, code: low & 0xff, id: high };
  return protocol === Transport.GRE ? { src, dst, srckey: high, dstkey: low } : { src, dst };
}

function counted(end: FlowEnd, rows: Int32Array, at: number): FlowEnd {
  end.packets = readDouble(rows, at);
  end.bytes = readDouble(rows, at + 2);
  return end;
}

function labelsOf(rows: Int32Array, at: number): number[] {
  const labels: number[] = [];
  for (let bit = 0; bit < 128; bit++) if (((rows[at + (bit >> 5)] >>> (bit & 31)) & 1) !== 0) labels.push(bit);
  return labels;
}

/** `nowUs`: now, since the epoch; when the row was written. */
export function infoOf(rows: Int32Array, at: number, nowUs: number): ConntrackInfo {
  const kind = rows[at + FlowRow.KIND];
  const protocol = kind & 0xff;
  const isIpv6 = (rows[at] & Flow.IPV6_BIT) !== 0;
  const info: ConntrackInfo = {
    id: rows[at] >>> 0,
    family: isIpv6 ? 6 : 4,
    protocol,
    original: endOf(rows, at + FlowRow.ORIGINAL, isIpv6, protocol),
    reply: endOf(rows, at + FlowRow.REPLY, isIpv6, protocol),
    status: rows[at + FlowRow.STATUS] & Flow.STATUS_MASK,
    mark: rows[at + FlowRow.MARK] >>> 0,
  };
  if (protocol === Transport.SCTP) info.vtags = [rows[at + FlowRow.TAG] >>> 0, rows[at + FlowRow.TAG_REPLY] >>> 0];
  const state = statesOf(protocol)?.[rows[at + FlowRow.STATE]];
  if (state !== undefined) info.state = state;
  info.timeout = Math.max(0, Math.trunc(rows[at + FlowRow.LEFT] / 1000));
  addRare(info, rows, at, kind, nowUs);
  return info;
}

/** What few flows have. */
function addRare(info: ConntrackInfo, rows: Int32Array, at: number, kind: number, nowUs: number): void {
  const zone = rows[at + FlowRow.STATUS] >>> Flow.ZONE_SHIFT;
  if (zone !== 0) {
    info.zone = zone;
    if ((kind & KindFlag.ZONE_REPLY) === 0) info.zone_of = 'original';
    else if ((kind & KindFlag.ZONE_ORIGINAL) === 0) info.zone_of = 'reply';
  }
  if ((kind & KindFlag.HAS_ACCOUNT) !== 0) {
    counted(info.original, rows, at + FlowRow.PACKETS);
    counted(info.reply, rows, at + FlowRow.PACKETS_REPLY);
  }
  if ((kind & KindFlag.HAS_LABELS) !== 0) {
    const labels = labelsOf(rows, at + FlowRow.LABELS);
    if (labels.length !== 0) info.labels = labels;
  }
  const helper = HELPER_NAMES[rows[at + FlowRow.HELPER]];
  if (helper !== undefined) info.helper = helper;
  // Ages are ms in 32 bits: that of a flow older than 49.7 days begins at 0 again.
  if ((kind & KindFlag.HAS_TIMESTAMP) !== 0)
    info.start_us = nowUs - ((rows[at + FlowRow.AT] - rows[at + FlowRow.START]) >>> 0) * 1000;
}

/**
 * A flow of an event, which tells what the kernel's tell: counters when it is over, the mark if it is set, has changed, or the event is a
 * command's.
 */
export function eventInfo(rows: Int32Array, at: number, nowUs: number, isCommand: boolean): ConntrackInfo {
  const info = infoOf(rows, at, nowUs);
  const events = rows[at + FlowRow.EVENTS];
  const isOver = (events & CtEvent.DESTROY) !== 0;
  if (info.mark === 0 && (isOver || (!isCommand && (events & CtEvent.MARK) === 0))) delete info.mark;
  if (!isOver) {
    for (const end of [info.original, info.reply]) {
      delete end.packets;
      delete end.bytes;
    }
    delete info.start_us;
  } else {
    if (info.timeout === 0) delete info.timeout;
    if (info.start_us !== undefined) info.stop_us = nowUs;
  }
  if (info.labels !== undefined && (events & (CtEvent.LABEL | CtEvent.NEW | CtEvent.RELATED)) === 0) delete info.labels;
  return info;
}

export function eventName(events: number): 'new' | 'update' | 'destroy' {
  if ((events & CtEvent.DESTROY) !== 0) return 'destroy';
  return (events & (CtEvent.NEW | CtEvent.RELATED)) !== 0 ? 'new' : 'update';
}

export function expectationOf(rows: Int32Array, at: number): ExpectationInfo {
  const key = rows[at + Expect.KEY];
  const isIpv6 = (key & Expect.IS_IPV6) !== 0;
  const protocol = key & 0xff;
  const helper = HELPER_NAMES[rows[at + Expect.HELPER]];
  return {
    family: isIpv6 ? 6 : 4,
    protocol,
    timeout: Math.trunc(rows[at + Expect.EXPIRES] / 1000),
    tuple: endOf(wide(rows, at + Expect.TUPLE, isIpv6), 0, isIpv6, protocol),
    mask: maskOf(rows, at, isIpv6, protocol),
    master: endOf(rows, at + ExpectationRow.MASTER, isIpv6, rows[at + ExpectationRow.MASTER_KIND] & 0xff),
    class: rows[at + Expect.CLASS],
    ...(helper === undefined ? {} : { helper }),
  };
}

/** The destination of what is expected counts whole. */
function maskOf(rows: Int32Array, at: number, isIpv6: boolean, protocol: number): FlowEnd {
  const words = new Int32Array(9).fill(-1);
  words.set(rows.subarray(at + Expect.SOURCE_MASK, at + Expect.SOURCE_MASK + 4));
  words[8] = rows[at + Expect.PORT_MASK] | 0xffff;
  return endOf(words, 0, isIpv6, protocol);
}

/** A tuple as rows of expectations have it, with four words for each address. */
function wide(rows: Int32Array, at: number, isIpv6: boolean): Int32Array {
  if (isIpv6) return rows.subarray(at, at + 9);
  return Int32Array.of(rows[at], 0, 0, 0, rows[at + 1], 0, 0, 0, rows[at + 2]);
}

// --- from words to rows -----------------------------------------------------------------------------

/** The ports' word of a tuple. */
function portsOf(end: FlowEnd, protocol: number): number {
  if (protocol === Transport.ICMP || protocol === Transport.ICMPV6)
    return ((end.id ?? 0) << 16) | (((end.type ?? 0) & 0xff) << 8) | ((end.code ?? 0) & 0xff);
  if (protocol === Transport.GRE) return ((end.srckey ?? 0) << 16) | ((end.dstkey ?? 0) & 0xffff);
  // DCCP is not looked into: a flow is a pair of addresses.
  if (!HAS_PORTS.has(protocol) || protocol === 33) return 0;
  return ((end.sport ?? 0) << 16) | ((end.dport ?? 0) & 0xffff);
}

function writeEnd(row: Int32Array, at: number, end: FlowEnd, family: Family, protocol: number): void {
  for (const [text, to] of [
    [end.src, at],
    [end.dst, at + 4],
  ] as const) {
    const { words, family: of } = wordsOfAddress(text);
    if (of !== family)
      throw new SluiceError('EINVAL', `cannot use "${text}": the flow is of IPv${family}; write an address of that`);
    row.set(words, to);
  }
  row[at + 8] = portsOf(end, protocol);
}

function zoneFlags(of: NewFlow['zone_of']): number {
  if (of === undefined) return KindFlag.ZONE_ORIGINAL | KindFlag.ZONE_REPLY;
  return of === 'original' ? KindFlag.ZONE_ORIGINAL : KindFlag.ZONE_REPLY;
}

/** A row that names a flow by its tuple. */
export function rowOfTuple(
  namespace: number,
  family: Family,
  protocol: number,
  tuple: FlowEnd,
  zone = 0,
  zoneOf?: NewFlow['zone_of'],
): Int32Array {
  const row = new Int32Array(FlowRow.WORDS);
  row[FlowRow.NUMBER] = family === 6 ? Flow.IPV6_BIT : 0;
  row[FlowRow.KIND] = protocol | (namespace << Flow.NAMESPACE_SHIFT) | Flow.KEY_FLAG;
  if (zone !== 0) row[FlowRow.KIND] |= zoneFlags(zoneOf);
  row[FlowRow.STATUS] = zone << Flow.ZONE_SHIFT;
  writeEnd(row, FlowRow.ORIGINAL, tuple, family, protocol);
  return row;
}

/** 128 bits. */
export function labelWords(labels: readonly number[]): number[] {
  const words = [0, 0, 0, 0];
  for (const bit of labels) words[(bit >> 5) & 3] |= 1 << (bit & 31);
  return words;
}

/** s as ms, as far as the dataplane counts. */
export function millisecondsOf(seconds: number): number {
  return Math.min(Math.max(Math.trunc(seconds), 0) * 1000, 2 ** 30);
}

export function stateNumber(protocol: number, name: string): number {
  return Math.max(0, statesOf(protocol)?.indexOf(name) ?? 0);
}

/** Whether a protocol is one of a family: ICMP has one for each. */
function isOfFamily(protocol: number, family: Family): boolean {
  return !(protocol === Transport.ICMP && family === 6) && !(protocol === Transport.ICMPV6 && family === 4);
}

/** A new flow's row. */
export function rowOfFlow(namespace: number, flow: NewFlow): Int32Array {
  const { family, protocol, original, reply } = flow;
  const row = rowOfTuple(namespace, family, protocol, original, flow.zone, flow.zone_of);
  const ports = invertPorts(protocol, row[FlowRow.ORIGINAL + 8]);
  if (ports === NOT_INVERTIBLE || !isOfFamily(protocol, family))
    throw new SluiceError('EINVAL', 'cannot create the flow: nothing answers to such packets; use a request');
  if (reply !== undefined) writeEnd(row, FlowRow.REPLY, reply, family, protocol);
  else {
    row.copyWithin(FlowRow.REPLY, FlowRow.ORIGINAL + 4, FlowRow.ORIGINAL + 8);
    row.copyWithin(FlowRow.REPLY + 4, FlowRow.ORIGINAL, FlowRow.ORIGINAL + 4);
    row[FlowRow.REPLY + 8] = ports;
  }
  row[FlowRow.STATUS] |= (flow.status ?? 0) & (Flow.STATUS_MASK & ~Status.CONFIRMED);
  row[FlowRow.STATE] = stateNumber(protocol, flow.state ?? 'NONE');
  row[FlowRow.LEFT] = millisecondsOf(flow.timeout);
  row[FlowRow.MARK] = flow.mark ?? 0;
  row.set(labelWords(flow.labels ?? []), FlowRow.LABELS);
  row.set(flow.vtags ?? [], FlowRow.TAG);
  return row;
}

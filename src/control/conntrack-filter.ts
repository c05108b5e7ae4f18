/*
 * Which flows a command means: a filter of api/conntrack.ts as a test of rows (conntrack/flow-row.ts), so that what is not meant never becomes text.
 */
import { FlowRow } from '../conntrack/flow-row.js';
import { Flow, KindFlag, Status } from '../conntrack/flows.js';
import { SluiceError } from '../core/errors.js';
import type { ConntrackFilter, NatFilter } from './api/conntrack.js';
import type { Family } from './api/family.js';
import { labelWords, stateNumber, wordsOfAddress } from './conntrack-row.js';

/** Of the row at rows[at]. */
export type FlowTest = (rows: Int32Array, at: number) => boolean;

export function flowTest(filter: ConntrackFilter): FlowTest {
  const tests: FlowTest[] = [
    ...kindTests(filter),
    ...addressTests(filter),
    ...portTests(filter),
    ...zoneTests(filter),
    ...natTests(filter),
  ];
  if (filter.labels !== undefined) tests.push(...labelTests(filter.labels));
  return (rows, at) => tests.every((test) => test(rows, at));
}

/** Words that must be, under a mask, as they are given. */
function word(index: number, mask: number, value: number): FlowTest {
  const wanted = value & mask;
  return (rows, at) => (rows[at + index] & mask) === wanted;
}

function kindTests(filter: ConntrackFilter): FlowTest[] {
  const { family, protocol, state, status, status_mask: mask, mark } = filter;
  const tests: FlowTest[] = [];
  if (family !== undefined) tests.push(word(FlowRow.NUMBER, Flow.IPV6_BIT, family === 6 ? Flow.IPV6_BIT : 0));
  if (protocol !== undefined) tests.push(word(FlowRow.KIND, 0xff, protocol));
  if (state !== undefined) tests.push(word(FlowRow.STATE, Flow.STATE_MASK, stateNumber(protocol ?? 0, state)));
  if (status !== undefined) tests.push(statusTest(status & Flow.STATUS_MASK, (mask ?? status) & Flow.STATUS_MASK));
  if (mark !== undefined) tests.push(markTest(mark.value, mark.mask));
  return tests;
}

/** As with marks. */
function statusTest(value: number, mask: number): FlowTest {
  return (rows, at) => (rows[at + FlowRow.STATUS] & mask) === value;
}

/** Bits of the value outside the mask are compared, too: nothing has them. */
function markTest(value: number, mask: number): FlowTest {
  return (rows, at) => (rows[at + FlowRow.MARK] & mask) === (value | 0);
}

function addressTests(filter: ConntrackFilter): FlowTest[] {
  return [
    ...addressTest(FlowRow.ORIGINAL, filter.src, filter.src_mask),
    ...addressTest(FlowRow.ORIGINAL + 4, filter.dst, filter.dst_mask),
    ...addressTest(FlowRow.REPLY, filter.reply_src),
    ...addressTest(FlowRow.REPLY + 4, filter.reply_dst),
  ];
}

function addressTest(at: number, address: string | undefined, mask?: string): FlowTest[] {
  if (address === undefined) return [];
  const { words, family } = wordsOfAddress(address);
  const masks = mask === undefined ? [-1, -1, -1, -1] : maskWords(mask, family);
  const tests = words.map((value, i) => word(at + i, masks[i], value));
  return [word(FlowRow.NUMBER, Flow.IPV6_BIT, family === 6 ? Flow.IPV6_BIT : 0), ...tests];
}

function maskWords(text: string, family: Family): number[] {
  const { words, family: of } = wordsOfAddress(text);
  if (of === family) return words;
  throw new SluiceError('EINVAL', `cannot use the mask "${text}": the address is of IPv${family}; write one of that`);
}

/** ICMP's id is where a source port is, its type and code where a destination port is; GRE's keys are as ports. */
function portTests(filter: ConntrackFilter): FlowTest[] {
  const tests: FlowTest[] = [];
  const { sport, dport, reply_sport: replySport, reply_dport: replyDport, type, code, id } = filter;
  const add = (at: number, mask: number, value: number | undefined, shift: number): void => {
    if (value !== undefined) tests.push(word(at + 8, mask, value << shift));
  };
  add(FlowRow.ORIGINAL, 0xffff << 16, sport, 16);
  add(FlowRow.ORIGINAL, 0xffff, dport, 0);
  add(FlowRow.REPLY, 0xffff << 16, replySport, 16);
  add(FlowRow.REPLY, 0xffff, replyDport, 0);
  add(FlowRow.ORIGINAL, 0xffff << 16, id, 16);
  add(FlowRow.ORIGINAL, 0xff00, type, 8);
  add(FlowRow.ORIGINAL, 0xff, code, 0);
  return tests;
}

function zoneTests({ zone, orig_zone: original, reply_zone: reply }: ConntrackFilter): FlowTest[] {
  const tests: FlowTest[] = [];
  if (zone !== undefined) tests.push(zoneTest(zone, KindFlag.ZONE_ORIGINAL | KindFlag.ZONE_REPLY));
  if (original !== undefined) tests.push(zoneTest(original, KindFlag.ZONE_ORIGINAL));
  if (reply !== undefined) tests.push(zoneTest(reply, KindFlag.ZONE_REPLY));
  return tests;
}

/** A zone of one direction is none of both. */
function zoneTest(zone: number, flags: number): FlowTest {
  const all = KindFlag.ZONE_ORIGINAL | KindFlag.ZONE_REPLY;
  return (rows, at) => {
    const own = rows[at + FlowRow.STATUS] >>> Flow.ZONE_SHIFT;
    if ((rows[at + FlowRow.KIND] & all) !== flags) return zone === 0;
    return own === (zone & 0xffff);
  };
}

function labelTests(labels: readonly number[]): FlowTest[] {
  return labelWords(labels).flatMap((bits, i) => (bits === 0 ? [] : [word(FlowRow.LABELS + i, bits, bits)]));
}

// --- NAT ------------------------------------------------------------------------------------------

function natTests({ src_nat: source, dst_nat: destination, any_nat: any }: ConntrackFilter): FlowTest[] {
  const tests: FlowTest[] = [];
  if (source !== undefined) tests.push(natTest(source, true));
  if (destination !== undefined) tests.push(natTest(destination, false));
  if (any !== undefined) {
    const [asSource, asDestination] = [natTest(any, true), natTest(any, false)];
    tests.push((rows, at) => asSource(rows, at) || asDestination(rows, at));
  }
  return tests;
}

/** What the answers have tells what was translated: their destination is the new source. */
function natTest({ address, port }: NatFilter, isSource: boolean): FlowTest {
  const done = isSource ? Status.SRC_NAT_DONE : Status.DST_NAT_DONE;
  const shift = isSource ? 0 : 16;
  const place = FlowRow.REPLY + (isSource ? 4 : 0);
  const tests = [
    (rows: Int32Array, at: number) => (rows[at + FlowRow.STATUS] & done) !== 0 && isTranslated(rows, at, isSource),
    ...addressTest(place, address),
  ];
  if (port !== undefined) tests.push(word(FlowRow.REPLY + 8, 0xffff << shift, port << shift));
  return (rows, at) => tests.every((test) => test(rows, at));
}

/** Whether the reply tuple is not the original one turned round, at this end. Half-words of ICMP are compared as if they were ports. */
function isTranslated(rows: Int32Array, at: number, isSource: boolean): boolean {
  const original = at + FlowRow.ORIGINAL + (isSource ? 0 : 4);
  const reply = at + FlowRow.REPLY + (isSource ? 4 : 0);
  for (let i = 0; i < 4; i++) if (rows[original + i] !== rows[reply + i]) return true;
  const [ports, answers] = [rows[at + FlowRow.ORIGINAL + 8], rows[at + FlowRow.REPLY + 8]];
  return isSource ? ports >>> 16 !== (answers & 0xffff) : (ports & 0xffff) !== answers >>> 16;
}

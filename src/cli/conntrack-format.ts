/*
 * Flows as `conntrack` prints them: a line of /proc/net/nf_conntrack's kind, or the words that make the flow again (-o save).
 */

import { type ConntrackInfo, type ExpectationInfo, type FlowEnd, FlowStatus } from '../control/api/conntrack.js';
import type { Labels } from './conntrack-labels.js';
import { PROTOCOL_NAMES } from './conntrack-names.js';

export type FlowEvent = 'new' | 'update' | 'destroy';

/** Bits that have a name in -u, in their order. */
export const STATUS_NAMES: ReadonlyArray<readonly [string, number]> = [
  ['EXPECTED', FlowStatus.EXPECTED],
  ['SEEN_REPLY', FlowStatus.SEEN_REPLY],
  ['ASSURED', FlowStatus.ASSURED],
  ['FIXED_TIMEOUT', FlowStatus.FIXED_TIMEOUT],
  ['OFFLOAD', FlowStatus.OFFLOAD],
];

export interface FlowFormat {
  /** -o extended: the network protocol in front. */
  family: boolean;
  id: boolean;
  /** -o ktimestamp. */
  times: boolean;
  /** References to the flow: 2 while a command holds it; absent: not told, as in events. */
  uses?: number;
  labels?: Labels;
}

const EVENT_HEADS: Record<FlowEvent, string> = { new: '    [NEW] ', update: ' [UPDATE] ', destroy: '[DESTROY] ' };

function familyText({ family }: ConntrackInfo): string {
  return family === 6 ? 'ipv6     10 ' : 'ipv4     2 ';
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

export function endText(end: FlowEnd): string {
  let text = `src=${end.src} dst=${end.dst} `;
  if (end.sport !== undefined) text += `sport=${end.sport} dport=${end.dport} `;
  if (end.type !== undefined) text += `type=${end.type} code=${end.code} id=${end.id} `;
  if (end.srckey !== undefined) text += `srckey=${hex(end.srckey)} dstkey=${hex(end.dstkey ?? 0)} `;
  return text;
}

function countText({ packets, bytes }: FlowEnd): string {
  return packets === undefined ? '' : `packets=${packets} bytes=${bytes} `;
}

/** Only one that counts for this direction alone. */
function zoneText({ zone, zone_of: of }: ConntrackInfo, direction: 'original' | 'reply'): string {
  if (of !== direction) return '';
  return direction === 'original' ? `zone-orig=${zone} ` : `zone-reply=${zone} `;
}

function ends(flow: ConntrackInfo): string {
  const { original, reply, status } = flow;
  const unreplied = (status & FlowStatus.SEEN_REPLY) === 0 ? '[UNREPLIED] ' : '';
  const assured = (status & FlowStatus.ASSURED) === 0 ? '' : '[ASSURED] ';
  const first = `${endText(original)}${zoneText(flow, 'original')}${countText(original)}`;
  return `${first}${unreplied}${endText(reply)}${zoneText(flow, 'reply')}${countText(reply)}${assured}`;
}

/** As asctime(3) has it, without the end of the line. */
function dateText(us: number): string {
  const date = new Date(us / 1000);
  const [weekday, month] = date.toString().split(' ');
  const [, , , , clock] = date.toString().split(' ');
  return `${weekday} ${month} ${String(date.getDate()).padStart(2)} ${clock} ${date.getFullYear()}`;
}

function seconds(us: number): number {
  return Math.floor(us / 1e6);
}

function timeText({ start_us: start, stop_us: stop }: ConntrackInfo, isWhole: boolean): string {
  if (start === undefined) return '';
  const delta = `delta-time=${seconds(stop ?? Date.now() * 1000) - seconds(start)} `;
  if (!isWhole) return delta;
  return `${delta}[start=${dateText(start)}] ${stop === undefined ? '' : `[stop=${dateText(stop)}] `}`;
}

/** A flow as a line, without its end. */
export function flowText(flow: ConntrackInfo, format: FlowFormat, event?: FlowEvent): string {
  const { protocol, mark, zone, zone_of: zoneOf, helper, labels } = flow;
  const name = PROTOCOL_NAMES.get(protocol) ?? 'unknown';
  let text = event === undefined ? '' : EVENT_HEADS[event];
  if (format.family) text += familyText(flow);
  text += `${name.padEnd(8)} ${protocol} `;
  if (flow.timeout !== undefined) text += `${flow.timeout} `;
  if (flow.state !== undefined) text += `${flow.state} `;
  text += ends(flow);
  if (mark !== undefined) text += `mark=${mark} `;
  if (zone !== undefined && zoneOf === undefined) text += `zone=${zone} `;
  text += timeText(flow, format.times);
  if (helper !== undefined) text += `helper=${helper} `;
  if (format.uses !== undefined) text += `use=${format.uses} `;
  if (format.id) text += `id=${flow.id} `;
  const named = labels === undefined ? [] : (format.labels?.text(labels) ?? []);
  if (named.length !== 0) text += `labels=${named.join(',')} `;
  return text.trimEnd();
}

// --- -o save ----------------------------------------------------------------------------------------

/** Whether an end was translated, by what the answers have. */
function isTranslated({ original, reply, status }: ConntrackInfo, isSource: boolean): boolean {
  const done = isSource ? FlowStatus.SRC_NAT_DONE : FlowStatus.DST_NAT_DONE;
  if ((status & done) === 0) return false;
  return isSource ? original.src !== reply.dst : original.dst !== reply.src;
}

export function statusText(status: number): string {
  const names = STATUS_NAMES.filter(([, bit]) => (status & bit) !== 0).map(([name]) => name);
  return names.length === 0 ? 'UNSET' : names.join(',');
}

function savedZone({ zone, zone_of: of }: ConntrackInfo): string {
  if (zone === undefined) return '';
  if (of === undefined) return `-w ${zone} `;
  return of === 'original' ? `--orig-zone ${zone} ` : `--reply-zone ${zone} `;
}

function savedProtocol({ protocol, original, reply, state, vtags }: ConntrackInfo): string {
  const name = PROTOCOL_NAMES.get(protocol);
  if (name === undefined) return `-p ${protocol} `;
  const head = `-p ${name} `;
  if (original.type !== undefined)
    return `${head}--${name}-type ${original.type} --${name}-code ${original.code} --${name}-id ${original.id} `;
  if (original.srckey !== undefined)
    return `${head}--srckey ${original.srckey} --dstkey ${original.dstkey} --reply-key-src ${reply.srckey} --reply-key-dst ${reply.dstkey} `;
  // There is no tracker of DCCP: no ports to tell.
  if (original.sport === undefined || name === 'dccp') return head;
  const ports = `--sport ${original.sport} --dport ${original.dport} --reply-port-src ${reply.sport} --reply-port-dst ${reply.dport} `;
  const tags = vtags === undefined ? '' : `--orig-vtag ${vtags[0]} --reply-vtag ${vtags[1]} `;
  return `${head}${ports}${state === undefined ? '' : `--state ${state} `}${tags}`;
}

const SAVED_COMMANDS: Record<FlowEvent, string> = { new: '-A', update: '-U', destroy: '-D' };

/** A flow as words of conntrack itself, without the line's end. */
export function savedText(flow: ConntrackInfo, what: FlowEvent = 'new'): string {
  const { original, reply, timeout, status } = flow;
  const destination = isTranslated(flow, false) ? '-g' : '-r';
  const source = isTranslated(flow, true) ? '-n' : '-q';
  let text = `${SAVED_COMMANDS[what]} `;
  if (timeout !== undefined) text += `-t ${timeout} `;
  text += `-u ${statusText(status)} ${savedZone(flow)}`;
  text += `-s ${original.src} -d ${original.dst} ${destination} ${reply.src} ${source} ${reply.dst} `;
  return `${text}${savedProtocol(flow)}`.trimEnd();
}

// --- expectations -----------------------------------------------------------------------------------

export function expectationText(one: ExpectationInfo): string {
  const { tuple, mask, master } = one;
  const ports = (end: FlowEnd): string => endText(end).replace(/^src=\S+ dst=\S+ /, '');
  const head = `${one.timeout} proto=${one.protocol} ${endText(tuple)}`;
  const masks = `mask-src=${mask.src} mask-dst=${mask.dst} ${ports(mask)}`;
  const masters = `master-src=${master.src} master-dst=${master.dst} ${ports(master)}`;
  const helper = one.helper === undefined ? '' : ` helper=${one.helper}`;
  return `${head}${masks}${masters}class=${one.class}${helper}`;
}

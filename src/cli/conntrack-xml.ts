/*
 * Flows as `conntrack -o xml` prints them. What it leaves out (types of ICMP) or gets wrong (SCTP's states have TCP's names) is so here, too.
 */
import {
  type ConntrackInfo,
  type ExpectationInfo,
  type FlowEnd,
  FlowStatus,
  SCTP_STATES,
  TCP_STATES,
} from '../control/api/conntrack.js';
import type { FlowEvent, FlowFormat } from './conntrack-format.js';
import { PROTOCOL_NAMES } from './conntrack-names.js';

export const XML_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n';

function tag(name: string, value: string | number): string {
  return `<${name}>${value}</${name}>`;
}

function layer3(family: number, inner: string): string {
  const head = family === 6 ? 'protonum="10" protoname="ipv6"' : 'protonum="2" protoname="ipv4"';
  return `<layer3 ${head}>${inner}</layer3>`;
}

function layer4(protocol: number, inner: string): string {
  const name = PROTOCOL_NAMES.get(protocol) ?? 'unknown';
  return `<layer4 protonum="${protocol}" protoname="${name}">${inner}</layer4>`;
}

function portTags({ sport, dport, srckey, dstkey }: FlowEnd): string {
  if (sport !== undefined) return tag('sport', sport) + tag('dport', dport ?? 0);
  if (srckey === undefined) return '';
  return tag('srckey', `0x${srckey.toString(16)}`) + tag('dstkey', `0x${(dstkey ?? 0).toString(16)}`);
}

function direction(flow: ConntrackInfo, name: 'original' | 'reply'): string {
  const end = flow[name];
  const addresses = layer3(flow.family, tag('src', end.src) + tag('dst', end.dst));
  const zone = flow.zone_of === name ? tag('zone', flow.zone ?? 0) : '';
  const counters =
    end.packets === undefined ? '' : tag('counters', tag('packets', end.packets) + tag('bytes', end.bytes ?? 0));
  return `<meta direction="${name}">${addresses}${layer4(flow.protocol, portTags(end))}${zone}${counters}</meta>`;
}

function stateTag({ protocol, state }: ConntrackInfo): string {
  if (state === undefined) return '';
  return tag('state', protocol === 132 ? TCP_STATES[SCTP_STATES.indexOf(state)] : state);
}

function times({ start_us: start, stop_us: stop }: ConntrackInfo, isWhole: boolean): string {
  if (start === undefined) return '';
  const inner = tag('start', `${start}000`) + (stop === undefined ? '' : tag('stop', `${stop}000`));
  const delta =
    stop === undefined ? Math.floor(Date.now() / 1000) - Math.floor(start / 1e6) : Math.floor((stop - start) / 1e6);
  return (isWhole ? tag('timestamp', inner) : '') + tag('deltatime', delta);
}

function independent(flow: ConntrackInfo, format: FlowFormat): string {
  const { status, mark, zone, zone_of: zoneOf, labels } = flow;
  let text = stateTag(flow);
  if (flow.timeout !== undefined) text += tag('timeout', flow.timeout);
  if (mark !== undefined) text += tag('mark', mark);
  const named = labels === undefined ? [] : (format.labels?.text(labels) ?? []);
  if (named.length !== 0) text += tag('labels', named.map((name) => tag('label', name)).join(''));
  if (zone !== undefined && zoneOf === undefined) text += tag('zone', zone);
  if (format.uses !== undefined) text += tag('use', format.uses);
  text += tag('id', flow.id);
  if ((status & FlowStatus.ASSURED) !== 0) text += '<assured/>';
  if ((status & FlowStatus.SEEN_REPLY) === 0) text += '<unreplied/>';
  return `<meta direction="independent">${text}${times(flow, format.times)}</meta>`;
}

/** When an event was seen (-o timestamp). */
function when(us: number): string {
  const date = new Date(us / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  return tag(
    'when',
    tag('hour', date.getHours()) +
      tag('min', two(date.getMinutes())) +
      tag('sec', two(date.getSeconds())) +
      tag('wday', date.getDay() + 1) +
      tag('day', date.getDate()) +
      tag('month', date.getMonth() + 1) +
      tag('year', date.getFullYear()),
  );
}

/** A flow as one element. `seenUs`: when the event was seen, with -o timestamp. */
export function flowXml(flow: ConntrackInfo, format: FlowFormat, event?: FlowEvent, seenUs?: number): string {
  const head = event === undefined ? '<flow>' : `<flow type="${event}">`;
  const helper = flow.helper === undefined ? '' : tag('helper', flow.helper);
  const seen = seenUs === undefined ? '' : when(seenUs);
  return `${head}${direction(flow, 'original')}${direction(flow, 'reply')}${independent(flow, format)}${helper}${seen}</flow>`;
}

export function expectationXml(one: ExpectationInfo): string {
  const kinds = [
    ['expected', one.tuple],
    ['mask', one.mask],
    ['master', one.master],
  ] as const;
  const addresses = kinds.map(([name, { src, dst }]) => tag(name, tag('src', src) + tag('dst', dst))).join('');
  const ports = kinds.map(([name, end]) => tag(name, portTags(end))).join('');
  const helper = one.helper === undefined ? '' : tag('helper-name', one.helper);
  const meta = tag('meta', `${helper}${tag('timeout', one.timeout)}${tag('class', one.class)}`);
  return `<flow>${layer3(one.family, addresses)}${layer4(one.protocol, ports)}${meta}</flow>`;
}

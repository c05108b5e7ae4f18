/* A flow as `conntrack -L` prints it, but for mark and use. */

import type { FlowInfo, FlowTuple } from '../../src/conntrack/flow-row.js';
import { Status } from '../../src/conntrack/flows.js';
import { formatIpv4, formatIpv6 } from '../../src/wire/format.js';

const NAMES: Record<number, string> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  33: 'dccp',
  47: 'gre',
  58: 'icmpv6',
  132: 'sctp',
  136: 'udplite',
};
const TCP = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];
const SCTP = [
  'NONE',
  'CLOSED',
  'COOKIE_WAIT',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECD',
  'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT',
];

function address(words: number[], isIpv6: boolean): string {
  if (!isIpv6) return formatIpv4(words[0]);
  const bytes = new Uint8Array(16);
  words.forEach((word, i) => {
    new DataView(bytes.buffer).setInt32(4 * i, word);
  });
  return formatIpv6(bytes, 0);
}

function ports(protocol: number, tuple: FlowTuple): string {
  if (protocol === 1 || protocol === 58) return ` type=${tuple.type} code=${tuple.code} id=${tuple.id}`;
  if (protocol === 33) return ' sport=0 dport=0';
  if (protocol === 47)
    return ` srckey=0x${tuple.sourcePort.toString(16)} dstkey=0x${tuple.destinationPort.toString(16)}`;
  return NAMES[protocol] === undefined ? '' : ` sport=${tuple.sourcePort} dport=${tuple.destinationPort}`;
}

export function flowText(flow: FlowInfo): string {
  const { protocol } = flow;
  const side = (i: 0 | 1, tuple: FlowTuple): string =>
    `src=${address(tuple.source, flow.isIpv6)} dst=${address(tuple.destination, flow.isIpv6)}${ports(protocol, tuple)}` +
    ` packets=${flow.packets[i]} bytes=${flow.bytes[i]}`;
  const state = protocol === 6 ? ` ${TCP[flow.state]}` : protocol === 132 ? ` ${SCTP[flow.state]}` : '';
  const unreplied = (flow.status & Status.SEEN_REPLY) === 0 ? ' [UNREPLIED]' : '';
  const assured = (flow.status & Status.ASSURED) === 0 ? '' : ' [ASSURED]';
  const name = NAMES[protocol] ?? 'unknown';
  const left = Math.ceil(flow.leftMs / 1000);
  return `${name} ${protocol} ${left}${state} ${side(0, flow.original)}${unreplied} ${side(1, flow.reply)}${assured}`;
}

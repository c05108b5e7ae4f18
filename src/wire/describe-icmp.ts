/* ICMP, ICMPv6 and IGMP as tcpdump words them; see wire/describe.ts. */
import type { Printer } from './describe-printer.js';
import { Icmp, Icmp6Type, IcmpType } from './icmp.js';
import { Ipv4, Protocol } from './ipv4.js';
import { Ipv6 } from './ipv6.js';

const ICMP_NAMES: Record<number, string> = {
  0: 'echo reply',
  3: 'unreachable',
  4: 'source quench',
  5: 'redirect',
  8: 'echo request',
  9: 'router advertisement',
  10: 'router solicitation',
  11: 'time exceeded',
  12: 'parameter problem',
  13: 'time stamp request',
  14: 'time stamp reply',
  15: 'information request',
  16: 'information reply',
  17: 'address mask request',
};

export function icmp(printer: Printer, at: number, length: number): void {
  printer.protocol = 'icmp';
  const type = printer.u8(at);
  const code = printer.u8(at + Icmp.CODE);
  printer.print(`ICMP ${icmpText(printer, at, type, code)}, length ${length}`);
}

function icmpText(printer: Printer, at: number, type: number, code: number): string {
  switch (type) {
    case IcmpType.ECHO_REQUEST:
    case IcmpType.ECHO_REPLY: {
      const word = type === IcmpType.ECHO_REQUEST ? 'request' : 'reply';
      return `echo ${word}, id ${printer.u16(at + Icmp.ECHO_ID)}, seq ${printer.u16(at + Icmp.ECHO_SEQUENCE)}`;
    }
    case IcmpType.UNREACHABLE:
      return unreachable(printer, at, code);
    case IcmpType.REDIRECT:
      return redirect(printer, at, code);
    case IcmpType.TIME_EXCEEDED:
      printer.need(at + Icmp.BYTES, Ipv4.BYTES);
      if (code > 1) return `time exceeded-#${code}`;
      return code === 0 ? 'time exceeded in-transit' : 'ip reassembly time exceeded';
    case 12:
      return `parameter problem - ${code === 0 ? `octet ${printer.u8(at + 4)}` : `code ${code}`}`;
    default:
      return ICMP_NAMES[type] ?? `type-#${type}`;
  }
}

/** Code → words before and behind the destination. */
const UNREACHABLE: Record<number, [string, string]> = {
  0: ['net ', ' unreachable'],
  1: ['host ', ' unreachable'],
  5: ['', ' unreachable - source route failed'],
  6: ['net ', ' unreachable - unknown'],
  7: ['host ', ' unreachable - unknown'],
  8: ['', ' unreachable - source host isolated'],
  9: ['net ', ' unreachable - admin prohibited'],
  10: ['host ', ' unreachable - admin prohibited'],
  11: ['net ', ' unreachable - tos prohibited'],
  12: ['host ', ' unreachable - tos prohibited'],
  13: ['host ', ' unreachable - admin prohibited filter'],
  14: ['host ', ' unreachable - host precedence violation'],
  15: ['host ', ' unreachable - precedence cutoff'],
};

function unreachable(printer: Printer, at: number, code: number): string {
  const inner = at + Icmp.BYTES;
  const destination = () => printer.ipv4(inner + Ipv4.DESTINATION);
  if (code === 2) return `${destination()} protocol ${printer.u8(inner + Ipv4.PROTOCOL)} unreachable`;
  if (code === 3) {
    const protocol = printer.u8(inner + Ipv4.PROTOCOL);
    const port = printer.u16(inner + ((printer.u8(inner) & 15) << 2) + 2);
    return `${destination()} ${portWords(protocol, port)} unreachable`;
  }
  if (code === 4) {
    const mtu = printer.u16(at + 6);
    return `${destination()} unreachable - need to frag${mtu === 0 ? '' : ` (mtu ${mtu})`}`;
  }
  const [before, behind] = UNREACHABLE[code] ?? ['', ` unreachable - #${code}`];
  return before + destination() + behind;
}

function portWords(protocol: number, port: number): string {
  if (protocol === Protocol.TCP) return `tcp port ${port}`;
  return protocol === Protocol.UDP ? `udp port ${port}` : `protocol ${protocol} port ${port}`;
}

function redirect(printer: Printer, at: number, code: number): string {
  const target = printer.ipv4(at + Icmp.BYTES + Ipv4.DESTINATION);
  const gateway = printer.ipv4(at + 4);
  if (code > 3) return `redirect-#${code} ${target} to ${gateway}`;
  return `redirect${code > 1 ? '-tos' : ''} ${target} to ${(code & 1) === 0 ? 'net' : 'host'} ${gateway}`;
}

const ICMP6_NAMES: Record<number, string> = {
  1: 'destination unreachable',
  2: 'packet too big',
  3: 'time exceeded in-transit',
  4: 'parameter problem',
  128: 'echo request',
  129: 'echo reply',
  130: 'multicast listener query',
  131: 'multicast listener report',
  132: 'multicast listener done',
  133: 'router solicitation',
  134: 'router advertisement',
  135: 'neighbor solicitation',
  136: 'neighbor advertisement',
  137: 'redirect',
  143: 'multicast listener report v2',
};

export function icmp6(printer: Printer, at: number, length: number): void {
  printer.protocol = 'icmp6';
  if (length === 0) {
    printer.print('ICMP6, length 0 (invalid)');
    return;
  }
  const type = printer.u8(at);
  printer.print(`ICMP6, ${ICMP6_NAMES[type] ?? `unknown icmp6 type (${type})`}`);
  const code = printer.u8(at + Icmp.CODE);
  icmp6Body(printer, at, length, type, code);
  printer.print(`, length ${length}`);
}

function icmp6Body(printer: Printer, at: number, length: number, type: number, code: number): void {
  switch (type) {
    case Icmp6Type.UNREACHABLE:
      unreachable6(printer, at, code);
      break;
    case Icmp6Type.PACKET_TOO_BIG:
      printer.print(`, mtu ${printer.u32(at + 4)}`);
      break;
    case Icmp6Type.TIME_EXCEEDED:
      timeExceeded6(printer, at, code);
      break;
    case Icmp6Type.PARAMETER_PROBLEM:
      printer.need(at + Icmp.BYTES, Ipv6.BYTES);
      printer.print(parameterProblem(printer, at, code));
      break;
    case Icmp6Type.ECHO_REQUEST:
    case Icmp6Type.ECHO_REPLY:
      printer.print(`, id ${printer.u16(at + Icmp.ECHO_ID)}, seq ${printer.u16(at + Icmp.ECHO_SEQUENCE)}`);
      break;
    case Icmp6Type.NEIGHBOR_SOLICITATION:
      printer.print(`, who has ${printer.ipv6(at + Icmp.NEIGHBOR_TARGET)}`);
      break;
    case Icmp6Type.NEIGHBOR_ADVERTISEMENT:
      printer.print(`, tgt is ${printer.ipv6(at + Icmp.NEIGHBOR_TARGET)}`);
      break;
    case Icmp6Type.REDIRECT:
      printer.print(`, ${printer.ipv6(at + 24)}`);
      printer.print(` to ${printer.ipv6(at + 8)}`);
      break;
    default:
      listener(printer, at, length, type);
  }
}

const UNREACHABLE6: Record<number, string> = {
  0: 'unreachable route',
  1: ' unreachable prohibited',
  2: 'beyond scope',
  3: 'unreachable address',
  4: 'unreachable port',
};

function unreachable6(printer: Printer, at: number, code: number): void {
  const inner = at + Icmp.BYTES;
  printer.print(`, ${UNREACHABLE6[code] ?? `unknown unreach code (${code})`}`);
  if (code > 4) return;
  if (code === 4) {
    const protocol = printer.u8(inner + Ipv6.NEXT_HEADER);
    const port = portWords(protocol, printer.u16(inner + Ipv6.BYTES + 2));
    printer.print(`, ${printer.ipv6(inner + Ipv6.DESTINATION)} ${port}`);
    return;
  }
  printer.print(` ${printer.ipv6(inner + Ipv6.DESTINATION)}`);
  if (code === 2) printer.print(`, source address ${printer.ipv6(inner + Ipv6.SOURCE)}`);
}

function timeExceeded6(printer: Printer, at: number, code: number): void {
  if (code === 0) printer.print(` for ${printer.ipv6(at + Icmp.BYTES + Ipv6.DESTINATION)}`);
  else printer.print(code === 1 ? ' (reassembly)' : `, unknown code (${code})`);
}

const PARAMETERS = ['erroneous', 'next header', 'option', 'incomplete header chain'];

function parameterProblem(printer: Printer, at: number, code: number): string {
  return code < PARAMETERS.length ? `, ${PARAMETERS[code]} - octet ${printer.u32(at + 4)}` : `, code-#${code}`;
}

/** MLD (RFC 2710) and MLDv2 (RFC 3810). */
function listener(printer: Printer, at: number, length: number, type: number): void {
  const isQuery = type === Icmp6Type.MLD_QUERY;
  if (type === Icmp6Type.MLD2_REPORT) {
    printer.print(length < 8 ? ` [invalid len ${length}]` : `, ${printer.u16(at + 6)} group record(s)`);
  } else if (isQuery && length >= 28) {
    printer.print(` v2 [gaddr ${printer.ipv6(at + 8)}`);
    const sources = printer.u16(at + 26);
    printer.print(
      sources === 0
        ? ']'
        : `${length < 28 + sources * 16 ? ' [invalid number of sources]' : `, ${sources} source(s)`}]`,
    );
  } else if (isQuery && length !== 24) {
    printer.print(` unknown-version (len ${length}) `);
  } else if ((isQuery || type === Icmp6Type.MLD_REPORT || type === Icmp6Type.MLD_DONE) && printer.has(at, 24)) {
    printer.print(`max resp delay: ${printer.u16(at + 4)} addr: ${printer.ipv6(at + 8)}`);
  }
}

const IGMP_NAMES: Record<number, string> = { 19: 'igmp dvmrp', 20: 'igmp pimv1' };

export function igmp(printer: Printer, at: number, length: number): void {
  printer.protocol = 'igmp';
  const type = printer.u8(at);
  switch (type) {
    case 0x11:
      printer.print('igmp query');
      printer.print(length >= 12 ? igmpQuery3(printer, at, length) : igmpQuery(printer, at, length));
      break;
    case 0x12:
      printer.print(`igmp v1 report ${printer.ipv4(at + 4)}${length === 8 ? '' : ` [len ${length}]`}`);
      break;
    case 0x16:
      printer.print(`igmp v2 report ${printer.ipv4(at + 4)}`);
      break;
    case 0x17:
      printer.print(`igmp leave ${printer.ipv4(at + 4)}`);
      break;
    case 0x22:
      printer.print('igmp v3 report');
      printer.print(isReport3(length) ? `, ${printer.u16(at + 6)} group record(s)` : ` [invalid len ${length}]`);
      break;
    default:
      printer.print(IGMP_NAMES[type] ?? `igmp-${type}`);
  }
}

function isReport3(length: number): boolean {
  return length >= 16 && (length & 3) === 0;
}

function igmpQuery(printer: Printer, at: number, length: number): string {
  const delay = printer.u8(at + 1);
  const time = delay === 0 || delay === 100 ? '' : ` [max resp time ${delay}]`;
  const group = printer.u32(at + 4) === 0 ? '' : ` [gaddr ${printer.ipv4(at + 4)}]`;
  return `${delay === 0 ? ' v1' : ' v2'}${time}${group}${length === 8 ? '' : ` [len ${length}]`}`;
}

function igmpQuery3(printer: Printer, at: number, length: number): string {
  if ((length & 3) !== 0) return ` v3 [invalid len ${length}]`;
  const code = printer.u8(at + 1);
  // Tenths of a second; from 128 a small floating-point number (RFC 3376 §4.1.1).
  const delay = code < 128 ? code : ((code & 15) | 16) << (((code & 0x70) >> 4) + 3);
  const time = code === 100 ? '' : ` [max resp time ${tenths(delay)}]`;
  if (printer.u32(at + 4) === 0) return ` v3${time}`;
  const sources = printer.u16(at + 10);
  const list = length < 12 + sources * 4 ? ' [invalid number of sources]' : `, ${sources} source(s)`;
  return ` v3${time} [gaddr ${printer.ipv4(at + 4)}${sources === 0 ? '' : list}]`;
}

/** Tenths of a second, below an hour. */
function tenths(time: number): string {
  if (time < 600) return `${(time / 10).toFixed(1)}s`;
  const seconds = Math.floor(time / 10) % 60;
  return `${Math.floor(time / 600)}m${seconds === 0 ? '' : `${seconds}s`}`;
}

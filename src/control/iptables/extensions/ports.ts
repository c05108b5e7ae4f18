/*
 * Ports that tcp, udp, sctp and dccp compare: text, and the place in the rule's box.
 */
import { Op, PortsOp } from '../../../netfilter/ops.js';
import { Rule, RuleFlag } from '../../../netfilter/rule.js';
import type { RuleWords, Use } from '../extension.js';
import type { Range } from '../given.js';
import { portName } from '../services.js';

export interface Ports extends Range {
  isInverted: boolean;
}

const ANY: Readonly<Ports> = { low: 0, high: 0xffff, isInverted: false };

export function anyPorts(): Readonly<Ports> {
  return ANY;
}

function isAny(ports: Ports): boolean {
  return ports.low === 0 && ports.high === 0xffff;
}

/** " --sport 1:2". */
export function savePorts(option: string, ports: Ports, isAlways = false): string {
  if (isAny(ports) && !isAlways) return '';
  const range = ports.low === ports.high ? `${ports.low}` : `${ports.low}:${ports.high}`;
  return `${ports.isInverted ? ' !' : ''} --${option} ${range}`;
}

/** " spt:!http", " dpts:1:2"; the protocol's names of ports unless numeric. */
export function listPorts(label: string, ports: Ports, protocol: string, isNumeric: boolean): string {
  if (isAny(ports) && !ports.isInverted) return '';
  const name = (port: number) => (isNumeric ? undefined : portName(port, protocol)) ?? `${port}`;
  const not = ports.isInverted ? '!' : '';
  if (ports.low === ports.high) return ` ${label}:${not}${name(ports.low)}`;
  return ` ${label}s:${not}${name(ports.low)}:${name(ports.high)}`;
}

function word(ports: Ports): number {
  return (ports.low << 16) | ports.high;
}

/** Into the box; a second match's, or those of any protocol but one, into the program. */
export function encodePorts(source: Ports, destination: Ports, into: RuleWords, use: Use): void {
  if (into.hasPorts || use.isNotProtocol || use.protocol === 0) {
    const flags = (source.isInverted ? PortsOp.NOT_SOURCE : 0) | (destination.isInverted ? PortsOp.NOT_DESTINATION : 0);
    into.add(Op.PORTS, [word(source), word(destination)], flags);
    return;
  }
  into.hasPorts = true;
  into.row[Rule.SOURCE_PORTS] = word(source);
  into.row[Rule.DESTINATION_PORTS] = word(destination);
  into.row[Rule.FLAGS] |=
    RuleFlag.HAS_PORTS |
    (source.isInverted ? RuleFlag.NOT_SOURCE_PORTS : 0) |
    (destination.isInverted ? RuleFlag.NOT_DESTINATION_PORTS : 0);
}

export interface PortPair {
  source?: Ports;
  destination?: Ports;
}

/** Any port, inverted: the real tool forgets it, and the rule matches as if nothing had been said of ports. */
export function isForgotten(ports: Ports | undefined): boolean {
  return ports?.isInverted === true && isAny(ports);
}

export function saysNothing(ports: Ports | undefined): boolean {
  return ports === undefined || isAny(ports);
}

/** As the real tool stores them: what is not up to a port is above it. */
export function storedPorts<T extends PortPair>(pair: T): T {
  const kept = { ...pair };
  for (const side of ['source', 'destination'] as const) {
    const ports = above(pair[side]);
    if (ports === undefined) delete kept[side];
    else kept[side] = ports;
  }
  return kept;
}

function above(ports: Ports | undefined): Ports | undefined {
  if (ports === undefined || !ports.isInverted) return ports;
  if (isAny(ports)) return undefined;
  return ports.low === 0 && ports.high > 0 ? { low: ports.high + 1, high: 0xffff, isInverted: false } : ports;
}

/** Whether both say something of the source's port, or of the destination's. */
export function hasSamePort(one: PortPair, other: PortPair): boolean {
  const isBoth = (side: keyof PortPair) => one[side] !== undefined && other[side] !== undefined;
  return isBoth('source') || isBoth('destination');
}

/** " --sport 1024:65535 --dport 80", each once, in this order. */
export function readPlainPorts(text: string, at: number, end: number): PortPair | undefined {
  const pair: PortPair = {};
  let next = at;
  if (text.startsWith(SOURCE, next)) {
    pair.source = { low: 0, high: 0, isInverted: false };
    next = plainRange(text, next + SOURCE.length, end, pair.source);
  }
  if (text.startsWith(DESTINATION, next)) {
    pair.destination = { low: 0, high: 0, isInverted: false };
    next = plainRange(text, next + DESTINATION.length, end, pair.destination);
  }
  return next === end ? pair : undefined;
}

const SOURCE = ' --sport ';
const DESTINATION = ' --dport ';

/** Where it ends; -1: it is no range of plain numbers. */
function plainRange(text: string, at: number, end: number, into: Ports): number {
  const colon = plainPort(text, at, end);
  into.low = $port;
  into.high = $port;
  if (colon < 0 || colon === end || text.charCodeAt(colon) !== COLON) return colon;
  const behind = plainPort(text, colon + 1, end);
  into.high = $port;
  return into.low > into.high ? -1 : behind;
}

const ZERO = 48;
const COLON = 58;
let $port = 0;

function plainPort(text: string, at: number, end: number): number {
  let next = at;
  let port = 0;
  for (; next < end; next++) {
    const digit = text.charCodeAt(next) - ZERO;
    if (digit < 0 || digit > 9) break;
    port = port * 10 + digit;
  }
  $port = port;
  const isOctal = text.charCodeAt(at) === ZERO && next > at + 1;
  return next === at || next > at + 5 || port > 0xffff || isOctal ? -1 : next;
}

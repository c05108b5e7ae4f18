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

export function anyPorts(): Ports {
  return { low: 0, high: 0xffff, isInverted: false };
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

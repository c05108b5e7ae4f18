/*
 * What rules have to say of packets (LOG, NFLOG, TRACE), as lines of the daemon's log. TRACE is told as the kernel's old tables tell it:
 *
 *   TRACE: filter:FORWARD:rule:2 IN=e0 OUT=e1 MAC=… SRC=…        also :return: and :policy:
 */

import type { TraceStep } from '../netfilter/log.js';
import { Family } from '../netfilter/rule.js';
import type { PacketLine, PacketLog } from './engine-log.js';
import { chainNumbered, isUnconditional, ruleNumbered } from './iptables/find.js';
import type { Iptables } from './iptables/iptables.js';
import type { Chain } from './iptables/model.js';
import type { LogLevel } from './log.js';

/** Of syslog's levels: emerg to err, warning, notice and info, debug. */
const LEVELS: readonly LogLevel[] = ['error', 'error', 'error', 'error', 'warn', 'info', 'info', 'debug'];
const WARNING = 4;

export interface LogLine {
  level: LogLevel;
  namespace: number;
  text: string;
}

/** What one message of the engine comes to. */
export function linesOf({ packetLog, missed }: PacketLog, iptables: Iptables): LogLine[] {
  const line = 'kind' in packetLog ? traceLine(packetLog, iptables) : plainLine(packetLog);
  if (missed === 0) return [line];
  return [{ ...line, level: 'warn', text: `${missed} lines of LOG, NFLOG and TRACE found no room` }, line];
}

function plainLine({ namespace, level, line }: PacketLine): LogLine {
  return { level: LEVELS[level & 7], namespace, text: line };
}

function traceLine(step: TraceStep, iptables: Iptables): LogLine {
  const { namespace, family, chain: number, line } = step;
  const chain = chainNumbered(iptables.ruleset(namespace, family === Family.IPV6 ? Family.IPV6 : Family.IPV4), number);
  const place = chain === undefined ? `?:${number}:${step.kind}:${step.rule}` : placeOf(chain, step);
  return { level: LEVELS[WARNING], namespace, text: `TRACE: ${place} ${line}` };
}

/** The end of a chain is its last rule there, and so is one of the user's that has no matches and a verdict. */
function placeOf(chain: Chain, { kind, rule: number }: TraceStep): string {
  const front = `${chain.table.kind.name}:${chain.name}`;
  if (kind !== 'rule') return `${front}:${kind}:${chain.rules.length + 1}`;
  const found = ruleNumbered(chain, number);
  if (found === undefined) return `${front}:rule:?`;
  const { rule, position } = found;
  const isVerdict = rule.jump.target === undefined && rule.chain === undefined && rule.jump.name !== '';
  if (!isVerdict || !isUnconditional(rule)) return `${front}:rule:${position}`;
  return `${front}:${chain.isBase ? 'policy' : 'return'}:${position}`;
}

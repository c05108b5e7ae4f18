/*
 * Errors in the words of the real tool, and its exit status.
 */
import { Family } from '../../netfilter/rule.js';
import { Answer } from './command.js';
import { Failure, LineFailure, LineProblem, Rejected, type Rejection } from './failures.js';
import { helpText } from './help.js';
import { Exit, Problem } from './problem.js';
import { Stop } from './restore.js';
import { End } from './tool-words.js';

/** What a request prints. */
export class Output {
  stdout = '';
  stderr = '';
}

export function familyOf(tool: string): Family {
  return tool.startsWith('ip6') ? Family.IPV6 : Family.IPV4;
}

/** Puts an error into words; answers the exit status. */
export function tell(error: unknown, tool: string, output: Output): number {
  if (error instanceof Problem) return tellProblem(error, 0, tool, output);
  if (error instanceof LineProblem) return tellProblem(error.problem, error.line, tool, output);
  if (error instanceof Answer) {
    output.stdout += error.helpFor === undefined ? error.stdout : helpText(tool, familyOf(tool), error.helpFor);
    return 0;
  }
  if (error instanceof End) {
    output.stdout += error.stdout;
    output.stderr += error.stderr;
    return error.status;
  }
  if (error instanceof Rejected) return tellRejected(error.rejections, tool, output);
  if (error instanceof Failure) output.stderr += `${tool}: ${error.message}\n`;
  else if (error instanceof LineFailure) {
    output.stderr += `${tool}: line ${error.line} failed: ${error.failure.message}\n`;
  } else if (error instanceof Stop) output.stderr += `${error.message}\n`;
  else throw error;
  return Exit.OTHER;
}

function tellProblem(problem: Problem, line: number, tool: string, output: Output): number {
  const { message, status, isBare } = problem;
  const isRestore = tool.endsWith('-restore');
  if (message !== '') output.stderr += `${isBare ? '' : `${tool} v1.8.9 (nf_tables): `}${message}\n`;
  if (status === Exit.PARAMETER) {
    if (isRestore) output.stderr += `Error occurred at line: ${line}\n`;
    output.stderr += `Try \`${tool} -h' or '${tool} --help' for more information.\n`;
  } else if (status === Exit.VERSION) output.stderr += 'Perhaps iptables or your kernel needs to be upgraded.\n';
  return status;
}

function tellRejected(rejections: readonly Rejection[], tool: string, output: Output): number {
  const front = `${tool} v1.8.9 (nf_tables): `;
  if (rejections[0].line === 0) output.stderr += `${front} ${rejections[0].text}\n`;
  else output.stderr += `${front}\n${rejections.map(({ line, text }) => `line ${line}: ${text}\n`).join('')}`;
  const reasons = new Set(rejections.flatMap(({ reason }) => reason ?? []));
  const restore = `${tool.startsWith('ip6') ? 'ip6' : 'ip'}tables-restore`;
  for (const reason of reasons) {
    output.stderr += `cannot load ${reason}; leave it out, or use "${restore} --lax"\n`;
  }
  return Exit.RESOURCE;
}

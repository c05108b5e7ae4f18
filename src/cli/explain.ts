/*
 * `sluice explain`: what would become of a packet, step by step, without sending it. The daemon works it out; here it is printed: a line a
 * step, what is within a hook or a chain further to the right.
 */
import type { ExplainRequest, ExplainStep } from '../control/api/explain.js';
import { misuse } from './refusal.js';
import { ipProtocolNumber } from './rt-names.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';
import { parseInteger } from './words.js';

interface ExplainCommand {
  request: ExplainRequest;
  isJson: boolean;
  isPretty: boolean;
}

function port(option: string, text: string): number {
  const number = parseInteger(text);
  if (number === undefined || number < 0 || number > 65_535)
    throw misuse('explain', option, `"${text}" is no port from 0 to 65535`);
  return number;
}

function protocol(text: string): number {
  const number = ipProtocolNumber(text);
  if (number === undefined) throw misuse('explain', '--proto', `"${text}" is no IP protocol`);
  return number;
}

type Setter = (request: ExplainRequest, value: string) => void;

const OPTIONS: Record<string, Setter> = {
  '-i': (request, value) => {
    request.dev = value;
  },
  '--from': (request, value) => {
    request.from = value;
  },
  '--to': (request, value) => {
    request.to = value;
  },
  '--proto': (request, value) => {
    request.proto = protocol(value);
  },
  '--sport': (request, value) => {
    request.sport = port('--sport', value);
  },
  '--dport': (request, value) => {
    request.dport = port('--dport', value);
  },
};

/** `--to B` and `--to=B`. */
function split(word: string): [name: string, value: string | undefined] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

export function parseExplain(words: readonly string[]): ExplainCommand {
  const command: ExplainCommand = { request: { op: 'explain' }, isJson: false, isPretty: false };
  const { request } = command;
  let digits = '';
  for (let at = 0; at < words.length; at++) {
    const [name, given] = split(words[at]);
    if (name === '-j') command.isJson = true;
    else if (name === '-p') command.isPretty = true;
    else if (Object.hasOwn(OPTIONS, name)) {
      const value = given ?? words[++at];
      if (value === undefined || value === '') throw misuse('explain', name, 'it needs a value');
      OPTIONS[name](request, value);
    } else if (name.startsWith('-')) throw misuse('explain', name, 'there is no such option');
    else if (/^[a-z]/i.test(words[at]) && ipProtocolNumber(words[at]) !== undefined)
      throw misuse('explain', words[at], 'it is no frame; a protocol is --proto');
    else digits += words[at];
  }
  if (digits !== '') request.frame = digits;
  check(request);
  return command;
}

function check({ dev, frame, ...made }: ExplainRequest): void {
  const isMade = made.from !== undefined || made.to !== undefined;
  if (frame === undefined && !isMade) throw misuse('explain', '', 'it names no packet');
  if (frame === undefined && made.to === undefined) throw misuse('explain', '', 'the packet goes nowhere without --to');
  if (frame === undefined) return;
  if (Object.keys(made).length > 1) throw misuse('explain', '', 'a frame has addresses and ports of its own');
  if (dev === undefined) throw misuse('explain', '', 'a frame comes in by a link, which -i names');
}

const LABELS: Partial<Record<ExplainStep['step'], (step: ExplainStep) => string>> = {
  hook: ({ hook = '' }) => hook,
  table: ({ table = '' }) => table,
  rule: ({ number }) => (number === undefined ? 'rule' : `rule ${number}`),
  nat: () => 'NAT',
  answer: ({ answer = 0 }) => (answer === 1 ? 'answer' : `answer ${answer}`),
  end: ({ answer }) => (answer === undefined ? 'result' : 'end'),
  remedy: () => 'unless',
};

/** Columns of the first word, and of each step to the right. */
const WIDTH = 13;
const INDENT = 2;

/** One line of text. */
export function stepText(step: ExplainStep): string {
  const label = LABELS[step.step]?.(step) ?? step.step;
  const indent = ' '.repeat(step.depth * INDENT);
  return `${indent}${label.padEnd(WIDTH)}${step.text}`.trimEnd();
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const { request, isJson, isPretty } = parseExplain(words);
    const steps = await session.ask<ExplainStep[]>(request);
    if (isJson) terminal.out(`${JSON.stringify(steps, undefined, isPretty ? 2 : undefined)}\n`);
    else terminal.out(steps.map((step) => `${stepText(step)}\n`).join(''));
    return 0;
  });
}

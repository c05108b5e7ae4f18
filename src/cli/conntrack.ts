/*
 * `conntrack`: flows of a namespace, in the words and with the output of conntrack-tools 1.4.7.
 */
import { readFileSync } from 'node:fs';
import type {
  ConntrackEvent,
  ConntrackFilter,
  ConntrackInfo,
  ConntrackStats,
  ExpectationInfo,
} from '../control/api/conntrack.js';
import { ApiFailure } from '../control/client.js';
import { filterOf, given, newFlow, tupleOf } from './conntrack-flows.js';
import { expectationText, type FlowFormat, flowText, savedText } from './conntrack-format.js';
import { type Command, parseConntrack } from './conntrack-options.js';
import { failed, PROGRAM, summary, wrongWords } from './conntrack-problem.js';
import { expectationXml, flowXml, XML_HEAD } from './conntrack-xml.js';
import { helpText } from './help.js';
import { cannot, strerror } from './refusal.js';
import { inSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';

function formatOf(command: Command, uses?: number): FlowFormat {
  const { output, labels } = command;
  return {
    family: output.has('extended'),
    id: output.has('id'),
    times: output.has('ktimestamp'),
    ...(uses === undefined ? {} : { uses }),
    ...(labels === undefined ? {} : { labels }),
  };
}

/** One flow, with the end of its line. */
function lineOf(
  command: Command,
  flow: ConntrackInfo,
  format: FlowFormat,
  saved: 'new' | 'destroy' | 'update',
): string {
  if (command.output.has('save')) return `${savedText(flow, saved)}\n`;
  return `${command.output.has('xml') ? flowXml(flow, format) : flowText(flow, format)}\n`;
}

// --- commands ---------------------------------------------------------------------------------------

type Run = (session: Session, command: Command) => Promise<number>;

/** Nothing is in these tables: a flow is over at once, and no packet waits between two hooks. */
function isAlwaysEmpty({ table }: Command): boolean {
  return table === 'dying' || table === 'unconfirmed';
}

async function list(session: Session, command: Command): Promise<number> {
  if (command.table === 'expect') return listExpectations(session, command);
  const { terminal } = session;
  const isXml = command.output.has('xml');
  const format = formatOf(command, 1);
  let count = 0;
  const print = (flows: ConntrackInfo[]): boolean => {
    if (flows.length === 0) return true;
    const head = isXml && count === 0 ? `${XML_HEAD}<conntrack>\n` : '';
    count += flows.length;
    terminal.out(head + flows.map((flow) => lineOf(command, flow, format, 'new')).join(''));
    return true;
  };
  if (command.statusMask === 0) throw failed('Operation failed: invalid parameters', UNSET);
  const filter = filterOf(command);
  const isAll = Object.keys(filter).length === 0;
  const request = {
    op: 'conntrack.list',
    ...(isAll ? {} : { filter }),
    ...(command.zero ? { zero: true } : {}),
  } as const;
  if (!isAlwaysEmpty(command)) await session.stream<ConntrackInfo[]>(request, print);
  if (isXml && count > 0) terminal.out('</conntrack>\n');
  terminal.err(summary(`${count} flow entries have been shown.`));
  return 0;
}

const UNSET = 'cannot conntrack -u UNSET: flows are found by bits that are set; name some';

async function listExpectations(session: Session, { family, output }: Command): Promise<number> {
  const { terminal } = session;
  const isXml = output.has('xml');
  let count = 0;
  const request = { op: 'conntrack.expectations', ...(family === undefined ? {} : { family }) } as const;
  await session.stream<ExpectationInfo[]>(request, (found) => {
    if (isXml && count === 0 && found.length > 0) terminal.out(`${XML_HEAD}<expect>\n`);
    count += found.length;
    const time = output.has('timestamp') && !isXml ? seenText(Date.now() * 1000, false) : '';
    for (const one of found) terminal.out(`${time}${isXml ? expectationXml(one) : expectationText(one)}\n`);
    return true;
  });
  if (isXml && count > 0) terminal.out('</expect>\n');
  terminal.err(summary(`${count} expectations have been shown.`));
  return 0;
}

async function get(session: Session, command: Command): Promise<number> {
  const { family = 4, protocol } = command;
  const { tuple, isReply } = tupleOf(command);
  if (isReply)
    throw failed(
      'Operation failed: invalid parameters',
      'cannot show the flow: its original tuple is missing; add --src and --dst',
    );
  const request = { op: 'conntrack.get', family, protocol: protocol?.number ?? 0, tuple } as const;
  const flow = await session.ask<ConntrackInfo>(request).catch((error: unknown) => {
    if (!(error instanceof ApiFailure)) throw error;
    const line = error.error.errno === 'ENOENT' ? "such conntrack doesn't exist" : said(error);
    throw failed(`Operation failed: ${line}`, error.error.message);
  });
  const { terminal } = session;
  const line = lineOf(command, flow, formatOf(command, 2), 'new');
  // As with the real tool its element stays open.
  terminal.out(command.output.has('xml') ? `${XML_HEAD}<conntrack>\n${line}` : line);
  terminal.err(summary('1 flow entries have been shown.'));
  return 0;
}

/** What the real tool says of a refusal by the table. */
function said({ error }: ApiFailure): string {
  if (error.errno === 'EINVAL') return 'invalid parameters';
  if (error.errno === 'EPERM') return 'sorry, you must be root or get CAP_NET_ADMIN capability to do this';
  if (error.errno === 'EEXIST') return 'Such conntrack exists, try -U to update';
  return strerror(error.errno);
}

async function create(session: Session, command: Command): Promise<number> {
  const isAdd = command.letter === 'A';
  const made = await session
    .ask({ op: 'conntrack.create', flow: newFlow(command), pid: process.pid })
    .then(() => 1)
    .catch((error: unknown) => {
      if (!(error instanceof ApiFailure)) throw error;
      if (isAdd && error.error.errno === 'EEXIST') return 0;
      throw failed(`Operation failed: ${said(error)}`, error.error.message);
    });
  if (!isLoading(command))
    session.terminal.err(summary(`${made} flow entries have been ${isAdd ? 'added' : 'created'}.`));
  return 0;
}

async function remove(session: Session, command: Command): Promise<number> {
  const { terminal } = session;
  const format = formatOf(command, 1);
  let count = 0;
  if (command.statusMask === 0) throw failed('Operation failed: invalid parameters', UNSET);
  const request = { op: 'conntrack.delete', filter: filterOf(command), pid: process.pid } as const;
  await session.stream<ConntrackInfo[]>(request, (flows) => {
    count += flows.length;
    terminal.out(flows.map((flow) => lineOf(command, flow, format, 'destroy')).join(''));
    return true;
  });
  if (isLoading(command)) return 0;
  terminal.err(summary(`${count} flow entries have been deleted.`));
  return count === 0 ? 1 : 0;
}

/** The real tool shows the first one only of the flows that it has changed. */
async function update(session: Session, command: Command): Promise<number> {
  const { terminal } = session;
  const { mark, timeout, status, values, addLabels, removeLabels } = command;
  const change = given({
    mark,
    timeout,
    status,
    state: values.state,
    add_labels: addLabels,
    remove_labels: removeLabels,
  });
  const filter = filterOf(command, true);
  if (command.family === undefined) return updateNothing(session, filter, Object.keys(change).length > 0);
  let count = 0;
  const print = (flows: ConntrackInfo[]): boolean => {
    if (count === 0 && flows.length > 0) terminal.out(lineOf(command, flows[0], formatOf(command, 2), 'new'));
    count += flows.length;
    return true;
  };
  await session
    .stream<ConntrackInfo[]>({ op: 'conntrack.update', filter, change, pid: process.pid }, print)
    .catch((error: unknown) => {
      if (!(error instanceof ApiFailure)) throw error;
      const line = `Operation failed: ${said(error)}`;
      throw failed(line, error.error.message, `${line}\n`);
    });
  if (!isLoading(command)) terminal.err(summary(`${count} flow entries have been updated.`));
  return count === 0 ? 1 : 0;
}

/** Without a family the kernel refuses the first flow that would change. */
async function updateNothing(session: Session, filter: ConntrackFilter, isChange: boolean): Promise<number> {
  let isMeant = false;
  if (isChange)
    await session.stream<ConntrackInfo[]>({ op: 'conntrack.list', filter }, (flows) => {
      isMeant ||= flows.length > 0;
      return true;
    });
  if (isMeant) {
    const line = 'Operation failed: Operation not supported';
    throw failed(line, cannot('conntrack -U', '', 'no family is said', 'add an address, or -f ipv4'), `${line}\n`);
  }
  session.terminal.err(summary('0 flow entries have been updated.'));
  return 1;
}

async function flush(session: Session, command: Command): Promise<number> {
  const { family, table } = command;
  if (table === 'expect') {
    await session.ask({ op: 'conntrack.forget_expectations' });
    session.terminal.err(summary('expectation table has been emptied.'));
    return 0;
  }
  await session.ask({ op: 'conntrack.flush', pid: process.pid, ...(family === undefined ? {} : { family }) });
  if (!isLoading(command)) session.terminal.err(summary('connection tracking table has been emptied.'));
  return 0;
}

async function count(session: Session, { table }: Command): Promise<number> {
  const found = await session.ask<{ flows: number; expectations: number }>({ op: 'conntrack.count' });
  session.terminal.out(`${table === 'expect' ? found.expectations : found.flows}\n`);
  return 0;
}

/** There is one writer, so there is one line, that of the first processor. */
async function stats(session: Session, { table }: Command): Promise<number> {
  const found = await session.ask<ConntrackStats>({ op: 'conntrack.stats' });
  const { expect_new: expectNew, ...flows } = found;
  const fields = table === 'expect' ? { expect_new: expectNew, expect_create: 0, expect_delete: 0 } : flows;
  const text = Object.entries(fields).map(([name, value]) => `${name}=${value} `);
  session.terminal.out(`cpu=0   \t${text.join('')}\n`);
  return 0;
}

// --- events -----------------------------------------------------------------------------------------

/** The real tool pads µs to six places, of expectations on the right. */
function seenText(us: number, isFlow: boolean): string {
  const fraction = String(us % 1e6);
  return `[${Math.floor(us / 1e6)}.${isFlow ? fraction.padStart(6, '0') : fraction.padEnd(6)}]\t`;
}

function eventLine(command: Command, { flow, event, ts_us: seen, pid }: ConntrackEvent): string {
  const { output } = command;
  const format = formatOf(command);
  const origin = pid === undefined ? '' : ` [USERSPACE] portid=${pid}`;
  if (output.has('save')) return `${savedText(flow, event)}${origin}\n`;
  if (output.has('xml'))
    return `${flowXml(flow, format, event, output.has('timestamp') ? seen : undefined)}${origin}\n`;
  const time = output.has('timestamp') ? seenText(seen, true) : '';
  return `${time}${flowText(flow, format, event)}${origin}\n`;
}

const EVENT_NAMES = { new: 'NEW', update: 'UPDATES', destroy: 'DESTROY' } as const;

async function events(session: Session, command: Command): Promise<number> {
  const { terminal } = session;
  const { events: wanted, output } = command;
  let seen = 0;
  const print = (event: ConntrackEvent): boolean => {
    if (wanted !== undefined && !wanted.has('ALL') && !wanted.has(EVENT_NAMES[event.event])) return true;
    const head = output.has('xml') && seen === 0 ? `${XML_HEAD}<conntrack>\n` : '';
    terminal.out(head + eventLine(command, event));
    seen++;
    return true;
  };
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await Promise.race([
    session.stream<ConntrackEvent>({ op: 'conntrack.events', filter: filterOf(command) }, print),
    stopped,
  ]);
  if (output.has('xml') && seen > 0) terminal.out('</conntrack>\n');
  terminal.err(summary(`${seen} flow events have been shown.`));
  return 0;
}

// --- the verb ---------------------------------------------------------------------------------------

const COMMANDS: Readonly<Record<string, Run>> = {
  L: list,
  I: create,
  A: create,
  D: remove,
  U: update,
  G: get,
  F: flush,
  E: events,
  C: count,
  S: stats,
};

const loaded = new WeakSet<Command>();

/** Commands of a file do not say what they have done. */
function isLoading(command: Command): boolean {
  return loaded.has(command);
}

function parseLine(line: string, err: Terminal['err']): Command[] {
  const words = line.trim().split(/\s+/);
  if (words[0] === '' || words[0].startsWith('#')) return [];
  const command = parseConntrack(words, err);
  const { letter } = command;
  if (letter === undefined) {
    const line = "Cannot use command `unknown' with --load-file";
    throw wrongWords(line, words[0], 'a line has to name a command', 'write -A, -D, -F, -I or -U in front');
  }
  if (!'IADUF'.includes(letter)) {
    const line = `Cannot use command \`-${letter}' with --load-file`;
    throw wrongWords(line, `-${letter}`, 'it changes nothing', 'leave it out');
  }
  loaded.add(command);
  return [command];
}

function readCommands(file: string, err: Terminal['err']): Command[] {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch {
    throw wrongWords(`Failed to open file ${file} for reading`, file, 'it cannot be read', 'name another');
  }
  return text.split('\n').flatMap((line) => parseLine(line, err));
}

/** -R FILE: all lines are read before the first is carried out; the first that fails ends it. */
async function load(session: Session, file: string): Promise<number> {
  for (const command of readCommands(file, session.terminal.err))
    await COMMANDS[command.letter ?? 'h'](session, command);
  return 0;
}

function usage({ protocol }: Command): string {
  if (protocol === undefined) return helpText(['conntrack']);
  const names = protocol.options.map(({ names }) => `--${names[0]}`);
  return `${helpText(['conntrack'])}Options behind -p ${protocol.name}: ${names.length === 0 ? 'none' : names.join(', ')}
`;
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    if ((words[0] === '-R' || words[0] === '--load-file') && words[1] !== undefined) return load(session, words[1]);
    const command = parseConntrack(words, terminal.err);
    if (command.letter === 'V') {
      terminal.out(`${PROGRAM}\n`);
      return 0;
    }
    const runIt = COMMANDS[command.letter ?? 'h'];
    if (runIt !== undefined) return runIt(session, command);
    terminal.out(usage(command));
    return 0;
  });
}

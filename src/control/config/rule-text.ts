/*
 * Rules of a configuration in their one spelling: read as iptables-restore reads them, by a ruleset that is thrown away, and saved as
 * iptables-save would, without counters and comments. What is wrong with a line is found here, before anything is done.
 *
 * A table that says nothing (no rules, no chains of users, policies ACCEPT) is left out.
 */
import { Family } from '../../netfilter/rule.js';
import { Unresolved } from '../iptables/addresses.js';
import { validate } from '../iptables/apply.js';
import { Change } from '../iptables/change.js';
import { RuleEncoder } from '../iptables/encode.js';
import { registry } from '../iptables/extensions/registry.js';
import { Failure, LineFailure, LineProblem, Rejected, type Rejection } from '../iptables/failures.js';
import { Ruleset } from '../iptables/model.js';
import { NumbersInUse } from '../iptables/numbers-in-use.js';
import { Problem } from '../iptables/problem.js';
import { RestoreReader, Stop } from '../iptables/restore.js';
import { doSection } from '../iptables/restore-steps.js';
import { RuleUse } from '../iptables/rule-use.js';
import { type RuleCounters, Run } from '../iptables/run.js';
import { saveRuleset } from '../iptables/save.js';
import { TABLES } from '../iptables/tables.js';

export type RuleTool = 'iptables' | 'ip6tables';

export interface TextProblem {
  /** Of the text, from 1. */
  line: number;
  /** CAUSE; HINT */
  text: string;
}

/** More than any dataplane has room for: that is not known here. */
const MOST = 2 ** 30;
const NO_COUNTERS: RuleCounters = { packets: () => 0, bytes: () => 0, policyPackets: () => 0, policyBytes: () => 0 };
const OPTIONS = { isNoFlush: false, isTest: false, isVerbose: false, hasCounters: false, table: undefined };

/** A scratch ruleset and what it takes to fill it. */
class Scratch {
  readonly ruleset: Ruleset;
  private readonly numbers = { rules: new NumbersInUse(MOST), chains: new NumbersInUse(MOST) };
  private readonly reader: RestoreReader;
  private readonly encoder: RuleEncoder;
  private readonly use: RuleUse;
  private readonly options: typeof OPTIONS & { isLax: boolean };

  constructor(tool: RuleTool, isLax: boolean, hasSet: (name: string) => boolean) {
    const family = tool === 'iptables' ? Family.IPV4 : Family.IPV6;
    const warn = (): void => {};
    this.ruleset = new Ruleset(0, family);
    this.options = { ...OPTIONS, isLax };
    this.reader = new RestoreReader(
      { family, program: `${tool}-restore`, isRestore: true, registry, warn },
      this.options,
    );
    this.encoder = new RuleEncoder(family, {
      links: () => 1,
      set: (name) => {
        if (!hasSet(name)) throw new Problem(`there is no set "${name}"; say it under "ipset"`);
        return 1;
      },
      text: () => 1,
    });
    this.use = new RuleUse(family, warn);
  }

  /** What is wrong, if anything. */
  fill(text: string): TextProblem[] {
    try {
      for (const section of this.reader.all(text)) {
        if (typeof section === 'string') continue;
        this.reader.line = section.line;
        const rejections = this.commit(section);
        if (rejections.length > 0) throw new Rejected(rejections);
      }
      if (this.reader.failure === undefined) return [];
      this.reader.line = this.reader.failedLine;
      throw this.reader.failure;
    } catch (error) {
      return problemsOf(error, this.reader.line);
    }
  }

  private commit(section: Parameters<typeof doSection>[2]): readonly Rejection[] {
    const { rules, chains } = this.numbers;
    const change = new Change(this.ruleset, { rules, chains, encoder: this.encoder });
    const run = new Run(this.ruleset, change, NO_COUNTERS, this.numbers, this.use, this.options.isLax);
    try {
      doSection(run, change, section, this.options, chains);
    } finally {
      // iptables-restore names the line of COMMIT for what it finds out there.
      this.reader.line = change.line || section.line;
    }
    const rejections = run.rejections.length > 0 ? run.rejections : validate(change);
    change.done();
    return rejections;
  }
}

/** CAUSE; HINT in one line. */
function sentence(cause: string, hint = 'correct it there'): string {
  const line = cause
    .replace(/^\S+: line \d+ /, '')
    .replace(/\s*\n\s*/g, ', ')
    .replace(/[\s,.]+$/, '');
  return line.includes('; ') ? line : `${line}; ${hint}`;
}

function rejected({ line, text, reason }: Rejection): TextProblem {
  const isLacking = reason !== undefined;
  const cause = isLacking ? reason.replaceAll('; ', ', ') : text;
  return { line, text: sentence(cause, isLacking ? 'leave it out, or say "iptables_lax: on"' : undefined) };
}

function problemsOf(error: unknown, line: number): TextProblem[] {
  if (error instanceof Rejected) return error.rejections.map(rejected);
  if (error instanceof LineProblem) return [{ line: error.line, text: sentence(error.problem.message) }];
  if (error instanceof LineFailure) return [{ line: error.line, text: sentence(error.failure.message) }];
  if (error instanceof Unresolved)
    return [{ line, text: sentence(`"${error.host}" is a name that would have to be looked up`, 'write the address') }];
  if (error instanceof Stop) {
    const isOpen = error.message.includes('COMMIT');
    return [
      { line, text: isOpen ? 'the table does not end; add a line COMMIT' : 'no table is open; begin one with *filter' },
    ];
  }
  if (error instanceof Problem || error instanceof Failure) return [{ line, text: sentence(error.message) }];
  throw error;
}

/** What iptables-save has written, without counters, comments, and tables that say nothing. */
export function plainRules(saved: string): string {
  const lines = saved.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const plain = lines.map((line) => (line.startsWith(':') ? line.replace(/ \[\d+:\d+\]$/, '') : line)).join('\n');
  const tables = plain.split(/^COMMIT$/m).map((table) => table.trim());
  return tables
    .filter((table) => table.split('\n').some((line) => !/^(\*\w+|:\S+ ACCEPT|)$/.test(line)))
    .map((table) => `${table}\nCOMMIT\n`)
    .join('');
}

/** The one spelling of a text, or what is wrong with it. `hasSet`: whether the configuration has an IP set of that name. */
export function normalRules(
  tool: RuleTool,
  text: string,
  isLax: boolean,
  hasSet: (name: string) => boolean,
): string | TextProblem[] {
  const scratch = new Scratch(tool, isLax, hasSet);
  const problems = scratch.fill(text);
  if (problems.length > 0) return problems;
  return plainRules(
    saveRuleset(
      scratch.ruleset,
      NO_COUNTERS,
      { hasCounters: false, table: undefined, file: undefined },
      tool,
      new Date(0),
    ),
  );
}

function tablesIn(text: string): string[] {
  return text.split('\n').flatMap((line) => (line.startsWith('*') ? [line.slice(1)] : []));
}

/** What makes rules of others: tables that nobody wants any more are as at first. */
export function restoreText(there: string, wanted: string): string {
  const gone = TABLES.filter(({ name }) => tablesIn(there).includes(name) && !tablesIn(wanted).includes(name));
  const empty = gone.map(
    ({ name, base }) => `*${name}\n${base.map(([chain]) => `:${chain} ACCEPT\n`).join('')}COMMIT\n`,
  );
  return empty.join('') + wanted;
}

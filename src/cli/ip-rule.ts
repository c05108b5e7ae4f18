/* `ip rule`: words to a Plan. */
import type { Family } from '../control/api/family.js';
import type { ChangeRule, RuleInfo } from '../control/api/rule.js';
import { ApiFailure } from '../control/client.js';
import { familyOf } from './ip-route-change.js';
import { liesBelow } from './ip-route-filter.js';
import type { ListOptions } from './ip-route-show.js';
import { parseRuleSelector, parseRuleWords, type RuleSelector, USAGE } from './ip-rule-words.js';
import { asNetlink, change, dialogue, type Plan } from './plan.js';
import { netlinkLine, Refusal } from './refusal.js';
import { ListPrinter, ruleJson, ruleText } from './route-format.js';
import type { Session } from './session.js';
import { matches, Words } from './words.js';

const MAIN = 254;
/** What iproute2 gives for a dump that failed. */
const DUMP_FAILED = 255;

type Parse = (words: Words, options: ListOptions) => Plan;

function checkFamily(words: Words, options: ListOptions, line: string, status: number): void {
  if (options.family === 'link') throw words.refuse(line, status, 'links have no rules', 'use -4 or -6', false);
}

function parseModify(op: ChangeRule['op']): Parse {
  return (words, options) => {
    const verb = op.slice('rule.'.length);
    if (words.done) {
      const line = `"ip rule ${verb}" requires arguments.`;
      throw words.refuse(line, 1, 'it names no rule', `see "sluice ip rule --help"`, false);
    }
    const { rule, hasAction } = parseRuleWords(words, familyOf(options));
    checkFamily(words, options, 'Error: Rule family not supported.', 2);
    const family = familyOf(options) ?? 4;
    if (op === 'rule.add') {
      rule.action ??= 'lookup';
      if (!hasAction) rule.table = MAIN;
    }
    return change([{ op, family, rule }], asNetlink(2));
  };
}

function samePorts(a: RuleInfo['sport'], b: RuleInfo['sport']): boolean {
  return a !== undefined && b !== undefined && a[0] === b[0] && a[1] === b[1];
}

/** A mark, a mask, a port or a protocol of 0 selects nothing out. */
function passesNumbers(rule: RuleInfo, { rule: wanted, tos, table }: RuleSelector): boolean {
  if (wanted.priority !== undefined && rule.priority !== wanted.priority) return false;
  if (tos !== undefined && (rule.tos ?? 0) !== tos) return false;
  if (wanted.fwmark && rule.fwmark !== wanted.fwmark) return false;
  if (wanted.fwmask && maskOf(rule) !== wanted.fwmask) return false;
  if (wanted.ipproto && rule.ipproto !== wanted.ipproto) return false;
  if (wanted.sport?.[0] && !samePorts(rule.sport, wanted.sport)) return false;
  if (wanted.dport?.[0] && !samePorts(rule.dport, wanted.dport)) return false;
  return table === 0 || (rule.table ?? 0) === table;
}

/** A rule with a mark and no mask compares all bits. */
function maskOf({ fwmark, fwmask }: RuleInfo): number {
  return fwmask ?? (fwmark === undefined ? 0 : 0xffffffff);
}

function passes(rule: RuleInfo, selector: RuleSelector): boolean {
  const { rule: wanted, src, dst, isImpossible } = selector;
  if (isImpossible || (wanted.not && !rule.not)) return false;
  if (src !== undefined && !liesBelow(rule.src, src, rule.family)) return false;
  if (dst !== undefined && !liesBelow(rule.dst, dst, rule.family)) return false;
  if (wanted.iif !== undefined && rule.iif !== wanted.iif) return false;
  if (wanted.oif !== undefined && rule.oif !== wanted.oif) return false;
  return passesNumbers(rule, selector);
}

const DUMP_REFUSED = 'RTNETLINK answers: Address family not supported by protocol';

const parseList: Parse = (words, options) => {
  const family = familyOf(options) ?? 4;
  const selector = parseRuleSelector(words, family);
  checkFamily(words, options, DUMP_REFUSED, DUMP_FAILED);
  const printer = new ListPrinter<RuleInfo>(
    options,
    (rule) => ruleText(rule, options),
    (rule) => ruleJson(rule, options),
  );
  return {
    requests: [{ op: 'rule.list', family }],
    print: ([rules]) => printer.piece((rules as RuleInfo[]).filter((rule) => passes(rule, selector))) + printer.end(),
    explain: asNetlink(DUMP_FAILED),
  };
};

/** A rule as it is deleted: all that is known of it, but what it only reports. */
function ruleToDelete({ family, ...rule }: RuleInfo): ChangeRule {
  const { iif_detached: _iif, oif_detached: _oif, unresolved: _, ...rest } = rule;
  return { op: 'rule.del', family, rule: rest };
}

/** Rules of priority 0 stay. iproute2 ends with the first that cannot be deleted. */
async function flush(session: Session, family: Family, selector: RuleSelector): Promise<number> {
  try {
    const rules = await session.ask<RuleInfo[]>({ op: 'rule.list', family });
    for (const rule of rules) {
      const { protocol } = selector;
      if (!passes(rule, selector) || (protocol !== undefined && rule.protocol !== protocol)) continue;
      if (rule.priority !== 0) await session.ask(ruleToDelete(rule));
    }
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    throw new Refusal(netlinkLine(error.error), DUMP_FAILED, error.error.message);
  }
  return 0;
}

const parseFlush: Parse = (words, options) => {
  const family = familyOf(options) ?? 4;
  const selector = parseRuleSelector(words, family);
  checkFamily(words, options, DUMP_REFUSED, DUMP_FAILED);
  return dialogue((session) => flush(session, family, selector));
};

/** Read and written seldom, so loaded then. */
function dump(which: 'save' | 'restore'): Parse {
  return (words, options) =>
    dialogue(async (session) => (await import('./ip-rule-dump.js'))[which](session, words, options));
}

const refuseHelp: Parse = (words) => {
  throw words.refuse(USAGE, 255, 'help was asked for');
};

/** In iproute2's order, which decides what an abbreviation means. */
const COMMANDS: ReadonlyArray<readonly [string, Parse]> = [
  ['list', parseList],
  ['lst', parseList],
  ['show', parseList],
  ['save', dump('save')],
  ['restore', dump('restore')],
  ['add', parseModify('rule.add')],
  ['delete', parseModify('rule.del')],
  ['flush', parseFlush],
  ['help', refuseHelp],
];

export const RULE_COMMANDS = ['add', 'delete', 'show', 'flush', 'save'];

export function parseRule(list: readonly string[], options: ListOptions): Plan {
  const [word, ...rest] = list;
  if (word === undefined) return parseList(new Words([], 'ip rule show', 'ip rule'), options);
  const command = COMMANDS.find(([name]) => matches(word, name));
  const words = new Words(command === undefined ? list : rest, `ip rule ${command?.[0] ?? word}`, 'ip rule');
  if (command !== undefined) return command[1](words, options);
  throw words.unknownCommand(word);
}

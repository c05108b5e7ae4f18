/*
 * The words of `ip rule`: those of add and delete, which make a rule, and those of list and flush,
 * which select rules. iproute2 reads them by two lists with different abbreviations, so there are two.
 */
import type { Family } from '../control/api/family.js';
import type { RuleInfo } from '../control/api/rule.js';
import { type Prefix, parseUnsigned, prefixText, takePrefix, takeUnsigned } from './inet-words.js';
import { checkRealms, findType, takeTable, takeTos } from './ip-route-change.js';
import { ROUTE_TYPES } from './route-format.js';
import { GROUPS, ipProtocolNumber, PROTOCOLS } from './rt-names.js';
import { abbreviated, exactly, find, isName, type Keyword, matches, parseInteger, type Words } from './words.js';

export const USAGE = 'Usage: ip rule { add | del } SELECTOR ACTION';

/** A rule as far as words have said it. */
export type PartialRule = Partial<Omit<RuleInfo, 'family'>>;

export interface RuleDraft {
  /** Of the command line; an address does not decide it. */
  family: Family | undefined;
  rule: PartialRule;
  /** `table` or an action was said. */
  hasAction: boolean;
  /** The first word that has no effect here. */
  absent?: string;
}

type Take = Keyword<RuleDraft>['take'];

const NAME_BYTES = 15;

function takeDevice(key: 'iif' | 'oif', label: string): (rule: PartialRule, words: Words) => void {
  return (rule, words) => {
    const text = words.value();
    if (!isName(text, NAME_BYTES)) throw words.invalid(text, `${label} not a valid ifname`);
    rule[key] = text;
  };
}

const takeIif = takeDevice('iif', '"iif"/"dev"');
const takeOif = takeDevice('oif', '"oif"');

function takeMark(rule: PartialRule, words: Words): void {
  const [mark, mask] = splitAtSlash(words.value());
  const fwmark = parseUnsigned(mark);
  if (fwmark === undefined) throw words.invalid(mark, 'fwmark value is invalid');
  rule.fwmark = fwmark;
  if (mask === undefined) return;
  const fwmask = parseUnsigned(mask);
  if (fwmask === undefined) throw words.invalid(mask, 'fwmask value is invalid');
  rule.fwmask = fwmask;
}

function splitAtSlash(text: string): [string, string | undefined] {
  const slash = text.indexOf('/');
  return slash < 0 ? [text, undefined] : [text.slice(0, slash), text.slice(slash + 1)];
}

/** sscanf("%hu-%hu"): what follows the numbers is not looked at. */
function takePorts(key: 'sport' | 'dport', message: string): (rule: PartialRule, words: Words) => void {
  return (rule, words) => {
    const text = words.value();
    const parts = /^\s*([+-]?[0-9]+)(?:-\s*([+-]?[0-9]+))?/.exec(text);
    if (parts === null) throw words.invalid(text, message);
    const start = Number(parts[1]) & 0xffff;
    rule[key] = [start, parts[2] === undefined ? start : Number(parts[2]) & 0xffff];
  };
}

function takeIpProtocol(rule: PartialRule, words: Words): void {
  const text = words.value();
  const number = ipProtocolNumber(text);
  if (number === undefined) throw words.invalid(text, 'Invalid "ipproto" value');
  rule.ipproto = number;
}

function takeUidRange(words: Words): void {
  const text = words.value();
  if (!/^\s*[+-]?[0-9]+-\s*[+-]?[0-9]+/.test(text)) throw words.invalid(text, 'invalid UID range');
}

function takeTunnelId(words: Words): void {
  const text = words.value();
  if (parseUnsigned(text, 2 ** 64) === undefined) throw words.invalid(text, '"tun_id" value is invalid');
}

/** The kernel's complaint: rtnetlink carries the address, of whatever family. */
function addressText(prefix: Prefix, family: Family, words: Words, name: 'source' | 'dst'): string | undefined {
  if (prefix.family !== undefined && prefix.address !== '' && prefix.family !== family) {
    const line = `Error: Invalid ${name} address.`;
    throw words.refuse(line, 2, `the address is no IPv${family} address`, `use "ip -${prefix.family} rule"`, false);
  }
  return prefix.length === 0 ? undefined : prefixText(prefix, family);
}

function takeAddress(key: 'src' | 'dst'): Take {
  return ({ family, rule }, words) => {
    const prefix = takePrefix(words, words.value(), family);
    const text = addressText(prefix, family ?? 4, words, key === 'src' ? 'source' : 'dst');
    if (text !== undefined) rule[key] = text;
  };
}

const takePriority: Take = ({ rule }, words) => {
  rule.priority = takeUnsigned(words, 'preference value is invalid');
};

const takeTosValue: Take = ({ rule }, words) => {
  const tos = takeTos(words, 'TOS value is invalid');
  if (tos !== 0) rule.tos = tos;
};

const takeTableOf: Take = (draft, words) => {
  draft.rule.table = takeTable(words, 'invalid table ID');
  draft.hasAction = true;
};

const takeSuppressLength: Take = ({ rule }, words) => {
  const text = words.value();
  const length = parseInteger(text);
  if (length === undefined || length < 0 || length > 0x7fffffff)
    throw words.invalid(text, 'suppress_prefixlength value is invalid');
  rule.suppress_prefixlength = length;
};

const takeSuppressGroup: Take = ({ rule }, words) => {
  const text = words.value();
  const group = GROUPS.number(text);
  if (group === undefined) throw words.invalid(text, 'Invalid "suppress_ifgroup" value');
  rule.suppress_ifgroup = group;
};

const absently =
  (word: string, take?: (words: Words) => void): Take =>
  (draft, words) => {
    take?.(words);
    draft.absent ??= word;
  };

const takeNat = absently('nat', (words) => words.value());

const onRule =
  (take: (rule: PartialRule, words: Words) => void): Take =>
  ({ rule }, words) =>
    take(rule, words);

export const RULE_WORDS: readonly Keyword<RuleDraft>[] = [
  exactly('not', ({ rule }) => {
    rule.not = true;
  }),
  exactly('from', takeAddress('src')),
  exactly('to', takeAddress('dst')),
  abbreviated('preference', takePriority),
  abbreviated('order', takePriority),
  abbreviated('priority', takePriority),
  exactly('tos', takeTosValue),
  abbreviated('dsfield', takeTosValue),
  exactly('fwmark', onRule(takeMark)),
  abbreviated(
    'realms',
    absently('realms', (words) => checkRealms(words, 'invalid realms')),
    true,
  ),
  abbreviated('protocol', ({ rule }, words) => {
    const text = words.value();
    const protocol = PROTOCOLS.number(text);
    if (protocol === undefined) throw words.invalid(text, '"protocol" value is invalid');
    rule.protocol = protocol;
  }),
  abbreviated('tun_id', absently('tun_id', takeTunnelId), true),
  abbreviated('table', takeTableOf),
  exactly('lookup', takeTableOf),
  abbreviated('suppress_prefixlength', takeSuppressLength),
  exactly('sup_pl', takeSuppressLength),
  abbreviated('suppress_ifgroup', takeSuppressGroup),
  exactly('sup_group', takeSuppressGroup),
  exactly('dev', onRule(takeIif)),
  exactly('iif', onRule(takeIif)),
  exactly('oif', onRule(takeOif)),
  exactly('l3mdev', absently('l3mdev'), true),
  exactly('uidrange', absently('uidrange', takeUidRange), true),
  exactly('nat', takeNat, true),
  abbreviated('map-to', takeNat, true),
  exactly('ipproto', onRule(takeIpProtocol)),
  exactly('sport', onRule(takePorts('sport', 'invalid port range'))),
  exactly('dport', onRule(takePorts('dport', 'invalid dport range'))),
];

const ACTIONS: Partial<Record<number, RuleInfo['action']>> = {
  1: 'lookup',
  2: 'goto',
  3: 'nop',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
};

export const ACTION_NAMES = ['goto', 'nop', 'blackhole', 'unreachable', 'prohibit'];

/** Of the types of routes, those that say what a rule can do. */
function actionOf(word: string): RuleInfo['action'] | 'absent' | undefined {
  const type = findType(word);
  if (type === 'nat' || type === 'xresolve') return 'absent';
  const number = type === undefined ? parseUnsigned(word, 255) : ROUTE_TYPES[type];
  return number === undefined ? undefined : (ACTIONS[number] ?? 'absent');
}

function takeAction(draft: RuleDraft, words: Words, first: string): void {
  const word = first === 'type' ? words.value() : first;
  if (matches(word, 'help')) throw words.refuse(USAGE, 255, 'help was asked for');
  draft.hasAction = true;
  if (matches(word, 'goto')) {
    draft.rule.action = 'goto';
    draft.rule.goto = takeUnsigned(words, 'invalid target');
    return;
  }
  const action = matches(word, 'nop') ? 'nop' : actionOf(word);
  if (action === undefined) throw words.invalid(word, 'Failed to parse rule type', `there is no action "${word}"`);
  if (action === 'absent') draft.absent ??= word;
  else draft.rule.action = action;
}

export function parseRuleWords(words: Words, family: Family | undefined): RuleDraft {
  const draft: RuleDraft = { family, rule: {}, hasAction: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(RULE_WORDS, word);
    if (keyword !== undefined) keyword.take(draft, words);
    else takeAction(draft, words, word);
  }
  if (draft.absent !== undefined)
    throw words.unsupported(draft.absent, undefined, `"${draft.absent}" has no effect here`);
  return draft;
}

/** What list and flush select by. */
export interface RuleSelector {
  family: Family;
  /** Equal, where said; `not` only if it is true. */
  rule: Pick<PartialRule, 'priority' | 'not' | 'fwmark' | 'fwmask' | 'iif' | 'oif' | 'ipproto' | 'sport' | 'dport'>;
  table: number;
  tos?: number;
  src?: Prefix;
  dst?: Prefix;
  /** Of `flush` alone; list reads it and does not use it. */
  protocol?: number;
  /** By what no rule here has. */
  isImpossible: boolean;
}

type Select = Keyword<RuleSelector>['take'];

const selectPriority: Select = ({ rule }, words) => {
  rule.priority = takeUnsigned(words, 'preference value is invalid');
};

const selectTos: Select = (selector, words) => {
  selector.tos = takeTos(words, 'TOS value is invalid');
};

const selectTable: Select = (selector, words) => {
  selector.table = takeTable(words, 'table id value is invalid');
};

const selectSource: Select = (selector, words) => {
  selector.src = takePrefix(words, words.value(), selector.family);
};

const selectProtocol: Select = (selector, words) => {
  const text = words.value();
  const protocol = PROTOCOLS.number(text);
  if (protocol === undefined && text !== 'all') throw words.invalid(text, 'invalid "protocol"');
  if (protocol === undefined) delete selector.protocol;
  else selector.protocol = protocol;
};

const selectImpossible =
  (take?: (words: Words) => void): Select =>
  (selector, words) => {
    take?.(words);
    selector.isImpossible = true;
  };

const byRule =
  (take: (rule: PartialRule, words: Words) => void): Select =>
  ({ rule }, words) =>
    take(rule, words);

export const RULE_SELECTOR_WORDS: readonly Keyword<RuleSelector>[] = [
  abbreviated('preference', selectPriority),
  abbreviated('order', selectPriority),
  abbreviated('priority', selectPriority),
  exactly('not', ({ rule }) => {
    rule.not = true;
  }),
  exactly('tos', selectTos),
  exactly('dsfield', selectTos),
  exactly('fwmark', byRule(takeMark)),
  exactly('dev', byRule(takeIif)),
  exactly('iif', byRule(takeIif)),
  exactly('oif', byRule(takeOif)),
  exactly('l3mdev', selectImpossible(), true),
  exactly('uidrange', selectImpossible(takeUidRange), true),
  abbreviated('tun_id', selectImpossible(takeTunnelId), true),
  abbreviated('lookup', selectTable),
  abbreviated('table', selectTable),
  abbreviated('from', selectSource),
  abbreviated('src', selectSource),
  abbreviated('protocol', selectProtocol),
  exactly('ipproto', byRule(takeIpProtocol)),
  exactly('sport', byRule(takePorts('sport', 'invalid port range'))),
  exactly('dport', byRule(takePorts('dport', 'invalid dport range'))),
];

export function parseRuleSelector(words: Words, family: Family): RuleSelector {
  const selector: RuleSelector = { family, rule: {}, table: 0, isImpossible: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(RULE_SELECTOR_WORDS, word);
    if (keyword !== undefined) {
      keyword.take(selector, words);
      continue;
    }
    const text = matches(word, 'dst') || matches(word, 'to') ? words.value() : word;
    selector.dst = takePrefix(words, text, family);
  }
  return selector;
}

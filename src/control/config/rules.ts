/*
 * Rules of a configuration: as a file says them, their normal form, what of the running state is one's own decision, and the
 * requests in between.
 *
 * The rules that are there at first (0, 32766, and 32767 of IPv4) go without saying. One that somebody has deleted is said to
 * be `absent`.
 */
import { parsePrefix } from '../../wire/format.js';
import type { Family } from '../api/family.js';
import type { ChangeRule, RuleInfo } from '../api/rule.js';
import { cidrSpelling, isSame, present } from './model.js';

type Words = Omit<
  RuleInfo,
  'iif_detached' | 'oif_detached' | 'unresolved' | 'suppress_ifgroup' | 'action' | 'protocol'
>;

export interface RuleConfig extends Words, Partial<Pick<RuleInfo, 'action' | 'protocol'>> {
  space?: string;
  absent?: boolean;
}

/** A rule of the file. */
export interface RawRule
  extends Pick<RuleConfig, 'priority' | 'not' | 'iif' | 'oif' | 'tos' | 'ipproto' | 'table' | 'goto' | 'absent'> {
  family?: Family;
  from?: string;
  to?: string;
  fwmark?: string;
  sport?: string;
  dport?: string;
  type?: RuleInfo['action'];
  suppress_prefixlength?: number;
  proto?: number;
}

const KERNEL = 2;
const UNSPEC = 0;
const ALL_ONES = 4_294_967_295;

/** Priority and table. */
const AT_FIRST: Record<Family, ReadonlyArray<readonly [number, number]>> = {
  4: [
    [0, 255],
    [32_766, 254],
    [32_767, 253],
  ],
  6: [
    [0, 255],
    [32_766, 254],
  ],
};

// --- as a file says them ------------------------------------------------------------------------------

function prefixFrom(text: string | undefined): string | undefined {
  if (text === undefined || text === 'all') return undefined;
  return text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`;
}

function portsFrom(text: string | undefined): [number, number] | undefined {
  if (text === undefined) return undefined;
  const [low, high = low] = text.split('-');
  return [Number(low), Number(high)];
}

export function ruleOf(raw: RawRule, space: string | undefined): RuleConfig {
  const { from, to, fwmark, sport, dport, type, proto, goto, ...rest } = raw;
  const [mark, mask] = fwmark?.split('/') ?? [];
  return normalRule(
    present<RuleConfig>({
      ...rest,
      space,
      family: raw.family ?? (`${from}${to}`.includes(':') ? 6 : 4),
      src: prefixFrom(from),
      dst: prefixFrom(to),
      fwmark: mark === undefined ? undefined : Number(mark),
      fwmask: mask === undefined ? undefined : Number(mask),
      sport: portsFrom(sport),
      dport: portsFrom(dport),
      goto,
      action: type ?? (goto === undefined ? undefined : 'goto'),
      protocol: proto,
    }),
  );
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function portsText([low, high]: [number, number]): string {
  return low === high ? String(low) : `${low}-${high}`;
}

export function ruleText(rule: RuleConfig): object {
  const { family, priority, src, dst, fwmark = 0, fwmask, sport, dport, action, protocol, goto, absent } = rule;
  const { not, iif, oif, tos, ipproto, table, suppress_prefixlength } = rule;
  const isMarked = rule.fwmark !== undefined || fwmask !== undefined;
  return present({
    priority,
    family: family === 6 && !`${src}${dst}`.includes(':') ? 6 : undefined,
    not,
    from: src,
    to: dst,
    iif,
    oif,
    fwmark: isMarked ? `${hex(fwmark)}${fwmask === undefined ? '' : `/${hex(fwmask)}`}` : undefined,
    tos,
    ipproto,
    sport: sport === undefined ? undefined : portsText(sport),
    dport: dport === undefined ? undefined : portsText(dport),
    type: action === 'goto' ? undefined : action,
    table,
    goto,
    suppress_prefixlength,
    proto: protocol,
    absent,
  });
}

/** What is wrong with a rule, if anything. */
export function ruleProblem({ family, src, dst, priority, table, absent }: RuleConfig): string | undefined {
  for (const text of [src, dst]) {
    if (text !== undefined && parsePrefix(text)?.address.length !== (family === 4 ? 4 : 16))
      return `"${text}" is no IPv${family} prefix; write for example 10.1.0.0/16, 2001:db8::/32 or all`;
  }
  const atFirst = AT_FIRST[family].map(([at, id]) => `{priority: ${at}, table: ${id}}`);
  if (absent === true && !atFirst.includes(`{priority: ${priority}, table: ${table}}`))
    return `only a rule that is there at first can be absent; say ${atFirst.join(' or ')}`;
  return undefined;
}

// --- normal form --------------------------------------------------------------------------------------

/** All of a mark goes without saying. */
function normalMask(fwmark: number, fwmask: number): number | undefined {
  return fwmask === ALL_ONES || (fwmark === 0 && fwmask === 0) ? undefined : fwmask;
}

export function normalRule(rule: RuleConfig): RuleConfig {
  const { space, family, priority, table, action, src, dst, fwmark = 0, fwmask = ALL_ONES, protocol, absent } = rule;
  if (absent === true) return present<RuleConfig>({ space, family, priority, table, absent });
  const { not, iif, oif, tos, ipproto, sport, dport, goto, suppress_prefixlength } = rule;
  return present<RuleConfig>({
    space,
    family,
    priority,
    not: not === true ? true : undefined,
    src: src === undefined ? undefined : cidrSpelling(src),
    dst: dst === undefined ? undefined : cidrSpelling(dst),
    iif,
    oif,
    fwmark: fwmark === 0 && (rule.fwmask ?? 0) === 0 ? undefined : fwmark,
    fwmask: normalMask(fwmark, fwmark === 0 ? (rule.fwmask ?? 0) : fwmask),
    tos,
    ipproto,
    sport,
    dport,
    action: action === 'lookup' ? undefined : action,
    table,
    goto,
    suppress_prefixlength,
    protocol: protocol === UNSPEC ? undefined : protocol,
  });
}

// --- the running state --------------------------------------------------------------------------------

function atFirst(family: Family, space: string | undefined): RuleConfig[] {
  return AT_FIRST[family].map(([priority, table]) =>
    present<RuleConfig>({ space, family, priority, table, protocol: KERNEL }),
  );
}

/** What somebody has made of a family's rules. */
export function rulesOf(infos: readonly RuleInfo[], family: Family, space: string | undefined): RuleConfig[] {
  const defaults = atFirst(family, space);
  const rules = infos.map(({ iif_detached: _, oif_detached: __, unresolved: ___, ...info }) =>
    normalRule(present<RuleConfig>({ space, ...info })),
  );
  const absent = defaults.filter((rule) => !rules.some((other) => isSame(rule, other)));
  return [
    ...absent.map((rule) => normalRule({ ...rule, absent: true })),
    ...rules.filter((rule) => !defaults.some((other) => isSame(rule, other))),
  ];
}

// --- requests -----------------------------------------------------------------------------------------

export interface RuleStep {
  space?: string;
  request: ChangeRule;
}

function step(op: ChangeRule['op'], { space, family, absent, ...rule }: RuleConfig): RuleStep {
  const protocol = absent === true ? KERNEL : (rule.protocol ?? UNSPEC);
  const request: ChangeRule = { op, family, rule: { ...rule, action: rule.action ?? 'lookup', protocol } };
  return present<RuleStep>({ space, request });
}

function byPlace(rules: readonly RuleConfig[]): Map<string, RuleConfig[]> {
  const places = new Map<string, RuleConfig[]>();
  for (const rule of rules) {
    const { space = '', family, priority } = rule;
    const place = `${space}\n${family}\n${priority}`;
    places.set(place, [...(places.get(place) ?? []), rule]);
  }
  return places;
}

const isAbsent = ({ absent }: RuleConfig): boolean => absent === true;

/** A deletion takes the first rule that has all it names: so those that say more go first. */
function deletions(rules: readonly RuleConfig[]): RuleStep[] {
  return rules.toSorted((a, b) => Object.keys(b).length - Object.keys(a).length).map((rule) => step('rule.del', rule));
}

/**
 * What leads from one set of rules to another: rules of one priority are walked in the order they were made in, so if one of them
 * is another all of that priority are made anew.
 */
export function ruleChanges(
  there: readonly RuleConfig[],
  target: readonly RuleConfig[],
): { gone: RuleStep[]; fresh: RuleStep[] } {
  const [old, wanted] = [byPlace(there), byPlace(target)];
  const plan: { gone: RuleStep[]; fresh: RuleStep[] } = { gone: [], fresh: [] };
  for (const place of new Set([...old.keys(), ...wanted.keys()])) {
    const [from, to] = [old.get(place) ?? [], wanted.get(place) ?? []];
    if (isSame(from, to)) continue;
    plan.gone.push(...deletions(from.filter((rule) => !isAbsent(rule))));
    if (from.some(isAbsent) && !to.some(isAbsent))
      plan.gone.push(...from.filter(isAbsent).map((rule) => step('rule.add', rule)));
    plan.fresh.push(...to.filter((rule) => !isAbsent(rule)).map((rule) => step('rule.add', rule)));
    if (to.some(isAbsent) && !from.some(isAbsent))
      plan.fresh.push(...to.filter(isAbsent).map((rule) => step('rule.del', rule)));
  }
  return plan;
}

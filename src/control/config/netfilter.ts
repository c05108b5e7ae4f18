/*
 * Netfilter of a configuration: what iptables, ip6tables and ipset would save, a text each for a namespace, and the requests in between. A
 * text that is the same is left alone, with its counters; another one replaces the whole.
 */

import { Family } from '../../netfilter/rule.js';
import type { RunIpset, RunIptables, ToolOutcome } from '../api/tool.js';
import type { IpsetControl } from '../ipset/ipset.js';
import type { Iptables } from '../iptables/iptables.js';
import { present } from './model.js';
import { normalRules, plainRules, type RuleTool, restoreText, type TextProblem } from './rule-text.js';
import { normalSets, plainSets, setChanges, setNames } from './set-text.js';

export interface NetfilterConfig {
  space?: string;
  ipset?: string;
  iptables?: string;
  ip6tables?: string;
  /** Rules that have no meaning here are loaded as never matching. */
  lax?: boolean;
}

/** What a file says of one namespace. */
export interface RawNetfilter {
  ipset?: string;
  iptables?: string;
  ip6tables?: string;
  iptables_lax?: boolean;
}

/** Keys of the file that are texts. */
export type NetfilterKey = 'ipset' | RuleTool;

export const RULE_TOOLS = ['iptables', 'ip6tables'] as const;
export const NETFILTER_KEYS: readonly NetfilterKey[] = ['ipset', ...RULE_TOOLS];

/** None if it says nothing. */
function normalNetfilter(config: NetfilterConfig): NetfilterConfig[] {
  const { space, ipset = '', iptables = '', ip6tables = '', lax } = config;
  if (ipset === '' && iptables === '' && ip6tables === '') return [];
  return [
    present<NetfilterConfig>({
      space,
      ipset: ipset === '' ? undefined : ipset,
      iptables: iptables === '' ? undefined : iptables,
      ip6tables: ip6tables === '' ? undefined : ip6tables,
      lax: lax === true ? true : undefined,
    }),
  ];
}

/** `report` is told of a key and what is wrong with a line of its text. */
export function netfilterOf(
  raw: RawNetfilter,
  space: string | undefined,
  report: (key: NetfilterKey, problem: TextProblem) => void,
): NetfilterConfig[] {
  const lax = raw.iptables_lax === true;
  const textOf = (key: NetfilterKey, read: (text: string) => string | TextProblem[]): string => {
    const text = read(raw[key] ?? '');
    if (typeof text === 'string') return text;
    for (const problem of text) report(key, problem);
    return '';
  };
  const ipset = textOf('ipset', normalSets);
  const sets = setNames(ipset);
  const rulesOf = (tool: RuleTool): string =>
    textOf(tool, (text) => normalRules(tool, text, lax, (name) => sets.has(name)));
  return normalNetfilter(
    present<NetfilterConfig>({ space, ipset, iptables: rulesOf('iptables'), ip6tables: rulesOf('ip6tables'), lax }),
  );
}

export function netfilterText([config = {}]: readonly NetfilterConfig[]): object {
  const { ipset, iptables, ip6tables, lax } = config;
  return present({ ipset, iptables_lax: lax, iptables, ip6tables });
}

// --- the running state --------------------------------------------------------------------------------

function hasLax(iptables: Iptables, namespace: number): boolean {
  return [Family.IPV4, Family.IPV6].some((family) =>
    [...iptables.ruleset(namespace, family).tables.values()].some((table) =>
      [...table.chains.values()].some((chain) => [...chain.rules].some((rule) => rule.lacking !== undefined)),
    ),
  );
}

/** `namespace`: the dataplane's number. */
export async function savedNetfilter(
  { iptables, ipset }: { iptables: Iptables; ipset: IpsetControl },
  namespace: number,
): Promise<NetfilterConfig[]> {
  const [rules4, rules6] = await Promise.all(
    RULE_TOOLS.map(async (tool) => plainRules((await iptables.save(namespace, `${tool}-save`, [])).stdout)),
  );
  const sets = plainSets((await ipset.run(namespace, ['save'])).stdout);
  return normalNetfilter({ ipset: sets, iptables: rules4, ip6tables: rules6, lax: hasLax(iptables, namespace) });
}

// --- requests -----------------------------------------------------------------------------------------

type NetfilterRequest = RunIptables | RunIpset;

export interface NetfilterStep {
  space?: string;
  request: NetfilterRequest;
}

function setRequests(text: string): RunIpset[] {
  return text === '' ? [] : [{ op: 'ipset.run', words: ['restore'], text }];
}

/** Sets come before the rules that name them, and go after. */
function changes(from: NetfilterConfig, to: NetfilterConfig): NetfilterRequest[] {
  const sets = setChanges(from.ipset ?? '', to.ipset ?? '');
  const words = to.lax === true ? ['--lax'] : [];
  const rules = RULE_TOOLS.filter((tool) => from[tool] !== to[tool]).map((tool): RunIptables => {
    const text = restoreText(from[tool] ?? '', to[tool] ?? '');
    return { op: 'iptables.run', tool: `${tool}-restore`, words, text };
  });
  return [...setRequests(sets.fresh), ...rules, ...setRequests(sets.gone)];
}

export function netfilterChanges(
  there: readonly NetfilterConfig[],
  target: readonly NetfilterConfig[],
): NetfilterStep[] {
  const spaces = new Set([...there, ...target].map(({ space }) => space));
  const of = (list: readonly NetfilterConfig[], space: string | undefined): NetfilterConfig =>
    list.find((one) => one.space === space) ?? {};
  return [...spaces].flatMap((space) =>
    changes(of(there, space), of(target, space)).map((request) => present<NetfilterStep>({ space, request })),
  );
}

export function isOfNetfilter(request: { op: string }): request is NetfilterRequest {
  return request.op === 'iptables.run' || request.op === 'ipset.run';
}

/** The section that a request of a plan is of. */
export function netfilterKey(request: NetfilterRequest): NetfilterKey {
  if (request.op === 'ipset.run') return 'ipset';
  return request.tool.startsWith('ip6') ? 'ip6tables' : 'iptables';
}

/** Why what a tool was asked to do was not done, if it was not. */
export function refusalOf({ status, stderr }: ToolOutcome): string | undefined {
  return status === 0 ? undefined : stderr.trim().replace(/\s*\n\s*/g, ', ');
}

/*
 * Policy routing: the rules of a namespace in one family, in order of priority (fib_rules.c).
 *
 * As long as nobody has touched the default ones, the datapath does not walk them at all: see rib.ts. A rule names links by
 * name; one whose link is not there is *detached*, and matches nothing until a link of that name comes.
 */
import type { Flow } from '../../route/fib.js';
import { RuleAction, RuleFlag, Rule as Word } from '../../route/fib.js';
import type { Family } from '../api/family.js';
import type { RuleInfo } from '../api/rule.js';
import type { InetNamespace } from './host.js';
import { covers, formatKey, TableId, type Words, wordsOf } from './keys.js';
import { type Refusal, refuse } from './refused.js';
import type { Rib } from './rib.js';
import { Protocol, parseDestination } from './route-spec.js';

const LOWEST = 32766;
const NO_TABLE = 0;

interface Prefix {
  key: Int32Array;
  length: number;
}

const ANY: Prefix = { key: new Int32Array(4), length: 0 };

/** A rule; also what a deletion looks for, where what is absent or 0 is not compared. */
export interface Rule {
  priority: number;
  isInverted: boolean;
  source: Prefix;
  destination: Prefix;
  iif: string;
  oif: string;
  mark: number;
  mask: number;
  tos: number;
  ipproto: number;
  sport: readonly [number, number] | undefined;
  dport: readonly [number, number] | undefined;
  /** 0 in a deletion: any. */
  action: RuleAction | 0;
  table: number;
  /** Of a goto: a priority. */
  target: number;
  /** −1: off. */
  suppressLength: number;
  protocol: number;
}

const ACTIONS: Record<RuleInfo['action'], RuleAction> = {
  lookup: RuleAction.LOOKUP,
  goto: RuleAction.GOTO,
  nop: RuleAction.NOP,
  blackhole: RuleAction.BLACKHOLE,
  unreachable: RuleAction.UNREACHABLE,
  prohibit: RuleAction.PROHIBIT,
};

function actionName(action: number): RuleInfo['action'] {
  const found = Object.entries(ACTIONS).find(([, number]) => number === action);
  return (found?.[0] ?? 'lookup') as RuleInfo['action'];
}

function prefixOf(text: string | undefined, family: Family): Prefix {
  if (text === undefined) return ANY;
  return parseDestination(text, family);
}

/** Whole numbers from 1 to 65535, in order. */
function portsOf(range: [number, number] | undefined, what: string): readonly [number, number] | undefined {
  if (range === undefined) return undefined;
  const [low, high] = range;
  if (low >= 1 && low <= high && high <= 65535) return range;
  return refuse('EINVAL', `${low} to ${high} are no ports`, 'use 1 to 65535', `Invalid ${what} range`);
}

function defaultRule(priority: number, table: number): Rule {
  return {
    priority,
    isInverted: false,
    source: ANY,
    destination: ANY,
    iif: '',
    oif: '',
    mark: 0,
    mask: 0,
    tos: 0,
    ipproto: 0,
    sport: undefined,
    dport: undefined,
    action: RuleAction.LOOKUP,
    table,
    target: 0,
    suppressLength: -1,
    protocol: Protocol.KERNEL,
  };
}

const samePrefix = (a: Prefix, b: Prefix): boolean =>
  a.length === b.length && a.key.every((word, i) => word === b.key[i]);

const sameRange = (a: Rule['sport'], b: Rule['sport']): boolean => a?.[0] === b?.[0] && a?.[1] === b?.[1];

/** What a look-up in the control plane passes to rules; links by name, `lo` for packets of this host. */
export interface RuleFlow extends Omit<Flow, 'iif' | 'oif'> {
  iif: string;
  oif: string;
  source: Int32Array;
  destination: Int32Array;
}

const NO_SUCH_RULE: Refusal = {
  errno: 'ENOENT',
  cause: 'there is no such rule',
  hint: '"ip rule" lists them',
};

export class Rules {
  private rules: Rule[];
  /** They are, or have been, other than the default ones. */
  isCustom = false;
  private readonly words: Words;

  constructor(
    private readonly namespace: InetNamespace,
    readonly family: Family,
    private readonly rib: Rib,
  ) {
    this.words = wordsOf(family);
    this.rules = [defaultRule(0, TableId.LOCAL), defaultRule(LOWEST, TableId.MAIN)];
    if (family === 4) this.rules.push(defaultRule(LOWEST + 1, TableId.DEFAULT));
  }

  all(): readonly Rule[] {
    return this.rules;
  }

  // --- change ---------------------------------------------------------------------------------------

  add(request: Partial<Omit<RuleInfo, 'family'>>): Rule {
    const rule = this.parse(request, request.priority ?? this.defaultPriority());
    if (request.action === undefined) rule.action = RuleAction.LOOKUP;
    this.check(rule, request);
    if (this.rules.some((other) => this.isSame(other, rule)))
      refuse('EEXIST', 'there is such a rule already', 'choose another priority, or delete it first');
    this.customize();
    if (this.family === 6 && rule.action === RuleAction.LOOKUP) this.rib.table(rule.table);
    const at = this.rules.findIndex(({ priority }) => priority > rule.priority);
    this.rules.splice(at < 0 ? this.rules.length : at, 0, rule);
    return rule;
  }

  remove(request: Partial<Omit<RuleInfo, 'family'>>): Rule | Refusal {
    const wanted = this.parse(request, request.priority ?? this.defaultPriority());
    this.checkTarget(wanted, request);
    const hasPriority = request.priority !== undefined;
    const at = this.rules.findIndex((rule) => this.isWanted(rule, wanted, hasPriority));
    if (at < 0) return NO_SUCH_RULE;
    this.customize();
    return this.rules.splice(at, 1)[0];
  }

  private customize(): void {
    this.isCustom = true;
    this.rib.split();
  }

  private defaultPriority(): number {
    const second = this.rules[1];
    return second === undefined || second.priority === 0 ? 0 : second.priority - 1;
  }

  private parse(request: Partial<Omit<RuleInfo, 'family'>>, priority: number): Rule {
    const mark = request.fwmark ?? 0;
    return {
      priority,
      isInverted: request.not === true,
      source: prefixOf(request.src, this.family),
      destination: prefixOf(request.dst, this.family),
      iif: request.iif ?? '',
      oif: request.oif ?? '',
      mark: mark | 0,
      mask: (request.fwmask ?? (mark === 0 ? 0 : -1)) | 0,
      tos: request.tos ?? 0,
      ipproto: request.ipproto ?? 0,
      sport: portsOf(request.sport, 'sport'),
      dport: portsOf(request.dport, 'dport'),
      action: request.action === undefined ? 0 : ACTIONS[request.action],
      table: request.table ?? NO_TABLE,
      target: request.goto ?? 0,
      suppressLength: request.suppress_prefixlength ?? -1,
      protocol: request.protocol ?? Protocol.UNSPEC,
    };
  }

  private check(rule: Rule, request: Partial<Omit<RuleInfo, 'family'>>): void {
    if (request.suppress_ifgroup !== undefined)
      refuse('EOPNOTSUPP', 'links have no groups here, so none can be suppressed', 'leave out suppress_ifgroup');
    this.checkTarget(rule, request);
    if ((rule.tos & 3) !== 0)
      refuse(
        'EINVAL',
        'a tos with ECN bits never matches',
        'clear the two lowest bits',
        'Invalid dsfield (tos): ECN bits must be 0',
      );
    if (rule.action === RuleAction.LOOKUP && rule.table === NO_TABLE) rule.table = this.emptyTable();
  }

  private checkTarget({ action, target, priority }: Rule, request: Partial<Omit<RuleInfo, 'family'>>): void {
    if (request.goto !== undefined && target <= priority)
      refuse('EINVAL', 'a goto leads forward only', 'name a higher priority', 'Backward goto not supported');
    if (action === RuleAction.GOTO && request.goto === undefined)
      refuse('EINVAL', 'it does not say where to go', 'name a priority', 'Missing goto target for action goto');
  }

  /** IPv4 takes the first table that does not exist; IPv6 wants one named. */
  private emptyTable(): number {
    if (this.family === 6) refuse('EINVAL', 'it names no table', 'name one', 'Invalid table');
    for (let id = 1; id < 256; id++) if (this.rib.find(id) === undefined) return this.rib.table(id).id;
    return refuse('ENOBUFS', 'all tables from 1 to 255 are taken', 'name one');
  }

  private isSame(a: Rule, b: Rule): boolean {
    return (
      a.action === b.action &&
      a.table === b.table &&
      a.priority === b.priority &&
      a.iif === b.iif &&
      a.oif === b.oif &&
      a.mark === b.mark &&
      a.mask === b.mask &&
      a.ipproto === b.ipproto &&
      a.protocol === b.protocol &&
      a.suppressLength === b.suppressLength &&
      sameRange(a.sport, b.sport) &&
      sameRange(a.dport, b.dport) &&
      this.isAlike(a, b)
    );
  }

  /** Whether what a rule says of addresses and tos, if anything, is so of the other (ops->compare). */
  private isAlike(rule: Rule, wanted: Rule): boolean {
    if (wanted.source.length !== 0 && !samePrefix(rule.source, wanted.source)) return false;
    if (wanted.destination.length !== 0 && !samePrefix(rule.destination, wanted.destination)) return false;
    return wanted.tos === 0 || rule.tos === wanted.tos;
  }

  private isWanted(rule: Rule, wanted: Rule, hasPriority: boolean): boolean {
    const agrees = (key: 'action' | 'table' | 'iif' | 'oif' | 'mark' | 'mask' | 'ipproto' | 'protocol'): boolean =>
      wanted[key] === 0 || wanted[key] === '' || wanted[key] === rule[key];
    return (
      (!hasPriority || rule.priority === wanted.priority) &&
      (['action', 'table', 'iif', 'oif', 'mark', 'mask', 'ipproto', 'protocol'] as const).every(agrees) &&
      (wanted.suppressLength < 0 || rule.suppressLength === wanted.suppressLength) &&
      (wanted.sport === undefined || sameRange(rule.sport, wanted.sport)) &&
      (wanted.dport === undefined || sameRange(rule.dport, wanted.dport)) &&
      this.isAlike(rule, wanted)
    );
  }

  // --- look-up --------------------------------------------------------------------------------------

  /**
   * Asks the tables of rules that match, in order, until one has an answer: `ask` answers undefined where the next rule is to be
   * tried. A rule that rejects answers its errno.
   */
  walk<T>(flow: RuleFlow, ask: (table: number, suppressLength: number) => T | undefined): T | string | undefined {
    for (let i = 0; i < this.rules.length; i++) {
      const rule = this.rules[i];
      if (!this.matches(rule, flow)) continue;
      switch (rule.action) {
        case RuleAction.LOOKUP: {
          const answer = ask(rule.table, rule.suppressLength);
          if (answer !== undefined) return answer;
          break;
        }
        case RuleAction.GOTO: {
          const target = this.targetOf(rule);
          if (target >= 0) i = target - 1;
          break;
        }
        case RuleAction.NOP:
          break;
        default:
          return errnoOf(rule.action);
      }
    }
    return undefined;
  }

  private matches(rule: Rule, flow: RuleFlow): boolean {
    const isMatch =
      (rule.iif === '' || (rule.iif === flow.iif && this.namespace.links.has(rule.iif))) &&
      (rule.oif === '' || (rule.oif === flow.oif && this.namespace.links.has(rule.oif))) &&
      ((rule.mark ^ flow.mark) & rule.mask) === 0 &&
      covers(rule.source.key, rule.source.length, flow.source, this.words) &&
      covers(rule.destination.key, rule.destination.length, flow.destination, this.words) &&
      (rule.tos === 0 || rule.tos === flow.tos) &&
      (rule.ipproto === 0 || rule.ipproto === flow.protocol) &&
      inRange(rule.sport, flow.sport) &&
      inRange(rule.dport, flow.dport);
    return isMatch !== rule.isInverted;
  }

  /** The index of the first rule of a goto's priority, −1 while there is none. */
  private targetOf(rule: Rule): number {
    return this.rules.findIndex(({ priority }) => priority === rule.target);
  }

  // --- what others are told ---------------------------------------------------------------------------

  /** As the datapath wants them; empty: it looks up the merged table. */
  words32(): Int32Array {
    if (this.isCustom) {
      const words = new Int32Array(this.rules.length * Word.WORDS);
      for (const [i, rule] of this.rules.entries()) this.put(words, i * Word.WORDS, rule, this.slotOf(rule));
      return words;
    }
    const fallback = this.family === 4 ? (this.rib.find(TableId.DEFAULT)?.slot ?? -1) : -1;
    if (fallback < 0) return new Int32Array(0);
    const words = new Int32Array(2 * Word.WORDS);
    this.put(words, 0, this.rules[1], this.rib.merged);
    this.put(words, Word.WORDS, this.rules[2], fallback);
    return words;
  }

  private slotOf(rule: Rule): number {
    if (rule.action === RuleAction.GOTO) return this.targetOf(rule);
    return this.rib.find(rule.table)?.slot ?? -1;
  }

  private put(words: Int32Array, at: number, rule: Rule, target: number): void {
    words[at + Word.PRIORITY] = rule.priority;
    words[at + Word.ACTION] = rule.action;
    words[at + Word.TARGET] = target;
    words[at + Word.FLAGS] = rule.isInverted ? RuleFlag.INVERT : 0;
    words.set(rule.source.key.subarray(0, this.words), at + Word.SOURCE);
    words[at + Word.SOURCE_LENGTH] = rule.source.length;
    words.set(rule.destination.key.subarray(0, this.words), at + Word.DESTINATION);
    words[at + Word.DESTINATION_LENGTH] = rule.destination.length;
    words[at + Word.IIF] = this.linkNumber(rule.iif);
    words[at + Word.OIF] = this.linkNumber(rule.oif);
    words[at + Word.MARK] = rule.mark;
    words[at + Word.MASK] = rule.mask;
    words[at + Word.TOS] = rule.tos;
    words[at + Word.PROTOCOL] = rule.ipproto;
    words.set(rule.sport ?? [0, 0], at + Word.SPORT_LOW);
    words.set(rule.dport ?? [0, 0], at + Word.DPORT_LOW);
    words[at + Word.SUPPRESS_LENGTH] = rule.suppressLength;
  }

  private linkNumber(name: string): number {
    return name === '' ? 0 : (this.namespace.links.get(name)?.number ?? -1);
  }

  info(rule: Rule): RuleInfo {
    const isDetached = (name: string): boolean => name !== '' && !this.namespace.links.has(name);
    return {
      family: this.family,
      priority: rule.priority,
      ...(rule.isInverted && { not: true }),
      ...(rule.source.length !== 0 && { src: this.prefixText(rule.source) }),
      ...(rule.destination.length !== 0 && { dst: this.prefixText(rule.destination) }),
      ...(rule.iif !== '' && { iif: rule.iif }),
      ...(isDetached(rule.iif) && { iif_detached: true }),
      ...(rule.oif !== '' && { oif: rule.oif }),
      ...(isDetached(rule.oif) && { oif_detached: true }),
      ...((rule.mark !== 0 || rule.mask !== 0) && { fwmark: rule.mark >>> 0, fwmask: rule.mask >>> 0 }),
      ...(rule.tos !== 0 && { tos: rule.tos }),
      ...(rule.ipproto !== 0 && { ipproto: rule.ipproto }),
      ...(rule.sport !== undefined && { sport: [...rule.sport] as [number, number] }),
      ...(rule.dport !== undefined && { dport: [...rule.dport] as [number, number] }),
      action: actionName(rule.action),
      ...(rule.table !== NO_TABLE && { table: rule.table }),
      ...(rule.action === RuleAction.GOTO && { goto: rule.target }),
      ...(rule.action === RuleAction.GOTO && this.targetOf(rule) < 0 && { unresolved: true }),
      ...(rule.suppressLength >= 0 && { suppress_prefixlength: rule.suppressLength }),
      protocol: rule.protocol,
    };
  }

  private prefixText({ key, length }: Prefix): string {
    return `${formatKey(key.slice(0, this.words))}/${length}`;
  }
}

/** What a packet meets that a rule rejects. */
function errnoOf(action: RuleAction | 0): string {
  if (action === RuleAction.UNREACHABLE) return 'ENETUNREACH';
  return action === RuleAction.PROHIBIT ? 'EACCES' : 'EINVAL';
}

function inRange(range: Rule['sport'], port: number): boolean {
  return range === undefined || (port >= range[0] && port <= range[1]);
}

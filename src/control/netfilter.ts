/*
 * Netfilter as the control plane has it: the rules of iptables and what they name by number, and the engine calls that bring them
 * to the dataplane.
 *
 *   iptables.* requests ─► Iptables ─► ops ─► engine
 *                             └─ names of links, sets, texts ─► numbers
 */
import type { RunIptables, ToolOutcome } from './api.js';
import type { Call, EngineThread } from './engine-thread.js';
import { registry } from './iptables/extensions/registry.js';
import { Iptables } from './iptables/iptables.js';
import { Problem } from './iptables/problem.js';
import type { Link } from './link.js';
import { PatternNumbers } from './link-patterns.js';
import type { Namespace } from './namespaces.js';
import type { Network } from './network.js';

export class NetfilterControl {
  readonly iptables: Iptables;
  private readonly patterns: PatternNumbers;
  private readonly texts = new Map<string, number>();

  constructor(
    network: Network,
    private readonly engine: EngineThread,
  ) {
    this.patterns = new PatternNumbers({ all: () => network.namespaces.all().flatMap((namespace) => namespace.inOrder()) }, (calls) => engine.post(calls));
    const { rules, policies } = engine.counters;
    this.iptables = new Iptables({
      engine: {
        hasRoom: (words) => engine.call('hasRuleRoom', words),
        apply: async (ops) => void (await engine.call('rules', ops)),
        setTracking: (namespace, family, isOn) => engine.post([['setTracking', namespace, family, isOn]]),
      },
      counters: {
        packets: (rule) => rules[rule << 1],
        bytes: (rule) => rules[(rule << 1) + 1],
        policyPackets: (chain) => policies[chain << 1],
        policyBytes: (chain) => policies[(chain << 1) + 1],
      },
      registry,
      numbers: () => ({
        links: (pattern) => this.patterns.number(pattern),
        set: (name) => {
          throw new Problem(`Set ${name} doesn't exist.\n`);
        },
        text: (kind, text) => this.textNumber(`${kind} ${text}`),
      }),
      maxRules: (rules.length >> 1) - 1,
      maxChains: (policies.length >> 1) - 1,
    });
  }

  private textNumber(text: string): number {
    const number = this.texts.get(text) ?? this.texts.size + 1;
    this.texts.set(text, number);
    return number;
  }

  async execute(request: RunIptables, { number }: Namespace): Promise<ToolOutcome> {
    // What the short path has counted is added to the rules' counters first.
    await this.engine.call('settleRules');
    const { tool, words } = request;
    if (tool.endsWith('-save')) return this.iptables.save(number, tool, words);
    if (tool.endsWith('-restore')) return this.iptables.restore(number, tool, words, request.text);
    return this.iptables.run(number, tool, words);
  }

  linkNamed(link: Link, calls: Call[]): void {
    this.patterns.named(link, calls);
  }

  linkRemoved(link: Link, calls: Call[]): void {
    this.patterns.removed(link, calls);
  }

  /** Its links are gone; its rules go after what is under way. */
  namespaceRemoved({ number }: Namespace): void {
    void this.iptables.forgetNamespace(number);
  }
}

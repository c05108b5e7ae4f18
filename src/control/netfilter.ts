/*
 * Netfilter as the control plane has it: the rules of iptables and what they name by number, and the engine calls that bring them
 * to the dataplane.
 *
 *   iptables.* requests ─► Iptables ─► ops ─► engine
 *                             └─ names of links, sets, tables of matches ─► numbers
 */
import type { RunIpset, RunIptables, ToolOutcome } from './api/tool.js';
import type { Call, EngineThread } from './engine-thread.js';
import { IpsetControl } from './ipset/ipset.js';
import { registry } from './iptables/extensions/registry.js';
import { Iptables } from './iptables/iptables.js';
import type { Link } from './link.js';
import { PatternNumbers } from './link-patterns.js';
import { NamedTables } from './named-tables.js';
import type { Namespace } from './namespaces.js';
import type { Network } from './network.js';

export class NetfilterControl {
  readonly iptables: Iptables;
  readonly ipset: IpsetControl;
  private readonly patterns: PatternNumbers;

  constructor(
    network: Network,
    private readonly engine: EngineThread,
  ) {
    const links = { all: () => network.namespaces.all().flatMap((namespace) => namespace.inOrder()) };
    this.patterns = new PatternNumbers(links, (calls) => engine.post(calls));
    this.ipset = new IpsetControl(
      {
        post: (calls) => engine.post(calls),
        addMembers: (set, rows, renews) => engine.call('addMembers', set, rows, renews),
        deleteMembers: (set, rows, ignoresAbsent) => engine.call('deleteMembers', set, rows, ignoresAbsent),
        hasMember: (set, row) => engine.call('hasMember', set, row),
        memberPage: (set, cursor) => engine.call('memberPage', set, cursor),
        size: (set) => engine.call('setSize', set),
      },
      links,
    );
    const tables = new NamedTables((kind, number) => engine.post([['closeNamed', kind, number]]));
    const { rules, policies } = engine.counters;
    this.iptables = new Iptables({
      engine: {
        hasRoom: (words) => engine.call('hasRuleRoom', words),
        apply: async (ops) => void (await engine.call('rules', ops)),
        setTracking: (namespace, family, isOn) => engine.post([['setTracking', namespace, family, isOn]]),
        countFlows: (number) => {
          const namespace = network.namespaces.all().find((one) => one.number === number);
          if (namespace !== undefined) network.setSysctl('net.netfilter.nf_conntrack_acct', '1', namespace);
        },
      },
      counters: {
        packets: (rule) => rules[rule << 1],
        bytes: (rule) => rules[(rule << 1) + 1],
        policyPackets: (chain) => policies[chain << 1],
        policyBytes: (chain) => policies[(chain << 1) + 1],
      },
      registry,
      numbers: (namespace, family) => ({
        links: (pattern) => this.patterns.number(pattern),
        set: (name) => this.ipset.number(namespace, name, family),
        holdSet: (set) => this.ipset.hold(set),
        releaseSet: (set) => this.ipset.release(set),
        text: (kind, name) => tables.hold({ namespace, family, kind, name }),
        releaseText: (kind, number) => tables.release(kind, number),
      }),
      maxRules: (rules.length >> 1) - 1,
      maxChains: (policies.length >> 1) - 1,
    });
  }

  async execute(request: RunIptables, { number }: Namespace): Promise<ToolOutcome> {
    // What the short path has counted is added to the rules' counters first.
    await this.engine.call('settleRules');
    const { tool, words } = request;
    if (tool.endsWith('-save')) return this.iptables.save(number, tool, words);
    if (tool.endsWith('-restore')) return this.iptables.restore(number, tool, words, request.text);
    return this.iptables.run(number, tool, words);
  }

  executeIpset({ words, text }: RunIpset, { number }: Namespace): Promise<ToolOutcome> {
    return this.ipset.run(number, words, text);
  }

  linkNamed(link: Link, calls: Call[]): void {
    this.ipset.linkNamed(link, calls);
    calls.push(['nameLink', link.number, link.name]);
    this.patterns.named(link, calls);
  }

  linkRemoved(link: Link, calls: Call[]): void {
    this.patterns.removed(link, calls);
    this.ipset.linkRemoved(link, calls);
  }

  /** Its links are gone; its rules go after what is under way, and its sets after them. */
  namespaceRemoved({ number }: Namespace): void {
    void this.ipset.forgetNamespace(number, this.iptables.forgetNamespace(number));
  }
}

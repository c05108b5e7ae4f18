/* iptables for a router in memory (router.ts): commands as users type them, straight into its datapath. */
import { registry } from '../../src/control/iptables/extensions/registry.js';
import { Iptables } from '../../src/control/iptables/iptables.js';
import type { Router } from './router.js';

export class Ruled {
  readonly iptables: Iptables;
  private readonly numbers = new Map<string, number>();

  constructor(private readonly router: Router) {
    const { netfilter } = router.dataplane;
    const { rules } = netfilter;
    this.iptables = new Iptables({
      registry,
      maxRules: 4095,
      maxChains: 255,
      engine: {
        hasRoom: (words) => rules.hasRoom(words),
        apply: (ops) => {
          if (!netfilter.apply(ops)) throw new Error('the rules do not fit');
        },
        setTracking: (namespace, family, isOn) => netfilter.setTracking(namespace, family, isOn),
      },
      counters: {
        packets: (rule) => rules.counters[rule << 1],
        bytes: (rule) => rules.counters[(rule << 1) + 1],
        policyPackets: (chain) => rules.chains.counters[chain << 1],
        policyBytes: (chain) => rules.chains.counters[(chain << 1) + 1],
      },
      numbers: () => ({
        links: (pattern) => this.pattern(pattern),
        set: (name) => this.numberOf(`set ${name}`),
        text: (kind, text) => this.numberOf(`${kind} ${text}`),
      }),
    });
  }

  private numberOf(name: string): number {
    const number = this.numbers.get(name) ?? this.numbers.size + 1;
    this.numbers.set(name, number);
    return number;
  }

  /** Only whole names. */
  private pattern(name: string): number {
    const { patterns } = this.router.dataplane.netfilter;
    const isKnown = this.numbers.has(`link ${name}`);
    const number = this.numberOf(`link ${name}`);
    if (!isKnown) {
      patterns.define(number, true);
      patterns.add(number, this.router.link(name));
    }
    return number;
  }

  /** Commands, one a line: "iptables -A FORWARD -j DROP". */
  async run(lines: string): Promise<void> {
    for (const line of lines.split('\n').filter((one) => one.trim() !== '')) {
      const [tool, ...words] = line.trim().split(/\s+/);
      const { stderr, status } = await this.iptables.run(0, tool, words);
      if (status !== 0) throw new Error(`${line}: ${stderr}`);
    }
  }

  async save(tool = 'iptables'): Promise<string> {
    const { stdout } = await this.iptables.save(0, `${tool}-save`, ['-c']);
    return stdout.replace(/^#.*\n/gm, '');
  }
}

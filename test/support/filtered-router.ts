/* The router of router.ts with iptables: rules by iptables-restore's text, carried out in this thread, and the flows that conntrack knows. */

import { Direction, Flow, Status } from '../../src/conntrack/flows.js';
import { registry } from '../../src/control/iptables/extensions/registry.js';
import { Iptables } from '../../src/control/iptables/iptables.js';
import { PatternNumbers } from '../../src/control/link-patterns.js';
import { formatIpv4, formatIpv6 } from '../../src/wire/format.js';
import type { NetworkOptions } from './network.js';
import { Router } from './router.js';

/** Protocols whose ports are told. */
const NAMES: Record<number, string> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6', 132: 'sctp' };

export class FilteredRouter extends Router {
  private readonly iptables: Iptables;
  private readonly interfaces: Array<{ number: number; name: string }> = [];

  constructor(options: NetworkOptions = {}) {
    super(options);
    const { netfilter } = this.dataplane;
    const { counters, chains } = netfilter.rules;
    const patterns = new PatternNumbers({ all: () => this.interfaces }, (calls) => {
      for (const [, number, links, isExact] of calls as Array<[string, number, number[], boolean]>) {
        netfilter.patterns.define(number, isExact);
        for (const link of links) netfilter.patterns.add(number, link);
      }
    });
    this.iptables = new Iptables({
      registry,
      maxRules: (counters.length >> 1) - 1,
      maxChains: (chains.counters.length >> 1) - 1,
      engine: {
        hasRoom: (words) => netfilter.rules.hasRoom(words),
        apply: (ops) => {
          if (!netfilter.apply(ops)) throw new Error('there is no room for the rules');
        },
        setTracking: (namespace, family, isOn) => netfilter.setTracking(namespace, family, isOn),
      },
      counters: {
        packets: (rule) => counters[rule << 1],
        bytes: (rule) => counters[(rule << 1) + 1],
        policyPackets: (chain) => chains.counters[chain << 1],
        policyBytes: (chain) => chains.counters[(chain << 1) + 1],
      },
      numbers: () => ({
        links: (pattern) => patterns.number(pattern),
        set: (name) => {
          throw new Error(`there is no set ${name}`);
        },
        text: () => 1,
      }),
    });
  }

  override interface(name: string, mac: string, mtu = 1500, namespace = 0): this {
    super.interface(name, mac, mtu, namespace);
    this.interfaces.push({ number: this.link(name), name });
    return this;
  }

  /** Loads rules, once all interfaces are there. */
  async restore(text: string, tool = 'iptables'): Promise<this> {
    const { status, stderr } = await this.iptables.restore(0, `${tool}-restore`, [], text);
    if (status !== 0) throw new Error(`${stderr}\n${text}`);
    return this;
  }

  async save(table: string, tool = 'iptables'): Promise<string> {
    this.dataplane.netfilter.settle();
    return (await this.iptables.save(0, `${tool}-save`, ['-c', '-t', table])).stdout;
  }

  /** "udp 10.0.0.9:1000>10.0.1.9:53 10.0.1.9:53>10.0.0.9:1000", sorted; of protocols without ports both are 0. */
  flows(): string[] {
    const { conntrack } = this.dataplane.netfilter;
    const numbers = conntrack.flows.flatMap(({ end, bit }) =>
      Array.from({ length: end - 1 }, (_, row) => (row + 1) | bit),
    );
    return numbers
      .filter((flow) => conntrack.word(flow, Flow.KIND) !== 0 && (conntrack.status(flow) & Status.CONFIRMED) !== 0)
      .map((flow) => this.flowText(flow))
      .sort();
  }

  private flowText(flow: number): string {
    const { conntrack } = this.dataplane.netfilter;
    const protocol = conntrack.protocolOf(flow);
    const zone = conntrack.word(flow, Flow.STATUS) >>> Flow.ZONE_SHIFT;
    const tuples = [Direction.ORIGINAL, Direction.REPLY].map((direction) => this.tupleText(flow, direction));
    return [NAMES[protocol] ?? String(protocol), ...tuples, ...(zone === 0 ? [] : [`zone=${zone}`])].join(' ');
  }

  private tupleText(flow: number, direction: Direction): string {
    const { conntrack } = this.dataplane.netfilter;
    const store = conntrack.storeOf(flow);
    const { words, addressWords } = store;
    const at = store.tuple(conntrack.at(flow), direction);
    const address = (from: number): string => {
      if (addressWords === 1) return formatIpv4(words[from]);
      const view = new DataView(new ArrayBuffer(16));
      for (let i = 0; i < 4; i++) view.setInt32(4 * i, words[from + i]);
      return formatIpv6(new Uint8Array(view.buffer));
    };
    const ports = words[at + 2 * addressWords];
    return `${address(at)}:${ports >>> 16}>${address(at + addressWords)}:${ports & 0xffff}`;
  }
}

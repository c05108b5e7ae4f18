/*
 * The extensions of one rule, read from iptables' words without the rest of the tool, and what they become.
 */
import { RuleEncoder } from '../../../src/control/iptables/encode.js';
import type { Extension, NumberSource, Use } from '../../../src/control/iptables/extension.js';
import { Loading } from '../../../src/control/iptables/extension-options.js';
import { registry } from '../../../src/control/iptables/extensions/registry.js';
import { protocolName, protocolNumber } from '../../../src/control/iptables/services.js';
import * as ops from '../../../src/netfilter/ops.js';
import { Family, Rule } from '../../../src/netfilter/rule.js';
import type { Case } from './real-tool.js';

function numbers(): NumberSource {
  const known = new Map<string, number>();
  const numberOf = (text: string) => {
    if (!known.has(text)) known.set(text, known.size + 1);
    return known.get(text) as number;
  };
  return {
    links: (pattern) => numberOf(`link ${pattern}`),
    set: (name) => numberOf(`set ${name}`),
    text: (kind, text) => numberOf(`${kind} ${text}`),
  };
}

/** Words from the first on, until the next match, target, or protocol. */
class Reader {
  #at = 0;
  isInverted = false;

  constructor(readonly words: readonly string[]) {}

  get isAtEnd(): boolean {
    return this.#at >= this.words.length;
  }

  take(): string {
    return this.words[this.#at++];
  }

  peek(): string | undefined {
    return this.words[this.#at];
  }
}

function takeOption(reader: Reader, loading: Loading, isInverted: boolean, use: Use): void {
  const name = reader.take().slice(2);
  const option = loading.extension.options.find((one) => one.name === name);
  if (option === undefined) throw new Error(`${loading.extension.name} has no ${name}`);
  const text = option.argument === undefined ? '' : reader.take();
  loading.take(option, text, isInverted, use, () => (reader.isAtEnd ? undefined : reader.take()));
}

function load(reader: Reader, extension: Extension, use: Use): Loading {
  const loading = new Loading(extension);
  for (;;) {
    const isInverted = reader.peek() === '!';
    if (isInverted) reader.take();
    if (!reader.peek()?.startsWith('--')) break;
    takeOption(reader, loading, isInverted, use);
  }
  loading.check(use);
  return loading;
}

export interface Encoded {
  /** As iptables-save writes it. */
  text: string;
  row: Int32Array;
  program: readonly number[];
  args: readonly number[];
}

export function encodedRule({ family: digit, table, chain, words }: Case): Encoded {
  const family = digit === 6 ? Family.IPV6 : Family.IPV4;
  const reader = new Reader(words);
  const into = new RuleEncoder(family, numbers());
  const use = { family, table, chain, protocol: 0, isNotProtocol: false, warn: () => undefined };
  into.row[Rule.SOURCE_PORTS] = 0xffff;
  into.row[Rule.DESTINATION_PORTS] = 0xffff;
  const text: string[] = [];
  while (!reader.isAtEnd) {
    const word = reader.take();
    if (word === '!') {
      use.isNotProtocol = true;
      continue;
    }
    const name = reader.take();
    if (word === '-p') {
      use.protocol = protocolNumber(name) ?? 0;
      text.push(`${use.isNotProtocol ? '! ' : ''}-p ${protocolName(use.protocol)}`);
      continue;
    }
    const extension = word === '-m' ? registry.match(name, family) : registry.target(name, family);
    if (extension === undefined) {
      text.push(`${word} ${name}`);
      continue;
    }
    const { data } = load(reader, extension, use);
    extension.encode(data, into, use);
    text.push(`${word} ${name}${extension.save(data, use)}`);
  }
  return { text: text.join(' '), row: into.row, program: into.program, args: into.args };
}

/** The operations of a program, by the lengths they say. */
export function opsOf(program: readonly number[]): Array<{ op: number; words: number[] }> {
  const all: Array<{ op: number; words: number[] }> = [];
  for (let at = 0; at < program.length; ) {
    const length = program[at] >>> ops.OpWord.LENGTH_SHIFT;
    if (length === 0 || at + length > program.length) throw new Error(`an operation of ${length} words at ${at}`);
    all.push({ op: program[at] & 0xff, words: program.slice(at, at + length) });
    at += length;
  }
  return all;
}

const LENGTHS = new Map<number, number>([
  [ops.Op.TCP_FLAGS, ops.TcpFlagsOp.WORDS],
  [ops.Op.TCP_OPTION, ops.TcpOptionOp.WORDS],
  [ops.Op.PORTS, ops.PortsOp.WORDS],
  [ops.Op.ICMP, ops.IcmpOp.WORDS],
  [ops.Op.CT_STATE, ops.CtStateOp.WORDS],
  [ops.Op.CONNTRACK, ops.ConntrackOp.WORDS],
  [ops.Op.ADDRESS_TYPE, ops.AddressTypeOp.WORDS],
  [ops.Op.MARK, ops.MarkOp.WORDS],
  [ops.Op.CONNMARK, ops.MarkOp.WORDS],
  [ops.Op.RANDOM, ops.RandomOp.WORDS],
  [ops.Op.NTH, ops.NthOp.WORDS],
  [ops.Op.LIMIT, ops.LimitOp.WORDS],
  [ops.Op.HASHLIMIT, ops.HashlimitOp.WORDS],
  [ops.Op.RECENT, ops.RecentOp.WORDS],
  [ops.Op.IPRANGE, ops.IprangeOp.WORDS],
  [ops.Op.MAC, ops.MacOp.WORDS],
  [ops.Op.PACKET_TYPE, ops.PacketTypeOp.WORDS],
  [ops.Op.LENGTH, ops.LengthOp.WORDS],
  [ops.Op.TTL, ops.TtlOp.WORDS],
  [ops.Op.TOS, ops.TosOp.WORDS],
  [ops.Op.ECN, ops.EcnOp.WORDS],
  [ops.Op.TCPMSS, ops.TcpmssOp.WORDS],
  [ops.Op.PHYSDEV, ops.PhysdevOp.WORDS],
  [ops.Op.RPFILTER, ops.RpfilterOp.WORDS],
  [ops.Op.TIME, ops.TimeOp.WORDS],
  [ops.Op.SET, ops.SetOp.WORDS],
  [ops.Op.CONNLIMIT, ops.ConnlimitOp.WORDS],
  [ops.Op.CONNBYTES, ops.ConnbytesOp.WORDS],
  [ops.Op.QUOTA, ops.QuotaOp.WORDS],
  [ops.Op.CONNLABEL, ops.ConnlabelOp.WORDS],
  [ops.Op.SPI, ops.SpiOp.WORDS],
  [ops.Op.HELPER, ops.HelperOp.WORDS],
  [ops.Op.DCCP_TYPES, ops.DccpTypesOp.WORDS],
  [ops.Op.DCCP_OPTION, ops.DccpOptionOp.WORDS],
  [ops.Op.IPV6_FRAGMENT, ops.Ipv6FragmentOp.WORDS],
  [ops.Op.IPV6_HEADERS, ops.Ipv6HeadersOp.WORDS],
  [ops.Op.CLUSTER, ops.ClusterOp.WORDS],
  [ops.Op.DEVICE_GROUP, ops.DeviceGroupOp.WORDS],
  [ops.Op.MOBILITY, ops.MobilityOp.WORDS],
  [ops.Op.CPU, ops.CpuOp.WORDS],
]);

/** undefined: it has no fixed length. */
export function wordsOfOp(op: number): number | undefined {
  return LENGTHS.get(op);
}

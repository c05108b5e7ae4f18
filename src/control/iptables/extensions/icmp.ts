/*
 * -m icmp and -m icmp6: a type and codes, by number or by name.
 */
import { Op, OpWord } from '../../../netfilter/ops.js';
import { Family } from '../../../netfilter/rule.js';
import type { Extension } from '../extension.js';
import { Problem } from '../problem.js';
import { leadingNumber } from './values.js';
import { bang } from './wording.js';

interface Kind {
  type: number;
  low: number;
  high: number;
}

type Named = readonly [name: string, type: number, code?: number];

const ANY = 255;

/** Names of the types, each followed by those of its codes; the first of a number is the one that is printed. */
const ICMP: readonly Named[] = [
  ['any', ANY],
  ['echo-reply', 0],
  ['pong', 0],
  ['destination-unreachable', 3],
  ['network-unreachable', 3, 0],
  ['host-unreachable', 3, 1],
  ['protocol-unreachable', 3, 2],
  ['port-unreachable', 3, 3],
  ['fragmentation-needed', 3, 4],
  ['source-route-failed', 3, 5],
  ['network-unknown', 3, 6],
  ['host-unknown', 3, 7],
  ['network-prohibited', 3, 9],
  ['host-prohibited', 3, 10],
  ['TOS-network-unreachable', 3, 11],
  ['TOS-host-unreachable', 3, 12],
  ['communication-prohibited', 3, 13],
  ['host-precedence-violation', 3, 14],
  ['precedence-cutoff', 3, 15],
  ['source-quench', 4],
  ['redirect', 5],
  ['network-redirect', 5, 0],
  ['host-redirect', 5, 1],
  ['TOS-network-redirect', 5, 2],
  ['TOS-host-redirect', 5, 3],
  ['echo-request', 8],
  ['ping', 8],
  ['router-advertisement', 9],
  ['router-solicitation', 10],
  ['time-exceeded', 11],
  ['ttl-exceeded', 11],
  ['ttl-zero-during-transit', 11, 0],
  ['ttl-zero-during-reassembly', 11, 1],
  ['parameter-problem', 12],
  ['ip-header-bad', 12, 0],
  ['required-option-missing', 12, 1],
  ['timestamp-request', 13],
  ['timestamp-reply', 14],
  ['address-mask-request', 17],
  ['address-mask-reply', 18],
];

const ICMP6: readonly Named[] = [
  ['destination-unreachable', 1],
  ['no-route', 1, 0],
  ['communication-prohibited', 1, 1],
  ['beyond-scope', 1, 2],
  ['address-unreachable', 1, 3],
  ['port-unreachable', 1, 4],
  ['failed-policy', 1, 5],
  ['reject-route', 1, 6],
  ['packet-too-big', 2],
  ['time-exceeded', 3],
  ['ttl-exceeded', 3],
  ['ttl-zero-during-transit', 3, 0],
  ['ttl-zero-during-reassembly', 3, 1],
  ['parameter-problem', 4],
  ['bad-header', 4, 0],
  ['unknown-header-type', 4, 1],
  ['unknown-option', 4, 2],
  ['echo-request', 128],
  ['ping', 128],
  ['echo-reply', 129],
  ['pong', 129],
  ['router-solicitation', 133],
  ['router-advertisement', 134],
  ['neighbour-solicitation', 135],
  ['neighbor-solicitation', 135],
  ['neighbour-advertisement', 136],
  ['neighbor-advertisement', 136],
  ['redirect', 137],
];

function kindOf([, type, code]: Named): Kind {
  return { type, low: code ?? 0, high: code ?? 255 };
}

/** TYPE or TYPE/CODE. */
function readNumbers(text: string, word: string): Kind {
  const type = leadingNumber(text);
  if (type === undefined || type.value > 255) throw new Problem(`Unknown ${word} type \`${text}'`);
  const { value, rest } = type;
  if (rest === '') return { type: value, low: 0, high: 255 };
  if (rest.startsWith(':')) throw new Problem(`${word} type range not supported`);
  if (!rest.startsWith('/')) throw new Problem(`unknown character ${rest[0]}`);
  const code = leadingNumber(rest.slice(1));
  if (code === undefined || code.value > 255) throw new Problem(`Unknown ${word} code \`${text}'`);
  if (code.rest !== '') throw new Problem(`unknown character ${code.rest[0]}`);
  return { type: value, low: code.value, high: code.value };
}

/** The start of a name will do if there is but one that starts so. */
function readKind(text: string, names: readonly Named[], word: string): Kind {
  const start = text.toLowerCase();
  const [one, other] = names.filter(([name]) => name.toLowerCase().startsWith(start));
  if (one === undefined) return readNumbers(text, word);
  if (other === undefined) return kindOf(one);
  throw new Problem(`Ambiguous ${word} type \`${text}': \`${one[0]}' or \`${other[0]}'?`);
}

function nameOf(kind: Kind, names: readonly Named[]): string | undefined {
  return names.find((named) => {
    const { type, low, high } = kindOf(named);
    return type === kind.type && low === kind.low && high === kind.high;
  })?.[0];
}

interface Icmp extends Kind {
  isInverted: boolean;
}

interface Dialect {
  name: string;
  family: Family;
  protocol: number;
  option: string;
  names: readonly Named[];
  /** In complaints, and in lists. */
  word: string;
  label: string;
  hasAny: boolean;
}

function icmpMatch(dialect: Dialect): Extension<Icmp> {
  const { names, word, label, option } = dialect;
  const list = (data: Icmp, isNumeric: boolean) => {
    const name = isNumeric ? undefined : nameOf(data, names);
    if (name !== undefined) return ` ${label} ${data.isInverted ? '!' : ''}${name}`;
    const code = data.low === data.high ? ` code ${data.low}` : '';
    return ` ${label}${bang(data.isInverted)}type ${data.type}${code}`;
  };
  return {
    name: dialect.name,
    isTarget: false,
    family: dialect.family,
    options: [
      {
        name: option,
        argument: 'required',
        isMandatory: true,
        canInvert: true,
        take(data, given) {
          Object.assign(data, readKind(given.text, names, word), { isInverted: given.isInverted });
        },
      },
    ],
    protocols: [dialect.protocol],
    create: () => ({ type: ANY, low: 0, high: 255, isInverted: false }),
    save(data) {
      const code = data.low === 0 && data.high === 255 ? '' : `/${data.low}`;
      const value = dialect.hasAny && data.type === ANY ? 'any' : `${data.type}${code}`;
      return `${bang(data.isInverted)} --${option} ${value}`;
    },
    list,
    encode(data, into) {
      into.add(Op.ICMP, [data.type, data.low, data.high], data.isInverted ? OpWord.INVERTED : 0);
    },
  };
}

export const icmp = icmpMatch({
  name: 'icmp',
  family: Family.IPV4,
  protocol: 1,
  option: 'icmp-type',
  names: ICMP,
  word: 'ICMP',
  label: 'icmp',
  hasAny: true,
});

export const icmp6 = icmpMatch({
  name: 'icmp6',
  family: Family.IPV6,
  protocol: 58,
  option: 'icmpv6-type',
  names: ICMP6,
  word: 'ICMPv6',
  label: 'ipv6-icmp',
  hasAny: false,
});

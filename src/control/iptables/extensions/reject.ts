/*
 * -j REJECT: drops a packet and says so to who sent it.
 */
import { RejectWith, Extension as TargetNumber } from '../../../netfilter/ops.js';
import { Family, Hook, TableId } from '../../../netfilter/rule.js';
import type { Extension, Use } from '../extension.js';
import { Problem } from '../problem.js';
import { protocolCheck } from './tcp.js';

type Answer = readonly [name: string, alias: string, number: RejectWith];

const IPV4: readonly Answer[] = [
  ['icmp-net-unreachable', 'net-unreach', RejectWith.NET_UNREACHABLE],
  ['icmp-host-unreachable', 'host-unreach', RejectWith.HOST_UNREACHABLE],
  ['icmp-proto-unreachable', 'proto-unreach', RejectWith.PROTO_UNREACHABLE],
  ['icmp-port-unreachable', 'port-unreach', RejectWith.PORT_UNREACHABLE],
  ['icmp-net-prohibited', 'net-prohib', RejectWith.NET_PROHIBITED],
  ['icmp-host-prohibited', 'host-prohib', RejectWith.HOST_PROHIBITED],
  ['tcp-reset', 'tcp-rst', RejectWith.TCP_RESET],
  ['icmp-admin-prohibited', 'admin-prohib', RejectWith.ADMIN_PROHIBITED],
];

const IPV6: readonly Answer[] = [
  ['icmp6-no-route', 'no-route', RejectWith.NO_ROUTE_6],
  ['icmp6-adm-prohibited', 'adm-prohibited', RejectWith.ADMIN_PROHIBITED_6],
  ['icmp6-addr-unreachable', 'addr-unreach', RejectWith.ADDRESS_UNREACHABLE_6],
  ['icmp6-port-unreachable', 'port-unreach', RejectWith.PORT_UNREACHABLE_6],
  ['tcp-reset', 'tcp-reset', RejectWith.TCP_RESET_6],
  ['icmp6-policy-fail', 'policy-fail', RejectWith.POLICY_FAIL_6],
  ['icmp6-reject-route', 'reject-route', RejectWith.REJECT_ROUTE_6],
];

function answersOf(family: Family): readonly Answer[] {
  return family === Family.IPV6 ? IPV6 : IPV4;
}

/** The start of a name or alias will do; the first that starts so is meant. */
function readAnswer(text: string, use: Use): RejectWith {
  const start = text.toLowerCase();
  const known = answersOf(use.family).find(([name, alias]) => name.startsWith(start) || alias.startsWith(start));
  if (known !== undefined) return known[2];
  if (use.family === Family.IPV4 && 'echo-reply'.startsWith(start)) {
    use.warn('--reject-with echo-reply no longer supported');
  }
  throw new Problem(`unknown reject type "${text}"`);
}

interface Reject {
  with?: RejectWith;
}

function numberOf(data: Reject, family: Family): RejectWith {
  return data.with ?? (family === Family.IPV6 ? RejectWith.PORT_UNREACHABLE_6 : RejectWith.PORT_UNREACHABLE);
}

function nameOf(data: Reject, use: Use): string {
  const number = numberOf(data, use.family);
  return answersOf(use.family).find(([, , one]) => one === number)?.[0] ?? '';
}

const reject: Extension<Reject> = {
  name: 'REJECT',
  isTarget: true,
  tables: [TableId.FILTER],
  hooks: (1 << Hook.INPUT) | (1 << Hook.FORWARD) | (1 << Hook.OUTPUT),
  options: [
    {
      name: 'reject-with',
      argument: 'required',
      take(data, given) {
        data.with = readAnswer(given.text, given.use);
      },
    },
  ],
  create: () => ({}),
  check(data, use) {
    const isReset = data.with === RejectWith.TCP_RESET || data.with === RejectWith.TCP_RESET_6;
    return isReset ? protocolCheck(use, 6) : undefined;
  },
  save: (data, use) => ` --reject-with ${nameOf(data, use)}`,
  list: (data, _isNumeric, use) => ` reject-with ${nameOf(data, use)}`,
  encode(data, into) {
    into.target(TargetNumber.REJECT, [numberOf(data, into.family)]);
  },
};

/** Two, for their helps differ. */
export const reject4: Extension<Reject> = { ...reject, family: Family.IPV4 };
export const reject6: Extension<Reject> = { ...reject, family: Family.IPV6 };

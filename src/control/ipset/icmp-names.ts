/* Types and codes of ICMP and ICMPv6 as ipset names them; the first name of a number is the one that is written. */

type Name = readonly [name: string, typeAndCode: number];

const at = (type: number, code: number): number => (type << 8) | code;

export const ICMP_NAMES: readonly Name[] = [
  ['echo-reply', at(0, 0)],
  ['pong', at(0, 0)],
  ['network-unreachable', at(3, 0)],
  ['host-unreachable', at(3, 1)],
  ['protocol-unreachable', at(3, 2)],
  ['port-unreachable', at(3, 3)],
  ['fragmentation-needed', at(3, 4)],
  ['source-route-failed', at(3, 5)],
  ['network-unknown', at(3, 6)],
  ['host-unknown', at(3, 7)],
  ['network-prohibited', at(3, 9)],
  ['host-prohibited', at(3, 10)],
  ['TOS-network-unreachable', at(3, 11)],
  ['TOS-host-unreachable', at(3, 12)],
  ['communication-prohibited', at(3, 13)],
  ['host-precedence-violation', at(3, 14)],
  ['precedence-cutoff', at(3, 15)],
  ['source-quench', at(4, 0)],
  ['network-redirect', at(5, 0)],
  ['host-redirect', at(5, 1)],
  ['TOS-network-redirect', at(5, 2)],
  ['TOS-host-redirect', at(5, 3)],
  ['echo-request', at(8, 0)],
  ['ping', at(8, 0)],
  ['router-advertisement', at(9, 0)],
  ['router-solicitation', at(10, 0)],
  ['ttl-zero-during-transit', at(11, 0)],
  ['ttl-zero-during-reassembly', at(11, 1)],
  ['ip-header-bad', at(12, 0)],
  ['required-option-missing', at(12, 1)],
  ['timestamp-request', at(13, 0)],
  ['timestamp-reply', at(14, 0)],
  ['address-mask-request', at(17, 0)],
  ['address-mask-reply', at(18, 0)],
];

export const ICMPV6_NAMES: readonly Name[] = [
  ['no-route', at(1, 0)],
  ['communication-prohibited', at(1, 1)],
  ['address-unreachable', at(1, 3)],
  ['port-unreachable', at(1, 4)],
  ['packet-too-big', at(2, 0)],
  ['ttl-zero-during-transit', at(3, 0)],
  ['ttl-zero-during-reassembly', at(3, 1)],
  ['bad-header', at(4, 0)],
  ['unknown-header-type', at(4, 1)],
  ['unknown-option', at(4, 2)],
  ['echo-request', at(128, 0)],
  ['ping', at(128, 0)],
  ['echo-reply', at(129, 0)],
  ['pong', at(129, 0)],
  ['router-solicitation', at(133, 0)],
  ['router-advertisement', at(134, 0)],
  ['neighbour-solicitation', at(135, 0)],
  ['neigbour-solicitation', at(135, 0)],
  ['neighbour-advertisement', at(136, 0)],
  ['neigbour-advertisement', at(136, 0)],
  ['redirect', at(137, 0)],
];

export function icmpText(names: readonly Name[], typeAndCode: number): string {
  const known = names.find(([, number]) => number === typeAndCode);
  return known?.[0] ?? `${typeAndCode >> 8}/${typeAndCode & 0xff}`;
}

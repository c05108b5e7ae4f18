/*
 * ICMP errors in the words of iputils' ping.
 */

const UNREACHABLE4 = [
  'Destination Net Unreachable',
  'Destination Host Unreachable',
  'Destination Protocol Unreachable',
  'Destination Port Unreachable',
  '',
  'Source Route Failed',
  'Destination Net Unknown',
  'Destination Host Unknown',
  'Source Host Isolated',
  'Destination Net Prohibited',
  'Destination Host Prohibited',
  'Destination Net Unreachable for Type of Service',
  'Destination Host Unreachable for Type of Service',
  'Packet filtered',
  'Precedence Violation',
  'Precedence Cutoff',
];

const UNREACHABLE6 = [
  'No route',
  'Administratively prohibited',
  'Beyond scope of source address',
  'Address unreachable',
  'Port unreachable',
];

const REDIRECTS = [
  'Redirect Network',
  'Redirect Host',
  'Redirect Type of Service and Network',
  'Redirect Type of Service and Host',
];

export interface EchoError {
  type: number;
  code: number;
  /** The second word. */
  info: number;
}

function error4({ type, code, info }: EchoError): string {
  if (type === 3 && code === 4) return `Frag needed and DF set (mtu = ${info & 0xffff})`;
  if (type === 3) return UNREACHABLE4[code] ?? `Dest Unreachable, Bad Code: ${code}`;
  if (type === 4) return 'Source Quench';
  if (type === 5) {
    const gateway = [24, 16, 8, 0].map((shift) => (info >>> shift) & 255).join('.');
    return `${REDIRECTS[code] ?? `Redirect, Bad Code: ${code}`}(New nexthop: ${gateway})`;
  }
  if (type === 11)
    return ['Time to live exceeded', 'Frag reassembly time exceeded'][code] ?? `Time exceeded, Bad Code: ${code}`;
  if (type === 12) return `Parameter problem: pointer = ${info >>> 24}`;
  return `Bad ICMP type: ${type}`;
}

function error6({ type, code, info }: EchoError): string {
  if (type === 1) return `Destination unreachable: ${UNREACHABLE6[code] ?? `Unknown code ${code}`}`;
  if (type === 2) return `Packet too big: mtu=${info}${code === 0 ? '' : `, code=${code}`}`;
  if (type === 3) {
    return `Time exceeded: ${['Hop limit', 'Defragmentation failure'][code] ?? `code ${code}`}`;
  }
  if (type === 4)
    return `Parameter problem: ${['Wrong header field ', 'Unknown header ', 'Unknown option '][code] ?? `code ${code} `}at ${info}`;
  return `unknown icmp type: ${type}`;
}

export function echoError(family: 4 | 6, error: EchoError): string {
  return family === 4 ? error4(error) : error6(error);
}

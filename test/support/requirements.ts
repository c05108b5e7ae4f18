/*
 * What a test needs of the machine. Where something is missing, the test is skipped, and its title says why:
 *
 *   const missing = lacking('root', 'iperf3');
 *   describe.skipIf(missing)(titled('TCP', missing), …)
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { ENVIRONMENT } from './program.js';

/** How each tool is asked whether it is there. */
const TOOLS = {
  iproute2: ['ip', '-V'],
  ping: ['ping', '-V'],
  iperf3: ['iperf3', '--version'],
  brctl: ['brctl', '--version'],
  ethtool: ['ethtool', '--version'],
  tcpdump: ['tcpdump', '--version'],
  nft: ['nft', '--version'],
  iptables: ['iptables', '--version'],
  conntrack: ['conntrack', '--version'],
  ipset: ['ipset', '--version'],
  python3: ['python3', '--version'],
  setpriv: ['setpriv', '--version'],
  unshare: ['unshare', '--version'],
  tracepath: ['tracepath', '-V'],
  traceroute: ['traceroute', '--version'],
  arping: ['arping', '-V'],
  bird: ['bird', '--version'],
} as const;

export type Requirement = keyof typeof TOOLS | 'root' | 'tun';

const known = new Map<Requirement, string>();

function hasNamespaces(): boolean {
  return spawnSync('unshare', ['--net', 'true'], { env: ENVIRONMENT }).status === 0;
}

function look(what: Requirement): string {
  if (what === 'root') {
    if (process.getuid?.() !== 0) return 'needs root';
    return hasNamespaces() ? '' : 'needs leave to make kernel network namespaces';
  }
  if (what === 'tun') {
    if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun';
    try {
      accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
      return '';
    } catch {
      return 'needs access to /dev/net/tun';
    }
  }
  const [file, ...args] = TOOLS[what];
  return spawnSync(file, args, { env: ENVIRONMENT }).error === undefined ? '' : `needs ${what}`;
}

/** The first thing that is missing, as a reason to skip; '' if all is there. */
export function lacking(...requirements: Requirement[]): string {
  for (const what of requirements) {
    const reason = known.get(what) ?? look(what);
    known.set(what, reason);
    if (reason !== '') return reason;
  }
  return '';
}

/** What every test of a daemon in real namespaces needs. */
export const lackingNamespaces = (...more: Requirement[]): string => lacking('root', 'tun', 'iproute2', ...more);

export function titled(title: string, missing: string): string {
  return missing === '' ? title : `${title} [skipped: ${missing}]`;
}

/*
 * Installs the tools that tests of real peers use, where this is root's machine and has apt-get; says so, and never
 * fails: a test whose tool is missing is skipped with that reason.
 *
 * The test set-up calls it when something is missing. By hand: node scripts/setup-tools.mjs
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A program of each Debian package, to see whether it is there. */
const TOOLS = {
  iproute2: 'ip',
  'iputils-ping': 'ping',
  iperf3: 'iperf3',
  'bridge-utils': 'brctl',
  ethtool: 'ethtool',
  tcpdump: 'tcpdump',
  nftables: 'nft',
  procps: 'sysctl',
  'util-linux': 'setpriv',
};

/** Installing may hang on a network that is not there; tests are worth more than tools. */
const PATIENCE_MS = 240_000;

const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

const isThere = (program) => FOLDERS.some((folder) => folder !== '' && existsSync(join(folder, program)));

const say = (text) => process.stderr.write(`sluice: ${text}\n`);

/** Packages whose tools are not there. */
export function missingTools() {
  return Object.keys(TOOLS).filter((name) => !isThere(TOOLS[name]));
}

function aptGet(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stderr } = spawnSync('apt-get', ['-q', '-y', ...args], {
    env,
    encoding: 'utf8',
    timeout: PATIENCE_MS,
  });
  if (status === 0) return true;
  say(`apt-get ${args[0]} did not work: ${(stderr ?? '').trim().split('\n').pop() || 'no answer'}`);
  return false;
}

/** Installs what is missing, if it can. One package that cannot be had does not stop the others. */
export function installTools() {
  const missing = missingTools();
  if (missing.length === 0) return;
  const list = missing.join(', ');
  if (process.getuid?.() !== 0 || !isThere('apt-get')) {
    say(`${list} not there, and without root and apt-get not to be installed: tests that need them are skipped`);
    return;
  }
  say(`installing for the tests: ${list}`);
  aptGet('update');
  if (aptGet('install', '--no-install-recommends', ...missing)) return;
  if (missing.length > 1) for (const name of missing) aptGet('install', '--no-install-recommends', name);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) installTools();

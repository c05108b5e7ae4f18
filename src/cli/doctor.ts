/*
 * `sluice doctor`: what this machine has and lacks for Sluice, and what disturbs a running one.
 *
 * Every line is one finding: "ok", "missing" (Sluice cannot do its job: exit status 1), or "note".
 * It reads /proc and the package's own files, and asks the daemon if there is one; it changes nothing.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { StatusInfo } from '../control/api/status.js';
import { Unreachable } from '../control/client.js';
import { packageRoot } from './package-root.js';
import { misuse } from './refusal.js';
import { inSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';

export interface Finding {
  state: 'ok' | 'missing' | 'note';
  text: string;
}

const MIN_NODE = 20;
const CAP_NET_ADMIN = 12;
const CAP_NET_RAW = 13;

const ok = (text: string): Finding => ({ state: 'ok', text });
const missing = (text: string): Finding => ({ state: 'missing', text });
const note = (text: string): Finding => ({ state: 'note', text });

/** A file's text, trimmed; undefined if it is not there. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function nodeVersion(): Finding {
  const version = process.versions.node;
  if (Number.parseInt(version, 10) >= MIN_NODE) return ok(`Node ${version}`);
  return missing(`Node ${version} is too old; install Node ${MIN_NODE} or later`);
}

const ROOT = packageRoot();

function shim(): Finding {
  if (!existsSync(new URL('build/Release/sluice.node', ROOT)))
    return missing('the native shim is not built; run "npm run build"');
  try {
    createRequire(import.meta.url)(new URL('build/Release/sluice.node', ROOT).pathname);
    return ok('the native shim is built and loads');
  } catch (error) {
    return missing(`the native shim does not load (${(error as Error).message.split('\n')[0]}); run "npm run build"`);
  }
}

function tunDevice(): Finding {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    return ok('/dev/net/tun can be opened');
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const hint = absent ? 'load the module tun, or give the container the device' : 'run as root, or allow this user';
    return missing(`/dev/net/tun ${absent ? 'is not there' : 'is not accessible'}: no TAPs; ${hint}`);
  }
}

/** Effective capabilities of this process, as a bit mask. */
function capabilities(): bigint {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status') ?? '');
  return BigInt(`0x${line?.[1] ?? '0'}`);
}

function capability(name: string, bit: number, use: string): Finding {
  if ((capabilities() >> BigInt(bit)) & 1n) return ok(name);
  return missing(`${name} is missing: no ${use}; run as root, or "setcap ${name.toLowerCase()}+ep" on node`);
}

function userNamespaces(): Finding {
  const switches: Array<[string, string]> = [
    ['/proc/sys/user/max_user_namespaces', '0'],
    ['/proc/sys/kernel/unprivileged_userns_clone', '0'],
    ['/proc/sys/kernel/apparmor_restrict_unprivileged_userns', '1'],
  ];
  if (!existsSync('/proc/self/ns/user')) return note('the kernel has no user namespaces: the demo needs root');
  const closed = switches.find(([path, value]) => read(path) === value);
  if (closed === undefined) return ok('unprivileged user namespaces');
  return note(`unprivileged user namespaces are off (${closed[0]} is ${closed[1]}): the demo needs root`);
}

function kernel(): Finding {
  const release = read('/proc/sys/kernel/osrelease') ?? 'unknown';
  const [major = 0, minor = 0] = release.split('.').map(Number);
  if (major > 6 || (major === 6 && minor >= 2)) return ok(`Linux ${release}: TAPs can take UDP superframes`);
  return note(`Linux ${release}: before 6.2 TAPs cut UDP superframes; TCP is not affected`);
}

function ioUring(): Finding {
  if (!existsSync('/proc/sys/kernel/io_uring_disabled'))
    return note('io_uring: the kernel does not say; Sluice does without');
  const value = read('/proc/sys/kernel/io_uring_disabled');
  return value === '0'
    ? ok('io_uring is allowed')
    : note(`io_uring is restricted (kernel.io_uring_disabled is ${value}); Sluice does without`);
}

function packetSockets(): Finding {
  if (existsSync('/proc/net/packet')) return ok('AF_PACKET sockets');
  return missing('the kernel has no AF_PACKET sockets: no packet ports; enable CONFIG_PACKET');
}

interface Manifest {
  optionalDependencies?: Record<string, string>;
}

/** Optional packages that npm could not build are simply not there. */
export function optionalPackages(manifest: Manifest, isThere: (name: string) => boolean): Finding[] {
  return Object.keys(manifest.optionalDependencies ?? {}).map((name) =>
    isThere(name)
      ? ok(`optional package ${name}`)
      : note(`optional package ${name} failed to build; ports of its kind are not available`),
  );
}

function packages(): Finding[] {
  const require = createRequire(import.meta.url);
  const manifest = JSON.parse(read(new URL('package.json', ROOT).pathname) ?? '{}') as Manifest;
  return optionalPackages(manifest, (name) => {
    try {
      require(name);
      return true;
    } catch {
      return false;
    }
  });
}

async function daemon(session: Session): Promise<Finding[]> {
  try {
    const status = await session.ask<StatusInfo>({ op: 'status' });
    const links = Object.keys(status.links).length;
    return [
      ok(`the daemon answers at ${session.terminal.socket}, with ${links} link${links === 1 ? '' : 's'}`),
      ...(status.warnings ?? []).map(note),
    ];
  } catch (error) {
    if (error instanceof Unreachable) return [note(error.message)];
    throw error;
  }
}

/** What can be found out without the daemon. */
export function machine(): Finding[] {
  return [
    nodeVersion(),
    shim(),
    kernel(),
    tunDevice(),
    capability('CAP_NET_ADMIN', CAP_NET_ADMIN, 'TAPs, namespaces and offloads'),
    capability('CAP_NET_RAW', CAP_NET_RAW, 'packet ports'),
    packetSockets(),
    ioUring(),
    userNamespaces(),
    ...packages(),
  ];
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    if (words.length > 0) throw misuse('doctor', words[0], 'it takes no words');
    const findings = [...machine(), ...(await daemon(session))];
    for (const { state, text } of findings) terminal.out(`${state.padEnd(8)}${text}\n`);
    return findings.some(({ state }) => state === 'missing') ? 1 : 0;
  });
}

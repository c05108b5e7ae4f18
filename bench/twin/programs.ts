/** The C++ programs of the benchmarks: compiled when first needed, and again when a source is newer. */
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../src/cli/package-root.js';
import { run } from '../program.js';

export type ProgramName = 'generator' | 'echo' | 'twin' | 'lpm';

export const root = fileURLToPath(packageRoot());

/** Folders that a program is made from, the one with its own file first. */
const FOLDERS: Record<ProgramName, string[]> = {
  generator: ['bench/twin'],
  echo: ['bench/twin'],
  twin: ['bench/twin', 'native'],
  lpm: ['bench/twin'],
};

/** What moves frames in the native shim, all that knows nothing of Node. */
const DATA_PATH = ['environment', 'packet_port', 'packet_ring', 'port', 'ring', 'tap_port', 'watch'];

/** As binding.gyp compiles the shim. */
const COMPILER = ['g++', '-std=c++17', '-O3', '-fno-exceptions', '-D_GNU_SOURCE', '-Wall', '-Wextra'];

/** DPDK's look-up is in its own library, which pkg-config describes; libraries come after what uses them. */
function dpdk(name: ProgramName): { flags: string[]; libraries: string[] } {
  if (name !== 'lpm') return { flags: [], libraries: [] };
  const flags = run(['pkg-config', '--cflags', 'libdpdk']).trim().split(/\s+/);
  return { flags, libraries: ['-lrte_fib', '-lrte_rib', '-lrte_lpm', '-lrte_hash', '-lrte_eal'] };
}

function newest(folder: string): number {
  const path = join(root, folder);
  return Math.max(...readdirSync(path).map((name) => statSync(join(path, name)).mtimeMs));
}

function sources(name: ProgramName): string[] {
  const shared = name === 'twin' ? DATA_PATH.map((file) => `native/${file}.cc`) : [];
  return [`bench/twin/${name}.cc`, ...shared].map((path) => join(root, path));
}

/** The program's path; compiles it if need be. node-gyp, whose folder build/ is, leaves build/bench/ alone unless it cleans. */
export function program(name: ProgramName): string {
  const path = join(root, 'build/bench', name);
  const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (made >= Math.max(...FOLDERS[name].map(newest))) return path;
  mkdirSync(dirname(path), { recursive: true });
  // Whoever runs the old one meanwhile, or compiles the same, is not disturbed.
  const fresh = `${path}.${process.pid}`;
  const { flags, libraries } = dpdk(name);
  run([...COMPILER, ...flags, '-o', fresh, ...sources(name), ...libraries]);
  renameSync(fresh, path);
  return path;
}

/** The three C++ programs of the benchmarks: compiled when first needed, and again when their source is newer. */
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../program.js';

export type ProgramName = 'generator' | 'echo' | 'twin';

/** The package's root: this file runs as dist/bench/twin/programs.js. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const sources = join(root, 'bench/twin');
const folder = join(root, 'build/bench');

function newestSource(): number {
  return Math.max(...readdirSync(sources).map((name) => statSync(join(sources, name)).mtimeMs));
}

/** The program's path; compiles it if need be. */
export function program(name: ProgramName): string {
  const path = join(folder, name);
  if (existsSync(path) && statSync(path).mtimeMs >= newestSource()) return path;
  mkdirSync(folder, { recursive: true });
  run(['g++', '-std=c++17', '-O3', '-Wall', '-Wextra', '-o', path, join(sources, `${name}.cc`)]);
  return path;
}

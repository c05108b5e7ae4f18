/*
 * Builds Sluice where it lies: the native shim (build/Release/sluice.node), the JavaScript (dist/) and
 * an executable bin/sluice.js. npm runs it as the package's install script; `npm run build` does too.
 *
 * One line a step when all goes well, the whole log when it does not. Plain Node: nothing is installed yet.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, realpathSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Its time is when the newest build of dist/ began. */
export const stamp = join(root, 'dist', '.built');

const require = createRequire(join(root, 'package.json'));

/** An error whose text says all: the stack would add nothing. */
export class BuildError extends Error {}

export function say(text) {
  process.stdout.write(`sluice: ${text}\n`);
}

/** Runs a Node script silently, and says how many seconds it took; its output appears only if it fails. */
function run(goal, args, hint) {
  const started = Date.now();
  const { status, error, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status === 0) return ((Date.now() - started) / 1000).toFixed(1);
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  const cause = error ? error.message : `${basename(args[0])} exited with ${status}`;
  throw new BuildError(`cannot ${goal}: ${cause}; ${hint}`);
}

// --- the shim ------------------------------------------------------------------------------------

function inPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && existsSync(path)) return path;
  }
  return '';
}

/** Tools that node-gyp will call and that are not there. */
function missingTools() {
  const missing = [];
  if (!inPath(process.env.MAKE || 'make')) missing.push('make');
  if (!process.env.CXX && !inPath('g++')) missing.push('g++');
  const python = process.env.npm_config_python || process.env.PYTHON;
  if (!python && !inPath('python3') && !inPath('python')) missing.push('python3');
  return missing;
}

/** Where Node lies that runs this: PREFIX/bin/node. */
function nodePrefix() {
  return dirname(dirname(realpathSync(process.execPath)));
}

/** node-gyp as npm brings it: npm names it to lifecycle scripts, otherwise it lies beside npm. */
function findNodeGyp() {
  const script = join('node-gyp', 'bin', 'node-gyp.js');
  const candidates = [process.env.npm_config_node_gyp ?? ''];
  const npm = inPath('npm');
  // PREFIX/lib/node_modules/npm/bin/npm-cli.js; Debian's own npm has node-gyp beside it, not in it.
  if (npm) {
    const home = dirname(dirname(realpathSync(npm)));
    candidates.push(join(home, 'node_modules', script), join(dirname(home), script));
  }
  candidates.push(join(nodePrefix(), 'lib', 'node_modules', 'npm', 'node_modules', script));
  const alone = inPath('node-gyp');
  if (alone) candidates.push(realpathSync(alone));
  return candidates.find((path) => path !== '' && existsSync(path)) ?? '';
}

export function compileShim() {
  const goal = 'compile the native shim';
  if (process.platform !== 'linux') {
    throw new BuildError(
      `cannot ${goal}: it is made of Linux system calls and this is ${process.platform}; use a Linux machine`,
    );
  }
  const missing = missingTools();
  if (missing.length > 0) {
    const names = missing.join(' and ');
    throw new BuildError(
      `cannot ${goal}: ${names} ${missing.length > 1 ? 'are' : 'is'} not installed; on Debian: apt-get install ${missing.join(' ')}`,
    );
  }
  const nodeGyp = findNodeGyp();
  if (nodeGyp === '') {
    throw new BuildError(
      `cannot ${goal}: node-gyp is not there, which comes with npm; install npm, or run "npm run build"`,
    );
  }
  // Not "rebuild": whoever runs Sluice from here meanwhile finds the shim in its place.
  const args = [nodeGyp, 'configure', 'build', '--jobs', 'max'];
  // Else node-gyp fetches the headers of this Node.
  if (existsSync(join(nodePrefix(), 'include', 'node', 'node_api.h'))) args.push(`--nodedir=${nodePrefix()}`);
  const began = new Date();
  const seconds = run(goal, args, 'the log is above');
  // make leaves it alone if its sources only look newer; for ready.mjs it must look newer still.
  utimesSync(join(root, 'build', 'Release', 'sluice.node'), began, began);
  say(`compiled the native shim in ${seconds} s`);
}

// --- TypeScript ----------------------------------------------------------------------------------

function findCompiler() {
  try {
    return join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  } catch {
    return '';
  }
}

export function compileTypeScript() {
  const compiler = findCompiler();
  if (compiler === '' || !existsSync(join(root, 'src'))) {
    if (existsSync(join(root, 'dist'))) return say('kept the JavaScript that came with the package');
    throw new BuildError(
      'cannot compile TypeScript: typescript is not installed and there is no dist/; run "npm ci --include=dev"',
    );
  }
  const began = new Date();
  const seconds = run('compile TypeScript', [compiler, '-p', '.'], 'the errors are above');
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  // A file that was saved while the compiler ran counts as not compiled.
  utimesSync(stamp, began, began);
  say(`compiled TypeScript in ${seconds} s`);
}

export function makeExecutable() {
  const bin = join(root, 'bin', 'sluice.js');
  if (existsSync(bin)) chmodSync(bin, 0o755);
}

/** Runs the steps; a step that fails is named on stderr and ends the process with 1. */
export function build(...steps) {
  try {
    for (const step of steps) step();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  build(compileShim, compileTypeScript, makeExecutable);
}

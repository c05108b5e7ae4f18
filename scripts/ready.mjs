/*
 * Makes a fresh clone ready to run, and does nothing, quickly, where it already is: `npm test`,
 * `npm run demo` and `npm run bench` begin with it. It compares file times, as make does.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, build, compileShim, compileTypeScript, makeExecutable, root, say, stamp } from './install.mjs';

function changed(path) {
  const stat = statSync(join(root, path), { throwIfNoEntry: false });
  return stat === undefined ? 0 : stat.mtimeMs;
}

/** When the newest file in a folder changed; 0 if there is none. */
function newest(folder) {
  const path = join(root, folder);
  if (!existsSync(path)) return 0;
  let latest = 0;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const name = join(folder, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(name) : changed(name));
  }
  return latest;
}

/** npm ci brings the dependencies and runs the package's install script, which builds everything. */
function installDependencies() {
  say('installing dependencies and compiling (npm ci)');
  const npm = process.env.npm_execpath;
  const [file, args] = npm?.endsWith('.js') ? [process.execPath, [npm, 'ci']] : ['npm', ['ci']];
  const { status, error } = spawnSync(file, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    throw new BuildError(
      `cannot install dependencies: npm ${error?.code ?? `exited with ${status}`}; run "npm ci" to see more`,
    );
  }
}

const dependencies = changed('node_modules/.package-lock.json');
if (dependencies === 0 || dependencies < changed('package-lock.json')) {
  build(installDependencies);
} else {
  const shimSources = Math.max(newest('native'), changed('binding.gyp'));
  if (changed('build/Release/sluice.node') < shimSources) build(compileShim);
  const sources = Math.max(newest('src'), newest('bench'), changed('tsconfig.json'));
  const built = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (built < sources) build(compileTypeScript);
  build(makeExecutable);
}

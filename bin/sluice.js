#!/usr/bin/env node
// The executable: plain JavaScript, so that it runs before anything else has been compiled.
import { existsSync } from 'node:fs';

const main = new URL('../dist/src/cli/main.js', import.meta.url);
if (existsSync(main)) {
  const { start } = await import(main.href);
  await start(process.argv.slice(2));
} else {
  process.stderr.write('cannot sluice: it is not compiled; run "npm run build" in its folder\n');
  process.exitCode = 1;
}

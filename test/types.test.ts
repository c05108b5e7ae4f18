/*
 * The tests hold to the types of what they test: vitest only strips types, and the build compiles src/ and bench/ alone, so
 * the compiler goes over test/ here.
 */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const COMPILER = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

/** What the compiler says of a project, and how it ends; an empty string and 0 if there is nothing to say. */
function compile(project: string): Promise<{ said: string; status: number | string | null | undefined }> {
  const args = [COMPILER, '-p', project, '--pretty', 'false'];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: ROOT }, (error, stdout, stderr) =>
      resolve({ said: stdout + stderr, status: error === null ? 0 : error.code }),
    );
  });
}

it('the tests have no type errors', { timeout: 120_000 }, async () => {
  expect(await compile('tsconfig.test.json')).toEqual({ said: '', status: 0 });
});

/*
 * The last line of a test run, in a form that scripts can read: "N passed, N failed, N skipped". Above it, every test that
 * was skipped, with its reason: from its title, or the note it gave.
 */
import type { Reporter, TestCase, TestModule } from 'vitest/node';

const count = (tests: readonly TestCase[], state: string): number =>
  tests.filter((test) => test.result().state === state).length;

function reasonOf(test: TestCase): string {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  return note === undefined ? test.fullName : `${test.fullName} [skipped: ${note}]`;
}

/** What fails the run beside its tests: a file that does not load, a suite's hook, an error outside of any test. */
function brokenParts(modules: readonly TestModule[], errors: readonly unknown[]): number {
  const parts = modules.flatMap((module) => [module, ...module.children.allSuites()]);
  return parts.filter((part) => part.errors().length > 0).length + errors.length;
}

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const skipped = tests.filter((test) => test.result().state === 'skipped');
    for (const test of skipped) process.stdout.write(`skipped: ${test.project.name}: ${reasonOf(test)}\n`);
    const failed = count(tests, 'failed') + brokenParts(modules, errors);
    process.stdout.write(`${count(tests, 'passed')} passed, ${failed} failed, ${skipped.length} skipped\n`);
  }
}

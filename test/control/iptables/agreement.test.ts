/* Commands one after the other: what the real iptables 1.8.9 prints, we print. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { registry as EXTENSIONS } from '../../../src/control/iptables/extensions/registry.js';
import type { Outcome } from '../../../src/control/iptables/iptables.js';
import { hasRealTool } from './real-tool.js';
import { askOurs, askReal, readSessions, World } from './session.js';

/** The help is in words of our own. */
function withoutHelp(outcome: Outcome): Outcome {
  return /^Usage: /m.test(outcome.stdout + outcome.stderr) ? { ...outcome, stdout: '(help)', stderr: '' } : outcome;
}

const sessions = readSessions(readFileSync(join(import.meta.dirname, 'sessions.txt'), 'utf8'));

describe.skipIf(!hasRealTool())('real iptables 1.8.9', () => {
  it.each(sessions.map((session) => [session.name, session] as const))('%s', async (_, { lines }) => {
    const real = askReal(lines);
    const ours = await askOurs(lines, new World(EXTENSIONS));
    const said = (outcomes: readonly Outcome[]) =>
      outcomes.map((outcome, i) => ({ line: lines[i].text, ...withoutHelp(outcome) }));
    expect(said(ours)).toEqual(said(real));
  });
});

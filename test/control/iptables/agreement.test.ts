/* Commands one after the other: what the real iptables 1.8.9 prints, we print. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { registry as EXTENSIONS } from '../../../src/control/iptables/extensions/registry.js';
import { hasRealTool } from './real-tool.js';
import { askOurs, askReal, readSessions, World } from './session.js';

const sessions = readSessions(readFileSync(join(import.meta.dirname, 'sessions.txt'), 'utf8'));

describe.skipIf(!hasRealTool())('real iptables 1.8.9', () => {
  it.each(sessions.map((session) => [session.name, session] as const))('%s', async (_, { lines }) => {
    const real = askReal(lines);
    const ours = await askOurs(lines, new World(EXTENSIONS));
    expect(ours.map((outcome, i) => ({ line: lines[i].text, ...outcome }))).toEqual(
      real.map((outcome, i) => ({ line: lines[i].text, ...outcome })),
    );
  });
});

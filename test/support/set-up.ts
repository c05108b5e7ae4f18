/* Before all tests: the tools that they use, and no leftovers of a run that was killed. */
import { spawnSync } from 'node:child_process';
import { installTools, missingTools } from '../../scripts/setup-tools.mjs';
import { leftovers } from './host.js';

export default function setUp(): void {
  if (missingTools().length > 0) installTools();
  if (process.getuid?.() !== 0) return;
  for (const name of leftovers()) spawnSync('ip', ['netns', 'delete', name]);
}

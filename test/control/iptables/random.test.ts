/* Commands at random: what the real iptables 1.8.9 prints, we print, and the dataplane has what the model has. */
import { describe, expect, it } from 'vitest';
import { registry as EXTENSIONS } from '../../../src/control/iptables/extensions/registry.js';
import { CommandSource } from './commands.js';
import { hasRealTool } from './real-tool.js';
import { askOurs, askReal, type Line, World } from './session.js';
import { spoiledText } from './spoiled-text.js';

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1);
const LENGTH = 60;

function linesOf(seed: number): Line[] {
  const source = new CommandSource(seed);
  const lines = Array.from({ length: LENGTH }, () => source.next());
  return [...lines, { text: 'iptables-save -c', words: ['iptables-save', '-c'], input: undefined }];
}

describe('commands at random', () => {
  it.skipIf(!hasRealTool()).each(SEEDS)('seed %d, as the real iptables 1.8.9', async (seed) => {
    const lines = linesOf(seed);
    const real = askReal(lines);
    const world = new World(EXTENSIONS);
    for (const [i, line] of lines.entries()) {
      const [ours] = await askOurs([line], world);
      expect({ line: line.text, ...ours }).toEqual({ line: line.text, ...real[i] });
    }
  });

  it.skipIf(!hasRealTool()).each([[], ['-c'], ['-n'], ['-c', '-v']])(
    'texts that are spoiled: %s %s',
    async (...flags) => {
      const words = flags.filter((flag) => flag !== undefined);
      for (let seed = 1; seed <= 15; seed++) {
        const input = spoiledText(seed * 10 + words.length);
        const lines: Line[] = [
          { text: input, words: ['iptables-restore', ...words], input },
          { text: '', words: ['iptables-save', '-c'], input: undefined },
        ];
        expect([input, ...(await askOurs(lines, new World(EXTENSIONS)))]).toEqual([input, ...askReal(lines)]);
      }
    },
  );

  it.each([1001, 1002, 1003, 1004])('seed %d: the dataplane follows the model', async (seed) => {
    const world = new World(EXTENSIONS);
    for (const line of linesOf(seed)) {
      await askOurs([line], world);
      world.check();
    }
  });
});

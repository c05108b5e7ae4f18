/*
 * `sluice iptables-save` and `sluice ip6tables-save`. With -f the file is written here, where the user is.
 */
import { writeFileSync } from 'node:fs';
import type { ToolOutcome } from '../control/api/tool.js';
import { show, toolVerb } from './iptables.js';
import { strerror } from './refusal.js';
import type { Terminal } from './terminal.js';
import type { VerbFile } from './verbs.js';

export function iptablesSave(tool: 'iptables-save' | 'ip6tables-save'): VerbFile {
  return toolVerb(async (words) => ({ op: 'iptables.run', tool, words: [...words] }), store);
}

function store(outcome: ToolOutcome, words: readonly string[], terminal: Terminal): number {
  const { file, stdout } = outcome;
  if (file === undefined) return show(outcome, words, terminal);
  try {
    writeFileSync(file, stdout);
  } catch (error) {
    terminal.err(`Failed to open file, error: ${strerror((error as NodeJS.ErrnoException).code ?? 'EIO')}\n`);
    return 1;
  }
  return show({ ...outcome, stdout: '' }, words, terminal);
}

export const { run } = iptablesSave('iptables-save');

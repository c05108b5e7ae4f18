/*
 * `sluice iptables-restore` and `sluice ip6tables-restore`: the text is read here, from the file that is named or from stdin.
 */
import { readFileSync } from 'node:fs';
import { End, readRestoreWords } from '../control/iptables/tool-words.js';
import { toolVerb } from './iptables.js';
import { strerror } from './refusal.js';
import type { Terminal } from './terminal.js';
import type { VerbFile } from './verbs.js';

export function iptablesRestore(tool: 'iptables-restore' | 'ip6tables-restore'): VerbFile {
  return toolVerb(async (words, terminal) => {
    const text = await textFor(words, tool, terminal);
    return typeof text === 'number' ? text : { op: 'iptables.run', tool, words: [...words], text };
  });
}

/** The text, or the exit status of words that want none. */
async function textFor(words: readonly string[], tool: string, terminal: Terminal): Promise<string | number> {
  let file: string | undefined;
  try {
    file = readRestoreWords(words, tool).file;
  } catch (error) {
    if (!(error instanceof End)) throw error;
    if (error.stdout !== '') terminal.out(error.stdout);
    if (error.stderr !== '') terminal.err(error.stderr);
    return error.status;
  }
  if (file === undefined) return readStdin();
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    terminal.err(`Can't open ${file}: ${strerror((error as NodeJS.ErrnoException).code ?? 'EIO')}\n`);
    return 1;
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

export const { run } = iptablesRestore('iptables-restore');

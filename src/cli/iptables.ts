/*
 * `sluice iptables` and `sluice ip6tables`: the words go to the daemon as they are, what the tool prints and its exit status come
 * back. -save and -restore have files of their own.
 */
import type { RunIptables, ToolOutcome } from '../control/api/tool.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';
import type { VerbFile } from './verbs.js';

/** A verb that asks the daemon once; `finish` may do something with what it prints. */
export function toolVerb(
  prepare: (words: readonly string[], terminal: Terminal) => Promise<RunIptables | number>,
  finish: (outcome: ToolOutcome, words: readonly string[], terminal: Terminal) => number = show,
): VerbFile {
  return {
    run: (words, terminal) =>
      inSession(terminal, async (session) => {
        const request = await prepare(words, terminal);
        if (typeof request === 'number') return request;
        return finish(await session.ask<ToolOutcome>(request), words, terminal);
      }),
  };
}

export function show({ stdout, stderr, status }: ToolOutcome, _: readonly string[], terminal: Terminal): number {
  if (stdout !== '') terminal.out(stdout);
  if (stderr !== '') terminal.err(stderr);
  return status;
}

export function iptables(tool: 'iptables' | 'ip6tables'): VerbFile {
  return toolVerb(async (words) => ({ op: 'iptables.run', tool, words: [...words] }));
}

export const { run } = iptables('iptables');

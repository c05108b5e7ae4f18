/* `sluice down`: asks the daemon to stop, and waits until it has. */
import type { Done } from '../control/api/answer.js';
import { misuse } from './refusal.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    if (words.length > 0) throw misuse('down', words[0], 'it takes no words');
    await session.ask<Done>({ op: 'down' });
    return 0;
  });
}

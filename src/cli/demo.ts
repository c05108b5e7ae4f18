/* `sluice demo`: the scene is src/demo/; here are its options. */
import { misuse } from './refusal.js';
import { report } from './session.js';
import type { Terminal } from './terminal.js';

/** How the demo ends: 0, or what failed. It has no options: one scene, under half a minute. */
export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  if (words.length > 0) return report(misuse('demo', words[0], 'it takes no words'), terminal);
  const demo = await import('../demo/demo.js');
  return demo.run({});
}

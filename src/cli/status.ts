/* `sluice status`: the frames' balance, drops by reason, and every link's part in them. */
import type { StatusInfo } from '../control/api/status.js';
import { type Json, json } from './json.js';
import { misuse } from './refusal.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';

const TOTALS = ['received', 'generated', 'cloned', 'transmitted', 'delivered', 'merged', 'held'] as const;

function dropsText(drops: Record<string, number>, indent: string): string {
  const shown = Object.entries(drops).filter(([, count]) => count > 0);
  return shown.map(([reason, count]) => `${indent}${reason.padEnd(24)} ${count}\n`).join('');
}

/** Reasons that never happened are left out of the text; JSON has what the daemon says. */
export function formatStatus(status: StatusInfo): string {
  let text = TOTALS.map((name) => `${name.padEnd(12)} ${status[name]}\n`).join('');
  const dropped = Object.values(status.drops).reduce((sum, count) => sum + count, 0);
  text += `${'dropped'.padEnd(12)} ${dropped}\n${dropsText(status.drops, '  ')}`;
  for (const [name, link] of Object.entries(status.links)) {
    text += `${name}: received ${link.received} transmitted ${link.transmitted}\n${dropsText(link.drops, '  ')}`;
  }
  return text;
}

export function statusJson(status: StatusInfo): Json {
  const { warnings: _, ...counters } = status;
  return counters as unknown as Json;
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const unknown = words.find((word) => word !== '-j' && word !== '-p' && word !== '-json' && word !== '--json');
    if (unknown !== undefined) throw misuse('status', unknown, 'there is no such option');
    const status = await session.ask<StatusInfo>({ op: 'status' });
    const pretty = words.includes('-p');
    terminal.out(words.length > (pretty ? 1 : 0) ? json(statusJson(status), pretty) : formatStatus(status));
    return 0;
  });
}

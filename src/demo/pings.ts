/* Ping of every pair, as a table; who pings is the scene's business. */
import { HOSTS, PAIRS } from './hosts.js';
import type { Stage } from './stage.js';
import type { PingResult } from './tasks.js';

export const ECHOES = 5;

/** Sends ECHOES from one host to an address of another; undefined: there is no such protocol here. */
export type Ping = (from: number, address: string) => Promise<PingResult | undefined>;

async function cell(stage: Stage, ping: Ping, from: number, address: string): Promise<string> {
  const result = await ping(from, address);
  if (result === undefined) return 'not in this kernel';
  const { received, medianMs } = result;
  const cause = `${ECHOES - received} of ${ECHOES} echoes had no answer`;
  const mark = stage.expect(
    received === ECHOES,
    'ping',
    `${address} from ${HOSTS[from].name}`,
    cause,
    'see the drops by reason',
  );
  const time = received === 0 ? '–' : `${medianMs.toFixed(2)} ms`;
  return `${mark} ${received} of ${ECHOES} ${time.padStart(9)}`;
}

export async function pingAll(stage: Stage, ping: Ping): Promise<void> {
  stage.screen.line('           IPv4                   IPv6');
  for (const [from, to] of PAIRS) {
    const { ipv4, ipv6 } = HOSTS[to];
    stage.screen.live(`  ${HOSTS[from].name} ↔ ${HOSTS[to].name}`);
    const cells = [await cell(stage, ping, from, ipv4), await cell(stage, ping, from, ipv6)];
    stage.screen.line(`  ${HOSTS[from].name} ↔ ${HOSTS[to].name}    ${cells.join('    ')}`);
  }
}

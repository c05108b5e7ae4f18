/*
 * V8 makes code fast only when it has run a while: the first large restore of a daemon would take three times as long as the next.
 * So a few small ones are done when it has just started and has nothing else to do: rules of no namespace, in a chain that no packet
 * reaches, gone again at the end.
 */
import type { Iptables } from './iptables.js';

const ROUNDS = 10;
const RULES = 200;
/** Before each round, for whoever wants something. */
const PAUSE_MS = 10;
/** Of no namespace. */
const NOWHERE = -1;

function rule(n: number): string {
  const address = `10.${n & 255}.${(n * 7) & 255}.${(n * 13) & 255}`;
  switch (n & 3) {
    case 0:
      return `-A WARM -s ${address}/32 -p tcp -m tcp --dport ${1000 + n} -j DROP`;
    case 1:
      return `-A WARM -d ${address}/24 -p udp -m udp --sport ${n}:65535 -j ACCEPT`;
    case 2:
      return `-A WARM ! -s ${address}/16 -p tcp -m comment --comment "rule ${n}" -j RETURN`;
    default:
      return `-A WARM -p tcp -m multiport --dports ${n},443 -j REJECT --reject-with tcp-reset`;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, PAUSE_MS).unref();
  });
}

export async function warmUp(iptables: Iptables): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await pause();
    const rules = Array.from({ length: RULES }, (_, n) => rule(n + round));
    await iptables.restore(NOWHERE, 'iptables-restore', [], `*filter\n:WARM - [0:0]\n${rules.join('\n')}\nCOMMIT\n`);
  }
  await iptables.forgetNamespace(NOWHERE);
}

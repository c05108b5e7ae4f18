/*
 * TRACE and LOG: what is told of packets, held against the kernel's log (trace-answers.txt). Its old tables have chains at all their hooks, so
 * they are made here, too.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { linesOf } from '../../src/control/packet-log.js';
import type { LogSink } from '../../src/netfilter/log.js';
import { H0, R0, talkative } from '../route/stack.js';
import { ip4, tcp, udp } from '../support/packets.js';
import type { Router } from '../support/router.js';
import { Ruled } from '../support/ruled.js';

const [A, B] = ['10.0.0.9', '10.0.1.9'];

const RULES = `
  iptables -t raw -A PREROUTING -p udp -j TRACE
  iptables -t raw -A PREROUTING -p tcp -j TRACE
  iptables -t raw -A OUTPUT -p icmp -j TRACE
  iptables -t raw -A PREROUTING -s 10.0.0.9 -j RETURN
  iptables -t mangle -N marks
  iptables -t mangle -A PREROUTING -j marks
  iptables -t mangle -A marks -p udp --dport 1 -j MARK --set-mark 7
  iptables -t mangle -A marks -p udp --dport 2 -j RETURN
  iptables -N one
  iptables -N two
  iptables -N three
  iptables -A FORWARD -p udp --dport 3 -j DROP
  iptables -A FORWARD -j one
  iptables -A one -p udp --dport 4 -g two
  iptables -A one -p udp --dport 5 -j three
  iptables -A two -p udp --dport 99
  iptables -A three -j RETURN
  iptables -A three -j DROP
  iptables -A FORWARD -p udp --dport 6 -j REJECT
  iptables -A FORWARD -p tcp -j ACCEPT
  iptables -A FORWARD -j ACCEPT
  iptables -P FORWARD DROP
  iptables -P INPUT ACCEPT
  iptables -P OUTPUT ACCEPT
  iptables -t mangle -P INPUT ACCEPT
  iptables -t mangle -P FORWARD ACCEPT
  iptables -t mangle -P OUTPUT ACCEPT
  iptables -t mangle -P POSTROUTING ACCEPT`;

interface Told {
  router: Router;
  ruled: Ruled;
  lines: string[];
}

async function told(rules: string): Promise<Told> {
  const lines: string[] = [];
  const sink: LogSink = {
    linkName: (link) => router.nameOf(link),
    log: (_, level, line) => lines.push(`<${level}>${line}`),
    nflog() {},
    trace: (step) => lines.push(...linesOf({ packetLog: step, missed: 0 }, ruled.iptables).map(({ text }) => text)),
  };
  const router = talkative({ netfilter: { log: sink } } as object);
  const ruled = new Ruled(router);
  await ruled.run(rules);
  return { router, ruled, lines };
}

function frames(): Uint8Array[] {
  const ends = { to: R0, from: H0, source: A, destination: B };
  const datagrams = [1, 2, 3, 4, 5, 6, 7].map((port) =>
    ip4({ ...ends, id: port, protocol: 17, payload: udp(A, B, 1000, port, Uint8Array.of(0x78)) }),
  );
  const options = Uint8Array.of(2, 4, 5, 0xb4, 1, 0, 0, 0);
  const syn = tcp(A, B, 1000, 80, { flags: 0x02, sequence: 5, window: 8192, options });
  const own = udp(A, '10.0.0.1', 1000, 9, new Uint8Array(0));
  return [
    ...datagrams,
    ip4({ ...ends, id: 77, fragment: 0x4000, protocol: 6, payload: syn }),
    ip4({ ...ends, destination: '10.0.0.1', id: 78, protocol: 17, payload: own }),
  ];
}

/** Identifications of what is made here are random. */
function plain(line: string): string {
  return line.replace(/ID=\d+ (PROTO=ICMP)/, 'ID=x $1');
}

describe('TRACE', () => {
  it("tells of packets what the kernel's log does", async () => {
    const { router, lines } = await told(RULES);
    for (const frame of frames()) router.send('e0', frame);
    const answers = readFileSync(join(import.meta.dirname, 'trace-answers.txt'), 'utf8');
    const wanted = answers.split('\n').filter((line) => line.startsWith('TRACE'));
    expect(lines.map(plain)).toEqual(wanted.map(plain));
  });

  it('ends with the packet', async () => {
    const { router, lines } = await told(`
      iptables -t raw -A PREROUTING -p udp --dport 1 -j TRACE
      iptables -P FORWARD ACCEPT`);
    const [first, second] = frames();
    for (const frame of [second, first, second, second]) router.send('e0', frame);
    expect(lines.map((line) => line.split(' ')[1])).toEqual(['raw:PREROUTING:policy:2', 'filter:FORWARD:policy:1']);
  });
});

describe('LOG', () => {
  it('has the prefix and the level of its rule', async () => {
    const { router, lines } = await told('iptables -A FORWARD -p udp -j LOG --log-prefix seen:_ --log-level 6');
    router.send('e0', frames()[0]);
    expect(lines).toEqual([
      '<6>seen:_IN=e0 OUT=e1 MAC=02:00:00:00:0b:00:02:00:00:00:10:09:08:00 SRC=10.0.0.9 DST=10.0.1.9 LEN=29 ' +
        'TOS=0x00 PREC=0x00 TTL=63 ID=1 PROTO=UDP SPT=1000 DPT=1 LEN=9 ',
    ]);
  });
});

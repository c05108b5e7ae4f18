/*
 * The lines of LOG are those of the kernel (log-answers.txt: frame > line, recorded with net.netfilter.nf_log_all_netns).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Stand } from './stand.js';

const ANSWERS = readFileSync(new URL('log-answers.txt', import.meta.url), 'utf8')
  .replace(/\n$/, '')
  .split('\n')
  .map((line) => line.split(' > ') as [string, string]);

const RULES4 = `*mangle
-A PREROUTING -i e0 -j MARK --set-mark 0x1f
-A PREROUTING -i e0 -j LOG --log-prefix "slu4: " --log-level 5 --log-tcp-sequence --log-tcp-options --log-ip-options
COMMIT
`;

const RULES6 = `*mangle
-A PREROUTING -i e0 -j LOG --log-prefix "slu6: " --log-ip-options --log-tcp-options
COMMIT
`;

describe('LOG', () => {
  it("writes the kernel's lines", async () => {
    const stand = new Stand();
    await stand.load(RULES4);
    await stand.load(RULES6, 'ip6tables');
    for (const [hex] of ANSWERS) stand.pass(Buffer.from(hex, 'hex'));
    expect(stand.logged).toEqual(ANSWERS.map(([, line]) => line));
  });

  it('decodes MAC addresses where it is asked to, and shows both links of a forwarded packet', async () => {
    const stand = new Stand();
    await stand.load('*mangle\n-A FORWARD -j LOG --log-macdecode\nCOMMIT\n');
    const udp = ANSWERS.find(([, line]) => line.includes('PROTO=UDP SPT=1 DPT=2'));
    stand.pass(Buffer.from(udp?.[0] ?? '', 'hex'), { hook: 2, in: 'e0', out: 'e1' });
    expect(stand.logged[0]).toMatch(
      /^<4>IN=e0 OUT=e1 MACSRC=02:00:00:00:10:09 MACDST=02:00:00:00:0b:00 MACPROTO=0800 SRC=10\.0\.0\.4 /,
    );
  });
});

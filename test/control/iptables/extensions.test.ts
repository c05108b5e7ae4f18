/* Every match and target: what iptables 1.8.9 was seen to make of many option sets, we make of them; and the words they become. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { registry } from '../../../src/control/iptables/extensions/registry.js';
import { SUBJECTS } from '../../../src/control/iptables/extensions/subjects.js';
import { Family } from '../../../src/netfilter/rule.js';
import { encodedRule, opsOf, wordsOfOp } from './encoded-rule.js';
import { askOurTool, askRealTool, caseOf, hasRealTool, readAnswers } from './real-tool.js';
import { World } from './session.js';

const recorded = readAnswers(readFileSync(join(import.meta.dirname, 'extensions.txt'), 'utf8'));

describe('as recorded', () => {
  const world = new World(registry);
  const ask = (words: string[], input?: string) => world.ask({ text: '', words, input });
  it.each(recorded)('$line', async ({ line, answer }) => {
    expect(await askOurTool(caseOf(line), ask)).toEqual(answer);
  });
});

/** One in eight, none that needs ipset where there is none. */
const hasIpset = spawnSync('ipset', ['-v']).status === 0;
const sample = recorded.filter(({ line }, i) => i % 8 === 0 && (hasIpset || !/-m set|-j SET/.test(line)));

describe.skipIf(!hasRealTool())('the real iptables 1.8.9', () => {
  it('still answers as recorded', { timeout: 120_000 }, () => {
    expect(askRealTool(sample.map(({ line }) => caseOf(line)))).toEqual(sample);
  });

  it.each([
    ['iptables', '-h'],
    ['iptables', '-m', 'tcp', '-h'],
    ['iptables', '-p', 'udp', '--help'],
    ['ip6tables', '-m', 'ah', '-j', 'TCPMSS', '-h'],
    ['iptables', '-m', 'nosuch', '-h'],
    ['iptables', '-p', 'nosuch', '-h'],
  ])('%s %s %s ends as the real one does', async (...words) => {
    const real = spawnSync('unshare', ['-n', ...words], { encoding: 'utf8' });
    const ours = await new World(registry).ask({ text: '', words, input: undefined });
    expect(ours).toMatchObject({ stderr: real.stderr, status: real.status });
  });
});

describe('help', () => {
  const helpOf = async (...words: string[]) =>
    (await new World(registry).ask({ text: '', words, input: undefined })).stdout;

  it('tells what a match or a target takes', async () => {
    expect(await helpOf('iptables', '-m', 'tcp', '-h')).toMatch(
      /^Match tcp: .*\n {2}\[!\] --source-port, --sport PORT\[:PORT\]$/m,
    );
    expect(await helpOf('iptables', '-p', 'udp', '-h')).toContain('  [!] --destination-port, --dport PORT[:PORT]\n');
    expect(await helpOf('iptables', '-j', 'LOG', '-h')).toMatch(/^Target LOG: (.*\n)* {6}--log-prefix TEXT$/m);
    expect(await helpOf('iptables', '-m', 'eui64', '-h')).not.toContain('Match');
    expect(await helpOf('ip6tables', '-m', 'eui64', '-h')).toContain('  (no options)\n');
  });

  it('shows every option of every extension', async () => {
    for (const name of Object.keys(SUBJECTS)) {
      const kind = /^[A-Z]/.test(name) ? '-j' : '-m';
      const texts = [await helpOf('iptables', kind, name, '-h'), await helpOf('ip6tables', kind, name, '-h')];
      const isTarget = kind === '-j';
      for (const family of [Family.IPV4, Family.IPV6]) {
        const extension = isTarget ? registry.target(name, family) : registry.match(name, family);
        for (const option of extension?.options ?? []) expect(texts[family]).toContain(`--${option.name}`);
      }
    }
  });
});

describe('words of the dataplane', () => {
  const saved = recorded.flatMap(({ line, answer }) => {
    const text = answer.find((one) => one.startsWith('= '));
    return text === undefined ? [] : [`${line.split(' ').slice(0, 3).join(' ')} ${text.slice(2)}`];
  });

  // The real tool does not quote empty names and those with blanks, no date of 1970 and not both ends of
  // a range that is one port: such a line is another rule, or none.
  const readable = saved.filter(
    (line) => !/ {2}| $|-in a b|-name a b|-label a b|genre a b|-m (time|ipcomp)$|:80\/5$|seconds -1/.test(line),
  );

  it('reads back what it wrote, and every operation is as long as it says', () => {
    const wrong: string[] = [];
    for (const line of new Set(readable)) {
      const { text, program } = encodedRule(caseOf(line));
      if (text !== line.replace(/^\S+ \S+ \S+ ?/, '')) wrong.push(`${line}: ${text}`);
      for (const { op, words } of opsOf(program)) {
        if (words.length !== (wordsOfOp(op) ?? words.length)) wrong.push(`${line}: ${words.length} words of op ${op}`);
      }
    }
    expect(readable.length).toBeGreaterThan(900);
    expect(wrong).toEqual([]);
  });

  it.each([
    ['4 filter FORWARD -p tcp -m tcp --sport 1:2 --dport 80', [], [(1 << 16) | 2, (80 << 16) | 80, 1024]],
    ['4 filter FORWARD -p udp -m udp ! --dport 53', [], [0xffff, (53 << 16) | 53, 1024 | 64]],
    ['4 filter FORWARD -p tcp -m tcp --tcp-flags SYN,ACK SYN', [2, 18, 2], undefined],
    ['4 filter FORWARD -p tcp -m tcp ! --tcp-option 7', [3 | 256, 7], undefined],
    ['4 filter FORWARD -p icmp -m icmp --icmp-type 3/4', [5, 3, 4, 4], undefined],
    ['4 filter FORWARD -m conntrack ! --ctstate NEW', [6 | 256, 8], undefined],
    ['4 filter FORWARD -m addrtype ! --dst-type LOCAL', [8 | (4 << 8), 0, 4], undefined],
    ['4 filter FORWARD -m mark --mark 0x4000/0x4000', [9, 0x4000, 0x4000], undefined],
    [
      '4 filter FORWARD -p tcp -m multiport --dports 80,90:95',
      [11 | (4 << 8), 2, (80 << 16) | 80, (90 << 16) | 95],
      undefined,
    ],
    ['4 filter FORWARD -m statistic --mode random --probability 0.5', [12, 0x40000000], undefined],
    ['4 filter FORWARD -m statistic --mode nth --every 3 --packet 1', [13, 2, 1, 1], undefined],
    [
      '4 filter FORWARD -m iprange --src-range 0.0.0.1-0.0.0.9',
      [17 | (2 << 8), 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      undefined,
    ],
    ['4 filter FORWARD -m mac --mac-source 01:02:03:04:05:06', [18, 0x0102, 0x03040506], undefined],
    ['4 filter FORWARD -m ttl --ttl-gt 5', [21, 6, 255], undefined],
    ['4 filter FORWARD -m dscp --dscp 0x0a', [22, 40, 0xfc], undefined],
    ['4 filter FORWARD -m string --string "abcde" --algo bm', [28, 0, 0xffff, 5, 0x64636261, 0x65], undefined],
    ['4 filter FORWARD -m u32 --u32 "0x6&0xff=0x1:0x2"', [29, 1, 2, 1, 3, 6, 0, 255, 1, 2], undefined],
  ])('%s', (line, op, box) => {
    const { program, row } = encodedRule(caseOf(line));
    expect(opsOf(program).map(({ words }) => [words[0] & 0xffff, ...words.slice(1)])).toEqual(
      op.length === 0 ? [] : [op],
    );
    if (box !== undefined) expect([row[7], row[8], row[4]]).toEqual(box);
  });

  it.each([
    [
      '4 nat PREROUTING -p tcp -j DNAT --to-destination 0.0.0.1-0.0.0.2:80-90/5 --persistent',
      19,
      [43, 1, 0, 0, 0, 2, 0, 0, 0, 80, 90, 5],
    ],
    ['4 nat POSTROUTING -j MASQUERADE --random-fully', 20, [16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['4 nat PREROUTING -j NETMAP --to 0.1.0.0/16', 22, [65, 0x10000, 0, 0, 0, 0x1ffff, 0, 0, 0, 0, 0, 0]],
    ['4 mangle PREROUTING -j MARK --set-xmark 0x1/0x3', 16, [1, 3]],
    ['4 mangle PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff00', 17, [2, 0, 0xff00, 0xff, 0]],
    ['6 filter FORWARD -j REJECT', 23, [20]],
    ['4 filter FORWARD -j LOG --log-prefix abcde', 24, [4, 0, 5, 0x64636261, 0x65]],
    ['4 raw PREROUTING -p tcp -j CT --helper ftp --zone-orig 7', 27, [4, 7, 1, 0]],
    ['4 raw PREROUTING -j NOTRACK', 27, [1, 0, 0, 0]],
    ['4 mangle FORWARD -p tcp -j TCPMSS --clamp-mss-to-pmtu', 28, [0xffff]],
    ['4 mangle FORWARD -j SET --add-set one src,dst --exist', 35, [1, 2, 1, 0, 0, 0, 0, 0, 0, 1, -1]],
  ])('%s', (line, target, args) => {
    const encoded = encodedRule(caseOf(line));
    expect([encoded.row[10], encoded.args]).toEqual([target, args]);
  });
});

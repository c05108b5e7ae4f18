/* Plain lines of a restore are read another way than the rest: to the same rule, or not at all. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { natRouter } from '../../../bench/rule-set.js';
import { CommandReader, type Setting } from '../../../src/control/iptables/command.js';
import { registry } from '../../../src/control/iptables/extensions/registry.js';
import type { Rule } from '../../../src/control/iptables/model.js';
import { PlainReader } from '../../../src/control/iptables/plain-lines.js';
import { readCounters, splitWords } from '../../../src/control/iptables/restore-lines.js';
import { Family } from '../../../src/netfilter/rule.js';
import { readAnswers } from './real-tool.js';

function settingOf(family: Family): Setting {
  return { family, registry, program: 'iptables-restore', isRestore: true, warn() {} };
}

const settings = [settingOf(Family.IPV4), settingOf(Family.IPV6)];

/** What a rule is, without what is only for reading it. */
function plainData(rule: Rule | undefined): unknown {
  if (rule === undefined) return undefined;
  const { box, matches, jump, body, jumpText, packets, bytes } = rule;
  const extensions = [...matches, ...(jump.target === undefined ? [] : [jump.target])];
  const data = extensions.map((one) => [one.extension.name, one.data]);
  return { box, data, jump: [jump.name, jump.isGoto], body, jumpText, packets, bytes };
}

/** One rule; undefined: more or fewer, or none of that family. */
function usually(line: string, family: Family, table: string): unknown {
  try {
    const { counters, rest } = readCounters(line, 1);
    const front = counters === undefined ? [] : ['--set-counters', counters.packets, counters.bytes];
    const command = new CommandReader(settings[family]).read([...front, ...splitWords(rest)], table);
    return command?.verb === 'A' && command.rules.length === 1 ? plainData(command.rules[0]) : 'another command';
  } catch (error) {
    return String(error);
  }
}

interface Line {
  family: Family;
  table: string;
  text: string;
}

function plainReader(family: Family): PlainReader {
  return new PlainReader(settings[family], true);
}

const recorded: Line[] = readAnswers(readFileSync(join(import.meta.dirname, 'extensions.txt'), 'utf8')).flatMap(
  ({ line, answer }) => {
    const [family, table, chain] = line.split(' ');
    const saved = answer.filter((one) => one.startsWith('= ')).map((one) => one.slice(2));
    return [line.split(' ').slice(3).join(' '), ...saved].map((rule) => ({
      family: family === '6' ? Family.IPV6 : Family.IPV4,
      table,
      text: `-A ${chain} ${rule}`,
    }));
  },
);

describe('plain lines', () => {
  it('are read as the usual reader reads them, and seldom left to it', () => {
    const readers = [plainReader(Family.IPV4), plainReader(Family.IPV6)];
    let plain = 0;
    for (const { family, table, text } of recorded) {
      const ours = plainData(readers[family].read(text, 0, text.length, table));
      if (ours === undefined) continue;
      plain++;
      expect({ text, rule: ours }).toEqual({ text, rule: usually(text, family, table) });
    }
    expect(plain).toBeGreaterThan(recorded.length / 2);
  });

  it('are those of a large rule set, all of them', () => {
    const reader = plainReader(Family.IPV4);
    for (const line of natRouter('eth1', 100).split('\n')) {
      if (!line.startsWith('-A')) continue;
      expect(plainData(reader.read(line, 0, line.length, 'filter'))).toEqual(usually(line, Family.IPV4, 'filter'));
    }
  });

  it.each([
    '[12:3400] -A FORWARD -s 10.1.2.3/8 ! -d 10.0.0.0/32 -i eth+ -o eth1 -p udp -m udp --sport 1:2 --dport 53 -j ACCEPT',
    '-A KUBE-SVC -m comment --comment "default/web:http cluster IP" -m tcp -p tcp -j KUBE-SEP',
    '-A X -p tcp -m comment --comment "a \\"b\\" c" -m statistic --mode random --probability 0.5 -g Y',
    '-A X -m comment --comment -j -j ACCEPT',
    '-A X -j DROP',
    '-A X -p ipcomp -m ipcomp -j Y --ipcompspi 5:6',
    '-A X -p tcp -m tcp --dport 80 -m tcp --sport 5',
    '-A X -m conntrack -m limit --ctstate NEW',
    '-A PREROUTING -o eth0 -j ACCEPT',
    '-A X -s 1.2.3.4 -s 1.2.3.5',
    '-A X -s 010.0.0.1',
    '-A X  -s 10.0.0.1',
    '-A X -s 10.0.0.1 ',
    '-A X -s 10.0.0.1,10.0.0.2',
    '-A X -p 6 -m tcp --dport 2:1',
    '-A X -p ! tcp',
    '-A X ! -p all',
    '-A X -p tcp -m tcp --dpor 80',
    '-A X -j LOG --log-prefix "a b "',
    '-A X -j LOG -m limit --limit 5/sec',
    '-A',
    '-A X -',
    '-A X !',
    '[1:2',
    '[1:2]-A X',
  ])('%s', (text) => {
    for (const table of ['filter', 'nat']) {
      const ours = plainData(plainReader(Family.IPV4).read(text, 0, text.length, table));
      if (ours !== undefined) expect(ours).toEqual(usually(text, Family.IPV4, table));
    }
  });

  it('are the same rule, or left alone, however words are mixed', () => {
    const words = [...new Set(recorded.flatMap(({ text }) => text.split(' ').slice(2)))];
    const word = fc.oneof(
      fc.constantFrom(...words),
      fc.constantFrom('-m', '-j', '-p', '-s', 'tcp', 'udp', '!', '', '"'),
    );
    const line = fc.tuple(fc.constantFrom(...recorded), fc.array(fc.tuple(fc.nat(12), word), { maxLength: 3 }));
    const readers = [plainReader(Family.IPV4), plainReader(Family.IPV6)];
    fc.assert(
      fc.property(line, ([{ family, table, text }, changes]) => {
        const mixed = text.split(' ');
        for (const [at, one] of changes) mixed.splice(2 + at, at & 1, one);
        const changed = mixed.join(' ');
        const ours = plainData(readers[family].read(changed, 0, changed.length, table));
        if (ours !== undefined) expect(ours).toEqual(usually(changed, family, table));
      }),
      { numRuns: 20_000 },
    );
  }, 60_000);
});

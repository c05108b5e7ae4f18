/* What the texts of the tools do not show: what reaches the dataplane, and when. */
import { describe, expect, it } from 'vitest';
import type { Extension } from '../../../src/control/iptables/extension.js';
import { Registry } from '../../../src/control/iptables/extension.js';
import { registry as EXTENSIONS } from '../../../src/control/iptables/extensions/registry.js';
import { Iptables, type Outcome } from '../../../src/control/iptables/iptables.js';
import { warmUp } from '../../../src/control/iptables/warm-up.js';
import { Op } from '../../../src/netfilter/ops.js';
import { Family } from '../../../src/netfilter/rule.js';
import { RulesOp } from '../../../src/netfilter/rules.js';
import { World } from './session.js';

const FILTER = [
  '*filter',
  ':INPUT ACCEPT [0:0]',
  ':a - [0:0]',
  '-A INPUT -p tcp --dport 80 -j a',
  '-A a -j DROP',
  'COMMIT',
  '',
];

interface Heard {
  iptables: Iptables;
  applied: Int32Array[];
  tracking: boolean[];
  run(line: string): Promise<Outcome>;
  restore(words: string[], lines: string[]): Promise<Outcome>;
  save(): Promise<string>;
}

/** Ours without a dataplane: what it would be told. */
function listening(registry = EXTENSIONS, hasRoom = true, maxRules = 100_000): Heard {
  const applied: Int32Array[] = [];
  const tracking: boolean[] = [];
  const iptables = new Iptables({
    registry,
    maxRules,
    maxChains: 10_000,
    engine: {
      hasRoom: () => hasRoom,
      apply: (ops) => void applied.push(ops),
      setTracking: (_namespace, _family, isOn) => tracking.push(isOn),
    },
    counters: { packets: () => 0, bytes: () => 0, policyPackets: () => 0, policyBytes: () => 0 },
    numbers: () => ({ links: () => 1, set: () => 1, text: () => 1 }),
  });
  return {
    iptables,
    applied,
    tracking,
    run: (line) => iptables.run(0, 'iptables', line.split(' ')),
    restore: (words, lines) => iptables.restore(0, 'iptables-restore', words, lines.join('\n')),
    save: async () => (await iptables.save(0, 'iptables-save', [])).stdout.replace(/^#.*\n/gm, ''),
  };
}

describe('a change', () => {
  it('of one rule is one op', async () => {
    const heard = listening();
    await heard.restore([], FILTER);
    heard.applied.length = 0;
    await heard.run('-A INPUT -j ACCEPT');
    expect(heard.applied.map((ops) => ops[0])).toEqual([RulesOp.INSERT_RULE]);
    heard.applied.length = 0;
    await heard.run('-D INPUT -j ACCEPT');
    expect(heard.applied).toEqual([Int32Array.of(RulesOp.REMOVE_RULE, 3)]);
  });

  it('that is refused leaves everything as it was, and the dataplane hears nothing of it', async () => {
    const heard = listening();
    await heard.restore([], FILTER);
    const before = await heard.save();
    heard.applied.length = 0;
    const lines = [
      '*filter',
      '-F a',
      '-A a -j ACCEPT',
      '-N b',
      '-A INPUT -j b',
      '-P INPUT DROP',
      '-D INPUT 9',
      'COMMIT',
      '',
    ];
    const outcome = await heard.restore(['-n'], lines);
    expect(outcome).toMatchObject({
      status: 1,
      stderr: 'iptables-restore: line 7 failed: Index of deletion too big.\n',
    });
    expect(heard.applied).toEqual([]);
    expect(await heard.save()).toBe(before);
  });

  it('is refused as a whole when programs do not fit any more', async () => {
    const heard = listening(EXTENSIONS, false);
    const outcome = await heard.restore([], FILTER);
    expect(outcome).toMatchObject({ status: 1, stderr: 'iptables-restore: Cannot allocate memory.\n' });
    expect([heard.applied, await heard.save()]).toEqual([[], '']);
  });

  it('stops where there are too many rules', async () => {
    const heard = listening(EXTENSIONS, true, 2);
    await heard.restore([], FILTER);
    expect(await heard.run('-A INPUT -j ACCEPT')).toMatchObject({
      status: 4,
      stderr: 'iptables v1.8.9 (nf_tables):  RULE_APPEND failed (Too many open files in system): rule in chain INPUT\n',
    });
    await heard.run('-F');
    expect(await heard.run('-A INPUT -j ACCEPT')).toMatchObject({ status: 0 });
  });

  it('of a whole table is made apart and switched at once', async () => {
    const world = new World(EXTENSIONS);
    await world.iptables.restore(0, 'iptables-restore', [], FILTER.join('\n'));
    const chain = world.rules.baseOf(0, Family.IPV4, 3, 1);
    const rule = world.rules.chains.words[chain << 3];
    await world.iptables.restore(0, 'iptables-restore', [], FILTER.join('\n'));
    expect(world.rules.baseOf(0, Family.IPV4, 3, 1)).toBe(chain);
    expect(world.rules.chains.words[chain << 3]).not.toBe(rule);
    world.check();
  });
});

describe('a restore', () => {
  it('with --test changes nothing', async () => {
    const heard = listening();
    expect(await heard.restore(['--test'], FILTER)).toMatchObject({ status: 0, stderr: '' });
    expect([heard.applied, await heard.save()]).toEqual([[], '']);
  });

  it('commits the tables before the one that is wrong', async () => {
    const heard = listening();
    const outcome = await heard.restore([], [...FILTER.slice(0, -1), '*nat', '-A INPUT -j nochain', 'COMMIT', '']);
    expect(outcome.status).toBe(2);
    expect(await heard.save()).toContain('-A a -j DROP');
  });

  it('tells which file it wants', async () => {
    const { iptables } = listening();
    expect(await iptables.restore(0, 'iptables-restore', ['-n', 'rules.txt'])).toMatchObject({
      file: 'rules.txt',
      status: 0,
    });
    expect(await iptables.save(0, 'iptables-save', ['-f', 'rules.txt'])).toMatchObject({
      file: 'rules.txt',
      stdout: '',
    });
  });
});

/** A match without a meaning here. */
const absent: Extension<{ isSet: boolean }> = {
  name: 'absent',
  isTarget: false,
  options: [
    {
      name: 'absent',
      take: (data) => {
        data.isSet = true;
      },
    },
  ],
  create: () => ({ isSet: false }),
  save: ({ isSet }) => (isSet ? ' --absent' : ''),
  list: () => ' absent',
  encode: () => {
    throw new Error('it must not be asked');
  },
  lacking: () => 'there are no absences in userspace',
};

describe('what has no meaning here', () => {
  const registry = new Registry();
  registry.add(absent);
  const lines = ['*filter', '-A INPUT -m absent --absent -j DROP', 'COMMIT', ''];

  it('is refused with the reason', async () => {
    const heard = listening(registry);
    const outcome = await heard.restore([], lines);
    expect(outcome).toEqual({
      stdout: '',
      stderr:
        'iptables-restore v1.8.9 (nf_tables): \nline 2: RULE_APPEND failed (Operation not supported): rule in chain INPUT\n' +
        'cannot load absent: there are no absences in userspace; leave it out, or use "iptables-restore --lax"\n',
      status: 4,
    });
    expect(await heard.save()).toBe('');
  });

  it('loads with --lax as never matching, is saved as it was, and shown as such', async () => {
    const heard = listening(registry);
    expect(await heard.restore(['--lax'], lines)).toMatchObject({ status: 0, stderr: '' });
    expect(await heard.save()).toContain('-A INPUT -m absent --absent -j DROP\n');
    const { stdout } = await heard.run('-nL INPUT');
    expect(stdout).toContain(' absent [never matches: absent: there are no absences in userspace]\n');
    const words = heard.applied.flatMap((ops) => [...ops]);
    expect(words).toContain(Op.NEVER | (1 << 16));
  });
});

describe('connections', () => {
  it('are tracked while a rule needs them', async () => {
    const heard = listening();
    await heard.run('-A INPUT -m conntrack --ctstate NEW -j ACCEPT');
    await heard.run('-A INPUT -m conntrack --ctstate NEW -j DROP');
    await heard.run('-D INPUT 1');
    expect(heard.tracking).toEqual([true]);
    await heard.run('-F INPUT');
    expect(heard.tracking).toEqual([true, false]);
  });

  it('are not tracked for a rule that was refused', async () => {
    const heard = listening();
    await heard.restore([], ['*filter', '-A INPUT -m conntrack --ctstate NEW -j ACCEPT', '-D INPUT 7', 'COMMIT', '']);
    expect(heard.tracking).toEqual([]);
  });
});

describe('a namespace', () => {
  it('that goes takes its rules along', async () => {
    const world = new World(EXTENSIONS);
    await world.iptables.restore(3, 'iptables-restore', [], FILTER.join('\n'));
    expect(world.rules.baseOf(3, Family.IPV4, 3, 1)).not.toBe(0);
    await world.iptables.forgetNamespace(3);
    expect(world.rules.baseOf(3, Family.IPV4, 3, 1)).toBe(0);
    expect((await world.iptables.save(3, 'iptables-save', [])).stdout).toBe('');
  });

  it('has rules of its own', async () => {
    const world = new World(EXTENSIONS);
    await world.iptables.run(1, 'iptables', ['-A', 'INPUT', '-j', 'DROP']);
    expect((await world.iptables.run(2, 'iptables', ['-S', 'INPUT'])).stdout).toBe('-P INPUT ACCEPT\n');
  });
});

describe('names and comments', () => {
  it('of any kind come back as they are, and never reach the dataplane', async () => {
    const heard = listening();
    const hostile = '"; process.exit(1) //`x`\\ \u0000 é';
    const { iptables } = heard;
    const words = ['-A', 'INPUT', '-m', 'comment', '--comment', hostile, '-j', 'DROP'];
    expect(await iptables.run(0, 'iptables', words)).toMatchObject({ status: 0 });
    expect((await iptables.run(0, 'iptables', ['-C', ...words.slice(1)])).status).toBe(0);
    expect(heard.applied.every((ops) => ops instanceof Int32Array)).toBe(true);
    const text = await heard.save();
    const other = listening();
    await other.restore([], [text]);
    expect(await other.save()).toBe(text);
  });
});

describe('a host name', () => {
  it('is looked up, and one that is not there is refused in the words of the real tool', async () => {
    const heard = listening();
    expect(await heard.run('-A INPUT -s localhost -j DROP')).toMatchObject({ status: 0, stderr: '' });
    expect(await heard.save()).toContain('-A INPUT -s 127.0.0.1/32 -j DROP\n');
    expect(await heard.run('-A INPUT -s nowhere.invalid -j DROP')).toMatchObject({
      status: 2,
      stderr:
        "iptables v1.8.9 (nf_tables): host/network `nowhere.invalid' not found\n" +
        "Try `iptables -h' or 'iptables --help' for more information.\n",
    });
  });
});

describe('100,000 rules', () => {
  const RULES = 100_000;

  it('are searched, added to and taken from without going through them all', async () => {
    const heard = listening(EXTENSIONS, true, 2 * RULES);
    const rules = Array.from(
      { length: RULES },
      (_, i) => `-A FORWARD -s 10.${i >> 16}.${(i >> 8) & 255}.${i & 255} -j DROP`,
    );
    await heard.restore([], ['*filter', ...rules, 'COMMIT', '']);
    const times: number[] = [];
    for (let i = 0; i < 20; i++) {
      const rule = `FORWARD -s 10.${i & 1}.77.${i} -j DROP`;
      const start = performance.now();
      expect((await heard.run(`-C ${rule}`)).status).toBe(0);
      expect((await heard.run(`-D ${rule}`)).status).toBe(0);
      expect((await heard.run(`-I ${rule}`)).status).toBe(0);
      times.push((performance.now() - start) / 3);
    }
    expect(times.sort((a, b) => a - b)[10]).toBeLessThan(5);
  });

  it('reach the dataplane and leave it in pieces that take little time each', async () => {
    const heard = listening();
    const rules = Array.from({ length: 2000 }, (_, i) => `-A FORWARD -s 10.0.${i >> 8}.${i & 255} -j DROP`);
    const text = ['*filter', ':FORWARD ACCEPT [0:0]', ...rules, 'COMMIT', ''];
    const longest = async (work: Promise<Outcome>) => {
      heard.applied.length = 0;
      expect((await work).status).toBe(0);
      return Math.max(...heard.applied.map((ops) => ops.length));
    };
    const ofRules = 32 * 64;
    expect(await longest(heard.restore([], text))).toBeLessThan(ofRules);
    expect(await longest(heard.run('-F FORWARD'))).toBeLessThan(ofRules);
    // The chain is there and empty.
    expect(await longest(heard.restore([], text))).toBeLessThan(ofRules);
    expect(await longest(heard.restore([], text))).toBeLessThan(ofRules);
    expect(await longest(heard.run('-Z'))).toBeLessThan(ofRules);
  });
});

describe('warming up', () => {
  it('leaves no rules', async () => {
    const world = new World(EXTENSIONS);
    await warmUp(world.iptables);
    expect(world.applied).toBeGreaterThan(0);
    expect((await world.iptables.save(-1, 'iptables-save', [])).stdout).toBe('');
    await world.iptables.run(0, 'iptables', ['-A', 'INPUT', '-j', 'DROP']);
    expect((await world.iptables.save(0, 'iptables-save', [])).stdout).toContain('-A INPUT -j DROP\n');
  });
});

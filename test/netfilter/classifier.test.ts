import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasClassbench, NO_CLASSBENCH, packetsFor, readSet, SETS } from '../../bench/classbench.js';
import { xorshift } from '../../bench/xorshift.js';
import { Key } from '../../src/core/packet.js';
import { Chain } from '../../src/netfilter/chains.js';
import { Family, Rule, RuleFlag, Target, Verdict } from '../../src/netfilter/rule.js';
import { EVEN_LINKS, holds, Lab } from './rule-model.js';

/** A rule of the model: what the walk must find, in the order of the chain. */
interface Entry {
  rule: number;
  row: Int32Array;
  /** Its program holds. */
  isMet: boolean;
}

/** Rules counted, and the verdict, by looking at each in turn. */
function expected(entries: readonly Entry[], key: Int32Array): { hits: number[]; verdict: Verdict } {
  const hits: number[] = [];
  for (const { rule, row, isMet } of entries) {
    if (!isMet || !holds(row, key)) continue;
    hits.push(rule);
    if (row[Rule.TARGET] === Target.ACCEPT) return { hits, verdict: Verdict.ACCEPT };
    if (row[Rule.TARGET] === Target.DROP) return { hits, verdict: Verdict.DROP };
  }
  return { hits: [...hits, -1], verdict: Verdict.ACCEPT };
}

function isIndexed(lab: Lab): boolean {
  return lab.rules.chains.words[(1 << Chain.SHIFT) + Chain.INDEX] > 0;
}

/** Answers the hits that the packet must have. */
function check(lab: Lab, entries: readonly Entry[], key: Int32Array): number[] {
  lab.packet.key.set(key);
  const verdict = lab.run(1);
  const want = expected(entries, key);
  // More hits than are kept are counted all the same; that is another test's.
  const kept = want.hits.slice(0, 32);
  if (verdict !== want.verdict || String(lab.hits) !== String(kept))
    expect({ verdict, hits: lab.hits, key: [...key] }).toEqual({ verdict: want.verdict, hits: kept, key: [...key] });
  return want.hits;
}

describe.skipIf(!hasClassbench())(`ClassBench's sets${hasClassbench() ? '' : ` (${NO_CLASSBENCH})`}`, () => {
  it.each(SETS)('%s: verdicts and counters are those of a linear search', (name) => {
    const random = xorshift(99);
    const set = readSet(name);
    const lab = new Lab();
    lab.chain(1);
    const entries = set.map((row, i): Entry => ({ rule: i + 1, row, isMet: true }));
    for (const { row, rule } of entries) {
      row[Rule.TARGET] = rule % 2 === 0 ? Target.ACCEPT : Target.DROP;
      lab.insert(1, rule - 1, rule, row);
    }
    expect(isIndexed(lab)).toBe(true);
    const keys = packetsFor(set, 3000, random);
    const counts = new Map<number, number>();
    for (let i = 0; i < keys.length; i += Key.WORDS) {
      for (const hit of check(lab, entries, keys.subarray(i, i + Key.WORDS)))
        counts.set(hit, (counts.get(hit) ?? 0) + 1);
    }
    for (const { rule } of entries) {
      if (lab.packetsOf(rule) !== (counts.get(rule) ?? 0))
        expect([rule, lab.packetsOf(rule)]).toEqual([rule, counts.get(rule)]);
      expect(lab.bytesOf(rule)).toBe(lab.packetsOf(rule) * 100);
    }
  });

  it('acl2_10k: stays right while a third is removed and others come in elsewhere', () => {
    const random = xorshift(7);
    const set = readSet('acl2_10k');
    const lab = new Lab();
    lab.chain(1);
    let entries = set.slice(0, 6000).map((row, i): Entry => ({ rule: i + 1, row, isMet: true }));
    for (const { row, rule } of entries) lab.insert(1, rule - 1, rule, row);
    for (let round = 0; round < 4; round++) {
      const gone = new Set(entries.filter(() => random() % 3 === 0));
      for (const { rule } of gone) lab.remove(rule);
      entries = entries.filter((entry) => !gone.has(entry));
      for (let i = 0; i < 1000; i++) {
        const at = random() % (entries.length + 1);
        const rule = 10_000 + round * 1000 + i;
        const row = set[random() % set.length];
        lab.insert(1, at === 0 ? 0 : entries[at - 1].rule, rule, row);
        entries.splice(at, 0, { rule, row, isMet: true });
      }
      const keys = packetsFor(set, 300, random);
      for (let i = 0; i < keys.length; i += Key.WORDS) check(lab, entries, keys.subarray(i, i + Key.WORDS));
    }
  });
});

/** Addresses of a small world, so that boxes overlap: bits set here and there, in all words. */
const WORDS = [0, 0x0a000000, 0x0a000001, 0x0a000101, 0x0a010000, 0xc0a80001, 0x20010db8, -1].map((word) => word | 0);
const word = fc.constantFrom(...WORDS);
const MASKS = [0, 0, -1, -1, -256, -65536, 0xff000000, 0x80000000, 0xff0000ff, 0xfffffff0].map((mask) => mask | 0);
const mask = fc.constantFrom(...MASKS);
const PORTS = [0, 22, 53, 80, 81, 443, 1023, 1024, 65535];
const port = fc.constantFrom(...PORTS);
const protocol = fc.constantFrom(0, 0, 1, 6, 6, 17);
const link = fc.constantFrom(0, 1, 2, 3, 4);
const pattern = fc.constantFrom(0, 0, 0, 1, 2, 3, EVEN_LINKS);
const flags = fc.tuple(fc.constantFrom(0, 0, 0, 0, 1), fc.integer({ min: 0, max: 511 }));
const ADDRESS = { w: fc.tuple(word, word, word, word), m: fc.tuple(mask, mask, mask, mask) };

const rowOf = (isIpv6: boolean): fc.Arbitrary<Int32Array> =>
  fc
    .record({
      source: fc.record(ADDRESS),
      destination: fc.record(ADDRESS),
      protocol,
      low: port,
      high: port,
      toLow: port,
      toHigh: port,
      hasPorts: fc.boolean(),
      incoming: pattern,
      outgoing: pattern,
      flags,
      target: fc.constantFrom(Target.CONTINUE, Target.ACCEPT, Target.DROP),
    })
    .map((rule) => {
      const row = new Int32Array(Rule.WORDS);
      const { source, destination } = rule;
      const put = (at: Rule, rest: Rule, maskRest: Rule, { w, m }: typeof source): void => {
        // Masks of IPv6 are prefixes more often than not, else nearly no rule would hold a packet.
        for (let i = 0; i < (isIpv6 ? 4 : 1); i++) {
          row[i === 0 ? at + 1 : maskRest + i - 1] = i === 0 || m[i - 1] === -1 ? m[i] : 0;
          row[i === 0 ? at : rest + i - 1] = w[i] & row[i === 0 ? at + 1 : maskRest + i - 1];
        }
      };
      put(Rule.SOURCE, Rule.SOURCE_REST, Rule.SOURCE_MASK_REST, source);
      put(Rule.DESTINATION, Rule.DESTINATION_REST, Rule.DESTINATION_MASK_REST, destination);
      row[Rule.PROTOCOL] = rule.protocol;
      row[Rule.LINKS] = rule.incoming | (rule.outgoing << 16);
      row[Rule.SOURCE_PORTS] = (Math.min(rule.low, rule.high) << 16) | Math.max(rule.low, rule.high);
      row[Rule.DESTINATION_PORTS] = (Math.min(rule.toLow, rule.toHigh) << 16) | Math.max(rule.toLow, rule.toHigh);
      row[Rule.FLAGS] =
        (rule.flags[0] * rule.flags[1]) | (rule.hasPorts ? RuleFlag.HAS_PORTS : 0) | (isIpv6 ? RuleFlag.IPV6 : 0);
      row[Rule.TARGET] = rule.target;
      return row;
    });

const keyOf = fc
  .record({
    source: ADDRESS.w,
    destination: ADDRESS.w,
    protocol: fc.constantFrom(1, 6, 6, 17, 58),
    ports: fc.tuple(port, port),
    hasPorts: fc.constantFrom(true, true, true, false),
    links: fc.tuple(link, link),
    fragment: fc.constantFrom(0, 0, 0, 1480),
  })
  .map((packet) => {
    const key = new Int32Array(Key.WORDS);
    key.set(packet.source, Key.SOURCE);
    key.set(packet.destination, Key.DESTINATION);
    key[Key.PROTOCOL] = packet.protocol;
    key[Key.SOURCE_PORT] = packet.hasPorts ? packet.ports[0] : -1;
    key[Key.DESTINATION_PORT] = packet.hasPorts ? packet.ports[1] : -1;
    key[Key.IN] = packet.links[0];
    key[Key.OUT] = packet.links[1];
    key[Key.FRAGMENT] = packet.fragment;
    return key;
  });

/** Changes at random places: put in (most), replaced, taken out. */
const changesOf = (isIpv6: boolean) =>
  fc.array(
    fc.record({
      kind: fc.constantFrom('insert', 'insert', 'insert', 'replace', 'remove'),
      at: fc.nat(10_000),
      row: rowOf(isIpv6),
      isMet: fc.constantFrom(true, true, true, false),
    }),
    { minLength: 1, maxLength: 150, size: 'max' },
  );

describe.each([
  ['IPv4', Family.IPV4],
  ['IPv6', Family.IPV6],
])('chains of %s', (_name, family) => {
  const isIpv6 = family === Family.IPV6;

  it('answer what a linear search answers, whatever is put in, replaced and taken out', () => {
    fc.assert(
      fc.property(changesOf(isIpv6), fc.array(keyOf, { minLength: 20, maxLength: 20 }), (changes, keys) => {
        const lab = new Lab();
        const entries: Entry[] = [];
        let next = 1;
        lab.packet.family = family;
        lab.chain(1);
        for (const { kind, at, row, isMet } of changes) {
          const place = at % (entries.length + 1);
          const words = { program: [isMet ? 1 : 0] };
          if (kind === 'insert' || entries.length === 0) {
            const rule = next++;
            lab.insert(1, place === 0 ? 0 : (entries[place - 1]?.rule ?? 0), rule, row, words);
            entries.splice(place, 0, { rule, row, isMet });
          } else if (kind === 'replace') {
            const entry = entries[at % entries.length];
            lab.replace(entry.rule, row, words);
            entry.row = row;
            entry.isMet = isMet;
          } else {
            const [entry] = entries.splice(at % entries.length, 1);
            lab.remove(entry.rule);
          }
        }
        for (const key of keys) check(lab, entries, key);
        for (const { rule } of entries) lab.remove(rule);
        expect([lab.rules.pool.used, lab.rules.classifier.bytes]).toEqual([0, 0]);
      }),
      { numRuns: 300 },
    );
  });
});

const ADDRESSES = [
  [Key.SOURCE, Rule.SOURCE, Rule.SOURCE_REST],
  [Key.DESTINATION, Rule.DESTINATION, Rule.DESTINATION_REST],
] as const;

/** A rule with prefixes and ranges of any length, of few addresses. */
function anyMask(random: () => number, isIpv6: boolean): Int32Array {
  const row = new Int32Array(Rule.WORDS);
  for (const [, first, rest] of ADDRESSES) {
    const length = random() % (isIpv6 ? 129 : 33);
    for (let k = 0; k < (isIpv6 ? 4 : 1); k++) {
      const bits = Math.max(0, Math.min(32, length - 32 * k));
      const mask = bits === 0 ? 0 : -1 << (32 - bits);
      row[k === 0 ? first + 1 : rest + 2 + k] = mask;
      row[k === 0 ? first : rest - 1 + k] = random() & random() & random() & mask;
    }
  }
  row[Rule.PROTOCOL] = [0, 6, 17][random() % 3];
  const hasPorts = random() % 2 === 0;
  const low = random() & 0xfff;
  row[Rule.SOURCE_PORTS] = hasPorts && random() % 2 === 0 ? (low << 16) | (low + (random() & 0xff)) : 0xffff;
  row[Rule.DESTINATION_PORTS] = hasPorts ? (low << 16) | (low + (random() & random() & 0xff)) : 0xffff;
  row[Rule.LINKS] = random() % 4 === 0 ? 1 + (random() % 5) : 0;
  row[Rule.FLAGS] = (hasPorts ? RuleFlag.HAS_PORTS : 0) | (isIpv6 ? RuleFlag.IPV6 : 0);
  row[Rule.TARGET] = random() % 3 === 0 ? Target.DROP : Target.CONTINUE;
  return row;
}

describe('an index', () => {
  it.each([
    ['IPv4', Family.IPV4],
    ['IPv6', Family.IPV6],
  ])('of %s rules with more masks than it has tables answers what a linear search answers', (_name, family) => {
    const random = xorshift(11);
    const lab = new Lab();
    lab.packet.family = family;
    lab.chain(1);
    const entries: Entry[] = [];
    for (let rule = 1; rule <= 4000; rule++) {
      const row = anyMask(random, family === Family.IPV6);
      lab.insert(1, rule - 1, rule, row);
      entries.push({ rule, row, isMet: true });
    }
    const key = new Int32Array(Key.WORDS);
    for (let i = 0; i < 400; i++) {
      // Near a rule: in its box but for a bit or two.
      const { row } = entries[random() % entries.length];
      for (const [word, first, rest] of ADDRESSES) {
        key[word] = row[first] ^ (random() & random() & random() & ~row[first + 1]);
        for (let k = 0; k < 3; k++) key[word + 1 + k] = row[rest + k] ^ (random() & random() & random());
      }
      key[Key.PROTOCOL] = row[Rule.PROTOCOL] === 0 ? 17 : row[Rule.PROTOCOL];
      key[Key.SOURCE_PORT] = row[Rule.SOURCE_PORTS] >>> 16;
      key[Key.DESTINATION_PORT] = row[Rule.DESTINATION_PORTS] >>> 16;
      key[Key.IN] = row[Rule.LINKS] & 0xffff;
      check(lab, entries, key);
    }
  });

  it('is made for long chains and given up for short ones', () => {
    const lab = new Lab();
    lab.chain(1);
    const row = new Int32Array(Rule.WORDS);
    for (let rule = 1; rule <= 17; rule++) {
      expect(isIndexed(lab)).toBe(false);
      lab.insert(1, rule - 1, rule, row);
    }
    expect(isIndexed(lab)).toBe(true);
    for (let rule = 17; rule >= 8; rule--) {
      expect(isIndexed(lab)).toBe(true);
      lab.remove(rule);
    }
    expect([isIndexed(lab), lab.rules.classifier.bytes]).toEqual([false, 0]);
  });

  it.each(['behind', 'before'])(
    'finds the earlier of two rules when labels are spread anew around them, for rules put in %s them',
    (where) => {
      const lab = new Lab();
      lab.chain(1);
      const entries: Entry[] = [];
      const put = (at: number, words: number[]): void => {
        const row = new Int32Array(Rule.WORDS);
        row.set(words);
        row[Rule.TARGET] = Target.ACCEPT;
        const rule = entries.length + 1;
        lab.insert(1, at === 0 ? 0 : entries[at - 1].rule, rule, row);
        entries.splice(at, 0, { rule, row, isMet: true });
      };
      const key = new Int32Array(Key.WORDS);
      key[Key.SOURCE] = 1;
      key[Key.DESTINATION] = 2;
      // The later one has the lower table's number, so it is found first.
      put(0, [0, 0, 2, -1]);
      put(0, [1, -1, 0, 0]);
      for (let i = 0; i < 60; i++) put(i % 2 === 0 ? 0 : entries.length, [5 + i, -1, 9, -1]);
      const [second, first] = [
        entries.findIndex(({ rule }) => rule === 1),
        entries.findIndex(({ rule }) => rule === 2),
      ];
      expect(second).toBe(first + 1);
      for (let i = 0; i < 300; i++) {
        // Always next to the same one, so that there is no room again and again.
        put(where === 'behind' ? second + 1 : first + i, [1000 + i, -1, 9, -1]);
        check(lab, entries, key);
      }
    },
  );

  it('that has no room is done without', () => {
    const lab = new Lab({ capacity: 5000, chains: 8, poolWords: 64, indexWords: 8000 });
    lab.chain(1);
    const random = xorshift(3);
    const entries: Entry[] = [];
    for (let rule = 1; rule <= 3000; rule++) {
      const row = new Int32Array(Rule.WORDS);
      row.set([random() & 0xffffff, -1, 0, 0]);
      row[Rule.TARGET] = Target.DROP;
      lab.insert(1, rule - 1, rule, row);
      entries.push({ rule, row, isMet: true });
    }
    expect([isIndexed(lab), lab.rules.classifier.bytes]).toEqual([false, 0]);
    const key = new Int32Array(Key.WORDS);
    for (const { row } of entries.slice(-50)) {
      key[Key.SOURCE] = row[Rule.SOURCE];
      check(lab, entries, key);
    }
  });

  it('of 10,000 rules of any packet, whose programs do not hold, costs no more than a walk', () => {
    const lab = new Lab();
    lab.chain(1);
    const row = new Int32Array(Rule.WORDS);
    const other = row.slice();
    other[Rule.PROTOCOL] = 17;
    lab.packet.key[Key.PROTOCOL] = 17;
    for (let rule = 1; rule <= 10_000; rule++)
      lab.insert(1, rule - 1, rule, rule % 2 === 0 ? row : other, { program: [0] });
    const began = performance.now();
    for (let i = 0; i < 10; i++) expect([lab.run(1), lab.hits]).toEqual([Verdict.ACCEPT, [-1]]);
    // A walk takes some 0.3 ms; searching again for each rule would take seconds.
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it('sees new rules while its screen is made anew', () => {
    const lab = new Lab();
    lab.chain(1);
    const random = xorshift(5);
    let entries: Entry[] = [];
    let next = 1;
    for (let round = 0; round < 40; round++) {
      while (entries.length < 600) {
        const row = new Int32Array(Rule.WORDS);
        row.set([random(), -1, random() & 0xff000000, 0xff000000]);
        row[Rule.TARGET] = Target.ACCEPT;
        lab.insert(1, entries.at(-1)?.rule ?? 0, next, row);
        entries.push({ rule: next++, row, isMet: true });
      }
      for (const { rule } of entries.splice(0, 250)) lab.remove(rule);
      const key = new Int32Array(Key.WORDS);
      for (const { row } of entries) {
        key[Key.SOURCE] = row[Rule.SOURCE];
        key[Key.DESTINATION] = row[Rule.DESTINATION] | (random() & 0xffffff);
        check(lab, entries, key);
      }
      entries = [...entries];
    }
  });
});

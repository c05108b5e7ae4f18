import { describe, expect, it } from 'vitest';
import { Chain, ChainFlag } from '../../src/netfilter/chains.js';
import { Place } from '../../src/netfilter/place.js';
import { Hook, Rule, TableId, Target, Verdict } from '../../src/netfilter/rule.js';
import { RulesOp } from '../../src/netfilter/rules.js';
import { anyRow, Lab, SMALL } from './rule-model.js';

/** Rules of a chain in their order, by their links, checked both ways. */
function listOf(lab: Lab, chain: number): number[] {
  const { rows, chains } = lab.rules;
  const out: number[] = [];
  let rule = chains.words[(chain << Chain.SHIFT) + Chain.FIRST];
  for (let before = 0; rule !== 0; before = rule, rule = rows[(rule << Rule.SHIFT) + Place.NEXT]) {
    expect(rows[(rule << Rule.SHIFT) + Place.PREVIOUS]).toBe(before);
    if (before !== 0)
      expect(rows[(rule << Rule.SHIFT) + Rule.ORDER]).toBeGreaterThan(rows[(before << Rule.SHIFT) + Rule.ORDER]);
    out.push(rule);
  }
  expect(chains.words[(chain << Chain.SHIFT) + Chain.COUNT]).toBe(out.length);
  expect(chains.words[(chain << Chain.SHIFT) + Chain.LAST]).toBe(out.at(-1) ?? 0);
  return out;
}

describe('the rules of a chain', () => {
  it('are put in at the front, behind another one, at the end, and taken out', () => {
    const lab = new Lab();
    lab.chain(1);
    lab.insert(1, 0, 10, anyRow());
    lab.insert(1, 0, 11, anyRow());
    lab.insert(1, 11, 12, anyRow());
    lab.insert(1, 10, 13, anyRow());
    expect(listOf(lab, 1)).toEqual([11, 12, 10, 13]);
    lab.remove(12);
    lab.remove(13);
    lab.remove(11);
    expect(listOf(lab, 1)).toEqual([10]);
    lab.remove(10);
    expect(listOf(lab, 1)).toEqual([]);
  });

  it.each([
    ['always behind the same rule', (list: number[]) => list[0]],
    ['always behind the last but one', (list: number[]) => list.at(-2) ?? 0],
    ['always in the middle', (list: number[]) => list[list.length >> 1]],
    ['always at the front', () => 0],
  ])('keep labels that grow when 2,000 are put in %s', (_name, where) => {
    const lab = new Lab();
    lab.chain(1);
    const list: number[] = [];
    for (let rule = 1; rule <= 2000; rule++) {
      const after = list.length < 2 ? (list.at(-1) ?? 0) : where(list);
      lab.insert(1, after, rule, anyRow());
      list.splice(list.indexOf(after) + 1, 0, rule);
    }
    expect(listOf(lab, 1)).toEqual(list);
  });

  it('keep their place, and get new words and counters, when they are replaced', () => {
    const lab = new Lab();
    lab.chain(1);
    for (let rule = 1; rule <= 40; rule++) lab.insert(1, rule - 1, rule, anyRow(), { packets: 5, bytes: 50 });
    lab.replace(20, anyRow(Target.ACCEPT), { packets: 2 ** 33 + 7, bytes: 3 * 2 ** 40 });
    expect(listOf(lab, 1)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect([lab.packetsOf(20), lab.bytesOf(20)]).toEqual([2 ** 33 + 7, 3 * 2 ** 40]);
    expect([lab.run(1), lab.hits.length]).toEqual([Verdict.ACCEPT, 20]);
  });

  it('have their program and their target’s arguments in the pool, and give them back', () => {
    const lab = new Lab();
    lab.chain(1);
    const { rules } = lab;
    lab.insert(1, 0, 1, anyRow(16), { program: [1, 2, 3], args: [7, 8] });
    const at = 1 << Rule.SHIFT;
    const program = rules.rows[at + Rule.PROGRAM];
    expect([...rules.pool.words.subarray(program, program + 3)]).toEqual([1, 2, 3]);
    const argument = rules.rows[at + Rule.ARGUMENT];
    expect([...rules.pool.words.subarray(argument, argument + 2)]).toEqual([7, 8]);
    lab.replace(1, anyRow(Target.JUMP, 9));
    expect([rules.rows[at + Rule.PROGRAM], rules.rows[at + Rule.ARGUMENT], rules.pool.used]).toEqual([0, 9, 0]);
  });

  it('are refused when the pool is full, with nothing changed', () => {
    const lab = new Lab({ ...SMALL, poolWords: 64 });
    lab.chain(1);
    lab.insert(1, 0, 1, anyRow(), { program: [1] });
    expect(lab.rules.hasRoom(100)).toBe(false);
    expect(lab.insert(1, 1, 2, anyRow(), { program: new Array(100).fill(1) })).toBe(false);
    expect(lab.replace(1, anyRow(Target.DROP), { program: new Array(100).fill(1) })).toBe(false);
    expect(listOf(lab, 1)).toEqual([1]);
    expect(lab.run(1)).toBe(Verdict.ACCEPT);
  });
});

describe('chains', () => {
  it('are found by namespace, family, table and hook until they are removed', () => {
    const lab = new Lab();
    lab.chain(3, ChainFlag.DROP, [7, 1, TableId.FILTER, Hook.FORWARD]);
    expect(lab.rules.baseOf(7, 1, TableId.FILTER, Hook.FORWARD)).toBe(3);
    expect(lab.rules.baseOf(7, 0, TableId.FILTER, Hook.FORWARD)).toBe(0);
    expect(lab.rules.baseOf(7, 1, TableId.MANGLE, Hook.FORWARD)).toBe(0);
    lab.rules.apply(Int32Array.of(RulesOp.REMOVE_CHAIN, 3));
    expect(lab.rules.baseOf(7, 1, TableId.FILTER, Hook.FORWARD)).toBe(0);
  });

  it('exchange their rules at once, counters of policies stay', () => {
    const lab = new Lab();
    lab.chain(1);
    lab.chain(2);
    for (let rule = 1; rule <= 30; rule++) lab.insert(1, rule - 1, rule, anyRow());
    lab.insert(2, 0, 100, anyRow(Target.DROP));
    lab.rules.apply(Int32Array.of(RulesOp.SWAP_CHAINS, 1, 2));
    expect([listOf(lab, 1), listOf(lab, 2).length]).toEqual([[100], 30]);
    expect([lab.run(1), lab.hits]).toEqual([Verdict.DROP, [100]]);
    // Rules know where they are: one taken out of the chain that has them now, one put behind another.
    lab.remove(100);
    lab.insert(2, 30, 31, anyRow(Target.ACCEPT));
    expect([listOf(lab, 1), listOf(lab, 2).at(-1)]).toEqual([[], 31]);
  });

  it('may be made again under a number whose rules were swapped away', () => {
    const lab = new Lab();
    lab.chain(1);
    lab.chain(2);
    lab.insert(2, 0, 5, anyRow(Target.DROP));
    lab.rules.apply(Int32Array.of(RulesOp.SWAP_CHAINS, 1, 2, RulesOp.REMOVE_CHAIN, 2));
    lab.chain(2);
    lab.insert(2, 0, 6, anyRow(Target.ACCEPT));
    lab.insert(1, 5, 7, anyRow());
    expect([listOf(lab, 1), listOf(lab, 2)]).toEqual([[5, 7], [6]]);
    expect(lab.rules.chains.of(7)).toBe(1);
    expect(lab.rules.chains.of(6)).toBe(2);
  });

  it('count packets at their policy only once it was set', () => {
    const lab = new Lab();
    lab.chain(1, 0);
    expect([lab.run(1), lab.rules.chains.counters[2]]).toEqual([Verdict.ACCEPT, 0]);
    lab.rules.apply(Int32Array.of(RulesOp.SET_FLAGS, 1, ChainFlag.DROP | ChainFlag.COUNTED));
    expect([lab.run(1), lab.drops, lab.hits]).toEqual([Verdict.DROP, 1, [-1]]);
    expect([...lab.rules.chains.counters.subarray(2, 4)]).toEqual([1, 100]);
    lab.rules.apply(Int32Array.of(RulesOp.SET_CHAIN_COUNTERS, 1, 1, 1, 2, 0));
    expect([...lab.rules.chains.counters.subarray(2, 4)]).toEqual([2 ** 32 + 1, 2]);
    lab.rules.apply(Int32Array.of(RulesOp.ZERO_CHAIN, 1));
    expect([...lab.rules.chains.counters.subarray(2, 4)]).toEqual([0, 0]);
  });

  it('change the generation with whatever packets may meet, and not with counters', () => {
    const lab = new Lab();
    lab.chain(1);
    const before = lab.rules.generation;
    lab.insert(1, 0, 1, anyRow(), { packets: 3 });
    expect(lab.rules.generation).not.toBe(before);
    const behind = lab.rules.generation;
    lab.rules.apply(Int32Array.of(RulesOp.ZERO_RULE, 1, RulesOp.ZERO_CHAIN, 1));
    expect([lab.packetsOf(1), lab.rules.generation]).toEqual([0, behind]);
  });
});

import { describe, expect, it } from 'vitest';
import { ChainFlag } from '../../src/netfilter/chains.js';
import { Target, Verdict } from '../../src/netfilter/rule.js';
import { Walk } from '../../src/netfilter/traverse.js';
import { anyRow, Lab } from './rule-model.js';

const EXTENSION = Target.FIRST_EXTENSION;

/** A chain of rules of any packet; answers their numbers. */
function fill(lab: Lab, chain: number, first: number, targets: readonly (readonly [number, number?])[]): void {
  targets.forEach(([target, argument], i) => {
    lab.insert(chain, i === 0 ? 0 : first + i - 1, first + i, anyRow(target, argument));
  });
}

describe('the walk through a table', () => {
  it('comes back from chains and not from gotos, as the kernel does', () => {
    // Kernel 6.18, iptables 1.8.9: the packets counted by each rule of these chains were those of `hits`.
    const lab = new Lab();
    for (let chain = 1; chain <= 5; chain++) lab.chain(chain);
    fill(lab, 1, 10, [[Target.JUMP, 2], [Target.CONTINUE], [Target.GOTO, 5], [Target.CONTINUE]]);
    fill(lab, 2, 20, [[Target.GOTO, 3], [Target.CONTINUE]]);
    fill(lab, 3, 30, [[Target.CONTINUE], [Target.JUMP, 4], [Target.CONTINUE]]);
    fill(lab, 4, 40, [[Target.RETURN], [Target.CONTINUE]]);
    fill(lab, 5, 50, [[Target.CONTINUE]]);
    expect(lab.run(1)).toBe(Verdict.ACCEPT);
    expect(lab.hits).toEqual([10, 20, 30, 31, 40, 32, 11, 12, 50, -1]);
    expect([lab.packetsOf(40), lab.bytesOf(40), lab.packetsOf(41)]).toEqual([1, 100, 0]);
  });

  it('takes RETURN in a base chain for its policy', () => {
    const lab = new Lab();
    lab.chain(1, ChainFlag.DROP | ChainFlag.COUNTED);
    fill(lab, 1, 1, [[Target.RETURN], [Target.ACCEPT]]);
    expect([lab.run(1), lab.hits, lab.drops]).toEqual([Verdict.DROP, [1, -1], 1]);
  });

  it('calls 16 chains within each other and drops what goes deeper', () => {
    const lab = new Lab();
    const chains = Array.from({ length: Walk.DEPTH + 2 }, (_, i) => i + 1);
    for (const chain of chains) lab.chain(chain);
    for (const chain of chains.slice(0, -2)) fill(lab, chain, chain * 10, [[Target.JUMP, chain + 1]]);
    expect([lab.run(1), lab.hits.length, lab.drops]).toEqual([Verdict.ACCEPT, Walk.DEPTH + 1, 0]);
    fill(lab, Walk.DEPTH + 1, 1000, [[Target.JUMP, Walk.DEPTH + 2]]);
    expect([lab.run(1), lab.drops]).toEqual([Verdict.DROP, 1]);
    // And the stack is as before.
    expect([lab.run(2), lab.drops]).toEqual([Verdict.ACCEPT, 1]);
  });

  it('asks the other targets and goes on where they say so', () => {
    const lab = new Lab();
    lab.chain(1);
    lab.insert(1, 0, 1, anyRow(EXTENSION), { args: [Verdict.CONTINUE] });
    lab.insert(1, 1, 2, anyRow(EXTENSION + 1), { args: [Verdict.STOLEN] });
    expect([lab.run(1), lab.hits, lab.drops]).toEqual([Verdict.STOLEN, [1, 2], 0]);
  });

  it('looks at a packet again that a target has changed', () => {
    const lab = new Lab();
    lab.chain(1);
    lab.insert(1, 0, 1, anyRow(EXTENSION), { args: [Verdict.CONTINUE] });
    const row = anyRow(Target.ACCEPT);
    row.set([9, -1], 0);
    lab.insert(1, 1, 2, row);
    lab.onTarget = () => {
      lab.packet.key[0] = 9;
      return Verdict.CONTINUE;
    };
    expect([lab.run(1), lab.hits]).toEqual([Verdict.ACCEPT, [1, 2]]);
  });

  it('counts a rule only when its program holds, too', () => {
    const lab = new Lab();
    lab.chain(1);
    lab.insert(1, 0, 1, anyRow(Target.DROP), { program: [0] });
    lab.insert(1, 1, 2, anyRow(Target.ACCEPT), { program: [1] });
    expect([lab.run(1), lab.hits, lab.packetsOf(1)]).toEqual([Verdict.ACCEPT, [2], 0]);
  });

  it('may be walked by another packet in its middle', () => {
    const lab = new Lab();
    for (let chain = 1; chain <= 4; chain++) lab.chain(chain);
    fill(lab, 1, 10, [[Target.JUMP, 2], [Target.ACCEPT]]);
    lab.insert(2, 0, 20, anyRow(EXTENSION), { args: [Verdict.CONTINUE] });
    fill(lab, 3, 30, [[Target.JUMP, 4], [Target.DROP]]);
    fill(lab, 4, 40, [[Target.CONTINUE]]);
    let inner = Verdict.ACCEPT;
    lab.onTarget = () => {
      inner = lab.traverse.run(3);
      return Verdict.CONTINUE;
    };
    expect([lab.run(1), inner, lab.hits]).toEqual([Verdict.ACCEPT, Verdict.DROP, [10, 20, 30, 40, 31, 11]]);
  });

  it('keeps 32 hits, counts all, and calls a packet with more volatile', () => {
    const lab = new Lab();
    lab.chain(1);
    fill(
      lab,
      1,
      1,
      Array.from({ length: Walk.HITS - 1 }, () => [Target.CONTINUE] as const),
    );
    lab.run(1);
    expect([lab.hits.length, lab.packet.isVolatile]).toEqual([Walk.HITS, false]);
    lab.insert(1, Walk.HITS - 1, 99, anyRow());
    lab.run(1);
    expect([lab.hits.length, lab.packet.isVolatile, lab.packetsOf(99)]).toEqual([Walk.HITS, true, 1]);
  });

  it('tells a tracer each step of a packet that is traced', () => {
    const lab = new Lab();
    const steps: string[] = [];
    lab.traverse.tracer = {
      rule: (chain, rule) => steps.push(`${chain}:${rule}`),
      target: (_chain, rule, verdict) => steps.push(`target of ${rule}: ${verdict}`),
      end: (chain) => steps.push(`end of ${chain}`),
      policy: (chain, verdict) => steps.push(`policy of ${chain}: ${verdict}`),
    };
    lab.chain(1);
    lab.chain(2);
    fill(lab, 1, 10, [[Target.JUMP, 2]]);
    lab.insert(2, 0, 20, anyRow(EXTENSION), { args: [Verdict.CONTINUE] });
    lab.run(1);
    expect(steps).toEqual([]);
    lab.traverse.isTracing = true;
    lab.run(1);
    expect(steps).toEqual(['1:10', '2:20', 'target of 20: 3', 'end of 2', 'policy of 1: 0']);
  });
});

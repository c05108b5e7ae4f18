import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Scenario } from './support/scenario.js';

const FOLDER = join(import.meta.dirname, 'scenarios');

describe('scenario', () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
    const text = readFileSync(join(FOLDER, file), 'utf8');
    it(`${file}: ${Scenario.titleOf(text)}`, () => {
      expect(Scenario.run(text).expectations).toBeGreaterThan(3);
    });
  }
});

const SETUP = `ip link add br0 type bridge
ip link add p{1,2,3} type memory
ip link set p{1,2,3} master br0 up
ip link set br0 up
`;

describe('a scenario that is wrong', () => {
  it.each([
    ['expects nothing', 'in p1: A > lldp', 'this scenario expects nothing'],
    ['misses a frame', 'in p1: A > B\nout p2: A > B\ntime +1s', 'line 7: before it, out of p3 came unexpectedly A > B'],
    [
      'misses a frame at its end',
      'in p1: A > B\nout p2: A > B',
      'line 6: before it, out of p3 came unexpectedly A > B',
    ],
    ['expects too much', 'in p1: A > B\nout p1: A > B', 'line 6: nothing came out of p1, expected A > B'],
    ['expects too many', 'in p1: A > B\nout p2 x2: A > B', 'line 6: only 1 frames came out of p2, expected A > B'],
    ['expects another frame', 'in p1: A > B\nout p2: A > C', 'line 6: out of p2 came A > B, expected A > C'],
    [
      'expects another length',
      'in p1: A > B len 99\nout p2: A > B',
      'line 6: out of p2 came A > B len 99, expected A > B',
    ],
    ['expects silence', 'in p1: A > B\nout: nothing', 'line 6: before it, out of p2 came unexpectedly A > B'],
    ['misses a drop', 'in p1: A > pause\nfdb: empty', 'line 6: the drops are pause_frame 1, expected none'],
    ['expects another drop', 'in p1: A > pause\ndrops: runt 1', 'line 6: the drops are pause_frame 1, expected runt 1'],
    ['expects another station', 'in p1: A > lldp\nfdb: A p2', 'line 6: the stations are A p1, expected A p2'],
    [
      'expects another delivery',
      'in p1: A > lldp\ndelivered p1: 2',
      'line 6: 1 frames were delivered to p1, expected 2',
    ],
    ['has a word that is unknown', 'bridge link set dev p1 lerning off', 'line 5: a bridge port has no "lerning"'],
    ['has an instruction that is unknown', 'outt p1: A > B', 'line 5: "outt p1: A > B" is not understood'],
    ['names a link that is not there', 'in p9: A > B', 'line 5: there is no link "p9"'],
    ['names a station that is none', 'in p1: Alice > B', 'line 5: "Alice" is neither a station nor a MAC address'],
  ])('because it %s is told so with the line', (_, text, message) => {
    expect(() => Scenario.run(SETUP + text)).toThrow(message);
  });
});

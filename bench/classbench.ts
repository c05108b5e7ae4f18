/** ClassBench's rule sets of the fixtures, sets like them, and packets for them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Key } from '../src/core/packet.js';
import { Rule, RuleFlag, Target } from '../src/netfilter/rule.js';
import { InsertRule, RulesOp } from '../src/netfilter/rules.js';
import { root } from './twin/programs.js';

/** A rule as its row; see Rule. */
export type Row = Int32Array;

const FOLDER = join(process.env.SLUICE_FIXTURES ?? join(root, '../shared/fixtures'), 'classbench');
const LINE = /^@(\S+)\/(\d+)\s+(\S+)\/(\d+)\s+(\d+) : (\d+)\s+(\d+) : (\d+)\s+0x(\w\w)\/0x(\w\w)/;
const ANY_PORTS = 0xffff;

export const SETS = ['acl1_1k', 'acl2_10k', 'fw1_1k', 'fw2_10k', 'ipc1_1k'];
export const NO_CLASSBENCH = 'the fixture rule sets are absent: set SLUICE_FIXTURES';

export function hasClassbench(): boolean {
  return existsSync(FOLDER);
}

function address(text: string): number {
  return text.split('.').reduce((sum, byte) => (sum << 8) | Number(byte), 0);
}

function maskOf(length: number): number {
  return length === 0 ? 0 : -1 << (32 - length);
}

export function row(
  source: number,
  sourceLength: number,
  destination: number,
  destinationLength: number,
  protocol: number,
  sourcePorts: number,
  destinationPorts: number,
): Row {
  const words = new Int32Array(Rule.WORDS);
  words[Rule.SOURCE] = source & maskOf(sourceLength);
  words[Rule.SOURCE_MASK] = maskOf(sourceLength);
  words[Rule.DESTINATION] = destination & maskOf(destinationLength);
  words[Rule.DESTINATION_MASK] = maskOf(destinationLength);
  words[Rule.PROTOCOL] = protocol;
  words[Rule.SOURCE_PORTS] = sourcePorts;
  words[Rule.DESTINATION_PORTS] = destinationPorts;
  if (sourcePorts !== ANY_PORTS || destinationPorts !== ANY_PORTS) words[Rule.FLAGS] = RuleFlag.HAS_PORTS;
  words[Rule.TARGET] = Target.ACCEPT;
  return words;
}

function parse(line: string): Row {
  const match = LINE.exec(line);
  if (match === null) throw new Error(`not a rule of ClassBench: ${line}`);
  const [, source, sourceLength, destination, destinationLength, ...rest] = match;
  const [low, high, toLow, toHigh] = rest.slice(0, 4).map(Number);
  const protocol = Number.parseInt(rest[4], 16) & Number.parseInt(rest[5], 16);
  return row(
    address(source),
    Number(sourceLength),
    address(destination),
    Number(destinationLength),
    protocol,
    (low << 16) | high,
    (toLow << 16) | toHigh,
  );
}

export function readSet(name: string): Row[] {
  const lines = gunzipSync(readFileSync(join(FOLDER, `${name}.gz`)))
    .toString()
    .split('\n');
  return lines.filter((line) => line.startsWith('@')).map(parse);
}

/** So many rules like these: copies of the set, each with its addresses moved elsewhere, in random order. */
export function multiply(set: readonly Row[], count: number, random: () => number): Row[] {
  const out: Row[] = [];
  while (out.length < count) {
    const [source, destination] = [random(), random()];
    for (const one of set.slice(0, count - out.length)) {
      const copy = one.slice();
      copy[Rule.SOURCE] = (one[Rule.SOURCE] ^ source) & one[Rule.SOURCE_MASK];
      copy[Rule.DESTINATION] = (one[Rule.DESTINATION] ^ destination) & one[Rule.DESTINATION_MASK];
      out.push(copy);
    }
  }
  for (let i = out.length - 1; i > 0; i--) {
    const other = random() % (i + 1);
    [out[i], out[other]] = [out[other], out[i]];
  }
  return out;
}

/** Services as kube-proxy has them: an address of its own each, one of a few ports. */
export function services(count: number, random: () => number): Row[] {
  const ports = [80, 443, 53, 8080, 9090];
  return Array.from({ length: count }, () => {
    const port = ports[random() % ports.length];
    return row(0, 0, (10 << 24) | (96 << 16) | (random() & 0xfffff), 32, 6, ANY_PORTS, (port << 16) | port);
  });
}

function portIn(ports: number, random: () => number): number {
  const low = ports >>> 16;
  return low + (random() % ((ports & 0xffff) - low + 1));
}

/** Keys of packets, Key.WORDS each: so many of 16 out of random rules' boxes, the others out of nowhere. */
export function packetsFor(set: readonly Row[], count: number, random: () => number, inside = 14): Int32Array {
  const keys = new Int32Array(count * Key.WORDS);
  const protocols = [6, 17, 1];
  for (let i = 0; i < count; i++) {
    const one = random() % 16 < inside ? set[random() % set.length] : row(0, 0, 0, 0, 0, ANY_PORTS, ANY_PORTS);
    const at = i * Key.WORDS;
    keys[at + Key.SOURCE] = one[Rule.SOURCE] | (random() & ~one[Rule.SOURCE_MASK]);
    keys[at + Key.DESTINATION] = one[Rule.DESTINATION] | (random() & ~one[Rule.DESTINATION_MASK]);
    keys[at + Key.PROTOCOL] = one[Rule.PROTOCOL] !== 0 ? one[Rule.PROTOCOL] : protocols[random() % 3];
    keys[at + Key.SOURCE_PORT] = portIn(one[Rule.SOURCE_PORTS], random);
    keys[at + Key.DESTINATION_PORT] = portIn(one[Rule.DESTINATION_PORTS], random);
  }
  return keys;
}

/** INSERT_RULE without program, arguments and counters. */
export function insertOp(chain: number, after: number, rule: number, words: Row): Int32Array {
  const op = new Int32Array(InsertRule.PROGRAM);
  op[0] = RulesOp.INSERT_RULE;
  op[InsertRule.CHAIN] = chain;
  op[InsertRule.AFTER] = after;
  op[InsertRule.RULE] = rule;
  op.set(words, InsertRule.ROW);
  return op;
}

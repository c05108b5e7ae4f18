/*
 * -m multiport: up to 15 ports; a range takes two places.
 */
import { MultiportOp, Op, OpWord } from '../../../netfilter/ops.js';
import type { Extension, Option, Use } from '../extension.js';
import type { Range } from '../given.js';
import { Problem } from '../problem.js';
import { portName } from '../services.js';
import { strictPort } from './values.js';
import { bang, rangeText } from './wording.js';

const PLACES = 15;

const PROTOCOLS = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [136, 'udplite'],
  [132, 'sctp'],
  [33, 'dccp'],
]);

interface Multiport {
  /** '', or which option was given. */
  which: '' | 'sports' | 'dports' | 'ports';
  ranges: readonly Range[];
  isInverted: boolean;
  protocol: string;
}

function protocolOf(use: Use): string {
  if (use.protocol === 0) {
    throw new Problem("multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'");
  }
  const name = use.isNotProtocol ? undefined : PROTOCOLS.get(use.protocol);
  if (name === undefined) throw new Problem('multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP');
  return name;
}

function readRanges(text: string, protocol: string): Range[] {
  const ranges: Range[] = [];
  let places = 0;
  for (const part of text.split(',')) {
    const colon = part.indexOf(':');
    places += colon < 0 ? 1 : 2;
    if (places > PLACES) throw new Problem('too many ports specified');
    const low = strictPort(colon < 0 ? part : part.slice(0, colon), protocol);
    const high = colon < 0 ? low : strictPort(part.slice(colon + 1), protocol);
    if (colon >= 0 && low >= high) throw new Problem('invalid portrange specified');
    ranges.push({ low, high });
  }
  return ranges;
}

const KEYS = { sports: 'source-ports', dports: 'destination-ports', ports: 'ports' };
type Which = keyof typeof KEYS;

function option(name: string, which: Which): Option<Multiport> {
  const others = (Object.keys(KEYS) as Which[]).filter((other) => other !== which);
  return {
    name,
    key: which,
    argument: 'required',
    canInvert: true,
    excludes: others.flatMap((other) => [KEYS[other], other]),
    take(data, given) {
      data.protocol = protocolOf(given.use);
      data.ranges = readRanges(given.text, data.protocol);
      data.isInverted = given.isInverted;
      data.which = which;
    },
  };
}

const FLAGS = { '': 0, sports: MultiportOp.SOURCE, dports: MultiportOp.DESTINATION, ports: MultiportOp.EITHER };

export const multiport: Extension<Multiport> = {
  name: 'multiport',
  isTarget: false,
  options: [
    option('source-ports', 'sports'),
    option('sports', 'sports'),
    option('destination-ports', 'dports'),
    option('dports', 'dports'),
    option('ports', 'ports'),
  ],
  create: () => ({ which: '', ranges: [], isInverted: false, protocol: '' }),
  finalCheck(data) {
    if (data.which === '') throw new Problem('multiport expection an option');
  },
  protocols: [...PROTOCOLS.keys()],
  save(data) {
    const ranges = data.ranges.map(({ low, high }) => rangeText(low, high));
    return `${bang(data.isInverted)} --${data.which} ${ranges.join(',')}`;
  },
  list(data, isNumeric) {
    const name = (port: number) => (isNumeric ? undefined : portName(port, data.protocol)) ?? `${port}`;
    const ranges = data.ranges.map(({ low, high }) => (low === high ? name(low) : `${name(low)}:${name(high)}`));
    return ` multiport ${data.which} ${data.isInverted ? ' !' : ''}${ranges.join(',')}`;
  },
  encode(data, into) {
    const flags = FLAGS[data.which] | (data.isInverted ? OpWord.INVERTED : 0);
    into.add(Op.MULTIPORT, [data.ranges.length, ...data.ranges.map(({ low, high }) => (low << 16) | high)], flags);
  },
};

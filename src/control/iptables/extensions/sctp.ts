/*
 * -m sctp: ports and kinds of chunks. It checks its options itself.
 */
import { Op, OpWord, SctpChunkMatch } from '../../../netfilter/ops.js';
import type { Extension, Option } from '../extension.js';
import { Problem } from '../problem.js';
import { anyPorts, encodePorts, listPorts, type Ports, savePorts } from './ports.js';
import { readStrictPorts } from './tcp.js';
import { bang } from './wording.js';

const SCTP = 132;
/** Kinds of chunks whose flags can be compared. */
const FLAGGED = 4;

/** Name, number, and letters of the flags from the highest bit. */
const CHUNKS: ReadonlyArray<[name: string, type: number, flags?: string]> = [
  ['DATA', 0, '----IUBE'],
  ['INIT', 1],
  ['INIT_ACK', 2],
  ['SACK', 3],
  ['HEARTBEAT', 4],
  ['HEARTBEAT_ACK', 5],
  ['ABORT', 6, '-------T'],
  ['SHUTDOWN', 7],
  ['SHUTDOWN_ACK', 8],
  ['ERROR', 9],
  ['COOKIE_ECHO', 10],
  ['COOKIE_ACK', 11],
  ['ECN_ECNE', 12],
  ['ECN_CWR', 13],
  ['SHUTDOWN_COMPLETE', 14, '-------T'],
  ['I_DATA', 64, '----IUBE'],
  ['RE_CONFIG', 130],
  ['PAD', 132],
  ['ASCONF', 193],
  ['ASCONF_ACK', 128],
  ['FORWARD_TSN', 192],
  ['I_FORWARD_TSN', 194],
];

interface ChunkFlags {
  type: number;
  flags: number;
  mask: number;
}

interface Chunks {
  how: SctpChunkMatch;
  /** 256 bits. */
  types: number[];
  flagged: ChunkFlags[];
  isInverted: boolean;
}

interface Sctp {
  source?: Ports;
  destination?: Ports;
  chunks?: Chunks;
}

const HOW: ReadonlyArray<[name: string, how: SctpChunkMatch]> = [
  ['any', SctpChunkMatch.ANY],
  ['all', SctpChunkMatch.ALL],
  ['only', SctpChunkMatch.ONLY],
];

function readFlags(letters: string, index: number): ChunkFlags {
  const [, type, known = ''] = CHUNKS[index];
  let [flags, mask] = [0, 0];
  for (const letter of letters) {
    const at = known.indexOf(letter.toUpperCase());
    if (at < 0 || letter === '-') throw new Problem(`Invalid flags for chunk type ${index}`);
    const bit = 1 << (7 - at);
    mask |= bit;
    flags = letter === letter.toUpperCase() ? flags | bit : flags & ~bit;
  }
  return { type, flags, mask };
}

function readChunks(how: SctpChunkMatch, text: string, isInverted: boolean): Chunks {
  const chunks: Chunks = { how, types: new Array<number>(8).fill(0), flagged: [], isInverted };
  if (text.toUpperCase() === 'ALL') chunks.types.fill(-1);
  if (/^(all|none)$/i.test(text)) return chunks;
  for (const part of text.split(',').filter(Boolean)) {
    const [name, letters = ''] = part.split(':');
    const index = CHUNKS.findIndex(([known]) => known === name.toUpperCase());
    if (index < 0) throw new Problem(`Unknown sctp chunk \`${name}'`);
    const type = CHUNKS[index][1];
    chunks.types[type >> 5] |= 1 << (type & 31);
    if (letters !== '') chunks.flagged.push(readFlags(letters, index));
  }
  if (chunks.flagged.length <= FLAGGED) return chunks;
  throw new Problem(
    'Number of chunk types with flags exceeds currently allowed limit. Increasing this limit involves changing IPT_NUM_SCTP_FLAGS and recompiling both the kernel space and user space modules\n',
  );
}

function letters({ type, flags, mask }: ChunkFlags): string {
  const known = CHUNKS.find(([, number]) => number === type)?.[2] ?? '';
  return [...known]
    .filter((_, i) => (mask & (1 << (7 - i))) !== 0)
    .map((letter) => ((flags & (1 << (7 - known.indexOf(letter)))) !== 0 ? letter : letter.toLowerCase()))
    .join('');
}

function chunkName(type: number, isNumeric: boolean): string {
  const name = isNumeric ? undefined : CHUNKS.find(([, number]) => number === type)?.[0];
  return name ?? `0x${type.toString(16).toUpperCase().padStart(4, '0')}`;
}

function typesText({ types, flagged }: Chunks, isNumeric: boolean): string {
  if (types.every((word) => word === 0)) return 'NONE';
  if (types.every((word) => word === -1)) return 'ALL';
  const set = Array.from({ length: 256 }, (_, type) => type).filter(
    (type) => (types[type >> 5] & (1 << (type & 31))) !== 0,
  );
  return set
    .map((type) => {
      const flags = flagged.find((one) => one.type === type);
      return chunkName(type, isNumeric) + (flags === undefined ? '' : `:${letters(flags)}`);
    })
    .join(',');
}

function howName(how: SctpChunkMatch): string {
  return HOW.find(([, one]) => one === how)?.[0] ?? '';
}

function portOption(name: string, side: 'source' | 'destination'): Option<Sctp> {
  return {
    name,
    key: side,
    argument: 'required',
    canInvert: true,
    take(data, given) {
      if (data[side] !== undefined) throw new Problem(`Only one \`--${side}-port' allowed`);
      data[side] = readStrictPorts(given, 'sctp');
    },
  };
}

export const sctp: Extension<Sctp> = {
  name: 'sctp',
  isTarget: false,
  isFree: true,
  protocols: [SCTP],
  options: [
    portOption('source-port', 'source'),
    portOption('sport', 'source'),
    portOption('destination-port', 'destination'),
    portOption('dport', 'destination'),
    {
      name: 'chunk-types',
      argument: 'required',
      canInvert: true,
      take(data, given) {
        if (data.chunks !== undefined) throw new Problem("Only one `--chunk-types' allowed");
        const types = given.next();
        if (types === undefined) throw new Problem('--chunk-types requires two args');
        const how = HOW.find(([name]) => name === given.text.toLowerCase())?.[1];
        if (how === undefined) throw new Problem('Match type has to be one of "ALL", "ANY" or "ONLY"');
        data.chunks = readChunks(how, types, given.isInverted);
      },
    },
  ],
  create: () => ({}),
  save({ source, destination, chunks }) {
    return (
      (source === undefined ? '' : savePorts('sport', source, true)) +
      (destination === undefined ? '' : savePorts('dport', destination, true)) +
      (chunks === undefined
        ? ''
        : `${bang(chunks.isInverted)} --chunk-types ${howName(chunks.how)} ${typesText(chunks, false)}`)
    );
  },
  list({ source, destination, chunks }, isNumeric) {
    return (
      ` sctp${listPorts('spt', source ?? anyPorts(), 'sctp', isNumeric)}` +
      listPorts('dpt', destination ?? anyPorts(), 'sctp', isNumeric) +
      (chunks === undefined ? '' : `${bang(chunks.isInverted)} ${howName(chunks.how)} ${typesText(chunks, isNumeric)}`)
    );
  },
  encode({ source, destination, chunks }, into, use) {
    encodePorts(source ?? anyPorts(), destination ?? anyPorts(), into, use);
    if (chunks === undefined) return;
    const flagged = chunks.flagged.map(({ type, flags, mask }) => type | (flags << 8) | (mask << 16));
    const words = [chunks.how, ...chunks.types, flagged.length, ...flagged];
    into.add(Op.SCTP_CHUNKS, words, chunks.isInverted ? OpWord.INVERTED : 0);
  },
};

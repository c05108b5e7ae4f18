/*
 * `sluice traceroute`: as "modern traceroute" 2.1, from a namespace of Sluice. The daemon sends and measures; here is what is said
 * of it. Addresses only: names are refused as traceroute refuses one that it cannot find, and -n leaves out the second
 * copy of the address, which stands where a name would.
 */
import { isIP } from 'node:net';
import type { TracerouteMethod, TracerouteProbe, TracerouteRequest } from '../control/api/traceroute.js';
import { ApiFailure } from '../control/client.js';
import { getopt } from './getopt.js';
import { interrupted } from './ping.js';
import { cannot, Refusal, strerror } from './refusal.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';

export interface TracerouteOptions {
  destination: string;
  family: 4 | 6;
  method: TracerouteMethod;
  first: number;
  max: number;
  queries: number;
  waitS: number;
  here: number;
  near: number;
  port?: number;
  length: number;
  from?: string;
  isNumeric: boolean;
  isWhole: boolean;
}

const SPEC = '46nFITUm:q:f:w:p:s:i:';
const MAX_LENGTH = 65000;
const METHODS: Record<string, TracerouteMethod> = { U: 'udp', I: 'icmp', T: 'tcp' };

function no(line: string, cause: string, status = 2): Refusal {
  return new Refusal(line, status, cannot('traceroute', '', cause, 'see "sluice traceroute --help"'));
}

function integer(letter: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw no(`Cannot handle \`-${letter}' option with arg \`${text}'`, `"${text}" is no number`);
}

interface Draft extends Omit<TracerouteOptions, 'family' | 'length'> {
  wanted: 0 | 4 | 6;
}

type Setter = (draft: Draft, value: string) => void;

const SETTERS: Record<string, Setter> = {
  4: (draft) => setFamily(draft, 4),
  6: (draft) => setFamily(draft, 6),
  n: (draft) => {
    draft.isNumeric = true;
  },
  F: (draft) => {
    draft.isWhole = true;
  },
  m: (draft, value) => {
    draft.max = integer('m', value);
  },
  q: (draft, value) => {
    draft.queries = integer('q', value);
  },
  f: (draft, value) => {
    draft.first = integer('f', value);
  },
  w: (draft, value) => setWait(draft, value),
  p: (draft, value) => {
    draft.port = integer('p', value);
  },
  s: (draft, value) => {
    draft.from = value;
  },
  i: (draft, value) => {
    draft.from = value;
  },
};

function setFamily(draft: Draft, family: 4 | 6): void {
  if (draft.wanted !== 0 && draft.wanted !== family)
    throw no('Address families are in conflict', 'it cannot be both IPv4 and IPv6');
  draft.wanted = family;
}

/** MAX[,HERE[,NEAR]]: what is not said is off. */
function setWait(draft: Draft, value: string): void {
  const parts = value.split(',').map((part) => (/^\d+(\.\d*)?$|^\.\d+$/.test(part) ? Number(part) : Number.NaN));
  if (parts.length > 3 || parts.some(Number.isNaN))
    throw no(`bad wait specifications \`${value}' used`, `"${value}" is no MAX,HERE,NEAR`);
  [draft.waitS, draft.here = 0, draft.near = 0] = parts as [number, number?, number?];
}

function familyOf(destination: string, wanted: 0 | 4 | 6): 4 | 6 {
  const [text] = destination.split('%');
  const family = isIP(text);
  const isKnown = family === 4 || family === 6;
  if (isKnown && (wanted === 0 || wanted === family)) return family;
  const cause = isKnown ? 'Address family for hostname not supported' : 'Name or service not known';
  const where = `Cannot handle "host" cmdline arg \`${destination}' on position 1`;
  throw no(
    `${destination}: ${cause}\n${where}`,
    `"${destination}" is no address of that family; names are not resolved`,
  );
}

function lengthOf(text: string | undefined, family: 4 | 6, method: TracerouteMethod): number {
  if (text !== undefined && !/^\d+$/.test(text))
    throw no(`Cannot handle "packetlen" cmdline arg \`${text}' on position 2`, `"${text}" is no number`);
  const length = text === undefined ? 0 : Number(text);
  if (length > MAX_LENGTH) throw no(`too big packetlen ${length} specified`, `${length} bytes are too many`);
  const header = family === 4 ? 20 : 40;
  if (method === 'tcp') return header + 40;
  return text === undefined ? header + 40 : Math.max(length, header + 8);
}

function check({ max, queries, first }: Draft): void {
  if (first < 1 || first > max) throw no('first hop out of range', `hop ${first} is not from 1 to ${max}`);
  if (max > 255) throw no('max hops cannot be more than 255', `${max} hops are too many`);
  if (queries < 1 || queries > 10) throw no('no more than 10 probes per hop', `${queries} queries are not possible`);
}

export function parseTraceroute(words: readonly string[]): TracerouteOptions {
  const { options, operands, unknown, lacking } = getopt(words, SPEC);
  const draft: Draft = {
    destination: operands[0] ?? '',
    wanted: 0,
    method: 'default',
    first: 1,
    max: 30,
    queries: 3,
    waitS: 5,
    here: 3,
    near: 10,
    isNumeric: false,
    isWhole: false,
  };
  for (const [letter, value] of options) {
    if (Object.hasOwn(METHODS, letter)) draft.method = METHODS[letter];
    else SETTERS[letter](draft, value);
  }
  if (unknown !== undefined) throw no(`Bad option \`-${unknown}' (argc 1)`, `there is no option -${unknown} here`);
  if (lacking !== undefined)
    throw no(`Option \`-${lacking}' (argc 1) requires an argument`, `option -${lacking} needs a value`);
  if (operands.length === 0) throw no('Specify "host" missing argument.', 'it names no destination');
  if (operands.length > 2)
    throw no(`Extra arg \`${operands[2]}' (position 3, argc 4)`, `"${operands[2]}" is one word too many`);
  check(draft);
  const { wanted, ...rest } = draft;
  const family = familyOf(draft.destination, wanted);
  return { ...rest, family, length: lengthOf(operands[1], family, draft.method) };
}

export function header({ destination, max, length }: TracerouteOptions): string {
  return `traceroute to ${destination} (${destination}), ${max} hops max, ${length} byte packets`;
}

/** Writes probes as they come: a line a hop, an address where it is another than the last one's. */
export class Printer {
  private ttl = 0;
  private last: string | undefined;

  constructor(private readonly isNumeric: boolean) {}

  text({ ttl, from, rtt_us: us, note }: TracerouteProbe): string {
    let text = '';
    if (ttl !== this.ttl) {
      text += `\n${String(ttl).padStart(2)} `;
      this.ttl = ttl;
      this.last = undefined;
    }
    if (from === undefined) return `${text} *`;
    if (from !== this.last) text += this.isNumeric ? ` ${from}` : ` ${from} (${from})`;
    this.last = from;
    return `${text}  ${((us ?? 0) / 1000).toFixed(3)} ms${note === undefined ? '' : ` ${note}`}`;
  }
}

function requestOf(options: TracerouteOptions): TracerouteRequest {
  const { destination, method, first, max, queries, waitS, here, near, port, length, from, isWhole } = options;
  return {
    op: 'traceroute',
    destination,
    method,
    first,
    max,
    queries,
    wait_ms: waitS * 1000,
    here,
    near,
    ...(port === undefined ? {} : { port }),
    length,
    ...(from === undefined ? {} : { from }),
    ...(isWhole ? { dont_fragment: true } : {}),
  };
}

/** The daemon's refusal in traceroute's words; its first line is there already. */
function refusal({ errno, message }: ApiFailure['error'], { from }: TracerouteOptions): Refusal {
  const isAddress = from !== undefined && isIP(from) !== 0;
  if (errno === 'ENODEV') return new Refusal('setsockopt SO_BINDTODEVICE: No such device', 1, message);
  if (errno === 'EADDRNOTAVAIL' && isAddress) return new Refusal(`bind: ${strerror(errno)}`, 1, message);
  return new Refusal(`${message.startsWith('cannot send') ? 'send' : 'connect'}: ${strerror(errno)}`, 1, message);
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const options = parseTraceroute(words);
    await session.checkNamespace();
    const client = await session.client();
    const printer = new Printer(options.isNumeric);
    terminal.out(header(options));
    const take = (probe: TracerouteProbe): boolean => {
      terminal.out(printer.text(probe));
      return true;
    };
    const { signal, done } = interrupted();
    try {
      await Promise.race([client.stream<TracerouteProbe>(requestOf(options), take), signal]);
    } catch (error) {
      if (error instanceof ApiFailure) throw refusal(error.error, options);
      throw error;
    } finally {
      done();
      terminal.out('\n');
    }
    return 0;
  });
}

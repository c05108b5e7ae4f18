/*
 * The fast path of `ip -batch`: lines that change routes and differ from one before in the prefix only.
 *
 *   route add 10.1.2.0/24 via 10.0.0.1 dev eth0
 *   └─ head ─┘└ prefix ─┘└─────── tail ───────┘
 *
 * The first line of a kind goes through the parser like any other; its head, its tail and what they
 * mean are kept. A later line of the same bytes around a plain prefix means the same, so only the
 * prefix is read, from the bytes of the file into the columns of a bulk request: about 0.1 µs a
 * line, where the parser needs some 10 µs. What is not exactly of this form is the parser's: octal
 * numbers, names, comments, quotes, "default".
 *
 * Routes wait here until the request is full, another family comes, or a line that is something
 * else: the caller sends what `take` answers before it sends anything else, so the order is kept.
 */
import type { ApiError } from '../control/api/answer.js';
import type { Family } from '../control/api/family.js';
import type { ChangeRoute, ChangeRoutes, RouteTemplate } from '../control/api/route.js';
import { BATCH_ROUTES, parseAddressBytes, RoutePacker, routeOf, unpackRoutes } from '../control/route-batch.js';
import { parsePrefix, prefixText } from './inet-words.js';
import type { Ask, Plan } from './plan.js';
import type { Refusal } from './refusal.js';

/** Ends of lines that are remembered; beyond that all are forgotten, and learned anew. */
const MAX_TAILS = 4096;
const MAX_TAIL_BYTES = 512;
const MAX_HEADS = 8;
/** Lines that may be learned beyond those that paid: where every line is of a kind of its own, learning only costs. */
const MAX_CREDIT = 4096;
/** Without credit one in so many is learned all the same. A power of two. */
const PROBE = 32;

const NEWLINE = 10;
const SPACE = 32;
const DOT = 46;
const SLASH = 47;
const ZERO = 48;
const COLON = 58;

/** Value of a hexadecimal digit, else −1. */
const HEX = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  const text = digit.toString(16);
  HEX[text.charCodeAt(0)] = HEX[text.toUpperCase().charCodeAt(0)] = digit;
}

/** What a head and a tail mean. */
interface Meaning {
  head: number;
  family: Family;
  /** With the newline. */
  tail: Uint8Array;
  template: RouteTemplate;
  plan: Plan;
  /** Its number in the request being filled, valid while `fill` is that request's. */
  number: number;
  fill: number;
}

/** A request that is ready, and what is needed to say which of its lines failed. */
export interface RouteBulk {
  request: ChangeRoutes;
  /** Line of the file, by index. */
  lines: Uint32Array;
  /** By template number. */
  plans: readonly Plan[];
}

/** The change that a plan is, if it is nothing else. */
export function routeChangeOf(plan: Plan): ChangeRoute | undefined {
  const [request, more] = plan.requests;
  const isPlain = more === undefined && plan.run === undefined && plan.ns === undefined && plan.note === undefined;
  return isPlain && request?.op === 'route.change' ? request : undefined;
}

/** Words the failure of one route of a request as its own command would have. */
export function explainBulk(bulk: RouteBulk, index: number, error: ApiError, ask: Ask): Refusal | Promise<Refusal> {
  const batch = unpackRoutes(bulk.request);
  const { verb, route } = routeOf(batch, index);
  return bulk.plans[batch.numbers[index]].explain(error, { op: 'route.change', verb, route }, ask);
}

export class RouteLines {
  /** Lines that the last `scan` took. */
  scanned = 0;
  readonly #heads: Uint8Array[] = [];
  #head = 0;
  #meanings = new Map<number, Meaning[]>();
  #known = 0;
  #last: Meaning | undefined;
  readonly #packers: Record<Family, RoutePacker> = { 4: new RoutePacker(4), 6: new RoutePacker(6) };
  #packer = this.#packers[4];
  #plans: Plan[] = [];
  readonly #lines = new Uint32Array(BATCH_ROUTES);
  #fill = 1;
  #length = 0;
  #credit = MAX_CREDIT;
  #passed = 0;

  /** Routes are waiting. */
  get isWaiting(): boolean {
    return this.#packer.count > 0;
  }

  /** No more fit: `take` first. */
  get isFull(): boolean {
    return this.#packer.isFull;
  }

  /** The request of the routes that wait. */
  take(stopAtFirst: boolean): RouteBulk {
    const lines = this.#lines.slice(0, this.#packer.count);
    const bulk = { request: this.#packer.take(stopAtFirst), lines, plans: this.#plans };
    this.#plans = [];
    this.#fill++;
    return bulk;
  }

  /**
   * Takes the lines at `at` that it knows, and answers where it stopped: at a line that it does not know, one that must
   * wait until `take`, or `end`. `line` is the number of the line before the first.
   */
  scan(bytes: Uint8Array, at: number, end: number, line: number): number {
    let next = at;
    this.scanned = 0;
    while (next < end && !this.#packer.isFull) {
      const after = this.#line(bytes, next, end);
      if (after < 0) break;
      this.scanned++;
      this.#lines[this.#packer.count - 1] = line + this.scanned;
      next = after;
    }
    this.#credit = Math.min(MAX_CREDIT, this.#credit + this.scanned);
    return next;
  }

  /** Where the next line begins, or −1: it is not known, or of the other family than those that wait. */
  #line(bytes: Uint8Array, at: number, end: number): number {
    const prefix = this.#matchHead(bytes, at);
    if (prefix < 0) return -1;
    const tail = this.#prefix(bytes, prefix);
    if (tail < 0) return -1;
    const meaning = this.#meaning(bytes, tail, end);
    if (meaning === undefined) return -1;
    if (meaning.fill !== this.#fill) this.#number(meaning);
    this.#packer.add(this.#length, meaning.number);
    return tail + meaning.tail.length;
  }

  #number(meaning: Meaning): void {
    meaning.number = this.#packer.template(meaning.template);
    meaning.fill = this.#fill;
    this.#plans.push(meaning.plan);
  }

  /** Where the prefix begins, or −1. */
  #matchHead(bytes: Uint8Array, at: number): number {
    const heads = this.#heads;
    for (let n = heads.length, i = this.#head; n > 0; n--, i = i + 1 < heads.length ? i + 1 : 0) {
      const head = heads[i];
      let k = 0;
      while (k < head.length && bytes[at + k] === head[k]) k++;
      if (k < head.length) continue;
      this.#head = i;
      return at + k;
    }
    return -1;
  }

  /** Reads a prefix into the packer of its family and `#length`. Where it ends, or −1. */
  #prefix(bytes: Uint8Array, at: number): number {
    const { packer, end } = this.#address(bytes, at);
    if (end < 0) return -1;
    if (packer !== this.#packer) {
      if (this.#packer.count > 0) return -1;
      this.#packer = packer;
    }
    const bits = packer.addressBytes * 8;
    this.#length = bits;
    if (bytes[end] !== SLASH) return end;
    let length = 0;
    let p = end + 1;
    for (let digit = bytes[p] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++p] - ZERO) length = length * 10 + digit;
    const digits = p - end - 1;
    if (digits === 0 || digits > 3 || (digits > 1 && bytes[end + 1] === ZERO) || length > bits) return -1;
    this.#length = length;
    return p;
  }

  #address(bytes: Uint8Array, at: number): { packer: RoutePacker; end: number } {
    const four = this.#packers[4];
    const end = readIPv4(bytes, at, four.addresses, four.addressAt);
    if (end >= 0) return { packer: four, end };
    const six = this.#packers[6];
    return { packer: six, end: readIPv6(bytes, at, six.addresses, six.addressAt) };
  }

  /** What the rest of the line means, if it is known. */
  #meaning(bytes: Uint8Array, at: number, end: number): Meaning | undefined {
    const last = this.#last;
    if (last !== undefined && this.#fits(last, bytes, at)) return last;
    const stop = Math.min(end, at + MAX_TAIL_BYTES);
    let hash = this.#head * 2 + (this.#packer.family >> 2);
    let p = at;
    while (p < stop && bytes[p] !== NEWLINE) hash = Math.imul(hash ^ bytes[p++], 0x01000193);
    const found = this.#meanings.get(hash)?.find((meaning) => this.#fits(meaning, bytes, at));
    if (found !== undefined) this.#last = found;
    return found;
  }

  #fits({ head, family, tail }: Meaning, bytes: Uint8Array, at: number): boolean {
    if (head !== this.#head || family !== this.#packer.family) return false;
    for (let i = 0; i < tail.length; i++) if (tail[i] !== bytes[at + i]) return false;
    return true;
  }

  /**
   * Adds a route that the parser read. Answers false if it must wait until `take`. `text` is its line as it stands in the
   * file, if it is one line and has no comment: what it teaches is remembered.
   */
  add(change: ChangeRoute, plan: Plan, words: readonly string[], line: number, text: string | undefined): boolean {
    const { family, dst, ...route } = change.route;
    const packer = this.#packers[family];
    if (this.#packer.isFull || (packer !== this.#packer && this.#packer.count > 0)) return false;
    this.#packer = packer;
    const [address, length] = dst.split('/');
    packer.addresses.set(parseAddressBytes(address) ?? [], packer.addressAt);
    const template: RouteTemplate = { verb: change.verb, route };
    const meaning = { head: -1, family, tail: new Uint8Array(0), template, plan, number: 0, fill: 0 };
    if (text !== undefined && this.#pays()) this.#learn(text, words, dst, meaning);
    this.#number(meaning);
    this.#lines[packer.count] = line;
    packer.add(Number(length), meaning.number);
    return true;
  }

  #pays(): boolean {
    if (this.#credit > 0) {
      this.#credit--;
      return true;
    }
    this.#passed = (this.#passed + 1) & (PROBE - 1);
    return this.#passed === 0;
  }

  #learn(text: string, words: readonly string[], dst: string, meaning: Meaning): void {
    const at = prefixAt(text, words, dst, meaning.family);
    if (at === undefined) return;
    const bytes = Buffer.from(`${text}\n`);
    meaning.head = this.#headNumber(bytes.subarray(0, at.start));
    meaning.tail = Uint8Array.from(bytes.subarray(at.end));
    if (meaning.head < 0 || meaning.tail.length > MAX_TAIL_BYTES) return;
    if (++this.#known > MAX_TAILS) {
      this.#meanings = new Map();
      this.#known = 1;
    }
    let hash = meaning.head * 2 + (meaning.family >> 2);
    for (const byte of meaning.tail.subarray(0, -1)) hash = Math.imul(hash ^ byte, 0x01000193);
    this.#meanings.set(hash, [...(this.#meanings.get(hash) ?? []), meaning]);
    this.#last = meaning;
  }

  /** −1: there are too many already. */
  #headNumber(head: Uint8Array): number {
    const known = this.#heads.findIndex((one) => Buffer.compare(one, head) === 0);
    if (known >= 0) return known;
    return this.#heads.length < MAX_HEADS ? this.#heads.push(Uint8Array.from(head)) - 1 : -1;
  }
}

/** Where in a line of plain characters the destination stands, if it is the third or fourth word. */
function prefixAt(
  text: string,
  words: readonly string[],
  dst: string,
  family: Family,
): { start: number; end: number } | undefined {
  if (/[^ -~\t\r]|["'#\\]/.test(text)) return undefined;
  for (const index of [2, 3]) {
    const word = words[index];
    const prefix = word === undefined ? undefined : parsePrefix(word, family);
    if (prefix === undefined || prefix.address === '' || prefixText(prefix, family) !== dst) continue;
    const start = text.indexOf(word);
    if (
      text
        .slice(0, start)
        .split(/[ \t\r]+/)
        .filter((part) => part !== '').length !== index
    )
      return undefined;
    return { start, end: start + word.length };
  }
  return undefined;
}

/** Four decimal numbers without leading zeros, which would make them octal. Where it ends, or −1. */
function readIPv4(bytes: Uint8Array, at: number, into: Uint8Array, offset: number): number {
  let p = at;
  for (let part = 0; part < 4; part++) {
    let value = 0;
    const start = p;
    for (let digit = bytes[p] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++p] - ZERO) value = value * 10 + digit;
    const digits = p - start;
    if (digits === 0 || digits > 3 || (digits > 1 && bytes[start] === ZERO) || value > 255) return -1;
    into[offset + part] = value;
    if (part < 3 && bytes[p++] !== DOT) return -1;
  }
  return isEnd(bytes[p]) ? p : -1;
}

function isEnd(byte: number): boolean {
  return byte === SLASH || byte <= SPACE;
}

/** Eight hexadecimal words, or fewer with one "::". Where it ends, or −1: also for those that end in dots. */
function readIPv6(bytes: Uint8Array, at: number, into: Uint8Array, offset: number): number {
  let p = at;
  let words = 0;
  let gap = -1;
  if (bytes[p] === COLON) {
    if (bytes[p + 1] !== COLON) return -1;
    gap = 0;
    p += 2;
  }
  while (HEX[bytes[p]] >= 0) {
    let value = 0;
    const start = p;
    for (let digit = HEX[bytes[p]]; digit >= 0; digit = HEX[bytes[++p]]) value = (value << 4) | digit;
    if (p - start > 4 || words === 8) return -1;
    into[offset + words * 2] = value >> 8;
    into[offset + words * 2 + 1] = value;
    words++;
    if (bytes[p] !== COLON) break;
    p++;
    if (bytes[p] === COLON) {
      if (gap >= 0) return -1;
      gap = words;
      p++;
    } else if (HEX[bytes[p]] < 0) return -1;
  }
  if (!isEnd(bytes[p]) || (gap < 0 ? words !== 8 : words > 7)) return -1;
  if (gap >= 0) spread(into, offset, gap * 2, words * 2);
  return p;
}

/** Moves what follows "::" to the end, and clears what it stands for. */
function spread(into: Uint8Array, offset: number, gap: number, end: number): void {
  into.copyWithin(offset + 16 - (end - gap), offset + gap, offset + end);
  into.fill(0, offset + gap, offset + 16 - (end - gap));
}

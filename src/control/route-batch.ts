/*
 * The body of `route.bulk`: many routes as a few templates and three columns.
 *
 * A batch that loads a table has lines that differ in the prefix only: `route add PREFIX via A dev D`. So what the lines
 * share travels once, as a template, and each route costs 7 bytes (IPv4) or 19 (IPv6) in base64. The daemon reads the
 * numbers as they are; it makes an object of a route only to word an error.
 *
 *   addresses   n × 4 or 16 bytes, network order
 *   lengths     n × 1 byte
 *   templates   n × 2 bytes, low byte first: index into `templates`
 */
import { isIPv4, isIPv6 } from 'node:net';
import { SluiceError } from '../core/errors.js';
import type { Family } from './api/family.js';
import type { ChangeRoutes, RouteChange, RouteTemplate, RouteVerb } from './api/route.js';

/** Routes of one request: what a daemon can work through well within the time that a client waits. */
export const BATCH_ROUTES = 512;

export const addressBytes = (family: Family): number => (family === 4 ? 4 : 16);

/** Collects routes of one family for a request. Holds BATCH_ROUTES; `add` may be called while `isFull` is false. */
export class RoutePacker {
  count = 0;
  /** Where the caller writes the next address before it calls `add`: from `addressAt`. */
  readonly addresses: Uint8Array;
  readonly addressBytes: number;
  readonly #lengths = new Uint8Array(BATCH_ROUTES);
  readonly #numbers = new Uint16Array(BATCH_ROUTES);
  readonly #packed: Buffer;
  #templates: RouteTemplate[] = [];

  constructor(readonly family: Family) {
    this.addressBytes = addressBytes(family);
    this.addresses = new Uint8Array(BATCH_ROUTES * this.addressBytes);
    this.#packed = Buffer.alloc(BATCH_ROUTES * (this.addressBytes + 3));
  }

  get isFull(): boolean {
    return this.count === BATCH_ROUTES;
  }

  get addressAt(): number {
    return this.count * this.addressBytes;
  }

  /** A template's number in this request. */
  template(template: RouteTemplate): number {
    return this.#templates.push(template) - 1;
  }

  /** Adds the route whose address lies at `addressAt`. */
  add(length: number, template: number): void {
    this.#lengths[this.count] = length;
    this.#numbers[this.count++] = template;
  }

  /** The request, and an empty packer again. */
  take(stopAtFirst: boolean): ChangeRoutes {
    const { count, addressBytes: bytes } = this;
    const packed = this.#packed;
    packed.set(this.addresses.subarray(0, count * bytes), 0);
    packed.set(this.#lengths.subarray(0, count), count * bytes);
    const at = count * (bytes + 1);
    for (let i = 0; i < count; i++) packed.writeUInt16LE(this.#numbers[i], at + i * 2);
    const routes = packed.toString('base64', 0, count * (bytes + 3));
    const request: ChangeRoutes = { op: 'route.bulk', family: this.family, templates: this.#templates, routes };
    if (stopAtFirst) request.stopAtFirst = true;
    this.count = 0;
    this.#templates = [];
    return request;
  }
}

/** The first failure of a request with `stopAtFirst`: ApiError carries its `index` to the client. */
export class RouteFailed extends SluiceError {
  constructor(
    readonly index: number,
    { errno, message, extack }: SluiceError,
  ) {
    super(errno, message, extack);
  }
}

/** A request's routes, in its order: parallel columns. */
export interface RouteBatch {
  family: Family;
  count: number;
  templates: readonly RouteTemplate[];
  /** Network order, 4 or 16 bytes each. */
  addresses: Uint8Array;
  lengths: Uint8Array;
  /** Index into `templates`; all in range. */
  numbers: Uint16Array;
}

function refuse(cause: string): SluiceError {
  return new SluiceError('EINVAL', `cannot change routes: ${cause}; use a client of this version`);
}

/** Throws SluiceError EINVAL if the request is not well formed. */
export function unpackRoutes(request: ChangeRoutes): RouteBatch {
  const { family, templates, routes } = request;
  if (family !== 4 && family !== 6) throw refuse('a family is 4 or 6');
  if (!Array.isArray(templates) || typeof routes !== 'string') throw refuse('it has no templates or no routes');
  const bytes = addressBytes(family);
  const packed = Buffer.from(routes, 'base64');
  const count = packed.length / (bytes + 3);
  if (!Number.isInteger(count)) throw refuse(`${packed.length} bytes are no whole number of routes`);
  const numbers = new Uint16Array(count);
  const at = count * (bytes + 1);
  for (let i = 0; i < count; i++) {
    numbers[i] = packed[at + i * 2] | (packed[at + i * 2 + 1] << 8);
    if (numbers[i] >= templates.length) throw refuse(`there is no template ${numbers[i]}`);
  }
  const addresses = packed.subarray(0, count * bytes);
  return { family, count, templates, addresses, lengths: packed.subarray(count * bytes, at), numbers };
}

/** One route of a batch as an object, as `route.change` would have named it. */
export function routeOf(batch: RouteBatch, index: number): { verb: RouteVerb; route: RouteChange } {
  const { verb, route } = batch.templates[batch.numbers[index]];
  const bytes = addressBytes(batch.family);
  const address = batch.addresses.subarray(index * bytes, (index + 1) * bytes);
  const dst = `${formatAddress(address)}/${batch.lengths[index]}`;
  return { verb, route: { family: batch.family, dst, ...route } };
}

/** One longest run of two or more zero words is "::"; mapped and compatible addresses end in dots: inet_ntop(3). */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, i) => (bytes[i * 2] << 8) | bytes[i * 2 + 1]);
  const { start, length } = longestZeroRun(words);
  if (start === 0 && (length === 6 || (length === 5 && words[5] === 0xffff)))
    return `${length === 6 ? '::' : '::ffff:'}${bytes.subarray(12).join('.')}`;
  const hex = words.map((word) => word.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeroRun(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let i = 0; i < words.length; i++) {
    let end = i;
    while (end < words.length && words[end] === 0) end++;
    if (end - i > best.length) best = { start: i, length: end - i };
    i = end;
  }
  return best;
}

/** Bytes of an address as inet_pton(3) takes it; undefined: it is none. */
export function parseAddressBytes(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const dotted = text.includes('.') ? text.slice(text.lastIndexOf(':') + 1) : undefined;
  const [head, tail] = (dotted === undefined ? text : text.slice(0, -dotted.length) + hexOf(dotted)).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const bytes = new Uint8Array(16);
  for (const [i, word] of before.entries()) put(bytes, i, word);
  for (const [i, word] of after.entries()) put(bytes, 8 - after.length + i, word);
  return bytes;
}

function hexOf(dotted: string): string {
  const [a, b, c, d] = dotted.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function put(bytes: Uint8Array, word: number, hex: string): void {
  const value = Number.parseInt(hex, 16);
  bytes[word * 2] = value >> 8;
  bytes[word * 2 + 1] = value & 0xff;
}

/*
 * What `create` makes of its options: defaults, rounding and limits as the kernel has them, and the dataplane's options.
 *
 * hashsize, bucketsize and initval are about the kernel's hash tables; they are kept, as `save` has to write what `restore` reads,
 * and the dataplane's tables find their size themselves.
 */
import { randomInt } from 'node:crypto';
import { type SetOptions, SetType } from '../../tables/ipset.js';
import { lengthOf } from '../iptables/addresses.js';
import { kernel, Useless } from './failures.js';
import { isBitmap, isHash, type SetKind } from './kinds.js';
import { SetBody } from './sets.js';
import type { Values } from './values.js';

const MOST_PLACES = 65_536;

export interface NewSet {
  body: SetBody;
  options: SetOptions;
}

export function newSet(kind: SetKind, given: Values): NewSet {
  const values = { ...given };
  if (kind.family === 'both' && values.family === undefined) throw kernel('badFamily');
  const options: SetOptions = {
    type: kind.type,
    family: values.family ?? 4,
    timeout: values.timeout,
    counters: values.hasCounters,
    skbinfo: values.hasSkbinfo,
    comments: values.hasComments,
  };
  if (isHash(kind)) completeHash(kind, values, options);
  else if (isBitmap(kind)) completeBitmap(kind, values, options);
  else completeList(values, options);
  return { body: new SetBody(kind, values.family, values), options };
}

function completeHash(kind: SetKind, values: Values, options: SetOptions): void {
  values.hashsize = 2 ** Math.ceil(Math.log2(Math.max(values.hashsize ?? 1024, 64)));
  values.maxelem ??= 65_536;
  values.bucketsize = bucketSize(values.bucketsize ?? 12);
  values.initval ??= randomInt(0x1_0000_0000);
  options.maxElements = values.maxelem;
  options.forceAdd = values.isForced;
  completeMasks(kind, values, options);
}

function bucketSize(asked: number): number {
  return Math.min(Math.max(asked + (asked & 1), 2), 12);
}

function completeMasks(kind: SetKind, values: Values, options: SetOptions): void {
  const { netmask, bitmask, markmask } = values;
  if (kind.type === SetType.HASH_NET_NET && (netmask ?? bitmask) !== undefined) {
    const what = netmask !== undefined ? 'netmask' : 'bitmask';
    throw new Useless(`cannot create a set of type ${kind.name} with "${what}": it has no effect; leave it out`);
  }
  if (netmask === (values.family === 6 ? 128 : 32)) delete values.netmask;
  else options.netmask = netmask;
  if (bitmask !== undefined) {
    if (lengthOf(bitmask) === 0) throw kernel('badNetmask');
    if (lengthOf(bitmask) === bitmask.length * 32) delete values.bitmask;
    else options.bitmask = bitmask;
  }
  if (markmask === undefined) return;
  if (markmask === 0) throw kernel('badMarkmask');
  options.markmask = markmask | 0;
  if (markmask === 0xffffffff) delete values.markmask;
}

function completeBitmap(kind: SetKind, values: Values, options: SetOptions): void {
  if (kind.type === SetType.BITMAP_PORT) {
    const { port = 0, portTo = 0 } = values;
    values.port = Math.min(port, portTo);
    values.portTo = Math.max(port, portTo);
    options.first = values.port;
    options.last = values.portTo;
    return;
  }
  const [first, last] = addressRange(values);
  if (placesOf(values, first, last) > MOST_PLACES) throw kernel('tooWide');
  options.first = first | 0;
  options.last = last | 0;
  options.netmask = values.netmask;
  values.ip = [first | 0];
  values.to = [last | 0];
  delete values.cidr;
  if (values.netmask === 32) delete values.netmask;
}

function addressRange({ ip = [0], to, cidr, netmask = 32 }: Values): [first: number, last: number] {
  const address = ip[0] >>> 0;
  if (to === undefined && (cidr === undefined || cidr >= 32)) throw kernel('badPrefix');
  const length = cidr ?? 32;
  const low = to === undefined ? start(address, length) : Math.min(address, to[0] >>> 0);
  const high = to === undefined ? low + 2 ** (32 - length) - 1 : Math.max(address, to[0] >>> 0);
  return [start(low, netmask), start(high, netmask) + 2 ** (32 - netmask) - 1];
}

/** Places of a range. Of nets it has to begin where a net that holds all of it begins, and that has to have several of them. */
function placesOf({ netmask = 32 }: Values, first: number, last: number): number {
  if (netmask === 32) return last - first + 1;
  let length = 31;
  while (length > 0 && start(last, length) !== first) length--;
  const isWhole = first === 0 && last === 0xffffffff;
  if ((length === 0 && !isWhole) || netmask <= length) throw kernel('outOfRange');
  return 2 ** (netmask - length);
}

function start(address: number, length: number): number {
  return Math.floor(address / 2 ** (32 - length)) * 2 ** (32 - length);
}

function completeList(values: Values, options: SetOptions): void {
  values.size = Math.max(values.size ?? 8, 4);
  options.size = values.size;
}

/** Whether `create -exist` of one may be answered with the other. */
export function isSameSet(one: SetBody, other: SetBody): boolean {
  const key = ({ kind, family, created }: SetBody) => {
    const { hashsize, bucketsize, initval, isForced, ...rest } = created;
    return JSON.stringify([
      kind.name,
      family,
      Object.entries(rest)
        .filter(([, value]) => value !== undefined)
        .sort(),
    ]);
  };
  return key(one) === key(other);
}

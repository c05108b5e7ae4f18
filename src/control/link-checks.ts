/*
 * What is wrong with a name, an MTU or an address, as the kernel sees it.
 */
import { randomBytes } from 'node:crypto';
import { SluiceError } from '../core/errors.js';
import { parseMac, parsePrefix } from '../wire/format.js';
import type { Link, LinkKind } from './link.js';

const MIN_MTU = 68;
const MAX_INT = 2_147_483_647;

/** Least and greatest, as `ip -d link` shows them; a greatest of 0 is none. */
const LIMITS: Record<LinkKind, readonly [number, number]> = {
  tap: [MIN_MTU, 65521],
  packet: [MIN_MTU, 65535],
  bridge: [MIN_MTU, 65535],
  pcap: [MIN_MTU, 65535],
  memory: [MIN_MTU, 65535],
  veth: [MIN_MTU, 65535],
  vlan: [0, 65535],
  dummy: [0, 0],
  lo: [0, 0],
};

export function refuse(errno: string, message: string, extack?: string): never {
  throw new SluiceError(errno, message, extack);
}

export function minMtu(kind: LinkKind): number {
  return LIMITS[kind][0];
}

export function maxMtu(kind: LinkKind): number {
  return LIMITS[kind][1];
}

export function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes >= 1 && bytes <= 15 && !/[\s/:]/.test(name) && name !== '.' && name !== '..') return;
  refuse(
    'EINVAL',
    `cannot name a link "${name}": it is ${bytes} bytes long or has a space, slash or colon; use 1 to 15 bytes`,
  );
}

export function checkMtu(name: string, kind: LinkKind, mtu: number): void {
  const [min, greatest] = LIMITS[kind];
  const max = greatest === 0 ? MAX_INT : greatest;
  const hint = `use ${min} to ${max}`;
  if (mtu < min)
    refuse('EINVAL', `cannot set mtu of "${name}": ${mtu} is below ${min}; ${hint}`, 'mtu less than device minimum');
  if (mtu > max)
    refuse('EINVAL', `cannot set mtu of "${name}": ${mtu} is above ${max}; ${hint}`, 'mtu greater than device maximum');
}

/** A vlan has no room for what its lower link cannot carry. */
export function checkVlanMtu({ name, vlan }: Link, mtu: number): void {
  if (vlan !== undefined && mtu > vlan.lower.mtu)
    refuse(
      'ERANGE',
      `cannot set mtu of "${name}": that of "${vlan.lower.name}" is ${vlan.lower.mtu}; use that at most`,
    );
}

export function macOf(name: string, text: string): Uint8Array {
  const address = parseMac(text);
  if (address === undefined)
    return refuse('EINVAL', `cannot set address of "${name}": "${text}" is no MAC address; write six hex bytes`);
  if ((address[0] & 1) !== 0 || address.every((byte) => byte === 0)) {
    refuse('EADDRNOTAVAIL', `cannot set address of "${name}": ${text} is a group address or zero; use a unicast one`);
  }
  return address;
}

/** `lo` takes any address. */
export function addressFor({ name, kind }: Link, text: string): Uint8Array {
  const any = kind === 'lo' ? parseMac(text) : undefined;
  return any ?? macOf(name, text);
}

export function randomMac(): Uint8Array {
  const address = new Uint8Array(randomBytes(6));
  address[0] = (address[0] & 0xfc) | 0x02;
  return address;
}

export function addressOf(name: string, text: string): { address: Uint8Array; prefix: number } {
  const parsed = parsePrefix(text);
  if (parsed === undefined)
    return refuse(
      'EINVAL',
      `cannot give "${name}" the address "${text}": it is no address with prefix; write 192.0.2.1/24 or 2001:db8::1/64`,
    );
  return { address: parsed.address, prefix: parsed.length };
}

/* Frames for tests: as much Ethernet as a bridge looks at, and a payload that tells them apart. */
import { parseMac } from '../../src/wire/format.js';

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
export const A = '02:00:00:00:00:0a';
export const B = '02:00:00:00:00:0b';
export const C = '02:00:00:00:00:0c';
export const D = '02:00:00:00:00:0d';

/** IEEE's type for local experiments. */
const EXPERIMENT = 0x88b5;

export interface FrameOptions {
  /** Bytes of the whole frame. */
  length?: number;
  type?: number;
  /** Fills the payload. */
  fill?: number;
}

function bytesOf(mac: string): Uint8Array {
  const bytes = parseMac(mac);
  if (bytes === undefined) throw new Error(`"${mac}" is no MAC address`);
  return bytes;
}

export function frame(source: string, destination: string, options: FrameOptions = {}): Uint8Array {
  const { length = 60, type = EXPERIMENT, fill = 0x5a } = options;
  const bytes = new Uint8Array(Math.max(length, 14)).fill(fill, 14);
  bytes.set(bytesOf(destination), 0);
  bytes.set(bytesOf(source), 6);
  bytes[12] = type >>> 8;
  bytes[13] = type;
  return bytes.subarray(0, length);
}

/** A locally administered unicast address. */
export function mac(n: number): string {
  const digits = (n >>> 0).toString(16).padStart(8, '0');
  return `02:00:${digits.replace(/..(?=.)/g, '$&:')}`;
}

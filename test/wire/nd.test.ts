import { basename } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIpv6 } from '../../src/wire/format.js';
import {
  buildAdvertisement,
  buildSolicitation,
  checkSolicitation,
  INFINITY,
  Preference,
  parseAdvertisement,
  type RouterAdvertisement,
} from '../../src/wire/nd.js';
import { captureFiles, framesOf, NO_FIXTURES } from '../support/capture-files.js';

const address = (text: string): Uint8Array => parseIpv6(text) as Uint8Array;

const FULL: RouterAdvertisement = {
  hopLimit: 64,
  managed: true,
  other: false,
  preference: Preference.LOW,
  lifetimeS: 1800,
  reachableMs: 30_000,
  retransMs: 1000,
  sourceMac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  mtu: 1400,
  prefixes: [
    { prefix: address('2001:db8::'), length: 64, onLink: true, autonomous: true, validS: INFINITY, preferredS: 600 },
    { prefix: address('2001:db8:1::'), length: 48, onLink: false, autonomous: false, validS: 0, preferredS: 0 },
  ],
  routes: [
    { prefix: address('::'), length: 0, preference: Preference.HIGH, lifetimeS: 60 },
    { prefix: address('2001:db8:2::'), length: 48, preference: Preference.MEDIUM, lifetimeS: 60 },
    { prefix: address('2001:db8:2::1'), length: 128, preference: Preference.LOW, lifetimeS: 60 },
  ],
  dns: [{ lifetimeS: 1200, addresses: [address('2001:db8::53'), address('2001:db8::54')] }],
  search: [{ lifetimeS: 1200, domains: ['example.org', 'lan'] }],
};

describe('a router advertisement', () => {
  it('is read as it was written', () => {
    const bytes = buildAdvertisement(FULL);
    expect(bytes.length % 8).toBe(0);
    expect(parseAdvertisement(bytes, 0, bytes.length)).toEqual(FULL);
  });

  it('of the reserved preference is one of medium preference', () => {
    const bytes = buildAdvertisement({ ...FULL, preference: Preference.RESERVED });
    expect(parseAdvertisement(bytes, 0, bytes.length)?.preference).toBe(Preference.MEDIUM);
  });

  it('with an option of length 0, or one that does not end, is none', () => {
    const head = buildAdvertisement({ ...FULL, prefixes: [], routes: [], dns: [], search: [] }).subarray(0, 16);
    const zero = Uint8Array.of(...head, 1, 0, 0, 0, 0, 0, 0, 0);
    const cut = Uint8Array.of(...head, 1, 2, 0, 0, 0, 0, 0, 0);
    expect(parseAdvertisement(zero, 0, zero.length)).toBeUndefined();
    expect(parseAdvertisement(cut, 0, cut.length)).toBeUndefined();
    expect(parseAdvertisement(head, 0, 15)).toBeUndefined();
  });

  it('never makes the parser throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = parseAdvertisement(bytes, 0, bytes.length);
        if (found !== undefined) expect(found.prefixes.every(({ length }) => length <= 128)).toBe(true);
      }),
    );
  });
});

describe('a router solicitation', () => {
  it('is well formed with and without a source', () => {
    const without = buildSolicitation();
    const withMac = buildSolicitation(Uint8Array.of(2, 0, 0, 0, 0, 1));
    expect(checkSolicitation(without, 0, without.length)).toBe(true);
    expect(checkSolicitation(withMac, 0, withMac.length)).toBe(true);
    expect(checkSolicitation(withMac, 0, 15)).toBe(false);
  });
});

const file = captureFiles().find((name) => basename(name).includes('icmp6-router-advert'));

describe.skipIf(file === undefined)(file === undefined ? `a capture [skipped: ${NO_FIXTURES}]` : 'a capture', () => {
  it('of a router has its advertisement', () => {
    const frames = framesOf(file ?? '').filter((frame) => frame[12] === 0x86 && frame[54] === 134);
    expect(frames.length).toBeGreaterThan(0);
    for (const frame of frames) {
      const end = 54 + ((frame[18] << 8) | frame[19]);
      const found = parseAdvertisement(frame, 54, end) as RouterAdvertisement;
      const bytes = buildAdvertisement(found);
      expect(parseAdvertisement(bytes, 0, bytes.length)).toEqual(found);
    }
  });
});

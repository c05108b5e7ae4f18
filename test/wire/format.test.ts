import { spawnSync } from 'node:child_process';
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatIpv4,
  formatIpv4At,
  formatIpv6,
  formatMac,
  formatMacAt,
  parseAddress,
  parseIpv4,
  parseIpv6,
  parseMac,
  parsePrefix,
} from '../../src/wire/format.js';

const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
/** IPv6 addresses with many zero groups, where text forms differ. */
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.constant(0xffff), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])));

describe('MAC addresses', () => {
  it('come back from text', () => {
    fc.assert(
      fc.property(mac, (bytes) => {
        const text = formatMacAt(Uint8Array.from([0, ...bytes]), 1);
        expect(text).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
        expect(parseMac(text)).toEqual(bytes);
      }),
    );
  });

  it('are printed from two numbers', () => {
    expect(formatMac(0x0200, 0x0000000a)).toBe('02:00:00:00:00:0a');
    expect(formatMac(0xffff, -1)).toBe('ff:ff:ff:ff:ff:ff');
  });

  it.each(['2:3:4:5:6:7', '0x02:03:4:5:6:7', '02:0X3:4:5:006:7', '2:3:4:5:6:00000007'])(
    '%s is read as iproute2 does',
    (text) => {
      expect(parseMac(text)).toEqual(Uint8Array.of(2, 3, 4, 5, 6, 7));
    },
  );

  it.each([
    '',
    '2:3:4:5:6',
    '2:3:4:5:6:',
    ':2:3:4:5:6:7',
    '2:3:4:5:6:7:8',
    '100:3:4:5:6:7',
    '2:3:4:5:6:0g',
    '2:3:4:5:6:+7',
    '2:3:4:5:6: 7',
    '2:3:4:5:6:0x',
    '02-03-04-05-06-07',
    '0203.0405.0607',
    '020304050607',
  ])('"%s" is refused', (text) => {
    expect(parseMac(text)).toBeUndefined();
  });
});

describe('IPv4 addresses', () => {
  it('come back from text', () => {
    fc.assert(
      fc.property(fc.integer(), (address) => {
        expect(parseIpv4(formatIpv4(address))).toBe(address);
      }),
    );
    expect(formatIpv4(-1)).toBe('255.255.255.255');
    expect(formatIpv4At(Uint8Array.of(0, 192, 0, 2, 1), 1)).toBe('192.0.2.1');
  });

  it.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '1.2.3.04',
    '1.2.3.-4',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1..3.4',
    '0x1.2.3.4',
    '1e1.2.3.4',
  ])('"%s" is refused', (text) => {
    expect(parseIpv4(text)).toBeUndefined();
  });
});

describe('IPv6 addresses', () => {
  it('come back from text', () => {
    fc.assert(
      fc.property(ipv6, (bytes) => {
        expect(parseIpv6(formatIpv6(Uint8Array.from([1, 2, ...bytes]), 2))).toEqual(bytes);
      }),
    );
  });

  it.each([
    // RFC 5952 §4 and §5
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8:AAAA::', '2001:db8:aaaa::'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['::192.0.2.1', '::192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ])('%s is printed %s', (text, canonical) => {
    expect(formatIpv6(parseIpv6(text) ?? new Uint8Array(16).fill(0xee))).toBe(canonical);
  });

  it('are accepted exactly where Node accepts them', () => {
    const piece = fc.constantFrom(':', ':', '::', '0', '1', 'ff', 'FFFF', '12345', 'g', '1.2.3.4', '1.2.3', '.', ' ');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        const text = pieces.join('');
        expect(parseIpv6(text) !== undefined, text).toBe(isIPv6(text));
      }),
      { numRuns: 5000 },
    );
  });

  const python = spawnSync('python3', ['-c', '0']).status === 0;
  it.skipIf(!python)('are printed as inet_ntop does (skipped without python3)', () => {
    const samples = fc.sample(ipv6, 2000);
    const script = 'import socket,sys\nfor l in sys.stdin: print(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(l)))';
    const input = samples.map((bytes) => Buffer.from(bytes).toString('hex')).join('\n');
    const printed = spawnSync('python3', ['-c', script], { input, encoding: 'utf8' }).stdout.trim().split('\n');
    expect(samples.map((bytes) => formatIpv6(bytes))).toEqual(printed);
  });
});

describe('prefixes', () => {
  it('have an address and a length in bits', () => {
    expect(parsePrefix('10.0.0.1/24')).toEqual({ address: Uint8Array.of(10, 0, 0, 1), length: 24 });
    expect(parsePrefix('10.0.0.1')?.length).toBe(32);
    expect(parsePrefix('fd00::1/64')).toEqual({ address: parseIpv6('fd00::1'), length: 64 });
    expect(parsePrefix('::/0')?.length).toBe(0);
    expect(parseAddress('::1')).toHaveLength(16);
  });

  it.each(['10.0.0.1/33', '10.0.0.1/', '10.0.0.1/-1', '10.0.0.1/24/8', '::/129', '/24', 'x/24', '10.0.0.1/ 24'])(
    '"%s" is refused',
    (text) => {
      expect(parsePrefix(text)).toBeUndefined();
    },
  );
});

import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  build,
  classlessRoutes,
  type DhcpMessage,
  DhcpOp,
  DhcpOption,
  DhcpType,
  message,
  option,
  option32,
  optionAddresses,
  parse,
  typeOf,
  value8,
  value32,
  valueText,
} from '../../src/wire/dhcp.js';
import { captureFiles, framesOf, NO_FIXTURES } from '../support/capture-files.js';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);

function discover(...options: DhcpMessage['options']): DhcpMessage {
  const request = message(DhcpOp.REQUEST, 0x12345678, MAC);
  request.options.push(value8(DhcpOption.TYPE, DhcpType.DISCOVER), ...options);
  return request;
}

describe('a DHCP message', () => {
  it('is read as it was written', () => {
    const written = discover(value32(DhcpOption.REQUESTED_ADDRESS, 0xc0000201), valueText(DhcpOption.HOST_NAME, 'vm'));
    written.ciaddr = 1;
    written.giaddr = -2;
    expect(parse(build(written, 548))).toEqual(written);
  });

  it('has 300 bytes at least, as BOOTP relays expect', () => {
    expect(build(discover(), 548)).toHaveLength(300);
  });

  it('cuts an option above 255 bytes in pieces and joins them again', () => {
    const long = new Uint8Array(600).map((_, i) => i);
    const bytes = build(discover({ code: DhcpOption.VENDOR_CLASS, value: long }), 1472);
    expect(option(parse(bytes) as DhcpMessage, DhcpOption.VENDOR_CLASS)).toEqual(long);
  });

  it('leaves out an option that finds no room, and keeps those behind it that do', () => {
    const big = { code: DhcpOption.VENDOR_CLASS, value: new Uint8Array(400) };
    const read = parse(build(discover(big, value32(DhcpOption.SERVER, 7)), 548)) as DhcpMessage;
    expect(option(read, DhcpOption.VENDOR_CLASS)).toBeUndefined();
    expect(option32(read, DhcpOption.SERVER)).toBe(7);
  });

  it.each([
    ['is too short', (bytes: Uint8Array) => bytes.subarray(0, 239)],
    ['lacks the cookie', (bytes: Uint8Array) => bytes.fill(0, 236, 240)],
    ['has a longer hardware address than there is room', (bytes: Uint8Array) => bytes.fill(17, 2, 3)],
    ['has an option that does not end', (bytes: Uint8Array) => bytes.fill(255, 241, 242)],
  ])('that %s is none', (_, damage) => {
    expect(parse(damage(build(discover(), 300).slice(0, 300)))).toBeUndefined();
  });

  it('has lists of addresses only where their length is right', () => {
    const read = discover(value32(DhcpOption.DNS, 1, 2), { code: DhcpOption.ROUTER, value: new Uint8Array(5) });
    expect(optionAddresses(read, DhcpOption.DNS)).toEqual([1, 2]);
    expect(optionAddresses(read, DhcpOption.ROUTER)).toEqual([]);
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), (tail) => {
        const bytes = Uint8Array.of(...build(discover(), 300).subarray(0, 240), ...tail);
        const read = parse(bytes);
        if (read !== undefined) expect(typeOf(read)).toBeLessThan(256);
        parse(tail);
      }),
    );
  });
});

describe('classless routes', () => {
  it('have as many bytes of destination as their length needs', () => {
    const value = Uint8Array.of(0, 10, 0, 0, 1, 16, 10, 99, 10, 0, 0, 2, 25, 192, 0, 2, 129, 0, 0, 0, 0);
    expect(classlessRoutes(value)).toEqual([
      { destination: 0, length: 0, router: 0x0a000001 },
      { destination: 0x0a630000, length: 16, router: 0x0a000002 },
      { destination: 0xc0000280 | 0, length: 25, router: 0 },
    ]);
  });

  it.each([[[33, 1, 2, 3, 4, 5, 0, 0, 0, 0]], [[16, 10, 99, 10]], [[0]]])(
    'that are malformed are none: %j',
    (bytes) => {
      expect(classlessRoutes(Uint8Array.from(bytes))).toBeUndefined();
    },
  );
});

/** Payloads of UDP datagrams over Ethernet and IPv4 from or to a server. */
function payloadsOf(file: string): Uint8Array[] {
  return framesOf(file).flatMap((frame) => {
    const at = 14 + (frame[14] & 15) * 4;
    const isUdp = frame[12] === 8 && frame[13] === 0 && frame[23] === 17;
    const isDhcp = isUdp && (frame[at + 1] === 67 || frame[at + 3] === 67);
    return isDhcp ? [frame.subarray(at + 8, at + ((frame[at + 4] << 8) | frame[at + 5]))] : [];
  });
}

const files = captureFiles().filter((file) => /dhcp(?!v6)/.test(basename(file)) && existsSync(file));

describe.skipIf(files.length === 0)(files.length === 0 ? `captures [skipped: ${NO_FIXTURES}]` : 'captures', () => {
  const read = files.flatMap(payloadsOf).flatMap((payload) => parse(payload) ?? []);

  it('of real clients and servers have messages of many types', () => {
    const types = new Set(read.map(typeOf));
    for (const type of [DhcpType.DISCOVER, DhcpType.OFFER, DhcpType.REQUEST, DhcpType.ACK])
      expect(types).toContain(type);
  });

  it('are the same when written and read again', () => {
    for (const each of read) {
      // Options that were spread over the fixed fields are gathered.
      const gathered = each.options.filter(({ code }) => code !== DhcpOption.OVERLOAD);
      expect(parse(build({ ...each, options: gathered }, 4096))).toEqual({ ...each, options: gathered });
    }
  });

  it('with options in the fixed fields give those, too', () => {
    const overloaded = read.filter((each) => option(each, DhcpOption.OVERLOAD) !== undefined);
    expect(overloaded.length).toBeGreaterThan(0);
    for (const each of overloaded) expect(each.options.length).toBeGreaterThan(2);
  });
});

/* Rewriting of headers where the kernel cannot be asked through a socket: partial checksums, superframes, tails, SCTP. */
import { describe, expect, it } from 'vitest';
import { Arena, type Frame, Gso, NONE, Slot, Vnet } from '../../src/core/arena.js';
import { mangle4, mangle6, NatProtocol, Side } from '../../src/netfilter/nat-mangle.js';
import { finish, fold, pseudo4, pseudo6, sumBytes } from '../../src/wire/checksum.js';
import { crc32c } from '../../src/wire/crc32c.js';
import { read16, swap32, write16, write32 } from '../../src/wire/field.js';
import * as ipv4 from '../../src/wire/ipv4.js';

const [CLIENT, SERVER, OUTSIDE] = [0x0a000009, 0x0a000109, 0x0a000101];
const UDP_CHECKSUM = 6;
const TCP_CHECKSUM = 16;

class Bench {
  readonly arena = new Arena({ heads: 128, tails: 4, ports: 1 });
  frame: Frame = NONE;
  network = 0;
  transport = 0;
  length = 0;

  /** An IPv4 packet whose transport header and data are `bytes`. */
  ip4(protocol: number, bytes: Uint8Array): this {
    const { arena } = this;
    this.frame = arena.allocate(34 + bytes.length);
    const head = arena.headLength(this.frame);
    if (head < 34 + bytes.length) arena.tail[this.frame] = arena.freeTails[--arena.freeTailCount];
    this.network = arena.offset[this.frame] + 14;
    this.transport = this.network + 20;
    this.length = bytes.length;
    ipv4.write(arena.bytes, this.network, protocol, CLIENT, SERVER, bytes.length);
    arena.bytes.set(bytes.subarray(0, head - 34), this.transport);
    if (head < 34 + bytes.length) arena.bytes.set(bytes.subarray(head - 34), arena.tailOffset(this.frame));
    return this;
  }

  partial(checksum: number, gso: Gso = Gso.NONE): this {
    const at = this.frame << Vnet.SHIFT;
    this.arena.vnet[at + Vnet.FLAGS_TYPE] = Vnet.NEEDS_CSUM | (gso << 8);
    this.arena.vnet[at + Vnet.CSUM_START] = 34;
    this.arena.vnet[at + Vnet.CSUM_OFFSET] = checksum;
    return this;
  }

  snat(protocol: number, port: number, address = OUTSIDE, room = this.length): boolean {
    const { arena, frame, network, transport } = this;
    return mangle4(arena, frame, network, transport, room, protocol, Side.SOURCE, address, port);
  }

  at(offset: number): number {
    return read16(this.arena.bytes, this.transport + offset);
  }

  /** Transport header and data. */
  get payload(): Uint8Array {
    return this.arena.contents(this.frame).slice(34);
  }
}

/** Ports, and a checksum over the whole; `field`: where the checksum is. */
function segment(length: number, field: number, protocol: number, isPartial = false): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => i * 37 + 11);
  write16(bytes, 0, 5000);
  write16(bytes, 2, 80);
  write16(bytes, field, 0);
  const pseudo = pseudo4(CLIENT, SERVER, protocol, length);
  write16(bytes, field, isPartial ? fold(pseudo) : finish(pseudo + sumBytes(bytes, 0, length)));
  return bytes;
}

describe('a packet with another source', () => {
  it.each([
    ['TCP', 6, TCP_CHECKSUM, 40],
    ['UDP', 17, UDP_CHECKSUM, 13],
  ])('%s: all checksums are right', (_name, protocol, field, length) => {
    const bench = new Bench().ip4(protocol, segment(length, field, protocol));
    expect(bench.snat(protocol, 6000)).toBe(true);
    expect(ipv4.isChecksumRight(bench.arena.bytes, bench.network)).toBe(true);
    expect(ipv4.source(bench.arena.bytes, bench.network)).toBe(OUTSIDE);
    expect(bench.at(0)).toBe(6000);
    expect(finish(pseudo4(OUTSIDE, SERVER, protocol, length) + sumBytes(bench.payload, 0, length))).toBe(0);
  });

  it.each([
    ['TCP', 6, TCP_CHECKSUM, Gso.NONE],
    ['UDP', 17, UDP_CHECKSUM, Gso.NONE],
    ['TCP in a superframe', 6, TCP_CHECKSUM, Gso.TCPV4],
    ['UDP in a superframe', 17, UDP_CHECKSUM, Gso.UDP_L4],
  ])('%s: of a partial checksum only the address changes something', (_name, protocol, field, gso) => {
    const length = gso === Gso.NONE ? 100 : 20_000;
    const bench = new Bench().ip4(protocol, segment(length, field, protocol, true)).partial(field, gso);
    expect(bench.snat(protocol, 6000)).toBe(true);
    expect(bench.at(0)).toBe(6000);
    expect(bench.at(field)).toBe(fold(pseudo4(OUTSIDE, SERVER, protocol, length)));
  });

  it('takes a partial checksum of something else for none of its own', () => {
    const bench = new Bench().ip4(17, segment(40, UDP_CHECKSUM, 17)).partial(UDP_CHECKSUM);
    bench.arena.vnet[(bench.frame << Vnet.SHIFT) + Vnet.CSUM_START] = 50;
    bench.snat(17, 6000);
    expect(finish(pseudo4(OUTSIDE, SERVER, 17, 40) + sumBytes(bench.payload, 0, 40))).toBe(0);
  });

  it('leaves UDP without a checksum without one', () => {
    const bytes = segment(20, UDP_CHECKSUM, 17);
    write16(bytes, UDP_CHECKSUM, 0);
    const bench = new Bench().ip4(17, bytes);
    bench.snat(17, 6000);
    expect(bench.at(UDP_CHECKSUM)).toBe(0);
  });

  it('leaves a wrong checksum wrong', () => {
    const bytes = segment(40, TCP_CHECKSUM, 6);
    bytes[39] ^= 1;
    const bench = new Bench().ip4(6, bytes);
    bench.snat(6, 6000);
    expect(finish(pseudo4(OUTSIDE, SERVER, 6, 40) + sumBytes(bench.payload, 0, 40))).not.toBe(0);
  });

  it('changes no more than ports of a TCP header that ends before its checksum', () => {
    const bench = new Bench().ip4(6, segment(40, TCP_CHECKSUM, 6));
    const before = bench.payload.slice(4);
    expect(bench.snat(6, 6000, OUTSIDE, 12)).toBe(true);
    expect(bench.at(0)).toBe(6000);
    expect(bench.payload.slice(4)).toEqual(before);
  });

  it.each([6, 17, 1, NatProtocol.SCTP, NatProtocol.GRE])(
    'refuses protocol %i without its first 8 bytes',
    (protocol) => {
      expect(new Bench().ip4(protocol, new Uint8Array(7)).snat(protocol, 6000)).toBe(false);
    },
  );
});

describe('SCTP', () => {
  const sctp = (length: number): Uint8Array => {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 31 + 5);
    write32(bytes, 8, 0);
    write32(bytes, 8, swap32(~crc32c(bytes, 0, length, -1)));
    return bytes;
  };

  it.each([32, Slot.HEAD_CAPACITY + 500])('has its CRC taken anew over %i bytes, head and tail', (length) => {
    const bench = new Bench().ip4(NatProtocol.SCTP, sctp(length));
    expect(bench.snat(NatProtocol.SCTP, 6000)).toBe(true);
    const expected = sctp(length);
    write16(expected, 0, 6000);
    write32(expected, 8, 0);
    write32(expected, 8, swap32(~crc32c(expected, 0, length, -1)));
    expect(bench.payload).toEqual(expected);
  });

  it('leaves it to the device where the device completes it', () => {
    const bench = new Bench().ip4(NatProtocol.SCTP, sctp(32)).partial(8);
    const before = bench.payload.slice(8, 12);
    bench.snat(NatProtocol.SCTP, 6000);
    expect(bench.payload.slice(8, 12)).toEqual(before);
  });

  it('knows the CRC of the digits (RFC 3720 B.4)', () => {
    expect(~crc32c(new TextEncoder().encode('123456789'), 0, 9, -1) >>> 0).toBe(0xe3069283);
  });
});

describe('GRE', () => {
  const gre = (version: number): Bench =>
    new Bench().ip4(NatProtocol.GRE, Uint8Array.of(0x30, version, 0x88, 0x0b, 0, 0, 1, 2));
  const dnat = ({ arena, frame, network, transport }: Bench): boolean =>
    mangle4(arena, frame, network, transport, 8, NatProtocol.GRE, Side.DESTINATION, OUTSIDE, 0x1234);

  it('changes the call id of version 1 with the destination alone', () => {
    const bench = gre(1);
    bench.snat(NatProtocol.GRE, 0x7777);
    expect(bench.at(6)).toBe(0x0102);
    expect(dnat(bench)).toBe(true);
    expect(bench.at(6)).toBe(0x1234);
  });

  it('leaves version 0 as it is, and refuses others', () => {
    const bench = gre(0);
    expect(dnat(bench)).toBe(true);
    expect(bench.at(6)).toBe(0x0102);
    expect(dnat(gre(2))).toBe(false);
  });
});

describe('IPv6', () => {
  it.each([6, 17])('protocol %i: an address rewritten shows in the checksum, whole or partial', (protocol) => {
    const field = protocol === 6 ? TCP_CHECKSUM : UDP_CHECKSUM;
    const arena = new Arena({ heads: 128, tails: 1, ports: 1 });
    const frame = arena.allocate(54 + 40);
    const network = arena.offset[frame] + 14;
    const addresses = Int32Array.of(0x20010db8, 0x10000, 0, 1);
    for (const isPartial of [false, true]) {
      arena.bytes.fill(0x5a, network, network + 80);
      write16(arena.bytes, network + 40 + field, 0);
      const before = pseudo6(arena.bytes, network + 8, protocol, 40);
      const sum = sumBytes(arena.bytes, network + 40, 40);
      write16(arena.bytes, network + 40 + field, isPartial ? fold(before) : finish(before + sum));
      arena.vnet[(frame << Vnet.SHIFT) + Vnet.FLAGS_TYPE] = isPartial ? Vnet.NEEDS_CSUM : 0;
      arena.vnet[(frame << Vnet.SHIFT) + Vnet.CSUM_START] = 54;
      expect(mangle6(arena, frame, network, network + 40, 40, protocol, Side.DESTINATION, addresses, 0, 80)).toBe(true);
      const after = pseudo6(arena.bytes, network + 8, protocol, 40);
      expect(read16(arena.bytes, network + 42)).toBe(80);
      if (isPartial) expect(read16(arena.bytes, network + 40 + field)).toBe(fold(after));
      else expect(finish(after + sumBytes(arena.bytes, network + 40, 40))).toBe(0);
    }
  });
});

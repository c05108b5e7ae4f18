/* Fragments that are cut: for any packet and MTU they are right, and what they carry is the packet. */
import { describe, expect, it } from 'vitest';
import { Vnet } from '../../src/core/arena.js';
import { place } from '../../src/io/place.js';
import { Fragmented, fragment4, fragment6, MAX_FRAGMENTS } from '../../src/route/fragment.js';
import { isRight } from '../../src/wire/checksum.js';
import { read16, read32 } from '../../src/wire/field.js';
import { pattern, udp } from '../support/packets.js';
import type { Router } from '../support/router.js';
import { random } from '../tables/lpm-model.js';
import { from4, from6, router } from './stack.js';

const SEED = Number(process.env.SLUICE_SEED ?? 20_261_122);
const out = new Int32Array(MAX_FRAGMENTS);

/** Cuts a packet; the fragments' bytes, or the number that says why not. Everything is given back. */
function cut(made: Router, packet: Uint8Array, mtu: number, vnet: number[] = []): Uint8Array[] | number {
  const { arena, inet, links } = made.dataplane;
  const free = [arena.freeHeadCount, arena.freeTailCount];
  const generated = links.totals[3];
  const frame = place(arena, packet, 0, packet.length);
  vnet.forEach((word, i) => {
    arena.vnet[(frame << Vnet.SHIFT) + i] = word;
  });
  arena.ingress[frame] = 7;
  arena.received[frame] = 1;
  arena.mark[frame] = 99;
  const isIpv4 = packet[12] === 8;
  const n = isIpv4 ? fragment4(inet, frame, mtu, out) : fragment6(inet, frame, mtu, out);
  arena.release(frame);
  expect(links.totals[3] - generated).toBe(Math.max(0, n));
  const found = Array.from(out.subarray(0, Math.max(0, n)), (one) => {
    expect([arena.ingress[one], arena.received[one], arena.mark[one]]).toEqual([7, 1, 99]);
    const bytes = arena.contents(one);
    arena.release(one);
    return bytes;
  });
  expect([arena.freeHeadCount, arena.freeTailCount]).toEqual(free);
  return n < 0 ? n : found;
}

/** Checks fragments of an IPv4 packet and puts their data together. */
function check4(packet: Uint8Array, fragments: Uint8Array[], mtu: number): void {
  const header = (packet[14] & 15) << 2;
  const first = read16(packet, 20) & 0x1fff;
  const more = read16(packet, 20) & 0x2000;
  let at = 14 + header;
  fragments.forEach((fragment, i) => {
    const isLast = i === fragments.length - 1;
    const length = read16(fragment, 16) - header;
    expect(fragment.length).toBe(14 + header + length);
    expect(header + length).toBeLessThanOrEqual(mtu);
    expect(isRight(fragment, 14, header, 0)).toBe(true);
    expect(read16(fragment, 20)).toBe((isLast ? more : 0x2000) | (first + ((at - 14 - header) >> 3)));
    if (!isLast) expect(length).toBe((mtu - header) & ~7);
    expect(fragment.subarray(14 + header)).toEqual(packet.subarray(at, at + length));
    expect([...fragment.subarray(26, 34), fragment[22], fragment[23]]).toEqual([
      ...packet.subarray(26, 34),
      packet[22],
      packet[23],
    ]);
    at += length;
  });
  expect(at).toBe(packet.length);
}

describe('IPv4', () => {
  it('cuts any packet', () => {
    const next = random(SEED);
    const made = router({ heads: 2048, tails: 128 });
    for (let i = 0; i < 100; i++) {
      const mtu = 68 + next(i % 3 === 0 ? 4000 : 100);
      const options = new Uint8Array(4 * next(11)).fill(1);
      const payload = pattern(1 + next(Math.min(65_515 - options.length, mtu * 20)), next(256));
      const fragment = (next(3) === 0 ? 0x2000 : 0) | (next(2) === 0 ? 0 : next(0x1000));
      const packet = from4({ options, payload, fragment, id: next(65_536), tos: next(256) });
      const fragments = cut(made, packet, mtu);
      if (typeof fragments === 'number') throw new Error(`seed ${SEED}: ${fragments}`);
      check4(packet, fragments, mtu);
    }
  });

  it('leaves a packet that fits in one piece', () => {
    const packet = from4({ payload: pattern(480) });
    const fragments = cut(router(), packet, 500);
    if (typeof fragments === 'number') throw new Error(`${fragments}`);
    expect(fragments.map((fragment) => fragment.subarray(12))).toEqual([packet.subarray(12)]);
  });

  it('copies the options that say so, and makes the others no-operations', () => {
    // Record route (not copied), router alert (copied), timestamp (not copied), end.
    const options = Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0x44, 8, 5, 0, 0, 0, 0, 0, 0);
    const fragments = cut(router(), from4({ options, payload: pattern(1300) }), 500);
    const found = Array.isArray(fragments) ? fragments.map((fragment) => [...fragment.subarray(34, 54)]) : [];
    const blank = [1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0];
    expect(found).toEqual([[...options], blank, blank]);
  });

  it('survives options that are malformed', () => {
    for (const options of [
      Uint8Array.of(7, 0, 0, 0),
      Uint8Array.of(7, 1, 0, 0),
      Uint8Array.of(7, 60, 0, 0),
      Uint8Array.of(1, 1, 1, 7),
    ]) {
      expect(cut(router(), from4({ options, payload: pattern(900) }), 500)).toHaveLength(2);
    }
  });

  it('finishes a partial checksum first', () => {
    const whole = udp('10.0.0.9', '10.0.0.1', 1, 2, pattern(900));
    const partial = from4({ payload: whole.slice() });
    // The field holds the sum of the pseudo-header: the same as ~checksum of a datagram whose data are taken away.
    const sum = 0x0a00 + 9 + 0x0a00 + 1 + 17 + whole.length;
    partial[40] = sum >>> 8;
    partial[41] = sum;
    const fragments = cut(router(), partial, 500, [Vnet.NEEDS_CSUM, 0, 0, 34, 6]);
    if (typeof fragments === 'number') throw new Error(`${fragments}`);
    const data = Buffer.concat(fragments.map((fragment) => fragment.subarray(34)));
    expect(data.equals(whole)).toBe(true);
  });

  it.each([
    ['a superframe', [0x0100, 54, 400, 34, 16], Fragmented.IMPOSSIBLE],
    ['a checksum beyond the packet', [Vnet.NEEDS_CSUM, 0, 0, 34, 9000], Fragmented.IMPOSSIBLE],
  ])('refuses %s', (_, vnet, answer) => {
    expect(cut(router(), from4({ protocol: 6, payload: pattern(900) }), 500, vnet)).toBe(answer);
  });

  it('refuses an MTU that no data fit in', () => {
    expect(cut(router(), from4({ options: new Uint8Array(40), payload: pattern(100) }), 67)).toBe(
      Fragmented.IMPOSSIBLE,
    );
  });

  it('gives all back when the arena runs out midway', () => {
    const packet = from4({ payload: pattern(8000) });
    expect(cut(router({ heads: 90, tails: 2 }), packet, 100)).toBe(Fragmented.NO_FRAMES);
    expect(cut(router({ heads: 512, tails: 2 }), packet, 2500)).toBe(Fragmented.NO_FRAMES);
  });
});

describe('IPv6', () => {
  it('cuts any packet', () => {
    const next = random(SEED + 1);
    const made = router({ heads: 2048, tails: 128 });
    const identifications = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const mtu = 1280 + next(3000);
      const payload = pattern(mtu - 40 + 1 + next(20_000), next(256));
      const packet = from6({ payload, hopLimit: 33, trafficClass: 5, flowLabel: 77 });
      const fragments = cut(made, packet, mtu);
      if (typeof fragments === 'number') throw new Error(`seed ${SEED}: ${fragments}`);
      let at = 54;
      fragments.forEach((fragment, j) => {
        const isLast = j === fragments.length - 1;
        expect(fragment.length - 14).toBeLessThanOrEqual(mtu);
        expect(read16(fragment, 18)).toBe(fragment.length - 54);
        expect([fragment[20], fragment[54], fragment[55]]).toEqual([44, 17, 0]);
        expect(read16(fragment, 56)).toBe((at - 54) | (isLast ? 0 : 1));
        expect(read32(fragment, 58)).toBe(read32(fragments[0], 58));
        expect(fragment.subarray(62)).toEqual(packet.subarray(at, at + fragment.length - 62));
        at += fragment.length - 62;
      });
      expect(at).toBe(packet.length);
      identifications.add(read32(fragments[0], 58));
    }
    expect(identifications.size).toBe(40);
  });

  it('leaves hop-by-hop options and the routing header in front', () => {
    const hopByHop = Uint8Array.of(43, 0, 1, 4, 0, 0, 0, 0);
    const routing = Uint8Array.of(60, 0, 0, 0, 0, 0, 0, 0);
    const rest = Uint8Array.of(17, 0, 1, 4, 0, 0, 0, 0, ...pattern(2000));
    const packet = from6({ nextHeader: 0, payload: Uint8Array.of(...hopByHop, ...routing, ...rest) });
    const fragments = cut(router(), packet, 1280);
    if (typeof fragments === 'number') throw new Error(`${fragments}`);
    for (const fragment of fragments) {
      expect([...fragment.subarray(54, 70)]).toEqual([...hopByHop, 44, ...routing.subarray(1)]);
      expect(fragment[70]).toBe(60);
    }
    expect(Buffer.concat(fragments.map((fragment) => fragment.subarray(78))).equals(rest)).toBe(true);
  });

  it('refuses headers that do not end', () => {
    const payload = new Uint8Array(2000).fill(255);
    payload[0] = 0;
    expect(cut(router(), from6({ nextHeader: 43, payload }), 1280)).toBe(Fragmented.IMPOSSIBLE);
  });
});

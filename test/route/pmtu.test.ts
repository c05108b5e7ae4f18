/* The tables of fixed size behind ICMP: what they remember, what they forget, and what happens when they are full. */
import { describe, expect, it } from 'vitest';
import { IcmpLimit } from '../../src/route/icmp-limit.js';
import { Pmtu } from '../../src/route/pmtu.js';
import { parseIpv6 } from '../../src/wire/format.js';
import { BEFORE_WRAP } from '../support/network.js';

const SECRETS = Int32Array.of(1, -2, 3, -4);

describe('path MTU', () => {
  it('is known per namespace and destination, of both families', () => {
    const pmtu = new Pmtu(64, SECRETS);
    const address = parseIpv6('2001:db8::1') ?? new Uint8Array(16);
    expect(pmtu.isEmpty).toBe(true);
    pmtu.learn4(1, 0x0a000001, 1400, false, 1000, 0);
    pmtu.learn6(1, 0x20010db8, 0, 0, 1, 1300, true, 1000, 0);
    expect([
      pmtu.get4(1, 0x0a000001, 1500, 0),
      pmtu.get4(2, 0x0a000001, 1500, 0),
      pmtu.get4(1, 0x0a000002, 1500, 0),
    ]).toEqual([1400, 1500, 1500]);
    expect([pmtu.get6(1, address, 0, 1500, 0), pmtu.get6(0, address, 0, 1500, 0)]).toEqual([1300, 1500]);
    expect(pmtu.isLocked(pmtu.find6(1, 0x20010db8, 0, 0, 1, 0))).toBe(true);
    pmtu.forget(1);
    expect(pmtu.isEmpty).toBe(true);
    expect(pmtu.get4(1, 0x0a000001, 1500, 0)).toBe(1500);
  });

  it('ends, across the clock’s wrap too', () => {
    const pmtu = new Pmtu(64, SECRETS);
    pmtu.learn4(0, 7, 1400, false, 600_000, BEFORE_WRAP);
    expect(pmtu.get4(0, 7, 1500, (BEFORE_WRAP + 599_999) | 0)).toBe(1400);
    expect(pmtu.get4(0, 7, 1500, (BEFORE_WRAP + 600_000) | 0)).toBe(1500);
    expect(pmtu.isEmpty).toBe(true);
  });

  it('keeps a gateway beside an MTU', () => {
    const pmtu = new Pmtu(64, SECRETS);
    pmtu.redirect4(0, 7, 99, 0);
    expect([pmtu.gatewayOf(pmtu.find4(0, 7, 0)), pmtu.get4(0, 7, 1500, 0)]).toEqual([99, 1500]);
    pmtu.learn4(0, 7, 1400, false, 600_000, 0);
    expect([pmtu.gatewayOf(pmtu.find4(0, 7, 0)), pmtu.get4(0, 7, 1500, 0)]).toEqual([99, 1400]);
    expect(pmtu.gatewayOf(pmtu.find4(0, 8, 0))).toBe(0);
  });

  it('lets go what would end first when it is full', () => {
    const pmtu = new Pmtu(4, SECRETS);
    for (let i = 0; i < 4; i++) pmtu.learn4(0, i, 1400, false, [4000, 1000, 3000, 2000][i], 0);
    pmtu.learn4(0, 9, 1300, false, 5000, 0);
    expect([0, 1, 2, 3, 9].map((address) => pmtu.get4(0, address, 1500, 0))).toEqual([1400, 1500, 1400, 1400, 1300]);
    pmtu.forget(0);
    expect(pmtu.isEmpty).toBe(true);
  });
});

describe('peers', () => {
  it('are forgotten when too many others come, the longest unused first', () => {
    const limit = new IcmpLimit(SECRETS);
    const spend = (address: number, now: number): boolean => limit.allowsPeer(limit.peer4(0, address, now), 1000, now);
    for (let i = 0; i < 10; i++) spend(1, 0);
    expect(spend(1, 0)).toBe(false);
    for (let address = 2; address < 20_000; address++) spend(address, 1);
    // A newcomer again, with a whole bucket.
    expect(spend(1, 2)).toBe(true);
    const recent = Array.from({ length: 100 }, (_, i) => limit.peer4(0, 19_900 + i, 3));
    expect(new Set(recent).size).toBe(100);
  });

  it('have a bucket of six messages that refills, across the clock’s wrap too', () => {
    const limit = new IcmpLimit(SECRETS);
    const allowed = (now: number): number => {
      let n = 0;
      while (limit.allowsPeer(limit.peer4(3, 5, now), 1000, now)) n++;
      return n;
    };
    expect(allowed(BEFORE_WRAP)).toBe(6);
    expect(allowed((BEFORE_WRAP + 999) | 0)).toBe(0);
    expect(allowed((BEFORE_WRAP + 2000) | 0)).toBe(2);
    expect(allowed((BEFORE_WRAP + 60_000) | 0)).toBe(6);
    // After half the clock's range and more.
    expect(allowed((BEFORE_WRAP + 3_000_000_000) | 0)).toBe(6);
  });

  it('of a namespace go with it', () => {
    const limit = new IcmpLimit(SECRETS);
    for (let i = 0; i < 10; i++) limit.allowsPeer(limit.peer6(4, 1, 2, 3, 4, 0), 1000, 0);
    expect(limit.allowsPeer(limit.peer6(4, 1, 2, 3, 4, 0), 1000, 0)).toBe(false);
    limit.forget(4);
    expect(limit.allowsPeer(limit.peer6(4, 1, 2, 3, 4, 0), 1000, 0)).toBe(true);
  });
});

import { describe, expect, it } from 'vitest';
import {
  DEFAULT_TIMEOUT,
  IpSets,
  Member,
  MemberFlag,
  MemberPlace,
  SetAnswer,
  type SetOptions,
  SetType,
} from '../../src/tables/ipset.js';
import { wordsOf } from '../support/router.js';

interface Given {
  address?: string;
  second?: string;
  protocol?: number;
  port?: number;
  link?: number;
  mark?: number;
  mac?: [number, number];
  timeout?: number;
  nomatch?: boolean;
  packets?: number;
  bytes?: number;
  skb?: [number, number, number, number];
  set?: number;
  place?: MemberPlace;
  beside?: number;
}

function putNet(row: Int32Array, at: Member, lengthAt: Member, text: string): void {
  const [address, length] = text.split('/');
  const words = wordsOf(address);
  row.set(words, at);
  row[lengthAt] = length === undefined ? words.length * 32 : Number(length);
}

function row(given: Given): Int32Array {
  const out = new Int32Array(Member.WORDS);
  if (given.address !== undefined) putNet(out, Member.ADDRESS, Member.LENGTH, given.address);
  if (given.second !== undefined) putNet(out, Member.SECOND, Member.SECOND_LENGTH, given.second);
  out[Member.PROTOCOL] = given.protocol ?? 0;
  out[Member.PORT] = given.port ?? 0;
  out[Member.LINK_NAME] = given.link ?? 0;
  out[Member.MARK] = given.mark ?? 0;
  out[Member.TIMEOUT] = given.timeout ?? DEFAULT_TIMEOUT;
  out[Member.PACKETS] = given.packets ?? 0;
  out[Member.BYTES] = given.bytes ?? 0;
  out[Member.SET] = given.set ?? 0;
  out[Member.PLACE] = given.place ?? MemberPlace.LAST;
  out[Member.REFERENCE] = given.beside ?? 0;
  if (given.packets !== undefined) out[Member.FLAGS] |= MemberFlag.HAS_PACKETS;
  if (given.bytes !== undefined) out[Member.FLAGS] |= MemberFlag.HAS_BYTES;
  if (given.nomatch === true) out[Member.FLAGS] |= MemberFlag.NOMATCH;
  if (given.mac !== undefined) {
    out[Member.FLAGS] |= MemberFlag.HAS_MAC;
    out.set(given.mac, Member.MAC_HIGH);
  }
  if (given.skb !== undefined) {
    out[Member.FLAGS] |= MemberFlag.HAS_SKBINFO;
    out.set(given.skb, Member.SKB_MARK);
  }
  return out;
}

/** Sets with a clock and short words. */
class Bench {
  readonly sets = new IpSets();
  now = 0x7fffff00;

  make(number: number, type: SetType, options: Partial<SetOptions> = {}): this {
    expect(this.sets.create(number, { type, family: 4, ...options })).toBe(true);
    return this;
  }

  add(number: number, given: Given, renews = false): SetAnswer {
    return this.sets.add(number, row(given), 0, renews, this.now);
  }

  has(number: number, given: Given): boolean {
    return this.sets.has(number, row(given), 0, this.now);
  }

  wait(seconds: number): this {
    this.now = (this.now + seconds * 1000) | 0;
    return this;
  }

  /** Whether a packet is in a set; `sources` as in "src,dst". */
  packet(number: number, source: string, destination: string, sources = 'src', rest: Partial<IpSets['question']> = {}) {
    const { question } = this.sets;
    this.ask(source, destination, sources, rest);
    const isIn = this.sets.test(number, this.now);
    expect(question.dimensions).toBe(sources.split(',').length);
    return isIn;
  }

  ask(source: string, destination: string, sources: string, rest: Partial<IpSets['question']> = {}): void {
    const { question } = this.sets;
    const words = sources.split(',');
    question.source.fill(0);
    question.destination.fill(0);
    question.source.set(wordsOf(source));
    question.destination.set(wordsOf(destination));
    question.family = source.includes(':') ? 6 : 4;
    question.dimensions = words.length;
    question.sources = words.reduce((bits, word, i) => bits | (word === 'src' ? 1 << i : 0), 0);
    Object.assign(question, { protocol: 17, sourcePort: 1000, destinationPort: 53, length: 100, mark: 0 });
    Object.assign(question, { returnsNomatch: false, skipsCounters: false, packetsCompare: 0, bytesCompare: 0 });
    Object.assign(question, { timeout: DEFAULT_TIMEOUT, renews: false }, rest);
  }

  /** All members, a page of `budget` places at a time. */
  members(number: number, budget = 7): Int32Array[] {
    const into = new Int32Array(Member.WORDS * 4);
    const found: Int32Array[] = [];
    let cursor = 0;
    do {
      cursor = this.sets.page(number, cursor, budget, into, this.now);
      for (let i = 0; i < this.sets.written; i++) found.push(into.slice(i * Member.WORDS, (i + 1) * Member.WORDS));
    } while (cursor !== 0);
    return found;
  }
}

function textOf(word: number): string {
  return [24, 16, 8, 0].map((bits) => (word >>> bits) & 0xff).join('.');
}

describe('hash:ip', () => {
  it('has the addresses that were added, once each', () => {
    const bench = new Bench().make(1, SetType.HASH_IP);
    expect(bench.add(1, { address: '10.0.0.1' })).toBe(SetAnswer.DONE);
    expect(bench.add(1, { address: '10.0.0.1' })).toBe(SetAnswer.EXISTS);
    expect(bench.add(1, { address: '10.0.0.1' }, true)).toBe(SetAnswer.DONE);
    expect([bench.has(1, { address: '10.0.0.1' }), bench.has(1, { address: '10.0.0.2' })]).toEqual([true, false]);
    expect(bench.packet(1, '10.0.0.1', '10.0.0.2', 'src')).toBe(true);
    expect(bench.packet(1, '10.0.0.1', '10.0.0.2', 'dst')).toBe(false);
    expect(bench.sets.delete(1, row({ address: '10.0.0.1' }), 0, 0)).toBe(SetAnswer.DONE);
    expect(bench.sets.delete(1, row({ address: '10.0.0.1' }), 0, 0)).toBe(SetAnswer.ABSENT);
    expect(bench.packet(1, '10.0.0.1', '10.0.0.2')).toBe(false);
  });

  it('takes addresses for nets where it has a netmask', () => {
    const bench = new Bench().make(1, SetType.HASH_IP, { netmask: 24 });
    bench.add(1, { address: '10.1.2.0' });
    expect(bench.packet(1, '10.1.2.99', '1.1.1.1')).toBe(true);
    expect(bench.packet(1, '10.1.3.3', '1.1.1.1')).toBe(false);
    expect(textOf(bench.members(1)[0][Member.ADDRESS])).toBe('10.1.2.0');
  });

  it('is of one family', () => {
    const bench = new Bench().make(1, SetType.HASH_IP, { family: 6 });
    bench.add(1, { address: '2001:db8::1' });
    expect(bench.packet(1, '2001:db8::1', '2001:db8::2')).toBe(true);
    expect(bench.packet(1, '2001:db8::3', '2001:db8::1')).toBe(false);
    expect(bench.packet(1, '32.1.13.184', '1.1.1.1')).toBe(false);
  });

  it('grows to its limit and refuses more, unless it may throw some out', () => {
    const bench = new Bench()
      .make(1, SetType.HASH_IP, { maxElements: 3000 })
      .make(2, SetType.HASH_IP, { maxElements: 10, forceAdd: true });
    for (let i = 0; i < 3000; i++) expect(bench.add(1, { address: `10.1.${i >> 8}.${i & 255}` })).toBe(SetAnswer.DONE);
    expect(bench.add(1, { address: '10.2.0.0' })).toBe(SetAnswer.FULL);
    expect(bench.sets.size(1)).toBe(3000);
    for (let i = 0; i < 3000; i++) expect(bench.has(1, { address: `10.1.${i >> 8}.${i & 255}` })).toBe(true);
    for (let i = 0; i < 50; i++) expect(bench.add(2, { address: `10.1.0.${i}` })).toBe(SetAnswer.DONE);
    expect([bench.sets.size(2), bench.has(2, { address: '10.1.0.49' })]).toEqual([10, true]);
  });

  it('agrees with a set of texts, whatever is added and deleted', () => {
    const bench = new Bench().make(1, SetType.HASH_IP);
    const model = new Set<string>();
    let seed = 42;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return (seed >>> 8) % n;
    };
    for (let step = 0; step < 20_000; step++) {
      const address = `10.0.${random(8)}.${random(250) + 1}`;
      if (random(3) > 0) {
        expect(bench.add(1, { address })).toBe(model.has(address) ? SetAnswer.EXISTS : SetAnswer.DONE);
        model.add(address);
      } else {
        const expected = model.delete(address) ? SetAnswer.DONE : SetAnswer.ABSENT;
        expect(bench.sets.delete(1, row({ address }), 0, bench.now)).toBe(expected);
      }
    }
    const listed = bench.members(1, 100).map((member) => textOf(member[Member.ADDRESS]));
    expect(listed.sort()).toEqual([...model].sort());
    bench.sets.flush(1);
    expect(bench.members(1)).toEqual([]);
  });
});

describe('hash:net', () => {
  it('lets the longest prefix decide, also for nomatch', () => {
    const bench = new Bench().make(1, SetType.HASH_NET);
    bench.add(1, { address: '10.0.0.0/8' });
    bench.add(1, { address: '10.1.0.0/16', nomatch: true });
    bench.add(1, { address: '10.1.2.0/24' });
    const isIn = (address: string, rest = {}) => bench.packet(1, address, '1.1.1.1', 'src', rest);
    expect(['10.9.9.9', '10.1.9.9', '10.1.2.9', '11.0.0.1'].map((a) => isIn(a))).toEqual([true, false, true, false]);
    expect(['10.9.9.9', '10.1.9.9', '11.0.0.1'].map((a) => isIn(a, { returnsNomatch: true }))).toEqual([
      false,
      true,
      false,
    ]);
    expect(bench.has(1, { address: '10.1.2.3' })).toBe(true);
    expect(bench.has(1, { address: '10.1.3.3' })).toBe(false);
    expect([bench.has(1, { address: '10.0.0.0/8' }), bench.has(1, { address: '10.0.0.0/9' })]).toEqual([true, false]);
    bench.sets.delete(1, row({ address: '10.1.0.0/16' }), 0, bench.now);
    expect(isIn('10.1.9.9')).toBe(true);
  });

  it('adds what a packet says with the longest prefix that it has', () => {
    const bench = new Bench().make(1, SetType.HASH_NET);
    bench.add(1, { address: '192.168.0.0/24' });
    bench.ask('10.1.2.3', '1.1.1.1', 'src');
    bench.sets.addPacket(1, bench.now);
    expect(bench.packet(1, '10.1.2.99', '1.1.1.1')).toBe(true);
    expect(bench.members(1).map((m) => `${textOf(m[Member.ADDRESS])}/${m[Member.LENGTH]}`)).toContain('10.1.2.0/24');
  });

  it('has nets of IPv6', () => {
    const bench = new Bench().make(1, SetType.HASH_NET, { family: 6 });
    bench.add(1, { address: '2001:db8::/33' });
    expect(bench.packet(1, '2001:db8:7fff::1', '::')).toBe(true);
    expect(bench.packet(1, '2001:db8:8000::1', '::')).toBe(false);
  });
});

describe('sets of several things', () => {
  it('hash:ip,port asks for protocol and port too', () => {
    const bench = new Bench().make(1, SetType.HASH_IP_PORT);
    bench.add(1, { address: '10.0.0.1', protocol: 17, port: 53 });
    expect(bench.packet(1, '10.0.0.9', '10.0.0.1', 'dst,dst')).toBe(true);
    expect(bench.packet(1, '10.0.0.9', '10.0.0.1', 'dst,src')).toBe(false);
    expect(bench.packet(1, '10.0.0.9', '10.0.0.1', 'dst,dst', { protocol: 6 })).toBe(false);
    expect(bench.packet(1, '10.0.0.9', '10.0.0.1', 'dst,dst', { destinationPort: -1 })).toBe(false);
    // A rule with fewer words than the set has dimensions never matches.
    expect(bench.packet(1, '10.0.0.9', '10.0.0.1', 'dst')).toBe(false);
  });

  it('hash:net,port', () => {
    const bench = new Bench().make(1, SetType.HASH_NET_PORT);
    bench.add(1, { address: '10.0.0.0/8', protocol: 17, port: 53 });
    bench.add(1, { address: '10.5.0.0/16', protocol: 17, port: 53, nomatch: true });
    expect(bench.packet(1, '10.1.1.1', '9.9.9.9', 'src,dst')).toBe(true);
    expect(bench.packet(1, '10.5.1.1', '9.9.9.9', 'src,dst')).toBe(false);
    expect(bench.packet(1, '10.1.1.1', '9.9.9.9', 'src,src')).toBe(false);
  });

  it('hash:ip,port,ip and hash:ip,port,net', () => {
    const bench = new Bench().make(1, SetType.HASH_IP_PORT_IP).make(2, SetType.HASH_IP_PORT_NET);
    bench.add(1, { address: '10.0.0.1', protocol: 17, port: 53, second: '10.0.0.2' });
    bench.add(2, { address: '10.0.0.1', protocol: 17, port: 53, second: '10.2.0.0/16' });
    expect(bench.packet(1, '10.0.0.1', '10.0.0.2', 'src,dst,dst')).toBe(true);
    expect(bench.packet(1, '10.0.0.1', '10.0.0.3', 'src,dst,dst')).toBe(false);
    expect(bench.packet(2, '10.0.0.1', '10.2.9.9', 'src,dst,dst')).toBe(true);
    expect(bench.packet(2, '10.0.0.1', '10.3.9.9', 'src,dst,dst')).toBe(false);
  });

  it('hash:net,net, hash:net,iface, hash:ip,mark and hash:mac', () => {
    const bench = new Bench()
      .make(1, SetType.HASH_NET_NET)
      .make(2, SetType.HASH_NET_IFACE)
      .make(3, SetType.HASH_IP_MARK)
      .make(4, SetType.HASH_MAC);
    bench.add(1, { address: '10.0.0.0/8', second: '192.168.0.0/16' });
    bench.add(2, { address: '10.0.0.0/8', link: 7 });
    bench.add(3, { address: '10.0.0.1', mark: 5 });
    bench.add(4, { mac: [0x0200, 0x1234] });
    expect(bench.packet(1, '10.1.1.1', '192.168.3.3', 'src,dst')).toBe(true);
    expect(bench.packet(1, '10.1.1.1', '192.169.3.3', 'src,dst')).toBe(false);
    expect(bench.packet(2, '10.1.1.1', '9.9.9.9', 'src,src', { in: 7, out: 8 })).toBe(true);
    expect(bench.packet(2, '10.1.1.1', '9.9.9.9', 'src,dst', { in: 7, out: 8 })).toBe(false);
    expect(bench.packet(3, '10.0.0.1', '9.9.9.9', 'src,src', { mark: 5 })).toBe(true);
    expect(bench.packet(3, '10.0.0.1', '9.9.9.9', 'src,src', { mark: 6 })).toBe(false);
    const mac = { hasMac: true, sourceMacHigh: 0x0200, sourceMacLow: 0x1234 };
    expect(bench.packet(4, '10.0.0.1', '9.9.9.9', 'src', mac)).toBe(true);
    expect(bench.packet(4, '10.0.0.1', '9.9.9.9', 'src', { ...mac, hasMac: false })).toBe(false);
  });
});

describe('bitmaps', () => {
  it('bitmap:port is of TCP and UDP, of both families, and of its range', () => {
    const bench = new Bench().make(1, SetType.BITMAP_PORT, { first: 50, last: 60 });
    expect(bench.add(1, { port: 53 })).toBe(SetAnswer.DONE);
    expect(bench.add(1, { port: 61 })).toBe(SetAnswer.OUT_OF_RANGE);
    expect(bench.packet(1, '10.0.0.1', '10.0.0.2', 'dst')).toBe(true);
    expect(bench.packet(1, '2001:db8::1', '2001:db8::2', 'dst')).toBe(true);
    expect(bench.packet(1, '10.0.0.1', '10.0.0.2', 'dst', { protocol: 132 })).toBe(false);
    expect(bench.packet(1, '10.0.0.1', '10.0.0.2', 'src')).toBe(false);
    expect(bench.members(1).map((member) => member[Member.PORT])).toEqual([53]);
  });

  it('bitmap:ip counts nets where it has a netmask', () => {
    const [first, last] = [wordsOf('10.0.0.0')[0], wordsOf('10.0.255.255')[0]];
    const bench = new Bench().make(1, SetType.BITMAP_IP, { first, last, netmask: 24 });
    bench.add(1, { address: '10.0.7.0' });
    expect(bench.packet(1, '10.0.7.99', '1.1.1.1')).toBe(true);
    expect(bench.packet(1, '10.0.8.99', '1.1.1.1')).toBe(false);
    expect(bench.packet(1, '10.1.7.99', '1.1.1.1')).toBe(false);
  });

  it('bitmap:ip,mac takes any MAC address until it knows one', () => {
    const [first, last] = [wordsOf('10.0.0.0')[0], wordsOf('10.0.0.255')[0]];
    const bench = new Bench().make(1, SetType.BITMAP_IP_MAC, { first, last });
    const mac = { hasMac: true, sourceMacHigh: 2, sourceMacLow: 3 };
    bench.add(1, { address: '10.0.0.1' });
    expect(bench.packet(1, '10.0.0.1', '1.1.1.1', 'src,src', mac)).toBe(true);
    expect(bench.add(1, { address: '10.0.0.1', mac: [2, 4] })).toBe(SetAnswer.DONE);
    expect(bench.packet(1, '10.0.0.1', '1.1.1.1', 'src,src', mac)).toBe(false);
    expect(bench.packet(1, '10.0.0.1', '1.1.1.1', 'src,src', { ...mac, sourceMacLow: 4 })).toBe(true);
  });
});

describe('what members have besides', () => {
  it('timeouts end members, across the turn of the clock', () => {
    const bench = new Bench().make(1, SetType.HASH_IP, { timeout: 10 });
    bench.add(1, { address: '10.0.0.1' });
    bench.add(1, { address: '10.0.0.2', timeout: 0 });
    bench.add(1, { address: '10.0.0.3', timeout: 4_000_000 });
    expect(bench.members(1).map((m) => m[Member.TIMEOUT])).toEqual([10, 0, 4_000_000]);
    bench.wait(9);
    expect(bench.packet(1, '10.0.0.1', '1.1.1.1')).toBe(true);
    bench.wait(2);
    expect(bench.packet(1, '10.0.0.1', '1.1.1.1')).toBe(false);
    expect(bench.sets.size(1)).toBe(3);
    expect(bench.sets.timers(bench.now)).toBeGreaterThanOrEqual(0);
    expect(bench.sets.size(1)).toBe(2);
    expect(bench.add(1, { address: '10.0.0.1' })).toBe(SetAnswer.DONE);
    for (let i = 0; i < 40; i++) {
      bench.wait(90_000);
      bench.sets.timers(bench.now);
    }
    expect(
      bench
        .members(1)
        .map((m) => textOf(m[Member.ADDRESS]))
        .sort(),
    ).toEqual(['10.0.0.2', '10.0.0.3']);
    expect(bench.members(1)[1][Member.TIMEOUT]).toBe(4_000_000 - 40 * 90_000 - 11);
  });

  it('counters count packets that match, and can be asked about', () => {
    const bench = new Bench().make(1, SetType.HASH_IP, { counters: true });
    bench.add(1, { address: '10.0.0.1', packets: 5, bytes: 500 });
    expect(bench.packet(1, '10.0.0.1', '1.1.1.1', 'src', { packetsCompare: 4, packets: 6 })).toBe(false);
    expect(bench.packet(1, '10.0.0.1', '1.1.1.1', 'src', { packetsCompare: 4, packets: 6 })).toBe(true);
    expect(bench.packet(1, '10.0.0.1', '1.1.1.1', 'src', { bytesCompare: 3, bytes: 700, skipsCounters: true })).toBe(
      false,
    );
    expect([bench.members(1)[0][Member.PACKETS], bench.members(1)[0][Member.BYTES]]).toEqual([7, 700]);
    expect(bench.sets.isVolatile(1)).toBe(true);
  });

  it('skbinfo is handed to who asks', () => {
    const bench = new Bench().make(1, SetType.HASH_IP, { skbinfo: true });
    bench.add(1, { address: '10.0.0.1', skb: [0x11, 0xff, 0, 3] });
    expect(bench.packet(1, '10.0.0.1', '1.1.1.1')).toBe(true);
    expect([bench.sets.question.hasFound, ...bench.sets.question.found]).toEqual([true, 0x11, 0xff, 0, 3]);
  });

  it('packets add and delete members, with a timeout of their own', () => {
    const bench = new Bench().make(1, SetType.HASH_IP_PORT, { timeout: 100 });
    const generation = bench.sets.generation;
    bench.ask('10.0.0.1', '10.0.0.2', 'src,dst', { timeout: 5 });
    bench.sets.addPacket(1, bench.now);
    expect(bench.sets.generation).toBe(generation + 1);
    bench.wait(3);
    bench.ask('10.0.0.1', '10.0.0.2', 'src,dst', { timeout: 5 });
    bench.sets.addPacket(1, bench.now);
    expect(bench.members(1)[0][Member.TIMEOUT]).toBe(2);
    bench.ask('10.0.0.1', '10.0.0.2', 'src,dst', { timeout: 5, renews: true });
    bench.sets.addPacket(1, bench.now);
    expect(bench.members(1)[0][Member.TIMEOUT]).toBe(5);
    bench.ask('10.0.0.1', '10.0.0.2', 'src,dst');
    bench.sets.deletePacket(1, bench.now);
    expect(bench.members(1)).toEqual([]);
  });
});

describe('list:set', () => {
  it('asks its members in turn, whatever types they have', () => {
    const bench = new Bench()
      .make(1, SetType.HASH_IP)
      .make(2, SetType.HASH_NET)
      .make(3, SetType.LIST_SET, { size: 4 })
      .make(4, SetType.HASH_IP)
      .make(5, SetType.HASH_IP);
    bench.add(1, { address: '10.0.0.1' });
    bench.add(2, { address: '11.0.0.0/8' });
    bench.add(3, { set: 2 });
    expect(bench.add(3, { set: 1, place: MemberPlace.BEFORE, beside: 2 })).toBe(SetAnswer.DONE);
    expect(bench.add(3, { set: 1 })).toBe(SetAnswer.EXISTS);
    expect(bench.add(3, { set: 4 })).toBe(SetAnswer.DONE);
    expect(bench.add(3, { set: 5 })).toBe(SetAnswer.DONE);
    // The size is no limit, as in the kernel.
    expect(bench.add(3, { set: 9 })).toBe(SetAnswer.DONE);
    expect(bench.sets.delete(3, row({ set: 9 }), 0, bench.now)).toBe(SetAnswer.DONE);
    expect(bench.members(3).map((member) => member[Member.SET])).toEqual([1, 2, 4, 5]);
    expect(['10.0.0.1', '11.2.3.4', '12.0.0.1'].map((a) => bench.packet(3, a, '1.1.1.1'))).toEqual([true, true, false]);
    expect(bench.has(3, { set: 2, place: MemberPlace.AFTER, beside: 1 })).toBe(true);
    expect(bench.has(3, { set: 2, place: MemberPlace.BEFORE, beside: 1 })).toBe(false);
    expect(bench.sets.delete(3, row({ set: 2 }), 0, bench.now)).toBe(SetAnswer.DONE);
    expect(bench.packet(3, '11.2.3.4', '1.1.1.1')).toBe(false);
  });
});

describe('numbers', () => {
  it('swap exchanges what they stand for', () => {
    const bench = new Bench().make(1, SetType.HASH_IP).make(2, SetType.HASH_NET);
    bench.add(2, { address: '10.0.0.0/8' });
    bench.sets.swap(1, 2);
    expect([bench.packet(1, '10.9.9.9', '1.1.1.1'), bench.packet(2, '10.9.9.9', '1.1.1.1')]).toEqual([true, false]);
    bench.sets.destroy(1);
    expect(bench.packet(1, '10.9.9.9', '1.1.1.1')).toBe(false);
    expect(bench.add(1, { address: '10.0.0.0/8' })).toBe(SetAnswer.INVALID);
  });

  it('addAll stops at the first that fails and says which', () => {
    const bench = new Bench().make(1, SetType.HASH_IP);
    const rows = new Int32Array(Member.WORDS * 3);
    ['10.0.0.1', '10.0.0.1', '10.0.0.2'].forEach((address, i) => {
      rows.set(row({ address }), i * Member.WORDS);
    });
    expect([bench.sets.addAll(1, rows, false, 0), bench.sets.answer]).toEqual([1, SetAnswer.EXISTS]);
    expect(bench.sets.addAll(1, rows, true, 0)).toBe(3);
  });
});

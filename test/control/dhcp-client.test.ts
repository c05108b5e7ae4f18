import { describe, expect, it } from 'vitest';
import { type ClientLease, DhcpClient } from '../../src/control/dhcp/client.js';
import { DhcpServer } from '../../src/control/dhcp/server.js';
import {
  build,
  DHCP_BROADCAST,
  type DhcpMessage,
  DhcpOp,
  DhcpOption,
  DhcpType,
  message,
  option,
  option32,
  parse,
  typeOf,
  value8,
  value32,
} from '../../src/wire/dhcp.js';

const OWN = 0x0a000001;
const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const BROADCAST = 0xffffffff;

interface Sent {
  message: DhcpMessage;
  type: number;
  to: number;
  from: number;
  at: number;
}

/** A client in virtual time; what it sends is kept, and answered by `server` if there is one. */
class World {
  now = 0;
  readonly sent: Sent[] = [];
  readonly told: string[] = [];
  server: DhcpServer | undefined;
  readonly client = new DhcpClient(
    { mac: MAC, random: () => 0.5 },
    {
      send: (each, to, from) => void this.sent.push({ message: each, type: typeOf(each), to, from, at: this.now }),
      bind: (lease, before) =>
        void this.told.push(`bind ${name(lease)} ${before === undefined ? 'new' : name(before)}`),
      unbind: (lease) => void this.told.push(`unbind ${name(lease)}`),
    },
  );

  /** Lets time pass, timer by timer; every message sent meanwhile reaches the server. */
  pass(ms: number): void {
    const end = this.now + ms;
    this.deliver();
    while (this.client.dueMs <= end) {
      this.now = this.client.dueMs;
      this.client.timer(this.now);
      this.deliver();
    }
    this.now = end;
  }

  private answered = 0;

  private deliver(): void {
    for (; this.answered < this.sent.length; this.answered++) {
      const request = parse(build(this.sent[this.answered].message, 548)) as DhcpMessage;
      const reply = this.server?.receive(request, OWN, this.now);
      if (reply !== undefined) this.client.receive(parse(reply.payload) as DhcpMessage, this.now);
    }
  }

  types(): number[] {
    return this.sent.map(({ type }) => type);
  }
}

function name({ address, length }: ClientLease): string {
  return `${(address >>> 0).toString(16)}/${length}`;
}

function server(more: { leaseS?: number; mtu?: number } = {}): DhcpServer {
  return new DhcpServer({
    subnet: 0x0a000000,
    length: 24,
    pool: { first: 0x0a00000a, last: 0x0a00000f },
    routers: [OWN],
    dns: [0x08080808],
    leaseS: 1000,
    statics: [],
    ...more,
  });
}

describe('a DHCP client', () => {
  it('asks, takes the first offer, and has an address', () => {
    const world = new World();
    world.server = server({ mtu: 1400 });
    world.client.start(0);
    world.pass(0);
    expect(world.types()).toEqual([DhcpType.DISCOVER, DhcpType.REQUEST]);
    expect(world.sent.every(({ to, from }) => to === BROADCAST && from === 0)).toBe(true);
    expect(world.sent.every(({ message: each }) => each.flags === DHCP_BROADCAST)).toBe(true);
    expect(world.told).toEqual(['bind a00000a/24 new']);
    expect(world.client.state).toBe('bound');
    expect(world.client.lease).toMatchObject({ routers: [OWN], dns: [0x08080808], mtu: 1400, leaseS: 1000 });
  });

  it('repeats its question after 4, 8, 16, 32 and then every 64 s', () => {
    const world = new World();
    world.client.start(0);
    world.pass(250_000);
    expect(world.sent.map(({ at }) => at / 1000)).toEqual([0, 4, 12, 28, 60, 124, 188]);
    expect(world.sent.map(({ message: each }) => each.secs)).toEqual([0, 4, 12, 28, 60, 124, 188]);
    expect(new Set(world.sent.map(({ message: each }) => each.xid)).size).toBe(1);
  });

  it('looks for another offer when its request is not answered', () => {
    const world = new World();
    world.client.start(0);
    const lender = server();
    const offer = lender.receive(world.sent[0].message, OWN, 0);
    world.client.receive(parse(offer?.payload as Uint8Array) as DhcpMessage, 0);
    expect(world.client.state).toBe('requesting');
    world.pass(100_000);
    const [discover, request] = [DhcpType.DISCOVER, DhcpType.REQUEST];
    expect(world.types().slice(0, 6)).toEqual([discover, request, request, request, request, discover]);
  });

  it('renews by unicast at half of its time, and the lease goes on', () => {
    const world = new World();
    world.server = server();
    world.client.start(0);
    world.pass(499_999);
    expect(world.sent).toHaveLength(2);
    world.pass(1);
    expect(world.sent[2]).toMatchObject({ type: DhcpType.REQUEST, to: OWN, from: 0x0a00000a, at: 500_000 });
    const request = world.sent[2].message;
    expect(request.ciaddr).toBe(0x0a00000a);
    expect(option(request, DhcpOption.REQUESTED_ADDRESS)).toBeUndefined();
    expect(option(request, DhcpOption.SERVER)).toBeUndefined();
    expect(world.client.lease?.endMs).toBe(1_500_000);
    expect(world.told).toEqual(['bind a00000a/24 new', 'bind a00000a/24 a00000a/24']);
  });

  it('asks any server from seven eighths on, and gives the address up at the end', () => {
    const world = new World();
    world.server = server();
    world.client.start(0);
    world.pass(0);
    world.server = undefined;
    world.pass(874_999);
    expect(world.client.state).toBe('renewing');
    expect(world.sent.slice(2).every(({ to }) => to === OWN)).toBe(true);
    // Half of what is left each time, but a minute at least.
    expect(world.sent.slice(2).map(({ at }) => at / 1000)).toEqual([500, 687.5, 781.25, 841.25]);
    world.pass(1);
    expect(world.client.state).toBe('rebinding');
    expect(world.sent.at(-1)).toMatchObject({ to: BROADCAST, from: 0x0a00000a, type: DhcpType.REQUEST });
    world.pass(125_000);
    expect(world.told).toEqual(['bind a00000a/24 new', 'unbind a00000a/24']);
    expect(world.client.state).toBe('selecting');
    expect(world.sent.at(-1)?.type).toBe(DhcpType.DISCOVER);
  });

  it('starts anew when its lease is refused', () => {
    const world = new World();
    world.server = server();
    world.client.start(0);
    world.pass(0);
    // A server that has given the address to somebody else meanwhile.
    const other = server();
    other.leases.bind({ client: 'x', mac: '', hostname: '' }, 0x0a00000a, 10_000_000);
    world.server = other;
    world.pass(500_000);
    expect(world.told).toEqual(['bind a00000a/24 new', 'unbind a00000a/24', 'bind a00000b/24 new']);
  });

  it('asks for its lease again when the link is back, and keeps it where nobody answers', () => {
    const world = new World();
    world.server = server();
    world.client.start(0);
    world.pass(0);
    world.client.suspend();
    world.server = undefined;
    world.pass(10_000);
    expect(world.sent).toHaveLength(2);
    world.client.start(world.now);
    expect(world.client.state).toBe('rebooting');
    expect(option32(world.sent[2].message, DhcpOption.REQUESTED_ADDRESS)).toBe(0x0a00000a);
    expect(world.sent[2].message.ciaddr).toBe(0);
    world.pass(20_000);
    expect(world.client.state).toBe('bound');
    expect(world.client.dueMs).toBe(500_000);
  });

  it('releases its address when it ends', () => {
    const world = new World();
    world.server = server();
    world.client.start(0);
    world.pass(0);
    world.client.stop();
    expect(world.sent.at(-1)).toMatchObject({ type: DhcpType.RELEASE, to: OWN, from: 0x0a00000a });
    expect(world.told.at(-1)).toBe('unbind a00000a/24');
    expect(world.client.dueMs).toBe(Number.POSITIVE_INFINITY);
    world.pass(0);
    expect(world.server.list(0)).toEqual([]);
  });

  it('declines an address that another host has, and waits 10 s', () => {
    const world = new World();
    world.server = server();
    world.client.start(0);
    world.pass(0);
    world.client.decline(0);
    world.pass(9_999);
    expect(world.sent.at(-1)?.type).toBe(DhcpType.DECLINE);
    world.pass(1);
    expect(world.told.at(-1)).toBe('bind a00000b/24 new');
  });

  it('has a lease for ever where the server says so', () => {
    const world = new World();
    world.server = server({ leaseS: 0xffffffff });
    world.client.start(0);
    world.pass(10_000_000);
    expect(world.sent).toHaveLength(2);
    expect(world.client.lease?.endMs).toBe(Number.POSITIVE_INFINITY);
  });

  describe('passes over', () => {
    const offered = (change: (reply: DhcpMessage) => void): World => {
      const world = new World();
      world.client.start(0);
      const reply = message(DhcpOp.REPLY, world.sent[0].message.xid, MAC);
      reply.yiaddr = 0x0a00000a;
      reply.options.push(
        value8(DhcpOption.TYPE, DhcpType.OFFER),
        value32(DhcpOption.SERVER, OWN),
        value32(DhcpOption.LEASE_TIME, 100),
      );
      change(reply);
      world.client.receive(reply, 0);
      return world;
    };

    it.each<[string, (reply: DhcpMessage) => void]>([
      ['an answer to another question', (reply) => void reply.xid++],
      ['one for another host', (reply) => void reply.chaddr.fill(9)],
      ['a request', (reply) => void Object.assign(reply, { op: DhcpOp.REQUEST })],
      ['an offer without an address', (reply) => void Object.assign(reply, { yiaddr: 0 })],
      ['one without a server', (reply) => void reply.options.splice(1, 1)],
      ['one without a time', (reply) => void reply.options.splice(2, 1)],
      ['one whose mask has holes', (reply) => void reply.options.push(value32(DhcpOption.SUBNET_MASK, 0xff00ff00))],
    ])('%s', (_, change) => {
      expect(offered(change).client.state).toBe('selecting');
    });

    it('nothing where all is right; without a mask the class of the address counts', () => {
      expect(offered(() => {}).client.state).toBe('requesting');
    });
  });

  it('takes routes of option 121 in place of the router', () => {
    const world = new World();
    world.client.start(0);
    const reply = (type: DhcpType): DhcpMessage => {
      const made = message(DhcpOp.REPLY, world.sent[0].message.xid, MAC);
      made.yiaddr = 0x0a00000a;
      made.options.push(
        value8(DhcpOption.TYPE, type),
        value32(DhcpOption.SERVER, OWN),
        value32(DhcpOption.LEASE_TIME, 100),
        value32(DhcpOption.ROUTER, 0x0a0000fe),
        { code: DhcpOption.CLASSLESS_ROUTES, value: Uint8Array.of(0, 10, 0, 0, 1, 16, 10, 99, 0, 0, 0, 0) },
      );
      return made;
    };
    world.client.receive(reply(DhcpType.OFFER), 0);
    world.client.receive(reply(DhcpType.ACK), 0);
    expect(world.client.lease).toMatchObject({
      length: 8,
      routers: [],
      routes: [
        { destination: 0, length: 0, router: OWN },
        { destination: 0x0a630000, length: 16, router: 0 },
      ],
    });
  });
});

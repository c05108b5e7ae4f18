import { describe, expect, it } from 'vitest';
import { DhcpServer, type Reply, type ServerSettings } from '../../src/control/dhcp/server.js';
import {
  build,
  DHCP_BROADCAST,
  type DhcpMessage,
  DhcpOp,
  DhcpOption,
  DhcpType,
  message,
  option,
  option16,
  option32,
  optionAddresses,
  parse,
  typeOf,
  value8,
  value16,
  value32,
  valueText,
} from '../../src/wire/dhcp.js';

const OWN = 0x0a000001;
const address = (last: number): number => 0x0a000000 + last;

function settings(more: Partial<ServerSettings> = {}): ServerSettings {
  return {
    subnet: 0x0a000000,
    length: 24,
    pool: { first: address(10), last: address(13) },
    routers: [OWN],
    dns: [0x08080808],
    leaseS: 600,
    statics: [],
    ...more,
  };
}

const mac = (n: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, 0, n);

function ask(type: DhcpType, client: number, change: (request: DhcpMessage) => void = () => {}): DhcpMessage {
  const request = message(DhcpOp.REQUEST, 0x1000 + client, mac(client));
  request.options.push(value8(DhcpOption.TYPE, type));
  change(request);
  // As it comes from the wire.
  return parse(build(request, 548)) as DhcpMessage;
}

const wishing = (last: number) => (request: DhcpMessage) =>
  void request.options.push(value32(DhcpOption.REQUESTED_ADDRESS, address(last)));

const selecting =
  (last: number, server = OWN) =>
  (request: DhcpMessage) => {
    wishing(last)(request);
    request.options.push(value32(DhcpOption.SERVER, server));
  };

const using = (last: number) => (request: DhcpMessage) => {
  request.ciaddr = address(last);
};

/** What it says, read again; undefined: nothing. */
function heard(reply: Reply | undefined): (DhcpMessage & { type: number; to: string }) | undefined {
  if (reply === undefined) return undefined;
  const read = parse(reply.payload) as DhcpMessage;
  const to = `${(reply.destination >>> 0).toString(16)}:${reply.port}${reply.mac === undefined ? '' : ' by MAC'}`;
  return { ...read, type: typeOf(read), to };
}

/** Discovers and requests; the address, as its last byte. */
function lease(server: DhcpServer, client: number, now = 0): number | undefined {
  const offer = heard(server.receive(ask(DhcpType.DISCOVER, client), OWN, now));
  if (offer === undefined) return undefined;
  const last = offer.yiaddr & 255;
  const ack = heard(server.receive(ask(DhcpType.REQUEST, client, selecting(last)), OWN, now));
  expect(ack?.type).toBe(DhcpType.ACK);
  expect(ack?.yiaddr).toBe(offer.yiaddr);
  return last;
}

describe('a DHCP server', () => {
  it('offers an address with all that a host needs, and acknowledges it', () => {
    const server = new DhcpServer(settings({ domain: 'example.org', mtu: 1400 }));
    const offer = heard(server.receive(ask(DhcpType.DISCOVER, 1), OWN, 0)) as DhcpMessage;
    expect(typeOf(offer)).toBe(DhcpType.OFFER);
    expect(offer.yiaddr).toBe(address(10));
    expect(offer.xid).toBe(0x1001);
    expect(option32(offer, DhcpOption.SERVER)).toBe(OWN);
    expect(option32(offer, DhcpOption.SUBNET_MASK)).toBe(0xffffff00 | 0);
    expect(optionAddresses(offer, DhcpOption.ROUTER)).toEqual([OWN]);
    expect(optionAddresses(offer, DhcpOption.DNS)).toEqual([0x08080808]);
    expect(option16(offer, DhcpOption.MTU)).toBe(1400);
    expect(option32(offer, DhcpOption.BROADCAST)).toBe(0x0a0000ff);
    expect(option32(offer, DhcpOption.LEASE_TIME)).toBe(600);
    expect(option32(offer, DhcpOption.RENEWAL_TIME)).toBe(300);
    expect(option32(offer, DhcpOption.REBINDING_TIME)).toBe(525);
    expect(Buffer.from(option(offer, DhcpOption.DOMAIN_NAME) ?? []).toString()).toBe('example.org');
    expect(lease(server, 1)).toBe(10);
    expect(server.list(0)).toMatchObject([{ address: address(10), state: 'bound', mac: '02:00:00:00:00:01' }]);
  });

  it('tells only what a client asks for, and always the mask', () => {
    const server = new DhcpServer(settings({ mtu: 1400 }));
    const parameters = { code: DhcpOption.PARAMETERS, value: Uint8Array.of(DhcpOption.DNS, 250) };
    const offer = heard(
      server.receive(
        ask(DhcpType.DISCOVER, 1, ({ options }) => options.push(parameters)),
        OWN,
        0,
      ),
    );
    const codes = offer?.options.map(({ code }) => code);
    expect(codes).toContain(DhcpOption.DNS);
    expect(codes).toContain(DhcpOption.SUBNET_MASK);
    expect(codes).not.toContain(DhcpOption.ROUTER);
    expect(codes).not.toContain(DhcpOption.MTU);
  });

  it('gives each client its own address, the same one again, and none when all are taken', () => {
    const server = new DhcpServer(settings());
    expect([1, 2, 3, 4].map((client) => lease(server, client))).toEqual([10, 11, 12, 13]);
    expect(lease(server, 2)).toBe(11);
    expect(lease(server, 5)).toBeUndefined();
    // A lease that has ended is free, but first of all its client's.
    expect(lease(server, 3, 600_001)).toBe(12);
    expect(lease(server, 5, 600_001)).toBe(10);
  });

  it('gives the address that a client wishes, if it is free', () => {
    const server = new DhcpServer(settings());
    lease(server, 1);
    const wish = (client: number, last: number): number | undefined =>
      heard(server.receive(ask(DhcpType.DISCOVER, client, wishing(last)), OWN, 0))?.yiaddr;
    expect(wish(2, 12)).toBe(address(12));
    expect(wish(3, 10)).toBe(address(11));
    expect(wish(4, 200)).toBe(address(13));
  });

  it('never gives its own address or a router', () => {
    const server = new DhcpServer(settings({ pool: { first: OWN, last: address(3) }, routers: [address(2)] }));
    expect(lease(server, 1)).toBe(3);
    expect(lease(server, 2)).toBeUndefined();
    expect(heard(server.receive(ask(DhcpType.REQUEST, 2, wishing(1)), OWN, 0))?.type).toBe(DhcpType.NAK);
  });

  it('keeps what it offered for a minute', () => {
    const server = new DhcpServer(settings({ pool: { first: address(10), last: address(10) } }));
    server.receive(ask(DhcpType.DISCOVER, 1), OWN, 0);
    expect(server.receive(ask(DhcpType.DISCOVER, 2), OWN, 59_000)).toBeUndefined();
    expect(heard(server.receive(ask(DhcpType.DISCOVER, 2), OWN, 60_001))?.yiaddr).toBe(address(10));
  });

  it('takes an offer back when another server was chosen', () => {
    const server = new DhcpServer(settings({ pool: { first: address(10), last: address(10) } }));
    server.receive(ask(DhcpType.DISCOVER, 1), OWN, 0);
    expect(server.receive(ask(DhcpType.REQUEST, 1, selecting(10, OWN + 1)), OWN, 1)).toBeUndefined();
    expect(lease(server, 2, 2)).toBe(10);
  });

  describe('on renewal', () => {
    it('prolongs a lease, answering to the address', () => {
      const server = new DhcpServer(settings());
      lease(server, 1);
      const ack = heard(server.receive(ask(DhcpType.REQUEST, 1, using(10)), OWN, 500_000));
      expect(ack).toMatchObject({ type: DhcpType.ACK, yiaddr: address(10), ciaddr: address(10), to: 'a00000a:68' });
      expect(server.list(1_000_000)).toHaveLength(1);
      expect(server.list(1_100_001)).toHaveLength(0);
    });

    it('gives a client that it has forgotten what it uses, if that is free', () => {
      const server = new DhcpServer(settings());
      expect(heard(server.receive(ask(DhcpType.REQUEST, 1, using(11)), OWN, 0))?.type).toBe(DhcpType.ACK);
      expect(heard(server.receive(ask(DhcpType.REQUEST, 2, using(11)), OWN, 0))?.type).toBe(DhcpType.NAK);
    });
  });

  it('refuses what a rebooting client cannot have, so that it starts anew', () => {
    const server = new DhcpServer(settings());
    const nak = heard(server.receive(ask(DhcpType.REQUEST, 1, wishing(99)), OWN, 0));
    expect(nak).toMatchObject({ type: DhcpType.NAK, yiaddr: 0, to: 'ffffffff:68' });
    const foreign = ask(DhcpType.REQUEST, 1, ({ options }) =>
      options.push(value32(DhcpOption.REQUESTED_ADDRESS, 0xc0a80005)),
    );
    expect(heard(server.receive(foreign, OWN, 0))?.type).toBe(DhcpType.NAK);
  });

  it('puts an address aside that a client found in use', () => {
    const server = new DhcpServer(settings({ pool: { first: address(10), last: address(11) } }));
    lease(server, 1);
    server.receive(ask(DhcpType.DECLINE, 1, selecting(10)), OWN, 0);
    expect(server.list(0)).toMatchObject([{ address: address(10), state: 'declined' }]);
    expect(lease(server, 1)).toBe(11);
    expect(lease(server, 2, 1)).toBeUndefined();
    expect(lease(server, 2, 600_001)).toBeDefined();
  });

  it('takes back what a client releases, and only from that client', () => {
    const server = new DhcpServer(settings({ pool: { first: address(10), last: address(10) } }));
    lease(server, 1);
    server.receive(ask(DhcpType.RELEASE, 2, using(10)), OWN, 1);
    expect(server.list(1)).toHaveLength(1);
    server.receive(ask(DhcpType.RELEASE, 1, using(10)), OWN, 1);
    expect(server.list(1)).toHaveLength(0);
    expect(lease(server, 2, 2)).toBe(10);
  });

  it('informs a host that has an address, without a lease', () => {
    const server = new DhcpServer(settings());
    const ack = heard(server.receive(ask(DhcpType.INFORM, 1, using(200)), OWN, 0)) as DhcpMessage;
    expect(ack).toMatchObject({ type: DhcpType.ACK, yiaddr: 0, to: 'a0000c8:68' });
    expect(option32(ack, DhcpOption.LEASE_TIME)).toBeUndefined();
    expect(optionAddresses(ack, DhcpOption.ROUTER)).toEqual([OWN]);
    expect(server.list(0)).toHaveLength(0);
  });

  describe('answers', () => {
    it('a client without an address by its MAC, or by broadcast where it asks for that', () => {
      const server = new DhcpServer(settings());
      expect(heard(server.receive(ask(DhcpType.DISCOVER, 1), OWN, 0))?.to).toBe('a00000a:68 by MAC');
      const broadcast = ask(DhcpType.DISCOVER, 1, (request) => {
        request.flags = DHCP_BROADCAST;
      });
      expect(heard(server.receive(broadcast, OWN, 0))).toMatchObject({ to: 'ffffffff:68', flags: DHCP_BROADCAST });
    });

    it('a relay at its own address, with its option last', () => {
      const server = new DhcpServer(settings());
      const relayed = ask(DhcpType.DISCOVER, 1, (request) => {
        request.giaddr = address(254);
        request.options.push({ code: DhcpOption.RELAY_AGENT, value: Uint8Array.of(1, 1, 7) });
      });
      const offer = heard(server.receive(relayed, OWN, 0)) as DhcpMessage;
      expect(offer).toMatchObject({ to: 'a0000fe:67', giaddr: address(254) });
      expect(offer.options.at(-1)).toEqual({ code: DhcpOption.RELAY_AGENT, value: Uint8Array.of(1, 1, 7) });
    });

    it('a relay of another subnet not at all', () => {
      const server = new DhcpServer(settings());
      const relayed = ask(DhcpType.DISCOVER, 1, (request) => {
        request.giaddr = 0xc0a80001 | 0;
      });
      expect(server.receive(relayed, OWN, 0)).toBeUndefined();
    });

    it('a small client without the options that find no room', () => {
      const domain = 'x'.repeat(63).concat('.y'.repeat(90));
      const server = new DhcpServer(settings({ domain, dns: Array.from({ length: 8 }, (_, i) => i + 1) }));
      const reply = server.receive(ask(DhcpType.DISCOVER, 1), OWN, 0) as Reply;
      expect(reply.payload.length).toBeLessThanOrEqual(548);
      const roomy = ask(DhcpType.DISCOVER, 2, ({ options }) => options.push(value16(DhcpOption.MAX_SIZE, 1500)));
      const offer = heard(server.receive(roomy, OWN, 0)) as DhcpMessage;
      expect(option(offer, DhcpOption.DOMAIN_NAME)).toHaveLength(domain.length);
    });
  });

  describe('with static leases', () => {
    const statics = [
      { mac: '02:00:00:00:00:07', address: address(77), hostname: 'seven' },
      { client: 'id:aabb', address: address(12) },
    ];

    it('gives a host its own address, inside of the pool or not', () => {
      const server = new DhcpServer(settings({ statics }));
      expect(lease(server, 7)).toBe(77);
      const byId = ask(DhcpType.DISCOVER, 8, ({ options }) =>
        options.push({ code: DhcpOption.CLIENT_ID, value: Uint8Array.of(0xaa, 0xbb) }),
      );
      const offer = heard(server.receive(byId, OWN, 0)) as DhcpMessage;
      expect(offer.yiaddr).toBe(address(12));
      expect(option(offer, DhcpOption.CLIENT_ID)).toEqual(Uint8Array.of(0xaa, 0xbb));
    });

    it('gives that address to nobody else', () => {
      const server = new DhcpServer(settings({ statics }));
      expect([1, 2, 3, 4].map((client) => lease(server, client))).toEqual([10, 11, 13, undefined]);
      expect(heard(server.receive(ask(DhcpType.REQUEST, 1, wishing(77)), OWN, 0))?.type).toBe(DhcpType.NAK);
    });
  });

  it('shows names without what is no part of a name', () => {
    const server = new DhcpServer(settings());
    const named = (type: DhcpType) =>
      ask(type, 1, (request) => {
        request.options.push(valueText(DhcpOption.HOST_NAME, 'a b\u001b[31m'));
        if (type === DhcpType.REQUEST) selecting(10)(request);
      });
    server.receive(named(DhcpType.DISCOVER), OWN, 0);
    server.receive(named(DhcpType.REQUEST), OWN, 0);
    expect(server.list(0)[0].hostname).toBe('ab31m');
  });

  it('is silent to what is no request over Ethernet', () => {
    const server = new DhcpServer(settings());
    const reply = { ...ask(DhcpType.DISCOVER, 1), op: DhcpOp.REPLY };
    expect(server.receive(reply, OWN, 0)).toBeUndefined();
    expect(server.receive({ ...ask(DhcpType.DISCOVER, 1), htype: 6 }, OWN, 0)).toBeUndefined();
    expect(server.receive(ask(DhcpType.OFFER, 1), OWN, 0)).toBeUndefined();
  });
});

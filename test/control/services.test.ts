/* The services of a link, on a network that is not there: what they refuse, and what they send. */
import { describe, expect, it } from 'vitest';
import type { DhcpServerInfo, DhcpServerOptions } from '../../src/control/api/dhcp.js';
import type { EndpointRequest } from '../../src/control/api/endpoint.js';
import type { AdvertiserOptions } from '../../src/control/api/radv.js';
import type { Request } from '../../src/control/api/request.js';
import { udpPacket } from '../../src/control/packets.js';
import type { LinkAddress, ServiceHost, ServiceLink } from '../../src/control/service-host.js';
import { type ServiceNamespace, Services } from '../../src/control/services.js';
import { type Binding, type Datagram, type Listener, type Socket, Sockets } from '../../src/control/sockets.js';
import { build, DhcpOp, DhcpOption, DhcpType, message, parse, typeOf, value8, value32 } from '../../src/wire/dhcp.js';
import { formatIpv4At, parseAddress } from '../../src/wire/format.js';
import { parseAdvertisement } from '../../src/wire/nd.js';

const bytes = (text: string): Uint8Array => parseAddress(text) as Uint8Array;
const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);

class World implements ServiceHost {
  now = 0;
  own: LinkAddress[] = [
    { address: bytes('10.0.0.1'), length: 24, isTentative: false },
    { address: bytes('2001:db8::1'), length: 64, isTentative: false },
    { address: bytes('fe80::1'), length: 64, isTentative: false },
  ];
  isForwarding = true;
  readonly frames: Uint8Array[] = [];
  readonly packets: Uint8Array[] = [];
  readonly requests: Request[] = [];
  readonly listeners = new Map<string, Listener>();
  readonly namespace: ServiceNamespace & { links: Map<string, ServiceLink> } = {
    name: 'host',
    number: 0,
    links: new Map(),
  };
  readonly link: ServiceLink = {
    number: 5,
    name: 'br0',
    mtu: 1500,
    address: MAC,
    isUp: true,
    hasCarrier: true,
    namespace: this.namespace,
  };
  readonly sockets = Object.assign(Object.create(Sockets.prototype) as Sockets, {
    open: async (binding: Binding, listener: Listener): Promise<Socket> => {
      const key = `${binding.family}/${binding.protocol}/${binding.port}`;
      this.listeners.set(key, listener);
      const close = async (): Promise<void> => void this.listeners.delete(key);
      const send = async (packet: Uint8Array) => ({ errno: this.packets.push(packet) * 0, timeUs: 0 });
      return { binding, close, send } as unknown as Socket;
    },
    send: async (_: number, packet: Uint8Array) => ({ errno: this.packets.push(packet) * 0, timeUs: 0 }),
    sendFrame: async (_: number, frame: Uint8Array) => this.frames.push(frame) * 0,
  });
  readonly services = new Services(this);

  constructor() {
    this.namespace.links.set('br0', this.link);
  }

  addresses(): LinkAddress[] {
    return this.own;
  }

  forwards6(): boolean {
    return this.isForwarding;
  }

  async execute(_: string, request: Request): Promise<unknown> {
    this.requests.push(request);
    return {};
  }

  log(): void {}

  nowMs = (): number => this.now;

  ask(request: Exclude<EndpointRequest, { op: 'ping' | 'traceroute' }>): Promise<unknown> {
    return this.services.execute(request, this.namespace);
  }

  serve(options: DhcpServerOptions): Promise<unknown> {
    return this.ask({ op: 'dhcp.server.add', dev: 'br0', options });
  }

  hear(key: string, payload: Uint8Array, destination = '255.255.255.255'): void {
    const source = bytes('0.0.0.0');
    const packet = udpPacket(
      { source, destination: bytes(destination) },
      { sourcePort: 68, destinationPort: 67 },
      payload,
    );
    const datagram = {
      source,
      destination: bytes(destination),
      payload,
      packet,
      transport: 20,
      link: 5,
      ttl: 64,
      tos: 0,
      timeUs: 0,
    };
    this.listeners.get(key)?.onPacket(datagram satisfies Datagram);
  }
}

function discover(): Uint8Array {
  const request = message(DhcpOp.REQUEST, 7, Uint8Array.of(2, 0, 0, 0, 0, 9));
  request.options.push(value8(DhcpOption.TYPE, DhcpType.DISCOVER));
  return build(request, 548);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a DHCP server', () => {
  it('takes what is not said from its link', async () => {
    const world = new World();
    await world.serve({});
    const [info] = (await world.ask({ op: 'dhcp.server.list' })) as DhcpServerInfo[];
    expect(info).toMatchObject({
      dev: 'br0',
      subnet: '10.0.0.0/24',
      pool: ['10.0.0.1', '10.0.0.254'],
      router: ['10.0.0.1'],
      lease_s: 3600,
    });
    expect(world.services.requests(world.namespace)).toEqual([{ op: 'dhcp.server.add', dev: 'br0', options: {} }]);
  });

  it('answers a client by its MAC, from the address of the link', async () => {
    const world = new World();
    await world.serve({});
    world.hear('4/17/67', discover());
    await turn();
    expect(world.frames).toHaveLength(1);
    const [frame] = world.frames;
    expect([...frame.subarray(0, 12)]).toEqual([2, 0, 0, 0, 0, 9, ...MAC]);
    expect(formatIpv4At(frame, 26)).toBe('10.0.0.1');
    expect(formatIpv4At(frame, 30)).toBe('10.0.0.2');
    const reply = parse(frame.subarray(42));
    expect(reply === undefined ? 0 : typeOf(reply)).toBe(DhcpType.OFFER);
  });

  it('answers a relay by its route', async () => {
    const world = new World();
    await world.serve({});
    const request = message(DhcpOp.REQUEST, 7, Uint8Array.of(2, 0, 0, 0, 0, 9));
    request.giaddr = 0x0a0000fe;
    request.options.push(value8(DhcpOption.TYPE, DhcpType.DISCOVER));
    world.hear('4/17/67', build(request, 548), '10.0.0.1');
    await turn();
    expect(world.packets.map((packet) => formatIpv4At(packet, 16))).toEqual(['10.0.0.254']);
  });

  it('is silent while its link has no address of the subnet', async () => {
    const world = new World();
    await world.serve({});
    world.own = [{ address: bytes('192.0.2.1'), length: 24, isTentative: false }];
    world.hear('4/17/67', discover());
    world.own = [];
    world.hear('4/17/67', discover());
    world.hear('4/17/67', value32(DhcpOption.SERVER, 1).value);
    await turn();
    expect(world.frames).toEqual([]);
    expect(((await world.ask({ op: 'dhcp.server.list' })) as DhcpServerInfo[])[0].problem).toBe(
      'the link has no IPv4 address',
    );
  });

  it.each<[DhcpServerOptions, RegExp]>([
    [{ subnet: '10.0.0.0' }, /is no IPv4 prefix/],
    [{ subnet: '10.0.0.0/31' }, /is no IPv4 prefix/],
    [{ subnet: '2001:db8::/64' }, /is no IPv4 prefix/],
    [{ pool: ['10.0.0.20', '10.0.0.10'] }, /is not a range inside of 10\.0\.0\.0\/24/],
    [{ pool: ['10.0.0.10', '10.0.1.10'] }, /is not a range/],
    [{ pool: ['10.0.0.10', '10.0.0.255'] }, /is not a range/],
    [{ pool: ['x', '10.0.0.255'] }, /"x" is no IPv4 address/],
    [{ subnet: '10.0.0.0/8', pool: ['10.0.0.1', '10.255.0.1'] }, /more than 65536 addresses/],
    [{ dns: ['::1'] }, /dns "::1" is no IPv4 address/],
    [{ mtu: 67 }, /mtu 67/],
    [{ domain: 'a b' }, /is no domain/],
    [{ lease_s: 5 }, /a lease of 5 s/],
    [{ hosts: [{ address: '10.0.0.7' }] }, /needs a MAC address or a client id/],
    [{ hosts: [{ mac: 'x', address: '10.0.0.7' }] }, /is no MAC address/],
    [{ hosts: [{ id: 'xyz', address: '10.0.0.7' }] }, /is not hexadecimal/],
    [{ hosts: [{ mac: '02:00:00:00:00:01', address: '10.9.0.7' }] }, /is not in its subnet/],
  ])('refuses %j', async (options, cause) => {
    await expect(new World().serve(options)).rejects.toThrow(cause);
  });

  it('is there once at most, ends, and goes with its link', async () => {
    const world = new World();
    await world.serve({});
    await expect(world.serve({})).rejects.toMatchObject({ errno: 'EEXIST' });
    await world.ask({ op: 'dhcp.server.del', dev: 'br0' });
    await expect(world.ask({ op: 'dhcp.server.del', dev: 'br0' })).rejects.toMatchObject({ errno: 'ENOENT' });
    await world.serve({});
    world.services.linkRemoved(world.link);
    expect(await world.ask({ op: 'dhcp.server.list' })).toEqual([]);
    expect(world.listeners.size).toBe(0);
  });

  it('on no link is refused', async () => {
    const world = new World();
    const request = { op: 'dhcp.server.add' as const, dev: 'nosuch', options: {} };
    await expect(world.ask(request)).rejects.toMatchObject({ errno: 'ENODEV' });
    world.own = [];
    await expect(world.serve({})).rejects.toMatchObject({ errno: 'EADDRNOTAVAIL' });
  });
});

describe('router advertisements', () => {
  const advertise = (world: World, options: AdvertiserOptions = {}): Promise<unknown> =>
    world.ask({ op: 'ra.add', dev: 'br0', options });

  it('say by default what the link has', async () => {
    const world = new World();
    expect(await advertise(world)).toEqual({});
    await turn();
    const [frame] = world.frames;
    expect([...frame.subarray(0, 12)]).toEqual([0x33, 0x33, 0, 0, 0, 1, ...MAC]);
    expect(frame[21]).toBe(255);
    expect(parseAdvertisement(frame, 54, frame.length)).toEqual({
      hopLimit: 64,
      managed: false,
      other: false,
      preference: 0,
      lifetimeS: 1800,
      reachableMs: 0,
      retransMs: 0,
      sourceMac: MAC,
      prefixes: [
        { prefix: bytes('2001:db8::'), length: 64, onLink: true, autonomous: true, validS: 86_400, preferredS: 14_400 },
      ],
      routes: [],
      dns: [],
      search: [],
    });
    await world.ask({ op: 'ra.del', dev: 'br0' });
    const last = world.frames.at(-1) as Uint8Array;
    expect(parseAdvertisement(last, 54, last.length)).toMatchObject({ lifetimeS: 0 });
  });

  it('are not sent by a host, nor without a link-local address, and it is said why', async () => {
    const world = new World();
    world.isForwarding = false;
    expect(await advertise(world)).toMatchObject({ warnings: [expect.stringMatching(/does not forward IPv6/)] });
    expect(await world.ask({ op: 'ra.list' })).toMatchObject([
      { sent: 0, problem: expect.stringMatching(/does not forward IPv6/) },
    ]);
    world.isForwarding = true;
    world.own = [];
    world.services.linkChanged(world.link);
    expect(await world.ask({ op: 'ra.list' })).toMatchObject([{ problem: 'the link has no link-local address yet' }]);
    expect(world.frames).toEqual([]);
    await world.ask({ op: 'ra.del', dev: 'br0' });
    expect(world.frames).toEqual([]);
  });

  it('tell of a new prefix soon', async () => {
    const world = new World();
    await advertise(world);
    world.own.push({ address: bytes('2001:db8:1::1'), length: 64, isTentative: true });
    world.now = 10_000;
    world.services.addressesChanged(world.link);
    world.now = 10_500;
    world.services.linkChanged(world.link);
    await turn();
    const last = world.frames.at(-1) as Uint8Array;
    expect(world.frames).toHaveLength(2);
    expect(parseAdvertisement(last, 54, last.length)?.prefixes).toHaveLength(2);
    world.services.addressesChanged(world.link);
    world.now = 14_000;
    world.services.linkChanged(world.link);
    await turn();
    expect(world.frames).toHaveLength(2);
    world.services.linkRemoved(world.link);
  });

  it('begin when the link starts to forward', async () => {
    const world = new World();
    world.isForwarding = false;
    await advertise(world);
    world.isForwarding = true;
    world.services.linkChanged(world.link);
    await turn();
    expect(world.frames).toHaveLength(1);
    world.services.linkRemoved(world.link);
  });

  it.each<[AdvertiserOptions, RegExp]>([
    [{ max_interval: 3 }, /interval 3/],
    [{ max_interval: 10, min_interval: 8 }, /interval 8 is not from 3 to 7\.5/],
    [{ lifetime: 5 }, /lifetime 5/],
    [{ mtu: 1279 }, /mtu 1279/],
    [{ hop_limit: 256 }, /hoplimit 256/],
    [{ prefixes: [{ prefix: '10.0.0.0/8' }] }, /is no IPv6 prefix/],
    [{ prefixes: [{ prefix: '2001:db8::/64', valid: 10, preferred: 11 }] }, /preferred lifetime 11/],
    [{ dns: ['9.9.9.9'] }, /is no IPv6 address/],
    [{ search: ['a b'] }, /is no domain/],
  ])('refuse %j', async (options, cause) => {
    await expect(advertise(new World(), options)).rejects.toThrow(cause);
  });
});

describe('a DHCP client', () => {
  it('asks on its link, and sets what it is given', async () => {
    const world = new World();
    await world.ask({ op: 'dhcp.client.add', dev: 'br0', options: { metric: 7 } });
    await turn();
    const asked = parse(world.frames[0].subarray(42));
    expect(asked === undefined ? 0 : typeOf(asked)).toBe(DhcpType.DISCOVER);
    const answer = (type: DhcpType, xid: number): Uint8Array => {
      const reply = message(DhcpOp.REPLY, xid, MAC);
      reply.yiaddr = 0x0a000005;
      reply.options.push(
        value8(DhcpOption.TYPE, type),
        value32(DhcpOption.SERVER, 0x0a0000fe),
        value32(DhcpOption.LEASE_TIME, 600),
        value32(DhcpOption.SUBNET_MASK, 0xffffff00),
        value32(DhcpOption.ROUTER, 0x0a0000fe),
      );
      return build(reply, 548);
    };
    world.hear('4/17/68', answer(DhcpType.OFFER, asked?.xid ?? 0));
    world.hear('4/17/68', answer(DhcpType.ACK, asked?.xid ?? 0));
    await turn();
    expect(world.requests).toEqual([
      {
        op: 'addr.replace',
        dev: 'br0',
        local: '10.0.0.5/24',
        broadcast: '+',
        valid_lft: 600,
        preferred_lft: 600,
      },
      {
        op: 'route.change',
        verb: 'replace',
        route: {
          family: 4,
          table: 254,
          protocol: 16,
          metric: 7,
          dst: '0.0.0.0/0',
          scope: 0,
          nexthops: [{ dev: 'br0', gateway: '10.0.0.254' }],
        },
      },
    ]);
    const address = { local: '10.0.0.5', prefixlen: 24 };
    expect(world.services.isLeased(world.link, address)).toBe(true);
    expect(world.services.isLeased(world.link, { ...address, local: '10.0.0.6' })).toBe(false);
    expect(world.services.requests(world.namespace)).toEqual([
      { op: 'dhcp.client.add', dev: 'br0', options: { metric: 7 } },
    ]);
    world.requests.length = 0;
    await world.ask({ op: 'dhcp.client.del', dev: 'br0' });
    expect(world.requests.map(({ op }) => op)).toEqual(['route.change', 'addr.del']);
    expect(world.services.isLeased(world.link, address)).toBe(false);
    await turn();
    expect(world.packets.map((packet) => formatIpv4At(packet, 16))).toEqual(['10.0.0.254']);
  });
});

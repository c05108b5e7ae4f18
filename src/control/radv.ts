/*
 * Router advertisements on a link, as radvd sends them: what they say, and the socket that hears solicitations.
 *
 * Only a router advertises itself: nothing is sent while the link does not forward IPv6, is not ready, or has no link-local address
 * yet. `problem` says so.
 */
import { SluiceError } from '../core/errors.js';
import { parseIpv6, parsePrefix } from '../wire/format.js';
import {
  buildAdvertisement,
  INFINITY,
  Preference,
  type PrefixInformation,
  type RouterAdvertisement,
} from '../wire/nd.js';
import { prefixOf } from './addrconf/interface-id.js';
import { Advertiser } from './advertiser.js';
import type { AdvertisedPrefix, AdvertiserInfo, AdvertiserOptions } from './api/radv.js';
import { frameOf, groupMac, icmpPacket } from './packets.js';
import { Alarm, isReady, type ServiceHost, type ServiceLink } from './service-host.js';
import { ND, type Socket } from './sockets.js';

const ROUTER_SOLICITATION = 133;
const ALL_NODES = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
/** radvd's defaults, in s. */
const MAX_INTERVAL_S = 600;
const VALID_S = 86_400;
const PREFERRED_S = 14_400;
const HOP_LIMIT = 64;
/** How long to wait for a link-local address. */
const RETRY_MS = 1000;

function refuse(dev: string, cause: string): never {
  throw new SluiceError('EINVAL', `cannot advertise on "${dev}": ${cause}; see "sluice radv --help"`);
}

function checkNumber(dev: string, what: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (value >= least && value <= most)) return;
  refuse(dev, `${what} ${value} is not from ${least} to ${most}`);
}

/** RFC 4861 §6.2.1. */
function checkOptions(dev: string, options: AdvertiserOptions): void {
  const { max_interval: max = MAX_INTERVAL_S, min_interval: min, lifetime } = options;
  checkNumber(dev, 'interval', max, 4, 1800);
  checkNumber(dev, 'interval', min, 3, Math.max(3, 0.75 * max));
  if (lifetime !== undefined && lifetime !== 0) checkNumber(dev, 'lifetime', lifetime, max, 9000);
  checkNumber(dev, 'hoplimit', options.hop_limit, 0, 255);
  checkNumber(dev, 'mtu', options.mtu, 1280, 65535);
  checkNumber(dev, 'reachable', options.reachable_ms, 0, 3_600_000);
  checkNumber(dev, 'retrans', options.retrans_ms, 0, 0xffffffff);
}

function prefixInformation(dev: string, prefix: AdvertisedPrefix): PrefixInformation {
  const parsed = parsePrefix(prefix.prefix);
  if (parsed === undefined || parsed.address.length !== 16 || !prefix.prefix.includes('/'))
    return refuse(dev, `"${prefix.prefix}" is no IPv6 prefix`);
  const { valid: validS = VALID_S, preferred: preferredS = Math.min(PREFERRED_S, validS) } = prefix;
  checkNumber(dev, 'valid lifetime', validS, 0, INFINITY);
  checkNumber(dev, 'preferred lifetime', preferredS, 0, validS);
  const { address, length } = parsed;
  const { on_link: onLink = true, autonomous = true } = prefix;
  return { prefix: prefixOf(address, length), length, onLink, autonomous, validS, preferredS };
}

function serverAddress(dev: string, text: string): Uint8Array {
  return parseIpv6(text) ?? refuse(dev, `"${text}" is no IPv6 address`);
}

function checkDomain(dev: string, domain: string): string {
  const isRight = domain.length <= 253 && /^[\w-]{1,63}(\.[\w-]{1,63})*$/.test(domain);
  return isRight ? domain : refuse(dev, `"${domain}" is no domain`);
}

const PREFERENCES = { low: Preference.LOW, medium: Preference.MEDIUM, high: Preference.HIGH };

function advertisementOf(dev: string, options: AdvertiserOptions): Omit<RouterAdvertisement, 'sourceMac'> {
  checkOptions(dev, options);
  const { max_interval: max = MAX_INTERVAL_S, dns = [], search = [] } = options;
  // RFC 8106 §5.1: three times the longest interval, so that one lost advertisement does no harm.
  const lifetimeS = Math.round(3 * max);
  return {
    hopLimit: options.hop_limit ?? HOP_LIMIT,
    managed: options.managed ?? false,
    other: options.other ?? false,
    preference: PREFERENCES[options.preference ?? 'medium'],
    lifetimeS: options.lifetime ?? Math.min(lifetimeS, 9000),
    reachableMs: options.reachable_ms ?? 0,
    retransMs: options.retrans_ms ?? 0,
    ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
    prefixes: (options.prefixes ?? []).map((prefix) => prefixInformation(dev, prefix)),
    routes: [],
    dns: dns.length === 0 ? [] : [{ lifetimeS, addresses: dns.map((text) => serverAddress(dev, text)) }],
    search: search.length === 0 ? [] : [{ lifetimeS, domains: search.map((domain) => checkDomain(dev, domain)) }],
  };
}

function isGlobal(address: Uint8Array): boolean {
  return address.length === 16 && address[0] !== 0xfe && address[0] !== 0xff && address[0] !== 0;
}

export class AdvertisedLink {
  private readonly advertiser: Advertiser;
  private readonly alarm: Alarm;
  private socket: Socket | undefined;
  private isActive = false;
  private sent = 0;
  private solicited = 0;
  /** Prefixes of the last advertisement. */
  private advertised = '';

  constructor(
    readonly link: ServiceLink,
    readonly options: AdvertiserOptions,
    private readonly host: ServiceHost,
  ) {
    const advertisement = advertisementOf(link.name, options);
    const { max_interval: max = MAX_INTERVAL_S, min_interval: min = Math.max(3, max / 3) } = options;
    this.advertiser = new Advertiser({
      minIntervalMs: min * 1000,
      maxIntervalMs: max * 1000,
      advertisement,
      random: Math.random,
    });
    this.alarm = new Alarm(host.nowMs, () => this.turn());
  }

  /** Answers what the user should know. */
  async start(): Promise<string[]> {
    const { number, namespace, name } = this.link;
    this.socket = await this.host.sockets.open(
      { namespace: namespace.number, family: 6, protocol: ND, port: ROUTER_SOLICITATION, link: number },
      { onPacket: () => this.hear() },
    );
    this.turn();
    if (this.host.forwards6(this.link)) return [];
    return [
      `sluice: nothing is advertised on "${name}" while it does not forward IPv6; set net.ipv6.conf.all.forwarding to 1`,
    ];
  }

  /** Says goodbye, so that hosts choose another router at once. */
  async stop(): Promise<void> {
    this.alarm.set(Number.POSITIVE_INFINITY);
    const last = this.advertiser.final();
    const source = this.source();
    if (last !== undefined && source !== undefined && this.problem() === undefined)
      await this.send(withoutServers(last), source);
    await this.socket?.close();
  }

  /** The link is gone. */
  async abandon(): Promise<void> {
    this.alarm.set(Number.POSITIVE_INFINITY);
    await this.socket?.close();
  }

  private hear(): void {
    this.solicited++;
    this.advertiser.solicited(this.host.nowMs());
    if (this.isActive) this.alarm.set(this.advertiser.dueMs);
  }

  /** Sends what is due; while the link cannot, looks again soon. */
  private turn(): void {
    const source = this.source();
    const isActive = source !== undefined && this.problem() === undefined;
    if (isActive && !this.isActive) this.advertiser.start(this.host.nowMs());
    if (!isActive && this.isActive) this.advertiser.suspend();
    this.isActive = isActive;
    const due = this.advertiser.timer(this.host.nowMs());
    if (due !== undefined && source !== undefined) void this.send(due, source).catch(() => {});
    // Links and settings tell of their changes; an address that waits for detection does not.
    const isWaiting = source === undefined && isReady(this.link);
    this.alarm.set(isWaiting ? this.host.nowMs() + RETRY_MS : this.advertiser.dueMs);
  }

  /** The link, or whether it forwards, has changed. */
  linkChanged(): void {
    this.turn();
  }

  /** Where its addresses say what is advertised, hosts hear of a new one soon. */
  addressesChanged(): void {
    const isNew = this.options.prefixes === undefined && this.advertised !== prefixText(this.prefixes());
    if (isNew) this.advertiser.solicited(this.host.nowMs());
    if (isNew || !this.isActive) this.turn();
  }

  private source(): Uint8Array | undefined {
    const own = this.host.addresses(this.link);
    return own.find(({ address, isTentative }) => address[0] === 0xfe && (address[1] & 0xc0) === 0x80 && !isTentative)
      ?.address;
  }

  private problem(): string | undefined {
    if (!isReady(this.link)) return 'the link is down or has no carrier';
    if (!this.host.forwards6(this.link)) return 'the link does not forward IPv6 (net.ipv6.conf.all.forwarding)';
    return this.source() === undefined ? 'the link has no link-local address yet' : undefined;
  }

  /** Without prefixes of its own: those of the link's global addresses. */
  private prefixes(): PrefixInformation[] {
    const own = this.host.addresses(this.link).filter(({ address, length }) => isGlobal(address) && length < 128);
    const all = own.map(({ address, length }) => ({ prefix: prefixOf(address, length), length }));
    const single = new Map(
      all.map((each) => [`${Buffer.from(each.prefix).toString('hex')}/${each.length}`, each] as const),
    );
    const times = { validS: VALID_S, preferredS: PREFERRED_S };
    return [...single.values()].map((each) => ({ ...each, onLink: true, autonomous: each.length === 64, ...times }));
  }

  private async send(advertisement: Omit<RouterAdvertisement, 'sourceMac'>, source: Uint8Array): Promise<void> {
    const isChosen = this.options.prefixes !== undefined;
    const prefixes = isChosen ? advertisement.prefixes : this.prefixes();
    const { address: sourceMac, number } = this.link;
    const message = buildAdvertisement({ ...advertisement, prefixes, sourceMac });
    const packet = icmpPacket({ source, destination: ALL_NODES }, message, { ttl: 255 });
    this.sent++;
    this.advertised = prefixText(prefixes);
    await this.host.sockets.sendFrame(number, frameOf(groupMac(ALL_NODES), sourceMac, packet));
  }

  info(): AdvertiserInfo {
    const problem = this.problem();
    return {
      dev: this.link.name,
      ...this.options,
      ...(problem === undefined ? {} : { problem }),
      sent: this.sent,
      solicited: this.solicited,
    };
  }
}

function prefixText(prefixes: PrefixInformation[]): string {
  return prefixes.map(({ prefix, length }) => `${Buffer.from(prefix).toString('hex')}/${length}`).join();
}

/** Of the last advertisement: the servers are not to be asked any more, either (RFC 8106 §5.1). */
function withoutServers(last: Omit<RouterAdvertisement, 'sourceMac'>): Omit<RouterAdvertisement, 'sourceMac'> {
  return {
    ...last,
    dns: last.dns.map((servers) => ({ ...servers, lifetimeS: 0 })),
    search: last.search.map((list) => ({ ...list, lifetimeS: 0 })),
  };
}

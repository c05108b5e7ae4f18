/*
 * What the stacks of all namespaces say and hear as hosts, put together: address configuration for InetControl, and the
 * services of links. Made once, beside InetControl; told of links after it.
 */
import { randomInt } from 'node:crypto';
import { Conf6 } from '../route/conf.js';
import { buildSolicitation, parseAdvertisement } from '../wire/nd.js';
import { AddressConfiguration } from './addrconf/addrconf.js';
import type { Host6 } from './addrconf/host6.js';
import { bytesOfWords } from './addrconf/interface-id.js';
import type { Request } from './api/request.js';
import type { Call, EngineThread } from './engine-thread.js';
import type { InetControl } from './inet/inet-control.js';
import type { Link } from './link.js';
import type { LinkChange, LinkObserver, SettingChange } from './link-observer.js';
import type { Namespace } from './namespaces.js';
import { frameOf, groupMac, icmpPacket } from './packets.js';
import { addressBytes } from './probing.js';
import type { LinkAddress, ServiceHost, ServiceLink } from './service-host.js';
import { Services } from './services.js';
import { ND, type Socket, Sockets } from './sockets.js';
import { ADDR_GEN_MODE } from './sysctl-tables.js';

const ROUTER_ADVERTISEMENT = 134;
const ALL_ROUTERS = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);

/** What of the daemon is needed. */
export interface HostStackOwner {
  /** Carries out a request as a client would; `isNested`: as part of the one that is being carried out. */
  execute(namespace: string, request: Request, isNested: boolean): Promise<unknown>;
  log(level: 'info' | 'warn', link: string, text: string): void;
}

export class HostStack implements LinkObserver {
  readonly sockets: Sockets;
  readonly services: Services;
  readonly addrconf: AddressConfiguration<Link>;
  /** Of links that listen to routers, by number. */
  private readonly listening = new Map<number, Socket>();
  private readonly links = new Map<number, Link>();

  constructor(
    private readonly engine: EngineThread,
    private readonly inet: InetControl,
    private readonly owner: HostStackOwner,
  ) {
    this.sockets = new Sockets(engine);
    this.addrconf = new AddressConfiguration<Link>(inet.tables6, this.host6());
    this.services = new Services(this.serviceHost());
    inet.setAddrconf(this.addrconf);
    engine.onConflict = (link, address) => this.addrconf.conflict(link, bytesOfWords(...address));
  }

  private host6(): Host6<Link> {
    return {
      conf: (link, key) => link.settings.words6[key],
      maxConf: (link, key) => Math.max(link.settings.words6[key], link.namespace.sysctls.all(6, key)),
      setConf: (link, key, value, calls) => {
        link.settings.words6[key] = value;
        calls.push(['setConf', 'link6', link.number, key, value]);
      },
      generates: (link) => link.settings.words6[ADDR_GEN_MODE] === 0,
      disable: (link) => this.disable(link),
      post: (calls) => this.engine.post(calls),
      solicitRouters: (link, source) => this.solicitRouters(link, source),
      listen: (link, isOn) => this.listen(link, isOn),
      addressesChanged: (link) => this.services.addressesChanged(link),
      log: (link, text) => this.owner.log('warn', link.name, text),
      after: (ms, action) => {
        const timer = setTimeout(action, ms);
        timer.unref();
        return () => clearTimeout(timer);
      },
      // Not only for spreading load: nobody should foresee when a host probes.
      random: () => randomInt(2 ** 32) / 2 ** 32,
    };
  }

  private disable(link: Link): void {
    const key = `net/ipv6/conf/${link.name}/disable_ipv6`;
    const request: Request = { op: 'sysctl.set', key, value: '1' };
    this.owner
      .execute(link.namespace.name, request, false)
      .catch((error: Error) => this.owner.log('warn', link.name, error.message));
  }

  private solicitRouters(link: Link, source: Uint8Array): void {
    const message = buildSolicitation(link.address);
    const packet = icmpPacket({ source, destination: ALL_ROUTERS }, message, { ttl: 255 });
    this.engine.post([['sendFrame', link.number, frameOf(groupMac(ALL_ROUTERS), link.address, packet)]]);
  }

  private listen(link: Link, isOn: boolean): void {
    void this.listening.get(link.number)?.close();
    this.listening.delete(link.number);
    if (!isOn) return;
    const binding = { family: 6 as const, protocol: ND, port: ROUTER_ADVERTISEMENT, link: link.number };
    const socket = this.sockets.listen(
      { ...binding, namespace: link.namespace.number },
      {
        onPacket: ({ packet, transport, source }) => {
          const advertisement = parseAdvertisement(packet, transport, packet.length);
          if (advertisement !== undefined) this.addrconf.advertised(link, source, advertisement);
        },
      },
    );
    this.listening.set(link.number, socket);
  }

  private serviceHost(): ServiceHost {
    return {
      sockets: this.sockets,
      addresses: (link) => this.addressesOf(link),
      forwards6: (link) => this.links.get(link.number)?.settings.words6[Conf6.FORWARDING] !== 0,
      execute: (namespace, request, isNested) => this.owner.execute(namespace, request, isNested),
      log: (level, link, text) => this.owner.log(level, link.name, text),
      nowMs: () => performance.now(),
    };
  }

  private addressesOf({ number }: ServiceLink): LinkAddress[] {
    const link = this.links.get(number);
    if (link === undefined) return [];
    return this.inet.addressesOf(link).map(({ local, prefixlen, tentative = false }) => ({
      address: addressBytes(local) ?? new Uint8Array(4),
      length: prefixlen,
      isTentative: tentative,
    }));
  }

  // --- LinkObserver -------------------------------------------------------------------------------

  namespaceAdded(): void {}

  namespaceRemoved(): void {}

  linkAdded(link: Link): void {
    this.links.set(link.number, link);
  }

  linkRemoved(link: Link): void {
    this.services.linkRemoved(link);
    this.links.delete(link.number);
  }

  linkMoved(link: Link): void {
    this.services.linkRemoved(link);
  }

  linkChanged(link: Link, _what: LinkChange): void {
    this.services.linkChanged(link);
  }

  settingChanged(_namespace: Namespace, { family, name, link }: SettingChange, calls: Call[]): void {
    if (family !== 6 || link === undefined) return;
    if (name === 'forwarding' || name === 'accept_ra' || name === 'addr_gen_mode')
      this.addrconf.settingChanged(link, name, calls);
    if (name === 'forwarding') this.services.linkChanged(link);
  }
}

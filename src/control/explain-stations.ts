/* Of a packet that is tried out, what lies below IP: whom a frame is for, and where one goes that leaves. */
import { LinkFlag } from '../core/links.js';
import { PortState } from '../datapath.js';
import { holds, lengthOf } from './explain-packet.js';
import type { InetControl } from './inet/inet-control.js';
import { type Link, macText } from './link.js';
import { portState } from './link-states.js';
import type { NeighbourControl } from './neighbours.js';
import type { Stations } from './stations.js';

/** Of a host whose MAC nobody here knows: no station has it. */
const NOBODY = '02:00:00:00:00:02';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** RT_SCOPE_LINK. */
const SCOPE_LINK = 253;

export interface Station {
  mac: string;
  /** Nothing says that the address has it. */
  isAssumed: boolean;
}

/** Where a link leads. */
export interface Way {
  link: Link;
  text: string;
  /** It gets no further. */
  isLost: boolean;
}

export interface StationParts {
  inet: InetControl;
  neighbours: NeighbourControl;
  stations: Stations;
}

export class StationFinder {
  constructor(private readonly parts: StationParts) {}

  /** Whom a frame to an IP address, which comes in by a link, is for. Groups have addresses of their own (explain-packet.ts). */
  async stationOf(link: Link, address: string): Promise<Station> {
    const bridge = link.master;
    if (bridge?.kind !== 'bridge') return known(macText((bridge ?? link).address));
    const own = known(macText(bridge.address));
    if (isGroup(address) || this.isOwn(bridge, address)) return own;
    const infos = this.parts.inet.addressesOf(bridge).filter(({ local }) => isOfFamily(local, address));
    if (infos.some(({ broadcast }) => broadcast === address)) return known(BROADCAST);
    const isOnLink = infos.some((info) => holds(`${info.address ?? info.local}/${info.prefixlen}`, address));
    if (!isOnLink && infos.some(({ scope }) => scope !== SCOPE_LINK)) return own;
    const mac = (await this.neighbourMac(bridge, address)) ?? this.macBehind(bridge, address);
    return mac === undefined ? { mac: NOBODY, isAssumed: true } : known(mac);
  }

  private isOwn({ namespace }: Link, address: string): boolean {
    return [...namespace.links.values()].some((link) => this.has(link, address));
  }

  private has(link: Link, address: string): boolean {
    return this.parts.inet.addressesOf(link).some(({ local }) => holds(local, address));
  }

  private async neighbourMac(bridge: Link, address: string): Promise<string | undefined> {
    const list = await this.parts.neighbours.list({ family: address.includes(':') ? 6 : 4 }, bridge.namespace);
    return list.find(({ dst, dev }) => dev === bridge.name && holds(dst, address))?.lladdr;
  }

  /** Of a veth whose other end is a port. */
  private macBehind(bridge: Link, address: string): string | undefined {
    for (const { peer } of bridge.ports) {
      const holder = peer?.master ?? peer;
      if (holder !== undefined && this.has(holder, address)) return macText(holder.address);
    }
    return undefined;
  }

  /** Where a frame goes that leaves by a link, for a station; undefined: it is asked for. */
  async waysFrom(link: Link, mac: string | undefined): Promise<Way[]> {
    const { name, kind, peer, vlan, namespace } = link;
    if (vlan !== undefined) {
      const text = `${name} is vlan ${vlan.id} on ${vlan.lower.name}: it leaves there, tagged`;
      const further = vlan.lower.kind === 'bridge' ? await this.waysFrom(vlan.lower, mac) : [];
      return [{ link, text, isLost: false }, ...further];
    }
    if (kind === 'bridge') return [await this.wayThrough(link, mac)];
    if (peer === undefined) return [];
    const where = peer.namespace === namespace ? '' : ` in namespace ${peer.namespace.name}`;
    return [{ link, text: `the other end of ${name} is ${peer.name}${where}`, isLost: false }];
  }

  private async wayThrough(bridge: Link, mac: string | undefined): Promise<Way> {
    const front = `${bridge.name} is a bridge: `;
    if (mac === undefined) return flooded(bridge, `${front}the question goes`, LinkFlag.BCAST_FLOOD);
    if ((Number.parseInt(mac.slice(0, 2), 16) & 1) !== 0) {
      const gate = mac === BROADCAST ? LinkFlag.BCAST_FLOOD : LinkFlag.MCAST_FLOOD;
      return flooded(bridge, `${front}a frame for a group goes`, gate);
    }
    const found = await this.parts.stations.list({ op: 'fdb.list', bridge: bridge.name }, bridge.namespace);
    const row = found.find((one) => one.mac === mac && one.vlan === undefined);
    const port = bridge.ports.find(({ name }) => name === row?.ifname);
    if (row === undefined)
      return flooded(bridge, `${front}nobody knows where ${mac} is, it is flooded`, LinkFlag.FLOOD);
    if (port === undefined || row.state === 'permanent')
      return { link: bridge, text: `${front}${mac} is an address of ${row.ifname} itself`, isLost: true };
    const state = stateText(port);
    const text = `${front}${mac} is behind its port ${port.name}${state === '' ? '' : `, which ${state}`}`;
    return { link: bridge, text, isLost: state !== '' };
  }
}

function known(mac: string): Station {
  return { mac, isAssumed: false };
}

function isOfFamily(one: string, other: string): boolean {
  return one.includes(':') === other.includes(':');
}

/** Multicast, or broadcast of any net. */
export function isGroup(address: string): boolean {
  return lengthOf(address) === 32
    ? holds('224.0.0.0/4', address) || holds('255.255.255.255', address)
    : holds('ff00::/8', address);
}

/** Why a port passes nothing; empty: it does. */
function stateText(port: Link): string {
  if (portState(port) === PortState.FORWARDING) return '';
  if (!port.isUp) return 'is down';
  return port.hasCarrier ? 'does not forward' : 'has no carrier';
}

function flooded(bridge: Link, front: string, gate: LinkFlag): Way {
  const to = bridge.ports.filter((port) => stateText(port) === '' && ((port.port?.options ?? 0) & gate) !== 0);
  const names = to.map(({ name }) => name).join(', ');
  const silent = bridge.ports.filter((port) => stateText(port) !== '').map((port) => `${port.name} ${stateText(port)}`);
  const but = silent.length === 0 ? '' : `; ${silent.join(', ')}`;
  return { link: bridge, text: `${front} to ${names === '' ? 'no port' : names}${but}`, isLost: to.length === 0 };
}

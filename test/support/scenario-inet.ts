/*
 * What a scenario commands of the IP stack, on a Router: `ip netns`, `ip addr`, `ip route`, `ip neigh` and `sysctl`, a part of what the
 * real commands understand.
 */

import { CONF4, CONF6, NEIGH4, NEIGH6, NET4, NET6, type Sysctl } from '../../src/control/sysctl-tables.js';
import type { Namespace } from '../../src/core/links.js';
import type { ConfTable } from '../../src/route/conf.js';
import { RouteType } from '../../src/route/fib.js';
import { Update } from '../../src/route/neighbour-states.js';
import { Neighbour, NeighbourFamily, Nud } from '../../src/tables/neighbours.js';
import { write32 } from '../../src/wire/field.js';
import { formatIpv4, formatIpv6, formatMac } from '../../src/wire/format.js';
import { solicitedNode } from './lan.js';
import { numbersOf } from './network.js';
import { type RouteOptions, type Router, wordsOf } from './router.js';
import type { Words } from './scenario-packets.js';

const ROUTE_TYPES: Record<string, RouteType> = {
  unicast: RouteType.UNICAST,
  local: RouteType.LOCAL,
  broadcast: RouteType.BROADCAST,
  blackhole: RouteType.BLACKHOLE,
  unreachable: RouteType.UNREACHABLE,
  prohibit: RouteType.PROHIBIT,
};

const STATES: Record<string, Nud> = {
  incomplete: Nud.INCOMPLETE,
  reachable: Nud.REACHABLE,
  stale: Nud.STALE,
  delay: Nud.DELAY,
  probe: Nud.PROBE,
  failed: Nud.FAILED,
  noarp: Nud.NOARP,
  permanent: Nud.PERMANENT,
};

/** The last address of an IPv4 subnet; undefined where it has none to spare. */
function broadcastOf(cidr: string): string | undefined {
  const [address, length] = cidr.split('/');
  if (Number(length ?? 32) > 30) return undefined;
  return formatIpv4(wordsOf(address)[0] | (0xffffffff >>> Number(length)));
}

export class ScenarioInet {
  private readonly namespaces = new Map<string, Namespace>([['host', 0]]);

  /** `macOf`: of a station's name. */
  constructor(
    private readonly router: Router,
    private readonly macOf: (word: string) => string,
  ) {}

  private get inet() {
    return this.router.dataplane.inet;
  }

  namespace(name: string): Namespace {
    const number = this.namespaces.get(name);
    if (number === undefined) throw new Error(`there is no namespace "${name}"`);
    return number;
  }

  /** `ip netns add NAME`. */
  netns(words: Words): void {
    words.demand('add');
    const name = words.next('a name');
    this.namespaces.set(name, this.namespaces.size);
    this.router.namespace(this.namespace(name), `lo.${name}`);
  }

  /** `ip link set LINK netns NAME`. */
  move(link: string, namespace: string): void {
    const number = this.namespace(namespace);
    this.router.dataplane.setNamespace(this.router.link(link), number);
    this.router.equip(link, this.router.macOf(link), number).down(link);
  }

  /** `ip addr add ADDRESS/LENGTH dev LINK`: its routes, and the groups that neighbours ask for it by. */
  addr(words: Words): void {
    words.demand('add');
    const cidr = words.next('an address');
    words.demand('dev');
    const link = words.next('a link');
    this.router.address(link, cidr);
    const [address] = cidr.split('/');
    if (address.includes(':')) return this.join(link, address);
    const broadcast = broadcastOf(cidr);
    if (broadcast !== undefined) this.router.route(broadcast, { type: RouteType.BROADCAST, dev: link, src: address });
  }

  private join(link: string, address: string): void {
    const { groups6 } = this.inet.addresses;
    const number = this.router.link(link);
    groups6[number] = Int32Array.of(...groups6[number], ...wordsOf(solicitedNode(address)[0]));
  }

  /** `ip route add [TYPE] PREFIX [via ADDRESS] [dev LINK] [mtu N] [src ADDRESS] [nexthop via ADDRESS dev LINK [weight N]]…`. */
  route(words: Words, namespace: Namespace): void {
    words.demand('add');
    let prefix = words.next('a prefix');
    const options: RouteOptions = { namespace };
    if (prefix in ROUTE_TYPES) {
      options.type = ROUTE_TYPES[prefix];
      prefix = words.next('a prefix');
    }
    while (!words.isAtEnd) this.routeOption(words, options);
    const isDefault6 = prefix === 'default' && (options.via ?? options.hops?.[0][0])?.includes(':');
    this.router.route(isDefault6 ? '::/0' : prefix, options);
  }

  private routeOption(words: Words, options: RouteOptions): void {
    const name = words.next('an option');
    if (name === 'via') options.via = words.address();
    else if (name === 'src') options.src = words.address();
    else if (name === 'dev') options.dev = words.next('a link');
    else if (name === 'mtu') options.mtu = words.number();
    else if (name === 'nexthop') this.hop(words, options);
    else throw new Error(`ip route has no "${name}"`);
  }

  private hop(words: Words, options: RouteOptions): void {
    const via = words.skip('via') ? words.address() : undefined;
    words.demand('dev');
    const link = words.next('a link');
    options.hops = [...(options.hops ?? []), [via, link, words.skip('weight') ? words.number() : 1]];
  }

  /** `ip neigh add ADDRESS lladdr STATION dev LINK [nud STATE]`. */
  neigh(words: Words): void {
    words.demand('add');
    const address = words.address();
    words.demand('lladdr');
    const { high, low } = numbersOf(this.macOf(words.next('a station')));
    words.demand('dev');
    const link = this.router.link(words.next('a link'));
    const state = words.skip('nud') ? stateOf(words.next('a state')) : Nud.PERMANENT;
    const { states } = this.inet.neighbour;
    const [a, b, c, d] = wordsOf(address);
    const isExempt = state === Nud.PERMANENT;
    const { now } = this.router;
    const slot =
      b === undefined ? states.create4(link, a, isExempt, now) : states.create6(link, a, b, c, d, isExempt, now);
    if (slot < 0) throw new Error('the table of neighbours is full');
    states.update(slot, true, high, low, state, Update.ADMIN | Update.OVERRIDE, now);
  }

  /** The neighbours of a link: "ADDRESS MAC STATE", with a dash for a MAC address that is not known. */
  neighbours(link: string): Array<{ address: string; mac: string | undefined; state: string }> {
    const { neighbours } = this.inet;
    const number = this.router.link(link);
    const namespace = this.router.dataplane.links.namespace[number];
    const found = [];
    for (const family of [NeighbourFamily.IPV4, NeighbourFamily.IPV6])
      for (let slot = neighbours.first(namespace, family); slot >= 0; slot = neighbours.next(slot))
        if (neighbours.link(slot) === number) found.push(this.neighbour(slot));
    return found;
  }

  private neighbour(slot: number): { address: string; mac: string | undefined; state: string } {
    const { neighbours } = this.inet;
    const bytes = new Uint8Array(16);
    for (let i = 0; i < 4; i++) write32(bytes, i * 4, neighbours.rows[(slot << Neighbour.SHIFT) + i]);
    const isIpv4 = neighbours.family(slot) === NeighbourFamily.IPV4;
    const state = neighbours.state(slot);
    const view = new DataView(new ArrayBuffer(6));
    view.setUint16(0, neighbours.macHigh(slot), true);
    view.setInt32(2, neighbours.macLow(slot), true);
    return {
      address: isIpv4 ? formatIpv4(neighbours.rows[slot << Neighbour.SHIFT]) : formatIpv6(bytes),
      mac: (state & Nud.VALID) === 0 ? undefined : formatMac(view.getUint16(0), view.getUint32(2)),
      state: Object.entries(STATES).find(([, value]) => value === state)?.[0] ?? String(state),
    };
  }

  /** `sysctl NAME=VALUE`. */
  sysctl(text: string, namespace: Namespace): void {
    const [, name, value] = /^(\S+?)\s*=\s*(.*)$/.exec(text) ?? [];
    if (name === undefined) throw new Error('sysctl NAME=VALUE');
    const { table, row, sysctl } = this.find(name, namespace);
    const number = sysctl.unit.parse(value, sysctl.min, sysctl.max);
    if (number === undefined) throw new Error(`"${value}" is no value of ${name}`);
    this.inet.conf.set(table, row, sysctl.key, number);
  }

  private find(name: string, namespace: Namespace): { table: ConfTable; row: number; sysctl: Sysctl } {
    const [, family, folder, link, rest] = /^net\.ipv([46])\.(?:(conf|neigh)\.([^.]+)\.)?(.*)$/.exec(name) ?? [];
    const isIpv4 = family === '4';
    const tables = { conf: isIpv4 ? CONF4 : CONF6, neigh: isIpv4 ? NEIGH4 : NEIGH6 };
    const list = folder === undefined ? (isIpv4 ? NET4 : NET6) : tables[folder as keyof typeof tables];
    const sysctl = list.find((one) => one.name === rest?.replaceAll('.', '/'));
    if (sysctl === undefined) throw new Error(`there is no sysctl ${name}`);
    const kind = folder === undefined ? 'net' : link === 'all' ? 'all' : 'link';
    const row = kind === 'link' ? this.router.link(link) : namespace;
    return { table: `${kind}${isIpv4 ? 4 : 6}`, row, sysctl };
  }
}

function stateOf(word: string): Nud {
  if (STATES[word] === undefined) throw new Error(`"${word}" is no state of a neighbour`);
  return STATES[word];
}

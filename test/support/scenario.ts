/*
 * Scenarios as text: a network, what goes in, what must come out. One instruction a line, `#` begins a comment, the
 * first comment is the scenario's title. Ports are in memory and time stands still, so nothing else happens.
 *
 *   ip link add NAME type bridge [OPTION VALUE]…             ip link add NAME [mtu N] type memory
 *   ip link add NAME type veth peer name NAME                ip link add link LOWER NAME type vlan id N [protocol 802.1ad]
 *   ip link set NAME [master BRIDGE | nomaster] [up | down] [mtu N] [carrier on|off] [netns NAME] [type bridge OPTION VALUE…]
 *   ip link del NAME                                         ip netns add NAME
 *   bridge link set dev PORT [OPTION VALUE]…                 bridge fdb add|del STATION dev PORT [master] [permanent|static|dynamic] [sticky]
 *
 *   ip [-n NETNS] addr add ADDRESS/LENGTH dev LINK           ip neigh add ADDRESS lladdr STATION dev LINK [nud STATE]
 *   ip [-n NETNS] route add [TYPE] PREFIX [via ADDRESS] [dev LINK] [mtu N] [nexthop via ADDRESS dev LINK weight N]…
 *   sysctl NAME=VALUE                                        links forward from the start, both IPv4 and IPv6
 *
 *   in PORT [xN]: FRAME         a frame comes in, N times; all that follows from it happens before the next line
 *   out PORT [xN]: FRAME        it comes out of this port, next after what was already expected of it there
 *   out: nothing                for the reader: the next check would say so too
 *   time +5s                    also ms, m, h and d
 *   fdb: A p1, B p2             all stations that are known, and where (`fdb: empty`)
 *   drops: REASON N, …          all drops since the last `drops:` (`drops: none`)
 *   delivered LINK: N           frames for this host, since the beginning
 *   neigh LINK: ADDRESS STATION STATE, …   its neighbours (`none`), with a dash for an address that is not known
 *
 * NAME may hold braces as in a shell: p{1,2,3}. A FRAME is SOURCE > DESTINATION [len N] [gso N] or SOURCE > DESTINATION PACKET
 * (scenario-packets.ts), each a station (a capital letter: 02:00:00:00:00:41 for A, …:42 for B), a link (its own address), a MAC
 * address, or one of `broadcast`, `multicast`, `bpdu`, `pause`, `lacp` and `lldp`.
 *
 * What comes out of any port and is not expected by the lines that follow directly is an error, so is a drop that no
 * `drops:` accounts for: a scenario says everything that happens.
 */
import { Gso, Vnet } from '../../src/core/arena.js';
import { Counter, LinkFlag, LinkKind } from '../../src/core/links.js';
import { PORT_DEFAULTS, PortState } from '../../src/datapath.js';
import { FdbFlag } from '../../src/tables/fdb.js';
import { formatIpv4At, formatIpv6, formatMacAt, parseAddress, parseMac } from '../../src/wire/format.js';
import { frame as frameOf } from './frames.js';
import { numbersOf } from './network.js';
import { Router } from './router.js';
import { ScenarioInet } from './scenario-inet.js';
import {
  likened,
  parsePacket,
  type SymbolicFrame,
  type Symbols,
  showPacket,
  untagged,
  Words,
} from './scenario-packets.js';

const NAMES: Record<string, string> = {
  broadcast: 'ff:ff:ff:ff:ff:ff',
  multicast: '01:00:5e:01:02:03',
  bpdu: '01:80:c2:00:00:00',
  pause: '01:80:c2:00:00:01',
  lacp: '01:80:c2:00:00:02',
  lldp: '01:80:c2:00:00:0e',
};

const PORT_FLAGS: Record<string, LinkFlag> = {
  learning: LinkFlag.LEARNING,
  flood: LinkFlag.FLOOD,
  bcast_flood: LinkFlag.BCAST_FLOOD,
  mcast_flood: LinkFlag.MCAST_FLOOD,
  isolated: LinkFlag.ISOLATED,
  hairpin: LinkFlag.HAIRPIN,
  locked: LinkFlag.LOCKED,
};

const STORMS = ['storm_broadcast', 'storm_multicast', 'storm_unknown'];

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function letterOf(mac: string): string | undefined {
  const match = /^02:00:00:00:00:(4[1-9a-f]|5[0-9a])$/.exec(mac);
  return match === null ? undefined : String.fromCharCode(Number.parseInt(match[1], 16));
}

/** The words of a frame that is no packet, behind its addresses: nothing but its length counts. */
function parsePlain(words: Words, source: string, destination: string): SymbolicFrame {
  let length = 60;
  let vnet: number[] = [];
  while (!words.isAtEnd) {
    const word = words.next('a field');
    if (word === 'len') length = words.number();
    else if (word === 'gso') vnet = [Vnet.NEEDS_CSUM | (Gso.TCPV4 << 8), 54, words.number(), 34, 16];
    else throw new Error(`a frame has no "${word}"`);
  }
  return { bytes: frameOf(source, destination, { length }), vnet, hasAnyId: false };
}

/** The source address of an IP packet; undefined: the frame is none. */
function sourceOf(bytes: Uint8Array): string | undefined {
  const type = (bytes[12] << 8) | bytes[13];
  if (type === 0x0800) return formatIpv4At(bytes, 26);
  return type === 0x86dd ? formatIpv6(bytes, 22) : undefined;
}

function numberOf(word: string | undefined): number {
  const value = Number(word);
  if (word === undefined || !Number.isInteger(value) || value < 0) throw new Error(`"${word}" is no number`);
  return value;
}

function isOn(word: string | undefined): boolean {
  if (word !== 'on' && word !== 'off') throw new Error(`"${word}" is neither on nor off`);
  return word === 'on';
}

/** A line with braces as the lines a shell would make of it. */
function expand(line: string): string[] {
  const match = /\{([^}]*)\}/.exec(line);
  if (match === null) return [line];
  return match[1].split(',').flatMap((part) => expand(line.replace(match[0], part)));
}

interface PortSettings {
  flags: number;
  state: PortState;
  limit: number;
}

interface BridgeSettings {
  ageingMs: number;
  mask: number;
  isTransparent: boolean;
  learnLimit: number;
}

export class Scenario {
  private readonly network = new Router();
  private readonly inet = new ScenarioInet(this.network, (word) => this.addressOf(word));
  /** What has come in, oldest first, without tags. */
  private readonly arrived: Uint8Array[] = [];
  private readonly symbols: Symbols = {
    mac: (word) => this.addressOf(word),
    wordOf: (mac) => this.wordOf(mac),
    latestFrom: (address) => this.latestFrom(address),
  };
  private readonly links: string[] = [];
  private readonly memories: string[] = [];
  private readonly ports = new Map<string, PortSettings>();
  private readonly bridges = new Map<string, BridgeSettings>();
  private readonly waiting = new Map<string, Uint8Array[]>();
  private seenDrops: Record<string, number> = {};
  /** Expectations met: a scenario without any tests nothing. */
  expectations = 0;

  /** Runs a scenario; throws with the number of the line that does not hold. */
  static run(text: string): Scenario {
    const scenario = new Scenario();
    const lines = text.split('\n');
    for (const [i, line] of lines.entries()) scenario.line(line, i + 1);
    scenario.at(lines.length, () => {
      scenario.settle();
      scenario.expectDrops('none');
    });
    const { held } = scenario.network.balance();
    if (held !== 0) throw new Error(`at its end ${held} frames still wait`);
    scenario.network.expectConserved();
    // The check just made is every scenario's.
    if (scenario.expectations === 1) throw new Error('this scenario expects nothing');
    return scenario;
  }

  static titleOf(text: string): string {
    return /^#\s*(.*)/.exec(text)?.[1] ?? 'has no title';
  }

  private line(text: string, number: number): void {
    const line = text.replace(/#.*/, '').trim();
    if (line === '') return;
    this.at(number, () => {
      for (const one of expand(line)) this.instruction(one);
    });
  }

  private at(number: number, act: () => void): void {
    try {
      act();
    } catch (error) {
      throw new Error(`line ${number}: ${(error as Error).message}`);
    }
  }

  private instruction(line: string): void {
    const inNamespace = /^(ip|sysctl) -n (\S+) (.*)$/.exec(line);
    if (inNamespace !== null) return this.command(`${inNamespace[1]} ${inNamespace[3]}`, inNamespace[2]);
    const [head, ...tail] = line.split(':');
    const argument = tail.join(':').trim();
    const [word, name, times] = head.trim().split(/\s+/);
    if (word === 'out') return this.expectOut(name, times, argument);
    if (word === 'in') return this.send(name, times, argument);
    if (word === 'fdb') return this.expectStations(argument);
    if (word === 'drops') return this.expectDrops(argument);
    if (word === 'delivered') return this.expectDelivered(name, argument);
    if (word === 'neigh') return this.expectNeighbours(name, argument);
    this.command(line, 'host');
  }

  /** A command, in a namespace; what it sets free comes out. */
  private command(line: string, namespace: string): void {
    this.settle();
    const words = line.split(/\s+/);
    const [word, name] = words;
    const rest = words.slice(2);
    if (word === 'time') this.time(words[1]);
    else if (word === 'ip' && name === 'link') this.ipLink(rest);
    else if (word === 'ip' && name === 'netns') this.inet.netns(new Words(rest));
    else if (word === 'ip' && name === 'addr') this.inet.addr(new Words(rest));
    else if (word === 'ip' && name === 'route') this.inet.route(new Words(rest), this.inet.namespace(namespace));
    else if (word === 'ip' && name === 'neigh') this.inet.neigh(new Words(rest));
    else if (word === 'sysctl') this.inet.sysctl(line.slice(word.length + 1), this.inet.namespace(namespace));
    else if (word === 'bridge' && name === 'link') this.bridgeLink(rest);
    else if (word === 'bridge' && name === 'fdb') this.bridgeFdb(rest);
    else throw new Error(`"${line}" is not understood`);
    this.network.engine.flush(this.network.now);
    this.network.run();
    this.collect();
  }

  // --- names ------------------------------------------------------------------------------------

  private addressOf(word: string): string {
    if (/^[A-Z]$/.test(word)) return `02:00:00:00:00:${word.charCodeAt(0).toString(16)}`;
    if (this.network.has(word)) return this.network.macOf(word);
    const mac = NAMES[word] ?? word;
    if (parseMac(mac) === undefined) throw new Error(`"${word}" is neither a station nor a MAC address`);
    return mac;
  }

  /** An address as a scenario would write it. */
  private wordOf(mac: string): string {
    const named = Object.entries(NAMES).find(([, address]) => address === mac);
    if (named !== undefined) return named[0];
    return letterOf(mac) ?? this.links.find((link) => this.network.macOf(link) === mac) ?? mac;
  }

  private latestFrom(address: string): Uint8Array {
    const source = formatAddress(address);
    const found = this.arrived.findLast((bytes) => sourceOf(bytes) === source);
    if (found === undefined) throw new Error(`nothing came in from ${address} that an error could quote`);
    return found;
  }

  private parseFrame(text: string): SymbolicFrame {
    const words = new Words(text.trim().split(/\s+/));
    const source = words.next('a station');
    if (!words.skip('>') || words.isAtEnd) throw new Error(`"${text.trim()}" is no frame: SOURCE > DESTINATION`);
    const ends = { from: this.addressOf(source), to: this.addressOf(words.next('a station')) };
    return parsePacket(words, ends, this.symbols) ?? parsePlain(words, ends.from, ends.to);
  }

  private showFrame(bytes: Uint8Array): string {
    if (bytes.length < 14) return `${bytes.length} bytes`;
    const length = bytes.length === 60 ? '' : ` len ${bytes.length}`;
    const packet = showPacket(bytes, this.symbols);
    const ends = `${this.wordOf(formatMacAt(bytes, 6))} > ${this.wordOf(formatMacAt(bytes, 0))}`;
    return packet === undefined ? `${ends}${length}` : `${ends} ${packet}`;
  }

  // --- configuration ----------------------------------------------------------------------------

  private ipLink([verb, name, ...words]: string[]): void {
    if (verb === 'add' && name === 'link') return this.addVlan(new Words(words));
    if (verb === 'add') return this.addLink(name, words);
    if (verb === 'set') return this.setLink(name, words);
    if (verb !== 'del') throw new Error(`ip link has no "${verb}"`);
    this.network.remove(name);
    this.links.splice(this.links.indexOf(name), 1);
    this.memories.splice(this.memories.indexOf(name), this.memories.includes(name) ? 1 : 0);
    this.bridges.delete(name);
    this.ports.delete(name);
  }

  private addLink(name: string, words: string[]): void {
    if (this.network.has(name)) throw new Error(`there is a link "${name}" already`);
    const type = words[words.indexOf('type') + 1];
    if (type === 'bridge') {
      this.equip(this.network.bridge(name), name);
      this.bridges.set(name, { ageingMs: 300_000, mask: 0, isTransparent: false, learnLimit: 0 });
      return this.setBridge(name, words.slice(words.indexOf('type') + 2));
    }
    if (type === 'veth') return this.addVeth(name, new Words(words.slice(words.indexOf('type') + 2)));
    if (type !== 'memory') throw new Error(`there is no link of type "${type}" here`);
    this.equip(this.network.port(name, words[0] === 'mtu' ? numberOf(words[1]) : 1500), name);
    this.memories.push(name);
  }

  /** A link's own address, and settings; it stays down. */
  private equip(network: Router, name: string, mac = `02:00:00:00:0b:${octet(network.link(name))}`): void {
    network.equip(name, mac, 0).down(name);
    this.links.push(name);
  }

  private addVeth(name: string, words: Words): void {
    words.demand('peer');
    words.demand('name');
    const ends = [name, words.next('a name')];
    for (const end of ends) this.network.dataplane.addVirtual(this.network.newLink(end), LinkKind.VETH, 1500, 0);
    this.network.dataplane.setPeer(this.network.link(ends[0]), this.network.link(ends[1]));
    for (const end of ends) this.equip(this.network, end);
  }

  /** `ip link add link LOWER NAME type vlan id N [protocol 802.1ad]`. */
  private addVlan(words: Words): void {
    const lower = words.next('a link');
    const name = words.next('a name');
    for (const word of ['type', 'vlan', 'id']) words.demand(word);
    const id = words.number();
    const type = words.skip('protocol') && words.next('a protocol') === '802.1ad' ? 0x88a8 : 0x8100;
    const { dataplane } = this.network;
    dataplane.addVirtual(this.network.newLink(name), LinkKind.VLAN, 1500, 0);
    dataplane.setVlan(this.network.link(name), this.network.link(lower), (type << 16) | id);
    this.equip(this.network, name, this.network.macOf(lower));
  }

  private setLink(name: string, words: string[]): void {
    const { dataplane } = this.network;
    const link = this.network.link(name);
    for (let i = 0; i < words.length; i++) {
      if (words[i] === 'up' || words[i] === 'down') dataplane.setUp(link, words[i] === 'up');
      else if (words[i] === 'mtu') dataplane.setMtu(link, numberOf(words[++i]));
      else if (words[i] === 'carrier') dataplane.setCarrier(link, isOn(words[++i]));
      else if (words[i] === 'master') this.enslave(name, words[++i]);
      else if (words[i] === 'nomaster') this.network.leave(name);
      else if (words[i] === 'netns') this.inet.move(name, words[++i]);
      else if (words[i] === 'type' && words[i + 1] === 'bridge') return this.setBridge(name, words.slice(i + 2));
      else throw new Error(`ip link set has no "${words[i]}"`);
    }
  }

  private enslave(name: string, bridge: string): void {
    this.network.dataplane.setMaster(this.network.link(name), this.network.link(bridge), this.network.now);
    this.ports.set(name, { flags: PORT_DEFAULTS, state: PortState.FORWARDING, limit: 0 });
  }

  private setBridge(name: string, words: string[]): void {
    const settings = this.bridges.get(name);
    if (settings === undefined) throw new Error(`"${name}" is no bridge`);
    for (let i = 0; i < words.length; i += 2) {
      if (words[i] === 'ageing_time') settings.ageingMs = numberOf(words[i + 1]) * 10;
      else if (words[i] === 'group_fwd_mask') settings.mask = numberOf(words[i + 1]);
      else if (words[i] === 'transparent') settings.isTransparent = isOn(words[i + 1]);
      else if (words[i] === 'fdb_max_learned') settings.learnLimit = numberOf(words[i + 1]);
      else throw new Error(`a bridge has no "${words[i]}"`);
    }
    this.network.bridgeOptions(settings, name);
  }

  private bridgeLink([verb, dev, name, ...words]: string[]): void {
    const settings = this.ports.get(name);
    if (verb !== 'set' || dev !== 'dev' || settings === undefined) throw new Error('bridge link set dev PORT …');
    const link = this.network.link(name);
    for (let i = 0; i < words.length; i += 2) {
      const [word, value] = [words[i], words[i + 1]];
      const storm = STORMS.indexOf(word);
      if (storm >= 0) this.network.dataplane.setStorm(link, storm, numberOf(value), this.network.now);
      else if (word === 'state') settings.state = numberOf(value);
      else if (word === 'fdb_limit') settings.limit = numberOf(value);
      else if (PORT_FLAGS[word] === undefined) throw new Error(`a bridge port has no "${word}"`);
      else settings.flags = isOn(value) ? settings.flags | PORT_FLAGS[word] : settings.flags & ~PORT_FLAGS[word];
    }
    this.network.dataplane.setPort(link, settings.flags, settings.state, settings.limit);
  }

  private bridgeFdb([verb, station, dev, name, ...words]: string[]): void {
    if (dev !== 'dev') throw new Error('bridge fdb add|del STATION dev PORT …');
    const link = this.network.link(name);
    const { dataplane, now } = this.network;
    const bridge = this.bridges.has(name) ? link : dataplane.links.master[link];
    const { high, low } = numbersOf(this.addressOf(station));
    if (verb === 'del') {
      if (!dataplane.removeStation(bridge, 0, high, low)) throw new Error(`there is no entry for ${station}`);
      return;
    }
    if (verb !== 'add') throw new Error(`bridge fdb has no "${verb}"`);
    let flags: number = FdbFlag.ADDED_BY_USER;
    if (words.includes('sticky')) flags |= FdbFlag.STICKY;
    if (!words.includes('dynamic')) flags |= FdbFlag.STATIC;
    if (!words.includes('dynamic') && !words.includes('static')) flags |= FdbFlag.LOCAL;
    if (!dataplane.setStation(bridge, 0, high, low, link, flags, now))
      throw new Error(`the entry for ${station} is refused`);
  }

  private time(word: string): void {
    const match = /^\+(\d+)(ms|s|m|h|d)$/.exec(word);
    if (match === null) throw new Error(`"${word}" is no time: +5s`);
    const ms = Number(match[1]) * UNITS[match[2]];
    if (ms > UNITS.h) this.network.sleep(ms);
    else this.network.wait(ms);
  }

  // --- traffic ----------------------------------------------------------------------------------

  private send(name: string, times: string | undefined, text: string): void {
    this.settle();
    const { bytes, vnet } = this.parseFrame(text);
    this.arrived.push(untagged(bytes));
    for (let i = 0; i < timesOf(times); i++) this.network.memory(name).feed(bytes, vnet);
    this.network.run(name);
    this.collect();
  }

  private collect(): void {
    for (const port of this.memories) this.waiting.set(port, this.network.take(port));
  }

  private expectOut(name: string | undefined, times: string | undefined, text: string): void {
    this.expectations++;
    if (name === undefined && text === 'nothing') return this.settle();
    const expected = this.parseFrame(text);
    for (let i = 0; i < timesOf(times); i++) {
      const next = this.waiting.get(name ?? '')?.shift();
      if (next === undefined)
        throw new Error(`${i === 0 ? 'nothing' : `only ${i} frames`} came out of ${name}, expected ${text}`);
      const found = likened(next, expected);
      if (Buffer.compare(found, expected.bytes) !== 0)
        throw new Error(this.difference(name ?? '', found, expected.bytes));
    }
  }

  private difference(name: string, found: Uint8Array, expected: Uint8Array): string {
    const [shown, wanted] = [this.showFrame(found), this.showFrame(expected)];
    if (shown !== wanted) return `out of ${name} came ${shown}, expected ${wanted}`;
    const at = found.findIndex((byte, i) => byte !== expected[i]);
    return `out of ${name} came ${shown} as expected, but for byte ${at}: ${found[at]} instead of ${expected[at]}`;
  }

  /** Nothing may have come out beyond what was expected. */
  private settle(): void {
    for (const [port, frames] of this.waiting) {
      if (frames.length > 0)
        throw new Error(
          `before it, out of ${port} came unexpectedly ${frames.map((bytes) => this.showFrame(bytes)).join(', ')}`,
        );
    }
  }

  private expectStations(text: string): void {
    this.expectations++;
    const expected = text === 'empty' ? [] : text.split(',').map((part) => part.trim().split(/\s+/).join(' '));
    const known = this.network.stations().map((line) => {
      const [mac, port] = line.split(' ');
      return `${this.wordOf(mac)} ${port}`;
    });
    const [wanted, found] = [expected.sort().join(', '), known.sort().join(', ')];
    if (wanted !== found) throw new Error(`the stations are ${found || 'none'}, expected ${wanted || 'none'}`);
  }

  private expectDrops(text: string): void {
    this.settle();
    this.expectations++;
    const all = this.network.drops();
    const fresh = Object.entries(all)
      .map(([reason, n]) => `${reason} ${n - (this.seenDrops[reason] ?? 0)}`)
      .filter((word) => !word.endsWith(' 0'));
    const wanted = text === 'none' ? [] : text.split(',').map((part) => part.trim());
    if (wanted.sort().join(', ') !== fresh.sort().join(', ')) {
      throw new Error(`the drops are ${fresh.join(', ') || 'none'}, expected ${wanted.join(', ') || 'none'}`);
    }
    this.seenDrops = all;
  }

  private expectNeighbours(link: string, text: string): void {
    this.expectations++;
    const expected = text === 'none' ? [] : text.split(',').map((part) => part.trim().split(/\s+/).join(' '));
    const known = this.inet
      .neighbours(link)
      .map(({ address, mac, state }) => `${address} ${mac === undefined ? '-' : this.wordOf(mac)} ${state}`);
    const [wanted, found] = [expected.sort().join(', '), known.sort().join(', ')];
    if (wanted !== found) throw new Error(`the neighbours are ${found || 'none'}, expected ${wanted || 'none'}`);
  }

  private expectDelivered(name: string, text: string): void {
    this.expectations++;
    const delivered = this.network.counter(name, Counter.DELIVERED);
    if (delivered !== numberOf(text))
      throw new Error(`${delivered} frames were delivered to ${name}, expected ${text}`);
  }
}

function octet(n: number): string {
  return n.toString(16).padStart(2, '0');
}

/** An address in the one way it is shown. */
function formatAddress(text: string): string {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new Error(`"${text}" is no address`);
  return bytes.length === 4 ? formatIpv4At(bytes, 0) : formatIpv6(bytes);
}

function timesOf(word: string | undefined): number {
  if (word === undefined) return 1;
  if (!/^x\d+$/.test(word)) throw new Error(`"${word}" is no number of times: x5`);
  return Number(word.slice(1));
}

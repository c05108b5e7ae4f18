/*
 * The words after `type KIND`: of a port whose other end is outside (tap, packet, pcap, memory), and of veth, vlan and dummy.
 *
 * iproute2 has none of the former, so their complaints are worded as its own link kinds word theirs.
 * Of `type tap`, the words after `peer` describe the kernel's end; without `peer`, `up` is the only
 * one of them that makes sense, and it means the kernel's end too.
 */
import { resolve } from 'node:path';
import type { AddLink, TapPeer, VethPeer, VlanOptions } from '../control/api/link.js';
import { addressOf, type LinkDraft, NAME_BYTES, parseDraft } from './link-words.js';
import { cannot, Refusal } from './refusal.js';
import { abbreviated, exactly, find, formatAddress, isName, type Keyword, parseAddress, type Words } from './words.js';

export { NAME_BYTES } from './link-words.js';

const MAX_MTU = 65535;
const MAX_QUEUES = 256;

type Tap = NonNullable<AddLink['tap']>;

const CIDR = /^([0-9]{1,3}(\.[0-9]{1,3}){3}\/[0-9]{1,2}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\/[0-9]{1,3})$/;

/** A prefix with its length; the daemon checks the numbers in it. */
function cidr(words: Words): string {
  const text = words.value();
  if (!CIDR.test(text))
    throw words.invalid(
      text,
      'any valid prefix is expected rather than it',
      `"${text}" is no address with a prefix length`,
    );
  return text;
}

function linkName(words: Words): string {
  const text = words.value();
  if (isName(text, NAME_BYTES)) return text;
  throw words.invalid(
    text,
    '"name" not a valid ifname',
    `"${text}" is no name`,
    `a name has 1 to ${NAME_BYTES} bytes, no slash and no space`,
  );
}

/** The daemon has a working directory of its own, so paths go there whole; - is its stdin or stdout. */
function path(words: Words): string {
  const text = words.value();
  return text === '-' ? text : resolve(text);
}

/** A kernel namespace: a path if it has a slash. */
function namespace(words: Words): string {
  const text = words.value();
  return text.includes('/') ? resolve(text) : text;
}

/** A MAC address of six bytes. */
function mac(words: Words): string {
  const text = words.value();
  const bytes = parseAddress(words, text);
  if (bytes.length === 6) return formatAddress(bytes);
  const line = `Invalid address length ${bytes.length} - must be 6 bytes`;
  throw words.refuse(line, 1, `"${text}" has ${bytes.length} bytes, a MAC address has 6`, undefined, false);
}

export const PEER_WORDS: readonly Keyword<TapPeer>[] = [
  exactly('name', (peer, words) => {
    peer.name = linkName(words);
  }),
  exactly('netns', (peer, words) => {
    peer.netns = namespace(words);
  }),
  exactly('address', (peer, words) => {
    peer.address = mac(words);
  }),
  exactly('mtu', (peer, words) => {
    peer.mtu = words.integer('Invalid "mtu" value', 1, MAX_MTU);
  }),
  exactly('addr', (peer, words) => {
    peer.addresses = [...(peer.addresses ?? []), cidr(words)];
  }),
  exactly('up', (peer) => {
    peer.up = true;
  }),
];

export const TAP_WORDS: readonly Keyword<Tap>[] = [
  exactly('queues', (tap, words) => {
    tap.queues = words.integer('invalid queues', 1, MAX_QUEUES);
  }),
  exactly('gso', (tap, words) => {
    tap.gso = words.onOff('gso');
  }),
  exactly('persist', (tap, words) => {
    tap.persist = words.onOff('persist');
  }),
  exactly('up', (tap) => {
    tap.peer = { ...tap.peer, up: true };
  }),
  exactly('peer', (tap, words) => {
    tap.peer = { ...tap.peer };
    take(words, 'tap', PEER_WORDS, tap.peer);
  }),
];

type Packet = NonNullable<AddLink['packet']>;

export const PACKET_WORDS: readonly Keyword<Packet>[] = [
  exactly('dev', (packet, words) => {
    packet.dev = words.value();
  }),
  exactly('netns', (packet, words) => {
    packet.netns = namespace(words);
  }),
];

type Pcap = NonNullable<AddLink['pcap']>;

export const PCAP_WORDS: readonly Keyword<Pcap>[] = [
  exactly('read', (pcap, words) => {
    pcap.read = path(words);
  }),
  exactly('write', (pcap, words) => {
    pcap.write = path(words);
  }),
];

/** Takes all words that are left. */
function take<T>(words: Words, kind: string, list: readonly Keyword<T>[], into: T): T {
  while (!words.done) {
    const word = words.next();
    const keyword = find(list, word);
    if (keyword === undefined) {
      throw words.refuse(
        `${kind}: unknown command "${word}"?`,
        1,
        `a ${kind} link has no "${word}" here`,
        undefined,
        false,
      );
    }
    keyword.take(into, words);
  }
  return into;
}

function tap(words: Words): Partial<AddLink> {
  return { kind: 'tap', tap: take<Tap>(words, 'tap', TAP_WORDS, {}) };
}

function packet(words: Words): Partial<AddLink> {
  const given = take<Packet>(words, 'packet', PACKET_WORDS, { dev: '' });
  if (given.dev !== '') return { kind: 'packet', packet: given };
  throw words.refuse(
    'Error: argument "dev" is required',
    255,
    'it needs the device that it attaches to',
    'say "type packet dev DEVICE"',
  );
}

function pcap(words: Words): Partial<AddLink> {
  const given = take<Pcap>(words, 'pcap', PCAP_WORDS, {});
  if (given.read !== undefined || given.write !== undefined) return { kind: 'pcap', pcap: given };
  throw words.refuse(
    'Error: argument "read" is required',
    255,
    'it needs a file',
    'say "type pcap read FILE", "write FILE" or both',
  );
}

function memory(words: Words): Partial<AddLink> {
  take(words, 'memory', [], {});
  return { kind: 'memory' };
}

/** Words that a pair's other end cannot take when it is made. */
function lacking({ up, master, link, addrGenMode }: LinkDraft): string | undefined {
  if (up === false) return 'down';
  if (master !== undefined) return master === null ? 'nomaster' : 'master';
  if (link !== undefined) return 'link';
  return addrGenMode === undefined ? undefined : 'addrgenmode';
}

function vethPeer(words: Words): VethPeer {
  const object = words.object;
  const draft = parseDraft(words, true);
  words.object = object;
  if (draft.type !== undefined) throw words.duplicate('type', draft.type);
  const word = lacking(draft);
  if (word !== undefined) throw words.unsupported(`peer ${word}`, 'set it when the pair is there');
  const address = addressOf(draft, words);
  const name = draft.name ?? draft.dev;
  return {
    ...(name === undefined ? {} : { name }),
    ...(draft.netns === undefined ? {} : { netns: draft.netns }),
    ...(address === undefined ? {} : { address }),
    ...(draft.mtu === undefined ? {} : { mtu: draft.mtu }),
    ...(draft.up === undefined ? {} : { up: draft.up }),
  };
}

function veth(words: Words): Partial<AddLink> {
  if (words.done) return { kind: 'veth' };
  if (words.next() === 'peer') return { kind: 'veth', veth: { peer: vethPeer(words) } };
  const line = 'Usage: ip link <options> type veth [peer <options>]';
  throw words.refuse(line, 1, 'a veth has one word, "peer"', undefined, false);
}

const PROTOCOLS: Record<string, NonNullable<VlanOptions['protocol']>> = {
  '802.1q': '802.1Q',
  '0x8100': '802.1Q',
  '802.1ad': '802.1ad',
  '0x88a8': '802.1ad',
};

function takeProtocol(vlan: Partial<VlanOptions>, words: Words): void {
  const text = words.value();
  const protocol = PROTOCOLS[text.toLowerCase()];
  if (protocol === undefined)
    throw words.invalid(text, 'protocol is invalid', `there is no VLAN protocol "${text}"`, 'say 802.1Q or 802.1ad');
  vlan.protocol = protocol;
}

/** A flag that the vlan does not have; `already` is the value that holds without it. */
function vlanFlag(word: string, already: 'on' | 'off'): Keyword<Partial<VlanOptions>> {
  const take = (_: Partial<VlanOptions>, words: Words) => {
    const text = words.value();
    if (text === already) return;
    if (text === 'on' || text === 'off') throw words.unsupported(`${word} ${text}`);
    const line = `Error: argument of "${word}" must be "on" or "off", not "${text}"`;
    throw words.refuse(line, 255, `"${word}" is on or off, not "${text}"`, undefined, false);
  };
  return abbreviated(word, take, true);
}

function vlanMap(word: string): Keyword<Partial<VlanOptions>> {
  const take = (_: Partial<VlanOptions>, words: Words) => {
    throw words.unsupported(word);
  };
  return abbreviated(word, take, true);
}

export const VLAN_WORDS: readonly Keyword<Partial<VlanOptions>>[] = [
  abbreviated('protocol', takeProtocol),
  abbreviated('id', (vlan, words) => {
    vlan.id = words.integer('id is invalid', 0, 0xffff);
  }),
  vlanFlag('reorder_hdr', 'on'),
  vlanFlag('gvrp', 'off'),
  vlanFlag('mvrp', 'off'),
  vlanFlag('loose_binding', 'off'),
  vlanFlag('bridge_binding', 'off'),
  vlanMap('ingress-qos-map'),
  vlanMap('egress-qos-map'),
];

function vlan(words: Words): Partial<AddLink> {
  const { id, protocol } = take<Partial<VlanOptions>>(words, 'vlan', VLAN_WORDS, {});
  if (id === undefined)
    throw words.refuse('Error: VLAN id not specified.', 2, 'it has no id', 'say "type vlan id 10"', false);
  return { kind: 'vlan', vlan: { id, ...(protocol === undefined ? {} : { protocol }) } };
}

function dummy(words: Words): Partial<AddLink> {
  take(words, 'dummy', [], {});
  return { kind: 'dummy' };
}

/** Kinds of link that exist, but for the bridge. */
export const KINDS: Record<string, (words: Words) => Partial<AddLink>> = {
  tap,
  packet,
  pcap,
  memory,
  veth,
  vlan,
  dummy,
};

/** Kinds that DESIGN promises for later, so that the refusal can say so. */
const LATER = new Set(['vxlan', 'xdp', 'vhost-user', 'stream', 'dgram', 'cap', 'raw']);

export function unknownKind(words: Words, kind: string): Refusal {
  const cause = LATER.has(kind) ? `links of type ${kind} are not there yet` : `there is no link type "${kind}"`;
  const hint = `the types are bridge, ${Object.keys(KINDS).join(', ')}`;
  return new Refusal('Error: Unknown device type.', 2, cannot(words.verb, words.object, cause, hint));
}

/*
 * The types of sets: what each is called, what its members are made of, and which options its commands take, in the order that they
 * are written in.
 */
import { SetType } from '../../tables/ipset-member.js';
import type { OptionName } from './options.js';
import type { PartName } from './parts.js';

export type Verb = 'create' | 'add' | 'del' | 'test';

/** Ways to name more than one at a time: a prefix, or a first and a last. */
export type Many = 'cidr' | 'to' | 'portTo' | 'cidr2' | 'to2';

export interface SetKind {
  name: string;
  alias: string;
  type: SetType;
  /** The newest that ipset 7.17 knows. */
  revision: number;
  /** Address families: both, IPv4 alone, or it has none. */
  family: 'both' | 'inet' | 'none';
  parts: readonly PartName[];
  /** The last part may be left out. */
  isLastOptional?: boolean;
  options: Readonly<Record<Verb, readonly OptionName[]>>;
  /** What `add` and `del` may name many with, and `test`. */
  many: { change: readonly Many[]; test: readonly Many[] };
  /** Sets may be swapped if these are the same. */
  features: string;
  /** How help describes a member, of `test` if that is another, and all of it. */
  form: string;
  testForm?: string;
  usage: string;
  hasPortUsage?: boolean;
}

const FAMILY: readonly OptionName[] = ['family', '-4', '-6'];
const SIZES: readonly OptionName[] = ['hashsize', 'maxelem'];
const EXTENSIONS: readonly OptionName[] = ['timeout', 'counters', 'withComment', 'forceadd', 'skbinfo'];
const BUCKETS: readonly OptionName[] = ['bucketsize', 'initval'];
const HASH: readonly OptionName[] = [...FAMILY, ...SIZES, ...EXTENSIONS, ...BUCKETS];
const OLD: readonly OptionName[] = ['probes', 'resize'];
const OLD_RANGES: readonly OptionName[] = [...OLD, 'oldFrom', 'oldTo', 'oldNetwork'];
const PLAIN_EXTENSIONS: readonly OptionName[] = ['timeout', 'counters', 'withComment', 'skbinfo'];

const COUNTS: readonly OptionName[] = ['packets', 'bytes', 'comment', 'skbmark', 'skbprio', 'skbqueue'];
const MEMBER: readonly OptionName[] = ['timeout', ...COUNTS];
const NET_MEMBER: readonly OptionName[] = ['timeout', 'nomatch', ...COUNTS];

const hosts = (create: readonly OptionName[]) => ({ create, add: MEMBER, del: [], test: [] });
const nets = (create: readonly OptionName[]) => ({
  create,
  add: NET_MEMBER,
  del: [],
  test: ['nomatch'] as readonly OptionName[],
});

const FAMILIES = 'where depending on the INET family\n';
const ADDRESS = '      IP is a valid IPv4 or IPv6 address (or hostname)';
const NET_ADDRESS = '      IP is an IPv4 or IPv6 address (or hostname),\n';
const ADDRESSES = '      IP are valid IPv4 or IPv6 addresses (or hostnames),\n';
const PREFIX = '      CIDR is a valid IPv4 or IPv6 CIDR prefix';
const SEVERAL = '      Adding/deleting multiple elements in IP/CIDR or FROM-TO form\n';
const SEVERAL_IPV4 = `${SEVERAL}      is supported for IPv4.`;
const SEVERAL_FIRST = `${SEVERAL}      in the first IP component is supported for IPv4.\n`;
const PORTS =
  '      Adding/deleting multiple elements with TCP/SCTP/UDP/UDPLITE\n' +
  '      port range is supported both for IPv4 and IPv6.';
const BITMAP = 'where IP, FROM and TO are IPv4 addresses (or hostnames),\n      CIDR is a valid IPv4 CIDR prefix.';

const NONE = { change: [], test: [] };

/** In the order of help. */
export const KINDS: readonly SetKind[] = [
  {
    name: 'list:set',
    alias: 'setlist',
    type: SetType.LIST_SET,
    revision: 3,
    family: 'none',
    parts: ['name'],
    options: {
      create: ['size', ...PLAIN_EXTENSIONS],
      add: ['timeout', 'before', 'after', ...COUNTS],
      del: ['before', 'after'],
      test: ['before', 'after'],
    },
    many: NONE,
    features: 'name',
    form: 'NAME [before|after NAME]',
    usage: 'where NAME are existing set names.',
  },
  {
    name: 'hash:mac',
    alias: 'machash',
    type: SetType.HASH_MAC,
    revision: 1,
    family: 'none',
    parts: ['mac'],
    options: hosts([...SIZES, ...EXTENSIONS, ...BUCKETS]),
    many: NONE,
    features: 'mac',
    form: 'MAC',
    usage: '',
  },
  {
    name: 'hash:ip,mac',
    alias: 'ipmachash',
    type: SetType.HASH_IP_MAC,
    revision: 1,
    family: 'both',
    parts: ['host', 'mac'],
    options: hosts(HASH),
    many: NONE,
    features: 'ip mac',
    form: 'IP,MAC',
    usage: `${FAMILIES}${ADDRESS},\n      MAC is a MAC address.`,
  },
  {
    name: 'hash:net,iface',
    alias: 'netifacehash',
    type: SetType.HASH_NET_IFACE,
    revision: 8,
    family: 'both',
    parts: ['net', 'iface'],
    options: { create: HASH, add: ['timeout', 'nomatch', 'wildcard', ...COUNTS], del: [], test: ['nomatch'] },
    many: { change: ['cidr', 'to'], test: ['cidr'] },
    features: 'ip iface nomatch',
    form: 'IP[/CIDR]|FROM-TO,[physdev:]IFACE',
    testForm: 'IP[/CIDR],[physdev:]IFACE',
    usage: `${FAMILIES}${ADDRESS},\n${PREFIX}.\n      Adding/deleting multiple elements with IPv4 is supported.`,
  },
  {
    name: 'hash:net,port',
    alias: 'netporthash',
    type: SetType.HASH_NET_PORT,
    revision: 8,
    family: 'both',
    parts: ['net', 'port'],
    options: nets(HASH),
    many: { change: ['cidr', 'to', 'portTo'], test: ['cidr'] },
    features: 'ip port nomatch',
    form: 'IP[/CIDR]|FROM-TO,[PROTO:]PORT',
    testForm: 'IP[/CIDR],[PROTO:]PORT',
    usage: `${FAMILIES}${ADDRESS},\n${PREFIX}.\n${PORTS}`,
    hasPortUsage: true,
  },
  {
    name: 'hash:net,port,net',
    alias: 'netportnethash',
    type: SetType.HASH_NET_PORT_NET,
    revision: 3,
    family: 'both',
    parts: ['net', 'port', 'net2'],
    options: nets(HASH),
    many: { change: ['cidr', 'to', 'portTo', 'cidr2', 'to2'], test: ['cidr', 'cidr2'] },
    features: 'ip port ip2 nomatch',
    form: 'IP[/CIDR],[PROTO:]PORT,IP[/CIDR]',
    usage: `${FAMILIES}${ADDRESSES}${PREFIX}.\n${SEVERAL}      in both IP components are supported for IPv4.\n${PORTS}`,
    hasPortUsage: true,
  },
  {
    name: 'hash:net,net',
    alias: 'netnethash',
    type: SetType.HASH_NET_NET,
    revision: 4,
    family: 'both',
    parts: ['net', 'net2'],
    options: nets([...HASH, 'bitmask', 'netmask']),
    many: { change: ['cidr', 'to', 'cidr2', 'to2'], test: ['cidr', 'cidr2'] },
    features: 'ip ip2 nomatch',
    form: 'IP[/CIDR]|FROM-TO,IP[/CIDR]|FROM-TO',
    testForm: 'IP[/CIDR],IP[/CIDR]',
    usage: `${FAMILIES}${NET_ADDRESS}${PREFIX}.\n      IP range is not supported with IPv6.`,
  },
  {
    name: 'hash:net',
    alias: 'nethash',
    type: SetType.HASH_NET,
    revision: 7,
    family: 'both',
    parts: ['net'],
    options: nets([...HASH, ...OLD]),
    many: { change: ['cidr', 'to'], test: ['cidr'] },
    features: 'ip nomatch',
    form: 'IP[/CIDR]',
    usage: `${FAMILIES}${NET_ADDRESS}${PREFIX}.`,
  },
  {
    name: 'hash:ip,port,net',
    alias: 'ipportnethash',
    type: SetType.HASH_IP_PORT_NET,
    revision: 8,
    family: 'both',
    parts: ['host', 'port', 'net2'],
    options: nets([...HASH, ...OLD_RANGES]),
    many: { change: ['to', 'portTo', 'cidr2', 'to2'], test: ['cidr2'] },
    features: 'ip port ip2 nomatch',
    form: 'IP,[PROTO:]PORT,IP[/CIDR]',
    usage: `${FAMILIES}${ADDRESSES}${PREFIX}.\n${SEVERAL_FIRST}${PORTS}`,
    hasPortUsage: true,
  },
  {
    name: 'hash:ip,port,ip',
    alias: 'ipportiphash',
    type: SetType.HASH_IP_PORT_IP,
    revision: 6,
    family: 'both',
    parts: ['host', 'port', 'host2'],
    options: hosts([...HASH, ...OLD_RANGES]),
    many: { change: ['to', 'portTo'], test: [] },
    features: 'ip port ip2',
    form: 'IP,[PROTO:]PORT,IP',
    usage: `${FAMILIES}${ADDRESS}.\n${SEVERAL_FIRST}${PORTS}`,
    hasPortUsage: true,
  },
  {
    name: 'hash:ip,mark',
    alias: 'ipmarkhash',
    type: SetType.HASH_IP_MARK,
    revision: 3,
    family: 'both',
    parts: ['host', 'mark'],
    options: hosts([...FAMILY, 'markmask', ...SIZES, ...EXTENSIONS, ...BUCKETS, ...OLD_RANGES]),
    many: { change: ['to'], test: ['to'] },
    features: 'ip mark',
    form: 'IP,MARK',
    usage: `${FAMILIES}${ADDRESS}.\n${SEVERAL_IPV4}\n      Adding/deleting single mark element\n      is supported both for IPv4 and IPv6.`,
  },
  {
    name: 'hash:ip,port',
    alias: 'ipporthash',
    type: SetType.HASH_IP_PORT,
    revision: 7,
    family: 'both',
    parts: ['host', 'port'],
    options: hosts([...HASH, 'netmask', 'bitmask', ...OLD_RANGES]),
    many: { change: ['to', 'portTo'], test: [] },
    features: 'ip port',
    form: 'IP,[PROTO:]PORT',
    usage: `${FAMILIES}${ADDRESS}.\n${SEVERAL_IPV4}\n${PORTS}`,
    hasPortUsage: true,
  },
  {
    name: 'hash:ip',
    alias: 'iphash',
    type: SetType.HASH_IP,
    revision: 6,
    family: 'both',
    parts: ['host'],
    options: hosts([...FAMILY, ...SIZES, 'netmask', 'bitmask', ...EXTENSIONS, ...BUCKETS, ...OLD, 'gc']),
    many: { change: ['to'], test: ['to'] },
    features: 'ip',
    form: 'IP',
    usage: `${FAMILIES}${ADDRESS},\n${PREFIX}.\n${SEVERAL_IPV4}`,
  },
  {
    name: 'bitmap:port',
    alias: 'portmap',
    type: SetType.BITMAP_PORT,
    revision: 3,
    family: 'none',
    parts: ['tcpUdpPort'],
    options: hosts(['portRange', ...PLAIN_EXTENSIONS, 'fromPort', 'toPort']),
    many: { change: ['portTo'], test: [] },
    features: 'port',
    form: '[PROTO:]PORT|FROM-TO',
    testForm: '[PROTO:]PORT',
    usage:
      'where PORT, FROM and TO are port numbers or port names from /etc/services.\n' +
      '      PROTO is only needed if a service name is used and it does not exist\n' +
      '      as a TCP service; just the resolved service numer is stored in the set.',
  },
  {
    name: 'bitmap:ip,mac',
    alias: 'macipmap',
    type: SetType.BITMAP_IP_MAC,
    revision: 3,
    family: 'inet',
    parts: ['single', 'mac'],
    isLastOptional: true,
    options: hosts(['range', ...PLAIN_EXTENSIONS, 'fromIp', 'toIp', 'network']),
    many: NONE,
    features: 'ip mac',
    form: 'IP[,MAC]',
    usage: `${BITMAP}\n      MAC is a valid MAC address.`,
  },
  {
    name: 'bitmap:ip',
    alias: 'ipmap',
    type: SetType.BITMAP_IP,
    revision: 3,
    family: 'inet',
    parts: ['any'],
    options: hosts(['range', 'netmask', ...PLAIN_EXTENSIONS, 'fromIp', 'toIp', 'network']),
    many: { change: ['to'], test: [] },
    features: 'ip',
    form: 'IP|IP/CIDR|FROM-TO',
    testForm: 'IP',
    usage: BITMAP,
  },
];

/** By its name or the old one. */
export function kindNamed(name: string): SetKind | undefined {
  return KINDS.find((kind) => kind.name === name || kind.alias === name);
}

export const isHash = (kind: SetKind): boolean => kind.name.startsWith('hash:');
export const isBitmap = (kind: SetKind): boolean => kind.name.startsWith('bitmap:');

/*
 * The schema of the configuration file: JSON Schema, draft 07. `sluice.schema.json`, for editors, is this object as
 * JSON (a test keeps them equal).
 *
 * `title` completes the sentence "must be …" and `examples` the hint behind it, so every value has both; `description` is for
 * editors. Of `type: on or off` and of text, reader.ts accepts more spellings than stand here (see source.ts).
 */
import { FDB_MAX_CAPACITY } from '../../tables/fdb.js';

export interface Schema {
  $schema?: string;
  $ref?: string;
  title?: string;
  description?: string;
  type?: string | string[];
  const?: string;
  enum?: Array<string | number | boolean>;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  default?: string | number | boolean;
  examples?: Array<string | number | boolean>;
  properties?: Record<string, Schema>;
  propertyNames?: Schema;
  additionalProperties?: boolean | Schema;
  required?: string[];
  items?: Schema;
  allOf?: Schema[];
  if?: Schema;
  then?: Schema;
  definitions?: Record<string, Schema>;
}

/** Links of a dataplane: core/links.ts has 4,096 numbers, 0 is none. */
export const MAX_LINKS_OF_FILE = 4095;

function ref(definition: string): Schema {
  return { $ref: `#/definitions/${definition}` };
}

/** A switch; `isOn` is its default. */
function onOff(description: string, isOn: boolean): Schema {
  return { title: 'on or off', description, enum: [true, false, 'on', 'off'], default: isOn, examples: ['on'] };
}

function integer(description: string, minimum: number, maximum: number, rest: Partial<Schema>): Schema {
  const title = `an integer from ${minimum} to ${maximum}`;
  return { title, description, type: 'integer', minimum, maximum, ...rest };
}

function text(title: string, description: string, example: string, pattern?: string): Schema {
  return { title, description, type: 'string', examples: [example], ...(pattern === undefined ? {} : { pattern }) };
}

const U32 = 4_294_967_295;
const MAC = '^([0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}$';
const CIDR = '^[0-9A-Fa-f:.]+/[0-9]{1,3}$';
const NAME = '^[^\\s/:]{1,15}$';

function mac(description: string): Schema {
  return text('a MAC address', description, '02:00:00:00:00:01', MAC);
}

function name(description: string, example: string): Schema {
  return text('a name', description, example, NAME);
}

function mtu(description: string, maximum: number, rest: Partial<Schema>): Schema {
  return integer(description, 68, maximum, { examples: [1500], ...rest });
}

const NETNS = 'Kernel namespace: a path if it has a slash, else a name under /run/netns, else a pid.';

function netns(description: string): Schema {
  return text('a namespace', `${description} ${NETNS}`, 'blue', '\\S');
}

function object(title: string, properties: Record<string, Schema>, required: string[] = []): Schema {
  return {
    title,
    type: 'object',
    properties,
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
  };
}

export const KINDS = ['bridge', 'tap', 'packet', 'pcap', 'memory', 'veth', 'vlan', 'dummy', 'lo'] as const;

const COMMON: Record<string, Schema> = {
  type: {
    title: `one of ${KINDS.join(', ')}`,
    description: 'Kind of link.',
    enum: [...KINDS],
    examples: ['tap'],
  },
  address: mac("MAC address of Sluice's end; a random one if absent, a bridge's is the lowest of its ports."),
  addr: {
    title: 'an address with its prefix length, or a list of them',
    description: "Addresses of Sluice's own stack on the link.",
    type: ['array', 'string'],
    pattern: CIDR,
    items: ref('address'),
    examples: ['10.0.0.1/24'],
  },
  addrgenmode: {
    title: 'eui64 or none',
    description: 'How its IPv6 link-local address comes to be.',
    enum: ['eui64', 'none'],
    default: 'eui64',
    examples: ['none'],
  },
  up: onOff('Set up.', false),
};

const PORT_ONLY: Record<string, Schema> = {
  master: name('The bridge it is a port of.', 'br0'),
  port: ref('port'),
};

function kind(
  title: string,
  properties: Record<string, Schema>,
  maxMtu: number,
  mtuDefault: Partial<Schema>,
  required: string[] = [],
): Schema {
  const own = { mtu: mtu("MTU of Sluice's end.", maxMtu, mtuDefault), ...properties };
  return object(title, { ...COMMON, ...own }, ['type', ...required]);
}

const mask = (description: string): Schema => integer(description, 0, 65_535, { default: 0, examples: ['0x8'] });
const limit = (description: string): Schema => integer(description, 0, U32, { default: 0, examples: [1000] });

const TIME =
  "Seconds without a frame after which a learned station is forgotten; up to 298 h. ip's 30000 is 300s here.";

const BRIDGE: Record<string, Schema> = {
  ageing_time: {
    title: 'a time with its unit',
    description: TIME,
    type: ['string', 'integer'],
    pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|min|m|h)$',
    minimum: 0,
    maximum: 0,
    default: '300s',
    examples: ['300s'],
  },
  group_fwd_mask: mask('Bit X set: frames to 01:80:C2:00:00:0X are forwarded. Bits 0 to 2 cannot be.'),
  transparent: onOff('Forward all of 01:80:C2:00:00:0X, as a wire would.', false),
  fdb_max_learned: limit('Stations that may be learned at a time; 0 = no limit.'),
};

const TAP: Record<string, Schema> = {
  queues: integer('Queues of the device.', 1, 256, { default: 1, examples: [2] }),
  gso: onOff('Superframes and partial checksums may cross.', true),
  persist: onOff('The kernel device stays when Sluice ends.', false),
  peer: ref('peer'),
};

const PEER: Record<string, Schema> = {
  name: name("Name of the kernel's end; default the link's.", 'eth0'),
  netns: netns('Where it is put.'),
  address: mac("MAC address of the kernel's end."),
  mtu: mtu("MTU of the kernel's end; default the link's.", 65_521, {}),
  addr: {
    title: 'an address with its prefix length, or a list of them',
    description: 'Addresses that the kernel gives its end.',
    type: ['array', 'string'],
    pattern: CIDR,
    items: text('an address with its prefix length', 'IPv4 or IPv6.', '10.0.0.1/24', CIDR),
    examples: ['10.0.0.1/24'],
  },
  up: onOff("Set the kernel's end up.", false),
};

const PORT: Record<string, Schema> = {
  learning: onOff('Learn the addresses of stations that send here.', true),
  flood: onOff('Unicast frames for unknown stations leave here, too.', true),
  bcast_flood: onOff('Broadcast frames leave here.', true),
  mcast_flood: onOff('Multicast frames leave here.', true),
  isolated: onOff('No traffic to or from other isolated ports.', false),
  hairpin: onOff('A frame may leave by the port it came from.', false),
  locked: onOff('Only stations in the FDB may send.', false),
  group_fwd_mask: mask("As the bridge's, for this port; bit 1 cannot be set."),
  fdb_limit: limit('Stations that may be learned here at a time; 0 = no limit.'),
  storm: ref('storm'),
};

const STORM: Record<string, Schema> = {
  broadcast: limit('Broadcast packets a second; 0 = no limit.'),
  multicast: limit('Multicast packets a second; 0 = no limit.'),
  unknown: limit('Packets a second for unknown stations; 0 = no limit.'),
};

const STATION: Record<string, Schema> = {
  mac: mac('Its address.'),
  dev: name('The port it is behind, or a bridge for an address of the bridge itself.', 't1'),
  state: {
    title: 'static or permanent',
    description: 'static: behind the port (default). permanent: the host itself (default for a bridge).',
    enum: ['static', 'permanent'],
    examples: ['static'],
  },
  sticky: onOff('Does not move to another port by learning.', false),
};

const DATAPLANE: Record<string, Schema> = {
  poll: {
    title: 'adaptive or busy',
    description: 'busy: never sleep.',
    enum: ['adaptive', 'busy'],
    default: 'adaptive',
    examples: ['adaptive'],
  },
  fdb_capacity: integer('Stations that the FDB holds.', 1024, FDB_MAX_CAPACITY, {
    default: 65_536,
    examples: [65_536],
  }),
  arena: integer('Frames that can be under way; 2 KiB each.', 1024, 524_288, { default: 8192, examples: [8192] }),
};

const DEV = text('the name of a device', 'Kernel device whose frames it receives and sends.', 'eth1', NAME);
const PACKET = { dev: DEV, netns: netns('Where that device is.') };
const PCAP = {
  read: text(
    'a file',
    'Capture whose frames it receives, once. A relative path starts at the folder of this file.',
    'in.pcap',
    '.',
  ),
  write: text('a file', 'Capture that it writes what it sends to.', 'out.pcapng', '.'),
};

const REFERENCE = '^([^\\s/]{1,255}/)?[^\\s/:]{1,15}$';

function reference(description: string, example: string): Schema {
  return text('a link, or NAMESPACE/LINK', description, example, REFERENCE);
}

const VETH = { peer: reference('Its other end, which names this one in turn.', 'red/eth0') };
const VLAN = {
  link: reference('What it lies on.', 'eth0'),
  id: integer('VLAN.', 0, 4094, { examples: [10] }),
  protocol: {
    title: '802.1Q or 802.1ad',
    description: 'Protocol of its tag.',
    enum: ['802.1Q', '802.1ad'],
    default: '802.1Q',
    examples: ['802.1ad'],
  },
};

const ANY_ADDRESS = '^[0-9A-Fa-f:.]+$';
const ADDRESS: Record<string, Schema> = {
  address: text('an address with its prefix length', 'IPv4 or IPv6.', '10.0.0.1/24', CIDR),
  peer: text('an address with its prefix length', 'The other end of a point-to-point link.', '10.0.0.2/32', CIDR),
  brd: text('an address', 'Broadcast address.', '10.0.0.255', ANY_ADDRESS),
  label: text('a label', 'Label of an IPv4 address.', 'eth0:1', '.'),
  scope: integer('Scope: 0 global, 253 link, 254 host.', 0, 255, { default: 0, examples: [253] }),
  metric: integer('Metric of its prefix route.', 0, U32, { examples: [100] }),
  nodad: onOff('No detection of duplicates.', false),
  noprefixroute: onOff('No route to its prefix.', false),
};

const GATEWAY = text('an address', 'Next router.', '10.0.0.2', ANY_ADDRESS);
const ONLINK = onOff('The router is on the link, whatever addresses say.', false);
const HOP: Record<string, Schema> = {
  via: GATEWAY,
  dev: name('Link.', 'eth0'),
  weight: integer('Share of the traffic.', 1, 256, { default: 1, examples: [2] }),
  onlink: ONLINK,
};
const TYPES = [
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
];
const ROUTE: Record<string, Schema> = {
  to: text('a prefix, or default', 'Destination.', '10.1.0.0/16', '^(default|[0-9A-Fa-f:.]+(/[0-9]{1,3})?)$'),
  type: {
    title: `one of ${TYPES.join(', ')}`,
    description: 'What becomes of a packet.',
    enum: TYPES,
    default: 'unicast',
    examples: ['blackhole'],
  },
  via: GATEWAY,
  dev: name('Link.', 'eth0'),
  onlink: ONLINK,
  nexthops: ref('nexthops'),
  table: integer('Table: 254 main, 255 local, 253 default.', 1, U32, { examples: [100] }),
  metric: integer('The lowest one counts.', 0, U32, { examples: [100] }),
  src: text('an address', 'Preferred source.', '10.0.0.1', ANY_ADDRESS),
  proto: integer('Who made it: 3 boot, 4 static …', 0, 255, { default: 3, examples: [4] }),
  scope: integer('Scope: 0 global, 253 link, 254 host.', 0, 255, { examples: [253] }),
  mtu: integer('MTU of the path.', 68, 65_535, { examples: [1400] }),
  hoplimit: integer('Hop limit of packets.', 1, 255, { examples: [64] }),
  pref: {
    title: 'low, medium or high',
    description: 'Preference of an IPv6 router (RFC 4191).',
    enum: ['low', 'medium', 'high'],
    default: 'medium',
    examples: ['high'],
  },
};

const PREFIX_OR_ALL = '^(all|[0-9A-Fa-f:.]+(/[0-9]{1,3})?)$';
const PORTS = '^[0-9]{1,5}(-[0-9]{1,5})?$';
const RULE_TYPES = ['lookup', 'goto', 'nop', 'blackhole', 'unreachable', 'prohibit'];
const RULE: Record<string, Schema> = {
  priority: integer('Rules are walked from the lowest one.', 0, U32, { examples: [100] }),
  family: { title: '4 or 6', description: 'IPv6 if an address is.', enum: [4, 6], default: 4, examples: [6] },
  not: onOff('It is for all packets but those.', false),
  from: text('a prefix, or all', 'Source.', '10.1.0.0/16', PREFIX_OR_ALL),
  to: text('a prefix, or all', 'Destination.', '10.2.0.0/16', PREFIX_OR_ALL),
  iif: name('Link that a packet came in by; lo: none.', 'eth0'),
  oif: name('Link that a socket is bound to.', 'eth0'),
  fwmark: text(
    'a mark, or MARK/MASK',
    'Mark of a packet.',
    '0x1/0xff',
    '^(0x[0-9A-Fa-f]{1,8}|[0-9]{1,10})(/(0x[0-9A-Fa-f]{1,8}|[0-9]{1,10}))?$',
  ),
  tos: integer('TOS, without the two bits of ECN.', 0, 255, { examples: [16] }),
  ipproto: integer('Protocol: 1 ICMP, 6 TCP, 17 UDP …', 0, 255, { examples: [6] }),
  sport: text('a port, or LOW-HIGH', 'Source port.', '1024-65535', PORTS),
  dport: text('a port, or LOW-HIGH', 'Destination port.', '443', PORTS),
  type: {
    title: `one of ${RULE_TYPES.join(', ')}`,
    description: 'What becomes of a packet.',
    enum: RULE_TYPES,
    default: 'lookup',
    examples: ['lookup'],
  },
  table: integer('Table that is looked up: 254 main, 255 local, 253 default.', 1, U32, { examples: [100] }),
  goto: integer('Priority of the rule to go on at.', 1, U32, { examples: [200] }),
  suppress_prefixlength: integer('Routes of at most this length do not count.', 0, 128, { examples: [0] }),
  proto: integer('Who made it: 0 nobody says, 4 static …', 0, 255, { default: 0, examples: [4] }),
  absent: onOff('One of those that are there at first (0, 32766, 32767) has been taken away.', false),
};

const NEIGHBOUR: Record<string, Schema> = {
  to: text('an address', 'Of the neighbour.', '10.0.0.9', ANY_ADDRESS),
  dev: name('Link.', 'eth0'),
  lladdr: mac('Its MAC address.'),
  router: onOff('It is a router.', false),
  proxy: onOff('The link answers for it.', false),
  extern_learn: onOff('Another program has made it.', false),
};

function list(title: string, description: string, items: Schema, example: string): Schema {
  return { title, description, type: 'array', items, examples: [example] };
}

const ADDRESS_ITEM = text('an address', 'IPv4.', '10.0.0.1', ANY_ADDRESS);
const SECONDS = { examples: [3600] };
const LEASE_HOST: Record<string, Schema> = {
  mac: mac('Who it is.'),
  client_id: text(
    'hexadecimal digits',
    'Client identifier, instead of a MAC address.',
    '01020000000001',
    '^[0-9A-Fa-f:]+$',
  ),
  address: text('an address', 'What it always gets.', '10.0.0.9', ANY_ADDRESS),
  name: text('a name', 'Host name.', 'printer', '.'),
};
const DHCP_SERVER: Record<string, Schema> = {
  subnet: text('a prefix', "Subnet; default that of the link's address.", '10.0.0.0/24', CIDR),
  pool: list(
    'a list of two addresses',
    'First and last address that it gives.',
    ADDRESS_ITEM,
    '[10.0.0.10, 10.0.0.99]',
  ),
  router: list(
    'a list of addresses',
    "Routers that it tells; default the link's own address, empty: none.",
    ADDRESS_ITEM,
    '[10.0.0.1]',
  ),
  dns: list('a list of addresses', 'Name servers that it tells.', ADDRESS_ITEM, '[10.0.0.1]'),
  domain: text('a domain', 'Domain that it tells.', 'example.net', '.'),
  mtu: integer('MTU that it tells.', 68, 65_535, { examples: [1400] }),
  lease_s: integer('s that a lease lasts; 4294967295: for ever.', 60, U32, { default: 3600, ...SECONDS }),
  hosts: ref('lease_hosts'),
};
const DHCP_CLIENT: Record<string, Schema> = {
  hostname: text('a name', 'Name that it tells the server.', 'web', '.'),
  metric: integer('Metric of the default route.', 0, U32, { default: 0, examples: [100] }),
};
const RA_PREFIX: Record<string, Schema> = {
  prefix: text('an IPv6 prefix', 'What is advertised.', '2001:db8::/64', CIDR),
  valid: integer('s that addresses are valid; 4294967295: for ever.', 0, U32, { default: 86_400, ...SECONDS }),
  preferred: integer('s that addresses are preferred.', 0, U32, { default: 14_400, ...SECONDS }),
  on_link: onOff('Its addresses are on the link.', true),
  autonomous: onOff('Hosts make addresses of it.', true),
};
const RADV: Record<string, Schema> = {
  prefixes: ref('ra_prefixes'),
  min_interval: integer('s between two advertisements at least.', 3, 1350, { examples: [200] }),
  max_interval: integer('s between two advertisements at most.', 4, 1800, { default: 600, examples: [600] }),
  lifetime: integer('s as a default router; 0: it is none.', 0, 9000, { examples: [1800] }),
  preference: {
    title: 'low, medium or high',
    description: 'Preference as a default router (RFC 4191).',
    enum: ['low', 'medium', 'high'],
    default: 'medium',
    examples: ['high'],
  },
  hop_limit: integer('Hop limit that hosts use.', 0, 255, { default: 64, examples: [64] }),
  managed: onOff('Addresses come from DHCPv6.', false),
  other: onOff('Other settings come from DHCPv6.', false),
  mtu: integer('MTU of the link.', 1280, 65_535, { examples: [1500] }),
  reachable_ms: integer('How long hosts take a neighbour to be reachable, in ms; 0: as they like.', 0, 3_600_000, {
    default: 0,
    examples: [30_000],
  }),
  retrans_ms: integer('How long hosts wait for an answer, in ms; 0: as they like.', 0, U32, {
    default: 0,
    examples: [1000],
  }),
  dns: list(
    'a list of addresses',
    'Name servers.',
    text('an IPv6 address', 'Name server.', '2001:db8::1', ANY_ADDRESS),
    "['2001:db8::1']",
  ),
  search: list('a list of domains', 'Search list.', text('a domain', 'Domain.', 'example.net', '.'), '[example.net]'),
};

/** A section of services: options by link. */
function services(title: string, description: string, options: string): Schema {
  return {
    title,
    description,
    type: ['object', 'null'],
    propertyNames: { type: 'string', pattern: NAME },
    additionalProperties: ref(options),
  };
}

function rules(family: string, tool: string): Schema {
  const description = `${family} rules of netfilter: all of them, as ${tool}-save prints them; comments and counters are left out.`;
  return text('the text of an iptables-save', description, '"*filter\\n-A INPUT -j DROP\\nCOMMIT\\n"');
}

const SPACE: Record<string, Schema> = {
  sysctl: ref('sysctl'),
  links: ref('links'),
  routes: ref('routes'),
  rules: ref('rules'),
  neighbours: ref('neighbours'),
  fdb: ref('fdb'),
  dhcp_servers: ref('dhcp_servers'),
  dhcp_clients: ref('dhcp_clients'),
  radv: ref('radv'),
  ipset: text(
    'the text of an ipset save',
    'IP sets that rules name, as "ipset save" prints them: create and add.',
    '"create web hash:ip\\nadd web 10.0.0.2\\n"',
  ),
  iptables: rules('IPv4', 'iptables'),
  ip6tables: rules('IPv6', 'ip6tables'),
  iptables_lax: onOff('Rules that have no meaning here (owner, cgroup, …) are loaded as never matching.', false),
};

function when(type: string): Schema {
  return {
    if: { type: 'object', properties: { type: { const: type } }, required: ['type'] },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own word
    then: ref(type),
  };
}

export const SCHEMA: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'a map of links, namespaces, routes and more',
  description: 'Configuration of Sluice: sluice up -c FILE, sluice config apply FILE.',
  type: ['object', 'null'],
  properties: { dataplane: ref('dataplane'), ...SPACE, namespaces: ref('namespaces') },
  additionalProperties: false,
  definitions: {
    dataplane: {
      ...object('a map', DATAPLANE),
      description: 'What only "sluice up" can set.',
      type: ['object', 'null'],
    },
    links: {
      title: 'a map of links by name',
      type: ['object', 'null'],
      propertyNames: { type: 'string', pattern: NAME },
      additionalProperties: ref('link'),
    },
    link: {
      title: 'a map that says its type',
      type: 'object',
      properties: { type: COMMON.type },
      required: ['type'],
      allOf: KINDS.map(when),
    },
    bridge: kind('a map', BRIDGE, 65_535, {}),
    tap: kind('a map', { ...TAP, ...PORT_ONLY }, 65_521, { default: 1500 }),
    packet: kind('a map', { ...PACKET, ...PORT_ONLY }, 65_535, {}, ['dev']),
    pcap: kind('a map', { ...PCAP, ...PORT_ONLY }, 65_535, { default: 1500 }),
    memory: kind('a map', PORT_ONLY, 65_535, { default: 1500 }),
    veth: kind('a map', { ...VETH, ...PORT_ONLY }, 65_535, { default: 1500 }, ['peer']),
    vlan: kind('a map', { ...VLAN, ...PORT_ONLY }, 65_535, {}, ['link', 'id']),
    dummy: kind('a map', PORT_ONLY, 2_147_483_647, { default: 1500 }),
    lo: kind('a map', {}, 2_147_483_647, { default: 65_536 }),
    peer: { ...object('a map', PEER), description: "The kernel's end." },
    port: { ...object('a map', PORT), description: 'Options as a port of its bridge.' },
    storm: { ...object('a map', STORM), description: 'Storm control.' },
    fdb: { title: 'a list of stations', type: ['array', 'null'], items: ref('station') },
    station: object('a map', STATION, ['mac', 'dev']),
    address: {
      ...object('an address', ADDRESS, ['address']),
      type: ['object', 'string'],
      pattern: CIDR,
      examples: ['10.0.0.1/24'],
    },
    routes: { title: 'a list of routes', type: ['array', 'null'], items: ref('route') },
    route: object('a map', ROUTE, ['to']),
    nexthops: { title: 'a list of next hops', type: ['array', 'null'], items: ref('nexthop') },
    nexthop: object('a map', HOP),
    rules: { title: 'a list of rules', type: ['array', 'null'], items: ref('rule') },
    rule: object('a map', RULE, ['priority']),
    neighbours: { title: 'a list of neighbours', type: ['array', 'null'], items: ref('neighbour') },
    neighbour: object('a map', NEIGHBOUR, ['to', 'dev']),
    dhcp_servers: services('a map of DHCP servers by link', 'DHCPv4 servers.', 'dhcp_server'),
    dhcp_server: { ...object('a map', DHCP_SERVER), type: ['object', 'null'] },
    lease_hosts: { title: 'a list of hosts', type: ['array', 'null'], items: ref('lease_host') },
    lease_host: {
      ...object('a map', LEASE_HOST, ['address']),
      description: 'A host that always gets the same address.',
    },
    dhcp_clients: services('a map of DHCP clients by link', 'DHCPv4 clients.', 'dhcp_client'),
    dhcp_client: { ...object('a map', DHCP_CLIENT), type: ['object', 'null'] },
    radv: services('a map of router advertisements by link', 'IPv6 router advertisements.', 'advertiser'),
    advertiser: { ...object('a map', RADV), type: ['object', 'null'] },
    ra_prefixes: { title: 'a list of prefixes', type: ['array', 'null'], items: ref('ra_prefix') },
    ra_prefix: object('a map', RA_PREFIX, ['prefix']),
    sysctl: {
      title: 'a map of sysctls by name',
      description: 'Settings of the IP stack, under their Linux names: net.ipv4.ip_forward: 1.',
      type: ['object', 'null'],
      additionalProperties: { title: 'a number or text', type: ['integer', 'string'], examples: [1] },
    },
    namespaces: {
      title: 'a map of namespaces by name',
      type: ['object', 'null'],
      propertyNames: { type: 'string', pattern: '^[^/]{1,255}$' },
      additionalProperties: ref('namespace'),
    },
    namespace: {
      ...object('a map of links, routes and more', SPACE),
      type: ['object', 'null'],
    },
  },
};

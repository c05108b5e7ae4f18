/*
 * Names of numbers that routes and rules carry: tables, protocols, scopes, DS fields, groups, IP protocols.
 *
 * Built-in names come first; the files of iproute2 (/etc/iproute2, else /usr/share/iproute2) add to
 * them and win where both name a number. A file is read when a number has no built-in name, or a
 * word is to be turned into a number: most commands read none. A line that is not "NUMBER NAME"
 * ends its file, as in iproute2.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { parseUnsigned } from './inet-words.js';

const DIRECTORIES = ['/etc/iproute2', '/usr/share/iproute2'];

function readFirst(file: string): string {
  for (const directory of DIRECTORIES) {
    try {
      return readFileSync(`${directory}/${file}`, 'utf8');
    } catch {}
  }
  return '';
}

function filesOf(directory: string): string[] {
  for (const root of DIRECTORIES) {
    try {
      return readdirSync(`${root}/${directory}`)
        .filter((name) => name.length > 5 && name.endsWith('.conf') && !name.startsWith('.'))
        .map((name) => `${directory}/${name}`);
    } catch {}
  }
  return [];
}

function* entries(text: string): Generator<[number, string]> {
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const parts = /^(0x[0-9a-fA-F]+|-?[0-9]+)\s+(\S+)/.exec(line);
    if (parts === null) return;
    yield [Number(parts[1]), parts[2]];
  }
}

/** How a number without a name is written. */
type Unnamed = (id: number) => string;

export class Names {
  readonly #byId: Map<number, string>;
  #isRead = false;

  constructor(
    builtIn: ReadonlyArray<[number, string]>,
    /** The file, and with `.d` appended the directory of more. */
    private readonly file: string,
    private readonly highest: number,
    private readonly radix = 0,
    private readonly unnamed: Unnamed = String,
  ) {
    this.#byId = new Map(builtIn);
  }

  name(id: number, numeric = false): string {
    if (numeric) return this.unnamed(id);
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    this.#read();
    return this.#byId.get(id) ?? this.unnamed(id);
  }

  /** A name or a number; undefined: neither. */
  number(text: string): number | undefined {
    this.#read();
    for (const [id, name] of this.#inOrder()) if (name === text) return id;
    const id = parseUnsigned(text, this.highest, this.radix);
    return id;
  }

  #inOrder(): Array<[number, string]> {
    return [...this.#byId].sort(([a], [b]) => (a & 0xff) - (b & 0xff) || a - b);
  }

  #read(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    for (const file of [this.file, ...filesOf(`${this.file}.d`)]) {
      for (const [id, name] of entries(readFirst(file))) if (id >= 0) this.#byId.set(id, name);
    }
  }
}

export const TABLES = new Names(
  [
    [255, 'local'],
    [254, 'main'],
    [253, 'default'],
  ],
  'rt_tables',
  0xffffffff,
);

export const SCOPES = new Names(
  [
    [0, 'global'],
    [255, 'nowhere'],
    [254, 'host'],
    [253, 'link'],
    [200, 'site'],
  ],
  'rt_scopes',
  255,
);

export const PROTOCOLS = new Names(
  [
    [0, 'unspec'],
    [1, 'redirect'],
    [2, 'kernel'],
    [3, 'boot'],
    [4, 'static'],
    [8, 'gated'],
    [9, 'ra'],
    [10, 'mrt'],
    [11, 'zebra'],
    [12, 'bird'],
    [13, 'dnrouted'],
    [14, 'xorp'],
    [15, 'ntk'],
    [16, 'dhcp'],
    [18, 'keepalived'],
    [42, 'babel'],
    [186, 'bgp'],
    [187, 'isis'],
    [188, 'ospf'],
    [189, 'rip'],
    [192, 'eigrp'],
  ],
  'rt_protos',
  255,
);

/** Numbers are hexadecimal, both ways. */
export const DSFIELDS = new Names([], 'rt_dsfield', 255, 16, (id) => `0x${id.toString(16).padStart(2, '0')}`);

export const REALMS = new Names([[0, 'unknown']], 'rt_realms', 255);

export const GROUPS = new Names([[0, 'default']], 'group', 0x7fffffff);

/** For a machine without /etc/protocols. */
const COMMON_IP_PROTOCOLS: ReadonlyArray<[number, string]> = [
  [1, 'icmp'],
  [2, 'igmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [58, 'ipv6-icmp'],
  [132, 'sctp'],
];

interface IpProtocols {
  byId: Map<number, string>;
  byName: Map<string, number>;
}

let $ipProtocols: IpProtocols | undefined;

/** /etc/protocols: name, number, other names. */
function ipProtocols(): IpProtocols {
  if ($ipProtocols !== undefined) return $ipProtocols;
  const found: IpProtocols = { byId: new Map(), byName: new Map() };
  let text = '';
  try {
    text = readFileSync('/etc/protocols', 'utf8');
  } catch {
    text = COMMON_IP_PROTOCOLS.map(([id, name]) => `${name} ${id}`).join('\n');
  }
  for (const line of text.split('\n')) {
    const [name, id, ...others] = line.split('#')[0].trim().split(/\s+/);
    if (id === undefined || !/^[0-9]+$/.test(id)) continue;
    if (!found.byId.has(Number(id))) found.byId.set(Number(id), name);
    for (const one of [name, ...others]) if (!found.byName.has(one)) found.byName.set(one, Number(id));
  }
  $ipProtocols = found;
  return found;
}

export function ipProtocolName(id: number, numeric = false): string {
  return (numeric ? undefined : ipProtocols().byId.get(id)) ?? `ipproto-${id}`;
}

export function ipProtocolNumber(text: string): number | undefined {
  return parseUnsigned(text, 255, 10) ?? ipProtocols().byName.get(text);
}

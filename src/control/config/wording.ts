/*
 * What the schema found wrong, as a sentence: CAUSE; HINT.
 */
import type { ErrorObject } from 'ajv';
import { KINDS, SCHEMA, type Schema } from './schema.js';
import type { Path } from './source.js';

export interface Finding {
  path: Path;
  text: string;
}

/** What others call these keys. */
const OTHER_NAMES: Record<string, string> = {
  kind: 'type',
  mac: 'address',
  macaddress: 'address',
  hwaddr: 'address',
  lladdr: 'mac',
  addresses: 'addr',
  bridge: 'master',
  controller: 'master',
  namespace: 'netns',
  ageing: 'ageing_time',
  aging_time: 'ageing_time',
  interface: 'dev',
  device: 'dev',
  port: 'dev',
  input: 'read',
  output: 'write',
  interfaces: 'links',
  stations: 'fdb',
  neighbors: 'neighbours',
  rule: 'rules',
  dhcp_server: 'dhcp_servers',
  dhcp_client: 'dhcp_clients',
};

/** Kinds that are to come. */
const LATER = ['vxlan', 'xdp', 'vhost-user', 'stream', 'dgram', 'cap', 'raw'];

function shown(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? `"${value}"` : String(value);
}

/** Single-character changes from one word to another (Levenshtein's distance). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** The word of a list that was probably meant. */
export function nearest(word: string, list: readonly string[]): string | undefined {
  const plain = word.toLowerCase().replaceAll('-', '_');
  const known = OTHER_NAMES[plain];
  if (known !== undefined && list.includes(known)) return known;
  const ranked = list.map((other) => ({ other, far: distance(plain, other) })).sort((a, b) => a.far - b.far);
  const [best] = ranked;
  return best !== undefined && best.far <= Math.max(1, Math.floor(best.other.length / 3)) ? best.other : undefined;
}

function pathOf(pointer: string, root: unknown): Path {
  let at = root;
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
      const step = Array.isArray(at) ? Number(key) : key;
      at = (at as Record<string | number, unknown>)[step];
      return step;
    });
}

/** Kinds of link that have a key. */
function kindsWith(key: string): string[] {
  return KINDS.filter((kind) => SCHEMA.definitions?.[kind]?.properties?.[key] !== undefined);
}

function unknownKey(key: string, path: Path, parent: Schema, data: unknown): string {
  const keys = Object.keys(parent.properties ?? {});
  const meant = nearest(key, keys);
  if (meant !== undefined) return `there is no such key; did you mean "${meant}"?`;
  const isLink = path.at(-2) === 'links';
  const kind = isLink ? String((data as { type?: unknown }).type) : '';
  const others = isLink ? kindsWith(key) : [];
  if (others.length > 0) return `a ${kind} has no such key, a ${others.join(' or ')} has; remove it`;
  return `there is no such key; it can be ${keys.join(', ')}`;
}

function wrongType(value: unknown): string {
  const hint = `the types are ${KINDS.join(', ')}`;
  if (typeof value === 'string' && LATER.includes(value)) return `links of type ${value} are not there yet; ${hint}`;
  const meant = typeof value === 'string' ? nearest(value, KINDS) : undefined;
  return `there is no type ${shown(value)}; ${meant === undefined ? hint : `did you mean "${meant}"?`}`;
}

/** Of maps and lists, by their titles: what one looks like. */
const SHAPES: Record<string, string> = {
  'a map of links, namespaces, routes and more': 'links: {br0: {type: bridge}}',
  'a map of links, routes and more': '{links: {eth0: {type: dummy}}}',
  'a map of namespaces by name': '{red: {links: {eth0: {type: dummy}}}}',
  'a map of sysctls by name': '{net.ipv4.ip_forward: 1}',
  'a list of routes': '[{to: default, via: 10.0.0.2}]',
  'a list of rules': '[{priority: 100, from: 10.1.0.0/16, table: 100}]',
  'a list of neighbours': '[{to: 10.0.0.9, dev: eth0, lladdr: 02:00:00:00:00:09}]',
  'a list of hosts': '[{mac: 02:00:00:00:00:09, address: 10.0.0.9}]',
  'a list of prefixes': '[{prefix: 2001:db8::/64}]',
  'a map of DHCP servers by link': '{br0: {pool: [10.0.0.10, 10.0.0.99]}}',
  'a map of DHCP clients by link': '{eth0: {}}',
  'a map of router advertisements by link': '{br0: {}}',
  'a list of next hops': '[{via: 10.0.0.2}, {via: 10.0.0.3}]',
  'an address': '10.0.0.1/24',
  'a map of links by name': '{br0: {type: bridge}}',
  'a map that says its type': '{type: tap}',
  'a list of stations': '[{mac: 02:00:00:00:00:01, dev: t1}]',
};

function mustBe({ title = '', examples = [] }: Schema, data: unknown): string {
  const example = examples[0] ?? SHAPES[title] ?? '{KEY: VALUE}';
  return `must be ${title}, not ${shown(data)}; write for example ${example}`;
}

/** Undefined for what only repeats another error. */
export function worded(error: ErrorObject, root: unknown): Finding | undefined {
  const { keyword, params, data } = error;
  const schema = error.parentSchema as Schema;
  const path = pathOf(error.instancePath, root);
  if (keyword === 'if' || keyword === 'propertyNames' || error.propertyName !== undefined) return undefined;
  if (keyword === 'additionalProperties') {
    const key = String(params.additionalProperty);
    return { path: [...path, key], text: unknownKey(key, path, schema, data) };
  }
  if (keyword === 'required') {
    const key = String(params.missingProperty);
    const example = schema.properties?.[key]?.examples?.[0];
    return { path, text: `"${key}" is missing; write for example "${key}: ${example}"` };
  }
  if (path.at(-3) === 'links' && path.at(-1) === 'type') return { path, text: wrongType(data) };
  return { path, text: mustBe(schema, data) };
}

/*
 * `sluice dhcp`: DHCP servers and clients of links, and the leases that were given.
 */
import type { Done } from '../control/api/answer.js';
import type {
  DhcpClientInfo,
  DhcpClientOptions,
  DhcpHost,
  DhcpLeaseInfo,
  DhcpServerInfo,
  DhcpServerOptions,
} from '../control/api/dhcp.js';
import type { Request } from '../control/api/request.js';
import { type Json, json } from './json.js';
import { misuse } from './refusal.js';
import { jsonFlags, ServiceWords, table, timeLeft } from './service-words.js';
import { inSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';

/** What is asked, one after the other, and what is printed of the last answer. */
export interface DhcpCommand {
  requests: Request[];
  text(answer: unknown): string;
}

const nothing = (): string => '';

function pushTo<K extends 'router' | 'dns'>(options: DhcpServerOptions, key: K, value: string): void {
  options[key] = [...(options[key] ?? []), value];
}

function host(words: ServiceWords): DhcpHost {
  const who = words.value('host');
  const address = words.value('host');
  const name = words.has('name') ? words.value('name') : undefined;
  const key = who.startsWith('id:') ? { id: who.slice(3) } : { mac: who };
  return { ...key, address, ...(name === undefined ? {} : { name }) };
}

/** "A-B" or two words. */
function pool(words: ServiceWords): [string, string] {
  const [first, last] = words.value('pool').split('-');
  return [first, last ?? words.value('pool')];
}

const SERVER: Record<string, (options: DhcpServerOptions, words: ServiceWords) => void> = {
  subnet: (options, words) => {
    options.subnet = words.value('subnet');
  },
  pool: (options, words) => {
    options.pool = pool(words);
  },
  router: (options, words) => {
    const router = words.value('router');
    if (router === 'none') options.router = [];
    else pushTo(options, 'router', router);
  },
  dns: (options, words) => pushTo(options, 'dns', words.value('dns')),
  domain: (options, words) => {
    options.domain = words.value('domain');
  },
  mtu: (options, words) => {
    options.mtu = words.number('mtu', 65535);
  },
  lease: (options, words) => {
    options.lease_s = words.seconds('lease');
  },
  host: (options, words) => {
    options.hosts = [...(options.hosts ?? []), host(words)];
  },
};

function options<T>(words: ServiceWords, known: Record<string, (options: T, words: ServiceWords) => void>, into: T): T {
  while (!words.done) {
    const word = words.take('option');
    if (!Object.hasOwn(known, word)) throw words.unknown(word);
    known[word](into, words);
  }
  return into;
}

function server(verb: string, words: ServiceWords): DhcpCommand {
  if (verb === 'show') return show<DhcpServerInfo>(words, 'dhcp.server.list', serverText);
  const dev = words.take('link');
  if (verb === 'add')
    return { requests: [{ op: 'dhcp.server.add', dev, options: options(words, SERVER, {}) }], text: nothing };
  words.end();
  return { requests: [{ op: 'dhcp.server.del', dev }], text: nothing };
}

interface ClientWords extends DhcpClientOptions {
  /** Set on the link first. */
  address?: string;
}

const CLIENT: Record<string, (options: ClientWords, words: ServiceWords) => void> = {
  hostname: (options, words) => {
    options.hostname = words.value('hostname');
  },
  metric: (options, words) => {
    options.metric = words.number('metric');
  },
  address: (options, words) => {
    options.address = words.value('address');
  },
};

function client(verb: string, words: ServiceWords): DhcpCommand {
  if (verb === 'show') return show<DhcpClientInfo>(words, 'dhcp.client.list', clientText);
  const dev = words.take('link');
  if (verb === 'add') {
    const { address, ...rest } = options<ClientWords>(words, CLIENT, {});
    const first: Request[] = address === undefined ? [] : [{ op: 'link.set', name: dev, address }];
    return { requests: [...first, { op: 'dhcp.client.add', dev, options: rest }], text: nothing };
  }
  words.end();
  return { requests: [{ op: 'dhcp.client.del', dev }], text: nothing };
}

function show<T>(
  words: ServiceWords,
  op: 'dhcp.server.list' | 'dhcp.client.list' | 'dhcp.leases',
  text: (info: T) => string,
): DhcpCommand {
  const dev = words.done ? undefined : words.take('link');
  words.end();
  const request: Request = dev === undefined ? { op } : { op, dev };
  return { requests: [request], text: (answer) => (answer as T[]).map(text).join('') };
}

function serverText(info: DhcpServerInfo): string {
  const {
    dev,
    subnet = '',
    pool = ['', ''],
    router = [],
    dns = [],
    domain,
    mtu,
    lease_s: leaseS = 0,
    hosts = [],
  } = info;
  let text = `${dev}: subnet ${subnet} pool ${pool[0]}-${pool[1]}`;
  text += router.length === 0 ? ' router none' : router.map((each) => ` router ${each}`).join('');
  text += dns.map((each) => ` dns ${each}`).join('');
  if (domain !== undefined) text += ` domain ${domain}`;
  if (mtu !== undefined) text += ` mtu ${mtu}`;
  text += ` lease ${leaseS === 0xffffffff ? 'forever' : `${leaseS}s`}\n`;
  for (const { mac, id, address, name } of hosts)
    text += `    host ${mac ?? `id:${id}`} ${address}${name === undefined ? '' : ` name ${name}`}\n`;
  text += `    leases ${info.leases}\n`;
  return info.problem === undefined ? text : `${text}    not serving: ${info.problem}\n`;
}

function clientText(info: DhcpClientInfo): string {
  let text = `${info.dev}: ${info.state}`;
  if (info.address !== undefined) text += ` address ${info.address} server ${info.server}`;
  text += (info.routers ?? []).map((each) => ` router ${each}`).join('');
  text += (info.dns ?? []).map((each) => ` dns ${each}`).join('');
  if (info.domain !== undefined) text += ` domain ${info.domain}`;
  if (info.mtu !== undefined) text += ` mtu ${info.mtu}`;
  if (info.address !== undefined)
    text += info.expires === undefined ? ' forever' : ` expires ${timeLeft(info.expires)}`;
  return `${text}\n`;
}

function leasesText(leases: DhcpLeaseInfo[]): string {
  if (leases.length === 0) return '';
  const rows = leases.map(({ address, mac, name, state, expires, dev }) => {
    return [address, mac, name === '' ? '-' : name, state, timeLeft(expires), dev];
  });
  return table([['address', 'mac', 'name', 'state', 'expires', 'link'], ...rows]);
}

function leases(words: ServiceWords): DhcpCommand {
  const { requests } = show<DhcpLeaseInfo>(words, 'dhcp.leases', nothing);
  return { requests, text: (answer) => leasesText(answer as DhcpLeaseInfo[]) };
}

function deleteLease(words: ServiceWords): DhcpCommand {
  if (!words.has('del')) throw misuse('dhcp', 'lease', 'it needs "del LINK ADDRESS"');
  const dev = words.take('link');
  const address = words.take('address');
  words.end();
  return { requests: [{ op: 'dhcp.lease.del', dev, address }], text: nothing };
}

export function parseDhcp(list: readonly string[]): DhcpCommand {
  const words = new ServiceWords('dhcp', list);
  const what = words.take('object: server, client or leases');
  if (what === 'leases') return leases(words);
  if (what === 'lease') return deleteLease(words);
  if (what !== 'server' && what !== 'client') throw words.unknown(what);
  const verb = words.done ? 'show' : words.take('command');
  if (verb !== 'add' && verb !== 'del' && verb !== 'show') throw words.unknown(verb);
  return what === 'server' ? server(verb, words) : client(verb, words);
}

/** Asks one after the other; warnings go to stderr. The last answer. */
export async function askAll(session: Session, requests: Request[]): Promise<unknown> {
  let answer: unknown;
  for (const request of requests) {
    answer = await session.ask<unknown>(request);
    for (const warning of (answer as Done | null)?.warnings ?? []) session.terminal.err(`${warning}\n`);
  }
  return answer;
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const { json: isJson, pretty, rest } = jsonFlags(words);
    const { requests, text } = parseDhcp(rest);
    await session.checkNamespace();
    const answer = await askAll(session, requests);
    terminal.out(isJson && Array.isArray(answer) ? json(answer as unknown as Json, pretty) : text(answer));
    return 0;
  });
}

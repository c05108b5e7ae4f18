/*
 * What ping and traceroute share: where probes go to, from which address, and how an answer's source is written.
 */
import { SluiceError } from '../core/errors.js';
import { formatIpv4At, formatIpv6, parseIpv4, parseIpv6 } from '../wire/format.js';
import { isSame } from './addrconf/interface-id.js';
import { ANY_LINK, type Datagram, errnoName, type Sockets } from './sockets.js';

const EACCES = -13;
const CAUSES: Record<number, string> = {
  [EACCES]: 'it is a broadcast address, or a route prohibits it',
  [-99]: 'there is no address to send from',
};

/** A namespace as probes need it. */
export interface ProbedNamespace {
  /** In the dataplane. */
  readonly number: number;
  readonly links: ReadonlyMap<string, { readonly number: number; readonly name: string }>;
}

export interface Way {
  namespace: number;
  family: 4 | 6;
  destination: Uint8Array;
  source: Uint8Array;
  /** The link that they are bound to, or ANY_LINK. */
  link: number;
  /** All hosts of a subnet answer. */
  isBroadcast: boolean;
}

export function addressBytes(text: string): Uint8Array | undefined {
  const ipv4 = parseIpv4(text);
  if (ipv4 === undefined) return parseIpv6(text);
  return Uint8Array.of(ipv4 >>> 24, ipv4 >>> 16, ipv4 >>> 8, ipv4);
}

export function formatBytes(address: Uint8Array): string {
  return address.length === 4 ? formatIpv4At(address, 0) : formatIpv6(address);
}

/** The source of an answer; of a link-local one also its link, which for an error of our own is not `lo` but the way's. */
export function sourceText(
  { links }: ProbedNamespace,
  way: Pick<Way, 'link'>,
  { source, link: by }: Pick<Datagram, 'source' | 'link'>,
): string {
  const text = formatBytes(source);
  if (!needsLink(source)) return text;
  const link = way.link === ANY_LINK ? by : way.link;
  for (const { name, number } of links.values()) if (number === link) return `${text}%${name}`;
  return text;
}

function refuse(errno: string, verb: string, object: string, cause: string): never {
  throw new SluiceError(errno, `cannot ${verb} ${object}: ${cause}`);
}

/** Groups and link-local addresses, which exist on every link. */
function needsLink(address: Uint8Array): boolean {
  return address.length === 16 && (address[0] === 0xff || (address[0] === 0xfe && (address[1] & 0xc0) === 0x80));
}

/**
 * EACCES for a broadcast address unless it is wanted.
 *
 * @param from a link or one of the namespace's own addresses; absent: as it is routed
 */
export async function wayTo(
  verb: string,
  destination: string,
  from: string | undefined,
  namespace: ProbedNamespace,
  sockets: Sockets,
  mayBroadcast = false,
): Promise<Way> {
  const [text, zone] = destination.split('%');
  const address = addressBytes(text);
  if (address === undefined) return refuse('EINVAL', verb, `"${destination}"`, 'it is no address; write one');
  const own = from === undefined ? undefined : addressBytes(from);
  const name = zone ?? (own === undefined ? from : undefined);
  const bound = name === undefined ? undefined : namespace.links.get(name);
  if (name !== undefined && bound === undefined)
    refuse('ENODEV', verb, `"${destination}"`, `there is no link "${name}"; "sluice ip link" lists them`);
  const link = bound?.number ?? ANY_LINK;
  if (needsLink(address) && link === ANY_LINK)
    refuse('EINVAL', verb, `"${destination}"`, `it is on every link; write ${text}%DEV`);
  const isBroadcast = mayBroadcast && (await sockets.sourceAddress(namespace.number, address, link, false)) === EACCES;
  const chosen = await chosenSource(verb, destination, address, namespace, link, sockets, mayBroadcast);
  const source = own ?? chosen;
  if (own !== undefined) await checkOwn(verb, destination, own, namespace, sockets);
  if (source.length !== address.length)
    refuse('EINVAL', verb, `"${destination}"`, `it and the source ${from} are of different families`);
  const family = address.length === 4 ? 4 : 6;
  return { namespace: namespace.number, family, destination: address, source, link, isBroadcast };
}

async function chosenSource(
  verb: string,
  destination: string,
  address: Uint8Array,
  { number }: ProbedNamespace,
  link: number,
  sockets: Sockets,
  mayBroadcast: boolean,
): Promise<Uint8Array> {
  const source = await sockets.sourceAddress(number, address, link, mayBroadcast);
  if (typeof source !== 'number') return source;
  return refuse(
    errnoName(source),
    verb,
    `"${destination}"`,
    `${CAUSES[source] ?? 'no route leads there'}; see "sluice ip route get"`,
  );
}

/** The way to an own address starts there. */
async function checkOwn(
  verb: string,
  destination: string,
  own: Uint8Array,
  { number }: ProbedNamespace,
  sockets: Sockets,
): Promise<void> {
  const found = await sockets.sourceAddress(number, own);
  if (typeof found === 'number' || !isSame(found, own))
    refuse('EADDRNOTAVAIL', verb, `"${destination}" from ${formatBytes(own)}`, 'that is no address of this namespace');
}

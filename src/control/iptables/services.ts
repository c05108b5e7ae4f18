/*
 * Names of services and protocols: /etc/services, /etc/protocols, and the few protocols that iptables knows without a file.
 *
 * Read once a process. A port's name is that of the first line with its number and protocol; names and aliases both lead to it.
 */
import { readFileSync } from 'node:fs';
import { readUnsigned } from './numbers.js';

interface Service {
  port: number;
  protocol: string;
}

/** iptables' own, before any file is asked; the first name of a number is the one printed. */
const OWN_PROTOCOLS: ReadonlyArray<[string, number]> = [
  ['tcp', 6],
  ['sctp', 132],
  ['udp', 17],
  ['udplite', 136],
  ['icmp', 1],
  ['ipv6-icmp', 58],
  ['icmpv6', 58],
  ['esp', 50],
  ['ah', 51],
  ['mobility-header', 135],
  ['ipv6-mh', 135],
  ['mh', 135],
  ['all', 0],
];

function* linesOf(file: string): Generator<string[]> {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {}
  for (const line of text.split('\n')) {
    const words = line.replace(/#.*/, '').split(/\s+/).filter(Boolean);
    if (words.length >= 2) yield words;
  }
}

class Services {
  readonly byName = new Map<string, Service[]>();
  /** "80/tcp" → name. */
  readonly byPort = new Map<string, string>();

  constructor() {
    for (const [name, place, ...aliases] of linesOf('/etc/services')) {
      const [number, protocol] = place.split('/');
      const port = Number(number);
      if (!(port >= 0 && port <= 0xffff) || protocol === undefined) continue;
      for (const one of [name, ...aliases]) {
        this.byName.set(one, [...(this.byName.get(one) ?? []), { port, protocol }]);
      }
      if (!this.byPort.has(`${port}/${protocol}`)) this.byPort.set(`${port}/${protocol}`, name);
    }
  }
}

class Protocols {
  readonly byName = new Map<string, number>();
  readonly byNumber = new Map<number, string>();

  constructor() {
    for (const [name, text, ...aliases] of linesOf('/etc/protocols')) {
      const number = Number(text);
      if (!Number.isInteger(number)) continue;
      for (const one of [name, ...aliases]) if (!this.byName.has(one)) this.byName.set(one, number);
      if (!this.byNumber.has(number)) this.byNumber.set(number, name);
    }
  }
}

let services: Services | undefined;
let protocols: Protocols | undefined;

function allServices(): Services {
  services ??= new Services();
  return services;
}

function allProtocols(): Protocols {
  protocols ??= new Protocols();
  return protocols;
}

/** A number, or a name (of `protocol`, else of any); undefined: neither. */
export function portNumber(text: string, protocol?: string): number | undefined {
  const number = readUnsigned(text, 0xffff);
  if (number !== undefined) return number;
  const named = allServices().byName.get(text);
  return named?.find((service) => protocol === undefined || service.protocol === protocol)?.port;
}

/** undefined: it has none. */
export function portName(port: number, protocol: string): string | undefined {
  return allServices().byPort.get(`${port}/${protocol}`);
}

/** A number 0 … 255, or a name; undefined: neither. */
export function protocolNumber(text: string): number | undefined {
  const number = readUnsigned(text, 255);
  if (number !== undefined) return number;
  return allProtocols().byName.get(text) ?? OWN_PROTOCOLS.find(([name]) => name === text)?.[1];
}

/** undefined: it has none, and is written as a number. */
export function protocolName(number: number, isNumeric = false): string | undefined {
  if (number !== 0 && !isNumeric) {
    const name = allProtocols().byNumber.get(number);
    if (name !== undefined) return name;
  }
  return OWN_PROTOCOLS.find(([, own]) => own === number)?.[0];
}

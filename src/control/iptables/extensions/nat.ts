/*
 * -j DNAT, SNAT, MASQUERADE, REDIRECT: an address, a range of them, ports.
 *
 *   [ADDRESS[-ADDRESS]][:PORT[-PORT[/BASE]]]     IPv6 with a port: [ADDRESS-ADDRESS]:PORT
 */
import { isIPv4 } from 'node:net';
import { NatFlag, Extension as TargetNumber } from '../../../netfilter/ops.js';
import { Family, Hook, TableId } from '../../../netfilter/rule.js';
import { type Address, formatAddress, readAddress } from '../addresses.js';
import type { Extension, Option } from '../extension.js';
import type { Given } from '../given.js';
import { Problem } from '../problem.js';
import { portNumber } from '../services.js';
import { leadingNumber } from './values.js';
import { fourWords } from './wording.js';

interface Ports {
  low: number;
  high: number;
  base?: number;
}

interface Nat {
  first?: Address;
  last?: Address;
  ports?: Ports;
  isRandom: boolean;
  isRandomFully: boolean;
  isPersistent: boolean;
}

/** Protocols whose rules may name ports. */
const WITH_PORTS = [6, 17, 132, 33, 1];

function wantPorts(given: Given): void {
  if (WITH_PORTS.includes(given.use.protocol)) return;
  throw new Problem('Need TCP, UDP, SCTP or DCCP with port specification');
}

function namedPort(text: string): number {
  const port = /^\d/.test(text) ? undefined : portNumber(text);
  if (port === undefined || /^[-\s]/.test(text)) throw new Problem(`Port \`${text}' not valid`);
  return port;
}

function numericPort(text: string): { value: number; rest: string } {
  const port = /^\d/.test(text) ? leadingNumber(text) : undefined;
  if (port === undefined || port.value > 0xffff) throw new Problem(`Port \`${text}' not valid`);
  return port;
}

function readBase(text: string): number {
  return /^\d/.test(text) ? numericPort(text).value : namedPort(text);
}

function readPorts(text: string): Ports {
  if (!/^\d/.test(text)) {
    const port = namedPort(text);
    return { low: port, high: port };
  }
  const low = numericPort(text);
  if (low.rest === '') return { low: low.value, high: low.value };
  if (low.rest.startsWith(':')) throw new Problem('Invalid port:port syntax - use dash');
  if (!low.rest.startsWith('-')) throw new Problem(`Garbage after port value: \`${low.rest}'`);
  const above = low.rest.slice(1);
  const high = numericPort(above);
  if (high.value < low.value) throw new Problem(`Port range \`${above}' funky`);
  const range = { low: low.value, high: high.value };
  if (high.rest === '') return range;
  if (!high.rest.startsWith('/')) throw new Problem(`Garbage after port range: \`${high.rest}'`);
  return { ...range, base: readBase(high.rest.slice(1)) };
}

function natAddress(text: string, family: Family): Address {
  const isWhole = family === Family.IPV6 || isIPv4(text);
  const address = isWhole ? readAddress(text, family) : undefined;
  if (address === undefined) throw new Problem(`Bad IP address "${text}"`);
  return address;
}

/** Splits ADDRESSES and PORTS: at the only colon, or the one behind the bracket. */
function split(text: string, family: Family): { addresses: string; ports?: string | undefined } {
  if (!text.startsWith('[')) {
    const colon = text.indexOf(':');
    if (colon < 0 || text.includes(':', colon + 1)) return { addresses: text };
    return { addresses: text.slice(0, colon), ports: text.slice(colon + 1) };
  }
  const end = text.indexOf(']');
  if (end < 0 || family !== Family.IPV6) throw new Problem('Invalid address format');
  const colon = text.indexOf(':', end);
  return { addresses: text.slice(1, end), ports: colon < 0 ? undefined : text.slice(colon + 1) };
}

function takeTo(data: Nat, given: Given): void {
  const { family } = given.use;
  const { addresses, ports } = split(given.text, family);
  if (ports !== undefined) {
    wantPorts(given);
    data.ports = readPorts(ports);
    if (addresses === '') return;
  }
  const dash = addresses.indexOf('-');
  data.first = natAddress(dash < 0 ? addresses : addresses.slice(0, dash), family);
  data.last = dash < 0 ? data.first : natAddress(addresses.slice(dash + 1), family);
}

function portsText({ low, high, base }: Ports, keepsBase: boolean): string {
  const range = low === high ? `${low}` : `${low}-${high}`;
  return base === undefined ? range : `${range}/${keepsBase ? base : 0}`;
}

function toText({ first, last, ports }: Nat, keepsBase: boolean): string {
  let text = '';
  if (first !== undefined && last !== undefined) {
    const [one, other] = [formatAddress(first), formatAddress(last)];
    text = one === other ? one : `${one}-${other}`;
    if (first.length > 1 && ports !== undefined) text = `[${text}]`;
  }
  return ports === undefined ? text : `${text}:${portsText(ports, keepsBase)}`;
}

function flagsText(data: Nat, dashes: string): string {
  return (
    (data.isRandom ? ` ${dashes}random` : '') +
    (data.isRandomFully ? ` ${dashes}random-fully` : '') +
    (data.isPersistent ? ` ${dashes}persistent` : '')
  );
}

function flagsOf({ first, ports, isRandom, isRandomFully, isPersistent }: Nat): number {
  return (
    (first === undefined ? 0 : NatFlag.ADDRESSES) |
    (ports === undefined ? 0 : NatFlag.PORTS) |
    (ports?.base === undefined ? 0 : NatFlag.OFFSET) |
    (isRandom ? NatFlag.RANDOM : 0) |
    (isRandomFully ? NatFlag.RANDOM_FULLY : 0) |
    (isPersistent ? NatFlag.PERSISTENT : 0)
  );
}

function words(data: Nat, keepsBase: boolean): number[] {
  const { first = [0], last = [0], ports } = data;
  const base = keepsBase ? (ports?.base ?? 0) : 0;
  return [flagsOf(data), ...fourWords(first), ...fourWords(last), ports?.low ?? 0, ports?.high ?? 0, base];
}

function flag(name: string, set: (data: Nat) => void): Option<Nat> {
  return { name, take: set };
}

const random = flag('random', (data) => {
  data.isRandom = true;
});
const randomFully = flag('random-fully', (data) => {
  data.isRandomFully = true;
});
const persistent = flag('persistent', (data) => {
  data.isPersistent = true;
});

const toPorts: Option<Nat> = {
  name: 'to-ports',
  argument: 'required',
  take(data, given) {
    wantPorts(given);
    data.ports = readPorts(given.text);
  },
};

interface Kind {
  name: string;
  target: TargetNumber;
  hooks: number;
  options: ReadonlyArray<Option<Nat>>;
  /** The option that has the addresses; '' where there are only ports. */
  to: string;
  /** In lists. */
  label: string;
  keepsBase: boolean;
}

function natTarget({ name, target, hooks, options, to, label, keepsBase }: Kind): Extension<Nat> {
  return {
    name,
    isTarget: true,
    needsConntrack: true,
    tables: [TableId.NAT],
    hooks,
    options,
    create: () => ({ isRandom: false, isRandomFully: false, isPersistent: false }),
    save(data) {
      const ports = data.ports === undefined ? '' : ` --to-ports ${portsText(data.ports, keepsBase)}`;
      return (to === '' ? ports : ` --${to} ${toText(data, keepsBase)}`) + flagsText(data, '--');
    },
    list(data) {
      const ports = data.ports === undefined ? '' : ` ${label} ${portsText(data.ports, keepsBase)}`;
      return (to === '' ? ports : ` ${label}${toText(data, keepsBase)}`) + flagsText(data, '');
    },
    encode: (data, into) => into.target(target, words(data, keepsBase)),
  };
}

function toOption(name: string): Option<Nat> {
  return { name, argument: 'required', isMandatory: true, take: takeTo };
}

const BEFORE = (1 << Hook.PREROUTING) | (1 << Hook.OUTPUT);

export const dnat = natTarget({
  name: 'DNAT',
  target: TargetNumber.DNAT,
  hooks: BEFORE,
  options: [toOption('to-destination'), random, persistent],
  to: 'to-destination',
  label: 'to:',
  keepsBase: true,
});

export const snat = natTarget({
  name: 'SNAT',
  target: TargetNumber.SNAT,
  hooks: (1 << Hook.POSTROUTING) | (1 << Hook.INPUT),
  options: [toOption('to-source'), random, randomFully, persistent],
  to: 'to-source',
  label: 'to:',
  // Its form in the kernel has no room for the base: what is said of it is lost there too.
  keepsBase: false,
});

export const masquerade = natTarget({
  name: 'MASQUERADE',
  target: TargetNumber.MASQUERADE,
  hooks: 1 << Hook.POSTROUTING,
  options: [toPorts, random, randomFully],
  to: '',
  label: 'masq ports:',
  keepsBase: false,
});

export const redirect = natTarget({
  name: 'REDIRECT',
  target: TargetNumber.REDIRECT,
  hooks: BEFORE,
  options: [toPorts, random],
  to: '',
  label: 'redir ports',
  keepsBase: false,
});

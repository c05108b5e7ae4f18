/*
 * `sluice ping`: as iputils' ping, from a namespace of Sluice. The daemon sends and measures; here is what is said of it.
 *
 * Addresses only: there is no resolver in Sluice, so names are refused as ping refuses one that it cannot find, and -n
 * changes nothing. SIGINT ends it with the statistics so far.
 */
import { isIP } from 'node:net';
import type { PingEvent, PingRequest } from '../control/api/ping.js';
import { ApiFailure } from '../control/client.js';
import { getopt } from './getopt.js';
import { echoError } from './icmp-words.js';
import { cannot, Refusal, strerror } from './refusal.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';

export interface PingOptions {
  destination: string;
  family: 4 | 6;
  count?: number;
  intervalS: number;
  size: number;
  waitS: number;
  deadlineS?: number;
  ttl?: number;
  tos?: number;
  pmtu: PingRequest['pmtu'];
  from?: string;
  isQuiet: boolean;
  isBroadcastAllowed: boolean;
}

const SPEC = '46bnqc:i:s:W:w:t:M:I:Q:';
const MAX_SIZE = 65507;
/** What a time stamp needs: with less data ping tells no round-trip times. */
const STAMP_BYTES = 16;

function no(line: string, status: number, cause: string): Refusal {
  return new Refusal(`ping: ${line}`, status, cannot('ping', '', cause, 'see "sluice ping --help"'));
}

function integer(text: string, least: number, most: number | string): number {
  if (!/^\s*[+-]?\d+$/.test(text)) throw no(`invalid argument: '${text}'`, 1, `"${text}" is no number`);
  const number = Number(text);
  if (number >= least && number <= Number(most)) return number;
  const line = `invalid argument: '${text}': out of range: ${least} <= value <= ${most}`;
  throw no(line, 1, `${text} is out of range`);
}

function seconds(text: string, least: number): number {
  const number = /^\s*\+?\d*\.?\d*$/.test(text) && /\d/.test(text) ? Number(text) : Number.NaN;
  if (number >= least) return number;
  throw no(`bad timing interval: ${text}`, 2, `"${text}" is no time`);
}

type Setter = (options: PingOptions, value: string) => void;

const SETTERS: Record<string, Setter> = {
  4: (options) => setFamily(options, 4),
  6: (options) => setFamily(options, 6),
  b: (options) => {
    options.isBroadcastAllowed = true;
  },
  n: () => {},
  q: (options) => {
    options.isQuiet = true;
  },
  c: (options, value) => {
    options.count = integer(value, 1, '9223372036854775807');
  },
  i: (options, value) => {
    options.intervalS = seconds(value, 0.001);
  },
  s: (options, value) => {
    options.size = integer(value, 0, 2147483647);
  },
  W: (options, value) => {
    options.waitS = seconds(value, 0.001);
  },
  w: (options, value) => {
    options.deadlineS = integer(value, 0, 2147483647) || Number.POSITIVE_INFINITY;
  },
  t: (options, value) => {
    options.ttl = integer(value, 0, 255);
  },
  Q: (options, value) => {
    options.tos = integer(/^0x/i.test(value) ? String(Number(value)) : value, 0, 255);
  },
  M: (options, value) => {
    if (value !== 'do' && value !== 'dont' && value !== 'want')
      throw no(`invalid -M argument: ${value}`, 2, `"${value}" is none of do, dont and want`);
    options.pmtu = value;
  },
  I: (options, value) => {
    options.from = value;
  },
};

/** 0: not said. */
type Wanted = Omit<PingOptions, 'family'> & { wanted: 0 | 4 | 6 };

function setFamily(options: PingOptions, family: 4 | 6): void {
  const wanted = options as unknown as Wanted;
  if (wanted.wanted !== 0 && wanted.wanted !== family)
    throw no('only one -4 or -6 option may be specified', 2, 'it cannot be both IPv4 and IPv6');
  wanted.wanted = family;
}

function familyOf(destination: string, wanted: 0 | 4 | 6): 4 | 6 {
  const [text] = destination.split('%');
  const family = isIP(text);
  if (family !== 4 && family !== 6)
    throw no(
      `${destination}: Name or service not known`,
      2,
      `"${destination}" is no address, and names are not resolved`,
    );
  if (wanted !== 0 && wanted !== family)
    throw no(`${destination}: Address family for hostname not supported`, 2, `${destination} is of the other family`);
  return family;
}

export function parsePing(words: readonly string[]): PingOptions {
  const { options, operands, unknown, lacking } = getopt(words, SPEC);
  const wanted: Wanted = {
    destination: '',
    wanted: 0,
    intervalS: 1,
    size: 56,
    waitS: 10,
    pmtu: 'want',
    isQuiet: false,
    isBroadcastAllowed: false,
  };
  for (const [letter, value] of options) SETTERS[letter](wanted as unknown as PingOptions, value);
  if (unknown !== undefined) throw no(`invalid option -- '${unknown}'`, 2, `there is no option -${unknown} here`);
  if (lacking !== undefined)
    throw no(`option requires an argument -- '${lacking}'`, 2, `option -${lacking} needs a value`);
  if (operands.length === 0) throw no('usage error: Destination address required', 1, 'it names no destination');
  if (operands.length > 1)
    throw no(`${operands[0]}: source routes are not sent`, 2, `"${operands[1]}" would be a hop of a source route`);
  if (wanted.ttl === 0) throw no('cannot set unicast time-to-live: Invalid argument', 2, 'the TTL is at least 1');
  if (wanted.size > MAX_SIZE)
    throw no(`packet size ${wanted.size} is too large. Maximum is ${MAX_SIZE}`, 1, `${wanted.size} bytes are too many`);
  const { wanted: family, ...rest } = wanted;
  return { ...rest, destination: operands[0], family: familyOf(operands[0], family) };
}

function requestOf(options: PingOptions): PingRequest {
  const { destination, count, intervalS, size, waitS, deadlineS, ttl, tos, pmtu, from } = options;
  return {
    op: 'ping',
    destination,
    ...(count === undefined ? {} : { count }),
    interval_ms: Math.max(1, intervalS * 1000),
    size,
    wait_ms: waitS * 1000,
    ...(deadlineS === undefined || deadlineS === Number.POSITIVE_INFINITY ? {} : { deadline_ms: deadlineS * 1000 }),
    ...(ttl === undefined ? {} : { ttl }),
    ...(tos === undefined ? {} : { tos }),
    pmtu,
    ...(from === undefined ? {} : { from }),
    ...(options.isBroadcastAllowed ? { broadcast: true } : {}),
  };
}

/** As ping prints a round trip: fewer decimals the longer it is. */
export function roundTrip(us: number): string {
  if (us >= 100_000) return String(Math.floor((us + 500) / 1000));
  if (us >= 10_000) return (Math.floor((us + 50) / 100) / 10).toFixed(1);
  if (us >= 1000) return (Math.floor((us + 5) / 10) / 100).toFixed(2);
  return (us / 1000).toFixed(3);
}

function millis(us: number): string {
  return (Math.floor(us) / 1000).toFixed(3);
}

export class Statistics {
  transmitted = 0;
  received = 0;
  duplicates = 0;
  errors = 0;
  private shortest = Number.POSITIVE_INFINITY;
  private longest = 0;
  private sum = 0;
  private squares = 0;
  private count = 0;
  private firstUs = 0;
  private lastUs = 0;
  /** The most requests that were under way at a time. */
  private pipe = 0;

  constructor(private readonly options: PingOptions) {}

  take(event: PingEvent): void {
    if (event.event === 'start') this.firstUs = event.time_us;
    if (event.event === 'sent' || event.event === 'refused') this.transmitted++;
    if (event.event === 'refused') this.errors++;
    if (event.event === 'error' && !isRedirect(event, this.options.family)) this.errors++;
    // ping counts up to the last request, not to its answer.
    if (event.event !== 'reply' && event.event !== 'error') this.lastUs = event.time_us;
    if (event.event === 'reply') this.takeReply(event);
  }

  private takeReply({ rtt_us: us, duplicate, sequence }: Extract<PingEvent, { event: 'reply' }>): void {
    if (duplicate) this.duplicates++;
    else this.received++;
    this.pipe = Math.max(this.pipe, this.transmitted - sequence + 1);
    this.count++;
    this.sum += us;
    this.squares += us * us;
    this.shortest = Math.min(this.shortest, us);
    this.longest = Math.max(this.longest, us);
  }

  get status(): number {
    const { count = 0, deadlineS } = this.options;
    return this.received === 0 || (deadlineS !== undefined && this.received < count) ? 1 : 0;
  }

  text(): string {
    const { transmitted, received, duplicates, errors } = this;
    let text = `\n--- ${this.options.destination} ping statistics ---\n`;
    text += `${transmitted} packets transmitted, ${received} received`;
    if (duplicates > 0) text += `, +${duplicates} duplicates`;
    if (errors > 0) text += `, +${errors} errors`;
    if (transmitted > 0) text += `, ${loss(transmitted, received)}% packet loss, time ${this.elapsed()}ms`;
    return `${text}\n${this.times()}\n`;
  }

  private elapsed(): number {
    return Math.round((this.lastUs - this.firstUs) / 1000);
  }

  private times(): string {
    if (this.count === 0 || this.options.size < STAMP_BYTES) return '';
    const average = Math.floor(this.sum / this.count);
    const variance = Math.max(0, (this.squares - (this.sum * this.sum) / this.count) / this.count);
    const values = [this.shortest, average, this.longest, Math.sqrt(variance)].map(millis).join('/');
    return `rtt min/avg/max/mdev = ${values} ms${this.pipe > 1 ? `, pipe ${this.pipe}` : ''}`;
  }
}

/** As printf's %g. */
function loss(transmitted: number, received: number): string {
  return String(Number(Math.fround(((transmitted - received) * 100) / transmitted).toPrecision(6)));
}

function isRedirect({ type }: { type: number }, family: 4 | 6): boolean {
  return family === 4 ? type === 5 : type === 137;
}

/** The first line. */
export function header(options: PingOptions, source: string): string {
  const { destination, size, from, family } = options;
  const isAddress = from !== undefined && isIP(from) !== 0;
  const by = from === undefined ? '' : ` from ${source} ${isAddress ? '' : from}:`;
  if (family === 6) return `PING ${destination}(${destination})${by} ${size} data bytes\n`;
  return `PING ${destination} (${destination})${by} ${size}(${size + 28}) bytes of data.\n`;
}

/** What an event says on stdout; '' where it says nothing. */
export function line(options: PingOptions, event: PingEvent): string {
  if (event.event === 'start') return header(options, event.source);
  if (options.isQuiet) return '';
  if (event.event === 'reply') {
    const time = options.size < STAMP_BYTES ? '' : ` time=${roundTrip(event.rtt_us)} ms`;
    const { bytes, from, sequence, ttl, duplicate } = event;
    return `${bytes} bytes from ${from}: icmp_seq=${sequence} ttl=${ttl}${time}${duplicate ? ' (DUP!)' : ''}\n`;
  }
  if (event.event !== 'error') return '';
  return `From ${event.from} icmp_seq=${event.sequence} ${echoError(options.family, event)}\n`;
}

/** What an event says on stderr. */
function complaint(options: PingOptions, event: PingEvent): string {
  if (event.event === 'start') return event.broadcast ? 'WARNING: pinging broadcast address\n' : '';
  if (event.event !== 'refused' || options.isQuiet) return '';
  if (event.errno !== 'EMSGSIZE') return `ping: sendmsg: ${strerror(event.errno)}\n`;
  return `ping: local error: message too long, mtu${options.family === 6 ? ': ' : '='}${event.mtu}\n`;
}

/** The daemon's refusal in ping's words. */
function refusal({ errno, message }: ApiFailure['error'], { from }: PingOptions): Refusal {
  const isAddress = from !== undefined && isIP(from) !== 0;
  if (errno === 'ENODEV') return new Refusal(`ping: SO_BINDTODEVICE ${from}: No such device`, 2, message);
  if (errno === 'EADDRNOTAVAIL' && isAddress) return new Refusal(`ping: bind: ${strerror(errno)}`, 2, message);
  if (errno === 'EACCES')
    return new Refusal(
      'ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules',
      2,
      message,
    );
  return new Refusal(`ping: connect: ${strerror(errno)}`, 2, message);
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Resolves when a signal comes. */
export function interrupted(): { signal: Promise<void>; done(): void } {
  let stop = (): void => {};
  const signal = new Promise<void>((resolve) => {
    stop = resolve;
  });
  for (const name of SIGNALS) process.once(name, stop);
  return {
    signal,
    done: () => {
      for (const name of SIGNALS) process.off(name, stop);
    },
  };
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const options = parsePing(words);
    await session.checkNamespace();
    const client = await session.client();
    const statistics = new Statistics(options);
    const take = (event: PingEvent): boolean => {
      statistics.take(event);
      const error = complaint(options, event);
      if (error !== '') terminal.err(error);
      const text = line(options, event);
      if (text !== '') terminal.out(text);
      return true;
    };
    const { signal, done } = interrupted();
    try {
      await Promise.race([client.stream<PingEvent>(requestOf(options), take), signal]);
    } catch (error) {
      if (error instanceof ApiFailure) throw refusal(error.error, options);
      throw error;
    } finally {
      done();
    }
    terminal.out(statistics.text());
    return statistics.status;
  });
}

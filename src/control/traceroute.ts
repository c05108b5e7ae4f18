/*
 * The `traceroute` request: probes with rising TTL, and what answered each, as a stream in order of hop and query. What
 * is printed of it is the client's (cli/traceroute.ts).
 *
 * As traceroute 2.1 does: up to SIMULTANEOUS probes are under way, each from a port of its own (an echo identifier has
 * sequence numbers instead). A probe is waited for `wait_ms`, or where another one of the same hop (`here`) or of a later
 * one (`near`) has been answered, that many times as long as that one took and 1 ms. The last hop is the first one that the
 * destination itself, or an ICMP error other than "time exceeded", answered from.
 */
import { SluiceError } from '../core/errors.js';
import { Protocol } from '../wire/ipv4.js';
import type { TracerouteProbe, TracerouteRequest } from './api/traceroute.js';
import { echoRequest, headerBytes, tcpPacket, udpPacket } from './packets.js';
import { formatBytes, type ProbedNamespace, type Way, wayTo } from './probing.js';
import { type Datagram, errnoName, type Quoted, type Sent, type Socket, type Sockets } from './sockets.js';

const EMSGSIZE = -90;
const SIMULTANEOUS = 16;
/** Added to times before they are multiplied: short ones are not that precise. */
const PRECISION_MS = 1;
const MAX_HOPS = 255;
const MAX_QUERIES = 10;
const MAX_LENGTH = 65000;
const UDP_HEADER = 8;
const TCP_HEADER = 40;
const DEFAULT_PORT = { default: 33434, udp: 53, icmp: 1, tcp: 80 };

const enum Tcp {
  SYN = 0x02,
  RST = 0x04,
  ACK = 0x10,
}

interface Probe {
  ttl: number;
  /** From 0 on. */
  index: number;
  sentUs: number;
  sentMs: number;
  socket?: Socket;
  /** Answered, or given up. */
  isDone: boolean;
  isFinal: boolean;
  rttMs?: number;
  from?: Uint8Array;
  note?: string;
}

const NOTES4: Record<number, string> = {
  0: '!N',
  6: '!N',
  8: '!N',
  11: '!N',
  1: '!H',
  7: '!H',
  12: '!H',
  9: '!X',
  10: '!X',
  13: '!X',
  2: '!P',
  3: '',
  5: '!S',
  14: '!V',
  15: '!C',
};

const NOTES6: Record<number, string> = { 0: '!N', 1: '!X', 2: '!N', 3: '!H', 4: '' };

/** undefined: a router on the way has let the packet expire. */
function noteOf(family: 4 | 6, { type, code, info }: Quoted): string | undefined {
  if (family === 4) {
    if (type === 11 && code === 0) return undefined;
    if (type === 3 && code === 4) return `!F-${info & 0xffff}`;
    return (type === 3 ? NOTES4[code] : undefined) ?? `!<${type}-${code}>`;
  }
  if (type === 3 && code === 0) return undefined;
  if (type === 2) return `!F-${info}`;
  if (type === 4 && code === 1) return '!P';
  return (type === 1 ? NOTES6[code] : undefined) ?? `!<${type}-${code}>`;
}

function checkRequest({ destination, first, max, queries, length, wait_ms: waitMs }: TracerouteRequest): void {
  const isRight =
    first >= 1 && first <= max && max <= MAX_HOPS && queries >= 1 && queries <= MAX_QUERIES && waitMs >= 0;
  if (isRight && length >= 0 && length <= MAX_LENGTH) return;
  throw new SluiceError(
    'EINVAL',
    `cannot trace the route to "${destination}": hops, queries, time or length is out of range; see "sluice traceroute --help"`,
  );
}

/** As traceroute fills it: '@', 'A', 'B' … */
function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length: Math.max(length, 0) }, (_, i) => 0x40 + (i & 0x3f));
}

/** MSS 1460, SACK permitted, a timestamp, and window scale 7 (RFC 7323, RFC 2018). */
function tcpOptions(timestamp: number): number[] {
  const time = [timestamp >>> 24, (timestamp >>> 16) & 255, (timestamp >>> 8) & 255, timestamp & 255];
  return [2, 4, 0x05, 0xb4, 4, 2, 8, 10, ...time, 0, 0, 0, 0, 1, 3, 3, 7];
}

function tcpHeader(sourcePort: number, destinationPort: number, sequence: number, flags: number): Uint8Array {
  const options = flags === Tcp.SYN ? tcpOptions(sequence) : [];
  const header = new Uint8Array(20 + options.length);
  const view = new DataView(header.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint32(4, sequence);
  header[12] = (header.length >> 2) << 4;
  header[13] = flags;
  if (flags === Tcp.SYN) view.setUint16(14, 5840);
  header.set(options, 20);
  return header;
}

class Traceroute {
  readonly ended: Promise<void>;
  private end!: (error?: unknown) => void;
  private readonly probes: Probe[] = [];
  /** How many were told. */
  private told = 0;
  /** Index behind the last probe that counts. */
  private total: number;
  private icmp: Socket | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  private identification = Math.floor(Math.random() * 0x10000);

  constructor(
    private readonly request: TracerouteRequest,
    private readonly way: Way,
    private readonly sockets: Sockets,
    private readonly tell: (probe: TracerouteProbe) => void,
  ) {
    this.total = (request.max - request.first + 1) * request.queries;
    this.ended = new Promise((resolve, reject) => {
      this.end = (error) => (error === undefined ? resolve() : reject(error));
    });
    // It may fail before anybody waits for it.
    this.ended.catch(() => {});
  }

  async start(): Promise<void> {
    if (this.request.method === 'icmp') this.icmp = await this.open(undefined);
    await this.goOn();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await Promise.all([this.icmp?.close(), ...this.probes.map(({ socket }) => socket?.close())]);
  }

  private get protocol(): number {
    const { method } = this.request;
    if (method === 'icmp') return this.way.family === 4 ? Protocol.ICMP : Protocol.ICMPV6;
    return method === 'tcp' ? Protocol.TCP : Protocol.UDP;
  }

  /** A socket for one probe, or (ICMP) for all. */
  private open(probe: Probe | undefined): Promise<Socket> {
    const { namespace, family } = this.way;
    const which = ({ packet, transport }: Pick<Datagram, 'packet' | 'transport'>): Probe | undefined =>
      probe ?? this.bySequence((packet[transport + 6] << 8) | packet[transport + 7]);
    return this.sockets.openEphemeral(
      { namespace, family, protocol: this.protocol },
      {
        onPacket: (datagram) => this.receive(which(datagram), datagram),
        onError: (quoted, datagram) => this.fail(which({ packet: quoted.transport, transport: 0 }), quoted, datagram),
      },
    );
  }

  private bySequence(sequence: number): Probe | undefined {
    return this.probes[(sequence - this.port) & 0xffff];
  }

  private get port(): number {
    return this.request.port ?? DEFAULT_PORT[this.request.method];
  }

  // --- sending ----------------------------------------------------------------------------------

  /** Tells what is known, sends what may be sent, and sets the timer for what is waited for. */
  private async goOn(): Promise<void> {
    if (this.isStopped) return;
    clearTimeout(this.timer);
    this.giveUp();
    this.tellDone();
    if (this.told >= this.total) return this.end();
    while (this.probes.length < this.total && this.underWay < SIMULTANEOUS && !this.isStopped) await this.sendNext();
    if (this.isStopped) return;
    const waitMs = Math.min(...this.waiting().map((probe) => this.dueMs(probe))) - performance.now();
    clearTimeout(this.timer);
    if (waitMs !== Number.POSITIVE_INFINITY)
      this.timer = setTimeout(() => void this.late().catch((error) => this.end(error)), Math.max(waitMs, 0) + 1);
  }

  private turn(): void {
    void this.goOn().catch((error) => this.end(error));
  }

  /** Time is over for some probes; but what the engine has received of their answers comes first. */
  private async late(): Promise<void> {
    await this.sockets.settled();
    this.turn();
  }

  private waiting(): Probe[] {
    return this.probes.filter(({ isDone }) => !isDone);
  }

  private get underWay(): number {
    return this.waiting().length;
  }

  private async sendNext(): Promise<void> {
    const index = this.probes.length;
    const ttl = this.request.first + Math.floor(index / this.request.queries);
    const probe: Probe = { ttl, index, sentUs: 0, sentMs: performance.now(), isDone: false, isFinal: false };
    this.probes.push(probe);
    const socket = this.icmp ?? (await this.open(probe));
    if (this.icmp === undefined) probe.socket = socket;
    const { timeUs, errno } = await this.send(this.packetOf(probe, socket.binding.port));
    probe.sentUs = timeUs;
    probe.sentMs = performance.now();
    if (errno === EMSGSIZE) await this.tooLong(probe);
    else if (errno !== 0)
      throw new SluiceError(
        errnoName(errno),
        `cannot send to "${this.request.destination}"; see "sluice ip route get"`,
      );
  }

  private send(packet: Uint8Array): Promise<Sent> {
    const { dont_fragment: isWhole = false } = this.request;
    return this.sockets.send(this.way.namespace, packet, this.way.link, isWhole);
  }

  /** It did not even leave: this host is the one that says so. */
  private async tooLong(probe: Probe): Promise<void> {
    const { namespace, destination, link, source } = this.way;
    probe.note = `!F-${await this.sockets.mtuTo(namespace, destination, link)}`;
    probe.isFinal = true;
    this.settle(probe, { source, timeUs: probe.sentUs });
  }

  private packetOf(probe: Probe, port: number): Uint8Array {
    const { length, dont_fragment: dontFragment = false } = this.request;
    const identification = this.identification++ & 0xffff;
    const fields = { ttl: probe.ttl, dontFragment, identification };
    const room = length - headerBytes(this.way);
    switch (this.request.method) {
      case 'icmp':
        return echoRequest(this.way, port, (this.port + probe.index) & 0xffff, pattern(room - UDP_HEADER), fields);
      case 'tcp': {
        const sequence = Math.floor(Math.random() * 2 ** 32);
        return tcpPacket(this.way, tcpHeader(port, this.port, sequence, Tcp.SYN), fields);
      }
      default: {
        const destinationPort = this.request.method === 'default' ? (this.port + probe.index) & 0xffff : this.port;
        return udpPacket(this.way, { sourcePort: port, destinationPort }, pattern(room - UDP_HEADER), fields);
      }
    }
  }

  // --- what comes back --------------------------------------------------------------------------

  private receive(probe: Probe | undefined, datagram: Datagram): void {
    if (probe === undefined || probe.isDone) return;
    if (this.request.method === 'tcp') this.reset(datagram, probe);
    probe.isFinal = true;
    this.settle(probe, datagram);
  }

  /** A connection that began to open must not stay half open. */
  private reset({ packet, transport }: Datagram, { socket }: Probe): void {
    const flags = packet[transport + 13];
    const isOpening = (flags & (Tcp.SYN | Tcp.ACK)) === (Tcp.SYN | Tcp.ACK) && packet.length >= transport + 20;
    if (!isOpening || socket === undefined) return;
    const acknowledged = new DataView(packet.buffer, packet.byteOffset + transport).getUint32(8);
    const header = tcpHeader(socket.binding.port, this.port, acknowledged, Tcp.RST);
    void this.send(tcpPacket(this.way, header)).catch(() => {});
  }

  private fail(probe: Probe | undefined, quoted: Quoted, datagram: Datagram): void {
    if (probe === undefined || probe.isDone) return;
    const note = noteOf(this.way.family, quoted);
    if (note !== undefined) {
      probe.isFinal = true;
      if (note !== '') probe.note = note;
    }
    this.settle(probe, datagram);
  }

  private settle(probe: Probe, { source, timeUs }: Pick<Datagram, 'source' | 'timeUs'>): void {
    probe.isDone = true;
    probe.from = source;
    probe.rttMs = Math.max(0, timeUs - probe.sentUs) / 1000;
    if (probe.isFinal)
      this.total = Math.min(this.total, (Math.floor(probe.index / this.request.queries) + 1) * this.request.queries);
    this.turn();
  }

  // --- waiting ----------------------------------------------------------------------------------

  private giveUp(): void {
    const now = performance.now();
    for (const probe of this.waiting()) if (this.dueMs(probe) <= now) probe.isDone = true;
  }

  /** When a probe is given up. */
  private dueMs(probe: Probe): number {
    const { wait_ms: waitMs, here, near, queries } = this.request;
    const hop = Math.floor(probe.index / queries);
    const answered = this.probes.filter((other) => (other.rttMs ?? 0) > 0 && other.index !== probe.index);
    const same = answered.find((other) => Math.floor(other.index / queries) === hop);
    const later = answered.find((other) => Math.floor(other.index / queries) > hop);
    let limit = waitMs;
    if (here > 0 && same?.rttMs !== undefined) limit = Math.min(limit, (same.rttMs + PRECISION_MS) * here);
    else if (near > 0 && later?.rttMs !== undefined) limit = Math.min(limit, (later.rttMs + PRECISION_MS) * near);
    return probe.sentMs + limit;
  }

  private tellDone(): void {
    for (; this.told < this.total && this.probes[this.told]?.isDone; this.told++) {
      const { ttl, from, rttMs, note, socket } = this.probes[this.told];
      void socket?.close().catch(() => {});
      this.tell({
        ttl,
        ...(from === undefined ? {} : { from: formatBytes(from) }),
        ...(rttMs === undefined ? {} : { rtt_us: rttMs * 1000 }),
        ...(note === undefined ? {} : { note }),
      });
    }
  }
}

/** Bytes of the smallest probe of a method, IP header included: what a shorter one becomes. */
export function minLength(method: TracerouteRequest['method'], family: 4 | 6): number {
  const header = family === 4 ? 20 : 40;
  return header + (method === 'tcp' ? TCP_HEADER : UDP_HEADER);
}

/** Runs to its end, or until `stopped` resolves. */
export async function traceroute(
  request: TracerouteRequest,
  namespace: ProbedNamespace,
  sockets: Sockets,
  tell: (probe: TracerouteProbe) => void,
  stopped: Promise<void>,
): Promise<void> {
  checkRequest(request);
  const way = await wayTo('trace the route to', request.destination, request.from, namespace, sockets);
  const run = new Traceroute(request, way, sockets, tell);
  try {
    await Promise.race([run.start().then(() => run.ended), stopped]);
  } finally {
    await run.stop();
  }
}

/*
 * The `ping` request: echo requests of a namespace's own, and what comes back, as a stream of PingEvents. What is printed
 * of it is the client's (cli/ping.ts).
 *
 * It ends as ping(8) does: after `count` answers or errors; when all `count` requests are sent and the last answer has been
 * waited for (twice the longest round trip, or `wait_ms` where there was no answer at all); at the deadline, at which also
 * any error ends it; or when the client goes.
 */
import { SluiceError } from '../core/errors.js';
import { Protocol } from '../wire/ipv4.js';
import type { PingEvent, PingRequest } from './api/ping.js';
import { echoRequest } from './packets.js';
import { formatBytes, type ProbedNamespace, sourceText, type Way, wayTo } from './probing.js';
import { type Datagram, errnoName, type Quoted, type Sent, type Socket, type Sockets } from './sockets.js';

const HEADER = 8;
const MAX_SIZE = 65507;
const EMSGSIZE = -90;
/** Requests whose answers are told apart: as many sequence numbers as fit into its field. */
const SEQUENCES = 0x10000;

function checkRequest(request: PingRequest): void {
  const { size, interval_ms: intervalMs, count = 1, ttl = 64 } = request;
  const isWrong = size < 0 || size > MAX_SIZE || intervalMs < 1 || count < 1 || ttl < 1 || ttl > 255;
  if (!isWrong) return;
  throw new SluiceError(
    'EINVAL',
    `cannot ping "${request.destination}": size, interval, count or ttl is out of range; see "sluice ping --help"`,
  );
}

/** As ping(8) fills it: byte i has the value i. */
function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i & 0xff);
}

class Ping {
  readonly ended: Promise<void>;
  private end!: () => void;
  private socket!: Socket;
  private readonly sentUs = new Map<number, number>();
  private readonly answered = new Set<number>();
  private sent = 0;
  private received = 0;
  private errors = 0;
  private longestUs = 0;
  private identification = Math.floor(Math.random() * 0x10000);
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly data: Uint8Array;

  constructor(
    private readonly request: PingRequest,
    private readonly way: Way,
    private readonly namespace: ProbedNamespace,
    private readonly sockets: Sockets,
    private readonly tell: (event: PingEvent) => void,
  ) {
    this.data = pattern(request.size);
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  async start(): Promise<void> {
    const { family, namespace } = this.way;
    const protocol = family === 4 ? Protocol.ICMP : Protocol.ICMPV6;
    this.socket = await this.sockets.openEphemeral(
      // Not bound to the link: errors of this host itself come by lo.
      { namespace, family, protocol },
      { onPacket: (datagram) => this.receive(datagram), onError: (quoted, datagram) => this.fail(quoted, datagram) },
    );
    const { deadline_ms: deadlineMs } = this.request;
    if (deadlineMs !== undefined) this.after(deadlineMs, () => this.end());
    await this.send();
  }

  /** Whatever is under way ends. */
  async stop(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    this.end();
    await this.socket?.close();
  }

  private after(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      action();
    }, ms);
    this.timers.add(timer);
  }

  private async send(): Promise<void> {
    const { count = Number.POSITIVE_INFINITY, interval_ms: intervalMs } = this.request;
    const number = ++this.sent;
    if (number < count) this.after(intervalMs, () => void this.send().catch(() => this.end()));
    const { errno, timeUs } = await this.transmit(number % SEQUENCES);
    if (number === 1) this.begin(timeUs);
    if (errno === 0) this.tell({ event: 'sent', sequence: number, time_us: timeUs });
    else await this.refused(number, errno, timeUs);
    // As many requests as can be told apart are remembered.
    this.sentUs.set(number % SEQUENCES, timeUs);
    this.answered.delete(number % SEQUENCES);
    if (number === count) this.lastSent();
  }

  private begin(timeUs: number): void {
    const { source, isBroadcast: broadcast } = this.way;
    this.tell({ event: 'start', source: formatBytes(source), broadcast, time_us: timeUs });
  }

  /** A packet that fits its way must not be fragmented, unless told otherwise: the kernel's default (IP_PMTUDISC_WANT). */
  private async transmit(sequence: number): Promise<Sent> {
    const { pmtu, ttl = 64, tos = 0 } = this.request;
    const send = (dontFragment: boolean): Promise<Sent> => {
      const identification = this.identification++ & 0xffff;
      const fields = { ttl, tos, dontFragment, identification };
      const packet = echoRequest(this.way, this.socket.binding.port, sequence, this.data, fields);
      return this.sockets.send(this.way.namespace, packet, this.way.link, pmtu === 'do');
    };
    const sent = await send(pmtu !== 'dont');
    return sent.errno === EMSGSIZE && pmtu === 'want' ? send(false) : sent;
  }

  private mtu(): Promise<number> {
    const { namespace, destination, link } = this.way;
    return this.sockets.mtuTo(namespace, destination, link);
  }

  private async refused(number: number, errno: number, timeUs: number): Promise<void> {
    this.errors++;
    const mtu = errno === EMSGSIZE ? await this.mtu() : 0;
    this.tell({ event: 'refused', sequence: number, errno: errnoName(errno), mtu, time_us: timeUs });
    this.endAfterError();
  }

  private lastSent(): void {
    if (this.isComplete()) return this.end();
    const { wait_ms: waitMs, interval_ms: intervalMs } = this.request;
    const ms = this.received > 0 ? Math.max((2 * this.longestUs) / 1000, intervalMs) : waitMs;
    this.after(ms, () => this.end());
  }

  private isComplete(): boolean {
    return this.received + this.errors >= (this.request.count ?? Number.POSITIVE_INFINITY);
  }

  private receive(datagram: Datagram): void {
    const { packet, transport, payload, ttl, timeUs } = datagram;
    const field = (packet[transport + 6] << 8) | packet[transport + 7];
    const sentUs = this.sentUs.get(field);
    if (sentUs === undefined) return;
    const duplicate = this.answered.has(field);
    this.answered.add(field);
    const rttUs = Math.max(0, Math.round(timeUs - sentUs));
    if (!duplicate) this.received++;
    this.longestUs = Math.max(this.longestUs, rttUs);
    const from = sourceText(this.namespace, this.way, datagram);
    const bytes = payload.length + HEADER;
    this.tell({ event: 'reply', from, sequence: field, ttl, bytes, rtt_us: rttUs, duplicate, time_us: timeUs });
    if (this.isComplete()) this.end();
  }

  private fail({ type, code, info, transport }: Quoted, datagram: Datagram): void {
    const sequence = (transport[6] << 8) | transport[7];
    if (!this.sentUs.has(sequence)) return;
    const from = sourceText(this.namespace, this.way, datagram);
    this.tell({ event: 'error', from, sequence, type, code, info, time_us: datagram.timeUs });
    // A redirect is no answer: the request goes on.
    if (this.way.family === 4 ? type === 5 : type === 137) return;
    this.errors++;
    this.endAfterError();
  }

  private endAfterError(): void {
    if (this.isComplete() || this.request.deadline_ms !== undefined) this.end();
  }
}

/** Runs until it ends of itself or `stopped` resolves. */
export async function ping(
  request: PingRequest,
  namespace: ProbedNamespace,
  sockets: Sockets,
  tell: (event: PingEvent) => void,
  stopped: Promise<void>,
): Promise<void> {
  checkRequest(request);
  const way = await wayTo('ping', request.destination, request.from, namespace, sockets, request.broadcast);
  const run = new Ping(request, way, namespace, sockets, tell);
  try {
    await run.start();
    await Promise.race([run.ended, stopped]);
  } finally {
    await run.stop();
  }
}

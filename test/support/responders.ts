/*
 * Hosts behind a router that answer what they receive. An answer is a function of the one frame that it answers, so that NAT may have changed
 * it as it likes: what the hosts say goes back to wherever the frame says it came from.
 *
 * The first byte of a client's data says what it wants; a TCP client that has been let in chooses by its port:
 *
 *   A  an answer, and the end of the connection in both directions
 *   R  the server resets
 *   C  the client resets
 *   W  the server answers far outside the window, then nothing more comes
 *   U  ICMP: port unreachable                       (UDP)
 *   T  ICMP: time exceeded, of a router on the way   (UDP)
 *   M  ICMP: too long for the next link, 1400 bytes  (UDP)
 *   D  ICMP: port unreachable, of a host that is not the one asked (UDP)
 */
import { formatIpv4At, formatIpv6, formatMacAt } from '../../src/wire/format.js';
import { TcpFlag } from '../../src/wire/tcp.js';
import { icmp, ip4, ip6, tcp, udp } from './packets.js';
import type { Sent } from './two-routers.js';

const WISHES = ['A', 'R', 'C', 'W'];
const CLIENT = 0x10000000;
const SERVER = 0x50000000;
/** MSS 1460, SACK permitted, window scale 7. */
const OPTIONS = Uint8Array.of(2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 1, 1);
const QUOTED = { 4: 100, 6: 200 };

export const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

/** What of a packet its receiver looks at. */
export interface Heard {
  family: 4 | 6;
  protocol: number;
  source: string;
  destination: string;
  /** Where the transport header begins, and the packet ends. */
  at: number;
  end: number;
  view: DataView;
}

/** Whole packets without extension headers; of others nothing. */
export function heard(frame: Uint8Array): Heard | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const type = view.getUint16(12);
  if (type === 0x0800 && (view.getUint16(20) & 0x3fff) === 0) {
    const [source, destination] = [formatIpv4At(frame, 26), formatIpv4At(frame, 30)];
    const [at, end] = [14 + (frame[14] & 15) * 4, 14 + view.getUint16(16)];
    return { family: 4, protocol: frame[23], source, destination, at, end, view };
  }
  if (type !== 0x86dd) return undefined;
  const end = 54 + view.getUint16(18);
  return {
    family: 6,
    protocol: frame[20],
    source: formatIpv6(frame, 22),
    destination: formatIpv6(frame, 38),
    at: 54,
    end,
    view,
  };
}

interface Reply {
  protocol: number;
  payload: Uint8Array;
  /** Who says it, if not the one who was asked. */
  source?: string;
}

/** A TCP segment of a client that opens a connection. */
export function opening(source: string, destination: string, sport: number, dport: number): Uint8Array {
  return tcp(source, destination, sport, dport, {
    sequence: CLIENT,
    flags: TcpFlag.SYN,
    options: OPTIONS,
    window: 64240,
  });
}

function tcpReply({ source, destination, at, end, view }: Heard): Uint8Array | undefined {
  const [sport, dport] = [view.getUint16(at), view.getUint16(at + 2)];
  const [sequence, acknowledged] = [view.getUint32(at + 4), view.getUint32(at + 8)];
  const flags = view.getUint8(at + 13);
  const start = at + (view.getUint8(at + 12) >> 4) * 4;
  const length = end - start;
  const next = (sequence + length + ((flags & (TcpFlag.SYN | TcpFlag.FIN)) !== 0 ? 1 : 0)) >>> 0;
  const isFromClient = sequence >>> 28 === CLIENT >>> 28;
  const say = (more: number, data = '', ahead = 0): Uint8Array =>
    tcp(destination, source, dport, sport, {
      sequence: acknowledged + ahead,
      acknowledgement: next,
      flags: more,
      data: bytesOf(data),
      window: 501,
    });
  if (flags === TcpFlag.SYN)
    return tcp(destination, source, dport, sport, {
      sequence: SERVER,
      acknowledgement: next,
      flags: TcpFlag.SYN | TcpFlag.ACK,
      options: OPTIONS,
      window: 65160,
    });
  if ((flags & TcpFlag.RST) !== 0) return undefined;
  if (!isFromClient) {
    if ((flags & TcpFlag.SYN) !== 0) {
      const wish = WISHES[dport % WISHES.length];
      return wish === 'C' ? say(TcpFlag.RST | TcpFlag.ACK) : say(TcpFlag.PSH | TcpFlag.ACK, `${wish}sk`);
    }
    if ((flags & TcpFlag.FIN) !== 0) return say(TcpFlag.ACK);
    return length > 0 ? say(TcpFlag.FIN | TcpFlag.ACK) : undefined;
  }
  if ((flags & TcpFlag.FIN) !== 0) return say(TcpFlag.FIN | TcpFlag.ACK);
  if (length === 0) return undefined;
  switch (String.fromCharCode(view.getUint8(start))) {
    case 'R':
      return say(TcpFlag.RST | TcpFlag.ACK);
    case 'W':
      return say(TcpFlag.PSH | TcpFlag.ACK, 'far away', 1 << 26);
    default:
      return say(TcpFlag.PSH | TcpFlag.ACK, 'an answer of some length');
  }
}

/** An ICMP or ICMPv6 error about a packet. */
export function error(about: Heard, kind: string, from = about.destination): Reply {
  const { family, view, source, end } = about;
  const quoted = new Uint8Array(view.buffer, view.byteOffset + 14, Math.min(end - 14, QUOTED[family])).slice();
  const is4 = family === 4;
  const [type, code, rest] =
    {
      T: is4 ? [11, 0, 0] : [3, 0, 0],
      M: is4 ? [3, 4, 1400] : [2, 0, 1400],
    }[kind] ?? (is4 ? [3, 3, 0] : [1, 4, 0]);
  const payload = icmp(type, code, rest, quoted, is4 ? undefined : [from, source]);
  return { protocol: is4 ? 1 : 58, payload, source: from };
}

function udpReply(packet: Heard, port: number): Reply | undefined {
  const { source, destination, at, end, view, family } = packet;
  if (end - at <= 8) return undefined;
  const kind = String.fromCharCode(view.getUint8(at + 8));
  const other = family === 4 ? `10.0.${port}.8` : `2001:db8:${port}::8`;
  switch (kind) {
    case 'A': {
      const payload = udp(destination, source, view.getUint16(at + 2), view.getUint16(at), bytesOf('the answer'));
      return { protocol: 17, payload };
    }
    case 'T':
    case 'M':
    case 'D':
      return error(packet, kind, other);
    case 'U':
      return error(packet, kind);
    default:
      return undefined;
  }
}

function echoReply({ family, source, destination, at, end, view }: Heard): Reply | undefined {
  const [ask, reply] = family === 4 ? [8, 0] : [128, 129];
  if (view.getUint8(at) !== ask) return undefined;
  const data = new Uint8Array(view.buffer, view.byteOffset + at + 8, end - at - 8);
  const between: [string, string] | undefined = family === 4 ? undefined : [destination, source];
  return { protocol: family === 4 ? 1 : 58, payload: icmp(reply, 0, view.getUint32(at + 4), data, between) };
}

function reply(packet: Heard, port: number): Reply | undefined {
  if (packet.end - packet.at < 8) return undefined;
  if (packet.protocol === 17) return udpReply(packet, port);
  if (packet.protocol === 1 || packet.protocol === 58) return echoReply(packet);
  if (packet.protocol !== 6 || packet.end - packet.at < 20) return undefined;
  const payload = tcpReply(packet);
  return payload === undefined ? undefined : { protocol: 6, payload };
}

/** What the hosts at a port answer to a frame. */
export function answer(port: number, frame: Uint8Array): Sent[] {
  const packet = heard(frame);
  if (packet === undefined || packet.end > frame.length) return [];
  const said = reply(packet, port);
  if (said === undefined) return [];
  const common = {
    to: formatMacAt(frame, 6),
    from: formatMacAt(frame, 0),
    source: said.source ?? packet.destination,
    destination: packet.source,
    payload: said.payload,
  };
  const bytes =
    packet.family === 4
      ? ip4({ ...common, protocol: said.protocol, id: 7 })
      : ip6({ ...common, nextHeader: said.protocol });
  return [{ port, bytes, what: `the answer at p${port} of ${common.source} to ${common.destination}` }];
}

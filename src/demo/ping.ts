/*
 * Echo by ICMP sockets (SOCK_DGRAM with IPPROTO_ICMP, icmp(7)): the kernel fills in identifier and checksum and hands out
 * the replies to this socket's requests only. Node adopts the descriptor as that of a UDP socket, which it behaves like.
 */
import { createSocket, type Socket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoText } from '../io/errno.js';
import { OWN_NAMESPACE } from '../io/namespace.js';
import { shim } from '../io/shim.js';
import { echoSequence, Icmp, Icmp6Type, IcmpType, writeEcho } from '../wire/icmp.js';
import { Protocol } from '../wire/ipv4.js';
import { DemoFailure } from './failure.js';
import { median } from './median.js';
import type { PingResult, Tasks } from './tasks.js';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
/** What ping(8) sends. */
const DATA_BYTES = 56;

function echoRequest(isIpv6: boolean, sequence: number): Uint8Array {
  const message = new Uint8Array(Icmp.BYTES + DATA_BYTES);
  writeEcho(message, 0, isIpv6 ? Icmp6Type.ECHO_REQUEST : IcmpType.ECHO_REQUEST, 0, sequence);
  return message;
}

async function open(isIpv6: boolean): Promise<Socket> {
  const protocol = isIpv6 ? Protocol.ICMPV6 : Protocol.ICMP;
  const fd = shim.socket(OWN_NAMESPACE, isIpv6 ? AF_INET6 : AF_INET, SOCK_DGRAM, protocol);
  if (fd < 0) {
    const hint = 'net.ipv4.ping_group_range must hold group 0';
    throw new DemoFailure('open', 'an ICMP socket', errnoText(fd), hint);
  }
  const socket = createSocket(isIpv6 ? 'udp6' : 'udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ fd }, resolve);
  });
  socket.removeAllListeners('error');
  // An address that is not there makes a send fail: its echo stays unanswered, which is what counts.
  socket.on('error', () => {});
  return socket;
}

/** One echo; answers the round trip in ms, or undefined after the timeout. */
function echo(socket: Socket, address: string, sequence: number, timeoutMs: number): Promise<number | undefined> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    const finish = (roundTripMs?: number) => {
      clearTimeout(timer);
      socket.off('message', receive);
      resolve(roundTripMs);
    };
    const receive = (message: Uint8Array) => {
      if (message.length >= Icmp.BYTES && echoSequence(message, 0) === sequence) finish(performance.now() - startMs);
    };
    const timer = setTimeout(finish, timeoutMs);
    socket.on('message', receive);
    // ICMP has no ports, but Node wants one.
    socket.send(echoRequest(address.includes(':'), sequence), 1, address);
  });
}

export async function ping(options: Tasks['ping']['arguments']): Promise<PingResult> {
  const socket = await open(options.address.includes(':'));
  const times: number[] = [];
  try {
    for (let sequence = 1; sequence <= options.count; sequence++) {
      const time = await echo(socket, options.address, sequence, options.timeoutMs);
      if (time !== undefined) times.push(time);
      await sleep(options.intervalMs);
    }
  } finally {
    socket.close();
  }
  return { received: times.length, medianMs: median(times) };
}

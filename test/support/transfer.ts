/* Bulk transfers between hosts, compared by digest: transfer.py at both ends. And iperf3's, with its report. */
import { resolve } from 'node:path';
import type { Host } from './host.js';
import { type Program, wordsOf } from './program.js';

const SCRIPT = resolve(import.meta.dirname, 'transfer.py');

export interface Digest {
  bytes: number;
  sha256: string;
}

export interface Transfer {
  sent: Digest;
  received: Digest;
}

let port = 20_000;

async function report(program: Program): Promise<Digest> {
  const status = await program.ended;
  if (status !== 0) throw new Error(`transfer.py ended with ${status}:\n${program.err}`);
  return JSON.parse(program.out.trim().split('\n').pop() ?? '') as Digest;
}

async function transfer(
  from: Host,
  to: Host,
  address: string,
  what: string,
  receiver: string,
  sender: string,
): Promise<Transfer> {
  port++;
  const python = (words: string): string[] => ['python3', SCRIPT, ...wordsOf(words)];
  const receiving = to.start(python(`receive ${what} ${address} ${port} ${receiver}`));
  try {
    await receiving.says(/listening/);
    const sending = from.start(python(`send ${what} ${address} ${port} ${sender}`));
    try {
      return { sent: await report(sending), received: await report(receiving) };
    } finally {
      await sending.stop('SIGKILL');
    }
  } finally {
    await receiving.stop('SIGKILL');
  }
}

/** A TCP stream to `address` of host `to`. */
export function sendStream(from: Host, to: Host, address: string, bytes: number): Promise<Transfer> {
  return transfer(from, to, address, 'tcp', '', String(bytes));
}

/** UDP datagrams of `segment` bytes, handed to the kernel as superframes. */
export function sendSuperframes(
  from: Host,
  to: Host,
  address: string,
  bytes: number,
  segment: number,
): Promise<Transfer> {
  return transfer(from, to, address, 'udp', String(segment), `${bytes} ${segment}`);
}

export interface Iperf {
  /** Bytes that the receiver got, and how fast. */
  bytes: number;
  bitsPerSecond: number;
  lostPackets: number;
}

/** iperf3 from one host to another; `words` are more of its own. */
export async function iperf(from: Host, to: Host, address: string, words: string): Promise<Iperf> {
  port++;
  const server = to.start(['iperf3', '-s', '-1', '-p', String(port), '--forceflush']);
  try {
    await server.says(/listening/);
    const { status, out, err } = await from.run(`iperf3 -J -c ${address} -p ${port} --connect-timeout 10000 ${words}`);
    const { end, error } = JSON.parse(out) as { end: Record<string, Record<string, number>>; error?: string };
    if (status !== 0 || error !== undefined) throw new Error(`iperf3: ${error ?? err}`);
    const sum = end.sum_received ?? end.sum;
    return { bytes: sum.bytes, bitsPerSecond: sum.bits_per_second, lostPackets: end.sum?.lost_packets ?? 0 };
  } finally {
    await server.stop('SIGKILL');
  }
}

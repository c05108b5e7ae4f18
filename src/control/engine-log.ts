/*
 * The lines of LOG, NFLOG and TRACE on their way from the engine's thread to the daemon's log. At most WINDOW of them are under way at a time:
 * what a rule without a limit says beyond that is counted, and the number told with the next line.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Link, Namespace } from '../core/links.js';
import type { Packet } from '../core/packet.js';
import type { LogSink, TraceStep } from '../netfilter/log.js';

const WINDOW = 4096;

/** A line of a rule. `level` is syslog's. */
export interface PacketLine {
  namespace: Namespace;
  level: number;
  line: string;
}

/** Told without being asked: a line, or a step of a packet that is traced. */
export interface PacketLog {
  packetLog: PacketLine | TraceStep;
  /** Lines before it that found no room. */
  missed: number;
}

export class EngineLog implements LogSink {
  /** By link; control keeps them up to date. */
  readonly names: string[] = [];
  private underWay = 0;
  private missed = 0;

  constructor(private readonly messages: MessagePort) {}

  ack(lines: number): void {
    this.underWay -= lines;
  }

  private post(packetLog: PacketLine | TraceStep): void {
    if (this.underWay >= WINDOW) {
      this.missed++;
      return;
    }
    this.underWay++;
    this.messages.postMessage({ packetLog, missed: this.missed } satisfies PacketLog);
    this.missed = 0;
  }

  linkName(link: Link): string {
    return this.names[link] ?? `link${link}`;
  }

  log(namespace: Namespace, level: number, line: string): void {
    this.post({ namespace, level, line });
  }

  /** Nobody can listen to a group: the log says that something was for it. */
  nflog(namespace: Namespace, group: number, prefix: string, packet: Packet, bytes: Uint8Array): void {
    const name = (link: Link): string => (link > 0 ? this.linkName(link) : '');
    const line = `nflog group ${group} prefix "${prefix}" IN=${name(packet.in)} OUT=${name(packet.out)} LEN=${bytes.length}`;
    this.post({ namespace, level: INFORMATION, line });
  }

  trace(step: TraceStep): void {
    this.post(step);
  }
}

/** Of syslog. */
const INFORMATION = 6;

/*
 * Raw frames out of a host's eth0, by the same AF_PACKET port that the dataplane has; and what eth0 has received, as the
 * kernel counts it, so that nobody has to read it.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { Arena, BURST, type Frame, QUEUE } from '../core/arena.js';
import { openPacket } from '../io/packet.js';
import { PortKind, RxResult, shim } from '../io/shim.js';
import { Ethernet, writeType } from '../wire/ethernet.js';
import { parseMac } from '../wire/format.js';
import { DemoFailure } from './failure.js';
import type { Tasks } from './tasks.js';

const DEVICE = 'eth0';
/** Without the frame check sequence, which the device adds: 64 on the wire. */
const SHORTEST_FRAME = 60;
/** For local experiments (IEEE 802): no stack answers it. */
const EXPERIMENTAL = 0x88b5;
/** Between two turns of the event loop while sending, ms. */
const SLICE_MS = 5;
/** How often progress is reported, ms. */
const REPORT_MS = 100;

/** Sends frames by one AF_PACKET socket; made once, when first needed. */
class Sender {
  private readonly arena = new Arena({ heads: 2 * BURST, tails: 1, ports: 1 });
  private readonly frames: Frame[] = [];

  constructor() {
    const ints = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4));
    shim.attach(this.arena, ints(RxResult.WORDS), ints(QUEUE), ints(2));
    const { fd, hasVnet } = openPacket(DEVICE, undefined);
    const answer = shim.addPort(0, PortKind.PACKET, Int32Array.of(fd), hasVnet);
    if (answer < 0) throw new DemoFailure('send frames on', DEVICE, `errno ${-answer}`, 'see "sluice doctor"');
    for (let i = 0; i < BURST; i++) this.frames.push(this.arena.allocate(0));
  }

  /** Puts these bytes into the i-th frame of the burst. */
  fill(i: number, bytes: Uint8Array): void {
    const frame = this.frames[i];
    this.arena.bytes.set(bytes, this.arena.offset[frame]);
    this.arena.length[frame] = bytes.length;
    this.arena.queues[i] = frame;
  }

  /** Sends the first n frames; answers how many the device took. */
  send(n: number): number {
    return n - shim.tx(0, n);
  }
}

let sender: Sender | undefined;

function macOf(text: string): Uint8Array {
  const mac = parseMac(text);
  if (mac === undefined) throw new DemoFailure('send frames to', text, 'that is no MAC address', 'this is a bug');
  return mac;
}

export async function blast(options: Tasks['blast']['arguments']): Promise<number> {
  sender ??= new Sender();
  const frame = new Uint8Array(SHORTEST_FRAME);
  frame.set(macOf(options.to), Ethernet.DESTINATION);
  frame.set(macOf(options.from), Ethernet.SOURCE);
  writeType(frame, 0, EXPERIMENTAL);
  for (let i = 0; i < BURST; i++) sender.fill(i, frame);
  const endMs = performance.now() + options.ms;
  let sent = 0;
  for (let now = performance.now(); now < endMs; now = performance.now()) {
    while (performance.now() < now + SLICE_MS) sent += sender.send(BURST);
    await turn();
  }
  return sent;
}

/** At most BURST frames. */
export async function send(options: Tasks['send']['arguments']): Promise<number> {
  sender ??= new Sender();
  for (const [i, frame] of options.frames.entries()) sender.fill(i, Buffer.from(frame, 'hex'));
  return sender.send(options.frames.length);
}

/** Frames that eth0 has received. */
function received(): number {
  const line = readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .find((text) => text.trim().startsWith(`${DEVICE}:`));
  if (line === undefined) throw new DemoFailure('count the frames of', DEVICE, 'it is gone', 'see the log above');
  return Number(line.trim().split(/[\s:]+/)[2]);
}

export async function count(options: Tasks['count']['arguments'], report: (mpps: number) => void): Promise<number> {
  await sleep(options.leadMs);
  const [first, startMs] = [received(), performance.now()];
  const rate = () => (received() - first) / (performance.now() - startMs) / 1000;
  while (performance.now() - startMs < options.ms) {
    await sleep(Math.min(REPORT_MS, options.ms));
    report(rate());
  }
  return rate();
}

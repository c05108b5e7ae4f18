/*
 * Load for the bridge in memory: superframes of TCP, as a kernel with offloads would hand them over, and 64-byte
 * frames from a port that costs next to nothing. No kernel has part in either, so neither compares with a TAP.
 */
import { randomFillSync } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { BURST, Gso, Vnet } from '../core/arena.js';
import { Dataplane } from '../datapath.js';
import { Engine } from '../engine.js';
import { LoopPort } from '../io/memory-port.js';
import { Ethernet, EtherType, writeAddress, writeType } from '../wire/ethernet.js';
import { parseIpv4, parseMac } from '../wire/format.js';
import { Ipv4, Protocol, write as writeIpv4 } from '../wire/ipv4.js';
import { figure } from './contest.js';
import { DemoFailure } from './failure.js';
import { HOSTS } from './hosts.js';
import type { MemoryNetwork } from './memory-network.js';
import type { Screen } from './screen.js';

const RUN_MS = 2000;
/** Between two reports, and two turns of the event loop, ms. */
const REPORT_MS = 100;

const TCP_BYTES = 20;
const PAYLOAD_BYTES = 44 * 1448;

function superframe(): { bytes: Uint8Array; vnet: number[] } {
  const headers = Ethernet.BYTES + Ipv4.BYTES + TCP_BYTES;
  const bytes = new Uint8Array(headers + PAYLOAD_BYTES);
  const [a, b] = HOSTS;
  bytes.set(parseMac(b.mac) ?? [], Ethernet.DESTINATION);
  bytes.set(parseMac(a.mac) ?? [], Ethernet.SOURCE);
  writeType(bytes, 0, EtherType.IPV4);
  writeIpv4(
    bytes,
    Ethernet.BYTES,
    Protocol.TCP,
    parseIpv4(a.ipv4) ?? 0,
    parseIpv4(b.ipv4) ?? 0,
    TCP_BYTES + PAYLOAD_BYTES,
  );
  // A header of 5 words: the rest is for TCP, which nobody speaks here.
  bytes[Ethernet.BYTES + Ipv4.BYTES + 12] = 5 << 4;
  const vnet = [Vnet.NEEDS_CSUM | (Gso.TCPV4 << 8), headers, 1448, Ethernet.BYTES + Ipv4.BYTES, 16];
  return { bytes, vnet };
}

/** Runs `step` for a while; it answers how much it has done. Answers the sum per ms, and shows it on the way. */
async function run(screen: Screen, name: string, unit: string, scale: number, step: () => number): Promise<number> {
  const startMs = performance.now();
  let done = 0;
  for (let now = startMs; now - startMs < RUN_MS; ) {
    const until = now + REPORT_MS;
    for (; now < until; now = performance.now()) done += step();
    screen.live(`  ${name}: ${figure(done / (now - startMs) / scale, unit)}`);
    await turn();
  }
  const rate = done / (performance.now() - startMs) / scale;
  if (!(rate > 0)) throw new DemoFailure('measure', `"${name}"`, 'nothing came out', 'this is a bug');
  screen.line(`  ${name.padEnd(24)} ${figure(rate, unit)}`);
  return rate;
}

/** Payload of TCP in superframes from a to b, copied in and out. */
export function stream(screen: Screen, network: MemoryNetwork): Promise<number> {
  const { bytes, vnet } = superframe();
  const [from, to] = network.ports;
  return run(screen, 'TCP superframes a → b', 'Gb/s', 1e6 / 8, () => {
    for (let i = 0; i < BURST / 2; i++) from.feed(bytes, vnet);
    network.forward();
    return to.sent.splice(0).length * PAYLOAD_BYTES;
  });
}

/** As many 64-byte frames as a burst has, from one station to another. */
function smallFrames(from: number, to: number): Int32Array {
  const bytes = new Uint8Array(BURST * 64);
  for (let at = 0; at < bytes.length; at += 64) {
    writeAddress(bytes, at + Ethernet.DESTINATION, 0x0200, to);
    writeAddress(bytes, at + Ethernet.SOURCE, 0x0200, from);
    writeType(bytes, at, 0x88b5);
  }
  return new Int32Array(bytes.buffer);
}

/** 64-byte frames between two ports of a bridge and a dataplane of their own. */
export function blast(screen: Screen): Promise<number> {
  const dataplane = new Dataplane({ keys: randomFillSync(new Int32Array(4)) });
  const engine = new Engine(dataplane);
  const [bridge, source, sink] = [1, 2, 3];
  const port = new LoopPort(dataplane.arena, smallFrames(1, 2));
  const far = new LoopPort(dataplane.arena, smallFrames(2, 1));
  dataplane.addBridge(bridge, 1500);
  dataplane.addLink(source, 1500, port);
  dataplane.addLink(sink, 1500, far);
  for (const link of [source, sink]) dataplane.setMaster(link, bridge, 0);
  for (const link of [source, sink]) dataplane.setCarrier(link, true);
  for (const link of [bridge, source, sink]) dataplane.setUp(link, true);
  for (const link of [source, sink]) engine.activate(link);
  return run(screen, '64-byte frames a ↔ b', 'Mpps', 1000, () => {
    for (let i = 0; i < 64; i++) engine.round(0);
    const n = far.transmitted + port.transmitted;
    far.transmitted = 0;
    port.transmitted = 0;
    return n;
  });
}

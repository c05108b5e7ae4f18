/*
 * Sluice beside the kernel: the same commands for a kernel namespace and for one of Sluice, the same frames into both, on the same kind of
 * devices (veth) with the same names and MACs, and every frame that comes out of every link compared byte for byte.
 *
 *   test ── k0 … k3 ── p0 … p3   a kernel namespace
 *   test ── s0 … s3 ── p0 … p3   packet ports of Sluice
 *
 * Of packets that a router makes itself the IPv4 identification is left out, which is random; and with it the header checksum, which is
 * checked instead.
 */
import { expect } from 'vitest';
import type { ToolOutcome } from '../../src/control/api/tool.js';
import { isRight } from '../../src/wire/checksum.js';
import type { Daemon } from './daemon.js';
import type { Host } from './host.js';
import { type Outcome, run, until, wordsOf } from './program.js';
import type { Scene } from './scene.js';
import type { Wires } from './wires.js';

export const PORTS = [0, 1, 2, 3];

export const own = (port: number): string => `02:00:00:00:0b:0${port}`;
export const host = (port: number, n = 9): string => `02:00:00:00:${(0x10 + port).toString(16)}:0${n}`;

/** Many senders: a router that answers one of them with an error too often falls silent for a while, and the kernel's clock is not ours. */
export const CROWD = Array.from({ length: 60 }, (_, n) => 100 + n);

/** Both routers, in words of iproute2. pN has 10.0.N.1/24 and 2001:db8:N::1/64. */
export const INTERFACES = [
  ...PORTS.flatMap((port) => [
    `link set p${port} up`,
    `addr add 10.0.${port}.1/24 broadcast + dev p${port}`,
    `addr add 2001:db8:${port}::1/64 dev p${port} nodad`,
    `addr add fe80::1/64 dev p${port} nodad`,
  ]),
  'link set lo up',
  ...PORTS.flatMap((port) => [
    `neigh replace 10.0.${port}.9 lladdr ${host(port)} dev p${port} nud permanent`,
    `neigh replace 10.0.${port}.8 lladdr ${host(port, 8)} dev p${port} nud permanent`,
    ...CROWD.map((n) => `neigh replace 10.0.${port}.${n} lladdr ${host(port)} dev p${port} nud permanent`),
    `neigh replace 2001:db8:${port}::9 lladdr ${host(port)} dev p${port} nud permanent`,
    `neigh replace 2001:db8:${port}::8 lladdr ${host(port, 8)} dev p${port} nud permanent`,
    `neigh replace fe80::9 lladdr ${host(port)} dev p${port} nud permanent`,
  ]),
];

/** They forward, and send every error, so that each can be compared. */
export const FORWARDING = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv4.icmp_ratelimit=0',
  'net.ipv4.icmp_msgs_per_sec=100000',
  'net.ipv4.icmp_msgs_burst=100000',
  'net.ipv6.icmp.ratelimit=0',
  ...PORTS.map((port) => `net.ipv4.conf.p${port}.rp_filter=0`),
  'net.ipv4.conf.all.rp_filter=0',
];

/** A frame that a test sends into a port of both, or of one. */
export interface Sent {
  port: number;
  bytes: Uint8Array;
  what: string;
}

/** What has come out of a router: of each port its frames, in order. */
export type Output = Buffer[][];

/** What of a frame is not compared, for instance a port that NAT chose by chance: it is changed to something that is. */
export type Hide = (frame: Uint8Array) => void;

export type Random = (n: number) => number;

export function generator(seed: number): Random {
  let state = seed | 0 || 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)];
}

export function many<T>(count: number, seed: number, make: (random: Random) => T): T[] {
  const random = generator(seed);
  return Array.from({ length: count }, () => make(random));
}

/** What a router says at a time of its own choosing: ARP, neighbour discovery and multicast listener reports. */
export function isOfOwnAccord(frame: Buffer): boolean {
  if (frame[12] === 8 && frame[13] === 6) return true;
  if (frame[12] !== 0x86) return false;
  const icmp = frame[20] === 0 ? 62 : 54;
  const isIcmp6 = frame[20] === 58 || (frame[20] === 0 && frame[54] === 58);
  return isIcmp6 && ((frame[icmp] >= 130 && frame[icmp] <= 137) || frame[icmp] === 143);
}

/** What of a frame is compared: of those that a router made itself all but the identification. */
export function normal(frame: Buffer, hide: Hide = () => {}): string {
  const bytes = Uint8Array.from(frame);
  const isIcmp = bytes[12] === 8 && bytes[13] === 0 && bytes[23] === 1;
  const isReset = bytes[12] === 8 && bytes[13] === 0 && bytes[23] === 6 && (bytes[47] & 4) !== 0;
  const isOwn = bytes[26] === 10 && bytes[27] === 0 && bytes[29] === 1;
  if ((isIcmp || isReset) && isOwn) {
    const isChecksumRight = isRight(bytes, 14, (bytes[14] & 15) << 2, 0);
    bytes.fill(0, 18, 20);
    bytes.fill(isChecksumRight ? 0 : 0xee, 24, 26);
  }
  // What a router says of its own accord has a flow label of its own making (auto_flowlabels).
  const isIpv6 = bytes[12] === 0x86 && bytes[13] === 0xdd && bytes[14] >>> 4 === 6;
  const isOwn6 = isIpv6 && (bytes[22] === 0x20 || bytes[22] === 0xfe) && bytes[37] === 1;
  if (isOwn6) bytes.fill(0, 15, 18);
  hide(bytes);
  return Buffer.from(bytes).toString('hex');
}

/**
 * The kernel now and then leaves out an error about a route (ICMP 3/0, 3/1, 3/13): it counts them by peer, in a table that it thins out by its own
 * clock. So many of ours may be more than it sends, in one case.
 */
const MOST_LEFT_OUT = 3;

function isRouteError(line: string): boolean {
  const frame = Buffer.from(line.slice(line.indexOf(' ') + 1), 'hex');
  const start = 14 + (frame[14] & 15) * 4;
  return frame[12] === 8 && frame[23] === 1 && frame[start] === 3 && [0, 1, 13].includes(frame[start + 1]);
}

/**
 * The second redirect to a host is sent where 40 ms have passed since the first, and so on (ip_rt_send_redirect): on a busy machine they may have
 * for the one and not for the other. So many may be missing in one case, too.
 */
function isRedirect(line: string): boolean {
  const frame = Buffer.from(line.slice(line.indexOf(' ') + 1), 'hex');
  return frame[12] === 8 && frame[13] === 0 && frame[23] === 1 && frame[14 + (frame[14] & 15) * 4] === 5;
}

/** Ours without route errors and redirects that are missing in theirs, or theirs without redirects that are missing in ours. */
function withoutLeftOut(lines: string[], others: string[], mayMiss: (line: string) => boolean): string[] {
  return lines.filter((line) => others.includes(line) || !mayMiss(line));
}

/** Frames in a row that go into the same port: those of several ports may overtake each other. */
function runsOf(frames: readonly Sent[]): Sent[][] {
  const runs: Sent[][] = [];
  for (const sent of frames) {
    const last = runs.at(-1);
    if (last !== undefined && last[0].port === sent.port) last.push(sent);
    else runs.push([sent]);
  }
  return runs;
}

export class TwoRouters {
  private received = 0;

  private constructor(
    readonly kernel: Host,
    readonly daemon: Daemon,
    readonly wires: Wires,
  ) {}

  /** Both with their devices, nothing configured. */
  static async build(scene: Scene): Promise<TwoRouters> {
    const [kernel, sluiceSide, outside] = [await scene.host(), await scene.host(), await scene.host()];
    const daemon = await scene.daemon();
    const wires = scene.wires();
    await kernel.must('sysctl -qw net.ipv6.conf.default.addr_gen_mode=1');
    for (const port of PORTS) {
      for (const [prefix, side] of [
        ['k', kernel],
        ['s', sluiceSide],
      ] as const) {
        await side.veth(`p${port}`, outside, `${prefix}${port}`);
        await side.ip(`link set p${port} address ${own(port)}`);
        await wires.open(`${prefix}${port}`, outside, `${prefix}${port}`);
      }
      await daemon.must(`ip link add p${port} address ${own(port)} type packet dev p${port} netns ${sluiceSide.name}`);
      await daemon.must(`ip link set p${port} addrgenmode none`);
      await kernel.ip(`link set p${port} addrgenmode none`);
      await kernel.must(`sysctl -qw net.ipv6.conf.p${port}.disable_ipv6=0`);
      // What it says itself is to be seen with its checksum.
      await kernel.must(`ethtool -K p${port} tx off`);
    }
    return new TwoRouters(kernel, daemon, wires);
  }

  // --- commands -----------------------------------------------------------------------------------

  async sysctl(settings: readonly string[]): Promise<void> {
    if (settings.length === 0) return;
    await this.kernel.must(`sysctl -qw ${settings.join(' ')}`);
    await this.daemon.must(`sysctl -qw ${settings.join(' ')}`);
  }

  /** Words of `ip`. */
  async configure(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    await this.kernel.ip(...lines);
    await this.daemon.ip(...lines);
  }

  async haveCarriers(): Promise<void> {
    for (const port of PORTS) await until(`p${port} has a carrier`, () => this.daemon.hasFlag(`p${port}`, 'LOWER_UP'));
  }

  /** A tool of the kernel's side. */
  runKernel(line: string, input = ''): Promise<Outcome> {
    return run(['ip', 'netns', 'exec', this.kernel.name, ...wordsOf(line)], input);
  }

  /** A tool of the iptables family in Sluice. */
  async runSluice(line: string, text = ''): Promise<Outcome> {
    const [tool, ...words] = wordsOf(line);
    const { status, stdout, stderr } = await this.daemon.ask<ToolOutcome>({ op: 'iptables.run', tool, words, text });
    return { status, out: stdout, err: stderr };
  }

  /** The same of both, which must work in both. Answers what they print. */
  async both(line: string, input = ''): Promise<{ theirs: string; ours: string }> {
    const [theirs, ours] = [await this.runKernel(line, input), await this.runSluice(line, input)];
    if (theirs.status !== 0) throw new Error(`${line}, the kernel's: status ${theirs.status}\n${theirs.err}`);
    if (ours.status !== 0) throw new Error(`${line}, Sluice's: status ${ours.status}\n${ours.err}`);
    return { theirs: theirs.out, ours: ours.out };
  }

  // --- frames -------------------------------------------------------------------------------------

  /** Sends frames into Sluice, and waits until it has done with those of one port before it sends into another. */
  private async intoSluice(frames: readonly Sent[]): Promise<void> {
    for (const part of runsOf(frames)) {
      await this.wires.send(`s${part[0].port}`, ...part.map(({ bytes }) => bytes));
      this.received += part.length;
      await until('Sluice has received them', async () => (await this.receivedNow()) >= this.received);
    }
  }

  /** The kernel's router has done with them when the sender returns. */
  private async intoKernel(frames: readonly Sent[]): Promise<void> {
    for (const part of runsOf(frames)) await this.wires.send(`k${part[0].port}`, ...part.map(({ bytes }) => bytes));
  }

  private async receivedNow(): Promise<number> {
    const { links } = await this.daemon.status();
    return PORTS.reduce((sum, port) => sum + links[`p${port}`].received, 0);
  }

  /** What is still to come of what was before is not looked at. */
  async rest(): Promise<void> {
    await this.daemon.atRest();
    this.received = await this.receivedNow();
    await this.drain();
  }

  private async drain(): Promise<{ theirs: Output; ours: Output }> {
    const names = ['k', 's'].flatMap((prefix) => PORTS.map((port) => `${prefix}${port}`));
    const each = (await this.wires.drainAll(names)).map((list) => list.filter((bytes) => !isOfOwnAccord(bytes)));
    return { theirs: each.slice(0, PORTS.length), ours: each.slice(PORTS.length) };
  }

  /** The same frames into both, or other ones into Sluice; and what comes out of them. */
  async exchange(frames: readonly Sent[], intoSluice = frames): Promise<{ theirs: Output; ours: Output }> {
    await this.intoKernel(frames);
    await this.intoSluice(intoSluice);
    return this.drain();
  }

  /** Lines to compare. Frames from several ports overtake each other on the way to one. */
  static lines(output: Output, hide?: Hide): string[] {
    return output.flatMap((list, port) => list.map((bytes) => `p${port} ${normal(bytes, hide)}`).sort());
  }

  /** Sends frames in parts, and expects the same from both. */
  async expectAlike(frames: readonly Sent[]): Promise<void> {
    await this.rest();
    let total = 0;
    let leftOut = 0;
    for (let from = 0; from < frames.length; from += 20) {
      const part = frames.slice(from, from + 20);
      const output = await this.exchange(part);
      const [all, sent] = [TwoRouters.lines(output.theirs), TwoRouters.lines(output.ours)];
      const theirs = withoutLeftOut(all, sent, isRedirect);
      const ours = withoutLeftOut(sent, all, (line) => isRouteError(line) || isRedirect(line));
      total += theirs.length;
      leftOut += all.length - theirs.length + sent.length - ours.length;
      if (JSON.stringify(ours) !== JSON.stringify(theirs)) await this.explain(part);
      expect(ours).toEqual(theirs);
    }
    expect(leftOut).toBeLessThanOrEqual(MOST_LEFT_OUT);
    expect(total, 'something comes out').toBeGreaterThan(0);
  }

  /** Sends them again, one by one, to find the one that makes the difference. */
  async explain(frames: readonly Sent[], hide?: Hide): Promise<void> {
    for (const sent of frames) {
      const { theirs, ours } = await this.exchange([sent]);
      expect(TwoRouters.lines(ours, hide), sent.what).toEqual(TwoRouters.lines(theirs, hide));
    }
  }
}

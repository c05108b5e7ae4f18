/*
 * The shim against a real kernel. What needs no privilege runs on a FIFO, which answers readv and
 * writev as a TAP does as long as one message is in it; the rest makes its own namespaces.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Arena, BURST, freshOffset, Gso, NONE, QUEUE, Slot, Vnet } from '../../src/core/arena.js';
import { PortKind, Ready, RxResult, shim } from '../../src/io/shim.js';

const EPERM = 1;
const ENOENT = 2;
const EIO = 5;
const EBADF = 9;
const EFAULT = 14;
const EEXIST = 17;
const ENODEV = 19;
const EINVAL = 22;
const EMSGSIZE = 90;
const ENETDOWN = 100;

const TUN_F_CSUM_TSO = 0x01 | 0x02 | 0x04;
const IFF_MULTI_QUEUE = 0x100;
const IFF_RUNNING = 0x40;
const SIOCGIFINDEX = 0x8933;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;

// --- a bench of one arena ----------------------------------------------------------------------

const result = new Int32Array(new SharedArrayBuffer(RxResult.WORDS * 4));
const txErrno = new Int32Array(new SharedArrayBuffer(QUEUE * 4));
const ready = new Int32Array(new SharedArrayBuffer(128 * 4));
let arena: Arena;
let cleanups: (() => void)[];

beforeEach(() => {
  cleanups = [];
  useArena(new Arena({ heads: 512, tails: 8, ports: 8 }));
});

afterEach(() => {
  for (const cleanup of cleanups.reverse()) cleanup();
});

function useArena(next: Arena): void {
  arena = next;
  shim.attach(arena, result, txErrno, ready);
}

/** One rx call, with the stacks' tops moved as an engine does it. */
function rx(slot: number, max: number = BURST): number[] {
  const n = shim.rx(slot, arena.freeHeadCount, arena.freeTailCount, max);
  expect(n).toBeGreaterThanOrEqual(0);
  const frames: number[] = [];
  for (let i = 0; i < n; i++) {
    expect(arena.freeHeads[--arena.freeHeadCount]).toBe(arena.burst[i]);
    frames.push(arena.burst[i]);
  }
  arena.freeTailCount -= result[RxResult.TAILS];
  return frames;
}

function tx(slot: number, ...frames: number[]): number {
  frames.forEach((frame, i) => {
    arena.queues[slot * QUEUE + i] = frame;
  });
  return shim.tx(slot, frames.length);
}

/** A frame's bytes, head and tail. */
function contents(frame: number): Buffer {
  const at = arena.offset[frame];
  const head = arena.headLength(frame);
  const parts = [arena.bytes.slice(at, at + head)];
  if (arena.tail[frame] !== NONE) {
    const tail = arena.tailOffset(frame);
    parts.push(arena.bytes.slice(tail, tail + arena.length[frame] - head));
  }
  return Buffer.concat(parts);
}

/** A new frame with these bytes. */
function make(bytes: Uint8Array): number {
  const frame = arena.allocate(bytes.length);
  const head = arena.headLength(frame);
  arena.bytes.set(bytes.subarray(0, head), arena.offset[frame]);
  if (head < bytes.length) {
    arena.tail[frame] = arena.freeTails[--arena.freeTailCount];
    arena.bytes.set(bytes.subarray(head), arena.tailOffset(frame));
  }
  return frame;
}

function setVnet(frame: number, ...words: number[]): void {
  arena.vnet.set(words, frame << Vnet.SHIFT);
}

function vnet(frame: number): number[] {
  const at = frame << Vnet.SHIFT;
  return [...arena.vnet.slice(at, at + 5)];
}

/** Bytes that differ from place to place. */
function pattern(length: number, ethertype = 0x88b5): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8)) & 255;
  bytes.set([0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2]);
  bytes.writeUInt16BE(ethertype, 12);
  return bytes;
}

function vnetBytes(...words: number[]): Buffer {
  return Buffer.from(Uint16Array.of(...words).buffer);
}

/** Every slot is on a stack or in `frames`, once. */
function expectStacksWhole(...frames: number[]): void {
  const heads = [...arena.freeHeads.slice(0, arena.freeHeadCount), ...frames];
  expect(new Set(heads).size).toBe(arena.heads);
  expect(heads.length).toBe(arena.heads);
  const tails = [...arena.freeTails.slice(0, arena.freeTailCount)];
  for (const frame of frames) if (arena.tail[frame] !== NONE) tails.push(arena.tail[frame]);
  expect(new Set(tails).size).toBe(arena.tails);
  expect(tails.length).toBe(arena.tails);
}

describe('attach', () => {
  test('the arena starts at a page boundary', () => {
    expect(shim.align(arena.bytes.buffer)).toBe(arena.bytes.byteOffset);
    expect(arena.bytes.byteOffset).toBeLessThan(4096);
  });

  test('refuses arrays that are too short or of the wrong type', () => {
    expect(() => shim.attach(arena, new Int32Array(1), txErrno, ready)).toThrow('attach: result');
    expect(() => shim.attach(arena, result, new Int32Array(3), ready)).toThrow('attach: txErrno');
    const short = Object.assign(Object.create(arena), { offset: new Int32Array(3) });
    expect(() => shim.attach(short, result, txErrno, ready)).toThrow('attach: offset');
    const floats = Object.assign(Object.create(arena), { length: new Float32Array(512) });
    expect(() => shim.attach(floats, result, txErrno, ready)).toThrow('attach: length');
  });

  test('another arena starts without ports', () => {
    expect(shim.addPort(0, PortKind.TAP, fifo().fds, true)).toBe(0);
    useArena(new Arena({ heads: 16, tails: 0, ports: 1 }));
    expect(shim.rx(0, 16, 0, 1)).toBe(-EBADF);
  });
});

describe('arguments', () => {
  test('a wrong type is a TypeError that says which', () => {
    const wrong = shim as unknown as Record<string, (...args: unknown[]) => unknown>;
    expect(() => wrong.tapOpen(7, 0)).toThrow('argument 1 must be a string');
    expect(() => wrong.netlink(-1, 'x')).toThrow('argument 2 must be a Uint8Array');
    expect(() => wrong.runInUserNamespace('/bin/true', [1])).toThrow('argument 2 must be an array of strings');
    expect(() => wrong.addPort(0, 0, [3], true)).toThrow(TypeError);
    expect(() => wrong.watch('x')).toThrow(TypeError);
  });

  test('slots, kinds and counts out of range are refused', () => {
    const { fds } = fifo();
    expect(shim.addPort(8, PortKind.TAP, fds, true)).toBe(-EINVAL);
    expect(shim.addPort(-1, PortKind.TAP, fds, true)).toBe(-EINVAL);
    expect(shim.addPort(0, 9 as PortKind, fds, true)).toBe(-EINVAL);
    expect(shim.addPort(0, PortKind.TAP, new Int32Array(0), true)).toBe(-EINVAL);
    expect(shim.addPort(0, PortKind.TAP, Int32Array.of(9999), true)).toBe(-EBADF);
    expect(shim.addPort(0, PortKind.TAP, fds, true)).toBe(0);
    expect(shim.addPort(0, PortKind.TAP, fds, true)).toBe(-EEXIST);
    expect(shim.rx(0, 513, 0, 1)).toBe(-EINVAL);
    expect(shim.rx(0, 1, 9, 1)).toBe(-EINVAL);
    expect(shim.tx(0, QUEUE + 1)).toBe(-EINVAL);
    expect(shim.rx(1, 1, 0, 1)).toBe(-EBADF);
    expect(shim.removePort(0)).toBe(0);
    expect(shim.removePort(0)).toBe(-EBADF);
  });
});

// --- a FIFO in a TAP's place -------------------------------------------------------------------

interface Fifo {
  fd: number;
  fds: Int32Array;
}

function fifo(): Fifo {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-shim-'));
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  rmSync(folder, { recursive: true });
  cleanups.push(() => closeSync(fd));
  return { fd, fds: Int32Array.of(fd) };
}

function fifoPort(slot = 0, hasVnet = true): Fifo {
  const port = fifo();
  expect(shim.addPort(slot, PortKind.TAP, port.fds, hasVnet)).toBe(0);
  return port;
}

describe('bursts', () => {
  test('a frame lands in the top free head, aligned, with its header', () => {
    const { fd } = fifoPort();
    const bytes = pattern(60);
    writeSync(fd, Buffer.concat([vnetBytes(Vnet.NEEDS_CSUM, 0, 0, 34, 16), bytes]));
    const top = arena.freeHeads[arena.freeHeadCount - 1];
    const [frame, ...rest] = rx(0);
    expect(rest).toEqual([]);
    expect(frame).toBe(top);
    expect(arena.offset[frame]).toBe(freshOffset(frame));
    expect(arena.length[frame]).toBe(60);
    expect(arena.tail[frame]).toBe(NONE);
    expect(contents(frame)).toEqual(bytes);
    expect(vnet(frame)).toEqual([Vnet.NEEDS_CSUM, 0, 0, 34, 16]);
    expectStacksWhole(frame);
  });

  test('a port without virtio headers clears the words and writes none', () => {
    const { fd } = fifoPort(0, false);
    writeSync(fd, pattern(60));
    const top = arena.freeHeads[arena.freeHeadCount - 1];
    setVnet(top, 1, 2, 3, 4, 5);
    const [frame] = rx(0);
    expect(vnet(frame)).toEqual([0, 0, 0, 0, 0]);
    expect(tx(0, frame)).toBe(0);
    const back = Buffer.alloc(100);
    expect(readSync(fd, back)).toBe(60);
    expect(back.subarray(0, 60)).toEqual(pattern(60));
  });

  test.each([
    ['a checksum behind the end', [Vnet.NEEDS_CSUM, 0, 0, 50, 9]],
    ['a checksum far behind the end', [Vnet.NEEDS_CSUM, 0, 0, 65535, 65535]],
    ['segments of 0 bytes', [Vnet.NEEDS_CSUM | (Gso.TCPV4 << 8), 54, 0, 34, 16]],
    ['an unknown kind of segmentation', [2 << 8, 54, 100, 0, 0]],
    ['ECN without TCP', [(Gso.UDP | Gso.ECN) << 8, 54, 100, 0, 0]],
  ])('%s is dropped and counted, its slot is used again', (_name, words) => {
    const { fd } = fifoPort();
    writeSync(fd, Buffer.concat([vnetBytes(...words), pattern(60)]));
    expect(rx(0)).toEqual([]);
    expect(result[RxResult.INVALID]).toBe(1);
    expect(result[RxResult.ERRNO]).toBe(0);
    writeSync(fd, Buffer.concat([vnetBytes(0, 0, 0, 0, 0), pattern(60)]));
    const [frame] = rx(0);
    expect(contents(frame)).toEqual(pattern(60));
    expect(result[RxResult.INVALID]).toBe(0);
    expectStacksWhole(frame);
  });

  test.each([
    ['the last possible checksum place stays', [1, 0, 0, 42, 16], [1, 0, 0, 42, 16]],
    ['fields without meaning are cleared', [Vnet.DATA_VALID, 9, 9, 9, 9], [Vnet.DATA_VALID, 0, 0, 0, 0]],
    ['unknown flags are cleared', [0xfc, 9, 9, 9, 9], [0, 0, 0, 0, 0]],
    ['a plain frame has no words', [0, 9, 9, 9, 9], [0, 0, 0, 0, 0]],
    ['a header length beyond the frame is clamped', [0x101, 999, 10, 34, 16], [0x101, 60, 10, 34, 16]],
    ['ECN with TCP stays', [0x8101, 54, 10, 34, 16], [0x8101, 54, 10, 34, 16]],
  ])('%s', (_name, words, cleaned) => {
    const { fd } = fifoPort();
    writeSync(fd, Buffer.concat([vnetBytes(...words), pattern(60)]));
    const [frame] = rx(0);
    expect(vnet(frame)).toEqual(cleaned);
  });

  test('a frame longer than its head goes on in a tail, there and back', () => {
    const { fd } = fifoPort();
    const bytes = pattern(60_000);
    writeSync(fd, Buffer.concat([vnetBytes(0, 0, 0, 0, 0), bytes]));
    const [frame] = rx(0);
    expect(result[RxResult.TAILS]).toBe(1);
    expect(arena.tail[frame]).not.toBe(NONE);
    expect(arena.length[frame]).toBe(60_000);
    expect(contents(frame).equals(bytes)).toBe(true);
    expectStacksWhole(frame);
    expect(tx(0, frame)).toBe(0);
    const back = Buffer.alloc(65_536);
    expect(readSync(fd, back)).toBe(60_010);
    expect(back.subarray(10, 60_010).equals(bytes)).toBe(true);
  });

  test('the longest frame without a tail fills its head exactly', () => {
    const { fd } = fifoPort();
    const room = Slot.HEAD_BYTES - (freshOffset(arena.freeHeads[arena.freeHeadCount - 1]) & (Slot.HEAD_BYTES - 1));
    writeSync(fd, Buffer.concat([vnetBytes(0, 0, 0, 0, 0), pattern(room)]));
    const [frame] = rx(0);
    expect(arena.tail[frame]).toBe(NONE);
    expect(arena.length[frame]).toBe(room);
  });

  test('no free tail: dropped and counted, short frames still pass', () => {
    const { fd } = fifoPort();
    arena.freeTailCount = 0;
    writeSync(fd, Buffer.concat([vnetBytes(0, 0, 0, 0, 0), pattern(3000)]));
    expect(rx(0)).toEqual([]);
    expect(result[RxResult.NO_TAIL]).toBe(1);
    writeSync(fd, Buffer.concat([vnetBytes(0, 0, 0, 0, 0), pattern(60)]));
    expect(rx(0).length).toBe(1);
    expect(result[RxResult.NO_TAIL]).toBe(0);
  });

  test('no free head: nothing is read, and the port is not drained', () => {
    const { fd } = fifoPort();
    expect(shim.poll(0)).toBe(1);
    writeSync(fd, Buffer.concat([vnetBytes(0, 0, 0, 0, 0), pattern(60)]));
    expect(shim.poll(0)).toBe(1);
    expect(shim.rx(0, 0, arena.freeTailCount, BURST)).toBe(0);
    expect(result[RxResult.DRAINED]).toBe(0);
    expect(rx(0).length).toBe(1);
    expect(rx(0).length).toBe(0);
    expect(result[RxResult.DRAINED]).toBe(1);
  });

  test('frames outside the arena are refused one by one', () => {
    const { fd } = fifoPort();
    const good = make(pattern(60));
    const elsewhere = make(pattern(60));
    arena.offset[elsewhere] = freshOffset(good);
    const empty = make(pattern(60));
    arena.length[empty] = 0;
    const tailless = make(pattern(60));
    arena.length[tailless] = 5000;
    const huge = make(pattern(3000));
    arena.length[huge] = 80_000;
    expect(tx(0, elsewhere, empty, tailless, huge, -1, 512, good)).toBe(6);
    expect([...txErrno.slice(0, 7)]).toEqual([EFAULT, EFAULT, EFAULT, EFAULT, EFAULT, EFAULT, 0]);
    expect(readSync(fd, Buffer.alloc(100))).toBe(70);
  });

  test('a broken free stack is an error, not a wild write', () => {
    const { fd } = fifoPort();
    writeSync(fd, Buffer.concat([vnetBytes(0, 0, 0, 0, 0), pattern(60)]));
    arena.freeHeads[arena.freeHeadCount - 1] = 512;
    expect(shim.rx(0, arena.freeHeadCount, 0, BURST)).toBe(0);
    expect(result[RxResult.ERRNO]).toBe(EFAULT);
  });
});

describe('poll', () => {
  test('waits no longer than told', () => {
    const before = performance.now();
    expect(shim.poll(20)).toBe(0);
    expect(performance.now() - before).toBeGreaterThan(18);
  });

  test('the eventfd wakes it and is no port', () => {
    const fd = shim.eventfd();
    cleanups.push(() => shim.close(fd));
    expect(shim.watch(fd)).toBe(0);
    expect(shim.wake(fd)).toBe(0);
    expect(shim.wake(fd)).toBe(0);
    const before = performance.now();
    expect(shim.poll(5000)).toBe(0);
    expect(performance.now() - before).toBeLessThan(1000);
    expect(shim.poll(10)).toBe(0);
    expect(performance.now() - before).toBeGreaterThan(8);
  });

  test('reports an edge once', () => {
    const { fd } = fifoPort(3);
    expect(shim.poll(0)).toBe(1);
    expect([...ready.slice(0, 2)]).toEqual([3, Ready.WRITE]);
    expect(shim.poll(0)).toBe(0);
    writeSync(fd, Buffer.concat([vnetBytes(0, 0, 0, 0, 0), pattern(60)]));
    expect(shim.poll(0)).toBe(1);
    expect([...ready.slice(0, 2)]).toEqual([3, Ready.READ]);
    expect(shim.poll(0)).toBe(0);
  });
});

describe('threads and processes', () => {
  test('the CPU clock of a thread advances with work', () => {
    const before = shim.threadCpu();
    for (const end = performance.now() + 20; performance.now() < end; );
    expect(shim.threadCpu() - before).toBeGreaterThan(1000);
  });

  test('pins to a core that exists', () => {
    expect(shim.pin(-1)).toBe(-EINVAL);
    expect(shim.pin(100_000)).toBe(-EINVAL);
  });

  test('a user namespace is root to itself and has its own network', (context) => {
    const probe = shim.runInUserNamespace('/bin/true', []);
    context.skip(probe < 0, `no user namespaces here (errno ${-probe})`);
    const script = 'test "$(id -u)" = 0 && test "$(readlink /proc/self/ns/net)" != "$0" && exit 7';
    expect(shim.runInUserNamespace('/bin/sh', ['-c', script, ownNamespace()])).toBe(7);
    expect(shim.runInUserNamespace('/bin/sh', ['-c', 'kill -9 $$'])).toBe(137);
    expect(shim.runInUserNamespace('/nonexistent', [])).toBe(-ENOENT);
  });
});

// --- with privilege ----------------------------------------------------------------------------

function ownNamespace(): string {
  return readlinkSync('/proc/self/ns/net');
}

/** Why there is no device to be had here; '' if there is. */
function obstacle(): string {
  const namespace = shim.newNamespace();
  if (namespace < 0) return `cannot make a network namespace (errno ${-namespace})`;
  shim.close(namespace);
  const tap = shim.tapOpen('sluice%d', 0);
  if (tap < 0) return tap === -EPERM ? 'cannot make a TAP: no CAP_NET_ADMIN' : `cannot make a TAP (errno ${-tap})`;
  shim.close(tap);
  return '';
}

const why = obstacle();

function newNamespace(): number {
  const fd = shim.newNamespace();
  expect(fd).toBeGreaterThan(0);
  cleanups.push(() => shim.close(fd));
  return fd;
}

// rtnetlink, just enough: see rtnetlink(7).
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_CREATE_EXCL = 0x600;
const NLM_F_DUMP = 0x300;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_FD = 28;

function attribute(type: number, ...payload: Uint8Array[]): Buffer {
  const body = Buffer.concat(payload);
  const header = Buffer.alloc(4);
  header.writeUInt16LE(4 + body.length, 0);
  header.writeUInt16LE(type, 2);
  return Buffer.concat([header, body, Buffer.alloc(-body.length & 3)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

let sequence = 0;

function linkMessage(type: number, flags: number, index: number, ifFlags: number, ...attributes: Buffer[]): Buffer {
  const info = Buffer.alloc(16);
  info.writeInt32LE(index, 4);
  info.writeUInt32LE(ifFlags, 8);
  info.writeUInt32LE(ifFlags & 1, 12);
  const body = Buffer.concat([info, ...attributes]);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(NLM_F_REQUEST | flags, 6);
  header.writeUInt32LE(++sequence, 8);
  return Buffer.concat([header, body]);
}

function messages(answer: Uint8Array | number): Buffer[] {
  if (typeof answer === 'number') throw new Error(`netlink failed: errno ${-answer}`);
  const list: Buffer[] = [];
  const bytes = Buffer.from(answer);
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    list.push(bytes.subarray(at, at + length));
    at += (length + 3) & ~3;
  }
  return list;
}

/** 0 or -errno of the acknowledgement. */
function acknowledged(namespace: number, request: Buffer): number {
  const last = messages(shim.netlink(namespace, request)).at(-1);
  return last === undefined ? NaN : last.readInt32LE(16);
}

function addVeth(namespace: number, name: string, peer: string): void {
  const data = attribute(2, attribute(1, Buffer.alloc(16), attribute(IFLA_IFNAME, Buffer.from(`${peer}\0`))));
  const info = attribute(IFLA_LINKINFO, attribute(1, Buffer.from('veth\0')), data);
  const request = linkMessage(
    RTM_NEWLINK,
    NLM_F_ACK | NLM_F_CREATE_EXCL,
    0,
    0,
    attribute(IFLA_IFNAME, Buffer.from(`${name}\0`)),
    info,
  );
  expect(acknowledged(namespace, request)).toBe(0);
}

function interfaceRequest(name: string): Buffer {
  const request = Buffer.alloc(40);
  request.write(name);
  return request;
}

function indexOf(namespace: number, name: string): number {
  const request = interfaceRequest(name);
  const error = shim.socketIoctl(namespace, SIOCGIFINDEX, request);
  return error < 0 ? error : request.readInt32LE(16);
}

function setUp(namespace: number, name: string, up: boolean): void {
  const request = interfaceRequest(name);
  expect(shim.socketIoctl(namespace, SIOCGIFFLAGS, request)).toBe(0);
  const flags = request.readUInt16LE(16);
  request.writeUInt16LE(up ? flags | 1 : flags & ~1, 16);
  expect(shim.socketIoctl(namespace, SIOCSIFFLAGS, request)).toBe(0);
}

function deleteLink(namespace: number, name: string): void {
  expect(acknowledged(namespace, linkMessage(RTM_DELLINK, NLM_F_ACK, indexOf(namespace, name), 0))).toBe(0);
}

interface Tap {
  fd: number;
  name: string;
}

/** A TAP whose kernel end lies in `namespace` as `name`. */
function tapIn(namespace: number, name: string, flags = 0): Tap {
  const fd = shim.tapOpen('sluice%d', flags);
  expect(fd).toBeGreaterThan(0);
  cleanups.push(() => shim.close(fd));
  const move = [attribute(IFLA_NET_NS_FD, u32(namespace)), attribute(IFLA_IFNAME, Buffer.from(`${name}\0`))];
  const index = indexOf(-1, String(shim.tapName(fd)));
  expect(acknowledged(-1, linkMessage(RTM_NEWLINK, NLM_F_ACK, index, 0, ...move))).toBe(0);
  return { fd, name };
}

function tapPort(slot: number, namespace: number, name: string, up = true): Tap {
  const tap = tapIn(namespace, name);
  expect(shim.addPort(slot, PortKind.TAP, Int32Array.of(tap.fd), true)).toBe(0);
  if (up) setUp(namespace, name, true);
  return tap;
}

function packetPort(slot: number, namespace: number, name: string): number {
  const fd = shim.packetOpen(namespace, indexOf(namespace, name));
  expect(fd).toBeGreaterThan(0);
  cleanups.push(() => shim.close(fd));
  expect(shim.packetHasVnet(fd)).toBe(1);
  expect(shim.addPort(slot, PortKind.PACKET, Int32Array.of(fd), true)).toBe(0);
  return fd;
}

/** The frames that arrive within a moment, without what an IPv6 stack sends of itself. */
function receive(slot: number, wanted: number): number[] {
  const frames: number[] = [];
  for (let tries = 0; tries < 50 && frames.length < wanted; tries++) {
    for (const frame of rx(slot)) {
      const type = contents(frame).readUInt16BE(12);
      if (type === 0x86dd) arena.release(frame);
      else frames.push(frame);
    }
    if (frames.length < wanted) shim.poll(10);
  }
  return frames;
}

/** The events that poll reports for a port within a moment, or-ed. */
function events(slot: number, wanted: number): number {
  let seen = 0;
  for (let tries = 0; tries < 50 && (seen & wanted) !== wanted; tries++) {
    const n = shim.poll(20);
    for (let i = 0; i < n; i++) if (ready[i * 2] === slot) seen |= ready[i * 2 + 1];
  }
  return seen;
}

/** A TCP superframe with a partial checksum: its checksum field holds the pseudo-header's sum. */
function superframe(payload: number): Buffer {
  const bytes = pattern(54 + payload, 0x0800);
  const length = 40 + payload;
  bytes.set([0x45, 0, length >> 8, length & 255, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 14);
  bytes.writeUInt16BE(fold(sum(bytes, 14, 34)) ^ 0xffff, 24);
  bytes.set([0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0], 34);
  bytes.writeUInt16BE(fold(sum(bytes, 26, 34) + 6 + 20 + payload), 50);
  return bytes;
}

function sum(bytes: Buffer, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i += 2) total += i + 1 < to ? bytes.readUInt16BE(i) : bytes[i] << 8;
  return total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}

/** Whether a whole TCP segment's checksum is right. */
function tcpChecksumRight(bytes: Buffer): boolean {
  const end = 14 + bytes.readUInt16BE(16);
  return fold(sum(bytes, 26, 34) + 6 + end - 34 + sum(bytes, 34, end)) === 0xffff;
}

const TSO = [Vnet.NEEDS_CSUM | (Gso.TCPV4 << 8), 54, 1000, 34, 16];

describe('kernel devices', () => {
  let home: string;

  beforeEach((context) => {
    context.skip(why !== '', why);
    home = ownNamespace();
  });

  afterEach(() => {
    expect(ownNamespace()).toBe(home);
  });

  test('frames pass a TAP both ways', () => {
    const namespace = newNamespace();
    tapPort(0, namespace, 'eth0');
    packetPort(1, namespace, 'eth0');
    const bytes = pattern(60);
    expect(tx(0, make(bytes), make(pattern(1514)))).toBe(0);
    const [short, long] = receive(1, 2);
    expect(contents(short)).toEqual(bytes);
    expect(contents(long).equals(pattern(1514))).toBe(true);
    expect(tx(1, short, long)).toBe(0);
    const back = receive(0, 2);
    expect(back.map((frame) => arena.length[frame])).toEqual([60, 1514]);
    expect(contents(back[1]).equals(pattern(1514))).toBe(true);
  });

  test('a TAP takes its name, and says it', () => {
    const name = `slt${process.pid % 100_000}`;
    const fd = shim.tapOpen(name, 0);
    cleanups.push(() => shim.close(fd));
    expect(shim.tapName(fd)).toBe(name);
    expect(indexOf(-1, name)).toBeGreaterThan(0);
    expect(shim.tapOpen('a-name-of-sixteen', 0)).toBe(-36);
    expect(shim.tapPersist(fd, true)).toBe(0);
    expect(shim.tapPersist(fd, false)).toBe(0);
  });

  test('carrier is what we say it is', async () => {
    const namespace = newNamespace();
    const { fd } = tapPort(0, namespace, 'eth0');
    const running = (): number => {
      const request = interfaceRequest('eth0');
      expect(shim.socketIoctl(namespace, SIOCGIFFLAGS, request)).toBe(0);
      return request.readUInt16LE(16) & IFF_RUNNING;
    };
    expect(shim.tapCarrier(fd, false)).toBe(0);
    await expect.poll(running).toBe(0);
    expect(shim.tapCarrier(fd, true)).toBe(0);
    await expect.poll(running).toBe(IFF_RUNNING);
  });

  test('bursts of 64 keep their order', () => {
    const namespace = newNamespace();
    tapPort(0, namespace, 'eth0');
    packetPort(1, namespace, 'eth0');
    const burst = Array.from({ length: 200 }, (_, i) => {
      const bytes = pattern(60 + i);
      bytes[20] = i;
      return make(bytes);
    });
    expect(tx(1, ...burst)).toBe(0);
    const frames = receive(0, 200);
    expect(frames.map((frame) => contents(frame)[20])).toEqual(Array.from({ length: 200 }, (_, i) => i));
    for (const frame of [...burst, ...frames]) arena.release(frame);
    expectStacksWhole();
  });

  test('a superframe crosses whole, with its partial checksum', () => {
    const namespace = newNamespace();
    const tap = tapPort(0, namespace, 'eth0');
    expect(shim.tapOffload(tap.fd, TUN_F_CSUM_TSO)).toBe(0);
    packetPort(1, namespace, 'eth0');
    const bytes = superframe(60_000);
    const frame = make(bytes);
    setVnet(frame, ...TSO);
    expect(tx(1, frame)).toBe(0);
    const [received] = receive(0, 1);
    expect(arena.length[received]).toBe(60_054);
    expect(contents(received).equals(bytes)).toBe(true);
    expect(vnet(received)).toEqual(TSO);
    expect(tx(0, received)).toBe(0);
    const [again] = receive(1, 1);
    expect(contents(again).equals(bytes)).toBe(true);
    expect(vnet(again)).toEqual(TSO);
    for (const each of [frame, received, again]) arena.release(each);
    expectStacksWhole();
  });

  test('without offload the kernel cuts it and fills the checksums in', () => {
    const namespace = newNamespace();
    const tap = tapPort(0, namespace, 'eth0');
    expect(shim.tapOffload(tap.fd, 0)).toBe(0);
    packetPort(1, namespace, 'eth0');
    const frame = make(superframe(5000));
    setVnet(frame, ...TSO);
    expect(tx(1, frame)).toBe(0);
    const segments = receive(0, 5);
    expect(segments.map((segment) => arena.length[segment])).toEqual([1054, 1054, 1054, 1054, 1054]);
    for (const segment of segments) {
      expect(vnet(segment)[Vnet.FLAGS_TYPE] & (Vnet.NEEDS_CSUM | 0xff00)).toBe(0);
      expect(tcpChecksumRight(contents(segment))).toBe(true);
    }
  });

  test('the kernel refuses a wrong header alone; its neighbours pass', () => {
    const namespace = newNamespace();
    tapPort(0, namespace, 'eth0');
    packetPort(1, namespace, 'eth0');
    for (const [from, to] of [
      [0, 1],
      [1, 0],
    ]) {
      const frames = [make(pattern(60)), make(pattern(60)), make(pattern(60))];
      setVnet(frames[1], Vnet.NEEDS_CSUM, 0, 0, 2000, 16);
      expect(tx(from, ...frames)).toBe(1);
      expect([...txErrno.slice(0, 3)]).toEqual([0, EINVAL, 0]);
      expect(receive(to, 2).length).toBe(2);
    }
  });

  test('a frame beyond the MTU fails on a packet port', () => {
    const namespace = newNamespace();
    tapPort(0, namespace, 'eth0');
    packetPort(1, namespace, 'eth0');
    expect(tx(1, make(pattern(1600)), make(pattern(60)))).toBe(1);
    expect([...txErrno.slice(0, 2)]).toEqual([EMSGSIZE, 0]);
  });

  // From the TAP the packet port's ring hands out copies of long frames apart; to the TAP its first long frame
  // comes staged, the next ones directly.
  test.each([
    ['to a packet port', 0, 1],
    ['to a TAP', 1, 0],
  ])('long and short frames keep their order and the stacks whole: %s', (_name, from, to) => {
    const namespace = newNamespace();
    const tap = tapPort(0, namespace, 'eth0');
    expect(shim.tapOffload(tap.fd, TUN_F_CSUM_TSO)).toBe(0);
    packetPort(1, namespace, 'eth0');
    for (let round = 0; round < 3; round++) {
      const sent = [60, 9054, 61, 8054, 62, 63, 2000].map((n) => make(n > 1000 ? superframe(n - 54) : pattern(n)));
      for (const i of [1, 3, 6]) setVnet(sent[i], ...TSO);
      expect(tx(from, ...sent)).toBe(0);
      const frames = receive(to, sent.length);
      expect(frames.map((frame) => arena.tail[frame] !== NONE)).toEqual([false, true, false, true, false, false, true]);
      expect(frames.map((frame) => contents(frame).equals(contents(sent[frames.indexOf(frame)])))).not.toContain(false);
      expect(frames.map((frame) => vnet(frame)[Vnet.FLAGS_TYPE])).toEqual(
        sent.map((frame) => vnet(frame)[Vnet.FLAGS_TYPE]),
      );
      expectStacksWhole(...sent, ...frames);
      for (const frame of [...sent, ...frames]) arena.release(frame);
    }
  });

  test('a packet port without free tails drops superframes alone', () => {
    const namespace = newNamespace();
    tapPort(0, namespace, 'eth0');
    packetPort(1, namespace, 'eth0');
    const big = make(superframe(9000));
    setVnet(big, ...TSO);
    expect(tx(0, make(pattern(60)), big, make(pattern(61)))).toBe(0);
    const spare = arena.freeTailCount;
    arena.freeTailCount = 0;
    let dropped = 0;
    const lengths: number[] = [];
    for (let tries = 0; tries < 20 && lengths.length < 2; tries++) {
      for (const frame of rx(1)) if (contents(frame).readUInt16BE(12) === 0x88b5) lengths.push(arena.length[frame]);
      dropped += result[RxResult.NO_TAIL];
      shim.poll(5);
    }
    arena.freeTailCount = spare;
    expect(lengths).toEqual([60, 61]);
    expect(dropped).toBe(1);
  });

  test('the kernel end goes down and comes up', () => {
    const namespace = newNamespace();
    const { fd } = tapPort(0, namespace, 'eth0', false);
    expect(shim.tapIsUp(fd)).toBe(0);
    expect(shim.poll(0)).toBe(0);
    expect(tx(0, make(pattern(60)), make(pattern(60)))).toBe(2);
    expect([...txErrno.slice(0, 2)]).toEqual([EIO, EIO]);
    for (let round = 0; round < 3; round++) {
      setUp(namespace, 'eth0', true);
      expect(events(0, Ready.WRITE) & Ready.WRITE).toBe(Ready.WRITE);
      expect(shim.tapIsUp(fd)).toBe(1);
      expect(tx(0, make(pattern(60)))).toBe(0);
      setUp(namespace, 'eth0', false);
      expect(tx(0, make(pattern(60)))).toBe(1);
      expect(txErrno[0]).toBe(EIO);
    }
  });

  test('sending wakes nobody', () => {
    const namespace = newNamespace();
    tapPort(0, namespace, 'eth0');
    events(0, Ready.WRITE);
    while (shim.poll(20) > 0) rx(0);
    const frame = make(pattern(60));
    let wakes = 0;
    for (let i = 0; i < 100; i++) {
      expect(tx(0, frame)).toBe(0);
      wakes += shim.poll(0);
    }
    expect(wakes).toBeLessThan(5);
  });

  test('a TAP that is deleted is reported once', () => {
    const namespace = newNamespace();
    const { fd } = tapPort(0, namespace, 'eth0');
    deleteLink(namespace, 'eth0');
    expect(events(0, Ready.GONE) & Ready.GONE).toBe(Ready.GONE);
    expect(shim.poll(20)).toBe(0);
    expect(shim.tapIsUp(fd)).toBe(-ENODEV);
    expect(tx(0, make(pattern(60)))).toBe(1);
    expect(shim.removePort(0)).toBe(0);
  });

  test('a TAP goes with its namespace: its descriptor does not hold it', () => {
    const namespace = shim.newNamespace();
    const { fd } = tapPort(0, namespace, 'eth0');
    expect(shim.close(namespace)).toBe(0);
    expect(events(0, Ready.GONE) & Ready.GONE).toBe(Ready.GONE);
    expect(shim.tapIsUp(fd)).toBe(-ENODEV);
  });

  test('a multi-queue TAP reads all queues', () => {
    const namespace = newNamespace();
    const first = tapIn(namespace, 'eth0', IFF_MULTI_QUEUE);
    // A queue is attached by name from within the device's own namespace: so before the move.
    const fd = shim.tapOpen('sluice%d', IFF_MULTI_QUEUE);
    cleanups.push(() => shim.close(fd));
    const second = shim.tapOpen(String(shim.tapName(fd)), IFF_MULTI_QUEUE);
    expect(second).toBeGreaterThan(0);
    cleanups.push(() => shim.close(second));
    expect(shim.addPort(0, PortKind.TAP, Int32Array.of(fd, second), true)).toBe(0);
    const move = [attribute(IFLA_NET_NS_FD, u32(namespace)), attribute(IFLA_IFNAME, Buffer.from('eth1\0'))];
    const index = indexOf(-1, String(shim.tapName(fd)));
    expect(acknowledged(-1, linkMessage(RTM_NEWLINK, NLM_F_ACK, index, 0, ...move))).toBe(0);
    setUp(namespace, 'eth1', true);
    packetPort(1, namespace, 'eth1');
    expect(shim.tapIsUp(first.fd)).toBe(0);
    // The sender's core chooses the queue; either way everything must arrive.
    expect(tx(1, ...Array.from({ length: 100 }, () => make(pattern(60))))).toBe(0);
    expect(receive(0, 100).length).toBe(100);
    expect(tx(0, make(pattern(60)))).toBe(0);
    expect(receive(1, 1).length).toBe(1);
  });

  describe('a veth pair', () => {
    let namespace: number;

    beforeEach(() => {
      namespace = newNamespace();
      addVeth(namespace, 'v0', 'v1');
      setUp(namespace, 'v0', true);
      setUp(namespace, 'v1', true);
    });

    test('carries frames between packet ports, not back to the sender', () => {
      packetPort(0, namespace, 'v0');
      packetPort(1, namespace, 'v1');
      expect(tx(0, make(pattern(60)), make(pattern(1514)))).toBe(0);
      const frames = receive(1, 2);
      expect(frames.map((frame) => arena.length[frame])).toEqual([60, 1514]);
      expect(rx(0).filter((frame) => contents(frame).readUInt16BE(12) === 0x88b5)).toEqual([]);
    });

    test.each([
      ['802.1Q', 0x8100],
      ['802.1ad', 0x88a8],
    ])('puts a stripped %s tag back', (_name, type) => {
      packetPort(0, namespace, 'v0');
      packetPort(1, namespace, 'v1');
      const bytes = pattern(64, type);
      bytes.writeUInt16BE(0xa123, 14);
      bytes.writeUInt16BE(0x88b5, 16);
      expect(tx(0, make(bytes))).toBe(0);
      const [frame] = receive(1, 1);
      expect(contents(frame)).toEqual(bytes);
      expect(arena.offset[frame]).toBe(freshOffset(frame) - 4);
    });

    test('moves the checksum place of a tagged superframe', () => {
      packetPort(0, namespace, 'v0');
      packetPort(1, namespace, 'v1');
      const plain = superframe(9000);
      const tag = Buffer.from([0x81, 0, 0, 42]);
      const bytes = Buffer.concat([plain.subarray(0, 12), tag, plain.subarray(12)]);
      const frame = make(bytes);
      setVnet(frame, TSO[0], 58, 1000, 38, 16);
      expect(tx(0, frame)).toBe(0);
      const [received] = receive(1, 1);
      expect(contents(received).equals(bytes)).toBe(true);
      expect(vnet(received)).toEqual([TSO[0], 58, 1000, 38, 16]);
    });

    test('a port added again goes on where the kernel writes', () => {
      const fd = packetPort(0, namespace, 'v0');
      packetPort(1, namespace, 'v1');
      expect(tx(1, ...Array.from({ length: 100 }, () => make(pattern(60))))).toBe(0);
      expect(receive(0, 64).length).toBeGreaterThan(63);
      expect(shim.removePort(0)).toBe(0);
      expect(tx(1, make(pattern(70)))).toBe(0);
      expect(shim.addPort(0, PortKind.PACKET, Int32Array.of(fd), true)).toBe(0);
      expect(rx(0)).toEqual([]);
      expect(tx(1, make(pattern(80)), make(pattern(81)))).toBe(0);
      expect(receive(0, 2).map((frame) => arena.length[frame])).toEqual([80, 81]);
    });

    test('what the ring cannot take is counted', () => {
      const fd = packetPort(0, namespace, 'v0');
      packetPort(1, namespace, 'v1');
      expect(shim.packetDrops(fd)).toBe(0);
      const frame = make(pattern(60));
      const burst = Array.from({ length: 250 }, () => frame);
      for (let i = 0; i < 5; i++) expect(tx(1, ...burst)).toBe(0);
      const received: number[] = [];
      for (let n = 1; n > 0; ) {
        const frames = rx(0);
        n = frames.length;
        received.push(...frames);
        for (const each of frames) arena.release(each);
      }
      expect(received.length).toBeGreaterThan(1000);
      // An IPv6 stack may have said something too.
      const total = received.length + shim.packetDrops(fd);
      expect(total).toBeGreaterThanOrEqual(1250);
      expect(total).toBeLessThan(1260);
      expect(shim.packetDrops(fd)).toBe(0);
    });

    test('down is ENETDOWN, up again works, deleted is ENODEV', () => {
      const fd = packetPort(0, namespace, 'v0');
      packetPort(1, namespace, 'v1');
      expect(shim.packetIsUp(fd)).toBe(1);
      setUp(namespace, 'v0', false);
      expect(events(0, Ready.READ) & Ready.READ).toBe(Ready.READ);
      expect(rx(0)).toEqual([]);
      expect(result[RxResult.ERRNO]).toBe(ENETDOWN);
      expect(shim.packetIsUp(fd)).toBe(0);
      expect(tx(0, make(pattern(60)))).toBe(1);
      expect(txErrno[0]).toBe(ENETDOWN);
      setUp(namespace, 'v0', true);
      expect(shim.packetIsUp(fd)).toBe(1);
      expect(tx(1, make(pattern(60)))).toBe(0);
      expect(receive(0, 1).length).toBe(1);
      deleteLink(namespace, 'v0');
      expect(shim.packetIsUp(fd)).toBe(-ENODEV);
      expect(tx(0, make(pattern(60)))).toBe(1);
      expect(txErrno[0]).toBe(6);
    });

    test('ethtool answers', () => {
      const link = Buffer.alloc(8);
      link.writeUInt32LE(0x0a);
      expect(shim.ethtool(namespace, 'v0', link)).toBe(0);
      expect(link.readUInt32LE(4)).toBe(1);
      expect(shim.ethtool(namespace, 'nosuch', link)).toBe(-ENODEV);
    });
  });

  test('netlink: dumps in parts, errors and the end of a sequence', () => {
    const namespace = newNamespace();
    for (let i = 0; i < 40; i++) addVeth(namespace, `a${i}`, `b${i}`);
    const links = messages(shim.netlink(namespace, linkMessage(RTM_GETLINK, NLM_F_DUMP, 0, 0)));
    expect(links.filter((message) => message.readUInt16LE(4) === RTM_NEWLINK).length).toBe(81);
    expect(links.at(-1)?.readUInt16LE(4)).toBe(3);
    expect(acknowledged(namespace, linkMessage(RTM_DELLINK, NLM_F_ACK, 4711, 0))).toBe(-ENODEV);
    const two = Buffer.concat([
      linkMessage(RTM_DELLINK, NLM_F_ACK, 4711, 0),
      linkMessage(RTM_DELLINK, 0, indexOf(namespace, 'a0'), 0),
    ]);
    expect(messages(shim.netlink(namespace, two)).map((message) => message.readInt32LE(16))).toEqual([-ENODEV, 0]);
    expect(shim.netlink(namespace, Buffer.alloc(10))).toBe(-EINVAL);
    expect(shim.netlink(9999, two)).toBe(-EBADF);
    const address = attribute(IFLA_ADDRESS, Buffer.from([2, 0, 0, 0, 0, 9]));
    expect(acknowledged(namespace, linkMessage(RTM_NEWLINK, NLM_F_ACK, indexOf(namespace, 'a1'), 0, address))).toBe(0);
  });

  test('namespaces open by path; other files are refused', () => {
    const own = shim.openNamespace('/proc/self/ns/net');
    expect(own).toBeGreaterThan(0);
    expect(shim.close(own)).toBe(0);
    expect(shim.close(own)).toBe(-EBADF);
    expect(shim.openNamespace('/proc/self/ns/mnt')).toBe(-EINVAL);
    expect(shim.openNamespace('/dev/null')).toBeLessThan(0);
    expect(shim.openNamespace('/run/netns/nosuch')).toBe(-ENOENT);
    expect(indexOf(newNamespace(), 'lo')).toBe(1);
  });

  test('descriptors do not leak', () => {
    const namespace = newNamespace();
    const tap = tapIn(namespace, 'eth0');
    const packet = shim.packetOpen(namespace, indexOf(namespace, 'eth0'));
    const open = (): number => readdirSync('/proc/self/fd').length;
    let before = 0;
    for (let round = 0; round < 201; round++) {
      // The first round makes what stays: the epoll set and the ring.
      if (round === 1) before = open();
      const event = shim.eventfd();
      expect(shim.watch(event)).toBe(0);
      expect(shim.addPort(0, PortKind.TAP, Int32Array.of(tap.fd), true)).toBe(0);
      expect(shim.addPort(1, PortKind.PACKET, Int32Array.of(packet), true)).toBe(0);
      expect(shim.removePort(0)).toBe(0);
      expect(shim.removePort(1)).toBe(0);
      expect(shim.packetOpen(namespace, 4711)).toBe(-ENODEV);
      expect(shim.tapOpen('a-name-of-sixteen', 0)).toBeLessThan(0);
      expect(indexOf(namespace, 'nosuch')).toBe(-ENODEV);
      expect(shim.close(event)).toBe(0);
      // The kernel takes its time with these.
      if (round % 10 === 1) openAndClose(namespace);
    }
    expect(open()).toBe(before);
    shim.close(packet);
  }, 60_000);
});

function openAndClose(namespace: number): void {
  const other = shim.newNamespace();
  const tap = shim.tapOpen('sluice%d', 0);
  const packet = shim.packetOpen(-1, indexOf(-1, String(shim.tapName(tap))));
  const visiting = shim.packetOpen(namespace, 1);
  expect(shim.addPort(0, PortKind.TAP, Int32Array.of(tap), true)).toBe(0);
  expect(shim.addPort(1, PortKind.PACKET, Int32Array.of(packet), true)).toBe(0);
  expect(shim.removePort(0)).toBe(0);
  expect(shim.removePort(1)).toBe(0);
  for (const fd of [other, tap, packet, visiting]) expect(shim.close(fd)).toBe(0);
}

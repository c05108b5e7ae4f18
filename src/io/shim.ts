/*
 * The native shim's face: the system calls that Node lacks, and nothing else.
 *
 * JavaScript validates and words the errors; the shim gets clean values and answers with a count or
 * -errno. It throws only when an argument has the wrong type, which is a bug here, not bad input.
 * Every offset and length is checked against the attached arena before memory is touched.
 * One shim is loaded per thread; `attach`, `addPort`, `rx`, `tx` and `poll` belong to the worker's.
 */
import { createRequire } from 'node:module';
import type { Arena } from '../core/arena.js';
import { memory } from '../core/memory.js';

/** Kinds of port that the shim drives. */
export const enum PortKind {
  TAP = 0,
  PACKET = 1,
}

/** What `poll` says of a port, or-ed: `shim.ready` holds pairs of port, events. */
export const enum Ready {
  READ = 1,
  /** The kernel end of a TAP is up (again). */
  WRITE = 2,
  /** The device or its namespace is gone. */
  GONE = 4,
}

/** Words of `shim.result` after an rx call. */
export const enum RxResult {
  /** Tail slots taken from the top of freeTails. */
  TAILS = 0,
  /** Frames the kernel refused to hand out whole or whose virtio header is wrong: dropped. */
  INVALID = 1,
  /** Frames that needed a tail slot when none was free: dropped. */
  NO_TAIL = 2,
  /** errno that ended the burst, 0 if it was EAGAIN or `max`. */
  ERRNO = 3,
  /** 1: no more frames, the next are told by `poll`. 0: call again, no event will come. */
  DRAINED = 4,
  WORDS = 8,
}

/** Kernel namespace: a descriptor of one, or -1 for the one this process runs in. */
export type NamespaceFd = number;

export interface Shim {
  /**
   * Bytes from the start of a buffer's memory to its first page boundary. A buffer of two huge pages (4 MiB) or more is aligned to
   * those, and the kernel is asked for them.
   */
  align(buffer: SharedArrayBuffer): number;

  // --- control: any thread ---------------------------------------------------------------------

  /** Opens /proc/PID/ns/net, /run/netns/NAME or another path, O_CLOEXEC. fd or -errno. */
  openNamespace(path: string): number;
  /** Makes a new kernel network namespace that lives as long as the descriptor. fd or -errno. */
  newNamespace(): number;
  /** Moves the calling thread into a namespace for good (helper processes only). 0 or -errno. */
  enterNamespace(fd: NamespaceFd): number;
  close(fd: number): number;

  /**
   * One rtnetlink (NETLINK_ROUTE) request in a namespace: sends `request` (whole nlmsghdr, any
   * number of messages with sequence numbers of their own), collects answers until NLMSG_DONE or NLMSG_ERROR (an
   * acknowledgement is one; the last message always asks for it) for the last one. Returns all received bytes, or
   * -errno of the socket calls (an NLMSG_ERROR is left in the bytes). Dump requests are checked strictly.
   */
  netlink(namespace: NamespaceFd, request: Uint8Array): Uint8Array | number;

  /**
   * Opens /dev/net/tun in the daemon's own namespace with TUNSETIFF: IFF_TAP | IFF_NO_PI |
   * IFF_VNET_HDR | extra flags (IFF_MULTI_QUEUE 0x100), vnet header size 10, host-endian. `name` may contain %d.
   * O_NONBLOCK, O_CLOEXEC. Returns fd or -errno; `tapName(fd)` says what it is called.
   */
  tapOpen(name: string, flags: number): number;
  tapName(fd: number): string | number;
  /** TUNSETOFFLOAD with TUN_F_* bits. 0 or -errno. */
  tapOffload(fd: number, bits: number): number;
  /** TUNSETPERSIST. */
  tapPersist(fd: number, on: boolean): number;
  /** TUNSETCARRIER: what the kernel end shows as carrier. */
  tapCarrier(fd: number, on: boolean): number;
  /** 1 if the kernel end is up (POLLOUT), 0 if down, -errno if gone. */
  tapIsUp(fd: number): number;

  /**
   * AF_PACKET socket on a device in a namespace: SOCK_RAW, PACKET_VNET_HDR (refused by the kernel: falls
   * back and says so through packetHasVnet), a receive ring of 1,024 frames, PACKET_IGNORE_OUTGOING,
   * PACKET_QDISC_BYPASS, promiscuous membership, generous buffers, O_NONBLOCK. fd or -errno. The socket pins its
   * namespace.
   */
  packetOpen(namespace: NamespaceFd, ifindex: number): number;
  /** 1 if the socket carries virtio headers, 0 if not. */
  packetHasVnet(fd: number): number;
  /**
   * 1 if the socket's device is up, 0 if down, -ENODEV if gone. Going down is a READ event whose rx call ends with
   * ENETDOWN; so is being deleted, after which tx fails with ENXIO. Coming up again is no event: ask.
   */
  packetIsUp(fd: number): number;
  /** Frames that the kernel dropped since the last call because the ring or the queue was full. -errno if it fails. */
  packetDrops(fd: number): number;

  /** Any ioctl on a fresh AF_INET datagram socket in a namespace with an ifreq-like buffer, changed in place. 0 or -errno. */
  socketIoctl(namespace: NamespaceFd, request: number, argument: Uint8Array): number;
  /** As socketIoctl for SIOCETHTOOL: ifreq.ifr_data points at `data`, changed in place. 0 or -errno. */
  ethtool(namespace: NamespaceFd, device: string, data: Uint8Array): number;
  /** socket(2) in a namespace, O_CLOEXEC | O_NONBLOCK. fd or -errno. */
  socket(namespace: NamespaceFd, domain: number, type: number, protocol: number): number;

  /** An eventfd, O_CLOEXEC | O_NONBLOCK. */
  eventfd(): number;
  /** Wakes whoever polls an eventfd. */
  wake(fd: number): number;

  /**
   * fork, unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS), map this uid and gid to 0, exec `file`. Blocks until it
   * ends. Returns its exit status (128 + n if a signal ended it), or -errno if the namespaces cannot be had.
   */
  runInUserNamespace(file: string, args: string[]): number;
  /** Pins the calling thread to a core. 0 or -errno. */
  pin(core: number): number;
  /** CPU time of the calling thread, µs. */
  threadCpu(): number;

  // --- the worker's data path ------------------------------------------------------------------

  /** Tells this thread's shim where the arena lies; keeps a reference to it. */
  attach(arena: Arena, result: Int32Array, txErrno: Int32Array, ready: Int32Array): void;
  /** Watches an eventfd in `poll`; its value is read away there. */
  watch(eventfd: number): number;
  /** Takes over descriptors as the port in this slot (0 ≤ slot < arena.ports). `hasVnet`: they carry a virtio header. */
  addPort(slot: number, kind: PortKind, fds: Int32Array, hasVnet: boolean): number;
  /** Forgets a port; its descriptors stay open, they are the control thread's. */
  removePort(slot: number): number;

  /**
   * Receives up to `max` frames into free slots: heads freeHeads[headCount−1], freeHeads[headCount−2] … in order, which are
   * also written to arena.burst; a frame too long for its head takes freeTails[tailCount−1] …. Fills offset, length,
   * tail, vnet. Returns the number of frames (the caller takes that many heads and result[TAILS] tails off the stacks).
   */
  rx(slot: number, headCount: number, tailCount: number, max: number): number;
  /**
   * Sends `n` frames of the port's queue. Returns how many failed; only if that is not 0,
   * txErrno[0…n) holds errno or 0 for each.
   */
  tx(slot: number, n: number): number;
  /**
   * Waits up to `timeoutMs` (−1: for ever, 0: just looks) for a port or the watched eventfd. Returns the number of
   * pairs in `ready`; a multi-queue port may come twice. A port is reported when something *becomes* readable
   * (edge-triggered): read it until result[DRAINED] is 1. WRITE is reported once after `addPort` if the TAP is
   * up, then whenever it comes up after a tx that failed with EIO.
   */
  poll(timeoutMs: number): number;
}

function load(): Shim {
  const require = createRequire(import.meta.url);
  for (const path of ['../../build/Release/sluice.node', '../../../build/Release/sluice.node']) {
    try {
      return require(path) as Shim;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Error('cannot load the native shim: it is not built; run "npm run build"');
}

export const shim: Shim = load();

memory.align = (buffer) => shim.align(buffer);

/*
 * TAP devices: one end is a port here, the other is a device of the kernel.
 *
 * The device is made in the daemon's own namespace under a temporary name, then moved and renamed: a descriptor opened inside a
 * namespace would pin it. Nothing is half-made: on an error the descriptors are closed and the device is gone.
 */
import { SluiceError } from '../core/errors.js';
import { errnoName, errnoText } from './errno.js';
import { OWN_NAMESPACE, withNamespace } from './namespace.js';
import { addKernelAddress, changeKernelLink, findKernelLink, type KernelLink, NetlinkError } from './rtnetlink.js';
import { type NamespaceFd, shim } from './shim.js';

/** linux/if_tun.h */
const enum Iff {
  MULTI_QUEUE = 0x0100,
}

const enum TunF {
  CSUM = 0x01,
  TSO4 = 0x02,
  TSO6 = 0x04,
  TSO_ECN = 0x08,
  USO4 = 0x20,
  USO6 = 0x40,
}

const OFFLOADS = TunF.CSUM | TunF.TSO4 | TunF.TSO6 | TunF.TSO_ECN;
const USO = TunF.USO4 | TunF.USO6;

export interface TapSpec {
  /** Name of the kernel's end. */
  name: string;
  queues: number;
  /** Superframes and partial checksums may cross. */
  hasOffload: boolean;
  isPersistent: boolean;
  netns?: string;
  /** MAC of the kernel's end. */
  address?: Uint8Array;
  mtu: number;
  addresses: Array<{ address: Uint8Array; prefix: number }>;
  isUp: boolean;
}

export interface TapDevice {
  /** One descriptor a queue. */
  fds: Int32Array;
  /** Attached to a persistent device that existed. */
  isAttached: boolean;
}

function refuse(name: string, errno: number, hint: string, extack?: string): never {
  const cause = extack === undefined ? errnoText(errno) : extack.replace(/\.$/, '');
  throw new SluiceError(errnoName(errno), `cannot create tap "${name}": ${cause}; ${hint}`, extack);
}

function hintOf(errno: number): string {
  switch (errnoName(errno)) {
    case 'EPERM':
    case 'EACCES':
      return 'it needs CAP_NET_ADMIN: run as root, or in a user namespace (unshare -rn)';
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return '/dev/net/tun is missing: modprobe tun, or give the container that device';
    case 'EEXIST':
      return 'choose another name';
    case 'EBUSY':
      return 'another process holds it; attach a packet port instead (type packet dev NAME)';
    default:
      return 'see "sluice doctor"';
  }
}

/** Makes or attaches to a TAP as the specification says. */
export function openTap(spec: TapSpec): TapDevice {
  const existing = spec.netns === undefined ? findKernelLink(OWN_NAMESPACE, spec.name) : undefined;
  if (existing !== undefined && existing.kind !== 'tun')
    refuse(spec.name, -17, 'a device of that name exists and is no TAP');
  const isAttached = existing !== undefined;
  const fds = openQueues(isAttached || spec.netns === undefined ? spec.name : 'sluice%d', spec.queues);
  try {
    setOffload(spec, fds);
    if (isAttached) configureAttached(spec, existing);
    else configure(spec, fds[0]);
    if (spec.isPersistent) check(spec.name, shim.tapPersist(fds[0], true));
  } catch (error) {
    for (const fd of fds) shim.close(fd);
    if (error instanceof NetlinkError) refuse(spec.name, error.errno, hintOf(error.errno), error.extack);
    throw error;
  }
  return { fds, isAttached };
}

function check(name: string, answer: number): number {
  if (answer < 0) refuse(name, answer, hintOf(answer));
  return answer;
}

function openQueues(name: string, queues: number): Int32Array {
  const flags = queues > 1 ? Iff.MULTI_QUEUE : 0;
  const fds = new Int32Array(queues);
  let deviceName = name;
  for (let i = 0; i < queues; i++) {
    const fd = shim.tapOpen(deviceName, flags);
    if (fd < 0) {
      for (let k = 0; k < i; k++) shim.close(fds[k]);
      refuse(name, fd, hintOf(fd));
    }
    fds[i] = fd;
    deviceName = String(shim.tapName(fd));
  }
  return fds;
}

/** USO came with Linux 6.2; without it TSO still does. */
function setOffload(spec: TapSpec, fds: Int32Array): void {
  const wanted = spec.hasOffload ? OFFLOADS | USO : 0;
  for (const fd of fds) {
    if (shim.tapOffload(fd, wanted) < 0) check(spec.name, shim.tapOffload(fd, wanted & OFFLOADS));
  }
}

function configureAttached(spec: TapSpec, existing: KernelLink): void {
  const isUp = spec.isUp || existing.isUp;
  changeKernelLink(OWN_NAMESPACE, existing.index, { mtu: spec.mtu, isUp });
}

function configure(spec: TapSpec, fd: number): void {
  const name = String(shim.tapName(fd));
  const made = findKernelLink(OWN_NAMESPACE, name);
  if (made === undefined) refuse(spec.name, -19, 'the device vanished');
  if (spec.address !== undefined) changeKernelLink(OWN_NAMESPACE, made.index, { address: spec.address });
  changeKernelLink(OWN_NAMESPACE, made.index, { mtu: spec.mtu });
  if (spec.netns === undefined) return finish(spec, OWN_NAMESPACE, made.index);
  withNamespace(spec.netns, (namespace) => {
    if (findKernelLink(namespace, spec.name) !== undefined) {
      refuse(spec.name, -17, `namespace "${spec.netns}" has a device of that name; choose another`);
    }
    changeKernelLink(OWN_NAMESPACE, made.index, { netns: namespace, name: spec.name });
    const moved = findKernelLink(namespace, spec.name);
    if (moved === undefined) refuse(spec.name, -19, 'the device vanished while it was moved');
    finish(spec, namespace, moved.index);
  });
}

function finish(spec: TapSpec, namespace: NamespaceFd, index: number): void {
  for (const { address, prefix } of spec.addresses) addKernelAddress(namespace, index, address, prefix);
  if (spec.isUp) changeKernelLink(namespace, index, { isUp: true });
}

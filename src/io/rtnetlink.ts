/*
 * rtnetlink (rtnetlink(7)): the few requests that ports need of the kernel, as messages built and read here.
 * The shim only carries the bytes into a namespace and back.
 */
import { type NamespaceFd, shim } from './shim.js';

const enum Nlmsg {
  HEADER = 16,
  ERROR = 2,
  DONE = 3,
  F_REQUEST = 1,
  F_ACK = 4,
  F_DUMP = 0x300,
  F_CREATE_EXCL = 0x600,
}

const enum Rtm {
  NEWLINK = 16,
  DELLINK = 17,
  GETLINK = 18,
  NEWADDR = 20,
  GETADDR = 22,
}

const enum Ifla {
  ADDRESS = 1,
  IFNAME = 3,
  MTU = 4,
  MASTER = 10,
  LINKINFO = 18,
  NET_NS_FD = 28,
  INFO_KIND = 1,
  INFO_DATA = 2,
  VETH_PEER = 1,
}

const IFINFO = 16;
const IFADDR = 8;
const IFF_UP = 1;
const NLMSGERR_ATTR_MSG = 1;

/** A device of the kernel. */
export interface KernelLink {
  index: number;
  name: string;
  mtu: number;
  address: Uint8Array;
  isUp: boolean;
  /** IFF_RUNNING. */
  hasCarrier: boolean;
  /** rtnl link kind ("tun", "veth", "bridge"), '' for hardware. */
  kind: string;
}

export interface LinkChanges {
  name?: string;
  mtu?: number;
  address?: Uint8Array;
  isUp?: boolean;
  /** Descriptor of the namespace it moves to. */
  netns?: number;
  /** Index of the kernel bridge that it becomes a port of. */
  master?: number;
}

/** The kernel said no: `errno` is positive; `extack` its explanation. */
export class NetlinkError extends Error {
  constructor(
    readonly errno: number,
    readonly extack?: string,
  ) {
    super(extack ?? `errno ${errno}`);
  }
}

function attribute(type: number, value: Uint8Array): Uint8Array {
  const out = new Uint8Array((4 + value.length + 3) & ~3);
  const view = new DataView(out.buffer);
  view.setUint16(0, 4 + value.length, true);
  view.setUint16(2, type, true);
  out.set(value, 4);
  return out;
}

function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

function message(type: number, flags: number, header: Uint8Array, attributes: Uint8Array[]): Uint8Array {
  const length = Nlmsg.HEADER + header.length + attributes.reduce((sum, a) => sum + a.length, 0);
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint32(0, length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, Nlmsg.F_REQUEST | flags, true);
  view.setUint32(8, 1, true);
  out.set(header, Nlmsg.HEADER);
  let at = Nlmsg.HEADER + header.length;
  for (const a of attributes) {
    out.set(a, at);
    at += a.length;
  }
  return out;
}

function ifinfo(index: number, flags = 0, change = 0): Uint8Array {
  const out = new Uint8Array(IFINFO);
  const view = new DataView(out.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return out;
}

interface Reply {
  type: number;
  body: Uint8Array;
}

/** Sends one request; throws NetlinkError if the kernel refuses it. */
function request(namespace: NamespaceFd, bytes: Uint8Array): Reply[] {
  const answer = shim.netlink(namespace, bytes);
  if (typeof answer === 'number') throw new NetlinkError(-answer);
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  const replies: Reply[] = [];
  for (let at = 0; at + Nlmsg.HEADER <= answer.length; ) {
    const length = view.getUint32(at, true);
    const type = view.getUint16(at + 4, true);
    const flags = view.getUint16(at + 6, true);
    const body = answer.subarray(at + Nlmsg.HEADER, at + length);
    if (type === Nlmsg.ERROR) checkError(body, flags);
    else if (type !== Nlmsg.DONE) replies.push({ type, body });
    at += (length + 3) & ~3;
  }
  return replies;
}

function checkError(body: Uint8Array, flags: number): void {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const errno = -view.getInt32(0, true);
  if (errno === 0) return;
  const NLM_F_CAPPED = 0x100;
  const original = (flags & NLM_F_CAPPED) !== 0 ? Nlmsg.HEADER : view.getUint32(4, true);
  const extack = attributes(body, 4 + ((original + 3) & ~3)).get(NLMSGERR_ATTR_MSG);
  throw new NetlinkError(errno, extack === undefined ? undefined : string(extack));
}

function attributes(bytes: Uint8Array, from: number): Map<number, Uint8Array> {
  const out = new Map<number, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = from; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4) break;
    out.set(view.getUint16(at + 2, true) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return out;
}

function string(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function readLink(body: Uint8Array): KernelLink {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const flags = view.getUint32(8, true);
  const found = attributes(body, IFINFO);
  const info = found.get(Ifla.LINKINFO);
  const kind = info === undefined ? undefined : attributes(info, 0).get(Ifla.INFO_KIND);
  const mtu = found.get(Ifla.MTU);
  return {
    index: view.getInt32(4, true),
    name: string(found.get(Ifla.IFNAME) ?? new Uint8Array()),
    mtu: mtu === undefined ? 0 : new DataView(mtu.buffer, mtu.byteOffset).getUint32(0, true),
    address: (found.get(Ifla.ADDRESS) ?? new Uint8Array()).slice(),
    isUp: (flags & IFF_UP) !== 0,
    hasCarrier: (flags & 0x40) !== 0,
    kind: kind === undefined ? '' : string(kind),
  };
}

/** The device of that name in a namespace, or undefined. */
export function findKernelLink(namespace: NamespaceFd, name: string): KernelLink | undefined {
  try {
    const replies = request(
      namespace,
      message(Rtm.GETLINK, Nlmsg.F_ACK, ifinfo(0), [attribute(Ifla.IFNAME, text(name))]),
    );
    return replies[0] === undefined ? undefined : readLink(replies[0].body);
  } catch (error) {
    const ENODEV = 19;
    if (error instanceof NetlinkError && error.errno === ENODEV) return undefined;
    throw error;
  }
}

/** Changes a device; all of it is one message, but the kernel applies it attribute by attribute. */
export function changeKernelLink(namespace: NamespaceFd, index: number, changes: LinkChanges): void {
  const list: Uint8Array[] = [];
  if (changes.netns !== undefined) list.push(attribute(Ifla.NET_NS_FD, word(changes.netns)));
  if (changes.name !== undefined) list.push(attribute(Ifla.IFNAME, text(changes.name)));
  if (changes.address !== undefined) list.push(attribute(Ifla.ADDRESS, changes.address));
  if (changes.mtu !== undefined) list.push(attribute(Ifla.MTU, word(changes.mtu)));
  if (changes.master !== undefined) list.push(attribute(Ifla.MASTER, word(changes.master)));
  const isChanged = changes.isUp === undefined ? 0 : IFF_UP;
  const header = ifinfo(index, changes.isUp === true ? IFF_UP : 0, isChanged);
  request(namespace, message(Rtm.NEWLINK, Nlmsg.F_ACK, header, list));
}

function concatenate(parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Makes a device of a kind ("bridge", "veth"); `data`: what is particular to the kind. */
function createKernelLink(namespace: NamespaceFd, name: string, kind: string, data: Uint8Array[] = []): void {
  const info = [attribute(Ifla.INFO_KIND, text(kind))];
  if (data.length > 0) info.push(attribute(Ifla.INFO_DATA, concatenate(data)));
  const list = [attribute(Ifla.IFNAME, text(name)), attribute(Ifla.LINKINFO, concatenate(info))];
  request(namespace, message(Rtm.NEWLINK, Nlmsg.F_ACK | Nlmsg.F_CREATE_EXCL, ifinfo(0), list));
}

/** A bridge of the kernel's own: what ours is compared with. */
export function addKernelBridge(namespace: NamespaceFd, name: string): void {
  createKernelLink(namespace, name, 'bridge');
}

/** A veth pair: `name` in a namespace, its other end `peer` in another. Both down. */
export function addKernelVeth(
  namespace: NamespaceFd,
  name: string,
  peer: { name: string; netns: number; address?: Uint8Array },
): void {
  const list = [attribute(Ifla.IFNAME, text(peer.name)), attribute(Ifla.NET_NS_FD, word(peer.netns))];
  if (peer.address !== undefined) list.push(attribute(Ifla.ADDRESS, peer.address));
  createKernelLink(namespace, name, 'veth', [attribute(Ifla.VETH_PEER, concatenate([ifinfo(0), ...list]))]);
}

export function deleteKernelLink(namespace: NamespaceFd, index: number): void {
  request(namespace, message(Rtm.DELLINK, Nlmsg.F_ACK, ifinfo(index), []));
}

/** Adds an address (4 or 16 bytes) with its prefix length. */
export function addKernelAddress(namespace: NamespaceFd, index: number, address: Uint8Array, prefix: number): void {
  const AF_INET = 2;
  const AF_INET6 = 10;
  const header = new Uint8Array(IFADDR);
  header[0] = address.length === 4 ? AF_INET : AF_INET6;
  header[1] = prefix;
  new DataView(header.buffer).setUint32(4, index, true);
  const IFA_LOCAL = 2;
  const IFA_ADDRESS = 1;
  const list = [attribute(IFA_LOCAL, address), attribute(IFA_ADDRESS, address)];
  if (address.length === 4 && prefix < 31) list.push(attribute(4, broadcastOf(address, prefix)));
  request(namespace, message(Rtm.NEWADDR, Nlmsg.F_ACK | Nlmsg.F_CREATE_EXCL, header, list));
}

function broadcastOf(address: Uint8Array, prefix: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  for (let i = 0; i < 4; i++) view.setUint8(i, address[i]);
  view.setUint32(0, (view.getUint32(0) | (0xffffffff >>> prefix)) >>> 0);
  return new Uint8Array(view.buffer);
}

/** Whether a device has an address of the kernel's own stack, IPv6 link-local ones included. */
export function hasKernelAddress(namespace: NamespaceFd, index: number): boolean {
  const replies = request(namespace, message(Rtm.GETADDR, Nlmsg.F_DUMP, new Uint8Array(IFADDR), []));
  return replies.some(({ body }) => new DataView(body.buffer, body.byteOffset).getUint32(4, true) === index);
}

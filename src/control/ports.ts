/*
 * Ports: opens what is behind a link whose other end is outside (a TAP, a packet socket, a capture file, memory), and hands it
 * to the engine.
 */
import { openPacket, type PacketDevice } from '../io/packet.js';
import { PortKind, shim } from '../io/shim.js';
import { openTap, type TapDevice, type TapSpec } from '../io/tap.js';
import type { AddLink, TapPeer } from './api/link.js';
import type { EngineThread } from './engine-thread.js';
import type { Link, PortDevice } from './link.js';
import { addressOf, checkMtu, checkName, macOf, refuse } from './link-checks.js';

const MAX_QUEUES = 256;

export class Ports {
  constructor(private readonly engine: EngineThread) {}

  /** Opens a port for a link that has none. Leaves nothing behind when it fails. Returns warnings. */
  async open(link: Link, request: AddLink): Promise<string[]> {
    switch (link.kind) {
      case 'memory':
        await this.engine.call('addMemory', link.number, link.mtu);
        link.hasCarrier = true;
        return [];
      case 'pcap':
        return this.openPcap(link, request);
      case 'tap':
        return this.openTap(link, request);
      default:
        return this.openPacket(link, request);
    }
  }

  /** A TAP that is not persistent goes with its last descriptor. */
  close(link: Link): void {
    const { device } = link;
    if (device === undefined) return;
    if (link.kind === 'tap' && device.isPersistent) shim.tapCarrier(device.fds[0], false);
    for (const fd of device.fds) shim.close(fd);
    delete link.device;
  }

  private async openPcap(link: Link, request: AddLink): Promise<string[]> {
    const { read, write } = request.pcap ?? {};
    const problem = await this.engine.call('addPcap', link.number, link.mtu, link.name, read, write);
    if (problem !== undefined) refuse(problem.errno, problem.message);
    link.pcap = { ...(read === undefined ? {} : { read }), ...(write === undefined ? {} : { write }) };
    link.hasCarrier = true;
    return [];
  }

  private async openTap(link: Link, request: AddLink): Promise<string[]> {
    const spec = this.tapSpec(link, request);
    const tap: TapDevice = openTap(spec);
    shim.tapCarrier(tap.fds[0], false);
    link.device = {
      fds: tap.fds,
      queues: tap.fds.length,
      hasOffload: spec.hasOffload,
      isPersistent: spec.isPersistent || tap.isAttached,
      isAttached: tap.isAttached,
      dev: spec.name,
      ...(spec.netns === undefined ? {} : { netns: spec.netns }),
    };
    const { queues, hasOffload, isPersistent, name, mtu } = spec;
    link.tap = { queues, gso: hasOffload, persist: isPersistent, peer: { ...this.peerOf(request), name, mtu } };
    await this.addNative(link, PortKind.TAP, true);
    return [];
  }

  /** The kernel's end: without words of its own it is as the link. */
  private peerOf(request: AddLink): TapPeer {
    return request.tap?.peer ?? { up: request.up ?? false };
  }

  private tapSpec(link: Link, request: AddLink): TapSpec {
    const { queues = 1, gso = true, persist = false } = request.tap ?? {};
    const at = this.peerOf(request);
    const name = at.name ?? link.name;
    checkName(name);
    if (queues < 1 || queues > MAX_QUEUES) {
      refuse('EINVAL', `cannot add link "${link.name}": ${queues} queues are not possible; use 1 to ${MAX_QUEUES}`);
    }
    if (persist && at.netns !== undefined) {
      refuse(
        'EINVAL',
        `cannot add link "${link.name}": a persistent device in another namespace could not be attached to again; leave out netns or persist`,
      );
    }
    const mtu = at.mtu ?? link.mtu;
    checkMtu(name, 'tap', mtu);
    return {
      name,
      queues,
      hasOffload: gso,
      isPersistent: persist,
      mtu,
      isUp: at.up ?? false,
      addresses: (at.addresses ?? []).map((text) => addressOf(name, text)),
      ...(at.netns === undefined ? {} : { netns: at.netns }),
      ...(at.address === undefined ? {} : { address: macOf(name, at.address) }),
    };
  }

  private async openPacket(link: Link, request: AddLink): Promise<string[]> {
    const { dev, netns } =
      request.packet ??
      refuse('EINVAL', `cannot add link "${link.name}": no device is named; write "type packet dev DEV"`);
    const opened: PacketDevice = openPacket(dev, netns);
    link.hasCarrier = opened.device.isUp && opened.device.hasCarrier;
    if (request.mtu === undefined) link.mtu = opened.device.mtu;
    link.device = {
      fds: Int32Array.of(opened.fd),
      queues: 1,
      hasOffload: opened.hasVnet,
      isPersistent: true,
      isAttached: true,
      dev,
      ...(netns === undefined ? {} : { netns }),
    };
    link.packet = { dev, ...(netns === undefined ? {} : { netns }) };
    await this.addNative(link, PortKind.PACKET, opened.hasVnet);
    return opened.warnings;
  }

  private async addNative(link: Link, kind: PortKind, hasVnet: boolean): Promise<void> {
    const device = link.device as PortDevice;
    try {
      await this.engine.transact([
        ['addNative', link.number, link.mtu, kind, [...device.fds], hasVnet, device.hasOffload],
        ['setCarrier', link.number, link.hasCarrier],
      ]);
    } catch (error) {
      for (const fd of device.fds) shim.close(fd);
      throw error;
    }
  }
}

/*
 * The peer: the kernel's own bridge, in a namespace of its own, with a veth pair to each host.
 *
 *   a: eth0 ─ veth ─ p1 ┐
 *                       ├ br0 of the kernel
 *   b: eth0 ─ veth ─ p2 ┘
 */
import { errnoText } from '../io/errno.js';
import { withNamespace } from '../io/namespace.js';
import {
  addKernelAddress,
  addKernelBridge,
  addKernelVeth,
  changeKernelLink,
  findKernelLink,
  NetlinkError,
} from '../io/rtnetlink.js';
import { type NamespaceFd, shim } from '../io/shim.js';
import { parseAddress, parseMac } from '../wire/format.js';
import { DemoFailure } from './failure.js';
import type { Host } from './hosts.js';
import { PREFIX4 } from './hosts.js';

const BRIDGE = 'br0';
const EMPTY = new Uint8Array();

export class KernelBridge {
  /** Held by this descriptor alone. */
  private readonly namespace: NamespaceFd;

  constructor() {
    this.namespace = shim.newNamespace();
    if (this.namespace < 0) {
      throw new DemoFailure('make', 'a network namespace', errnoText(this.namespace), 'it needs CAP_SYS_ADMIN');
    }
    this.carryOut(() => addKernelBridge(this.namespace, BRIDGE));
    this.change(this.namespace, BRIDGE, { isUp: true });
  }

  private carryOut(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      const hint = 'this kernel may lack bridge or veth devices';
      throw new DemoFailure('build', "the kernel's bridge", error.extack ?? errnoText(error.errno), hint);
    }
  }

  private change(namespace: NamespaceFd, name: string, changes: Parameters<typeof changeKernelLink>[2]): number {
    const index = findKernelLink(namespace, name)?.index ?? 0;
    this.carryOut(() => changeKernelLink(namespace, index, changes));
    return index;
  }

  /** Gives a host an eth0 whose other end is a port of the bridge. `netns`: the host's namespace. */
  connect(host: Host, netns: string): void {
    withNamespace(netns, (theirs) => {
      const peer = { name: 'eth0', netns: theirs, address: parseMac(host.mac) ?? EMPTY };
      this.carryOut(() => addKernelVeth(this.namespace, host.port, peer));
      const bridge = findKernelLink(this.namespace, BRIDGE);
      this.change(this.namespace, host.port, { master: bridge?.index ?? 0, isUp: true });
      const index = this.change(theirs, 'eth0', { isUp: true });
      this.carryOut(() => addKernelAddress(theirs, index, parseAddress(host.ipv4) ?? EMPTY, PREFIX4));
    });
  }

  close(): void {
    shim.close(this.namespace);
  }
}

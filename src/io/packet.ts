/*
 * AF_PACKET ports: frames of an existing device of the kernel.
 *
 * If that device has an address or IPv6 enabled, the kernel's own stack answers to the same frames; `warnings` says so and
 * names what stops it.
 */
import { SluiceError } from '../core/errors.js';
import { errnoName, errnoText } from './errno.js';
import { withNamespace } from './namespace.js';
import { changeKernelLink, findKernelLink, hasKernelAddress, type KernelLink } from './rtnetlink.js';
import { type NamespaceFd, shim } from './shim.js';

export interface PacketDevice {
  fd: number;
  device: KernelLink;
  /** The socket carries virtio headers: superframes and partial checksums survive. */
  hasVnet: boolean;
  warnings: string[];
}

/** Opens a device in a kernel namespace (undefined: the daemon's own). */
export function openPacket(dev: string, netns: string | undefined): PacketDevice {
  return withNamespace(netns, (namespace) => {
    const device = findKernelLink(namespace, dev);
    if (device === undefined) {
      const where = netns === undefined ? '' : ` in namespace "${netns}"`;
      throw new SluiceError('ENODEV', `cannot open device "${dev}": there is none${where}; "ip link" shows the names`);
    }
    const fd = shim.packetOpen(namespace, device.index);
    if (fd < 0) {
      const hint = errnoName(fd) === 'EPERM' ? 'it needs CAP_NET_RAW: run as root' : 'see "sluice doctor"';
      throw new SluiceError(errnoName(fd), `cannot open device "${dev}": ${errnoText(fd)}; ${hint}`);
    }
    return { fd, device, hasVnet: shim.packetHasVnet(fd) === 1, warnings: warningsOf(dev, netns, namespace, device) };
  });
}

/** What else answers on a device, if it is still there. */
export function packetWarnings(dev: string, netns: string | undefined): string[] {
  try {
    return withNamespace(netns, (namespace) => {
      const device = findKernelLink(namespace, dev);
      return device === undefined ? [] : warningsOf(dev, netns, namespace, device);
    });
  } catch {
    // The namespace is gone, and what answered in it.
    return [];
  }
}

function warningsOf(dev: string, netns: string | undefined, namespace: NamespaceFd, device: KernelLink): string[] {
  if (!hasKernelAddress(namespace, device.index)) return [];
  const prefix = netns === undefined ? '' : `ip netns exec ${netns} `;
  return [
    `the kernel's own stack has an address on "${dev}" and answers to the same frames; stop it with: ` +
      `${prefix}ip addr flush dev ${dev}; ${prefix}sysctl -w net.ipv6.conf.${dev}.disable_ipv6=1`,
  ];
}

/** Sets a device up; answers whether it has a carrier. */
export function raiseDevice(dev: string, netns: string | undefined): boolean {
  return withNamespace(netns, (namespace) => {
    const device = findKernelLink(namespace, dev);
    if (device === undefined) return false;
    if (!device.isUp) changeKernelLink(namespace, device.index, { isUp: true });
    return findKernelLink(namespace, dev)?.hasCarrier ?? false;
  });
}

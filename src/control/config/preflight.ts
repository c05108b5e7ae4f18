/*
 * What can be known to fail before anything is touched: namespaces, devices and files that are not there, names that are taken.
 * What it cannot see (privilege, a device held by another process) fails later and is put back (apply.ts).
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Request } from '../api/request.js';
import { kernelEnd } from './checks.js';
import { type Config, keyFrom, keyOf, type LinkConfig, linkPath } from './model.js';
import type { Planned } from './plan.js';
import type { Path } from './source.js';

/** What the machine has. */
export interface Machine {
  hasNamespace(name: string): boolean;
  /** Kind of a kernel device ('tun', 'veth', '' …); undefined if there is none. */
  deviceKind(dev: string, netns: string | undefined): string | undefined;
  canRead(file: string): boolean;
  canWrite(file: string): boolean;
}

export type Report = (path: Path, text: string) => void;

function can(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** This machine. The native parts are loaded only now: reading a configuration does not need them. */
export async function thisMachine(): Promise<Machine> {
  const { namespacePath, withNamespace } = await import('../../io/namespace.js');
  const { findKernelLink } = await import('../../io/rtnetlink.js');
  return {
    hasNamespace: (name) => existsSync(namespacePath(name)),
    deviceKind: (dev, netns) => withNamespace(netns, (space) => findKernelLink(space, dev)?.kind),
    canRead: (file) => can(file, constants.R_OK),
    canWrite: (file) => can(existsSync(file) ? file : dirname(file), constants.W_OK),
  };
}

/** The link that a request is about. */
function keysOf(request: Planned): string[] {
  return 'name' in request && request.name !== undefined ? [keyFrom(request.ns, request.name)] : [];
}

class Preflight {
  /** Kernel's ends that the plan itself takes away, and brings. */
  private readonly freed: Set<string>;
  private readonly made: Set<string>;

  constructor(
    private readonly machine: Machine,
    private readonly report: Report,
    plan: Planned[],
    target: Config,
    current: Config,
  ) {
    const ends = (config: Config, op: Request['op']): Set<string> => {
      const keys = new Set(plan.flatMap((request) => (request.op === op ? keysOf(request) : [])));
      return new Set(config.links.filter((link) => link.kind === 'tap' && keys.has(keyOf(link))).map(kernelEnd));
    };
    this.freed = ends(current, 'link.del');
    this.made = ends(target, 'link.add');
  }

  check(link: LinkConfig): void {
    if (link.kind === 'tap') this.checkTap(link);
    if (link.kind === 'packet') this.checkPacket(link);
    if (link.kind === 'pcap') this.checkPcap(link);
  }

  private hasNamespace(netns: string | undefined, path: Path): boolean {
    if (netns === undefined || this.machine.hasNamespace(netns)) return true;
    this.report(
      path,
      `there is no namespace "${netns}"; "ip netns list" shows the names, "ip netns add ${netns}" makes one`,
    );
    return false;
  }

  private checkTap(link: LinkConfig): void {
    const { name, tap } = link;
    const netns = tap?.peer?.netns;
    if (!this.hasNamespace(netns, [...linkPath(link), 'peer', 'netns']) || this.freed.has(kernelEnd(link))) return;
    const device = tap?.peer?.name ?? name;
    const kind = this.machine.deviceKind(device, netns);
    // In the daemon's own namespace an existing TAP is attached to.
    if (kind === undefined || (netns === undefined && kind === 'tun')) return;
    const where = netns === undefined ? '' : ` in namespace "${netns}"`;
    this.report(
      linkPath(link),
      `there is a kernel device "${device}"${where} already; choose another name for the kernel's end`,
    );
  }

  private checkPacket(link: LinkConfig): void {
    const { name, packet } = link;
    if (packet === undefined || !this.hasNamespace(packet.netns, [...linkPath(link), 'netns'])) return;
    const end = kernelEnd({
      name,
      kind: 'tap',
      tap: { peer: { name: packet.dev, ...(packet.netns === undefined ? {} : { netns: packet.netns }) } },
    });
    const isThere = !this.freed.has(end) && this.machine.deviceKind(packet.dev, packet.netns) !== undefined;
    if (isThere || this.made.has(end)) return;
    const where = packet.netns === undefined ? '' : ` in namespace "${packet.netns}"`;
    this.report([...linkPath(link), 'dev'], `there is no device "${packet.dev}"${where}; "ip link" shows the names`);
  }

  private checkPcap(link: LinkConfig): void {
    const { read, write } = link.pcap ?? {};
    if (read !== undefined && !this.machine.canRead(read))
      this.report([...linkPath(link), 'read'], `${read} cannot be read; check the path`);
    if (write !== undefined && !this.machine.canWrite(write))
      this.report([...linkPath(link), 'write'], `${write} cannot be written; check the path`);
  }
}

/** Reports what of a plan cannot work on this machine. */
export function preflight(machine: Machine, plan: Planned[], target: Config, current: Config, report: Report): void {
  const check = new Preflight(machine, report, plan, target, current);
  const added = new Set(plan.flatMap((request) => (request.op === 'link.add' ? keysOf(request) : [])));
  for (const link of target.links) if (added.has(keyOf(link))) check.check(link);
}

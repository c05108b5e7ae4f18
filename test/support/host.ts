/*
 * A host of a test network: a kernel network namespace of its own, named sl<pid>-<n>, with the real tools run inside.
 */
import { existsSync, readdirSync } from 'node:fs';
import { must, type Outcome, Program, run, wordsOf } from './program.js';

const FOLDER = '/run/netns';
let count = 0;

/** Of a link, the part of `ip -j -d link show` that tests look at. */
export interface KernelLink {
  ifname: string;
  flags: string[];
  mtu: number;
  operstate: string;
  address: string;
  master?: string;
}

export class Host {
  readonly name = `sl${process.pid}-${count++}`;

  /** Makes the namespace; its own loopback is up, as on a host. */
  static async make(): Promise<Host> {
    const host = new Host();
    await must(['ip', 'netns', 'add', host.name]);
    await host.ip('link set lo up');
    return host;
  }

  get path(): string {
    return `${FOLDER}/${this.name}`;
  }

  private inside(argv: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.name, ...argv];
  }

  /** Runs a line's words to their end. */
  run(line: string): Promise<Outcome> {
    return run(this.inside(wordsOf(line)));
  }

  /** The same, and it must work. */
  must(line: string): Promise<string> {
    return must(this.inside(wordsOf(line)));
  }

  start(argv: readonly string[]): Program {
    return new Program(this.inside(argv));
  }

  /** iproute2's `ip` in this namespace, several lines at once; all must work. */
  async ip(...lines: string[]): Promise<void> {
    await must(['ip', '-n', this.name, '-batch', '-'], lines.join('\n'));
  }

  async links(): Promise<KernelLink[]> {
    return JSON.parse(await must(['ip', '-n', this.name, '-j', 'link', 'show'])) as KernelLink[];
  }

  async link(name: string): Promise<KernelLink | undefined> {
    return (await this.links()).find(({ ifname }) => ifname === name);
  }

  /** A veth pair: `name` here, `peer` in another host. No address, IPv6 off, both up: only what tests send is on it. */
  async veth(name: string, other: Host, peer: string): Promise<void> {
    await this.ip(`link add ${name} type veth peer name ${peer} netns ${other.name}`);
    await this.silence(name);
    await other.silence(peer);
    await this.ip(`link set ${name} up`);
    await other.ip(`link set ${peer} up`);
  }

  /** The kernel's own stack says nothing of its own accord on a device. */
  async silence(device: string): Promise<void> {
    await this.must(`sysctl -qw net.ipv6.conf.${device}.disable_ipv6=1`);
  }

  /** IPv6 addresses can be used at once, without looking for others that have them; for devices made after this. */
  async skipDuplicateDetection(): Promise<void> {
    await this.must('sysctl -qw net.ipv6.conf.default.accept_dad=0');
  }

  async remove(): Promise<void> {
    if (existsSync(this.path)) await must(['ip', 'netns', 'delete', this.name]);
  }
}

/** Namespaces that test runs which are over have left, because they were killed. */
export function leftovers(): string[] {
  if (!existsSync(FOLDER)) return [];
  return readdirSync(FOLDER).filter((name) => {
    const pid = /^sl(\d+)-\d+$/.exec(name)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
}

/*
 * The kernel as the judge of test/support/neighbour-cases.ts: the cases that Sluice passes in memory, on a namespace's own stack.
 */
import { describe, expect, it } from 'vitest';
import { Host } from '../support/host.js';
import { R, S, text, X } from '../support/lan.js';
import { ARP_CASES, type Case, ND_CASES, type Step } from '../support/neighbour-cases.js';
import { must } from '../support/program.js';
import { lackingNamespaces, titled } from '../support/requirements.js';
import { Wires } from '../support/wires.js';

const missing = lackingNamespaces('python3');

const FOLDERS: Record<string, string> = {
  conf: 'net.ipv4.conf.e0',
  conf6: 'net.ipv6.conf.e0',
  neigh: 'net.ipv4.neigh.e0',
  neigh6: 'net.ipv6.neigh.e0',
};

interface KernelNeighbour {
  dst: string;
  lladdr?: string;
  router?: null;
  state?: string[];
}

/** The router of lan.ts as a namespace, its links' other ends in another one. */
class KernelRouter {
  private constructor(
    private readonly router: Host,
    private readonly outside: Host,
    private readonly wires: Wires,
  ) {}

  static async make(): Promise<KernelRouter> {
    const [router, outside] = [await Host.make(), await Host.make()];
    const links = ['e0', 'e1'];
    await router.must('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0');
    for (const [i, name] of links.entries()) {
      await router.ip(`link add ${name} address ${[R, S][i]} type veth peer name p${i} netns ${outside.name}`);
      await router.ip(
        `link set ${name} addrgenmode none`,
        `link set ${name} up`,
        `addr add 10.0.${i}.1/24 dev ${name}`,
      );
      await outside.silence(`p${i}`);
      await outside.ip(`link set p${i} up`);
      await router.ip(
        `addr add fe80::${i + 1}/64 dev ${name} nodad`,
        `addr add fd0${i}::1/64 dev ${name} nodad`,
        `neigh add 10.0.1.9 dev e${i} lladdr ${X}`,
      );
    }
    await router.ip('neigh del 10.0.1.9 dev e0', `neigh add fd01::9 dev e1 lladdr ${X}`);
    const wires = new Wires();
    await wires.open('e0', outside, 'p0');
    await wires.open('e1', outside, 'p1');
    return new KernelRouter(router, outside, wires);
  }

  async take(step: Step): Promise<void> {
    if ('frame' in step) {
      await this.wires.send(step.link, step.frame);
      await new Promise((done) => setTimeout(done, 20));
    } else if ('wait' in step) await new Promise((done) => setTimeout(done, step.wait));
    else if ('route' in step) await this.router.ip(`route add ${step.route} via ${step.via} dev e0`);
    else if ('proxy' in step) await this.router.ip(`neigh add proxy ${step.proxy} dev e0`);
    else if ('neighbour' in step) {
      await this.router.ip(`neigh add ${step.neighbour} dev e0 lladdr ${step.mac} nud ${step.state}`);
    } else for (const [key, value] of Object.entries(step.set)) await this.set(key, value);
  }

  private async set(key: string, value: number): Promise<void> {
    const [folder, name] = key.split('/');
    // Delays of proxies are in 1/100 s there.
    const number = name === 'proxy_delay' ? value / 10 : value;
    await this.router.must(`sysctl -qw ${FOLDERS[folder]}.${name}=${number}`);
  }

  /** Group memberships and the like are not neighbours' talk. */
  async out(): Promise<string[]> {
    const frames = await this.wires.drain('e0');
    return frames
      .filter((frame) => !(frame[12] === 0x86 && [0, 58].includes(frame[20]) && frame[54] !== 135 && frame[54] !== 136))
      .map(text);
  }

  async neighbour(address: string): Promise<string> {
    const list = JSON.parse(
      await must(['ip', '-n', this.router.name, '-j', 'neigh', 'show', 'nud', 'all', 'dev', 'e0']),
    ) as KernelNeighbour[];
    const found = list.find(({ dst }) => dst === address);
    if (found === undefined) return 'absent';
    return [found.state?.[0] ?? 'NONE', found.lladdr, 'router' in found ? 'router' : undefined]
      .filter(Boolean)
      .join(' ');
  }

  async end(): Promise<void> {
    await this.wires.end();
    await this.router.remove();
    await this.outside.remove();
  }
}

describe.skipIf(missing)(titled('the kernel agrees', missing), () => {
  function check(cases: Case[]): void {
    it.concurrent.each(cases.map((one) => [one.title, one] as const))('%s', async (_, { steps, out, known = {} }) => {
      const router = await KernelRouter.make();
      try {
        await router.out();
        for (const step of steps) await router.take(step);
        const heard = await router.out();
        const states: Record<string, string> = {};
        for (const [address, state] of Object.entries(known)) {
          states[address] = await router.neighbour(address);
          // Where all namespaces of the machine together have gc_thresh1 neighbours, those that failed are soon forgotten.
          if (state === 'FAILED' && states[address] === 'absent') states[address] = state;
        }
        expect({ out: heard, known: states }).toEqual({ out, known });
      } finally {
        await router.end();
      }
    });
  }

  describe('about ARP', () => check(ARP_CASES));

  describe('about neighbour discovery', () => check(ND_CASES));
});

/* What rules of iptables ask of the rest of the control plane: links by their names, conntrack only where it is needed, flows counted. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Family, Hook, TableId } from '../../src/netfilter/rule.js';
import { ANY_LINK } from '../../src/route/endpoints.js';
import { OneProcess } from '../support/one-process.js';
import { ip4, ip6, pattern, udp } from '../support/packets.js';

let world: OneProcess;

beforeEach(async () => {
  world = await OneProcess.start();
});

afterEach(() => world.close());

describe('rules of iptables', () => {
  it('have flows counted from the first -m connbytes on, as the kernel does', async () => {
    const acct = (): Promise<string> => world.run('sysctl -n net.netfilter.nf_conntrack_acct');
    expect(await acct()).toBe('0\n');
    await world.run('iptables -A FORWARD -m connbytes --connbytes 10: --connbytes-dir both --connbytes-mode packets');
    expect(await acct()).toBe('1\n');
  });

  it('have packets of their family tracked while one needs it', async () => {
    const { netfilter } = world.dataplane;
    expect(netfilter.isOn[0]).toBe(0);
    await world.run('ip6tables -A FORWARD -m conntrack --ctstate NEW -j ACCEPT');
    expect(netfilter.isOn[0]).toBe(2);
    await world.run('ip6tables -D FORWARD 1');
    await world.run('iptables -t nat -A POSTROUTING -o e0 -j MASQUERADE');
    expect(netfilter.isOn[0]).toBe(3);
  });

  it('end with their namespace, and those of the next one meet what they should', async () => {
    const { baseOf } = world.dataplane.netfilter.rules;
    const bases = (namespace: number): string[] => {
      const found: string[] = [];
      for (let table: number = TableId.RAW; table <= TableId.FILTER; table++) {
        for (let hook: number = 0; hook < Hook.COUNT; hook++) {
          if (baseOf.call(world.dataplane.netfilter.rules, namespace, Family.IPV4, table, hook) !== 0)
            found.push(`${table} ${hook}`);
        }
      }
      return found;
    };
    const rules = ['-t mangle -A POSTROUTING', '-t raw -A OUTPUT', '-t nat -A POSTROUTING', '-A INPUT'];
    await world.run('ip netns add x');
    for (const rule of rules) await world.run(`-n x iptables ${rule} -j ACCEPT`);
    await world.run('ip netns del x');
    expect(bases(1)).toEqual([]);
    await world.run('ip netns add x');
    await world.run('-n x iptables -A INPUT -s 10.0.0.1');
    await world.run('-n x iptables -P FORWARD DROP');
    expect(bases(1)).toEqual([`${TableId.FILTER} ${Hook.INPUT}`, `${TableId.FILTER} ${Hook.FORWARD}`]);
  });

  it('name sets of their own family only, or of none', async () => {
    await world.run(`
      ipset create four hash:ip
      ipset create six hash:ip family inet6
      ipset create ports bitmap:port range 0-10
      ipset create all list:set
      ipset add all six`);
    const refused = async (line: string, tool: string, set: string, family: string) =>
      await expect(world.run(line)).rejects.toThrow(
        `${tool} v1.8.9 (nf_tables): The protocol family of set ${set} is ${family}, which is not applicable.\n\n`,
      );
    await refused('iptables -A INPUT -m set --match-set six src', 'iptables', 'six', 'IPv6');
    await refused('ip6tables -A INPUT -m set ! --match-set four src', 'ip6tables', 'four', 'IPv4');
    await refused('iptables -A INPUT -j SET --add-set six src', 'iptables', 'six', 'IPv6');
    await refused('ip6tables -A INPUT -j SET --del-set four src', 'ip6tables', 'four', 'IPv4');
    await world.run(`
      iptables -A INPUT -m set --match-set four src -m set --match-set ports dst -m set --match-set all src
      ip6tables -A INPUT -m set --match-set six src -m set --match-set ports dst -m set --match-set all src`);
    expect(await world.run('iptables -S INPUT')).toMatch(
      /^-P INPUT ACCEPT\n-A INPUT -m set --match-set four src .*\n$/,
    );
    expect(await world.run('ip6tables -S INPUT')).toMatch(
      /^-P INPUT ACCEPT\n-A INPUT -m set --match-set six src .*\n$/,
    );
  });

  it('are told of by the help of what they are made of, however it is asked for', async () => {
    const help = await world.run('iptables -j REJECT -h');
    expect(help).toMatch(/^Target REJECT: .*\n.*--reject-with TYPE$/m);
    expect(await world.run('iptables -j REJECT --help')).toBe(help);
    expect(await world.run('ip6tables -m srh --help')).toContain('--srh-psid');
  });

  it('with a segment routing header are refused with the reason', async () => {
    await expect(world.run('ip6tables -A INPUT -m srh --srh-tag 3')).rejects.toThrow(
      'srh: segment routing headers are not looked into here',
    );
  });

  it('hold for links by their names, also of those that come later', async () => {
    await world.run(`
      iptables -A FORWARD -i eth0 -j DROP
      iptables -A FORWARD -i eth+ -j ACCEPT
      ip link add eth0 type dummy
      ip link add eth1 type dummy`);
    const { patterns } = world.dataplane.netfilter;
    const fits = (link: number): boolean[] => [1, 2].map((pattern) => patterns.has(pattern, link));
    const [eth0, eth1] = [2, 3];
    expect([fits(eth0), fits(eth1)]).toEqual([
      [true, true],
      [false, true],
    ]);
    await world.run('ip link set eth1 name wan');
    expect(fits(eth1)).toEqual([false, false]);
    await world.run('ip link del eth0');
    expect(fits(eth0)).toEqual([false, false]);
  });
});

describe('what rules share by its name', () => {
  const MAC = '00:00:00:00:00:00';

  /** A datagram in a namespace to itself. */
  function send(namespace: number, own = '127.0.0.1'): void {
    const payload = udp(own, own, 1000, 7, pattern(4));
    const ends = { to: MAC, from: MAC, source: own, destination: own };
    const frame = own.includes(':')
      ? ip6({ ...ends, nextHeader: 17, payload })
      : ip4({ ...ends, protocol: 17, payload });
    world.dataplane.inet.endpoints.send(namespace, frame.subarray(14), ANY_LINK, false, world.now);
    while (!world.dataplane.flush(world.now));
  }

  /** Packets that rules of OUTPUT have counted. */
  async function counted(words = 'iptables'): Promise<number[]> {
    const text = await world.run(`${words.replace(/tables$/, 'tables-save')} -c`);
    return [...text.matchAll(/^\[(\d+):\d+\] -A OUTPUT/gm)].map(([, packets]) => Number(packets));
  }

  const limit = (rate: string): string => `-p udp -m hashlimit --hashlimit-upto ${rate} --hashlimit-name h`;

  beforeEach(() =>
    world.run(`
      ip link set lo up
      ip netns add x
      -n x ip link set lo up`),
  );

  it('a table of hashlimit ends with its last rule, and one of the same name begins anew', async () => {
    const { hashlimit } = world.dataplane.netfilter.matches;
    await world.run(`iptables -A OUTPUT ${limit('1/hour --hashlimit-burst 1')}`);
    for (let i = 0; i < 3; i++) send(0);
    expect([await counted(), hashlimit.size(1)]).toEqual([[1], 1]);
    await world.run('iptables -D OUTPUT 1');
    expect(hashlimit.size(1)).toBe(0);
    await world.run(`iptables -A OUTPUT ${limit('1000/s --hashlimit-burst 50')}`);
    for (let i = 0; i < 3; i++) send(0);
    expect(await counted()).toEqual([3]);
  });

  it('it stays for a rule that replaces the last one, and for another that still names it', async () => {
    await world.run(`iptables -A OUTPUT ${limit('1/hour --hashlimit-burst 1')}`);
    send(0);
    await world.run(`iptables -R OUTPUT 1 ${limit('1000/s --hashlimit-burst 50')}`);
    send(0);
    expect(await counted()).toEqual([0]);
    await world.run(`
      iptables -A OUTPUT ${limit('1000/s --hashlimit-burst 50')}
      iptables -D OUTPUT 1`);
    send(0);
    expect(await counted()).toEqual([0]);
    await world.run('iptables -F OUTPUT');
    expect(world.dataplane.netfilter.matches.hashlimit.size(1)).toBe(0);
  });

  it('a change that is taken back leaves it as it was', async () => {
    const { hashlimit } = world.dataplane.netfilter.matches;
    await world.run(`iptables -A OUTPUT ${limit('1/hour --hashlimit-burst 1')}`);
    send(0);
    const failing = `iptables -A OUTPUT ${limit('1/hour')} -m set --match-set none src`;
    await expect(world.run(failing)).rejects.toThrow(/none/);
    expect(hashlimit.size(1)).toBe(1);
    // Nor is anything left of a name that only such a change had.
    await expect(world.run(failing.replace('-name h', '-name other'))).rejects.toThrow(/none/);
    await world.run(`
      iptables -F OUTPUT
      iptables -A OUTPUT ${limit('1/hour').replace('-name h', '-name third')}`);
    send(0);
    expect([hashlimit.size(1), hashlimit.size(2), hashlimit.size(3)].filter((size) => size > 0)).toEqual([1]);
  });

  it('each namespace and family has its own tables of hashlimit', async () => {
    const words = ['iptables', 'ip6tables', '-n x iptables'];
    for (const each of words) await world.run(`${each} -A OUTPUT ${limit('1/hour --hashlimit-burst 1')}`);
    for (const [namespace, own] of [
      [0, '127.0.0.1'],
      [0, '::1'],
      [1, '127.0.0.1'],
    ] as const) {
      send(namespace, own);
      send(namespace, own);
    }
    for (const each of words) expect([each, await counted(each)]).toEqual([each, [1]]);
  });

  it('each namespace has its own lists of -m recent, which IPv4 and IPv6 share', async () => {
    const { recent } = world.dataplane.netfilter.matches;
    await world.run(`
      iptables -A OUTPUT -m recent --set
      ip6tables -A OUTPUT -m recent --set
      -n x iptables -A OUTPUT -m recent --rcheck`);
    send(0);
    send(0, '::1');
    send(1);
    expect(recent.entries(1).map(({ family }) => family)).toEqual([0, 1]);
    expect([await counted('-n x iptables'), recent.entries(2)]).toEqual([[0], []]);
    await world.run('iptables -F OUTPUT');
    expect(recent.entries(1).length).toBe(2);
    await world.run('ip6tables -F OUTPUT');
    expect(recent.entries(1)).toEqual([]);
  });

  it('ends with its namespace', async () => {
    const { recent, hashlimit } = world.dataplane.netfilter.matches;
    await world.run(`
      -n x iptables -A OUTPUT -m recent --set
      -n x iptables -A OUTPUT ${limit('1/hour')}`);
    send(1);
    expect([recent.entries(1).length, hashlimit.size(1)]).toEqual([1, 1]);
    await world.run('ip netns del x');
    // The rules go after what is under way.
    await world.run('iptables -S');
    expect([recent.entries(1).length, hashlimit.size(1)]).toEqual([0, 0]);
  });

  it('ends when a restored text does not name it any more', async () => {
    const { hashlimit } = world.dataplane.netfilter.matches;
    const restore = (rules: string): Promise<unknown> =>
      world.handler.handle({
        op: 'iptables.run',
        tool: 'iptables-restore',
        words: [],
        text: `*filter\n${rules}COMMIT\n`,
      });
    await restore(`-A OUTPUT ${limit('1/hour')}\n`);
    send(0);
    await restore(`-A OUTPUT ${limit('1/hour')}\n`);
    expect(hashlimit.size(1)).toBe(1);
    await restore('');
    expect(hashlimit.size(1)).toBe(0);
  });
});

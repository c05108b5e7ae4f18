/*
 * Wrong commands about addresses, neighbours, namespaces and the monitor: the real tool's first line
 * and exit status, then one line of ours. `=> ERRNO [extack]` is what the daemon answers where the
 * kernel refuses.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiError } from '../../src/control/api/answer.js';
import type { LinkInfo } from '../../src/control/api/link.js';
import { FakeDaemon, type Received, refusal } from './fake-daemon.js';
import { Namespace, unavailable } from './kernel.js';
import { sluice, words } from './run.js';

const reason = unavailable('iproute2');

const LINES = `
ip -f nosuch addr
ip -f
ip -l
ip addr foo
ip addr help
ip addr add
ip addr add help
ip addr add 10.0.0.1/24
ip addr add 10.0.0.1/33 dev v1
ip addr add 10.0.0.256/24 dev v1
ip addr add 10.0.0.1.2/24 dev v1
ip addr add fd00:::1/64 dev v1
ip addr add fd00::1/129 dev v1
ip addr add x dev v1
ip addr add 10.0.0.1/24 dev nosuch
ip addr add dev v1
ip -4 addr add dev v1
ip -6 addr add dev v1
ip addr add default dev v1
ip addr add 10.0.0.1/24 dev
ip addr add 10.0.0.9/24 brd x dev v1
ip addr add 10.0.0.9/24 brd fd00::1 dev v1
ip addr add 10.0.0.9/24 brd
ip addr add 10.0.0.9/24 brd + brd - dev v1
ip addr add fd00::1/64 brd + dev v1
ip addr add 10.0.0.9/24 scope foo dev v1
ip addr add 10.0.0.9/24 scope 256 dev v1
ip addr add 10.0.0.9/24 dev v1 valid_lft 0
ip addr add 10.0.0.9/24 dev v1 valid_lft 10
ip addr add 10.0.0.9/24 dev v1 valid_lft x
ip addr add 10.0.0.9/24 dev v1 valid_lft 10 valid_lft 11
ip addr add 10.0.0.9/24 dev v1 preferred_lft -1
ip addr add 10.0.0.9/24 dev v1 metric x
ip addr add 10.0.0.9/24 dev v1 foo
ip addr add 10.0.0.9/24 dev v1 10.0.0.8
ip addr add 10.0.0.9 peer 10.0.0.8 peer 10.0.0.7 dev v1
ip addr add 10.0.0.9 peer fd00::1 dev v1
ip addr add 10.0.0.9/24 dev v1 autojoin
ip addr add 10.0.0.1/24 dev v1 => EEXIST ipv4: Address already assigned
ip addr add 10.0.0.1/24 nodad dev v1 => EEXIST ipv4: Address already assigned
ip addr add secondary dev
ip addr add 2001:db8::1/64 dev v1 => EEXIST ipv6: address already assigned
ip addr add ::1/128 dev v1 => EADDRNOTAVAIL ipv6: Cannot assign loopback address on this device
ip -6 addr add 10.0.0.9/24 dev v1
ip -4 addr add fd00::1/64 dev v1
ip -0 addr add 10.0.0.9/24 dev v1
ip addr del 10.0.0.77/24 dev v1 => EADDRNOTAVAIL ipv4: Address not found
ip addr del 10.0.0.77 dev v1 => EADDRNOTAVAIL ipv4: Address not found
ip addr del 10.0.0.1/24
ip addr del 10.0.0.1/24 dev nosuch
ip addr del fd00::99/64 dev v1 => EADDRNOTAVAIL ipv6: address not found
ip addr flush
ip -0 addr flush dev v1
ip addr flush dev nosuch
ip addr flush to x
ip addr flush scope
ip addr show dev nosuch
ip addr show nosuch
ip addr show nosuch foo
ip addr show help
ip addr show to x
ip addr show to
ip -6 addr show to 10.0.0.0/8
ip -0 addr show to 10.0.0.0/8
ip addr show scope x
ip addr show group nosuch
ip addr show master nosuch
ip addr show vrf x
ip addr show label
ip addr show v1 v0
ip neigh foo
ip neigh help
ip neigh add
ip neigh add help
ip neigh add help x
ip neigh add 10.0.0.50
ip neigh add dev v1
ip neigh add any dev v1
ip neigh add x dev v1
ip neigh add 10.0.0.50 dev v1 => EINVAL No link layer address given
ip neigh add 10.0.0.50 dev v1 lladdr 02:00
ip neigh add 10.0.0.50 dev v1 lladdr x
ip neigh add 10.0.0.50 dev v1 lladdr
ip neigh add 10.0.0.50 dev v1 lladdr 2:0:0:0:0:1 lladdr 2:0:0:0:0:2
ip neigh add 10.0.0.50 dev nosuch lladdr 2:0:0:0:0:1
ip neigh add 10.0.0.2 dev v1 lladdr 2:0:0:0:0:1 => EEXIST
ip neigh add 10.0.0.50 10.0.0.51 dev v1
ip neigh add 10.0.0.50 dev v1 nud foo
ip neigh add 10.0.0.50 dev v1 nud 3
ip neigh add 10.0.0.50 dev v1 nud 256
ip neigh add 10.0.0.50 dev v1 protocol foo
ip neigh add proxy 10.0.0.50 proxy 10.0.0.51 dev v1
ip neigh add proxy help
ip -6 neigh add 10.0.0.50 dev v1
ip neigh append 10.0.0.50 dev v1 lladdr 2:0:0:0:0:1
ip neigh change 10.0.0.51 dev v1 lladdr 2:0:0:0:0:1 => ENOENT
ip neigh del 10.0.0.51 dev v1 => ENOENT
ip neigh del proxy 10.0.0.62 dev v1 => ENOENT
ip neigh get
ip neigh get 10.0.0.52
ip neigh get dev v1
ip neigh get 10.0.0.52 dev v1
ip neigh get 10.0.0.52 dev nosuch
ip neigh get proxy 10.0.0.65 dev v1
ip neigh get x dev v1
ip neigh get 10.0.0.1 10.0.0.2 dev v1
ip neigh flush
ip neigh flush dev nosuch
ip neigh flush nud foo
ip neigh show dev nosuch
ip neigh show dev v1 dev v0
ip neigh show foo
ip neigh show to x
ip neigh show nud foo
ip neigh show nud
ip neigh show master nosuch
ip neigh show vrf x
ip neigh show protocol foo
ip neigh show help
ip -6 neigh show to 10.0.0.0/8
ip netns foo
ip netns help
ip netns add
ip netns add a/b
ip netns add .
ip netns add
ip netns del
ip netns del nosuch-sluice
ip netns exec
ip netns exec nosuch-sluice
ip netns exec nosuch-sluice ip link
ip netns exec nosuch-sluice ip link show foo bar
ip netns exec nosuch-sluice ip -z
ip netns list-id foo
ip netns list-id nsid x
ip netns list-id nsid -1
ip netns list-id nsid 555555
ip -n nosuch-sluice addr
ip -n nosuch-sluice addr show dev nosuch
ip -n nosuch-sluice neigh flush all
ip -n nosuch-sluice netns
ip -n nosuch-sluice -b /dev/null
bridge -n nosuch-sluice link
ip monitor foo
ip monitor help
ip monitor dev
ip monitor dev nosuch
`;

interface Case {
  line: string;
  refused?: ApiError;
}

function parseCase(text: string): Case {
  const [line, answer] = text.split(' => ');
  if (answer === undefined) return { line };
  const [errno, ...extack] = answer.split(' ');
  const refused: ApiError = { errno, message: 'cannot VERB OBJECT: CAUSE; HINT' };
  if (extack.length > 0) refused.extack = extack.join(' ');
  return { line, refused };
}

const CASES = LINES.trim().split('\n').map(parseCase);

describe.skipIf(reason !== '')(`wrong commands, beside the real tool${reason === '' ? '' : ` (${reason})`}`, () => {
  let kernel: Namespace;
  let daemon: FakeDaemon;
  let links: LinkInfo[];

  beforeAll(async () => {
    kernel = new Namespace();
    kernel.set(
      'ip link add v0 type veth peer name v1',
      'ip link set v1 up',
      'ip addr add 10.0.0.1/24 dev v1',
      'ip addr add 2001:db8::1/64 dev v1',
      'ip neigh add 10.0.0.2 dev v1 lladdr 02:00:00:00:00:02',
    );
    links = kernel.json<LinkInfo[]>('ip -j -d -s -s link show');
    daemon = await FakeDaemon.start(() => ({}));
  });

  afterAll(() => {
    daemon?.stop();
    kernel?.remove();
  });

  function answer(request: Received, refused: ApiError | undefined): unknown {
    if (request.ns !== undefined)
      return refusal('ENOENT', `cannot do it: there is no namespace "${request.ns}"; see it`);
    if (request.op === 'netns.list') return [];
    const name = 'dev' in request ? request.dev : 'name' in request ? request.name : undefined;
    if (request.op === 'netns.del') return refusal('ENOENT', `cannot delete ${name}: it is not there; see it`);
    const chosen = links.filter(({ ifname }) => (name ?? ifname) === ifname);
    if (chosen.length === 0) return refusal('ENODEV', `cannot do it: there is no link "${name}"; see "sluice ip link"`);
    if (request.op === 'link.list') return chosen;
    if (request.op === 'addr.list') return chosen.map((link) => ({ link, addresses: [] }));
    if (request.op === 'neigh.list') return [];
    return refused === undefined ? {} : { error: refused };
  }

  it.each(CASES)('$line', async ({ line, refused }) => {
    daemon.answerWith((request) => answer(request, refused));
    const real = kernel.run(line);
    const ours = await sluice(words(line), daemon.socket);
    const lines = ours.err.trimEnd().split('\n');
    const shown = real.err === '' ? real.out : real.err;
    expect(lines[0]).toBe(shown.split('\n')[0]);
    expect(ours.status).toBe(real.status);
    expect(ours.status).not.toBe(0);
    expect(lines.at(-1)).toMatch(/^cannot [^:]+(:[^ ][^:]*)*: .+; .+$/);
    // Ahead of ours stands what the real tool says, whole: but for usages, one line, or the lines of a warning.
    expect(lines.slice(0, -1)).toEqual(
      shown
        .trimEnd()
        .split('\n')
        .slice(0, lines.length - 1),
    );
  });
});

describe('a warning', () => {
  it('goes to stderr, and the command is carried out', async () => {
    const daemon = await FakeDaemon.start(() => ({}));
    const outcome = await sluice(words('ip addr add 10.0.0.1/24 nodad secondary dev v1'), daemon.socket);
    expect(outcome).toEqual({
      status: 0,
      out: '',
      err:
        'Warning: nodad option can be set only for IPv6 addresses\n' +
        'Warning: secondary option is not mutable from userspace\n',
    });
    expect(daemon.requests).toEqual([{ op: 'addr.add', dev: 'v1', local: '10.0.0.1/24' }]);
    daemon.stop();
  });
});

describe('what no address, neighbour or namespace of Sluice has', () => {
  it.each([
    'ip addr add 10.0.0.1/24 anycast 10.0.0.2 dev v1',
    'ip addr add 224.0.0.9/24 autojoin dev v1',
    'ip addr add 2001:db8::1/64 optimistic dev v1',
    'ip addr add 2001:db8::1/64 mngtmpaddr dev v1',
    'ip addr flush dev v1 up',
    'ip addr flush master br0',
    'ip neigh add 10.0.0.1 dev v1 managed',
    'ip neigh add 10.0.0.1 dev v1 lladdr 2:0:0:0:0:1 protocol static',
    'ip neigh add 10.0.0.1 dev v1 lladdr 2:0:0:0:0:1:7',
    'ip neigh add proxy 10.0.0.1',
    'ip netns attach red 1',
    'ip netns identify 1',
    'ip netns pids red',
    'ip netns set red 1',
    'ip netns add red blue',
    'ip netns del red blue',
    'ip netns list-id target-nsid 1',
    'ip netns exec red bash',
    'ip monitor all-nsid',
    'ip monitor mroute',
    'ip monitor file x',
    'ip -M addr',
    'ip -B addr',
    'ip -a addr',
    'ip -t addr',
  ])('%s is refused by name', async (line) => {
    const daemon = await FakeDaemon.start(() => ({}));
    const { status, out, err } = await sluice(words(line), daemon.socket);
    expect(status).toBeGreaterThan(0);
    expect(out).toBe('');
    expect(err).toMatch(/^[^\n]+\ncannot [^\n]+: [^\n]+; [^\n]+\n$/);
    expect(daemon.requests).toEqual([]);
    daemon.stop();
  });
});

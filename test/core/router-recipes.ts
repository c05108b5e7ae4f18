/*
 * How to have the router drop a frame for each of its reasons: exactly one frame, that came in by e0 unless COUNTED_BY says
 * otherwise, and nothing left waiting. What it answers goes out and is no concern here.
 */
import { FlowRow } from '../../src/conntrack/flow-row.js';
import { Status } from '../../src/conntrack/flows.js';
import { CtSetting } from '../../src/conntrack/settings.js';
import { DropReason } from '../../src/core/drop.js';
import { LinkKind } from '../../src/core/links.js';
import { ChainFlag } from '../../src/netfilter/chains.js';
import { Extension, NatFlag, NatRange, RejectWith } from '../../src/netfilter/ops.js';
import { Family, Hook, Rule, TableId } from '../../src/netfilter/rule.js';
import { Conf4, Conf6, Net4 } from '../../src/route/conf.js';
import { closed4, closed6, echo4, from4, from6, H0, H1, R0, R1, router } from '../route/stack.js';
import { A, B, BROADCAST, frame } from '../support/frames.js';
import { arp, nd } from '../support/lan.js';
import { Network } from '../support/network.js';
import { type Ip4Options, type Ip6Options, icmp, pattern, tcp, udp } from '../support/packets.js';
import { type Router, wordsOf } from '../support/router.js';
import { baseChain, DROP, type RawRule } from '../support/rules.js';

const MORE = 0x2000;
const UDP = 17;
/** An endpoint bound to no link. */
const ANY_LINK = -1;
/** Packets that an endpoint takes before somebody has dealt with them. */
const WINDOW = 128;

/** To B, on the other side of the router. */
function to4(options: Partial<Ip4Options> = {}): Uint8Array {
  return from4({ destination: '10.0.1.9', payload: pattern(18), protocol: 253, ...options });
}

function to6(options: Partial<Ip6Options> = {}): Uint8Array {
  return from6({ destination: '2001:db8:1::9', payload: pattern(18), nextHeader: 253, ...options });
}

function sends(...frames: Uint8Array[]): Router {
  return router().send('e0', ...frames);
}

function spoilt(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(values, at);
  return copy;
}

function settings4(key: Conf4, value: number): Router {
  const made = router();
  made.dataplane.inet.conf.set('link4', made.link('e0'), key, value);
  return made;
}

function settingsOfNet4(key: Net4, value: number): Router {
  const made = router();
  made.dataplane.inet.conf.set('net4', 0, key, value);
  return made;
}

/** A packet waits for 10.0.1.50, whom nobody knows. */
function waiting(made = router()): Router {
  return made.send('e0', to4({ destination: '10.0.1.50' }));
}

/** Two halves of an echo request to the router, each with 32 bytes of the datagram. */
function halves(): [first: Uint8Array, last: Uint8Array] {
  const payload = icmp(8, 0, 1, pattern(56));
  return [
    echo4(0, { payload: payload.subarray(0, 32), fragment: MORE }),
    echo4(0, { payload: payload.subarray(32), fragment: 4 }),
  ];
}

/** One slot for a frame makes room for two on their way between links inside; the third copy of a flooded one finds none. */
function crowd(): Network {
  const network = new Network({ heads: 1 }).bridge().ports(['e0']);
  for (const n of [1, 2, 3]) {
    const [near, far] = [`v${n}`, `w${n}`];
    network.bridge(`br${n}`).ports([`e${n}`], `br${n}`);
    for (const end of [near, far]) network.dataplane.addVirtual(network.newLink(end), LinkKind.VETH, 1500, 0);
    network.dataplane.setPeer(network.link(near), network.link(far));
    for (const end of [near, far]) network.dataplane.setCarrier(network.link(end), true);
    network.join(near, 'br0').join(far, `br${n}`);
  }
  return network.send('e0', frame(A, B));
}

const REJECT: RawRule = { target: Extension.REJECT, argument: [RejectWith.PORT_UNREACHABLE] };

/** Where drops are counted that are not for the link by which the frame came in. */
export const COUNTED_BY: Partial<Record<DropReason, string>> = {
  // The one it could not go on to.
  [DropReason.BACKLOG_FULL]: 'w3',
  [DropReason.NAT_FAILED]: 'e2',
};

export const ROUTER_RECIPES = {
  [DropReason.OTHER_HOST]: () => sends(to4({ to: H0 })),
  [DropReason.BACKLOG_FULL]: crowd,
  [DropReason.VLAN_UNKNOWN]: () => sends(spoilt(to4(), 12, 0x81, 0, 0, 7)),
  [DropReason.ARP_INVALID]: () => sends(arp({ mac: H0, ip: '10.0.0.9', target: '10.0.0.1', hardware: 7 })),
  [DropReason.ARP_IGNORED]: () =>
    settings4(Conf4.ARP_IGNORE, 8).send('e0', arp({ mac: H0, ip: '10.0.0.9', target: '10.0.0.1' })),
  [DropReason.IPV4_HEADER]: () => sends(spoilt(to4(), 14, 0x55)),
  [DropReason.IPV4_CHECKSUM]: () => sends(spoilt(to4(), 24, 0, 0)),
  [DropReason.IPV4_OPTIONS]: () => sends(to4({ options: Uint8Array.of(7, 3, 1, 0) })),
  [DropReason.SOURCE_ROUTE]: () => sends(to4({ options: Uint8Array.of(131, 7, 4, 10, 0, 1, 10, 0) })),
  [DropReason.MARTIAN_SOURCE]: () => sends(to4({ source: '10.0.1.1' })),
  [DropReason.MARTIAN_DESTINATION]: () => sends(to4({ destination: '127.0.0.1' })),
  [DropReason.RP_FILTER]: () => settings4(Conf4.RP_FILTER, 1).send('e0', to4({ source: '10.0.1.77' })),
  [DropReason.NOT_UNICAST_LINK]: () => sends(to4({ to: BROADCAST })),
  [DropReason.FORWARDING_OFF]: () => settings4(Conf4.FORWARDING, 0).send('e0', to4()),
  [DropReason.NO_ROUTE]: () => sends(to4({ destination: '192.0.2.1' })),
  [DropReason.BLACKHOLE]: () => sends(to4({ destination: '172.18.0.1' })),
  [DropReason.UNREACHABLE]: () => sends(to4({ destination: '172.16.0.1' })),
  [DropReason.PROHIBITED]: () => sends(to6({ destination: '2001:db8:17::1' })),
  [DropReason.TTL_EXPIRED]: () => sends(to4({ ttl: 1 })),
  [DropReason.TOO_BIG]: () => sends(to6({ payload: pattern(1300) })),
  [DropReason.FRAGMENTATION_FAILED]: () => router().route('10.0.1.9', { dev: 'e1', mtu: 20 }).send('e0', to4()),
  [DropReason.SCOPE]: () => sends(to6({ source: 'fe80::1:9' })),
  [DropReason.IPV6_DISABLED]: () => {
    const made = router();
    made.dataplane.inet.conf.set('link6', made.link('e0'), Conf6.DISABLE_IPV6, 1);
    return made.send('e0', to6());
  },
  [DropReason.IPV6_HEADER]: () => sends(spoilt(to6(), 14, 0x50)),
  [DropReason.IPV6_EXTENSION]: () => sends(to6({ nextHeader: 0, payload: Uint8Array.of(59, 1, 0, 0, 0, 0, 0, 0) })),
  [DropReason.NOT_JOINED]: () => sends(to4({ to: '01:00:5e:01:02:03', destination: '239.1.2.3' })),
  [DropReason.NO_PROTOCOL]: () => sends(to4({ destination: '10.0.0.1' })),
  [DropReason.NO_SOCKET]: () => sends(closed6()),
  [DropReason.ICMP_INVALID]: () => sends(spoilt(echo4(8), 36, 0, 0)),
  [DropReason.ICMP_IGNORED]: () => sends(from4({ protocol: 1, payload: icmp(0, 0, 1, pattern(8)) })),
  [DropReason.TRANSPORT_CHECKSUM]: () => {
    const payload = tcp('10.0.0.9', '10.0.0.1', 1000, 80, { flags: 2 });
    return sends(from4({ protocol: 6, payload: spoilt(payload, 16, 0, 0) }));
  },
  [DropReason.ND_INVALID]: () => {
    const ends = { source: '2001:db8::9', destination: '2001:db8::1', target: '2001:db8::1' };
    return sends(nd({ type: 135, from: H0, to: R0, hopLimit: 64, ...ends }));
  },
  [DropReason.NEIGHBOUR_FAILED]: () => waiting().wait(3000),
  [DropReason.NEIGHBOUR_QUEUE]: () => {
    const made = router();
    made.dataplane.inet.conf.set('link4', made.link('e1'), Conf4.NEIGH_QUEUE_BYTES, 1000);
    const answer = arp({ operation: 2, mac: A, ip: '10.0.1.50', to: made.macOf('e1'), target: '10.0.1.1' });
    return waiting(waiting(made)).send('e1', answer);
  },
  [DropReason.NEIGHBOUR_TABLE]: () => waiting(settingsOfNet4(Net4.NEIGH_GC_THRESH3, 0)),
  [DropReason.REASSEMBLY_TIMEOUT]: () => sends(halves()[1]).wait(30_000),
  [DropReason.REASSEMBLY_OVERLAP]: () => {
    const [first, last] = halves();
    return sends(first, first, last);
  },
  [DropReason.REASSEMBLY_MEMORY]: () => settingsOfNet4(Net4.IPFRAG_HIGH_THRESH, 0).send('e0', halves()[0]),
  [DropReason.REASSEMBLY_INVALID]: () => sends(from4({ fragment: MORE, payload: pattern(4) })),
  [DropReason.NAMESPACE_GONE]: () => waiting().remove('e1'),
  [DropReason.SOCKET_FULL]: () => {
    const made = router();
    made.dataplane.inet.endpoints.open(1, 0, 4, UDP, 7, ANY_LINK);
    return made.send('e0', ...new Array<Uint8Array>(WINDOW + 1).fill(closed4()));
  },
  [DropReason.RULE]: () => forwarding([DROP]).send('e0', to4()),
  [DropReason.POLICY]: () => forwarding([], ChainFlag.DROP).send('e0', to4()),
  [DropReason.REJECTED]: () => forwarding([REJECT]).send('e0', to4()),
  [DropReason.CONNTRACK_FULL]: () => {
    const made = tracking();
    const { conntrack } = made.dataplane.netfilter;
    made.send('e0', datagram4(1));
    conntrack.settings[CtSetting.MAX] = 1;
    conntrack.addStatus(1, Status.ASSURED);
    return made.send('e0', datagram4(2));
  },
  [DropReason.CONNTRACK_CLASH]: () => {
    const made = tracking();
    const { conntrack } = made.dataplane.netfilter;
    // A flow from B whose answers go elsewhere: what A sends is none of them, but its answers would be the flow's packets.
    made.send(
      'e1',
      from4({ to: R1, from: H1, source: '10.0.1.9', destination: '10.0.0.9', ...udpTo('10.0.1.9', '10.0.0.9', 7, 1) }),
    );
    conntrack.delete(1, made.now);
    const row = new Int32Array(FlowRow.WORDS);
    row[FlowRow.KIND] = UDP;
    row[FlowRow.LEFT] = 10_000;
    row.set([...wordsOf('10.0.1.9'), 0, 0, 0, ...wordsOf('10.0.0.9'), 0, 0, 0, (7 << 16) | 1], FlowRow.ORIGINAL);
    row.set([...wordsOf('10.0.0.9'), 0, 0, 0, ...wordsOf('10.0.1.10'), 0, 0, 0, (1 << 16) | 7], FlowRow.REPLY);
    conntrack.ctnetlink.create(row, made.now);
    return made.send('e0', datagram4(1));
  },
  [DropReason.NAT_EXHAUSTED]: () => {
    const made = tracking();
    baseChain(made.dataplane, [Family.IPV4, TableId.NAT, Hook.POSTROUTING], [snatToOnePort()]);
    return made.send('e0', datagram4(1), datagram4(2));
  },
  [DropReason.NAT_FAILED]: () => {
    const made = tracking();
    made.interface('e2', '02:00:00:00:0b:02');
    const argument = new Array<number>(NatRange.WORDS).fill(0);
    baseChain(made.dataplane, [Family.IPV4, TableId.NAT, Hook.PREROUTING], [{ target: Extension.REDIRECT, argument }]);
    return made.send('e2', spoilt(datagram4(1), 5, 2));
  },
};

function forwarding(rules: RawRule[], flags: ChainFlag | 0 = 0): Router {
  const made = router();
  baseChain(made.dataplane, [Family.IPV4, TableId.FILTER, Hook.FORWARD], rules, flags);
  return made;
}

function tracking(): Router {
  const made = router();
  made.dataplane.netfilter.setTracking(0, Family.IPV4, true);
  return made;
}

function udpTo(source: string, destination: string, from: number, to: number): Partial<Ip4Options> {
  return { protocol: UDP, payload: udp(source, destination, from, to, pattern(8)) };
}

/** From a port of A's to one of B's. */
function datagram4(port: number): Uint8Array {
  return to4(udpTo('10.0.0.9', '10.0.1.9', port, 7));
}

function snatToOnePort(): RawRule {
  const argument = new Array<number>(NatRange.WORDS).fill(0);
  argument[NatRange.FLAGS] = NatFlag.ADDRESSES | NatFlag.PORTS;
  argument[NatRange.FIRST] = argument[NatRange.LAST] = wordsOf('10.0.1.1')[0];
  argument[NatRange.LOW_PORT] = argument[NatRange.HIGH_PORT] = 1000;
  return { target: Extension.SNAT, row: { [Rule.PROTOCOL]: UDP }, argument };
}

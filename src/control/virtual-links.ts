/*
 * Links that end inside: veth pairs, vlans and dummies, and `lo`. Here is what must be so for one to be made, and the calls
 * that make it in the engine.
 */
import { LinkKind as Inside } from '../core/links.js';
import type { AddLink, VethPeer } from './api/link.js';
import type { Call } from './engine-thread.js';
import type { Link, VlanSettings } from './link.js';
import { checkMtu, checkName, macOf, refuse } from './link-checks.js';
import type { LinkTable } from './link-table.js';
import type { Namespace } from './namespaces.js';

const MAX_VLAN = 4094;
const TPID: Record<VlanSettings['protocol'], number> = { '802.1Q': 0x8100, '802.1ad': 0x88a8 };

/** Kinds whose making needs nothing from outside. */
export function isVirtual(kind: string): boolean {
  return kind === 'veth' || kind === 'vlan' || kind === 'dummy' || kind === 'lo';
}

const INSIDE: Record<string, Inside> = {
  veth: Inside.VETH,
  vlan: Inside.VLAN,
  dummy: Inside.DUMMY,
  lo: Inside.LOOPBACK,
};

/** The calls that make a link which is in the table already. */
export function virtualCalls(link: Link): Call[] {
  const { number, mtu, namespace, kind, vlan } = link;
  if (kind === 'lo') return [['addNamespace', namespace.number, number]];
  const calls: Call[] = [['addVirtual', number, INSIDE[kind], mtu, namespace.number]];
  if (vlan !== undefined) calls.push(['setVlan', number, vlan.lower.number, (TPID[vlan.protocol] << 16) | vlan.id]);
  return calls;
}

/** What a vlan lies on, if it can. */
export function vlanOf(request: AddLink, name: string, from: Namespace): VlanSettings {
  const { id, protocol = '802.1Q' } =
    request.vlan ?? refuse('EINVAL', `cannot add link "${name}": no id is given; say "id 10"`, 'VLAN id not specified');
  if (id < 0 || id > MAX_VLAN)
    refuse('ERANGE', `cannot add link "${name}": ${id} is no VLAN; use 0 to ${MAX_VLAN}`, 'Invalid VLAN id');
  if (request.link === undefined)
    return refuse(
      'EINVAL',
      `cannot add link "${name}": it says not on which link; say "link DEV"`,
      'link not specified',
    );
  const lower =
    from.links.get(request.link) ??
    refuse('ENODEV', `cannot add link "${name}": there is no link "${request.link}"; "sluice ip link" lists them`);
  if (lower.kind === 'lo')
    refuse(
      'EOPNOTSUPP',
      `cannot add link "${name}": the loopback carries no VLANs; take another link`,
      'VLANs not supported on device',
    );
  const isTaken = lower.uppers.some(({ vlan }) => vlan?.id === id && vlan.protocol === protocol);
  if (isTaken)
    refuse(
      'EEXIST',
      `cannot add link "${name}": "${lower.name}" has that VLAN already; choose another id`,
      'VLAN device already exists',
    );
  if (request.mtu !== undefined && request.mtu > lower.mtu)
    refuse('EINVAL', `cannot add link "${name}": an mtu above ${lower.mtu} does not fit "${lower.name}"; use less`);
  if (request.up === true && !lower.isUp)
    refuse('ENETDOWN', `cannot set "${name}" up: "${lower.name}" is down; set that up first`);
  return { lower, id, protocol };
}

/** Puts a vlan on its lower link: it is as that is, except for what it was given. */
export function attachVlan(link: Link, vlan: VlanSettings, request: AddLink): void {
  link.vlan = vlan;
  if (!link.isAddressSet) link.address = vlan.lower.address;
  if (request.mtu === undefined) link.mtu = vlan.lower.mtu;
  vlan.lower.uppers.push(link);
}

/** The other end of a pair, as a request describes it: with no word about it, it has the MTU of the first end. */
export function peerRequest({ mtu, veth }: AddLink): VethPeer {
  return veth?.peer ?? (mtu === undefined ? {} : { mtu });
}

/** A pair's other end, checked and with a number, but not in the table yet. */
export function makePeer(table: LinkTable, peer: VethPeer, name: string, namespace: Namespace): Link {
  checkName(name);
  if (namespace.links.has(name))
    refuse('EEXIST', `cannot add link "${name}": the name is taken; choose another or delete that link`);
  if (peer.mtu !== undefined) checkMtu(name, 'veth', peer.mtu);
  if (peer.up === true) {
    namespace.freeIndex();
    refuse('ENOTCONN', `cannot set "${name}" up: its other end is not there yet; set it up when the pair is`);
  }
  const address = peer.address === undefined ? undefined : macOf(name, peer.address);
  const link = table.make('veth', name, namespace);
  if (address !== undefined) link.address = address;
  link.isAddressSet = address !== undefined;
  link.mtu = peer.mtu ?? link.mtu;
  link.isMtuSet = peer.mtu !== undefined;
  return link;
}

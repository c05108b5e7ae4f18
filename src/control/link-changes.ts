/*
 * Changes of links that are there: `ip link set`, and the move to another namespace. All that can be wrong is found before
 * anything is done.
 */
import type { AddLink, SetLink } from './api/link.js';
import type { Bridging } from './bridging.js';
import type { Call } from './engine-thread.js';
import type { BridgeSettings, Link, PortSettings } from './link.js';
import { addressFor, checkMtu, checkName, checkVlanMtu, refuse } from './link-checks.js';
import type { LinkStates } from './link-states.js';
import type { Namespace, Namespaces } from './namespaces.js';

interface CheckedSet {
  target?: Namespace;
  address?: Uint8Array;
  master?: Link;
  bridge?: BridgeSettings;
  port?: PortSettings;
}

/** Namespaces on the other side of a link get their ids: whoever watches links hears of them now. */
export function noteOthers(link: Link): void {
  const { peer, vlan, namespace } = link;
  if (peer !== undefined && peer.namespace !== namespace) namespace.idOf(peer.namespace);
  if (vlan !== undefined && vlan.lower.namespace !== namespace) namespace.idOf(vlan.lower.namespace);
}

export class LinkChanges {
  /** `find`: the link of that name, or a refusal. */
  constructor(
    private readonly namespaces: Namespaces,
    private readonly states: LinkStates,
    private readonly bridging: Bridging,
    private readonly find: (name: string, verb: string, namespace: Namespace) => Link,
  ) {}

  setAddrGenMode(link: Link, mode: NonNullable<AddLink['addr_gen_mode']>, calls: Call[]): void {
    link.namespace.sysctls.setAddrGenMode(link, mode, calls, (of, change) =>
      this.states.observer?.settingChanged(of, change, calls),
    );
  }

  // --- move ---------------------------------------------------------------------------------------

  private checkMove(link: Link, name: string, target: Namespace): void {
    if (link.namespace === target) return;
    if (link.kind === 'bridge' || link.kind === 'lo')
      refuse(
        'EINVAL',
        `cannot move "${link.name}" to namespace "${target.name}": a ${link.kind} stays where it is; make one there`,
        'The interface netns is immutable',
      );
    if (target.links.has(name))
      refuse(
        'EEXIST',
        `cannot move "${link.name}" to namespace "${target.name}": there is a link "${name}"; say "name" and another`,
        'An interface with the same name exists in the target netns',
      );
  }

  /** It goes down, leaves its bridge, its addresses and its settings; vlans on it stay where they are. */
  move(link: Link, target: Namespace, name: string, calls: Call[]): void {
    const from = link.namespace;
    this.states.setUp(link, false, calls);
    this.bridging.release(link, calls);
    from.idOf(target);
    from.remove(link);
    link.name = name;
    target.add(link);
    link.hasBeenUp = false;
    link.settings = target.sysctls.forLink(link.kind, link.mtu);
    this.states.observer?.linkMoved(link, from, calls);
    calls.push(['setNamespace', link.number, target.number], ...target.sysctls.linkRows(link));
    noteOthers(link);
  }

  // --- set ----------------------------------------------------------------------------------------

  /** Carries a request out, if all of it is right; what the engine has to do is appended. */
  set(link: Link, request: SetLink, calls: Call[]): void {
    const change = this.check(link, request);
    if (change.target !== undefined && change.target !== link.namespace)
      this.move(link, change.target, request.rename ?? link.name, calls);
    else if (request.rename !== undefined) this.rename(link, request.rename, calls);
    if (change.address !== undefined) {
      link.isAddressSet = true;
      this.states.setAddress(link, change.address, calls);
    }
    if (request.mtu !== undefined) {
      link.isMtuSet = true;
      this.states.setMtu(link, request.mtu, calls);
    }
    if (request.addr_gen_mode !== undefined) this.setAddrGenMode(link, request.addr_gen_mode, calls);
    if (request.master === null) this.bridging.release(link, calls);
    else if (change.master !== undefined && change.master !== link.master) {
      this.bridging.release(link, calls);
      this.bridging.enslave(link, change.master, calls);
    }
    this.setOptions(link, change, calls);
    if (request.up !== undefined) this.states.setUp(link, request.up, calls);
    if (link.master !== undefined) this.bridging.refresh(link.master, calls);
    if (link.kind === 'bridge') this.bridging.refresh(link, calls);
    noteOthers(link);
  }

  private setOptions(link: Link, { bridge, port }: CheckedSet, calls: Call[]): void {
    if (bridge !== undefined) {
      link.bridge = bridge;
      calls.push(...this.bridging.calls(link));
    }
    if (port === undefined) return;
    link.port = port;
    calls.push(...this.bridging.portCalls(link));
    if (link.master !== undefined) this.states.refresh(link.master, calls);
  }

  private rename(link: Link, name: string, calls: Call[]): void {
    if (link.name === name) return;
    link.namespace.rename(link, name);
    this.states.tell(link, { name: true }, calls);
  }

  /** All that can be wrong with a change, before any of it is made. */
  private check(link: Link, request: SetLink): CheckedSet {
    const { name } = link;
    const target = request.netns === undefined ? undefined : this.namespaces.get(request.netns);
    const place = target ?? link.namespace;
    if (target !== undefined) this.checkMove(link, request.rename ?? name, target);
    if (request.mtu !== undefined) {
      checkMtu(name, link.kind, request.mtu);
      checkVlanMtu(link, request.mtu);
    }
    if (request.rename !== undefined) this.checkRename(link, request.rename, place);
    if (request.up === true) this.checkUp(link);
    if (request.bridge !== undefined && link.kind !== 'bridge') {
      refuse(
        'EOPNOTSUPP',
        `cannot change "${name}": it is of type ${link.kind}, not a bridge; only bridges have these options`,
      );
    }
    const bridge =
      typeof request.master === 'string' ? this.find(request.master, `add "${name}" to`, place) : undefined;
    return {
      ...(target === undefined ? {} : { target }),
      ...(request.address === undefined ? {} : { address: addressFor(link, request.address) }),
      ...(bridge === undefined ? {} : { master: this.bridging.bridgeFor(bridge, link.kind, name, link) }),
      ...(request.bridge === undefined || link.bridge === undefined
        ? {}
        : { bridge: this.bridging.settings(name, link.bridge, request.bridge) }),
      ...(request.port === undefined ? {} : { port: this.bridging.portSettings(link, request.port) }),
    };
  }

  private checkRename(link: Link, name: string, place: Namespace): void {
    checkName(name);
    const there = place.links.get(name);
    if (there !== undefined && there !== link)
      refuse('EEXIST', `cannot rename "${link.name}" to "${name}": the name is taken; choose another`);
  }

  private checkUp({ name, vlan }: Link): void {
    if (vlan !== undefined && !vlan.lower.isUp)
      refuse('ENETDOWN', `cannot set "${name}" up: "${vlan.lower.name}" is down; set that up first`);
  }
}

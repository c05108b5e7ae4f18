/*
 * What links hand on to each other when one of them changes: up and down, carrier, MTU and address.
 *
 *   veth      has a carrier while both ends are up
 *   vlan      goes up and down with the link below it, has its carrier while up, its address unless it was given one,
 *             and never a greater MTU
 *   bridge    has a carrier while one of its ports forwards; before its first port always
 *   others    have what their device says
 *
 * The observer hears of each change once, with all that came of it for that link.
 */
import { PortState } from '../datapath.js';
import { raiseDevice } from '../io/packet.js';
import { shim } from '../io/shim.js';
import type { Call } from './engine-thread.js';
import { isPort, type Link, macHigh, macLow, type PortDevice } from './link.js';
import type { LinkChange, LinkObserver } from './link-observer.js';

/** The state that the datapath has given a bridge port. */
export function portState(link: Link): PortState {
  if (!link.isUp || !link.hasCarrier || link.master?.isUp !== true || link.port === undefined)
    return PortState.DISABLED;
  return link.port.state;
}

function carrierOf(link: Link): boolean {
  switch (link.kind) {
    case 'veth':
      return link.isUp && link.peer?.isUp === true;
    case 'vlan':
      return link.isUp && link.vlan?.lower.hasCarrier === true;
    case 'bridge':
      return link.bridge?.hadPorts !== true || link.ports.some((port) => portState(port) === PortState.FORWARDING);
    default:
      return link.hasCarrier;
  }
}

export class LinkStates {
  observer: LinkObserver | undefined;
  /** A bridge has to look at its ports' addresses and MTUs again. */
  onPortChanged: (bridge: Link, calls: Call[]) => void = () => {};
  /** The engine has to hear of a port's options again. */
  portCalls: (port: Link) => Call[] = () => [];

  tell(link: Link, what: LinkChange, calls: Call[]): void {
    this.observer?.linkChanged(link, what, calls);
  }

  // --- up and down ----------------------------------------------------------------------------------

  setUp(link: Link, isUp: boolean, calls: Call[]): void {
    if (link.isUp === isUp) return;
    link.isUp = isUp;
    link.hasBeenUp ||= isUp;
    if (!isUp && link.port !== undefined) {
      link.port.state = PortState.FORWARDING;
      calls.push(...this.portCalls(link));
    }
    calls.push(['setUp', link.number, isUp]);
    if (link.device !== undefined) this.setDeviceUp(link, link.device, calls);
    if (isUp && link.vlan !== undefined && !link.isAddressSet) this.setAddress(link, link.vlan.lower.address, calls);
    const carrier = this.adopt(link, carrierOf(link), calls);
    this.tell(link, carrier ? { up: true, carrier } : { up: true }, calls);
    if (link.peer !== undefined) this.refresh(link.peer, calls);
    for (const upper of link.uppers) this.setUp(upper, isUp, calls);
    if (link.master !== undefined) this.refresh(link.master, calls);
  }

  private setDeviceUp(link: Link, device: PortDevice, calls: Call[]): void {
    if (link.kind === 'tap') shim.tapCarrier(device.fds[0], link.isUp);
    else if (link.kind === 'packet' && link.isUp) this.raisePacket(link, device, calls);
  }

  /** An AF_PACKET port works only while its device is up: bring it up, as a bridge does not, but its user expects. */
  private raisePacket(link: Link, device: PortDevice, calls: Call[]): void {
    link.hasCarrier = raiseDevice(device.dev, device.netns);
    calls.push(['setCarrier', link.number, link.hasCarrier]);
  }

  // --- carrier --------------------------------------------------------------------------------------

  /** The carrier of a port as its device has it now. */
  setCarrier(link: Link, isOn: boolean, calls: Call[]): void {
    if (this.adopt(link, isOn, calls)) this.handOn(link, calls);
  }

  /** The carrier of a link that has it from others. */
  refresh(link: Link, calls: Call[]): void {
    if (this.adopt(link, carrierOf(link), calls)) this.handOn(link, calls);
  }

  private handOn(link: Link, calls: Call[]): void {
    this.tell(link, { carrier: true }, calls);
    for (const upper of link.uppers) this.refresh(upper, calls);
    if (link.master !== undefined) this.refresh(link.master, calls);
  }

  /** Whether that is a change. The engine knows the carrier of ports by itself, and needs none of a bridge. */
  private adopt(link: Link, isOn: boolean, calls: Call[]): boolean {
    if (link.hasCarrier === isOn) return false;
    link.hasCarrier = isOn;
    if (!isOn && link.port !== undefined) link.port.state = PortState.FORWARDING;
    if (!isPort(link) && link.kind !== 'bridge') calls.push(['setCarrier', link.number, isOn]);
    return true;
  }

  // --- address and MTU ------------------------------------------------------------------------------

  setAddress(link: Link, address: Uint8Array, calls: Call[]): void {
    const isSame = Buffer.compare(link.address, address) === 0;
    link.address = address;
    calls.push(['setMac', link.number, macHigh(address), macLow(address)]);
    if (isSame) return;
    this.tell(link, { address: true }, calls);
    for (const upper of link.uppers) if (upper.isUp && !upper.isAddressSet) this.setAddress(upper, address, calls);
    if (link.master !== undefined) this.onPortChanged(link.master, calls);
  }

  setMtu(link: Link, mtu: number, calls: Call[]): void {
    const isSame = link.mtu === mtu;
    link.mtu = mtu;
    calls.push(['setMtu', link.number, mtu]);
    if (isSame) return;
    link.namespace.sysctls.mtuChanged(link, calls);
    this.tell(link, { mtu: true }, calls);
    for (const upper of link.uppers) if (upper.mtu > mtu) this.setMtu(upper, mtu, calls);
    if (link.master !== undefined) this.onPortChanged(link.master, calls);
  }
}

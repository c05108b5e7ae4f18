/*
 * The bridge of the scene in this process: a dataplane whose ports are memory, with a simulated host behind each. What is shown
 * of it goes through the same code as the daemon's.
 */
import { randomFillSync } from 'node:crypto';
import { stationLines } from '../cli/brctl-format.js';
import type { FdbInfo } from '../control/api/fdb.js';
import type { StatusInfo } from '../control/api/status.js';
import { BRIDGE_DEFAULTS, type Link, macOfWords, macText } from '../control/link.js';
import { linkInfo } from '../control/link-info.js';
import { Namespace } from '../control/namespaces.js';
import { statusOf } from '../control/status.js';
import { Dataplane, PORT_DEFAULTS, PortState } from '../datapath.js';
import { Engine } from '../engine.js';
import { MemoryPort } from '../io/memory-port.js';
import type { Station } from '../tables/fdb.js';
import { parseMac } from '../wire/format.js';
import { HOSTS } from './hosts.js';
import { MemoryHost } from './memory-host.js';

const MTU = 1500;
const BRIDGE = 1;
const NAMESPACE = new Namespace('host', 0);

/** A link's description, for the tables. */
function linkOf(number: number, name: string, kind: Link['kind'], mac: string): Link {
  return {
    number,
    ifindex: number,
    name,
    kind,
    namespace: NAMESPACE,
    settings: NAMESPACE.sysctls.forLink(kind, MTU),
    uppers: [],
    address: parseMac(mac) ?? new Uint8Array(6),
    isAddressSet: true,
    mtu: MTU,
    isMtuSet: true,
    isUp: true,
    hasBeenUp: true,
    hasCarrier: true,
    ports: [],
  };
}

function joined(port: Link, bridge: Link): Link {
  bridge.ports.push(port);
  port.master = bridge;
  const storm = { broadcast: 0, multicast: 0, unknown: 0 };
  port.port = {
    options: PORT_DEFAULTS,
    state: PortState.FORWARDING,
    groupForwardMask: 0,
    fdbLimit: 0,
    storm,
    number: bridge.ports.length,
  };
  return port;
}

export class MemoryNetwork {
  readonly dataplane = new Dataplane({ keys: randomFillSync(new Int32Array(4)) });
  readonly engine = new Engine(this.dataplane);
  /** Port and host of each of HOSTS. */
  readonly ports: MemoryPort[] = [];
  readonly hosts: MemoryHost[] = [];
  private readonly bridge: Link = {
    ...linkOf(BRIDGE, 'br0', 'bridge', '02:00:00:00:00:01'),
    bridge: { ...BRIDGE_DEFAULTS, hadPorts: true },
  };
  private readonly links: Link[] = [this.bridge];
  private readonly startMs = performance.now();

  constructor() {
    this.dataplane.addBridge(BRIDGE, MTU);
    this.dataplane.setUp(BRIDGE, true);
    for (const host of HOSTS) {
      const number = this.links.length + 1;
      const port = new MemoryPort(this.dataplane.arena, number);
      this.links.push(joined(linkOf(number, host.port, 'memory', `02:00:00:00:01:0${number}`), this.bridge));
      this.dataplane.addLink(number, MTU, port);
      this.dataplane.setCarrier(number, true);
      this.dataplane.setMaster(number, BRIDGE, 0);
      this.dataplane.setUp(number, true);
      this.ports.push(port);
      this.hosts.push(new MemoryHost(host, (frame) => port.feed(frame)));
    }
  }

  private now(): number {
    return Math.floor(performance.now() - this.startMs) | 0;
  }

  /** Runs the engine until its ports have nothing more to receive. */
  forward(): void {
    for (const { number, kind } of this.links) if (kind === 'memory') this.engine.activate(number);
    while (!this.engine.isIdle) this.engine.round(this.now());
  }

  /** Carries frames to and fro until everybody is silent. */
  settle(): void {
    for (let isBusy = true; isBusy; ) {
      this.forward();
      isBusy = false;
      for (const [i, port] of this.ports.entries()) {
        const frames = port.sent.splice(0);
        for (const frame of frames) this.hosts[i].receive(frame);
        isBusy ||= frames.length > 0;
      }
    }
  }

  /** As `sluice status -j`. */
  status(): StatusInfo {
    this.dataplane.updateHeld();
    return statusOf(this.links, this.dataplane.links);
  }

  /** As `brctl showmacs br0`. */
  showmacs(): string {
    const infos = this.links.map((link) => linkInfo(link, this.dataplane.links));
    return stationLines('br0', this.stations(), infos);
  }

  private stations(): FdbInfo[] {
    const { fdb } = this.dataplane;
    const station: Station = { low: 0, high: 0, bridge: 0, vlan: 0, port: 0, flags: 0, updated: 0, used: 0 };
    const found: FdbInfo[] = [];
    for (let slot = 0; slot <= fdb.mask; slot++) {
      if (!fdb.read(slot, station)) continue;
      const mac = macText(macOfWords(station.high, station.low));
      const ifname = this.links.find((link) => link.number === station.port)?.name ?? '';
      const ageMs = this.now() - station.updated;
      const seconds = Math.floor(ageMs / 1000);
      found.push({
        mac,
        ifname,
        used: seconds,
        updated: seconds,
        flags: [],
        master: 'br0',
        state: '',
        age_cs: Math.floor(ageMs / 10),
      });
    }
    return found;
  }
}

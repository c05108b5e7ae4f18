/*
 * The learning bridge, as Linux does it (net/bridge: br_input.c, br_forward.c; IEEE 802.1D).
 *
 *   receive ─ source valid? ─ 01:80:C2:00:00:0X? ─ port state ─ (VLAN ingress) ─ locked? ─ learn
 *      ─ (IGMP/MLD snooping) ─ storm control ─ look up ─┬─ local ─► br0
 *                                                       ├─ known ─► its port
 *                                                       └─ else  ─► every port that floods (and br0)
 *
 * In parentheses: the places of steps still to come. A burst goes through in short passes: read the addresses of all frames, touch
 * their lines of the table so that the cache misses overlap, guess the slots in a crowded table; then decide frame by
 * frame. The passes are closures made once per dataplane: V8 then compiles the tables' addresses in as constants, which
 * takes a fifth off a frame's cost (17 to 20 Mpps when it was measured).
 */
import { type Arena, BURST, type Frame } from '../core/arena.js';
import type { Backlog } from '../core/backlog.js';
import { DropReason } from '../core/drop.js';
import type { Egress } from '../core/egress.js';
import { Counter, type Link, LinkFlag, type Links, MAX_LINKS, Total } from '../core/links.js';
import { type Fdb, Learned } from '../tables/fdb.js';
import type { BridgeHooks } from './hooks.js';
import { type Storm, StormClass } from './storm.js';

/** One bridge's own configuration. Ports are links; `ports` lists them in the order they joined. */
export class Bridge {
  readonly ports: Link[] = [];
  /** Bit n: forward 01:80:C2:00:00:0n. */
  groupForwardMask = 0;
  /** Forward all of them, PAUSE and BPDUs too, as a wire would. */
  isTransparent = false;

  constructor(readonly link: Link) {}

  /** FDB domain of an untagged frame: VLAN 0, as every frame is while VLAN filtering is off. */
  get domain(): number {
    return this.link << 12;
  }
}

const NONE = -1;
const ETHERNET_HEADER = 14;
/** MAC bytes 0..1 and 2..5 of 01:80:C2:00:00:00, little-endian; the last byte's low nibble is masked away. */
const GROUP_HIGH = 0x8001;
const GROUP_LOW = 0x000000c2;
const GROUP_LOW_MASK = 0xf0ffffff | 0;

export class Bridging {
  private readonly $low = new Int32Array(BURST);
  private readonly $high = new Int32Array(BURST);
  private readonly $slot = new Int32Array(BURST);
  private readonly $sourceLow = new Int32Array(BURST);
  private readonly $sourceHigh = new Int32Array(BURST);
  private readonly $sourceSlot = new Int32Array(BURST);
  /** Of each port: bit n forwards 01:80:C2:00:00:0n, beside its bridge's mask. */
  readonly groupForwardMask = new Int32Array(MAX_LINKS);
  /** Keeps pass 1's loads alive. */
  touched = 0;
  /** Netfilter, where there is one. */
  hooks: BridgeHooks | undefined;
  /** Where frames for br0 go that netfilter was asked about: to its stack at once, not by the backlog. */
  receiveLocally: ((frame: Frame, link: Link, now: number) => void) | undefined;

  constructor(
    private readonly arena: Arena,
    private readonly links: Links,
    private readonly egress: Egress,
    private readonly backlog: Backlog,
    readonly fdb: Fdb,
    readonly storm: Storm,
  ) {
    this.receive = this.compile();
  }

  /** The first `n` frames of arena.burst came in by `port` of `bridge`. */
  readonly receive: (bridge: Bridge, port: Link, n: number, now: number) => void;

  private compile(): (bridge: Bridge, port: Link, n: number, now: number) => void {
    const bridging = this;
    const { arena, egress, fdb } = this;
    const { flags: linkFlags, maxLength } = this.links;
    const { burst, length, offset, words16, words32 } = arena;
    const { $low, $high, $slot, $sourceLow, $sourceHigh, $sourceSlot } = this;

    let bursts = 0;

    function readAddresses(n: number, domain: number): void {
      for (let i = 0; i < n; i++) {
        const at = offset[burst[i]];
        const high = words16[at >> 1];
        const low = words32[(at + 2) >> 2];
        const source = words32[(at + 6) >> 2];
        const sourceHigh = source & 0xffff;
        const sourceLow = (source >>> 16) | (words16[(at + 10) >> 1] << 16);
        const home = fdb.home(low, high, domain);
        const sourceHome = fdb.home(sourceLow, sourceHigh, domain);
        $high[i] = high;
        $low[i] = low;
        $slot[i] = home;
        $sourceHigh[i] = sourceHigh;
        $sourceLow[i] = sourceLow;
        $sourceSlot[i] = sourceHome;
      }
    }

    /** Has the table's lines on their way. A loop of its own, so short that the processor overlaps a dozen misses. */
    function touchTable(n: number): void {
      let touched = 0;
      for (let i = 0; i < n; i++) touched ^= fdb.peek($slot[i]) ^ fdb.peek($sourceSlot[i]);
      bridging.touched = touched;
    }

    /** In a crowded table the first slot of a line is often not the one; to find out by branches costs more. */
    function guessSlots(n: number): void {
      for (let i = 0; i < n; i++) {
        $slot[i] = fdb.guess($slot[i], $low[i]);
        $sourceSlot[i] = fdb.guess($sourceSlot[i], $sourceLow[i]);
      }
    }

    return function receive(bridge: Bridge, port: Link, n: number, now: number): void {
      const domain = bridge.domain;
      const isHooked = bridging.hooks?.isOn(bridge.link) === true;
      readAddresses(n, domain);
      touchTable(n);
      // Whose use is noted: of a burst the first, of full ones, which follow each other closely, one in sixteen's. Exact at low rates,
      // and at high ones a cache miss less for each frame.
      bursts = (bursts + 1) & 15;
      const noted = n < BURST || bursts === 0 ? 0 : NONE;
      if (fdb.isCrowded) guessSlots(n);
      const flags = linkFlags[port];
      const isPlain =
        (flags & (LinkFlag.FORWARDING | LinkFlag.LEARNING | LinkFlag.LOCKED)) ===
        (LinkFlag.FORWARDING | LinkFlag.LEARNING);
      for (let i = 0; i < n; i++) {
        const frame = burst[i];
        const low = $low[i];
        const high = $high[i];
        if (length[frame] < ETHERNET_HEADER) {
          egress.drop(frame, port, DropReason.RUNT);
          continue;
        }
        const sourceHigh = $sourceHigh[i];
        const sourceLow = $sourceLow[i];
        if ((sourceHigh & 1) !== 0 || (sourceHigh | sourceLow) === 0) {
          egress.drop(frame, port, DropReason.SOURCE_INVALID);
          continue;
        }
        if (
          high === GROUP_HIGH &&
          (low & GROUP_LOW_MASK) === GROUP_LOW &&
          !bridging.forwardsGroup(bridge, frame, port, low, i, now)
        )
          continue;
        if (isPlain) {
          if (!fdb.isKnown($sourceSlot[i], sourceLow, sourceHigh, domain, port, now)) {
            bridging.learnSource(i, domain, port, now);
          }
        } else if (!bridging.admits(frame, port, flags, i, domain, now)) continue;

        if ((high & 1) !== 0) {
          bridging.forwardGroup(bridge, frame, port, flags, high, low, now);
          continue;
        }
        const near = $slot[i];
        const to = fdb.portIfAt(near, low, high, domain, now);
        if (to === NONE) {
          bridging.forwardByTable(bridge, frame, port, flags, i, now);
          continue;
        }
        if (i === noted) fdb.touch(near, now);
        const toFlags = linkFlags[to];
        // The common case of `forward`.
        const isPlainEgress =
          !isHooked && (toFlags & (LinkFlag.FORWARDING | LinkFlag.ISOLATED)) === LinkFlag.FORWARDING;
        if (isPlainEgress && to !== port && length[frame] <= maxLength[to]) egress.enqueue(frame, to);
        else bridging.forward(bridge, frame, port, flags, to, now);
      }
    };
  }

  private learnSource(i: number, domain: number, port: Link, now: number): void {
    const slot = this.fdb.find(this.$sourceSlot[i], this.$sourceLow[i], this.$sourceHigh[i], domain);
    this.learn(slot, i, domain, port, now);
  }

  /** A destination that is not where it was guessed, the bridge's own, or unknown. */
  private forwardByTable(bridge: Bridge, frame: Frame, port: Link, flags: number, i: number, now: number): void {
    const { fdb } = this;
    const slot = fdb.find(this.$slot[i], this.$low[i], this.$high[i], bridge.domain);
    if (slot === NONE || fdb.isExpired(slot, now)) return this.forwardUnknown(bridge, frame, port, flags, now);
    fdb.touch(slot, now);
    if (fdb.isLocal(slot)) this.deliver(bridge.link, frame, now);
    else this.forward(bridge, frame, port, flags, fdb.port(slot), now);
  }

  /** The steps before the look-up for a port that is not simply forwarding and learning. False: the frame is gone. */
  private admits(frame: Frame, port: Link, flags: number, i: number, domain: number, now: number): boolean {
    if ((flags & LinkFlag.LEARNING_STATE) === 0) return this.refuse(frame, port, DropReason.PORT_NOT_FORWARDING);
    const slot = this.fdb.find(this.$sourceSlot[i], this.$sourceLow[i], this.$sourceHigh[i], domain);
    if ((flags & LinkFlag.LOCKED) !== 0 && !this.isStationOf(slot, port, now)) {
      return this.refuse(frame, port, DropReason.PORT_LOCKED);
    }
    if ((flags & LinkFlag.LEARNING) !== 0) this.learn(slot, i, domain, port, now);
    if ((flags & LinkFlag.FORWARDING) === 0) return this.refuse(frame, port, DropReason.PORT_NOT_FORWARDING);
    return true;
  }

  private refuse(frame: Frame, port: Link, reason: DropReason): false {
    this.egress.drop(frame, port, reason);
    return false;
  }

  private isStationOf(slot: number, port: Link, now: number): boolean {
    if (slot === NONE || this.fdb.isExpired(slot, now)) return false;
    return this.fdb.port(slot) === port && !this.fdb.isLocal(slot);
  }

  private learn(slot: number, i: number, domain: number, port: Link, now: number): void {
    // A bridge that remembers nobody for any time does not learn (br_fdb_update).
    if (this.fdb.ageing[domain >>> 12] === 0) return;
    const answer = this.fdb.learn(
      slot,
      this.$sourceSlot[i],
      this.$sourceLow[i],
      this.$sourceHigh[i],
      domain,
      port,
      now,
    );
    if (answer === Learned.REFUSED) this.links.counters[(port << Counter.SHIFT) + Counter.LEARN_REFUSED]++;
    else if (answer === Learned.MOVED) this.links.counters[(port << Counter.SHIFT) + Counter.STATION_MOVES]++;
  }

  /**
   * 01:80:C2:00:00:0X (IEEE 802.1Q table 8-1): true if it is forwarded like any multicast. BPDUs are
   * while STP is off; PAUSE never is; the others go to the port's own stack unless the mask has their bit.
   */
  private forwardsGroup(bridge: Bridge, frame: Frame, port: Link, low: number, i: number, now: number): boolean {
    const last = low >>> 24;
    if (bridge.isTransparent || last === 0) return true;
    const mask = bridge.groupForwardMask | this.groupForwardMask[port];
    if (last === 1) return this.refuse(frame, port, DropReason.PAUSE_FRAME);
    if (((mask >>> last) & 1) !== 0) return true;
    const flags = this.links.flags[port];
    if ((flags & LinkFlag.LEARNING) !== 0 && (flags & LinkFlag.LEARNING_STATE) !== 0) {
      const slot = this.fdb.find(this.$sourceSlot[i], this.$sourceLow[i], this.$sourceHigh[i], bridge.domain);
      this.learn(slot, i, bridge.domain, port, now);
    }
    this.deliver(port, frame, now);
    return false;
  }

  /** A known station. */
  private forward(bridge: Bridge, frame: Frame, port: Link, flags: number, to: Link, now: number): void {
    const toFlags = this.links.flags[to];
    if (to === port && (toFlags & LinkFlag.HAIRPIN) === 0) this.egress.drop(frame, port, DropReason.SAME_PORT);
    else if ((toFlags & LinkFlag.FORWARDING) === 0) this.egress.drop(frame, port, DropReason.EGRESS_NOT_FORWARDING);
    else if ((flags & toFlags & LinkFlag.ISOLATED) !== 0) this.egress.drop(frame, port, DropReason.ISOLATED);
    else this.pass(bridge, frame, port, to, now);
  }

  private forwardUnknown(bridge: Bridge, frame: Frame, port: Link, flags: number, now: number): void {
    if ((flags & LinkFlag.STORM) !== 0 && !this.storm.allows(port, StormClass.UNKNOWN, now)) {
      this.egress.drop(frame, port, DropReason.STORM_UNKNOWN);
    } else this.flood(bridge, frame, port, flags, LinkFlag.FLOOD, false, now);
  }

  /** Broadcast and multicast: to the ports that flood it, and to br0. */
  private forwardGroup(
    bridge: Bridge,
    frame: Frame,
    port: Link,
    flags: number,
    high: number,
    low: number,
    now: number,
  ): void {
    const isBroadcast = (high & low) === 0xffff && low === -1;
    const counters = this.links.counters;
    counters[(port << Counter.SHIFT) + Counter.RX_MULTICAST]++;
    if ((flags & LinkFlag.STORM) !== 0) {
      const storm = isBroadcast ? StormClass.BROADCAST : StormClass.MULTICAST;
      if (!this.storm.allows(port, storm, now)) {
        const reason = isBroadcast ? DropReason.STORM_BROADCAST : DropReason.STORM_MULTICAST;
        return this.egress.drop(frame, port, reason);
      }
    }
    this.flood(bridge, frame, port, flags, isBroadcast ? LinkFlag.BCAST_FLOOD : LinkFlag.MCAST_FLOOD, true, now);
  }

  /** One reference each for the ports that have `gate`; and one for br0 if `isLocal`. */
  private flood(
    bridge: Bridge,
    frame: Frame,
    port: Link,
    flags: number,
    gate: LinkFlag,
    isLocal: boolean,
    now: number,
  ): void {
    const { ports } = bridge;
    const wanted = LinkFlag.FORWARDING | gate;
    const { references } = this.arena;
    let copies = 0;
    for (let i = 0; i < ports.length; i++) {
      const to = ports[i];
      const toFlags = this.links.flags[to];
      if ((toFlags & wanted) !== wanted || (flags & toFlags & LinkFlag.ISOLATED) !== 0) continue;
      if (to === port && (toFlags & LinkFlag.HAIRPIN) === 0) continue;
      references[frame]++;
      copies++;
      this.pass(bridge, frame, port, to, now);
    }
    if (isLocal) {
      this.links.totals[Total.CLONED] += copies;
      return this.deliver(bridge.link, frame, now);
    }
    if (copies === 0) return this.egress.drop(frame, port, DropReason.NO_EGRESS);
    // The frame's first reference has become the last copy's.
    this.links.totals[Total.CLONED] += copies - 1;
    this.arena.release(frame);
  }

  /** Takes one reference. What br0 itself sends has passed its stack's hooks. */
  private pass(bridge: Bridge, frame: Frame, port: Link, to: Link, now: number): void {
    const { hooks } = this;
    const isAsked = hooks?.isOn(bridge.link) === true && port !== bridge.link;
    const left = isAsked ? hooks.forward(frame, port, to, bridge.link, now) : frame;
    if (left !== NONE) this.transmit(left, to);
  }

  /** Takes one reference. A superframe's length is no concern: it may be cut before it leaves. */
  private transmit(frame: Frame, to: Link): void {
    if (this.arena.length[frame] > this.links.maxLength[to] && !this.arena.isSuperframe(frame)) {
      this.egress.drop(frame, to, DropReason.TX_MTU);
    } else this.egress.enqueue(frame, to);
  }

  /** To the local stack of a link (br0, or a port for 01:80:C2:00:00:0X, to which nothing there listens). */
  private deliver(link: Link, frame: Frame, now: number): void {
    const { counters, flags, totals } = this.links;
    counters[(link << Counter.SHIFT) + Counter.DELIVERED]++;
    if ((flags[link] & LinkFlag.BRIDGE) !== 0) {
      if (this.hooks?.isOn(link) === true) return this.receiveLocally?.(frame, link, now);
      if (!this.backlog.push(frame, link)) this.egress.drop(frame, link, DropReason.BACKLOG_FULL);
      return;
    }
    totals[Total.DELIVERED]++;
    this.arena.release(frame);
  }

  /** A frame that br0's own stack sends (br_dev_xmit). */
  send(bridge: Bridge, frame: Frame, now: number): void {
    const { words16, words32, offset } = this.arena;
    const at = offset[frame];
    const high = words16[at >> 1];
    const low = words32[(at + 2) >> 2];
    const { link } = bridge;
    if ((high & 1) !== 0) {
      const isBroadcast = high === 0xffff && low === -1;
      return this.flood(bridge, frame, link, 0, isBroadcast ? LinkFlag.BCAST_FLOOD : LinkFlag.MCAST_FLOOD, false, now);
    }
    const slot = this.fdb.find(this.fdb.home(low, high, bridge.domain), low, high, bridge.domain);
    if (slot === NONE || this.fdb.isExpired(slot, now)) {
      this.flood(bridge, frame, link, 0, LinkFlag.FLOOD, false, now);
    } else if (this.fdb.isLocal(slot)) this.egress.drop(frame, link, DropReason.NO_EGRESS);
    else this.forward(bridge, frame, link, 0, this.fdb.port(slot), now);
  }
}

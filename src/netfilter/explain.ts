/*
 * A packet is tried out: it walks through the stack and its hooks as if it had come in by a link, or had been made here, and everything
 * that happens to it is noted (walk-record.ts).
 *
 *   bytes ─► frame ─► inet ─┬─ hooks: the record, in front of netfilter ─► steps
 *                           └─ stops behind INPUT ("delivered") and behind POSTROUTING ("left")
 *
 * - Nothing is left behind. Where the walk stops the frame is released, so that nothing is sent, resolved or delivered; what others say
 *   meanwhile (ICMP errors, resets) stops at its own POSTROUTING. Counters are counted back; conntrack rehearses (conntrack.rehearse), so
 *   that flows stay as they are and a new one is forgotten; what else a packet may change (limits, lists of -m recent) is kept in a
 *   Memento before.
 * - After a drop the walk is repeated with one thing changed, to find out whether that one would have let the packet pass.
 *
 * It runs between two bursts, in the engine's thread, for those who ask why: it may allocate, and takes as long as some hundred packets.
 */
import { CtSetting } from '../conntrack/settings.js';
import { type Frame, NONE, Slot } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkFlag, type Namespace } from '../core/links.js';
import { Conf4, Conf6, type ConfTable } from '../route/conf.js';
import { ANY_LINK } from '../route/endpoints.js';
import type { Inet } from '../route/inet.js';
import { EtherType, type as ethernetType } from '../wire/ethernet.js';
import { Chain, ChainFlag } from './chains.js';
import type { Change, Walk, WalkStep } from './explain-steps.js';
import { Memento } from './memento.js';
import type { Netfilter } from './netfilter.js';
import { Rule, Target } from './rule.js';
import { WalkRecord } from './walk-record.js';

/** Undoes a change. */
type Undo = () => void;

export class Explainer {
  constructor(
    private readonly inet: Inet,
    private readonly netfilter: Netfilter,
  ) {}

  /** `bytes`: an Ethernet frame that comes in by a link, for its stack. ARP passes no hook; it would teach us something. */
  receive(link: Link, bytes: Uint8Array, now: number): Walk {
    const namespace = this.inet.namespaceOf(link);
    const type = ethernetType(bytes, 0);
    if (type === EtherType.ARP) return walkOf([]);
    return this.explain(namespace, link, type === EtherType.IPV6 ? 6 : 4, (record) => {
      const frame = this.frameOf(bytes);
      if (frame === NONE) return;
      record.begin(frame);
      this.inet.receiveOther(frame, link, now);
    });
  }

  /** `bytes`: an IP packet that is made in a namespace. */
  send(namespace: Namespace, bytes: Uint8Array, now: number): Walk {
    const link = this.inet.loopback[namespace];
    return this.explain(namespace, link, bytes[0] >>> 4 === 6 ? 6 : 4, () => {
      this.inet.endpoints.send(namespace, bytes, ANY_LINK, false, now);
    });
  }

  private explain(namespace: Namespace, link: Link, family: 4 | 6, run: (record: WalkRecord) => void): Walk {
    this.netfilter.settle();
    const walk = this.walk(namespace, link, run);
    if (walk.end !== 'dropped') return walk;
    walk.remedies = this.candidates(walk, namespace, link, family).filter((change) => {
      const undo = this.change(change, namespace);
      try {
        const { end } = this.walk(namespace, link, run);
        return end === 'delivered' || end === 'left';
      } finally {
        undo();
      }
    });
    return walk;
  }

  private walk(namespace: Namespace, link: Link, run: (record: WalkRecord) => void): Walk {
    const { inet, netfilter } = this;
    const memento = this.keepAll();
    const record = new WalkRecord(netfilter, memento, inet, [0, link, inet.loopback[namespace]]);
    const { hooks } = inet;
    netfilter.conntrack.rehearse(namespace);
    netfilter.watch(record);
    inet.hooks = record;
    inet.reassembly.tried = 0;
    try {
      run(record);
    } finally {
      inet.reassembly.tried = undefined;
      inet.hooks = hooks;
      netfilter.watch(undefined);
      netfilter.conntrack.endRehearsal();
      record.finish();
      memento.restore();
    }
    return walkOf(record.steps);
  }

  /** What packets change in any case. */
  private keepAll(): Memento {
    const { inet, netfilter } = this;
    const memento = new Memento();
    memento.keepWords(inet.links.totals);
    memento.keep(inet, ['seed']);
    memento.keep(inet.icmp4, ['identification', 'limit']);
    memento.keep(netfilter.nat, ['exhausted']);
    memento.keep(netfilter, ['isFirst']);
    memento.keepWords(netfilter.packet.key);
    return memento;
  }

  private frameOf(bytes: Uint8Array): Frame {
    const { arena } = this.inet;
    const { length } = bytes;
    if (length > Slot.HEAD_CAPACITY && (arena.freeTailCount === 0 || length > Slot.TAIL_BYTES)) return NONE;
    const frame = arena.allocate(length);
    if (frame === NONE) return NONE;
    const head = arena.headLength(frame);
    arena.bytes.set(bytes.subarray(0, head), arena.offset[frame]);
    if (head < length) {
      arena.tail[frame] = arena.freeTails[--arena.freeTailCount];
      arena.bytes.set(bytes.subarray(head), arena.tailOffset(frame));
    }
    this.inet.forgetTraces(frame);
    return frame;
  }

  // --- what could be otherwise -------------------------------------------------------------------

  /** What might have let a packet pass that was dropped. */
  private candidates(walk: Walk, namespace: Namespace, link: Link, family: 4 | 6): Change[] {
    switch (walk.reason) {
      case DropReason.RULE:
      case DropReason.REJECTED:
      case DropReason.POLICY:
        return verdictOf(walk.steps);
      case DropReason.CONNTRACK_FULL:
        return [{ kind: 'flows', sysctl: 'net.netfilter.nf_conntrack_max' }];
      case DropReason.FORWARDING_OFF:
        return family === 4
          ? [setting('link4', link, Conf4.FORWARDING, 1, this.forwardingKey(namespace), link)]
          : [setting('all6', namespace, Conf6.FORWARDING, 1, 'net.ipv6.conf.all.forwarding', 0)];
      case DropReason.IPV6_DISABLED:
        return [setting('link6', link, Conf6.DISABLE_IPV6, 0, 'net.ipv6.conf.%.disable_ipv6', link)];
      case DropReason.RP_FILTER:
        return this.filterSettings(namespace, link);
      case DropReason.MARTIAN_SOURCE:
      case DropReason.MARTIAN_DESTINATION:
        return [
          ...this.filterSettings(namespace, link),
          setting('link4', link, Conf4.ACCEPT_LOCAL, 1, 'net.ipv4.conf.%.accept_local', link),
          setting('link4', link, Conf4.ROUTE_LOCALNET, 1, 'net.ipv4.conf.%.route_localnet', link),
        ];
      default:
        return [];
    }
  }

  /** ip_forward sets that of every link, unless it is set already. IPv6 asks for none but that of all. */
  private forwardingKey(namespace: Namespace): string {
    const isOn = this.inet.conf.all4[namespace * Conf4.COUNT + Conf4.FORWARDING] !== 0;
    return isOn ? 'net.ipv4.conf.%.forwarding' : 'net.ipv4.ip_forward';
  }

  /** The greater one of `all` and the link's counts: where both are set one alone can only make it loose. */
  private filterSettings(namespace: Namespace, link: Link): Change[] {
    const { conf } = this.inet;
    const own = conf.of4(link, Conf4.RP_FILTER);
    const all = conf.all4[namespace * Conf4.COUNT + Conf4.RP_FILTER];
    if (own === 0 && all === 0) return [];
    const name = 'net.ipv4.conf.%.rp_filter';
    if (all === 0) return [setting('link4', link, Conf4.RP_FILTER, 0, name, link)];
    if (own === 0) return [setting('all4', namespace, Conf4.RP_FILTER, 0, 'net.ipv4.conf.all.rp_filter', 0)];
    return own === 2 ? [] : [setting('link4', link, Conf4.RP_FILTER, 2, name, link)];
  }

  private change(change: Change, namespace: Namespace): Undo {
    const { inet, netfilter } = this;
    switch (change.kind) {
      case 'rule':
        return swapped(netfilter.rules.rows, (change.rule << Rule.SHIFT) + Rule.TARGET, Target.CONTINUE);
      case 'policy': {
        const { words } = netfilter.rules.chains;
        const at = (change.chain << Chain.SHIFT) + Chain.FLAGS;
        return swapped(words, at, words[at] & ~ChainFlag.DROP);
      }
      case 'flows':
        return swapped(netfilter.conntrack.settings, (namespace << CtSetting.SHIFT) + CtSetting.MAX, 0);
      case 'up':
        return swapped(inet.links.flags, change.link, inet.links.flags[change.link] | LinkFlag.UP);
      default: {
        const { table, row, key, value } = change;
        return swapped(inet.conf[table], row * columnsOf(table) + key, value);
      }
    }
  }
}

function swapped(words: { [at: number]: number }, at: number, value: number): Undo {
  const before = words[at];
  words[at] = value;
  return () => {
    words[at] = before;
  };
}

function columnsOf(table: ConfTable): number {
  return table === 'link4' || table === 'all4' ? Conf4.COUNT : Conf6.COUNT;
}

function setting(table: ConfTable, row: number, key: number, value: number, sysctl: string, link: Link): Change {
  return { kind: 'setting', table, row, key, value, sysctl, link };
}

/** The rule, or the policy, that the packet itself met last. */
function verdictOf(steps: readonly WalkStep[]): Change[] {
  for (let i = steps.length - 1; i >= 0; i--) {
    const step = steps[i];
    if (step.answer !== 0) continue;
    if (step.kind === 'policy') return [{ kind: 'policy', chain: step.chain }];
    if (step.kind === 'rule') return [{ kind: 'rule', rule: step.rule, chain: step.chain }];
  }
  return [];
}

function walkOf(steps: WalkStep[]): Walk {
  const walk: Walk = { steps, end: 'other', reason: DropReason.NONE, out: 0, remedies: [] };
  for (const step of steps) {
    if (step.answer !== 0) continue;
    if (step.kind === 'drop') {
      walk.end = 'dropped';
      walk.reason = step.reason;
    } else if (step.kind === 'left') {
      walk.end = 'left';
      walk.out = step.out;
    } else if (step.kind === 'delivered' || step.kind === 'held') walk.end = step.kind;
  }
  return walk;
}

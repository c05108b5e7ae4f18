/*
 * `explain`: what would become of a packet, step by step. The engine tries it out (explain-frame.ts) and answers with numbers; here they get
 * names, rules their text, and what the tables say is put between: the route and the neighbour.
 *
 *   request ─► frame ─► engine ─► events ─► teller ─► ExplainSteps
 */
import { DROP_NAME, DROP_TEXT, DropReason } from '../core/drop.js';
import type { SluiceError } from '../core/errors.js';
import type { Change, TupleText, WalkStep } from '../netfilter/explain-steps.js';
import { Family, Hook, Target, Verdict } from '../netfilter/rule.js';
import { describe } from '../wire/describe.js';
import type { ExplainRequest, ExplainStep, PacketEnds } from './api/explain.js';
import type { NeighbourInfo } from './api/neighbour.js';
import type { RouteInfo } from './api/route.js';
import { infoOf } from './conntrack-row.js';
import type { EngineThread } from './engine-thread.js';
import type { FrameEvent, FrameWalk } from './explain-frame.js';
import { checkAddress, frame, macOf, makePacket, readHex, refuse, tupleOf } from './explain-packet.js';
import { deletion, noRouteText, refusingRoute, routeText } from './explain-route.js';
import { isGroup, StationFinder } from './explain-stations.js';
import type { InetControl } from './inet/inet-control.js';
import { chainNumbered, ruleNumbered, ruleText } from './iptables/find.js';
import type { Chain } from './iptables/model.js';
import type { Link } from './link.js';
import type { Namespace } from './namespaces.js';
import type { NeighbourControl } from './neighbours.js';
import type { NetfilterControl } from './netfilter.js';
import type { Network } from './network.js';
import { Stations } from './stations.js';

export interface ExplainParts {
  network: Network;
  engine: EngineThread;
  inet: InetControl;
  neighbours: NeighbourControl;
  netfilter: NetfilterControl;
}

const HOOK_NAMES: Record<number, string> = {
  [Hook.PREROUTING]: 'PREROUTING',
  [Hook.INPUT]: 'INPUT',
  [Hook.FORWARD]: 'FORWARD',
  [Hook.OUTPUT]: 'OUTPUT',
  [Hook.POSTROUTING]: 'POSTROUTING',
};

/** Depths of what is within a hook, within a table, and of an answer's hooks. */
const IN_HOOK = 1;
const IN_TABLE = 2;
const IN_ANSWER = 2;

export class ExplainControl {
  private readonly finder: StationFinder;

  constructor(private readonly parts: ExplainParts) {
    const { network, engine, inet, neighbours } = parts;
    this.finder = new StationFinder({ inet, neighbours, stations: new Stations(network, engine) });
  }

  async execute(request: ExplainRequest, namespace: Namespace): Promise<ExplainStep[]> {
    const { engine } = this.parts;
    const asked =
      request.frame === undefined ? await this.packetOf(request, namespace) : this.frameOf(request, namespace);
    const walk =
      asked.link === undefined
        ? await engine.call('explainPacket', namespace.number, asked.bytes)
        : await engine.call('explainFrame', asked.link.number, asked.bytes);
    const end = this.parts.network.byNumber(walk.link)?.namespace;
    return new Teller(this.parts, this.finder, end ?? asked.link?.namespace ?? namespace, walk).tell(asked);
  }

  private frameOf({ dev, frame: digits = '' }: ExplainRequest, namespace: Namespace): Asked {
    if (dev === undefined) return refuse('the frame', 'it comes by no link', 'name one with -i');
    return { link: this.parts.network.get(dev, 'explain frames of', namespace), bytes: readHex(digits) };
  }

  /** With a link the packet comes in by it; without one by that which leads to its source, or it is made here. */
  private async packetOf(request: ExplainRequest, namespace: Namespace): Promise<Asked> {
    const { to } = request;
    if (to === undefined) return refuse('a packet', 'it goes nowhere', 'name an address with --to, or give a frame');
    checkAddress(to);
    const from = request.from ?? (await this.sourceTo(to, namespace));
    const packet = makePacket(request, from, to);
    const link =
      request.dev === undefined
        ? await this.linkOf(from, namespace)
        : this.parts.network.get(request.dev, 'explain packets of', namespace);
    if (link === undefined) return { link, bytes: packet };
    const { mac, isAssumed } = await this.finder.stationOf(link, to);
    return { link, bytes: frame(packet, mac), ...(isAssumed && { assumed: mac }) };
  }

  /** Where no route leads, any address of ours: the packet gets no further in any case. */
  private async sourceTo(to: string, namespace: Namespace): Promise<string> {
    const request = { op: 'route.get', family: familyOf(to), dst: to } as const;
    try {
      const { prefsrc } = await this.parts.inet.getRoute(namespace, request);
      if (prefsrc !== undefined) return prefsrc;
    } catch (error) {
      const own = this.ownAddress(familyOf(to), namespace);
      if (own === undefined) throw error;
      return own;
    }
    return refuse(`packets to ${to}`, 'no address of ours would be their source', 'name one with --from');
  }

  /** Of a link that is up, the one of the widest scope. */
  private ownAddress(family: 4 | 6, namespace: Namespace): string | undefined {
    return [...namespace.links.values()]
      .filter(({ isUp }) => isUp)
      .flatMap((link) => this.parts.inet.addressesOf(link))
      .filter(({ local, tentative }) => familyOf(local) === family && tentative !== true)
      .sort((a, b) => a.scope - b.scope)[0]?.local;
  }

  /** Undefined: the address is one of ours. */
  private async linkOf(from: string, namespace: Namespace): Promise<Link | undefined> {
    const { inet } = this.parts;
    const route = await inet
      .getRoute(namespace, { op: 'route.get', family: familyOf(from), dst: from })
      .catch(() => refuse(`packets from ${from}`, 'no route says by which link they come', 'name it with -i'));
    const name = route.nexthops[0]?.dev;
    const link = name === undefined ? undefined : namespace.links.get(name);
    return route.type === 'local' || link?.kind === 'lo' ? undefined : link;
  }
}

interface Asked {
  /** Undefined: made here. */
  link: Link | undefined;
  /** A frame, or of what is made here a packet. */
  bytes: Uint8Array;
  /** The MAC that it is for; nothing says that its destination has it. */
  assumed?: string;
}

/** Puts one walk into words. */
class Teller {
  private readonly steps: ExplainStep[] = [];
  private isRouted = false;
  private tuple: TupleText | undefined;
  private route: RouteInfo | undefined;
  /** The route that says no, and what leads there without it. */
  private refusal: Awaited<ReturnType<typeof refusingRoute>>;
  /** It leaves by a bridge that passes it to no port. */
  private isLost = false;
  /** Chains that the packet is in, by answer. */
  private readonly chains: number[][] = [];
  private in: string | undefined;

  constructor(
    private readonly parts: ExplainParts,
    private readonly finder: StationFinder,
    private readonly namespace: Namespace,
    private readonly walk: FrameWalk,
  ) {}

  async tell({ link, bytes, assumed }: Asked): Promise<ExplainStep[]> {
    const { walk } = this;
    const note =
      assumed === undefined ? '' : `; for ${assumed}, which is assumed: nothing here says who its destination is`;
    const text = packetText(link === undefined ? frame(bytes, '') : bytes);
    this.push({ step: 'packet', depth: 0, text: `${text}${note}` });
    if (link === undefined) this.tuple = tupleOf(bytes);
    for (const event of walk.front) this.front(event);
    for (const step of walk.steps) await this.one(step);
    if (walk.steps.length === 0 && walk.reason !== DropReason.NONE) this.drop(walk.reason, 0);
    if (walk.end === 'left' && !this.isBridged) await this.leave();
    this.end();
    for (const change of walk.remedies) this.remedy(change);
    if (isRefusal(walk.reason)) this.routeRemedy();
    return this.steps;
  }

  private push(step: ExplainStep, answer = 0): void {
    const isWithin = answer > 0 && step.step !== 'answer';
    this.steps.push(answer === 0 ? step : { ...step, depth: step.depth + (isWithin ? IN_ANSWER : 0), answer });
  }

  private nameOf(link: number): string {
    return this.linkOf(link)?.name ?? `link ${link}`;
  }

  private linkOf(link: number): Link | undefined {
    return this.parts.network.byNumber(link);
  }

  /** It stays within a bridge. */
  private get isBridged(): boolean {
    const last = this.walk.front[this.walk.front.length - 1];
    return last?.kind === 'bridge' && !last.isLocal;
  }

  // --- before the stack --------------------------------------------------------------------------

  private front(event: FrameEvent): void {
    if (event.kind === 'link') {
      const link = this.linkOf(event.link);
      const kind = link === undefined ? '' : `, ${link.kind}`;
      const dev = this.nameOf(event.link);
      this.push({
        step: 'link',
        depth: 0,
        dev,
        text: `comes in by ${dev}${kind}, which is ${event.isUp ? 'up' : 'down'}`,
      });
    } else if (event.kind === 'vlan') {
      const to = this.nameOf(event.to);
      const id = this.linkOf(event.to)?.vlan?.id;
      this.push({
        step: 'vlan',
        depth: 0,
        dev: to,
        text: `its tag is that of ${to} (id ${id}): it goes there, untagged`,
      });
    } else this.bridge(event);
  }

  private bridge({ bridge, port, to, isLocal, isKnown, isAsked }: FrameEvent & { kind: 'bridge' }): void {
    const dev = this.nameOf(bridge);
    const names = to.map((link) => this.nameOf(link));
    const ports = names.length === 0 ? 'no other port' : names.join(', ');
    let text = `${this.nameOf(port)} is a port of ${dev}; `;
    if (isLocal && isKnown) text += `the frame is for ${dev} itself`;
    else if (isLocal) text += `the frame is for a group: to ${ports}, and to ${dev} itself`;
    else if (isKnown) text += `its destination is a station behind ${ports}`;
    else text += `nobody knows its destination: it is flooded to ${ports}`;
    if (isAsked) text += '; bridged packets pass iptables (bridge-nf-call), which is not shown';
    this.push({ step: 'bridge', depth: 0, dev, text });
  }

  // --- in the stack ------------------------------------------------------------------------------

  private async one(step: WalkStep): Promise<void> {
    const { answer } = step;
    switch (step.kind) {
      case 'hook':
        if (answer === 0) await this.routeBefore(step.hook, step.tuple);
        if (answer === 0 && step.in > 0) this.in = this.nameOf(step.in);
        return this.hook(step);
      case 'table':
        return this.table(step);
      case 'rule':
        return this.rule(step);
      case 'end':
        this.chains[answer]?.pop();
        return;
      case 'policy':
        return this.policy(step);
      case 'flow':
        return this.flow(step);
      case 'nat':
        return this.nat(step);
      case 'log':
        return this.push({ step: 'log', depth: IN_TABLE + 1, text: `would write: ${step.line}` }, answer);
      case 'answer':
        if (isOfRoute(this.walk.reason)) await this.lookUpOnce();
        return this.push({ step: 'answer', depth: IN_HOOK, text: step.text }, answer);
      case 'drop':
        if (answer === 0 && isOfRoute(step.reason)) await this.lookUpOnce();
        return this.drop(step.reason, answer);
      case 'held':
        return this.push({ step: 'held', depth: IN_HOOK, text: heldText(answer) }, answer);
      case 'looped':
        return this.push({
          step: 'link',
          depth: 0,
          dev: this.nameOf(step.lo),
          text: 'it is for this host itself: it comes in again, by lo',
        });
      case 'left':
        if (answer > 0)
          this.push(
            {
              step: 'end',
              depth: IN_HOOK,
              result: 'left',
              out: this.nameOf(step.out),
              text: `leaves by ${this.nameOf(step.out)}`,
            },
            answer,
          );
        return;
      default:
        if (answer > 0)
          this.push({ step: 'end', depth: IN_HOOK, result: 'delivered', text: 'gets to this host' }, answer);
    }
  }

  private hook({ hook, in: from, out, answer }: WalkStep & { kind: 'hook' }): void {
    const ends = { ...(from > 0 && { in: this.nameOf(from) }), ...(out > 0 && { out: this.nameOf(out) }) };
    const text = [ends.in === undefined ? '' : `in ${ends.in}`, ends.out === undefined ? '' : `out ${ends.out}`];
    const name = HOOK_NAMES[hook];
    this.push({ step: 'hook', depth: 0, hook: name, ...ends, text: text.filter(Boolean).join(' ') }, answer);
  }

  private chainOf(number: number): Chain | undefined {
    const { iptables } = this.parts.netfilter;
    const { number: namespace } = this.namespace;
    return (
      chainNumbered(iptables.ruleset(namespace, Family.IPV4), number) ??
      chainNumbered(iptables.ruleset(namespace, Family.IPV6), number)
    );
  }

  private table({ chain: number, answer }: WalkStep & { kind: 'table' }): void {
    const chain = this.chainOf(number);
    this.chains[answer] = [number];
    if (chain === undefined) return;
    const table = chain.table.kind.name;
    this.push({ step: 'table', depth: IN_HOOK, table, chain: chain.name, text: `chain ${chain.name}` }, answer);
  }

  /** Within how many chains a chain is. */
  private depthOf(chain: number, answer: number): number {
    this.chains[answer] ??= [];
    const open = this.chains[answer];
    const at = open.indexOf(chain);
    if (at >= 0) open.length = at + 1;
    else open.push(chain);
    return IN_TABLE + open.length - 1;
  }

  private rule(step: WalkStep & { kind: 'rule' }): void {
    const { answer } = step;
    const depth = this.depthOf(step.chain, answer);
    const chain = this.chainOf(step.chain);
    const found = chain === undefined ? undefined : ruleNumbered(chain, step.rule);
    const verdict = verdictOf(step, found?.rule.jump.name);
    const rule = found === undefined ? `rule ${step.rule}, which is gone` : ruleText(found);
    const marked = step.mark === undefined || step.verdict === undefined ? '' : `, mark ${hex(step.mark)}`;
    const isSaid = verdict !== 'CONTINUE' && (verdict !== 'DROP' || rule.endsWith(' DROP'));
    const result = verdict === 'CONTINUE' ? ' → goes on' : ` → ${verdict}`;
    if (step.target === Target.RETURN) this.chains[answer].pop();
    this.push(
      {
        step: 'rule',
        depth,
        ...(chain !== undefined && { table: chain.table.kind.name, chain: chain.name }),
        ...(found !== undefined && { number: found.position }),
        rule,
        verdict,
        ...(marked !== '' && { mark: (step.mark ?? 0) >>> 0 }),
        text: `${rule}${isSaid ? '' : result}${marked}`,
      },
      answer,
    );
  }

  private policy({ chain: number, verdict, answer }: WalkStep & { kind: 'policy' }): void {
    const name = verdict === Verdict.DROP ? 'DROP' : 'ACCEPT';
    const chain = this.chainOf(number);
    const of = chain === undefined ? {} : { table: chain.table.kind.name, chain: chain.name };
    this.push(
      { step: 'policy', depth: IN_TABLE, ...of, verdict: name, text: `policy of ${of.chain}: ${name}` },
      answer,
    );
  }

  private flow({ state, isReply, isNew, row, answer }: WalkStep & { kind: 'flow' }): void {
    const flow = row === undefined ? undefined : infoOf(row, 0, Date.now() * 1000);
    let text: string = state;
    if (state === 'INVALID') text += ': it belongs to no flow and cannot begin one';
    else if (state === 'UNTRACKED') text += ': a rule says not to track it';
    else if (isNew && answer > 0 && state !== 'NEW') text += ": it belongs to the packet's flow";
    else if (isNew)
      text += state === 'RELATED' ? ': it would begin a flow that another has announced' : ': it would begin a flow';
    else if (flow !== undefined)
      text += `: ${isReply ? 'an answer' : 'a packet'} of flow ${flow.id}${flow.state === undefined ? '' : `, ${flow.state}`}`;
    if (flow !== undefined && !isNew) text += `, ${endsText(flow.original)}, answers ${endsText(flow.reply)}`;
    this.push({ step: 'conntrack', depth: IN_HOOK, state, ...(flow !== undefined && { flow }), text }, answer);
  }

  private nat({ before, after, answer }: WalkStep & { kind: 'nat' }): void {
    const [from, to] = [endsOf(before), endsOf(after)];
    const parts = [];
    const isSourceSame = from.src === to.src && from.sport === to.sport;
    if (!isSourceSame) parts.push(`source ${hostText(from.src, from.sport)} → ${hostText(to.src, to.sport)}`);
    const isDestinationSame = from.dst === to.dst && from.dport === to.dport;
    if (!isDestinationSame) parts.push(`destination ${hostText(from.dst, from.dport)} → ${hostText(to.dst, to.dport)}`);
    this.push({ step: 'nat', depth: IN_HOOK, before: from, after: to, text: parts.join(', ') }, answer);
    // That is what it is routed by.
    if (answer === 0) this.tuple = after;
  }

  // --- route and neighbour -----------------------------------------------------------------------

  /** The route has been looked up before these hooks. */
  private async routeBefore(hook: Hook, tuple: TupleText): Promise<void> {
    this.tuple = tuple;
    const isFirst = !this.isRouted && (hook === Hook.INPUT || hook === Hook.FORWARD || hook === Hook.OUTPUT);
    if (isFirst) await this.lookUp(tuple);
  }

  private async lookUp({ family, source, destination, mark, tos, protocol }: TupleText): Promise<void> {
    this.isRouted = true;
    const iif = this.in;
    const request = {
      op: 'route.get',
      family,
      dst: destination,
      from: source,
      mark,
      tos,
      ipproto: protocol,
      ...(iif !== undefined && { iif }),
    } as const;
    const { inet } = this.parts;
    try {
      this.route = await inet.getRoute(this.namespace, request);
      const entry = await inet.getRoute(this.namespace, { ...request, fibmatch: true }).catch(() => undefined);
      this.push({ step: 'route', depth: 0, route: this.route, text: routeText(this.route, entry) });
    } catch (error) {
      const { errno } = error as SluiceError;
      this.refusal = await refusingRoute(inet, this.namespace, family, destination, errno);
      const route = this.refusal?.route;
      this.push({
        step: 'route',
        depth: 0,
        ...(route !== undefined && { route }),
        text: noRouteText(destination, route, error),
      });
    }
  }

  /** Of a packet that gets no further than its route. */
  private async lookUpOnce(): Promise<void> {
    if (!this.isRouted && this.tuple !== undefined) await this.lookUp(this.tuple);
  }

  /** It leaves: who gets it at the link layer, and where the link leads. */
  private async leave(): Promise<void> {
    const link = this.linkOf(this.walk.out);
    if (link === undefined || this.tuple === undefined) return;
    const { destination } = this.tuple;
    const type = this.route?.type;
    const isForGroup = type === 'broadcast' || type === 'multicast' || isGroup(destination);
    const mac = isForGroup ? macOf(destination) : await this.neighbour(link, destination);
    for (const { link: at, text, isLost } of await this.finder.waysFrom(link, mac)) {
      this.push({ step: 'link', depth: 0, dev: at.name, text });
      this.isLost = isLost;
    }
  }

  /** Who gets it at the link layer; undefined: he would be asked for. */
  private async neighbour(link: Link, destination: string): Promise<string | undefined> {
    const hop = this.route?.nexthops[0];
    const address = hop?.dev === link.name && hop.gateway !== undefined ? hop.gateway : destination;
    const known = await this.parts.neighbours.list({ family: familyOf(address) }, this.namespace);
    const neighbour = known.find(({ dst, dev }) => dst === address && dev === link.name);
    this.push({
      step: 'neighbour',
      depth: 0,
      dev: link.name,
      ...(neighbour !== undefined && { neighbour }),
      text: neighbourText(address, link, neighbour),
    });
    return neighbour?.lladdr;
  }

  // --- the end -----------------------------------------------------------------------------------

  private drop(reason: DropReason, answer: number): void {
    if (reason === DropReason.NONE || reason === DropReason.COUNT) return;
    // What is made here is told no more than that there is no way.
    const type = reason === DropReason.NO_ROUTE && answer === 0 ? this.refusal?.route.type : undefined;
    const text = type === undefined ? DROP_TEXT[reason] : `its route, of type ${type}, refuses it`;
    this.push({ step: 'drop', depth: 0, reason: DROP_NAME[reason], text }, answer);
  }

  private end(): void {
    const { walk } = this;
    const out = walk.out > 0 ? { out: this.nameOf(walk.out) } : {};
    const texts: Record<FrameWalk['end'], string> = {
      delivered: 'it gets to this host',
      left: this.isBridged ? this.bridgedText : `it leaves by ${out.out}${this.isLost ? ', and gets no further' : ''}`,
      dropped: 'it is dropped',
      held: 'it waits for the other fragments of its datagram',
      other: 'it is ARP: its link answers it or not, and it passes no hook',
    };
    this.push({ step: 'end', depth: 0, result: walk.end, ...out, text: texts[walk.end] });
  }

  private get bridgedText(): string {
    const isAsked = this.walk.front.some((event) => event.kind === 'bridge' && event.isAsked);
    return isAsked ? 'it is bridged, unless iptables drops it (bridge-nf-call)' : 'it is bridged';
  }

  /** It need not pass without the route: rules may drop it then. */
  private routeRemedy(): void {
    if (this.refusal === undefined) return;
    const { route, other } = this.refusal;
    const command = `${this.program} ${deletion(route)}`;
    const text =
      other === undefined
        ? 'another route led there, in place of the route that refuses it'
        : `it would go on by ${routeText(other, undefined)} without the route that refuses it`;
    this.push({ step: 'remedy', depth: 0, command, text: `${text}: ${command}` });
  }

  private get program(): string {
    const { isHost, name } = this.namespace;
    return isHost ? 'sluice' : `sluice -n ${name}`;
  }

  /** What alone would have let it pass. */
  private remedy(change: Change): void {
    const [text, command] = this.changeText(change);
    this.push({ step: 'remedy', depth: 0, command, text: `it would pass ${text}: ${command}` });
  }

  private changeText(change: Change): [text: string, command: string] {
    const { program } = this;
    switch (change.kind) {
      case 'rule': {
        const chain = this.chainOf(change.chain);
        const found = chain === undefined ? undefined : ruleNumbered(chain, change.rule);
        if (chain === undefined || found === undefined) return ['without that rule', ''];
        const of = `-t ${chain.table.kind.name}`;
        return [
          `without rule ${found.position} of ${chain.name}`,
          `${program} ${toolOf(chain)} ${of} -D ${chain.name} ${found.position}`,
        ];
      }
      case 'policy': {
        const chain = this.chainOf(change.chain);
        if (chain === undefined) return ['with another policy', ''];
        return [
          `if the policy of ${chain.name} were ACCEPT`,
          `${program} ${toolOf(chain)} -t ${chain.table.kind.name} -P ${chain.name} ACCEPT`,
        ];
      }
      case 'setting': {
        const key = change.sysctl.replace('%', this.nameOf(change.link));
        return [`with ${key} = ${change.value}`, `${program} sysctl -w ${key}=${change.value}`];
      }
      case 'flows':
        return ['if there were room for another flow', `${program} sysctl -w ${change.sysctl}=N, N greater than now`];
      default:
        return [`if ${this.nameOf(change.link)} were up`, `${program} ip link set ${this.nameOf(change.link)} up`];
    }
  }
}

function toolOf(chain: Chain): string {
  return chain.table.ruleset.family === Family.IPV6 ? 'ip6tables' : 'iptables';
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

function packetText(bytes: Uint8Array): string {
  return describe(bytes, 0, bytes.length);
}

function heldText(answer: number): string {
  return answer === 0 ? 'a fragment: it waits for the others of its datagram' : 'it goes no further';
}

function hex(mark: number): string {
  return `0x${(mark >>> 0).toString(16)}`;
}

/** What a rule has done: its target's name, where it leads, or that it only counts. */
function verdictOf(step: WalkStep & { kind: 'rule' }, name: string | undefined): string {
  if (step.target === Target.ACCEPT) return 'ACCEPT';
  if (step.target === Target.DROP) return 'DROP';
  if (step.target === Target.RETURN) return 'RETURN';
  if (step.to !== 0) return name ?? 'chain';
  if (step.target === Target.CONTINUE || step.verdict === Verdict.CONTINUE) return 'CONTINUE';
  if (step.verdict === Verdict.ACCEPT) return 'ACCEPT';
  return name === 'REJECT' ? name : 'DROP';
}

function endsOf({ source, destination, sourcePort, destinationPort }: TupleText): PacketEnds {
  return {
    src: source,
    dst: destination,
    ...(sourcePort !== undefined && { sport: sourcePort }),
    ...(destinationPort !== undefined && { dport: destinationPort }),
  };
}

function hostText(address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function endsText({ src, dst, sport, dport }: PacketEnds): string {
  return `${hostText(src, sport)} to ${hostText(dst, dport)}`;
}

/** Whether the route, or what it says of the source, is why a packet got no further. */
function isOfRoute(reason: DropReason): boolean {
  return reason >= DropReason.RP_FILTER && reason <= DropReason.TOO_BIG && reason !== DropReason.NOT_UNICAST_LINK;
}

/** Whether a route may have said no. */
function isRefusal(reason: DropReason): boolean {
  return reason >= DropReason.NO_ROUTE && reason <= DropReason.PROHIBITED;
}

function neighbourText(address: string, link: Link, neighbour: NeighbourInfo | undefined): string {
  const state = neighbour?.state.toUpperCase();
  if (neighbour?.lladdr !== undefined) return `${address} on ${link.name} is ${neighbour.lladdr} (${state})`;
  if (neighbour?.state === 'failed')
    return `${address} on ${link.name} did not answer (FAILED): it would be asked again`;
  return `${address} on ${link.name} is not known yet: it would be asked for`;
}

/*
 * What few flows have, by the flow's number: mark, labels, helper, master, account, time of birth and events that are told (nf_conntrack_extend.c of Linux).
 *
 * A flow's KindFlag, of the helper Status.HELPER, says that it has one: whoever sets one sets the flag, and whoever asks for one that is not there
 * reads 0. Nobody is told here: events are conntrack's.
 */
import { Account, Aside } from './aside.js';
import { type FlowStores, familyOf } from './flow-stores.js';
import { Flow, type FlowNumber, KindFlag, Status } from './flows.js';

type Asides = readonly [Aside, Aside];

export class Extensions {
  private readonly accounts: readonly [Account, Account];
  private readonly marks: Asides;
  private readonly labels: Asides;
  private readonly masters: Asides;
  private readonly helpers: Asides;
  private readonly starts: Asides;
  private readonly events: Asides;

  constructor(private readonly stores: FlowStores) {
    const [flows4, flows6] = stores.flows;
    this.accounts = [new Account(flows4), new Account(flows6)];
    this.marks = [new Aside(flows4, 1), new Aside(flows6, 1)];
    this.labels = [new Aside(flows4, 4), new Aside(flows6, 4)];
    this.masters = [new Aside(flows4, 1), new Aside(flows6, 1)];
    this.helpers = [new Aside(flows4, 1), new Aside(flows6, 1)];
    this.starts = [new Aside(flows4, 1), new Aside(flows6, 1)];
    this.events = [new Aside(flows4, 1), new Aside(flows6, 1)];
  }

  private set(asides: Asides, flow: FlowNumber, flag: number, word: number, value: number): void {
    const { stores } = this;
    asides[familyOf(flow)].set(flow & Flow.NUMBER_MASK, word, value);
    stores.wordsOf(flow)[stores.at(flow) + Flow.KIND] |= flag;
  }

  mark(flow: FlowNumber): number {
    if ((this.stores.word(flow, Flow.KIND) & KindFlag.HAS_MARK) === 0) return 0;
    return this.marks[familyOf(flow)].get(flow & Flow.NUMBER_MASK);
  }

  setMark(flow: FlowNumber, mark: number): void {
    this.set(this.marks, flow, KindFlag.HAS_MARK, 0, mark);
  }

  /** 32 of the 128 label bits. */
  label(flow: FlowNumber, word: number): number {
    if ((this.stores.word(flow, Flow.KIND) & KindFlag.HAS_LABELS) === 0) return 0;
    return this.labels[familyOf(flow)].get(flow & Flow.NUMBER_MASK, word);
  }

  setLabel(flow: FlowNumber, word: number, bits: number): void {
    this.set(this.labels, flow, KindFlag.HAS_LABELS, word, bits);
  }

  /** The flow that announced this one; 0: none did, or it is over. */
  master(flow: FlowNumber): FlowNumber {
    if ((this.stores.word(flow, Flow.KIND) & KindFlag.HAS_MASTER) === 0) return 0;
    const master = this.masters[familyOf(flow)].get(flow & Flow.NUMBER_MASK);
    return this.stores.isFlow(master) ? master : 0;
  }

  setMaster(flow: FlowNumber, master: FlowNumber): void {
    this.set(this.masters, flow, KindFlag.HAS_MASTER, 0, master);
  }

  /** Helper of a flow (flow-row.ts). */
  helper(flow: FlowNumber): number {
    if ((this.stores.word(flow, Flow.STATUS) & Status.HELPER) === 0) return 0;
    return this.helpers[familyOf(flow)].get(flow & Flow.NUMBER_MASK);
  }

  /** Helper.NONE leaves it with what it has. */
  setHelper(flow: FlowNumber, helper: number): void {
    if (helper === 0) return;
    this.stores.addStatus(flow, Status.HELPER);
    this.helpers[familyOf(flow)].set(flow & Flow.NUMBER_MASK, 0, helper);
  }

  /** When a flow began, ms of `now`; 0: nobody noted it. */
  start(flow: FlowNumber): number {
    if ((this.stores.word(flow, Flow.KIND) & KindFlag.HAS_TIMESTAMP) === 0) return 0;
    return this.starts[familyOf(flow)].get(flow & Flow.NUMBER_MASK);
  }

  /** Nothing is noted of a flow without KindFlag.HAS_TIMESTAMP. */
  noteStart(flow: FlowNumber, now: number): void {
    if ((this.stores.word(flow, Flow.KIND) & KindFlag.HAS_TIMESTAMP) === 0) return;
    this.starts[familyOf(flow)].set(flow & Flow.NUMBER_MASK, 0, now);
  }

  /** CtEvent bits that listeners hear of: all, unless the CT target said which. */
  eventMask(flow: FlowNumber): number {
    if ((this.stores.word(flow, Flow.KIND) & KindFlag.HAS_EVENTS) === 0) return -1;
    return this.events[familyOf(flow)].get(flow & Flow.NUMBER_MASK);
  }

  /** 0 leaves it at all. */
  setEventMask(flow: FlowNumber, events: number): void {
    if (events !== 0) this.set(this.events, flow, KindFlag.HAS_EVENTS, 0, events);
  }

  /** Counts packets of a flow that has KindFlag.HAS_ACCOUNT. */
  addAccount(flow: FlowNumber, direction: number, packets: number, bytes: number): void {
    this.accounts[familyOf(flow)].add(flow & Flow.NUMBER_MASK, direction, packets, bytes);
  }

  packets(flow: FlowNumber, direction: number): number {
    if ((this.stores.word(flow, Flow.KIND) & KindFlag.HAS_ACCOUNT) === 0) return 0;
    return this.accounts[familyOf(flow)].packets(flow & Flow.NUMBER_MASK, direction);
  }

  bytes(flow: FlowNumber, direction: number): number {
    if ((this.stores.word(flow, Flow.KIND) & KindFlag.HAS_ACCOUNT) === 0) return 0;
    return this.accounts[familyOf(flow)].bytes(flow & Flow.NUMBER_MASK, direction);
  }

  /** The flow's row is given back. What is not zeroed here is written before its flag is set. */
  clear(flow: FlowNumber): void {
    const family = familyOf(flow);
    const index = flow & Flow.NUMBER_MASK;
    const kind = this.stores.word(flow, Flow.KIND);
    if ((kind & KindFlag.HAS_ACCOUNT) !== 0) this.accounts[family].clear(index);
    if ((kind & KindFlag.HAS_MARK) !== 0) this.marks[family].clear(index);
    if ((kind & KindFlag.HAS_LABELS) !== 0) this.labels[family].clear(index);
  }
}

/*
 * Capture filters: the expressions that tcpdump takes (pcap-filter(7)), for `sluice capture`.
 *
 *   text ─ filter-words ─► tokens ─ filter-parser ─► condition ─ compile ─► int32 words ─ matches ─► yes or no
 *                                     (filter-tree says what the words mean)
 *
 * Supported: host, net, port, portrange, proto, with src, dst and protocol before them; ether host; ether, ip, ip6, arp,
 * rarp, icmp, icmp6, igmp, tcp, udp, sctp, igrp, pim, vrrp, carp, ah, esp, stp alone; vlan [ID]; broadcast,
 * multicast; less, greater; and, or, not; and arithmetic on `protocol[index:width]` and `len`. The same frames match as
 * with tcpdump 4.99 and libpcap 1.10 on a file: tests compare them. Not supported, and refused by name: host and network
 * names, protochain, gateway, mpls, pppoe, geneve, inbound, outbound, llc, 802.11, ATM and what else is for
 * other link types.
 *
 * `matches` runs for every frame while somebody captures. It allocates nothing. A look at bytes that the frame does
 * not have, and a division by zero, end it with no.
 */
import { read16, read32 } from './field.js';
import { parseCondition } from './filter-parser.js';
import { Alu, type Condition, Relation, type Value } from './filter-tree.js';
import { refuse } from './filter-words.js';

/** Words of an instruction, from pc << WORD_SHIFT. */
const enum Word {
  OP = 0,
  /** Bytes loaded: 1, 2, 4; 0: the frame's length. */
  WIDTH = 1,
  OFFSET = 2,
  MASK = 3,
  /** A Relation, or an Alu. */
  HOW = 4,
  VALUE = 5,
  /** Instructions to go on with. */
  YES = 6,
  NO = 7,
}

/** log2 of an instruction's words. */
const WORD_SHIFT = 3;

const enum Op {
  /** (bytes & MASK) HOW VALUE → YES or NO. */
  TEST = 0,
  /** The same, OFFSET counted behind the IPv4 header that HEADER measured. */
  TEST_BEHIND = 1,
  /** Measures the IPv4 header at OFFSET. */
  HEADER = 2,
  PUSH = 3,
  PUSH_LENGTH = 4,
  /** Pops an index, pushes the bytes at index + OFFSET. */
  LOAD = 5,
  LOAD_BEHIND = 6,
  ALU = 7,
  NEGATE = 8,
  /** Pops right and left: left HOW right → YES or NO. */
  COMPARE = 9,
}

const enum Target {
  MATCH = -1,
  REJECT = -2,
}

/** Values that an expression can hold at a time. */
const STACK = 64;

export interface Filter {
  /** As it was given. */
  readonly text: string;
  readonly code: Int32Array;
}

/** Compiles a filter; '' matches everything. Throws a SluiceError that names the word and its position. */
export function parse(text: string): Filter {
  return { text, code: new Compiler(text).compile(parseCondition(text)) };
}

/** A place in the code that is not known yet. */
interface Label {
  at: number;
  uses: number[];
}

const newLabel = (): Label => ({ at: Target.MATCH, uses: [] });

class Compiler {
  private readonly text: string;
  private readonly words: number[] = [];

  constructor(text: string) {
    this.text = text;
  }

  compile(condition: Condition): Int32Array {
    const yes = newLabel();
    const no = newLabel();
    if (condition.op === 'always') return new Int32Array(0);
    this.condition(condition, yes, no);
    this.place(yes, Target.MATCH);
    this.place(no, Target.REJECT);
    return Int32Array.from(this.words);
  }

  private place(label: Label, at = this.words.length >> WORD_SHIFT): void {
    for (const use of label.uses) this.words[use] = at;
  }

  private emit(op: Op, width: number, offset: number, mask: number, how: number, value: number): void {
    this.words.push(op, width, offset, mask, how, value, 0, 0);
  }

  private branch(yes: Label, no: Label): void {
    const start = this.words.length - (1 << WORD_SHIFT);
    yes.uses.push(start + Word.YES);
    no.uses.push(start + Word.NO);
  }

  private condition(condition: Condition, yes: Label, no: Label): void {
    switch (condition.op) {
      case 'and':
      case 'or':
        this.pair(condition, yes, no);
        break;
      case 'not':
        this.condition(condition.of, no, yes);
        break;
      case 'compare':
        this.value(condition.left, 0);
        this.value(condition.right, 1);
        this.emit(Op.COMPARE, 0, 0, 0, condition.relation, 0);
        this.branch(yes, no);
        break;
      case 'test':
        this.test(condition);
        this.branch(yes, no);
    }
  }

  private pair({ op, left, right }: Condition & { op: 'and' | 'or' }, yes: Label, no: Label): void {
    const middle = newLabel();
    if (op === 'and') this.condition(left, middle, no);
    else this.condition(left, yes, middle);
    this.place(middle);
    this.condition(right, yes, no);
  }

  private test({ width, offset, ip, mask, relation, value }: Condition & { op: 'test' }): void {
    if (ip !== -1) this.emit(Op.HEADER, 1, ip, 0, 0, 0);
    this.emit(ip === -1 ? Op.TEST : Op.TEST_BEHIND, width, offset, mask, relation, value);
  }

  /** Leaves a value on the stack, on which `depth` lie already. */
  private value(value: Value, depth: number): void {
    if (depth >= STACK) refuse(this.text, 'too many values at a time', 0);
    switch (value.op) {
      case 'number':
        this.emit(Op.PUSH, 0, 0, 0, 0, value.value);
        break;
      case 'length':
        this.emit(Op.PUSH_LENGTH, 0, 0, 0, 0, 0);
        break;
      case 'negate':
        this.value(value.of, depth);
        this.emit(Op.NEGATE, 0, 0, 0, 0, 0);
        break;
      case 'alu':
        this.value(value.left, depth);
        this.value(value.right, depth + 1);
        this.emit(Op.ALU, 0, 0, 0, value.alu, 0);
        break;
      case 'load':
        this.value(value.index, depth);
        if (value.ip !== -1) this.emit(Op.HEADER, 1, value.ip, 0, 0, 0);
        this.emit(value.ip === -1 ? Op.LOAD : Op.LOAD_BEHIND, value.width, value.offset, 0, 0, 0);
    }
  }
}

const $stack = new Int32Array(STACK);

/**
 * Whether the frame at bytes[at … at + captured) matches. `length` is the whole frame's, for `len`, `less` and `greater`,
 * where only its front is at hand.
 */
export function matches(filter: Filter, bytes: Uint8Array, at: number, captured: number, length = captured): boolean {
  const { code } = filter;
  let top = -1;
  let header = 0;
  let pc = code.length === 0 ? Target.MATCH : 0;
  while (pc >= 0) {
    const word = pc << WORD_SHIFT;
    const op = code[word];
    const width = code[word + Word.WIDTH];
    let offset = code[word + Word.OFFSET];
    pc++;
    if (op === Op.LOAD || op === Op.LOAD_BEHIND) offset = (offset + $stack[top]) | 0;
    if (op === Op.TEST_BEHIND || op === Op.LOAD_BEHIND) offset = (offset + header) | 0;
    if (width !== 0 && (offset >>> 0) + width > captured) return false;
    switch (op) {
      case Op.TEST:
      case Op.TEST_BEHIND: {
        const found = (width === 0 ? length : load(bytes, at + offset, width)) & code[word + Word.MASK];
        const isTrue = holds(code[word + Word.HOW], found, code[word + Word.VALUE]);
        pc = code[word + (isTrue ? Word.YES : Word.NO)];
        break;
      }
      case Op.HEADER:
        header = (bytes[at + offset] & 15) << 2;
        break;
      case Op.PUSH:
        $stack[++top] = code[word + Word.VALUE];
        break;
      case Op.PUSH_LENGTH:
        $stack[++top] = length;
        break;
      case Op.LOAD:
      case Op.LOAD_BEHIND:
        $stack[top] = load(bytes, at + offset, width);
        break;
      case Op.ALU:
        top--;
        if (dividesByZero(code[word + Word.HOW], $stack[top + 1])) return false;
        $stack[top] = calculate(code[word + Word.HOW], $stack[top], $stack[top + 1]);
        break;
      case Op.NEGATE:
        $stack[top] = -$stack[top];
        break;
      default:
        top -= 2;
        pc = code[word + (holds(code[word + Word.HOW], $stack[top + 1], $stack[top + 2]) ? Word.YES : Word.NO)];
    }
  }
  return pc === Target.MATCH;
}

function load(bytes: Uint8Array, at: number, width: number): number {
  if (width === 1) return bytes[at];
  return width === 2 ? read16(bytes, at) : read32(bytes, at);
}

/** Unsigned, as all arithmetic here. */
function holds(relation: number, left: number, right: number): boolean {
  if (relation === Relation.EQUAL) return left === right;
  return relation === Relation.GREATER ? left >>> 0 > right >>> 0 : left >>> 0 >= right >>> 0;
}

function dividesByZero(alu: number, right: number): boolean {
  return right === 0 && (alu === Alu.DIVIDE || alu === Alu.MODULO);
}

function calculate(alu: number, left: number, right: number): number {
  switch (alu) {
    case Alu.ADD:
      return left + right;
    case Alu.SUBTRACT:
      return left - right;
    case Alu.MULTIPLY:
      return Math.imul(left, right);
    case Alu.DIVIDE:
      return ((left >>> 0) / (right >>> 0)) >>> 0;
    case Alu.MODULO:
      return (left >>> 0) % (right >>> 0);
    case Alu.AND:
      return left & right;
    case Alu.OR:
      return left | right;
    case Alu.XOR:
      return left ^ right;
    case Alu.SHIFT_LEFT:
      return right >>> 0 > 31 ? 0 : left << right;
    default:
      return right >>> 0 > 31 ? 0 : left >>> right;
  }
}

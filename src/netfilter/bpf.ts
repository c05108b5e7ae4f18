/*
 * -m bpf --bytecode: classic BPF over the IP packet, whose header is byte 0. The program holds where it returns anything but 0. Programs are
 * checked before they are loaded (`isValid`): jumps lead forward and inside, the last instruction returns, so every program ends.
 *
 * Of the kernel's ancillary loads (offsets from 0xfffff000 on) those that have a meaning here answer: protocol, packet type, link,
 * mark, hardware address's type, random; the others 0. SKF_NET_OFF counts from the IP header, too.
 */

import type { Packet } from '../core/packet.js';
import { Answer, answer } from './answer.js';
import { BpfOp } from './ops.js';
import type { Payload } from './payload.js';
import { Family } from './rule.js';

const enum Class {
  LD = 0,
  LDX = 1,
  ST = 2,
  STX = 3,
  ALU = 4,
  JMP = 5,
  RET = 6,
  MISC = 7,
}

const enum Mode {
  IMM = 0x00,
  ABS = 0x20,
  IND = 0x40,
  MEM = 0x60,
  LEN = 0x80,
  MSH = 0xa0,
  MASK = 0xe0,
}

const enum Size {
  W = 0x00,
  H = 0x08,
  B = 0x10,
  MASK = 0x18,
}

/** The operand is X, not k. */
const FROM_X = 0x08;
/** What a RET returns is the accumulator. */
const RETURN_A = 0x10;
const TAX = 0x00;

const ANCILLARY = -0x1000;
const NET_OFFSET = -0x100000;

/** Offsets of ancillary loads. */
const enum Ancillary {
  PROTOCOL = 0,
  PACKET_TYPE = 4,
  LINK = 8,
  MARK = 20,
  HARDWARE_TYPE = 28,
  RANDOM = 56,
}

/** What a program may ask about besides the packet's bytes. */
interface BpfFacts {
  mark: number;
  packetType: number;
  random(): number;
}

const MEMORY = 16;
const LONGEST = 64;

/** The word loaded last was outside of the packet, or the division by 0: the program is over and returns 0. */
let $isOver = false;

export class Bpf {
  private readonly $memory = new Int32Array(MEMORY);

  constructor(private readonly facts: BpfFacts) {}

  run(pool: Int32Array, at: number, packet: Packet, payload: Payload): Answer {
    const first = at + BpfOp.FIRST;
    let a = 0;
    let x = 0;
    $isOver = false;
    for (let pc = 0; pc < pool[at + BpfOp.COUNT]; pc++) {
      const word = pool[first + (pc << 1)];
      const k = pool[first + (pc << 1) + 1];
      const code = word & 0xffff;
      const kind = code & 7;
      if (kind === Class.RET) return answer(((code & 0x18) === RETURN_A ? a : k) !== 0);
      if (kind === Class.JMP) pc += jump(code, word, a, x, k);
      else if (kind === Class.LD) a = this.load(code, k, x, packet, payload);
      else if (kind === Class.LDX) x = this.loadIndex(code, k, payload);
      else if (kind === Class.ST) this.$memory[k] = a;
      else if (kind === Class.STX) this.$memory[k] = x;
      else if (kind === Class.ALU) a = compute(code, a, (code & FROM_X) !== 0 ? x : k);
      else if ((code & 0xf8) === TAX) x = a;
      else a = x;
      if ($isOver) return Answer.NO;
    }
    return Answer.NO;
  }

  private load(code: number, k: number, x: number, packet: Packet, payload: Payload): number {
    const mode = code & Mode.MASK;
    if (mode === Mode.IMM) return k;
    if (mode === Mode.MEM) return this.$memory[k];
    if (mode === Mode.LEN) return payload.length;
    const size = code & Size.MASK;
    if (mode === Mode.ABS && k < 0 && k >= ANCILLARY) return this.ancillary(k - ANCILLARY, packet);
    const place = mode === Mode.IND ? k + (x >>> 0) : k >= 0 ? k : k - NET_OFFSET;
    return loadBytes(payload, place, size);
  }

  private loadIndex(code: number, k: number, payload: Payload): number {
    const mode = code & Mode.MASK;
    if (mode === Mode.IMM) return k;
    if (mode === Mode.MEM) return this.$memory[k];
    if (mode === Mode.LEN) return payload.length;
    return (loadBytes(payload, k, Size.B) & 0xf) << 2;
  }

  private ancillary(offset: number, packet: Packet): number {
    const { facts } = this;
    if (offset === Ancillary.PROTOCOL) return packet.family === Family.IPV4 ? 0x0800 : 0x86dd;
    if (offset === Ancillary.PACKET_TYPE) return facts.packetType;
    if (offset === Ancillary.LINK) return Math.max(packet.in, packet.out);
    if (offset === Ancillary.MARK) return facts.mark;
    if (offset === Ancillary.HARDWARE_TYPE) return 1;
    return offset === Ancillary.RANDOM ? facts.random() : 0;
  }
}

function loadBytes(payload: Payload, place: number, size: number): number {
  const length = size === Size.W ? 4 : size === Size.H ? 2 : 1;
  if (!payload.has(place, length)) {
    $isOver = true;
    return 0;
  }
  if (length === 4) return payload.read32(place);
  return length === 2 ? payload.read16(place) : payload.byte(place);
}

/** How many instructions are skipped. */
function jump(code: number, word: number, a: number, x: number, k: number): number {
  const operation = code & 0xf0;
  if (operation === 0) return k;
  const operand = (code & FROM_X) !== 0 ? x : k;
  return isTrue(operation, a, operand) ? (word >>> 16) & 0xff : word >>> 24;
}

function isTrue(operation: number, a: number, operand: number): boolean {
  if (operation === 0x10) return a === operand;
  if (operation === 0x20) return a >>> 0 > operand >>> 0;
  return operation === 0x30 ? a >>> 0 >= operand >>> 0 : (a & operand) !== 0;
}

function compute(code: number, a: number, operand: number): number {
  switch (code & 0xf0) {
    case 0x00:
      return (a + operand) | 0;
    case 0x10:
      return (a - operand) | 0;
    case 0x20:
      return Math.imul(a, operand);
    case 0x30:
      return divide(a, operand, false);
    case 0x40:
      return a | operand;
    case 0x50:
      return a & operand;
    case 0x60:
      return operand >>> 0 > 31 ? 0 : a << operand;
    case 0x70:
      return operand >>> 0 > 31 ? 0 : (a >>> operand) | 0;
    case 0x80:
      return -a | 0;
    case 0x90:
      return divide(a, operand, true);
    default:
      return a ^ operand;
  }
}

function divide(a: number, operand: number, isRest: boolean): number {
  if (operand === 0) {
    $isOver = true;
    return 0;
  }
  const rest = (a >>> 0) % (operand >>> 0);
  return (isRest ? rest : ((a >>> 0) - rest) / (operand >>> 0)) | 0;
}

/** Whether a program of two words an instruction, as in BpfOp, may be run: bpf_check_classic. For control. */
export function isValid(words: readonly number[]): boolean {
  const count = words.length >> 1;
  if (count === 0 || count > LONGEST) return false;
  for (let pc = 0; pc < count; pc++) if (!isValidAt(words, pc, count)) return false;
  return (words[(count - 1) << 1] & 7) === Class.RET;
}

function isValidAt(words: readonly number[], pc: number, count: number): boolean {
  const word = words[pc << 1];
  const k = words[(pc << 1) + 1] | 0;
  const code = word & 0xffff;
  const kind = code & 7;
  if (!KNOWN.includes(code)) return false;
  if (kind === Class.ST || kind === Class.STX) return k >>> 0 < MEMORY;
  if ((kind === Class.LD || kind === Class.LDX) && (code & Mode.MASK) === Mode.MEM) return k >>> 0 < MEMORY;
  if (code === 0x34 || code === 0x94) return k !== 0;
  if (code === 0x64 || code === 0x74) return k >>> 0 < 32;
  if (kind !== Class.JMP) return true;
  if (code === 0x05) return k >>> 0 < count - pc - 1;
  return pc + ((word >>> 16) & 0xff) + 1 < count && pc + (word >>> 24) + 1 < count;
}

/** Every instruction that there is. */
const KNOWN = [
  ...[0x00, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x60, 0x80, 0x01, 0x61, 0x81, 0xb1, 0x02, 0x03],
  ...[0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84],
  ...[0x94, 0x9c, 0xa4, 0xac, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87],
];

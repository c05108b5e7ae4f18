/*
 * -m bpf: a program of the classic packet filter. One by the path of a pinned object is the kernel's own: there is none here.
 */
import { isValid } from '../../../netfilter/bpf.js';
import { Op } from '../../../netfilter/ops.js';
import type { Extension } from '../extension.js';
import { Problem } from '../problem.js';

const LONGEST = 64;

interface Instruction {
  code: number;
  jumpTrue: number;
  jumpFalse: number;
  k: number;
}

function readInstruction(text: string, at: number): Instruction {
  const parts = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)/.exec(text);
  if (parts === null) throw new Problem(`bpf: error at instr ${at}`);
  const [code, jumpTrue, jumpFalse, k] = parts.slice(1).map(Number);
  return { code: code & 0xffff, jumpTrue: jumpTrue & 0xff, jumpFalse: jumpFalse & 0xff, k: k >>> 0 };
}

/** COUNT,CODE JT JF K,… */
function readProgram(text: string): Instruction[] {
  const count = /^\s*(\d+),/.exec(text);
  if (count === null) throw new Problem('bpf: error parsing program length');
  const length = Number(count[1]);
  if (length === 0) throw new Problem('bpf: illegal zero length program');
  if (length > LONGEST) throw new Problem('bpf: number of instructions exceeds maximum');
  const lines = text.slice(count[0].length).split(',');
  if (lines.at(-1)?.trim() === '') lines.pop();
  const program: Instruction[] = [];
  for (const line of lines) {
    if (program.length === length) throw new Problem('bpf: real program length exceeds the encoded length parameter');
    program.push(readInstruction(line, program.length));
  }
  if (program.length === length) return program;
  throw new Problem('bpf: parsed program length is less than the encoded length parameter');
}

function text({ code, jumpTrue, jumpFalse, k }: Instruction): string {
  return `${code} ${jumpTrue} ${jumpFalse} ${k}`;
}

function words(program: readonly Instruction[]): number[] {
  return program.flatMap(({ code, jumpTrue, jumpFalse, k }) => [code | (jumpTrue << 16) | (jumpFalse << 24), k | 0]);
}

export const bpf: Extension<{ program: readonly Instruction[] }> = {
  name: 'bpf',
  isTarget: false,
  options: [
    {
      name: 'bytecode',
      argument: 'required',
      take(data, given) {
        data.program = readProgram(given.text);
      },
    },
    {
      name: 'object-pinned',
      argument: 'required',
      take() {
        throw new Problem('bpf: failed to get bpf object');
      },
    },
  ],
  create: () => ({ program: [] }),
  finalCheck(data) {
    if (data.program.length === 0) throw new Problem('bpf: one of --bytecode or --pinned is required');
  },
  check: (data) => (isValid(words(data.program)) ? undefined : 'EINVAL'),
  save: ({ program }) => ` --bytecode "${program.length},${program.map(text).join(',')}"`,
  // Without a blank in front and with a NUL behind, as the real one.
  list: ({ program }) => `match bpf ${program.map(text).join(',')}\0`,
  encode({ program }, into) {
    into.add(Op.BPF, [program.length, ...words(program)]);
  },
};

/*
 * Sequence numbers after NAT has changed the length of a TCP flow's text: what a side sends moves by what was added to its own text so
 * far, what it acknowledges moves back by what was added to the other's, SACK blocks too (nf_ct_seq_adjust).
 */
import type { FlowNumber } from '../conntrack/flows.js';
import type { Sequences } from '../conntrack/sequences.js';
import type { Arena, Frame } from '../core/arena.js';
import { swap } from '../wire/checksum.js';
import { read16, read32, write16, write32 } from '../wire/field.js';
import { acknowledgment, headerLength, sequence, Tcp } from '../wire/tcp.js';
import { change32, isPartialAt, patched } from './nat-mangle.js';

/** Option kinds (RFC 9293 §3.2, RFC 2018). */
const enum Option {
  END = 0,
  NOP = 1,
  SACK = 5,
}

const SACK_BLOCK = 8;

/** Rewrites the header at `transport` of a packet that goes in `direction`; its checksum is right under the new numbers. False: its options are malformed. */
export function adjustSequences(
  arena: Arena,
  frame: Frame,
  transport: number,
  sequences: Sequences,
  flow: FlowNumber,
  direction: number,
): boolean {
  const { bytes } = arena;
  const own = sequence(bytes, transport);
  const other = acknowledgment(bytes, transport);
  const moved = (own + sequences.offset(flow, direction, own)) | 0;
  replace(arena, frame, transport, transport + Tcp.SEQUENCE, moved);
  const movedBack = (other - sequences.acknowledged(flow, 1 - direction, other)) | 0;
  replace(arena, frame, transport, transport + Tcp.ACKNOWLEDGMENT, movedBack);
  return adjustSacks(arena, frame, transport, sequences, flow, 1 - direction);
}

/** Writes 32 bits of a TCP header, at an even place, and what they change in its checksum. */
function replace(arena: Arena, frame: Frame, transport: number, at: number, value: number): void {
  const { bytes } = arena;
  const before = read32(bytes, at);
  if (before === value) return;
  write32(bytes, at, value);
  // A partial checksum is the pseudo-header's only.
  if (isPartialAt(arena, frame, transport)) return;
  const isOdd = ((at - transport) & 1) !== 0;
  const field = transport + Tcp.CHECKSUM;
  const checksum = read16(bytes, field);
  const changed = patched(isOdd ? swap(checksum) : checksum, change32(before, value));
  write16(bytes, field, isOdd ? swap(changed) : changed);
}

function adjustSacks(
  arena: Arena,
  frame: Frame,
  transport: number,
  sequences: Sequences,
  flow: FlowNumber,
  sender: number,
): boolean {
  const { bytes } = arena;
  const end = transport + headerLength(bytes, transport);
  for (let at = transport + Tcp.BYTES; at < end; ) {
    const kind = bytes[at];
    if (kind === Option.END) return true;
    if (kind === Option.NOP) {
      at++;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1] : 0;
    if (length < 2 || at + length > end) return false;
    if (kind === Option.SACK && length > 2 && (length - 2) % SACK_BLOCK === 0) {
      for (let edge = at + 2; edge < at + length; edge += 4) {
        const before = read32(bytes, edge);
        const value = (before - sequences.acknowledged(flow, sender, before)) | 0;
        replace(arena, frame, transport, edge, value);
      }
    }
    at += length;
  }
  return true;
}

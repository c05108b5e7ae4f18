/*
 * What is kept of the sequence numbers of few TCP flows (FTP's control connections): where lines end, for helpers that read them; and,
 * where NAT has made their text longer or shorter, what must be added to the numbers. By direction:
 *
 *   sequence ≤ POSITION: + BEFORE        POSITION < sequence: + AFTER
 *
 * A further change moves POSITION on and makes AFTER the new BEFORE: what is older than two changes is not told apart, as in Linux.
 * KindFlag.HAS_SEQUENCE says which flows have a row, and no other is ever looked up here; so a Map will do.
 */
import type { FlowNumber } from './flows.js';

const enum Sequence {
  POSITION = 0,
  BEFORE = 1,
  AFTER = 2,
  /** Of the two lines that ended last: the sequence behind them, and how many are known. */
  LINES = 3,
  LINE_COUNT = 5,
  WORDS = 6,
}

const MOST_LINES = 2;

export class Sequences {
  private readonly rows = new Map<FlowNumber, Int32Array>();

  get size(): number {
    return this.rows.size;
  }

  /** The text behind `position` (sequence numbers of the sender) is `by` bytes longer from now on. */
  change(flow: FlowNumber, direction: number, position: number, by: number): void {
    const row = this.rowOf(flow);
    const at = direction * Sequence.WORDS;
    const isFirst = row[at + Sequence.BEFORE] === row[at + Sequence.AFTER];
    if (!isFirst && ((row[at + Sequence.POSITION] - position) | 0) >= 0) return;
    row[at + Sequence.POSITION] = position;
    row[at + Sequence.BEFORE] = row[at + Sequence.AFTER];
    row[at + Sequence.AFTER] += by;
  }

  private rowOf(flow: FlowNumber): Int32Array {
    const known = this.rows.get(flow);
    if (known !== undefined) return known;
    const row = new Int32Array(2 * Sequence.WORDS);
    this.rows.set(flow, row);
    return row;
  }

  /** Whether a line begins at a sequence number. */
  isLineStart(flow: FlowNumber, direction: number, sequence: number): boolean {
    const row = this.rows.get(flow);
    if (row === undefined) return false;
    const at = direction * Sequence.WORDS;
    for (let i = 0; i < row[at + Sequence.LINE_COUNT]; i++) if (row[at + Sequence.LINES + i] === sequence) return true;
    return false;
  }

  /** A line has ended: the next one begins at `sequence`. The older of two gives way. */
  endLine(flow: FlowNumber, direction: number, sequence: number): void {
    if (this.isLineStart(flow, direction, sequence)) return;
    const row = this.rowOf(flow);
    const at = direction * Sequence.WORDS;
    const lines = at + Sequence.LINES;
    if (row[at + Sequence.LINE_COUNT] < MOST_LINES) {
      row[lines + row[at + Sequence.LINE_COUNT]++] = sequence;
      return;
    }
    const oldest = ((row[lines] - row[lines + 1]) | 0) < 0 ? lines : lines + 1;
    if (((sequence - row[oldest]) | 0) > 0) row[oldest] = sequence;
  }

  /** What is added to a sequence number that the sender of a direction has chosen. */
  offset(flow: FlowNumber, direction: number, sequence: number): number {
    const row = this.rows.get(flow);
    if (row === undefined) return 0;
    const at = direction * Sequence.WORDS;
    return row[at + (((sequence - row[at + Sequence.POSITION]) | 0) > 0 ? Sequence.AFTER : Sequence.BEFORE)];
  }

  /** What is taken from a number by which the other side acknowledges that sender. */
  acknowledged(flow: FlowNumber, direction: number, sequence: number): number {
    const row = this.rows.get(flow);
    if (row === undefined) return 0;
    const at = direction * Sequence.WORDS;
    const own = sequence - row[at + Sequence.BEFORE];
    return row[at + (((own - row[at + Sequence.POSITION]) | 0) > 0 ? Sequence.AFTER : Sequence.BEFORE)];
  }

  /** The flow is over. */
  forget(flow: FlowNumber): void {
    this.rows.delete(flow);
  }
}

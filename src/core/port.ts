/*
 * A port: a link whose other end is outside the dataplane. Polymorphic per burst, never per frame.
 *
 * Wrappers (software offload, capture, faults) are ports around a port.
 */

/** txErrno values beyond the kernel's, from ports that work without one. */
export const enum TxError {
  /** No slot for a copy or segment. */
  ARENA_FULL = 1001,
  /** A superframe that cannot be cut. */
  UNSEGMENTABLE = 1002,
}

export interface Port {
  /**
   * Receives up to `max` frames into arena.burst and takes their slots off the free lists. Returns how many;
   * `isDrained` says whether it found no more.
   */
  rx(max: number): number;
  readonly isDrained: boolean;
  /** The last rx ended with an error of the device (a packet socket's went down); only ports that can have it. */
  readonly hasFailed?: boolean;
  /**
   * Sends the first `n` frames of the port's tx queue and is done with them when it returns; the caller keeps its
   * references. Returns how many failed; only if that is not 0, egress.txErrno[0…n) says why for each (0 = sent).
   */
  tx(n: number): number;
  /** Frames that `rx` dropped since the last call of this: bad virtio headers, and no tail slot. */
  readonly invalid: number;
  readonly starved: number;
  /** Segments sent in place of superframes since the last flush. */
  readonly segments: number;
  /** The link was set up or down; only ports that care have it. */
  setUp?(isUp: boolean): void;
  close(): void;
}

/* Captured frames. */

/** A captured frame: one result of `capture`. */
export interface CaptureInfo {
  /** Since the epoch. */
  ts_us: number;
  direction: 'in' | 'out';
  /** Of the whole frame; `data` may hold fewer bytes (snaplen). */
  length: number;
  /** base64. */
  data: string;
}

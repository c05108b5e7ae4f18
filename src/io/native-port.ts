/*
 * A port whose descriptors the shim reads and writes: a TAP or an AF_PACKET socket.
 */
import type { Arena } from '../core/arena.js';
import type { Link } from '../core/links.js';
import type { Port } from '../core/port.js';
import { type PortKind, RxResult, shim } from './shim.js';

export class NativePort implements Port {
  invalid = 0;
  starved = 0;
  readonly segments = 0;
  isDrained = true;
  hasFailed = false;

  /** `result`: the words that shim.rx fills in; shared by all ports of a worker. */
  constructor(
    private readonly arena: Arena,
    private readonly link: Link,
    private readonly result: Int32Array,
    kind: PortKind,
    fds: Int32Array,
    hasVnet: boolean,
  ) {
    const answer = shim.addPort(link, kind, fds, hasVnet);
    if (answer < 0) throw new Error(`cannot add port ${link} to the shim: errno ${-answer}`);
  }

  rx(max: number): number {
    const { arena, result } = this;
    const wanted = max < arena.freeHeadCount ? max : arena.freeHeadCount;
    const n = shim.rx(this.link, arena.freeHeadCount, arena.freeTailCount, wanted);
    this.invalid = result[RxResult.INVALID];
    this.starved = result[RxResult.NO_TAIL];
    this.isDrained = result[RxResult.DRAINED] !== 0;
    this.hasFailed = result[RxResult.ERRNO] !== 0;
    if (n < 0) return 0;
    arena.freeHeadCount -= n;
    arena.freeTailCount -= result[RxResult.TAILS];
    return n;
  }

  tx(n: number): number {
    return shim.tx(this.link, n);
  }

  close(): void {
    shim.removePort(this.link);
  }
}

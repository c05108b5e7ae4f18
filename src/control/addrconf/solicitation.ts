/*
 * When a host asks for routers (RFC 7559 §2.1, as net/ipv6/addrconf.c does): at once when its link-local address is
 * ready, then after about 4 s, and each time twice as long, up to an hour, until a router answers.
 */

const FIRST_MS = 4000;
const LAST_MS = 3_600_000;

/** A tenth more or less. */
function blur(ms: number, random: number): number {
  return ms + ms * 0.1 * (random * 2 - 1);
}

export class Solicitation {
  private waitMs = 0;

  constructor(private readonly random: () => number) {}

  /** How long to wait after the solicitation that was just sent. */
  next(): number {
    const doubled = this.waitMs === 0 ? FIRST_MS : this.waitMs * 2;
    this.waitMs = blur(Math.min(doubled, LAST_MS), this.random());
    return this.waitMs;
  }
}

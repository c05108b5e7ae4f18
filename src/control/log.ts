/*
 * The daemon's log, on stderr: one line a state change, rate-limited by subject.
 */

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

const RANK: Record<LogLevel, number> = { error: 0, warn: 1, info: 2, debug: 3 };
/** Lines that one subject may write a minute; a device that flaps is said to, not reported each time. */
const LINES_PER_MINUTE = 10;

export class Log {
  private readonly seen = new Map<string, { since: number; lines: number }>();

  constructor(private readonly level: LogLevel) {}

  write(level: LogLevel, subject: string, text: string): void {
    if (RANK[level] > RANK[this.level]) return;
    const now = Date.now();
    const entry = this.seen.get(subject);
    if (entry === undefined || now - entry.since > 60_000) {
      const missed = entry === undefined ? 0 : entry.lines - LINES_PER_MINUTE;
      this.seen.set(subject, { since: now, lines: 1 });
      if (missed > 0) this.line('info', `${subject}: ${missed} more such changes in the minutes before`);
    } else if (++entry.lines > LINES_PER_MINUTE) return;
    this.line(level, `${subject}: ${text}`);
  }

  /** What rules say of packets: how often is for the rules to limit. */
  packet(level: LogLevel, subject: string, text: string): void {
    if (RANK[level] <= RANK[this.level]) this.line(level, `${subject}: ${text}`);
  }

  private line(level: LogLevel, text: string): void {
    process.stderr.write(`sluice: ${level}: ${text}\n`);
  }
}

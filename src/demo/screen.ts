/*
 * What the demo shows. Colours and the live line are for a terminal only (and colours not where NO_COLOR is set); into a
 * file or a pipe goes the same text without them.
 */

/** As much of a stream as is needed. */
export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
}

const enum Style {
  BOLD = 1,
  DIM = 2,
  RED = 31,
  GREEN = 32,
}

export class Screen {
  /** Nothing is shown any more: the demo was interrupted. */
  isMuted = false;
  private readonly isTerminal: boolean;
  private readonly hasColour: boolean;
  private isLive = false;

  constructor(private readonly output: Output) {
    this.isTerminal = output.isTTY === true;
    this.hasColour = this.isTerminal && (process.env.NO_COLOR ?? '') === '';
  }

  private styled(style: Style, text: string): string {
    return this.hasColour ? `\x1b[${style}m${text}\x1b[0m` : text;
  }

  private write(text: string): void {
    if (!this.isMuted) this.output.write(text);
  }

  /** One or more whole lines. */
  line(text = ''): void {
    this.endLive();
    this.write(`${text}\n`);
  }

  title(text: string): void {
    this.line(this.styled(Style.BOLD, text));
  }

  heading(text: string): void {
    this.line();
    this.title(text);
  }

  /** A command that is being carried out, as a user would type it. */
  command(text: string): void {
    this.line(this.styled(Style.DIM, `  $ ${text}`));
  }

  /** What a command printed. */
  answer(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.line(`  ${line}`);
  }

  mark(isGood: boolean): string {
    return isGood ? this.styled(Style.GREEN, '✓') : this.styled(Style.RED, '✗');
  }

  /** A line that the next one replaces; only on a terminal. */
  live(text: string): void {
    if (!this.isTerminal) return;
    this.isLive = true;
    this.write(`\r${this.styled(Style.DIM, text)}\x1b[K`);
  }

  endLive(): void {
    if (this.isLive) this.write('\r\x1b[K');
    this.isLive = false;
  }
}

/*
 * Where a scene plays: remembers what has to be undone, and undoes it however the scene ends, Ctrl-C included; gathers what
 * failed; and makes the exit status of it.
 */
import { DemoFailure, sentence } from './failure.js';
import type { Screen } from './screen.js';

/** Signals that end the demo, and their numbers. */
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
type Signal = keyof typeof SIGNALS;

class Interruption extends Error {
  constructor(
    readonly what: string,
    readonly status: number,
  ) {
    super(`cannot finish the demo: ${what}; all that it made is gone again`);
  }
}

/** Rejects when the demo has to end early. */
class Interruptions {
  readonly happened: Promise<never>;
  private reject!: (error: Interruption) => void;
  private readonly listeners: Array<[Signal, () => void]>;
  private readonly brokenPipe = () => this.reject(new Interruption('nobody reads its output any more', 141));

  constructor() {
    this.happened = new Promise<never>((_, reject) => {
      this.reject = reject;
    });
    this.happened.catch(() => {});
    const names = Object.keys(SIGNALS) as Signal[];
    this.listeners = names.map((name) => [
      name,
      () => this.reject(new Interruption(`interrupted by ${name}`, 128 + SIGNALS[name])),
    ]);
    for (const [name, listener] of this.listeners) process.on(name, listener);
    process.stdout.on('error', this.brokenPipe);
  }

  /** Signals do again what they do by themselves; a broken pipe stays harmless. */
  end(): void {
    for (const [name, listener] of this.listeners) process.off(name, listener);
  }
}

export class Stage {
  private readonly undo: Array<() => unknown> = [];
  /** House sentences. */
  readonly failures: string[] = [];

  constructor(readonly screen: Screen) {}

  /** Something to be undone at the end, last made first. */
  defer(undo: () => unknown): void {
    this.undo.push(undo);
  }

  /** Notes whether something is as it must be, and goes on. Answers its mark. */
  expect(isGood: boolean, verb: string, object: string, cause: string, hint: string): string {
    if (!isGood) this.failures.push(new DemoFailure(verb, object, cause, hint).message);
    return this.screen.mark(isGood);
  }

  private async clear(): Promise<void> {
    for (let undo = this.undo.pop(); undo !== undefined; undo = this.undo.pop()) {
      try {
        await undo();
      } catch (error) {
        this.failures.push(sentence(error));
      }
    }
  }

  /** Plays a scene to its end and answers the exit status. */
  async play(scene: (stage: Stage) => Promise<void>, epilogue: () => void): Promise<number> {
    const interruptions = new Interruptions();
    let status = 1;
    try {
      await Promise.race([scene(this), interruptions.happened]);
    } catch (error) {
      this.screen.endLive();
      if (error instanceof Interruption) this.screen.isMuted = true;
      if (error instanceof Interruption) status = error.status;
      this.failures.push(sentence(error));
    } finally {
      await this.clear();
      interruptions.end();
    }
    if (this.failures.length === 0) {
      epilogue();
      return 0;
    }
    for (const failure of this.failures) process.stderr.write(`${failure}\n`);
    return status;
  }
}

/*
 * What a command asks of the daemon, and what it prints of the answers.
 *
 * Parsers are pure: words in, a Plan out, or a Refusal thrown. So a batch can be parsed ahead and
 * sent in one piece, and parsers are tested without a daemon.
 */
import type { ApiError } from '../control/api/answer.js';
import type { Request } from '../control/api/request.js';
import { netlinkLine, Refusal } from './refusal.js';
import type { Session } from './session.js';

/** Asks the daemon one thing more: only used to word an error. */
export type Ask = <T>(request: Request) => Promise<T>;

export interface Plan {
  /** Carried out in this order. */
  requests: Request[];
  /** What goes to stdout. May throw a Refusal: an empty answer can be an error. */
  print(answers: unknown[]): string;
  explain(error: ApiError, request: Request, ask: Ask): Refusal | Promise<Refusal>;
  /** What the parser warned of; goes to stderr first. */
  note?: string;
  /** The namespace that it is for, where that is not the session's (`netns exec NS ip …`). */
  ns?: string;
  /**
   * Instead of the requests, where each depends on the answers before it: a flush, an event stream.
   * In a batch it waits for all that went before. Answers the exit status.
   */
  run?(session: Session): Promise<number>;
}

/** A command that is more than requests and what is printed of their answers. */
export function dialogue(run: NonNullable<Plan['run']>): Plan {
  return { requests: [], print: () => '', explain: asNetlink(2), run };
}

/** A command that changes something and prints nothing. */
export function change(requests: Request[], explain: Plan['explain']): Plan {
  return { requests, print: () => '', explain };
}

/** As rtnetlink refuses: its line, the tool's status, the daemon's sentence. */
export function asNetlink(status: number): Plan['explain'] {
  return (error) => new Refusal(netlinkLine(error), status, error.message);
}

/** Does a link of this name exist? Asked only after something has failed. */
export async function exists(ask: Ask, name: string): Promise<boolean> {
  try {
    await ask({ op: 'link.list', name });
    return true;
  } catch {
    return false;
  }
}

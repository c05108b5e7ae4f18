/*
 * A verb's talk with the daemon: connects when the first request is due, so that a command that is
 * wrong fails as such even without a daemon.
 */
import type { Request } from '../control/api.js';
import { ApiFailure, Client, Unreachable } from '../control/client.js';
import type { Plan } from './plan.js';
import { Refusal } from './refusal.js';
import type { Terminal } from './terminal.js';

export class Session {
  #client: Promise<Client> | undefined;

  constructor(readonly terminal: Terminal) {}

  client(): Promise<Client> {
    this.#client ??= Client.connect(this.terminal.socket);
    return this.#client;
  }

  ask = async <T>(request: Request): Promise<T> => (await this.client()).request<T>(request);

  /** Sends a plan's requests, all at once. */
  async send(plan: Plan, chain = false): Promise<Array<Promise<unknown>>> {
    if (plan.requests.length === 0) return [];
    const client = await this.client();
    const answers = plan.requests.map((request) => client.request(request, chain));
    for (const answer of answers) answer.catch(() => {});
    return answers;
  }

  /** Waits for a plan's answers and prints them; throws the Refusal of the first that failed. */
  async settle(plan: Plan, answers: ReadonlyArray<Promise<unknown>>): Promise<void> {
    const results: unknown[] = [];
    for (const [index, answer] of answers.entries()) {
      try {
        results.push(await answer);
      } catch (error) {
        if (error instanceof ApiFailure) throw await plan.explain(error.error, plan.requests[index], this.ask);
        throw error;
      }
    }
    for (const result of results) this.#warn(result);
    this.terminal.out(plan.print(results));
  }

  async run(plan: Plan): Promise<void> {
    await this.settle(plan, await this.send(plan));
  }

  async close(): Promise<void> {
    if (this.#client !== undefined) (await this.#client.catch(() => undefined))?.close();
  }

  #warn(result: unknown): void {
    const warnings = (result as { warnings?: string[] } | null | undefined)?.warnings;
    if (Array.isArray(warnings)) for (const warning of warnings) this.terminal.err(`${warning}\n`);
  }
}

/** Runs a verb's body in a session: every refusal becomes its text and its exit status. */
export async function inSession(terminal: Terminal, body: (session: Session) => Promise<number>): Promise<number> {
  const session = new Session(terminal);
  try {
    return await body(session);
  } catch (error) {
    return report(error, terminal);
  } finally {
    await session.close();
  }
}

/** Says what went wrong; what is not meant for the user is a bug and goes on as an exception. */
export function report(error: unknown, terminal: Terminal): number {
  if (error instanceof Refusal) {
    terminal.err(error.text);
    return error.status;
  }
  if (error instanceof ApiFailure) {
    terminal.err(`${error.error.message}\n`);
    return 1;
  }
  if (error instanceof Unreachable) {
    terminal.err(`${error.message}\n`);
    return 1;
  }
  throw error;
}

/*
 * A verb's talk with the daemon: connects when the first request is due, so that a command that is
 * wrong fails as such even without a daemon.
 */
import type { NetnsInfo } from '../control/api/netns.js';
import type { Request } from '../control/api/request.js';
import { ApiFailure, Client, HOST, Unreachable } from '../control/client.js';
import type { Plan } from './plan.js';
import { cannot, Refusal } from './refusal.js';
import type { Terminal } from './terminal.js';

export class Session {
  #client: Promise<Client> | undefined;
  #ns: string | undefined;

  /** @param parent whose connection it shares */
  constructor(
    readonly terminal: Terminal,
    private readonly parent?: Session,
  ) {
    this.#ns = terminal.ns;
  }

  /** The namespace that requests are for; absent: host. */
  get ns(): string | undefined {
    return this.#ns;
  }

  /** From here on requests are for this namespace. Before the first of them. */
  enter(ns: string): void {
    this.#ns = ns;
  }

  /** A session for another namespace on the same connection. */
  within(ns: string): Session {
    return new Session({ ...this.terminal, ns }, this);
  }

  /** Its requests are for the session's namespace. */
  client(): Promise<Client> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  ask = async <T>(request: Request): Promise<T> => (await this.client()).request<T>(request);

  /** Results as they come, until the daemon says that it was the last, or `each` answers false. */
  async stream<T>(request: Request, each: (value: T) => boolean): Promise<void> {
    await (await this.client()).stream<T>(request, each);
  }

  /** Sends a plan's requests, all at once. */
  async send(plan: Plan, chain = false): Promise<Array<Promise<unknown>>> {
    if (plan.requests.length === 0) return [];
    const client = await this.client();
    const answers = plan.requests.map((request) => client.request(request, chain, plan.ns));
    for (const answer of answers) answer.catch(() => {});
    return answers;
  }

  /** Waits for a plan's answers and prints them; throws the Refusal of the first that failed. */
  async settle(plan: Plan, answers: ReadonlyArray<Promise<unknown>>): Promise<void> {
    if (plan.note !== undefined) this.terminal.err(plan.note);
    const results: unknown[] = [];
    for (const [index, answer] of answers.entries()) {
      try {
        results.push(await answer);
      } catch (error) {
        if (error instanceof ApiFailure) throw await this.#explain(plan, plan.requests[index], error);
        throw error;
      }
    }
    for (const result of results) this.#warn(result);
    this.terminal.out(plan.print(results));
  }

  /** Carries a plan out. The exit status. */
  async run(plan: Plan): Promise<number> {
    if (plan.run !== undefined) return this.#converse(plan, plan.run);
    await this.settle(plan, await this.send(plan));
    return 0;
  }

  /** A namespace that is not there explains every other failure: the real tool tries to enter it first. */
  async blame(error: unknown, ns = this.#ns): Promise<unknown> {
    const failed = error instanceof Refusal || error instanceof ApiFailure;
    if (!failed || ns === undefined || ns === HOST) return error;
    const isThere = await this.#hasNamespace(ns).catch(() => true);
    return isThere ? error : noNamespace(ns);
  }

  /** Throws unless the session's namespace is there. */
  async checkNamespace(): Promise<void> {
    if (this.#ns === undefined || this.#ns === HOST) return;
    if (!(await this.#hasNamespace(this.#ns))) throw noNamespace(this.#ns);
  }

  /** Asked of the host: a request for a namespace that is missing fails as such. */
  async #hasNamespace(ns: string): Promise<boolean> {
    const client = await this.client();
    const known = await client.request<NetnsInfo[]>({ op: 'netns.list' }, false, HOST);
    return known.some(({ name }) => name === ns);
  }

  async close(): Promise<void> {
    if (this.#client !== undefined) (await this.#client.catch(() => undefined))?.close();
  }

  async #connect(): Promise<Client> {
    if (this.parent === undefined) return Client.connect(this.terminal.socket, this.#ns);
    return (await this.parent.client()).within(this.#ns ?? HOST);
  }

  async #converse({ ns }: Plan, run: NonNullable<Plan['run']>): Promise<number> {
    if (ns === undefined) return run(this);
    const inner = this.within(ns);
    try {
      return await run(inner);
    } catch (error) {
      throw await inner.blame(error);
    }
  }

  async #explain(plan: Plan, request: Request, { error }: ApiFailure): Promise<unknown> {
    const { ask } = plan.ns === undefined ? this : this.within(plan.ns);
    const refusal = await plan.explain(error, request, ask);
    return plan.ns === undefined ? refusal : this.blame(refusal, plan.ns);
  }

  #warn(result: unknown): void {
    const warnings = (result as { warnings?: string[] } | null | undefined)?.warnings;
    if (Array.isArray(warnings)) for (const warning of warnings) this.terminal.err(`${warning}\n`);
  }
}

function noNamespace(name: string): Refusal {
  const line = `Cannot open network namespace "${name}": No such file or directory`;
  const ours = cannot('open network namespace', `"${name}"`, 'there is no such namespace', 'see "sluice ip netns"');
  return new Refusal(line, 255, ours, true);
}

/** Runs a verb's body in a session: every refusal becomes its text and its exit status. */
export async function inSession(terminal: Terminal, body: (session: Session) => Promise<number>): Promise<number> {
  const session = new Session(terminal);
  try {
    return await body(session);
  } catch (error) {
    return report(await session.blame(error), terminal);
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

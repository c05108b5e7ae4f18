/*
 * iptables, ip6tables and their -save and -restore: words and text in, what they print and their exit status out.
 *
 *   words ─ command.ts ─► Command ─ run.ts ─► Change ─ validate ─► ops ─► dataplane
 *   text ── restore.ts ─► Sections ┘            └─ or undone
 *
 * The rules of each namespace and family are kept here, in the main thread; requests are served one after the other, so there is no
 * lock to wait for.
 */
import { lookup } from 'node:dns/promises';
import { Family } from '../../netfilter/rule.js';
import { type Address, forgetHosts, readAddress, rememberHost, Unresolved } from './addresses.js';
import { apply, type RuleEngine, validate } from './apply.js';
import { Change } from './change.js';
import { type Command, CommandReader, type Setting } from './command.js';
import { RuleEncoder } from './encode.js';
import type { NumberSource, Registry } from './extension.js';
import { Failure, LineProblem, Rejected } from './failures.js';
import { forgetHostNames, learnHostNames } from './host-names.js';
import { type Chain, Ruleset } from './model.js';
import { NumbersInUse } from './numbers-in-use.js';
import { Problem } from './problem.js';
import { type RestoreOptions, RestoreReader, type Section } from './restore.js';
import { doSection } from './restore-steps.js';
import { RuleUse } from './rule-use.js';
import { type RuleCounters, Run } from './run.js';
import { saveRuleset } from './save.js';
import { tableKind } from './tables.js';
import { familyOf, Output, tell } from './telling.js';
import { End, readRestoreWords, readSaveWords } from './tool-words.js';

export interface Outcome {
  stdout: string;
  stderr: string;
  status: number;
  /** iptables-save -f, where what is on stdout belongs; iptables-restore FILE, whose text is wanted. */
  file?: string;
}

export interface IptablesParts {
  readonly engine: RuleEngine;
  readonly counters: RuleCounters;
  readonly registry: Registry;
  /** Numbers of what rules of a namespace name. */
  numbers(namespace: number, family: Family): NumberSource;
  /** Rules and chains that the dataplane has room for; the highest numbers. */
  readonly maxRules: number;
  readonly maxChains: number;
}

/** A command that waits for names of hosts asks so often at most. */
const MOST_LOOKUPS = 1000;

export class Iptables {
  readonly #parts: IptablesParts;
  readonly #rulesets = new Map<string, Ruleset>();
  readonly #encoders = new Map<string, RuleEncoder>();
  readonly #rules: NumbersInUse;
  readonly #chains: NumbersInUse;
  /** What the last change leaves over being taken away. */
  #cleanup: Promise<unknown> = Promise.resolve();
  /** The request being served. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: IptablesParts) {
    this.#parts = parts;
    this.#rules = new NumbersInUse(parts.maxRules);
    this.#chains = new NumbersInUse(parts.maxChains);
  }

  ruleset(namespace: number, family: Family): Ruleset {
    const key = `${namespace} ${family}`;
    let ruleset = this.#rulesets.get(key);
    if (ruleset === undefined) {
      ruleset = new Ruleset(namespace, family);
      this.#rulesets.set(key, ruleset);
    }
    return ruleset;
  }

  /** A namespace goes: its rules too, in the dataplane as well. */
  forgetNamespace(namespace: number): Promise<void> {
    return this.#inTurn(async () => {
      await this.#cleanup;
      for (const family of [Family.IPV4, Family.IPV6]) {
        const ruleset = this.#rulesets.get(`${namespace} ${family}`);
        if (ruleset === undefined) continue;
        const wasTracking = ruleset.tracking > 0;
        const change = this.#change(ruleset);
        for (const table of ruleset.tables.values()) change.clearTable(table);
        await apply(change, this.#parts.engine).finished;
        // Not sooner: the change takes numbers for chains of its own.
        for (const table of ruleset.tables.values())
          for (const chain of table.base) this.#chains.giveBack(chain.number);
        if (wasTracking) this.#parts.engine.setTracking(namespace, family, false);
        this.#rulesets.delete(`${namespace} ${family}`);
        this.#encoders.delete(`${namespace} ${family}`);
      }
    });
  }

  /** @param tool iptables or ip6tables */
  run(namespace: number, tool: string, words: readonly string[]): Promise<Outcome> {
    const family = familyOf(tool);
    return this.#serve(tool, async (output) => {
      const setting = this.#setting(tool, family, output, false);
      const reader = new CommandReader(setting);
      const command = (await this.#resolving(() => reader.read(words))) as Command;
      if (command.verb === 'L' && !command.isNumeric) await this.#learnNames(namespace, family, command);
      await this.#transact(namespace, family, output, false, (run) => run.do(command));
      return undefined;
    });
  }

  /** @param tool iptables-restore or ip6tables-restore; `text` undefined: only the words are looked at */
  restore(namespace: number, tool: string, words: readonly string[], text?: string): Promise<Outcome> {
    const family = familyOf(tool);
    return this.#serve(tool, async (output) => {
      const options = readRestoreWords(words, tool);
      if (text === undefined) return options.file;
      const setting = this.#setting(tool, family, output, true);
      const reader = new RestoreReader(setting, options);
      try {
        await this.#restore(namespace, family, reader, text, options, output);
      } catch (error) {
        throw error instanceof Problem ? new LineProblem(error, reader.line) : error;
      }
      return undefined;
    });
  }

  /** @param tool iptables-save or ip6tables-save */
  save(namespace: number, tool: string, words: readonly string[], now = new Date()): Promise<Outcome> {
    return this.#serve(tool, async (output) => {
      const options = readSaveWords(words, tool);
      if (options.table !== undefined && tableKind(options.table) === undefined) {
        throw new End('', `Table \`${options.table}' does not exist\n`, 1);
      }
      await this.#cleanup;
      const ruleset = this.ruleset(namespace, familyOf(tool));
      output.stdout += saveRuleset(ruleset, this.#parts.counters, options, tool, now);
      return options.file;
    });
  }

  // --- one request after the other ------------------------------------------------------------------

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #serve(tool: string, work: (output: Output) => Promise<string | undefined>): Promise<Outcome> {
    return this.#inTurn(async () => {
      const output = new Output();
      let status = 0;
      let file: string | undefined;
      try {
        file = await work(output);
      } catch (error) {
        status = tell(error, tool, output);
      } finally {
        forgetHosts();
        forgetHostNames();
      }
      return { stdout: output.stdout, stderr: output.stderr, status, ...(file === undefined ? {} : { file }) };
    });
  }

  #setting(program: string, family: Family, output: Output, isRestore: boolean): Setting {
    const warn = (line: string) => {
      output.stderr += `${line}\n`;
    };
    return { family, program, isRestore, registry: this.#parts.registry, warn };
  }

  /** Reads again with each name of a host that had to be looked up. */
  async #resolving<T>(read: () => T): Promise<T> {
    for (let i = 0; i < MOST_LOOKUPS; i++) {
      try {
        return read();
      } catch (error) {
        if (!(error instanceof Unresolved)) throw error;
        rememberHost(error.host, error.family, await addressesOf(error));
      }
    }
    throw new Problem('too many names of hosts');
  }

  // --- changes --------------------------------------------------------------------------------------

  #change(ruleset: Ruleset): Change {
    const { namespace, family } = ruleset;
    const key = `${namespace} ${family}`;
    let encoder = this.#encoders.get(key);
    if (encoder === undefined) {
      encoder = new RuleEncoder(family, this.#parts.numbers(namespace, family));
      this.#encoders.set(key, encoder);
    }
    return new Change(ruleset, { rules: this.#rules, chains: this.#chains, encoder });
  }

  /** `work` is done as a whole, or not at all. */
  async #transact(
    namespace: number,
    family: Family,
    output: Output,
    isLax: boolean,
    work: (run: Run, change: Change) => void,
  ): Promise<void> {
    await this.#cleanup;
    const ruleset = this.ruleset(namespace, family);
    const change = this.#change(ruleset);
    const numbers = { rules: this.#rules, chains: this.#chains };
    const use = new RuleUse(family, (line) => {
      output.stderr += `${line}\n`;
    });
    const run = new Run(ruleset, change, this.#parts.counters, numbers, use, isLax);
    const wasTracking = ruleset.tracking > 0;
    const wasCounting = ruleset.accounting > 0;
    try {
      work(run, change);
      const rejections = run.rejections.length > 0 ? run.rejections : validate(change);
      if (rejections.length > 0) throw new Rejected(rejections);
      if (!(await this.#parts.engine.hasRoom(change.prepare.poolWords + change.switch.poolWords))) {
        throw new Failure('Cannot allocate memory.');
      }
    } catch (error) {
      change.undo();
      throw error;
    } finally {
      output.stdout += run.stdout;
    }
    const isTracking = ruleset.tracking > 0;
    if (isTracking && !wasTracking) this.#parts.engine.setTracking(namespace, family, true);
    if (ruleset.accounting > 0 && !wasCounting) this.#parts.engine.countFlows?.(namespace);
    const { inEffect, finished } = apply(change, this.#parts.engine);
    // The next change may need its numbers; an error is that of `inEffect`, or a bug in between that leaves them taken.
    this.#cleanup = finished.catch(() => undefined);
    await inEffect;
    if (!isTracking && wasTracking) this.#parts.engine.setTracking(namespace, family, false);
  }

  async #restore(
    namespace: number,
    family: Family,
    reader: RestoreReader,
    text: string,
    options: RestoreOptions,
    output: Output,
  ): Promise<void> {
    // What is wrong with a later line does not keep the sections before it from being committed.
    const sections = await this.#resolving(() => reader.all(text));
    for (const section of sections) {
      if (typeof section === 'string') {
        output.stdout += section;
        continue;
      }
      reader.line = section.line;
      if (options.isTest) {
        output.stdout += notesOf(section);
        continue;
      }
      await this.#transact(namespace, family, output, options.isLax, (run, change) => {
        doSection(run, change, section, options, this.#chains);
      });
    }
    if (reader.failure === undefined) return;
    reader.line = reader.failedLine;
    throw reader.failure;
  }

  /** Names of the addresses that a listing shows. */
  async #learnNames(namespace: number, family: Family, command: Command): Promise<void> {
    const table = this.ruleset(namespace, family).tables.get(command.table);
    const named = command.chain === undefined ? undefined : table?.chains.get(command.chain);
    const chains: Iterable<Chain> = named === undefined ? (table?.chains.values() ?? []) : [named];
    const addresses: Address[] = [];
    for (const chain of chains) {
      for (const { box } of chain.rules) {
        if (box.sourceMask[0] !== 0) addresses.push(box.source);
        if (box.destinationMask[0] !== 0) addresses.push(box.destination);
      }
    }
    await learnHostNames(addresses);
  }
}

function notesOf({ steps }: Section): string {
  return steps.map((step) => (step.kind === 'note' ? step.text : '')).join('');
}

async function addressesOf({ host, family }: Unresolved): Promise<Address[]> {
  try {
    const found = await lookup(host, { all: true, family: family === Family.IPV6 ? 6 : 4 });
    return found.map(({ address }) => readAddress(address, family)).filter((address) => address !== undefined);
  } catch {
    return [];
  }
}

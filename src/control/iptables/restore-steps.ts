/*
 * A section of a restored text done: its lines' steps, one after the other, on the model.
 */
import { baseTable } from './base-table.js';
import type { Change } from './change.js';
import { Failure, LineFailure } from './failures.js';
import type { Chain, Table } from './model.js';
import type { NumbersInUse } from './numbers-in-use.js';
import type { RestoreOptions, Section, Step } from './restore.js';
import type { Run } from './run.js';

export function doSection(
  run: Run,
  change: Change,
  section: Section,
  options: RestoreOptions,
  numbers: NumbersInUse,
): void {
  const table = baseTable(run.ruleset, section.table, numbers);
  if (table === undefined) return;
  if (!options.isNoFlush) {
    if (options.isVerbose) for (const chain of table.base) run.stdout += `Flushing chain \`${chain.name}'\n`;
    change.clearTable(table);
  }
  for (const step of section.steps) {
    change.line = step.line;
    try {
      doStep(run, step, table, options);
    } catch (error) {
      throw error instanceof Failure ? new LineFailure(error, step.line) : error;
    }
  }
}

function doStep(run: Run, step: Step, table: Table, options: RestoreOptions): void {
  if (step.kind === 'append') run.append(table, step.chain, step.rule);
  else if (step.kind === 'note') run.stdout += step.text;
  else if (step.kind === 'chain') run.restoreChain(table, step.chain);
  else if (step.kind === 'policy') {
    const chain = table.chains.get(step.chain) as Chain;
    run.restorePolicy(table, chain, step.policy, step.packets, step.bytes);
  } else {
    if (options.isVerbose && !options.isNoFlush) step.command.verbose = 1;
    run.do(step.command);
  }
}

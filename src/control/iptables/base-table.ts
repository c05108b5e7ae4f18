/*
 * A ruleset's table by name, made when it is first asked for, its base chains numbered but not there yet.
 */
import { Chain, type Ruleset, Table } from './model.js';
import type { NumbersInUse } from './numbers-in-use.js';
import { tableKind } from './tables.js';

/** undefined: there is no such table. */
export function baseTable(ruleset: Ruleset, name: string, numbers: NumbersInUse): Table | undefined {
  const known = ruleset.tables.get(name);
  if (known !== undefined) return known;
  const kind = tableKind(name);
  if (kind === undefined) return undefined;
  const table = new Table(ruleset, kind);
  for (const [chainName, hook] of kind.base) {
    const chain = new Chain(table, chainName, numbers.take(), hook);
    chain.exists = false;
    table.base.push(chain);
    table.chains.set(chainName, chain);
  }
  ruleset.tables.set(name, table);
  return table;
}

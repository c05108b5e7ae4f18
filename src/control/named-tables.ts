/*
 * What rules share by its name, tables of hashlimit and lists of -m recent: its number, and the rules that name it.
 *
 *   kind, namespace, name (hashlimit: family) ─► number ─► rules
 *
 * A rule counts from when it is read until the change that removes it has come to its end: so a table outlives a restored text that names it
 * again, with all it knows. The dataplane makes it when the first packet asks, and is told when the last rule lets it go; its number is
 * free then.
 */
import type { Family } from '../netfilter/rule.js';
import type { NamedKind } from './iptables/extension.js';
import { NumbersInUse } from './iptables/numbers-in-use.js';

interface Name {
  namespace: number;
  family: Family;
  kind: NamedKind;
  name: string;
}

interface Shared {
  key: string;
  number: number;
  rules: number;
}

/** Of one kind. */
class Numbered {
  readonly byKey = new Map<string, Shared>();
  readonly byNumber = new Map<number, Shared>();
  readonly numbers = new NumbersInUse(Number.POSITIVE_INFINITY);
}

/** IPv4 and IPv6 have lists in common, but no tables. */
function keyOf({ namespace, family, kind, name }: Name): string {
  return kind === 'recent' ? `${namespace} ${name}` : `${namespace} ${family} ${name}`;
}

export class NamedTables {
  readonly #kinds: Record<NamedKind, Numbered> = { hashlimit: new Numbered(), recent: new Numbered() };

  /** @param close tells the dataplane that nobody names one any more */
  constructor(private readonly close: (kind: NamedKind, number: number) => void) {}

  /** One rule more names it. Returns its number, from 1. */
  hold(name: Name): number {
    const { byKey, byNumber, numbers } = this.#kinds[name.kind];
    const key = keyOf(name);
    let shared = byKey.get(key);
    if (shared === undefined) {
      shared = { key, number: numbers.take(), rules: 0 };
      byKey.set(key, shared);
      byNumber.set(shared.number, shared);
    }
    shared.rules++;
    return shared.number;
  }

  /** A rule that named it is gone. */
  release(kind: NamedKind, number: number): void {
    const { byKey, byNumber, numbers } = this.#kinds[kind];
    const shared = byNumber.get(number);
    if (shared === undefined || --shared.rules > 0) return;
    byKey.delete(shared.key);
    byNumber.delete(number);
    this.close(kind, number);
    numbers.giveBack(number);
  }
}

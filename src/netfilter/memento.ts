/*
 * What objects hold, to be put back later: their numbers, typed arrays, and lists and objects within. For the few that change when a
 * packet is only tried out, and that have no way of undoing it themselves; each is copied as a whole, so never for large tables.
 */

type Fields = Record<string, unknown>;

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

export class Memento {
  private readonly undo: Array<() => void> = [];
  private readonly seen = new Set<object>();

  /** All of an object, or the fields that are named. */
  keep(object: object, names: readonly string[] = Object.keys(object)): void {
    if (this.seen.has(object)) return;
    this.seen.add(object);
    const fields = object as Fields;
    const before = names.map((name) => [name, fields[name]] as const);
    this.undo.push(() => {
      for (const [name, value] of before) if (fields[name] !== value) fields[name] = value;
    });
    for (const [, value] of before) this.keepValue(value);
  }

  private keepValue(value: unknown): void {
    if (!isObject(value) || this.seen.has(value)) return;
    if (ArrayBuffer.isView(value)) this.keepWords(value as Int32Array);
    else if (Array.isArray(value)) this.keepList(value);
    else this.keep(value);
  }

  private keepList(list: unknown[]): void {
    this.seen.add(list);
    const before = [...list];
    this.undo.push(() => {
      list.length = 0;
      list.push(...before);
    });
    for (const value of before) this.keepValue(value);
  }

  /** Words of an array, all or so many from `at` on. */
  keepWords(words: Int32Array | Float64Array, at = 0, length = words.length): void {
    const before = words.slice(at, at + length);
    this.undo.push(() => words.set(before, at));
  }

  /** Puts everything back, what was kept last first. */
  restore(): void {
    for (let i = this.undo.length - 1; i >= 0; i--) this.undo[i]();
    this.undo.length = 0;
    this.seen.clear();
  }
}

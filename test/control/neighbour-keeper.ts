/* What an engine keeps of neighbours, for tests of the control plane: a list of rows, and one of proxies. */
import type { Call } from '../../src/control/engine-thread.js';
import { Dump, type NeighbourCommand, NeighbourErrno } from '../../src/route/neighbour-commands.js';

export class NeighbourKeeper {
  private readonly neighbours = new Map<string, Int32Array>();
  private readonly proxies = new Map<string, Int32Array>();

  /** Of links that are not the host's. */
  private readonly namespaces = new Map<number, number>();

  /** Undefined: the call is about something else. */
  answer(call: Call): unknown {
    switch (call[0]) {
      case 'setNeighbour':
        return this.set(call[1]);
      case 'removeNeighbour':
        return this.neighbours.delete(call.slice(1).join()) ? 0 : NeighbourErrno.ENOENT;
      case 'neighbours':
        return this.rowsAfter(call[1], call[2], call[3]);
      case 'setProxy':
        return void this.proxies.set([call[1], ...call[2].subarray(0, 5)].join(), Int32Array.of(call[1], ...call[2]));
      case 'removeProxy':
        return this.proxies.delete(call.slice(1).join());
      case 'proxies':
        return Int32Array.from(this.of(call[1], this.proxies).flatMap((row) => [...row]));
      case 'addVirtual':
        return void this.namespaces.set(call[1], call[4]);
      case 'setNamespace':
        return void this.namespaces.set(call[1], call[2]);
      case 'setUp':
        return call[2] ? undefined : this.forget(call[1], true);
      case 'setMac':
        return this.forget(call[1], false);
      case 'removeLink':
        return this.forget(call[1], true);
      default:
        return undefined;
    }
  }

  private forget(link: number, withProxies: boolean): void {
    for (const rows of withProxies ? [this.neighbours, this.proxies] : [this.neighbours])
      for (const [key, row] of rows) if (row[0] === link) rows.delete(key);
  }

  private set({ link, family, address, mac = [0, 0], state, flags }: NeighbourCommand): number {
    const row = new Int32Array(Dump.WORDS);
    row.set([link, family, ...address, state, flags, ...mac]);
    row[Dump.SERIAL] = this.neighbours.size + 1;
    this.neighbours.set([link, family, ...address].join(), row);
    return 0;
  }

  private of(namespace: number, rows: Map<string, Int32Array>): Int32Array[] {
    return [...rows.values()].filter(([link]) => (this.namespaces.get(link) ?? 0) === namespace);
  }

  /** All at once, and then none. */
  private rowsAfter(namespace: number, family: number, after: number | undefined): Int32Array {
    const all = this.of(namespace, this.neighbours);
    const rows = after === undefined ? all.filter((row) => row[Dump.FAMILY] === family) : [];
    return Int32Array.from(rows.flatMap((row) => [...row]));
  }
}

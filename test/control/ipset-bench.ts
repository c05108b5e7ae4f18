/* ipset with the dataplane's sets, without a daemon between them. */
import type { ToolOutcome } from '../../src/control/api/tool.js';
import { IpsetControl, type SetEngine } from '../../src/control/ipset/ipset.js';
import { IpSets, Member, type SetOptions } from '../../src/tables/ipset.js';

const PAGE_MEMBERS = 5;

export class IpsetBench {
  readonly sets = new IpSets();
  now = 0x7fffff00;
  readonly links = [
    { number: 2, name: 'eth0' },
    { number: 3, name: 'eth1' },
  ];
  readonly control: IpsetControl;

  constructor() {
    this.control = new IpsetControl(this.engine(), { all: () => this.links });
  }

  private engine(): SetEngine {
    const { sets } = this;
    const calls: Record<string, (...args: never[]) => void> = {
      createSet: (set: number, options: SetOptions) => {
        if (!sets.create(set, options)) throw new Error('options that make no set');
      },
      destroySet: (set: number) => sets.destroy(set),
      flushSet: (set: number) => sets.flush(set),
      swapSets: (one: number, other: number) => sets.swap(one, other),
      setSetLink: (link: number, name: number) => {
        sets.linkNames[link] = name;
      },
    };
    return {
      post: (list) => {
        for (const [name, ...args] of list) calls[name](...(args as never[]));
      },
      addMembers: async (set, rows, renews) => ({
        done: sets.addAll(set, rows, renews, this.now),
        answer: sets.answer,
      }),
      deleteMembers: async (set, rows, ignoresAbsent) => ({
        done: sets.deleteAll(set, rows, ignoresAbsent, this.now),
        answer: sets.answer,
      }),
      hasMember: async (set, row) => sets.has(set, row, 0, this.now),
      memberPage: async (set, cursor) => {
        const rows = new Int32Array(PAGE_MEMBERS * Member.WORDS);
        const next = sets.page(set, cursor, 16, rows, this.now);
        return { rows: rows.slice(0, sets.written * Member.WORDS), next };
      },
      size: async (set) => ({ members: sets.size(set), bytes: sets.bytes(set) }),
    };
  }

  run(words: readonly string[], text?: string, namespace = 1): Promise<ToolOutcome> {
    return this.control.run(namespace, words, text);
  }

  /** Of a line: blanks part the words, double quotes keep them together. */
  line(line: string, text?: string, namespace = 1): Promise<ToolOutcome> {
    return this.run(wordsOf(line), text, namespace);
  }
}

export function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
}

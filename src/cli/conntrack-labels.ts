/*
 * Names of conntrack's labels: NUMBER NAME on each line of connlabel.conf, as the real tools read it.
 */
import { readFileSync } from 'node:fs';
import { wrongWords } from './conntrack-problem.js';

const FILE = '/etc/xtables/connlabel.conf';

export class Labels {
  private constructor(private readonly names: ReadonlyMap<number, string>) {}

  /** `err` is told what the real tool says of a file that cannot be read; it goes on without names. */
  static load(err: (text: string) => void, file = FILE): Labels {
    try {
      return new Labels(parse(readFileSync(file, 'utf8')));
    } catch {
      err('nfct_labelmap_new: No such file or directory\n');
      return new Labels(new Map());
    }
  }

  /** Numbers of a list of names. */
  bits(list: string): number[] {
    return list.split(',').map((name) => this.bit(name));
  }

  private bit(name: string): number {
    for (const [bit, known] of this.names) if (known === name) return bit;
    const [line, cause] = [`unknown label '${name}'`, `there is no label "${name}"`];
    throw wrongWords(line, '--label', cause, `add it to ${FILE}`);
  }

  /** Names of those that have one. */
  text(bits: readonly number[]): string[] {
    return bits.flatMap((bit) => this.names.get(bit) ?? []);
  }
}

function parse(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [, bit, name] = /^\s*(\d+)\s+(\S+)\s*$/.exec(line) ?? [];
    if (name !== undefined && Number(bit) < 128 && !names.has(Number(bit))) names.set(Number(bit), name);
  }
  return names;
}

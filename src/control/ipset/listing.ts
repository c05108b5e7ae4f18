/*
 * What list and save print of a set: plain, as commands that make it again, or as XML.
 */
import { isHash } from './kinds.js';
import { addOptions, elementText, givenOptions } from './member-text.js';
import { OPTIONS, type Option } from './options.js';
import type { AddressText } from './parts.js';
import type { NamedSet } from './sets.js';
import type { Values } from './values.js';

export type Mode = 'plain' | 'save' | 'xml';

/** What the dataplane knows of a set as a whole. */
export interface SetSize {
  members: number;
  bytes: number;
}

export interface ListOptions {
  mode: Mode;
  isTerse: boolean;
  isSorted: boolean;
  /** Absent: as numbers. */
  addressText?: AddressText;
}

export function listNames(sets: readonly NamedSet[], mode: Mode): string {
  if (mode !== 'xml') return sets.map(({ name }) => `${name}\n`).join('');
  return `<ipsets>\n${sets.map(({ name }) => `<ipset name="${name}"/>\n`).join('')}</ipsets>\n`;
}

/** Puts sets together: blank lines in between, or one element around all. */
export function joinSets(texts: readonly string[], mode: Mode): string {
  if (mode === 'xml') return `<ipsets>\n${texts.join('')}</ipsets>\n`;
  return texts.join(mode === 'plain' ? '\n' : '');
}

export function listSet(set: NamedSet, size: SetSize, members: Iterable<Values>, options: ListOptions): string {
  const { mode, isTerse } = options;
  const head = headOf(set, size, options);
  const lines = isTerse ? [] : memberLines(set, members, options);
  if (mode !== 'xml') return head + lines.join('');
  return isTerse ? `${head}</ipset>\n` : `${head}<members>\n${lines.join('')}</members>\n</ipset>\n`;
}

function headOf(set: NamedSet, size: SetSize, { mode, isTerse }: ListOptions): string {
  const { kind, created } = set.body;
  const options = optionsText(
    kind.options.create.map((name) => OPTIONS[name]),
    created,
    mode,
  );
  if (mode === 'save') return `create ${set.name} ${kind.name}${options}\n`;
  if (mode === 'plain') {
    const head = `Name: ${set.name}\nType: ${kind.name}\nRevision: ${kind.revision}\nHeader:${options}\n`;
    const counts = `Size in memory: ${size.bytes}\nReferences: ${set.references}\nNumber of entries: ${size.members}\n`;
    return `${head}${counts}${isTerse ? '' : 'Members:\n'}`;
  }
  return (
    `<ipset name="${set.name}">\n<type>${kind.name}</type>\n<revision>${kind.revision}</revision>\n<header>${options}\n` +
    `<memsize>${size.bytes}</memsize>\n<references>${set.references}</references>\n` +
    `<numentries>${size.members}</numentries>\n</header>\n`
  );
}

function optionsText(options: readonly Option[], values: Readonly<Values>, mode: Mode): string {
  let text = '';
  for (const [{ word, isFlag }, value] of givenOptions(options, values)) {
    if (mode !== 'xml') text += isFlag === true ? ` ${word}` : ` ${word} ${value}`;
    else text += isFlag === true ? `<${word}/>` : `<${word}>${value}</${word}>`;
  }
  return text;
}

function memberLines({ name, body }: NamedSet, members: Iterable<Values>, list: ListOptions): string[] {
  const { mode, isSorted, addressText } = list;
  const options = addOptions(body);
  const lines: string[] = [];
  for (const values of members) {
    lines.push(elementText(body, values, addressText) + optionsBehind(options, values, mode));
  }
  if (isSorted && isHash(body.kind)) lines.sort(addressText === undefined ? compareElements : compareText);
  return lines.map((line) =>
    mode === 'save' ? `add ${name} ${line}\n` : mode === 'xml' ? `<member><elem>${line}</member>\n` : `${line}\n`,
  );
}

function optionsBehind(options: readonly Option[], values: Values, mode: Mode): string {
  return `${mode === 'xml' ? '</elem>' : ''}${optionsText(options, values, mode)}`;
}

const HEX = /^\s*[+-]?(?:0x)?([0-9a-f]+)/i;
const WORD = /^[^:,]*/;

/**
 * ipset's order of elements: numbers, read as hexadecimal, by size; shorter words first; shorter prefixes behind longer ones of the
 * same address.
 */
export function compareElements(one: string, other: string): number {
  let sign = 1;
  while (one !== '' && other !== '') {
    const a = HEX.exec(one);
    const b = HEX.exec(other);
    if (a === null || b === null) {
      const wordA = (WORD.exec(one) as RegExpExecArray)[0];
      const wordB = (WORD.exec(other) as RegExpExecArray)[0];
      if (wordA === '' && wordB === '') return compareText(one, other);
      if (wordA.length !== wordB.length) return wordA.length - wordB.length;
      if (wordA !== wordB) return compareText(wordA, wordB);
      one = one.slice(wordA.length + 1);
      other = other.slice(wordB.length + 1);
      sign = 1;
      continue;
    }
    const difference = Number.parseInt(a[1], 16) - Number.parseInt(b[1], 16);
    if (difference !== 0) return sign * difference;
    const endA = one[a[0].length] ?? '';
    const endB = other[b[0].length] ?? '';
    if (endA === '/' || endB === '/') {
      if (endA !== endB) return endA === '/' ? 1 : -1;
      sign = -1;
    }
    one = one.slice(a[0].length + 1);
    other = other.slice(b[0].length + 1);
    if (one.startsWith(':') === other.startsWith(':')) {
      if (!one.startsWith(':')) continue;
      one = one.slice(1);
      other = other.slice(1);
    } else if (one.startsWith(':') || other.startsWith(':')) return one.startsWith(':') ? -1 : 1;
  }
  return one !== '' ? 1 : other !== '' ? -1 : 0;
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

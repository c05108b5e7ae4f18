/*
 * A configuration file as text: YAML 1.2 with its positions, so that every complaint can name the line.
 *
 * From YAML 1.1, on/off/yes/no are taken for switches; nothing else is (there, 12:34:56:01:02:03 is a number). A number
 * where text belongs (`netns: 1234`, `dev: 0x1`) is the text as written. Which keys are which, the schema says.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from 'yaml';
import { SluiceError } from '../../core/errors.js';
import { SCHEMA, type Schema } from './schema.js';

/** From the top: names of keys, numbers of list items. */
export type Path = Array<string | number>;

export interface Problem {
  path: Path;
  line: number;
  /** CAUSE; HINT */
  text: string;
}

const MAX_DEPTH = 16;
/** An alias stands for a whole tree: with aliases of aliases a short file could be as long as it likes. */
const MAX_ALIASED_NODES = 100_000;
const TOO_DEEP =
  'it is nested too deeply, or its aliases stand for too much; write it out in the few levels that it has';

const SWITCHES = new Set<string>();
const TEXTS = new Set<string>();

function sortKeys(schema: Schema): void {
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    if (value.enum?.includes('on') === true) SWITCHES.add(key);
    else if (value.type === 'string' || value.enum?.includes('802.1Q') === true) TEXTS.add(key);
  }
}

for (const definition of Object.values(SCHEMA.definitions ?? {})) sortKeys(definition);

/** links.t1.mtu, fdb[3].mac */
export function pathText(path: Path): string {
  return path
    .map((part, i) => {
      if (typeof part === 'number') return `[${part}]`;
      const word = /^[\w-]+$/.test(part) ? part : JSON.stringify(part);
      return i === 0 ? word : `.${word}`;
    })
    .join('');
}

function switchOf(text: string): boolean | undefined {
  if (/^(on|yes|true)$/i.test(text)) return true;
  return /^(off|no|false)$/i.test(text) ? false : undefined;
}

export class Source {
  readonly problems: Problem[] = [];
  /** The file as plain data: maps have no prototype, so that any name can be a key. */
  readonly value: unknown;
  private readonly lines = new LineCounter();
  private readonly document: Document;
  /** By name, the last one met: YAML lets a name be given again. */
  private readonly anchors = new Map<string, Node>();
  private aliasedNodes = 0;

  constructor(
    text: string,
    readonly file: string,
  ) {
    try {
      this.document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false, uniqueKeys: false });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw this.error('read', { path: [], line: 1, text: TOO_DEEP });
    }
    for (const { code, message, pos } of [...this.document.errors, ...this.document.warnings])
      this.syntax(code, message, pos[0]);
    this.value = this.problems.length > 0 ? null : this.plain(this.document.contents as Node | null, '', [], false);
  }

  private syntax(code: string, message: string, offset: number): void {
    const { line } = this.lines.linePos(offset);
    this.problems.push({ path: [], line, text: syntaxText(code, message) });
  }

  private lineAt(node: { range?: readonly number[] | null | undefined } | null | undefined): number {
    return this.lines.linePos(node?.range?.[0] ?? 0).line;
  }

  /** The line of a key or list item, or of what is nearest above it. */
  line(path: Path): number {
    let node: Node | null = this.document.contents as Node | null;
    let line = this.lineAt(node);
    for (const part of path) {
      const [key, value] = this.step(node, part);
      if (key === undefined) break;
      line = this.lineAt(key);
      node = value;
    }
    return line;
  }

  /** The keys of a map in the file's order: a plain object puts those that are numbers first. */
  keys(...path: string[]): string[] {
    let node = this.document.contents as Node | null;
    for (const part of path) [, node] = this.step(node, part);
    const map = this.resolved(node);
    return isMap(map) ? map.items.map(({ key }) => keyText(key as Node) ?? '') : [];
  }

  private resolved(node: Node | null): Node | null {
    return isAlias(node) ? (this.anchors.get(node.source) ?? null) : node;
  }

  /** The node that carries a step's line, and the one it leads to. */
  private step(node: Node | null, part: string | number): [Node | undefined, Node | null] {
    const at = this.resolved(node);
    if (isSeq(at) && typeof part === 'number') {
      const item = at.items[part] as Node | undefined;
      return [item, item ?? null];
    }
    const pair = isMap(at)
      ? (at.items as Pair<Node, Node | null>[]).find(({ key }) => keyText(key) === part)
      : undefined;
    return [pair?.key, pair?.value ?? null];
  }

  problem(path: Path, text: string): void {
    this.problems.push({ path, line: this.line(path), text });
  }

  /** At a line (from 1) of a text; of one that is not a block (`KEY: |`), where it begins. */
  textProblem(path: Path, line: number, text: string): void {
    let node = this.document.contents as Node | null;
    for (const part of path) [, node] = this.step(node, part);
    const value = this.resolved(node);
    const isBlock = isScalar(value) && (value.type === 'BLOCK_LITERAL' || value.type === 'BLOCK_FOLDED');
    this.problems.push({ path, line: this.line(path) + (isBlock ? line : 0), text });
  }

  /** Throws the first problem of the file, if there is one. */
  throwFirst(verb: string): void {
    const [first] = this.problems.sort((a, b) => a.line - b.line);
    if (first !== undefined) throw this.error(verb, first);
  }

  error(verb: string, { path, line, text }: Problem, errno = 'EINVAL'): SluiceError {
    const key = path.length === 0 ? '' : ` ${pathText(path)}:`;
    return new SluiceError(errno, `cannot ${verb} configuration ${this.file}:${line}:${key} ${text}`);
  }

  private plain(node: Node | null, key: string, path: Path, isAliased: boolean): unknown {
    if (path.length > MAX_DEPTH || (isAliased && ++this.aliasedNodes > MAX_ALIASED_NODES)) {
      throw this.error('read', { path: path.slice(0, 4), line: this.lineAt(node), text: TOO_DEEP });
    }
    if (isAlias(node)) return this.plainAlias(node, key, path);
    if (node?.anchor !== undefined) this.anchors.set(node.anchor, node);
    if (isMap(node)) return this.plainMap(node.items as Pair<Node, Node | null>[], path, isAliased);
    if (isSeq(node)) return node.items.map((item, i) => this.plain(item as Node, key, [...path, i], isAliased));
    return isScalar(node) ? scalar(node.value, node.source, key) : null;
  }

  private plainAlias(alias: Alias, key: string, path: Path): unknown {
    const node = this.anchors.get(alias.source);
    if (node !== undefined) return this.plain(node, key, path, true);
    this.problems.push({
      path,
      line: this.lineAt(alias),
      text: `there is no anchor "&${alias.source}" above it; write the value out`,
    });
    return null;
  }

  private plainMap(pairs: Pair<Node, Node | null>[], path: Path, isAliased: boolean): Record<string, unknown> {
    const map: Record<string, unknown> = Object.create(null);
    for (const { key, value } of pairs) {
      const name = keyText(key);
      const line = this.lineAt(key);
      if (name === undefined)
        this.problems.push({ path, line, text: 'a key of it is no name; write it as "key: value"' });
      else if (name in map)
        this.problems.push({ path: [...path, name], line, text: 'it is there twice; leave one of them' });
      else map[name] = this.plain(value, name, [...path, name], isAliased);
    }
    return map;
  }
}

function syntaxText(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'a second YAML document begins; leave one in the file';
  if (message.includes('call stack')) return TOO_DEEP;
  return `${message.replace(/\s+/g, ' ').replace(/[.:]$/, '')}; correct the YAML there`;
}

function keyText(key: Node | null): string | undefined {
  if (!isScalar(key) || key.value === null) return undefined;
  return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
}

function scalar(value: unknown, source: string | undefined, key: string): unknown {
  if (SWITCHES.has(key) && typeof value === 'string') return switchOf(value) ?? value;
  const isWritten = source !== undefined && (typeof value === 'number' || typeof value === 'boolean');
  return isWritten && (TEXTS.has(key) || key === 'addr') ? source : value;
}

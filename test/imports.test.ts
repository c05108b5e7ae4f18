/*
 * Which part may import which (the order in which a reader can learn them, and what keeps most of it runnable in a
 * browser):
 *
 *   wire → tables → bridge | route → conntrack → netfilter → datapath → container | overlay → control → cli
 *
 * core is for all. io stands beside the datapath: control puts ports into it. demo is a verb of cli with a folder of its own.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

const SPECIFIER =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s*'([^']+)'|import\(\s*'([^']+)'|(?:^|\n)\s*import\s*'([^']+)'|require\(\s*'([^']+)'/g;

/** What each part of src/ may import, itself included. */
const MAY_IMPORT: Record<string, string[]> = {
  core: ['core'],
  wire: ['wire', 'core'],
  tables: ['tables', 'wire', 'core'],
  bridge: ['bridge', 'tables', 'wire', 'core'],
  route: ['route', 'tables', 'wire', 'core'],
  conntrack: ['conntrack', 'route', 'tables', 'wire', 'core'],
  netfilter: ['netfilter', 'conntrack', 'bridge', 'route', 'tables', 'wire', 'core'],
  'datapath.ts': ['bridge', 'route', 'netfilter', 'conntrack', 'tables', 'wire', 'core'],
  'engine.ts': ['datapath.ts', 'bridge', 'route', 'tables', 'wire', 'core'],
  io: ['io', 'wire', 'core'],
};
MAY_IMPORT.overlay = [...Object.keys(MAY_IMPORT), 'overlay'];
MAY_IMPORT.container = [...Object.keys(MAY_IMPORT), 'container'];
MAY_IMPORT.control = [...Object.keys(MAY_IMPORT), 'control'];
MAY_IMPORT.demo = [...Object.keys(MAY_IMPORT), 'demo', 'cli'];
MAY_IMPORT.cli = [...Object.keys(MAY_IMPORT), 'cli'];
MAY_IMPORT['index.ts'] = Object.keys(MAY_IMPORT);

/** `sluice bench` runs the benchmarks, which lie outside of src/. */
const EXCEPTIONS = ['src/cli/bench.ts imports bench/run.js'];

/** Parts that may use Node, packages and native code. */
const MAY_USE_NODE = ['io', 'control', 'cli', 'demo', 'container', 'overlay'];

interface Import {
  from: string;
  to: string;
  /** Loaded with the file, not when it is asked for, and not for its types alone. */
  isEager: boolean;
}

function nameOf({ from, to }: Import): string {
  return `${from} imports ${to}`;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => relative(ROOT, join(folder, name)));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(SPECIFIER)].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? match[4];
    const isEager = match[2] === undefined && !/^\s*import\s+type\s/.test(match[0]);
    return {
      from: file,
      to: specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier,
      isEager,
    };
  });
}

/** The part of src/ that a path belongs to: its folder, or the file itself. */
function partOf(path: string): string {
  const [, part] = path.split('/');
  return part.endsWith('.js') ? part.replace(/\.js$/, '.ts') : part;
}

const imports = filesBelow(join(ROOT, 'src')).flatMap(importsOf);
const inside = imports.filter(({ to }) => to.startsWith('src/'));
const outside = imports.filter(({ to }) => !to.startsWith('src/'));

describe('imports', () => {
  it('are found at all', () => {
    expect(inside.map(nameOf)).toContain('src/datapath.ts imports src/bridge/bridge.js');
    expect(outside.map(({ to }) => to)).toContain('node:fs');
  });

  it('point one way', () => {
    const wrong = inside.filter(({ from, to }) => !MAY_IMPORT[partOf(from)]?.includes(partOf(to)));
    expect(wrong.map(nameOf)).toEqual([]);
  });

  it('of Node, packages and native code are left to io and the control plane', () => {
    const wrong = outside.filter(({ from }) => !MAY_USE_NODE.includes(partOf(from)));
    expect(wrong.map(nameOf)).toEqual([]);
  });

  it('name files as they are when compiled', () => {
    const wrong = imports.filter(({ to }) => to.startsWith('src/') && !/\.(js|json|node)$/.test(to));
    expect(wrong.map(nameOf)).toEqual([]);
  });

  it('do not go round in a circle', () => {
    const graph = new Map<string, string[]>();
    for (const { from, to } of inside.filter(({ isEager }) => isEager))
      graph.set(from, [...(graph.get(from) ?? []), to.replace(/\.js$/, '.ts')]);
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file)) return;
      done.add(file);
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    };
    for (const file of graph.keys()) visit(file, []);
    expect(circles).toEqual([]);
  });

  it('of src/ never reach into test/ or bench/', () => {
    const wrong = imports.filter(({ to }) => /^(test|bench)\//.test(to)).map(nameOf);
    expect(wrong.filter((name) => !EXCEPTIONS.includes(name))).toEqual([]);
  });
});

describe('the datapath', () => {
  it('neither reads a clock nor throws, allocates objects or logs in its hot modules', () => {
    const hot = [
      'src/datapath.ts',
      'src/engine.ts',
      ...['bridge', 'route', 'tables'].flatMap((part) => filesBelow(join(ROOT, 'src', part))),
    ];
    const forbidden =
      /\b(Date\.now|performance\.now|console\.|process\.|Math\.random|throw\b|BigInt|new Map|new Set|new WeakMap)/;
    const wrong = hot.filter((file) =>
      forbidden.test(readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')),
    );
    expect(wrong).toEqual([]);
  });
});

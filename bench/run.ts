/** `sluice bench`: which numbers, how long, and in what form they are told. */
import { pathToFileURL } from 'node:url';
import { helpText } from '../src/cli/help.js';
import { control } from './control.js';
import { core } from './core-bridge.js';
import { coreForward } from './core-forward.js';
import { lpm } from './core-lpm.js';
import { coreNat } from './core-nat.js';
import { coreRoute } from './core-route.js';
import { coreRules } from './core-rules.js';
import { idle } from './idle.js';
import { iptables } from './iptables.js';
import { latency } from './latency.js';
import type { Measure, Options, Row } from './measure.js';
import { packetBridge } from './packet-bridge.js';
import { table } from './report.js';
import { guardScenes } from './scene.js';
import { tapBridge } from './tap-bridge.js';
import { tapNat } from './tap-nat.js';
import { tapRouter } from './tap-router.js';
import { tcp } from './tcp.js';
import { generate, sink } from './traffic.js';

/** Every number that there is; the order is that of the report, and of `sluice bench --help` (src/cli/help.ts). */
export const measures: readonly Measure[] = [
  core,
  coreRoute,
  lpm,
  coreNat,
  coreRules,
  coreForward,
  tapBridge,
  tapRouter,
  tapNat,
  packetBridge,
  tcp,
  latency,
  control,
  iptables,
  idle,
];

const known = measures.flatMap((measure) => measure.names);

/** Where the words go: the table or the JSON to `out`, progress and complaints to `err`. */
interface Terminal {
  out(text: string): void;
  err(text: string): void;
}

class Usage extends Error {}

interface Request {
  names: string[];
  json: boolean;
  seconds: number;
  rounds: number;
}

function positive(option: string, word: string | undefined): number {
  const value = Number(word);
  if (word === undefined || !(value > 0)) {
    throw new Usage(`cannot take ${option} ${word ?? ''}: not a number above 0; say for example "${option} 2"`);
  }
  return value;
}

function chosen(word: string): string[] {
  const names = known.filter((name) => name === word || name.startsWith(`${word}-`) || name.startsWith(word));
  if (names.length === 0) throw new Usage(`cannot measure ${word}: no such number; there are ${known.join(', ')}`);
  return names;
}

function parse(words: readonly string[]): Request {
  const request: Request = { names: [], json: false, seconds: 2, rounds: 5 };
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === '-j' || word === '--json') request.json = true;
    else if (word === '--seconds') request.seconds = positive(word, words[++i]);
    else if (word === '--rounds') request.rounds = Math.ceil(positive(word, words[++i]));
    else if (word.startsWith('-'))
      throw new Usage(`cannot understand ${word}: no such option; see sluice bench --help`);
    else request.names.push(...chosen(word));
  }
  if (request.names.length === 0) request.names = known;
  return request;
}

async function sinkOf(words: readonly string[], terminal: Terminal): Promise<number> {
  const [device, option, seconds] = words;
  if (device === undefined || (option !== undefined && option !== '--seconds') || words.length > 3) {
    throw new Usage(
      'cannot count: a device is wanted, and nothing else; say for example "sluice bench sink eth0 --seconds 5"',
    );
  }
  return sink(device, option === undefined ? 3600 : positive(option, seconds), terminal.out);
}

async function measureAll(request: Request, terminal: Terminal): Promise<Row[]> {
  const options: Options = {
    seconds: request.seconds,
    rounds: request.rounds,
    say: (line) => terminal.err(`${line}\n`),
  };
  const rows: Row[] = [];
  for (const measure of measures) {
    const names = measure.names.filter((name) => request.names.includes(name));
    if (names.length > 0) rows.push(...(await measure.run(names, options)));
  }
  return rows;
}

async function report(words: readonly string[], terminal: Terminal): Promise<number> {
  const request = parse(words);
  guardScenes();
  const rows = await measureAll(request, terminal);
  terminal.out(`${request.json ? JSON.stringify(rows, null, 1) : table(rows)}\n`);
  return rows.every((row) => row.value !== null) ? 0 : 1;
}

/** Carries the command out; returns its exit status: 1 if a figure of Sluice could not be had. */
export async function bench(words: readonly string[], terminal: Terminal): Promise<number> {
  const [verb, ...rest] = words;
  try {
    if (words.includes('--help') || words.includes('-h')) terminal.out(helpText(['bench']));
    else if (verb === 'generator') return generate(rest);
    else if (verb === 'sink') return await sinkOf(rest, terminal);
    else return await report(words, terminal);
    return 0;
  } catch (error) {
    terminal.err(`${(error as Error).message}\n`);
    return error instanceof Usage ? 2 : 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const out = (text: string) => void process.stdout.write(text);
  const err = (text: string) => void process.stderr.write(text);
  process.exitCode = await bench(process.argv.slice(2), { out, err });
}

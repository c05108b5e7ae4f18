/*
 * What the real iptables makes of single rules, in a network namespace of its own: the answers that ours are compared with.
 *
 * A case is a line "4|6 TABLE CHAIN WORDS…", words quoted as in a shell. Its answer is the rule as -S writes it ("= …"), the
 * extensions' part of -L ("L …") and of -L -n where that differs ("N …"), or the words of the refusal ("! STATUS …").
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

export interface Case {
  line: string;
  family: 4 | 6;
  table: string;
  chain: string;
  words: string[];
}

export interface Answer {
  line: string;
  answer: string[];
}

export function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const [, quoted, bare] of text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
    words.push(bare ?? quoted.replace(/\\(.)/g, '$1'));
  }
  return words;
}

export function caseOf(line: string): Case {
  const [family, table, chain, ...words] = wordsOf(line);
  return { line, family: family === '6' ? 6 : 4, table, chain, words };
}

export function hasRealTool(): boolean {
  if (process.getuid?.() !== 0 || !existsSync('/usr/sbin/iptables')) return false;
  const probe = spawnSync('unshare', ['-n', 'iptables', '-V'], { encoding: 'utf8' });
  return probe.status === 0 && probe.stdout.includes('v1.8.9 (nf_tables)');
}

function shellWord(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Sets that cases may name. */
const SETS = [
  'ipset create hs hash:ip timeout 0 counters',
  'ipset create hs6 hash:ip family inet6',
  'ipset create ipport hash:ip,port',
  'ipset create ls list:set',
];

function script(cases: readonly Case[]): string {
  const lines = [...SETS, 'export LC_ALL=C', ...cases.flatMap((one, i) => scriptOf(one, i))];
  return `${lines.join('\n')}\n`;
}

function scriptOf({ family, table, chain, words }: Case, i: number): string[] {
  const tool = family === 6 ? 'ip6tables' : 'iptables';
  const rule = words.map(shellWord).join(' ');
  return [
    `echo '@@@ ${i}'`,
    `if ${tool} -w -t ${table} -A ${chain} ${rule} 2>/tmp/$$.err; then`,
    `${tool} -t ${table} -S ${chain} | grep '^-A'; echo '@L'; ${tool} -t ${table} -L ${chain};`,
    `echo '@N'; ${tool} -t ${table} -nL ${chain}; ${tool} -t ${table} -F ${chain}; echo '@E'; cat /tmp/$$.err;`,
    `else echo "@! $?"; cat /tmp/$$.err; fi; rm -f /tmp/$$.err`,
  ];
}

/** The extensions' part of the last line of a listing: what stands behind the columns. */
export function listed(lines: readonly string[]): string {
  const columns = /(?:0\.0\.0\.0\/0|anywhere|::\/0) +((?:0\.0\.0\.0\/0|anywhere|::\/0).*)$/.exec(lines[2] ?? '');
  return columns === null
    ? '?'
    : columns[1]
        .slice(20)
        .replaceAll('\0', '\\0')
        .replace(/ \[never matches: .*\]$/, '');
}

/** Without the line that points to the help. */
function refusal(status: number, lines: readonly string[]): string[] {
  return [
    `! ${status}`,
    ...lines.filter((line) => line !== '' && !line.startsWith('Try `')).map((line) => `! ${line}`),
  ];
}

function answerOf(output: string[]): string[] {
  if (output[0]?.startsWith('@!')) {
    return refusal(Number(output[0].slice(3)), output.slice(1));
  }
  const [list, numeric, end] = ['@L', '@N', '@E'].map((mark) => output.indexOf(mark));
  const texts = [listed(output.slice(list + 1, numeric)), listed(output.slice(numeric + 1, end))];
  const answer = output.slice(0, list).map((line) => `= ${line.replace(/^-A \S+ ?/, '')}`);
  answer.push(`L ${texts[0]}`);
  if (texts[1] !== texts[0]) answer.push(`N ${texts[1]}`);
  return [...answer, ...output.slice(end + 1).map((line) => `W ${line}`)];
}

/** Runs the cases one after the other in a fresh network namespace. */
export function askRealTool(cases: readonly Case[]): Answer[] {
  const { stdout } = spawnSync('unshare', ['-n', 'sh'], { input: script(cases), encoding: 'utf8', maxBuffer: 1 << 26 });
  const parts = stdout.split(/^@@@ \d+\n/m).slice(1);
  return parts.map((part, i) => ({ line: cases[i].line, answer: answerOf(part.replace(/\n+$/, '').split('\n')) }));
}

/** A file of cases and their answers: "# …" comments, cases, and indented answers below them. */
export function readAnswers(text: string): Answer[] {
  const all: Answer[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('  ')) all.at(-1)?.answer.push(line.slice(2));
    else if (line !== '' && !line.startsWith('#')) all.push({ line, answer: [] });
  }
  return all;
}

/** The answer that ours gives, in the same form. */
export async function askOurTool({ family, table, chain, words }: Case, ask: Ask): Promise<string[]> {
  const tool = family === 6 ? 'ip6tables' : 'iptables';
  let added = await ask([tool, '-t', table, '-A', chain, ...words]);
  // What only a kernel can do is read and printed all the same.
  if (added.stderr.includes('(Operation not supported)')) {
    const rule = words.map((word) => `"${word.replace(/["\\]/g, '\\$&')}"`).join(' ');
    added = await ask([`${tool}-restore`, '--lax', '-n'], `*${table}\n-A ${chain} ${rule}\nCOMMIT\n`);
  }
  const errors = linesOf(added.stderr);
  if (added.status !== 0) return refusal(added.status, errors);
  const saved = linesOf((await ask([tool, '-t', table, '-S', chain])).stdout).filter((line) => line.startsWith('-A'));
  const list = listed(linesOf((await ask([tool, '-t', table, '-L', chain])).stdout));
  const numeric = listed(linesOf((await ask([tool, '-t', table, '-nL', chain])).stdout));
  await ask([tool, '-t', table, '-F', chain]);
  const answer = [...saved.map((line) => `= ${line.replace(/^-A \S+ ?/, '')}`), `L ${list}`];
  if (numeric !== list) answer.push(`N ${numeric}`);
  return [...answer, ...errors.map((line) => `W ${line}`)];
}

export type Ask = (words: string[], input?: string) => Promise<{ stdout: string; stderr: string; status: number }>;

function linesOf(text: string): string[] {
  return text
    .replace(/\n+$/, '')
    .split('\n')
    .filter((line, i, all) => line !== '' || i < all.length - 1);
}

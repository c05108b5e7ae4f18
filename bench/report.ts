/** Rows as text: under each name Sluice's figure, then one line for every peer. */
import { readFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import type { Row } from './measure.js';

/** Nothing for what is not measured here, a dash for what should be there. */
const figure = (value: number | null | undefined): string =>
  value === undefined ? '' : value === null ? '-' : String(value);

function busy(cores: number[] | undefined): string {
  return cores === undefined || cores.length === 0 ? '' : cores.map((share) => `${Math.round(share * 100)}`).join('+');
}

function verdict(row: Row): string {
  const compared = row.peer === null ? row.value : row.ratio;
  if (row.least === undefined || compared === null) return '';
  const sign = row.below ? '≤' : '≥';
  const meets = (bound: number | undefined): boolean =>
    bound !== undefined && (row.below ? compared <= bound : compared >= bound);
  const word = meets(row.goal) ? 'goal' : meets(row.least) ? 'met' : 'MISSED';
  return `${sign} ${row.least}, goal ${row.goal}: ${word}`;
}

type Cells = [who: string, value: string, p99: string, ratio: string, cpu: string, cores: string, verdict: string];

const HEAD: Cells = ['', '', 'p99', 'ratio', 'CPU s/Mpkt', 'cores %', 'ratio wanted'];

function own(row: Row): Cells {
  const { value, unit, p99, cpu_s_per_mpkt: cpu } = row;
  return [
    'Sluice',
    `${figure(value)} ${unit}`,
    figure(p99),
    '',
    figure(cpu ?? undefined),
    busy(row.cores),
    row.peer === null ? verdict(row) : '',
  ];
}

function peer(row: Row): Cells {
  const { peer: name, peer_value: value, ratio, peer_p99: p99, peer_cpu_s_per_mpkt: cpu } = row;
  return [
    name ?? '',
    `${figure(value)} ${row.unit}`,
    figure(p99),
    figure(ratio),
    figure(cpu ?? undefined),
    busy(row.peer_cores),
    verdict(row),
  ];
}

/** Columns with a heading and nothing under it are left out. */
function align(lines: Cells[]): string[] {
  const used = HEAD.map((_, column) => lines.slice(1).some((line) => line[column] !== ''));
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const text = (line: Cells): string[] => line.map((cell, i) => cell.padEnd(widths[i])).filter((_, i) => used[i]);
  return lines.map((line) => text(line).join('  ').trimEnd());
}

/** What the figures were measured on. */
export function machine(): string {
  const model = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown CPU';
  return `${availableParallelism()} cores, ${model}, Linux ${release()}, Node ${process.version.slice(1)}`;
}

export function table(rows: Row[]): string {
  const lines: Cells[] = [HEAD];
  const titles = new Map<number, string>();
  for (const [i, row] of rows.entries()) {
    if (row.name !== rows[i - 1]?.name) {
      titles.set(lines.length, row.name);
      lines.push(own(row));
    }
    if (row.peer !== null) lines.push(peer(row));
  }
  const skipped = [
    ...new Set(rows.flatMap((row) => (row.skipped === undefined ? [] : [`${row.name}: ${row.skipped}`]))),
  ];
  const aligned = align(lines).flatMap((line, i) => {
    const title = titles.get(i);
    return title === undefined ? [line] : ['', title, line];
  });
  return [machine(), ...aligned, '', ...skipped.map((line) => `skipped: ${line}`)].join('\n').trimEnd();
}

/* The dataplane's counters, drops by reason, and the balance of all frames, as tables. */
import type { StatusInfo } from '../control/api/status.js';
import { DROP_NAME, DROP_REASONS, DROP_TEXT } from '../core/drop.js';
import type { Stage } from './stage.js';

const DIGITS = 14;

function cell(value: number | string): string {
  return (typeof value === 'number' ? value.toLocaleString('en-US') : value).padStart(DIGITS);
}

function sum(values: Record<string, number>): number {
  return Object.values(values).reduce((total, value) => total + value, 0);
}

function sentenceOf(reason: string): string {
  const number = DROP_REASONS.find((candidate) => DROP_NAME[candidate] === reason);
  return number === undefined ? '' : DROP_TEXT[number];
}

/** Frames that came in or were made, and those that went out or are here: the two sides of the balance. */
export function balanceOf(status: StatusInfo): [number, number] {
  const left = status.received + status.generated + status.cloned;
  const right = status.transmitted + status.delivered + status.merged + sum(status.drops) + status.held;
  return [left, right];
}

function showBalance(stage: Stage, status: StatusInfo): void {
  const [left, right] = balanceOf(status);
  const part = (name: 'received' | 'generated' | 'cloned' | 'transmitted' | 'delivered' | 'merged' | 'held') =>
    `${name} ${status[name].toLocaleString('en-US')}`;
  const cause = `${left} frames came in or were copied, ${right} are accounted for`;
  const mark = stage.expect(left === right, 'account for', 'every frame', cause, 'this is a bug');
  stage.screen.line(`  ${mark} every frame is accounted for:`);
  stage.screen.line(`      ${part('received')} + ${part('generated')} + ${part('cloned')}`);
  stage.screen.line(
    `    = ${part('transmitted')} + ${part('delivered')} + ${part('merged')} + dropped ${sum(status.drops).toLocaleString('en-US')} + ${part('held')}`,
  );
}

export function showCounters(stage: Stage, status: StatusInfo): void {
  const { screen } = stage;
  screen.line(`  link${cell('received')}${cell('transmitted')}${cell('dropped')}`);
  for (const [name, link] of Object.entries(status.links)) {
    screen.line(`  ${name.padEnd(4)}${cell(link.received)}${cell(link.transmitted)}${cell(sum(link.drops))}`);
  }
  screen.heading('Drops by reason');
  for (const [name, link] of Object.entries(status.links)) {
    for (const [reason, n] of Object.entries(link.drops)) {
      screen.line(
        `  ${name.padEnd(4)}${reason.padEnd(22)}${n.toLocaleString('en-US').padStart(8)}  ${sentenceOf(reason)}`,
      );
    }
  }
  showBalance(stage, status);
}

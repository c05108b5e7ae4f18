/*
 * Rules as `iptables -L` prints them, as -v prints the rule of a command, and chains' headings.
 */
import { RuleFlag } from '../../netfilter/rule.js';
import { type Address, formatAddress, lengthOf } from './addresses.js';
import type { Use } from './extension.js';
import { hostName } from './host-names.js';
import type { Box, Chain, Rule } from './model.js';
import { protocolName } from './services.js';

export interface Counts {
  packets: number;
  bytes: number;
}

export interface ListStyle {
  isNumeric: boolean;
  isVerbose: boolean;
  isExact: boolean;
  hasLineNumbers: boolean;
}

/** With K, M, G, T from 100,000 on; the last step without a limit. */
function shortNumber(value: number): [digits: number, unit: string] {
  if (value <= 99999) return [value, ''];
  let left = value;
  for (const unit of ['K', 'M', 'G']) {
    left = Math.floor((left + 500) / 1000);
    if (left <= 9999) return [left, unit];
  }
  return [Math.floor((left + 500) / 1000), 'T'];
}

function numberText(value: number, isExact: boolean): string {
  return isExact ? String(value) : shortNumber(value).join('');
}

function column(value: number, isExact: boolean): string {
  return `${numberText(value, isExact).padStart(isExact ? 8 : 5)} `;
}

export function headingOf(chain: Chain, counts: Counts, style: ListStyle): string {
  const { isVerbose, isExact, hasLineNumbers } = style;
  let what = `${chain.references} references`;
  if (chain.isBase) {
    const { packets, bytes } = counts;
    what = `policy ${chain.policy}`;
    if (isVerbose) what += ` ${numberText(packets, isExact)} packets, ${numberText(bytes, isExact)} bytes`;
  }
  const number = hasLineNumbers ? 'num  ' : '';
  const counters = isExact ? '    pkts      bytes ' : ' pkts bytes ';
  const links = ' in     out    ';
  return (
    `Chain ${chain.name} (${what})\n${number}${isVerbose ? counters : ''}target     prot opt` +
    `${isVerbose ? links : ''} source               destination         \n`
  );
}

function not(box: Box, flag: RuleFlag, no = ' '): string {
  return (box.inverted & flag) !== 0 ? '!' : no;
}

function addressText(address: Address, mask: Address, isNumeric: boolean): string {
  const length = lengthOf(mask);
  const isAny = length === 0 || (address.length > 1 && address.every((word) => word === 0));
  if (isAny && !isNumeric) return 'anywhere';
  if (length === 0) return address.length === 1 ? '0.0.0.0/0' : '::/0';
  const name = (isNumeric ? undefined : hostName(address)) ?? formatAddress(address);
  if (length === mask.length * 32) return name;
  return `${name}/${length ?? formatAddress(mask)}`;
}

function fragmentText(box: Box): string {
  if (!box.isFragment) return '--';
  return (box.inverted & RuleFlag.NOT_FRAGMENT) !== 0 ? '!f' : '-f';
}

function linkText(name: string, inverted: string, isNumeric: boolean): string {
  if (name === '' || (name === '+' && inverted === '')) return isNumeric ? '*' : 'any';
  return inverted + name;
}

function extensionTexts(rule: Rule, isNumeric: boolean, use: Use): string {
  let text = rule.jump.isGoto ? '[goto] ' : '';
  for (const { extension, data } of rule.matches) text += extension.list?.(data, isNumeric, use) ?? '';
  const { target } = rule.jump;
  if (target !== undefined && rule.chain === undefined) {
    text += target.extension.list?.(target.data, isNumeric, use) ?? '';
  }
  return rule.lacking === undefined ? text : `${text} [never matches: ${rule.lacking}]`;
}

function targetName(rule: Rule): string {
  const { target, name } = rule.jump;
  if (rule.chain !== undefined) return rule.chain.name;
  return target?.extension.listedName ?? name;
}

/** A line of -L. `number` counts from 1. */
export function ruleLine(rule: Rule, number: number, counts: Counts, style: ListStyle, use: Use): string {
  const { box } = rule;
  const { isNumeric, isVerbose, isExact } = style;
  let line = style.hasLineNumbers ? `${String(number).padEnd(4)} ` : '';
  if (isVerbose) line += column(counts.packets, isExact) + column(counts.bytes, isExact);
  const protocol = isNumeric ? undefined : protocolName(box.protocol);
  line += `${targetName(rule).padEnd(9)} ${not(box, RuleFlag.NOT_PROTOCOL)}`;
  line += `${(protocol ?? String(box.protocol)).padEnd(4)} ${fragmentText(box)} `;
  if (isVerbose) {
    line += ` ${linkText(box.in, not(box, RuleFlag.NOT_IN, ''), isNumeric).padEnd(6)}`;
    line += ` ${linkText(box.out, not(box, RuleFlag.NOT_OUT, ''), isNumeric).padEnd(6)} `;
  }
  const source = addressText(box.source, box.sourceMask, isNumeric);
  const destination = addressText(box.destination, box.destinationMask, isNumeric);
  line += `${not(box, RuleFlag.NOT_SOURCE)}${source.padEnd(19)} `;
  line += `${not(box, RuleFlag.NOT_DESTINATION)}${destination.padEnd(19)} `;
  return `${line}${extensionTexts(rule, isNumeric, use)}\n`;
}

/** What -v prints of the rule of a command. */
export function verboseLine(rule: Rule, use: Use): string {
  const { box } = rule;
  const protocol = protocolName(box.protocol) ?? String(box.protocol);
  const source = addressText(box.source, box.sourceMask, true);
  const destination = addressText(box.destination, box.destinationMask, true);
  return (
    `${targetName(rule)} ${not(box, RuleFlag.NOT_PROTOCOL)}${protocol} opt ${fragmentText(box)} ` +
    `in ${linkText(box.in, not(box, RuleFlag.NOT_IN, ''), true)} out ${linkText(box.out, not(box, RuleFlag.NOT_OUT, ''), true)} ` +
    `${not(box, RuleFlag.NOT_SOURCE)}${source} ${not(box, RuleFlag.NOT_DESTINATION)}-> ${destination}  ` +
    `${extensionTexts(rule, true, use)}\n`
  );
}

/*
 * A rule's box as iptables-save and -S write it, and the names of links in it.
 */
import { RuleFlag } from '../../netfilter/rule.js';
import { type Address, formatAddress, lengthOf } from './addresses.js';
import type { Box } from './model.js';
import { Problem } from './problem.js';
import { protocolName } from './services.js';

/** Of a link's name, with the end: IFNAMSIZ. */
const NAME_BYTES = 16;

/** -i, -o: "+" alone is any link; `warn` gets what iptables only complains about. */
export function readLink(text: string, warn: (line: string) => void): string {
  if (Buffer.byteLength(text) >= NAME_BYTES) {
    throw new Problem(`interface name \`${text}' must be shorter than IFNAMSIZ (${NAME_BYTES - 1})`);
  }
  if (/[/ ]/.test(text)) {
    warn(`Warning: weird character in interface \`${text}' ('/' and ' ' are not allowed by the kernel).`);
  }
  return text;
}

function not(box: Box, flag: RuleFlag): string {
  return (box.inverted & flag) !== 0 ? ' !' : '';
}

function addressText(address: Address, mask: Address, isInverted: boolean, option: string): string {
  const length = lengthOf(mask);
  if (length === 0 && !isInverted) return '';
  const maskText = length ?? formatAddress(mask);
  return `${isInverted ? ' !' : ''} ${option} ${formatAddress(address)}/${maskText}`;
}

export function isAnyLink(name: string): boolean {
  return name === '' || name === '+';
}

function linkText(name: string, inverted: string, option: string): string {
  return name === '' || (name === '+' && inverted === '') ? '' : `${inverted} ${option} ${name}`;
}

function protocolText(box: Box): string {
  if (box.protocol === 0 && (box.inverted & RuleFlag.NOT_PROTOCOL) === 0) return '';
  return `${not(box, RuleFlag.NOT_PROTOCOL)} -p ${protocolName(box.protocol) ?? box.protocol}`;
}

/** Each option with a blank in front. */
export function boxText(box: Box): string {
  return (
    addressText(box.source, box.sourceMask, (box.inverted & RuleFlag.NOT_SOURCE) !== 0, '-s') +
    addressText(box.destination, box.destinationMask, (box.inverted & RuleFlag.NOT_DESTINATION) !== 0, '-d') +
    linkText(box.in, not(box, RuleFlag.NOT_IN), '-i') +
    linkText(box.out, not(box, RuleFlag.NOT_OUT), '-o') +
    protocolText(box) +
    (box.isFragment ? `${not(box, RuleFlag.NOT_FRAGMENT)} -f` : '')
  );
}

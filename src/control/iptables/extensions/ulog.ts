/*
 * -j ULOG: the kernel has had none since 3.17, so every rule with it is refused; the tool still reads it.
 */
import { Family } from '../../../netfilter/rule.js';
import type { Extension } from '../extension.js';
import { text } from './values.js';

const PREFIX_LIMIT = 32;

interface Ulog {
  group: number;
  prefix: string;
  copyRange: number;
  threshold: number;
}

export const ulog: Extension<Ulog> = {
  name: 'ULOG',
  isTarget: true,
  family: Family.IPV4,
  options: [
    {
      name: 'ulog-nlgroup',
      argument: 'required',
      take(data, given) {
        data.group = given.unsigned(1, 32);
      },
    },
    {
      name: 'ulog-prefix',
      argument: 'required',
      take(data, given) {
        data.prefix = text(given, PREFIX_LIMIT);
      },
    },
    {
      name: 'ulog-cprange',
      argument: 'required',
      take(data, given) {
        data.copyRange = given.u32();
      },
    },
    {
      name: 'ulog-qthreshold',
      argument: 'required',
      take(data, given) {
        data.threshold = given.unsigned(1, 50);
      },
    },
  ],
  create: () => ({ group: 1, prefix: '', copyRange: 0, threshold: 1 }),
  finalCheck(_, use) {
    use.warn('Warning: Extension ULOG revision 0 not supported, missing kernel module?');
  },
  check: () => 'ENOENT',
  save: ({ group, prefix, copyRange, threshold }) =>
    (prefix === '' ? '' : ` --ulog-prefix ${prefix}`) +
    (group === 1 ? '' : ` --ulog-nlgroup ${group}`) +
    (copyRange === 0 ? '' : ` --ulog-cprange ${copyRange}`) +
    (threshold === 1 ? '' : ` --ulog-qthreshold ${threshold}`),
  list: ({ group, prefix, copyRange, threshold }) =>
    ` ULOG copy_range ${copyRange} nlgroup ${group}${prefix === '' ? '' : ` prefix "${prefix}"`} queue_threshold ${threshold}`,
  encode() {},
};

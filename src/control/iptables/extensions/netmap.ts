/*
 * -j NETMAP: one net onto another of the same size.
 */
import { NatFlag, Extension as TargetNumber } from '../../../netfilter/ops.js';
import { Hook, TableId } from '../../../netfilter/rule.js';
import { formatAddress, lengthOf, type MaskedAddress } from '../addresses.js';
import type { Extension } from '../extension.js';
import { hostMask } from './values.js';
import { fourWords } from './wording.js';

function text({ address, mask }: MaskedAddress): string {
  return `${formatAddress(address)}/${lengthOf(mask) ?? address.length * 32}`;
}

export const netmap: Extension<MaskedAddress> = {
  name: 'NETMAP',
  isTarget: true,
  needsConntrack: true,
  tables: [TableId.NAT],
  hooks: (1 << Hook.PREROUTING) | (1 << Hook.POSTROUTING) | (1 << Hook.OUTPUT) | (1 << Hook.INPUT),
  options: [
    {
      name: 'to',
      argument: 'required',
      isMandatory: true,
      take(data, given) {
        const { address, mask } = hostMask(given);
        data.mask = mask;
        data.address = address.map((word, i) => word & mask[i]);
      },
    },
  ],
  create: () => ({ address: [0], mask: [0] }),
  save: (data) => ` --to ${text(data)}`,
  list: (data) => ` to:${text(data)}`,
  encode({ address, mask }, into) {
    const last = address.map((word, i) => word | ~mask[i]);
    const flags = NatFlag.ADDRESSES | NatFlag.NETMAP;
    into.target(TargetNumber.NETMAP, [flags, ...fourWords(address), ...fourWords(last), 0, 0, 0]);
  },
};

/*
 * What the kernel refuses of a single rule, and what cannot be done here.
 */
import { RuleFlag } from '../../netfilter/rule.js';
import { lengthOf } from './addresses.js';
import type { Extended, Use } from './extension.js';
import type { Chain, Rule } from './model.js';

export interface Refused {
  /** Name of the errno. */
  errno: string;
  /** Set: the kernel would take it. Why it has no meaning here. */
  lacking?: string;
}

/** undefined: nothing is wrong with it. */
export function admit(rule: Rule, chain: Chain, use: Use): Refused | undefined {
  const refused = admitBox(rule) ?? admitJump(rule);
  if (refused !== undefined) return refused;
  for (const match of rule.matches) {
    const found = admitExtension(match, chain, use);
    if (found !== undefined) return found;
  }
  return rule.jump.target === undefined ? undefined : admitExtension(rule.jump.target, chain, use);
}

/** `! -s 0.0.0.0/0`. */
function admitBox({ box }: Rule): Refused | undefined {
  if (box.inverted === 0) return undefined;
  const isNothing =
    ((box.inverted & RuleFlag.NOT_SOURCE) !== 0 && lengthOf(box.sourceMask) === 0) ||
    ((box.inverted & RuleFlag.NOT_DESTINATION) !== 0 && lengthOf(box.destinationMask) === 0);
  return isNothing ? { errno: 'EINVAL' } : undefined;
}

function admitJump(rule: Rule): Refused | undefined {
  if (rule.jump.name === 'QUEUE') return { errno: 'ENOENT' };
  if (rule.chain?.isBase === true) return { errno: rule.chain.exists ? 'EOPNOTSUPP' : 'ENOENT' };
  return undefined;
}

function admitExtension({ extension, data }: Extended, chain: Chain, use: Use): Refused | undefined {
  const { tables, hooks, protocols } = extension;
  const isForeign =
    tables?.includes(chain.table.kind.id) === false ||
    (chain.isBase && hooks !== undefined && (hooks & (1 << chain.hook)) === 0) ||
    (protocols !== undefined && (use.isNotProtocol || !protocols.includes(use.protocol)));
  if (isForeign) return { errno: 'EINVAL' };
  const errno = extension.check?.(data, use);
  if (errno !== undefined) return { errno };
  const lacking = extension.lacking?.(data, use);
  return lacking === undefined ? undefined : { errno: 'EOPNOTSUPP', lacking: `${extension.name}: ${lacking}` };
}

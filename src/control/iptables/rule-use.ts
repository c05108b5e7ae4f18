/*
 * The rule at hand, as extensions are told of it.
 */
import type { Family } from '../../netfilter/rule.js';
import { RuleFlag } from '../../netfilter/rule.js';
import type { Use } from './extension.js';
import type { Chain, Rule } from './model.js';

export class RuleUse implements Use {
  table = '';
  chain = '';
  protocol = 0;
  isNotProtocol = false;

  constructor(
    readonly family: Family,
    private readonly tell: (line: string) => void,
  ) {}

  warn(line: string): void {
    this.tell(line);
  }

  set({ box }: Rule, chain: Chain | undefined): this {
    const isNot = (box.inverted & RuleFlag.NOT_PROTOCOL) !== 0;
    return this.setTo(chain?.table.kind.name ?? '', chain?.name ?? '', box.protocol, isNot);
  }

  setTo(table: string, chain: string, protocol: number, isNotProtocol: boolean): this {
    this.table = table;
    this.chain = chain;
    this.protocol = protocol;
    this.isNotProtocol = isNotProtocol;
    return this;
  }

  isFor(table: string, chain: string, protocol: number, isNotProtocol: boolean): boolean {
    return (
      this.protocol === protocol && this.isNotProtocol === isNotProtocol && this.chain === chain && this.table === table
    );
  }
}

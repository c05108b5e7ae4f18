/*
 * The options of an extension that a rule names: taken, checked as libxtables checks guided ones, and its data.
 */
import type { Extended, Extension, Option, Use } from './extension.js';
import { type LongOption, type LongOptions, Takes } from './getopt-long.js';
import { Given } from './given.js';
import { Problem } from './problem.js';

/** What is known of an extension's options beforehand. */
interface Plan {
  options: LongOptions;
  /** The bit of each option's key. */
  bits: Map<Option<unknown>, number>;
  /** How complaints name an option: as the first with its key. */
  names: Map<Option<unknown>, string>;
}

const TAKES = { required: Takes.VALUE, optional: Takes.MAYBE };

const plans = new WeakMap<Extension, Plan>();

/** A long option of an extension. */
export interface ExtensionOption extends LongOption {
  readonly of: Option<unknown>;
}

function planOf(extension: Extension): Plan {
  let plan = plans.get(extension);
  if (plan === undefined) {
    plan = makePlan(extension);
    plans.set(extension, plan);
  }
  return plan;
}

function makePlan(extension: Extension): Plan {
  const options = new Map<string, ExtensionOption>();
  const bits = new Map<Option<unknown>, number>();
  const keys: string[] = [];
  const names = new Map<Option<unknown>, string>();
  for (const option of extension.options) {
    const key = option.key ?? option.name;
    if (!keys.includes(key)) keys.push(key);
    const first = extension.options.find((one) => (one.key ?? one.name) === key) ?? option;
    names.set(option, extension.isFree === true ? option.name : first.name);
    bits.set(option, 1 << keys.indexOf(key));
    const takes = option.argument === undefined ? Takes.NOTHING : TAKES[option.argument];
    options.set(option.name, { name: option.name, takes, letter: '', of: option });
  }
  return { options, bits, names };
}

/** An extension being read. */
export class Loading implements Extended {
  readonly extension: Extension;
  readonly data: unknown;
  readonly options: LongOptions;
  /** Another one of the name came behind it: it takes no more options. */
  isComplete = false;
  readonly #bits: Map<Option<unknown>, number>;
  readonly #names: Map<Option<unknown>, string>;
  /** Keys that have been given. */
  #given = 0;

  constructor(extension: Extension) {
    const plan = planOf(extension);
    this.extension = extension;
    this.data = extension.create();
    this.options = plan.options;
    this.#bits = plan.bits;
    this.#names = plan.names;
  }

  take(option: Option<unknown>, text: string, isInverted: boolean, use: Use, next: () => string | undefined): void {
    const bit = this.#bits.get(option) as number;
    if (this.extension.isFree !== true) this.#admit(option, bit, isInverted);
    this.#given |= bit;
    const name = this.#names.get(option) as string;
    option.take(this.data, new Given(this.extension.name, name, text, isInverted, use, next));
  }

  #admit(option: Option<unknown>, bit: number, isInverted: boolean): void {
    const { name } = this.extension;
    const optionName = this.#names.get(option);
    if ((this.#given & bit) !== 0 && option.isMulti !== true) {
      throw new Problem(`${name}: option "--${optionName}" can only be used once.\n`);
    }
    if (isInverted && option.canInvert !== true) {
      throw new Problem(`${name}: option "--${optionName}" cannot be inverted.\n`);
    }
  }

  /** All of its options have been read. */
  check(use: Use): void {
    this.extension.finalCheck?.(this.data, use);
    if (this.extension.isFree === true) return;
    for (const option of this.extension.options) this.#checkOption(option);
  }

  #checkOption(option: Option<unknown>): void {
    const { name } = this.extension;
    if (!this.#has(option)) {
      if (option.isMandatory === true) throw new Problem(`${name}: option "--${option.name}" must be specified\n`);
      return;
    }
    for (const other of option.requires ?? []) {
      if (this.#hasName(other)) continue;
      throw new Problem(`${name}: option "--${option.name}" also requires "--${other}".\n`);
    }
    for (const other of option.excludes ?? []) {
      if (!this.#hasName(other)) continue;
      throw new Problem(`${name}: option "--${option.name}" cannot be used together with "--${other}".\n`);
    }
  }

  #has(option: Option<unknown>): boolean {
    return (this.#given & (this.#bits.get(option) as number)) !== 0;
  }

  #hasName(name: string): boolean {
    const option = this.extension.options.find((one) => one.name === name);
    return option !== undefined && this.#has(option);
  }
}

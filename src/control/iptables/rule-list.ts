/*
 * The rules of a chain in order, in pieces of at most MOST, so that putting one in or taking one out moves a few hundred references,
 * whatever the length. A rule knows its piece.
 */
import type { Rule } from './model.js';

const MOST = 512;

export class Piece {
  rules: Rule[] = [];
  constructor(public list: RuleList) {}
}

export class RuleList {
  readonly #pieces: Piece[] = [];
  length = 0;

  get first(): Rule | undefined {
    return this.#pieces[0]?.rules[0];
  }

  get last(): Rule | undefined {
    const rules = this.#pieces[this.#pieces.length - 1]?.rules;
    return rules?.[rules.length - 1];
  }

  *[Symbol.iterator](): Generator<Rule> {
    for (const piece of this.#pieces) yield* piece.rules;
  }

  /** From 0; undefined: there are not so many. */
  at(position: number): Rule | undefined {
    let left = position;
    for (const { rules } of this.#pieces) {
      if (left < rules.length) return rules[left];
      left -= rules.length;
    }
    return undefined;
  }

  append(rule: Rule): void {
    let piece = this.#pieces[this.#pieces.length - 1];
    if (piece === undefined || piece.rules.length >= MOST) {
      piece = new Piece(this);
      this.#pieces.push(piece);
    }
    rule.piece = piece;
    piece.rules.push(rule);
    this.length++;
  }

  /** Behind `before`, or first. */
  insertAfter(before: Rule | undefined, rule: Rule): void {
    if (before === this.last) {
      this.append(rule);
      return;
    }
    const piece = before?.piece ?? this.#pieces[0];
    piece.rules.splice(before === undefined ? 0 : piece.rules.indexOf(before) + 1, 0, rule);
    rule.piece = piece;
    this.length++;
    if (piece.rules.length > MOST) this.#split(piece);
  }

  before(rule: Rule): Rule | undefined {
    const piece = rule.piece as Piece;
    const at = piece.rules.indexOf(rule);
    if (at > 0) return piece.rules[at - 1];
    const rules = this.#pieces[this.#pieces.indexOf(piece) - 1]?.rules;
    return rules?.[rules.length - 1];
  }

  remove(rule: Rule): void {
    const piece = rule.piece as Piece;
    piece.rules.splice(piece.rules.indexOf(rule), 1);
    rule.piece = undefined;
    this.length--;
    if (piece.rules.length === 0) this.#pieces.splice(this.#pieces.indexOf(piece), 1);
  }

  replace(old: Rule, rule: Rule): void {
    const piece = old.piece as Piece;
    piece.rules[piece.rules.indexOf(old)] = rule;
    rule.piece = piece;
    old.piece = undefined;
  }

  #split(piece: Piece): void {
    const other = new Piece(this);
    other.rules = piece.rules.splice(MOST >> 1);
    for (const rule of other.rules) rule.piece = other;
    this.#pieces.splice(this.#pieces.indexOf(piece) + 1, 0, other);
  }
}

/*
 * The sets of all namespaces as the control plane has them: names, numbers, who refers to them, how they were created.
 *
 *   namespace ─► places ─► NamedSet (name, number, references) ─► SetBody (type, options, texts of comments)
 *
 * A set's number is the dataplane's, and stays with its name: `swap` exchanges the bodies of two, so that rules and lists that name
 * one of them find the other's members from then on. A new set takes the first free place; listings go by places.
 */
import { NumbersInUse } from '../iptables/numbers-in-use.js';
import type { SetKind } from './kinds.js';
import type { IpFamily, Values } from './values.js';

/** What `create` made; goes from name to name with `swap`. */
export class SetBody {
  /** Texts of comments by the number that members have. */
  readonly comments = new Map<number, string>();
  /** Of a list: numbers of the sets in it. */
  readonly members = new Set<number>();
  private nextComment = 1;
  /** Comments that were in use when they were last looked through. */
  commentsInUse = 0;

  constructor(
    readonly kind: SetKind,
    readonly family: IpFamily | undefined,
    /** As listings show it. */
    readonly created: Readonly<Values>,
  ) {}

  /** The number of a comment, 0 = none. */
  commentNumber(text: string | undefined): number {
    if (text === undefined || text === '') return 0;
    this.comments.set(this.nextComment, text);
    return this.nextComment++;
  }

  /** So many texts are of members that may be gone that looking for them pays. */
  get hasManyComments(): boolean {
    return this.comments.size > 2 * this.commentsInUse + 1024;
  }
}

export class NamedSet {
  /** Rules that name it, as often as they do, and lists that it is in. */
  rules = 0;
  lists = 0;

  constructor(
    public name: string,
    readonly number: number,
    public body: SetBody,
  ) {}

  get references(): number {
    return this.rules + this.lists;
  }
}

/** As the kernel has it. */
export const MAX_SETS = 65_534;

class Places {
  readonly byName = new Map<string, NamedSet>();
  readonly places: Array<NamedSet | undefined> = [];
}

export class Sets {
  readonly #namespaces = new Map<number, Places>();
  readonly #byNumber = new Map<number, NamedSet>();
  readonly #numbers = new NumbersInUse(0x7fffffff);

  find(namespace: number, name: string): NamedSet | undefined {
    return this.#namespaces.get(namespace)?.byName.get(name);
  }

  ofNumber(number: number): NamedSet | undefined {
    return this.#byNumber.get(number);
  }

  /** In order, lists last, as what they hold has to be there before them. */
  all(namespace: number): NamedSet[] {
    const sets = (this.#namespaces.get(namespace)?.places ?? []).filter((set) => set !== undefined);
    const isList = (set: NamedSet) => set.body.kind.name === 'list:set';
    return [...sets.filter((set) => !isList(set)), ...sets.filter(isList)];
  }

  /** undefined: there is no place left. */
  add(namespace: number, name: string, body: SetBody): NamedSet | undefined {
    const own = this.#namespaces.get(namespace) ?? new Places();
    this.#namespaces.set(namespace, own);
    if (own.byName.size >= MAX_SETS) return undefined;
    const set = new NamedSet(name, this.#numbers.take(), body);
    const free = own.byName.size < own.places.length ? own.places.indexOf(undefined) : own.places.length;
    own.places[free] = set;
    own.byName.set(name, set);
    this.#byNumber.set(set.number, set);
    return set;
  }

  rename(namespace: number, set: NamedSet, name: string): void {
    const own = this.#namespaces.get(namespace);
    own?.byName.delete(set.name);
    set.name = name;
    own?.byName.set(name, set);
  }

  swap(one: NamedSet, other: NamedSet): void {
    [one.body, other.body] = [other.body, one.body];
  }

  /** Its number may be used again at once: what is told to the dataplane from now on comes after its end there. */
  remove(namespace: number, set: NamedSet): void {
    const own = this.#namespaces.get(namespace);
    if (own === undefined) return;
    this.emptyList(set);
    own.byName.delete(set.name);
    own.places[own.places.indexOf(set)] = undefined;
    while (own.places.length > 0 && own.places.at(-1) === undefined) own.places.pop();
    this.#byNumber.delete(set.number);
    this.#numbers.giveBack(set.number);
    if (own.byName.size === 0) this.#namespaces.delete(namespace);
  }

  enterList(list: NamedSet, member: number): void {
    const { members } = list.body;
    const set = this.#byNumber.get(member);
    if (members.has(member) || set === undefined) return;
    members.add(member);
    set.lists++;
  }

  leaveList(list: NamedSet, member: number): void {
    const set = this.#byNumber.get(member);
    if (list.body.members.delete(member) && set !== undefined) set.lists--;
  }

  emptyList(list: NamedSet): void {
    for (const member of [...list.body.members]) this.leaveList(list, member);
  }
}

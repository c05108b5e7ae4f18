/*
 * Whether a packet lies in a rule's box: what of a rule is a row of numbers. Written so that the frequent rule, with no
 * inversion, is decided after its addresses.
 */
import type { Link } from '../core/links.js';
import { Key } from '../core/packet.js';
import { Rule, RuleFlag } from './rule.js';

/** Patterns of link names (`eth+`) that rules name by number. */
export interface Patterns {
  /** Whether a link's name fits; `link` may be 0: there is none at that hook. */
  has(pattern: number, link: Link): boolean;
}

const ADDRESSES = RuleFlag.NOT_SOURCE | RuleFlag.NOT_DESTINATION;
/** What is decided after addresses and protocol. */
const REST = RuleFlag.FRAGMENT | RuleFlag.NOT_FRAGMENT | RuleFlag.HAS_PORTS;

export interface Box {
  /** The row that starts at this word; addresses, protocol and ports of the key (Key) are given, the rest is read there. */
  holds4(
    row: number,
    source: number,
    destination: number,
    protocol: number,
    sourcePort: number,
    destinationPort: number,
  ): boolean;
  /** The first words of the addresses are given, the rest is read in the key. */
  holds6(
    row: number,
    source: number,
    destination: number,
    protocol: number,
    sourcePort: number,
    destinationPort: number,
  ): boolean;
}

/** As functions in a closure they have the arrays as constants. */
export function compileBox(rows: Int32Array, key: Int32Array, patterns: Patterns): Box {
  function holdLinks(links: number, flags: number): boolean {
    const incoming = links & 0xffff;
    const outgoing = links >>> 16;
    if (incoming !== 0 && patterns.has(incoming, key[Key.IN]) === ((flags & RuleFlag.NOT_IN) !== 0)) return false;
    return outgoing === 0 || patterns.has(outgoing, key[Key.OUT]) !== ((flags & RuleFlag.NOT_OUT) !== 0);
  }

  function holdRest(row: number, flags: number, sourcePort: number, destinationPort: number): boolean {
    if ((flags & RuleFlag.FRAGMENT) !== 0 && key[Key.FRAGMENT] === 0) return false;
    if ((flags & RuleFlag.NOT_FRAGMENT) !== 0 && key[Key.FRAGMENT] !== 0) return false;
    if ((flags & RuleFlag.HAS_PORTS) === 0) return true;
    if (sourcePort < 0 || destinationPort < 0) return false;
    if (inRange(rows[row + Rule.SOURCE_PORTS], sourcePort) === ((flags & RuleFlag.NOT_SOURCE_PORTS) !== 0))
      return false;
    return (
      inRange(rows[row + Rule.DESTINATION_PORTS], destinationPort) === ((flags & RuleFlag.NOT_DESTINATION_PORTS) === 0)
    );
  }

  function holdsProtocol(row: number, flags: number, protocol: number): boolean {
    const wanted = rows[row + Rule.PROTOCOL];
    return wanted === 0 || (wanted === protocol) === ((flags & RuleFlag.NOT_PROTOCOL) === 0);
  }

  /** The difference of two addresses where the mask says that it matters; 0 for equal ones. */
  function rest6(at: number, mask: number, words: number): number {
    return (
      ((key[words + 1] ^ rows[at]) & rows[mask]) |
      ((key[words + 2] ^ rows[at + 1]) & rows[mask + 1]) |
      ((key[words + 3] ^ rows[at + 2]) & rows[mask + 2])
    );
  }

  function holds4(
    row: number,
    source: number,
    destination: number,
    protocol: number,
    sourcePort: number,
    destinationPort: number,
  ): boolean {
    const flags = rows[row + Rule.FLAGS];
    const a = (source ^ rows[row + Rule.SOURCE]) & rows[row + Rule.SOURCE_MASK];
    const b = (destination ^ rows[row + Rule.DESTINATION]) & rows[row + Rule.DESTINATION_MASK];
    if ((flags & ADDRESSES) === 0) {
      if ((a | b) !== 0) return false;
    } else {
      if ((a === 0) === ((flags & RuleFlag.NOT_SOURCE) !== 0)) return false;
      if ((b === 0) === ((flags & RuleFlag.NOT_DESTINATION) !== 0)) return false;
    }
    if (!holdsProtocol(row, flags, protocol)) return false;
    const links = rows[row + Rule.LINKS];
    if (links !== 0 && !holdLinks(links, flags)) return false;
    return (flags & REST) === 0 || holdRest(row, flags, sourcePort, destinationPort);
  }

  function holds6(
    row: number,
    source: number,
    destination: number,
    protocol: number,
    sourcePort: number,
    destinationPort: number,
  ): boolean {
    const flags = rows[row + Rule.FLAGS];
    let a = (source ^ rows[row + Rule.SOURCE]) & rows[row + Rule.SOURCE_MASK];
    let b = (destination ^ rows[row + Rule.DESTINATION]) & rows[row + Rule.DESTINATION_MASK];
    if ((flags & ADDRESSES) === 0 && (a | b) !== 0) return false;
    a |= rest6(row + Rule.SOURCE_REST, row + Rule.SOURCE_MASK_REST, Key.SOURCE);
    b |= rest6(row + Rule.DESTINATION_REST, row + Rule.DESTINATION_MASK_REST, Key.DESTINATION);
    if ((a === 0) === ((flags & RuleFlag.NOT_SOURCE) !== 0)) return false;
    if ((b === 0) === ((flags & RuleFlag.NOT_DESTINATION) !== 0)) return false;
    if (!holdsProtocol(row, flags, protocol)) return false;
    const links = rows[row + Rule.LINKS];
    if (links !== 0 && !holdLinks(links, flags)) return false;
    return (flags & REST) === 0 || holdRest(row, flags, sourcePort, destinationPort);
  }

  return { holds4, holds6 };
}

/** `ports` is low << 16 | high. */
function inRange(ports: number, port: number): boolean {
  return port >= ports >>> 16 && port <= (ports & 0xffff);
}

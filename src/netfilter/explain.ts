/*
 * A packet is tried out: it walks through the stack and its hooks as if it had come in by a link, or had been made here, and everything
 * that happens to it is noted.
 *
 *   bytes ─► frame ─► inet ─┬─ hooks: this, in front of netfilter ─► steps
 *                           └─ stops behind INPUT ("delivered") and behind POSTROUTING ("left")
 *
 * - Nothing is left behind. Where the walk stops the frame is released, so that nothing is sent, resolved or delivered; what others say
 *   meanwhile (ICMP errors, resets) stops at its own POSTROUTING. Counters are counted back; conntrack rehearses (conntrack.rehearse), so
 *   that flows stay as they are and a new one is forgotten; what else a packet may change (limits, lists of -m recent) is kept in a
 *   Memento before.
 * - After a drop the walk is repeated with one thing changed, to find out whether that one would have let the packet pass (`remedies`).
 *
 * It runs between two bursts, in the engine's thread, for those who ask why: it may allocate, and takes as long as some hundred packets.
 */
import { type Conntrack, Template } from '../conntrack/conntrack.js';
import { FlowRow } from '../conntrack/flow-row.js';
import { Status } from '../conntrack/flows.js';
import { CtSetting } from '../conntrack/settings.js';
import { type Frame, NONE, Slot } from '../core/arena.js';
import { DropReason } from '../core/drop.js';
import { type Link, LinkFlag, MAX_NAMESPACES, type Namespace } from '../core/links.js';
import { Conf4, Conf6, type ConfTable } from '../route/conf.js';
import { ANY_LINK } from '../route/endpoints.js';
import { type Hooks, Output } from '../route/hooks.js';
import type { Inet } from '../route/inet.js';
import { describe } from '../wire/describe.js';
import { Ethernet, EtherType, writeType } from '../wire/ethernet.js';
import { formatIpv4, formatIpv6At } from '../wire/format.js';
import { read16, read32, write32 } from '../wire/field.js';
import { Chain, ChainFlag, type ChainNumber } from './chains.js';
import { Memento } from './memento.js';
import type { Netfilter } from './netfilter.js';
import { Key, type Packet } from './packet.js';
import { Family, Hook, Rule, type TableId, Target, Verdict } from './rule.js';
import type { RuleNumber } from './rules.js';
import type { Watcher } from './watcher.js';

/*
 * Words of bridges and of bridge ports, for `ip link … type bridge`, `ip link … type bridge_slave`
 * and `bridge link set`.
 *
 * An option that Sluice's bridge lacks is refused, unless its value says what is so anyway (STP
 * off, VLAN filtering off): then the command is satisfied, and scripts that spell defaults work.
 */
import type { BridgeOptions, BridgePortOptions } from '../control/api/bridge.js';
import { abbreviated, exactly, find, type Keyword, type Words } from './words.js';

const U8 = 0xff;
const U16 = 0xffff;
const U32 = 0xffffffff;

export interface BridgeDraft {
  bridge: BridgeOptions;
  flush: boolean;
}

/** A number that the bridge does not have; `already` is the value that holds without it. */
function absent(word: string, max: number, already?: number, exact = false): Keyword<BridgeDraft> {
  const take = (_: BridgeDraft, words: Words) => {
    if (words.integer(`invalid ${word}`, 0, max) !== already) throw words.unsupported(word);
  };
  return exact ? exactly(word, take, true) : abbreviated(word, take, true);
}

/** An option that takes no number. */
function lacking(word: string): Keyword<BridgeDraft> {
  const take = (_: BridgeDraft, words: Words) => {
    throw words.unsupported(word);
  };
  return abbreviated(word, take, true);
}

const ABSENT_MULTICAST = ['mcast_query_use_ifaddr', 'mcast_querier'];
const ABSENT_MULTICAST_LATE = [
  'mcast_hash_elasticity',
  'mcast_hash_max',
  'mcast_last_member_count',
  'mcast_startup_query_count',
  'mcast_last_member_interval',
  'mcast_membership_interval',
  'mcast_querier_interval',
  'mcast_query_interval',
  'mcast_query_response_interval',
  'mcast_startup_query_interval',
];

/** In iproute2's order, which decides what an abbreviation means; ours come last. */
export const BRIDGE_WORDS: readonly Keyword<BridgeDraft>[] = [
  absent('forward_delay', U32),
  absent('hello_time', U32),
  absent('max_age', U32),
  abbreviated('ageing_time', (draft, words) => {
    draft.bridge.ageing_time = words.integer('invalid ageing_time', 0, U32);
  }),
  absent('stp_state', U32, 0),
  absent('priority', U16, 32768),
  absent('vlan_filtering', U8, 0),
  lacking('vlan_protocol'),
  abbreviated('group_fwd_mask', (draft, words) => {
    draft.bridge.group_fwd_mask = words.integer('invalid group_fwd_mask', 0, U16);
  }),
  lacking('group_address'),
  absent('no_linklocal_learn', U8, 0, true),
  abbreviated('fdb_flush', (draft) => {
    draft.flush = true;
  }),
  absent('vlan_default_pvid', U16),
  absent('vlan_stats_enabled', U8, 0),
  absent('vlan_stats_per_port', U8, 0),
  absent('mcast_router', U8),
  absent('mcast_snooping', U8, 0),
  absent('mcast_vlan_snooping', U8, 0, true),
  ...ABSENT_MULTICAST.map((word) => absent(word, U8, 0)),
  ...ABSENT_MULTICAST_LATE.map((word) => absent(word, U32)),
  absent('mcast_stats_enabled', U8, 0),
  absent('mcast_igmp_version', U8),
  absent('mcast_mld_version', U8),
  absent('nf_call_iptables', U8, 0),
  absent('nf_call_ip6tables', U8, 0),
  absent('nf_call_arptables', U8, 0),
  exactly('transparent', (draft, words) => {
    draft.bridge.transparent = words.onOff('transparent');
  }),
  exactly('fdb_max_learned', (draft, words) => {
    draft.bridge.fdb_max_learned = words.integer('invalid fdb_max_learned', 0, U32);
  }),
];

export function parseBridge(words: Words): BridgeDraft {
  const draft: BridgeDraft = { bridge: {}, flush: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(BRIDGE_WORDS, word);
    if (keyword === undefined) {
      throw words.refuse(`bridge: unknown command "${word}"?`, 1, `a bridge has no "${word}"`, undefined, false);
    }
    keyword.take(draft, words);
  }
  return draft;
}

export interface PortDraft {
  port: BridgePortOptions;
  flush: boolean;
}

type Flag = Exclude<keyof BridgePortOptions, 'state' | 'group_fwd_mask' | 'fdb_limit' | 'storm'>;

/** How the two tools word a port's options: one abbreviates, one does not, and their statuses differ. */
export interface Dialect {
  keyword: typeof abbreviated;
  onOffStatus: number;
  onOffEnds: boolean;
}

function flag(dialect: Dialect, word: Flag): Keyword<PortDraft> {
  return dialect.keyword(word, (draft, words) => {
    draft.port[word] = words.onOff(word, dialect.onOffStatus, dialect.onOffEnds);
  });
}

/** A port flag that Sluice lacks: off is what it is. */
function absentFlag(dialect: Dialect, word: string): Keyword<PortDraft> {
  const take = (_: PortDraft, words: Words) => {
    if (words.onOff(word, dialect.onOffStatus, dialect.onOffEnds)) throw words.unsupported(word);
  };
  return dialect.keyword(word, take, true);
}

const IP: Dialect = { keyword: abbreviated, onOffStatus: 1, onOffEnds: true };
/** `bridge` returns -EINVAL from main. */
const BRIDGE: Dialect = { keyword: exactly, onOffStatus: 234, onOffEnds: false };

function storm(kind: 'broadcast' | 'multicast' | 'unknown'): Keyword<PortDraft> {
  return exactly(`storm_${kind}`, (draft, words) => {
    const limit = words.integer(`invalid storm_${kind}`, 0, U32);
    draft.port.storm = { ...draft.port.storm, [kind]: limit };
  });
}

/** What Linux lacks. */
const OURS: readonly Keyword<PortDraft>[] = [
  exactly('fdb_limit', (draft, words) => {
    draft.port.fdb_limit = words.integer('invalid fdb_limit', 0, U32);
  }),
  storm('broadcast'),
  storm('multicast'),
  storm('unknown'),
];

function absentWord(keyword: typeof abbreviated, word: string): Keyword<PortDraft> {
  const take = (_: PortDraft, words: Words) => {
    throw words.unsupported(word);
  };
  return keyword(word, take, true);
}

/** `ip link … type bridge_slave`. */
export const SLAVE_WORDS: readonly Keyword<PortDraft>[] = [
  abbreviated('fdb_flush', (draft) => {
    draft.flush = true;
  }),
  abbreviated('state', (draft, words) => {
    draft.port.state = words.integer('state is invalid', 0, U8);
  }),
  absentWord(abbreviated, 'priority'),
  absentWord(abbreviated, 'cost'),
  flag(IP, 'hairpin'),
  absentFlag(IP, 'guard'),
  absentFlag(IP, 'root_block'),
  absentFlag(IP, 'fastleave'),
  flag(IP, 'learning'),
  flag(IP, 'flood'),
  flag(IP, 'mcast_flood'),
  flag(IP, 'bcast_flood'),
  absentFlag(IP, 'mcast_to_unicast'),
  absentFlag(IP, 'proxy_arp'),
  absentFlag(IP, 'proxy_arp_wifi'),
  absentWord(abbreviated, 'mcast_router'),
  absentFlag(IP, 'mcast_fast_leave'),
  absentFlag(IP, 'neigh_suppress'),
  abbreviated('group_fwd_mask', (draft, words) => {
    draft.port.group_fwd_mask = words.integer('invalid group_fwd_mask', 0, U16);
  }),
  absentFlag(IP, 'vlan_tunnel'),
  flag(IP, 'isolated'),
  flag(IP, 'locked'),
  absentWord(abbreviated, 'backup_port'),
  absentWord(abbreviated, 'nobackup_port'),
  ...OURS,
];

export function parseSlave(words: Words): PortDraft {
  const draft: PortDraft = { port: {}, flush: false };
  while (!words.done) {
    const word = words.next();
    const keyword = find(SLAVE_WORDS, word);
    if (keyword === undefined) {
      throw words.refuse(
        `bridge_slave: unknown option "${word}"?`,
        1,
        `a bridge port has no "${word}"`,
        undefined,
        false,
      );
    }
    keyword.take(draft, words);
  }
  return draft;
}

const STATES = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'];

function portState(words: Words): number {
  const text = words.value();
  const state = /^\s*[+-]?\d+$/.test(text) ? Number(text) : STATES.indexOf(text);
  if (state >= 0) return state;
  throw words.refuse(
    'Error: invalid STP port state',
    255,
    `"${text}" is no state`,
    `say one of ${STATES.join(', ')}`,
    false,
  );
}

function takeHwMode(_: PortDraft, words: Words): void {
  const mode = words.value();
  if (mode === 'vepa' || mode === 'veb') throw words.unsupported('hwmode');
  throw words.refuse('Mode argument must be "vepa" or "veb".', 255, `"${mode}" is no hwmode`, undefined, false);
}

/** `bridge link set`, but for `dev`, `self` and `master`. */
export const PORT_WORDS: readonly Keyword<PortDraft>[] = [
  absentFlag(BRIDGE, 'guard'),
  flag(BRIDGE, 'hairpin'),
  absentFlag(BRIDGE, 'fastleave'),
  absentFlag(BRIDGE, 'root_block'),
  flag(BRIDGE, 'learning'),
  absentFlag(BRIDGE, 'learning_sync'),
  flag(BRIDGE, 'flood'),
  absentWord(exactly, 'mcast_router'),
  flag(BRIDGE, 'mcast_flood'),
  flag(BRIDGE, 'bcast_flood'),
  absentFlag(BRIDGE, 'mcast_to_unicast'),
  absentWord(exactly, 'cost'),
  absentWord(exactly, 'priority'),
  exactly('state', (draft, words) => {
    draft.port.state = portState(words);
  }),
  exactly('hwmode', takeHwMode, true),
  absentFlag(BRIDGE, 'neigh_suppress'),
  absentFlag(BRIDGE, 'vlan_tunnel'),
  flag(BRIDGE, 'isolated'),
  flag(BRIDGE, 'locked'),
  absentWord(exactly, 'backup_port'),
  absentWord(exactly, 'nobackup_port'),
  ...OURS,
];

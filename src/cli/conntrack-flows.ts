/*
 * What the words of `conntrack` mean as flows: which ones are meant, and what a new one is like.
 */
import { type ConntrackFilter, type FlowEnd, FlowStatus, type NewFlow } from '../control/api/conntrack.js';
import type { Command } from './conntrack-options.js';
import { failed } from './conntrack-problem.js';
import { fieldNumber, tagsOf, tupleFields } from './conntrack-protocols.js';

/** What is of use only where it is there. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

/** `isChange`: mark, status and state are what flows become. */
export function filterOf(command: Command, isChange = false): ConntrackFilter {
  const { protocol, values } = command;
  const number = (field: Parameters<typeof fieldNumber>[2]): number | undefined =>
    protocol === undefined ? undefined : fieldNumber(protocol, values, field);
  const filter: ConntrackFilter = given({
    family: command.family,
    protocol: protocol?.number,
    src: command.src?.address,
    src_mask: command.src?.mask,
    dst: command.dst?.address,
    dst_mask: command.dst?.mask,
    reply_src: command.replySrc,
    reply_dst: command.replyDst,
    sport: number('sport'),
    dport: number('dport'),
    reply_sport: number('reply_sport'),
    reply_dport: number('reply_dport'),
    type: number('type'),
    code: number('code'),
    id: number('id'),
    zone: command.zone,
    orig_zone: command.origZone,
    reply_zone: command.replyZone,
    src_nat: command.srcNat,
    dst_nat: command.dstNat,
    any_nat: command.anyNat,
    labels: command.label,
  });
  if (isChange) return filter;
  const { mark, status, statusMask } = command;
  const mask = statusMask === status ? undefined : statusMask;
  return { ...filter, ...given({ mark, status, status_mask: mask, state: values.state }) };
}

/** The tuple that -I and -G name: the original one, or where there is none the reply turned round. */
export function tupleOf(command: Command): { tuple: FlowEnd; isReply: boolean } {
  const { protocol, values, src, dst } = command;
  if (protocol === undefined) throw new Error('no protocol');
  const isReply = src === undefined;
  const ends = isReply
    ? { src: command.replySrc ?? '', dst: command.replyDst ?? '' }
    : { src: src.address, dst: dst?.address ?? '' };
  return { tuple: { ...ends, ...tupleFields(protocol, values, isReply) }, isReply };
}

/** What answers have: what was said, with the translations in it; undefined: the original tuple turned round. */
function replyOf(command: Command, original: FlowEnd): FlowEnd | undefined {
  const { protocol, values, src, replySrc, replyDst, srcNat, dstNat } = command;
  if (protocol === undefined || src === undefined) return undefined;
  const isNamed = replySrc !== undefined || replyDst !== undefined;
  if (!isNamed && srcNat === undefined && dstNat === undefined) return undefined;
  if (!isNamed) return translated(original, srcNat, dstNat);
  const nowhere = command.family === 6 ? '::' : '0.0.0.0';
  const ends = { src: dstNat?.address ?? replySrc ?? nowhere, dst: srcNat?.address ?? replyDst ?? nowhere };
  if (protocol.pair !== undefined && values.reply_sport === undefined && values.reply_dport === undefined)
    throw failed(
      'Operation failed: invalid parameters',
      'cannot create the flow: the ports of its answers are missing; add them',
    );
  return { ...ends, ...tupleFields(protocol, values, true) };
}

const ANSWERS: Readonly<Record<number, number>> = {
  8: 0,
  0: 8,
  13: 14,
  14: 13,
  15: 16,
  16: 15,
  17: 18,
  18: 17,
  128: 129,
  129: 128,
};

function translated(original: FlowEnd, source: Command['srcNat'], destination: Command['dstNat']): FlowEnd {
  const { sport, dport, srckey, dstkey, type, code, id } = original;
  return {
    src: destination?.address ?? original.dst,
    dst: source?.address ?? original.src,
    ...(sport === undefined ? {} : { sport: destination?.port ?? dport ?? 0, dport: source?.port ?? sport }),
    ...(srckey === undefined ? {} : { srckey: dstkey ?? 0, dstkey: srckey }),
    ...(type === undefined ? {} : { type: ANSWERS[type] ?? type, code: code ?? 0, id: id ?? 0 }),
  };
}

function natStatus(command: Command, original: FlowEnd, reply: FlowEnd | undefined): number {
  const { srcNat, dstNat } = command;
  let status = 0;
  if (srcNat !== undefined) status |= FlowStatus.SRC_NAT_DONE | FlowStatus.DST_NAT_DONE;
  if (dstNat !== undefined) status |= FlowStatus.SRC_NAT_DONE | FlowStatus.DST_NAT_DONE;
  if (srcNat !== undefined && reply !== undefined && differs(reply.dst, reply.dport, original.src, original.sport))
    status |= FlowStatus.SRC_NAT;
  if (dstNat !== undefined && reply !== undefined && differs(reply.src, reply.sport, original.dst, original.dport))
    status |= FlowStatus.DST_NAT;
  return status;
}

function differs(a: string, aPort: number | undefined, b: string, bPort: number | undefined): boolean {
  return a !== b || aPort !== bPort;
}

function turned(end: FlowEnd): FlowEnd {
  return translated(end, undefined, undefined);
}

export function newFlow(command: Command): NewFlow {
  const { family = 4, protocol, values, mark, zone, origZone, replyZone, addLabels } = command;
  const { tuple, isReply } = tupleOf(command);
  const original = isReply ? turned(tuple) : tuple;
  const reply = isReply ? undefined : replyOf(command, original);
  const zones = [zone, origZone, replyZone].filter((one) => one !== undefined);
  if (zones.length > 1)
    throw failed('Operation failed: invalid parameters', 'cannot create the flow: it has one zone; name one');
  return {
    family,
    protocol: protocol?.number ?? 0,
    original,
    timeout: command.timeout ?? 0,
    status: (command.status ?? 0) | natStatus(command, original, reply),
    ...given({ reply, state: values.state, labels: addLabels, vtags: tagsOf(values), zone: zones[0] }),
    ...(mark === undefined ? {} : { mark: mark.value }),
    ...(origZone === undefined ? {} : { zone_of: 'original' as const }),
    ...(replyZone === undefined ? {} : { zone_of: 'reply' as const }),
  };
}

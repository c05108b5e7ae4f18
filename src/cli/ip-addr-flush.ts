/*
 * `ip addr flush`: lists and deletes what is listed, until nothing is left. iproute2 does it in
 * rounds because deleting one address can make others appear (a secondary becomes the primary), and
 * tells with -s how many rounds it took, with -s -s also what it deleted.
 */
import type { AddressInfo, ChangeAddress, LinkAddresses } from '../control/api/address.js';
import { ApiFailure } from '../control/client.js';
import { addressText } from './addr-format.js';
import { type AddressFilter, parseFilter, wants } from './ip-addr-filter.js';
import { noDevice } from './ip-addr-show.js';
import { dialogue, type Plan } from './plan.js';
import { netlinkLine, Refusal, strerror } from './refusal.js';
import type { Session } from './session.js';
import type { ToolOptions } from './tool.js';
import { Words } from './words.js';

interface Found {
  index: number;
  dev: string;
  address: AddressInfo;
}

async function find(session: Session, filter: AddressFilter): Promise<Found[]> {
  const { dev } = filter;
  try {
    const all = await session.ask<LinkAddresses[]>(dev === undefined ? { op: 'addr.list' } : { op: 'addr.list', dev });
    return all.flatMap(({ link, addresses }) =>
      addresses
        .filter((address) => wants(filter, address, link.ifname))
        .map((address) => ({ index: link.ifindex, dev: link.ifname, address })),
    );
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    if (error.error.errno === 'ENODEV' && dev !== undefined) throw noDevice('ip addr flush', dev, error.message);
    throw new Refusal(netlinkLine(error.error), 2, error.message);
  }
}

function deletion({ dev, address }: Found): ChangeAddress {
  const length = address.prefixlen;
  const request: ChangeAddress = { op: 'addr.del', dev, local: `${address.local}/${length}` };
  if (address.address !== undefined) request.peer = `${address.address}/${length}`;
  if (address.label !== undefined) request.label = address.label;
  return request;
}

/** An address may be gone already: with a primary the kernel deletes its secondaries. */
async function remove(session: Session, all: readonly Found[]): Promise<void> {
  const answers = await Promise.allSettled(all.map((found) => session.ask(deletion(found))));
  for (const answer of answers) {
    if (answer.status === 'fulfilled') continue;
    const error: unknown = answer.reason;
    if (!(error instanceof ApiFailure)) throw error;
    if (error.error.errno !== 'EADDRNOTAVAIL')
      throw new Refusal(`Failed to send flush request: ${strerror(error.error.errno)}`, 1, error.message);
  }
}

function complete(session: Session, options: ToolOptions, rounds: number): number {
  const text =
    rounds === 0 ? 'Nothing to flush.\n' : `*** Flush is complete after ${rounds} round${rounds > 1 ? 's' : ''} ***\n`;
  if (options.stats > 0) session.terminal.out(text);
  return 0;
}

async function flush(session: Session, options: ToolOptions, filter: AddressFilter, words: Words): Promise<number> {
  const { out } = session.terminal;
  // Else the secondaries that became primaries would go too.
  const once = filter.flags.get('secondary') === false;
  for (let round = 0; options.loops === 0 || round < options.loops; ) {
    const found = await find(session, filter);
    if (found.length === 0) return complete(session, options, round);
    if (options.stats > 1) for (const { address, ...place } of found) out(addressText(address, options, place));
    await remove(session, found);
    round++;
    if (options.stats > 0) out(`\n*** Round ${round}, deleting ${found.length} addresses ***\n`);
    if (once) return complete(session, options, round);
  }
  const line = `*** Flush remains incomplete after ${options.loops} rounds. ***`;
  throw words.refuse(line, 1, 'addresses keep coming back', 'say "-loops 0" to go on until none is left', false);
}

export function parseFlush(list: readonly string[], options: ToolOptions): Plan {
  const words = new Words(list, 'ip addr flush', 'ip addr');
  if (words.done) throw words.refuse('Flush requires arguments.', 1, 'it does not say what', 'say "dev LINK"', false);
  if (options.family === 'link') {
    const cause = 'a link keeps its own address';
    throw words.refuse('Cannot flush link addresses.', 1, cause, 'leave out -0', false);
  }
  const filter = parseFilter(words, options.family, true);
  return dialogue((session) => flush(session, options, filter, words));
}

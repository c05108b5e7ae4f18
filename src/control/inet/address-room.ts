/*
 * The room for IPv4 addresses, which all namespaces share: as many as the datapath's table of own addresses holds
 * (MAX_OWN_ADDRESSES), less one of each namespace, 127.0.0.1 of its `lo`, for which there is always room.
 *
 * An address of several links takes room for each, though the table has it once: it may still be there alone.
 */
import { MAX_NAMESPACES } from '../../core/links.js';
import { MAX_OWN_ADDRESSES } from '../../route/addresses.js';
import { refuse } from './refused.js';

export class AddressRoom {
  private used = 0;

  constructor(readonly size = MAX_OWN_ADDRESSES - MAX_NAMESPACES) {}

  /** Refused where there is none left. */
  take(): void {
    if (this.used >= this.size)
      refuse('ENOBUFS', `the datapath has room for ${this.size} IPv4 addresses, and all is taken`, 'delete some');
    this.used++;
  }

  giveBack(): void {
    this.used--;
  }
}

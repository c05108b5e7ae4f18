/*
 * A bridge's own addresses in the FDB: those of its ports, and its own where no port has it. Frames to them are for br0.
 */
import { FdbFlag } from '../tables/fdb.js';
import type { Call } from './engine-thread.js';
import { type Link, macHigh, macLow, macText } from './link.js';

interface Local {
  address: Uint8Array;
  port: number;
  flags: number;
}

function wanted(bridge: Link): Map<string, Local> {
  const out = new Map<string, Local>();
  const flags = FdbFlag.STATIC | FdbFlag.LOCAL;
  for (const { address, number } of bridge.ports) {
    if (!out.has(macText(address))) out.set(macText(address), { address, port: number, flags });
  }
  const isZero = bridge.address.every((byte) => byte === 0);
  if (!isZero && !out.has(macText(bridge.address))) {
    out.set(macText(bridge.address), {
      address: bridge.address,
      port: bridge.number,
      flags: flags | FdbFlag.OF_BRIDGE,
    });
  }
  return out;
}

export class Locals {
  /** By bridge number, what its FDB has. */
  private readonly present = new Map<number, Map<string, Local>>();

  /** Adds the calls that bring a bridge's local entries up to date. */
  refresh(bridge: Link, calls: Call[]): void {
    const old = this.present.get(bridge.number) ?? new Map<string, Local>();
    const next = wanted(bridge);
    for (const [mac, { address }] of old) {
      if (!next.has(mac)) calls.push(['removeStation', bridge.number, 0, macHigh(address), macLow(address)]);
    }
    for (const [mac, local] of next) {
      if (old.get(mac)?.port === local.port) continue;
      calls.push([
        'setStation',
        bridge.number,
        0,
        macHigh(local.address),
        macLow(local.address),
        local.port,
        local.flags,
      ]);
    }
    this.present.set(bridge.number, next);
  }

  forget(bridge: number): void {
    this.present.delete(bridge);
  }
}

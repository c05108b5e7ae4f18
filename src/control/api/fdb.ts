/* Stations of a bridge: `bridge fdb`. */

/** A station, in the key order of `bridge -j -d -s fdb show`. `used` and `updated` are seconds. */
export interface FdbInfo {
  mac: string;
  ifname: string;
  vlan?: number;
  used?: number;
  updated?: number;
  flags: string[];
  master?: string;
  state: '' | 'permanent' | 'static';
  /** Since the station was last heard, 1/100 s: what brctl shows; absent (0) for entries that do not age. */
  age_cs?: number;
}

export interface FdbEntry {
  mac: string;
  /** The port (with `master`), or the bridge itself (with `self`). */
  dev: string;
  vlan?: number;
  /** permanent: belongs to the host (default of `bridge fdb add`); static: never ages; dynamic: ages. */
  state?: 'permanent' | 'static' | 'dynamic';
  sticky?: boolean;
  self?: boolean;
  master?: boolean;
}

export interface ChangeFdb extends FdbEntry {
  op: 'fdb.add' | 'fdb.append' | 'fdb.replace' | 'fdb.del';
}

/** `bridge fdb flush dev DEV …`: which entries go. */
export interface FlushFdb {
  op: 'fdb.flush';
  dev: string;
  brport?: string;
  vlan?: number;
  /** true: only these; false: all but these (`nopermanent`). */
  permanent?: boolean;
  static?: boolean;
  dynamic?: boolean;
  /** `dev` is a port: its entries go. Without it `dev` must be a bridge (EOPNOTSUPP otherwise). */
  master?: boolean;
}

export interface ListFdb {
  op: 'fdb.list';
  bridge?: string;
  port?: string;
}

/*
 * The configuration file: YAML, `sluice up -c FILE` and `sluice config show|check|apply|save`.
 *
 *   dataplane: {poll: adaptive, fdb_capacity: 65536, arena: 8192}      # only read by "sluice up"
 *   links:
 *     br0: {type: bridge, ageing_time: 300s, up: on}
 *     t1: {type: tap, master: br0, peer: {name: eth0, netns: blue, addr: [10.0.0.1/24], up: on}, up: on}
 *     p1: {type: packet, dev: eth1, master: br0, port: {learning: off, storm: {broadcast: 1000}}, up: on}
 *   fdb:
 *     - {mac: 02:00:00:00:00:01, dev: t1, sticky: on}
 *   sysctl: {net.ipv4.ip_forward: 1}
 *   routes: [{to: default, via: 10.0.0.254}]
 *   rules: [{priority: 100, from: 10.1.0.0/16, table: 100}]
 *   neighbours: [{to: 10.0.0.9, dev: v0, lladdr: 02:00:00:00:00:09}]
 *   dhcp_servers: {v0: {pool: [10.0.0.10, 10.0.0.99]}}                  # also dhcp_clients and radv: options by link
 *   ipset: |                                                           # as "ipset save" prints sets
 *     create web hash:ip
 *     add web 10.0.0.2
 *   iptables: |                                                        # also ip6tables: as iptables-save prints rules
 *     *filter
 *     -A INPUT -p tcp -m tcp --dport 23 -j DROP
 *     COMMIT
 *   namespaces:
 *     red:
 *       links:
 *         eth0: {type: veth, peer: host/v0, addr: [10.1.0.2/24, fd00::2/64], up: on}
 *         eth0.10: {type: vlan, link: eth0, id: 10, up: on}
 *
 * What stands at the top is of the namespace `host`. A link of another namespace is NAMESPACE/LINK; both ends of a veth name each
 * other. The words are those of `ip` and `bridge`; all keys with their defaults stand in sluice.schema.json. What is not said has
 * its default, and `up` is off. `apply` changes what differs, leaves alone what is the same, and deletes the links and static
 * stations that the file does not have.
 *
 * Importing this loads the YAML and schema libraries (0.2 s): do so when a configuration is asked for.
 *
 *   text ── source (YAML, lines) ── schema, wording ── checks ──► Config ──► plan ──► requests of api/
 *                                                   state of the network ──► Config ──► text
 */
import { readFileSync } from 'node:fs';
import { SluiceError } from '../core/errors.js';
import { type Config, DATAPLANE_DEFAULTS, type DataplaneConfig } from './config/model.js';
import { parseConfig } from './config/reader.js';

export { type ApplyRequest, applyConfig, type Running, showConfig } from './config/apply.js';
export {
  type Config,
  DATAPLANE_DEFAULTS,
  type DataplaneConfig,
  type LinkConfig,
  type StationConfig,
} from './config/model.js';
export { planOf, requestsOf } from './config/plan.js';
export { parseConfig } from './config/reader.js';
export { SCHEMA } from './config/schema.js';
export { type BuiltInet, configOf } from './config/state.js';
export { renderConfig } from './config/text.js';

const CAUSES: Record<string, string> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

export interface ConfigOfFile {
  text: string;
  config: Config;
  /** Of the file, the rest by default. */
  dataplane: Required<DataplaneConfig>;
}

/** Reads and checks the file of `sluice up -c`, before there is anything to apply it to. */
export function loadConfig(file: string): ConfigOfFile {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    const { code = 'EIO', message } = error as NodeJS.ErrnoException;
    throw new SluiceError(code, `cannot read configuration ${file}: ${CAUSES[code] ?? message}; check the path`);
  }
  const config = parseConfig(text, file);
  return { text, config, dataplane: { ...DATAPLANE_DEFAULTS, ...config.dataplane } };
}

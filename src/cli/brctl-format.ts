/* Bridges as `brctl show`, `showmacs` and `showstp` print them. Times are seconds with two decimals. */
import type { FdbInfo } from '../control/api/fdb.js';
import type { LinkData, LinkInfo } from '../control/api/link.js';

export const SHOW_HEADING = 'bridge name\tbridge id\t\tSTP enabled\tinterfaces\n';
const MACS_HEADING = 'port no\tmac addr\t\tis local?\tageing timer\n';

/** Byte order, as the tool sorts. */
export function byName(left: LinkInfo, right: LinkInfo): number {
  return Buffer.compare(Buffer.from(left.ifname), Buffer.from(right.ifname));
}

export function portsOf(bridge: string, links: readonly LinkInfo[]): LinkInfo[] {
  return links.filter((link) => link.master === bridge && link.linkinfo?.info_slave_kind === 'bridge').sort(byName);
}

/** iproute2 says 8000.2:0:0:0:0:1, brctl 8000.020000000001. */
function bridgeId(id: unknown): string {
  const [priority, mac = ''] = String(id ?? '').split('.');
  return `${priority}.${mac
    .split(':')
    .map((byte) => byte.padStart(2, '0'))
    .join('')}`;
}

function seconds(value: number): string {
  return value.toFixed(2).padStart(7);
}

function timer(data: LinkData, key: string): string {
  return seconds(Number(data[key] ?? 0));
}

/** A time that iproute2 gives in hundredths. */
function centiseconds(data: LinkData, key: string): string {
  return seconds(Number(data[key] ?? 0) / 100);
}

function count(data: LinkData, key: string): string {
  return String(data[key] ?? 0).padStart(4);
}

export function bridgeLine(bridge: LinkInfo, links: readonly LinkInfo[]): string {
  const data = bridge.linkinfo?.info_data ?? {};
  const ports = portsOf(bridge.ifname, links).map((port) => port.ifname);
  return `${bridge.ifname}\t\t${bridgeId(data.bridge_id)}\t${data.stp_state ? 'yes' : 'no'}\t\t${ports.join('\n\t\t\t\t\t\t\t')}\n`;
}

function portNumber(link: LinkInfo | undefined): number {
  return Number(link?.linkinfo?.info_slave_data?.no ?? 0);
}

/** Stations of the bridge's ports; its own are not the tool's business. */
export function stationLines(bridge: string, stations: readonly FdbInfo[], links: readonly LinkInfo[]): string {
  const numbers = new Map(portsOf(bridge, links).map((port) => [port.ifname, portNumber(port)]));
  const shown = stations
    .filter((station) => station.master === bridge && numbers.has(station.ifname) && !station.flags.includes('self'))
    .sort((left, right) => (left.mac < right.mac ? -1 : left.mac > right.mac ? 1 : 0));
  const lines = shown.map((station) => {
    const local = station.state === 'permanent' ? 'yes' : 'no';
    const age = station.state === '' ? (station.age_cs ?? (station.updated ?? 0) * 100) : 0;
    return `${String(numbers.get(station.ifname)).padStart(3)}\t${station.mac}\t${local}\t\t${seconds(age / 100)}\n`;
  });
  return MACS_HEADING + lines.join('');
}

function bridgeStp(bridge: LinkInfo): string {
  const data = bridge.linkinfo?.info_data ?? {};
  const flags = [
    data.topology_change ? 'TOPOLOGY_CHANGE ' : '',
    data.topology_change_detected ? 'TOPOLOGY_CHANGE_DETECTED ' : '',
  ];
  const times = ['max_age', 'hello_time', 'forward_delay'].map((key) => centiseconds(data, key));
  return [
    bridge.ifname,
    ` bridge id\t\t${bridgeId(data.bridge_id)}`,
    ` designated root\t${bridgeId(data.root_id)}`,
    ` root port\t\t${count(data, 'root_port')}\t\t\tpath cost\t\t${count(data, 'root_path_cost')}`,
    ` max age\t\t${times[0]}\t\t\tbridge max age\t\t${times[0]}`,
    ` hello time\t\t${times[1]}\t\t\tbridge hello time\t${times[1]}`,
    ` forward delay\t\t${times[2]}\t\t\tbridge forward delay\t${times[2]}`,
    ` ageing time\t\t${centiseconds(data, 'ageing_time')}`,
    ` hello timer\t\t${timer(data, 'hello_timer')}\t\t\ttcn timer\t\t${timer(data, 'tcn_timer')}`,
    ` topology change timer\t${timer(data, 'topology_change_timer')}\t\t\tgc timer\t\t${timer(data, 'gc_timer')}`,
    ` flags\t\t\t${flags.join('')}\n\n\n`,
  ].join('\n');
}

function hexadecimal(value: unknown): string {
  return Number(value ?? 0)
    .toString(16)
    .padStart(4, '0');
}

function portStp(port: LinkInfo): string {
  const data = port.linkinfo?.info_slave_data ?? {};
  const flags = [data.config_pending ? 'CONFIG_PENDING ' : '', data.topology_change_ack ? 'TOPOLOGY_CHANGE_ACK ' : ''];
  const hairpin = data.hairpin ? '\n hairpin mode\t\t   1' : '';
  return [
    `${port.ifname} (${portNumber(port)})`,
    ` port id\t\t${hexadecimal(data.id)}\t\t\tstate\t\t${String(data.state).padStart(15)}`,
    ` designated root\t${bridgeId(data.root_id)}\tpath cost\t\t${count(data, 'cost')}`,
    ` designated bridge\t${bridgeId(data.bridge_id)}\tmessage age timer\t${timer(data, 'message_age_timer')}`,
    ` designated port\t${hexadecimal(data.designated_port)}\t\t\tforward delay timer\t${timer(data, 'forward_delay_timer')}`,
    ` designated cost\t${count(data, 'designated_cost')}\t\t\thold timer\t\t${timer(data, 'hold_timer')}`,
    ` flags\t\t\t${flags.join('')}${hairpin}\n\n`,
  ].join('\n');
}

export function stpText(bridge: LinkInfo, links: readonly LinkInfo[]): string {
  return bridgeStp(bridge) + portsOf(bridge.ifname, links).map(portStp).join('');
}

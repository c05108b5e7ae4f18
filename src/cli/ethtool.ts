/* `sluice ethtool -i|-k|-S DEV`. */
import type { ApiError } from '../control/api/answer.js';
import type { EthtoolInfo } from '../control/api/status.js';
import { cannot, Refusal, strerror } from './refusal.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';

export function driverText({ driver, statistics }: EthtoolInfo): string {
  return [
    `driver: ${driver.driver}`,
    `version: ${driver.version}`,
    'firmware-version: ',
    'expansion-rom-version: ',
    `bus-info: ${driver['bus-info']}`,
    `supports-statistics: ${statistics.length > 0 ? 'yes' : 'no'}`,
    'supports-test: no',
    'supports-eeprom-access: no',
    'supports-register-dump: no',
    'supports-priv-flags: no\n',
  ].join('\n');
}

/** Features that the tool indents below the summary that stands before them. */
const MEMBER = /^tx-(checksum-|scatter-gather|tcp)/;

export function featuresText(name: string, { features }: EthtoolInfo): string {
  const lines = features.map(
    (feature) =>
      `${MEMBER.test(feature.name) ? '\t' : ''}${feature.name}: ${feature.on ? 'on' : 'off'}${feature.fixed ? ' [fixed]' : ''}\n`,
  );
  return `Features for ${name}:\n${lines.join('')}`;
}

export function statisticsText({ statistics }: EthtoolInfo): string {
  return `NIC statistics:\n${statistics.map((one) => `     ${one.name}: ${one.value}\n`).join('')}`;
}

interface Command {
  names: readonly string[];
  print(name: string, info: EthtoolInfo): string;
  /** How the tool says that there is no such device, and its status then. */
  missing: string;
  status: number;
}

function statistics(name: string, info: EthtoolInfo): string {
  if (info.statistics.length > 0) return statisticsText(info);
  throw new Refusal(
    'no stats available',
    94,
    cannot('ethtool -S', name, 'it has no counters', 'see "sluice ip -s link"'),
  );
}

/** The real tool asks over netlink where it can, and says so when that fails. */
export const COMMANDS: readonly Command[] = [
  {
    names: ['-i', '--driver'],
    print: (_, info) => driverText(info),
    missing: 'Cannot get driver information: ',
    status: 71,
  },
  {
    names: ['-k', '--show-features', '--show-offload'],
    print: featuresText,
    missing: 'netlink error: ',
    status: 1,
  },
  {
    names: ['-S', '--statistics'],
    print: statistics,
    missing: 'Cannot get stats strings information: ',
    status: 96,
  },
];

function badArguments(object: string, cause: string): Refusal {
  return new Refusal(
    'ethtool: bad command line argument(s)',
    1,
    cannot('ethtool', object, cause, 'see "sluice ethtool --help"'),
  );
}

function missing(command: Command, error: ApiError): Refusal {
  if (command.names[0] === '-k' && error.errno === 'ENODEV') {
    return new Refusal('netlink error: no device matches name (offset 24)', command.status, error.message);
  }
  return new Refusal(`${command.missing}${strerror(error.errno)}`, command.status, error.message);
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const [option, name, extra] = words;
    if (option === undefined) throw badArguments('', 'it says neither what nor of which link');
    const command = COMMANDS.find((one) => one.names.includes(option));
    if (command === undefined) throw badArguments(option, 'only -i, -k and -S are there yet');
    if (name === undefined) throw badArguments(option, 'it names no link');
    if (extra !== undefined) {
      throw new Refusal(
        `ethtool: unexpected parameter '${extra}'`,
        1,
        cannot(`ethtool ${option}`, name, `nothing may follow, but "${extra}" does`, 'leave it out'),
      );
    }
    await session.run({
      requests: [{ op: 'ethtool', name }],
      print: ([info]) => command.print(name, info as EthtoolInfo),
      explain: (error) => missing(command, error),
    });
    return 0;
  });
}

/*
 * -m devgroup and -m realm: numbers of groups of links and of routes, which iproute2's files name.
 */
import { readFileSync } from 'node:fs';
import { DeviceGroupOp, Op } from '../../../netfilter/ops.js';
import { Family, Hook } from '../../../netfilter/rule.js';
import type { Extension, Option, Use } from '../extension.js';
import type { Given, Masked } from '../given.js';
import { hex } from '../numbers.js';
import { Problem } from '../problem.js';
import { leadingNumber } from './values.js';
import { bang, maskedHex } from './wording.js';

/** Lines "NUMBER NAME" of a file, read once. */
class Names {
  #names: Map<string, number> | undefined;

  constructor(readonly file: string) {}

  get all(): Map<string, number> {
    this.#names ??= this.#read();
    return this.#names;
  }

  #read(): Map<string, number> {
    let text = '';
    try {
      text = readFileSync(this.file, 'utf8');
    } catch {}
    const lines = text.split('\n').map((line) => /^\s*(0x[0-9a-f]+|\d+)\s+(\S+)/i.exec(line));
    return new Map(lines.flatMap((line) => (line === null ? [] : [[line[2], Number(line[1])]])));
  }

  nameOf(number: number): string | undefined {
    return [...this.all].find(([, one]) => one === number)?.[0];
  }
}

const groups = new Names('/etc/iproute2/group');
const realms = new Names('/etc/iproute2/rt_realms');

/** NAME, or NUMBER[/MASK]. */
function read(given: Given, names: Names): Masked {
  const number = leadingNumber(given.text);
  if (number?.rest === '') return { value: number.value, mask: 0xffffffff };
  if (number?.rest.startsWith('/')) {
    const mask = leadingNumber(number.rest.slice(1));
    if (mask?.rest === '') return { value: number.value, mask: mask.value };
    throw given.problem(`bad integer value for option "--${given.option}", or out of range.\n`);
  }
  const named = names.all.get(given.text);
  if (named !== undefined) return { value: named, mask: 0xffffffff };
  throw given.problem(`could not map name ${given.text} to an integer value for option "--${given.option}".\n`);
}

function text({ value, mask }: Masked, names: Names, isNumeric: boolean): string {
  if (mask !== 0xffffffff) return maskedHex(value, mask);
  return (isNumeric ? undefined : names.nameOf(value)) ?? hex(value);
}

interface Group extends Masked {
  isInverted: boolean;
}

interface DeviceGroup {
  source?: Group;
  destination?: Group;
}

function groupOption(name: string, side: 'source' | 'destination'): Option<DeviceGroup> {
  return {
    name,
    argument: 'required',
    canInvert: true,
    take(data, given) {
      data[side] = { ...read(given, groups), isInverted: given.isInverted };
    },
  };
}

/** Where there is no such link. */
function check({ source, destination }: DeviceGroup, use: Use): string | undefined {
  const isLate = source !== undefined && ['OUTPUT', 'POSTROUTING'].includes(use.chain);
  const isEarly = destination !== undefined && ['PREROUTING', 'INPUT'].includes(use.chain);
  return isLate || isEarly ? 'EINVAL' : undefined;
}

function groupText({ source, destination }: DeviceGroup, dashes: string, isNumeric: boolean): string {
  const part = (name: string, group?: Group) =>
    group === undefined ? '' : `${bang(group.isInverted)} ${dashes}${name} ${text(group, groups, isNumeric)}`;
  return part('src-group', source) + part('dst-group', destination);
}

export const devgroup: Extension<DeviceGroup> = {
  name: 'devgroup',
  isTarget: false,
  options: [groupOption('src-group', 'source'), groupOption('dst-group', 'destination')],
  create: () => ({}),
  finalCheck({ source, destination }) {
    if (source !== undefined || destination !== undefined) return;
    throw new Problem("devgroup match: You must specify either '--src-group' or '--dst-group'");
  },
  check,
  save: (data) => groupText(data, '--', false),
  list: (data, isNumeric) => groupText(data, '', isNumeric),
  encode({ source, destination }, into) {
    const flags =
      (source === undefined ? 0 : DeviceGroupOp.SOURCE) |
      (destination === undefined ? 0 : DeviceGroupOp.DESTINATION) |
      (source?.isInverted ? DeviceGroupOp.NOT_SOURCE : 0) |
      (destination?.isInverted ? DeviceGroupOp.NOT_DESTINATION : 0);
    const words = (group?: Group) => [(group?.value ?? 0) | 0, (group?.mask ?? 0) | 0];
    into.add(Op.DEVICE_GROUP, [...words(source), ...words(destination)], flags);
  },
};

export const realm: Extension<Group> = {
  name: 'realm',
  isTarget: false,
  family: Family.IPV4,
  hooks: (1 << Hook.POSTROUTING) | (1 << Hook.FORWARD) | (1 << Hook.OUTPUT) | (1 << Hook.INPUT),
  options: [
    {
      name: 'realm',
      argument: 'required',
      isMandatory: true,
      canInvert: true,
      take(data, given) {
        Object.assign(data, read(given, realms), { isInverted: given.isInverted });
      },
    },
  ],
  create: () => ({ value: 0, mask: 0, isInverted: false }),
  lacking: () => 'routes have no realms here',
  save: (data) => `${bang(data.isInverted)} --realm ${text(data, realms, false)}`,
  list: (data, isNumeric) => `${bang(data.isInverted)} realm ${text(data, realms, isNumeric)}`,
  encode() {},
};

/*
 * `iptables -h`, and what `-m NAME -h` and `-j NAME -h` add to it: the subject of the extension, and its options as its table has them.
 */
import { Family } from '../../netfilter/rule.js';
import type { Extended, Extension, Option } from './extension.js';
import { placeholderOf } from './extensions/placeholders.js';
import { SUBJECTS } from './extensions/subjects.js';

type Line = readonly [left: string, right: string];

const COMMANDS: readonly Line[] = [
  ['-A, --append CHAIN RULE', 'add a rule at the end of the chain'],
  ['-I, --insert CHAIN [N] RULE', 'add it as the Nth, or as the first'],
  ['-R, --replace CHAIN N RULE', 'exchange the Nth'],
  ['-D, --delete CHAIN N | RULE', 'take out the Nth, or the first that says the same'],
  ['-C, --check CHAIN RULE', 'exit with 0 if there is one that says the same'],
  ['-L, --list [CHAIN [N]]', 'show rules in columns'],
  ['-S, --list-rules [CHAIN [N]]', 'show rules as commands'],
  ['-F, --flush [CHAIN]', 'take all rules out'],
  ['-Z, --zero [CHAIN [N]]', 'set counters to 0'],
  ['-N, --new-chain CHAIN', 'make a chain'],
  ['-X, --delete-chain [CHAIN]', 'remove a chain that is empty and not used; without a name, all of them'],
  ['-E, --rename-chain CHAIN NAME', 'give a chain another name'],
  ['-P, --policy CHAIN ACCEPT|DROP', "decide on packets that come to a built-in chain's end"],
];

const RULE: readonly Line[] = [
  ['[!] -p, --protocol PROTOCOL', 'a name or a number'],
  ['[!] -s, --source ADDRESS[/MASK],…', ''],
  ['[!] -d, --destination ADDRESS[/MASK],…', ''],
  ['[!] -i, --in-interface LINK', 'where the packet came in; "eth+": all that begin so'],
  ['[!] -o, --out-interface LINK', 'where it leaves'],
];

const FRAGMENT: Line = ['[!] -f, --fragments', 'fragments but the first'];

const REST: readonly Line[] = [
  ['    -m, --match NAME', 'load a match; its options follow'],
  ['    -j, --jump TARGET', 'ACCEPT, DROP, RETURN, a chain, or a target whose options follow'],
  ['    -g, --goto CHAIN', 'go on there and do not come back'],
];

const OPTIONS: readonly Line[] = [
  ['-t, --table TABLE', 'filter (unless named), nat, mangle, raw or security'],
  ['-c, --set-counters PACKETS BYTES', 'what the counters of the rule start with'],
  ['-n, --numeric', 'list numbers, no names of hosts and services'],
  ['-v, --verbose', 'list counters and links too; tell what is done'],
  ['-x, --exact', 'list counters in full'],
  ['    --line-numbers', 'list the place of each rule'],
  ['-w, --wait [SECONDS]', 'taken for the sake of scripts: commands never have to wait for a lock'],
  ['-4, --ipv4, -6, --ipv6', 'in a restored text: the line is for this family only'],
  ['-V, --version', ''],
  ['-h, --help', 'with -m, -p or -j in front: about that, too'],
];

/** Where the right column starts. */
const COLUMN = 42;

function columns(lines: readonly Line[]): string {
  return lines.map(([left, right]) => `${`  ${left}`.padEnd(COLUMN)}${right}`.trimEnd()).join('\n');
}

export function helpText(program: string, family: Family, extensions: readonly Extended[]): string {
  const rule = [...RULE, ...(family === Family.IPV6 ? [] : [FRAGMENT]), ...REST];
  const parts = [
    `${program} v1.8.9 (nf_tables)`,
    `Usage: ${program} [-t TABLE] COMMAND [OPTION]…`,
    `Commands (rules of a chain are numbered from 1):\n${columns(COMMANDS)}`,
    `A rule is made of:\n${columns(rule)}`,
    `Options:\n${columns(OPTIONS)}`,
    ...extensions.map(({ extension }) => extensionText(extension)),
  ];
  return `${parts.join('\n\n')}\n`;
}

function extensionText(extension: Extension): string {
  const { name, isTarget } = extension;
  const subject = SUBJECTS[name];
  const heading = `${isTarget ? 'Target' : 'Match'} ${name}${subject === undefined ? '' : `: ${subject}`}`;
  const options = optionGroups(extension.options).map((options) => optionText(name, options));
  return [heading, ...(options.length === 0 ? ['  (no options)'] : options)].join('\n');
}

/** Several names of one option stand together. */
function optionGroups(options: ReadonlyArray<Option<unknown>>): Array<Array<Option<unknown>>> {
  const groups = new Map<string, Array<Option<unknown>>>();
  for (const option of options) {
    const key = option.key ?? option.name;
    groups.set(key, [...(groups.get(key) ?? []), option]);
  }
  return [...groups.values()];
}

function optionText(extension: string, options: ReadonlyArray<Option<unknown>>): string {
  const [first] = options;
  const names = options.map(({ name }) => `--${name}`).join(', ');
  const value = placeholderOf(extension, first.name);
  const argument = { required: ` ${value}`, optional: ` [${value}]`, none: '' }[first.argument ?? 'none'];
  return `  ${first.canInvert === true ? '[!] ' : '    '}${names}${argument}`;
}

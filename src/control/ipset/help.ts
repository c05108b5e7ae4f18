/* What `ipset help` prints, of all commands or of a type of sets. */
import { BadWords, VERSION } from './failures.js';
import { ICMP_NAMES, ICMPV6_NAMES } from './icmp-names.js';
import { KINDS, kindNamed, type SetKind, type Verb } from './kinds.js';
import { OPTIONS } from './options.js';
import { REVISIONS } from './revisions.js';

const COMMANDS = `ipset ${VERSION}

Usage: ipset [options] COMMAND

Commands:
create SETNAME TYPENAME [type-specific-options]
        Create a new set
add SETNAME ENTRY
        Add entry to the named set
del SETNAME ENTRY
        Delete entry from the named set
test SETNAME ENTRY
        Test entry in the named set
destroy [SETNAME]
        Destroy a named set or all sets
list [SETNAME]
        List the entries of a named set or all sets
save [SETNAME]
        Save the named set or all sets to stdout
restore ${''}
        Restore a saved state
flush [SETNAME]
        Flush a named set or all sets
rename FROM-SETNAME TO-SETNAME
        Rename two sets
swap FROM-SETNAME TO-SETNAME
        Swap the contect of two existing sets
help [TYPENAME]
        Print help, and settype specific help
version ${''}
        Print version information
quit ${''}
        Quit interactive mode

Options:
-o plain|save|xml
       Specify output mode for listing sets.
       Default value for "list" command is mode "plain"
       and for "save" command is mode "save".
-s ${''}
        Print elements sorted (if supported by the set type).
-q ${''}
        Suppress any notice or warning message.
-r ${''}
        Try to resolve IP addresses in the output (slow!)
-! ${''}
        Ignore errors when creating or adding sets or
        elements that do exist or when deleting elements
        that don't exist.
-n ${''}
        When listing, just list setnames from the kernel.

-t ${''}
        When listing, list setnames and set headers
        from kernel only.
-f ${''}
        Read from the given file instead of standard
        input (restore) or write to given file instead
        of standard output (list/save).
`;

const VERBS: ReadonlyArray<readonly [Verb, string]> = [
  ['create', 'create SETNAME'],
  ['add', 'add    SETNAME'],
  ['del', 'del    SETNAME'],
  ['test', 'test   SETNAME'],
];

function portUsage(): string {
  const names = (list: typeof ICMP_NAMES) => list.map(([name]) => `               ${name}\n`).join('');
  return `      [PROTO:]PORT is a valid pattern of the following:
           PORTNAME         TCP port name from /etc/services
           PORTNUMBER       TCP port number identifier
           tcp|sctp|udp|udplite:PORTNAME|PORTNUMBER
           icmp:CODENAME    supported ICMP codename
           icmp:TYPE/CODE   ICMP type/code value
           icmpv6:CODENAME  supported ICMPv6 codename
           icmpv6:TYPE/CODE ICMPv6 type/code value
           PROTO:0          all other protocols

           Supported ICMP codenames:
${names(ICMP_NAMES)}           Supported ICMPv6 codenames:
${names(ICMPV6_NAMES)}`;
}

function familyText({ name, family }: SetKind): string {
  if (family === 'none') return `\nType ${name} is family neutral.\n`;
  return family === 'both'
    ? `\nType ${name} supports inet and inet6.\n`
    : `\nType ${name} supports family inet only.\n`;
}

function formOf(kind: SetKind, verb: Verb): string {
  if (verb !== 'create') return verb === 'test' ? (kind.testForm ?? kind.form) : kind.form;
  if (!kind.name.startsWith('bitmap:')) return '';
  return kind.name === 'bitmap:port' ? 'range [PROTO:]FROM-TO' : 'range IP/CIDR|FROM-TO';
}

function kindHelp(kind: SetKind): string {
  let text = `\n${kind.name} type specific options:\n\n`;
  for (const [verb, prefix] of VERBS) {
    text += `${prefix} ${kind.name} ${formOf(kind, verb)}\n`;
    for (const name of kind.options[verb]) {
      const { help = '' } = OPTIONS[name];
      if (help !== '') text += `               ${help}\n`;
    }
  }
  return `${text}\n${kind.usage}\n${kind.hasPortUsage === true ? portUsage() : ''}${familyText(kind)}`;
}

function allKinds(): string {
  let text = '\nSupported set types:\n';
  for (const { name, revision } of KINDS) {
    const notes = REVISIONS[name] ?? [];
    for (let i = revision; i >= 0 && notes[i] !== ''; i--) {
      text += `    ${name}\t${name.length < 12 ? '\t' : ''}${i}\t${notes[i]}\n`;
    }
  }
  return text;
}

/** `out` is given the text as far as it goes. */
export function helpText(name: string | undefined, isQuiet: boolean, out: (text: string) => void): void {
  out(COMMANDS);
  if (isQuiet) return;
  if (name === undefined) {
    out(allKinds());
    return;
  }
  const kind = kindNamed(name);
  if (kind === undefined) throw new BadWords(`Unknown settype: \`${name}'`);
  out(kindHelp(kind));
}

/*
 * `sluice config show | check FILE | apply FILE | save FILE`. FILE is YAML; - is stdin or stdout.
 * What commands built survives a restart only through `save`.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Done } from '../control/api/answer.js';
import type { ConfigInfo } from '../control/api/config.js';
import { Unreachable } from '../control/client.js';
import { cannot, misuse, Refusal } from './refusal.js';
import { inSession, type Session } from './session.js';
import type { Terminal } from './terminal.js';

const CAUSES: Record<string, string> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
};

function fileRefusal(command: string, file: string, error: unknown): Refusal {
  const { code, message } = error as NodeJS.ErrnoException;
  return new Refusal('', 1, cannot(`config ${command}`, file, CAUSES[code ?? ''] ?? message, 'check the path'));
}

function read(command: string, file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw fileRefusal(command, file, error);
  }
}

async function show(session: Session): Promise<void> {
  const { text } = await session.ask<ConfigInfo>({ op: 'config.show' });
  session.terminal.out(text);
}

async function apply(session: Session, file: string): Promise<void> {
  const text = read('apply', file);
  await session.run({
    requests: [{ op: 'config.apply', text, file, folder: process.cwd() }],
    print: () => '',
    explain: (error) => new Refusal('', 1, error.message),
  });
}

/** With a daemon, whether it could be applied there; without one, whether the file is good in itself. */
async function check(session: Session, file: string): Promise<void> {
  const text = read('check', file);
  try {
    await session.ask<Done>({ op: 'config.apply', text, file, folder: process.cwd(), check: true });
    session.terminal.out(`${file}: good\n`);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    await checkAlone(text, file);
    session.terminal.out(`${file}: good in itself; no daemon runs to check it against\n`);
  }
}

async function checkAlone(text: string, file: string): Promise<void> {
  const { parseConfig } = await import('../control/config.js');
  try {
    parseConfig(text, file);
  } catch (error) {
    throw new Refusal('', 1, (error as Error).message);
  }
}

/** Whole or not at all: written beside the file, then renamed. */
async function save(session: Session, file: string): Promise<void> {
  const { text } = await session.ask<ConfigInfo>({ op: 'config.show' });
  if (file === '-') return session.terminal.out(text);
  const fresh = `${file}.${process.pid}.new`;
  try {
    writeFileSync(fresh, text, { mode: 0o600 });
    renameSync(fresh, file);
  } catch (error) {
    throw fileRefusal('save', file, error);
  }
}

export const COMMANDS: Record<string, (session: Session, file: string) => Promise<void>> = { show, check, apply, save };

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const [command, file, extra] = words;
    if (command === undefined) throw misuse('config', '', `it needs one of ${Object.keys(COMMANDS).join(', ')}`);
    if (!Object.hasOwn(COMMANDS, command)) throw misuse('config', command, 'there is no such command');
    const words2 = command === 'show' ? file : extra;
    if (words2 !== undefined) throw misuse('config', command, `"${words2}" is one word too many`);
    if (command !== 'show' && file === undefined) throw misuse('config', command, 'it needs a file');
    await COMMANDS[command](session, file ?? '');
    return 0;
  });
}

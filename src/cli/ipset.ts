/*
 * `sluice ipset`: the words go to the daemon as they are, what the tool prints and its exit status come back. What restore reads is
 * read here, and what -file names is written here, where the user is.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { RunIpset, ToolOutcome } from '../control/api/tool.js';
import { Complaint, VERSION } from '../control/ipset/failures.js';
import { cannot, Refusal, strerror } from './refusal.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';

/** As the real tool ends when it cannot read its file. */
const UNREADABLE = 255;

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const request = await prepare(words);
    if (typeof request === 'number') return request;
    return store(await session.ask<ToolOutcome>(request), terminal);
  });
}

async function prepare(words: readonly string[]): Promise<RunIpset | number> {
  const request: RunIpset = { op: 'ipset.run', words: [...words] };
  // Loaded with the first command, not with the file.
  const { isRestore, newSettings, takeSettings } = await import('../control/ipset/words.js');
  const settings = newSettings();
  let rest: readonly string[];
  try {
    rest = takeSettings(words, settings);
  } catch (error) {
    // The daemon says it.
    if (error instanceof Complaint) return request;
    throw error;
  }
  if (rest[0] === '-') {
    const ours = cannot('ipset -', '', 'there is no interactive mode', 'use "sluice ipset restore"');
    throw new Refusal(`ipset ${VERSION}: No command specified.`, 2, ours, true);
  }
  if (!isRestore(rest) || rest.length > 1) return request;
  const text = settings.file === undefined ? await readStdin() : readFile(settings.file);
  return text === undefined ? UNREADABLE : { ...request, text };
}

function readFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function store({ file, stdout, stderr, status }: ToolOutcome, terminal: Terminal): number {
  if (stderr !== '') terminal.err(stderr);
  if (file === undefined) {
    if (stdout !== '') terminal.out(stdout);
    return status;
  }
  try {
    writeFileSync(file, stdout);
  } catch (error) {
    const why = strerror((error as NodeJS.ErrnoException).code ?? 'EIO');
    terminal.err(`ipset ${VERSION}: Cannot open ${file} for writing: ${why}\n`);
    return 1;
  }
  return status;
}

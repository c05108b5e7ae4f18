/* Real captures and the real tools that read them, for tests that compare with them. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CaptureReader } from '../../src/io/pcap-file.js';

const FIXTURES = process.env.SLUICE_FIXTURES ?? resolve(import.meta.dirname, '../../../shared/fixtures');

/** Up to `most` of the fixture captures, evenly over all of them; none where the fixtures are absent. */
export function captureFiles(most = Infinity): string[] {
  if (!existsSync(FIXTURES)) return [];
  const folders = readdirSync(FIXTURES).filter((name) => name.startsWith('pcap-'));
  const files = folders
    .sort()
    .flatMap((folder) =>
      readdirSync(join(FIXTURES, folder))
        .sort()
        .map((name) => join(FIXTURES, folder, name)),
    )
    .filter((path) => /\.(pcap|pcapng|cap)$/.test(path));
  const step = Math.max(1, files.length / most);
  return files.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
}

export const NO_FIXTURES = 'the fixture captures are absent: set SLUICE_FIXTURES';

export function isInstalled(tool: string): boolean {
  return spawnSync(tool, ['--version']).error === undefined;
}

/** A tool's stdout; its exit status is not looked at, because tools fail at the end of a damaged capture. */
export function run(tool: string, args: string[], input?: Uint8Array): Buffer {
  return spawnSync(tool, args, { input, maxBuffer: 1 << 28 }).stdout;
}

export function withFolder<T>(body: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-capture-'));
  try {
    return body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The frames of a capture that a link could carry. */
export function framesOf(file: string): Uint8Array[] {
  const reader = new CaptureReader(file);
  const frames: Uint8Array[] = [];
  while (reader.next()) {
    const { bytes, at, captured } = reader.frame;
    frames.push(bytes.slice(at, at + captured));
  }
  reader.close();
  return frames;
}

/* Completion: its words are those that the verbs know, and the shells accept the scripts. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { wordTree } from '../../src/cli/completion.js';
import { sluice } from './run.js';

/** How the command goes on so that only the last word can be unknown. */
const NAMED: Record<string, string> = {
  'ip link add': 'ip link add x',
  'ip link set': 'ip link set x',
  'ip link show': 'ip link show',
  'bridge fdb flush': 'bridge fdb flush dev x',
  ethtool: 'ethtool',
};

/** What each verb says of a word that it does not know. */
const UNKNOWN =
  /is a garbage|is unknown|unknown command|unknown option|never heard|no such|is no word|Usage: bridge (fdb|link)|needs one of|only -i|has no "/;

describe('the table of words', async () => {
  const tree = await wordTree();
  const paths = [...tree].filter(([path]) => path !== '' && !/^(up|capture|completion|config|status)$/.test(path));

  it('has every verb, and no path without words', () => {
    expect(tree.get('')).toContain('ip');
    for (const [path, words] of tree) expect(words.length, path).toBeGreaterThan(0);
  });

  it.each(paths)('%s: every word is known to the verb', async (path, words) => {
    for (const word of words.filter((one) => one !== 'help')) {
      const line =
        path.startsWith('ip link add type') || path.startsWith('ip link set type')
          ? path.replace(' type', ' x type')
          : (NAMED[path] ?? path);
      const { err } = await sluice([...line.split(' '), word]);
      const complaint = err.split('\n').filter((text) => !text.includes('no such socket'));
      expect(complaint.join('\n'), `${line} ${word}`).not.toMatch(UNKNOWN);
    }
  });
});

function has(shell: string): boolean {
  return spawnSync(shell, ['--version']).error === undefined;
}

/** What bash offers for a line; the last word is what is being typed. */
function complete(script: string, line: string): string[] {
  const typed = line.split(' ');
  const program = `${script}\nCOMP_WORDS=(${typed.map((word) => `'${word}'`).join(' ')})\nCOMP_CWORD=${typed.length - 1}\n_sluice\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', program], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((word) => word !== '');
}

describe('the scripts', () => {
  it.skipIf(!has('bash'))('bash completes verbs, objects, words and kinds', async () => {
    const { out } = await sluice(['completion', 'bash']);
    expect(complete(out, 'sluice br')).toEqual(['bridge', 'brctl']);
    expect(complete(out, 'sluice ip l')).toEqual(['link']);
    expect(complete(out, 'sluice ip link add t1 ty')).toEqual(['type']);
    expect(complete(out, 'sluice ip -j link add t1 mtu 1400 type ')).toEqual([
      'bridge',
      'tap',
      'packet',
      'pcap',
      'memory',
      'veth',
      'vlan',
      'dummy',
    ]);
    expect(complete(out, 'sluice ip link add t1 type tap peer name eth0 ad')).toEqual(['address', 'addr']);
    expect(complete(out, 'sluice bridge link set dev t1 storm_')).toEqual([
      'storm_broadcast',
      'storm_multicast',
      'storm_unknown',
    ]);
    expect(complete(out, 'sluice brctl show')).toEqual(['show', 'showmacs', 'showstp']);
  });

  it.each(['bash', 'zsh', 'fish'])('%s accepts its script', async (shell) => {
    const { status, out } = await sluice(['completion', shell]);
    expect(status).toBe(0);
    expect(out).toContain('storm_unknown');
    if (has(shell)) expect(spawnSync(shell, ['-n'], { input: out, encoding: 'utf8' }).stderr).toBe('');
  });

  it('knows no other shell', async () => {
    expect((await sluice(['completion', 'tcsh'])).err).toMatch(
      /^cannot completion tcsh: it needs one of bash, zsh, fish; /,
    );
    expect((await sluice(['completion'])).status).toBe(2);
  });
});

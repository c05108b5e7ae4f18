/* The control socket: what a failure means for the requests behind it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Request } from '../../src/control/api/request.js';
import { Client } from '../../src/control/client.js';
import { type ControlServer, listen } from '../../src/control/server.js';
import { SluiceError } from '../../src/core/errors.js';

let folder: string;
let server: ControlServer;
let client: Client;
let carriedOut: string[];

/** Requests for "bad" fail. */
async function serve(request: Request): Promise<unknown> {
  const { name = '' } = request as { name?: string };
  if (name === 'bad') throw new SluiceError('EEXIST', 'cannot do it: it is bad; do good');
  carriedOut.push(name);
  return {};
}

const ask = (name: string, chain: boolean): Promise<string> =>
  client.request({ op: 'netns.add', name }, chain).then(
    () => 'done',
    ({ error }) => error.errno,
  );

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-server-'));
  carriedOut = [];
  server = await listen(join(folder, 'socket'), undefined, serve, async () => {});
  client = await Client.connect(join(folder, 'socket'));
});

afterEach(() => {
  client.close();
  server.close();
  server.end();
  rmSync(folder, { recursive: true });
});

it('does not carry out what is chained to a request that failed', async () => {
  const answers = [ask('a', true), ask('bad', true), ask('b', true), ask('c', false)];
  expect(await Promise.all(answers)).toEqual(['done', 'EEXIST', 'ECANCELED', 'done']);
  expect(carriedOut).toEqual(['a', 'c']);
});

it('carries out what is chained behind a failure that is no link of the chain', async () => {
  const answers = [ask('bad', false), ask('a', true), ask('b', true)];
  expect(await Promise.all(answers)).toEqual(['EEXIST', 'done', 'done']);
  expect(carriedOut).toEqual(['a', 'b']);
});

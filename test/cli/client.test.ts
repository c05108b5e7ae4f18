/* The thin client: pipelining, answers in pieces, streams, and a daemon that goes. */

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiFailure, Client, socketPath, Unreachable } from '../../src/control/client.js';

describe('the client', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-client-'));
  const path = join(directory, 'sluice.sock');
  let server: Server;
  let client: Client;
  let peer: Socket;
  let heard = '';

  beforeEach(async () => {
    heard = '';
    const connected = new Promise<void>((resolve) => {
      server = createServer((socket) => {
        peer = socket;
        socket.setEncoding('utf8');
        socket.on('data', (text) => {
          heard += String(text);
        });
        resolve();
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    client = await Client.connect(path);
    await connected;
  });

  afterEach(() => {
    client.close();
    peer.destroy();
    server.close();
    rmSync(path, { force: true });
  });

  const heardLines = async (count: number) => {
    while (heard.split('\n').length <= count) await new Promise((resolve) => setTimeout(resolve, 1));
    return heard
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  };

  it('sends many requests before any answer, and matches answers by id', async () => {
    const first = client.request({ op: 'status' });
    const second = client.request({ op: 'down' }, true);
    expect(await heardLines(2)).toEqual([
      { id: 1, op: 'status' },
      { id: 2, chain: true, op: 'down' },
    ]);
    peer.write('{"id":2,"result":"two"}\n{"id":1,"result":"one"}\n');
    expect(await Promise.all([first, second])).toEqual(['one', 'two']);
  });

  it('puts answers together that come in pieces, wherever they are cut', async () => {
    const answer = client.request<{ text: string }>({ op: 'config.show' });
    const bytes = Buffer.from('{"id":1,"result":{"text":"Brücke ✓"}}\n');
    for (const byte of bytes) {
      peer.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await answer).text).toBe('Brücke ✓');
  });

  it('throws a refusal with its errno, and goes on', async () => {
    const refused = client.request({ op: 'link.list', name: 'x' });
    const fine = client.request({ op: 'status' });
    await heardLines(2);
    peer.write('{"id":1,"error":{"errno":"ENODEV","message":"cannot x: y; z"}}\n{"id":2,"result":1}\n');
    await expect(refused).rejects.toThrow(ApiFailure);
    await expect(refused).rejects.toMatchObject({ error: { errno: 'ENODEV' } });
    expect(await fine).toBe(1);
  });

  it('hands on the results of a stream until its end, or until told to stop', async () => {
    const seen: unknown[] = [];
    const stream = client.stream<number>(
      { op: 'capture', name: 't1', filter: '', snaplen: 1 },
      (value) => seen.push(value) > 0,
    );
    await heardLines(1);
    peer.write('{"id":1,"result":7}\n{"id":1,"result":8}\n{"id":1,"result":null,"end":true}\n');
    await stream;
    expect(seen).toEqual([7, 8]);
    const stopped = client.stream<number>({ op: 'capture', name: 't1', filter: '', snaplen: 1 }, () => false);
    await heardLines(2);
    peer.write('{"id":2,"result":9}\n');
    await stopped;
  });

  it('fails what waits when the daemon goes, and what is asked after that', async () => {
    const waiting = client.request({ op: 'status' });
    await heardLines(1);
    peer.destroy();
    await expect(waiting).rejects.toThrow(Unreachable);
    await expect(client.request({ op: 'status' })).rejects.toThrow(Unreachable);
  });

  it('says why nobody can be reached', async () => {
    await expect(Client.connect('/nonexistent/s')).rejects.toThrow(
      'cannot reach the daemon at /nonexistent/s: there is no such socket; start it with "sluice up"',
    );
    await expect(Client.connect('/etc/hostname')).rejects.toThrow(/cannot reach the daemon at \/etc\/hostname: .+; .+/);
  });
});

describe('the socket', () => {
  const before = { ...process.env };

  afterEach(() => {
    process.env = { ...before };
  });

  it('is --socket, else SLUICE_SOCKET, else the default', () => {
    process.env.SLUICE_SOCKET = '/from/environment';
    expect(socketPath('/from/option')).toBe('/from/option');
    expect(socketPath()).toBe('/from/environment');
    delete process.env.SLUICE_SOCKET;
    process.env.XDG_RUNTIME_DIR = '/run/user/7';
    expect(socketPath()).toBe(process.getuid?.() === 0 ? '/run/sluice/sluice.sock' : '/run/user/7/sluice.sock');
  });
});

/*
 * One TCP stream as fast as Node can: the server sends, because only a connecting socket can be given a buffer of its own to
 * read into (`onread`), and reading is what costs most here.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Tasks } from './tasks.js';

const CHUNK_BYTES = 1 << 20;
/** How often progress is reported, ms. */
const REPORT_MS = 100;

let server: Server | undefined;

/** Keeps the socket's buffer full until the other side closes. */
function pump(socket: Socket): void {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const fill = () => {
    while (socket.writable && socket.write(chunk));
  };
  socket.on('drain', fill);
  // The reader ends the transfer by closing: a reset is the normal end.
  socket.on('error', () => socket.destroy());
  fill();
}

export async function serve(): Promise<number> {
  if (server === undefined) {
    server = createServer({ highWaterMark: 4 * CHUNK_BYTES }, pump);
    await new Promise<void>((resolve, reject) => {
      server?.once('error', reject);
      server?.listen(0, '0.0.0.0', resolve);
    });
  }
  return (server.address() as AddressInfo).port;
}

function gigabits(bytes: number, ms: number): number {
  return (bytes * 8) / ms / 1e6;
}

export function receive(options: Tasks['receive']['arguments'], report: (gbps: number) => void): Promise<number> {
  const { address: host, port, ms } = options;
  let bytes = 0;
  const onread = {
    buffer: Buffer.allocUnsafe(CHUNK_BYTES),
    callback: (n: number) => {
      bytes += n;
      return true;
    },
  };
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, onread });
    socket.once('error', reject);
    socket.once('connect', () => {
      const startMs = performance.now();
      const rate = () => gigabits(bytes, performance.now() - startMs);
      const reports = setInterval(() => report(rate()), REPORT_MS);
      setTimeout(() => {
        clearInterval(reports);
        resolve(rate());
        socket.destroy();
      }, ms);
    });
  });
}

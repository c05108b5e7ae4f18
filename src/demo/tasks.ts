/*
 * What the demo asks of a host, a helper process that lives in a kernel namespace of its own (host.ts): one
 * request and one result each, over the channel that Node keeps between a process and its children; between them a
 * task may report how it gets on.
 */

export interface PingResult {
  received: number;
  /** Median round trip, ms. */
  medianMs: number;
}

export interface Tasks {
  /** Echo requests, one after the other. */
  ping: { arguments: { address: string; count: number; intervalMs: number; timeoutMs: number }; result: PingResult };
  /** A TCP server that sends all it can to whoever connects; answers its port. */
  serve: { arguments: Record<string, never>; result: number };
  /** Connects there and reads; answers and reports Gb/s of payload. */
  receive: { arguments: { address: string; port: number; ms: number }; result: number };
  /** Sends 64-byte frames as fast as it can; answers how many the device took. */
  blast: { arguments: { to: string; from: string; ms: number }; result: number };
  /** Counts what eth0 receives, after a lead; answers and reports millions of frames a second. */
  count: { arguments: { leadMs: number; ms: number }; result: number };
  /** Sends these frames (hexadecimal) as they are; answers how many the device took. */
  send: { arguments: { frames: string[] }; result: number };
}

export type Task = keyof Tasks;

export interface TaskRequest {
  id: number;
  task: Task;
  arguments: Tasks[Task]['arguments'];
}

export type HostMessage =
  /** It is in its namespace. */
  | { ready: true; hasIpv6: boolean }
  | { id: number; result: unknown }
  | { id: number; progress: number }
  /** A house sentence; without an id: the host cannot start. */
  | { id?: number; error: string };

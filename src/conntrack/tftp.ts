/*
 * TFTP (RFC 1350 §4): a request goes to port 69, its answers come from a port that the server chooses. Opcodes in the first two
 * bytes of the data.
 */
import { read16 } from '../wire/field.js';

const READ = 1;
const WRITE = 2;

/** Whether the data at `at` are a request: the server's answers are to be expected. */
export function isTftpRequest(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 4 > end) return false;
  const opcode = read16(bytes, at);
  return opcode === READ || opcode === WRITE;
}

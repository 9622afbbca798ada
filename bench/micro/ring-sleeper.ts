/**
 * Owns how the threads of the ring's figures sleep: in poll, on an eventfd, as a worker does on its own.
 */
import { libc } from '../../dataplane/io/libc.ts';
import { allocateNative } from '../../dataplane/io/native-memory.ts';

const POLLIN = 1;
/** So that no lost wake-up keeps a thread for ever. */
const SLEEP_LIMIT_MS = 100;

/** A function that returns when the eventfd was written, or after a while. */
export function createSleeper(fd: number): () => void {
  const memory = allocateNative(8);
  memory.i32[0] = fd;
  memory.u16[2] = POLLIN;
  return () => {
    libc.poll(memory.pointer, 1, SLEEP_LIMIT_MS);
  };
}

/**
 * CLOCK_MONOTONIC in milliseconds modulo 2^32: the clock of ArenaHeader.nowMs and of Lane.notAfterMs. Any thread.
 * The main thread's `process.hrtime()` reads the same clock.
 */
import { libc } from './libc.ts';
import { allocateNative } from './native-memory.ts';

const CLOCK_MONOTONIC = 1;
const time = allocateNative(16);

/** Now, in milliseconds, as an unsigned 32-bit number. */
export function monotonicMs(): number {
  libc.clockGettime(CLOCK_MONOTONIC, time.pointer);
  return (Math.imul(time.u32[0] ?? 0, 1000) + Math.trunc((time.u32[2] ?? 0) / 1_000_000)) >>> 0;
}

/** Now, in microseconds modulo 2^32: for spans below an hour. */
export function monotonicUs(): number {
  libc.clockGettime(CLOCK_MONOTONIC, time.pointer);
  return (Math.imul(time.u32[0] ?? 0, 1_000_000) + Math.trunc((time.u32[2] ?? 0) / 1000)) >>> 0;
}

/**
 * The clock of the main thread's drivers: one for trunks, discovery, the network and the data plane. Workers and Rust
 * read the same one, in whole milliseconds modulo 2^32 (`dataplane/io/clock.ts`).
 *
 * Main thread. Never for the machines without I/O, which are told the time.
 */

/** CLOCK_MONOTONIC in milliseconds. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

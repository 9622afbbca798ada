/**
 * What the main thread changes in a worker's arena: its TAP queues while it runs, and the rest after its death. Main
 * thread.
 */
import { invariant } from '../base/invariant.ts';
import type { Arena } from '../shm/arena.ts';
import { ArenaHeader, BATCH, LIMIT, Reassembly, TAP_QUEUE_SLOTS, TapQueue } from '../shm/layout.ts';
import { ARENA, HANDOFF_STRIDE_BYTES } from '../shm/memory-map.ts';
import { RingConsumer } from '../shm/ring.ts';

/**
 * Publishes a worker's queues of a VLAN's TAP; the worker is to be woken afterwards.
 *
 * @param fds - a power of two of them, at most LIMIT.tapQueues
 */
export function setTapQueues(arena: Arena, vlan: number, fds: readonly number[]): void {
  const { length } = fds;
  const isPower = length > 0 && (length & (length - 1)) === 0;
  invariant(isPower && length <= LIMIT.tapQueues, `${length} queues of a TAP`);
  // The first one last: until it is there, nothing is written to the others.
  for (let queue = fds.length - 1; queue >= 0; queue--) {
    writeTapQueue(arena, queue * LIMIT.vlans + vlan, {
      fd: fds[queue] ?? -1,
      attached: 1,
      queues: fds.length,
    });
  }
  Atomics.add(arena.u32, ArenaHeader.at.tapGeneration >> 2, 1);
}

/** Withdraws them; the worker may use the descriptors until it has passed a turn. */
export function clearTapQueues(arena: Arena, vlan: number): void {
  for (let queue = 0; queue < LIMIT.tapQueues; queue++) {
    writeTapQueue(arena, queue * LIMIT.vlans + vlan, { fd: -1, attached: 0, queues: 0 });
  }
  Atomics.add(arena.u32, ArenaHeader.at.tapGeneration >> 2, 1);
}

/** Descriptors of the queues that a worker has. */
export function tapQueueFds(arena: Arena): number[] {
  const fds: number[] = [];
  for (let queue = 0; queue < TAP_QUEUE_SLOTS; queue++) {
    const word = queueWord(queue);
    if (arena.u32[word + (TapQueue.at.attached >> 2)] === 1)
      fds.push(arena.i32[word + (TapQueue.at.fd >> 2)] ?? -1);
  }
  return fds;
}

/**
 * Prepares the arena of a dead worker for its next incarnation: what was on its way to the old one is lost, as a
 * frame may be, and what the old one held half-done is forgotten. Its counters go on.
 */
export function resetAfterDeath(arena: Arena): void {
  const { at } = ArenaHeader;
  const zeroed = [
    at.running,
    at.crashRequest,
    at.ready,
    at.readyTapCount,
    at.txDatagramCount,
    at.puntCount,
    at.seenCount,
  ];
  for (const field of zeroed) Atomics.store(arena.u32, field >> 2, 0);
  new RingConsumer(arena.buffer, ARENA.injections).discard();
  for (let producer = 0; producer < LIMIT.workers; producer++) {
    new RingConsumer(arena.buffer, ARENA.handoffs + producer * HANDOFF_STRIDE_BYTES).discard();
  }
  arena.bytes.fill(0, ARENA.reassemblies, ARENA.reassemblies + BATCH.reassemblies * Reassembly.size);
}

/** The version is odd while the words do not belong together. */
function writeTapQueue(
  arena: Arena,
  queue: number,
  value: { readonly fd: number; readonly attached: number; readonly queues: number },
): void {
  const word = queueWord(queue);
  Atomics.add(arena.u32, word, 1);
  Atomics.store(arena.i32, word + (TapQueue.at.fd >> 2), value.fd);
  Atomics.store(arena.u32, word + (TapQueue.at.queues >> 2), value.queues);
  Atomics.store(arena.u32, word + (TapQueue.at.attached >> 2), value.attached);
  Atomics.add(arena.u32, word, 1);
}

function queueWord(queue: number): number {
  return (ARENA.tapQueues + queue * TapQueue.size) >> 2;
}

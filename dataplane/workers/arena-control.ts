/**
 * What the main thread changes in a worker's arena: its TAP queues while it runs, and the rest after its death. Main
 * thread.
 */
import type { Arena } from '../shm/arena.ts';
import { ArenaHeader, BATCH, LIMIT, Reassembly, TapQueue } from '../shm/layout.ts';
import { ARENA, HANDOFF_STRIDE_BYTES } from '../shm/memory-map.ts';
import { RingConsumer } from '../shm/ring.ts';

/** Publishes a worker's queue of a VLAN's TAP; the worker is to be woken afterwards. */
export function setTapQueue(arena: Arena, vlan: number, fd: number): void {
  writeTapQueue(arena, vlan, fd, 1);
}

/** Withdraws it; the worker may use the descriptor until it has passed a turn. */
export function clearTapQueue(arena: Arena, vlan: number): void {
  writeTapQueue(arena, vlan, -1, 0);
}

/** Descriptors of the queues that a worker has. */
export function tapQueueFds(arena: Arena): number[] {
  const fds: number[] = [];
  for (let vlan = 0; vlan < LIMIT.vlans; vlan++) {
    const word = queueWord(vlan);
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

/** The version is odd while the two words do not belong together. */
function writeTapQueue(arena: Arena, vlan: number, fd: number, attached: number): void {
  const word = queueWord(vlan);
  Atomics.add(arena.u32, word, 1);
  Atomics.store(arena.i32, word + (TapQueue.at.fd >> 2), fd);
  Atomics.store(arena.u32, word + (TapQueue.at.attached >> 2), attached);
  Atomics.add(arena.u32, word, 1);
  Atomics.add(arena.u32, ArenaHeader.at.tapGeneration >> 2, 1);
}

function queueWord(vlan: number): number {
  return (ARENA.tapQueues + vlan * TapQueue.size) >> 2;
}

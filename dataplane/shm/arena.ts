/**
 * Views of one worker's arena. The main thread makes it and fills the descriptors in; the worker owns the rest
 * while it runs. A restarted worker gets the same arena with a higher incarnation.
 */
import { invariant } from '../base/invariant.ts';
import { ARENA_MAGIC, ArenaHeader, LIMIT, RingHeader, TAP_QUEUE_SLOTS, TapQueue } from './layout.ts';
import {
  ARENA,
  ARENA_BYTES,
  COUNTER_BASE,
  COUNTER_SLOTS,
  HANDOFF_STRIDE_BYTES,
  RING_BYTES,
} from './memory-map.ts';
import { layoutDigest } from './render-layout.ts';

/** Typed views over one arena. */
export interface Arena {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u16: Uint16Array;
  /** f64[COUNTER_SLOTS]: drop codes, then counters from COUNTER_BASE. */
  readonly counters: Float64Array;
}

/** Makes the arena of worker `worker`, with no descriptors in it; main thread. */
export function createArena(worker: number): Arena {
  const arena = views(new SharedArrayBuffer(ARENA_BYTES));
  const at = ArenaHeader.at;
  arena.u32[at.digest >> 2] = layoutDigest();
  arena.u32[at.worker >> 2] = worker;
  arena.i32[at.udpFd >> 2] = -1;
  arena.i32[at.wakeFd >> 2] = -1;
  for (let queue = 0; queue < TAP_QUEUE_SLOTS; queue++) {
    arena.i32[(ARENA.tapQueues + queue * TapQueue.size + TapQueue.at.fd) >> 2] = -1;
  }
  initialiseRing(arena, ARENA.events, RING_BYTES.events);
  initialiseRing(arena, ARENA.injections, RING_BYTES.injections);
  for (let producer = 0; producer < LIMIT.workers; producer++) {
    initialiseRing(arena, ARENA.handoffs + producer * HANDOFF_STRIDE_BYTES, RING_BYTES.handoff);
  }
  arena.u32[at.magic >> 2] = ARENA_MAGIC;
  return arena;
}

/** Views of an arena that the main thread made. */
export function openArena(buffer: SharedArrayBuffer): Arena {
  const arena = views(buffer);
  invariant(arena.u32[ArenaHeader.at.magic >> 2] === ARENA_MAGIC, 'not an arena');
  return arena;
}

/** Adds to one of the drop counters. */
export function countDrop(arena: Arena, code: number): void {
  arena.counters[code] = (arena.counters[code] ?? 0) + 1;
}

/** Adds to one of the other counters. */
export function count(arena: Arena, counter: number, amount: number): void {
  const index = COUNTER_BASE + counter;
  arena.counters[index] = (arena.counters[index] ?? 0) + amount;
}

function views(buffer: SharedArrayBuffer): Arena {
  return {
    buffer,
    bytes: new Uint8Array(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    u16: new Uint16Array(buffer),
    counters: new Float64Array(buffer, ARENA.counters, COUNTER_SLOTS),
  };
}

function initialiseRing(arena: Arena, offset: number, capacity: number): void {
  arena.u32[(offset + RingHeader.at.capacity) >> 2] = capacity;
}

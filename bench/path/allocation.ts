/**
 * Owns how many bytes of JavaScript heap a piece of work allocates: to the byte, collections included.
 *
 *   used before │ … work … ╎ collection ╎ … work … │ used after
 *               └─ grown ──┘            └─ grown ──┘           their sum is what was allocated
 *
 * V8's used size counts up to the last object, so a single boxed number shows. What a reading itself allocates is the
 * same for one length of work and for twice that length, and so falls out of the difference. The calling thread's heap
 * alone; the work must not wait.
 */
import { GCProfiler, getHeapStatistics } from 'node:v8';

/** Readings of the shorter length. */
const WINDOWS = 3;
/** Readings of either length at most: a compiler that ends its work in one of them adds to it. */
const ATTEMPTS = 10;
/** No object is smaller, so that less than half of it a round is not the round's doing. */
const SMALLEST_OBJECT_BYTES = 16;
/** A collection of the young generation leaves exact numbers; the others sweep on after they have reported. */
const EXACT_COLLECTION = 'Scavenge';

/** Heap sizes around one collection. */
export interface Collection {
  readonly gcType: string;
  readonly beforeGC: { readonly heapStatistics: { readonly usedHeapSize: number } };
  readonly afterGC: { readonly heapStatistics: { readonly usedHeapSize: number } };
}

/** What one reading saw. */
export interface AllocationReading {
  readonly bytes: number;
  /** No collection blurred it. */
  readonly exact: boolean;
}

/** Bytes that the work allocates, and what the reading itself allocates. */
export function readAllocation(work: () => void): AllocationReading {
  const profiler = new GCProfiler();
  profiler.start();
  const before = getHeapStatistics().used_heap_size;
  work();
  const after = getHeapStatistics().used_heap_size;
  return allocated(before, after, profiler.stop().statistics);
}

/** What was allocated between two readings of the used size with collections in between. */
export function allocated(
  before: number,
  after: number,
  collections: readonly Collection[],
): AllocationReading {
  let bytes = 0;
  let from = before;
  for (const { beforeGC, afterGC } of collections) {
    bytes += beforeGC.heapStatistics.usedHeapSize - from;
    from = afterGC.heapStatistics.usedHeapSize;
  }
  return {
    bytes: bytes + after - from,
    exact: collections.every(({ gcType }) => gcType === EXACT_COLLECTION),
  };
}

/**
 * Bytes that one round of the work allocates in a steady state. The caller has warmed the work up.
 *
 * @param rounds - does the work so many times
 * @param count - rounds of the shorter reading; the longer one takes twice as many
 * @returns 0 when it is less than any object takes
 */
export function bytesEachRound(rounds: (count: number) => void, count: number): number {
  const none = (count * SMALLEST_OBJECT_BYTES) / 2;
  const short = least(() => rounds(count), WINDOWS, -Infinity);
  const long = least(() => rounds(2 * count), ATTEMPTS, short + none);
  return long - short < none ? 0 : (long - short) / count;
}

/**
 * The least of the exact readings; of all, where there are none.
 *
 * @param wanted - how many exact ones are enough
 * @param enough - one below it is enough, too
 */
function least(work: () => void, wanted: number, enough: number): number {
  const exact: number[] = [];
  const blurred: number[] = [];
  while (exact.length < wanted && exact.length + blurred.length < ATTEMPTS) {
    const reading = readAllocation(work);
    (reading.exact ? exact : blurred).push(reading.bytes);
    if (reading.exact && reading.bytes < enough) break;
  }
  return Math.min(...(exact.length > 0 ? exact : blurred));
}

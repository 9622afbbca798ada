/**
 * How long a thread has a core at a time. A worker that is woken beside a busy program would wait for the end of that
 * one's slice, some milliseconds; the kernel prefers whose deadline is earliest, and who asks for short slices has
 * early deadlines. In all it gets no more of the core. The calling thread's.
 *
 * @see sched_setattr(2); Linux, Documentation/scheduler/sched-eevdf.rst
 */
import { arch } from 'node:os';
import { libc } from './libc.ts';
import { allocateNative } from './native-memory.ts';

/** What a worker asks for: some batches' time. */
export const WORKER_SLICE_US = 300;

const SCHED_SETATTR = arch() === 'x64' ? 314 : 274;
const SCHED_GETATTR = arch() === 'x64' ? 315 : 275;
/** struct sched_attr in its first version: size u32, policy u32, flags u64, nice i32, priority u32, runtime u64, … */
const ATTRIBUTES_BYTES = 48;
const POLICY_WORD = 1;
const RUNTIME_WORD = 6;
const SCHED_OTHER = 0;
const NS_PER_US = 1000;
const THIS_THREAD = 0;

/**
 * Asks for slices of `sliceUs` for the calling thread; its class and its niceness stay.
 *
 * @param sliceUs - 100 to 100,000, as the kernel bounds it
 * @returns false where the kernel refuses, knows no slices of a thread (before Linux 6.12), or the thread is of a class that has none
 */
export function requestSlice(sliceUs: number): boolean {
  const attributes = allocateNative(ATTRIBUTES_BYTES);
  const sliceNs = sliceUs * NS_PER_US;
  if (!readAttributes(attributes.address) || attributes.u32[POLICY_WORD] !== SCHED_OTHER) return false;
  attributes.u32[0] = ATTRIBUTES_BYTES;
  attributes.u32[RUNTIME_WORD] = sliceNs;
  attributes.u32[RUNTIME_WORD + 1] = 0;
  if (libc.syscall(SCHED_SETATTR, THIS_THREAD, attributes.address, 0, 0) !== 0) return false;
  // An older kernel takes the number and forgets it.
  return readAttributes(attributes.address) && attributes.u32[RUNTIME_WORD] === sliceNs;
}

function readAttributes(address: number): boolean {
  return libc.syscall(SCHED_GETATTR, THIS_THREAD, address, ATTRIBUTES_BYTES, 0) === 0;
}

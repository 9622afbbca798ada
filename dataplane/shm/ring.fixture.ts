/**
 * The producing thread of the ring's two-thread test: puts `count` messages whose payloads and checksums follow
 * from their numbers, spinning while the ring is full.
 */
import { workerData } from 'node:worker_threads';
import { emptyMessage, RingProducer } from './ring.ts';

/** What the test and this thread agree on. */
export interface RingFixtureStart {
  readonly buffer: SharedArrayBuffer;
  readonly count: number;
  readonly longestBytes: number;
}

/** Payload size of message `number`. */
export function payloadBytesOf(number: number, longestBytes: number): number {
  return (Math.imul(number, 0x9e3779b1) >>> 0) % (longestBytes + 1);
}

/** Byte `i` of message `number`. */
export function payloadByteOf(number: number, i: number): number {
  return (number * 31 + i * 7) & 0xff;
}

/** A sum over the payload that notices a lost, moved or torn byte. */
export function checksum(bytes: Uint8Array, offset: number, length: number): number {
  let sum = length;
  for (let i = 0; i < length; i++) sum = (Math.imul(sum, 31) + (bytes[offset + i] ?? 0)) >>> 0;
  return sum;
}

function produce(start: RingFixtureStart): void {
  const ring = new RingProducer(start.buffer, 0);
  const payload = new Uint8Array(start.longestBytes);
  const message = emptyMessage();
  for (let number = 0; number < start.count; number++) {
    const length = payloadBytesOf(number, start.longestBytes);
    for (let i = 0; i < length; i++) payload[i] = payloadByteOf(number, i);
    message.type = 1 + (number % 5);
    message.a = number;
    message.b = checksum(payload, 0, length);
    while (!ring.put(message, payload, 0, length));
  }
}

const start = workerData as RingFixtureStart | null;
if (start !== null && 'longestBytes' in start) produce(start);

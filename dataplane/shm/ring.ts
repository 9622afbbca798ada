/**
 * A ring of messages from one thread to one other, without a lock. One producer thread, one consumer thread; the
 * memory is a RingHeader and its data in a SharedArrayBuffer (a worker's arena).
 *
 *   head ──▶ ┌ message ┬ message ┬ … ┬ SKIP ┐ ◀── end of the data; a message never wraps
 *            └ u32 payload bytes │ type │ a … f │ payload, padded to 8
 *
 * `head` and `tail` count bytes modulo 2^32. The producer writes a message and then stores `tail`; the consumer
 * reads and then stores `head`; both by Atomics, so that a message is seen whole or not at all. A message that would
 * cross the end of the data is preceded by SKIP and starts at the beginning. Nothing is allocated on put or peek. A
 * full ring refuses and counts: it never blocks and never overwrites.
 */
import { invariant } from '../base/invariant.ts';
import { MESSAGE_HEADER_BYTES, MESSAGE_PAYLOAD_LIMIT_BYTES } from '../contract/ring-message.ts';
import { RingHeader } from './layout.ts';

/** In place of a payload size: the rest of the data up to its end is unused. */
const SKIP = 0xffff_ffff;
const ALIGNMENT = 8;
const NO_BYTES = new Uint8Array(0);

/** A message's fixed part; the sides keep one each and fill it anew, see contract/ring-message.ts. */
export interface RingMessage {
  type: number;
  a: number;
  b: number;
  c: number;
  d: number;
  e: number;
  f: number;
}

/** A message as the consumer sees it: the payload still lies in the ring. */
export interface PeekedMessage extends RingMessage {
  /** Byte offset of the payload in the ring's SharedArrayBuffer; valid until release. */
  payloadOffset: number;
  payloadBytes: number;
}

/** Makes a message with every field 0. */
export function emptyMessage(): PeekedMessage {
  return { type: 0, a: 0, b: 0, c: 0, d: 0, e: 0, f: 0, payloadOffset: 0, payloadBytes: 0 };
}

/** Views over one ring, common to both sides. */
class RingView {
  protected readonly bytes: Uint8Array;
  protected readonly u32: Uint32Array;
  protected readonly data: number;
  protected readonly capacity: number;
  protected readonly headWord: number;
  protected readonly tailWord: number;
  protected readonly refusedWord: number;

  constructor(buffer: SharedArrayBuffer, offset: number) {
    this.bytes = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.data = offset + RingHeader.size;
    this.headWord = (offset + RingHeader.at.head) >> 2;
    this.tailWord = (offset + RingHeader.at.tail) >> 2;
    this.refusedWord = (offset + RingHeader.at.refused) >> 2;
    this.capacity = this.u32[(offset + RingHeader.at.capacity) >> 2] ?? 0;
    invariant(
      this.capacity >= 64 && (this.capacity & (this.capacity - 1)) === 0,
      'a ring without a capacity',
    );
    invariant(this.data % ALIGNMENT === 0, 'a ring is misaligned');
  }

  /** Bytes in use, SKIP regions included; exact on neither side while the other one runs. */
  usedBytes(): number {
    return (Atomics.load(this.u32, this.tailWord) - Atomics.load(this.u32, this.headWord)) >>> 0;
  }
}

/** The producing side; one thread. */
export class RingProducer extends RingView {
  /** Bytes that are surely free now, message headers and padding included. */
  freeBytes(): number {
    return this.capacity - this.usedBytes();
  }

  /** Messages refused since the ring was made. */
  refused(): number {
    return this.u32[this.refusedWord] ?? 0;
  }

  /** Puts a message without a payload; as {@link RingProducer.put}. */
  putEmpty(message: Readonly<RingMessage>): boolean {
    return this.put(message, NO_BYTES, 0, 0);
  }

  /**
   * Puts a message.
   *
   * @param bytes - holds the payload at offset … offset + length; copied
   * @param length - at most MESSAGE_PAYLOAD_LIMIT_BYTES
   * @returns false when the ring is full: the message is refused and counted
   */
  put(message: Readonly<RingMessage>, bytes: Uint8Array, offset: number, length: number): boolean {
    invariant(length <= MESSAGE_PAYLOAD_LIMIT_BYTES, 'a ring message is too large');
    const { u32, capacity } = this;
    const size = messageBytes(length);
    let tail = u32[this.tailWord] ?? 0;
    const free = capacity - ((tail - Atomics.load(u32, this.headWord)) >>> 0);
    const toEnd = capacity - (tail & (capacity - 1));
    const skipped = size > toEnd ? toEnd : 0;
    if (skipped + size > free) {
      u32[this.refusedWord] = this.refused() + 1;
      return false;
    }
    if (skipped > 0) {
      u32[(this.data + (tail & (capacity - 1))) >> 2] = SKIP;
      tail = (tail + skipped) >>> 0;
    }
    this.#write(message, tail & (capacity - 1), length);
    const target = this.data + (tail & (capacity - 1)) + MESSAGE_HEADER_BYTES;
    copyBytes(this.bytes, target, bytes, offset, length);
    Atomics.store(u32, this.tailWord, (tail + size) >>> 0);
    return true;
  }

  #write(message: Readonly<RingMessage>, position: number, length: number): void {
    const { u32 } = this;
    const word = (this.data + position) >> 2;
    u32[word] = length;
    u32[word + 1] = message.type;
    u32[word + 2] = message.a;
    u32[word + 3] = message.b;
    u32[word + 4] = message.c;
    u32[word + 5] = message.d;
    u32[word + 6] = message.e;
    u32[word + 7] = message.f;
  }
}

/** The consuming side; one thread. */
export class RingConsumer extends RingView {
  #peekedBytes = 0;

  /** The ring's memory; payloads lie in it. */
  get memory(): Uint8Array {
    return this.bytes;
  }

  /**
   * Looks at the oldest message without taking it.
   *
   * @param message - filled in
   * @returns false when the ring is empty
   */
  peek(message: PeekedMessage): boolean {
    const { u32, capacity } = this;
    let head = u32[this.headWord] ?? 0;
    const tail = Atomics.load(u32, this.tailWord);
    if (head === tail) return false;
    let word = (this.data + (head & (capacity - 1))) >> 2;
    if (u32[word] === SKIP) {
      head = (head + capacity - (head & (capacity - 1))) >>> 0;
      Atomics.store(u32, this.headWord, head);
      if (head === tail) return false;
      word = this.data >> 2;
    }
    const length = u32[word] ?? 0;
    invariant(length <= MESSAGE_PAYLOAD_LIMIT_BYTES, 'a ring is damaged');
    message.type = u32[word + 1] ?? 0;
    message.a = u32[word + 2] ?? 0;
    message.b = u32[word + 3] ?? 0;
    message.c = u32[word + 4] ?? 0;
    message.d = u32[word + 5] ?? 0;
    message.e = u32[word + 6] ?? 0;
    message.f = u32[word + 7] ?? 0;
    message.payloadOffset = (word << 2) + MESSAGE_HEADER_BYTES;
    message.payloadBytes = length;
    this.#peekedBytes = messageBytes(length);
    return true;
  }

  /** Takes the message that the last peek showed; its payload is no longer valid. */
  release(): void {
    invariant(this.#peekedBytes > 0, 'release without a peek');
    const head = this.u32[this.headWord] ?? 0;
    Atomics.store(this.u32, this.headWord, (head + this.#peekedBytes) >>> 0);
    this.#peekedBytes = 0;
  }

  /**
   * Takes the oldest message and copies its payload out.
   *
   * @param message - filled in; its payloadOffset then is `offset`
   * @param into - takes the payload from `offset` on
   * @returns false when the ring is empty, or when the payload does not fit (the message stays)
   */
  take(message: PeekedMessage, into: Uint8Array, offset: number): boolean {
    if (!this.peek(message) || message.payloadBytes > into.length - offset) return false;
    copyBytes(into, offset, this.bytes, message.payloadOffset, message.payloadBytes);
    message.payloadOffset = offset;
    this.release();
    return true;
  }

  /** Throws away everything in the ring; for the supervisor, while the consuming thread is dead. */
  discard(): void {
    Atomics.store(this.u32, this.headWord, Atomics.load(this.u32, this.tailWord));
    this.#peekedBytes = 0;
  }
}

function messageBytes(payloadBytes: number): number {
  return MESSAGE_HEADER_BYTES + Math.ceil(payloadBytes / ALIGNMENT) * ALIGNMENT;
}

/** Short payloads are copied by a loop, since making a view for `set` costs more than they do. */
function copyBytes(
  target: Uint8Array,
  targetOffset: number,
  source: Uint8Array,
  offset: number,
  length: number,
): void {
  if (length <= 96) {
    for (let i = 0; i < length; i++) target[targetOffset + i] = source[offset + i] ?? 0;
  } else {
    target.set(source.subarray(offset, offset + length), targetOffset);
  }
}

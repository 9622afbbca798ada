/**
 * Link datagrams on a carrier stream: u16 little-endian size, then the datagram, many to a send.
 *
 * Main thread, pure. The writer copies each datagram once, into a batch of up to 64 KiB: a send costs 15–30 µs
 * whatever its size. Its queue of batches is bounded; beyond it datagrams are dropped, as on any full link.
 * The reader hands out datagrams in place; only one that the stream cut in two is put together in a buffer.
 */

const PREFIX_BYTES = 2;
export const CARRIER_BATCH_BYTES = 65_536;
/** A batch with less than this is copied out, so that single datagrams do not cost 64 KiB of memory each. */
const KEPT_BATCH_BYTES = 16_384;
/** Smallest link datagram, protocol.md section 3; a smaller one is broken framing. */
const DATAGRAM_MIN_BYTES = 64;
const DATAGRAM_MAX_BYTES = 0xffff;

export class CarrierWriter {
  readonly #queueMaxBytes: number;
  #batch: Uint8Array | undefined;
  #filledBytes = 0;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;

  constructor(queueMaxBytes: number) {
    this.#queueMaxBytes = queueMaxBytes;
  }

  /** @returns false when the queue is full, and the datagram was dropped */
  push(bytes: Uint8Array, offset: number, length: number): boolean {
    if (
      this.#queuedBytes + this.#filledBytes + PREFIX_BYTES + length > this.#queueMaxBytes ||
      length > DATAGRAM_MAX_BYTES
    ) {
      return false;
    }
    if (this.#filledBytes + PREFIX_BYTES + length > CARRIER_BATCH_BYTES) {
      this.#closeBatch();
    }
    // What is sent is never written again: the stream keeps it until it is on the wire.
    this.#batch ??= new Uint8Array(CARRIER_BATCH_BYTES + PREFIX_BYTES);
    const at = this.#filledBytes;
    this.#batch[at] = length & 0xff;
    this.#batch[at + 1] = length >>> 8;
    this.#batch.set(bytes.subarray(offset, offset + length), at + PREFIX_BYTES);
    this.#filledBytes = at + PREFIX_BYTES + length;
    return true;
  }

  /** @returns the next bytes to send, or undefined when there are none */
  take(): Uint8Array | undefined {
    if (this.#queue.length === 0) {
      this.#closeBatch();
    }
    const batch = this.#queue.shift();
    this.#queuedBytes -= batch?.length ?? 0;
    return batch;
  }

  #closeBatch(): void {
    if (this.#batch === undefined || this.#filledBytes === 0) {
      return;
    }
    if (this.#filledBytes < KEPT_BATCH_BYTES) {
      this.#queue.push(this.#batch.slice(0, this.#filledBytes));
    } else {
      this.#queue.push(this.#batch.subarray(0, this.#filledBytes));
      this.#batch = undefined;
    }
    this.#queuedBytes += this.#filledBytes;
    this.#filledBytes = 0;
  }
}

export class CarrierReader {
  readonly #partial = new Uint8Array(PREFIX_BYTES + DATAGRAM_MAX_BYTES);
  #partialBytes = 0;

  /**
   * Takes the next bytes of the stream.
   *
   * @param deliver - called for each datagram; the bytes are valid during the call only
   * @returns false when the stream breaks the framing and must be closed
   */
  push(chunk: Uint8Array, deliver: (bytes: Uint8Array, offset: number, length: number) => void): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partialBytes > 0 || chunk.length - at < PREFIX_BYTES) {
        const takenBytes = this.#takePartial(chunk, at, deliver);
        if (takenBytes < 0) {
          return false;
        }
        at += takenBytes;
        continue;
      }
      const length = (chunk[at] ?? 0) | ((chunk[at + 1] ?? 0) << 8);
      if (length < DATAGRAM_MIN_BYTES) {
        return false;
      }
      if (chunk.length - at < PREFIX_BYTES + length) {
        this.#partial.set(chunk.subarray(at));
        this.#partialBytes = chunk.length - at;
        return true;
      }
      deliver(chunk, at + PREFIX_BYTES, length);
      at += PREFIX_BYTES + length;
    }
    return true;
  }

  /** Fills the datagram that was cut. @returns the bytes taken, or -1 for broken framing */
  #takePartial(
    chunk: Uint8Array,
    at: number,
    deliver: (bytes: Uint8Array, offset: number, length: number) => void,
  ): number {
    const partial = this.#partial;
    let takenBytes = 0;
    while (this.#partialBytes < PREFIX_BYTES && at + takenBytes < chunk.length) {
      partial[this.#partialBytes++] = chunk[at + takenBytes++] ?? 0;
    }
    if (this.#partialBytes < PREFIX_BYTES) {
      return takenBytes;
    }
    const length = (partial[0] ?? 0) | ((partial[1] ?? 0) << 8);
    if (length < DATAGRAM_MIN_BYTES) {
      return -1;
    }
    const part = chunk.subarray(
      at + takenBytes,
      at + takenBytes + PREFIX_BYTES + length - this.#partialBytes,
    );
    partial.set(part, this.#partialBytes);
    this.#partialBytes += part.length;
    if (this.#partialBytes === PREFIX_BYTES + length) {
      this.#partialBytes = 0;
      deliver(partial, PREFIX_BYTES, length);
    }
    return takenBytes + part.length;
  }
}

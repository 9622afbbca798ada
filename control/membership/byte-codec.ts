/**
 * Reads and writes little-endian fields one after the other.
 *
 * The reader never throws: past the end it yields zeros and remembers that it failed, so that a decoder
 * asks once, at its end. The writer throws, since what it writes is our own.
 *
 * Main thread only.
 */

const SAFE_HIGH = 2 ** 21;
const TWO_32 = 2 ** 32;

/** A cursor over received bytes. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Bytes that are not yet read; 0 after a failure. */
  left(): number {
    return this.#failed ? 0 : this.#bytes.length - this.#offset;
  }

  /** Whether all was read, nothing past the end was asked for, and no number was too large. */
  finished(): boolean {
    return !this.#failed && this.#offset === this.#bytes.length;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#view.getUint8(at);
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getUint16(at, true);
  }

  u24(): number {
    const at = this.#take(3);
    return at < 0 ? 0 : this.#view.getUint16(at, true) | (this.#view.getUint8(at + 2) << 16);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at, true);
  }

  u48(): number {
    const at = this.#take(6);
    return at < 0 ? 0 : this.#view.getUint32(at, true) + this.#view.getUint16(at + 4, true) * TWO_32;
  }

  /** Fails at 2^53 and above: no counter or time of ours gets there. */
  u64(): number {
    const at = this.#take(8);
    if (at < 0) {
      return 0;
    }
    const high = this.#view.getUint32(at + 4, true);
    if (high >= SAFE_HIGH) {
      this.#failed = true;
      return 0;
    }
    return this.#view.getUint32(at, true) + high * TWO_32;
  }

  /** A copy of the next bytes. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return at < 0 ? new Uint8Array(count) : this.#bytes.slice(at, at + count);
  }

  #take(count: number): number {
    if (this.#failed || this.#offset + count > this.#bytes.length) {
      this.#failed = true;
      return -1;
    }
    const at = this.#offset;
    this.#offset += count;
    return at;
  }
}

/** A cursor over bytes of our own making. */
export class ByteWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  /** @param capacity - most bytes that will be written */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What has been written so far, as a view. */
  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#offset);
  }

  u8(value: number): void {
    this.#view.setUint8(this.#take(1), value);
  }

  u16(value: number): void {
    this.#view.setUint16(this.#take(2), value, true);
  }

  u24(value: number): void {
    const at = this.#take(3);
    this.#view.setUint16(at, value & 0xffff, true);
    this.#view.setUint8(at + 2, value >>> 16);
  }

  u32(value: number): void {
    this.#view.setUint32(this.#take(4), value, true);
  }

  u48(value: number): void {
    const at = this.#take(6);
    this.#view.setUint32(at, value >>> 0, true);
    this.#view.setUint16(at + 4, Math.floor(value / TWO_32), true);
  }

  u64(value: number): void {
    const at = this.#take(8);
    this.#view.setUint32(at, value >>> 0, true);
    this.#view.setUint32(at + 4, Math.floor(value / TWO_32), true);
  }

  /** @param size - the size that the field has; another one is a bug */
  bytes(value: Uint8Array, size: number): void {
    if (value.length !== size) {
      throw new RangeError(`a field of ${size} bytes got ${value.length}`);
    }
    this.#bytes.set(value, this.#take(size));
  }

  #take(count: number): number {
    const at = this.#offset;
    if (at + count > this.#bytes.length) {
      throw new RangeError(`a message of more than ${this.#bytes.length} bytes`);
    }
    this.#offset += count;
    return at;
  }
}

/** A number as a field of its own, 4 bytes: for what is hashed, or joined from parts. */
export function u32Bytes(value: number): Uint8Array {
  const writer = new ByteWriter(4);
  writer.u32(value);
  return writer.done();
}

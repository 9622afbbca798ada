/**
 * Memory that the kernel reads and writes: typed views whose address is known, so that system calls take plain
 * numbers, or on the frame path BigInts, which a call does not box anew (shm/pointer-cache.ts). Any thread. The buffer
 * lies outside V8's heap and never moves; it lives as long as this object.
 */
import koffi from 'koffi';
import { invariant } from '../base/invariant.ts';

const TWO_32 = 0x1_0000_0000;

/** Views over one block of memory at a known address. */
export interface NativeMemory {
  readonly bytes: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  /** Address of byte 0; user addresses are below 2^47 and so are exact numbers. */
  readonly address: number;
  /** The same, as an object that is made once. */
  readonly pointer: bigint;
}

/** Allocates zeroed memory. */
export function allocateNative(sizeBytes: number): NativeMemory {
  return nativeViews(new SharedArrayBuffer(Math.ceil(sizeBytes / 8) * 8));
}

/** Views of a buffer that exists, such as a worker's arena. */
export function nativeViews(buffer: SharedArrayBuffer): NativeMemory {
  const bytes = new Uint8Array(buffer);
  const address = Number(koffi.address(bytes));
  invariant(Number.isSafeInteger(address) && address > 0, 'memory has no usable address');
  return {
    bytes,
    u16: new Uint16Array(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    address,
    pointer: BigInt(address),
  };
}

/**
 * Writes a pointer or a size_t as a 64-bit little-endian word.
 *
 * @param at - byte offset in `memory`, a multiple of 8
 * @param value - below 2^53
 */
export function writeWord64(memory: NativeMemory, at: number, value: number): void {
  memory.u32[at >> 2] = value >>> 0;
  memory.u32[(at >> 2) + 1] = (value / TWO_32) >>> 0;
}

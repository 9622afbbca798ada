/**
 * BLAKE3 as the protocol uses it: plain, keyed, and as a key derivation with a context string.
 *
 * Inputs here are tens of bytes, for which the JavaScript version costs some microseconds.
 * Main thread only; never on the frame path.
 *
 * @see BLAKE3 paper §2 (modes)
 */
import { blake3 } from '@noble/hashes/blake3.js';

const encoder = new TextEncoder();

/** BLAKE3-128: the first 16 bytes of the plain hash. */
export function hash128(...parts: readonly Uint8Array[]): Uint8Array {
  return digest({ dkLen: 16 }, parts);
}

/**
 * Keyed BLAKE3.
 *
 * @param key - 32 bytes
 * @param parts - hashed one after the other, without separators: the caller's layout must be unambiguous
 * @returns 32 bytes
 */
export function keyedHash(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return digest({ key }, parts);
}

/**
 * BLAKE3's key derivation mode.
 *
 * @param context - a constant of the program, unique to this use
 * @param material - the secret or identifying input
 * @returns 32 bytes
 */
export function deriveKey(context: string, ...material: readonly Uint8Array[]): Uint8Array {
  return digest({ context: encoder.encode(context) }, material);
}

function digest(
  options: { dkLen?: number; key?: Uint8Array; context?: Uint8Array },
  parts: readonly Uint8Array[],
): Uint8Array {
  const state = blake3.create(options);
  for (const part of parts) {
    state.update(part);
  }
  return Uint8Array.from(state.digest());
}

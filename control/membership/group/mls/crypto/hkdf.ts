/**
 * HKDF by node:crypto's HMAC, in its two steps: MLS and HPKE label each step by themselves.
 *
 * node:crypto answers at once where WebCrypto goes through its thread pool for each of the thousands of calls that a
 * group of some hundred members takes. Any thread; pure functions.
 *
 * @see RFC 5869 §2
 */
import { createHmac } from 'node:crypto';

/** Hashes of the groups' suites, as node:crypto calls them. */
export type HashName = 'sha256' | 'sha512';

/** Bytes of each hash. */
export const HASH_BYTES: Readonly<Record<HashName, number>> = { sha256: 32, sha512: 64 };

const EXPAND_ROUNDS_MAX = 255;

/** HKDF-Extract. @returns one hash */
export function hkdfExtract(hash: HashName, salt: Uint8Array, material: Uint8Array): Uint8Array {
  return hmac(hash, salt, material);
}

/**
 * HKDF-Expand.
 *
 * @param lengthBytes - at most 255 hashes
 * @throws RangeError for more (a bug of the caller)
 */
export function hkdfExpand(
  hash: HashName,
  key: Uint8Array,
  info: Uint8Array,
  lengthBytes: number,
): Uint8Array {
  if (lengthBytes > EXPAND_ROUNDS_MAX * HASH_BYTES[hash]) {
    throw new RangeError(`HKDF yields at most ${EXPAND_ROUNDS_MAX} hashes, asked for ${lengthBytes} bytes`);
  }
  const output = new Uint8Array(lengthBytes);
  let block: Uint8Array = new Uint8Array(0);
  for (let filled = 0, round = 1; filled < lengthBytes; round++) {
    block = hmac(hash, key, block, info, Uint8Array.of(round));
    output.set(block.subarray(0, lengthBytes - filled), filled);
    filled += block.length;
  }
  return output;
}

/** HMAC over parts, one after the other. */
export function hmac(hash: HashName, key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const state = createHmac(hash, key);
  for (const part of parts) state.update(part);
  return new Uint8Array(state.digest());
}

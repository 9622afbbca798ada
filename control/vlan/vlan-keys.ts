/**
 * A VLAN's own key pair: whoever holds it owns the VLAN; the id that everybody else knows is its hash.
 *
 * Main thread only. The seed leaves this module only towards the state file.
 *
 * @see docs/protocol.md, "Names"
 */

import { hash128 } from './hash.ts';
import { privateKeyFromRaw, RAW_KEY_BYTES, rawPublicKey } from './raw-keys.ts';

/** An Ed25519 key pair of a VLAN, and the id that follows from it. */
export interface VlanKeys {
  /** 16 bytes: BLAKE3-128 of the public key. */
  readonly id: Uint8Array;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes; secret. */
  readonly seed: Uint8Array;
}

/**
 * Makes the keys of a VLAN from a seed.
 *
 * @param seed - 32 secret random bytes, or those that the state file kept
 * @throws RangeError when the seed has another size
 */
export function vlanKeysFromSeed(seed: Uint8Array): VlanKeys {
  if (seed.length !== RAW_KEY_BYTES) {
    throw new RangeError(`a VLAN seed has ${RAW_KEY_BYTES} bytes, got ${seed.length}`);
  }
  const publicKey = rawPublicKey(privateKeyFromRaw('ed25519', seed));
  return { id: hash128(publicKey), publicKey, seed: Uint8Array.from(seed) };
}

/**
 * Key exchange for simulations: seeded, so that a run replays byte for byte, and with no secrecy at all.
 *
 * Both ends compute the same hash over what both have seen; the shapes and sizes are the real ones.
 * handshake.test.ts and the trunk's loopback test drive the real exchange.
 */
import { sha512 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import type { TrunkCrypto } from '../../control/trunk/handshake.ts';
import type { Simulation } from './simulation.ts';

const ML_KEM_PUBLIC_KEY_BYTES = 1_184;
const ML_KEM_CIPHERTEXT_BYTES = 1_088;

export function createSimCrypto(simulation: Simulation): TrunkCrypto {
  const wide = (size: number): Uint8Array => {
    const bytes = new Uint8Array(size);
    bytes.set(simulation.bytes(32));
    return bytes;
  };
  return {
    randomBytes: (sizeBytes) => simulation.bytes(sizeBytes),
    startExchange() {
      const own = simulation.bytes(32);
      return {
        x25519PublicKey: own,
        mlKemPublicKey: wide(ML_KEM_PUBLIC_KEY_BYTES),
        finish: (theirs, ciphertext) => sha512(concatBytes(own, theirs, ciphertext)),
      };
    },
    answerExchange(theirs) {
      const own = simulation.bytes(32);
      const ciphertext = wide(ML_KEM_CIPHERTEXT_BYTES);
      return {
        x25519PublicKey: own,
        mlKemCiphertext: ciphertext,
        sharedSecret: sha512(concatBytes(theirs, own, ciphertext)),
      };
    },
  };
}

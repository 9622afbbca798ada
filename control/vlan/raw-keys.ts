/**
 * Raw 32-byte Ed25519 and X25519 keys as Node's key objects, and back.
 *
 * The wire and the disk carry raw keys; node:crypto wants DER. The prefixes are the fixed parts of the
 * DER forms, so no ASN.1 is parsed here.
 *
 * Main thread only. Must never keep or log a private key.
 *
 * @see RFC 8410 §4 (public keys), §7 (private keys)
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** Size of a raw Ed25519 seed, of an X25519 scalar, and of either public key. */
export const RAW_KEY_BYTES = 32;

/** The curves whose raw keys are carried. */
export type RawKeyCurve = 'ed25519' | 'x25519';

const PRIVATE_PREFIX = {
  ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  x25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
} as const;

const PUBLIC_PREFIX = {
  ed25519: Buffer.from('302a300506032b6570032100', 'hex'),
  x25519: Buffer.from('302a300506032b656e032100', 'hex'),
} as const;

/**
 * Makes a private key object.
 *
 * @param curve - which curve the bytes are for
 * @param seed - 32 bytes: an Ed25519 seed or an X25519 scalar
 * @throws RangeError when the seed has another size (a bug of the caller)
 */
export function privateKeyFromRaw(curve: RawKeyCurve, seed: Uint8Array): KeyObject {
  requireSize(seed);
  const der = Buffer.concat([PRIVATE_PREFIX[curve], seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return key;
}

/**
 * Makes a public key object.
 *
 * @param curve - which curve the bytes are for
 * @param raw - 32 bytes; whether they are a point of the curve shows when the key is used
 * @throws RangeError when the key has another size (a bug of the caller)
 */
export function publicKeyFromRaw(curve: RawKeyCurve, raw: Uint8Array): KeyObject {
  requireSize(raw);
  const der = Buffer.concat([PUBLIC_PREFIX[curve], raw]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}

/** The 32 raw bytes of the public key that belongs to a private or public key object. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const der = publicKey.export({ format: 'der', type: 'spki' });
  return Uint8Array.from(der.subarray(der.length - RAW_KEY_BYTES));
}

function requireSize(raw: Uint8Array): void {
  if (raw.length !== RAW_KEY_BYTES) {
    throw new RangeError(`a raw key has ${RAW_KEY_BYTES} bytes, got ${raw.length}`);
  }
}

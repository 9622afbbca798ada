/**
 * The exchange of a trunk handshake: X25519 and ML-KEM-768 side by side, by node:crypto.
 *
 * Main thread. node:crypto's ML-KEM was measured against noble's post-quantum library on the project's machine: keys
 * 79 against 481 µs, encapsulate 44 against 641 µs, decapsulate 66 against 802 µs; so an exchange costs about
 * 0.3 ms and needs no task pool. It needs Node 24.7 or later. Keys of an exchange are used once.
 * Bytes from a peer never make it throw: a key that cannot be used yields `undefined`.
 */
import {
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

/** DER of SubjectPublicKeyInfo up to the key: RFC 8410 §4 (X25519), RFC 9935 §4 (ML-KEM-768). */
const X25519_SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');
const ML_KEM_SPKI_PREFIX = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex');

/** The initiator's half, from Hello to HelloReply. */
export interface StartedExchange {
  readonly x25519PublicKey: Uint8Array;
  readonly mlKemPublicKey: Uint8Array;
  /** @returns 64 bytes, X25519 ‖ ML-KEM-768; undefined when the peer's X25519 key is of low order */
  finish(x25519PublicKey: Uint8Array, mlKemCiphertext: Uint8Array): Uint8Array | undefined;
}

/** The responder's whole part. */
export interface AnsweredExchange {
  readonly x25519PublicKey: Uint8Array;
  readonly mlKemCiphertext: Uint8Array;
  readonly sharedSecret: Uint8Array;
}

/** Randomness and key exchange for the trunk machine, which has neither of its own. */
export interface TrunkCrypto {
  randomBytes(sizeBytes: number): Uint8Array;
  startExchange(): StartedExchange;
  /** @returns undefined when one of the peer's keys cannot be used */
  answerExchange(x25519PublicKey: Uint8Array, mlKemPublicKey: Uint8Array): AnsweredExchange | undefined;
}

/** @returns the exchange by node:crypto, with fresh keys on every call */
export function createTrunkCrypto(): TrunkCrypto {
  return {
    randomBytes: (sizeBytes) => new Uint8Array(randomBytes(sizeBytes)),
    startExchange,
    answerExchange,
  };
}

function startExchange(): StartedExchange {
  const x25519 = generateKeyPairSync('x25519');
  const mlKem = generateKeyPairSync('ml-kem-768');
  return {
    x25519PublicKey: rawPublicKey(x25519.publicKey, X25519_SPKI_PREFIX),
    mlKemPublicKey: rawPublicKey(mlKem.publicKey, ML_KEM_SPKI_PREFIX),
    finish(theirX25519, mlKemCiphertext) {
      try {
        const agreed = agree(x25519.privateKey, theirX25519);
        const encapsulated = decapsulate(mlKem.privateKey, mlKemCiphertext);
        return agreed === undefined ? undefined : join(agreed, encapsulated);
      } catch {
        return undefined;
      }
    },
  };
}

function answerExchange(theirX25519: Uint8Array, theirMlKem: Uint8Array): AnsweredExchange | undefined {
  try {
    const x25519 = generateKeyPairSync('x25519');
    const agreed = agree(x25519.privateKey, theirX25519);
    // FIPS 203 §7.2: the import checks the encapsulation key's modulus, and throws.
    const { sharedKey, ciphertext } = encapsulate(publicKey(ML_KEM_SPKI_PREFIX, theirMlKem));
    if (agreed === undefined) {
      return undefined;
    }
    return {
      x25519PublicKey: rawPublicKey(x25519.publicKey, X25519_SPKI_PREFIX),
      mlKemCiphertext: new Uint8Array(ciphertext),
      sharedSecret: join(agreed, sharedKey),
    };
  } catch {
    return undefined;
  }
}

/** RFC 7748 §6.1: an all-zero result, of a low-order point, is refused (OpenSSL throws; checked here as well). */
function agree(privateKey: KeyObject, theirPublicKey: Uint8Array): Uint8Array | undefined {
  const agreed = diffieHellman({ privateKey, publicKey: publicKey(X25519_SPKI_PREFIX, theirPublicKey) });
  return agreed.every((byte) => byte === 0) ? undefined : agreed;
}

function publicKey(prefix: Uint8Array, raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' });
}

function rawPublicKey(key: KeyObject, prefix: Uint8Array): Uint8Array {
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(prefix.length));
}

function join(left: Uint8Array, right: Uint8Array): Uint8Array {
  const joined = new Uint8Array(left.length + right.length);
  joined.set(left);
  joined.set(right, left.length);
  return joined;
}

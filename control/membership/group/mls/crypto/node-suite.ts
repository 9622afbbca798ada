/**
 * Owns ts-mls's cipher suites by node:crypto: the same bytes as its own, without WebCrypto's trip through the thread
 * pool for each hash and without JavaScript's lattices.
 *
 * ts-mls asks for promises, so everything here is async and answers at once. Any thread. Refuses by rejecting, as
 * ts-mls expects.
 *
 * @see docs/adr/0012-quadratic-group-join.md
 */
import { hash, randomBytes, sign, timingSafeEqual, verify } from 'node:crypto';
import type { CiphersuiteImpl } from 'ts-mls';
import type { Hash } from 'ts-mls/crypto/hash.js';
import type { Hpke, PrivateKey, PublicKey } from 'ts-mls/crypto/hpke.js';
import type { Kdf } from 'ts-mls/crypto/kdf.js';
import type { Signature } from 'ts-mls/crypto/signature.js';
import { privateKeyFromRaw, publicKeyFromRaw, rawPublicKey } from '../../../../vlan/raw-keys.ts';
import { type GroupSuite, MLS_SUITES } from '../suites.ts';
import { HASH_BYTES, type HashName, hkdfExpand, hkdfExtract, hmac } from './hkdf.ts';
import {
  aeadKeyBytes,
  aeadOpen,
  aeadSeal,
  type HpkeParts,
  hpkeOpen,
  hpkeReceiveExport,
  hpkeSeal,
  hpkeSendExport,
  NONCE_BYTES,
} from './hpke.ts';
import { freshPrivateKey, type KemPrivateKey, type KemPublicKey, X_WING_KEM, X25519_KEM } from './kem.ts';

const EMPTY = new Uint8Array(0);

const PARTS: Readonly<Record<GroupSuite, HpkeParts>> = {
  'x-wing': { kem: X_WING_KEM, hash: 'sha512', aead: 'aes-256-gcm' },
  x25519: { kem: X25519_KEM, hash: 'sha256', aead: 'aes-128-gcm' },
};

const made = new Map<GroupSuite, CiphersuiteImpl>();

/** The suite, made once a thread. */
export function nodeSuite(suite: GroupSuite): CiphersuiteImpl {
  const known = made.get(suite);
  if (known !== undefined) return known;
  const parts = PARTS[suite];
  const implementation: CiphersuiteImpl = {
    name: MLS_SUITES[suite],
    hash: hashOf(parts.hash),
    kdf: kdfOf(parts.hash),
    hpke: hpkeOf(parts),
    signature: ED25519,
    rng: { randomBytes: (count) => new Uint8Array(randomBytes(count)) },
  };
  made.set(suite, implementation);
  return implementation;
}

function hashOf(name: HashName): Hash {
  return {
    digest: (data) => answer(() => new Uint8Array(hash(name, data, 'buffer'))),
    mac: (key, data) => answer(() => hmac(name, key, data)),
    verifyMac: (key, mac, data) =>
      answer(() => mac.length === HASH_BYTES[name] && timingSafeEqual(mac, hmac(name, key, data))),
  };
}

function kdfOf(name: HashName): Kdf {
  return {
    extract: (salt, material) => answer(() => hkdfExtract(name, salt, material)),
    expand: (key, info, length) => answer(() => hkdfExpand(name, key, info, length)),
    size: HASH_BYTES[name],
  };
}

const ED25519: Signature = {
  sign: (seed, message) =>
    answer(() => new Uint8Array(sign(null, message, privateKeyFromRaw('ed25519', seed)))),
  verify: (publicKey, message, signature) =>
    answer(() => verify(null, message, publicKeyFromRaw('ed25519', publicKey), signature)),
  keygen: () =>
    answer(() => {
      const signKey = new Uint8Array(randomBytes(32));
      return { signKey, publicKey: rawPublicKey(privateKeyFromRaw('ed25519', signKey)) };
    }),
};

function hpkeOf(parts: HpkeParts): Hpke {
  const pair = (raw: Uint8Array): { privateKey: PrivateKey; publicKey: PublicKey } => {
    const privateKey = parts.kem.privateKey(raw);
    return {
      privateKey: hidden(privateKey),
      publicKey: hidden({ type: 'public', raw: privateKey.publicRaw }),
    };
  };
  return {
    seal: (key, plaintext, info, aad) =>
      answer(() => hpkeSeal(parts, publicOf(key), info, { plaintext, aad: aad ?? EMPTY })),
    open: (key, enc, ct, info, aad) =>
      answer(() => hpkeOpen(parts, privateOf(key), info, { ct, enc, aad: aad ?? EMPTY })),
    exportSecret: (key, context, length) =>
      answer(() => hpkeSendExport(parts, publicOf(key), context, length)),
    importSecret: (key, context, enc, length) =>
      answer(() => hpkeReceiveExport(parts, privateOf(key), { enc, context }, length)),
    importPrivateKey: (raw) => answer(() => pair(ofSize(raw, parts.kem.privateKeyBytes)).privateKey),
    importPublicKey: (raw) =>
      answer(() => hidden({ type: 'public', raw: ofSize(raw, parts.kem.publicKeyBytes) })),
    exportPublicKey: (key) => answer(() => publicOf(key).raw),
    exportPrivateKey: (key) => answer(() => privateOf(key).raw),
    encryptAead: (key, nonce, aad, plaintext) =>
      answer(() => aeadSeal(parts, key, nonce, { plaintext, aad: aad ?? EMPTY })),
    decryptAead: (key, nonce, aad, ciphertext) =>
      answer(() => aeadOpen(parts, key, nonce, { ciphertext, aad: aad ?? EMPTY })),
    deriveKeyPair: (material) => answer(() => pair(parts.kem.derive(material))),
    generateKeyPair: () => answer(() => pair(freshPrivateKey(parts.kem))),
    keyLength: aeadKeyBytes(parts),
    nonceLength: NONCE_BYTES,
  };
}

/** ts-mls passes keys through without looking inside, and calls their type that of WebCrypto. */
function hidden(key: KemPrivateKey): PrivateKey;
function hidden(key: KemPublicKey): PublicKey;
function hidden(key: KemPublicKey | KemPrivateKey): PublicKey | PrivateKey {
  return key as object as PublicKey | PrivateKey;
}

function publicOf(key: PublicKey): KemPublicKey {
  return key as object as KemPublicKey;
}

function privateOf(key: PrivateKey): KemPrivateKey {
  return key as object as KemPrivateKey;
}

function ofSize(raw: Uint8Array, size: number): Uint8Array {
  if (raw.length !== size) throw new RangeError(`a key has ${size} bytes, got ${raw.length}`);
  return raw;
}

/** What a function returns or throws, as a promise. */
// eslint-disable-next-line @typescript-eslint/require-await -- what it throws becomes a rejection
async function answer<T>(compute: () => T): Promise<T> {
  return compute();
}

/** The public half of a raw private key. @throws RangeError for bytes that are none */
export function publicHalf(suite: GroupSuite, rawPrivateKey: Uint8Array): Uint8Array {
  const { kem } = PARTS[suite];
  return kem.privateKey(ofSize(rawPrivateKey, kem.privateKeyBytes)).publicRaw;
}

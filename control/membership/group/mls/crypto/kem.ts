/**
 * The key encapsulations under HPKE: X25519 with HKDF, and X-Wing (X25519 and ML-KEM-768), by node:crypto.
 *
 * The JavaScript versions in the packages that ts-mls names give the same bytes at ten to twenty times the price; a
 * commit in a group of 200 encapsulates up to 200 times. Keys are kept in their raw form, with Node's key objects made
 * on first use. Any thread. A peer's unusable key or ciphertext throws: callers turn that into a refusal.
 *
 * @see RFC 9180 §4.1 (DHKEM); draft-connolly-cfrg-xwing-kem-06 §5
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  hash,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { privateKeyFromRaw, publicKeyFromRaw, rawPublicKey } from '../../../../vlan/raw-keys.ts';
import { hkdfExpand, hkdfExtract } from './hkdf.ts';
import { concat, labeled, text } from './labels.ts';

/** A public key of a KEM. */
export interface KemPublicKey {
  readonly type: 'public';
  readonly raw: Uint8Array;
}

/** A private key of a KEM, with its public half. Secret. */
export interface KemPrivateKey {
  readonly type: 'private';
  readonly raw: Uint8Array;
  readonly publicRaw: Uint8Array;
}

/** A KEM as HPKE takes it. */
export interface Kem {
  /** IANA's number. */
  readonly id: number;
  readonly publicKeyBytes: number;
  readonly privateKeyBytes: number;
  readonly encBytes: number;
  /** The pair that belongs to raw private key bytes. */
  privateKey(raw: Uint8Array): KemPrivateKey;
  /** Raw private key bytes out of input key material. */
  derive(material: Uint8Array): Uint8Array;
  encapsulate(publicKey: KemPublicKey): { readonly secret: Uint8Array; readonly enc: Uint8Array };
  decapsulate(privateKey: KemPrivateKey, enc: Uint8Array): Uint8Array;
}

const EMPTY = new Uint8Array(0);
const CURVE_BYTES = 32;

/** DHKEM(X25519, HKDF-SHA256), 0x0020. */
export const X25519_KEM: Kem = {
  id: 0x0020,
  publicKeyBytes: CURVE_BYTES,
  privateKeyBytes: CURVE_BYTES,
  encBytes: CURVE_BYTES,
  privateKey(raw) {
    return { type: 'private', raw, publicRaw: rawPublicKey(privateKeyFromRaw('x25519', raw)) };
  },
  derive(material) {
    const key = hkdfExtract('sha256', EMPTY, labeled(DHKEM_SUITE, 'dkp_prk', material));
    return dhExpand(key, 'sk', EMPTY);
  },
  encapsulate({ raw }) {
    const { privateKey } = generateKeyPairSync('x25519');
    const enc = rawPublicKey(privateKey);
    return { secret: dhSecret(agree(privateKey, raw), enc, raw), enc };
  },
  decapsulate({ raw, publicRaw }, enc) {
    return dhSecret(agree(privateKeyFromRaw('x25519', raw), enc), enc, publicRaw);
  },
};

const DHKEM_SUITE = Uint8Array.of(...text('KEM'), 0x00, 0x20);

function dhSecret(shared: Uint8Array, enc: Uint8Array, recipient: Uint8Array): Uint8Array {
  const key = hkdfExtract('sha256', EMPTY, labeled(DHKEM_SUITE, 'eae_prk', shared));
  return dhExpand(key, 'shared_secret', concat(enc, recipient));
}

function dhExpand(key: Uint8Array, label: string, info: Uint8Array): Uint8Array {
  const length = Uint8Array.of(0, CURVE_BYTES);
  return hkdfExpand('sha256', key, concat(length, labeled(DHKEM_SUITE, label, info)), CURVE_BYTES);
}

/** An all-zero result, of a point of low order, throws (RFC 9180 §7.1.4). */
function agree(privateKey: KeyObject, theirs: Uint8Array): Uint8Array {
  const shared = diffieHellman({ privateKey, publicKey: publicKeyFromRaw('x25519', theirs) });
  if (shared.every((byte) => byte === 0)) throw new RangeError('an X25519 key of low order');
  return shared;
}

/** RFC 9935 §4 and §6: DER up to the raw key, of ML-KEM-768's public key and 64-byte seed. */
const ML_KEM_PUBLIC_PREFIX = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex');
const ML_KEM_SEED_PREFIX = Buffer.from('3054020100300b060960864801650304040204428040', 'hex');
const ML_KEM_SEED_BYTES = 64;
const ML_KEM_PUBLIC_BYTES = 1184;
const ML_KEM_CIPHERTEXT_BYTES = 1088;
const X_WING_LABEL = text('\\.//^\\');

/** X-Wing, 0x647a. A private key is a seed of 32 bytes. */
export const X_WING_KEM: Kem = {
  id: 0x647a,
  publicKeyBytes: ML_KEM_PUBLIC_BYTES + CURVE_BYTES,
  privateKeyBytes: 32,
  encBytes: ML_KEM_CIPHERTEXT_BYTES + CURVE_BYTES,
  privateKey(raw) {
    const { lattice, curve } = expandSeed(raw);
    const publicLattice = createPublicKey(lattice).export({ format: 'der', type: 'spki' });
    const publicRaw = concat(publicLattice.subarray(ML_KEM_PUBLIC_PREFIX.length), rawPublicKey(curve));
    return { type: 'private', raw, publicRaw };
  },
  derive(material) {
    return shake256(material, 32);
  },
  encapsulate({ raw }) {
    const theirCurve = raw.subarray(ML_KEM_PUBLIC_BYTES);
    const { privateKey } = generateKeyPairSync('x25519');
    const curveEnc = rawPublicKey(privateKey);
    // FIPS 203 §7.2: the import checks the key's modulus, and throws.
    const { sharedKey, ciphertext } = encapsulate(latticePublicKey(raw.subarray(0, ML_KEM_PUBLIC_BYTES)));
    const secret = combine(sharedKey, agree(privateKey, theirCurve), curveEnc, theirCurve);
    return { secret, enc: concat(ciphertext, curveEnc) };
  },
  decapsulate({ raw, publicRaw }, enc) {
    const { lattice, curve } = expandSeed(raw);
    const curveEnc = enc.subarray(ML_KEM_CIPHERTEXT_BYTES);
    const sharedKey = decapsulate(lattice, enc.subarray(0, ML_KEM_CIPHERTEXT_BYTES));
    return combine(sharedKey, agree(curve, curveEnc), curveEnc, publicRaw.subarray(ML_KEM_PUBLIC_BYTES));
  },
};

/** Fresh raw private key bytes. */
export function freshPrivateKey(kem: Kem): Uint8Array {
  return new Uint8Array(randomBytes(kem.privateKeyBytes));
}

function expandSeed(seed: Uint8Array): { readonly lattice: KeyObject; readonly curve: KeyObject } {
  const expanded = shake256(seed, ML_KEM_SEED_BYTES + CURVE_BYTES);
  const der = concat(ML_KEM_SEED_PREFIX, expanded.subarray(0, ML_KEM_SEED_BYTES));
  const lattice = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' });
  return { lattice, curve: privateKeyFromRaw('x25519', expanded.subarray(ML_KEM_SEED_BYTES)) };
}

function latticePublicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([ML_KEM_PUBLIC_PREFIX, raw]), format: 'der', type: 'spki' });
}

/** SHA3-256(ss_M ‖ ss_X ‖ ct_X ‖ pk_X ‖ label). */
function combine(
  lattice: Uint8Array,
  curve: Uint8Array,
  curveEnc: Uint8Array,
  curveKey: Uint8Array,
): Uint8Array {
  const all = concat(lattice, curve, curveEnc, curveKey, X_WING_LABEL);
  return new Uint8Array(hash('sha3-256', all, 'buffer'));
}

function shake256(input: Uint8Array, lengthBytes: number): Uint8Array {
  return new Uint8Array(createHash('shake256', { outputLength: lengthBytes }).update(input).digest());
}

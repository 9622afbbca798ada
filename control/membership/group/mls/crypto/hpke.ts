/**
 * HPKE in base mode, one message a key: what MLS uses of it, over a KEM and node:crypto's AES-GCM.
 *
 * Any thread; pure but for the KEM's and the generator's random bytes. What a peer sent and cannot be opened throws;
 * callers turn that into a refusal.
 *
 * @see RFC 9180 §5.1.1 (base), §5.3 (export), §6.1 (single-shot)
 */
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { HASH_BYTES, type HashName, hkdfExpand, hkdfExtract } from './hkdf.ts';
import type { Kem, KemPrivateKey, KemPublicKey } from './kem.ts';
import { concat, labeled, text } from './labels.ts';

/** What an HPKE suite is made of. */
export interface HpkeParts {
  readonly kem: Kem;
  readonly hash: HashName;
  readonly aead: 'aes-128-gcm' | 'aes-256-gcm';
}

/** A sealed message and what its key came in. */
export interface HpkeCiphertext {
  readonly ct: Uint8Array;
  readonly enc: Uint8Array;
}

export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const EMPTY = new Uint8Array(0);
const BASE_MODE = Uint8Array.of(0);
const KDF_IDS: Readonly<Record<HashName, number>> = { sha256: 1, sha512: 3 };
const AEADS = { 'aes-128-gcm': { id: 1, keyBytes: 16 }, 'aes-256-gcm': { id: 2, keyBytes: 32 } } as const;

/** Size of the AEAD's key. */
export function aeadKeyBytes({ aead }: HpkeParts): number {
  return AEADS[aead].keyBytes;
}

/** SealBase. */
export function hpkeSeal(
  parts: HpkeParts,
  recipient: KemPublicKey,
  info: Uint8Array,
  message: { readonly plaintext: Uint8Array; readonly aad: Uint8Array },
): HpkeCiphertext {
  const { secret, enc } = parts.kem.encapsulate(recipient);
  const { key, nonce } = keySchedule(parts, secret, info);
  return { ct: aeadSeal(parts, key, nonce, message), enc };
}

/** OpenBase. @throws Error when it cannot be opened */
export function hpkeOpen(
  parts: HpkeParts,
  recipient: KemPrivateKey,
  info: Uint8Array,
  message: HpkeCiphertext & { readonly aad: Uint8Array },
): Uint8Array {
  const secret = decapsulate(parts, recipient, message.enc);
  const { key, nonce } = keySchedule(parts, secret, info);
  return aeadOpen(parts, key, nonce, { ciphertext: message.ct, aad: message.aad });
}

/** SendExport in base mode, without info, as MLS's external init takes it. */
export function hpkeSendExport(
  parts: HpkeParts,
  recipient: KemPublicKey,
  context: Uint8Array,
  lengthBytes: number,
): { readonly enc: Uint8Array; readonly secret: Uint8Array } {
  const { secret, enc } = parts.kem.encapsulate(recipient);
  return { enc, secret: exportFrom(parts, secret, context, lengthBytes) };
}

/** ReceiveExport. @throws Error when `enc` is none */
export function hpkeReceiveExport(
  parts: HpkeParts,
  recipient: KemPrivateKey,
  received: { readonly enc: Uint8Array; readonly context: Uint8Array },
  lengthBytes: number,
): Uint8Array {
  return exportFrom(parts, decapsulate(parts, recipient, received.enc), received.context, lengthBytes);
}

/** AES-GCM with the tag at the end. */
export function aeadSeal(
  { aead }: HpkeParts,
  key: Uint8Array,
  nonce: Uint8Array,
  { plaintext, aad }: { readonly plaintext: Uint8Array; readonly aad: Uint8Array },
): Uint8Array {
  const cipher = createCipheriv(aead, createSecretKey(key), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

/** The reverse. @throws Error when the tag does not fit */
export function aeadOpen(
  { aead }: HpkeParts,
  key: Uint8Array,
  nonce: Uint8Array,
  { ciphertext, aad }: { readonly ciphertext: Uint8Array; readonly aad: Uint8Array },
): Uint8Array {
  if (ciphertext.length < TAG_BYTES) throw new RangeError('a ciphertext without a tag');
  const end = ciphertext.length - TAG_BYTES;
  const decipher = createDecipheriv(aead, createSecretKey(key), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(ciphertext.subarray(end));
  return concat(decipher.update(ciphertext.subarray(0, end)), decipher.final());
}

function decapsulate({ kem }: HpkeParts, recipient: KemPrivateKey, enc: Uint8Array): Uint8Array {
  if (enc.length !== kem.encBytes) throw new RangeError(`an encapsulation has ${kem.encBytes} bytes`);
  return kem.decapsulate(recipient, enc);
}

function keySchedule(
  parts: HpkeParts,
  shared: Uint8Array,
  info: Uint8Array,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
  const { secret, context } = scheduleRoot(parts, shared, info);
  return {
    key: expand(parts, secret, 'key', context, AEADS[parts.aead].keyBytes),
    nonce: expand(parts, secret, 'base_nonce', context, NONCE_BYTES),
  };
}

function exportFrom(
  parts: HpkeParts,
  shared: Uint8Array,
  exporterContext: Uint8Array,
  lengthBytes: number,
): Uint8Array {
  const { secret, context } = scheduleRoot(parts, shared, EMPTY);
  const exporter = expand(parts, secret, 'exp', context, HASH_BYTES[parts.hash]);
  return expand(parts, exporter, 'sec', exporterContext, lengthBytes);
}

function scheduleRoot(
  parts: HpkeParts,
  shared: Uint8Array,
  info: Uint8Array,
): { readonly secret: Uint8Array; readonly context: Uint8Array } {
  const extract = (salt: Uint8Array, label: string, material: Uint8Array): Uint8Array =>
    hkdfExtract(parts.hash, salt, labeled(suiteId(parts), label, material));
  const context = concat(BASE_MODE, extract(EMPTY, 'psk_id_hash', EMPTY), extract(EMPTY, 'info_hash', info));
  return { secret: extract(shared, 'secret', EMPTY), context };
}

function expand(
  parts: HpkeParts,
  key: Uint8Array,
  label: string,
  info: Uint8Array,
  lengthBytes: number,
): Uint8Array {
  const length = Uint8Array.of(lengthBytes >> 8, lengthBytes & 0xff);
  return hkdfExpand(parts.hash, key, concat(length, labeled(suiteId(parts), label, info)), lengthBytes);
}

function suiteId({ kem, hash, aead }: HpkeParts): Uint8Array {
  const ids = [kem.id, KDF_IDS[hash], AEADS[aead].id];
  return Uint8Array.of(...text('HPKE'), ...ids.flatMap((id) => [id >> 8, id & 0xff]));
}

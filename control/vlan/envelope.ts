/**
 * A record as the directory carries it: plain when its owner made the VLAN public, else closed to everybody who does
 * not have the VLAN's id. It lies under a key that tells nothing of the id.
 *
 *   0  form  u8   1 plain: record
 *                 2 sealed: nonce 12 ‖ AES-256-GCM( record length u24 ‖ record ‖ zeros to a multiple of 512 ) ‖ tag 16
 *
 * The sealing key comes from the id, the nonce from id and plaintext: one record has one envelope, and whoever makes
 * it repeats no nonce with another one. AAD is the directory key.
 *
 * Main thread; pure functions. Must never throw for bytes that came from elsewhere.
 *
 * @see docs/protocol.md, "Directory"
 */
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { ByteReader } from '../membership/byte-codec.ts';
import { deriveKey } from './hash.ts';
import { FIELD_LENGTH_BYTES, readField } from './length-fields.ts';
import { isNewer, MAX_RECORD_BYTES, openRecord, type RecordFault, type SignedRecord } from './vlan-record.ts';

/** Size of a directory key. */
export const DIRECTORY_KEY_BYTES = 16;

const FORM = { plain: 1, sealed: 2 } as const;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** So that the size tells little of what the record says. */
const PADDING_BYTES = 512;

/** Largest envelope: a record, its length and padding, nonce and tag. */
export const MAX_ENVELOPE_BYTES = 1 + NONCE_BYTES + MAX_RECORD_BYTES + PADDING_BYTES + TAG_BYTES;

/** `sealed`: only the id opens it. */
export type EnvelopeFault = RecordFault | 'sealed';

/** What `openEnvelope` returns. */
export type OpenedEnvelope =
  | { readonly ok: true; readonly signed: SignedRecord }
  | { readonly ok: false; readonly fault: EnvelopeFault };

/** Finds the id of a VLAN that this node knows, by its directory key in hex. */
export type IdOfKey = (keyHex: string) => Uint8Array | undefined;

/** Where a VLAN's record lies: 16 bytes that lead to nobody who has no id. */
export function directoryKey(idBytes: Uint8Array): Uint8Array {
  return deriveKey('peertap directory v1', idBytes).subarray(0, DIRECTORY_KEY_BYTES);
}

/** Closes a record, or leaves it open if it is public. */
export function sealEnvelope({ idBytes, record, bytes }: SignedRecord): Uint8Array {
  if (record.public) return Uint8Array.of(FORM.plain, ...bytes);
  const plain = padded(bytes);
  const nonce = deriveKey('peertap directory nonce v1', idBytes, plain).subarray(0, NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', sealingKey(idBytes), nonce);
  cipher.setAAD(directoryKey(idBytes));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return Uint8Array.of(FORM.sealed, ...nonce, ...sealed);
}

/**
 * Opens an envelope and checks the record in it.
 *
 * @param envelope - any bytes
 * @param key - 16 bytes: where it lay
 * @param idBytes - of the VLAN, when this node knows it
 */
export function openEnvelope(envelope: Uint8Array, key: Uint8Array, idBytes?: Uint8Array): OpenedEnvelope {
  const opened =
    envelope[0] === FORM.plain
      ? openRecord(new Uint8Array(envelope.subarray(1)), idBytes)
      : openSealed(envelope, key, idBytes);
  if (!opened.ok) return opened;
  // A record that is not public is nobody's to lay open, and one that lies elsewhere is not the one that was asked for.
  if (opened.signed.record.public !== (envelope[0] === FORM.plain)) return { ok: false, fault: 'malformed' };
  return Buffer.compare(directoryKey(opened.signed.idBytes), key) === 0
    ? opened
    : { ok: false, fault: 'other-vlan' };
}

/** Opens an envelope of a public VLAN, wherever it lay. */
export function openPlainEnvelope(envelope: Uint8Array): OpenedEnvelope {
  if (envelope[0] !== FORM.plain)
    return { ok: false, fault: envelope[0] === FORM.sealed ? 'sealed' : 'malformed' };
  const opened = openRecord(new Uint8Array(envelope.subarray(1)));
  return opened.ok && !opened.signed.record.public ? { ok: false, fault: 'malformed' } : opened;
}

/**
 * Whether an envelope may be kept under a key. Who knows the id, or finds it public, checks it whole; everybody else
 * can only look at its form.
 */
export function validateEnvelope(key: Uint8Array, envelope: Uint8Array, idOfKey: IdOfKey): boolean {
  const opened = openEnvelope(envelope, key, idOfKey(Buffer.from(key).toString('hex')));
  return opened.ok || (opened.fault === 'sealed' && hasSealedForm(envelope));
}

/**
 * Chooses among envelopes of one key: the newest record that holds; where none can be opened, the first of valid form.
 *
 * @returns its index; 0 when none is any good
 */
export function selectNewest(key: Uint8Array, envelopes: readonly Uint8Array[], idOfKey: IdOfKey): number {
  const idBytes = idOfKey(Buffer.from(key).toString('hex'));
  let best: { index: number; signed: SignedRecord } | undefined;
  for (const [index, envelope] of envelopes.entries()) {
    const opened = openEnvelope(envelope, key, idBytes);
    if (opened.ok && isNewer(opened.signed, best?.signed)) best = { index, signed: opened.signed };
  }
  return best?.index ?? Math.max(0, envelopes.findIndex(hasSealedForm));
}

function openSealed(envelope: Uint8Array, key: Uint8Array, idBytes: Uint8Array | undefined): OpenedEnvelope {
  if (!hasSealedForm(envelope)) return { ok: false, fault: 'malformed' };
  if (idBytes === undefined) return { ok: false, fault: 'sealed' };
  const nonce = envelope.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', sealingKey(idBytes), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(key);
  decipher.setAuthTag(envelope.subarray(envelope.length - TAG_BYTES));
  try {
    const sealed = envelope.subarray(1 + NONCE_BYTES, envelope.length - TAG_BYTES);
    return openPadded(new Uint8Array(Buffer.concat([decipher.update(sealed), decipher.final()])), idBytes);
  } catch {
    // node:crypto says by an error that the tag does not hold.
    return { ok: false, fault: 'forged' };
  }
}

function openPadded(plain: Uint8Array, idBytes: Uint8Array): OpenedEnvelope {
  const bytes = readField(new ByteReader(plain), MAX_RECORD_BYTES);
  return bytes === undefined ? { ok: false, fault: 'malformed' } : openRecord(bytes, idBytes);
}

function hasSealedForm(envelope: Uint8Array): boolean {
  const sealedBytes = envelope.length - 1 - NONCE_BYTES - TAG_BYTES;
  return (
    envelope[0] === FORM.sealed &&
    envelope.length <= MAX_ENVELOPE_BYTES &&
    sealedBytes > 0 &&
    sealedBytes % PADDING_BYTES === 0
  );
}

function padded(record: Uint8Array): Uint8Array {
  const neededBytes = FIELD_LENGTH_BYTES + record.length;
  const plain = new Uint8Array(Math.ceil(neededBytes / PADDING_BYTES) * PADDING_BYTES);
  plain[0] = record.length & 0xff;
  plain[1] = (record.length >>> 8) & 0xff;
  plain.set(record, FIELD_LENGTH_BYTES);
  return plain;
}

function sealingKey(idBytes: Uint8Array) {
  return createSecretKey(deriveKey('peertap directory seal v1', idBytes));
}

/**
 * Seals and opens what the main thread seals itself: members' control datagrams (kind 3), and echoes (kind 4).
 *
 *   payload:  token 16 │ sender, masked 16 │ r 16 │ ciphertext │ tag 16
 *
 *   key   BLAKE3 keyed(K_control, "seal" or "echo" ‖ leaf ‖ lane ‖ salt ‖ r): fresh for each datagram, whatever the sender
 *   nonce 6 zero bytes ‖ counter
 *   AAD   token ‖ (kind │ flags ≪ 4) ‖ class ‖ sender, unmasked: 34 bytes, as for frames
 *   mask  sender ⊕ AES-256(K_mask, tag)
 *
 * Main thread only. Must never throw for bytes that came from a peer.
 *
 * @see docs/protocol.md, "Sealed frame" and "Membership"
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { type MainSeal, mainSealKey } from './frame-keys.ts';
import { decodeSender, encodeSender, MAIN_LANE, SENDER_BYTES, type SenderName } from './sender-field.ts';

/** Kind of a members' control datagram. */
export const KIND_CONTROL = 3;

/** Most plaintext in one datagram: with all headers it fits IPv6's least MTU of 1,280. */
export const MAX_CONTROL_BODY_BYTES = 1_150;

/** One of the two kinds. */
export interface SealForm {
  readonly kind: number;
  readonly seal: MainSeal;
  /** Most plaintext in one datagram. */
  readonly bodyLimitBytes: number;
}

const CONTROL_FORM: SealForm = { kind: KIND_CONTROL, seal: 'seal', bodyLimitBytes: MAX_CONTROL_BODY_BYTES };

/** The random bytes r at the head of a sealed body. */
export const CONTROL_NONCE_BYTES = 16;

const TOKEN_BYTES = 16;
const TAG_BYTES = 16;
const SENDER_AT = TOKEN_BYTES;
const NONCE_AT = SENDER_AT + SENDER_BYTES;
const CIPHERTEXT_AT = NONCE_AT + CONTROL_NONCE_BYTES;
const OVERHEAD_BYTES = CIPHERTEXT_AT + TAG_BYTES;
const COUNTER_AT = 10;

/** The secrets of an epoch that control datagrams need. */
export interface ControlSecrets {
  /** K_control, 32 bytes. */
  readonly controlKey: Uint8Array;
  /** K_mask, 32 bytes. */
  readonly maskKey: Uint8Array;
}

/** What is sealed. */
export interface SealInput {
  readonly token: Uint8Array;
  readonly sender: SenderName;
  readonly counter: number;
  /** {@link CONTROL_NONCE_BYTES} fresh random bytes. */
  readonly nonce: Uint8Array;
  /** 0‥255. */
  readonly class: number;
  readonly body: Uint8Array;
}

/** Kind, flags and class of an unmasked control word. */
export interface SealHeader {
  readonly kind: number;
  readonly flags: number;
  readonly class: number;
}

/** What was in a control datagram. */
export interface OpenedControl {
  readonly sender: SenderName & { readonly counter: number };
  readonly body: Uint8Array;
}

/**
 * Seals one control datagram.
 *
 * @param secrets - of the epoch whose control token it goes under
 * @returns token ‖ masked sender ‖ r ‖ ciphertext ‖ tag
 */
export function sealControl(secrets: ControlSecrets, input: SealInput): Uint8Array {
  return sealAs(CONTROL_FORM, secrets, input);
}

/** As {@link sealControl}, for either kind. */
export function sealAs(form: SealForm, secrets: ControlSecrets, input: SealInput): Uint8Array {
  if (input.body.length > form.bodyLimitBytes || input.nonce.length !== CONTROL_NONCE_BYTES) {
    throw new RangeError(`sealed body of ${input.body.length} bytes, nonce of ${input.nonce.length}`);
  }
  const sender = encodeSender(input.sender, input.counter);
  const key = createSecretKey(mainSealKey(form.seal, secrets.controlKey, input.sender, input.nonce));
  const cipher = createCipheriv('aes-256-gcm', key, frameNonce(sender));
  cipher.setAAD(additionalData({ token: input.token, kind: form.kind, class: input.class, sender }));
  const ciphertext = cipher.update(input.body);
  cipher.final();
  const tag = cipher.getAuthTag();
  const payload = new Uint8Array(OVERHEAD_BYTES + input.body.length);
  payload.set(input.token);
  payload.set(masked(secrets.maskKey, tag, sender), SENDER_AT);
  payload.set(input.nonce, NONCE_AT);
  payload.set(ciphertext, CIPHERTEXT_AT);
  payload.set(tag, payload.length - TAG_BYTES);
  return payload;
}

/**
 * Opens one control datagram.
 *
 * @param secrets - of the epoch that its token named
 * @param payload - token ‖ masked sender ‖ r ‖ ciphertext ‖ tag, as a worker passed it on
 * @returns sender and body, or `undefined` when it was not sealed so
 */
export function openControl(
  secrets: ControlSecrets,
  payload: Uint8Array,
  header: SealHeader,
): OpenedControl | undefined {
  return openAs(CONTROL_FORM, secrets, payload, header);
}

/** As {@link openControl}, for either kind. */
export function openAs(
  form: SealForm,
  secrets: ControlSecrets,
  payload: Uint8Array,
  header: SealHeader,
): OpenedControl | undefined {
  const bodyBytes = payload.length - OVERHEAD_BYTES;
  if (bodyBytes < 0 || bodyBytes > form.bodyLimitBytes || header.kind !== form.kind || header.flags !== 0) {
    return undefined;
  }
  const tag = payload.subarray(payload.length - TAG_BYTES);
  const sender = masked(secrets.maskKey, tag, payload.subarray(SENDER_AT, NONCE_AT));
  const name = decodeSender(sender);
  if (name.lane !== MAIN_LANE) {
    return undefined;
  }
  const token = payload.subarray(0, TOKEN_BYTES);
  const key = createSecretKey(
    mainSealKey(form.seal, secrets.controlKey, name, payload.subarray(NONCE_AT, CIPHERTEXT_AT)),
  );
  const body = decrypt(key, {
    nonce: frameNonce(sender),
    additional: additionalData({ token, kind: form.kind, class: header.class, sender }),
    ciphertext: payload.subarray(CIPHERTEXT_AT, payload.length - TAG_BYTES),
    tag,
  });
  return body === undefined ? undefined : { sender: name, body };
}

function decrypt(
  key: KeyObject,
  sealed: { nonce: Uint8Array; additional: Uint8Array; ciphertext: Uint8Array; tag: Uint8Array },
): Uint8Array | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.nonce);
  decipher.setAAD(sealed.additional);
  decipher.setAuthTag(sealed.tag);
  const body = decipher.update(sealed.ciphertext);
  try {
    decipher.final();
  } catch {
    // The only way by which node:crypto says that a tag is wrong.
    return undefined;
  }
  return Uint8Array.from(body);
}

function masked(maskKey: Uint8Array, tag: Uint8Array, sender: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-ecb', createSecretKey(maskKey), null);
  cipher.setAutoPadding(false);
  const mask = cipher.update(tag);
  return Uint8Array.from(sender, (byte, index) => byte ^ (mask[index] ?? 0));
}

function frameNonce(sender: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce.set(sender.subarray(COUNTER_AT), 6);
  return nonce;
}

function additionalData(input: {
  token: Uint8Array;
  kind: number;
  class: number;
  sender: Uint8Array;
}): Uint8Array {
  const bytes = new Uint8Array(TOKEN_BYTES + 2 + SENDER_BYTES);
  bytes.set(input.token);
  bytes[TOKEN_BYTES] = input.kind;
  bytes[TOKEN_BYTES + 1] = input.class;
  bytes.set(input.sender, TOKEN_BYTES + 2);
  return bytes;
}

/**
 * How the ends of an exchange stream find out that they mean the same VLAN, without a word about which.
 *
 *   opener ──▶  version 1 │ nonce A 16 │ keyed(K, 1 ‖ opener key ‖ acceptor key ‖ nonce A)[0‥16]
 *   acceptor ─▶ nonce B 16 │ keyed(K, 2 ‖ opener key ‖ acceptor key ‖ nonce A ‖ nonce B)[0‥16]
 *
 * K = derive_key("peertap exchange v1", VLAN id). The connection has authenticated both node keys, so nobody can play
 * a recorded proof in another's name. Who opens a stream to a node that does not have the VLAN shows it 32 bytes
 * that look random. Knowing the id is all that this proves: it is not membership of a private VLAN.
 *
 * Main thread; pure. Must never throw for bytes that came from a peer.
 *
 * @see docs/protocol.md, "Exchange streams"
 */
import { timingSafeEqual } from 'node:crypto';
import { deriveKey, keyedHash } from '../vlan/hash.ts';

/** Size of each nonce. */
export const CONTACT_NONCE_BYTES = 16;

const PROOF_BYTES = 16;
const VERSION = 1;
const OPENING_BYTES = 1 + CONTACT_NONCE_BYTES + PROOF_BYTES;
const ANSWER_BYTES = CONTACT_NONCE_BYTES + PROOF_BYTES;
const FROM_OPENER = Uint8Array.of(1);
const FROM_ACCEPTOR = Uint8Array.of(2);

/** The node keys at both ends, 32 bytes each, as the connection authenticated them. */
export interface ContactEnds {
  readonly opener: Uint8Array;
  readonly acceptor: Uint8Array;
}

/** The key that stands for a VLAN's id in contacts. */
export function contactKeyOf(vlanId: Uint8Array): Uint8Array {
  return deriveKey('peertap exchange v1', vlanId);
}

/** The opener's first message. */
export function writeOpening(contactKey: Uint8Array, ends: ContactEnds, nonce: Uint8Array): Uint8Array {
  const proof = openingProof(contactKey, ends, nonce);
  return Uint8Array.from([VERSION, ...nonce, ...proof]);
}

/**
 * Finds the VLAN that an opening means.
 *
 * @param contactKeys - of the acceptor's VLANs
 * @returns its place among them and the opener's nonce; undefined when it is none of them, or no opening
 */
export function readOpening(
  opening: Uint8Array,
  ends: ContactEnds,
  contactKeys: readonly Uint8Array[],
): { readonly index: number; readonly nonce: Uint8Array } | undefined {
  if (opening.length !== OPENING_BYTES || opening[0] !== VERSION) {
    return undefined;
  }
  const nonce = opening.slice(1, 1 + CONTACT_NONCE_BYTES);
  const proof = opening.subarray(1 + CONTACT_NONCE_BYTES);
  const index = contactKeys.findIndex((key) => timingSafeEqual(proof, openingProof(key, ends, nonce)));
  return index < 0 ? undefined : { index, nonce };
}

/** The acceptor's answer. */
export function writeAnswer(
  contactKey: Uint8Array,
  ends: ContactEnds,
  nonces: { readonly opener: Uint8Array; readonly acceptor: Uint8Array },
): Uint8Array {
  return Uint8Array.from([...nonces.acceptor, ...answerProof(contactKey, ends, nonces)]);
}

/** Whether an answer proves that the acceptor knows the VLAN. */
export function isAnswer(
  answer: Uint8Array,
  contactKey: Uint8Array,
  ends: ContactEnds,
  openerNonce: Uint8Array,
): boolean {
  if (answer.length !== ANSWER_BYTES) {
    return false;
  }
  const nonces = { opener: openerNonce, acceptor: answer.subarray(0, CONTACT_NONCE_BYTES) };
  return timingSafeEqual(answer.subarray(CONTACT_NONCE_BYTES), answerProof(contactKey, ends, nonces));
}

function openingProof(contactKey: Uint8Array, ends: ContactEnds, nonce: Uint8Array): Uint8Array {
  return keyedHash(contactKey, FROM_OPENER, ends.opener, ends.acceptor, nonce).subarray(0, PROOF_BYTES);
}

function answerProof(
  contactKey: Uint8Array,
  ends: ContactEnds,
  nonces: { readonly opener: Uint8Array; readonly acceptor: Uint8Array },
): Uint8Array {
  const hash = keyedHash(
    contactKey,
    FROM_ACCEPTOR,
    ends.opener,
    ends.acceptor,
    nonces.opener,
    nonces.acceptor,
  );
  return hash.subarray(0, PROOF_BYTES);
}

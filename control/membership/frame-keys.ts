/**
 * The keys under which frames of an open VLAN are sealed.
 *
 *   group     BLAKE3 keyed(K_frame, cipher ‖ leaf ‖ lane ‖ salt ‖ sender's X25519 key)
 *   pairwise  HKDF-SHA256(X25519(own, theirs) ‖ K_frame, no salt, info = cipher, sender PeerId, receiver PeerId,
 *             sender's and receiver's X25519 key, leaf, lane, salt; each behind its length as u16)
 *   control   BLAKE3 keyed(K_control, "seal" ‖ leaf ‖ lane ‖ salt ‖ r)
 *   echo      BLAKE3 keyed(K_control, "echo" ‖ leaf ‖ lane ‖ salt ‖ r)
 *
 * Main thread only; pure functions.
 *
 * @see docs/protocol.md, "Sealed frame"; RFC 5869 (HKDF)
 */
import { hkdfSync } from 'node:crypto';
import { peerIdBytes } from '../identity/peer-id.ts';
import { keyedHash } from '../vlan/hash.ts';
import { encodeSenderName, type SenderName } from './sender-field.ts';

/** The ciphers' numbers, here and in the shared tables. */
export const CIPHER_AES_256_GCM = 1;
export const CIPHER_CHACHA20_POLY1305 = 2;

const KEY_BYTES = 32;
const NO_SALT = new Uint8Array(0);
const MAIN_LABELS = {
  seal: new TextEncoder().encode('seal'),
  echo: new TextEncoder().encode('echo'),
} as const;

/** The key of a sender's group-sealed frames: broadcast, multicast, unknown destinations. */
export function groupKey(input: {
  /** K_frame of the epoch. */
  readonly frameKey: Uint8Array;
  readonly cipher: number;
  readonly sender: SenderName;
  /** The X25519 key that the sender announced, so that two members with one name still have two keys. */
  readonly senderAgreementKey: Uint8Array;
}): Uint8Array {
  const cipher = Uint8Array.of(input.cipher);
  return keyedHash(input.frameKey, cipher, encodeSenderName(input.sender), input.senderAgreementKey);
}

/** One end of a pair: the node key behind the PeerId, and the X25519 key of this start. */
export interface PairEnd {
  readonly publicKey: Uint8Array;
  readonly agreementKey: Uint8Array;
}

/** The key of unicast frames from one member to another; nobody else can read or forge them. */
export function pairwiseKey(input: {
  /** X25519 of the two agreement keys, 32 bytes, not all zero. */
  readonly shared: Uint8Array;
  readonly frameKey: Uint8Array;
  readonly cipher: number;
  readonly from: PairEnd;
  readonly to: PairEnd;
  readonly sender: SenderName;
}): Uint8Array {
  const name = encodeSenderName(input.sender);
  const info = lengthPrefixed([
    Uint8Array.of(input.cipher),
    peerIdBytes(input.from.publicKey),
    peerIdBytes(input.to.publicKey),
    input.from.agreementKey,
    input.to.agreementKey,
    name.subarray(0, 3),
    name.subarray(3, 4),
    name.subarray(4),
  ]);
  const secret = Buffer.concat([input.shared, input.frameKey]);
  return new Uint8Array(hkdfSync('sha256', secret, NO_SALT, info, KEY_BYTES));
}

/** What the main thread seals itself: members' control datagrams, and echoes. */
export type MainSeal = keyof typeof MAIN_LABELS;

/** The key of one datagram that the main thread seals; `nonce` are its 16 random bytes r. */
export function mainSealKey(
  seal: MainSeal,
  controlKey: Uint8Array,
  sender: SenderName,
  nonce: Uint8Array,
): Uint8Array {
  return keyedHash(controlKey, MAIN_LABELS[seal], encodeSenderName(sender), nonce);
}

function lengthPrefixed(parts: readonly Uint8Array[]): Uint8Array {
  const total = parts.reduce((sum, part) => sum + 2 + part.length, 0);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const part of parts) {
    view.setUint16(offset, part.length, true);
    bytes.set(part, offset + 2);
    offset += 2 + part.length;
  }
  return bytes;
}

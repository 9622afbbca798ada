/**
 * The link key schedule: from one exchange's shared secrets to each lane's four keys and link token.
 *
 * Main thread, pure. RFC 5869 HKDF-SHA256:
 *
 *   transcript = SHA-256(u32le |Hello| ‖ Hello ‖ u32le |HelloReply| ‖ HelloReply), both as sent, unframed
 *   prk        = HKDF-Extract(salt = transcript, ikm = X25519 shared secret ‖ ML-KEM-768 shared secret)
 *   info       = "peertap link v1" ‖ lp(initiator id) ‖ lp(responder id) ‖ lp(carrier) ‖ lp(u8 lane)
 *                ‖ lp(u8 direction) ‖ lp(u32le key generation),       lp(x) = u16le |x| ‖ x
 *   k1 ‖ k2 ‖ k3 ‖ k4 ‖ link token = HKDF-Expand(prk, info, 144)
 *
 * The initiator is the lower PeerId; direction 0 is from the initiator. Ids are PeerIds as text.
 */
import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { u32Bytes } from '../membership/byte-codec.ts';
import type { Carrier, LinkKeys, PeerIdText } from './trunk-port.ts';

const KEY_BYTES = 32;
const LINK_TOKEN_BYTES = 16;
const LABEL = utf8ToBytes('peertap link v1');

export interface LinkContext {
  readonly initiator: PeerIdText;
  readonly responder: PeerIdText;
  readonly carrier: Carrier;
  readonly lane: number;
  readonly direction: 'from-initiator' | 'from-responder';
  readonly generation: number;
}

/** @returns SHA-256 over both messages as sent, 32 bytes; it names the exchange and salts its keys */
export function transcriptHash(hello: Uint8Array, helloReply: Uint8Array): Uint8Array {
  return sha256(concatBytes(u32Bytes(hello.length), hello, u32Bytes(helloReply.length), helloReply));
}

/**
 * @param sharedSecret - 64 bytes: X25519 ‖ ML-KEM-768
 * @param transcript - what `transcriptHash` returned
 * @returns the exchange's pseudo-random key, 32 bytes; keep it no longer than its lanes need
 */
export function exchangeKey(sharedSecret: Uint8Array, transcript: Uint8Array): Uint8Array {
  return extract(sha256, sharedSecret, transcript);
}

/** Derives one direction of one lane. @param prk - what `exchangeKey` returned @see RFC 5869 §2.3 */
export function deriveLinkKeys(prk: Uint8Array, context: LinkContext): LinkKeys {
  const info = concatBytes(
    LABEL,
    prefixed(utf8ToBytes(context.initiator)),
    prefixed(utf8ToBytes(context.responder)),
    prefixed(utf8ToBytes(context.carrier)),
    prefixed(Uint8Array.of(context.lane)),
    prefixed(Uint8Array.of(context.direction === 'from-initiator' ? 0 : 1)),
    prefixed(u32Bytes(context.generation)),
  );
  const okm = expand(sha256, prk, info, 4 * KEY_BYTES + LINK_TOKEN_BYTES);
  const key = (index: number): Uint8Array => okm.slice(index * KEY_BYTES, (index + 1) * KEY_BYTES);
  return { k1: key(0), k2: key(1), k3: key(2), k4: key(3), linkToken: okm.slice(4 * KEY_BYTES) };
}

function prefixed(bytes: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(bytes.length & 0xff, bytes.length >>> 8), bytes);
}

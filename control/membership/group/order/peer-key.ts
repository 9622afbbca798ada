/**
 * PeerIds as the machine handles them (text) and as messages carry them (the 32-byte key), and digests likewise.
 *
 * Base58 costs microseconds and the same few hundred peers come again and again, so both directions are remembered.
 *
 * Main thread and simulation; pure but for that memory, which is bounded.
 */
import { formatPeerId, publicKeyOfPeerId } from '../../../identity/peer-id.ts';

export const PEER_KEY_BYTES = 32;
export const DIGEST_BYTES = 16;

/** Four VLANs of the largest size. */
const REMEMBERED = 4_096;

const texts = new Map<string, string>();
const keys = new Map<string, Uint8Array>();

/** The PeerId of a key. @param key - 32 bytes */
export function peerOfKey(key: Uint8Array): string {
  const name = Buffer.from(key).toString('latin1');
  const known = texts.get(name);
  if (known !== undefined) return known;
  const text = formatPeerId(key);
  if (texts.size >= REMEMBERED) texts.clear();
  texts.set(name, text);
  return text;
}

/** The key in a PeerId. @throws RangeError when the text is none (a bug of the caller: peers' bytes carry keys) */
export function keyOfPeer(peer: string): Uint8Array {
  const known = keys.get(peer);
  if (known !== undefined) return known;
  const key = publicKeyOfPeerId(peer);
  if (key === undefined) throw new RangeError(`not an Ed25519 PeerId: ${peer}`);
  if (keys.size >= REMEMBERED) keys.clear();
  keys.set(peer, key);
  return key;
}

/** 32 hex digits of 16 bytes. */
export function digestText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** 16 bytes of 32 hex digits. @throws RangeError when the text is none (a bug of the caller) */
export function digestBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text, 'hex'));
  if (bytes.length !== DIGEST_BYTES) throw new RangeError(`not a digest: ${text}`);
  return bytes;
}

/**
 * The forms of an Ed25519 PeerId, without loading libp2p.
 *
 * A PeerId is the identity multihash of the protobuf-encoded public key, in text base58btc; for Ed25519 that is a
 * constant head of six bytes and the key, so each form can be made of each other. Pure.
 *
 *   00 24 (identity multihash, 36 bytes) ‖ 08 01 12 20 (protobuf: Ed25519, 32 bytes) ‖ public key
 *
 * @see libp2p specs, peer-ids/peer-ids.md ("Keys", "String representation")
 */

/** Size of a PeerId's binary form. */
export const PEER_ID_BYTES = 38;

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const PUBLIC_KEY_BYTES = 32;
const HEAD = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
/** 38 bytes that begin with one zero take 52 digits to the base of 58. */
const TEXT_CHARACTERS = 52;

/**
 * Writes the PeerId of a public key.
 *
 * @param publicKey - raw Ed25519 public key, 32 bytes
 * @returns 52 characters that begin with `12D3KooW`
 * @throws RangeError when the key has another size (a bug of the caller)
 */
export function formatPeerId(publicKey: Uint8Array): string {
  return base58(peerIdBytes(publicKey));
}

/**
 * The binary form of the PeerId of a public key.
 *
 * @returns 38 bytes
 * @throws RangeError when the key has another size than 32 bytes (a bug of the caller)
 */
export function peerIdBytes(publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new RangeError(`an Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes, got ${publicKey.length}`);
  }
  const bytes = new Uint8Array(PEER_ID_BYTES);
  bytes.set(HEAD);
  bytes.set(publicKey, HEAD.length);
  return bytes;
}

/**
 * The public key in a PeerId's text form.
 *
 * @param text - any text
 * @returns 32 bytes; undefined when the text is not the PeerId of an Ed25519 key. Whether they are a point of the
 * curve is not looked at.
 */
export function publicKeyOfPeerId(text: string): Uint8Array | undefined {
  return publicKeyOfPeerIdBytes(fromBase58(text));
}

/** The public key in a PeerId's binary form; undefined when it is not that of an Ed25519 key. */
export function publicKeyOfPeerIdBytes(bytes: Uint8Array): Uint8Array | undefined {
  const isOurs = bytes.length === PEER_ID_BYTES && HEAD.every((byte, index) => bytes[index] === byte);
  return isOurs ? bytes.slice(HEAD.length) : undefined;
}

/** Base conversion digit by digit; a leading zero byte becomes a leading `1`. */
function base58(bytes: Uint8Array): string {
  const digits: number[] = [];
  for (const byte of bytes) {
    let carry = byte;
    for (let index = 0; index < digits.length; index++) {
      carry += (digits[index] ?? 0) * 256;
      digits[index] = carry % 58;
      carry = Math.floor(carry / 58);
    }
    for (; carry > 0; carry = Math.floor(carry / 58)) digits.push(carry % 58);
  }
  const firstNonZero = bytes.findIndex((byte) => byte !== 0);
  const leading = '1'.repeat(firstNonZero < 0 ? bytes.length : firstNonZero);
  return (
    leading +
    digits
      .reverse()
      .map((digit) => ALPHABET.charAt(digit))
      .join('')
  );
}

/** The reverse, for texts of a PeerId's length; empty for any other. */
function fromBase58(text: string): Uint8Array {
  if (text.length !== TEXT_CHARACTERS || !text.startsWith('1')) {
    return new Uint8Array(0);
  }
  const bytes: number[] = [];
  for (const character of text.slice(1)) {
    let carry = ALPHABET.indexOf(character);
    if (carry < 0) {
      return new Uint8Array(0);
    }
    for (let index = 0; index < bytes.length; index++) {
      carry += (bytes[index] ?? 0) * 58;
      bytes[index] = carry & 0xff;
      carry >>>= 8;
    }
    for (; carry > 0; carry >>>= 8) bytes.push(carry & 0xff);
  }
  return Uint8Array.of(0, ...bytes.reverse());
}

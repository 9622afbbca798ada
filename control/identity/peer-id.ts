/**
 * The text form of an Ed25519 PeerId, without loading libp2p.
 *
 * A PeerId is the identity multihash of the protobuf-encoded public key, in base58btc; for Ed25519 that is a
 * constant head of six bytes and the key. Pure.
 *
 * @see libp2p specs, peer-ids/peer-ids.md ("Keys", "String representation")
 */

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const PUBLIC_KEY_BYTES = 32;
/** identity multihash (0x00), 36 bytes; protobuf: field 1 key type Ed25519 (1), field 2 of 32 bytes. */
const HEAD = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/**
 * Writes the PeerId of a public key.
 *
 * @param publicKey - raw Ed25519 public key, 32 bytes
 * @returns 52 characters that begin with `12D3KooW`
 * @throws RangeError when the key has another size (a bug of the caller)
 */
export function formatPeerId(publicKey: Uint8Array): string {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new RangeError(`an Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes, got ${publicKey.length}`);
  }
  return base58([...HEAD, ...publicKey]);
}

/** Base conversion digit by digit; a leading zero byte becomes a leading `1`. */
function base58(bytes: readonly number[]): string {
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

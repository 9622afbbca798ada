/**
 * The binary PeerId of an Ed25519 node key, 38 bytes that hold the public key itself.
 *
 *   00 24 (identity multihash, 36 bytes) ‖ 08 01 12 20 (protobuf: Ed25519, 32 bytes) ‖ public key
 *
 * Membership speaks of members by their node key, so it needs no libp2p. Main thread only; pure.
 *
 * @see https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
 */

const PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
const PUBLIC_KEY_BYTES = 32;

/**
 * Writes the PeerId of a node key.
 *
 * @throws RangeError when the key has another size than 32 bytes (a bug of the caller)
 */
export function peerIdBytes(publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new RangeError(`an Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes, got ${publicKey.length}`);
  }
  const bytes = new Uint8Array(PREFIX.length + PUBLIC_KEY_BYTES);
  bytes.set(PREFIX);
  bytes.set(publicKey, PREFIX.length);
  return bytes;
}

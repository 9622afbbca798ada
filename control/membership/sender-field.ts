/**
 * The sender field of a sealed frame: who sealed it, and the how manieth it is.
 *
 *    0  leaf     u24
 *    3  lane     u8     the sealing worker; 255: the main thread
 *    4  salt     6
 *   10  counter  u48
 *
 * Little-endian. Main thread; the workers' twin is in dataplane/wire.
 *
 * @see docs/protocol.md, "Sealed frame"
 */

/** Size of the sender field. */
export const SENDER_BYTES = 16;

/** Size of a salt. */
export const SALT_BYTES = 6;

/** The lane of what the main thread seals itself. */
export const MAIN_LANE = 255;

const MAX_LEAF = 0xff_ffff;
const COUNTER_LIMIT = 2 ** 48;

/** What names a sender: no two live members of an epoch share it. */
export interface SenderName {
  /** Random number of the member, 24 bits. */
  readonly leaf: number;
  readonly lane: number;
  /** 6 bytes. */
  readonly salt: Uint8Array;
}

/** The fields of {@link SenderName} as they lie in a sender field: leaf ‖ lane ‖ salt, 10 bytes. */
export function encodeSenderName(name: SenderName): Uint8Array {
  if (name.leaf < 0 || name.leaf > MAX_LEAF || name.lane > 255 || name.salt.length !== SALT_BYTES) {
    throw new RangeError(
      `not a sender: leaf ${name.leaf}, lane ${name.lane}, salt of ${name.salt.length} bytes`,
    );
  }
  const bytes = new Uint8Array(4 + SALT_BYTES);
  new DataView(bytes.buffer).setUint32(0, (name.leaf | (name.lane << 24)) >>> 0, true);
  bytes.set(name.salt, 4);
  return bytes;
}

/** The whole field, 16 bytes. */
export function encodeSender(name: SenderName, counter: number): Uint8Array {
  if (!Number.isInteger(counter) || counter < 0 || counter >= COUNTER_LIMIT) {
    throw new RangeError(`not a frame counter: ${counter}`);
  }
  const bytes = new Uint8Array(SENDER_BYTES);
  bytes.set(encodeSenderName(name));
  const view = new DataView(bytes.buffer);
  view.setUint32(10, counter >>> 0, true);
  view.setUint16(14, Math.floor(counter / 2 ** 32), true);
  return bytes;
}

/** Reads a field of 16 bytes; any 16 bytes are one. */
export function decodeSender(bytes: Uint8Array): SenderName & { readonly counter: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, SENDER_BYTES);
  return {
    leaf: view.getUint32(0, true) & MAX_LEAF,
    lane: view.getUint8(3),
    salt: Uint8Array.from(bytes.subarray(4, 4 + SALT_BYTES)),
    counter: view.getUint32(10, true) + view.getUint16(14, true) * 2 ** 32,
  };
}

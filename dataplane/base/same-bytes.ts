/**
 * Whether two arrays hold the same bytes. Any thread; pure. Not in constant time: proofs that a peer could guess at take
 * `timingSafeEqual`.
 */

/** Same length, and the same byte at each place. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

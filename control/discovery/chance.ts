/**
 * Numbers between 0 and 1 that are like chance: drawn from a port's bytes, or the same for the two peers of a pair.
 *
 * Main thread, pure.
 */
import type { PeerIdText } from '../trunk/trunk-port.ts';
import { hash128 } from '../vlan/hash.ts';

const DRAWN_BYTES = 4;
const encoder = new TextEncoder();

/** Draws a number. @param randomBytes - the machine's port */
export function drawnFrom(randomBytes: (count: number) => Uint8Array): number {
  const bytes = randomBytes(DRAWN_BYTES);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32;
}

/** The same at both ends, whoever asks. */
export function pairChance(left: PeerIdText, right: PeerIdText): number {
  const [low, high] = left < right ? [left, right] : [right, left];
  const hash = hash128(encoder.encode(`${low} ${high}`));
  return ((hash[0] ?? 0) * 256 + (hash[1] ?? 0)) / 65_536;
}

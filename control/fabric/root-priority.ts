/**
 * A member's place in the choice of a segment's root: nobody who is not a member can aim at one, and it changes with
 * each epoch.
 *
 * Any thread; pure.
 */
import { keyedHash } from '../vlan/hash.ts';

const DOMAIN = new TextEncoder().encode('peertap root v1');
const PRIORITY_BYTES = 16;

/**
 * @param controlKey - K_control of the epoch, 32 bytes
 * @param peer - PeerId, text form
 * @returns 16 bytes; the lowest wins
 */
export function rootPriority(controlKey: Uint8Array, peer: string): Uint8Array {
  return keyedHash(controlKey, DOMAIN, new TextEncoder().encode(peer)).subarray(0, PRIORITY_BYTES);
}

/**
 * What members of a private VLAN sign beside answers to challenges, in the same list and of the same size, so that a
 * change of epoch loses no frame:
 *
 *   receipt   "I have opened these lanes of yours in this epoch"   16 bytes, for one member
 *   farewell  "I seal nothing under that epoch any more"           16 bytes, for all
 *
 * Both are hashes under a key of the epoch that they are signed in, so to others they are random like challenges.
 *
 * Main thread; pure functions.
 *
 * @see docs/protocol.md, "Membership"
 */
import { keyedHash } from '../vlan/hash.ts';
import type { Epoch } from './epoch.ts';

const VALUE_BYTES = 16;
const encoder = new TextEncoder();
const RECEIPT = encoder.encode('receipt');
const FAREWELL = encoder.encode('farewell');

/** What a receipt is given for. */
export interface ReceiptSubject {
  /** Node key of the member that has opened the lanes, and signs. */
  readonly giver: Uint8Array;
  /** Node key of the member whose lanes they are. */
  readonly receiver: Uint8Array;
  /** As that one announced them, in this order. */
  readonly lanes: readonly { readonly lane: number; readonly salt: Uint8Array }[];
}

/** The receipt for a member's lanes in an epoch. */
export function receiptFor(epoch: Epoch, { giver, receiver, lanes }: ReceiptSubject): Uint8Array {
  const names = lanes.map(({ lane, salt }) => Uint8Array.of(lane, ...salt));
  return keyedHash(epoch.controlKey, RECEIPT, giver, receiver, ...names).subarray(0, VALUE_BYTES);
}

/**
 * A member's farewell to an epoch.
 *
 * @param epoch - in which it is signed
 * @param left - nothing is sealed under it any more, nor under those before it
 */
export function farewellTo(epoch: Epoch, left: Epoch): Uint8Array {
  return keyedHash(epoch.controlKey, FAREWELL, left.tag).subarray(0, VALUE_BYTES);
}

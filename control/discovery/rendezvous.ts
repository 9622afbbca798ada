/**
 * Meeting points: where the members of a VLAN find each other in a DHT that must not learn which VLAN it is.
 *
 *   id ──"peertap rendezvous v1"──▶ K ──keyed(K, u32 UTC day)──▶ key of the day ──BLAKE3──▶ SHA-256 ──▶ the DHT
 *
 * The key of a day shows nothing of the id, its hash nothing of the key, and the points of two days nothing of each
 * other. Members are found at the point of their own day if each is at those of yesterday, today and tomorrow: so
 * clocks may differ by a day.
 *
 * Any thread; pure.
 *
 * @see docs/protocol.md, "Directory and discovery"
 */
import { blake3 } from '@noble/hashes/blake3.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { u32Bytes } from '../membership/byte-codec.ts';
import { deriveKey, keyedHash } from '../vlan/hash.ts';
import { utcDay } from '../vlan/open-epoch.ts';

/** The key from which a VLAN's meeting points of all days come. */
export function rendezvousKeyOf(vlanId: Uint8Array): Uint8Array {
  return deriveKey('peertap rendezvous v1', vlanId);
}

/**
 * A meeting point as the DHT sees it.
 *
 * @param rendezvousKey - what {@link rendezvousKeyOf} returned
 * @param day - days since 1 January 1970, UTC
 * @returns 32 bytes, a SHA-256 digest
 */
export function meetingPoint(rendezvousKey: Uint8Array, day: number): Uint8Array {
  return sha256(blake3(keyedHash(rendezvousKey, u32Bytes(day))));
}

/** Where a node waits to be found: the points of yesterday, today and tomorrow. */
export function meetingPointsAt(rendezvousKey: Uint8Array, unixMs: number): Uint8Array[] {
  const today = utcDay(unixMs);
  return [today - 1, today, today + 1].map((day) => meetingPoint(rendezvousKey, day));
}

/** Where a node looks for others. */
export function meetingPointToday(rendezvousKey: Uint8Array, unixMs: number): Uint8Array {
  return meetingPoint(rendezvousKey, utcDay(unixMs));
}

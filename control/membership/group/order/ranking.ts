/**
 * Who commits when: members are ranked by BLAKE3(epoch tag ‖ leaf), lowest first, anew in each epoch.
 *
 * Main thread and simulation; pure.
 *
 * @see docs/protocol.md, "Order of commits"
 */
import { hash128 } from '../../../vlan/hash.ts';
import type { GroupMember } from '../group-port.ts';
import { ORDER_TIMING } from './order-port.ts';
import { keyOfPeer } from './peer-key.ts';

/**
 * All members of an epoch by their hashes, the first to commit first.
 *
 * @param tag - of the epoch
 */
export function rankedMembers(tag: Uint8Array, members: Iterable<GroupMember>): readonly GroupMember[] {
  const hashed = [...members].map((member) => ({ member, hash: leafHash(tag, member.leaf) }));
  hashed.sort((one, other) => (one.hash < other.hash ? -1 : 1));
  return hashed.map(({ member }) => member);
}

/** The rank of an outsider among those who want in, by the hash of the branch's head and its key. */
export function outsiderRank(self: string, head: Uint8Array, others: Iterable<string>): number {
  const own = nameOf(hash128(head, keyOfPeer(self)));
  let rank = 0;
  for (const other of others) {
    if (other !== self && nameOf(hash128(head, keyOfPeer(other))) < own) rank++;
  }
  return rank;
}

/** How long a rank waits. @param longestRttMs - to any neighbour */
export function rankDelayMs(rank: number, longestRttMs: number): number {
  return rank * Math.max(ORDER_TIMING.rankStepMs, 2 * longestRttMs);
}

function leafHash(tag: Uint8Array, leaf: number): string {
  return nameOf(hash128(tag, Uint8Array.of(leaf & 0xff, (leaf >>> 8) & 0xff, leaf >>> 16)));
}

function nameOf(hash: Uint8Array): string {
  return Buffer.from(hash).toString('hex');
}

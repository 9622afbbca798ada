/** What `peertap peers` shows of candidates. Main thread, pure; reads only. */
import { hexToBytes } from '@noble/hashes/utils.js';
import { addressesOf, type Candidate, lastSeenMs, sourcesOf, vlansOf } from './candidates.ts';
import type { DiscoveryRow, PeerStanding } from './discovery-port.ts';

const ORDER: readonly PeerStanding[] = ['full', 'warm', 'known'];

/** @returns a row for each candidate: the full first, then the warm */
export function discoveryRows(
  candidates: Iterable<Candidate>,
  warm: ReadonlySet<Candidate>,
  addressesMax: number,
): DiscoveryRow[] {
  return [...candidates]
    .map((candidate) => ({
      peer: candidate.peer,
      standing: standingOf(candidate, warm),
      sources: sourcesOf(candidate),
      addresses: addressesOf(candidate, addressesMax),
      vlans: [...vlansOf(candidate)].map((key) => hexToBytes(key)),
      hasTrunk: candidate.hasTrunk,
      lastSeenMs: lastSeenMs(candidate),
      failures: candidate.failures,
    }))
    .sort((left, right) => ORDER.indexOf(left.standing) - ORDER.indexOf(right.standing));
}

function standingOf(candidate: Candidate, warm: ReadonlySet<Candidate>): PeerStanding {
  if (candidate.isChosen || candidate.hasTrunk) {
    return 'full';
  }
  return warm.has(candidate) ? 'warm' : 'known';
}

/**
 * The root claims that this node has verified lately: each is verified once, and is referred to after that.
 *
 *   whole claim ──▶ known? ──▶ clocks ──▶ budget ──▶ signature ──▶ kept
 *
 * Main thread; no clock of its own.
 */
import { sameBytes } from '../../dataplane/base/same-bytes.ts';
import type { TokenBucket } from '../limit/token-bucket.ts';
import { type RootClaim, rootName, signedPart } from './root-claim.ts';
import { TREE_LIMIT, TREE_TIMING } from './tree-limits.ts';
import type { WholeClaim } from './tree-message.ts';
import type { TreeNow, TreePorts } from './tree-port.ts';

/** Why a claim is not taken; the name of its counter. */
export type ClaimRefusal = 'foreign' | 'expired' | 'fromFuture' | 'overBudget' | 'forged' | 'unknownClaims';

/** See the file's head. */
export class ClaimBook {
  readonly #ports: TreePorts;
  readonly #segmentKey: Uint8Array;
  /** By root and sequence; the one used last is last. */
  readonly #claims = new Map<string, RootClaim>();

  constructor(ports: TreePorts, segmentKey: Uint8Array) {
    this.#ports = ports;
    this.#segmentKey = segmentKey;
  }

  /** A claim that a neighbour only refers to. */
  find(root: string, sequence: number, nowMs: number): RootClaim | ClaimRefusal {
    const claim = this.#claims.get(keyOf(root, sequence));
    if (claim === undefined) {
      return 'unknownClaims';
    }
    return claim.endsAtMs > nowMs ? claim : 'expired';
  }

  keep(claim: RootClaim): void {
    const key = keyOf(claim.root, claim.sequence);
    this.#claims.delete(key);
    this.#claims.set(key, claim);
    for (const oldest of this.#claims.keys()) {
      if (this.#claims.size <= TREE_LIMIT.claims) {
        return;
      }
      this.#claims.delete(oldest);
    }
  }

  /** @param budget - of the neighbour that sent it */
  admit(claim: WholeClaim, budget: TokenBucket, now: TreeNow): RootClaim | ClaimRefusal {
    const root = rootName(claim.rootBytes);
    const known = this.#claims.get(keyOf(root, claim.sequence));
    if (known !== undefined && isSame(known, claim)) {
      return known.endsAtMs > now.nowMs ? known : 'expired';
    }
    if (!sameBytes(claim.segmentKey, this.#segmentKey)) {
      return 'foreign';
    }
    const endsAtMs = claimEndMs(claim.expiresAtUnixMs, now);
    if (endsAtMs <= now.nowMs) {
      return 'expired';
    }
    if (claim.sequence > now.unixMs + TREE_TIMING.sequenceAheadMs) {
      return 'fromFuture';
    }
    if (!budget.take(now.nowMs)) {
      return 'overBudget';
    }
    if (!this.#ports.verify(this.#segmentKey, signedPart(claim), claim.signature)) {
      return 'forged';
    }
    const admitted: RootClaim = { ...claim, root, endsAtMs };
    this.keep(admitted);
    return admitted;
  }
}

/** When nobody is followed by a claim any more, on this node's clock: a life that is too long is cut. */
export function claimEndMs(expiresAtUnixMs: number, now: TreeNow): number {
  const leftMs = Math.min(expiresAtUnixMs - now.unixMs, TREE_TIMING.claimLifetimeMs);
  return now.nowMs + leftMs + TREE_TIMING.claimSlackMs;
}

function keyOf(root: string, sequence: number): string {
  return `${root}/${sequence}`;
}

function isSame(known: RootClaim, claim: WholeClaim): boolean {
  return (
    known.expiresAtUnixMs === claim.expiresAtUnixMs &&
    sameBytes(known.signature, claim.signature) &&
    sameBytes(known.segmentKey, claim.segmentKey)
  );
}

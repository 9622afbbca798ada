/**
 * A member's own root claim: when it is signed anew, and with which sequence.
 *
 *   sequence = max(the last one + 1, what was asked for, Unix time)
 *
 * So it goes on upwards over a restart, without anything stored. A new one is signed when this node becomes root, when
 * somebody needs it, and in time before the old one ends.
 *
 * Main thread; no clock of its own.
 */
import { TokenBucket } from '../limit/token-bucket.ts';
import { claimEndMs } from './claim-book.ts';
import { type RootClaim, rootName, signedPart } from './root-claim.ts';
import { TREE_LIMIT, TREE_TIMING } from './tree-limits.ts';
import type { TreeMember, TreeNow, TreePorts } from './tree-port.ts';

/** See the file's head. */
export class OwnClaim {
  readonly root: string;
  /** How many were signed. */
  signed = 0;
  readonly #rootBytes: Uint8Array;
  readonly #member: TreeMember;
  readonly #segmentKey: Uint8Array;
  readonly #ports: TreePorts;
  readonly #budget = new TokenBucket(TREE_LIMIT.raises);
  #claim: RootClaim | undefined;
  #signedAtMs = Number.NEGATIVE_INFINITY;
  /** What somebody asked for. */
  #wanted = 0;
  #raiseDueMs = Number.POSITIVE_INFINITY;

  constructor(member: TreeMember, segmentKey: Uint8Array, ports: TreePorts) {
    this.#member = member;
    this.#segmentKey = segmentKey;
    this.#ports = ports;
    this.#rootBytes = Uint8Array.of(member.rank, ...member.priority);
    this.root = rootName(this.#rootBytes);
  }

  /** When the claim is to be renewed, as long as this node is root. */
  get dueMs(): number {
    return Math.min(this.#raiseDueMs, this.#signedAtMs + TREE_TIMING.refreshMs);
  }

  /** This node becomes root: with a sequence that is new to all. */
  begin(now: TreeNow): RootClaim {
    this.#raiseDueMs = Math.min(this.#raiseDueMs, now.nowMs);
    return this.current(now);
  }

  /** Somebody needs a sequence of at least this, and gets it soon. */
  raise(sequence: number, now: TreeNow): void {
    if (this.#claim !== undefined && sequence <= this.#claim.sequence) {
      return; // it is on its way already
    }
    this.#wanted = Math.min(sequence, Math.floor(now.unixMs) + TREE_TIMING.sequenceRaiseAheadMs);
    this.#raiseDueMs = Math.min(
      this.#raiseDueMs,
      Math.max(now.nowMs, this.#signedAtMs + TREE_TIMING.raiseGapMs),
    );
  }

  /** The claim to go by now. */
  current(now: TreeNow): RootClaim {
    const isDue = now.nowMs >= this.dueMs;
    if (this.#claim !== undefined && !isDue) {
      return this.#claim;
    }
    const isEnding = now.nowMs >= this.#signedAtMs + TREE_TIMING.refreshMs;
    if (this.#claim !== undefined && !isEnding && !this.#budget.take(now.nowMs)) {
      this.#raiseDueMs = now.nowMs + 1_000 / TREE_LIMIT.raises.perSecond;
      return this.#claim;
    }
    this.#claim = this.#signNew(now);
    return this.#claim;
  }

  #signNew(now: TreeNow): RootClaim {
    const unixMs = Math.floor(now.unixMs);
    const expiresAtUnixMs = unixMs + TREE_TIMING.claimLifetimeMs;
    const fields = {
      segmentKey: this.#segmentKey,
      rootBytes: this.#rootBytes,
      sequence: Math.max((this.#claim?.sequence ?? 0) + 1, this.#wanted, unixMs),
      expiresAtUnixMs,
    };
    this.signed++;
    this.#wanted = 0;
    this.#raiseDueMs = Number.POSITIVE_INFINITY;
    this.#signedAtMs = now.nowMs;
    const signature = this.#ports.sign(this.#member.seed, signedPart(fields));
    return { ...fields, root: this.root, signature, endsAtMs: claimEndMs(expiresAtUnixMs, now) };
  }
}

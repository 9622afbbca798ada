/**
 * Requests for a root's next sequence: which ones this node makes, and which it passes on.
 *
 *   wanted ──▶ every neighbour that tells the root with an older sequence ──▶ again after 0.3, 0.6, 1.2 … s
 *   heard  ──▶ passed on towards the root, the same one once in 200 ms
 *
 * Main thread; no clock of its own.
 *
 * @see RFC 8966 §3.8.2.1
 */
import type { Neighbour } from './neighbour.ts';
import { TREE_LIMIT, TREE_TIMING } from './tree-limits.ts';
import type { TreeRequest } from './tree-message.ts';

/** A root and the least sequence of it that would help. */
export interface WantedSequence {
  readonly root: string;
  readonly sequence: number;
}

/** See the file's head. */
export class SequenceRequests {
  /** By root: the sequence that was passed on last, and when. */
  readonly #forwarded = new Map<string, { readonly sequence: number; readonly atMs: number }>();

  /** The neighbours to ask now, which are then taken for asked. */
  ask(neighbours: Iterable<Neighbour>, wanted: WantedSequence, nowMs: number): Neighbour[] {
    const asked: Neighbour[] = [];
    for (const neighbour of neighbours) {
      if (nowMs >= askDueMs(neighbour, wanted)) {
        const last = isFor(neighbour, wanted) ? neighbour.requested : undefined;
        const intervalMs = Math.min(
          (last?.intervalMs ?? TREE_TIMING.requestRetryMs / 2) * 2,
          TREE_TIMING.requestRetryMaxMs,
        );
        neighbour.requested = { ...wanted, sentAtMs: nowMs, dueMs: nowMs + intervalMs, intervalMs };
        asked.push(neighbour);
      }
    }
    return asked;
  }

  /** When a neighbour is to be asked. */
  dueMs(neighbours: Iterable<Neighbour>, wanted: WantedSequence): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const neighbour of neighbours) {
      dueMs = Math.min(dueMs, askDueMs(neighbour, wanted));
    }
    return dueMs;
  }

  /** Whether a request that was heard is passed on: nobody did lately. */
  mayForward(request: TreeRequest, nowMs: number): boolean {
    const last = this.#forwarded.get(request.root);
    const isKnown = last !== undefined && last.sequence >= request.sequence;
    if (isKnown && nowMs < last.atMs + TREE_TIMING.forwardGapMs) {
      return false;
    }
    this.#forwarded.delete(request.root);
    this.#forwarded.set(request.root, { sequence: request.sequence, atMs: nowMs });
    for (const oldest of this.#forwarded.keys()) {
      if (this.#forwarded.size <= TREE_LIMIT.requests) {
        break;
      }
      this.#forwarded.delete(oldest);
    }
    return true;
  }
}

function askDueMs(neighbour: Neighbour, wanted: WantedSequence): number {
  const { offer } = neighbour;
  if (offer?.claim.root !== wanted.root || offer.sequence >= wanted.sequence) {
    return Number.POSITIVE_INFINITY;
  }
  return isFor(neighbour, wanted) ? (neighbour.requested?.dueMs ?? 0) : 0;
}

function isFor({ requested }: Neighbour, wanted: WantedSequence): boolean {
  return requested?.root === wanted.root && requested.sequence === wanted.sequence;
}

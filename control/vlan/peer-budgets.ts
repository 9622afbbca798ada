/**
 * How often each of many peers, and all of them together, may make us work.
 *
 * Main thread, pure, on the caller's clock. Remembers a bounded number of peers: the one that came first is forgotten
 * first, and the budget of all stands for those that are forgotten.
 */
import { TokenBucket } from '../limit/token-bucket.ts';

/** More peers than a node has connections would be made-up ones. */
const MAX_PEERS = 1_024;

interface Budget {
  readonly burst: number;
  readonly perSecond: number;
}

/** See the file's head. */
export class PeerBudgets {
  readonly #each: Budget;
  readonly #all: TokenBucket;
  readonly #peers = new Map<string, TokenBucket>();

  constructor(budgets: { readonly each: Budget; readonly all: Budget }) {
    this.#each = budgets.each;
    this.#all = new TokenBucket(budgets.all);
  }

  /** @returns whether the peer may; its and the common budget are spent then */
  take(peer: string, nowMs: number): boolean {
    const budget = this.#peers.get(peer) ?? this.#add(peer, nowMs);
    return budget.take(nowMs) && this.#all.take(nowMs);
  }

  #add(peer: string, nowMs: number): TokenBucket {
    const [first] = this.#peers.keys();
    if (this.#peers.size >= MAX_PEERS && first !== undefined) this.#peers.delete(first);
    const budget = new TokenBucket(this.#each, nowMs);
    this.#peers.set(peer, budget);
    return budget;
  }
}

/**
 * Commits of others: has them fetched, passes them on, has them processed, judges them, acknowledges them.
 *
 *   item ─▶ wanted? ─▶ fetch ─▶ offer and pass on ─▶ process from its base ─▶ allowed? ─▶ valid ─▶ ack
 *           (on the head, or on the way to the branch that counts)             └──▶ invalid, closed
 *
 * A commit is passed on only by who holds it, so whoever sends an item can be asked for the commit.
 *
 * Main thread and simulation; no I/O.
 */
import type { GroupResult, StateId } from '../group-port.ts';
import type { CommitEntry } from './commit-book.ts';
import { faultOfCommit } from './commit-rules.ts';
import type { Gossip } from './gossip.ts';
import type { Ack, CommitItem } from './item.ts';
import type { OrderContext } from './order-context.ts';
import { ORDER_TIMING } from './order-port.ts';

/** Processed at a time: the pool has few threads, and other VLANs. */
const PROCESSING_MAX = 2;
/** Acknowledgements that came before their commit. */
const EARLY_ACKS_MAX = 64;

/** See the file's head. */
export class CommitDesk {
  readonly #context: OrderContext;
  readonly #gossip: Gossip;
  /** What the way to the branch that counts leads over. */
  wanted: ReadonlySet<StateId> = new Set();
  readonly #earlyAcks = new Map<StateId, Set<string>>();
  #processing = 0;

  constructor(context: OrderContext, gossip: Gossip) {
    this.#context = context;
    this.#gossip = gossip;
  }

  /** Takes a genuine item of another. @param from - the neighbour that sent it */
  learned(item: CommitItem, from: string): void {
    const known = this.#context.book.get(item.digest);
    if (known !== undefined) {
      known.sources.add(from);
      return;
    }
    if (this.#context.book.isSpent(item)) {
      this.#context.count('equivocations');
      return;
    }
    const entry = this.#context.book.add(item, this.#context.nowMs);
    entry.sources.add(from);
    for (const peer of this.#earlyAcks.get(item.digest) ?? []) entry.acks.add(peer);
    this.#earlyAcks.delete(item.digest);
    this.#context.moveHeads();
  }

  /** Takes a genuine acknowledgement. */
  acknowledged(ack: Ack): void {
    const entry = this.#context.book.get(ack.digest);
    if (entry !== undefined) {
      entry.acks.add(ack.peer);
      this.#context.isDirty = true;
      return;
    }
    const early = this.#earlyAcks.get(ack.digest) ?? new Set();
    early.add(ack.peer);
    this.#earlyAcks.set(ack.digest, early);
    const oldest = this.#earlyAcks.keys().next();
    if (this.#earlyAcks.size > EARLY_ACKS_MAX && oldest.done !== true) this.#earlyAcks.delete(oldest.value);
  }

  /** A commit that was fetched, or could not be. @returns whether it was one */
  object(digest: StateId, bytes: Uint8Array | undefined): boolean {
    const entry = this.#context.book.get(digest);
    if (entry?.isFetching !== true) return false;
    entry.isFetching = false;
    this.#context.moveHeads();
    if (bytes === undefined) return true;
    entry.retryAtMs = this.#context.nowMs;
    entry.bytes = bytes;
    this.hold(entry, bytes);
    return true;
  }

  /** Offers a commit and passes its item on. */
  hold(entry: CommitEntry, bytes: Uint8Array): void {
    if (entry.isHeld) return;
    entry.isHeld = true;
    this.#context.emit({ kind: 'offer', digest: entry.item.digest, bytes });
    this.#gossip.spread(entry.item.bytes);
  }

  /** Goes on with all that is wanted. */
  advance(): void {
    const { head, book } = this.#context;
    for (const entry of book.all()) {
      const isOnHead = entry.item.base === head?.state.id;
      if (entry.verdict !== 'open' || (!isOnHead && !this.wanted.has(entry.item.digest))) continue;
      if (entry.bytes === undefined) this.#fetch(entry);
      else this.#process(entry, entry.bytes);
    }
  }

  /** Whether nobody could hand a commit over in good time. */
  isLost(entry: CommitEntry): boolean {
    return entry.bytes === undefined && this.#context.nowMs - entry.sinceMs > ORDER_TIMING.fetchMs;
  }

  nextTimeoutMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const entry of this.#context.book.all()) {
      const waits = entry.verdict === 'open' && !entry.isFetching && !entry.isProcessing;
      const isOnHead = entry.item.base === this.#context.head?.state.id;
      if (waits && (isOnHead || this.wanted.has(entry.item.digest)))
        nextMs = Math.min(nextMs, entry.retryAtMs);
    }
    return nextMs;
  }

  #fetch(entry: CommitEntry): void {
    if (entry.isFetching || entry.retryAtMs > this.#context.nowMs) return;
    const sources = [...entry.sources].filter((peer) => this.#gossip.has(peer));
    // After a failure anybody may have it by now.
    const isFirst = this.#context.nowMs - entry.sinceMs < ORDER_TIMING.retryMs;
    const others =
      isFirst && sources.length > 0 ? [] : this.#gossip.known().filter((peer) => !entry.sources.has(peer));
    const from = [...sources, ...others];
    entry.retryAtMs = this.#context.nowMs + ORDER_TIMING.retryMs;
    if (from.length === 0) return;
    entry.isFetching = true;
    this.#context.emit({ kind: 'fetch', digest: entry.item.digest, from });
  }

  #process(entry: CommitEntry, commit: Uint8Array): void {
    const { base } = entry.item;
    if (entry.isProcessing || this.#processing >= PROCESSING_MAX || !this.#context.kept.has(base)) return;
    if (entry.retryAtMs > this.#context.nowMs) return;
    entry.isProcessing = true;
    this.#processing++;
    this.#context.job({ op: 'process', base, commit }, (result) => {
      entry.isProcessing = false;
      this.#processing--;
      this.#context.moveHeads();
      this.#processed(entry, result);
    });
  }

  #processed(entry: CommitEntry, result: GroupResult<'process'>): void {
    const context = this.#context;
    if (!result.ok) {
      this.#failed(entry, result);
      return;
    }
    const base = context.kept.get(entry.item.base);
    const { state, facts } = result.value;
    if (state === undefined) {
      // Who asked to go has gone; else it is for an admin's tombstone to tell, or for those who follow the commit.
      context.hasLeft ||= context.isLeaving;
      this.#refuse(entry, 'closed');
      return;
    }
    if (base === undefined) {
      // Nobody goes that way any more; should it count again, it is processed again.
      context.drop([state.id]);
      return;
    }
    const next = state.id === entry.item.digest ? context.read(state) : undefined;
    const fault =
      next === undefined ? 'unreadable' : faultOfCommit({ base, item: entry.item, facts, next }, context);
    if (next === undefined || fault !== undefined) {
      context.drop([state.id]);
      this.#refuse(entry, 'invalid');
      return;
    }
    entry.verdict = 'valid';
    entry.state = state;
    entry.bytes = undefined;
    context.kept.set(state.id, next);
    context.addFamiliar(next.roster.keys());
    this.#acknowledge(entry);
  }

  #failed(entry: CommitEntry, failure: GroupResult<'process'> & { readonly ok: false }): void {
    if (failure.code === 'failed') {
      this.#context.notice('group-failed', failure.reason);
      entry.retryAtMs = this.#context.nowMs + ORDER_TIMING.retryMs;
      return;
    }
    // Others may be able to follow what we cannot: a path may be broken towards us alone.
    this.#refuse(entry, 'closed');
  }

  #refuse(entry: CommitEntry, verdict: 'invalid' | 'closed'): void {
    entry.verdict = verdict;
    entry.bytes = undefined;
    this.#context.count('invalidCommits');
  }

  #acknowledge(entry: CommitEntry): void {
    const { head, self } = this.#context;
    if (head === undefined || entry.item.base !== head.state.id) return;
    entry.acks.add(self);
    const { base, digest } = entry.item;
    this.#gossip.spread(this.#context.sign({ type: 'ack', base, digest, tag: head.state.tag }));
  }
}

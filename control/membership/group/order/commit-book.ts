/**
 * The commits that are known, of all branches: a forest by base and digest, as far back as branches are compared.
 *
 *        ┌─ b ── c ── d    head
 *   a ───┤
 *        └─ x ── y         a branch of others
 *
 * What an entry says is its committer's word until the commit has been processed. Bounded: the oldest that are
 * neither on the own chain nor wanted go first, and a member has few commits on one base.
 *
 * Main thread and simulation; no I/O.
 */
import type { GroupState, StateId } from '../group-port.ts';
import { addedBy, type CommitItem } from './item.ts';
import { ORDER_LIMIT } from './order-port.ts';

/** `invalid`: the group's or the policy's rules forbid it; `closed`: this node cannot follow it, others may. */
export type Verdict = 'open' | 'valid' | 'invalid' | 'closed';

/** One commit and what has become of it here. */
export interface CommitEntry {
  readonly item: CommitItem;
  /** Neighbours that sent the item, and so held the commit. */
  readonly sources: Set<string>;
  verdict: Verdict;
  /** The commit's bytes until it is processed. */
  bytes: Uint8Array | undefined;
  /** Whether it is offered to others and was passed on. */
  isHeld: boolean;
  isFetching: boolean;
  isProcessing: boolean;
  /** Since when it is known, and from when it may be fetched (again). */
  readonly sinceMs: number;
  retryAtMs: number;
  /** Members that acknowledged it, the committer included. */
  readonly acks: Set<string>;
  /** In which state it results, as long as that is kept. */
  state: GroupState | undefined;
}

/** See the file's head. */
export class CommitBook {
  readonly #entries = new Map<StateId, CommitEntry>();

  get(digest: StateId): CommitEntry | undefined {
    return this.#entries.get(digest);
  }

  all(): Iterable<CommitEntry> {
    return this.#entries.values();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Commits on a base that are not known to be invalid. */
  on(base: StateId): readonly CommitEntry[] {
    const found: CommitEntry[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.item.base === base && entry.verdict !== 'invalid') found.push(entry);
    }
    return found;
  }

  /** Whether this member has used up its commits on that base. */
  isSpent(item: CommitItem): boolean {
    let count = 0;
    for (const { item: other } of this.#entries.values()) {
      if (other.peer === item.peer && other.base === item.base) count++;
    }
    return count >= ORDER_LIMIT.commitsPerMember;
  }

  add(item: CommitItem, nowMs: number): CommitEntry {
    const entry: CommitEntry = {
      item,
      sources: new Set(),
      verdict: 'open',
      bytes: undefined,
      isHeld: false,
      isFetching: false,
      isProcessing: false,
      sinceMs: nowMs,
      retryAtMs: nowMs,
      acks: new Set([item.peer]),
      state: undefined,
    };
    this.#entries.set(item.digest, entry);
    return entry;
  }

  /** From a state back to the oldest base that is known; the state itself first. At most `most` long. */
  chain(from: StateId, most: number = ORDER_LIMIT.commits): readonly StateId[] {
    const ids: StateId[] = [from];
    for (
      let entry = this.#entries.get(from);
      entry !== undefined;
      entry = this.#entries.get(entry.item.base)
    ) {
      if (ids.length >= most || ids.includes(entry.item.base)) break;
      ids.push(entry.item.base);
    }
    return ids;
  }

  /** Whether a commit after `base`, up to `from`, has let a peer in or taken it out. */
  hasMoved(peer: string, base: StateId, from: StateId): boolean {
    const chain = this.chain(from);
    return chain.slice(0, Math.max(0, chain.indexOf(base))).some((id) => {
      const item = this.#entries.get(id)?.item;
      return item !== undefined && (item.removed.includes(peer) || addedBy(item).includes(peer));
    });
  }

  /**
   * Who was a member at a state: what the commits say that lie between it and a state whose members are known.
   *
   * @param members - at `from`
   * @returns undefined when no known state is common to both
   */
  rosterAt(
    state: StateId,
    from: { readonly id: StateId; readonly members: Iterable<string> },
  ): ReadonlySet<string> | undefined {
    const [back, forth] = [this.chain(from.id), this.chain(state)];
    const depth = back.findIndex((id) => forth.includes(id));
    const meeting = back[depth];
    if (meeting === undefined) return undefined;
    const roster = new Set(from.members);
    for (const id of back.slice(0, depth)) this.#undo(id, roster);
    for (const id of forth.slice(0, forth.indexOf(meeting)).reverse()) this.#redo(id, roster);
    return roster;
  }

  #undo(id: StateId, roster: Set<string>): void {
    const item = this.#entries.get(id)?.item;
    if (item === undefined) return;
    if (!item.isReturning) for (const peer of addedBy(item)) roster.delete(peer);
    for (const peer of item.removed) roster.add(peer);
  }

  #redo(id: StateId, roster: Set<string>): void {
    const item = this.#entries.get(id)?.item;
    if (item === undefined) return;
    for (const peer of item.removed) roster.delete(peer);
    for (const peer of addedBy(item)) roster.add(peer);
  }

  /**
   * Forgets what is too much.
   *
   * @param keep - what must stay
   * @returns what went
   */
  prune(keep: (entry: CommitEntry) => boolean): readonly CommitEntry[] {
    const gone: CommitEntry[] = [];
    if (this.#entries.size <= ORDER_LIMIT.commits) return gone;
    for (const [digest, entry] of this.#entries) {
      if (this.#entries.size <= (ORDER_LIMIT.commits * 3) / 4) break;
      if (keep(entry)) continue;
      this.#entries.delete(digest);
      gone.push(entry);
    }
    return gone;
  }
}

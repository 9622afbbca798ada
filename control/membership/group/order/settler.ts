/**
 * When a commit counts: collects the commits on the head, picks one, writes the head, and only then lets it be used.
 *
 *   first valid commit on the head ─▶ up to 1 s, less when all live members have acknowledged the only one
 *     ─▶ pick: one that holds nobody who was put out, then not by who made the head unless an admin, then an admin's,
 *        then the lowest digest ─▶ adopt
 *   adopt ─▶ store the head ─▶ stored ─▶ `settled`, heartbeat
 *
 * A head that is adopted while another is being written waits for its turn; only the last one is told. States that
 * are no longer near the head, or older than 120 s, are destroyed.
 *
 * Main thread and simulation; no I/O.
 */
import type { GroupMember, StateId } from '../group-port.ts';
import { comesFirst } from './branch-choice.ts';
import { type CommitEntry } from './commit-book.ts';
import type { CommitDesk } from './commit-desk.ts';
import { encodeHead } from './head.ts';
import type { Kept, OrderContext } from './order-context.ts';
import { ORDER_LIMIT, ORDER_TIMING } from './order-port.ts';

/** States kept besides the head: ancestors, and candidates on them. */
const KEPT_MAX = 3 * ORDER_LIMIT.checkpoints;

/** See the file's head. */
export class Settler {
  readonly #context: OrderContext;
  readonly #desk: CommitDesk;
  /** Told after each change of the head, before it is written. */
  onAdopted: (kept: Kept, before: Kept | undefined) => void = () => undefined;
  /** Told when a head may be spoken of. */
  onPublished: (kept: Kept) => void = () => undefined;
  /** The last heartbeat's sequence; written ahead, so that none comes twice. */
  sequence = 0;
  #headSinceMs = 0;
  #collectUntilMs = Number.POSITIVE_INFINITY;
  #nextStore = 1;
  #storing:
    | { readonly id: number; readonly head: Kept | undefined; readonly then: (() => void)[] }
    | undefined;
  #needsStore = false;
  #waiting: (() => void)[] = [];
  #storeAtMs = Number.POSITIVE_INFINITY;
  /** The head that may be used. */
  published: Kept | undefined;
  /** The last one that the frame path was told of. */
  #told: Kept | undefined;

  constructor(context: OrderContext, desk: CommitDesk) {
    this.#context = context;
    this.#desk = desk;
  }

  // ── Picking ──────────────────────────────────────────────────────────────────────────────────────────

  /** Settles what is ready. */
  evaluate(): void {
    for (let next = this.#ready(); next !== undefined; next = this.#ready()) {
      const kept = this.#context.kept.get(next.item.digest);
      if (kept === undefined) return;
      this.adopt(kept);
    }
  }

  /** Commits on the head that others may yet go over to: known, not refused, not lost. */
  candidates(): readonly CommitEntry[] {
    const { head, book } = this.#context;
    if (head === undefined) return [];
    return book.on(head.state.id).filter((entry) => {
      const isDead = entry.verdict === 'closed' || (entry.verdict === 'open' && this.#desk.isLost(entry));
      return !isDead && !this.#context.standings.isOut(entry.item.peer) && !this.#bringsBack(entry);
    });
  }

  /**
   * By whoever made the head, who is no admin, and at once: it waits for others to have their turn, or one member that
   * makes one commit after the other would keep all others from ever making one.
   */
  isAgain({ item }: CommitEntry): boolean {
    const { head, book, admins, nowMs } = this.#context;
    const last = book.get(head?.state.id ?? '')?.item.peer;
    return item.peer === last && !admins.has(item.peer) && nowMs < this.#headSinceMs + ORDER_TIMING.collectMs;
  }

  #ready(): CommitEntry | undefined {
    const { nowMs, head } = this.#context;
    if (head === undefined) return undefined;
    const candidates = this.candidates();
    const valid = candidates.filter(
      ({ verdict, item }) => verdict === 'valid' && this.#context.kept.has(item.digest),
    );
    // Somebody has gone ahead on the branch that counts.
    const decided = valid.find(({ item }) => this.#desk.wanted.has(item.digest));
    if (decided !== undefined) return decided;
    if (valid.length === 0) {
      this.#collectUntilMs = Number.POSITIVE_INFINITY;
      return undefined;
    }
    if (this.#collectUntilMs === Number.POSITIVE_INFINITY)
      this.#collectUntilMs = nowMs + ORDER_TIMING.collectMs;
    const only = candidates.length === 1 ? valid[0] : undefined;
    if (only !== undefined && !this.isAgain(only) && this.#isAcknowledgedByAll(only, head)) return only;
    return nowMs >= this.#collectUntilMs ? this.#pick(valid) : undefined;
  }

  #isAcknowledgedByAll(entry: CommitEntry, head: Kept): boolean {
    const { self } = this.#context;
    for (const peer of head.roster.keys()) {
      const counts = peer !== self && this.#context.isLive(peer) && !this.#context.standings.isOut(peer);
      if (counts && !entry.acks.has(peer) && !entry.item.removed.includes(peer)) return false;
    }
    return true;
  }

  #pick(valid: readonly CommitEntry[]): CommitEntry | undefined {
    const { admins, book, head } = this.#context;
    const last = book.get(head?.state.id ?? '')?.item.peer;
    const holds = (entry: CommitEntry): boolean =>
      this.#context.holdsTombstoned(this.#context.kept.get(entry.item.digest)?.roster.keys() ?? []);
    const [first, ...others] = valid;
    let best = first;
    for (const entry of others) {
      if (best === undefined) break;
      // The lower number wins: somebody put out, then one member twice in a row that is no admin.
      const rank = (of: CommitEntry): number =>
        (holds(of) ? 2 : 0) + (of.item.peer === last && !admins.has(of.item.peer) ? 1 : 0);
      const [ones, bests] = [rank(entry), rank(best)];
      const wins = ones === bests ? comesFirst(entry, best, (peer) => admins.has(peer)) : ones < bests;
      if (wins) best = entry;
    }
    return best;
  }

  /** Lets somebody in who was put out, by what is known here. */
  #bringsBack({ item }: CommitEntry): boolean {
    const { standings } = this.#context;
    if (item.isExternal)
      return standings.isOut(item.peer) && !item.admissions.some((bytes) => this.#allows(bytes));
    return item.admitted.some(
      (peer, index) => standings.isOut(peer) && !this.#allows(item.admissions[index]),
    );
  }

  #allows(admission: Uint8Array | undefined): boolean {
    const { admins, standings } = this.#context;
    return admission !== undefined && this.#context.readAdmission(admission, admins, standings) !== undefined;
  }

  // ── Adopting ─────────────────────────────────────────────────────────────────────────────────────────

  /** Makes a state the head. */
  adopt(kept: Kept): void {
    const { head, nowMs, book } = this.#context;
    if (head !== undefined) head.idleSinceMs = nowMs;
    this.#context.kept.set(kept.state.id, kept);
    this.#context.head = kept;
    this.#context.phase = 'active';
    this.#headSinceMs = nowMs;
    this.#context.moveHeads();
    this.#collectUntilMs = Number.POSITIVE_INFINITY;
    this.#context.count('settled');
    this.#context.addFamiliar(kept.roster.keys());
    for (const lost of head === undefined ? [] : book.on(head.state.id)) {
      if (lost.item.digest !== kept.state.id) this.#context.count('commitsLost');
    }
    this.onAdopted(kept, head);
    this.store();
  }

  /** Destroys states that nobody goes back to. */
  prune(): void {
    const { head, kept, nowMs } = this.#context;
    if (head === undefined) return;
    const chain = new Set(this.#context.headChain());
    const gone: StateId[] = [];
    for (const [id, state] of kept) {
      if (state === head || this.#context.pinned.has(id) || this.#isBeingStored(state)) continue;
      const base = this.#context.book.get(id)?.item.base ?? '';
      const isNear = chain.has(id) || chain.has(base) || this.#desk.wanted.has(id);
      if (!isNear || nowMs - state.idleSinceMs >= ORDER_TIMING.checkpointMs) gone.push(id);
    }
    const rest = [...kept.values()].filter(
      (state) =>
        state !== head &&
        !gone.includes(state.state.id) &&
        !this.#context.pinned.has(state.state.id) &&
        !this.#isBeingStored(state),
    );
    rest.sort((one, other) => one.idleSinceMs - other.idleSinceMs);
    for (const state of rest.slice(0, Math.max(0, rest.length - KEPT_MAX))) gone.push(state.state.id);
    this.#context.drop(gone);
  }

  // ── Storing ──────────────────────────────────────────────────────────────────────────────────────────

  /** Writes the head as it now is. @param then - called when that is on disk */
  store(then?: () => void): void {
    if (then !== undefined) this.#waiting.push(then);
    this.#needsStore = true;
    if (this.#storing === undefined && this.#storeAtMs === Number.POSITIVE_INFINITY) this.#write();
  }

  stored(id: number, ok: boolean): void {
    if (this.#storing?.id !== id) return;
    const { head, then } = this.#storing;
    this.#storing = undefined;
    if (!ok) {
      this.#context.notice('store-failed', 'the group state could not be written; it is tried again');
      this.#waiting.unshift(...then);
      this.#needsStore = true;
      this.#storeAtMs = this.#context.nowMs + ORDER_TIMING.retryMs;
      return;
    }
    if (head !== undefined && head === this.#context.head) this.#publish(head);
    for (const act of then) act();
    if (this.#needsStore) this.#write();
  }

  tick(): void {
    if (this.#storeAtMs <= this.#context.nowMs) this.#write();
  }

  /** A head that was read from disk, or that `join` has put there with its state: usable once it is written again. */
  nextTimeoutMs(): number {
    return Math.min(this.#collectUntilMs, this.#storeAtMs);
  }

  /** Tells the frame path of the head unless somebody in it is put out. */
  tell(): void {
    const head = this.published;
    if (head === undefined || head === this.#told || this.#context.holdsTombstoned(head.roster.keys()))
      return;
    const before: Kept['roster'] = this.#told?.roster ?? new Map<string, GroupMember>();
    this.#told = head;
    const removed = [...before.keys()].filter((peer) => !head.roster.has(peer));
    this.#context.emit({
      kind: 'settled',
      state: head.state,
      record: head.policy.record,
      added: [...head.roster.keys()].filter((peer) => !before.has(peer)),
      removed,
      removedByAdmin: removed.some((peer) => this.#context.standings.isOut(peer)),
    });
  }

  #publish(head: Kept): void {
    if (this.published === head) return;
    this.published = head;
    this.tell();
    this.onPublished(head);
  }

  #isBeingStored(state: Kept): boolean {
    return this.#storing?.head === state || this.published === state;
  }

  #write(): void {
    const { head, kept, record } = this.#context;
    if (record === undefined) return;
    this.#needsStore = false;
    this.#storeAtMs = Number.POSITIVE_INFINITY;
    const others = [...kept.keys()].filter((id) => id !== head?.state.id);
    const states = head === undefined ? others : [head.state.id, ...others];
    const items = this.#context.headChain().map((id) => this.#context.book.get(id)?.item);
    // Ahead of time, so that a heartbeat does not wait for the disk; a clock that goes on makes it up.
    this.sequence = Math.max(this.sequence, Math.floor(this.#context.nowMs + this.#context.unixOffsetMs));
    const bytes = encodeHead({
      isLeaving: this.#context.isLeaving,
      sequence: this.sequence,
      admission: this.#context.admission,
      states,
      known: { record: record.bytes, rebuild: this.#context.rebuild, standings: this.#context.standings },
      chain: items.filter((item) => item !== undefined),
      familiar: [...this.#context.familiar],
    });
    const id = this.#nextStore++;
    this.#storing = { id, head, then: this.#waiting };
    this.#waiting = [];
    this.#context.emit({ kind: 'store', id, head: bytes });
  }
}

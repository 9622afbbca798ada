/**
 * What waits to be committed, and when this node commits it.
 *
 *   wanted: who was put out goes, who asked to leave goes, who was proposed comes, the newest policy stands
 *   wanted less what the head already says = pending ─▶ rank k waits k steps ─▶ commit job ─▶ store ─▶ offer, tell
 *
 * Nothing is remembered as "to be proposed again": whatever a branch lost is pending again on the branch that won,
 * and removes go into a commit before all else. A member commits at most once on a head.
 *
 * Main thread and simulation; no I/O.
 */
import { hash128 } from '../../../vlan/hash.ts';
import type { CommitJob, GroupMember, GroupResult } from '../group-port.ts';
import type { CommitDesk } from './commit-desk.ts';
import { nextStandings } from './commit-rules.ts';
import { type AddItem, decodeItem } from './item.ts';
import type { Kept, OrderContext } from './order-context.ts';
import { ORDER_LIMIT, ORDER_TIMING } from './order-port.ts';
import { digestText } from './peer-key.ts';
import { encodePolicy } from './policy-extension.ts';
import { rankDelayMs, rankedMembers } from './ranking.ts';
import type { Settler } from './settler.ts';
import type { Welcomes } from './welcomes.ts';

/** What the head does not say yet. */
export interface Pending {
  readonly add: readonly AddItem[];
  readonly remove: readonly string[];
  readonly leave: readonly string[];
  readonly policy: boolean;
}

/** What this node does by itself, whatever its rank. */
export interface OwnWishes {
  /** Commit to renew this node's keys from then on. */
  renewAtMs: number;
  /** Declare this branch the one to come to, as an admin. */
  rebuild: boolean;
}

/** See the file's head. */
export class Committer {
  readonly #context: OrderContext;
  readonly #settler: Settler;
  readonly #desk: CommitDesk;
  readonly #welcomes: Welcomes;
  readonly wishes: OwnWishes = { renewAtMs: Number.POSITIVE_INFINITY, rebuild: false };
  /** Told of joiners that the group does not take. */
  onRefused: (peer: string) => void = () => undefined;
  /** Nothing is committed before. */
  quietUntilMs = 0;
  #pendingSinceMs = Number.POSITIVE_INFINITY;
  #stalledSinceMs = Number.POSITIVE_INFINITY;
  #headSinceMs = 0;
  /** A change waits that only this node may commit. */
  #replaces = false;
  #isWorking = false;
  #hasCommitted = false;
  /** Fewer after a failure, down to one, to find the add that the group does not take. */
  #addsAtOnce: number = ORDER_LIMIT.changesPerCommit;
  #ranked: { readonly of: Kept; readonly members: readonly GroupMember[] } | undefined;
  readonly #longestRttMs: () => number;

  constructor(
    context: OrderContext,
    parts: { settler: Settler; desk: CommitDesk; welcomes: Welcomes; longestRttMs: () => number },
  ) {
    this.#context = context;
    this.#settler = parts.settler;
    this.#desk = parts.desk;
    this.#welcomes = parts.welcomes;
    this.#longestRttMs = parts.longestRttMs;
  }

  /** A new head: ranks and waits begin anew. */
  headChanged(): void {
    this.#hasCommitted = false;
    this.#headSinceMs = this.#context.nowMs;
    this.#pendingSinceMs = Number.POSITIVE_INFINITY;
    this.#stalledSinceMs = Number.POSITIVE_INFINITY;
  }

  /** What the head does not say yet. */
  pending(): Pending {
    const { head, standings, leaves, adds, record, book, self } = this.#context;
    if (head === undefined) return { add: [], remove: [], leave: [], policy: false };
    const remove = [...head.roster.keys()].filter((peer) => standings.isOut(peer));
    const chain = book.chain(head.state.id, ORDER_LIMIT.checkpoints + 1);
    const leave = [...leaves.values()]
      .filter(({ peer, base }) => head.roster.has(peer) && chain.includes(base) && !remove.includes(peer))
      .filter(({ peer, base }) => peer !== self && !book.hasMoved(peer, base, head.state.id))
      .map(({ peer }) => peer);
    const add = [...adds.values()].filter((item) => this.#mayAdd(item, head, chain));
    const isNewer = record !== undefined && record.facts.sequence > head.record.sequence;
    return { add, remove, leave, policy: isNewer || !head.policy.standings.covers(standings) };
  }

  /** Commits when it is this node's turn. */
  evaluate(): void {
    const { head, nowMs } = this.#context;
    if (head === undefined || this.#context.phase !== 'active') return;
    const pending = this.pending();
    const isPending = pending.policy || pending.add.length + pending.remove.length + pending.leave.length > 0;
    if (!isPending) this.#pendingSinceMs = Number.POSITIVE_INFINITY;
    else if (this.#pendingSinceMs === Number.POSITIVE_INFINITY) this.#pendingSinceMs = nowMs;
    this.#watchForStall(isPending);
    this.#replaces = pending.add.some((item) => this.#isOwnReplacement(item, head));
    if (this.#isBusy() || nowMs < this.dueMs()) return;
    this.#commit(head, pending);
  }

  /** When this node would commit if nobody else does. */
  dueMs(): number {
    const { head, nowMs } = this.#context;
    if (head === undefined || this.#context.phase !== 'active' || this.#isBusy())
      return Number.POSITIVE_INFINITY;
    if (!head.roster.has(this.#context.self) || this.#context.isLeaving) return Number.POSITIVE_INFINITY;
    const renewMs = this.#headSinceMs + head.record.rekeyIntervalSeconds * 1_000;
    const sinceMs = Math.min(this.#pendingSinceMs, renewMs);
    const wishMs = this.wishes.rebuild || this.#replaces ? nowMs : this.wishes.renewAtMs;
    if (sinceMs > nowMs && wishMs > nowMs) return Math.max(this.quietUntilMs, Math.min(sinceMs, wishMs));
    const rank = this.#rank(head);
    return Math.max(this.quietUntilMs, Math.min(wishMs, sinceMs + rankDelayMs(rank, this.#longestRttMs())));
  }

  /** This node's among those who are there and stay. */
  #rank(head: Kept): number {
    const { self, standings, leaves } = this.#context;
    if (this.#ranked?.of !== head) {
      this.#ranked = { of: head, members: rankedMembers(head.state.tag, head.roster.values()) };
    }
    let rank = 0;
    for (const { peer } of this.#ranked.members) {
      if (peer === self) return rank;
      if (this.#context.isLive(peer) && !standings.isOut(peer) && !leaves.has(peer)) rank++;
    }
    return rank;
  }

  nextTimeoutMs(): number {
    return Math.max(this.dueMs(), this.#context.nowMs + 1);
  }

  /** Whether a commit is being made here, or one waits to be settled. */
  #isBusy(): boolean {
    return this.#isWorking || this.#hasCommitted || this.#isTaken();
  }

  /** Whether somebody's commit on the head is to be waited for. */
  #isTaken(): boolean {
    return this.#settler.candidates().some((entry) => !this.#settler.isAgain(entry));
  }

  #watchForStall(isPending: boolean): void {
    const { nowMs } = this.#context;
    if (!isPending) this.#stalledSinceMs = Number.POSITIVE_INFINITY;
    else if (this.#stalledSinceMs === Number.POSITIVE_INFINITY) this.#stalledSinceMs = nowMs;
    else if (nowMs - this.#stalledSinceMs > ORDER_TIMING.stalledMs) {
      this.#context.notice('stalled', 'changes of the VLAN wait, and no member has settled them');
    }
  }

  #mayAdd(item: AddItem, head: Kept, chain: readonly string[]): boolean {
    if (!chain.includes(item.base) || hasBeenAdded(item, chain, this.#context)) return false;
    // A member that lost its state is replaced by the admin that it has turned to, and nobody else.
    if (head.roster.has(item.joiner) && !this.#isOwnReplacement(item, head)) return false;
    return (
      this.#context.readAdmission(item.admission, this.#context.admins, this.#context.standings) !== undefined
    );
  }

  #isOwnReplacement({ peer, joiner }: AddItem, head: Kept): boolean {
    const { self, admins } = this.#context;
    return head.roster.has(joiner) && peer === self && admins.has(self);
  }

  #commit(head: Kept, pending: Pending): void {
    const context = this.#context;
    const out = [...pending.remove, ...pending.leave].slice(0, ORDER_LIMIT.changesPerCommit);
    const room = ORDER_LIMIT.members - head.roster.size + out.length;
    const most = Math.min(this.#addsAtOnce, room, ORDER_LIMIT.changesPerCommit - out.length);
    const add = pending.add.slice(0, Math.max(0, most));
    const replaced = add
      .map(({ joiner }) => joiner)
      .filter((peer) => head.roster.has(peer) && !out.includes(peer));
    const remove = [...out, ...replaced];
    const admissions = add.map(({ admission }) => admission);
    const standings = nextStandings(head.policy.standings, context.standings, admissions, context);
    const isNewer = (context.record?.facts.sequence ?? 0) > head.record.sequence;
    const record = isNewer && context.record !== undefined ? context.record.bytes : head.policy.record;
    const rebuild = this.wishes.rebuild ? this.#newRebuild() : head.policy.rebuild;
    const policy = encodePolicy({ record, rebuild, standings });
    const isSame = Buffer.compare(policy, head.state.policy) === 0;
    const job: CommitJob = {
      op: 'commit',
      base: head.state.id,
      add: add.map(({ joiner, keyPackage }) => ({ peer: joiner, keyPackage })),
      remove,
      ...(isSame ? {} : { policy }),
    };
    this.#isWorking = true;
    context.job(job, (result) => {
      this.#isWorking = false;
      context.isDirty = true;
      if (!result.ok) this.#failed(add, result);
      else this.#made(head, { add, remove }, result.value);
    });
  }

  #made(
    head: Kept,
    changes: { readonly add: readonly AddItem[]; readonly remove: readonly string[] },
    { commit, state, welcome, welcomeDigest }: Extract<GroupResult<'commit'>, { ok: true }>['value'],
  ): void {
    const context = this.#context;
    const kept = context.read(state);
    // Another commit was quicker: ours would only make a fork.
    const isLate = context.head !== head || this.#isTaken() || context.phase !== 'active';
    if (kept === undefined || isLate) {
      context.drop([state.id]);
      return;
    }
    this.#addsAtOnce = ORDER_LIMIT.changesPerCommit;
    const leaves = changes.remove.flatMap((peer) => context.leaves.get(peer)?.bytes ?? []);
    const bytes = context.sign({
      type: 'commit',
      base: head.state.id,
      digest: state.id,
      epoch: state.epoch,
      isExternal: false,
      isReturning: false,
      welcome: welcomeDigest,
      admissions: changes.add.map(({ admission }) => admission),
      admitted: changes.add.map(({ joiner }) => joiner),
      keyPackages: changes.add.map(({ keyPackage }) => digestText(hash128(keyPackage))),
      removed: changes.remove,
      leaves,
    });
    const item = decodeItem(bytes);
    if (item?.type !== 'commit') return;
    this.#hasCommitted = true;
    context.count('commitsMade');
    context.kept.set(state.id, kept);
    context.pinned.add(state.id);
    // A node cannot process its own commit: what it leads to must be found again after a crash.
    this.#settler.store(() => {
      context.pinned.delete(state.id);
      if (context.head !== head) return;
      const entry = context.book.add(item, context.nowMs);
      entry.verdict = 'valid';
      entry.state = state;
      entry.acks.add(context.self);
      if (welcome !== undefined) this.#welcomes.made(item, welcome);
      this.#desk.hold(entry, commit);
      context.moveHeads();
    });
  }

  #failed(add: readonly AddItem[], failure: GroupResult<'commit'> & { readonly ok: false }): void {
    const context = this.#context;
    this.quietUntilMs = context.nowMs + ORDER_TIMING.retryMs;
    if (failure.code === 'failed' || failure.code === 'unknown-state' || add.length === 0) {
      context.notice('group-failed', failure.reason);
      return;
    }
    const [only] = add;
    if (add.length > 1 || only === undefined) {
      this.#addsAtOnce = Math.floor(add.length / 2);
      return;
    }
    context.adds.delete(only.joiner);
    this.onRefused(only.joiner);
    this.#addsAtOnce = ORDER_LIMIT.changesPerCommit;
    context.notice('add-refused', failure.reason, only.joiner);
  }

  #newRebuild(): ReturnType<typeof readRebuild> {
    const generation = (this.#context.rebuild?.generation ?? 0) + 1;
    const rebuildTag = this.#context.ports.randomBytes(16);
    return readRebuild(this.#context.sign({ type: 'rebuild', generation, rebuildTag }));
  }

  /** Its wishes are in the head. */
  wishesFulfilled(): void {
    this.wishes.renewAtMs = Number.POSITIVE_INFINITY;
    this.wishes.rebuild = false;
  }
}

/** Whether a commit since the proposal's base has taken its key package. @param chain - the head first */
export function hasBeenAdded(item: AddItem, chain: readonly string[], context: OrderContext): boolean {
  const since = chain.slice(0, Math.max(0, chain.indexOf(item.base)));
  for (const id of since) {
    const commit = context.book.get(id)?.item;
    const index = commit?.admitted.indexOf(item.joiner) ?? -1;
    if (index >= 0 && commit?.keyPackages[index] === digestText(hash128(item.keyPackage))) return true;
  }
  return false;
}

function readRebuild(bytes: Uint8Array): Kept['policy']['rebuild'] {
  const item = decodeItem(bytes);
  return item?.type === 'rebuild' ? item : undefined;
}

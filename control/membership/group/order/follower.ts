/**
 * Which branch this node follows: sees from the members' heartbeats which one counts, and finds the way there.
 *
 *   heartbeats ─▶ choose (branch-choice.ts) ─┬─ our head                       nothing to do
 *                                            ├─ ahead of it                    process commit after commit
 *                                            ├─ beside it, 1.5 s long          from the last common state that is kept
 *                                            └─ no way there (state destroyed, own or unreadable commit)   rejoin
 *   a head that meets ours nowhere within 5 commits of both, and is no ancestor or descendant, is apart:
 *       the branch of the last rebuild, then most of our members, then the higher epoch, then the lower head
 *       ours loses ─▶ rejoin         ours wins ─▶ wait; an admin rebuilds when they do not come
 *
 * Main thread and simulation; no I/O.
 */
import type { StateId } from '../group-port.ts';
import { chooseHead } from './branch-choice.ts';
import type { CommitDesk } from './commit-desk.ts';
import { type Gossip, LINK_TYPE } from './gossip.ts';
import type { Heartbeat } from './item.ts';
import type { OrderContext } from './order-context.ts';
import { ORDER_LIMIT, ORDER_TIMING } from './order-port.ts';
import { digestBytes } from './peer-key.ts';
import type { Settler } from './settler.ts';

/** Asked for a head's commits so often before it counts as apart. */
const ASK_TRIES = 3;
const ASKED_MAX = 64;

/** How two heads stand to each other; unknown while commits between them are. */
type Kinship = 'near' | 'apart' | 'unknown';

/** A branch that meets ours nowhere, or too far back. */
interface Apart {
  /** Its highest head. */
  readonly head: StateId;
  readonly epoch: number;
  readonly rebuilt: boolean;
  readonly peers: ReadonlySet<string>;
}

/** See the file's head. */
export class Follower {
  readonly #context: OrderContext;
  readonly #gossip: Gossip;
  readonly #desk: CommitDesk;
  readonly #settler: Settler;
  /** The branch to come to from outside, by one of its heads; undefined while there is none. */
  rejoinTo: StateId | undefined;
  /** The members are too far apart, ours is the branch that counts, and they do not come. */
  shouldRebuild = false;
  branches = 1;
  #better: { readonly fork: StateId; readonly sinceMs: number } | undefined;
  #apartSinceMs = Number.POSITIVE_INFINITY;
  #apartCount = 0;
  readonly #asked = new Map<StateId, { tries: number; againAtMs: number }>();
  /** Since when the way to a target has made no progress. */
  #stuck: { readonly at: StateId; readonly sinceMs: number } | undefined;
  #againAtMs = Number.POSITIVE_INFINITY;

  constructor(context: OrderContext, parts: { gossip: Gossip; desk: CommitDesk; settler: Settler }) {
    this.#context = context;
    this.#gossip = parts.gossip;
    this.#desk = parts.desk;
    this.#settler = parts.settler;
  }

  nextTimeoutMs(): number {
    return this.#againAtMs;
  }

  /** Looks at all branches anew. */
  evaluate(): void {
    this.#againAtMs = Number.POSITIVE_INFINITY;
    const heads = this.#heads();
    this.branches = new Set(
      [...heads].filter(([peer]) => this.#context.isLive(peer)).map(([, id]) => id),
    ).size;
    const kin = this.#kin(heads);
    const apart = this.#groups(heads, kin);
    if (this.#context.head === undefined) {
      this.rejoinTo = this.#strongest(apart)?.head;
      if (this.rejoinTo !== undefined) this.#goTo(this.rejoinTo);
      return;
    }
    const near = new Map([...heads].filter(([, id]) => kin.get(id) !== 'apart'));
    const chain = this.#context.headChain();
    const rejoin = this.#judgeApart(apart, new Set(near.keys()));
    if (rejoin !== undefined) {
      this.rejoinTo = rejoin;
      this.#desk.wanted = new Set();
      // Our own commit from outside may already be what they follow.
      this.#goTo(rejoin);
      return;
    }
    const target = this.#choose(chain.at(-1) ?? this.#context.head.state.id, near);
    this.#follow(target, chain);
  }

  #choose(root: StateId, heads: ReadonlyMap<string, StateId>): StateId {
    const { book, head, standings, admins } = this.#context;
    return chooseHead(root, {
      book,
      heads,
      isAdmin: (peer) => admins.has(peer),
      votersAt: (state) => {
        if (head === undefined) return undefined;
        const roster = book.rosterAt(state, { id: head.state.id, members: head.roster.keys() });
        return roster === undefined
          ? undefined
          : new Set([...roster].filter((peer) => !standings.isOut(peer)));
      },
    });
  }

  #follow(target: StateId, chain: readonly StateId[]): void {
    const { head, book } = this.#context;
    if (head === undefined || target === head.state.id) {
      this.#stay();
      return;
    }
    const way = book.chain(target);
    if (way.includes(head.state.id)) {
      this.#better = undefined;
      this.#goTo(target);
      return;
    }
    const meeting = way.findIndex((id) => chain.includes(id));
    const fork = way[meeting - 1];
    if (fork === undefined) {
      this.#stay();
      return;
    }
    if (this.#better?.fork !== fork) this.#better = { fork, sinceMs: this.#context.nowMs };
    const dueMs = this.#better.sinceMs + ORDER_TIMING.branchDelayMs;
    if (dueMs > this.#context.nowMs) this.#again(dueMs);
    else this.#goTo(target);
  }

  #stay(): void {
    this.#better = undefined;
    this.#stuck = undefined;
    this.rejoinTo = undefined;
    this.#desk.wanted = new Set();
  }

  /** Has what lies on the way processed, and goes over when it is. */
  #goTo(target: StateId): void {
    const { book, kept, head } = this.#context;
    const way = book.chain(target);
    const from = way.findIndex((id) => kept.has(id));
    const steps = way.slice(0, Math.max(0, from));
    const isClosed = steps.some((id) => {
      const verdict = book.get(id)?.verdict;
      return verdict === 'closed' || verdict === 'invalid';
    });
    if (from < 0 || isClosed) {
      this.#desk.wanted = new Set();
      this.#rejoin(target);
      return;
    }
    const reached = kept.get(way[from] ?? '');
    if (from === 0 && reached !== undefined && reached !== head) {
      this.#stuck = undefined;
      this.rejoinTo = undefined;
      if (head !== undefined && !way.includes(head.state.id)) this.#context.count('branchSwitches');
      this.#desk.wanted = new Set([target]);
      this.#settler.adopt(reached);
      return;
    }
    const at = way[from] ?? target;
    // Where the way begins must be kept, too.
    this.#desk.wanted = new Set([...steps, at]);
    if (this.#stuck?.at !== at) this.#stuck = { at, sinceMs: this.#context.nowMs };
    const giveUpMs = this.#stuck.sinceMs + ORDER_TIMING.fetchMs;
    if (giveUpMs <= this.#context.nowMs) this.#rejoin(target);
    else this.#again(giveUpMs);
  }

  #rejoin(target: StateId): void {
    this.rejoinTo = target;
  }

  // ── Branches that meet ours nowhere ──────────────────────────────────────────────────────────────────

  #judgeApart(apart: readonly Apart[], peers: ReadonlySet<string>): StateId | undefined {
    const { head, nowMs } = this.#context;
    const strongest = this.#strongest(apart);
    if (strongest === undefined || head === undefined) {
      this.#apartSinceMs = Number.POSITIVE_INFINITY;
      this.#apartCount = 0;
      this.shouldRebuild = false;
      return undefined;
    }
    const ours: Apart = {
      head: head.state.id,
      epoch: head.state.epoch,
      rebuilt: this.#isRebuilt(this.#context.rebuildTagOf(head)),
      peers,
    };
    const count = apart.reduce((sum, { peers }) => sum + peers.size, 0);
    // Whoever comes over one after the other needs no rebuild.
    if (this.#apartSinceMs === Number.POSITIVE_INFINITY || count < this.#apartCount)
      this.#apartSinceMs = nowMs;
    this.#apartCount = count;
    if (this.#isStronger(strongest, ours)) {
      this.shouldRebuild = false;
      const dueMs = this.#apartSinceMs + ORDER_TIMING.branchDelayMs;
      if (dueMs <= nowMs || this.rejoinTo !== undefined) return strongest.head;
      this.#again(dueMs);
      return undefined;
    }
    const rebuildMs = this.#apartSinceMs + ORDER_TIMING.rebuildMs;
    this.shouldRebuild = rebuildMs <= nowMs;
    if (this.shouldRebuild) {
      this.#context.notice(
        'branches-apart',
        'members follow a branch too far from ours to be brought together',
      );
    } else {
      this.#again(rebuildMs);
    }
    return undefined;
  }

  /** An admin has declared this branch the one to come to. */
  rebuilt(): void {
    this.#apartSinceMs = this.#context.nowMs;
    this.shouldRebuild = false;
  }

  /** Groups the heads of live members that are apart from ours. */
  #groups(heads: ReadonlyMap<string, StateId>, kin: ReadonlyMap<StateId, Kinship>): readonly Apart[] {
    const groups: { peers: Set<string>; best: Heartbeat; rebuilt: boolean }[] = [];
    for (const [peer, id] of heads) {
      const item = this.#context.heartbeats.get(peer)?.item;
      if (item === undefined || kin.get(id) !== 'apart' || !this.#context.isLive(peer)) continue;
      let group = groups.find((other) => this.#kinship(other.best.head, id) === 'near');
      if (group === undefined) {
        group = { peers: new Set(), best: item, rebuilt: false };
        groups.push(group);
      }
      group.peers.add(peer);
      group.rebuilt ||= this.#isRebuilt(item.rebuildTag);
      if (item.epoch > group.best.epoch) group.best = item;
    }
    return groups.map(({ peers, best, rebuilt }) => ({ head: best.head, epoch: best.epoch, rebuilt, peers }));
  }

  /** How each head stands to ours; commits that are missing for an answer are asked for. */
  #kin(heads: ReadonlyMap<string, StateId>): ReadonlyMap<StateId, Kinship> {
    const { head, heartbeats } = this.#context;
    const kin = new Map<StateId, Kinship>();
    for (const [peer, id] of heads) {
      if (kin.has(id) || (heartbeats.has(peer) && !this.#context.isLive(peer))) continue;
      const kinship = head === undefined ? 'apart' : this.#kinship(head.state.id, id);
      const isGivenUp =
        kinship === 'unknown' && this.#askFor(this.#context.book.chain(id).at(-1) ?? id) >= ASK_TRIES;
      kin.set(id, isGivenUp ? 'apart' : kinship);
    }
    return kin;
  }

  /** Near: one is the other's ancestor, or both are within a few commits of a common one. */
  #kinship(one: StateId, other: StateId): Kinship {
    const { book } = this.#context;
    const [ones, others] = [book.chain(one), book.chain(other)];
    if (ones.includes(other) || others.includes(one)) return 'near';
    const meeting = ones.find((id) => others.includes(id));
    if (meeting === undefined) return 'unknown';
    const depth = Math.max(ones.indexOf(meeting), others.indexOf(meeting));
    return depth <= ORDER_LIMIT.checkpoints ? 'near' : 'apart';
  }

  /** @returns how often it was asked for in vain */
  #askFor(id: StateId): number {
    const { nowMs } = this.#context;
    const asked = this.#asked.get(id) ?? { tries: 0, againAtMs: nowMs };
    if (asked.againAtMs <= nowMs && asked.tries < ASK_TRIES) {
      asked.tries++;
      asked.againAtMs = nowMs + ORDER_TIMING.retryMs;
      const bytes = digestBytes(id);
      for (const peer of this.#gossip.known())
        this.#gossip.tell(peer, { type: LINK_TYPE['want-commits'], bytes });
    }
    if (this.#asked.size >= ASKED_MAX) this.#asked.clear();
    this.#asked.set(id, asked);
    this.#again(asked.againAtMs);
    return asked.againAtMs > nowMs ? asked.tries - 1 : asked.tries;
  }

  #strongest(apart: readonly Apart[]): Apart | undefined {
    let best: Apart | undefined;
    for (const branch of apart) if (best === undefined || this.#isStronger(branch, best)) best = branch;
    return best;
  }

  #isStronger(one: Apart, other: Apart): boolean {
    if (one.rebuilt !== other.rebuilt) return one.rebuilt;
    const [ones, others] = [this.#votes(one), this.#votes(other)];
    if (ones !== others) return ones > others;
    if (one.epoch !== other.epoch) return one.epoch > other.epoch;
    return one.head < other.head;
  }

  #votes({ peers }: Apart): number {
    const { head, standings } = this.#context;
    let count = 0;
    for (const peer of peers) {
      if (!standings.isOut(peer) && (head === undefined || head.roster.has(peer))) count++;
    }
    return count;
  }

  #isRebuilt(tag: Uint8Array): boolean {
    const { rebuild } = this.#context;
    return rebuild !== undefined && Buffer.compare(rebuild.rebuildTag, tag) === 0;
  }

  /** Latest heads of all who are not put out; our own is the one that we are on. */
  #heads(): ReadonlyMap<string, StateId> {
    const { heartbeats, standings, head, self } = this.#context;
    const heads = new Map<string, StateId>();
    for (const [peer, { item }] of heartbeats) if (!standings.isOut(peer)) heads.set(peer, item.head);
    if (head !== undefined) heads.set(self, head.state.id);
    return heads;
  }

  #again(atMs: number): void {
    if (atMs > this.#context.nowMs) this.#againAtMs = Math.min(this.#againAtMs, atMs);
  }
}

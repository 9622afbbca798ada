/**
 * The order of commits in one private VLAN, with no server: which epoch counts, on this node.
 *
 *   message, object ─▶ intake ─▶ commit desk ─▶ settler ─▶ store ─▶ settled
 *   propose…, renew ─▶ committer ─┘    ▲           ▲
 *   heartbeats ──────▶ follower ───────┴───────────┤
 *                         └──▶ rejoiner ───────────┘
 *
 * After each input all parts look at what is to be done, in this order: follow, fetch and process, settle, commit.
 *
 * Main thread and simulation; sans-I/O. Must never throw for what a peer sends, and never lets a state be used that
 * is not on disk.
 *
 * @see docs/protocol.md, "Order of commits"
 */
import type { CommitEntry } from './commit-book.ts';
import { CommitDesk } from './commit-desk.ts';
import { Committer, hasBeenAdded } from './committer.ts';
import { Follower } from './follower.ts';
import { Gossip } from './gossip.ts';
import { Heart } from './heart.ts';
import { Intake } from './intake.ts';
import { bareItem } from './item.ts';
import { type Kept, OrderContext } from './order-context.ts';
import {
  ORDER_LIMIT,
  ORDER_TIMING,
  type OrderEffect,
  type OrderInput,
  type OrderMember,
  type OrderOptions,
  type OrderPorts,
  type OrderStatus,
} from './order-port.ts';
import { OwnProposals } from './own-proposals.ts';
import { Rejoiner } from './rejoiner.ts';
import { Settler } from './settler.ts';
import { startFrom } from './starter.ts';
import { Welcomes } from './welcomes.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** See the file's head. */
export class OrderMachine {
  readonly #context: OrderContext;
  readonly #gossip: Gossip;
  readonly #desk: CommitDesk;
  readonly #settler: Settler;
  readonly #follower: Follower;
  readonly #rejoiner: Rejoiner;
  readonly #welcomes: Welcomes;
  readonly #committer: Committer;
  readonly #intake: Intake;
  readonly #own: OwnProposals;
  readonly #heart: Heart;
  #leaveAtMs = NEVER;
  #pruneAtMs = NEVER;
  /** When some part has something to do of itself. */
  #workAtMs = NEVER;
  #isBusy = false;

  constructor(options: OrderOptions, ports: OrderPorts) {
    const context = new OrderContext(options, ports);
    const gossip = new Gossip(context, () => this.#heldItems());
    const desk = new CommitDesk(context, gossip);
    const settler = new Settler(context, desk);
    const welcomes = new Welcomes(context, gossip);
    const parts = { gossip, desk, settler, welcomes };
    this.#context = context;
    this.#gossip = gossip;
    this.#desk = desk;
    this.#settler = settler;
    this.#welcomes = welcomes;
    this.#follower = new Follower(context, parts);
    this.#rejoiner = new Rejoiner(context, parts);
    this.#committer = new Committer(context, { ...parts, longestRttMs: () => gossip.longestRttMs });
    this.#intake = new Intake(context, { ...parts, rejoiner: this.#rejoiner });
    this.#own = new OwnProposals(context, { ...parts, intake: this.#intake });
    this.#heart = new Heart(context, { ...parts, intake: this.#intake });
    settler.onAdopted = (kept, before) => {
      this.#adopted(kept, before);
    };
    settler.onPublished = () => {
      this.#heart.hurry();
    };
    this.#committer.onRefused = (peer) => {
      this.#own.refused(peer);
    };
  }

  /** Takes an input at a time of the monotonic clock. @returns what is to be done, in this order */
  handle(input: OrderInput, nowMs: number): readonly OrderEffect[] {
    const context = this.#context;
    context.nowMs = nowMs;
    if (context.phase === 'expelled' || context.phase === 'left') return [];
    this.#input(input);
    this.#advance();
    return context.takeEffects();
  }

  /** When a `tick` is due. */
  nextTimeoutMs(): number {
    const { phase } = this.#context;
    if (phase === 'expelled' || phase === 'left') return NEVER;
    return Math.min(
      this.#workAtMs,
      this.#heart.nextTimeoutMs(),
      this.#leaveAtMs,
      this.#pruneAtMs,
      this.#gossip.nextTimeoutMs(),
    );
  }

  /** Whether a peer may have what this machine offers. */
  mayFetch(peer: string): boolean {
    return this.#context.isKnown(peer);
  }

  /** For reports. */
  status(nowMs: number): OrderStatus {
    const { head, phase, counters, heartbeats, self } = this.#context;
    this.#context.nowMs = nowMs;
    const pending = this.#committer.pending();
    const members = [...(head?.roster.values() ?? [])].map(({ peer, leaf }): OrderMember => {
      const heard = heartbeats.get(peer);
      const state = peer === self ? 'self' : this.#context.isLive(peer) ? 'live' : 'absent';
      const lastHeardMs = heard === undefined ? undefined : nowMs - heard.atMs;
      return { peer, leaf, state, lastHeardMs, epoch: peer === self ? head?.state.epoch : heard?.item.epoch };
    });
    return {
      phase,
      epoch: head?.state.epoch,
      members,
      pending: {
        add: pending.add.map(({ joiner }) => joiner),
        remove: [...pending.remove, ...pending.leave],
        policy: pending.policy,
        renewal: this.#committer.wishes.renewAtMs <= nowMs,
      },
      branches: this.#follower.branches,
      counters: { ...counters },
    };
  }

  // ── Inputs ───────────────────────────────────────────────────────────────────────────────────────────

  #input(input: OrderInput): void {
    const context = this.#context;
    switch (input.kind) {
      case 'start':
        startFrom(input, context, {
          intake: this.#intake,
          settler: this.#settler,
          committer: this.#committer,
        });
        this.#heart.hurry();
        if (context.isLeaving) this.#leave();
        return;
      case 'propose-add':
        this.#own.add(input);
        return;
      case 'propose-remove':
        this.#intake.credential(input.tombstone, undefined);
        return;
      case 'set-policy':
        this.#intake.record(input.record, undefined);
        return;
      case 'leave':
        this.#leave();
        return;
      case 'renew':
        this.#committer.wishes.renewAtMs = context.nowMs;
        context.isDirty = true;
        return;
      case 'tick':
        return;
      case 'clock':
        context.unixOffsetMs = input.unixOffsetMs;
        return;
      default:
        this.#ioInput(input);
    }
  }

  #ioInput(
    input: Extract<
      OrderInput,
      { kind: 'peer-up' | 'peer-down' | 'message' | 'object' | 'group-done' | 'stored' }
    >,
  ): void {
    switch (input.kind) {
      case 'peer-up':
        if (this.#gossip.peerUp(input.peer, input.rttMs)) this.#greet(input.peer);
        this.#context.found(input.peer);
        this.#context.moveHeads();
        return;
      case 'peer-down':
        this.#gossip.peerDown(input.peer);
        this.#context.lost(input.peer);
        return;
      case 'message':
        this.#intake.message(input.peer, input.bytes);
        return;
      case 'object':
        this.#object(input.digest, input.bytes);
        return;
      case 'group-done':
        this.#context.jobDone(input.id, input.result);
        this.#context.isDirty = true;
        return;
      case 'stored':
        this.#settler.stored(input.id, input.ok);
        this.#context.isDirty = true;
    }
  }

  #leave(): void {
    this.#context.isLeaving = true;
    this.#context.isDirty = true;
    this.#leaveAtMs = this.#context.nowMs + ORDER_TIMING.leaveMs;
    this.#settler.store();
  }

  #object(digest: string, bytes: Uint8Array | undefined): void {
    if (this.#desk.object(digest, bytes) || this.#welcomes.object(digest, bytes)) return;
    this.#rejoiner.object(digest, bytes);
  }

  /** Whoever has been put out gets to know it; all others, who this node is. */
  #greet(peer: string): void {
    const { standings } = this.#context;
    const standing = standings.entries.get(peer);
    if (standing !== undefined) this.#gossip.tellItem(peer, bareItem('credential', standing.bytes));
    this.#gossip.introduce(peer);
  }

  // ── Going on ─────────────────────────────────────────────────────────────────────────────────────────

  #advance(): void {
    const context = this.#context;
    if (this.#hasEnded()) return;
    if (context.head === undefined && context.record === undefined) return;
    if (context.isDirty || this.#workAtMs <= context.nowMs) this.#work();
    this.#prune();
    this.#heart.tick();
    this.#gossip.tick(this.#isBusy);
  }

  /** All that a change, or a time that has come, may call for. */
  #work(): void {
    const context = this.#context;
    this.#own.repeat();
    // What is settled moves the head, and that may open the next step.
    for (let round = 0; round < ORDER_LIMIT.checkpoints; round++) {
      const before = context.head;
      context.isDirty = false;
      if (context.haveHeadsMoved || this.#follower.nextTimeoutMs() <= context.nowMs)
        this.#follower.evaluate();
      context.haveHeadsMoved = false;
      this.#rejoiner.evaluate(this.#follower.rejoinTo);
      this.#desk.advance();
      this.#settler.evaluate();
      if (context.head === before) break;
    }
    this.#settler.tick();
    this.#settler.tell();
    this.#rebuildIfNeeded();
    this.#committer.evaluate();
    this.#welcomes.tick();
    this.#isBusy = this.#isPending();
    if (this.#isBusy) this.#gossip.hurry();
    const parts = [
      this.#desk,
      this.#settler,
      this.#follower,
      this.#rejoiner,
      this.#welcomes,
      this.#committer,
    ];
    this.#workAtMs = Math.min(...parts.map((part) => part.nextTimeoutMs()));
    this.#hasEnded();
  }

  /** A tombstone of this node, or its leave taken effect. */
  #hasEnded(): boolean {
    const context = this.#context;
    const standing = context.standings.entries.get(context.self);
    const isExpelled = standing?.credential.kind === 'tombstone';
    const isAlone = context.isLeaving && context.head?.roster.size === 1;
    const hasLeft = context.hasLeft || isAlone || this.#leaveAtMs <= context.nowMs;
    if (!isExpelled && !hasLeft) return false;
    if (context.phase === 'expelled' || context.phase === 'left') return true;
    this.#gossip.flushAll();
    context.phase = isExpelled ? 'expelled' : 'left';
    context.emit(isExpelled ? { kind: 'expelled', by: standing.credential.admin } : { kind: 'left' });
    return true;
  }

  #isPending(): boolean {
    const { add, remove, leave, policy } = this.#committer.pending();
    const waits = policy || add.length + remove.length + leave.length > 0;
    return waits || this.#follower.branches > 1 || this.#settler.candidates().length > 0;
  }

  #rebuildIfNeeded(): void {
    if (!this.#follower.shouldRebuild || !this.#context.admins.has(this.#context.self)) return;
    this.#committer.wishes.rebuild = true;
    this.#follower.rebuilt();
  }

  /** @param before - the head until now */
  #adopted(kept: Kept, before: Kept | undefined): void {
    const context = this.#context;
    context.standings = context.standings.merged(kept.policy.standings.entries.values());
    this.#intake.record(kept.policy.record, undefined);
    this.#intake.settledRebuild(kept.policy.rebuild);
    this.#committer.headChanged();
    this.#pruneAtMs = Math.min(this.#pruneAtMs, context.nowMs);
    if (context.book.get(kept.state.id)?.item.peer === context.self) this.#committer.wishesFulfilled();
    this.#own.settled(before === undefined ? [] : this.#commitsSince(before));
    const chain = context.headChain();
    for (const [peer, { base }] of context.leaves) {
      if (!chain.includes(base) || context.book.hasMoved(peer, base, kept.state.id))
        context.leaves.delete(peer);
    }
    for (const [peer, item] of context.adds) {
      if (!chain.includes(item.base) || hasBeenAdded(item, chain, context)) context.adds.delete(peer);
    }
    for (const [peer, { atMs }] of context.heartbeats) {
      if (!kept.roster.has(peer) && context.nowMs - atMs > ORDER_TIMING.liveMs)
        context.heartbeats.delete(peer);
    }
  }

  /** What has settled with the head beyond another, the oldest first; a way of several commits may be gone at once. */
  #commitsSince(before: Kept): readonly CommitEntry[] {
    const { head, book } = this.#context;
    const chain = book.chain(head?.state.id ?? '');
    const old = new Set(book.chain(before.state.id));
    const meeting = chain.findIndex((id) => old.has(id));
    // From outside, far away: what is known of that branch, but not without end.
    const since = chain.slice(0, meeting < 0 ? ORDER_LIMIT.checkpoints : meeting).reverse();
    return since.map((id) => book.get(id)).filter((entry) => entry !== undefined);
  }

  #prune(): void {
    const context = this.#context;
    if (this.#pruneAtMs > context.nowMs) return;
    this.#pruneAtMs = context.nowMs + ORDER_TIMING.checkpointMs / 8;
    this.#settler.prune();
    const near = new Set(context.headChain());
    const gone = context.book.prune((entry) => {
      const { digest, base } = entry.item;
      return (
        near.has(digest) || near.has(base) || this.#desk.wanted.has(digest) || context.pinned.has(digest)
      );
    });
    for (const { item, isHeld } of gone) {
      if (isHeld) context.emit({ kind: 'withdraw-offer', digest: item.digest });
    }
  }

  /** Items that a neighbour should hold, too. */
  *#heldItems(): Generator<Uint8Array> {
    const { heartbeats, adds, leaves, standings, record, rebuild, book } = this.#context;
    if (this.#heart.last !== undefined) yield this.#heart.last;
    for (const [peer, { item }] of heartbeats) if (!standings.isOut(peer)) yield item.bytes;
    for (const standing of standings.entries.values()) {
      standing.item ??= bareItem('credential', standing.bytes);
      yield standing.item;
    }
    if (record !== undefined) yield record.item;
    if (rebuild !== undefined) yield rebuild.bytes;
    for (const { bytes } of adds.values()) yield bytes;
    for (const { bytes } of leaves.values()) yield bytes;
    const near = new Set(this.#context.headChain());
    for (const { item, isHeld } of book.all()) {
      if (isHeld && (near.has(item.digest) || near.has(item.base))) yield item.bytes;
    }
  }
}

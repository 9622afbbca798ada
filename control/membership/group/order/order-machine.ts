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
import { CommitDesk } from './commit-desk.ts';
import { Committer, hasBeenAdded } from './committer.ts';
import { Follower } from './follower.ts';
import { Gossip } from './gossip.ts';
import { decodeHead } from './head.ts';
import { Intake } from './intake.ts';
import { bareItem, decodeItem } from './item.ts';
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
  type ProposeAddInput,
  type StartByCreate,
  type StartByJoin,
  type StartByRestore,
  type StartFromOutside,
} from './order-port.ts';
import { encodePolicy } from './policy-extension.ts';
import { Rejoiner } from './rejoiner.ts';
import { Settler } from './settler.ts';
import { Standings } from './standings.ts';
import { Welcomes } from './welcomes.ts';

/** A joiner that was proposed here. */
interface OwnAdd {
  readonly keyPackage: Uint8Array;
  readonly admission: Uint8Array;
  /** When a commit that adds it settled; kept a while, lest that branch be lost. */
  settledAtMs: number | undefined;
}

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
  readonly #ownAdds = new Map<string, OwnAdd>();
  #ownHeartbeat: Uint8Array | undefined;
  #heartbeatAtMs = NEVER;
  #heartbeatMs = 0;
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
    settler.onAdopted = (kept, entry) => {
      this.#adopted(kept, entry?.item.digest);
    };
    settler.onPublished = () => {
      this.#heartbeatAtMs = Math.min(this.#heartbeatAtMs, this.#heartbeatMs + ORDER_TIMING.heartbeatGapMs);
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
      this.#heartbeatAtMs,
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
    const pending = this.#committer.pending();
    const members = [...(head?.roster.values() ?? [])].map(({ peer, leaf }): OrderMember => {
      const heard = heartbeats.get(peer);
      const isLive = heard !== undefined && nowMs - heard.atMs <= ORDER_TIMING.liveMs;
      const state = peer === self ? 'self' : isLive ? 'live' : 'absent';
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
        this.#start(input);
        return;
      case 'propose-add':
        this.#proposeAdd(input);
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
        this.#context.moveHeads();
        return;
      case 'peer-down':
        this.#gossip.peerDown(input.peer);
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

  #start(input: StartByCreate | StartByRestore | StartByJoin | StartFromOutside): void {
    this.#heartbeatAtMs = this.#context.nowMs;
    this.#context.moveHeads();
    switch (input.from) {
      case 'create':
        this.#create(input);
        return;
      case 'restore':
        this.#restore(input);
        return;
      case 'joined': {
        this.#context.admission = input.admission;
        const kept = this.#context.read(input.state);
        if (kept !== undefined) this.#settler.adopt(kept, undefined);
        return;
      }
      case 'outside':
        this.#context.admission = input.admission;
        this.#intake.record(input.record, undefined);
    }
  }

  #create({ record, admission }: StartByCreate): void {
    this.#context.admission = admission;
    const policy = encodePolicy({ record, rebuild: undefined, standings: Standings.none });
    this.#context.job({ op: 'create', policy }, (result) => {
      const kept = result.ok ? this.#context.read(result.value.state) : undefined;
      if (kept !== undefined) this.#settler.adopt(kept, undefined);
      else this.#context.notice('group-failed', result.ok ? 'the record is not the VLAN’s' : result.reason);
    });
  }

  #restore({ head, states }: StartByRestore): void {
    const context = this.#context;
    const stored = decodeHead(head);
    if (stored === undefined) {
      context.notice('group-failed', 'the stored head of the group cannot be read');
      return;
    }
    context.admission = stored.admission;
    context.isLeaving = stored.isLeaving;
    context.standings = stored.known.standings;
    context.rebuild = stored.known.rebuild;
    context.addFamiliar(stored.familiar);
    this.#settler.sequence = stored.sequence;
    this.#intake.record(stored.known.record, undefined);
    for (const item of [...stored.chain].reverse()) context.book.add(item, context.nowMs).verdict = 'valid';
    for (const state of states) {
      const kept = context.read(state);
      if (kept !== undefined && stored.states.includes(state.id)) context.kept.set(state.id, kept);
    }
    this.#committer.quietUntilMs = context.nowMs + ORDER_TIMING.settleInMs;
    const own = context.kept.get(stored.states[0] ?? '');
    if (own !== undefined) this.#settler.adopt(own, undefined);
    this.#committer.wishes.renewAtMs = context.nowMs + this.#spread(ORDER_TIMING.restartRenewalMs);
    if (context.isLeaving) this.#leave();
  }

  #proposeAdd({ peer, keyPackage, admission }: ProposeAddInput): void {
    const { admins } = this.#context;
    const credential = this.#context.ports.readCredential(admission, admins);
    if (credential?.kind === 'admission') this.#intake.credential(admission, undefined);
    const isAdmitted =
      credential?.peer === peer && this.#context.readAdmission(admission, admins, this.#context.standings);
    const fits = keyPackage.length > 0 && keyPackage.length <= ORDER_LIMIT.keyPackageBytes;
    if (!isAdmitted || !fits || this.#ownAdds.size >= ORDER_LIMIT.pendingAdds) {
      const why = fits && isAdmitted ? 'too many wait' : 'its admission or key package does not hold';
      this.#context.notice('add-refused', why, peer);
      return;
    }
    this.#ownAdds.set(peer, { keyPackage, admission, settledAtMs: undefined });
    this.#context.adds.delete(peer);
    this.#context.isDirty = true;
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
    this.#beat();
    this.#gossip.tick(this.#isBusy);
  }

  /** All that a change, or a time that has come, may call for. */
  #work(): void {
    const context = this.#context;
    this.#repropose();
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

  /** What this node proposed and the head does not say is proposed on this branch, from a base that it knows. */
  #repropose(): void {
    const { head, nowMs, adds, leaves, self } = this.#context;
    if (head === undefined || this.#context.phase !== 'active') return;
    const chain = this.#context.headChain();
    for (const [peer, own] of this.#ownAdds) {
      if (own.settledAtMs !== undefined && nowMs - own.settledAtMs > ORDER_TIMING.checkpointMs) {
        this.#ownAdds.delete(peer);
        continue;
      }
      const isLost = own.settledAtMs !== undefined && !head.roster.has(peer);
      if (isLost) own.settledAtMs = undefined;
      if (own.settledAtMs !== undefined || chain.includes(adds.get(peer)?.base ?? '')) continue;
      const { admission, keyPackage } = own;
      const item = { type: 'add', base: head.state.id, admission, joiner: peer, keyPackage } as const;
      this.#tellAll(this.#context.sign(item));
    }
    const isToldHere = chain.includes(leaves.get(self)?.base ?? '');
    if (this.#context.isLeaving && head.roster.has(self) && !isToldHere) {
      this.#tellAll(this.#context.sign({ type: 'leave', base: head.state.id, tag: head.state.tag }));
    }
  }

  /** Takes and spreads an item of this node's own. */
  #tellAll(bytes: Uint8Array): void {
    const item = decodeItem(bytes);
    if (item?.type === 'add') this.#context.adds.set(item.joiner, item);
    if (item?.type === 'leave') this.#context.leaves.set(item.peer, item);
    this.#intake.own(bytes);
    this.#gossip.spread(bytes);
  }

  #rebuildIfNeeded(): void {
    if (!this.#follower.shouldRebuild || !this.#context.admins.has(this.#context.self)) return;
    this.#committer.wishes.rebuild = true;
    this.#follower.rebuilt();
  }

  #adopted(kept: Kept, commit: string | undefined): void {
    const context = this.#context;
    const { nowMs, self } = context;
    context.standings = context.standings.merged(kept.policy.standings.entries.values());
    this.#intake.record(kept.policy.record, undefined);
    this.#intake.settledRebuild(kept.policy.rebuild);
    this.#committer.headChanged();
    this.#pruneAtMs = Math.min(this.#pruneAtMs, nowMs);
    const entry = commit === undefined ? undefined : context.book.get(commit);
    if (entry?.item.peer === self) this.#committer.wishesFulfilled();
    const proposed = new Set<string>();
    const chain = context.headChain();
    for (const [peer, own] of this.#ownAdds) {
      const item = context.adds.get(peer);
      if (item === undefined || !chain.includes(item.base) || !hasBeenAdded(item, chain, context)) continue;
      own.settledAtMs ??= nowMs;
      proposed.add(peer);
    }
    // A way of several commits may have been gone at once.
    for (const id of chain) {
      const settled = context.book.get(id);
      if (settled !== undefined) this.#welcomes.settled(settled, proposed);
    }
    for (const [peer, { base }] of context.leaves) if (!chain.includes(base)) context.leaves.delete(peer);
    for (const [peer, item] of context.adds) {
      if (!chain.includes(item.base) || hasBeenAdded(item, chain, context)) context.adds.delete(peer);
    }
  }

  #prune(): void {
    const context = this.#context;
    if (this.#pruneAtMs > context.nowMs) return;
    this.#pruneAtMs = context.nowMs + ORDER_TIMING.checkpointMs / 8;
    this.#settler.prune();
    const near = new Set(context.headChain());
    const gone = context.book.prune((entry) => {
      const { digest, base } = entry.item;
      return near.has(digest) || near.has(base) || this.#desk.wanted.has(digest) || digest === context.pinned;
    });
    for (const { item, isHeld } of gone) {
      if (isHeld) context.emit({ kind: 'withdraw-offer', digest: item.digest });
    }
  }

  #beat(): void {
    const { nowMs } = this.#context;
    const { published } = this.#settler;
    if (this.#heartbeatAtMs > nowMs) return;
    this.#heartbeatAtMs = nowMs + ORDER_TIMING.heartbeatMs + this.#spread(ORDER_TIMING.heartbeatJitterMs);
    if (published === undefined || this.#context.isLeaving) return;
    this.#heartbeatMs = nowMs;
    this.#settler.sequence = Math.max(
      this.#settler.sequence + 1,
      Math.floor(nowMs + this.#context.unixOffsetMs),
    );
    this.#ownHeartbeat = this.#context.sign({
      type: 'heartbeat',
      sequence: this.#settler.sequence,
      epoch: published.state.epoch,
      head: published.state.id,
      tag: published.state.tag,
      rebuildTag: this.#context.rebuildTagOf(published),
    });
    this.#intake.own(this.#ownHeartbeat);
    this.#gossip.spread(this.#ownHeartbeat);
  }

  /** Items that a neighbour should hold, too. */
  *#heldItems(): Generator<Uint8Array> {
    const { heartbeats, adds, leaves, standings, record, rebuild, book } = this.#context;
    if (this.#ownHeartbeat !== undefined) yield this.#ownHeartbeat;
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

  /** A random time up to this long again. */
  #spread(ms: number): number {
    const [low = 0, high = 0] = this.#context.ports.randomBytes(2);
    return ms + (ms * (low | (high << 8))) / 65_536 - (ms === ORDER_TIMING.heartbeatJitterMs ? ms : 0);
  }
}

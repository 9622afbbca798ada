/**
 * Coming in again from outside, and letting others do so.
 *
 *   losers, ranked ─▶ ask a neighbour on the branch ─▶ group info ─▶ external commit ─▶ store ─▶ offer, tell
 *     ─▶ members settle it like any commit ─▶ their heartbeats stand on it ─▶ the follower goes over
 *     └── another commit was settled instead, or nobody follows within 6 s ─▶ anew
 *
 * Until then the node stays on what it has, makes no commits there, and its lost changes stay pending.
 *
 * Main thread and simulation; no I/O.
 */
import { hash128 } from '../../../vlan/hash.ts';
import type { GroupResult, StateId } from '../group-port.ts';
import type { CommitDesk } from './commit-desk.ts';
import { type Gossip, LINK_TYPE } from './gossip.ts';
import { decodeItem } from './item.ts';
import type { OrderContext } from './order-context.ts';
import { ORDER_TIMING } from './order-port.ts';
import { DIGEST_BYTES, digestBytes, digestText } from './peer-key.ts';
import { outsiderRank, rankDelayMs } from './ranking.ts';
import type { Settler } from './settler.ts';

/** Neighbours that wait for one group info. */
const ASKERS_MAX = 64;
/** A neighbour that does not answer is left for the next. */
const ANSWER_MS = 4_000;

interface Attempt {
  readonly target: StateId;
  readonly step: 'rank' | 'asked' | 'fetching' | 'committing' | 'told';
  readonly untilMs: number;
  /** The neighbour that was asked. */
  readonly helper: string;
  /** The head that the group info is of. */
  readonly base: StateId;
  readonly object: string;
  /** The state of our own commit. */
  readonly own: StateId;
}

/** See the file's head. */
export class Rejoiner {
  readonly #context: OrderContext;
  readonly #gossip: Gossip;
  readonly #desk: CommitDesk;
  readonly #settler: Settler;
  #attempt: Attempt | undefined;
  #turn = 0;
  readonly #askers = new Set<string>();
  #offered: { readonly head: StateId; readonly digest: string } | undefined;
  #isWriting = false;

  constructor(context: OrderContext, parts: { gossip: Gossip; desk: CommitDesk; settler: Settler }) {
    this.#context = context;
    this.#gossip = parts.gossip;
    this.#desk = parts.desk;
    this.#settler = parts.settler;
  }

  nextTimeoutMs(): number {
    return this.#attempt?.untilMs ?? Number.POSITIVE_INFINITY;
  }

  // ── Coming in ────────────────────────────────────────────────────────────────────────────────────────

  /** Goes on towards a branch. @param target - one of its heads; undefined when there is nowhere to go */
  evaluate(target: StateId | undefined): void {
    const context = this.#context;
    if (target === undefined || context.isLeaving) {
      if (this.#attempt !== undefined) context.pinned.delete(this.#attempt.own);
      this.#attempt = undefined;
      if (context.phase === 'rejoining' && context.head !== undefined) context.phase = 'active';
      return;
    }
    if (context.phase !== 'rejoining') {
      context.phase = 'rejoining';
      context.notice('rejoining', 'this node comes in anew: what it followed is not what counts');
    }
    const attempt = this.#attempt;
    // A commit settled under our feet: whoever was before us in the ranks has had its turn.
    const isStale = attempt !== undefined && attempt.step !== 'told' && attempt.target !== target;
    if (attempt === undefined || (isStale && attempt.step === 'rank')) this.#begin(target);
    else if (attempt.untilMs <= context.nowMs || this.#isBeaten(attempt, target)) this.#next(attempt, target);
  }

  /** Another commit was settled on the state that ours stands on. */
  #isBeaten({ step, base, own }: Attempt, target: StateId): boolean {
    const way = this.#context.book.chain(target);
    return step === 'told' && target !== base && way.includes(base) && !way.includes(own);
  }

  #begin(target: StateId): void {
    const { self, heartbeats, nowMs, book } = this.#context;
    const others: string[] = [];
    for (const [peer, { item }] of heartbeats) {
      if (this.#context.isLive(peer) && !book.chain(item.head).includes(target) && item.head !== target) {
        others.push(peer);
      }
    }
    const rank = outsiderRank(self, digestBytes(target), others);
    const untilMs =
      nowMs + Math.min(rankDelayMs(rank, this.#gossip.longestRttMs), 20 * ORDER_TIMING.rankStepMs);
    this.#attempt = { target, step: 'rank', untilMs, helper: '', base: '', object: '', own: '' };
    if (untilMs <= nowMs) this.#next(this.#attempt, target);
  }

  #next(attempt: Attempt, target: StateId): void {
    if (attempt.step === 'rank') {
      this.#ask(target);
      return;
    }
    if (attempt.step === 'told' && this.#context.kept.has(attempt.own)) this.#context.drop([attempt.own]);
    this.#context.pinned.delete(attempt.own);
    this.#attempt = undefined;
    this.#begin(target);
  }

  #ask(target: StateId): void {
    const { heartbeats, book, nowMs } = this.#context;
    const able = this.#gossip.known().filter((peer) => {
      const item = heartbeats.get(peer)?.item;
      return item !== undefined && (item.head === target || book.chain(item.head).includes(target));
    });
    const helper = able[this.#turn++ % Math.max(1, able.length)];
    const untilMs = nowMs + (helper === undefined ? ORDER_TIMING.retryMs : ANSWER_MS);
    this.#attempt = { target, step: 'asked', untilMs, helper: helper ?? '', base: '', object: '', own: '' };
    if (helper !== undefined) {
      this.#gossip.tell(helper, { type: LINK_TYPE['ask-group-info'], bytes: new Uint8Array(0) });
    }
  }

  /** A neighbour's answer. */
  answered(peer: string, bytes: Uint8Array): void {
    const attempt = this.#attempt;
    if (attempt?.step !== 'asked' || attempt.helper !== peer || bytes.length !== 2 * DIGEST_BYTES) return;
    const base = digestText(bytes.subarray(0, DIGEST_BYTES));
    const object = digestText(bytes.subarray(DIGEST_BYTES));
    const untilMs = this.#context.nowMs + ORDER_TIMING.fetchMs;
    this.#attempt = { ...attempt, step: 'fetching', untilMs, base, object };
    this.#context.emit({ kind: 'fetch', digest: object, from: [peer] });
  }

  /** @returns whether it was a group info */
  object(digest: string, groupInfo: Uint8Array | undefined): boolean {
    const attempt = this.#attempt;
    if (attempt?.step !== 'fetching' || attempt.object !== digest) return false;
    if (groupInfo === undefined) {
      this.#attempt = { ...attempt, untilMs: this.#context.nowMs };
      this.#context.moveHeads();
      return true;
    }
    // The pool may be busy; nothing else is to be done meanwhile.
    const committing: Attempt = { ...attempt, step: 'committing', untilMs: this.#context.nowMs + 30_000 };
    this.#attempt = committing;
    this.#context.job({ op: 'external-commit', groupInfo }, (result) => {
      this.#context.moveHeads();
      this.#made(committing, result);
    });
    return true;
  }

  #made(attempt: Attempt, result: GroupResult<'external-commit'>): void {
    const context = this.#context;
    if (!result.ok) {
      if (this.#attempt === attempt)
        this.#attempt = { ...attempt, untilMs: context.nowMs + ORDER_TIMING.retryMs };
      if (result.code === 'failed') context.notice('group-failed', result.reason);
      return;
    }
    const { commit, state, facts } = result.value;
    const kept = context.read(state);
    if (kept === undefined || this.#attempt !== attempt) {
      context.drop([state.id]);
      return;
    }
    const isReturning = facts.removed.includes(context.self);
    const bytes = context.sign({
      type: 'commit',
      base: attempt.base,
      digest: state.id,
      epoch: state.epoch,
      isExternal: true,
      isReturning,
      welcome: undefined,
      admissions: context.admission.length === 0 ? [] : [context.admission],
      admitted: [],
      keyPackages: [],
      removed: [],
      leaves: [],
    });
    const item = decodeItem(bytes);
    if (item?.type !== 'commit') return;
    this.#attempt = {
      ...attempt,
      step: 'told',
      untilMs: context.nowMs + ORDER_TIMING.rejoinMs,
      own: state.id,
    };
    context.kept.set(state.id, kept);
    context.pinned.add(state.id);
    context.count('rejoins');
    this.#settler.store(() => {
      if (!context.kept.has(state.id)) return;
      const entry = context.book.add(item, context.nowMs);
      entry.verdict = 'valid';
      entry.state = state;
      this.#desk.hold(entry, commit);
      context.moveHeads();
    });
  }

  // ── Letting in ───────────────────────────────────────────────────────────────────────────────────────

  /** A neighbour wants to come in from outside. */
  asked(peer: string): void {
    const { head, phase } = this.#context;
    if (head === undefined || phase !== 'active' || this.#askers.size >= ASKERS_MAX) return;
    this.#askers.add(peer);
    if (this.#offered?.head === head.state.id) this.#answer(this.#offered);
    else if (!this.#isWriting) this.#write(head.state.id);
  }

  #write(base: StateId): void {
    this.#isWriting = true;
    this.#context.job({ op: 'group-info', base }, (result) => {
      this.#isWriting = false;
      if (!result.ok) {
        this.#askers.clear();
        return;
      }
      const digest = digestText(hash128(result.value.groupInfo));
      if (this.#offered !== undefined && this.#offered.digest !== digest) {
        this.#context.emit({ kind: 'withdraw-offer', digest: this.#offered.digest });
      }
      this.#offered = { head: base, digest };
      this.#context.emit({ kind: 'offer', digest, bytes: result.value.groupInfo });
      this.#answer(this.#offered);
    });
  }

  #answer({ head, digest }: { readonly head: StateId; readonly digest: string }): void {
    const bytes = new Uint8Array([...digestBytes(head), ...digestBytes(digest)]);
    for (const peer of this.#askers) this.#gossip.tell(peer, { type: LINK_TYPE['group-info'], bytes });
    this.#askers.clear();
  }
}

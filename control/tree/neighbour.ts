/**
 * What the tree machine knows of one neighbour in the segment: what it said, what it was told, and what it may do.
 *
 * Main thread; no clock of its own.
 */
import { TokenBucket } from '../limit/token-bucket.ts';
import type { Metric } from './feasible-distances.ts';
import type { RootClaim } from './root-claim.ts';
import { TREE_LIMIT, TREE_TIMING } from './tree-limits.ts';
import type { PortWord, TreeAnnounce } from './tree-message.ts';

/** A way to a root. */
export interface Way extends Metric {
  readonly claim: RootClaim;
  /** Nodes on the way, the root not counted. */
  readonly hops: number;
}

/** What the neighbour wants of the edge, and the root and distance under which it said so. */
export interface EdgeWord {
  readonly port: PortWord;
  readonly joinNumber: number;
  /** The last announcement of this node that it had heard then. */
  readonly heard: number;
  readonly root: string | undefined;
  readonly metric: Metric | undefined;
}

/** What the neighbour was told last on this stream. */
export interface SentWord {
  readonly way: Way | undefined;
  readonly port: PortWord;
  readonly joinNumber: number;
}

/** A sequence that the neighbour was asked for. */
export interface SentRequest {
  readonly root: string;
  readonly sequence: number;
  readonly sentAtMs: number;
  readonly dueMs: number;
  readonly intervalMs: number;
}

const NO_WORD: EdgeWord = { port: 'nothing', joinNumber: 0, heard: 0, root: undefined, metric: undefined };

/** See the file's head. */
export class Neighbour {
  readonly peer: string;
  readonly messages = new TokenBucket(TREE_LIMIT.messages);
  readonly verifications = new TokenBucket(TREE_LIMIT.verifications);
  readonly requests = new TokenBucket(TREE_LIMIT.requestsPerPeer);
  cost: number;
  way: Way | undefined;
  word: EdgeWord = NO_WORD;
  sent: SentWord | undefined;
  /** Whether it said anything on this stream. */
  isHeard = false;
  /** It said goodbye: what it would be told now is for nobody. */
  hasLeft = false;
  /** It is to tell all anew. */
  isAsked = false;
  /** While it has said nothing on this stream it is told again: its answer, or what it answers, may be lost. */
  retellAtMs = Number.POSITIVE_INFINITY;
  retellGapMs: number = TREE_TIMING.retellMs;
  /** Of this node's join, or 0. */
  joinNumber = 0;
  /** The number of the last announcement to it that was a join, or of any before it was a neighbour. */
  lastJoinWord: number;
  /** The number of its last announcement; 0: none. */
  heardNumber = 0;
  /** The number of its join that it was asked to say again. */
  #joinAskedFor = 0;
  requested: SentRequest | undefined;
  /** Joins that it did not accept, one after the other. */
  failures = 0;
  /** 0: not at all. */
  blockedUntilMs = 0;
  shunnedUntilMs = 0;
  askAtMs = Number.POSITIVE_INFINITY;
  staleAtMs = Number.POSITIVE_INFINITY;

  /** @param lastNumber - of this node's announcements, to whomever */
  constructor(peer: string, cost: number, lastNumber: number) {
    this.peer = peer;
    this.cost = cost;
    this.lastJoinWord = lastNumber;
  }

  /** Whether frames may go over its trunk at all. */
  get isOpen(): boolean {
    return this.cost < TREE_LIMIT.costInfinite && this.blockedUntilMs === 0;
  }

  /** Whether it offers a way to a root that is short enough to be taken. */
  get offer(): Way | undefined {
    const way = this.word.port === 'closed' || this.shunnedUntilMs > 0 || !this.isOpen ? undefined : this.way;
    return way !== undefined && way.hops < TREE_LIMIT.hops && this.total(way) <= TREE_LIMIT.distance
      ? way
      : undefined;
  }

  /** This node's distance when it takes that way. */
  total(way: Way): number {
    return way.distance + this.cost + TREE_LIMIT.hopCost;
  }

  /** Its control stream is another one: it is told all again, and has a while to do the same. */
  restartStream(nowMs: number): void {
    this.sent = undefined;
    this.isHeard = false;
    this.hasLeft = false;
    this.requested = undefined;
    this.retellGapMs = TREE_TIMING.retellMs;
    this.retellAtMs = Number.POSITIVE_INFINITY;
    this.staleAtMs = nowMs + TREE_TIMING.againMs;
  }

  /** It says something. */
  hear({ isFresh, number }: TreeAnnounce): void {
    this.isHeard = true;
    this.hasLeft = false;
    this.retellAtMs = Number.POSITIVE_INFINITY;
    this.staleAtMs = Number.POSITIVE_INFINITY;
    this.sent = isFresh ? undefined : this.sent;
    this.heardNumber = number;
  }

  /** It is told something, and has said nothing yet. */
  awaitAnswer(nowMs: number): void {
    if (
      !this.isHeard &&
      this.retellAtMs === Number.POSITIVE_INFINITY &&
      this.retellGapMs < TREE_TIMING.refreshMs
    ) {
      this.retellAtMs = nowMs + this.retellGapMs;
      this.retellGapMs *= 2;
    }
  }

  /** It joined before it had heard of this node's own last join there: it is to say it again, once. */
  askForJoin(): void {
    this.isAsked ||= this.#joinAskedFor !== this.heardNumber;
    this.#joinAskedFor = this.heardNumber;
  }

  /** It says goodbye. */
  leave(nowMs: number): void {
    this.restartStream(nowMs);
    this.staleAtMs = Number.POSITIVE_INFINITY;
    this.forgetWords();
    this.hasLeft = true;
  }

  /** Its trunk has become cheaper or dearer. Who has said nothing yet may have found us out of reach: it is told again. */
  setCost(cost: number): void {
    if (!this.isHeard && this.cost === TREE_LIMIT.costInfinite) {
      this.sent = undefined;
    }
    this.cost = cost;
  }

  /** The loop guard, or that of the former epoch, has shut it. */
  block(untilMs: number): void {
    this.blockedUntilMs = Math.max(this.blockedUntilMs, untilMs);
  }

  /** What it said went beyond its budget, so that this node does not know what it wants. */
  askSoon(nowMs: number): void {
    this.askAtMs = Math.min(this.askAtMs, nowMs + TREE_TIMING.askDelayMs);
  }

  forgetWords(): void {
    this.way = undefined;
    this.word = NO_WORD;
  }

  /** It did not accept in time. */
  shun(nowMs: number): void {
    this.shunnedUntilMs = nowMs + Math.min(TREE_TIMING.shunMs * 2 ** this.failures, TREE_TIMING.shunMaxMs);
    this.failures = Math.min(this.failures + 1, 30);
  }

  joinTimeoutMs(): number {
    return Math.min(TREE_TIMING.joinTimeoutMs * 2 ** this.failures, TREE_TIMING.joinTimeoutMaxMs);
  }

  /** It tells another way than when it was asked for a sequence: it may know more by now. */
  hastenRequest(nowMs: number): void {
    const { requested } = this;
    if (requested !== undefined) {
      const soonMs = Math.max(nowMs, requested.sentAtMs + TREE_TIMING.requestGapMs);
      this.requested = { ...requested, dueMs: Math.min(requested.dueMs, soonMs) };
    }
  }

  /** Takes notice of times that have come. */
  expire(nowMs: number): void {
    this.blockedUntilMs = this.blockedUntilMs <= nowMs ? 0 : this.blockedUntilMs;
    this.shunnedUntilMs = this.shunnedUntilMs <= nowMs ? 0 : this.shunnedUntilMs;
    if (this.staleAtMs <= nowMs) {
      this.staleAtMs = Number.POSITIVE_INFINITY;
      this.forgetWords();
    }
    if (this.retellAtMs <= nowMs) {
      this.retellAtMs = Number.POSITIVE_INFINITY;
      this.sent = undefined;
    }
    if (this.askAtMs <= nowMs) {
      this.askAtMs = Number.POSITIVE_INFINITY;
      this.isAsked = true;
    }
    if (this.way !== undefined && this.way.claim.endsAtMs <= nowMs) {
      this.way = undefined;
    }
  }

  /** When `expire` has something to do. */
  dueMs(): number {
    return Math.min(
      this.blockedUntilMs === 0 ? Number.POSITIVE_INFINITY : this.blockedUntilMs,
      this.shunnedUntilMs === 0 ? Number.POSITIVE_INFINITY : this.shunnedUntilMs,
      this.staleAtMs,
      this.askAtMs,
      this.retellAtMs,
      this.way?.claim.endsAtMs ?? Number.POSITIVE_INFINITY,
    );
  }
}

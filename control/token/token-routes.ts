/**
 * Token announcements over trunks: tells neighbours that share a VLAN which tokens this node wants, and keeps what they
 * say (protocol section 5). Sans-I/O: `handle(input, now)` returns effects.
 *
 *   own epochs, stations ──▶ route-announcer.ts ──▶ send            neighbours ──▶ checks ──▶ route-table.ts
 *
 * Checks, in this order: form, a segment of ours, fresh and from the state that we have, the neighbour's budget, the
 * signature. Nothing of it throws, and each refusal is counted.
 *
 * Main thread. Which segments a relay carries that is no member of them comes with relaying: here a segment that is not our
 * own is refused.
 */
import { TokenBucket } from '../limit/token-bucket.ts';
import type { SegmentKeys } from '../vlan/epoch-keys.ts';
import { type AnnouncerPorts, RouteAnnouncer, type RouteNow, type RouteSend } from './route-announcer.ts';
import { ROUTE_LIMIT, ROUTE_TIMING } from './route-limits.ts';
import {
  decodeRouteMessage,
  encodePull,
  keyOf,
  NONCE_BYTES,
  type RouteAnnounce,
  type RoutePull,
} from './route-message.ts';
import { RouteTable, type RouteVerdict, type TokenRoute } from './route-table.ts';

/** What the machine cannot compute from its inputs. */
export interface RoutePorts extends AnnouncerPorts {
  randomBytes(count: number): Uint8Array;
  /** Whether an Ed25519 signature holds; false for a key that is none. */
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean;
}

/** An epoch of ours, and the routes that we want in it, whole; again at each change. */
export interface WantInput {
  readonly kind: 'want';
  readonly segment: SegmentKeys;
  /** r of 16 bytes each: broadcast, control and own stations, of the previous, current and next period. */
  readonly routes: readonly Uint8Array[];
}
/** The neighbours that share the VLAN of a segment, whole; after its `want`. */
export interface NeighboursInput {
  readonly kind: 'neighbours';
  readonly segmentId: Uint8Array;
  readonly peers: readonly string[];
}
/** An epoch is gone: what we wanted in it is withdrawn. */
export interface ForgetInput {
  readonly kind: 'forget';
  readonly segmentId: Uint8Array;
}
/** A neighbour's control stream is another one: what was on its way may be lost. */
export interface AgainInput {
  readonly kind: 'again';
  readonly peer: string;
}
/** A trunk is gone. */
export interface TrunkDownInput {
  readonly kind: 'trunk-down';
  readonly peer: string;
}
/** The bytes of a neighbour's `Routes`. */
export interface RouteMessageInput {
  readonly kind: 'message';
  readonly peer: string;
  readonly bytes: Uint8Array;
}
/** Time has passed; due at `nextTimeoutMs()`. */
export interface RouteTickInput {
  readonly kind: 'tick';
}

export type RouteInput =
  | WantInput
  | NeighboursInput
  | ForgetInput
  | AgainInput
  | TrunkDownInput
  | RouteMessageInput
  | RouteTickInput;

/** The tokens of a segment that a neighbour wants are others now. */
export interface RoutesChanged {
  readonly kind: 'routes-changed';
  readonly peer: string;
  /** Segment id, in hexadecimal. */
  readonly segment: string;
}

export type RouteEffect = RouteSend | RoutesChanged;

/** Totals since the start. */
export interface RouteCounters {
  accepted: number;
  malformed: number;
  foreignSegment: number;
  stale: number;
  gaps: number;
  expired: number;
  overBudget: number;
  forged: number;
  overQuota: number;
  pullsSent: number;
  pullsAnswered: number;
  segmentsRefused: number;
}

const COUNTED = {
  applied: 'accepted',
  'over-quota': 'overQuota',
  stale: 'stale',
  gap: 'gaps',
  expired: 'expired',
} as const satisfies Record<RouteVerdict, keyof RouteCounters>;

interface Budgets {
  readonly verifications: TokenBucket;
  readonly pulls: TokenBucket;
}

interface PendingPull {
  readonly peer: string;
  readonly segmentId: Uint8Array;
  readonly dueMs: number;
}

/** See the file's head. */
export class TokenRoutes {
  readonly counters: RouteCounters = {
    accepted: 0,
    malformed: 0,
    foreignSegment: 0,
    stale: 0,
    gaps: 0,
    expired: 0,
    overBudget: 0,
    forged: 0,
    overQuota: 0,
    pullsSent: 0,
    pullsAnswered: 0,
    segmentsRefused: 0,
  };
  readonly #ports: RoutePorts;
  readonly #table = new RouteTable();
  /** Own segments, by id. */
  readonly #announcers = new Map<string, RouteAnnouncer>();
  readonly #budgets = new Map<string, Budgets>();
  /** By neighbour and segment. */
  readonly #pulls = new Map<string, PendingPull>();

  constructor(ports: RoutePorts) {
    this.#ports = ports;
  }

  /** Tokens that neighbours want. */
  get live(): number {
    return this.#table.live;
  }

  /** The trunks that lead to a token of ours or of a neighbour's. */
  routesOf(token: Uint8Array): readonly TokenRoute[] {
    return this.#table.routesOf(token);
  }

  /** Whether a neighbour has said that it wants a token: its tokens are routed. */
  isRouted(peer: string, token: Uint8Array): boolean {
    return this.#table.routesOf(token).some((route) => route.peer === peer);
  }

  /**
   * What fits the paths to all who want a token, as far as they have said so.
   *
   * @param trunkBytes - what the trunk to a neighbour takes
   * @returns undefined when nobody wants it
   */
  pathMtuBytes(token: Uint8Array, trunkBytes: (peer: string) => number): number | undefined {
    const sizes = this.#table
      .routesOf(token)
      .map(({ peer, pathMtuBytes }) => Math.min(pathMtuBytes, trunkBytes(peer)));
    return sizes.length === 0 ? undefined : Math.min(...sizes);
  }

  handle(input: RouteInput, now: RouteNow): RouteEffect[] {
    switch (input.kind) {
      case 'want':
        return this.#want(input, now);
      case 'neighbours':
        return this.#setNeighbours(input, now);
      case 'forget':
        return this.#forget(keyOf(input.segmentId), now);
      case 'again':
        return [...this.#announcers.values()]
          .filter((announcer) => announcer.has(input.peer))
          .flatMap((announcer) => announcer.tell(input.peer, now));
      case 'trunk-down':
        return this.#trunkDown(input.peer);
      case 'message':
        return this.#message(input, now);
      case 'tick':
        return this.#tick(now);
    }
  }

  /** When the next `tick` is due, on the monotonic clock; infinite when nothing is. */
  nextTimeoutMs(now: RouteNow): number {
    const dues = [
      ...[...this.#announcers.values()].map(({ dueMs }) => dueMs),
      ...[...this.#pulls.values()].map(({ dueMs }) => dueMs),
      this.#table.nextExpiryUnixMs - now.unixMs + now.nowMs,
    ];
    return dues.reduce((least, due) => Math.min(least, due), Number.POSITIVE_INFINITY);
  }

  // ── Own tokens ───────────────────────────────────────────────────────────────────────────────────────

  #want({ segment, routes }: WantInput, now: RouteNow): RouteEffect[] {
    const key = keyOf(segment.id);
    const known = this.#announcers.get(key);
    if (known === undefined && this.#announcers.size >= ROUTE_LIMIT.segments) {
      this.counters.segmentsRefused++;
      return [];
    }
    const announcer = known ?? new RouteAnnouncer(this.#ports, segment, this.#ports.randomBytes(NONCE_BYTES));
    this.#announcers.set(key, announcer);
    return announcer.want(routes, now);
  }

  #forget(segment: string, now: RouteNow): RouteEffect[] {
    const effects = this.#announcers.get(segment)?.want([], now) ?? [];
    this.#announcers.delete(segment);
    this.#table.removeSegment(segment);
    for (const [key, pull] of this.#pulls) {
      if (keyOf(pull.segmentId) === segment) {
        this.#pulls.delete(key);
      }
    }
    return effects;
  }

  /** A neighbour may have announced before we knew the segment: newcomers are asked, too. */
  #setNeighbours({ segmentId, peers }: NeighboursInput, now: RouteNow): RouteEffect[] {
    const announcer = this.#announcers.get(keyOf(segmentId));
    if (announcer === undefined) {
      return [];
    }
    const newcomers = peers.filter((peer) => !announcer.has(peer));
    const left = announcer.peers().filter((peer) => !peers.includes(peer));
    const effects: RouteEffect[] = announcer.setPeers(peers, now);
    for (const peer of newcomers) {
      this.#wantPull(peer, segmentId, now);
    }
    for (const peer of left) {
      this.#pulls.delete(pullKey(peer, segmentId));
    }
    return effects;
  }

  #trunkDown(peer: string): RouteEffect[] {
    for (const announcer of this.#announcers.values()) {
      announcer.remove(peer);
    }
    for (const [key, pull] of this.#pulls) {
      if (pull.peer === peer) {
        this.#pulls.delete(key);
      }
    }
    this.#budgets.delete(peer);
    return this.#table.removePeer(peer).map((segment) => ({ kind: 'routes-changed', peer, segment }));
  }

  // ── What neighbours say ──────────────────────────────────────────────────────────────────────────────

  #message({ peer, bytes }: RouteMessageInput, now: RouteNow): RouteEffect[] {
    const message = decodeRouteMessage(bytes);
    if (message === undefined) {
      this.counters.malformed++;
      return [];
    }
    const announcer = this.#announcers.get(keyOf(message.segmentId));
    if (announcer?.has(peer) !== true) {
      this.counters.foreignSegment++;
      return [];
    }
    return message.kind === 'pull'
      ? this.#answerPull(peer, message, now)
      : this.#takeAnnounce(peer, message, now);
  }

  #answerPull(peer: string, { segmentId }: RoutePull, now: RouteNow): RouteEffect[] {
    if (!this.#budgetsOf(peer, now).pulls.take(now.nowMs)) {
      this.counters.overBudget++;
      return [];
    }
    this.counters.pullsAnswered++;
    return this.#announcers.get(keyOf(segmentId))?.tell(peer, now) ?? [];
  }

  #takeAnnounce(peer: string, announce: RouteAnnounce, now: RouteNow): RouteEffect[] {
    const refusal = this.#table.refusal(peer, announce, now.unixMs);
    if (refusal !== undefined) {
      this.counters[COUNTED[refusal]]++;
      if (refusal === 'gap') {
        this.#wantPull(peer, announce.segmentId, now);
      }
      return [];
    }
    if (!this.#budgetsOf(peer, now).verifications.take(now.nowMs)) {
      this.counters.overBudget++;
      this.#wantPull(peer, announce.segmentId, now);
      return [];
    }
    if (!this.#ports.verify(announce.segmentKey, announce.signed, announce.signature)) {
      this.counters.forged++;
      return [];
    }
    this.counters[COUNTED[this.#table.apply(peer, announce, now.unixMs)]]++;
    this.#pulls.delete(pullKey(peer, announce.segmentId));
    const isChange = announce.base === 0 || announce.added.length + announce.withdrawn.length > 0;
    return isChange ? [{ kind: 'routes-changed', peer, segment: keyOf(announce.segmentId) }] : [];
  }

  /** Asks for a set, unless it comes or is asked for before. */
  #wantPull(peer: string, segmentId: Uint8Array, now: RouteNow): void {
    const key = pullKey(peer, segmentId);
    if (!this.#pulls.has(key)) {
      this.#pulls.set(key, { peer, segmentId, dueMs: now.nowMs + ROUTE_TIMING.pullDelayMs });
    }
  }

  #budgetsOf(peer: string, now: RouteNow): Budgets {
    const known = this.#budgets.get(peer);
    const budgets = known ?? {
      verifications: new TokenBucket(ROUTE_LIMIT.verifications, now.nowMs),
      pulls: new TokenBucket(ROUTE_LIMIT.pulls, now.nowMs),
    };
    this.#budgets.set(peer, budgets);
    return budgets;
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────────

  #tick(now: RouteNow): RouteEffect[] {
    const effects: RouteEffect[] = [...this.#announcers.values()].flatMap((announcer) => announcer.tick(now));
    for (const [key, { peer, segmentId, dueMs }] of this.#pulls) {
      if (dueMs <= now.nowMs) {
        this.#pulls.delete(key);
        this.counters.pullsSent++;
        effects.push({ kind: 'send', peer, bytes: encodePull(segmentId) });
      }
    }
    for (const { peer, segment } of this.#table.expire(now.unixMs)) {
      effects.push({ kind: 'routes-changed', peer, segment });
    }
    return effects;
  }
}

function pullKey(peer: string, segmentId: Uint8Array): string {
  return `${keyOf(segmentId)}/${peer}`;
}

/**
 * What neighbours say: checks each message, and takes what holds into the store.
 *
 *   announce   form ─▶ a segment of ours, a partner ─▶ not too far, a forwarding port ─▶ fresh, from our state ─▶ budget
 *              ─▶ signature ─▶ quota
 *   paths      form ─▶ segment, partner ─▶ budget ─▶ each: known, else asked for
 *   pull       form ─▶ segment, partner ─▶ budget
 *
 * Main thread. Nothing of it throws, and each refusal is counted.
 */
import { TokenBucket } from '../limit/token-bucket.ts';
import type { RouteNow, RouteSend } from './route-announcer.ts';
import type { RouteChanges } from './route-changes.ts';
import { ROUTE_LIMIT, ROUTE_TIMING } from './route-limits.ts';
import {
  decodeRouteMessage,
  keyOf,
  PATH_MTU_NONE,
  type RouteAnnounce,
  type RouteHead,
  type RoutePath,
  type RoutePaths,
  type RoutePull,
} from './route-message.ts';
import type { RouteCounters, RouteMessageInput, RoutePorts } from './route-port.ts';
import type { RoutePulls } from './route-pulls.ts';
import type { RouteSegment } from './route-segment.ts';
import type { Announcer, RouteRefusal, RouteStore } from './route-store.ts';
import type { RouteTeller } from './route-teller.ts';

/** What the intake works on. */
export interface IntakeParts {
  readonly ports: Pick<RoutePorts, 'verify'>;
  readonly store: RouteStore;
  readonly segments: ReadonlyMap<string, RouteSegment>;
  readonly pulls: RoutePulls;
  readonly changes: RouteChanges;
  readonly counters: RouteCounters;
  readonly teller: RouteTeller;
}

interface Budgets {
  readonly verifications: TokenBucket;
  readonly claims: TokenBucket;
  readonly pulls: TokenBucket;
}

/** Who says something, where, and when. */
interface Speech {
  readonly segment: RouteSegment;
  readonly peer: string;
  readonly now: RouteNow;
}

const COUNTED = {
  stale: 'stale',
  gap: 'gaps',
  expired: 'expired',
} as const satisfies Record<RouteRefusal, keyof RouteCounters>;

export function newRouteCounters(): RouteCounters {
  return {
    accepted: 0,
    malformed: 0,
    foreignSegment: 0,
    notForwarding: 0,
    tooFar: 0,
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
}

/** See the file's head. */
export class RouteIntake {
  readonly #parts: IntakeParts;
  readonly #budgets = new Map<string, Budgets>();

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  take({ peer, bytes }: RouteMessageInput, now: RouteNow): RouteSend[] {
    const { counters, segments } = this.#parts;
    const message = decodeRouteMessage(bytes);
    if (message === undefined) {
      counters.malformed++;
      return [];
    }
    const segment = segments.get(keyOf(message.segmentId));
    if (segment?.partners.has(peer) !== true) {
      counters.foreignSegment++;
      return [];
    }
    const speech = { segment, peer, now };
    switch (message.kind) {
      case 'announce':
        this.#takeAnnounce(speech, message, bytes);
        return [];
      case 'paths':
        this.#takePaths(speech, message);
        return [];
      case 'pull':
        return this.#answer(speech, message);
    }
  }

  /** A trunk is gone. */
  forgetPeer(peer: string): void {
    this.#budgets.delete(peer);
  }

  #takeAnnounce(speech: Speech, announce: RouteAnnounce, bytes: Uint8Array): void {
    const { store, counters, pulls } = this.#parts;
    const { segment, peer, now } = speech;
    const nonce = keyOf(announce.nonce);
    if (!this.#mayLead(speech, announce) || isOwn(segment, announce.nonce)) {
      return;
    }
    const known = store.of(segment.key).get(nonce);
    const refusal = store.refusal(announce, known, now.unixMs);
    if (refusal === undefined) {
      this.#takeFresh(speech, announce, bytes);
      return;
    }
    counters[COUNTED[refusal]]++;
    if (refusal === 'gap') {
      pulls.wantSet(peer, segment.id, announce.nonce, now.nowMs + ROUTE_TIMING.pullDelayMs);
    } else {
      pulls.setCame(peer, segment.key, nonce);
    }
    if (refusal !== 'expired' && known !== undefined && this.#takeClaim(speech)) {
      this.#setWay(known, peer, announce);
    }
  }

  #takeFresh({ segment, peer, now }: Speech, announce: RouteAnnounce, bytes: Uint8Array): void {
    const { store, counters, pulls, ports, teller, changes } = this.#parts;
    if (!this.#budgetsOf(peer, now).verifications.take(now.nowMs)) {
      counters.overBudget++;
      pulls.wantSet(peer, segment.id, announce.nonce, now.nowMs + ROUTE_TIMING.pullDelayMs);
      return;
    }
    if (!ports.verify(announce.segmentKey, announce.signed, announce.signature)) {
      counters.forged++;
      return;
    }
    pulls.setCame(peer, segment.key, keyOf(announce.nonce));
    const before = store.of(segment.key).get(keyOf(announce.nonce))?.ways.get(peer);
    const applied = store.apply({ peer, announce, bytes }, segment.own === undefined, now.unixMs);
    if (applied === undefined) {
      counters.overQuota++;
      return;
    }
    counters.accepted++;
    const { announcer, tokens } = applied;
    changes.addTokens(announcer, tokens);
    if (before?.pathMtuBytes !== announce.pathMtuBytes || before.hops !== announce.hops) {
      changes.add(announcer, announcer.tokens.values());
    }
    teller.touch(announcer, true);
  }

  #takePaths(speech: Speech, { paths, isWhole }: RoutePaths): void {
    const { store, pulls } = this.#parts;
    const { segment, peer, now } = speech;
    if (!this.#takeClaim(speech)) {
      pulls.wantList(peer, segment.id, now.nowMs);
      return;
    }
    const led = new Set<string>();
    for (const path of paths) {
      if (path.pathMtuBytes !== PATH_MTU_NONE && this.#mayLead(speech, path)) {
        led.add(keyOf(path.nonce));
        this.#takePath(speech, path);
      } else if (!isWhole) {
        pulls.setCame(peer, segment.key, keyOf(path.nonce));
        this.#dropWay(store.of(segment.key).get(keyOf(path.nonce)), speech);
      }
    }
    if (isWhole) {
      pulls.listCame(peer, segment.key);
      for (const announcer of store.of(segment.key).values()) {
        if (!led.has(announcer.key)) {
          this.#dropWay(announcer, speech);
        }
      }
    }
  }

  #takePath({ segment, peer, now }: Speech, path: RoutePath): void {
    const { store, pulls } = this.#parts;
    const announcer = store.of(segment.key).get(keyOf(path.nonce));
    if (isOwn(segment, path.nonce)) {
      return;
    }
    if (announcer !== undefined) {
      this.#setWay(announcer, peer, path);
    }
    if ((announcer?.sequence ?? 0) < path.sequence) {
      pulls.wantSet(peer, segment.id, path.nonce, now.nowMs);
    }
  }

  #answer(speech: Speech, { nonces }: RoutePull): RouteSend[] {
    const { store, teller, counters } = this.#parts;
    const { segment, peer, now } = speech;
    const { pulls } = this.#budgetsOf(peer, now);
    if (nonces.length === 0) {
      if (!pulls.take(now.nowMs)) {
        counters.overBudget++;
        return [];
      }
      counters.pullsAnswered++;
      teller.list(segment, peer);
    }
    return nonces.flatMap((nonce) => {
      if (!pulls.take(now.nowMs)) {
        counters.overBudget++;
        return [];
      }
      counters.pullsAnswered++;
      if (isOwn(segment, nonce)) {
        return segment.own?.tell(peer, now) ?? [];
      }
      const announcer = store.of(segment.key).get(keyOf(nonce));
      return announcer === undefined ? [] : teller.answer(segment, peer, announcer);
    });
  }

  /** Whether a neighbour may lead to one who is so far: what was passed on comes by the tree only. */
  #mayLead({ segment, peer }: Speech, { hops }: RouteHead): boolean {
    if (hops >= ROUTE_LIMIT.hops) {
      this.#parts.counters.tooFar++;
      return false;
    }
    if (hops > 0 && !segment.forwarding.has(peer)) {
      this.#parts.counters.notForwarding++;
      return false;
    }
    return true;
  }

  #setWay(announcer: Announcer, peer: string, head: RouteHead): void {
    const { store, changes, teller, counters } = this.#parts;
    const change = store.addWay(announcer, peer, head);
    if (change === undefined) {
      counters.overQuota++;
    } else if (change) {
      changes.add(announcer, announcer.tokens.values());
      teller.touch(announcer);
    }
  }

  #dropWay(announcer: Announcer | undefined, { peer, now }: Speech): void {
    const { store, changes, teller } = this.#parts;
    if (announcer !== undefined && store.removeWay(announcer, peer, now.nowMs)) {
      changes.add(announcer, announcer.tokens.values());
      teller.touch(announcer);
    }
  }

  /** Whether a neighbour may say something unsigned once more. */
  #takeClaim({ peer, now }: Speech): boolean {
    const isTaken = this.#budgetsOf(peer, now).claims.take(now.nowMs);
    this.#parts.counters.overBudget += isTaken ? 0 : 1;
    return isTaken;
  }

  #budgetsOf(peer: string, { nowMs }: RouteNow): Budgets {
    const known = this.#budgets.get(peer);
    const budgets = known ?? {
      verifications: new TokenBucket(ROUTE_LIMIT.verifications, nowMs),
      claims: new TokenBucket(ROUTE_LIMIT.claims, nowMs),
      pulls: new TokenBucket(ROUTE_LIMIT.pulls, nowMs),
    };
    this.#budgets.set(peer, budgets);
    return budgets;
  }
}

function isOwn(segment: RouteSegment, nonce: Uint8Array): boolean {
  return segment.own !== undefined && keyOf(segment.own.nonce) === keyOf(nonce);
}

/**
 * The tokens that others want, as they announced them: soft state, which ends when it is not refreshed.
 *
 *   segment ─▶ announcer (nonce) ─▶ its set: sequence, expiry, { route → token }, history
 *                                └▶ ways: neighbour → path MTU, hops
 *   token ─▶ the announcers that want it, and so the neighbours that lead to them
 *
 * A set is signed, so it is the same from whomever it comes and is kept once; what neighbours differ in is the way. The
 * history is what was signed since the set was last told whole: it tells the set to one who does not have it. A set to
 * which no way leads is dormant: it counts for nothing, and waits a little for another way.
 *
 * Main thread; no clock of its own. Quotas are a neighbour's own, over all sets that it leads to: what is too much of one
 * costs the others nothing. A message is taken whole or not at all.
 */
import { ROUTE_LIMIT, ROUTE_TIMING } from './route-limits.ts';
import { keyOf, type RouteAnnounce, type RouteHead } from './route-message.ts';
import { forwardingToken } from './token.ts';

/** A message that leads from one state of a set to the next. */
export interface SignedStep {
  readonly base: number;
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** What a neighbour has been told of a set. */
export interface Told extends RouteHead {
  readonly sequence: number;
}

/** An announcer's set and the ways to it. Only the store changes it, but for `told`. */
export interface Announcer {
  /** Segment id and nonce, in hexadecimal. */
  readonly segment: string;
  readonly key: string;
  readonly nonce: Uint8Array;
  readonly isForeign: boolean;
  sequence: number;
  expiresAtUnixMs: number;
  /** Begins with a whole set. */
  history: SignedStep[];
  deltaBytes: number;
  /** Keys of tokens by keys of routes. */
  readonly tokens: Map<string, string>;
  readonly ways: Map<string, RouteHead>;
  /** When the last way went. */
  dormantSinceMs: number;
  readonly told: Map<string, Told>;
}

/** `gap`: the state that the message changes is not the one that we have. */
export type RouteRefusal = 'expired' | 'stale' | 'gap';

interface Neighbour {
  tokens: number;
  announcers: number;
  /** Announcers by segment. */
  readonly segments: Map<string, number>;
}

/** What a message does to a set. */
interface Change {
  readonly removed: readonly string[];
  readonly added: ReadonlyMap<string, Uint8Array>;
}

/** Announcers forgotten in one turn: about 2 ms with ten tokens each. */
const REMOVED_AT_ONCE = 128;
const NO_ANNOUNCERS: ReadonlyMap<string, Announcer> = new Map();

/** See the file's head. */
export class RouteStore {
  readonly #segments = new Map<string, Map<string, Announcer>>();
  readonly #byToken = new Map<string, Set<Announcer>>();
  readonly #neighbours = new Map<string, Neighbour>();
  readonly #dormant = new Set<Announcer>();
  #announcers = 0;
  #live = 0;
  #foreign = 0;
  /** No set expires before; of those that went meanwhile it may be one's. */
  #nextExpiryUnixMs = Number.POSITIVE_INFINITY;

  /** Tokens, counted once for each announcer. */
  get live(): number {
    return this.#live;
  }

  /** When to call {@link RouteStore.expired} next, in Unix milliseconds; infinite when there is nothing. */
  get nextExpiryUnixMs(): number {
    return this.#nextExpiryUnixMs;
  }

  /** When to call {@link RouteStore.dropDormant} next; infinite when there is nothing. */
  get dormantDueMs(): number {
    const [first] = this.#dormant;
    return first === undefined ? Number.POSITIVE_INFINITY : first.dormantSinceMs + ROUTE_TIMING.dormantMs;
  }

  /** The announcers of a segment, dormant ones among them. */
  of(segment: string): ReadonlyMap<string, Announcer> {
    return this.#segments.get(segment) ?? NO_ANNOUNCERS;
  }

  /** The announcers that want a token. @param token - in hexadecimal */
  wanting(token: string): Iterable<Announcer> {
    return this.#byToken.get(token) ?? [];
  }

  /** What a neighbour leads to. */
  countsOf(peer: string): { readonly announcers: number; readonly tokens: number } {
    return this.#neighbours.get(peer) ?? { announcers: 0, tokens: 0 };
  }

  /** What stands against an announcement, before its signature is looked at; undefined when nothing does. */
  refusal(announce: RouteAnnounce, known: Announcer | undefined, unixMs: number): RouteRefusal | undefined {
    const sequence = known?.sequence ?? 0;
    if (announce.expiresAtUnixMs <= unixMs) {
      return 'expired';
    }
    if (announce.sequence <= sequence) {
      return 'stale';
    }
    if (announce.base === 0) {
      return undefined;
    }
    return announce.base === sequence && known !== undefined && hasRoom(known, announce) ? undefined : 'gap';
  }

  /**
   * Takes an announcement whose signature holds and that {@link RouteStore.refusal} lets pass.
   *
   * @param bytes - the message
   * @returns the tokens that are wanted or not wanted now; undefined when it is beyond the neighbour's quota
   */
  apply(
    message: { readonly peer: string; readonly announce: RouteAnnounce; readonly bytes: Uint8Array },
    isForeign: boolean,
    unixMs: number,
  ): { readonly announcer: Announcer; readonly tokens: readonly string[] } | undefined {
    const { peer, announce, bytes } = message;
    const known = this.of(keyOf(announce.segmentId)).get(keyOf(announce.nonce));
    const announcer = known ?? emptyAnnouncer(announce, isForeign);
    const change = changeOf(announcer, announce);
    const growth = change.added.size - change.removed.length;
    if (!this.#hasQuota(peer, announcer, growth) || !this.#hasTotal(announcer, growth)) {
      return undefined;
    }
    this.#insert(announcer);
    announcer.sequence = announce.sequence;
    // No clock is so wrong that a longer life is meant.
    announcer.expiresAtUnixMs = Math.min(announce.expiresAtUnixMs, unixMs + 2 * ROUTE_TIMING.lifetimeMs);
    this.#nextExpiryUnixMs = Math.min(this.#nextExpiryUnixMs, announcer.expiresAtUnixMs);
    const step = { base: announce.base, sequence: announce.sequence, bytes: bytes.slice() };
    announcer.history = announce.base === 0 ? [step] : [...announcer.history, step];
    announcer.deltaBytes = announce.base === 0 ? 0 : announcer.deltaBytes + bytes.length;
    const tokens = this.#change(announcer, announce.segmentId, change);
    this.#count(announcer, growth);
    this.addWay(announcer, peer, announce);
    return { announcer, tokens };
  }

  /**
   * A neighbour leads to an announcer.
   *
   * @returns whether that is new, or is so by another head; undefined when it is beyond the neighbour's quota
   */
  addWay(announcer: Announcer, peer: string, { pathMtuBytes, hops }: RouteHead): boolean | undefined {
    const known = announcer.ways.get(peer);
    if (known?.pathMtuBytes === pathMtuBytes && known.hops === hops) {
      return false;
    }
    if (known === undefined) {
      if (!this.#hasQuota(peer, announcer, 0)) {
        return undefined;
      }
      this.#dormant.delete(announcer);
      this.#countWay(announcer, peer, 1);
    }
    announcer.ways.set(peer, { pathMtuBytes, hops });
    return true;
  }

  /** A neighbour leads there no more. @returns whether it did */
  removeWay(announcer: Announcer, peer: string, nowMs: number): boolean {
    if (!announcer.ways.delete(peer)) {
      return false;
    }
    this.#countWay(announcer, peer, -1);
    if (announcer.ways.size === 0) {
      announcer.dormantSinceMs = nowMs;
      this.#dormant.add(announcer);
    }
    return true;
  }

  /** Announcers that were not refreshed, a few at a time; they are to be removed. */
  expired(unixMs: number): readonly Announcer[] {
    if (unixMs < this.#nextExpiryUnixMs) {
      return [];
    }
    const gone: Announcer[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const announcers of this.#segments.values()) {
      for (const announcer of announcers.values()) {
        if (announcer.expiresAtUnixMs > unixMs) {
          next = Math.min(next, announcer.expiresAtUnixMs);
        } else if (gone.push(announcer) === REMOVED_AT_ONCE) {
          return gone; // the rest is due as before
        }
      }
    }
    this.#nextExpiryUnixMs = next;
    return gone;
  }

  /** Forgets what has been dormant for long, a few at a time. */
  dropDormant(nowMs: number): void {
    let left = REMOVED_AT_ONCE;
    for (const announcer of this.#dormant) {
      if (announcer.dormantSinceMs + ROUTE_TIMING.dormantMs > nowMs || left-- === 0) {
        return; // they are in the order of time
      }
      this.remove(announcer);
    }
  }

  /** Forgets an announcer. */
  remove(announcer: Announcer): void {
    const announcers = this.#segments.get(announcer.segment);
    if (announcers?.get(announcer.key) !== announcer) {
      return;
    }
    for (const peer of [...announcer.ways.keys()]) {
      this.removeWay(announcer, peer, 0);
    }
    this.#dormant.delete(announcer);
    this.#count(announcer, -announcer.tokens.size);
    for (const [route, token] of announcer.tokens) {
      this.#unwant(announcer, route, token);
    }
    this.#announcers--;
    announcers.delete(announcer.key);
    if (announcers.size === 0) {
      this.#segments.delete(announcer.segment);
    }
  }

  #insert(announcer: Announcer): void {
    const announcers = this.#segments.get(announcer.segment) ?? new Map<string, Announcer>();
    if (!announcers.has(announcer.key)) {
      this.#segments.set(announcer.segment, announcers.set(announcer.key, announcer));
      this.#announcers++;
    }
  }

  /** Whether a neighbour may lead to a set that grows by so many tokens. */
  #hasQuota(peer: string, announcer: Announcer, growth: number): boolean {
    const neighbour = this.#neighbours.get(peer);
    const isNew = !announcer.ways.has(peer);
    const tokens = (neighbour?.tokens ?? 0) + growth + (isNew ? announcer.tokens.size : 0);
    const inSegment = neighbour?.segments.get(announcer.segment) ?? 0;
    return (
      (tokens <= ROUTE_LIMIT.tokensPerTrunk || (growth <= 0 && !isNew)) &&
      (!isNew ||
        (inSegment < ROUTE_LIMIT.announcersPerTrunk &&
          (neighbour?.announcers ?? 0) < ROUTE_LIMIT.announcersOfTrunk))
    );
  }

  /** Whether there is room for a set that grows by so many tokens; what is dormant gives way. */
  #hasTotal(announcer: Announcer, growth: number): boolean {
    const announcers = this.#segments.get(announcer.segment);
    const isNew = announcers?.has(announcer.key) !== true;
    const fits = (): boolean =>
      (growth <= 0 ||
        (this.#live + growth <= ROUTE_LIMIT.tokens &&
          (!announcer.isForeign || this.#foreign + growth <= ROUTE_LIMIT.foreignTokens))) &&
      (!isNew ||
        (this.#announcers < ROUTE_LIMIT.allAnnouncers &&
          (this.#segments.get(announcer.segment)?.size ?? 0) < ROUTE_LIMIT.announcers));
    if (fits()) {
      return true;
    }
    for (const dormant of [...this.#dormant]) {
      if (dormant !== announcer) {
        this.remove(dormant);
      }
    }
    return fits();
  }

  #count(announcer: Announcer, growth: number): void {
    this.#live += growth;
    this.#foreign += announcer.isForeign ? growth : 0;
    for (const peer of announcer.ways.keys()) {
      const neighbour = this.#neighbours.get(peer);
      if (neighbour !== undefined) {
        neighbour.tokens += growth;
      }
    }
  }

  /** @param sign - 1: the way is new, -1: it is gone */
  #countWay(announcer: Announcer, peer: string, sign: 1 | -1): void {
    const known = this.#neighbours.get(peer);
    const neighbour = known ?? { tokens: 0, announcers: 0, segments: new Map<string, number>() };
    neighbour.tokens += sign * announcer.tokens.size;
    neighbour.announcers += sign;
    const inSegment = (neighbour.segments.get(announcer.segment) ?? 0) + sign;
    if (inSegment === 0) {
      neighbour.segments.delete(announcer.segment);
    } else {
      neighbour.segments.set(announcer.segment, inSegment);
    }
    if (neighbour.announcers === 0) {
      this.#neighbours.delete(peer);
    } else {
      this.#neighbours.set(peer, neighbour);
    }
  }

  #change(announcer: Announcer, segmentId: Uint8Array, { removed, added }: Change): string[] {
    const tokens: string[] = [];
    for (const route of removed) {
      const token = announcer.tokens.get(route) ?? '';
      tokens.push(token);
      this.#unwant(announcer, route, token);
    }
    for (const [key, route] of added) {
      const token = keyOf(forwardingToken(segmentId, route));
      tokens.push(token);
      announcer.tokens.set(key, token);
      this.#byToken.set(token, (this.#byToken.get(token) ?? new Set<Announcer>()).add(announcer));
    }
    return tokens;
  }

  #unwant(announcer: Announcer, route: string, token: string): void {
    announcer.tokens.delete(route);
    const wanting = this.#byToken.get(token);
    wanting?.delete(announcer);
    if (wanting?.size === 0) {
      this.#byToken.delete(token);
    }
  }
}

function emptyAnnouncer({ segmentId, nonce }: RouteAnnounce, isForeign: boolean): Announcer {
  return {
    segment: keyOf(segmentId),
    key: keyOf(nonce),
    nonce,
    isForeign,
    sequence: 0,
    expiresAtUnixMs: 0,
    history: [],
    deltaBytes: 0,
    tokens: new Map(),
    ways: new Map(),
    dormantSinceMs: 0,
    told: new Map(),
  };
}

/** Whether a change still goes into the history: an honest announcer tells its whole set before it does not. */
function hasRoom(announcer: Announcer, announce: RouteAnnounce): boolean {
  const whole = announcer.history[0]?.bytes.length ?? 0;
  return (
    announcer.history.length <= ROUTE_LIMIT.takenDeltas &&
    announcer.deltaBytes + announce.signed.length <= whole + ROUTE_LIMIT.takenDeltaBytes
  );
}

/** Withdrawn ones go first; what is both withdrawn and added stays. */
function changeOf(announcer: Announcer, announce: RouteAnnounce): Change {
  const named = new Map(announce.added.map((route) => [keyOf(route), route]));
  const added = new Map([...named].filter(([key]) => !announcer.tokens.has(key)));
  const candidates = announce.base === 0 ? [...announcer.tokens.keys()] : announce.withdrawn.map(keyOf);
  const removed = new Set(candidates.filter((key) => announcer.tokens.has(key) && !named.has(key)));
  return { added, removed: [...removed] };
}

/**
 * The tokens that neighbours want, as they announced them: soft state for each trunk, which ends when it is not refreshed.
 *
 *   neighbour ─▶ segment ─▶ announcer (nonce) ─▶ sequence, expiry, path MTU, { route → token }
 *   token ─▶ the announcers that want it, and so the trunks that lead to them
 *
 * Main thread; no clock of its own. A message changes a set only from the state that it names; another one is a gap, and
 * the set is to be asked for. Quotas are a neighbour's own: what is too much of one costs the others nothing.
 */
import { ROUTE_LIMIT, ROUTE_TIMING } from './route-limits.ts';
import { keyOf, type RouteAnnounce } from './route-message.ts';
import { forwardingToken } from './token.ts';

/** What became of an announcement. `over-quota`: in part. */
export type RouteVerdict = 'applied' | 'over-quota' | 'stale' | 'gap' | 'expired';

/** A trunk that leads to somebody who wants a token. */
export interface TokenRoute {
  readonly peer: string;
  /** As announced; the trunk itself may take less. */
  readonly pathMtuBytes: number;
  readonly expiresAtUnixMs: number;
}

interface Announcer {
  readonly peer: string;
  readonly segment: string;
  readonly segmentId: Uint8Array;
  sequence: number;
  pathMtuBytes: number;
  expiresAtUnixMs: number;
  /** Keys of tokens by keys of routes. */
  readonly tokens: Map<string, string>;
}

interface Neighbour {
  readonly segments: Map<string, Map<string, Announcer>>;
  tokens: number;
}

/** See the file's head. */
export class RouteTable {
  readonly #neighbours = new Map<string, Neighbour>();
  readonly #byToken = new Map<string, Set<Announcer>>();
  #live = 0;
  /** No announcer expires before; of those that went meanwhile it may be one's. */
  #nextExpiryUnixMs = Number.POSITIVE_INFINITY;
  /** Tokens and announcers that were left out. */
  overQuota = 0;

  /** Tokens, counted once for each announcer. */
  get live(): number {
    return this.#live;
  }

  /** What stands against an announcement, before its signature is looked at; undefined when nothing does. */
  refusal(peer: string, announce: RouteAnnounce, unixMs: number): RouteVerdict | undefined {
    const sequence = this.#find(peer, announce)?.sequence ?? 0;
    if (announce.expiresAtUnixMs <= unixMs) {
      return 'expired';
    }
    if (announce.sequence <= sequence) {
      return 'stale';
    }
    return announce.base === 0 || announce.base === sequence ? undefined : 'gap';
  }

  /** Takes an announcement whose signature holds and that {@link RouteTable.refusal} lets pass. */
  apply(peer: string, announce: RouteAnnounce, unixMs: number): RouteVerdict {
    const announcer = this.#find(peer, announce) ?? this.#addAnnouncer(peer, announce);
    if (announcer === undefined) {
      this.overQuota++;
      return 'over-quota';
    }
    announcer.sequence = announce.sequence;
    announcer.pathMtuBytes = announce.pathMtuBytes;
    // No clock is so wrong that a longer life is meant.
    announcer.expiresAtUnixMs = Math.min(announce.expiresAtUnixMs, unixMs + 2 * ROUTE_TIMING.lifetimeMs);
    this.#nextExpiryUnixMs = Math.min(this.#nextExpiryUnixMs, announcer.expiresAtUnixMs);
    if (announce.base === 0) {
      this.#keepOnly(announcer, new Set(announce.added.map(keyOf)));
    }
    for (const route of announce.withdrawn) {
      this.#withdraw(announcer, keyOf(route));
    }
    const before = this.overQuota;
    for (const route of announce.added) {
      this.#add(announcer, route);
    }
    return this.overQuota === before ? 'applied' : 'over-quota';
  }

  /** The trunks that lead to a token. @param token - 16 bytes */
  routesOf(token: Uint8Array): readonly TokenRoute[] {
    return [...(this.#byToken.get(keyOf(token)) ?? [])].map(({ peer, pathMtuBytes, expiresAtUnixMs }) => ({
      peer,
      pathMtuBytes,
      expiresAtUnixMs,
    }));
  }

  /** Forgets what was not refreshed. @returns whose routes in which segments are gone */
  expire(unixMs: number): readonly { readonly peer: string; readonly segment: string }[] {
    if (unixMs < this.#nextExpiryUnixMs) {
      return [];
    }
    const gone = this.#all().filter(({ expiresAtUnixMs }) => expiresAtUnixMs <= unixMs);
    for (const announcer of gone) {
      this.#forget(announcer);
    }
    this.#nextExpiryUnixMs = this.#all().reduce(
      (least, { expiresAtUnixMs }) => Math.min(least, expiresAtUnixMs),
      Number.POSITIVE_INFINITY,
    );
    return gone.map(({ peer, segment }) => ({ peer, segment }));
  }

  /** When to call {@link RouteTable.expire} next, in Unix milliseconds; infinite when there is nothing. */
  get nextExpiryUnixMs(): number {
    return this.#nextExpiryUnixMs;
  }

  /** A trunk is gone, and all that it led to. @returns the segments that it led to */
  removePeer(peer: string): readonly string[] {
    const segments = [...(this.#neighbours.get(peer)?.segments.entries() ?? [])];
    for (const announcer of segments.flatMap(([, announcers]) => [...announcers.values()])) {
      this.#forget(announcer);
    }
    this.#neighbours.delete(peer);
    return segments.map(([segment]) => segment);
  }

  /** An epoch is gone. */
  removeSegment(segment: string): void {
    for (const announcer of this.#all()) {
      if (announcer.segment === segment) {
        this.#forget(announcer);
      }
    }
  }

  #all(): Announcer[] {
    return [...this.#neighbours.values()].flatMap(({ segments }) =>
      [...segments.values()].flatMap((announcers) => [...announcers.values()]),
    );
  }

  #find(peer: string, announce: RouteAnnounce): Announcer | undefined {
    const announcers = this.#neighbours.get(peer)?.segments.get(keyOf(announce.segmentId));
    return announcers?.get(keyOf(announce.nonce));
  }

  #addAnnouncer(peer: string, announce: RouteAnnounce): Announcer | undefined {
    const neighbour = this.#neighbours.get(peer) ?? { segments: new Map<string, never>(), tokens: 0 };
    this.#neighbours.set(peer, neighbour);
    const segment = keyOf(announce.segmentId);
    const announcers = neighbour.segments.get(segment) ?? new Map<string, Announcer>();
    neighbour.segments.set(segment, announcers);
    if (announcers.size >= ROUTE_LIMIT.announcers) {
      return undefined;
    }
    const { segmentId, pathMtuBytes, expiresAtUnixMs } = announce;
    const fields = { peer, segment, segmentId, sequence: 0, pathMtuBytes, expiresAtUnixMs };
    const announcer: Announcer = { ...fields, tokens: new Map() };
    announcers.set(keyOf(announce.nonce), announcer);
    return announcer;
  }

  #add(announcer: Announcer, route: Uint8Array): void {
    const neighbour = this.#neighbours.get(announcer.peer);
    const key = keyOf(route);
    if (neighbour === undefined || announcer.tokens.has(key)) {
      return;
    }
    if (neighbour.tokens >= ROUTE_LIMIT.tokensPerTrunk || this.#live >= ROUTE_LIMIT.tokens) {
      this.overQuota++;
      return;
    }
    const token = keyOf(forwardingToken(announcer.segmentId, route));
    const wanting = this.#byToken.get(token) ?? new Set<Announcer>();
    this.#byToken.set(token, wanting.add(announcer));
    announcer.tokens.set(key, token);
    neighbour.tokens++;
    this.#live++;
  }

  #withdraw(announcer: Announcer, route: string): void {
    const token = announcer.tokens.get(route);
    const neighbour = this.#neighbours.get(announcer.peer);
    if (token === undefined || neighbour === undefined) {
      return;
    }
    announcer.tokens.delete(route);
    neighbour.tokens--;
    this.#live--;
    const wanting = this.#byToken.get(token);
    wanting?.delete(announcer);
    if (wanting?.size === 0) {
      this.#byToken.delete(token);
    }
  }

  #keepOnly(announcer: Announcer, kept: ReadonlySet<string>): void {
    for (const route of [...announcer.tokens.keys()]) {
      if (!kept.has(route)) {
        this.#withdraw(announcer, route);
      }
    }
  }

  #forget(announcer: Announcer): void {
    this.#keepOnly(announcer, new Set());
    const segments = this.#neighbours.get(announcer.peer)?.segments;
    const announcers = segments?.get(announcer.segment);
    for (const [nonce, known] of announcers ?? []) {
      if (known === announcer) {
        announcers?.delete(nonce);
      }
    }
    if (announcers?.size === 0) {
      segments?.delete(announcer.segment);
    }
  }
}

/**
 * What this node announces in one segment: the routes that it wants, and what its neighbours have been told of them.
 *
 *   wanted ──(100 ms, withdrawals at once)──▶ announced, sequence + 1 ──▶ a delta to each neighbour
 *   a newcomer ──▶ the whole set            every 10 min ──▶ an empty delta, which prolongs the set
 *
 * Whoever passes the set on keeps the messages since the last whole set, to tell newcomers. So after some changes the set
 * is told whole again.
 *
 * Main thread; no clock of its own.
 */
import type { SegmentKeys } from '../vlan/epoch-keys.ts';
import { ROUTE_LIMIT, ROUTE_TIMING } from './route-limits.ts';
import { encodeAnnounce, keyOf, ROUTES_MAX } from './route-message.ts';

/** A message for a neighbour. */
export interface RouteSend {
  readonly kind: 'send';
  readonly peer: string;
  readonly bytes: Uint8Array;
}

/** What an announcer needs of its surroundings. */
export interface AnnouncerPorts {
  /** Signs by an Ed25519 seed. */
  sign(seed: Uint8Array, bytes: Uint8Array): Uint8Array;
}

/** Now, on both clocks. */
export interface RouteNow {
  /** Monotonic. */
  readonly nowMs: number;
  readonly unixMs: number;
}

/** See the file's head. */
export class RouteAnnouncer {
  readonly #ports: AnnouncerPorts;
  readonly #keys: SegmentKeys;
  readonly nonce: Uint8Array;
  readonly #peers = new Set<string>();
  #wanted = new Map<string, Uint8Array>();
  #announced = new Map<string, Uint8Array>();
  /** 0: nothing was ever announced. */
  #sequence = 0;
  #changeDueMs = Number.POSITIVE_INFINITY;
  #refreshDueMs = Number.POSITIVE_INFINITY;
  /** Of the present sequence; newcomers come in crowds, and a signature costs. */
  #snapshot: Uint8Array | undefined;
  /** What was told since the set was last told whole to all. */
  #deltas = 0;
  #deltaBytes = 0;
  #wholeBytes = 0;
  /** Routes beyond what one message carries. */
  refused = 0;

  constructor(ports: AnnouncerPorts, keys: SegmentKeys, nonce: Uint8Array) {
    this.#ports = ports;
    this.#keys = keys;
    this.nonce = nonce;
  }

  /** When something is due; infinite when nothing is. */
  get dueMs(): number {
    return this.#peers.size === 0
      ? Number.POSITIVE_INFINITY
      : Math.min(this.#changeDueMs, this.#refreshDueMs);
  }

  /** Names the set's present state; 0 as long as nothing was announced. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The routes to announce from now, whole. */
  want(routes: readonly Uint8Array[], now: RouteNow): RouteSend[] {
    this.refused += Math.max(0, routes.length - ROUTES_MAX);
    this.#wanted = new Map(routes.slice(0, ROUTES_MAX).map((route) => [keyOf(route), route]));
    const { added, withdrawn } = this.#change();
    if (withdrawn.length > 0) {
      return this.#announceChange(now);
    }
    this.#changeDueMs =
      added.length === 0
        ? Number.POSITIVE_INFINITY
        : Math.min(this.#changeDueMs, now.nowMs + ROUTE_TIMING.batchMs);
    return [];
  }

  /** The neighbours to announce to from now, whole. Newcomers are told all. */
  setPeers(peers: readonly string[], now: RouteNow): RouteSend[] {
    const newcomers = peers.filter((peer) => !this.#peers.has(peer));
    const kept = peers.filter((peer) => this.#peers.has(peer));
    this.#peers.clear();
    for (const peer of kept) {
      this.#peers.add(peer);
    }
    if (newcomers.length === 0) {
      return [];
    }
    const sends = this.#announceChange(now);
    for (const peer of newcomers) {
      this.#peers.add(peer);
    }
    return [...sends, ...newcomers.flatMap((peer) => this.tell(peer, now))];
  }

  remove(peer: string): void {
    this.#peers.delete(peer);
  }

  /** Tells one neighbour the whole set: it has just come, or has lost it. */
  tell(peer: string, now: RouteNow): RouteSend[] {
    if (this.#sequence === 0) {
      return []; // nothing to tell yet
    }
    if (now.nowMs >= this.#refreshDueMs) {
      this.#snapshot = undefined; // nobody was there to be told that the set goes on
      this.#refreshDueMs = now.nowMs + ROUTE_TIMING.refreshMs;
    }
    this.#snapshot ??= this.#encode({ base: 0, added: [...this.#announced.values()], withdrawn: [] }, now);
    return [{ kind: 'send', peer, bytes: this.#snapshot }];
  }

  /** Time has passed. */
  tick(now: RouteNow): RouteSend[] {
    if (now.nowMs >= this.#changeDueMs) {
      return this.#announceChange(now);
    }
    return now.nowMs >= this.#refreshDueMs ? this.#announce({ added: [], withdrawn: [] }, now) : [];
  }

  #change(): { readonly added: Uint8Array[]; readonly withdrawn: Uint8Array[] } {
    const missing = (from: Map<string, Uint8Array>, of: Map<string, Uint8Array>): Uint8Array[] =>
      [...from].filter(([key]) => !of.has(key)).map(([, route]) => route);
    return {
      added: missing(this.#wanted, this.#announced),
      withdrawn: missing(this.#announced, this.#wanted),
    };
  }

  #announceChange(now: RouteNow): RouteSend[] {
    this.#changeDueMs = Number.POSITIVE_INFINITY;
    const change = this.#change();
    this.#announced = new Map(this.#wanted);
    return change.added.length + change.withdrawn.length === 0 ? [] : this.#announce(change, now);
  }

  /** A change of more than a message carries is told as a whole set, which is never more; so is a long history. */
  #announce(
    change: { readonly added: Uint8Array[]; readonly withdrawn: Uint8Array[] },
    now: RouteNow,
  ): RouteSend[] {
    const base = this.#sequence;
    // It goes on above where it was when the segment is forgotten and then wanted again under the same nonce.
    this.#sequence = base === 0 ? Math.floor(now.unixMs) : base + 1;
    this.#snapshot = undefined;
    this.#refreshDueMs = now.nowMs + ROUTE_TIMING.refreshMs;
    if (this.#peers.size === 0) {
      return [];
    }
    if (base !== 0 && change.added.length + change.withdrawn.length <= ROUTES_MAX) {
      const bytes = this.#encode({ base, ...change }, now);
      this.#deltas++;
      this.#deltaBytes += bytes.length;
      if (this.#deltaBytes <= this.#wholeBytes && this.#deltas <= ROUTE_LIMIT.deltas) {
        return [...this.#peers].map((peer) => ({ kind: 'send', peer, bytes }));
      }
    }
    const sends = [...this.#peers].flatMap((peer) => this.tell(peer, now));
    this.#deltas = 0;
    this.#deltaBytes = 0;
    this.#wholeBytes = sends[0]?.bytes.length ?? 0;
    return sends;
  }

  #encode(
    content: { readonly base: number; readonly added: Uint8Array[]; readonly withdrawn: Uint8Array[] },
    now: RouteNow,
  ): Uint8Array {
    const set = {
      ...content,
      segmentKey: this.#keys.publicKey,
      nonce: this.nonce,
      sequence: this.#sequence,
      expiresAtUnixMs: Math.floor(now.unixMs) + ROUTE_TIMING.lifetimeMs,
    };
    return encodeAnnounce(set, (bytes) => this.#ports.sign(this.#keys.seed, bytes));
  }
}

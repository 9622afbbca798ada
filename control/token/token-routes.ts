/**
 * Token announcements over trunks: tells neighbours which tokens this node wants, keeps what they say, and passes it on
 * along the trees of the segments (protocol section 5.1). Sans-I/O: `handle(input, now)` returns effects.
 *
 *   own epochs, stations ─▶ route-announcer.ts ─▶ send
 *   neighbours ─▶ route-intake.ts (checks) ─▶ route-store.ts ─▶ route-teller.ts ─▶ send to the other ports
 *
 * Main thread. Whose neighbours are told, and which segments are carried for others, the caller says.
 */
import { hash128 } from '../vlan/hash.ts';
import { RouteAnnouncer, type RouteNow, type RouteSend } from './route-announcer.ts';
import { RouteChanges } from './route-changes.ts';
import { newRouteCounters, RouteIntake } from './route-intake.ts';
import { ROUTE_LIMIT } from './route-limits.ts';
import { keyOf, PATH_MTU_ANY } from './route-message.ts';
import type {
  AnnouncerPath,
  AnnouncerReport,
  CarryInput,
  PartnersInput,
  PortsInput,
  RouteCounters,
  RouteEffect,
  RouteInput,
  RoutePorts,
  RouteStatus,
  TokenRoute,
  TrunkSizeInput,
  WantInput,
} from './route-port.ts';
import { RoutePulls } from './route-pulls.ts';
import { RouteSegment, without } from './route-segment.ts';
import { type Announcer, RouteStore } from './route-store.ts';
import { RouteTeller } from './route-teller.ts';

/** See the file's head. */
export class TokenRoutes {
  readonly counters: RouteCounters = newRouteCounters();
  readonly #ports: RoutePorts;
  readonly #segments = new Map<string, RouteSegment>();
  readonly #trunkBytes = new Map<string, number>();
  readonly #store = new RouteStore();
  readonly #pulls = new RoutePulls();
  readonly #changes = new RouteChanges();
  readonly #teller: RouteTeller;
  readonly #intake: RouteIntake;

  constructor(ports: RoutePorts) {
    const [store, pulls, changes, counters] = [this.#store, this.#pulls, this.#changes, this.counters];
    const segments = this.#segments;
    this.#ports = ports;
    this.#teller = new RouteTeller({ store, segments, trunkBytes: (peer) => this.#bytesOf(peer) });
    this.#intake = new RouteIntake({
      ports,
      store,
      segments,
      pulls,
      changes,
      counters,
      teller: this.#teller,
    });
  }

  /** Tokens that others want, once for each who does. */
  get live(): number {
    return this.#store.live;
  }

  /**
   * The forwarding ports that lead to a token.
   *
   * @param token - 16 bytes, or its hexadecimal form
   */
  routesOf(token: Uint8Array | string): readonly TokenRoute[] {
    const bytes = new Map<string, number>();
    for (const announcer of this.#store.wanting(typeof token === 'string' ? token : keyOf(token))) {
      const forwarding = this.#segments.get(announcer.segment)?.forwarding;
      for (const [peer, { pathMtuBytes }] of announcer.ways) {
        if (forwarding?.has(peer) === true) {
          bytes.set(peer, Math.min(bytes.get(peer) ?? this.#bytesOf(peer), pathMtuBytes));
        }
      }
    }
    return [...bytes].map(([peer, pathMtuBytes]) => ({ peer, pathMtuBytes }));
  }

  /**
   * Who wants a token, by whatever way they were heard: by a trunk beside the tree, too.
   *
   * @param token - 16 bytes
   * @returns nonces, in hexadecimal
   */
  wantedBy(token: Uint8Array): readonly string[] {
    return [...this.#store.wanting(keyOf(token))].flatMap(({ key, ways }) => (ways.size > 0 ? key : []));
  }

  /** The way to an announcer: by the tree, else by a trunk to itself. */
  pathOf(segmentId: Uint8Array, nonce: Uint8Array): AnnouncerPath | undefined {
    const segment = this.#segments.get(keyOf(segmentId));
    const announcer = segment && this.#store.of(segment.key).get(keyOf(nonce));
    return announcer && this.#pathTo(segment, announcer);
  }

  /** Who wants tokens in a segment, and can be reached. */
  announcers(segmentId: Uint8Array): readonly AnnouncerReport[] {
    const segment = this.#segments.get(keyOf(segmentId));
    if (segment === undefined) {
      return [];
    }
    return [...this.#store.of(segment.key).values()].flatMap((announcer) => {
      const path = this.#pathTo(segment, announcer);
      return path === undefined ? [] : { nonce: announcer.key, tokens: announcer.tokens.size, ...path };
    });
  }

  /** Whether a neighbour has said that it leads to one who wants a token. */
  isRouted(peer: string, token: Uint8Array): boolean {
    return [...this.#store.wanting(keyOf(token))].some(({ ways }) => ways.has(peer));
  }

  /** What is known, for people. */
  status(): RouteStatus {
    const peers = new Set([...this.#segments.values()].flatMap(({ partners }) => [...partners]));
    return {
      segments: [...this.#segments.values()].map((segment) => {
        const reachable = this.announcers(segment.id);
        return {
          segment: segment.key,
          isOwn: segment.own !== undefined,
          partners: [...segment.partners],
          ports: [...segment.forwarding],
          announcers: reachable.length,
          tokens: reachable.reduce((sum, { tokens }) => sum + tokens, 0),
        };
      }),
      neighbours: [...peers].map((peer) => ({ peer, ...this.#store.countsOf(peer) })),
    };
  }

  handle(input: RouteInput, now: RouteNow): RouteEffect[] {
    const sends = this.#take(input, now);
    sends.push(...this.#teller.flush(), ...this.#pulls.take(now.nowMs));
    this.counters.pullsSent = this.#pulls.sent;
    return [...this.#changes.take(), ...sends];
  }

  /** When the next `tick` is due, on the monotonic clock; infinite when nothing is. */
  nextTimeoutMs(now: RouteNow): number {
    let dueMs = Math.min(
      this.#pulls.dueMs,
      this.#store.dormantDueMs,
      this.#store.nextExpiryUnixMs - now.unixMs + now.nowMs,
    );
    for (const { own } of this.#segments.values()) {
      dueMs = Math.min(dueMs, own?.dueMs ?? dueMs);
    }
    return dueMs;
  }

  #take(input: RouteInput, now: RouteNow): RouteSend[] {
    switch (input.kind) {
      case 'want':
        return this.#want(input, now);
      case 'forget':
        return this.#forget(keyOf(input.segmentId), 'own', now);
      case 'carry':
        return this.#carry(input);
      case 'uncarry':
        return this.#forget(keyOf(input.segmentId), 'carried', now);
      case 'partners':
        return this.#setPartners(input, now);
      case 'ports':
        return this.#setPorts(input, now);
      case 'trunk-size':
        return this.#setTrunkBytes(input);
      case 'again':
        return this.#again(input.peer, now);
      case 'trunk-down':
        return this.#trunkDown(input.peer, now);
      case 'message':
        return this.#intake.take(input, now);
      case 'tick':
        return this.#tick(now);
    }
  }

  // ── Segments ─────────────────────────────────────────────────────────────────────────────────────────

  #want({ segment: keys, nonce, routes }: WantInput, now: RouteNow): RouteSend[] {
    const own = [...this.#segments.values()].filter((known) => known.own !== undefined).length;
    const segment = this.#segments.get(keyOf(keys.id)) ?? new RouteSegment(keys.id);
    if (segment.own === undefined) {
      if (own >= ROUTE_LIMIT.segments) {
        this.counters.segmentsRefused++;
        return [];
      }
      segment.own = new RouteAnnouncer(this.#ports, keys, nonce);
      segment.own.setPeers([...segment.partners], now);
      this.#segments.set(segment.key, segment);
    }
    return segment.own.want(routes, now);
  }

  #carry({ segmentKey }: CarryInput): RouteSend[] {
    const id = hash128(segmentKey);
    const segment = this.#segments.get(keyOf(id)) ?? new RouteSegment(id);
    const carried = [...this.#segments.values()].filter(({ isCarried }) => isCarried).length;
    if (!segment.isCarried && carried >= ROUTE_LIMIT.carriedSegments) {
      this.counters.segmentsRefused++;
      return [];
    }
    segment.isCarried = true;
    this.#segments.set(segment.key, segment);
    return [];
  }

  /** What remains of the segment is told anew; where nothing does, neighbours are told that we lead nowhere. */
  #forget(key: string, what: 'own' | 'carried', now: RouteNow): RouteSend[] {
    const segment = this.#segments.get(key);
    if (segment === undefined) {
      return [];
    }
    segment.own = what === 'own' ? undefined : segment.own;
    segment.isCarried = what === 'carried' ? false : segment.isCarried;
    for (const peer of segment.partners) {
      this.#teller.list(segment, peer);
    }
    if (segment.own !== undefined || segment.isCarried) {
      return [];
    }
    const partners = [...segment.partners];
    for (const announcer of [...this.#store.of(key).values()]) {
      this.#remove(announcer, now);
    }
    for (const peer of partners) {
      this.#pulls.forget(peer, key);
    }
    this.#segments.delete(key);
    return [];
  }

  /** A neighbour may have spoken before we knew the segment: newcomers are asked, too. */
  #setPartners({ segmentId, peers }: PartnersInput, now: RouteNow): RouteSend[] {
    const segment = this.#segments.get(keyOf(segmentId));
    if (segment === undefined) {
      return [];
    }
    const before = segment.partners;
    this.#changePorts(segment, now, () => {
      segment.setPartners(peers);
    });
    for (const peer of without(before, segment.partners)) {
      this.#leave(segment, peer, now);
    }
    for (const peer of without(segment.partners, before)) {
      this.#pulls.wantList(peer, segment.id, now.nowMs);
      this.#teller.list(segment, peer);
    }
    return segment.own?.setPeers(peers, now) ?? [];
  }

  #setPorts({ segmentId, peers }: PortsInput, now: RouteNow): RouteSend[] {
    const segment = this.#segments.get(keyOf(segmentId));
    if (segment !== undefined) {
      this.#changePorts(segment, now, () => {
        segment.setPorts(peers);
      });
    }
    return [];
  }

  /** Forgets what was passed on to us by ports that forward no more, and tells all to those that begin to. */
  #changePorts(segment: RouteSegment, now: RouteNow, change: () => void): void {
    const before = segment.forwarding;
    change();
    const stopped = without(before, segment.forwarding);
    const started = without(segment.forwarding, before);
    for (const peer of started) {
      this.#pulls.wantList(peer, segment.id, now.nowMs);
      this.#teller.list(segment, peer);
    }
    if (stopped.length + started.length === 0) {
      return;
    }
    for (const announcer of this.#store.of(segment.key).values()) {
      for (const peer of stopped) {
        announcer.told.delete(peer);
        this.#portChanged(announcer, peer);
        if (announcer.ways.get(peer)?.hops !== 0) {
          this.#store.removeWay(announcer, peer, now.nowMs);
        }
      }
      for (const peer of started) {
        this.#portChanged(announcer, peer);
      }
    }
  }

  #portChanged(announcer: Announcer, peer: string): void {
    if (announcer.ways.has(peer)) {
      this.#changes.add(announcer, announcer.tokens.values());
      this.#teller.touch(announcer);
    }
  }

  /** A neighbour speaks no more in a segment. */
  #leave(segment: RouteSegment, peer: string, now: RouteNow): void {
    this.#pulls.forget(peer, segment.key);
    for (const announcer of this.#store.of(segment.key).values()) {
      this.#portChanged(announcer, peer);
      this.#store.removeWay(announcer, peer, now.nowMs);
      announcer.told.delete(peer);
    }
  }

  // ── Trunks ───────────────────────────────────────────────────────────────────────────────────────────

  #setTrunkBytes({ peer, datagramMtuBytes }: TrunkSizeInput): RouteSend[] {
    if (this.#trunkBytes.get(peer) === datagramMtuBytes) {
      return [];
    }
    this.#trunkBytes.set(peer, datagramMtuBytes);
    for (const segment of this.#segments.values()) {
      if (segment.partners.has(peer)) {
        for (const announcer of this.#store.of(segment.key).values()) {
          this.#portChanged(announcer, peer);
        }
      }
    }
    return [];
  }

  /** Both say where they lead; what was lost shows by that, and is asked for. */
  #again(peer: string, now: RouteNow): RouteSend[] {
    for (const segment of this.#segments.values()) {
      if (segment.partners.has(peer)) {
        this.#teller.list(segment, peer);
        this.#pulls.wantList(peer, segment.id, now.nowMs);
      }
    }
    return [];
  }

  #trunkDown(peer: string, now: RouteNow): RouteSend[] {
    for (const segment of this.#segments.values()) {
      if (segment.partners.has(peer)) {
        this.#changePorts(segment, now, () => {
          segment.removePeer(peer);
        });
        this.#leave(segment, peer, now);
        segment.own?.remove(peer);
      }
    }
    this.#pulls.forgetPeer(peer);
    this.#trunkBytes.delete(peer);
    this.#intake.forgetPeer(peer);
    return [];
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────────

  #tick(now: RouteNow): RouteSend[] {
    for (const announcer of this.#store.expired(now.unixMs)) {
      this.#remove(announcer, now);
    }
    this.#store.dropDormant(now.nowMs);
    return [...this.#segments.values()].flatMap(({ own }) => own?.tick(now) ?? []);
  }

  #remove(announcer: Announcer, now: RouteNow): void {
    if (announcer.ways.size > 0) {
      this.#changes.add(announcer, [...announcer.tokens.values()]);
    }
    for (const peer of [...announcer.ways.keys()]) {
      this.#store.removeWay(announcer, peer, now.nowMs);
    }
    this.#store.remove(announcer);
    this.#teller.touch(announcer);
  }

  #pathTo(segment: RouteSegment, announcer: Announcer): AnnouncerPath | undefined {
    const way = segment.wayTo(announcer);
    return way && { ...way, pathMtuBytes: Math.min(way.pathMtuBytes, this.#bytesOf(way.peer)) };
  }

  /** As long as nobody has said how much a trunk takes, nothing limits it here. */
  #bytesOf(peer: string): number {
    return this.#trunkBytes.get(peer) ?? PATH_MTU_ANY;
  }
}

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
import { RouteChores } from './route-chores.ts';
import { newRouteCounters, RouteIntake } from './route-intake.ts';
import { ROUTE_LIMIT } from './route-limits.ts';
import { RouteLookup } from './route-lookup.ts';
import { keyOf } from './route-message.ts';
import type {
  CarryInput,
  PartnersInput,
  PortsInput,
  RouteCounters,
  RouteEffect,
  RouteInput,
  RoutePorts,
  TrunkSizeInput,
  WantInput,
} from './route-port.ts';
import { RoutePulls } from './route-pulls.ts';
import { RouteSegment, without } from './route-segment.ts';
import { type Announcer, RouteStore } from './route-store.ts';
import { RouteTeller } from './route-teller.ts';

/** Announcers that are looked at in one turn for what concerns all segments of a neighbour: about 1 ms. */
const ANNOUNCERS_A_TURN = 256;

/** See the file's head. */
export class TokenRoutes extends RouteLookup {
  readonly counters: RouteCounters = newRouteCounters();
  readonly #ports: RoutePorts;
  readonly #segments: Map<string, RouteSegment>;
  /** Our own sets. */
  readonly #own = new Set<RouteAnnouncer>();
  #carried = 0;
  readonly #trunkBytes: Map<string, number>;
  readonly #chores = new RouteChores();
  readonly #store: RouteStore;
  readonly #pulls = new RoutePulls();
  readonly #changes = new RouteChanges();
  readonly #teller: RouteTeller;
  readonly #intake: RouteIntake;

  constructor(ports: RoutePorts) {
    const [store, segments, trunkBytes] = [
      new RouteStore(),
      new Map<string, RouteSegment>(),
      new Map<string, number>(),
    ];
    super({ store, segments, trunkBytes });
    const [pulls, changes, counters] = [this.#pulls, this.#changes, this.counters];
    this.#ports = ports;
    this.#store = store;
    this.#segments = segments;
    this.#trunkBytes = trunkBytes;
    this.#teller = new RouteTeller({ store, segments, trunkBytes });
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

  handle(input: RouteInput, now: RouteNow): RouteEffect[] {
    const sends = this.#take(input, now);
    this.#work();
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
    for (const own of this.#own) {
      dueMs = Math.min(dueMs, own.dueMs);
    }
    return this.#chores.isEmpty ? dueMs : now.nowMs;
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
    const segment = this.#segments.get(keyOf(keys.id)) ?? new RouteSegment(keys.id);
    if (segment.own === undefined) {
      if (this.#own.size >= ROUTE_LIMIT.segments) {
        this.counters.segmentsRefused++;
        return [];
      }
      segment.own = new RouteAnnouncer(this.#ports, keys, nonce);
      this.#own.add(segment.own);
      segment.own.setPeers([...segment.partners], now);
      this.#segments.set(segment.key, segment);
    }
    return segment.own.want(routes, now);
  }

  #carry({ segmentKey }: CarryInput): RouteSend[] {
    const id = hash128(segmentKey);
    const segment = this.#segments.get(keyOf(id)) ?? new RouteSegment(id);
    if (!segment.isCarried && this.#carried >= ROUTE_LIMIT.carriedSegments) {
      this.counters.segmentsRefused++;
      return [];
    }
    this.#carried += segment.isCarried ? 0 : 1;
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
    if (what === 'own' && segment.own !== undefined) {
      this.#own.delete(segment.own);
      segment.own = undefined;
    }
    if (what === 'carried' && segment.isCarried) {
      this.#carried--;
      segment.isCarried = false;
    }
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
    this.#chores.add('resized', peer, this.#segmentsOf(peer));
    return [];
  }

  /** Both say where they lead; what was lost shows by that, and is asked for. */
  #again(peer: string, now: RouteNow): RouteSend[] {
    const segments = this.#segmentsOf(peer);
    for (const segment of segments) {
      this.#pulls.wantList(peer, segment.id, now.nowMs);
    }
    this.#chores.add('again', peer, segments);
    return [];
  }

  #segmentsOf(peer: string): readonly RouteSegment[] {
    return [...this.#segments.values()].filter(({ partners }) => partners.has(peer));
  }

  /** What concerns all segments of a neighbour, a few of them at a time. */
  #work(): void {
    let left = ANNOUNCERS_A_TURN;
    for (const { kind, peer, segment } of this.#chores.take()) {
      const announcers = this.#store.of(segment.key);
      if (this.#segments.get(segment.key) !== segment) {
        continue; // forgotten meanwhile
      }
      if (kind === 'again') {
        this.#teller.list(segment, peer);
      } else {
        for (const announcer of announcers.values()) {
          this.#portChanged(announcer, peer);
        }
      }
      left -= 1 + announcers.size;
      if (left <= 0) {
        return;
      }
    }
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
    this.#chores.forgetPeer(peer);
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
    return [...this.#own].flatMap((own) => own.tick(now));
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
}

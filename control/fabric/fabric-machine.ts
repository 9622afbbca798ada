/**
 * The switching fabric of one node: which segments it carries, each one's tree, and the tokens that lead along it.
 * Sans-I/O: `handle(input, now)` returns effects (fabric-port.ts).
 *
 *   own epochs ─┐                 ┌─ TreeMachine, one a segment ──ports──┐
 *   trunks ─────┼─▶ partners ─────┤                                      ▼
 *   neighbours ─┘                 └─ TokenRoutes: who wants which token, by which forwarding port
 *
 * One rule forwards all traffic, and this machine says what it works on: a token names a segment and a set of
 * neighbours, a segment has forwarding ports, and what came from another port is delivered at most (protocol section 5).
 *
 * Main thread and simulation: no clock, timer, socket or random source of its own. Nothing that a neighbour says
 * makes it throw. It knows no VLAN and no address.
 */
import type { RouteNow } from '../token/route-announcer.ts';
import { decodeRouteMessage, keyOf } from '../token/route-message.ts';
import type { RouteInput } from '../token/route-port.ts';
import { TokenRoutes } from '../token/token-routes.ts';
import { encodeTreeMessage, treeSegmentKeyOf, treeSegmentOf } from '../tree/tree-message.ts';
import type { TreeCounters, TreeInput, TreeOptions } from '../tree/tree-port.ts';
import { RELAY_ROLE } from '../trunk/relay-choice.ts';
import { CarriedSegment } from './carried-segment.ts';
import type {
  FabricEffect,
  FabricHeard,
  FabricInput,
  FabricOptions,
  FabricOwn,
  FabricPorts,
  FabricSegmentStatus,
} from './fabric-port.ts';
import { type NeighbourInput, SegmentChores } from './segment-chores.ts';

/** Nothing gets through. */
const COST_NONE = 65_535;
/** A segment of others without a way to a root is forgotten after this: its members are gone, or parted from us. */
const ROOTLESS_MS = 30_000;
/** Segments in which a change of a trunk is worked on in one turn: about 4 ms with twenty members each. */
const SEGMENTS_A_TURN = 8;

interface FabricTrunk {
  isRelay: boolean;
  cost: number;
}

/** Totals since the start. */
export interface FabricCounters {
  /** Said in a segment that this node does not carry. */
  unknownSegment: number;
  /** Said by a neighbour with whom the segment is not spoken of. */
  notPartner: number;
  /** Segments of others beyond the limit. */
  segmentsRefused: number;
}

/** See the file's head. */
export class FabricMachine {
  readonly counters: FabricCounters = { unknownSegment: 0, notPartner: 0, segmentsRefused: 0 };
  readonly routes: TokenRoutes;
  readonly #options: FabricOptions;
  readonly #ports: FabricPorts;
  readonly #trunks = new Map<string, FabricTrunk>();
  readonly #segments = new Map<string, CarriedSegment>();
  /** Of segments that are no longer carried. */
  #formerRefusals = 0;
  readonly #chores = new SegmentChores();
  /** Neighbours whose trunk went, until no segment has them. */
  readonly #leaving = new Set<string>();
  #effects: FabricEffect[] = [];
  #now: RouteNow = { nowMs: 0, unixMs: 0 };

  constructor(options: FabricOptions, ports: FabricPorts) {
    this.#options = options;
    this.#ports = ports;
    this.routes = new TokenRoutes(ports);
  }

  /** Takes one input. @returns what is to be done, in this order */
  handle(input: FabricInput, now: RouteNow): readonly FabricEffect[] {
    this.#now = now;
    this.#effects = [];
    this.#take(input);
    this.#work();
    return this.#effects;
  }

  /** When the next `tick` is due, on the monotonic clock; infinite when nothing is. */
  nextTimeoutMs(now: RouteNow): number {
    if (!this.#chores.isEmpty) return now.nowMs;
    let dueMs = this.routes.nextTimeoutMs(now);
    for (const segment of this.#segments.values()) {
      dueMs = Math.min(dueMs, segment.tree.nextTimeoutMs());
      if (segment.isForeign) dueMs = Math.min(dueMs, segment.rootlessSinceMs + ROOTLESS_MS);
    }
    return dueMs;
  }

  /** Neighbours by whose trunks something is forwarded. */
  forwardingPeers(): ReadonlySet<string> {
    return new Set([...this.#segments.values()].flatMap(({ ports }) => ports));
  }

  /** Whether a segment is spoken of with a neighbour. @param segment - in hexadecimal */
  isPartner(segment: string, peer: string): boolean {
    return this.#segments.get(segment)?.partners.has(peer) === true;
  }

  /** What neighbours said of trees and was refused. */
  treeRefusals(): number {
    const live = [...this.#segments.values()].map(({ tree }) => refusals(tree.counters));
    return live.reduce((sum, count) => sum + count, this.#formerRefusals);
  }

  /** Segments that are carried, ours first. */
  status(): readonly FabricSegmentStatus[] {
    const tokens = new Map(this.routes.status().segments.map((row) => [row.segment, row.tokens]));
    return [...this.#segments.values()]
      .toSorted((a, b) => Number(a.isForeign) - Number(b.isForeign))
      .map((segment) => segment.status(tokens.get(segment.key) ?? 0));
  }

  #take(input: FabricInput): void {
    switch (input.kind) {
      case 'trunk-up':
        this.#trunkOf(input.peer).isRelay = input.roles.includes(RELAY_ROLE);
        return this.#chores.add(this.#inOrder(), { kind: 'refresh' });
      case 'trunk-cost':
        return this.#setCost(input.peer, input.cost);
      case 'trunk-size':
        return this.#feedRoutes(input);
      case 'trunk-again':
        this.#feedLater({ kind: 'again', peer: input.peer });
        return this.#feedRoutes({ kind: 'again', peer: input.peer });
      case 'trunk-down':
        return this.#trunkDown(input.peer);
      case 'heard':
        return this.#heard(input);
      case 'own':
        return this.#own(input);
      case 'forget':
        return this.#drop(this.#segments.get(keyOf(input.segmentId)));
      case 'block':
        return this.#feedLater(input);
      case 'policy-changed':
        return this.#policyChanged();
      case 'tick':
        return this.#tick();
    }
  }

  // ── Trunks ───────────────────────────────────────────────────────────────────────────────────────────

  /** The trunk of a neighbour; it may speak before we know that the trunk is up. */
  #trunkOf(peer: string): FabricTrunk {
    const trunk = this.#trunks.get(peer) ?? { isRelay: false, cost: COST_NONE };
    this.#trunks.set(peer, trunk);
    return trunk;
  }

  #setCost(peer: string, cost: number): void {
    const trunk = this.#trunks.get(peer);
    if (trunk === undefined) return;
    trunk.cost = cost;
    this.#feedLater({ kind: 'peer', peer, cost });
  }

  #trunkDown(peer: string): void {
    this.#trunks.delete(peer);
    this.#leaving.add(peer);
    this.#chores.add(this.#inOrder(), { kind: 'gone', peer });
  }

  #feedLater(input: NeighbourInput): void {
    this.#chores.add(this.#inOrder(), { kind: 'feed', input });
  }

  /** Our own segments come first. */
  #inOrder(): readonly CarriedSegment[] {
    return [...this.#segments.values()].toSorted((a, b) => Number(a.isForeign) - Number(b.isForeign));
  }

  /** Does what is due in the next few segments. */
  #work(): void {
    for (let turn = 0; turn < SEGMENTS_A_TURN; turn++) {
      const segment = this.#chores.next();
      if (segment === undefined) break;
      this.#catchUp(segment);
    }
    if (!this.#chores.isEmpty) return;
    for (const peer of this.#leaving) {
      if (!this.#trunks.has(peer)) this.#feedRoutes({ kind: 'trunk-down', peer });
    }
    this.#leaving.clear();
  }

  /** Does what is due in a segment, before something else is done there. */
  #catchUp(segment: CarriedSegment | undefined): void {
    if (segment === undefined) return;
    for (const chore of this.#chores.take(segment)) {
      if (chore.kind === 'gone') this.#peerGone(segment, chore.peer);
      else if (chore.kind === 'refresh') this.#refresh(segment);
      else if (segment.partners.has(chore.input.peer)) this.#feedTree(segment, chore.input);
    }
  }

  /** Its trunk went. If it is back by now, it is another one, and all is said anew. */
  #peerGone(segment: CarriedSegment, peer: string): void {
    if (segment.isForeign) segment.candidates.delete(peer);
    segment.refused.delete(peer);
    if (segment.partners.delete(peer)) {
      this.#feedTree(segment, { kind: 'peer-gone', peer });
      if (segment.isForeign) this.#ports.release(peer, segment.key);
      this.#feedRoutes({ kind: 'partners', segmentId: segment.id, peers: [...segment.partners] });
    }
    this.#refresh(segment);
  }

  // ── Segments ─────────────────────────────────────────────────────────────────────────────────────────

  #own(input: FabricOwn): void {
    const { segment: keys, nonce, routes, members } = input;
    this.#catchUp(this.#segments.get(keyOf(keys.id)));
    const segment = this.#ownSegment(input);
    segment.candidates = new Set(members);
    this.#feedRoutes({ kind: 'want', segment: keys, nonce, routes });
    this.#refresh(segment);
  }

  #ownSegment({ segment: keys, previous, priority, rank }: FabricOwn): CarriedSegment {
    const known = this.#segments.get(keyOf(keys.id));
    if (known?.isForeign === false && known.rank === rank) return known;
    // Carried for others so far, or under another rank: from now on we are another one.
    this.#drop(known);
    const epoch = previous === undefined ? undefined : this.#segments.get(keyOf(previous));
    const before = known?.isForeign === false ? known : epoch;
    const member = { seed: keys.seed, priority, rank };
    return this.#open(keys.id, { segmentKey: keys.publicKey, member }, before);
  }

  #open(id: Uint8Array, tree: TreeOptions, previous?: CarriedSegment): CarriedSegment {
    const isForeign = tree.member === undefined;
    const options = { id, tree, isForeign, previous: previous?.tree };
    const segment = new CarriedSegment(this.#ports, options, this.#now.nowMs);
    this.#segments.set(segment.key, segment);
    if (isForeign) this.#feedRoutes({ kind: 'carry', segmentKey: tree.segmentKey });
    this.#effects.push({ kind: 'segment', segment: segment.key, isForeign, ports: [] });
    this.#feedTree(segment, { kind: 'tick' });
    return segment;
  }

  #drop(segment: CarriedSegment | undefined): void {
    if (segment === undefined) return;
    this.#chores.take(segment);
    for (const effect of segment.tree.stop()) {
      if (effect.kind === 'send') this.#sendTree(effect.peer, effect.bytes);
    }
    const { id: segmentId } = segment;
    if (segment.isForeign) for (const peer of segment.partners) this.#ports.release(peer, segment.key);
    this.#feedRoutes(segment.isForeign ? { kind: 'uncarry', segmentId } : { kind: 'forget', segmentId });
    this.#formerRefusals += refusals(segment.tree.counters);
    this.#segments.delete(segment.key);
    this.#effects.push({ kind: 'segment-gone', segment: segment.key });
  }

  #refresh(segment: CarriedSegment): void {
    const before = segment.partners;
    segment.partners = new Set([...this.#trunks.keys()].filter((peer) => this.#isPartner(segment, peer)));
    const { partners } = segment;
    if (partners.size === before.size && [...partners].every((peer) => before.has(peer))) return;
    for (const peer of before) {
      if (!partners.has(peer)) this.#part(segment, peer);
    }
    for (const peer of partners) {
      const cost = this.#trunks.get(peer)?.cost ?? COST_NONE;
      if (!before.has(peer)) this.#feedTree(segment, { kind: 'peer', peer, cost });
    }
    this.#feedRoutes({ kind: 'partners', segmentId: segment.id, peers: [...partners] });
  }

  /** Who is still there is told that the segment is no longer spoken of. */
  #part(segment: CarriedSegment, peer: string): void {
    if (this.#trunks.has(peer)) this.#sendTree(peer, encodeTreeMessage(segment.id, { kind: 'goodbye' }));
    this.#feedTree(segment, { kind: 'peer-gone', peer });
    if (segment.isForeign) this.#ports.release(peer, segment.key);
  }

  /** Relays are told of every segment; who else, candidates say. What the policy refuses is spoken of with nobody. */
  #isPartner(segment: CarriedSegment, peer: string): boolean {
    const isKnown = segment.candidates.has(peer) || this.#trunks.get(peer)?.isRelay === true;
    if (!isKnown || !segment.isForeign) return isKnown;
    if (segment.refused.has(peer)) return false;
    const isAllowed = this.#ports.mayCarry(peer, segment.key);
    if (!isAllowed) segment.refused.add(peer);
    return isAllowed;
  }

  #policyChanged(): void {
    for (const segment of [...this.#segments.values()]) {
      if (!segment.isForeign) continue;
      this.#catchUp(segment);
      for (const peer of segment.partners) this.#ports.release(peer, segment.key);
      segment.refused.clear();
      this.#refresh(segment);
      if (segment.partners.size === 0) this.#drop(segment);
    }
  }

  // ── Neighbours ───────────────────────────────────────────────────────────────────────────────────────

  #heard(input: FabricHeard): void {
    this.#trunkOf(input.peer);
    if (input.channel === 'routes') {
      const about = this.#chores.isEmpty ? undefined : decodeRouteMessage(input.body)?.segmentId;
      this.#catchUp(about && this.#segments.get(keyOf(about)));
      this.#feedRoutes({ kind: 'message', peer: input.peer, bytes: input.body });
      return;
    }
    const id = treeSegmentOf(input.body);
    const segment = id && (this.#segments.get(keyOf(id)) ?? this.#openForeign(input, id));
    this.#catchUp(segment);
    if (segment === undefined) {
      this.counters.unknownSegment++;
      return;
    }
    if (segment.isForeign && !segment.candidates.has(input.peer)) {
      segment.candidates.add(input.peer);
      this.#refresh(segment);
    }
    if (!segment.partners.has(input.peer)) {
      this.counters.notPartner++;
      return;
    }
    this.#feedTree(segment, { kind: 'message', peer: input.peer, bytes: input.body });
  }

  /** A neighbour speaks of a segment that is none of ours: carried if policy and limits allow it. */
  #openForeign({ peer, body }: FabricHeard, id: Uint8Array): CarriedSegment | undefined {
    const segmentKey = treeSegmentKeyOf(body);
    if (!this.#options.isRelay || segmentKey === undefined) return undefined;
    if (!this.#ports.mayCarry(peer, keyOf(id))) return undefined;
    if (this.#foreignCount() >= this.#options.foreignSegmentsMax) {
      this.counters.segmentsRefused++;
      return undefined;
    }
    return this.#open(id, { segmentKey });
  }

  #foreignCount(): number {
    return [...this.#segments.values()].filter(({ isForeign }) => isForeign).length;
  }

  // ── Time, tree and tokens ────────────────────────────────────────────────────────────────────────────

  #tick(): void {
    const { nowMs } = this.#now;
    for (const segment of [...this.#segments.values()]) {
      if (segment.tree.nextTimeoutMs() <= nowMs) this.#feedTree(segment, { kind: 'tick' });
      if (segment.isForeign && nowMs >= segment.rootlessSinceMs + ROOTLESS_MS) {
        this.#drop(segment);
      }
    }
    if (this.routes.nextTimeoutMs(this.#now) <= nowMs) this.#feedRoutes({ kind: 'tick' });
  }

  #feedTree(segment: CarriedSegment, input: TreeInput): void {
    for (const effect of segment.feed(input, this.#now)) {
      if (effect.kind === 'send') {
        this.#sendTree(effect.peer, effect.bytes);
        continue;
      }
      const { key, isForeign, ports } = segment;
      this.#effects.push({ kind: 'segment', segment: key, isForeign, ports });
      this.#feedRoutes({ kind: 'ports', segmentId: segment.id, peers: ports });
    }
  }

  #sendTree(peer: string, body: Uint8Array): void {
    this.#effects.push({ kind: 'send', peer, channel: 'tree', body });
  }

  #feedRoutes(input: RouteInput): void {
    for (const effect of this.routes.handle(input, this.#now)) {
      switch (effect.kind) {
        case 'send':
          this.#effects.push({ kind: 'send', peer: effect.peer, channel: 'routes', body: effect.bytes });
          break;
        case 'tokens-changed':
          this.#effects.push({ kind: 'tokens', segment: effect.segment, tokens: effect.tokens });
          break;
        case 'announcers-changed':
          this.#effects.push({ kind: 'announcers', segment: effect.segment });
      }
    }
  }
}

function refusals({ malformed, forged, expired, fromFuture, overBudget }: TreeCounters): number {
  return malformed + forged + expired + fromFuture + overBudget;
}

/**
 * The peers that a node has heard of: from whom, at which addresses, for which VLANs, and how they turned out.
 *
 * A candidate counts against the quota of its best source. When that is used up, a worse one of the same quota leaves:
 * so no flood of one kind pushes out what came by another. Addresses belong to the source that named them; a source's
 * new list takes the place of its old one.
 *
 * Main thread, pure.
 */
import type { PeerIdText } from '../trunk/trunk-port.ts';
import { pairChance } from './chance.ts';
import type { DiscoveryConfig } from './discovery-config.ts';
import type { DiscoverySource, FoundPeer, VlanKey } from './discovery-port.ts';

/** By worth, the best first. */
const SOURCES: readonly DiscoverySource[] = [
  'config',
  'trunk',
  'presence',
  'fabric',
  'invite',
  'mdns',
  'dht',
];
/** VLANs that are remembered of one candidate: as many as a node may have. */
const VLANS_MAX = 256;
/** Looked at to find who leaves: enough to find a bad one, few enough for a flood. */
const VICTIMS_LOOKED_AT = 32;
const EXPIRY_INTERVAL_MS = 60_000;

interface Sighting {
  seenMs: number;
  addresses: readonly string[];
}

/** One peer. */
export interface Candidate {
  readonly peer: PeerIdText;
  readonly sources: Map<DiscoverySource, Sighting>;
  /** VLANs for which it was found; anybody's word. */
  readonly presumed: Set<VlanKey>;
  /** VLANs that its trunk has proven; they stay when the trunk goes. */
  shared: ReadonlySet<VlanKey>;
  readonly knownSinceMs: number;
  /** 0‥1, the same at both ends and else like chance. */
  readonly chance: number;
  hasTrunk: boolean;
  trunkSinceMs: number;
  /** A trunk to it has shown a shared VLAN. */
  isProven: boolean;
  /** The fabric forwards by its trunk. */
  isTreePeer: boolean;
  /** In the set that the trunk machine keeps. */
  isChosen: boolean;
  chosenSinceMs: number;
  failures: number;
  retryAtMs: number;
  /** Neither wanted nor asked until then: it shares nothing with us, or has given its place to another. */
  leftAloneUntilMs: number;
  rttMs: number | undefined;
  lossRatio: number;
  load: number;
  /** While it is warm. */
  heartbeatAtMs: number;
  isAsked: boolean;
}

/** What a source says of a peer. */
export interface Sight {
  readonly peer: PeerIdText;
  readonly source: DiscoverySource;
  readonly addresses: readonly string[];
  readonly vlan: VlanKey | undefined;
}

/** See the file's head. */
export class CandidateTable {
  readonly all = new Map<PeerIdText, Candidate>();
  readonly #config: DiscoveryConfig;
  readonly #counts = new Map<DiscoverySource, number>();
  readonly #self: PeerIdText;
  readonly #random: () => number;
  #expireAtMs = 0;

  /** @param random - 0‥1 */
  constructor(config: DiscoveryConfig, self: PeerIdText, random: () => number) {
    this.#config = config;
    this.#self = self;
    this.#random = random;
  }

  /** @returns the candidate, or undefined when there is no place for it */
  see(sight: Sight, nowMs: number): Candidate | undefined {
    const known = this.all.get(sight.peer);
    const candidate = known ?? newCandidate(sight.peer, pairChance(this.#self, sight.peer), nowMs);
    const before = known === undefined ? undefined : bestSource(known);
    const after = before === undefined || worth(sight.source) < worth(before) ? sight.source : before;
    if (after !== before && !this.#makeRoom(after, known)) {
      return known;
    }
    const former = addressesOf(candidate, this.#config.addressesMax);
    candidate.sources.set(sight.source, { seenMs: nowMs, addresses: sight.addresses });
    if (sight.vlan !== undefined && candidate.presumed.size < VLANS_MAX) {
      candidate.presumed.add(sight.vlan);
    }
    if (before !== undefined && after !== before) {
      this.#add(before, -1);
    }
    if (after !== before) {
      this.#add(after, 1);
    }
    if (known !== undefined && sight.addresses.some((address) => !former.includes(address))) {
      // A new address is a reason to try again, but not for ever sooner: whoever invents addresses would have us dial.
      candidate.retryAtMs = Math.min(candidate.retryAtMs, nowMs + this.#config.retryMinMs);
    }
    this.all.set(sight.peer, candidate);
    return candidate;
  }

  /** The config's peers, whole: their owner's own words, not held to what strangers' addresses are. */
  configure(peers: readonly FoundPeer[], nowMs: number): void {
    const named = new Set(peers.map(({ peer }) => peer));
    for (const candidate of [...this.all.values()]) {
      if (!named.has(candidate.peer)) {
        this.unsee(candidate, 'config');
      }
    }
    for (const { peer, addresses } of peers) {
      if (peer !== this.#self) {
        this.see({ peer, source: 'config', addresses, vlan: undefined }, nowMs);
      }
    }
  }

  /** A source's word does not count any more. Forgets the candidate when it was the last. */
  unsee(candidate: Candidate, source: DiscoverySource): void {
    const before = bestSource(candidate);
    if (!candidate.sources.delete(source) || before === undefined) {
      return;
    }
    const after = bestSource(candidate);
    if (after === before) {
      return;
    }
    this.#add(before, -1);
    if (after === undefined) {
      this.all.delete(candidate.peer);
    } else {
      this.#add(after, 1);
    }
  }

  /** Forgets a candidate, whatever its sources. */
  forget(candidate: Candidate): void {
    for (const source of [...candidate.sources.keys()]) {
      this.unsee(candidate, source);
    }
  }

  /** Lets sources' words grow old; now and then, since it looks at all of them. */
  expire(nowMs: number): void {
    if (nowMs < this.#expireAtMs) {
      return;
    }
    this.#expireAtMs = nowMs + EXPIRY_INTERVAL_MS;
    for (const candidate of this.all.values()) {
      for (const [source, { seenMs }] of candidate.sources) {
        const isHeld = source === 'trunk' && candidate.hasTrunk;
        if (!isHeld && nowMs - seenMs >= this.#config.sourceLifeMs[source]) {
          this.unsee(candidate, source);
        }
      }
    }
  }

  /** Our VLANs are others now: what was found for those that are gone does not count, and strangers may share a new one. */
  keepVlans(vlans: ReadonlySet<VlanKey>, nowMs: number): void {
    for (const candidate of this.all.values()) {
      candidate.leftAloneUntilMs = Number.NEGATIVE_INFINITY;
      candidate.trunkSinceMs = nowMs;
      candidate.shared = new Set([...candidate.shared].filter((key) => vlans.has(key)));
      for (const key of candidate.presumed) {
        if (!vlans.has(key)) {
          candidate.presumed.delete(key);
        }
      }
    }
  }

  #makeRoom(source: DiscoverySource, known: Candidate | undefined): boolean {
    const isOverQuota = (this.#counts.get(source) ?? 0) >= this.#config.quotas[source];
    const isOverAll = known === undefined && this.all.size >= this.#config.candidatesMax;
    if (!isOverQuota && !isOverAll) {
      return true;
    }
    const victim = this.#victim(source, known);
    if (victim === undefined) {
      return false;
    }
    this.forget(victim);
    return true;
  }

  /** One with the most failures among some of the quota, from a random place on; none that is of use now. */
  #victim(source: DiscoverySource, except: Candidate | undefined): Candidate | undefined {
    let toSkip = Math.floor(this.#random() * this.all.size);
    let looked = 0;
    let worst: Candidate | undefined;
    // Twice round, so that it comes past the end to what it has skipped.
    for (let round = 0; round < 2 && looked < VICTIMS_LOOKED_AT; round++) {
      for (const candidate of this.all.values()) {
        if (toSkip > 0) {
          toSkip -= 1;
        } else if (candidate !== except && isExpendable(candidate, source)) {
          looked += 1;
          worst = worst === undefined || candidate.failures > worst.failures ? candidate : worst;
          if (looked >= VICTIMS_LOOKED_AT) {
            break;
          }
        }
      }
    }
    return worst;
  }

  #add(source: DiscoverySource, count: number): void {
    this.#counts.set(source, (this.#counts.get(source) ?? 0) + count);
  }
}

/** A candidate's sources, the best first. */
export function sourcesOf(candidate: Candidate): DiscoverySource[] {
  return SOURCES.filter((source) => candidate.sources.has(source));
}

/** Its addresses, those of the best source first. */
export function addressesOf(candidate: Candidate, addressesMax: number): string[] {
  const addresses = new Set<string>();
  for (const source of sourcesOf(candidate)) {
    for (const address of candidate.sources.get(source)?.addresses ?? []) {
      if (addresses.size < addressesMax) {
        addresses.add(address);
      }
    }
  }
  return [...addresses];
}

/** Whether it can be dialled at all. */
export function hasAddress(candidate: Candidate): boolean {
  for (const { addresses } of candidate.sources.values()) {
    if (addresses.length > 0) {
      return true;
    }
  }
  return false;
}

/** When any source last named it. */
export function lastSeenMs(candidate: Candidate): number {
  return Math.max(...[...candidate.sources.values()].map(({ seenMs }) => seenMs));
}

/** The VLANs that it shares with us, as far as can be said: proven, or else presumed. */
export function vlansOf(candidate: Candidate): ReadonlySet<VlanKey> {
  return candidate.isProven || candidate.hasTrunk ? candidate.shared : candidate.presumed;
}

/** Peers to which a trunk is up. */
export function trunkCount(candidates: Iterable<Candidate>): number {
  let count = 0;
  for (const { hasTrunk } of candidates) {
    count += hasTrunk ? 1 : 0;
  }
  return count;
}

/** Whether a trunk leads to another member of the VLAN. */
export function hasMember(candidates: Iterable<Candidate>, vlan: VlanKey): boolean {
  for (const { hasTrunk, shared } of candidates) {
    if (hasTrunk && shared.has(vlan)) {
      return true;
    }
  }
  return false;
}

function isExpendable(candidate: Candidate, source: DiscoverySource): boolean {
  return bestSource(candidate) === source && !candidate.hasTrunk && !candidate.isChosen;
}

function bestSource(candidate: Candidate): DiscoverySource | undefined {
  return SOURCES.find((source) => candidate.sources.has(source));
}

function worth(source: DiscoverySource): number {
  return SOURCES.indexOf(source);
}

function newCandidate(peer: PeerIdText, chance: number, nowMs: number): Candidate {
  return {
    peer,
    sources: new Map(),
    presumed: new Set(),
    shared: new Set(),
    knownSinceMs: nowMs,
    chance,
    hasTrunk: false,
    trunkSinceMs: 0,
    isProven: false,
    isTreePeer: false,
    isChosen: false,
    chosenSinceMs: 0,
    failures: 0,
    retryAtMs: nowMs,
    leftAloneUntilMs: Number.NEGATIVE_INFINITY,
    rttMs: undefined,
    lossRatio: 0,
    load: 0,
    heartbeatAtMs: nowMs,
    isAsked: false,
  };
}

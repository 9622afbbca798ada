/**
 * What this node carries for others, and for whom: the policy's answers and the quota of segments, kept in books; totals,
 * rates and refusals for `peertap relay status`.
 *
 *   a neighbour speaks in a foreign segment ─▶ mayCarry ─▶ policy ─▶ quotas ─▶ in the books until it is released
 *
 * Main thread; no clock of its own. It knows neighbours and the opaque names of segments, and nothing else.
 */
import type { CarriedTraffic, RelayReport } from '../admin/inspection.ts';
import { combine, RelayMeter, type RelayReading } from './relay-meter.ts';
import { RelayPolicy, type RelayRules, type RuleRefusal } from './relay-policy.ts';

/** Policy and quotas, as the config has them. */
export interface RelayTerms extends RelayRules {
  readonly perPeer: { readonly segments: number };
  readonly total: { readonly segments: number };
}

/** `peer-segments`, `total-segments`: beyond the quota. */
export type RelayRefusal = RuleRefusal | 'peer-segments' | 'total-segments';

/** What others know of a segment or a neighbour, for the report. */
export interface RelayFacts {
  /** By segment, 32 hexadecimal digits. */
  segment(segment: string): { readonly root: string | null; readonly ports: number; readonly tokens: number };
  /** Tokens that a neighbour leads to. */
  tokensOf(peer: string): number;
}

/** What the data plane has counted, by neighbour and by segment. */
export interface RelayReadings {
  readonly peers: Iterable<readonly [peer: string, reading: RelayReading]>;
  readonly segments: Iterable<readonly [segment: string, reading: RelayReading]>;
}

/** See the file's head. */
export class RelayLedger {
  readonly #terms: RelayTerms;
  readonly #policy: RelayPolicy;
  readonly #segmentsOf = new Map<string, Set<string>>();
  readonly #peersOf = new Map<string, Set<string>>();
  readonly #meters = { peers: new Map<string, RelayMeter>(), segments: new Map<string, RelayMeter>() };
  readonly #total = new RelayMeter();
  readonly #refusals: Record<RelayRefusal, number> = {
    disabled: 0,
    denied: 0,
    'no-rule': 0,
    'peer-segments': 0,
    'total-segments': 0,
  };

  constructor(terms: RelayTerms) {
    this.#terms = terms;
    this.#policy = new RelayPolicy(terms);
  }

  /**
   * Whether a segment is carried for a neighbour; from then on it is, until it is released.
   *
   * @param segment - its id, 32 hexadecimal digits
   */
  mayCarry(peer: string, segment: string): 'allow' | RelayRefusal {
    if (this.#segmentsOf.get(peer)?.has(segment) === true) {
      return 'allow';
    }
    const answer = this.#decide(peer, segment);
    if (answer === 'allow') {
      this.#segmentsOf.set(peer, (this.#segmentsOf.get(peer) ?? new Set<string>()).add(segment));
      this.#peersOf.set(segment, (this.#peersOf.get(segment) ?? new Set<string>()).add(peer));
    } else {
      this.#refusals[answer]++;
    }
    return answer;
  }

  /** The neighbours for whom a segment is carried. */
  peersOf(segment: string): ReadonlySet<string> {
    return this.#peersOf.get(segment) ?? new Set();
  }

  /** Carries a segment no more for one neighbour. @returns whether it is carried for nobody now */
  release(peer: string, segment: string): boolean {
    remove(this.#segmentsOf, peer, segment);
    remove(this.#peersOf, segment, peer);
    if (this.#peersOf.has(segment)) {
      return false;
    }
    this.#meters.segments.delete(segment);
    return true;
  }

  /** A trunk is gone. @returns the segments that are carried for nobody now */
  releasePeer(peer: string): readonly string[] {
    const segments = [...(this.#segmentsOf.get(peer) ?? [])].filter((segment) => this.release(peer, segment));
    this.#meters.peers.delete(peer);
    return segments;
  }

  /** Takes what the data plane has counted; about once a second. */
  read({ peers, segments }: RelayReadings, nowMs: number): void {
    let step: RelayReading = { datagrams: 0, bytes: 0, refused: 0 };
    for (const [peer, reading] of peers) {
      meterOf(this.#meters.peers, peer).read(reading, nowMs);
    }
    for (const [segment, reading] of segments) {
      if (this.#peersOf.has(segment)) {
        step = combine(step, meterOf(this.#meters.segments, segment).read(reading, nowMs), 1);
      }
    }
    this.#total.add(step, nowMs);
  }

  report(facts: RelayFacts): RelayReport {
    return {
      enabled: this.#terms.enabled,
      segments: [...this.#peersOf.keys()].map((segment) => ({
        segment,
        ...facts.segment(segment),
        ...trafficOf(this.#meters.segments.get(segment)),
      })),
      peers: [...this.#segmentsOf].map(([peer, segments]) => ({
        peer,
        segments: segments.size,
        tokens: facts.tokensOf(peer),
        refusedDatagrams: this.#meters.peers.get(peer)?.refused ?? 0,
        ...trafficOf(this.#meters.peers.get(peer)),
      })),
      total: { ...this.#total.traffic(), refusedDatagrams: this.#total.refused },
      refusals: { ...this.#refusals },
    };
  }

  #decide(peer: string, segment: string): 'allow' | RelayRefusal {
    const answer = this.#policy.decide(peer, segment);
    if (answer !== 'allow') {
      return answer;
    }
    if ((this.#segmentsOf.get(peer)?.size ?? 0) >= this.#terms.perPeer.segments) {
      return 'peer-segments';
    }
    const isNew = !this.#peersOf.has(segment);
    return isNew && this.#peersOf.size >= this.#terms.total.segments ? 'total-segments' : 'allow';
  }
}

function remove(sets: Map<string, Set<string>>, key: string, member: string): void {
  const set = sets.get(key);
  set?.delete(member);
  if (set?.size === 0) {
    sets.delete(key);
  }
}

function meterOf(meters: Map<string, RelayMeter>, key: string): RelayMeter {
  const meter = meters.get(key) ?? new RelayMeter();
  meters.set(key, meter);
  return meter;
}

function trafficOf(meter: RelayMeter | undefined): CarriedTraffic {
  return meter?.traffic() ?? { datagrams: 0, bytes: 0, datagramsPerSecond: 0, bytesPerSecond: 0 };
}

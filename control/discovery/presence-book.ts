/**
 * What is known of who is present in one VLAN, and what of it must still be said to which neighbour.
 *
 *   heard ─▶ open ─▶ budget ─▶ read ─▶ member? ─▶ newer? ─▶ signed? ─▶ kept, and said on to the other neighbours
 *
 * A presence is said on once, when it is new: so it reaches every member that is connected to its peer by neighbours, and
 * goes no further round. Main thread, pure. Nothing that a peer sends makes it throw.
 */
import { TokenBucket } from '../limit/token-bucket.ts';
import type { PeerIdText } from '../trunk/trunk-port.ts';
import type { DiscoveryConfig } from './discovery-config.ts';
import type { DiscoveryCounter, DiscoveryPorts, DiscoveryVlan } from './discovery-port.ts';
import {
  isSignedPresence,
  openPresences,
  PRESENCES_PER_MESSAGE_MAX,
  type Presence,
  readPresence,
  type SignedPresence,
  sealPresences,
  signPresence,
} from './presence.ts';

const NONCE_BYTES = 12;

interface Known extends SignedPresence {
  readonly heardAtMs: number;
}

interface Neighbour {
  readonly budget: TokenBucket;
  /** Peers whose presence it has not been told yet. */
  readonly untold: Set<PeerIdText>;
}

/** What the book is made of. */
export interface PresenceContext {
  readonly ports: DiscoveryPorts;
  readonly config: DiscoveryConfig;
  readonly count: (counter: DiscoveryCounter) => void;
  /** 0‥1. */
  readonly random: () => number;
}

/** What a node says of itself, but for the sequence. */
export type OwnPresence = Omit<Presence, 'peer' | 'sequence'>;

/** See the file's head. */
export class PresenceBook {
  vlan: DiscoveryVlan;
  readonly #context: PresenceContext;
  readonly #known = new Map<PeerIdText, Known>();
  readonly #neighbours = new Map<PeerIdText, Neighbour>();
  #sequence = 0;
  #flushAtMs = Number.POSITIVE_INFINITY;

  constructor(vlan: DiscoveryVlan, context: PresenceContext) {
    this.vlan = vlan;
    this.#context = context;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Says anew what this node is; at start, on a change, and rarely afterwards. */
  sayOwn(own: OwnPresence, nowMs: number): void {
    const { ports } = this.#context;
    this.#sequence = Math.max(this.#sequence + 1, Math.floor(nowMs + ports.unixOffsetMs()));
    const presence = { ...own, peer: ports.self, sequence: this.#sequence };
    this.#keep(
      signPresence(presence, this.vlan.id, (bytes) => ports.sign(bytes)),
      undefined,
      nowMs,
    );
  }

  neighbourUp(peer: PeerIdText, nowMs: number): void {
    const { presenceBurst, presencesPerSecond } = this.#context.config;
    const budget = new TokenBucket({ burst: presenceBurst, perSecond: presencesPerSecond }, nowMs);
    this.#neighbours.set(peer, { budget, untold: new Set(this.#known.keys()) });
    this.#plan(nowMs);
  }

  neighbourDown(peer: PeerIdText): void {
    this.#neighbours.delete(peer);
  }

  /**
   * Takes what a neighbour said.
   *
   * @returns the presences in it that are new and hold, this node's own left out
   */
  heard(from: PeerIdText, message: Uint8Array, nowMs: number): Presence[] {
    const neighbour = this.#neighbours.get(from);
    const list = openPresences(message, this.vlan.presenceKeys);
    if (neighbour === undefined || list === undefined) {
      this.#context.count('presenceUnsealable');
      return [];
    }
    return list.flatMap((bytes) => this.#take(bytes, { from, budget: neighbour.budget }, nowMs) ?? []);
  }

  /** When something must be said. */
  nextAtMs(): number {
    // A private VLAN without an epoch yet has no key: what waits then waits for that.
    return this.vlan.presenceKeys.length === 0 ? Number.POSITIVE_INFINITY : this.#flushAtMs;
  }

  /** @returns the messages that are due */
  flush(nowMs: number): { readonly peer: PeerIdText; readonly bytes: Uint8Array }[] {
    const key = this.vlan.presenceKeys[0];
    if (nowMs < this.#flushAtMs || key === undefined) {
      return [];
    }
    this.#flushAtMs = Number.POSITIVE_INFINITY;
    return [...this.#neighbours].flatMap(([peer, { untold }]) => {
      const presences = [...untold].flatMap((subject) => this.#known.get(subject)?.bytes ?? []);
      untold.clear();
      return chunks(presences).map((chunk) => ({
        peer,
        bytes: sealPresences(chunk, key, this.#context.ports.randomBytes(NONCE_BYTES)),
      }));
    });
  }

  /** Forgets whom nobody has heard of for long; what is not in the roster any more is forgotten at once. */
  expire(nowMs: number): void {
    const lifeMs = this.#context.config.sourceLifeMs.presence;
    for (const [peer, { heardAtMs }] of this.#known) {
      const isOwn = peer === this.#context.ports.self;
      if (!isOwn && (nowMs - heardAtMs >= lifeMs || !this.#isMember(peer))) {
        this.#known.delete(peer);
      }
    }
  }

  #take(
    bytes: Uint8Array,
    origin: { readonly from: PeerIdText; readonly budget: TokenBucket },
    nowMs: number,
  ): Presence | undefined {
    const fault = this.#fault(bytes, origin.budget, nowMs);
    if (typeof fault === 'string') {
      this.#context.count(fault);
      return undefined;
    }
    const { presence } = fault;
    if (presence.peer === this.#context.ports.self) {
      // Our own from before a restart, later than what our clock says now: the next one must be later still.
      this.#sequence = presence.sequence;
      const own = this.#known.get(presence.peer)?.presence;
      if (own !== undefined) {
        this.sayOwn(own, nowMs);
      }
      return undefined;
    }
    this.#context.count('presenceAccepted');
    this.#keep(fault, origin.from, nowMs);
    return presence;
  }

  /** The presence, or why it does not count. */
  #fault(bytes: Uint8Array, budget: TokenBucket, nowMs: number): SignedPresence | DiscoveryCounter {
    const signed = readPresence(bytes);
    if (signed === undefined) {
      return 'presenceMalformed';
    }
    const { presence } = signed;
    if (!this.#isMember(presence.peer)) {
      return 'presenceStrangers';
    }
    const known = this.#known.get(presence.peer);
    if (known !== undefined && known.presence.sequence >= presence.sequence) {
      return 'presenceOld';
    }
    const isFull = known === undefined && this.#known.size >= this.#context.config.presencesMax;
    if (isFull || !budget.take(nowMs)) {
      return 'presenceRefused';
    }
    const { ports } = this.#context;
    const holds = isSignedPresence(signed, this.vlan.id, (key, body, signature) =>
      ports.verify(key, body, signature),
    );
    return holds ? signed : 'presenceForged';
  }

  #keep(signed: SignedPresence, from: PeerIdText | undefined, nowMs: number): void {
    const { peer } = signed.presence;
    this.#known.set(peer, { ...signed, heardAtMs: nowMs });
    for (const [neighbour, { untold }] of this.#neighbours) {
      if (neighbour !== from && neighbour !== peer) {
        untold.add(peer);
      }
    }
    this.#plan(nowMs);
  }

  #plan(nowMs: number): void {
    const isWaiting = [...this.#neighbours.values()].some(({ untold }) => untold.size > 0);
    if (isWaiting) {
      this.#flushAtMs = Math.min(this.#flushAtMs, nowMs + this.#context.config.presenceDelayMs);
    }
  }

  #isMember(peer: PeerIdText): boolean {
    return this.vlan.members?.has(peer) ?? true;
  }
}

function chunks(presences: readonly Uint8Array[]): Uint8Array[][] {
  const count = Math.ceil(presences.length / PRESENCES_PER_MESSAGE_MAX);
  return Array.from({ length: count }, (_, index) =>
    presences.slice(index * PRESENCES_PER_MESSAGE_MAX, (index + 1) * PRESENCES_PER_MESSAGE_MAX),
  );
}

/**
 * This node's private swarm: its keys, what a person may do with them, and which peers have proven to have one.
 *
 *            configure, join                    rotate, join with another key
 *   no swarm ──────────────▶ current key ─────────────────────────────────────▶ current key, and the one before
 *      ▲                        │  ▲                                               │ finishRotation, or 24 h
 *      └────────── leave ───────┘  └───────────────────────────────────────────────┘
 *
 * Main thread. The state is on disk before it is used. It decides who is authorised; control/network/swarm-gate.ts
 * asks peers for their proofs and ends what is not authorised. It must never show a key but as the text that a
 * person asks for.
 */
import { randomBytes } from 'node:crypto';
import { SwarmError } from './swarm-error.ts';
import { formatSwarmKey, parseSwarmKey, SWARM_KEY_BYTES, type SwarmKey, swarmKeyOf } from './swarm-key.ts';
import { loadSwarmState, NO_SWARM, type SwarmState, storeSwarmState } from './swarm-state.ts';

/** How long the key before is accepted: time to bring the new one to every node by hand. */
const OVERLAP_MS = 86_400_000;
/** Peers whose proofs are remembered: several times the connections and trunks of a node. Oldest leave first. */
const PROVEN_MAX = 8_192;

/** What is told of the swarm; no secret. */
export interface SwarmStatus {
  readonly active: boolean;
  readonly fingerprint: string | null;
  readonly previousFingerprint: string | null;
  /** ISO 8601. */
  readonly previousUntil: string | null;
  readonly refusedConnections: number;
}

/** A key for another node; `key` is a secret. */
export interface SwarmKeyText {
  readonly key: string;
  readonly fingerprint: string;
}

/** What the gate needs of a swarm. */
export interface SwarmAuthority {
  /** The current key, then the one before; none: no swarm, everybody may connect. */
  keys(): readonly SwarmKey[];
  /** A peer has proven to have these keys. */
  proven(peer: string, fingerprints: readonly string[]): void;
  /** Whether a peer has proven to have a key that is still valid; everybody is without a swarm. */
  isAuthorised(peer: string): boolean;
  /** Whether a peer has proven to have every key. */
  hasAll(peer: string): boolean;
  /** Peers with proofs that hold. */
  authorised(): readonly string[];
  /** A connection was refused. */
  refused(): void;
  /** Told after each change of the keys. */
  onChange: () => void;
}

/** See the file's head. */
export class Swarm implements SwarmAuthority {
  readonly #stateDirectory: string;
  readonly #nowMs: () => number;
  readonly #proven = new Map<string, ReadonlySet<string>>();
  #state: SwarmState;
  #refusedCount = 0;
  onChange: () => void = () => undefined;

  private constructor(stateDirectory: string, state: SwarmState, nowMs: () => number) {
    this.#stateDirectory = stateDirectory;
    this.#state = state;
    this.#nowMs = nowMs;
  }

  /**
   * Reads the swarm of a state directory.
   *
   * @param nowMs - unix time in ms; the default asks the system
   * @throws SwarmError `state-unreadable` or `state-corrupt`
   */
  static open(stateDirectory: string, nowMs: () => number = () => Date.now()): Swarm {
    return new Swarm(stateDirectory, loadSwarmState(stateDirectory), nowMs);
  }

  report(): SwarmStatus {
    const { current, previous } = this.#live();
    return {
      active: current !== undefined,
      fingerprint: current?.fingerprint ?? null,
      previousFingerprint: previous?.key.fingerprint ?? null,
      previousUntil: previous === undefined ? null : new Date(previous.untilMs).toISOString(),
      refusedConnections: this.#refusedCount,
    };
  }

  /** Makes a swarm with a fresh key. @throws SwarmError `in-swarm` or `state-unwritable` */
  configure(): SwarmKeyText {
    const { current } = this.#state;
    if (current !== undefined) {
      throw new SwarmError(
        'in-swarm',
        `This node is in the private swarm ${current.fingerprint} already. ` +
          'Leave it first with `peertap swarm leave`, or change its key with `peertap swarm rotate`.',
      );
    }
    return this.#use({ current: swarmKeyOf(randomBytes(SWARM_KEY_BYTES)), previous: undefined });
  }

  /** The current key, for another node. @throws SwarmError `no-swarm` */
  exchange(): SwarmKeyText {
    return keyText(this.#current());
  }

  /**
   * Takes another node's key over; the one in use until then stays accepted for the overlap.
   *
   * @throws SwarmError `invalid-swarm-key` or `state-unwritable`
   */
  join(text: string): SwarmStatus {
    const key = parseSwarmKey(text);
    const { current } = this.#state;
    if (current?.fingerprint !== key.fingerprint) {
      this.#use({ current: key, previous: this.#overlapOf(current) });
    }
    return this.report();
  }

  /** Everybody may connect from now on. @throws SwarmError `no-swarm` or `state-unwritable` */
  leave(): SwarmStatus {
    this.#current();
    this.#replace(NO_SWARM);
    return this.report();
  }

  /** A fresh key; the one before stays accepted for the overlap. @throws SwarmError `no-swarm` or `state-unwritable` */
  rotate(): SwarmKeyText {
    const current = this.#current();
    return this.#use({
      current: swarmKeyOf(randomBytes(SWARM_KEY_BYTES)),
      previous: this.#overlapOf(current),
    });
  }

  /** Ends the overlap: who has only the key before is out. @throws SwarmError `no-swarm`, `no-rotation` or `state-unwritable` */
  finishRotation(): SwarmStatus {
    const current = this.#current();
    if (this.#live().previous === undefined) {
      throw new SwarmError(
        'no-rotation',
        'Only the current swarm key is accepted: there is no rotation to finish. `peertap swarm rotate` begins one.',
      );
    }
    this.#replace({ current, previous: undefined });
    return this.report();
  }

  /** Ends an overlap whose time is over; call it now and then. Never throws: the key is not accepted in any case. */
  tick(): void {
    const live = this.#live();
    if (live === this.#state) {
      return;
    }
    try {
      this.#replace(live);
    } catch {
      // It stays on disk until the next change, with its time.
      this.#take(live);
    }
  }

  // ── SwarmAuthority ───────────────────────────────────────────────────────────────────────────────────

  keys(): readonly SwarmKey[] {
    const { current, previous } = this.#live();
    return [current, previous?.key].filter((key) => key !== undefined);
  }

  proven(peer: string, fingerprints: readonly string[]): void {
    this.#proven.delete(peer);
    if (this.#proven.size >= PROVEN_MAX) {
      this.#proven.delete(this.#proven.keys().next().value ?? '');
    }
    this.#proven.set(peer, new Set(fingerprints));
  }

  isAuthorised(peer: string): boolean {
    const keys = this.keys();
    return keys.length === 0 || keys.some(({ fingerprint }) => this.#proven.get(peer)?.has(fingerprint));
  }

  hasAll(peer: string): boolean {
    return this.keys().every(({ fingerprint }) => this.#proven.get(peer)?.has(fingerprint));
  }

  authorised(): readonly string[] {
    return [...this.#proven.keys()].filter((peer) => this.isAuthorised(peer));
  }

  refused(): void {
    this.#refusedCount += 1;
  }

  // ── State ────────────────────────────────────────────────────────────────────────────────────────────

  #current(): SwarmKey {
    const { current } = this.#state;
    if (current === undefined) {
      throw new SwarmError(
        'no-swarm',
        'This node is in no private swarm. Make one with `peertap swarm configure`, or join with `peertap swarm join KEY`.',
      );
    }
    return current;
  }

  /** The state less an overlap that is over, whether `tick` has come by or not. */
  #live(): SwarmState {
    const { current, previous } = this.#state;
    return previous === undefined || this.#nowMs() < previous.untilMs
      ? this.#state
      : { current, previous: undefined };
  }

  #overlapOf(key: SwarmKey | undefined): SwarmState['previous'] {
    return key === undefined ? undefined : { key, untilMs: this.#nowMs() + OVERLAP_MS };
  }

  #use(state: SwarmState & { readonly current: SwarmKey }): SwarmKeyText {
    this.#replace(state);
    return keyText(state.current);
  }

  #replace(state: SwarmState): void {
    storeSwarmState(this.#stateDirectory, state);
    this.#take(state);
  }

  #take(state: SwarmState): void {
    this.#state = state;
    if (state.current === undefined) this.#proven.clear();
    this.onChange();
  }
}

function keyText(key: SwarmKey): SwarmKeyText {
  return { key: formatSwarmKey(key), fingerprint: key.fingerprint };
}

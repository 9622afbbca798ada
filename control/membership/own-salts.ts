/**
 * The salts under which this node seals: one in use for each worker and epoch, now and then its successor.
 *
 *   successor ──announced, a second later──▶ active ──▶ retired ──▶ gone
 *   active ──worker died──▶ gone, and a new one active at once
 *
 * A salt names a run of counters; a counter that was given out twice under one salt would repeat a nonce. So
 * a salt is drawn once, belongs to one incarnation of one worker, and is never drawn again in this start.
 *
 * Main thread; no clock of its own.
 *
 * @see docs/protocol.md, "Sealed frame"
 */
import { sameBytes } from '../../dataplane/base/same-bytes.ts';
import type { EpochId } from './epoch.ts';
import type { SaltId } from './membership-port.ts';
import { SALT_BYTES, type SenderName } from './sender-field.ts';
import { TIMING } from './timing.ts';

/** A salt of ours. */
export interface OwnSalt extends SenderName {
  readonly id: SaltId;
  readonly epoch: EpochId;
  state: 'successor' | 'active' | 'retired';
  /** When a successor becomes active, or a retired one goes. */
  changeAtMs: number;
}

/** Whose a salt is to be. */
export interface SaltPlace {
  readonly epoch: EpochId;
  /** Ours in that epoch. */
  readonly leaf: number;
  /** The worker. */
  readonly lane: number;
}

/** What changed with time. */
export interface SaltChanges {
  readonly activated: readonly OwnSalt[];
  readonly removed: readonly OwnSalt[];
}

/** Salts of one VLAN; see the file's head. */
export class OwnSalts {
  readonly #randomBytes: (count: number) => Uint8Array;
  readonly #nextId: () => SaltId;
  readonly #drawn = new Set<string>();
  #salts: OwnSalt[] = [];

  constructor(options: {
    readonly randomBytes: (count: number) => Uint8Array;
    readonly nextId: () => SaltId;
  }) {
    this.#randomBytes = options.randomBytes;
    this.#nextId = options.nextId;
  }

  /** All salts of an epoch, retired ones included: what an announcement names. */
  ofEpoch(epoch: EpochId): readonly OwnSalt[] {
    return this.#salts.filter((salt) => salt.epoch === epoch);
  }

  /** The salts that workers seal under, of all epochs. */
  active(): readonly OwnSalt[] {
    return this.#salts.filter((salt) => salt.state === 'active');
  }

  /** Whether a sender's name is one of ours. */
  isOwn(epoch: EpochId, name: SenderName): boolean {
    return this.#salts.some(
      (salt) =>
        salt.epoch === epoch &&
        salt.leaf === name.leaf &&
        salt.lane === name.lane &&
        sameBytes(salt.salt, name.salt),
    );
  }

  /** A new salt for a worker: in use at once, or when it has been announced. */
  issue(at: SaltPlace, changeAtMs: number | 'now'): OwnSalt {
    const salt: OwnSalt = {
      id: this.#nextId(),
      ...at,
      salt: this.#draw(),
      state: changeAtMs === 'now' ? 'active' : 'successor',
      changeAtMs: changeAtMs === 'now' ? 0 : changeAtMs,
    };
    this.#salts.push(salt);
    return salt;
  }

  /** Issues the successor of an active salt, unless it has one already. */
  succeed(id: SaltId, nowMs: number): OwnSalt | undefined {
    const old = this.#salts.find((salt) => salt.id === id && salt.state === 'active');
    if (old === undefined || this.#successorOf(old) !== undefined) {
      return undefined;
    }
    const { epoch, leaf, lane } = old;
    return this.issue({ epoch, leaf, lane }, nowMs + TIMING.successorDelayMs);
  }

  /** Carries out what is due: successors become active, their predecessors retire, retired ones go. */
  advance(nowMs: number): SaltChanges {
    const activated = this.#salts.filter((salt) => salt.state === 'successor' && salt.changeAtMs <= nowMs);
    for (const salt of activated) {
      this.#retire(
        (old) => old.epoch === salt.epoch && old.lane === salt.lane && old.state === 'active',
        nowMs,
      );
      salt.state = 'active';
    }
    const removed = this.#take((salt) => salt.state === 'retired' && salt.changeAtMs <= nowMs);
    return { activated, removed };
  }

  /** Retires all salts of an epoch that is not sealed under any more. */
  retireEpoch(epoch: EpochId, nowMs: number): void {
    this.#retire((salt) => salt.epoch === epoch && salt.state !== 'retired', nowMs);
  }

  /** Takes all salts of a worker away at once: the worker is dead, and its counters with it. */
  takeWorker(worker: number): readonly OwnSalt[] {
    return this.#take((salt) => salt.lane === worker);
  }

  /** Takes all salts of an epoch away. */
  takeEpoch(epoch: EpochId): readonly OwnSalt[] {
    return this.#take((salt) => salt.epoch === epoch);
  }

  #successorOf(old: OwnSalt): OwnSalt | undefined {
    return this.#salts.find(
      (salt) => salt.epoch === old.epoch && salt.lane === old.lane && salt.state === 'successor',
    );
  }

  #retire(matches: (salt: OwnSalt) => boolean, nowMs: number): void {
    for (const salt of this.#salts.filter(matches)) {
      salt.state = 'retired';
      salt.changeAtMs = nowMs + TIMING.retiredSaltMs;
    }
  }

  #take(matches: (salt: OwnSalt) => boolean): readonly OwnSalt[] {
    const taken = this.#salts.filter(matches);
    this.#salts = this.#salts.filter((salt) => !matches(salt));
    return taken;
  }

  #draw(): Uint8Array {
    for (;;) {
      const salt = Uint8Array.from(this.#randomBytes(SALT_BYTES));
      const key = salt.join('.');
      if (!this.#drawn.has(key)) {
        this.#drawn.add(key);
        return salt;
      }
    }
  }
}

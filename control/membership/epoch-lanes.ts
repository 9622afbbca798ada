/**
 * This node's salts in its epochs, and what workers must be told of them: a salt for each worker and epoch, its
 * successor in time, and a fresh one for each new incarnation of a worker.
 *
 *   issue ─▶ add-salt ─▶ use-salt (group key, keys to members) ─▶ … ─▶ remove-salt
 *
 * Main thread; no clock of its own, no I/O.
 *
 * @see docs/protocol.md, "Sealed frame"
 */
import { type Epoch, type EpochId, isInEpoch } from './epoch.ts';
import type { MemberKeys } from './member-keys.ts';
import type { MemberDown, MembershipEffect, MembershipOptions, PairKey } from './membership-port.ts';
import type { OwnSalt, OwnSalts } from './own-salts.ts';
import type { Member } from './roster.ts';

/** What those who keep epochs need of the machine. */
export interface EpochHost {
  readonly options: MembershipOptions;
  readonly salts: OwnSalts;
  readonly keys: MemberKeys;
  /** Members and candidates. */
  members(): readonly Member[];
  proven(): readonly Member[];
  /** Takes a member or candidate out of the roster, with all that was its. */
  dismiss(member: Member, reason: MemberDown['reason']): void;
  /** Closes the members' senders of an epoch. */
  closeSenders(epoch: EpochId): void;
  /** Everybody must learn of new salts. */
  lanesChanged(): void;
  /** What else belongs to an epoch that is over. */
  forgetEpoch(epoch: EpochId): void;
  emit(effect: MembershipEffect): void;
}

/** See the file's head. */
export class EpochLanes {
  readonly #host: EpochHost;
  readonly #find: (id: EpochId) => Epoch | undefined;

  constructor(host: EpochHost, find: (id: EpochId) => Epoch | undefined) {
    this.#host = host;
    this.#find = find;
  }

  /** The salts of an epoch that are, or will be, sealed under. */
  live(epoch: EpochId): readonly OwnSalt[] {
    return this.#host.salts.ofEpoch(epoch).filter((salt) => salt.state !== 'retired');
  }

  /**
   * Salts for the workers that have none in this epoch.
   *
   * @param pairKeys - `later`: the keys to members are given by {@link keysTo}, a few at a time
   * @returns whether one was issued
   */
  prepare(epoch: Epoch, pairKeys: 'now' | 'later'): boolean {
    const lanes = new Set(this.live(epoch.id).map((salt) => salt.lane));
    let issued = false;
    for (let worker = 0; worker < this.#host.options.workerCount; worker++) {
      if (!lanes.has(worker)) {
        this.#issue(epoch, worker, pairKeys);
        issued = true;
      }
    }
    return issued;
  }

  /** Gives the keys to one member under the salts of an epoch that are in use. */
  keysTo(member: Member, epoch: Epoch): void {
    const keys = this.#host.salts
      .active()
      .filter((salt) => salt.epoch === epoch.id)
      .map((salt) => ({ salt: salt.id, key: this.#host.keys.pairKeyTo(epoch, member, salt) }));
    this.#host.emit({ kind: 'add-pair-keys', member: member.id, keys });
  }

  /** Nothing more is sealed under an epoch's salts; what is under way is still opened by others. */
  retire(epoch: EpochId, nowMs: number): void {
    this.#host.salts.retireEpoch(epoch, nowMs);
  }

  /** Takes an epoch's salts back. */
  remove(epoch: EpochId): void {
    this.#removeSalts(this.#host.salts.takeEpoch(epoch));
  }

  /** Successors whose time has come, retired salts whose frames have arrived. */
  advance(nowMs: number): void {
    const { activated, removed } = this.#host.salts.advance(nowMs);
    for (const salt of activated) {
      const epoch = this.#find(salt.epoch);
      if (epoch !== undefined) {
        this.#use(epoch, salt, 'now');
      }
    }
    this.#removeSalts(removed);
  }

  /** The salt nears its end: its successor is announced now and used in a moment. */
  succeed(saltId: number, nowMs: number): void {
    const successor = this.#host.salts.succeed(saltId, nowMs);
    if (successor !== undefined) {
      this.#add(successor);
      this.#host.lanesChanged();
    }
  }

  /** A worker died, and with it what it knew of its counters: it gets salts that were never used. */
  restartWorker(worker: number): void {
    const dead = this.#host.salts.takeWorker(worker);
    this.#removeSalts(dead);
    for (const id of new Set(dead.filter((salt) => salt.state !== 'retired').map((salt) => salt.epoch))) {
      const epoch = this.#find(id);
      if (epoch !== undefined) {
        // Whole, not by and by: no key that a worker can reach may name the salt that is gone.
        this.#issue(epoch, worker, 'now');
        this.#host.lanesChanged();
      }
    }
  }

  #issue(epoch: Epoch, worker: number, pairKeys: 'now' | 'later'): void {
    const place = { epoch: epoch.id, leaf: epoch.ownLeaf, lane: worker };
    const salt = this.#host.salts.issue(place, 'now');
    this.#add(salt);
    this.#use(epoch, salt, pairKeys);
  }

  #add(salt: OwnSalt): void {
    const { id, epoch, lane, leaf } = salt;
    this.#host.emit({ kind: 'add-salt', salt: id, epoch, worker: lane, leaf, value: salt.salt });
  }

  #use(epoch: Epoch, salt: OwnSalt, pairKeys: 'now' | 'later'): void {
    this.#host.emit({
      kind: 'use-salt',
      salt: salt.id,
      groupKey: this.#host.keys.ownGroupKey(epoch, salt),
      pairKeys: pairKeys === 'now' ? this.#pairKeys(epoch, salt) : [],
    });
  }

  #pairKeys(epoch: Epoch, salt: OwnSalt): readonly PairKey[] {
    return this.#host
      .proven()
      .filter((member) => isInEpoch(epoch, member.key))
      .map((member) => ({ member: member.id, key: this.#host.keys.pairKeyTo(epoch, member, salt) }));
  }

  #removeSalts(salts: readonly OwnSalt[]): void {
    for (const salt of salts) {
      this.#host.emit({ kind: 'remove-salt', salt: salt.id });
    }
  }
}

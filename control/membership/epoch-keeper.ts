/**
 * Which epochs live, which one is sealed under, and under which salts: the calendar of one open VLAN.
 *
 *   yesterday │ today (sealed under) │ tomorrow (salts two minutes ahead, so that all know each other's)
 *
 * Main thread; no clock of its own, no I/O.
 *
 * @see docs/protocol.md, "Sealed frame"
 */
import { deriveOpenEpoch, type OpenEpoch, utcDay, utcDayStartMs } from '../vlan/open-epoch.ts';
import type { MemberKeys } from './member-keys.ts';
import type { MembershipEffect, MembershipOptions } from './membership-port.ts';
import type { OwnSalt, OwnSalts } from './own-salts.ts';
import type { Member } from './roster.ts';
import { TIMING } from './timing.ts';

/** What the keeper needs of the machine. */
export interface EpochHost {
  readonly options: MembershipOptions;
  readonly salts: OwnSalts;
  readonly keys: MemberKeys;
  proven(): readonly Member[];
  /** Closes the members' senders of an epoch. */
  closeSenders(day: number): void;
  /** Everybody must learn of new salts. */
  lanesChanged(): void;
  /** What else belongs to an epoch that is over. */
  forgetDay(day: number): void;
  emit(effect: MembershipEffect): void;
}

/** The calendar; see the file's head. */
export class EpochKeeper {
  readonly #host: EpochHost;
  readonly #epochs = new Map<number, OpenEpoch>();
  #sealingDay = -1;

  constructor(host: EpochHost) {
    this.#host = host;
  }

  /** An epoch whose tokens are accepted. */
  find(day: number): OpenEpoch | undefined {
    return this.#epochs.get(day);
  }

  /** The epoch to seal under. */
  sealing(): OpenEpoch | undefined {
    return this.#epochs.get(this.#sealingDay);
  }

  /** The epochs in which we have lanes to announce, the present one first. */
  announced(): readonly OpenEpoch[] {
    return [this.#sealingDay, this.#sealingDay + 1]
      .filter((day) => this.#liveSalts(day).length > 0)
      .flatMap((day) => this.#epochs.get(day) ?? []);
  }

  /** Carries out what the calendar wants. */
  advance(unixMs: number, nowMs: number): void {
    const { options, salts } = this.#host;
    const today = utcDay(unixMs);
    const days = [today - 1, today, today + 1];
    for (const day of days.filter((wanted) => !this.#epochs.has(wanted))) {
      this.#add(day);
    }
    this.#prepare(today);
    if (utcDayStartMs(today + 1) - unixMs <= TIMING.nextEpochLeadMs) {
      this.#prepare(today + 1);
    }
    if (this.#sealingDay !== today) {
      salts.retireDay(this.#sealingDay, nowMs);
      this.#sealingDay = today;
      this.#host.emit({ kind: 'use-epoch', day: today });
    }
    if (unixMs - utcDayStartMs(today) > options.tokenPeriodSeconds * 1_000) {
      // No token of yesterday is accepted any more; its senders' windows are free for others.
      this.#host.closeSenders(today - 1);
    }
    for (const day of [...this.#epochs.keys()].filter((kept) => !days.includes(kept))) {
      this.#remove(day);
    }
    this.#advanceSalts(nowMs);
  }

  /** The salt nears its end: its successor is announced now and used in a moment. */
  succeed(saltId: number, nowMs: number): void {
    const successor = this.#host.salts.succeed(saltId, nowMs);
    if (successor !== undefined) {
      this.#emitSalt(successor);
      this.#host.lanesChanged();
    }
  }

  /** A worker died, and with it what it knew of its counters: it gets salts that were never used. */
  restartWorker(worker: number): void {
    const dead = this.#host.salts.takeWorker(worker);
    this.#removeSalts(dead);
    for (const day of new Set(dead.filter((salt) => salt.state !== 'retired').map((salt) => salt.day))) {
      this.#issue(day, worker);
    }
  }

  /** Takes all epochs back. */
  stop(): void {
    for (const day of [...this.#epochs.keys()]) {
      this.#remove(day);
    }
  }

  #add(day: number): void {
    const epoch = deriveOpenEpoch(this.#host.options.vlanId, day);
    this.#epochs.set(day, epoch);
    this.#host.emit({ kind: 'add-epoch', epoch });
  }

  #remove(day: number): void {
    this.#host.closeSenders(day);
    this.#removeSalts(this.#host.salts.takeDay(day));
    this.#host.forgetDay(day);
    this.#epochs.delete(day);
    this.#host.emit({ kind: 'remove-epoch', day });
  }

  /** Salts for a day on which we shall seal, for the workers that have none. */
  #prepare(day: number): void {
    const lanes = new Set(this.#liveSalts(day).map((salt) => salt.lane));
    for (let worker = 0; worker < this.#host.options.workerCount; worker++) {
      if (!lanes.has(worker)) {
        this.#issue(day, worker);
      }
    }
  }

  #liveSalts(day: number): readonly OwnSalt[] {
    return this.#host.salts.ofDay(day).filter((salt) => salt.state !== 'retired');
  }

  #issue(day: number, worker: number): void {
    const salt = this.#host.salts.issue(day, worker, 'now');
    this.#emitSalt(salt);
    this.#use(salt);
    this.#host.lanesChanged();
  }

  #advanceSalts(nowMs: number): void {
    const { activated, removed } = this.#host.salts.advance(nowMs);
    for (const salt of activated) {
      this.#use(salt);
    }
    this.#removeSalts(removed);
  }

  #emitSalt(salt: OwnSalt): void {
    const { id, day, lane, leaf } = salt;
    this.#host.emit({ kind: 'add-salt', salt: id, day, worker: lane, leaf, value: salt.salt });
  }

  #use(salt: OwnSalt): void {
    const epoch = this.#epochs.get(salt.day);
    if (epoch === undefined) {
      return;
    }
    const { keys } = this.#host;
    this.#host.emit({
      kind: 'use-salt',
      salt: salt.id,
      groupKey: keys.ownGroupKey(epoch, salt),
      pairKeys: this.#host.proven().map((member) => ({
        member: member.id,
        key: keys.pairKeyTo(epoch, member, salt),
      })),
    });
  }

  #removeSalts(salts: readonly OwnSalt[]): void {
    for (const salt of salts) {
      this.#host.emit({ kind: 'remove-salt', salt: salt.id });
    }
  }
}

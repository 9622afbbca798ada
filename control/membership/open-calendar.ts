/**
 * The epochs of an open VLAN: the UTC days. Which are live, under which we seal, and which salts each has.
 *
 *   yesterday   opened: frames under way, members whose clock is behind
 *   today       sealed under, opened
 *   tomorrow    opened; salts in it (announced two minutes ahead, so that all know each other's)
 *
 * Main thread; no clock of its own, no I/O.
 *
 * @see docs/protocol.md, "Sealed frame"
 */
import { deriveOpenEpoch, utcDay, utcDayStartMs } from '../vlan/open-epoch.ts';
import type { Epoch, EpochId, EpochKeeper } from './epoch.ts';
import { type EpochHost, EpochLanes } from './epoch-lanes.ts';
import type { SaltId } from './membership-port.ts';
import { TIMING } from './timing.ts';

/** The calendar; see the file's head. An epoch's id and number are its day. */
export class OpenCalendar implements EpochKeeper {
  readonly #host: EpochHost;
  readonly #leaf: number;
  readonly #lanes: EpochLanes;
  readonly #epochs = new Map<number, Epoch>();
  #sealingDay = -1;

  /** @param leaf - random number of this start, 24 bits */
  constructor(host: EpochHost, leaf: number) {
    this.#host = host;
    this.#leaf = leaf;
    this.#lanes = new EpochLanes(host, (day) => this.#epochs.get(day));
  }

  find(day: EpochId): Epoch | undefined {
    return this.#epochs.get(day);
  }

  newest(): Epoch | undefined {
    return this.#epochs.get(this.#sealingDay);
  }

  announced(): readonly Epoch[] {
    return [this.#sealingDay, this.#sealingDay + 1]
      .filter((day) => this.#lanes.live(day).length > 0)
      .flatMap((day) => this.#epochs.get(day) ?? []);
  }

  asked(): readonly Epoch[] {
    const sealing = this.newest();
    return sealing === undefined ? [] : [sealing];
  }

  remarks(): readonly Uint8Array[] {
    return [];
  }

  /** An open VLAN has no group. */
  adopt(): void {}

  /** Everybody seals under the day, wherever a member is. */
  welcomed(): void {}

  dismissed(): void {}

  heard(): void {}

  advance(unixMs: number, nowMs: number): void {
    const { options } = this.#host;
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
      this.#lanes.retire(this.#sealingDay, nowMs);
      this.#sealingDay = today;
      this.#host.emit({ kind: 'use-epoch', epoch: today });
    }
    if (unixMs - utcDayStartMs(today) > options.tokenPeriodSeconds * 1_000) {
      // No token of yesterday is accepted any more; its senders' windows are free for others.
      this.#host.closeSenders(today - 1);
    }
    for (const day of [...this.#epochs.keys()].filter((kept) => !days.includes(kept))) {
      this.#remove(day);
    }
    this.#lanes.advance(nowMs);
  }

  /** The calendar is looked at in `advance`; nothing is due between. */
  step(): void {}

  nextTimeoutMs(): number {
    return Number.POSITIVE_INFINITY;
  }

  succeed(salt: SaltId, nowMs: number): void {
    this.#lanes.succeed(salt, nowMs);
  }

  restartWorker(worker: number): void {
    this.#lanes.restartWorker(worker);
  }

  stop(): void {
    for (const day of [...this.#epochs.keys()]) {
      this.#remove(day);
    }
  }

  #add(day: number): void {
    const { day: number, ...keys } = deriveOpenEpoch(this.#host.options.vlanId, day);
    const epoch = { ...keys, id: day, number, day, ownLeaf: this.#leaf, roster: undefined };
    this.#epochs.set(day, epoch);
    this.#host.emit({ kind: 'add-epoch', epoch });
  }

  #remove(day: number): void {
    this.#host.closeSenders(day);
    this.#lanes.remove(day);
    this.#host.forgetEpoch(day);
    this.#epochs.delete(day);
    this.#host.emit({ kind: 'remove-epoch', epoch: day });
  }

  /** Salts for a day on which we shall seal. */
  #prepare(day: number): void {
    const epoch = this.#epochs.get(day);
    if (epoch !== undefined && this.#lanes.prepare(epoch, 'now')) {
      this.#host.lanesChanged();
    }
  }
}

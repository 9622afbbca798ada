/**
 * This node's salts in one VLAN: their slots, and how far their counters are.
 *
 * Main thread only.
 */
import type { EpochId } from '../membership/epoch.ts';
import type { AddSalt, SaltId } from '../membership/membership-port.ts';
import type { SaltTable } from './key-tables.ts';

/** Frames under one salt after which its successor is asked for; the hard stop is 2^32. */
const SALT_LOW = 3 * 2 ** 30;

/** A salt in the table. */
export interface SaltEntry {
  readonly slot: number;
  readonly epoch: EpochId;
  readonly worker: number;
}

/** See the file's head. */
export class VlanSalts {
  readonly #table: SaltTable;
  readonly #salts = new Map<SaltId, SaltEntry>();
  readonly #reportedLow = new Set<SaltId>();

  constructor(table: SaltTable) {
    this.#table = table;
  }

  find(id: SaltId): SaltEntry | undefined {
    return this.#salts.get(id);
  }

  /** A salt that finds no room is not found later: its worker seals nothing. */
  add({ salt, epoch, worker, leaf, value }: AddSalt): void {
    const slot = this.#table.add({ worker, leaf, value });
    if (slot !== undefined) {
      this.#salts.set(salt, { slot, epoch, worker });
    }
  }

  /** No key that a worker can reach names it any more. */
  remove(id: SaltId): void {
    const salt = this.#salts.get(id);
    if (salt !== undefined) {
      this.#salts.delete(id);
      this.#reportedLow.delete(id);
      this.#table.remove(salt.slot);
    }
  }

  /** The next frame's counter under a salt. */
  counter(id: SaltId): number {
    const salt = this.#salts.get(id);
    return salt === undefined ? 0 : this.#table.counter(salt.slot);
  }

  /** Salts whose successor should be issued; each is named once. */
  low(): readonly SaltId[] {
    const low = [...this.#salts.keys()].filter(
      (id) => !this.#reportedLow.has(id) && this.counter(id) >= SALT_LOW,
    );
    for (const id of low) {
      this.#reportedLow.add(id);
    }
    return low;
  }
}

/**
 * The keys under which this node's workers seal in one VLAN: for each epoch a run for the group, and a run for
 * each member, of one key a worker.
 *
 * When a worker's salt changes, each run that has a key under it is written anew and takes the old one's
 * place (see key-tables.ts for why keys are never changed in place).
 *
 * Main thread only.
 */
import type { EpochId } from '../membership/epoch.ts';
import type { MemberId } from '../membership/membership-port.ts';
import type { FrameKeyTable, TxKey } from './key-tables.ts';

/** Stands for the group among the members. */
export const GROUP: MemberId = 0;

interface Run {
  readonly first: number;
  readonly keys: readonly (TxKey | undefined)[];
}

/** Runs of keys, by member and epoch. */
export class TxKeys {
  readonly #table: FrameKeyTable;
  readonly #cipher: number;
  readonly #runs = new Map<MemberId, Map<EpochId, Run>>();

  constructor(table: FrameKeyTable, cipher: number) {
    this.#table = table;
    this.#cipher = cipher;
  }

  /** First slot of the run towards a member (or the group) under an epoch. */
  find(member: MemberId, epoch: EpochId): number | undefined {
    return this.#runs.get(member)?.get(epoch)?.first;
  }

  /**
   * Puts workers' keys into the run towards a member; the old run goes when no worker uses it.
   *
   * @param keys - by worker; the others keep theirs
   * @returns the run's first slot; undefined when the table is full: then there is no run, since the old one
   *   may hold a key under a salt that is about to go
   */
  put(member: MemberId, epoch: EpochId, keys: ReadonlyMap<number, TxKey>): number | undefined {
    const runs = this.#runs.get(member) ?? new Map<EpochId, Run>();
    const old = runs.get(epoch);
    const merged = [...(old?.keys ?? [])];
    for (const [worker, key] of keys) {
      merged[worker] = key;
    }
    const first = this.#table.addTx(merged, this.#cipher);
    if (first === undefined) {
      runs.delete(epoch);
    } else {
      runs.set(epoch, { first, keys: merged });
      this.#runs.set(member, runs);
    }
    if (old !== undefined) {
      this.#table.removeTx(old.first);
    }
    return first;
  }

  /** Forgets all keys towards a member. */
  removeMember(member: MemberId): void {
    for (const run of this.#runs.get(member)?.values() ?? []) {
      this.#table.removeTx(run.first);
    }
    this.#runs.delete(member);
  }

  /** Forgets the keys of all epochs before one. */
  keepFrom(first: EpochId): void {
    for (const runs of this.#runs.values()) {
      for (const [epoch, run] of [...runs]) {
        if (epoch < first) {
          runs.delete(epoch);
          this.#table.removeTx(run.first);
        }
      }
    }
  }

  clear(): void {
    for (const member of [...this.#runs.keys()]) {
      this.removeMember(member);
    }
  }
}

/**
 * The keys of one VLAN's frames under our salts in use: a worker's group key of each epoch, and its keys to each member.
 *
 * Main thread only.
 */
import { NONE } from '../../dataplane/shm/layout.ts';
import type { EpochId } from '../membership/epoch.ts';
import type { AddPairKeys, MemberId, UseSalt } from '../membership/membership-port.ts';
import { GROUP, type TxKeys } from './tx-keys.ts';
import type { VlanSalts } from './vlan-salts.ts';
import type { EpochTable } from './vlan-table.ts';

/** What the keys are kept with. */
export interface VlanKeysParts {
  readonly txKeys: TxKeys;
  readonly salts: VlanSalts;
  readonly workerCount: number;
  readonly epochs: Pick<EpochTable, 'setGroupKey'>;
  /** The slot of an epoch. */
  slotOf(epoch: EpochId): number | undefined;
  /** What goes to a member is sealed under other keys. */
  pairsChanged(member: MemberId, epoch: EpochId): void;
}

/** Keys of workers, each under one of their salts. */
type WorkerKeys = ReadonlyMap<number, { readonly key: Uint8Array; readonly salt: number }>;

/** See the file's head. */
export class VlanKeys {
  readonly #parts: VlanKeysParts;

  constructor(parts: VlanKeysParts) {
    this.#parts = parts;
  }

  /** A worker seals under a salt from now. */
  useSalt(effect: UseSalt): void {
    const { salts, txKeys, epochs, workerCount } = this.#parts;
    const salt = salts.find(effect.salt);
    const slot = salt === undefined ? undefined : this.#parts.slotOf(salt.epoch);
    if (salt === undefined || slot === undefined) {
      return;
    }
    const keyed = (key: Uint8Array): WorkerKeys => new Map([[salt.worker, { key, salt: salt.slot }]]);
    for (const { member, key } of effect.pairKeys) {
      this.#put(member, salt.epoch, keyed(key));
    }
    const first = txKeys.put(GROUP, salt.epoch, keyed(effect.groupKey));
    for (let worker = 0; worker < workerCount; worker++) {
      epochs.setGroupKey(slot, worker, first === undefined ? NONE : first + worker);
    }
  }

  /** A member is there: keys to it under each salt in use. */
  addPairs(member: MemberId, keys: AddPairKeys['keys']): void {
    const byEpoch = new Map<EpochId, Map<number, { key: Uint8Array; salt: number }>>();
    for (const { salt: id, key } of keys) {
      const salt = this.#parts.salts.find(id);
      if (salt !== undefined) {
        const workers = byEpoch.get(salt.epoch) ?? new Map<number, { key: Uint8Array; salt: number }>();
        workers.set(salt.worker, { key, salt: salt.slot });
        byEpoch.set(salt.epoch, workers);
      }
    }
    for (const [epoch, workers] of byEpoch) {
      this.#put(member, epoch, workers);
    }
  }

  #put(member: MemberId, epoch: EpochId, keys: WorkerKeys): void {
    this.#parts.txKeys.put(member, epoch, keys);
    this.#parts.pairsChanged(member, epoch);
  }
}

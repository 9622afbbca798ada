/**
 * VLANs, their epochs, and the sets of trunks that they are flooded to, as workers see them.
 *
 * Main thread only.
 */
import { Epoch, ForwardSet, LIMIT, NONE, Vlan } from '../../dataplane/shm/layout.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import type { Quiescence } from './quiescence.ts';
import { SlotPool } from './slot-pool.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

const LIVE = 1;
const MASK_KEY_BYTES = 32;

/** What an epoch slot holds at first. */
export interface InstalledEpoch {
  readonly vlan: number;
  readonly cipher: number;
  /** 16 bytes. */
  readonly segment: Uint8Array;
  /** 32 bytes. */
  readonly maskKey: Uint8Array;
  /** Of the current period, 16 bytes each. */
  readonly broadcastToken: Uint8Array;
  readonly controlToken: Uint8Array;
}

/** The writer of VLAN slots. */
export class VlanTable {
  readonly #writer: SlotWriter;
  readonly #pool: SlotPool;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#writer = new SlotWriter(tables, placeOf('vlans', Vlan));
    this.#pool = new SlotPool(quiescence, { first: 0, count: LIMIT.vlans });
  }

  /** @returns the slot of a VLAN without epoch and trunks, or undefined when the table is full */
  add(mtuBytes: number): number | undefined {
    const slot = this.#pool.take();
    if (slot !== undefined) {
      this.#writer.write(slot, (fields) => {
        fields.setU32(Vlan.at.mtuBytes, mtuBytes);
        fields.setU32(Vlan.at.txEpoch, NONE);
        fields.setU32(Vlan.at.floodSet, NONE);
        fields.setU32(Vlan.at.state, LIVE);
      });
    }
    return slot;
  }

  setMtu(slot: number, mtuBytes: number): void {
    this.#set(slot, Vlan.at.mtuBytes, mtuBytes);
  }

  setTxEpoch(slot: number, epoch: number): void {
    this.#set(slot, Vlan.at.txEpoch, epoch);
  }

  setFloodSet(slot: number, set: number): void {
    this.#set(slot, Vlan.at.floodSet, set);
  }

  remove(slot: number): void {
    this.#set(slot, Vlan.at.state, 0);
    this.#pool.release(slot);
  }

  #set(slot: number, at: number, value: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(at, value);
    });
  }
}

/** The writer of epoch slots. */
export class EpochTable {
  readonly #writer: SlotWriter;
  readonly #pool: SlotPool;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#writer = new SlotWriter(tables, placeOf('epochs', Epoch));
    this.#pool = new SlotPool(quiescence, { first: 0, count: LIMIT.epochs });
  }

  /** @returns the slot of an epoch without group keys, or undefined when the table is full */
  add(epoch: InstalledEpoch): number | undefined {
    const slot = this.#pool.take();
    if (slot !== undefined) {
      this.#writer.write(slot, (fields) => {
        fields.setU32(Epoch.at.vlan, epoch.vlan);
        fields.setU32(Epoch.at.cipher, epoch.cipher);
        fields.setBytes(Epoch.at.segment, epoch.segment);
        fields.setBytes(Epoch.at.maskKey, epoch.maskKey);
        fields.setBytes(Epoch.at.broadcastToken, epoch.broadcastToken);
        fields.setBytes(Epoch.at.controlToken, epoch.controlToken);
        for (let worker = 0; worker < LIMIT.workers; worker++) {
          fields.setU32(Epoch.at.groupKeys + worker * 4, NONE);
        }
        fields.setU32(Epoch.at.state, LIVE);
      });
    }
    return slot;
  }

  /** Tokens to send under from now: a new period has begun. */
  setTokens(slot: number, tokens: Pick<InstalledEpoch, 'broadcastToken' | 'controlToken'>): void {
    this.#writer.write(slot, (fields) => {
      fields.setBytes(Epoch.at.broadcastToken, tokens.broadcastToken);
      fields.setBytes(Epoch.at.controlToken, tokens.controlToken);
    });
  }

  /** The frame key under which a worker seals for the group, or NONE. */
  setGroupKey(slot: number, worker: number, key: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(Epoch.at.groupKeys + worker * 4, key);
    });
  }

  remove(slot: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(Epoch.at.state, 0);
    });
    this.#pool.release(slot, (free) => {
      this.#writer.write(free, (fields) => {
        fields.clearBytes(Epoch.at.maskKey, MASK_KEY_BYTES);
      });
    });
  }
}

/** The writer of forwarding sets. A set that workers can see is never changed: a new one takes its place. */
export class SetTable {
  readonly #writer: SlotWriter;
  readonly #pool: SlotPool;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#writer = new SlotWriter(tables, placeOf('sets', ForwardSet));
    this.#pool = new SlotPool(quiescence, { first: 0, count: LIMIT.sets });
  }

  /**
   * @param trunks - trunk slots; those beyond LIMIT.setTrunks are left out
   * @returns the slot, or undefined when the table is full
   */
  add(trunks: readonly number[]): number | undefined {
    const slot = this.#pool.take();
    if (slot !== undefined) {
      const kept = trunks.slice(0, LIMIT.setTrunks);
      this.#writer.write(slot, (fields) => {
        fields.setU32(ForwardSet.at.count, kept.length);
        for (const [index, trunk] of kept.entries()) {
          fields.setU16(ForwardSet.at.trunks + index * 2, trunk);
        }
      });
    }
    return slot;
  }

  remove(slot: number): void {
    this.#pool.release(slot);
  }
}

/**
 * VLANs, their epochs, and the sets of trunks that they are flooded to, as workers see them.
 *
 * Main thread only.
 */
import { Epoch, ForwardSet, LIMIT, NONE, VLAN_HOSTS_MOVE, Vlan } from '../../dataplane/shm/layout.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import type { Quiescence } from './quiescence.ts';
import { SlotPool } from './slot-pool.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

const LIVE = 1;
const KEY_BYTES = 32;

/** What an epoch slot holds at first. */
export interface InstalledEpoch {
  readonly vlan: number;
  readonly cipher: number;
  /** 16 bytes. */
  readonly segment: Uint8Array;
  /** K_token, 32 bytes. */
  readonly tokenKey: Uint8Array;
  /** 32 bytes. */
  readonly maskKey: Uint8Array;
  /** Token period to send under. */
  readonly period: number;
}

/** The writer of VLAN slots. What changes later is one word each: no frame meets a slot that is being written. */
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
        fields.setU32(Vlan.at.flags, 0);
        fields.setU32(Vlan.at.state, LIVE);
      });
    }
    return slot;
  }

  setMtu(slot: number, mtuBytes: number): void {
    this.#writer.set(slot, Vlan.at.mtuBytes, mtuBytes);
  }

  setTxEpoch(slot: number, epoch: number): void {
    this.#writer.set(slot, Vlan.at.txEpoch, epoch);
  }

  setFloodSet(slot: number, set: number): void {
    this.#writer.set(slot, Vlan.at.floodSet, set);
  }

  /** Whether frames of a station that another member holds are let through: its hosts may move. */
  setHostsMove(slot: number, hostsMove: boolean): void {
    this.#writer.set(slot, Vlan.at.flags, hostsMove ? VLAN_HOSTS_MOVE : 0);
  }

  remove(slot: number): void {
    this.#writer.set(slot, Vlan.at.state, 0);
    this.#pool.release(slot);
  }
}

/** The writer of epoch slots. */
export class EpochTable {
  readonly #writer: SlotWriter;
  readonly #pool: SlotPool;
  #serial = 0;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#writer = new SlotWriter(tables, placeOf('epochs', Epoch));
    this.#pool = new SlotPool(quiescence, { first: 0, count: LIMIT.epochs });
  }

  /** @returns the slot of an epoch without group keys, or undefined when the table is full */
  add(epoch: InstalledEpoch): number | undefined {
    const slot = this.#pool.take();
    if (slot !== undefined) {
      this.#serial = (this.#serial + 1) >>> 0 || 1;
      this.#writer.write(slot, (fields) => {
        fields.setU32(Epoch.at.vlan, epoch.vlan);
        fields.setU32(Epoch.at.cipher, epoch.cipher);
        fields.setBytes(Epoch.at.segment, epoch.segment);
        fields.setBytes(Epoch.at.tokenKey, epoch.tokenKey);
        fields.setBytes(Epoch.at.maskKey, epoch.maskKey);
        fields.setU32(Epoch.at.period, epoch.period);
        fields.setU32(Epoch.at.serial, this.#serial);
        for (let worker = 0; worker < LIMIT.workers; worker++) {
          fields.setU32(Epoch.at.groupKeys + worker * 4, NONE);
        }
        fields.setU32(Epoch.at.state, LIVE);
      });
    }
    return slot;
  }

  /** Token period to send under from now. Workers derive its tokens when they need them. */
  setPeriod(slot: number, period: number): void {
    this.#writer.set(slot, Epoch.at.period, period);
  }

  /** The frame key under which a worker seals for the group, or NONE. */
  setGroupKey(slot: number, worker: number, key: number): void {
    this.#writer.set(slot, Epoch.at.groupKeys + worker * 4, key);
  }

  remove(slot: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(Epoch.at.state, 0);
    });
    this.#pool.release(slot, (free) => {
      this.#writer.write(free, (fields) => {
        fields.clearBytes(Epoch.at.tokenKey, KEY_BYTES);
        fields.clearBytes(Epoch.at.maskKey, KEY_BYTES);
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

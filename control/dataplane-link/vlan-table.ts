/**
 * VLANs and their epochs, as workers see them.
 *
 * Main thread only.
 */
import {
  Epoch,
  INITIAL_HOPS,
  LIMIT,
  NONE,
  PATH_MIN_BYTES,
  VLAN_HOSTS_MOVE,
  VLAN_SNOOP,
  Vlan,
} from '../../dataplane/shm/layout.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import type { Quiescence } from './quiescence.ts';
import { SlotPool } from './slot-pool.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

const LIVE = 1;
const KEY_BYTES = 32;

/** Where a VLAN's flooded frames go. */
export interface FloodWay {
  /** Slot of a set, or NONE: to nobody. */
  readonly set: number;
  /** 1: the set's trunks are those of all members, and nobody passes it on. */
  readonly hops: number;
  /** Largest link datagram on the way to all members; 0: as large as the set's trunks take. */
  readonly pathBytes: number;
}

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
        fields.setU32(Vlan.at.floodHops, INITIAL_HOPS);
        fields.setU32(Vlan.at.floodPathBytes, 0);
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

  /** Floods along the tree, as far as the set's trunks take. */
  setFloodSet(slot: number, set: number): void {
    this.setFlood(slot, { set, hops: INITIAL_HOPS, pathBytes: 0 });
  }

  /** Word by word, and in such an order that no frame goes to a set of tree neighbours with the one hop of a full mesh. */
  setFlood(slot: number, way: FloodWay): void {
    const pathBytes = way.pathBytes === 0 ? 0 : Math.max(way.pathBytes, PATH_MIN_BYTES);
    this.#writer.set(slot, Vlan.at.floodPathBytes, pathBytes);
    const words = [
      [Vlan.at.floodSet, way.set],
      [Vlan.at.floodHops, way.hops],
    ] as const;
    const grows = way.hops > this.#writer.read(slot).u32(Vlan.at.floodHops);
    for (const [at, value] of grows ? words.toReversed() : words) {
      this.#writer.set(slot, at, value);
    }
  }

  /** Whether frames of a station that another member holds are let through: its hosts may move. */
  setHostsMove(slot: number, hostsMove: boolean): void {
    this.#setFlag(slot, VLAN_HOSTS_MOVE, hostsMove);
  }

  /** Whether multicast goes only to those who want it, and IGMP, MLD and PIM from the TAP are told to the main thread. */
  setSnooping(slot: number, snoops: boolean): void {
    this.#setFlag(slot, VLAN_SNOOP, snoops);
  }

  remove(slot: number): void {
    this.#writer.set(slot, Vlan.at.state, 0);
    this.#pool.release(slot);
  }

  #setFlag(slot: number, flag: number, isSet: boolean): void {
    const flags = this.#writer.read(slot).u32(Vlan.at.flags);
    this.#writer.set(slot, Vlan.at.flags, isSet ? flags | flag : flags & ~flag);
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

/**
 * Frame keys and salts, as workers seal and open with them.
 *
 *   frame keys   0 … 16,383 for receiving, one by one │ the rest for sending, in runs of one a worker
 *
 * A key that workers can see is never changed in place: a worker may have drawn a counter for the old key and
 * seal with the new one, and the new salt would give out that counter again. A fresh slot takes its place.
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Sealed frame" and "Shared tables"
 */
import { FrameKey, LIMIT, NONE, Salt } from '../../dataplane/shm/layout.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import type { Quiescence } from './quiescence.ts';
import { senderWords } from './sender-table.ts';
import { SlotPool } from './slot-pool.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

const RX_KEYS = 16_384;
const KEY_BYTES = 32;

/** A key of ours under a salt of ours. */
export interface TxKey {
  readonly key: Uint8Array;
  /** Salt slot. */
  readonly salt: number;
}

/** The writer of frame keys. */
export class FrameKeyTable {
  readonly #writer: SlotWriter;
  readonly #rx: SlotPool;
  readonly #tx: SlotPool;
  readonly #runLength: number;
  #serial = 0;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#writer = new SlotWriter(tables, placeOf('frameKeys', FrameKey));
    this.#runLength = tables.workerCount;
    this.#rx = new SlotPool(quiescence, { first: 0, count: RX_KEYS });
    this.#tx = new SlotPool(quiescence, {
      first: RX_KEYS,
      count: LIMIT.frameKeys - RX_KEYS,
      runLength: this.#runLength,
    });
  }

  /** @returns the slot of a key to open with, or undefined when the table is full */
  addRx(key: Uint8Array, cipher: number): number | undefined {
    const slot = this.#rx.take();
    if (slot !== undefined) {
      this.#fill(slot, { key, salt: NONE }, cipher);
    }
    return slot;
  }

  removeRx(slot: number): void {
    this.#clear(slot);
    this.#rx.release(slot, (free) => {
      this.#wipe(free);
    });
  }

  /**
   * Puts a run of sending keys into the table, one a worker; workers without a key get none.
   *
   * @returns the first slot of the run, or undefined when the table is full
   */
  addTx(keys: readonly (TxKey | undefined)[], cipher: number): number | undefined {
    const first = this.#tx.take();
    if (first === undefined) {
      return undefined;
    }
    for (let worker = 0; worker < this.#runLength; worker++) {
      const key = keys[worker];
      if (key !== undefined) {
        this.#fill(first + worker, key, cipher);
      }
    }
    return first;
  }

  removeTx(first: number): void {
    // They stay usable until no worker can have picked them: a frame under way is not lost.
    this.#tx.release(first, (free) => {
      for (let worker = 0; worker < this.#runLength; worker++) {
        this.#clear(free + worker);
        this.#wipe(free + worker);
      }
    });
  }

  #fill(slot: number, key: TxKey, cipher: number): void {
    this.#serial = (this.#serial + 1) >>> 0;
    this.#writer.write(slot, (fields) => {
      fields.setU32(FrameKey.at.cipher, cipher);
      fields.setU32(FrameKey.at.salt, key.salt);
      fields.setU32(FrameKey.at.keySerial, this.#serial);
      fields.setBytes(FrameKey.at.key, key.key);
      fields.setU32(FrameKey.at.state, 1);
    });
  }

  #clear(slot: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(FrameKey.at.state, 0);
    });
  }

  #wipe(slot: number): void {
    this.#writer.write(slot, (fields) => {
      fields.clearBytes(FrameKey.at.key, KEY_BYTES);
    });
  }
}

/** The writer of salts. */
export class SaltTable {
  readonly #writer: SlotWriter;
  readonly #pool: SlotPool;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#writer = new SlotWriter(tables, placeOf('salts', Salt));
    this.#pool = new SlotPool(quiescence, { first: 0, count: LIMIT.salts });
  }

  /** @returns the slot of a new salt, its counter at 0, or undefined when the table is full */
  add(salt: {
    readonly worker: number;
    readonly leaf: number;
    readonly value: Uint8Array;
  }): number | undefined {
    const slot = this.#pool.take();
    if (slot !== undefined) {
      const words = senderWords({ leaf: salt.leaf, lane: salt.worker, salt: salt.value });
      this.#writer.write(slot, (fields) => {
        fields.setU32(Salt.at.worker, salt.worker);
        fields.setU32(Salt.at.leafLane, words.leafLane);
        fields.setU32(Salt.at.saltLow, words.saltLow);
        fields.setU32(Salt.at.saltHigh, words.saltHigh);
        fields.setU32(Salt.at.counter, 0);
        fields.setU32(Salt.at.state, 1);
      });
    }
    return slot;
  }

  /** The next frame's counter. */
  counter(slot: number): number {
    return this.#writer.read(slot).u32(Salt.at.counter);
  }

  remove(slot: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(Salt.at.state, 0);
    });
    this.#pool.release(slot);
  }
}

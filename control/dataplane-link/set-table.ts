/**
 * Sets of trunks, as workers send to them. Equal sets share a slot, since many tokens go the same way.
 *
 * Main thread only.
 */
import { ForwardSet, LIMIT } from '../../dataplane/shm/layout.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import type { Quiescence } from './quiescence.ts';
import { SlotPool } from './slot-pool.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

interface SharedSet {
  readonly slot: number;
  readonly key: string;
  users: number;
}

/** The writer of forwarding sets. A set that workers can see is never changed: another one takes its place. */
export class SetTable {
  readonly #writer: SlotWriter;
  readonly #pool: SlotPool;
  readonly #byKey = new Map<string, SharedSet>();
  readonly #bySlot = new Map<number, SharedSet>();

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#writer = new SlotWriter(tables, placeOf('sets', ForwardSet));
    this.#pool = new SlotPool(quiescence, { first: 0, count: LIMIT.sets });
  }

  /** Sets in use. */
  get live(): number {
    return this.#bySlot.size;
  }

  /**
   * A set of these trunks, to be released once for each time that it was asked for.
   *
   * @param trunks - trunk slots in any order; those beyond LIMIT.setTrunks are left out
   * @returns the slot, or undefined when the table is full
   */
  intern(trunks: Iterable<number>): number | undefined {
    const members = [...new Set(trunks)].sort((a, b) => a - b).slice(0, LIMIT.setTrunks);
    const key = members.join();
    const present = this.#byKey.get(key);
    if (present !== undefined) {
      present.users++;
      return present.slot;
    }
    const slot = this.#pool.take();
    if (slot !== undefined) {
      this.#write(slot, members);
      const set = { slot, key, users: 1 };
      this.#byKey.set(key, set);
      this.#bySlot.set(slot, set);
    }
    return slot;
  }

  /** One of those who asked for it no longer needs it. */
  release(slot: number): void {
    const set = this.#bySlot.get(slot);
    if (set === undefined || --set.users > 0) {
      return;
    }
    this.#bySlot.delete(slot);
    this.#byKey.delete(set.key);
    this.#pool.release(slot);
  }

  #write(slot: number, members: readonly number[]): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(ForwardSet.at.count, members.length);
      for (const [index, trunk] of members.entries()) {
        fields.setU16(ForwardSet.at.trunks + index * 2, trunk);
      }
    });
  }
}

/**
 * Inserts into and deletes from the tables that workers search by hash: stations, tokens, senders.
 *
 *   slot = hash & mask, then the next ones, LIMIT.probes at most; a deleted slot is passed, an empty one ends
 *
 * A deleted slot is used again only after quiescence; when what follows it is empty, it becomes empty itself,
 * so that deletions do not make searches long.
 *
 * Main thread only. Must mirror the searches of dataplane/shm/tables.ts.
 */
import { LIMIT, SLOT_DELETED, SLOT_EMPTY, SLOT_LIVE } from '../../dataplane/shm/layout.ts';
import type { Quiescence } from './quiescence.ts';
import type { SlotFields, SlotWriter } from './slot-writer.ts';

/** A table that is searched by hash. */
export class HashedTable {
  readonly #writer: SlotWriter;
  readonly #quiescence: Quiescence;
  readonly #mask: number;
  readonly #stateAt: number;
  readonly #maxLive: number;
  /** Deleted slots that a worker may still be reading. */
  readonly #resting = new Set<number>();
  #live = 0;

  /**
   * @param options - capacity: slots, a power of two; stateAt: byte offset of `state`; maxLive: entries at most
   */
  constructor(
    writer: SlotWriter,
    quiescence: Quiescence,
    options: { readonly capacity: number; readonly stateAt: number; readonly maxLive: number },
  ) {
    this.#writer = writer;
    this.#quiescence = quiescence;
    this.#mask = options.capacity - 1;
    this.#stateAt = options.stateAt;
    this.#maxLive = options.maxLive;
  }

  /** Entries in the table. */
  get live(): number {
    return this.#live;
  }

  /**
   * Inserts an entry that is not there yet.
   *
   * @param hash - as the searches compute it
   * @param fill - writes the entry; the state is set here
   * @returns its slot, or undefined when the table, or this stretch of it, is full
   */
  insert(hash: number, fill: (fields: SlotFields, slot: number) => void): number | undefined {
    if (this.#live >= this.#maxLive) {
      return undefined;
    }
    for (let probe = 0; probe < LIMIT.probes; probe++) {
      const slot = ((hash & this.#mask) + probe) & this.#mask;
      if (this.#state(slot) === SLOT_LIVE || this.#resting.has(slot)) {
        continue;
      }
      this.#writer.write(slot, (fields) => {
        fill(fields, slot);
        fields.setU32(this.#stateAt, SLOT_LIVE);
      });
      this.#live++;
      return slot;
    }
    return undefined;
  }

  /** Deletes an entry. */
  delete(slot: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(this.#stateAt, SLOT_DELETED);
    });
    this.#live--;
    this.#resting.add(slot);
    this.#quiescence.retire(() => {
      this.#resting.delete(slot);
      this.#emptyBackwards(slot);
    });
  }

  /** A deleted slot before an empty one ends no search early if it is empty too; so on backwards. */
  #emptyBackwards(from: number): void {
    let slot = from;
    while (
      this.#state(slot) === SLOT_DELETED &&
      !this.#resting.has(slot) &&
      this.#state((slot + 1) & this.#mask) === SLOT_EMPTY
    ) {
      this.#writer.write(slot, (fields) => {
        fields.setU32(this.#stateAt, SLOT_EMPTY);
      });
      slot = (slot - 1) & this.#mask;
    }
  }

  #state(slot: number): number {
    return this.#writer.read(slot).u32(this.#stateAt);
  }
}

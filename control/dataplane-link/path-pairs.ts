/**
 * Sets of two trunks, by which a member is sent to twice. Each pair has one set for as long as a way by it is in use.
 *
 * Main thread only.
 */
import type { SetTable } from './set-table.ts';

/** See the file's head. */
export class PathPairs {
  readonly #sets: Pick<SetTable, 'intern' | 'release'>;
  readonly #slots = new Map<string, number>();

  constructor(sets: Pick<SetTable, 'intern' | 'release'>) {
    this.#sets = sets;
  }

  /** The set of two trunks; undefined when the table has no room. */
  of(one: number, other: number): number | undefined {
    const key = one < other ? `${one},${other}` : `${other},${one}`;
    const slot = this.#slots.get(key) ?? this.#sets.intern([one, other]);
    if (slot !== undefined) {
      this.#slots.set(key, slot);
    }
    return slot;
  }

  /** Gives back the sets that no station has any more. @param used - slots */
  keepOnly(used: ReadonlySet<number>): void {
    for (const [key, slot] of this.#slots) {
      if (!used.has(slot)) {
        this.#slots.delete(key);
        this.#sets.release(slot);
      }
    }
  }
}

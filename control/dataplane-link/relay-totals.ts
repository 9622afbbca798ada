/**
 * Adds up what workers count in 32 bits that wrap: the differences since the last look.
 *
 * Main thread only. Must be read before a count can wrap twice: at ten gigabytes a second, twice a second.
 */
import type { SlotWriter } from './slot-writer.ts';

/** What was passed on, a copy each; and what was not, by quota or fairness. */
export interface RelayTotals {
  readonly datagrams: number;
  readonly bytes: number;
  /** Datagrams. */
  readonly refused: number;
}

interface Count {
  last: number;
  total: number;
}

/** The counts of one table's slots. */
export class WrappingCounts {
  readonly #writer: SlotWriter;
  readonly #fields: readonly number[];
  readonly #slots = new Map<number, readonly Count[]>();

  /** @param fields - byte offsets in a slot */
  constructor(writer: SlotWriter, fields: readonly number[]) {
    this.#writer = writer;
    this.#fields = fields;
  }

  /** A slot's counts start from what they are now. */
  begin(slot: number): void {
    const fields = this.#writer.read(slot);
    this.#slots.set(
      slot,
      this.#fields.map((at) => ({ last: fields.u32(at), total: 0 })),
    );
  }

  /** The totals since `begin`, in the order of the fields; empty for a slot that was not begun. */
  read(slot: number): readonly number[] {
    const fields = this.#writer.read(slot);
    return (this.#slots.get(slot) ?? []).map((count, index) => {
      const now = fields.u32(this.#fields[index] ?? 0);
      count.total += (now - count.last) >>> 0;
      count.last = now;
      return count.total;
    });
  }

  end(slot: number): void {
    this.#slots.delete(slot);
  }
}

/**
 * Segments, as workers see them: which ports forward, whether quotas hold, and what was relayed in each.
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Tokens"
 */
import { LIMIT, NONE, SEGMENT_FOREIGN, Segment } from '../../dataplane/shm/layout.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import type { Quiescence } from './quiescence.ts';
import { type RelayTotals, WrappingCounts } from './relay-totals.ts';
import { SlotPool } from './slot-pool.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

const LIVE = 1;
const FREE = 0;
const COUNTS = [Segment.at.relayedDatagrams, Segment.at.relayedBytes, Segment.at.refusedDatagrams] as const;

/** The segment table's writer. */
export class SegmentTable {
  readonly #writer: SlotWriter;
  readonly #pool: SlotPool;
  readonly #counts: WrappingCounts;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#writer = new SlotWriter(tables, placeOf('segments', Segment));
    this.#pool = new SlotPool(quiescence, { first: 0, count: LIMIT.segments });
    this.#counts = new WrappingCounts(this.#writer, COUNTS);
  }

  /**
   * @param options - ports: set slot of its forwarding ports, or NONE; foreign: relaying in it is under quotas
   * @returns its slot, or undefined when the table is full
   */
  add(options: { readonly ports: number; readonly foreign: boolean }): number | undefined {
    const slot = this.#pool.take();
    if (slot !== undefined) {
      this.#writer.write(slot, (fields) => {
        fields.setU32(Segment.at.ports, options.ports);
        fields.setU32(Segment.at.flags, options.foreign ? SEGMENT_FOREIGN : 0);
        for (const at of COUNTS) {
          fields.setU32(at, 0);
        }
        fields.setU32(Segment.at.state, LIVE);
      });
      this.#counts.begin(slot);
    }
    return slot;
  }

  /** From now its forwarding ports are those of another set, or none (NONE). */
  setPorts(slot: number, ports: number): void {
    this.#writer.set(slot, Segment.at.ports, ports);
  }

  /** Whether it is carried for others only: a node may become a member of what it relays. */
  setForeign(slot: number, foreign: boolean): void {
    this.#writer.set(slot, Segment.at.flags, foreign ? SEGMENT_FOREIGN : 0);
  }

  /** What was relayed in it since it was added; to be asked for a few times a second, since workers' counts wrap. */
  totals(slot: number): RelayTotals {
    const [datagrams = 0, bytes = 0, refused = 0] = this.#counts.read(slot);
    return { datagrams, bytes, refused };
  }

  /** No token names it any more. */
  remove(slot: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(Segment.at.state, FREE);
      fields.setU32(Segment.at.ports, NONE);
    });
    this.#counts.end(slot);
    this.#pool.release(slot);
  }
}

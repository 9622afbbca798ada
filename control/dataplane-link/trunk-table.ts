/**
 * Trunks, as workers choose a lane of them.
 *
 * Main thread only.
 */
import {
  CARRIER_NONE,
  CARRIER_STREAM,
  CARRIER_UDP,
  LIMIT,
  NONE,
  TablesHeader,
  Trunk,
} from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import type { Carrier } from '../trunk/trunk-port.ts';
import type { Quiescence } from './quiescence.ts';
import { type CreditPlace, RelayCredits, type RelayRate } from './relay-credits.ts';
import { type RelayTotals, WrappingCounts } from './relay-totals.ts';
import { SlotPool } from './slot-pool.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

/** CARRIER_* of a carrier's name. */
export function carrierNumber(carrier: Carrier | undefined): number {
  if (carrier === undefined) {
    return CARRIER_NONE;
  }
  return carrier === 'udp' ? CARRIER_UDP : CARRIER_STREAM;
}

const COUNTS = [
  Trunk.at.relayedDatagrams,
  Trunk.at.relayedBytes,
  Trunk.at.refusedDatagrams,
  Trunk.at.copies,
] as const;

/** What was relayed of a trunk's datagrams. */
export interface TrunkTotals extends RelayTotals {
  /** Datagrams that had come before by another way. */
  readonly copies: number;
}

/** The trunk table's writer. */
export class TrunkTable {
  readonly #tables: Tables;
  readonly #writer: SlotWriter;
  readonly #pool: SlotPool;
  readonly #counts: WrappingCounts;
  /** Those of the trunks that are limited. */
  readonly #credits = new Map<number, RelayCredits>();
  readonly #totalCredits: RelayCredits;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#tables = tables;
    this.#writer = new SlotWriter(tables, placeOf('trunks', Trunk));
    this.#counts = new WrappingCounts(this.#writer, COUNTS);
    this.#totalCredits = new RelayCredits(tables, {
      flags: TABLE.header + TablesHeader.at.relayFlags,
      datagrams: TABLE.header + TablesHeader.at.relayDatagramCredits,
      bytes: TABLE.header + TablesHeader.at.relayByteCredits,
    });
    this.#pool = new SlotPool(quiescence, { first: 0, count: LIMIT.trunks });
  }

  /** @returns the slot of a trunk without a carrier, or undefined when the table is full */
  add(): number | undefined {
    const slot = this.#pool.take();
    if (slot !== undefined) {
      this.#writer.write(slot, (fields) => {
        fields.setU32(Trunk.at.datagramMtuBytes, 0);
        fields.setU32(Trunk.at.carrier, CARRIER_NONE);
        fields.setU32(Trunk.at.laneCount, 0);
        for (let lane = 0; lane < LIMIT.lanesPerTrunk; lane++) {
          fields.setU32(Trunk.at.lanes + lane * 4, NONE);
        }
        fields.setU32(Trunk.at.relayFlags, 0);
        for (const at of COUNTS) {
          fields.setU32(at, 0);
        }
        fields.setU32(Trunk.at.state, 1);
      });
      this.#counts.begin(slot);
    }
    return slot;
  }

  setCarrier(slot: number, carrier: Carrier | undefined, datagramMtuBytes: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(Trunk.at.carrier, carrierNumber(carrier));
      // Without a carrier the trunk takes no datagram: workers drop frames to it and count them.
      fields.setU32(Trunk.at.datagramMtuBytes, carrier === undefined ? 0 : datagramMtuBytes);
    });
  }

  /** Lane slots to send on, by lane number; undefined where there is none. */
  setLanes(slot: number, lanes: readonly (number | undefined)[]): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(Trunk.at.laneCount, Math.min(lanes.length, LIMIT.lanesPerTrunk));
      for (let lane = 0; lane < LIMIT.lanesPerTrunk; lane++) {
        fields.setU32(Trunk.at.lanes + lane * 4, lanes[lane] ?? NONE);
      }
    });
  }

  /** What may be relayed of this trunk's datagrams in foreign segments; undefined: no limit. */
  limitRelay(slot: number, rate: RelayRate | undefined): void {
    const credits = this.#credits.get(slot) ?? new RelayCredits(this.#tables, this.#creditPlace(slot));
    credits.setRate(rate);
    if (rate === undefined) {
      this.#credits.delete(slot);
    } else {
      this.#credits.set(slot, credits);
    }
  }

  /** What may be relayed in foreign segments of all trunks together. */
  limitAllRelay(rate: RelayRate | undefined): void {
    this.#totalCredits.setRate(rate);
  }

  /** Gives what limited trunks have earned; call it about ten times a second. */
  refillRelay(elapsedMs: number): void {
    this.#totalCredits.refill(elapsedMs);
    for (const credits of this.#credits.values()) {
      credits.refill(elapsedMs);
    }
  }

  /** What was relayed since it was added; to be asked for a few times a second, since workers' counts wrap. */
  totals(slot: number): TrunkTotals {
    const [datagrams = 0, bytes = 0, refused = 0, copies = 0] = this.#counts.read(slot);
    return { datagrams, bytes, refused, copies };
  }

  remove(slot: number): void {
    this.limitRelay(slot, undefined);
    this.#writer.write(slot, (fields) => {
      fields.setU32(Trunk.at.state, 0);
    });
    this.#counts.end(slot);
    this.#pool.release(slot);
  }

  #creditPlace(slot: number): CreditPlace {
    const at = this.#writer.offset(slot);
    return {
      flags: at + Trunk.at.relayFlags,
      datagrams: at + Trunk.at.relayDatagramCredits,
      bytes: at + Trunk.at.relayByteCredits,
    };
  }
}

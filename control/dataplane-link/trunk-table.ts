/**
 * Trunks, as workers choose a lane of them.
 *
 * Main thread only.
 */
import { CARRIER_NONE, CARRIER_STREAM, CARRIER_UDP, LIMIT, NONE, Trunk } from '../../dataplane/shm/layout.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import type { Carrier } from '../trunk/trunk-port.ts';
import type { Quiescence } from './quiescence.ts';
import { SlotPool } from './slot-pool.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

/** CARRIER_* of a carrier's name. */
export function carrierNumber(carrier: Carrier | undefined): number {
  if (carrier === undefined) {
    return CARRIER_NONE;
  }
  return carrier === 'udp' ? CARRIER_UDP : CARRIER_STREAM;
}

/** The trunk table's writer. */
export class TrunkTable {
  readonly #writer: SlotWriter;
  readonly #pool: SlotPool;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#writer = new SlotWriter(tables, placeOf('trunks', Trunk));
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
        fields.setU32(Trunk.at.state, 1);
      });
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

  remove(slot: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(Trunk.at.state, 0);
    });
    this.#pool.release(slot);
  }
}

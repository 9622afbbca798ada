/**
 * The stations of all VLANs, here and behind members, as workers look them up.
 *
 * Main thread only.
 */
import {
  LIMIT,
  NONE,
  STATION_ENFORCED,
  STATION_LOCAL,
  STATION_REMOTE,
  Station,
} from '../../dataplane/shm/layout.ts';
import { tableHash } from '../../dataplane/shm/table-hash.ts';
import { findStation, type Tables } from '../../dataplane/shm/tables.ts';
import { HashedTable } from './hashed-table.ts';
import type { Quiescence } from './quiescence.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

/** How to reach a station behind a member; workers derive its token. */
export interface RemoteRoute {
  /** Trunk slot, or NONE. */
  readonly trunk: number;
  /** First of the member's pairwise frame keys, one a worker, or NONE. */
  readonly pairKeys: number;
  /** Slot of the epoch of token and keys; it may be another than the VLAN seals its floods under. */
  readonly epoch: number;
  readonly member: number;
}

/** The station table's writer. */
export class StationTable {
  readonly #tables: Tables;
  readonly #writer: SlotWriter;
  readonly #hashed: HashedTable;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#tables = tables;
    this.#writer = new SlotWriter(tables, placeOf('stations', Station));
    this.#hashed = new HashedTable(this.#writer, quiescence, {
      capacity: LIMIT.stations,
      stateAt: Station.at.state,
      maxLive: LIMIT.stations / 2,
    });
  }

  /** Stations in the table. */
  get live(): number {
    return this.#hashed.live;
  }

  /** @returns whether there was room */
  setLocal(
    vlan: number,
    mac: Uint8Array,
    options: { readonly enforced: boolean; readonly nowMs: number },
  ): boolean {
    return this.#put(vlan, mac, (fields) => {
      const wasLocal = (fields.u32(Station.at.flags) & STATION_LOCAL) !== 0;
      fields.setU32(Station.at.flags, STATION_LOCAL | (options.enforced ? STATION_ENFORCED : 0));
      fields.setU32(Station.at.trunk, NONE);
      fields.setU32(Station.at.route, NONE);
      fields.setU32(Station.at.member, 0);
      if (!wasLocal) {
        fields.setU32(Station.at.lastSeenMs, options.nowMs);
      }
    });
  }

  /**
   * A station that stays with its member changes word by word: frames to it go the old way or the new one, and none
   * meets a slot that is being written.
   *
   * @returns whether there was room
   */
  setRemote(vlan: number, mac: Uint8Array, route: RemoteRoute): boolean {
    const present = this.#find(vlan, mac);
    if (present !== NONE) {
      const fields = this.#writer.read(present);
      if (fields.u32(Station.at.flags) === STATION_REMOTE && fields.u32(Station.at.member) === route.member) {
        fields.setU32(Station.at.trunk, route.trunk);
        fields.setU32(Station.at.route, routeWord(route));
        return true;
      }
    }
    return this.#put(vlan, mac, (fields) => {
      fields.setU32(Station.at.flags, STATION_REMOTE);
      fields.setU32(Station.at.trunk, route.trunk);
      fields.setU32(Station.at.route, routeWord(route));
      fields.setU32(Station.at.member, route.member);
    });
  }

  remove(vlan: number, mac: Uint8Array): void {
    const slot = this.#find(vlan, mac);
    if (slot !== NONE) {
      this.#hashed.delete(slot);
    }
  }

  /** When a frame from a local station last came, on the workers' clock (milliseconds modulo 2^32). */
  lastSeenMs(vlan: number, mac: Uint8Array): number | undefined {
    const slot = this.#find(vlan, mac);
    if (slot === NONE) {
      return undefined;
    }
    const fields = this.#writer.read(slot);
    return (fields.u32(Station.at.flags) & STATION_LOCAL) === 0
      ? undefined
      : fields.u32(Station.at.lastSeenMs);
  }

  #find(vlan: number, mac: Uint8Array): number {
    const { low, high } = macWords(mac);
    return findStation(this.#tables, vlan, low, high);
  }

  #put(vlan: number, mac: Uint8Array, fill: Parameters<SlotWriter['write']>[1]): boolean {
    const present = this.#find(vlan, mac);
    if (present !== NONE) {
      this.#writer.write(present, fill);
      return true;
    }
    const { low, high } = macWords(mac);
    const slot = this.#hashed.insert(tableHash(this.#tables.hashKey, 3, vlan, low, high, 0), (fields) => {
      fields.setU32(Station.at.vlan, vlan);
      fields.setU32(Station.at.macLow, low);
      fields.setU32(Station.at.macHigh, high);
      fields.setU32(Station.at.flags, 0);
      fill(fields);
    });
    return slot !== undefined;
  }
}

/** Key and epoch in one word, see Station.route. */
function routeWord({ pairKeys, epoch }: RemoteRoute): number {
  return pairKeys === NONE ? NONE : ((epoch << 16) | pairKeys) >>> 0;
}

/** A MAC as the tables have it. */
export function macWords(mac: Uint8Array): { readonly low: number; readonly high: number } {
  const view = new DataView(mac.buffer, mac.byteOffset, 6);
  return { low: view.getUint32(0, true), high: view.getUint16(4, true) };
}

/** A MAC out of the tables' two words. */
export function macFromWords(low: number, high: number): Uint8Array {
  const mac = new Uint8Array(6);
  const view = new DataView(mac.buffer);
  view.setUint32(0, low, true);
  view.setUint16(4, high, true);
  return mac;
}

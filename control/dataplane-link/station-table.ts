/**
 * The stations of all VLANs, here and behind members, as workers look them up.
 *
 * Main thread only.
 */
import {
  LIMIT,
  NONE,
  PATH_MIN_BYTES,
  STATION_ENFORCED,
  STATION_GROUP,
  STATION_LOCAL,
  STATION_REMOTE,
  STATION_SET,
  STATION_VIA_BROADCAST,
  Station,
} from '../../dataplane/shm/layout.ts';
import { tableHash } from '../../dataplane/shm/table-hash.ts';
import { findStation, type Tables } from '../../dataplane/shm/tables.ts';
import { HashedTable } from './hashed-table.ts';
import type { Quiescence } from './quiescence.ts';
import { placeOf, type SlotFields, SlotWriter } from './slot-writer.ts';

/** How to reach a station behind a member; workers derive its token. */
export interface RemoteRoute {
  /** Trunk slot, or NONE. Not looked at where there is a set. */
  readonly trunk: number;
  /** Slot of a set: a copy goes to each of its trunks, and the member takes the first. */
  readonly set?: number;
  /** Largest link datagram that the whole way takes; 0 or left out: as large as the trunk takes. */
  readonly pathMtuBytes?: number;
  /** First of the member's pairwise frame keys, one a worker, or NONE. */
  readonly pairKeys: number;
  /** Slot of the epoch of token and keys; it may be another than the VLAN seals its floods under. */
  readonly epoch: number;
  readonly member: number;
}

/** Where the frames to a multicast group go. */
export interface GroupRoute {
  /** Slot of the set of trunks behind which somebody wants it, or NONE: nobody does. */
  readonly set: number;
  /** As in {@link RemoteRoute}. */
  readonly pathMtuBytes: number;
  /** Under the broadcast token, since not all in the set have the group's. */
  readonly viaBroadcast: boolean;
  /** For a group that is new here. */
  readonly nowMs: number;
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
      fields.setU32(Station.at.pathMtuBytes, 0);
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
      const isSame = fields.u32(Station.at.flags) === flagsOf(route);
      if (isSame && fields.u32(Station.at.member) === route.member) {
        writeWay(fields, route);
        fields.setU32(Station.at.route, routeWord(route));
        return true;
      }
    }
    return this.#put(vlan, mac, (fields) => {
      fields.setU32(Station.at.flags, flagsOf(route));
      writeWay(fields, route);
      fields.setU32(Station.at.route, routeWord(route));
      fields.setU32(Station.at.member, route.member);
    });
  }

  /**
   * A multicast group, by its MAC address; word by word once it is there. Removed as stations are: what nothing is known
   * of is flooded. Its frames have the epoch, key and hops of the VLAN's floods.
   *
   * @returns whether there was room
   */
  setGroup(vlan: number, mac: Uint8Array, group: GroupRoute): boolean {
    const flags = STATION_GROUP | STATION_SET | (group.viaBroadcast ? STATION_VIA_BROADCAST : 0);
    const write = (fields: SlotFields): void => {
      fields.setU32(Station.at.flags, flags);
      writeWay(fields, { ...group, trunk: NONE });
    };
    const present = this.#find(vlan, mac);
    if (present !== NONE) {
      write(this.#writer.read(present));
      return true;
    }
    return this.#put(vlan, mac, (fields) => {
      fields.setU32(Station.at.route, NONE);
      fields.setU32(Station.at.member, 0);
      fields.setU32(Station.at.lastSeenMs, group.nowMs);
      write(fields);
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
    return this.#lastSeenMs(vlan, mac, STATION_LOCAL);
  }

  /** When a frame from here was last sent to a group, likewise. */
  groupLastSeenMs(vlan: number, mac: Uint8Array): number | undefined {
    return this.#lastSeenMs(vlan, mac, STATION_GROUP);
  }

  #lastSeenMs(vlan: number, mac: Uint8Array, flag: number): number | undefined {
    const slot = this.#find(vlan, mac);
    if (slot === NONE) {
      return undefined;
    }
    const fields = this.#writer.read(slot);
    return (fields.u32(Station.at.flags) & flag) === 0 ? undefined : fields.u32(Station.at.lastSeenMs);
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

/** Whether it is by a set is a flag: a station that goes over from one to the other is written as a whole. */
function flagsOf({ set }: RemoteRoute): number {
  return set === undefined ? STATION_REMOTE : STATION_REMOTE | STATION_SET;
}

/** In such an order that a frame which meets one of the two is cut smaller than need be, never larger. */
function writeWay(
  fields: SlotFields,
  { trunk, set, pathMtuBytes = 0 }: Pick<RemoteRoute, 'trunk' | 'set' | 'pathMtuBytes'>,
): void {
  const size = pathMtuBytes === 0 ? 0 : Math.max(pathMtuBytes, PATH_MIN_BYTES);
  const before = fields.u32(Station.at.pathMtuBytes);
  const shrinks = size !== 0 && (before === 0 || size < before);
  if (shrinks) {
    fields.setU32(Station.at.pathMtuBytes, size);
  }
  fields.setU32(Station.at.trunk, set ?? trunk);
  fields.setU32(Station.at.pathMtuBytes, size);
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

/**
 * Lanes, as workers open and close link datagrams with them.
 *
 *   receiver index = 19 random bits ‖ slot (13 bits): names the slot at once, and an outsider cannot guess it
 *
 * A slot is filled once and never rekeyed: a new generation gets a slot of its own.
 *
 * Main thread only, but for the fields that layout.ts marks "worker".
 *
 * @see docs/protocol.md, "Trunks" and "Link datagram"
 */
import {
  LANE_FREE,
  LANE_RECEIVES,
  LANE_SENDS,
  LANE_WINDOW_WORDS,
  Lane,
  LIMIT,
} from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import type { LinkKeys } from '../trunk/trunk-port.ts';
import type { Quiescence } from './quiescence.ts';
import { SlotPool } from './slot-pool.ts';
import { placeOf, type SlotFields, SlotWriter } from './slot-writer.ts';

const KEY_BYTES = 32;
const KEYS_BYTES = 4 * KEY_BYTES;
const TOKEN_BYTES = 16;
const ADDRESS_BYTES = 28;
const SOURCE_ADDRESS_BYTES = 16;
const WINDOW_BYTES = LANE_WINDOW_WORDS * 4;
const RANDOM_BITS = 32 - LIMIT.laneBits;
const TWO_32 = 2 ** 32;

/** A lane as it is installed. */
export interface InstalledLane {
  readonly generation: number;
  readonly worker: number;
  /** Trunk slot. */
  readonly trunk: number;
  /** CARRIER_*. */
  readonly carrier: number;
  readonly localIndex: number;
  readonly peerIndex: number;
  readonly rx: LinkKeys;
  readonly tx: LinkKeys;
  /** CLOCK_MONOTONIC in milliseconds, modulo 2^32. */
  readonly notAfterMs: number;
}

/** Where a lane's datagrams go, as the kernel takes it. */
export interface LaneAddress {
  /** At most 28 bytes of a sockaddr. */
  readonly address: Uint8Array;
  /** The local address to send from: 4 or 16 bytes, or none: the kernel chooses. */
  readonly source: Uint8Array;
}

/** What a lane has done. */
export interface LaneTotals {
  readonly txDatagrams: number;
  readonly txBytes: number;
  readonly rxBytes: number;
  /** Datagrams that entered the window. */
  readonly rxAccepted: number;
  /** The higher of both directions' counters. */
  readonly highestCounter: number;
}

/** The lane table's writer. */
export class LaneTable {
  readonly #tables: Tables;
  readonly #writer: SlotWriter;
  readonly #pool: SlotPool;
  readonly #randomU32: () => number;
  #serial = 0;

  constructor(tables: Tables, quiescence: Quiescence, randomU32: () => number) {
    this.#tables = tables;
    this.#writer = new SlotWriter(tables, placeOf('lanes', Lane));
    this.#pool = new SlotPool(quiescence, { first: 0, count: LIMIT.lanes });
    this.#randomU32 = randomU32;
  }

  /** Reserves a slot and draws its receiver index. */
  allocate(): { readonly slot: number; readonly receiverIndex: number } | undefined {
    const slot = this.#pool.take();
    if (slot === undefined) {
      return undefined;
    }
    const random = this.#randomU32() >>> (32 - RANDOM_BITS);
    return { slot, receiverIndex: ((random << LIMIT.laneBits) | slot) >>> 0 };
  }

  /** Makes a reserved lane live: it receives. */
  install(slot: number, lane: InstalledLane): void {
    this.#serial = (this.#serial + 1) >>> 0;
    const window = TABLE.laneWindows + slot * WINDOW_BYTES;
    this.#tables.bytes.fill(0, window, window + WINDOW_BYTES);
    this.#writer.write(slot, (fields) => {
      // Everything from the generation on, so that nothing of the slot's last lane is left.
      fields.clearBytes(Lane.at.generation, Lane.size - Lane.at.generation);
      fields.setU32(Lane.at.generation, lane.generation);
      fields.setU32(Lane.at.worker, lane.worker);
      fields.setU32(Lane.at.trunk, lane.trunk);
      fields.setU32(Lane.at.carrier, lane.carrier);
      fields.setU32(Lane.at.localIndex, lane.localIndex);
      fields.setU32(Lane.at.peerIndex, lane.peerIndex);
      writeKeys(fields, { keysAt: Lane.at.rxKeys, tokenAt: Lane.at.rxLinkToken }, lane.rx);
      writeKeys(fields, { keysAt: Lane.at.txKeys, tokenAt: Lane.at.txLinkToken }, lane.tx);
      fields.setU32(Lane.at.notAfterMs, lane.notAfterMs);
      fields.setU32(Lane.at.keySerial, this.#serial);
      fields.setU32(Lane.at.state, LANE_RECEIVES);
    });
  }

  /** Whether it may carry frames. */
  setSending(slot: number, sending: boolean): void {
    this.#writer.write(slot, (fields) => {
      if (fields.u32(Lane.at.state) !== LANE_FREE) {
        fields.setU32(Lane.at.state, sending ? LANE_SENDS : LANE_RECEIVES);
      }
    });
  }

  setAddress(slot: number, { address, source }: LaneAddress): void {
    this.#writer.write(slot, (fields) => {
      fields.clearBytes(Lane.at.address, ADDRESS_BYTES);
      fields.setBytes(Lane.at.address, address);
      fields.setU32(Lane.at.addressBytes, address.length);
      fields.clearBytes(Lane.at.sourceAddress, SOURCE_ADDRESS_BYTES);
      fields.setBytes(Lane.at.sourceAddress, source);
    });
  }

  /** Neither seals nor opens any more; the slot stays reserved. */
  stop(slot: number): void {
    this.#writer.write(slot, (fields) => {
      fields.setU32(Lane.at.state, LANE_FREE);
    });
  }

  /** Gives a slot back, installed or only reserved; its keys are wiped when no worker can use them. */
  remove(slot: number): void {
    this.stop(slot);
    this.#pool.release(slot, (free) => {
      this.#writer.write(free, (fields) => {
        fields.clearBytes(Lane.at.rxKeys, Lane.at.address - Lane.at.rxKeys);
      });
    });
  }

  /** Whether a receiver index names this lane now. */
  isLive(slot: number, receiverIndex: number): boolean {
    const fields = this.#writer.read(slot);
    return fields.u32(Lane.at.state) !== LANE_FREE && fields.u32(Lane.at.localIndex) === receiverIndex;
  }

  totals(slot: number): LaneTotals {
    const fields = this.#writer.read(slot);
    const tx = fields.u32(Lane.at.txCounterLow) + fields.u32(Lane.at.txCounterHigh) * TWO_32;
    const rx = fields.u32(Lane.at.rxHighestLow) + fields.u32(Lane.at.rxHighestHigh) * TWO_32;
    return {
      txDatagrams: fields.f64(Lane.at.txDatagrams),
      txBytes: fields.f64(Lane.at.txBytes),
      rxBytes: fields.f64(Lane.at.rxBytes),
      rxAccepted: fields.f64(Lane.at.rxAccepted),
      // Failed openings count against the lane's life as well.
      highestCounter: Math.max(tx, rx, fields.f64(Lane.at.rxOpened)),
    };
  }
}

function writeKeys(
  fields: SlotFields,
  place: { readonly keysAt: number; readonly tokenAt: number },
  keys: LinkKeys,
): void {
  for (const [index, key] of [keys.k1, keys.k2, keys.k3, keys.k4].entries()) {
    if (key.length !== KEY_BYTES) {
      throw new RangeError(`k${index + 1} has ${key.length} bytes`);
    }
    fields.setBytes(place.keysAt + index * KEY_BYTES, key);
  }
  if (keys.linkToken.length !== TOKEN_BYTES || place.keysAt + KEYS_BYTES > place.tokenAt) {
    throw new RangeError(`a link token has ${keys.linkToken.length} bytes`);
  }
  fields.setBytes(place.tokenAt, keys.linkToken);
}

/**
 * The members' senders whose frames workers open, with their two replay windows each.
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Sealed frame" and "Shared tables"
 */
import { LIMIT, RxSender, SenderWindow, WINDOWS_PER_SENDER } from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { tableHash } from '../../dataplane/shm/table-hash.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import { HashedTable } from './hashed-table.ts';
import type { Quiescence } from './quiescence.ts';
import { placeOf, SlotWriter } from './slot-writer.ts';

const WINDOW_BYTES = SenderWindow.size * WINDOWS_PER_SENDER;

/** A sender as it is installed. */
export interface InstalledSender {
  /** Slot of the epoch. */
  readonly epoch: number;
  readonly leaf: number;
  readonly lane: number;
  /** 6 bytes. */
  readonly salt: Uint8Array;
  /** Slots of the frame keys. */
  readonly groupKey: number;
  readonly pairKey: number;
  readonly firstCounter: number;
  readonly member: number;
}

/** The sender table's writer. */
export class SenderTable {
  readonly #tables: Tables;
  readonly #hashed: HashedTable;

  constructor(tables: Tables, quiescence: Quiescence) {
    this.#tables = tables;
    this.#hashed = new HashedTable(new SlotWriter(tables, placeOf('rxSenders', RxSender)), quiescence, {
      capacity: LIMIT.rxSenders,
      stateAt: RxSender.at.state,
      maxLive: LIMIT.rxSenders / 2,
    });
  }

  /** Senders whose frames are opened. */
  get live(): number {
    return this.#hashed.live;
  }

  /**
   * Opens a sender's frames.
   *
   * @returns its slot, or undefined when the table is full
   */
  add(sender: InstalledSender): number | undefined {
    const { leafLane, saltLow, saltHigh } = senderWords(sender);
    const hash = tableHash(this.#tables.hashKey, 4, sender.epoch, leafLane, saltLow, saltHigh);
    return this.#hashed.insert(hash, (fields, slot) => {
      this.#clearWindows(slot);
      fields.setU32(RxSender.at.epoch, sender.epoch);
      fields.setU32(RxSender.at.leafLane, leafLane);
      fields.setU32(RxSender.at.saltLow, saltLow);
      fields.setU32(RxSender.at.saltHigh, saltHigh);
      fields.setU32(RxSender.at.groupKey, sender.groupKey);
      fields.setU32(RxSender.at.pairKey, sender.pairKey);
      // Counters of a salt end at 2^32; a member that announces more names frames that can never come.
      fields.setU32(RxSender.at.firstCounter, Math.min(sender.firstCounter, 0xffff_ffff));
      fields.setU32(RxSender.at.member, sender.member);
    });
  }

  /** Opens them no more. */
  remove(slot: number): void {
    this.#hashed.delete(slot);
  }

  /** No worker uses the windows of a slot that is not live and has come to rest. */
  #clearWindows(slot: number): void {
    const start = TABLE.senderWindows + slot * WINDOW_BYTES;
    this.#tables.bytes.fill(0, start, start + WINDOW_BYTES);
  }
}

/** A sender's name as the tables have it: leaf ‖ lane in one word, the salt in one and a half. */
export function senderWords(name: {
  readonly leaf: number;
  readonly lane: number;
  readonly salt: Uint8Array;
}): { readonly leafLane: number; readonly saltLow: number; readonly saltHigh: number } {
  const view = new DataView(name.salt.buffer, name.salt.byteOffset, 6);
  return {
    leafLane: (name.leaf | (name.lane << 24)) >>> 0,
    saltLow: view.getUint32(0, true),
    saltHigh: view.getUint16(4, true),
  };
}

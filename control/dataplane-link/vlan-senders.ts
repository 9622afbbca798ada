/**
 * The senders of one VLAN's members: their slots, and the two keys that open their frames.
 *
 * Main thread only.
 */
import type { OpenSender, SenderId } from '../membership/membership-port.ts';
import type { FrameKeyTable } from './key-tables.ts';
import type { SenderTable } from './sender-table.ts';

interface SenderEntry {
  readonly slot: number;
  readonly groupKey: number;
  readonly pairKey: number;
}

/** See the file's head. */
export class VlanSenders {
  readonly #table: SenderTable;
  readonly #keys: FrameKeyTable;
  readonly #cipher: number;
  readonly #senders = new Map<SenderId, SenderEntry>();

  constructor(table: SenderTable, keys: FrameKeyTable, cipher: number) {
    this.#table = table;
    this.#keys = keys;
    this.#cipher = cipher;
  }

  /**
   * Opens a sender's frames.
   *
   * @param epoch - slot of its epoch
   * @returns false when a table is full
   */
  open(sender: OpenSender, epoch: number): boolean {
    const groupKey = this.#keys.addRx(sender.groupKey, this.#cipher);
    const pairKey = this.#keys.addRx(sender.pairKey, this.#cipher);
    if (groupKey !== undefined && pairKey !== undefined) {
      const slot = this.#table.add({ ...sender, epoch, groupKey, pairKey });
      if (slot !== undefined) {
        this.#senders.set(sender.sender, { slot, groupKey, pairKey });
        return true;
      }
    }
    for (const key of [groupKey, pairKey]) {
      if (key !== undefined) {
        this.#keys.removeRx(key);
      }
    }
    return false;
  }

  /** Opens them no more. */
  close(id: SenderId): void {
    const sender = this.#senders.get(id);
    if (sender !== undefined) {
      this.#senders.delete(id);
      this.#table.remove(sender.slot);
      this.#keys.removeRx(sender.groupKey);
      this.#keys.removeRx(sender.pairKey);
    }
  }
}

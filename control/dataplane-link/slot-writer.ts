/**
 * Writes slots of the shared tables so that workers never take half a slot for a whole one.
 *
 *   version odd ── fields ── version even      (a seqlock; its reader is in dataplane/shm/tables.ts)
 *
 * Main thread only: the single writer of the tables.
 */

import { TABLE } from '../../dataplane/shm/memory-map.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';

/** A table of equal slots: where it starts in the buffer, and how large a slot is. */
export interface TablePlace {
  readonly start: number;
  readonly slotBytes: number;
}

/** Where a table lies. */
export function placeOf(table: keyof typeof TABLE, layout: { readonly size: number }): TablePlace {
  return { start: TABLE[table], slotBytes: layout.size };
}

/** Writes one table's slots. */
export class SlotWriter {
  readonly #tables: Tables;
  readonly #place: TablePlace;

  constructor(tables: Tables, place: TablePlace) {
    this.#tables = tables;
    this.#place = place;
  }

  /** Byte offset of a slot in the tables buffer. */
  offset(slot: number): number {
    return this.#place.start + slot * this.#place.slotBytes;
  }

  /** Changes a slot; `change` may read what it holds. */
  write(slot: number, change: (fields: SlotFields) => void): void {
    const versionWord = this.offset(slot) >> 2;
    Atomics.add(this.#tables.u32, versionWord, 1);
    change(new SlotFields(this.#tables, this.offset(slot)));
    Atomics.add(this.#tables.u32, versionWord, 1);
  }

  /** Changes one word at once: a worker sees the old one or the new one, and the slot never counts as being written. */
  set(slot: number, at: number, value: number): void {
    this.read(slot).setU32(at, value);
  }

  /** The fields as they are. */
  read(slot: number): SlotFields {
    return new SlotFields(this.#tables, this.offset(slot));
  }
}

/** One slot's fields, by their byte offset in the slot. */
export class SlotFields {
  readonly #tables: Tables;
  readonly #offset: number;

  constructor(tables: Tables, offset: number) {
    this.#tables = tables;
    this.#offset = offset;
  }

  u32(at: number): number {
    return Atomics.load(this.#tables.u32, (this.#offset + at) >> 2);
  }

  setU32(at: number, value: number): void {
    Atomics.store(this.#tables.u32, (this.#offset + at) >> 2, value >>> 0);
  }

  u16(at: number): number {
    return Atomics.load(this.#tables.u16, (this.#offset + at) >> 1);
  }

  setU16(at: number, value: number): void {
    Atomics.store(this.#tables.u16, (this.#offset + at) >> 1, value);
  }

  f64(at: number): number {
    return this.#tables.f64[(this.#offset + at) >> 3] ?? 0;
  }

  setF64(at: number, value: number): void {
    this.#tables.f64[(this.#offset + at) >> 3] = value;
  }

  bytes(at: number, length: number): Uint8Array {
    return this.#tables.bytes.slice(this.#offset + at, this.#offset + at + length);
  }

  setBytes(at: number, value: Uint8Array): void {
    this.#tables.bytes.set(value, this.#offset + at);
  }

  /** Overwrites with zeros: keys that are no longer needed. */
  clearBytes(at: number, length: number): void {
    this.#tables.bytes.fill(0, this.#offset + at, this.#offset + at + length);
  }
}

/**
 * Writes slots of the shared tables as the main thread would, for tests that drive the stages without a control
 * plane. One writer, no reader at the same time: versions are left even, nothing waits.
 */
import {
  Epoch,
  ForwardSet,
  FrameKey,
  INITIAL_HOPS,
  Lane,
  LIMIT,
  NONE,
  RxSender,
  Salt,
  Segment,
  SLOT_EMPTY,
  SLOT_LIVE,
  Station,
  Token,
  Trunk,
  Vlan,
} from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import type { Struct } from '../../dataplane/shm/struct.ts';
import { tableHash } from '../../dataplane/shm/table-hash.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';

type FieldValue = number | Uint8Array | readonly number[];

/**
 * Sets fields of the structure at `offset`; the others keep their values.
 *
 * @param buffer - the tables' or an arena's
 * @param values - by field name: a number, bytes for u8 arrays, numbers for other arrays
 */
export function setFields(
  buffer: SharedArrayBuffer,
  layout: Struct,
  offset: number,
  values: Readonly<Record<string, FieldValue>>,
): void {
  const view = new DataView(buffer);
  for (const [name, value] of Object.entries(values)) {
    const field = layout.fields[name];
    const at = layout.at[name];
    if (field === undefined || at === undefined) throw new Error(`${layout.name} has no field ${name}`);
    const scalar = typeof field === 'string' ? field : field[0];
    const list = typeof value === 'number' ? [value] : value;
    for (const [index, element] of [...list].entries()) {
      if (scalar === 'u8') view.setUint8(offset + at + index, element);
      else if (scalar === 'u16') view.setUint16(offset + at + 2 * index, element, true);
      else if (scalar === 'f64') view.setFloat64(offset + at + 8 * index, element, true);
      else view.setUint32(offset + at + 4 * index, element >>> 0, true);
    }
  }
}

/** Reads one scalar field of the structure at `offset`. */
export function getField(buffer: SharedArrayBuffer, layout: Struct, offset: number, name: string): number {
  const at = layout.at[name];
  if (at === undefined) throw new Error(`${layout.name} has no field ${name}`);
  const view = new DataView(buffer);
  return layout.fields[name] === 'f64'
    ? view.getFloat64(offset + at, true)
    : view.getUint32(offset + at, true);
}

type Values = Readonly<Record<string, FieldValue>>;

export function writeVlan(tables: Tables, slot: number, values: Values): void {
  const fields = { state: 1, floodHops: INITIAL_HOPS, ...values };
  setFields(tables.buffer, Vlan, TABLE.vlans + slot * Vlan.size, fields);
}

export function writeEpoch(tables: Tables, slot: number, values: Values): void {
  const groupKeys = new Array<number>(LIMIT.workers).fill(NONE);
  setFields(tables.buffer, Epoch, TABLE.epochs + slot * Epoch.size, { state: 1, groupKeys, ...values });
}

export function writeSet(tables: Tables, slot: number, trunks: readonly number[]): void {
  setFields(tables.buffer, ForwardSet, TABLE.sets + slot * ForwardSet.size, { count: trunks.length, trunks });
}

export function writeSegment(tables: Tables, slot: number, values: Values): void {
  const fields = { state: 1, ports: NONE, flags: 0, ...values };
  setFields(tables.buffer, Segment, TABLE.segments + slot * Segment.size, fields);
}

export function writeTrunk(tables: Tables, slot: number, values: Values): void {
  const lanes = new Array<number>(LIMIT.lanesPerTrunk).fill(NONE);
  setFields(tables.buffer, Trunk, TABLE.trunks + slot * Trunk.size, { state: 1, lanes, ...values });
}

export function writeLane(tables: Tables, slot: number, values: Values): void {
  setFields(tables.buffer, Lane, TABLE.lanes + slot * Lane.size, values);
}

export function writeFrameKey(tables: Tables, slot: number, values: Values): void {
  setFields(tables.buffer, FrameKey, TABLE.frameKeys + slot * FrameKey.size, { state: 1, ...values });
}

export function writeSalt(tables: Tables, slot: number, values: Values): void {
  setFields(tables.buffer, Salt, TABLE.salts + slot * Salt.size, { state: 1, counter: 0, ...values });
}

/** @returns the slot that it got */
export function insertStation(tables: Tables, vlan: number, mac: Uint8Array, values: Values): number {
  const macView = new DataView(mac.buffer, mac.byteOffset, 6);
  const macLow = macView.getUint32(0, true);
  const macHigh = macView.getUint16(4, true);
  const hash = tableHash(tables.hashKey, 3, vlan, macLow, macHigh, 0);
  const slot = emptySlot(tables, TABLE.stations, Station, hash & (LIMIT.stations - 1), LIMIT.stations);
  const fields = {
    vlan,
    macLow,
    macHigh,
    trunk: NONE,
    route: NONE,
    ...values,
    state: SLOT_LIVE,
  };
  setFields(tables.buffer, Station, TABLE.stations + slot * Station.size, fields);
  return slot;
}

/** @returns the slot that it got */
export function insertToken(tables: Tables, token: Uint8Array, values: Values): number {
  const view = new DataView(token.buffer, token.byteOffset, 16);
  const word = (index: number): number => view.getUint32(4 * index, true);
  const hash = tableHash(tables.hashKey, 4, word(0), word(1), word(2), word(3));
  const capacity = tables.tokenCapacity;
  const slot = emptySlot(tables, TABLE.tokens, Token, hash & (capacity - 1), capacity);
  const fields = { token, set: NONE, segment: NONE, ...values, state: SLOT_LIVE };
  setFields(tables.buffer, Token, TABLE.tokens + slot * Token.size, fields);
  return slot;
}

/** Who seals: what names a sender within an epoch. */
export interface SenderName {
  readonly epoch: number;
  readonly leafLane: number;
  readonly saltLow: number;
  readonly saltHigh: number;
}

/** @returns the slot that it got */
export function insertRxSender(tables: Tables, sender: SenderName, values: Values): number {
  const hash = tableHash(tables.hashKey, 4, sender.epoch, sender.leafLane, sender.saltLow, sender.saltHigh);
  const slot = emptySlot(tables, TABLE.rxSenders, RxSender, hash & (LIMIT.rxSenders - 1), LIMIT.rxSenders);
  const fields = { ...sender, groupKey: NONE, pairKey: NONE, ...values, state: SLOT_LIVE };
  setFields(tables.buffer, RxSender, TABLE.rxSenders + slot * RxSender.size, fields);
  return slot;
}

function emptySlot(tables: Tables, table: number, layout: Struct, home: number, capacity: number): number {
  for (let probe = 0; probe < LIMIT.probes; probe++) {
    const slot = (home + probe) & (capacity - 1);
    if (getField(tables.buffer, layout, table + slot * layout.size, 'state') === SLOT_EMPTY) return slot;
  }
  throw new Error(`${layout.name}: no empty slot within ${LIMIT.probes} probes`);
}

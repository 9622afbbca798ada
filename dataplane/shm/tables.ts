/**
 * Views of the tables buffer and the look-ups that every thread does in it. The main thread is the only writer;
 * workers read, and change only the fields that layout.ts marks "worker".
 *
 * Reading a slot: version even and unchanged before and after. A worker that meets an odd version treats the slot
 * as absent for this frame: writes are short and rare, and a drop is counted.
 *
 * Words that are looked for may be given signed or unsigned. The frame path gives them signed: an unsigned one above
 * 2^31 is a heap object wherever V8 does not inline the call, one for each look-up.
 */
import { invariant } from '../base/invariant.ts';
import {
  LIMIT,
  NONE,
  RxSender,
  SLOT_EMPTY,
  SLOT_LIVE,
  Station,
  TABLES_MAGIC,
  TablesHeader,
  Token,
} from './layout.ts';
import { TABLE, tablesBytes } from './memory-map.ts';
import { layoutDigest } from './render-layout.ts';
import { type HashKey, tableHash } from './table-hash.ts';

/** Typed views over one tables buffer. */
export interface Tables {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly u16: Uint16Array;
  readonly tokenCapacity: number;
  readonly hashKey: HashKey;
  readonly workerCount: number;
}

/**
 * Makes the tables of a daemon; main thread.
 *
 * @param options - tokenCapacity: slots, a power of two; hashKey: random
 */
export function createTables(options: {
  workerCount: number;
  tokenCapacity: number;
  hashKey: HashKey;
}): Tables {
  invariant(options.workerCount >= 1 && options.workerCount <= LIMIT.workers, 'worker count out of range');
  const buffer = new SharedArrayBuffer(tablesBytes(options.tokenCapacity));
  const u32 = new Uint32Array(buffer);
  const at = TablesHeader.at;
  u32[at.digest >> 2] = layoutDigest();
  u32[at.workerCount >> 2] = options.workerCount;
  u32[at.tokenCapacity >> 2] = options.tokenCapacity;
  u32[at.hashKey0 >> 2] = options.hashKey.key0;
  u32[at.hashKey1 >> 2] = options.hashKey.key1;
  u32[at.magic >> 2] = TABLES_MAGIC;
  return openTables(buffer);
}

/** Views of tables that another thread made. */
export function openTables(buffer: SharedArrayBuffer): Tables {
  const u32 = new Uint32Array(buffer);
  const header = (offset: number): number => u32[offset >> 2] ?? 0;
  invariant(header(TablesHeader.at.magic) === TABLES_MAGIC, 'not a tables buffer');
  return {
    buffer,
    bytes: new Uint8Array(buffer),
    u32,
    i32: new Int32Array(buffer),
    f64: new Float64Array(buffer),
    u16: new Uint16Array(buffer),
    tokenCapacity: header(TablesHeader.at.tokenCapacity),
    hashKey: { key0: header(TablesHeader.at.hashKey0), key1: header(TablesHeader.at.hashKey1) },
    workerCount: header(TablesHeader.at.workerCount),
  };
}

/**
 * Finds a station.
 *
 * @param macLow - first four bytes of the MAC, little-endian
 * @param macHigh - the last two
 * @returns its slot, or NONE
 */
export function findStation(tables: Tables, vlan: number, macLow: number, macHigh: number): number {
  const { u32, i32 } = tables;
  const low = macLow | 0;
  let slot = tableHash(tables.hashKey, 3, vlan, macLow, macHigh, 0) & (LIMIT.stations - 1);
  for (let probe = 0; probe < LIMIT.probes; probe++) {
    const word = (TABLE.stations + slot * Station.size) >> 2;
    const state = Atomics.load(u32, word + (Station.at.state >> 2));
    if (state === SLOT_EMPTY) return NONE;
    if (
      state === SLOT_LIVE &&
      i32[word + (Station.at.macLow >> 2)] === low &&
      u32[word + (Station.at.macHigh >> 2)] === macHigh &&
      u32[word + (Station.at.vlan >> 2)] === vlan
    ) {
      return (Atomics.load(u32, word) & 1) === 0 ? slot : NONE;
    }
    slot = (slot + 1) & (LIMIT.stations - 1);
  }
  return NONE;
}

/**
 * Finds a token; all sixteen bytes are compared.
 *
 * @param t0 - its first four bytes, little-endian, and so on
 * @returns its slot, or NONE
 */
export function findToken(tables: Tables, t0: number, t1: number, t2: number, t3: number): number {
  const { u32, i32 } = tables;
  const mask = tables.tokenCapacity - 1;
  let slot = tableHash(tables.hashKey, 4, t0, t1, t2, t3) & mask;
  for (let probe = 0; probe < LIMIT.probes; probe++) {
    const word = (TABLE.tokens + slot * Token.size) >> 2;
    const state = Atomics.load(u32, word + (Token.at.state >> 2));
    if (state === SLOT_EMPTY) return NONE;
    const token = word + (Token.at.token >> 2);
    if (
      state === SLOT_LIVE &&
      i32[token] === (t0 | 0) &&
      i32[token + 1] === (t1 | 0) &&
      i32[token + 2] === (t2 | 0) &&
      i32[token + 3] === (t3 | 0)
    ) {
      return (Atomics.load(u32, word) & 1) === 0 ? slot : NONE;
    }
    slot = (slot + 1) & mask;
  }
  return NONE;
}

/**
 * Finds an announced sender.
 *
 * @param leafLane - leaf u24 | lane u8 << 24
 * @returns its slot, or NONE
 */
export function findRxSender(
  tables: Tables,
  epoch: number,
  leafLane: number,
  saltLow: number,
  saltHigh: number,
): number {
  const { u32, i32 } = tables;
  let slot = tableHash(tables.hashKey, 4, epoch, leafLane, saltLow, saltHigh) & (LIMIT.rxSenders - 1);
  for (let probe = 0; probe < LIMIT.probes; probe++) {
    const word = (TABLE.rxSenders + slot * RxSender.size) >> 2;
    const state = Atomics.load(u32, word + (RxSender.at.state >> 2));
    if (state === SLOT_EMPTY) return NONE;
    if (
      state === SLOT_LIVE &&
      u32[word + (RxSender.at.epoch >> 2)] === epoch &&
      i32[word + (RxSender.at.leafLane >> 2)] === (leafLane | 0) &&
      i32[word + (RxSender.at.saltLow >> 2)] === (saltLow | 0) &&
      u32[word + (RxSender.at.saltHigh >> 2)] === saltHigh
    ) {
      return (Atomics.load(u32, word) & 1) === 0 ? slot : NONE;
    }
    slot = (slot + 1) & (LIMIT.rxSenders - 1);
  }
  return NONE;
}

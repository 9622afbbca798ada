/**
 * Owns the look-ups in tables of many sizes: tokens as `forward` looks for them, stations as `classify` does. Entries
 * are random, and every datagram or frame of a batch asks for another one. A measuring thread; either engine.
 *
 * The token table's capacity is a daemon's own choice, and is given so much that it is at most half full. The station
 * table has 65,536 slots in every daemon.
 */
import type { Engine } from '../../dataplane/contract/engine.ts';
import {
  BATCH,
  DEFAULT_TOKEN_CAPACITY,
  FrameDescriptor,
  INITIAL_HOPS,
  KIND_FRAME,
  LIMIT,
  NONE,
  RX_OPEN,
  RxDatagram,
  SLOT_EMPTY,
  SLOT_LIVE,
  STATION_REMOTE,
  Station,
  TOKEN_LOCAL,
  Token,
} from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { tableHash } from '../../dataplane/shm/table-hash.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import { createPair, type FixtureNode, KEY_SLOT, putFrames } from '../../test/harness/dataplane-fixture.ts';
import { ethernetFrame, filler } from '../../test/harness/frame-builder.ts';
import { NO_IO } from '../../test/harness/no-io.ts';
import { BatchTimes, clockCostMs } from '../path/batch-times.ts';
import { createEngine } from '../path/cable.ts';
import type { MeasuringStart } from '../path/measuring-thread.ts';
import { FIGURE } from './micro-figures.ts';
import type { MicroReading } from './stage-cells.ts';

const NS_A_MS = 1e6;
const TOKEN_WORDS = Token.size >> 2;
const STATION_WORDS = Station.size >> 2;
const FRAMES = BATCH.frames;
const FRAME_PAYLOAD_BYTES = 50;

/** A node whose table holds a number of entries, and their keys. */
export interface FilledTable {
  readonly node: FixtureNode;
  readonly engine: Engine;
  /** Four words a token; two a station. */
  readonly keys: Uint32Array;
  readonly count: number;
  /** Entries that no slot within reach was free for, and that others were taken instead of. */
  readonly refused: number;
}

/** xorshift32 (Marsaglia 2003): random enough to defeat caches and predictors, and the same in every run. */
export class RandomWords {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }
}

/** A table with `count` random tokens for this node. */
export function fillTokens(name: MeasuringStart['engine'], count: number): FilledTable {
  let tokenCapacity = DEFAULT_TOKEN_CAPACITY;
  while (tokenCapacity < 2 * count) tokenCapacity *= 2;
  const { right: node } = createPair({ tokenCapacity });
  const words = new RandomWords(count);
  const keys = new Uint32Array(4 * count);
  let refused = 0;
  for (let entry = 0; entry < count; ) {
    for (let word = 0; word < 4; word++) keys[4 * entry + word] = words.next();
    if (putToken(node.tables, keys, 4 * entry)) entry++;
    else refused++;
  }
  return { node, engine: createEngine(name, node, NO_IO), keys, count, refused };
}

function putToken(tables: Tables, keys: Uint32Array, at: number): boolean {
  const [a, b, c, d] = [keys[at] ?? 0, keys[at + 1] ?? 0, keys[at + 2] ?? 0, keys[at + 3] ?? 0];
  const home = tableHash(tables.hashKey, 4, a, b, c, d);
  const mask = tables.tokenCapacity - 1;
  const slot = freeSlot(
    tables,
    { table: TABLE.tokens, words: TOKEN_WORDS, state: Token.at.state },
    home,
    mask,
  );
  if (slot === NONE) return false;
  const word = (TABLE.tokens >> 2) + slot * TOKEN_WORDS;
  tables.u32.set(keys.subarray(at, at + 4), word + (Token.at.token >> 2));
  tables.u32[word + (Token.at.epoch >> 2)] = 0;
  tables.u32[word + (Token.at.flags >> 2)] = TOKEN_LOCAL;
  tables.u32[word + (Token.at.set >> 2)] = NONE;
  tables.u32[word + (Token.at.segment >> 2)] = NONE;
  tables.u32[word + (Token.at.state >> 2)] = SLOT_LIVE;
  return true;
}

/** A table with `count` random stations behind the peer. */
export function fillStations(name: MeasuringStart['engine'], count: number): FilledTable {
  const { left: node } = createPair();
  const words = new RandomWords(count);
  const keys = new Uint32Array(2 * count);
  let refused = 0;
  for (let entry = 0; entry < count; ) {
    keys[2 * entry] = (words.next() & 0xffff_ff00) | 2; // unicast, locally administered
    keys[2 * entry + 1] = words.next() & 0xffff;
    if (putStation(node.tables, keys[2 * entry] ?? 0, keys[2 * entry + 1] ?? 0)) entry++;
    else refused++;
  }
  return { node, engine: createEngine(name, node, NO_IO), keys, count, refused };
}

function putStation(tables: Tables, macLow: number, macHigh: number): boolean {
  const home = tableHash(tables.hashKey, 3, 0, macLow, macHigh, 0);
  const layout = { table: TABLE.stations, words: STATION_WORDS, state: Station.at.state };
  const slot = freeSlot(tables, layout, home, LIMIT.stations - 1);
  if (slot === NONE) return false;
  const word = (TABLE.stations >> 2) + slot * STATION_WORDS;
  const { u32 } = tables;
  u32[word + (Station.at.vlan >> 2)] = 0;
  u32[word + (Station.at.macLow >> 2)] = macLow;
  u32[word + (Station.at.macHigh >> 2)] = macHigh;
  u32[word + (Station.at.flags >> 2)] = STATION_REMOTE;
  u32[word + (Station.at.trunk >> 2)] = 0;
  u32[word + (Station.at.route >> 2)] = KEY_SLOT.txPair;
  u32[word + (Station.at.state >> 2)] = SLOT_LIVE;
  return true;
}

function freeSlot(
  { u32 }: Tables,
  { table, words, state }: { readonly table: number; readonly words: number; readonly state: number },
  home: number,
  mask: number,
): number {
  for (let probe = 0; probe < LIMIT.probes; probe++) {
    const slot = (home + probe) & mask;
    if (u32[(table >> 2) + slot * words + (state >> 2)] === SLOT_EMPTY) return slot;
  }
  return NONE;
}

/** Time of forward per datagram: every datagram has a token of its own and the next counter of its lane. */
export function measureTokens(
  filled: FilledTable,
  { engine: subject, seconds }: MeasuringStart,
): MicroReading {
  const words = new RandomWords(filled.count + 1);
  const first = { counter: 0 };
  const lay = (): void => layDatagrams(filled, words, first);
  const ns = timeBatches(lay, () => filled.engine.forward(BATCH.rxDatagrams), seconds);
  const place = { subject, figure: FIGURE.lookUp, x: filled.count };
  return { group: 'tokens', place, value: ns / BATCH.rxDatagrams };
}

function layDatagrams(
  { node, keys, count }: FilledTable,
  words: RandomWords,
  first: { counter: number },
): void {
  const { u32 } = node.arena;
  for (let index = 0; index < BATCH.rxDatagrams; index++) {
    const word = (ARENA.rxDatagrams + index * RxDatagram.size) >> 2;
    const key = 4 * (words.next() % count);
    for (let part = 0; part < 4; part++) {
      u32[word + (RxDatagram.at.token >> 2) + part] = keys[key + part] ?? 0;
    }
    u32[word + (RxDatagram.at.verdict >> 2)] = RX_OPEN;
    u32[word + (RxDatagram.at.lane >> 2)] = node.lane;
    u32[word + (RxDatagram.at.control >> 2)] = KIND_FRAME | (INITIAL_HOPS << 8);
    u32[word + (RxDatagram.at.counterLow >> 2)] = first.counter++;
    u32[word + (RxDatagram.at.counterHigh >> 2)] = 0;
  }
}

/** Time of classify per frame: every frame is for a station of its own. */
export function measureStations(
  filled: FilledTable,
  { engine: subject, seconds }: MeasuringStart,
): MicroReading {
  const { node, keys, count } = filled;
  const words = new RandomWords(count + 1);
  const payload = filler(FRAME_PAYLOAD_BYTES);
  const frame = { bytes: ethernetFrame(0x88b5, payload, { source: node.mac }) };
  putFrames(node, new Array<typeof frame>(FRAMES).fill(frame));
  const memory = new DataView(node.arena.buffer);
  const layFor = (station: (index: number) => number): void => {
    for (let index = 0; index < FRAMES; index++) {
      const at = memory.getUint32(ARENA.frames + index * FrameDescriptor.size, true);
      const key = 2 * (station(index) % count);
      memory.setUint32(at, keys[key] ?? 0, true);
      memory.setUint16(at + 4, keys[key + 1] ?? 0, true);
    }
  };
  // Once an hour a station's token is derived; what is measured is the time in between.
  for (let first = 0; first < count; first += FRAMES) {
    layFor((index) => first + index);
    filled.engine.classify(FRAMES);
  }
  const lay = (): void => {
    layFor(() => words.next());
  };
  const ns = timeBatches(lay, () => filled.engine.classify(FRAMES), seconds);
  return { group: 'stations', place: { subject, figure: FIGURE.classify, x: count }, value: ns / FRAMES };
}

/** Median time of a batch in nanoseconds, without the laying; a third of the time warms up. */
function timeBatches(lay: () => void, run: () => void, seconds: number): number {
  medianBatchMs(lay, run, seconds / 3);
  return Math.max(0, medianBatchMs(lay, run, seconds) - clockCostMs()) * NS_A_MS;
}

function medianBatchMs(lay: () => void, run: () => void, seconds: number): number {
  const times = new BatchTimes();
  const endMs = performance.now() + seconds * 1000;
  do {
    lay();
    times.time(run);
  } while (performance.now() < endMs);
  return times.medianMs();
}

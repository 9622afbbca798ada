/**
 * Remembers which datagrams were passed on in the last two seconds, so that a copy that comes by another way, or round a
 * loop, goes no further. Worker threads; all workers share one table.
 *
 *   bytes 32‥end ─▶ HalfSipHash-1-3, 64 bits, keyed per process ─▶ place 16 │ tag 16 ║ hash 32
 *   entry         hash 32 ║ time 16 (units of 16 ms) │ tag 16
 *
 * The hash is over everything that is the same on every hop: a copy that somebody has changed is another datagram, and cannot
 * take the place of the good one. An entry is lost to a later one of the same place, and two workers that meet one datagram
 * in the same nanoseconds may both pass it on: members drop copies by their windows whatever happens here.
 *
 * @see https://github.com/veorq/SipHash (HalfSipHash, Aumasson and Bernstein)
 */
import { LIMIT, RecentFrame, RxDatagram } from '../shm/layout.ts';
import { TABLE } from '../shm/memory-map.ts';
import { LINK } from '../wire/link-datagram.ts';
import { LE } from './memory.ts';
import { nowMs, type StageContext } from './stage-context.ts';

const UNIT_MS_SHIFT = 4;
const TIME_MASK = 0xffff;
/** Two seconds in units of 16 ms. */
const KEPT_UNITS = 125;
const FINAL_ROUNDS = 3;

/** HalfSipHash's state between words, and its result: made once, so that hashing allocates nothing. */
const state = new Int32Array(4);
const result = new Int32Array(2);

/**
 * Notes the datagram of a descriptor.
 *
 * @param at - offset of its RxDatagram
 * @returns whether it was noted less than two seconds ago already
 */
export function isRepeated(context: StageContext, at: number): boolean {
  const { memory, tables } = context;
  const offset = memory.getUint32(at + RxDatagram.at.offset, LE);
  const length = memory.getUint32(at + RxDatagram.at.length, LE);
  hashBytes(context, offset + LINK.sender, length - LINK.sender);
  const first = result[0] as number;
  const time = (nowMs(context) >>> UNIT_MS_SHIFT) & TIME_MASK;
  const place = first & (LIMIT.recentFrames - 1);
  const word = (TABLE.recentFrames + place * RecentFrame.size) >> 2;
  const hash = Atomics.exchange(tables.i32, word, result[1] as number);
  const tag = first >>> 16;
  const before = Atomics.exchange(tables.i32, word + 1, (time << 16) | tag);
  const isSame = hash === result[1] && (before & 0xffff) === tag;
  return isSame && ((time - (before >>> 16)) & TIME_MASK) <= KEPT_UNITS;
}

/** HalfSipHash-1-3 of bytes of the arena, 64 bits, into `result`. */
function hashBytes(context: StageContext, offset: number, length: number): void {
  const { memory, tables } = context;
  const { key0, key1 } = tables.hashKey;
  let v0 = key0 | 0;
  let v1 = key1 ^ 0xee;
  let v2 = 0x6c796765 ^ key0;
  let v3 = 0x74656462 ^ key1;
  const words = length >> 2;
  for (let index = 0; index <= words; index++) {
    const word = index < words ? memory.getInt32(offset + 4 * index, LE) : lastWord(memory, offset, length);
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  state[0] = v0;
  state[1] = v1;
  state[2] = v2 ^ 0xee;
  state[3] = v3;
  result[0] = finish();
  state[1] = state[1] ^ 0xdd;
  result[1] = finish();
}

/** The bytes that fill no word, below the length's lowest byte. */
function lastWord(memory: DataView, offset: number, length: number): number {
  let word = length << 24;
  const from = offset + (length & ~3);
  for (let byte = 0; byte < (length & 3); byte++) word |= memory.getUint8(from + byte) << (8 * byte);
  return word;
}

function finish(): number {
  let v0 = state[0] as number;
  let v1 = state[1] as number;
  let v2 = state[2] as number;
  let v3 = state[3] as number;
  for (let round = 0; round < FINAL_ROUNDS; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  state[0] = v0;
  state[1] = v1;
  state[2] = v2;
  state[3] = v3;
  return v1 ^ v3;
}

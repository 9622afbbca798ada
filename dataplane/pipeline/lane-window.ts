/**
 * A lane's replay window: a ring of 8,192 bits by counter mod 8,192, in words of 32, and the highest counter accepted
 * plus one. Worker threads; only the lane's owner touches it. Advancing clears whole words, so between 8,161 and 8,192
 * counters are remembered (RFC 6479).
 *
 *   words behind                                        highest's word
 *   …│ too old │ 255 words whose bits tell ……………………………… │ new above the highest bit │…
 */
import { LANE_WINDOW_WORDS, Lane, LIMIT } from '../shm/layout.ts';
import { TABLE } from '../shm/memory-map.ts';
import { LE } from './memory.ts';

/** What a window says about a counter. */
export const WINDOW_ACCEPT = 0;
export const WINDOW_REPLAY = 1;
export const WINDOW_TOO_OLD = 2;

const TWO_32 = 0x1_0000_0000;

/**
 * Looks a counter up; changes nothing.
 *
 * @param table - the tables
 * @param lane - slot
 * @param counterLow - and counterHigh: the datagram's counter, below 2^40; the low word signed or unsigned
 * @returns WINDOW_*
 */
export function testLaneWindow(
  table: DataView,
  lane: number,
  counterLow: number,
  counterHigh: number,
): number {
  const highest = highestPlusOne(table, lane);
  const counter = counterHigh * TWO_32 + (counterLow >>> 0);
  if (counter >= highest) return WINDOW_ACCEPT;
  if (Math.floor((highest - 1) / 32) - Math.floor(counter / 32) >= LANE_WINDOW_WORDS) return WINDOW_TOO_OLD;
  const word = table.getUint32(wordAt(lane, counterLow), LE);
  return (word & (1 << (counterLow & 31))) === 0 ? WINDOW_ACCEPT : WINDOW_REPLAY;
}

/**
 * Marks a counter as seen, once.
 * @returns WINDOW_*; the window is changed only with WINDOW_ACCEPT
 */
export function insertLaneWindow(
  table: DataView,
  lane: number,
  counterLow: number,
  counterHigh: number,
): number {
  const verdict = testLaneWindow(table, lane, counterLow, counterHigh);
  if (verdict !== WINDOW_ACCEPT) return verdict;
  const counter = counterHigh * TWO_32 + (counterLow >>> 0);
  const highest = highestPlusOne(table, lane);
  if (counter >= highest) advance(table, lane, highest, counter);
  const at = wordAt(lane, counterLow);
  table.setUint32(at, table.getUint32(at, LE) | (1 << (counterLow & 31)), LE);
  return WINDOW_ACCEPT;
}

/** Clears the words that the window moves into, and raises the highest counter. */
function advance(table: DataView, lane: number, highest: number, counter: number): void {
  const words = LIMIT.windowCounters / 32;
  const lastWord = highest === 0 ? -1 : Math.floor((highest - 1) / 32);
  const newWord = Math.floor(counter / 32);
  const first = Math.max(lastWord + 1, newWord - words + 1);
  for (let word = first; word <= newWord; word++) {
    table.setUint32(TABLE.laneWindows + (lane * words + (word % words)) * 4, 0, LE);
  }
  const laneAt = TABLE.lanes + lane * Lane.size;
  const next = counter + 1;
  table.setUint32(laneAt + Lane.at.rxHighestLow, next >>> 0, LE);
  table.setUint32(laneAt + Lane.at.rxHighestHigh, Math.floor(next / TWO_32), LE);
}

function highestPlusOne(table: DataView, lane: number): number {
  const at = TABLE.lanes + lane * Lane.size;
  return (
    table.getUint32(at + Lane.at.rxHighestHigh, LE) * TWO_32 + table.getUint32(at + Lane.at.rxHighestLow, LE)
  );
}

function wordAt(lane: number, counterLow: number): number {
  return TABLE.laneWindows + (lane * LANE_WINDOW_WORDS + ((counterLow >>> 5) & (LANE_WINDOW_WORDS - 1))) * 4;
}

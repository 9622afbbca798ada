/**
 * An end-to-end replay window, which several workers touch without a lock. A sender's counters are blocks of 16; word
 * `block mod 512` holds the bits of one block and, as a tag, which block: 16 bits of its number / 512. So a word says
 * by itself whose bits it holds, and one compare-and-swap moves it to a newer block.
 *
 *   word    tag u16 │ bitmap u16            highest    the highest block seen, plus one
 *
 * The highest block is raised before its word is changed. Whoever meets another block's tag therefore looks at the
 * highest again: either that block is newer and the own counter too old by now, or it is stale and may be replaced.
 * Worker threads. Counters are below 2^32, given as 32 bits, signed or unsigned.
 */
import { LIMIT, SenderWindow, WINDOWS_PER_SENDER } from '../shm/layout.ts';
import { TABLE } from '../shm/memory-map.ts';
import { WINDOW_ACCEPT, WINDOW_REPLAY, WINDOW_TOO_OLD } from './lane-window.ts';

const BLOCK_COUNTERS = 16;
const BLOCKS = LIMIT.windowCounters / BLOCK_COUNTERS;

/** First word (of 32 bits) of a sender's window: of its group-sealed frames, or of its pairwise ones. */
export function senderWindow(sender: number, isPairwise: boolean): number {
  const window = sender * WINDOWS_PER_SENDER + (isPairwise ? 1 : 0);
  return (TABLE.senderWindows + window * SenderWindow.size) >> 2;
}

/**
 * Looks a counter up; changes nothing. Another worker may change the answer before the counter is entered.
 *
 * @param words - the tables
 * @param window - of {@link senderWindow}
 * @returns WINDOW_*
 */
export function testSenderWindow(words: Uint32Array, window: number, counter: number): number {
  const block = counter >>> 4;
  const highest = Atomics.load(words, window);
  if (block >= highest) return WINDOW_ACCEPT;
  if (block + BLOCKS < highest) return WINDOW_TOO_OLD;
  const word = Atomics.load(words, wordOf(window, block));
  const isSeen = word >>> 16 === tagOf(block) && (word & bitOf(counter)) !== 0;
  return isSeen ? WINDOW_REPLAY : WINDOW_ACCEPT;
}

/**
 * Marks a counter as seen, once among all workers.
 * @returns WINDOW_*; WINDOW_REPLAY also when another worker was faster
 */
export function insertSenderWindow(words: Uint32Array, window: number, counter: number): number {
  const block = counter >>> 4;
  const at = wordOf(window, block);
  const tag = tagOf(block);
  const bit = bitOf(counter);
  if (!raiseHighest(words, window, block)) return WINDOW_TOO_OLD;
  for (;;) {
    const word = Atomics.load(words, at);
    let bits = bit;
    if (word >>> 16 === tag) {
      if ((word & bit) !== 0) return WINDOW_REPLAY;
      bits |= word & 0xffff;
    } else if (block + BLOCKS < Atomics.load(words, window)) {
      return WINDOW_TOO_OLD;
    }
    const next = ((tag << 16) | bits) >>> 0;
    if (Atomics.compareExchange(words, at, word, next) === word) return WINDOW_ACCEPT;
  }
}

/** @returns false when the block is too old */
function raiseHighest(words: Uint32Array, window: number, block: number): boolean {
  let highest = Atomics.load(words, window);
  while (block >= highest) {
    const found = Atomics.compareExchange(words, window, highest, block + 1);
    if (found === highest) return true;
    highest = found;
  }
  return block + BLOCKS >= highest;
}

function wordOf(window: number, block: number): number {
  return window + (SenderWindow.at.words >> 2) + (block & (BLOCKS - 1));
}

/** 16 bits, so it comes again after 2^29 counters; the highest block tells such words apart. */
function tagOf(block: number): number {
  return (block >>> 9) & 0xffff;
}

function bitOf(counter: number): number {
  return 1 << (counter & (BLOCK_COUNTERS - 1));
}

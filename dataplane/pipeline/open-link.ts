/**
 * Ingress, first stage: opens the link header of each received datagram (protocol section 3). Worker threads.
 *
 *   length, version → receiver index → lane live, ours, in time → carrier → counter → window test
 *   → three AES blocks: control unmasked, tweak, token
 *
 * Nothing is decided by the token here, and no window changes: a header that was forged gives a random token, which
 * forward will not find. Neighbours of one lane go through AES together.
 */
import { DROP } from '../base/drop-code.ts';
import { ArenaHeader, LANE_FREE, Lane, LIMIT, RX_OPEN, RxDatagram } from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { BLOCK_BYTES, BLOCKS_AT_ONCE, SCRATCH } from '../shm/scratch.ts';
import {
  COUNTER_LIMIT_HIGH,
  LINK,
  LINK_MAX_BYTES,
  LINK_MIN_BYTES,
  LINK_VERSION_TYPE,
} from '../wire/link-datagram.ts';
import { NO_KEY, RX_MASK, RX_TOKEN, RX_TWEAK } from './key-cache.ts';
import { testLaneWindow, WINDOW_REPLAY, WINDOW_TOO_OLD } from './lane-window.ts';
import { writeMaskInput, writeTweakInput } from './link-blocks.ts';
import { copy16, LE, xor16 } from './memory.ts';
import { dropRx, hasPassed, isStable, nowMs, rxAt, type StageContext } from './stage-context.ts';

/** Blocks opened on a lane, failures included, before it stops (protocol section 3: 2^40). */
const OPENED_MAX = 2 ** 40;

/** Opens datagrams 0 … datagramCount-1; see Engine.openLink. */
export function openLink(context: StageContext, datagramCount: number, carrier: number): void {
  const { memory, group } = context;
  memory.setUint32(ARENA.header + ArenaHeader.at.puntCount, 0, LE);
  let members = 0;
  let lane = 0;
  for (let index = 0; index < datagramCount; index++) {
    const at = rxAt(index);
    if (!admit(context, at, carrier)) continue;
    const ownLane = memory.getUint32(at + RxDatagram.at.lane, LE);
    if (members === BLOCKS_AT_ONCE || (members > 0 && ownLane !== lane)) {
      openGroup(context, members, lane);
      members = 0;
    }
    lane = ownLane;
    group[members++] = at;
  }
  if (members > 0) openGroup(context, members, lane);
}

/** Everything that can be said before a block is opened; cheap tests first. */
function admit(context: StageContext, at: number, carrier: number): boolean {
  const { memory, table } = context;
  const offset = memory.getUint32(at + RxDatagram.at.offset, LE);
  const length = memory.getUint32(at + RxDatagram.at.length, LE);
  if (length < LINK_MIN_BYTES) return refuse(context, at, DROP['datagram-short']);
  if (length > LINK_MAX_BYTES) return refuse(context, at, DROP['frame-oversize']);
  if (memory.getUint8(offset) !== LINK_VERSION_TYPE) return refuse(context, at, DROP['datagram-version']);
  const receiver = memory.getUint32(offset + LINK.receiver, LE);
  const lane = receiver & (LIMIT.lanes - 1);
  const laneAt = TABLE.lanes + lane * Lane.size;
  if (!isOurLane(context, laneAt, receiver)) return refuse(context, at, DROP['receiver-unknown']);
  const isSpent = table.getFloat64(laneAt + Lane.at.rxOpened, LE) >= OPENED_MAX;
  if (isSpent || hasPassed(table.getUint32(laneAt + Lane.at.notAfterMs, LE), nowMs(context))) {
    return refuse(context, at, DROP['lane-expired']);
  }
  if (table.getUint32(laneAt + Lane.at.carrier, LE) !== carrier)
    return refuse(context, at, DROP['carrier-mismatch']);
  memory.setUint32(at + RxDatagram.at.lane, lane, LE);
  memory.setUint32(at + RxDatagram.at.trunk, table.getUint32(laneAt + Lane.at.trunk, LE), LE);
  return admitCounter(context, at, lane, offset);
}

function isOurLane(context: StageContext, laneAt: number, receiver: number): boolean {
  const { table } = context;
  return (
    isStable(context, laneAt) &&
    table.getUint32(laneAt + Lane.at.state, LE) !== LANE_FREE &&
    table.getUint32(laneAt + Lane.at.localIndex, LE) === receiver &&
    table.getUint32(laneAt + Lane.at.worker, LE) === context.worker
  );
}

function admitCounter(context: StageContext, at: number, lane: number, offset: number): boolean {
  const { memory, table } = context;
  const low = memory.getInt32(offset + LINK.counter, LE);
  const high = memory.getUint32(offset + LINK.counter + 4, LE);
  if (high >= COUNTER_LIMIT_HIGH) return refuse(context, at, DROP['counter-limit']);
  const window = testLaneWindow(table, lane, low, high);
  if (window === WINDOW_REPLAY) return refuse(context, at, DROP['link-replay']);
  if (window === WINDOW_TOO_OLD) return refuse(context, at, DROP['link-too-old']);
  memory.setUint32(at + RxDatagram.at.counterLow, low, LE);
  memory.setUint32(at + RxDatagram.at.counterHigh, high, LE);
  // Counted before its blocks are opened, so that a batch cannot carry the lane past its limit.
  const openedAt = TABLE.lanes + lane * Lane.size + Lane.at.rxOpened;
  table.setFloat64(openedAt, table.getFloat64(openedAt, LE) + 1, LE);
  return true;
}

function refuse(context: StageContext, at: number, code: number): false {
  dropRx(context, at, code);
  return false;
}

/** Opens the blocks of the first `members` datagrams of context.group, all of one lane. */
function openGroup(context: StageContext, members: number, lane: number): void {
  const { group } = context;
  const keys = context.keys.laneBlocks(lane);
  if (keys === NO_KEY) {
    for (let member = 0; member < members; member++) {
      dropRx(context, group[member] as number, DROP['receiver-unknown']);
    }
    return;
  }
  unmaskControls(context, members, keys);
  openTokens(context, members, keys);
}

/** Bytes 1‥3 become plain in place, and the control word is noted. */
function unmaskControls(context: StageContext, members: number, keys: number): void {
  const { memory, group } = context;
  for (let member = 0; member < members; member++) {
    const offset = memory.getUint32((group[member] as number) + RxDatagram.at.offset, LE);
    writeMaskInput(memory, SCRATCH.blocks + member * BLOCK_BYTES, offset);
  }
  context.crypto.block.transform(keys + RX_MASK, SCRATCH.blocks, members);
  for (let member = 0; member < members; member++) {
    const at = group[member] as number;
    const offset = memory.getUint32(at + RxDatagram.at.offset, LE);
    const mask = memory.getUint32(SCRATCH.blocks + member * BLOCK_BYTES, LE);
    const word = (memory.getUint32(offset + LINK.word0, LE) ^ (mask << 8)) >>> 0;
    memory.setUint32(offset + LINK.word0, word, LE);
    memory.setUint32(at + RxDatagram.at.control, word >>> 8, LE);
    memory.setUint32(at + RxDatagram.at.verdict, RX_OPEN, LE);
  }
}

/** The token of each goes into its descriptor; bytes 16‥31 stay as they came. */
function openTokens(context: StageContext, members: number, keys: number): void {
  const { memory, group, crypto } = context;
  for (let member = 0; member < members; member++) {
    const at = group[member] as number;
    const offset = memory.getUint32(at + RxDatagram.at.offset, LE);
    const length = memory.getUint32(at + RxDatagram.at.length, LE);
    writeTweakInput(memory, SCRATCH.tweaks + member * BLOCK_BYTES, offset, length);
  }
  crypto.block.transform(keys + RX_TWEAK, SCRATCH.tweaks, members);
  for (let member = 0; member < members; member++) {
    const offset = memory.getUint32((group[member] as number) + RxDatagram.at.offset, LE);
    const block = SCRATCH.blocks + member * BLOCK_BYTES;
    copy16(memory, offset + LINK.token, memory, block);
    xor16(memory, block, SCRATCH.tweaks + member * BLOCK_BYTES);
  }
  crypto.block.transform(keys + RX_TOKEN, SCRATCH.blocks, members);
  for (let member = 0; member < members; member++) {
    const tokenAt = (group[member] as number) + RxDatagram.at.token;
    copy16(memory, SCRATCH.blocks + member * BLOCK_BYTES, memory, tokenAt);
    xor16(memory, tokenAt, SCRATCH.tweaks + member * BLOCK_BYTES);
  }
}

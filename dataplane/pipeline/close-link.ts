/**
 * Egress, fifth stage: writes the first 32 bytes of each datagram of a train under its lane's keys (protocol
 * section 3). Worker threads. The sealed frame behind them is not touched, so a flooded train is closed again for the
 * next trunk.
 *
 *   mask         control ⊕ AES(k3, 0⁴ ‖ receiver ‖ counter)[0‥3]
 *   tweak        T = AES(k2, version/type ‖ control ‖ length u16 ‖ 0² ‖ counter)
 *   token block  AES(k1, token ⊕ T) ⊕ T
 *
 * Each of the three goes through AES for all datagrams at once.
 */
import { DROP } from '../base/drop-code.ts';
import { LANE_FREE, Lane, NONE, Train, TxDatagram } from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { BLOCK_BYTES, BLOCKS_AT_ONCE, SCRATCH } from '../shm/scratch.ts';
import { COUNTER_LIMIT_HIGH, LINK, LINK_VERSION_TYPE } from '../wire/link-datagram.ts';
import { NO_KEY, TX_MASK, TX_TOKEN, TX_TWEAK } from './key-cache.ts';
import { writeMaskInput, writeTweakInput } from './link-blocks.ts';
import { copy16, LE, xor16 } from './memory.ts';
import { hasPassed, isStable, nowMs, type StageContext, txAt } from './stage-context.ts';

const TWO_32 = 0x1_0000_0000;

/** Closes a train; see Engine.closeLink. */
export function closeLink(context: StageContext, train: number): number {
  const { memory, table } = context;
  const trainAt = ARENA.trains + train * Train.size;
  const lane = memory.getUint32(trainAt + Train.at.lane, LE);
  if (lane === NONE) return DROP['lane-down'];
  const laneAt = TABLE.lanes + lane * Lane.size;
  if (!maySend(context, laneAt)) return DROP['lane-down'];
  if (hasPassed(table.getUint32(laneAt + Lane.at.notAfterMs, LE), nowMs(context)))
    return DROP['lane-exhausted'];
  const first = memory.getUint32(trainAt + Train.at.first, LE);
  const count = memory.getUint32(trainAt + Train.at.count, LE);
  const counter =
    table.getUint32(laneAt + Lane.at.txCounterHigh, LE) * TWO_32 +
    table.getUint32(laneAt + Lane.at.txCounterLow, LE);
  if (counter + count > COUNTER_LIMIT_HIGH * TWO_32) return DROP['lane-exhausted'];
  const keys = context.keys.laneBlocks(lane);
  if (keys === NO_KEY) return DROP['lane-down'];
  takeCounters(context, laneAt, counter + count);
  const receiver = table.getInt32(laneAt + Lane.at.peerIndex, LE);
  for (let done = 0; done < count; done += BLOCKS_AT_ONCE) {
    const some = Math.min(BLOCKS_AT_ONCE, count - done);
    writeHeaders(context, first + done, some, receiver, counter + done);
    closeTokens(context, first + done, some, keys);
    maskControls(context, first + done, some, keys);
  }
  noteSent(context, laneAt, trainAt, count);
  return 0;
}

/** Frames only come to a lane that sends (lane-choice.ts); a probe may go out on one that so far only receives. */
function maySend(context: StageContext, laneAt: number): boolean {
  const { table } = context;
  return (
    isStable(context, laneAt) &&
    table.getUint32(laneAt + Lane.at.state, LE) !== LANE_FREE &&
    table.getUint32(laneAt + Lane.at.worker, LE) === context.worker
  );
}

/** Before anything is sealed: whatever fails later, these counters are spent. */
function takeCounters(context: StageContext, laneAt: number, next: number): void {
  context.table.setUint32(laneAt + Lane.at.txCounterLow, next >>> 0, LE);
  context.table.setUint32(laneAt + Lane.at.txCounterHigh, Math.floor(next / TWO_32), LE);
}

/** Bytes 0‥15, with the control field as yet unmasked. */
function writeHeaders(
  context: StageContext,
  first: number,
  count: number,
  receiver: number,
  counter: number,
): void {
  const { memory } = context;
  for (let index = 0; index < count; index++) {
    const at = txAt(first + index);
    const offset = memory.getUint32(at + TxDatagram.at.offset, LE);
    const control = memory.getUint32(at + TxDatagram.at.control, LE);
    const own = counter + index;
    memory.setUint32(offset + LINK.word0, LINK_VERSION_TYPE | (control << 8), LE);
    memory.setUint32(offset + LINK.receiver, receiver, LE);
    memory.setUint32(offset + LINK.counter, own >>> 0, LE);
    memory.setUint32(offset + LINK.counter + 4, Math.floor(own / TWO_32), LE);
  }
}

/** Bytes 16‥31. */
function closeTokens(context: StageContext, first: number, count: number, keys: number): void {
  const { memory, crypto } = context;
  for (let index = 0; index < count; index++) {
    const at = txAt(first + index);
    const offset = memory.getUint32(at + TxDatagram.at.offset, LE);
    writeTweakInput(
      memory,
      SCRATCH.tweaks + index * BLOCK_BYTES,
      offset,
      memory.getUint32(at + TxDatagram.at.length, LE),
    );
  }
  crypto.block.transform(keys + TX_TWEAK, SCRATCH.tweaks, count);
  for (let index = 0; index < count; index++) {
    const block = SCRATCH.blocks + index * BLOCK_BYTES;
    copy16(memory, txAt(first + index) + TxDatagram.at.token, memory, block);
    xor16(memory, block, SCRATCH.tweaks + index * BLOCK_BYTES);
  }
  crypto.block.transform(keys + TX_TOKEN, SCRATCH.blocks, count);
  for (let index = 0; index < count; index++) {
    const tokenAt = memory.getUint32(txAt(first + index) + TxDatagram.at.offset, LE) + LINK.token;
    copy16(memory, SCRATCH.blocks + index * BLOCK_BYTES, memory, tokenAt);
    xor16(memory, tokenAt, SCRATCH.tweaks + index * BLOCK_BYTES);
  }
}

/** Bytes 1‥3; last, since the tweak is over the unmasked control field. */
function maskControls(context: StageContext, first: number, count: number, keys: number): void {
  const { memory, crypto } = context;
  for (let index = 0; index < count; index++) {
    const offset = memory.getUint32(txAt(first + index) + TxDatagram.at.offset, LE);
    writeMaskInput(memory, SCRATCH.blocks + index * BLOCK_BYTES, offset);
  }
  crypto.block.transform(keys + TX_MASK, SCRATCH.blocks, count);
  for (let index = 0; index < count; index++) {
    const offset = memory.getUint32(txAt(first + index) + TxDatagram.at.offset, LE);
    const mask = memory.getUint32(SCRATCH.blocks + index * BLOCK_BYTES, LE);
    memory.setUint32(offset + LINK.word0, memory.getUint32(offset + LINK.word0, LE) ^ (mask << 8), LE);
  }
}

function noteSent(context: StageContext, laneAt: number, trainAt: number, count: number): void {
  const { table, memory } = context;
  const bytes = memory.getUint32(trainAt + Train.at.bytes, LE);
  table.setFloat64(
    laneAt + Lane.at.txDatagrams,
    table.getFloat64(laneAt + Lane.at.txDatagrams, LE) + count,
    LE,
  );
  table.setFloat64(laneAt + Lane.at.txBytes, table.getFloat64(laneAt + Lane.at.txBytes, LE) + bytes, LE);
  table.setUint32(laneAt + Lane.at.lastTxMs, nowMs(context), LE);
}
